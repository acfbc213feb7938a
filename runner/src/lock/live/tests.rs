//! Tests of the live lock, on files and on a store in memory.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};

use super::*;

/// Objects in memory, with the conditional write of S3.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl LiveStore for Memory {
    fn get(&self, object: &Location) -> std::result::Result<Option<Vec<u8>>, String> {
        Ok(self.0.lock().unwrap().get(&object.to_string()).cloned())
    }

    fn put(&self, object: &Location, content: &[u8]) -> std::result::Result<(), String> {
        let mut objects = self.0.lock().unwrap();
        objects.insert(object.to_string(), content.to_vec());
        Ok(())
    }

    fn create(&self, object: &Location, content: &[u8]) -> std::result::Result<bool, String> {
        let mut objects = self.0.lock().unwrap();
        if objects.contains_key(&object.to_string()) {
            return Ok(false);
        }
        objects.insert(object.to_string(), content.to_vec());
        Ok(true)
    }

    fn delete(&self, object: &Location) -> std::result::Result<(), String> {
        self.0.lock().unwrap().remove(&object.to_string());
        Ok(())
    }
}

fn folder() -> Location {
    Location::parse("s3://log/camonica").unwrap()
}

fn lock() -> Location {
    folder().join("live-lock.json")
}

fn take(store: &Arc<Memory>, take_over: bool) -> Result<LiveLock> {
    let owner = LockOwner::this_process(None, None);
    LiveLock::take_object(Arc::clone(store) as _, &folder(), owner, take_over, BEAT)
}

/// Leaves the lock of a process with this id and host, refreshed so long ago.
fn leave(store: &Memory, pid: u32, host: Option<&str>, silence_ms: i64) {
    let mut owner = LockOwner::this_process(None, None);
    owner.pid = pid;
    if let Some(host) = host {
        owner.host = host.into();
    }
    let content = Content {
        owner,
        refreshed: format_iso_millis(now_ms() - silence_ms),
    };
    let bytes = serde_json::to_vec(&content).unwrap();
    store.put(&lock(), &bytes).unwrap();
}

/// The id of a process that ran and runs no more.
fn dead() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn one_runner_at_a_time_on_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let held = LiveLock::take(folder.path()).unwrap();
    let refused = LiveLock::take(folder.path()).unwrap_err();
    assert_eq!(refused.exit_code(), 17);
    let text = refused.to_string();
    assert!(
        text.contains("(another runner is at work)\nheld by process "),
        "{text}"
    );
    held.check().unwrap();
    drop(held);
    LiveLock::take(folder.path()).unwrap();
    let log = Location::from_path(folder.path()).unwrap();
    let owner = LockOwner::this_process(None, None);
    let held = LiveLock::take_at(&log, &Objects::new(None), owner.clone(), false).unwrap();
    assert!(folder.path().join("camonica/runner.lock").is_file());
    assert!(LiveLock::take_at(&log, &Objects::new(None), owner, true).is_err());
    drop(held);
}

#[test]
fn one_runner_at_a_time_on_s3() {
    let store = Arc::new(Memory::default());
    let held = take(&store, false).unwrap();
    for take_over in [false, true] {
        let refused = take(&store, take_over).unwrap_err();
        assert_eq!(refused.exit_code(), 17);
        let text = refused.to_string();
        assert!(text.contains("(another runner is at work)"), "{text}");
    }
    held.check().unwrap();
    drop(held);
    assert!(store.0.lock().unwrap().is_empty(), "released");
    take(&store, false).unwrap();
}

#[test]
fn what_a_killed_run_left_is_taken_over_where_its_death_is_proved() {
    let store = Arc::new(Memory::default());
    leave(&store, dead(), None, 1000);
    let held = take(&store, false).unwrap();
    held.check().unwrap();
    assert_eq!(store.0.lock().unwrap().len(), 1, "no marker is left");
    drop(held);
    assert!(store.0.lock().unwrap().is_empty());
}

#[test]
fn a_lock_of_another_host_needs_the_operators_word() {
    let store = Arc::new(Memory::default());
    leave(&store, 4711, Some("elsewhere"), 600_000);
    let text = take(&store, false).unwrap_err().to_string();
    assert!(
        text.contains("held by process 4711 on host elsewhere")
            && text.contains("10 min 0 s old")
            && text.contains("resume --take-over"),
        "{text}"
    );
    take(&store, true).unwrap();
    // a sign of life is stronger than the operator's word
    leave(&store, 4711, Some("elsewhere"), 5_000);
    let text = take(&store, true).unwrap_err().to_string();
    assert!(
        text.contains("try again when that is more than 1 min 30 s"),
        "{text}"
    );
}

#[test]
fn of_many_that_take_over_one_wins() {
    for _ in 0..20 {
        let store = Arc::new(Memory::default());
        leave(&store, dead(), None, 1000);
        let gate = Barrier::new(8);
        let locks: Vec<Option<LiveLock>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        take(&store, true).ok()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(locks.iter().flatten().count(), 1);
    }
}

#[test]
fn a_take_over_that_was_cut_off_does_not_stop_the_next() {
    let store = Arc::new(Memory::default());
    let pid = dead();
    leave(&store, pid, None, 1000);
    let marker = store.get(&lock()).unwrap().unwrap();
    store
        .put(&folder().join("live-lock.take-over.json"), &marker)
        .unwrap();
    take(&store, false).unwrap();
    assert!(store.0.lock().unwrap().is_empty());
}

#[test]
fn a_lock_that_was_taken_away_is_noticed() {
    let store = Arc::new(Memory::default());
    let owner = LockOwner::this_process(None, None);
    let beat = Duration::from_millis(10);
    let held =
        LiveLock::take_object(Arc::clone(&store) as _, &folder(), owner, false, beat).unwrap();
    let first = store.get(&lock()).unwrap().unwrap();
    let mut waited = 0;
    while store.get(&lock()).unwrap().as_ref() == Some(&first) {
        std::thread::sleep(beat);
        waited += 1;
        assert!(waited < 500, "it is not refreshed");
    }
    leave(&store, 4711, Some("elsewhere"), 0);
    while held.check().is_ok() {
        // a refreshment at this very moment writes over the other's lock, whose owner would notice
        leave(&store, 4711, Some("elsewhere"), 0);
        std::thread::sleep(beat);
        waited += 1;
        assert!(waited < 500, "the loss is not noticed");
    }
    assert_eq!(held.check().unwrap_err().exit_code(), 17);
    drop(held);
    assert!(
        store.get(&lock()).unwrap().is_some(),
        "the other's lock stays"
    );
}

#[test]
fn something_else_in_its_place_is_told() {
    let store = Arc::new(Memory::default());
    store.put(&lock(), b"hello").unwrap();
    let text = take(&store, true).unwrap_err().to_string();
    assert!(text.contains("it is not a lock of this program"), "{text}");
}
