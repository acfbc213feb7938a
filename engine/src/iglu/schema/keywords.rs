//! One function for each keyword: what the reference says when the keyword fails.

use std::cmp::Ordering;

use super::equality::java_order;
use super::messages::Draft;
use super::model::{Additional, ArrayRules, Enumeration, NumberRules, ObjectRules, StringRules};
use super::numbers::Num;
use crate::json::{Number, Value};

type Reports = Vec<(std::borrow::Cow<'static, str>, Value<'static>)>;

fn integer(value: usize) -> Value<'static> {
    Value::integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Value<'static> {
    Value::Array(
        names
            .into_iter()
            .map(|name| Value::string(name.to_owned()))
            .collect(),
    )
}

fn size(value: &Value<'_>) -> usize {
    value.as_object().map_or(0, <[_]>::len)
}

fn owned(number: &Number<'_>) -> Value<'static> {
    Value::Number(number.clone()).into_owned()
}

pub(super) fn additional_items(rules: &ArrayRules, items: &[Value<'_>]) -> Option<Draft> {
    let (allowed, found) = (rules.most?, items.len());
    (found > allowed).then(|| {
        Draft::new(
            "additionalItems",
            format!(
                "schema only allows {allowed} elements in array but instance has {found} elements"
            ),
            [("allowed", integer(allowed)), ("found", integer(found))],
        )
    })
}

pub(super) fn additional_properties(rules: &ObjectRules, value: &Value<'_>) -> Option<Draft> {
    if !matches!(rules.additional, Additional::Forbidden) {
        return None;
    }
    let mut unwanted: Vec<&str> = value
        .as_object()?
        .iter()
        .map(|(name, _)| &**name)
        .filter(|name| {
            let listed = rules
                .table
                .find(name, 0)
                .is_some_and(|(_, property)| property.schema.is_some());
            !listed
                && !rules
                    .patterns
                    .iter()
                    .any(|(pattern, _)| pattern.is_match(name))
        })
        .collect();
    if unwanted.is_empty() {
        return None;
    }
    unwanted.sort_by(|a, b| java_order(a, b));
    let unwanted = names(unwanted);
    Some(Draft::new(
        "additionalProperties",
        format!(
            "object instance has properties which are not allowed by the schema: {}",
            unwanted.to_compact()
        ),
        [("unwanted", unwanted)],
    ))
}

pub(super) fn all_of(matched: usize, schemas: usize, reports: Reports) -> Draft {
    Draft::new(
        "allOf",
        format!(
            "instance failed to match all required schemas (matched only {matched} out of {schemas})"
        ),
        [
            ("matched", integer(matched)),
            ("nrSchemas", integer(schemas)),
            ("reports", Value::Object(reports)),
        ],
    )
}

pub(super) fn any_of(schemas: usize, reports: Reports) -> Draft {
    Draft::new(
        "anyOf",
        format!("instance failed to match at least one required schema among {schemas}"),
        [
            ("nrSchemas", integer(schemas)),
            ("reports", Value::Object(reports)),
        ],
    )
}

pub(super) fn one_of(matched: usize, schemas: usize, reports: Reports) -> Draft {
    Draft::new(
        "oneOf",
        format!("instance failed to match exactly one schema (matched {matched} out of {schemas})"),
        [
            ("matched", integer(matched)),
            ("nrSchemas", integer(schemas)),
            ("reports", Value::Object(reports)),
        ],
    )
}

pub(super) fn matched_not() -> Draft {
    Draft::new(
        "not",
        "instance matched a schema which it should not have".to_owned(),
        [],
    )
}

pub(super) fn dependency(name: &str, required: &[Box<str>], value: &Value<'_>) -> Option<Draft> {
    let missing: Vec<&str> = required
        .iter()
        .map(|name| &**name)
        .filter(|name| value.get(name).is_none())
        .collect();
    if missing.is_empty() {
        return None;
    }
    let (required, missing) = (names(required.iter().map(|name| &**name)), names(missing));
    Some(Draft::new(
        "dependencies",
        format!(
            "property \"{name}\" of object has missing property dependencies (schema requires {}; missing: {})",
            required.to_compact(),
            missing.to_compact()
        ),
        [
            ("property", Value::string(name.to_owned())),
            ("required", required),
            ("missing", missing),
        ],
    ))
}

pub(super) fn not_in_enum(enumeration: &Enumeration, value: &Value<'_>) -> Draft {
    Draft::new(
        "enum",
        format!(
            "instance value ({}) not found in enum (possible values: {})",
            value.to_compact(),
            enumeration.values.to_compact()
        ),
        [
            ("value", value.clone().into_owned()),
            ("enum", enumeration.values.clone()),
        ],
    )
}

pub(super) fn max_items(rules: &ArrayRules, items: &[Value<'_>]) -> Option<Draft> {
    let (max, found) = (rules.max?, items.len());
    (found > max).then(|| {
        Draft::new(
            "maxItems",
            format!("array is too long: must have at most {max} elements but instance has {found} elements"),
            [("maxItems", integer(max)), ("found", integer(found))],
        )
    })
}

pub(super) fn min_items(rules: &ArrayRules, items: &[Value<'_>]) -> Option<Draft> {
    let (min, found) = (rules.min?, items.len());
    (found < min).then(|| {
        Draft::new(
            "minItems",
            format!("array is too short: must have at least {min} elements but instance has {found} elements"),
            [("minItems", integer(min)), ("found", integer(found))],
        )
    })
}

pub(super) fn max_length(rules: &StringRules, text: &str) -> Option<Draft> {
    let (max, found) = (rules.max?, text.chars().count());
    (found > max).then(|| {
        Draft::new(
            "maxLength",
            format!("string \"{text}\" is too long (length: {found}, maximum allowed: {max})"),
            [
                ("value", Value::string(text.to_owned())),
                ("found", integer(found)),
                ("maxLength", integer(max)),
            ],
        )
    })
}

pub(super) fn min_length(rules: &StringRules, text: &str) -> Option<Draft> {
    let (min, found) = (rules.min?, text.chars().count());
    (found < min).then(|| {
        Draft::new(
            "minLength",
            format!("string \"{text}\" is too short (length: {found}, required minimum: {min})"),
            [
                ("value", Value::string(text.to_owned())),
                ("found", integer(found)),
                ("minLength", integer(min)),
            ],
        )
    })
}

pub(super) fn max_properties(rules: &ObjectRules, value: &Value<'_>) -> Option<Draft> {
    let (max, found) = (rules.max?, size(value));
    (found > max).then(|| {
        Draft::new(
            "maxProperties",
            format!(
                "object has too many properties (found {found} but schema requires at most {max})"
            ),
            [("found", integer(found)), ("required", integer(max))],
        )
    })
}

pub(super) fn min_properties(rules: &ObjectRules, value: &Value<'_>) -> Option<Draft> {
    let (min, found) = (rules.min?, size(value));
    (found < min).then(|| {
        Draft::new(
            "minProperties",
            format!(
                "object has too few properties (found {found} but schema requires at least {min})"
            ),
            [("found", integer(found)), ("required", integer(min))],
        )
    })
}

pub(super) fn maximum(rules: &NumberRules, number: &Number<'_>) -> Option<Draft> {
    let bound = rules.maximum.as_ref()?;
    let shown = bound.shown.to_compact();
    match Num::of(number).compare(&bound.value) {
        Ordering::Greater => {
            let found = owned(number);
            Some(Draft::new(
                "maximum",
                format!(
                    "numeric instance is greater than the required maximum (maximum: {shown}, found: {})",
                    found.to_compact()
                ),
                [("maximum", bound.shown.clone()), ("found", found)],
            ))
        }
        Ordering::Equal if bound.exclusive => Some(Draft::new(
            "maximum",
            format!("numeric instance is not strictly lower than the required maximum {shown}"),
            [
                ("maximum", bound.shown.clone()),
                ("exclusiveMaximum", Value::Bool(true)),
            ],
        )),
        _ => None,
    }
}

pub(super) fn minimum(rules: &NumberRules, number: &Number<'_>) -> Option<Draft> {
    let bound = rules.minimum.as_ref()?;
    let shown = bound.shown.to_compact();
    match Num::of(number).compare(&bound.value) {
        Ordering::Less => {
            let found = owned(number);
            Some(Draft::new(
                "minimum",
                format!(
                    "numeric instance is lower than the required minimum (minimum: {shown}, found: {})",
                    found.to_compact()
                ),
                [("minimum", bound.shown.clone()), ("found", found)],
            ))
        }
        Ordering::Equal if bound.exclusive => Some(Draft::new(
            "minimum",
            format!("numeric instance is not strictly greater than the required minimum {shown}"),
            [
                ("minimum", bound.shown.clone()),
                ("exclusiveMinimum", Value::Bool(true)),
            ],
        )),
        _ => None,
    }
}

pub(super) fn multiple_of(rules: &NumberRules, number: &Number<'_>) -> Option<Draft> {
    let divisor = rules.multiple_of.as_ref()?;
    if Num::of(number).is_multiple_of(&divisor.value) {
        return None;
    }
    let value = owned(number);
    Some(Draft::new(
        "multipleOf",
        format!(
            "remainder of division is not zero ({} / {})",
            value.to_compact(),
            divisor.shown.to_compact()
        ),
        [("value", value), ("divisor", divisor.shown.clone())],
    ))
}

pub(super) fn pattern(rules: &StringRules, text: &str) -> Option<Draft> {
    let pattern = rules.pattern.as_ref()?;
    if pattern.is_match(text) {
        return None;
    }
    let regex = &pattern.source;
    Some(Draft::new(
        "pattern",
        format!("ECMA 262 regex \"{regex}\" does not match input string \"{text}\""),
        [
            ("regex", Value::string(regex.to_string())),
            ("string", Value::string(text.to_owned())),
        ],
    ))
}

pub(super) fn required(rules: &ObjectRules, value: &Value<'_>) -> Option<Draft> {
    if rules.required.is_empty() {
        return None;
    }
    let mut present: Vec<&str> = Vec::new();
    let mut hint = 0;
    for (name, _) in value.as_object()? {
        if let Some((index, property)) = rules.table.find(name, hint) {
            hint = index + 1;
            if property.required {
                present.push(name);
            }
        }
    }
    if present.len() == rules.required.len() {
        return None;
    }
    present.sort_unstable();
    let missing = rules
        .required
        .iter()
        .map(|name| &**name)
        .filter(|name| present.binary_search(name).is_err());
    let (required, missing) = (
        names(rules.required.iter().map(|name| &**name)),
        names(missing),
    );
    Some(Draft::new(
        "required",
        format!(
            "object has missing required properties ({})",
            missing.to_compact()
        ),
        [("required", required), ("missing", missing)],
    ))
}

pub(super) fn wrong_type(
    found: &'static str,
    expected: impl Iterator<Item = &'static str>,
) -> Draft {
    let expected = Value::Array(expected.map(Value::string).collect());
    Draft::new(
        "type",
        format!(
            "instance type ({found}) does not match any allowed primitive type (allowed: {})",
            expected.to_compact()
        ),
        [("found", Value::string(found)), ("expected", expected)],
    )
}

pub(super) fn duplicate_items() -> Draft {
    Draft::new(
        "uniqueItems",
        "array must not contain duplicate elements".to_owned(),
        [],
    )
}

pub(super) fn format(rules: &StringRules, text: &str) -> Option<Draft> {
    let format = rules.format?;
    if format.accepts(text) {
        return None;
    }
    let failure = format.failure(text);
    let mut draft = Draft::new(
        "format",
        failure.text,
        [("value", Value::string(text.to_owned()))],
    );
    draft.attribute = Some(format.name());
    draft.cost += text.len();
    draft.members.extend(failure.members);
    Some(draft)
}
