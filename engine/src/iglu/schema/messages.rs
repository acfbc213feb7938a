//! The members of validation messages: `level`, `schema`, `instance`, `domain`, `keyword`, (`attribute`), `message`, then
//! the keyword's own; and the messages of exceptions during validation.

use std::borrow::Cow;

use super::model::{Compiled, LocationId};
use super::refs::{quote, schema_member};
use crate::iglu::message::Message;
use crate::json::{Value, print};

type Member = (Cow<'static, str>, Value<'static>);

/// A message without its place.
pub(super) struct Draft {
    pub(super) keyword: &'static str,
    /// Member `attribute` of format messages.
    pub(super) attribute: Option<&'static str>,
    pub(super) text: String,
    pub(super) members: Vec<Member>,
    /// Bytes of instance and schema that it repeats.
    pub(super) cost: usize,
}

impl Draft {
    /// A message of `keyword` with its own members.
    pub(super) fn new(
        keyword: &'static str,
        text: String,
        members: impl IntoIterator<Item = (&'static str, Value<'static>)>,
    ) -> Self {
        // the members repeat what the text says, but for the reports of alternatives, which were counted themselves
        let cost = text.len() * 2 + 256;
        Self {
            keyword,
            attribute: None,
            text,
            members: members
                .into_iter()
                .map(|(name, value)| (Cow::Borrowed(name), value))
                .collect(),
            cost,
        }
    }

    /// The whole message, about the schema `at` and the instance's value at `pointer`.
    pub(super) fn finish(self, schema: &Compiled, at: LocationId, pointer: &str) -> Message {
        let mut members: Vec<Member> = Vec::with_capacity(7 + self.members.len());
        members.push((Cow::Borrowed("level"), Value::string("error")));
        place(schema, at, pointer, &mut members);
        members.push((Cow::Borrowed("domain"), Value::string("validation")));
        members.push((Cow::Borrowed("keyword"), Value::string(self.keyword)));
        if let Some(attribute) = self.attribute {
            members.push((Cow::Borrowed("attribute"), Value::string(attribute)));
        }
        members.push((Cow::Borrowed("message"), Value::string(self.text)));
        members.extend(self.members);
        Message { members }
    }
}

/// Members `schema` and `instance`.
fn place(schema: &Compiled, at: LocationId, pointer: &str, members: &mut Vec<Member>) {
    let location = &schema.locations[at];
    let document = &schema.documents[location.document];
    members.push((
        Cow::Borrowed("schema"),
        schema_member(document, &location.pointer),
    ));
    members.push((
        Cow::Borrowed("instance"),
        Value::object([("pointer", Value::string(pointer.to_owned()))]),
    ));
}

/// A schema that would be applied to a value that it is already at work on.
pub(super) struct ValidationLoop<'l> {
    pub(super) schema: &'l Compiled,
    pub(super) at: LocationId,
    pub(super) pointer: &'l str,
    /// What is at work on the value, outermost first.
    pub(super) path: &'l [LocationId],
}

impl ValidationLoop<'_> {
    /// The message of the exception.
    pub(super) fn message(&self) -> Message {
        let uri = |at: LocationId| {
            let location = &self.schema.locations[at];
            let context = location.context.as_deref().unwrap_or_default();
            format!("{context}#{}", quote(&location.pointer))
        };
        let visited = uri(self.at);
        let text = format!(
            "validation loop: schema \"{visited}\" visited twice for pointer \"{}\" of validated instance",
            self.pointer
        );
        let mut members = vec![(Cow::Borrowed("level"), Value::string("fatal"))];
        place(self.schema, self.at, self.pointer, &mut members);
        members.extend([
            (Cow::Borrowed("domain"), Value::string("validation")),
            (Cow::Borrowed("message"), Value::string(text)),
            (Cow::Borrowed("alreadyVisited"), Value::string(visited)),
            (
                Cow::Borrowed("instancePointer"),
                Value::string(self.pointer.to_owned()),
            ),
            (
                Cow::Borrowed("validationPath"),
                Value::Array(self.path.iter().map(|at| Value::string(uri(*at))).collect()),
            ),
        ]);
        Message { members }
    }
}

/// The exception for a reference to something that is no schema; it repeats the syntax errors of the report.
pub(super) fn invalid_schema(report: &[Message]) -> Message {
    let errors: Vec<Value<'static>> = report
        .iter()
        .filter(|message| {
            message
                .members
                .iter()
                .any(|(name, value)| name == "domain" && value.as_str() == Some("syntax"))
        })
        .map(Message::to_json)
        .collect();
    let mut text = "invalid JSON Schema, cannot continue\nSyntax errors:\n".to_owned();
    pretty(&Value::Array(errors), 0, &mut text);
    let mut message = Message::error(text);
    if let Some((_, level)) = message.members.first_mut() {
        *level = Value::string("fatal");
    }
    message
}

/// Jackson's default pretty printing: arrays on one line, members on lines of their own.
fn pretty(value: &Value<'_>, indent: usize, out: &mut String) {
    match value {
        Value::Array(items) if items.is_empty() => out.push_str("[ ]"),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "[ " } else { ", " });
                pretty(item, indent, out);
            }
            out.push_str(" ]");
        }
        Value::Object(members) if members.is_empty() => out.push_str("{ }"),
        Value::Object(members) => {
            for (index, (name, member)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "{\n" } else { ",\n" });
                out.push_str(&"  ".repeat(indent + 1));
                let mut quoted = Vec::new();
                print::write_string(name, &mut quoted);
                out.push_str(&String::from_utf8_lossy(&quoted));
                out.push_str(" : ");
                pretty(member, indent + 1, out);
            }
            out.push('\n');
            out.push_str(&"  ".repeat(indent));
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_compact()),
    }
}
