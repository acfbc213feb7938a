//! What one shard does.

use std::time::Instant;

use super::super::opening::Opening;
use super::super::row::{CandidateFile, Settled, Stage, Tally, TaskRow, settle};
use super::super::task::TaskRunner;
use super::super::{Group, Parcel, TaskJob, driver};
use super::exchange::{Board, Exchange, Told};
use super::files::Sent;
use super::note::Note;
use super::{Shard, ShardOptions, share};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Snapshot;
use crate::job::report::{JobReport, ShredCounts};
use crate::job::{EnrichJob, ShredJob};
use crate::output::{JobOutput, OutputSettings};
use crate::store::Store;

/// Enriches one shard's share of the input. The output is not visible before [`commit_enrich`](super::commit_enrich).
///
/// # Errors
/// As [`EnrichJob::run`]; `Config` for a job that was begun in another way, `Changed` for another input.
pub fn run_enrich(job: &EnrichJob, shard: Shard, options: &ShardOptions) -> Result<JobReport> {
    let opening = Opening::of_enrich(job)?;
    let site = match Site::enter(&opening, shard, options)? {
        Entered::Ready(site) => *site,
        Entered::Finished(report) => return Ok(*report),
    };
    let mut report = site.report(&opening)?;
    let started = Instant::now();
    let told = match site.told_before(Stage::Enrich)? {
        Some(told) => told,
        None => {
            let row = site
                .runner(site.job.clone())?
                .enrich(site.group()?, false, &nothing)?;
            site.tell(Stage::Enrich, Some(row), None)?
        }
    };
    report.stage("enrich", started.elapsed());
    if let Some(row) = told.row {
        report.enrich = row.enrich;
        report.corrupt = row.corrupt;
    }
    Ok(report)
}

/// Shreds one shard's share of the input and resolves the duplicates of one bucket, for which it waits for the other shards.
/// The output is not visible before [`commit_shred`](super::commit_shred).
///
/// # Errors
/// As [`ShredJob::run`]; `Config` for a job that was begun in another way, `Changed` for another input, `Timeout` when
/// nothing is heard of the other shards.
pub fn run_shred(job: &ShredJob, shard: Shard, options: &ShardOptions) -> Result<JobReport> {
    let opening = Opening::of_shred(job)?;
    let site = match Site::enter(&opening, shard, options)? {
        Entered::Ready(site) => *site,
        Entered::Finished(report) => return Ok(*report),
    };
    let mut report = site.report(&opening)?;
    let found = site.scan(&mut report)?;
    site.shred(found, &mut report)?;
    Ok(report)
}

/// Ids that occur more than once, and what a shard sent to know of them.
pub(super) struct Found {
    pub(super) files: Vec<CandidateFile>,
    /// What this shard's share added to the counts.
    pub(super) counts: ShredCounts,
}

