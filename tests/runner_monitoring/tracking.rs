//! Tracking events: what a collector gets, and that it is valid.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::iglu::Resolver;
use engine::iglu::self_describing::{validate, validate_contexts, validate_unstruct_event};
use engine::json;
use runner::monitoring::log::LogLines;
use runner::monitoring::snowplow::{SendBy, SnowplowTracker, TrackerSettings};
use runner::observer::{Counts, Level, Observer, RunState, RunView, StepState, StepView};
use serde_json::Value;

use super::http_stub::{HttpStub, Received, Reply};
use super::short_timeouts;
use super::support::{self, free_port};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn step(name: &'static str, state: StepState) -> StepView {
    let started = !matches!(state, StepState::Pending | StepState::Cancelled);
    let ended = matches!(state, StepState::Completed | StepState::Failed);
    StepView {
        name,
        state,
        created_ms: 1_532_427_330_123,
        started_ms: started.then_some(1_532_427_331_000),
        ended_ms: ended.then_some(1_532_427_339_999),
        counts: Counts::default(),
        summary: None,
        error: None,
        report: Value::Null,
    }
}

fn run(state: RunState, steps: Vec<StepView>) -> RunView {
    let ended = matches!(state, RunState::Terminated | RunState::TerminatedWithErrors);
    RunView {
        run_id: "2018-07-24-10-15-30".into(),
        job_name: "Snowplow ETL".into(),
        target: "local",
        state,
        reason: ended.then(|| "the last word".into()),
        created_ms: 1_532_427_330_123,
        ready_ms: Some(1_532_427_331_000),
        ended_ms: ended.then_some(1_532_427_340_000),
        steps,
        resume_command: "camonica resume".into(),
        journal_folder: "/log/camonica/2018-07-24-10-15-30/".into(),
    }
}

fn starting() -> RunView {
    run(
        RunState::Starting,
        vec![
            step("staging", StepState::Pending),
            step("enrich", StepState::Pending),
        ],
    )
}

fn failed() -> RunView {
    run(
        RunState::TerminatedWithErrors,
        vec![
            step("staging", StepState::Completed),
            step("enrich", StepState::Failed),
            step("shred", StepState::Cancelled),
        ],
    )
}

fn succeeded() -> RunView {
    run(
        RunState::Terminated,
        vec![step("staging", StepState::Completed)],
    )
}

fn tracker(port: u16, method: SendBy, paper: &Paper) -> SnowplowTracker {
    let mut settings = TrackerSettings::new(method, "127.0.0.1", "acme");
    settings.port = Some(port);
    settings.tags.insert("env".into(), "test & \"more\"".into());
    settings.log_level = "debug".into();
    settings.timeouts = short_timeouts();
    SnowplowTracker::new(settings, LogLines::new(Level::Debug, paper.clone())).unwrap()
}

/// The fields of the event in a request.
fn fields(request: &Received) -> Vec<(String, String)> {
    if request.method == "GET" {
        return request
            .query
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), decoded(value))
            })
            .collect();
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body["schema"],
        "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-2"
    );
    let events = body["data"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    let event = events[0].as_object().unwrap();
    event
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

fn field(request: &Received, name: &str) -> String {
    let fields = fields(request);
    let found = fields.iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

fn self_describing(request: &Received, name: &str) -> String {
    String::from_utf8(STANDARD.decode(field(request, name)).unwrap()).unwrap()
}

/// A resolver over the public schemas of that time.
fn iglu_central(shared: &Path) -> Resolver {
    let folder = shared.join("data/iglu-central/r94");
    assert!(
        folder
            .join("schemas/com.snowplowanalytics.monitoring.batch")
            .is_dir()
    );
    Resolver::from_config(&format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{{"cacheSize":50,"repositories":[{{"name":"Central","priority":0,"vendorPrefixes":["com.snowplowanalytics"],"connection":{{"embedded":{{"path":{}}}}}}}]}}}}"#,
        serde_json::json!(folder.to_str())
    ))
    .unwrap()
}

#[test]
fn events_are_sent_by_get_and_post_in_the_order_of_the_run() {
    for method in [SendBy::Get, SendBy::Post] {
        let collector = HttpStub::start(|_| Reply::text(200, "ok"));
        let paper = Paper::default();
        let mut tracker = tracker(collector.port, method, &paper);
        tracker.run_started(&starting());
        tracker.step_started(&starting(), 0);
        tracker.step_finished(&starting(), 0);
        tracker.run_finished(&failed());
        tracker.run_finished(&succeeded());
        let requests = collector.received();
        let names: Vec<Value> = requests
            .iter()
            .map(|request| {
                let event: Value =
                    serde_json::from_str(&self_describing(request, "ue_px")).unwrap();
                event["data"]["schema"].clone()
            })
            .collect();
        let schema = |name: &str| {
            format!("iglu:com.snowplowanalytics.monitoring.batch/{name}/jsonschema/1-0-0")
        };
        let expected = ["emr_job_started", "emr_job_failed", "emr_job_succeeded"].map(schema);
        assert_eq!(names, expected);
        for request in &requests {
            let expected = match method {
                SendBy::Get => ("GET", "/i"),
                SendBy::Post => ("POST", "/com.snowplowanalytics.snowplow/tp2"),
            };
            assert_eq!((request.method.as_str(), request.path.as_str()), expected);
            assert_eq!(field(request, "aid"), "acme");
            assert!(field(request, "tv").starts_with("camonica-"));
            if method == SendBy::Post {
                assert_eq!(
                    request.headers["content-type"],
                    "application/json; charset=utf-8"
                );
            }
        }
        let ids: std::collections::BTreeSet<String> = requests
            .iter()
            .map(|request| field(request, "eid"))
            .collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(paper.text(), "", "nothing went wrong");
    }
}

