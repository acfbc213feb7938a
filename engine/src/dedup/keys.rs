//! The table of event ids: 16 bytes an event, in partitions that are sorted one after the other.
//!
//! When the table outgrows its share of memory, its fullest partitions are sorted and written to sealed files. Of equal keys
//! two are kept: they say all that is asked. So an id with 10^8 copies takes no more room than one with two.

mod grace;

use std::hash::Hasher;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::budgeted::{Budgeted, Part, lock, unlocked};
use super::candidates::Candidates;
use crate::error::{Error, Result};
use crate::exec::spill::{Kind, SealedWriter, SpillArea};
use grace::{Grace, keep_two};

/// Partitions of the table; the first byte of a key chooses one.
const PARTITIONS: usize = 256;
/// Keys that a worker gathers for one partition before it takes the partition's lock.
const STAGED_KEYS: usize = 64;
/// Keys in one block of a partition, at most: a partition grows by blocks, so that it is never copied to grow.
const MOST_BLOCK_KEYS: usize = 4096;
const KEY_BYTES: u64 = size_of::<EventKey>() as u64;

/// The 128-bit keyed hash of an event id.
pub type EventKey = u128;

/// Hashes event ids with a key of this process, so that no input can aim at collisions.
#[derive(Debug, Clone, Copy)]
pub struct EventKeyHasher {
    key: (u64, u64),
}

impl EventKeyHasher {
    /// A hasher with a random key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self> {
        let word = || {
            getrandom::u64().map_err(|source| {
                Error::internal("no random bytes from the operating system").with_source(source)
            })
        };
        Ok(Self {
            key: (word()?, word()?),
        })
    }

    /// A hasher that other processes have as well, from 16 secret bytes.
    pub fn from_secret(secret: [u8; 16]) -> Self {
        let (low, high) = secret.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        Self {
            key: (word(low), word(high)),
        }
    }

    /// The key of an event id, whatever its bytes are.
    pub fn key(&self, event_id: &[u8]) -> EventKey {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(event_id);
        hasher.finish128().as_u128()
    }
}

/// Keys of all events of a job; filled by many threads.
#[derive(Debug)]
pub struct KeyTable {
    hasher: EventKeyHasher,
    partitions: Budgeted<Partition>,
    spill: SpillArea,
    block_keys: usize,
    added: AtomicU64,
    /// What went wrong where no error could be returned.
    failure: Mutex<Option<Error>>,
}

#[derive(Debug, Default)]
struct Partition {
    blocks: Vec<Vec<EventKey>>,
    /// Bytes of the blocks.
    held: u64,
    file: Option<SealedWriter>,
}

impl Part for Partition {
    fn held(&self) -> u64 {
        self.held
    }
}

/// One worker's way into a [`KeyTable`]; keys reach the table when it is flushed or dropped.
#[derive(Debug)]
pub struct KeyWriter<'t> {
    table: &'t KeyTable,
    staged: Vec<Vec<EventKey>>,
}

