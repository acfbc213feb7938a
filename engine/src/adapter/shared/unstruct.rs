//! Unstructured events, into which webhooks and redirects are wrapped.

use crate::json::Value;
use crate::json::print::{write_compact, write_string};

/// Schema of the envelope.
const UNSTRUCT_EVENT: &str = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0";

/// `{"schema":"{unstruct_event}","data":{event}}` as compact text.
pub(in crate::adapter) fn envelope(event: &Value<'_>) -> String {
    let mut out = Vec::with_capacity(256);
    open(&mut out);
    write_compact(event, &mut out);
    out.push(b'}');
    text(out)
}

fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"schema\":");
    write_string(UNSTRUCT_EVENT, out);
    out.extend_from_slice(b",\"data\":");
}

/// What the JSON printer wrote is always UTF-8.
fn text(out: Vec<u8>) -> String {
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
