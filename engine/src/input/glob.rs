//! Path patterns as Hadoop knows them.
//!
//! In: an input option: paths with commas between (a comma in braces is part of the path). Out: patterns without
//! braces, and whether one component of a path matches one component of a pattern:
//! `*` any characters, `?` one, `[abc]`, `[a-z]`, `[^a]` or `[!a]` one of (or none of) a class, `{a,b}` either
//! (slashes and further braces may stand in it), `\` takes the special meaning from the next character.

use std::str::Chars;

use crate::error::{Error, Result};

/// So many patterns may come of one with braces.
const MOST_ALTERNATIVES: usize = 10_000;

/// Splits `text` at the commas that stand in no braces; empty parts are dropped.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The patterns without braces that `pattern` stands for.
///
/// # Errors
/// `Config` for braces that do not close and for too many alternatives.
pub(crate) fn expand_braces(pattern: &str) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(text) = open.pop() {
        match first_braces(&text)? {
            None => done.push(text),
            Some((before, alternatives, after)) => {
                // in reverse, so that the first is expanded first
                for alternative in alternatives.iter().rev() {
                    open.push(format!("{before}{alternative}{after}"));
                }
            }
        }
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return Err(Error::config(format!(
                "input {pattern}: the braces stand for more than {MOST_ALTERNATIVES} paths"
            )));
        }
    }
    Ok(done)
}

/// What is before the braces, the alternatives in them, what is after.
type Braces<'a> = (&'a str, Vec<&'a str>, &'a str);

/// Splits at the first outer braces.
fn first_braces(text: &str) -> Result<Option<Braces<'_>>> {
    let (mut depth, mut open, mut from, mut escaped) = (0_usize, 0, 0, false);
    let mut alternatives = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                depth += 1;
                if depth == 1 {
                    (open, from) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                alternatives.push(&text[from..at]);
                from = at + 1;
            }
            '}' if depth == 1 => {
                alternatives.push(&text[from..at]);
                return Ok(Some((&text[..open], alternatives, &text[at + 1..])));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth > 0 {
        return Err(Error::config(format!(
            "input {text}: a brace is not closed"
        )));
    }
    Ok(None)
}

/// Whether `text` has a character with a special meaning.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        _ => matches!(c, '*' | '?' | '['),
    })
}

/// `text` without the backslashes that take a special meaning from the next character.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    plain
}

/// The pattern of one component of a path.
#[derive(Debug, Clone)]
pub(crate) struct Component(Vec<Token>);

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(char),
    One,
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Component {
    /// Compiles a component without braces.
    ///
    /// # Errors
    /// `Config` for a class that does not close or whose range runs backwards.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' => Token::One,
                '[' => class(&mut chars)
                    .map_err(|what| Error::config(format!("input pattern {text}: {what}")))?,
                '\\' => Token::Literal(chars.next().unwrap_or('\\')),
                _ => Token::Literal(c),
            });
        }
        tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
        Ok(Self(tokens))
    }

    /// Whether `name` matches; takes time proportional to the product of both lengths at worst.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let tokens = &self.0;
        let (mut at, mut rest) = (0, name.chars());
        // where to go on if the last `*` has to take one more character
        let mut retry: Option<(usize, Chars<'_>)> = None;
        loop {
            match tokens.get(at) {
                Some(Token::Any) => {
                    at += 1;
                    retry = Some((at, rest.clone()));
                    continue;
                }
                None if rest.as_str().is_empty() => return true,
                Some(token) if rest.next().is_some_and(|c| token.accepts(c)) => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = &mut retry else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            at = *after;
            rest = from.clone();
        }
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Literal(want) => c == *want,
            Self::One | Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated
            }
        }
    }
}

/// Reads a class after its opening bracket.
fn class(chars: &mut Chars<'_>) -> std::result::Result<Token, String> {
    const OPEN: &str = "a character class is not closed";
    let mut negated = false;
    if chars.as_str().starts_with(['^', '!']) {
        chars.next();
        negated = true;
    }
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next().ok_or(OPEN)? {
            ']' if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            '\\' => chars.next().ok_or(OPEN)?,
            c => c,
        };
        let mut ahead = chars.clone();
        let high = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(c)) if c != ']' => {
                chars.nth(1);
                if c == '\\' {
                    chars.next().ok_or(OPEN)?
                } else {
                    c
                }
            }
            _ => low,
        };
        if high < low {
            return Err(format!("the range {low}-{high} runs backwards"));
        }
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_split_but_not_in_braces() {
        assert_eq!(split_list("a,b"), ["a", "b"]);
        assert_eq!(split_list("a{b,c},d\\,e,,f"), ["a{b,c}", "d\\,e", "f"]);
        assert_eq!(split_list(" , "), Vec::<&str>::new());
    }

    #[test]
    fn braces_are_alternatives() {
        assert_eq!(expand_braces("x").unwrap(), ["x"]);
        assert_eq!(
            expand_braces("a/{b,c/d}/*.{gz,lzo}").unwrap(),
            ["a/b/*.gz", "a/b/*.lzo", "a/c/d/*.gz", "a/c/d/*.lzo"]
        );
        assert_eq!(expand_braces("{a{b,c},d}").unwrap(), ["ab", "ac", "d"]);
        assert_eq!(expand_braces("{a,}x").unwrap(), ["ax", "x"]);
        assert_eq!(expand_braces("a\\{b,c\\}").unwrap(), ["a\\{b,c\\}"]);
        assert!(expand_braces("a{b").is_err());
        assert!(expand_braces(&"{a,b}".repeat(30)).is_err());
    }

    #[test]
    fn components_match_as_in_hadoop() {
        let cases = [
            ("*", "", true),
            ("*", "anything", true),
            ("part-*", "part-00000", true),
            ("part-*", "art-0", false),
            ("*.lzo", "a.lzo", true),
            ("*.lzo", "a.lzo.index", false),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXbYYbZ", false),
            ("?", "ż", true),
            ("?", "", false),
            ("run=20[12]?-*", "run=2019-x", true),
            ("run=20[12]?-*", "run=2039-x", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[a-]", "-", true),
            ("[]a]", "]", true),
            ("[\\]]", "]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a.b", "axb", false),
        ];
        for (pattern, name, want) in cases {
            let component = Component::parse(pattern).unwrap();
            assert_eq!(component.matches(name), want, "{pattern} {name}");
        }
        assert!(Component::parse("[a").is_err());
        assert!(Component::parse("[z-a]").is_err());
    }

    #[test]
    fn many_stars_are_no_trap() {
        let component = Component::parse(&"*a".repeat(40)).unwrap();
        assert!(!component.matches(&"a".repeat(30)));
        assert!(!component.matches(&format!("{}b", "a".repeat(3000))));
    }

    #[test]
    fn what_is_a_pattern() {
        assert!(is_pattern("a*") && is_pattern("a?") && is_pattern("[a]"));
        assert!(!is_pattern("a\\*") && !is_pattern("plain"));
        assert_eq!(unescape("a\\*b\\\\"), "a*b\\");
    }
}
