//! Conditions of filters, and how the two libraries compare values.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Value;
use super::walk::{Path, Walk};
use crate::json::Number;
use crate::text::java_number;

/// What a filter asks of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// One of them holds.
    Any(Vec<Condition>),
    /// All of them hold.
    All(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The path selects something.
    Exists(Path),
    /// Gatling's comparison: the first value of each side; false without.
    First(Operand, Comparison, Operand),
    /// Jayway's comparison.
    Compare(Operand, Comparison, Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Value<'static>),
    Path(Path),
    /// Jayway only.
    Pattern(Pattern),
}

/// Comparisons; those from `StrictEqual` on are Jayway's only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StrictEqual,
    StrictNotEqual,
    Matches,
    In,
    NotIn,
    Contains,
    ContainsAll,
    SubsetOf,
    Size,
    Empty,
}

/// A regular expression, which a whole text has to match.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    regex: Arc<fancy_regex::Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// `flags` are letters: `i`, `m`, `s`, `x`, `u`, `d`, `U`; the last three change nothing here.
    pub(super) fn compile(text: &str, flags: &str) -> Result<Self, String> {
        let mut inner = String::new();
        for flag in flags.chars() {
            match flag {
                'i' | 'm' | 's' | 'x' => inner.push(flag),
                'u' | 'd' | 'U' => {}
                _ => {
                    return Err(format!(
                        "Flag '{flag}' of pattern /{text}/ is not supported"
                    ));
                }
            }
        }
        let flags = if inner.is_empty() {
            String::new()
        } else {
            format!("(?{inner})")
        };
        let text = format!("{flags}\\A(?:{text})\\z");
        let regex = fancy_regex::Regex::new(&text)
            .map_err(|error| format!("Pattern {text} cannot be read: {error}"))?;
        Ok(Self {
            text,
            regex: Arc::new(regex),
        })
    }

    /// A pattern that would need too many steps does not match.
    fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }
}

impl Condition {
    /// Whether it holds for `tested`.
    pub(super) fn holds<'v, 'j>(&self, walk: &Walk<'v, 'j>, tested: &'v Value<'j>) -> bool {
        match self {
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(walk, tested)),
            Self::All(conditions) => conditions.iter().all(|c| c.holds(walk, tested)),
            Self::Not(condition) => !condition.holds(walk, tested),
            Self::Exists(path) if path.is_definite() => walk.inner_definite(path, tested).is_some(),
            Self::Exists(path) => !walk.inner(path, tested).is_empty(),
            Self::First(left, comparison, right) => {
                match (left.first(walk, tested), right.first(walk, tested)) {
                    (Some(left), Some(right)) => compare_gatling(left, *comparison, right),
                    _ => false,
                }
            }
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.side(walk, tested), right.side(walk, tested));
                compare_jayway(&left, *comparison, &right)
            }
        }
    }
}

impl Operand {
    fn first<'s, 'v: 's, 'j: 's>(
        &'s self,
        walk: &Walk<'v, 'j>,
        tested: &'v Value<'j>,
    ) -> Option<&'s Value<'s>> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Path(path) if path.is_definite() => walk.inner_definite(path, tested),
            Self::Path(path) => walk.inner(path, tested).first().copied(),
            Self::Pattern(_) => None,
        }
    }

    fn side<'s, 'v: 's, 'j: 's>(&'s self, walk: &Walk<'v, 'j>, tested: &'v Value<'j>) -> Side<'s> {
        match self {
            Self::Literal(value) => Side::Value(value),
            Self::Path(path) if path.is_definite() => walk
                .inner_definite(path, tested)
                .map_or(Side::Undefined, Side::Value),
            Self::Path(path) => Side::List(
                walk.inner(path, tested)
                    .into_iter()
                    .map(|v| v as _)
                    .collect(),
            ),
            Self::Pattern(pattern) => Side::Pattern(pattern),
        }
    }
}

/// One side of Jayway's comparison.
enum Side<'s> {
    /// A path that leads nowhere.
    Undefined,
    Value(&'s Value<'s>),
    /// What a path with several ends found.
    List(Vec<&'s Value<'s>>),
    Pattern(&'s Pattern),
}

