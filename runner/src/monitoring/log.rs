//! The log on standard output, in the form of the Ruby logger that EmrEtlRunner R108 used.
//!
//! `<first letter of the level>, [<local date>T<local time, 6 decimals> #<process id>] <level, right-aligned to 5> -- :
//! <message>`. Each line is written at once; lines below `monitoring.logging.level` are left out. A fatal error has empty
//! lines around it and begins with the name of the reference's class, which alerts look for.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Local;

use super::times::{elapsed, local_micros};
use crate::failure_summary;
use crate::observer::{Level, Observer, RunState, RunView, StepState};

/// What the error of a step says when its cluster failed to bootstrap as often as it was tried.
pub const NOT_STARTED: &str = "The cluster could not be started: ";

/// Errors that end a run, by the name that EmrEtlRunner gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatalKind {
    /// A step failed.
    Execution,
    /// The cluster did not start.
    BootstrapFailure,
    /// Something that should not happen.
    UnexpectedState,
}

impl FatalKind {
    /// The reference's class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Execution => "Snowplow::EmrEtlRunner::EmrExecutionError",
            Self::BootstrapFailure => "Snowplow::EmrEtlRunner::BootstrapFailureError",
            Self::UnexpectedState => "Snowplow::EmrEtlRunner::UnexpectedStateError",
        }
    }
}

/// The log. Clones write to the same place.
#[derive(Clone)]
pub struct LogLines {
    least: Level,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl fmt::Debug for LogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLines({})", self.least.name())
    }
}

impl LogLines {
    /// A log on standard output of lines from `least` on.
    pub fn stdout(least: Level) -> Self {
        Self::new(least, std::io::stdout())
    }

    /// A log on `out`.
    pub fn new(least: Level, out: impl Write + Send + 'static) -> Self {
        Self {
            least,
            out: Arc::new(Mutex::new(out)),
        }
    }

    /// Writes a line, or several if the text has them: the form stands only before the first.
    pub fn write(&self, level: Level, text: &str) {
        if level < self.least {
            return;
        }
        let line = line(level, text);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to be told that the log cannot be written; the run goes on.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// Writes the error that ends a run; `causes` are further lines, indented, where the reference has its stack trace.
    pub fn fatal(&self, kind: FatalKind, message: &str, causes: &[impl AsRef<str>]) {
        let indented: Vec<String> = causes
            .iter()
            .flat_map(|cause| cause.as_ref().lines())
            .map(|line| format!("\n    {line}"))
            .collect();
        self.write(
            Level::Fatal,
            &format!("\n\n{} ({message}):{}\n\n", kind.class(), indented.concat()),
        );
    }
}

fn line(level: Level, text: &str) -> String {
    let name = level.name();
    format!(
        "{}, [{} #{}] {name:>5} -- : {text}\n",
        &name[..1],
        local_micros(Local::now()),
        std::process::id()
    )
}

impl Observer for LogLines {
    fn message(&mut self, level: Level, text: &str) {
        self.write(level, text);
    }

    fn run_started(&mut self, run: &RunView) {
        let steps: Vec<&str> = run.steps.iter().map(|step| step.name).collect();
        self.write(
            Level::Debug,
            &format!(
                "Run {} of {} started on {}: {}",
                run.run_id,
                run.job_name,
                run.target,
                steps.join(", ")
            ),
        );
    }

    fn step_started(&mut self, run: &RunView, index: usize) {
        if let Some(step) = run.steps.get(index) {
            self.write(
                Level::Info,
                &format!("{} ({} of {}) ...", step.name, index + 1, run.steps.len()),
            );
        }
    }

    fn step_finished(&mut self, run: &RunView, index: usize) {
        let Some(step) = run.steps.get(index) else {
            return;
        };
        let level = match step.state {
            StepState::Failed => Level::Error,
            _ => Level::Info,
        };
        let mut text = format!(
            "{}: {} ~ {}",
            step.name,
            step.state,
            elapsed(step.started_ms, step.ended_ms)
        );
        let more = step.error.as_ref().or(step.summary.as_ref());
        for line in more.into_iter().flat_map(|text| text.lines()) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        self.write(level, &text);
    }

