//! Runs a plan: locks, checks, steps in order, journal, summary.

pub mod checks;
pub mod clean;
pub mod locks;
pub mod preview;
mod timer;
mod view;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use engine::enrichment::config::EnrichmentConfigs;
use engine::job::options::{ShowProgress, now_ms};
use engine::text::time::format_iso_millis;

use crate::aws::Aws;
use crate::config::targets::StorageTargets;
use crate::config::{Config, TargetKind, duration};
use crate::failure::{Failure, Result};
use crate::journal::{Entry, Journal, Records, RunRecord};
use crate::lock::{self, LockPlace, LockSettings};
use crate::objects::Objects;
use crate::observer::{Level, Observer, Observers, RunState};
use crate::plan::{self, Facts, Mode, Options, Plan, StepName};
use crate::step::staging::Limits;
use crate::step::{self, RunContext, leftovers};
use crate::target::{self, Target};

use locks::Locks;
use timer::Timer;
use view::View;

/// What a person asked for.
pub struct Request {
    /// The configuration.
    pub config: Config,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// The enrichment configurations.
    pub enrichments: EnrichmentConfigs,
    /// The storage targets.
    pub storage: StorageTargets,
    /// Which steps run.
    pub options: Options,
    /// How much staging takes.
    pub limits: Limits,
    /// How long the run may take.
    pub timeout: Option<Duration>,
    /// Whether folders that runs which died have left behind are removed.
    pub clean: bool,
    /// The operator's lock: a path, or a key in Consul.
    pub lock: Option<String>,
    /// Address of Consul.
    pub consul: Option<String>,
    /// Do not check or take the operator's lock at the start.
    pub ignore_lock: bool,
    /// The operator's word that the runner which holds the lock of the log folder on S3 is gone.
    pub take_over: bool,
    /// `--debug`: EMR's own debugging of the job flow.
    pub debug: bool,
    /// The id of the run, for tests; else the time.
    pub run_id: Option<String>,
    /// The command that brings this run to its end after a crash.
    pub resume_command: String,
    /// Whether jobs show their progress.
    pub progress: ShowProgress,
    /// Told how the run goes.
    pub observers: Observers,
}

impl Request {
    /// The steps that options and configuration ask for.
    ///
    /// # Errors
    /// `Config` in the words of the reference, for options that do not go together; for a step whose folder is missing.
    pub fn plan(&self) -> Result<Plan> {
        let config = &self.config;
        let is_emr = config.camonica.target == TargetKind::Emr;
        let emr = config.emr.as_ref().filter(|_| is_emr);
        let plan = plan::plan(
            &self.options,
            &Facts {
                mode: config.mode(),
                format: &config.format,
                ami_version: emr.map(|emr| emr.ami_version.as_str()),
                spark_enrich: config.versions.spark_enrich.as_deref(),
                rdb_loader: config.versions.rdb_loader.as_deref(),
                needs_versions: is_emr,
            },
        )?;
        checks::archives_are_set(config, &plan)?;
        checks::deduplication_is_there(&self.storage, &plan)?;
        Ok(plan)
    }

    /// Access to the folders of the configuration.
    ///
    /// # Errors
    /// `Config` when AWS is needed and cannot be reached so.
    pub fn objects(&self) -> Result<Objects> {
        open_objects(&self.config)
    }

    /// Says what is odd in the configuration, and what has no effect.
    fn say_notes(&mut self, plan: &Plan) {
        for warning in &self.config.warnings {
            self.observers
                .message(Level::Warn, &format!("configuration: {warning}"));
        }
        let mut in_stream_mode = self.config.ignored_in_stream_mode.clone();
        if self.config.mode() == Mode::Stream && self.enrichments.to_json().is_some() {
            in_stream_mode.push("--enrichments");
        }
        for (what, keys) in [
            ("ignored in Stream Enrich mode", &in_stream_mode),
            ("ignored EMR settings", &self.config.ignored_emr),
        ] {
            if !keys.is_empty() {
                self.observers
                    .message(Level::Info, &format!("{what}: {}", keys.join(", ")));
            }
        }
        let is_emr = self.config.camonica.target == TargetKind::Emr;
        if plan.runs(StepName::RdbLoad) && !is_emr {
            for target in &self.storage.enriched_events {
                let text = format!(
                    "storage target '{}' ({}): loading is not available yet, so nothing is loaded into it; --skip rdb_load,archive_shredded keeps the events where a loader finds them",
                    target.name,
                    target.file.display()
                );
                self.observers.message(Level::Warn, &text);
            }
        }
    }
}

