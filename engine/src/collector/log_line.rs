//! What the two access log formats have in common: fields between runs of white space, the hyphen
//! that stands for an absent value, and the timestamp of a date and a time.
//!
//! The reference (Scala Common Enrich 0.34.0) matches whole lines with regular expressions of the
//! form `^([\S]+)[\s]+([\S]+)...`. White space is Java's `\s`, which is ASCII only.

use crate::text::joda;

/// Java's `\s`: space, TAB, LF, VT, FF, CR.
pub(super) fn is_space(byte: u8) -> bool {
    byte == b' ' || (9..=13).contains(&byte)
}

/// Number of bytes of white space at the start of `text`.
pub(super) fn leading_space(text: &str) -> usize {
    text.bytes().take_while(|b| is_space(*b)).count()
}

/// Number of bytes before the first white space of `text`.
pub(super) fn leading_word(text: &str) -> usize {
    text.bytes().take_while(|b| !is_space(*b)).count()
}

/// The first twelve fields of a line, and what follows the twelfth (white space included). `None`
/// when the line starts with white space or has fewer fields.
pub(super) fn twelve_fields(line: &str) -> Option<([&str; 12], &str)> {
    let mut fields = [""; 12];
    let mut rest = line;
    for (index, field) in fields.iter_mut().enumerate() {
        if index > 0 {
            rest = &rest[leading_space(rest)..];
        }
        let end = leading_word(rest);
        if end == 0 {
            return None;
        }
        (*field, rest) = rest.split_at(end);
    }
    Some((fields, rest))
}

/// The hyphen rule: `-` and the empty text are absent.
pub(super) fn present(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

/// Milliseconds since the epoch of a date and a time in UTC, as leniently as Joda-Time reads
/// `{date}T{time}+00:00`.
///
/// # Errors
/// The reference's message.
pub fn timestamp(date: &str, time: &str) -> Result<i64, String> {
    let mut text = String::with_capacity(date.len() + time.len() + 7);
    text.push_str(date);
    text.push('T');
    text.push_str(time);
    text.push_str("+00:00");
    joda::parse_iso_date_time(&text).map_err(|message| {
        format!(
            "Unexpected exception converting date [{date}] and time [{time}] to timestamp: \
             [{message}]"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_between_any_white_space() {
        let (fields, rest) = twelve_fields("a b\tc  d\x0be\x0cf g h i j k\u{a0}l m\t n").unwrap();
        assert_eq!(
            fields,
            [
                "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k\u{a0}l", "m"
            ]
        );
        assert_eq!(rest, "\t n");
        assert_eq!(twelve_fields(" a b c d e f g h i j k l"), None);
        assert_eq!(twelve_fields("a b c d e f g h i j k "), None);
        assert_eq!(twelve_fields(""), None);
        assert_eq!(twelve_fields("a b c d e f g h i j k l").unwrap().1, "");
    }

    #[test]
    fn hyphen_rule() {
        assert_eq!(present("-"), None);
        assert_eq!(present(""), None);
        assert_eq!(present("--"), Some("--"));
    }
}
