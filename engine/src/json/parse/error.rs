//! Why a text is not JSON: one variant for each message text of Jackson's reader, with the data
//! that the message names. The texts themselves are in [`text::jackson`](crate::text::jackson).

/// Why a text is not JSON, with all that Jackson's message needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    /// The kind of failure.
    pub kind: ParseErrorKind,
    /// Byte offset in the text at which it was noticed: normally the start of the offending
    /// character, or the length of the text where that ends too early.
    pub offset: usize,
    /// UTF-16 units at `offset` that Jackson had taken already (0 or 1): they count in its column.
    pub behind: u8,
    /// How often Jackson had asked for more input in vain. Up to 2.9 each time moves its column by the
    /// size of the last buffer.
    pub end_reads: u8,
}

/// Kinds of parse failure, one for each message text of Jackson's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// There is no value at all (only of the reader that keeps duplicates).
    Empty,
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH); not a failure of Jackson's.
    TooDeep,
    /// A character that cannot stand here.
    UnexpectedChar {
        /// The character.
        found: char,
        /// What should have been there.
        wanted: Wanted,
    },
    /// A control character between tokens.
    IllegalSpace {
        /// The character.
        found: char,
    },
    /// A raw control character in a string.
    UnquotedControl {
        /// The character.
        found: char,
        /// The kind of string.
        place: StringPlace,
    },
    /// A backslash before a character that makes no escape.
    UnknownEscape {
        /// The character behind the backslash.
        found: char,
    },
    /// A character in a number where a digit must be.
    BadNumber {
        /// The character (the point itself, where the text ends with it).
        found: char,
        /// The part that lacks its digit.
        part: NumberPart,
    },
    /// A number that starts with a zero and goes on with a digit.
    LeadingZeroes,
    /// A word that is none of JSON's; it ends at the offset of the error.
    UnknownToken {
        /// Byte offset of its first character.
        start: usize,
        /// Whether it began like a literal (`tru`, `NaNs`), for which the message differs.
        literal: bool,
    },
    /// `NaN`, `Infinity` and their like, which only a feature of Jackson's allows.
    NonStandardToken {
        /// The token.
        token: &'static str,
    },
    /// A closing bracket that does not fit.
    WrongClose {
        /// `]` or `}`.
        found: char,
        /// What is open; `None` at the root.
        open: Option<Open>,
    },
    /// The text ends too early.
    EndOfInput {
        /// In the midst of what.
        inside: Inside,
    },
}

/// What should have been in the place of an unexpected character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A value.
    Value,
    /// A value, and not a closing bracket, behind a comma in an array.
    Element,
    /// The quote that starts a key.
    Name,
    /// The colon behind a key.
    Colon,
    /// A comma behind a value.
    Comma(Container),
    /// A hexadecimal digit of a `\u` escape.
    HexDigit,
    /// No comment.
    NotComment,
    /// White space behind a number that is not in an array or object.
    RootSpace,
}

/// In the midst of what the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// Where the closing bracket may stand.
    Container(Open),
    /// Behind a comma.
    Entries(Container),
    /// In a key.
    Name,
    /// Between a key and its value.
    AfterName,
    /// In a string value.
    String,
    /// In an escape.
    Escape,
    /// Behind a minus sign.
    Minus,
    /// In the exponent of a number.
    Exponent,
    /// Behind a plus sign, or behind `-I` or `+I`.
    OddNumber,
}

/// An array or object that is not closed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Which of both.
    pub container: Container,
    /// Byte offset of its opening bracket.
    pub at: usize,
    /// Byte offset of the token that Jackson 2.6 takes for its start: the comma before the entry that it is
    /// the value of, or the key, or the bracket, whichever comes first.
    pub token_at: usize,
}

/// The two kinds of container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// The two kinds of string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringPlace {
    /// A key of an object.
    Name,
    /// A value.
    Value,
}

/// The parts of a number that need a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberPart {
    /// Behind the sign.
    Integer,
    /// Behind the decimal point.
    Fraction,
    /// Behind `e`, `e+` or `e-`.
    Exponent,
}
