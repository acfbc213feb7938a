//! The API request: what is sent, and what becomes of the answers.

use std::time::{Duration, Instant};

use engine::event::Field;
use serde_json::{Value, json};

use crate::support::web::{Reply, Request, WebService, nobody};
use crate::{Ran, Workplace, api, column, get};

/// One event of user `u 1` at an API; the lines that the job gave.
fn one(uri: &str, method: &str, changes: Value) -> Ran {
    let workplace = Workplace::new();
    workplace.input("a", [get("uid=u%201&aid=shop")]);
    workplace.run("out", &[api(method, uri, changes)], 1)
}

/// The only failure text.
fn failure(uri: &str, changes: Value) -> String {
    let ran = one(uri, "GET", changes);
    assert_eq!((ran.good.len(), ran.bad.len()), (0, 1));
    let counts = ran.report.enrich.clone().expect("counts");
    assert_eq!(
        counts.failed_by_enrichment["api_request_enrichment_config"],
        1
    );
    let mut texts = ran.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.remove(0)
}

#[test]
fn get_with_values_in_the_address() {
    let service = WebService::start(|request| {
        Reply::Body(
            200,
            json!({"record": {"z": 1, "path": request.path, "a": [1.50, null]}}).to_string(),
        )
    });
    let uri = format!(
        "http://{}/api/{{{{client}}}}/{{{{ user }}}}?format=json",
        service.address
    );
    let ran = one(&uri, "GET", json!({}));
    assert_eq!(
        column(&ran.good[0], Field::DerivedContexts),
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":[{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"a":[1.5,null],"path":"/api/shop/u+1?format=json","z":1}}]}"#
    );
    let requests = service.requests();
    assert_eq!(requests.len(), 1);
    let Request {
        method, path, body, ..
    } = &requests[0];
    assert_eq!(
        (method.as_str(), path.as_str(), body.len()),
        ("GET", "/api/shop/u+1?format=json", 0)
    );
    assert_eq!(requests[0].header("authorization"), None);
}

#[test]
fn post_with_basic_authentication_and_two_outputs_asks_once() {
    let service = WebService::start(|request| {
        match request.header("authorization") {
            // snowplower:supersecret
            Some("Basic c25vd3Bsb3dlcjpzdXBlcnNlY3JldA==") => {
                Reply::Body(200, r#"{"a":{"b":[1,2]},"c":"x"}"#.into())
            }
            _ => Reply::Body(401, "no".into()),
        }
    });
    let outputs = json!([
        {"schema": "iglu:com.acme/b/jsonschema/1-0-0", "json": {"jsonPath": "$.a.b[*]"}},
        {"schema": "iglu:com.acme/c/jsonschema/1-0-0", "json": {"jsonPath": "$.c"}},
    ]);
    let uri = format!("http://{}/{{{{user}}}}", service.address);
    let changes = |password: &str| {
        json!({
            "/outputs": outputs,
            "/api/http/authentication": {"httpBasic": {"username": "snowplower", "password": password}},
        })
    };
    for method in ["POST", "PUT"] {
        let ran = one(&uri, method, changes("supersecret"));
        assert!(
            column(&ran.good[0], Field::DerivedContexts).ends_with(
                r#""data":[{"schema":"iglu:com.acme/b/jsonschema/1-0-0","data":[1,2]},{"schema":"iglu:com.acme/c/jsonschema/1-0-0","data":"x"}]}"#
            ),
            "{}",
            ran.good[0]
        );
    }
    let requests = service.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.body.is_empty()));
    assert_eq!(requests[1].method, "PUT");
    // each output has its failure
    let text = "java.lang.Exception: Request failed with status 401 and body no";
    assert_eq!(failure(&uri, changes("wrong")), format!("{text}{text}"));
}

