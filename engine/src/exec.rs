//! Running a closure over all records of a snapshot, on all cores.
//!
//! In: a [`Snapshot`], how to open an object, how to make a worker's state, and what to do with a chunk. Out: the
//! states of all workers. Reader threads decompress one object (or split of an object) each and feed one queue,
//! bounded in bytes; a pool of workers empties it. So a single gzip object uses all cores, and memory does not grow
//! with the input:
//!
//! ```text
//! snapshot ─► reader: open, decompress, cut ─┐             ┌─► worker: work(state, chunk)
//!          ─► reader                         ├─► queue ────┼─► worker
//!          ─► ...                            ┘  (bytes)    └─► ...            ─► Outcome { states }
//! ```
//!
//! The first failure, a panic or the operator's wish ends everything soon, and is what the caller gets. The set
//! of records does not depend on the number of workers, the size of chunks, or the splits. Damaged objects are skipped from
//! the damage on, so a job that skips them reads every object in one piece. This module knows no event.

pub mod progress;
mod queue;
pub mod spill;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use crate::input::split::{self, RangeReader, Seam, check_seams, split_object};
use crate::input::{
    Chunk, ChunkReader, Damage, Failure, Framing, InputObject, Limits, OpenRange, Snapshot, Split,
};
use progress::Progress;
use queue::{Popped, Queue};

/// Complaints about damage that are kept word by word; all are counted.
const MOST_CORRUPT_KEPT: usize = 1000;

/// What to do about a damaged object.
const DAMAGE_ADVICE: &str = "put a whole copy in its place or take it out of the input; or use --skip-corrupt \
     (camonica.skip_corrupt in config.yml), which keeps what can be read and counts the rest";

/// How a job runs over its input.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that work on chunks; at most as many read.
    pub workers: usize,
    /// Sizes of chunks and records.
    pub limits: Limits,
    /// Least stored bytes of a split.
    pub split_bytes: u64,
    /// Damaged objects are counted and their rest is skipped, instead of ending the job.
    pub skip_corrupt: bool,
    /// Set by the operator (Ctrl-C) to stop the job.
    pub cancel: Arc<AtomicBool>,
    /// Set when the run has failed: what waits within `work` gives up.
    pub failed: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
            split_bytes: split::SPLIT_BYTES,
            skip_corrupt: false,
            cancel: Arc::default(),
            failed: Arc::default(),
        }
    }
}

/// A damaged place that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt {
    /// Which object of the snapshot.
    pub object: u32,
    /// Where, and what is wrong.
    pub damage: Damage,
}

/// What a run over a snapshot gives.
#[derive(Debug)]
pub struct Outcome<W> {
    /// The states of the workers.
    pub workers: Vec<W>,
    /// The damaged places that were skipped, in order of object and offset (the first 1,000 found).
    pub corrupt: Vec<Corrupt>,
    /// How many damaged places were skipped.
    pub corrupt_count: u64,
    /// Base64 lines of which nothing could be decoded; skipped, as in the reference.
    pub undecodable_lines: u64,
    /// Stored bytes read.
    pub stored_bytes: u64,
    /// Decompressed bytes in the chunks.
    pub plain_bytes: u64,
    /// Chunks worked on.
    pub chunks: u64,
    /// Where the records of each split of a part of an object begin and end.
    pub(crate) seams: Vec<(Split, Seam)>,
}

/// Does `work` on every chunk of `snapshot`.
///
/// `store` gives the stored bytes of objects, `new_worker` the state of worker number 0, 1, ... Each state is
/// used by one thread only, so `work` needs no locks. Stored bytes are reported to `progress` as they are used;
/// records are for `work` to report.
///
/// # Errors
/// The first that `store`, `new_worker` or `work` returns; `Corrupt` for a damaged object unless those are
/// skipped; `Changed` for one that is not what the snapshot saw; `Internal` for a panic; `Io` when the operator
/// stopped the job.
pub fn run<W, S, N, F>(
    snapshot: &Snapshot,
    framing: Framing,
    options: &Options,
    progress: &dyn Progress,
    store: &S,
    new_worker: N,
    work: F,
) -> Result<Outcome<W>>
where
    W: Send,
    S: OpenRange,
    N: Fn(usize) -> Result<W> + Sync,
    F: Fn(&mut W, &mut Chunk) -> Result<()> + Sync,
{
    let workers = options.workers.max(1);
    let pool = worker_threads(options)?;
    let cut = || pool.install(|| split_all(snapshot, framing, options, workers, store));
    let splits = catch_unwind(AssertUnwindSafe(cut))
        .map_err(|panic| panicked("the cutting of objects", panic.as_ref()))?;
    let mut outcome = run_on(
        &pool,
        snapshot,
        splits,
        framing,
        options,
        progress,
        store,
        &new_worker,
        &work,
    )?;
    check_seams(snapshot, &mut outcome.seams)?;
    Ok(outcome)
}

