//! Base64: the lenient reading of commons-codec.
//!
//! In: bytes or text in the standard or the URL-safe alphabet, or a mixture. Out: the decoded bytes. Nothing is
//! ever malformed: other characters are skipped, the first `=` ends the text, and of characters left over one
//! is ignored, two make one byte and three make two.

use super::url_decode::charset::decode_utf8;

/// Not in the alphabet.
const SKIP: u8 = 0xff;
/// The padding character, which ends the text.
const END: u8 = 0xfe;

const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [SKIP; 256];
    let mut value = 0u8;
    while value < 64 {
        table[STANDARD[value as usize] as usize] = value;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b'=' as usize] = END;
    table
}

/// Decodes either alphabet, skips what is in neither, stops at the first `=`.
pub fn decode_lenient(text: &[u8]) -> Vec<u8> {
    decode(text).0
}

/// The bytes, and how many characters of the alphabet were left over after the last group of four.
fn decode(text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut rest = text;
    let mut bits = 0u32;
    let mut pending = 0;
    loop {
        // whole groups without a stranger among them
        if pending == 0 {
            while let Some((group, tail)) = rest.split_first_chunk::<4>() {
                let [a, b, c, d] = group.map(|byte| VALUES[usize::from(byte)]);
                if (a | b | c | d) & 0xc0 != 0 {
                    break;
                }
                let word =
                    u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
                out.extend_from_slice(&word.to_be_bytes()[1..]);
                rest = tail;
            }
        }
        let Some((byte, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        match VALUES[usize::from(*byte)] {
            SKIP => {}
            END => break,
            value => {
                bits = bits << 6 | u32::from(value);
                pending += 1;
                if pending == 4 {
                    out.extend_from_slice(&bits.to_be_bytes()[1..]);
                    (bits, pending) = (0, 0);
                }
            }
        }
    }
    match pending {
        2 => out.push((bits >> 4).to_le_bytes()[0]),
        3 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => {}
    }
    (out, pending)
}

/// Decodes to text (malformed UTF-8 becomes U+FFFD); `None` (a parameter without value) is the error
/// `Field [{field}]: exception Base64-decoding [null] (URL-safe encoding): [null]`.
pub fn decode_field(field: &str, text: Option<&str>) -> Result<String, String> {
    let Some(text) = text else {
        return Err(format!(
            "Field [{field}]: exception Base64-decoding [null] (URL-safe encoding): [null]"
        ));
    };
    let bytes = decode_lenient(text.as_bytes());
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| decode_utf8(error.as_bytes()).into_owned()))
}

/// Decodes the value of a command-line option: either alphabet, with or without padding, other characters
/// (line breaks) skipped. `None` if the text cannot be the whole of something: nothing of the
/// alphabet in it, or one character left over.
pub fn decode_option(text: &str) -> Option<Vec<u8>> {
    let (bytes, left_over) = decode(text.as_bytes());
    (!bytes.is_empty() && left_over != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient() {
        for (text, expected) in [
            ("", &b""[..]),
            ("Sm9obiBTbWl0aA", b"John Smith"),
            ("Sm9obiBTbWl0aA==", b"John Smith"),
            ("Sm9obiBTbWl0aA==Sm9o", b"John Smith"),
            ("Sm9\nobiBT bWl0%aA", b"John Smith"),
            ("-_-_+/+/", b"\xfb\xff\xbf\xfb\xff\xbf"),
            ("äöü - &", b""),
            ("Q", b""),
            ("QQ", b"A"),
            ("QUI", b"AB"),
            ("Q=UI", b""),
            ("=QUI", b""),
            ("\u{1f600}QUJD\0REVG", b"ABCDEF"),
        ] {
            assert_eq!(decode_lenient(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn agrees_with_the_strict_decoder_on_every_length() {
        use ::base64::{Engine, engine::general_purpose::STANDARD};
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        for length in 0..bytes.len() {
            let text = STANDARD.encode(&bytes[..length]);
            assert_eq!(decode_lenient(text.as_bytes()), &bytes[..length]);
            let broken: String = text.chars().flat_map(|c| [c, '\n']).collect();
            assert_eq!(decode_lenient(broken.as_bytes()), &bytes[..length]);
        }
    }

    #[test]
    fn fields_and_options() {
        assert_eq!(
            decode_field("cx", Some("4piD_w")).as_deref(),
            Ok("☃\u{fffd}")
        );
        assert_eq!(
            decode_field("cx", None).unwrap_err(),
            "Field [cx]: exception Base64-decoding [null] (URL-safe encoding): [null]"
        );
        assert_eq!(decode_option("eyJ9\r\n"), Some(b"{\"}".to_vec()));
        assert_eq!(decode_option("{}"), None);
        assert_eq!(decode_option("e30="), Some(b"{}".to_vec()));
        assert_eq!(decode_option("e30xA"), None);
        assert_eq!(decode_option(""), None);
    }
}
