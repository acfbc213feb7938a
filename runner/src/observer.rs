//! What a run tells to those who watch it: the log on standard output, tracking events, metrics.
//!
//! `run` calls every observer in turn, on its own thread, and goes on whatever they do: an observer keeps its own mistakes
//! to itself (it may say them in the log), and its calls must return soon. The words of states are those of EMR, as
//! EmrEtlRunner R108 put them into its tracking events and its failure text.

use std::fmt;

/// State of a run, in the words of an EMR cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Planned and not begun.
    Starting,
    /// A step is at work.
    Running,
    /// All steps are done.
    Terminated,
    /// A step failed, or the run was stopped.
    TerminatedWithErrors,
}

impl RunState {
    /// The word of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Terminated => "TERMINATED",
            Self::TerminatedWithErrors => "TERMINATED_WITH_ERRORS",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// State of a step, in the words of an EMR step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Its turn has not come.
    Pending,
    /// At work.
    Running,
    /// Done.
    Completed,
    /// Its turn did not come: a step before it failed, or the time of the run was over.
    Cancelled,
    /// Failed.
    Failed,
}

impl StepState {
    /// The word of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What went through a step, as far as the step counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records that were read: collector payloads in enrich, enriched events in shred, bad rows in elasticsearch.
    pub records_in: u64,
    /// Good records that were written.
    pub records_out: u64,
    /// Bad rows that were written.
    pub bad: u64,
    /// Duplicates that were left out.
    pub duplicates: u64,
    /// Objects that were moved or read.
    pub objects: u64,
    /// Bytes that were moved or read.
    pub bytes: u64,
}

/// One step as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The step word, the value of `--resume-from` and `--skip`: `staging`, `enrich`, ...
    pub name: &'static str,
    /// How it stands.
    pub state: StepState,
    /// When it was planned, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it was begun, milliseconds since the epoch.
    pub started_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: Option<i64>,
    /// What went through it.
    pub counts: Counts,
    /// What it did, for people; may have several lines.
    pub summary: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The whole record of what it did, as in the journal.
    pub report: serde_json::Value,
}

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// `YYYY-MM-DD-hh-mm-ss`, UTC.
    pub run_id: String,
    /// `aws.emr.jobflow.job_name`.
    pub job_name: String,
    /// Where it runs: `local`, `emr` or `hosts`.
    pub target: &'static str,
    /// How it stands.
    pub state: RunState,
    /// Why it stands so, when it ended with errors: one line.
    pub reason: Option<String>,
    /// When it was planned, milliseconds since the epoch.
    pub created_ms: i64,
    /// When its first step was begun, milliseconds since the epoch.
    pub ready_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: Option<i64>,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
    /// The command that goes on after a failure.
    pub resume_command: String,
    /// `<log>/camonica/<run id>/`: journal, failure summary and other records of the run; ends with a slash.
    pub journal_folder: String,
}

impl RunView {
    /// The step at work, else the one that failed.
    pub fn current(&self) -> Option<&StepView> {
        self.steps
            .iter()
            .find(|step| matches!(step.state, StepState::Running | StepState::Failed))
    }
}

/// Weight of a line in the log, in the words of `monitoring.logging.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details.
    Debug,
    /// What a person wants to know.
    Info,
    /// Something is not as it should be, and the run goes on.
    Warn,
    /// Something failed.
    Error,
    /// The run ends for this.
    Fatal,
}

impl Level {
    /// The level of a name in any case; `UNKNOWN` is `FATAL`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" | "UNKNOWN" => Self::Fatal,
            _ => return None,
        })
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// Somebody who watches a run. All methods do nothing unless they are written.
pub trait Observer {
    /// A line for the log; may have several lines of text.
    fn message(&mut self, _level: Level, _text: &str) {}

    /// The run was begun: its steps are planned and none has begun.
    fn run_started(&mut self, _run: &RunView) {}

    /// A step was begun; it is `run.steps[index]`.
    fn step_started(&mut self, _run: &RunView, _index: usize) {}

    /// A step ended, well or not; it is `run.steps[index]`.
    fn step_finished(&mut self, _run: &RunView, _index: usize) {}

    /// The run ended, well or not, as `run.state` says.
    fn run_finished(&mut self, _run: &RunView) {}
}

/// All observers of a run, as one.
#[derive(Default)]
pub struct Observers {
    observers: Vec<Box<dyn Observer>>,
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.observers.len())
    }
}

impl Observers {
    /// Adds one; it is called after those that were added before.
    pub fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }
}

impl Observer for Observers {
    fn message(&mut self, level: Level, text: &str) {
        for observer in &mut self.observers {
            observer.message(level, text);
        }
    }

    fn run_started(&mut self, run: &RunView) {
        for observer in &mut self.observers {
            observer.run_started(run);
        }
    }

    fn step_started(&mut self, run: &RunView, index: usize) {
        for observer in &mut self.observers {
            observer.step_started(run, index);
        }
    }

    fn step_finished(&mut self, run: &RunView, index: usize) {
        for observer in &mut self.observers {
            observer.step_finished(run, index);
        }
    }

    fn run_finished(&mut self, run: &RunView) {
        for observer in &mut self.observers {
            observer.run_finished(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    struct Recorder(Rc<RefCell<Vec<String>>>, char);

    impl Observer for Recorder {
        fn message(&mut self, level: Level, text: &str) {
            let line = format!("{} {} {text}", self.1, level.name());
            self.0.borrow_mut().push(line);
        }
    }

    #[test]
    fn observers_are_called_in_the_order_in_which_they_came() {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let mut observers = Observers::default();
        observers.add(Recorder(heard.clone(), 'a'));
        observers.add(Recorder(heard.clone(), 'b'));
        observers.message(Level::Warn, "look");
        assert_eq!(*heard.borrow(), ["a WARN look", "b WARN look"]);
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::from_name("info"), Some(Level::Info));
        assert_eq!(Level::from_name("Unknown"), Some(Level::Fatal));
        assert_eq!(Level::from_name("LOUD"), None);
        assert!(Level::Debug < Level::Fatal);
    }
}
