//! MailChimp: a form whose keys are paths, `data[merges][LNAME]` (`MailchimpAdapter`,
//! `com.mailchimp/v1`).

use std::borrow::Cow;
use std::collections::HashMap;

use super::raw_event::Parameters;
use super::shared::body::{Expected, FORM, unguarded_form};
use super::shared::exception::null_pointer;
use super::shared::formatter::reformat_date_time;
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::{Tracker, data_parameters};
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const VENDOR: &str = "MailChimp";
const TRACKER: Tracker = Tracker {
    version: "com.mailchimp-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: FORM,
    accepts: |found| found == FORM,
    events: "event",
    refuse_empty: false,
};
const SCHEMAS: &Schemas = &[
    ("subscribe", "iglu:com.mailchimp/subscribe/jsonschema/1-0-0"),
    (
        "unsubscribe",
        "iglu:com.mailchimp/unsubscribe/jsonschema/1-0-0",
    ),
    (
        "campaign",
        "iglu:com.mailchimp/campaign_sending_status/jsonschema/1-0-0",
    ),
    (
        "cleaned",
        "iglu:com.mailchimp/cleaned_email/jsonschema/1-0-0",
    ),
    (
        "upemail",
        "iglu:com.mailchimp/email_address_change/jsonschema/1-0-0",
    ),
    (
        "profile",
        "iglu:com.mailchimp/profile_update/jsonschema/1-0-0",
    ),
];

/// Longest path that becomes nested objects: what is printed must not exhaust the stack.
const MAX_DEPTH: usize = 900;

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let mut form = unguarded_form(&body)?;
    let Some(kind) = form.get("type") else {
        return Err(AdapterFailure::rejected(
            "No MailChimp type parameter provided: cannot determine event type",
        ));
    };
    let schema = schema(VENDOR, Some(kind.as_deref().unwrap_or("null")), SCHEMAS)?;
    reformat(&mut form);

    let mut all = take_querystring(&mut payload);
    for (name, value) in form.iter() {
        all.insert(name, value.clone());
    }
    let data = data_parameters(all.clone());
    let parameters = TRACKER.event(&all, schema, &nested(&data)?);
    Ok(single_event(payload, parameters))
}

/// The time in `fired_at` becomes ISO 8601.
pub fn reformat(form: &mut Parameters) {
    if let Some(Some(fired_at)) = form.get("fired_at")
        && let Cow::Owned(reformatted) = reformat_date_time(fired_at)
    {
        form.insert("fired_at", Some(reformatted));
    }
}

/// The parameters as nested objects, those with a common path merged in map order.
pub fn nested(parameters: &Parameters) -> Result<Value<'_>, AdapterFailure> {
    let mut root = Branch::default();
    for (name, value) in parameters.iter() {
        let path = path(name);
        let Some((last, parents)) = path.split_last() else {
            return Err(AdapterFailure::unexpected(
                "java.lang.IndexOutOfBoundsException",
                "0",
            ));
        };
        if path.len() > MAX_DEPTH {
            return Err(AdapterFailure::rejected(format!(
                "{VENDOR} event failed: a key is nested deeper than {MAX_DEPTH}"
            )));
        }
        let mut branch = &mut root;
        for key in parents {
            branch = branch.branch(key).ok_or_else(null_pointer)?;
        }
        branch.set(last, Node::Leaf(value.as_deref()));
    }
    Ok(root.into_value())
}

/// A form key split by the regular expression `\]?(\[|\])`, as Java's `split` does it: empty keys at
/// the end are dropped.
pub fn path(name: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let bytes = name.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let width = match (byte, bytes.get(at + 1)) {
            (b']', Some(b'[' | b']')) => 2,
            (b'[' | b']', _) => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        keys.push(&name[start..at]);
        at += width;
        start = at;
    }
    if start == 0 {
        return vec![name];
    }
    keys.push(&name[start..]);
    while keys.last().is_some_and(|key| key.is_empty()) {
        keys.pop();
    }
    keys
}

/// An object under construction.
#[derive(Default)]
struct Branch<'a> {
    members: Vec<(&'a str, Node<'a>)>,
    index: HashMap<&'a str, usize>,
}

