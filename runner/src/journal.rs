//! The journal of a run: JSON lines under the log folder, each written before the runner goes on.
//!
//! `<log>/camonica/<run id>/journal.jsonl` tells which steps were begun and done; `resume` and `status` read it there. On a
//! local disk lines are appended and brought to disk; on S3 the small object is written anew with each line. While a run
//! is not at its end there is also `<log>/camonica/unfinished/<run id>`, so that unfinished runs are found without reading
//! the journals of years: it is written before the journal begins and removed after the journal has ended, so a crash
//! between leaves at most one that names a finished run, which the next reader removes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use engine::store::Location;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::objects::Objects;
use crate::plan::{Mode, Plan, StepName};
use crate::step::staging::Limits;

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
        /// Batch or Stream Enrich mode.
        #[serde(default)]
        mode: Mode,
        /// Most objects that staging takes.
        #[serde(default)]
        max_files: Option<u64>,
        /// Most bytes that staging takes.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// Where the jobs run.
        #[serde(default)]
        target: String,
        /// What the loader is told to leave out.
        #[serde(default)]
        loader_skip: Vec<String>,
        /// What the loader is told to do beside.
        #[serde(default)]
        loader_include: Vec<String>,
        /// Whether EMR's own debugging is on.
        #[serde(default)]
        debug: bool,
    },
    /// The run goes on in another process.
    RunResumed {
        /// Wall-clock time.
        at: String,
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
    /// The operator has let another run take the place of this one (`--resume-from`, `--skip staging`).
    RunSuperseded {
        /// Wall-clock time.
        at: String,
        /// The other run.
        by: String,
    },
}

/// The folder below the log folder in which runs keep what they note; ends with a slash.
pub fn camonica_folder(log: &Location) -> Location {
    log.join("camonica/")
}

/// The records of all runs of one log folder.
#[derive(Debug, Clone)]
pub struct Records {
    objects: Objects,
    root: Location,
}

impl Records {
    /// The records below the log folder `log`.
    pub fn new(objects: Objects, log: &Location) -> Self {
        Self {
            objects,
            root: camonica_folder(log),
        }
    }

    /// The folder of a run's records; ends with a slash.
    pub fn folder(&self, run_id: &str) -> Location {
        self.root.join(&format!("{run_id}/"))
    }

    fn journal(&self, run_id: &str) -> Location {
        self.folder(run_id).join("journal.jsonl")
    }

    fn marker(&self, run_id: &str) -> Location {
        self.root.join(&format!("unfinished/{run_id}"))
    }

    /// Opens the journal of `run_id`, new or to go on with, and marks the run as unfinished.
    ///
    /// # Errors
    /// `Config` when the log folder cannot be written.
    pub fn open(&self, run_id: &str) -> Result<Journal> {
        let place = self.journal(run_id);
        let marker = self.marker(run_id);
        let sink = match (place.local_path(), marker.local_path()) {
            (Some(path), Some(marker)) => {
                let file = open_file(path, marker)
                    .map_err(|error| Failure::Config(format!("{}: {error}", path.display())))?;
                Sink::File(path.to_owned(), file)
            }
            _ => {
                self.objects.put(&marker, b"").map_err(Failure::Config)?;
                let mut text = self
                    .objects
                    .get(&place)
                    .map_err(Failure::Config)?
                    .unwrap_or_default();
                if text.last().is_some_and(|last| *last != b'\n') {
                    text.push(b'\n');
                }
                Sink::Object(text)
            }
        };
        Ok(Journal {
            objects: self.objects.clone(),
            place,
            marker,
            sink,
        })
    }

    /// What the journal of a run tells; `None` when there is none, or nothing in it.
    ///
    /// # Errors
    /// `Config` when it cannot be read.
    pub fn read(&self, run_id: &str) -> Result<Option<RunRecord>> {
        let bytes = self
            .objects
            .get(&self.journal(run_id))
            .map_err(Failure::Config)?;
        Ok(bytes.and_then(|bytes| RunRecord::replay(&String::from_utf8_lossy(&bytes))))
    }

    /// The runs that were begun and not brought to their end, the oldest first.
    ///
    /// # Errors
    /// `Config` when the records cannot be read.
    pub fn unfinished(&self) -> Result<Vec<RunRecord>> {
        let folder = self.root.join("unfinished/");
        let mut found = Vec::new();
        for entry in self.objects.list(&folder).map_err(Failure::Config)? {
            if let Some(record) = self.read(&entry.relative)?
                && record.is_unfinished()
            {
                found.push(record);
            }
        }
        found.sort_by(|a, b| a.run_id.cmp(&b.run_id));
        Ok(found)
    }

