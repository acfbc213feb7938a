//! The exchange: the folder, or place in S3, in which the shards of a job leave what others need.
//!
//! ```text
//! <exchange>/camonica/<run id>/<job>-shards/
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

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::NO_GROUP;
use super::super::opening::Opening;
use super::super::row::{Stage, TaskRow};
use super::super::ship::Parcel;
use super::note::Note;
use super::{Shard, ShardOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::spill::parcel::{Attempt, Content, ParcelKey, random_secret};
use crate::job::JobOptions;
use crate::store::{Location, Store, random_name, read_error};

/// Stored bytes of a file of keys or lines, about.
const FILE_BYTES: usize = 8 << 20;
/// Sealed bytes that wait to become files: least and most.
const WAITING_BYTES: (u64, u64) = (1 << 20, 64 << 20);
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
        let job = format!("{} of run {run_id}", opening.name);
        let (place, option) = match (&shards.exchange, &options.log_folder) {
            (Some(exchange), _) => (exchange, "--exchange"),
            (None, _) if opening.name == "shred" => {
                return Err(Error::config(
                    "--exchange: the shards of a shred job must tell each other the ids of their events, or events would \
                     stay twice in the output; name a folder or a place in S3 that all of them can read and write, and a \
                     file with their secret (--exchange-secret)",
                ));
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
            folder: place.join(&format!("camonica/{run_id}/{}-shards", opening.name)),
            store: options.open_store(),
            note_key,
            options,
            shards,
            job,
        })
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

    fn is_over(&self) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "{}: the job is over: it was committed, or somebody gave it up and deleted what was there",
                self.folder
            ),
        )
    }

    /// Everything that the shards left. What cannot be deleted is told and left.
    pub(super) fn clear(&self) {
        if let Err(error) = self.store.delete_tree(&self.folder) {
            tracing::warn!("what is left of the shards can be deleted: {error}");
        }
    }

    /// The job that the note tells of.
    ///
    /// # Errors
    /// When no key can be made.
    pub(super) fn job(self, note: &Note) -> Result<Board<'j>> {
        let id = format!("shards of {}, {}", self.job, note.id);
        let key = match &self.shards.secret {
            Some(secret) if self.is_sealed() => ParcelKey::derive(secret.bytes(), &id)?,
            // never used for what others read
            _ => ParcelKey::derive(random_secret()?.as_ref(), &id)?,
        };
        Ok(Board {
            folder: self.folder.join(&note.id),
            id,
            key,
            exchange: self,
        })
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

