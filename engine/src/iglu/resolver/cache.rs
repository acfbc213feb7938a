//! What look-ups found, kept by URI: shared by all threads, with a copy in each thread.
//!
//! A worker finds nearly every schema in its own copy, without a lock and without allocation. The
//! shared map is asked when the copy has nothing; it holds one cell per key, whose lock makes threads
//! that miss the same schema at once wait for one fetch instead of making several.
//!
//! The schemas used last are kept. A hit in a thread's copy only notes in the cell that it was used
//! since the last miss of any key, and writes nothing when that is noted already, so that workers do
//! not fight over a cache line.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use hashbrown::HashMap;

use super::Tried;
use crate::iglu::message::Message;
use crate::iglu::registry::Found;

/// Most entries in the copy of one thread.
const MAX_LOCAL: usize = 4096;

/// The result of a look-up.
#[derive(Debug)]
pub(super) enum Outcome {
    Found(Found),
    Missing {
        /// All that is to be said about it.
        messages: Vec<Message>,
        tried: Tried,
        /// Whether a later look-up should ask some repositories again.
        retry: bool,
    },
}

impl Outcome {
    pub(super) fn answer(&self) -> Result<Found, Vec<Message>> {
        match self {
            Self::Found(found) => Ok(found.clone()),
            Self::Missing { messages, .. } => Err(messages.clone()),
        }
    }

    fn is_settled(&self) -> bool {
        !matches!(self, Self::Missing { retry: true, .. })
    }
}

/// An outcome and when it was stored (seconds of the resolver's clock; 0 if entries do not age).
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) outcome: Outcome,
    pub(super) stored_at: u64,
}

/// The place of one key. Its lock is held while the key is fetched.
#[derive(Debug, Default)]
struct Cell {
    slot: Mutex<Option<Arc<Slot>>>,
    last_used: AtomicU64,
    /// Set when the shared map has dropped it: copies must not use it any more.
    evicted: AtomicBool,
}

impl Cell {
    /// Whether a thread is fetching it now.
    fn is_busy(&self) -> bool {
        matches!(self.slot.try_lock(), Err(TryLockError::WouldBlock))
    }
}

/// The map that all threads share.
#[derive(Debug)]
pub(super) struct SharedCache {
    capacity: usize,
    cells: Mutex<HashMap<Box<str>, Arc<Cell>>>,
    /// Odd numbers are given to new cells, the even ones between them to cells that are used again.
    tick: AtomicU64,
}

/// The copy of one thread, for one resolver at a time.
#[derive(Default)]
struct Local {
    resolver: u64,
    entries: HashMap<Box<str>, (Arc<Cell>, Arc<Slot>)>,
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new(Local::default());
}

impl SharedCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            cells: Mutex::new(HashMap::new()),
            tick: AtomicU64::new(0),
        }
    }

    /// Hands what this thread has kept about `uri` to `read`, if it is settled and was not dropped meanwhile.
    pub(super) fn local<R>(
        &self,
        resolver: u64,
        uri: &str,
        read: impl FnOnce(&Slot) -> Option<R>,
    ) -> Option<R> {
        let of_thread = LOCAL.try_with(|local| {
            let local = local.try_borrow().ok()?;
            if local.resolver != resolver {
                return None;
            }
            let (cell, slot) = local.entries.get(uri)?;
            if cell.evicted.load(Ordering::Acquire) {
                return None;
            }
            self.touch(cell);
            read(slot)
        });
        of_thread.ok().flatten()
    }

    /// The answer for `uri`. `renew` gets what is kept and returns what to keep from now on; for one key it
    /// runs in one thread at a time.
    pub(super) fn find(
        &self,
        resolver: u64,
        uri: &str,
        renew: impl FnOnce(Option<&Arc<Slot>>) -> Arc<Slot>,
    ) -> Result<Found, Vec<Message>> {
        let cell = self.cell(uri);
        let slot = {
            let mut kept = cell.slot.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = renew(kept.as_ref());
            *kept = Some(Arc::clone(&slot));
            slot
        };
        self.evict(uri);
        if slot.outcome.is_settled() {
            remember(resolver, uri, &cell, &slot, self.capacity);
        }
        slot.outcome.answer()
    }

    /// The cell of `uri`, made if need be.
    fn cell(&self, uri: &str) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(uri) {
            self.touch(cell);
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell::default());
        let tick = self.tick.fetch_add(2, Ordering::Relaxed);
        cell.last_used.store(tick + 1, Ordering::Relaxed);
        cells.insert(uri.into(), Arc::clone(&cell));
        cell
    }

    fn touch(&self, cell: &Cell) {
        let tick = self.tick.load(Ordering::Relaxed);
        if cell.last_used.load(Ordering::Relaxed) < tick {
            cell.last_used.store(tick, Ordering::Relaxed);
        }
    }

    /// Drops the cells that were not used for the longest time, but none that is being fetched, nor `keep`.
    fn evict(&self, keep: &str) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        while cells.len() > self.capacity {
            let oldest = cells
                .iter()
                .filter(|(uri, cell)| uri.as_ref() != keep && !cell.is_busy())
                .min_by_key(|(_, cell)| cell.last_used.load(Ordering::Relaxed))
                .map(|(uri, _)| uri.clone());
            let Some(cell) = oldest.and_then(|uri| cells.remove(&uri)) else {
                return;
            };
            cell.evicted.store(true, Ordering::Release);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cells.lock().unwrap().len()
    }
}

/// Puts a settled slot into this thread's copy.
fn remember(resolver: u64, uri: &str, cell: &Arc<Cell>, slot: &Arc<Slot>, capacity: usize) {
    // A thread that is ending has no copy any more, and needs none.
    let _ = LOCAL.try_with(|local| {
        let Ok(mut local) = local.try_borrow_mut() else {
            return;
        };
        if local.resolver != resolver {
            local.resolver = resolver;
            local.entries.clear();
        }
        if local.entries.len() >= capacity.min(MAX_LOCAL) {
            let live = |cell: &Arc<Cell>| !cell.evicted.load(Ordering::Relaxed);
            local.entries.retain(|_, (cell, _)| live(cell));
            if local.entries.len() >= capacity.min(MAX_LOCAL) {
                local.entries.clear();
            }
        }
        local
            .entries
            .insert(uri.into(), (Arc::clone(cell), Arc::clone(slot)));
    });
}
