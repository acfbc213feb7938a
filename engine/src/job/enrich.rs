//! The enrich job: raw collector logs in; enriched events and bad rows out.

pub(super) mod stage;

use std::sync::Arc;
use std::time::Instant;

use super::manifest::{self, Manifest};
use super::options::JobOptions;
use super::report::{EnrichCounts, JobReport};
use super::shared;
use crate::collector::CollectorFormat;
use crate::dedup::keys::KeyTable;
use crate::enrichment::config::EnrichmentConfigs;
use crate::enrichment::{EnrichSettings, Enricher, Environment};
use crate::error::{Error, Result};
use crate::exec;
use crate::input::Snapshot;
use crate::output::{Begun, JobOutput, OutputRoot, OutputSettings};
use crate::store::Location;
use stage::{Stage, Work, Worker};

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
    /// Folder for the events about pseudonymisation that Stream Enrich would send; without it there are none.
    pub pii: Option<String>,
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

    pub(super) fn output_settings(&self) -> Result<OutputSettings> {
        let good = Location::parse(&self.output)?;
        let run_id = self.options.run_id(&good);
        let mut roots = vec![
            OutputRoot::new(good).with_compression(self.options.compression),
            OutputRoot::new(Location::parse(&self.bad)?),
        ];
        if let Some(errors) = &self.errors {
            roots.push(OutputRoot::new(Location::parse(errors)?));
        }
        if let Some(pii) = &self.pii {
            let compression = self.options.compression;
            roots.push(OutputRoot::new(Location::parse(pii)?).with_compression(compression));
        }
        shared::output_settings("enrich", &run_id, roots, &self.options)
    }

    pub(super) fn folders(&self) -> Vec<&str> {
        let mut folders = vec![self.output.as_str(), &self.bad];
        folders.extend(self.errors.as_deref());
        folders.extend(self.pii.as_deref());
        folders
    }

    /// Names of the folders, in their order.
    pub(super) fn folder_names(&self) -> Vec<&'static str> {
        let mut names = vec!["good", "bad"];
        names.extend(self.errors.as_ref().map(|_| "errors"));
        names.extend(self.pii.as_ref().map(|_| "pii"));
        names
    }

    /// What enriches the records of this job.
    ///
    /// # Errors
    /// `Config` with all that is wrong with the configurations.
    pub(super) fn stage(&self, good: &Location) -> Result<Stage> {
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
        if self.pii.is_some() && !enricher.emits_pii() {
            return Err(Error::config(
                "PII was configured to not emit, but PII folder was given: set emitEvent of pii_enrichment_config, or leave \
                 --pii-folder out",
            ));
        }
        Ok(Stage {
            format,
            resolver,
            enricher,
            run: self.options.run_key(good),
            failure_tstamp: self.options.failure_tstamp(),
            separates_errors: self.errors.is_some(),
            pii_events_at: self.pii.as_ref().map(|_| self.options.failure_tstamp_ms()),
        })
    }

    /// Runs the job and adds the ids of the enriched events to `keys`.
    pub(super) fn run_with_keys(&self, keys: Option<&KeyTable>) -> Result<Ran> {
        let started = Instant::now();
        let good = Location::parse(&self.output)?;
        let stage = self.stage(&good)?;
        let store = self.options.open_store();
        let framing = stage.framing();
        let snapshot = Snapshot::take(&store, &[&self.input], framing)?;

        let folders = self.folders();
        let spill = self.options.open_spill("enrich")?;
        let settings = shared::with_spill(self.output_settings()?, &spill);
        let output = match JobOutput::begin(store.clone(), settings)? {
            Begun::Ready(output) => output,
            Begun::Finished(finished) => {
                return manifest::report_of_finished(&finished, &folders).map(Ran::Before);
            }
        };
        let progress = self.options.progress.start("enrich", snapshot.total_bytes);
        let writers = stage.writers(&output)?;
        let options = self.options.exec_options();
        let work = Work {
            stage: &stage,
            snapshot: &snapshot,
            writers: &writers,
            progress: progress.as_ref(),
            options: &options,
        };
        let outcome = exec::run(
            &snapshot,
            framing,
            &options,
            progress.as_ref(),
            &store,
            |_| Ok(Worker::new(keys.map(KeyTable::writer))),
            |worker, chunk| work.chunk(worker, chunk),
        );
        let counts = outcome.and_then(|mut outcome| {
            let counts = work.finish(&mut outcome)?;
            Ok((outcome, counts))
        });
        progress.finish();
        let (outcome, counts) = counts?;
        drop(writers);

        let mut report = JobReport {
            job: "enrich",
            run_id: self.options.run_id(&good),
            input_objects: snapshot.objects.len() as u64,
            input_bytes: snapshot.total_bytes,
            corrupt: shared::corrupt_objects(&snapshot, &outcome.corrupt),
            ..JobReport::default()
        };
        report.stage("enrich", started.elapsed());
        self.commit(*output, &snapshot, &mut report, counts)?;
        Ok(Ran::Now(report))
    }

    /// Commits the output and completes the report.
    pub(super) fn commit(
        &self,
        output: JobOutput,
        snapshot: &Snapshot,
        report: &mut JobReport,
        counts: EnrichCounts,
    ) -> Result<()> {
        counts.check()?;
        let committing = Instant::now();
        let finished = output.commit(|files| {
            Manifest {
                manifest_version: 1,
                engine: manifest::engine_name_and_version(),
                job: "enrich",
                run_id: &report.run_id,
                inputs: manifest::inputs(snapshot),
                outputs: manifest::outputs(files, &self.folder_names()),
                enrich: Some(&counts),
                shred: None,
                deduplication: None,
                corrupt: &report.corrupt,
            }
            .to_bytes()
        })?;
        report.outputs = shared::folder_reports(&finished.files, &self.folders());
        report.stage("commit enriched", committing.elapsed());
        report.enrich = Some(counts);
        Ok(())
    }
}
