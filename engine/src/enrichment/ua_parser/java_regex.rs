//! Regular expressions of `java.util.regex` (Java 8, no flags but case-insensitivity) in the syntax of the crates `regex`
//! and `fancy-regex`.
//!
//! What differs is written out: `\d`, `\w`, `\s` are ASCII; `.` stops at every line end of Unicode and `$` stands also before
//! a last one; a letter without regard to case is that letter of ASCII in both cases; `-` behind a class escape is itself.
//!
//! There are two alphabets to write for. One has whole characters. The other has bytes and is for texts that were
//! [folded](fold): a character outside of ASCII is one byte there, so that the small and fast automata for bytes count
//! characters as Java does; only expressions that tell characters outside of ASCII apart need the whole ones.

use std::fmt::Write as _;

/// Deepest nesting of groups and of classes.
const DEEPEST: usize = 100;
/// A character outside of ASCII in a folded text.
const OTHER: u8 = 0x80;
/// A line end outside of ASCII (U+0085, U+2028, U+2029) in a folded text.
const LINE_END: u8 = 0x81;

/// What an expression is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::enrichment) enum Alphabet {
    /// Bytes of a folded text, without the Unicode mode of the crate `regex`.
    Folded,
    /// Characters.
    Unicode,
}

/// An expression in the syntax of the crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::enrichment) struct Translated {
    /// The text of the expression.
    pub(in crate::enrichment) pattern: String,
    /// It has look-around, back-references, atomic groups or possessive quantifiers: the crate `regex` cannot take it.
    pub(in crate::enrichment) backtracks: bool,
    /// It treats all characters outside of ASCII alike (line ends aside), so that any text may be folded for it. Otherwise
    /// only ASCII may.
    pub(in crate::enrichment) is_foldable: bool,
}

/// The text with each character outside of ASCII as one byte, the same for all but line ends.
pub(in crate::enrichment) fn fold(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => byte,
            _ if matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') => LINE_END,
            _ => OTHER,
        })
        .collect()
}

/// Writes an expression of Java for an alphabet.
///
/// # Errors
/// What Java refuses, or what is not known here, and where: in characters from 0.
pub(in crate::enrichment) fn translate(
    source: &str,
    ignore_case: bool,
    alphabet: Alphabet,
) -> Result<Translated, String> {
    let mut translator = Translator {
        source: source.chars().collect(),
        at: 0,
        alphabet,
        flags: Flags {
            ignore_case,
            dot_all: false,
        },
        out: Translated {
            pattern: String::with_capacity(source.len() * 2),
            backtracks: false,
            is_foldable: true,
        },
    };
    match translator.run() {
        Ok(()) => Ok(translator.out),
        Err(what) => Err(format!("{what} near index {}", translator.at)),
    }
}

#[derive(Debug, Clone, Copy)]
struct Flags {
    ignore_case: bool,
    dot_all: bool,
}

struct Translator {
    source: Vec<char>,
    at: usize,
    alphabet: Alphabet,
    /// Those of the current group.
    flags: Flags,
    out: Translated,
}

/// What stands behind a backslash.
enum Escape {
    Char(char),
    /// A class in brackets.
    Class(&'static str),
}

type Done<T = ()> = Result<T, String>;

impl Translator {
    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let end = self.at + text.chars().count();
        let is_next = self
            .source
            .get(self.at..end)
            .is_some_and(|next| next.iter().copied().eq(text.chars()));
        if is_next {
            self.at = end;
        }
        is_next
    }

    fn emit(&mut self, text: &str) {
        self.out.pattern.push_str(text);
    }

