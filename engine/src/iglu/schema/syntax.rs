//! The syntax check of draft-4 schemas (json-schema-core 1.2.1): every keyword of every subschema, in
//! alphabetical order, subschemas after their parent. Unknown keywords are fine.
//!
//! Of `required`, `type` and property dependencies only the last element is compared with those before it, as the
//! reference does; `enum` may be empty.

use std::borrow::Cow;
use std::collections::HashSet;

use super::equality::{all_unique, equal, java_order};
use super::formats::is_uri;
use super::model::{
    ALL_TYPES, ARRAY, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, type_by_name, type_names, type_of,
};
use super::numbers::Num;
use super::pattern::is_valid_regex;
use super::refs::{append, is_normalized, schema_member};
use crate::iglu::message::Message;
use crate::json::Value;

/// More errors than these are left out.
const MAX_ERRORS: usize = 1_000;

/// Where a subschema may stand below a keyword.
#[derive(Clone, Copy)]
enum Check {
    /// Any value.
    Nothing,
    Types(u8),
    /// A schema or, with `BOOLEAN`, a boolean.
    Schema(u8),
    SchemaArray,
    SchemaOrArray,
    SchemaMap,
    PatternMap,
    Dependencies,
    Length,
    Divisor,
    Exclusive(&'static str),
    Uri,
    Pattern,
    Enumeration,
    Required,
    TypeNames,
}

/// The known keywords, sorted.
const KEYWORDS: [(&str, Check); 34] = [
    ("$ref", Check::Uri),
    ("$schema", Check::Uri),
    ("additionalItems", Check::Schema(BOOLEAN)),
    ("additionalProperties", Check::Schema(BOOLEAN)),
    ("allOf", Check::SchemaArray),
    ("anyOf", Check::SchemaArray),
    ("default", Check::Nothing),
    ("definitions", Check::SchemaMap),
    ("dependencies", Check::Dependencies),
    ("description", Check::Types(STRING)),
    ("enum", Check::Enumeration),
    ("exclusiveMaximum", Check::Exclusive("maximum")),
    ("exclusiveMinimum", Check::Exclusive("minimum")),
    ("format", Check::Types(STRING)),
    ("id", Check::Uri),
    ("items", Check::SchemaOrArray),
    ("maxItems", Check::Length),
    ("maxLength", Check::Length),
    ("maxProperties", Check::Length),
    ("maximum", Check::Types(INTEGER | NUMBER)),
    ("minItems", Check::Length),
    ("minLength", Check::Length),
    ("minProperties", Check::Length),
    ("minimum", Check::Types(INTEGER | NUMBER)),
    ("multipleOf", Check::Divisor),
    ("not", Check::Schema(0)),
    ("oneOf", Check::SchemaArray),
    ("pattern", Check::Pattern),
    ("patternProperties", Check::PatternMap),
    ("properties", Check::SchemaMap),
    ("required", Check::Required),
    ("title", Check::Types(STRING)),
    ("type", Check::TypeNames),
    ("uniqueItems", Check::Types(BOOLEAN)),
];

/// Checks the subschema `schema` at `pointer` of `document` and all below it. `visited`, if wanted, collects
/// the pointers of all subschemas.
pub(super) fn check(
    document: &str,
    pointer: String,
    schema: &Value<'_>,
    visited: Option<&mut HashSet<String>>,
) -> Vec<Message> {
    let mut checker = Checker {
        document,
        visited,
        errors: Vec::new(),
    };
    checker.subschema(pointer, schema);
    checker.errors
}

struct Checker<'c> {
    document: &'c str,
    visited: Option<&'c mut HashSet<String>>,
    errors: Vec<Message>,
}

/// The keyword at hand.
#[derive(Clone, Copy)]
struct Place<'p> {
    pointer: &'p str,
    keyword: &'static str,
}

type Members = Vec<(&'static str, Value<'static>)>;

/// Subschemas that are still to be checked, each with its pointer below the parent.
type Pending<'s, 'v> = Vec<(String, &'s Value<'v>)>;

