//! One enriched line becomes an atomic line and one JSON line for each self-describing JSON in it,
//! or it is bad.
//!
//! Kernel without threads or I/O, shared by every driver: [`shred_line`] checks a line and takes its JSONs
//! apart, [`ShreddedEvent::write`] prints the rows. Rules: RDB Shredder R29/R30
//! (`shredder/src/main/scala/.../ShredJob.scala`, `Shredder.scala` of scala-common-enrich 0.32.0).

pub mod atomic;
pub mod columns;
pub mod entity;

use std::sync::Arc;

use crate::event::fields::Field;
use crate::iglu::{Message, Resolver, SchemaEntry, SchemaKey, self_describing};
use crate::json::{self, Value};
use crate::text::jackson::{self, Style};
use crate::text::joda;

pub use atomic::Widths;
pub use columns::Columns;

/// Folder of the atomic lines below the shredded output.
pub const ATOMIC_FOLDER: &str = "atomic-events";
/// Folder of the shredded JSONs below the shredded output.
pub const TYPES_FOLDER: &str = "shredded-types";

/// Lines with fewer columns are no enriched events (a leftover of an old format, kept by the reference).
const MIN_COLUMNS: usize = 108;

/// Where the rows of one event belong.
#[derive(Debug, Clone, Copy)]
pub enum RowKind<'k> {
    /// The atomic line.
    Atomic,
    /// A shredded JSON of a schema that was looked up.
    Schema(&'k Arc<SchemaEntry>),
    /// A shredded JSON of a schema that is not looked up (the `duplicate` context).
    Key(&'k SchemaKey),
}

/// What is the same for all lines of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShredRules {
    /// Whether JSONs are validated once more.
    pub validation: Validation,
    /// How wide the text columns of the atomic table are.
    pub widths: Widths,
}

/// Whether JSONs that enrichment has validated are validated once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validation {
    /// All of them, as the reference does: a registry that cannot be reached makes bad rows.
    #[default]
    Full,
    /// Only derived contexts, which enrichment does not validate. For lines that this engine has just written: an unstruct
    /// event or context of the right form is taken as valid and its schema is not looked up.
    Trusted,
}

/// The type of a shredded JSON.
#[derive(Debug)]
enum EntityType {
    /// Its schema was looked up and found it valid.
    Validated(Arc<SchemaEntry>),
    /// Its word was taken.
    Trusted(SchemaKey),
}

impl EntityType {
    fn key(&self) -> &SchemaKey {
        match self {
            Self::Validated(schema) => &schema.key,
            Self::Trusted(key) => key,
        }
    }

    fn kind(&self) -> RowKind<'_> {
        match self {
            Self::Validated(schema) => RowKind::Schema(schema),
            Self::Trusted(key) => RowKind::Key(key),
        }
    }
}

/// Takes the rows of events.
pub trait ShreddedRows {
    /// The buffer to which one more row of this kind is appended, line feed included.
    fn row(&mut self, kind: RowKind<'_>) -> &mut Vec<u8>;
}

/// A good event, taken apart but not yet printed.
#[derive(Debug)]
pub struct ShreddedEvent<'l> {
    /// The enriched line, without terminator.
    pub line: &'l str,
    /// Column `event_id`: a canonical UUID.
    pub event_id: &'l str,
    /// Column `event_fingerprint`, if it is not empty.
    pub fingerprint: Option<&'l str>,
    /// Column `collector_tstamp`.
    pub collector_tstamp: &'l str,
    /// Column `etl_tstamp` in milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    unstruct_event: Option<(Value<'l>, EntityType)>,
    contexts: Option<(Value<'l>, Vec<EntityType>)>,
    derived_contexts: Option<(Value<'l>, Vec<EntityType>)>,
}

/// Checks a line (without terminator) and validates its JSONs; `columns` is left filled for
/// [`ShreddedEvent::write`].
///
/// # Errors
/// The messages of the bad row, in the reference's order: field checks first and alone, then those of
/// the unstruct event, the contexts and the derived contexts.
pub fn shred_line<'l>(
    line: &'l str,
    resolver: &Resolver,
    validation: Validation,
    columns: &mut Columns,
) -> Result<ShreddedEvent<'l>, Vec<Message>> {
    columns.split(line);
    if columns.len() < MIN_COLUMNS {
        return Err(vec![Message::error(format!(
            "Line does not match Snowplow enriched event (expected {MIN_COLUMNS}+ fields; found {})",
            columns.len()
        ))]);
    }
    let column = |field: Field| columns.get(line, field as usize);

    let event_id = column(Field::EventId).unwrap_or_default();
    let collector_tstamp = column(Field::CollectorTstamp).unwrap_or_default();
    let etl_tstamp = column(Field::EtlTstamp).unwrap_or_default();
    let etl_tstamp_ms = joda::parse_tstamp(etl_tstamp);
    let id_is_good = is_canonical_uuid(event_id);
    let collector_is_good = joda::parse_tstamp(collector_tstamp).is_some();
    let (true, true, Some(etl_tstamp_ms)) = (id_is_good, collector_is_good, etl_tstamp_ms) else {
        let mut errors = Vec::new();
        if !id_is_good {
            errors.push(Message::error(format!(
                "Field [event_id]: [{}] is not a valid UUID",
                or_null(event_id)
            )));
        }
        for (name, text, is_good) in [
            ("collector_tstamp", collector_tstamp, collector_is_good),
            ("etl_tstamp", etl_tstamp, etl_tstamp_ms.is_some()),
        ] {
            if !is_good {
                errors.push(Message::error(format!(
                    "Field [{name}]: [{}] is not in the expected Redshift/Postgres timestamp format",
                    or_null(text)
                )));
            }
        }
        return Err(errors);
    };

