//! The exchange: the folder, or place in S3, in which the shards of a job leave what others need.
//!
//! ```text
//! <exchange>/camonica/<run id>/<job>-shards/        enrich, shred, etl-enrich or etl-shred
//!   job                                            the note: what the job is
//!   <id>/told/<stage>-<shard>-<attempt>            a stage of a shard is done: its row, and what it sent
//!   <id>/scan/<shard>-<random>/<bucket>-<number>   sealed keys
//!   <id>/candidates/...                            sealed keys of ids that occur more than once
//!   <id>/shred/<shard>-<random>/<bucket>-<number>  sealed lines
//! ```
//!
//! An object appears whole or not at all (a put in S3, a rename on disks), and `told` comes after what it tells of. Nothing is
//! ever written twice under one name, so a shard that is done again, or by two processes, spoils nothing. What is not
//! told of is not read.
//!
//! Everything is sealed with the key of the job, which HKDF derives from the secret of the shards, the job and the run; each
//! writer's part of the keys and lines with a key of its own by its random attempt. Job, kind, bucket and shard are
//! authenticated with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::NO_GROUP;
use super::super::opening::Opening;
use super::super::row::{Stage, TaskRow};
use super::files::{Inbox, Outbox, Sent};
use super::note::Note;
use super::{Shard, ShardOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::spill::parcel::{Attempt, Content, ParcelKey, random_secret};
use crate::job::JobOptions;
use crate::store::{Location, Store, random_name};

/// Pauses between two looks at the exchange: the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The exchange of one job and run.
pub(super) struct Exchange<'j> {
    store: Store,
    folder: Location,
    /// `None` where nothing is sealed: rows of an enrich job in its log folder.
    note_key: Option<ParcelKey>,
    options: &'j JobOptions,
    shards: &'j ShardOptions,
    job: String,
}

impl<'j> Exchange<'j> {
    /// The exchange that the options name.
    ///
    /// # Errors
    /// `Config` without one, without a secret, or for one that lies inside an output.
    pub(super) fn open(opening: &Opening<'j>, shards: &'j ShardOptions) -> Result<Self> {
        let options = opening.options;
        let run_id = opening.run_id()?;
        // the halves of an etl job are not the jobs that these are without the other one
        let name = match opening.is_half() {
            true => format!("etl-{}", opening.name),
            false => opening.name.to_owned(),
        };
        let job = format!("{name} of run {run_id}");
        let (place, option) = match (&shards.exchange, &options.log_folder) {
            (Some(exchange), _) => (exchange, "--exchange"),
            (None, _) if name != "enrich" => {
                return Err(Error::config(format!(
                    "--exchange: the shards of {} job must tell each other the ids of their events, or events would \
                     stay twice in the output; name a folder or a place in S3 that all of them can read and write, and a \
                     file with their secret (--exchange-secret)",
                    if opening.is_half() {
                        "an etl"
                    } else {
                        "a shred"
                    }
                )));
            }
            (None, Some(log)) => (log, "--log-folder"),
            (None, None) => {
                return Err(Error::config(
                    "--log-folder or --exchange: shards leave word there of what they have done, and the commit reads it; \
                     name one that all of them can write to, outside of the outputs",
                ));
            }
        };
        let note_key = match (&shards.exchange, &shards.secret) {
            (None, _) => None,
            (Some(_), Some(secret)) => Some(ParcelKey::derive(
                secret.bytes(),
                &format!("shards of {job}"),
            )?),
            (Some(_), None) => {
                return Err(Error::config(
                    "--exchange-secret: an exchange needs a secret, from which the key is derived that everything in it is \
                     sealed with; make one with `head -c 48 /dev/urandom | base64`, and give the same file to all shards",
                ));
            }
        };
        let place = Location::parse(place).map_err(|error| error.context(option))?;
        if let Some(root) = opening
            .settings
            .roots
            .iter()
            .find(|root| root.location.contains(&place))
        {
            return Err(Error::config(format!(
                "{option} {place}: it cannot lie inside an output folder ({})",
                root.location
            )));
        }
        Ok(Self {
            folder: place.join(&format!("camonica/{run_id}/{name}-shards")),
            store: options.open_store(),
            note_key,
            options,
            shards,
            job,
        })
    }

