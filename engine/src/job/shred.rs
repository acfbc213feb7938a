//! The shred job: enriched events in; atomic events, shredded JSONs and bad rows out, each event once.

use std::time::Instant;

use rayon::prelude::*;

use super::manifest::{self, Manifest};
use super::options::JobOptions;
use super::report::{JobReport, ShredCounts};
use super::rows::{BAD, RowBuffers};
use super::shared;
use crate::dedup::candidates::Candidates;
use crate::dedup::keys::{EventKeyHasher, KeyTable};
use crate::dedup::partition::{HotLines, Resolution};
use crate::dedup::resolve::Resolved;
use crate::dedup::waiting::{PackedLine, Waiting, WaitingLine};
use crate::dedup::{Place, Shares};
use crate::error::{Error, Result};
use crate::event::bad_row::write_bad_row;
use crate::event::fields::Field;
use crate::exec;
use crate::exec::spill::{Kind, SpillArea};
use crate::iglu::Resolver;
use crate::input::split::Seam;
use crate::input::{Chunk, Framing, Snapshot, Split, decode_utf8};
use crate::output::{Begun, Ending, JobOutput, OutputRoot, OutputSettings, PartWriter};
use crate::shred::columns::column_bytes;
use crate::shred::{ATOMIC_FOLDER, Columns, TYPES_FOLDER, shred_line};
use crate::store::{Location, Store};
use crate::text::ids::RunKey;

/// The shred job.
#[derive(Debug, Clone)]
pub struct ShredJob {
    /// Folder, glob or comma-separated list of these.
    pub input: String,
    /// Parent of `atomic-events` and `shredded-types`.
    pub output: String,
    /// Folder for bad rows.
    pub bad: String,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// Settings that all jobs share.
    pub options: JobOptions,
}

/// Names of the folders, in their order.
pub(super) const FOLDER_NAMES: [&str; 2] = ["good", "bad"];

/// Which ids occur more than once, and what it took to know.
pub(super) struct Scanned {
    candidates: Candidates,
    key_bytes: u64,
    spilled_bytes: u64,
}

impl Scanned {
    /// The candidates of a table of keys.
    ///
    /// # Errors
    /// When keys cannot be spilled or read back.
    pub(super) fn of(keys: KeyTable, workers: usize, shares: Shares) -> Result<Self> {
        let key_bytes = keys.bytes();
        let spill = keys.spill().clone();
        let candidates = keys.into_candidates(workers, shares.candidates)?;
        Ok(Self {
            candidates,
            key_bytes,
            spilled_bytes: spill.written(Kind::Keys),
        })
    }
}

impl ShredJob {
    /// Runs the job.
    ///
    /// # Errors
    /// When the job cannot go on; nothing of its output is visible then.
    pub fn run(&self) -> Result<JobReport> {
        self.run_scanned(None)
    }

