//! The transactional output of a job: part files in several folders, all of them visible or none.
//!
//! ```text
//! begin ── writer(root, folder).append(lines)* ── commit ─┬ seal: last blocks, sync or last upload parts
//!   │                                                     ├ commit plan (from here on it is finished, by whomever)
//!   └ a plan of our run: finish it                        ├ rename / complete, manifest, _SUCCESS
//!     leftovers of our runs: clear them                   └ temporary folders and plan go
//!     anything else: refuse
//! ```
//!
//! * On local disks part files are written below `<root>/_temporary/<attempt>/` and renamed, whole folders at once. In S3 they are
//!   multipart uploads, which are no objects until they are completed. A reader who respects `_SUCCESS` sees all of a
//!   job's output or none (invariant 3).
//! * File names, markers and layout are those of the Spark jobs: `part-NNNNN-<uuid>-c000.txt` and so on. There are no empty part
//!   files; Spark wrote one for each empty partition, and S3DistCp copied them.
//! * Attempts have names of their own. Two attempts of a run may live at the same time: the one that writes its commit
//!   plan first wins, the other fails and leaves nothing.
//! * An upload that a killed process began and no plan knows costs storage until somebody ends it: the commit of a job in
//!   parts, the runner once the job of its run has committed, or the bucket's lifecycle rule (`AbortIncompleteMultipartUpload`).

mod attempt;
mod check;
mod commit;
mod gzip;
mod joint;
mod parallel;
mod part;
mod plan;
mod pressure;
mod settings;
mod sink;
mod task;

pub use task::{TaskFile, TaskPlace};

pub use part::PartWriter;
pub use plan::WrittenFile;
pub use settings::{Compression, Ending, OutputRoot, OutputSettings, Spill, Spilled};

#[doc(hidden)]
pub use settings::FaultHook;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, local, random_name};
use crate::text::ids::RunKey;
use attempt::{LocalAttempt, Note, Owner, TEMPORARY};
use check::{attempt_name, check_empty, check_folder, check_settings};
use commit::{Commit, Outcome};
use part::{Destination, FinishedPart, PartPlace};
use plan::{CommitPlan, PlannedFile, PlannedUpload, absolute, plan_location, stand_in};
use pressure::{Gate, Limits, Pressure, lock};
use sink::{FinishedPlace, UploadSettings};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Syncs or requests side by side while the output is sealed.
const THREADS: usize = 16;

/// What [`JobOutput::begin`] found.
#[derive(Debug)]
pub enum Begun {
    /// The folders are free: the job can run.
    Ready(Box<JobOutput>),
    /// An earlier attempt of this run was cut off while it committed, and its commit is finished now: there is nothing left to do.
    Finished(FinishedOutput),
}

/// A committed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedOutput {
    /// Its part files, in order of root, folder and name.
    pub files: Vec<WrittenFile>,
    /// The manifest as it was written.
    pub manifest: Vec<u8>,
}

/// The output of a job while it runs. Dropping it without a commit removes all of it.
pub struct JobOutput {
    store: Store,
    settings: OutputSettings,
    plan_location: Location,
    attempt: String,
    uuid: String,
    pressure: Arc<Pressure>,
    uploads: UploadSettings,
    /// Per root; `None` in S3.
    attempts: Vec<Option<LocalAttempt>>,
    /// Files that tasks in other processes wrote and that are committed as well.
    adopted: Vec<PlannedFile>,
    /// What is written outlives a failure: other processes made it, and another try may commit it.
    keeps: bool,
    /// Nothing is left to clear up.
    over: bool,
}

impl std::fmt::Debug for JobOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "JobOutput({} of run {})",
            self.settings.job, self.settings.run_id
        )
    }
}

impl JobOutput {
    /// Checks the folders, finishes or clears what an earlier attempt left in them, and opens the output.
    ///
    /// # Errors
    /// `Config` if the settings cannot be used (roots that are the same or inside one another, for example); `NotEmpty` if a folder holds
    /// something that is not a leftover of this run; otherwise when a folder cannot be read or written.
    pub fn begin(store: Store, settings: OutputSettings) -> Result<Begun> {
        if let Some(finished) = Self::finish_cut(&store, &settings)? {
            return Ok(Begun::Finished(finished));
        }
        let plan_location = plan_location(&settings)?;
        for root in &settings.roots {
            check_empty(&store, &root.location, root, &settings.run_id)?;
            attempt::sweep(&store, &root.location, &plan_location, None)?;
        }
        Ok(Begun::Ready(Box::new(Self::open(
            store,
            settings,
            plan_location,
        )?)))
    }

