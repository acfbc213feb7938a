//! What opening a job in parts means for either kind of job: its work in a form that travels, and the state of its output.

use super::super::report::JobReport;
use super::super::{EnrichJob, JobOptions, ShredJob, manifest, shared, shred};
use super::{EnrichWork, ShredWork, StoreWork, TaskJob, Work};
use crate::collector::CollectorFormat;
use crate::error::{Error, Result};
use crate::input::{Framing, Snapshot};
use crate::output::{Compression, JobOutput, OutputSettings};
use crate::shred::{Validation, Widths};
use crate::store::{Location, Store};

/// A job as its caller gave it.
#[derive(Debug)]
pub(super) enum Kind {
    Enrich(Box<EnrichJob>),
    Shred(Box<ShredJob>),
}

/// A job that is about to begin.
pub(super) struct Opening<'j> {
    /// `enrich` or `shred`.
    pub(super) name: &'static str,
    pub(super) input: &'j str,
    output: &'j str,
    pub(super) framing: Framing,
    pub(super) options: &'j JobOptions,
    pub(super) settings: OutputSettings,
    pub(super) folders: Vec<&'j str>,
    /// What a manifest calls the folders.
    pub(super) folder_names: Vec<&'static str>,
    /// Whether it is one half of an etl job.
    is_half: bool,
    work: Work,
    pub(super) kind: Kind,
}

impl<'j> Opening<'j> {
    /// An enrich job. A wrong configuration is told here, and not by a task.
    pub(super) fn of_enrich(job: &'j EnrichJob) -> Result<Self> {
        let format = CollectorFormat::parse(&job.format)?;
        drop(job.stage(&Location::parse(&job.output)?)?);
        Ok(Self {
            name: "enrich",
            input: &job.input,
            output: &job.output,
            framing: if format.is_binary() {
                Framing::Thrift
            } else {
                Framing::Lines
            },
            options: &job.options,
            settings: job.output_settings()?,
            folders: job.folders(),
            folder_names: job.folder_names(),
            is_half: false,
            work: Work::Enrich(EnrichWork {
                format: job.format.clone(),
                output: absolute(&job.output)?,
                bad: absolute(&job.bad)?,
                errors: job.errors.as_deref().map(absolute).transpose()?,
                pii: job.pii.as_deref().map(absolute).transpose()?,
                enrichments: job.enrichments.to_json(),
                enrichment_data: job.environment.databases.folder.clone(),
                resolver: job.resolver.clone(),
                etl_tstamp_ms: job.etl_tstamp_ms,
                v_etl: job.v_etl.clone(),
            }),
            kind: Kind::Enrich(Box::new(job.clone())),
        })
    }

    /// A shred job.
    pub(super) fn of_shred(job: &'j ShredJob) -> Result<Self> {
        drop(shared::resolver(&job.resolver)?);
        Ok(Self {
            name: "shred",
            input: &job.input,
            output: &job.output,
            framing: Framing::Lines,
            options: &job.options,
            settings: job.output_settings()?,
            folders: job.folders().to_vec(),
            folder_names: shred::FOLDER_NAMES.to_vec(),
            is_half: false,
            work: Work::Shred(ShredWork {
                output: absolute(&job.output)?,
                bad: absolute(&job.bad)?,
                resolver: job.resolver.clone(),
                is_trusted: job.options.shred.validation == Validation::Trusted,
                postgres_widths: job.options.shred.widths == Widths::Postgres,
            }),
            kind: Kind::Shred(Box::new(job.clone())),
        })
    }

    /// The same job as one half of an etl job.
    pub(super) fn half_of_etl(mut self) -> Self {
        self.is_half = true;
        self
    }

    /// Whether it is one half of an etl job.
    pub(super) fn is_half(&self) -> bool {
        self.is_half
    }

    /// What its tasks do.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// The run.
    pub(super) fn run_id(&self) -> Result<String> {
        Ok(self.options.run_id(&Location::parse(self.output)?))
    }

    /// Finishes the commit of an earlier attempt, if one was cut off.
    pub(super) fn finish_cut(&self, store: &Store) -> Result<Option<JobReport>> {
        match JobOutput::finish_cut(store, &self.settings)? {
            Some(finished) => manifest::report_of_finished(&finished, &self.folders).map(Some),
            None => Ok(None),
        }
    }

    /// What the input is now.
    pub(super) fn snapshot(&self, store: &Store) -> Result<Snapshot> {
        Snapshot::take(store, &[self.input], self.framing)
    }

    /// The job as its tasks get it, with one bucket. Its tasks leave their rows in the folder `log`.
    pub(super) fn task_job(&self, id: String, attempt: String, log: String) -> Result<TaskJob> {
        Ok(TaskJob {
            id,
            run_id: self.run_id()?,
            attempt,
            log,
            logs_rows: true,
            buckets: 1,
            work: self.work.clone(),
            gzip_level: match self.options.compression {
                Compression::None => None,
                Compression::Gzip(level) => Some(level),
            },
            target_size: self.options.target_size,
            failure_tstamp_ms: self
                .options
                .failure_tstamp_ms
                .unwrap_or_else(super::super::options::now_ms),
            skip_corrupt: self.options.skip_corrupt,
            store: StoreWork::of(&self.options.store),
            candidates: Vec::new(),
        })
    }

    /// A report that knows the input.
    pub(super) fn report(&self, snapshot: &Snapshot) -> Result<JobReport> {
        Ok(JobReport {
            job: self.name,
            run_id: self.run_id()?,
            input_objects: snapshot.objects.len() as u64,
            input_bytes: snapshot.total_bytes,
            ..JobReport::default()
        })
    }
}

/// A folder or object as every process understands it.
pub(super) fn absolute(text: &str) -> Result<String> {
    let location = Location::parse(text)?;
    match location.local_path() {
        Some(path) => path
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::config(format!("{location}: the path is not UTF-8"))),
        None => Ok(location.to_string()),
    }
}
