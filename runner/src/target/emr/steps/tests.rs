//! Arguments of steps, against the reference's.

use std::path::PathBuf;

use fixtures::configuration::{Aws, JOBS};
use serde_json::json;

use super::*;
use crate::config::targets::Purpose;
use crate::plan::{self, Facts, Mode, Options};
use crate::target::emr::{distcp_steps, flow};

/// A whole batch configuration on S3 and EMR.
fn batch() -> String {
    let aws = Aws {
        region: "us-east-1",
        ..Aws::acme()
    };
    format!(
        "{aws}  emr:
    ami_version: 5.9.0
    region: us-east-1
    jobflow_role: EMR_EC2_DefaultRole
    service_role: EMR_DefaultRole
    placement: eu-west-1a
    ec2_subnet_id:
    ec2_key_name: acme
    bootstrap: [s3://acme/one.sh]
    software: {{hbase: 0.92.0, lingual: '1.1'}}
    jobflow:
      job_name: Snowplow ETL
      master_instance_type: m4.large
      core_instance_count: 2
      core_instance_type: r4.xlarge
      core_instance_ebs: {{volume_size: 100, volume_type: io1, volume_iops: 400}}
      task_instance_count: 0
      task_instance_type: m4.large
      task_instance_bid: 0.015
    bootstrap_failure_tries: 3
    configuration:
collectors: {{format: thrift}}
{JOBS}"
    )
}

const RESOLVER: &str = "{\"schema\": \"resolver\",\n \"apikey\": \"secret\"}\n";

fn target(name: &str, purpose: Purpose, data: Value) -> StorageTarget {
    StorageTarget {
        file: PathBuf::from(format!("{name}.json")),
        kind: "redshift_config",
        schema: "iglu:com.acme/redshift_config/jsonschema/1-0-0".into(),
        name: name.into(),
        id: None,
        purpose,
        document: json!({ "schema": "iglu:com.acme/redshift_config/jsonschema/1-0-0", "data": data }),
    }
}

/// What one test needs of a run.
struct Case {
    config: Config,
    storage: StorageTargets,
    plan: Plan,
}

impl Case {
    fn new(change: impl FnOnce(String) -> String, options: &Options) -> Self {
        let config = Config::parse(&change(batch()), &|_| None).unwrap();
        let plan = plan::plan(
            options,
            &Facts {
                mode: config.mode(),
                format: &config.format,
                rdb_loader: config.versions.rdb_loader.as_deref(),
                ..Facts::default()
            },
        )
        .unwrap();
        Self {
            config,
            storage: StorageTargets::default(),
            plan,
        }
    }

    fn job(&self) -> Job<'_> {
        Job {
            config: &self.config,
            emr: self.config.emr.as_ref().unwrap(),
            storage: &self.storage,
            plan: &self.plan,
            run_id: "2018-07-24-10-00-00",
            etl_tstamp_ms: 1_532_426_400_000,
            resolver: RESOLVER,
        }
    }
}

fn stream(config: String) -> String {
    let with = "    bad: s3://acme-out/enriched/bad\n        stream: s3://acme-loader/enriched\n";
    config.replace("    bad: s3://acme-out/enriched/bad\n", with)
}

fn options(skip: &[&str], include: &[&str]) -> Options {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Options {
        skip: list(skip),
        include: list(include),
        ..Options::default()
    }
}

