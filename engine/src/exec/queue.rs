//! A queue between threads that is bounded in bytes, not in items.
//!
//! In: items with their size. Out: the items in order. One item is always let in, however large, so that nothing
//! can wait for ever. Locked once for a chunk of about 1 MiB, never for an event.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest wait of a [`pop`](Queue::pop), so that a waiting thread can look at the operator's wish.
const WAIT: Duration = Duration::from_millis(100);

/// The queue.
pub(super) struct Queue<T> {
    most_bytes: usize,
    state: Mutex<State<T>>,
    /// Told when something was put in, or the queue was closed.
    filled: Condvar,
    /// Told when something was taken out, or the queue was closed.
    emptied: Condvar,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

/// What a [`pop`](Queue::pop) gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped<T> {
    /// The first item.
    Item(T),
    /// Nothing came for a while.
    Nothing,
    /// Nothing will come any more.
    End,
}

impl<T> Queue<T> {
    /// A queue that holds items of `most_bytes` together, and one at least.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            state: Mutex::new(State {
                items: VecDeque::new(),
                bytes: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item of `bytes` in, waiting for room; false if the queue is closed.
    pub(super) fn push(&self, item: T, bytes: usize) -> bool {
        let mut state = self.lock();
        while !state.closed
            && !state.items.is_empty()
            && state.bytes.saturating_add(bytes) > self.most_bytes
        {
            state = self
                .emptied
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Takes the first item out, waiting a while for one.
    pub(super) fn pop(&self) -> Popped<T> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closed {
            state = self
                .filled
                .wait_timeout(state, WAIT)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        match state.items.pop_front() {
            Some((item, bytes)) => {
                state.bytes -= bytes;
                drop(state);
                // all: one item out may make room for several, or for one that is not the first to wait
                self.emptied.notify_all();
                Popped::Item(item)
            }
            None if state.closed => Popped::End,
            None => Popped::Nothing,
        }
    }

    /// Nothing more will be put in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Closes the queue and drops what is in it.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn in_order_until_the_end() {
        let queue = Queue::new(100);
        assert!(queue.push('a', 40) && queue.push('b', 60));
        assert_eq!(queue.pop(), Popped::Item('a'));
        queue.close();
        assert!(!queue.push('c', 1));
        assert_eq!(queue.pop(), Popped::Item('b'));
        assert_eq!(queue.pop(), Popped::End);
    }

    #[test]
    fn an_empty_queue_lets_the_waiting_look_around() {
        assert_eq!(Queue::<u8>::new(1).pop(), Popped::Nothing);
    }

    #[test]
    fn bytes_are_bounded_but_one_large_item_passes() {
        let sizes = [4, 4, 4, 500, 4];
        let queue = Queue::new(10);
        let mut taken = Vec::new();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for size in sizes {
                    queue.push(size, size);
                }
                queue.close();
            });
            loop {
                // time for the other thread to put in what there is room for
                thread::sleep(Duration::from_millis(5));
                let state = queue.lock();
                seen.push((state.items.len(), state.bytes));
                drop(state);
                match queue.pop() {
                    Popped::Item(size) => taken.push(size),
                    Popped::Nothing => {}
                    Popped::End => break,
                }
            }
        });
        assert_eq!(taken, sizes);
        for (items, bytes) in seen {
            assert!(bytes <= 10 || items == 1, "{items} items of {bytes} bytes");
        }
    }

    #[test]
    fn cancel_wakes_those_who_wait() {
        let queue = Queue::new(1);
        assert!(queue.push(1, 1));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.push(2, 1));
            thread::sleep(Duration::from_millis(20));
            queue.cancel();
            assert!(!waiting.join().unwrap());
        });
        assert_eq!(queue.pop(), Popped::End);
    }
}
