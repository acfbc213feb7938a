//! Target `emr`: the jobs run as steps of a transient cluster, as the reference's did.
//!
//! ```text
//! prepare    what can be known before anything moves: AMI, folders, the engine
//! enrich     the first step that needs the cluster asks for it, with all steps that are left; each step of the run then
//! shred      waits for its own steps. The runner itself stages before and archives beside (server-side copies), so the
//! ...        cluster never waits for a copy, and the names of steps are those of the other targets
//! finish     a cluster that does not end by itself is ended
//!   flow, steps   what is asked for       api, request   the calls        record   what is noted, for `resume`
//!   cluster       the jobs on all nodes
//!   files         engine and documents    verdict        states           logs     what failed steps wrote
//!   watch         until a step is done    distcp_steps   for playbooks of Dataflow Runner
//! ```
//!
//! Against the reference: a bootstrap failure is tried again with the same run id (nothing was begun, so nothing has to be
//! checked or staged anew); status calls survive what may pass (3.10 of its behaviour: 502, 504 and 403 killed it); all pages
//! of steps are read; a step counts as done only when its output is marked as committed. The monitor's death never loses
//! the run: the cluster is noted before it is asked for, and `resume` attaches to it again.

pub mod api;
pub(crate) mod chance;
pub mod cluster;
pub mod distcp_steps;
pub mod files;
pub mod flow;
mod logs;
mod record;
mod request;
pub mod steps;
mod verdict;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use engine::enrichment::config::EnrichmentConfigs;
use engine::job::options::now_ms;
use engine::store::Location;

use super::Target;
use crate::aws::check_endpoint;
use crate::config::emr::EmrSettings;
use crate::config::targets::StorageTargets;
use crate::config::{Config, TargetKind};
use crate::monitoring::log::NOT_STARTED;
use crate::observer::Level;
use crate::plan::StepName;
use crate::step::{self, RunContext, StepOutcome, committed_before, shred};

use api::{ClusterStepView, EmrApi};
use chance::{chance, random_hex, random_uuid};
use cluster::{ClusterSetup, api_of};
use files::{Documents, EngineBinary};
use flow::{ATTEMPT_TAG, JobFlow, RUN_TAG};
use record::{Attempt, AttemptStep, EmrRecord};
use steps::{ClusterStep, Job, Paths};
use verdict::{Verdict, failure_text};
use watch::{Watched, poll, sleep};

/// Longest pause before the next try after a bootstrap failure, as the reference's.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(600);
/// Looks at a cluster that should end by itself before it is ended.
const LOOKS_AT_END: u32 = 10;

/// Steps of a run that need the cluster.
const ON_CLUSTER: [StepName; 4] = [
    StepName::Enrich,
    StepName::Shred,
    StepName::Elasticsearch,
    StepName::RdbLoad,
];

/// Target `emr`.
#[derive(Debug, Default)]
pub struct Emr {
    api: Option<EmrApi>,
    engine: Option<EngineBinary>,
    record: EmrRecord,
    left: Vec<StepName>,
    /// The attempt that this process has started or attached to.
    known: Option<String>,
    /// EMR could not be asked any more.
    lost_sight: bool,
}

impl Target for Emr {
    fn kind(&self) -> TargetKind {
        TargetKind::Emr
    }

    fn prepare(&mut self, context: &RunContext, steps: &[StepName]) -> Result<(), String> {
        self.left = ON_CLUSTER
            .into_iter()
            .filter(|step| steps.contains(step) && has_work(context, *step))
            .collect();
        if self.left.is_empty() {
            return Ok(());
        }
        let config = &context.config;
        let emr = settings(context)?;
        flow::check_ami(&emr.ami_version)?;
        check_folders(config)?;
        if let Some(endpoint) = &config.camonica.emr_endpoint {
            check_endpoint(endpoint, "camonica.emr_endpoint")?;
        }
        if self.needs_engine() {
            let cluster = ClusterSetup::of(config, emr, || api_of(config, emr))?;
            if let Some(cluster) = cluster.as_ref().filter(|_| !is_this_machine(config)) {
                cluster.check()?;
            }
            let binary = config.camonica.node_binary();
            self.engine = Some(EngineBinary::find(binary, cluster)?);
        }
        if self.left.contains(&StepName::RdbLoad) {
            // documents that are too long for it are told before anything moves
            steps::check_all(&loader_steps(&job_of(context)?))?;
            context.say(
                Level::Warn,
                "the reference's RDB Loader takes the storage targets as step arguments, their passwords included: who may call elasticmapreduce:ListSteps can read them (passwords in the EC2 parameter store are not shown)",
            );
        }
        self.api = Some(api_of(config, emr)?.stopped_by(Arc::clone(&context.cancel)));
        self.record = EmrRecord::read(&context.objects, &config.log, &context.run_id)?;
        Ok(())
    }

