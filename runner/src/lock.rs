//! Locks: one run at a time.
//!
//! Two kinds. The *operator's* lock (`--lock`) is a file whose existence means "held", as EmrEtlRunner's; it survives a
//! failed run on purpose, since somebody must look first. The *live* lock is held by the operating system for as long as
//! a runner process lives, so that two runners cannot work on one log folder at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The operator's lock, taken.
#[derive(Debug)]
pub struct OperatorLock {
    path: PathBuf,
}

impl OperatorLock {
    /// Takes the lock at `path`; with `ignore` it is neither checked nor taken, but still released at the end.
    ///
    /// # Errors
    /// `Locked` when it is held; `Config` when the file cannot be made.
    pub fn take(path: &str, ignore: bool) -> Result<Self> {
        let path = std::path::absolute(path)
            .map_err(|error| Failure::Config(format!("--lock {path}: {error}")))?;
        if !ignore {
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(Failure::Locked(described(&path)));
                }
                Err(error) => {
                    return Err(Failure::Config(format!(
                        "--lock {}: {error}",
                        path.display()
                    )));
                }
            };
            // The process id comes first: old tools read the first line.
            let text = format!(
                "{}\nhost {}\nsince {}\n",
                std::process::id(),
                host_name(),
                now_text()
            );
            file.write_all(text.as_bytes())
                .map_err(|error| Failure::Config(format!("--lock {}: {error}", path.display())))?;
        }
        Ok(Self { path })
    }

    /// Releases the lock. A file that is gone already is no failure.
    ///
    /// # Errors
    /// `Config` when the file cannot be removed.
    pub fn release(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::Config(format!(
                "--lock {}: {error}",
                self.path.display()
            ))),
        }
    }
}

/// The place of a held lock with what its owner wrote.
fn described(path: &Path) -> String {
    let content = fs::read_to_string(path).unwrap_or_default();
    let owner: Vec<&str> = content.lines().collect();
    if owner.is_empty() {
        path.display().to_string()
    } else {
        format!("{} (process {})", path.display(), owner.join(", "))
    }
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}

fn now_text() -> String {
    engine::text::time::format_iso_millis(engine::job::options::now_ms())
}

/// Held while this process works on a log folder; the operating system releases it when the process dies.
#[derive(Debug)]
pub struct LiveLock {
    _file: File,
}

impl LiveLock {
    /// Takes the lock of the log folder `folder` (a local path).
    ///
    /// # Errors
    /// `Locked` when another process holds it; `Config` when the folder cannot be used.
    pub fn take(folder: &Path) -> Result<Self> {
        let fail =
            |error: std::io::Error| Failure::Config(format!("{}: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(fail)?;
        let path = folder.join("runner.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::Locked(format!(
                "{} (another runner is at work)",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_lock_is_held_until_released() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let path = path.to_str().unwrap();
        let lock = OperatorLock::take(path, false).unwrap();
        let first_line = fs::read_to_string(path)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(first_line, std::process::id().to_string());
        let refused = OperatorLock::take(path, false).unwrap_err();
        assert_eq!(refused.exit_code(), 17);
        assert!(
            refused
                .to_string()
                .starts_with(&format!("Lock already held at {path}"))
        );
        lock.release().unwrap();
        OperatorLock::take(path, false).unwrap();
        // ignored at the start, still removed at the end
        OperatorLock::take(path, true).unwrap().release().unwrap();
        assert!(!Path::new(path).exists());
    }

    #[test]
    fn one_runner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = LiveLock::take(folder.path()).unwrap();
        assert_eq!(LiveLock::take(folder.path()).unwrap_err().exit_code(), 17);
        drop(held);
        LiveLock::take(folder.path()).unwrap();
    }
}
