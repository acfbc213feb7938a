//! Times and spans as they are printed in logs, summaries and tracking events.

use chrono::{DateTime, Local, TimeZone};
use engine::text::time::format_iso_millis;

/// `HH:MM:SS` from start to end: hours have at least two digits and may exceed 24. `elapsed time n/a` when one is missing.
pub fn elapsed(start_ms: Option<i64>, end_ms: Option<i64>) -> String {
    match (start_ms, end_ms) {
        (Some(start), Some(end)) => {
            let seconds = (end - start).max(0) / 1000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
        }
        _ => "elapsed time n/a".into(),
    }
}

/// `YYYY-MM-DD hh:mm:ss +zzzz` in local time; nothing when there is no time.
pub fn local_seconds(millis: Option<i64>) -> String {
    local(millis, "%Y-%m-%d %H:%M:%S %z")
}

/// `YYYY-MM-DDThh:mm:ss.ffffff` in local time.
pub fn local_micros(now: DateTime<Local>) -> String {
    now.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// `YYYY-MM-DDThh:mm:ssZ` in UTC. EmrEtlRunner R108 prints local time and calls it UTC.
pub fn utc_seconds(millis: i64) -> String {
    let text = format_iso_millis(millis);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

fn local(millis: Option<i64>, format: &str) -> String {
    millis
        .and_then(|millis| Local.timestamp_millis_opt(millis).single())
        .map(|time| time.format(format).to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (start, end, expected) in [
            (Some(0), Some(0), "00:00:00"),
            (Some(1000), Some(62_999), "00:01:01"),
            (Some(0), Some(90_061_000), "25:01:01"),
            (Some(0), Some(400_000_000), "111:06:40"),
            (Some(5000), Some(0), "00:00:00"),
            (None, Some(1), "elapsed time n/a"),
            (Some(1), None, "elapsed time n/a"),
        ] {
            assert_eq!(elapsed(start, end), expected);
        }
    }

    #[test]
    fn times() {
        assert_eq!(utc_seconds(1_532_427_330_123), "2018-07-24T10:15:30Z");
        assert_eq!(local_seconds(None), "");
        let printed = local_seconds(Some(1_532_427_330_123));
        let read = DateTime::parse_from_str(&printed, "%Y-%m-%d %H:%M:%S %z").unwrap();
        assert_eq!(read.timestamp_millis(), 1_532_427_330_000);
        assert_eq!(printed.len(), "2018-07-24 10:15:30 +0000".len());
        let time = Local
            .timestamp_micros(1_532_427_330_123_456)
            .single()
            .unwrap();
        assert!(local_micros(time).ends_with(":30.123456"));
    }
}
