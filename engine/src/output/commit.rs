//! Carries out a commit plan, by the process that wrote it or by a later one.
//!
//! Every step can be done twice, and the order is such that a reader who respects `_SUCCESS` sees all or nothing: files
//! first, then the manifest, then the markers (last root first, as the reference completes bad rows before good ones), then
//! the temporary folders go, and the plan last.

use super::attempt::{self, TEMPORARY};
use super::parallel;
use super::plan::{CommitPlan, PlannedFile, WrittenFile};
use super::settings::FaultHook;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, Upload, local};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The marker of a complete folder: empty, as Hadoop writes it.
pub(super) const SUCCESS: &str = "_SUCCESS";
/// The manifest's name; readers of Hadoop's kind skip it, and the reference's loader drops names that hold `_SUCCESS`.
pub(super) const MANIFEST: &str = "_SUCCESS.manifest.json";

/// Requests or syncs side by side.
const THREADS: usize = 16;

/// How a commit ended.
pub(super) enum Outcome {
    /// The output is complete.
    Done {
        files: Vec<WrittenFile>,
        manifest: Vec<u8>,
    },
    /// It cannot be completed; nothing of it is visible and the plan is gone.
    Withdrawn(Error),
}

/// A commit under way.
pub(super) struct Commit<'a> {
    pub(super) store: &'a Store,
    pub(super) plan: &'a CommitPlan,
    /// Where the plan is.
    pub(super) location: &'a Location,
    pub(super) faults: Option<&'a FaultHook>,
    /// The plan was written just now, by this process: whatever is in the folders is somebody else's.
    pub(super) fresh: bool,
    /// Set when a test stopped it, as a kill would.
    pub(super) killed: &'a AtomicBool,
}

/// Size and tag of what is in a root already, by relative place.
type Present = HashMap<String, (u64, Option<String>)>;

