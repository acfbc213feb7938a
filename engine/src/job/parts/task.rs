//! What a task does: the kernels of the jobs, on a group of splits or on what was sent to some buckets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::super::enrich::stage as enrich;
use super::super::options::{JobOptions, ShowProgress};
use super::super::shred::{self, LineSink, Shredded};
use super::super::{rows, shared};
use super::groups::{Group, Input};
use super::line;
use super::row::{CandidateFile, Received, SeamRow, Sent, Stage, Tally, TaskRow};
use super::ship::{Carry, Parcel, Shipped, Shipper, bucket_of};
use super::{NO_GROUP, TaskJob, Work};
use crate::dedup::Shares;
use crate::dedup::candidates::Candidates;
use crate::dedup::keys::{EventKey, EventKeyHasher, KeyTable};
use crate::dedup::waiting::{Waiting, WaitingLine};
use crate::error::{Error, ErrorKind, Result};
use crate::event::fields::Field;
use crate::exec;
use crate::exec::spill::SpillArea;
use crate::exec::spill::parcel::{Attempt, Content, Opened, ParcelKey};
use crate::iglu::Resolver;
use crate::input::split::Seam;
use crate::input::{Framing, Snapshot, Split};
use crate::output::{Ending, JobOutput, OutputSettings, TaskPlace};
use crate::shred::columns::column_bytes;
use crate::store::{Location, Store};
use crate::text::ids::RunKey;

/// Gives the parcels that were sent to a task, until there is none left.
pub type Parcels<'p> = dyn FnMut() -> Result<Option<Parcel>> + 'p;

/// Does the tasks of one job. One a process and job: what all tasks need is made once.
pub struct TaskRunner {
    job: TaskJob,
    key: ParcelKey,
    hasher: EventKeyHasher,
    digests: EventKeyHasher,
    local: JobOptions,
    store: Store,
    enrich: OnceLock<enrich::Stage>,
    resolver: OnceLock<Resolver>,
    candidates: OnceLock<Arc<Candidates>>,
    making: Mutex<()>,
}

impl std::fmt::Debug for TaskRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TaskRunner(of job {})", self.job.id)
    }
}

/// Whether a task may succeed if it is done again, by another process or later.
pub fn is_transient(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Throttled | ErrorKind::Timeout | ErrorKind::Io | ErrorKind::Full
    )
}

impl TaskRunner {
    /// Opens the job that a driver sealed under the name `id`. `local` says what a task may use of this process: memory, spill
    /// directories, credentials.
    ///
    /// # Errors
    /// `Corrupt` when the job was sealed with another secret.
    pub fn open(id: &str, sealed: &[u8], secret: &[u8], local: &JobOptions) -> Result<Self> {
        let key = ParcelKey::derive(secret, id)?;
        let job = TaskJob::open(&key, sealed)?;
        Self::new(job, key, local)
    }

    fn new(job: TaskJob, key: ParcelKey, local: &JobOptions) -> Result<Self> {
        let local = JobOptions {
            workers: 1,
            progress: ShowProgress::Never,
            ..local.clone()
        };
        Self::alone(job, key, local)
    }

    /// For a process that does one task after the other: each may use all workers of `local`.
    pub(super) fn alone(job: TaskJob, key: ParcelKey, local: JobOptions) -> Result<Self> {
        Ok(Self {
            hasher: EventKeyHasher::from_secret(key.shared_secret("event keys")?),
            digests: EventKeyHasher::from_secret(key.shared_secret("digests of lines")?),
            store: job.options(&local).open_store(),
            job,
            key,
            local,
            enrich: OnceLock::new(),
            resolver: OnceLock::new(),
            candidates: OnceLock::new(),
            making: Mutex::new(()),
        })
    }

    /// The number of buckets.
    pub fn buckets(&self) -> u32 {
        self.job.buckets
    }

    /// Makes what all tasks need, once.
    fn once<'s, T>(
        &self,
        cell: &'s OnceLock<T>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<&'s T> {
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = cell.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(cell.get_or_init(|| made))
    }

