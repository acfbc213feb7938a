//! The etl job in shards: both halves by the same processes, with one command line.
//!
//! ```text
//! shard I/N:  its splits ► part files, keys by bucket ─┐                                      enriched half
//!             bucket I ◄───────────────────────────────┘ ► candidates ─┐
//!             shard 1 commits the enriched events; all others wait for it
//!             its share of the enriched files, all candidates ◄────────┘ ► part files, lines  shredded half
//!             bucket I ◄── lines ► part files ► row
//! commit:     the shredded output
//! ```
//!
//! As on one machine, the enriched output is committed before the shred half begins, for what is an open upload cannot be
//! read; it is complete then, and stays if the rest fails. The first shard does it: a second process in its place does no
//! harm, and if it dies, the same command line finishes it. The ids were gathered while the events were enriched, so each
//! enriched line is read once. Where that is not known (another process has made the enriched output, or the exchange was
//! deleted meanwhile), shards scan for them.

use std::collections::BTreeSet;
use std::time::Instant;

use super::super::driver;
use super::super::opening::Opening;
use super::super::row::{Stage, settle};
use super::commit::{check_shards, committed, not_begun, publish};
use super::exchange::Exchange;
use super::note::Note;
use super::work::{Found, Site, see};
use super::{Shard, ShardOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Snapshot;
use crate::job::report::{JobReport, ShredCounts};
use crate::job::{EnrichJob, EtlJob};
use crate::output::JobOutput;
use crate::store::Store;

/// The shard that commits the enriched output, from 0.
const COMMITTER: u32 = 0;

/// Enriches one shard's share of the input, and shreds one shard's share of what all have enriched. The enriched output is
/// visible then, the shredded one is not before [`commit_etl`].
///
/// # Errors
/// As [`EtlJob::run`]; `Config` for a job that was begun in another way, `Changed` for another input, `Timeout` when
/// nothing is heard of the other shards.
pub fn run_etl(job: &EtlJob, shard: Shard, options: &ShardOptions) -> Result<JobReport> {
    let (enrich, shred) = job.halves()?;
    let store = enrich.options.open_store();
    let second = Opening::of_shred(&shred)?.half_of_etl();
    let exchange = Exchange::open(&second, options)?;
    if let Some(report) = second.finish_cut(&store)? {
        exchange.clear();
        return Ok(report);
    }
    // told before hours of work
    JobOutput::check_free(&store, &second.settings)?;

    let mut report = enrich_half(&enrich, &store, shard, options)?;
    let enriched = see(&second, &store, shard.of)?;
    let known = known(&enrich, &enriched.0, options)?;
    let id = known.as_ref().map(|known| known.id.clone());
    let site = Site::of(&second, shard, exchange, enriched, id)?;
    site.join()?;
    let mut shredded = site.report(&second)?;
    let found = match (&site.board.keys_of, known) {
        (None, _) => site.scan(&mut shredded)?,
        (Some(id), Some(known)) if known.id == *id => Found {
            counts: ShredCounts::default(),
            ..known.found
        },
        (Some(_), _) => {
            return Err(Error::new(
                ErrorKind::Changed,
                format!(
                    "{}: the ids that the shards gathered while they enriched are gone from the exchange, and others rely \
                     on them: end all shards, delete this folder and start them again (the enriched events stay)",
                    site.board.exchange.folder()
                ),
            ));
        }
    };
    site.shred(found, &mut shredded)?;
    report.absorb(shredded);
    report.job = "etl";
    Ok(report)
}

/// Commits the shredded output of an etl job, whose enriched one its shards have committed. A commit that fails, or is killed,
/// can be run again; one that is run again after it has ended tells what it did.
///
/// # Errors
/// As [`commit_shred`](super::commit_shred).
pub fn commit_etl(job: &EtlJob, shards: u32, options: &ShardOptions) -> Result<JobReport> {
    check_shards(shards)?;
    let (enrich, shred) = job.halves()?;
    let store = enrich.options.open_store();
    let first = Opening::of_enrich(&enrich)?.half_of_etl();
    let second = Opening::of_shred(&shred)?.half_of_etl();
    let exchange = Exchange::open(&second, options)?;
    let finished = match second.finish_cut(&store)? {
        Some(report) => Some(report),
        None => committed(&second, &store)?,
    };
    let shredded = match finished {
        Some(report) => report,
        None => commit_shredded(&first, second, &enrich, &store, shards, options)?,
    };
    let mut report = committed(&first, &store)?.unwrap_or_default();
    if report.run_id.is_empty() {
        (report.input_objects, report.input_bytes) = (shredded.input_objects, shredded.input_bytes);
        report.run_id.clone_from(&shredded.run_id);
    }
    report.absorb(shredded);
    report.job = "etl";
    exchange.clear();
    Exchange::open(&first, options)?.clear();
    Ok(report)
}

fn commit_shredded(
    first: &Opening<'_>,
    second: Opening<'_>,
    enrich: &EnrichJob,
    store: &Store,
    shards: u32,
    options: &ShardOptions,
) -> Result<JobReport> {
    let begun = Exchange::open(first, options)?;
    if committed(first, store)?.is_none() {
        let Some(note) = begun.note()? else {
            return Err(not_begun(begun.folder(), true));
        };
        let (snapshot, groups) = see(first, store, shards)?;
        let mine = Note::of(first, &snapshot, &groups, begun.is_sealed())?;
        note.check(&mine, begun.folder(), first.input)?;
        let board = begun.job(&note)?;
        board.wait_for(Stage::Enrich, shards)?;
        board.wait_for(Stage::Count, shards)?;
        wait_until_committed(first, store, &board.exchange, shards)?;
    }
    let exchange = Exchange::open(&second, options)?;
    let waiting = Instant::now();
    let mut patience = exchange.pauses();
    let note = loop {
        if let Some(note) = exchange.note()? {
            break note;
        }
        if !patience.pause(waiting)? {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "{}: the events are enriched, and no shard has begun to shred them: start the shards that do not run, \
                     then the commit again",
                    exchange.folder()
                ),
            ));
        }
    };
    let seen = see(&second, store, shards)?;
    let mut mine = Note::of(&second, &seen.0, &seen.1, exchange.is_sealed())?;
    mine.keys_of.clone_from(&note.keys_of);
    note.check(&mine, exchange.folder(), second.input)?;
    let board = exchange.job(&note)?;
    // what is missing is told before what they rely on
    board.wait_for(Stage::Shred, shards)?;
    let found = match &note.keys_of {
        None => None,
        Some(id) => match known(enrich, &seen.0, options)? {
            Some(known) if known.id == *id => Some(known.found),
            _ => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "{}: the ids that the shards gathered while they enriched are gone from the exchange; delete {} \
                         and start all shards again (the enriched events stay)",
                        Exchange::open(first, options)?.folder(),
                        board.exchange.folder()
                    ),
                ));
            }
        },
    };
    publish(second, store, &board, &note, seen, shards, found)
}

