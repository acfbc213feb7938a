//! `BigDecimal`: its grammar, and its plain print.

use super::digit;

/// Longest plain text that a short number with a large exponent may grow to. Java would print the
/// two thousand million digits of `1E2000000000`; here that is no number. A text that is itself
/// longer may give a plain text of its own length.
const MAX_PLAIN: usize = 10_000;

/// `new BigDecimal(text).toPlainString()`; `None` where Java throws, and where the plain text would have more
/// than 10,000 characters (and more than `text`).
pub fn plain_decimal(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut digits = Vec::with_capacity(unsigned.len());
    let mut scale: i64 = 0;
    let mut point = false;
    let mut any = false;
    for (index, c) in unsigned.char_indices() {
        match c {
            '.' if point => return None,
            '.' => point = true,
            'e' | 'E' => {
                scale -= exponent(&unsigned[index + 1..])?;
                break;
            }
            _ => {
                let digit = digit(c)?;
                any = true;
                scale += i64::from(point);
                // the digits of the number itself, without zeros before them
                if digit > 0 || !digits.is_empty() {
                    digits.push(b'0' + digit);
                }
            }
        }
    }
    if !any || i32::try_from(scale).is_err() {
        return None;
    }
    print(&digits, scale, negative, text.len().max(MAX_PLAIN))
}

/// The exponent behind `E`: an optional sign and up to ten digits, zeros before them not counted.
fn exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for c in digits.chars() {
        value = value * 10 + i64::from(digit(c)?);
        if value > 9_999_999_999 {
            return None;
        }
    }
    let value = if negative { -value } else { value };
    i32::try_from(value).ok().map(i64::from)
}

/// Prints `digits` (of the unscaled value, none for zero) divided by ten to the power of `scale`.
fn print(digits: &[u8], scale: i64, negative: bool, longest: usize) -> Option<String> {
    if digits.is_empty() && scale <= 0 {
        return Some("0".to_owned());
    }
    let places = usize::try_from(scale).unwrap_or(0);
    let zeros = usize::try_from(-scale).unwrap_or(0);
    if digits.len().max(places).saturating_add(zeros) > longest {
        return None;
    }
    let mut plain = String::with_capacity(digits.len().max(places) + zeros + 3);
    // zero has no sign in Java
    if negative && !digits.is_empty() {
        plain.push('-');
    }
    let integer = digits.len().saturating_sub(places);
    if integer == 0 {
        plain.push('0');
    }
    plain.extend(digits[..integer].iter().map(|&b| char::from(b)));
    plain.extend(std::iter::repeat_n('0', zeros));
    if places > 0 {
        plain.push('.');
        plain.extend(std::iter::repeat_n(
            '0',
            places.saturating_sub(digits.len()),
        ));
        plain.extend(digits[integer..].iter().map(|&b| char::from(b)));
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals() {
        for (text, plain) in [
            ("23", Some("23")),
            ("23.", Some("23")),
            (".5", Some("0.5")),
            ("+5", Some("5")),
            ("-5.", Some("-5")),
            ("1E-9", Some("0.000000001")),
            ("1999.00", Some("1999.00")),
            ("1999.99", Some("1999.99")),
            ("6.72E9", Some("6720000000")),
            ("7.51E-9", Some("0.00000000751")),
            ("4.321768E3", Some("4321.768")),
            ("4.321768e+6", Some("4321768")),
            ("-78694353.00001", Some("-78694353.00001")),
            ("78694235323.00000001", Some("78694235323.00000001")),
            ("-0", Some("0")),
            ("-0.00", Some("0.00")),
            ("0E5", Some("0")),
            ("0E-5", Some("0.00000")),
            ("0.0E1", Some("0")),
            ("00012.50", Some("12.50")),
            ("000", Some("0")),
            ("٤٥٦٧.٦٧", Some("4567.67")),
            ("1E٣", Some("1000")),
            ("1E00000000000000003", Some("1000")),
            ("", None),
            ("-", None),
            (".", None),
            ("E5", None),
            (".E5", None),
            ("1E", None),
            ("1E+", None),
            ("1E+-5", None),
            ("1E5.0", None),
            ("1.2.3", None),
            ("--1", None),
            ("+-1", None),
            (" 1", None),
            ("1 ", None),
            ("1,000", None),
            ("0x54", None),
            ("-7.51E^9", None),
            ("NaN", None),
            ("null", None),
            ("hi & bye", None),
            ("𝟏", None),
        ] {
            assert_eq!(plain_decimal(text).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn exponents_do_not_take_memory() {
        for text in [
            "1E999999999",
            "1E-999999999",
            "1E2147483647",
            "-1E-2147483648",
            "1E2147483648",
            "1.5E-2147483648",
            "0E-999999999",
            "1E99999999999999999999",
            "1E10000",
        ] {
            assert_eq!(plain_decimal(text), None, "{text}");
        }
        assert_eq!(plain_decimal("0E2147483647").as_deref(), Some("0"));
        assert_eq!(
            plain_decimal("1E9999").map(|plain| plain.len()),
            Some(10_000)
        );
        assert_eq!(
            plain_decimal("1E-9999").map(|plain| plain.len()),
            Some(10_001)
        );
        let long = "7".repeat(50_000);
        assert_eq!(plain_decimal(&long), Some(long.clone()));
        assert_eq!(plain_decimal(&format!("{long}E1000")), None);
    }
}