impl Checker<'_> {
    fn subschema(&mut self, pointer: String, schema: &Value<'_>) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let Value::Object(members) = schema else {
            let found = name_of(schema);
            self.errors.push(Message {
                members: vec![
                    (Cow::Borrowed("level"), Value::string("error")),
                    (
                        Cow::Borrowed("schema"),
                        schema_member(self.document, &pointer),
                    ),
                    (Cow::Borrowed("domain"), Value::string("syntax")),
                    (
                        Cow::Borrowed("message"),
                        Value::string(format!(
                            "JSON value is of type {found}, not a JSON Schema (expected an object)"
                        )),
                    ),
                    (Cow::Borrowed("found"), Value::string(found)),
                ],
            });
            return;
        };
        let mut known: Vec<(usize, &Value<'_>)> = members
            .iter()
            .filter_map(|(name, value)| {
                KEYWORDS
                    .binary_search_by(|(keyword, _)| (*keyword).cmp(name))
                    .ok()
                    .map(|index| (index, value))
            })
            .collect();
        known.sort_by_key(|(index, _)| *index);
        let mut pending = Pending::new();
        for (index, value) in known {
            let (keyword, check) = KEYWORDS[index];
            let place = Place {
                pointer: &pointer,
                keyword,
            };
            self.keyword(place, check, schema, value, &mut pending);
        }
        for (below, value) in pending {
            self.subschema(below, value);
        }
        if let Some(visited) = &mut self.visited {
            visited.insert(pointer);
        }
    }

    fn keyword<'s, 'v>(
        &mut self,
        place: Place<'_>,
        check: Check,
        schema: &Value<'_>,
        value: &'s Value<'v>,
        pending: &mut Pending<'s, 'v>,
    ) {
        let expected = match check {
            Check::Nothing => ALL_TYPES,
            Check::Types(types) => types,
            Check::Schema(types) => OBJECT | types,
            Check::SchemaOrArray => ARRAY | OBJECT,
            Check::SchemaArray | Check::Enumeration | Check::Required => ARRAY,
            Check::SchemaMap | Check::PatternMap | Check::Dependencies => OBJECT,
            Check::Length => INTEGER,
            Check::Divisor => INTEGER | NUMBER,
            Check::Exclusive(_) => BOOLEAN,
            Check::Uri | Check::Pattern => STRING,
            Check::TypeNames => ARRAY | STRING,
        };
        if type_of(value) & expected == 0 {
            let text = format!(
                "value has incorrect type (found {}, expected one of {})",
                name_of(value),
                list_of(expected)
            );
            let members = vec![
                ("found", Value::string(name_of(value))),
                ("expected", names_of(expected)),
            ];
            return self.error(place, text, members);
        }
        let below = |token: &str| append(&append(place.pointer, place.keyword), token);
        match (check, value) {
            (Check::Schema(_) | Check::SchemaOrArray, Value::Object(_)) => {
                pending.push((append(place.pointer, place.keyword), value));
            }
            (Check::SchemaArray | Check::SchemaOrArray, Value::Array(items)) => {
                if items.is_empty() {
                    self.error(place, EMPTY_ARRAY.to_owned(), Members::new());
                }
                pending.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(index, item)| (below(&index.to_string()), item)),
                );
            }
            (Check::SchemaMap | Check::PatternMap, Value::Object(_)) => {
                for (name, value) in sorted_members(value) {
                    pending.push((below(name), value));
                    if matches!(check, Check::PatternMap) && !is_valid_regex(name) {
                        let text = format!(
                            "property name \"{name}\" is not a valid ECMA 262 regular expression"
                        );
                        self.error(
                            place,
                            text,
                            vec![("propertyName", Value::string(name.to_owned()))],
                        );
                    }
                }
            }
            (Check::Dependencies, Value::Object(_)) => {
                for (name, value) in sorted_members(value) {
                    if matches!(value, Value::Object(_)) {
                        pending.push((below(name), value));
                    } else {
                        self.dependency(place, name, value);
                    }
                }
            }
            (Check::Exclusive(other), _) => {
                if schema.get(other).is_none() {
                    let text = format!("{} must be paired with {other}", place.keyword);
                    self.error(place, text, Members::new());
                }
            }
            (Check::Enumeration, Value::Array(items)) => {
                if !all_unique(items) {
                    self.error(place, DUPLICATES.to_owned(), Members::new());
                }
            }
            (Check::Required, Value::Array(items)) => {
                self.strings(
                    place,
                    items,
                    Members::new(),
                    list_of(STRING),
                    names_of(STRING),
                );
            }
            (Check::TypeNames, value) => self.types(place, value),
            (_, value) => self.scalar(place, check, value),
        }
    }

    /// Keywords with a number or a string.
    fn scalar(&mut self, place: Place<'_>, check: Check, value: &Value<'_>) {
        match (check, value) {
            (Check::Length, Value::Number(number)) => match number.as_i64().map(i32::try_from) {
                Some(Ok(length)) if length < 0 => self.error(
                    place,
                    "integer value must be strictly positive".to_owned(),
                    Members::new(),
                ),
                Some(Ok(_)) => {}
                _ => self.error(
                    place,
                    "integer value is too large".to_owned(),
                    vec![("max", Value::integer(i64::from(i32::MAX)))],
                ),
            },
            (Check::Divisor, Value::Number(number))
                if Num::of(number).compare(&Num::Int(0)).is_le() =>
            {
                self.error(
                    place,
                    "divisor must be strictly greater than zero".to_owned(),
                    vec![("found", value.clone().into_owned())],
                );
            }
            (Check::Uri, Value::String(text)) => {
                let message = if !is_uri(text) {
                    format!("string is not a valid URI: \"{text}\"")
                } else if !is_normalized(text) {
                    format!("URI \"{text}\" is not normalized")
                } else {
                    return;
                };
                self.error(
                    place,
                    message,
                    vec![("value", Value::string(text.to_string()))],
                );
            }
            (Check::Pattern, Value::String(text)) if !is_valid_regex(text) => {
                self.error(
                    place,
                    format!("string \"{text}\" is not a valid ECMA 262 regular expression"),
                    vec![("value", Value::string(text.to_string()))],
                );
            }
            _ => {}
        }
    }

    fn dependency(&mut self, place: Place<'_>, name: &str, value: &Value<'_>) {
        let property = || vec![("property", Value::string(name.to_owned()))];
        let Value::Array(items) = value else {
            let text = format!(
                "dependency value for property \"{name}\" has incorrect type (expected one of {} but found {})",
                list_of(ARRAY | OBJECT),
                name_of(value)
            );
            let mut members = property();
            members.push(("expected", names_of(ARRAY | OBJECT)));
            members.push(("found", Value::string(name_of(value))));
            return self.error(place, text, members);
        };
        self.strings(place, items, property(), list_of(STRING), names_of(STRING));
    }

    fn types(&mut self, place: Place<'_>, value: &Value<'_>) {
        match value {
            Value::String(name) if type_by_name(name).is_none() => {
                self.unknown_type(place, name, Members::new());
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::String(name) = item
                        && type_by_name(name).is_none()
                    {
                        self.unknown_type(place, name, vec![("index", index_value(index))]);
                    }
                }
                // one type is expected here, not a list of them
                self.strings(
                    place,
                    items,
                    Members::new(),
                    "string".to_owned(),
                    Value::string("string"),
                );
            }
            _ => {}
        }
    }

    fn unknown_type(&mut self, place: Place<'_>, name: &str, mut members: Members) {
        let text = format!(
            "\"{name}\" is not a valid primitive type (valid values are: {})",
            list_of(ALL_TYPES)
        );
        members.push(("found", Value::string(name.to_owned())));
        members.push(("valid", names_of(ALL_TYPES)));
        self.error(place, text, members);
    }

    /// An array of distinct strings that is not empty.
    fn strings(
        &mut self,
        place: Place<'_>,
        items: &[Value<'_>],
        members: Members,
        expected_text: String,
        expected: Value<'static>,
    ) {
        if items.is_empty() {
            return self.error(place, EMPTY_ARRAY.to_owned(), members);
        }
        for (index, item) in items.iter().enumerate() {
            if matches!(item, Value::String(_)) {
                continue;
            }
            let found = name_of(item);
            let text = format!(
                "array element at index {index} has incorrect type (expected one of {expected_text} but found {found})"
            );
            let mut members = members.clone();
            members.push(("index", index_value(index)));
            members.push(("expected", expected.clone()));
            members.push(("found", Value::string(found)));
            self.error(place, text, members);
        }
        // the reference remembers only whether the last element was new
        if let [before @ .., last] = items
            && before.iter().any(|item| equal(item, last))
        {
            self.error(place, DUPLICATES.to_owned(), members);
        }
    }

    fn error(&mut self, place: Place<'_>, text: String, members: Members) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let mut message = Message {
            members: vec![
                (Cow::Borrowed("level"), Value::string("error")),
                (Cow::Borrowed("message"), Value::string(text)),
                (Cow::Borrowed("domain"), Value::string("syntax")),
                (
                    Cow::Borrowed("schema"),
                    schema_member(self.document, place.pointer),
                ),
                (Cow::Borrowed("keyword"), Value::string(place.keyword)),
            ],
        };
        message.members.extend(
            members
                .into_iter()
                .map(|(name, value)| (Cow::Borrowed(name), value)),
        );
        self.errors.push(message);
    }
}

const EMPTY_ARRAY: &str = "array must have at least one element";
const DUPLICATES: &str = "array must not contain duplicate elements";

fn index_value(index: usize) -> Value<'static> {
    Value::integer(i64::try_from(index).unwrap_or(i64::MAX))
}

fn name_of(value: &Value<'_>) -> &'static str {
    type_names(type_of(value)).next().unwrap_or_default()
}

fn names_of(types: u8) -> Value<'static> {
    Value::Array(type_names(types).map(Value::string).collect())
}

fn list_of(types: u8) -> String {
    format!("[{}]", type_names(types).collect::<Vec<_>>().join(", "))
}

/// The members of an object, sorted by name.
pub(super) fn sorted_members<'s, 'v>(value: &'s Value<'v>) -> Vec<(&'s str, &'s Value<'v>)> {
    let mut members: Vec<(&str, &Value<'_>)> = value
        .as_object()
        .unwrap_or_default()
        .iter()
        .map(|(name, value)| (&**name, value))
        .collect();
    members.sort_by(|a, b| java_order(a.0, b.0));
    members
}
