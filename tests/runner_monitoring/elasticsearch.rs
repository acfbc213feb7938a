//! Bad rows as documents of Elasticsearch.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use engine::store::{Location, Store};
use runner::backoff::{Backoff, Clock};
use runner::step::elasticsearch::lines::read_folder;
use runner::step::elasticsearch::{
    ElasticCredentials, ElasticTarget, SendSettings, Sent, send, send_with,
};
use serde_json::json;

use super::elastic::{ElasticStub, Fault};
use super::support::free_port;
use super::{short_timeouts, short_waits};

const RUN: &str = "2018-07-24-10-00-00";

fn target(port: u16) -> ElasticTarget {
    ElasticTarget::from_data(&json!({
        "name": "bad rows", "host": "127.0.0.1", "index": "snowplow-bad", "port": port,
        "type": "bad", "nodesWanOnly": false, "purpose": "FAILED_EVENTS"
    }))
    .unwrap()
}

fn settings() -> SendSettings {
    SendSettings {
        most_documents: 10,
        backoff: short_waits(),
        timeouts: short_timeouts(),
        ..SendSettings::default()
    }
}

fn row(number: usize) -> String {
    json!({
        "line": format!("row {number}"),
        "errors": [{"level": "error", "message": "no \"event\""}],
        "failure_tstamp": "2018-07-24T10:00:00.000Z"
    })
    .to_string()
}

/// A folder of bad rows in two files.
fn bad_rows(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..count).map(|number| row(number) + "\n").collect();
    let (first, second) = rows.split_at(count / 2);
    fs::write(folder.path().join("part-00000"), first.concat()).unwrap();
    fs::write(folder.path().join("part-00001"), second.concat()).unwrap();
    fs::write(folder.path().join("_SUCCESS"), "").unwrap();
    folder
}

fn location(folder: &Path) -> Location {
    Location::from_path(folder).unwrap()
}

fn send_to(target: &ElasticTarget, folder: &Path, settings: &SendSettings) -> Result<Sent, String> {
    let store = Store::default();
    send(
        target,
        RUN,
        &[location(folder), location(&folder.join("none"))],
        &mut |source, each| read_folder(&store, source, each),
        settings,
    )
}

#[test]
fn each_bad_row_is_a_document_of_index_and_type() {
    for (version, kind) in [
        ("2.4.6", "bad"),
        ("6.8.23", "bad"),
        ("7.10.2", "-"),
        ("8.15.0", "-"),
        // it does not tell: asked the old way
        ("", "bad"),
    ] {
        let elastic = ElasticStub::start(version);
        let folder = bad_rows(25);
        let sent = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
        assert_eq!(
            (sent.documents, sent.rejected, sent.requests),
            (25, 0, 3),
            "{version}"
        );
        let documents = elastic.documents();
        assert_eq!(documents.len(), 25);
        let mut lines: Vec<String> = documents.values().map(ToString::to_string).collect();
        let mut expected: Vec<String> = (0..25).map(row).collect();
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected);
        assert_eq!(
            sent.bytes,
            expected.iter().map(|line| line.len() as u64).sum::<u64>()
        );
        let prefix = format!("snowplow-bad/{kind}/");
        assert!(
            documents.keys().all(|key| key.starts_with(&prefix)),
            "{version}: {documents:?}"
        );
        // the step is done again: nothing is doubled
        send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
        assert_eq!(elastic.documents().len(), 25);
    }
}

