//! Whole payloads.

use super::*;
use crate::adapter::shared::testing::{posted, refused, resolver};
use crate::json::golden;
use proptest::prelude::*;

const UNSTRUCT: &str = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0";

fn post(body: &str) -> CollectorPayload {
    posted(
        &[("nuid", "ignored"), ("p", "app")],
        Some("text/plain"),
        Some(body),
    )
}

fn get<'a>(parameters: &'a Parameters, name: &str) -> &'a str {
    parameters.get(name).unwrap().as_deref().unwrap()
}

/// `{name}{data}` with the vendor left out.
fn self_describing(name: &str, data: &str) -> String {
    format!(
        "{{\"schema\":\"iglu:com.google.analytics.measurement-protocol/{name}/jsonschema/1-0-0\",\
         \"data\":{data}}}"
    )
}

#[track_caller]
fn check(body: &str, event: (&str, &str), contexts: &[(&str, &str)], direct: &[(&str, &str)]) {
    let events = raw_events(post(body), &resolver()).unwrap();
    assert_eq!(events.len(), 1);
    let parameters = &events[0].parameters;
    assert_eq!(
        get(parameters, "ue_pr"),
        format!(
            "{{\"schema\":\"{UNSTRUCT}\",\"data\":{}}}",
            self_describing(event.0, event.1)
        )
    );
    let contexts: Vec<String> = contexts
        .iter()
        .map(|(name, data)| self_describing(name, data))
        .collect();
    assert_eq!(
        get(parameters, "co"),
        format!(
            "{{\"schema\":\"{CONTEXTS}\",\"data\":[{}]}}",
            contexts.join(",")
        )
    );
    for (name, value) in direct {
        assert_eq!(get(parameters, name), *value, "{name}");
    }
    for (name, value) in [("e", "ue"), ("p", "srv"), ("tv", TRACKER_VERSION)] {
        assert_eq!(get(parameters, name), value, "{name}");
    }
    assert_eq!(parameters.len(), 5 + direct.len());
}

