//! Vectors of the libraries behind the enrichments that read user agents and referrers: UserAgentUtils 1.21, uap-java 1.3.0 with
//! uap-core of November 2013, referer-parser 0.3.0.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::referer_parser::RefererParser;
use engine::enrichment::ua_parser::UaParser;
use engine::enrichment::user_agent_utils::UserAgentUtils;
use engine::iglu::SchemaKey;
use engine::json;
use engine::text::java_uri::JavaUri;
use serde_json::Value;
use support::golden::Parity;

/// An environment whose folder of look-up files holds these files of the shared data.
fn environment(data: &Path, files: &[&str]) -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let name = Path::new(file).file_name().expect("a name");
        fs::copy(data.join(file), folder.path().join(name)).expect("a copy");
    }
    let mut environment = Environment::default();
    environment.databases.folder = Some(folder.path().to_owned());
    (folder, environment)
}

fn config(name: &str, data: &str) -> EnrichmentConfig {
    let key = format!("iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-0");
    EnrichmentConfig {
        name: name.to_owned(),
        schema: SchemaKey::parse(&key).expect("a key"),
        data: json::parse(data)
            .expect("JSON")
            .expect("a value")
            .into_owned(),
    }
}

/// Columns and rows of a TSV with a header.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let text = fs::read_to_string(path).expect("a table");
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    let cell = |cell: &str| match cell {
        "\\N" => None,
        cell => Some(cell.replace("\\t", "\t").replace("\\n", "\n")),
    };
    (
        header.split('\t').map(str::to_owned).collect(),
        lines
            .map(|line| line.split('\t').map(cell).collect())
            .collect(),
    )
}

/// The data and a list of what is run over it.
fn data(what: &str) -> Option<PathBuf> {
    support::shared(what).map(|shared| shared.join("data"))
}

fn compare(
    header: &[String],
    expected: &[Option<String>],
    found: &[Option<String>],
) -> Result<(), String> {
    let differences: Vec<String> = header
        .iter()
        .zip(expected)
        .zip(found)
        .filter(|((_, expected), found)| expected != found)
        .map(|((column, expected), found)| {
            format!("{column}: expected {expected:?}, found {found:?}")
        })
        .collect();
    match differences.is_empty() && expected.len() == found.len() {
        true => Ok(()),
        false => Err(differences.join("; ")),
    }
}

/// The ten columns of UserAgentUtils.
fn attributes(enrichment: &UserAgentUtils, useragent: &str) -> Vec<Option<String>> {
    let a = enrichment.attributes(useragent).expect("attributes");
    let is_mobile = if a.is_mobile() { "1" } else { "0" };
    vec![
        Some(a.browser_name.to_string()),
        Some(a.browser_family.to_string()),
        a.browser_version.as_deref().map(str::to_owned),
        Some(a.browser_type.to_string()),
        Some(a.render_engine.to_string()),
        Some(a.system_name.to_string()),
        Some(a.system_family.to_string()),
        Some(a.system_manufacturer.to_string()),
        Some(a.device_type.to_string()),
        Some(is_mobile.to_owned()),
    ]
}

const UTILS: &[&str] = &[
    "user-agent-utils/browsers.json",
    "user-agent-utils/operating_systems.json",
];

#[test]
fn user_agent_utils() {
    let Some(data) = data("vectors of UserAgentUtils") else {
        return;
    };
    let (_folder, environment) = environment(&data, UTILS);
    let config = config("user_agent_utils_config", "{}");
    let enrichment = UserAgentUtils::new(&config, &environment).expect("the enrichment");
    let mut parity = Parity::default();
    let (header, rows) = table(&data.join("user-agent-utils/golden.tsv"));
    for row in rows {
        let useragent = row[0].as_deref().unwrap_or_default();
        let found = attributes(&enrichment, useragent);
        parity.case(
            "golden.tsv",
            useragent,
            compare(&header[1..], &row[1..], &found),
        );
    }

    // keys of the tables, whose names the enrichment gives
    let names = |file: &str, list: &str| -> Vec<(String, String)> {
        let text = fs::read_to_string(data.join(file)).expect("a table");
        let table: Value = serde_json::from_str(&text).expect("JSON");
        let entries = table[list].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        entries
            .map(|entry| (text(&entry["key"]), text(&entry["name"])))
            .collect()
    };
    let browsers = names(UTILS[0], "browsers");
    let systems = names(UTILS[1], "operating_systems");
    let name_of = |names: &[(String, String)], key: &Value| -> Option<String> {
        let key = key.as_str()?;
        let (_, name) = names.iter().find(|(known, _)| known == key)?;
        Some(name.clone())
    };
    let text = fs::read_to_string(data.join("user-agent-utils/test-vectors.json")).expect("cases");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    for case in cases.as_array().expect("a list") {
        let useragent = case["user_agent"].as_str().expect("a text");
        let found = attributes(&enrichment, useragent);
        let mut outcome = Ok(());
        for (what, expected, found) in [
            ("browser", name_of(&browsers, &case["browser"]), &found[0]),
            (
                "version",
                case["version"].as_str().map(str::to_owned),
                &found[2],
            ),
            ("os", name_of(&systems, &case["os"]), &found[5]),
        ] {
            if !case[what].is_null() && expected != *found {
                outcome = Err(format!("{what}: expected {expected:?}, found {found:?}"));
            }
        }
        parity.case("test-vectors.json", useragent, outcome);
    }
    parity.finish("data/user-agent-utils");
}

