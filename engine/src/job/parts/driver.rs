//! What the driver of a job in parts does: opens the output, cuts the input, settles the rows and commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::super::report::{EnrichCounts, JobReport, ShredCounts};
use super::super::{EnrichJob, ShredJob, manifest, shared};
use super::TaskJob;
use super::groups::{self, Group};
use super::opening::{Kind, Opening, absolute};
use super::row::{CandidateFile, Settled, Stage, TaskRow, settle};
use crate::error::{Error, Result};
use crate::exec::spill::SpillArea;
use crate::exec::spill::parcel::{Content, ParcelKey, random_secret};
use crate::input::Snapshot;
use crate::input::split::{Seam, check_seams};
use crate::output::{Begun, JobOutput, TaskFile};
use crate::store::{Location, Store, random_name};

/// How a job is cut into tasks.
#[derive(Debug, Clone, Copy)]
pub struct PartOptions {
    /// Tasks that can run at the same time, about.
    pub slots: usize,
    /// Stored bytes of a group, at least (if the input has as many).
    pub group_bytes: u64,
    /// Buckets of the exchange.
    pub buckets: u32,
}

impl Default for PartOptions {
    fn default() -> Self {
        Self {
            slots: 4,
            group_bytes: 64 << 20,
            buckets: 64,
        }
    }
}

/// What opening a job found.
#[derive(Debug)]
pub enum Opened {
    /// The tasks can be done.
    Ready(Box<PartedJob>),
    /// An earlier attempt was cut off while it committed, and its commit is finished now.
    Finished(Box<JobReport>),
}

/// A job whose tasks are being done.
#[derive(Debug)]
pub struct PartedJob {
    kind: Kind,
    job: TaskJob,
    key: ParcelKey,
    store: Store,
    output: JobOutput,
    snapshot: Snapshot,
    groups: Vec<Group>,
    /// Counts of the key scan.
    scanned: Option<ShredCounts>,
    report: JobReport,
    started: Instant,
    /// Rows of the log folder by their attempt.
    logged: Mutex<BTreeMap<String, TaskRow>>,
    /// Kept for the output, which spills to it.
    _spill: SpillArea,
}

impl PartedJob {
    /// Opens an enrich job.
    ///
    /// # Errors
    /// `Config` without a log folder or with settings that cannot be used; as [`EnrichJob::run`] before it enriches.
    pub fn open_enrich(job: &EnrichJob, options: PartOptions, secret: &[u8]) -> Result<Opened> {
        Self::open(Opening::of_enrich(job)?, options, secret, None)
    }

    /// Opens a shred job.
    ///
    /// # Errors
    /// `Config` without a log folder or with settings that cannot be used; as [`ShredJob::run`] before it shreds.
    ///
    /// `found` are the candidates of an enrich job that has written the input: no scan is needed then.
    pub fn open_shred(
        job: &ShredJob,
        options: PartOptions,
        secret: &[u8],
        found: Option<FoundCandidates>,
    ) -> Result<Opened> {
        Self::open(Opening::of_shred(job)?, options, secret, found)
    }

