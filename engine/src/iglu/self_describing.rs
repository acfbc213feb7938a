//! Validation of self-describing JSONs: envelope, key, criterion, look-up, data.

use std::sync::Arc;

use super::key::SchemaCriterion;
use super::message::Message;
use super::resolver::{Resolver, SchemaEntry};
use crate::json::Value;

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
pub fn validate<'v, 'a>(
    _resolver: &Resolver,
    _value: &'v Value<'a>,
    _criterion: Option<&SchemaCriterion>,
) -> Result<SelfDescribing<'v, 'a>, Vec<Message>> {
    Err(Vec::new())
}

/// [`validate`]s an `unstruct_event` envelope (criterion 1-0-*) and then the event inside it, which is returned.
pub fn validate_unstruct_event<'v, 'a>(
    _resolver: &Resolver,
    _value: &'v Value<'a>,
) -> Result<SelfDescribing<'v, 'a>, Vec<Message>> {
    Err(Vec::new())
}

/// [`validate`]s a `contexts` envelope (criterion 1-0-*) and then every context in it; messages of all contexts
/// accumulate in order.
pub fn validate_contexts<'v, 'a>(
    _resolver: &Resolver,
    _value: &'v Value<'a>,
) -> Result<Vec<SelfDescribing<'v, 'a>>, Vec<Message>> {
    Err(Vec::new())
}
