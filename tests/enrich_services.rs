//! The enrichments that ask web services, against services on loopback: what is asked, how often and how many at a time,
//! what becomes of each kind of failure, and that a slow service holds up nobody who does not need it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;
#[path = "enrich_services/api.rs"]
mod api;
#[path = "enrich_services/jobs.rs"]
mod jobs;
#[path = "enrich_services/places.rs"]
mod places;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use engine::enrichment::{EnrichmentConfigs, Environment};
use engine::event::Field;
use engine::job::{EnrichJob, JobOptions, JobReport};
use serde_json::{Value, json};

/// A folder with input, output and a registry of lenient schemas for configurations.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
    pub(crate) environment: Environment,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let core = "com.snowplowanalytics.snowplow";
        for (key, schema) in [
            (
                format!("{core}/enrichments/jsonschema/1-0-0"),
                r#"{"type":"array"}"#,
            ),
            (
                format!("{core}/currency_conversion_config/jsonschema/1-0-0"),
                "{}",
            ),
            (
                format!("{core}/javascript_script_config/jsonschema/1-0-0"),
                "{}",
            ),
            (
                format!("{core}.enrichments/api_request_enrichment_config/jsonschema/1-0-0"),
                "{}",
            ),
            (
                format!("{core}.enrichments/weather_enrichment_config/jsonschema/1-0-0"),
                "{}",
            ),
        ] {
            let file = folder.path().join("registry/schemas").join(key);
            fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
            fs::write(file, schema).expect("a schema");
        }
        fs::create_dir(folder.path().join("in")).expect("a folder");
        Self {
            folder,
            environment: Environment::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes an input file.
    pub(crate) fn input(&self, name: &str, lines: impl IntoIterator<Item = String>) {
        let text: String = lines.into_iter().map(|line| line + "\n").collect();
        fs::write(self.path("in").join(name), text).expect("input");
    }

    /// The job over the input with these configurations.
    pub(crate) fn job(&self, output: &str, enrichments: &[Value], workers: usize) -> EnrichJob {
        let document = json!({
            "schema": "iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0",
            "data": enrichments,
        });
        let registry = self.text("registry");
        let resolver = json!({
            "schema": "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1",
            "data": {"cacheSize": 500, "repositories": [{"name": "Tests", "priority": 0, "vendorPrefixes": [],
                "connection": {"embedded": {"path": registry}}}]},
        });
        EnrichJob {
            input: self.text("in"),
            format: "clj-tomcat".into(),
            output: self.text(&format!("{output}/good")),
            bad: self.text(&format!("{output}/bad")),
            errors: None,
            pii: None,
            enrichments: EnrichmentConfigs::from_json(&document.to_string()).expect("JSON"),
            environment: self.environment.clone(),
            resolver: resolver.to_string(),
            etl_tstamp_ms: 1_532_476_800_000,
            v_etl: None,
            options: JobOptions {
                workers,
                run_id: Some("run".into()),
                failure_tstamp_ms: Some(0),
                ..JobOptions::default()
            },
        }
    }

    /// Runs the job; its report and sorted lines.
    pub(crate) fn run(&self, output: &str, enrichments: &[Value], workers: usize) -> Ran {
        let report = self
            .job(output, enrichments, workers)
            .run()
            .expect("the job");
        let lines = |part: &str| support::parts::lines(&self.path(output).join(part));
        Ran {
            good: lines("good"),
            bad: lines("bad"),
            manifest: read_json(&self.path(output).join("good/_SUCCESS.manifest.json")),
            report,
        }
    }
}

/// What a job gave.
pub(crate) struct Ran {
    pub(crate) report: JobReport,
    pub(crate) good: Vec<String>,
    pub(crate) bad: Vec<String>,
    pub(crate) manifest: Value,
}

impl Ran {
    /// The distinct texts of the bad rows, sorted.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self
            .bad
            .iter()
            .flat_map(|row| {
                let row: Value = serde_json::from_str(row).expect("JSON");
                let errors = row["errors"].as_array().expect("errors").clone();
                errors
                    .into_iter()
                    .map(|error| error["message"].as_str().expect("a text").to_owned())
            })
            .collect();
        texts.sort();
        texts.dedup();
        texts
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// A column of an enriched line.
pub(crate) fn column(line: &str, field: Field) -> &str {
    line.split('\t').nth(field as usize).expect("131 columns")
}

/// A line of the Clojure collector at 2018-07-24T10:00:00Z.
pub(crate) fn get(querystring: &str) -> String {
    format!(
        "2018-07-24\t10:00:00\t-\t43\t1.2.3.4\tGET\t1.2.3.4\t/i\t200\t-\tagent\te=pv&p=web&tv=t-1&{querystring}&cv=clj-2.1.0-tom-0.2.0&nuid=n\t-\t-\t-\t-\t-"
    )
}

/// A line with several events.
pub(crate) fn post(events: &[Value]) -> String {
    let body = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": events,
    });
    format!(
        "2018-07-24\t10:00:00\t-\t-\t1.2.3.4\tPOST\t1.2.3.4\t/com.snowplowanalytics.snowplow/tp2\t200\t-\tagent\t&cv=clj-2.1.0-tom-0.2.0&nuid=n\t-\t-\t-\tapplication%2Fjson%3B+charset%3Dutf-8\t{}",
        URL_SAFE.encode(body.to_string())
    )
}

/// A configuration of the API request.
pub(crate) fn api(method: &str, uri: &str, changes: Value) -> Value {
    let mut parameters = json!({
        "inputs": [
            {"key": "user", "pojo": {"field": "user_id"}},
            {"key": "client", "pojo": {"field": "app_id"}},
        ],
        "api": {"http": {"method": method, "uri": uri, "timeout": 5000, "authentication": {}}},
        "outputs": [{"schema": "iglu:com.acme/user/jsonschema/1-0-0", "json": {"jsonPath": "$.record"}}],
        "cache": {"size": 3000, "ttl": 60},
    });
    for (path, value) in changes.as_object().expect("an object") {
        *parameters.pointer_mut(path).expect("a part") = value.clone();
    }
    json!({
        "schema": "iglu:com.snowplowanalytics.snowplow.enrichments/api_request_enrichment_config/jsonschema/1-0-0",
        "data": {"vendor": "com.snowplowanalytics.snowplow.enrichments", "name": "api_request_enrichment_config",
            "enabled": true, "parameters": parameters},
    })
}

/// A configuration of the currency conversion.
pub(crate) fn currency(account: &str, key: &str) -> Value {
    json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/currency_conversion_config/jsonschema/1-0-0",
        "data": {"vendor": "com.snowplowanalytics.snowplow", "name": "currency_conversion_config", "enabled": true,
            "parameters": {"accountType": account, "apiKey": key, "baseCurrency": "EUR", "rateAt": "EOD_PRIOR"}},
    })
}

/// A configuration of the JavaScript enrichment.
pub(crate) fn javascript(script: &str) -> Value {
    json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/javascript_script_config/jsonschema/1-0-0",
        "data": {"vendor": "com.snowplowanalytics.snowplow", "name": "javascript_script_config", "enabled": true,
            "parameters": {"script": URL_SAFE.encode(script)}},
    })
}
