//! JSON References: RFC 2396 resolution against the base that `id`s build, JSON Pointers in fragments, and the
//! texts of the reference's exceptions. Documents are told apart by locator (the URI without its fragment);
//! the schema at hand has the empty one, whatever its `id` says, so that an absolute `id` at the root makes `#/...`
//! unresolvable. Nothing is fetched: the only other document is the draft-4 meta-schema.

use std::borrow::Cow;

use crate::iglu::message::Message;
use crate::json::Value;

/// Locator of the draft-4 meta-schema.
pub(super) const META_SCHEMA: &str = "http://json-schema.org/draft-04/schema";
/// Schemes that the reference would fetch from.
const FETCHED: [&str; 6] = ["http", "https", "ftp", "file", "jar", "resource"];

/// A URI, cut at its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// Without `#`; empty for the document itself.
    pub(super) locator: String,
    /// Percent-decoded.
    pub(super) fragment: String,
}

impl Reference {
    /// Cuts a legal URI.
    pub(super) fn parse(text: &str) -> Self {
        let (locator, fragment) = text.split_once('#').unwrap_or((text, ""));
        Self {
            locator: locator.to_owned(),
            fragment: percent_decode(fragment),
        }
    }

    /// `self` is the base.
    pub(super) fn resolve(&self, child: &Self) -> Self {
        if self.locator.is_empty() {
            return child.clone();
        }
        let (base, other) = (Parts::of(&self.locator), Parts::of(&child.locator));
        if other.is_opaque() || base.is_opaque() || other.scheme.is_some() {
            return child.clone();
        }
        let locator = if child.locator.is_empty() {
            self.locator.clone()
        } else {
            base.join(&other)
        };
        Self {
            locator,
            fragment: child.fragment.clone(),
        }
    }

    /// The path of the fragment; `None` when it is not a JSON Pointer.
    pub(super) fn tokens(&self) -> Option<Vec<String>> {
        if !super::formats::is_json_pointer(&self.fragment) {
            return None;
        }
        Some(
            self.fragment
                .split('/')
                .skip(1)
                .map(|token| token.replace("~1", "/").replace("~0", "~"))
                .collect(),
        )
    }

    /// As messages show it, always with a `#`.
    pub(super) fn shown(&self) -> String {
        format!("{}#{}", self.locator, quote(&self.fragment))
    }
}

