//! Enrichment `referer_parser`: what kind of site a visitor came from.
//!
//! Reads the referrer's URI and `page_urlhost`; sets `refr_medium`, `refr_source` and `refr_term`. It never fails an event.
//! The algorithm is that of referer-parser 0.3.0, which the reference's `RefererParserEnrichment` calls.
//!
//! The [database](referers) is data: the file that parameters `uri` and `database` name (as in version 2-0-0 of the
//! configuration), or else `referers.yml` or `referers.json` in the folder of option `--enrichment-data`, or else a short list
//! of our own: large search engines, social networks and mail services. With the database of referer-parser 0.3.0 the columns
//! are the reference's. It reads the YAML; the JSON has its sites in another order, which matters for a domain that is
//! there twice.

pub mod referers;

use super::config::EnrichmentConfig;
use super::data_file;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;
use crate::event::Field;
use crate::text::clean::tsv_safe;
use crate::text::java_uri::JavaUri;
use crate::text::querystring::parse_uri_query;
use referers::{Referers, decoded_path};

/// Names of the file in the folder of look-up files; the first one that is there counts.
const FILES: [&str; 2] = ["referers.yml", "referers.json"];

/// What is known about a referrer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referer<'r> {
    /// `internal`, `unknown`, or a medium of the database: `search`, `social`, `email`.
    pub medium: &'r str,
    /// Name of the site.
    pub source: Option<&'r str>,
    /// What was searched for, safe for a TSV.
    pub term: Option<String>,
}

/// The enrichment.
#[derive(Debug)]
pub struct RefererParser {
    internal_domains: Vec<String>,
    referers: Referers,
}

/// Makes the enrichment.
///
/// # Errors
/// What is wrong with the configuration or the file of the database.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    Ok(Box::new(RefererParser::new(config, environment)?))
}

impl RefererParser {
    /// The enrichment of a configuration.
    ///
    /// # Errors
    /// What is wrong with it or with the file of the database.
    pub fn new(config: &EnrichmentConfig, environment: &Environment) -> Result<Self, Vec<String>> {
        let domains = config.texts(&["parameters", "internalDomains"]);
        let domains = domains.map_err(|text| vec![text])?;
        let mut file = data_file::configured(config, environment)?;
        for name in FILES {
            if file.is_none() {
                file = data_file::in_folder(name, environment)?;
            }
        }
        let referers = match file {
            Some(file) => Referers::read(&file.text, &file.place).map_err(|text| vec![text])?,
            None => Referers::built_in().map_err(|text| vec![text])?,
        };
        Ok(Self {
            internal_domains: domains.into_iter().map(str::to_owned).collect(),
            referers,
        })
    }

    /// Hosts that count as internal besides the page's, as they were configured.
    pub fn internal_domains(&self) -> &[String] {
        &self.internal_domains
    }

    /// What is known about a referrer; `None` for a URI that is no `http` or `https` address with a host.
    pub fn referer(&self, uri: &JavaUri, page_host: Option<&str>) -> Option<Referer<'_>> {
        if !matches!(uri.scheme.as_deref(), Some("http" | "https")) {
            return None;
        }
        let host = uri.host.as_deref()?;
        let bare = |medium| Referer {
            medium,
            source: None,
            term: None,
        };
        // only the configured ones are trimmed, of characters up to the space
        let mut internal = self
            .internal_domains
            .iter()
            .map(|domain| domain.trim_matches(|c| c <= ' '));
        if page_host == Some(host) || internal.any(|domain| domain == host) {
            return Some(bare("internal"));
        }
        let path = decoded_path(uri.path.as_deref().unwrap_or_default());
        let Some(site) = self.referers.look_up(host, &path) else {
            return Some(bare("unknown"));
        };
        let term = match site.medium {
            "search" => term(uri.query.as_deref(), site.parameters),
            _ => None,
        };
        Some(Referer {
            medium: site.medium,
            source: Some(site.source),
            term,
        })
    }
}

/// The value of the first parameter of the query that is one of `parameters`.
fn term(query: Option<&str>, parameters: &[String]) -> Option<String> {
    let pairs = parse_uri_query(query, "UTF-8").ok()?;
    let mut pairs = pairs.into_iter();
    let (_, value) = pairs.find(|(name, _)| parameters.contains(name))?;
    let value = value?;
    Some(tsv_safe(&value)?.into_owned())
}