    fn run(&mut self) -> Done {
        // the flags outside of each open group
        let mut groups: Vec<Flags> = Vec::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape()?,
                '[' => {
                    let class = self.class(0)?;
                    self.emit(&class);
                }
                '(' => {
                    if groups.len() >= DEEPEST {
                        return Err("Groups are nested too deeply".into());
                    }
                    let outside = self.flags;
                    if self.open_group()? {
                        groups.push(outside);
                    }
                }
                ')' => {
                    self.flags = groups.pop().ok_or("Unmatched closing ')'")?;
                    self.emit(")");
                }
                '*' | '+' | '?' => {
                    self.out.pattern.push(c);
                    self.quantifier_kind();
                }
                '{' => self.counted()?,
                '|' => self.emit("|"),
                '^' => self.emit(r"\A"),
                '$' => self.end(),
                '.' => self.dot(),
                c => self.literal(c),
            }
        }
        if groups.is_empty() {
            Ok(())
        } else {
            Err("Unclosed group".into())
        }
    }

    /// Lazy or possessive.
    fn quantifier_kind(&mut self) {
        if self.eat("?") {
            self.emit("?");
        } else if self.eat("+") {
            self.emit("+");
            self.out.backtracks = true;
        }
    }

    fn counted(&mut self) -> Done {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || c == ',') {
            self.at += 1;
        }
        let count: String = self.source[start..self.at].iter().collect();
        if !count.starts_with(|c: char| c.is_ascii_digit()) || !self.eat("}") {
            return Err("Illegal repetition".into());
        }
        self.emit(&format!("{{{count}}}"));
        self.quantifier_kind();
        Ok(())
    }

    /// Behind `(`; whether a group was opened.
    fn open_group(&mut self) -> Done<bool> {
        if !self.eat("?") {
            self.emit("(");
            return Ok(true);
        }
        for opening in ["=", "!", "<=", "<!", ">"] {
            if self.eat(opening) {
                self.emit("(?");
                self.emit(opening);
                self.out.backtracks = true;
                return Ok(true);
            }
        }
        if self.eat("<") {
            self.emit("(?<");
            return Ok(true);
        }
        let mut flags = self.flags;
        let mut value = true;
        loop {
            match self.next() {
                Some('i') => flags.ignore_case = value,
                Some('s') => flags.dot_all = value,
                Some('-') => value = false,
                Some(':') => {
                    self.flags = flags;
                    self.emit("(?:");
                    return Ok(true);
                }
                Some(')') => {
                    self.flags = flags;
                    return Ok(false);
                }
                Some(c) => return Err(format!("Unknown inline modifier or group '{c}'")),
                None => return Err("Unclosed group".into()),
            }
        }
    }

    fn dot(&mut self) {
        self.emit(match (self.flags.dot_all, self.alphabet) {
            (true, Alphabet::Folded) => r"[\x00-\xFF]",
            (true, Alphabet::Unicode) => r"(?s:.)",
            (false, Alphabet::Folded) => r"[^\n\r\x81]",
            (false, Alphabet::Unicode) => r"[^\n\r\x{85}\x{2028}\x{2029}]",
        });
    }

    /// The end of the text, or before a line end that is the last of it. Where that one is taken instead of only seen does
    /// not matter: nothing but a look-behind can follow.
    fn end(&mut self) {
        self.emit(match self.alphabet {
            Alphabet::Folded => r"(?:(?:\r\n|[\n\r\x81])?\z)",
            Alphabet::Unicode => r"(?:(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z)",
        });
    }

    fn literal(&mut self, c: char) {
        if self.flags.ignore_case && c.is_ascii_alphabetic() {
            let (lower, upper) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
            self.emit(&format!("[{lower}{upper}]"));
        } else if c.is_alphanumeric() && c.is_ascii() {
            self.out.pattern.push(c);
        } else if c.is_ascii() {
            self.emit(&format!("\\x{:02X}", u32::from(c)));
        } else {
            self.out.is_foldable = false;
            match self.alphabet {
                // no byte of ASCII, the only text that will be folded for this expression
                Alphabet::Folded => self.emit(r"\xFF"),
                Alphabet::Unicode => self.out.pattern.push(c),
            }
        }
    }

    /// Behind a backslash, outside of classes.
    fn escape(&mut self) -> Done {
        match self.peek() {
            Some('Q') => {
                self.at += 1;
                while !self.eat("\\E") {
                    let Some(c) = self.next() else { break };
                    self.literal(c);
                }
            }
            Some('E') => self.at += 1,
            Some(c @ ('b' | 'B')) => {
                // letters of all scripts count
                self.at += 1;
                self.out.is_foldable = false;
                self.emit(if c == 'b' { r"\b" } else { r"\B" });
            }
            Some('A') => {
                self.at += 1;
                self.emit(r"\A");
            }
            Some('z') => {
                self.at += 1;
                self.emit(r"\z");
            }
            Some('Z') => {
                self.at += 1;
                self.end();
            }
            Some(c @ '1'..='9') => {
                self.at += 1;
                self.out.backtracks = true;
                self.emit(&format!("(?:\\{c})"));
            }
            _ => match self.common_escape()? {
                Escape::Char(c) => self.literal(c),
                Escape::Class(class) => self.emit(class),
            },
        }
        Ok(())
    }

    /// Behind a backslash: what means the same in classes and outside.
    fn common_escape(&mut self) -> Done<Escape> {
        let Some(c) = self.next() else {
            return Err("Unexpected end behind a backslash".into());
        };
        let class = match (c, self.alphabet) {
            ('d', _) => "[0-9]",
            ('D', _) => "[^0-9]",
            ('w', _) => "[A-Za-z0-9_]",
            ('W', _) => "[^A-Za-z0-9_]",
            ('s', _) => r"[\t\n\x0B\f\r ]",
            ('S', _) => r"[^\t\n\x0B\f\r ]",
            ('v', Alphabet::Folded) => r"[\n\x0B\f\r\x81]",
            ('V', Alphabet::Folded) => r"[^\n\x0B\f\r\x81]",
            ('v', Alphabet::Unicode) => r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
            ('V', Alphabet::Unicode) => r"[^\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
            _ => "",
        };
        if !class.is_empty() {
            return Ok(Escape::Class(class));
        }
        Ok(Escape::Char(match c {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\x0C',
            'a' => '\x07',
            'e' => '\x1B',
            '0' => self.code(8, 3)?,
            'x' => self.code(16, 2)?,
            'u' => self.code(16, 4)?,
            c if c.is_ascii_alphanumeric() => {
                return Err(format!("Illegal/unsupported escape sequence '\\{c}'"));
            }
            c => c,
        }))
    }

    /// A character by its code of at most `most` digits; all of them where they are hexadecimal.
    fn code(&mut self, radix: u32, most: usize) -> Done<char> {
        let mut code = 0;
        let mut digits = 0;
        while digits < most
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(radix))
        {
            code = code * radix + digit;
            digits += 1;
            self.at += 1;
        }
        let is_whole = if radix == 16 {
            digits == most
        } else {
            digits > 0
        };
        char::from_u32(code)
            .filter(|_| is_whole)
            .ok_or_else(|| "Illegal code of a character".into())
    }

    /// A class, from behind its opening bracket, with brackets.
    fn class(&mut self, depth: usize) -> Done<String> {
        if depth >= DEEPEST {
            return Err("Classes are nested too deeply".into());
        }
        let is_negated = self.eat("^");
        let mut items = String::new();
        let mut is_first = true;
        loop {
            let Some(c) = self.next() else {
                return Err("Unclosed character class".into());
            };
            match c {
                ']' if !is_first => break,
                '[' => items += &self.class(depth + 1)?,
                '&' if self.eat("&") => items += "&&",
                '\\' => match self.common_escape()? {
                    Escape::Class(class) => items += class,
                    Escape::Char(c) => self.class_range(c, &mut items)?,
                },
                c => self.class_range(c, &mut items)?,
            }
            is_first = false;
        }
        Ok(match (items.is_empty(), is_negated) {
            (false, true) => format!("[^{items}]"),
            (false, false) => format!("[{items}]"),
            // only characters outside of the alphabet were named
            (true, true) => r"[\x00-\x7F]".into(),
            (true, false) => "[a&&b]".into(),
        })
    }

    /// A character of a class, or a range that begins with it.
    fn class_range(&mut self, low: char, items: &mut String) -> Done {
        let behind = self.source.get(self.at + 1).copied();
        let is_range = self.peek() == Some('-') && behind.is_some_and(|c| c != ']' && c != '[');
        if !is_range {
            self.class_item(low, low, items);
            return Ok(());
        }
        self.at += 1;
        let high = match self.next() {
            Some('\\') => match self.common_escape()? {
                Escape::Char(c) => Some(c),
                Escape::Class(_) => None,
            },
            c => c,
        };
        match high {
            Some(high) if high >= low => self.class_item(low, high, items),
            _ => return Err("Illegal character range".into()),
        }
        Ok(())
    }

    fn class_item(&mut self, low: char, high: char, items: &mut String) {
        if !high.is_ascii() {
            self.out.is_foldable = false;
        }
        let (low, mut high) = (u32::from(low), u32::from(high));
        if self.alphabet == Alphabet::Folded {
            high = high.min(0x7F);
        }
        if low > high {
            return;
        }
        write_range(low, high, items);
        if self.flags.ignore_case {
            for (first, last, other) in [('a', 'z', 'A'), ('A', 'Z', 'a')] {
                let (first, last, other) = (u32::from(first), u32::from(last), u32::from(other));
                let (from, to) = (low.max(first), high.min(last));
                if from <= to {
                    write_range(from - first + other, to - first + other, items);
                }
            }
        }
    }
}

