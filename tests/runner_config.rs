//! `config.yml` and the other documents, through the program: samples, mistakes, and the checks of EmrEtlRunner R108 with
//! their texts, exit codes and streams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
#[path = "runner_config/documents.rs"]
mod documents;
#[path = "runner_config/mistakes.rs"]
mod mistakes;
mod support;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use camonica::{Answer, RunFolder, answer_to, camonica};
use fixtures::configuration::{Aws, JOBS};

/// A whole configuration of made-up names.
static CONFIG: LazyLock<String> = LazyLock::new(|| {
    let aws = Aws {
        keys: [
            "<%= ENV['CAMONICA_TEST_KEY'] %>",
            "<%= ENV['CAMONICA_TEST_SECRET'] %>",
        ],
        inputs: "\n          - s3://acme-collector-a\n          - s3://acme-collector-b".into(),
        ..Aws::acme()
    };
    format!(
        "{aws}  emr:
    ami_version: 5.9.0
    region: eu-west-1
    jobflow_role: EMR_EC2_DefaultRole
    service_role: EMR_DefaultRole
    placement:
    ec2_subnet_id: subnet-0123456
    ec2_key_name: acme
    security_configuration: acme-encrypted
    bootstrap: []
    software: {{hbase: , lingual: }}
    jobflow:
      job_name: Acme ETL
      master_instance_type: m4.large
      core_instance_count: 2
      core_instance_type: r4.xlarge
      core_instance_ebs: {{volume_size: 100, volume_type: gp2, volume_iops: 400, ebs_optimized: yes}}
      task_instance_count: 0
      task_instance_type: m4.large
      task_instance_bid: 0.015
    bootstrap_failure_tries: 3
    configuration:
      yarn-site: {{yarn.resourcemanager.am.max-attempts: \"1\"}}
    additional_info:
collectors:
  format: thrift
{JOBS}  snowplow: {{method: post, protocol: https, port: 443, app_id: batch, collector: c.acme.com}}
camonica:
  target: local
  workers: 2
  memory_limit: 512M
  skip_corrupt: no
  spill_directories: [/mnt/a, /mnt/b]
  kms_key: alias/acme
  s3_endpoint: http://127.0.0.1:9000
  enrichment_data: /opt/data
  exchange_rates_endpoint: http://127.0.0.1:8080
  min_age: 10m
  aws_timeout: 15m
  hosts: []
  metrics_file: /tmp/camonica.prom
"
    )
});

/// A folder for the documents of a test.
struct Place {
    folder: tempfile::TempDir,
}

impl RunFolder for Place {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write_documents(&CONFIG);
        place
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, "")
    }

    /// Runs the program in the folder, with a standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Answer {
        let mut process = camonica(arguments);
        process
            .current_dir(self.folder())
            .env_remove("CAMONICA_TEST_KEY")
            .env_remove("CAMONICA_TEST_SECRET");
        answer_to(&mut process, input)
    }

    fn lint(&self, config: &str) -> Answer {
        self.run_with(&["lint", "config", "-c", "-"], config)
    }
}

#[test]
fn both_samples_of_the_reference_are_good_once_they_are_filled_in() {
    let Some(shared) = support::shared("samples of configurations") else {
        return;
    };
    let place = Place::new();
    for name in ["config.yml.sample", "stream_config.yml.sample"] {
        let file = shared.join("data/config-samples/emr-etl-runner").join(name);
        let Ok(sample) = fs::read_to_string(&file) else {
            println!(
                "SKIPPED: samples of configurations: {} is not there",
                file.display()
            );
            continue;
        };
        // a whole aws.emr asks for a cluster, unless another target is named
        let sample = sample + "\ncamonica: {target: local}\n";
        // as it comes, every place that is to be filled in is told, and none twice
        let (code, _, err) = place.lint(&sample);
        let told = err
            .lines()
            .filter(|line| line.contains("the placeholder ADD HERE"))
            .count();
        let to_fill = sample
            .lines()
            .take_while(|line| !line.contains("  emr:"))
            .filter(|line| line.contains("ADD HERE"));
        assert_eq!((code, told), (1, to_fill.count() + 2), "{name}: {err}");
        let filled: String = sample.lines().enumerate().map(fill).collect();
        let (code, out, err) = place.lint(&filled);
        assert_eq!((code, err.as_str()), (0, ""), "{name}\n{out}");
        assert!(out.ends_with("Valid configuration\n"), "{out}");
        assert!(
            out.contains("ignored EMR settings: ami_version, region, "),
            "{out}"
        );
        let is_stream = name.starts_with("stream");
        assert_eq!(
            out.contains("enrich.versions.spark_enrich: ignored in Stream Enrich mode"),
            is_stream,
            "{out}"
        );
    }
}