impl Enrichment for RefererParser {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let Some(uri) = &draft.referer_uri else {
            return Ok(());
        };
        let Some(referer) = self.referer(uri, draft.event.get(Field::PageUrlhost)) else {
            return Ok(());
        };
        for (column, value) in [
            (Field::RefrMedium, Some(referer.medium)),
            (Field::RefrSource, referer.source),
            (Field::RefrTerm, referer.term.as_deref()),
        ] {
            if let Some(value) = value.and_then(tsv_safe) {
                draft.event.set(column, &value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;
    use crate::iglu::SchemaKey;

    fn enrichment(parameters: &str, database: Option<&str>) -> Result<RefererParser, Vec<String>> {
        let config = EnrichmentConfig {
            name: "referer_parser".to_owned(),
            schema: SchemaKey::parse(
                "iglu:com.snowplowanalytics.snowplow/referer_parser/jsonschema/1-0-0",
            )
            .unwrap(),
            data: crate::json::parse(&format!(r#"{{"parameters":{parameters}}}"#))
                .unwrap()
                .unwrap()
                .into_owned(),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        if let Some(database) = database {
            std::fs::write(folder.path().join(FILES[1]), database).unwrap();
            environment.databases.folder = Some(folder.path().to_owned());
        }
        RefererParser::new(&config, &environment)
    }

    const DOMAINS: &str = r#"{"internalDomains":[" shop.example.com","blog.example.com\t"]}"#;

    fn columns(enrichment: &RefererParser, referer: &str) -> [Option<String>; 3] {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.event.set(Field::PageUrlhost, "www.example.com");
        draft.event.set(Field::PageReferrer, referer);
        super::super::page_uri::referer(&mut draft);
        enrichment.apply(&mut draft).unwrap();
        assert!(draft.failures.is_empty(), "{referer}");
        [Field::RefrMedium, Field::RefrSource, Field::RefrTerm]
            .map(|column| draft.event.get(column).map(str::to_owned))
    }

    #[test]
    fn media_sources_and_terms() {
        let database = r#"{
            "unknown": {"Finder": {"domains": ["help.finder.com"]}},
            "search": {
                "Finder": {"parameters": ["q", "Query"], "domains": ["finder.com", "finder.de/search"]},
                "Other\tFinder": {"domains": ["other.com"], "parameters": []}
            },
            "social": {"Friends": {"domains": ["friends.org"], "parameters": ["q"]}},
            "email": {}
        }"#;
        let enrichment = enrichment(DOMAINS, Some(database)).unwrap();
        for (referer, expected) in [
            (
                "http://www.finder.com/?q=a+b%20c",
                ["search", "Finder", "a b c"],
            ),
            (
                "https://finder.com/x?p=1;Query=%C3%A9&q=2",
                ["search", "Finder", "é"],
            ),
            ("http://finder.com?query=1", ["search", "Finder", "-"]),
            ("http://finder.com?q&q=1", ["search", "Finder", "-"]),
            ("http://finder.com?q=", ["search", "Finder", "-"]),
            (
                "http://finder.com?q=a%09b%0Ac",
                ["search", "Finder", "a    bc"],
            ),
            ("http://finder.com?q=%0A", ["search", "Finder", "-"]),
            ("http://finder.com", ["search", "Finder", "-"]),
            ("http://help.finder.com?q=1", ["unknown", "Finder", "-"]),
            ("http://finder.de/search/x?q=1", ["search", "Finder", "1"]),
            ("http://finder.de/sear%63h?q=1", ["search", "Finder", "1"]),
            ("http://finder.de/x?q=1", ["unknown", "-", "-"]),
            ("http://other.com?q=1", ["search", "Other    Finder", "-"]),
            ("http://a.b.c.friends.org/d?q=1", ["social", "Friends", "-"]),
            ("http://FINDER.com?q=1", ["unknown", "-", "-"]),
            ("http://nowhere", ["unknown", "-", "-"]),
            ("http://www.example.com/?q=1", ["internal", "-", "-"]),
            ("http://shop.example.com", ["internal", "-", "-"]),
            ("http://blog.example.com:81/x", ["internal", "-", "-"]),
            ("http://x.shop.example.com", ["unknown", "-", "-"]),
            ("HTTP://finder.com?q=1", ["-", "-", "-"]),
            ("ftp://finder.com", ["-", "-", "-"]),
            ("//finder.com", ["-", "-", "-"]),
            ("http:finder.com", ["-", "-", "-"]),
            ("http://a_b.finder.com/", ["-", "-", "-"]),
            ("-", ["-", "-", "-"]),
        ] {
            let expected = expected.map(|text| (text != "-").then(|| text.to_owned()));
            assert_eq!(columns(&enrichment, referer), expected, "{referer}");
        }
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        enrichment.apply(&mut draft).unwrap();
        assert_eq!(draft.event.values().count(), 0);
    }

    #[test]
    fn the_built_in_list_knows_the_large_ones() {
        let enrichment = enrichment(DOMAINS, None).unwrap();
        for (referer, expected) in [
            (
                "http://www.google.com/search?q=gateway+oracle+cards+denise+linn&hl=en&client=safari",
                ["search", "Google", "gateway oracle cards denise linn"],
            ),
            ("https://www.google.co.uk/", ["search", "Google", "-"]),
            ("https://mail.google.com/mail/u/0/", ["email", "Gmail", "-"]),
            ("https://www.bing.com/search?q=a", ["search", "Bing", "a"]),
            ("https://duckduckgo.com/?q=a", ["search", "DuckDuckGo", "a"]),
            (
                "https://fr.search.yahoo.com/search?p=a",
                ["search", "Yahoo!", "a"],
            ),
            ("https://mail.yahoo.com/", ["email", "Yahoo! Mail", "-"]),
            ("https://l.facebook.com/l.php", ["social", "Facebook", "-"]),
            ("https://t.co/x", ["social", "Twitter", "-"]),
            ("https://www.example.org/", ["unknown", "-", "-"]),
        ] {
            let expected = expected.map(|text| (text != "-").then(|| text.to_owned()));
            assert_eq!(columns(&enrichment, referer), expected, "{referer}");
        }
    }

    #[test]
    fn wrong_configurations() {
        assert_eq!(
            enrichment("{}", None).unwrap_err(),
            ["JSON path parameters.internalDomains not found"]
        );
        assert!(enrichment(r#"{"internalDomains":[1]}"#, None).is_err());
        let error = enrichment(DOMAINS, Some("[]")).unwrap_err();
        assert!(error[0].contains("/referers.json: "), "{error:?}");
        assert_eq!(
            enrichment(r#"{"internalDomains":[],"uri":"http://a"}"#, None).unwrap_err(),
            ["JSON path parameters.database not found"]
        );
    }
}
