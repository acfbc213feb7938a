//! Target `emr` of the program `camonica`, against a scripted EMR on loopback: whole runs with their exit codes, texts, calls
//! and the command that goes on. Steps of the engine do their real work, so that outputs are real, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
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
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use camonica::{Answer, RUN, RunFolder, answer};
use clap::{Parser, Subcommand};
use emr_endpoint::{EmrEndpoint, Fate};
use engine::cli::enrich::EnrichArguments;
use engine::cli::shred::ShredArguments;
use fixtures::configuration::{Aws, JOBS};
use fixtures::{Corpus, Format, Mix};

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

/// What must never be printed.
const SECRET: &str = "topsecretkey";

impl RunFolder for Pipeline {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn answer(&self, command: &str, more: &[&str]) -> Answer {
        let (code, out, err) = answer(&mut self.command(command, more));
        assert!(
            !out.contains(SECRET) && !err.contains(SECRET),
            "a secret was printed"
        );
        (code, out, err)
    }
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
        let aws = Aws {
            keys: ["AKIATEST", SECRET],
            ..Aws::below(base)
        };
        let jobs = JOBS.replace("level: INFO", "level: DEBUG");
        let config = format!(
            "{aws}  emr:
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
{jobs}camonica:
  workers: 1
  engine_binary: {base}/camonica-engine
  emr_endpoint: {url}
  emr_poll: 50ms
  emr_bootstrap_pause: 100ms
  aws_timeout: 20s
"
        );
        let pipeline = Self { folder, emr };
        pipeline.write("camonica-engine", program());
        pipeline.write_documents(&change(config));
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

    pub(crate) fn run(&self) -> Answer {
        self.answer("run", &["--run-id", RUN])
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
