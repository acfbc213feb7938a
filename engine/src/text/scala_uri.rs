//! The parser of scala-uri 0.5.0 (also known as Netaporter's), as far as a second chance for a URI needs it.
//!
//! In: a text that `java.net.URI` refused. Out: a re-rendered text whose parts were percent-decoded and
//! encoded again, or nothing where scala-uri fails. The grammar is a parsing expression grammar: a choice
//! that matched is never taken back, so a text with an authority and a port that is no number fails as a
//! whole, while a text without `scheme://` is read as a relative path (and rendered with a slash in front).
//! A scheme is rendered only before a host (`file:///c|/x` becomes `/c%7C/x`).

use super::url_decode::charset::decode_utf8;
use super::url_decode::java_hex_byte;

/// A URI as scala-uri holds it; all parts but scheme and host are percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalaUri {
    scheme: Option<String>,
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<i32>,
    segments: Vec<String>,
    query: Vec<(String, Option<String>)>,
    fragment: Option<String>,
}

/// What stands before the path.
#[derive(Default)]
struct Authority {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<i32>,
}

impl ScalaUri {
    /// `Uri.parse(text)`; `None` where it throws.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = split_scheme(text);
        let (authority, mut rest, absolute) = match rest {
            Some(rest) => {
                let (authority, rest) = parse_authority(rest)?;
                (authority, rest, true)
            }
            None => (Authority::default(), text, false),
        };
        let mut segments = Vec::new();
        if !absolute {
            // a relative path has one segment at least, and its first slash is not kept
            rest = rest.strip_prefix('/').unwrap_or(rest);
            let end = find(rest, |b| matches!(b, b'/' | b'?' | b'#'));
            segments.push(decode(&rest[..end])?);
            rest = &rest[end..];
        }
        while let Some(tail) = rest.strip_prefix('/') {
            let end = find(tail, |b| matches!(b, b'/' | b'?' | b'#'));
            segments.push(decode(&tail[..end])?);
            rest = &tail[end..];
        }
        let mut query = Vec::new();
        if let Some(tail) = rest.strip_prefix('?') {
            let end = find(tail, |b| b == b'#');
            query = parse_query(&tail[..end])?;
            rest = &tail[end..];
        }
        let mut fragment = None;
        if let Some(tail) = rest.strip_prefix('#') {
            fragment = Some(decode(tail)?);
            rest = "";
        }
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            scheme: scheme.map(str::to_owned),
            user: authority.user,
            password: authority.password,
            host: authority.host,
            port: authority.port,
            segments,
            query,
            fragment,
        })
    }

    /// The query's parameters, decoded (`+` is kept), in order; one without `=` has no value.
    pub fn params(&self) -> &[(String, Option<String>)] {
        &self.query
    }

    /// `toString`: the text with every part encoded again.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(128);
        if let Some(host) = &self.host {
            if let Some(scheme) = &self.scheme {
                out.push_str(scheme);
                out.push(':');
            }
            out.push_str("//");
            if let Some(user) = &self.user {
                encode(user, USER_INFO, &mut out);
                if let Some(password) = &self.password {
                    out.push(':');
                    encode(password, USER_INFO, &mut out);
                }
                out.push('@');
            }
            out.push_str(host);
        }
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        for segment in &self.segments {
            out.push('/');
            encode(segment, PATH, &mut out);
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            encode(name, QUERY, &mut out);
            if let Some(value) = value {
                out.push('=');
                encode(value, QUERY, &mut out);
            }
        }
        if let Some(fragment) = &self.fragment {
            out.push('#');
            encode(fragment, FRAGMENT, &mut out);
        }
        out
    }
}

/// Pairs of a query string (text after `?`), percent-decoded; `None` where an escape is broken. There is
/// always one pair at least, be it empty.
pub fn parse_query(raw: &str) -> Option<Vec<(String, Option<String>)>> {
    raw.split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Some((decode(name)?, Some(decode(value)?))),
            None => Some((decode(pair)?, None)),
        })
        .collect()
}

fn find(text: &str, stops: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(stops).unwrap_or(text.len())
}

/// The scheme and what follows `scheme://` or `//`; nothing follows in a relative text.
fn split_scheme(text: &str) -> (Option<&str>, Option<&str>) {
    if let Some((scheme, rest)) = text.split_once("://") {
        let mut bytes = scheme.bytes();
        if bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        {
            return (Some(scheme), Some(rest));
        }
    }
    (None, text.strip_prefix("//"))
}

/// `[user[:password]@]host[:port]`, all optional; returns what follows. `None` where scala-uri throws.
fn parse_authority(text: &str) -> Option<(Authority, &str)> {
    let mut authority = Authority::default();
    let mut start = text;
    if let Some((user, password, rest)) = split_user_info(text) {
        // decoded at once: a broken escape ends the parse even if no host follows
        let user = decode(user)?;
        let password = match password {
            Some(password) => Some(decode(password)?),
            None => None,
        };
        if find_host(rest) > 0 {
            authority.user = Some(user);
            authority.password = password;
            start = rest;
        }
    }
    let end = find_host(start);
    if end == 0 {
        return Some((Authority::default(), text));
    }
    authority.host = Some(start[..end].to_owned());
    let mut rest = &start[end..];
    if let Some(tail) = rest.strip_prefix(':') {
        let digits = find(tail, |b| !b.is_ascii_digit());
        if digits > 0 {
            authority.port = Some(tail[..digits].parse().ok()?);
            rest = &tail[digits..];
        }
    }
    Some((authority, rest))
}

