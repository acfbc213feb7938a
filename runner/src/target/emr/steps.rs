//! The steps of a cluster, with their arguments.
//!
//! Enrich and shred run our engine, with the reference's option names in its order (Spark Enrich's `EnrichJob`, RDB Shredder's
//! `ShredJob`), our own options after them. The RDB Loader, the sink to Elasticsearch, HBase and Hadoop's debugging are the
//! reference's own steps, argument for argument. The reference's S3DistCp steps are in [`super::distcp_steps`]: the runner
//! itself moves objects, and they are of use for Dataflow Runner only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::cluster::driver_words;
use super::files::{DUPLICATE_STORAGE, Documents, ENRICHMENTS, RESOLVER, encryption_word};
use super::flow::{assets, folder_uri, region};
use crate::config::Config;
use crate::config::emr::EmrSettings;
use crate::config::targets::{StorageTarget, StorageTargets};
use crate::config::version;
use crate::plan::{Plan, StepName};

/// Where the bootstrap action puts the script of our steps.
pub const STEP_SCRIPT: &str = "/home/hadoop/camonica/step";
/// The jar that runs a command on the master.
const COMMAND_RUNNER: &str = "command-runner.jar";
/// Longest argument that EMR takes, in characters.
pub const LONGEST_ARGUMENT: usize = 10_280;
/// Most steps of one request.
const MOST_STEPS: usize = 256;
/// Longest name of a step.
const LONGEST_NAME: usize = 256;

/// A step of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStep {
    /// The step of the run that it belongs to; none for what only makes the cluster ready.
    pub step: Option<StepName>,
    /// Its name on the cluster.
    pub name: String,
    /// The jar.
    pub jar: String,
    /// The jar's arguments.
    pub args: Vec<String>,
    /// Where the log lies that the step itself writes, if it does.
    pub log: Option<String>,
}

impl ClusterStep {
    /// Whether a jar of the reference runs.
    pub fn is_of_the_reference(&self) -> bool {
        matches!(self.step, Some(StepName::RdbLoad | StepName::Elasticsearch))
    }

    /// That EMR takes it.
    ///
    /// # Errors
    /// For an argument that is too long.
    pub fn check(&self) -> Result<(), String> {
        let mut option = "the first argument";
        for argument in &self.args {
            let length = argument.chars().count();
            if length > LONGEST_ARGUMENT {
                return Err(format!(
                    "step '{}': {option} has {length} characters, and EMR takes {LONGEST_ARGUMENT}: shorten the document behind it (remove comments, registries or settings that are not needed)",
                    self.name
                ));
            }
            option = argument;
        }
        Ok(())
    }
}

/// That EMR takes these steps at once.
///
/// # Errors
/// For an argument that is too long, and for too many steps.
pub fn check_all(steps: &[ClusterStep]) -> Result<(), String> {
    steps.iter().try_for_each(ClusterStep::check)?;
    if steps.len() > MOST_STEPS {
        return Err(format!(
            "{} steps: EMR takes {MOST_STEPS} at once; give fewer storage targets, or archive fewer run folders at a time",
            steps.len()
        ));
    }
    Ok(())
}

/// What the steps of a run are made from.
#[derive(Debug, Clone, Copy)]
pub struct Job<'c> {
    /// The configuration.
    pub config: &'c Config,
    /// `aws.emr`.
    pub emr: &'c EmrSettings,
    /// The storage targets.
    pub storage: &'c StorageTargets,
    /// The plan of the whole run.
    pub plan: &'c Plan,
    /// The run.
    pub run_id: &'c str,
    /// Time of the enrich run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Text of the resolver configuration.
    pub resolver: &'c str,
}

/// Where a job of ours reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Globs or folders, separated by commas.
    pub input: String,
    /// Folder of good events.
    pub output: String,
    /// Folder of bad rows.
    pub bad: String,
    /// Folder of bad rows of unexpected errors.
    pub errors: Option<String>,
}

