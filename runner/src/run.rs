//! Runs a plan: locks, emptiness checks, steps in order, journal, summary.

use std::time::Instant;

use engine::enrichment::config::EnrichmentConfigs;
use engine::job::options::{ShowProgress, now_ms};
use engine::text::time::format_iso_millis;

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::journal::{self, Entry, Journal, Unfinished};
use crate::lock::{LiveLock, OperatorLock};
use crate::plan::{self, StepName};
use crate::step::{self, RunContext, local, staging};
use crate::transfer;

/// What a person asked for.
pub struct Request {
    /// Path of the configuration.
    pub config: String,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// The enrichment configurations.
    pub enrichments: EnrichmentConfigs,
    /// Steps to leave out.
    pub skip: Vec<String>,
    /// The operator's lock.
    pub lock: Option<String>,
    /// Do not check or take the operator's lock at the start.
    pub ignore_lock: bool,
    /// The id of the run, for tests; else the time.
    pub run_id: Option<String>,
    /// The command that brings this run to its end after a crash.
    pub resume_command: String,
    /// Whether jobs show their progress.
    pub progress: ShowProgress,
    /// Told what a person should read.
    pub say: fn(&str),
}

/// A new run.
///
/// # Errors
/// As [`Failure`] says; a failed run keeps the operator's lock and can be resumed.
pub fn run(request: Request) -> Result<()> {
    let config = Config::read(&request.config)?;
    let steps = plan::steps(&request.skip)?;
    let log = local(&config.log);
    let lock = take_lock(&request)?;
    let live = LiveLock::take(&journal::camonica_folder(&log))?;
    if let Err(failure) = check_folders(&config, &steps, &request.resume_command, &log) {
        // Nothing was begun: these two outcomes release the lock, as the reference does.
        if let Some(lock) = lock {
            lock.release()?;
        }
        return Err(failure);
    }
    let etl_tstamp_ms = now_ms();
    let run_id = request
        .run_id
        .clone()
        .unwrap_or_else(|| run_id_of(etl_tstamp_ms));
    let mut journal = Journal::open(&log, &run_id)?;
    journal.append(&Entry::RunStarted {
        at: now(),
        run_id: run_id.clone(),
        etl_tstamp_ms,
        steps: steps.iter().map(|step| step.name().to_owned()).collect(),
    })?;
    let unfinished = Unfinished {
        run_id,
        etl_tstamp_ms,
        steps,
    };
    execute(request, config, unfinished, journal)?;
    drop(live);
    lock.map_or(Ok(()), OperatorLock::release)
}

/// Brings the oldest unfinished run to its end.
///
/// # Errors
/// `NoData` when there is none; otherwise as [`run`].
pub fn resume(request: Request) -> Result<()> {
    let config = Config::read(&request.config)?;
    let log = local(&config.log);
    let live = LiveLock::take(&journal::camonica_folder(&log))?;
    let Some(unfinished) = journal::find_unfinished(&log)? else {
        return Err(Failure::NoData(format!(
            "no unfinished run under {}",
            config.log
        )));
    };
    (request.say)(&format!(
        "resuming run {} at step {}",
        unfinished.run_id,
        unfinished
            .steps
            .first()
            .map_or("(none left)", |step| step.name())
    ));
    let journal = Journal::open(&log, &unfinished.run_id)?;
    let lock = request.lock.clone();
    execute(request, config, unfinished, journal)?;
    drop(live);
    // The lock of the run that died is still there; it ends with the run.
    lock.map_or(Ok(()), |path| OperatorLock::take(&path, true)?.release())
}

fn take_lock(request: &Request) -> Result<Option<OperatorLock>> {
    match &request.lock {
        Some(path) => OperatorLock::take(path, request.ignore_lock).map(Some),
        None => Ok(None),
    }
}

