//! Which shard reads what: a function of the input and of the number of shards, and of nothing else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sha2::{Digest, Sha256};

use super::super::groups::{Group, WorkItem};
use crate::error::{Error, Result};
use crate::input::split::{SPLIT_BYTES, split_object};
use crate::input::{Framing, OpenRange, Snapshot};

/// Divides a snapshot into one group for each shard: the largest split goes to the shard with the least bytes so far, and so
/// on. Objects that can be cut and are large are cut first, unless damaged ones are to be skipped.
pub(super) fn shares(
    snapshot: &Snapshot,
    framing: Framing,
    shards: u32,
    skip_corrupt: bool,
    store: &impl OpenRange,
) -> Result<Vec<Group>> {
    let cut = if skip_corrupt || shards == 1 {
        u64::MAX
    } else {
        (snapshot.total_bytes / (16 * u64::from(shards))).max(SPLIT_BYTES)
    };
    let mut items = Vec::with_capacity(snapshot.objects.len());
    for (rank, object) in snapshot.objects.iter().enumerate() {
        let rank = u32::try_from(rank).map_err(|_| Error::config("more than 2^32 objects"))?;
        let splits = split_object(rank, object, framing, cut, store);
        items.extend(splits.iter().map(|split| WorkItem::new(object, split)));
    }
    items.sort_by_key(|item| (Reverse(item.bytes()), item.place()));
    let mut groups: Vec<Group> = (0..shards)
        .map(|number| Group {
            number,
            items: Vec::new(),
        })
        .collect();
    // of shards with the same bytes the one with fewer objects: empty objects cost something too
    let mut loads: BinaryHeap<Reverse<(u64, usize, u32)>> =
        (0..shards).map(|number| Reverse((0, 0, number))).collect();
    for item in items {
        let Some(Reverse((bytes, count, number))) = loads.pop() else {
            return Err(Error::internal("a job without shards"));
        };
        loads.push(Reverse((bytes + item.bytes(), count + 1, number)));
        groups[number as usize].items.push(item);
    }
    for group in &mut groups {
        group.items.sort_by_key(WorkItem::place);
    }
    Ok(groups)
}

/// A digest of what the groups read, objects as they are now: SHA-256, hexadecimal.
pub(super) fn digest(groups: &[Group]) -> Result<String> {
    let mut digest = Sha256::new();
    for group in groups {
        digest.update((group.items.len() as u64).to_le_bytes());
        for item in &group.items {
            let bytes = item.fingerprint()?;
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(&bytes);
        }
    }
    Ok(hex(&digest.finalize()))
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InputObject;
    use crate::store::Store;

    fn snapshot(sizes: &[u64]) -> Snapshot {
        let object =
            |(i, size): (usize, &u64)| InputObject::for_test(&format!("/in/{i:03}"), *size);
        Snapshot {
            objects: sizes.iter().enumerate().map(object).collect(),
            total_bytes: sizes.iter().sum(),
        }
    }

    fn shares_of(snapshot: &Snapshot, shards: u32, skip_corrupt: bool) -> Vec<Group> {
        let store = Store::default();
        shares(snapshot, Framing::Lines, shards, skip_corrupt, &store).unwrap()
    }

    #[test]
    fn every_byte_has_one_shard_and_shards_are_even() {
        for (sizes, shards, most) in [
            (vec![], 3, 0),
            (vec![5], 3, 5),
            (vec![10, 20, 30, 40, 50], 3, 50),
            (vec![7; 100], 4, 175),
            (vec![0; 9], 3, 0),
            (vec![SPLIT_BYTES * 6, 10], 3, SPLIT_BYTES * 2 + 10),
        ] {
            let snapshot = snapshot(&sizes);
            let groups = shares_of(&snapshot, shards, false);
            assert_eq!(groups.len(), shards as usize);
            let mut read = vec![0; sizes.len()];
            for (number, group) in groups.iter().enumerate() {
                assert_eq!(group.number as usize, number);
                assert!(group.bytes() <= most, "{sizes:?}: {}", group.bytes());
                assert!(group.items.is_sorted_by_key(WorkItem::place));
                for item in &group.items {
                    read[item.place().0 as usize] += item.bytes();
                }
            }
            assert_eq!(read, sizes);
            assert_eq!(groups, shares_of(&snapshot, shards, false));
        }
        let counts: Vec<usize> = shares_of(&snapshot(&[0; 9]), 3, false)
            .iter()
            .map(|group| group.items.len())
            .collect();
        assert_eq!(counts, [3, 3, 3]);
        // an object that may be damaged is read by one
        let whole = shares_of(&snapshot(&[SPLIT_BYTES * 6]), 3, true);
        assert_eq!(whole.iter().map(|group| group.items.len()).max(), Some(1));
    }

    #[test]
    fn digests_tell_inputs_apart() {
        let one = snapshot(&[1, 2, 3]);
        let digest = |snapshot: &Snapshot, shards| digest(&shares_of(snapshot, shards, false));
        let expected = digest(&one, 2).unwrap();
        assert_eq!(expected.len(), 64);
        assert_eq!(digest(&one, 2).unwrap(), expected);
        assert_ne!(digest(&one, 3).unwrap(), expected);
        assert_ne!(digest(&snapshot(&[1, 2, 4]), 2).unwrap(), expected);
        let mut changed = one.clone();
        changed.objects[1].entry.etag = Some("new".into());
        assert_ne!(digest(&changed, 2).unwrap(), expected);
        changed.objects[1] = InputObject::for_test("/in/other", 2);
        assert_ne!(digest(&changed, 2).unwrap(), expected);
    }
}