/// Access to the folders of a configuration.
///
/// # Errors
/// `Config` when AWS is needed and cannot be reached so.
pub fn open_objects(config: &Config) -> Result<Objects> {
    let aws = if config.uses_s3() {
        Some(Aws::open(config.aws_settings()).map_err(Failure::Config)?)
    } else {
        None
    };
    Ok(Objects::new(aws))
}

/// A new run.
///
/// # Errors
/// As [`Failure`] says; a failed run keeps the operator's lock and can be resumed.
pub fn run(mut request: Request) -> Result<()> {
    let plan = request.plan()?;
    let target = target::open(&request.config)?;
    let objects = request.objects()?;
    let records = Records::new(objects.clone(), &request.config.log);
    let locks = Locks::take(&request, &objects)?;
    request.say_notes(&plan);
    let (run_id, etl_tstamp_ms) = match begin(&mut request, &plan, &objects, &records) {
        Ok(begun) => begun,
        Err(failure) => {
            // Nothing was begun, so nobody has to look first: the reference releases the lock, too.
            locks.release()?;
            return Err(failure);
        }
    };
    let mut journal = records.open(&run_id)?;
    journal.append(&Entry::RunStarted {
        at: now(),
        run_id: run_id.clone(),
        etl_tstamp_ms,
        steps: plan
            .steps
            .iter()
            .map(|step| step.name().to_owned())
            .collect(),
        mode: plan.mode,
        max_files: request.limits.max_files,
        max_bytes: request.limits.max_bytes,
        target: target.kind().name().to_owned(),
        loader_skip: plan.loader_skip.iter().map(ToString::to_string).collect(),
        loader_include: plan
            .loader_include
            .iter()
            .map(ToString::to_string)
            .collect(),
        debug: request.debug,
    })?;
    let Some(record) = records.read(&run_id)? else {
        let place = records.folder(&run_id);
        return Err(Failure::Config(format!(
            "{place}: the journal that was just begun cannot be read"
        )));
    };
    let command = request.resume_command.clone();
    execute(request, record, &records, journal, objects, target, &locks)
        .map_err(|failure| with_way_on(failure, &command))?;
    locks.release()
}

/// What ends a run between its steps, such as a journal that cannot be written, tells how to go on, too.
fn with_way_on(failure: Failure, command: &str) -> Failure {
    match failure {
        Failure::Config(text) => {
            Failure::Config(format!("{text}\nTo go on from there:\n  {command}"))
        }
        other => other,
    }
}

/// Checks that a run can begin; its id and its instant.
fn begin(
    request: &mut Request,
    plan: &Plan,
    objects: &Objects,
    records: &Records,
) -> Result<(String, i64)> {
    records.tidy()?;
    let unfinished = records.unfinished()?;
    if request.clean {
        clean::remove_leftovers(request, plan, objects)?;
    }
    checks::folders(request, plan, objects, &unfinished)?;
    checks::buckets_are_there(&request.config, plan, objects)?;
    let mut etl_tstamp_ms = now_ms();
    let run_id = match &request.run_id {
        Some(run_id) => {
            checks::run_id(run_id)?;
            if records.read(run_id)?.is_some() {
                return Err(Failure::Config(format!(
                    "--run-id {run_id}: there is a run of this id already, see {}",
                    records.folder(run_id)
                )));
            }
            run_id.clone()
        }
        // two runs of one second have different ids
        None => loop {
            let run_id = run_id_of(etl_tstamp_ms);
            if records.read(&run_id)?.is_none() {
                break run_id;
            }
            etl_tstamp_ms += 1000;
        },
    };
    for record in unfinished {
        let text = format!(
            "run {} was not brought to its end; run {run_id} takes its place",
            record.run_id
        );
        request.observers.message(Level::Warn, &text);
        for step in [StepName::Enrich, StepName::Shred] {
            leftovers::end_uploads(objects, &request.config, step, &record.run_id);
        }
        records
            .open(&record.run_id)?
            .append(&Entry::RunSuperseded {
                at: now(),
                by: run_id.clone(),
            })?;
    }
    Ok((run_id, etl_tstamp_ms))
}

