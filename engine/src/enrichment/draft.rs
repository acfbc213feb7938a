//! The draft of an enriched event: what the steps of enrichment hand on to each other.

use crate::adapter::raw_event::RawEvent;
use crate::event::EnrichedEvent;
use crate::json::Value;
use crate::text::java_uri::JavaUri;
use crate::text::querystring::NameValuePairs;

use super::derived_contexts::DerivedContexts;
use super::failures::Failures;
use super::lookup::Session;

/// Room for the values of an ordinary event; a larger one makes its buffer grow.
const VALUES_CAPACITY: usize = 2048;

/// One event between its raw form and its end as good or bad.
#[derive(Debug)]
pub struct Draft<'e> {
    /// The raw event, which no step changes.
    pub raw: &'e RawEvent,
    /// The columns so far.
    pub event: EnrichedEvent,
    /// The texts of the steps that failed so far.
    pub failures: Failures,
    /// Times whose columns are set, in milliseconds since the epoch.
    pub times: Times,
    /// The page's URI, once it has been read.
    pub page_uri: Option<JavaUri>,
    /// The referrer's URI, once it has been read.
    pub referer_uri: Option<JavaUri>,
    /// Decoded pairs of the page's query string, if there is a page.
    pub page_querystring: Option<NameValuePairs>,
    /// What column `contexts` holds, parsed.
    pub contexts: Option<Value<'e>>,
    /// What column `unstruct_event` holds, parsed.
    pub unstruct_event: Option<Value<'e>>,
    /// Contexts that the enrichments made so far.
    pub derived_contexts: DerivedContexts,
    /// Column `pii`, which the enriched TSV does not have: what the pseudonymisation replaced.
    pub pii: Option<String>,
    /// Questions and answers of this event's chunk; without it services are asked on the spot.
    pub session: Option<&'e Session>,
}

/// Times of an event, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// `collector_tstamp`
    pub collector: Option<i64>,
    /// `dvce_created_tstamp`
    pub created: Option<i64>,
    /// `dvce_sent_tstamp`
    pub sent: Option<i64>,
}

impl<'e> Draft<'e> {
    /// A draft in which no step has written.
    pub fn new(raw: &'e RawEvent) -> Self {
        Self {
            raw,
            event: EnrichedEvent::with_capacity(VALUES_CAPACITY),
            failures: Failures::default(),
            times: Times::default(),
            page_uri: None,
            referer_uri: None,
            page_querystring: None,
            contexts: None,
            unstruct_event: None,
            derived_contexts: DerivedContexts::default(),
            pii: None,
            session: None,
        }
    }

    /// The value of a parameter in the page's query string, of several the last; a name without `=`
    /// has no value.
    pub fn page_parameter(&self, name: &str) -> Option<Option<&str>> {
        let pairs = self.page_querystring.as_ref()?;
        let (_, value) = pairs.iter().rev().find(|(n, _)| n == name)?;
        Some(value.as_deref())
    }

    /// The custom contexts as self-describing JSONs. Meaningful once they are found valid.
    pub fn custom_contexts(&self) -> &[Value<'e>] {
        let data = self.contexts.as_ref().and_then(|json| json.get("data"));
        data.and_then(Value::as_array).unwrap_or_default()
    }

    /// The self-describing event without its envelope. Meaningful once it is found valid.
    pub fn self_describing_event(&self) -> Option<&Value<'e>> {
        self.unstruct_event.as_ref()?.get("data")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn the_last_parameter_of_a_name_counts() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        assert_eq!(draft.page_parameter("a"), None);
        let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        draft.page_querystring = Some(vec![
            pair("a", Some("1")),
            pair("b", None),
            pair("a", Some("2")),
        ]);
        assert_eq!(draft.page_parameter("a"), Some(Some("2")));
        assert_eq!(draft.page_parameter("b"), Some(None));
        assert_eq!(draft.page_parameter("c"), None);
    }

    #[test]
    fn contexts_and_event_are_read_from_their_envelopes() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        assert_eq!(draft.custom_contexts(), []);
        assert_eq!(draft.self_describing_event(), None);
        let inner = Value::object([("schema", Value::string("iglu:a/b/jsonschema/1-0-0"))]);
        draft.contexts = Some(Value::object([("data", Value::Array(vec![inner.clone()]))]));
        draft.unstruct_event = Some(Value::object([("data", inner.clone())]));
        assert_eq!(draft.custom_contexts(), std::slice::from_ref(&inner));
        assert_eq!(draft.self_describing_event(), Some(&inner));
    }
}
