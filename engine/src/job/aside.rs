//! Records that wait for answers of services, set aside while their worker goes on with other chunks.
//!
//! In: the records of a chunk that were interrupted, and the session that knows their questions. They are copied with their
//! places, the questions are asked at once, and when the answers are there the records are enriched anew, until none is
//! pending. So a slow service holds up the events that need it, and no others, as long as the bounds below are kept; beyond
//! them the worker waits. A job whose events ask nothing copies nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::record::{Enriched, RecordKernel, RecordOutput, RecordPlace};
use crate::enrichment::lookup::{InFlight, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::exec;
use crate::input::{Record, Snapshot};

/// Chunks of one worker that wait.
const MOST_CHUNKS: usize = 4;

/// Bytes of records of one worker that wait. One chunk may wait, however large.
const MOST_BYTES: usize = 8 << 20;

/// Longest time without a look at the operator's wish.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// So often are records enriched anew with the answers of their session; there are fewer look-ups one after the other in
/// an event. A record that is still pending then asks something else each time, because a script puts the time or a
/// random number into it: it would never be answered.
const MOST_ROUNDS: u32 = 8;

/// What one worker has set aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The session of the present chunk.
    session: Session,
    /// Its records so far.
    records: Records,
    waiting: Vec<Waiting>,
}

/// Copies of records.
#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    index: u32,
    /// Where the record begins and ends in the bytes.
    start: usize,
    end: usize,
}

/// The pending records of one chunk.
#[derive(Debug)]
struct Waiting {
    object: u32,
    records: Records,
    session: Session,
    in_flight: InFlight,
    /// How often they were enriched anew.
    rounds: u32,
}

impl Aside {
    /// The session for the records of the present chunk.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Sets a record of the present chunk aside.
    pub(super) fn set(&mut self, record: &Record<'_>) {
        let start = self.records.bytes.len();
        self.records.bytes.extend_from_slice(record.bytes);
        self.records.places.push(Place {
            offset: record.offset,
            index: record.index,
            start,
            end: self.records.bytes.len(),
        });
    }

    /// Ends the present chunk, which is of this object: its questions are asked from now on.
    ///
    /// # Errors
    /// `Io` when there are no threads for it.
    pub(super) fn end_of_chunk(&mut self, object: u32) -> Result<()> {
        if self.records.places.is_empty() {
            self.session.clear();
            return Ok(());
        }
        let in_flight = self.session.start()?;
        self.waiting.push(Waiting {
            object,
            records: std::mem::take(&mut self.records),
            session: std::mem::take(&mut self.session),
            in_flight,
            rounds: 0,
        });
        Ok(())
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Enriches the records whose answers are there; waits for some while too much waits.
    ///
    /// # Errors
    /// When the job is to end, or asking failed.
    pub(super) fn enrich_answered(
        &mut self,
        kernel: &RecordKernel<'_>,
        snapshot: &Snapshot,
        options: &exec::Options,
        out: &mut RecordOutput,
    ) -> Result<()> {
        loop {
            let mut at = 0;
            while at < self.waiting.len() {
                // one that is finished goes, and the next one comes to its place
                if !self.enrich_at(at, kernel, snapshot, out)? {
                    at += 1;
                }
            }
            if !self.is_too_much() {
                return Ok(());
            }
            self.look_around(options)?;
        }
    }

    /// Enriches the records that waited for the longest time, and waits for their answers.
    ///
    /// # Errors
    /// When the job is to end, or asking failed.
    pub(super) fn enrich_next(
        &mut self,
        kernel: &RecordKernel<'_>,
        snapshot: &Snapshot,
        options: &exec::Options,
        out: &mut RecordOutput,
    ) -> Result<()> {
        while !self.waiting.is_empty() && !self.enrich_at(0, kernel, snapshot, out)? {
            self.look_around(options)?;
        }
        Ok(())
    }

    /// Enriches the records at a place if their answers are there; whether none is pending now.
    fn enrich_at(
        &mut self,
        at: usize,
        kernel: &RecordKernel<'_>,
        snapshot: &Snapshot,
        out: &mut RecordOutput,
    ) -> Result<bool> {
        let waiting = &mut self.waiting[at];
        if !waiting.in_flight.is_done()? {
            return Ok(false);
        }
        waiting.enrich(kernel, snapshot, out);
        if waiting.records.places.is_empty() {
            self.waiting.remove(at);
            return Ok(true);
        }
        waiting.in_flight = waiting.session.start()?;
        Ok(false)
    }

    fn is_too_much(&self) -> bool {
        let bytes = self
            .waiting
            .iter()
            .map(|waiting| waiting.records.bytes.len());
        let count = self.waiting.len();
        count > MOST_CHUNKS || count > 1 && bytes.sum::<usize>() > MOST_BYTES
    }

    /// Waits a while for the oldest.
    fn look_around(&mut self, options: &exec::Options) -> Result<()> {
        if options.cancel.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Io, "stopped by the operator"));
        }
        if options.failed.load(Ordering::Relaxed) {
            // the first failure is the one that is told
            return Err(Error::internal("another worker failed"));
        }
        if let Some(oldest) = self.waiting.first_mut() {
            oldest.in_flight.wait(LOOK_AROUND)?;
        }
        Ok(())
    }
}

impl Waiting {
    /// Enriches all records anew; those that are pending again stay. After too many rounds services are asked on the spot,
    /// one question after the other; what is not done after a while stays too.
    fn enrich(&mut self, kernel: &RecordKernel<'_>, snapshot: &Snapshot, out: &mut RecordOutput) {
        let object = &snapshot.objects[self.object as usize].relative;
        let asks_on_the_spot = self.rounds >= MOST_ROUNDS;
        let session = (!asks_on_the_spot).then_some(&self.session);
        self.rounds = self.rounds.saturating_add(1);
        let start = Instant::now();
        let Records { bytes, places } = &mut self.records;
        places.retain(|place| {
            if asks_on_the_spot && start.elapsed() > LOOK_AROUND {
                return true;
            }
            let record = bytes.get(place.start..place.end).unwrap_or_default();
            let at = RecordPlace {
                object,
                offset: place.offset,
                index: place.index,
            };
            kernel.enrich_in(record, at, session, out) == Enriched::Pending
        });
    }
}
