//! Moves of files between folders on local disks: a rename where that is possible, else a copy that is verified before
//! its source is deleted (invariant 6). Every move can be cut at any point and repeated.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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
            } else if !name.to_string_lossy().ends_with(PARTIAL) {
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
    let bytes = fs::metadata(source)
        .map_err(|error| named(source, error))?
        .len();
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|error| named(parent, error))?;
    }
    if target.exists() {
        if !same_content(source, target)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{} and {} differ: neither was touched",
                    source.display(),
                    target.display()
                ),
            ));
        }
        fs::remove_file(source).map_err(|error| named(source, error))?;
        return Ok(bytes);
    }
    match fs::rename(source, target) {
        Ok(()) => return Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        Err(error) => return Err(named(source, error)),
    }
    copy_verified(source, target)?;
    fs::remove_file(source).map_err(|error| named(source, error))?;
    Ok(bytes)
}

/// Copies to a partial name, brings it to disk, reads it back against the source, and renames it.
fn copy_verified(source: &Path, target: &Path) -> io::Result<()> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
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

fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
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
fn remove_empty_folders(folder: &Path) {
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
    fn a_verified_copy_leaves_no_partial_file() {
        let base = tempfile::tempdir().unwrap();
        let (source, target) = (base.path().join("s"), base.path().join("t"));
        fs::write(&source, vec![7; 600_000]).unwrap();
        copy_verified(&source, &target).unwrap();
        assert!(same_content(&source, &target).unwrap());
        assert_eq!(files_below(base.path()).unwrap().len(), 2);
    }
}