/// As [`run`], on some splits of the snapshot's objects only. Whether splits meet that other processes read is for the caller
/// to check, when all are read.
///
/// # Errors
/// As [`run`].
#[allow(clippy::too_many_arguments)] // those of `run`, and the splits
pub(crate) fn run_splits<W, S, N, F>(
    snapshot: &Snapshot,
    splits: Vec<Split>,
    framing: Framing,
    options: &Options,
    progress: &dyn Progress,
    store: &S,
    new_worker: N,
    work: F,
) -> Result<Outcome<W>>
where
    W: Send,
    S: OpenRange,
    N: Fn(usize) -> Result<W> + Sync,
    F: Fn(&mut W, &mut Chunk) -> Result<()> + Sync,
{
    let pool = worker_threads(options)?;
    run_on(
        &pool,
        snapshot,
        splits,
        framing,
        options,
        progress,
        store,
        &new_worker,
        &work,
    )
}

/// The threads that work on chunks.
fn worker_threads(options: &Options) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.workers.max(1))
        .thread_name(|number| format!("worker {number}"))
        .build()
        .map_err(|e| Error::internal("cannot start the worker threads").with_source(e))
}

#[allow(clippy::too_many_arguments)]
fn run_on<W, S, N, F>(
    pool: &rayon::ThreadPool,
    snapshot: &Snapshot,
    splits: Vec<Split>,
    framing: Framing,
    options: &Options,
    progress: &dyn Progress,
    store: &S,
    new_worker: &N,
    work: &F,
) -> Result<Outcome<W>>
where
    W: Send,
    S: OpenRange,
    N: Fn(usize) -> Result<W> + Sync,
    F: Fn(&mut W, &mut Chunk) -> Result<()> + Sync,
{
    let workers = options.workers.max(1);
    let readers = workers.min(splits.len()).max(1);
    let job = Job::new(snapshot, splits, framing, options, progress, readers);
    let mut states: Vec<Option<W>> = (0..workers).map(|_| None).collect();
    thread::scope(|scope| {
        for number in 0..readers {
            let read = || {
                job.guard("a reader", || job.read_splits(store));
                job.reader_done();
            };
            let thread = thread::Builder::new().name(format!("reader {number}"));
            if let Err(e) = thread.spawn_scoped(scope, read) {
                job.fail(Error::internal("cannot start a reader thread").with_source(e));
                job.reader_done();
            }
        }
        pool.in_place_scope(|scope| {
            for (number, slot) in states.iter_mut().enumerate() {
                let job = &job;
                scope.spawn(move |_| {
                    job.guard("a worker", || {
                        *slot = Some(job.work_on_chunks(number, new_worker, work)?);
                        Ok(())
                    });
                });
            }
        });
    });
    job.finish(states)
}

/// The splits of all objects, the largest first, so that none is left alone at the end.
fn split_all<S: OpenRange>(
    snapshot: &Snapshot,
    framing: Framing,
    options: &Options,
    workers: usize,
    store: &S,
) -> Vec<Split> {
    let bytes = if options.skip_corrupt {
        u64::MAX
    } else {
        split::split_bytes(snapshot, workers, options.split_bytes)
    };
    let objects = snapshot.objects.par_iter().enumerate();
    let mut splits: Vec<_> = objects
        .flat_map_iter(|(index, object)| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if options.cancel.load(Ordering::Relaxed) {
                return vec![Split::whole(index, object.entry.size)];
            }
            split_object(index, object, framing, bytes, store)
        })
        .collect();
    splits.sort_by_key(|split| std::cmp::Reverse(split.stored.end - split.stored.start));
    splits
}

