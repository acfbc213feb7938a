//! Texts of parameters as values of fields (`ConversionUtils` of Scala Common Enrich).

use super::table::{Field, Kind};
use crate::adapter::AdapterFailure;
use crate::adapter::shared::exception::null_pointer;
use crate::json::{Number, Value};
use crate::text::java_number::{parse_int, plain_decimal, write_double};

/// Why a parameter has no value of the field's type.
#[derive(Debug, PartialEq)]
pub(super) enum Untranslatable {
    /// The message about it.
    Message(String),
    /// The reference throws, which ends the whole payload.
    Exception(AdapterFailure),
}

/// The value of a field. A parameter without `=` is null where the field is a text.
pub(super) fn translate<'a>(
    field: &Field,
    value: Option<&'a str>,
) -> Result<Value<'a>, Untranslatable> {
    if field.kind == Kind::Flag {
        return match value {
            Some("1") => Ok(Value::Bool(true)),
            Some("0") => Ok(Value::Bool(false)),
            _ => Err(Untranslatable::Message(format!(
                "Field [{}]: Cannot convert [{}] to boolean, only 1 or 0.",
                field.name,
                value.unwrap_or("null")
            ))),
        };
    }
    let Some(text) = value else {
        return match field.kind {
            Kind::Text => Ok(Value::Null),
            _ => Err(Untranslatable::Exception(null_pointer())),
        };
    };
    let (value, kind) = match field.kind {
        Kind::Text | Kind::Flag => return Ok(Value::string(text)),
        Kind::Integer => (parse_int(text).map(|i| Value::integer(i.into())), "Int"),
        Kind::Cents => (cents(text).map(double_value), "Double"),
        Kind::Double => (decimal(text).map(double_value), "Double"),
    };
    value.ok_or_else(|| {
        Untranslatable::Message(format!(
            "Field [{}]: cannot convert [{text}] to {kind}",
            field.name
        ))
    })
}

/// A double as a number, or as the text that JSON has for one that is not finite.
fn double_value(value: f64) -> Value<'static> {
    let mut token = Vec::with_capacity(24);
    write_double(value, &mut token);
    let token = String::from_utf8_lossy(&token).into_owned();
    if value.is_finite() {
        Value::Number(Number {
            token: token.into(),
        })
    } else {
        Value::string(token)
    }
}

/// `new BigDecimal(text).doubleValue()`, `None` where that throws. Exponents cost nothing, however
/// large they are.
fn decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], parse_int(&text[at + 1..])?),
        None => (text, 0),
    };
    let mantissa = plain_decimal(mantissa)?;
    let places = mantissa
        .find('.')
        .map_or(0, |point| mantissa.len() - point - 1);
    i32::try_from(i64::try_from(places).ok()? - i64::from(exponent)).ok()?;
    format!("{mantissa}e{exponent}").parse().ok()
}

/// `new BigDecimal(text).setScale(2, HALF_EVEN).doubleValue()`, `None` where that throws.
///
/// Difference: an exponent for which the reference would run out of memory or throw, because it
/// writes all digits down, gives infinity or zero.
fn cents(text: &str) -> Option<f64> {
    match plain_decimal(text) {
        Some(plain) => rounded(&plain),
        // Too long to be written down: at least 10^9999, or less than a thousandth.
        None => decimal(text).map(|value| if value.abs() < 1.0 { 0.0 } else { value }),
    }
}

/// A plain decimal rounded to two places, half to even.
fn rounded(plain: &str) -> Option<f64> {
    let Some(end) = plain.find('.').map(|point| point + 3) else {
        return plain.parse().ok();
    };
    let (Some(kept), Some(rest)) = (plain.get(..end), plain.get(end..)) else {
        return plain.parse().ok();
    };
    let odd = kept.bytes().last().is_some_and(|digit| digit % 2 == 1);
    let up = match rest.bytes().next() {
        Some(b'5') => odd || rest.bytes().skip(1).any(|digit| digit != b'0'),
        Some(digit) => digit > b'5',
        None => false,
    };
    let value: f64 = if up {
        incremented(kept).parse().ok()?
    } else {
        kept.parse().ok()?
    };
    // zero has no sign in Java's decimals
    Some(if value == 0.0 { 0.0 } else { value })
}

