//! The summary of a run that failed: a text whose shape is that of EmrEtlRunner R108, and the same as JSON beside the journal.
//!
//! The shape, which operators and alerts read: a sentence; `<job name>: <state> [<reason>] ~ <elapsed> [<ready> - <end>]`; then
//! ` - <n>. <step>: <state> ~ <elapsed> [<start> - <end>]` for each step in the order of their starts, those that never
//! started last. Ours besides: under a step what went through it; at the end the error, the value of `--resume-from`, and the
//! command that goes on.

use serde_json::{Value, json};

use crate::monitoring::times::{elapsed, local_seconds, utc_seconds};
use crate::observer::{Counts, Observer, RunState, RunView, StepState, StepView};

/// Where the reference explains failures on EMR.
const HELP: &str =
    "https://github.com/snowplow/snowplow/wiki/Troubleshooting-jobs-on-Elastic-MapReduce";

/// Values that `--resume-from` takes.
const RESUMABLE: [&str; 9] = [
    "enrich",
    "shred",
    "elasticsearch",
    "archive_raw",
    "rdb_load",
    "analyze",
    "archive_enriched",
    "archive_shredded",
    "staging_stream_enrich",
];

/// The summary as text, without a line feed at its end: [`states`], then [`way_on`].
pub fn text(run: &RunView) -> String {
    format!("{}\n{}", states(run), way_on(run).join("\n"))
}

/// What became of the run and its steps: the reference's text.
pub fn states(run: &RunView) -> String {
    let mut lines = vec![sentence(run)];
    lines.push(format!(
        "{}: {} [{}] ~ {} [{} - {}]",
        run.job_name,
        run.state,
        run.reason.as_deref().unwrap_or_default(),
        elapsed(run.ready_ms, run.ended_ms),
        local_seconds(run.ready_ms),
        local_seconds(run.ended_ms)
    ));
    for (index, step) in by_start(run).into_iter().enumerate() {
        lines.push(format!(
            " - {}. {}: {} ~ {} [{} - {}]",
            index + 1,
            step.name,
            step.state,
            elapsed(step.started_ms, step.ended_ms),
            local_seconds(step.started_ms),
            local_seconds(step.ended_ms)
        ));
        if let Some(counts) = counted(&step.counts) {
            lines.push(format!("      {counts}"));
        }
    }
    lines.join("\n")
}

/// The error, and how to go on; the last line is the command.
pub fn way_on(run: &RunView) -> Vec<String> {
    let mut lines = Vec::new();
    let failed = failed_step(run);
    if let Some((step, error)) = failed.and_then(|step| Some((step, step.error.as_ref()?))) {
        lines.push(format!("Step {} failed: {error}", step.name));
    }
    match resume_from(run) {
        Some(step) => lines.push(format!(
            "To go on from there (as a run of its own: --resume-from {step}):"
        )),
        None => lines.push("To go on from there:".into()),
    }
    lines.push(format!("  {}", run.resume_command));
    lines
}

/// The summary for programs. Times are UTC; a missing one is null.
pub fn to_json(run: &RunView) -> Value {
    let time = |millis: Option<i64>| millis.map(utc_seconds);
    let seconds = |start: Option<i64>, end: Option<i64>| {
        start
            .zip(end)
            .map(|(start, end)| (end - start).max(0) as f64 / 1000.0)
    };
    let steps: Vec<Value> = by_start(run)
        .into_iter()
        .map(|step| {
            json!({
                "name": step.name,
                "state": step.state.name(),
                "started_at": time(step.started_ms),
                "ended_at": time(step.ended_ms),
                "seconds": seconds(step.started_ms, step.ended_ms),
                "counts": step.counts,
                "error": step.error,
            })
        })
        .collect();
    json!({
        "run_id": run.run_id,
        "job_name": run.job_name,
        "target": run.target,
        "state": run.state.name(),
        "reason": run.reason,
        "created_at": utc_seconds(run.created_ms),
        "ready_at": time(run.ready_ms),
        "ended_at": time(run.ended_ms),
        "seconds": seconds(run.ready_ms, run.ended_ms),
        "steps": steps,
        "failed_step": failed_step(run).map(|step| step.name),
        "resume_from": resume_from(run),
        "resume_command": run.resume_command,
    })
}

