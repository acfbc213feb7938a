//! Values of query strings and forms as JSON: texts, but for the fields that a webhook sends as
//! booleans, integers or times.

use std::borrow::Cow;

use super::exception::null_pointer;
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;
use crate::json::{Number, Value};
use crate::text::joda::parse_tstamp;
use crate::text::time::format_iso_millis;

/// Which fields are not texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Formatter {
    /// `true` and `false` become booleans.
    pub bools: &'static [&'static str],
    /// Integers of any size become numbers.
    pub ints: &'static [&'static str],
    /// `yyyy-MM-dd HH:mm:ss` in UTC becomes ISO 8601.
    pub date_times: &'static [&'static str],
}

impl Formatter {
    /// An object with the parameters in map order.
    ///
    /// # Errors
    /// An integer field without value throws in the reference.
    pub fn format<'a>(&self, parameters: &'a Parameters) -> Result<Value<'a>, AdapterFailure> {
        let mut members = Vec::with_capacity(parameters.len());
        for (name, value) in parameters.iter() {
            members.push((Cow::Borrowed(name), self.value(name, value.as_deref())?));
        }
        Ok(Value::Object(members))
    }

    fn value<'a>(&self, name: &str, text: Option<&'a str>) -> Result<Value<'a>, AdapterFailure> {
        let Some(text) = text else {
            let is_int = !self.bools.contains(&name) && self.ints.contains(&name);
            return if is_int {
                Err(null_pointer())
            } else {
                Ok(Value::Null)
            };
        };
        Ok(if text.is_empty() {
            Value::Null
        } else if self.bools.contains(&name) {
            match text {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::string(text),
            }
        } else if self.ints.contains(&name) {
            match big_integer(text) {
                Some(token) => Value::Number(Number { token }),
                None => Value::string(text),
            }
        } else if self.date_times.contains(&name) {
            Value::String(reformat_date_time(text))
        } else {
            Value::string(text)
        })
    }
}

/// `yyyy-MM-dd HH:mm:ss` (UTC, as leniently as Joda-Time reads it) as ISO 8601 with milliseconds;
/// any other text unchanged.
pub fn reformat_date_time(text: &str) -> Cow<'_, str> {
    // The pattern ends where that of a timestamp goes on with `.SSS`.
    match parse_tstamp(&format!("{text}.000")) {
        Some(millis) => Cow::Owned(format_iso_millis(millis)),
        None => Cow::Borrowed(text),
    }
}

/// The canonical token of Java's `new BigInteger(text)`, `None` where that throws.
fn big_integer(text: &str) -> Option<Cow<'_, str>> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let canonical = digits.trim_start_matches('0');
    Some(if canonical.is_empty() {
        Cow::Borrowed("0")
    } else if negative {
        Cow::Owned(format!("-{canonical}"))
    } else {
        Cow::Borrowed(canonical)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATTER: Formatter = Formatter {
        bools: &["b"],
        ints: &["i"],
        date_times: &["d"],
    };

    fn number(token: &'static str) -> Value<'static> {
        Value::Number(Number {
            token: Cow::Borrowed(token),
        })
    }

    #[test]
    fn values() {
        for (name, text, expected) in [
            ("x", "", Value::Null),
            ("b", "", Value::Null),
            ("x", "true", Value::string("true")),
            ("b", "true", Value::Bool(true)),
            ("b", "false", Value::Bool(false)),
            ("b", "True", Value::string("True")),
            ("i", "247", number("247")),
            ("i", "+007", number("7")),
            ("i", "-0", number("0")),
            (
                "i",
                "-00123456789012345678901",
                number("-123456789012345678901"),
            ),
            ("i", "1.0", Value::string("1.0")),
            ("i", "+", Value::string("+")),
            ("i", "--1", Value::string("--1")),
            ("d", "soon", Value::string("soon")),
        ] {
            assert_eq!(
                FORMATTER.value(name, Some(text)),
                Ok(expected),
                "{name}={text}"
            );
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("2014-10-09 16:23:45", "2014-10-09T16:23:45.000Z"),
            ("2014-1-9 6:3:5", "2014-01-09T06:03:05.000Z"),
            ("2014-10-09 16:23:45.123", "2014-10-09 16:23:45.123"),
            ("2014-10-09T16:23:45", "2014-10-09T16:23:45"),
            ("2014-13-09 16:23:45", "2014-13-09 16:23:45"),
            ("2014-10-09 16:23", "2014-10-09 16:23"),
            ("", ""),
        ] {
            assert_eq!(reformat_date_time(text), expected);
        }
    }

    #[test]
    fn parameters_without_value() {
        assert_eq!(FORMATTER.value("x", None), Ok(Value::Null));
        assert_eq!(FORMATTER.value("b", None), Ok(Value::Null));
        assert_eq!(FORMATTER.value("i", None), Err(null_pointer()));
    }
}