fn execute(
    request: Request,
    config: Config,
    unfinished: Unfinished,
    mut journal: Journal,
) -> Result<()> {
    let context = RunContext {
        config,
        run_id: unfinished.run_id,
        etl_tstamp_ms: unfinished.etl_tstamp_ms,
        resolver: request.resolver,
        enrichments: request.enrichments,
        progress: request.progress,
    };
    let started = Instant::now();
    let mut summary = Vec::new();
    for step in unfinished.steps {
        let name = step.name();
        (request.say)(&format!("{name} ..."));
        journal.append(&Entry::StepStarted {
            at: now(),
            step: name.into(),
        })?;
        let step_started = Instant::now();
        match step::run(step, &context) {
            Ok(outcome) => {
                let seconds = step_started.elapsed().as_secs_f64();
                (request.say)(&indented(&outcome.summary));
                summary.push(format!("  {name:<17} {seconds:>8.2} s"));
                journal.append(&Entry::StepDone {
                    at: now(),
                    step: name.into(),
                    seconds,
                    report: outcome.report,
                })?;
            }
            Err(error) => {
                journal.append(&Entry::StepFailed {
                    at: now(),
                    step: name.into(),
                    error: error.clone(),
                })?;
                return Err(Failure::Step {
                    step: name,
                    error,
                    hint: request.resume_command,
                });
            }
        }
    }
    journal.append(&Entry::RunDone { at: now() })?;
    (request.say)(&format!(
        "run {} done in {:.2} s\n{}",
        context.run_id,
        started.elapsed().as_secs_f64(),
        summary.join("\n")
    ));
    for line in outputs(&context) {
        (request.say)(&line);
    }
    (request.say)("Completed successfully");
    Ok(())
}

/// Where the results of a run are.
fn outputs(context: &RunContext) -> Vec<String> {
    let mut lines = vec!["outputs".to_owned()];
    let config = &context.config;
    for (name, base) in [
        ("raw", Some(&config.raw.archive)),
        ("enriched", config.enriched.archive.as_ref()),
        ("enriched", Some(&config.enriched.good)),
        ("enriched bad rows", Some(&config.enriched.bad)),
        ("shredded", config.shredded.archive.as_ref()),
        ("shredded", Some(&config.shredded.good)),
        ("shredded bad rows", Some(&config.shredded.bad)),
    ] {
        if let Some(base) = base {
            let folder = context.run_folder(base);
            if local(&folder).exists() {
                lines.push(format!("  {name:<18} {folder}"));
            }
        }
    }
    lines
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn now() -> String {
    format_iso_millis(now_ms())
}

/// `YYYY-MM-DD-hh-mm-ss` in UTC.
fn run_id_of(millis: i64) -> String {
    format_iso_millis(millis)
        .chars()
        .take(19)
        .map(|c| if c == 'T' || c == ':' { '-' } else { c })
        .collect()
}

/// The emptiness checks that EmrEtlRunner makes before anything is begun, in its order.
fn check_folders(
    config: &Config,
    steps: &[StepName],
    resume: &str,
    log: &std::path::Path,
) -> Result<()> {
    let runs = |step| steps.contains(&step);
    let is_empty = |location: &engine::store::Location| {
        transfer::is_empty(&local(location)).map_err(|error| Failure::Config(error.to_string()))
    };
    let unfinished = journal::find_unfinished(log)?;
    let ongoing = |reason: String| {
        let hint = if unfinished.is_some() {
            resume.to_owned()
        } else {
            String::new()
        };
        Err(Failure::Ongoing { reason, hint })
    };
    let slash = |location: &engine::store::Location| {
        format!("{}/", location.to_string().trim_end_matches('/'))
    };
    let processing = &config.raw.processing;
    if runs(StepName::Staging) {
        if !is_empty(processing)? {
            return ongoing(format!(
                "Cannot safely add staging step to jobflow, {} is not empty",
                slash(processing)
            ));
        }
        let mut any = false;
        for input in &config.raw.inputs {
            let files = staging::candidates(&local(input), &config.format)
                .map_err(|error| Failure::Config(error.to_string()))?;
            any |= !files.is_empty();
        }
        if !any {
            if let Some(unfinished) = &unfinished {
                return Err(Failure::Ongoing {
                    reason: format!("run {} was not brought to its end", unfinished.run_id),
                    hint: resume.to_owned(),
                });
            }
            return Err(Failure::NoData(
                "No Snowplow logs to process since last run".into(),
            ));
        }
    } else if runs(StepName::Enrich) && is_empty(processing)? {
        return Err(Failure::NoData(format!(
            "No Snowplow logs in {}, can't resume from enrich",
            slash(processing)
        )));
    }
    for (step, name, good) in [
        (StepName::Enrich, "enrichment", &config.enriched.good),
        (StepName::Shred, "shredding", &config.shredded.good),
    ] {
        if runs(step) && !is_empty(good)? {
            return ongoing(format!(
                "Cannot safely add {name} step to jobflow, {} is not empty",
                slash(good)
            ));
        }
    }
    if let Some(unfinished) = &unfinished {
        return Err(Failure::Ongoing {
            reason: format!("run {} was not brought to its end", unfinished.run_id),
            hint: resume.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::run_id_of;

    #[test]
    fn run_ids_are_utc_times() {
        assert_eq!(run_id_of(1_532_427_330_123), "2018-07-24-10-15-30");
    }
}
