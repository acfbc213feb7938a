//! Groups of splits: what one task reads. Small objects are packed, large ones that can be cut are, and an object that can
//! neither be packed nor cut is a group of its own.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::input::split::{Part, split_object};
use crate::input::{ChunkKind, Codec, Framing, InputObject, OpenRange, Snapshot, Split};
use crate::store::{Location, ObjectEntry};

/// What one task reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its number among the groups of its job.
    pub number: u32,
    /// The splits, in order of their places.
    pub items: Vec<WorkItem>,
}

/// One split, with all that is needed to read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// Rank of the object among the job's.
    object: u32,
    location: String,
    relative: String,
    size: u64,
    etag: Option<String>,
    /// Stored bytes.
    start: u64,
    end: u64,
    part: Option<WorkPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WorkPart {
    plain_start: u64,
    plain_end: u64,
    kind: u8,
    lzop_flags: u32,
}

/// The kinds of chunks by the number that stands for them.
const KINDS: [ChunkKind; 3] = [ChunkKind::Lines, ChunkKind::Base64Lines, ChunkKind::Blocks];

impl WorkItem {
    pub(super) fn new(object: &InputObject, split: &Split) -> Self {
        Self {
            object: split.object,
            location: object.entry.location.to_string(),
            relative: object.relative.clone(),
            size: object.entry.size,
            etag: object.entry.etag.clone(),
            start: split.stored.start,
            end: split.stored.end,
            part: split.part.as_ref().map(|part| WorkPart {
                plain_start: part.plain.start,
                plain_end: part.plain.end,
                kind: KINDS
                    .iter()
                    .position(|kind| *kind == part.kind)
                    .and_then(|kind| u8::try_from(kind).ok())
                    .unwrap_or_default(),
                lzop_flags: part.lzop_flags,
            }),
        }
    }

    /// Stored bytes.
    pub fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// The split, with `object` for the rank of its object.
    pub(super) fn split(&self, object: u32) -> Result<Split> {
        let stored: Range<u64> = self.start..self.end;
        let part = match &self.part {
            None => None,
            Some(part) => Some(Part {
                plain: part.plain_start..part.plain_end,
                kind: *KINDS
                    .get(usize::from(part.kind))
                    .ok_or_else(|| Error::internal("a split of an unknown kind"))?,
                lzop_flags: part.lzop_flags,
            }),
        };
        Ok(Split {
            object,
            stored,
            part,
        })
    }

    /// Rank of the object among the job's.
    pub(super) fn object(&self) -> u32 {
        self.object
    }

    /// Where it begins: the rank of its object, and the stored bytes before it.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.object, self.start)
    }

    /// What is read, but for where the whole input lies: the same for two processes that see the same input.
    pub(super) fn fingerprint(&self) -> Result<Vec<u8>> {
        let part = &self.part;
        serde_json::to_vec(&(
            (self.object, &self.relative, self.size, &self.etag),
            (self.start, self.end, part),
        ))
        .map_err(|error| Error::internal("a split cannot be written").with_source(error))
    }

    fn input_object(&self) -> Result<InputObject> {
        let location = Location::parse(&self.location)?;
        Ok(InputObject {
            codec: Codec::from_name(location.name()),
            entry: ObjectEntry {
                relative: self.relative.clone(),
                size: self.size,
                etag: self.etag.clone(),
                location,
            },
            relative: self.relative.clone(),
            index: None,
        })
    }
}

/// A group as the kernels want it.
pub(super) struct Input {
    /// The objects of the group.
    pub(super) snapshot: Snapshot,
    /// Their ranks among the job's.
    pub(super) ranks: Vec<u32>,
    /// The splits, by rank in `snapshot`.
    pub(super) splits: Vec<Split>,
}

impl Group {
    /// Stored bytes of all splits.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(WorkItem::bytes).sum()
    }

    /// The objects and splits of the group.
    pub(super) fn input(&self) -> Result<Input> {
        let mut input = Input {
            snapshot: Snapshot::default(),
            ranks: Vec::new(),
            splits: Vec::with_capacity(self.items.len()),
        };
        for item in &self.items {
            // the items of an object stand side by side
            if input.ranks.last() != Some(&item.object) {
                input.ranks.push(item.object);
                input.snapshot.objects.push(item.input_object()?);
            }
            let index = u32::try_from(input.ranks.len() - 1)
                .map_err(|_| Error::internal("a group of 2^32 objects"))?;
            input.splits.push(item.split(index)?);
        }
        input.snapshot.total_bytes = self.bytes();
        Ok(input)
    }
}

/// Cuts a snapshot into groups of at least about `least` stored bytes, about four for each of `slots` where the input is
/// large enough.
pub(super) fn groups(
    snapshot: &Snapshot,
    framing: Framing,
    slots: usize,
    least: u64,
    skip_corrupt: bool,
    store: &impl OpenRange,
) -> Result<Vec<Group>> {
    let wanted = (snapshot.total_bytes / (4 * slots.max(1) as u64)).max(least.max(1));
    let cut = if skip_corrupt { u64::MAX } else { wanted };
    let mut groups: Vec<Group> = Vec::new();
    let mut open: Vec<WorkItem> = Vec::new();
    let mut bytes = 0;
    let mut close = |open: &mut Vec<WorkItem>| -> Result<()> {
        let number = u32::try_from(groups.len())
            .ok()
            .filter(|number| *number < super::NO_GROUP)
            .ok_or_else(|| Error::config("the input makes more than 2^32 groups"))?;
        groups.push(Group {
            number,
            items: std::mem::take(open),
        });
        Ok(())
    };
    for (rank, object) in snapshot.objects.iter().enumerate() {
        let rank = u32::try_from(rank).map_err(|_| Error::config("more than 2^32 objects"))?;
        for split in split_object(rank, object, framing, cut, store) {
            let item = WorkItem::new(object, &split);
            if !open.is_empty() && bytes + item.bytes() > wanted {
                close(&mut open)?;
                bytes = 0;
            }
            bytes += item.bytes();
            open.push(item);
        }
    }
    if !open.is_empty() {
        close(&mut open)?;
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn groups_hold_every_byte_once() {
        for (sizes, slots, least, expected) in [
            (vec![], 2, 1, 0),
            (vec![10, 10, 10], 1, 100, 1),
            (vec![10, 10, 10], 1, 10, 3),
            (vec![100], 1, 10, 4),
            (vec![5, 100, 5], 1, 20, 6),
        ] {
            let objects: Vec<InputObject> = sizes
                .iter()
                .enumerate()
                .map(|(i, size)| InputObject::for_test(&format!("/in/{i}"), *size))
                .collect();
            let snapshot = Snapshot {
                total_bytes: sizes.iter().sum(),
                objects,
            };
            let store = Store::default();
            let groups = groups(&snapshot, Framing::Lines, slots, least, false, &store).unwrap();
            assert_eq!(groups.len(), expected, "{sizes:?} {slots} {least}");
            let mut ends = vec![0; sizes.len()];
            for (number, group) in groups.iter().enumerate() {
                assert_eq!(group.number as usize, number);
                for item in &group.items {
                    let end = &mut ends[item.object() as usize];
                    assert_eq!(item.start, *end);
                    *end = item.end;
                }
                let input = group.input().unwrap();
                assert_eq!(input.splits.len(), group.items.len());
                for (split, item) in input.splits.iter().zip(&group.items) {
                    assert_eq!(input.ranks[split.object as usize], item.object());
                    let json = serde_json::to_string(item).unwrap();
                    assert_eq!(*item, serde_json::from_str(&json).unwrap());
                }
            }
            assert_eq!(ends, sizes);
        }
    }
}