/// What the threads of a run share.
struct Job<'a> {
    snapshot: &'a Snapshot,
    framing: Framing,
    options: &'a Options,
    progress: &'a dyn Progress,
    queue: Queue<Chunk>,
    splits: Vec<Split>,
    /// Where the splits that were read begin and end.
    seams: Mutex<Vec<(Split, Seam)>>,
    next: AtomicUsize,
    readers: AtomicUsize,
    failure: Mutex<Option<Error>>,
    corrupt: Mutex<Vec<Corrupt>>,
    corrupt_count: AtomicU64,
    undecodable_lines: AtomicU64,
    stored_bytes: AtomicU64,
    plain_bytes: AtomicU64,
    chunks: AtomicU64,
    /// Buffers of finished chunks.
    spare: Mutex<Vec<Vec<u8>>>,
    most_spare: usize,
}

impl<'a> Job<'a> {
    fn new(
        snapshot: &'a Snapshot,
        splits: Vec<Split>,
        framing: Framing,
        options: &'a Options,
        progress: &'a dyn Progress,
        readers: usize,
    ) -> Self {
        let workers = options.workers.max(1);
        Self {
            snapshot,
            framing,
            options,
            progress,
            queue: Queue::new(options.limits.chunk_bytes.saturating_mul(2 * workers)),
            splits,
            seams: Mutex::default(),
            next: AtomicUsize::new(0),
            readers: AtomicUsize::new(readers),
            failure: Mutex::default(),
            corrupt: Mutex::default(),
            corrupt_count: AtomicU64::default(),
            undecodable_lines: AtomicU64::default(),
            stored_bytes: AtomicU64::default(),
            plain_bytes: AtomicU64::default(),
            chunks: AtomicU64::default(),
            spare: Mutex::default(),
            most_spare: 2 * workers + readers,
        }
    }

    /// Runs one thread's part; a failure or panic of it ends the job.
    fn guard(&self, who: &str, part: impl FnOnce() -> Result<()>) {
        match catch_unwind(AssertUnwindSafe(part)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => self.fail(panicked(who, panic.as_ref())),
        }
    }

