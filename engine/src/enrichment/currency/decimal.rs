//! Decimal numbers of any length, with the few operations of `java.math.BigDecimal` that the conversion needs. Nothing is
//! lost but where the reference rounds, which it does half to even.

use std::fmt;

use crate::text::java_number::write_double;

/// Decimals of an inverted rate.
const INVERSE_SCALE: usize = 6;

/// `0.digits * 10^(length - scale)`: the digits are those of the unscaled value, without leading zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// 0 to 9, the most significant first; empty for zero.
    digits: Vec<u8>,
    /// Digits behind the point; negative for zeros before it.
    scale: i32,
}

impl Decimal {
    fn new(is_negative: bool, digits: impl IntoIterator<Item = u8>, scale: i32) -> Self {
        let digits: Vec<u8> = digits.into_iter().skip_while(|digit| *digit == 0).collect();
        Self {
            is_negative: is_negative && !digits.is_empty(),
            digits,
            scale,
        }
    }

    /// The exact value of a double; `None` for infinity and NaN.
    pub(super) fn of_double(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value == 0.0 {
            return Some(Self::default());
        }
        // A double is a whole number of 2^exponent, so its fraction ends after as many decimals.
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff).max(1) as i32 - 1075;
        let mantissa = bits & ((1 << 52) - 1);
        let twos = if mantissa == 0 {
            52
        } else {
            mantissa.trailing_zeros().min(52) as i32
        };
        let decimals = usize::try_from(-(exponent + twos)).unwrap_or(0);
        Self::parse(&format!("{value:.decimals$}"))
    }

    /// `BigDecimal.valueOf(double)`: the digits that Java prints of it, as Jackson reads rates.
    pub(super) fn of_printed(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let mut text = Vec::with_capacity(24);
        write_double(value, &mut text);
        Self::parse(std::str::from_utf8(&text).ok()?)
    }

    /// Reads digits with an optional sign, point and exponent, which are known to be well formed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let unsigned = number.strip_prefix('-');
        let (is_negative, number) = (unsigned.is_some(), unsigned.unwrap_or(number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = whole.bytes().chain(fraction.bytes());
        if !digits.clone().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Some(Self::new(is_negative, digits.map(|d| d - b'0'), scale))
    }

    /// The exact product.
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut sums = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            for (j, b) in other.digits.iter().enumerate() {
                // at most 81 for each of a few thousand digits
                sums[i + j + 1] += u32::from(*a) * u32::from(*b);
            }
        }
        for at in (1..sums.len()).rev() {
            sums[at - 1] += sums[at] / 10;
            sums[at] %= 10;
        }
        let is_negative = self.is_negative != other.is_negative;
        // the first digit has no carry left: the product has no more digits
        let digits = sums.into_iter().map(|digit| digit as u8);
        Self::new(is_negative, digits, self.scale.saturating_add(other.scale))
    }

    /// One divided by this, rounded to six decimals; `None` for zero, and for more digits than a rate can have.
    pub(super) fn inverse(&self) -> Option<Self> {
        let divisor = self.digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(*digit))
        })?;
        if divisor == 0 {
            return None;
        }
        let divisor = u128::from(divisor);
        // 10^places / divisor, digit by digit
        let places = self.scale.saturating_add(INVERSE_SCALE as i32);
        let mut digits = Vec::new();
        let mut rest = 0;
        if places >= 0 {
            rest = 1;
            for place in 0..=places {
                if place > 0 {
                    rest *= 10;
                }
                digits.push((rest / divisor) as u8);
                rest %= divisor;
            }
        }
        let is_even = digits.last().is_none_or(|digit| digit % 2 == 0);
        // less than one at so many places is less than half of the last one
        let is_up = places >= 0 && (2 * rest > divisor || 2 * rest == divisor && !is_even);
        if is_up {
            increment(&mut digits);
        }
        Some(Self::new(self.is_negative, digits, INVERSE_SCALE as i32))
    }

    /// The plain text, rounded half to even to so many decimals.
    pub(super) fn rounded(&self, decimals: usize) -> String {
        let length = self.digits.len() as i64;
        // digits that stay, counted from the first; more than there are: zeros follow
        let kept = length - i64::from(self.scale) + decimals as i64;
        let mut digits: Vec<u8> = match usize::try_from(kept) {
            Ok(kept) => {
                let digits = self.digits.iter().copied();
                digits.chain(std::iter::repeat(0)).take(kept).collect()
            }
            Err(_) => Vec::new(),
        };
        let half = usize::try_from(kept)
            .ok()
            .and_then(|kept| self.digits.get(kept..));
        if let Some([first, others @ ..]) = half {
            let is_odd = digits.last().is_some_and(|digit| digit % 2 == 1);
            let is_over = others.iter().any(|digit| *digit > 0);
            if *first > 5 || *first == 5 && (is_over || is_odd) {
                increment(&mut digits);
            }
        }
        let is_zero = digits.iter().all(|digit| *digit == 0);
        let missing = (decimals + 1).saturating_sub(digits.len());
        let mut text = String::with_capacity(digits.len() + missing + 2);
        if self.is_negative && !is_zero {
            text.push('-');
        }
        let all = std::iter::repeat_n(0, missing).chain(digits.iter().copied());
        let before_point = missing + digits.len() - decimals;
        for (at, digit) in all.enumerate() {
            if at == before_point {
                text.push('.');
            }
            text.push(char::from(b'0' + digit));
        }
        text
    }
}

