//! A table in partitions, each under a lock of its own, that keeps to a budget of memory: when all partitions together outgrow
//! it, the fullest are emptied until half of it is free.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// One partition of a table.
pub(super) trait Part {
    /// Bytes of memory that it takes, about.
    fn held(&self) -> u64;
}

/// Partitions that many threads fill.
#[derive(Debug)]
pub(super) struct Budgeted<P> {
    partitions: Vec<Mutex<P>>,
    /// Bytes that all partitions may take.
    budget: u64,
    held: AtomicU64,
    /// One thread at a time makes room.
    making_room: Mutex<()>,
}

impl<P: Part + Default> Budgeted<P> {
    /// So many empty partitions, which may take about `budget` bytes.
    pub(super) fn new(partitions: usize, budget: u64) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            budget,
            held: AtomicU64::new(0),
            making_room: Mutex::new(()),
        }
    }

    /// Bytes that all partitions may take.
    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Changes a partition. If it grows and all are too large then, `empty` takes the content of others out of memory; it gets
    /// the number of a partition, too.
    ///
    /// # Errors
    /// Those of `empty`.
    pub(super) fn change<R>(
        &self,
        number: usize,
        change: impl FnOnce(&mut P) -> R,
        empty: impl Fn(usize, &mut P) -> Result<()>,
    ) -> Result<R> {
        let mut partition = lock(&self.partitions[number]);
        let before = partition.held();
        let result = change(&mut partition);
        let after = partition.held();
        // under the lock, so that nobody takes away what is not counted yet
        let held = if after >= before {
            self.held.fetch_add(after - before, Ordering::Relaxed) + (after - before)
        } else {
            self.held.fetch_sub(before - after, Ordering::Relaxed)
        };
        drop(partition);
        if after > before && held > self.budget {
            self.make_room(empty)?;
        }
        Ok(result)
    }

    /// Empties the fullest partitions until half of the budget is free; other threads wait for it meanwhile.
    fn make_room(&self, empty: impl Fn(usize, &mut P) -> Result<()>) -> Result<()> {
        let _one = lock(&self.making_room);
        if self.held.load(Ordering::Relaxed) <= self.budget {
            return Ok(());
        }
        let mut fullest: Vec<(u64, usize)> = self
            .partitions
            .iter()
            .enumerate()
            .map(|(number, partition)| (lock(partition).held(), number))
            .collect();
        fullest.sort_unstable_by(|a, b| b.cmp(a));
        for (_, number) in fullest {
            if self.held.load(Ordering::Relaxed) <= self.budget / 2 {
                break;
            }
            let mut partition = lock(&self.partitions[number]);
            let before = partition.held();
            empty(number, &mut partition)?;
            self.held
                .fetch_sub(before - partition.held(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// The partitions, in order.
    pub(super) fn into_partitions(self) -> Vec<P> {
        self.partitions.into_iter().map(unlocked).collect()
    }
}

/// The content of a lock. A panicking worker ends the job: what it left half done is not read.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a lock held, likewise.
pub(super) fn unlocked<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[derive(Debug, Default)]
    struct Bytes {
        held: u64,
        emptied: u64,
    }

    impl Part for Bytes {
        fn held(&self) -> u64 {
            self.held
        }
    }

    fn empty(_: usize, part: &mut Bytes) -> Result<()> {
        part.emptied += std::mem::take(&mut part.held);
        Ok(())
    }

    #[test]
    fn the_fullest_are_emptied_until_half_is_free() {
        let table: Budgeted<Bytes> = Budgeted::new(4, 100);
        for (number, bytes) in [(0, 40), (1, 10), (2, 30), (3, 20)] {
            table
                .change(number, |part| part.held = bytes, empty)
                .unwrap();
        }
        // 100 fit; one more, and the 41 are not enough
        table.change(0, |part| part.held += 1, empty).unwrap();
        let parts = table.into_partitions();
        assert_eq!(
            parts.iter().map(|part| part.held).collect::<Vec<_>>(),
            [0, 10, 0, 20]
        );
        assert_eq!(parts[0].emptied + parts[2].emptied, 71);
    }

    #[test]
    fn what_shrinks_or_stays_needs_no_room() {
        let table: Budgeted<Bytes> = Budgeted::new(2, 10);
        let never = |_: usize, _: &mut Bytes| Err(Error::internal("emptied"));
        assert!(table.change(0, |part| part.held = 11, never).is_err());
        assert_eq!(table.change(0, |part| part.held, never).unwrap(), 11);
        table.change(0, |part| part.held = 2, never).unwrap();
        table.change(1, |part| part.held = 8, never).unwrap();
        assert!(table.change(1, |part| part.held = 9, never).is_err());
    }

    #[test]
    fn nothing_is_lost_or_counted_twice_by_threads() {
        let table: Budgeted<Bytes> = Budgeted::new(8, 1000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for i in 0..5000 {
                        table
                            .change((i * 7 + thread) % 8, |part| part.held += 3, empty)
                            .unwrap();
                    }
                });
            }
        });
        assert!(table.held.load(Ordering::Relaxed) <= 1000);
        let held = table.held.load(Ordering::Relaxed);
        let parts = table.into_partitions();
        assert_eq!(parts.iter().map(|part| part.held).sum::<u64>(), held);
        let all: u64 = parts.iter().map(|part| part.held + part.emptied).sum();
        assert_eq!(all, 4 * 5000 * 3);
    }
}
