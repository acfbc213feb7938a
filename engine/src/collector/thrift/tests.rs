//! Tests of [`super::parse_record`] with records built here.

use super::protocol::wire;
use super::*;

const SCHEMA: &str = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0";

/// Writes a struct field by field.
#[derive(Default, Clone)]
struct Writer(Vec<u8>);

impl Writer {
    fn head(mut self, kind: u8, id: i16) -> Self {
        self.0.push(kind);
        self.0.extend(id.to_be_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend((bytes.len() as u32).to_be_bytes());
        self.0.extend(bytes);
        self
    }

    fn string(self, id: i16, text: &str) -> Self {
        self.head(wire::STRING, id).bytes(text.as_bytes())
    }

    fn i64(mut self, id: i16, value: i64) -> Self {
        self = self.head(wire::I64, id);
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i32(mut self, id: i16, value: i32) -> Self {
        self = self.head(wire::I32, id);
        self.0.extend(value.to_be_bytes());
        self
    }

    fn list(mut self, id: i16, items: &[&str]) -> Self {
        self = self.head(wire::LIST, id);
        self.0.push(wire::STRING);
        self.0.extend((items.len() as u32).to_be_bytes());
        for item in items {
            self = self.bytes(item.as_bytes());
        }
        self
    }

    fn stop(mut self) -> Vec<u8> {
        self.0.push(wire::STOP);
        self.0
    }
}

fn record() -> Writer {
    Writer::default()
        .string(31337, SCHEMA)
        .string(100, "10.0.0.1")
        .i64(200, 1_381_175_274_000)
        .string(210, "UTF-8")
        .string(220, "ssc-0.13.0-kinesis")
}

fn legacy_record() -> Writer {
    let mut writer = Writer::default()
        .i64(1, 1_390_000_000_123)
        .string(20, "ssc-0.0.1-Stdout")
        .string(30, "UTF-8")
        .string(40, "127.0.0.1")
        .head(wire::STRUCT, 41);
    let payload = Writer::default()
        .i32(1, 1)
        .i32(2, 1)
        .string(3, "a=1&b=2")
        .stop();
    writer.0.extend(payload);
    writer
}

fn payload_of(bytes: &[u8]) -> CollectorPayload {
    match parse_record(bytes) {
        Parsed::Payload(payload) => payload,
        other => panic!("{other:?}"),
    }
}

fn error(text: &str) -> Parsed {
    Parsed::bad(format!("Error deserializing raw event: {text}"))
}

#[test]
fn a_current_record() {
    let bytes = record()
        .string(300, "Mozilla/5.0 (X11)")
        .string(310, "http://a.com/")
        .string(320, "/com.snowplowanalytics.snowplow/tp2")
        .string(340, "{}")
        .list(350, &["Accept: */*", "X-Forwarded-For: 1.2.3.4"])
        .string(360, "application/json")
        .string(400, "collector.a.com")
        .string(410, "8712a379")
        .stop();
    let payload = payload_of(&bytes);
    assert_eq!(payload.api.version, "tp2");
    assert!(payload.querystring.is_empty());
    assert_eq!(payload.content_type.as_deref(), Some("application/json"));
    assert_eq!(payload.body.as_deref(), Some("{}"));
    assert_eq!(payload.source.name, "ssc-0.13.0-kinesis");
    assert_eq!(payload.source.encoding, "UTF-8");
    assert_eq!(payload.source.hostname.as_deref(), Some("collector.a.com"));
    assert_eq!(payload.context.timestamp_ms, Some(1_381_175_274_000));
    assert_eq!(payload.context.ip_address.as_deref(), Some("1.2.3.4"));
    assert_eq!(
        payload.context.useragent.as_deref(),
        Some("Mozilla/5.0 (X11)")
    );
    assert_eq!(payload.context.referer.as_deref(), Some("http://a.com/"));
    assert_eq!(payload.context.headers.len(), 2);
    assert_eq!(payload.context.user_id.as_deref(), Some("8712a379"));
}

#[test]
fn fields_in_any_order_and_unknown_fields() {
    let bytes = Writer::default()
        .string(320, "/i")
        .i64(999, 7)
        .list(998, &["x"])
        // A known id with another type is not the known field.
        .i64(340, 5)
        .string(200, "not a time")
        .string(31337, SCHEMA)
        .stop();
    let payload = payload_of(&bytes);
    assert_eq!(payload.api.version, "tp1");
    assert_eq!(payload.body, None);
    assert_eq!(payload.context.timestamp_ms, Some(0));
    assert_eq!(payload.context.ip_address, None);
    assert_eq!(payload.source.name, "");
}

#[test]
fn a_legacy_record() {
    let bytes = legacy_record()
        .string(45, "h")
        .string(50, "UA")
        .string(60, "http://r/")
        .list(70, &["Cookie: sp=1"])
        .string(80, "uid")
        .stop();
    let payload = payload_of(&bytes);
    assert_eq!(payload.api, api_path::tracker_protocol_1());
    assert_eq!(payload.context.timestamp_ms, Some(1_390_000_000_123));
    assert_eq!(payload.context.ip_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(payload.context.headers, ["Cookie: sp=1"]);
    assert_eq!(payload.context.user_id.as_deref(), Some("uid"));
    assert_eq!(payload.context.useragent.as_deref(), Some("UA"));
    assert_eq!(payload.context.referer.as_deref(), Some("http://r/"));
    assert_eq!(payload.source.hostname.as_deref(), Some("h"));
    assert_eq!((payload.content_type, payload.body), (None, None));
    assert_eq!(
        payload.querystring,
        [
            ("a".to_owned(), Some("1".to_owned())),
            ("b".to_owned(), Some("2".to_owned()))
        ]
    );
}

#[test]
fn a_legacy_record_without_payload() {
    assert_eq!(parse_record(&[wire::STOP]), error("null"));
    assert_eq!(
        parse_record(&Writer::default().i64(1, 5).stop()),
        error("null")
    );
}

#[test]
fn every_cut_of_a_record_is_bad() {
    let bytes = legacy_record().list(70, &["a: b"]).stop();
    for length in 0..bytes.len() {
        match parse_record(&bytes[..length]) {
            Parsed::Bad(messages) => assert!(
                messages[0].starts_with(
                    "Error deserializing raw event: Cannot read. Remote side has closed. Tried \
                     to read "
                ),
                "{messages:?}"
            ),
            other => panic!("{length}: {other:?}"),
        }
    }
    // What follows the struct is not looked at.
    let mut longer = bytes.clone();
    longer.extend(b"\xff\xff");
    assert_eq!(parse_record(&longer), parse_record(&bytes));
}

#[test]
fn text_of_the_reference_for_two_bytes() {
    assert_eq!(
        parse_record(b"\x6d\xa7"),
        error(
            "Cannot read. Remote side has closed. Tried to read 2 bytes, but only got 1 bytes. \
             (This is often indicative of an internal error on the server side. Please check \
             your server logs.)"
        )
    );
}

#[test]
fn query_string_and_path_errors_accumulate() {
    match parse_record(&record().string(330, "a=<>").stop()) {
        Parsed::Bad(messages) => {
            assert_eq!(messages.len(), 2);
            assert!(messages[0].starts_with("Exception extracting name-value pairs"));
            assert_eq!(messages[1], "Request does not contain a path");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        parse_record(&record().string(320, "/a").stop()),
        Parsed::bad(
            "Request path /a does not match (/)vendor/version(/) pattern nor is a legacy \
             /i(ce.png) request"
        )
    );
}

#[test]
fn schemas() {
    let with = |schema: &str| {
        parse_record(
            &Writer::default()
                .string(31337, schema)
                .string(320, "/i")
                .stop(),
        )
    };
    let base = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/";
    assert!(matches!(with(&format!("{base}1-0-0")), Parsed::Payload(_)));
    assert!(matches!(with(&format!("{base}1-0-9")), Parsed::Payload(_)));
    for version in ["1-1-0", "2-0-0"] {
        assert_eq!(
            with(&format!("{base}{version}")),
            Parsed::bad(format!(
                "Verifying record as {base}1-0-* failed: found {base}{version}"
            ))
        );
    }
    assert_eq!(
        with("nonsense"),
        Parsed::bad(
            "error: nonsense is not a valid Iglu-format schema URI\n    level: \"error\"\n"
        )
    );
}

#[test]
fn hostile_lists() {
    // A list of headers that claims 2^31-1 elements.
    let mut bytes = record().string(320, "/i").head(wire::LIST, 350).0;
    bytes.extend([wire::STRING, 0x7f, 0xff, 0xff, 0xff, 0]);
    assert!(matches!(parse_record(&bytes), Parsed::Bad(_)));
    // The same of a type without bytes: the first pass finds nothing wrong, the second does.
    let mut bytes = record().string(320, "/i").head(wire::LIST, 350).0;
    bytes.extend([1, 0x7f, 0xff, 0xff, 0xff, 0]);
    assert!(matches!(parse_record(&bytes), Parsed::Bad(_)));
    let mut bytes = record().string(320, "/i").head(wire::LIST, 350).0;
    bytes.extend([wire::STRING, 0xff, 0xff, 0xff, 0xff, 0]);
    assert_eq!(parse_record(&bytes), error("Illegal Capacity: -1"));
}

#[test]
fn malformed_text_becomes_replacement_characters() {
    let bytes = record()
        .string(320, "/i")
        .head(wire::STRING, 300)
        .bytes(b"a\xffb")
        .stop();
    assert_eq!(
        payload_of(&bytes).context.useragent.as_deref(),
        Some("a\u{fffd}b")
    );
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..20_000 {
        let mut bytes = if round % 2 == 0 {
            record().stop()
        } else {
            Vec::new()
        };
        for _ in 0..(round % 40) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = state.to_be_bytes();
            if bytes.is_empty() || value[0] & 1 == 0 {
                bytes.push(value[1] & 0x1f);
            } else {
                let at = usize::from(value[2]) % bytes.len();
                bytes[at] = value[3];
            }
        }
        parse_record(&bytes);
    }
}
