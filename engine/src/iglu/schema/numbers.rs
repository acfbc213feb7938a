//! Numbers as the reference compares them: an integer token is exact at any size, any other token is
//! a double whose value is the shortest decimal that prints it (`BigDecimal.valueOf(double)`).
//!
//! Exponents need no bound: a double has at most 17 digits and an exponent within three digits, and
//! an integer token costs time in proportion to its length. A token beyond the range of doubles is
//! infinite here (the reference throws); it lies outside of every bound and is no multiple of anything.

use std::cmp::Ordering;
use std::hash::Hasher;

use crate::json::{Number, Value};

/// Integers up to this magnitude and doubles compare exactly as doubles.
const EXACT: i64 = 1 << 53;
/// The greatest magnitude below which no two integers have the same double.
const EXACT_DOUBLE: f64 = 9_007_199_254_740_991.0;

/// 2^63, which Java's `(double) Long.MAX_VALUE` is.
const LONG_RANGE: f64 = 9_223_372_036_854_775_808.0;

/// The value of a number token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Num {
    /// An integer token that fits.
    Int(i64),
    /// A longer integer token.
    Big(Decimal),
    /// A token with fraction or exponent.
    Double(f64),
}

/// `digits * 10^exponent`; no leading and no trailing zeros, no digits at all for zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Num {
    /// The value of a token.
    pub(super) fn of(number: &Number<'_>) -> Self {
        Self::parse(&number.token)
    }

    /// The value of a legal JSON number token.
    pub(super) fn parse(token: &str) -> Self {
        // the usual token: digits that cannot overflow
        let digits = token.as_bytes();
        if digits.len() <= 18 && !digits.is_empty() {
            let (mut value, mut plain) = (0_i64, true);
            for byte in digits {
                let digit = byte.wrapping_sub(b'0');
                plain &= digit < 10;
                value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            }
            if plain {
                return Self::Int(value);
            }
        }
        if token.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
            return Self::Double(token.parse().unwrap_or(f64::NAN));
        }
        match token.parse() {
            Ok(value) => Self::Int(value),
            Err(_) => Self::Big(Decimal::of_digits(token)),
        }
    }

    /// The value as Java's `doubleValue`.
    pub(super) fn to_f64(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is wanted")]
            Self::Int(value) => *value as f64,
            Self::Double(value) => *value,
            Self::Big(decimal) => decimal.to_f64(),
        }
    }

    /// Feeds `hasher` with what is the same for equal numbers, and only for them.
    pub(super) fn hash_value(&self, hasher: &mut impl Hasher) {
        let double = self.to_f64();
        if double.abs() <= EXACT_DOUBLE || double.is_infinite() && matches!(self, Self::Double(_)) {
            // + 0.0 makes the two zeros one
            hasher.write_u64((double + 0.0).to_bits());
            return;
        }
        let decimal = self.decimal();
        hasher.write_u8(u8::from(decimal.negative));
        hasher.write_i64(decimal.exponent);
        hasher.write(&decimal.digits);
    }

    fn decimal(&self) -> Decimal {
        match self {
            Self::Int(value) => Decimal::of_digits(&value.to_string()),
            Self::Big(decimal) => decimal.clone(),
            Self::Double(value) => Decimal::of_double(*value),
        }
    }

    /// Numerical order.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => return a.cmp(b),
            (Self::Double(a), Self::Double(b)) => {
                return a.partial_cmp(b).unwrap_or(Ordering::Equal);
            }
            (Self::Double(d), _) if d.is_infinite() => {
                return if *d > 0.0 {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (_, Self::Double(d)) if d.is_infinite() => {
                return if *d > 0.0 {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (Self::Int(i), Self::Double(_)) | (Self::Double(_), Self::Int(i))
                if (-EXACT..=EXACT).contains(i) =>
            {
                return self
                    .to_f64()
                    .partial_cmp(&other.to_f64())
                    .unwrap_or(Ordering::Equal);
            }
            _ => {}
        }
        self.decimal().compare(&other.decimal())
    }

    /// Whether the remainder of a division by `divisor` (not zero) is zero.
    pub(super) fn is_multiple_of(&self, divisor: &Self) -> bool {
        if let (Self::Int(a), Self::Int(b)) = (self, divisor) {
            return a.checked_rem(*b).unwrap_or(0) == 0;
        }
        if !self.to_f64().is_finite() && matches!(self, Self::Double(_)) {
            return false;
        }
        self.decimal().is_multiple_of(&divisor.decimal())
    }
}

impl Decimal {
    fn of_digits(token: &str) -> Self {
        let (negative, text) = match token.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, token),
        };
        Self::normal(
            negative,
            text.bytes().map(|b| b.wrapping_sub(b'0')).collect(),
            0,
        )
    }

    fn of_double(value: f64) -> Self {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches('-');
        let fraction = mantissa
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        let digits = mantissa
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|b| b - b'0')
            .collect();
        let exponent: i64 = exponent.parse().unwrap_or(0);
        Self::normal(
            negative,
            digits,
            exponent.saturating_sub(i64::try_from(fraction).unwrap_or(i64::MAX)),
        )
    }

    fn normal(negative: bool, mut digits: Vec<u8>, mut exponent: i64) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
            exponent = exponent.saturating_add(1);
        }
        let leading = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Self {
                negative: false,
                digits,
                exponent: 0,
            };
        }
        Self {
            negative,
            digits,
            exponent,
        }
    }

    fn to_f64(&self) -> f64 {
        let mut text = String::with_capacity(self.digits.len() + 24);
        if self.negative {
            text.push('-');
        }
        if self.digits.is_empty() {
            text.push('0');
        }
        text.extend(self.digits.iter().map(|d| char::from(d + b'0')));
        text.push('e');
        text.push_str(&self.exponent.to_string());
        text.parse().unwrap_or(f64::NAN)
    }

    /// The position of the first digit, counted from the decimal point.
    fn magnitude(&self) -> i64 {
        self.exponent
            .saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |d: &Self| match (d.digits.is_empty(), d.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (a, b) = (sign(self), sign(other));
        if a != b || a == 0 {
            return a.cmp(&b);
        }
        let order = self
            .magnitude()
            .cmp(&other.magnitude())
            .then_with(|| self.digits.cmp(&other.digits));
        if a < 0 { order.reverse() } else { order }
    }

    fn is_multiple_of(&self, divisor: &Self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        // without trailing zeros the digits are no multiple of ten, hence of no multiple of ten
        let Some(power) = self
            .exponent
            .checked_sub(divisor.exponent)
            .and_then(|power| u64::try_from(power).ok())
        else {
            return false;
        };
        match divisor.digits.iter().try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(*digit))
        }) {
            Some(0) => false,
            Some(modulus) => {
                let modulus = u128::from(modulus);
                let rest = self.digits.iter().fold(0_u128, |rest, digit| {
                    (rest * 10 + u128::from(*digit)) % modulus
                });
                (rest * power_of_ten(power, modulus)).is_multiple_of(modulus)
            }
            None => long_remainder_is_zero(&self.digits, power, &divisor.digits),
        }
    }
}

