//! Resolves the waiting lines of one partition, however many there are.
//!
//! ```text
//! load: groups by id, one line for each id and fingerprint ─── fits ──► cross-batch ──► resolve_group ──► sink
//!   └ outgrows its budget ─┬► ids by the next bits of their hash ──► load, each
//!                          └► hot ids, each by the hash of its fingerprints ──► load, each ──► HotLines ──► sink
//! ```
//!
//! A hot id is one whose lines with different fingerprints take a large share of what fits. Its equal lines meet in one part,
//! where all but one vanish; how many are left is counted over all parts before the first goes out. What is left comes in
//! several parts, so that the lines of one id can be shredded on all cores. Hashes only spread lines; what is equal is
//! decided by comparing.

use super::cross_batch::{CrossBatch, Sighting};
use super::keys::{EventKey, EventKeyHasher};
use super::resolve::{Resolved, new_event_id, resolve_group};
use super::waiting::record::{GATHERED_BYTES, Reader, Record, Writer};
use super::waiting::{
    Fingerprint, Group, Groups, PARTITION_BITS, WaitingLine, WaitingPartition, add_line,
};
use crate::error::{Error, Result};
use crate::exec::spill::{Kind, SealedFile, SpillArea};
use crate::text::ids::RunKey;

/// Parts into which lines that are too many are divided.
const PARTS: usize = 16;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Divisions until all bits of a hash are used. Different ids of equal hash do not occur: its key is random.
const MOST_DIVISIONS: u32 = (u128::BITS - PARTITION_BITS) / PART_BITS;
/// An id is hot if its lines take this part of the budget.
const HOT_PART: u64 = 8;
/// Events about which the cross-batch storage is asked at once, at least (if there are as many).
const BATCH_EVENTS: usize = 256;

/// How partitions are resolved; one serves many threads.
pub struct Resolution<'r> {
    /// Spreads ids over parts.
    pub hasher: EventKeyHasher,
    /// The run that new ids follow from.
    pub run: &'r RunKey,
    /// The relative key of an input object by its rank.
    pub object_name: &'r (dyn Fn(u32) -> String + Sync),
    /// Where lines go that are too many.
    pub spill: &'r SpillArea,
    /// Bytes that the lines of one partition may take in memory, about.
    pub budget: u64,
    /// What knows the events of earlier runs.
    pub cross_batch: Option<&'r dyn CrossBatch>,
}

/// Lines that went nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vanished {
    /// Same id and fingerprint as another one.
    pub natural: u64,
    /// Known from an earlier run.
    pub cross_batch: u64,
}

/// Takes the events that stay.
type Sink<'s> = dyn FnMut(Resolved) -> Result<()> + 's;

/// Lines on their way into parts.
struct Parts(Vec<Writer>);

impl Parts {
    fn new(spill: &SpillArea) -> Self {
        let writer = |number| Writer::new(spill.writer(Kind::Lines, number), GATHERED_BYTES / 4);
        Self((0..PARTS as u64).map(writer).collect())
    }

    fn add(
        &mut self,
        hash: EventKey,
        id: &str,
        fingerprint: &Fingerprint,
        line: &WaitingLine,
    ) -> Result<()> {
        self.0[hash as usize % PARTS].add(id, fingerprint, line)
    }

    /// The parts that hold something.
    fn finish(self) -> Result<Vec<SealedFile>> {
        let mut files = Vec::new();
        for writer in self.0 {
            let file = writer.finish()?;
            if file.plain_bytes() > 0 {
                files.push(file);
            }
        }
        Ok(files)
    }
}

/// Lines of one hot id that are left after natural duplicates are gone.
struct Survivors {
    /// They take turns.
    parts: Vec<Writer>,
    count: usize,
}

/// A part of the lines of a hot id that go to the output.
#[derive(Debug)]
pub struct HotLines {
    event_id: Box<str>,
    is_synthetic: bool,
    file: SealedFile,
}

/// What is known of a partition so far.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Lines that went nowhere.
    pub vanished: Vanished,
    /// Lines that [`Resolution::resolve_hot`] hands over; each part can be taken by another thread.
    pub hot: Vec<HotLines>,
}

