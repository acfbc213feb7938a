//! The database of referers: sites by domain, or by domain and path.
//!
//! A file is an object of media, each an object of sources, each with `domains` and, for search engines, `parameters`, as
//! JSON or as YAML, in the form of referer-parser's `referers.json` and `referers.yml`. Of two definitions of a domain
//! the later one counts.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use hashbrown::HashMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::enrichment::data_file::from_yaml;
use crate::text::url_decode::charset::Charset;

/// The list of our own.
const BUILT_IN: &str = include_str!("../../../data/referers.json");

/// Sites by domain.
#[derive(Debug)]
pub struct Referers {
    sites: Vec<Source>,
    /// Index of the site by domain, or domain and path.
    by_domain: HashMap<String, usize>,
    /// Bytes of the longest key.
    longest: usize,
}

/// A site of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'r> {
    /// `search`, `social`, `email`, `unknown`, or what else the file has.
    pub medium: &'r str,
    /// Its name.
    pub source: &'r str,
    /// Names of query parameters that hold what was searched for.
    pub parameters: &'r [String],
}

#[derive(Debug)]
struct Source {
    medium: String,
    name: String,
    parameters: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Definition {
    domains: Vec<String>,
    #[serde(default)]
    parameters: Option<Vec<String>>,
}

/// The members of an object in their order.
struct Ordered<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Ordered<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<V>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl Referers {
    /// Reads a database; `place` names it in errors. A text that begins with a brace is JSON, any other YAML.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, place: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let failure = |error: String| format!("{place}: not a database of referers: {error}");
        let media: Ordered<Ordered<Definition>> = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| failure(error.to_string()))?,
            false => from_yaml(text).map_err(failure)?,
        };
        let mut referers = Self {
            sites: Vec::new(),
            by_domain: HashMap::new(),
            longest: 0,
        };
        for (medium, sources) in media.0 {
            for (name, definition) in sources.0 {
                for domain in definition.domains {
                    referers.longest = referers.longest.max(domain.len());
                    referers.by_domain.insert(domain, referers.sites.len());
                }
                referers.sites.push(Source {
                    medium: medium.clone(),
                    name,
                    parameters: definition.parameters.unwrap_or_default(),
                });
            }
        }
        if referers.by_domain.is_empty() {
            return Err(failure("it holds no domain".to_owned()));
        }
        Ok(referers)
    }

    /// The list of our own.
    ///
    /// # Errors
    /// Never, unless the program's own file is damaged.
    pub fn built_in() -> Result<Self, String> {
        Self::read(BUILT_IN, "built-in referers.json")
    }

    /// The site at a host and a decoded path. The host loses one label after the other; first with the whole path and
    /// with its first segment, then without a path.
    pub fn look_up(&self, host: &str, path: &str) -> Option<Site<'_>> {
        let whole = (!path.is_empty()).then(|| [host, path].concat());
        let first = first_segment(path).map(|first| [host, "/", first].concat());
        let with_path = suffixes(host).find_map(|at| {
            let whole = whole.as_deref().and_then(|text| self.get(&text[at..]));
            whole.or_else(|| self.get(&first.as_deref()?[at..]))
        });
        let index = with_path.or_else(|| suffixes(host).find_map(|at| self.get(&host[at..])))?;
        let source = self.sites.get(index)?;
        Some(Site {
            medium: &source.medium,
            source: &source.name,
            parameters: &source.parameters,
        })
    }

    fn get(&self, key: &str) -> Option<usize> {
        // what is longer than all keys need not be hashed: hosts and paths may be of any length
        (key.len() <= self.longest)
            .then(|| self.by_domain.get(key).copied())
            .flatten()
    }
}

/// Where the host begins, and each of its later labels.
fn suffixes(host: &str) -> impl Iterator<Item = usize> {
    let dots = memchr::memchr_iter(b'.', host.as_bytes());
    std::iter::once(0).chain(dots.map(|dot| dot + 1))
}

/// The second part of Java's `path.split("/")`, which leaves empty parts out at the end.
fn first_segment(path: &str) -> Option<&str> {
    let (_, behind) = path.trim_end_matches('/').split_once('/')?;
    behind.split('/').next()
}

