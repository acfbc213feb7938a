//! Parsing of times as lenient as Joda-Time's, with its message texts.

/// Parses `{date}T{time}+00:00` like Joda's `ISODateTimeFormat.dateTimeParser`: milliseconds since the
/// epoch, or Joda's message.
pub fn parse_iso_date_time(_text: &str) -> Result<i64, String> {
    Err(String::new())
}

/// Parses `yyyy-MM-dd HH:mm:ss.SSS` in UTC, as lenient as Joda (shred's check of timestamps).
pub fn parse_tstamp(_text: &str) -> Option<i64> {
    None
}