impl<'s> Side<'s> {
    fn as_value(&self) -> Option<&'s Value<'s>> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    fn as_list(&self) -> Option<Vec<&'s Value<'s>>> {
        match self {
            Self::Value(Value::Array(items)) => Some(items.iter().collect()),
            Self::List(values) => Some(values.clone()),
            _ => None,
        }
    }
}

/// Orders texts as Java does: by UTF-16 units.
fn order_texts(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// A number as Jackson reads it.
enum Numeric {
    Long(i64),
    Big,
    Double(f64),
}

fn numeric(number: &Number<'_>) -> Numeric {
    match number.as_i64() {
        Some(long) => Numeric::Long(long),
        None if number.is_integer() => Numeric::Big,
        None => Numeric::Double(number.as_f64()),
    }
}

fn is_in_order(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        _ => false,
    }
}

fn compare_gatling(left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> bool {
    match comparison {
        Comparison::Equal => equal_loosely(left, right),
        Comparison::NotEqual => !equal_loosely(left, right),
        _ => {
            let order = match (left, right) {
                (Value::String(left), Value::String(right)) => Some(order_texts(left, right)),
                (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
                (Value::Number(left), Value::Number(right)) => {
                    match (numeric(left), numeric(right)) {
                        (Numeric::Long(left), Numeric::Long(right)) => Some(left.cmp(&right)),
                        // no ordering is defined for these
                        (Numeric::Big, _) | (_, Numeric::Big) => None,
                        _ => left.as_f64().partial_cmp(&right.as_f64()),
                    }
                }
                _ => None,
            };
            order.is_some_and(|order| is_in_order(order, comparison))
        }
    }
}

/// Equality of Scala: numbers of different types are compared by value, but not inside of containers.
fn equal_loosely(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => match (numeric(l), numeric(r)) {
            (Numeric::Long(l), Numeric::Long(r)) => l == r,
            (Numeric::Big, Numeric::Big) => l.token == r.token,
            (Numeric::Big, _) | (_, Numeric::Big) => false,
            _ => l.as_f64() == r.as_f64(),
        },
        _ => equal(left, right),
    }
}

/// Equality of Java: objects without regard to order.
fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => match (numeric(l), numeric(r)) {
            (Numeric::Long(l), Numeric::Long(r)) => l == r,
            (Numeric::Big, Numeric::Big) => l.token == r.token,
            (Numeric::Double(l), Numeric::Double(r)) => l.to_bits() == r.to_bits(),
            _ => false,
        },
        (Value::Array(l), Value::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| equal(l, r))
        }
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len()
                && l.iter()
                    .all(|(key, l)| right.get(key).is_some_and(|r| equal(l, r)))
        }
        _ => left == right,
    }
}

/// The text of a number as Java's `toString` prints it.
fn number_text(number: &Number<'_>) -> String {
    if number.is_integer() {
        return number.token.to_string();
    }
    let mut text = Vec::new();
    java_number::write_double(number.as_f64(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Java reads and orders decimals exactly; here two integers are, all else as doubles.
fn order_numbers(left: &Number<'_>, right: &Number<'_>) -> Option<Ordering> {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64().partial_cmp(&right.as_f64()),
    }
}

fn equal_jayway(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            order_numbers(left, right) == Some(Ordering::Equal)
        }
        (Value::String(left), Value::Number(right)) => **left == number_text(right),
        (Value::Number(left), Value::String(right)) => right
            .parse::<f64>()
            .is_ok_and(|right| left.as_f64() == right),
        _ => equal(left, right),
    }
}

