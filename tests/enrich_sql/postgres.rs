//! Against PostgreSQL.

use std::time::Duration;

use engine::adapter::raw_event::RawEvent;
use engine::enrichment::Draft;
use engine::enrichment::registry::{Enrichment, Stage};
use engine::enrichment::sql_query::inputs::Placeholder;
use engine::enrichment::sql_query::{Limits, SqlQuery};
use engine::event::Field;
use engine::json;
use tokio_postgres::{Client, Config, NoTls};

use crate::sql_servers::{self, ADMIN_PASSWORD, DATABASE, PASSWORD, USER};
use crate::{Query, failure_of_silence, large_results_fail, rows, text, until};

const EXCEPTION: &str = "org.postgresql.util.PSQLException: ";

/// A connection of the administrator.
async fn admin(port: u16, database: &str) -> Client {
    for _ in 0..200 {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(port)
            .user("postgres")
            .password(ADMIN_PASSWORD)
            .dbname(database);
        if let Ok((client, connection)) = config.connect(NoTls).await {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no connection");
}

async fn set_up(port: u16) -> Client {
    let admin_of_all = admin(port, "postgres").await;
    let create = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'");
    admin_of_all.batch_execute(&create).await.unwrap();
    admin_of_all
        .batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER {USER}"))
        .await
        .unwrap();
    let client = admin(port, DATABASE).await;
    client
        .batch_execute(
            "CREATE TABLE places (city VARCHAR(16), date_time VARCHAR(24), name TEXT, speed NUMERIC(4,1), aux VARCHAR(16), pk INTEGER PRIMARY KEY);
             INSERT INTO places VALUES ('Milton', '2016-01-08T10:00:34.000Z', 'boris', 25.0, 'x', 4), ('London', '2016-01-08T10:00:34.000Z', 'bob', 25.0, 'y', 2);
             CREATE TYPE mood AS ENUM ('sad', 'happy');
             CREATE DOMAIN positive AS numeric(6,2) CHECK (VALUE > 0);
             CREATE TYPE pair AS (a int, b text);
             GRANT ALL ON places TO PUBLIC",
        )
        .await
        .unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql() {
    let Some(mut server) = sql_servers::postgres() else {
        return;
    };
    let admin = set_up(server.port).await;
    let query = Query::new("postgresql", server.port);
    values_of_all_types(&query).await;
    placeholders(&query).await;
    failures(&query).await;
    tls(&query, &admin).await;
    limits(&query, &admin).await;
    broken_connections(&query, &admin).await;
    tokio::task::block_in_place(|| in_events(&query));
    println!(
        "PARITY the SQL query asks PostgreSQL: all types, placeholders, TLS, failures, limits"
    );
    server.stop();
    let refused = query.ask("SELECT 1", &[]).await.unwrap_err();
    assert!(refused.ends_with("refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections."), "{refused}");
}

/// Through the look-ups of the engine, as events have them.
fn in_events(query: &Query) {
    let sql = "SELECT pk, city FROM places WHERE city = ? AND name = ? AND speed = ? AND aux = ? AND pk = ?";
    let inputs = serde_json::json!([
        {"placeholder": 1, "pojo": {"field": "geo_city"}},
        {"placeholder": 2, "json": {"field": "unstruct_event", "schemaCriterion": "iglu:com.acme/click/jsonschema/*-*-*", "jsonPath": "$.name"}},
        {"placeholder": 3, "json": {"field": "contexts", "schemaCriterion": "iglu:com.acme/geo/jsonschema/1-0-*", "jsonPath": "$.speed"}},
        {"placeholder": 4, "json": {"field": "derived_contexts", "schemaCriterion": "iglu:com.acme/ua/jsonschema/1-0-0", "jsonPath": "$.list[?(@.is == 'aux')].value"}},
        {"placeholder": 5, "pojo": {"field": "ti_quantity"}},
    ]);
    let enrichment = SqlQuery::new(&query.config_with(sql, &inputs), query.limits).unwrap();
    let raw = RawEvent {
        api: Default::default(),
        parameters: Default::default(),
        content_type: None,
        source: Default::default(),
        context: Default::default(),
    };
    let json = |text: &'static str| json::parse(text).unwrap().unwrap();
    let apply = |city: &str, quantity: Option<&str>| {
        let mut draft = Draft::new(&raw);
        draft.event.set(Field::GeoCity, city);
        draft.event.set_or_clear(Field::TiQuantity, quantity);
        draft.contexts = Some(json(
            r#"{"data":[{"schema":"iglu:com.acme/geo/jsonschema/1-0-0","data":{"speed":25.0}}]}"#,
        ));
        draft.unstruct_event = Some(json(
            r#"{"data":{"schema":"iglu:com.acme/click/jsonschema/2-0-0","data":{"name":"boris"}}}"#,
        ));
        let derived = json(
            r#"{"schema":"iglu:com.acme/ua/jsonschema/1-0-0","data":{"list":[{"is":"aux","value":"x"}]}}"#,
        );
        draft.derived_contexts.push(Stage::UaParser, derived);
        assert_eq!(enrichment.apply(&mut draft), Ok(()));
        let contexts: Vec<String> = draft
            .derived_contexts
            .iter()
            .map(json::Value::to_compact)
            .collect();
        (
            contexts[..contexts.len() - 1].to_vec(),
            draft.failures.into_texts(),
        )
    };
    let found = apply("Milton", Some("4"));
    let context =
        r#"{"schema":"iglu:com.acme/row/jsonschema/1-0-0","data":{"pk":4,"city":"Milton"}}"#;
    assert_eq!(found, (vec![context.to_owned()], vec![]));
    assert_eq!(apply("Milton", Some("4")).0.len(), 1);
    let statistics = enrichment.cache().unwrap();
    assert_eq!(
        (statistics.misses, statistics.hits),
        (2, 1),
        "the second event is answered by the cache"
    );
    assert_eq!(
        apply("Nowhere", Some("4")),
        (vec![], vec![]),
        "no row is allowed"
    );
    assert_eq!(apply("Milton", None), (vec![], vec![]), "a missing value");
    let (contexts, failures) = apply("a\0", Some("4"));
    assert_eq!(contexts, Vec::<String>::new());
    assert!(
        failures[0].starts_with(&format!("{EXCEPTION}ERROR: invalid byte sequence")),
        "{failures:?}"
    );
}

async fn values_of_all_types(query: &Query) {
    assert_eq!(
        query
            .ask("SELECT 42 AS \"singleColumn\"", &[])
            .await
            .as_deref(),
        Ok(r#"{"singleColumn":42}"#)
    );
    for (sql, printed) in [
        ("NULL::int", "null"),
        ("NULL", "null"),
        ("1::int2", "1"),
        ("(-2147483648)::int4", "-2147483648"),
        ("9223372036854775807::int8", "9223372036854775807"),
        ("4294967295::oid", "4294967295"),
        ("true", "true"),
        ("42.1::float4", "42.099998474121094"),
        ("42.1::float8", "42.1"),
        ("1e300::float8", "1.0E300"),
        ("'NaN'::float8", "\"NaN\""),
        ("'-Infinity'::float4", "\"-Infinity\""),
        ("42.10::numeric", "42.1"),
        ("42::numeric", "42"),
        ("-0.00012::numeric", "-1.2E-4"),
        (
            "123456789012345678901234567890::numeric",
            "123456789012345678901234567890",
        ),
        ("'NaN'::numeric", "\"NaN\""),
        ("2.5::positive", "2.5"),
        ("'12 books'::text", "\"12 books\""),
        ("'12 books'::varchar", "\"12 books\""),
        ("'ab'::char(4)", "\"ab  \""),
        ("'untyped'", "\"untyped\""),
        ("'happy'::mood", "\"happy\""),
        ("'a'::\"char\"", "\"a\""),
        ("'n'::name", "\"n\""),
        ("'2016-06-10'::date", "\"2016-06-10T00:00:00.000Z\""),
        ("'1066-10-14'::date", "\"1066-10-14T00:00:00.000Z\""),
        ("'infinity'::date", "\"infinity\""),
        (
            "'2016-06-10 12:34:56'::timestamp",
            "\"2016-06-10 12:34:56.0\"",
        ),
        (
            "'2016-06-10 12:34:56.789+02'::timestamptz",
            "\"2016-06-10 10:34:56.789\"",
        ),
        ("'12:34:56.7'::time", "\"12:34:56\""),
        ("'12:34:56+02'::timetz", "\"10:34:56\""),
        ("'3 years 2 days'::interval", "3"),
        ("'12.34'::money", "12.34"),
        ("B'1'", "true"),
        ("B'0'", "false"),
        ("B'101'::varbit", "101"),
        ("'\\x00ff'::bytea", "\"\\\\x00ff\""),
        ("'{\"a\": [1.50, null]}'::json", "{\"a\":[1.5,null]}"),
        ("'{\"b\": 1, \"a\": \"x\"}'::jsonb", "{\"a\":\"x\",\"b\":1}"),
        ("'\"x\"'::jsonb", "\"x\""),
        (
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        // by the text that the server makes of them
        ("ARRAY[1,2]", "\"{1,2}\""),
        ("'{}'::text[]", "{}"),
        ("'10.1.2.3/8'::inet", "\"10.1.2.3/8\""),
        ("'(1,2)'::point", "\"(1,2)\""),
        ("'[1,5)'::int4range", "1"),
        ("ROW(1,'x')::pair", "\"(1,x)\""),
        ("'a b'::tsvector", "\"'a' 'b'\""),
        ("'<a/>'::xml", "\"<a/>\""),
        ("'08:00:2b:01:02:03'::macaddr", "\"08:00:2b:01:02:03\""),
    ] {
        let printed = match sql {
            // a range is read as JSON up to its comma; it is none
            "'[1,5)'::int4range" => "\"[1,5)\"",
            _ => printed,
        };
        let found = query.ask(&format!("SELECT {sql} AS v"), &[]).await;
        assert_eq!(found, Ok(format!(r#"{{"v":{printed}}}"#)), "{sql}");
    }
    let sql = "SELECT 1 AS a, ARRAY[1] AS b, 'x'::text AS \"c D\", 2 AS a -- the end\n ;";
    assert_eq!(
        query.ask(sql, &[]).await.as_deref(),
        Ok(r#"{"a":2,"b":"{1}","c D":"x"}"#)
    );
    let sql = "SELECT pk, city FROM places ORDER BY pk";
    assert_eq!(
        query.ask(sql, &[]).await.as_deref(),
        Ok("{\"pk\":2,\"city\":\"London\"}\n{\"pk\":4,\"city\":\"Milton\"}")
    );
}

async fn placeholders(query: &Query) {
    let sql = "SELECT city, pk FROM places WHERE city = ? AND date_time = ? AND name = ? AND speed = ? AND aux = ?;";
    assert_eq!(query.count(sql).await, Ok(5));
    assert_eq!(
        query
            .count("SELECT '?', \"?column?\" FROM (SELECT 1) AS s /* ? */ -- ?")
            .await,
        Ok(0)
    );
    assert_eq!(
        query.count("SELECT $$?$$, '{\"a\":1}'::jsonb ?? 'a'").await,
        Ok(0)
    );
    let milton = ["Milton", "2016-01-08T10:00:34.000Z", "boris", "x"].map(text);
    let [city, time, name, aux] = milton;
    let values = [city, time, name, Placeholder::Double(25.0), aux];
    assert_eq!(
        query.ask(sql, &values).await.as_deref(),
        Ok(r#"{"city":"Milton","pk":4}"#)
    );

    let types = "SELECT pg_typeof(?)::text AS t";
    for (value, name) in [
        (text("x"), "character varying"),
        (Placeholder::Int(1), "integer"),
        (Placeholder::Long(1), "bigint"),
        (Placeholder::Byte(1), "smallint"),
        (Placeholder::Float(1.0), "real"),
        (Placeholder::Double(1.0), "double precision"),
        (Placeholder::Bool(true), "boolean"),
    ] {
        assert_eq!(
            query.ask(types, &[value]).await,
            Ok(format!(r#"{{"t":"{name}"}}"#))
        );
    }
    // one statement with values of changing types, on one connection
    let asking = query.asking("SELECT pk FROM places WHERE pk = ?");
    for _ in 0..2 {
        for value in [
            Placeholder::Int(4),
            Placeholder::Long(4),
            Placeholder::Byte(4),
            Placeholder::Double(4.0),
        ] {
            assert_eq!(rows(&asking, &[value]).await.as_deref(), Ok(r#"{"pk":4}"#));
        }
        let failure = rows(&asking, &[text("4")]).await.unwrap_err();
        assert!(
            failure.starts_with(&format!(
                "{EXCEPTION}ERROR: operator does not exist: integer = character varying\n  Hint: "
            )),
            "{failure}"
        );
        assert!(failure.contains("\n  Position: 32"), "{failure}");
    }
}

async fn failures(query: &Query) {
    let count = query.count("SELEC 1").await.unwrap_err();
    assert_eq!(
        count,
        format!("{EXCEPTION}ERROR: syntax error at or near \"SELEC\"\n  Position: 1")
    );
    assert_eq!(
        query
            .ask("SELECT 1/?", &[Placeholder::Int(0)])
            .await
            .unwrap_err(),
        format!("{EXCEPTION}ERROR: division by zero")
    );
    let nul = query.ask("SELECT ?", &[text("a\0b")]).await.unwrap_err();
    assert!(
        nul.starts_with(&format!(
            "{EXCEPTION}ERROR: invalid byte sequence for encoding \"UTF8\": 0x00"
        )),
        "{nul}"
    );
    let update = query.ask("UPDATE places SET city = 'Nowhere'", &[]).await;
    assert_eq!(
        update.unwrap_err(),
        format!("{EXCEPTION}No results were returned by the query.")
    );
    assert_eq!(
        query
            .ask(
                "SELECT count(*) AS n FROM places WHERE city = 'Nowhere'",
                &[]
            )
            .await
            .as_deref(),
        Ok(r#"{"n":0}"#)
    );
    let returning = query
        .ask(
            "UPDATE places SET aux = aux RETURNING ARRAY[pk] AS keys",
            &[],
        )
        .await;
    assert_eq!(
        returning.unwrap_err(),
        format!(
            "{EXCEPTION}column \"keys\" has type _int4, which can be read only of a plain SELECT; cast it to text in the statement"
        )
    );
    let wrong = Query {
        password: "wrong",
        ..query.clone()
    };
    let failure = wrong.ask("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(
        failure,
        format!("{EXCEPTION}FATAL: password authentication failed for user \"{USER}\"")
    );
    for (expected_rows, sql, failure) in [
        (
            "EXACTLY_ONE",
            "SELECT 1 WHERE false",
            "exactly one row was expected",
        ),
        (
            "EXACTLY_ONE",
            "SELECT generate_series(1, 1000000)",
            "exactly one row was expected",
        ),
        (
            "AT_MOST_ONE",
            "SELECT generate_series(1, 2)",
            "at most one row was expected",
        ),
        (
            "AT_LEAST_ONE",
            "SELECT 1 WHERE false",
            "at least one row was expected. 0 given instead",
        ),
    ] {
        let query = Query {
            expected_rows,
            ..query.clone()
        };
        assert_eq!(
            query.ask(sql, &[]).await,
            Err(format!("SQL Query Enrichment: {failure}"))
        );
    }
}

async fn tls(query: &Query, admin: &Client) {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for ssl in [true, false] {
        let query = Query {
            ssl,
            ..query.clone()
        };
        assert_eq!(query.ask(sql, &[]).await, Ok(format!(r#"{{"ssl":{ssl}}}"#)));
    }
    let query = Query {
        ssl: true,
        ..query.clone()
    };
    admin
        .batch_execute("ALTER SYSTEM SET ssl = off")
        .await
        .unwrap();
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    until("the server refuses TLS", async || {
        query.ask(sql, &[]).await == Err(format!("{EXCEPTION}The server does not support SSL."))
    })
    .await;
    admin.batch_execute("ALTER SYSTEM RESET ssl").await.unwrap();
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    until("the server has TLS again", async || {
        query.ask(sql, &[]).await.is_ok()
    })
    .await;
}

async fn limits(query: &Query, admin: &Client) {
    for ssl in [false, true] {
        let slow = Query {
            ssl,
            limits: Limits {
                query: Duration::from_millis(300),
                ..query.limits
            },
            ..query.clone()
        };
        let asking = slow.asking("SELECT pg_sleep(600)::text AS slept");
        let failure = rows(&asking, &[]).await.unwrap_err();
        assert_eq!(
            failure,
            format!(
                "{EXCEPTION}ERROR: canceling statement due to user request (no result within 0.3 s)"
            )
        );
        until("the query is cancelled", async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
            admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }
    large_results_fail(
        query,
        "SELECT generate_series(1, ?) AS n",
        "SELECT repeat('x', 100001)",
    )
    .await;
    let failure = failure_of_silence(query).await;
    assert!(
        failure.starts_with(&format!("{EXCEPTION}The connection attempt failed. (")),
        "{failure}"
    );
}

async fn broken_connections(query: &Query, admin: &Client) {
    let asking = query.asking("SELECT pg_backend_pid() AS pid");
    let first = rows(&asking, &[]).await.unwrap();
    assert_eq!(
        rows(&asking, &[]).await.as_deref(),
        Ok(first.as_str()),
        "the connection is kept"
    );
    // several at the same time
    let together = futures::future::join_all((0..4).map(|_| rows(&asking, &[]))).await;
    assert!(together.iter().all(Result::is_ok), "{together:?}");
    let terminate =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'");
    admin.batch_execute(&terminate).await.unwrap();
    let second = rows(&asking, &[]).await.unwrap();
    assert_ne!(first, second, "asked again on a new connection");
    // in the middle of a query: it fails, the next one does not
    let sleeping = query.asking("SELECT pg_sleep(600)::text AS slept, 'here' AS mark");
    let killing = async {
        until("the query runs", async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%mark' AND state = 'active' AND usename = $1";
            admin.query_one(sql, &[&USER]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        admin.batch_execute(&terminate).await.unwrap();
    };
    let (failed, ()) = tokio::join!(rows(&sleeping, &[]), killing);
    assert_eq!(
        failed.unwrap_err(),
        format!("{EXCEPTION}FATAL: terminating connection due to administrator command")
    );
    assert!(rows(&asking, &[]).await.is_ok());
}
