//! The live lock: held for as long as a runner process works on a log folder.
//!
//! On a local disk it is a lock of the operating system on `<log>/camonica/runner.lock`, which ends with the process. On S3 it
//! is the object `<log>/camonica/live-lock.json`, made only if there is none, and refreshed every half minute while the
//! process lives. A killed run leaves it there, and must all the same be resumable: if its process ran on this machine and
//! provably runs no more, the lock is taken over; in all other cases the operator says so (`resume --take-over`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::job::options::now_ms;
use engine::store::Location;
use engine::text::time::format_iso_millis;
use serde::{Deserialize, Serialize};

use super::owner::{Liveness, LockOwner, age, parse_iso};
use crate::failure::{Failure, Result};
use crate::objects::Objects;

/// Time between two refreshments.
const BEAT: Duration = Duration::from_secs(30);

/// A lock that was refreshed not longer ago than this many beats is that of a living process.
const FRESH_BEATS: i64 = 3;

/// A take-over that was begun longer ago was cut off.
const TAKE_OVER_MS: i64 = 120_000;

/// What the lock on S3 needs of a store of objects.
pub trait LiveStore: Send + Sync {
    /// The content of an object; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, object: &Location) -> std::result::Result<Option<Vec<u8>>, String>;

    /// Writes an object, replacing what was there.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&self, object: &Location, content: &[u8]) -> std::result::Result<(), String>;

    /// Writes an object only if there is none; false when there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    fn create(&self, object: &Location, content: &[u8]) -> std::result::Result<bool, String>;

    /// Deletes an object; one that does not exist is no error.
    ///
    /// # Errors
    /// When it cannot be deleted.
    fn delete(&self, object: &Location) -> std::result::Result<(), String>;
}

impl LiveStore for Objects {
    fn get(&self, object: &Location) -> std::result::Result<Option<Vec<u8>>, String> {
        Objects::get(self, object)
    }

    fn put(&self, object: &Location, content: &[u8]) -> std::result::Result<(), String> {
        Objects::put(self, object, content)
    }

    fn create(&self, object: &Location, content: &[u8]) -> std::result::Result<bool, String> {
        Objects::create(self, object, content)
    }

    fn delete(&self, object: &Location) -> std::result::Result<(), String> {
        Objects::delete(self, std::slice::from_ref(object))
    }
}

/// Held while this process works on a log folder. Dropping it releases it.
#[derive(Debug)]
pub struct LiveLock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File),
    Object(Box<ObjectLock>),
}

impl LiveLock {
    /// Takes the lock of the local folder `folder`.
    ///
    /// # Errors
    /// `Locked` when another process holds it; `Config` when the folder cannot be used.
    pub fn take(folder: &Path) -> Result<Self> {
        let owner = LockOwner::this_process(None, None);
        take_file(folder, &owner).map(|file| Self {
            held: Held::File(file),
        })
    }

    /// Takes the lock of the log folder `log`: below `camonica/` in it. `take_over` is the operator's word that the owner of
    /// a lock on S3 is gone.
    ///
    /// # Errors
    /// `Locked` when another process holds it, or may hold it; `Config` when the folder cannot be used.
    pub fn take_at(
        log: &Location,
        objects: &Objects,
        owner: LockOwner,
        take_over: bool,
    ) -> Result<Self> {
        let folder = log.join("camonica");
        if let Some(folder) = folder.local_path() {
            return take_file(folder, &owner).map(|file| Self {
                held: Held::File(file),
            });
        }
        Self::take_object(Arc::new(objects.clone()), &folder, owner, take_over, BEAT)
    }

    /// Takes the lock as an object in `folder`, refreshed every `beat`.
    ///
    /// # Errors
    /// As [`take_at`](Self::take_at).
    pub fn take_object(
        store: Arc<dyn LiveStore>,
        folder: &Location,
        owner: LockOwner,
        take_over: bool,
        beat: Duration,
    ) -> Result<Self> {
        let place = Place {
            store,
            lock: folder.join("live-lock.json"),
            marker: folder.join("live-lock.take-over.json"),
            beat,
        };
        place.take(&owner, take_over)?;
        Ok(Self {
            held: Held::Object(Box::new(ObjectLock::keep(place, owner))),
        })
    }