/// A plain decimal whose last digit is one more, away from zero.
fn incremented(plain: &str) -> String {
    let (sign, unsigned) = match plain.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", plain),
    };
    let mut digits = String::with_capacity(unsigned.len());
    let mut carry = true;
    for c in unsigned.chars().rev() {
        digits.push(match c {
            '0'..='8' if carry => {
                carry = false;
                char::from(c as u8 + 1)
            }
            '9' if carry => '0',
            other => other,
        });
    }
    if carry {
        digits.push('1');
    }
    sign.chars().chain(digits.chars().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::{cents as cents_field, double, flag, integer, text};
    use super::*;

    fn printed(field: Field, value: &str) -> Result<String, Untranslatable> {
        translate(&field, Some(value)).map(|value| value.to_compact())
    }

    #[test]
    fn two_decimals() {
        for (text, expected) in [
            ("12.228", "12.23"),
            ("12", "12.0"),
            ("12.", "12.0"),
            (".5", "0.5"),
            ("0.005", "0.0"),
            ("0.0050001", "0.01"),
            ("0.015", "0.02"),
            ("0.025", "0.02"),
            ("-0.035", "-0.04"),
            ("-0.004", "0.0"),
            ("-0.006", "-0.01"),
            ("-0", "0.0"),
            ("9.995", "10.0"),
            ("-99.999", "-100.0"),
            ("1E3", "1000.0"),
            ("1.005e1", "10.05"),
            ("12345678.905", "1.23456789E7"),
            ("٤.٥٦٧", "4.57"),
            ("1E400", "\"Infinity\""),
            ("-1E2147483647", "\"-Infinity\""),
            ("1E-2147483647", "0.0"),
            ("-1E-999999999", "0.0"),
            ("0E999999999", "0.0"),
        ] {
            assert_eq!(
                printed(cents_field("pr", "price"), text).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn doubles() {
        for (text, expected) in [
            ("45", "45.0"),
            ("+1.10", "1.1"),
            ("0.0001", "1.0E-4"),
            ("1e23", "1.0E23"),
            ("-0", "0.0"),
            ("1E٣", "1000.0"),
            ("1E00000000000000003", "1000.0"),
            ("1E999999999", "\"Infinity\""),
            ("-1E-999999999", "-0.0"),
            ("0E999999999", "0.0"),
        ] {
            assert_eq!(
                printed(double("cm", "value"), text).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        let long = format!("{}E-50000", "9".repeat(50_000));
        assert_eq!(printed(double("cm", "value"), &long).as_deref(), Ok("1.0"));
    }

    #[test]
    fn what_is_no_decimal() {
        for value in [
            "",
            " 1",
            "1 ",
            "-",
            ".",
            "1E",
            "E1",
            "1E5.0",
            "1,5",
            "NaN",
            "Infinity",
            "1d",
            "0x1p0",
            "--1",
            "1E2147483648",
            "1.5E-2147483648",
        ] {
            let message = format!("Field [f]: cannot convert [{value}] to Double");
            for field in [cents_field("p", "f"), double("p", "f")] {
                assert_eq!(
                    printed(field, value),
                    Err(Untranslatable::Message(message.clone())),
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn integers_flags_and_texts() {
        for (field, value, expected) in [
            (integer("p", "f"), "007", "7"),
            (integer("p", "f"), "+7", "7"),
            (integer("p", "f"), "-2147483648", "-2147483648"),
            (flag("p", "f"), "1", "true"),
            (flag("p", "f"), "0", "false"),
            (text("p", "f"), "", "\"\""),
            (text("p", "f"), "a\"b", "\"a\\\"b\""),
        ] {
            assert_eq!(printed(field, value).as_deref(), Ok(expected));
        }
        for (field, value, message) in [
            (
                integer("p", "f"),
                "2147483648",
                "Field [f]: cannot convert [2147483648] to Int",
            ),
            (
                integer("p", "f"),
                "1.0",
                "Field [f]: cannot convert [1.0] to Int",
            ),
            (
                flag("p", "f"),
                "true",
                "Field [f]: Cannot convert [true] to boolean, only 1 or 0.",
            ),
        ] {
            assert_eq!(
                printed(field, value),
                Err(Untranslatable::Message(message.to_owned()))
            );
        }
    }

    #[test]
    fn parameters_without_value() {
        assert_eq!(translate(&text("p", "f"), None), Ok(Value::Null));
        assert_eq!(
            translate(&flag("p", "f"), None),
            Err(Untranslatable::Message(
                "Field [f]: Cannot convert [null] to boolean, only 1 or 0.".to_owned()
            ))
        );
        for field in [integer("p", "f"), cents_field("p", "f"), double("p", "f")] {
            assert_eq!(
                translate(&field, None),
                Err(Untranslatable::Exception(null_pointer()))
            );
        }
    }
}
