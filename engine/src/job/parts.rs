//! A job in parts: tasks that any process can do, and a driver that makes one output of what they left.
//!
//! ```text
//! driver:  PartedJob::open ─ groups of splits, sealed TaskJob ─────────────────────── rows ─ settle ─ commit
//!             │                                                                        ▲
//! task:       ├► enrich: group ► part files (+ keys by bucket) ───────────────────────►├ row
//!             ├► scan:   group ► keys by bucket ──┐                                    │
//!             │          count: bucket ◄──────────┘ ► candidates ─────────────────────►├ row
//!             └► shred:  group, candidates ► part files, candidate lines by bucket ───►├ row
//!                        resolve: bucket ◄── lines ► part files ──────────────────────►┘ row
//! ```
//!
//! A task is a function of the job, of a group of splits or of what was sent to some buckets, and of nothing else; it returns
//! one [`TaskRow`], which it also writes to the job's log folder. Tasks may be done several times, by different processes,
//! at the same time: each attempt writes files of its own, and [`settle`](row::settle) takes one row for each group and
//! each bucket that belong together. What moves between tasks is sealed ([`parcel`](crate::exec::spill::parcel)), and
//! counted with a digest on both sides: records that were lost or came twice are noticed.
//!
//! Who starts the tasks and carries the parcels is not known here, but for [`shards`]: processes that know nothing of each
//! other, with a folder between them.

mod driver;
mod groups;
mod line;
mod opening;
pub mod row;
pub mod shards;
mod ship;
mod task;

use serde::{Deserialize, Serialize};

pub use driver::{Committed, FoundCandidates, Opened, PartOptions, PartedJob};
pub use groups::{Group, WorkItem};
pub use row::{CandidateFile, Settled, Stage, TaskRow};
pub use ship::Parcel;
pub use task::{Parcels, TaskRunner, is_transient};

use super::options::JobOptions;
use super::{EnrichJob, ShredJob};
use crate::enrichment::Environment;
use crate::enrichment::config::EnrichmentConfigs;
use crate::error::{Error, Result};
use crate::exec::spill::parcel::{Attempt, Content, ParcelKey};
use crate::output::Compression;
use crate::shred::{ShredRules, Validation, Widths};
use crate::store::{Encryption, StoreSettings};

/// The group that parcels carry which come from no group: those of the driver and of buckets.
const NO_GROUP: u32 = u32::MAX;

/// All that a task must know of its job. It may hold secrets of the configurations: it travels sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskJob {
    /// Names this attempt of the job; the key is derived from it.
    id: String,
    run_id: String,
    /// Of the driver's output.
    attempt: String,
    /// Where rows and candidates go.
    log: String,
    /// Whether tasks leave their rows there themselves.
    logs_rows: bool,
    /// Number of buckets.
    buckets: u32,
    work: Work,
    gzip_level: Option<u32>,
    target_size: u64,
    failure_tstamp_ms: i64,
    skip_corrupt: bool,
    store: StoreWork,
    candidates: Vec<CandidateFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Work {
    Enrich(EnrichWork),
    Shred(ShredWork),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EnrichWork {
    format: String,
    output: String,
    bad: String,
    errors: Option<String>,
    #[serde(default)]
    pii: Option<String>,
    enrichments: Option<String>,
    enrichment_data: Option<std::path::PathBuf>,
    resolver: String,
    etl_tstamp_ms: i64,
    v_etl: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ShredWork {
    output: String,
    bad: String,
    resolver: String,
    is_trusted: bool,
    postgres_widths: bool,
}

/// How a task reaches buckets; credentials are those of the process that does it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoreWork {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: bool,
    allow_http: bool,
    encryption: Option<Option<String>>,
}

impl StoreWork {
    fn of(settings: &StoreSettings) -> Self {
        Self {
            endpoint: settings.endpoint.clone(),
            region: settings.region.clone(),
            path_style: settings.path_style,
            allow_http: settings.allow_http,
            encryption: match &settings.encryption {
                Encryption::None => None,
                Encryption::SseS3 => Some(None),
                Encryption::SseKms(key) => Some(Some(key.clone())),
            },
        }
    }

    fn settings(&self, local: &StoreSettings) -> StoreSettings {
        StoreSettings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone().or_else(|| local.region.clone()),
            path_style: self.path_style,
            allow_http: self.allow_http,
            encryption: match &self.encryption {
                None => Encryption::None,
                Some(None) => Encryption::SseS3,
                Some(Some(key)) => Encryption::SseKms(key.clone()),
            },
            ..local.clone()
        }
    }
}

impl TaskJob {
    /// Names this attempt of the job.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn seal(&self, key: &ParcelKey) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec(self).map_err(|error| {
            Error::internal("a job cannot be written as JSON").with_source(error)
        })?;
        key.sealer(NO_GROUP, Attempt::random()?)
            .seal(Content::Job, 0, &bytes)
    }

    /// The job that was sealed under the name `id`.
    fn open(key: &ParcelKey, sealed: &[u8]) -> Result<Self> {
        let opened = key.open(0, sealed)?;
        let job: Self = serde_json::from_slice(&opened.plain).map_err(|error| {
            Error::internal("a job cannot be read; do all nodes run the same version?")
                .with_source(error)
        })?;
        if opened.content != Content::Job || job.id != key.job() {
            return Err(Error::internal("a job that carries another's name"));
        }
        Ok(job)
    }

    /// The options of the job for a process with these of its own.
    fn options(&self, local: &JobOptions) -> JobOptions {
        let shred = match &self.work {
            Work::Enrich(_) => ShredRules::default(),
            Work::Shred(work) => ShredRules {
                validation: if work.is_trusted {
                    Validation::Trusted
                } else {
                    Validation::Full
                },
                widths: if work.postgres_widths {
                    Widths::Postgres
                } else {
                    Widths::Redshift
                },
            },
        };
        JobOptions {
            compression: self.gzip_level.map_or(Compression::None, Compression::Gzip),
            target_size: self.target_size,
            store: self.store.settings(&local.store),
            run_id: Some(self.run_id.clone()),
            log_folder: None,
            failure_tstamp_ms: Some(self.failure_tstamp_ms),
            skip_corrupt: self.skip_corrupt,
            shred,
            ..local.clone()
        }
    }

    fn enrich_job(&self, local: &JobOptions) -> Result<EnrichJob> {
        let Work::Enrich(work) = &self.work else {
            return Err(Error::internal("a task of another kind of job"));
        };
        let options = self.options(local);
        let mut environment = Environment::default();
        environment
            .databases
            .folder
            .clone_from(&work.enrichment_data);
        environment.databases.store = options.store.clone();
        Ok(EnrichJob {
            input: String::new(),
            format: work.format.clone(),
            output: work.output.clone(),
            bad: work.bad.clone(),
            errors: work.errors.clone(),
            pii: work.pii.clone(),
            enrichments: match &work.enrichments {
                Some(text) => EnrichmentConfigs::from_json(text)?,
                None => EnrichmentConfigs::default(),
            },
            environment,
            resolver: work.resolver.clone(),
            etl_tstamp_ms: work.etl_tstamp_ms,
            v_etl: work.v_etl.clone(),
            options,
        })
    }

    fn shred_job(&self, local: &JobOptions) -> Result<ShredJob> {
        let Work::Shred(work) = &self.work else {
            return Err(Error::internal("a task of another kind of job"));
        };
        Ok(ShredJob {
            input: String::new(),
            output: work.output.clone(),
            bad: work.bad.clone(),
            resolver: work.resolver.clone(),
            options: self.options(local),
        })
    }
}

#[cfg(test)]
mod tests;