    /// Whether the lock is still ours: to be asked before each step. (A process that was stopped for long, or cut off from
    /// the network, may have been taken for dead.)
    ///
    /// # Errors
    /// `Locked` when another process has taken it over.
    pub fn check(&self) -> Result<()> {
        match &self.held {
            Held::Object(lock) if lock.lost.load(Ordering::SeqCst) => Err(Failure::Locked(
                format!("{}\nanother runner took it over", lock.place.lock),
            )),
            _ => Ok(()),
        }
    }
}

fn take_file(folder: &Path, owner: &LockOwner) -> Result<File> {
    let fail = |error: std::io::Error| Failure::Config(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(fail)?;
    let path = folder.join("runner.lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut content = String::new();
            // What the owner wrote is for people only.
            let _ = file.read_to_string(&mut content);
            let owner = LockOwner::from_text(&content)
                .map(|owner| format!("\n{}", owner.describe()))
                .unwrap_or_default();
            return Err(Failure::Locked(format!(
                "{} (another runner is at work){owner}",
                path.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(owner.to_text().as_bytes()))
        .map_err(fail)?;
    Ok(file)
}

/// The content of the lock on S3.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    #[serde(flatten)]
    owner: LockOwner,
    /// ISO 8601, UTC.
    refreshed: String,
}

impl Content {
    fn now(owner: &LockOwner) -> Vec<u8> {
        let content = Self {
            owner: owner.clone(),
            refreshed: format_iso_millis(now_ms()),
        };
        // A structure of texts and numbers is always JSON.
        serde_json::to_vec_pretty(&content).unwrap_or_default()
    }

    /// Milliseconds since the last refreshment, by this machine's clock.
    fn silence_ms(&self) -> Option<i64> {
        parse_iso(&self.refreshed).map(|at| now_ms() - at)
    }
}

/// Where a lock on S3 is.
struct Place {
    store: Arc<dyn LiveStore>,
    lock: Location,
    marker: Location,
    beat: Duration,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.lock)
    }
}

impl Place {
    fn read(&self, object: &Location) -> Result<Option<Content>> {
        let Some(bytes) = self.store.get(object).map_err(Failure::Config)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::Locked(format!(
                "{object}\nit is not a lock of this program ({error}): when no run is at work, delete the object"
            ))
        })
    }

    fn take(&self, owner: &LockOwner, take_over: bool) -> Result<()> {
        // Locks that come and go between two looks are those of very short runs.
        for _ in 0..5 {
            if self
                .store
                .create(&self.lock, &Content::now(owner))
                .map_err(Failure::Config)?
            {
                return Ok(());
            }
            let Some(found) = self.read(&self.lock)? else {
                continue;
            };
            if found.owner.is_same_lock(owner) {
                return Ok(());
            }
            if !self.may_take_over(&found, take_over)? {
                continue;
            }
            if self.take_over(owner, found.owner.token())? {
                tracing::warn!(
                    "{}: taken over from a run that was cut short ({})",
                    self.lock,
                    found.owner.describe()
                );
                return Ok(());
            }
        }
        Err(Failure::Locked(format!(
            "{}\nother runners take and release it all the time; try again",
            self.lock
        )))
    }

    /// Whether a lock that was found may be taken from its owner.
    fn may_take_over(&self, found: &Content, take_over: bool) -> Result<bool> {
        let liveness = found.owner.liveness();
        if liveness == Liveness::Gone {
            return Ok(true);
        }
        let fresh_ms = FRESH_BEATS * i64::try_from(self.beat.as_millis()).unwrap_or(i64::MAX / 8);
        let silence = found.silence_ms();
        let fresh = silence.is_none_or(|silence| silence < fresh_ms);
        let since = match silence {
            Some(silence) => format!("its last sign of life is {} old", age(silence)),
            None => "when it last gave a sign of life cannot be read".to_owned(),
        };
        let held = format!("{}\n{}", self.lock, found.owner.describe());
        if liveness == Liveness::Running || (fresh && silence.is_some()) {
            let again = if take_over && liveness != Liveness::Running {
                format!(
                    "; if it was killed, try again when that is more than {}",
                    age(fresh_ms)
                )
            } else {
                String::new()
            };
            return Err(Failure::Locked(format!(
                "{held}\n(another runner is at work) {since}{again}"
            )));
        }
        if take_over {
            return Ok(true);
        }
        Err(Failure::Locked(format!(
            "{held}\n{since}: it was probably killed, which cannot be seen from here. When it runs no more, go on with: resume --take-over"
        )))
    }

    /// Puts our lock in the place of the one with `token`. Of several that try, one wins: the one that makes the marker and
    /// still finds the old lock then. False when the lock is another one by now.
    fn take_over(&self, owner: &LockOwner, token: &str) -> Result<bool> {
        let create = || {
            self.store
                .create(&self.marker, &Content::now(owner))
                .map_err(Failure::Config)
        };
        let delete = || self.store.delete(&self.marker).map_err(Failure::Config);
        let mut won = create()?;
        if !won && let Some(marker) = self.read(&self.marker)? {
            let cut = marker.owner.liveness() == Liveness::Gone
                || marker.silence_ms().is_none_or(|ms| ms > TAKE_OVER_MS);
            if !cut {
                return Err(Failure::Locked(format!(
                    "{}\nit is being taken over: {}",
                    self.lock,
                    marker.owner.describe()
                )));
            }
            delete()?;
            won = create()?;
        }
        if !won {
            return Ok(false);
        }
        let unchanged = self
            .read(&self.lock)?
            .is_some_and(|found| found.owner.token() == token);
        if unchanged {
            self.store
                .put(&self.lock, &Content::now(owner))
                .map_err(Failure::Config)?;
        }
        delete()?;
        Ok(unchanged)
    }

    /// Whether the lock is still that of `owner`.
    fn is_ours(&self, owner: &LockOwner) -> std::result::Result<bool, String> {
        match self.read(&self.lock) {
            Ok(found) => Ok(found.is_some_and(|found| found.owner.is_same_lock(owner))),
            Err(Failure::Locked(_)) => Ok(false),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

/// A lock on S3 with the thread that refreshes it.
#[derive(Debug)]
struct ObjectLock {
    place: Arc<Place>,
    owner: LockOwner,
    lost: Arc<AtomicBool>,
    /// Dropped to end the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ObjectLock {
    fn keep(place: Place, owner: LockOwner) -> Self {
        let place = Arc::new(place);
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("live-lock".into()).spawn({
            let (place, owner, lost) = (Arc::clone(&place), owner.clone(), Arc::clone(&lost));
            move || beat(&place, &owner, &lost, &stopped)
        });
        let thread = thread
            .inspect_err(|error| tracing::warn!("{place:?} will not be refreshed: {error}"))
            .ok();
        Self {
            place,
            owner,
            lost,
            stop: Some(stop),
            thread,
        }
    }
}

/// Refreshes the lock until it is released or lost.
fn beat(place: &Place, owner: &LockOwner, lost: &AtomicBool, stopped: &mpsc::Receiver<()>) {
    while stopped.recv_timeout(place.beat) == Err(mpsc::RecvTimeoutError::Timeout) {
        let refreshed = place.is_ours(owner).and_then(|ours| {
            if ours {
                place.store.put(&place.lock, &Content::now(owner))?;
            }
            Ok(ours)
        });
        match refreshed {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(
                    "{}: it is not this process's any more: somebody deleted it or took it over",
                    place.lock
                );
                lost.store(true, Ordering::SeqCst);
                return;
            }
            Err(why) => tracing::warn!("{} was not refreshed: {why}", place.lock),
        }
    }
}

impl Drop for ObjectLock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked refreshes nothing any more.
            let _ = thread.join();
        }
        let released = self.place.is_ours(&self.owner).and_then(|ours| {
            if ours {
                self.place.store.delete(&self.place.lock)?;
            }
            Ok(())
        });
        if let Err(why) = released {
            tracing::warn!("{} was not released: {why}", self.place.lock);
        }
    }
}

#[cfg(test)]
mod tests;
