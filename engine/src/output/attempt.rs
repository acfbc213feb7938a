//! Temporary folders of attempts in a local output root, and who owns them.
//!
//! An attempt writes below `<root>/_temporary/<attempt>/` and holds a lock on `<root>/_temporary/<attempt>.lock` as long as it
//! lives. The operating system frees the lock when the process ends, however it ends: a folder whose lock is free is a leftover.
//! The lock file names the run and its commit plan, so that a leftover that some plan still needs is not cleared.

use super::pressure::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, local};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The sub-folder for all that is not committed, as Hadoop's committers name it.
pub(super) const TEMPORARY: &str = "_temporary";
/// The name of a commit plan.
pub(super) const PLAN: &str = "commit-plan.json";
/// The names of our attempts begin so.
pub(super) const PREFIX: &str = "camonica-";
const LOCK_ENDING: &str = ".lock";

/// What a lock file says about its attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) run_id: String,
    /// Where the attempt's commit plan is while it commits.
    pub(super) plan: String,
}

/// A live attempt's folder in one root. Dropping it frees the lock and deletes nothing.
#[derive(Debug)]
pub(super) struct LocalAttempt {
    root: PathBuf,
    folder: PathBuf,
    /// `None` for a task of an attempt of another process, which has the lock.
    lock_path: Option<PathBuf>,
    /// `None` when given back.
    held: Mutex<Option<File>>,
    /// The root itself was made by this attempt.
    made_root: bool,
}

/// The sub-folder of an attempt in which tasks of other processes write.
pub(super) const TASKS: &str = "_tasks";

/// The folder of an attempt.
pub(super) fn folder(root: &Path, attempt: &str) -> PathBuf {
    root.join(TEMPORARY).join(attempt)
}

fn lock_path(root: &Path, attempt: &str) -> PathBuf {
    root.join(TEMPORARY).join(format!("{attempt}{LOCK_ENDING}"))
}