#[test]
fn flat_contexts() {
    check(
        "t=pageview&dh=site&cid=c1&v=1",
        ("page_view", r#"{"documentHostName":"site"}"#),
        &[
            ("hit", r#"{"type":"pageview"}"#),
            ("user", r#"{"clientId":"c1"}"#),
            ("general", r#"{"protocolVersion":"1"}"#),
        ],
        &[],
    );
    check(
        "t=exception&exd=oops&exf=1&dh=site",
        ("exception", r#"{"description":"oops","isFatal":true}"#),
        &[
            ("hit", r#"{"type":"exception"}"#),
            ("page_view", r#"{"documentHostName":"site"}"#),
        ],
        &[],
    );
}

#[test]
fn a_screen_name_and_a_custom_dimension() {
    check(
        "t=screenview&cd=home&cd3=blue",
        ("screen_view", r#"{"screenName":"home"}"#),
        &[
            ("hit", r#"{"type":"screenview"}"#),
            ("custom_dimension", r#"{"value":"blue","index":3}"#),
        ],
        &[],
    );
}

#[test]
fn direct_mappings() {
    for (name, to) in DIRECT {
        let expected = if *to == "f_java" { "1" } else { "1.0" };
        let body = format!("t=social&{name}={expected}");
        let events = raw_events(post(&body), &resolver()).unwrap();
        assert_eq!(get(&events[0].parameters, to), expected, "{name}");
    }
    for (hit_type, id, currency) in [
        ("transaction", "tr_id", "tr_cu"),
        ("item", "ti_id", "ti_cu"),
        ("pageview", "ti_id", "ti_cu"),
    ] {
        let body = format!("t={hit_type}&ti=9&cu=EUR");
        let events = raw_events(post(&body), &resolver()).unwrap();
        assert_eq!(get(&events[0].parameters, id), "9");
        assert_eq!(get(&events[0].parameters, currency), "EUR");
    }
    let events = raw_events(post("t=pageview&dl"), &resolver()).unwrap();
    assert_eq!(events[0].parameters.get("url"), Some(&None));
    assert!(get(&events[0].parameters, "ue_pr").contains(r#"{"documentLocationUrl":null}"#));
}

#[test]
fn lines_of_a_body() {
    let of = |body| lines(body).collect::<Vec<_>>();
    assert!(of("").is_empty());
    assert_eq!(of("a"), ["a"]);
    assert_eq!(of("a\n"), ["a"]);
    assert_eq!(of("\n"), [""]);
    assert_eq!(of("a\r\n\r\nb\u{c}c\r"), ["a", "", "b", "c\r"]);
    assert_eq!(of("a\r\u{c}\n\r"), ["a\r", "", "\r"]);
}

#[test]
fn one_event_a_line() {
    let events = raw_events(post("t=pageview&dp=a\r\nt=event&ec=c\n"), &resolver()).unwrap();
    assert_eq!(events.len(), 2);
    assert!(get(&events[0].parameters, "ue_pr").contains("page_view"));
    assert!(get(&events[1].parameters, "ue_pr").contains("/event/"));
    for event in &events {
        assert_eq!(event.content_type.as_deref(), Some("text/plain"));
    }
}

#[test]
fn all_failures_of_all_lines() {
    assert_eq!(
        refused(
            raw_events,
            post("t=pageview\n\nt=what&je=x&xx1=1\nt=item&iq=many&ip=2&ti=1\nt=&aip=2\nt")
        ),
        [
            "No GoogleAnalytics t parameter provided: cannot determine hit type",
            "No matching GoogleAnalytics hit type for hit type what",
            "GoogleAnalytics event failed: type parameter [what] not recognized",
            "Field [javaEnabled]: Cannot convert [x] to boolean, only 1 or 0.",
            "Cannot parse field name xx1, it doesn't conform to the expected composite field regex: \
             (pr|promo|il|cd|cm|cg)(\\d+)([a-zA-Z]*)(\\d*)([a-zA-Z]*)(\\d*)$",
            "Field [quantity]: cannot convert [many] to Int",
            "No matching GoogleAnalytics hit type for hit type ",
            "GoogleAnalytics event failed: type parameter is empty - cannot determine event type",
            "Field [anonymizeIp]: Cannot convert [2] to boolean, only 1 or 0.",
            "No matching GoogleAnalytics hit type for hit type null",
            "GoogleAnalytics event failed: type parameter [null] not recognized",
        ]
    );
}

#[test]
fn event_data_is_read_only_when_the_contexts_are_good() {
    assert_eq!(
        refused(raw_events, post("t=item&iq=many&aip=2")),
        ["Field [anonymizeIp]: Cannot convert [2] to boolean, only 1 or 0."]
    );
}

#[test]
fn refusals() {
    let nothing = "Request body is empty: no GoogleAnalytics events to process";
    for (payload, message) in [
        (posted(&[("t", "pageview")], None, None), nothing),
        (posted(&[], None, Some("")), nothing),
        (
            post("t=<>\nt=pageview"),
            "Unexpected error processing events: java.lang.IllegalArgumentException: Illegal \
             character in query at index 20: http://localhost/?t=<>\n",
        ),
        (
            post("x=1\nt=event&ev"),
            "Unexpected error processing events: java.lang.NullPointerException\n",
        ),
        (
            post("t=event&pr1qt"),
            "Unexpected error processing events: java.lang.NullPointerException\n",
        ),
    ] {
        assert_eq!(refused(raw_events, payload), [message]);
    }
    assert_eq!(
        refused(raw_events, post(&"\n".repeat(MAX_LINES + 1))),
        ["GoogleAnalytics payload has 10001 lines, more than 10000"]
    );
    assert_eq!(
        refused(raw_events, post(&"\n".repeat(MAX_LINES))).len(),
        MAX_LINES
    );
}

#[test]
fn reference_cases() {
    let Some(cases) = golden::read("enrich/unit/adapters/GoogleAnalyticsAdapterSpec.json") else {
        return;
    };
    let mut checked = 0;
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if case["actual"]["call"] != "toRawEvents" {
            continue;
        }
        let body = case["actual"]["args"][0]["body"].as_str();
        let expect = &case["expect"];
        match raw_events(posted(&[], None, body), &resolver()) {
            Ok(events) => {
                let expected = expect["success"].as_array().unwrap();
                assert_eq!(events.len(), expected.len(), "{name}");
                for (event, expected) in events.iter().zip(expected) {
                    let expected = expected["parameters"].as_object().unwrap();
                    assert_eq!(event.parameters.len(), expected.len(), "{name}");
                    for (key, value) in expected {
                        assert_eq!(
                            get(&event.parameters, key),
                            value.as_str().unwrap(),
                            "{name}"
                        );
                    }
                }
            }
            Err(failure) => {
                let messages = serde_json::json!(failure.into_messages());
                assert_eq!(expect["failure"], messages, "{name}");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}

proptest! {
    #[test]
    fn hostile_bodies_do_not_panic(
        words in prop::collection::vec(
            prop_oneof![
                Just("t=pageview"), Just("t=item"), Just("&"), Just("="), Just("\n"), Just("cu"),
                Just("pr1"), Just("pr2"), Just("il1pi2"), Just("cd3"), Just("id"), Just("nm"),
                Just("qt"), Just("pr"), Just("9"), Just("1E9"), Just("%F0%9D%9F%8F"), Just("\u{e9}"),
                Just("aip"), Just("%"), Just("\r"), Just("ip"), Just("cm4")
            ],
            0..40,
        ),
        any_text in any::<String>(),
    ) {
        for body in [words.concat(), any_text] {
            match raw_events(post(&body), &resolver()) {
                Ok(events) => prop_assert!(!events.is_empty()),
                Err(failure) => prop_assert!(!failure.into_messages().is_empty()),
            }
        }
    }
}