/// The hierarchical parts of a URI without its fragment.
struct Parts<'t> {
    scheme: Option<&'t str>,
    authority: Option<&'t str>,
    path: &'t str,
    query: Option<&'t str>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Self {
            scheme,
            authority,
            path,
            query,
        }
    }

    fn is_opaque(&self) -> bool {
        self.scheme.is_some() && self.authority.is_none() && !self.path.starts_with('/')
    }

    fn join(&self, child: &Self) -> String {
        let mut text = String::new();
        if let Some(scheme) = self.scheme {
            text.push_str(scheme);
            text.push(':');
        }
        if let Some(authority) = child.authority.or(self.authority) {
            text.push_str("//");
            text.push_str(authority);
        }
        if child.authority.is_some() || child.path.starts_with('/') {
            text.push_str(child.path);
        } else {
            let folder = self.path.rfind('/').map_or("", |at| &self.path[..=at]);
            text.push_str(&without_dots(&format!("{folder}{}", child.path)));
        }
        if let Some(query) = child.query {
            text.push('?');
            text.push_str(query);
        }
        text
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match *segment {
            "." => {
                if last {
                    kept.push("");
                }
            }
            ".." if kept
                .last()
                .is_some_and(|top| !top.is_empty() && *top != "..") =>
            {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    kept.join("/")
}

/// Whether `URI.normalize` would change the path: empty or `.` segments, `..` behind a name.
pub(super) fn is_normalized(uri: &str) -> bool {
    let locator = uri.split_once('#').map_or(uri, |(locator, _)| locator);
    let parts = Parts::of(locator);
    if parts.is_opaque() || parts.path.is_empty() {
        return true;
    }
    let absolute = parts.path.starts_with('/');
    let body = if absolute {
        &parts.path[1..]
    } else {
        parts.path
    };
    let segments: Vec<&str> = body.split('/').collect();
    segments
        .iter()
        .enumerate()
        .all(|(index, segment)| match *segment {
            // a trailing slash makes an empty last segment
            "" => index + 1 == segments.len(),
            // "./a:b" keeps its dot
            "." => {
                index == 0
                    && !absolute
                    && parts.scheme.is_none()
                    && segments.get(1).is_some_and(|next| next.contains(':'))
            }
            ".." => index == 0 || segments[index - 1] == "..",
            _ => true,
        })
}

/// Steps down from `root`; array indices have no leading zeros.
pub(super) fn look_up<'v, 'd>(root: &'v Value<'d>, tokens: &[String]) -> Option<&'v Value<'d>> {
    tokens.iter().try_fold(root, |value, token| match value {
        Value::Object(_) => value.get(token),
        Value::Array(items) => {
            let plain = token.bytes().all(|b| b.is_ascii_digit())
                && (token.len() == 1 || !token.starts_with('0'));
            token
                .parse::<usize>()
                .ok()
                .filter(|_| plain)
                .and_then(|index| items.get(index))
        }
        _ => None,
    })
}

/// A pointer with one more step.
pub(super) fn append(pointer: &str, token: &str) -> String {
    let mut result = String::with_capacity(pointer.len() + token.len() + 1);
    result.push_str(pointer);
    push_token(&mut result, token);
    result
}

/// Appends `/` and the escaped token.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    if token.contains(['~', '/']) {
        pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(token);
    }
}

fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(value) if *byte == b'%' => {
                bytes.push(value);
                rest = &tail[2..];
            }
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes what must not stand in a fragment.
pub(super) fn quote(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        let legal = character.is_ascii_alphanumeric()
            || "-_.!~*'();/?:@&=+$,[]".contains(character)
            || !character.is_ascii() && !character.is_control() && !character.is_whitespace();
        if legal {
            result.push(character);
        } else {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                result.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    result
}

/// The `schema` member of a message.
pub(super) fn schema_member(document: &str, pointer: &str) -> Value<'static> {
    Value::object([
        ("loadingURI", Value::string(document.to_owned())),
        ("pointer", Value::string(pointer.to_owned())),
    ])
}

fn fatal(text: String, members: Vec<(&'static str, Value<'static>)>) -> Message {
    let mut message = Message {
        members: vec![
            (Cow::Borrowed("level"), Value::string("fatal")),
            (Cow::Borrowed("message"), Value::string(text)),
        ],
    };
    message.members.extend(
        members
            .into_iter()
            .map(|(name, value)| (Cow::Borrowed(name), value)),
    );
    message
}

/// The exception for a reference that leads nowhere.
pub(super) fn dangling(document: &str, pointer: &str, reference: &Reference) -> Message {
    let shown = reference.shown();
    fatal(
        format!("JSON Reference \"{shown}\" cannot be resolved"),
        vec![
            ("schema", schema_member(document, pointer)),
            ("ref", Value::string(shown)),
        ],
    )
}

/// The exception for references that lead to each other.
pub(super) fn reference_loop(
    document: &str,
    pointer: &str,
    reference: &Reference,
    path: &[Reference],
) -> Message {
    let shown = reference.shown();
    fatal(
        format!("JSON Reference \"{shown}\" loops on itself"),
        vec![
            ("schema", schema_member(document, pointer)),
            ("ref", Value::string(shown)),
            (
                "path",
                Value::Array(path.iter().map(|r| Value::string(r.shown())).collect()),
            ),
        ],
    )
}

