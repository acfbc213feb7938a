//! Positions in messages: `[Source: …; line: 1, column: 5]`.

use std::fmt::Write;

use super::{Style, start_of};
use crate::json::ParseError;
use crate::json::parse::{Open, ParseErrorKind};

/// UTF-16 units that Jackson reads from a string directly; longer ones through a `StringReader`.
const MAX_DIRECT: usize = 32_768;
/// Units in a buffer of a `StringReader`'s text. (A thread that has read longer texts before has a longer
/// buffer; that is not followed.)
const READER_BUFFER: usize = 4_000;
/// UTF-16 units of the text that Jackson 2.9 shows.
const MAX_SNIPPET: usize = 500;

/// The text that a message is about.
pub(super) struct Source<'a> {
    text: &'a str,
    /// Length of the text in UTF-16 units.
    units: usize,
    pub(super) style: Style,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, style: Style) -> Self {
        Self {
            text,
            units: utf16_len(text),
            style,
        }
    }

    /// Appends where the error is.
    pub(super) fn location(&self, error: &ParseError, out: &mut String) {
        if error.kind == ParseErrorKind::Empty {
            // where the missing value would have started
            let column = match self.style {
                Style::Enrich => 1,
                Style::Shred => 0,
            };
            return self.write(1, column, out);
        }
        let (line, column) = self.line_and_column(error.offset);
        let last_buffer = match self.units {
            0..=MAX_DIRECT => self.units,
            units => (units - 1) % READER_BUFFER + 1,
        };
        let again = usize::from(error.end_reads) * last_buffer;
        self.write(line, column + 1 + usize::from(error.behind) + again, out);
    }

    /// Appends where a container starts; without one, that of the root. Jackson 2.6 counts these columns
    /// from zero.
    pub(super) fn start(&self, open: Option<&Open>, out: &mut String) {
        let (line, column) = match open {
            Some(open) => {
                let (line, column) = self.line_and_column(start_of(open, self.style));
                (line, column + usize::from(self.style == Style::Shred))
            }
            None => (1, 0),
        };
        self.write(line, column, out);
    }

    /// Line (from one) and column (from zero, in UTF-16 units) of a byte offset. Lines end with LF, CR LF
    /// or CR.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let bytes = before.as_bytes();
        let mut line = 1;
        let mut start = 0;
        for at in memchr::memchr2_iter(b'\r', b'\n', bytes) {
            let in_pair = bytes[at] == b'\n' && at > 0 && bytes[at - 1] == b'\r';
            line += usize::from(!in_pair);
            start = at + 1;
        }
        (line, utf16_len(&before[start..]))
    }

    fn write(&self, line: usize, column: usize, out: &mut String) {
        out.push_str("[Source: ");
        match (self.style, self.units) {
            (Style::Enrich, 0..=MAX_DIRECT) => out.push_str(self.text),
            // the id of the instance, which every bad row hides
            (Style::Enrich, _) => out.push_str("java.io.StringReader@xxxxxx"),
            (Style::Shred, 0..=MAX_DIRECT) => self.snippet(out),
            (Style::Shred, _) => out.push_str("(StringReader)"),
        }
        // writing to a string cannot fail
        let _ = write!(out, "; line: {line}, column: {column}]");
    }

    /// The text, or its first 500 units and how many more there are.
    fn snippet(&self, out: &mut String) {
        out.push_str("(String)\"");
        let mut left = MAX_SNIPPET;
        for c in self.text.chars() {
            match left.checked_sub(c.len_utf16()) {
                Some(rest) => {
                    out.push(c);
                    left = rest;
                }
                None => {
                    // a pair that is cut in the middle prints as `?`
                    out.push_str(if left == 1 { "?" } else { "" });
                    break;
                }
            }
        }
        out.push('"');
        if self.units > MAX_SNIPPET {
            // writing to a string cannot fail
            let _ = write!(out, "[truncated {} chars]", self.units - MAX_SNIPPET);
        }
    }
}

/// Length in UTF-16 units.
fn utf16_len(text: &str) -> usize {
    text.bytes()
        .map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0))
        .sum()
}
