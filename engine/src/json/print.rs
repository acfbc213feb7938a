//! Compact printing as json4s/Jackson print: no white space, `/` and non-ASCII raw, control
//! characters as `\b \t \n \f \r` or `\u00XX` (upper-case hex), integers digit by digit, other
//! numbers as Java's `Double.toString`.

use super::{Number, Value, scan};
use crate::text::java_number;

/// The one literal that Jackson does not hand to `Double.parseDouble`, which once did not return from it.
const NASTY_SMALL_DOUBLE: &str = "2.2250738585072012e-308";

/// Appends the compact text of `value` to `out` (always valid UTF-8).
///
/// `-0` prints as `0`. A number beyond the range of doubles prints as the string `"Infinity"` or
/// `"-Infinity"`, as the reference's does.
pub fn write_compact(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_compact(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_compact(member, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends `text` as a JSON string with quotes and escapes to `out`.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut run = 0;
    loop {
        let at = scan::special(bytes, run);
        out.extend_from_slice(&bytes[run..at]);
        let Some(&byte) = bytes.get(at) else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        run = at + 1;
    }
    out.push(b'"');
}

/// Appends a number.
fn write_number(number: &Number<'_>, out: &mut Vec<u8>) {
    let token = &*number.token;
    if token == "-0" {
        out.push(b'0');
    } else if number.is_integer() || is_java_double(token.as_bytes()) {
        out.extend_from_slice(token.as_bytes());
    } else {
        let value = if token == NASTY_SMALL_DOUBLE {
            f64::from_bits(1)
        } else {
            number.as_f64()
        };
        if value.is_finite() {
            java_number::write_double(value, out);
        } else {
            out.push(b'"');
            java_number::write_double(value, out);
            out.push(b'"');
        }
    }
}

/// Whether a JSON number with a point is already what `Double.toString` would print of it: no exponent,
/// 0.001 or more and less than 10^7 (or zero), no needless zero at the end, and at most 15 digits, which a
/// double tells apart.
fn is_java_double(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let Some(point) = digits.iter().take(8).position(|&b| b == b'.') else {
        return false;
    };
    let (integer, fraction) = (&digits[..point], &digits[point + 1..]);
    fraction.len() + integer.len() <= 15
        && fraction.iter().all(u8::is_ascii_digit)
        && integer.iter().all(u8::is_ascii_digit)
        && (fraction == b"0" || !fraction.ends_with(b"0"))
        && (integer != b"0" || !fraction.starts_with(b"000"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use proptest::prelude::*;

    fn reprint(text: &str) -> String {
        match parse(text) {
            Ok(Some(value)) => value.to_compact(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn numbers() {
        for (token, printed) in [
            ("0", "0"),
            ("-0", "0"),
            ("12", "12"),
            ("-17", "-17"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("1.00", "1.0"),
            ("1.10", "1.1"),
            ("1e3", "1000.0"),
            ("1E10", "1.0E10"),
            ("-7.0E1", "-70.0"),
            ("0.0001", "1.0E-4"),
            ("0.0005", "5.0E-4"),
            ("0.001", "0.001"),
            ("0.00100", "0.001"),
            ("0.0019", "0.0019"),
            ("0.01", "0.01"),
            ("0.00", "0.0"),
            ("0.000", "0.0"),
            ("12345678.9", "1.23456789E7"),
            ("12345678.5", "1.23456785E7"),
            ("9999999.5", "9999999.5"),
            ("10000000.0", "1.0E7"),
            ("1234567.0", "1234567.0"),
            ("-0.0", "-0.0"),
            ("-0e5", "-0.0"),
            ("0.0", "0.0"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("37.654694", "37.654694"),
            ("-122.4077", "-122.4077"),
            ("1e400", "\"Infinity\""),
            ("-1e400", "\"-Infinity\""),
            ("1E-400", "0.0"),
            ("4.9e-324", "4.9E-324"),
            ("2.2250738585072012e-308", "4.9E-324"),
            ("1.7976931348623157e308", "1.7976931348623157E308"),
        ] {
            assert_eq!(reprint(token), printed, "{token}");
        }
    }

    #[test]
    fn strings() {
        let mut out = Vec::new();
        write_string(
            "\"\\/\u{8}\t\n\u{c}\r\u{0}\u{b}\u{1f}\u{7f}\u{80}é中😀\u{2028}",
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u000B\\u001F\u{7f}\u{80}é中😀\u{2028}\""
        );
    }

    #[test]
    fn containers() {
        assert_eq!(reprint("{ \"key\" : 23 }"), "{\"key\":23}");
        assert_eq!(
            reprint("[ 1.00 , 2.00,[ ],{ } ,null,true, false]"),
            "[1.0,2.0,[],{},null,true,false]"
        );
        assert_eq!(
            reprint("{\"\":{\"b\":1,\"a\":[\"x\"]}}"),
            "{\"\":{\"b\":1,\"a\":[\"x\"]}}"
        );
    }

    #[test]
    fn reference_cases_of_shredded_rows() {
        for path in [
            "shred/json_number_normalisation.json",
            "shred/json_number_normalisation_edges.json",
            "shred/json_string_escapes.json",
            "shred/website_page_context.json",
        ] {
            let Some(case) = crate::json::golden::read(path) else {
                return;
            };
            let line = case["input_lines"][0].as_str().unwrap();
            let columns = line.split('\t').filter(|column| column.starts_with('{'));
            let printed: String = columns.map(reprint).collect();
            let mut checked = 0;
            for rows in case["expected"]["shredded"].as_object().unwrap().values() {
                for row in rows.as_array().unwrap() {
                    let row = row.as_str().unwrap();
                    let data = row.split_once("\"data\":").unwrap().1;
                    let data = data.split_once(",\"hierarchy\"").unwrap().0;
                    assert!(printed.contains(data), "{path}: {data} not in {printed}");
                    checked += 1;
                }
            }
            assert!(checked > 0, "{path}");
        }
    }

    proptest! {
        #[test]
        fn short_doubles_print_as_long_ones(value in 0u64..1_000_000_000_000_000, scale in 1usize..18, negative: bool) {
            let digits = format!("{value:0>width$}", width = scale + 1);
            let (integer, fraction) = digits.split_at(digits.len() - scale);
            let token = format!("{}{integer}.{fraction}", if negative { "-" } else { "" });
            let mut slow = Vec::new();
            java_number::write_double(token.parse().unwrap(), &mut slow);
            prop_assert_eq!(reprint(&token).into_bytes(), slow, "{}", token);
        }

        #[test]
        fn strings_survive(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(&back, &text);
            let out = String::from_utf8(out).unwrap();
            prop_assert_eq!(parse(&out).unwrap().unwrap(), Value::string(text));
        }
    }
}
