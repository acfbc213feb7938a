//! Calendar arithmetic and the fixed formats in which times are printed (proleptic Gregorian, UTC).

/// `yyyy-MM-dd HH:mm:ss.SSS` of milliseconds since the epoch; a year has at least four digits.
pub fn format_tstamp(_millis: i64) -> String {
    String::new()
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'` of milliseconds since the epoch.
pub fn format_iso_millis(_millis: i64) -> String {
    String::new()
}

/// Collector time minus the calendar period (Joda's standard period, greedy from years) between created
/// and sent; all in milliseconds since the epoch. Errors are the text of Joda's exception.
pub fn subtract_period(_created: i64, _sent: i64, _collector: i64) -> Result<i64, String> {
    Ok(0)
}
