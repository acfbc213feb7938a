//! A regular expression of Java's, matched against a whole text.
//!
//! What Java writes differently is translated; then the linear-time engine of crate `regex` takes the pattern, or,
//! where that does not know a construct (look-around, back references, possessive quantifiers), the backtracking one of
//! `fancy-regex`, with a limit. Without flag `U` Java's `\w`, `\d`, `\s` and POSIX classes are those of ASCII.
//! Not the same: `\b` and flag `i` know all of Unicode here, and `\Z` is the very end.

/// A compiled pattern.
#[derive(Debug)]
pub(super) enum JavaPattern {
    /// Takes time in proportion to the text.
    Linear(regex::Regex),
    /// May give up.
    Backtracking(fancy_regex::Regex),
}

/// Steps of the backtracking engine for one text.
const BACKTRACK_LIMIT: usize = 100_000;
/// Bytes of a compiled pattern.
const SIZE_LIMIT: usize = 10 << 20;

/// Java's line terminators, and all other characters.
const NO_TERMINATOR: &str = r"[^\n\r\x{85}\x{2028}\x{2029}]";

impl JavaPattern {
    /// Compiles `pattern`.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let Translated {
            text,
            needs_backtracking,
        } = translate(pattern)?;
        // alone first: a stray parenthesis must not close the group around
        let whole = format!(r"\A(?:{text})\z");
        if needs_backtracking {
            backtracking(&text)?;
            backtracking(&whole).map(Self::Backtracking)
        } else {
            linear(&text)?;
            linear(&whole).map(Self::Linear)
        }
    }

    /// Whether the whole of `text` matches; the error says why it cannot be told.
    pub(super) fn matches(&self, text: &str) -> Result<bool, String> {
        match self {
            Self::Linear(regex) => Ok(regex.is_match(text)),
            Self::Backtracking(regex) => regex.is_match(text).map_err(|error| error.to_string()),
        }
    }
}

fn linear(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| reason(&error))
}

fn backtracking(pattern: &str) -> Result<fancy_regex::Regex, String> {
    fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| reason(&error))
}

