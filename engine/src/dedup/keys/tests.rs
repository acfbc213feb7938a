//! The same candidates, whatever the budget.

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn spill(folder: &Path) -> SpillArea {
    SpillArea::open("shred", &[folder.to_owned()]).unwrap()
}

/// A table with these ids, added by two workers, and its candidates.
fn candidates(ids: &[u64], budget: u64) -> (Candidates, u64) {
    let folder = tempfile::tempdir().unwrap();
    let area = spill(folder.path());
    let table = KeyTable::new(EventKeyHasher::random().unwrap(), area.clone(), budget);
    let (left, right) = ids.split_at(ids.len() / 2);
    std::thread::scope(|scope| {
        for half in [left, right] {
            let mut writer = table.writer();
            scope.spawn(move || {
                for id in half {
                    writer.add(&id.to_le_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(table.bytes(), 16 * ids.len() as u64);
    let found = table.into_candidates(2, 1 << 20).unwrap();
    assert!(!found.is_filter());
    (found, area.written(Kind::Keys))
}

fn check(ids: &[u64], budget: u64) -> u64 {
    let mut counts: HashMap<u64, u64> = HashMap::new();
    for id in ids {
        *counts.entry(*id).or_default() += 1;
    }
    let (found, spilled) = candidates(ids, budget);
    let repeated = counts.values().filter(|count| **count > 1).count();
    assert_eq!(found.len(), repeated as u64, "budget {budget}");
    for (id, count) in counts {
        assert_eq!(found.contains(&id.to_le_bytes()), count > 1);
    }
    assert!(!found.contains(&u64::MAX.to_le_bytes()));
    spilled
}

#[test]
fn only_repeated_ids_are_candidates() {
    assert_eq!(check(&[1, 2, 1, 3, 1, 0, 0], 1 << 20), 0);
    assert_eq!(check(&[1, 2], 1 << 20), 0);
    assert_eq!(check(&[], 0), 0);
}

#[test]
fn a_table_that_outgrows_memory_finds_the_same() {
    // every tenth id twice
    let ids: Vec<u64> = (0..60_000).chain((0..60_000).step_by(10)).collect();
    assert_eq!(check(&ids, 64 << 20), 0);
    // 1 MB of keys in 256 KiB, and in less than nothing: partitions are divided, many times
    assert!(check(&ids, 256 << 10) > 500_000);
    assert!(check(&ids[..20_000], 4096) > 250_000);
}

#[test]
fn every_id_repeated() {
    let ids: Vec<u64> = (0..20_000).chain(0..20_000).collect();
    assert!(check(&ids, 128 << 10) > 0);
}

#[test]
fn a_hot_id_takes_the_room_of_two() {
    let mut ids = vec![7; 1_000_000];
    ids.extend(0..5_000);
    let spilled = check(&ids, 512 << 10);
    assert!(spilled < 100_000, "{spilled} bytes of 16 MB");
}

#[test]
fn keys_that_cannot_be_spilled_end_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let area = spill(folder.path());
    let table = KeyTable::new(EventKeyHasher::random().unwrap(), area, 0);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let mut writer = table.writer();
    writer.add(b"a").unwrap();
    // the failure comes with the drop, and is not forgotten
    drop(writer);
    assert!(table.into_candidates(1, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn equals_plain_counting(
        ids in proptest::collection::vec(0..400u64, 0..1500),
        budget in prop_oneof![Just(0u64), 1..40_000u64],
    ) {
        check(&ids, budget);
    }
}
