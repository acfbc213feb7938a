//! Where events that an earlier run has seen vanish (RDB Shredder's `DuplicateStorage`): between natural and synthetic
//! duplicates, so that an event that vanishes here makes no synthetic duplicate of another.
//!
//! The storage sees each id and fingerprint once, from whatever thread resolves it, in batches.

use super::Place;
use super::waiting::{Fingerprint, WaitingLine};
use crate::error::Result;

/// An event about which the storage is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'e> {
    /// Column `event_id`.
    pub event_id: &'e str,
    /// Column `event_fingerprint`, if there is one.
    pub fingerprint: Option<&'e str>,
    /// Column `etl_tstamp`, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Where the event stands: it stands in for a missing fingerprint.
    pub place: Place,
}

impl<'e> Sighting<'e> {
    /// The sighting of a line that waits.
    pub(super) fn of(event_id: &'e str, fingerprint: &'e Fingerprint, line: &WaitingLine) -> Self {
        Self {
            event_id,
            fingerprint: match fingerprint {
                Fingerprint::Known(text) => Some(text),
                Fingerprint::Missing(_) => None,
            },
            etl_tstamp_ms: line.etl_tstamp_ms,
            place: line.place,
        }
    }
}

/// Remembers the events of earlier runs.
pub trait CrossBatch: Sync {
    /// For each event whether an earlier run has seen it; those that none has seen are remembered from now on.
    ///
    /// # Errors
    /// When the storage gives no answer: the job cannot go on then.
    fn known(&self, events: &[Sighting<'_>]) -> Result<Vec<bool>>;
}
