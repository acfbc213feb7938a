//! `cloudfront`: a line of the access log of the CloudFront distribution that serves the pixel.
//!
//! Every historic line shape passes through the same code: 12 fields (before 12 September 2012),
//! 15, 18 (21 October 2013), 19 (29 April 2014), 24 (September 2016) and whatever Amazon appends.
//! The splitter is equivalent to the regular expression of `CloudfrontLoader` in Scala Common
//! Enrich 0.34.0: `[\S]+` twelve times between `[\s]+`, then three optional groups of which the last
//! ends in `.*`.

use super::log_line::{is_space, leading_space, leading_word, present, timestamp, twelve_fields};
use super::payload::{CollectorContext, CollectorPayload, CollectorSource};
use super::{Parsed, api_path};
use crate::text::clean::single_encode_pcts;
use crate::text::querystring::parse_querystring;

/// Rule by which `#Version:` and `#Fields:` lines are neither events nor bad.
pub const HEADER_RULE: &str = "CloudFront header line";

/// Collector name of payloads in this format.
const COLLECTOR: &str = "cloudfront";
/// Encoding of payloads in this format.
const ENCODING: &str = "UTF-8";

/// Parses one line (without its terminator).
pub fn parse_line(line: &str) -> Parsed {
    if is_header(line) {
        return Parsed::Ignored(HEADER_RULE);
    }
    let Some((fields, rest)) = twelve_fields(line) else {
        return Parsed::bad("Line does not match CloudFront header or data row formats");
    };
    if !tail_matches(rest) {
        return Parsed::bad("Line does not match CloudFront header or data row formats");
    }
    let [
        date,
        time,
        _,
        _,
        ip,
        method,
        _,
        stem,
        _,
        referer,
        useragent,
        query,
    ] = fields;
    if !method.eq_ignore_ascii_case("GET") {
        return Parsed::bad(format!(
            "Only GET operations supported for CloudFront Collector, not {}",
            method.to_uppercase()
        ));
    }

    let query = single_encode_pcts(query);
    let timestamp = timestamp(date, time);
    let querystring = parse_querystring(present(&query), ENCODING);
    let api = api_path::parse(stem);
    match (timestamp, querystring, api) {
        (Ok(timestamp), Ok(querystring), Ok(api)) => Parsed::Payload(CollectorPayload {
            api,
            querystring,
            content_type: None,
            body: None,
            source: CollectorSource {
                name: COLLECTOR.to_owned(),
                encoding: ENCODING.to_owned(),
                hostname: None,
            },
            context: CollectorContext {
                timestamp_ms: Some(timestamp),
                ip_address: present(ip).map(str::to_owned),
                useragent: present(&single_encode_pcts(useragent)).map(str::to_owned),
                referer: present(clean_uri(&single_encode_pcts(referer))).map(str::to_owned),
                headers: Vec::new(),
                user_id: None,
            },
        }),
        (timestamp, querystring, api) => Parsed::Bad(
            [timestamp.err(), querystring.err(), api.err()]
                .into_iter()
                .flatten()
                .collect(),
        ),
    }
}

/// Whether the line is one of the two header lines of a CloudFront log file.
pub(super) fn is_header(line: &str) -> bool {
    line.starts_with("#Version:") || line.starts_with("#Fields:")
}

/// Removes the single `%` that CloudFront used to append to a referer.
pub fn clean_uri(uri: &str) -> &str {
    uri.strip_suffix('%').unwrap_or(uri)
}

/// Whether what follows the twelfth field satisfies the optional groups of the reference's
/// pattern, `(?: W [\S]* W S W S )?(?: W S W S W S )?(?: W S W .* )?` up to the end.
fn tail_matches(tail: &str) -> bool {
    if tail.is_empty() {
        return true;
    }
    if !tail.contains(is_line_terminator) {
        // Without line terminators the groups come down to: a thirteenth field, then white space.
        let start = leading_space(tail);
        let end = start + leading_word(&tail[start..]);
        return end > start && end < tail.len();
    }
    tail_with_terminators_matches(tail)
}

/// The general case. A line terminator may stand inside a field of the first two groups (some are
/// not white space) or in white space, but not in what `.*` takes.
#[cold]
fn tail_with_terminators_matches(tail: &str) -> bool {
    let lead = leading_space(tail);
    // Ends of the fields that follow the twelfth; seven decide about every group.
    let mut ends = [0usize; 7];
    let mut count = 0;
    let mut at = lead;
    while at < tail.len() && count < ends.len() {
        at += leading_word(&tail[at..]);
        ends[count] = at;
        count += 1;
        at += leading_space(&tail[at..]);
    }
    let exhausted = at >= tail.len();
    let ends_in_space = tail.bytes().next_back().is_some_and(is_space);
    // The first field of the first group may be empty, if there are two characters of space.
    let short: &[usize] = if lead >= 2 { &[2, 5] } else { &[] };
    [0, 3, 6].iter().chain(short).any(|&taken| {
        if taken > 0 && exhausted && count == taken && !ends_in_space {
            return true;
        }
        let Some(&end) = ends[..count].get(taken) else {
            return false;
        };
        let rest = &tail[end..];
        let space = leading_space(rest);
        space > 0 && !rest[space..].contains(is_line_terminator)
    })
}

