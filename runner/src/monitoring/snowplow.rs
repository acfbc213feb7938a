//! Tracking events about runs: `emr_job_started`, then `emr_job_succeeded` or `emr_job_failed`, as EmrEtlRunner R108 sends them
//! when `monitoring.snowplow` is set.
//!
//! Each is a self-describing event (`e=ue`) of vendor `com.snowplowanalytics.monitoring.batch` without data; its contexts tell
//! of the application, of the run (`emr_job_status`, whose `jobflow_id` is our run id), and of each step. Sent in the tracker
//! protocol by GET or POST, one request an event, while the run waits; what fails is said in the log and fails nothing.
//!
//! Different from the reference: times are UTC as they claim to be; the port follows the protocol if none is given; a GET that
//! collectors would refuse for its length goes as POST.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::job::options::now_ms;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::log::LogLines;
use super::times::utc_seconds;
use crate::http::{HttpClient, Request, Timeouts, encode_part};
use crate::observer::{Level, Observer, RunState, RunView, StepView};

/// What our tracker calls itself, `tv`.
pub const TRACKER_VERSION: &str = concat!("camonica-", env!("CARGO_PKG_VERSION"));

/// The name in `application_context`: EmrEtlRunner's, by which users select these events.
pub const APPLICATION: &str = "snowplow-emr-etl-runner";

const VENDOR: &str = "com.snowplowanalytics.monitoring.batch";

/// Longest address of a GET: the limit of collectors, with room for headers.
const MAX_GET: usize = 30 << 10;

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendBy {
    /// `GET /i?...`
    Get,
    /// `POST /com.snowplowanalytics.snowplow/tp2`
    Post,
}

impl SendBy {
    /// `get` or `post`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "get" => Some(Self::Get),
            "post" => Some(Self::Post),
            _ => None,
        }
    }
}

/// `monitoring.snowplow` and what the application tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerSettings {
    /// `monitoring.snowplow.method`
    pub method: SendBy,
    /// `monitoring.snowplow.collector`: a host name, perhaps with a path.
    pub collector: String,
    /// `monitoring.snowplow.app_id`
    pub app_id: String,
    /// `monitoring.snowplow.protocol`: `http` or `https`.
    pub protocol: Option<String>,
    /// `monitoring.snowplow.port`
    pub port: Option<u16>,
    /// `monitoring.tags`
    pub tags: BTreeMap<String, String>,
    /// `monitoring.logging.level`
    pub log_level: String,
    /// How long the collector may take.
    pub timeouts: Timeouts,
}

impl TrackerSettings {
    /// Settings for this collector; everything else as by default.
    pub fn new(method: SendBy, collector: &str, app_id: &str) -> Self {
        Self {
            method,
            collector: collector.to_owned(),
            app_id: app_id.to_owned(),
            protocol: None,
            port: None,
            tags: BTreeMap::new(),
            log_level: String::new(),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                total: Duration::from_secs(15),
            },
        }
    }

    /// The address to which the paths of the tracker protocol are appended.
    ///
    /// # Errors
    /// When a key of `monitoring.snowplow` cannot be used.
    pub fn base(&self) -> Result<String, String> {
        let protocol = match self.protocol.as_deref() {
            None | Some("") => "http",
            Some(name) if name.eq_ignore_ascii_case("http") => "http",
            Some(name) if name.eq_ignore_ascii_case("https") => "https",
            Some(other) => {
                return Err(format!(
                    "monitoring.snowplow.protocol: expected http or https, found '{other}'"
                ));
            }
        };
        let collector = self.collector.trim_end_matches('/');
        if collector.is_empty()
            || collector.contains("://")
            || collector.contains(['?', '#', '@', ' '])
        {
            return Err(format!(
                "monitoring.snowplow.collector: expected a host name (perhaps with a path), not an address, found '{}'",
                self.collector
            ));
        }
        let (host, path) = match collector.find('/') {
            Some(slash) => collector.split_at(slash),
            None => (collector, ""),
        };
        let bare = host.rsplit(']').next().unwrap_or(host);
        let named_port = bare.split_once(':').map(|(_, port)| port.parse::<u16>());
        let port = match (named_port, self.port) {
            (None, Some(port)) => format!(":{port}"),
            (None, None) => format!(":{}", if protocol == "https" { 443 } else { 80 }),
            (Some(Ok(named)), Some(port)) if named != port => {
                return Err(format!(
                    "monitoring.snowplow.port: {port} contradicts the collector '{host}'"
                ));
            }
            (Some(Ok(_)), _) => String::new(),
            (Some(Err(_)), _) => {
                return Err(format!(
                    "monitoring.snowplow.collector: '{host}' has no port behind its colon"
                ));
            }
        };
        Ok(format!("{protocol}://{host}{port}{path}"))
    }
}

