//! The keywords of one subschema as rules: values checked by the syntax check are turned into what the two paths look at.

use std::collections::HashMap;

use super::compile::{Compiler, Place};
use super::equality::{java_order, java_string_hash};
use super::formats::Format;
use super::model::{
    ALL_TYPES, Additional, AnyRules, ArrayRules, Bound, Dependency, Enumeration, INTEGER, Items,
    NUMBER, NumberRules, ObjectRules, StringRules, type_by_name,
};
use super::numbers::{self, Num};
use super::pattern::Pattern;
use super::properties::{Property, PropertyTable};
use super::syntax;
use crate::json::Value;

impl<'d> Compiler<'d> {
    pub(super) fn any_rules(&mut self, place: &Place<'d>) -> Option<Box<AnyRules>> {
        let schema = place.value;
        let rules = AnyRules {
            all_of: self.parts(place, "allOf"),
            any_of: self.parts(place, "anyOf"),
            one_of: self.parts(place, "oneOf"),
            not: schema
                .get("not")
                .map(|value| self.below(place, "not", value)),
            enumeration: schema.get("enum").map(|values| {
                let mut strings = Vec::new();
                let mut others = Vec::new();
                for value in values.as_array().unwrap_or_default() {
                    match value {
                        Value::String(text) => strings.push(Box::from(&**text)),
                        other => others.push(other.clone().into_owned()),
                    }
                }
                strings.sort_unstable();
                Enumeration {
                    values: values.clone().into_owned(),
                    strings,
                    others,
                }
            }),
        };
        let present = !rules.all_of.is_empty()
            || !rules.any_of.is_empty()
            || !rules.one_of.is_empty()
            || rules.not.is_some()
            || rules.enumeration.is_some();
        present.then(|| Box::new(rules))
    }

    pub(super) fn array_rules(&mut self, place: &Place<'d>) -> Option<Box<ArrayRules>> {
        let schema = place.value;
        let additional = schema.get("additionalItems");
        let rest = additional
            .filter(|value| matches!(value, Value::Object(_)))
            .map(|value| self.below(place, "additionalItems", value));
        let items = match schema.get("items") {
            Some(Value::Array(_)) => Items::Tuple(self.parts(place, "items"), rest),
            Some(value) => Items::Each(Some(self.below(place, "items", value))),
            None => Items::Each(rest),
        };
        let rules = ArrayRules {
            most: match (&items, additional) {
                (Items::Tuple(tuple, _), Some(Value::Bool(false))) => Some(tuple.len()),
                _ => None,
            },
            items,
            min: length(schema, "minItems"),
            max: length(schema, "maxItems"),
            unique: schema.get("uniqueItems") == Some(&Value::Bool(true)),
        };
        let present = !matches!(rules.items, Items::Each(None))
            || rules.min.is_some()
            || rules.max.is_some()
            || rules.unique;
        present.then(|| Box::new(rules))
    }

