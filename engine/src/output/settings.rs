//! What a job writes, and where.

use crate::error::Result;
use crate::store::Location;
use std::sync::Arc;

/// Compression of the part files of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Plain text.
    #[default]
    None,
    /// One gzip member a file, at a level from 1 (fast) to 9.
    Gzip(u32),
}

/// How a part file's name ends, as Spark's writers named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// `-c000.csv`: enriched events.
    Enriched,
    /// `-c000.txt`: atomic events and bad rows.
    Text,
    /// `.c000.txt`: shredded types.
    ShreddedType,
}

impl Ending {
    /// The text; with a codec the last extension is replaced, as S3DistCp does.
    pub fn text(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Self::Enriched, Compression::None) => "-c000.csv",
            (Self::Text, Compression::None) => "-c000.txt",
            (Self::ShreddedType, Compression::None) => ".c000.txt",
            (Self::Enriched | Self::Text, Compression::Gzip(_)) => "-c000.gz",
            (Self::ShreddedType, Compression::Gzip(_)) => ".c000.gz",
        }
    }
}

/// One of the folders that a job writes to.
#[derive(Debug, Clone)]
pub struct OutputRoot {
    /// The folder. It must be empty, or hold what an attempt of the same run left.
    pub location: Location,
    /// Its sub-folders that get a `_SUCCESS` marker, in order; `""` is the root itself.
    pub success_folders: Vec<String>,
    /// Compression of its part files.
    pub compression: Compression,
}

impl OutputRoot {
    /// A root without compression and with a marker in itself.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            success_folders: vec![String::new()],
            compression: Compression::None,
        }
    }

    /// Puts the markers into these sub-folders instead.
    #[must_use]
    pub fn with_success_folders<S: Into<String>>(
        mut self,
        folders: impl IntoIterator<Item = S>,
    ) -> Self {
        self.success_folders = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Compresses its part files.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

/// A place for blocks that are too small to be sent and too many to be kept in memory. What it writes
/// to disk must be sealed.
pub trait Spill: Send + Sync {
    /// Keeps `bytes` until they are read back or dropped.
    ///
    /// # Errors
    /// When they cannot be written.
    fn keep(&self, bytes: &[u8]) -> Result<Box<dyn Spilled>>;
}

/// Bytes that a [`Spill`] keeps. Dropping it forgets them.
pub trait Spilled: Send {
    /// Reads them back.
    ///
    /// # Errors
    /// When they cannot be read, or are not what was written.
    fn read(&self) -> Result<Vec<u8>>;
}

/// Called with the name of each finished step of a commit; `true` stops the job there as a kill would.
#[doc(hidden)]
pub type FaultHook = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Settings of a [`JobOutput`](super::JobOutput).
#[derive(Clone)]
pub struct OutputSettings {
    /// `enrich`, `shred`, ...: keeps the plans of the jobs of one run apart.
    pub job: String,
    /// The run that the output belongs to. A later attempt of the same run may take over what this one left.
    pub run_id: String,
    /// Anything that tells attempts apart in the names of temporary folders; a random part is always added.
    pub attempt: String,
    /// The folders to write to. The manifest goes to the first, the markers come in reverse order of the
    /// roots, so that the first root is complete last.
    pub roots: Vec<OutputRoot>,
    /// Stored bytes after which a part file is ended and the next begun.
    pub target_size: u64,
    /// Bytes that may wait in memory, in all writers together (compression in progress comes on top: about 2 MiB a thread).
    pub memory_limit: u64,
    /// Where `camonica/<run id>/<job>/commit-plan.json` is kept while an output in S3 is committed. Without it,
    /// and for a local first root, the plan lies in `_temporary/` of the first root.
    pub log_folder: Option<Location>,
    /// Where compressed blocks wait that are too small for a part of an upload; without it they become small files
    /// once `memory_limit` is reached.
    pub spill: Option<Arc<dyn Spill>>,
    /// For tests.
    #[doc(hidden)]
    pub faults: Option<FaultHook>,
}

impl OutputSettings {
    /// Default size of a part file: 128 MiB of compressed output.
    pub const TARGET_SIZE: u64 = 128 << 20;
    /// Default bound of what waits in memory: 256 MiB.
    pub const MEMORY_LIMIT: u64 = 256 << 20;

    /// Settings with the defaults.
    pub fn new(job: impl Into<String>, run_id: impl Into<String>, roots: Vec<OutputRoot>) -> Self {
        Self {
            job: job.into(),
            run_id: run_id.into(),
            attempt: String::new(),
            roots,
            target_size: Self::TARGET_SIZE,
            memory_limit: Self::MEMORY_LIMIT,
            log_folder: None,
            spill: None,
            faults: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_is_replaced() {
        for (ending, plain, gzip) in [
            (Ending::Enriched, "-c000.csv", "-c000.gz"),
            (Ending::Text, "-c000.txt", "-c000.gz"),
            (Ending::ShreddedType, ".c000.txt", ".c000.gz"),
        ] {
            assert_eq!(ending.text(Compression::None), plain);
            assert_eq!(ending.text(Compression::Gzip(6)), gzip);
        }
    }
}
