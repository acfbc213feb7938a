//! `clj-tomcat`: a line of the Tomcat access log of the Clojure collector.
//!
//! Twelve fields as in a CloudFront log, then, from collector 0.7 on, content type and body.
//! Equivalent to the regular expression and the five cases of `CljTomcatLoader` in Scala Common
//! Enrich 0.34.0. The format knows no header lines.

use super::log_line::{leading_space, leading_word, present, timestamp, twelve_fields};
use super::payload::{CollectorContext, CollectorPayload, CollectorSource};
use super::{Parsed, api_path};
use crate::text::querystring::parse_querystring;
use crate::text::{base64, url_decode};

/// Collector name of payloads in this format, unless a `cv` parameter says otherwise.
const COLLECTOR: &str = "clj-tomcat";
/// Encoding of payloads in this format.
const ENCODING: &str = "UTF-8";

/// Content type and body as they stand in the line.
type Extra<'a> = (Option<&'a str>, Option<&'a str>);

/// Parses one line (without its terminator).
pub fn parse_line(line: &str) -> Parsed {
    let parts = twelve_fields(line)
        .filter(|(fields, _)| fields[2] == "-")
        .and_then(|(fields, rest)| tail(rest).map(|extra| (fields, extra)));
    let Some((fields, extra)) = parts else {
        return Parsed::bad("Line does not match raw event format for Clojure Collector");
    };
    let [
        date,
        time,
        _,
        _,
        ip,
        method,
        _,
        path,
        _,
        referer,
        useragent,
        query,
    ] = fields;

    // `Some(None)` is a part that the pattern matched as empty: Java's null, still to be decoded.
    let (content_type, body): (Option<Option<&str>>, Option<Option<&str>>) = match extra {
        (None, None) | (Some("-"), Some("-")) => (None, None),
        (content_type, Some("-")) => (Some(content_type), None),
        (content_type, body) => {
            let method = method.to_uppercase();
            if method != "POST" {
                return Parsed::bad(format!(
                    "Operation must be POST, not {method}, if request content type and/or body \
                     are provided"
                ));
            }
            (Some(content_type), Some(body))
        }
    };

    let timestamp = timestamp(date, time);
    let querystring = parse_querystring(present(query), ENCODING);
    let api = api_path::parse(path);
    let content_type = content_type
        .map(|text| url_decode::decode_field(ENCODING, "Content type", text.unwrap_or_default()))
        .transpose();
    let body = body
        .map(|text| base64::decode_field("Body", text))
        .transpose();
    match (timestamp, querystring, api, content_type, body) {
        (Ok(timestamp), Ok(querystring), Ok(api), Ok(content_type), Ok(body)) => {
            Parsed::Payload(CollectorPayload {
                api,
                querystring,
                content_type,
                body,
                source: CollectorSource {
                    name: COLLECTOR.to_owned(),
                    encoding: ENCODING.to_owned(),
                    hostname: None,
                },
                context: CollectorContext {
                    timestamp_ms: Some(timestamp),
                    ip_address: present(ip).map(str::to_owned),
                    useragent: present(useragent).map(str::to_owned),
                    referer: present(referer).map(str::to_owned),
                    headers: Vec::new(),
                    user_id: None,
                },
            })
        }
        (timestamp, querystring, api, content_type, body) => Parsed::Bad(
            [
                timestamp.err(),
                querystring.err(),
                api.err(),
                content_type.err(),
                body.err(),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
    }
}

/// What follows the twelfth field: `(?: W - W - W - )?(?: W (S)? W (S)? )?` up to the end.
fn tail(text: &str) -> Option<Extra<'_>> {
    if let Some(rest) = three_hyphens(text)
        && let Some(extra) = content_type_and_body(rest)
    {
        return Some(extra);
    }
    content_type_and_body(text)
}

/// What follows `W - W - W -`.
fn three_hyphens(text: &str) -> Option<&str> {
    let mut rest = text;
    for _ in 0..3 {
        let space = leading_space(rest);
        if space == 0 {
            return None;
        }
        rest = rest[space..].strip_prefix('-')?;
    }
    Some(rest)
}

/// `(?: W (S)? W (S)? )?` up to the end: both parts may be missing, but not the white space, so two
/// characters of space before a single word make the word the body.
fn content_type_and_body(text: &str) -> Option<Extra<'_>> {
    if text.is_empty() {
        return Some((None, None));
    }
    let lead = leading_space(text);
    if lead == 0 {
        return None;
    }
    let (first, rest) = text[lead..].split_at(leading_word(&text[lead..]));
    if first.is_empty() {
        return (lead >= 2).then_some((None, None));
    }
    if rest.is_empty() {
        return (lead >= 2).then_some((None, Some(first)));
    }
    let rest = &rest[leading_space(rest)..];
    let (second, rest) = rest.split_at(leading_word(rest));
    rest.is_empty()
        .then_some((Some(first), (!second.is_empty()).then_some(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWELVE: &str =
        "2013-08-29 00:18:48 - 830 1.2.3.4 POST h.net /com.a/v1 200 http://a/x UA+1 &cv=clj-0.6.0";

    #[test]
    fn tails() {
        let none = Some((None, None));
        for (text, expected) in [
            ("", none),
            (" - - -", none),
            ("\t-\t-\t-", none),
            (" - -", Some((Some("-"), Some("-")))),
            (" - - - - -", Some((Some("-"), Some("-")))),
            (" - - - ct -", Some((Some("ct"), Some("-")))),
            (" - - - ct body", Some((Some("ct"), Some("body")))),
            (" ct body", Some((Some("ct"), Some("body")))),
            (" - - - ct ", Some((Some("ct"), None))),
            (" - - -  body", Some((None, Some("body")))),
            ("  body", Some((None, Some("body")))),
            ("  ", none),
            (" - - -  ", none),
            (" - - - ct", None),
            (" one", None),
            (" ", None),
            (" - - - ", None),
            (" a b c", None),
            (" - - - a b c", None),
            (" - - -x y", None),
        ] {
            assert_eq!(tail(text), expected, "{text:?}");
        }
    }

    /// The reference's own pattern, for comparison.
    #[test]
    fn tails_agree_with_the_regular_expression() {
        // A leftmost-first engine prefers the same alternatives as a backtracking one.
        let w = r"[ \t\n\x0b\x0c\r]+";
        let s = r"[^ \t\n\x0b\x0c\r]+";
        let pattern =
            regex::Regex::new(&format!(r"\A(?:{w}-{w}-{w}-)?(?:{w}({s})?{w}({s})?)?\z")).unwrap();
        let alphabet = ['a', ' ', '-'];
        for length in 0..=9usize {
            for code in 0..alphabet.len().pow(length as u32) {
                let mut rest = code;
                let text: String = (0..length)
                    .map(|_| {
                        let c = alphabet[rest % alphabet.len()];
                        rest /= alphabet.len();
                        c
                    })
                    .collect();
                if text.starts_with(['a', '-']) {
                    continue;
                }
                let expected = pattern
                    .captures(&text)
                    .map(|c| (c.get(1).map(|m| m.as_str()), c.get(2).map(|m| m.as_str())));
                assert_eq!(tail(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn lines_of_no_known_shape() {
        for line in [
            String::new(),
            "#Fields: a b".to_owned(),
            format!(" {TWELVE}"),
            format!("{TWELVE} x"),
            format!("{TWELVE} - - - a b c"),
            TWELVE.replace(" - 830", " x 830"),
        ] {
            assert_eq!(
                parse_line(&line),
                Parsed::bad("Line does not match raw event format for Clojure Collector"),
                "{line:?}"
            );
        }
    }

    #[test]
    fn a_body_needs_post() {
        for tail in [" - - - text%2Fplain aGk", " - - - text%2Fplain "] {
            assert_eq!(
                parse_line(&format!("{}{tail}", TWELVE.replace("POST", "Get"))),
                Parsed::bad(
                    "Operation must be POST, not GET, if request content type and/or body are \
                     provided"
                )
            );
        }
    }

    #[test]
    fn cases_of_content_type_and_body() {
        for (tail, content_type, body) in [
            ("", None, None),
            (" - - -", None, None),
            (" - -", None, None),
            (" - - - - -", None, None),
            (
                " - - - text%2Fplain%3B+charset%3Dutf-8 -",
                Some("text/plain; charset=utf-8"),
                None,
            ),
            (" - - - text%2Fplain aGk_", Some("text/plain"), Some("hi?")),
            (" text%2Fplain aGk_", Some("text/plain"), Some("hi?")),
            (" - - -  aGk_", Some(""), Some("hi?")),
            (" - - -  -", Some(""), None),
        ] {
            match parse_line(&format!("{TWELVE}{tail}")) {
                Parsed::Payload(payload) => {
                    assert_eq!(payload.content_type.as_deref(), content_type, "{tail}");
                    assert_eq!(payload.body.as_deref(), body, "{tail}");
                    assert_eq!(payload.source.name, "clj-tomcat");
                    assert_eq!(payload.api.vendor, "com.a");
                    assert_eq!(payload.context.useragent.as_deref(), Some("UA+1"));
                    assert_eq!(payload.context.timestamp_ms, Some(1_377_735_528_000));
                }
                other => panic!("{tail}: {other:?}"),
            }
        }
    }

    #[test]
    fn errors_accumulate_in_order() {
        let line = "20yy-08-29 00:18:48 - 830 1.2.3.4 POST h /a 200 - - a=<> - - - %zz ";
        match parse_line(line) {
            Parsed::Bad(messages) => {
                assert_eq!(messages.len(), 5, "{messages:?}");
                assert!(
                    messages[0].starts_with("Unexpected exception converting date [20yy-08-29]")
                );
                assert!(messages[1].starts_with("Exception extracting name-value pairs"));
                assert!(messages[2].starts_with("Request path /a does not match"));
                assert!(messages[3].starts_with("Field [Content type]: "));
                assert_eq!(
                    messages[4],
                    "Field [Body]: exception Base64-decoding [null] (URL-safe encoding): [null]"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