/// The events about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchEvent {
    /// It began.
    Started,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
}

impl BatchEvent {
    /// The name of its schema.
    pub fn schema_name(self) -> &'static str {
        match self {
            Self::Started => "emr_job_started",
            Self::Succeeded => "emr_job_succeeded",
            Self::Failed => "emr_job_failed",
        }
    }
}

/// Sends the events.
#[derive(Debug)]
pub struct SnowplowTracker {
    settings: TrackerSettings,
    base: String,
    http: HttpClient,
    log: LogLines,
}

impl SnowplowTracker {
    /// Nothing is sent before a run begins; what fails then goes to `log`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: TrackerSettings, log: LogLines) -> Result<Self, String> {
        Ok(Self {
            base: settings.base()?,
            http: HttpClient::new(settings.timeouts)?,
            settings,
            log,
        })
    }

    /// Sends an event about `run`.
    ///
    /// # Errors
    /// When the collector did not take it.
    pub fn send(&self, event: BatchEvent, run: &RunView) -> Result<(), String> {
        let pairs = payload(event, run, &self.settings);
        let request = match self.settings.method {
            SendBy::Get => get(&self.base, &pairs).unwrap_or_else(|| post(&self.base, &pairs)),
            SendBy::Post => post(&self.base, &pairs),
        };
        let what = without_query(&format!("{request:?}"));
        let answer = self
            .http
            .send(request)
            .map_err(|trouble| without_query(trouble.why()))?;
        if (200..400).contains(&answer.status) {
            Ok(())
        } else {
            Err(answer.trouble(&what).why().to_owned())
        }
    }

    fn tell(&self, event: BatchEvent, run: &RunView) {
        if let Err(why) = self.send(event, run) {
            self.log.write(
                Level::Warn,
                &format!(
                    "the tracking event {} was not taken by the collector: {why}",
                    event.schema_name()
                ),
            );
        }
    }
}

impl Observer for SnowplowTracker {
    fn run_started(&mut self, run: &RunView) {
        self.tell(BatchEvent::Started, run);
    }

    fn run_finished(&mut self, run: &RunView) {
        let event = match run.state {
            RunState::TerminatedWithErrors => BatchEvent::Failed,
            _ => BatchEvent::Succeeded,
        };
        self.tell(event, run);
    }
}

/// A text with the first query in it cut out: the events in it are long.
fn without_query(text: &str) -> String {
    let Some(start) = text.find('?') else {
        return text.to_owned();
    };
    let end = text[start..]
        .find(": ")
        .map_or(text.len(), |colon| start + colon);
    format!("{}{}", &text[..start], &text[end..])
}

/// The fields of the tracker protocol, in order; fields without a value are left out.
pub fn payload(
    event: BatchEvent,
    run: &RunView,
    settings: &TrackerSettings,
) -> Vec<(&'static str, String)> {
    let unstruct = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": entity(event.schema_name(), json!({})),
    });
    let mut contexts = vec![application(settings), job_status(run)];
    contexts.extend(run.steps.iter().map(step_status));
    let contexts = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1",
        "data": contexts,
    });
    let mut pairs = vec![
        ("e", "ue".to_owned()),
        ("ue_px", STANDARD.encode(unstruct.to_string())),
        ("cx", STANDARD.encode(contexts.to_string())),
        ("dtm", now_ms().to_string()),
        ("p", "srv".to_owned()),
        ("tv", TRACKER_VERSION.to_owned()),
        ("aid", settings.app_id.clone()),
        ("eid", event_id()),
    ];
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
}

fn entity(name: &str, data: Value) -> Value {
    json!({ "schema": format!("iglu:{VENDOR}/{name}/jsonschema/1-0-0"), "data": data })
}