    fn run_finished(&mut self, run: &RunView) {
        match run.state {
            RunState::TerminatedWithErrors => {
                let errors = run.steps.iter().filter_map(|step| step.error.as_deref());
                let kind = if errors.clone().any(|error| error.contains(NOT_STARTED)) {
                    FatalKind::BootstrapFailure
                } else {
                    FatalKind::Execution
                };
                // the command stands alone on the last line, so that it can be copied
                let way_on = failure_summary::way_on(run);
                self.fatal(kind, &failure_summary::states(run), &way_on);
            }
            _ => self.write(Level::Info, "Completed successfully"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure_summary::tests::{failed_run, view};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn lines_have_the_form_of_the_ruby_logger() {
        let paper = Paper::default();
        let log = LogLines::new(Level::Debug, paper.clone());
        log.write(Level::Debug, "Initializing EMR jobflow");
        log.write(Level::Warn, "two\nlines");
        let text = paper.text();
        let mut lines = text.lines();
        let form = format!(
            r"^D, \[\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}} #{}\] DEBUG -- : Initializing EMR jobflow$",
            std::process::id()
        );
        assert!(
            regex::Regex::new(&form)
                .unwrap()
                .is_match(lines.next().unwrap()),
            "{text}"
        );
        let warning = lines.next().unwrap();
        assert!(
            warning.starts_with("W, [") && warning.ends_with("]  WARN -- : two"),
            "{text}"
        );
        assert_eq!(lines.next(), Some("lines"));
    }

    #[test]
    fn lines_below_the_level_are_left_out() {
        let levels = [
            Level::Debug,
            Level::Info,
            Level::Warn,
            Level::Error,
            Level::Fatal,
        ];
        for (index, least) in levels.into_iter().enumerate() {
            let paper = Paper::default();
            let log = LogLines::new(least, paper.clone());
            for level in levels {
                log.write(level, "x");
            }
            assert_eq!(paper.text().lines().count(), levels.len() - index);
        }
    }

    #[test]
    fn fatal_errors_name_the_class_of_the_reference() {
        let paper = Paper::default();
        let log = LogLines::new(Level::Fatal, paper.clone());
        log.fatal(FatalKind::BootstrapFailure, "no cluster", &["one", "two"]);
        let text = paper.text();
        assert!(
            text.ends_with(
                "] FATAL -- : \n\nSnowplow::EmrEtlRunner::BootstrapFailureError (no cluster):\n    one\n    two\n\n\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_run_in_the_log() {
        let paper = Paper::default();
        let mut log = LogLines::new(Level::Debug, paper.clone());
        let run = view();
        log.run_started(&run);
        log.step_started(&run, 0);
        log.step_finished(&run, 0);
        log.step_finished(&run, 99);
        log.run_finished(&run);
        let text = paper.text();
        for part in [
            "DEBUG -- : Run 2018-07-24-10-15-30 of Snowplow ETL started on local: staging, enrich, shred\n",
            " INFO -- : staging (1 of 3) ...\n",
            " INFO -- : staging: COMPLETED ~ 00:00:02\n  12 files\n",
            " INFO -- : Completed successfully\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let paper = Paper::default();
        let mut log = LogLines::new(Level::Error, paper.clone());
        let run = failed_run();
        log.step_finished(&run, 1);
        log.run_finished(&run);
        let text = paper.text();
        assert!(
            text.contains("ERROR -- : enrich: FAILED ~ 25:00:01\n  the object is cut\n"),
            "{text}"
        );
        assert!(
            text.contains("FATAL -- : \n\nSnowplow::EmrEtlRunner::EmrExecutionError (Run 2018-07-24-10-15-30 failed"),
            "{text}"
        );
        assert!(
            text.contains("elapsed time n/a [ - ]):\n    Step enrich failed: the object is cut\n"),
            "{text}"
        );
        let last = text.trim_end().lines().last().unwrap();
        assert_eq!(last.trim(), run.resume_command, "nothing but the command");
        let mut run = run;
        run.steps[1].error = Some(format!("EMR jobflow j-1 failed\n{NOT_STARTED}no capacity"));
        let paper = Paper::default();
        LogLines::new(Level::Fatal, paper.clone()).run_finished(&run);
        assert!(
            paper
                .text()
                .contains("EmrEtlRunner::BootstrapFailureError (Run 2018"),
            "{}",
            paper.text()
        );
    }
}
