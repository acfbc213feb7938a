//! Unstructured events, into which webhooks and redirects are wrapped.

use crate::adapter::raw_event::Parameters;
use crate::json::Value;
use crate::json::print::{write_compact, write_string};

/// Schema of the envelope.
const UNSTRUCT_EVENT: &str = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0";

/// Parameters of the query string that go on into the raw event.
const ACCEPTED: [&str; 6] = ["nuid", "aid", "cv", "eid", "ttm", "url"];

/// Parameters that do not go into the data of an event made of the query string.
const ENVELOPE_ONLY: [&str; 4] = ["nuid", "aid", "cv", "p"];

/// A webhook: how its events are marked.
#[derive(Debug, Clone, Copy)]
pub struct Tracker {
    /// Value of `tv`, e.g. `com.mailgun-v1`.
    pub version: &'static str,
    /// Value of `p`, where the query string has none.
    pub platform: &'static str,
}

impl Tracker {
    /// The parameters of an unstructured event with this schema and data; `querystring` supplies the
    /// platform and the accepted parameters.
    pub fn event(&self, querystring: &Parameters, schema: &str, data: &Value<'_>) -> Parameters {
        let platform = match querystring.get("p") {
            Some(platform) => platform.clone(),
            None => Some(self.platform.to_owned()),
        };
        let mut parameters = Parameters::new();
        parameters.insert("tv", Some(self.version.to_owned()));
        parameters.insert("e", Some("ue".to_owned()));
        parameters.insert("p", platform);
        parameters.insert("ue_pr", Some(self_describing_envelope(schema, data)));
        for (name, value) in querystring.iter() {
            if ACCEPTED.contains(&name) {
                parameters.insert(name, value.clone());
            }
        }
        parameters
    }
}

/// What of the query string goes into the data of an event made of it. `eid`, `ttm` and `url` do,
/// although they are parameters of the raw event as well.
pub fn data_parameters(mut querystring: Parameters) -> Parameters {
    for name in ENVELOPE_ONLY {
        querystring.remove(name);
    }
    querystring
}

/// `{"schema":"{unstruct_event}","data":{event}}` as compact text.
pub fn envelope(event: &Value<'_>) -> String {
    let mut out = opened();
    write_compact(event, &mut out);
    out.push(b'}');
    text(out)
}

/// [`envelope`] of `{"schema":{schema},"data":{data}}`.
fn self_describing_envelope(schema: &str, data: &Value<'_>) -> String {
    let mut out = opened();
    out.extend_from_slice(b"{\"schema\":");
    write_string(schema, &mut out);
    out.extend_from_slice(b",\"data\":");
    write_compact(data, &mut out);
    out.extend_from_slice(b"}}");
    text(out)
}

fn opened() -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"schema\":");
    write_string(UNSTRUCT_EVENT, &mut out);
    out.extend_from_slice(b",\"data\":");
    out
}

/// What the JSON printer wrote is always UTF-8.
fn text(out: Vec<u8>) -> String {
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::pairs;
    use super::*;

    fn parameters(list: &[(&str, &str)]) -> Parameters {
        list.iter()
            .map(|(k, v)| (*k, Some((*v).to_owned())))
            .collect()
    }

    const TRACKER: Tracker = Tracker {
        version: "tv",
        platform: "app",
    };

    #[test]
    fn platform_and_accepted_parameters() {
        let querystring = parameters(&[
            ("x", "1"),
            ("nuid", "2"),
            ("aid", "3"),
            ("cv", "4"),
            ("p", "srv"),
            ("eid", "5"),
            ("ttm", "6"),
            ("url", "7"),
        ]);
        let event = TRACKER.event(&querystring, "iglu:foo", &Value::Object(Vec::new()));
        assert_eq!(event.len(), 10);
        for (name, value) in [
            ("tv", "tv"),
            ("e", "ue"),
            ("p", "srv"),
            ("nuid", "2"),
            ("aid", "3"),
            ("cv", "4"),
            ("eid", "5"),
            ("ttm", "6"),
            ("url", "7"),
        ] {
            assert_eq!(event.get(name), Some(&Some(value.to_owned())), "{name}");
        }
        let event = TRACKER.event(&Parameters::new(), "s", &Value::Null);
        assert_eq!(
            pairs(&event)[..3],
            [("tv", Some("tv")), ("e", Some("ue")), ("p", Some("app"))]
        );
    }

    #[test]
    fn the_envelope() {
        let event = TRACKER.event(&Parameters::new(), "iglu:foo", &Value::Bool(true));
        assert_eq!(
            event.get("ue_pr").unwrap().as_deref(),
            Some(
                r#"{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{"schema":"iglu:foo","data":true}}"#
            )
        );
    }

    #[test]
    fn parameters_that_become_data() {
        let rest = data_parameters(parameters(&[
            ("nuid", "1"),
            ("aid", "2"),
            ("cv", "3"),
            ("p", "4"),
            ("eid", "5"),
            ("k", "6"),
        ]));
        let mut names: Vec<&str> = rest.iter().map(|(k, _)| k).collect();
        names.sort_unstable();
        assert_eq!(names, ["eid", "k"]);
    }
}
