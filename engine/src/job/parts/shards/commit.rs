//! The commit of a sharded job: one row for each share and bucket, then one output.

use super::super::Group;
use super::super::driver::PartedJob;
use super::super::opening::{Kind, Opening};
use super::super::row::{Stage, TaskRow};
use super::exchange::{Board, Exchange, Told};
use super::note::Note;
use super::work::{Found, see, still_holds, task_job};
use super::{MOST_SHARDS, ShardOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Snapshot;
use crate::job::report::JobReport;
use crate::job::{EnrichJob, ShredJob, manifest, shared};
use crate::output::{JobOutput, OutputSettings};
use crate::store::{Location, Store};

/// Commits what the shards of an enrich job have written. A commit that fails, or is killed, can be run again; one that is run
/// again after it has ended tells what it did.
///
/// # Errors
/// `Timeout` that names the shards that have not ended; `NotFound` if none has begun; `Config`, `Denied` or `Changed` if the
/// shards were begun with other options, another secret or another input; `Internal` if rows do not fit or the sums
/// do not close. Nothing is visible then.
pub fn commit_enrich(job: &EnrichJob, shards: u32, options: &ShardOptions) -> Result<JobReport> {
    commit(Opening::of_enrich(job)?, shards, options)
}

/// As [`commit_enrich`], for a shred job.
///
/// # Errors
/// As [`commit_enrich`].
pub fn commit_shred(job: &ShredJob, shards: u32, options: &ShardOptions) -> Result<JobReport> {
    commit(Opening::of_shred(job)?, shards, options)
}

/// Refuses a number of shards that no job has.
pub(super) fn check_shards(shards: u32) -> Result<()> {
    if !(1..=MOST_SHARDS).contains(&shards) {
        return Err(Error::config(format!(
            "--shards {shards}: a job has from 1 to {MOST_SHARDS} shards"
        )));
    }
    Ok(())
}

fn commit(opening: Opening<'_>, shards: u32, options: &ShardOptions) -> Result<JobReport> {
    check_shards(shards)?;
    let exchange = Exchange::open(&opening, options)?;
    let store = opening.options.open_store();
    let finished = match opening.finish_cut(&store)? {
        Some(report) => Some(report),
        None => committed(&opening, &store)?,
    };
    if let Some(report) = finished {
        exchange.clear();
        return Ok(report);
    }
    let Some(note) = exchange.note()? else {
        return Err(not_begun(exchange.folder(), opening.is_half()));
    };
    let seen = see(&opening, &store, shards)?;
    let mine = Note::of(&opening, &seen.0, &seen.1, exchange.is_sealed())?;
    note.check(&mine, exchange.folder(), opening.input)?;
    let board = exchange.job(&note)?;
    let report = publish(opening, &store, &board, &note, seen, shards, None)?;
    board.exchange.clear();
    Ok(report)
}

/// That no shard of a job has begun.
pub(super) fn not_begun(place: &Location, is_half: bool) -> Error {
    let folders = if is_half {
        "folders"
    } else {
        "--output-folder"
    };
    Error::new(
        ErrorKind::NotFound,
        format!(
            "{place}: no shard of this job and run has begun: give the commit the same --exchange (or --log-folder), \
             {folders} and --run-id as the shards"
        ),
    )
}

/// Commits the output of the shards on a board, with what they `found` if they have not scanned for it.
pub(super) fn publish(
    opening: Opening<'_>,
    store: &Store,
    board: &Board<'_>,
    note: &Note,
    (snapshot, groups): (Snapshot, Vec<Group>),
    shards: u32,
    found: Option<Found>,
) -> Result<JobReport> {
    let job = task_job(&opening, note, board, shards)?;
    let settings = opening.settings.clone();
    let desk = Desk {
        board,
        shards,
        settings: &settings,
        attempt: &note.attempt,
    };
    let mut scanned = None;
    let mut rows = match &opening.kind {
        Kind::Enrich(_) => desk.rows(Stage::Enrich)?,
        Kind::Shred(_) => {
            if found.is_none() {
                let mut rows = desk.rows(Stage::Scan)?;
                rows.extend(desk.rows(Stage::Count)?);
                scanned = Some(rows);
            }
            desk.rows(Stage::Shred)?
        }
    };
    // where something was sent, somebody has to do something with it
    if rows.iter().any(|row| !row.sent.is_empty()) {
        rows.extend(desk.rows(match &opening.kind {
            Kind::Enrich(_) => Stage::Count,
            Kind::Shred(_) => Stage::Resolve,
        })?);
    }
    let output = JobOutput::take_over(
        store.clone(),
        shared::with_spill(settings.clone(), &opening.options.open_spill("commit")?),
        &note.attempt,
    )
    .map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            error.with_advice(format!("delete {} and run all shards again", board.folder))
        }
        _ => error,
    })?;
    let mut parted = PartedJob::of_tasks(opening, job, output, snapshot, groups)?;
    if let Some(scanned) = scanned {
        parted.scanned(scanned)?;
    }
    if let Some(found) = found {
        parted.known(found.files, found.counts);
    }
    Ok(parted.commit(rows)?.report)
}

/// The report of the output if it is there already, complete and of this very job and run.
pub(super) fn committed(opening: &Opening<'_>, store: &Store) -> Result<Option<JobReport>> {
    for root in &opening.settings.roots {
        for folder in &root.success_folders {
            let marker: Location = root.location.join(folder).join("_SUCCESS");
            if store.head(&marker)?.is_none() {
                return Ok(None);
            }
        }
    }
    let Some(root) = opening.settings.roots.first() else {
        return Ok(None);
    };
    let manifest = match store.read_to_vec(&root.location.join("_SUCCESS.manifest.json")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        manifest => manifest?,
    };
    let run_id = opening.run_id()?;
    Ok(manifest::report_of_committed(
        manifest,
        opening.name,
        &run_id,
        &opening.folder_names,
        &opening.folders,
    ))
}

/// Gathers the rows of all shards.
struct Desk<'d> {
    board: &'d Board<'d>,
    shards: u32,
    settings: &'d OutputSettings,
    attempt: &'d str,
}

impl Desk<'_> {
    /// The rows of all attempts at a stage, of every shard at least one.
    fn rows(&self, stage: Stage) -> Result<Vec<TaskRow>> {
        self.board.wait_for(stage, self.shards)?;
        let store = self.board.exchange.store();
        let holds = |told: &Told| still_holds(told, store, self.settings, self.attempt);
        let told = self.board.told(stage, None, &holds)?;
        let is_there = |shard| told.iter().any(|told| told.shard == shard);
        if let Some(lost) = (0..self.shards).find(|shard| !is_there(*shard)) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "what shard {}/{} wrote is gone from the output folder: another job has cleared it; start that shard \
                     again, then the commit",
                    lost + 1,
                    self.shards
                ),
            ));
        }
        Ok(told.into_iter().filter_map(|told| told.row).collect())
    }
}
