//! Message texts of Jackson's reader, in the two styles that the two jobs show.

use crate::json::ParseError;

/// How a message names its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Jackson 2.6, the enrich job: `[Source: {text}; line: 1, column: 5]`.
    Enrich,
    /// Jackson 2.9, the shred job: `[Source: (String)"{text}"; line: 1, column: 5]`.
    Shred,
}

/// Jackson's message, not yet cleaned (it holds a line feed before ` at [Source`).
pub fn message(_text: &str, _error: &ParseError, _style: Style) -> String {
    String::new()
}

/// `Field [{field}]: invalid JSON [{text}] with parsing error: {cleaned message}`; without an error the
/// text was empty or blank: `mapping resulted in null`.
pub fn field_error(
    _field: &str,
    _text: &str,
    _error: Option<&ParseError>,
    _style: Style,
) -> String {
    String::new()
}
