//! Compares enriched events, as the analytics SDK shows them, with what was sent.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::plan::{self, Client, Expected, Sender, TrueTstamp};
use crate::stub::{self, Log};
use crate::{ETL_TSTAMP_MS, V_ETL};

/// Checks enriched events as the SDK shows them.
pub struct Witness<'l> {
    pub client: Client,
    pub log: &'l Log,
    /// When the tracker ran, milliseconds since the epoch.
    pub window: RangeInclusive<i64>,
}

impl Witness<'_> {
    /// Compares all columns, those too that must be absent.
    pub fn check(
        &self,
        sender: &Sender,
        expected: &Expected,
        id: &str,
        read: &Value,
    ) -> Result<(), String> {
        let mut event = read["event"].as_object().cloned().unwrap_or_default();
        event.retain(|name, _| !name.ends_with("_tstamp"));
        let mut wanted: BTreeMap<String, Value> = self.common_columns(sender, id);
        if sender.subject.is_some() {
            wanted.extend(
                plan::subject_columns(self.client)
                    .into_iter()
                    .map(|(name, value)| (name.into(), value)),
            );
        }
        wanted.extend(
            expected
                .columns
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        if let Some(described) = &expected.unstruct {
            wanted.insert(
                sdk_name("unstruct_event", described),
                described["data"].clone(),
            );
        }
        for described in &expected.contexts {
            let datas = wanted
                .entry(sdk_name("contexts", described))
                .or_insert_with(|| json!([]));
            datas
                .as_array_mut()
                .ok_or("no array")?
                .push(described["data"].clone());
        }
        let v_tracker = event.remove("v_tracker").unwrap_or_default();
        let kind = if self.client == Client::Node {
            "node-4."
        } else {
            "py-1."
        };
        if !v_tracker
            .as_str()
            .is_some_and(|version| version.starts_with(kind))
        {
            return Err(format!("v_tracker is {v_tracker}"));
        }
        if !wanted.contains_key("network_userid") {
            let given = event.remove("network_userid").unwrap_or_default();
            if !self
                .log
                .logged
                .iter()
                .any(|request| given == json!(request.network_userid))
            {
                return Err(format!(
                    "network_userid is {given}, which the collector has not given"
                ));
            }
        }
        for (name, value) in &wanted {
            let found = event.remove(name).unwrap_or_default();
            if !same(value, &found) {
                return Err(format!(
                    "{name} is {}, expected {}",
                    head(&found.to_string()),
                    head(&value.to_string())
                ));
            }
        }
        if let Some((name, value)) = event.iter().next() {
            return Err(format!("{name} is {value}, expected nothing"));
        }
        self.check_timestamps(expected, &read["millis"])
    }

    fn common_columns(&self, sender: &Sender, id: &str) -> BTreeMap<String, Value> {
        let useragent = self
            .log
            .logged
            .first()
            .map(|request| request.useragent.clone())
            .unwrap_or_default();
        BTreeMap::from([
            ("app_id".to_owned(), json!(sender.app_id)),
            (
                "platform".to_owned(),
                json!(if self.client == Client::Node {
                    "srv"
                } else {
                    "pc"
                }),
            ),
            ("event_id".to_owned(), json!(id)),
            ("name_tracker".to_owned(), json!(sender.namespace)),
            ("v_collector".to_owned(), json!(stub::V_COLLECTOR)),
            ("v_etl".to_owned(), json!(V_ETL)),
            ("user_ipaddress".to_owned(), json!("127.0.0.1")),
            ("useragent".to_owned(), json!(useragent)),
        ])
    }

    fn check_timestamps(&self, expected: &Expected, millis: &Value) -> Result<(), String> {
        let tstamp = |name: &str| millis[name].as_i64();
        // The log knows whole seconds only, and so does the Python tracker's clock when it sends.
        let whole_seconds = self.window.start() / 1000 * 1000..=*self.window.end();
        let given = expected.true_tstamp;
        let (created, sent) = (tstamp("dvce_created_tstamp"), tstamp("dvce_sent_tstamp"));
        let collector = tstamp("collector_tstamp").ok_or("no collector_tstamp")?;
        // The node tracker sends a true timestamp instead of its own clock's.
        let created_is_right = match created {
            Some(created) => self.window.contains(&created),
            None => self.client == Client::Node && matches!(given, TrueTstamp::Given(_)),
        };
        let true_is_right = match (given, tstamp("true_tstamp")) {
            (TrueTstamp::Absent, None) => true,
            (TrueTstamp::Given(given), Some(found)) => given == found,
            (TrueTstamp::Clock, Some(found)) => self.window.contains(&found),
            _ => false,
        };
        let derived = match (tstamp("true_tstamp"), created, sent) {
            (Some(tstamp), _, _) => tstamp,
            (None, Some(created), Some(sent)) if created < sent => collector - (sent - created),
            _ => collector,
        };
        let checks = [
            ("etl_tstamp", tstamp("etl_tstamp") == Some(ETL_TSTAMP_MS)),
            (
                "collector_tstamp",
                whole_seconds.contains(&collector) && collector % 1000 == 0,
            ),
            ("dvce_created_tstamp", created_is_right),
            (
                "dvce_sent_tstamp",
                sent.is_some_and(|sent| whole_seconds.contains(&sent)),
            ),
            ("true_tstamp", true_is_right),
            ("derived_tstamp", tstamp("derived_tstamp") == Some(derived)),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(format!("{name}: {millis} within {:?}", self.window)),
            None => Ok(()),
        }
    }
}

/// The name of the SDK's field for a self-describing JSON.
fn sdk_name(prefix: &str, described: &Value) -> String {
    let key = described["schema"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("iglu:");
    let mut parts = key.split('/');
    let (vendor, name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    format!("{prefix}_{}_{name}_1", vendor.replace('.', "_"))
}

/// Whether two JSON values are the same; numbers are compared by value, `1.0` is `1`.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one == other,
            _ => one.as_f64() == other.as_f64(),
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// As much of a text as a person wants to read.
pub fn head(text: &str) -> &str {
    text.char_indices()
        .nth(1_500)
        .map_or(text, |(end, _)| &text[..end])
}
