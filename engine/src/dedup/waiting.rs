//! Good events whose id may occur more than once: they wait as enriched lines until all are known.
//!
//! Only one line is kept for each id and fingerprint, so that a hot id with any number of equal copies takes
//! the place of one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Place;
use super::keys::EventKeyHasher;

/// Groups are spread over so many locks.
const PARTITIONS: usize = 64;

/// What tells events with one id apart. An event without fingerprint is equal to no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fingerprint {
    /// Column `event_fingerprint`.
    Known(Box<str>),
    /// No fingerprint: its place stands for it.
    Missing(Place),
}

/// The best line so far of one id and fingerprint.
#[derive(Debug)]
pub struct WaitingLine {
    /// `etl_tstamp` in milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Where it stands in the input.
    pub place: Place,
    /// The enriched line, without terminator.
    pub line: Box<str>,
}

/// Lines of one event id by fingerprint.
pub type Group = HashMap<Fingerprint, WaitingLine>;

/// All waiting lines of a job; filled by many threads.
#[derive(Debug)]
pub struct Waiting {
    hasher: EventKeyHasher,
    partitions: Vec<Mutex<HashMap<Box<str>, Group>>>,
    natural_duplicates: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl Waiting {
    /// Nothing waits yet. Event ids are spread by `hasher`.
    pub fn new(hasher: EventKeyHasher) -> Self {
        Self {
            hasher,
            partitions: (0..PARTITIONS)
                .map(|_| Mutex::new(HashMap::new()))
                .collect(),
            natural_duplicates: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Adds a good line. Of two with equal id and fingerprint the one with the earlier `etl_tstamp` stays, then
    /// the one with the lesser place; the other is counted as a natural duplicate.
    pub fn add(&self, event_id: &str, fingerprint: Option<&str>, line: WaitingLine) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(line.line.len() as u64, Ordering::Relaxed);
        let fingerprint = match fingerprint {
            Some(text) => Fingerprint::Known(text.into()),
            None => Fingerprint::Missing(line.place),
        };
        let partition = (self.hasher.key(event_id.as_bytes()) as usize) % PARTITIONS;
        let mut groups = self.partitions[partition]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let group = match groups.get_mut(event_id) {
            Some(group) => group,
            None => groups.entry(event_id.into()).or_default(),
        };
        match group.entry(fingerprint) {
            Entry::Vacant(entry) => {
                entry.insert(line);
            }
            Entry::Occupied(mut entry) => {
                self.natural_duplicates.fetch_add(1, Ordering::Relaxed);
                let kept = entry.get_mut();
                if (line.etl_tstamp_ms, line.place) < (kept.etl_tstamp_ms, kept.place) {
                    *kept = line;
                }
            }
        }
    }

    /// Lines that were added, and their bytes.
    pub fn added(&self) -> (u64, u64) {
        (
            self.lines.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    /// Lines that vanished as natural duplicates.
    pub fn natural_duplicates(&self) -> u64 {
        self.natural_duplicates.load(Ordering::Relaxed)
    }

    /// The groups, in parts that can be resolved side by side.
    pub fn into_partitions(self) -> Vec<HashMap<Box<str>, Group>> {
        self.partitions
            .into_iter()
            .map(|p| {
                p.into_inner()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
            })
            .filter(|groups| !groups.is_empty())
            .collect()
    }
}