#[test]
fn arguments_of_the_loader_by_version() {
    let data = json!({ "name": "Acme", "password": "hush", "port": 5439 });
    let acme = target("Acme", Purpose::EnrichedEvents, data);
    for (loader, is_stream, skip, include, tail) in [
        ("0.13.0", false, &[][..], &[][..], &[][..]),
        ("0.14.0", false, &[], &[], &[]),
        ("0.15.0", false, &[], &[], &[]),
        ("0.16.0", false, &[], &[], &[]),
        ("0.13.0", true, &[], &[], &[]),
        ("0.14.0", true, &[], &[], &[]),
        ("0.15.0-rc4", true, &[], &[], &[]),
        ("0.15.0-rc5", true, &[], &[], &["--skip", "load_manifest"]),
        ("0.15.0", true, &[], &[], &["--skip", "load_manifest"]),
        ("0.16.0", true, &[], &[], &["--skip", "load_manifest"]),
        (
            "0.14.0",
            false,
            &["consistency_check", "analyze"],
            &["vacuum"],
            &["--skip", "analyze,consistency_check", "--include", "vacuum"],
        ),
        (
            "0.16.0",
            true,
            &["load_manifest_check", "analyze"],
            &[],
            &["--skip", "analyze,load_manifest_check,load_manifest"],
        ),
    ] {
        let change = |config: String| {
            let config = config.replace("rdb_loader: 0.14.0", &format!("rdb_loader: {loader}"));
            if is_stream { stream(config) } else { config }
        };
        let mut case = Case::new(change, &options(skip, include));
        case.storage.enriched_events = vec![acme.clone()];
        // what the journal keeps of a plan is enough to resume it
        let list = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let kept = Plan::of(case.plan.mode, case.plan.steps.clone()).with_loader(
            &list(&case.plan.loader_skip),
            &list(&case.plan.loader_include),
        );
        assert_eq!(kept, case.plan);
        let steps = case.job().load(&["c0ffee".into()]);
        assert_eq!(steps.len(), 1);
        assert_eq!(
            steps[0].name,
            "Elasticity Custom Jar Step: Load Acme Storage Target"
        );
        assert_eq!(
            steps[0].jar,
            format!(
                "s3://snowplow-hosted-assets/4-storage/rdb-loader/snowplow-rdb-loader-{loader}.jar"
            )
        );
        let args = &steps[0].args;
        let options: Vec<&str> = args[..8].iter().step_by(2).map(String::as_str).collect();
        assert_eq!(options, ["--config", "--resolver", "--logkey", "--target"]);
        assert_eq!(args[8..], *tail, "{loader} {is_stream} {skip:?}");
        let decoded =
            |index: usize| String::from_utf8(STANDARD.decode(&args[index]).unwrap()).unwrap();
        let config = decoded(1);
        assert!(config.starts_with("---\n"), "{config}");
        assert!(
            !config.contains("topsecret") && !config.contains("AKIATEST"),
            "{config}"
        );
        assert!(config.contains("s3://acme-log/"), "{config}");
        assert_eq!(decoded(3), RESOLVER);
        assert_eq!(
            args[5],
            "s3://acme-log/rdb-loader/2018-07-24-10-00-00/c0ffee"
        );
        assert_eq!(steps[0].log.as_deref(), Some(args[5].as_str()));
        let sent: Value = serde_json::from_str(&decoded(7)).unwrap();
        assert_eq!(sent, acme.document);
    }
}

#[test]
fn arguments_of_the_shredder_by_version() {
    let manifest =
        json!({ "processingManifest": { "amazonDynamoDb": { "tableName": "manifest" } } });
    for (shredder, with_manifest, with_duplicates, expected) in [
        ("0.13.0", true, false, ""),
        ("0.13.1", true, true, "--duplicate-storage-config d "),
        (
            "0.14.0-rc1",
            true,
            false,
            "--processing-manifest-table manifest --item-id out ",
        ),
        ("0.14.0", false, false, ""),
        (
            "0.14.0",
            true,
            true,
            "--duplicate-storage-config d --processing-manifest-table manifest --item-id out ",
        ),
        (
            "0.15.0",
            true,
            false,
            "--processing-manifest-table manifest --item-id out ",
        ),
        (
            "0.16.0",
            true,
            false,
            "--processing-manifest-table manifest --item-id out ",
        ),
    ] {
        let mut case = Case::new(
            |config| config.replace("rdb_shredder: 0.13.1", &format!("rdb_shredder: {shredder}")),
            &Options::default(),
        );
        let plain = target("plain", Purpose::EnrichedEvents, json!({}));
        case.storage.enriched_events.push(plain);
        if with_manifest {
            case.storage.enriched_events.push(target(
                "m",
                Purpose::EnrichedEvents,
                manifest.clone(),
            ));
        }
        if with_duplicates {
            case.storage.duplicate_tracking =
                Some(target("d", Purpose::DuplicateTracking, json!({})));
        }
        let args = case
            .job()
            .shredder_arguments("r", "d", "in", "out", "bad")
            .join(" ");
        assert_eq!(
            args,
            format!(
                "--iglu-config r {expected}--input-folder in --output-folder out --bad-folder bad"
            ),
            "{shredder}"
        );
    }
}

