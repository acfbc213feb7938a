//! Access log of a CloudFront web distribution: a line of it is an event
//! (`CloudfrontAccessLogAdapter`, `com.amazon.aws.cloudfront/wd_access_log`).

use std::borrow::Cow;

use super::raw_event::Parameters;
use super::shared::single_event;
use super::shared::unstruct::Tracker;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::{CollectorContext, CollectorPayload};
use crate::iglu::Resolver;
use crate::json::{Number, Value};
use crate::text::clean::single_encode_pcts;
use crate::text::java_number::{parse_double, parse_int, write_double};
use crate::text::{joda, url_decode};

const TRACKER: Tracker = Tracker {
    version: "com.amazon.aws.cloudfront/wd_access_log",
    platform: "srv",
};

/// Names of the fields from the third on; the first two become `dateTime`.
const NAMES: [&str; 22] = [
    "xEdgeLocation",
    "scBytes",
    "cIp",
    "csMethod",
    "csHost",
    "csUriStem",
    "scStatus",
    "csReferer",
    "csUserAgent",
    "csUriQuery",
    "csCookie",
    "xEdgeResultType",
    "xEdgeRequestId",
    "xHostHeader",
    "csProtocol",
    "csBytes",
    "timeTaken",
    "xForwardedFor",
    "sslProtocol",
    "sslCipher",
    "xEdgeResponseResultType",
    "csProtocolVersion",
];

/// The only raw event of the payload. Its context is what the line says.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let Some(body) = payload.body.take() else {
        return Err(AdapterFailure::rejected(
            "Cloudfront TSV has no body - this should be impossible",
        ));
    };
    let count = memchr::memchr_iter(b'\t', body.as_bytes()).count() + 1;
    let schema = schema(count).ok_or_else(|| {
        AdapterFailure::rejected(format!(
            "Access log TSV line contained {count} fields, expected 12, 15, 18, 19, 23 or 24"
        ))
    })?;
    // A line of twelve fields and more; what is not there reads as empty.
    let fields: Vec<&str> = body.split('\t').collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();

    let (date, time) = (field(0), field(1));
    let timestamp = joda::parse_iso_date_time(&format!("{date}T{time}+00:00")).map_err(|message| {
        format!(
            "Unexpected exception converting Cloudfront web distribution access log date [{date}] \
             and time [{time}] to timestamp: [{message}]"
        )
    });

    let mut members = Vec::with_capacity(count);
    members.push((
        Cow::Borrowed("dateTime"),
        Value::string(format!("{date}T{time}Z")),
    ));
    let mut failures = Vec::new();
    for (name, text) in NAMES.iter().zip(fields.iter().skip(2)) {
        match value(name, text) {
            Ok(value) => members.push((Cow::Borrowed(*name), value)),
            Err(message) => failures.push(message),
        }
    }
    // The reference collects the fields' messages last to first.
    failures.reverse();
    let timestamp = match timestamp {
        Ok(timestamp) if failures.is_empty() => timestamp,
        Ok(_) => return Err(AdapterFailure::Rejected(failures)),
        Err(message) => {
            failures.insert(0, message);
            return Err(AdapterFailure::Rejected(failures));
        }
    };

    let mut querystring = Parameters::new();
    let referer = field(9);
    if !referer.is_empty() {
        querystring.insert("url", Some(referer.to_owned()));
    }
    let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    payload.context = CollectorContext {
        timestamp_ms: Some(timestamp),
        ip_address: present(field(4)),
        useragent: present(&single_encode_pcts(field(10))),
        referer: None,
        headers: Vec::new(),
        user_id: None,
    };
    let parameters = TRACKER.event(&querystring, schema, &Value::Object(members));
    Ok(single_event(payload, parameters))
}

/// The schema for a number of fields.
fn schema(count: usize) -> Option<&'static str> {
    Some(match count {
        12 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-0",
        15 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-1",
        18 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-2",
        19 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-3",
        23 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-4",
        24 => "iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/1-0-5",
        _ => return None,
    })
}

/// The value of one field.
fn value<'a>(name: &str, text: &'a str) -> Result<Value<'a>, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match name {
        "timeTaken" => match parse_double(text) {
            Some(number) => Ok(double(number)),
            None => Err(format!("Field [{name}]: cannot convert [{text}] to Double")),
        },
        "scBytes" | "csBytes" => match parse_int(text) {
            Some(number) => Ok(Value::integer(i64::from(number))),
            None => Err(format!("Field [{name}]: cannot convert [{text}] to Int")),
        },
        "csReferer" | "csUserAgent" => {
            url_decode::decode_field("UTF-8", name, &single_encode_pcts(text)).map(Value::string)
        }
        "csUriQuery" => Ok(Value::String(single_encode_pcts(text))),
        _ => Ok(Value::string(text)),
    }
}

