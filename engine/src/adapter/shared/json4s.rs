//! JSON as the webhook adapters of the reference treat it, with json4s 3.2.11: reading with all
//! duplicates, selecting by name, extracting texts, and changing fields from the inside out.

use std::borrow::Cow;

use super::exception::null_pointer;
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;
use crate::json::{self, ParseErrorKind, Value};
use crate::text::clean::strip_exception;
use crate::text::jackson::{self, Style};
use crate::text::java_number::write_double;

/// Why a text is not JSON.
#[derive(Debug)]
pub enum Unreadable {
    /// A `JsonParseException`, with its message as Jackson gives it.
    Syntax(String),
    /// A `JsonMappingException`, because the text is empty or blank; with its message.
    NoContent(String),
}

impl Unreadable {
    /// The failure of an adapter that catches parse exceptions only: `frame` puts the exception's
    /// text into a message.
    pub fn failure(self, frame: impl FnOnce(String) -> String) -> AdapterFailure {
        match self {
            Self::Syntax(message) => AdapterFailure::rejected(frame(message)),
            Self::NoContent(message) => AdapterFailure::unexpected(
                "com.fasterxml.jackson.databind.JsonMappingException",
                message,
            ),
        }
    }

    /// [`Self::failure`] with `{prefix}: [{exception}]`, the exception as its `toString`, cleaned.
    pub fn failure_with_class(self, prefix: &str) -> AdapterFailure {
        self.failure(|message| {
            let text = format!("com.fasterxml.jackson.core.JsonParseException: {message}");
            format!("{prefix}: [{}]", strip_exception(&text))
        })
    }
}

/// Reads the first value of a text; objects keep all their members, equal names included.
pub fn parse(text: &str) -> Result<Value<'_>, Unreadable> {
    json::parse_keep_duplicates(text).map_err(|error| {
        let message = jackson::message(text, &error, Style::Enrich);
        match error.kind {
            ParseErrorKind::Empty => Unreadable::NoContent(message),
            _ => Unreadable::Syntax(message),
        }
    })
}

/// The text of a parameter that is needed as one; a parameter without `=` throws.
pub fn required_text(value: Option<&str>) -> Result<&str, AdapterFailure> {
    value.ok_or_else(null_pointer)
}

/// What `json \ name` finds.
#[derive(Debug, PartialEq)]
pub enum Selected<'v, 'a> {
    /// Nothing.
    Nothing,
    /// One value.
    One(&'v Value<'a>),
    /// An array of the values that have this name, because there are several or because the search
    /// went into an array.
    Array(Vec<&'v Value<'a>>),
}

impl Selected<'_, '_> {
    /// The value as a text (`extractOpt[String]`): numbers too have one, null has none.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::One(value) => text(value),
            Self::Nothing | Self::Array(_) => None,
        }
    }
}

/// `json \ name`: the members of that name, in an array those of its elements.
pub fn select<'v, 'a>(value: &'v Value<'a>, name: &str) -> Selected<'v, 'a> {
    let mut found = Vec::new();
    select_direct(value, name, &mut found);
    match (value, found.as_slice()) {
        (Value::Array(_), _) => Selected::Array(found),
        (_, []) => Selected::Nothing,
        (_, [one]) => Selected::One(one),
        _ => Selected::Array(found),
    }
}

fn select_direct<'v, 'a>(value: &'v Value<'a>, name: &str, found: &mut Vec<&'v Value<'a>>) {
    match value {
        Value::Object(members) => {
            found.extend(members.iter().filter(|(k, _)| k == name).map(|(_, v)| v));
        }
        Value::Array(items) => {
            for item in items {
                select_direct(item, name, found);
            }
        }
        _ => {}
    }
}

/// `json \\ name`, where exactly one member at any depth has that name.
pub fn select_only<'v, 'a>(value: &'v Value<'a>, name: &str) -> Option<&'v Value<'a>> {
    fn search<'v, 'a>(value: &'v Value<'a>, name: &str, found: &mut Vec<&'v Value<'a>>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    if key == name {
                        found.push(member);
                    }
                    search(member, name, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| search(item, name, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    search(value, name, &mut found);
    match found.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// A value extracted as a text.
pub fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        Value::Number(number) if number.is_integer() => Some(
            if number.token == "-0" {
                "0"
            } else {
                &number.token
            }
            .to_owned(),
        ),
        Value::Number(number) => Some(double_text(number.as_f64())),
        _ => None,
    }
}

fn double_text(value: f64) -> String {
    let mut out = Vec::with_capacity(24);
    write_double(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Elements of an array, values of an object; other values have no children.
pub fn children(value: Value<'_>) -> Vec<Value<'_>> {
    match value {
        Value::Array(items) => items,
        Value::Object(members) => members.into_iter().map(|(_, v)| v).collect(),
        _ => Vec::new(),
    }
}

/// One member of an object.
pub type Field<'a> = (Cow<'a, str>, Value<'a>);

/// Changes every member of every object, those further inside first. A member for which `change`
/// returns `None` is removed.
pub fn change_fields<'a>(
    value: Value<'a>,
    change: &mut impl FnMut(Field<'a>) -> Result<Option<Field<'a>>, AdapterFailure>,
) -> Result<Value<'a>, AdapterFailure> {
    match value {
        Value::Object(members) => {
            let mut changed = Vec::with_capacity(members.len());
            for (name, member) in members {
                let member = change_fields(member, change)?;
                changed.extend(change((name, member))?);
            }
            Ok(Value::Object(changed))
        }
        Value::Array(items) => {
            let mut changed = Vec::with_capacity(items.len());
            for item in items {
                changed.push(change_fields(item, change)?);
            }
            Ok(Value::Array(changed))
        }
        other => Ok(other),
    }
}

/// Removes every member that is a string `text` called `name`, at any depth.
pub fn remove_field<'a>(value: Value<'a>, name: &str, text: &str) -> Value<'a> {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(key, member)| key != name || member.as_str() != Some(text))
                .map(|(key, member)| (key, remove_field(member, name, text)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| remove_field(item, name, text))
                .collect(),
        ),
        other => other,
    }
}

/// An object of texts in map order; a parameter without `=` is null.
pub fn object_of(parameters: &Parameters) -> Value<'_> {
    Value::Object(
        parameters
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Some(text) => Value::string(text.as_str()),
                    None => Value::Null,
                };
                (Cow::Borrowed(name), value)
            })
            .collect(),
    )
}