    fn enrich(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let job = step::enrich::job(context)?;
        let output = context.run_folder(&context.config.enriched.good);
        let cut = || {
            let report = job.finish_cut().map_err(|error| error.to_string())?;
            Ok(report.map(|report| (report.to_table(), serde_json::json!(report))))
        };
        self.job(context, StepName::Enrich, &output, &["_SUCCESS"], &cut)
    }

    fn shred(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let job = shred::job(context)?;
        let output = context.run_folder(&context.config.shredded.good);
        let cut = || {
            let report = job.finish_cut().map_err(|error| error.to_string())?;
            Ok(report.map(|report| (report.to_table(), serde_json::json!(report))))
        };
        self.job(context, StepName::Shred, &output, &shred::MARKERS, &cut)
    }

    fn elasticsearch(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        if !has_work(context, StepName::Elasticsearch) {
            return step::elasticsearch(context);
        }
        let watched = self.on_cluster(context, StepName::Elasticsearch)?;
        Ok(StepOutcome {
            summary: format!("bad rows were copied by cluster {}", watched.cluster.id),
            report: serde_json::json!({ "cluster": watched.cluster.id }),
        })
    }

    fn load(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        if !has_work(context, StepName::RdbLoad) {
            context.say(Level::Info, "No RDB Loader logs");
            return Ok(StepOutcome::skipped(
                "no storage target has the purpose ENRICHED_EVENTS",
            ));
        }
        let watched = self.on_cluster(context, StepName::RdbLoad)?;
        self.loader_logs(context, &watched.steps);
        Ok(StepOutcome {
            summary: format!(
                "storage targets were loaded by cluster {}",
                watched.cluster.id
            ),
            report: serde_json::json!({ "cluster": watched.cluster.id }),
        })
    }

    fn finish(&mut self, context: &RunContext) -> Result<(), String> {
        let Some(id) = self.cluster_id().map(str::to_owned) else {
            return Ok(());
        };
        let Some(api) = self.api.as_ref().filter(|_| !self.lost_sight) else {
            return Ok(());
        };
        let told = |error: String| {
            format!(
                "cluster {id}: whether it ends is not known, look at it in the EMR console: {error}"
            )
        };
        // the documents hold keys of registries, and nothing reads them any more
        let folder = Documents::folder(&context.config.log, &context.run_id);
        let mut is_completed = false;
        for _ in 0..LOOKS_AT_END {
            let cluster = api.describe(&id).map_err(told)?;
            let steps = api.steps(&id);
            let all_are_completed = steps.as_ref().is_ok_and(|steps| {
                !steps.is_empty() && steps.iter().all(|step| step.state == "COMPLETED")
            });
            if all_are_completed && !is_completed {
                is_completed = true;
                let text = format!("EMR jobflow {id} completed successfully.");
                context.say(Level::Debug, &text);
            }
            if cluster.is_ending() {
                return Documents::remove(&context.objects, &folder);
            }
            if steps.map_err(told)?.iter().any(ClusterStepView::is_open) {
                let text =
                    format!("cluster {id} goes on with its steps: resume attaches to it again");
                context.say(Level::Warn, &text);
                return Ok(());
            }
            std::thread::sleep(poll(context).min(Duration::from_secs(30)));
        }
        api.terminate(&id).map_err(told)?;
        let text = format!("cluster {id} did not end by itself, and was ended");
        context.say(Level::Warn, &text);
        Documents::remove(&context.objects, &folder)
    }
}

impl Emr {
    fn needs_engine(&self) -> bool {
        self.left
            .iter()
            .any(|step| matches!(step, StepName::Enrich | StepName::Shred))
    }

    fn cluster_id(&self) -> Option<&str> {
        let known = self.known.as_deref()?;
        let attempt = self
            .record
            .attempts
            .iter()
            .find(|each| each.token == known)?;
        attempt.cluster_id.as_deref()
    }

