//! How parameters of the measurement protocol become fields of schemas: the types of the tables, and
//! data in the order of Scala's maps.

use std::borrow::Cow;

use super::translate::{Untranslatable, translate};
use crate::adapter::AdapterFailure;
use crate::json::Value;
use crate::text::scala_map::{improved_hash_order, java_string_hash, product_hash};

/// Schema URI of the measurement protocol by its name.
macro_rules! measurement_protocol {
    ($name:literal) => {
        concat!(
            "iglu:com.google.analytics.measurement-protocol/",
            $name,
            "/jsonschema/1-0-0"
        )
    };
}
pub(super) use measurement_protocol;

/// What the text of a parameter becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text itself.
    Text,
    /// A 32-bit integer.
    Integer,
    /// A double with two decimals.
    Cents,
    /// A double.
    Double,
    /// `1` is true, `0` is false.
    Flag,
}

/// A parameter and the field that it becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Name of the parameter.
    pub(super) parameter: &'static str,
    /// Name of the field in the schema.
    pub(super) name: &'static str,
    /// Type of the field.
    pub(super) kind: Kind,
}

impl Field {
    const fn new(parameter: &'static str, name: &'static str, kind: Kind) -> Self {
        Self {
            parameter,
            name,
            kind,
        }
    }

    /// Place of the field in a map of more than [`SMALL`] fields.
    pub(super) fn order(&self) -> u32 {
        name_order(self.name)
    }
}

/// Place of a field of this name in a map of more than [`SMALL`] fields.
pub(super) fn name_order(name: &str) -> u32 {
    improved_hash_order(java_string_hash(name))
}

pub(super) const fn text(parameter: &'static str, name: &'static str) -> Field {
    Field::new(parameter, name, Kind::Text)
}

pub(super) const fn integer(parameter: &'static str, name: &'static str) -> Field {
    Field::new(parameter, name, Kind::Integer)
}

pub(super) const fn cents(parameter: &'static str, name: &'static str) -> Field {
    Field::new(parameter, name, Kind::Cents)
}

pub(super) const fn double(parameter: &'static str, name: &'static str) -> Field {
    Field::new(parameter, name, Kind::Double)
}

pub(super) const fn flag(parameter: &'static str, name: &'static str) -> Field {
    Field::new(parameter, name, Kind::Flag)
}

/// A schema with the parameters that its fields come from.
#[derive(Debug)]
pub(super) struct Table {
    /// URI of the schema.
    pub(super) schema: &'static str,
    /// Its fields.
    pub(super) fields: &'static [Field],
}

impl Table {
    /// Place of the schema in a map of more than [`SMALL`] schemas, whose keys are case classes of
    /// vendor, name, format and version.
    pub(super) fn order(&self) -> u32 {
        let key = self.schema.strip_prefix("iglu:").unwrap_or(self.schema);
        let mut hashes = [0; 4];
        for (hash, part) in hashes.iter_mut().zip(key.split('/')) {
            *hash = java_string_hash(part);
        }
        improved_hash_order(product_hash(&hashes))
    }
}

/// Number of entries up to which a map keeps the order of insertion.
pub(super) const SMALL: usize = 4;

/// Puts distinct entries into the order in which a map iterates to which they were added one after
/// the other.
pub(super) fn into_map_order<T>(entries: &mut [T], order: impl FnMut(&T) -> u32) {
    if entries.len() > SMALL {
        entries.sort_by_cached_key(order);
    }
}

/// Data of a known schema.
#[derive(Debug, PartialEq)]
pub(super) struct Context<'a> {
    schema: &'static str,
    data: Value<'a>,
}

impl<'a> Context<'a> {
    /// `data` of the schema of `table`.
    pub(super) fn new(table: &Table, data: Value<'a>) -> Self {
        Self {
            schema: table.schema,
            data,
        }
    }

    /// URI of the schema.
    pub(super) fn schema(&self) -> &'static str {
        self.schema
    }

    /// The self-describing JSON.
    pub(super) fn into_value(self) -> Value<'a> {
        Value::object([("schema", Value::string(self.schema)), ("data", self.data)])
    }
}

/// Translated fields of one schema, in the order in which their parameters were met.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    entries: Vec<(&'static Field, Result<Value<'a>, String>)>,
}

impl<'a> Fields<'a> {
    /// Translates a parameter and adds it.
    ///
    /// # Errors
    /// Where the reference throws.
    pub(super) fn add(
        &mut self,
        field: &'static Field,
        value: Option<&'a str>,
    ) -> Result<(), AdapterFailure> {
        let translated = match translate(field, value) {
            Ok(value) => Ok(value),
            Err(Untranslatable::Message(message)) => Err(message),
            Err(Untranslatable::Exception(exception)) => return Err(exception),
        };
        self.entries.push((field, translated));
        Ok(())
    }

    /// The fields as an object; the messages about those that could not be translated are added to
    /// `messages`. Both are in map order.
    pub(super) fn into_data(mut self, messages: &mut Vec<String>) -> Value<'a> {
        into_map_order(&mut self.entries, |(field, _)| field.order());
        let mut members = Vec::with_capacity(self.entries.len());
        for (field, value) in self.entries {
            match value {
                Ok(value) => members.push((Cow::Borrowed(field.name), value)),
                Err(message) => messages.push(message),
            }
        }
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_orders() {
        let of = |names: &[&'static str]| {
            let mut names = names.to_vec();
            into_map_order(&mut names, |name| name_order(name));
            names
        };
        assert_eq!(of(&["d", "c", "b", "a"]), ["d", "c", "b", "a"]);
        assert_eq!(
            of(&[
                "schema",
                "user",
                "name",
                "source",
                "tracking_id",
                "ad_unit",
                "aid"
            ]),
            [
                "name",
                "source",
                "aid",
                "ad_unit",
                "schema",
                "tracking_id",
                "user"
            ]
        );
    }

    #[test]
    fn order_of_schemas() {
        let table = |schema| Table {
            schema,
            fields: &[],
        };
        let parts = ["v.w", "n", "jsonschema", "1-0-0"].map(java_string_hash);
        assert_eq!(
            table("iglu:v.w/n/jsonschema/1-0-0").order(),
            improved_hash_order(product_hash(&parts))
        );
    }

    #[test]
    fn fields_and_messages() {
        static FIELDS: [Field; 3] = [text("a", "x"), integer("b", "y"), flag("c", "z")];
        let fields = |list: &[(usize, &'static str)]| {
            let mut fields = Fields::default();
            for (index, value) in list {
                fields.add(&FIELDS[*index], Some(value)).unwrap();
            }
            let mut messages = Vec::new();
            let data = fields.into_data(&mut messages).to_compact();
            (data, messages)
        };
        assert_eq!(
            fields(&[(2, "1"), (0, "t"), (1, "-7")]),
            (r#"{"z":true,"x":"t","y":-7}"#.to_owned(), Vec::new())
        );
        assert_eq!(
            fields(&[(2, "2"), (0, "t"), (1, "")]).1,
            [
                "Field [z]: Cannot convert [2] to boolean, only 1 or 0.",
                "Field [y]: cannot convert [] to Int"
            ]
        );
        assert!(Fields::default().add(&FIELDS[1], None).is_err());
    }
}
