//! Standalone shards: a job done by N processes, on hosts that know nothing of each other, with a folder between them.
//!
//! ```text
//! shard I/N enrich:  its splits ► part files ───────────────────────────────────────────────► row ┐
//! shard I/N shred:   its splits ► keys by bucket ─┐                                               │
//!                    bucket I ◄───────────────────┘ ► candidates ─┐                               ├► commit
//!                    its splits, all candidates ◄─────────────────┘ ► part files, lines by bucket ├► row
//!                    bucket I ◄── lines ► part files ───────────────────────────────────────────► row ┘
//! ```
//!
//! Each shard takes a fixed share of the input (`share`), and in a shred job also one of N buckets of event ids. What they
//! have to tell each other goes through an *exchange*, a folder or a place in S3 (`exchange`): sealed keys, sealed
//! candidates, sealed lines and sealed rows, never plain text. The shards of an enrich job tell each other nothing; their rows
//! may lie, in the clear, in the log folder instead.
//!
//! The part files of a shard are not visible: in S3 they are uploads that stay open, on disks they lie in the temporary folder
//! of an attempt that all shards share ([`joint`](crate::output)). [`commit_enrich`] and [`commit_shred`] take exactly one
//! row for each share and each bucket, check that they fit and that the sums close (invariant 1), and make everything visible
//! at once. An `etl` job is both, one after the other.
//!
//! The one that comes first leaves a `note` that says what the job is; who sees another input, has other options or another
//! number of shards is refused. A shard that was killed is started again with the same command line: what it had finished
//! counts, the rest is done again under new names, and nothing is counted twice. A shard that a second process does at
//! the same time does no harm either.

mod commit;
mod etl;
mod exchange;
mod files;
mod note;
mod share;
mod work;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::exec::spill::secret::SharedSecret;

pub use commit::{commit_enrich, commit_shred};
pub use etl::{commit_etl, run_etl};
pub use work::{run_enrich, run_shred};

/// Most shards of a job.
pub const MOST_SHARDS: u32 = 4096;

/// Which of how many shards: `2/3` is the second of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: u32,
    of: u32,
}

impl Shard {
    /// Which one, from 1.
    pub fn number(self) -> u32 {
        self.index + 1
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse::<u32>().ok()?, of.parse::<u32>().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) && of <= MOST_SHARDS => Ok(Self {
                index: number - 1,
                of,
            }),
            _ => Err(format!(
                "expected I/N, such as 1/3, 2/3 and 3/3 for three shards (at most {MOST_SHARDS})"
            )),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number(), self.of)
    }
}

/// How shards reach each other.
#[derive(Debug, Clone, Default)]
pub struct ShardOptions {
    /// A folder or place in S3 that all shards can read and write, outside of the outputs. An enrich job can do
    /// without, if it has a log folder.
    pub exchange: Option<String>,
    /// What the key of everything in the exchange is derived from; needed with an exchange.
    pub secret: Option<SharedSecret>,
    /// How long to wait for the others without any news of them; for a commit: for the shards to end.
    pub timeout: Duration,
}
