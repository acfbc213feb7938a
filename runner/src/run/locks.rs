//! The locks of a run: the operator's (`--lock`), and the one that keeps two runners off one log folder.

use engine::job::options::now_ms;
use engine::store::Location;

use crate::failure::{Failure, Result};
use crate::journal::camonica_folder;
use crate::lock::owner::{Liveness, parse_iso};
use crate::lock::{self, LiveLock, LockOwner, LockPlace, LockSettings, OperatorLock};
use crate::objects::Objects;
use crate::run::Request;

/// The locks that a run holds.
pub(super) struct Locks {
    operator: Option<OperatorLock>,
    /// Held as long as this process is at work.
    live: LiveLock,
}

impl Locks {
    /// Takes the operator's lock, then the one of the log folder.
    pub(super) fn take(request: &Request, objects: &Objects) -> Result<Self> {
        let command = request.resume_command.as_str();
        let owner = || LockOwner::this_process(request.run_id.as_deref(), Some(command));
        let place = LockPlace::from_options(request.lock.as_deref(), request.consul.as_deref());
        let operator = match place {
            Some(place) => Some(OperatorLock::take_as(
                place,
                request.ignore_lock,
                owner(),
                LockSettings::default(),
            )?),
            None => None,
        };
        match LiveLock::take_at(&request.config.log, objects, owner(), request.take_over) {
            Ok(live) => Ok(Self { operator, live }),
            Err(failure) => {
                // another runner is at work: the operator's lock that was just made must not outlive this process
                if let (Some(operator), false) = (operator, request.ignore_lock) {
                    operator.release()?;
                }
                Err(failure)
            }
        }
    }

    /// Whether the log folder is still ours; to be asked before each step.
    pub(super) fn check(&self) -> Result<()> {
        self.live.check()
    }

    /// Releases the operator's lock, then that of the log folder.
    pub(super) fn release(self) -> Result<()> {
        self.operator.map_or(Ok(()), OperatorLock::release)
    }
}

/// What a run would answer because of a lock that is held now. Takes none.
///
/// # Errors
/// `Config` when a lock cannot be looked at.
pub(super) fn held(request: &Request, objects: &Objects) -> Result<Option<Failure>> {
    let place = LockPlace::from_options(request.lock.as_deref(), request.consul.as_deref());
    if let Some(place) = place
        && let Some(held) = lock::look(&place, false, LockSettings::default())?
    {
        return Ok(Some(held));
    }
    let log = &request.config.log;
    Ok(at_work(log, objects).map(|who| {
        Failure::Locked(format!(
            "{}\n{who}\n(another runner is at work)",
            camonica_folder(log)
        ))
    }))
}

/// Who is at work on a log folder, by what a living runner has written there. Takes no lock.
pub fn at_work(log: &Location, objects: &Objects) -> Option<String> {
    /// A runner on another machine refreshes its lock on S3 more often than this.
    const SILENCE_MS: i64 = 120_000;
    let folder = camonica_folder(log);
    let read = |name: &str| objects.get(&folder.join(name)).ok().flatten();
    if folder.is_local() {
        let text = read("runner.lock")?;
        let owner = LockOwner::from_text(&String::from_utf8_lossy(&text))?;
        return (owner.liveness() == Liveness::Running).then(|| owner.describe());
    }
    let value: serde_json::Value = serde_json::from_slice(&read("live-lock.json")?).ok()?;
    let refreshed = value["refreshed"].as_str().and_then(parse_iso);
    let owner: LockOwner = serde_json::from_value(value).ok()?;
    let is_fresh = refreshed.is_some_and(|at| now_ms() - at < SILENCE_MS);
    match owner.liveness() {
        Liveness::Running => Some(owner.describe()),
        Liveness::Unknown if is_fresh => Some(owner.describe()),
        _ => None,
    }
}
