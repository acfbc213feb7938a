//! Bodies of type `multipart/form-data`, as roughly as the reference reads them: the text is split at
//! the boundary wherever it stands, and of a part only the name and the value are taken.

use regex::Regex;

use crate::adapter::raw_event::Parameters;

/// Longest boundary, by RFC 2046 and by the reference's pattern.
const MAX_BOUNDARY: usize = 69;

/// Headers of one part that are tried, from the last backwards; a part has one.
const MAX_HEADERS: usize = 100;

const HEADER: &str = "Content-Disposition:";

/// The boundary that a content type names, equivalent to the pattern
/// `multipart/form-data.*?boundary=(?:")?([\S ]{0,69})(?: )*(?:")?$`. A closing quote belongs to what
/// it captures, unless the boundary has its full length.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let line = rest.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    rest.match_indices("boundary=")
        .take_while(|(at, _)| line.is_none_or(|line| *at < line))
        .find_map(|(at, name)| {
            let value = &rest[at + name.len()..];
            value
                .strip_prefix('"')
                .and_then(captured)
                .or_else(|| captured(value))
        })
}

/// `([\S ]{0,69})(?: )*(?:")?` up to the end.
fn captured(value: &str) -> Option<&str> {
    let end = value
        .char_indices()
        .nth(MAX_BOUNDARY)
        .map_or(value.len(), |(at, _)| at);
    let (taken, rest) = value.split_at(end);
    if taken.contains(['\t', '\n', '\u{b}', '\u{c}', '\r']) {
        return None;
    }
    let rest = rest.trim_start_matches(' ');
    (rest.is_empty() || rest == "\"").then_some(taken)
}

/// The fields of a body; of two equal names the last value wins.
///
/// # Errors
/// The reference uses the boundary as a regular expression: the message says what is wrong with it.
pub(super) fn fields(body: &str, boundary: &str) -> Result<Parameters, String> {
    let literal = boundary
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_'/:=, \"".contains(&b));
    let delimiter = format!("--{boundary}");
    if literal {
        return Ok(body.split(delimiter.as_str()).filter_map(field).collect());
    }
    let pattern = Regex::new(&delimiter).map_err(|error| error.to_string())?;
    Ok(pattern.split(body).filter_map(field).collect())
}

/// Name and value of a part that has a form field.
fn field(part: &str) -> Option<(String, Option<String>)> {
    part.rmatch_indices(HEADER)
        .take(MAX_HEADERS)
        .find_map(|(at, header)| field_after(&part[at + header.len()..]))
}

/// Name and value after `Content-Disposition:`, that is `\s*form-data\s*;[ \S\t]*?name="([^"]+)"` and
/// the text after the first empty line that follows.
fn field_after(text: &str) -> Option<(String, Option<String>)> {
    let text = trim_start(text).strip_prefix("form-data")?;
    let text = trim_start(text).strip_prefix(';')?;
    let line = text.find(['\n', '\r']).unwrap_or(text.len());
    let start = text[..line].find("name=\"")? + "name=\"".len();
    let length = text[start..].find('"')?;
    if length == 0 {
        return None;
    }
    let name = &text[start..start + length];
    let mut rest = &text[start + length + 1..];
    // The rest of this line, and further header lines.
    loop {
        let end = rest.find('\n')?;
        rest = &rest[end + 1..];
        if let Some(value) = rest
            .strip_prefix('\n')
            .or_else(|| rest.strip_prefix("\r\n"))
        {
            return Some((
                name.to_owned(),
                Some(value.trim_matches(is_space).to_owned()),
            ));
        }
    }
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// Java's `\s`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let long = "x".repeat(69);
        for (parameters, expected) in [
            ("; boundary=353d603f-eede", Some("353d603f-eede")),
            ("; boundary=\"353d\"", Some("353d\"")),
            ("; charset=utf-8; boundary=a b ", Some("a b ")),
            ("; boundary=", Some("")),
            (&format!("; boundary={long}"), Some(long.as_str())),
            (&format!("; boundary=\"{long}\""), Some(long.as_str())),
            (&format!("; boundary={long}y"), None),
            ("; boundary=a\tb", None),
            ("; boundary=a\tb; boundary=c", Some("c")),
            ("", None),
            ("; x=y", None),
            ("\n; boundary=a", None),
        ] {
            assert_eq!(
                boundary(&format!("multipart/form-data{parameters}")),
                expected,
                "{parameters:?}"
            );
        }
        assert_eq!(
            boundary("application/x; multipart/form-data; boundary=a"),
            None
        );
    }

    #[test]
    fn parts() {
        let part = |text: &str| field(text).map(|(name, value)| (name, value.unwrap()));
        let is = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        for (text, expected) in [
            (
                "\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n",
                is("k", "v"),
            ),
            (
                "\nContent-Disposition: form-data; name=\"k\"\n\n a\n\nb \n",
                is("k", "a\n\nb"),
            ),
            (
                "\r\nContent-Disposition: form-data; x=\"y\"; name=\"k\"\r\nContent-Type: a\r\n\r\nv",
                is("k", "v"),
            ),
            (
                "\nContent-Disposition:form-data;name=\"k\"; x\n\n",
                is("k", ""),
            ),
            (
                "\nContent-Disposition: form-data; filename=\"f\"; name=\"k\"\n\nv",
                is("f", "v"),
            ),
            ("\nContent-Disposition: form-data; name=\"k\"\nv", None),
            ("\nContent-Disposition: form-data; name=\"\"\n\nv", None),
            ("\nContent-Disposition: attachment; name=\"k\"\n\nv", None),
            ("\nContent-Type: text/plain\n\nv", None),
            ("", None),
            ("--", None),
        ] {
            assert_eq!(part(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bodies() {
        let body = |boundary: &str| {
            ["a", "b", "a"]
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    format!(
                        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n\
                         {i}\r\n"
                    )
                })
                .collect::<String>()
        };
        let of = |boundary: &str, text: &str| {
            fields(text, boundary).map(|map| {
                map.iter()
                    .map(|(k, v)| format!("{k}={}", v.as_deref().unwrap_or_default()))
                    .collect::<Vec<_>>()
            })
        };
        let expected = Ok(vec!["a=2".to_owned(), "b=1".to_owned()]);
        assert_eq!(of("353d-x", &body("353d-x")), expected);
        assert_eq!(of("a.c", &body("abc")), expected);
        // A boundary that is no regular expression.
        assert!(of("(", &body("(")).is_err());
        assert!(of("(a{1000}){1000}", "x").is_err());
    }
}
