//! Good events whose id may occur more than once: they wait as enriched lines until all are known.
//!
//! Only one line is kept for each id and fingerprint, so that a hot id with any number of equal copies takes
//! the place of one. Lines that outgrow their share of memory go to sealed, compressed files, by the hash of their id.

mod packed;
pub(super) mod record;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

pub use packed::PackedLine;

use super::Place;
use super::budgeted::{Budgeted, Part};
use super::keys::EventKeyHasher;
use crate::error::Result;
use crate::exec::spill::{Kind, SealedFile, SealedWriter, SpillArea};

/// Groups are spread over so many locks and files.
pub(super) const PARTITIONS: usize = 64;
/// Bits of an id's key that choose the partition.
pub(super) const PARTITION_BITS: u32 = PARTITIONS.trailing_zeros();
/// Bytes that a line takes in memory besides its own, about: tables and allocations.
const LINE_OVERHEAD: u64 = 160;
/// Bytes that an id takes besides, about.
const ID_OVERHEAD: u64 = 320;

/// What tells events with one id apart. An event without fingerprint is equal to no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fingerprint {
    /// Column `event_fingerprint`.
    Known(Box<str>),
    /// No fingerprint: its place stands for it.
    Missing(Place),
}

impl Fingerprint {
    fn bytes(&self) -> u64 {
        match self {
            Self::Known(text) => text.len() as u64,
            Self::Missing(_) => 0,
        }
    }
}

/// The best line so far of one id and fingerprint.
#[derive(Debug)]
pub struct WaitingLine {
    /// `etl_tstamp` in milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Where it stands in the input.
    pub place: Place,
    /// The enriched line, without terminator.
    pub line: PackedLine,
}

/// Lines of one event id by fingerprint.
pub type Group = HashMap<Fingerprint, WaitingLine>;

/// Adds a line to a group: of two with equal fingerprint the one with the earlier `etl_tstamp` stays, then the one with the
/// lesser place. Returns the change of the bytes held, and whether one of two vanished.
pub(super) fn add_line(
    group: &mut Group,
    fingerprint: Fingerprint,
    line: WaitingLine,
) -> (i64, bool) {
    let size = |line: &WaitingLine| i64::try_from(line.line.packed().len()).unwrap_or(i64::MAX);
    match group.entry(fingerprint) {
        Entry::Vacant(entry) => {
            let bytes = size(&line) + (entry.key().bytes() + LINE_OVERHEAD) as i64;
            entry.insert(line);
            (bytes, false)
        }
        Entry::Occupied(mut entry) => {
            let kept = entry.get_mut();
            if (line.etl_tstamp_ms, line.place) < (kept.etl_tstamp_ms, kept.place) {
                let change = size(&line) - size(kept);
                *kept = line;
                (change, true)
            } else {
                (0, true)
            }
        }
    }
}

/// Groups by id, and the bytes that they take in memory, about.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) by_id: HashMap<Box<str>, Group>,
    pub(super) bytes: u64,
}

impl Groups {
    /// Whether there is more than one line: one alone cannot be divided.
    pub(super) fn are_many(&self) -> bool {
        self.by_id.len() > 1 || self.by_id.values().any(|group| group.len() > 1)
    }

    /// Adds a line as [`add_line`] does; true if one of two natural duplicates vanished.
    pub(super) fn add(
        &mut self,
        event_id: &str,
        fingerprint: Fingerprint,
        line: WaitingLine,
    ) -> bool {
        let group = match self.by_id.get_mut(event_id) {
            Some(group) => group,
            None => {
                self.bytes += event_id.len() as u64 + ID_OVERHEAD;
                self.by_id.entry(event_id.into()).or_default()
            }
        };
        let (change, vanished) = add_line(group, fingerprint, line);
        self.bytes = self.bytes.saturating_add_signed(change);
        vanished
    }
}

/// All waiting lines of a job; filled by many threads.
#[derive(Debug)]
pub struct Waiting {
    hasher: EventKeyHasher,
    partitions: Budgeted<Partition>,
    spill: SpillArea,
    natural_duplicates: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Partition {
    groups: Groups,
    file: Option<SealedWriter>,
}

impl Part for Partition {
    fn held(&self) -> u64 {
        self.groups.bytes
    }
}

/// The lines of some ids, in memory and on disk.
#[derive(Debug)]
pub struct WaitingPartition {
    pub(super) groups: Groups,
    pub(super) file: Option<SealedFile>,
}

impl Waiting {
    /// Nothing waits yet. Event ids are spread by `hasher`; lines take about `budget` bytes of memory, and `spill` for the
    /// rest.
    pub fn new(hasher: EventKeyHasher, spill: SpillArea, budget: u64) -> Self {
        Self {
            hasher,
            partitions: Budgeted::new(PARTITIONS, budget),
            spill,
            natural_duplicates: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Adds a good line. Of two with equal id and fingerprint the one with the earlier `etl_tstamp` stays, then
    /// the one with the lesser place; the other is counted as a natural duplicate, now or when it is resolved.
    ///
    /// # Errors
    /// When lines must be spilled and cannot be.
    pub fn add(&self, event_id: &str, fingerprint: Option<&str>, line: WaitingLine) -> Result<()> {
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(line.line.packed().len() as u64, Ordering::Relaxed);
        let fingerprint = match fingerprint {
            Some(text) => Fingerprint::Known(text.into()),
            None => Fingerprint::Missing(line.place),
        };
        let number = (self.hasher.key(event_id.as_bytes()) as usize) % PARTITIONS;
        let has_vanished = self.partitions.change(
            number,
            |partition| partition.groups.add(event_id, fingerprint, line),
            |number, partition| empty(&self.spill, number, partition),
        )?;
        if has_vanished {
            self.natural_duplicates.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lines that were added, and their bytes.
    pub fn added(&self) -> (u64, u64) {
        (
            self.lines.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    /// Lines that vanished as natural duplicates while they were added. Those that are found out when the partitions are
    /// resolved come on top.
    pub fn natural_duplicates(&self) -> u64 {
        self.natural_duplicates.load(Ordering::Relaxed)
    }

    /// The hasher that spreads ids.
    pub fn hasher(&self) -> EventKeyHasher {
        self.hasher
    }

    /// The groups, in parts that can be resolved side by side. A part that has lines on disk has all of them there.
    ///
    /// # Errors
    /// When lines cannot be spilled.
    pub fn into_partitions(self) -> Result<Vec<WaitingPartition>> {
        let mut parts = Vec::new();
        let partitions = self.partitions.into_partitions();
        for (number, mut partition) in partitions.into_iter().enumerate() {
            if partition.file.is_some() {
                empty(&self.spill, number, &mut partition)?;
            }
            let Partition { groups, file } = partition;
            let file = file.map(SealedWriter::finish).transpose()?;
            if file.is_some() || !groups.by_id.is_empty() {
                parts.push(WaitingPartition { groups, file });
            }
        }
        Ok(parts)
    }
}

/// Writes the groups of a partition to its file.
fn empty(spill: &SpillArea, number: usize, partition: &mut Partition) -> Result<()> {
    let writer = partition
        .file
        .take()
        .unwrap_or_else(|| spill.writer(Kind::Lines, number as u64));
    let mut file = record::Writer::new(writer, record::GATHERED_BYTES);
    for (event_id, group) in std::mem::take(&mut partition.groups).by_id {
        for (fingerprint, line) in group {
            file.add(&event_id, &fingerprint, &line)?;
        }
    }
    partition.file = Some(file.flush()?);
    Ok(())
}
