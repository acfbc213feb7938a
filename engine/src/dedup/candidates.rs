//! Event ids that may occur more than once: an exact set, or a filter where that would be too large.
//!
//! The filter is a split block Bloom filter (Putze, Sanders, Singler 2007; the variant of Apache Parquet): blocks of 256
//! bits, eight bits a key in one block. With 12 bits a key about 6 of 1,000 other events are taken for candidates; when it fills up
//! further, more are. They wait for nothing, which costs time.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::keys::{EventKey, EventKeyHasher};

/// Bytes of the exact set for one key, while it grows.
const BYTES_PER_EXACT_KEY: u64 = 48;
/// Bytes of a block of the filter.
const BLOCK_BYTES: u64 = 32;
/// Odd constants that take eight independent places from 32 bits of a key.
const SALTS: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Event ids that may occur more than once in a job, by their keys.
#[derive(Debug)]
pub struct Candidates {
    hasher: EventKeyHasher,
    keys: Keys,
    ids: u64,
    /// Bytes that the keys may take.
    budget: u64,
}

#[derive(Debug)]
enum Keys {
    Exact(KeySet),
    Filter(Vec<[u32; 8]>),
}

impl Candidates {
    /// The candidates with these keys, which `hasher` made, in whatever process. They may take `budget` bytes.
    pub fn of_keys(hasher: EventKeyHasher, budget: u64, keys: &[EventKey]) -> Self {
        let mut candidates = Self::new(hasher, budget);
        candidates.extend(keys);
        candidates
    }

    /// No candidates yet; they may take `budget` bytes.
    pub(super) fn new(hasher: EventKeyHasher, budget: u64) -> Self {
        Self {
            hasher,
            keys: Keys::Exact(KeySet::default()),
            ids: 0,
            budget,
        }
    }

    /// Adds keys that were not added before.
    pub(crate) fn extend(&mut self, keys: &[EventKey]) {
        self.ids += keys.len() as u64;
        if let Keys::Exact(set) = &mut self.keys {
            let fitting = self.budget / BYTES_PER_EXACT_KEY;
            if (set.len() + keys.len()) as u64 <= fitting {
                set.extend(keys);
                return;
            }
            let blocks = usize::try_from(self.budget / BLOCK_BYTES)
                .unwrap_or(1)
                .max(1);
            let mut filter = vec![[0; 8]; blocks];
            for &key in set.iter() {
                insert(&mut filter, key);
            }
            self.keys = Keys::Filter(filter);
        }
        if let Keys::Filter(filter) = &mut self.keys {
            for &key in keys {
                insert(filter, key);
            }
        }
    }

    /// Whether `event_id` may occur more than once.
    pub fn contains(&self, event_id: &[u8]) -> bool {
        match &self.keys {
            Keys::Exact(set) => !set.is_empty() && set.contains(&self.hasher.key(event_id)),
            Keys::Filter(filter) => {
                let key = self.hasher.key(event_id);
                let block = &filter[block_of(key, filter.len())];
                block
                    .iter()
                    .zip(bits_of(key))
                    .all(|(word, bit)| word & bit != 0)
            }
        }
    }

    /// Number of ids that occur more than once.
    pub fn len(&self) -> u64 {
        self.ids
    }

    /// Whether every id occurs once.
    pub fn is_empty(&self) -> bool {
        self.ids == 0
    }

    /// Whether other ids may be taken for candidates.
    pub fn is_filter(&self) -> bool {
        matches!(self.keys, Keys::Filter(_))
    }
}

fn insert(filter: &mut [[u32; 8]], key: EventKey) {
    let index = block_of(key, filter.len());
    for (word, bit) in filter[index].iter_mut().zip(bits_of(key)) {
        *word |= bit;
    }
}

/// The high half of a key chooses the block.
fn block_of(key: EventKey, blocks: usize) -> usize {
    ((u128::from((key >> 64) as u64) * blocks as u128) >> 64) as usize
}

/// Bits of the low half choose the places in it.
fn bits_of(key: EventKey) -> impl Iterator<Item = u32> {
    let low = key as u32;
    SALTS
        .into_iter()
        .map(move |salt| 1 << (low.wrapping_mul(salt) >> 27))
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

    fn filled(ids: u64, budget: u64) -> Candidates {
        let hasher = EventKeyHasher::random().unwrap();
        let mut candidates = Candidates::new(hasher, budget);
        for id in 0..ids {
            candidates.extend(&[hasher.key(&id.to_le_bytes())]);
        }
        candidates
    }

    fn wrongly_found(candidates: &Candidates) -> usize {
        (0..10_000u64)
            .filter(|id| candidates.contains(&(id + (1 << 40)).to_le_bytes()))
            .count()
    }

    #[test]
    fn a_set_while_it_fits_then_a_filter() {
        for (ids, budget, is_filter, most_wrong) in [
            (0, 0, false, 0),
            (1_000, 48_000, false, 0),
            // 16 and 12 bits a key
            (1_001, 2_002, true, 60),
            (10_000, 15_000, true, 150),
            // hopelessly full: everything is a candidate, nothing is lost
            (10_000, 1_000, true, 10_000),
            (10, 0, true, 10_000),
        ] {
            let candidates = filled(ids, budget);
            assert_eq!(candidates.len(), ids);
            assert_eq!(candidates.is_filter(), is_filter, "{ids} in {budget}");
            assert!((0..ids).all(|id| candidates.contains(&id.to_le_bytes())));
            let wrong = wrongly_found(&candidates);
            assert!(wrong <= most_wrong, "{ids} in {budget}: {wrong}");
        }
    }
}
