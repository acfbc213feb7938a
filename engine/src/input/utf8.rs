//! Bytes to text as Java decodes UTF-8 (Hadoop's `Text`): malformed sequences become U+FFFD.
//!
//! In: the bytes of a line. Out: the text, borrowed where nothing had to be replaced. How many U+FFFD a
//! malformed sequence becomes is that of Java 8, which differs from Rust's (and WHATWG's) in one case: a
//! surrogate in three bytes (ED A0..BF 80..BF) is one character there and would be three here.

use std::borrow::Cow;

/// The text of `bytes`.
pub fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(replace(bytes)),
    }
}

#[cold]
fn replace(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => error,
        };
        let (good, bad) = bytes.split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(good).unwrap_or_default());
        text.push('\u{FFFD}');
        let length = match bad {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
            [0xED, 0xA0..=0xBF, ..] => 2,
            // without a length the text ends inside a character
            _ => error.error_len().unwrap_or(bad.len()),
        };
        bytes = &bad[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_text_is_borrowed() {
        assert!(matches!(
            decode_utf8("zażółć 😀".as_bytes()),
            Cow::Borrowed("zażółć 😀")
        ));
    }

    #[test]
    fn malformed_sequences_as_java_counts_them() {
        let cases: [(&[u8], &str); 16] = [
            (b"a\xFFb", "a\u{FFFD}b"),
            (b"\x80\x80", "\u{FFFD}\u{FFFD}"),
            (b"\xC0\xAF", "\u{FFFD}\u{FFFD}"),
            (b"\xC3", "\u{FFFD}"),
            (b"\xC3x", "\u{FFFD}x"),
            (b"\xE0\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xE2\x82", "\u{FFFD}"),
            (b"\xE2\x82x", "\u{FFFD}x"),
            (b"\xE2x\x82", "\u{FFFD}x\u{FFFD}"),
            (b"\xED\xA0\x80", "\u{FFFD}"),
            (b"\xED\xA0\xBD\xED\xB8\x80", "\u{FFFD}\u{FFFD}"),
            (b"\xED\xA0x", "\u{FFFD}x"),
            (b"\xED\xA0", "\u{FFFD}"),
            (b"\xF0\x9F\x98", "\u{FFFD}"),
            (b"\xF0\x9F\x98x", "\u{FFFD}x"),
            (b"\xF5\x80\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ];
        for (bytes, want) in cases {
            assert_eq!(decode_utf8(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn long_garbage_takes_linear_time() {
        let text = decode_utf8(&[0xFF; 300_000]).into_owned();
        assert_eq!(text.chars().count(), 300_000);
    }
}