#[test]
fn steps_of_the_engine_hold_no_secrets() {
    let case = Case::new(
        |config| config + "camonica: {kms_key: alias/acme, memory_limit: 2G, skip_corrupt: true}\n",
        &Options::default(),
    );
    let paths = Paths {
        input: "s3://acme-work/processing/*".into(),
        output: "s3://acme-out/enriched/good/run=2018-07-24-10-00-00/".into(),
        bad: "s3://acme-out/enriched/bad/run=2018-07-24-10-00-00/".into(),
        errors: Some("s3://acme-errors/".into()),
    };
    let step = case.job().enrich(&paths, "0a");
    assert_eq!(
        (step.name.as_str(), step.jar.as_str()),
        ("Camonica Step: Enrich Raw Events", "command-runner.jar")
    );
    assert_eq!(
        step.args.join(" "),
        "/home/hadoop/camonica/step s3://acme-log/camonica/2018-07-24-10-00-00/documents/ s3://acme-log/camonica/2018-07-24-10-00-00/emr/enrich-0a.log aws:kms:alias/acme \
enrich --input-format thrift --etl-timestamp 1532426400000 --iglu-config documents:resolver.json --enrichments documents:enrichments.json \
--input-folder s3://acme-work/processing/* --output-folder s3://acme-out/enriched/good/run=2018-07-24-10-00-00/ --bad-folder s3://acme-out/enriched/bad/run=2018-07-24-10-00-00/ \
--continue-on-unexpected-error --errors-folder s3://acme-errors/ --output-compression gzip --run-id 2018-07-24-10-00-00 --log-folder s3://acme-log/ --progress none \
--s3-region us-east-1 --memory-limit 2147483648 --kms-key-id alias/acme --encrypted --skip-corrupt"
    );
    let shred = case.job().shred(&paths, "0a");
    let text = shred.args.join(" ");
    assert!(
        text.contains(" shred --iglu-config documents:resolver.json --input-folder "),
        "{text}"
    );
    for text in [text, step.args.join(" ")] {
        assert!(!text.contains("secret") && !text.contains("AKIA"), "{text}");
    }
}

#[test]
fn the_sink_to_elasticsearch() {
    let data = json!({ "host": "es.acme.com", "port": 9200, "index": "bad", "type": "rows", "nodesWanOnly": null });
    let mut case = Case::new(|config| config, &Options::default());
    case.storage.failed_events = vec![target("ES", Purpose::FailedEvents, data)];
    let steps = case.job().elasticsearch();
    assert_eq!(steps.len(), 2);
    assert_eq!(
        steps[0].name,
        "Elasticity Scalding Step: Errors in s3://acme-out/enriched/bad/run=2018-07-24-10-00-00/ -> Elasticsearch: ES"
    );
    assert_eq!(
        steps[0].jar,
        "s3://snowplow-hosted-assets/4-storage/hadoop-elasticsearch-sink/hadoop-elasticsearch-sink-0.1.0.jar"
    );
    let line = "com.snowplowanalytics.snowplow.storage.hadoop.ElasticsearchJob --hdfs --input s3://acme-out/enriched/bad/run=2018-07-24-10-00-00/ --host es.acme.com --port 9200 --index bad --type rows --delay 60";
    assert_eq!(steps[0].args.join(" "), line);
    assert_eq!(
        steps[1].args.join(" "),
        line.replace("enriched", "shredded")
            .replace(" --delay 60", "")
    );
    case.plan = Plan::of(Mode::Batch, vec![StepName::Elasticsearch]);
    assert!(case.job().elasticsearch().is_empty());
}