impl Job<'_> {
    /// `Elasticity Setup Hadoop Debugging`, of `--debug`.
    pub fn debugging(&self) -> ClusterStep {
        let libraries = format!("s3://{}.elasticmapreduce/libs", region(self.emr));
        ClusterStep {
            step: None,
            name: "Elasticity Setup Hadoop Debugging".into(),
            jar: format!("{libraries}/script-runner/script-runner.jar"),
            args: vec![format!("{libraries}/state-pusher/0.1/fetch")],
            log: None,
        }
    }

    /// `Start HBase`, of `aws.emr.software.hbase`.
    pub fn hbase(&self) -> Option<ClusterStep> {
        let version = self.emr.hbase.as_ref()?;
        Some(ClusterStep {
            step: None,
            name: format!("Start HBase {version}"),
            jar: format!("/home/hadoop/lib/hbase-{version}.jar"),
            args: vec!["emr.hbase.backup.Main".into(), "--start-master".into()],
            log: None,
        })
    }

    /// The enrich job on the master, or its driver there.
    pub fn enrich(&self, paths: &Paths, attempt: &str) -> ClusterStep {
        let mut words = words(&[
            "enrich",
            "--input-format",
            &self.config.format,
            "--etl-timestamp",
            &self.etl_tstamp_ms.to_string(),
            "--iglu-config",
            &document(RESOLVER),
            "--enrichments",
            &document(ENRICHMENTS),
            "--input-folder",
            &paths.input,
            "--output-folder",
            &paths.output,
            "--bad-folder",
            &paths.bad,
        ]);
        if let Some(errors) = &paths.errors {
            words.extend([
                "--continue-on-unexpected-error".into(),
                "--errors-folder".into(),
                errors.clone(),
            ]);
        }
        if let Some(folder) = &self.config.camonica.enrichment_data {
            words.extend(["--enrichment-data".into(), folder.display().to_string()]);
        }
        self.engine(StepName::Enrich, "Enrich Raw Events", words, attempt)
    }

    /// The shred job on the master, or its driver there.
    pub fn shred(&self, paths: &Paths, attempt: &str) -> ClusterStep {
        let mut words = words(&["shred"]);
        words.extend(self.shredder_arguments(
            &document(RESOLVER),
            &document(DUPLICATE_STORAGE),
            &paths.input,
            &paths.output,
            &paths.bad,
        ));
        self.engine(StepName::Shred, "Shred Enriched Events", words, attempt)
    }

    /// The options of the reference's `ShredJob`, in its order; `resolver` and `duplicates` stand for the documents.
    pub fn shredder_arguments(
        &self,
        resolver: &str,
        duplicates: &str,
        input: &str,
        output: &str,
        bad: &str,
    ) -> Vec<String> {
        let mut all = words(&["--iglu-config", resolver]);
        if self.storage.duplicate_tracking.is_some() {
            all.extend(words(&["--duplicate-storage-config", duplicates]));
        }
        if let Some(table) = self.processing_manifest() {
            all.extend(words(&[
                "--processing-manifest-table",
                &table,
                "--item-id",
                output,
            ]));
        }
        all.extend(words(&[
            "--input-folder",
            input,
            "--output-folder",
            output,
            "--bad-folder",
            bad,
        ]));
        all
    }

    /// The table of the processing manifest: of the first target that has one, for shredders that know it.
    fn processing_manifest(&self) -> Option<String> {
        let shredder = self.config.versions.rdb_shredder.as_deref()?;
        if version::compare(shredder, "0.14.0-rc1").is_lt() {
            return None;
        }
        self.storage.enriched_events.iter().find_map(|target| {
            let manifest = target.data("processingManifest")?;
            let table = manifest.get("amazonDynamoDb")?.get("tableName")?;
            table.as_str().map(str::to_owned)
        })
    }

    fn engine(
        &self,
        step: StepName,
        what: &str,
        command: Vec<String>,
        attempt: &str,
    ) -> ClusterStep {
        let settings = self.config.aws_settings();
        let camonica = &self.config.camonica;
        let folder =
            crate::journal::camonica_folder(&self.config.log).join(&format!("{}/", self.run_id));
        let log = folder
            .join(&format!("emr/{}-{attempt}.log", step.name()))
            .to_string();
        let documents = Documents::folder(&self.config.log, self.run_id);
        let mut args = words(&[
            STEP_SCRIPT,
            &folder_uri(&documents),
            &log,
            &encryption_word(&settings.encryption),
        ]);
        args.extend(driver_words(self.config, self.emr));
        args.extend(command);
        let mut option = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
        let compression = if self.config.gzip { "gzip" } else { "none" };
        option("--output-compression", compression);
        option("--run-id", self.run_id);
        option("--log-folder", &folder_uri(&self.config.log));
        option("--progress", "none");
        if let Some(region) = &self.config.region {
            option("--s3-region", region);
        }
        if let Some(endpoint) = &camonica.s3_endpoint {
            option("--s3-endpoint", endpoint);
        }
        if let Some(workers) = camonica.workers {
            option("--workers", &workers.to_string());
        }
        if let Some(bytes) = camonica.memory_limit {
            option("--memory-limit", &bytes.to_string());
        }
        for directory in &camonica.spill_directories {
            option("--spill-dir", &directory.display().to_string());
        }
        if let engine::store::Encryption::SseKms(key) = &settings.encryption {
            option("--kms-key-id", key);
        }
        if camonica.s3_endpoint.is_some() {
            args.push("--s3-path-style".into());
        }
        if settings.encryption != engine::store::Encryption::None {
            args.push("--encrypted".into());
        }
        if camonica.skip_corrupt {
            args.push("--skip-corrupt".into());
        }
        ClusterStep {
            step: Some(step),
            name: format!("Camonica Step: {what}"),
            jar: COMMAND_RUNNER.into(),
            args,
            log: Some(log),
        }
    }

    /// The reference's steps that copy bad rows to Elasticsearch: one for each target and source.
    pub fn elasticsearch(&self) -> Vec<ClusterStep> {
        let base = assets(self.config, &region(self.emr));
        let version = self
            .config
            .versions
            .hadoop_elasticsearch
            .as_deref()
            .unwrap_or_default();
        let sources: Vec<String> = [
            (StepName::Enrich, self.config.enriched.bad.as_ref()),
            (StepName::Shred, Some(&self.config.shredded.bad)),
        ]
        .into_iter()
        .filter(|(step, _)| self.plan.runs(*step))
        .filter_map(|(_, bad)| bad)
        .map(|bad| format!("{}run={}/", folder_uri(bad), self.run_id))
        .collect();
        let mut steps = Vec::new();
        for target in &self.storage.failed_events {
            for source in &sources {
                let mut args = words(&[
                    "com.snowplowanalytics.snowplow.storage.hadoop.ElasticsearchJob",
                    "--hdfs",
                    "--input",
                    source,
                ]);
                for (option, key) in [
                    ("--host", "host"),
                    ("--port", "port"),
                    ("--index", "index"),
                    ("--type", "type"),
                    ("--es_nodes_wan_only", "nodesWanOnly"),
                ] {
                    if let Some(value) = target.data(key) {
                        args.extend([option.to_owned(), plain(value)]);
                    }
                }
                if steps.is_empty() {
                    args.extend(words(&["--delay", "60"]));
                }
                steps.push(ClusterStep {
                    step: Some(StepName::Elasticsearch),
                    name: named(format!(
                        "Elasticity Scalding Step: Errors in {source} -> Elasticsearch: {}",
                        target.name
                    )),
                    jar: format!("{base}4-storage/hadoop-elasticsearch-sink/hadoop-elasticsearch-sink-{version}.jar"),
                    args,
                    log: None,
                });
            }
        }
        steps
    }

    /// The reference's RDB Loader: one step for each target. `log_ids` are random, one for each target.
    pub fn load(&self, log_ids: &[String]) -> Vec<ClusterStep> {
        let base = assets(self.config, &region(self.emr));
        let version = self
            .config
            .versions
            .rdb_loader
            .as_deref()
            .unwrap_or_default();
        self.storage
            .enriched_events
            .iter()
            .zip(log_ids)
            .map(|(target, id)| {
                let log = format!(
                    "{}rdb-loader/{}/{id}",
                    folder_uri(&self.config.log),
                    self.run_id
                );
                ClusterStep {
                    step: Some(StepName::RdbLoad),
                    name: named(format!(
                        "Elasticity Custom Jar Step: Load {} Storage Target",
                        target.name
                    )),
                    jar: format!("{base}4-storage/rdb-loader/snowplow-rdb-loader-{version}.jar"),
                    args: self.loader_arguments(target, &log),
                    log: Some(log),
                }
            })
            .collect()
    }

    /// The arguments of the reference's RDB Loader.
    pub fn loader_arguments(&self, target: &StorageTarget, log: &str) -> Vec<String> {
        let mut args = words(&[
            "--config",
            &STANDARD.encode(self.config.to_yaml_for_loader()),
            "--resolver",
            &STANDARD.encode(self.resolver),
            "--logkey",
            log,
            "--target",
            &STANDARD.encode(target.document.to_string()),
        ]);
        for (option, names) in [
            ("--skip", &self.plan.loader_skip),
            ("--include", &self.plan.loader_include),
        ] {
            if !names.is_empty() {
                args.extend([option.to_owned(), names.join(",")]);
            }
        }
        args
    }
}

/// A document's word in the arguments of our step script.
fn document(name: &str) -> String {
    format!("documents:{name}")
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// A scalar without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A name that EMR takes.
fn named(name: String) -> String {
    if name.chars().count() <= LONGEST_NAME {
        name
    } else {
        name.chars().take(LONGEST_NAME).collect()
    }
}

#[cfg(test)]
mod tests;
