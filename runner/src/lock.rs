//! Locks: one run at a time.
//!
//! Two kinds. The *operator's* lock (`--lock`, with `--consul` a key there) is a file or key whose existence means "held", as
//! EmrEtlRunner's R108; it survives a failed run on purpose, since somebody must look first. Taking it is atomic, unlike the
//! reference's. The *live* lock ([`live`]) is held for as long as a runner process lives, so that two runners cannot work on
//! one log folder at once; nobody has to remove it.

pub mod live;
pub mod owner;

mod consul;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use live::LiveLock;
pub use owner::LockOwner;

use self::consul::{ConsulKey, Released, Taken};
use self::owner::Liveness;
use crate::backoff::Backoff;
use crate::failure::{Failure, Result};
use crate::http::Timeouts;

/// Where the operator's lock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockPlace {
    /// A file.
    File(PathBuf),
    /// A key in Consul.
    Consul {
        /// Address of Consul, `http://127.0.0.1:8500`.
        url: String,
        /// The key.
        key: String,
    },
}

impl LockPlace {
    /// The place that `--lock` and `--consul` name; `--consul` without `--lock` names none.
    pub fn from_options(lock: Option<&str>, consul: Option<&str>) -> Option<Self> {
        let lock = lock?;
        Some(match consul {
            Some(url) => Self::Consul {
                url: url.to_owned(),
                key: lock.to_owned(),
            },
            None => Self::File(lock.into()),
        })
    }
}

impl From<&str> for LockPlace {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<&String> for LockPlace {
    fn from(path: &String) -> Self {
        Self::File(path.into())
    }
}

impl From<&LockPlace> for LockPlace {
    fn from(place: &LockPlace) -> Self {
        place.clone()
    }
}

impl fmt::Display for LockPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Consul { key, .. } => key.fmt(f),
        }
    }
}

/// How a lock in Consul is reached.
#[derive(Clone)]
pub struct LockSettings {
    /// How outages are waited out.
    pub backoff: Backoff,
    /// Time-outs of requests.
    pub timeouts: Timeouts,
    /// Consul's ACL token; from `CONSUL_HTTP_TOKEN` by default.
    pub consul_token: Option<String>,
}

impl Default for LockSettings {
    fn default() -> Self {
        Self {
            backoff: Backoff::within(Duration::from_secs(120)),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                total: Duration::from_secs(15),
            },
            consul_token: std::env::var("CONSUL_HTTP_TOKEN")
                .ok()
                .filter(|token| !token.is_empty()),
        }
    }
}

impl fmt::Debug for LockSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockSettings")
            .field("backoff", &self.backoff)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// The operator's lock, taken (or, with `ignore`, to be removed at the end).
#[derive(Debug)]
pub struct OperatorLock {
    held: Held,
    /// Whose it must be to be released; `None`: anybody's.
    owner: Option<LockOwner>,
}

#[derive(Debug)]
enum Held {
    File(PathBuf),
    Consul(ConsulKey),
}

impl Held {
    fn open(place: &LockPlace, settings: LockSettings) -> Result<Self> {
        Ok(match place {
            LockPlace::File(path) => {
                Self::File(std::path::absolute(path).map_err(|error| {
                    Failure::Config(format!("--lock {}: {error}", path.display()))
                })?)
            }
            LockPlace::Consul { url, key } => {
                Self::Consul(ConsulKey::new(url, key, settings).map_err(Failure::Config)?)
            }
        })
    }

    /// What a held lock answers.
    fn refusal(&self, place: &LockPlace, content: &str) -> Failure {
        Failure::Locked(match self {
            Self::File(path) => {
                let path = path.display().to_string();
                described(&path, content, &format!("rm {}", quoted(&path)))
            }
            Self::Consul(consul) => {
                let remove = format!("curl -X DELETE {}", quoted(&consul.shown()));
                described(&place.to_string(), content, &remove)
            }
        })
    }
}

/// Looks at the operator's lock without taking it: the answer of a run that meets it; `None` when it is free. With
/// `only_living` a lock is passed over unless its owner is at work on this machine.
///
/// # Errors
/// `Config` when it cannot be read.
pub fn look(
    place: &LockPlace,
    only_living: bool,
    settings: LockSettings,
) -> Result<Option<Failure>> {
    let held = Held::open(place, settings)?;
    let content = match &held {
        Held::File(path) => match fs::read(path) {
            Ok(content) => Some(String::from_utf8_lossy(&content).into_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::Config(format!(
                    "--lock {}: {error}",
                    path.display()
                )));
            }
        },
        Held::Consul(consul) => consul.holder().map_err(Failure::Config)?,
    };
    let is_living = |content: &String| {
        LockOwner::from_text(content).is_some_and(|owner| owner.liveness() == Liveness::Running)
    };
    Ok(content
        .filter(|content| !only_living || is_living(content))
        .map(|content| held.refusal(place, &content)))
}

