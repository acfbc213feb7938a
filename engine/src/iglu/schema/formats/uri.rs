//! `uri`: what `new java.net.URI(text)` accepts, with a test for usual forms in front that
//! neither allocates nor builds the parts.

use crate::text::java_uri::JavaUri;

/// Whether `text` is a URI reference by Java's rules.
pub(in crate::iglu::schema) fn is_uri(text: &str) -> bool {
    is_usual(text) || JavaUri::parse(text).is_ok()
}

/// Nothing, or `http(s)://` with a host of letters, digits, `.`, `-`, `_` with or without a port; then a path from the root, a query or a
/// fragment of characters that are legal in all of these; at most one `#`.
fn is_usual(text: &str) -> bool {
    let tail = match text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    {
        Some(rest) => {
            let bytes = rest.as_bytes();
            let authority = bytes
                .iter()
                .take_while(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':')
                })
                .count();
            if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
                return false;
            }
            &bytes[authority..]
        }
        // two slashes would start an authority
        None if text.starts_with("//") => return false,
        None => text.as_bytes(),
    };
    if !matches!(tail.first(), None | Some(b'/' | b'?' | b'#')) {
        return false;
    }
    let mut fragment = false;
    let mut index = 0;
    while let Some(byte) = tail.get(index) {
        match byte {
            b'#' if fragment => return false,
            b'#' => fragment = true,
            b'%' => {
                let escape = tail.get(index + 1..index + 3);
                if !escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return false;
                }
                index += 2;
            }
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b';' | b'/' | b'?'
            | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return false,
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_need_no_parser() {
        for text in [
            "http://a.b/c?d#e",
            "https://www.example.com",
            "https://www.example.com:8080/a%20b;c=d?x=1&y=(2)#!top",
            "http://a_b/",
            "http://a:b/",
            "http://a?b",
            "",
            "#",
            "#/definitions/a",
            "/a/b?c",
            "?x",
        ] {
            assert!(is_usual(text), "{text}");
        }
        for text in [
            "http://",
            "http:///a",
            "http://:80",
            "http://a b",
            "http://a/{x}",
            "http://a/%zz",
            "http://a/%2",
            "http://a/#b#c",
            "http://[::1]/",
            "http://é/",
            "ftp://a/",
            "//",
            "#a#",
            "a",
            "http://a@b/",
        ] {
            assert!(!is_usual(text), "{text}");
        }
    }
}
