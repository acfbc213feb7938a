//! Deduplication by keys: 16 bytes an event move, events do not.
//!
//! 1. **Scan** ([`keys`]): a keyed 128-bit hash of every event id goes into a partitioned table; ids that
//!    occur more than once become [`Candidates`](candidates::Candidates).
//! 2. **Shred**: an event whose id is no candidate goes straight to the output. A good candidate waits
//!    ([`waiting`]) as its enriched line.
//! 3. **Resolve** ([`partition`], [`resolve`]): of the lines with one id and fingerprint the earliest is kept; what an
//!    earlier run has seen vanishes ([`cross_batch`]); ids that then still have several fingerprints get new ids.
//!
//! A false candidate (hash collision, full filter, bad event) costs time, never correctness: decisions compare real values.
//!
//! Each step has a share of the memory limit ([`Shares`]). What outgrows it goes to sealed
//! [spill files](crate::exec::spill), partitioned by hash, and is taken up again part by part; parts that are still too
//! large are divided further. The result does not depend on it (invariants 2 and 5).

mod budgeted;
pub mod candidates;
pub mod cross_batch;
pub mod keys;
pub mod partition;
pub mod resolve;
pub mod waiting;

/// Where an event stands in the input of a job. The order of places decides which of two natural duplicates
/// with the same `etl_tstamp` is kept, and does not depend on workers or splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Rank of the object among the input's objects in order of their relative keys.
    pub object: u32,
    /// Byte offset of the line (or block) in the decompressed object.
    pub offset: u64,
    /// Index within the line or block.
    pub index: u32,
}

/// What the steps of deduplication may hold in memory, in bytes. Keys are gone when lines begin to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Keys of events.
    pub keys: u64,
    /// Candidates.
    pub candidates: u64,
    /// Lines that wait, and again those that are being resolved.
    pub lines: u64,
}

impl Shares {
    /// The shares of a memory limit of so many bytes; the output has half of it.
    pub fn of(memory_limit: u64) -> Self {
        Self {
            keys: memory_limit / 4,
            candidates: memory_limit / 16,
            lines: memory_limit / 8,
        }
    }
}
