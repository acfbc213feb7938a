//! Character encodings as Java decodes them, malformed bytes replaced by U+FFFD.
//!
//! In: bytes. Out: text. Java replaces an encoded surrogate (`ED A0 80`) by one U+FFFD where Rust's
//! standard library makes three of it.

use std::borrow::Cow;

/// A character encoding that every Java platform has, and Windows-1252.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `UTF-8`
    Utf8,
    /// `ISO-8859-1`
    Latin1,
    /// `US-ASCII`
    Ascii,
    /// `windows-1252`
    Windows1252,
    /// `UTF-16`: big-endian unless a byte order mark says otherwise
    Utf16,
    /// `UTF-16BE`
    Utf16Be,
    /// `UTF-16LE`
    Utf16Le,
}

impl Charset {
    /// The encoding of a name or alias, in any case; `None` for unknown ones (Java knows more).
    pub fn for_name(name: &str) -> Option<Self> {
        const NAMES: [(&str, Charset); 26] = [
            ("UTF-8", Charset::Utf8),
            ("UTF8", Charset::Utf8),
            ("unicode-1-1-utf-8", Charset::Utf8),
            ("ISO-8859-1", Charset::Latin1),
            ("ISO8859_1", Charset::Latin1),
            ("ISO8859-1", Charset::Latin1),
            ("ISO_8859-1", Charset::Latin1),
            ("ISO_8859_1", Charset::Latin1),
            ("latin1", Charset::Latin1),
            ("l1", Charset::Latin1),
            ("cp819", Charset::Latin1),
            ("IBM819", Charset::Latin1),
            ("US-ASCII", Charset::Ascii),
            ("ASCII", Charset::Ascii),
            ("ASCII7", Charset::Ascii),
            ("ISO646-US", Charset::Ascii),
            ("ANSI_X3.4-1968", Charset::Ascii),
            ("us", Charset::Ascii),
            ("windows-1252", Charset::Windows1252),
            ("cp1252", Charset::Windows1252),
            ("UTF-16", Charset::Utf16),
            ("UTF16", Charset::Utf16),
            ("UTF-16BE", Charset::Utf16Be),
            ("UTF_16BE", Charset::Utf16Be),
            ("UTF-16LE", Charset::Utf16Le),
            ("UTF_16LE", Charset::Utf16Le),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, charset)| *charset)
    }

    /// The text of `bytes`.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => decode_utf8(bytes),
            Self::Latin1 => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
            Self::Ascii => Cow::Owned(
                bytes
                    .iter()
                    .map(|b| {
                        if *b < 0x80 {
                            char::from(*b)
                        } else {
                            '\u{fffd}'
                        }
                    })
                    .collect(),
            ),
            Self::Windows1252 => Cow::Owned(bytes.iter().map(|b| windows_1252(*b)).collect()),
            Self::Utf16 => Cow::Owned(match bytes {
                [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
                _ => decode_utf16(bytes, u16::from_be_bytes),
            }),
            Self::Utf16Be => Cow::Owned(decode_utf16(bytes, u16::from_be_bytes)),
            Self::Utf16Le => Cow::Owned(decode_utf16(bytes, u16::from_le_bytes)),
        }
    }
}

/// `new String(bytes, UTF_8)`.
pub fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = bytes;
    let mut text = String::new();
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(valid) if text.is_empty() && rest.len() == bytes.len() => {
                return Cow::Borrowed(valid);
            }
            Ok(valid) => {
                text.push_str(valid);
                return Cow::Owned(text);
            }
            Err(error) => error,
        };
        if text.capacity() == 0 {
            text.reserve(bytes.len() + 16);
        }
        let (valid, broken) = rest.split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        text.push('\u{fffd}');
        let length = match broken {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(broken.len()),
        };
        rest = broken.get(length..).unwrap_or_default();
    }
}

/// One U+FFFD for a stray low surrogate, for a high one together with the wrong unit after it, and for an
/// odd byte at the end.
fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let mut text = String::with_capacity(bytes.len());
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut units = pairs.iter().map(|pair| unit(*pair));
    let mut open_end = !odd.is_empty();
    while let Some(first) = units.next() {
        match first {
            0xd800..=0xdbff => match units.next() {
                Some(second @ 0xdc00..=0xdfff) => {
                    text.extend(char::decode_utf16([first, second]).filter_map(Result::ok));
                }
                Some(_) => text.push('\u{fffd}'),
                // with an odd byte, if any, one malformed end
                None => open_end = true,
            },
            _ => text.push(char::from_u32(u32::from(first)).unwrap_or('\u{fffd}')),
        }
    }
    if open_end {
        text.push('\u{fffd}');
    }
    text
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
        '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ',
        '\u{fffd}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_with_javas_replacements() {
        for (bytes, expected) in [
            (&b"abc"[..], "abc"),
            (b"a\xc3\xa9", "aé"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xc3", "\u{fffd}"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"\xe2\x82a", "\u{fffd}a"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xed\xa0a", "\u{fffd}a"),
            (b"\xed\xa0\xbd\xed\xb8\x80", "\u{fffd}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xf0\x9f\x98\x80!", "😀!"),
        ] {
            assert_eq!(decode_utf8(bytes), expected, "{bytes:x?}");
        }
        assert!(matches!(decode_utf8(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn other_encodings() {
        let decode =
            |name: &str, bytes: &[u8]| Charset::for_name(name).unwrap().decode(bytes).into_owned();
        assert_eq!(decode("iso-8859-1", b"\xe9\x80"), "é\u{80}");
        assert_eq!(decode("us-ascii", b"a\xe9"), "a\u{fffd}");
        assert_eq!(decode("Cp1252", b"\x80\x81\xe9"), "€\u{fffd}é");
        assert_eq!(decode("UTF-16", b"\xfe\xff\0a"), "a");
        assert_eq!(decode("UTF-16", b"\xff\xfea\0"), "a");
        assert_eq!(decode("UTF-16", b"\0a\x01"), "a\u{fffd}");
        assert_eq!(decode("UTF-16LE", b"\x3d\xd8\x00\xde"), "😀");
        assert_eq!(decode("UTF-16BE", b"\xd8\x3d\0a\0b"), "\u{fffd}b");
        assert_eq!(decode("UTF-16BE", b"\xdc\x00\xd8\x00"), "\u{fffd}\u{fffd}");
        assert_eq!(Charset::for_name("X-None"), None);
    }
}
