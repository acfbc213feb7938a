//! The enrich job: raw collector logs in; enriched events and bad rows out.

use std::sync::Arc;
use std::time::Instant;

use super::aside::Aside;
use super::manifest::{self, Manifest};
use super::options::JobOptions;
use super::record::{Enriched, RecordKernel, RecordOutput, RecordPlace};
use super::report::{EnrichCounts, JobReport};
use super::shared;
use crate::collector::CollectorFormat;
use crate::dedup::keys::{KeyTable, KeyWriter};
use crate::enrichment::config::EnrichmentConfigs;
use crate::enrichment::{EnrichSettings, Enricher, Environment};
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::progress::Progress;
use crate::input::{Chunk, Framing, Snapshot};
use crate::output::{Begun, Ending, JobOutput, OutputRoot, OutputSettings, PartWriter};
use crate::store::Location;

/// The enrich job.
#[derive(Debug, Clone)]
pub struct EnrichJob {
    /// Folder, glob or comma-separated list of these.
    pub input: String,
    /// Name of the collector format.
    pub format: String,
    /// Folder for enriched events.
    pub output: String,
    /// Folder for bad rows.
    pub bad: String,
    /// Folder for bad rows of unexpected exceptions; without it they are bad rows like others.
    pub errors: Option<String>,
    /// Configurations of enrichments.
    pub enrichments: EnrichmentConfigs,
    /// What enrichments may need beside their configurations.
    pub environment: Environment,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// Time of the run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Value of `v_etl`; absent: our own name and version.
    pub v_etl: Option<String>,
    /// Settings that all jobs share.
    pub options: JobOptions,
}

/// How a report came about.
pub(super) enum Ran {
    /// All records were enriched now.
    Now(JobReport),
    /// An earlier attempt had enriched them, and its commit was finished now: no event was seen.
    Before(JobReport),
}

/// Base64 lines of which nothing can be decoded are passed over, as elephant-bird passes them over.
const UNDECODABLE_LINE: &str = "undecodable base64 line";

impl EnrichJob {
    /// Runs the job.
    ///
    /// # Errors
    /// When the job cannot go on; nothing of its output is visible then.
    pub fn run(&self) -> Result<JobReport> {
        match self.run_with_keys(None)? {
            Ran::Now(report) | Ran::Before(report) => Ok(report),
        }
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

    fn output_settings(&self) -> Result<OutputSettings> {
        let good = Location::parse(&self.output)?;
        let run_id = self.options.run_id(&good);
        let mut roots = vec![
            OutputRoot::new(good).with_compression(self.options.compression),
            OutputRoot::new(Location::parse(&self.bad)?),
        ];
        if let Some(errors) = &self.errors {
            roots.push(OutputRoot::new(Location::parse(errors)?));
        }
        shared::output_settings("enrich", &run_id, roots, &self.options)
    }

    fn folders(&self) -> Vec<&str> {
        let mut folders = vec![self.output.as_str(), &self.bad];
        folders.extend(self.errors.as_deref());
        folders
    }

    /// Runs the job and adds the ids of the enriched events to `keys`.
    pub(super) fn run_with_keys(&self, keys: Option<&KeyTable>) -> Result<Ran> {
        let started = Instant::now();
        let format = CollectorFormat::parse(&self.format)?;
        let resolver = Arc::new(shared::resolver(&self.resolver)?);
        let settings = EnrichSettings {
            v_etl: self
                .v_etl
                .clone()
                .unwrap_or_else(manifest::engine_name_and_version),
            etl_tstamp_ms: self.etl_tstamp_ms,
        };
        let enricher = Enricher::new(
            Arc::clone(&resolver),
            settings,
            self.enrichments.clone(),
            &self.environment,
        )?;
        let store = self.options.open_store();
        let framing = if format.is_binary() {
            Framing::Thrift
        } else {
            Framing::Lines
        };
        let snapshot = Snapshot::take(&store, &[&self.input], framing)?;

        let good = Location::parse(&self.output)?;
        let run_id = self.options.run_id(&good);
        let folders = self.folders();
        let spill = self.options.open_spill("enrich")?;
        let settings = shared::with_spill(self.output_settings()?, &spill);
        let output = match JobOutput::begin(store.clone(), settings)? {
            Begun::Ready(output) => output,
            Begun::Finished(finished) => {
                return manifest::report_of_finished(&finished, &folders).map(Ran::Before);
            }
        };
        let writers = Writers {
            good: output.writer(0, "", Ending::Enriched)?,
            bad: output.writer(1, "", Ending::Text)?,
            errors: self
                .errors
                .as_ref()
                .map(|_| output.writer(2, "", Ending::Text))
                .transpose()?,
        };
        let failure_tstamp = self.options.failure_tstamp();
        let kernel = RecordKernel {
            format: &format,
            resolver: &resolver,
            enricher: &enricher,
            run: self.options.run_key(&good),
            failure_tstamp: &failure_tstamp,
            separates_errors: self.errors.is_some(),
        };

        let progress = self.options.progress.start("enrich", snapshot.total_bytes);
        let options = self.options.exec_options();
        let stage = Stage {
            kernel,
            snapshot: &snapshot,
            writers: &writers,
            progress: progress.as_ref(),
        };
        let outcome = exec::run(
            &snapshot,
            framing,
            &options,
            progress.as_ref(),
            &store,
            |_| {
                Ok(Worker {
                    out: RecordOutput::default(),
                    keys: keys.map(KeyTable::writer),
                    aside: Aside::default(),
                })
            },
            |worker, chunk| worker.enrich(&stage, chunk, &options),
        );
        // what still waits for answers of services
        let outcome = outcome.and_then(|mut outcome| {
            finish(&mut outcome.workers, &stage, &options)?;
            Ok(outcome)
        });
        progress.finish();
        let outcome = outcome?;
        let mut counts = EnrichCounts::default();
        for worker in &outcome.workers {
            counts.add(&worker.out.counts);
        }
        for (enrichment, statistics) in enricher.caches() {
            counts
                .caches
                .insert(enrichment.to_owned(), statistics.into());
        }
        if outcome.undecodable_lines > 0 {
            counts.records += outcome.undecodable_lines;
            counts.ignore(UNDECODABLE_LINE, outcome.undecodable_lines);
        }
        counts.check()?;
        drop(outcome.workers);
        drop(writers);

        let mut report = JobReport {
            job: "enrich",
            run_id: run_id.clone(),
            input_objects: snapshot.objects.len() as u64,
            input_bytes: snapshot.total_bytes,
            corrupt: shared::corrupt_objects(&snapshot, &outcome.corrupt),
            ..JobReport::default()
        };
        report.stage("enrich", started.elapsed());
        let committing = Instant::now();
        let finished = output.commit(|files| {
            Manifest {
                manifest_version: 1,
                engine: manifest::engine_name_and_version(),
                job: "enrich",
                run_id: &run_id,
                inputs: manifest::inputs(&snapshot),
                outputs: manifest::outputs(files, &["good", "bad", "errors"]),
                enrich: Some(&counts),
                shred: None,
                corrupt: &report.corrupt,
            }
            .to_bytes()
        })?;
        report.outputs = shared::folder_reports(&finished.files, &folders);
        report.stage("commit enriched", committing.elapsed());
        report.enrich = Some(counts);
        Ok(Ran::Now(report))
    }
}

struct Writers {
    good: Arc<PartWriter>,
    bad: Arc<PartWriter>,
    errors: Option<Arc<PartWriter>>,
}

/// What the workers share.
struct Stage<'j> {
    kernel: RecordKernel<'j>,
    snapshot: &'j Snapshot,
    writers: &'j Writers,
    progress: &'j dyn Progress,
}