    /// Enriches a group. With `with_keys` the ids of its events go to their buckets.
    ///
    /// # Errors
    /// When the group cannot be read, or the output not be written: nothing is left then.
    pub fn enrich(&self, group: &Group, with_keys: bool, carry: &Carry<'_>) -> Result<TaskRow> {
        let job = self.job.enrich_job(&self.local)?;
        let stage = self.once(&self.enrich, || job.stage(&Location::parse(&job.output)?))?;
        let attempt = Attempt::random()?;
        let mut row = TaskRow::new(Stage::Enrich, Some(group.number), attempt.to_string());
        let spill = job.options.open_spill("enrich")?;
        let output = self.output(job.output_settings()?, &spill, &row)?;
        let writers = stage.writers(&output)?;
        let input = group.input()?;
        let sealer = self.key.sealer(group.number, attempt);
        let keys = KeyShipper {
            hasher: self.hasher,
            buckets: self.job.buckets,
            shipper: Shipper::new(Content::Keys, self.job.buckets, sealer, carry),
        };
        let options = job.options.exec_options();
        let progress = self.local.progress.start("enrich", group.bytes());
        let work = enrich::Work {
            stage,
            snapshot: &input.snapshot,
            writers: &writers,
            progress: progress.as_ref(),
            options: &options,
        };
        let outcome = exec::run_splits(
            &input.snapshot,
            input.splits.clone(),
            stage.framing(),
            &options,
            progress.as_ref(),
            &self.store,
            |_| Ok(enrich::Worker::new(with_keys.then_some(&keys))),
            |worker, chunk| work.chunk(worker, chunk),
        );
        let counts = outcome.and_then(|mut outcome| {
            let counts = work.finish(&mut outcome)?;
            Ok((outcome, counts))
        });
        progress.finish();
        let (outcome, mut counts) = counts?;
        // the caches serve all tasks of a process: their figures are no task's
        counts.caches.clear();
        row.enrich = Some(counts);
        row.corrupt = shared::corrupt_objects(&input.snapshot, &outcome.corrupt);
        row.seams = seams(&input, &outcome.seams)?;
        drop(outcome);
        drop(writers);
        keys.finish()?.tell(&mut row);
        row.files = output.finish_task()?;
        self.log(&row)?;
        Ok(row)
    }

    /// Reads the ids of a group's lines, and sends them to their buckets.
    ///
    /// # Errors
    /// When the group cannot be read.
    pub fn scan(&self, group: &Group, carry: &Carry<'_>) -> Result<TaskRow> {
        let options = self.job.options(&self.local);
        let attempt = Attempt::random()?;
        let mut row = TaskRow::new(Stage::Scan, Some(group.number), attempt.to_string());
        let input = group.input()?;
        let sealer = self.key.sealer(group.number, attempt);
        let keys = KeyShipper {
            hasher: self.hasher,
            buckets: self.job.buckets,
            shipper: Shipper::new(Content::Keys, self.job.buckets, sealer, carry),
        };
        let progress = self.local.progress.start("scan", group.bytes());
        let outcome = exec::run_splits(
            &input.snapshot,
            input.splits.clone(),
            Framing::Lines,
            &options.exec_options(),
            progress.as_ref(),
            &self.store,
            |_| Ok(Vec::new()),
            |found: &mut Vec<EventKey>, chunk| {
                found.clear();
                let mut lines = 0;
                for line in chunk.lines() {
                    lines += 1;
                    let id = column_bytes(line.bytes, Field::EventId as usize);
                    found.extend(id.map(|id| self.hasher.key(id)));
                }
                progress.add(0, lines, 0, 0);
                keys.shipper.send_keys(found)
            },
        );
        progress.finish();
        drop(outcome?.workers);
        keys.finish()?.tell(&mut row);
        self.log(&row)?;
        Ok(row)
    }

