//! The compiled form of a schema: a table of nodes that refer to each other by number, so that a
//! reference costs nothing and may be recursive.

use super::formats::Format;
use super::numbers::Num;
use super::pattern::Pattern;
use super::properties::PropertyTable;
use crate::iglu::message::Message;
use crate::json::Value;

pub(super) const ARRAY: u8 = 1;
pub(super) const BOOLEAN: u8 = 1 << 1;
pub(super) const INTEGER: u8 = 1 << 2;
pub(super) const NULL: u8 = 1 << 3;
pub(super) const NUMBER: u8 = 1 << 4;
pub(super) const OBJECT: u8 = 1 << 5;
pub(super) const STRING: u8 = 1 << 6;
pub(super) const ALL_TYPES: u8 = 0x7f;

/// Names of the types, in the order of the reference's enumeration.
const TYPE_NAMES: [(u8, &str); 7] = [
    (ARRAY, "array"),
    (BOOLEAN, "boolean"),
    (INTEGER, "integer"),
    (NULL, "null"),
    (NUMBER, "number"),
    (OBJECT, "object"),
    (STRING, "string"),
];

/// The type of a value: a number is an integer when its token has neither fraction nor exponent.
pub(super) fn type_of(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(number) if number.is_integer() => INTEGER,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// The types of a set, by name.
pub(super) fn type_names(types: u8) -> impl Iterator<Item = &'static str> {
    TYPE_NAMES
        .into_iter()
        .filter(move |(bit, _)| types & bit != 0)
        .map(|(_, name)| name)
}

/// The type of that name.
pub(super) fn type_by_name(name: &str) -> Option<u8> {
    TYPE_NAMES
        .into_iter()
        .find(|(_, known)| *known == name)
        .map(|(bit, _)| bit)
}

/// Index into the table of nodes.
pub(super) type NodeId = usize;
/// Index into the table of locations.
pub(super) type LocationId = usize;

/// A subschema as its parent refers to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// What applies, references followed.
    pub(super) node: NodeId,
    /// Where it is written, references not followed.
    pub(super) at: LocationId,
}

/// A place in a schema document.
#[derive(Debug)]
pub(super) struct Location {
    /// Index of the document.
    pub(super) document: usize,
    /// JSON Pointer.
    pub(super) pointer: Box<str>,
    /// Base URI from `id`s, where there are any.
    pub(super) context: Option<Box<str>>,
}

/// Everything that `Schema` holds.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) nodes: Vec<Node>,
    pub(super) locations: Vec<Location>,
    /// Loading URIs of the documents, each with its `#`.
    pub(super) documents: Vec<String>,
    pub(super) root: Edge,
    /// Subschemas of all `allOf`, `anyOf`, `oneOf` and `not`.
    pub(super) alternatives: u64,
    /// A broken reference or a loop is in reach: the verdict may be an exception of the reference, which
    /// only the slow path can tell.
    pub(super) may_throw: bool,
}

/// One subschema.
#[derive(Debug)]
pub(super) struct Node {
    /// Types that `type` allows; all when there is none.
    pub(super) types: u8,
    /// No keyword at all.
    pub(super) trivial: bool,
    pub(super) location: LocationId,
    pub(super) fatal: Option<Box<Fatal>>,
    pub(super) array: Option<Box<ArrayRules>>,
    pub(super) number: Option<Box<NumberRules>>,
    pub(super) object: Option<Box<ObjectRules>>,
    pub(super) string: Option<Box<StringRules>>,
    pub(super) any: Option<Box<AnyRules>>,
}

impl Node {
    /// A node without rules.
    pub(super) fn new(location: LocationId) -> Self {
        Self {
            types: ALL_TYPES,
            trivial: true,
            location,
            fatal: None,
            array: None,
            number: None,
            object: None,
            string: None,
            any: None,
        }
    }
}

/// Why the reference throws when it reaches a node.
#[derive(Debug)]
pub(super) enum Fatal {
    /// A reference that cannot be followed: the message of the exception.
    Reference(Message),
    /// A reference to something that is no schema: its syntax errors.
    Syntax(Vec<Message>),
}

/// Keywords for values of every type.
#[derive(Debug, Default)]
pub(super) struct AnyRules {
    pub(super) all_of: Vec<Edge>,
    pub(super) any_of: Vec<Edge>,
    pub(super) one_of: Vec<Edge>,
    pub(super) not: Option<Edge>,
    pub(super) enumeration: Option<Enumeration>,
}

impl AnyRules {
    /// Number of subschemas.
    pub(super) fn alternatives(&self) -> usize {
        self.all_of.len() + self.any_of.len() + self.one_of.len() + usize::from(self.not.is_some())
    }
}

/// `enum`, as it is written and sorted by kind.
#[derive(Debug)]
pub(super) struct Enumeration {
    pub(super) values: Value<'static>,
    /// Strings among the values, sorted.
    pub(super) strings: Vec<Box<str>>,
    /// All other values.
    pub(super) others: Vec<Value<'static>>,
}

/// Keywords for arrays.
#[derive(Debug)]
pub(super) struct ArrayRules {
    pub(super) items: Items,
    /// `additionalItems: false` next to a tuple: the tuple's length.
    pub(super) most: Option<usize>,
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
    pub(super) unique: bool,
}

/// Which schema an item has.
#[derive(Debug)]
pub(super) enum Items {
    /// None, or one for all.
    Each(Option<Edge>),
    /// One for each of the first, and one for the rest.
    Tuple(Vec<Edge>, Option<Edge>),
}

/// Keywords for numbers.
#[derive(Debug, Default)]
pub(super) struct NumberRules {
    pub(super) maximum: Option<Bound>,
    pub(super) minimum: Option<Bound>,
    pub(super) multiple_of: Option<Bound>,
}

/// A keyword's number.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) value: Num,
    /// As messages show it.
    pub(super) shown: Value<'static>,
    pub(super) exclusive: bool,
}

/// Keywords for strings. Lengths are code points.
#[derive(Debug, Default)]
pub(super) struct StringRules {
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
    pub(super) pattern: Option<Pattern>,
    pub(super) format: Option<Format>,
}

/// Keywords for objects.
#[derive(Debug)]
pub(super) struct ObjectRules {
    /// Names of `properties` and `required`.
    pub(super) table: PropertyTable,
    /// Sorted, without duplicates.
    pub(super) required: Vec<Box<str>>,
    /// Sorted by the pattern's text.
    pub(super) patterns: Vec<(Pattern, Edge)>,
    pub(super) additional: Additional,
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
    /// Those on properties, in the order of Java's hash map, then those on schemas, sorted.
    pub(super) dependencies: Vec<(Box<str>, Dependency)>,
}

/// `additionalProperties`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Additional {
    Allowed,
    Forbidden,
    Schema(Edge),
}

/// What the presence of a property asks for.
#[derive(Debug)]
pub(super) enum Dependency {
    /// Other properties, sorted.
    Properties(Vec<Box<str>>),
    Schema(Edge),
}