/// Enriches a share of the input, and returns when the enriched output of all shards is visible.
fn enrich_half(
    job: &EnrichJob,
    store: &Store,
    shard: Shard,
    options: &ShardOptions,
) -> Result<JobReport> {
    let opening = Opening::of_enrich(job)?.half_of_etl();
    let exchange = Exchange::open(&opening, options)?;
    let done = || {
        Ok(JobReport {
            shard: Some(shard.to_string()),
            ..opening.report(&Snapshot::default())?
        })
    };
    // others do not, while the first shard commits
    if shard.index == COMMITTER && opening.finish_cut(store)?.is_some() {
        return done();
    }
    if committed(&opening, store)?.is_some() {
        return done();
    }
    if exchange.note()?.is_none() {
        JobOutput::check_free(store, &opening.settings)?;
    }
    let seen = see(&opening, store, shard.of)?;
    let site = Site::of(&opening, shard, exchange, seen, None)?;
    let mut report = site.report(&opening)?;
    // once all have told of their work the output may be being committed, and is nobody else's
    let is_told = site.board.is_told_by_all(Stage::Enrich, shard.of)?
        && site.board.is_told_by_all(Stage::Count, shard.of)?;
    if !is_told {
        JobOutput::check_free(store, &opening.settings)?;
        site.join()?;
        enrich_share(&site, &mut report)?;
    }
    let waiting = Instant::now();
    if shard.index == COMMITTER {
        commit_enriched(job, store, &site)?;
    } else {
        wait_until_committed(&opening, store, &site.board.exchange, shard.of)?;
    }
    report.stage("commit of the enriched events", waiting.elapsed());
    Ok(report)
}