#[test]
fn a_server_that_hides_its_version_and_knows_no_types_is_asked_the_new_way() {
    let folder = bad_rows(3);
    // such a server: its own page is forbidden, and a path with a type has no handler
    let stub = super::http_stub::HttpStub::start(|request| {
        use super::http_stub::Reply;
        match request.path.as_str() {
            "/snowplow-bad/_bulk" => {
                let count = request.text().lines().count() / 2;
                let items: Vec<_> = (0..count)
                    .map(|_| json!({"index": {"status": 201}}))
                    .collect();
                Reply::text(200, json!({ "items": items }).to_string())
            }
            "/" => Reply::text(403, "{}"),
            _ => Reply::text(
                400,
                r#"{"error":"no handler found for uri [/snowplow-bad/bad/_bulk] and method [POST]"}"#,
            ),
        }
    });
    let sent = send_to(&target(stub.port), folder.path(), &settings()).unwrap();
    assert_eq!((sent.documents, sent.requests, sent.repeated), (3, 2, 0));
}

#[test]
fn refusals_that_pass_are_waited_out_and_cut_connections_double_nothing() {
    let elastic = ElasticStub::start("6.8.0");
    elastic.fail(&[
        Fault::Status(429),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Status(503),
        Fault::None,
        Fault::Status(502),
    ]);
    let folder = bad_rows(20);
    let sent = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
    assert_eq!((sent.documents, sent.rejected), (20, 0));
    assert_eq!(sent.requests, 7);
    assert_eq!(sent.repeated, 50, "a batch of ten, five times");
    assert_eq!(elastic.documents().len(), 20);
}

#[test]
fn only_the_documents_that_failed_are_sent_again() {
    let elastic = ElasticStub::start("6.8.0");
    elastic.fail(&[
        Fault::Partial(429),
        Fault::Partial(503),
        Fault::Partial(429),
    ]);
    let folder = bad_rows(10);
    let sent = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
    assert_eq!((sent.documents, sent.rejected), (10, 0));
    let sizes: Vec<usize> = elastic
        .bulks()
        .iter()
        .map(|request| request.text().lines().count() / 2)
        .collect();
    assert_eq!(sizes, [10, 5, 2, 1]);
    assert_eq!(sent.repeated, 8);
    assert_eq!(elastic.documents().len(), 10);
}

#[test]
fn documents_that_do_not_fit_are_counted_and_left() {
    let elastic = ElasticStub::start("6.8.0");
    elastic.state.lock().unwrap().refuses = Some("row 3\"");
    let folder = bad_rows(10);
    fs::write(folder.path().join("part-00002"), "no json\n\n{\"cut\": \n").unwrap();
    let sent = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
    assert_eq!((sent.documents, sent.rejected), (9, 3));
    let first = sent.first_rejection.clone().unwrap();
    assert!(first.contains("part-0000"), "{first}");
    let line = sent.to_line();
    assert!(
        line.starts_with("9 bad rows sent (") && line.contains(", 3 rejected, the first: "),
        "{line}"
    );
    // all of them: that is no good end
    fs::remove_file(folder.path().join("part-00002")).unwrap();
    elastic.state.lock().unwrap().refuses = Some("row");
    let error = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap_err();
    assert!(
        error.contains("all 10 bad rows were rejected")
            && error.contains("mapper_parsing_exception failed to parse [line]"),
        "{error}"
    );
}

#[test]
fn a_missing_index_says_what_to_do() {
    let elastic = ElasticStub::start("6.8.0");
    elastic.state.lock().unwrap().has_index = false;
    let folder = bad_rows(3);
    let error = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap_err();
    assert!(
        error.contains("/snowplow-bad: ")
            && error.contains("index_not_found_exception")
            && error.contains("create the index snowplow-bad"),
        "{error}"
    );
    assert_eq!(elastic.bulks().len(), 1, "it is not tried again");
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let folder = bad_rows(3);
    let elastic = ElasticStub::start("6.8.0");
    elastic.state.lock().unwrap().authorization = Some("Basic dXNlcjpzZWNyZXQ=");
    let mut target = target(elastic.http.port);
    let error = send_to(&target, folder.path(), &settings()).unwrap_err();
    assert!(error.contains("CAMONICA_ELASTICSEARCH_USER"), "{error}");
    target.credentials = Some(ElasticCredentials::Basic {
        user: "user".into(),
        password: "secret".into(),
    });
    assert!(!format!("{target:?}").contains("secret"));
    assert_eq!(
        send_to(&target, folder.path(), &settings())
            .unwrap()
            .documents,
        3
    );
    elastic.state.lock().unwrap().authorization = Some("ApiKey abc=");
    target.credentials = Some(ElasticCredentials::ApiKey("abc=".into()));
    assert_eq!(
        send_to(&target, folder.path(), &settings())
            .unwrap()
            .documents,
        3
    );
    elastic.fail(&[Fault::Status(403)]);
    let error = send_to(&target, folder.path(), &settings()).unwrap_err();
    assert!(
        error.contains("needs the right to write to index snowplow-bad") && !error.contains("abc"),
        "{error}"
    );
}

