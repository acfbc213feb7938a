//! Decides about the events of one id, once all are known.
//!
//! Natural duplicates are gone by then: each fingerprint has one line. If several fingerprints remain, the
//! events are synthetic duplicates (RDB Shredder R29, `DuplicateStorage`/`ShredJob`): all of them, also the
//! first, get new ids. The reference draws these at random; ours follow from the run, the old id and the
//! fingerprint, so that a second run repeats them.

use super::waiting::{Fingerprint, Group, WaitingLine};
use crate::text::ids::RunKey;

/// One event that goes to the output.
#[derive(Debug)]
pub struct Resolved {
    /// The enriched line.
    pub line: WaitingLine,
    /// The id that it gets, if it is a synthetic duplicate.
    pub new_event_id: Option<String>,
}

/// The events of one id. `object_name` gives the relative key of an input object by its rank: the place of an
/// event enters its new id by name, so that the id does not depend on what else is in the folder.
pub fn resolve_group(
    event_id: &str,
    group: Group,
    run: &RunKey,
    object_name: impl Fn(u32) -> String,
) -> Vec<Resolved> {
    let is_synthetic = group.len() > 1;
    let mut events: Vec<(Fingerprint, WaitingLine)> = group.into_iter().collect();
    events.sort_unstable_by_key(|(_, line)| (line.etl_tstamp_ms, line.place));
    events
        .into_iter()
        .map(|(fingerprint, line)| Resolved {
            new_event_id: is_synthetic
                .then(|| new_event_id(event_id, &fingerprint, run, &object_name)),
            line,
        })
        .collect()
}

/// The new id of a synthetic duplicate.
pub(super) fn new_event_id(
    event_id: &str,
    fingerprint: &Fingerprint,
    run: &RunKey,
    object_name: impl Fn(u32) -> String,
) -> String {
    match fingerprint {
        Fingerprint::Known(text) => run.uuid(&[b"synthetic", event_id.as_bytes(), text.as_bytes()]),
        Fingerprint::Missing(place) => run.uuid(&[
            b"synthetic-place",
            event_id.as_bytes(),
            object_name(place.object).as_bytes(),
            &place.offset.to_le_bytes(),
            &place.index.to_le_bytes(),
        ]),
    }
}
