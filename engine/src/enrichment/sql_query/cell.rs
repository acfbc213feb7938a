//! Values of databases as JSON, by the Java classes that the reference's drivers give them
//! (`JsonOutput.getValue` of scala-common-enrich 0.34.0).
//!
//! | class | JSON |
//! |---|---|
//! | `Integer`, `Long`, `Boolean`, `String` | as it is |
//! | `Double`, `Float` | a double; not a number and infinities are texts |
//! | `java.sql.Date` | date and time in ISO format, in UTC |
//! | any other | its text read as JSON; a text when it is none |
//!
//! The last line makes an object of a `jsonb`, 42.1 of the `numeric` 42.10, and 12 of the text
//! `12 books` in a column that is neither `text` nor `varchar`.

use crate::json::{Number, Value, parse};
use crate::text::time::{civil_from_days, format_iso_millis};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A value of a class that the reference does not know, by its text.
pub fn untyped(text: &str) -> Value<'static> {
    match parse(text) {
        Ok(Some(value)) => value.into_owned(),
        _ => Value::string(text.to_owned()),
    }
}

/// A `Double`, or a `Float` after it was widened.
pub fn double(value: f64) -> Value<'static> {
    if value.is_finite() {
        // with a point or an exponent, as JSON wants it
        let token = format!("{value:?}").into();
        return Value::Number(Number { token });
    }
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    Value::string(text)
}

/// An integer of any size, by its digits.
pub fn digits(text: String) -> Value<'static> {
    Value::Number(Number { token: text.into() })
}

/// A `java.sql.Date`: milliseconds since the epoch.
pub fn date(millis: i64) -> Value<'static> {
    Value::string(format_iso_millis(millis))
}

/// A `java.sql.Timestamp`: microseconds since the epoch.
pub fn timestamp(micros: i64) -> Value<'static> {
    untyped(&timestamp_text(micros))
}

/// What `java.sql.Timestamp` prints: at least one digit of the second's fraction, and no needless ones.
fn timestamp_text(micros: i64) -> String {
    let date = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let fraction = format!("{:06}", of_day % 1_000_000);
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    format!(
        "{:04}-{:02}-{:02} {}.{fraction}",
        // a year before the first counts backwards there, without a sign
        if date.year > 0 {
            date.year
        } else {
            1 - date.year
        },
        date.month,
        date.day,
        clock(of_day)
    )
}

/// A `java.sql.Time`: microseconds since midnight.
pub fn time(micros: i64) -> Value<'static> {
    untyped(&clock(micros.rem_euclid(MICROS_PER_DAY)))
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Bytes, of which Java would print an address: their hexadecimal digits behind `prefix`.
pub fn bytes(prefix: &str, bytes: &[u8]) -> Value<'static> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(prefix.len() + bytes.len() * 2);
    text.push_str(prefix);
    for byte in bytes {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Value::string(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_json() {
        for (text, printed) in [
            ("42.10", "42.1"),
            ("42", "42"),
            ("12 books", "12"),
            ("{\"a\": [1.50]}", "{\"a\":[1.5]}"),
            ("{1,2}", "\"{1,2}\""),
            ("{}", "{}"),
            ("", "\"\""),
            ("NaN", "\"NaN\""),
            ("null", "null"),
            ("2016-06-10", "\"2016-06-10\""),
            (
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            ),
            (
                "9e107d9d-372b-4826-81d3-542a4d6cbd5b",
                "\"9e107d9d-372b-4826-81d3-542a4d6cbd5b\"",
            ),
        ] {
            assert_eq!(untyped(text).to_compact(), printed, "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (value, printed) in [
            (1.0, "1.0"),
            (f64::from(42.1_f32), "42.099998474121094"),
            (1e300, "1.0E300"),
            (1e-7, "1.0E-7"),
            (-0.0, "-0.0"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(double(value).to_compact(), printed);
        }
        assert_eq!(
            digits("18446744073709551615".into()).to_compact(),
            "18446744073709551615"
        );
    }

    #[test]
    fn times() {
        assert_eq!(
            date(1_465_558_727_000).as_str(),
            Some("2016-06-10T11:38:47.000Z")
        );
        for (micros, text) in [
            (0, "1970-01-01 00:00:00.0"),
            (1_465_558_727_000_000, "2016-06-10 11:38:47.0"),
            (1_465_558_727_120_300, "2016-06-10 11:38:47.1203"),
            (-1, "1969-12-31 23:59:59.999999"),
        ] {
            assert_eq!(timestamp(micros).as_str(), Some(text));
        }
        assert_eq!(time(45_296_999_999).as_str(), Some("12:34:56"));
        assert_eq!(bytes("\\x", &[0, 255, 26]).as_str(), Some("\\x00ff1a"));
    }
}
