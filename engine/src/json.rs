//! A small JSON tree that keeps what the reference keeps: the order of keys, and whether a
//! number was written as an integer or with a fraction or exponent.
//!
//! The reference reads with Jackson and prints again with json4s; its visible rules are
//! * only the first value of a text is read, what follows is ignored ([`parse()`]);
//! * of two equal keys in an object the last value wins, at the position of the first;
//! * integers print digit by digit, everything else as a Java double ([`print`](mod@print));
//! * half a surrogate pair prints as `?`, so it is replaced when it is read.

#[cfg(test)]
pub(crate) mod golden;
pub mod parse;
pub mod path;
pub mod print;
mod scan;

use std::borrow::Cow;

pub use parse::{MAX_DEPTH, ParseError, ParseErrorKind, parse, parse_keep_duplicates};

/// A JSON value. Strings borrow from the text that was parsed where no escape stands in the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as the token that was read.
    Number(Number<'a>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object: members in the order of their first appearance, keys unique.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// A number: the JSON token, so that integers of any size survive.
#[derive(Debug, Clone, PartialEq)]
pub struct Number<'a> {
    /// The token as it was read (`-0`, `1.10`, `1E5`), always a legal JSON number.
    pub token: Cow<'a, str>,
}

impl Number<'_> {
    /// Whether the token has neither fraction nor exponent (Jackson's integral node).
    pub fn is_integer(&self) -> bool {
        !self.token.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'))
    }

    /// The nearest double (infinite when the token is out of range).
    pub fn as_f64(&self) -> f64 {
        self.token.parse().unwrap_or(f64::NAN)
    }

    /// The value as a 64-bit integer, if it is an integral token in range.
    pub fn as_i64(&self) -> Option<i64> {
        if self.is_integer() {
            self.token.parse().ok()
        } else {
            None
        }
    }
}

impl<'a> Value<'a> {
    /// An owned string value.
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// An integer value.
    pub fn integer(value: i64) -> Self {
        Self::Number(Number {
            token: Cow::Owned(value.to_string()),
        })
    }

    /// An object from members whose keys are known to be distinct.
    pub fn object<K: Into<Cow<'a, str>>>(
        members: impl IntoIterator<Item = (K, Value<'a>)>,
    ) -> Self {
        Self::Object(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// The member `key` of an object; `None` for other kinds of value.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[(Cow<'a, str>, Value<'a>)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(b),
            Self::Number(n) => Value::Number(Number {
                token: Cow::Owned(n.token.into_owned()),
            }),
            Self::String(s) => Value::String(Cow::Owned(s.into_owned())),
            Self::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Self::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned()))
                    .collect(),
            ),
        }
    }

    /// Compact text, printed by the rules of [`print`](mod@print).
    pub fn to_compact(&self) -> String {
        let mut out = Vec::with_capacity(128);
        print::write_compact(self, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}
