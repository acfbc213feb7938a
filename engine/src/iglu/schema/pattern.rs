//! `pattern` and `patternProperties`: ECMA 262 regular expressions as Rhino reads them, searched in
//! the text, compiled once for all workers.
//!
//! Rhino works on UTF-16 code units, so `^.$` does not match an emoji. A pattern is parsed to a tree of code units
//! ([`syntax`]) and then run by the first engine that can take it: a table-driven matcher for plain
//! anchored sequences ([`sequence`]), the linear-time `regex` crate ([`translate`]), and for look-ahead and
//! back-references a backtracking machine with a bound on its steps ([`backtrack`]).

mod backtrack;
mod sequence;
mod sets;
mod syntax;
mod translate;

use std::borrow::Cow;

use regex::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As the schema writes it, for messages.
    pub(super) source: Box<str>,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Sequence(sequence::Sequences),
    Linear(Box<Regex>),
    Backtrack(Box<backtrack::Program>),
    /// The program would be larger than the limit: matches nothing.
    TooLarge,
}

impl Pattern {
    /// Compiles `source`; `None` when Rhino throws a syntax error.
    pub(super) fn compile(source: &str) -> Option<Self> {
        let tree = syntax::parse(source)?;
        let engine = if let Some(sequences) = sequence::Sequences::of(&tree) {
            Engine::Sequence(sequences)
        } else if let Some(regex) = translate::to_regex(&tree) {
            Engine::Linear(Box::new(regex))
        } else {
            backtrack::Program::of(&tree).map_or(Engine::TooLarge, |program| {
                Engine::Backtrack(Box::new(program))
            })
        };
        Some(Self {
            source: source.into(),
            engine,
        })
    }

    /// Whether the pattern matches anywhere in `text`. A search that takes more steps than the bound counts as no match.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Sequence(sequences) => sequences.is_match(text.as_bytes()),
            Engine::Linear(regex) => regex.is_match(&as_units(text)),
            Engine::Backtrack(program) => {
                program.is_match(&text.encode_utf16().collect::<Vec<u16>>())
            }
            Engine::TooLarge => false,
        }
    }
}

/// Whether Rhino accepts `source` as a regular expression.
pub(super) fn is_valid_regex(source: &str) -> bool {
    syntax::parse(source).is_some()
}

/// The text with each character beyond the basic plane replaced by two private-use characters
/// that stand for its surrogates.
fn as_units(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte < 0xf0) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.encode_utf16().map(unit_as_char).collect())
}

/// The character that stands for a code unit: itself, or for a surrogate one of plane 16, which cannot
/// occur otherwise since such characters are two units themselves.
fn unit_as_char(unit: u16) -> char {
    char::from_u32(u32::from(unit))
        .or_else(|| char::from_u32(0x10_0000 + u32::from(unit) - 0xd800))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(source: &str, text: &str) -> bool {
        Pattern::compile(source).expect(source).is_match(text)
    }

    #[test]
    fn searches_and_anchors() {
        for (source, text, expected) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("", "", true),
            ("^a$", "a\n", false),
            ("^.$", "\n", false),
            ("^.$", "é", true),
            ("^.$", "😀", false),
            ("^..$", "😀", true),
            ("^😀*$", "", false),
            ("^😀*$", "😀", true),
            ("^😀*$", "😀😀", false),
            ("[😀]", "😁", true),
            ("^[^x]$", "😀", false),
            (r"^\ud83d\ude00$", "😀", true),
            (r"^[\ud800-\udbff]", "😀", true),
            (r"\d", "٣", false),
            (r"\w", "é", false),
            (r"\s", "\u{a0}", true),
            (r"\s", "\u{feff}", true),
            (r"\S", "\u{2028}", false),
            (r"\bab\b", "é ab,", true),
            (r"\bab\b", "éab", true),
            (r"\bab\b", "xab", false),
            (r"a\Bb", "ab", true),
            ("[]", "a", false),
            ("[^]", "\n", true),
            ("^[a-zA-Z0-9-_.]+$", "a-b_c.d", true),
            (r"^[\w-+]+$", "a-+", true),
            (r"^\p{Letter}cole$", "École", false),
            (r"^\p{Letter}$", "p{Letter}", true),
            (r"^\x41\u0042\103$", "ABC", true),
            (r"^\u12$", "u12", true),
            (r"^\cJ$", "\n", true),
            (r"^a{,2}$", "a{,2}", true),
            (r"^a{2}{3}$", "aa{3}", true),
            (r"^(a*)*$", "aaaa", true),
            (r"^(?:a?){2,3}$", "aaa", true),
            (r"^\*$", "*", true),
            (r"^[\x4]+$", "\\x4", true),
            ("^a{2,1", "a{2,1", true),
        ] {
            assert_eq!(matches(source, text), expected, "{source} {text:?}");
        }
    }

    #[test]
    fn lookahead_and_backreferences() {
        for (source, text, expected) in [
            ("^(?=.*[a-z])(?=.*[0-9]).{4,8}$", "abc1", true),
            ("^(?=.*[a-z])(?=.*[0-9]).{4,8}$", "abcd", false),
            ("^(?!foo)", "foobar", false),
            ("^(?!foo)", "bar", true),
            (r"^(a|b)\1$", "aa", true),
            (r"^(a|b)\1$", "ab", false),
            (r"^(?:(a)|b)*\1$", "ab", true),
            (r"(z)((a+)?(b+)?(c))*\5", "zaacbbbcacc", true),
            (r"^\1(a)$", "a", true),
            (r"^(a)\2$", "a\u{2}", true),
            (r"^(?:a*?)*?b$", "aab", true),
            (r"^(?=(a+))a*b\1", "baaabac", false),
            (r"(?=(a+))a*b\1", "baaabac", true),
        ] {
            assert_eq!(matches(source, text), expected, "{source} {text:?}");
        }
    }

    #[test]
    fn syntax_errors() {
        for source in [
            "[", "(", ")", "*", "a**", "^*", "a{2,1}", "a{2,1$", "(?<=a)b", "(?<n>a)", r"\",
            "[b-a]", "a{70000}", "[a", "(?",
        ] {
            assert!(!is_valid_regex(source), "{source}");
        }
        for source in [
            "]", "}", "{", "a{", "a{1", "a{1,", r"\k", r"[\d-x]", "()", "|", "(?:)", "(?=a)*",
            r"\8", "a{0}",
        ] {
            assert!(is_valid_regex(source), "{source}");
        }
        assert!(!is_valid_regex(&"(".repeat(100_000)));
        is_valid_regex(&format!("{}{}", "(".repeat(100_000), ")".repeat(100_000)));
    }

    #[test]
    fn catastrophic_patterns_end() {
        let text = "a".repeat(5_000);
        assert!(!matches("^(a+)+$", &format!("{text}b")));
        assert!(!matches(r"^(a+)+\1$", &format!("{text}b")));
        assert!(!matches(r"^(?=(a+)+b$).*", &text));
        matches("^(?:a{0,1000}){0,1000}$", &text);
        matches("^(?:(?:a{0,65535}){0,65535}){0,65535}$", &text);
        let long = "x".repeat(1_000_000);
        assert!(matches(r"^(?=x).*$", &long));
    }
}
