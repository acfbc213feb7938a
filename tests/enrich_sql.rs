//! The SQL query enrichment against real databases: PostgreSQL and MariaDB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "enrich_sql/mariadb.rs"]
mod mariadb;
#[path = "enrich_sql/postgres.rs"]
mod postgres;
#[path = "support/sql_servers.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod sql_servers;

use std::time::Duration;

use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::lookup::Ask;
use engine::enrichment::sql_query::inputs::{Placeholder, question};
use engine::enrichment::sql_query::{Asking, Found, Limits};
use engine::iglu::SchemaKey;
use engine::json::{self, Value};
use sql_servers::{DATABASE, PASSWORD, USER};

const SCHEMA: &str =
    "iglu:com.snowplowanalytics.snowplow.enrichments/sql_query_enrichment_config/jsonschema/1-0-0";

/// A configuration for a server of the tests.
#[derive(Clone)]
struct Query {
    engine: &'static str,
    port: u16,
    ssl: bool,
    password: &'static str,
    expected_rows: &'static str,
    limits: Limits,
}

impl Query {
    fn new(engine: &'static str, port: u16) -> Self {
        Self {
            engine,
            port,
            ssl: false,
            password: PASSWORD,
            expected_rows: "AT_LEAST_ZERO",
            limits: Limits {
                connect: Duration::from_secs(30),
                query: Duration::from_secs(60),
                ..Limits::default()
            },
        }
    }

    fn config(&self, sql: &str) -> EnrichmentConfig {
        self.config_with(sql, &serde_json::json!([]))
    }

    fn config_with(&self, sql: &str, inputs: &serde_json::Value) -> EnrichmentConfig {
        let data = serde_json::json!({
            "vendor": "com.snowplowanalytics.snowplow.enrichments",
            "name": "sql_query_enrichment_config",
            "enabled": true,
            "parameters": {
                "inputs": inputs,
                "database": {self.engine: {
                    "host": "127.0.0.1", "port": self.port, "sslMode": self.ssl,
                    "username": USER, "password": self.password, "database": DATABASE,
                }},
                "query": {"sql": sql},
                "output": {
                    "expectedRows": self.expected_rows,
                    "json": {"schema": "iglu:com.acme/row/jsonschema/1-0-0", "describes": "EVERY_ROW", "propertyNames": "AS_IS"},
                },
                "cache": {"size": 10, "ttl": 60},
            },
        });
        let data = json::parse(&data.to_string())
            .unwrap()
            .unwrap()
            .into_owned();
        EnrichmentConfig {
            name: "sql_query_enrichment_config".into(),
            schema: SchemaKey::parse(SCHEMA).unwrap(),
            data,
        }
    }

    fn asking(&self, sql: &str) -> Asking {
        Asking::from_config(&self.config(sql), self.limits).unwrap()
    }

    /// The `data` of all contexts, or the text of the failure.
    async fn ask(&self, sql: &str, values: &[Placeholder]) -> Result<String, String> {
        rows(&self.asking(sql), values).await
    }

    /// The number of placeholders, or the text of the failure.
    async fn count(&self, sql: &str) -> Result<usize, String> {
        let answer = self.asking(sql).ask(String::new()).await;
        match answer.value {
            Found::Placeholders(count) => {
                assert!(answer.keep);
                Ok(count)
            }
            Found::Failed(text) => {
                assert!(!answer.keep, "a failure to count must not be kept");
                Err(text.to_string())
            }
            Found::Contexts(contexts) => panic!("{contexts:?}"),
        }
    }
}

async fn rows(asking: &Asking, values: &[Placeholder]) -> Result<String, String> {
    let answer = asking.ask(question(values)).await;
    assert!(answer.keep);
    match answer.value {
        Found::Contexts(contexts) => {
            let data = contexts.iter().map(|context| {
                let schema = context.get("schema").and_then(Value::as_str);
                assert_eq!(schema, Some("iglu:com.acme/row/jsonschema/1-0-0"));
                context.get("data").unwrap().to_compact()
            });
            Ok(data.collect::<Vec<_>>().join("\n"))
        }
        Found::Failed(text) => {
            assert!(!text.contains(PASSWORD), "{text}");
            Err(text.to_string())
        }
        Found::Placeholders(count) => panic!("{count}"),
    }
}

/// Results may not be large: `numbers` has as many rows as its placeholder says, `repeat` a text of 100,001 bytes.
async fn large_results_fail(query: &Query, numbers: &str, repeat: &str) {
    let few = Query {
        limits: Limits {
            rows: 100,
            bytes: 100_000,
            ..query.limits
        },
        ..query.clone()
    };
    let asking = few.asking(numbers);
    let found = rows(&asking, &[Placeholder::Int(100)]).await.unwrap();
    assert_eq!(found.lines().count(), 100);
    let failure = rows(&asking, &[Placeholder::Int(1_000_000)])
        .await
        .unwrap_err();
    assert_eq!(
        failure,
        "SQL Query Enrichment: the result has more than 100 rows: let the statement select less"
    );
    let failure = few.ask(repeat, &[]).await.unwrap_err();
    assert_eq!(
        failure,
        "SQL Query Enrichment: the result has more than 100000 bytes: let the statement select less"
    );
}

/// What is said of somebody who never answers.
async fn failure_of_silence(query: &Query) -> String {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = Query {
        port: silent.local_addr().unwrap().port(),
        limits: Limits {
            connect: Duration::from_millis(200),
            ..query.limits
        },
        ..query.clone()
    };
    asked.ask("SELECT 1", &[]).await.unwrap_err()
}

fn text(text: &str) -> Placeholder {
    Placeholder::Text(text.to_owned())
}

/// Waits until a condition holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 10 s: {what}");
}
