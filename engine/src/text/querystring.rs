//! Query strings and forms as Apache `URLEncodedUtils` (httpclient 4.5) reads them behind a `java.net.URI`
//! check.
//!
//! In: the raw text after `?`, or a form body. Out: decoded name-value pairs in order. `&` and `;` separate
//! pairs, the first `=` separates name and value, pairs without a name are dropped, and a raw character that
//! is not ASCII loses all but its low eight bits. The text must be legal behind `http://localhost/?`; what
//! follows a `#` is checked and then ignored.

use super::java_uri::{UriParts, is_query_byte};
use super::url_decode::charset::Charset;
use super::url_decode::hex_digit;

/// Name-value pairs in order; a name without `=` has no value.
pub type NameValuePairs = Vec<(String, Option<String>)>;

/// Pairs of a raw query string (text after `?`); the error is the reference's whole message
/// (`Exception extracting name-value pairs from querystring [...] with encoding [...]: [...]`).
pub fn parse_querystring(raw: Option<&str>, encoding: &str) -> Result<NameValuePairs, String> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    parse(raw, encoding).map_err(|message| {
        format!(
            "Exception extracting name-value pairs from querystring [{raw}] with encoding [{encoding}]: [{message}]"
        )
    })
}

/// Pairs of a form body (UTF-8); the error is only `java.net.URI`'s message, for the caller to frame.
pub fn parse_form(body: &str) -> Result<NameValuePairs, String> {
    parse(body, "UTF-8")
}

/// Pairs of the raw query of a URI that was parsed before; the error, Java's message, is the name of an
/// unknown encoding (which goes unnoticed where the query is empty).
pub fn parse_uri_query(query: Option<&str>, encoding: &str) -> Result<NameValuePairs, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(Vec::new());
    };
    let charset = Charset::for_name(encoding).ok_or_else(|| encoding.to_owned())?;
    Ok(split(query, charset))
}

fn parse(raw: &str, encoding: &str) -> Result<NameValuePairs, String> {
    if is_plain_query(raw.as_bytes()) {
        return parse_uri_query(Some(raw), encoding);
    }
    let uri = format!("http://localhost/?{raw}");
    let parts = UriParts::parse(&uri)?;
    parse_uri_query(parts.query, encoding)
}

/// What [`is_plain_query`] makes of a byte.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = is_query_byte(byte as u8);
        byte += 1;
    }
    table
};

/// Whether the text consists of legal ASCII and whole escapes, so that no URI need be built to check it.
fn is_plain_query(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if PLAIN[usize::from(*byte)] {
            at += 1;
        } else if *byte == b'%'
            && let Some([high, low]) = bytes.get(at + 1..at + 3)
            && high.is_ascii_hexdigit()
            && low.is_ascii_hexdigit()
        {
            at += 3;
        } else {
            return false;
        }
    }
    true
}

