//! Local folders and files, for `file://` places: listing, durable writes, moving whole trees.
//!
//! A write is durable when the call returns: the file is synced, renamed into place, and its folder is synced. Names
//! that are not UTF-8 are refused, since a key of an object store must be. Links are followed when a folder is
//! listed; a link that leads back to one of its own folders is passed over.

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, ObjectEntry};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Ending of the files in which a write waits for its rename. They begin with a dot, so that readers of Hadoop's kind skip them.
pub(crate) const TEMPORARY_ENDING: &str = ".camonica-tmp";

/// Folders nested deeper than this are refused rather than walked.
const MOST_LEVELS: usize = 200;

/// A file below a walked folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Its path.
    pub path: PathBuf,
    /// Its path below the walked folder, with `/` between parts.
    pub relative: String,
    /// Bytes.
    pub size: u64,
    /// Text made of length and modification time, see [`etag`].
    pub etag: String,
}

/// The entity tag of a local file: its length and modification time (nanoseconds), in hexadecimal.
pub fn etag(metadata: &Metadata) -> String {
    let nanoseconds =
        i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    format!("{:x}-{nanoseconds:x}", metadata.len())
}

/// All files in `folder`, and below it if `recursive`, in byte order of their relative paths; none if there is no
/// such folder.
///
/// # Errors
/// When a folder cannot be read, `folder` is a file, or a name is not UTF-8.
pub fn walk(folder: &Path, recursive: bool) -> Result<Vec<LocalFile>> {
    let mut files = Vec::new();
    visit(folder, recursive, &mut |file| {
        files.push(file);
        true
    })?;
    files.sort_by(|a, b| a.relative.as_bytes().cmp(b.relative.as_bytes()));
    Ok(files)
}

/// Some file below `folder` whose relative path `counts`, without a walk of all the others.
///
/// # Errors
/// As [`walk`].
pub fn find(folder: &Path, counts: impl Fn(&str) -> bool) -> Result<Option<LocalFile>> {
    let mut found = None;
    visit(folder, true, &mut |file| {
        if counts(&file.relative) {
            found = Some(file);
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Calls `take` for each file until it answers false.
fn visit(folder: &Path, recursive: bool, take: &mut dyn FnMut(LocalFile) -> bool) -> Result<()> {
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(folder, e)),
    };
    if !metadata.is_dir() {
        return Err(Error::new(
            ErrorKind::Io,
            format!("{}: is a file, a folder is expected", folder.display()),
        ));
    }
    // folders yet to read, each with the identities of the folders above it (against loops of links)
    let mut waiting = vec![(
        folder.to_owned(),
        String::new(),
        vec![(metadata.dev(), metadata.ino())],
    )];
    while let Some((path, relative, above)) = waiting.pop() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            // other programs go on deleting
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(at(&path, e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| at(&path, e))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(Error::new(
                    ErrorKind::Io,
                    format!("{}: the name is not UTF-8", entry.path().display()),
                ));
            };
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(at(&entry.path(), e)),
            };
            let below = if relative.is_empty() {
                name.to_owned()
            } else {
                format!("{relative}/{name}")
            };
            if metadata.is_dir() {
                let identity = (metadata.dev(), metadata.ino());
                if recursive && !above.contains(&identity) {
                    if above.len() > MOST_LEVELS {
                        return Err(Error::new(
                            ErrorKind::Io,
                            format!("{}: folders are nested too deep", entry.path().display()),
                        ));
                    }
                    let mut identities = above.clone();
                    identities.push(identity);
                    waiting.push((entry.path(), below, identities));
                }
            } else {
                let file = LocalFile {
                    path: entry.path(),
                    relative: below,
                    size: metadata.len(),
                    etag: etag(&metadata),
                };
                if !take(file) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Opens the bytes `start..end` of the file that `entry` describes.
pub(crate) fn open(entry: &ObjectEntry, path: &Path, start: u64, end: u64) -> Result<LocalReader> {
    let mut file = File::open(path).map_err(|e| at(path, e))?;
    let metadata = file.metadata().map_err(|e| at(path, e))?;
    if metadata.len() != entry.size
        || entry
            .etag
            .as_ref()
            .is_some_and(|tag| *tag != etag(&metadata))
    {
        return Err(changed(&entry.location));
    }
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(|e| at(path, e))?;
    }
    Ok(LocalReader {
        file,
        location: entry.location.clone(),
        seen: etag(&metadata),
        left: end.min(entry.size).saturating_sub(start),
    })
}

/// Reads a file and makes sure at its end that it did not change meanwhile.
#[derive(Debug)]
pub(crate) struct LocalReader {
    file: File,
    location: Location,
    seen: String,
    left: u64,
}

impl Read for LocalReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let count = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 || self.left == 0 {
            let metadata = self.file.metadata()?;
            if count == 0 || etag(&metadata) != self.seen {
                return Err(io::Error::other(changed(&self.location)));
            }
        }
        Ok(count)
    }
}