    /// Counts the keys that were sent to some buckets, and writes those that came more than once to a sealed file. `None` if
    /// nothing was sent. Rows among the parcels are passed on.
    ///
    /// # Errors
    /// When a parcel is not what was sealed, or the file cannot be written.
    pub fn count(&self, parcels: &mut Parcels<'_>, carry: &Carry<'_>) -> Result<Option<TaskRow>> {
        let options = self.job.options(&self.local);
        let attempt = Attempt::random()?;
        let mut row = TaskRow::new(Stage::Count, None, attempt.to_string());
        let shares = Shares::of(options.memory_limit);
        let spill = options.open_spill("count")?;
        let table = KeyTable::new(self.hasher, spill, shares.keys);
        let mut keys = table.writer();
        let mut ledger = Ledger::default();
        self.receive(parcels, carry, Content::Keys, |bucket, opened| {
            let (some, rest) = opened.plain.as_chunks();
            if !rest.is_empty() {
                return Err(Error::internal("a parcel ends within a key"));
            }
            let Some(tally) = ledger.tally(bucket, opened) else {
                return Ok(());
            };
            for key in some {
                let key = EventKey::from_le_bytes(*key);
                tally.add(key);
                keys.add_key(key)?;
            }
            Ok(())
        })?;
        keys.flush()?;
        drop(keys);
        row.received = ledger.received();
        let Some(first) = row.received.first().map(|received| received.bucket) else {
            return Ok(None);
        };
        let found = Mutex::new((Vec::new(), Tally::default()));
        table.into_repeated(options.workers, |keys| {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                found.0.extend_from_slice(&key.to_le_bytes());
                found.1.add(*key);
            }
        })?;
        let (bytes, tally) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if tally.records > 0 {
            let mut sealer = self.key.sealer(NO_GROUP, attempt);
            let sealed = sealer.seal(Content::Candidates, first, &bytes)?;
            let folder = Location::parse(&self.job.log)?.join("candidates");
            let location = folder.join(&format!("{first}-{attempt}.sealed"));
            self.store.put(&location, sealed)?;
            row.candidates = Some(CandidateFile {
                location: location.to_string(),
                bucket: first,
                tally,
            });
        }
        self.log(&row)?;
        Ok(Some(row))
    }

    /// Shreds a group. Good lines whose id is a candidate go to their buckets.
    ///
    /// # Errors
    /// When the group or the candidates cannot be read, or the output not be written: nothing is left then.
    pub fn shred(&self, group: &Group, carry: &Carry<'_>) -> Result<TaskRow> {
        let job = self.job.shred_job(&self.local)?;
        let attempt = Attempt::random()?;
        let mut row = TaskRow::new(Stage::Shred, Some(group.number), attempt.to_string());
        let resolver = self.once(&self.resolver, || shared::resolver(&job.resolver))?;
        let candidates = self.candidates()?;
        let spill = job.options.open_spill("shred")?;
        let output = self.output(job.output_settings()?, &spill, &row)?;
        let input = group.input()?;
        let lines = LineShipper {
            runner: self,
            names: names_of(&input),
            shipper: Shipper::new(
                Content::Lines,
                self.job.buckets,
                self.key.sealer(group.number, attempt),
                carry,
            ),
        };
        let stage = shred::Stage {
            job: &job,
            snapshot: &input.snapshot,
            resolver,
            output: &output,
            candidates: &candidates,
            spill: &spill,
            bad: output.writer(rows::BAD, "", Ending::Text)?,
            failure_tstamp: job.options.failure_tstamp(),
            ranks: Some(&input.ranks),
        };
        let Shredded {
            counts,
            corrupt,
            seams: found,
        } = stage.shred(&self.store, Some(input.splits.clone()), &lines)?;
        drop(stage);
        row.seams = seams(&input, &found)?;
        row.corrupt = shared::corrupt_objects(&input.snapshot, &corrupt);
        lines.shipper.finish()?.tell(&mut row);
        row.shred = Some(counts);
        row.files = output.finish_task()?;
        self.log(&row)?;
        Ok(row)
    }

    /// Resolves the lines that were sent to some buckets. `None` if nothing was sent. Rows among the parcels are passed on.
    ///
    /// # Errors
    /// When a parcel is not what was sealed, or the output cannot be written: nothing is left then.
    pub fn resolve(&self, parcels: &mut Parcels<'_>, carry: &Carry<'_>) -> Result<Option<TaskRow>> {
        let job = self.job.shred_job(&self.local)?;
        let attempt = Attempt::random()?;
        let mut row = TaskRow::new(Stage::Resolve, None, attempt.to_string());
        let resolver = self.once(&self.resolver, || shared::resolver(&job.resolver))?;
        let spill = job.options.open_spill("resolve")?;
        let shares = Shares::of(job.options.memory_limit);
        let waiting = Waiting::new(EventKeyHasher::random()?, spill.clone(), shares.lines);
        let mut names: HashMap<u32, String> = HashMap::new();
        let mut ledger = Ledger::default();
        self.receive(parcels, carry, Content::Lines, |bucket, opened| {
            let Some(tally) = ledger.tally(bucket, opened) else {
                return Ok(());
            };
            let mut rest = &opened.plain[..];
            while !rest.is_empty() {
                let sent = line::read(&mut rest)?;
                tally.add(self.digests.key(sent.bytes));
                if sent.fingerprint.is_none() {
                    let rank = sent.line.place.object;
                    names
                        .entry(rank)
                        .or_insert_with(|| sent.object_name.to_owned());
                }
                waiting.add(sent.event_id, sent.fingerprint, sent.line)?;
            }
            Ok(())
        })?;
        row.received = ledger.received();
        if row.received.is_empty() {
            return Ok(None);
        }
        let output = self.output(job.output_settings()?, &spill, &row)?;
        let nothing = Snapshot::default();
        let none = Candidates::of_keys(self.hasher, 0, &[]);
        let stage = shred::Stage {
            job: &job,
            snapshot: &nothing,
            resolver,
            output: &output,
            candidates: &none,
            spill: &spill,
            bad: output.writer(rows::BAD, "", Ending::Text)?,
            failure_tstamp: job.options.failure_tstamp(),
            ranks: Some(&[]),
        };
        let natural_duplicates = waiting.natural_duplicates();
        let (waiting_lines, waiting_bytes) = waiting.added();
        let run = RunKey::new(&self.job.run_id);
        let name = |rank: u32| names.get(&rank).cloned().unwrap_or_default();
        let mut counts = stage.resolve(waiting, &run, shares.lines, &name)?;
        counts.natural_duplicates += natural_duplicates;
        counts.waiting_lines = waiting_lines;
        counts.waiting_bytes = waiting_bytes;
        drop(stage);
        row.shred = Some(counts);
        row.files = output.finish_task()?;
        self.log(&row)?;
        Ok(Some(row))
    }

    /// Seals a row for the exchange or for the driver.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal_row(&self, row: &TaskRow) -> Result<Parcel> {
        let bucket = row.group.unwrap_or_default() % self.job.buckets.max(1);
        // with an attempt of its own: the one of the task has used its numbers
        let mut sealer = self
            .key
            .sealer(row.group.unwrap_or(NO_GROUP), Attempt::random()?);
        Ok(Parcel {
            bucket,
            bytes: sealer.seal(Content::Row, bucket, &row.to_bytes()?)?,
        })
    }

    /// Hands the parcels of one kind to `take` and passes rows on.
    fn receive(
        &self,
        parcels: &mut Parcels<'_>,
        carry: &Carry<'_>,
        content: Content,
        mut take: impl FnMut(u32, &Opened) -> Result<()>,
    ) -> Result<()> {
        while let Some(parcel) = parcels()? {
            let opened = self.key.open(parcel.bucket, &parcel.bytes)?;
            if opened.content == Content::Row {
                carry(parcel)?;
            } else if opened.content == content {
                take(parcel.bucket, &opened)?;
            } else {
                return Err(Error::internal(
                    "a parcel of another kind than the task expects",
                ));
            }
        }
        Ok(())
    }

    fn output(
        &self,
        settings: OutputSettings,
        spill: &SpillArea,
        row: &TaskRow,
    ) -> Result<JobOutput> {
        let settings = shared::with_spill(settings, spill);
        let task = format!("{}-{}", row.stage.name(), row.attempt);
        let place = TaskPlace {
            attempt: &self.job.attempt,
            task: &task,
        };
        JobOutput::begin_task(self.store.clone(), settings, place)
    }

    /// Writes a row to the log folder: whoever loses what the task returned finds it there.
    fn log(&self, row: &TaskRow) -> Result<()> {
        if !self.job.logs_rows {
            return Ok(());
        }
        let name = match row.group {
            Some(group) => format!("{}-{group:05}-{}.json", row.stage.name(), row.attempt),
            None => format!("{}-{}.json", row.stage.name(), row.attempt),
        };
        let folder = Location::parse(&self.job.log)?.join("rows");
        self.store.put(&folder.join(&name), row.to_bytes()?)?;
        Ok(())
    }

    /// The candidates, read once.
    fn candidates(&self) -> Result<Arc<Candidates>> {
        self.once(&self.candidates, || {
            let Work::Shred(_) = &self.job.work else {
                return Err(Error::internal("candidates of another kind of job"));
            };
            let budget = Shares::of(self.local.memory_limit).candidates;
            let mut candidates = Candidates::of_keys(self.hasher, budget, &[]);
            // one file after the other: all keys of a large job would not fit into memory
            for file in &self.job.candidates {
                let location = Location::parse(&file.location)?;
                let sealed = self.store.read_to_vec(&location)?;
                let opened = self
                    .key
                    .open(file.bucket, &sealed)
                    .map_err(|error| error.context(&location))?;
                let mut tally = Tally::default();
                let keys: Vec<EventKey> = opened
                    .plain
                    .as_chunks()
                    .0
                    .iter()
                    .map(|key| EventKey::from_le_bytes(*key))
                    .collect();
                keys.iter().for_each(|key| tally.add(*key));
                if opened.content != Content::Candidates || tally != file.tally {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!("{location}: these are not the candidates that were counted"),
                    ));
                }
                candidates.extend(&keys);
            }
            Ok(Arc::new(candidates))
        })
        .map(Arc::clone)
    }
}

