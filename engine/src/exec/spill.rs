//! Local disk for what does not fit into memory: always sealed, gone when the job is.
//!
//! In: bytes of a kind (keys, lines, blocks of the output) and a bucket. Out: files that only this job can read, and that it
//! reads back exactly as written or not at all (invariant 4):
//!
//! ```text
//! SpillArea ── writer(kind, bucket) ── append* ── finish ──► SealedFile ── reader ──► chunks, in order
//!   │ key of the job, in memory only, wiped on drop (`seal`)
//!   └ one folder of its own in each directory, with a held lock (`folder`); removed on drop,
//!     or by the next job once the lock is free
//! ```
//!
//! A chunk that was changed, cut off, left out, swapped or moved from another file is an error of kind `Corrupt`,
//! never data. A directory that fills up is left for another one with room; when none has room the job ends with
//! `Full`, and the error says what to do. This module knows no event.

mod file;
mod folder;
pub mod parcel;
mod seal;
pub mod secret;

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use folder::Folder;
use seal::JobKey;

pub use file::{SealedFile, SealedReader, SealedWriter};

/// Plain bytes of one sealed chunk, at most.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Room on a disk that is left to others, at most; of small disks a hundredth.
const MOST_RESERVE: u64 = 64 << 20;

/// What a spill file holds. It is part of what is sealed: a file of one kind cannot stand in for one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Hashed event ids.
    Keys,
    /// Enriched lines; compressed before they are sealed.
    Lines,
    /// Stored bytes of part files; compressed already, if they are.
    Output,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Lines => "lines",
            Self::Output => "output",
        }
    }

    fn is_compressed(self) -> bool {
        self == Self::Lines
    }
}

/// The spill files of one job; clones share it. Its folders go when the last clone and the last file are dropped.
#[derive(Clone)]
pub struct SpillArea {
    inner: Arc<Inner>,
}

struct Inner {
    key: JobKey,
    job: String,
    directories: Vec<PathBuf>,
    folders: OnceLock<Vec<Folder>>,
    claiming: Mutex<()>,
    next_file: AtomicU64,
    written: [AtomicU64; 3],
}

impl fmt::Debug for SpillArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SpillArea({} in {:?})",
            self.inner.job, self.inner.directories
        )
    }
}

/// Where spill files go unless the operator names directories: a folder of the user's own below the system's temporary
/// directory (`TMPDIR`).
pub fn default_directory() -> PathBuf {
    std::env::temp_dir().join(format!("camonica-spill-{}", folder::user_id()))
}

/// Removes what dead jobs left in these directories, or, with none, in the [`default_directory`]. Failures are left to the
/// next job.
pub fn clear_leftovers(directories: &[PathBuf]) {
    if directories.is_empty() {
        folder::clear_leftovers(&default_directory());
    }
    for directory in directories {
        folder::clear_leftovers(directory);
    }
}

impl SpillArea {
    /// The area of the job called `job`. `directories` are those that the operator named; with none it is the
    /// [`default_directory`], which is not touched before something is spilled but for what dead jobs left there.
    ///
    /// # Errors
    /// When a named directory cannot be used, or the operating system gives no random bytes.
    pub fn open(job: &str, directories: &[PathBuf]) -> Result<Self> {
        let named = !directories.is_empty();
        let directories = if named {
            directories.to_vec()
        } else {
            vec![default_directory()]
        };
        let area = Self {
            inner: Arc::new(Inner {
                key: JobKey::random()?,
                job: job.to_owned(),
                directories,
                folders: OnceLock::new(),
                claiming: Mutex::new(()),
                next_file: AtomicU64::new(0),
                written: Default::default(),
            }),
        };
        if named {
            area.inner.folders().map_err(|error| {
                error.context("--spill-dir (camonica.spill_directories in config.yml)")
            })?;
        } else {
            for directory in &area.inner.directories {
                folder::clear_leftovers(directory);
            }
        }
        Ok(area)
    }

    /// A writer of one file; nothing is made before the first append.
    pub fn writer(&self, kind: Kind, bucket: u64) -> SealedWriter {
        SealedWriter::new(self.clone(), kind, bucket)
    }

    /// Bytes that were written to disk for a kind, sealed and compressed.
    pub fn written(&self, kind: Kind) -> u64 {
        self.inner.written[kind as usize].load(Ordering::Relaxed)
    }

    fn count(&self, kind: Kind, bytes: u64) {
        self.inner.written[kind as usize].fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A new file's number, name and directory.
struct Place {
    number: u64,
    directory: PathBuf,
    path: PathBuf,
}

impl Inner {
    /// The folders of this area, made at the first call.
    fn folders(&self) -> Result<&[Folder]> {
        if let Some(folders) = self.folders.get() {
            return Ok(folders);
        }
        let _one = self.claiming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folders) = self.folders.get() {
            return Ok(folders);
        }
        let folders: Result<Vec<Folder>> = self
            .directories
            .iter()
            .map(|directory| Folder::claim(directory))
            .collect();
        let folders = folders?;
        Ok(self.folders.get_or_init(|| folders))
    }

    /// Where the next file goes that needs `bytes`: the directories take turns, those that are nearly full are passed over.
    fn place(&self, kind: Kind, bytes: u64) -> Result<Place> {
        let folders = self.folders()?;
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let mut rooms = Vec::with_capacity(folders.len());
        for folder in folders {
            rooms.push(room(&folder.directory)?);
        }
        let most = rooms.iter().copied().max().unwrap_or(0);
        if most < bytes {
            return Err(self.full());
        }
        let mut turns: VecDeque<usize> = (0..folders.len()).collect();
        turns.rotate_left(usize::try_from(number).unwrap_or(0) % folders.len().max(1));
        let chosen = turns
            .into_iter()
            .find(|&index| rooms[index] >= bytes && rooms[index] >= most / 4)
            .unwrap_or(0);
        Ok(Place {
            number,
            directory: folders[chosen].directory.clone(),
            path: folders[chosen]
                .path
                .join(format!("{number}.{}", kind.name())),
        })
    }

    /// The error when no directory has room.
    fn full(&self) -> Error {
        let names: Vec<String> = self
            .directories
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        Error::new(
            ErrorKind::Full,
            format!(
                "{}: no room left for spill files; free some, or name directories on larger disks with --spill-dir \
                 (or give the job more memory with --memory-limit), and run the job again",
                names.join(", ")
            ),
        )
    }
}

/// Bytes that may still be written to the disk of `directory`.
fn room(directory: &Path) -> Result<u64> {
    let (free, total) = folder::free_and_total(directory)?;
    Ok(free.saturating_sub((total / 100).min(MOST_RESERVE)))
}

#[cfg(test)]
mod tests;