/// How near the columns come without the tables: a measure, not a promise of the reference.
#[test]
fn user_agent_utils_without_tables() {
    let Some(data) = data("columns of UserAgentUtils without its tables") else {
        return;
    };
    let config = config("user_agent_utils_config", "{}");
    let (header, rows) = table(&data.join("user-agent-utils/golden.tsv"));
    for (title, files) in [
        ("built-in regexes", &[][..]),
        ("regexes of 2013-11", &["uap-core/2013-11/regexes.yaml"][..]),
    ] {
        let (_folder, environment) = environment(&data, files);
        let enrichment = UserAgentUtils::new(&config, &environment).expect("the enrichment");
        let mut equal = vec![0_usize; header.len() - 1];
        let mut differences = std::collections::BTreeMap::new();
        for row in &rows {
            let found = attributes(&enrichment, row[0].as_deref().unwrap_or_default());
            for (column, (expected, found)) in row[1..].iter().zip(&found).enumerate() {
                equal[column] += usize::from(expected == found);
                if expected != found && std::env::var_os("AGENTS_DIFFERENCES").is_some() {
                    let key = format!("{} {expected:?} {found:?}", header[column + 1]);
                    let entry = differences.entry(key).or_insert((0, row[0].clone()));
                    entry.0 += 1;
                }
            }
        }
        let mut differences: Vec<_> = differences.into_iter().collect();
        differences.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (what, (count, example)) in differences.iter().take(60) {
            println!("{count} {what} e.g. {example:?}");
        }
        for (column, equal) in header[1..].iter().zip(&equal) {
            let share = 100 * equal / rows.len();
            println!(
                "APPROXIMATE {title}: {column} equal in {share} % of {}",
                rows.len()
            );
            assert!(share >= 50, "{title}: {column} {share} %");
        }
    }
}

#[test]
fn ua_parser() {
    let Some(data) = data("vectors of ua-parser") else {
        return;
    };
    let (_folder, environment) = environment(&data, &["uap-core/2013-11/regexes.yaml"]);
    let config = config("ua_parser_config", "{}");
    let enrichment = UaParser::new(&config, &environment).expect("the enrichment");
    let mut parity = Parity::default();
    let (header, rows) = table(&data.join("uap-core/2013-11/golden.tsv"));
    for row in rows {
        let useragent = row[0].as_deref().unwrap_or_default();
        let context = enrichment.context(useragent).expect("a context");
        let context: Value = serde_json::from_str(&context.to_compact()).expect("JSON");
        let member = |name: &String| context["data"][name].as_str().map(str::to_owned);
        let found: Vec<_> = header[1..].iter().map(member).collect();
        parity.case(
            "golden.tsv",
            useragent,
            compare(&header[1..], &row[1..], &found),
        );
    }
    parity.finish("data/uap-core/2013-11");
}

