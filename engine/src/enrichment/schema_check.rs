//! Iglu validation of an event: its custom contexts, its self-describing event, and the four
//! columns that say which schema the event follows.

use std::sync::Arc;

use crate::event::Field;
use crate::iglu::{Message, Resolver, SchemaCriterion, SchemaEntry, SchemaKey, self_describing};
use crate::json::Value;

use super::draft::Draft;
use super::failures::FailureStep;

/// Vendor of Snowplow's own schemas.
const SNOWPLOW: &str = "com.snowplowanalytics.snowplow";

/// Validates the custom contexts and the self-describing event, if there are any. Gives the schema
/// of the latter when it is valid.
pub fn validate(draft: &mut Draft<'_>, resolver: &Resolver) -> Option<Arc<SchemaEntry>> {
    if let Some(contexts) = &draft.contexts
        && let Err(messages) = self_describing::validate_contexts(resolver, contexts)
    {
        push_all(draft, FailureStep::CustomContexts, &messages);
    }
    let event = draft.unstruct_event.as_ref()?;
    match self_describing::validate_unstruct_event(resolver, event) {
        Ok(event) => Some(event.schema),
        Err(messages) => {
            push_all(draft, FailureStep::UnstructEvent, &messages);
            None
        }
    }
}

fn push_all(draft: &mut Draft<'_>, step: FailureStep, messages: &[Message]) {
    for message in messages {
        draft.failures.push(step, message.to_multiline());
    }
}

/// Sets `event_vendor`, `event_name`, `event_format` and `event_version`. `valid` is the schema of
/// the self-describing event, if that was found valid.
pub fn event_schema(draft: &mut Draft<'_>, resolver: &Resolver, valid: Option<&SchemaEntry>) {
    let event = draft.event.get(Field::Event);
    let (vendor, name) = match event {
        Some("page_view") => (SNOWPLOW, "page_view"),
        Some("page_ping") => (SNOWPLOW, "page_ping"),
        Some("transaction") => (SNOWPLOW, "transaction"),
        Some("transaction_item") => (SNOWPLOW, "transaction_item"),
        Some("struct") => ("com.google.analytics", "event"),
        Some("unstruct") => return unstruct_schema(draft, resolver, valid),
        _ => {
            let event = event.unwrap_or("null");
            let text = format!("Unrecognized event [{event}]");
            return draft.failures.push(FailureStep::EventSchema, text);
        }
    };
    set(draft, [vendor, name, "jsonschema", "1-0-0"]);
}

/// The key of the self-describing event. Its envelope must be valid; the event in it need not be,
/// which leaves its key to be read here.
fn unstruct_schema(draft: &mut Draft<'_>, resolver: &Resolver, valid: Option<&SchemaEntry>) {
    let parsed;
    let key = match valid {
        Some(schema) => &schema.key,
        None => match key_in_envelope(draft.unstruct_event.as_ref(), resolver) {
            Ok(key) => {
                parsed = key;
                &parsed
            }
            Err(text) => return draft.failures.push(FailureStep::EventSchema, text),
        },
    };
    set(draft, [&key.vendor, &key.name, &key.format, &key.version]);
}

fn key_in_envelope(envelope: Option<&Value<'_>>, resolver: &Resolver) -> Result<SchemaKey, String> {
    let criterion = SchemaCriterion {
        vendor: SNOWPLOW.to_owned(),
        name: "unstruct_event".to_owned(),
        format: "jsonschema".to_owned(),
        model: 1,
        revision: Some(0),
        addition: None,
    };
    let envelope = envelope
        .and_then(|json| self_describing::validate(resolver, json, Some(&criterion)).ok())
        .ok_or("Unstructured event couldn't be extracted")?;
    let uri = envelope
        .data
        .get("schema")
        .and_then(Value::as_str)
        .ok_or("Unrecognized unstructured event structure")?;
    SchemaKey::parse(uri).ok_or_else(|| {
        Message::error(format!("{uri} is not a valid Iglu-format schema URI")).to_multiline()
    })
}

fn set(draft: &mut Draft<'_>, [vendor, name, format, version]: [&str; 4]) {
    let event = &mut draft.event;
    event.set(Field::EventVendor, vendor);
    event.set(Field::EventName, name);
    event.set(Field::EventFormat, format);
    event.set(Field::EventVersion, version);
}

#[cfg(test)]
mod tests;
