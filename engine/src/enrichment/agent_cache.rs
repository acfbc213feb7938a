//! What was found out about user agents, kept for the events to come.
//!
//! A user agent costs tens of microseconds to read, and few of them make up most of the events. The cache is bounded in
//! entries and in bytes, so that made-up user agents that never come again cannot fill the memory; it is divided into
//! shards of which each has its own lock, held for one look-up and never while a user agent is read.
//!
//! Each shard has two generations: a hit in the older one moves the entry to the younger one, and when that is full it
//! becomes the older one, whose entries are dropped. What is asked for again and again stays.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashTable;

use super::lookup::CacheStatistics;

/// Shards; a power of two.
const SHARDS: usize = 64;
/// Most entries of a generation of a shard: 32768 in both generations of all shards.
const ENTRIES: usize = 256;
/// Most bytes of a generation of a shard, keys and values: 16 MiB in both generations of all shards.
const BYTES: usize = 128 << 10;
/// The longest user agent that is kept. Browsers stay below 1 KiB.
const LONGEST: usize = 4 << 10;
/// What an entry takes besides its key and its value: table slot, pointers, counters.
const OVERHEAD: usize = 96;

/// What the cache must know about its values.
pub trait Weighed {
    /// The bytes that it occupies, about.
    fn weight(&self) -> usize;
}

/// A bounded cache from user agents to what they say. Shared by all workers.
pub struct AgentCache<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    hasher: RandomState,
}

struct Shard<V> {
    younger: Generation<V>,
    older: Generation<V>,
    statistics: CacheStatistics,
}

struct Generation<V> {
    entries: HashTable<Entry<V>>,
    bytes: usize,
}

struct Entry<V> {
    hash: u64,
    agent: Box<str>,
    value: Arc<V>,
    bytes: usize,
}

impl<V> std::fmt::Debug for AgentCache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentCache")
            .field("statistics", &self.statistics())
            .finish()
    }
}

impl<V: Weighed> Default for AgentCache<V> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self {
            younger: Generation::default(),
            older: Generation::default(),
            statistics: CacheStatistics::default(),
        }
    }
}

impl<V> Default for Generation<V> {
    fn default() -> Self {
        Self {
            entries: HashTable::new(),
            bytes: 0,
        }
    }
}

impl<V> AgentCache<V> {
    /// How often the value was there.
    pub fn statistics(&self) -> CacheStatistics {
        let mut sum = CacheStatistics::default();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sum.hits += shard.statistics.hits;
            sum.misses += shard.statistics.misses;
        }
        sum
    }
}

impl<V: Weighed> AgentCache<V> {
    /// What is kept about a user agent, else what `read` finds out about it.
    ///
    /// # Errors
    /// The error of `read`, which is not kept.
    pub fn look_up<E>(
        &self,
        agent: &str,
        read: impl FnOnce(&str) -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        let hash = self.hasher.hash_one(agent);
        // the table uses the lowest and the highest bits
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        let kept = shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(hash, agent);
        if let Some(value) = kept {
            return Ok(value);
        }
        let value = Arc::new(read(agent)?);
        let bytes = agent.len() + value.weight() + OVERHEAD;
        if agent.len() <= LONGEST && bytes <= BYTES {
            let entry = Entry {
                hash,
                agent: agent.into(),
                value: Arc::clone(&value),
                bytes,
            };
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.insert(entry);
        }
        Ok(value)
    }
}

impl<V> Shard<V> {
    fn get(&mut self, hash: u64, agent: &str) -> Option<Arc<V>> {
        let is_it = |entry: &Entry<V>| entry.hash == hash && *entry.agent == *agent;
        if let Some(entry) = self.younger.entries.find(hash, is_it) {
            self.statistics.hits += 1;
            return Some(Arc::clone(&entry.value));
        }
        match self.older.entries.find_entry(hash, is_it) {
            Ok(occupied) => {
                let (entry, _) = occupied.remove();
                self.older.bytes -= entry.bytes;
                self.statistics.hits += 1;
                let value = Arc::clone(&entry.value);
                self.insert(entry);
                Some(value)
            }
            Err(_) => {
                self.statistics.misses += 1;
                None
            }
        }
    }