fn changed(location: &Location) -> Error {
    Error::new(
        ErrorKind::Changed,
        format!("{location}: the file changed since the job listed it; run the job again"),
    )
}

/// Writes a file durably, replacing what is there; makes the folders above it. Returns its entity tag.
///
/// # Errors
/// When it cannot be written; nothing is left behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<String> {
    let temporary = write_temporary(path, bytes)?;
    let result = fs::rename(&temporary, path).map_err(|e| at(path, e));
    finish_write(path, &temporary, result)
}

/// Writes a file durably and whole if there is none; false if there is one already.
///
/// # Errors
/// As [`write()`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    let temporary = write_temporary(path, bytes)?;
    // a link is refused if the name exists: the one atomic "create with this content" that POSIX has
    match fs::hard_link(&temporary, path) {
        Ok(()) => {
            finish_write(path, &temporary, Ok(()))?;
            Ok(true)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            remove_file(&temporary)?;
            Ok(false)
        }
        Err(e) => finish_write(path, &temporary, Err(at(path, e))).map(|_| true),
    }
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    create_dir(folder)?;
    let temporary = folder.join(format!(
        ".{name}.{}{TEMPORARY_ENDING}",
        crate::store::random_name()?
    ));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(temporary),
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            Err(at(path, e))
        }
    }
}

fn finish_write(path: &Path, temporary: &Path, result: Result<()>) -> Result<String> {
    // after a rename it is gone already
    let _ = fs::remove_file(temporary);
    result?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))?;
    fs::metadata(path)
        .map(|metadata| etag(&metadata))
        .map_err(|e| at(path, e))
}

/// Deletes a file; one that is not there is no error.
///
/// # Errors
/// When it cannot be deleted.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path, e)),
        _ => Ok(()),
    }
}

/// Deletes a folder with all it holds; one that is not there is no error.
///
/// # Errors
/// When something in it cannot be deleted.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path, e)),
        _ => Ok(()),
    }
}

/// Deletes the folders at and below `path` that hold no file at any depth. Returns whether `path` itself is gone.
///
/// # Errors
/// When a folder cannot be read or deleted.
pub fn remove_empty_dirs(path: &Path) -> Result<bool> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(e) => return Err(at(path, e)),
    };
    let mut empty = true;
    for entry in entries {
        let entry = entry.map_err(|e| at(path, e))?;
        let is_dir = entry
            .file_type()
            .map_err(|e| at(&entry.path(), e))?
            .is_dir();
        empty &= is_dir && remove_empty_dirs(&entry.path())?;
    }
    if !empty {
        return Ok(false);
    }
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        // somebody put a file into it just now
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(at(path, e)),
    }
}

