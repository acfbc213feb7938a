//! Counting the keys of one partition, however many there are: divided until a part fits into memory (Grace hash join).

use super::{EventKey, KEY_BYTES};
use crate::error::{Error, Result};
use crate::exec::spill::{Kind, SealedFile, SealedWriter, SpillArea};

/// Parts into which a partition that is too large is divided; four bits of the key choose one.
const PARTS: usize = 16;
/// Divisions until all bits of a key are used; keys that are still together are equal.
const MOST_DIVISIONS: u32 = 29;

/// Sorts `keys` and keeps two of those that are equal.
pub(super) fn keep_two(keys: &mut Vec<EventKey>) {
    keys.sort_unstable();
    let mut kept = 0;
    for index in 0..keys.len() {
        if kept < 2 || keys[kept - 2] != keys[index] {
            keys[kept] = keys[index];
            kept += 1;
        }
    }
    keys.truncate(kept);
}

/// Appends keys to a file.
pub(super) fn append(file: &mut SealedWriter, keys: &[EventKey]) -> Result<()> {
    let mut bytes = Vec::with_capacity(keys.len().min(16 << 10) * size_of::<EventKey>());
    for some in keys.chunks(16 << 10) {
        bytes.clear();
        bytes.extend(some.iter().flat_map(|key| key.to_le_bytes()));
        file.append(&bytes)?;
    }
    Ok(())
}

/// Calls `work` with each piece of a file's keys.
fn read(file: &SealedFile, mut work: impl FnMut(EventKey) -> Result<()>) -> Result<()> {
    let mut reader = file.reader();
    while let Some(chunk) = reader.next_chunk()? {
        let (keys, rest) = chunk.as_chunks();
        if !rest.is_empty() {
            return Err(Error::internal("a spill file ends within a key"));
        }
        for &key in keys {
            work(EventKey::from_le_bytes(key))?;
        }
    }
    Ok(())
}

/// How partitions are counted.
pub(super) struct Grace<'s> {
    pub(super) spill: &'s SpillArea,
    /// Bytes of keys that may be held for one partition.
    pub(super) budget: u64,
}

/// One part of a partition that is being divided.
#[derive(Default)]
struct Part {
    keys: Vec<EventKey>,
    file: Option<SealedWriter>,
}

impl Grace<'_> {
    /// Hands every key that occurs more than once in `keys` and `file` to `found`, once.
    pub(super) fn repeated(
        &self,
        mut keys: Vec<EventKey>,
        file: Option<SealedFile>,
        divisions: u32,
        found: &mut impl FnMut(&[EventKey]),
    ) -> Result<()> {
        let stored = file.as_ref().map_or(0, SealedFile::plain_bytes);
        let all = keys.len() as u64 * KEY_BYTES + stored;
        if let Some(file) = file {
            if all > self.budget && divisions < MOST_DIVISIONS {
                return self.divide(keys, file, divisions, found);
            }
            keys.reserve_exact(usize::try_from(stored / KEY_BYTES).unwrap_or(0));
            read(&file, |key| {
                keys.push(key);
                Ok(())
            })?;
        }
        keep_two(&mut keys);
        let mut repeated = 0;
        for index in 1..keys.len() {
            if keys[index - 1] == keys[index] {
                keys[repeated] = keys[index];
                repeated += 1;
            }
        }
        keys.truncate(repeated);
        found(&keys);
        Ok(())
    }

    fn divide(
        &self,
        keys: Vec<EventKey>,
        file: SealedFile,
        divisions: u32,
        found: &mut impl FnMut(&[EventKey]),
    ) -> Result<()> {
        let most_keys =
            usize::try_from(self.budget / KEY_BYTES / (2 * PARTS as u64)).unwrap_or(usize::MAX);
        let most_keys = most_keys.max(16);
        let shift = 120 - 4 * (divisions + 1);
        let mut parts: Vec<Part> = (0..PARTS).map(|_| Part::default()).collect();
        let mut add = |key: EventKey| {
            let number = (key >> shift) as usize % PARTS;
            let part = &mut parts[number];
            part.keys.push(key);
            if part.keys.len() >= most_keys {
                keep_two(&mut part.keys);
                // Unless most were equal the part makes room.
                if part.keys.len() * 2 > most_keys {
                    let writer = part
                        .file
                        .get_or_insert_with(|| self.spill.writer(Kind::Keys, number as u64));
                    append(writer, &part.keys)?;
                    part.keys.clear();
                }
            }
            Ok(())
        };
        keys.into_iter().try_for_each(&mut add)?;
        read(&file, add)?;
        drop(file);
        // What waits in memory for its turn is at most half of the budget.
        for part in parts {
            let file = part.file.map(SealedWriter::finish).transpose()?;
            self.repeated(part.keys, file, divisions + 1, found)?;
        }
        Ok(())
    }
}