fn application(settings: &TrackerSettings) -> Value {
    let mut data = Map::new();
    data.insert("name".into(), APPLICATION.into());
    data.insert("version".into(), env!("CARGO_PKG_VERSION").into());
    data.insert("tags".into(), json!(settings.tags));
    if !settings.log_level.is_empty() {
        data.insert("logLevel".into(), cut(&settings.log_level, 64).into());
    }
    entity("application_context", Value::Object(data))
}

fn job_status(run: &RunView) -> Value {
    entity(
        "emr_job_status",
        json!({
            "name": cut(&run.job_name, 255),
            "jobflow_id": cut(&run.run_id, 32),
            "state": run.state.name(),
            "created_at": utc_seconds(run.created_ms),
            "ended_at": run.ended_ms.map(utc_seconds),
            "last_state_change_reason": run.reason.as_deref().map(|reason| cut(reason, 255)),
        }),
    )
}

fn step_status(step: &StepView) -> Value {
    entity(
        "jobflow_step_status",
        json!({
            "name": cut(step.name, 255),
            "state": step.state.name(),
            "created_at": utc_seconds(step.created_ms),
            "started_at": step.started_ms.map(utc_seconds),
            "ended_at": step.ended_ms.map(utc_seconds),
        }),
    )
}

/// At most so many characters: a schema allows no more.
fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// A version 4 UUID.
fn event_id() -> String {
    let mut bytes = [0; 16];
    // Without chance there is no id, and the collector's side makes one.
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let group = |from: usize, to: usize| hex[from..to].concat();
    format!(
        "{}-{}-{}-{}-{}",
        group(0, 4),
        group(4, 6),
        group(6, 8),
        group(8, 10),
        group(10, 16)
    )
}