/// The later files against the crate `ua-parser`, whose rules are the same about families: each user agent as it is and with
/// characters outside of ASCII around it, which take another engine.
#[test]
fn ua_parser_with_later_files() {
    let Some(data) = data("later files of ua-parser") else {
        return;
    };
    let config = config("ua_parser_config", "{}");
    let (_, rows) = table(&data.join("uap-core/2013-11/golden.tsv"));
    let useragents: Vec<String> = rows.into_iter().filter_map(|row| row[0].clone()).collect();
    let mut parity = Parity::default();
    for generation in ["2013-11", "2016-05", "latest"] {
        let file = format!("uap-core/{generation}/regexes.yaml");
        let text = fs::read_to_string(data.join(&file)).expect("the file");
        let peer: ua_parser::Regexes<'_> = serde_saphyr::from_str(&text).expect("YAML");
        let peer = ua_parser::Extractor::try_from(peer).expect("the peer");
        let (_folder, environment) = environment(&data, &[&file]);
        let enrichment = UaParser::new(&config, &environment).expect("the enrichment");
        for useragent in &useragents {
            for useragent in [
                useragent.clone(),
                format!("{useragent} \u{e9}"),
                format!("\u{65e5}\u{672c}{useragent}"),
            ] {
                let context = enrichment.context(&useragent).expect("a context");
                let family = |name: &str| {
                    let data = context.get("data").expect("data");
                    data.get(name)
                        .and_then(json::Value::as_str)
                        .map(str::to_owned)
                };
                let found = ["useragentFamily", "osFamily", "deviceFamily"].map(family);
                let (agent, system, device) = peer.extract(&useragent);
                let or_other = |family: Option<std::borrow::Cow<'_, str>>| {
                    Some(family.map_or_else(|| "Other".to_owned(), |family| family.into_owned()))
                };
                let expected = [
                    or_other(agent.map(|agent| agent.family)),
                    or_other(system.map(|system| system.os)),
                    or_other(device.map(|device| device.device)),
                ];
                let header = ["family", "os", "device"].map(str::to_owned);
                let outcome = compare(&header, &expected, &found);
                if outcome.is_err() && useragent.contains("PingdomPageSpeed") {
                    let reason = "the crate makes counted repetitions unbounded, Java does not";
                    parity.left_out(reason, &useragent);
                    continue;
                }
                parity.case(&format!("families by {generation}"), &useragent, outcome);
            }
        }
    }
    parity.finish("crate ua-parser");
}

/// The enrichment with the shared database in one of its forms.
fn referers(data: &Path, file: &str, internal_domains: &str) -> RefererParser {
    let (_folder, environment) = environment(data, &[&format!("referer-parser/{file}")]);
    let data = format!(r#"{{"parameters":{{"internalDomains":{internal_domains}}}}}"#);
    RefererParser::new(&config("referer_parser", &data), &environment).expect("the enrichment")
}

/// Medium, source and term; what golden.tsv writes where there is none.
fn referer(enrichment: &RefererParser, text: &str) -> [Option<String>; 3] {
    let Ok(uri) = JavaUri::parse(text) else {
        return [Some("BADURI".to_owned()), None, None];
    };
    match enrichment.referer(&uri, Some("www.snowplowanalytics.com")) {
        None => [Some("NONE".to_owned()), None, None],
        Some(referer) => [
            Some(referer.medium.to_owned()),
            referer.source.map(str::to_owned),
            referer.term,
        ],
    }
}

#[test]
fn referer_parser() {
    let Some(data) = data("vectors of referer-parser") else {
        return;
    };
    let mut parity = Parity::default();
    let columns = ["medium", "source", "term"].map(str::to_owned);
    for file in ["referers.yml", "referers.json"] {
        let domains = r#"["www.subdomain1.snowplowanalytics.com"," www.internaldomain.com "]"#;
        let enrichment = referers(&data, file, domains);
        let (_, rows) = table(&data.join("referer-parser/golden.tsv"));
        for row in rows {
            let text = row[0].as_deref().unwrap_or_default();
            let mut expected = row[1..].to_vec();
            expected.resize(3, None);
            // the enrichment makes the term safe for a TSV, the library does not
            if let Some(term) = &expected[2] {
                expected[2] = engine::text::clean::tsv_safe(term).map(|term| term.into_owned());
            }
            let outcome = compare(&columns, &expected, &referer(&enrichment, text));
            if file == "referers.json" && outcome.is_err() && text.contains("wayn.com") {
                let reason = "referers.json has the two definitions of wayn.com in the other order";
                parity.left_out(reason, text);
                continue;
            }
            parity.case(&format!("golden.tsv over {file}"), text, outcome);
        }

        let domains =
            r#"["www.subdomain1.snowplowanalytics.com","www.subdomain2.snowplowanalytics.com"]"#;
        let enrichment = referers(&data, file, domains);
        let text = fs::read_to_string(data.join("referer-parser/referer-tests.json"));
        let cases: Value = serde_json::from_str(&text.expect("cases")).expect("JSON");
        for case in cases.as_array().expect("a list") {
            let expected =
                ["medium", "source", "term"].map(|n| case[n].as_str().map(str::to_owned));
            let found = referer(&enrichment, case["uri"].as_str().expect("a URI"));
            let name = case["spec"].as_str().unwrap_or_default();
            let outcome = compare(&columns, &expected, &found);
            parity.case(&format!("referer-tests.json over {file}"), name, outcome);
        }
    }
    parity.finish("data/referer-parser");
}