/// `10^power mod modulus`; the modulus fits 64 bits, so that products fit 128.
fn power_of_ten(mut power: u64, modulus: u128) -> u128 {
    let (mut result, mut base) = (1 % modulus, 10 % modulus);
    while power > 0 {
        if power & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        power >>= 1;
    }
    result
}

/// Schoolbook division for divisors of 20 digits and more. The work is bounded; a pair of numbers
/// beyond the bound is taken for no multiple.
fn long_remainder_is_zero(digits: &[u8], zeros: u64, divisor: &[u8]) -> bool {
    const MAX_WORK: u64 = 20_000_000;
    let length = (digits.len() as u64).saturating_add(zeros);
    if length.saturating_mul(divisor.len() as u64) > MAX_WORK {
        return false;
    }
    // most significant digit first, one digit longer than the divisor
    let mut rest = vec![0_u8; divisor.len() + 1];
    for index in 0..length {
        let digit = usize::try_from(index)
            .ok()
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or(0);
        rest.remove(0);
        rest.push(digit);
        while rest[0] > 0 || rest[1..] >= *divisor {
            let mut borrow = 0_i16;
            for (place, digit) in rest.iter_mut().enumerate().rev() {
                let subtrahend = if place == 0 {
                    0
                } else {
                    i16::from(divisor[place - 1])
                };
                let mut difference = i16::from(*digit) - subtrahend - borrow;
                borrow = i16::from(difference < 0);
                if difference < 0 {
                    difference += 10;
                }
                *digit = u8::try_from(difference).unwrap_or(0);
            }
        }
    }
    rest.iter().all(|digit| *digit == 0)
}