    fn open(
        opening: Opening<'_>,
        parts: PartOptions,
        secret: &[u8],
        found: Option<FoundCandidates>,
    ) -> Result<Opened> {
        let Some(log) = &opening.options.log_folder else {
            return Err(Error::config(
                "--log-folder: a job on several machines needs a folder that all of them can write to, outside of its \
                 outputs; its tasks leave their manifest rows there",
            ));
        };
        let name = opening.name;
        let id = match &found {
            Some(found) => found.id.clone(),
            None => format!("{name}-{}", random_name()?),
        };
        let key = ParcelKey::derive(secret, &id)?;
        let log = Location::parse(&absolute(log)?)?;
        let log = log.join(&format!("camonica/{}/{name}/{id}", opening.run_id()?));

        let started = Instant::now();
        let store = opening.options.open_store();
        if let Some(report) = opening.finish_cut(&store)? {
            return Ok(Opened::Finished(Box::new(report)));
        }
        let snapshot = opening.snapshot(&store)?;
        let groups = groups::groups(
            &snapshot,
            opening.framing,
            parts.slots,
            parts.group_bytes,
            opening.options.skip_corrupt,
            &store,
        )?;
        let spill = opening.options.open_spill(name)?;
        let settings = shared::with_spill(opening.settings.clone(), &spill);
        let output = match JobOutput::begin(store.clone(), settings)? {
            Begun::Ready(output) => *output,
            Begun::Finished(finished) => {
                let report = manifest::report_of_finished(&finished, &opening.folders)?;
                return Ok(Opened::Finished(Box::new(report)));
            }
        };
        let mut job = opening.task_job(id, output.attempt().to_owned(), log.to_string())?;
        job.buckets = parts.buckets.max(1);
        if let Some(found) = &found {
            job.buckets = found.buckets;
            job.candidates.clone_from(&found.files);
        }
        Ok(Opened::Ready(Box::new(Self {
            report: opening.report(&snapshot)?,
            kind: opening.kind,
            job,
            key,
            store,
            output,
            snapshot,
            groups,
            scanned: found.map(|found| found.counts),
            started,
            logged: Mutex::default(),
            _spill: spill,
        })))
    }

    /// A job whose tasks are done, and whose output `output` is to be.
    pub(super) fn of_tasks(
        opening: Opening<'_>,
        job: TaskJob,
        output: JobOutput,
        snapshot: Snapshot,
        groups: Vec<Group>,
    ) -> Result<Self> {
        Ok(Self {
            report: opening.report(&snapshot)?,
            key: ParcelKey::derive(random_secret()?.as_ref(), &job.id)?,
            store: opening.options.open_store(),
            _spill: opening.options.open_spill(opening.name)?,
            kind: opening.kind,
            job,
            output,
            snapshot,
            groups,
            scanned: None,
            started: Instant::now(),
            logged: Mutex::default(),
        })
    }

    /// Names this attempt of the job.
    pub fn id(&self) -> &str {
        &self.job.id
    }

    /// What one task each reads.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Objects of the input, and their stored bytes.
    pub fn input(&self) -> (u64, u64) {
        (
            self.snapshot.objects.len() as u64,
            self.snapshot.total_bytes,
        )
    }

