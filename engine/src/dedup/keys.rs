//! The table of event ids: 16 bytes an event, in partitions that are sorted one after the other.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::error::{Error, Result};

/// Partitions of the table; the first byte of a key chooses one.
const PARTITIONS: usize = 256;
/// Keys that a worker gathers for one partition before it takes the partition's lock.
const STAGED_KEYS: usize = 256;
/// Keys in one block of a partition: a partition grows by blocks, so that it is never copied to grow.
const BLOCK_KEYS: usize = 4096;

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
    partitions: Vec<Mutex<Vec<Vec<EventKey>>>>,
}

/// One worker's way into a [`KeyTable`]; keys reach the table when it is flushed or dropped.
#[derive(Debug)]
pub struct KeyWriter<'t> {
    table: &'t KeyTable,
    staged: Vec<Vec<EventKey>>,
}

impl KeyTable {
    /// An empty table.
    pub fn new(hasher: EventKeyHasher) -> Self {
        let partitions = (0..PARTITIONS).map(|_| Mutex::new(Vec::new())).collect();
        Self { hasher, partitions }
    }

    /// A writer for one worker.
    pub fn writer(&self) -> KeyWriter<'_> {
        KeyWriter {
            table: self,
            staged: (0..PARTITIONS).map(|_| Vec::new()).collect(),
        }
    }

    /// Bytes of all keys in the table.
    pub fn bytes(&self) -> u64 {
        let keys: usize = self
            .partitions
            .iter()
            .map(|partition| lock(partition).iter().map(Vec::len).sum::<usize>())
            .sum();
        (keys * size_of::<EventKey>()) as u64
    }

    /// The ids that were added more than once. Partitions are freed one after the other.
    pub fn into_candidates(self) -> Candidates {
        let mut keys = KeySet::default();
        for partition in self.partitions {
            let blocks = partition
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut sorted: Vec<EventKey> = blocks.concat();
            drop(blocks);
            sorted.sort_unstable();
            keys.extend(
                sorted
                    .windows(2)
                    .filter(|pair| pair[0] == pair[1])
                    .map(|pair| pair[0]),
            );
        }
        Candidates {
            hasher: self.hasher,
            keys,
        }
    }
}

impl KeyWriter<'_> {
    /// Adds one event id.
    pub fn add(&mut self, event_id: &[u8]) {
        let key = self.table.hasher.key(event_id);
        let partition = (key >> 120) as usize;
        let staged = &mut self.staged[partition];
        staged.push(key);
        if staged.len() >= STAGED_KEYS {
            self.table.append(partition, staged);
        }
    }

    /// Hands all keys to the table.
    pub fn flush(&mut self) {
        for (partition, staged) in self.staged.iter_mut().enumerate() {
            self.table.append(partition, staged);
        }
    }
}

impl Drop for KeyWriter<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl KeyTable {
    fn append(&self, partition: usize, staged: &mut Vec<EventKey>) {
        let mut blocks = lock(&self.partitions[partition]);
        for &key in staged.iter() {
            match blocks.last_mut() {
                Some(block) if block.len() < BLOCK_KEYS => block.push(key),
                _ => {
                    // The first block of a small job grows on demand, later ones are full sized.
                    let capacity = if blocks.is_empty() {
                        STAGED_KEYS
                    } else {
                        BLOCK_KEYS
                    };
                    let mut block = Vec::with_capacity(capacity);
                    block.push(key);
                    blocks.push(block);
                }
            }
        }
        staged.clear();
    }
}

/// A panicking worker cannot leave a list of keys half written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Event ids that occur more than once in a job, by their keys.
#[derive(Debug)]
pub struct Candidates {
    hasher: EventKeyHasher,
    keys: KeySet,
}

impl Candidates {
    /// Whether `event_id` may occur more than once.
    pub fn contains(&self, event_id: &[u8]) -> bool {
        !self.keys.is_empty() && self.keys.contains(&self.hasher.key(event_id))
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether every id occurs once.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Keys are hashes already: their low bits serve as they are.
type KeySet = HashSet<EventKey, BuildHasherDefault<KeyBits>>;

/// Hasher that hands the low half of a key through.
#[derive(Debug, Default)]
struct KeyBits(u64);

impl Hasher for KeyBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(ids: &[&str]) -> Candidates {
        let table = KeyTable::new(EventKeyHasher::random().unwrap());
        let mut writer = table.writer();
        for id in ids {
            writer.add(id.as_bytes());
        }
        drop(writer);
        table.into_candidates()
    }

    #[test]
    fn only_repeated_ids_are_candidates() {
        let found = candidates(&["a", "b", "a", "c", "a", "", ""]);
        assert_eq!(found.len(), 2);
        assert!(found.contains(b"a") && found.contains(b""));
        assert!(!found.contains(b"b") && !found.contains(b"d"));
        assert!(candidates(&["a", "b"]).is_empty());
    }

    #[test]
    fn many_workers_many_keys() {
        let table = KeyTable::new(EventKeyHasher::random().unwrap());
        std::thread::scope(|scope| {
            for worker in 0..4u64 {
                let table = &table;
                scope.spawn(move || {
                    let mut writer = table.writer();
                    // ids 0..50_000 by each worker once; every tenth by the second worker alone again
                    for id in 0..50_000u64 {
                        writer.add(&(worker * 50_000 + id).to_le_bytes());
                        if worker == 1 && id % 10 == 0 {
                            writer.add(&id.to_le_bytes());
                        }
                    }
                });
            }
        });
        assert_eq!(table.bytes(), 16 * 205_000);
        let found = table.into_candidates();
        assert_eq!(found.len(), 5_000);
        assert!(found.contains(&10u64.to_le_bytes()) && !found.contains(&11u64.to_le_bytes()));
    }
}