fn find_host(text: &str) -> usize {
    find(text, |b| matches!(b, b':' | b'/' | b'?'))
}

/// User, password and what follows the `@`. A password goes on to the next `@`, wherever that is.
fn split_user_info(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let end = find(text, |b| matches!(b, b':' | b'/' | b'?' | b'@'));
    if end == 0 {
        return None;
    }
    let user = &text[..end];
    if let Some(rest) = text[end..].strip_prefix('@') {
        return Some((user, None, rest));
    }
    let (password, rest) = text[end..].strip_prefix(':')?.split_once('@')?;
    Some((user, Some(password), rest))
}

/// scala-uri's decoder: splits at `%` (which drops percent signs at the end), keeps what stands before the
/// first one and reads all the rest as UTF-8. `None` where it throws.
fn decode(text: &str) -> Option<String> {
    let Some((head, _)) = text.split_once('%') else {
        return Some(text.to_owned());
    };
    let trimmed = text.trim_end_matches('%');
    if trimmed.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(trimmed.len());
    for part in trimmed.split('%').skip(1) {
        let mut chars = part.chars();
        let (first, second) = (chars.next()?, chars.next()?);
        // a negative number is a byte as well
        bytes.push(java_hex_byte(first, second)?.to_le_bytes()[0]);
        bytes.extend_from_slice(chars.as_str().as_bytes());
    }
    let mut decoded = head.to_owned();
    decoded.push_str(&decode_utf8(&bytes));
    Some(decoded)
}

const USER_INFO: &[u8] = b" %<>[]#{}^`|?@:/";
const PATH: &[u8] = b" %<>[]#{}^`|?";
const QUERY: &[u8] = b" %<>[]#{}^`|&\\+=";
const FRAGMENT: &[u8] = b"#";

/// Appends `text` with the characters of `set`, controls and all that is not ASCII percent-encoded.
fn encode(text: &str, set: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if matches!(byte, 0x20..=0x7e) && !set.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_it_reads() {
        for (text, expected) in [
            ("http://ex.com/a|b", "http://ex.com/a%7Cb"),
            ("http://ex.com", "http://ex.com"),
            ("HTTP://Ex.com:80", "HTTP://Ex.com:80"),
            ("//ex.com:8080/a|b", "//ex.com:8080/a%7Cb"),
            ("ex.com/a|b", "/ex.com/a%7Cb"),
            ("/a//b|/", "/a//b%7C/"),
            ("mailto:a|b", "/mailto:a%7Cb"),
            ("?a|b", "/?a%7Cb"),
            ("http:///x|y", "/x%7Cy"),
            ("1http://h/|", "/1http://h/%7C"),
            ("http://h/|?", "http://h/%7C?"),
            ("http://h/?a=b=c|", "http://h/?a=b%3Dc%7C"),
            ("http://h/?a&b=&=c|&+", "http://h/?a&b=&=c%7C&%2B"),
            ("http://h/?a?b/c\\", "http://h/?a?b/c%5C"),
            ("http://h/é|", "http://h/%C3%A9%7C"),
            ("http://h/%c3%a9|", "http://h/%C3%A9%7C"),
            ("http://h/%ff|", "http://h/%EF%BF%BD%7C"),
            ("http://h/a%|", ""),
            ("http://h/|a%", "http://h/%7Ca"),
            ("http://h/|a%%%", "http://h/%7Ca"),
            ("http://h/|%", "http://h/%7C"),
            ("http://h/|/%", ""),
            ("http://h/|%4", ""),
            ("http://h/|%%41", ""),
            ("http://h/|%+4%-1", "http://h/%7C%04%EF%BF%BD"),
            ("http://h/|\u{1}\u{7f}", "http://h/%7C%01%7F"),
            ("http://h/#a#b|é%25", "http://h/#a%23b|%C3%A9%"),
            ("http://a|b.com/", "http://a|b.com/"),
            ("http://ex.com#a|b", "http://ex.com#a|b"),
            ("http://u:p%40@h:1/|", "http://u:p%40@h:1/%7C"),
            ("http://u:@h/|", "http://u:@h/%7C"),
            ("http://h:80/a|b@c", "http://h:80%2Fa%7Cb@c"),
            ("http://u@/|", "http://u@/%7C"),
            // a choice that matched is not taken back
            ("http://h:abc/|", ""),
            ("http://:80/|", ""),
            ("http://h:80x/|", ""),
            ("http://h:99999999999/|", ""),
        ] {
            let rendered = ScalaUri::parse(text).map(|uri| uri.render());
            assert_eq!(rendered.as_deref().unwrap_or(""), expected, "{text}");
        }
    }

    #[test]
    fn query_parameters() {
        let uri = ScalaUri::parse("http://h/?a=1+2&b&c=%41#f").unwrap();
        let expected = [("a", Some("1+2")), ("b", None), ("c", Some("A"))];
        let expected =
            expected.map(|(k, v): (&str, Option<&str>)| (k.to_owned(), v.map(str::to_owned)));
        assert_eq!(uri.params(), expected);
        assert_eq!(parse_query("a=%zz"), None);
        assert_eq!(parse_query(""), Some(vec![(String::new(), None)]));
    }
}
