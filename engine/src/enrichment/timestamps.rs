//! Timestamps of an event: checked, formatted, and derived from each other.
//!
//! All columns are `yyyy-MM-dd HH:mm:ss.SSS` in UTC. Redshift knows no years before 0 and after
//! 9999, so such times are refused.

use crate::event::Field;
use crate::text::java_number::parse_long;
use crate::text::time::{format_tstamp, subtract_period};

use super::draft::Draft;
use super::failures::FailureStep;

/// 0000-01-01T00:00:00.000Z and 10000-01-01T00:00:00.000Z, in milliseconds since the epoch.
const COMPATIBLE: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;

/// Sets `collector_tstamp` from the time that the collector recorded.
pub fn collector(draft: &mut Draft<'_>) {
    match format_collector(draft.raw.context.timestamp_ms) {
        Ok((millis, text)) => {
            draft.times.collector = Some(millis);
            draft.event.set(Field::CollectorTstamp, &text);
        }
        Err(text) => draft.failures.push(FailureStep::CollectorTstamp, text),
    }
}

/// The collector's time and its text.
///
/// # Errors
/// The failure text, when it is absent or out of range.
fn format_collector(millis: Option<i64>) -> Result<(i64, String), String> {
    let millis = millis.ok_or("No collector_tstamp set")?;
    let text = format_tstamp(millis);
    if COMPATIBLE.contains(&millis) {
        Ok((millis, text))
    } else {
        Err(format!(
            "Collector timestamp [{millis}] formatted as [{text}] which isn't Redshift-compatible"
        ))
    }
}

/// A time in a parameter: milliseconds since the epoch, and its text.
///
/// # Errors
/// The failure text, when it is no number, out of range, or absent.
pub fn parse(parameter: &str, value: Option<&str>) -> Result<(i64, String), String> {
    let Some(millis) = value.and_then(parse_long) else {
        let value = value.unwrap_or("null");
        return Err(format!(
            "Field [{parameter}]: [{value}] is not in the expected format (ms since epoch)"
        ));
    };
    let text = format_tstamp(millis);
    if COMPATIBLE.contains(&millis) {
        Ok((millis, text))
    } else {
        let value = value.unwrap_or_default();
        Err(format!(
            "Field [{parameter}]: [{value}] is formatted as [{text}] which isn't Redshift-compatible"
        ))
    }
}

/// Sets `derived_tstamp`: the true time if the tracker knows it; else the collector's time less the
/// time that the event waited on the device; else the collector's time.
pub fn derived(draft: &mut Draft<'_>) {
    let times = draft.times;
    if !draft.event.is_null(Field::TrueTstamp) {
        draft.event.copy(Field::TrueTstamp, Field::DerivedTstamp);
        return;
    }
    if let (Some(created), Some(sent), Some(collector)) =
        (times.created, times.sent, times.collector)
        && created < sent
    {
        match subtract_period(created, sent, collector) {
            Ok(millis) => draft
                .event
                .set(Field::DerivedTstamp, &format_tstamp(millis)),
            Err(exception) => draft.failures.push(
                FailureStep::DerivedTstamp,
                format!("Exception calculating derived timestamp: [{exception}]"),
            ),
        }
        return;
    }
    draft
        .event
        .copy(Field::CollectorTstamp, Field::DerivedTstamp);
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn collector_timestamps() {
        assert_eq!(
            format_collector(None),
            Err("No collector_tstamp set".to_owned())
        );
        assert_eq!(
            format_collector(Some(1000000000001)),
            Ok((1000000000001, "2001-09-09 01:46:40.001".to_owned()))
        );
        assert_eq!(
            format_collector(Some(-63113904000000)),
            Err("Collector timestamp [-63113904000000] formatted as [-0030-01-01 00:00:00.000] which isn't Redshift-compatible".to_owned())
        );
        for (millis, good) in [
            (-62_167_219_200_001, false),
            (-62_167_219_200_000, true),
            (253_402_300_799_999, true),
            (253_402_300_800_000, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            assert_eq!(format_collector(Some(millis)).is_ok(), good, "{millis}");
        }
    }

    #[test]
    fn timestamps_in_parameters() {
        assert_eq!(
            parse("dtm", Some("1506423355307")),
            Ok((1506423355307, "2017-09-26 10:55:55.307".to_owned()))
        );
        assert_eq!(
            parse("stm", Some("-1")),
            Ok((-1, "1969-12-31 23:59:59.999".to_owned()))
        );
        assert_eq!(
            parse("ttm", Some("1111111111111111")),
            Err("Field [ttm]: [1111111111111111] is formatted as [37179-09-17 07:18:31.111] which isn't Redshift-compatible".to_owned())
        );
        for (value, shown) in [
            (None, "null"),
            (Some(""), ""),
            (Some("v"), "v"),
            (Some("1.5"), "1.5"),
            (Some("99999999999999999999"), "99999999999999999999"),
        ] {
            assert_eq!(
                parse("dtm", value),
                Err(format!(
                    "Field [dtm]: [{shown}] is not in the expected format (ms since epoch)"
                ))
            );
        }
        assert!(parse("dtm", Some("9223372036854775807")).is_err());
        assert!(parse("dtm", Some("-9223372036854775808")).is_err());
    }

    /// Derived timestamp of times in milliseconds since the epoch and a true timestamp's text.
    fn derive(
        created: Option<i64>,
        sent: Option<i64>,
        collector: Option<i64>,
        true_tstamp: Option<&str>,
    ) -> Option<String> {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.times.created = created;
        draft.times.sent = sent;
        draft.times.collector = collector;
        let text = collector.map(format_tstamp);
        draft
            .event
            .set_or_clear(Field::CollectorTstamp, text.as_deref());
        draft.event.set_or_clear(Field::TrueTstamp, true_tstamp);
        derived(&mut draft);
        assert!(draft.failures.is_empty());
        draft.event.get(Field::DerivedTstamp).map(str::to_owned)
    }

    #[test]
    fn derived_timestamps() {
        let nine = 1398762054000; // 2014-04-29 09:00:54.000
        let at = |text: &str| Some(format!("2014-04-29 09:00:{text}"));
        assert_eq!(
            derive(Some(nine), Some(nine + 1), Some(nine), None),
            at("53.999")
        );
        assert_eq!(
            derive(Some(nine + 1), Some(nine), Some(nine), None),
            at("54.000")
        );
        assert_eq!(
            derive(Some(nine), Some(nine), Some(nine), None),
            at("54.000")
        );
        assert_eq!(derive(None, Some(nine), Some(nine), None), at("54.000"));
        assert_eq!(derive(Some(nine), None, Some(nine), None), at("54.000"));
        assert_eq!(derive(Some(nine), Some(nine + 1), None, None), None);
        assert_eq!(
            derive(
                Some(nine),
                Some(nine + 1),
                Some(nine),
                Some("2000-01-01 00:00:00.000")
            ),
            Some("2000-01-01 00:00:00.000".to_owned())
        );
        // a calendar month and a day, not 29 days
        assert_eq!(
            derive(
                Some(1391126400000),
                Some(1393632000000),
                Some(1396224005000),
                None
            ),
            Some("2014-02-27 00:00:05.000".to_owned())
        );
    }
}