fn split(query: &str, charset: Charset) -> NameValuePairs {
    let bytes = query.as_bytes();
    let mut pairs = Vec::with_capacity(if bytes.len() > 64 { 32 } else { 4 });
    let mut start = 0;
    loop {
        let end = memchr::memchr2(b'&', b';', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let pair = &query[start..end];
        let (name, value) = match memchr::memchr(b'=', pair.as_bytes()) {
            Some(sign) => (&pair[..sign], Some(&pair[sign + 1..])),
            None => (pair, None),
        };
        if !name.is_empty() {
            pairs.push((
                decode(name, charset),
                value.map(|value| decode(value, charset)),
            ));
        }
        if end == bytes.len() {
            return pairs;
        }
        start = end + 1;
    }
}

/// Decodes one name or value, of which all escapes are whole.
fn decode(text: &str, charset: Charset) -> String {
    let bytes = text.as_bytes();
    if charset == Charset::Utf8 && memchr::memchr2(b'%', b'+', bytes).is_none() && text.is_ascii() {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = bytes[at..].first_chunk::<2>();
                match pair.and_then(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)) {
                    Some(decoded) => {
                        out.push(decoded);
                        at += 2;
                    }
                    None => out.push(b'%'),
                }
            }
            0..0x80 => out.push(*byte),
            _ => {
                if let Some(c) = text[at - 1..].chars().next() {
                    let mut units = [0; 2];
                    out.extend(
                        c.encode_utf16(&mut units)
                            .iter()
                            .map(|unit| unit.to_le_bytes()[0]),
                    );
                    at += c.len_utf8() - 1;
                }
            }
        }
    }
    if charset == Charset::Utf8 {
        return String::from_utf8(out)
            .unwrap_or_else(|error| charset.decode(error.as_bytes()).into_owned());
    }
    charset.decode(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected = &'static [(&'static str, Option<&'static str>)];

    fn pairs(expected: Expected) -> NameValuePairs {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect()
    }

    #[test]
    fn splits_and_decodes() {
        let cases: [(&str, Expected); 16] = [
            ("", &[]),
            (
                "e=pv&page=A%20b+c",
                &[("e", Some("pv")), ("page", Some("A b c"))],
            ),
            ("?e=pv", &[("?e", Some("pv"))]),
            ("a=%2520", &[("a", Some("%20"))]),
            ("a=1&&b=2&", &[("a", Some("1")), ("b", Some("2"))]),
            ("a=1;b=2;;", &[("a", Some("1")), ("b", Some("2"))]),
            ("=c&d", &[("d", None)]),
            (
                "a=&b==&c=d=e",
                &[("a", Some("")), ("b", Some("=")), ("c", Some("d=e"))],
            ),
            ("%61%3D=%26%3b", &[("a=", Some("&;"))]),
            ("a=1#b=2&c=3", &[("a", Some("1"))]),
            ("#", &[]),
            ("a=%FF%c3%a9", &[("a", Some("\u{fffd}é"))]),
            ("a=é", &[("a", Some("\u{fffd}"))]),
            ("a=中", &[("a", Some("-"))]),
            // characters whose low bits are those of `%` and `+`
            ("a=\u{125}41\u{12b}", &[("a", Some("%41+"))]),
            ("a=😀b", &[("a", Some("=\0b"))]),
        ];
        for (raw, expected) in cases {
            assert_eq!(
                parse_querystring(Some(raw), "UTF-8"),
                Ok(pairs(expected)),
                "{raw}"
            );
            assert_eq!(parse_form(raw), Ok(pairs(expected)), "{raw}");
        }
        assert_eq!(parse_querystring(None, "UTF-8"), Ok(Vec::new()));
    }

    #[test]
    fn illegal_texts() {
        for (raw, message) in [
            (
                "a=<>",
                "Illegal character in query at index 20: http://localhost/?a=<>",
            ),
            (
                "a=%zz&b=%4",
                "Malformed escape pair at index 20: http://localhost/?a=%zz&b=%4",
            ),
            (
                "a=1%",
                "Malformed escape pair at index 21: http://localhost/?a=1%",
            ),
            (
                "a b",
                "Illegal character in query at index 19: http://localhost/?a b",
            ),
            (
                "😀 ",
                "Illegal character in query at index 20: http://localhost/?😀 ",
            ),
            (
                "a#b|",
                "Illegal character in fragment at index 21: http://localhost/?a#b|",
            ),
            (
                "a##",
                "Illegal character in fragment at index 20: http://localhost/?a##",
            ),
            (
                "\u{a0}",
                "Illegal character in query at index 18: http://localhost/?\u{a0}",
            ),
        ] {
            assert_eq!(parse_form(raw), Err(message.to_owned()));
            let whole = format!(
                "Exception extracting name-value pairs from querystring [{raw}] with encoding [UTF-8]: [{message}]"
            );
            assert_eq!(parse_querystring(Some(raw), "UTF-8"), Err(whole));
        }
    }

    #[test]
    fn encodings() {
        let latin = parse_querystring(Some("a=%e9é"), "ISO-8859-1");
        assert_eq!(latin, Ok(pairs(&[("a", Some("éé"))])));
        assert_eq!(
            parse_querystring(Some("a=1"), "X-None").unwrap_err(),
            "Exception extracting name-value pairs from querystring [a=1] with encoding [X-None]: [X-None]"
        );
        assert_eq!(parse_uri_query(None, "UTF-8"), Ok(Vec::new()));
        assert_eq!(parse_uri_query(Some(""), "X-None"), Ok(Vec::new()));
        assert_eq!(
            parse_uri_query(Some("a"), "X-None"),
            Err("X-None".to_owned())
        );
    }

    #[test]
    fn many_pairs_take_linear_time() {
        let raw = "a=1&".repeat(200_000);
        assert_eq!(parse_form(&raw).unwrap().len(), 200_000);
        let raw = "%41é".repeat(100_000);
        assert_eq!(parse_form(&raw).unwrap().len(), 1);
    }
}
