//! The configurable enrichments: which there are, where each stands among the steps, and how one is
//! made from its configuration.
//!
//! To add one: a file with a type that implements [`Enrichment`], and its constructor in its line
//! of [`KNOWN`]. Its place in the order is its [`Stage`] and stands already in
//! [`Enricher::enrich`](super::Enricher::enrich).

use crate::iglu::SchemaCriterion;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::lookup::CacheStatistics;
use super::sql_query::SqlQuery;
use super::{javascript, pii};
use super::{referer_parser, ua_parser, user_agent_utils};

/// The places of the configurable enrichments, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reads `user_ipaddress`, which parameter `ip` may have replaced.
    IpLookups,
    /// Reads the address before it is anonymised.
    Iab,
    /// Overwrites `user_ipaddress`.
    AnonIp,
    /// Reads `useragent`.
    UserAgentUtils,
    /// Reads `useragent`, makes a context.
    UaParser,
    /// Reads amounts, currencies and the collector's time.
    CurrencyConversion,
    /// Runs only with a referrer URI, after its components are set.
    RefererParser,
    /// Runs only with a page querystring.
    CampaignAttribution,
    /// Reads the parameters of the raw event.
    EventFingerprint,
    /// Reads and changes any column, makes contexts.
    Javascript,
    /// Reads the headers, makes contexts.
    CookieExtractor,
    /// Reads the headers, makes contexts.
    HttpHeaderExtractor,
    /// Reads place and derived time, makes a context.
    Weather,
    /// Runs only when contexts and event are valid; sees the contexts made so far.
    SqlQuery,
    /// As the SQL query, and only if that did not fail; sees its contexts too.
    ApiRequest,
    /// Runs last, after column `derived_contexts` is set.
    Pii,
}

/// Number of places.
const STAGES: usize = Stage::Pii as usize + 1;

/// One configured enrichment. Shared by all workers.
pub trait Enrichment: std::fmt::Debug + Send + Sync {
    /// Reads and changes the draft of one event. What makes the event bad goes to
    /// [`Draft::failures`], under the enrichment's own step.
    ///
    /// # Errors
    /// `Unexpected` only for what the reference throws instead of returning: it costs the whole
    /// record. `Pending` where a service has to be asked first.
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt>;

    /// Whether it tells, in [`Draft::pii`], what it replaced.
    fn emits_pii(&self) -> bool {
        false
    }

    /// How often its cache had the answer, where it has one.
    fn cache(&self) -> Option<CacheStatistics> {
        None
    }
}

/// Makes an enrichment from a configuration that its JSON Schema found valid, and from what the job
/// offers; the texts say what is wrong with it all the same.
pub type Build = fn(&EnrichmentConfig, &Environment) -> Result<Box<dyn Enrichment>, Vec<String>>;

/// An enrichment of the reference.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its place.
    pub stage: Stage,
    /// Its `data.name` in configurations, and the name of their schema.
    pub name: &'static str,
    /// Vendor of the schema of its configurations.
    pub vendor: &'static str,
    /// Which versions of that schema are supported: one or several, with a blank between them.
    pub versions: &'static str,
    /// Its constructor, unless this engine does not have it yet.
    pub build: Option<Build>,
}

impl Known {
    /// Which schemas of configurations are supported, by their versions.
    pub fn criteria(&self) -> Option<Vec<SchemaCriterion>> {
        let Self { vendor, name, .. } = self;
        let versions = self.versions.split(' ');
        versions
            .map(|versions| {
                SchemaCriterion::parse(&format!("iglu:{vendor}/{name}/jsonschema/{versions}"))
            })
            .collect()
    }
}

const fn known(
    stage: Stage,
    vendor: &'static str,
    name: &'static str,
    versions: &'static str,
    build: Option<Build>,
) -> Known {
    Known {
        stage,
        name,
        vendor,
        versions,
        build,
    }
}

const CORE: &str = "com.snowplowanalytics.snowplow";
const LATER: &str = "com.snowplowanalytics.snowplow.enrichments";