    /// Adds an entry to the younger generation; another worker may have been faster.
    fn insert(&mut self, entry: Entry<V>) {
        let is_it = |other: &Entry<V>| other.hash == entry.hash && other.agent == entry.agent;
        if self.younger.entries.find(entry.hash, is_it).is_some() {
            return;
        }
        let younger = &self.younger;
        if younger.entries.len() >= ENTRIES || younger.bytes + entry.bytes > BYTES {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.bytes += entry.bytes;
        self.younger
            .entries
            .insert_unique(entry.hash, entry, |entry| entry.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for String {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    fn look_up(cache: &AgentCache<String>, agent: &str) -> (String, bool) {
        let mut is_read = false;
        let value = cache.look_up(agent, |agent| {
            is_read = true;
            Ok::<_, ()>(agent.to_uppercase())
        });
        ((*value.unwrap()).clone(), is_read)
    }

    fn held(cache: &AgentCache<String>) -> (usize, usize) {
        cache.shards.iter().fold((0, 0), |(entries, bytes), shard| {
            let shard = shard.lock().unwrap();
            let both = [&shard.younger, &shard.older];
            (
                entries + both.iter().map(|g| g.entries.len()).sum::<usize>(),
                bytes + both.iter().map(|g| g.bytes).sum::<usize>(),
            )
        })
    }

    #[test]
    fn values_are_read_once_and_errors_again() {
        let cache = AgentCache::default();
        assert_eq!(look_up(&cache, "a"), ("A".to_owned(), true));
        assert_eq!(look_up(&cache, "b"), ("B".to_owned(), true));
        assert_eq!(look_up(&cache, "a"), ("A".to_owned(), false));
        assert_eq!(cache.look_up("c", |_| Err("no")), Err("no"));
        assert_eq!(look_up(&cache, "c"), ("C".to_owned(), true));
        let statistics = cache.statistics();
        assert_eq!((statistics.hits, statistics.misses), (1, 4));
    }

    #[test]
    fn strangers_do_not_drive_out_what_comes_often_nor_fill_the_memory() {
        let cache = AgentCache::default();
        for number in 0..200_000 {
            look_up(&cache, &format!("made up {number}"));
            if number % 50 == 0 {
                let (_, is_read) = look_up(&cache, "often");
                assert_eq!(is_read, number == 0, "{number}");
            }
        }
        let (entries, bytes) = held(&cache);
        assert!(entries <= 2 * SHARDS * ENTRIES, "{entries}");
        assert!(entries > SHARDS * ENTRIES / 2, "{entries}");
        assert!(bytes <= 2 * SHARDS * BYTES, "{bytes}");
    }

    #[test]
    fn long_ones_are_bounded_by_bytes_and_very_long_ones_not_kept() {
        let cache = AgentCache::default();
        let long = "x".repeat(LONGEST - 10);
        for number in 0..20_000 {
            look_up(&cache, &format!("{long}{number}"));
        }
        let (entries, bytes) = held(&cache);
        assert!(bytes <= 2 * SHARDS * BYTES && bytes > SHARDS * BYTES / 2);
        assert!(entries < 4_000, "{entries}");

        let cache = AgentCache::default();
        let longer = "x".repeat(LONGEST + 1);
        assert!(look_up(&cache, &longer).1);
        assert!(look_up(&cache, &longer).1);
        assert_eq!(held(&cache), (0, 0));
    }

    #[test]
    fn workers_share_it() {
        let cache = AgentCache::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..2_000 {
                        let agent = format!("agent {}", number % 500);
                        assert_eq!(look_up(&cache, &agent).0, agent.to_uppercase());
                    }
                });
            }
        });
        assert_eq!(held(&cache).0, 500);
        let statistics = cache.statistics();
        assert_eq!(statistics.hits + statistics.misses, 8_000);
    }
}
