//! Watching a cluster: until a step is done or nothing will come of it, what is noted meanwhile, and what a failure tells.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::api::{ClusterStepView, ClusterView};
use super::record::Attempt;
use super::verdict::{Verdict, failure_text, judge};
use super::{Emr, logs};
use crate::observer::Level;
use crate::plan::StepName;
use crate::step::RunContext;

/// Time between two looks at a cluster.
const POLL: Duration = Duration::from_secs(30);
/// Longest wait for the logs of a step that failed.
const LOG_WAIT: Duration = Duration::from_secs(120);

/// A cluster whose steps are watched, and what was seen last.
pub(super) struct Watched {
    pub(super) cluster: ClusterView,
    pub(super) steps: Vec<ClusterStepView>,
    pub(super) verdict: Verdict,
}

impl Emr {
    /// Watches the known cluster until the steps of `step` are done, or nothing will come of them.
    pub(super) fn watch(
        &mut self,
        context: &RunContext,
        step: StepName,
    ) -> Result<Watched, String> {
        let id = self
            .cluster_id()
            .map(str::to_owned)
            .ok_or_else(|| "EMR: no cluster is known".to_owned())?;
        let mut shown = String::new();
        loop {
            if context.cancel.load(Ordering::Relaxed) {
                self.api()?.terminate(&id)?;
                return Err(format!("cluster {id} was ended"));
            }
            let seen = match self.look(&id, step) {
                Ok(seen) => seen,
                // the time of the run is over: the cluster is ended, as if it could have been seen
                Err(_) if context.cancel.load(Ordering::Relaxed) => continue,
                Err(error) => {
                    self.lost_sight = true;
                    return Err(format!(
                        "{error}\nCluster {id} goes on meanwhile, and nothing is lost: resume attaches to it again"
                    ));
                }
            };
            self.note_ids(context, &seen.steps)?;
            let state = seen
                .steps
                .iter()
                .find(|each| each.state == "RUNNING")
                .map_or_else(String::new, |each| format!(", at work: {}", each.name));
            let state = format!("{}{state}", seen.cluster.state);
            if state != shown {
                context.say(Level::Info, &format!("cluster {id} is {state}"));
                shown = state;
            }
            if seen.verdict != Verdict::Going {
                return Ok(seen);
            }
            sleep(context, poll(context));
        }
    }

    /// One look at a cluster.
    pub(super) fn look(&self, id: &str, step: StepName) -> Result<Watched, String> {
        let api = self.api()?;
        let attempt = self.record.attempts.last();
        let wanted: Vec<&str> = attempt
            .map(|attempt| attempt.steps_of(step))
            .unwrap_or_default()
            .into_iter()
            .map(|step| step.id.as_deref().unwrap_or(&step.name))
            .collect();
        let steps = api.steps(id)?;
        let cluster = api.describe(id)?;
        let verdict = judge(&cluster, &steps, &wanted);
        Ok(Watched {
            cluster,
            steps,
            verdict,
        })
    }

    /// Changes what is noted about the last attempt.
    pub(super) fn note(
        &mut self,
        context: &RunContext,
        change: impl Fn(&mut Attempt),
    ) -> Result<(), String> {
        if let Some(attempt) = self.record.attempts.last_mut() {
            let before = attempt.clone();
            change(attempt);
            if *attempt != before {
                self.record
                    .write(&context.objects, &context.config.log, &context.run_id)?;
            }
        }
        Ok(())
    }

    pub(super) fn note_end(
        &mut self,
        context: &RunContext,
        cluster: &ClusterView,
    ) -> Result<(), String> {
        let text = format!("{} [{}] {}", cluster.state, cluster.reason, cluster.message);
        self.note(context, |attempt| {
            attempt.ended = Some(text.trim().to_owned())
        })
    }

    /// Notes the ids of steps once they are told: steps are listed in the order in which they were submitted.
    pub(super) fn note_ids(
        &mut self,
        context: &RunContext,
        seen: &[ClusterStepView],
    ) -> Result<(), String> {
        self.note(context, |attempt| {
            let fits = attempt.steps.len() == seen.len()
                && attempt
                    .steps
                    .iter()
                    .zip(seen)
                    .all(|(mine, theirs)| mine.name == theirs.name);
            if fits {
                for (mine, theirs) in attempt.steps.iter_mut().zip(seen) {
                    mine.id = Some(theirs.id.clone());
                }
            }
        })
    }

