//! Message texts of Jackson's reader, in the two styles that the two jobs of R108 show: Jackson
//! 2.6.5, which Spark 2.2 puts before the enrich job's own, and Jackson 2.9, which the shred job brings along.
//!
//! In: the text and why it is not JSON. Out: `getMessage` of the reference's exception, its position
//! included. Columns count UTF-16 units. Where the text ends too early both versions count the last buffer
//! again for each time they asked for more, so the column lies behind the end; that is kept.

mod position;

use std::fmt::Write;

use crate::json::ParseError;
use crate::json::parse::{
    Container, Inside, NumberPart, Open, ParseErrorKind, StringPlace, Wanted,
};
use crate::text::clean;
use position::Source;

/// How a message names its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Jackson 2.6, the enrich job: `[Source: {text}; line: 1, column: 5]`.
    Enrich,
    /// Jackson 2.9, the shred job: `[Source: (String)"{text}"; line: 1, column: 5]`.
    Shred,
}

/// UTF-16 units of an unknown token that Jackson 2.9 shows; 2.6 shows it whole.
const MAX_TOKEN: usize = 256;

/// Jackson's message, not yet cleaned (it holds a line feed before ` at [Source`).
///
/// A text that is too deep, which the reference does not refuse, gets a text of ours in the same form.
pub fn message(text: &str, error: &ParseError, style: Style) -> String {
    let source = Source::new(text, style);
    let mut out = String::with_capacity(160);
    let mut shown = *error;
    match &error.kind {
        ParseErrorKind::UnknownToken { start, literal } => {
            let token = text.get(*start..error.offset).unwrap_or_default();
            let cut = match style {
                Style::Enrich => None,
                // identifiers have no surrogates, so characters are units
                Style::Shred => token
                    .char_indices()
                    .nth(MAX_TOKEN - 1)
                    .map(|(at, c)| at + c.len_utf8()),
            };
            let _ = match cut {
                Some(cut) => {
                    // 2.9 stops reading here
                    shown.offset = start + cut;
                    shown.end_reads = 0;
                    write!(out, "Unrecognized token '{}...'", &token[..cut])
                }
                None => write!(out, "Unrecognized token '{token}'"),
            };
            out.push_str(": was expecting ");
            out.push_str(match literal {
                true => "'null', 'true', 'false' or NaN",
                false => "('true', 'false' or 'null')",
            });
        }
        kind => describe(kind, &source, &mut out),
    }
    out.push_str("\n at ");
    source.location(&shown, &mut out);
    out
}

/// `Throwable.toString`: the class of the reference's exception, `: ` and the [`message`].
pub fn exception_text(text: &str, error: &ParseError, style: Style) -> String {
    let class = match (&error.kind, style) {
        (ParseErrorKind::Empty, Style::Enrich) => "databind.JsonMappingException",
        (ParseErrorKind::Empty, Style::Shred) => "databind.exc.MismatchedInputException",
        (ParseErrorKind::EndOfInput { inside }, Style::Shred)
            if !matches!(inside, Inside::Entries(_)) =>
        {
            "core.io.JsonEOFException"
        }
        _ => "core.JsonParseException",
    };
    format!(
        "com.fasterxml.jackson.{class}: {}",
        message(text, error, style)
    )
}

/// `Field [{field}]: invalid JSON [{text}] with parsing error: {cleaned message}`; without an error the
/// text was empty or blank: `mapping resulted in null`.
pub fn field_error(field: &str, text: &str, error: Option<&ParseError>, style: Style) -> String {
    let reason = match error {
        Some(error) => clean::strip_exception(&message(text, error, style)),
        None => "mapping resulted in null".to_owned(),
    };
    format!("Field [{field}]: invalid JSON [{text}] with parsing error: {reason}")
}

