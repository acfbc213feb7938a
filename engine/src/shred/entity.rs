//! The shredded JSON line: a self-describing JSON with its schema key taken apart and the key of its
//! event appended.

use std::sync::OnceLock;

use crate::iglu::SchemaKey;
use crate::json::Value;
use crate::json::print::{write_compact, write_string};

/// Ties a shredded JSON to its event.
#[derive(Debug, Clone, Copy)]
pub struct Hierarchy<'e> {
    /// The event id.
    pub root_id: &'e str,
    /// Column `collector_tstamp`, as text.
    pub root_tstamp: &'e str,
}

/// The schema of the context that a synthetic duplicate gets.
pub fn duplicate_schema_key() -> &'static SchemaKey {
    static KEY: OnceLock<SchemaKey> = OnceLock::new();
    KEY.get_or_init(|| SchemaKey {
        vendor: "com.snowplowanalytics.snowplow".to_owned(),
        name: "duplicate".to_owned(),
        format: "jsonschema".to_owned(),
        version: "1-0-0".to_owned(),
    })
}

/// The folder of a schema below the shredded output: `shredded-types/vendor=.../name=.../format=.../version=...`.
pub fn folder(key: &SchemaKey) -> String {
    format!(
        "{}/vendor={}/name={}/format={}/version={}",
        super::TYPES_FOLDER,
        key.vendor,
        key.name,
        key.format,
        key.version
    )
}

/// Appends the line of one self-describing JSON: its members in their own order, the value of `schema`
/// replaced by the parts of the key, `hierarchy` last.
pub fn write_entity(
    envelope: &Value<'_>,
    key: &SchemaKey,
    hierarchy: Hierarchy<'_>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (name, value) in envelope.as_object().unwrap_or_default() {
        write_string(name, out);
        out.push(b':');
        if name == "schema" {
            write_key(key, out);
        } else {
            write_compact(value, out);
        }
        out.push(b',');
    }
    write_hierarchy(&key.name, hierarchy, out);
    out.extend_from_slice(b"}\n");
}

/// Appends the `duplicate` context of an event that came with `original_event_id`.
pub fn write_duplicate(original_event_id: &str, hierarchy: Hierarchy<'_>, out: &mut Vec<u8>) {
    let key = duplicate_schema_key();
    out.extend_from_slice(b"{\"schema\":");
    write_key(key, out);
    out.extend_from_slice(b",\"data\":{\"originalEventId\":");
    write_string(original_event_id, out);
    out.extend_from_slice(b"},");
    write_hierarchy(&key.name, hierarchy, out);
    out.extend_from_slice(b"}\n");
}

fn write_key(key: &SchemaKey, out: &mut Vec<u8>) {
    for (prefix, part) in [
        (&b"{\"vendor\":"[..], &key.vendor),
        (b",\"name\":", &key.name),
        (b",\"format\":", &key.format),
        (b",\"version\":", &key.version),
    ] {
        out.extend_from_slice(prefix);
        write_string(part, out);
    }
    out.push(b'}');
}

fn write_hierarchy(schema_name: &str, hierarchy: Hierarchy<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"hierarchy\":{\"rootId\":");
    write_string(hierarchy.root_id, out);
    out.extend_from_slice(b",\"rootTstamp\":");
    write_string(hierarchy.root_tstamp, out);
    out.extend_from_slice(b",\"refRoot\":\"events\",\"refTree\":[\"events\",");
    write_string(schema_name, out);
    out.extend_from_slice(b"],\"refParent\":\"events\"}");
}