#[test]
fn requests_are_cut_by_bytes_and_halved_where_they_are_too_large() {
    let elastic = ElasticStub::start("6.8.0");
    let folder = bad_rows(16);
    let by_bytes = SendSettings {
        most_bytes: 3 * row(10).len(),
        ..settings()
    };
    let sent = send_to(&target(elastic.http.port), folder.path(), &by_bytes).unwrap();
    assert_eq!((sent.documents, sent.requests), (16, 6));

    let elastic = ElasticStub::start("6.8.0");
    elastic.state.lock().unwrap().most_bytes = 400;
    let large = json!({"line": "x".repeat(1000), "errors": []}).to_string();
    fs::write(folder.path().join("part-00002"), large + "\n").unwrap();
    let sent = send_to(&target(elastic.http.port), folder.path(), &settings()).unwrap();
    assert_eq!((sent.documents, sent.rejected), (16, 1));
    assert!(sent.first_rejection.unwrap().contains("HTTP 413"));
    assert_eq!(elastic.documents().len(), 16);
}

/// A clock whose hands move by sleeping.
#[derive(Default)]
struct Toy(Mutex<Duration>);

impl Clock for Toy {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, wait: Duration) {
        *self.0.lock().unwrap() += wait;
    }

    fn chance(&self) -> f64 {
        0.9
    }
}

#[test]
fn a_server_that_never_comes_back_ends_the_step() {
    let folder = bad_rows(3);
    let store = Store::default();
    let patient = SendSettings {
        backoff: Backoff::default(),
        ..settings()
    };
    let elastic = ElasticStub::start("6.8.0");
    elastic.fail(&[Fault::Status(503); 100]);
    for port in [free_port(), elastic.http.port] {
        let clock = Toy::default();
        let error = send_with(
            &target(port),
            RUN,
            &[location(folder.path())],
            &mut |source, each| read_folder(&store, source, each),
            &patient,
            &clock,
        )
        .unwrap_err();
        assert!(
            error.contains("given up after") && error.contains("in 600 s"),
            "{error}"
        );
        assert_eq!(clock.now(), Duration::from_secs(600));
    }
}

#[test]
fn what_is_no_elasticsearch_is_told() {
    use super::http_stub::{HttpStub, Reply};
    let folder = bad_rows(3);
    for (body, part) in [
        ("<html>", "not an answer of Elasticsearch's _bulk API"),
        (
            r#"{"items":[]}"#,
            "3 documents were sent and 0 were answered",
        ),
        (r#"{"items":[{},{},{}]}"#, "HTTP 0"),
    ] {
        let stub = HttpStub::start(move |_| Reply::text(200, body));
        let error = send_to(&target(stub.port), folder.path(), &settings()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let stub = HttpStub::start(|request| match request.path.as_str() {
        "/" => Reply::text(200, "{}"),
        _ => Reply::With(301, "Location: http://127.0.0.1/\r\n", Vec::new()),
    });
    let error = send_to(&target(stub.port), folder.path(), &settings()).unwrap_err();
    assert!(error.contains("HTTP 301"), "{error}");
}
