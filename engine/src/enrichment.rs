//! Enrichment: one raw event becomes an enriched event, or the texts of a bad row.
//!
//! The steps and their order are those of Scala Common Enrich 0.34.0 (`EnrichmentManager`), and
//! [`Enricher::enrich`] is the one place that shows them. Each step works on what the earlier ones
//! left in the [`Draft`]; a step that fails leaves a text and does not stop the later ones. At the
//! end an event without texts is good, and all texts of a bad one come out in the reference's
//! order, which is not the order of the steps ([`failures`]).
//!
//! The sixteen configurable enrichments stand at fixed places between the steps
//! ([`registry::Stage`]); which of them run is decided by their [configuration](config).

pub mod anon_ip;
pub mod api_request;
pub mod campaign_attribution;
pub mod agent_cache;
pub mod codes;
mod collector_fields;
pub mod config;
pub mod cookie_extractor;
pub mod cross_domain;
pub mod currency;
mod data_file;
pub mod databases;
pub mod derived_contexts;
pub mod draft;
pub mod environment;
pub mod event_fingerprint;
pub mod failures;
pub mod http;
pub mod http_header_extractor;
pub mod iab_spiders_and_robots;
pub mod input;
pub mod ip_lookups;
pub mod javascript;
pub mod json_fields;
pub mod lookup;
pub mod page_uri;
pub mod pii;
pub mod referer_parser;
pub mod registry;
pub mod schema_check;
pub mod sql_query;
pub mod timestamps;
pub mod tracker_fields;
pub mod weather;
pub mod ua_parser;
pub mod user_agent_utils;

use std::sync::Arc;

use crate::adapter::raw_event::RawEvent;
use crate::error::Result;
use crate::event::EnrichedEvent;
use crate::iglu::Resolver;
use crate::text::time::format_tstamp;

pub use config::EnrichmentConfigs;
pub use draft::Draft;
pub use environment::Environment;
pub use failures::{EnrichFailure, Interrupt, Unexpected};

use failures::FailureStep;
use json_fields::DecodedJsons;
use registry::{Enrichments, Stage};

/// What is the same for all events of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichSettings {
    /// Value of `v_etl`, e.g. `spark-1.15.0-common-0.34.0`.
    pub v_etl: String,
    /// Time of the run for `etl_tstamp`, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
}

/// Enriches events. Built once a job and shared by all workers.
#[derive(Debug)]
pub struct Enricher {
    resolver: Arc<Resolver>,
    v_etl: String,
    etl_tstamp: String,
    enrichments: Enrichments,
}

impl Enricher {
    /// Checks the configurations of the enrichments and makes everything ready for the first event.
    ///
    /// # Errors
    /// `Config` when the configurations are not valid, or ask for what this engine does not have.
    pub fn new(
        resolver: Arc<Resolver>,
        settings: EnrichSettings,
        configs: EnrichmentConfigs,
        environment: &Environment,
    ) -> Result<Self> {
        let enrichments = configs.build(&resolver, environment)?;
        Ok(Self::with_enrichments(resolver, settings, enrichments))
    }

    fn with_enrichments(
        resolver: Arc<Resolver>,
        settings: EnrichSettings,
        enrichments: Enrichments,
    ) -> Self {
        Self {
            resolver,
            v_etl: settings.v_etl,
            etl_tstamp: format_tstamp(settings.etl_tstamp_ms),
            enrichments,
        }
    }

    /// Enriches one event. `event_id` is the id that it gets if its tracker gave it none: a version
    /// 4 UUID in lower case.
    ///
    /// # Errors
    /// The texts of a bad row; [`EnrichFailure::Unexpected`] costs all events of the record.
    ///
    /// With a `session` no service is waited for: [`EnrichFailure::Pending`] says that it has new
    /// questions. Without one, services are asked on the spot.
    pub fn enrich(
        &self,
        raw: &RawEvent,
        event_id: String,
        session: Option<&lookup::Session>,
    ) -> std::result::Result<EnrichedEvent, EnrichFailure> {
        self.enrich_noting(raw, event_id, session, &mut Vec::new())
            .map(|(event, _)| event)
    }

    /// [`enrich`](Self::enrich), which also gives column `pii`, which the TSV does not have (what the
    /// pseudonymisation replaced, if its configuration wants that told), and appends the names of the
    /// configurable enrichments that made the event bad.
    ///
    /// # Errors
    /// The same.
    pub fn enrich_noting(
        &self,
        raw: &RawEvent,
        event_id: String,
        session: Option<&lookup::Session>,
        failed_enrichments: &mut Vec<&'static str>,
    ) -> std::result::Result<(EnrichedEvent, Option<String>), EnrichFailure> {
        let decoded = DecodedJsons::new(&raw.parameters);
        let mut draft = Draft::new(raw);
        draft.session = session;
        self.run_steps(&mut draft, &decoded, event_id)?;
        if draft.failures.is_empty() {
            Ok((draft.event, draft.pii))
        } else {
            failed_enrichments.extend(draft.failures.enrichments());
            Err(EnrichFailure::Rejected(draft.failures.into_texts()))
        }
    }

    /// Whether the pseudonymisation tells what it replaced.
    pub fn emits_pii(&self) -> bool {
        self.enrichments.emits_pii()
    }

    /// The caches of the enrichments, by the names of these.
    pub fn caches(&self) -> Vec<(&'static str, lookup::CacheStatistics)> {
        self.enrichments.caches()
    }

    /// All steps in their order.
    fn run_steps<'e>(
        &self,
        draft: &mut Draft<'e>,
        decoded: &'e DecodedJsons,
        event_id: String,
    ) -> std::result::Result<(), Interrupt> {
        let run = |stage: Stage, draft: &mut Draft<'e>| self.enrichments.run(stage, draft);

        collector_fields::set(draft, event_id, &self.v_etl, &self.etl_tstamp);
        timestamps::collector(draft);
        collector_fields::useragent(draft);

        tracker_fields::first_pass(draft, decoded);
        tracker_fields::second_pass(draft);
        collector_fields::check_version(draft);

        page_uri::page(draft);
        run(Stage::IpLookups, draft)?;
        timestamps::derived(draft);
        run(Stage::Iab, draft)?;
        run(Stage::AnonIp, draft)?;
        run(Stage::UserAgentUtils, draft)?;
        run(Stage::UaParser, draft)?;
        run(Stage::CurrencyConversion, draft)?;

        page_uri::referer(draft);
        if draft.referer_uri.is_some() {
            run(Stage::RefererParser, draft)?;
        }
        cross_domain::page_querystring(draft);
        if draft.page_querystring.is_some() {
            run(Stage::CampaignAttribution, draft)?;
            cross_domain::set(draft)?;
        }
        run(Stage::EventFingerprint, draft)?;

        let unstruct_event = schema_check::validate(draft, &self.resolver);
        schema_check::event_schema(draft, &self.resolver, unstruct_event.as_deref());

        run(Stage::Javascript, draft)?;
        run(Stage::CookieExtractor, draft)?;
        run(Stage::HttpHeaderExtractor, draft)?;
        run(Stage::Weather, draft)?;
        if !draft.failures.has(FailureStep::CustomContexts)
            && !draft.failures.has(FailureStep::UnstructEvent)
        {
            run(Stage::SqlQuery, draft)?;
            if !draft.failures.has(FailureStep::SqlQuery) {
                run(Stage::ApiRequest, draft)?;
            }
        }
        draft.derived_contexts.write(&mut draft.event);
        run(Stage::Pii, draft)
    }
}

#[cfg(test)]
mod tests;