/// All enrichments of Scala Common Enrich 0.34.0, in the order in which they run.
#[rustfmt::skip]
pub const KNOWN: [Known; STAGES] = [
    known(Stage::IpLookups, CORE, "ip_lookups", "2-0-*", Some(super::ip_lookups::build)),
    known(Stage::Iab, LATER, "iab_spiders_and_robots_enrichment", "1-0-*", Some(super::iab_spiders_and_robots::build)),
    known(Stage::AnonIp, CORE, "anon_ip", "1-0-*", Some(super::anon_ip::build)),
    known(Stage::UserAgentUtils, CORE, "user_agent_utils_config", "1-0-*", Some(user_agent_utils::build)),
    known(Stage::UaParser, CORE, "ua_parser_config", "1-0-*", Some(ua_parser::build)),
    known(Stage::CurrencyConversion, CORE, "currency_conversion_config", "1-0-*", Some(super::currency::build)),
    known(Stage::RefererParser, CORE, "referer_parser", "1-0-* 2-0-*", Some(referer_parser::build)),
    known(Stage::CampaignAttribution, CORE, "campaign_attribution", "1-0-*", Some(super::campaign_attribution::build)),
    known(Stage::EventFingerprint, CORE, "event_fingerprint_config", "1-0-*", Some(super::event_fingerprint::build)),
    known(Stage::Javascript, CORE, "javascript_script_config", "1-0-*", Some(javascript::build)),
    known(Stage::CookieExtractor, CORE, "cookie_extractor_config", "1-0-*", Some(super::cookie_extractor::build)),
    known(Stage::HttpHeaderExtractor, LATER, "http_header_extractor_config", "1-0-*", Some(super::http_header_extractor::build)),
    known(Stage::Weather, LATER, "weather_enrichment_config", "1-0-*", Some(super::weather::build)),
    known(Stage::SqlQuery, LATER, "sql_query_enrichment_config", "1-0-0", Some(SqlQuery::build)),
    known(Stage::ApiRequest, LATER, "api_request_enrichment_config", "1-0-0", Some(super::api_request::build)),
    known(Stage::Pii, LATER, "pii_enrichment_config", "2-0-0", Some(pii::build)),
];

/// The enrichments of a job, by their places.
#[derive(Debug, Default)]
pub struct Enrichments {
    by_stage: [Option<Box<dyn Enrichment>>; STAGES],
}

impl Enrichments {
    /// Puts an enrichment at its place, where it replaces an earlier one.
    pub fn insert(&mut self, stage: Stage, enrichment: Box<dyn Enrichment>) {
        self.by_stage[stage as usize] = Some(enrichment);
    }

    /// Whether one of the job's enrichments tells what it replaced.
    pub fn emits_pii(&self) -> bool {
        self.by_stage.iter().flatten().any(|e| e.emits_pii())
    }

    /// The caches of the job's enrichments, by the names of these.
    pub fn caches(&self) -> Vec<(&'static str, CacheStatistics)> {
        let with_names = KNOWN.iter().zip(&self.by_stage);
        with_names
            .filter_map(|(known, enrichment)| Some((known.name, enrichment.as_ref()?.cache()?)))
            .collect()
    }

    /// Applies the enrichment of `stage`, if there is one.
    pub(super) fn run(&self, stage: Stage, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        match &self.by_stage[stage as usize] {
            Some(enrichment) => enrichment.apply(draft),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_one_enrichment_in_order() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].stage < pair[1].stage));
        let mut names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 16);
    }

    #[test]
    fn criteria_can_be_parsed() {
        for known in KNOWN {
            let criteria = known.criteria().unwrap();
            for criterion in &criteria {
                assert_eq!(
                    (&*criterion.vendor, &*criterion.name),
                    (known.vendor, known.name)
                );
            }
            let versions: Vec<_> = criteria.iter().map(|c| (c.model, c.revision)).collect();
            let expected = match known.name {
                "ip_lookups" | "pii_enrichment_config" => vec![(2, Some(0))],
                "referer_parser" => vec![(1, Some(0)), (2, Some(0))],
                _ => vec![(1, Some(0))],
            };
            assert_eq!(versions, expected, "{}", known.name);
        }
    }
}