/// Brings the oldest unfinished run to its end.
///
/// # Errors
/// `NoData` when there is none; otherwise as [`run`].
pub fn resume(mut request: Request) -> Result<()> {
    let target = target::open(&request.config)?;
    let objects = request.objects()?;
    let records = Records::new(objects.clone(), &request.config.log);
    // the lock of the run that died is still there; it ends with the run, unless it became that of a run which is at work
    let place = LockPlace::from_options(request.lock.as_deref(), request.consul.as_deref());
    if let Some(place) = place
        && let Some(held) = lock::look(&place, true, LockSettings::default())?
    {
        return Err(held);
    }
    request.ignore_lock = true;
    let locks = Locks::take(&request, &objects)?;
    records.tidy()?;
    let Some(record) = records.unfinished()?.into_iter().next() else {
        return Err(Failure::NoData(format!(
            "no unfinished run under {}",
            request.config.log
        )));
    };
    if record.mode != request.config.mode() {
        return Err(Failure::Config(format!(
            "run {} was begun in {} mode, and the configuration is now one of {} mode: set aws.s3.buckets.enriched.stream as it was",
            record.run_id,
            record.mode.name(),
            request.config.mode().name()
        )));
    }
    let plan = record.plan();
    checks::archives_are_set(&request.config, &plan)?;
    checks::deduplication_is_there(&request.storage, &plan)?;
    request.say_notes(&plan);
    let step = record
        .left()
        .first()
        .map_or("(none left)", |step| step.name());
    let text = format!("resuming run {} at step {step}", record.run_id);
    request.observers.message(Level::Info, &text);
    let mut journal = records.open(&record.run_id)?;
    journal.append(&Entry::RunResumed { at: now() })?;
    request.limits = record.limits;
    let command = request.resume_command.clone();
    execute(request, record, &records, journal, objects, target, &locks)
        .map_err(|failure| with_way_on(failure, &command))?;
    locks.release()
}