/// Adds one to the last digit.
fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

/// `BigDecimal.toString`: an exponent where there are many zeros.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = match self.digits.as_slice() {
            [] => "0".to_owned(),
            digits => digits.iter().map(|d| char::from(b'0' + d)).collect(),
        };
        let sign = if self.is_negative { "-" } else { "" };
        let exponent = digits.len() as i64 - 1 - i64::from(self.scale);
        if self.scale >= 0 && exponent >= -6 {
            let scale = self.scale as usize;
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            let point = if scale > 0 { "." } else { "" };
            return write!(f, "{sign}{whole}{point}{fraction}");
        }
        let (first, others) = digits.split_at(1);
        let point = if others.is_empty() { "" } else { "." };
        write!(f, "{sign}{first}{point}{others}E{exponent:+}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn doubles_are_exact() {
        for (double, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (12.5, "12.5"),
            (-0.75, "-0.75"),
            (
                0.1,
                "0.1000000000000000055511151231257827021181583404541015625",
            ),
            (
                10.99,
                "10.9900000000000002131628207280300557613372802734375",
            ),
            (1e22, "10000000000000000000000"),
            (9007199254740993.0, "9007199254740992"),
        ] {
            assert_eq!(Decimal::of_double(double).unwrap().to_string(), text);
        }
        let tiny = Decimal::of_double(f64::from_bits(1)).unwrap();
        assert!(tiny.to_string().starts_with("4.940656458412465441765"));
        assert!(tiny.to_string().ends_with("E-324"));
        assert_eq!(tiny.rounded(2), "0.00");
        let huge = Decimal::of_double(f64::MAX).unwrap();
        assert_eq!(huge.rounded(0).len(), 309);
        assert_eq!(Decimal::of_double(f64::INFINITY), None);
        assert_eq!(Decimal::of_double(f64::NAN), None);
    }

    #[test]
    fn rates_are_as_java_prints_them() {
        for (double, text) in [
            (1.0, "1.0"),
            (0.72, "0.72"),
            (25671.505, "25671.505"),
            (1e-7, "1.0E-7"),
            (12345678.9, "12345678.9"),
            (1e10, "1.0E+10"),
        ] {
            assert_eq!(Decimal::of_printed(double).unwrap().to_string(), text);
        }
    }

    #[test]
    fn inverses_have_six_decimals() {
        for (rate, inverse) in [
            ("0.62", "1.612903"),
            ("0.638161", "1.567003"),
            ("1", "1.000000"),
            ("3", "0.333333"),
            ("1.5", "0.666667"),
            // half of the last place, to even
            ("2000000", "0.000000"),
            ("0.00000064", "1562500.000000"),
            ("64000", "0.000016"),
            ("400000", "0.000002"),
            ("666666.67", "0.000001"),
            ("1.0E10", "0.000000"),
            ("1.0E-7", "10000000.000000"),
        ] {
            let found = decimal(rate).inverse().unwrap();
            assert_eq!(
                (found.rounded(6).as_str(), found.scale),
                (inverse, 6),
                "{rate}"
            );
        }
        assert_eq!(decimal("0.000").inverse(), None);
        assert_eq!(decimal("123456789012345678901234").inverse(), None);
    }

    #[test]
    fn products_and_rounding() {
        for (a, b, decimals, text) in [
            ("8000", "0.798058", 2, "6384.46"),
            ("50", "0.798058", 2, "39.90"),
            ("0", "0.798058", 2, "0.00"),
            ("-0.001", "1", 2, "0.00"),
            ("-11", "1", 2, "-11.00"),
            ("0.125", "1", 2, "0.12"),
            ("0.135", "1", 2, "0.14"),
            ("0.1250000000000001", "1", 2, "0.13"),
            ("-0.135", "1", 2, "-0.14"),
            ("2.5", "1", 0, "2"),
            ("3.5", "1", 0, "4"),
            ("0.5", "1", 0, "0"),
            ("0.05", "1", 0, "0"),
            ("0.51", "1", 0, "1"),
            ("99.995", "1", 2, "100.00"),
            ("999.9", "1", 0, "1000"),
            ("1", "1E10", 3, "10000000000.000"),
            ("123456789", "987654321", 0, "121932631112635269"),
        ] {
            assert_eq!(
                decimal(a).times(&decimal(b)).rounded(decimals),
                text,
                "{a} * {b}"
            );
        }
    }

    #[test]
    fn texts_of_big_decimals() {
        for text in [
            "0", "0.00", "1.10", "-12.5", "0.000001", "1E-7", "1.23E-8", "1E+3", "0E-7",
        ] {
            assert_eq!(decimal(text).to_string(), text);
        }
    }
}