/// The value of `--resume-from` that goes on after this failure; `None` when the option does not know the step (staging).
pub fn resume_from(run: &RunView) -> Option<&'static str> {
    let step = failed_step(run).or_else(|| {
        run.steps
            .iter()
            .find(|step| step.state != StepState::Completed)
    })?;
    RESUMABLE.into_iter().find(|name| *name == step.name)
}

/// Writes the summary of a failed run as `failure.json` into the run's folder of journals.
pub struct FailureFile {
    put: Put,
}

/// Writes an object whole, replacing what was there: its place and its content.
pub type Put = Box<dyn FnMut(&str, &[u8]) -> Result<(), String>>;

impl std::fmt::Debug for FailureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FailureFile")
    }
}

impl FailureFile {
    /// Writes with `put`.
    pub fn new(put: impl FnMut(&str, &[u8]) -> Result<(), String> + 'static) -> Self {
        Self { put: Box::new(put) }
    }
}

impl Observer for FailureFile {
    fn run_finished(&mut self, run: &RunView) {
        if run.state != RunState::TerminatedWithErrors {
            return;
        }
        let place = format!("{}failure.json", run.journal_folder);
        let content = format!("{:#}\n", to_json(run));
        if let Err(why) = (self.put)(&place, content.as_bytes()) {
            tracing::warn!("the failure summary {place} could not be written: {why}");
        }
    }
}

fn sentence(run: &RunView) -> String {
    let (id, folder) = (&run.run_id, &run.journal_folder);
    if run.target == "emr" {
        format!(
            "EMR jobflow of run {id} failed, check Amazon EMR console, Hadoop logs and {folder} for details (help: {HELP}). Data files not archived."
        )
    } else {
        format!("Run {id} failed, check {folder} for details. Data files not archived.")
    }
}

fn failed_step(run: &RunView) -> Option<&StepView> {
    run.steps
        .iter()
        .find(|step| step.state == StepState::Failed)
}

/// In the order of their starts, those that never started last.
fn by_start(run: &RunView) -> Vec<&StepView> {
    let mut steps: Vec<&StepView> = run.steps.iter().collect();
    steps.sort_by_key(|step| (step.started_ms.is_none(), step.started_ms));
    steps
}

