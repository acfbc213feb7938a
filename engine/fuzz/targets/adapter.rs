//! Payloads of every adapter become raw events, and these enriched events.
//!
//! Byte 1 names the adapter (`a` is the first), byte 2 the content type. Then a query string, and after a line feed a body.
#![no_main]

use engine::adapter::raw_events;
use engine::collector::payload::{
    CollectorApi, CollectorContext, CollectorPayload, CollectorSource,
};
use engine::input::decode_utf8;
use engine::text::querystring::parse_querystring;
use libfuzzer_sys::fuzz_target;

const ADAPTERS: [(&str, &str); 20] = [
    ("com.snowplowanalytics.snowplow", "tp1"),
    ("com.snowplowanalytics.snowplow", "tp2"),
    ("r", "tp2"),
    ("com.snowplowanalytics.iglu", "v1"),
    ("com.amazon.aws.cloudfront", "wd_access_log"),
    ("com.callrail", "v1"),
    ("com.getvero", "v1"),
    ("com.google.analytics", "v1"),
    ("com.hubspot", "v1"),
    ("com.mailchimp", "v1"),
    ("com.mailgun", "v1"),
    ("com.mandrill", "v1"),
    ("com.marketo", "v1"),
    ("com.olark", "v1"),
    ("com.pagerduty", "v1"),
    ("com.pingdom", "v1"),
    ("com.sendgrid", "v3"),
    ("com.statusgator", "v1"),
    ("com.unbounce", "v1"),
    ("com.urbanairship.connect", "v1"),
];

const CONTENT_TYPES: [Option<&str>; 5] = [
    None,
    Some("application/json"),
    Some("application/json; charset=utf-8"),
    Some("application/x-www-form-urlencoded"),
    Some("multipart/form-data; boundary=353d603f-eede-4b49-97ac-724fbc54ea3c"),
];

fuzz_target!(|data: &[u8]| {
    let Some((&[adapter, content_type], rest)) = data.split_first_chunk() else {
        return;
    };
    let (vendor, version) = ADAPTERS[usize::from(adapter.wrapping_sub(b'a')) % ADAPTERS.len()];
    let content_type =
        CONTENT_TYPES[usize::from(content_type.wrapping_sub(b'0')) % CONTENT_TYPES.len()];
    let text = decode_utf8(rest);
    let (querystring, body) = match text.split_once('\n') {
        Some((querystring, body)) => (querystring, Some(body)),
        None => (&*text, None),
    };
    let Ok(querystring) = parse_querystring(Some(querystring), "UTF-8") else {
        return;
    };
    let payload = CollectorPayload {
        api: CollectorApi {
            vendor: vendor.to_owned(),
            version: version.to_owned(),
        },
        querystring,
        content_type: content_type.map(str::to_owned),
        body: body.map(str::to_owned),
        source: CollectorSource {
            name: "fuzz".to_owned(),
            encoding: "UTF-8".to_owned(),
            hostname: None,
        },
        context: CollectorContext {
            timestamp_ms: Some(1_532_427_330_000),
            ..CollectorContext::default()
        },
    };
    match raw_events(payload, &checks::RESOLVER) {
        Ok(events) => {
            assert!(!events.is_empty());
            events.iter().for_each(checks::enrich_raw_event);
        }
        Err(failure) => assert!(!failure.into_messages().is_empty()),
    }
});