    /// Removes the marks of runs that are at their end, or were never begun. To be called by who holds the lock.
    ///
    /// # Errors
    /// `Config` when the records cannot be read or written.
    pub fn tidy(&self) -> Result<()> {
        let folder = self.root.join("unfinished/");
        for entry in self.objects.list(&folder).map_err(Failure::Config)? {
            let record = self.read(&entry.relative)?;
            if record.is_none_or(|record| !record.is_unfinished()) {
                self.objects
                    .delete(&[self.marker(&entry.relative)])
                    .map_err(Failure::Config)?;
            }
        }
        Ok(())
    }

    /// Ids of all runs that have a journal, the oldest first.
    ///
    /// # Errors
    /// `Config` when the folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        self.objects
            .each(&self.root, &mut |entry| {
                if let Some(id) = entry.relative.strip_suffix("/journal.jsonl") {
                    ids.push(id.to_owned());
                }
                true
            })
            .map_err(Failure::Config)?;
        ids.sort();
        Ok(ids)
    }
}

/// Makes the mark of a run, then opens its journal; a line that was cut by a crash is closed, so that it cannot run into the
/// next one.
fn open_file(path: &Path, marker: &Path) -> std::io::Result<File> {
    for file in [path, marker] {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
    }
    File::create(marker)?.sync_all()?;
    let torn = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if torn {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// The journal of one run, open for writing.
#[derive(Debug)]
pub struct Journal {
    objects: Objects,
    place: Location,
    marker: Location,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// A local file, to which lines are appended.
    File(PathBuf, File),
    /// The whole text of an object so far.
    Object(Vec<u8>),
}

impl Journal {
    /// Appends an entry and waits until it is kept.
    ///
    /// # Errors
    /// `Config` when it cannot be written.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let fail = |error: &dyn std::fmt::Display| {
            Failure::Config(format!(
                "{}: the journal cannot be written: {error}",
                self.place
            ))
        };
        let mut line = serde_json::to_vec(entry).map_err(|error| fail(&error))?;
        line.push(b'\n');
        match &mut self.sink {
            Sink::File(path, file) => file
                .write_all(&line)
                .and_then(|()| file.sync_data())
                .map_err(|error| Failure::Config(format!("{}: {error}", path.display())))?,
            Sink::Object(text) => {
                text.extend_from_slice(&line);
                self.objects
                    .put(&self.place, text)
                    .map_err(|error| fail(&error))?;
            }
        }
        if matches!(entry, Entry::RunDone { .. } | Entry::RunSuperseded { .. }) {
            self.objects
                .delete(std::slice::from_ref(&self.marker))
                .map_err(Failure::Config)?;
        }
        Ok(())
    }
}

/// How a step stands, by the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Not begun.
    Pending,
    /// Begun, and nothing more is known.
    Begun,
    /// Failed, for this reason.
    Failed(String),
    /// Done, in so many seconds.
    Done(f64),
}

/// A step as a journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The step.
    pub step: StepName,
    /// How it stands.
    pub standing: Standing,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was begun last.
    pub started_at: Option<String>,
    /// When it was done or failed.
    pub ended_at: Option<String>,
    /// What it did.
    pub report: serde_json::Value,
}

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run.
    pub run_id: String,
    /// When it was begun.
    pub started_at: String,
    /// Time of the enrich run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Batch or Stream Enrich mode.
    pub mode: Mode,
    /// How much staging takes.
    pub limits: Limits,
    /// Where the jobs ran; empty when it is not known.
    pub target: String,
    /// What the loader is told to leave out.
    pub loader_skip: Vec<String>,
    /// What the loader is told to do beside.
    pub loader_include: Vec<String>,
    /// Whether EMR's own debugging is on.
    pub debug: bool,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
    /// How often it went on in another process.
    pub resumed: u32,
    /// When it came to its end.
    pub done_at: Option<String>,
    /// The run that took its place.
    pub superseded_by: Option<String>,
}

