//! Keeps what all writers of a job hold in memory below one limit.
//!
//! Three kinds of bytes wait: plain lines that gather to a block, stored bytes that gather to a part of an upload, and parts on
//! their way. When the first or second kind outgrows its share, the fullest writer gives up what it holds; when the
//! third does, the thread that wants to send waits. So few busy writers get whole blocks, and thousands of
//! quiet ones get what there is.

use super::part::PartWriter;
use super::sink::LEAST_PART;
use crate::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// Plain bytes of a block, when memory is not short.
const BLOCK: u64 = 1 << 20;
/// Bytes of a part of an upload, when memory is not short.
const PART: u64 = 8 << 20;
/// Requests on their way at once.
const MOST_REQUESTS: usize = 32;

/// A lock whose holder panicked is still good: a failed write is remembered apart.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shares of the memory limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Plain bytes at which a writer compresses a block.
    pub(super) block: usize,
    /// Plain bytes in all writers.
    pub(super) pending: usize,
    /// Stored bytes that wait to become parts, in all writers.
    pub(super) tails: usize,
    /// Bytes of parts on their way.
    pub(super) sending: u64,
    /// Bytes of the first parts of an upload.
    pub(super) part_size: u64,
}

impl Limits {
    pub(super) fn new(memory_limit: u64, uploads: bool) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let pending = if uploads {
            memory_limit / 2
        } else {
            memory_limit
        };
        let share = memory_limit / 4;
        Self {
            block: size((pending / 8).clamp(4 << 10, BLOCK)),
            pending: size(pending),
            tails: size(share),
            sending: share,
            part_size: (share / 4).clamp(LEAST_PART, PART),
        }
    }
}

/// What the writers of one job share.
pub(super) struct Pressure {
    pub(super) limits: Limits,
    /// Plain bytes (capacity) that gather in all writers.
    pending: AtomicUsize,
    /// Stored bytes (capacity) that gather in all writers.
    tails: AtomicUsize,
    writers: RwLock<Writers>,
    failed: AtomicBool,
    failure: Mutex<Option<(ErrorKind, String)>>,
}

/// All writers of a job.
#[derive(Default)]
struct Writers {
    by_place: HashMap<(usize, String), Arc<PartWriter>>,
    all: Vec<Arc<PartWriter>>,
}

impl Pressure {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pending: AtomicUsize::new(0),
            tails: AtomicUsize::new(0),
            writers: RwLock::default(),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// The writer of a folder, made by `make` if there is none.
    pub(super) fn writer(
        &self,
        root: usize,
        folder: &str,
        make: impl FnOnce() -> Result<PartWriter>,
    ) -> Result<Arc<PartWriter>> {
        let place = (root, folder.to_owned());
        if let Some(writer) = self
            .writers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_place
            .get(&place)
        {
            return Ok(Arc::clone(writer));
        }
        let mut writers = self.writers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.by_place.get(&place) {
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(make()?);
        writers.by_place.insert(place, Arc::clone(&writer));
        writers.all.push(Arc::clone(&writer));
        Ok(writer)
    }

    pub(super) fn all_writers(&self) -> Vec<Arc<PartWriter>> {
        self.writers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .all
            .clone()
    }

    /// Forgets the writers, which in turn hold this.
    pub(super) fn forget_writers(&self) {
        *self.writers.write().unwrap_or_else(PoisonError::into_inner) = Writers::default();
    }

    pub(super) fn pending_changed(&self, before: usize, after: usize) {
        change(&self.pending, before, after);
    }

    pub(super) fn tails_changed(&self, before: usize, after: usize) {
        change(&self.tails, before, after);
    }

    /// Lets the fullest writers write until what all hold fits again.
    pub(super) fn relieve(&self) -> Result<()> {
        while self.pending.load(Ordering::Relaxed) > self.limits.pending {
            match self.fullest(PartWriter::pending_bytes) {
                Some(writer) => writer.write_pending()?,
                None => break,
            }
        }
        while self.tails.load(Ordering::Relaxed) > self.limits.tails {
            match self.fullest(PartWriter::tail_bytes) {
                Some(writer) => writer.relieve_tail()?,
                None => break,
            }
        }
        Ok(())
    }

    fn fullest(&self, bytes: impl Fn(&PartWriter) -> usize) -> Option<Arc<PartWriter>> {
        let writers = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        let writer = writers.all.iter().max_by_key(|writer| bytes(writer))?;
        (bytes(writer) > 0).then(|| Arc::clone(writer))
    }

    /// Remembers that bytes were lost: from now on nothing is taken and nothing can be committed.
    pub(super) fn fail(&self, kind: ErrorKind, what: impl FnOnce() -> String) {
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            *failure = Some((kind, what()));
        }
        self.failed.store(true, Ordering::Release);
    }

    /// The first failure, as an error.
    pub(super) fn check(&self) -> Result<()> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let failure = lock(&self.failure).clone();
        let (kind, what) = failure.unwrap_or((ErrorKind::Internal, String::new()));
        Err(Error::new(
            kind,
            format!("an earlier write of the output failed: {what}"),
        ))
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (
            self.pending.load(Ordering::SeqCst),
            self.tails.load(Ordering::SeqCst),
        )
    }
}

fn change(counter: &AtomicUsize, before: usize, after: usize) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}

/// Bounds the bytes and the number of the requests on their way.
#[derive(Debug)]
pub(super) struct Gate {
    limit: u64,
    inside: Mutex<(u64, usize)>,
    left: Condvar,
}

/// A place inside the gate, given back when it is dropped.
pub(super) struct Pass {
    gate: Arc<Gate>,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            inside: Mutex::new((0, 0)),
            left: Condvar::new(),
        })
    }

    /// Waits until there is room; a request that is larger than the limit goes alone.
    pub(super) fn enter(self: &Arc<Self>, bytes: u64) -> Pass {
        let mut inside = lock(&self.inside);
        while inside.1 > 0 && (inside.0 + bytes > self.limit || inside.1 >= MOST_REQUESTS) {
            inside = self
                .left
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inside.0 += bytes;
        inside.1 += 1;
        Pass {
            gate: Arc::clone(self),
            bytes,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = lock(&self.gate.inside);
        inside.0 -= self.bytes;
        inside.1 -= 1;
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn shares_fit_into_the_limit() {
        for limit in [0, 1 << 20, 64 << 20, 1 << 30, 1 << 40] {
            let limits = Limits::new(limit, true);
            assert!(limits.pending as u64 + limits.tails as u64 + limits.sending <= limit);
            assert!((LEAST_PART..=PART).contains(&limits.part_size));
            assert!((4 << 10..=1 << 20).contains(&limits.block));
        }
        assert_eq!(Limits::new(256 << 20, false).pending, 256 << 20);
    }

    #[test]
    fn the_gate_bounds_bytes_and_lets_a_large_one_go_alone() {
        let gate = Gate::new(10);
        let large = gate.enter(100);
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || {
            let pass = other.enter(1);
            sender.send(()).unwrap();
            drop(pass);
        });
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        drop(large);
        receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        thread.join().unwrap();
        assert_eq!(*lock(&gate.inside), (0, 0));
    }
}
