//! The elements of a parser and how they read.
//!
//! Positions are in bytes; whatever an element takes is ASCII or literal text.

use super::bucket::{Bucket, Field};

/// A step of a parser.
#[derive(Debug, Clone)]
pub(super) enum Element {
    /// One ASCII character, in any case.
    Byte(u8),
    /// A text, in any ASCII case.
    Text(Box<str>),
    /// Up to so many ASCII digits, with a sign if `signed`.
    Number {
        field: Field,
        digits: usize,
        signed: bool,
    },
    /// Up to so many digits of a fraction of a unit of so many milliseconds.
    Fraction { unit: i64, digits: usize },
    /// `Z`, or sign and hours, with minutes, seconds and milliseconds behind.
    Offset,
    /// The longest of several, or nothing if optional.
    Choice {
        alternatives: Vec<Vec<Element>>,
        optional: bool,
    },
}

/// Reads by all elements in turn: the end, or where the reading failed.
pub(super) fn run(
    elements: &[Element],
    text: &[u8],
    start: usize,
    bucket: &mut Bucket,
) -> Result<usize, usize> {
    let mut at = start;
    for element in elements {
        at = match element {
            Element::Byte(byte) => match text.get(at) {
                Some(found) if found.eq_ignore_ascii_case(byte) => at + 1,
                _ => return Err(at),
            },
            Element::Text(literal) => match text.get(at..at + literal.len()) {
                Some(found) if found.eq_ignore_ascii_case(literal.as_bytes()) => at + literal.len(),
                _ => return Err(at),
            },
            Element::Number {
                field,
                digits,
                signed,
            } => number(*field, *digits, *signed, text, at, bucket)?,
            Element::Fraction { unit, digits } => fraction(*unit, *digits, text, at, bucket)?,
            Element::Offset => offset(text, at, bucket)?,
            Element::Choice {
                alternatives,
                optional,
            } => choice(alternatives, *optional, text, at, bucket)?,
        };
    }
    Ok(at)
}

/// The number of ASCII digits at `at`, `limit` at most.
fn count_digits(text: &[u8], at: usize, limit: usize) -> usize {
    text.iter()
        .skip(at)
        .take(limit)
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

fn number(
    field: Field,
    digits: usize,
    signed: bool,
    text: &[u8],
    start: usize,
    bucket: &mut Bucket,
) -> Result<usize, usize> {
    let mut at = start;
    let sign = text
        .get(at)
        .filter(|byte| signed && matches!(byte, b'-' | b'+'));
    if sign.is_some() {
        at += 1;
    }
    let count = count_digits(text, at, digits);
    if count == 0 || (sign.is_some() && digits < 2) {
        return Err(start);
    }
    let value = super::digits(&text[at..at + count]);
    let value = if sign == Some(&b'-') { -value } else { value };
    if bucket.save(field, value) {
        Ok(at + count)
    } else {
        Err(start)
    }
}

fn fraction(
    unit: i64,
    digits: usize,
    text: &[u8],
    start: usize,
    bucket: &mut Bucket,
) -> Result<usize, usize> {
    let count = count_digits(text, start, digits);
    if count == 0 {
        return Err(start);
    }
    // every digit is cut to a tenth of a millisecond on its own
    let mut scale = unit * 10;
    let mut value = 0;
    for digit in &text[start..start + count] {
        scale /= 10;
        value += i64::from(digit - b'0') * scale;
    }
    let field = match unit {
        3_600_000 => Field::FractionOfHour,
        60_000 => Field::FractionOfMinute,
        _ => Field::FractionOfSecond,
    };
    if bucket.save(field, value / 10) {
        Ok(start + count)
    } else {
        Err(start)
    }
}

fn offset(text: &[u8], start: usize, bucket: &mut Bucket) -> Result<usize, usize> {
    let byte = |at: usize| text.get(at).copied();
    if byte(start).is_some_and(|b| b.eq_ignore_ascii_case(&b'Z')) {
        bucket.offset = 0;
        return Ok(start + 1);
    }
    let negative = match byte(start) {
        Some(b'-') => true,
        Some(b'+') => false,
        _ => return Err(start),
    };
    if text.len() - start <= 1 {
        return Err(start);
    }
    let two = |at: usize, most: i64| {
        if count_digits(text, at, 2) < 2 {
            return Err(at);
        }
        let value = super::digits(&text[at..at + 2]);
        if value > most { Err(at) } else { Ok(value) }
    };
    let mut at = start + 1;
    let mut millis = two(at, 23)? * 3_600_000;
    at += 2;
    let separated = byte(at) == Some(b':');
    let mut unit = 60_000;
    // minutes, then seconds; after digits without colons, digits without colons
    while unit >= 1_000 {
        match byte(at) {
            Some(b':') if separated => at += 1,
            Some(b'0'..=b'9') if !separated => {}
            _ => break,
        }
        millis += two(at, 59)? * unit;
        at += 2;
        unit /= 60;
    }
    if unit < 1_000 {
        let more = match byte(at) {
            Some(b'.' | b',') if separated => {
                at += 1;
                true
            }
            Some(b'0'..=b'9') => !separated,
            _ => false,
        };
        if more {
            let count = count_digits(text, at, 3);
            if count == 0 {
                return Err(at);
            }
            for (digit, scale) in text[at..at + count].iter().zip([100, 10, 1]) {
                millis += i64::from(digit - b'0') * scale;
            }
            at += count;
        }
    }
    bucket.offset = if negative { -millis } else { millis };
    Ok(at)
}

fn choice(
    alternatives: &[Vec<Element>],
    optional: bool,
    text: &[u8],
    start: usize,
    bucket: &mut Bucket,
) -> Result<usize, usize> {
    let original = *bucket;
    let mut best: Option<(usize, Bucket)> = None;
    let mut furthest_failure = start;
    for (index, alternative) in alternatives.iter().enumerate() {
        match run(alternative, text, start, bucket) {
            Ok(end) if end > best.map_or(start, |(end, _)| end) => {
                if end >= text.len() || index + 1 == alternatives.len() {
                    return Ok(end);
                }
                best = Some((end, *bucket));
            }
            Ok(_) => {}
            Err(at) => furthest_failure = furthest_failure.max(at),
        }
        *bucket = original;
    }
    match best {
        Some((end, state)) => {
            *bucket = state;
            Ok(end)
        }
        None if optional => Ok(start),
        None => Err(furthest_failure),
    }
}