    /// Where it lies, and the outputs too.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether what is in it is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.note_key.is_some()
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Location {
        &self.folder
    }

    /// The options of the job.
    pub(super) fn options(&self) -> &'j JobOptions {
        self.options
    }

    fn note_place(&self) -> Location {
        self.folder.join("job")
    }

    /// The note of the job, if it was begun.
    ///
    /// # Errors
    /// `Denied` if it was sealed with another secret.
    pub(super) fn note(&self) -> Result<Option<Note>> {
        let place = self.note_place();
        let bytes = match self.store.read_to_vec(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let plain = match &self.note_key {
            None => bytes,
            Some(key) => match key.open(0, &bytes) {
                Ok(opened) if opened.content == Content::Job => opened.plain,
                _ => {
                    return Err(Error::new(
                        ErrorKind::Denied,
                        format!(
                            "{place}: it cannot be opened with the secret of this process: --exchange-secret must be the \
                             same for all shards and the commit (or the file was changed)"
                        ),
                    ));
                }
            },
        };
        let note = serde_json::from_slice(&plain).map_err(|error| {
            Error::config(format!(
                "{place}: it is not what this version leaves in an exchange; let all shards run the same version"
            ))
            .with_source(error)
        })?;
        Ok(Some(note))
    }

    /// Begins the job with this note, if nobody has begun it. Returns the note that counts.
    ///
    /// # Errors
    /// As [`note`](Self::note), or when it cannot be written.
    pub(super) fn begin(&self, note: Note) -> Result<Note> {
        if let Some(theirs) = self.note()? {
            return Ok(theirs);
        }
        let plain = serde_json::to_vec(&note)
            .map_err(|error| Error::internal("a note cannot be written").with_source(error))?;
        let bytes = match &self.note_key {
            None => plain,
            Some(key) => key
                .sealer(NO_GROUP, Attempt::random()?)
                .seal(Content::Job, 0, &plain)?,
        };
        // read back also if it was new here: a service without conditional writes may have taken two
        self.store.put_new(&self.note_place(), bytes)?;
        self.note()?.ok_or_else(|| self.is_over())
    }

    /// Tells that there is no job any more.
    pub(super) fn is_over(&self) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "{}: the job is over: it was committed, or somebody gave it up and deleted what was there",
                self.folder
            ),
        )
    }

    /// For a wait for others, as long as there is a job.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience {
            has_begun: true,
            ..self.pauses()
        }
    }

    /// For a wait for the job to begin.
    pub(super) fn pauses(&self) -> Patience<'_> {
        Patience {
            exchange: self,
            has_begun: false,
            pause: PAUSES.0,
        }
    }

    /// How long to wait without any news.
    pub(super) fn timeout(&self) -> Duration {
        self.shards.timeout
    }

    /// Everything that the shards left. What cannot be deleted is told and left.
    pub(super) fn clear(&self) {
        if let Err(error) = self.store.delete_tree(&self.folder) {
            tracing::warn!("what is left of the shards can be deleted: {error}");
        }
    }

    /// What the job of a note is called, and its key derived for.
    pub(super) fn id_of(&self, note: &Note) -> String {
        format!("shards of {}, {}", self.job, note.id)
    }

    /// The job that the note tells of.
    ///
    /// # Errors
    /// When no key can be made.
    pub(super) fn job(self, note: &Note) -> Result<Board<'j>> {
        let id = match &note.keys_of {
            // what they have sealed must be read, and their keys must be met
            Some(id) => id.clone(),
            None => self.id_of(note),
        };
        let key = match &self.shards.secret {
            Some(secret) if self.is_sealed() => ParcelKey::derive(secret.bytes(), &id)?,
            // never used for what others read
            _ => ParcelKey::derive(random_secret()?.as_ref(), &id)?,
        };
        Ok(Board {
            keys_of: note.keys_of.clone(),
            folder: self.folder.join(&note.id),
            id,
            key,
            exchange: self,
        })
    }
}

/// The pauses of one that waits for others, longer and longer.
pub(super) struct Patience<'e> {
    exchange: &'e Exchange<'e>,
    /// Whether there must be a note.
    has_begun: bool,
    pause: Duration,
}

