//! Output of a job that many processes write: tasks leave part files that only the job's driver can make visible.
//!
//! ```text
//! driver:  begin ─ attempt ──────────────────────────── adopt(winners) ─ commit
//! task:              └ begin_task ─ writer.append* ─ finish_task ─► TaskFile, ... ─┘
//! ```
//!
//! On local disks (all processes see the same folders) a task writes below `_temporary/<attempt>/_tasks/<task>/` of the driver's
//! attempt, and the driver moves the files of the tasks that count before it commits; the rest goes with the attempt. In
//! S3 a task leaves multipart uploads open; the driver completes those that count and aborts the others. A task that
//! outlives its job finds no folder to write to, and its uploads are never completed.

use super::attempt::{self, LocalAttempt, TASKS};
use super::check::check_settings;
use super::parallel;
use super::plan::{PlannedFile, plan_location};
use super::pressure::{Gate, Limits, Pressure};
use super::settings::OutputSettings;
use super::sink::UploadSettings;
use super::{JobOutput, THREADS};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, Upload, local, random_name};
use crate::text::ids::RunKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::sync::{Arc, Mutex};

/// Where the output of a task belongs.
#[derive(Debug, Clone, Copy)]
pub struct TaskPlace<'p> {
    /// [`JobOutput::attempt`] of the driver's output.
    pub attempt: &'p str,
    /// A name that no other attempt of any task has: letters, digits and hyphens.
    pub task: &'p str,
}

/// A part file that a task has finished and that is not visible yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskFile {
    pub(super) task: String,
    #[serde(flatten)]
    pub(super) file: PlannedFile,
}

impl TaskFile {
    /// Lines.
    pub fn rows(&self) -> u64 {
        self.file.rows
    }

    /// Its place below a root, if it is of that root.
    pub(crate) fn relative_in(&self, root: usize) -> Option<String> {
        (self.file.root == root).then(|| self.file.relative())
    }

    /// Stored bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes
    }
}

impl JobOutput {
    /// The name of this attempt, which its tasks need.
    pub fn attempt(&self) -> &str {
        &self.attempt
    }

    /// Opens the output of one task of a job whose driver has begun it. Dropping it removes what the task wrote.
    ///
    /// # Errors
    /// `Config` for settings or a name that cannot be used.
    pub fn begin_task(
        store: Store,
        settings: OutputSettings,
        place: TaskPlace<'_>,
    ) -> Result<Self> {
        check_settings(&settings)?;
        for name in [place.attempt, place.task] {
            if name.is_empty() || name.starts_with('.') || name.contains('/') {
                return Err(Error::internal(format!(
                    "`{name}` cannot be the name of an attempt"
                )));
            }
        }
        let random = random_name()?;
        let remote = settings.roots.iter().any(|root| !root.location.is_local());
        let limits = Limits::new(settings.memory_limit, remote);
        let attempts = settings
            .roots
            .iter()
            .map(|root| {
                let path = root.location.local_path()?;
                Some(LocalAttempt::of_task(path, place.attempt, place.task))
            })
            .collect();
        Ok(Self {
            attempt: place.task.to_owned(),
            uuid: RunKey::new(&random).uuid(&[b"output"]),
            pressure: Arc::new(Pressure::new(limits)),
            uploads: UploadSettings {
                store: store.clone(),
                gate: Gate::new(limits.sending),
                spill: settings.spill.clone(),
                begun: Arc::new(Mutex::default()),
                part_size: limits.part_size,
            },
            attempts,
            adopted: Vec::new(),
            keeps: false,
            over: false,
            plan_location: plan_location(&settings)?,
            settings,
            store,
        })
    }

    /// Ends the task's files and makes them durable; they stay invisible. All appends must have returned before.
    ///
    /// # Errors
    /// When they cannot be written; nothing is left then.
    pub fn finish_task(mut self) -> Result<Vec<TaskFile>> {
        let files = self.seal()?;
        self.walk_away();
        let task = &self.attempt;
        let named = |file| TaskFile {
            task: task.clone(),
            file,
        };
        Ok(files.into_iter().map(named).collect())
    }

    /// Takes finished files of tasks into this output: they are committed with it. A file that an attempt at this has taken
    /// already stays where it is.
    ///
    /// # Errors
    /// `Internal` for a file of a root that there is not; `NotFound` if a file is gone.
    pub fn adopt(&mut self, files: Vec<TaskFile>) -> Result<()> {
        for TaskFile { task, file } in files {
            let attempt = self
                .attempts
                .get(file.root)
                .ok_or_else(|| Error::internal(format!("a task wrote to output {}", file.root)))?;
            match (attempt, &file.upload) {
                (Some(attempt), None) => {
                    let from = attempt.folder().join(TASKS).join(&task);
                    let from = from.join(&file.folder).join(&file.name);
                    let folder = attempt.folder().join(&file.folder);
                    fs::create_dir_all(&folder).map_err(|e| local::at(&folder, e))?;
                    let to = folder.join(&file.name);
                    match fs::rename(&from, &to) {
                        Err(e)
                            if e.kind() == std::io::ErrorKind::NotFound
                                && to.metadata().is_ok_and(|now| now.len() == file.bytes) => {}
                        other => other.map_err(|e| local::at(&from, e))?,
                    }
                }
                (None, Some(_)) => {}
                _ => {
                    return Err(Error::internal(format!(
                        "a task left `{}` in a place of another kind",
                        file.relative()
                    )));
                }
            }
            self.adopted.push(file);
        }
        Ok(())
    }

