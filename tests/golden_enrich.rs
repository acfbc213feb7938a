//! The reference's cases of the enrich job: `golden/enrich/job`.
//!
//! All sets of enrichments name some that this engine may not have: those are taken out, and the columns that only they
//! write are not compared, but listed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use base64::Engine;
use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfigs;
use engine::enrichment::registry::KNOWN;
use engine::event::fields::Field;
use engine::job::{EnrichJob, JobOptions};
use serde_json::Value;
use support::databases::DatabaseFolder;
use support::golden::{Parity, cases, texts};
use support::parts;
use support::registry::StaticRegistry;

/// Columns that each configurable enrichment writes, besides contexts.
const WRITES: &[(&str, &[&str])] = &[
    ("anon_ip", &["user_ipaddress"]),
    (
        "ip_lookups",
        &[
            "geo_country",
            "geo_region",
            "geo_city",
            "geo_zipcode",
            "geo_latitude",
            "geo_longitude",
            "geo_region_name",
            "geo_timezone",
            "ip_isp",
            "ip_organization",
            "ip_domain",
            "ip_netspeed",
        ],
    ),
    ("iab_spiders_and_robots_enrichment", &["derived_contexts"]),
    ("ua_parser_config", &["derived_contexts"]),
    (
        "user_agent_utils_config",
        &[
            "br_name",
            "br_family",
            "br_version",
            "br_type",
            "br_renderengine",
            "os_name",
            "os_family",
            "os_manufacturer",
            "dvce_type",
            "dvce_ismobile",
        ],
    ),
    (
        "referer_parser",
        &["refr_medium", "refr_source", "refr_term"],
    ),
    (
        "campaign_attribution",
        &[
            "mkt_medium",
            "mkt_source",
            "mkt_term",
            "mkt_content",
            "mkt_campaign",
            "mkt_clickid",
            "mkt_network",
        ],
    ),
    ("event_fingerprint_config", &["event_fingerprint"]),
    ("cookie_extractor_config", &["derived_contexts"]),
    ("http_header_extractor_config", &["derived_contexts"]),
    (
        "currency_conversion_config",
        &[
            "base_currency",
            "tr_total_base",
            "tr_tax_base",
            "tr_shipping_base",
            "ti_price_base",
        ],
    ),
    ("weather_enrichment_config", &["derived_contexts"]),
    ("javascript_script_config", &["derived_contexts"]),
    ("sql_query_enrichment_config", &["derived_contexts"]),
    ("api_request_enrichment_config", &["derived_contexts"]),
    ("pii_enrichment_config", &["user_id", "user_ipaddress"]),
];

/// Services that no test here provides.
const UNMET_NEEDS: &[&str] = &[
    "openexchangerates",
    "http-server:localhost:8000",
    "postgresql:localhost:5432",
];

#[test]
fn cases_of_the_enrich_job() {
    let Some(shared) = support::shared("cases of the enrich job") else {
        return;
    };
    let golden = shared.join("golden/enrich");
    let registry = StaticRegistry::start(&[&shared.join("data/iglu-central/r94")]);
    let files = DatabaseFolder::new(&shared, "spark-enrich");
    let environment = Environment {
        databases: files.databases(),
        ..Environment::default()
    };
    let mut parity = Parity::default();
    let mut not_compared: BTreeMap<String, u64> = BTreeMap::new();
    for (name, case) in cases(&golden.join("job")) {
        let set = fs::read_to_string(golden.join(case["enrichments"].as_str().unwrap_or_default()))
            .expect("the set");
        let set: Value = serde_json::from_str(&set).expect("JSON");
        let (kept, removed) = split_enrichments(&set);
        let needs: Vec<String> = texts(&case["needs"]);
        // A service matters only to an enrichment that was kept.
        if needs
            .iter()
            .any(|need| UNMET_NEEDS.contains(&need.as_str()))
            && needs_service(&kept)
        {
            parity.left_out("needs a service", &name);
            continue;
        }
        let outcome = run(
            &case,
            &golden,
            &registry.uri,
            &environment,
            &kept,
            &removed,
            &mut not_compared,
        );
        let area = case["area"].as_str().unwrap_or("?").to_owned();
        parity.case(&area, &name, outcome);
    }
    if !not_compared.is_empty() {
        let columns: Vec<String> = not_compared
            .iter()
            .map(|(column, count)| format!("{column} {count}"))
            .collect();
        println!(
            "PARITY golden/enrich/job columns not compared (times): {}",
            columns.join(", ")
        );
    }
    parity.finish("golden/enrich/job");
}

fn needs_service(kept: &Value) -> bool {
    kept["data"].as_array().into_iter().flatten().any(|config| {
        config["data"]["enabled"].as_bool() == Some(true)
            && [
                "currency_conversion_config",
                "sql_query_enrichment_config",
                "api_request_enrichment_config",
            ]
            .contains(&config["data"]["name"].as_str().unwrap_or_default())
    })
}

/// The set without the enabled enrichments that are not built, and these.
fn split_enrichments(set: &Value) -> (Value, Vec<Value>) {
    let mut kept = set.clone();
    let mut removed = Vec::new();
    let left: Vec<Value> = set["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|config| {
            let name = config["data"]["name"].as_str().unwrap_or_default();
            let is_built = KNOWN
                .iter()
                .any(|known| known.name == name && known.build.is_some());
            let stays = is_built || config["data"]["enabled"].as_bool() == Some(false);
            if !stays {
                removed.push((*config).clone());
            }
            stays
        })
        .cloned()
        .collect();
    kept["data"] = Value::Array(left);
    (kept, removed)
}

fn run(
    case: &Value,
    golden: &std::path::Path,
    registry: &str,
    environment: &Environment,
    kept: &Value,
    removed: &[Value],
    not_compared: &mut BTreeMap<String, u64>,
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
        enrichments: EnrichmentConfigs::from_json(&kept.to_string())
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
        let skipped = columns_not_compared(removed, wanted);
        for (column, value) in wanted.as_object().into_iter().flatten() {
            if skipped.contains(column.as_str()) {
                *not_compared.entry(column.clone()).or_default() += 1;
                continue;
            }
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

/// Columns that only the removed enrichments write, of the event of one expected row.
fn columns_not_compared(removed: &[Value], wanted: &Value) -> BTreeSet<&'static str> {
    let mut columns = BTreeSet::new();
    for config in removed {
        let name = config["data"]["name"].as_str().unwrap_or_default();
        for (enrichment, writes) in WRITES {
            if *enrichment == name {
                columns.extend(writes.iter());
            }
        }
        // Pseudonymisation also rewrites JSON columns of events whose schema it names.
        for field in config["data"]["parameters"]["pii"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let criterion = field["json"]["schemaCriterion"]
                .as_str()
                .unwrap_or_default();
            let event = wanted["unstruct_event"].as_str().unwrap_or_default();
            let prefix = criterion.rsplit_once('/').map_or("", |(prefix, _)| prefix);
            if field["json"]["field"] == "unstruct_event"
                && !prefix.is_empty()
                && event.contains(prefix)
            {
                columns.insert("unstruct_event");
            }
        }
    }
    columns
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