    /// Finishes the commit that an earlier attempt of this run was cut off in; `None` if there is none, or if it could not be
    /// finished and was taken back. A commit that has written its markers may still have leftovers to clear.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), but for folders that are not empty.
    pub fn finish_cut(store: &Store, settings: &OutputSettings) -> Result<Option<FinishedOutput>> {
        check_settings(settings)?;
        let plan_location = plan_location(settings)?;
        match CommitPlan::read(store, &plan_location)? {
            Some(plan) => finish_commit(store, settings, &plan, &plan_location),
            None => {
                Self::remove_last_leftover(store, settings, &plan_location)?;
                Ok(None)
            }
        }
    }

    /// The last acts of a commit are to delete its plan and the folder that the plan was in; an attempt that was cut off between
    /// them has left the folder, empty, in a complete output.
    fn remove_last_leftover(
        store: &Store,
        settings: &OutputSettings,
        plan: &Location,
    ) -> Result<()> {
        let folder = plan.local_path().and_then(Path::parent);
        let Some(folder) = folder.filter(|folder| folder.ends_with(TEMPORARY) && folder.is_dir())
        else {
            return Ok(());
        };
        if Self::is_being_committed(store, settings)? {
            // not if anybody has put something there again
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Whether somebody is committing an output of these settings, or has done so: what tasks wrote is then on its way to its
    /// place, or there.
    ///
    /// # Errors
    /// When the folders cannot be read.
    pub(crate) fn is_being_committed(store: &Store, settings: &OutputSettings) -> Result<bool> {
        // the plan goes after the last marker has come, so one of both is always seen
        if store.head(&plan_location(settings)?)?.is_some() {
            return Ok(true);
        }
        let mut is_marked = false;
        for root in &settings.roots {
            for folder in &root.success_folders {
                let marker = root.location.join(folder).join(commit::SUCCESS);
                if store.head(&marker)?.is_none() {
                    return Ok(false);
                }
                is_marked = true;
            }
        }
        Ok(is_marked)
    }

    fn open(store: Store, settings: OutputSettings, plan_location: Location) -> Result<Self> {
        let mut output = Self::without_folders(store, settings, plan_location)?;
        let note = output.note()?;
        for index in 0..output.settings.roots.len() {
            // one after the other into the output, so that dropping it clears those that were made
            let location = &output.settings.roots[index].location;
            let attempt = match location.local_path() {
                Some(path) => Some(LocalAttempt::start(path, &output.attempt, &note)?),
                None => None,
            };
            output.attempts.push(attempt);
        }
        Ok(output)
    }

    /// What the lock files of the attempt say.
    fn note(&self) -> Result<Note> {
        Ok(Note {
            run_id: self.settings.run_id.clone(),
            plan: absolute(&self.plan_location)?,
        })
    }

    /// An output with a name, and no temporary folders yet.
    fn without_folders(
        store: Store,
        settings: OutputSettings,
        plan_location: Location,
    ) -> Result<Self> {
        let random = random_name()?;
        let remote = settings.roots.iter().any(|root| !root.location.is_local());
        let limits = Limits::new(settings.memory_limit, remote);
        Ok(Self {
            attempt: attempt_name(&settings, &random),
            uuid: RunKey::new(&random).uuid(&[b"output"]),
            pressure: Arc::new(Pressure::new(limits)),
            uploads: UploadSettings {
                store: store.clone(),
                gate: Gate::new(limits.sending),
                spill: settings.spill.clone(),
                begun: Arc::new(Mutex::default()),
                part_size: limits.part_size,
            },
            attempts: Vec::new(),
            adopted: Vec::new(),
            keeps: false,
            over: false,
            plan_location,
            settings,
            store,
        })
    }

    /// The writer of a folder below a root; `""` is the root itself. Calls with the same place give the same writer, so a
    /// caller keeps it rather than asking for each line.
    ///
    /// # Errors
    /// `Internal` if there is no such root, the folder cannot be one, or another ending was asked for before.
    pub fn writer(&self, root: usize, folder: &str, ending: Ending) -> Result<Arc<PartWriter>> {
        let writer = self.pressure.writer(root, folder, || {
            let settings = self
                .settings
                .roots
                .get(root)
                .ok_or_else(|| Error::internal(format!("there is no output root {root}")))?;
            check_folder(folder)?;
            let destination = match &self.attempts[root] {
                Some(attempt) => Destination::Local {
                    folder: attempt.folder().join(folder),
                    base: attempt.base(),
                },
                None => Destination::Upload(settings.location.join(folder), self.uploads.clone()),
            };
            let place = PartPlace {
                root,
                folder: folder.to_owned(),
                ending,
                compression: settings.compression,
                target_size: self.settings.target_size,
                uuid: self.uuid.clone(),
            };
            Ok(PartWriter::new(
                Arc::clone(&self.pressure),
                place,
                destination,
            ))
        })?;
        if writer.ending() != ending {
            return Err(Error::internal(format!(
                "folder `{folder}` is written with two endings"
            )));
        }
        Ok(writer)
    }

    /// Makes the output visible. `manifest` gets the list of all part files and returns the bytes of
    /// `_SUCCESS.manifest.json`; if it fails (its sums do not close), nothing is committed. All appends must have returned before.
    ///
    /// # Errors
    /// Before the commit plan is written, an error leaves nothing behind. After it, the plan stays, and the next
    /// [`begin`](Self::begin) of the same run finishes the commit; `NotEmpty` tells that another attempt was faster.
    pub fn commit(
        mut self,
        manifest: impl FnOnce(&[WrittenFile]) -> Result<Vec<u8>>,
    ) -> Result<FinishedOutput> {
        let faults = self.settings.faults.clone();
        let killed = AtomicBool::new(false);
        let result = self.try_commit(manifest, faults.as_ref(), &killed);
        if killed.load(Ordering::SeqCst) {
            self.walk_away();
        }
        result
    }

    fn try_commit(
        &mut self,
        manifest: impl FnOnce(&[WrittenFile]) -> Result<Vec<u8>>,
        faults: Option<&FaultHook>,
        killed: &AtomicBool,
    ) -> Result<FinishedOutput> {
        let files = self.seal()?;
        let written: Vec<WrittenFile> = files
            .iter()
            .enumerate()
            .map(|(index, file)| {
                file.written(
                    file.etag
                        .clone()
                        .unwrap_or_else(|| stand_in(&self.uuid, index)),
                )
            })
            .collect();
        let manifest = manifest(&written)?;
        let plan = CommitPlan::new(&self.settings, &self.attempt, &self.uuid, files, &manifest)?;
        let commit = Commit {
            store: &self.store,
            plan: &plan,
            location: &self.plan_location,
            faults,
            fresh: true,
            killed,
        };
        commit.step("sealed")?;
        if !plan.write(&self.store, &self.plan_location)? {
            return Err(Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{}: another attempt of run {} is committing its output; this one is given up",
                    self.plan_location, self.settings.run_id
                ),
            ));
        }
        // from here on a later attempt finishes what this one does not
        self.over = true;
        commit.step("plan")?;
        match commit.run()? {
            Outcome::Done { files, manifest } => {
                self.walk_away();
                Ok(FinishedOutput { files, manifest })
            }
            Outcome::Withdrawn(error) => {
                self.over = false;
                Err(error)
            }
        }
    }