impl Patience<'_> {
    /// Pauses; `false` if nothing was heard since too long a time.
    ///
    /// # Errors
    /// `NotFound` when the job is over; `Io` if the operator stops it.
    pub(super) fn pause(&mut self, since: Instant) -> Result<bool> {
        let exchange = self.exchange;
        exchange.options.check_cancel()?;
        if self.has_begun && exchange.store.head(&exchange.note_place())?.is_none() {
            return Err(exchange.is_over());
        }
        let left = exchange.shards.timeout.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 3 / 2).min(PAUSES.1);
        Ok(true)
    }
}

/// That a stage of a shard is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) stage: Stage,
    /// The shard, from 0.
    pub(super) shard: u32,
    /// Its row; none if there was nothing to do.
    pub(super) row: Option<TaskRow>,
    /// What it sent, if anything.
    pub(super) sent: Sent,
}

/// Where something is told.
#[derive(Debug)]
struct Place {
    stage: String,
    shard: u32,
    attempt: String,
    location: Location,
}

/// What the shards of one job tell each other.
pub(super) struct Board<'j> {
    pub(super) exchange: Exchange<'j>,
    /// As in the note.
    pub(super) keys_of: Option<String>,
    /// Names the job, and is what its key is derived for.
    pub(super) id: String,
    pub(super) folder: Location,
    key: ParcelKey,
}