/// The exception for a document that is not at hand.
pub(super) fn unavailable(locator: &str) -> Message {
    let uri = format!("{locator}#");
    let Some(scheme) = Parts::of(locator).scheme else {
        return fatal(
            format!("URI \"{uri}\" is not absolute"),
            vec![("uri", Value::string(uri))],
        );
    };
    if !FETCHED.contains(&scheme.to_ascii_lowercase().as_str()) {
        return fatal(
            format!("URI scheme \"{scheme}\" not supported (URI: \"{uri}\")"),
            vec![
                ("scheme", Value::string(scheme.to_owned())),
                ("uri", Value::string(uri)),
            ],
        );
    }
    fatal(
        format!("unable to dereference URI \"{uri}\""),
        vec![
            ("uri", Value::string(uri)),
            (
                "exceptionMessage",
                Value::string("remote schemas are not fetched"),
            ),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution() {
        for (base, child, locator, fragment) in [
            ("", "#/a", "", "/a"),
            ("http://x/y/z.json", "#/a%25b", "http://x/y/z.json", "/a%b"),
            ("http://x/y/z.json", "w.json#", "http://x/y/w.json", ""),
            ("http://x/y/z.json", "../w", "http://x/w", ""),
            ("http://x/y/z.json", "/w?q", "http://x/w?q", ""),
            ("http://x/y/z.json", "//h/w", "http://h/w", ""),
            ("http://x/y/z.json", "urn:a:b", "urn:a:b", ""),
            ("urn:a:b", "#/c", "", "/c"),
            ("foo.json", "#/c", "foo.json", "/c"),
            ("#foo", "#/c", "", "/c"),
        ] {
            let result = Reference::parse(base).resolve(&Reference::parse(child));
            assert_eq!(
                (result.locator.as_str(), result.fragment.as_str()),
                (locator, fragment),
                "{base} {child}"
            );
        }
    }

    #[test]
    fn pointers() {
        let root = Value::object([(
            "a/b~",
            Value::Array(vec![Value::Null, Value::object([("", Value::Bool(true))])]),
        )]);
        let found = |text: &str| look_up(&root, &Reference::parse(text).tokens()?).cloned();
        assert_eq!(found("#/a~1b~0/1/"), Some(Value::Bool(true)));
        assert_eq!(found("#/a%2Fb"), None);
        assert_eq!(found("#/a~1b~0/01"), None);
        assert_eq!(found("#/a~1b~0/9"), None);
        assert_eq!(found("#/a~1b~0/0/x"), None);
        assert_eq!(found("#a"), None);
        assert_eq!(append("/x", "a/b~"), "/x/a~1b~0");
    }

    #[test]
    fn normal_uris() {
        for uri in [
            "",
            "#",
            "http://a/b/",
            "http://a",
            "a/b",
            "../a",
            "../../a",
            "/../a",
            "urn:a/./b",
            "a?b/./c",
            "./a:b",
            "http://a/b#c/./d",
            "/",
        ] {
            assert!(is_normalized(uri), "{uri}");
        }
        for uri in [
            "http://a//b",
            "a/./b",
            "a/../b",
            "./a",
            "http://a/b/..",
            "http://a/.",
            "a//b",
            "//h//b",
            "http://a/b//",
        ] {
            assert!(!is_normalized(uri), "{uri}");
        }
    }

    #[test]
    fn exceptions() {
        assert_eq!(
            unavailable("foo.json").text(),
            "URI \"foo.json#\" is not absolute"
        );
        assert_eq!(
            unavailable("urn:a").text(),
            "URI scheme \"urn\" not supported (URI: \"urn:a#\")"
        );
        assert_eq!(
            unavailable("http://x/y").text(),
            "unable to dereference URI \"http://x/y#\""
        );
        let message = dangling("#", "", &Reference::parse("#/a%20b"));
        assert_eq!(
            message.text(),
            "JSON Reference \"#/a%20b\" cannot be resolved"
        );
    }
}