    /// Ends all files and makes them durable. Returns them, and those that were adopted, in order.
    fn seal(&self) -> Result<Vec<PlannedFile>> {
        let writers = self.pressure.all_writers();
        let finished = parallel::map(writers.len(), THREADS, |index| writers[index].seal())?;
        self.pressure.check()?;
        let mut parts: Vec<(usize, String, Mutex<Option<FinishedPart>>)> = Vec::new();
        for (writer, finished) in writers.iter().zip(finished) {
            for part in finished {
                parts.push((
                    writer.root(),
                    writer.folder().to_owned(),
                    Mutex::new(Some(part)),
                ));
            }
        }
        let mut files = parallel::map(parts.len(), THREADS, |index| {
            let (root, folder, part) = &parts[index];
            let part = lock(part)
                .take()
                .ok_or_else(|| Error::internal("a part file was sealed twice"))?;
            make_durable(*root, folder, part)
        })?;
        files.extend(self.adopted.iter().cloned());
        files.sort_by(|a, b| (a.root, &a.folder, &a.name).cmp(&(b.root, &b.folder, &b.name)));
        self.sync_folders(&files)?;
        Ok(files)
    }

    /// Makes the names of the files durable.
    fn sync_folders(&self, files: &[PlannedFile]) -> Result<()> {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for file in files {
            let Some(attempt) = &self.attempts[file.root] else {
                continue;
            };
            let mut folder = attempt.folder().join(&file.folder);
            while folder.starts_with(attempt.folder())
                && folders.insert(folder.clone())
                && folder.pop()
            {}
        }
        for (root, attempt) in self.attempts.iter().enumerate() {
            let Some(attempt) = attempt else {
                continue;
            };
            // a task that wrote nothing to a root made nothing there
            if attempt.base().is_none() || files.iter().any(|file| file.root == root) {
                folders.extend(attempt.folder().parent().map(Path::to_owned));
                folders.extend(attempt.base());
            }
        }
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        parallel::each_index(folders.len(), THREADS, |index| {
            local::sync_dir(&folders[index])
        })
    }

