//! Files on local disks: moves between folders (a rename where that is possible, else a copy that is verified before its
//! source is deleted, invariant 6), and durable writes. Every move can be cut at any point and repeated.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a move did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Ending of a copy that is not complete; such files are never taken for data.
const PARTIAL: &str = ".camonica-partial";

/// Ending of a file that the engine is writing.
const TEMPORARY: &str = ".camonica-tmp";

/// Whether a name is that of a file that is not complete.
pub(crate) fn is_partial(name: &str) -> bool {
    name.ends_with(PARTIAL) || name.ends_with(TEMPORARY)
}

/// The name that a copy to `target` has until it is complete.
pub(crate) fn partial_name(target: &Path) -> PathBuf {
    let mut partial = target.as_os_str().to_owned();
    partial.push(PARTIAL);
    PathBuf::from(partial)
}

/// Deletes a file; one that is not there is no error.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, error)),
        _ => Ok(()),
    }
}

/// Brings the entry of a file in its folder to disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| named(parent, error))
}

/// Writes a file whole and durably; its folders are made. Without `replace`, only if there is none: false when there is one.
///
/// # Errors
/// When it cannot be written; what was there before is then untouched.
pub(crate) fn write_file(path: &Path, content: &[u8], replace: bool) -> io::Result<bool> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| named(parent, error))?;
    }
    // A name of its own: two processes may write the same file.
    let mut own = path.as_os_str().to_owned();
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    own.push(format!(".{}.{write}{PARTIAL}", std::process::id()));
    let own = PathBuf::from(own);
    let begun = || -> io::Result<()> {
        let mut file = File::create(&own)?;
        file.write_all(content)?;
        file.sync_all()
    };
    let placed = begun().map_err(|error| named(&own, error)).and_then(|()| {
        if replace {
            fs::rename(&own, path).map(|()| true)
        } else {
            // A link is made only where nothing is, in one step.
            match fs::hard_link(&own, path) {
                Ok(()) => fs::remove_file(&own).map(|()| true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        }
        .map_err(|error| named(path, error))
    });
    if !matches!(placed, Ok(true)) {
        // The error, or the file that is there, is what counts.
        let _ = fs::remove_file(&own);
    }
    if placed? {
        sync_parent(path)?;
        return Ok(true);
    }
    Ok(false)
}

/// All files below `folder`, as paths relative to it, sorted; a folder that does not exist is empty.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fn walk(folder: &Path, relative: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(named(folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| named(folder, error))?;
            let name = relative.join(entry.file_name());
            if entry.path().is_dir() {
                walk(&entry.path(), &name, found)?;
            } else if !is_partial(&name.to_string_lossy()) {
                found.push(name);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, Path::new(""), &mut found)?;
    found.sort();
    Ok(found)
}

/// Deletes the incomplete copies below `folder` that a cut attempt has left.
///
/// # Errors
/// When a folder cannot be read or a file not deleted.
pub fn remove_partial(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| named(folder, error))?.path();
        if path.is_dir() {
            remove_partial(&path)?;
        } else if path.to_string_lossy().ends_with(PARTIAL) {
            fs::remove_file(&path).map_err(|error| named(&path, error))?;
        }
    }
    Ok(())
}

/// Whether `target` is a complete copy of `source` by a move that was cut before it deleted the source. Only moves between
/// file systems copy.
///
/// # Errors
/// When a file cannot be read.
pub fn is_cut_move(source: &Path, target: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| metadata.dev())
            .map_err(|error| named(path, error))
    };
    Ok(device(source)? != device(target)? && same_content(source, target)?)
}

/// Whether `folder` holds no file at any depth.
///
/// # Errors
/// When a folder cannot be read.
pub fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(files_below(folder)?.is_empty())
}

/// Moves one file; the folders of `target` are made. An existing target is replaced only by an equal file: a move that
/// was cut after its copy is completed so; a different file is an error.
///
/// # Errors
/// When a file cannot be read, written, verified or deleted; the source is then still there.
pub fn move_file(source: &Path, target: &Path) -> io::Result<u64> {
    place_file(source, target, false)
}

/// As [`move_file`], but the source stays.
///
/// # Errors
/// When a file cannot be read, written or verified.
pub fn copy_file(source: &Path, target: &Path) -> io::Result<u64> {
    place_file(source, target, true)
}

fn place_file(source: &Path, target: &Path, keep: bool) -> io::Result<u64> {
    let bytes = fs::metadata(source)
        .map_err(|error| named(source, error))?
        .len();
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|error| named(parent, error))?;
    }
    let delete = || {
        if keep {
            Ok(())
        } else {
            fs::remove_file(source).map_err(|error| named(source, error))
        }
    };
    if target.exists() {
        // By whatever links: a file must not be deleted because it equals itself.
        if same_path(source, target)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} and {} are the same file: it was not touched",
                    source.display(),
                    target.display()
                ),
            ));
        }
        if !same_content(source, target)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{} and {} differ: neither was touched. Compare them, delete or rename one, then resume the run",
                    source.display(),
                    target.display()
                ),
            ));
        }
        delete()?;
        return Ok(bytes);
    }
    if !keep {
        match fs::rename(source, target) {
            Ok(()) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            Err(error) => return Err(named(source, error)),
        }
    }
    copy_verified(source, target)?;
    // The copy's name must be on disk before the source's is taken from another disk.
    sync_parent(target)?;
    delete()?;
    Ok(bytes)
}