impl RunRecord {
    /// Reads a journal; `None` when no run was begun. A line that a crash cut short is passed over: what it would have said
    /// did not happen.
    pub fn replay(text: &str) -> Option<Self> {
        let mut run: Option<Self> = None;
        for line in text.lines() {
            let Ok(entry) = serde_json::from_str(line) else {
                continue;
            };
            match (entry, &mut run) {
                (
                    Entry::RunStarted {
                        at,
                        run_id,
                        etl_tstamp_ms,
                        steps,
                        mode,
                        max_files,
                        max_bytes,
                        target,
                        loader_skip,
                        loader_include,
                        debug,
                    },
                    _,
                ) => {
                    let steps = steps.iter().filter_map(|name| StepName::from_name(name));
                    run = Some(Self {
                        run_id,
                        started_at: at,
                        etl_tstamp_ms,
                        mode,
                        limits: Limits {
                            max_files,
                            max_bytes,
                        },
                        target,
                        loader_skip,
                        loader_include,
                        debug,
                        steps: steps.map(StepRecord::pending).collect(),
                        resumed: 0,
                        done_at: None,
                        superseded_by: None,
                    });
                }
                (Entry::RunResumed { .. }, Some(run)) => run.resumed += 1,
                (Entry::RunDone { at }, Some(run)) => run.done_at = Some(at),
                (Entry::RunSuperseded { by, .. }, Some(run)) => run.superseded_by = Some(by),
                (Entry::StepStarted { at, step }, Some(run)) => {
                    if let Some(record) = run.step(&step) {
                        record.standing = Standing::Begun;
                        record.attempts += 1;
                        record.started_at = Some(at);
                        record.ended_at = None;
                    }
                }
                (
                    Entry::StepDone {
                        at,
                        step,
                        seconds,
                        report,
                    },
                    Some(run),
                ) => {
                    if let Some(record) = run.step(&step) {
                        record.standing = Standing::Done(seconds);
                        record.ended_at = Some(at);
                        record.report = report;
                    }
                }
                (Entry::StepFailed { at, step, error }, Some(run)) => {
                    if let Some(record) = run.step(&step) {
                        record.standing = Standing::Failed(error);
                        record.ended_at = Some(at);
                    }
                }
                (_, None) => {}
            }
        }
        run
    }

    fn step(&mut self, name: &str) -> Option<&mut StepRecord> {
        self.steps
            .iter_mut()
            .find(|record| record.step.name() == name)
    }

    /// Whether it was begun and not brought to its end.
    pub fn is_unfinished(&self) -> bool {
        self.done_at.is_none() && self.superseded_by.is_none()
    }

    /// The plan that it was begun with.
    pub fn plan(&self) -> Plan {
        Plan::of(self.mode, self.planned()).with_loader(&self.loader_skip, &self.loader_include)
    }

    /// All steps that were planned.
    pub fn planned(&self) -> Vec<StepName> {
        self.steps.iter().map(|record| record.step).collect()
    }

    /// The steps that are not done, in order.
    pub fn left(&self) -> Vec<StepName> {
        self.steps
            .iter()
            .filter(|record| !matches!(record.standing, Standing::Done(_)))
            .map(|record| record.step)
            .collect()
    }

    /// The last failure of a step that is not done.
    pub fn last_error(&self) -> Option<(StepName, &str)> {
        self.steps
            .iter()
            .rev()
            .find_map(|record| match &record.standing {
                Standing::Failed(error) => Some((record.step, error.as_str())),
                _ => None,
            })
    }
}

