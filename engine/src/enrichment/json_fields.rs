//! JSON in tracker parameters: `co` and `ue_pr` as text, `cx` and `ue_px` in Base64.
//!
//! Any JSON is accepted here; whether it is a self-describing one is decided by the schema check.
//! The columns hold the JSON printed anew, and the schema check works on what was parsed here, so
//! that nothing is parsed twice.

use std::borrow::Cow;

use crate::adapter::raw_event::Parameters;
use crate::json::{self, Value};
use crate::text::base64;
use crate::text::jackson::{self, Style};
use crate::text::java_number::write_double;

/// Every double keeps this many significant decimal digits.
const EXACT_DIGITS: usize = 15;

/// A JSON that was read: what it says, and how it is printed in its column.
#[derive(Debug, PartialEq)]
pub struct ReadJson<'e> {
    /// The tree, as it would be read from `text`.
    pub value: Value<'e>,
    /// Compact text.
    pub text: String,
}

/// The decoded texts of the Base64 parameters of one event. They are kept apart from the draft,
/// whose parsed JSONs borrow from them.
#[derive(Debug)]
pub struct DecodedJsons {
    cx: Option<Result<String, String>>,
    ue_px: Option<Result<String, String>>,
}

impl DecodedJsons {
    /// Decodes what is there.
    pub fn new(parameters: &Parameters) -> Self {
        let decode = |name: &str| {
            let value = parameters.get(name)?;
            Some(base64::decode_field(name, value.as_deref()))
        };
        Self {
            cx: decode("cx"),
            ue_px: decode("ue_px"),
        }
    }

    /// The JSON in parameter `name`, which must be `cx` or `ue_px`.
    ///
    /// # Errors
    /// The failure text; it shows the decoded text.
    pub fn read(&self, name: &str) -> Result<ReadJson<'_>, String> {
        let decoded = if name == "cx" { &self.cx } else { &self.ue_px };
        match decoded {
            Some(Ok(text)) => read(name, text),
            Some(Err(failure)) => Err(failure.clone()),
            None => read(name, ""),
        }
    }
}

/// The JSON in a parameter as it is.
///
/// # Errors
/// The failure text.
pub fn read_plain<'e>(name: &str, value: Option<&'e str>) -> Result<ReadJson<'e>, String> {
    match value {
        Some(text) => read(name, text),
        None => Err(format!(
            "Field [{name}]: invalid JSON [null] with parsing error: null"
        )),
    }
}

fn read<'e>(name: &str, text: &'e str) -> Result<ReadJson<'e>, String> {
    let failure = |error| jackson::field_error(name, text, error, Style::Enrich);
    match json::parse(text) {
        Ok(Some(mut value)) => {
            let text = value.to_compact();
            reread(&mut value);
            Ok(ReadJson { value, text })
        }
        Ok(None) => Err(failure(None)),
        Err(error) => Err(failure(Some(&error))),
    }
}

/// Changes a parsed tree into what reading its printed text would give: the reference prints
/// fractions as doubles and validates what it reads back. Only numbers that a double cannot hold
/// are concerned.
fn reread(value: &mut Value<'_>) {
    match value {
        Value::Number(number) if !number.is_integer() => {
            let digits = number.token.bytes().filter(u8::is_ascii_digit).count();
            let exponent = number.token.bytes().any(|b| matches!(b, b'e' | b'E'));
            if digits <= EXACT_DIGITS && !exponent {
                return;
            }
            let double = number.as_f64();
            if double.is_finite() {
                let mut text = Vec::with_capacity(24);
                write_double(double, &mut text);
                number.token = Cow::Owned(String::from_utf8_lossy(&text).into_owned());
            } else {
                let sign = if double < 0.0 { "-" } else { "" };
                *value = Value::string(format!("{sign}Infinity"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(reread),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| reread(member)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Number;

    fn number(token: &'static str) -> Value<'static> {
        Value::Number(Number {
            token: Cow::Borrowed(token),
        })
    }

    #[test]
    fn a_json_is_read_and_printed_anew() {
        let cases = [
            (r#"{ "key" : 23 }"#, r#"{"key":23}"#),
            ("[1.00, 2.00, 1e3]", "[1.0,2.0,1000.0]"),
            (r#"{"a":1,"b":2,"a":3}}}"#, r#"{"a":3,"b":2}"#),
            ("null", "null"),
            (" \"s\"", "\"s\""),
            ("1e400", "\"Infinity\""),
        ];
        for (sent, column) in cases {
            let json = read_plain("co", Some(sent)).unwrap();
            assert_eq!(json.text, column);
            assert_eq!(json.value.to_compact(), column, "the tree says the same");
        }
    }

    #[test]
    fn what_is_no_json_fails() {
        let cases = [
            (
                None,
                "Field [co]: invalid JSON [null] with parsing error: null",
            ),
            (
                Some(" "),
                "Field [co]: invalid JSON [ ] with parsing error: mapping resulted in null",
            ),
            (
                Some("john"),
                "Field [co]: invalid JSON [john] with parsing error: Unrecognized token 'john': was expecting ('true', 'false' or 'null') at [Source: john; line: 1, column: 9]",
            ),
        ];
        for (sent, expected) in cases {
            let failure = read_plain("co", sent).unwrap_err();
            match failure.split_once("line: 1, column") {
                // columns at the end of a text are the reader's affair
                Some((start, _)) => assert!(expected.starts_with(start)),
                None => assert_eq!(failure, expected),
            }
        }
    }

    #[test]
    fn base64_texts_show_decoded() {
        let parameters: Parameters = [
            ("cx", Some("eyJhIjogMX0=".to_owned())),
            ("ue_px", Some("am9obitzbWl0aA".to_owned())),
        ]
        .into_iter()
        .collect();
        let decoded = DecodedJsons::new(&parameters);
        assert_eq!(decoded.read("cx").unwrap().text, r#"{"a":1}"#);
        assert_eq!(
            decoded.read("ue_px").unwrap_err(),
            "Field [ue_px]: invalid JSON [john+smith] with parsing error: Unrecognized token 'john': was expecting ('true', 'false' or 'null') at [Source: john+smith; line: 1, column: 5]"
        );
        let parameters: Parameters = [("cx", None)].into_iter().collect();
        assert_eq!(
            DecodedJsons::new(&parameters).read("cx").unwrap_err(),
            "Field [cx]: exception Base64-decoding [null] (URL-safe encoding): [null]"
        );
    }

    #[test]
    fn numbers_become_what_their_print_says() {
        let cases = [
            ("1.5", number("1.5")),
            ("12345678901234567890", number("12345678901234567890")),
            ("0.10000000000000000001", number("0.1")),
            ("1e2", number("100.0")),
            ("1e999", Value::string("Infinity")),
            ("-1e999", Value::string("-Infinity")),
            ("1e-999", number("0.0")),
        ];
        for (token, expected) in cases {
            let mut value = Value::Array(vec![Value::object([("a", number(token))])]);
            reread(&mut value);
            assert_eq!(
                value,
                Value::Array(vec![Value::object([("a", expected)])]),
                "{token}"
            );
        }
    }
}
