//! Configurations, and what happens before a database is asked.

use std::time::Duration;

use super::*;
use crate::enrichment::tests::raw_event;
use crate::event::Field;
use crate::iglu::SchemaKey;
use crate::json::parse;

pub(super) fn config(parameters: &str) -> EnrichmentConfig {
    let data = format!(
        r#"{{"vendor":"com.snowplowanalytics.snowplow.enrichments","name":"sql_query_enrichment_config","enabled":true,"parameters":{parameters}}}"#
    );
    EnrichmentConfig {
        name: "sql_query_enrichment_config".into(),
        schema: SchemaKey::parse("iglu:com.snowplowanalytics.snowplow.enrichments/sql_query_enrichment_config/jsonschema/1-0-0").unwrap(),
        data: parse(&data).unwrap().unwrap().into_owned(),
    }
}

const DATABASE: &str = r#"{"postgresql":{"host":"127.0.0.1","port":1,"sslMode":false,"username":"u","password":"hidden","database":"d"}}"#;

fn parameters(inputs: &str, database: &str, expected_rows: &str) -> EnrichmentConfig {
    config(&format!(
        r#"{{"inputs":{inputs},"database":{database},"query":{{"sql":"SELECT 1 WHERE a = ?"}},"output":{{"expectedRows":"{expected_rows}","json":{{"schema":"iglu:com.acme/user/jsonschema/1-0-0","describes":"ALL_ROWS","propertyNames":"CAMEL_CASE"}}}},"cache":{{"size":3000,"ttl":60}}}}"#
    ))
}

#[test]
fn configurations() {
    let inputs = r#"[{"placeholder":1,"pojo":{"field":"user_id"}},{"placeholder":1,"json":{"field":"contexts","schemaCriterion":"iglu:a/b/jsonschema/1-*-*","jsonPath":"$.userId"}}]"#;
    let query = SqlQuery::new(
        &parameters(inputs, DATABASE, "AT_MOST_ONE"),
        Limits::default(),
    )
    .unwrap();
    assert_eq!(
        query.inputs,
        [
            Input::of_column(1, "user_id"),
            Input::of_json(1, "contexts", "iglu:a/b/jsonschema/1-*-*", "$.userId"),
        ]
    );
    assert!(!format!("{query:?}").contains("hidden"));
    let both = DATABASE.replace("{\"postgresql\"", "{\"mysql\":{},\"postgresql\"");
    for (inputs, database, rows, expected) in [
        (
            "[]",
            both.as_str(),
            "AT_MOST_ONE",
            "SQL Query Enrichment Configuration: db must represent either postgresql OR mysql. Both present",
        ),
        (
            "[]",
            "{}",
            "AT_MOST_ONE",
            "SQL Query Enrichment Configuration: db must represent either postgresql OR mysql. None present",
        ),
        (
            "[{\"placeholder\":1}]",
            DATABASE,
            "AT_MOST_ONE",
            "Could not extract parameters.inputs as list of inputs from supplied JSON due to: Input must represent either json OR pojo, none present",
        ),
        (
            "[]",
            DATABASE,
            "MANY",
            "SQL Query Enrichment: [MANY] is unknown value for expectedRows property",
        ),
        (
            "[]",
            r#"{"mysql":{"password":7}}"#,
            "AT_MOST_ONE",
            "Could not extract parameters.database.mysql.password as java.lang.String from supplied JSON due to: it is missing or no text",
        ),
    ] {
        let texts =
            SqlQuery::new(&parameters(inputs, database, rows), Limits::default()).unwrap_err();
        assert_eq!(texts, [expected]);
    }
    let texts = SqlQuery::new(&config("{}"), Limits::default()).unwrap_err();
    assert_eq!(texts.len(), 5, "{texts:?}");
    assert_eq!(texts[0], "JSON path parameters.inputs not found");
}

#[test]
fn wrong_inputs_fail_the_event_before_anything_is_asked() {
    let inputs = r#"[{"placeholder":1,"pojo":{"field":"unknown"}},{"placeholder":1,"json":{"field":"contexts","schemaCriterion":"iglu:a/b/jsonschema/1-*-*","jsonPath":"x"}}]"#;
    let query = SqlQuery::new(
        &parameters(inputs, DATABASE, "AT_MOST_ONE"),
        Limits::default(),
    )
    .unwrap();
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    assert_eq!(query.apply(&mut draft), Ok(()));
    assert_eq!(
        draft.failures.into_texts(),
        [
            "SQL Query Enrichment: Wrong POJO input field was specified",
            "java.lang.Exception: `$' expected but `x' found",
        ]
    );
}

#[test]
fn without_all_values_nothing_is_asked() {
    let inputs = r#"[{"placeholder":1,"pojo":{"field":"user_id"}}]"#;
    let config = parameters(inputs, DATABASE, "AT_MOST_ONE");
    let raw = raw_event(&[]);
    for (count, user) in [(1, None), (0, Some("u")), (2, Some("u"))] {
        let query = SqlQuery {
            placeholders: Arc::new(OnceLock::from(count)),
            ..SqlQuery::new(&config, Limits::default()).unwrap()
        };
        let mut draft = Draft::new(&raw);
        draft.event.set_or_clear(Field::UserId, user);
        assert_eq!(query.apply(&mut draft), Ok(()));
        assert!(draft.failures.is_empty());
        assert_eq!(draft.derived_contexts.iter().count(), 0);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_fails_and_only_rows_are_kept() {
    for (engine, text) in [
        (
            "postgresql",
            "org.postgresql.util.PSQLException: Connection to 127.0.0.1:1 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.",
        ),
        (
            "mysql",
            "com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: Communications link failure (127.0.0.1:1: Connection refused (Connection refused))",
        ),
    ] {
        let config = parameters("[]", &DATABASE.replace("postgresql", engine), "AT_MOST_ONE");
        let limits = Limits {
            connect: Duration::from_secs(5),
            ..Limits::default()
        };
        let asking = Asking::from_config(&config, limits).unwrap();
        let failed = |keep| Answer {
            value: Found::Failed(text.into()),
            keep,
        };
        assert_eq!(asking.ask(COUNT.into()).await, failed(false));
        assert_eq!(asking.ask("[]".into()).await, failed(true));
        let answer = asking.ask("nonsense".into()).await;
        assert_eq!(
            answer.value,
            Found::Failed("SQL Query Enrichment: question [nonsense] cannot be read".into())
        );
    }
}