    /// The job as tasks get it: [`TaskRunner::open`](super::TaskRunner::open) takes it.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn sealed(&self) -> Result<Vec<u8>> {
        self.job.seal(&self.key)
    }

    /// The row in a parcel that a task sent.
    ///
    /// # Errors
    /// `Corrupt` when it was not sealed for this job.
    pub fn open_row(&self, bucket: u32, parcel: &[u8]) -> Result<TaskRow> {
        let opened = self.key.open(bucket, parcel)?;
        if opened.content != Content::Row {
            return Err(Error::internal("a task returned something that is no row"));
        }
        TaskRow::from_bytes(&opened.plain)
    }

    /// Rows of tasks of these stages that lie in the log folder; each is read once.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn logged_rows(&self, stages: &[Stage]) -> Result<Vec<TaskRow>> {
        self.logged_rows_but(stages, &BTreeSet::new())
    }

    /// As [`logged_rows`](Self::logged_rows), without those of attempts that are known.
    fn logged_rows_but(&self, stages: &[Stage], known: &BTreeSet<String>) -> Result<Vec<TaskRow>> {
        let folder = self.log()?.join("rows");
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for entry in self.store.list(&folder, false)? {
            // <stage>-<group>-<attempt>.json
            let name = entry.relative.strip_suffix(".json").unwrap_or_default();
            let attempt = name.rsplit('-').next().unwrap_or_default();
            let stage = name.split('-').next().unwrap_or_default();
            let is_wanted = stages.iter().any(|wanted| wanted.name() == stage);
            if is_wanted && !known.contains(attempt) && !logged.contains_key(attempt) {
                new.push((attempt.to_owned(), entry.location));
            }
        }
        let rows: Result<Vec<(String, TaskRow)>> = new
            .into_par_iter()
            .map(|(attempt, location)| {
                let row = TaskRow::from_bytes(&self.store.read_to_vec(&location)?)
                    .map_err(|error| error.context(&location))?;
                Ok((attempt, row))
            })
            .collect();
        logged.extend(rows?);
        let of_stages = logged.values().filter(|row| stages.contains(&row.stage));
        Ok(of_stages.cloned().collect())
    }

    /// Takes the rows of the scan and count tasks: which ids are candidates is known then. Returns their number.
    ///
    /// # Errors
    /// When rows are missing or do not fit.
    pub fn scanned(&mut self, rows: Vec<TaskRow>) -> Result<u64> {
        let settled = self.settle(rows, &[Stage::Scan, Stage::Count])?;
        self.job.candidates = candidate_files(&settled);
        let counts = scan_counts(&settled);
        let candidates = counts.candidate_ids;
        self.scanned = Some(counts);
        self.report.stage("scan", self.started.elapsed());
        self.started = Instant::now();
        Ok(candidates)
    }

    /// Takes what other tasks have found, in place of the scan.
    pub(super) fn known(&mut self, files: Vec<CandidateFile>, counts: ShredCounts) {
        self.job.candidates = files;
        self.scanned = Some(counts);
    }

    fn settle(&self, mut rows: Vec<TaskRow>, stages: &[Stage]) -> Result<Settled> {
        rows.retain(|row| stages.contains(&row.stage));
        let known: BTreeSet<String> = rows.iter().map(|row| row.attempt.clone()).collect();
        rows.extend(self.logged_rows_but(stages, &known)?);
        let groups = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        settle(groups, rows)
    }

    /// Gives the job up: ends the uploads of all tasks that told of them, and removes the rest. Uploads of tasks that were
    /// killed are left to the bucket's lifecycle rule.
    pub fn abandon(self) {
        let stages = [Stage::Enrich, Stage::Shred, Stage::Resolve];
        match self.logged_rows(&stages) {
            Ok(rows) => {
                let files: Vec<TaskFile> = rows.into_iter().flat_map(|row| row.files).collect();
                self.output.give_up_files(&files);
            }
            Err(error) => tracing::warn!("uploads of tasks were not looked for: {error}"),
        }
        if let Err(error) = self.output.abort() {
            tracing::warn!("an output that was given up is not wholly removed: {error}");
        }
    }

    /// Whether the rows in the log folder are all that these stages have to tell.
    pub fn is_complete(&self, stages: &[Stage]) -> bool {
        self.settle(Vec::new(), stages).is_ok()
    }

    fn log(&self) -> Result<Location> {
        Location::parse(&self.job.log)
    }

    /// Checks that splits of one object met, whichever tasks read them.
    fn check_seams(&self, settled: &Settled) -> Result<()> {
        let mut seams = Vec::new();
        for row in &settled.winners {
            let Some(group) = row.group.and_then(|group| self.groups.get(group as usize)) else {
                continue;
            };
            for seam in &row.seams {
                let item = group.items.get(seam.item as usize).ok_or_else(|| {
                    Error::internal("a row tells of a split that its group does not have")
                })?;
                let split = item.split(item.object())?;
                let seam = Seam {
                    first: seam.first,
                    end: seam.end,
                };
                seams.push((split, seam));
            }
        }
        check_seams(&self.snapshot, &mut seams)
    }

    /// Commits what the tasks of the job left: exactly one row for each group and bucket counts. Uploads that are still open
    /// below the outputs then, those of tasks that were killed, are ended.
    ///
    /// # Errors
    /// When rows are missing or do not fit, or the sums do not close: nothing is visible then.
    pub fn commit(mut self, rows: Vec<TaskRow>) -> Result<Committed> {
        let stages: &[Stage] = match &self.kind {
            Kind::Enrich(_) => &[Stage::Enrich, Stage::Count],
            Kind::Shred(_) => &[Stage::Shred, Stage::Resolve],
        };
        let settled = self.settle(rows, stages)?;
        self.check_seams(&settled)?;
        let lost: Vec<TaskFile> = settled
            .losers
            .iter()
            .flat_map(|row| row.files.iter().cloned())
            .collect();
        self.output.give_up_files(&lost);
        for row in &settled.winners {
            self.output.adopt(row.files.clone())?;
            self.report.corrupt.extend(row.corrupt.iter().cloned());
        }
        self.report.corrupt.sort_by(|a, b| a.object.cmp(&b.object));
        let found = FoundCandidates {
            id: self.job.id.clone(),
            buckets: self.job.buckets,
            files: candidate_files(&settled),
            counts: scan_counts(&settled),
        };
        let settings = match &self.kind {
            Kind::Enrich(job) => job.output_settings()?,
            Kind::Shred(job) => job.output_settings()?,
        };
        match &self.kind {
            Kind::Enrich(job) => {
                let mut counts = EnrichCounts::default();
                for row in &settled.winners {
                    if let Some(more) = &row.enrich {
                        counts.add(more);
                    }
                }
                self.report.stage("enrich", self.started.elapsed());
                job.commit(self.output, &self.snapshot, &mut self.report, counts)?;
            }
            Kind::Shred(job) => {
                let mut counts = self.scanned.take().unwrap_or_default();
                for row in &settled.winners {
                    if let Some(more) = &row.shred {
                        counts.add(more);
                    }
                    // resolvers send nothing
                    counts.exchanged_line_bytes += row.sent_bytes;
                }
                self.report.stage("shred", self.started.elapsed());
                job.commit(self.output, &self.snapshot, &mut self.report, counts)?;
            }
        }
        JobOutput::end_lost_uploads(&self.store, &settings);
        if matches!(self.kind, Kind::Shred(_)) {
            clear_candidates(&self.store, &self.job.candidates);
        }
        Ok(Committed {
            report: self.report,
            found,
        })
    }
}