    /// Ends the job; the first failure is the one reported.
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        drop(failure);
        self.options.failed.store(true, Ordering::Relaxed);
        self.queue.cancel();
    }

    /// # Errors
    /// If the operator wants the job to stop.
    fn check_cancel(&self) -> Result<()> {
        if self.options.cancel.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Io, "stopped by the operator"));
        }
        Ok(())
    }

    fn reader_done(&self) {
        if self.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.queue.close();
        }
    }

    fn read_splits<S: OpenRange>(&self, store: &S) -> Result<()> {
        loop {
            self.check_cancel()?;
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(split) = self.splits.get(number) else {
                return Ok(());
            };
            let Some(object) = self.snapshot.objects.get(split.object as usize) else {
                return Ok(());
            };
            if !self.read_split(split, object, store)? {
                return Ok(());
            }
        }
    }

    /// Feeds the chunks of one split; false if the job has ended.
    fn read_split<S: OpenRange>(
        &self,
        split: &Split,
        object: &InputObject,
        store: &S,
    ) -> Result<bool> {
        let options = self.options;
        let index = split.object;
        let stored = RangeReader::open(store, &object.entry, split.stored.clone())?;
        let mut reader = ChunkReader::for_split(
            split,
            object,
            Box::new(stored),
            self.framing,
            options.limits,
            options.skip_corrupt,
        );
        let mut reported = split.stored.start;
        loop {
            self.check_cancel()?;
            let next = reader.next_or_failure(self.spare_buffer());
            let ended = split.part.is_some() && matches!(next, Ok(None));
            // what lies behind a split is reported by the next one, although this one may read some of it
            let used = match reader.stored_offset().min(split.stored.end) {
                _ if ended => split.stored.end,
                used => used,
            };
            self.stored_bytes
                .fetch_add(used - reported, Ordering::Relaxed);
            self.progress.add(used - reported, 0, 0, 0);
            reported = used;
            for damage in reader.take_damaged() {
                self.skip(index, damage);
            }
            match next {
                Ok(None) => {
                    if split.part.is_some() {
                        let mut seams = self.seams.lock().unwrap_or_else(PoisonError::into_inner);
                        seams.push((split.clone(), reader.seam()));
                    }
                    return Ok(true);
                }
                Ok(Some(chunk)) => {
                    let bytes = chunk.bytes.len();
                    self.plain_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                    if !self.queue.push(chunk, bytes) {
                        return Ok(false);
                    }
                }
                Err(Failure::Damage(damage)) if options.skip_corrupt => {
                    self.skip(index, damage);
                    // the bar has to reach its end all the same
                    let rest = object.entry.size.saturating_sub(used);
                    self.progress.add(rest, 0, 0, 0);
                    return Ok(true);
                }
                Err(Failure::Damage(damage)) => {
                    return Err(Error::corrupt(&object.name(), damage.offset, damage.what)
                        .with_advice(DAMAGE_ADVICE));
                }
                Err(Failure::Other(error)) => return Err(error),
            }
        }
    }

    fn skip(&self, object: u32, damage: Damage) {
        self.corrupt_count.fetch_add(1, Ordering::Relaxed);
        let mut corrupt = self.corrupt.lock().unwrap_or_else(PoisonError::into_inner);
        if corrupt.len() < MOST_CORRUPT_KEPT {
            corrupt.push(Corrupt { object, damage });
        }
    }

    fn work_on_chunks<W>(
        &self,
        number: usize,
        new_worker: &impl Fn(usize) -> Result<W>,
        work: &impl Fn(&mut W, &mut Chunk) -> Result<()>,
    ) -> Result<W> {
        let mut state = new_worker(number)?;
        loop {
            self.check_cancel()?;
            let mut chunk = match self.queue.pop() {
                Popped::Item(chunk) => chunk,
                Popped::Nothing => continue,
                Popped::End => return Ok(state),
            };
            let result = catch_unwind(AssertUnwindSafe(|| work(&mut state, &mut chunk)));
            match result {
                Ok(result) => result?,
                Err(panic) => {
                    let object = self.snapshot.objects.get(chunk.object as usize);
                    return Err(Error::internal(format!(
                        "a worker panicked at {} (from byte {} of the decompressed object): {}",
                        object.map(InputObject::name).unwrap_or_default(),
                        chunk.offset,
                        panic_text(panic.as_ref())
                    )));
                }
            }
            self.chunks.fetch_add(1, Ordering::Relaxed);
            self.undecodable_lines
                .fetch_add(chunk.undecodable(), Ordering::Relaxed);
            self.keep_buffer(chunk.bytes);
        }
    }

    fn spare_buffer(&self) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// Keeps `buffer` for another chunk, unless it grew for a long record.
    fn keep_buffer(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= self.options.limits.chunk_bytes.saturating_mul(2) {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < self.most_spare {
                spare.push(buffer);
            }
        }
    }

    fn finish<W>(self, states: Vec<Option<W>>) -> Result<Outcome<W>> {
        let failure = self.failure.into_inner();
        if let Some(error) = failure.unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let seams = self.seams.into_inner();
        let seams = seams.unwrap_or_else(PoisonError::into_inner);
        let count = states.len();
        let workers: Vec<W> = states.into_iter().flatten().collect();
        if workers.len() < count {
            return Err(Error::internal("a worker ended without its state"));
        }
        let corrupt = self.corrupt.into_inner();
        let mut corrupt = corrupt.unwrap_or_else(PoisonError::into_inner);
        corrupt.sort_by_key(|place| (place.object, place.damage.offset));
        Ok(Outcome {
            workers,
            corrupt,
            corrupt_count: self.corrupt_count.into_inner(),
            undecodable_lines: self.undecodable_lines.into_inner(),
            stored_bytes: self.stored_bytes.into_inner(),
            plain_bytes: self.plain_bytes.into_inner(),
            chunks: self.chunks.into_inner(),
            seams,
        })
    }
}

fn panicked(who: &str, panic: &(dyn Any + Send)) -> Error {
    Error::internal(format!("{who} panicked: {}", panic_text(panic)))
}

/// The text of a panic, if it has one.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests;
