//! The names of an object's known properties. Instances mostly list them in the schema's order, so the
//! name behind the last one found is tried first; otherwise a small open-addressing table is asked.

use super::model::Edge;

/// Tables up to this size are searched linearly.
const LINEAR: usize = 4;
const EMPTY: u32 = u32::MAX;

/// Names with what the schema says about them.
#[derive(Debug, Default)]
pub(super) struct PropertyTable {
    entries: Vec<Property>,
    /// Indices of entries; a power of two in length, at most half full.
    slots: Vec<u32>,
}

/// One name.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: Box<str>,
    /// The schema of `properties`, if the name stands there.
    pub(super) schema: Option<Edge>,
    pub(super) required: bool,
}

impl PropertyTable {
    /// The table of entries with distinct names, in the order of the schema.
    pub(super) fn new(entries: Vec<Property>) -> Self {
        let mut slots = Vec::new();
        if entries.len() > LINEAR {
            slots = vec![EMPTY; (entries.len() * 2).next_power_of_two()];
            let mask = slots.len() - 1;
            for (index, entry) in entries.iter().enumerate() {
                let mut slot = hash(entry.name.as_bytes()) & mask;
                while slots[slot] != EMPTY {
                    slot = (slot + 1) & mask;
                }
                slots[slot] = u32::try_from(index).unwrap_or(EMPTY);
            }
        }
        Self { entries, slots }
    }

    /// The entry of `name` with its index; `hint` is the index that is tried first.
    pub(super) fn find(&self, name: &str, hint: usize) -> Option<(usize, &Property)> {
        if let Some(entry) = self.entries.get(hint)
            && *entry.name == *name
        {
            return Some((hint, entry));
        }
        if self.slots.is_empty() {
            return self
                .entries
                .iter()
                .enumerate()
                .find(|(_, entry)| *entry.name == *name);
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(name.as_bytes()) & mask;
        loop {
            let index = self.slots[slot] as usize;
            match self.entries.get(index) {
                None => return None,
                Some(entry) if *entry.name == *name => return Some((index, entry)),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }
}

/// A hash of the length and up to eight bytes from either end: enough to spread the names of one schema. The
/// table's contents are the schema's, so an instance cannot make chains longer.
fn hash(name: &[u8]) -> usize {
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (word(name), 0),
    };
    let mixed = (head ^ (name.len() as u64) << 56)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(tail.wrapping_mul(0xd6e8_feb8_6659_fd93));
    #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
    let index = (mixed ^ mixed >> 32) as usize;
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        for size in [0, 1, 4, 5, 6, 100, 5_000] {
            let entries = (0..size)
                .map(|index| Property {
                    name: format!("common_prefix_{index}_common_suffix").into(),
                    schema: None,
                    required: index % 2 == 0,
                })
                .collect();
            let table = PropertyTable::new(entries);
            for index in 0..size {
                let name = format!("common_prefix_{index}_common_suffix");
                for hint in [0, index, index + 1, usize::MAX] {
                    let (found, entry) = table.find(&name, hint).expect("an entry");
                    assert_eq!((found, entry.required), (index, index % 2 == 0));
                }
            }
            for name in ["", "x", "common_prefix_x_common_suffix"] {
                assert!(table.find(name, 0).is_none());
            }
        }
    }
}
