//! Percent-decoding as Java's `URLDecoder` does it, with the message texts of Java 8.
//!
//! In: a text and the name of a character encoding. Out: the text with `+` as space and every run of
//! `%XX` decoded in the encoding (malformed bytes become U+FFFD), or the exception's message.

pub mod charset;

use std::borrow::Cow;

use charset::Charset;

/// `URLDecoder.decode(text, encoding)`; the error is Java's message. An unknown encoding is an error only
/// where there is something to decode; its message is the name.
pub fn java_url_decode(text: &str, encoding: &str) -> Result<String, String> {
    if encoding.is_empty() {
        return Err("URLDecoder: empty string enc parameter".to_owned());
    }
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(next) = memchr::memchr2(b'%', b'+', &bytes[at..]) {
        out.push_str(&text[at..at + next]);
        at += next;
        if bytes[at] == b'+' {
            out.push(' ');
            at += 1;
        } else {
            let (run, rest) = escapes(&text[at..])?;
            let charset = Charset::for_name(encoding).ok_or_else(|| encoding.to_owned())?;
            out.push_str(&charset.decode(&run));
            at = bytes.len() - rest.len();
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// The bytes of a run of escapes, and the text after it.
fn escapes(text: &str) -> Result<(Vec<u8>, &str), String> {
    const ILLEGAL: &str = "URLDecoder: Illegal hex characters in escape (%) pattern - ";
    let mut run = Vec::with_capacity(8);
    let mut rest = text;
    while let Some(tail) = rest.strip_prefix('%') {
        let bytes = tail.as_bytes();
        if let Some(pair) = bytes.get(..2)
            && let (Some(high), Some(low)) = (hex_digit(pair[0]), hex_digit(pair[1]))
        {
            run.push(high << 4 | low);
            rest = &tail[2..];
            continue;
        }
        // the two UTF-16 units after the sign; a character outside the first plane is two
        let mut chars = tail.chars();
        let (first, second) = match (chars.next(), chars.next()) {
            (Some(first), _) if first.len_utf16() == 2 => {
                return Err(format!("{ILLEGAL}For input string: \"{first}\""));
            }
            (Some(first), Some(second)) => (first, second),
            _ => return Err("URLDecoder: Incomplete trailing escape (%) pattern".to_owned()),
        };
        match java_hex_byte(first, second) {
            Some(value) if value < 0 => return Err(format!("{ILLEGAL}negative value")),
            Some(value) => run.push(value.to_le_bytes()[0]),
            // half of a pair prints as `?`
            None if second.len_utf16() == 2 => {
                return Err(format!("{ILLEGAL}For input string: \"{first}?\""));
            }
            None => return Err(format!("{ILLEGAL}For input string: \"{first}{second}\"")),
        }
        rest = chars.as_str();
    }
    Ok((run, rest))
}

/// The value of an ASCII hex digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `Integer.parseInt` of two characters to base 16: a sign and a digit, or two digits.
pub(super) fn java_hex_byte(first: char, second: char) -> Option<i32> {
    let low = java_hex_digit(second)?;
    match first {
        '+' => Some(low),
        '-' => Some(-low),
        _ => Some(java_hex_digit(first)? << 4 | low),
    }
}

/// `Character.digit(c, 16)`: decimal digits of every script in the first plane, and the letters of ASCII and
/// their full-width forms.
fn java_hex_digit(c: char) -> Option<i32> {
    /// The zeros of the scripts (general category Nd of Unicode 6.2, first plane).
    const ZEROS: [u32; 35] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xaa50, 0xabf0, 0xff10,
    ];
    let code = u32::from(c);
    let digit = match c {
        '0'..='9' => code - 0x30,
        'a'..='f' => code - 0x61 + 10,
        'A'..='F' => code - 0x41 + 10,
        '\0'..='\u{7f}' => return None,
        '\u{ff21}'..='\u{ff26}' => code - 0xff21 + 10,
        '\u{ff41}'..='\u{ff46}' => code - 0xff41 + 10,
        _ => {
            let script = ZEROS.partition_point(|zero| *zero <= code);
            let zero = script.checked_sub(1).and_then(|at| ZEROS.get(at))?;
            (code - zero < 10).then_some(code - zero)?
        }
    };
    i32::try_from(digit).ok()
}

/// Decodes, removes CR and LF, turns tabs into four spaces. The error is the reference's whole message
/// (`Field [{field}]: Exception URL-decoding [{text}] (encoding [{encoding}]): [...]`).
pub fn decode_field(encoding: &str, field: &str, text: &str) -> Result<String, String> {
    let decoded = java_url_decode(text, encoding).map_err(|message| {
        format!(
            "Field [{field}]: Exception URL-decoding [{text}] (encoding [{encoding}]): [{message}]"
        )
    })?;
    Ok(match without_line_ends(&decoded) {
        Cow::Borrowed(_) => decoded,
        Cow::Owned(clean) => clean,
    })
}

fn without_line_ends(text: &str) -> Cow<'_, str> {
    if memchr::memchr3(b'\r', b'\n', b'\t', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\r' | '\n' => {}
            '\t' => clean.push_str("    "),
            _ => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_like_java() {
        for (text, expected) in [
            ("", ""),
            ("Mozilla/5.0+%28X11%29", "Mozilla/5.0 (X11)"),
            ("a%20%C3%A9é+b", "a éé b"),
            ("%E4%BD%A0%e5%a5%bd", "你好"),
            ("%ff", "\u{fffd}"),
            ("%C3+%A9", "\u{fffd} \u{fffd}"),
            ("%ED%A0%BD%ED%B8%80", "\u{fffd}\u{fffd}"),
            // Integer.parseInt takes signs and digits of other scripts
            ("%+1%-0", "\u{1}\0"),
            ("%\u{664}\u{661}%\u{ff14}\u{ff21}", "AJ"),
        ] {
            assert_eq!(
                java_url_decode(text, "UTF-8").as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        assert_eq!(java_url_decode("%e9é", "ISO-8859-1").as_deref(), Ok("éé"));
    }

    #[test]
    fn messages_of_java_8() {
        const ILLEGAL: &str = "URLDecoder: Illegal hex characters in escape (%) pattern - ";
        const INCOMPLETE: &str = "URLDecoder: Incomplete trailing escape (%) pattern";
        for (text, expected) in [
            ("%", INCOMPLETE.to_owned()),
            ("100%", INCOMPLETE.to_owned()),
            ("%41%4", INCOMPLETE.to_owned()),
            ("%é", INCOMPLETE.to_owned()),
            ("%zz", format!("{ILLEGAL}For input string: \"zz\"")),
            ("%4+", format!("{ILLEGAL}For input string: \"4+\"")),
            ("%%41", format!("{ILLEGAL}For input string: \"%4\"")),
            ("50% off", format!("{ILLEGAL}For input string: \" o\"")),
            ("%😀", format!("{ILLEGAL}For input string: \"😀\"")),
            ("%a😀", format!("{ILLEGAL}For input string: \"a?\"")),
            ("%-1", format!("{ILLEGAL}negative value")),
            ("%--", format!("{ILLEGAL}For input string: \"--\"")),
        ] {
            assert_eq!(java_url_decode(text, "UTF-8"), Err(expected), "{text}");
        }
        assert_eq!(java_url_decode("%41", "X-None"), Err("X-None".to_owned()));
        assert_eq!(java_url_decode("A+", "X-None"), Ok("A ".to_owned()));
        assert!(java_url_decode("A", "").is_err());
    }

    #[test]
    fn field_is_cleaned_or_framed() {
        let ua = decode_field("UTF-8", "useragent", "a%0D%0Ab%09c%00+\u{b}").unwrap();
        assert_eq!(ua, "ab    c\0 \u{b}");
        assert_eq!(decode_field("UTF-8", "useragent", "").as_deref(), Ok(""));
        assert_eq!(
            decode_field("UTF-8", "useragent", "50%").unwrap_err(),
            "Field [useragent]: Exception URL-decoding [50%] (encoding [UTF-8]): \
             [URLDecoder: Incomplete trailing escape (%) pattern]"
        );
    }
}
