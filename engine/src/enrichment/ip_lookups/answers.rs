//! Answers for addresses that came lately, shared by all workers.
//!
//! A few addresses make most of the traffic. Every address has one slot, which it shares with others; the
//! latest one stays. Nobody ever waits: a slot that another worker holds counts as empty.

use std::hash::BuildHasher;
use std::sync::Mutex;

use hashbrown::DefaultHashBuilder;

use crate::event::{EnrichedEvent, Field};

use super::Columns;

/// Slots; the reference keeps 20,000 answers.
const SLOTS: usize = 1 << 14;
/// Longer texts are hostile.
const LONGEST_ADDRESS: usize = 64;

type Slot = Mutex<Option<(String, Columns)>>;

/// The slots.
pub(super) struct Answers {
    hasher: DefaultHashBuilder,
    slots: Box<[Slot]>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({SLOTS} slots)")
    }
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
        }
    }

    /// Where an address belongs.
    pub(super) fn hash(&self, address: &str) -> u64 {
        self.hasher.hash_one(address)
    }

    fn slot(&self, hash: u64) -> &Slot {
        &self.slots[hash as usize % SLOTS]
    }

    /// Sets the columns of the event's address, if its answer is here.
    pub(super) fn answer(&self, hash: u64, event: &mut EnrichedEvent) -> bool {
        let Ok(slot) = self.slot(hash).try_lock() else {
            return false;
        };
        match &*slot {
            Some((address, columns)) if event.get(Field::UserIpaddress) == Some(address) => {
                columns.set(event);
                true
            }
            _ => false,
        }
    }

    /// Keeps an answer in place of an older one.
    pub(super) fn keep(&self, hash: u64, address: String, columns: Columns) {
        if address.len() <= LONGEST_ADDRESS
            && let Ok(mut slot) = self.slot(hash).try_lock()
        {
            *slot = Some((address, columns));
        }
    }
}