struct Worker<'k> {
    out: RecordOutput,
    keys: Option<KeyWriter<'k>>,
    /// Records that wait for answers of services.
    aside: Aside,
}

/// Enriches what the workers set aside, each its own.
fn finish(workers: &mut [Worker<'_>], stage: &Stage<'_>, options: &exec::Options) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .filter(|worker| !worker.aside.is_empty())
            .map(|worker| scope.spawn(|| worker.finish(stage, options)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Error::internal("a worker panicked at the end of the job")))
        })
    })
}

impl Worker<'_> {
    /// Enriches a chunk, and of earlier ones what has its answers now.
    fn enrich(
        &mut self,
        stage: &Stage<'_>,
        chunk: &mut Chunk,
        options: &exec::Options,
    ) -> Result<()> {
        let before = self.rows();
        let object = chunk.object;
        let (kernel, snapshot) = (&stage.kernel, stage.snapshot);
        let name = &snapshot.objects[object as usize].relative;
        for record in chunk.records() {
            let place = RecordPlace {
                object: name,
                offset: record.offset,
                index: record.index,
            };
            let session = Some(self.aside.session());
            let enriched = kernel.enrich_in(record.bytes, place, session, &mut self.out);
            if enriched == Enriched::Pending {
                self.aside.set(&record);
            }
        }
        self.aside.end_of_chunk(object)?;
        self.aside
            .enrich_answered(kernel, snapshot, options, &mut self.out)?;
        self.hand_over(stage.writers)?;
        self.tell(stage, before);
        Ok(())
    }

    /// Enriches all that was set aside.
    fn finish(&mut self, stage: &Stage<'_>, options: &exec::Options) -> Result<()> {
        while !self.aside.is_empty() {
            let before = self.rows();
            self.aside
                .enrich_next(&stage.kernel, stage.snapshot, options, &mut self.out)?;
            self.hand_over(stage.writers)?;
            self.tell(stage, before);
        }
        Ok(())
    }

    fn rows(&self) -> [u64; 3] {
        let counts = &self.out.counts;
        [counts.records, counts.good, counts.bad_rows()]
    }

    /// Tells how many rows came since `before`.
    fn tell(&self, stage: &Stage<'_>, before: [u64; 3]) {
        let now = self.rows();
        stage.progress.add(
            0,
            now[0] - before[0],
            now[1] - before[1],
            now[2] - before[2],
        );
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
        ] {
            if let (Some(writer), 1..) = (writer, *rows) {
                writer.append(bytes, *rows)?;
            }
            bytes.clear();
            *rows = 0;
        }
        if let Some(keys) = &mut self.keys {
            for id in &out.event_ids {
                keys.add(id.as_bytes())?;
            }
        }
        out.event_ids.clear();
        Ok(())
    }
}
