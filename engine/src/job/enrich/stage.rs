//! What the threads of an enrich job share, and what each of them holds: chunks of records in, lines in part files out.

use std::sync::Arc;

use crate::collector::CollectorFormat;
use crate::dedup::keys::KeyWriter;
use crate::enrichment::Enricher;
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::progress::Progress;
use crate::iglu::Resolver;
use crate::input::{Chunk, Framing, Snapshot};
use crate::job::aside::Aside;
use crate::job::record::{Enriched, RecordKernel, RecordOutput, RecordPlace};
use crate::job::report::EnrichCounts;
use crate::output::{Ending, JobOutput, PartWriter};
use crate::text::ids::RunKey;

/// Base64 lines of which nothing can be decoded are passed over, as elephant-bird passes them over.
const UNDECODABLE_LINE: &str = "undecodable base64 line";

/// What enriches records: all of a job but its input and output. One for all threads.
pub(in crate::job) struct Stage {
    pub(super) format: CollectorFormat,
    pub(super) resolver: Arc<Resolver>,
    pub(super) enricher: Enricher,
    pub(super) run: RunKey,
    pub(super) failure_tstamp: String,
    pub(super) separates_errors: bool,
    /// As [`RecordKernel::pii_events_at`].
    pub(super) pii_events_at: Option<i64>,
}

impl Stage {
    /// How the records lie in the input.
    pub(in crate::job) fn framing(&self) -> Framing {
        if self.format.is_binary() {
            Framing::Thrift
        } else {
            Framing::Lines
        }
    }

    /// The writers of all roots of an output.
    ///
    /// # Errors
    /// When a root is missing.
    pub(in crate::job) fn writers(&self, output: &JobOutput) -> Result<Writers> {
        let errors = usize::from(self.separates_errors);
        Ok(Writers {
            good: output.writer(0, "", Ending::Enriched)?,
            bad: output.writer(1, "", Ending::Text)?,
            errors: match self.separates_errors {
                true => Some(output.writer(2, "", Ending::Text)?),
                false => None,
            },
            pii: match self.pii_events_at {
                Some(_) => Some(output.writer(2 + errors, "", Ending::Enriched)?),
                None => None,
            },
        })
    }

    fn kernel(&self) -> RecordKernel<'_> {
        RecordKernel {
            format: &self.format,
            resolver: &self.resolver,
            enricher: &self.enricher,
            run: self.run,
            failure_tstamp: &self.failure_tstamp,
            separates_errors: self.separates_errors,
            pii_events_at: self.pii_events_at,
        }
    }
}

/// Takes the ids of enriched events.
pub(in crate::job) trait IdSink {
    /// Takes one.
    fn add_id(&mut self, event_id: &[u8]) -> Result<()>;
}

impl IdSink for KeyWriter<'_> {
    fn add_id(&mut self, event_id: &[u8]) -> Result<()> {
        self.add(event_id)
    }
}

/// The part files of an enrich job.
pub(in crate::job) struct Writers {
    good: Arc<PartWriter>,
    bad: Arc<PartWriter>,
    errors: Option<Arc<PartWriter>>,
    pii: Option<Arc<PartWriter>>,
}

/// A stage with its input and output.
#[derive(Clone, Copy)]
pub(in crate::job) struct Work<'j> {
    pub(in crate::job) stage: &'j Stage,
    pub(in crate::job) snapshot: &'j Snapshot,
    pub(in crate::job) writers: &'j Writers,
    pub(in crate::job) progress: &'j dyn Progress,
    pub(in crate::job) options: &'j exec::Options,
}