/// `java.net.URI.getPath` of a raw path.
pub(super) fn decoded_path(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut path = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        path.push_str(&rest[..at]);
        rest = &rest[at..];
        // a run of escapes is decoded as one
        let mut run = Vec::new();
        while let Some(byte) = escape(rest) {
            run.push(byte);
            rest = &rest[3..];
        }
        if run.is_empty() {
            // cannot be: the URI was parsed
            path.push('%');
            rest = &rest[1..];
        }
        path.push_str(&Charset::Utf8.decode(&run));
    }
    path.push_str(rest);
    Cow::Owned(path)
}

/// The byte of the escape that a text begins with.
fn escape(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
search:
  Orange:
    parameters:
      - kw
    domains:
      - orange.fr
      - orange.fr/webmail/x
      - fr
  Deep:
    domains: [a.b.orange.fr, twice.com]
email:
  Orange Mail:
    domains:
      - orange.fr/webmail
      - orange.fr/
  Twice:
    domains: [replaced.com]
    domains: [twice.com]
";

    fn source<'r>(referers: &'r Referers, host: &str, path: &str) -> Option<&'r str> {
        referers.look_up(host, path).map(|site| site.source)
    }

    #[test]
    fn paths_come_before_hosts() {
        let referers = Referers::read(YAML, "r.yml").unwrap();
        for (host, path, expected) in [
            ("orange.fr", "", Some("Orange")),
            ("orange.fr", "/x", Some("Orange")),
            ("orange.fr", "/webmail", Some("Orange Mail")),
            ("www.orange.fr", "/webmail/y/z", Some("Orange Mail")),
            ("www.orange.fr", "/webmail/x", Some("Orange")),
            ("www.orange.fr", "/webmail/x/y", Some("Orange Mail")),
            // the whole path, which has no first segment
            ("orange.fr", "/", Some("Orange Mail")),
            ("orange.fr", "///", Some("Orange")),
            // an empty first segment
            ("orange.fr", "//x", Some("Orange Mail")),
            ("a.b.orange.fr", "", Some("Deep")),
            ("a.b.orange.fr", "/webmail", Some("Orange Mail")),
            ("x.a.b.orange.fr", "/x", Some("Deep")),
            ("nowhere.fr", "", Some("Orange")),
            ("orange.fr.", "", None),
            ("twice.com", "", Some("Twice")),
            ("replaced.com", "", None),
            ("com", "", None),
            ("", "", None),
        ] {
            assert_eq!(source(&referers, host, path), expected, "{host}{path}");
        }
        let site = referers.look_up("orange.fr", "").unwrap();
        assert_eq!(
            (site.medium, site.parameters),
            ("search", &["kw".to_owned()][..])
        );
    }

    #[test]
    fn long_hosts_and_paths_take_linear_time() {
        let referers = Referers::built_in().unwrap();
        let host = "a.".repeat(100_000) + "example.com";
        let path = "/x".repeat(100_000);
        assert_eq!(referers.look_up(&host, &path), None);
        assert_eq!(referers.look_up(&path, &host), None);
    }

    #[test]
    fn paths_are_decoded_as_java_does() {
        for (raw, path) in [
            ("", ""),
            ("/a+b", "/a+b"),
            ("/%61%2Fb", "/a/b"),
            ("/%C3%A9%c3", "/é\u{fffd}"),
            ("/%C3/%A9", "/\u{fffd}/\u{fffd}"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%+1", "/%+1"),
        ] {
            assert_eq!(decoded_path(raw), path, "{raw}");
        }
    }

    #[test]
    fn damaged_databases_are_refused() {
        for text in [
            "",
            "[]",
            "{\"a\":1}",
            "{\"a\":{\"b\":{}}}",
            "a: {b: [c]}",
            "{",
        ] {
            let error = Referers::read(text, "r.json").unwrap_err();
            assert!(
                error.starts_with("r.json: not a database of referers: "),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn the_built_in_list_is_tidy() {
        let referers = Referers::built_in().unwrap();
        assert!(referers.by_domain.len() > 150);
        for domain in referers.by_domain.keys() {
            assert_eq!(*domain, domain.trim().to_lowercase());
            assert!(domain.contains('.') && !domain.ends_with('/'), "{domain}");
        }
        for source in &referers.sites {
            let is_search = source.medium == "search";
            assert!(["search", "social", "email", "unknown"].contains(&&*source.medium));
            assert_eq!(is_search, !source.parameters.is_empty(), "{}", source.name);
        }
    }
}
