//! `java.net.URI`: RFC 2396 with the deviations of RFC 2732 (IPv6) and the "other" characters, with its
//! error texts.
//!
//! In: a text. Out: its raw parts, or the message of the `URISyntaxException` that `new URI(text)` throws
//! (`Illegal character in path at index 15: http://ex.com/a|b`), where the index counts UTF-16 units.
//! The rules are those of Java 8: U+180E is a space there, a later Java accepts it.

mod authority;

#[cfg(test)]
mod tests;

/// A parsed URI; parts are raw (undecoded) and absent where `java.net.URI` returns null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaUri {
    /// The text that was parsed (`toString`).
    pub text: String,
    /// Scheme, as written.
    pub scheme: Option<String>,
    /// Raw authority, server-based or registry-based.
    pub authority: Option<String>,
    /// Raw user information of a server-based authority.
    pub user_info: Option<String>,
    /// Host of a server-based authority.
    pub host: Option<String>,
    /// Port, or -1.
    pub port: i32,
    /// Raw path; absent for opaque URIs.
    pub path: Option<String>,
    /// Raw query.
    pub query: Option<String>,
    /// Raw fragment.
    pub fragment: Option<String>,
}

impl JavaUri {
    /// `new URI(text)`; the error is the message of the `URISyntaxException`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = UriParts::parse(text)?;
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self {
            text: text.to_owned(),
            scheme: owned(parts.scheme),
            authority: owned(parts.authority),
            user_info: owned(parts.user_info),
            host: owned(parts.host),
            port: parts.port,
            path: owned(parts.path),
            query: owned(parts.query),
            fragment: owned(parts.fragment),
        })
    }
}

/// A parsed URI that borrows from the text: what [`JavaUri`] holds, without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UriParts<'a> {
    /// Scheme, as written.
    pub scheme: Option<&'a str>,
    /// Raw authority, server-based or registry-based.
    pub authority: Option<&'a str>,
    /// Raw user information of a server-based authority.
    pub user_info: Option<&'a str>,
    /// Host of a server-based authority.
    pub host: Option<&'a str>,
    /// Port, or -1.
    pub port: i32,
    /// Raw path; absent for opaque URIs.
    pub path: Option<&'a str>,
    /// Raw query.
    pub query: Option<&'a str>,
    /// Raw fragment.
    pub fragment: Option<&'a str>,
}

impl<'a> UriParts<'a> {
    /// Parses without copying; the error is the message of the `URISyntaxException`.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut parser = Parser {
            text,
            bytes: text.as_bytes(),
            parts: Self {
                scheme: None,
                authority: None,
                user_info: None,
                host: None,
                port: -1,
                path: None,
                query: None,
                fragment: None,
            },
        };
        match parser.uri() {
            Ok(()) => Ok(parser.parts),
            Err(failure) => Err(failure.message(text)),
        }
    }
}

/// Character classes, one bit each; a mask may hold several.
mod class {
    pub(super) const ALPHA: u16 = 1;
    pub(super) const DIGIT: u16 = 1 << 1;
    pub(super) const ALNUM: u16 = ALPHA | DIGIT;
    pub(super) const HEX: u16 = 1 << 2;
    pub(super) const DASH: u16 = 1 << 3;
    pub(super) const DOT: u16 = 1 << 4;
    pub(super) const SCHEME: u16 = 1 << 5;
    pub(super) const PATH: u16 = 1 << 6;
    pub(super) const URIC: u16 = 1 << 7;
    pub(super) const REG_NAME: u16 = 1 << 8;
    pub(super) const USER_INFO: u16 = 1 << 9;
    pub(super) const SERVER: u16 = 1 << 10;
    pub(super) const SCOPE_ID: u16 = 1 << 11;
    pub(super) const PERCENT: u16 = 1 << 12;
}

/// The classes of every ASCII character.
const CLASSES: [u16; 128] = classes();