#[test]
fn arguments_that_are_too_long_are_refused() {
    let mut step = Case::new(|config| config, &Options::default())
        .job()
        .debugging();
    step.args = vec!["--config".into(), "x".repeat(LONGEST_ARGUMENT)];
    assert_eq!(step.check(), Ok(()));
    step.args[1].push('x');
    let error = step.check().unwrap_err();
    assert!(
        error.contains("--config has 10281 characters, and EMR takes 10280"),
        "{error}"
    );
    assert_eq!(named("é".repeat(300)).chars().count(), 256);
}

#[test]
fn small_steps_of_the_reference() {
    let case = Case::new(|config| config, &Options::default());
    let debugging = case.job().debugging();
    assert_eq!(debugging.name, "Elasticity Setup Hadoop Debugging");
    // the placement names the region
    assert_eq!(
        debugging.jar,
        "s3://eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar"
    );
    assert_eq!(
        debugging.args,
        ["s3://eu-west-1.elasticmapreduce/libs/state-pusher/0.1/fetch"]
    );
    let hbase = case.job().hbase().unwrap();
    assert_eq!(
        (hbase.name.as_str(), hbase.jar.as_str()),
        ("Start HBase 0.92.0", "/home/hadoop/lib/hbase-0.92.0.jar")
    );
    assert_eq!(hbase.args, ["emr.hbase.backup.Main", "--start-master"]);
}

#[test]
fn a_job_flow_with_the_other_settings() {
    let case = Case::new(|config| config, &Options::default());
    let job = case.job();
    let make = |has_jars: bool| {
        flow::JobFlow::new(job.config, job.emr, None, has_jars, Vec::new(), Vec::new()).unwrap()
    };
    let made = make(true);
    assert_eq!(made.place, flow::Place::Zone("eu-west-1a".into()));
    assert_eq!(made.groups.len(), 2);
    let volume = made.groups[1].ebs.as_ref().unwrap();
    assert_eq!((volume.iops, volume.optimized), (Some(400), true));
    assert_eq!(made.applications, ["Hadoop"]);
    let names: Vec<&str> = made
        .configurations
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["core-site", "mapred-site"]);
    let actions: Vec<(&str, &[String])> = made
        .bootstrap
        .iter()
        .map(|each| (each.path.as_str(), &each.args[..]))
        .collect();
    assert_eq!(
        actions,
        [
            ("s3://acme/one.sh", &[][..]),
            (
                "s3://snowplow-hosted-assets/common/emr/snowplow-ami5-bootstrap-0.1.0.sh",
                &["1.10".to_owned()][..]
            ),
            (
                "s3://eu-west-1.elasticmapreduce/bootstrap-actions/setup-hbase",
                &[][..]
            ),
            (
                "s3://files.concurrentinc.com/lingual/1.1/lingual-client/install-lingual-client.sh",
                &[][..]
            ),
        ]
    );
    assert_eq!(make(false).bootstrap.len(), 3);
    for (ami, enrich, script) in [
        (
            "4.5.0",
            "1.8.0",
            ("snowplow-ami4-bootstrap-0.2.0.sh", "1.5"),
        ),
        (
            "5.0.0",
            "1.9.0",
            ("snowplow-ami5-bootstrap-0.1.0.sh", "1.10"),
        ),
    ] {
        let change = |config: String| config.replace("5.9.0", ami).replace("1.14.0", enrich);
        let case = Case::new(change, &Options::default());
        let job = case.job();
        let made =
            flow::JobFlow::new(job.config, job.emr, None, true, Vec::new(), Vec::new()).unwrap();
        assert!(made.bootstrap[1].path.ends_with(script.0), "{ami}");
        assert_eq!(made.bootstrap[1].args, [script.1]);
        assert_eq!(made.release_label, format!("emr-{ami}"));
    }
}

