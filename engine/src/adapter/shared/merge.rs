//! Deep merging of JSON as json4s 3.2 does it: members of objects are merged name by name, arrays
//! are joined but for elements of the second that the first has already, and in every other case
//! the second value wins.

use std::borrow::Cow;

use crate::json::Value;

/// Members of an object, in order.
type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// `first merge second`.
pub fn merge<'a>(first: Value<'a>, second: Value<'a>) -> Value<'a> {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            Value::Object(merge_members(first, second))
        }
        (Value::Array(first), Value::Array(second)) => Value::Array(merge_elements(first, second)),
        (_, second) => second,
    }
}

fn merge_members<'a>(first: Members<'a>, mut second: Members<'a>) -> Members<'a> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    for (name, value) in first {
        match second.iter().position(|(other, _)| *other == name) {
            Some(index) => {
                let (_, other) = second.remove(index);
                merged.push((name, merge(value, other)));
            }
            None => merged.push((name, value)),
        }
    }
    merged.extend(second);
    merged
}

fn merge_elements<'a>(first: Vec<Value<'a>>, mut second: Vec<Value<'a>>) -> Vec<Value<'a>> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    for value in first {
        // Equal values merge into the first of them.
        second.retain(|other| !same(&value, other));
        merged.push(value);
    }
    merged.extend(second);
    merged
}

/// Equality of json4s: objects are equal as sets of members, numbers by value and class.
pub fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let within = |inner: &Members<'_>, outer: &Members<'_>| {
                inner
                    .iter()
                    .all(|(k, v)| outer.iter().any(|(other, w)| other == k && same(v, w)))
            };
            within(a, b) && within(b, a)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => match (a.is_integer(), b.is_integer()) {
            (true, true) => integer(&a.token) == integer(&b.token),
            (false, false) => a.as_f64() == b.as_f64(),
            _ => false,
        },
        (a, b) => a == b,
    }
}

/// An integral token without the difference between `-0` and `0`, the only one that legal tokens
/// can have.
fn integer(token: &str) -> &str {
    if token == "-0" { "0" } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn value(text: &str) -> Value<'_> {
        parse(text).unwrap().unwrap()
    }

    #[test]
    fn merges() {
        for (first, second, expected) in [
            ("1", "2", "2"),
            ("{\"a\":1}", "[1]", "[1]"),
            (
                "{\"a\":1,\"b\":2}",
                "{\"c\":3,\"a\":4}",
                "{\"a\":4,\"b\":2,\"c\":3}",
            ),
            (
                "{\"a\":{\"x\":1}}",
                "{\"a\":{\"y\":2}}",
                "{\"a\":{\"x\":1,\"y\":2}}",
            ),
            ("{\"a\":\"s\"}", "{\"a\":{\"y\":2}}", "{\"a\":{\"y\":2}}"),
            ("[1,2]", "[2,3]", "[1,2,3]"),
            (
                "[{\"a\":1,\"b\":2}]",
                "[{\"b\":2,\"a\":1}]",
                "[{\"a\":1,\"b\":2}]",
            ),
            ("[1]", "[1.0]", "[1,1.0]"),
            ("[null]", "[null,\"x\"]", "[null,\"x\"]"),
        ] {
            assert_eq!(merge(value(first), value(second)).to_compact(), expected);
        }
    }
}