/// `None` when the address would be too long.
fn get(base: &str, pairs: &[(&'static str, String)]) -> Option<Request> {
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", encode_part(value)))
        .collect();
    let url = format!("{base}/i?{}", query.join("&"));
    (url.len() <= MAX_GET).then(|| Request::get(url))
}

fn post(base: &str, pairs: &[(&'static str, String)]) -> Request {
    let event: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    let body = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-2",
        "data": [event],
    });
    Request::new(
        Method::POST,
        format!("{base}/com.snowplowanalytics.snowplow/tp2"),
    )
    .body(
        "application/json; charset=utf-8",
        body.to_string().into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure_summary::tests::{failed_run, view};

    fn settings() -> TrackerSettings {
        let mut settings = TrackerSettings::new(SendBy::Post, "collector.acme.com", "acme-batch");
        settings.tags.insert("env".into(), "prod".into());
        settings.log_level = "INFO".into();
        settings
    }

    fn decoded(pairs: &[(&'static str, String)], name: &str) -> Value {
        let (_, value) = pairs.iter().find(|(found, _)| *found == name).unwrap();
        serde_json::from_slice(&STANDARD.decode(value).unwrap()).unwrap()
    }

    #[test]
    fn addresses_of_collectors() {
        let base = |collector: &str, protocol: Option<&str>, port| {
            TrackerSettings {
                protocol: protocol.map(str::to_owned),
                port,
                ..TrackerSettings::new(SendBy::Get, collector, "a")
            }
            .base()
        };
        for (collector, protocol, port, expected) in [
            ("c.acme.com", None, None, "http://c.acme.com:80"),
            ("c.acme.com", Some("HTTPS"), None, "https://c.acme.com:443"),
            (
                "c.acme.com/",
                Some("http"),
                Some(8080),
                "http://c.acme.com:8080",
            ),
            (
                "c.acme.com/a/b/",
                None,
                Some(81),
                "http://c.acme.com:81/a/b",
            ),
            ("c.acme.com:90/a", None, None, "http://c.acme.com:90/a"),
            ("c.acme.com:90", None, Some(90), "http://c.acme.com:90"),
            ("[::1]/a", None, Some(9), "http://[::1]:9/a"),
        ] {
            assert_eq!(base(collector, protocol, port), Ok(expected.into()));
        }
        for (collector, protocol, port, part) in [
            (
                "http://c.acme.com",
                None,
                None,
                "monitoring.snowplow.collector: expected a host name",
            ),
            (
                "",
                None,
                None,
                "monitoring.snowplow.collector: expected a host name",
            ),
            (
                "c.acme.com",
                Some("ftp"),
                None,
                "monitoring.snowplow.protocol: expected http or https, found 'ftp'",
            ),
            (
                "c.acme.com:90",
                None,
                Some(80),
                "monitoring.snowplow.port: 80 contradicts",
            ),
            ("c.acme.com:x", None, None, "no port behind its colon"),
        ] {
            let error = base(collector, protocol, port).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(SendBy::from_name("Post"), Some(SendBy::Post));
        assert_eq!(SendBy::from_name("put"), None);
    }

    #[test]
    fn fields_of_an_event() {
        let pairs = payload(BatchEvent::Started, &view(), &settings());
        let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["e", "ue_px", "cx", "dtm", "p", "tv", "aid", "eid"]);
        let value = |name: &str| {
            pairs
                .iter()
                .find(|(found, _)| *found == name)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(value("e"), "ue");
        assert_eq!(value("p"), "srv");
        assert_eq!(value("aid"), "acme-batch");
        assert_eq!(value("tv"), TRACKER_VERSION);
        assert!(value("dtm").len() == 13 && value("dtm").parse::<i64>().is_ok());
        let uuid = regex::Regex::new(
            "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        )
        .unwrap();
        assert!(uuid.is_match(&value("eid")));
        let mut nameless = settings();
        nameless.app_id.clear();
        assert!(
            payload(BatchEvent::Started, &view(), &nameless)
                .iter()
                .all(|(name, _)| *name != "aid")
        );
    }

    #[test]
    fn contexts_of_an_event() {
        let pairs = payload(BatchEvent::Failed, &failed_run(), &settings());
        assert_eq!(
            decoded(&pairs, "ue_px")["data"],
            json!({"schema": "iglu:com.snowplowanalytics.monitoring.batch/emr_job_failed/jsonschema/1-0-0", "data": {}})
        );
        let contexts = decoded(&pairs, "cx");
        let contexts = contexts["data"].as_array().unwrap();
        assert_eq!(contexts.len(), 2 + 3);
        assert_eq!(
            contexts[0]["data"],
            json!({"name": "snowplow-emr-etl-runner", "version": env!("CARGO_PKG_VERSION"), "tags": {"env": "prod"}, "logLevel": "INFO"})
        );
        assert_eq!(
            contexts[1]["data"],
            json!({"name": "Snowplow ETL", "jobflow_id": "2018-07-24-10-15-30", "state": "TERMINATED_WITH_ERRORS",
                "created_at": "2018-07-24T10:15:30Z", "ended_at": "2018-07-25T11:15:34Z",
                "last_state_change_reason": "Step enrich failed"})
        );
        assert_eq!(
            contexts[3]["data"],
            json!({"name": "enrich", "state": "FAILED", "created_at": "2018-07-24T10:15:30Z",
                "started_at": "2018-07-24T10:15:33Z", "ended_at": "2018-07-25T11:15:34Z"})
        );
        assert_eq!(contexts[4]["data"]["started_at"], Value::Null);
    }

    #[test]
    fn texts_are_cut_to_what_the_schemas_allow() {
        let mut run = failed_run();
        run.run_id = "x".repeat(40);
        run.job_name = "ü".repeat(300);
        run.reason = Some("y".repeat(1000));
        let status =
            &decoded(&payload(BatchEvent::Failed, &run, &settings()), "cx")["data"][1]["data"];
        assert_eq!(status["jobflow_id"].as_str().unwrap().len(), 32);
        assert_eq!(status["name"].as_str().unwrap().chars().count(), 255);
        assert_eq!(
            status["last_state_change_reason"].as_str().unwrap().len(),
            255
        );
    }

    #[test]
    fn a_get_that_is_too_long_is_none() {
        let pairs = |length: usize| vec![("cx", "a".repeat(length))];
        assert!(get("http://c", &pairs(1000)).is_some());
        assert!(get("http://c", &pairs(MAX_GET)).is_none());
        assert_eq!(
            without_query("http://c:80/i?e=ue&x=y: Connection refused"),
            "http://c:80/i: Connection refused"
        );
        assert_eq!(without_query("plain"), "plain");
    }
}