/// A double as JSON; what is not a number prints as a text, as Jackson has it.
fn double(number: f64) -> Value<'static> {
    let mut out = Vec::with_capacity(24);
    write_double(number, &mut out);
    let token = String::from_utf8_lossy(&out).into_owned();
    if number.is_finite() {
        Value::Number(Number {
            token: Cow::Owned(token),
        })
    } else {
        Value::string(token)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused, resolver};
    use super::*;

    const LINE: &str = "2013-10-07\t23:35:30\tc\t100\t255.255.255.255\tf\tg\th\ti\thttp://a.com/x%2520y\tUA/5.0%2520(Mac)\ta=b%2520c\tm\tn\to\tp\tq\t90\t0.001\tr\ts\tt\tu\tHTTP/2.0";

    fn line(count: usize) -> String {
        LINE.split('\t').take(count).collect::<Vec<_>>().join("\t")
    }

    #[test]
    fn numbers_of_fields() {
        for (count, version) in [
            (12, "1-0-0"),
            (15, "1-0-1"),
            (18, "1-0-2"),
            (19, "1-0-3"),
            (23, "1-0-4"),
            (24, "1-0-5"),
        ] {
            let (schema, data) = one(raw_events, posted(&[], None, Some(&line(count))));
            assert_eq!(
                schema,
                format!("iglu:com.amazon.aws.cloudfront/wd_access_log/jsonschema/{version}")
            );
            assert_eq!(data.matches("\":").count(), count - 1);
        }
        for text in ["", "a\tb", &line(20), &format!("{LINE}\tx")] {
            let count = text.split('\t').count();
            assert_eq!(
                refused(raw_events, posted(&[], None, Some(text))),
                [format!(
                    "Access log TSV line contained {count} fields, expected 12, 15, 18, 19, 23 or \
                     24"
                )]
            );
        }
    }

    #[test]
    fn a_line_of_24_fields() {
        let payload = posted(&[("p", "ignored")], None, Some(LINE));
        let event = raw_events(payload.clone(), &resolver()).unwrap().remove(0);
        assert_eq!(
            event.parameters.get("url"),
            Some(&Some("http://a.com/x%2520y".to_owned()))
        );
        assert_eq!(event.parameters.get("p"), Some(&Some("srv".to_owned())));
        assert_eq!(
            event.context,
            CollectorContext {
                timestamp_ms: Some(1_381_188_930_000),
                ip_address: Some("255.255.255.255".to_owned()),
                useragent: Some("UA/5.0%20(Mac)".to_owned()),
                ..CollectorContext::default()
            }
        );
        assert_eq!(
            one(raw_events, payload).1,
            concat!(
                r#"{"dateTime":"2013-10-07T23:35:30Z","xEdgeLocation":"c","scBytes":100,"#,
                r#""cIp":"255.255.255.255","csMethod":"f","csHost":"g","csUriStem":"h","#,
                r#""scStatus":"i","csReferer":"http://a.com/x y","csUserAgent":"UA/5.0 (Mac)","#,
                r#""csUriQuery":"a=b%20c","csCookie":"m","xEdgeResultType":"n","#,
                r#""xEdgeRequestId":"o","xHostHeader":"p","csProtocol":"q","csBytes":90,"#,
                r#""timeTaken":0.001,"xForwardedFor":"r","sslProtocol":"s","sslCipher":"t","#,
                r#""xEdgeResponseResultType":"u","csProtocolVersion":"HTTP/2.0"}"#
            )
        );
    }

    #[test]
    fn empty_fields() {
        let text = "2013-10-07\t23:35:30\t\t\t\t\t\t\t\t\t\t";
        let event = raw_events(posted(&[], None, Some(text)), &resolver())
            .unwrap()
            .remove(0);
        assert_eq!(event.parameters.get("url"), None);
        assert_eq!(event.context.ip_address, None);
        assert_eq!(event.context.useragent, None);
        let (_, data) = one(raw_events, posted(&[], None, Some(text)));
        assert_eq!(data.matches(":null").count(), 10);
    }

    #[test]
    fn failures_come_last_to_first_after_the_timestamp() {
        let text = "20yy-10-07\t23:35:30\tc\tx\ti\tf\tg\th\ti\t%zz\t-\t-\t-\t-\t-\t-\t-\t-\ty";
        let messages = refused(raw_events, posted(&[], None, Some(text)));
        assert_eq!(messages.len(), 5, "{messages:?}");
        assert!(messages[0].starts_with(
            "Unexpected exception converting Cloudfront web distribution access log date \
             [20yy-10-07] and time [23:35:30] to timestamp: ["
        ));
        assert_eq!(
            messages[1],
            "Field [timeTaken]: cannot convert [y] to Double"
        );
        assert_eq!(messages[2], "Field [csBytes]: cannot convert [-] to Int");
        assert!(messages[3].starts_with("Field [csReferer]: Exception URL-decoding [%zz]"));
        assert_eq!(messages[4], "Field [scBytes]: cannot convert [x] to Int");
    }

    #[test]
    fn no_body() {
        assert_eq!(
            refused(raw_events, posted(&[], None, None)),
            ["Cloudfront TSV has no body - this should be impossible"]
        );
    }
}