#[test]
fn failures_have_the_texts_of_java() {
    let service = WebService::start(|request| match request.path.as_str() {
        "/500" => Reply::Body(500, "<oops>".into()),
        "/redirect" => Reply::Redirect("/ok".into()),
        "/cut" => Reply::Cut,
        "/gone" => Reply::HangUp,
        "/announced" => Reply::Large {
            bytes: 100 << 20,
            is_announced: true,
        },
        "/endless" => Reply::Large {
            bytes: 100 << 20,
            is_announced: false,
        },
        "/html" => Reply::Body(200, "<html>".into()),
        "/other" => Reply::Body(200, r#"{"x": 1.10}"#.into()),
        _ => Reply::Body(200, r#"{"record":1}"#.into()),
    });
    let too_long = "java.io.IOException: the body of the answer is longer than 16777216 bytes";
    let closed = "java.net.SocketException: Unexpected end of file from server";
    for (path, text) in [
        (
            "500",
            "java.lang.Exception: Request failed with status 500 and body <oops>",
        ),
        (
            "redirect",
            "java.lang.Exception: Request failed with status 302 and body moved",
        ),
        ("cut", closed),
        ("gone", closed),
        ("announced", too_long),
        ("endless", too_long),
        (
            "other",
            r#"Value not found Error: no values were found by JSON Path [$.record] in [{"x":1.1}]"#,
        ),
    ] {
        let uri = format!("http://{}/{path}", service.address);
        assert_eq!(failure(&uri, json!({})), text, "{path}");
    }
    let html = failure(&format!("http://{}/html", service.address), json!({}));
    assert!(
        html.starts_with(
            "com.fasterxml.jackson.core.JsonParseException: Unexpected character ('<'"
        ),
        "{html}"
    );
    assert_eq!(
        failure(&format!("http://{}/x", nobody()), json!({})),
        "java.net.ConnectException: Connection refused (Connection refused)"
    );
    assert_eq!(
        failure("http://api.acme.invalid/x?key=1", json!({})),
        "java.net.UnknownHostException: api.acme.invalid"
    );
    assert_eq!(
        failure("ftp://127.0.0.1/x", json!({})),
        "java.net.MalformedURLException: unknown protocol: ftp"
    );
    let path = json!({"/outputs/0/json/jsonPath": "$["});
    let text = failure(&format!("http://{}/ok", service.address), path);
    assert!(text.starts_with("JSONPath error "), "{text}");
}

#[test]
fn the_configured_time_is_kept() {
    let service = WebService::start(|_| Reply::After(Duration::from_secs(20), 200, "{}".into()));
    let started = Instant::now();
    let uri = format!("http://{}/x", service.address);
    assert_eq!(
        failure(&uri, json!({"/api/http/timeout": 200})),
        "java.net.SocketTimeoutException: Read timed out"
    );
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn answers_and_failures_are_kept() {
    let service = WebService::start(|request| match request.path.as_str() {
        "/bad" => Reply::Body(503, "busy".into()),
        _ => Reply::Body(200, r#"{"record":1}"#.into()),
    });
    for (ttl, path) in [(60, "good"), (0, "good"), (60, "bad")] {
        let before = service.requests().len();
        let workplace = Workplace::new();
        workplace.input("a", (0..300).map(|_| get("uid=u&aid=shop")));
        let uri = format!("http://{}/{path}", service.address);
        let ran = workplace.run("out", &[api("GET", &uri, json!({"/cache/ttl": ttl}))], 1);
        assert_eq!(service.requests().len() - before, 1, "{path}");
        let counts = ran.report.enrich.clone().expect("counts");
        let cache = counts.caches["api_request_enrichment_config"];
        assert_eq!((cache.hits, cache.misses), (299, 1));
        assert_eq!(cache.errors, u64::from(path == "bad"));
        let shown = &ran.manifest["enrich"];
        assert_eq!(
            shown["caches"]["api_request_enrichment_config"]["hits"],
            299
        );
        let table = ran.report.to_table();
        assert!(table.contains("299 hits, 1 misses (99.7 %)"), "{table}");
        if path == "bad" {
            assert_eq!(counts.bad, 300);
            assert_eq!(
                shown["failed_by_enrichment"]["api_request_enrichment_config"],
                300
            );
            assert!(
                table.contains("by api_request_enrichment_config"),
                "{table}"
            );
        }
    }
}

#[test]
fn an_event_without_a_value_is_not_asked_about() {
    let service = WebService::start(|_| Reply::Body(500, String::new()));
    let workplace = Workplace::new();
    workplace.input("a", [get("uid=u"), get("aid=shop"), get("uid=u&aid=shop")]);
    let uri = format!("http://{}/{{{{user}}}}/{{{{missing}}}}", service.address);
    let ran = workplace.run("out", &[api("GET", &uri, json!({}))], 1);
    assert_eq!(
        (ran.good.len(), ran.bad.len(), service.requests().len()),
        (3, 0, 0)
    );
    assert!(
        ran.good
            .iter()
            .all(|line| column(line, Field::DerivedContexts).is_empty())
    );
}

#[test]
fn jsons_of_the_event_are_inputs() {
    let service =
        WebService::start(|request| Reply::Body(200, json!({"record": request.path}).to_string()));
    let workplace = Workplace::new();
    let schemas = workplace.path("registry/schemas");
    for (key, schema) in [
        (
            "com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
            r#"{"type":"array"}"#,
        ),
        ("com.acme/place/jsonschema/1-1-0", "{}"),
    ] {
        let file = schemas.join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, schema).unwrap();
    }
    let contexts = json!({"schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0", "data": [
        {"schema": "iglu:com.acme/place/jsonschema/1-1-0", "data": {"tags": ["a b", 1]}}]});
    let encoded: String = contexts
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    workplace.input(
        "a",
        [
            get(&format!("uid=u&aid=shop&co={encoded}")),
            get("uid=u&aid=shop"),
        ],
    );
    let inputs = json!([
        {"key": "tags", "pojo": {"field": "user_id"}},
        {"key": "tags", "json": {"field": "contexts", "schemaCriterion": "iglu:com.acme/place/jsonschema/1-*-*", "jsonPath": "$.tags"}},
    ]);
    let uri = format!("http://{}/{{{{tags}}}}", service.address);
    let ran = workplace.run("out", &[api("GET", &uri, json!({"/inputs": inputs}))], 1);
    let mut paths: Vec<String> = service
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    paths.sort();
    // the JSON wins over the column, and where there is none the column counts
    assert_eq!(
        paths,
        ["/Some%28a+b%29%2CSome%281%29", "/u"],
        "{:?}",
        ran.texts()
    );
}