    let mut errors = Vec::new();
    let is_trusted = validation == Validation::Trusted;
    let unstruct_event = take_apart(
        "ue_properties",
        column(Field::UnstructEvent),
        &mut errors,
        |value| match is_trusted.then(|| trusted_event(value)).flatten() {
            Some(key) => Ok(EntityType::Trusted(key)),
            None => self_describing::validate_unstruct_event(resolver, value)
                .map(|event| EntityType::Validated(event.schema)),
        },
    );
    let validated_contexts = |value: &Value<'l>| {
        self_describing::validate_contexts(resolver, value).map(|contexts| {
            contexts
                .into_iter()
                .map(|context| EntityType::Validated(context.schema))
                .collect()
        })
    };
    let contexts =
        take_apart(
            "context",
            column(Field::Contexts),
            &mut errors,
            |value| match is_trusted.then(|| trusted_contexts(value)).flatten() {
                Some(keys) => Ok(keys.into_iter().map(EntityType::Trusted).collect()),
                None => validated_contexts(value),
            },
        );
    let derived_contexts = take_apart(
        "derived_contexts",
        column(Field::DerivedContexts),
        &mut errors,
        validated_contexts,
    );
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(ShreddedEvent {
        line,
        event_id,
        fingerprint: column(Field::EventFingerprint).filter(|text| !text.is_empty()),
        collector_tstamp,
        etl_tstamp_ms,
        unstruct_event,
        contexts,
        derived_contexts,
    })
}

impl ShreddedEvent<'_> {
    /// Prints all rows of the event; `columns` must still describe its line. Text columns are cut to `widths`. A synthetic
    /// duplicate gets `new_event_id` everywhere and one more row that names the id it came with.
    pub fn write(
        &self,
        columns: &Columns,
        widths: Widths,
        new_event_id: Option<&str>,
        rows: &mut impl ShreddedRows,
    ) {
        let hierarchy = entity::Hierarchy {
            root_id: new_event_id.unwrap_or(self.event_id),
            root_tstamp: self.collector_tstamp,
        };
        atomic::write_atomic_line(
            self.line,
            columns,
            widths,
            new_event_id,
            rows.row(RowKind::Atomic),
        );
        if let Some((envelope, entity)) = &self.unstruct_event
            && let Some(event) = envelope.get("data")
        {
            entity::write_entity(event, entity.key(), hierarchy, rows.row(entity.kind()));
        }
        for (envelope, entities) in self.contexts.iter().chain(&self.derived_contexts) {
            let contexts = envelope
                .get("data")
                .and_then(Value::as_array)
                .unwrap_or_default();
            for (context, entity) in contexts.iter().zip(entities) {
                entity::write_entity(context, entity.key(), hierarchy, rows.row(entity.kind()));
            }
        }
        if new_event_id.is_some() {
            let key = entity::duplicate_schema_key();
            entity::write_duplicate(self.event_id, hierarchy, rows.row(RowKind::Key(key)));
        }
    }
}

/// The key of the event in an `unstruct_event` envelope of the right form; anything else is left to validation.
fn trusted_event(envelope: &Value<'_>) -> Option<SchemaKey> {
    let (key, data) = parts(envelope)?;
    self_describing::UNSTRUCT_EVENT
        .matches(&key)
        .then(|| parts(data).map(|(key, _)| key))?
}

/// The keys of the contexts in a `contexts` envelope of the right form.
fn trusted_contexts(envelope: &Value<'_>) -> Option<Vec<SchemaKey>> {
    let (key, data) = parts(envelope)?;
    let contexts = data
        .as_array()
        .filter(|_| self_describing::CONTEXTS.matches(&key))?;
    contexts
        .iter()
        .map(|context| parts(context).map(|(key, _)| key))
        .collect()
}

/// Key and data of an object that has these two members and no other.
fn parts<'v, 'l>(value: &'v Value<'l>) -> Option<(SchemaKey, &'v Value<'l>)> {
    let members = value.as_object().filter(|members| members.len() == 2)?;
    let key = SchemaKey::parse(value.get("schema")?.as_str()?)?;
    members
        .iter()
        .find(|(name, _)| name == "data")
        .map(|(_, data)| (key, data))
}

/// Parses one JSON column and validates it; an absent column is an empty part.
fn take_apart<'l, T>(
    field: &str,
    text: Option<&'l str>,
    errors: &mut Vec<Message>,
    validate: impl FnOnce(&Value<'l>) -> Result<T, Vec<Message>>,
) -> Option<(Value<'l>, T)> {
    let text = text.filter(|text| !text.is_empty())?;
    let parsed = match json::parse(text) {
        Ok(Some(value)) => value,
        Ok(None) => {
            errors.push(Message::error(jackson::field_error(
                field,
                text,
                None,
                Style::Shred,
            )));
            return None;
        }
        Err(error) => {
            errors.push(Message::error(jackson::field_error(
                field,
                text,
                Some(&error),
                Style::Shred,
            )));
            return None;
        }
    };
    match validate(&parsed) {
        Ok(valid) => Some((parsed, valid)),
        Err(messages) => {
            errors.extend(messages);
            None
        }
    }
}

/// An empty column counts as null, and prints so.
fn or_null(text: &str) -> &str {
    if text.is_empty() { "null" } else { text }
}

/// Whether parsing the text as a UUID and printing it again gives the same text.
fn is_canonical_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}