impl OperatorLock {
    /// [`take_as`](Self::take_as) this process, with the usual settings.
    ///
    /// # Errors
    /// As there.
    pub fn take(place: impl Into<LockPlace>, ignore: bool) -> Result<Self> {
        let owner = LockOwner::this_process(None, None);
        Self::take_as(place, ignore, owner, LockSettings::default())
    }

    /// Takes the lock at `place`; with `ignore` it is neither checked nor taken, but still released at the end, whoever's it
    /// is.
    ///
    /// # Errors
    /// `Locked` when it is held, with its owner and, if that runs no more, how to remove it; `Config` when the lock cannot be
    /// written or Consul not be reached.
    pub fn take_as(
        place: impl Into<LockPlace>,
        ignore: bool,
        owner: LockOwner,
        settings: LockSettings,
    ) -> Result<Self> {
        let place = place.into();
        let held = Held::open(&place, settings)?;
        if ignore {
            return Ok(Self { held, owner: None });
        }
        let taken = match &held {
            Held::File(path) => create_file(path, &owner)?,
            Held::Consul(consul) => consul.take(&owner).map_err(Failure::Config)?,
        };
        if let Taken::Held(content) = taken {
            return Err(held.refusal(&place, &content));
        }
        Ok(Self {
            held,
            owner: Some(owner),
        })
    }

    /// Releases the lock. One that is gone, or that has become somebody else's, is a warning in the log and no failure.
    ///
    /// # Errors
    /// `Config` when it cannot be removed.
    pub fn release(self) -> Result<()> {
        let (released, place) = match &self.held {
            Held::File(path) => (
                remove_file(path, self.owner.as_ref()).map_err(|error| {
                    Failure::Config(format!("--lock {}: {error}", path.display()))
                })?,
                path.display().to_string(),
            ),
            Held::Consul(consul) => (
                consul
                    .release(self.owner.as_ref())
                    .map_err(Failure::Config)?,
                consul.shown(),
            ),
        };
        match released {
            Released::Done => {}
            Released::Missing => {
                tracing::warn!("the lock {place} was to be released, but somebody had removed it");
            }
            Released::Foreign(content) => {
                let owner = LockOwner::from_text(&content)
                    .map_or_else(|| "held by somebody".to_owned(), |owner| owner.describe());
                tracing::warn!(
                    "the lock {place} was to be released, but it is not that of this run any more, and stays: {owner}"
                );
            }
        }
        Ok(())
    }
}

/// Makes the lock file, if there is none, with its content.
fn create_file(path: &Path, owner: &LockOwner) -> Result<Taken> {
    let fail =
        |error: std::io::Error| Failure::Config(format!("--lock {}: {error}", path.display()));
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let content = fs::read(path).unwrap_or_default();
            let content = String::from_utf8_lossy(&content).into_owned();
            return Ok(Taken::Held(content));
        }
        Err(error) => return Err(fail(error)),
    };
    file.write_all(owner.to_text().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            // A lock that nobody holds would stop all further runs.
            let _ = fs::remove_file(path);
            fail(error)
        })?;
    Ok(Taken::Ours)
}

fn remove_file(path: &Path, owner: Option<&LockOwner>) -> std::io::Result<Released> {
    if let Some(owner) = owner {
        match fs::read(path) {
            Ok(content) => {
                let content = String::from_utf8_lossy(&content).into_owned();
                let ours =
                    LockOwner::from_text(&content).is_some_and(|found| found.is_same_lock(owner));
                if !ours {
                    return Ok(Released::Foreign(content));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Released::Missing),
            Err(error) => return Err(error),
        }
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(Released::Done),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Released::Missing),
        Err(error) => Err(error),
    }
}