/// Makes a folder and those above it, durably.
///
/// # Errors
/// When it cannot be made.
pub fn create_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut new = Vec::new();
    let mut folder = Some(path);
    while let Some(missing) = folder.filter(|folder| !folder.exists()) {
        new.push(missing);
        folder = missing.parent();
    }
    fs::create_dir_all(path).map_err(|e| at(path, e))?;
    for made in new {
        sync_dir(made.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_dir(path: &Path) -> Result<()> {
    match File::open(path).and_then(|folder| folder.sync_all()) {
        // some network file systems cannot sync a folder
        Err(e)
            if e.kind() == io::ErrorKind::InvalidInput
                || e.kind() == io::ErrorKind::Unsupported =>
        {
            Ok(())
        }
        Err(e) => Err(at(path, e)),
        Ok(()) => Ok(()),
    }
}

/// What [`move_tree`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Files that are now at their destination.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Moves the files below `from` whose relative path is `wanted` to the same relative path below `to`, and deletes the folders that are left empty.
///
/// On one file system a file is renamed; between two it is copied, synced, compared by length, and only then
/// deleted at its source. A move that was cut off is completed by the same call. A *different* file at the
/// destination is never overwritten.
///
/// # Errors
/// `NotEmpty` if the destination has another file of the same name; otherwise when reading or writing fails.
pub fn move_tree(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<Moved> {
    let mut moved = Moved::default();
    let mut folders = std::collections::BTreeSet::new();
    for file in walk(from, true)? {
        if !wanted(&file.relative) {
            continue;
        }
        let target = to.join(&file.relative);
        let folder = target.parent().unwrap_or(to);
        if folders.insert(folder.to_owned()) {
            create_dir(folder)?;
        }
        move_file(&file.path, &target)?;
        moved.files += 1;
        moved.bytes += file.size;
    }
    for folder in &folders {
        sync_dir(folder)?;
    }
    remove_empty_dirs(from)?;
    Ok(moved)
}

/// Moves one file, see [`move_tree`]. The folder of `to` must exist; it is not synced.
///
/// # Errors
/// As [`move_tree`].
pub fn move_file(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        if !same_content(from, to)? {
            return Err(Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{}: is not overwritten by {}, which differs",
                    to.display(),
                    from.display()
                ),
            ));
        }
        return remove_file(from);
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
            copy_file(from, to)?;
            remove_file(from)
        }
        Err(e) => Err(at(to, e)),
    }
}

/// Copies a file durably: written beside its target, synced, compared by length, renamed.
///
/// # Errors
/// When reading or writing fails, or the source changed meanwhile.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let temporary = write_temporary(to, b"")?;
    let result = (|| {
        let mut source = File::open(from).map_err(|e| at(from, e))?;
        let before = etag(&source.metadata().map_err(|e| at(from, e))?);
        let mut target = OpenOptions::new()
            .write(true)
            .open(&temporary)
            .map_err(|e| at(to, e))?;
        let count = io::copy(&mut source, &mut target).map_err(|e| at(to, e))?;
        target.sync_all().map_err(|e| at(to, e))?;
        let after = source.metadata().map_err(|e| at(from, e))?;
        let written = target.metadata().map_err(|e| at(to, e))?.len();
        if count != after.len() || written != count || etag(&after) != before {
            return Err(Error::new(
                ErrorKind::Changed,
                format!("{}: changed while it was copied", from.display()),
            ));
        }
        fs::rename(&temporary, to).map_err(|e| at(to, e))
    })();
    finish_write(to, &temporary, result).map(|_| ())
}

fn same_content(a: &Path, b: &Path) -> Result<bool> {
    let mut left = File::open(a).map_err(|e| at(a, e))?;
    let mut right = File::open(b).map_err(|e| at(b, e))?;
    let length = left.metadata().map_err(|e| at(a, e))?.len();
    if length != right.metadata().map_err(|e| at(b, e))?.len() {
        return Ok(false);
    }
    let (mut left_chunk, mut right_chunk) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut done = 0;
    while done < length {
        let size = usize::try_from(length - done)
            .unwrap_or(usize::MAX)
            .min(left_chunk.len());
        left.read_exact(&mut left_chunk[..size])
            .map_err(|e| at(a, e))?;
        right
            .read_exact(&mut right_chunk[..size])
            .map_err(|e| at(b, e))?;
        if left_chunk[..size] != right_chunk[..size] {
            return Ok(false);
        }
        done += size as u64;
    }
    Ok(true)
}

/// An operating system's error, with its path.
pub(crate) fn at(path: &Path, source: io::Error) -> Error {
    Error::io(path.display(), source)
}

#[cfg(test)]
mod tests;
