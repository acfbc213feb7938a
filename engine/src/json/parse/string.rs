//! Strings of the JSON reader: borrowed where nothing is escaped, otherwise unescaped into a copy.

use std::borrow::Cow;

use super::error::{Inside, ParseError, ParseErrorKind, StringPlace, Wanted};
use super::reader::Reader;
use crate::json::scan;

impl<'a> Reader<'a> {
    /// Reads the string whose opening quote is at the current position.
    pub(super) fn string(&mut self, place: StringPlace) -> Result<Cow<'a, str>, ParseError> {
        let start = self.pos + 1;
        let end = scan::special(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.pos = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.escaped_string(start, end, place).map(Cow::Owned)
    }

    /// The rest of [`Self::string`], from its first `special` byte at `stop`.
    fn escaped_string(
        &mut self,
        start: usize,
        stop: usize,
        place: StringPlace,
    ) -> Result<String, ParseError> {
        let mut out = String::with_capacity((stop - start) + 32);
        let (mut run, mut at) = (start, stop);
        loop {
            out.push_str(&self.text[run..at]);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.pos = at + 1;
                    return Ok(out);
                }
                Some(b'\\') => at = self.escape(at + 1, &mut out)?,
                Some(&control) => {
                    let found = char::from(control);
                    let kind = ParseErrorKind::UnquotedControl { found, place };
                    return Err(self.fail(kind, at, 1));
                }
                None => {
                    return Err(self.ended(match place {
                        StringPlace::Name => Inside::Name,
                        StringPlace::Value => Inside::String,
                    }));
                }
            }
            run = at;
            at = scan::special(self.bytes, at);
        }
    }

    /// Unescapes what stands behind a backslash; `at` is the byte behind it. Returns the offset behind
    /// the escape.
    fn escape(&mut self, at: usize, out: &mut String) -> Result<usize, ParseError> {
        let plain = match self.bytes.get(at) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(at + 1, out),
            Some(_) => {
                let found = self.char_at(at);
                return Err(self.fail(ParseErrorKind::UnknownEscape { found }, at, 1));
            }
            None => return Err(self.ended(Inside::Escape)),
        };
        out.push(plain);
        Ok(at + 1)
    }

    /// Reads the four digits at `at`, and the other half of a surrogate pair if it follows. Half a pair
    /// becomes `?`, as the reference prints it.
    fn unicode_escape(&mut self, at: usize, out: &mut String) -> Result<usize, ParseError> {
        let unit = self.hex(at)?;
        if let Some(c) = char::from_u32(unit) {
            out.push(c);
            return Ok(at + 4);
        }
        if unit < 0xdc00 && self.bytes.get(at + 4..at + 6) == Some(b"\\u") {
            let low = self.hex(at + 6)?;
            if (0xdc00..0xe000).contains(&low) {
                let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                out.push(char::from_u32(pair).unwrap_or('?'));
                return Ok(at + 10);
            }
        }
        out.push('?');
        Ok(at + 4)
    }

    /// The value of four hexadecimal digits.
    fn hex(&mut self, at: usize) -> Result<u32, ParseError> {
        let mut value = 0;
        for at in at..at + 4 {
            let digit = match self.bytes.get(at) {
                Some(&byte) => char::from(byte).to_digit(16),
                None => return Err(self.ended(Inside::Escape)),
            };
            let Some(digit) = digit else {
                return Err(self.unexpected(at, Wanted::HexDigit));
            };
            value = (value << 4) | digit;
        }
        Ok(value)
    }
}