/// The place of a held lock, then who holds it, and how to remove it if that one is gone.
fn described(place: &str, content: &str, remove: &str) -> String {
    let Some(owner) = LockOwner::from_text(content) else {
        let first = content.lines().next().unwrap_or_default();
        let what = if first.is_empty() {
            "it is empty: its owner is only just taking it, or died doing so".to_owned()
        } else {
            format!("its first line is no process id: {first:.80}")
        };
        return format!("{place}\n{what}\nWhen no run is at work, remove it with: {remove}");
    };
    let owner_line = owner.describe();
    match owner.liveness() {
        Liveness::Running => format!("{place}\n{owner_line}\nThat process is at work."),
        Liveness::Gone => format!(
            "{place}\n{owner_line}\nThat process runs no more: its run failed or was killed. Look at what it left, then remove the lock with: {remove}"
        ),
        Liveness::Unknown => format!(
            "{place}\n{owner_line}\nWhether that process still runs cannot be seen from here. When it does not, and what it left was looked at, remove the lock with: {remove}"
        ),
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=%@+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
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
        let text = refused.to_string();
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(format!("Lock already held at {path}").as_str())
        );
        let owner = lines.next().unwrap();
        assert!(
            owner.starts_with(&format!("held by process {first_line} on host ")),
            "{owner}"
        );
        assert!(owner.ends_with(" s)"), "{owner}");
        assert_eq!(lines.next(), Some("That process is at work."));
        lock.release().unwrap();
        OperatorLock::take(path, false).unwrap();
        // ignored at the start, still removed at the end
        OperatorLock::take(path, true).unwrap().release().unwrap();
        assert!(!Path::new(path).exists());
    }

    #[test]
    fn a_missing_or_foreign_lock_is_no_failure_of_a_good_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let place = LockPlace::File(path.clone());
        let lock = OperatorLock::take(&place, false).unwrap();
        fs::remove_file(&path).unwrap();
        lock.release().unwrap();
        // removed by hand, taken by another run: that one's stays
        let lock = OperatorLock::take(&place, false).unwrap();
        fs::remove_file(&path).unwrap();
        let other = OperatorLock::take(&place, false).unwrap();
        lock.release().unwrap();
        assert!(path.exists());
        other.release().unwrap();
        assert!(!path.exists());
        OperatorLock::take(&place, true).unwrap().release().unwrap();
    }

    #[test]
    fn a_stale_lock_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a lock");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut owner = LockOwner::this_process(Some("2018-07-24-10-00-00"), Some("camonica run"));
        owner.pid = child.id();
        child.wait().unwrap();
        fs::write(&path, owner.to_text()).unwrap();
        let text = OperatorLock::take(LockPlace::File(path.clone()), false)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(", run 2018-07-24-10-00-00, command: camonica run\n"),
            "{text}"
        );
        let end = format!("remove the lock with: rm '{}'", path.display());
        assert!(
            text.contains("runs no more") && text.ends_with(&end),
            "{text}"
        );
        assert!(path.exists(), "a hard lock");

        for (content, part) in [
            ("", "it is empty"),
            ("what\n", "no process id: what"),
            ("4711\n", "cannot be seen from here"),
            (
                "4711\nhost elsewhere\nsince 2018-07-24T10:00:00.000Z\n",
                "on host elsewhere since 2018-07-24T10:00:00.000Z (",
            ),
        ] {
            fs::write(&path, content).unwrap();
            let refused = OperatorLock::take(LockPlace::File(path.clone()), false).unwrap_err();
            assert_eq!(refused.exit_code(), 17);
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn of_eight_threads_exactly_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let place = LockPlace::File(folder.path().join(format!("lock{round}")));
            let gate = std::sync::Barrier::new(8);
            let winners: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            gate.wait();
                            usize::from(OperatorLock::take(&place, false).is_ok())
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .sum()
            });
            assert_eq!(winners, 1);
        }
    }

    #[test]
    fn a_lock_that_cannot_be_written_is_a_mistake_of_the_options() {
        let refused = OperatorLock::take("/nonexistent/folder/lock", false).unwrap_err();
        assert_eq!(refused.exit_code(), 1);
        assert!(
            refused
                .to_string()
                .starts_with("--lock /nonexistent/folder/lock: "),
            "{refused}"
        );
        assert_eq!(LockPlace::from_options(None, Some("http://c:8500")), None);
        assert_eq!(
            LockPlace::from_options(Some("l"), None),
            Some(LockPlace::File("l".into()))
        );
        let key = LockPlace::from_options(Some("l"), Some("http://c:8500"));
        assert_eq!(key.map(|place| place.to_string()), Some("l".into()));
    }
}