/// Class of a value in json4s.
pub fn class(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "org.json4s.JsonAST$JNull$",
        Value::Bool(_) => "org.json4s.JsonAST$JBool",
        Value::Number(number) if number.is_integer() => "org.json4s.JsonAST$JInt",
        Value::Number(_) => "org.json4s.JsonAST$JDouble",
        Value::String(_) => "org.json4s.JsonAST$JString",
        Value::Array(_) => "org.json4s.JsonAST$JArray",
        Value::Object(_) => "org.json4s.JsonAST$JObject",
    }
}

/// A value as Scala prints its case class, e.g. `JArray(List(JInt(1)))`.
pub fn scala_text(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_scala(value, &mut out);
    out
}

fn write_scala(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("JNull"),
        Value::Bool(value) => out.push_str(if *value {
            "JBool(true)"
        } else {
            "JBool(false)"
        }),
        Value::Number(_) | Value::String(_) => {
            let name = match value {
                Value::String(_) => "JString(",
                Value::Number(number) if number.is_integer() => "JInt(",
                _ => "JDouble(",
            };
            out.push_str(name);
            out.push_str(&text(value).unwrap_or_default());
            out.push(')');
        }
        Value::Array(items) => {
            out.push_str("JArray(List(");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_scala(item, out);
            }
            out.push_str("))");
        }
        Value::Object(members) => {
            out.push_str("JObject(List(");
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push('(');
                out.push_str(name);
                out.push(',');
                write_scala(member, out);
                out.push(')');
            }
            out.push_str("))");
        }
    }
}

/// The exception of a pattern match that knows no case for `value`.
pub fn match_error(value: &Value<'_>) -> AdapterFailure {
    AdapterFailure::unexpected(
        "scala.MatchError",
        format!("{} (of class {})", scala_text(value), class(value)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Number;

    fn integer(token: &'static str) -> Value<'static> {
        Value::Number(Number {
            token: Cow::Borrowed(token),
        })
    }

    fn object(members: Vec<(&'static str, Value<'static>)>) -> Value<'static> {
        Value::object(members)
    }

    #[test]
    fn selection_by_name() {
        let one = integer("1");
        let two = integer("2");
        let value = object(vec![("a", one.clone()), ("b", two.clone())]);
        assert_eq!(select(&value, "a"), Selected::One(&one));
        assert_eq!(select(&value, "c"), Selected::Nothing);
        assert_eq!(select(&one, "a"), Selected::Nothing);
        let twice = object(vec![("a", one.clone()), ("a", two.clone())]);
        assert_eq!(select(&twice, "a"), Selected::Array(vec![&one, &two]));
        let list = Value::Array(vec![
            value.clone(),
            Value::Array(vec![value.clone()]),
            one.clone(),
        ]);
        assert_eq!(select(&list, "b"), Selected::Array(vec![&two, &two]));
        assert_eq!(select(&list, "c"), Selected::Array(vec![]));
    }

    #[test]
    fn selection_at_any_depth() {
        let deep = object(vec![(
            "x",
            Value::Array(vec![object(vec![("event", Value::string("open"))])]),
        )]);
        assert_eq!(select_only(&deep, "event"), Some(&Value::string("open")));
        let nested = object(vec![("event", object(vec![("event", Value::Null)]))]);
        assert_eq!(select_only(&nested, "event"), None);
        assert_eq!(select_only(&deep, "y"), None);
    }

    #[test]
    fn texts() {
        assert_eq!(text(&Value::string("a")).as_deref(), Some("a"));
        assert_eq!(text(&integer("12")).as_deref(), Some("12"));
        assert_eq!(text(&integer("-0")).as_deref(), Some("0"));
        for value in [Value::Null, Value::Bool(true), Value::Array(Vec::new())] {
            assert_eq!(text(&value), None);
        }
    }

    #[test]
    fn removal_of_fields() {
        let field = || ("event", Value::string("open"));
        let value = object(vec![
            field(),
            (
                "a",
                Value::Array(vec![object(vec![field(), ("b", Value::Null)])]),
            ),
            ("event", Value::string("shut")),
        ]);
        assert_eq!(
            remove_field(value, "event", "open"),
            object(vec![
                ("a", Value::Array(vec![object(vec![("b", Value::Null)])])),
                ("event", Value::string("shut")),
            ])
        );
    }

    #[test]
    fn scala_texts() {
        let value = object(vec![
            ("a", Value::Array(vec![Value::Null, Value::Bool(false)])),
            ("b", Value::string("x")),
        ]);
        assert_eq!(
            scala_text(&value),
            "JObject(List((a,JArray(List(JNull, JBool(false)))), (b,JString(x))))"
        );
        assert_eq!(
            match_error(&Value::Null).into_messages(),
            [
                "Unexpected error processing events: scala.MatchError: JNull (of class \
                 org.json4s.JsonAST$JNull$)\n"
            ]
        );
    }
}