impl Site<'_> {
    /// Sends the ids of this shard's share, and counts those of its bucket.
    pub(super) fn scan(&self, report: &mut JobReport) -> Result<Found> {
        let started = Instant::now();
        let runner = self.runner(self.job.clone())?;
        let scan = match self.told_before(Stage::Scan)? {
            Some(told) => told,
            None => {
                let outbox = self.board.outbox(Stage::Scan, self.shard.index)?;
                let row = runner.scan(self.group()?, &|parcel| outbox.carry(parcel))?;
                self.tell(Stage::Scan, Some(row), Some(outbox.finish()?))?
            }
        };
        report.stage("scan", started.elapsed());
        let started = Instant::now();
        let scans = self.board.wait_for(Stage::Scan, self.shard.of)?;
        report.stage("wait for scans", started.elapsed());
        self.count(&runner, &scans, report)?;
        drop(runner);
        let started = Instant::now();
        let counted = self.board.wait_for(Stage::Count, self.shard.of)?;
        report.stage("wait for counts", started.elapsed());
        let rows = scans.into_iter().chain(counted);
        let settled = settle(self.shard.of, rows.filter_map(|told| told.row).collect())?;
        let sent = Settled {
            winners: scan.row.into_iter().collect(),
            losers: Vec::new(),
        };
        Ok(Found {
            files: driver::candidate_files(&settled),
            counts: driver::scan_counts(&sent),
        })
    }

    /// Counts the ids that were sent to this shard's bucket.
    pub(super) fn count(
        &self,
        runner: &TaskRunner,
        sent: &[Told],
        report: &mut JobReport,
    ) -> Result<()> {
        let started = Instant::now();
        if self.told_before(Stage::Count)?.is_none() {
            let mut inbox = self.board.inbox(sent, self.shard.index);
            let row = runner.count(&mut || inbox.next(), &nothing)?;
            check_received(sent, row.as_ref(), self.shard.index)?;
            self.tell(Stage::Count, row, None)?;
        }
        report.stage("count", started.elapsed());
        Ok(())
    }

    /// Shreds this shard's share, and resolves the duplicates of its bucket.
    pub(super) fn shred(&self, found: Found, report: &mut JobReport) -> Result<()> {
        let mut counts = found.counts;
        let mut job = self.job.clone();
        job.candidates = found.files;
        let found: u64 = job.candidates.iter().map(|file| file.tally.records).sum();
        counts.candidate_ids = found;

        let started = Instant::now();
        let runner = self.runner(job)?;
        let shredded = match self.told_before(Stage::Shred)? {
            Some(told) => told,
            None => {
                let outbox = self.board.outbox(Stage::Shred, self.shard.index)?;
                let row = runner.shred(self.group()?, &|parcel| outbox.carry(parcel))?;
                self.tell(Stage::Shred, Some(row), Some(outbox.finish()?))?
            }
        };
        report.stage("shred", started.elapsed());
        let mut done = vec![shredded];

        // without candidates nobody has sent a line, and there is nobody to wait for
        if found > 0 {
            let resolved = match self.told_before(Stage::Resolve)? {
                Some(told) => told,
                None => {
                    let started = Instant::now();
                    let lines = self.board.wait_for(Stage::Shred, self.shard.of)?;
                    report.stage("wait for lines", started.elapsed());
                    let started = Instant::now();
                    let mut inbox = self.board.inbox(&lines, self.shard.index);
                    let row = runner.resolve(&mut || inbox.next(), &nothing)?;
                    check_received(&lines, row.as_ref(), self.shard.index)?;
                    report.stage("resolve", started.elapsed());
                    self.tell(Stage::Resolve, row, None)?
                }
            };
            done.push(resolved);
        }
        for row in done.into_iter().filter_map(|told| told.row) {
            if let Some(more) = &row.shred {
                counts.add(more);
            }
            counts.exchanged_line_bytes += row.sent_bytes;
            report.corrupt.extend(row.corrupt);
        }
        report.shred = Some(counts);
        Ok(())
    }
}

/// A bucket must have got what was sent to it. The commit checks it again, for all.
fn check_received(senders: &[Told], row: Option<&TaskRow>, bucket: u32) -> Result<()> {
    for told in senders {
        let sent = told.row.as_ref().map(|row| row.sent_to(bucket));
        let got = row.and_then(|row| {
            let received = row.received.iter();
            let mut of_shard = received.filter(|received| received.group == told.shard);
            of_shard.next().map(|received| received.tally)
        });
        let (sent, got): (Tally, Tally) = (sent.unwrap_or_default(), got.unwrap_or_default());
        if sent != got {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "shard {} has sent {} records of the stage {} to bucket {bucket}, and {} arrived: the exchange has \
                     lost or changed something; delete what is in it and run all shards again",
                    told.shard + 1,
                    sent.records,
                    told.stage.name(),
                    got.records
                ),
            ));
        }
    }
    Ok(())
}

/// Who sends nothing carries nothing.
fn nothing(_: Parcel) -> Result<()> {
    Err(Error::internal("a parcel that nobody waits for"))
}

/// What [`Site::enter`] found.
enum Entered<'j> {
    Ready(Box<Site<'j>>),
    /// An earlier commit was cut off, and is finished now.
    Finished(Box<JobReport>),
}

/// A shard that takes part in its job.
pub(super) struct Site<'j> {
    pub(super) shard: Shard,
    pub(super) job: TaskJob,
    pub(super) board: Board<'j>,
    settings: OutputSettings,
    groups: Vec<Group>,
}