/// A line of a sample with something in the place of `ADD HERE`.
fn fill((index, line): (usize, &str)) -> String {
    let key = line.trim().split(':').next().unwrap_or_default();
    let value = match key {
        "region" => "eu-west-1".to_owned(),
        "placement" => String::new(),
        "app_id" | "collector" | "ec2_subnet_id" | "ec2_key_name" | "security_configuration" => {
            "acme".to_owned()
        }
        _ => format!("s3://acme-{index}/folder"),
    };
    line.replace("ADD HERE", &value) + "\n"
}

#[test]
fn unknown_keys_are_warnings_in_a_run_and_mistakes_in_lint() {
    let place = Place::new();
    let config = CONFIG
        .replace("s3://", "data/")
        .replace("  workers: 2", "  wokers: 2")
        .replace("  kms_key: alias/acme\n", "");
    place.write("config.yml", &config);
    let (code, _, err) = place.run(&["lint", "config", "-c", "config.yml"]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "Configuration file 'config.yml':\ncamonica.wokers: unknown key (line 65; is workers meant?)\n"
    );
    let (code, out, _) = place.run(&["run", "-c", "config.yml", "-r", "resolver.json"]);
    assert_eq!(code, 3, "{out}");
    let warning =
        " WARN -- : configuration: camonica.wokers: unknown key (line 65; is workers meant?)";
    assert!(out.lines().any(|line| line.ends_with(warning)), "{out}");
    let ignored = " INFO -- : ignored EMR settings: ami_version, region, jobflow_role, service_role, ec2_subnet_id, ec2_key_name, security_configuration, bootstrap, software, jobflow, bootstrap_failure_tries, configuration";
    assert!(out.lines().any(|line| line.ends_with(ignored)), "{out}");
}

#[test]
fn templates_and_standard_input() {
    let place = Place::new();
    let config = CONFIG.replace(
        "region: eu-west-1\n    buckets",
        "region: <%= ENV['CAMONICA_TEST_KEY'] %>\n    buckets",
    );
    let (_, _, err) = place.lint(&config);
    assert_eq!(
        err,
        "Configuration file '-':\naws.s3.region: expected a text, found nothing (line 5; environment variable CAMONICA_TEST_KEY is not set)\n"
    );
    let config = config.replace(
        "['CAMONICA_TEST_KEY'] %>\n    b",
        "['CAMONICA_TEST_KEY'] || 'eu-west-1' %>\n    b",
    );
    assert_eq!(place.lint(&config).0, 0);
    let (code, _, err) = place.lint(&CONFIG.replace("ENV['CAMONICA_TEST_KEY']", "`aws sts`"));
    assert_eq!(code, 1);
    assert!(err.contains("line 2: `<%= `aws sts`%>` is template code that is not supported: use <%= ENV['NAME'] %>"), "{err}");
    let (code, _, err) = place.lint(&CONFIG.replace("  s3:\n", "\ts3:\n"));
    assert_eq!(code, 1);
    assert!(
        err.contains("not YAML: line ") && err.contains("indented with a tab"),
        "{err}"
    );
}

