//! Equality of JSON values by mathematical value (`enum`), and the search for equal items
//! (`uniqueItems`).
//!
//! The reference keeps items in a hash set whose hash depends on the order of an object's members
//! and on the sign of zero, so `[{"a":1,"b":2},{"b":2,"a":1}]` counts as unique. That hash is computed here too and is
//! part of the comparison; the search itself sorts keyed hashes, so that chosen collisions cost nothing.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use super::numbers::Num;
use crate::json::Value;

/// Objects up to this size are compared by linear look-ups.
const SMALL_OBJECT: usize = 16;
/// Arrays up to this size are compared pair by pair.
const SMALL_ARRAY: usize = 8;

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Whether two values are equal: numbers by value, members in any order.
pub(super) fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => {
            a.token == b.token || Num::of(a).compare(&Num::of(b)) == Ordering::Equal
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return false;
            }
            if a.len() <= SMALL_OBJECT {
                return a.iter().all(|(key, value)| {
                    b.iter()
                        .find(|(other, _)| other == key)
                        .is_some_and(|(_, other)| equal(value, other))
                });
            }
            let mut order: Vec<usize> = (0..b.len()).collect();
            order.sort_unstable_by(|x, y| b[*x].0.cmp(&b[*y].0));
            a.iter().all(|(key, value)| {
                order
                    .binary_search_by(|index| b[*index].0.cmp(key))
                    .is_ok_and(|found| equal(value, &b[order[found]].1))
            })
        }
        _ => false,
    }
}

/// Whether no two items are the same element of the reference's hash set.
pub(super) fn all_unique(items: &[Value<'_>]) -> bool {
    let same = |a: &Value<'_>, b: &Value<'_>| equal(a, b) && java_hash(a) == java_hash(b);
    if items.len() <= SMALL_ARRAY {
        return items
            .iter()
            .enumerate()
            .all(|(index, item)| !items[..index].iter().any(|other| same(item, other)));
    }
    let mut hashes: Vec<(u64, u32, usize)> = items
        .iter()
        .enumerate()
        .map(|(index, item)| (keyed_hash(item), java_hash(item), index))
        .collect();
    hashes.sort_unstable();
    // equal items have equal hashes and stand side by side; unequal ones practically never do
    hashes.windows(2).all(|pair| match pair {
        [(a, x, i), (b, y, j)] => a != b || x != y || !equal(&items[*i], &items[*j]),
        _ => true,
    })
}

/// A hash with random keys, the same for equal values.
fn keyed_hash(value: &Value<'_>) -> u64 {
    let mut hasher = KEYS.build_hasher();
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(b) => hasher.write_u8(1 + u8::from(*b)),
        Value::Number(number) => {
            hasher.write_u8(3);
            Num::of(number).hash_value(&mut hasher);
        }
        Value::String(text) => {
            hasher.write_u8(4);
            hasher.write(text.as_bytes());
        }
        Value::Array(items) => {
            hasher.write_u8(5);
            for item in items {
                hasher.write_u64(keyed_hash(item));
            }
        }
        Value::Object(members) => {
            hasher.write_u8(6);
            let sum = members.iter().fold(0_u64, |sum, (key, value)| {
                let mut member = KEYS.build_hasher();
                member.write_u64(keyed_hash(value));
                member.write(key.as_bytes());
                sum.wrapping_add(member.finish())
            });
            hasher.write_u64(sum);
        }
    }
    hasher.finish()
}

/// The hash of the reference's hash set, with Java's 32-bit arithmetic.
fn java_hash(value: &Value<'_>) -> u32 {
    match value {
        Value::Null => 4,
        Value::Bool(true) => 3,
        Value::Bool(false) => 1,
        Value::Number(number) => {
            let bits = Num::of(number).to_f64().to_bits();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "Double.hashCode folds the halves"
            )]
            let folded = (bits ^ (bits >> 32)) as u32;
            folded
        }
        Value::String(text) => java_string_hash(text),
        Value::Array(items) => items.iter().fold(0, |hash: u32, item| {
            hash.wrapping_mul(31).wrapping_add(java_hash(item))
        }),
        Value::Object(members) => members.iter().fold(0, |hash: u32, (key, value)| {
            hash.wrapping_mul(31)
                .wrapping_add(java_string_hash(key) ^ java_hash(value))
        }),
    }
}

/// `String.hashCode`.
pub(super) fn java_string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    })
}

/// `String.compareTo`: by UTF-16 code units.
pub(super) fn java_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(token: &str) -> Value<'static> {
        Value::Number(crate::json::Number {
            token: token.to_owned().into(),
        })
    }

    #[test]
    fn equality_is_mathematical_and_ignores_order() {
        assert!(equal(&number("1"), &number("1.0")));
        assert!(!equal(&number("1"), &Value::Bool(true)));
        assert!(!equal(&number("0"), &Value::Bool(false)));
        let a = Value::object([("a", number("1")), ("b", Value::Null)]);
        let b = Value::object([("b", Value::Null), ("a", number("1e0"))]);
        assert!(equal(&a, &b));
        let many = |reverse: bool| {
            let mut members: Vec<_> = (0..40).map(|i| (i.to_string(), number("2"))).collect();
            if reverse {
                members.reverse();
            }
            Value::object(members)
        };
        assert!(equal(&many(false), &many(true)));
        assert!(!equal(&many(false), &a));
    }

    #[test]
    fn unique_as_the_reference_sees_it() {
        assert!(!all_unique(&[number("1"), number("1.0")]));
        assert!(all_unique(&[number("0"), number("-0.0")]));
        assert!(all_unique(&[number("1"), Value::Bool(true)]));
        let a = Value::object([("a", number("1")), ("b", number("2"))]);
        let b = Value::object([("b", number("2")), ("a", number("1"))]);
        assert!(all_unique(&[a.clone(), b.clone()]));
        assert!(!all_unique(&[a.clone(), b, a]));
        assert!(!all_unique(&[
            Value::Array(vec![number("1")]),
            Value::Array(vec![number("1.0")])
        ]));
    }

    #[test]
    fn large_arrays_with_chosen_collisions_are_quick() {
        // "Aa" and "BB" have the same String.hashCode
        let items: Vec<Value<'static>> = (0_u32..1 << 16)
            .map(|bits| {
                Value::string(
                    (0..16)
                        .map(|place| if bits >> place & 1 == 0 { "Aa" } else { "BB" })
                        .collect::<String>(),
                )
            })
            .collect();
        assert!(all_unique(&items));
        let mut twice = items.clone();
        twice.push(items[7].clone());
        assert!(!all_unique(&twice));
    }

    #[test]
    fn java_strings() {
        assert_eq!(java_string_hash("hello"), 99_162_322);
        assert_eq!(java_order("\u{ffff}", "\u{10000}"), Ordering::Greater);
        assert_eq!(java_order("a", "b"), Ordering::Less);
    }
}
