//! The reference's cases of the enrich job: `golden/enrich/job`.
//!
//! Look-up files are those that the reference's tests read; the services answer what `test_services.json` says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[allow(dead_code, reason = "a part of it is used here")]
#[path = "support/sql_servers.rs"]
mod sql_servers;
mod support;

use std::cell::OnceCell;
use std::fs;

use base64::Engine;
use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfigs;
use engine::event::fields::Field;
use engine::job::{EnrichJob, JobOptions};
use serde_json::Value;
use support::databases::DatabaseFolder;
use support::golden::{Parity, cases, texts};
use support::parts;
use support::registry::StaticRegistry;
use support::services::GoldenServices;

/// The database of the cases with an SQL query.
const POSTGRES: &str = "postgresql:localhost:5432";

#[test]
fn cases_of_the_enrich_job() {
    let Some(shared) = support::shared("cases of the enrich job") else {
        return;
    };
    let golden = shared.join("golden/enrich");
    let registry = StaticRegistry::start(&[&shared.join("data/iglu-central/r94")]);
    let files = DatabaseFolder::new(&shared, "spark-enrich");
    let services = GoldenServices::start(&shared);
    let environment = Environment {
        databases: files.databases(),
        open_exchange_rates: Some(format!("http://{}", services.rates.address)),
        ..Environment::default()
    };
    let database = OnceCell::new();
    let mut parity = Parity::default();
    for (name, case) in cases(&golden.join("job")) {
        let set = fs::read_to_string(golden.join(case["enrichments"].as_str().unwrap_or_default()))
            .expect("the set");
        let mut set: Value = serde_json::from_str(&services.at_home(&set)).expect("JSON");
        if texts(&case["needs"]).iter().any(|need| need == POSTGRES) {
            let Some(server) = database.get_or_init(|| sql_servers::described(&shared)) else {
                parity.left_out("needs PostgreSQL", &name);
                continue;
            };
            for config in set["data"].as_array_mut().into_iter().flatten() {
                if config["data"]["name"] == "sql_query_enrichment_config" {
                    let place = &mut config["data"]["parameters"]["database"]["postgresql"];
                    place["host"] = "127.0.0.1".into();
                    place["port"] = server.port.into();
                }
            }
        }
        let outcome = run(&case, &golden, &registry.uri, &environment, &set);
        let area = case["area"].as_str().unwrap_or("?").to_owned();
        parity.case(&area, &name, outcome);
    }
    parity.finish("golden/enrich/job");
}

fn run(
    case: &Value,
    golden: &std::path::Path,
    registry: &str,
    environment: &Environment,
    set: &Value,
) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap_or_default().to_owned();
    fs::create_dir(path("in")).map_err(|error| error.to_string())?;
    let input = &case["input"];
    let (name, bytes) = if input["encoding"] == "base64" {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(input["file"].as_str().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        (
            input["file_name"]
                .as_str()
                .unwrap_or("input.lzo")
                .to_owned(),
            bytes,
        )
    } else {
        let lines: String = texts(&input["lines"])
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        ("input.txt".to_owned(), lines.into_bytes())
    };
    fs::write(path("in").join(name), bytes).map_err(|error| error.to_string())?;
    let resolver = fs::read_to_string(golden.join("resolver.json"))
        .map_err(|error| error.to_string())?
        .replace("http://iglucentral.com", registry);

    let job = EnrichJob {
        input: text("in"),
        format: case["collector_format"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        output: text("out"),
        bad: text("bad"),
        errors: None,
        pii: None,
        enrichments: EnrichmentConfigs::from_json(&set.to_string())
            .map_err(|error| error.to_string())?,
        environment: environment.clone(),
        resolver,
        etl_tstamp_ms: case["etl_tstamp_ms"].as_i64().unwrap_or_default(),
        v_etl: Some("spark-1.15.0-common-0.34.0".to_owned()),
        // One worker keeps the order of the input.
        options: JobOptions {
            workers: 1,
            ..JobOptions::default()
        },
    };
    job.run().map_err(|error| error.to_string())?;

    let good = unsorted_lines(&path("out"));
    let bad = unsorted_lines(&path("bad"));
    let expected = &case["expected"];
    let count = |key: &str| expected[key].as_u64();
    for (what, found, wanted) in [
        ("good", good.len(), count("good_count")),
        ("bad", bad.len(), count("bad_count")),
    ] {
        if wanted.is_some_and(|wanted| wanted != found as u64) {
            return Err(format!(
                "{what}: {found} rows, expected {wanted:?}\n{good:#?}\n{bad:#?}"
            ));
        }
    }
    if count("bad_count_min").is_some_and(|least| (bad.len() as u64) < least) {
        return Err(format!("bad: only {} rows", bad.len()));
    }
    for (row, wanted) in bad
        .iter()
        .zip(expected["bad"].as_array().into_iter().flatten())
    {
        let mut found: Value = serde_json::from_str(row).map_err(|error| error.to_string())?;
        let tstamp = found
            .as_object_mut()
            .and_then(|row| row.remove("failure_tstamp"));
        if tstamp.is_none() || found != *wanted {
            return Err(format!("bad row:\n  found    {found}\n  expected {wanted}"));
        }
    }
    let json_columns = texts(&expected["json_columns"]);
    let mut differences = Vec::new();
    for (line, wanted) in good
        .iter()
        .zip(expected["good"].as_array().into_iter().flatten())
    {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != 131 {
            return Err(format!("{} columns", cells.len()));
        }
        for (column, value) in wanted.as_object().into_iter().flatten() {
            let Some(field) = Field::from_name(column) else {
                return Err(format!("unknown column {column}"));
            };
            let found = cells[field as usize];
            let wanted = value.as_str().unwrap_or_default();
            let is_equal = if json_columns.contains(column) {
                serde_json::from_str::<Value>(found).ok() == serde_json::from_str(wanted).ok()
            } else {
                found == wanted
            };
            if !is_equal {
                differences.push(format!(
                    "{column}:\n    found    {found}\n    expected {wanted}"
                ));
            }
        }
        if wanted.get("event_id").is_none() && cells[Field::EventId as usize].len() != 36 {
            differences.push("event_id is no UUID".to_owned());
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n  "))
    }
}

/// Lines of the part files in the order in which they were written.
fn unsorted_lines(folder: &std::path::Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of an output")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("part-"))
        })
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            parts::read(file)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}
