//! Output of a job that has no driver while it runs: processes that know nothing but the name of the attempt write to it, and
//! another one commits it when all are done.
//!
//! ```text
//! processes:  check_free ─ join(attempt) ─ begin_task ─ writer.append* ─ finish_task ─► TaskFile, ...
//! the last:   finish_cut ─ take_over(attempt) ─ adopt(winners) ─ commit
//! ```
//!
//! Nobody holds the lock of the attempt before it is taken over. A job of another kind that is started with the same
//! folders in between clears it, as it clears what dead processes left: then what was written is gone, and whoever wanted
//! to commit it is told. A commit that fails or is killed before its plan is written leaves all as it was: it can be
//! tried again.

use super::attempt::{self, LocalAttempt, TASKS};
use super::check::{attempt_name, check_empty, check_settings};
use super::plan::plan_location;
use super::settings::OutputSettings;
use super::{JobOutput, TaskFile};
use crate::error::Result;
use crate::store::{Store, local, random_name};

impl JobOutput {
    /// Whether the folders are free: empty, but for what is not committed.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn check_free(store: &Store, settings: &OutputSettings) -> Result<()> {
        check_settings(settings)?;
        for root in &settings.roots {
            check_empty(store, &root.location, root, &settings.run_id)?;
        }
        Ok(())
    }

    /// A name for an attempt that no other has.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new_attempt(settings: &OutputSettings) -> Result<String> {
        Ok(attempt_name(settings, &random_name()?))
    }

    /// Makes the folders of an attempt, if they are not there yet.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn join(settings: &OutputSettings, attempt: &str) -> Result<()> {
        settings
            .roots
            .iter()
            .filter_map(|root| root.location.local_path())
            .try_for_each(|path| local::create_dir(&attempt::folder(path, attempt)))
    }

    /// Whether files that tasks have finished are where they left them, or where [`adopt`](Self::adopt) puts them. Nothing is
    /// asked about uploads: that one has ended is told when it is completed.
    pub fn holds(settings: &OutputSettings, attempt: &str, files: &[TaskFile]) -> bool {
        files.iter().all(|TaskFile { task, file }| {
            let Some(root) = settings.roots.get(file.root) else {
                return false;
            };
            let Some(path) = root.location.local_path() else {
                return true;
            };
            let folder = attempt::folder(path, attempt);
            [folder.join(TASKS).join(task), folder.clone()]
                .iter()
                .map(|folder| folder.join(&file.folder).join(&file.name))
                .any(|path| path.metadata().is_ok_and(|now| now.len() == file.bytes))
        })
    }

    /// Takes over an attempt that other processes have joined, in order to commit it. Dropping it leaves all as it was.
    ///
    /// # Errors
    /// `NotEmpty` if the folders hold something else, or another process commits this attempt; `NotFound` if the attempt
    /// is gone.
    pub fn take_over(store: Store, settings: OutputSettings, attempt: &str) -> Result<Self> {
        Self::check_free(&store, &settings)?;
        let plan_location = plan_location(&settings)?;
        for root in &settings.roots {
            attempt::sweep(&store, &root.location, &plan_location, Some(attempt))?;
        }
        let mut output = Self::without_folders(store, settings, plan_location)?;
        output.keeps = true;
        attempt.clone_into(&mut output.attempt);
        let note = output.note()?;
        for index in 0..output.settings.roots.len() {
            let taken = match output.settings.roots[index].location.local_path() {
                Some(path) => Some(LocalAttempt::take_over(path, attempt, &note)?),
                None => None,
            };
            output.attempts.push(taken);
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Ending, OutputRoot};
    use super::super::{Begun, TaskPlace};
    use super::*;
    use crate::error::ErrorKind;
    use crate::store::Location;
    use std::fs;
    use std::path::Path;

    fn settings(root: &Path) -> OutputSettings {
        let root = OutputRoot::new(Location::from_path(root).unwrap());
        OutputSettings::new("shred", "run", vec![root])
    }

    fn write(root: &Path, attempt: &str, task: &str) -> Result<Vec<TaskFile>> {
        let place = TaskPlace { attempt, task };
        let output = JobOutput::begin_task(Store::default(), settings(root), place)?;
        let writer = output.writer(0, "x", Ending::Text)?;
        writer.append(format!("{task}\n").as_bytes(), 1)?;
        drop(writer);
        output.finish_task()
    }

    #[test]
    fn what_processes_left_is_committed_by_another_one_also_at_the_second_try() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        let (store, settings) = (Store::default(), settings(&root));
        let attempt = JobOutput::new_attempt(&settings).unwrap();
        let gone = JobOutput::take_over(store.clone(), settings.clone(), &attempt).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        JobOutput::check_free(&store, &settings).unwrap();
        JobOutput::join(&settings, &attempt).unwrap();
        JobOutput::join(&settings, &attempt).unwrap();
        let (one, two) = (write(&root, &attempt, "t1"), write(&root, &attempt, "t2"));
        let files = [one.unwrap(), two.unwrap()].concat();
        assert!(JobOutput::holds(&settings, &attempt, &files));

        // the leftover of a job that was killed goes, what the processes left stays
        let dead = JobOutput::begin(store.clone(), self::settings(&dir.path().join("dead")));
        let Begun::Ready(dead) = dead.unwrap() else {
            panic!("ready");
        };
        drop(dead);
        fs::create_dir(root.join("_temporary/camonica-dead")).unwrap();
        let mut output = JobOutput::take_over(store.clone(), settings.clone(), &attempt).unwrap();
        assert!(!root.join("_temporary/camonica-dead").exists());
        // nobody else can have it now
        let busy = JobOutput::take_over(store.clone(), settings.clone(), &attempt).unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::NotEmpty);
        // given up after it has moved a file
        output.adopt(files[..1].to_vec()).unwrap();
        drop(output);
        assert!(JobOutput::holds(&settings, &attempt, &files));
        let mut output = JobOutput::take_over(store.clone(), settings.clone(), &attempt).unwrap();
        output.adopt(files.clone()).unwrap();
        let finished = output.commit(|_| Ok(b"{}".to_vec())).unwrap();
        assert_eq!(finished.files.len(), 2);
        let mut lines: Vec<String> = finished
            .files
            .iter()
            .map(|file| fs::read_to_string(root.join(file.relative())).unwrap())
            .collect();
        lines.sort();
        assert_eq!(lines, ["t1\n", "t2\n"]);
        assert!(!root.join("_temporary").exists());
        // too late
        assert!(JobOutput::check_free(&store, &settings).is_err());
        assert!(JobOutput::take_over(store, settings.clone(), &attempt).is_err());
        assert!(write(&root, &attempt, "t3").is_err());
    }

    #[test]
    fn a_commit_that_is_killed_after_any_step_is_finished_by_the_next() {
        let steps = [
            "sealed",
            "plan",
            "checked",
            "renamed",
            "manifest",
            "marker",
            "cleared",
            "plan deleted",
        ];
        for step in steps {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("out");
            let (store, settings) = (Store::default(), settings(&root));
            let attempt = JobOutput::new_attempt(&settings).unwrap();
            JobOutput::join(&settings, &attempt).unwrap();
            let files = write(&root, &attempt, "t1").unwrap();
            write(&root, &attempt, "loser").unwrap();
            let mut faulty = settings.clone();
            faulty.faults = Some(std::sync::Arc::new(move |name: &str| name == step));
            let mut output = JobOutput::take_over(store.clone(), faulty, &attempt).unwrap();
            output.adopt(files.clone()).unwrap();
            let killed = output.commit(|_| Ok(b"{}".to_vec())).unwrap_err();
            assert!(killed.to_string().contains(step), "{killed}");
            // what the command does: finish a commit, or begin it again; else it is done
            let finished = JobOutput::finish_cut(&store, &settings).unwrap();
            assert_eq!(
                finished.is_some(),
                !["sealed", "plan deleted"].contains(&step),
                "{step}"
            );
            if step == "sealed" {
                let mut output =
                    JobOutput::take_over(store.clone(), settings.clone(), &attempt).unwrap();
                output.adopt(files).unwrap();
                output.commit(|_| Ok(b"{}".to_vec())).unwrap();
            }
            let names = |folder: &Path| {
                let entries = fs::read_dir(folder).unwrap();
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                names.sort();
                names
            };
            let expected = ["_SUCCESS", "_SUCCESS.manifest.json", "x"];
            assert_eq!(names(&root), expected, "{step}");
            let part = names(&root.join("x"));
            assert_eq!(part.len(), 1, "{step}");
            let text = fs::read_to_string(root.join("x").join(&part[0])).unwrap();
            assert_eq!(text, "t1\n");
        }
    }

    #[test]
    fn files_that_are_gone_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        let settings = settings(&root);
        let attempt = JobOutput::new_attempt(&settings).unwrap();
        JobOutput::join(&settings, &attempt).unwrap();
        let files = write(&root, &attempt, "t1").unwrap();
        // any other job clears what has no lock
        drop(JobOutput::begin(Store::default(), settings.clone()).unwrap());
        assert!(!JobOutput::holds(&settings, &attempt, &files));
    }
}
