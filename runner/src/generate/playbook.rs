//! The playbook of Dataflow Runner: the steps of one run, of the run id that this command gave it.
//!
//! Steps that the reference took out of a run's way come as its S3DistCp steps; one of them fails when there is nothing to
//! copy (issue #312 and others), which only the runner itself mends. Folders found by listing (`--resume-from`) are those
//! that are there when the playbook is made.

use serde_json::{Value, json};

use super::{Draft, credentials};
use crate::failure::{Failure, Result};
use crate::objects::Objects;
use crate::plan::{ArchiveMode, Mode, Plan, StepName};
use crate::step::source;
use crate::target::emr::chance::random_uuid;
use crate::target::emr::distcp_steps;
use crate::target::emr::flow::{folder_uri, region};
use crate::target::emr::steps::{ClusterStep, Job, Paths, check_all};

/// Version of the schema of playbooks.
pub const SCHEMA_VERSION: &str = "1-0-1";

impl Draft<'_> {
    /// The playbook.
    ///
    /// # Errors
    /// `Config` for options and configuration, as `run`; for arguments that EMR does not take.
    pub fn playbook(&self, objects: &Objects, schema_version: Option<&str>) -> Result<Value> {
        let request = self.request;
        let Some(emr) = &request.config.emr else {
            return Err(Failure::Config("aws.emr: expected the whole block".into()));
        };
        let plan = request.plan()?;
        let job = Job {
            config: &request.config,
            emr,
            storage: &request.storage,
            plan: &plan,
            run_id: &self.run_id,
            etl_tstamp_ms: self.etl_tstamp_ms,
            resolver: &request.resolver,
        };
        if let Some(key) = &request.config.camonica.kms_key {
            let how = if request.config.encrypted {
                "with keys of S3"
            } else {
                "as the default of its bucket says"
            };
            tracing::warn!(
                "camonica.kms_key {key}: S3DistCp knows no keys of KMS, so what the playbook stages and archives is encrypted {how}; \
                 `camonica run` asks for the key with every write"
            );
        }
        let mut steps = Vec::new();
        if request.debug {
            steps.push(job.debugging());
        }
        steps.extend(job.hbase());
        for step in &plan.steps {
            steps.extend(self.steps_of(*step, &plan, &job, objects)?);
        }
        check_all(&steps).map_err(Failure::Config)?;
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| {
                json!({
                    "type": "CUSTOM_JAR",
                    "name": step.name,
                    "actionOnFailure": "CANCEL_AND_WAIT",
                    "jar": step.jar,
                    "arguments": step.args,
                })
            })
            .collect();
        let version = schema_version.unwrap_or(SCHEMA_VERSION);
        Ok(json!({
            "schema": format!("iglu:com.snowplowanalytics.dataflowrunner/PlaybookConfig/avro/{version}"),
            "data": {
                "region": region(emr),
                "credentials": credentials(request),
                "steps": steps,
            },
        }))
    }

    fn steps_of(
        &self,
        step: StepName,
        plan: &Plan,
        job: &Job<'_>,
        objects: &Objects,
    ) -> Result<Vec<ClusterStep>> {
        let config = job.config;
        let (ami, run_id) = (&job.emr.ami_version, self.run_id.as_str());
        let in_run = |base| format!("{}run={run_id}/", folder_uri(base));
        Ok(match step {
            StepName::Staging => distcp_steps::staging(config, ami),
            StepName::StagingStreamEnrich => {
                Vec::from_iter(distcp_steps::staging_stream_enrich(config, ami, run_id))
            }
            StepName::Enrich => {
                let (Some(raw), Some(bad)) = (&config.raw, &config.enriched.bad) else {
                    return Ok(Vec::new());
                };
                let errors = config
                    .enriched
                    .errors
                    .as_ref()
                    .filter(|_| config.errors_apart());
                let paths = Paths {
                    input: format!("{}*", folder_uri(&raw.processing)),
                    output: in_run(&config.enriched.good),
                    bad: in_run(bad),
                    errors: errors.map(in_run),
                };
                vec![job.enrich(&paths, run_id)]
            }
            StepName::Shred => {
                let folders = if plan.makes_enriched() {
                    vec![in_run(&config.enriched.good)]
                } else {
                    let found = run_ids(objects, &config.enriched.good)?;
                    found
                        .into_iter()
                        .map(|id| format!("{}run={id}/", folder_uri(&config.enriched.good)))
                        .collect()
                };
                let files = if plan.mode == Mode::Stream { "*gz" } else { "" };
                let inputs: Vec<String> = folders
                    .iter()
                    .map(|folder| format!("{folder}{files}"))
                    .collect();
                let paths = Paths {
                    input: inputs.join(","),
                    output: in_run(&config.shredded.good),
                    bad: in_run(&config.shredded.bad),
                    errors: None,
                };
                vec![job.shred(&paths, run_id)]
            }
            StepName::Elasticsearch => job.elasticsearch(),
            StepName::ArchiveRaw => Vec::from_iter(distcp_steps::archive_raw(config, ami, run_id)),
            StepName::RdbLoad => {
                let targets = &job.storage.enriched_events;
                let ids: Vec<String> = targets.iter().map(|_| random_uuid()).collect();
                job.load(&ids)
            }
            StepName::ArchiveEnriched | StepName::ArchiveShredded => {
                let (mode, good) = if step == StepName::ArchiveEnriched {
                    (plan.archive_enriched(), &config.enriched.good)
                } else {
                    (plan.archive_shredded(), &config.shredded.good)
                };
                match mode {
                    ArchiveMode::Skip => Vec::new(),
                    ArchiveMode::Pipeline => {
                        Vec::from_iter(distcp_steps::archive_good(config, ami, step, run_id, false))
                    }
                    ArchiveMode::Recover => run_ids(objects, good)?
                        .iter()
                        .filter_map(|id| distcp_steps::archive_good(config, ami, step, id, true))
                        .collect(),
                }
            }
        })
    }
}

fn run_ids(objects: &Objects, good: &engine::store::Location) -> Result<Vec<String>> {
    let folders = source::run_folders(objects, good).map_err(Failure::Config)?;
    if folders.is_empty() {
        return Err(Failure::Config(format!("No run folders in [{good}] found")));
    }
    Ok(folders.into_iter().map(|folder| folder.run_id).collect())
}
