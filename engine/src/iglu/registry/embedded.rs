//! The repository that is part of the engine: `Iglu Client Embedded`.
//!
//! The reference's client carries four schemas (the wrapper check and three versions of the resolver
//! configuration). This engine carries more, written anew with equal verdicts, so that a job whose
//! own registries hold only its own schemas runs without a network: the wrappers of events and
//! contexts, the payloads of trackers, and the configurations of the enrichments.

use std::sync::OnceLock;

use super::{DocumentError, Failure, Found};
use crate::iglu::key::SchemaKey;
use crate::iglu::message::Message;

/// A schema in the program, compiled when it is first asked for.
struct Bundled {
    /// `vendor/name/format/version`
    path: &'static str,
    text: &'static str,
    compiled: OnceLock<Result<Found, Failure>>,
}

macro_rules! bundled {
    ($path:literal) => {
        Bundled {
            path: $path,
            text: include_str!(concat!("../../../data/schemas/", $path)),
            compiled: OnceLock::new(),
        }
    };
}

/// In order of their paths.
#[rustfmt::skip]
static SCHEMAS: [Bundled; 34] = [
    bundled!("com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1"),
    bundled!("com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-2"),
    bundled!("com.snowplowanalytics.self-desc/instance-iglu-only/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/api_request_enrichment_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/http_header_extractor_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/iab_spiders_and_robots_enrichment/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/pii_enrichment_config/jsonschema/2-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/sql_query_enrichment_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow.enrichments/weather_enrichment_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/campaign_attribution/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/campaign_attribution/jsonschema/1-0-1"),
    bundled!("com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"),
    bundled!("com.snowplowanalytics.snowplow/cookie_extractor_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/currency_conversion_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/duplicate/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/ip_lookups/jsonschema/2-0-0"),
    bundled!("com.snowplowanalytics.snowplow/javascript_script_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-1"),
    bundled!("com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-2"),
    bundled!("com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-3"),
    bundled!("com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"),
    bundled!("com.snowplowanalytics.snowplow/referer_parser/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/referer_parser/jsonschema/2-0-0"),
    bundled!("com.snowplowanalytics.snowplow/ua_parser_config/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/ua_parser_config/jsonschema/1-0-1"),
    bundled!("com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0"),
    bundled!("com.snowplowanalytics.snowplow/user_agent_utils_config/jsonschema/1-0-0"),
];

/// Path of the schema that every self-describing JSON is checked against.
const INSTANCE_IGLU_ONLY: &str =
    "com.snowplowanalytics.self-desc/instance-iglu-only/jsonschema/1-0-0";

/// The embedded schema of `key`.
///
/// # Errors
/// Never, unless a file of the engine itself is damaged.
pub fn fetch(key: &SchemaKey) -> Result<Option<Found>, Failure> {
    fetch_path(&key.path())
}

/// The schema of self-describing JSONs.
///
/// # Errors
/// Never, unless a file of the engine itself is damaged: then its messages.
pub fn instance_iglu_only() -> Result<Found, Vec<Message>> {
    match fetch_path(INSTANCE_IGLU_ONLY) {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(vec![Message::error(
            "Schema of self-describing JSONs is missing",
        )]),
        Err(Failure::Recoverable(message)) => Err(vec![message]),
        Err(Failure::Unusable(messages)) => Err(messages),
    }
}

/// Paths of all embedded schemas, sorted.
pub fn paths() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|bundled| bundled.path)
}

fn fetch_path(path: &str) -> Result<Option<Found>, Failure> {
    let Ok(index) = SCHEMAS.binary_search_by(|bundled| bundled.path.cmp(path)) else {
        return Ok(None);
    };
    let Some(bundled) = SCHEMAS.get(index) else {
        return Ok(None);
    };
    bundled
        .compiled
        .get_or_init(|| compile(bundled))
        .clone()
        .map(Some)
}

fn compile(bundled: &Bundled) -> Result<Found, Failure> {
    let damaged = |why: &str| {
        Failure::Unusable(vec![Message::error(format!(
            "Problem parsing /iglu-client-embedded/schemas/{} as JSON in embedded Iglu repository {}: {why}",
            bundled.path,
            super::EMBEDDED_NAME
        ))])
    };
    let key =
        SchemaKey::parse(&format!("iglu:{}", bundled.path)).ok_or_else(|| damaged("bad path"))?;
    super::compile(&key, bundled.text.as_bytes()).map_err(|error| match error {
        DocumentError::Json(why) => damaged(&why),
        DocumentError::Empty => damaged("empty"),
        DocumentError::Syntax(messages) => Failure::Unusable(messages),
    })
}

#[cfg(test)]
mod tests;
