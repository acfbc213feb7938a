//! Numbers as Java 8 reads and prints them.
//!
//! In: the text of a parameter. Out: the number, or `None` where Java throws `NumberFormatException`.
//! `Integer`, `Long` and `BigDecimal` take the decimal digits of every script in the basic plane,
//! `Double` those of ASCII only. Printing uses the shortest digits that identify the number, in Java's
//! layout; Java 8 itself prints one digit more in rare cases, which is not copied.

mod decimal;
mod double;

pub use decimal::plain_decimal;
pub use double::{float_to_string, parse_double, write_double};

/// The digits zero of the decimal digits (general category Nd) that Java 8 knows in the basic plane;
/// each is followed by those of one to nine.
const ZEROS: [u16; 35] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6,
    0x0d66, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xaa50, 0xabf0, 0xff10,
];

/// `Character.digit(c, 10)`.
pub(super) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).map(|digit| digit as u8);
    }
    let unit = u16::try_from(u32::from(c)).ok()?;
    let last = ZEROS.partition_point(|&zero| zero <= unit).checked_sub(1)?;
    let digit = unit - ZEROS[last];
    (digit < 10).then_some(digit as u8)
}

/// `Integer.parseInt`: optional sign, any decimal digits of the basic plane, 32 bits.
pub fn parse_int(text: &str) -> Option<i32> {
    parse_long(text).and_then(|value| i32::try_from(value).ok())
}

/// `Long.parseLong`: optional sign, any decimal digits of the basic plane, 64 bits.
pub fn parse_long(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // counts down, as the range has one negative number more
    let mut value: i64 = 0;
    for c in digits.chars() {
        value = value.checked_mul(10)?.checked_sub(i64::from(digit(c)?))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [
            ("23", Some(23)),
            ("+23", Some(23)),
            ("-2012103", Some(-2012103)),
            ("007", Some(7)),
            ("-0", Some(0)),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("-2147483649", None),
            ("٤٥", Some(45)),
            ("１２", Some(12)),
            ("1٢", Some(12)),
            ("𝟏", None),
            ("", None),
            ("+", None),
            ("-", None),
            ("+-1", None),
            (" 1", None),
            ("1 ", None),
            ("1999.", None),
            ("1999.00", None),
            ("NaN", None),
            ("6.72E5", None),
            ("a", None),
            ("½", None),
            ("²", None),
        ] {
            assert_eq!(parse_int(text), value, "{text}");
        }
        assert_eq!(parse_int(&"9".repeat(100_000)), None);
        assert_eq!(parse_int(&format!("{}7", "0".repeat(100_000))), Some(7));
    }

    #[test]
    fn longs() {
        for (text, value) in [
            ("1364177017342", Some(1_364_177_017_342)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("1e5", None),
            ("", None),
        ] {
            assert_eq!(parse_long(text), value, "{text}");
        }
    }

    #[test]
    fn digits_are_sorted_and_whole() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10u16 {
                let c = char::from_u32(u32::from(zero + value)).unwrap();
                assert_eq!(digit(c), Some(value as u8));
                assert!(c.is_numeric());
            }
            assert_eq!(char::from_u32(u32::from(zero) - 1).and_then(digit), None);
        }
        assert_eq!(digit('\u{a0}'), None);
        assert_eq!(digit('\u{ffff}'), None);
    }
}