/// A keyword's number as messages show it: what is integral and fits 64 bits prints as an integer.
pub(super) fn shown(number: &Number<'_>) -> Value<'static> {
    match Num::of(number) {
        Num::Int(value) => Value::integer(value),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range was tested, and Java saturates as Rust does"
        )]
        Num::Double(value) if value.fract() == 0.0 && value.abs() <= LONG_RANGE => {
            Value::integer(value as i64)
        }
        _ => Value::Number(Number {
            token: number.token.clone().into_owned().into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_numerical_across_kinds() {
        let cases = [
            ("1", "1.0", Ordering::Equal),
            ("1", "1.5", Ordering::Less),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("100000000000000000000000", "1e23", Ordering::Equal),
            (
                "18446744073709551615",
                "18446744073709551616",
                Ordering::Less,
            ),
            ("-18446744073709551615", "-1", Ordering::Less),
            ("0", "-0.0", Ordering::Equal),
            ("-0", "0", Ordering::Equal),
            ("0.1", "0.10", Ordering::Equal),
            ("1e400", "5", Ordering::Greater),
            ("-1e400", "5", Ordering::Less),
            ("1e-400", "0", Ordering::Equal),
            ("1e999999999999999999999", "1", Ordering::Greater),
        ];
        for (a, b, order) in cases {
            assert_eq!(Num::parse(a).compare(&Num::parse(b)), order, "{a} {b}");
            assert_eq!(
                Num::parse(b).compare(&Num::parse(a)),
                order.reverse(),
                "{b} {a}"
            );
        }
    }

    #[test]
    fn multiples_are_decimal() {
        let cases = [
            ("4", "3", false),
            ("0.3", "0.1", true),
            ("0.07", "0.01", true),
            ("4.35", "0.01", true),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("35", "1.5", false),
            ("4.5", "1.5", true),
            ("1e308", "0.5", true),
            ("10", "100", false),
            ("0", "7", true),
            ("-9", "3", true),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
                true,
            ),
            (
                "246913578024691357802469135780",
                "123456789012345678901234567890",
                true,
            ),
            (
                "246913578024691357802469135781",
                "123456789012345678901234567890",
                false,
            ),
            ("1e400", "2", false),
            ("-9223372036854775808", "-1", true),
        ];
        for (a, b, expected) in cases {
            assert_eq!(
                Num::parse(a).is_multiple_of(&Num::parse(b)),
                expected,
                "{a} {b}"
            );
        }
    }

    #[test]
    fn hostile_sizes_end_soon() {
        let long = format!("1{}", "0".repeat(1_000_000));
        assert!(Num::parse(&long).is_multiple_of(&Num::parse("8")));
        let odd = "1".repeat(1_000_000);
        assert!(!Num::parse(&odd).is_multiple_of(&Num::parse(&"7".repeat(10_000))));
        assert_eq!(
            Num::parse(&odd).compare(&Num::parse("1e300")),
            Ordering::Greater
        );
    }

    #[test]
    fn shown_as_the_reference_shows_bounds() {
        let show = |token: &str| match shown(&Number {
            token: token.to_owned().into(),
        }) {
            Value::Number(n) => n.token.into_owned(),
            other => format!("{other:?}"),
        };
        for (token, text) in [
            ("1e2", "100"),
            ("100.0", "100"),
            ("-0", "0"),
            ("1.5", "1.5"),
            ("1e18", "1000000000000000000"),
            ("1e19", "1e19"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            assert_eq!(show(token), text);
        }
    }
}