impl StepRecord {
    fn pending(step: StepName) -> Self {
        Self {
            step,
            standing: Standing::Pending,
            attempts: 0,
            started_at: None,
            ended_at: None,
            report: serde_json::Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> String {
        "2018-07-24T10:00:00.000Z".into()
    }

    fn started(run_id: &str) -> Entry {
        Entry::RunStarted {
            at: at(),
            run_id: run_id.into(),
            etl_tstamp_ms: 5,
            steps: vec!["staging".into(), "enrich".into()],
            mode: Mode::Stream,
            max_files: Some(3),
            max_bytes: None,
            target: "local".into(),
            loader_skip: vec!["analyze".into()],
            loader_include: Vec::new(),
            debug: false,
        }
    }

    fn records(folder: &Path) -> Records {
        Records::new(Objects::new(None), &Location::from_path(folder).unwrap())
    }

    #[test]
    fn an_unfinished_run_is_found_with_what_is_left() {
        let log = tempfile::tempdir().unwrap();
        let records = records(log.path());
        assert!(records.unfinished().unwrap().is_empty());
        let mut journal = records.open("2018-07-24-10-00-00").unwrap();
        // marked, and not begun
        assert!(records.unfinished().unwrap().is_empty());
        journal.append(&started("2018-07-24-10-00-00")).unwrap();
        let step = Entry::StepStarted {
            at: at(),
            step: "staging".into(),
        };
        journal.append(&step).unwrap();
        let found = records.unfinished().unwrap();
        assert_eq!(found[0].left(), [StepName::Staging, StepName::Enrich]);
        assert_eq!(
            (found[0].mode, found[0].limits.max_files),
            (Mode::Stream, Some(3))
        );
        assert_eq!(found[0].steps[0].standing, Standing::Begun);
        let done = Entry::StepDone {
            at: at(),
            step: "staging".into(),
            seconds: 1.5,
            report: serde_json::json!({"files": 1}),
        };
        journal.append(&done).unwrap();
        // a crash in the middle of a line
        fs::OpenOptions::new()
            .append(true)
            .open(
                log.path()
                    .join("camonica/2018-07-24-10-00-00/journal.jsonl"),
            )
            .unwrap()
            .write_all(b"{\"entry\":\"run_do")
            .unwrap();
        let mut journal = records.open("2018-07-24-10-00-00").unwrap();
        journal.append(&Entry::RunResumed { at: at() }).unwrap();
        let failed = Entry::StepFailed {
            at: at(),
            step: "enrich".into(),
            error: "no disk".into(),
        };
        journal.append(&failed).unwrap();
        let found = records.unfinished().unwrap();
        assert_eq!(found[0].left(), [StepName::Enrich]);
        assert_eq!(found[0].steps[0].standing, Standing::Done(1.5));
        assert_eq!(found[0].last_error(), Some((StepName::Enrich, "no disk")));
        assert_eq!(found[0].resumed, 1);
        journal.append(&Entry::RunDone { at: at() }).unwrap();
        assert!(records.unfinished().unwrap().is_empty());
        assert_eq!(records.runs().unwrap(), ["2018-07-24-10-00-00"]);
        assert!(
            !log.path()
                .join("camonica/unfinished/2018-07-24-10-00-00")
                .exists()
        );
    }

    #[test]
    fn unfinished_runs_come_in_order_and_can_be_superseded() {
        let log = tempfile::tempdir().unwrap();
        let records = records(log.path());
        for id in ["2018-07-25-00-00-00", "2018-07-24-00-00-00"] {
            records.open(id).unwrap().append(&started(id)).unwrap();
        }
        let ids = |records: &Records| -> Vec<String> {
            let found = records.unfinished().unwrap();
            found.into_iter().map(|record| record.run_id).collect()
        };
        assert_eq!(
            ids(&records),
            ["2018-07-24-00-00-00", "2018-07-25-00-00-00"]
        );
        let superseded = Entry::RunSuperseded {
            at: at(),
            by: "2018-07-26-00-00-00".into(),
        };
        let mut journal = records.open("2018-07-24-00-00-00").unwrap();
        journal.append(&superseded).unwrap();
        assert_eq!(ids(&records), ["2018-07-25-00-00-00"]);
        let record = records.read("2018-07-24-00-00-00").unwrap().unwrap();
        assert_eq!(record.superseded_by.as_deref(), Some("2018-07-26-00-00-00"));
    }

    #[test]
    fn marks_without_a_run_are_tidied() {
        let log = tempfile::tempdir().unwrap();
        let records = records(log.path());
        drop(records.open("2018-07-24-00-00-00").unwrap());
        records
            .open("2018-07-25-00-00-00")
            .unwrap()
            .append(&started("2018-07-25-00-00-00"))
            .unwrap();
        records.tidy().unwrap();
        let marks = fs::read_dir(log.path().join("camonica/unfinished")).unwrap();
        assert_eq!(marks.count(), 1);
    }

    #[test]
    fn journals_of_earlier_versions_are_read() {
        let text = "{\"entry\":\"run_started\",\"at\":\"\",\"run_id\":\"r\",\"etl_tstamp_ms\":1,\"steps\":[\"staging\",\"rdb_load\"]}\n";
        let record = RunRecord::replay(text).unwrap();
        assert_eq!(record.mode, Mode::Batch);
        assert_eq!(record.left(), [StepName::Staging, StepName::RdbLoad]);
        assert_eq!(RunRecord::replay("\n{}\nnonsense"), None);
    }
}
