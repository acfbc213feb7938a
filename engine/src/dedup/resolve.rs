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
        .map(|(fingerprint, line)| {
            let new_event_id = is_synthetic.then(|| match &fingerprint {
                Fingerprint::Known(text) => {
                    run.uuid(&[b"synthetic", event_id.as_bytes(), text.as_bytes()])
                }
                Fingerprint::Missing(place) => run.uuid(&[
                    b"synthetic-place",
                    event_id.as_bytes(),
                    object_name(place.object).as_bytes(),
                    &place.offset.to_le_bytes(),
                    &place.index.to_le_bytes(),
                ]),
            });
            Resolved { line, new_event_id }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::Place;
    use super::super::keys::EventKeyHasher;
    use super::super::waiting::Waiting;
    use super::*;

    #[derive(Debug, Clone)]
    struct Event {
        id: u8,
        fingerprint: Option<u8>,
        etl_tstamp_ms: i64,
        offset: u64,
    }

    fn event() -> impl Strategy<Value = Event> {
        (0..4u8, proptest::option::of(0..3u8), 0..3i64).prop_map(|(id, fingerprint, etl)| Event {
            id,
            fingerprint,
            etl_tstamp_ms: etl,
            offset: 0,
        })
    }

    /// What the rules say, in the plainest way: (id, offset of the survivor, is synthetic).
    fn naive(events: &[Event]) -> BTreeSet<(u8, u64, bool)> {
        let mut kept = Vec::new();
        for event in events {
            let is_best = event.fingerprint.is_none()
                || !events.iter().any(|other| {
                    (other.id, other.fingerprint) == (event.id, event.fingerprint)
                        && (other.etl_tstamp_ms, other.offset) < (event.etl_tstamp_ms, event.offset)
                });
            if is_best {
                kept.push(event);
            }
        }
        kept.iter()
            .map(|event| {
                let same_id = kept.iter().filter(|other| other.id == event.id).count();
                (event.id, event.offset, same_id > 1)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn equals_the_naive_model_in_any_order(
            mut events in proptest::collection::vec(event(), 0..40),
            seed in any::<u64>(),
        ) {
            for (index, event) in events.iter_mut().enumerate() {
                event.offset = index as u64;
            }
            let expected = naive(&events);
            // another order of arrival may not matter
            let len = events.len().max(1);
            events.rotate_left((seed as usize) % len);

            let waiting = Waiting::new(EventKeyHasher::random().unwrap());
            for event in &events {
                let fingerprint = event.fingerprint.map(|f| f.to_string());
                waiting.add(&event.id.to_string(), fingerprint.as_deref(), WaitingLine {
                    etl_tstamp_ms: event.etl_tstamp_ms,
                    place: Place { object: 0, offset: event.offset, index: 0 },
                    line: format!("{}", event.offset).into(),
                });
            }
            let natural = waiting.natural_duplicates();
            let run = RunKey::new("run");
            let mut found = BTreeSet::new();
            let mut new_ids = BTreeSet::new();
            for groups in waiting.into_partitions() {
                for (id, group) in groups {
                    for event in resolve_group(&id, group, &run, |_| "a".to_owned()) {
                        found.insert((
                            id.parse::<u8>().unwrap(),
                            event.line.line.parse::<u64>().unwrap(),
                            event.new_event_id.is_some(),
                        ));
                        if let Some(new_id) = event.new_event_id {
                            prop_assert!(new_ids.insert(new_id));
                        }
                    }
                }
            }
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(natural as usize, events.len() - found.len());
        }
    }
}