impl Resolution<'_> {
    /// Hands the events of a partition that stay to `sink`, but for those of hot ids; the others are counted.
    ///
    /// # Errors
    /// Of the sink and the cross-batch storage; when lines cannot be spilled or read back.
    pub fn resolve(
        &self,
        partition: WaitingPartition,
        sink: &mut impl FnMut(Resolved) -> Result<()>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let WaitingPartition { groups, file } = partition;
        self.by_id(groups, file, 0, &mut outcome, sink)?;
        Ok(outcome)
    }

    /// Hands lines of a hot id to `sink`.
    ///
    /// # Errors
    /// Of the sink; when lines cannot be read back.
    pub fn resolve_hot(
        &self,
        lines: HotLines,
        sink: &mut impl FnMut(Resolved) -> Result<()>,
    ) -> Result<()> {
        let mut reader = Reader::new(&lines.file);
        while let Some(Record {
            event_id,
            fingerprint,
            line,
        }) = reader.next()?
        {
            if event_id != lines.event_id {
                return Err(Error::internal(
                    "a line waits for the decision about another id",
                ));
            }
            let new_event_id = lines
                .is_synthetic
                .then(|| new_event_id(&event_id, &fingerprint, self.run, self.object_name));
            sink(Resolved { line, new_event_id })?;
        }
        Ok(())
    }

    fn by_id(
        &self,
        mut groups: Groups,
        file: Option<SealedFile>,
        divisions: u32,
        outcome: &mut Outcome,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        if let Some(file) = file {
            let mut reader = Reader::new(&file);
            while let Some(record) = reader.next()? {
                let Record {
                    event_id,
                    fingerprint,
                    line,
                } = record;
                let vanished = groups.add(&event_id, fingerprint, line);
                outcome.vanished.natural += u64::from(vanished);
                if groups.bytes > self.budget && groups.are_many() && divisions < MOST_DIVISIONS {
                    let (files, hot) = self.divide(groups, &mut reader, divisions)?;
                    drop(file);
                    for file in files {
                        let file = Some(file);
                        self.by_id(Groups::default(), file, divisions + 1, outcome, sink)?;
                    }
                    for (event_id, files) in hot {
                        self.hot(&event_id, files, outcome)?;
                    }
                    return Ok(());
                }
            }
        }
        self.emit(groups, &mut outcome.vanished, sink)
    }

    /// Divides what was loaded and what is still to come: files by id, and files of each hot id by fingerprint.
    #[allow(clippy::type_complexity)]
    fn divide(
        &self,
        groups: Groups,
        rest: &mut Reader<'_>,
        divisions: u32,
    ) -> Result<(Vec<SealedFile>, Vec<(Box<str>, Vec<SealedFile>)>)> {
        let shift = PARTITION_BITS + PART_BITS * divisions;
        let mut parts = Parts::new(self.spill);
        let mut hot: Vec<(Box<str>, Parts)> = Vec::new();
        let mut add =
            |hot: &mut Vec<(Box<str>, Parts)>, id: &str, fingerprint: &_, line: &_| match hot
                .iter_mut()
                .find(|(hot_id, _)| **hot_id == *id)
            {
                Some((_, parts)) => {
                    parts.add(self.fingerprint_hash(fingerprint), id, fingerprint, line)
                }
                None => {
                    let hash = self.hasher.key(id.as_bytes()) >> shift;
                    parts.add(hash, id, fingerprint, line)
                }
            };
        for (event_id, group) in groups.by_id {
            let bytes: usize = group.values().map(|line| line.line.packed().len()).sum();
            if group.len() > 1 && bytes as u64 > self.budget / HOT_PART {
                hot.push((event_id.clone(), Parts::new(self.spill)));
            }
            for (fingerprint, line) in group {
                add(&mut hot, &event_id, &fingerprint, &line)?;
            }
        }
        while let Some(record) = rest.next()? {
            add(
                &mut hot,
                &record.event_id,
                &record.fingerprint,
                &record.line,
            )?;
        }
        let hot: Result<Vec<_>> = hot
            .into_iter()
            .map(|(event_id, parts)| Ok((event_id, parts.finish()?)))
            .collect();
        Ok((parts.finish()?, hot?))
    }

    fn fingerprint_hash(&self, fingerprint: &Fingerprint) -> EventKey {
        match fingerprint {
            Fingerprint::Known(text) => self.hasher.key(text.as_bytes()),
            Fingerprint::Missing(place) => {
                let mut bytes = [0xff; 24];
                bytes[..4].copy_from_slice(&place.object.to_le_bytes());
                bytes[4..12].copy_from_slice(&place.offset.to_le_bytes());
                bytes[12..16].copy_from_slice(&place.index.to_le_bytes());
                self.hasher.key(&bytes)
            }
        }
    }

    /// Finds out what is left of one id with too many fingerprints for memory.
    fn hot(&self, event_id: &str, files: Vec<SealedFile>, outcome: &mut Outcome) -> Result<()> {
        let mut survivors = Survivors {
            parts: Parts::new(self.spill).0,
            count: 0,
        };
        for file in files {
            self.by_fingerprint(event_id, file, 1, &mut outcome.vanished, &mut survivors)?;
        }
        let is_synthetic = survivors.count > 1;
        for file in Parts(survivors.parts).finish()? {
            outcome.hot.push(HotLines {
                event_id: event_id.into(),
                is_synthetic,
                file,
            });
        }
        Ok(())
    }

    fn by_fingerprint(
        &self,
        event_id: &str,
        file: SealedFile,
        divisions: u32,
        vanished: &mut Vanished,
        survivors: &mut Survivors,
    ) -> Result<()> {
        let mut group = Group::new();
        let mut bytes: u64 = 0;
        let mut reader = Reader::new(&file);
        while let Some(record) = reader.next()? {
            let (change, duplicate) = add_line(&mut group, record.fingerprint, record.line);
            bytes = bytes.saturating_add_signed(change);
            vanished.natural += u64::from(duplicate);
            if bytes > self.budget && group.len() > 1 && divisions < MOST_DIVISIONS {
                let shift = PART_BITS * divisions;
                let mut parts = Parts::new(self.spill);
                for (fingerprint, line) in group.drain() {
                    let hash = self.fingerprint_hash(&fingerprint) >> shift;
                    parts.add(hash, event_id, &fingerprint, &line)?;
                }
                while let Some(record) = reader.next()? {
                    let hash = self.fingerprint_hash(&record.fingerprint) >> shift;
                    parts.add(hash, event_id, &record.fingerprint, &record.line)?;
                }
                drop(file);
                for file in parts.finish()? {
                    self.by_fingerprint(event_id, file, divisions + 1, vanished, survivors)?;
                }
                return Ok(());
            }
        }
        let mut batch = Vec::new();
        for (fingerprint, line) in group {
            batch.push((event_id.into(), fingerprint, line));
            if batch.len() >= BATCH_EVENTS {
                self.survive(&mut batch, vanished, survivors)?;
            }
        }
        self.survive(&mut batch, vanished, survivors)
    }

    /// Writes those of a batch that the cross-batch storage does not know.
    fn survive(
        &self,
        batch: &mut Vec<(Box<str>, Fingerprint, WaitingLine)>,
        vanished: &mut Vanished,
        survivors: &mut Survivors,
    ) -> Result<()> {
        self.leave_unknown(batch, vanished)?;
        for (event_id, fingerprint, line) in batch.drain(..) {
            let part = survivors.count % PARTS;
            survivors.parts[part].add(&event_id, &fingerprint, &line)?;
            survivors.count += 1;
        }
        Ok(())
    }

    /// Hands the events of groups that are complete to the sink.
    fn emit(&self, groups: Groups, vanished: &mut Vanished, sink: &mut Sink<'_>) -> Result<()> {
        let mut write = |event_id: &str, group| {
            resolve_group(event_id, group, self.run, self.object_name)
                .into_iter()
                .try_for_each(&mut *sink)
        };
        if self.cross_batch.is_none() {
            return groups
                .by_id
                .into_iter()
                .try_for_each(|(event_id, group)| write(&event_id, group));
        }
        let mut batch = Vec::new();
        let mut groups = groups.by_id.into_iter().peekable();
        while let Some((event_id, group)) = groups.next() {
            batch.extend(
                group
                    .into_iter()
                    .map(|(fingerprint, line)| (event_id.clone(), fingerprint, line)),
            );
            if batch.len() < BATCH_EVENTS && groups.peek().is_some() {
                continue;
            }
            self.leave_unknown(&mut batch, vanished)?;
            // the events of an id stand side by side
            let mut events = batch.drain(..).peekable();
            while let Some((event_id, fingerprint, line)) = events.next() {
                let mut group = Group::from([(fingerprint, line)]);
                while let Some((_, fingerprint, line)) =
                    events.next_if(|(next_id, ..)| *next_id == event_id)
                {
                    group.insert(fingerprint, line);
                }
                write(&event_id, group)?;
            }
        }
        Ok(())
    }

    /// Removes the events that an earlier run has seen.
    fn leave_unknown(
        &self,
        batch: &mut Vec<(Box<str>, Fingerprint, WaitingLine)>,
        vanished: &mut Vanished,
    ) -> Result<()> {
        let Some(storage) = self.cross_batch else {
            return Ok(());
        };
        if batch.is_empty() {
            return Ok(());
        }
        let sightings: Vec<Sighting<'_>> = batch
            .iter()
            .map(|(event_id, fingerprint, line)| Sighting::of(event_id, fingerprint, line))
            .collect();
        let known = storage.known(&sightings)?;
        if known.len() != batch.len() {
            return Err(Error::internal(
                "the cross-batch storage did not answer for every event",
            ));
        }
        let mut known = known.into_iter();
        let before = batch.len();
        batch.retain(|_| !known.next().unwrap_or(false));
        vanished.cross_batch += (before - batch.len()) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