    pub(super) fn object_rules(&mut self, place: &Place<'d>) -> Option<Box<ObjectRules>> {
        let schema = place.value;
        let mut required: Vec<Box<str>> = strings(schema.get("required"));
        required.sort_by(|a, b| java_order(a, b));
        required.dedup();
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut entries: Vec<Property> = Vec::new();
        for (name, value) in schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or_default()
        {
            names.insert(name, entries.len());
            entries.push(Property {
                name: Box::from(&**name),
                schema: Some(self.part(place, "properties", name, value)),
                required: false,
            });
        }
        for name in &required {
            match names.get(&**name) {
                Some(index) => entries[*index].required = true,
                None => entries.push(Property {
                    name: name.clone(),
                    schema: None,
                    required: true,
                }),
            }
        }
        let patterns = schema
            .get("patternProperties")
            .map(syntax::sorted_members)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| {
                let edge = self.part(place, "patternProperties", name, value);
                Some((Pattern::compile(name)?, edge))
            })
            .collect();
        let rules = ObjectRules {
            patterns,
            additional: match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => Additional::Forbidden,
                Some(value @ Value::Object(_)) => {
                    Additional::Schema(self.below(place, "additionalProperties", value))
                }
                _ => Additional::Allowed,
            },
            min: length(schema, "minProperties"),
            max: length(schema, "maxProperties"),
            dependencies: self.dependencies(place),
            table: PropertyTable::new(entries),
            required,
        };
        let present = schema.get("properties").is_some()
            || !rules.required.is_empty()
            || !rules.patterns.is_empty()
            || !matches!(rules.additional, Additional::Allowed)
            || rules.min.is_some()
            || rules.max.is_some()
            || !rules.dependencies.is_empty();
        present.then(|| Box::new(rules))
    }

    fn dependencies(&mut self, place: &Place<'d>) -> Vec<(Box<str>, Dependency)> {
        let schema = place.value;
        let members = schema
            .get("dependencies")
            .and_then(Value::as_object)
            .unwrap_or_default();
        let (schemas, properties): (Vec<_>, Vec<_>) = members
            .iter()
            .map(|(name, value)| (&**name, value))
            .partition(|(_, value)| matches!(value, Value::Object(_)));
        let (mut schemas, mut properties): (Vec<(&str, _)>, Vec<(&str, _)>) = (schemas, properties);
        schemas.sort_by(|a, b| java_order(a.0, b.0));
        // the order of a java.util.HashMap: by bucket of a table that is at most three quarters full
        let buckets = (properties.len() * 4)
            .div_ceil(3)
            .next_power_of_two()
            .max(16);
        properties.sort_by_key(|(name, _)| {
            let hash = java_string_hash(name);
            (hash ^ hash >> 16) as usize & (buckets - 1)
        });
        let mut rules: Vec<(Box<str>, Dependency)> = properties
            .into_iter()
            .map(|(name, value)| {
                let mut names = strings(Some(value));
                names.sort_by(|a, b| java_order(a, b));
                names.dedup();
                (name.into(), Dependency::Properties(names))
            })
            .collect();
        for (name, value) in schemas {
            let edge = self.part(place, "dependencies", name, value);
            rules.push((name.into(), Dependency::Schema(edge)));
        }
        rules
    }
}

pub(super) fn types(schema: &Value<'_>) -> u8 {
    let types = match schema.get("type") {
        Some(Value::String(name)) => type_by_name(name).unwrap_or_default(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(|name| type_by_name(name.as_str()?))
            .fold(0, |types, bit| types | bit),
        _ => ALL_TYPES,
    };
    if types & NUMBER == 0 {
        types
    } else {
        types | INTEGER
    }
}

pub(super) fn number_rules(schema: &Value<'_>) -> Option<Box<NumberRules>> {
    let bound = |keyword: &str, exclusive: &str| match schema.get(keyword) {
        Some(Value::Number(number)) => Some(Bound {
            value: Num::of(number),
            shown: numbers::shown(number),
            exclusive: schema.get(exclusive) == Some(&Value::Bool(true)),
        }),
        _ => None,
    };
    let rules = NumberRules {
        maximum: bound("maximum", "exclusiveMaximum"),
        minimum: bound("minimum", "exclusiveMinimum"),
        multiple_of: bound("multipleOf", ""),
    };
    let present = rules.maximum.is_some() || rules.minimum.is_some() || rules.multiple_of.is_some();
    present.then(|| Box::new(rules))
}

pub(super) fn string_rules(schema: &Value<'_>) -> Option<Box<StringRules>> {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
    let rules = StringRules {
        min: length(schema, "minLength"),
        max: length(schema, "maxLength"),
        pattern: text("pattern").and_then(Pattern::compile),
        format: text("format").and_then(Format::by_name),
    };
    let present = rules.min.is_some()
        || rules.max.is_some()
        || rules.pattern.is_some()
        || rules.format.is_some();
    present.then(|| Box::new(rules))
}

fn length(schema: &Value<'_>, keyword: &str) -> Option<usize> {
    match schema.get(keyword) {
        Some(Value::Number(number)) => usize::try_from(number.as_i64()?).ok(),
        _ => None,
    }
}

fn strings(value: Option<&Value<'_>>) -> Vec<Box<str>> {
    value
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| item.as_str().map(Box::from))
        .collect()
}