    fn api(&self) -> Result<&EmrApi, String> {
        self.api
            .as_ref()
            .ok_or_else(|| "EMR: the run was not made ready for a cluster".to_owned())
    }

    /// A job of ours on the cluster: what was committed before is not done again, and what is completed must be committed.
    fn job(
        &mut self,
        context: &RunContext,
        step: StepName,
        output: &Location,
        markers: &[&str],
        finish_cut: &dyn Fn() -> Result<Option<(String, serde_json::Value)>, String>,
    ) -> Result<StepOutcome, String> {
        let is_committed = || -> Result<bool, String> {
            for marker in markers {
                if !context.is_committed(output, marker)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if !self.attach(context, step)? {
            // nothing is at work there, so what an earlier cluster began can be brought to its end
            if let Some((summary, report)) = finish_cut()? {
                return Ok(StepOutcome { summary, report });
            }
            if is_committed()? {
                return Ok(committed_before(output));
            }
        }
        let watched = self.on_cluster(context, step)?;
        if !is_committed()? {
            return Err(format!(
                "the step is completed on cluster {}, and its output in {output} is not marked by _SUCCESS: nothing was archived",
                watched.cluster.id
            ));
        }
        outcome(context, output, &watched)
    }

    /// Runs a step on a cluster, to its end.
    fn on_cluster(&mut self, context: &RunContext, step: StepName) -> Result<Watched, String> {
        let mut tries_left = settings(context)?.bootstrap_failure_tries.max(1);
        loop {
            if !self.attach(context, step)? {
                self.launch(context, step)?;
            }
            let watched = self.watch(context, step)?;
            match watched.verdict {
                Verdict::Going | Verdict::Done => return Ok(watched),
                Verdict::BootstrapFailure => {
                    tries_left -= 1;
                    self.note_end(context, &watched.cluster)?;
                    if tries_left == 0 {
                        let text = failure_text(&watched.cluster, &watched.steps);
                        return Err(format!("{text}\n{NOT_STARTED}{}", watched.cluster.message));
                    }
                    let longest = context.config.camonica.emr_bootstrap_pause;
                    let pause = pause_before_retry(longest.unwrap_or(BOOTSTRAP_PAUSE), chance());
                    let say = |text: String| context.say(Level::Warn, &text);
                    say(format!("Job failed. {tries_left} tries left..."));
                    say(format!(
                        "Bootstrap failure detected, retrying in {} seconds...",
                        pause.as_secs()
                    ));
                    if !sleep(context, pause) {
                        return Err("the run was stopped before the next try".into());
                    }
                }
                Verdict::Failed | Verdict::Lost => return Err(self.failure(context, step, watched)),
            }
        }
    }

    /// Attaches to the last cluster that was asked for, if it does or did the step; else false.
    fn attach(&mut self, context: &RunContext, step: StepName) -> Result<bool, String> {
        let Some(attempt) = self.record.attempts.last().cloned() else {
            return Ok(false);
        };
        if attempt.ended.is_some() || attempt.steps_of(step).is_empty() {
            return Ok(false);
        }
        if self.known.as_deref() == Some(attempt.token.as_str()) {
            return Ok(true);
        }
        let id = match attempt.cluster_id.clone() {
            Some(id) => Some(id),
            None => self
                .api()?
                .find(&attempt.name, &attempt.token, attempt.asked_ms)?,
        };
        let Some(id) = id else {
            self.note(context, |attempt| {
                attempt.ended = Some("never started".into())
            })?;
            return Ok(false);
        };
        self.note(context, |attempt| attempt.cluster_id = Some(id.clone()))?;
        let seen = match self.look(&id, step) {
            Ok(seen) => seen,
            // EMR has forgotten it
            Err(error) if error.contains("InvalidRequestException") => {
                self.note(context, |attempt| attempt.ended = Some(error.clone()))?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if matches!(seen.verdict, Verdict::Going | Verdict::Done) {
            let text = format!("attached to cluster {id}, which is {}", seen.cluster.state);
            context.say(Level::Info, &text);
            self.known = Some(attempt.token);
            return Ok(true);
        }
        self.note_end(context, &seen.cluster)?;
        Ok(false)
    }

    /// Asks for a cluster that runs `first` and what is left after it.
    fn launch(&mut self, context: &RunContext, first: StepName) -> Result<(), String> {
        let token = random_hex();
        let emr = settings(context)?;
        let steps = self.steps(context, first, &token[..8])?;
        steps::check_all(&steps)?;
        let config = &context.config;
        let files = match &self.engine {
            Some(engine) => Some(engine.upload(&context.objects, &config.log)?),
            None => None,
        };
        let documents = Documents::folder(&config.log, &context.run_id);
        documents_of(&context.resolver, &context.enrichments, &context.storage)
            .upload(&context.objects, &documents)?;
        let tags = vec![
            (RUN_TAG.to_owned(), context.run_id.clone()),
            (ATTEMPT_TAG.to_owned(), token.clone()),
        ];
        let attempt_steps = steps.iter().map(attempt_step).collect();
        let has_reference_jars = steps.iter().any(ClusterStep::is_of_the_reference);
        let flow = JobFlow::new(config, emr, files.as_ref(), has_reference_jars, steps, tags)?;
        let asked_ms = now_ms();
        self.record.attempts.push(Attempt {
            token: token.clone(),
            name: flow.name.clone(),
            asked_ms,
            cluster_id: None,
            steps: attempt_steps,
            ended: None,
        });
        self.record
            .write(&context.objects, &config.log, &context.run_id)?;
        context.say(Level::Debug, "Initializing EMR jobflow");
        let text = format!("asking for a cluster: {}", flow.in_words());
        context.say(Level::Info, &text);
        let id = self.api()?.run_job_flow(&flow, &token, asked_ms)?;
        self.note(context, |attempt| attempt.cluster_id = Some(id.clone()))?;
        self.known = Some(token);
        let text = format!("EMR jobflow {id} started, waiting for jobflow to complete...");
        context.say(Level::Debug, &text);
        Ok(())
    }

    /// The steps of a cluster from `first` on.
    fn steps(
        &self,
        context: &RunContext,
        first: StepName,
        attempt: &str,
    ) -> Result<Vec<ClusterStep>, String> {
        let job = job_of(context)?;
        let mut steps = Vec::new();
        if context.debug {
            steps.push(job.debugging());
        }
        steps.extend(job.hbase());
        for step in self.left.iter().filter(|step| **step >= first) {
            match step {
                StepName::Enrich => {
                    let enrich = step::enrich::job(context)?;
                    let paths = Paths {
                        input: enrich.input,
                        output: enrich.output,
                        bad: enrich.bad,
                        errors: enrich.errors,
                    };
                    steps.push(job.enrich(&paths, attempt));
                }
                StepName::Shred => {
                    let shred = shred::job(context)?;
                    let paths = Paths {
                        input: shred.input,
                        output: shred.output,
                        bad: shred.bad,
                        errors: None,
                    };
                    steps.push(job.shred(&paths, attempt));
                }
                StepName::Elasticsearch => steps.extend(job.elasticsearch()),
                StepName::RdbLoad => steps.extend(loader_steps(&job)),
                _ => {}
            }
        }
        Ok(steps)
    }
}

/// The documents that the steps of a run read.
pub fn documents_of(
    resolver: &str,
    enrichments: &EnrichmentConfigs,
    storage: &StorageTargets,
) -> Documents {
    let mut found = vec![(files::RESOLVER, resolver.to_owned())];
    let enrichments = enrichments.to_json().unwrap_or_else(|| {
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0","data":[]}"#.into()
    });
    found.push((files::ENRICHMENTS, enrichments));
    if let Some(target) = &storage.duplicate_tracking {
        found.push((files::DUPLICATE_STORAGE, target.document.to_string()));
    }
    Documents { files: found }
}

/// What a completed job did, by its manifest.
fn outcome(
    context: &RunContext,
    output: &Location,
    watched: &Watched,
) -> Result<StepOutcome, String> {
    let place = output.join("_SUCCESS.manifest.json");
    let manifest: serde_json::Value = match context.objects.get(&place)? {
        Some(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| format!("{place}: {error}"))?
        }
        None => serde_json::Value::Null,
    };
    let list = |key: &str| manifest[key].as_array().cloned().unwrap_or_default();
    let sum = |items: &[serde_json::Value], key: &str| -> u64 {
        items.iter().filter_map(|item| item[key].as_u64()).sum()
    };
    let (inputs, outputs) = (list("inputs"), list("outputs"));
    let report = serde_json::json!({
        "cluster": watched.cluster.id,
        "input_objects": inputs.len(),
        "input_bytes": sum(&inputs, "size"),
        "output_files": outputs.len(),
        "output_bytes": sum(&outputs, "bytes"),
        "enrich": manifest["enrich"],
        "shred": manifest["shred"],
    });
    let counts = step::counts_of(&report);
    Ok(StepOutcome {
        summary: format!(
            "cluster {}: {} records in, {} good, {} bad, {} duplicates; {} objects, {} bytes -> {output}",
            watched.cluster.id,
            counts.records_in,
            counts.records_out,
            counts.bad,
            counts.duplicates,
            counts.objects,
            counts.bytes
        ),
        report,
    })
}

/// What the steps of a run are made from.
fn job_of(context: &RunContext) -> Result<Job<'_>, String> {
    Ok(Job {
        config: &context.config,
        emr: settings(context)?,
        storage: &context.storage,
        plan: &context.plan,
        run_id: &context.run_id,
        etl_tstamp_ms: context.etl_tstamp_ms,
        resolver: &context.resolver,
    })
}

fn loader_steps(job: &Job<'_>) -> Vec<ClusterStep> {
    let targets = &job.storage.enriched_events;
    let ids: Vec<String> = targets.iter().map(|_| random_uuid()).collect();
    job.load(&ids)
}

fn attempt_step(step: &ClusterStep) -> AttemptStep {
    AttemptStep {
        step: step.step.map_or("", StepName::name).to_owned(),
        name: step.name.clone(),
        id: None,
        log: step.log.clone(),
    }
}

/// The pause before the next try after a bootstrap failure: evenly from one second to `longest`; `chance` is from 0 to 1.
fn pause_before_retry(longest: Duration, chance: f64) -> Duration {
    let least = Duration::from_secs(1).min(longest);
    least + (longest - least).mul_f64(chance)
}

fn settings(context: &RunContext) -> Result<&EmrSettings, String> {
    let settings = context.config.emr.as_ref();
    settings.ok_or_else(|| "aws.emr: target emr needs the whole block".to_owned())
}

/// Whether the cluster has anything to do for a step.
fn has_work(context: &RunContext, step: StepName) -> bool {
    let plan = &context.plan;
    match step {
        StepName::Elasticsearch => {
            !context.storage.failed_events.is_empty()
                && (plan.runs(StepName::Enrich) || plan.runs(StepName::Shred))
        }
        StepName::RdbLoad => !context.storage.enriched_events.is_empty(),
        _ => true,
    }
}

/// Whether the cluster is a program beside this one, and shares its disks: plain HTTP is for loopback only.
fn is_this_machine(config: &Config) -> bool {
    config
        .camonica
        .emr_endpoint
        .as_deref()
        .is_some_and(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://"))
}

/// The nodes of a cluster reach S3, and not this machine's disks.
///
/// # Errors
/// For a folder on them.
pub fn check_folders(config: &Config) -> Result<(), String> {
    if is_this_machine(config) {
        return Ok(());
    }
    let folders = [
        ("log", Some(&config.log)),
        (
            "raw.processing",
            config.raw.as_ref().map(|raw| &raw.processing),
        ),
        ("enriched.good", Some(&config.enriched.good)),
        ("enriched.bad", config.enriched.bad.as_ref()),
        (
            "enriched.errors",
            config
                .enriched
                .errors
                .as_ref()
                .filter(|_| config.errors_apart()),
        ),
        ("shredded.good", Some(&config.shredded.good)),
        ("shredded.bad", Some(&config.shredded.bad)),
    ];
    for (name, folder) in folders {
        if let Some(folder) = folder.filter(|folder| folder.is_local()) {
            return Err(format!(
                "aws.s3.buckets.{name}: the nodes of a cluster cannot reach {folder}: name a folder in S3, or set camonica.target to local"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_of_one_second_at_least() {
        let pause = |longest: u64, chance| pause_before_retry(Duration::from_secs(longest), chance);
        assert_eq!(pause(600, 0.0), Duration::from_secs(1));
        assert_eq!(pause(600, 1.0), Duration::from_secs(600));
        assert!((1..600).contains(&pause(600, 0.5).as_secs()));
        let short = Duration::from_millis(100);
        assert_eq!(pause_before_retry(short, 0.3), short);
    }
}