impl Board<'_> {
    /// The key of the job once more, for who needs one of its own.
    ///
    /// # Errors
    /// When no key can be made.
    pub(super) fn new_key(&self) -> Result<ParcelKey> {
        match &self.exchange.shards.secret {
            Some(secret) if self.exchange.is_sealed() => {
                ParcelKey::derive(secret.bytes(), &self.id)
            }
            _ => ParcelKey::derive(random_secret()?.as_ref(), &self.id),
        }
    }

    fn places(&self) -> Result<Vec<Place>> {
        let entries = self.exchange.store.list(&self.folder.join("told"), false)?;
        let mut places: Vec<Place> = entries
            .into_iter()
            .filter_map(|entry| {
                let mut parts = entry.relative.split('-');
                let (stage, shard, attempt) = (parts.next()?, parts.next()?, parts.next()?);
                Some(Place {
                    stage: stage.to_owned(),
                    shard: shard.parse().ok()?,
                    attempt: attempt.to_owned(),
                    location: entry.location,
                })
            })
            .collect();
        // all processes take the same of several attempts
        places.sort_by(|a, b| (a.shard, &a.attempt).cmp(&(b.shard, &b.attempt)));
        Ok(places)
    }

    /// Tells that a stage of a shard is done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn tell(&self, told: &Told) -> Result<()> {
        let plain = serde_json::to_vec(told)
            .map_err(|error| Error::internal("a row cannot be written").with_source(error))?;
        let bytes = if self.exchange.is_sealed() {
            self.key.sealer(told.shard, Attempt::random()?).seal(
                Content::Row,
                told.stage as u32,
                &plain,
            )?
        } else {
            plain
        };
        let attempt = match &told.row {
            Some(row) => row.attempt.clone(),
            None => Attempt::random()?.to_string(),
        };
        let name = format!("{}-{:05}-{attempt}", told.stage.name(), told.shard);
        let place = self.folder.join("told").join(&name);
        self.exchange.store.put(&place, bytes)?;
        Ok(())
    }

    fn read(&self, stage: Stage, place: &Place) -> Result<Told> {
        let bytes = self.exchange.store.read_to_vec(&place.location)?;
        let changed = || {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "{}: it is not what a shard of this job wrote",
                    place.location
                ),
            )
        };
        let plain = if self.exchange.is_sealed() {
            let opened = self.key.open(stage as u32, &bytes);
            let opened = opened.map_err(|error| changed().with_source(error))?;
            if opened.content != Content::Row || opened.group != place.shard {
                return Err(changed());
            }
            opened.plain
        } else {
            bytes
        };
        let told: Told =
            serde_json::from_slice(&plain).map_err(|error| changed().with_source(error))?;
        let fits = told.stage == stage && told.shard == place.shard;
        fits.then_some(told).ok_or_else(changed)
    }

    /// What was told of a stage, by all attempts of all shards (or of one). What does not hold any more is taken back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn told(
        &self,
        stage: Stage,
        shard: Option<u32>,
        holds: &dyn Fn(&Told) -> Result<bool>,
    ) -> Result<Vec<Told>> {
        let mut all = Vec::new();
        for place in self.places()? {
            if place.stage != stage.name() || shard.is_some_and(|shard| shard != place.shard) {
                continue;
            }
            let told = self.read(stage, &place)?;
            if holds(&told)? {
                all.push(told);
            } else {
                tracing::warn!("{}: what it tells of is gone", place.location);
                self.exchange.store.delete(&place.location)?;
            }
        }
        Ok(all)
    }

    /// Waits until each of so many shards has told of a stage, and returns one attempt of each.
    ///
    /// # Errors
    /// `Timeout` when nothing new was told for too long, with the shards that are missing; `NotFound` when the job is over; `Io`
    /// if the operator stops the job.
    pub(super) fn wait_for(&self, stage: Stage, shards: u32) -> Result<Vec<Told>> {
        let mut since = Instant::now();
        let mut seen = 0;
        let mut patience = self.exchange.patience();
        loop {
            let places = self.places()?;
            let mut first: BTreeMap<u32, &Place> = BTreeMap::new();
            for place in places.iter().filter(|place| place.stage == stage.name()) {
                first.entry(place.shard).or_insert(place);
            }
            let missing: Vec<u32> = (0..shards).filter(|i| !first.contains_key(i)).collect();
            if missing.is_empty() {
                return (0..shards)
                    .filter_map(|shard| first.get(&shard))
                    .map(|place| self.read(stage, place))
                    .collect();
            }
            if places.len() != seen {
                (seen, since) = (places.len(), Instant::now());
                tracing::info!("waiting for {} of {}", stage.name(), list(&missing, shards));
            }
            if !patience.pause(since)? {
                return Err(self.too_late(stage, &missing, shards));
            }
        }
    }

    /// Whether each of so many shards has told of a stage.
    ///
    /// # Errors
    /// When the exchange cannot be read.
    pub(super) fn is_told_by_all(&self, stage: Stage, shards: u32) -> Result<bool> {
        let places = self.places()?;
        let of_stage = places.iter().filter(|place| place.stage == stage.name());
        let told: BTreeSet<u32> = of_stage.map(|place| place.shard).collect();
        Ok((0..shards).all(|shard| told.contains(&shard)))
    }

    fn too_late(&self, stage: Stage, missing: &[u32], shards: u32) -> Error {
        let what = match stage {
            Stage::Enrich => "enriched their share",
            Stage::Scan => "told the ids of their share",
            Stage::Count => "counted the ids of their bucket",
            Stage::Shred => "shredded their share",
            Stage::Resolve => "resolved the duplicates of their bucket",
        };
        Error::new(
            ErrorKind::Timeout,
            format!(
                "{} of {} shards have not {what} ({}), and nothing was heard of them for {} s; start those that do not \
                 run, then this again: what is done is kept ({})",
                missing.len(),
                shards,
                list(missing, shards),
                self.exchange.shards.timeout.as_secs(),
                self.folder
            ),
        )
    }

    /// A place for what a shard sends in a stage.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(super) fn outbox(&self, stage: Stage, shard: u32) -> Result<Outbox<'_>> {
        let folder = format!("{}/{shard:05}-{}", stage.name(), random_name()?);
        Ok(Outbox::new(
            &self.exchange.store,
            self.folder.join(&folder),
            folder,
            self.exchange.options.memory_limit,
        ))
    }

    /// The parcels that shards have sent to a bucket.
    pub(super) fn inbox<'b>(&'b self, told: &'b [Told], bucket: u32) -> Inbox<'b> {
        let files = told
            .iter()
            .flat_map(move |told| told.sent.places(&self.folder, bucket));
        Inbox::new(&self.exchange.store, Box::new(files), bucket)
    }
}

/// Shards as an operator names them.
fn list(missing: &[u32], of: u32) -> String {
    let shown = missing
        .iter()
        .take(20)
        .map(|&index| Shard { index, of }.to_string());
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if missing.len() > 20 {
        text.push_str(", ...");
    }
    text
}