    /// Finishes the commit that an earlier attempt of this run was cut off in, if there is one: its output is complete then,
    /// and what it left over is cleared. Reads no input.
    ///
    /// # Errors
    /// When the commit cannot be finished now.
    pub fn finish_cut(&self) -> Result<Option<JobReport>> {
        let store = self.options.open_store();
        match JobOutput::finish_cut(&store, &self.output_settings()?)? {
            Some(finished) => manifest::report_of_finished(&finished, &self.folders()).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn output_settings(&self) -> Result<OutputSettings> {
        let good = Location::parse(&self.output)?;
        let run_id = self.options.run_id(&good);
        let roots = vec![
            OutputRoot::new(good)
                .with_success_folders([ATOMIC_FOLDER, TYPES_FOLDER])
                .with_compression(self.options.compression),
            OutputRoot::new(Location::parse(&self.bad)?),
        ];
        shared::output_settings("shred", &run_id, roots, &self.options)
    }

    pub(super) fn folders(&self) -> [&str; 2] {
        [&self.output, &self.bad]
    }

    /// Runs the job; `scanned` saves the scan where another stage has seen all ids already.
    pub(super) fn run_scanned(&self, scanned: Option<Scanned>) -> Result<JobReport> {
        let resolver = shared::resolver(&self.resolver)?;
        let store = self.options.open_store();
        let snapshot = Snapshot::take(&store, &[&self.input], Framing::Lines)?;
        let good = Location::parse(&self.output)?;
        let run_id = self.options.run_id(&good);
        let folders = self.folders();
        let spill = self.options.open_spill("shred")?;
        let settings = shared::with_spill(self.output_settings()?, &spill);
        let output = match JobOutput::begin(store.clone(), settings)? {
            Begun::Ready(output) => output,
            Begun::Finished(finished) => return manifest::report_of_finished(&finished, &folders),
        };
        let mut report = JobReport {
            job: "shred",
            run_id: run_id.clone(),
            input_objects: snapshot.objects.len() as u64,
            input_bytes: snapshot.total_bytes,
            ..JobReport::default()
        };

        let scanned = match scanned {
            Some(scanned) => scanned,
            None => {
                let started = Instant::now();
                let scanned = self.scan(&store, &snapshot, &spill)?;
                report.stage("scan", started.elapsed());
                scanned
            }
        };

        let started = Instant::now();
        let stage = Stage {
            job: self,
            snapshot: &snapshot,
            resolver: &resolver,
            output: &output,
            candidates: &scanned.candidates,
            spill: &spill,
            bad: output.writer(BAD, "", Ending::Text)?,
            failure_tstamp: self.options.failure_tstamp(),
            ranks: None,
        };
        let shares = Shares::of(self.options.memory_limit);
        let waiting = Waiting::new(EventKeyHasher::random()?, spill.clone(), shares.lines);
        let Shredded {
            mut counts,
            corrupt,
            ..
        } = stage.shred(&store, None, &waiting)?;
        report.stage("shred", started.elapsed());

        let started = Instant::now();
        counts.candidate_ids = scanned.candidates.len();
        counts.key_bytes = scanned.key_bytes;
        counts.spilled_key_bytes = scanned.spilled_bytes;
        counts.natural_duplicates = waiting.natural_duplicates();
        (counts.waiting_lines, counts.waiting_bytes) = waiting.added();
        let name = |object: u32| {
            let object = snapshot.objects.get(object as usize);
            object.map(|o| o.relative.clone()).unwrap_or_default()
        };
        let run = self.options.run_key(&good);
        counts.add(&stage.resolve(waiting, &run, shares.lines, &name)?);
        counts.spilled_line_bytes = spill.written(Kind::Lines);
        report.stage("resolve", started.elapsed());
        drop(stage);
        report.corrupt = shared::corrupt_objects(&snapshot, &corrupt);
        self.commit(*output, &snapshot, &mut report, counts)?;
        Ok(report)
    }

    /// Commits the output and completes the report.
    pub(super) fn commit(
        &self,
        output: JobOutput,
        snapshot: &Snapshot,
        report: &mut JobReport,
        counts: ShredCounts,
    ) -> Result<()> {
        counts.check()?;
        let started = Instant::now();
        let finished = output.commit(|files| {
            Manifest {
                manifest_version: 1,
                engine: manifest::engine_name_and_version(),
                job: "shred",
                run_id: &report.run_id,
                inputs: manifest::inputs(snapshot),
                outputs: manifest::outputs(files, &FOLDER_NAMES),
                enrich: None,
                shred: Some(&counts),
                deduplication: Some(counts.moved()),
                corrupt: &report.corrupt,
            }
            .to_bytes()
        })?;
        report.outputs = shared::folder_reports(&finished.files, &self.folders());
        report.stage("commit shredded", started.elapsed());
        report.shred = Some(counts);
        Ok(())
    }

    /// Reads the event id of every line, and nothing else.
    fn scan(&self, store: &Store, snapshot: &Snapshot, spill: &SpillArea) -> Result<Scanned> {
        let shares = Shares::of(self.options.memory_limit);
        let table = KeyTable::new(EventKeyHasher::random()?, spill.clone(), shares.keys);
        let progress = self.options.progress.start("scan", snapshot.total_bytes);
        let outcome = exec::run(
            snapshot,
            Framing::Lines,
            &self.options.exec_options(),
            progress.as_ref(),
            store,
            |_| Ok(table.writer()),
            |keys, chunk| {
                let mut lines = 0;
                for line in chunk.lines() {
                    lines += 1;
                    if let Some(id) = column_bytes(line.bytes, Field::EventId as usize) {
                        keys.add(id)?;
                    }
                }
                progress.add(0, lines, 0, 0);
                Ok(())
            },
        );
        progress.finish();
        drop(outcome?.workers);
        Scanned::of(table, self.options.workers, shares)
    }
}

/// Takes good lines whose id is a candidate.
pub(super) trait LineSink: Sync {
    /// Takes one.
    fn add(&self, event_id: &str, fingerprint: Option<&str>, line: WaitingLine) -> Result<()>;
}

impl LineSink for Waiting {
    fn add(&self, event_id: &str, fingerprint: Option<&str>, line: WaitingLine) -> Result<()> {
        Self::add(self, event_id, fingerprint, line)
    }
}

/// What all workers of the shred stage share.
pub(super) struct Stage<'j> {
    pub(super) job: &'j ShredJob,
    pub(super) snapshot: &'j Snapshot,
    pub(super) resolver: &'j Resolver,
    pub(super) output: &'j JobOutput,
    pub(super) candidates: &'j Candidates,
    pub(super) spill: &'j SpillArea,
    pub(super) bad: std::sync::Arc<PartWriter>,
    pub(super) failure_tstamp: String,
    /// Ranks of the snapshot's objects among all of the job's, where the snapshot is not all of them.
    pub(super) ranks: Option<&'j [u32]>,
}

/// What shredding gave, beside its rows.
pub(super) struct Shredded {
    pub(super) counts: ShredCounts,
    pub(super) corrupt: Vec<exec::Corrupt>,
    /// Of the splits, where they were given.
    pub(super) seams: Vec<(Split, Seam)>,
}

/// What one worker holds.
struct Worker<'o> {
    columns: Columns,
    rows: RowBuffers<'o>,
    bad: Vec<u8>,
    bad_rows: u64,
    counts: ShredCounts,
}

