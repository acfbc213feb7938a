//! The run as observers see it, kept up to date by the run.

use engine::job::options::now_ms;

use crate::config::{Config, TargetKind};
use crate::journal::{RunRecord, Standing};
use crate::lock::owner::parse_iso;
use crate::observer::{RunState, RunView, StepState, StepView};
use crate::plan::StepName;
use crate::step::{StepOutcome, counts_of};

/// The run as observers see it.
pub(super) struct View {
    pub(super) run: RunView,
}

impl View {
    /// The run that a record tells of; steps that an earlier process has done are completed.
    pub(super) fn new(
        record: &RunRecord,
        config: &Config,
        target: TargetKind,
        resume_command: &str,
    ) -> Self {
        let created_ms = parse_iso(&record.started_at).unwrap_or_else(now_ms);
        let steps: Vec<StepView> = record
            .steps
            .iter()
            .map(|step| {
                let is_done = matches!(step.standing, Standing::Done(_));
                let time =
                    |at: &Option<String>| at.as_deref().filter(|_| is_done).and_then(parse_iso);
                StepView {
                    name: step.step.name(),
                    state: if is_done {
                        StepState::Completed
                    } else {
                        StepState::Pending
                    },
                    created_ms,
                    started_ms: time(&step.started_at),
                    ended_ms: time(&step.ended_at),
                    counts: counts_of(&step.report),
                    summary: None,
                    error: None,
                    report: step.report.clone(),
                }
            })
            .collect();
        Self {
            run: RunView {
                run_id: record.run_id.clone(),
                job_name: config.job_name.clone(),
                target: target.name(),
                state: RunState::Starting,
                reason: None,
                created_ms,
                ready_ms: steps.iter().filter_map(|step| step.started_ms).min(),
                ended_ms: None,
                steps,
                resume_command: resume_command.to_owned(),
                journal_folder: String::new(),
            },
        }
    }

    /// A step is begun; its index.
    pub(super) fn begin(&mut self, step: StepName) -> usize {
        let now = now_ms();
        self.run.state = RunState::Running;
        self.run.ready_ms.get_or_insert(now);
        let index = self
            .run
            .steps
            .iter()
            .position(|view| view.name == step.name())
            .unwrap_or_default();
        if let Some(view) = self.run.steps.get_mut(index) {
            view.state = StepState::Running;
            view.started_ms = Some(now);
        }
        index
    }

    /// A step ended well.
    pub(super) fn end(&mut self, index: usize, outcome: &StepOutcome) {
        if let Some(view) = self.run.steps.get_mut(index) {
            view.state = StepState::Completed;
            view.ended_ms = Some(now_ms());
            view.counts = outcome.counts();
            view.summary = Some(outcome.summary.clone());
            view.report = outcome.report.clone();
        }
    }

    /// A step failed.
    pub(super) fn fail(&mut self, index: usize, error: &str) {
        if let Some(view) = self.run.steps.get_mut(index) {
            view.state = StepState::Failed;
            view.ended_ms = Some(now_ms());
            view.error = Some(error.to_owned());
        }
    }

    /// The run ended; steps whose turn did not come are cancelled.
    pub(super) fn close(&mut self, state: RunState, reason: Option<String>) {
        self.run.state = state;
        self.run.reason = reason;
        self.run.ended_ms = Some(now_ms());
        for step in &mut self.run.steps {
            if step.state == StepState::Pending {
                step.state = StepState::Cancelled;
            }
        }
    }
}