#[test]
fn copies_of_playbooks_are_the_references() {
    let case = Case::new(|config| config, &Options::default());
    let staging = distcp_steps::staging(&case.config, "5.9.0");
    assert_eq!(staging.len(), 2);
    assert_eq!(
        staging[0].name,
        "Elasticity S3DistCp Step: Raw s3://acme-a/ -> Raw Staging S3"
    );
    assert_eq!(
        staging[0].jar,
        "/usr/share/aws/emr/s3-dist-cp/lib/s3-dist-cp.jar"
    );
    assert_eq!(
        staging[0].args.join(" "),
        "--src s3://acme-a/ --dest s3://acme-work/processing/ --s3Endpoint s3.amazonaws.com --srcPattern .+ --deleteOnSuccess --s3ServerSideEncryption"
    );
    let tomcat = Case::new(
        |config| {
            config
                .replace("format: thrift", "format: clj-tomcat")
                .replace("encrypted: true", "encrypted: false")
                .replace("s3:\n    region: us-east-1", "s3:\n    region: eu-west-1")
        },
        &Options::default(),
    );
    assert_eq!(
        distcp_steps::staging(&tomcat.config, "5.9.0")[1]
            .args
            .join(" "),
        r"--src s3n://acme-b/x/ --dest s3://acme-work/processing/ --s3Endpoint s3-eu-west-1.amazonaws.com --srcPattern .*localhost\_access\_log.*\.txt.* --deleteOnSuccess --groupBy .*/_*(.+)"
    );
    let stream = Case::new(stream, &Options::default());
    let step = distcp_steps::staging_stream_enrich(&stream.config, "5.9.0", "R").unwrap();
    assert_eq!(
        step.name,
        "Elasticity S3DistCp Step: Stream Enriched s3://acme-loader/enriched/ -> Enriched Staging S3"
    );
    assert_eq!(
        step.args.join(" "),
        "--src s3://acme-loader/enriched/ --dest s3://acme-out/enriched/good/run=R/ --s3Endpoint s3.amazonaws.com --srcPattern .*.gz --deleteOnSuccess --s3ServerSideEncryption"
    );
    let raw = distcp_steps::archive_raw(&case.config, "5.9.0", "R").unwrap();
    assert_eq!(
        raw.name,
        "Elasticity S3DistCp Step: Raw Staging S3 -> Raw Archive S3"
    );
    assert_eq!(
        raw.args.join(" "),
        "--src s3://acme-work/processing/ --dest s3://acme-archive/raw/run=R/ --s3Endpoint s3.amazonaws.com --deleteOnSuccess --s3ServerSideEncryption"
    );
    for (step, is_found, name) in [
        (
            StepName::ArchiveEnriched,
            false,
            "Enriched S3 -> Enriched Archive S3",
        ),
        (
            StepName::ArchiveEnriched,
            true,
            "Enriched S3 -> S3 Enriched Archive",
        ),
        (
            StepName::ArchiveShredded,
            false,
            "Shredded S3 -> Shredded Archive S3",
        ),
        (
            StepName::ArchiveShredded,
            true,
            "Shredded S3 -> S3 Shredded Archive",
        ),
    ] {
        let made = distcp_steps::archive_good(&case.config, "5.9.0", step, "R", is_found).unwrap();
        assert_eq!(made.name, format!("Elasticity S3DistCp Step: {name}"));
        assert!(made.args[1].ends_with("/good/run=R/") && made.args[3].ends_with("/run=R/"));
    }
}