impl Commit<'_> {
    /// Tells a test that a step is done.
    pub(super) fn step(&self, name: &str) -> Result<()> {
        if self.killed.load(Ordering::SeqCst) || self.faults.is_some_and(|stop| stop(name)) {
            self.killed.store(true, Ordering::SeqCst);
            return Err(Error::internal(format!("stopped by a test after {name}")));
        }
        Ok(())
    }

    /// Finishes the commit, from whatever state it is in.
    pub(super) fn run(&self) -> Result<Outcome> {
        let present = self.survey()?;
        let marked = self.is_marked(&present);
        if let Some((root, name)) = self.stranger(&present)? {
            let stranger = Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{root}: `{name}` is there, which run {} did not write; another job writes to the same folder",
                    self.plan.run_id
                ),
            );
            let placed = |file: &PlannedFile| present[file.root].contains_key(&file.relative());
            if self.plan.files.iter().any(placed) {
                // somebody mixed outputs: nothing here may be deleted by a program
                return Err(stranger.context(format!("commit plan {}", self.location)));
            }
            self.withdraw()?;
            return Ok(Outcome::Withdrawn(stranger));
        }
        self.step("checked")?;

        let missing = Mutex::new(None);
        let etags = self.complete_uploads(&present, &missing)?;
        self.rename_all(&missing)?;
        let missing: Option<String> = missing.into_inner().ok().flatten();
        if let Some(missing) = missing {
            let lost = Error::new(
                ErrorKind::NotFound,
                format!(
                    "{missing}: what a cut-off commit had prepared is gone; the job has to run again"
                ),
            );
            if marked {
                return Err(
                    lost.context("the output is marked as complete, but a file of it is missing")
                );
            }
            self.store.delete(&self.plan.root(0)?.join(MANIFEST))?;
            self.withdraw()?;
            return Ok(Outcome::Withdrawn(lost));
        }
        self.verify()?;

        let manifest = self.plan.manifest(&etags)?;
        self.write_manifest(&manifest)?;
        self.step("manifest")?;
        for index in (0..self.plan.roots.len()).rev() {
            let root = self.plan.root(index)?;
            for folder in &self.plan.roots[index].success_folders {
                self.write_marker(&root.join(folder))?;
                self.step("marker")?;
            }
        }
        self.clear_temporary()?;
        self.step("cleared")?;
        self.delete_plan()?;
        self.step("plan deleted")?;
        let files = self.plan.files.iter().zip(etags);
        Ok(Outcome::Done {
            files: files.map(|(file, etag)| file.written(etag)).collect(),
            manifest,
        })
    }

    /// What is in the roots, but for `_temporary/`.
    fn survey(&self) -> Result<Vec<Present>> {
        let temporary = format!("{TEMPORARY}/");
        (0..self.plan.roots.len())
            .map(|index| {
                let entries = self.store.list(&self.plan.root(index)?, true)?;
                Ok(entries
                    .into_iter()
                    .filter(|entry| !entry.relative.starts_with(&temporary))
                    .map(|entry| (entry.relative, (entry.size, entry.etag)))
                    .collect())
            })
            .collect()
    }

    fn markers(&self, index: usize) -> impl Iterator<Item = String> + '_ {
        let folders = self.plan.roots.get(index).map(|root| &root.success_folders);
        folders
            .into_iter()
            .flatten()
            .map(|folder| super::plan::relative(folder, SUCCESS))
    }

    fn is_marked(&self, present: &[Present]) -> bool {
        present.iter().enumerate().any(|(index, present)| {
            self.markers(index)
                .any(|marker| present.contains_key(&marker))
        })
    }

    /// Something in a root that is not of this plan.
    fn stranger(&self, present: &[Present]) -> Result<Option<(Location, String)>> {
        for (index, present) in present.iter().enumerate() {
            let mut ours: HashSet<String> = HashSet::new();
            if !self.fresh {
                ours.extend(self.markers(index));
                ours.extend((index == 0).then(|| MANIFEST.to_owned()));
                let files = self.plan.files.iter().filter(|file| file.root == index);
                ours.extend(files.map(PlannedFile::relative));
            }
            // the least one, so that the message is always the same
            if let Some(name) = present.keys().filter(|name| !ours.contains(*name)).min() {
                return Ok(Some((self.plan.root(index)?, name.clone())));
            }
        }
        Ok(None)
    }

    /// Completes the uploads that are not objects yet. Returns the tags of all files.
    fn complete_uploads(
        &self,
        present: &[Present],
        missing: &Mutex<Option<String>>,
    ) -> Result<Vec<String>> {
        let threads = if self.faults.is_some() { 1 } else { THREADS };
        parallel::map(self.plan.files.len(), threads, |index| {
            let file = &self.plan.files[index];
            let (Some(upload), Some(planned)) = (self.plan.upload(file)?, &file.upload) else {
                return Ok(file.etag.clone().unwrap_or_default());
            };
            if let Some((size, etag)) = present[file.root].get(&file.relative()) {
                check_size(&upload.location, file.bytes, *size)?;
                return Ok(bare(etag.as_deref()));
            }
            match self.complete(&upload, &planned.parts, file.bytes)? {
                Some(etag) => {
                    self.step("completed")?;
                    Ok(etag)
                }
                None => {
                    *super::pressure::lock(missing) = Some(upload.location.to_string());
                    Ok(String::new())
                }
            }
        })
    }

    /// Completes one upload. An upload that is gone while its object is there was completed before; `None` if both are gone.
    fn complete(&self, upload: &Upload, parts: &[String], bytes: u64) -> Result<Option<String>> {
        let mut pause = Duration::from_millis(200);
        for last in [false, false, false, true] {
            match self.store.complete_upload(upload, parts) {
                Ok(etag) => return Ok(Some(bare(etag.as_deref()))),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if let Some(entry) = self.store.head(&upload.location)? {
                        check_size(&upload.location, bytes, entry.size)?;
                        return Ok(Some(bare(entry.etag.as_deref())));
                    }
                    // a completion by somebody else may be under way
                    if last {
                        return Ok(None);
                    }
                }
                Err(e) if e.is_retryable() && !last => {}
                Err(e) => {
                    return Err(
                        e.context("the commit is not finished; run the job again to finish it")
                    );
                }
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        Ok(None)
    }

    /// Renames whole folders, and files that lie directly in a root, from the temporary folders of the attempt.
    fn rename_all(&self, missing: &Mutex<Option<String>>) -> Result<()> {
        for index in 0..self.plan.roots.len() {
            let location = self.plan.root(index)?;
            let Some(root) = location.local_path() else {
                continue;
            };
            let files = self.plan.files.iter().filter(|file| file.root == index);
            let entries: BTreeSet<String> = files
                .map(|file| {
                    file.relative()
                        .split('/')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect();
            for entry in &entries {
                let from = attempt::folder(root, &self.plan.attempt).join(entry);
                let to = root.join(entry);
                if from.exists() {
                    if to.is_dir() && !local::remove_empty_dirs(&to)? {
                        return Err(Error::internal(format!(
                            "{}: is there already",
                            to.display()
                        )));
                    }
                    fs::rename(&from, &to).map_err(|e| local::at(&to, e))?;
                    self.step("renamed")?;
                } else if !to.exists() {
                    *super::pressure::lock(missing) = Some(to.display().to_string());
                    return Ok(());
                }
            }
            local::sync_dir(root)?;
        }
        Ok(())
    }

    /// Local files must be there with their full length before anything says that they are.
    fn verify(&self) -> Result<()> {
        for file in &self.plan.files {
            let location = self.plan.root(file.root)?.join(&file.relative());
            if let Some(path) = location.local_path() {
                let metadata = fs::metadata(path).map_err(|e| local::at(path, e))?;
                check_size(&location, file.bytes, metadata.len())?;
            }
        }
        Ok(())
    }

    fn write_manifest(&self, bytes: &[u8]) -> Result<()> {
        let root = self.plan.root(0)?;
        let Some(path) = root.local_path() else {
            self.store.put(&root.join(MANIFEST), bytes.to_vec())?;
            return Ok(());
        };
        // made in the temporary folder, so that a kill leaves nothing beside the output
        let made = attempt::folder(path, &self.plan.attempt).join(MANIFEST);
        local::write(&made, bytes)?;
        let to = path.join(MANIFEST);
        fs::rename(&made, &to).map_err(|e| local::at(&to, e))?;
        local::sync_dir(path)
    }

    fn write_marker(&self, folder: &Location) -> Result<()> {
        let marker = folder.join(SUCCESS);
        let Some(path) = marker.local_path() else {
            self.store.put(&marker, Vec::new())?;
            return Ok(());
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        local::create_dir(parent)?;
        let file = File::create(path).map_err(|e| local::at(path, e))?;
        file.sync_all().map_err(|e| local::at(path, e))?;
        local::sync_dir(parent)
    }

    fn clear_temporary(&self) -> Result<()> {
        for index in 0..self.plan.roots.len() {
            if let Some(path) = self.plan.root(index)?.local_path() {
                attempt::remove(path, &self.plan.attempt)?;
                attempt::remove_unfinished(path, &self.plan.attempt)?;
                // the first root's may hold the plan, and any root's another attempt: then it stays
                remove_dir_if_empty(&path.join(TEMPORARY))?;
            }
        }
        Ok(())
    }

    fn delete_plan(&self) -> Result<()> {
        self.store.delete(self.location)?;
        if let Some(path) = self.location.local_path()
            && let Some(folder) = path.parent().filter(|folder| folder.ends_with(TEMPORARY))
        {
            remove_dir_if_empty(folder)?;
            local::sync_dir(folder.parent().unwrap_or(Path::new("/")))?;
        }
        Ok(())
    }

    /// Takes back the files of a commit that cannot be completed, and deletes the plan.
    fn withdraw(&self) -> Result<()> {
        for index in 0..self.plan.roots.len() {
            let root = self.plan.root(index)?;
            let files = self.plan.files.iter().filter(|file| file.root == index);
            let placed: Vec<Location> = files.map(|file| root.join(&file.relative())).collect();
            self.store.delete_all(&placed)?;
            if let Some(path) = root.local_path() {
                let entries: BTreeSet<&str> = self
                    .plan
                    .files
                    .iter()
                    .filter(|file| file.root == index && !file.folder.is_empty())
                    .filter_map(|file| file.folder.split('/').next())
                    .collect();
                for entry in entries {
                    local::remove_empty_dirs(&path.join(entry))?;
                }
            }
        }
        parallel::each_index(self.plan.files.len(), THREADS, |index| {
            match self.plan.upload(&self.plan.files[index])? {
                Some(upload) => self.store.abort_upload(&upload),
                None => Ok(()),
            }
        })?;
        self.clear_temporary()?;
        self.delete_plan()
    }
}

fn remove_dir_if_empty(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(e)
            if !matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(local::at(path, e))
        }
        _ => Ok(()),
    }
}

fn check_size(location: &Location, planned: u64, found: u64) -> Result<()> {
    if planned == found {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("{location}: has {found} bytes, {planned} were written"),
    ))
}

/// An entity tag without its quotes, and without anything that could not stand in a JSON text.
fn bare(etag: Option<&str>) -> String {
    let keep = |c: &char| !c.is_control() && !matches!(c, '"' | '\\');
    etag.unwrap_or_default().chars().filter(keep).collect()
}
