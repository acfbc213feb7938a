//! Java's notion of an identifier, by which Jackson finds the end of a misspelt literal. Only
//! failing texts come here. Unicode's categories are those of our tables, newer than Java 8's.

use std::sync::LazyLock;

use regex::Regex;

/// Letters, letter numbers, currency signs, connector punctuation. A fixed pattern; without it only
/// ASCII identifiers would be known.
static START: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nl}\p{Sc}\p{Pc}]").ok());

/// What can start an identifier, and digits, marks and format characters.
static PART: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nl}\p{Sc}\p{Pc}\p{Nd}\p{Mc}\p{Mn}\p{Cf}]").ok());

/// `Character.isJavaIdentifierStart` of one UTF-16 unit: nothing beyond the basic plane.
pub(super) fn is_start(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '_' | '$' => true,
        '\0'..='\x7f' => false,
        '\u{80}'..='\u{ffff}' => matches(&START, c),
        _ => false,
    }
}

/// `Character.isJavaIdentifierPart` of one UTF-16 unit; most control characters belong to it.
pub(super) fn is_part(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '$' => true,
        '\0'..='\x08' | '\x0e'..='\x1b' | '\x7f'..='\u{9f}' => true,
        '\x09'..='\x7e' => false,
        '\u{a0}'..='\u{ffff}' => matches(&PART, c),
        _ => false,
    }
}

fn matches(pattern: &Option<Regex>, c: char) -> bool {
    let mut utf8 = [0; 4];
    pattern
        .as_ref()
        .is_some_and(|regex| regex.is_match(c.encode_utf8(&mut utf8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_identifiers() {
        for c in ['a', 'Z', '_', '$', 'é', '中', '€', 'Ⅷ', '\u{203f}'] {
            assert!(is_start(c) && is_part(c), "{c:?}");
        }
        for c in [
            '0', '\0', '\x7f', '\u{80}', '\u{ad}', '\u{660}', '\u{301}', '\u{200d}',
        ] {
            assert!(!is_start(c) && is_part(c), "{c:?}");
        }
        for c in [
            '-', ' ', '\t', '\x1c', '"', '{', '\u{a0}', '\u{b7}', '\u{3000}', '\u{e000}', '😀', '𝐀',
        ] {
            assert!(!is_start(c) && !is_part(c), "{c:?}");
        }
    }
}
