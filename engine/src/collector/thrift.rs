//! `thrift`: one record of the Scala stream collector, a Thrift struct in the binary protocol.
//!
//! A record with field 31337 is a `CollectorPayload` of the schema named there; a record without it
//! is a legacy `SnowplowRawEvent`. Behaviour and texts of `ThriftLoader` in Scala Common Enrich
//! 0.34.0, with limits of our own where the reference would exhaust stack or memory.

pub mod protocol;
mod record;

use std::borrow::Cow;

use super::ip_address::client_address;
use super::payload::{CollectorApi, CollectorContext, CollectorPayload, CollectorSource};
use super::{Parsed, api_path};
use crate::iglu::{Message, SchemaCriterion, SchemaKey};
use crate::text::querystring::parse_querystring;
use record::Record;

/// Schema of nearly every record: recognised without being parsed.
const USUAL_SCHEMA: &[u8] = b"iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0";

/// Parses the bytes of one record.
pub fn parse_record(bytes: &[u8]) -> Parsed {
    let result = Record::read(bytes).and_then(|record| match record.schema {
        Some(USUAL_SCHEMA) => Ok(current(&record, bytes)?),
        Some(schema) => match refused_schema(&text(schema)) {
            Some(message) => Ok(Parsed::bad(message)),
            None => Ok(current(&record, bytes)?),
        },
        None => Ok(legacy(&record, bytes)?),
    });
    result.unwrap_or_else(|error| {
        Parsed::bad(format!("Error deserializing raw event: {}", error.message))
    })
}

/// The message with which a record of schema `uri` is refused, if it is.
fn refused_schema(uri: &str) -> Option<String> {
    let criterion = SchemaCriterion {
        vendor: "com.snowplowanalytics.snowplow".to_owned(),
        name: "CollectorPayload".to_owned(),
        format: "thrift".to_owned(),
        model: 1,
        revision: Some(0),
        addition: None,
    };
    match SchemaKey::parse(uri) {
        None => Some(
            Message::error(format!("{uri} is not a valid Iglu-format schema URI")).to_multiline(),
        ),
        Some(key) if !criterion.matches(&key) => Some(format!(
            "Verifying record as {criterion} failed: found {key}"
        )),
        Some(_) => None,
    }
}

/// A `CollectorPayload` record.
fn current(record: &Record<'_>, bytes: &[u8]) -> Result<Parsed, protocol::ProtocolError> {
    let headers = record.headers(bytes)?;
    let api = match record.path {
        Some(path) => api_path::parse(&text(path)),
        None => Err("Request does not contain a path".to_owned()),
    };
    Ok(payload(record, headers, record.querystring, api))
}

/// A `SnowplowRawEvent` record: always Tracker Protocol 1, its query string in the nested struct.
fn legacy(record: &Record<'_>, bytes: &[u8]) -> Result<Parsed, protocol::ProtocolError> {
    let headers = record.legacy_headers(bytes)?;
    let querystring = record.legacy_querystring(bytes)?;
    let legacy = Record {
        ip_address: record.legacy_ip_address,
        timestamp_ms: record.legacy_timestamp_ms,
        encoding: record.legacy_encoding,
        collector: record.legacy_collector,
        useragent: record.legacy_useragent,
        referer: record.legacy_referer,
        hostname: record.legacy_hostname,
        user_id: record.legacy_user_id,
        ..Record::default()
    };
    Ok(payload(
        &legacy,
        headers,
        querystring,
        Ok(api_path::tracker_protocol_1()),
    ))
}

/// The payload, or the messages about query string and path, in this order.
fn payload(
    record: &Record<'_>,
    headers: Vec<String>,
    querystring: Option<&[u8]>,
    api: Result<CollectorApi, String>,
) -> Parsed {
    // Collectors always name the encoding; a record without one is read as what they would name.
    let encoding = record.encoding.map_or(Cow::Borrowed("UTF-8"), text);
    let querystring = parse_querystring(querystring.map(text).as_deref(), &encoding);
    match (querystring, api) {
        (Ok(querystring), Ok(api)) => Parsed::Payload(CollectorPayload {
            api,
            querystring,
            content_type: record.content_type.map(owned),
            body: record.body.map(owned),
            source: CollectorSource {
                name: record.collector.map(owned).unwrap_or_default(),
                encoding: encoding.into_owned(),
                hostname: record.hostname.map(owned),
            },
            context: CollectorContext {
                timestamp_ms: Some(record.timestamp_ms),
                ip_address: client_address(&headers, record.ip_address.map(text).as_deref()),
                useragent: record.useragent.map(owned),
                referer: record.referer.map(owned),
                headers,
                user_id: record.user_id.map(owned),
            },
        }),
        (querystring, api) => Parsed::Bad(
            [querystring.err(), api.err()]
                .into_iter()
                .flatten()
                .collect(),
        ),
    }
}

/// A Thrift string as text; malformed UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// [`text`], owned.
fn owned(bytes: &[u8]) -> String {
    text(bytes).into_owned()
}

#[cfg(test)]
mod tests;