const fn classes() -> [u16; 128] {
    use class::*;
    let mut table = [0u16; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let mut bits = 0;
        if byte.is_ascii_alphabetic() {
            bits |= ALPHA;
        }
        if byte.is_ascii_digit() {
            bits |= DIGIT;
        }
        if byte.is_ascii_hexdigit() {
            bits |= HEX;
        }
        if byte.is_ascii_alphanumeric() {
            bits |= SCHEME | PATH | URIC | REG_NAME | USER_INFO | SERVER | SCOPE_ID;
        }
        bits |= match byte {
            b'-' => DASH | SCHEME | PATH | URIC | REG_NAME | USER_INFO | SERVER,
            b'.' => DOT | SCHEME | PATH | URIC | REG_NAME | USER_INFO | SERVER | SCOPE_ID,
            b'_' => PATH | URIC | REG_NAME | USER_INFO | SERVER | SCOPE_ID,
            b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => PATH | URIC | REG_NAME | USER_INFO | SERVER,
            b'+' => SCHEME | PATH | URIC | REG_NAME | USER_INFO | SERVER,
            b';' | b':' | b'&' | b'=' | b'$' | b',' => PATH | URIC | REG_NAME | USER_INFO | SERVER,
            b'@' => PATH | URIC | REG_NAME | SERVER,
            b'/' => PATH | URIC,
            b'?' => URIC,
            b'[' | b']' => URIC | SERVER,
            b'%' => PERCENT,
            _ => 0,
        };
        table[byte as usize] = bits;
        byte += 1;
    }
    table
}

/// Whether a character may stand unescaped in the query of a URI (the `%` of an escape excluded).
pub(super) const fn is_query_byte(byte: u8) -> bool {
    byte < 128 && CLASSES[byte as usize] & class::URIC != 0
}

