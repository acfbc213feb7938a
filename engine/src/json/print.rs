//! Compact printing as json4s/Jackson print: no white space, `/` and non-ASCII raw, control
//! characters as `\b \t \n \f \r` or `\u00XX` (upper-case hex), integers digit by digit, other
//! numbers as Java's `Double.toString`.

use super::Value;

/// Appends the compact text of `value` to `out` (always valid UTF-8).
pub fn write_compact(_value: &Value<'_>, _out: &mut Vec<u8>) {}

/// Appends `text` as a JSON string with quotes and escapes to `out`.
pub fn write_string(_text: &str, _out: &mut Vec<u8>) {}