fn write_range(low: u32, high: u32, items: &mut String) {
    // a String takes every write
    let _ = write!(items, r"\x{{{low:X}}}");
    if high > low {
        let _ = write!(items, r"-\x{{{high:X}}}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first match in either alphabet, which must be the same.
    fn find(source: &str, ignore_case: bool, text: &str) -> Option<(usize, usize)> {
        let folded = translate(source, ignore_case, Alphabet::Folded).unwrap();
        let whole = translate(source, ignore_case, Alphabet::Unicode).unwrap();
        assert_eq!(folded.is_foldable, whole.is_foldable);
        assert!(!folded.backtracks && !whole.backtracks, "{source}");
        let bytes = regex::bytes::RegexBuilder::new(&folded.pattern)
            .unicode(false)
            .build()
            .unwrap_or_else(|e| panic!("{source}: {e}"));
        let chars = regex::Regex::new(&whole.pattern).unwrap_or_else(|e| panic!("{source}: {e}"));
        let found = chars.find(text).map(|m| {
            let count = |end: usize| text[..end].chars().count();
            (count(m.start()), count(m.end()))
        });
        if folded.is_foldable || text.is_ascii() {
            let in_folded = bytes.find(&fold(text)).map(|m| (m.start(), m.end()));
            assert_eq!(in_folded, found, "{source} in {text:?}");
        }
        found
    }

    #[test]
    fn classes_and_escapes_are_those_of_java() {
        for (source, text, found) in [
            (r"\d+", "x\u{661}12", Some((2, 4))),
            (r"\w+", "éa_1", Some((1, 4))),
            (r"\s", "a\u{a0} b", Some((2, 3))),
            (r"\S\D\W", "ab\u{e9}", Some((0, 3))),
            (r"a.b", "a\nb a\u{85}b a\u{2028}b a\u{e9}b", Some((12, 15))),
            (r"(?s)a.b", "a\u{2028}b", Some((0, 3))),
            (r"a(?s:.)b.", "a\nb\n", None),
            (r"[\w-+]+", "é-+a", Some((1, 4))),
            (r"[A-Za-z0-9\v-]+", "; N-1", Some((2, 5))),
            (r"[]a]+", "x]a", Some((1, 3))),
            (r"[^]a]+", "]ax", Some((2, 3))),
            (r"[a-]+", "x-a", Some((1, 3))),
            (r"[a-c[x-z]]+", "dzb", Some((1, 3))),
            (r"[a-z&&[^b]]+", "bac", Some((1, 3))),
            (r"[&~#|]+", "a&~#|", Some((1, 5))),
            (r"[\--/]+", "a-./", Some((1, 4))),
            (r"[\x41-\u0043]", "xB", Some((1, 2))),
            (r"\x2F\u002f\057", "///", Some((0, 3))),
            (r"\Qa.b\E.", "aab a.bc", Some((4, 8))),
            (r"\/\ \-\#\!\;", "/ -#!;", Some((0, 6))),
            (r"}]\}", "}]}", Some((0, 3))),
            (r"[é-ü]", "zö", Some((1, 2))),
            (r"[^é]", "é.", Some((1, 2))),
            (r"é", "aé", Some((1, 2))),
            (r"é|b", "ab", Some((1, 2))),
            (r"[é]", "ab", None),
            (r"\bé", "aé é", Some((3, 4))),
            (r".{2}x", "é\u{1f980}x", Some((0, 3))),
            (r"\t\f\e\a", "\t\u{c}\u{1b}\u{7}", Some((0, 4))),
        ] {
            assert_eq!(find(source, false, text), found, "{source} in {text:?}");
        }
    }

    #[test]
    fn anchors() {
        for (source, text, found) in [
            ("^b", "a\nb", None),
            ("a$", "ba", Some((1, 2))),
            ("a$", "a\nb", None),
            ("a$", "a\nb\na\r\n", Some((4, 7))),
            ("a\\Z", "a\u{2028}", Some((0, 2))),
            (r"a\z", "a\n", None),
            (r"\Aa", "ba", None),
            ("(?:a|b$)c?", "xb", Some((1, 2))),
        ] {
            assert_eq!(find(source, false, text), found, "{source} in {text:?}");
        }
    }

    #[test]
    fn case_is_that_of_ascii() {
        for (source, text, found) in [
            ("kis", "KIS", Some((0, 3))),
            ("k", "\u{212a}", None),
            ("s", "\u{17f}", None),
            ("[a-c]+", "xCaB", Some((1, 4))),
            ("[^a-c]", "ABx", Some((2, 3))),
            ("[Z-b]+", "yzA[B", Some((1, 5))),
            ("é", "É", None),
            (r"a(?-i:b)c", "ABC AbC", Some((4, 7))),
            (r"(?-i)b", "B", None),
        ] {
            assert_eq!(find(source, true, text), found, "{source} in {text:?}");
        }
        assert_eq!(
            find("a(?i)b(c(?-i)d)e", false, "abCDe aBCdE"),
            Some((6, 11))
        );
        assert_eq!(find("a(?i:b)c", false, "ABC aBC aBc"), Some((8, 11)));
    }

    #[test]
    fn what_needs_backtracking_is_told() {
        for source in [
            "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", "(?>a|b)c", "a*+", "a{2}+b", r"(a)\1",
        ] {
            let translated = translate(source, false, Alphabet::Unicode).unwrap();
            assert!(translated.backtracks, "{source}");
            fancy_regex::Regex::new(&translated.pattern).unwrap();
        }
        for source in ["a+?", "(?:a)", "(?<n>a)", "a{2,}?", r"a\+"] {
            let translated = translate(source, false, Alphabet::Folded).unwrap();
            assert!(!translated.backtracks, "{source}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (source, error) in [
            ("a)", "Unmatched closing ')' near index 2"),
            ("(a", "Unclosed group near index 2"),
            ("(?", "Unclosed group near index 2"),
            ("[a", "Unclosed character class near index 2"),
            ("[z-a]", "Illegal character range near index 4"),
            (r"[a-\d]", "Illegal character range near index 5"),
            ("a{x}", "Illegal repetition near index 2"),
            ("a{2", "Illegal repetition near index 3"),
            (r"a\", "Unexpected end behind a backslash near index 2"),
            (
                r"\y",
                r"Illegal/unsupported escape sequence '\y' near index 2",
            ),
            (
                r"\p{L}",
                r"Illegal/unsupported escape sequence '\p' near index 2",
            ),
            (r"\x4", "Illegal code of a character near index 3"),
            (r"\uD800", "Illegal code of a character near index 6"),
            ("(?x)a", "Unknown inline modifier or group 'x' near index 3"),
        ] {
            assert_eq!(
                translate(source, false, Alphabet::Folded),
                Err(error.to_owned()),
                "{source}"
            );
        }
        let deep = format!("{}{}", "(".repeat(1000), ")".repeat(1000));
        assert!(translate(&deep, false, Alphabet::Folded).is_err());
        assert!(translate(&"[".repeat(1000), false, Alphabet::Folded).is_err());
    }
}
