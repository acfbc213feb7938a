//! The journal of a run: JSON lines under the log folder, each on disk before the runner goes on.
//!
//! `<log>/camonica/<run id>/journal.jsonl` tells which steps were begun and done; `resume` finds its point there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::plan::StepName;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The run was begun.
    RunStarted {
        /// Wall-clock time.
        at: String,
        /// The run.
        run_id: String,
        /// Time of the enrich run, milliseconds since the epoch.
        etl_tstamp_ms: i64,
        /// Names of the steps that were planned.
        steps: Vec<String>,
    },
    /// A step was begun.
    StepStarted {
        /// Wall-clock time.
        at: String,
        /// Its name.
        step: String,
    },
    /// A step was done.
    StepDone {
        /// Wall-clock time.
        at: String,
        /// Its name.
        step: String,
        /// Seconds it took.
        seconds: f64,
        /// What it did.
        report: serde_json::Value,
    },
    /// A step failed.
    StepFailed {
        /// Wall-clock time.
        at: String,
        /// Its name.
        step: String,
        /// What happened.
        error: String,
    },
    /// All steps were done.
    RunDone {
        /// Wall-clock time.
        at: String,
    },
}

/// The folder below the log folder in which runs keep what they note.
pub fn camonica_folder(log: &Path) -> PathBuf {
    log.join("camonica")
}

/// The journal of one run, open for writing.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal of `run_id`, new or to go on with.
    ///
    /// # Errors
    /// `Config` when the log folder cannot be written.
    pub fn open(log: &Path, run_id: &str) -> Result<Self> {
        let folder = camonica_folder(log).join(run_id);
        let path = folder.join("journal.jsonl");
        let fail = |error: std::io::Error| Failure::Config(format!("{}: {error}", path.display()));
        fs::create_dir_all(&folder).map_err(fail)?;
        let torn =
            fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(fail)?;
        // A line that was cut by a crash is closed, so that it cannot run into the next one.
        if torn {
            file.write_all(b"\n").map_err(fail)?;
        }
        Ok(Self { path, file })
    }

    /// Appends an entry and waits until it is on disk.
    ///
    /// # Errors
    /// `Config` when it cannot be written.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let fail =
            |error: std::io::Error| Failure::Config(format!("{}: {error}", self.path.display()));
        let mut line = serde_json::to_vec(entry).map_err(|error| fail(error.into()))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .map_err(fail)
    }
}

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// The run.
    pub run_id: String,
    /// Time of the enrich run.
    pub etl_tstamp_ms: i64,
    /// The steps that are not done, in order.
    pub steps: Vec<StepName>,
}

/// The oldest run under `log` that was begun and not brought to its end.
///
/// # Errors
/// `Config` when a journal cannot be read.
pub fn find_unfinished(log: &Path) -> Result<Option<Unfinished>> {
    let folder = camonica_folder(log);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(None);
    };
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("journal.jsonl")))
        .filter(|path| path.is_file())
        .collect();
    runs.sort();
    for path in runs {
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::Config(format!("{}: {error}", path.display())))?;
        if let Some(unfinished) = replay(&text) {
            return Ok(Some(unfinished));
        }
    }
    Ok(None)
}

/// What is left to do of the run that a journal tells of; `None` when it is done or was never begun. A line that a crash
/// cut short is passed over: what it would have said did not happen.
fn replay(text: &str) -> Option<Unfinished> {
    let mut run = None;
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Entry::RunStarted {
                run_id,
                etl_tstamp_ms,
                steps,
                ..
            }) => {
                let steps = steps
                    .iter()
                    .filter_map(|name| StepName::from_name(name))
                    .collect();
                run = Some(Unfinished {
                    run_id,
                    etl_tstamp_ms,
                    steps,
                });
            }
            Ok(Entry::StepDone { step, .. }) => {
                if let Some(run) = &mut run {
                    run.steps.retain(|left| left.name() != step);
                }
            }
            Ok(Entry::RunDone { .. }) => run = None,
            Ok(Entry::StepStarted { .. } | Entry::StepFailed { .. }) | Err(_) => {}
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> String {
        "2018-07-24T10:00:00.000Z".into()
    }

    #[test]
    fn an_unfinished_run_is_found_with_what_is_left() {
        let log = tempfile::tempdir().unwrap();
        assert_eq!(find_unfinished(log.path()).unwrap(), None);
        let mut journal = Journal::open(log.path(), "2018-07-24-10-00-00").unwrap();
        journal
            .append(&Entry::RunStarted {
                at: at(),
                run_id: "2018-07-24-10-00-00".into(),
                etl_tstamp_ms: 5,
                steps: vec!["staging".into(), "enrich".into(), "shred".into()],
            })
            .unwrap();
        journal
            .append(&Entry::StepDone {
                at: at(),
                step: "staging".into(),
                seconds: 0.1,
                report: serde_json::json!({}),
            })
            .unwrap();
        drop(journal);
        let unfinished = find_unfinished(log.path()).unwrap().unwrap();
        assert_eq!(unfinished.steps, [StepName::Enrich, StepName::Shred]);
        assert_eq!(
            (unfinished.run_id.as_str(), unfinished.etl_tstamp_ms),
            ("2018-07-24-10-00-00", 5)
        );

        // a cut line does not hide what follows
        let path = camonica_folder(log.path()).join("2018-07-24-10-00-00/journal.jsonl");
        OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(b"{\"entry\":\"step_do")
            .unwrap();
        let mut journal = Journal::open(log.path(), "2018-07-24-10-00-00").unwrap();
        journal.append(&Entry::RunDone { at: at() }).unwrap();
        assert_eq!(find_unfinished(log.path()).unwrap(), None);
    }
}