impl LocalAttempt {
    /// Makes the folder of an attempt and takes its lock.
    pub(super) fn start(root: &Path, attempt: &str, note: &Note) -> Result<Self> {
        let made_root = !root.exists();
        let lock_path = lock_path(root, attempt);
        let mut tries = 0;
        let held = loop {
            local::create_dir(&root.join(TEMPORARY))?;
            match take_new_lock(&lock_path, note, |from, to| fs::rename(from, to)) {
                Ok(file) => break file,
                // another attempt tidied up at this very moment: `_temporary` or the file is gone again
                Err(e) if e.kind() == io::ErrorKind::NotFound && tries < 20 => tries += 1,
                Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                    return Err(Error::config(format!(
                        "{}: the file system has no file locks; write to another one",
                        root.display()
                    ))
                    .with_source(e));
                }
                Err(e) => return Err(local::at(&lock_path, e)),
            }
        };
        let attempt = Self {
            root: root.to_owned(),
            folder: folder(root, attempt),
            lock_path: Some(lock_path),
            held: Mutex::new(Some(held)),
            made_root,
        };
        local::create_dir(&attempt.folder)?;
        Ok(attempt)
    }

    /// Takes the lock of an attempt whose folder processes without a lock have made and filled.
    ///
    /// # Errors
    /// `NotEmpty` while another process has it; `NotFound` if the folder is gone.
    pub(super) fn take_over(root: &Path, attempt: &str, note: &Note) -> Result<Self> {
        let lock_path = lock_path(root, attempt);
        let folder = folder(root, attempt);
        let busy = || {
            Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{}: another process is committing this very output now",
                    root.display()
                ),
            )
        };
        let gone = || {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "{}: what was written there is gone: the output was committed, or another job has cleared it",
                    folder.display()
                ),
            )
        };
        if !folder.is_dir() {
            return Err(gone());
        }
        let held = match owner(root, attempt)? {
            Owner::Alive => return Err(busy()),
            Owner::Gone(Some(held)) => held,
            // a link, and no renaming: of two that want the lock one gets it
            Owner::Gone(None) => match take_new_lock(&lock_path, note, link_new) {
                Ok(held) => held,
                // it has it already, or is just about to
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    ) =>
                {
                    return Err(busy());
                }
                Err(e) => return Err(local::at(&lock_path, e)),
            },
        };
        // left by a process that was killed between two names
        local::remove_file(&unnamed(&lock_path))?;
        // another process may have had the lock until now, and have ended its work
        if !folder.is_dir() {
            return Err(gone());
        }
        Ok(Self {
            root: root.to_owned(),
            folder,
            lock_path: Some(lock_path),
            held: Mutex::new(Some(held)),
            made_root: false,
        })
    }

    /// The folder of a task below the one of an attempt that another process owns. Nothing is made before the task writes.
    pub(super) fn of_task(root: &Path, attempt: &str, task: &str) -> Self {
        Self {
            root: root.to_owned(),
            folder: folder(root, attempt).join(TASKS).join(task),
            lock_path: None,
            held: Mutex::new(None),
            made_root: false,
        }
    }

    /// What must exist before a task makes its folder: it is gone when the attempt has ended.
    pub(super) fn base(&self) -> Option<PathBuf> {
        match self.lock_path {
            Some(_) => None,
            None => self.folder.parent()?.parent().map(Path::to_owned),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deletes what the attempt left, gives the lock back, and removes folders that are empty then.
    pub(super) fn clear(&self) -> Result<()> {
        remove_tree(&self.folder)?;
        let Some(lock_path) = &self.lock_path else {
            return Ok(());
        };
        local::remove_file(lock_path)?;
        *lock(&self.held) = None;
        // other attempts may use it: then it stays
        let _ = fs::remove_dir(self.root.join(TEMPORARY));
        if self.made_root {
            let _ = fs::remove_dir(&self.root);
        }
        Ok(())
    }

    /// After a commit the files belong to the output: only the lock is left to go.
    pub(super) fn release(&self) {
        *lock(&self.held) = None;
    }
}

/// Where a lock file is made that has not its name yet.
fn unnamed(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{}", local::TEMPORARY_ENDING))
}

/// Makes a lock file that is locked and has its note before it has its name: a lock file that nobody holds is a dead
/// attempt's, however young it is. `NotFound` if somebody who tidies up took it away meanwhile.
fn take_new_lock(
    path: &Path,
    note: &Note,
    name_it: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<File> {
    let made = unnamed(path);
    // what a process left that was killed here is as good as new; one that lives holds it
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&made)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    let ready = file
        .set_len(0)
        .and_then(|()| file.write_all(&serde_json::to_vec(note)?))
        .and_then(|()| file.sync_all())
        .and_then(|()| name_it(&made, path));
    if let Err(e) = ready {
        let _ = fs::remove_file(&made);
        return Err(e);
    }
    Ok(file)
}

/// Gives a file its name if nothing has it.
fn link_new(made: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(made, path)?;
    fs::remove_file(made)
}

/// The state of an attempt that somebody else began.
pub(super) enum Owner {
    /// Its process lives.
    Alive,
    /// Nobody holds it; the lock is ours now, if there is a lock file.
    Gone(Option<File>),
}

/// Finds out whether an attempt's process lives, and takes its lock if not.
pub(super) fn owner(root: &Path, attempt: &str) -> Result<Owner> {
    let path = lock_path(root, attempt);
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Owner::Gone(None)),
        Err(e) => return Err(local::at(&path, e)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Owner::Gone(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Owner::Alive),
        Err(TryLockError::Error(e)) => Err(local::at(&path, e)),
    }
}

/// Removes a tree in which a task that nobody waits for may still be writing.
fn remove_tree(path: &Path) -> Result<()> {
    for _ in 0..20 {
        match local::remove_tree(path) {
            Err(e) if e.kind() == ErrorKind::Io => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            other => return other,
        }
    }
    local::remove_tree(path)
}

/// Deletes the folder and the lock file of an attempt whose lock is ours.
pub(super) fn remove(root: &Path, attempt: &str) -> Result<()> {
    remove_tree(&folder(root, attempt))?;
    local::remove_file(&lock_path(root, attempt))
}