impl Work<'_> {
    /// Enriches a chunk, and of earlier ones what has its answers now; the lines go to the part files.
    ///
    /// # Errors
    /// When a part file or the keys cannot be written, or the job is stopped.
    pub(in crate::job) fn chunk<K: IdSink>(
        &self,
        worker: &mut Worker<K>,
        chunk: &mut Chunk,
    ) -> Result<()> {
        let kernel = self.stage.kernel();
        let before = worker.rows();
        let object = chunk.object;
        let name = &self.snapshot.objects[object as usize].relative;
        for record in chunk.records() {
            let place = RecordPlace {
                object: name,
                offset: record.offset,
                index: record.index,
            };
            let session = Some(worker.aside.session());
            let enriched = kernel.enrich_in(record.bytes, place, session, &mut worker.out);
            if enriched == Enriched::Pending {
                worker.aside.set(&record);
            }
        }
        worker.aside.end_of_chunk(object)?;
        worker
            .aside
            .enrich_answered(&kernel, self.snapshot, self.options, &mut worker.out)?;
        worker.hand_over(self.writers)?;
        self.tell(worker, before);
        Ok(())
    }

    /// Enriches what still waits for answers of services, and gives the counts of all workers, whose ids are handed over.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); or the sums do not close.
    pub(in crate::job) fn finish<K: IdSink + Send>(
        &self,
        outcome: &mut exec::Outcome<Worker<K>>,
    ) -> Result<EnrichCounts> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = outcome
                .workers
                .iter_mut()
                .filter(|worker| !worker.aside.is_empty())
                .map(|worker| scope.spawn(|| self.finish_worker(worker)))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                let panicked = || Error::internal("a worker panicked at the end of the job");
                thread.join().unwrap_or_else(|_| Err(panicked()))
            })
        })?;
        let mut counts = EnrichCounts::default();
        for worker in outcome.workers.drain(..) {
            counts.add(&worker.out.counts);
        }
        for (enrichment, statistics) in self.stage.enricher.caches() {
            let caches = &mut counts.caches;
            caches.insert(enrichment.to_owned(), statistics.into());
        }
        if outcome.undecodable_lines > 0 {
            counts.records += outcome.undecodable_lines;
            counts.ignore(UNDECODABLE_LINE, outcome.undecodable_lines);
        }
        counts.check()?;
        Ok(counts)
    }

    fn finish_worker<K: IdSink>(&self, worker: &mut Worker<K>) -> Result<()> {
        let kernel = self.stage.kernel();
        while !worker.aside.is_empty() {
            let before = worker.rows();
            worker
                .aside
                .enrich_next(&kernel, self.snapshot, self.options, &mut worker.out)?;
            worker.hand_over(self.writers)?;
            self.tell(worker, before);
        }
        Ok(())
    }

    /// Tells how many rows came since `before`.
    fn tell<K: IdSink>(&self, worker: &Worker<K>, before: [u64; 3]) {
        let now = worker.rows();
        self.progress.add(
            0,
            now[0] - before[0],
            now[1] - before[1],
            now[2] - before[2],
        );
    }
}

/// What one thread holds.
pub(in crate::job) struct Worker<K> {
    out: RecordOutput,
    keys: Option<K>,
    /// Records that wait for answers of services.
    aside: Aside,
}

impl<K: IdSink> Worker<K> {
    /// Nothing is enriched yet; ids go to `keys`.
    pub(in crate::job) fn new(keys: Option<K>) -> Self {
        Self {
            out: RecordOutput::default(),
            keys,
            aside: Aside::default(),
        }
    }

    fn rows(&self) -> [u64; 3] {
        let counts = &self.out.counts;
        [counts.records, counts.good, counts.bad_rows()]
    }

    fn hand_over(&mut self, writers: &Writers) -> Result<()> {
        let out = &mut self.out;
        for (bytes, rows, writer) in [
            (&mut out.good, &mut out.good_rows, Some(&writers.good)),
            (&mut out.bad, &mut out.bad_rows, Some(&writers.bad)),
            (
                &mut out.errors,
                &mut out.error_rows,
                writers.errors.as_ref(),
            ),
            (&mut out.pii, &mut out.pii_rows, writers.pii.as_ref()),
        ] {
            if let (Some(writer), 1..) = (writer, *rows) {
                writer.append(bytes, *rows)?;
            }
            bytes.clear();
            *rows = 0;
        }
        if let Some(keys) = &mut self.keys {
            for id in &out.event_ids {
                keys.add_id(id.as_bytes())?;
            }
        }
        out.event_ids.clear();
        Ok(())
    }
}
