//! Against MariaDB.

use std::time::Duration;

use engine::enrichment::sql_query::Limits;
use engine::enrichment::sql_query::inputs::Placeholder;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::sql_servers::{self, ADMIN_PASSWORD, DATABASE, PASSWORD, USER};
use crate::{Query, failure_of_silence, large_results_fail, rows, text, until};

async fn admin(port: u16) -> Conn {
    for _ in 0..200 {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(port)
            .prefer_socket(false)
            .user(Some("boss"))
            .pass(Some(ADMIN_PASSWORD))
            .db_name(Some(DATABASE));
        if let Ok(conn) = Conn::new(opts).await {
            return conn;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let init = format!(
        "CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n\
         CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON {DATABASE}.* TO '{USER}'@'%';\n\
         CREATE USER 'boss'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';\n\
         GRANT ALL ON *.* TO 'boss'@'%';\n"
    );
    let Some(mut server) = sql_servers::mariadb(&init) else {
        return;
    };
    let mut admin = admin(server.port).await;
    for sql in [
        "CREATE TABLE places (city VARCHAR(16), name TEXT, speed DECIMAL(4,1), latitude FLOAT, flag BOOLEAN, pk INTEGER PRIMARY KEY)",
        "INSERT INTO places VALUES ('Milton', 'boris', 25.0, 43.1, true, 4), ('London', 'bob', 25.0, 51.5, false, 2)",
        "CREATE TABLE kinds (t TINYINT, b BOOLEAN, s SMALLINT, m MEDIUMINT, i INT, u INT UNSIGNED, l BIGINT, ul BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(10,2), y YEAR, dt DATE, ts DATETIME(3), tm TIME, c CHAR(4), v VARCHAR(20), x TEXT, bl BLOB, vb VARBINARY(4), e ENUM('sad','happy'), st SET('a','b'), bi BIT(1), bw BIT(10), j JSON)",
        "INSERT INTO kinds VALUES (5, true, -7, 8, -9, 4294967295, -10, 18446744073709551615, 42.1, 42.1, 42.10, 2016, '2016-06-10', '2016-06-10 12:34:56.789', '12:34:56', 'ab', '12 books', 'caf\u{e9} \u{1f980}', x'00ff', x'61', 'happy', 'a,b', b'1', b'0100000010', '{\"a\": 1}')",
        "CREATE PROCEDURE known(IN k INT) SELECT city FROM places WHERE pk = k",
    ] {
        admin.query_drop(sql).await.unwrap();
    }
    let query = Query::new("mysql", server.port);
    values_of_all_types(&query).await;
    placeholders(&query).await;
    failures(&query).await;
    tls(&query).await;
    limits(&query, &mut admin).await;
    broken_connections(&query, &mut admin).await;
    println!("PARITY the SQL query asks MariaDB: all types, placeholders, TLS, failures, limits");
    server.stop();
    let refused = query.ask("SELECT 1", &[]).await.unwrap_err();
    assert!(refused.starts_with("com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: Communications link failure (127.0.0.1:"), "{refused}");
}

async fn values_of_all_types(query: &Query) {
    assert_eq!(
        query
            .ask("SELECT 42 AS `singleColumn`", &[])
            .await
            .as_deref(),
        Ok(r#"{"singleColumn":42}"#)
    );
    for (column, printed) in [
        ("t", "5"),
        ("b", "true"),
        ("s", "-7"),
        ("m", "8"),
        ("i", "-9"),
        ("u", "4294967295"),
        ("l", "-10"),
        ("ul", "18446744073709551615"),
        ("f", "42.099998474121094"),
        ("d", "42.1"),
        ("n", "42.1"),
        ("y", "\"2016-01-01T00:00:00.000Z\""),
        ("dt", "\"2016-06-10T00:00:00.000Z\""),
        ("ts", "\"2016-06-10 12:34:56.789\""),
        ("tm", "\"12:34:56\""),
        ("c", "\"ab\""),
        ("v", "\"12 books\""),
        ("x", "\"caf\u{e9} \u{1f980}\""),
        ("bl", "\"0x00ff\""),
        ("vb", "\"0x61\""),
        ("e", "\"happy\""),
        ("st", "\"a,b\""),
        ("bi", "true"),
        ("bw", "258"),
        // a text there
        ("j", "\"{\\\"a\\\": 1}\""),
        ("NULL", "null"),
        ("'text'", "\"text\""),
        ("CONCAT(i, 'x')", "\"-9x\""),
        ("COUNT(*)", "1"),
        ("1.50", "1.5"),
    ] {
        let found = query
            .ask(&format!("SELECT {column} AS v FROM kinds"), &[])
            .await;
        assert_eq!(found, Ok(format!(r#"{{"v":{printed}}}"#)), "{column}");
    }
    let sql = "SELECT pk, city FROM places ORDER BY pk";
    assert_eq!(
        query.ask(sql, &[]).await.as_deref(),
        Ok("{\"pk\":2,\"city\":\"London\"}\n{\"pk\":4,\"city\":\"Milton\"}")
    );
    let zero = query
        .ask("SELECT CAST('0000-00-00' AS DATE) AS d", &[])
        .await;
    if let Err(text) = zero {
        assert_eq!(
            text,
            "java.sql.SQLException: Value '0000-00-00' can not be represented as java.sql.Date"
        );
    }
}

async fn placeholders(query: &Query) {
    let sql = "SELECT city, pk FROM places WHERE city = ? AND name = ? AND speed = ? AND flag = ? AND pk = ? -- ?";
    assert_eq!(query.count(sql).await, Ok(5));
    assert_eq!(
        query.count("SELECT '?', `city` /* ? */ FROM places").await,
        Ok(0)
    );
    for speed in [
        Placeholder::Double(25.0),
        Placeholder::Float(25.0),
        Placeholder::Int(25),
        text("25"),
    ] {
        for flag in [Placeholder::Byte(1), Placeholder::Bool(true)] {
            let values = [
                text("Milton"),
                text("boris"),
                speed.clone(),
                flag,
                Placeholder::Long(4),
            ];
            assert_eq!(
                query.ask(sql, &values).await.as_deref(),
                Ok(r#"{"city":"Milton","pk":4}"#),
                "{values:?}"
            );
        }
    }
    let called = query.ask("CALL known(?)", &[Placeholder::Int(2)]).await;
    assert_eq!(called.as_deref(), Ok(r#"{"city":"London"}"#));
}

async fn failures(query: &Query) {
    let count = query.count("SELEC 1").await.unwrap_err();
    assert!(count.starts_with("com.mysql.jdbc.exceptions.jdbc4.MySQLSyntaxErrorException: You have an error in your SQL syntax"), "{count}");
    let unknown = query.ask("SELECT * FROM nowhere", &[]).await.unwrap_err();
    assert_eq!(
        unknown,
        format!(
            "com.mysql.jdbc.exceptions.jdbc4.MySQLSyntaxErrorException: Table '{DATABASE}.nowhere' doesn't exist"
        )
    );
    let update = query.ask("UPDATE places SET city = 'Nowhere'", &[]).await;
    assert_eq!(
        update.unwrap_err(),
        "java.sql.SQLException: Can not issue data manipulation statements with executeQuery()."
    );
    assert_eq!(
        query
            .ask(
                "SELECT COUNT(*) AS n FROM places WHERE city = 'Nowhere'",
                &[]
            )
            .await
            .as_deref(),
        Ok(r#"{"n":0}"#)
    );
    let wrong = Query {
        password: "wrong",
        ..query.clone()
    };
    let failure = wrong.ask("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(
        failure,
        format!(
            "java.sql.SQLException: Access denied for user '{USER}'@'127.0.0.1' (using password: YES)"
        )
    );
    for (expected_rows, sql, failure) in [
        (
            "EXACTLY_ONE",
            "SELECT 1 FROM places WHERE false",
            "exactly one row was expected",
        ),
        (
            "EXACTLY_ONE",
            "SELECT * FROM seq_1_to_1000000",
            "exactly one row was expected",
        ),
        (
            "AT_MOST_ONE",
            "SELECT pk FROM places",
            "at most one row was expected",
        ),
    ] {
        let query = Query {
            expected_rows,
            ..query.clone()
        };
        assert_eq!(
            query.ask(sql, &[]).await,
            Err(format!("SQL Query Enrichment: {failure}")),
            "{sql}"
        );
    }
}

async fn tls(query: &Query) {
    let sql = "SELECT VARIABLE_VALUE <> '' AS encrypted FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER'";
    for (ssl, printed) in [(true, 1), (false, 0)] {
        let query = Query {
            ssl,
            ..query.clone()
        };
        assert_eq!(
            query.ask(sql, &[]).await,
            Ok(format!(r#"{{"encrypted":{printed}}}"#))
        );
    }
}

async fn limits(query: &Query, admin: &mut Conn) {
    let slow = Query {
        limits: Limits {
            query: Duration::from_millis(300),
            ..query.limits
        },
        ..query.clone()
    };
    let failure = slow
        .ask("SELECT SLEEP(600) AS slept", &[])
        .await
        .unwrap_err();
    assert_eq!(
        failure,
        "com.mysql.jdbc.exceptions.MySQLTimeoutException: Statement cancelled due to timeout or client request (no result within 0.3 s)"
    );
    let mut running = 1;
    for _ in 0..200 {
        let sql =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'";
        running = admin.query_first::<i64, _>(sql).await.unwrap().unwrap();
        if running == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(running, 0, "the query is not killed");
    large_results_fail(
        query,
        "SELECT seq FROM seq_1_to_1000000 WHERE seq <= ?",
        "SELECT REPEAT('x', 100001) AS x",
    )
    .await;
    let failure = failure_of_silence(query).await;
    assert!(failure.starts_with("com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: Communications link failure (no answer from "), "{failure}");
}

async fn broken_connections(query: &Query, admin: &mut Conn) {
    let asking = query.asking("SELECT CONNECTION_ID() AS id");
    let first = rows(&asking, &[]).await.unwrap();
    assert_eq!(
        rows(&asking, &[]).await.as_deref(),
        Ok(first.as_str()),
        "the connection is kept"
    );
    let id: String = first.chars().filter(char::is_ascii_digit).collect();
    admin.query_drop(format!("KILL {id}")).await.unwrap();
    until("asked again on a new connection", async || {
        let second = rows(&asking, &[]).await.unwrap();
        second != first
    })
    .await;
}