    /// Gives the output up and removes all of it.
    ///
    /// # Errors
    /// When something cannot be removed; it is not visible all the same.
    pub fn abort(mut self) -> Result<()> {
        self.clear_up()
    }

    fn clear_up(&mut self) -> Result<()> {
        if self.keeps {
            self.walk_away();
            return Ok(());
        }
        self.over = true;
        for writer in self.pressure.all_writers() {
            writer.give_up();
        }
        self.pressure.forget_writers();
        let uploads = std::mem::take(&mut *lock(&self.uploads.begun));
        let aborted = parallel::each_index(uploads.len(), THREADS, |index| {
            self.store.abort_upload(&uploads[index])
        });
        let cleared: Vec<Result<()>> = self
            .attempts
            .iter()
            .flatten()
            .map(LocalAttempt::clear)
            .collect();
        aborted.and(cleared.into_iter().collect())
    }

    /// Lets go without touching what is written.
    fn walk_away(&mut self) {
        self.over = true;
        self.pressure.forget_writers();
        self.attempts
            .iter()
            .flatten()
            .for_each(LocalAttempt::release);
    }

    #[cfg(test)]
    fn kill(mut self) {
        self.walk_away();
    }
}

impl Drop for JobOutput {
    fn drop(&mut self) {
        if !self.over
            && let Err(error) = self.clear_up()
        {
            tracing::warn!("an output that was given up is not wholly removed: {error}");
        }
        self.pressure.forget_writers();
    }
}

/// Syncs a finished file, or waits for the parts of its upload.
fn make_durable(root: usize, folder: &str, part: FinishedPart) -> Result<PlannedFile> {
    let mut file = PlannedFile {
        root,
        folder: folder.to_owned(),
        name: part.name,
        rows: part.rows,
        bytes: part.bytes,
        etag: None,
        upload: None,
    };
    match part.place {
        FinishedPlace::Local(path) => {
            let metadata = File::open(&path)
                .and_then(|file| file.sync_all().and_then(|()| file.metadata()))
                .map_err(|e| local::at(&path, e))?;
            if metadata.len() != part.bytes {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "{}: has {} bytes, {} were written",
                        path.display(),
                        metadata.len(),
                        part.bytes
                    ),
                ));
            }
            file.etag = Some(local::etag(&metadata));
        }
        FinishedPlace::Upload(upload) => {
            let (id, parts) = upload.wait()?;
            file.upload = Some(PlannedUpload { id, parts });
        }
    }
    Ok(file)
}

/// Finishes the commit of an earlier attempt; `None` if it could not be finished and is cleared.
fn finish_commit(
    store: &Store,
    settings: &OutputSettings,
    plan: &CommitPlan,
    location: &Location,
) -> Result<Option<FinishedOutput>> {
    if !plan.is_of(settings)? {
        return Err(Error::new(
            ErrorKind::NotEmpty,
            format!(
                "{location}: the commit of job {} of run {} was cut off and is not finished; run that job again first",
                plan.job, plan.run_id
            ),
        ));
    }
    // the locks are held until the commit is finished
    let mut held = Vec::new();
    for root in &settings.roots {
        if let Some(path) = root.location.local_path() {
            match attempt::owner(path, &plan.attempt)? {
                Owner::Gone(lock) => held.push(lock),
                Owner::Alive => {
                    return Err(Error::new(
                        ErrorKind::NotEmpty,
                        format!(
                            "{}: another process is committing this very output now",
                            root.location
                        ),
                    ));
                }
            }
        }
    }
    tracing::info!(
        "finishing the commit that an earlier attempt of run {} began",
        plan.run_id
    );
    let commit = Commit {
        store,
        plan,
        location,
        faults: settings.faults.as_ref(),
        fresh: false,
        killed: &AtomicBool::new(false),
    };
    match commit.run()? {
        Outcome::Done { files, manifest } => Ok(Some(FinishedOutput { files, manifest })),
        Outcome::Withdrawn(why) => {
            tracing::warn!("the earlier attempt's output is cleared: {why}");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
