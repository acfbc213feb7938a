//! Cleaning of webhook events: timestamps in seconds become ISO texts, and the field that named
//! the type of the event goes.

use std::borrow::Cow;

use super::json4s::{change_fields, match_error, remove_field};
use crate::adapter::AdapterFailure;
use crate::json::Value;
use crate::text::java_number::parse_long;
use crate::text::time::format_iso_millis;

/// Reformats every field called `timestamp_field`, then removes every field `kind_field` that holds
/// `kind`, at any depth.
///
/// # Errors
/// A timestamp that is neither number nor text throws in the reference.
pub fn clean_up<'a>(
    value: Value<'a>,
    kind_field: &str,
    kind: &str,
    timestamp_field: &str,
) -> Result<Value<'a>, AdapterFailure> {
    let value = change_fields(value, &mut |(name, value)| {
        if name != timestamp_field {
            return Ok(Some((name, value)));
        }
        let seconds = match &value {
            Value::Number(number) if number.is_integer() => Some(low_64_bits(&number.token)),
            Value::String(text) => parse_long(text),
            _ => return Err(match_error(&value)),
        };
        let value = match seconds {
            Some(seconds) => Value::String(Cow::Owned(iso_of_seconds(seconds))),
            None => value,
        };
        Ok(Some((name, value)))
    })?;
    Ok(remove_field(value, kind_field, kind))
}

/// Seconds since the epoch as `yyyy-MM-ddTHH:mm:ss.000Z`; the product wraps as Java's does.
pub fn iso_of_seconds(seconds: i64) -> String {
    format_iso_millis(seconds.wrapping_mul(1000))
}

/// An integral token as Scala's `BigInt.longValue` takes it: modulo 2^64.
pub fn low_64_bits(token: &str) -> i64 {
    let (negative, digits) = match token.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, token),
    };
    let value = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0i64, |value, digit| {
            value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'))
        });
    if negative {
        value.wrapping_neg()
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> Result<String, AdapterFailure> {
        let value = crate::json::parse(text).unwrap().unwrap();
        clean_up(value, "event", "open", "ts").map(|value| value.to_compact())
    }

    #[test]
    fn timestamps_and_types() {
        for (text, expected) in [
            (
                r#"{"ts":1415709559}"#,
                r#"{"ts":"2014-11-11T12:39:19.000Z"}"#,
            ),
            (
                r#"{"ts":"1415709559"}"#,
                r#"{"ts":"2014-11-11T12:39:19.000Z"}"#,
            ),
            (r#"{"ts":"x"}"#, r#"{"ts":"x"}"#),
            (r#"{"ts":""}"#, r#"{"ts":""}"#),
            (
                r#"[{"ts":1415700000,"a":{"ts":-1}}]"#,
                r#"[{"ts":"2014-11-11T10:00:00.000Z","a":{"ts":"1969-12-31T23:59:59.000Z"}}]"#,
            ),
            (
                r#"{"event":"open","a":{"event":"open","b":1},"event":"x"}"#,
                r#"{"event":"x","a":{"b":1}}"#,
            ),
            ("5", "5"),
        ] {
            assert_eq!(cleaned(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn timestamps_that_throw() {
        for (text, shown) in [
            (
                "{\"ts\":null}",
                "JNull (of class org.json4s.JsonAST$JNull$)",
            ),
            (
                "{\"ts\":1.5}",
                "JDouble(1.5) (of class org.json4s.JsonAST$JDouble)",
            ),
            (
                "{\"ts\":[]}",
                "JArray(List()) (of class org.json4s.JsonAST$JArray)",
            ),
        ] {
            assert_eq!(
                cleaned(text),
                Err(AdapterFailure::unexpected("scala.MatchError", shown))
            );
        }
    }

    #[test]
    fn numbers_beyond_64_bits_wrap() {
        for (token, value) in [
            ("0", 0),
            ("-0", 0),
            ("-12", -12),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MIN),
            ("18446744073709551617", 1),
            ("-18446744073709551617", -1),
        ] {
            assert_eq!(low_64_bits(token), value, "{token}");
        }
    }
}
