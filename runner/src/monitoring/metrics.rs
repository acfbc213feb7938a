//! Metrics of the last run as a text file in the Prometheus exposition format (`camonica.metrics_file`).
//!
//! Meant for the textfile collector of node_exporter, whose folder is read now and then: the file is replaced as a whole at
//! each change of the run. The times of the last good and the last failed run outlive later runs: they are read from the
//! file that is replaced. All samples carry the label `pipeline`, the job name.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engine::job::options::now_ms;

use super::log::LogLines;
use crate::observer::{Counts, Level, Observer, RunState, RunView, StepState};

const RUN_STATES: [RunState; 4] = [
    RunState::Starting,
    RunState::Running,
    RunState::Terminated,
    RunState::TerminatedWithErrors,
];

const STEP_STATES: [StepState; 5] = [
    StepState::Pending,
    StepState::Running,
    StepState::Completed,
    StepState::Cancelled,
    StepState::Failed,
];

const LAST_SUCCESS: &str = "camonica_last_success_timestamp_seconds";
const LAST_FAILURE: &str = "camonica_last_failure_timestamp_seconds";

/// Writes the metrics of a run.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    log: LogLines,
    /// Of the last good and the last failed run, seconds since the epoch.
    last: Option<(Option<f64>, Option<f64>)>,
    warned: bool,
}

impl MetricsFile {
    /// Writes to `path`; what fails is said in `log`, once.
    pub fn new(path: impl Into<PathBuf>, log: LogLines) -> Self {
        Self {
            path: path.into(),
            log,
            last: None,
            warned: false,
        }
    }

    fn write(&mut self, run: &RunView) {
        let path = &self.path;
        let (mut success, mut failure) = *self.last.get_or_insert_with(|| {
            let before = fs::read_to_string(path).unwrap_or_default();
            let pipeline = escaped(&run.job_name);
            (
                sample(&before, LAST_SUCCESS, &pipeline),
                sample(&before, LAST_FAILURE, &pipeline),
            )
        });
        let ended = run.ended_ms.map(|millis| millis as f64 / 1000.0);
        match run.state {
            RunState::Terminated => success = ended.or(success),
            RunState::TerminatedWithErrors => failure = ended.or(failure),
            RunState::Starting | RunState::Running => {}
        }
        let text = text(run, success, failure, now_ms());
        match replace(&self.path, text.as_bytes()) {
            Ok(()) => self.warned = false,
            Err(error) if !self.warned => {
                self.warned = true;
                self.log.write(
                    Level::Warn,
                    &format!(
                        "the metrics file {} cannot be written: {error}",
                        self.path.display()
                    ),
                );
            }
            Err(_) => {}
        }
    }
}

impl Observer for MetricsFile {
    fn run_started(&mut self, run: &RunView) {
        self.write(run);
    }

    fn step_started(&mut self, run: &RunView, _index: usize) {
        self.write(run);
    }

    fn step_finished(&mut self, run: &RunView, _index: usize) {
        self.write(run);
    }

    fn run_finished(&mut self, run: &RunView) {
        self.write(run);
    }
}

/// Writes a file beside `path` and renames it.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    // The collector of node_exporter reads files that end in `.prom` only.
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    fs::write(&beside, content)
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}

