//! Messages of the validator and of the Iglu client, in the two forms in which the reference
//! writes them: as a JSON object (shred) and as a text of several lines (enrich).
//!
//! The shape is that of json-schema-core 1.2.1: `level` first, then members in the order in which
//! they were put.

use std::borrow::Cow;

use crate::json::Value;
use crate::json::print::write_compact;

/// One message: members in the order of its JSON form (`level` first).
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Members, `level` and `message` among them.
    pub members: Vec<(Cow<'static, str>, Value<'static>)>,
}

impl Message {
    /// A message with only `level` (`error`) and `message`.
    pub fn error(text: impl Into<String>) -> Self {
        Self::level_only().with("message", Value::string(text.into()))
    }

    /// A message with only `level` (`error`): the start of a validation message, whose text comes late.
    pub fn level_only() -> Self {
        Self {
            members: vec![(Cow::Borrowed("level"), Value::string("error"))],
        }
    }

    /// Adds a member at the end, or replaces the value of the one with this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: Value<'static>) -> Self {
        let name = name.into();
        match self.members.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
        self
    }

    /// The value of member `name`.
    pub fn get(&self, name: &str) -> Option<&Value<'static>> {
        self.members
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The text of member `message`.
    pub fn text(&self) -> &str {
        self.get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value<'static> {
        Value::Object(self.members.clone())
    }

    /// `error: <message>` and one indented line for every other member, ended by a line feed.
    pub fn to_multiline(&self) -> String {
        let level = self.get("level").and_then(Value::as_str).unwrap_or("error");
        let message = match self.get("message") {
            Some(value) => value.as_str().unwrap_or_default(),
            None => "(no message)",
        };
        let mut out = Vec::with_capacity(64 + message.len() + 48 * self.members.len());
        for part in [level, ": ", message] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in &self.members {
            if name == "message" {
                continue;
            }
            for part in ["\n    ", name, ": "] {
                out.extend_from_slice(part.as_bytes());
            }
            write_compact(value, &mut out);
        }
        out.push(b'\n');
        String::from_utf8(out).unwrap_or_default()
    }
}

/// The multi-line texts of `messages`, one after the other.
pub fn multiline_all(messages: &[Message]) -> String {
    messages.iter().map(Message::to_multiline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&'static str]) -> Value<'static> {
        Value::Array(items.iter().map(|item| Value::string(*item)).collect())
    }

    #[test]
    fn a_plain_message_has_two_members() {
        let message = Message::error("Olark may be down");
        assert_eq!(message.text(), "Olark may be down");
        assert_eq!(
            message.to_multiline(),
            "error: Olark may be down\n    level: \"error\"\n"
        );
        assert_eq!(
            message.to_json().to_compact(),
            r#"{"level":"error","message":"Olark may be down"}"#
        );
    }

    #[test]
    fn members_keep_their_order_and_the_message_is_not_repeated() {
        let message = Message::level_only()
            .with(
                "schema",
                Value::object([
                    ("loadingURI", Value::string("#")),
                    ("pointer", Value::string("/items")),
                ]),
            )
            .with(
                "instance",
                Value::object([("pointer", Value::string("/0"))]),
            )
            .with("domain", Value::string("validation"))
            .with("keyword", Value::string("required"))
            .with(
                "message",
                Value::string("object has missing required properties ([\"e\",\"p\"])"),
            )
            .with("required", strings(&["e", "p", "tv"]))
            .with("missing", strings(&["e", "p"]));
        assert_eq!(
            message.to_multiline(),
            "error: object has missing required properties ([\"e\",\"p\"])\n    level: \"error\"\n    \
             schema: {\"loadingURI\":\"#\",\"pointer\":\"/items\"}\n    instance: {\"pointer\":\"/0\"}\n    \
             domain: \"validation\"\n    keyword: \"required\"\n    required: [\"e\",\"p\",\"tv\"]\n    \
             missing: [\"e\",\"p\"]\n"
        );
        assert!(
            message
                .to_json()
                .to_compact()
                .contains(r#""keyword":"required","message":"object has"#)
        );
    }

    #[test]
    fn a_member_is_replaced_in_place() {
        let message = Message::error("a")
            .with("x", Value::Null)
            .with("message", Value::string("b"));
        assert_eq!(message.text(), "b");
        assert_eq!(message.members[1].0, "message");
        assert_eq!(message.members.len(), 3);
    }

    #[test]
    fn hostile_texts_are_kept_as_they_are() {
        let message = Message::error("a\n    b: \"\u{1}\u{1f600}");
        assert_eq!(
            message.to_multiline(),
            "error: a\n    b: \"\u{1}\u{1f600}\n    level: \"error\"\n"
        );
        assert_eq!(
            Message::level_only().to_multiline(),
            "error: (no message)\n    level: \"error\"\n"
        );
    }

    #[test]
    fn several_messages_follow_each_other() {
        let both = [Message::error("a"), Message::error("b")];
        assert_eq!(
            multiline_all(&both),
            "error: a\n    level: \"error\"\nerror: b\n    level: \"error\"\n"
        );
    }
}