/// Removes the candidates, also those that tasks wrote which do not count. Nobody needs them any more; they are sealed, so
/// that one which stays tells nothing.
fn clear_candidates(store: &Store, candidates: &[CandidateFile]) {
    // <folder>/<bucket>-<attempt>.sealed
    let folders: BTreeSet<&str> = candidates
        .iter()
        .filter_map(|file| Some(file.location.rsplit_once('/')?.0))
        .collect();
    for folder in folders {
        match Location::parse(folder).and_then(|folder| store.list(&folder, false)) {
            Ok(entries) => {
                for entry in entries {
                    if let Err(error) = store.delete(&entry.location) {
                        tracing::warn!("{error}");
                    }
                }
            }
            Err(error) => tracing::warn!("candidates were not looked for: {error}"),
        }
    }
}

/// A job whose output is complete.
#[derive(Debug)]
pub struct Committed {
    /// What it did.
    pub report: JobReport,
    /// What an enrich job found that sent keys.
    pub found: FoundCandidates,
}

/// Which ids an enrich job's tasks found more than once.
#[derive(Debug, Clone)]
pub struct FoundCandidates {
    id: String,
    buckets: u32,
    files: Vec<CandidateFile>,
    counts: ShredCounts,
}

impl FoundCandidates {
    /// Number of ids that occur more than once.
    pub fn len(&self) -> u64 {
        self.counts.candidate_ids
    }

    /// Whether every id occurs once.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub(super) fn candidate_files(settled: &Settled) -> Vec<CandidateFile> {
    let rows = settled.winners.iter();
    rows.filter_map(|row| row.candidates.clone()).collect()
}

/// What the scan adds to the counts of a shred job.
pub(super) fn scan_counts(settled: &Settled) -> ShredCounts {
    let mut counts = ShredCounts::default();
    for row in &settled.winners {
        let keys: u64 = row.sent.iter().map(|sent| sent.tally.records).sum();
        counts.key_bytes += 16 * keys;
        counts.exchanged_key_bytes += row.sent_bytes;
        counts.candidate_ids += row.candidates.as_ref().map_or(0, |file| file.tally.records);
    }
    counts
}
