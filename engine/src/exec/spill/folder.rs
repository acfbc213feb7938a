//! The folder of one job in a spill directory: claimed with a lock that dies with the process, cleared by whoever comes next.
//!
//! ```text
//! <directory>/.camonica-spill-<user>.lock     held for the moment in which folders are made or cleared
//! <directory>/camonica-spill.<pid>.<random>/  0700
//!     owner.lock                              held as long as its owner lives
//!     0.keys, 1.lines, ...                    0600, sealed
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::store::random_name;

const PREFIX: &str = "camonica-spill.";
const OWNER: &str = "owner.lock";
/// How long the lock of a directory is waited for; it is held for moments only.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that is ours; removed when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    /// The directory that the operator named.
    pub(super) directory: PathBuf,
    /// Our own folder in it.
    pub(super) path: PathBuf,
    /// Free when the process ends, however it ends.
    _owner: File,
}

/// The effective user.
pub(super) fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl Folder {
    /// Makes a folder in `directory`, which is made as well if need be, and clears what dead jobs left there.
    pub(super) fn claim(directory: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| Error::io(shown(directory), error))?;
        let _lock = lock_directory(directory)?;
        clear(directory);
        let name = format!("{PREFIX}{}.{}", std::process::id(), random_name()?);
        let path = directory.join(name);
        let owner = DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .and_then(|()| open_lock(&path.join(OWNER), true))
            .map_err(|error| Error::io(shown(&path), error))?;
        owner.try_lock().map_err(|error| {
            let _ = fs::remove_dir_all(&path);
            Error::io(shown(&path), error.into())
        })?;
        Ok(Self {
            directory: directory.to_owned(),
            path,
            _owner: owner,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is cleared by the next job.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders in `directory` whose owners are gone, if there are any. Failures are left to the next job.
pub(super) fn clear_leftovers(directory: &Path) {
    if directory.is_dir()
        && let Ok(_lock) = lock_directory(directory)
    {
        clear(directory);
    }
}

/// The caller holds the directory's lock: a folder without a held lock is nobody's.
fn clear(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(is_folder_name)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_ours && is_abandoned(&entry.path()) {
            tracing::info!(folder = %entry.path().display(), "clearing spill files that a dead job left");
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `camonica-spill.<pid>.<32 hex digits>`
fn is_folder_name(name: &str) -> bool {
    let mut parts = name.strip_prefix(PREFIX).unwrap_or_default().splitn(2, '.');
    let (pid, random) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    !pid.is_empty()
        && pid.bytes().all(|byte| byte.is_ascii_digit())
        && random.len() == 32
        && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_abandoned(folder: &Path) -> bool {
    match open_lock(&folder.join(OWNER), false) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn open_lock(path: &Path, new: bool) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(new)
        .mode(0o600)
        .open(path)
}

/// Waits for the lock of a directory.
fn lock_directory(directory: &Path) -> Result<File> {
    let path = directory.join(format!(".camonica-spill-{}.lock", user_id()));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Error::io(shown(directory), error))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "{}: another process has held this lock for {} s",
                        path.display(),
                        PATIENCE.as_secs()
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(shown(&path), error)),
        }
    }
}

/// Free bytes (for this user) and all bytes of the disk of `directory`.
pub(super) fn free_and_total(directory: &Path) -> Result<(u64, u64)> {
    let disk = rustix::fs::statvfs(directory).map_err(|error| failure(directory, error.into()))?;
    let block = disk.f_frsize.max(1);
    Ok((
        disk.f_bavail.saturating_mul(block),
        disk.f_blocks.saturating_mul(block),
    ))
}

/// A failure of the operating system at a spill file or directory, with what to do about it.
pub(super) fn failure(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(
            ErrorKind::NotFound,
            format!(
                "{}: this spill file or folder is gone: something removed it while the job ran (a cleaner of temporary \
                 files?); name a folder that is left alone with --spill-dir and run the job again",
                path.display()
            ),
        ),
        _ => Error::io(shown(path), error),
    }
}

fn shown(path: &Path) -> String {
    format!("{} (spill)", path.display())
}

#[cfg(test)]
mod tests {
    use super::is_folder_name;

    #[test]
    fn only_folders_of_our_kind_are_cleared() {
        let random = "0123456789abcdef0123456789abcdef";
        assert!(is_folder_name(&format!("camonica-spill.17.{random}")));
        for name in [
            "camonica-spill.17",
            "camonica-spill..0123456789abcdef0123456789abcdef",
            "camonica-spill.x.0123456789abcdef0123456789abcdef",
            "camonica-spill.17.0123456789abcdef0123456789abcdeg",
            "camonica-spill.17.0123456789abcdef0123456789abcdef.old",
            "17.0123456789abcdef0123456789abcdef",
            "",
        ] {
            assert!(!is_folder_name(name), "{name}");
        }
    }
}
