//! Parsing of times as lenient as Joda-Time's (2.9), with its message texts.
//!
//! In: a text, and for [`Pattern`] a pattern. Out: milliseconds since the epoch, or the message of Joda's
//! `IllegalArgumentException`. The parser is Joda's: a tree of elements, where of several
//! alternatives the longest wins and a failure is reported where the furthest one stopped; fields are set from
//! the largest to the smallest and checked then. Texts in the usual fixed form take a short cut.

mod bucket;
mod element;
mod pattern;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use super::time::{MILLIS_PER_DAY, days_from_civil, days_in_month};
use bucket::{Bucket, Field};
use element::{Element, run};
pub use pattern::{Pattern, parse_pattern};

/// Parses `{date}T{time}+00:00` like Joda's `ISODateTimeFormat.dateTimeParser`: milliseconds since the
/// epoch, or Joda's message.
pub fn parse_iso_date_time(text: &str) -> Result<i64, String> {
    fixed_iso(text.as_bytes()).map_or_else(|| parse(&ISO_DATE_TIME, text), Ok)
}

/// Parses `yyyy-MM-dd HH:mm:ss.SSS` in UTC, as lenient as Joda (shred's check of timestamps).
pub fn parse_tstamp(text: &str) -> Option<i64> {
    /// A sign, nine digits of a year, and 19 more characters.
    const LONGEST: usize = 29;
    static TSTAMP: LazyLock<Option<Pattern>> =
        LazyLock::new(|| Pattern::new("yyyy-MM-dd HH:mm:ss.SSS").ok());
    if let Some(millis) = fixed_tstamp(text.as_bytes()) {
        return Some(millis);
    }
    if text.len() > LONGEST {
        return None;
    }
    TSTAMP.as_ref()?.parse(text).ok()
}

/// The whole text by the elements, or Joda's message.
fn parse(elements: &[Element], text: &str) -> Result<i64, String> {
    let mut bucket = Bucket::default();
    match run(elements, text.as_bytes(), 0, &mut bucket) {
        Ok(end) if end >= text.len() => bucket
            .millis()
            .map_err(|message| format!("Cannot parse \"{text}\": {message}")),
        Ok(at) | Err(at) => Err(malformed(text, at)),
    }
}

/// Joda's message about a text that could not be read from the byte `at` on; long texts are cut.
fn malformed(text: &str, at: usize) -> String {
    let units = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
    let position = units(text.get(..at).unwrap_or(text));
    let mut sample = String::new();
    let mut length = 0;
    // 32 more are shown, unless three more would do
    let whole = units(text) <= position + 35;
    for c in text.chars() {
        if !whole && length + c.len_utf16() > position + 32 {
            // half of a pair prints as `?`
            if length < position + 32 {
                sample.push('?');
            }
            break;
        }
        length += c.len_utf16();
        sample.push(c);
    }
    if !whole {
        sample.push_str("...");
    }
    if position == 0 {
        format!("Invalid format: \"{sample}\"")
    } else if at >= text.len() {
        format!("Invalid format: \"{sample}\" is too short")
    } else {
        let rest = sample.get(at..).unwrap_or_default();
        format!("Invalid format: \"{sample}\" is malformed at \"{rest}\"")
    }
}

/// `[date]['T'[time][offset]]`, with dates by month and day, week and day, or day of the year.
static ISO_DATE_TIME: LazyLock<Vec<Element>> = LazyLock::new(|| {
    use Element::{Byte, Choice, Fraction, Number, Offset};
    let optional = |elements: Vec<Element>| Choice {
        alternatives: vec![elements],
        optional: true,
    };
    let number = |field: Field, digits: usize| Number {
        field,
        digits,
        signed: false,
    };
    let year = |field: Field| Number {
        field,
        digits: 9,
        signed: true,
    };
    let point = || Choice {
        alternatives: vec![vec![Byte(b'.')], vec![Byte(b',')]],
        optional: false,
    };
    let fraction = |unit: i64| Fraction { unit, digits: 9 };
    let offset = || optional(vec![Offset]);
    let date = Choice {
        alternatives: vec![
            vec![
                year(Field::Year),
                optional(vec![
                    Byte(b'-'),
                    number(Field::MonthOfYear, 2),
                    optional(vec![Byte(b'-'), number(Field::DayOfMonth, 2)]),
                ]),
            ],
            vec![
                year(Field::Weekyear),
                Element::Text("-W".into()),
                number(Field::WeekOfWeekyear, 2),
                optional(vec![Byte(b'-'), number(Field::DayOfWeek, 1)]),
            ],
            vec![year(Field::Year), Byte(b'-'), number(Field::DayOfYear, 3)],
        ],
        optional: false,
    };
    let second = Choice {
        alternatives: vec![
            vec![
                Byte(b':'),
                number(Field::SecondOfMinute, 2),
                optional(vec![point(), fraction(1_000)]),
            ],
            vec![point(), fraction(60_000)],
        ],
        optional: true,
    };
    let minute = Choice {
        alternatives: vec![
            vec![Byte(b':'), number(Field::MinuteOfHour, 2), second],
            vec![point(), fraction(3_600_000)],
        ],
        optional: true,
    };
    let time = || vec![number(Field::HourOfDay, 2), minute.clone()];
    let mut time_only = vec![Byte(b'T')];
    time_only.extend(time());
    time_only.push(offset());
    vec![Choice {
        alternatives: vec![
            time_only,
            vec![date, optional(vec![Byte(b'T'), optional(time()), offset()])],
        ],
        optional: false,
    }]
});

/// Milliseconds since the epoch of `yyyy-MM-dd{separator}HH:mm:ss`, if the 19 bytes are that, and valid.
fn fixed_seconds(bytes: &[u8], separator: u8) -> Option<i64> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        between,
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
    ] = bytes.first_chunk::<19>()?
    else {
        return None;
    };
    if *between != separator {
        return None;
    }
    let two = |high: &u8, low: &u8| {
        let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
        (high < 10 && low < 10).then(|| u32::from(high * 10 + low))
    };
    let year = i64::from(two(y1, y2)? * 100 + two(y3, y4)?);
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(i1, i2)?, two(s1, s2)?);
    if !(1..=12).contains(&month)
        || day == 0
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let of_day = i64::from((hour * 60 + minute) * 60 + second) * 1_000;
    Some(days_from_civil(year, month, i64::from(day)) * MILLIS_PER_DAY + of_day)
}

/// `yyyy-MM-dd HH:mm:ss.SSS`, as the enricher writes it.
fn fixed_tstamp(bytes: &[u8]) -> Option<i64> {
    let seconds = fixed_seconds(bytes, b' ')?;
    match bytes.get(19..)? {
        [b'.', a, b, c] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => {
            Some(seconds + digits(&[*a, *b, *c]))
        }
        _ => None,
    }
}

/// `yyyy-MM-ddTHH:mm:ss[.SSS]+00:00`, as the CloudFront loader makes it.
fn fixed_iso(bytes: &[u8]) -> Option<i64> {
    let seconds = fixed_seconds(bytes, b'T')?;
    match bytes.get(19..)?.strip_suffix(b"+00:00")? {
        [] => Some(seconds),
        [b'.', a, b, c] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => {
            Some(seconds + digits(&[*a, *b, *c]))
        }
        _ => None,
    }
}

/// The value of ASCII digits.
fn digits(bytes: &[u8]) -> i64 {
    bytes
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
}