#[test]
fn what_is_sent_is_valid() {
    let Some(shared) = support::shared("tracking events against the six schemas of Iglu Central")
    else {
        return;
    };
    let resolver = iglu_central(&shared);
    let collector = HttpStub::start(|_| Reply::text(200, "ok"));
    let mut tracker = tracker(collector.port, SendBy::Post, &Paper::default());
    let mut long = failed();
    long.run_id = "a run id that somebody made much too long for it".into();
    long.reason = Some("ü".repeat(1000));
    long.job_name = "j".repeat(1000);
    for view in [failed(), succeeded(), long] {
        tracker.run_started(&starting());
        tracker.run_finished(&view);
    }
    let requests = collector.received();
    assert_eq!(requests.len(), 6);
    let mut seen = std::collections::BTreeSet::new();
    for request in &requests {
        let event = self_describing(request, "ue_px");
        let event = json::parse::parse(&event).unwrap().unwrap();
        let event = validate_unstruct_event(&resolver, &event)
            .unwrap_or_else(|messages| panic!("{messages:?}"));
        seen.insert(event.schema.key.to_string());
        let contexts = self_describing(request, "cx");
        let contexts = json::parse::parse(&contexts).unwrap().unwrap();
        let contexts = validate_contexts(&resolver, &contexts)
            .unwrap_or_else(|messages| panic!("{messages:?}"));
        assert!(contexts.len() >= 3);
        seen.extend(
            contexts
                .iter()
                .map(|context| context.schema.key.to_string()),
        );
        let body = request.text();
        let body = json::parse::parse(&body).unwrap().unwrap();
        validate(&resolver, &body, None).unwrap_or_else(|messages| panic!("{messages:?}"));
    }
    assert_eq!(seen.len(), 6, "{seen:?}");

    // and the check can fail: a state that EMR does not know
    let mut contexts = self_describing(&requests[0], "cx");
    contexts = contexts.replace("\"PENDING\"", "\"ASLEEP\"");
    let contexts = json::parse::parse(&contexts).unwrap().unwrap();
    assert!(validate_contexts(&resolver, &contexts).is_err());
}

#[test]
fn a_collector_may_live_below_a_path() {
    let collector = HttpStub::start(|_| Reply::text(200, "ok"));
    let mut settings = TrackerSettings::new(SendBy::Get, "127.0.0.1/tracking/one", "acme");
    settings.port = Some(collector.port);
    let log = LogLines::new(Level::Debug, std::io::sink());
    let mut tracker = SnowplowTracker::new(settings.clone(), log.clone()).unwrap();
    tracker.run_started(&starting());
    settings.method = SendBy::Post;
    let mut tracker = SnowplowTracker::new(settings, log).unwrap();
    tracker.run_started(&starting());
    let paths: Vec<String> = collector
        .received()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        paths,
        [
            "/tracking/one/i",
            "/tracking/one/com.snowplowanalytics.snowplow/tp2"
        ]
    );
}

#[test]
fn a_run_of_very_many_steps_goes_by_post() {
    let collector = HttpStub::start(|_| Reply::text(200, "ok"));
    let mut tracker = tracker(collector.port, SendBy::Get, &Paper::default());
    let many = (0..200)
        .map(|_| step("enrich", StepState::Completed))
        .collect();
    tracker.run_finished(&run(RunState::Terminated, many));
    assert_eq!(collector.received()[0].method, "POST");
}

#[test]
fn a_collector_that_is_down_or_refuses_is_said_in_the_log_only() {
    let paper = Paper::default();
    let mut down = tracker(free_port(), SendBy::Get, &paper);
    let begun = Instant::now();
    down.run_started(&starting());
    assert!(begun.elapsed() < Duration::from_secs(10));
    let text = paper.text();
    assert!(
        text.contains(" WARN -- : the tracking event emr_job_started was not taken by the collector: http://127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains("refused") && !text.contains("ue_px"),
        "{text}"
    );

    for (status, told) in [
        (200, false),
        (204, false),
        (302, false),
        (400, true),
        (404, true),
        (500, true),
    ] {
        let collector = HttpStub::start(move |_| Reply::text(status, "the body"));
        for method in [SendBy::Get, SendBy::Post] {
            let paper = Paper::default();
            tracker(collector.port, method, &paper).run_started(&starting());
            let text = paper.text();
            assert_eq!(!text.is_empty(), told, "{text}");
            if told {
                assert!(
                    text.contains(&format!(": HTTP {status}: the body")),
                    "{text}"
                );
            }
        }
        assert_eq!(collector.received().len(), 2, "one request an event");
    }
}

#[test]
fn a_collector_that_says_nothing_is_left() {
    let collector = HttpStub::start(|_| Reply::Silence);
    let paper = Paper::default();
    let mut settings = TrackerSettings::new(SendBy::Post, "127.0.0.1", "acme");
    settings.port = Some(collector.port);
    settings.timeouts.total = Duration::from_millis(200);
    let log = LogLines::new(Level::Debug, paper.clone());
    let begun = Instant::now();
    SnowplowTracker::new(settings, log)
        .unwrap()
        .run_started(&starting());
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(paper.text().contains("time-out"), "{}", paper.text());
}