fn names_of(input: &Input) -> HashMap<u32, String> {
    let objects = &input.snapshot.objects;
    let names = objects.iter().map(|object| object.relative.clone());
    input.ranks.iter().copied().zip(names).collect()
}

/// The seams of a group's items.
fn seams(input: &Input, seams: &[(Split, Seam)]) -> Result<Vec<SeamRow>> {
    seams
        .iter()
        .map(|(split, seam)| {
            let item = input.splits.iter().position(|other| other == split);
            let item = item
                .and_then(|item| u32::try_from(item).ok())
                .ok_or_else(|| Error::internal("a seam of a split that was not read"))?;
            Ok(SeamRow {
                item,
                first: seam.first,
                end: seam.end,
            })
        })
        .collect()
}

impl Shipped {
    fn tell(self, row: &mut TaskRow) {
        let sent = |(bucket, tally)| Sent { bucket, tally };
        row.sent = self.tallies.into_iter().map(sent).collect();
        row.sent_bytes = self.bytes;
    }
}

/// Sends the keys of ids.
struct KeyShipper<'k> {
    hasher: EventKeyHasher,
    buckets: u32,
    shipper: Shipper<'k>,
}

impl KeyShipper<'_> {
    fn send(&self, event_id: &[u8]) -> Result<()> {
        let key = self.hasher.key(event_id);
        self.shipper.send(bucket_of(key, self.buckets), key, |to| {
            to.extend_from_slice(&key.to_le_bytes());
            Ok(())
        })
    }

    fn finish(self) -> Result<Shipped> {
        self.shipper.finish()
    }
}