fn compare_jayway(left: &Side<'_>, comparison: Comparison, right: &Side<'_>) -> bool {
    match comparison {
        Comparison::Equal => are_equal(left, right),
        Comparison::NotEqual => !are_equal(left, right),
        Comparison::StrictEqual => are_of_one_type(left, right) && are_equal(left, right),
        Comparison::StrictNotEqual => !(are_of_one_type(left, right) && are_equal(left, right)),
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual => {
            let order = match (left, right) {
                (Side::Value(Value::Number(left)), Side::Value(Value::Number(right))) => {
                    order_numbers(left, right)
                }
                (Side::Value(Value::String(left)), Side::Value(Value::String(right))) => {
                    Some(order_texts(left, right))
                }
                _ => None,
            };
            order.is_some_and(|order| is_in_order(order, comparison))
        }
        Comparison::Matches => match (left, right) {
            (Side::Pattern(_), Side::Pattern(_)) => false,
            (Side::Pattern(pattern), side) | (side, Side::Pattern(pattern)) => {
                match side.as_list() {
                    Some(values) => values.iter().any(|v| pattern.matches(&input(Some(v)))),
                    None => pattern.matches(&input(side.as_value())),
                }
            }
            _ => false,
        },
        Comparison::In => is_in(left, right),
        Comparison::NotIn => !is_in(left, right),
        Comparison::Contains => match (left, right.as_value()) {
            (Side::Value(Value::String(left)), Some(Value::String(right))) => {
                left.contains(&**right)
            }
            (left, Some(right)) => left
                .as_list()
                .is_some_and(|list| list.iter().any(|value| equal_jayway(value, right))),
            _ => false,
        },
        Comparison::ContainsAll => contains_all(left, right),
        Comparison::SubsetOf => contains_all(right, left),
        Comparison::Size => match right.as_value() {
            Some(Value::Number(size)) => {
                let length = match left {
                    Side::Value(Value::String(text)) => Some(text.encode_utf16().count()),
                    _ => left.as_list().map(|list| list.len()),
                };
                length.is_some_and(|length| size.as_f64() == length as f64)
            }
            _ => false,
        },
        Comparison::Empty => match right.as_value() {
            Some(Value::Bool(expected)) => {
                let is_empty = match left {
                    Side::Value(Value::String(text)) => Some(text.is_empty()),
                    Side::Value(Value::Object(members)) => Some(members.is_empty()),
                    _ => left.as_list().map(|list| list.is_empty()),
                };
                is_empty == Some(*expected)
            }
            _ => false,
        },
    }
}

fn are_equal(left: &Side<'_>, right: &Side<'_>) -> bool {
    match (left, right) {
        (Side::Value(left), Side::Value(right)) => equal_jayway(left, right),
        (Side::Pattern(left), Side::Pattern(right)) => left == right,
        _ => match (left.as_list(), right.as_list()) {
            (Some(left), Some(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
            }
            _ => false,
        },
    }
}

fn are_of_one_type(left: &Side<'_>, right: &Side<'_>) -> bool {
    match (left, right) {
        (Side::Value(left), Side::Value(right)) => {
            // arrays and objects are one type there
            let kind = |value: &Value<'_>| match value {
                Value::Null => 0,
                Value::Bool(_) => 1,
                Value::Number(_) => 2,
                Value::String(_) => 3,
                Value::Array(_) | Value::Object(_) => 4,
            };
            kind(left) == kind(right)
        }
        _ => left.as_list().is_some() && right.as_list().is_some(),
    }
}

fn is_in(left: &Side<'_>, right: &Side<'_>) -> bool {
    match (left.as_value(), right.as_list()) {
        (Some(left), Some(list)) => list.iter().any(|value| equal_jayway(value, left)),
        _ => false,
    }
}

fn contains_all(whole: &Side<'_>, parts: &Side<'_>) -> bool {
    match (whole.as_list(), parts.as_list()) {
        (Some(whole), Some(parts)) => parts
            .iter()
            .all(|part| whole.iter().any(|value| equal_jayway(value, part))),
        _ => false,
    }
}

/// What a pattern is matched against.
fn input(value: Option<&Value<'_>>) -> String {
    match value {
        Some(Value::String(text)) => text.to_string(),
        Some(Value::Number(number)) => number_text(number),
        Some(Value::Bool(value)) => value.to_string(),
        _ => String::new(),
    }
}