/// Enriches the share, and counts the ids of a bucket.
fn enrich_share(site: &Site<'_>, report: &mut JobReport) -> Result<()> {
    let shards = site.shard.of;
    let started = Instant::now();
    let runner = site.runner(site.job.clone())?;
    let told = match site.told_before(Stage::Enrich)? {
        Some(told) => told,
        None => {
            let outbox = site.board.outbox(Stage::Enrich, site.shard.index)?;
            let row = runner.enrich(site.group()?, true, &|parcel| outbox.carry(parcel))?;
            site.tell(Stage::Enrich, Some(row), Some(outbox.finish()?))?
        }
    };
    report.stage("enrich", started.elapsed());
    if let Some(row) = told.row {
        report.enrich = row.enrich;
        report.corrupt = row.corrupt;
    }
    let started = Instant::now();
    let enriched = site.board.wait_for(Stage::Enrich, shards)?;
    report.stage("wait for the others", started.elapsed());
    site.count(&runner, &enriched, report)?;
    let started = Instant::now();
    site.board.wait_for(Stage::Count, shards)?;
    report.stage("wait for counts", started.elapsed());
    Ok(())
}

/// Commits the enriched output; if another process is at it, waits for it.
fn commit_enriched(job: &EnrichJob, store: &Store, site: &Site<'_>) -> Result<()> {
    let exchange = &site.board.exchange;
    let waiting = Instant::now();
    let mut patience = exchange.patience();
    loop {
        let opening = Opening::of_enrich(job)?.half_of_etl();
        let note = exchange.note()?.ok_or_else(|| exchange.is_over())?;
        let seen = see(&opening, store, site.shard.of)?;
        note.check(
            &Note::of(&opening, &seen.0, &seen.1, exchange.is_sealed())?,
            exchange.folder(),
            opening.input,
        )?;
        let attempt = publish(
            opening,
            store,
            &site.board,
            &note,
            seen,
            site.shard.of,
            None,
        );
        let error = match attempt {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let opening = Opening::of_enrich(job)?.half_of_etl();
        if committed(&opening, store)?.is_some() {
            return Ok(());
        }
        // another process in the place of this one is committing
        if error.kind() != ErrorKind::NotEmpty || !patience.pause(waiting)? {
            return Err(error);
        }
    }
}

/// Waits until the enriched output is visible.
fn wait_until_committed(
    opening: &Opening<'_>,
    store: &Store,
    exchange: &Exchange<'_>,
    shards: u32,
) -> Result<()> {
    let waiting = Instant::now();
    let mut patience = exchange.patience();
    while committed(opening, store)?.is_none() {
        if !patience.pause(waiting)? {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "all shards have enriched their share, and shard {}/{shards}, which makes the enriched events visible, \
                     has not done so for {} s; start it if it does not run, then this again: what is done is kept ({})",
                    COMMITTER + 1,
                    exchange.timeout().as_secs(),
                    exchange.folder()
                ),
            ));
        }
    }
    Ok(())
}

/// What shards have found while they enriched.
struct Known {
    /// Names the job, as in [`Note::keys_of`].
    id: String,
    found: Found,
}

/// The ids that occur more than once in the enriched files of a snapshot, if these are the very files that shards have written
/// who gathered the ids.
fn known(enrich: &EnrichJob, enriched: &Snapshot, options: &ShardOptions) -> Result<Option<Known>> {
    let opening = Opening::of_enrich(enrich)?.half_of_etl();
    let exchange = Exchange::open(&opening, options)?;
    let Some(note) = exchange.note()? else {
        return Ok(None);
    };
    let (id, shards) = (exchange.id_of(&note), note.shards());
    let board = exchange.job(&note)?;
    for stage in [Stage::Enrich, Stage::Count] {
        if !board.is_told_by_all(stage, shards)? {
            return Ok(None);
        }
    }
    // their files are no longer where they left them
    let told = |stage| board.told(stage, None, &|_| Ok(true));
    let rows = told(Stage::Enrich)?.into_iter().chain(told(Stage::Count)?);
    let rows: Vec<_> = rows.filter_map(|told| told.row).collect();
    let written: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| &row.files)
        .filter_map(|file| file.relative_in(0))
        .collect();
    let mut objects = enriched.objects.iter();
    if !objects.all(|object| written.contains(&object.relative)) {
        return Ok(None);
    }
    let settled = settle(shards, rows)?;
    let found = Found {
        files: driver::candidate_files(&settled),
        counts: driver::scan_counts(&settled),
    };
    Ok(Some(Known { id, found }))
}
