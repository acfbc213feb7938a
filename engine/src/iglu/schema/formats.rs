//! The values of `format` that the reference checks (draft 4 and its extras), each with its message.
//!
//! All of them apply to strings only; every other value of `format` (`date`, `time`, `phone`,
//! `uri-template`, ...) is ignored. Behaviour is that of the libraries behind the reference: Joda-Time
//! (`date-time`), JavaMail (`email`), Guava (`hostname`, `ipv4`, `ipv6`), Rhino (`regex`), `java.net.URI` (`uri`),
//! `UUID.fromString` of Java 8 (`uuid`).

mod date_time;
mod email;
mod network;
mod uri;

pub(super) use uri::is_uri;

use std::borrow::Cow;

use super::pattern::is_valid_regex;
use crate::json::Value;

/// A format that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    DateTime,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Regex,
    Uri,
    Base64,
    JsonPointer,
    Mac,
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Uuid,
}

/// A failure: the message's text and the members behind `value`.
pub(super) struct FormatFailure {
    pub(super) text: String,
    pub(super) members: Vec<(Cow<'static, str>, Value<'static>)>,
}

const DATE_TIME_PATTERNS: [&str; 2] = ["yyyy-MM-dd'T'HH:mm:ssZ", "yyyy-MM-dd'T'HH:mm:ss.SSSZ"];

impl Format {
    /// The format of that name, if it is one that is checked.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "date-time" => Self::DateTime,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "regex" => Self::Regex,
            "uri" => Self::Uri,
            "base64" => Self::Base64,
            "json-pointer" => Self::JsonPointer,
            "mac" => Self::Mac,
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    /// The name, as in `format` and in member `attribute`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Regex => "regex",
            Self::Uri => "uri",
            Self::Base64 => "base64",
            Self::JsonPointer => "json-pointer",
            Self::Mac => "mac",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Uuid => "uuid",
        }
    }

    /// Number of hexadecimal digits of a digest.
    fn hex_length(self) -> Option<usize> {
        match self {
            Self::Md5 => Some(32),
            Self::Sha1 => Some(40),
            Self::Sha256 => Some(64),
            Self::Sha512 => Some(128),
            _ => None,
        }
    }

    /// Whether `text` has the format. Allocates only for rare forms of `email`, `uri` and `regex`.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Self::DateTime => date_time::is_date_time(text),
            Self::Email => email::is_email(text),
            Self::Hostname => network::is_hostname(text),
            Self::Ipv4 => network::is_ipv4(text),
            Self::Ipv6 => network::is_ipv6(text),
            Self::Regex => is_valid_regex(text),
            Self::Uri => is_uri(text),
            Self::Base64 => base64_failure(text).is_none(),
            Self::JsonPointer => is_json_pointer(text),
            Self::Mac => is_mac(text),
            Self::Md5 | Self::Sha1 | Self::Sha256 | Self::Sha512 => {
                self.hex_length() == Some(text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
            }
            Self::Uuid => is_uuid(text),
        }
    }

    /// What the reference says about a `text` that does not have the format.
    pub(super) fn failure(self, text: &str) -> FormatFailure {
        let plain = |text: String| FormatFailure {
            text,
            members: Vec::new(),
        };
        match self {
            Self::DateTime => FormatFailure {
                text: format!(
                    "string \"{text}\" is invalid against requested date format(s) [{}]",
                    DATE_TIME_PATTERNS.join(", ")
                ),
                members: vec![(
                    Cow::Borrowed("expected"),
                    Value::Array(DATE_TIME_PATTERNS.map(Value::string).to_vec()),
                )],
            },
            Self::Email => plain(format!("string \"{text}\" is not a valid email address")),
            Self::Hostname => plain(format!("string \"{text}\" is not a valid hostname")),
            Self::Ipv4 => plain(format!("string \"{text}\" is not a valid IPv4 address")),
            Self::Ipv6 => plain(format!("string \"{text}\" is not a valid IPv6 address")),
            Self::Regex => plain(format!(
                "string \"{text}\" is not a valid ECMA 262 regular expression"
            )),
            Self::Uri => plain(format!("string \"{text}\" is not a valid URI")),
            Self::Base64 => match base64_failure(text) {
                Some(Base64Failure::Length(length)) => FormatFailure {
                    text: format!(
                        "input has illegal length (must be a multiple of 4, found {length})"
                    ),
                    members: vec![(Cow::Borrowed("length"), integer(length))],
                },
                Some(Base64Failure::Character(character, index)) => {
                    let members = illegal_character(character, index);
                    FormatFailure {
                        text: format!(
                            "illegal character \"{character}\" at index {index} (not in Base64 alphabet)"
                        ),
                        members,
                    }
                }
                None => plain(String::new()),
            },
            Self::JsonPointer => plain(format!(
                "input string \"{text}\" is not a valid JSON Pointer"
            )),
            Self::Mac => plain(format!(
                "input string \"{text}\" is not a valid MAC address"
            )),
            Self::Uuid => plain(format!("input string \"{text}\" is not a valid UUID")),
            Self::Md5 | Self::Sha1 | Self::Sha256 | Self::Sha512 => self
                .hex_failure(text)
                .unwrap_or_else(|| plain(String::new())),
        }
    }

    fn hex_failure(self, text: &str) -> Option<FormatFailure> {
        let expected = self.hex_length()?;
        let actual = text.encode_utf16().count();
        if actual != expected {
            return Some(FormatFailure {
                text: format!("input string has incorrect length ({actual}, expected {expected})"),
                members: vec![
                    (Cow::Borrowed("actual"), integer(actual)),
                    (Cow::Borrowed("expected"), integer(expected)),
                ],
            });
        }
        let (character, index) = first_unit(text, |c| !c.is_ascii_hexdigit())?;
        Some(FormatFailure {
            text: format!("illegal character \"{character}\" in input at index {index}"),
            members: illegal_character(character, index),
        })
    }
}

