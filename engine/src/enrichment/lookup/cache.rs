//! Answers by their questions: as many as were configured, as long as was configured, and never more than a bound of bytes.
//!
//! Large caches are cut into shards by the hash of the question, so that workers seldom wait for each other; a small one is
//! in one piece, so that the answer unused for the longest time is exactly the one that goes.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::CacheSettings;

/// Answers of one cache take at most about so many bytes, whatever its size in answers.
const MOST_BYTES: usize = 128 << 20;

/// Shards of a large cache.
const SHARDS: usize = 16;

/// Caches of fewer answers are in one piece.
const LEAST_SHARDED: usize = 1024;

/// What an answer takes besides its own bytes and those of its question.
const OVERHEAD: usize = 128;

pub(super) struct Cache<A> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<A>>>,
    /// Most answers of a shard.
    size: usize,
    /// Most bytes of a shard.
    most_bytes: usize,
    ttl: Option<Duration>,
}

struct Shard<A> {
    entries: LruCache<Box<str>, Entry<A>>,
    bytes: usize,
}

struct Entry<A> {
    answer: A,
    stored: Instant,
    bytes: usize,
}

impl<A: Clone> Cache<A> {
    pub(super) fn new(settings: CacheSettings) -> Self {
        Self::with_bytes(settings, MOST_BYTES)
    }

    fn with_bytes(settings: CacheSettings, most_bytes: usize) -> Self {
        let shards = if settings.size < LEAST_SHARDED {
            1
        } else {
            SHARDS
        };
        let shard = || {
            Mutex::new(Shard {
                // The configured size may be any number: room is made when it is needed.
                entries: LruCache::unbounded(),
                bytes: 0,
            })
        };
        Self {
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            size: settings.size.div_ceil(shards),
            most_bytes: most_bytes / shards,
            ttl: settings.ttl,
        }
    }

    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard<A>>> {
        let shard = match self.shards.as_slice() {
            [shard] => shard,
            // the remainder is less than the number of shards
            shards => shards.get((self.hasher.hash_one(key) % shards.len() as u64) as usize)?,
        };
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to `key`, unless it is too old.
    pub(super) fn get(&self, key: &str) -> Option<A> {
        let mut shard = self.shard(key)?;
        let entry = shard.entries.get(key)?;
        if self.ttl.is_none_or(|ttl| entry.stored.elapsed() < ttl) {
            return Some(entry.answer.clone());
        }
        let bytes = entry.bytes;
        shard.entries.pop(key);
        shard.bytes -= bytes;
        None
    }

    /// Keeps an answer of about `bytes` bytes, and lets others go for it.
    pub(super) fn put(&self, key: &str, answer: A, bytes: usize) {
        let bytes = bytes.saturating_add(key.len()).saturating_add(OVERHEAD);
        if self.size == 0 || bytes > self.most_bytes {
            return;
        }
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        let entry = Entry {
            answer,
            stored: Instant::now(),
            bytes,
        };
        let replaced = shard.entries.put(key.into(), entry);
        shard.bytes = shard.bytes - replaced.map_or(0, |old| old.bytes) + bytes;
        while shard.entries.len() > self.size || shard.bytes > self.most_bytes {
            let Some((_, gone)) = shard.entries.pop_lru() else {
                break;
            };
            shard.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(size: usize, ttl: Option<Duration>) -> Cache<u32> {
        Cache::new(CacheSettings { size, ttl })
    }

    #[test]
    fn the_answer_unused_for_the_longest_time_goes() {
        let cache = cache(2, None);
        cache.put("a", 1, 0);
        cache.put("b", 2, 0);
        assert_eq!(cache.get("a"), Some(1));
        cache.put("c", 3, 0);
        assert_eq!(
            (cache.get("a"), cache.get("b"), cache.get("c")),
            (Some(1), None, Some(3))
        );
        cache.put("a", 4, 0);
        assert_eq!((cache.get("a"), cache.get("c")), (Some(4), Some(3)));
    }

    #[test]
    fn an_answer_has_an_end() {
        let cache = cache(10, Some(Duration::from_millis(30)));
        cache.put("a", 1, 0);
        assert_eq!(cache.get("a"), Some(1));
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(cache.get("a"), None);
        cache.put("a", 2, 0);
        assert_eq!(cache.get("a"), Some(2));
    }

    #[test]
    fn a_cache_without_room_keeps_nothing() {
        let cache = cache(0, None);
        cache.put("a", 1, 0);
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn sizes_beyond_memory_cost_nothing_before_they_are_used() {
        let cache = cache(usize::MAX, None);
        for number in 0..5000 {
            cache.put(&number.to_string(), number, 0);
        }
        assert!((0..5000).all(|number| cache.get(&number.to_string()) == Some(number)));
    }

    #[test]
    fn bytes_are_bounded() {
        let settings = CacheSettings {
            size: 1000,
            ttl: None,
        };
        let cache = Cache::with_bytes(settings, 10_000);
        for number in 0..100_u32 {
            cache.put(&format!("{number:02}"), number, 1000 - OVERHEAD - 2);
        }
        let kept: Vec<_> = (0..100)
            .filter_map(|n| cache.get(&format!("{n:02}")))
            .collect();
        assert_eq!(kept, (90..100).collect::<Vec<_>>());
        cache.put("too large", 7, 10_000);
        assert_eq!(cache.get("too large"), None);
        cache.put("99", 1, usize::MAX);
        assert_eq!(cache.get("99"), Some(99));
    }
}
