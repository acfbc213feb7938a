//! Deduplication by keys: 16 bytes an event move, events do not.
//!
//! 1. **Scan** ([`keys`]): a keyed 128-bit hash of every event id goes into a partitioned table; ids that
//!    occur more than once become [`Candidates`](keys::Candidates).
//! 2. **Shred**: an event whose id is no candidate goes straight to the output. A good candidate waits
//!    ([`waiting`]) as its enriched line.
//! 3. **Resolve** ([`resolve`]): of the lines with one id and fingerprint the earliest is kept; ids that then
//!    still have several fingerprints get new ids.
//!
//! A false candidate (hash collision, bad event) costs time, never correctness: decisions compare real values.

pub mod keys;
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
