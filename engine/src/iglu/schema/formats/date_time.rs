//! `date-time` as Joda-Time parses it with the reference's formatter: fixed digits, `T` and `Z` in
//! either case, one to three digits of fraction, an offset with or without separators.

/// Whether `text` is a date and time with an offset. ASCII digits only.
pub(super) fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(head) = bytes.get(..19) else {
        return false;
    };
    let layout = head.iter().enumerate().all(|(index, byte)| match index {
        4 | 7 => *byte == b'-',
        10 => byte.eq_ignore_ascii_case(&b'T'),
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !layout {
        return false;
    }
    let two = |at: usize| u32::from(head[at] - b'0') * 10 + u32::from(head[at + 1] - b'0');
    let year = two(0) * 100 + two(2);
    if !(1..=12).contains(&two(5))
        || !(1..=days_in_month(year, two(5))).contains(&two(8))
        || two(11) > 23
        || two(14) > 59
        || two(17) > 59
    {
        return false;
    }
    let mut rest = &bytes[19..];
    if let [b'.', fraction @ ..] = rest {
        let digits = digit_count(fraction, 3);
        if digits > 0 {
            rest = &fraction[digits..];
        }
    }
    is_offset(rest)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

fn digit_count(bytes: &[u8], most: usize) -> usize {
    bytes
        .iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// `Z`, or a sign with `hh`, `hhmm`, `hh:mm`, and with seconds and milliseconds where they follow.
fn is_offset(bytes: &[u8]) -> bool {
    let (sign, mut rest) = match bytes {
        [b'Z' | b'z'] => return true,
        [sign, rest @ ..] => (*sign, rest),
        [] => return false,
    };
    if !matches!(sign, b'+' | b'-') || digit_count(rest, 2) < 2 || rest[..2] > b"23"[..] {
        return false;
    }
    rest = &rest[2..];
    let separated = match rest.first() {
        None => return true,
        Some(b':') => {
            rest = &rest[1..];
            true
        }
        Some(byte) if byte.is_ascii_digit() => false,
        Some(_) => return false,
    };
    // minutes, then seconds
    for field in 0..2 {
        if field == 1 {
            match rest.first() {
                None => return true,
                Some(b':') if separated => rest = &rest[1..],
                Some(_) if separated => return false,
                Some(_) => {}
            }
        }
        if digit_count(rest, 2) < 2 || rest[..2] > b"59"[..] {
            return false;
        }
        rest = &rest[2..];
    }
    match rest.first() {
        None => return true,
        Some(b'.' | b',') if separated => rest = &rest[1..],
        Some(_) if separated => return false,
        Some(_) => {}
    }
    let digits = digit_count(rest, 3);
    digits > 0 && digits == rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for text in [
            "2016-06-30T14:31:09Z",
            "2016-06-30t14:31:09z",
            "2016-06-30T14:31:09.1Z",
            "2016-06-30T14:31:09.123+01:00",
            "2016-06-30T14:31:09-0130",
            "2016-06-30T14:31:09+01",
            "2016-06-30T14:31:09+01:00:30",
            "2016-06-30T14:31:09+010030",
            "2016-06-30T14:31:09+01:00:30.5",
            "2016-06-30T14:31:09+01:00:30,5",
            "2016-06-30T14:31:09+010030123",
            "2016-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "0000-02-29T00:00:00Z",
            "9999-12-31T23:59:59+23:59",
        ] {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "",
            "2016-06-30T14:31:09",
            "2016-06-30T14:31:09.Z",
            "2016-06-30T14:31:09.1234Z",
            "2016-06-30T24:00:00Z",
            "2016-06-30T14:60:00Z",
            "2016-06-30T14:31:60Z",
            "2015-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2016-00-10T00:00:00Z",
            "2016-01-00T00:00:00Z",
            "2016-04-31T00:00:00Z",
            "2016-6-30T14:31:09Z",
            "12016-06-30T14:31:09Z",
            "-016-06-30T14:31:09Z",
            "2016-06-30 14:31:09Z",
            "2016-06-30T14:31:09ZZ",
            "2016-06-30T14:31:09+",
            "2016-06-30T14:31:09+1",
            "2016-06-30T14:31:09+24:00",
            "2016-06-30T14:31:09+01:",
            "2016-06-30T14:31:09+01:6",
            "2016-06-30T14:31:09+01:60",
            "2016-06-30T14:31:09+011",
            "2016-06-30T14:31:09+01:0030",
            "2016-06-30T14:31:09+0100:30",
            "2016-06-30T14:31:09é",
            "2016-06-30T14:31:0éZ",
            "٢٠١٦-06-30T14:31:09Z",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
