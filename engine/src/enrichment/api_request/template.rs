//! The address of a request: a text with `{{key}}` in the places of values.

use crate::enrichment::input::Values;

/// A template, taken apart. Spaces within the braces do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Key(String),
}

impl Template {
    /// Takes a template apart. Only the placeholders of `keys` are such.
    pub fn new<'k>(uri: &str, keys: impl Iterator<Item = &'k str>) -> Self {
        let keys: Vec<&str> = keys.collect();
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = uri;
        while let Some(start) = rest.find("{{") {
            let placeholder = rest[start + 2..].find("}}").map(|length| {
                let inside = &rest[start + 2..start + 2 + length];
                (inside.trim_matches(' '), start + 2 + length + 2)
            });
            match placeholder.filter(|(key, _)| keys.contains(key)) {
                Some((key, end)) => {
                    literal.push_str(&rest[..start]);
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Key(key.to_owned()));
                    rest = &rest[end..];
                }
                None => {
                    literal.push_str(&rest[..=start]);
                    rest = &rest[start + 1..];
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self { parts }
    }

    /// The address with all values in their places; `None` when braces are left.
    pub fn fill(&self, values: &Values) -> Option<String> {
        let mut url = String::with_capacity(128);
        for part in &self.parts {
            match part {
                Part::Literal(text) if text.contains(['{', '}']) => return None,
                Part::Literal(text) => url.push_str(text),
                Part::Key(key) => url_encode(values.get(key)?, &mut url),
            }
        }
        Some(url)
    }
}

/// `java.net.URLEncoder.encode` in UTF-8.
pub fn url_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(uri: &str, pairs: &[(&str, &str)]) -> Option<String> {
        let values: Values = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let keys = ["user", "time", "a", "user_2-x"];
        Template::new(uri, keys.into_iter()).fill(&values)
    }

    #[test]
    fn values_take_the_places_of_keys() {
        let user = [("user", "admin")];
        let both = [("user", "admin"), ("time", "November 2015")];
        type Pairs = [(&'static str, &'static str)];
        let cases: [(&str, &Pairs, Option<&str>); 14] = [
            ("http://api/{{user}}/{{ time}}/", &user, None),
            (
                "http://api/{{  user }}/foo/{{ time}}/{{user}}",
                &both,
                Some("http://api/admin/foo/November+2015/admin"),
            ),
            (
                "http://api/{{user}}{{time}}",
                &both,
                Some("http://api/adminNovember+2015"),
            ),
            ("http://api/", &both, Some("http://api/")),
            ("http://api/{user}", &both, None),
            ("http://api/}", &both, None),
            ("http://api/{{unknown}}", &both, None),
            ("http://api/{{\tuser}}", &both, None),
            ("http://api/{{user", &both, None),
            ("http://api/{{{user}}}", &both, None),
            (
                "{{user}}",
                &[("user", "{{time}}")],
                Some("%7B%7Btime%7D%7D"),
            ),
            ("{{user_2-x}}", &[("user_2-x", "$1\\")], Some("%241%5C")),
            ("", &both, Some("")),
            ("{{a}}", &both, None),
        ];
        for (uri, values, url) in cases {
            assert_eq!(fill(uri, values).as_deref(), url, "{uri}");
        }
    }

    #[test]
    fn encoding_is_that_of_java() {
        let mut out = String::new();
        url_encode("aZ09.-*_ ~!'()@+/?&=%\u{e4}\u{1f980}\n", &mut out);
        assert_eq!(
            out,
            "aZ09.-*_+%7E%21%27%28%29%40%2B%2F%3F%26%3D%25%C3%A4%F0%9F%A6%80%0A"
        );
    }
}