/// What Java's `.` does not match.
fn is_line_terminator(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWELVE: &str = "2013-08-29 00:18:48 DUB2 830 1.2.3.4 GET d3.cloudfront.net /i 200 \
                          http://a.com/x Mozilla/5.0%20(X11) e=pv&page=A";

    fn payload(line: &str) -> CollectorPayload {
        match parse_line(line) {
            Parsed::Payload(payload) => payload,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn historic_shapes() {
        for tail in [
            "",
            " - Hit abc==",
            " - Hit abc== d3.net http 512",
            " - Hit abc== d3.net http 512 0.001",
            " - Hit abc== d3.net http 512 0.001 - - - Hit HTTP/1.1",
            " - Hit abc== d3.net http 512 0.001 and then some ",
        ] {
            let line = format!("{TWELVE}{tail}");
            let payload = payload(&line);
            assert_eq!(payload.api.version, "tp1");
            assert_eq!(payload.source.name, "cloudfront");
            assert_eq!(payload.source.encoding, "UTF-8");
            assert_eq!(payload.context.ip_address.as_deref(), Some("1.2.3.4"));
            assert_eq!(
                payload.context.useragent.as_deref(),
                Some("Mozilla/5.0%20(X11)")
            );
            assert_eq!(payload.context.referer.as_deref(), Some("http://a.com/x"));
            assert_eq!(payload.content_type, None);
            assert_eq!(payload.body, None);
            for separator in ["\t", "  ", "    "] {
                assert!(
                    matches!(
                        parse_line(&line.replace(' ', separator)),
                        Parsed::Payload(_)
                    ),
                    "{line:?}"
                );
            }
        }
    }

    #[test]
    fn lines_of_no_known_shape() {
        for line in [
            String::new(),
            "NOT VALID".to_owned(),
            format!("{TWELVE} 13"),
            format!("{TWELVE} "),
            format!(" {TWELVE}"),
            "2012-05-24  00:06:42  LHR5  3402  90.194.12.51  GET  /i".to_owned(),
            "#Comment".to_owned(),
        ] {
            assert_eq!(
                parse_line(&line),
                Parsed::bad("Line does not match CloudFront header or data row formats"),
                "{line:?}"
            );
        }
        // Thirteen fields and trailing white space pass, as in the reference.
        assert!(matches!(
            parse_line(&format!("{TWELVE} 13 ")),
            Parsed::Payload(_)
        ));
    }

    #[test]
    fn header_lines_are_ignored() {
        for line in ["#Version: 1.0", "#Fields: date time", "#Version:"] {
            assert_eq!(parse_line(line), Parsed::Ignored(HEADER_RULE));
        }
    }

    #[test]
    fn only_get() {
        for (method, shown) in [("POST", "POST"), ("post", "POST"), ("Straße", "STRASSE")] {
            assert_eq!(
                parse_line(&TWELVE.replace("GET", method)),
                Parsed::bad(format!(
                    "Only GET operations supported for CloudFront Collector, not {shown}"
                ))
            );
        }
        assert!(matches!(
            parse_line(&TWELVE.replace("GET", "get")),
            Parsed::Payload(_)
        ));
        // The method is looked at only if the line has a known shape.
        assert_eq!(
            parse_line(&format!("{} 13", TWELVE.replace("GET", "POST"))),
            Parsed::bad("Line does not match CloudFront header or data row formats")
        );
    }

    #[test]
    fn hyphens_are_absent_values() {
        let line = "2013-08-29 00:18:48 - - - GET - /i /200 - - -";
        let payload = payload(line);
        assert_eq!(payload.context.ip_address, None);
        assert_eq!(payload.context.referer, None);
        assert_eq!(payload.context.useragent, None);
        assert!(payload.querystring.is_empty());
    }

    #[test]
    fn trailing_percent_of_a_referer() {
        for (uri, cleaned) in [
            ("http://bbc.co.uk%", "http://bbc.co.uk"),
            ("http://bbc.co.uk%%", "http://bbc.co.uk%"),
            ("http://bbc%20.co.uk", "http://bbc%20.co.uk"),
            ("%", ""),
        ] {
            assert_eq!(clean_uri(uri), cleaned);
        }
    }

    /// The groups of the reference's pattern, for comparison.
    #[test]
    fn tails_agree_with_the_regular_expression() {
        let w = r"[ \t\n\x0b\x0c\r]+";
        let s = r"[^ \t\n\x0b\x0c\r]+";
        let s0 = r"[^ \t\n\x0b\x0c\r]*";
        let dot = r"[^\n\r\u{85}\u{2028}\u{2029}]";
        let pattern = regex::Regex::new(&format!(
            r"\A(?:{w}{s0}{w}{s}{w}{s})?(?:{w}{s}{w}{s}{w}{s})?(?:{w}{s}{w}{dot}*)?\z"
        ))
        .unwrap();
        // All texts of up to nine characters over an alphabet that has every class of character.
        let alphabet = ['a', ' ', '\n', '\u{2028}'];
        let mut checked = 0u32;
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
                // A tail never starts inside the twelfth field.
                if text.starts_with(['a', '\u{2028}']) {
                    continue;
                }
                assert_eq!(tail_matches(&text), pattern.is_match(&text), "{text:?}");
                checked += 1;
            }
        }
        for fields in 1..=9usize {
            for at in 0..=fields {
                for (lead, end) in [(" ", ""), ("  ", ""), (" ", " "), ("  ", "\n")] {
                    let words: Vec<&str> = (0..=fields)
                        .map(|i| if i == at { "x\u{2029}y" } else { "z" })
                        .collect();
                    let text = format!("{lead}{}{end}", words.join(" "));
                    assert_eq!(tail_matches(&text), pattern.is_match(&text), "{text:?}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 10_000);
    }
}