fn integer(value: usize) -> Value<'static> {
    Value::integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn illegal_character(character: char, index: usize) -> Vec<(Cow<'static, str>, Value<'static>)> {
    vec![
        (
            Cow::Borrowed("character"),
            Value::string(character.to_string()),
        ),
        (Cow::Borrowed("index"), integer(index)),
    ]
}

/// The first character that `illegal` picks, with its index in UTF-16 units. Half of a surrogate pair
/// prints as `?`.
fn first_unit(text: &str, illegal: impl Fn(char) -> bool) -> Option<(char, usize)> {
    let mut index = 0;
    for character in text.chars() {
        if illegal(character) {
            let whole = character.len_utf16() == 1;
            return Some((if whole { character } else { '?' }, index));
        }
        index += character.len_utf16();
    }
    None
}

enum Base64Failure {
    Length(usize),
    Character(char, usize),
}

fn base64_failure(text: &str) -> Option<Base64Failure> {
    let length = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    if !length.is_multiple_of(4) {
        return Some(Base64Failure::Length(length));
    }
    // up to two '=' are taken off the end; Java's `$` also stands before a last line terminator
    let end = ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
        .iter()
        .find_map(|terminator| text.strip_suffix(terminator))
        .filter(|body| body.ends_with('='))
        .unwrap_or(text);
    let body = end.strip_suffix('=').unwrap_or(end);
    let body = body.strip_suffix('=').unwrap_or(body);
    let rest = &text[end.len()..];
    let illegal = |c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/');
    if let Some((character, index)) = first_unit(body, illegal) {
        return Some(Base64Failure::Character(character, index));
    }
    let (character, index) = first_unit(rest, illegal)?;
    Some(Base64Failure::Character(
        character,
        index + body.encode_utf16().count(),
    ))
}

/// RFC 6901.
pub(super) fn is_json_pointer(text: &str) -> bool {
    if !text.is_empty() && !text.starts_with('/') {
        return false;
    }
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .all(|(index, byte)| *byte != b'~' || matches!(bytes.get(index + 1), Some(b'0' | b'1')))
}

