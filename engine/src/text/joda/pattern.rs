//! Patterns of numbers and literal text (`yyyy-MM-dd HH:mm:ss`), read in UTC.

use super::bucket::Field;
use super::element::Element;

/// A compiled pattern; parsing is in UTC unless the text holds an offset.
#[derive(Debug, Clone)]
pub struct Pattern {
    elements: Vec<Element>,
}

impl Pattern {
    /// Compiles a pattern as Joda's `DateTimeFormat.forPattern` does. Of its letters there are `y` (not
    /// twice), `M` and `d` (once or twice), `D`, `H`, `m`, `s`, `S` and `Z` (once or twice); text may be
    /// quoted. A number of unlimited width stops before its field's width only if no number follows.
    ///
    /// # Errors
    /// Names the first component that is not one of these.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let tokens = tokens(pattern);
        let mut elements = Vec::with_capacity(tokens.len());
        for (index, token) in tokens.iter().enumerate() {
            let Token::Letters(letter, count) = *token else {
                if let Token::Text(text) = token {
                    elements.push(Element::Text(text.as_str().into()));
                }
                continue;
            };
            let number = |field, digits| Element::Number {
                field,
                digits,
                signed: false,
            };
            elements.push(match (letter, count) {
                ('y', 1 | 3..=9) => Element::Number {
                    field: Field::Year,
                    digits: match tokens.get(index + 1) {
                        Some(Token::Letters(..)) => count,
                        _ => 9,
                    },
                    signed: true,
                },
                ('M', 1..=2) => number(Field::MonthOfYear, 2),
                ('d', _) => number(Field::DayOfMonth, 2),
                ('D', _) => number(Field::DayOfYear, 3),
                ('H', _) => number(Field::HourOfDay, 2),
                ('m', _) => number(Field::MinuteOfHour, 2),
                ('s', _) => number(Field::SecondOfMinute, 2),
                ('S', _) => Element::Fraction {
                    unit: 1_000,
                    digits: count.min(18),
                },
                ('Z', 1..=2) => Element::Offset,
                _ => {
                    let component: String = std::iter::repeat_n(letter, count).collect();
                    return Err(format!("Illegal pattern component: {component}"));
                }
            });
        }
        Ok(Self { elements })
    }

    /// Milliseconds since the epoch, or Joda's message.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        super::parse(&self.elements, text)
    }
}

/// Parses `text` by `pattern` in UTC; the error is Joda's message about the text, or about the pattern.
/// Where a pattern is used often, compile a [`Pattern`].
pub fn parse_pattern(text: &str, pattern: &str) -> Result<i64, String> {
    Pattern::new(pattern)?.parse(text)
}

/// A component of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A letter, and how often it is repeated.
    Letters(char, usize),
    /// Literal text.
    Text(String),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    let mut text = String::new();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        if c == '\'' {
            // two are one
            if chars.next_if_eq(&'\'').is_some() {
                text.push('\'');
            } else {
                quoted = !quoted;
            }
        } else if quoted || !c.is_ascii_alphabetic() {
            text.push(c);
        } else {
            if !text.is_empty() {
                tokens.push(Token::Text(std::mem::take(&mut text)));
            }
            let mut count = 1;
            while chars.next_if_eq(&c).is_some() {
                count += 1;
            }
            tokens.push(Token::Letters(c, count));
        }
    }
    if !text.is_empty() {
        tokens.push(Token::Text(text));
    }
    tokens
}