impl<'j> Site<'j> {
    fn enter(
        opening: &Opening<'j>,
        shard: Shard,
        options: &'j ShardOptions,
    ) -> Result<Entered<'j>> {
        let exchange = Exchange::open(opening, options)?;
        let store = opening.options.open_store();
        if let Some(report) = opening.finish_cut(&store)? {
            exchange.clear();
            return Ok(Entered::Finished(Box::new(report)));
        }
        JobOutput::check_free(&store, &opening.settings)?;
        let seen = see(opening, &store, shard.of)?;
        let site = Self::of(opening, shard, exchange, seen, None)?;
        site.join()?;
        Ok(Entered::Ready(Box::new(site)))
    }

    /// Takes part in a job, or begins it. `keys_of`: as in the [`Note`].
    pub(super) fn of(
        opening: &Opening<'j>,
        shard: Shard,
        exchange: Exchange<'j>,
        (snapshot, groups): (Snapshot, Vec<Group>),
        keys_of: Option<String>,
    ) -> Result<Self> {
        let mut mine = Note::of(opening, &snapshot, &groups, exchange.is_sealed())?;
        mine.keys_of = keys_of;
        let note = exchange.begin(mine.clone())?;
        note.check(&mine, exchange.folder(), opening.input)?;
        let board = exchange.job(&note)?;
        let job = task_job(opening, &note, &board, shard.of)?;
        Ok(Self {
            shard,
            job,
            board,
            settings: opening.settings.clone(),
            groups,
        })
    }

    /// Makes the folders in which the shards write.
    pub(super) fn join(&self) -> Result<()> {
        JobOutput::join(&self.settings, &self.job.attempt)
    }

    pub(super) fn group(&self) -> Result<&Group> {
        self.groups
            .get(self.shard.index as usize)
            .ok_or_else(|| Error::internal("a shard without a share"))
    }

    pub(super) fn runner(&self, job: TaskJob) -> Result<TaskRunner> {
        let options = self.board.exchange.options();
        TaskRunner::alone(job, self.board.new_key()?, options.clone())
    }

    /// What this shard, or another process in its place, has told of a stage, if what it wrote is still there.
    pub(super) fn told_before(&self, stage: Stage) -> Result<Option<Told>> {
        let store = self.board.exchange.store();
        let holds = |told: &Told| still_holds(told, store, &self.settings, &self.job.attempt);
        let told = self.board.told(stage, Some(self.shard.index), &holds)?;
        Ok(told.into_iter().next())
    }

    pub(super) fn tell(
        &self,
        stage: Stage,
        row: Option<TaskRow>,
        sent: Option<Sent>,
    ) -> Result<Told> {
        let told = Told {
            stage,
            shard: self.shard.index,
            row,
            sent: sent.unwrap_or_default(),
        };
        self.board.tell(&told)?;
        Ok(told)
    }

    pub(super) fn report(&self, opening: &Opening<'_>) -> Result<JobReport> {
        let group = self.group()?;
        let mut objects: Vec<u32> = group.items.iter().map(|item| item.place().0).collect();
        objects.dedup();
        Ok(JobReport {
            input_objects: objects.len() as u64,
            input_bytes: group.bytes(),
            shard: Some(self.shard.to_string()),
            ..opening.report(&Snapshot::default())?
        })
    }
}

/// The input as it is now, and its shares.
pub(super) fn see(
    opening: &Opening<'_>,
    store: &Store,
    shards: u32,
) -> Result<(Snapshot, Vec<Group>)> {
    let snapshot = opening.snapshot(store)?;
    let groups = share::shares(
        &snapshot,
        opening.framing,
        shards,
        opening.options.skip_corrupt,
        store,
    )?;
    Ok((snapshot, groups))
}

/// The job as the tasks of all shards see it.
pub(super) fn task_job(
    opening: &Opening<'_>,
    note: &Note,
    board: &Board<'_>,
    shards: u32,
) -> Result<TaskJob> {
    let mut job = opening.task_job(
        board.id.clone(),
        note.attempt.clone(),
        board.folder.to_string(),
    )?;
    job.failure_tstamp_ms = note.failure_tstamp_ms;
    job.buckets = shards;
    // rows are told in the exchange, sealed
    job.logs_rows = false;
    Ok(job)
}

/// Whether the part files that a row tells of are still there.
///
/// # Errors
/// `NotEmpty` if somebody commits them at this moment, or has done so: they are neither here nor lost then.
pub(super) fn still_holds(
    told: &Told,
    store: &Store,
    settings: &OutputSettings,
    attempt: &str,
) -> Result<bool> {
    let files = told.row.as_ref().map(|row| row.files.as_slice());
    if JobOutput::holds(settings, attempt, files.unwrap_or_default()) {
        return Ok(true);
    }
    if JobOutput::is_being_committed(store, settings)? {
        let place = settings.roots.first().map(|root| root.location.to_string());
        return Err(Error::new(
            ErrorKind::NotEmpty,
            format!(
                "{}: another process is committing this very output now, or has done so",
                place.unwrap_or_default()
            ),
        ));
    }
    Ok(false)
}
