//! Camonica's engine: everything that touches an event of a Snowplow batch pipeline, without Spark, JVM or Hadoop.
//!
//! # The life of one log line
//!
//! ```text
//! s3://raw/..., /data/raw/...
//!   | bytes            store        objects and folders by URI; ranged, prefetched reads
//!   v
//! chunks of records    input        snapshot of the objects; gzip | lzop | bzip2 | ... ; lines or binary blocks
//!   | exec             one reader an object, or a split of one, feeds a bounded pool of workers
//!   v record
//! collector payload    collector    thrift | cloudfront | clj-tomcat | tsv | ndjson
//!   v
//! raw events           adapter      tracker protocol 1 and 2, redirects, webhooks
//!   v
//! enriched event       enrichment   tracker fields, timestamps, page URIs, then the configured enrichments
//!   |                  iglu         contexts and unstruct events are checked against their schemas
//!   v enriched line    event        131 columns, or a bad row
//! part files           output       transactional: all of a job's files become visible, or none
//!   .
//!   v enriched line
//! rows                 shred        one atomic line and one JSON line for each self-describing JSON
//!   v
//! events once          dedup        16 bytes an event decide which lines must wait for each other
//!   v
//! part files           output       atomic-events/, shredded-types/vendor=.../..., bad rows
//! ```
//!
//! [`job`] wires the stages: [`job::EnrichJob`], [`job::ShredJob`] and [`job::EtlJob`] are all that a caller needs;
//! [`cli`] is their command line. A module uses only what stands before it in the flow, and [`text`], [`json`], [`iglu`]
//! and [`error`], which know no event.
//!
//! # Kernels
//!
//! The work on a record is a chain of synchronous functions without threads, I/O or async; what they need (clock,
//! identifiers, resolver) is handed to them. [`exec`] drives them with a pool of threads on one machine; another driver can
//! call the same functions. There is one implementation of each rule.
//!
//! Bad data is a value, counted and written as a [bad row](event::bad_row). An [`Error`] means that the job cannot go on.
//!
//! A job that is done by many processes is cut into parts ([`job::parts`]); a cluster hands them out, or each process takes a
//! fixed share by itself ([`job::parts::shards`], `--shard I/N`).
//!
//! # Invariants
//!
//! Cited by number in code, tests and reviews; each has a test that can fail.
//!
//! 1. Every input line ends as good events, or as bad rows, or is ignored by a named rule; every event ends in the output,
//!    in a bad row, or as a counted duplicate. The sums close, or the job does not commit.
//! 2. The set of output lines does not depend on the number of workers, the splits, the order of files, the memory limit,
//!    or a retry.
//! 3. A reader who respects `_SUCCESS` sees all of a job's output or none.
//! 4. Nothing that came from an input rests on local disk in the clear except outputs on `file://` (their `_temporary`
//!    included); nothing crosses a wire in the clear.
//! 5. The memory limit is kept.
//! 6. A source object is deleted only after its copy was verified.
//! 7. A secret is never printed, logged, stored, or passed as an argument.
//! 8. Hostile bytes make bad rows or errors; never a panic, a hang, or memory without bound.
//!
//! # Where to add something
//!
//! | a new ... | file | plus |
//! |---|---|---|
//! | collector format | `collector/<name>.rs` | one line in [`collector`] |
//! | adapter | `adapter/<name>.rs` | one line in [`adapter`] |
//! | enrichment | `enrichment/<name>.rs` | one line in [`enrichment`] |
//! | compression | `input/<name>.rs` | one line in [`input`] |
//! | schema format or keyword | `iglu/schema/` | one line in its table |
//! | command | `cli/<name>.rs` | one line in [`cli`] |

pub mod error;

pub mod json;
pub mod text;

pub mod store;
pub mod input;
pub mod exec;
pub mod collector;
pub mod adapter;
pub mod iglu;
pub mod event;
pub mod enrichment;
pub mod shred;
pub mod dedup;
pub mod output;
pub mod job;
pub mod cli;

pub use error::{Error, ErrorKind, Result};
