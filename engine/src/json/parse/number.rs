//! Numbers and words of the JSON reader, with the positions that Jackson reports for broken ones.

use std::borrow::Cow;

use super::error::{Inside, NumberPart, ParseError, ParseErrorKind, Wanted};
use super::identifier;
use super::reader::Reader;
use crate::json::{Number, Value};

impl<'a> Reader<'a> {
    /// Reads the number that starts at the current position (`-` or a digit).
    pub(super) fn number(&mut self) -> Result<Value<'a>, ParseError> {
        let start = self.pos;
        let mut at = start;
        if self.bytes.get(at) == Some(&b'-') {
            at += 1;
            match self.bytes.get(at) {
                Some(b'0'..=b'9') => {}
                Some(_) => return Err(self.odd_number(start, at)),
                None => return Err(self.ended(Inside::Minus)),
            }
        }
        // Jackson reads a number that starts with a zero, or that ends with the text, by a slower
        // way which reports other positions
        let slow = self.bytes.get(at) == Some(&b'0');
        at += 1;
        if slow {
            match self.bytes.get(at) {
                Some(b'0'..=b'9') => return Err(self.fail(ParseErrorKind::LeadingZeroes, at, 0)),
                Some(_) => {}
                None => self.end_reads += 1,
            }
        } else {
            at = self.digits(at);
        }
        let mut behind_mark = None;
        if self.bytes.get(at) == Some(&b'.') {
            at += 1;
            behind_mark = Some(at);
            let digits = at;
            at = self.digits(at);
            if at == digits {
                return Err(self.no_digit(at, NumberPart::Fraction, behind_mark, slow));
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            at += 1;
            behind_mark = behind_mark.or(Some(at));
            if let Some(b'+' | b'-') = self.bytes.get(at) {
                at += 1;
            }
            let digits = at;
            at = self.digits(at);
            if at == digits {
                return Err(self.no_digit(at, NumberPart::Exponent, behind_mark, slow));
            }
        }
        match self.bytes.get(at) {
            None => self.end_reads += 1,
            Some(b' ' | b'\t' | b'\r' | b'\n') => {}
            Some(_) if self.in_root() => return Err(self.unexpected(at, Wanted::RootSpace)),
            Some(_) => {}
        }
        self.pos = at;
        Ok(Value::Number(Number {
            token: Cow::Borrowed(&self.text[start..at]),
        }))
    }

    /// Offset of the first byte at or behind `at` that is no digit.
    fn digits(&self, mut at: usize) -> usize {
        while let Some(b'0'..=b'9') = self.bytes.get(at) {
            at += 1;
        }
        at
    }

    /// A part of a number without a digit; the first character that is none is at `at`.
    #[cold]
    fn no_digit(
        &mut self,
        at: usize,
        part: NumberPart,
        behind_mark: Option<usize>,
        slow: bool,
    ) -> ParseError {
        if at >= self.bytes.len() {
            if part == NumberPart::Exponent {
                return self.ended(Inside::Exponent);
            }
            self.end_reads += 1;
            return self.fail(ParseErrorKind::BadNumber { found: '.', part }, at, 0);
        }
        let kind = ParseErrorKind::BadNumber {
            found: self.char_at(at),
            part,
        };
        match behind_mark {
            Some(mark) if !slow => self.fail(kind, mark, 0),
            _ => self.fail(kind, at, 1),
        }
    }

    /// A sign (at `start`) that no digit follows; `at` is the byte behind it.
    #[cold]
    pub(super) fn odd_number(&mut self, start: usize, at: usize) -> ParseError {
        let negative = self.bytes.get(start) == Some(&b'-');
        let mut at = at;
        if self.bytes.get(at) == Some(&b'I') {
            at += 1;
            match self.bytes.get(at) {
                Some(b'N') => {
                    return self.non_standard(start, if negative { "-INF" } else { "+INF" });
                }
                Some(b'n') => {
                    let word = if negative { "-Infinity" } else { "+Infinity" };
                    return self.non_standard(start, word);
                }
                _ => {}
            }
        }
        if at >= self.bytes.len() {
            return self.ended(Inside::OddNumber);
        }
        let kind = ParseErrorKind::BadNumber {
            found: self.char_at(at),
            part: NumberPart::Integer,
        };
        self.fail(kind, at, 1)
    }

    /// Reads the literal `word` at the current position, whose first letter is there.
    pub(super) fn literal(
        &mut self,
        word: &'static str,
        value: Value<'a>,
    ) -> Result<Value<'a>, ParseError> {
        let end = self.pos + word.len();
        if self.bytes.get(self.pos..end) == Some(word.as_bytes()) {
            match self.bytes.get(end) {
                None => self.end_reads += 1,
                Some(..b'0' | b']' | b'}') => {}
                Some(_) if identifier::is_part(self.char_at(end)) => {
                    return Err(self.unknown_token(self.pos, end, true));
                }
                Some(_) => {}
            }
            self.pos = end;
            return Ok(value);
        }
        Err(self.broken_word(self.pos, word))
    }

    /// A text at `start` that begins like `word` and then leaves it or ends.
    #[cold]
    fn broken_word(&mut self, start: usize, word: &str) -> ParseError {
        let rest = &self.bytes[start..];
        let same = rest
            .iter()
            .zip(word.as_bytes())
            .take_while(|(a, b)| a == b)
            .count();
        if same == rest.len() {
            self.end_reads += 1;
        }
        self.unknown_token(start, start + same, true)
    }

    /// `NaN` and its like, if it is complete.
    #[cold]
    pub(super) fn non_standard(&mut self, start: usize, word: &'static str) -> ParseError {
        let end = start + word.len();
        if self.bytes.get(start..end) != Some(word.as_bytes()) {
            return self.broken_word(start, word);
        }
        match self.bytes.get(end) {
            None => self.end_reads += 1,
            Some(..b'0' | b']' | b'}') => {}
            Some(_) if identifier::is_part(self.char_at(end)) => {
                return self.unknown_token(start, end, true);
            }
            Some(_) => {}
        }
        self.fail(ParseErrorKind::NonStandardToken { token: word }, end, 0)
    }

    /// An unknown word at `start` that goes on behind `known` as long as there are identifier characters.
    #[cold]
    pub(super) fn unknown_token(
        &mut self,
        start: usize,
        known: usize,
        literal: bool,
    ) -> ParseError {
        let rest = &self.text[known..];
        let end = known + rest.find(|c| !identifier::is_part(c)).unwrap_or(rest.len());
        if end == self.bytes.len() {
            self.end_reads += 1;
        }
        self.fail(ParseErrorKind::UnknownToken { start, literal }, end, 0)
    }
}
