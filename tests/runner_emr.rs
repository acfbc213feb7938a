//! Target `emr` of the program `camonica`, against a scripted EMR on loopback: whole runs with their exit codes, texts, calls
//! and the command that goes on. Steps of the engine do their real work, so that outputs are real, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

#[path = "runner_emr/cluster.rs"]
mod cluster;
#[path = "support/emr_endpoint.rs"]
mod emr_endpoint;
#[path = "runner_emr/generate.rs"]
mod generate;
#[path = "runner_emr/scripts.rs"]
mod scripts;
#[path = "runner_emr/stories.rs"]
mod stories;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use clap::{Parser, Subcommand};
use emr_endpoint::{EmrEndpoint, Fate};
use engine::cli::enrich::EnrichArguments;
use engine::cli::shred::ShredArguments;
use fixtures::{Corpus, Format, Mix};

/// The run id of runs that are compared.
pub(crate) const RUN: &str = "2018-07-24-10-00-00";

/// The engine's command line, for steps that are run here.
#[derive(Parser)]
struct Engine {
    #[command(subcommand)]
    command: EngineCommand,
}

#[derive(Subcommand)]
enum EngineCommand {
    Enrich(Box<EnrichArguments>),
    Shred(Box<ShredArguments>),
}

/// Does the work of a step of ours, as the step script on the master would; other steps do nothing.
fn work(args: &[String]) -> Result<(), String> {
    // the RDB Loader writes its log
    if let Some(at) = args.iter().position(|word| word == "--logkey") {
        let place = Path::new(&args[at + 1]);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, "Configuration loaded\nCompleted successfully\n").unwrap();
    }
    if args.first().map(String::as_str) != Some("/home/hadoop/camonica/step") {
        return Ok(());
    }
    let documents = &args[1];
    // a driver does the same on all nodes
    let begin = match args[4].as_str() {
        "driver" => args
            .iter()
            .position(|word| word == "enrich" || word == "shred"),
        _ => Some(4),
    };
    let words = args[begin.unwrap()..]
        .iter()
        .map(|word| match word.strip_prefix("documents:") {
            Some(name) => format!("{documents}{name}"),
            None => word.clone(),
        });
    let words: Vec<String> = std::iter::once("camonica-engine".to_owned())
        .chain(words)
        .collect();
    let line = Engine::try_parse_from(words).map_err(|error| error.to_string())?;
    let outcome = match line.command {
        EngineCommand::Enrich(arguments) => arguments.run(),
        EngineCommand::Shred(arguments) => arguments.run(),
    };
    let log = match &outcome {
        Ok(report) => report.to_table(),
        Err(error) => format!("camonica-engine: {error}\n"),
    };
    let place = Path::new(&args[2]);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, log).unwrap();
    outcome.map(|_| ()).map_err(|error| error.to_string())
}

/// The buckets of one pipeline as folders, and its EMR.
pub(crate) struct Pipeline {
    folder: tempfile::TempDir,
    pub(crate) emr: EmrEndpoint,
}

/// The smallest program that a node could run: the head of an ELF file.
pub(crate) fn program() -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18] = 62;
    elf[54] = 56;
    elf
}

impl Pipeline {
    pub(crate) fn new(fates: &[Fate]) -> Self {
        Self::with(fates, |text| text)
    }