enum Node<'a> {
    Leaf(Option<&'a str>),
    Branch(Branch<'a>),
}

impl<'a> Branch<'a> {
    /// Adds a member, or replaces it at its place.
    fn set(&mut self, key: &'a str, node: Node<'a>) -> usize {
        let index = *self.index.entry(key).or_insert(self.members.len());
        match self.members.get_mut(index) {
            Some(member) => member.1 = node,
            None => self.members.push((key, node)),
        }
        index
    }

    /// The object that is the member `key`; it replaces a text.
    fn branch(&mut self, key: &'a str) -> Option<&mut Branch<'a>> {
        let index = match self.index.get(key) {
            Some(&index) if matches!(self.members.get(index), Some((_, Node::Branch(_)))) => index,
            _ => self.set(key, Node::Branch(Branch::default())),
        };
        match self.members.get_mut(index) {
            Some((_, Node::Branch(branch))) => Some(branch),
            _ => None,
        }
    }

    fn into_value(self) -> Value<'a> {
        Value::Object(
            self.members
                .into_iter()
                .map(|(key, node)| {
                    let value = match node {
                        Node::Leaf(Some(text)) => Value::string(text),
                        Node::Leaf(None) => Value::Null,
                        Node::Branch(branch) => branch.into_value(),
                    };
                    (Cow::Borrowed(key), value)
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(FORM), Some(body))
    }

    #[test]
    fn paths() {
        for (name, keys) in [
            ("data", &["data"][..]),
            ("data[merges][LNAME]", &["data", "merges", "LNAME"]),
            ("a[]", &["a"]),
            ("[x]", &["", "x"]),
            ("a]b", &["a", "b"]),
            ("a[[b", &["a", "", "b"]),
            ("a]]b", &["a", "b"]),
            ("]", &[]),
            ("[][]", &[]),
            ("", &[""]),
        ] {
            assert_eq!(path(name), keys, "{name}");
        }
    }

    #[test]
    fn nested_parameters() {
        let of = |list: &[(&str, &str)]| {
            let parameters: Parameters = list
                .iter()
                .map(|(k, v)| (*k, Some((*v).to_owned())))
                .collect();
            nested(&parameters).map(|value| value.to_compact())
        };
        for (list, expected) in [
            (
                &[
                    ("data[merges][LNAME]", "B"),
                    ("x", "1"),
                    ("data[merges][FNAME]", "J"),
                ][..],
                r#"{"data":{"merges":{"LNAME":"B","FNAME":"J"}},"x":"1"}"#,
            ),
            (&[("a", "1"), ("a[b]", "2")], r#"{"a":{"b":"2"}}"#),
            (&[("a[b]", "2"), ("a", "1")], r#"{"a":"1"}"#),
            (
                &[("a[b]", ""), ("a[c][d]", "")],
                r#"{"a":{"b":"","c":{"d":""}}}"#,
            ),
        ] {
            assert_eq!(of(list).as_deref(), Ok(expected));
        }
        assert_eq!(
            of(&[("]", "")]).unwrap_err().into_messages(),
            ["Unexpected error processing events: java.lang.IndexOutOfBoundsException: 0\n"]
        );
    }

    #[test]
    fn hostile_keys() {
        let deep = "[a".repeat(100_000);
        let parameters: Parameters = [(deep, None)].into_iter().collect();
        assert!(nested(&parameters).is_err());
        let parameters: Parameters = [("[a".repeat(MAX_DEPTH - 1), None)].into_iter().collect();
        assert!(nested(&parameters).is_ok());
    }

    #[test]
    fn types() {
        for (kind, name) in [
            ("subscribe", "subscribe"),
            ("unsubscribe", "unsubscribe"),
            ("campaign", "campaign_sending_status"),
            ("cleaned", "cleaned_email"),
            ("upemail", "email_address_change"),
            ("profile", "profile_update"),
        ] {
            let (schema, data) = one(raw_events, post(&format!("type={kind}")));
            assert_eq!(
                schema,
                format!("iglu:com.mailchimp/{name}/jsonschema/1-0-0")
            );
            assert_eq!(data, format!("{{\"type\":\"{kind}\"}}"));
        }
    }

    #[test]
    fn body_and_query_string() {
        let mut payload = post("type=subscribe&fired_at=2014-10-22+13%3A50%3A00&data%5Bid%5D=");
        payload.querystring = vec![
            ("type".to_owned(), Some("other".to_owned())),
            ("nuid".to_owned(), Some("n".to_owned())),
        ];
        assert_eq!(
            one(raw_events, payload).1,
            r#"{"type":"subscribe","fired_at":"2014-10-22T13:50:00.000Z","data":{"id":""}}"#
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(FORM), None),
                "Request body is empty: no MailChimp event to process",
            ),
            (
                posted(&[], None, Some("stub")),
                "Request body provided but content type empty, expected \
                 application/x-www-form-urlencoded for MailChimp",
            ),
            (
                post("fired_at=x"),
                "No MailChimp type parameter provided: cannot determine event type",
            ),
            (
                post("type=bad"),
                "MailChimp event failed: type parameter [bad] not recognized",
            ),
            (
                post("type="),
                "MailChimp event failed: type parameter is empty - cannot determine event type",
            ),
            (
                post("type=<>"),
                "Unexpected error processing events: java.lang.IllegalArgumentException: Illegal \
                 character in query at index 23: http://localhost/?type=<>\n",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