/// Why a text is no URI.
#[derive(Debug, Clone, Copy)]
enum Reason {
    /// `Illegal character in {0}`
    Illegal(&'static str),
    /// `Expected {0}`
    Expected(&'static str),
    /// The text itself.
    Plain(&'static str),
    /// A `NumberFormatException` that Java lets through; the bytes are the number's.
    Number(usize, usize),
}

/// A failed step: the reason, and where, in bytes.
#[derive(Debug, Clone, Copy)]
struct Failure {
    reason: Reason,
    at: Option<usize>,
}

impl Failure {
    fn illegal(what: &'static str, at: usize) -> Self {
        Self {
            reason: Reason::Illegal(what),
            at: Some(at),
        }
    }

    fn expected(what: &'static str, at: usize) -> Self {
        Self {
            reason: Reason::Expected(what),
            at: Some(at),
        }
    }

    fn plain(what: &'static str, at: usize) -> Self {
        Self {
            reason: Reason::Plain(what),
            at: Some(at),
        }
    }

    /// Java's message: `{reason} at index {index in UTF-16 units}: {text}`.
    fn message(&self, text: &str) -> String {
        let reason = match self.reason {
            Reason::Illegal(what) => format!("Illegal character in {what}"),
            Reason::Expected(what) => format!("Expected {what}"),
            Reason::Plain(what) => what.to_owned(),
            Reason::Number(start, end) => {
                let number = text.get(start..end).unwrap_or_default();
                return format!("For input string: \"{number}\"");
            }
        };
        match self.at {
            Some(at) => {
                let index: usize = text
                    .get(..at)
                    .unwrap_or(text)
                    .chars()
                    .map(char::len_utf16)
                    .sum();
                format!("{reason} at index {index}: {text}")
            }
            None => format!("{reason}: {text}"),
        }
    }
}

/// Result of a step of the parser.
type Step<T> = Result<T, Failure>;

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    parts: UriParts<'a>,
}

impl<'a> Parser<'a> {
    /// `[scheme:](hierarchical part | opaque part)[#fragment]`
    fn uri(&mut self) -> Step<()> {
        let end = self.bytes.len();
        let stop = self
            .bytes
            .iter()
            .position(|b| matches!(b, b'/' | b'?' | b'#' | b':'));
        let mut at = match stop {
            Some(colon) if self.bytes[colon] == b':' => {
                self.scheme(colon)?;
                let start = colon + 1;
                if self.at(start, end, b'/') {
                    self.hierarchical(start, end)?
                } else {
                    let hash = self.find(start, end, b'#');
                    if hash <= start {
                        return Err(Failure::expected("scheme-specific part", start));
                    }
                    self.check(start, hash, class::URIC, "opaque part")?;
                    hash
                }
            }
            _ => self.hierarchical(0, end)?,
        };
        if self.at(at, end, b'#') {
            self.check(at + 1, end, class::URIC, "fragment")?;
            self.parts.fragment = self.slice(at + 1, end);
            at = end;
        }
        if at < end {
            return Err(Failure::plain("end of URI expected", at));
        }
        Ok(())
    }

    fn scheme(&mut self, colon: usize) -> Step<()> {
        const WHAT: &str = "scheme name";
        if colon == 0 {
            return Err(Failure::expected(WHAT, 0));
        }
        if !self.is(0, class::ALPHA) {
            return Err(Failure::illegal(WHAT, 0));
        }
        let stop = self.run(1, colon, class::SCHEME);
        if stop < colon {
            return Err(Failure::illegal(WHAT, stop));
        }
        self.parts.scheme = self.slice(0, colon);
        Ok(())
    }

    /// `[//authority]path[?query]`; returns the end (the `#` or the end of the text).
    fn hierarchical(&mut self, start: usize, end: usize) -> Step<usize> {
        let mut at = start;
        if self.at(at, end, b'/') && self.at(at + 1, end, b'/') {
            at += 2;
            let stop = self.find_any(at, end, |b| matches!(b, b'/' | b'?' | b'#'));
            if stop > at {
                self.authority(at, stop)?;
                at = stop;
            } else if stop == end {
                return Err(Failure::expected("authority", at));
            }
            // an empty authority before a path, query or fragment is let through
        }
        let stop = self.find_any(at, end, |b| matches!(b, b'?' | b'#'));
        self.check(at, stop, class::PATH, "path")?;
        self.parts.path = self.slice(at, stop);
        at = stop;
        if self.at(at, end, b'?') {
            let hash = self.find(at + 1, end, b'#');
            self.check(at + 1, hash, class::URIC, "query")?;
            self.parts.query = self.slice(at + 1, hash);
            at = hash;
        }
        Ok(at)
    }

    fn slice(&self, start: usize, end: usize) -> Option<&'a str> {
        self.text.get(start..end)
    }

    /// Whether the byte at `at`, before `end`, is `byte`.
    fn at(&self, at: usize, end: usize, byte: u8) -> bool {
        at < end && self.bytes.get(at) == Some(&byte)
    }

    /// Whether the byte at `at` is ASCII of a class of `mask`.
    fn is(&self, at: usize, mask: u16) -> bool {
        self.bytes
            .get(at)
            .and_then(|b| CLASSES.get(usize::from(*b)))
            .is_some_and(|bits| bits & mask != 0)
    }

    /// The first `byte` in the range, or its end.
    fn find(&self, start: usize, end: usize, byte: u8) -> usize {
        let range = self.bytes.get(start..end).unwrap_or_default();
        memchr::memchr(byte, range).map_or(end, |at| start + at)
    }

    fn find_any(&self, start: usize, end: usize, stops: impl Fn(u8) -> bool) -> usize {
        let range = self.bytes.get(start..end).unwrap_or_default();
        range
            .iter()
            .position(|b| stops(*b))
            .map_or(end, |at| start + at)
    }

    /// The end of the run of characters of `mask`, without escapes and other characters.
    fn run(&self, start: usize, end: usize, mask: u16) -> usize {
        let mut at = start;
        while at < end && self.is(at, mask) {
            at += 1;
        }
        at
    }

    /// The end of the run of characters of `mask`, of escapes and of other characters.
    fn scan(&self, start: usize, end: usize, mask: u16) -> Step<usize> {
        let mut at = start;
        while at < end {
            let byte = self.bytes[at];
            if byte < 0x80 {
                if CLASSES[usize::from(byte)] & mask != 0 {
                    at += 1;
                } else if byte == b'%' {
                    if at + 3 <= end && self.is(at + 1, class::HEX) && self.is(at + 2, class::HEX) {
                        at += 3;
                    } else {
                        return Err(Failure::plain("Malformed escape pair", at));
                    }
                } else {
                    break;
                }
            } else {
                match self.text.get(at..).and_then(|rest| rest.chars().next()) {
                    Some(c) if is_other(c) => at += c.len_utf8(),
                    _ => break,
                }
            }
        }
        Ok(at)
    }

    /// Fails at the first character of the range that [`scan`](Self::scan) does not take.
    fn check(&self, start: usize, end: usize, mask: u16, what: &'static str) -> Step<()> {
        let stop = self.scan(start, end, mask)?;
        if stop < end {
            return Err(Failure::illegal(what, stop));
        }
        Ok(())
    }
}

/// Java's "other" characters: not ASCII, no ISO control, no space (Zs, Zl, Zp of Unicode 6.2).
fn is_other(c: char) -> bool {
    !matches!(
        c,
        '\0'..='\u{a0}'
            | '\u{1680}'
            | '\u{180e}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}
