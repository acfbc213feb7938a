//! What the trackers are told to send, and what must come of it.
//!
//! Every sender is a tracker with its own way of sending (GET or POST, JSON plain or in base64); all send the same kinds
//! of events (`events.rs`). What must come of an event is written down by hand, not computed by the engine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::events::events;

/// The tracker that plays the plan. Trackers differ where their makers saw it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Node,
    Python,
}

/// One tracker and what it sends.
pub struct Sender {
    pub namespace: String,
    pub app_id: &'static str,
    pub method: &'static str,
    pub base64: bool,
    pub batch: u32,
    pub subject: Option<Value>,
    pub events: Vec<Planned>,
}

/// One call of a tracker.
pub struct Planned {
    /// What the tracker's script gets: `name`, `kind`, `contexts` and the arguments of the call.
    pub call: Value,
    /// What must come of it: one outcome for each event that the call stands for.
    pub outcomes: Vec<Outcome>,
}

/// What must come of an event.
#[derive(Debug, Clone)]
pub enum Outcome {
    Enriched(Expected),
    /// A bad row with an error that contains this text.
    Bad(String),
}

/// An enriched event as the analytics SDK shows it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Columns that the call fills, by their names in the SDK; all others are either common to all events or empty.
    pub columns: BTreeMap<&'static str, Value>,
    /// Self-describing JSONs: contexts in their order.
    pub contexts: Vec<Value>,
    /// The self-describing JSON of an unstructured event.
    pub unstruct: Option<Value>,
    pub true_tstamp: TrueTstamp,
}

/// Where `true_tstamp` comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrueTstamp {
    #[default]
    Absent,
    Given(i64),
    /// The tracker takes its own clock's time for it.
    Clock,
}

/// A user with everything that a tracker can say about one.
fn subject() -> Value {
    json!({
        "platform": "mob", "user_id": "Jürgen \"J\" O'Brien\t\u{1F98A}", "ip": "2001:db8::7",
        "useragent": "Käufer/1.0 (50% + 50%; X11) \u{1F98A}", "lang": "gsw-CH", "timezone": "Europe/Zürich",
        "color_depth": 24, "resolution": [2560, 1440], "viewport": [1280, 720], "domain_user_id": "bc2e92ec6c204a14",
        "session_id": "AAE8A92C-7C3B-4A7C-8D85-5C1B5D5C9A9F", "session_index": 7,
        "network_user_id": "ecdff4d0-9175-40ac-a8bb-325c49733607",
    })
}

/// The columns that come of [`subject`].
pub fn subject_columns(client: Client) -> BTreeMap<&'static str, Value> {
    let mut columns = BTreeMap::from([
        ("platform", json!("mob")),
        ("user_id", json!("Jürgen \"J\" O'Brien    \u{1F98A}")),
        ("user_ipaddress", json!("2001:db8::7")),
        ("useragent", json!("Käufer/1.0 (50% + 50%; X11) \u{1F98A}")),
        ("br_lang", json!("gsw-CH")),
        ("os_timezone", json!("Europe/Zürich")),
        ("br_colordepth", json!("24")),
        ("dvce_screenwidth", json!(2560)),
        ("dvce_screenheight", json!(1440)),
        ("br_viewwidth", json!(1280)),
        ("br_viewheight", json!(720)),
        ("domain_userid", json!("bc2e92ec6c204a14")),
        (
            "domain_sessionid",
            json!("aae8a92c-7c3b-4a7c-8d85-5c1b5d5c9a9f"),
        ),
        ("domain_sessionidx", json!(7)),
    ]);
    if client == Client::Python {
        // The Python tracker sends `tnuid`, which beats the collector's id; node's `nuid` does not.
        columns.insert(
            "network_userid",
            json!("ecdff4d0-9175-40ac-a8bb-325c49733607"),
        );
    }
    columns
}

/// The senders of a client.
pub fn senders(client: Client) -> Vec<Sender> {
    // Percent-encoded, in base64 too, it must fit into the 64 KiB that Tomcat takes as the head of a request.
    let short = "Lang ist der Weg über die Alpe \u{1F40C} ".repeat(300);
    let long = "Lang ist der Weg über die Alpe \u{1F40C} ".repeat(3000);
    [
        ("get", true, 1),
        ("get", false, 1),
        ("post", true, 5),
        ("post", false, 7),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (method, base64, batch))| Sender {
        namespace: format!("{method}-{}", if base64 { "base64" } else { "plain" }),
        app_id: if index % 2 == 0 {
            "shop-web"
        } else {
            "café & bar"
        },
        method,
        base64,
        batch,
        subject: (index == 1 || index == 2).then(subject),
        events: events(client, if method == "get" { &short } else { &long }),
    })
    .collect()
}

/// The plan as the trackers' scripts read it.
pub fn to_json(senders: &[Sender]) -> Value {
    let senders: Vec<Value> = senders
        .iter()
        .map(|sender| {
            let calls: Vec<&Value> = sender.events.iter().map(|event| &event.call).collect();
            json!({
                "namespace": sender.namespace, "app_id": sender.app_id, "method": sender.method,
                "base64": sender.base64, "batch": sender.batch, "subject": sender.subject, "events": calls,
            })
        })
        .collect();
    json!({ "senders": senders })
}