/// Runs the steps that are left.
#[allow(
    clippy::too_many_arguments,
    reason = "what a run and its resumption share"
)]
fn execute(
    request: Request,
    record: RunRecord,
    records: &Records,
    mut journal: Journal,
    objects: Objects,
    mut target: Box<dyn Target>,
    locks: &Locks,
) -> Result<()> {
    let cancel = Arc::new(AtomicBool::new(false));
    let timer = Timer::start(request.timeout, Arc::clone(&cancel));
    let mut observers = request.observers;
    watch::add(&mut observers, &request.config, &objects);
    let mut view = View::new(
        &record,
        &request.config,
        target.kind(),
        &request.resume_command,
    );
    view.run.journal_folder = records.folder(&record.run_id).to_string();
    let context = RunContext {
        plan: record.plan(),
        debug: record.debug,
        run_id: record.run_id.clone(),
        etl_tstamp_ms: record.etl_tstamp_ms,
        resolver: request.resolver,
        enrichments: request.enrichments,
        storage: request.storage,
        objects,
        limits: request.limits,
        cancel,
        progress: request.progress,
        config: request.config,
    };
    let left = record.left();
    let started = Instant::now();
    // what cannot be kept ends the run, which can go on from there all the same
    let resume_command = request.resume_command.clone();
    let kept = |result: Result<()>| {
        result.map_err(|failure| match failure {
            Failure::Config(text) => {
                Failure::Config(format!("{text}\nTo go on from there:\n  {resume_command}"))
            }
            other => other,
        })
    };
    observers.run_started(&view.run);
    let mut prepared = target.prepare(&context, &left);
    let mut summary = Vec::new();
    let mut failure = None;
    for step in left {
        let name = step.name();
        let ends_run = |error: String, is_over: bool| {
            let hint = request.resume_command.clone();
            match request.timeout.filter(|_| is_over) {
                Some(time) => Failure::TimedOut {
                    time: duration::in_words(time),
                    step: name,
                    hint,
                },
                None => Failure::Step {
                    step: name,
                    error,
                    hint,
                },
            }
        };
        if timer.is_over() {
            failure = Some(ends_run(String::new(), true));
            break;
        }
        locks.check()?;
        kept(journal.append(&Entry::StepStarted {
            at: now(),
            step: name.into(),
        }))?;
        let index = view.begin(step);
        observers.step_started(&view.run, index);
        let step_started = Instant::now();
        let prepared = std::mem::replace(&mut prepared, Ok(()));
        match prepared.and_then(|()| step::run(step, &context, target.as_mut())) {
            Ok(outcome) => {
                let seconds = step_started.elapsed().as_secs_f64();
                summary.push(format!("  {name:<21} {seconds:>8.2} s"));
                view.end(index, &outcome);
                kept(journal.append(&Entry::StepDone {
                    at: now(),
                    step: name.into(),
                    seconds,
                    report: outcome.report,
                }))?;
                observers.step_finished(&view.run, index);
            }
            Err(error) => {
                let is_over = timer.is_over();
                let error = if is_over {
                    format!("stopped, since the time of the run was over: {error}")
                } else {
                    error
                };
                let noted = journal.append(&Entry::StepFailed {
                    at: now(),
                    step: name.into(),
                    error: error.clone(),
                });
                // the step's own error is the one to be read; for the journal the step was begun and no more
                if let Err(why) = noted {
                    observers.message(Level::Warn, &why.to_string());
                }
                view.fail(index, &error);
                observers.step_finished(&view.run, index);
                failure = Some(ends_run(error, is_over));
                break;
            }
        }
    }
    if let Err(error) = target.finish(&context) {
        observers.message(Level::Warn, &error);
    }
    if let Some(failure) = failure {
        view.close(RunState::TerminatedWithErrors, Some(first_line(&failure)));
        observers.run_finished(&view.run);
        return Err(failure);
    }
    kept(journal.append(&Entry::RunDone { at: now() }))?;
    view.close(RunState::Terminated, None);
    observers.message(
        Level::Info,
        &format!(
            "run {} done in {:.2} s\n{}",
            context.run_id,
            started.elapsed().as_secs_f64(),
            summary.join("\n")
        ),
    );
    for line in outputs(&context) {
        observers.message(Level::Info, &line);
    }
    observers.run_finished(&view.run);
    Ok(())
}

fn first_line(failure: &Failure) -> String {
    let text = failure.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where the results of a run are.
fn outputs(context: &RunContext) -> Vec<String> {
    let mut lines = vec!["outputs".to_owned()];
    let config = &context.config;
    for (name, base) in [
        ("raw", config.raw.as_ref().map(|raw| &raw.archive)),
        ("enriched", config.enriched.archive.as_ref()),
        ("enriched", Some(&config.enriched.good)),
        ("enriched bad rows", config.enriched.bad.as_ref()),
        ("shredded", config.shredded.archive.as_ref()),
        ("shredded", Some(&config.shredded.good)),
        ("shredded bad rows", Some(&config.shredded.bad)),
    ] {
        let Some(base) = base else { continue };
        let folder = context.run_folder(base);
        // what cannot be listed is no reason to fail a run that is done
        if context.objects.any(&folder, &|_| true) == Ok(true) {
            lines.push(format!("  {name:<18} {folder}"));
        }
    }
    lines
}

fn now() -> String {
    format_iso_millis(now_ms())
}

/// `YYYY-MM-DD-hh-mm-ss` in UTC.
pub(crate) fn run_id_of(millis: i64) -> String {
    format_iso_millis(millis)
        .chars()
        .take(19)
        .map(|c| if c == 'T' || c == ':' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::run_id_of;

    #[test]
    fn run_ids_are_utc_times() {
        assert_eq!(run_id_of(1_532_427_330_123), "2018-07-24-10-15-30");
    }
}
