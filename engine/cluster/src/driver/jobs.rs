//! The jobs as plans.

use std::sync::Arc;

use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use engine::cli::Command;
use engine::job::parts::{Opened, PartOptions, PartedJob, Stage, TaskRow};
use engine::job::{EnrichJob, EtlJob, JobReport, ShredJob, etl};
use engine::store::Location;
use engine::{Error, Result};
use tokio::runtime::Runtime;

use super::scheduler::Cluster;
use crate::operator::{TaskExec, TaskNode};
use crate::page::Board;
use crate::secret::JobSecret;
use crate::wire;

/// What a driver was asked for.
pub(super) enum Job {
    Enrich(Box<EnrichJob>),
    Shred(Box<ShredJob>),
    Etl(Box<EtlJob>),
}

impl Job {
    pub(super) fn of(command: &Command) -> Result<Self> {
        Ok(match command {
            Command::Enrich(arguments) => Self::Enrich(Box::new(arguments.job()?)),
            Command::Shred(arguments) => Self::Shred(Box::new(arguments.job()?)),
            Command::Etl(arguments) => Self::Etl(Box::new(arguments.job()?)),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Enrich(_) => "enrich",
            Self::Shred(_) => "shred",
            Self::Etl(_) => "etl",
        }
    }
}

/// Runs jobs on a cluster.
pub(super) struct Jobs<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) runtime: &'c Runtime,
    pub(super) parts: PartOptions,
    pub(super) secret: &'c JobSecret,
    pub(super) board: &'c Board,
}

/// Whether a job ran now, and what its tasks found.
type Ran = (JobReport, Option<engine::job::parts::FoundCandidates>);

impl Jobs<'_> {
    pub(super) fn run(&self, job: &Job) -> Result<JobReport> {
        match job {
            Job::Enrich(job) => self.enrich(job, false).map(|(report, _)| report),
            Job::Shred(job) => self.shred(job, None),
            Job::Etl(job) => self.etl(job),
        }
    }

    fn enrich(&self, job: &EnrichJob, with_keys: bool) -> Result<Ran> {
        let parted = match PartedJob::open_enrich(job, self.parts, self.secret.bytes())? {
            Opened::Ready(parted) => parted,
            Opened::Finished(report) => return Ok((*report, None)),
        };
        let stages: &[Stage] = if with_keys {
            &[Stage::Enrich, Stage::Count]
        } else {
            &[Stage::Enrich]
        };
        let (parted, rows) = self.done(parted, |parted| self.do_stages(parted, stages))?;
        self.board.stage("commit", 0);
        let committed = parted.commit(rows)?;
        Ok((committed.report, with_keys.then_some(committed.found)))
    }

    fn shred(
        &self,
        job: &ShredJob,
        found: Option<engine::job::parts::FoundCandidates>,
    ) -> Result<JobReport> {
        let known = found.as_ref().map(|found| found.len());
        let mut parted = match PartedJob::open_shred(job, self.parts, self.secret.bytes(), found)? {
            Opened::Ready(parted) => parted,
            Opened::Finished(report) => return Ok(*report),
        };
        let candidates = match known {
            Some(known) => known,
            None => {
                let count = |parted: &mut PartedJob| {
                    let rows = self.do_stages(parted, &[Stage::Scan, Stage::Count])?;
                    parted.scanned(rows)
                };
                let (counted, candidates) = self.done(parted, count)?;
                parted = counted;
                candidates
            }
        };
        let stages: &[Stage] = if candidates > 0 {
            &[Stage::Shred, Stage::Resolve]
        } else {
            &[Stage::Shred]
        };
        let (parted, rows) = self.done(parted, |parted| self.do_stages(parted, stages))?;
        self.board.stage("commit", 0);
        Ok(parted.commit(rows)?.report)
    }

    /// Does something for a job; if it fails the job is given up.
    fn done<T>(
        &self,
        mut parted: Box<PartedJob>,
        work: impl FnOnce(&mut PartedJob) -> Result<T>,
    ) -> Result<(Box<PartedJob>, T)> {
        match work(&mut parted) {
            Ok(done) => Ok((parted, done)),
            Err(error) => {
                parted.abandon();
                Err(error)
            }
        }
    }

    /// Enriches, commits, and shreds what was enriched without a scan, as the job does on one machine.
    fn etl(&self, job: &EtlJob) -> Result<JobReport> {
        let (enrich, shred) = job.halves()?;
        let enriched = Location::parse(&job.enriched)?;
        let run_id = enrich.options.run_id(&enriched);
        let store = enrich.options.open_store();
        let (mut report, found) = if let Some(report) = enrich.finish_cut()? {
            (report, None)
        } else if etl::is_committed(&store, &enriched, &run_id)? {
            (JobReport::default(), None)
        } else {
            self.enrich(&enrich, true)?
        };
        let shredded = self.shred(&shred, found)?;
        if report.run_id.is_empty() {
            report.run_id = run_id;
            report.input_objects = shredded.input_objects;
            report.input_bytes = shredded.input_bytes;
        }
        report.absorb(shredded);
        report.job = "etl";
        Ok(report)
    }

    /// Does the tasks of one plan: a stage that reads groups, and one behind the exchange if there is a second.
    fn do_stages(&self, parted: &PartedJob, stages: &[Stage]) -> Result<Vec<TaskRow>> {
        if parted.groups().is_empty() {
            return Ok(Vec::new());
        }
        let name: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
        self.board.stage(&name.join(" + "), parted.groups().len());
        let plan = self
            .plan(parted, stages)
            .map_err(|error| Error::internal("the plan of a job").with_source(error))?;
        let done = self.runtime.block_on(self.cluster.execute(plan, || {
            // what tasks have told so far, for the page
            let rows = parted.logged_rows(stages).unwrap_or_default();
            self.board.rows(&rows);
        }));
        let parcels = match done {
            Ok(parcels) => parcels,
            Err(error) => {
                // a node may have died with the answer, while all rows lie in the log folder
                if parted.is_complete(stages) {
                    tracing::warn!("{error}; but every task has told that it is done");
                    return Ok(Vec::new());
                }
                return Err(error);
            }
        };
        parcels
            .iter()
            .map(|parcel| parted.open_row(parcel.bucket, &parcel.bytes))
            .collect()
    }

    fn plan(
        &self,
        parted: &PartedJob,
        stages: &[Stage],
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let sealed: Arc<[u8]> = parted
            .sealed()
            .map_err(|error| DataFusionError::External(error.into()))?
            .into();
        let node = |stage| TaskNode {
            stage,
            with_keys: stages.len() > 1,
            job: parted.id().into(),
            key: self.secret.wrapped.clone(),
            sealed: Arc::clone(&sealed),
        };
        let mut partitions = Vec::with_capacity(parted.groups().len());
        for group in parted.groups() {
            partitions.push(vec![wire::group_batch(group)?]);
        }
        let leaf = MemorySourceConfig::try_new(&partitions, wire::work_schema(), None)?;
        let mut plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(leaf);
        for (index, stage) in stages.iter().enumerate() {
            if index > 0 {
                let hash = Partitioning::Hash(
                    vec![Arc::new(Column::new(wire::BUCKET, 0))],
                    (2 * self.parts.slots).clamp(1, 256),
                );
                plan = Arc::new(RepartitionExec::try_new(plan, hash)?);
            }
            plan = Arc::new(TaskExec::new(plan, node(*stage), None));
        }
        Ok(plan)
    }
}
