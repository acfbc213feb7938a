//! Times as people write them.

use std::time::Duration;

/// Parses `500ms`, `90s`, `15m`, `2h`, `1d`, `1h30m`, or a whole number of seconds.
///
/// # Errors
/// A text that names what is wrong and what is good.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: expected one such as 90s, 15m, 2h or 1d");
    let mut rest = text.trim();
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        return rest.parse().map(Duration::from_secs).map_err(|_| wrong());
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .filter(|end| *end > 0)
            .ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let tail = &rest[digits..];
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let factor = match tail[..unit_end].trim() {
            "ms" => 1,
            "s" | "sec" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        millis = number
            .checked_mul(factor)
            .and_then(|more| millis.checked_add(more))
            .ok_or_else(wrong)?;
        rest = &tail[unit_end..];
    }
    if text.trim().is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_millis(millis))
}

/// A time in words, as [`parse`] reads it: `1h30m`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7200),
            ("1d", 86_400),
            ("1h30m", 5400),
            (" 1 h 30 min ", 5400),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1s50ms"), Ok(Duration::from_millis(1050)));
        for text in [
            "",
            "h",
            "2 weeks",
            "-3s",
            "1.5h",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(parse(text).unwrap_err().contains("is no time"), "{text}");
        }
        assert_eq!(in_words(Duration::from_secs(93_784)), "1d2h3m4s");
        assert_eq!(in_words(Duration::ZERO), "0s");
    }
}