    /// Ends the uploads of files that do not count. What cannot be ended is left to the bucket's lifecycle rule.
    pub fn give_up_files(&self, files: &[TaskFile]) {
        let aborted = parallel::each_index(files.len(), THREADS, |index| {
            let file = &files[index].file;
            let (Some(root), Some(upload)) = (self.settings.roots.get(file.root), &file.upload)
            else {
                return Ok(());
            };
            self.store.abort_upload(&Upload {
                location: root.location.join(&file.relative()),
                id: upload.id.clone(),
            })
        });
        if let Err(error) = aborted {
            tracing::warn!("an upload of a task that does not count was not aborted: {error}");
        }
    }

    /// Ends the uploads that are still open below the roots of a committed output: those of tasks that were killed before they
    /// could tell of them. Nobody may write there any more; a late attempt's upload would never be completed. What cannot
    /// be listed or ended is left to the bucket's lifecycle rule.
    pub fn end_lost_uploads(store: &Store, settings: &OutputSettings) {
        for root in &settings.roots {
            let ended = store.open_uploads(&root.location).and_then(|lost| {
                if !lost.is_empty() {
                    tracing::info!("{}: ending {} lost uploads", root.location, lost.len());
                }
                parallel::each_index(lost.len(), THREADS, |index| {
                    store.abort_upload(&lost[index])
                })
            });
            match ended {
                // who may not look has said so in the policy
                Err(error) if error.kind() == ErrorKind::Denied => tracing::info!("{error}"),
                Err(error) => {
                    tracing::warn!("uploads of killed tasks may be left in the bucket: {error}");
                }
                Ok(()) => {}
            }
        }
    }

    /// Folders of tasks in a local root, for those who look whether something is left.
    #[doc(hidden)]
    pub fn task_folder(root: &Location, place: TaskPlace<'_>) -> Option<std::path::PathBuf> {
        let path = root.local_path()?;
        Some(
            attempt::folder(path, place.attempt)
                .join(TASKS)
                .join(place.task),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Begun;
    use super::super::commit::SUCCESS;
    use super::super::settings::{Ending, OutputRoot};
    use super::*;
    use crate::error::ErrorKind;
    use std::path::Path;

    fn settings(root: &Path) -> OutputSettings {
        let root = OutputRoot::new(Location::from_path(root).unwrap());
        OutputSettings::new("enrich", "run", vec![root])
    }

    fn write(root: &Path, attempt: &str, task: &str, line: &str) -> Result<Vec<TaskFile>> {
        let place = TaskPlace { attempt, task };
        let output = JobOutput::begin_task(Store::default(), settings(root), place).unwrap();
        let writer = output.writer(0, "", Ending::Text)?;
        writer.append(line.as_bytes(), 1)?;
        drop(writer);
        output.finish_task()
    }

    #[test]
    fn only_adopted_files_are_committed_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        let begun = JobOutput::begin(Store::default(), settings(&root)).unwrap();
        let Begun::Ready(mut output) = begun else {
            panic!("ready");
        };
        let attempt = output.attempt().to_owned();
        let winner = write(&root, &attempt, "t1", "one\n").unwrap();
        let loser = write(&root, &attempt, "t2", "two\n").unwrap();
        assert_eq!((winner[0].rows(), winner[0].bytes()), (1, 4));
        // rows travel as JSON
        let json = serde_json::to_string(&winner).unwrap();
        output.adopt(serde_json::from_str(&json).unwrap()).unwrap();
        output.give_up_files(&loser);
        let finished = output.commit(|_| Ok(b"{}".to_vec())).unwrap();
        assert_eq!(finished.files.len(), 1);
        let names: Vec<String> = fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), 3, "part, marker and manifest: {names:?}");
        assert!(root.join(SUCCESS).exists());
        // late: the folder of the attempt is gone
        let late = write(&root, &attempt, "t3", "three\n").unwrap_err();
        assert_eq!(late.kind(), ErrorKind::NotFound);
        assert!(late.to_string().contains("has ended"), "{late}");
        assert!(!root.join("_temporary").exists());
    }

    #[test]
    fn a_dropped_task_leaves_nothing_and_a_lost_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        let begun = JobOutput::begin(Store::default(), settings(&root)).unwrap();
        let Begun::Ready(mut output) = begun else {
            panic!("ready");
        };
        let attempt = output.attempt().to_owned();
        let place = TaskPlace {
            attempt: &attempt,
            task: "t1",
        };
        let task = JobOutput::begin_task(Store::default(), settings(&root), place).unwrap();
        let writer = task.writer(0, "x", Ending::Text).unwrap();
        writer.append(b"line\n", 1).unwrap();
        writer.write_pending().unwrap();
        let location = Location::from_path(&root).unwrap();
        let folder = JobOutput::task_folder(&location, place).unwrap();
        assert!(folder.join("x").is_dir());
        drop(writer);
        drop(task);
        assert!(!folder.exists());
        let files = write(&root, &attempt, "t2", "two\n").unwrap();
        fs::remove_dir_all(folder.parent().unwrap()).unwrap();
        assert_eq!(output.adopt(files).unwrap_err().kind(), ErrorKind::NotFound);
        for task in ["", "../x", ".x"] {
            let place = TaskPlace {
                attempt: &attempt,
                task,
            };
            assert!(JobOutput::begin_task(Store::default(), settings(&root), place).is_err());
        }
    }
}