    /// With a last change of the configuration.
    pub(crate) fn with(fates: &[Fate], change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let emr = EmrEndpoint::start(fates, work);
        let base = folder.path().to_str().unwrap();
        let url = emr.url();
        let config = format!(
            "aws:
  access_key_id: AKIATEST
  secret_access_key: topsecretkey
  s3:
    region: eu-west-1
    buckets:
      assets: s3://snowplow-hosted-assets
      jsonpath_assets:
      log: {base}/log
      encrypted: false
      raw:
        in: [{base}/in]
        processing: {base}/processing
        archive: {base}/archive/raw
      enriched:
        good: {base}/enriched/good
        bad: {base}/enriched/bad
        errors:
        archive: {base}/archive/enriched
      shredded:
        good: {base}/shredded/good
        bad: {base}/shredded/bad
        errors:
        archive: {base}/archive/shredded
  emr:
    ami_version: 5.9.0
    region: us-east-1
    jobflow_role: EMR_EC2_DefaultRole
    service_role: EMR_DefaultRole
    placement:
    ec2_subnet_id: subnet-0123456
    ec2_key_name: acme
    security_configuration: acme-emr-encrypted
    bootstrap: [s3://acme/one.sh, s3://acme/two.sh]
    software: {{hbase: , lingual: }}
    jobflow:
      job_name: Snowplow ETL
      master_instance_type: m4.large
      core_instance_count: 2
      core_instance_type: r4.xlarge
      core_instance_ebs: {{volume_size: 100, volume_type: gp2, volume_iops: 400, ebs_optimized: false}}
      task_instance_count: 3
      task_instance_type: m4.large
      task_instance_bid: 0.015
    bootstrap_failure_tries: 3
    configuration:
      yarn-site: {{yarn.resourcemanager.am.max-attempts: '1'}}
      spark: {{maximizeResourceAllocation: 'true'}}
    additional_info: '{{\"a\": 1}}'
collectors:
  format: cloudfront
enrich:
  versions: {{spark_enrich: 1.14.0}}
  continue_on_unexpected_error: false
  output_compression: GZIP
storage:
  versions: {{rdb_loader: 0.14.0, rdb_shredder: 0.13.1, hadoop_elasticsearch: 0.1.0}}
monitoring:
  tags: {{pipeline: main}}
  logging: {{level: DEBUG}}
camonica:
  workers: 1
  engine_binary: {base}/camonica-engine
  emr_endpoint: {url}
  emr_poll: 50ms
  emr_bootstrap_pause: 100ms
  aws_timeout: 20s
"
        );
        fs::write(folder.path().join("camonica-engine"), program()).unwrap();
        fs::write(folder.path().join("config.yml"), change(config)).unwrap();
        fs::write(
            folder.path().join("resolver.json"),
            support::fixtures_resolver(),
        )
        .unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let pipeline = Self { folder, emr };
        let corpus = Corpus {
            seed: 5,
            format: Format::Cloudfront,
            bytes: 20_000,
            files: 3,
            gzip: true,
            mix: Mix {
                malformed: 0.1,
                ..Mix::default()
            },
        };
        corpus.write(&pipeline.path("in")).unwrap();
        pipeline
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, command: &[&str], more: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_camonica"));
        process
            .args(command)
            .args(["--config", &self.text("config.yml")])
            .args(["--resolver", &self.text("resolver.json")])
            .args(more)
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        process
    }

    /// Runs the program to its end: exit code, standard output, standard error.
    pub(crate) fn answer(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        answer_of(self.command(&[command], more).output().unwrap())
    }

    pub(crate) fn run(&self) -> (i32, String, String) {
        self.answer("run", &["--run-id", RUN])
    }

    pub(crate) fn start(&self) -> Child {
        self.command(&["run"], &["--run-id", RUN])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn files(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let root = self.path(name);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found
    }

    /// That the run went to its end: nothing is left where runs begin, everything is in the archives.
    pub(crate) fn assert_done(&self) {
        for empty in ["in", "processing", "enriched/good", "shredded/good"] {
            assert_eq!(self.files(empty), BTreeSet::new(), "{empty}");
        }
        let enriched = self.files("archive/enriched");
        assert!(
            enriched.contains(&format!("run={RUN}/_SUCCESS")),
            "{enriched:?}"
        );
        assert!(
            enriched.iter().any(|name| name.ends_with(".gz")),
            "{enriched:?}"
        );
        let shredded = self.files("archive/shredded");
        assert!(
            shredded.contains(&format!("run={RUN}/atomic-events/_SUCCESS")),
            "{shredded:?}"
        );
        assert_eq!(self.files("archive/raw").len(), 3);
        let log = self.files(&format!("log/camonica/{RUN}"));
        assert!(
            !log.iter().any(|name| name.starts_with("documents/")),
            "documents were left: {log:?}"
        );
    }
}

pub(crate) fn answer_of(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    assert!(
        !out.contains("topsecretkey") && !err.contains("topsecretkey"),
        "a secret was printed"
    );
    (output.status.code().expect("an exit code"), out, err)
}