/// Six pairs of letters and digits, separated by colons.
fn is_mac(text: &str) -> bool {
    text.len() == 17
        && text.bytes().enumerate().all(|(index, byte)| {
            if index % 3 == 2 {
                byte == b':'
            } else {
                byte.is_ascii_alphanumeric()
            }
        })
}

/// `UUID.fromString`: five groups of hexadecimal digits of any length, each a non-negative `long`;
/// hyphens behind the last group are ignored.
fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() == 36 && is_canonical_uuid(bytes) {
        return true;
    }
    let mut groups = 0;
    for group in text.trim_end_matches('-').split('-') {
        groups += 1;
        let digits = group.trim_start_matches('0');
        if groups > 5
            || group.is_empty()
            || !group.bytes().all(|b| b.is_ascii_hexdigit())
            || digits.len() > 16
            || digits.len() == 16 && digits.as_bytes()[0] > b'7'
        {
            return false;
        }
    }
    groups == 5
}

/// The usual form, without a branch per byte.
fn is_canonical_uuid(bytes: &[u8]) -> bool {
    let (mut good, mut hyphens) = (true, 0_u8);
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0') < 10;
        let letter = (byte | 0x20).wrapping_sub(b'a') < 6;
        let hyphen = *byte == b'-';
        good &= digit | letter | hyphen;
        hyphens += u8::from(hyphen);
    }
    good && hyphens == 4
        && [8, 13, 18, 23]
            .iter()
            .all(|index| bytes.get(*index) == Some(&b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let long = "0".repeat(40);
        let cases: &[(&str, &str, bool)] = &[
            ("uuid", "123e4567-e89b-12d3-a456-426655440000", true),
            ("uuid", "123E4567-E89B-12D3-A456-426655440000", true),
            ("uuid", "1-1-1-1-1", true),
            ("uuid", "1-1-1-1-1--", true),
            ("uuid", "-1-1-1-1-1", false),
            ("uuid", "1-1-1-1", false),
            ("uuid", "1-1-1-1-1-1", false),
            ("uuid", "1-1--1-1", false),
            ("uuid", "1-1-1-1-8000000000000000", false),
            ("uuid", "1-1-1-1-07fffffffffffffff", true),
            ("uuid", "g-1-1-1-1", false),
            ("uuid", "", false),
            ("mac", "zz:zz:zz:zz:zz:zz", true),
            ("mac", "00-11-22-33-44-55", false),
            ("mac", "00:11:22:33:44:5é", false),
            ("sha1", &long, true),
            ("md5", &long, false),
            ("base64", "", true),
            ("base64", "QQ==", true),
            ("base64", "QUI=", true),
            ("base64", "Q===", false),
            ("base64", "QQ=", false),
            ("base64", "QQ=\n", false),
            ("json-pointer", "", true),
            ("json-pointer", "/a~0b/~1", true),
            ("json-pointer", "/a~", false),
            ("json-pointer", "a", false),
            ("regex", "^a(?=b)$", true),
            ("regex", "(", false),
        ];
        for (name, text, expected) in cases {
            let format = Format::by_name(name).expect("a known format");
            assert_eq!(format.name(), *name);
            assert_eq!(format.accepts(text), *expected, "{name} {text}");
        }
        assert_eq!(Format::by_name("date"), None);
        assert_eq!(Format::by_name("phone"), None);
    }

    #[test]
    fn failures_name_the_place() {
        let failure = Format::Base64.failure("QQ=\n");
        assert_eq!(
            failure.text,
            "illegal character \"\n\" at index 2 (not in Base64 alphabet)"
        );
        let failure = Format::Md5.failure(&"😀".repeat(16));
        assert_eq!(failure.text, "illegal character \"?\" in input at index 0");
        let failure = Format::Md5.failure("é");
        assert_eq!(
            failure.text,
            "input string has incorrect length (1, expected 32)"
        );
        let failure = Format::DateTime.failure("x");
        assert_eq!(failure.members[0].0, "expected");
    }
}