/// Deletes what processes left that were killed while they wrote a commit plan or the lock file of an attempt, when the attempt is
/// committed: one that is still at it is too late.
pub(super) fn remove_unfinished(root: &Path, attempt: &str) -> Result<()> {
    let temporary = root.join(TEMPORARY);
    let entries = match fs::read_dir(&temporary) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(local::at(&temporary, e)),
    };
    let begins = [format!(".{PLAN}."), format!(".{attempt}{LOCK_ENDING}")];
    for entry in entries {
        let entry = entry.map_err(|e| local::at(&temporary, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(local::TEMPORARY_ENDING)
            && begins.iter().any(|begin| name.starts_with(begin))
        {
            local::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Clears what dead attempts left in `_temporary/` of a root, but for the attempt called `kept`.
///
/// # Errors
/// `NotEmpty` for anything that is not ours, and for an attempt that a commit plan of another run still needs.
pub(super) fn sweep(
    store: &Store,
    root: &Location,
    own_plan: &Location,
    kept: Option<&str>,
) -> Result<()> {
    let Some(path) = root.local_path() else {
        return Ok(());
    };
    let temporary = path.join(TEMPORARY);
    let entries = match fs::read_dir(&temporary) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(local::at(&temporary, e)),
    };
    let mut attempts = std::collections::BTreeSet::new();
    let mut unfinished_writes = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| local::at(&temporary, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(local::TEMPORARY_ENDING) {
            unfinished_writes.push(entry.path());
        } else if name.starts_with(PREFIX) {
            attempts.insert(name.trim_end_matches(LOCK_ENDING).to_owned());
        } else {
            return Err(Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{root}: holds {TEMPORARY}/{name}, which no attempt of this run left; finish the job it belongs to, \
                     or delete it if that job is not wanted any more"
                ),
            ));
        }
    }
    let mut all_dead = true;
    for attempt in attempts {
        if kept == Some(attempt.as_str()) {
            all_dead = false;
            continue;
        }
        match owner(path, &attempt)? {
            Owner::Alive => all_dead = false,
            Owner::Gone(held) => {
                if let Some(mut file) = held.as_ref() {
                    check_plan(store, root, &attempt, &mut file, own_plan)?;
                }
                tracing::info!("clearing {root}/{TEMPORARY}/{attempt}, which a dead attempt left");
                remove(path, &attempt)?;
            }
        }
    }
    if all_dead {
        for path in unfinished_writes {
            local::remove_file(&path)?;
        }
        let _ = fs::remove_dir(&temporary);
    }
    Ok(())
}

/// Refuses if the plan that the lock file names exists and is another run's.
fn check_plan(
    store: &Store,
    root: &Location,
    attempt: &str,
    file: &mut impl Read,
    own_plan: &Location,
) -> Result<()> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|e| Error::io(format!("{root}/{TEMPORARY}/{attempt}{LOCK_ENDING}"), e))?;
    // killed before it wrote its note: it has written nothing else either
    let Ok(note) = serde_json::from_str::<Note>(&text) else {
        return Ok(());
    };
    let plan = Location::parse(&note.plan)?;
    if plan.is_same_place(own_plan) || store.head(&plan)?.is_none() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotEmpty,
        format!(
            "{root}: the commit of run {} was cut off and is not finished (plan: {plan}); run that job again first",
            note.run_id
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            run_id: "1".into(),
            plan: "/nowhere/plan".into(),
        }
    }

    fn place(path: &Path) -> Location {
        Location::from_path(path).unwrap()
    }

    #[test]
    fn the_living_are_left_alone_and_the_dead_are_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        let store = Store::default();
        let own_plan = place(&root).join("plan");
        let alive = LocalAttempt::start(&root, "camonica-a", &note()).unwrap();
        let dead = LocalAttempt::start(&root, "camonica-b", &note()).unwrap();
        fs::write(dead.folder().join("x"), "1").unwrap();
        drop(dead);
        sweep(&store, &place(&root), &own_plan, None).unwrap();
        assert!(alive.folder().is_dir() && !folder(&root, "camonica-b").exists());
        assert!(matches!(owner(&root, "camonica-a").unwrap(), Owner::Alive));
        alive.clear().unwrap();
        assert!(!root.exists(), "what the attempt made is gone");
    }

    #[test]
    fn strange_and_needed_things_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let store = Store::default();
        let own_plan = place(root).join("plan");
        // Spark's own leftover
        fs::create_dir_all(root.join("_temporary/0")).unwrap();
        let error = sweep(&store, &place(root), &own_plan, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotEmpty);
        assert!(error.to_string().contains("_temporary/0"), "{error}");
        fs::remove_dir(root.join("_temporary/0")).unwrap();
        // another run's attempt, whose plan exists
        let other = dir.path().join("other-plan.json");
        fs::write(&other, "{}").unwrap();
        let note = Note {
            run_id: "yesterday".into(),
            plan: other.to_str().unwrap().into(),
        };
        drop(LocalAttempt::start(root, "camonica-c", &note).unwrap());
        let error = sweep(&store, &place(root), &own_plan, None).unwrap_err();
        assert!(error.to_string().contains("run yesterday"), "{error}");
        assert!(folder(root, "camonica-c").exists());
        fs::remove_file(&other).unwrap();
        sweep(&store, &place(root), &own_plan, None).unwrap();
        assert!(!root.join("_temporary").exists());
    }

    #[test]
    fn who_was_killed_while_it_took_over_hinders_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        fs::create_dir_all(folder(&root, "camonica-z")).unwrap();
        let made = unnamed(&lock_path(&root, "camonica-z"));
        // before it wrote its note, and between the two names
        for linked in [false, true] {
            fs::write(
                &made,
                "{\"run_id\":\"0123456789 and much more of an earlier note\"",
            )
            .unwrap();
            if linked {
                fs::hard_link(&made, lock_path(&root, "camonica-z")).unwrap();
            }
            let taken = LocalAttempt::take_over(&root, "camonica-z", &note()).unwrap();
            assert!(!made.exists());
            let busy = LocalAttempt::take_over(&root, "camonica-z", &note()).unwrap_err();
            assert_eq!(busy.kind(), ErrorKind::NotEmpty);
            if !linked {
                let text = fs::read_to_string(lock_path(&root, "camonica-z")).unwrap();
                assert!(serde_json::from_str::<Note>(&text).is_ok(), "{text}");
            }
            taken.release();
            fs::remove_file(lock_path(&root, "camonica-z")).unwrap();
        }
        // and nothing of it stays
        fs::write(&made, "").unwrap();
        let plan = root
            .join(TEMPORARY)
            .join(".commit-plan.json.0.camonica-tmp");
        let other = root.join(TEMPORARY).join(".camonica-y.lock.camonica-tmp");
        for path in [&plan, &other] {
            fs::write(path, "").unwrap();
        }
        remove_unfinished(&root, "camonica-z").unwrap();
        assert!(!made.exists() && !plan.exists() && other.exists());
        // one that lives
        let alive = File::create(&made).unwrap();
        alive.lock().unwrap();
        let busy = LocalAttempt::take_over(&root, "camonica-z", &note()).unwrap_err();
        assert!(busy.to_string().contains("is committing"), "{busy}");
    }

    #[test]
    fn a_lock_file_without_a_note_is_dead() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("_temporary/camonica-x")).unwrap();
        File::create(dir.path().join("_temporary/camonica-x.lock")).unwrap();
        // killed while it made its lock
        for name in [".p.1.camonica-tmp", ".camonica-y.lock.camonica-tmp"] {
            fs::write(dir.path().join("_temporary").join(name), "").unwrap();
        }
        sweep(
            &Store::default(),
            &place(dir.path()),
            &place(dir.path()).join("p"),
            None,
        )
        .unwrap();
        assert!(!dir.path().join("_temporary").exists());
    }
}
