//! `Double.parseDouble`, `Double.toString` and `Float.toString`.

use std::fmt::{LowerExp, Write};

/// `Double.parseDouble`: trims, takes `1.`, `.5`, a suffix (`1d`, `1.5F`), `NaN`, `Infinity` and hexadecimal
/// floats (`0x1.8p1`). ASCII digits only.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let number = unsigned
                .strip_suffix(['f', 'F', 'd', 'D'])
                .unwrap_or(unsigned);
            match number.as_bytes() {
                [b'0', b'x' | b'X', hexadecimal @ ..] => hexadecimal_value(hexadecimal)?,
                decimal if is_decimal(decimal) => number.parse().ok()?,
                _ => return None,
            }
        }
    };
    Some(if negative { -value } else { value })
}

/// Digits with at most one point, at least one digit, and an optional exponent.
fn is_decimal(text: &[u8]) -> bool {
    let (integer, rest) = split_digits(text);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => split_digits(rest),
        _ => (&[][..], rest),
    };
    if integer.is_empty() && fraction.is_empty() {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The value of a hexadecimal float behind its `0x`, rounded to the nearest double, ties to even.
fn hexadecimal_value(text: &[u8]) -> Option<f64> {
    let p = text.iter().position(|b| matches!(b, b'p' | b'P'))?;
    let (significand, exponent) = (&text[..p], &text[p + 1..]);
    // up to 64 significant bits; those that do not fit only matter as "not exactly this"
    let mut bits: u64 = 0;
    let mut inexact = false;
    let mut binary_exponent: i64 = 0;
    let mut digits = 0usize;
    let mut point = false;
    for &byte in significand {
        if byte == b'.' {
            if point {
                return None;
            }
            point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        digits += 1;
        if bits >> 60 == 0 {
            bits = (bits << 4) | u64::from(digit);
            binary_exponent -= if point { 4 } else { 0 };
        } else {
            inexact |= digit != 0;
            binary_exponent += if point { 0 } else { 4 };
        }
    }
    if digits == 0 {
        return None;
    }
    let (negative, exponent) = match exponent {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if exponent.is_empty() {
        return None;
    }
    let mut power: i64 = 0;
    for &byte in exponent {
        let digit = char::from(byte).to_digit(10)?;
        power = power.saturating_mul(10).saturating_add(i64::from(digit));
    }
    let power = if negative { -power } else { power };
    Some(round_binary(
        bits,
        inexact,
        binary_exponent.saturating_add(power),
    ))
}

/// The double nearest to `bits` (and a little more, if `inexact`) times two to the power of `exponent`.
fn round_binary(bits: u64, inexact: bool, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let shift = bits.leading_zeros();
    let bits = bits << shift;
    // the value is in [1, 2) times two to the power of `top`
    let top = exponent.saturating_add(63 - i64::from(shift));
    if top > 1023 {
        return f64::INFINITY;
    }
    // 53 bits are kept, fewer of a subnormal
    let dropped = 11 + (-1022 - top).max(0);
    if dropped > 64 {
        return 0.0;
    }
    let (mut kept, lost) = match u32::try_from(dropped) {
        Ok(dropped @ 0..64) => (bits >> dropped, bits << (64 - dropped)),
        _ => (0, bits),
    };
    let half = 1u64 << 63;
    if lost > half || (lost == half && (inexact || kept & 1 == 1)) {
        kept += 1;
    }
    // the carry of rounding moves into the exponent by itself
    let biased = if top < -1022 { 0 } else { (top + 1022) as u64 };
    f64::from_bits((biased << 52) + kept)
}

/// Appends `Double.toString(value)`: `1.0`, `1.0E10`, `NaN`, `-Infinity`. Plain for zero and from 10^-3 to
/// below 10^7, otherwise with an exponent.
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        out.extend_from_slice(b"Infinity");
    } else {
        write_finite(value.abs(), out);
    }
}

/// `Float.toString(value)`, by the rules of [`write_double`] with the digits of a float.
pub fn float_to_string(value: f32) -> String {
    let mut out = Vec::with_capacity(16);
    if value.is_finite() {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        write_finite(value.abs(), &mut out);
    } else {
        write_double(f64::from(value), &mut out);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// A short text on the stack.
struct Digits {
    bytes: [u8; 40],
    len: usize,
}

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let free = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Appends a number that is finite and not negative.
fn write_finite<F: LowerExp>(value: F, out: &mut Vec<u8>) {
    let mut scientific = Digits {
        bytes: [0; 40],
        len: 0,
    };
    // `d.ddde-12`; never longer than the buffer, so writing cannot fail
    let mut written = write!(scientific, "{value:e}");
    if scientific.bytes.get(1) == Some(&b'e') {
        // Java looks for at least two digits: 4.9E-324, where 5E-324 would do
        scientific.len = 0;
        written = write!(scientific, "{value:.1e}");
    }
    let text = scientific.bytes.get(..scientific.len).unwrap_or_default();
    let Some(e) = text
        .iter()
        .position(|&b| b == b'e')
        .filter(|_| written.is_ok())
    else {
        return;
    };
    let exponent = std::str::from_utf8(&text[e + 1..])
        .ok()
        .and_then(|digits| digits.parse::<i32>().ok())
        .unwrap_or(0);
    let (first, mut others) = (text[0], text.get(2..e).unwrap_or_default());
    if others == b"0" {
        others = b"";
    }
    match exponent {
        // zero, too, has the exponent 0
        0..7 => {
            let places = exponent as usize;
            out.push(first);
            let integer = others.len().min(places);
            out.extend_from_slice(&others[..integer]);
            out.extend(std::iter::repeat_n(b'0', places - integer));
            out.push(b'.');
            push_fraction(&others[integer..], out);
        }
        -3..0 => {
            out.extend_from_slice(&b"0.00"[..(1 - exponent) as usize]);
            out.push(first);
            out.extend_from_slice(others);
        }
        _ => {
            out.push(first);
            out.push(b'.');
            push_fraction(others, out);
            out.push(b'E');
            out.extend_from_slice(&text[e + 1..]);
        }
    }
}

/// Java always prints a digit behind the point.
fn push_fraction(digits: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (10.0, "10.0"),
            (120.0, "120.0"),
            (100.25, "100.25"),
            (0.5, "0.5"),
            (0.05, "0.05"),
            (0.001, "0.001"),
            (0.0012, "0.0012"),
            (0.000_999_9, "9.999E-4"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999, "9999999.999"),
            (1.0e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (1.2e100, "1.2E100"),
            (1e23, "1.0E23"),
            (2e-3, "0.002"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::from_bits(2), "9.9E-324"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(print(value), text);
        }
    }

    #[test]
    fn floats_print_as_in_java() {
        for (value, text) in [
            (0.0f32, "0.0"),
            (-0.0, "-0.0"),
            (37.7749, "37.7749"),
            (-122.4194, "-122.4194"),
            (0.1, "0.1"),
            (1.0e7, "1.0E7"),
            (16_777_216.0, "1.6777216E7"),
            (1.0e-4, "1.0E-4"),
            (f32::MAX, "3.4028235E38"),
            (f32::from_bits(1), "1.4E-45"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float_to_string(value), text);
        }
    }

    #[test]
    fn doubles_parse_as_in_java() {
        for (text, value) in [
            ("1", Some(1.0)),
            (" 1.5\t", Some(1.5)),
            ("+1.", Some(1.0)),
            ("-.5", Some(-0.5)),
            ("1e3", Some(1000.0)),
            ("1.E+3", Some(1000.0)),
            ("1d", Some(1.0)),
            ("1.5F", Some(1.5)),
            ("1e5D", Some(100_000.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-1e99999999999999999999", Some(f64::NEG_INFINITY)),
            ("1e-99999999999999999999", Some(0.0)),
            ("Infinity", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x1p0", Some(1.0)),
            ("-0X1.8P1", Some(-3.0)),
            ("0x.8p1f", Some(1.0)),
            ("0x1.p-1", Some(0.5)),
            ("0x10p0", Some(16.0)),
            ("0x0p99", Some(0.0)),
            ("0x1p1024", Some(f64::INFINITY)),
            ("0x1p-1074", Some(f64::from_bits(1))),
            ("0x1p-1075", Some(0.0)),
            ("0x1.1p-1075", Some(f64::from_bits(1))),
            ("0x3p-1075", Some(f64::from_bits(2))),
            ("0x1.fffffffffffffp1023", Some(f64::MAX)),
            ("0x1.fffffffffffff8p1023", Some(f64::INFINITY)),
            ("0x1.fffffffffffff7ffffffffffffp1023", Some(f64::MAX)),
            ("0x1.00000000000008p0", Some(1.0)),
            (
                "0x1.000000000000080000000001p0",
                Some(1.000_000_000_000_000_2),
            ),
            ("0x1.00000000000018p0", Some(1.000_000_000_000_000_4)),
            (
                "0x0.fffffffffffffp-1022",
                Some(f64::from_bits(0x000f_ffff_ffff_ffff)),
            ),
            ("0x0.fffffffffffff8p-1022", Some(f64::MIN_POSITIVE)),
            ("0x1p99999999999999999999", Some(f64::INFINITY)),
            ("0x1p-99999999999999999999", Some(0.0)),
            ("0x100000000000000000000000000000000p-128", Some(1.0)),
            ("", None),
            (" ", None),
            ("+", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e+", None),
            ("1dd", None),
            ("1.2.3", None),
            ("1 2", None),
            ("1,5", None),
            ("nan", None),
            ("inf", None),
            ("infinity", None),
            ("NaNd", None),
            ("+-1", None),
            ("٤", None),
            ("\u{a0}1", None),
            ("0x1", None),
            ("0x1p", None),
            ("0xp1", None),
            ("0x.p1", None),
            ("0x1.2.3p1", None),
            ("0x1pa", None),
        ] {
            assert_eq!(parse_double(text), value, "{text}");
        }
        assert!(parse_double("-NaN").is_some_and(f64::is_nan));
    }

    proptest! {
        #[test]
        fn print_and_parse_agree(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_double(&print(value)).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn hexadecimal_agrees_with_the_bits(bits in 0u64..0x7ff0_0000_0000_0000) {
            let value = f64::from_bits(bits);
            let fraction = bits & ((1 << 52) - 1);
            let text = match bits >> 52 {
                0 => format!("0x0.{fraction:013x}p-1022"),
                biased => format!("0x1.{fraction:013x}p{}", biased as i64 - 1023),
            };
            prop_assert_eq!(parse_double(&text), Some(value), "{}", text);
        }
    }
}
