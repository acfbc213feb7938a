//! Columns that come from the collector and from the job, before any parameter is read.

use crate::event::Field;
use crate::text::url_decode;

use super::draft::Draft;
use super::failures::FailureStep;

/// Sets what cannot fail. The collector's values are taken as they are, not made TSV-safe; tracker
/// parameters may replace `event_id`, `v_collector`, `network_userid` and `user_ipaddress`.
pub(super) fn set(draft: &mut Draft<'_>, event_id: String, v_etl: &str, etl_tstamp: &str) {
    let (source, context) = (&draft.raw.source, &draft.raw.context);
    let event = &mut draft.event;
    event.set(Field::EventId, &event_id);
    event.set(Field::VCollector, &source.name);
    event.set(Field::VEtl, v_etl);
    event.set(Field::EtlTstamp, etl_tstamp);
    event.set_or_clear(Field::NetworkUserid, context.user_id.as_deref());
    event.set_or_clear(Field::UserIpaddress, context.ip_address.as_deref());
}

/// Percent-decodes the collector's user agent. Thrift records hold it undecoded, but the reference
/// decodes them all the same: a plus sign becomes a space, a lone percent sign fails the event.
pub(super) fn useragent(draft: &mut Draft<'_>) {
    let Some(useragent) = &draft.raw.context.useragent else {
        return;
    };
    let encoding = &draft.raw.source.encoding;
    let decoded = url_decode::decode_field(encoding, "useragent", useragent);
    if let Some(text) = draft.failures.keep(FailureStep::Useragent, decoded) {
        draft.event.set(Field::Useragent, &text);
    }
}

/// A collector version must be left when the parameters are read: `cv=` takes it away.
pub(super) fn check_version(draft: &mut Draft<'_>) {
    if draft.event.get(Field::VCollector).is_none_or(str::is_empty) {
        let text = "Collector version not set".to_owned();
        draft.failures.push(FailureStep::CollectorVersion, text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn collector_values_are_taken_as_they_are() {
        let mut raw = raw_event(&[]);
        raw.source.name = "ssc\t1".to_owned();
        raw.context.user_id = Some(String::new());
        raw.context.ip_address = None;
        let mut draft = Draft::new(&raw);
        set(&mut draft, "id".into(), "etl", "now");
        let values: Vec<_> = draft.event.values().map(|(f, v)| (f.name(), v)).collect();
        assert_eq!(
            values,
            [
                ("etl_tstamp", "now"),
                ("event_id", "id"),
                ("v_collector", "ssc\t1"),
                ("v_etl", "etl"),
                ("network_userid", ""),
            ]
        );
    }

    #[test]
    fn useragent_is_decoded() {
        let cases = [
            (None, None, false),
            (Some("Ruby+1.9%3b"), Some("Ruby 1.9;"), false),
            (Some(""), Some(""), false),
            (Some("50%"), None, true),
        ];
        for (sent, column, fails) in cases {
            let mut raw = raw_event(&[]);
            raw.context.useragent = sent.map(str::to_owned);
            let mut draft = Draft::new(&raw);
            useragent(&mut draft);
            assert_eq!(draft.event.get(Field::Useragent), column, "{sent:?}");
            assert_eq!(draft.failures.has(FailureStep::Useragent), fails);
        }
    }

    #[test]
    fn an_empty_collector_version_fails() {
        for (version, fails) in [(None, true), (Some(""), true), (Some("cf"), false)] {
            let raw = raw_event(&[]);
            let mut draft = Draft::new(&raw);
            draft.event.set_or_clear(Field::VCollector, version);
            check_version(&mut draft);
            assert_eq!(draft.failures.has(FailureStep::CollectorVersion), fails);
        }
    }
}
