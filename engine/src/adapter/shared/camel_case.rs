//! Field names in camel case: `X-Mailgun-Sid` and `x_mailgun_sid` become `xMailgunSid`.

use std::borrow::Cow;

use crate::adapter::AdapterFailure;
use crate::json::Value;

/// Every field name of `value`, at any depth, in camel case.
///
/// # Errors
/// An empty field name throws in the reference.
pub fn camelize(value: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    convert(value, 1)
}

/// The reference goes through an object that is the value of a field once more for every time it
/// goes through the field, so names further inside are converted more often. It shows where two
/// separators stand side by side (`a__b` becomes `a_b`, then `aB`).
fn convert(value: Value<'_>, times: u32) -> Result<Value<'_>, AdapterFailure> {
    match value {
        Value::Object(members) => {
            let mut converted = Vec::with_capacity(members.len());
            for (name, member) in members {
                let times_inside = match member {
                    Value::Object(_) => times.saturating_mul(2),
                    _ => times,
                };
                let member = convert(member, times_inside)?;
                converted.push((repeatedly(name, times)?, member));
            }
            Ok(Value::Object(converted))
        }
        Value::Array(items) => {
            let mut converted = Vec::with_capacity(items.len());
            for item in items {
                converted.push(convert(item, times)?);
            }
            Ok(Value::Array(converted))
        }
        other => Ok(other),
    }
}

fn repeatedly(name: Cow<'_, str>, times: u32) -> Result<Cow<'_, str>, AdapterFailure> {
    let mut name = name;
    for _ in 0..times {
        let converted = camel_case(&name)?;
        if converted == *name {
            break;
        }
        name = Cow::Owned(converted);
    }
    Ok(name)
}

/// Lower-cases the first character and replaces every `_` or `-` before a word character by that
/// character in upper case, from left to right, so that `a__b` becomes `a_b`.
fn camel_case(name: &str) -> Result<String, AdapterFailure> {
    let mut characters = name.chars();
    let Some(first) = characters.next() else {
        return Err(AdapterFailure::unexpected(
            "java.lang.StringIndexOutOfBoundsException",
            "String index out of range: 0",
        ));
    };
    let mut text = String::with_capacity(name.len());
    text.push(lower(first));
    text.push_str(characters.as_str());

    let mut converted = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = match character {
            '_' | '-' => characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_'),
            _ => None,
        };
        converted.push(next.map_or(character, |next| next.to_ascii_uppercase()));
    }
    Ok(converted)
}

/// Java's `Character.toLowerCase(char)`: one UTF-16 unit in, one out.
fn lower(character: char) -> char {
    if u32::from(character) > 0xffff {
        return character;
    }
    character.to_lowercase().next().unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, converted) in [
            ("X-Mailgun-Sid", "xMailgunSid"),
            ("x_mailgun_sid", "xMailgunSid"),
            ("my_var_1", "myVar1"),
            ("a__b", "a_b"),
            ("a___b", "a_B"),
            ("a-_b", "a_b"),
            ("_a", "A"),
            ("__", "_"),
            ("a_", "a_"),
            ("-", "-"),
            ("a_é", "a_é"),
            ("Éa", "éa"),
            ("İ", "i"),
            ("data.json", "data.json"),
        ] {
            assert_eq!(camel_case(name).as_deref(), Ok(converted), "{name}");
        }
    }

    #[test]
    fn names_further_inside_are_converted_more_often() {
        let value = Value::object([
            ("a___b", Value::object([("a___b", Value::Null)])),
            (
                "c_d",
                Value::Array(vec![Value::object([("a___b", Value::Null)])]),
            ),
        ]);
        let expected = Value::object([
            ("a_B", Value::object([("aB", Value::Null)])),
            (
                "cD",
                Value::Array(vec![Value::object([("a_B", Value::Null)])]),
            ),
        ]);
        assert_eq!(camelize(value), Ok(expected));
    }

    #[test]
    fn an_empty_name_throws() {
        assert_eq!(
            camelize(Value::object([("", Value::Null)])),
            Err(AdapterFailure::unexpected(
                "java.lang.StringIndexOutOfBoundsException",
                "String index out of range: 0"
            ))
        );
    }

    #[test]
    fn deep_nesting_takes_no_exponential_time() {
        let mut value = Value::Null;
        for _ in 0..900 {
            value = Value::object([("a____b", value)]);
        }
        assert!(camelize(value).is_ok());
    }
}