/// The last line of a longer text says what is wrong.
fn reason(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// A pattern in the notation of the engines.
struct Translated {
    text: String,
    /// Look-around, back references, atomic groups or possessive quantifiers are in it.
    needs_backtracking: bool,
}

fn translate(pattern: &str) -> Result<Translated, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut needs_backtracking = false;
    // how many brackets are open
    let mut depth = 0usize;
    // what ended just before is a quantifier
    let mut is_quantified = false;
    // a parenthesis opened just before: a question mark behind it is no quantifier
    let mut is_opened = false;
    let all_lines = has_flag(&chars, 's');
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        let was_quantified = std::mem::take(&mut is_quantified);
        let was_opened = std::mem::take(&mut is_opened);
        match c {
            '\\' => {
                let next = chars.get(at);
                needs_backtracking |=
                    depth == 0 && next.is_some_and(|c| matches!(c, '1'..='9' | 'k' | 'G'));
                at = escape(&chars, at, depth > 0, &mut out)?;
            }
            '[' => {
                depth += 1;
                out.push('[');
                if chars.get(at) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                // a bracket that closes at once is one of the characters
                if chars.get(at) == Some(&']') {
                    out.push_str(r"\]");
                    at += 1;
                }
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            // set operators of the engine alone
            '~' if depth > 0 => out.push_str(r"\~"),
            '-' if depth > 0 && at >= 2 && chars[at - 2] == '-' => out.push_str(r"\-"),
            _ if depth > 0 => out.push(c),
            '.' if !all_lines => out.push_str(NO_TERMINATOR),
            '*' | '+' | '?' | '}' => {
                needs_backtracking |= c == '+' && was_quantified;
                needs_backtracking |= was_opened && c == '?' && is_look_around(&chars[at..]);
                is_quantified = !was_opened && (!was_quantified || c == '}');
                out.push(c);
            }
            '(' => {
                is_opened = true;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    Ok(Translated {
        text: out,
        needs_backtracking,
    })
}

/// Whether what follows `(?` opens a look-around or an atomic group.
fn is_look_around(chars: &[char]) -> bool {
    matches!(chars, ['=' | '!' | '>', ..] | ['<', '=' | '!', ..])
}

/// Whether a flag is set inside of the pattern, as in `(?s)` or `(?is:a)`.
fn has_flag(chars: &[char], flag: char) -> bool {
    let groups = chars
        .windows(2)
        .enumerate()
        .filter(|(_, two)| *two == ['(', '?']);
    groups.into_iter().any(|(at, _)| {
        let flags = chars[at + 2..].iter();
        flags
            .take_while(|c| c.is_ascii_alphabetic())
            .any(|c| *c == flag)
    })
}

/// Translates what follows a backslash; returns where it ends.
fn escape(chars: &[char], at: usize, in_class: bool, out: &mut String) -> Result<usize, String> {
    let Some(&c) = chars.get(at) else {
        return Err("a backslash at its end".to_owned());
    };
    let next = at + 1;
    let mut set = |inner: &str, is_negated: bool| match (in_class, is_negated) {
        (true, false) => out.push_str(inner),
        (_, true) => out.extend(["[^", inner, "]"]),
        (false, false) => out.extend(["[", inner, "]"]),
    };
    match c {
        'd' | 'D' => set("0-9", c == 'D'),
        'w' | 'W' => set("a-zA-Z_0-9", c == 'W'),
        's' | 'S' => set(r"\x20\t\n\x0B\f\r", c == 'S'),
        'h' | 'H' => set(
            r"\x20\t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}",
            c == 'H',
        ),
        'v' | 'V' => set(r"\n\x0B\f\r\x{85}\x{2028}\x{2029}", c == 'V'),
        'R' if !in_class => out.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
        'Z' if !in_class => out.push_str(r"\z"),
        'e' => out.push_str(r"\x1B"),
        'Q' => return Ok(quoted(chars, next, out)),
        'p' | 'P' => match property(chars, next, c == 'P', &mut set)? {
            Some(end) => return Ok(end),
            None => out.extend(['\\', c]),
        },
        'u' => {
            let digits: String = chars.iter().skip(next).take(4).collect();
            if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(format!(r"\u{digits}: four hexadecimal digits are needed"));
            }
            out.extend([r"\x{", &digits, "}"]);
            return Ok(next + 4);
        }
        'c' => {
            let control = chars.get(next).map(|c| u32::from(*c) ^ 64);
            let control = control
                .filter(|c| *c < 128)
                .ok_or(r"\c without its character")?;
            out.push_str(&format!(r"\x{control:02X}"));
            return Ok(next + 1);
        }
        '0' => {
            let digits: Vec<u32> = chars
                .iter()
                .skip(next)
                .map_while(|c| c.to_digit(8))
                .take(3)
                .collect();
            let used = match digits.as_slice() {
                [] => return Err(r"\0 without octal digits".to_owned()),
                [first, _, _] if *first > 3 => 2,
                all => all.len(),
            };
            let value = digits
                .iter()
                .take(used)
                .fold(0, |value, digit| value * 8 + digit);
            out.push_str(&format!(r"\x{value:02X}"));
            return Ok(next + used);
        }
        'x' if chars.get(next) == Some(&'{') => {
            let end = chars[next..].iter().position(|c| *c == '}');
            let end = next + end.ok_or(r"\x{ without its end")? + 1;
            out.push_str(r"\x");
            out.extend(&chars[next..end]);
            return Ok(end);
        }
        // boundaries of words to the engines, characters to Java
        '<' | '>' => out.push(c),
        _ if c.is_ascii() => {
            out.push('\\');
            out.push(c);
        }
        _ => out.push(c),
    }
    Ok(next)
}

/// Everything up to `\E` stands for itself.
fn quoted(chars: &[char], from: usize, out: &mut String) -> usize {
    let rest = &chars[from..];
    let length = rest.windows(2).position(|two| two == ['\\', 'E']);
    let literal: String = rest[..length.unwrap_or(rest.len())].iter().collect();
    out.push_str(&regex::escape(&literal));
    from + length.map_or(rest.len(), |length| length + 2)
}

/// Translates Java's own names of classes behind `\p`; `None` leaves the escape as it is.
fn property(
    chars: &[char],
    from: usize,
    is_negated: bool,
    set: &mut impl FnMut(&str, bool),
) -> Result<Option<usize>, String> {
    if chars.get(from) != Some(&'{') {
        return Ok(None);
    }
    let end = chars[from..].iter().position(|c| *c == '}');
    let end = from + end.ok_or(r"\p{ without its end")?;
    let name: String = chars[from + 1..end].iter().collect();
    let inner = match name.as_str() {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r"!-/:-@\[-`{-\~",
        "Graph" => r"!-\~",
        "Print" => r"\x20-\~",
        "Blank" => r"\x20\t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r"\x20\t\n\x0B\f\r",
        // scripts and binary properties
        other => match other.strip_prefix("Is") {
            Some(property) => {
                set(&format!(r"\p{{{property}}}"), is_negated);
                return Ok(Some(end + 1));
            }
            None => return Ok(None),
        },
    };
    set(inner, is_negated);
    Ok(Some(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        JavaPattern::compile(pattern)
            .unwrap()
            .matches(text)
            .unwrap()
    }

    #[test]
    fn patterns_match_as_in_java() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a|ab", "ab", true),
            ("(?i)x-.*", "X-Y", true),
            (".", "\r", false),
            ("(?s).", "\r", true),
            (".", "é", true),
            (r"\w", "é", false),
            (r"[\w]", "_", true),
            (r"\W", "é", true),
            (r"[\W\d]", "é", true),
            (r"[^\W]", "é", false),
            (r"\d+", "٣", false),
            (r"\s", "\u{b}", true),
            (r"\s", "\u{a0}", false),
            (r"\h", "\u{a0}", true),
            (r"\Qa.b\E.", "a.bc", true),
            (r"\Qa.b\E", "axb", false),
            (r"\Qa-[b", "a-[b", true),
            (r"[\Q^-]\E]", "-", true),
            (r"[a-z&&[^b]]", "b", false),
            (r"[a-z&&[^b]]", "c", true),
            ("[]a]", "]", true),
            ("[^]a]", "b", true),
            ("[a~~b]", "~", true),
            ("[+--]", ",", true),
            (r"\<a\>", "<a>", true),
            (r"\u0041\x42\0103\cD\e", "ABC\u{4}\u{1b}", true),
            (r"\p{Upper}\p{Alpha}\P{Digit}", "Abc", true),
            (r"\p{Upper}", "É", false),
            (r"[\p{Punct}x]+", "!~[]x-", true),
            (r"\p{L}\p{Lu}\pL", "éÉa", true),
            (r"\p{IsGreek}", "α", true),
            (r"\R", "\r\n", true),
            // the backtracking engine
            ("a++b", "aab", true),
            ("a++a", "aaa", false),
            ("a?+a", "a", false),
            ("(?!Cookie).*", "Cookie", false),
            ("(?!Cookie).*", "Host", true),
            (r"(a)\1", "aa", true),
            ("(?>a*)b", "aab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn which_engine_is_taken() {
        for (pattern, is_linear) in [
            ("a+?b", true),
            ("(?:a)+", true),
            ("a++", false),
            (r"\++", true),
            ("[+]+", true),
            ("(?=a).", false),
            ("a{2}+", false),
        ] {
            let compiled = JavaPattern::compile(pattern).unwrap();
            assert_eq!(
                matches!(compiled, JavaPattern::Linear(_)),
                is_linear,
                "{pattern}"
            );
        }
    }

    #[test]
    fn bad_patterns() {
        for pattern in [
            "[",
            "(",
            ")",
            "a)|(b",
            "*",
            r"\",
            r"\u12",
            r"\p{",
            r"\p{InGreek}",
            "(?y)",
            "a{2,1}",
            r"\0",
            "(?<n",
        ] {
            let failure = JavaPattern::compile(pattern);
            assert!(failure.is_err(), "{pattern}: {failure:?}");
            assert!(!failure.unwrap_err().is_empty());
        }
        assert!(JavaPattern::compile(&"(".repeat(100_000)).is_err());
        assert!(JavaPattern::compile(&"a{1000}".repeat(1000)).is_err());
    }

    #[test]
    fn a_hostile_name_costs_little() {
        let pattern = JavaPattern::compile(r"(?:(a+)\1?)+b").unwrap();
        assert!(pattern.matches(&"a".repeat(200)).is_err());
        let pattern = JavaPattern::compile("(a+)+b").unwrap();
        assert_eq!(pattern.matches(&"a".repeat(100_000)), Ok(false));
    }
}