impl enrich::IdSink for &KeyShipper<'_> {
    fn add_id(&mut self, event_id: &[u8]) -> Result<()> {
        self.send(event_id)
    }
}

/// Sends candidate lines.
struct LineShipper<'k> {
    runner: &'k TaskRunner,
    names: HashMap<u32, String>,
    shipper: Shipper<'k>,
}

impl LineSink for LineShipper<'_> {
    fn add(&self, event_id: &str, fingerprint: Option<&str>, line: WaitingLine) -> Result<()> {
        let key = self.runner.hasher.key(event_id.as_bytes());
        let bucket = bucket_of(key, self.runner.job.buckets);
        let name = self.names.get(&line.place.object);
        let mut record = Vec::new();
        line::write(
            event_id,
            fingerprint,
            name.map_or("", String::as_str),
            &line,
            &mut record,
        )?;
        let digest = self.runner.digests.key(&record);
        self.shipper.send(bucket, digest, |to| {
            to.extend_from_slice(&record);
            Ok(())
        })
    }
}

/// What came from whom: of several attempts of one group, and of several copies of one parcel, the first counts.
#[derive(Default)]
struct Ledger {
    sources: BTreeMap<(u32, u32), Source>,
}

struct Source {
    attempt: Attempt,
    numbers: HashSet<u32>,
    tally: Tally,
}

impl Ledger {
    /// Where to count the records of a parcel; `None` if they came before.
    fn tally(&mut self, bucket: u32, opened: &Opened) -> Option<&mut Tally> {
        let source = self
            .sources
            .entry((bucket, opened.group))
            .or_insert_with(|| Source {
                attempt: opened.attempt,
                numbers: HashSet::new(),
                tally: Tally::default(),
            });
        (source.attempt == opened.attempt && source.numbers.insert(opened.number))
            .then_some(&mut source.tally)
    }

    fn received(self) -> Vec<Received> {
        self.sources
            .into_iter()
            .map(|((bucket, group), source)| Received {
                bucket,
                group,
                attempt: source.attempt.to_string(),
                tally: source.tally,
            })
            .collect()
    }
}
