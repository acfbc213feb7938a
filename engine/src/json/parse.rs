//! Reads the first JSON value of a text the way Jackson's `ObjectMapper.readTree` does, and says
//! in Jackson's classes why a text cannot be read.
//!
//! In: a text. Out: a [`Value`] that borrows from it, or a [`ParseError`] with everything that
//! [`text::jackson`](crate::text::jackson) needs to word the message of Jackson 2.6 (which the enrich
//! job of R108 shows) or of Jackson 2.9 (shred job). Like the reference:
//! * what follows the first value is ignored, but a number must be followed by white space or the
//!   end, and a literal must not run on as a Java identifier;
//! * strings and numbers are checked by Jackson's rules, without any of its lenient features;
//! * [`parse`] merges equal keys (last value, first position), [`parse_keep_duplicates`], the
//!   reference's json4s reader, keeps them all.
//!
//! Difference: nesting beyond [`MAX_DEPTH`] is refused, where the reference's stack overflows at some
//! depth. Half a surrogate pair becomes `?` here already and not only in print, so two keys that differ
//! in nothing but that are one.

mod error;
mod identifier;
mod number;
mod reader;
mod string;

use super::Value;
pub use error::{
    Container, Inside, NumberPart, Open, ParseError, ParseErrorKind, StringPlace, Wanted,
};

/// Deeper nesting is refused: a hostile text must not exhaust the stack.
pub const MAX_DEPTH: usize = 1000;

/// Reads the first value of `text` and ignores what follows it; `Ok(None)` when the text is
/// empty or only white space. Of equal keys the last value wins, at the position of the first.
///
/// # Errors
/// Says why the text is not JSON.
pub fn parse(text: &str) -> Result<Option<Value<'_>>, ParseError> {
    reader::read(text, false)
}

/// Reads the first value of `text` as the reference's json4s reader does: objects keep all their
/// members, equal keys included.
///
/// # Errors
/// Says why the text is not JSON; an empty or blank text is [`ParseErrorKind::Empty`], which the
/// reference reports as a mapping exception and not as a parse exception.
pub fn parse_keep_duplicates(text: &str) -> Result<Value<'_>, ParseError> {
    reader::read(text, true)?.ok_or(ParseError {
        kind: ParseErrorKind::Empty,
        offset: 0,
        behind: 0,
        end_reads: 0,
    })
}

#[cfg(test)]
mod tests;
