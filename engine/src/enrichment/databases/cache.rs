//! Fetched look-up files, kept from one job to the next.
//!
//! A folder that only its owner can read holds, for every address, a note `<address>.json` and the file
//! `<address>-<content>.data` that it names; both parts of the names are hashes. A file of the cache is
//! never changed: it is written under another name, made durable and then renamed, and so is the note
//! after it. So any number of processes may read and write at once, and a kill leaves nothing but a
//! file `incoming-*`, which a later job removes. The file before the newest one stays, for a process
//! that has just been told its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::random_name;

/// Beginning of the names of files that are being written.
const INCOMING: &str = "incoming-";
/// Nobody writes this long to one file.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// A note is smaller.
const LARGEST_NOTE: u64 = 64 << 10;

/// How a server is asked whether it has a newer file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validator {
    /// Entity tag, with its quotes.
    pub(super) etag: Option<String>,
    /// `Last-Modified`, as it was sent.
    pub(super) last_modified: Option<String>,
}

/// What the cache knows about an address.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    uri: String,
    file: String,
    previous: Option<String>,
    size: u64,
    #[serde(flatten)]
    validator: Validator,
}

/// A file of the cache.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) validator: Validator,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// A file that is being fetched; it vanishes unless it is [kept](Cache::keep).
#[derive(Debug)]
pub(super) struct Incoming {
    path: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl Cache {
    /// The operator's folder, else the first of these that can be had: below `XDG_CACHE_HOME`, below
    /// `~/.cache`, below the folder for temporary files.
    pub(super) fn open(explicit: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = explicit {
            let opened = create(folder).map_err(|error| {
                format!(
                    "{}: the cache folder for look-up files cannot be made: {error}; choose another one",
                    folder.display()
                )
            });
            return opened.map(|()| Self {
                folder: folder.to_owned(),
            });
        }
        let mut failures = Vec::new();
        for folder in candidates() {
            match create(&folder).and_then(|()| check_private(&folder)) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) => failures.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(format!(
            "no folder to keep look-up files in ({}); set XDG_CACHE_HOME to a folder of your own",
            failures.join("; ")
        ))
    }

    /// The file of an address, if it is there in full.
    pub(super) fn kept(&self, uri: &str) -> Option<Kept> {
        let note = self.note(uri)?;
        let path = self.folder.join(&note.file);
        let metadata = fs::metadata(&path).ok()?;
        (metadata.is_file() && metadata.len() == note.size).then_some(Kept {
            path,
            validator: note.validator,
        })
    }

    fn note(&self, uri: &str) -> Option<Note> {
        let path = self.note_path(uri);
        if fs::metadata(&path).ok()?.len() > LARGEST_NOTE {
            return None;
        }
        let note: Note = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (note.uri == hidden(uri) && is_plain(&note.file)).then_some(note)
    }

    fn note_path(&self, uri: &str) -> PathBuf {
        self.folder.join(format!("{}.json", key(uri)))
    }

    /// A new file of at most `limit` bytes.
    pub(super) fn begin(&self, limit: u64) -> Result<Incoming, String> {
        let begin = || -> io::Result<(PathBuf, File)> {
            let name = random_name().map_err(io::Error::other)?;
            let path = self.folder.join(format!("{INCOMING}{name}"));
            let file = private().open(&path)?;
            Ok((path, file))
        };
        let (path, file) = begin().map_err(|error| self.cannot_write(&error))?;
        Ok(Incoming {
            path,
            file,
            hash: Sha256::new(),
            size: 0,
            limit,
        })
    }

    /// Makes a fetched file that of its address.
    pub(super) fn keep(
        &self,
        uri: &str,
        incoming: Incoming,
        validator: Validator,
    ) -> Result<PathBuf, String> {
        let keep = || -> io::Result<PathBuf> {
            incoming.file.sync_all()?;
            let content = hex(&incoming.hash.clone().finalize()[..16]);
            let file = format!("{}-{content}.data", key(uri));
            let path = self.folder.join(&file);
            fs::rename(&incoming.path, &path)?;
            let before = self.note(uri);
            let previous = before.and_then(|note| match note.file == file {
                true => note.previous,
                false => Some(note.file),
            });
            let note = Note {
                uri: hidden(uri),
                file,
                previous,
                size: incoming.size,
                validator,
            };
            self.write_note(uri, &note)?;
            self.clean_up(uri, &note);
            Ok(path)
        };
        keep().map_err(|error| self.cannot_write(&error))
    }

    fn write_note(&self, uri: &str, note: &Note) -> io::Result<()> {
        let name = random_name().map_err(io::Error::other)?;
        let path = self.folder.join(format!("{INCOMING}{name}"));
        let mut file = private().open(&path)?;
        let written = file
            .write_all(&serde_json::to_vec(note)?)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&path, self.note_path(uri)))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// Removes older files of the address, and what killed processes left. A failure costs disk only.
    fn clean_up(&self, uri: &str, note: &Note) {
        let of_address = format!("{}-", key(uri));
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_older = name.starts_with(&of_address)
                && name != note.file
                && Some(name) != note.previous.as_deref();
            let is_abandoned = name.starts_with(INCOMING)
                && entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED));
            if is_older || is_abandoned {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn cannot_write(&self, error: &io::Error) -> String {
        format!(
            "{}: a look-up file cannot be kept: {error}; free some space there, or set XDG_CACHE_HOME to another folder",
            self.folder.display()
        )
    }
}

impl Incoming {
    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

/// More than the limit is an error.
impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size + bytes.len() as u64 > self.limit {
            return Err(io::Error::other(format!(
                "the file is larger than {} bytes",
                self.limit
            )));
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // gone already if it was kept
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens a new file that only its owner can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

fn candidates() -> Vec<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let uid = rustix::process::geteuid().as_raw();
    let temporary = std::env::temp_dir().join(format!("camonica-{uid}"));
    [
        absolute("XDG_CACHE_HOME").map(|folder| folder.join("camonica")),
        absolute("HOME").map(|folder| folder.join(".cache/camonica")),
        Some(temporary),
    ]
    .into_iter()
    .flatten()
    .map(|folder| folder.join("look-up-files"))
    .collect()
}

pub(super) fn create(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A folder that others can write to, below the folder for temporary files say, may hold their files.
pub(super) fn check_private(folder: &Path) -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let parent = folder.parent().unwrap_or(folder);
    for folder in [folder, parent] {
        let metadata = fs::symlink_metadata(folder)?;
        if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "{} belongs to another user, or others can write to it",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// The name that an address has in the folder.
fn key(uri: &str) -> String {
    hex(&Sha256::digest(uri.as_bytes())[..16])
}

/// The address as it stands in a note: a query may hold a token.
fn hidden(uri: &str) -> String {
    super::shown(uri)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_plain(name: &str) -> bool {
    name.ends_with(".data") && !name.contains('/')
}