impl<'j> Stage<'j> {
    fn worker(&self) -> Worker<'j> {
        Worker {
            columns: Columns::default(),
            rows: RowBuffers::new(self.output),
            bad: Vec::new(),
            bad_rows: 0,
            counts: ShredCounts::default(),
        }
    }

    /// Shreds every line of the snapshot (or of some splits of it) once; good lines whose id is a candidate wait.
    pub(super) fn shred(
        &self,
        store: &Store,
        splits: Option<Vec<Split>>,
        waiting: &dyn LineSink,
    ) -> Result<Shredded> {
        let progress = self
            .job
            .options
            .progress
            .start("shred", self.snapshot.total_bytes);
        let options = self.job.options.exec_options();
        let new_worker = |_| Ok(self.worker());
        let work = |worker: &mut Worker<'_>, chunk: &mut Chunk| {
            let before = (worker.counts.lines, worker.counts.bad);
            self.shred_chunk(worker, chunk, waiting)?;
            self.hand_over(worker)?;
            let (lines, bad) = (worker.counts.lines - before.0, worker.counts.bad - before.1);
            progress.add(0, lines, lines - bad, bad);
            Ok(())
        };
        let framing = Framing::Lines;
        let shown = progress.as_ref();
        let outcome = match splits {
            None => exec::run(
                self.snapshot,
                framing,
                &options,
                shown,
                store,
                new_worker,
                work,
            ),
            Some(splits) => exec::run_splits(
                self.snapshot,
                splits,
                framing,
                &options,
                shown,
                store,
                new_worker,
                work,
            ),
        };
        progress.finish();
        let outcome = outcome?;
        let mut counts = ShredCounts::default();
        for worker in outcome.workers {
            counts.add(&worker.into_counts());
        }
        Ok(Shredded {
            counts,
            corrupt: outcome.corrupt,
            seams: outcome.seams,
        })
    }

    fn shred_chunk(
        &self,
        worker: &mut Worker<'_>,
        chunk: &Chunk,
        waiting: &dyn LineSink,
    ) -> Result<()> {
        let object = match self.ranks {
            Some(ranks) => ranks.get(chunk.object as usize).copied(),
            None => Some(chunk.object),
        }
        .ok_or_else(|| Error::internal("a chunk of an object without a rank"))?;
        for line in chunk.lines() {
            worker.counts.lines += 1;
            worker.counts.line_bytes += line.bytes.len() as u64;
            let text = decode_utf8(line.bytes);
            match shred_line(
                &text,
                self.resolver,
                self.job.options.shred.validation,
                &mut worker.columns,
            ) {
                Ok(event) if self.candidates.contains(event.event_id.as_bytes()) => {
                    let place = Place {
                        object,
                        offset: line.offset,
                        index: 0,
                    };
                    let waiting_line = WaitingLine {
                        etl_tstamp_ms: event.etl_tstamp_ms,
                        place,
                        line: PackedLine::of(event.line),
                    };
                    waiting.add(event.event_id, event.fingerprint, waiting_line)?;
                }
                Ok(event) => {
                    worker.counts.good += 1;
                    event.write(
                        &worker.columns,
                        self.job.options.shred.widths,
                        None,
                        &mut worker.rows,
                    );
                }
                Err(errors) => worker.bad_row(&text, &errors, &self.failure_tstamp),
            }
        }
        Ok(())
    }

    /// Decides about the lines that wait, and writes those that stay.
    pub(super) fn resolve(
        &self,
        waiting: Waiting,
        run: &RunKey,
        budget: u64,
        object_name: &(dyn Fn(u32) -> String + Sync),
    ) -> Result<ShredCounts> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.job.options.workers)
            .build()
            .map_err(|error| {
                Error::internal("cannot start the worker threads").with_source(error)
            })?;
        let resolution = Resolution {
            hasher: waiting.hasher(),
            run,
            object_name,
            spill: self.spill,
            budget: budget / self.job.options.workers.max(1) as u64,
            cross_batch: None,
        };
        let partitions = waiting.into_partitions()?;
        pool.install(|| {
            let (counts, hot): (Vec<ShredCounts>, Vec<Vec<HotLines>>) = partitions
                .into_par_iter()
                .map(|partition| {
                    let mut worker = self.worker();
                    let outcome = resolution.resolve(partition, &mut |event| {
                        self.write_resolved(&mut worker, event)
                    })?;
                    self.hand_over(&mut worker)?;
                    worker.counts.natural_duplicates += outcome.vanished.natural;
                    worker.counts.cross_batch_duplicates += outcome.vanished.cross_batch;
                    Ok((worker.into_counts(), outcome.hot))
                })
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .unzip();
            let of_hot_ids = hot
                .into_par_iter()
                .flatten()
                .map(|lines| {
                    let mut worker = self.worker();
                    resolution
                        .resolve_hot(lines, &mut |event| self.write_resolved(&mut worker, event))?;
                    self.hand_over(&mut worker)?;
                    Ok(worker.into_counts())
                })
                .collect::<Result<Vec<_>>>()?;
            let mut sum = ShredCounts::default();
            for counts in counts.iter().chain(&of_hot_ids) {
                sum.add(counts);
            }
            Ok(sum)
        })
    }

    /// A line that waited was good; only a schema that has vanished since can make it bad now.
    fn write_resolved(&self, worker: &mut Worker<'_>, resolved: Resolved) -> Result<()> {
        let (line, new_event_id) = (
            resolved.line.line.unpack()?,
            resolved.new_event_id.as_deref(),
        );
        let rules = self.job.options.shred;
        match shred_line(&line, self.resolver, rules.validation, &mut worker.columns) {
            Ok(event) => {
                worker.counts.good += 1;
                worker.counts.synthetic_duplicates += u64::from(new_event_id.is_some());
                event.write(
                    &worker.columns,
                    rules.widths,
                    new_event_id,
                    &mut worker.rows,
                );
            }
            Err(errors) => worker.bad_row(&line, &errors, &self.failure_tstamp),
        }
        if worker.rows_are_many() {
            self.job.options.check_cancel()?;
            self.hand_over(worker)?;
        }
        Ok(())
    }

    fn hand_over(&self, worker: &mut Worker<'_>) -> Result<()> {
        worker.rows.hand_over()?;
        if worker.bad_rows > 0 {
            self.bad.append(&worker.bad, worker.bad_rows)?;
            worker.bad.clear();
            worker.bad_rows = 0;
        }
        Ok(())
    }
}

impl Worker<'_> {
    fn bad_row(&mut self, line: &str, errors: &[crate::iglu::Message], failure_tstamp: &str) {
        self.counts.bad += 1;
        write_bad_row(line, errors, failure_tstamp, &mut self.bad);
        self.bad_rows += 1;
    }

    /// Whether the rows should be handed over before more are made.
    fn rows_are_many(&self) -> bool {
        self.rows.bytes() + self.bad.len() > 1 << 20
    }

    fn into_counts(self) -> ShredCounts {
        let mut counts = self.counts;
        counts.shredded = self.rows.shredded;
        counts
    }
}
