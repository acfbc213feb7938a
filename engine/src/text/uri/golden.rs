//! The reference's own unit cases for URIs, query strings, Base64 and times, read from the shared folder
//! (`CAMONICA_SHARED`, or `shared` beside the workspace); skipped where that is not there.

use std::path::PathBuf;

use serde_json::Value;

use super::string_to_uri;
use crate::text::java_uri::JavaUri;
use crate::text::{base64, joda, querystring, time};

fn cases(file: &str) -> Option<Vec<Value>> {
    let shared = std::env::var_os("CAMONICA_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let path = shared.join("golden/enrich/unit").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no golden cases at {}", path.display());
        return None;
    };
    let spec: Value = serde_json::from_str(&text).unwrap();
    Some(spec["cases"].as_array().unwrap().clone())
}

/// The cases of one call, with arguments and expectation; generated ones are left out.
fn calls(file: &str, call: &str, mut check: impl FnMut(&str, &[Value], &Value)) {
    let Some(cases) = cases(file) else { return };
    let mut count = 0;
    for case in &cases {
        if case["actual"]["call"] == call && case["property"] != true {
            let args = case["actual"]["args"].as_array().unwrap();
            check(case["name"].as_str().unwrap(), args, &case["expect"]);
            count += 1;
        }
    }
    eprintln!("golden {file} {call}: {count} cases");
    assert!(count > 0);
}

#[test]
fn uris() {
    const FILE: &str = "utils/conversionUtilsSpecs.json";
    calls(FILE, "ConversionUtils.stringToUri", |name, args, expect| {
        let uri = string_to_uri(args[0].as_str()).unwrap();
        assert_eq!(
            uri.map(|uri| uri.text).as_deref(),
            expect["success"].as_str(),
            "{name}"
        );
    });
    calls(FILE, "ConversionUtils.explodeUri", |name, args, expect| {
        let uri = JavaUri::parse(args[0].as_str().unwrap()).unwrap();
        let expected = &expect["equals"];
        assert_eq!(uri.scheme.as_deref(), expected["scheme"].as_str(), "{name}");
        assert_eq!(uri.host.as_deref(), expected["host"].as_str(), "{name}");
        assert_eq!(uri.path.as_deref(), expected["path"].as_str(), "{name}");
        assert_eq!(uri.query.as_deref(), expected["query"].as_str(), "{name}");
        assert_eq!(
            uri.fragment.as_deref(),
            expected["fragment"].as_str(),
            "{name}"
        );
        let default = if uri.scheme.as_deref() == Some("https") {
            443
        } else {
            80
        };
        let port = if uri.port == -1 { default } else { uri.port };
        assert_eq!(Some(i64::from(port)), expected["port"].as_i64(), "{name}");
    });
    const PAGE: &str = "enrichments/web/ExtractPageUriSpec.json";
    calls(
        PAGE,
        "PageEnrichments.extractPageUri",
        |name, args, expect| {
            let text = args[1].as_str().or(args[0].as_str());
            let uri = string_to_uri(text).unwrap();
            assert_eq!(
                uri.map(|uri| uri.text).as_deref(),
                expect["success"].as_str(),
                "{name}"
            );
        },
    );
}

#[test]
fn base64_fields() {
    const FILE: &str = "utils/conversionUtilsSpecs.json";
    calls(
        FILE,
        "ConversionUtils.decodeBase64Url",
        |name, args, expect| {
            let text = base64::decode_field("e", args[1].as_str());
            assert_eq!(text.as_deref().ok(), expect["success"].as_str(), "{name}");
        },
    );
}

#[test]
fn querystrings() {
    calls(
        "loaders/LoaderSpec.json",
        "parseQuerystring",
        |name, args, expect| {
            let pairs = querystring::parse_querystring(args[0].as_str(), args[1].as_str().unwrap());
            let found: Vec<Value> = pairs
                .unwrap()
                .into_iter()
                .map(|(name, value)| serde_json::json!([name, value]))
                .collect();
            assert_eq!(Value::Array(found), expect["success"], "{name}");
        },
    );
}

#[test]
fn timestamps() {
    const LOADER: &str = "loaders/CloudfrontLoaderSpec.json";
    calls(
        LOADER,
        "CloudfrontLoader.toTimestamp",
        |name, args, expect| {
            let (date, clock) = (args[0].as_str().unwrap(), args[1].as_str().unwrap());
            let found = joda::parse_iso_date_time(&format!("{date}T{clock}+00:00"));
            let expected = joda::parse_iso_date_time(expect["success"].as_str().unwrap());
            assert!(found.is_ok(), "{name}");
            assert_eq!(found, expected, "{name}");
        },
    );
    const EVENTS: &str = "enrichments/eventEnrichmentSpecs.json";
    calls(
        EVENTS,
        "EventEnrichments.getDerivedTimestamp",
        |name, args, expect| {
            let millis = |at: usize| args[at].as_str().and_then(joda::parse_tstamp);
            let derived = match (millis(0), millis(1), millis(2), millis(3)) {
                (_, _, _, Some(true_time)) => Some(true_time),
                (Some(sent), Some(created), Some(collector), None) if created < sent => {
                    Some(time::subtract_period(created, sent, collector).unwrap())
                }
                (_, _, collector, None) => collector,
            };
            let derived = derived.map(time::format_tstamp);
            assert_eq!(derived.as_deref(), expect["success"].as_str(), "{name}");
        },
    );
    calls(
        EVENTS,
        "EventEnrichments.extractTimestamp",
        |name, args, expect| {
            let printed = time::format_tstamp(args[1].as_str().unwrap().parse().unwrap());
            let (success, failure) = (expect["success"].as_str(), expect["failure"].as_str());
            assert!(success.or(failure).unwrap().contains(&printed), "{name}");
        },
    );
}
