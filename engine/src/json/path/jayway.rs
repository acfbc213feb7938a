//! Reads paths as Jayway json-path 2.4.0 does, without its functions.

use super::jayway_filter;
use super::walk::{Path, Step};

/// Compiles a path; `filters` is in how many filters it stands.
pub(super) fn compile(text: &str, filters: usize) -> Result<Path, String> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Err("json can not be null or empty".into());
    }
    let prefixed;
    let text = if text.starts_with(['$', '@']) {
        text
    } else {
        prefixed = format!("$.{text}");
        &prefixed
    };
    if text.ends_with('.') {
        return Err("Path must not end with a '.' or '..'".into());
    }
    let mut parser = Parser {
        text,
        at: 1,
        filters,
    };
    if text.len() > 1 && !matches!(parser.current(), Some(b'.' | b'[')) {
        return Err("Illegal character at position 1 expected '.' or '['".into());
    }
    let mut steps = Vec::new();
    while parser.current().is_some() {
        let step = parser.step()?;
        steps.push(step);
    }
    Ok(Path {
        from_root: text.starts_with('$'),
        steps,
    })
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    /// Bytes that were read.
    pub(super) at: usize,
    /// How many filters are open.
    pub(super) filters: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn current(&self) -> Option<u8> {
        self.byte(self.at)
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The place of the first byte from `at` on that is no blank.
    pub(super) fn significant(&self, mut at: usize) -> usize {
        while self.byte(at) == Some(b' ') {
            at += 1;
        }
        at
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn step(&mut self) -> Result<Step, String> {
        match self.current() {
            Some(b'.') => self.dotted(),
            _ => self.undotted(),
        }
    }

    /// A step behind a point, or behind two of them: a scan.
    fn dotted(&mut self) -> Result<Step, String> {
        let is_scan = self.byte(self.at + 1) == Some(b'.');
        self.at += if is_scan { 2 } else { 1 };
        match self.current() {
            None => Err("Path must not end with a '.".into()),
            Some(b'.') => Err(format!(
                "Character '.' on position {} is not valid.",
                self.at
            )),
            Some(_) if is_scan => Ok(Step::Scan(Box::new(self.undotted()?))),
            Some(_) => self.undotted(),
        }
    }

    fn undotted(&mut self) -> Result<Step, String> {
        match self.current() {
            Some(b'[') => self.bracket(),
            Some(b'*') => {
                self.at += 1;
                Ok(Step::Children)
            }
            _ => self.property(),
        }
    }

    fn property(&mut self) -> Result<Step, String> {
        let start = self.at;
        loop {
            match self.current() {
                None | Some(b'.' | b'[') => break,
                Some(b' ') => {
                    return Err(format!(
                        "Use bracket notion ['my prop'] if your property contains blank characters. position: {start}"
                    ));
                }
                Some(b'(') => {
                    return Err(format!(
                        "Function {}() at position {start} is not supported: a path selects values",
                        self.slice(start, self.at)
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
        if start == self.at {
            return Err(format!(
                "Could not parse token starting at position {start}"
            ));
        }
        Ok(Step::Names(vec![self.slice(start, self.at).to_owned()]))
    }

    fn bracket(&mut self) -> Result<Step, String> {
        let start = self.at;
        let inside = self.significant(start + 1);
        match self.byte(inside) {
            Some(quote @ (b'\'' | b'"')) => {
                self.at = inside;
                self.names(quote)
            }
            Some(b'0'..=b'9' | b'-' | b':') => self.numbers(inside),
            Some(b'*') => {
                self.at = self.significant(inside + 1);
                if self.current() != Some(b']') {
                    return Err(format!(
                        "Expected wildcard token to end with ']' on position {}",
                        inside + 1
                    ));
                }
                self.at += 1;
                Ok(Step::Children)
            }
            Some(b'?') => {
                let open = self.significant(inside + 1);
                match self.byte(open) {
                    Some(b'(') => {
                        self.at = open + 1;
                        let condition = jayway_filter::read(self)?;
                        Ok(Step::Filter(Box::new(condition)))
                    }
                    _ => Err(format!(
                        "Not enough predicates supplied for filter [?] at position {start}"
                    )),
                }
            }
            _ => Err(format!(
                "Could not parse token starting at position {start}. Expected ?, ', 0-9, * "
            )),
        }
    }

    /// `['a', 'b']`, from the first quote on.
    fn names(&mut self, quote: u8) -> Result<Step, String> {
        let mut names = Vec::new();
        loop {
            let name = self.quoted(quote).ok_or_else(|| {
                format!(
                    "Property has not been closed - missing closing {}",
                    char::from(quote)
                )
            })?;
            names.push(name);
            self.at = self.significant(self.at);
            match self.current() {
                Some(b']') => break,
                Some(b',') => {}
                None => return Err("Property has not been closed - missing closing ]".into()),
                Some(_) => {
                    return Err(format!(
                        "Property must be separated by comma or Property must be terminated close square bracket at index {}",
                        self.at
                    ));
                }
            }
            self.at = self.significant(self.at + 1);
            if self.current() != Some(quote) {
                return Err(format!("Found empty property at index {}", self.at));
            }
        }
        self.at += 1;
        Ok(Step::Names(names))
    }

    /// A quoted text from its first quote on, without its escapes.
    pub(super) fn quoted(&mut self, quote: u8) -> Option<String> {
        let start = self.at + 1;
        let mut at = start;
        while self.byte(at)? != quote {
            at += if self.byte(at) == Some(b'\\') { 2 } else { 1 };
        }
        self.at = at + 1;
        Some(unescape(self.slice(start, at)))
    }

    /// Numbers, or a slice: `[1]`, `[1, 2]`, `[1:2]`.
    fn numbers(&mut self, start: usize) -> Result<Step, String> {
        let length = self.text[start..].find(']').ok_or_else(|| {
            format!("Could not parse token starting at position {start}. Expected ?, ', 0-9, * ")
        })?;
        let text = self.slice(start, start + length).trim_matches(' ');
        let step = if text.contains(':') {
            slice(text).ok_or_else(|| format!("Failed to parse SliceOperation: {text}"))?
        } else {
            let numbers = text.split(',').map(|token| {
                let token = token.trim_matches(' ');
                token
                    .parse()
                    .map_err(|_| format!("Failed to parse token in ArrayIndexOperation: {token}"))
            });
            Step::Indices(numbers.collect::<Result<_, String>>()?)
        };
        self.at = start + length + 1;
        Ok(step)
    }
}

/// The third part is not looked at.
fn slice(text: &str) -> Option<Step> {
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b':')) {
        return None;
    }
    let mut parts = text.split(':').map(|part| match part {
        "" => Some(None),
        part => part.parse().ok().map(Some),
    });
    let (from, to) = (parts.next()??, parts.next()??);
    (from.is_some() || to.is_some()).then_some(Step::Range(from, to))
}

/// Replaces escapes: those of Java's texts, and any other escaped character by itself.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('b') => out.push('\u{8}'),
            Some('u') => {
                let digits: String = chars.clone().take(4).collect();
                let unit = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4);
                match unit {
                    Some(unit) => {
                        out.push(char::from_u32(unit).unwrap_or('?'));
                        chars.nth(3);
                    }
                    None => out.push('u'),
                }
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
