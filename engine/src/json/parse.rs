//! Reads the first JSON value of a text the way Jackson's `ObjectMapper.readTree` does, and says
//! in Jackson's classes why a text cannot be read.

use super::Value;

/// Deeper nesting is refused: a hostile text must not exhaust the stack.
pub const MAX_DEPTH: usize = 1000;

/// Why a text is not JSON, with all that Jackson's message needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseError {
    /// The kind of failure.
    pub kind: ParseErrorKind,
    /// Byte offset in the text at which it was noticed.
    pub offset: usize,
}

/// Kinds of parse failure, one for each message text of Jackson's reader.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseErrorKind {
    /// Placeholder until every message class is told apart.
    Unexpected,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// Reads the first value of `text` and ignores what follows it; `Ok(None)` when the text is
/// empty or only white space.
pub fn parse(_text: &str) -> Result<Option<Value<'_>>, ParseError> {
    Err(ParseError {
        kind: ParseErrorKind::Unexpected,
        offset: 0,
    })
}