impl KeyTable {
    /// An empty table that takes about `budget` bytes of memory and `spill` for the rest.
    pub fn new(hasher: EventKeyHasher, spill: SpillArea, budget: u64) -> Self {
        let blocks_in_all = budget / KEY_BYTES / PARTITIONS as u64 / 4;
        Self {
            hasher,
            partitions: Budgeted::new(PARTITIONS, budget),
            spill,
            block_keys: usize::try_from(blocks_in_all)
                .unwrap_or(MOST_BLOCK_KEYS)
                .clamp(STAGED_KEYS, MOST_BLOCK_KEYS),
            added: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// A writer for one worker.
    pub fn writer(&self) -> KeyWriter<'_> {
        KeyWriter {
            table: self,
            staged: (0..PARTITIONS).map(|_| Vec::new()).collect(),
        }
    }

    /// Bytes of all keys that were added.
    pub fn bytes(&self) -> u64 {
        self.added.load(Ordering::Relaxed) * KEY_BYTES
    }

    /// Where keys go that do not fit.
    pub fn spill(&self) -> &SpillArea {
        &self.spill
    }

    /// The ids that were added more than once, found by so many threads. They may take `budget` bytes.
    ///
    /// # Errors
    /// When keys cannot be spilled or read back.
    pub fn into_candidates(self, workers: usize, budget: u64) -> Result<Candidates> {
        let candidates = Mutex::new(Candidates::new(self.hasher, budget));
        self.into_repeated(workers, |repeated| lock(&candidates).extend(repeated))?;
        Ok(unlocked(candidates))
    }

    /// Hands the keys that were added more than once to `found`, each once, from as many threads.
    ///
    /// # Errors
    /// As [`into_candidates`](Self::into_candidates).
    pub fn into_repeated(self, workers: usize, found: impl Fn(&[EventKey]) + Sync) -> Result<()> {
        if let Some(error) = unlocked(self.failure) {
            return Err(error);
        }
        let workers = workers.max(1);
        let grace = Grace {
            spill: &self.spill,
            budget: self.partitions.budget() / workers as u64,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .build()
            .map_err(|error| {
                Error::internal("cannot start the worker threads").with_source(error)
            })?;
        pool.install(|| {
            let partitions = self.partitions.into_partitions();
            partitions.into_par_iter().try_for_each(|partition| {
                let Partition { blocks, file, .. } = partition;
                let keys = blocks.concat();
                drop(blocks);
                let file = file.map(SealedWriter::finish).transpose()?;
                grace.repeated(keys, file, 0, &mut |repeated| found(repeated))
            })
        })
    }

    fn append(&self, number: usize, staged: &mut Vec<EventKey>) -> Result<()> {
        self.added.fetch_add(staged.len() as u64, Ordering::Relaxed);
        let add = |partition: &mut Partition| {
            for key in staged.drain(..) {
                match partition.blocks.last_mut() {
                    Some(block) if block.len() < block.capacity() => block.push(key),
                    last => {
                        // Small jobs have small blocks.
                        let before = last.map_or(STAGED_KEYS / 2, |block| block.capacity());
                        let capacity = (before * 2).min(self.block_keys);
                        let mut block = Vec::with_capacity(capacity);
                        block.push(key);
                        partition.held += block.capacity() as u64 * KEY_BYTES;
                        partition.blocks.push(block);
                    }
                }
            }
        };
        self.partitions.change(number, add, |number, partition| {
            self.empty(number, partition)
        })
    }

    /// Sorts a partition; what is left of it goes to its file, or stays if most keys were equal.
    fn empty(&self, number: usize, partition: &mut Partition) -> Result<()> {
        let mut keys: Vec<EventKey> = Vec::new();
        let mut taken = 0;
        for mut block in partition.blocks.drain(..) {
            taken += block.len();
            keep_two(&mut block);
            keys.extend_from_slice(&block);
        }
        partition.held = 0;
        keep_two(&mut keys);
        if keys.len() * 2 <= taken {
            keys.shrink_to_fit();
            partition.held = keys.capacity() as u64 * KEY_BYTES;
            partition.blocks.push(keys);
            return Ok(());
        }
        let file = partition
            .file
            .get_or_insert_with(|| self.spill.writer(Kind::Keys, number as u64));
        grace::append(file, &keys)
    }
}

impl KeyWriter<'_> {
    /// Adds one event id.
    ///
    /// # Errors
    /// When the table is full and its keys cannot be spilled.
    pub fn add(&mut self, event_id: &[u8]) -> Result<()> {
        self.add_key(self.table.hasher.key(event_id))
    }

    /// Adds a key that the table's hasher made, in whatever process.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_key(&mut self, key: EventKey) -> Result<()> {
        let partition = (key >> 120) as usize;
        let staged = &mut self.staged[partition];
        staged.push(key);
        if staged.len() >= STAGED_KEYS {
            self.table.append(partition, staged)?;
        }
        Ok(())
    }

    /// Hands all keys to the table.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn flush(&mut self) -> Result<()> {
        for (partition, staged) in self.staged.iter_mut().enumerate() {
            self.table.append(partition, staged)?;
        }
        Ok(())
    }
}

impl Drop for KeyWriter<'_> {
    fn drop(&mut self) {
        // A key that is lost would be a duplicate that is missed: the table remembers it.
        if let Err(error) = self.flush() {
            lock(&self.table.failure).get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests;
