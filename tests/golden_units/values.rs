//! Our values in the notation of the cases, and back.

use engine::adapter::AdapterResult;
use engine::adapter::raw_event::{Parameters, RawEvent};
use engine::collector::Parsed;
use engine::collector::payload::{
    CollectorApi, CollectorContext, CollectorPayload, CollectorSource,
};
use engine::text::joda::parse_iso_date_time;
use serde_json::{Value, json};

/// An outcome with one message, or several.
pub fn outcome<T: Into<Value>, E: Into<Value>>(result: Result<T, E>) -> Value {
    match result {
        Ok(value) => json!({"success": value.into()}),
        Err(failure) => json!({"failure": failure.into()}),
    }
}

/// A text that may be null.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A point in time.
pub fn date_time(millis: i64) -> Value {
    json!({"type": "DateTime", "epoch_ms": millis})
}

fn millis(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => Some(parse_iso_date_time(text).expect("a time")),
        _ => value["epoch_ms"].as_i64(),
    }
}

fn api(value: &Value) -> CollectorApi {
    CollectorApi {
        vendor: text(&value["vendor"]).expect("a vendor"),
        version: text(&value["version"]).expect("a version"),
    }
}

fn source(value: &Value) -> CollectorSource {
    CollectorSource {
        name: text(&value["name"]).expect("a name"),
        encoding: text(&value["encoding"]).expect("an encoding"),
        hostname: text(&value["hostname"]),
    }
}

fn context(value: &Value) -> CollectorContext {
    CollectorContext {
        timestamp_ms: millis(&value["timestamp"]),
        ip_address: text(&value["ipAddress"]),
        useragent: text(&value["useragent"]),
        referer: text(&value["refererUri"]),
        headers: crate::support::golden::texts(&value["headers"]),
        user_id: text(&value["userId"]),
    }
}

/// The collector payload, or what a raw event has of one.
pub fn payload(value: &Value) -> CollectorPayload {
    let pairs = value["querystring"].as_array().into_iter().flatten();
    CollectorPayload {
        api: api(&value["api"]),
        querystring: pairs
            .map(|pair| (text(&pair[0]).expect("a name"), text(&pair[1])))
            .collect(),
        content_type: text(&value["contentType"]),
        body: text(&value["body"]),
        source: source(&value["source"]),
        context: context(&value["context"]),
    }
}

/// A raw event without anything.
pub fn empty_raw_event() -> RawEvent {
    RawEvent {
        api: Default::default(),
        parameters: Parameters::new(),
        content_type: None,
        source: Default::default(),
        context: Default::default(),
    }
}

/// Parameters from an object.
pub fn parameters(value: &Value) -> Parameters {
    let members = value.as_object().expect("a map");
    members
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// An object of parameters.
pub fn map(parameters: &Parameters) -> Value {
    parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn common(
    api: &CollectorApi,
    content_type: Option<&str>,
    source: &CollectorSource,
    context: &CollectorContext,
) -> Value {
    json!({
        "api": {"vendor": api.vendor, "version": api.version},
        "contentType": content_type,
        "source": {"name": source.name, "encoding": source.encoding, "hostname": source.hostname},
        "context": {
            "timestamp": context.timestamp_ms.map(date_time),
            "ipAddress": context.ip_address,
            "useragent": context.useragent,
            "refererUri": context.referer,
            "headers": context.headers,
            "userId": context.user_id,
        },
    })
}

fn raw_event(event: &RawEvent) -> Value {
    let content_type = event.content_type.as_deref();
    let mut value = common(&event.api, content_type, &event.source, &event.context);
    value["parameters"] = map(&event.parameters);
    value
}

/// What a collector format made of a record.
pub fn parsed(parsed: Parsed) -> Value {
    match parsed {
        Parsed::Bad(messages) => json!({"failure": messages}),
        Parsed::Ignored(_) => json!({"success": null}),
        Parsed::Payload(payload) => {
            let content_type = payload.content_type.as_deref();
            let mut value = common(
                &payload.api,
                content_type,
                &payload.source,
                &payload.context,
            );
            value["querystring"] = json!(payload.querystring);
            value["body"] = json!(payload.body);
            json!({"success": value})
        }
    }
}

/// What an adapter made of a payload.
pub fn raw_events(result: AdapterResult) -> Value {
    let events = result.map(|events| events.iter().map(raw_event).collect::<Vec<_>>());
    outcome(events.map_err(|failure| failure.into_messages()))
}
