//! Numbers as Java reads and prints them.

/// `Integer.parseInt`: optional sign, any Unicode decimal digits, 32 bits.
pub fn parse_int(_text: &str) -> Option<i32> {
    None
}

/// `Long.parseLong`.
pub fn parse_long(_text: &str) -> Option<i64> {
    None
}

/// `new BigDecimal(text).toPlainString()`; `None` where Java throws.
pub fn plain_decimal(_text: &str) -> Option<String> {
    None
}

/// `Double.parseDouble` (trims, accepts `1d`, `NaN`, hex floats).
pub fn parse_double(_text: &str) -> Option<f64> {
    None
}

/// Appends `Double.toString(value)`.
pub fn write_double(_value: f64, _out: &mut Vec<u8>) {}

/// `Float.toString(value)`.
pub fn float_to_string(_value: f32) -> String {
    String::new()
}
