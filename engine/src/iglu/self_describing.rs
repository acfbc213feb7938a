//! Validation of self-describing JSONs: envelope, key, criterion, look-up, data.
//!
//! In: parsed JSON columns. Out: the schemas and data found valid, or the messages of the first stage
//! that fails, as iglu-scala-client 0.5.0 gives them. Enrich (R108) and the RDB Shredder (R29/R30) use
//! the same functions; the one writes [`Message::to_multiline`], the other [`Message::to_json`].

pub mod envelope;

use std::sync::{Arc, LazyLock};

use self::envelope::pair;
use super::key::{KeyParts, SchemaCriterion, invalid_uri_text};
use super::message::Message;
use super::registry::{Found, embedded};
use super::resolver::{Resolver, SchemaEntry};
use crate::json::Value;

const SNOWPLOW: &str = "com.snowplowanalytics.snowplow";

/// Criterion of the wrapper of an unstruct event: `unstruct_event` 1-0-*.
pub static UNSTRUCT_EVENT: LazyLock<SchemaCriterion> =
    LazyLock::new(|| SchemaCriterion::jsonschema(SNOWPLOW, "unstruct_event", 1, Some(0), None));

/// Criterion of the wrapper of contexts: `contexts` 1-0-*.
pub static CONTEXTS: LazyLock<SchemaCriterion> =
    LazyLock::new(|| SchemaCriterion::jsonschema(SNOWPLOW, "contexts", 1, Some(0), None));

/// Criterion of the POST payload of a tracker: `payload_data` 1-0-*.
pub static PAYLOAD_DATA: LazyLock<SchemaCriterion> =
    LazyLock::new(|| SchemaCriterion::jsonschema(SNOWPLOW, "payload_data", 1, Some(0), None));

/// A self-describing JSON that was found valid.
#[derive(Debug)]
pub struct SelfDescribing<'v, 'a> {
    /// Its schema.
    pub schema: Arc<SchemaEntry>,
    /// Its data.
    pub data: &'v Value<'a>,
    /// The whole object, envelope included.
    pub envelope: &'v Value<'a>,
}

/// Checks the envelope against the embedded `instance-iglu-only` schema, parses the key, compares it
/// with `criterion` (if any), looks the schema up and validates the data. Each stage's messages end
/// the procedure.
///
/// # Errors
/// The messages of the stage that failed, never none.
pub fn validate<'v, 'a>(
    resolver: &Resolver,
    value: &'v Value<'a>,
    criterion: Option<&SchemaCriterion>,
) -> Result<SelfDescribing<'v, 'a>, Vec<Message>> {
    let Some((uri, data)) = pair(value) else {
        return Err(envelope_messages(value));
    };
    // A schema in the cache was found under a good key: its form need not be checked again.
    let found = match resolver.cached(uri) {
        Some(found) => {
            check_criterion(criterion, found.entry.key.parts(), uri)?;
            found
        }
        None => {
            let Some(key) = KeyParts::parse(uri) else {
                return Err(envelope_messages(value));
            };
            check_criterion(criterion, key, uri)?;
            resolver.find(uri)?
        }
    };
    check_data(&found, data)?;
    Ok(SelfDescribing {
        schema: found.entry,
        data,
        envelope: value,
    })
}

/// [`validate`]s an `unstruct_event` envelope (criterion 1-0-*) and then the event inside it, which is returned.
///
/// # Errors
/// The messages of the stage that failed, never none.
pub fn validate_unstruct_event<'v, 'a>(
    resolver: &Resolver,
    value: &'v Value<'a>,
) -> Result<SelfDescribing<'v, 'a>, Vec<Message>> {
    let wrapper = validate(resolver, value, Some(&UNSTRUCT_EVENT))?;
    validate(resolver, wrapper.data, None)
}

/// [`validate`]s a `contexts` envelope (criterion 1-0-*) and then every context in it; messages of all contexts
/// accumulate in order.
///
/// # Errors
/// The messages of the wrapper, or those of all contexts, never none.
pub fn validate_contexts<'v, 'a>(
    resolver: &Resolver,
    value: &'v Value<'a>,
) -> Result<Vec<SelfDescribing<'v, 'a>>, Vec<Message>> {
    let wrapper = validate(resolver, value, Some(&CONTEXTS))?;
    let contexts = wrapper.data.as_array().unwrap_or_default();
    let mut valid = Vec::with_capacity(contexts.len());
    let mut messages = Vec::new();
    for context in contexts {
        match validate(resolver, context, None) {
            Ok(context) => valid.push(context),
            Err(more) => messages.extend(more),
        }
    }
    if messages.is_empty() {
        Ok(valid)
    } else {
        Err(messages)
    }
}

/// The failure text for a key that does not meet its criterion.
pub fn criterion_text(criterion: &SchemaCriterion, uri: &str) -> String {
    format!("Verifying schema as {criterion} failed: found {uri}")
}

fn check_criterion(
    criterion: Option<&SchemaCriterion>,
    key: KeyParts<'_>,
    uri: &str,
) -> Result<(), Vec<Message>> {
    match criterion {
        Some(criterion) if !criterion.matches_parts(key) => {
            Err(vec![Message::error(criterion_text(criterion, uri))])
        }
        _ => Ok(()),
    }
}

fn check_data(found: &Found, data: &Value<'_>) -> Result<(), Vec<Message>> {
    let accepted = found
        .envelope
        .is_some_and(|envelope| envelope.accepts(data));
    if accepted || found.entry.schema.is_valid(data) {
        return Ok(());
    }
    let messages = found.entry.schema.validate(data);
    // The reporter follows the reference step by step; where it sees no fault there is none.
    if messages.is_empty() {
        Ok(())
    } else {
        Err(messages)
    }
}

/// What the embedded schema says about a value that has not the form of a self-describing JSON.
fn envelope_messages(value: &Value<'_>) -> Vec<Message> {
    let messages = match embedded::instance_iglu_only() {
        Ok(found) => found.entry.schema.validate(value),
        Err(messages) => messages,
    };
    if messages.is_empty() {
        let uri = value.get("schema").and_then(Value::as_str);
        vec![Message::error(invalid_uri_text(uri.unwrap_or_default()))]
    } else {
        messages
    }
}

#[cfg(test)]
mod tests;