/// What a message says before its position.
fn describe(kind: &ParseErrorKind, source: &Source<'_>, out: &mut String) {
    let style = source.style;
    // writing to a string cannot fail
    let _ = match kind {
        ParseErrorKind::Empty => write!(out, "No content to map due to end-of-input"),
        ParseErrorKind::TooDeep => write!(
            out,
            "Document nesting depth ({}) exceeds the maximum allowed ({})",
            crate::json::MAX_DEPTH + 1,
            crate::json::MAX_DEPTH
        ),
        ParseErrorKind::UnexpectedChar { found, wanted } => {
            let wanted = wanted_text(*found, *wanted, style);
            write!(
                out,
                "Unexpected character ({}): {wanted}",
                char_text(*found)
            )
        }
        ParseErrorKind::IllegalSpace { found } => write!(
            out,
            "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
            char_text(*found)
        ),
        ParseErrorKind::UnquotedControl { found, place } => write!(
            out,
            "Illegal unquoted character ({}): has to be escaped using backslash to be included in {}",
            char_text(*found),
            match place {
                StringPlace::Name => "name",
                StringPlace::Value => "string value",
            }
        ),
        ParseErrorKind::UnknownEscape { found } => {
            write!(out, "Unrecognized character escape {}", char_text(*found))
        }
        ParseErrorKind::BadNumber { found, part } => write!(
            out,
            "Unexpected character ({}) in numeric value: {}",
            char_text(*found),
            match part {
                NumberPart::Integer =>
                    "expected digit (0-9) to follow minus sign, for valid numeric value",
                NumberPart::Fraction => "Decimal point not followed by a digit",
                NumberPart::Exponent => "Exponent indicator not followed by a digit",
            }
        ),
        ParseErrorKind::LeadingZeroes => {
            write!(out, "Invalid numeric value: Leading zeroes not allowed")
        }
        ParseErrorKind::UnknownToken { .. } => Ok(()),
        ParseErrorKind::NonStandardToken { token } => write!(
            out,
            "Non-standard token '{token}': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow"
        ),
        ParseErrorKind::WrongClose { found, open } => {
            let wanted = if *found == ']' { '}' } else { ']' };
            let name = match (open, style) {
                (Some(open), _) => container_name(open.container, style),
                (None, Style::Enrich) => "ROOT",
                (None, Style::Shred) => "root",
            };
            let written = write!(
                out,
                "Unexpected close marker '{found}': expected '{wanted}' (for {name} starting at "
            );
            source.start(open.as_ref(), out);
            out.push(')');
            written
        }
        ParseErrorKind::EndOfInput { inside } => {
            out.push_str("Unexpected end-of-input");
            ended(*inside, source, out);
            Ok(())
        }
    };
}

/// What Jackson expected in place of `found`.
fn wanted_text(found: char, wanted: Wanted, style: Style) -> String {
    const VALUE: &str =
        "expected a valid value (number, String, array, object, 'true', 'false' or 'null')";
    let text = match wanted {
        Wanted::Element if found == '}' || (found == ']' && style == Style::Enrich) => {
            "expected a value"
        }
        Wanted::Value | Wanted::Element => VALUE,
        Wanted::Name => "was expecting double-quote to start field name",
        Wanted::Colon => "was expecting a colon to separate field name and value",
        Wanted::Comma(container) => {
            let name = container_name(container, style);
            return format!("was expecting comma to separate {name} entries");
        }
        Wanted::HexDigit => "expected a hex-digit for character escape sequence",
        Wanted::NotComment => {
            "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not enabled for parser)"
        }
        Wanted::RootSpace => "Expected space separating root-level values",
    };
    text.to_owned()
}

/// In the midst of what the text ended. Some texts follow `end-of-input` without a space.
fn ended(inside: Inside, source: &Source<'_>, out: &mut String) {
    let text = match (inside, source.style) {
        (Inside::Container(open), style) => {
            out.push_str(": expected close marker for ");
            out.push_str(container_name(open.container, style));
            out.push_str(match style {
                Style::Enrich => " (from ",
                Style::Shred => " (start marker at ",
            });
            source.start(Some(&open), out);
            ")"
        }
        (Inside::Entries(container), style) => {
            out.push_str(" within/between ");
            out.push_str(container_name(container, style));
            " entries"
        }
        (Inside::Name, Style::Enrich) => ": was expecting closing '\"' for name",
        (Inside::Name, Style::Shred) => " in field name",
        (Inside::AfterName, Style::Enrich) => " in FIELD_NAME",
        (Inside::AfterName, Style::Shred) => " within/between Object entries",
        (Inside::String, _) => ": was expecting closing quote for a string value",
        (Inside::Escape, _) => " in character escape sequence",
        (Inside::Minus, _) => "No digit following minus sign",
        (Inside::Exponent, _) => "expected a digit for number exponent",
        (Inside::OddNumber, Style::Enrich) => " in a value",
        (Inside::OddNumber, Style::Shred) => " in a Number value",
    };
    out.push_str(text);
}

fn container_name(container: Container, style: Style) -> &'static str {
    match (container, style) {
        (Container::Array, Style::Enrich) => "ARRAY",
        (Container::Object, Style::Enrich) => "OBJECT",
        (Container::Array, Style::Shred) => "Array",
        (Container::Object, Style::Shred) => "Object",
    }
}

/// A character as Jackson shows it. It sees UTF-16 units, so of a character beyond the basic plane only the
/// first half, which prints as `?`.
fn char_text(c: char) -> String {
    let mut units = [0; 2];
    let unit = c.encode_utf16(&mut units)[0];
    match unit {
        0..=0x1f | 0x7f..=0x9f => format!("(CTRL-CHAR, code {unit})"),
        0x20..=0xff => format!("'{c}' (code {unit})"),
        0xd800..=0xdfff => format!("'?' (code {unit} / 0x{unit:x})"),
        _ => format!("'{c}' (code {unit} / 0x{unit:x})"),
    }
}

/// Where an [`Open`] container starts, in bytes: at its bracket, or, in Jackson 2.6, at the first token of its
/// entry.
fn start_of(open: &Open, style: Style) -> usize {
    match style {
        Style::Enrich => open.token_at,
        Style::Shred => open.at,
    }
}

#[cfg(test)]
mod tests;
