//! A raw event: one event of a collector payload, as a map of tracker-protocol parameters.

use crate::collector::payload::{CollectorApi, CollectorContext, CollectorSource};
use crate::text::scala_map::ScalaMap;

/// Parameters by name; a name that came without `=` has no value.
pub type Parameters = ScalaMap<Option<String>>;

/// One event before enrichment.
#[derive(Debug, Clone, PartialEq)]
pub struct RawEvent {
    /// Which adapter made it.
    pub api: CollectorApi,
    /// Tracker-protocol parameters.
    pub parameters: Parameters,
    /// Content type of the payload.
    pub content_type: Option<String>,
    /// The collector.
    pub source: CollectorSource,
    /// The circumstances of the request.
    pub context: CollectorContext,
}