fn same_path(one: &Path, other: &Path) -> io::Result<bool> {
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| named(path, error));
    Ok(real(one)? == real(other)?)
}

/// Copies to a partial name, brings it to disk, reads it back against the source, and renames it.
fn copy_verified(source: &Path, target: &Path) -> io::Result<()> {
    let partial = partial_name(target);
    let copy = || -> io::Result<()> {
        let mut from = File::open(source)?;
        let mut to = File::create(&partial)?;
        io::copy(&mut from, &mut to)?;
        to.flush()?;
        to.sync_all()
    };
    copy().map_err(|error| named(&partial, error))?;
    if !same_content(source, &partial)? {
        return Err(io::Error::other(format!(
            "{}: the copy differs from its source",
            partial.display()
        )));
    }
    fs::rename(&partial, target).map_err(|error| named(target, error))
}

/// Whether two files have the same bytes.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (
        File::open(one).map_err(|error| named(one, error))?,
        File::open(other).map_err(|error| named(other, error))?,
    );
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut chunk_a, mut chunk_b) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    loop {
        let read = a.read(&mut chunk_a).map_err(|error| named(one, error))?;
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(&mut chunk_b[..read])
            .map_err(|error| named(other, error))?;
        if chunk_a[..read] != chunk_b[..read] {
            return Ok(false);
        }
    }
}

/// Moves everything below `source` to `target`, relative paths kept, and removes the folders that are left empty. Nothing
/// to move is no failure.
///
/// # Errors
/// As [`move_file`].
pub fn move_tree(source: &Path, target: &Path) -> io::Result<Moved> {
    let mut moved = Moved::default();
    let mut files = files_below(source)?;
    // `_SUCCESS` of a folder moves last: whoever sees it at the target sees all the files it speaks of.
    files.sort_by_key(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("_SUCCESS"))
    });
    for relative in files {
        moved.bytes += move_file(&source.join(&relative), &target.join(&relative))?;
        moved.files += 1;
    }
    remove_empty_folders(source);
    Ok(moved)
}

/// Removes `folder` and the folders below it as far as they hold no file.
pub(crate) fn remove_empty_folders(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            remove_empty_folders(&entry.path());
        }
    }
    // A folder that is not empty stays: that is the point.
    let _ = fs::remove_dir(folder);
}

/// Puts the path into the text of an error.
pub fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_move_and_moves_can_be_repeated() {
        let base = tempfile::tempdir().unwrap();
        let (source, target) = (base.path().join("source"), base.path().join("target"));
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::write(source.join("a/b/one"), "1").unwrap();
        fs::write(source.join("two"), "22").unwrap();
        assert_eq!(
            move_tree(&source, &target).unwrap(),
            Moved { files: 2, bytes: 3 }
        );
        assert_eq!(fs::read(target.join("a/b/one")).unwrap(), b"1");
        assert!(!source.exists());
        assert_eq!(move_tree(&source, &target).unwrap(), Moved::default());

        // cut between copy and delete: both exist, the next move completes it
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("two"), "22").unwrap();
        assert_eq!(move_tree(&source, &target).unwrap().files, 1);
        assert!(!source.exists() && target.join("two").exists());
    }

    #[test]
    fn different_files_of_one_name_are_never_lost() {
        let base = tempfile::tempdir().unwrap();
        let (source, target) = (base.path().join("s"), base.path().join("t"));
        fs::write(&source, "new").unwrap();
        fs::write(&target, "old").unwrap();
        let error = move_file(&source, &target).unwrap_err();
        assert!(error.to_string().contains("differ"), "{error}");
        assert_eq!(
            (fs::read(&source).unwrap(), fs::read(&target).unwrap()),
            (b"new".to_vec(), b"old".to_vec())
        );
    }

    #[test]
    fn a_file_is_not_moved_to_itself() {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("f"), "x").unwrap();
        let link = base.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for (from, to) in [(&real, &link), (&link, &real), (&real, &real)] {
            assert!(move_file(&from.join("f"), &to.join("f")).is_err());
            assert_eq!(fs::read(real.join("f")).unwrap(), b"x");
        }
    }

    #[test]
    fn writes_are_whole_and_new_ones_happen_once() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/lock");
        assert!(write_file(&path, b"one", false).unwrap());
        assert!(!write_file(&path, b"two", false).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert!(write_file(&path, b"three", true).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(base.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_keeps_its_source() {
        let base = tempfile::tempdir().unwrap();
        let (source, target) = (base.path().join("s"), base.path().join("x/t"));
        fs::write(&source, "1").unwrap();
        assert_eq!(copy_file(&source, &target).unwrap(), 1);
        assert_eq!(copy_file(&source, &target).unwrap(), 1);
        assert!(source.exists() && target.exists());
    }

    #[test]
    fn a_verified_copy_leaves_no_partial_file() {
        let base = tempfile::tempdir().unwrap();
        let (source, target) = (base.path().join("s"), base.path().join("t"));
        fs::write(&source, vec![7; 600_000]).unwrap();
        copy_verified(&source, &target).unwrap();
        assert!(same_content(&source, &target).unwrap());
        assert_eq!(files_below(base.path()).unwrap().len(), 2);
    }
}