/// Files that a shard sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Folder of the files.
    folder: String,
    /// Number of files by bucket.
    files: BTreeMap<u32, u32>,
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
        holds: &dyn Fn(&Told) -> bool,
    ) -> Result<Vec<Told>> {
        let mut all = Vec::new();
        for place in self.places()? {
            if place.stage != stage.name() || shard.is_some_and(|shard| shard != place.shard) {
                continue;
            }
            let told = self.read(stage, &place)?;
            if holds(&told) {
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
        let timeout = self.exchange.shards.timeout;
        let mut since = Instant::now();
        let mut seen = 0;
        let mut pause = PAUSES.0;
        loop {
            self.exchange.options.check_cancel()?;
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
            if self
                .exchange
                .store
                .head(&self.exchange.note_place())?
                .is_none()
            {
                return Err(self.exchange.is_over());
            }
            let left = timeout.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(self.too_late(stage, &missing, shards));
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
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
        let (least, most) = WAITING_BYTES;
        let limit = (self.exchange.options.memory_limit / 32).clamp(least, most);
        let folder = format!("{}/{shard:05}-{}", stage.name(), random_name()?);
        Ok(Outbox {
            store: &self.exchange.store,
            place: self.folder.join(&folder),
            folder,
            limit: usize::try_from(limit).unwrap_or(FILE_BYTES),
            inner: Mutex::default(),
        })
    }

    /// The parcels that shards have sent to a bucket.
    pub(super) fn inbox<'b>(&'b self, told: &'b [Told], bucket: u32) -> Inbox<'b> {
        let files = told.iter().flat_map(move |told| {
            let count = told.sent.files.get(&bucket).copied().unwrap_or_default();
            (0..count).map(move |number| {
                let name = file_name(bucket, number);
                self.folder.join(&told.sent.folder).join(&name)
            })
        });
        Inbox {
            store: &self.exchange.store,
            files: Box::new(files),
            bucket,
            open: None,
        }
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

fn file_name(bucket: u32, number: u32) -> String {
    format!("{bucket:05}-{number:06}")
}

/// Gathers parcels into files, by bucket: the length of a parcel (u32, little endian), then the parcel.
pub(super) struct Outbox<'b> {
    store: &'b Store,
    place: Location,
    folder: String,
    limit: usize,
    inner: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    buckets: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    files: BTreeMap<u32, u32>,
}

impl Outbox<'_> {
    /// Takes a parcel.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn carry(&self, parcel: Parcel) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let length =
            u32::try_from(parcel.bytes.len()).map_err(|_| Error::internal("a parcel of 4 GiB"))?;
        let gathered = inner.buckets.entry(parcel.bucket).or_default();
        gathered.extend_from_slice(&length.to_le_bytes());
        gathered.extend_from_slice(&parcel.bytes);
        let is_full = gathered.len() >= FILE_BYTES;
        inner.bytes += 4 + parcel.bytes.len();
        if is_full {
            self.write(&mut inner, parcel.bucket)?;
        }
        while inner.bytes > self.limit {
            let largest = inner.buckets.iter().max_by_key(|(_, bytes)| bytes.len());
            let Some((&largest, _)) = largest else { break };
            self.write(&mut inner, largest)?;
        }
        Ok(())
    }

    fn write(&self, inner: &mut Gathered, bucket: u32) -> Result<()> {
        let bytes = inner.buckets.remove(&bucket).unwrap_or_default();
        inner.bytes -= bytes.len();
        let number = inner.files.entry(bucket).or_default();
        let place = self.place.join(&file_name(bucket, *number));
        *number += 1;
        self.store.put(&place, bytes)?;
        Ok(())
    }

    /// Writes what has gathered.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn finish(self) -> Result<Sent> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((&bucket, _)) = inner.buckets.iter().next() {
            self.write(&mut inner, bucket)?;
        }
        Ok(Sent {
            files: std::mem::take(&mut inner.files),
            folder: self.folder.clone(),
        })
    }
}

/// Reads the parcels of a bucket, one after the other.
pub(super) struct Inbox<'b> {
    store: &'b Store,
    files: Box<dyn Iterator<Item = Location> + 'b>,
    bucket: u32,
    open: Option<(Location, Box<dyn Read + Send>, u64)>,
}

impl Inbox<'_> {
    /// The next parcel.
    ///
    /// # Errors
    /// `NotFound` for a file that is gone, `Corrupt` for one that is cut.
    pub(super) fn next(&mut self) -> Result<Option<Parcel>> {
        loop {
            if let Some((location, reader, left)) = &mut self.open
                && *left > 0
            {
                let cut = || {
                    Error::new(
                        ErrorKind::Corrupt,
                        format!("{location}: the file is cut or was changed"),
                    )
                };
                let mut length = [0; 4];
                if *left < 4 {
                    return Err(cut());
                }
                let read = |error| read_error(location, error);
                reader.read_exact(&mut length).map_err(read)?;
                let length = u32::from_le_bytes(length);
                *left = (*left - 4).checked_sub(u64::from(length)).ok_or_else(cut)?;
                // not more than the file has
                let mut bytes = vec![0; length as usize];
                reader.read_exact(&mut bytes).map_err(read)?;
                return Ok(Some(Parcel {
                    bucket: self.bucket,
                    bytes,
                }));
            }
            let Some(location) = self.files.next() else {
                return Ok(None);
            };
            let entry = self.store.head(&location)?.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("{location}: what a shard has sent is gone from the exchange"),
                )
            })?;
            let reader = self.store.open(&entry)?;
            self.open = Some((location, reader, entry.size));
        }
    }
}