/// The value of a metric of this pipeline in an older file.
fn sample(text: &str, name: &str, pipeline: &str) -> Option<f64> {
    let start = format!("{name}{{pipeline=\"{pipeline}\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&start)?.trim().parse().ok())
        .filter(|value: &f64| value.is_finite())
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The page, metric by metric.
struct Page {
    text: String,
    pipeline: String,
}

impl Page {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let mut all = format!("pipeline=\"{}\"", self.pipeline);
        for (label, value) in labels {
            let _ = write!(all, ",{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "{name}{{{all}}} {value}");
    }

    fn single(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.family(name, help);
            self.sample(name, &[], value);
        }
    }
}

/// The text of the file. Times that are not there yet are left out.
fn text(run: &RunView, success: Option<f64>, failure: Option<f64>, now_ms: i64) -> String {
    let mut page = Page {
        text: String::new(),
        pipeline: escaped(&run.job_name),
    };
    let seconds = |millis: i64| millis as f64 / 1000.0;
    let span = |start: i64, end: Option<i64>| seconds((end.unwrap_or(now_ms) - start).max(0));
    let name = "camonica_run_info";
    page.family(name, "The last run of the pipeline.");
    let labels = [
        ("run_id", run.run_id.as_str()),
        ("target", run.target),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    page.sample(name, &labels, 1);
    let name = "camonica_run_state";
    page.family(
        name,
        "1 for the state of the last run, in the words of EMR.",
    );
    for state in RUN_STATES {
        let holds = u8::from(state == run.state);
        page.sample(name, &[("state", state.name())], holds);
    }
    page.single(
        "camonica_run_start_timestamp_seconds",
        "When the first step of the last run was begun.",
        run.ready_ms.map(seconds),
    );
    page.single(
        "camonica_run_end_timestamp_seconds",
        "When the last run ended.",
        run.ended_ms.map(seconds),
    );
    page.single(
        "camonica_run_duration_seconds",
        "How long the last run took, or has taken when this was written.",
        run.ready_ms.map(|start| span(start, run.ended_ms)),
    );
    page.single(LAST_SUCCESS, "When a run last ended well.", success);
    page.single(LAST_FAILURE, "When a run last failed.", failure);
    let name = "camonica_step_state";
    page.family(name, "1 for the state of each step of the last run.");
    for step in &run.steps {
        for state in STEP_STATES {
            let labels = [("step", step.name), ("state", state.name())];
            page.sample(name, &labels, u8::from(state == step.state));
        }
    }
    let name = "camonica_step_duration_seconds";
    page.family(
        name,
        "How long each step took, or has taken when this was written.",
    );
    for step in &run.steps {
        if let Some(start) = step.started_ms {
            page.sample(name, &[("step", step.name)], span(start, step.ended_ms));
        }
    }
    type Count = fn(&Counts) -> u64;
    let counts: [(&str, &str, Count); 6] = [
        ("records_in", "Records that each step read.", |counts| {
            counts.records_in
        }),
        (
            "records_out",
            "Good records that each step wrote.",
            |counts| counts.records_out,
        ),
        ("bad_rows", "Bad rows that each step wrote.", |counts| {
            counts.bad
        }),
        (
            "duplicates",
            "Duplicates that each step left out.",
            |counts| counts.duplicates,
        ),
        (
            "objects",
            "Objects that each step moved or read.",
            |counts| counts.objects,
        ),
        ("bytes", "Bytes that each step moved or read.", |counts| {
            counts.bytes
        }),
    ];
    for (count, help, of) in counts {
        let name = format!("camonica_step_{count}");
        page.family(&name, help);
        for step in &run.steps {
            if step.state == StepState::Completed || of(&step.counts) > 0 {
                page.sample(&name, &[("step", step.name)], of(&step.counts));
            }
        }
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure_summary::tests::{failed_run, view};

    fn quiet() -> LogLines {
        LogLines::new(Level::Fatal, io::sink())
    }

    #[test]
    fn a_run_as_metrics() {
        let text = text(&view(), Some(5.0), None, 0);
        for line in [
            r#"camonica_run_info{pipeline="Snowplow ETL",run_id="2018-07-24-10-15-30",target="local",version="0.1.0"} 1"#,
            r#"camonica_run_state{pipeline="Snowplow ETL",state="TERMINATED"} 1"#,
            r#"camonica_run_state{pipeline="Snowplow ETL",state="RUNNING"} 0"#,
            r#"camonica_run_duration_seconds{pipeline="Snowplow ETL"} 8"#,
            r#"camonica_run_start_timestamp_seconds{pipeline="Snowplow ETL"} 1532427331"#,
            r#"camonica_last_success_timestamp_seconds{pipeline="Snowplow ETL"} 5"#,
            r#"camonica_step_state{pipeline="Snowplow ETL",step="enrich",state="COMPLETED"} 1"#,
            r#"camonica_step_duration_seconds{pipeline="Snowplow ETL",step="shred"} 5"#,
            r#"camonica_step_records_in{pipeline="Snowplow ETL",step="enrich"} 100"#,
            r#"camonica_step_bad_rows{pipeline="Snowplow ETL",step="enrich"} 2"#,
            r#"camonica_step_bytes{pipeline="Snowplow ETL",step="staging"} 4096"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains(LAST_FAILURE));
        // the format: each family once, its help and type before its samples, nothing else
        let mut families = std::collections::BTreeSet::new();
        let mut current = String::new();
        let sample = regex::Regex::new(
            r#"^([a-z_]+)\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\} [0-9.]+$"#,
        )
        .unwrap();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                current = rest.split(' ').next().unwrap().to_owned();
                assert!(families.insert(current.clone()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert_eq!(rest, format!("{current} gauge"));
            } else {
                let parts = sample.captures(line).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(&parts[1], current);
            }
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn labels_are_escaped() {
        let mut run = view();
        run.job_name = "a \"b\" \\ c\nd".into();
        let text = text(&run, None, None, 0);
        assert!(text.contains(r#"{pipeline="a \"b\" \\ c\nd"} 8"#), "{text}");
    }

    #[test]
    fn a_step_at_work_has_the_time_so_far() {
        let mut run = view();
        run.state = RunState::Running;
        run.ended_ms = None;
        run.steps[2].state = StepState::Running;
        run.steps[2].ended_ms = None;
        let start = run.steps[2].started_ms.unwrap();
        let text = text(&run, None, None, start + 1500);
        assert!(
            text.contains(
                "camonica_step_duration_seconds{pipeline=\"Snowplow ETL\",step=\"shred\"} 1.5\n"
            ),
            "{text}"
        );
        assert!(!text.contains("camonica_run_end_timestamp"), "{text}");
    }

    #[test]
    fn the_last_success_outlives_failures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("camonica.prom");
        let good = view();
        let mut first = MetricsFile::new(&path, quiet());
        first.run_started(&good);
        first.run_finished(&good);
        let at = good.ended_ms.unwrap() / 1000;
        let line = format!("{LAST_SUCCESS}{{pipeline=\"Snowplow ETL\"}} {at}\n");
        assert!(fs::read_to_string(&path).unwrap().contains(&line));
        let failed = failed_run();
        let mut second = MetricsFile::new(&path, quiet());
        second.run_started(&failed);
        second.step_started(&failed, 0);
        second.run_finished(&failed);
        let text = fs::read_to_string(&path).unwrap();
        let failed_at = failed.ended_ms.unwrap() / 1000;
        assert!(text.contains(&line), "{text}");
        assert!(
            text.contains(&format!(
                "{LAST_FAILURE}{{pipeline=\"Snowplow ETL\"}} {failed_at}\n"
            )),
            "{text}"
        );
        // another pipeline's times are not ours
        let mut other = view();
        other.job_name = "other".into();
        other.state = RunState::Running;
        MetricsFile::new(&path, quiet()).run_started(&other);
        assert!(!fs::read_to_string(&path).unwrap().contains(LAST_SUCCESS));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no file is left beside it"
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_fails_nothing() {
        let mut file = MetricsFile::new("/nonexistent/folder/x.prom", quiet());
        file.run_started(&view());
        file.run_finished(&view());
        assert!(file.warned);
        MetricsFile::new("/", quiet()).run_started(&view());
    }
}