#[test]
fn checks_of_the_command_line_have_the_texts_of_the_reference() {
    let place = Place::new();
    place.write(
        "local.yml",
        CONFIG
            .replace("s3://", "data/")
            .replace("  kms_key: alias/acme\n", ""),
    );
    place.write(
        "stream.yml",
        CONFIG
            .replace("s3://", "data/")
            .replace("  kms_key: alias/acme\n", "")
            .replace(
                "        errors:\n        archive: data/acme-archive/enriched",
                "        stream: data/loader\n        archive: data/acme-archive/enriched",
            ),
    );
    let resumable = "enrich, shred, elasticsearch, archive_raw, rdb_load, analyze, archive_enriched, archive_shredded, staging_stream_enrich";
    let skippable = "staging, enrich, shred, elasticsearch, archive_raw, rdb_load, consistency_check, analyze, load_manifest_check, archive_enriched, archive_shredded, staging_stream_enrich";
    let run = |config: &'static str, more: &[&'static str]| {
        let mut arguments = vec!["run", "-c", config, "-r", "resolver.json"];
        arguments.extend(more);
        arguments
    };
    let cases: Vec<(Vec<&str>, String)> = vec![
        (vec!["run", "--foo"], "invalid option: --foo\nRuns the pipeline".into()),
        (vec!["run", "--config"], "missing argument: --config\nRuns the pipeline".into()),
        (vec!["run", "-r", "x"], "Missing option: config\n".into()),
        (vec!["run", "-c", "none.yml", "-r", "none"], "Configuration file 'none.yml' does not exist, or is not a file\n".into()),
        (vec!["lint", "all", "-r", "x"], "Missing option: enrichments\nChecks a resolver and the enrichments".into()),
        (vec!["lint", "enrichments", "-r", "resolver.json", "-n", "none"], "Enrichments directory 'none' does not exist, or is not a directory\n".into()),
        (run("local.yml", &["-n", "none"]), "Enrichments directory 'none/' does not exist, or is not a directory\n".into()),
        (vec!["run", "-c", "local.yml"], "Missing option: resolver\n".into()),
        (vec!["run", "-c", "local.yml", "-r", "none"], "Iglu resolver file 'none' does not exist, or is not a file\n".into()),
        (run("local.yml", &["-t", "none"]), "Targets directory 'none' does not exist, or is not a directory\n".into()),
        (run("local.yml", &["-f", "staging", "-x", "nothing"]), format!("Invalid option: resume-from can be {resumable} not 'staging'\n")),
        (run("local.yml", &["-x", "stage", "-f", "shred"]), format!("Invalid option: skip can be {skippable} not 'stage'\n")),
        (run("local.yml", &["-x", "staging", "-f", "shred"]), "resume-from and skip are mutually exclusive\n".into()),
        (run("local.yml", &["-f", "staging_stream_enrich"]), "staging_stream_enrich is invalid step to resume from without aws.s3.buckets.enriched.stream settings\n".into()),
        (run("stream.yml", &["-f", "enrich"]), "cannot resume from enrich in stream enrich mode\n".into()),
        (run("stream.yml", &["-x", "enrich"]), "cannot skip staging nor enrich in stream enrich mode. Either skip staging_stream_enrich or resume from shred\n".into()),
        (run("stream.yml", &["-x", "archive_raw"]), "cannot skip nor resume from archive_raw in stream enrich mode\n".into()),
        (run("local.yml", &["-i", "cleaning"]), "Invalid option: include can be vacuum not 'cleaning'\n".into()),
        (run("local.yml", &["--max-files", "none"]), "--max-files: expected a number of at least 1, found 'none'\n".into()),
        (run("local.yml", &["--max-bytes", "lots"]), "--max-bytes: `lots` is no size".into()),
        (run("local.yml", &["--timeout", "soon"]), "--timeout: 'soon' is no time: expected one such as 90s, 15m, 2h or 1d\n".into()),
        (run("local.yml", &["--run-id", "../x"]), "--run-id ../x: expected digits and dashes".into()),
        (vec!["generate", "emr-config", "-c", "x"], "Missing option: resolver\n".into()),
    ];
    for (arguments, text) in cases {
        // the id of a run is looked at after the emptiness checks
        if arguments.contains(&"--run-id") {
            place.write("data/acme-collector-a/log.lzo", "x");
        }
        let (code, out, err) = place.run(&arguments);
        assert_eq!(code, 1, "{arguments:?}: {out}{err}");
        assert!(err.starts_with(&text), "{arguments:?}: {err}");
    }
    // long options may be shortened
    let (code, _, err) = place.run(&["run", "--conf", "none.yml", "--resol", "x"]);
    assert!(
        code == 1 && err.starts_with("Configuration file 'none.yml'"),
        "{err}"
    );
    for (arguments, text) in [
        (&[][..], "Empty command!\nCarries batches"),
        (&["walk"], "Invalid command: walk\nCarries batches"),
        (
            &["walk", "home"],
            "Invalid command: walk home\nCarries batches",
        ),
        (
            &["lint", "home"],
            "Invalid command: lint home\nCarries batches",
        ),
        (&["lint"], "Invalid command: lint\n"),
    ] {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, err.as_str()), (1, ""), "{arguments:?}: {out}");
        assert!(out.starts_with(text), "{arguments:?}: {out}");
    }
    // targets other than this machine
    place.write(
        "emr.yml",
        CONFIG
            .replace("target: local", "target: emr")
            .replace("s3://", "data/")
            .replace("  kms_key: alias/acme\n", "")
            .replace("placement:\n", "placement: eu-west-1a\n"),
    );
    let (code, _, err) = place.run(&run("emr.yml", &[]));
    assert_eq!(code, 1);
    assert!(
        err.starts_with("Step staging failed: aws.s3.buckets.log: the nodes of a cluster cannot reach data/acme-log/"),
        "{err}"
    );
}

#[test]
fn archives_that_are_needed_must_be_set() {
    let place = Place::new();
    let config = CONFIG
        .replace("s3://", "data/")
        .replace("archive: data/acme-archive/enriched", "archive:")
        .replace("archive: data/acme-archive/shredded", "archive:")
        .replace("  kms_key: alias/acme\n", "");
    place.write("config.yml", &config);
    let (code, _, err) = place.run(&["run", "-c", "config.yml", "-r", "resolver.json"]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "aws.s3.buckets.enriched.archive: expected a folder, found nothing (or run with --skip archive_enriched)\n\
         aws.s3.buckets.shredded.archive: expected a folder, found nothing (or run with --skip archive_shredded)\n"
    );
    let (code, out, _) = place.run(&[
        "run",
        "-c",
        "config.yml",
        "-r",
        "resolver.json",
        "-x",
        "archive_enriched,archive_shredded",
    ]);
    assert_eq!(code, 3, "{out}");
}