/// What went through a step; `None` when it counts nothing.
fn counted(counts: &Counts) -> Option<String> {
    let parts: Vec<String> = [
        ("records in", counts.records_in),
        ("out", counts.records_out),
        ("bad", counts.bad),
        ("duplicates", counts.duplicates),
        ("objects", counts.objects),
        ("bytes", counts.bytes),
    ]
    .into_iter()
    .filter(|(name, count)| {
        // Records are told together: a zero among them says something.
        *count > 0 || (counts.records_in > 0 && matches!(*name, "out" | "bad"))
    })
    .map(|(name, count)| format!("{name} {count}"))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    const START: i64 = 1_532_427_330_000;

    fn step(name: &'static str, state: StepState, times: Option<(i64, Option<i64>)>) -> StepView {
        StepView {
            name,
            state,
            created_ms: START,
            started_ms: times.map(|(start, _)| START + start),
            ended_ms: times.and_then(|(_, end)| end).map(|end| START + end),
            counts: Counts::default(),
            summary: None,
            error: None,
            report: Value::Null,
        }
    }

    /// A run of three steps that went well.
    pub(crate) fn view() -> RunView {
        let mut staging = step("staging", StepState::Completed, Some((1000, Some(3000))));
        staging.summary = Some("12 files".into());
        staging.counts.objects = 12;
        staging.counts.bytes = 4096;
        let mut enrich = step("enrich", StepState::Completed, Some((3000, Some(4000))));
        enrich.counts = Counts {
            records_in: 100,
            records_out: 98,
            bad: 2,
            duplicates: 0,
            objects: 12,
            bytes: 4096,
        };
        RunView {
            run_id: "2018-07-24-10-15-30".into(),
            job_name: "Snowplow ETL".into(),
            target: "local",
            state: RunState::Terminated,
            reason: None,
            created_ms: START,
            ready_ms: Some(START + 1000),
            ended_ms: Some(START + 9000),
            steps: vec![
                staging,
                enrich,
                step("shred", StepState::Completed, Some((4000, Some(9000)))),
            ],
            resume_command: "camonica resume --config c.yml".into(),
            journal_folder: "s3://log/camonica/2018-07-24-10-15-30/".into(),
        }
    }

    /// A run that failed in enrich, after more than a day.
    pub(crate) fn failed_run() -> RunView {
        let mut run = view();
        run.state = RunState::TerminatedWithErrors;
        run.reason = Some("Step enrich failed".into());
        run.ended_ms = Some(START + 90_004_000);
        run.steps[1] = step("enrich", StepState::Failed, Some((3000, Some(90_004_000))));
        run.steps[1].error = Some("the object is cut".into());
        run.steps[1].counts.records_in = 7;
        run.steps[2] = step("shred", StepState::Cancelled, None);
        run
    }

    #[test]
    fn the_text_has_the_shape_that_operators_know() {
        let at = |offset: i64| local_seconds(Some(START + offset));
        let expected = format!(
            "Run 2018-07-24-10-15-30 failed, check s3://log/camonica/2018-07-24-10-15-30/ for details. Data files not archived.
Snowplow ETL: TERMINATED_WITH_ERRORS [Step enrich failed] ~ 25:00:03 [{} - {}]
 - 1. staging: COMPLETED ~ 00:00:02 [{} - {}]
      objects 12, bytes 4096
 - 2. enrich: FAILED ~ 25:00:01 [{} - {}]
      records in 7, out 0, bad 0
 - 3. shred: CANCELLED ~ elapsed time n/a [ - ]
Step enrich failed: the object is cut
To go on from there (as a run of its own: --resume-from enrich):
  camonica resume --config c.yml",
            at(1000),
            at(90_004_000),
            at(1000),
            at(3000),
            at(3000),
            at(90_004_000),
        );
        assert_eq!(text(&failed_run()), expected);
    }

    #[test]
    fn a_step_that_was_left_at_work_has_no_end() {
        let mut run = failed_run();
        run.target = "emr";
        run.reason = None;
        run.ready_ms = None;
        run.steps[1].ended_ms = None;
        let text = text(&run);
        assert!(
            text.starts_with(
                "EMR jobflow of run 2018-07-24-10-15-30 failed, check Amazon EMR console"
            ),
            "{text}"
        );
        assert!(
            text.contains("Snowplow ETL: TERMINATED_WITH_ERRORS [] ~ elapsed time n/a [ - 2018-"),
            "{text}"
        );
        assert!(
            text.contains(" - 2. enrich: FAILED ~ elapsed time n/a [2018-"),
            "{text}"
        );
        assert!(text.contains(" - ]\n      records in 7"), "{text}");
    }

    #[test]
    fn steps_are_in_the_order_of_their_starts() {
        let mut run = failed_run();
        run.steps.reverse();
        let text = text(&run);
        let place = |name: &str| text.find(name).unwrap();
        assert!(place("1. staging") < place("2. enrich"), "{text}");
        assert!(place("2. enrich") < place("3. shred"), "{text}");
    }

    #[test]
    fn where_to_go_on() {
        let mut run = failed_run();
        assert_eq!(resume_from(&run), Some("enrich"));
        run.steps[1].state = StepState::Completed;
        assert_eq!(resume_from(&run), Some("shred"));
        run.steps[0].state = StepState::Failed;
        assert_eq!(resume_from(&run), None, "staging is no value of the option");
        assert!(text(&run).contains("\nTo go on from there:\n  camonica resume"));
        assert_eq!(resume_from(&view()), None);
    }

    #[test]
    fn the_json_copy_is_written_once_for_a_failure() {
        let written = Rc::new(RefCell::new(Vec::new()));
        let mut file = FailureFile::new({
            let written = Rc::clone(&written);
            move |place, content| {
                let json: Value = serde_json::from_slice(content).unwrap();
                written.borrow_mut().push((place.to_owned(), json));
                Ok(())
            }
        });
        file.run_finished(&view());
        file.run_finished(&failed_run());
        let written = written.borrow();
        let [(place, json)] = &written[..] else {
            panic!("one file, not {}", written.len());
        };
        assert_eq!(place, "s3://log/camonica/2018-07-24-10-15-30/failure.json");
        assert_eq!(json["failed_step"], "enrich");
        assert_eq!(json["resume_from"], "enrich");
        assert_eq!(json["ended_at"], "2018-07-25T11:15:34Z");
        assert_eq!(json["seconds"], 90_003.0);
        assert_eq!(json["steps"][0]["counts"]["bytes"], 4096);
        assert_eq!(json["steps"][1]["error"], "the object is cut");
        assert_eq!(json["steps"][2]["started_at"], Value::Null);
        // a place that cannot be written fails nothing
        FailureFile::new(|_, _| Err("no".into())).run_finished(&failed_run());
    }
}