    /// The text of a failure, with the last lines of the log of the step that failed. Waits a while for the cluster's end, so
    /// that its reason and its logs are there.
    pub(super) fn failure(
        &self,
        context: &RunContext,
        step: StepName,
        mut watched: Watched,
    ) -> String {
        let wait = LOG_WAIT.min(poll(context).saturating_mul(8));
        let until = Instant::now() + wait;
        let mut log = self.log_of_failure(context, &watched);
        while (log.is_none() || !watched.cluster.is_over()) && Instant::now() < until {
            let is_over = watched.cluster.is_over();
            if !sleep(context, poll(context).min(Duration::from_secs(10))) {
                break;
            }
            if let Ok(seen) = self.look(&watched.cluster.id, step) {
                watched = Watched {
                    verdict: watched.verdict,
                    ..seen
                };
            }
            log = self.log_of_failure(context, &watched);
            if is_over && log.is_some() {
                break;
            }
        }
        if step == StepName::RdbLoad {
            self.loader_logs(context, &watched.steps);
        }
        let mut text = failure_text(&watched.cluster, &watched.steps);
        if watched.verdict == Verdict::Lost {
            text.push_str(&format!(
                "\nThe cluster was lost: {} {}. What was not committed is not visible; resume asks for another cluster",
                watched.cluster.reason, watched.cluster.message
            ));
        }
        for failed in watched.steps.iter().filter(|step| step.state == "FAILED") {
            if !failed.reason.is_empty() {
                text.push_str(&format!("\n{}: {}", failed.name, failed.reason));
            }
        }
        if let Some((uri, lines)) = log {
            text.push_str(&format!("\nThe last lines of {uri}:"));
            for line in lines.lines() {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        text
    }

    pub(super) fn log_of_failure(
        &self,
        context: &RunContext,
        watched: &Watched,
    ) -> Option<(String, String)> {
        let failed = watched.steps.iter().find(|step| step.state == "FAILED")?;
        let attempt = self.record.attempts.last()?;
        let own = attempt
            .steps
            .iter()
            .find(|step| step.id.as_deref() == Some(&failed.id) || step.name == failed.name)
            .and_then(|step| step.log.clone());
        if let Some(uri) = own {
            match logs::tail(&context.objects, &uri) {
                Ok(Some(text)) => return Some((uri, text)),
                Ok(None) => {}
                Err(error) => {
                    let text = format!("Error while downloading log {uri}: {error}");
                    context.say(Level::Warn, &text);
                }
            }
        }
        let log = &context.config.log;
        match logs::gathered(&context.objects, log, &watched.cluster.id, &failed.id) {
            Ok(found) => found,
            Err(error) => {
                let text = format!(
                    "Error while downloading logs of step {}: {error}",
                    failed.name
                );
                context.say(Level::Warn, &text);
                None
            }
        }
    }

    /// Says what the RDB Loader wrote, target by target, as loud as its step ended.
    pub(super) fn loader_logs(&self, context: &RunContext, seen: &[ClusterStepView]) {
        let steps = self.record.attempts.last();
        let steps = steps.map(|attempt| attempt.steps_of(StepName::RdbLoad));
        let mut lines = Vec::new();
        for (step, target) in steps
            .unwrap_or_default()
            .into_iter()
            .zip(&context.storage.enriched_events)
        {
            let Some(uri) = &step.log else { continue };
            let mut theirs = seen.iter();
            let theirs = theirs.find(|each| {
                step.id
                    .as_deref()
                    .map_or(each.name == step.name, |id| id == each.id)
            });
            let level = match theirs.map_or("", |step| step.state.as_str()) {
                "FAILED" => Level::Error,
                "CANCELLED" | "INTERRUPTED" => Level::Warn,
                _ => Level::Info,
            };
            match logs::whole(&context.objects, uri) {
                Ok(Some(text)) => {
                    lines.push((level, format!("{}: {}", target.name, text.trim_end())))
                }
                Ok(None) => {}
                Err(error) => {
                    let text = format!("Error while downloading RDB log {uri}: {error}");
                    lines.push((Level::Error, text));
                }
            }
        }
        if lines.is_empty() {
            context.say(Level::Info, "No RDB Loader logs");
            return;
        }
        context.say(Level::Info, "RDB Loader logs");
        for (level, text) in lines {
            context.say(level, &text);
        }
    }
}

/// Time between two looks at a cluster.
pub(super) fn poll(context: &RunContext) -> Duration {
    context.config.camonica.emr_poll.unwrap_or(POLL)
}

/// Waits; false when the run was stopped meanwhile.
pub(super) fn sleep(context: &RunContext, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        if context.cancel.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(200)));
    }
}
