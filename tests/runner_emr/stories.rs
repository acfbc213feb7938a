//! What can happen to a run on a cluster, and what the operator sees.

#[path = "told.rs"]
mod told;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Pipeline;
use crate::camonica::{RUN, RunFolder};
use crate::emr_endpoint::{End, Fate, Fault};
use crate::support::gzip;

/// The failure text of the reference, with our command.
fn assert_failed(code: i32, out: &str, err: &str, parts: &[&str]) {
    assert_eq!(code, 1, "{out}\n{err}");
    let all = format!("{out}\n{err}");
    for part in parts {
        assert!(all.contains(part), "`{part}` is missing:\n{all}");
    }
    assert!(
        all.contains("camonica resume --config "),
        "no command to go on:\n{all}"
    );
}

#[test]
fn a_run_asks_for_what_the_configuration_says() {
    let pipeline = Pipeline::new(&[]);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.trim_end().ends_with("Completed successfully"), "{out}");
    assert!(out.contains("cluster j-CAMONICA1: "), "{out}");
    pipeline.assert_done();
    let requests = pipeline.emr.calls("RunJobFlow");
    assert_eq!(requests.len(), 1);
    let mut request = requests[0].clone();
    let base = pipeline.text("");
    let base = base.trim_end_matches('/');
    // what is random, and what follows from the engine's content
    let token = request["Tags"][2]["Value"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 32);
    let action = request["BootstrapActions"][2]["ScriptBootstrapAction"].take();
    let sum = action["Args"][1].as_str().unwrap();
    let folder = format!("{base}/log/camonica/{sum}/");
    assert_eq!(action["Args"][0], format!("{folder}camonica-engine"));
    assert_eq!(
        fs::read(format!("{folder}camonica-engine")).unwrap(),
        crate::program()
    );
    for script in [&action["Path"], &action["Args"][2]] {
        let script = script.as_str().unwrap();
        assert!(
            script.starts_with(&folder) && fs::metadata(script).is_ok(),
            "{script}"
        );
    }
    let stamp = request["Steps"][0]["HadoopJarStep"]["Args"][8].take();
    assert!(stamp.as_str().unwrap().parse::<u64>().unwrap() > 1_600_000_000_000);
    let step = |name: &str, command: Value| {
        let mut args = vec![
            json!("/home/hadoop/camonica/step"),
            json!(format!("{base}/log/camonica/{RUN}/documents/")),
            json!(format!(
                "{base}/log/camonica/{RUN}/emr/{}-{}.log",
                command[0].as_str().unwrap(),
                &token[..8]
            )),
            json!("none"),
        ];
        args.extend(command.as_array().unwrap().iter().cloned());
        args.extend(
            [
                "--output-compression",
                "gzip",
                "--run-id",
                RUN,
                "--log-folder",
            ]
            .map(Value::from),
        );
        args.push(json!(format!("{base}/log/")));
        args.extend(
            [
                "--progress",
                "none",
                "--s3-region",
                "eu-west-1",
                "--workers",
                "1",
            ]
            .map(Value::from),
        );
        json!({
            "Name": name,
            "ActionOnFailure": "TERMINATE_JOB_FLOW",
            "HadoopJarStep": { "Jar": "command-runner.jar", "Args": args },
        })
    };
    assert_eq!(
        request,
        json!({
            "Name": "Snowplow ETL",
            "LogUri": format!("{base}/log/"),
            "AdditionalInfo": "{\"a\": 1}",
            "ReleaseLabel": "emr-5.9.0",
            "VisibleToAllUsers": true,
            "JobFlowRole": "EMR_EC2_DefaultRole",
            "ServiceRole": "EMR_DefaultRole",
            "SecurityConfiguration": "acme-emr-encrypted",
            "Tags": [
                { "Key": "pipeline", "Value": "main" },
                { "Key": "camonica-run-id", "Value": RUN },
                { "Key": "camonica-attempt", "Value": token },
            ],
            "Applications": [{ "Name": "Hadoop" }, { "Name": "Spark" }],
            "Configurations": [
                { "Classification": "spark", "Properties": { "maximizeResourceAllocation": "true" } },
                { "Classification": "yarn-site", "Properties": { "yarn.resourcemanager.am.max-attempts": "1" } },
            ],
            "BootstrapActions": [
                { "Name": "Elasticity Bootstrap Action", "ScriptBootstrapAction": { "Path": "s3://acme/one.sh", "Args": [] } },
                { "Name": "Elasticity Bootstrap Action", "ScriptBootstrapAction": { "Path": "s3://acme/two.sh", "Args": [] } },
                { "Name": "Camonica Bootstrap Action", "ScriptBootstrapAction": null },
            ],
            "Instances": {
                "KeepJobFlowAliveWhenNoSteps": false,
                "Ec2KeyName": "acme",
                "Ec2SubnetId": "subnet-0123456",
                "InstanceGroups": [
                    { "InstanceRole": "MASTER", "InstanceType": "m4.large", "InstanceCount": 1, "Market": "ON_DEMAND" },
                    {
                        "InstanceRole": "CORE", "InstanceType": "r4.xlarge", "InstanceCount": 2, "Market": "ON_DEMAND",
                        "EbsConfiguration": {
                            "EbsOptimized": false,
                            "EbsBlockDeviceConfigs": [{
                                "VolumesPerInstance": 1,
                                "VolumeSpecification": { "VolumeType": "gp2", "SizeInGB": 100 },
                            }],
                        },
                    },
                    { "InstanceRole": "TASK", "InstanceType": "m4.large", "InstanceCount": 3, "Market": "SPOT", "BidPrice": "0.015" },
                ],
            },
            "Steps": [
                step("Camonica Step: Enrich Raw Events", json!([
                    "enrich", "--input-format", "cloudfront", "--etl-timestamp", null,
                    "--iglu-config", "documents:resolver.json", "--enrichments", "documents:enrichments.json",
                    "--input-folder", format!("{base}/processing/*"),
                    "--output-folder", format!("{base}/enriched/good/run={RUN}/"),
                    "--bad-folder", format!("{base}/enriched/bad/run={RUN}/"),
                ])),
                step("Camonica Step: Shred Enriched Events", json!([
                    "shred", "--iglu-config", "documents:resolver.json",
                    "--input-folder", format!("{base}/enriched/good/run={RUN}/"),
                    "--output-folder", format!("{base}/shredded/good/run={RUN}/"),
                    "--bad-folder", format!("{base}/shredded/bad/run={RUN}/"),
                ])),
            ],
        })
    );
    let asked = pipeline.emr.calls("DescribeCluster");
    assert!(
        !asked.is_empty()
            && asked
                .iter()
                .all(|body| *body == json!({ "ClusterId": "j-CAMONICA1" }))
    );
    assert!(pipeline.emr.calls("TerminateJobFlows").is_empty());
    // counts came back from the cluster
    let journal = fs::read_to_string(
        pipeline
            .path("log/camonica")
            .join(RUN)
            .join("journal.jsonl"),
    )
    .unwrap();
    assert!(
        journal.contains("\"cluster\":\"j-CAMONICA1\"") && journal.contains("\"target\":\"emr\""),
        "{journal}"
    );
}

#[test]
fn bootstrap_failures_are_tried_again_with_the_same_run() {
    let pipeline = Pipeline::new(&[Fate::BootstrapFails, Fate::BootstrapFails]);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains("]  WARN -- : Job failed. 2 tries left...")
            && out.contains("]  WARN -- : Job failed. 1 tries left..."),
        "{out}"
    );
    assert!(
        out.contains("]  WARN -- : Bootstrap failure detected, retrying in 0 seconds..."),
        "{out}"
    );
    let requests = pipeline.emr.calls("RunJobFlow");
    assert_eq!(requests.len(), 3);
    assert_ne!(requests[0]["Tags"][2], requests[1]["Tags"][2]);
    assert_eq!(requests[0]["Tags"][1], requests[2]["Tags"][1]);
    pipeline.assert_done();
}

#[test]
fn bootstrap_failures_end_the_run_after_all_tries() {
    let pipeline = Pipeline::new(&[
        Fate::BootstrapFails,
        Fate::BootstrapFails,
        Fate::BootstrapFails,
    ]);
    let (code, out, err) = pipeline.run();
    assert_failed(
        code,
        &out,
        &err,
        &[
            "EMR jobflow j-CAMONICA3 failed, check Amazon EMR console and Hadoop logs for details (help: https://github.com/snowplow/snowplow/wiki/Troubleshooting-jobs-on-Elastic-MapReduce). Data files not archived.",
            "Snowplow ETL: TERMINATED_WITH_ERRORS [BOOTSTRAP_FAILURE] ~ elapsed time n/a [ - ",
            " - 1. Camonica Step: Enrich Raw Events: CANCELLED ~ elapsed time n/a [ - ]",
            "bootstrap action 1 returned a non-zero return code",
        ],
    );
    // the logs wait in processing
    assert_eq!(pipeline.files("processing").len(), 3);
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    pipeline.assert_done();
}

#[test]
fn passing_errors_of_every_call_are_survived() {
    let pipeline = Pipeline::new(&[]);
    for (operation, number, count, fault) in [
        ("RunJobFlow", 1, 2, Fault::Throttled),
        ("RunJobFlow", 3, 1, Fault::Expired),
        ("ListSteps", 2, 2, Fault::Throttled),
        ("ListSteps", 5, 1, Fault::Status(500)),
        ("ListSteps", 7, 1, Fault::Status(502)),
        ("ListSteps", 9, 1, Fault::Status(503)),
        ("ListSteps", 11, 1, Fault::Status(504)),
        ("ListSteps", 13, 1, Fault::Refused),
        ("ListSteps", 15, 1, Fault::Expired),
        ("DescribeCluster", 2, 1, Fault::AnswerLost),
    ] {
        pipeline.emr.fault(operation, number, count, fault);
    }
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.clusters().len(), 1);
    pipeline.assert_done();
}

#[test]
fn a_lost_answer_does_not_start_a_second_cluster() {
    for fault in [Fault::AnswerLost, Fault::Status(500), Fault::Refused] {
        let pipeline = Pipeline::new(&[]);
        pipeline.emr.fault("RunJobFlow", 1, 1, fault);
        let (code, out, err) = pipeline.run();
        assert_eq!(code, 0, "{fault:?} {out}\n{err}");
        assert_eq!(pipeline.emr.clusters().len(), 1, "{fault:?}");
        let expected = if fault == Fault::AnswerLost { 1 } else { 2 };
        assert_eq!(
            pipeline.emr.calls("RunJobFlow").len(),
            expected,
            "{fault:?}"
        );
        assert!(!pipeline.emr.calls("ListClusters").is_empty());
        pipeline.assert_done();
    }
}

#[test]
fn what_emr_refuses_ends_the_run_at_once() {
    for (fault, text) in [
        (
            Fault::Denied,
            "EMR: RunJobFlow: AccessDeniedException (HTTP 400)",
        ),
        (
            Fault::Invalid,
            "EMR: RunJobFlow: ValidationException (HTTP 400)",
        ),
    ] {
        let pipeline = Pipeline::new(&[]);
        pipeline.emr.fault("RunJobFlow", 1, 9, fault);
        let (code, out, err) = pipeline.run();
        assert_failed(code, &out, &err, &[text]);
        assert_eq!(pipeline.emr.calls("RunJobFlow").len(), 1);
        pipeline.emr.heal();
        let (code, out, err) = pipeline.answer("resume", &[]);
        assert_eq!(code, 0, "{out}\n{err}");
        assert_eq!(pipeline.emr.clusters().len(), 1);
        pipeline.assert_done();
    }
}

#[test]
fn a_step_that_fails_is_told_with_its_log_and_resumed() {
    let pipeline = Pipeline::new(&[Fate::Runs(vec![End::Completes, End::Fails])]);
    // what EMR gathers of the step
    let log = gzip(b"camonica-engine: no space left\n");
    pipeline.write("log/j-CAMONICA1/steps/s-1-1/stderr.gz", log);
    let (code, out, err) = pipeline.run();
    assert_failed(
        code,
        &out,
        &err,
        &[
            "Step shred failed: EMR jobflow j-CAMONICA1 failed",
            "Snowplow ETL: TERMINATED_WITH_ERRORS [STEP_FAILURE] ~ 00:00:0",
            " - 1. Camonica Step: Enrich Raw Events: COMPLETED ~ 00:00:0",
            " - 2. Camonica Step: Shred Enriched Events: FAILED ~ 00:00:0",
            "Camonica Step: Shred Enriched Events: Exception in thread main",
            "  camonica-engine: no space left",
        ],
    );
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    let requests = pipeline.emr.calls("RunJobFlow");
    assert_eq!(requests.len(), 2);
    // only what was left
    let names: Vec<&Value> = requests[1]["Steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["Name"])
        .collect();
    assert_eq!(names, ["Camonica Step: Shred Enriched Events"]);
    pipeline.assert_done();
}

#[test]
fn the_engines_own_log_is_shown() {
    let pipeline = Pipeline::new(&[]);
    // a damaged log: the engine itself fails, for real
    let file = pipeline.files("in").into_iter().next().unwrap();
    let bytes = fs::read(pipeline.path("in").join(&file)).unwrap();
    fs::write(pipeline.path("in").join(&file), &bytes[..bytes.len() / 2]).unwrap();
    let (code, out, err) = pipeline.run();
    assert_failed(
        code,
        &out,
        &err,
        &["The last lines of ", "/emr/enrich-", "  camonica-engine: "],
    );
    assert_eq!(pipeline.files("processing").len(), 3);
    fs::write(pipeline.path("processing").join(&file), &bytes).unwrap();
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    pipeline.assert_done();
}

#[test]
fn a_cluster_lost_to_a_spot_interruption_is_replaced_on_resume() {
    let pipeline = Pipeline::new(&[Fate::Runs(vec![End::ClusterLost])]);
    let (code, out, err) = pipeline.run();
    assert_failed(
        code,
        &out,
        &err,
        &[
            "TERMINATED_WITH_ERRORS [INSTANCE_FAILURE]",
            "The cluster was lost: INSTANCE_FAILURE The master node was terminated: spot instance termination",
        ],
    );
    assert_eq!(pipeline.files("enriched/good").len(), 0);
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.clusters().len(), 2);
    pipeline.assert_done();
}

#[test]
fn a_step_that_hangs_is_ended_when_the_time_is_over() {
    let pipeline = Pipeline::new(&[Fate::Runs(vec![End::Hangs])]);
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN, "--timeout", "3s"]);
    assert_failed(
        code,
        &out,
        &err,
        &["The time of the run (--timeout 3s) was over at step enrich"],
    );
    assert_eq!(
        pipeline.emr.calls("TerminateJobFlows"),
        [json!({ "JobFlowIds": ["j-CAMONICA1"] })]
    );
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    pipeline.assert_done();
}

#[test]
fn a_killed_monitor_loses_nothing() {
    let pipeline = Pipeline::with(&[], |config| {
        config.replace("emr_poll: 50ms", "emr_poll: 400ms")
    });
    let mut runner = pipeline.start("run");
    let until = Instant::now() + Duration::from_secs(60);
    // in the middle of the first step
    while !pipeline
        .emr
        .steps()
        .iter()
        .any(|(_, state)| *state == "RUNNING")
    {
        assert!(Instant::now() < until, "no step was begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    runner.kill().unwrap();
    runner.wait().unwrap();
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.calls("RunJobFlow").len(), 1);
    pipeline.assert_done();
}

#[test]
fn a_monitor_killed_before_the_answer_finds_its_cluster_by_tag() {
    let pipeline = Pipeline::new(&[]);
    let (code, out, err) = {
        // the answer is lost, and nothing can be asked after it
        pipeline.emr.fault("RunJobFlow", 1, 1, Fault::AnswerLost);
        pipeline.emr.fault("ListClusters", 1, 1, Fault::Denied);
        pipeline.run()
    };
    assert_failed(
        code,
        &out,
        &err,
        &["EMR: ListClusters: AccessDeniedException"],
    );
    assert_eq!(pipeline.emr.clusters().len(), 1);
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.calls("RunJobFlow").len(), 1);
    pipeline.assert_done();
}

#[test]
fn a_lost_connection_leaves_the_cluster_to_resume() {
    let pipeline = Pipeline::with(&[], |config| {
        config.replace("aws_timeout: 20s", "aws_timeout: 2s")
    });
    pipeline.emr.fault("ListSteps", 3, 1000, Fault::Refused);
    let (code, out, err) = pipeline.run();
    assert_failed(
        code,
        &out,
        &err,
        &[
            "given up after ",
            "Cluster j-CAMONICA1 goes on meanwhile, and nothing is lost: resume attaches to it again",
        ],
    );
    assert!(pipeline.emr.calls("TerminateJobFlows").is_empty());
    pipeline.emr.heal();
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.calls("RunJobFlow").len(), 1);
    pipeline.assert_done();
}

#[test]
fn a_cluster_that_does_not_end_is_ended() {
    let pipeline = Pipeline::new(&[Fate::NeverEnds]);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(pipeline.emr.calls("TerminateJobFlows").len(), 1);
    assert_eq!(
        pipeline.emr.clusters(),
        [("j-CAMONICA1".to_owned(), "TERMINATED")]
    );
    pipeline.assert_done();
}

#[test]
fn a_step_without_output_is_not_believed() {
    let pipeline = Pipeline::with(&[], |config| {
        config.replace("emr_poll: 50ms", "emr_poll: 300ms")
    });
    let mut runner = pipeline.start("run");
    let until = Instant::now() + Duration::from_secs(60);
    let marker = pipeline.path(&format!("enriched/good/run={RUN}/_SUCCESS"));
    // somebody removes the marker as soon as it is there
    while fs::remove_file(&marker).is_err() {
        assert!(Instant::now() < until, "no output");
        std::thread::sleep(Duration::from_millis(2));
    }
    let status = runner.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(pipeline.files("processing").len(), 3);
    assert!(pipeline.files("archive").is_empty());
}

#[test]
fn mistakes_are_told_before_anything_is_begun() {
    for (from, to, text) in [
        (
            "ami_version: 5.9.0",
            "ami_version: 3.11.0",
            "aws.emr.ami_version: Please use an EMR release_label not ami_version",
        ),
        ("/camonica-engine\n", "/none\n", "camonica.engine_binary"),
        (
            "emr_endpoint: http://127.0.0.1",
            "emr_endpoint: http://10.0.0.1",
            "would send data in the clear",
        ),
    ] {
        let pipeline = Pipeline::with(&[], |config| config.replace(from, to));
        let (code, out, err) = pipeline.run();
        assert_eq!(code, 1);
        assert!(format!("{out}{err}").contains(text), "{text}: {out}\n{err}");
        assert_eq!(pipeline.files("in").len(), 3, "{text}: logs were moved");
        assert!(pipeline.emr.clusters().is_empty());
    }
    // without a loopback endpoint, the nodes could not reach this machine's disks
    let pipeline = Pipeline::with(&[], |config| {
        let at = config.find("  emr_endpoint").unwrap();
        let end = config[at..].find('\n').unwrap();
        config[..at].to_owned() + &config[at + end + 1..]
    });
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 1);
    assert!(
        format!("{out}{err}").contains("the nodes of a cluster cannot reach"),
        "{out}\n{err}"
    );
}

#[test]
fn debugging_survives_a_resume() {
    let pipeline = Pipeline::new(&[Fate::Runs(vec![End::Completes, End::ClusterLost])]);
    let (code, _, _) = pipeline.answer("run", &["--run-id", RUN, "--debug"]);
    assert_eq!(code, 1);
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    for request in pipeline.emr.calls("RunJobFlow") {
        let step = &request["Steps"][0];
        assert_eq!(step["Name"], "Elasticity Setup Hadoop Debugging");
        assert_eq!(
            step["HadoopJarStep"]["Jar"],
            "s3://us-east-1.elasticmapreduce/libs/script-runner/script-runner.jar"
        );
    }
    pipeline.assert_done();
}

/// A storage target of a made-up schema, and a resolver that knows it.
pub(crate) fn with_targets(pipeline: &Pipeline) {
    let registry = pipeline.path("registry");
    for name in ["redshift_config", "elastic_config"] {
        let folder = registry
            .join("schemas/com.acme")
            .join(name)
            .join("jsonschema");
        fs::create_dir_all(&folder).unwrap();
        let schema = json!({
            "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
            "self": { "vendor": "com.acme", "name": name, "format": "jsonschema", "version": "1-0-0" },
            "type": "object",
        });
        fs::write(folder.join("1-0-0"), schema.to_string()).unwrap();
    }
    let mut resolver: Value =
        serde_json::from_slice(&fs::read(pipeline.path("resolver.json")).unwrap()).unwrap();
    let added = json!({
        "name": "Acme", "priority": 1, "vendorPrefixes": ["com.acme"],
        "connection": { "embedded": { "path": registry } },
    });
    resolver["data"]["repositories"]
        .as_array_mut()
        .unwrap()
        .push(added);
    fs::write(pipeline.path("resolver.json"), resolver.to_string()).unwrap();
    fs::create_dir_all(pipeline.path("targets")).unwrap();
    for (kind, data) in [
        (
            "redshift_config",
            json!({ "name": "Acme Redshift", "purpose": "ENRICHED_EVENTS", "password": "hush" }),
        ),
        (
            "elastic_config",
            json!({ "name": "ES", "purpose": "FAILED_EVENTS", "host": "h", "port": 9200, "index": "i", "type": "t" }),
        ),
    ] {
        let target =
            json!({ "schema": format!("iglu:com.acme/{kind}/jsonschema/1-0-0"), "data": data });
        fs::write(
            pipeline.path("targets").join(format!("{kind}.json")),
            target.to_string(),
        )
        .unwrap();
    }
}

#[test]
fn the_references_loader_and_sink_run_as_steps() {
    // enrich, shred, two copies of bad rows, and the loader fails
    let ends = vec![
        End::Completes,
        End::Completes,
        End::Completes,
        End::Completes,
        End::Fails,
    ];
    let pipeline = Pipeline::new(&[Fate::Runs(ends)]);
    with_targets(&pipeline);
    let targets = pipeline.text("targets");
    let (code, out, err) = pipeline.answer(
        "run",
        &[
            "--run-id",
            RUN,
            "--targets",
            &targets,
            "--skip",
            "analyze",
            "--include",
            "vacuum",
        ],
    );
    assert_failed(
        code,
        &out,
        &err,
        &[
            "Step rdb_load failed: EMR jobflow j-CAMONICA1 failed",
            " - 5. Elasticity Custom Jar Step: Load Acme Redshift Storage Target: FAILED",
            "the reference's RDB Loader takes the storage targets as step arguments, their passwords included",
        ],
    );
    assert!(!out.contains("hush") && !err.contains("hush"));
    let requests = pipeline.emr.calls("RunJobFlow");
    let names: Vec<&str> = requests[0]["Steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["Name"].as_str().unwrap())
        .collect();
    let base = pipeline.text("");
    assert_eq!(
        names[2..],
        [
            format!("Elasticity Scalding Step: Errors in {base}enriched/bad/run={RUN}/ -> Elasticsearch: ES").as_str(),
            format!("Elasticity Scalding Step: Errors in {base}shredded/bad/run={RUN}/ -> Elasticsearch: ES").as_str(),
            "Elasticity Custom Jar Step: Load Acme Redshift Storage Target",
        ]
    );
    let actions = requests[0]["BootstrapActions"].as_array().unwrap();
    assert_eq!(
        actions[2]["ScriptBootstrapAction"],
        json!({ "Path": "s3://snowplow-hosted-assets-us-east-1/common/emr/snowplow-ami5-bootstrap-0.1.0.sh", "Args": ["1.10"] })
    );
    // raw logs are archived while the loader is at work; the rest waits for it
    assert_eq!(pipeline.files("archive/raw").len(), 3);
    assert!(
        pipeline.files("archive/enriched").is_empty()
            && !pipeline.files("enriched/good").is_empty()
    );
    let (code, out, err) = pipeline.answer("resume", &["--targets", &targets]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains("RDB Loader logs") && out.contains("Acme Redshift: Configuration loaded"),
        "{out}"
    );
    let request = &pipeline.emr.calls("RunJobFlow")[1];
    let steps = request["Steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    // what the operator asked for survives the resume; no engine is needed on the nodes
    let args: Vec<&str> = steps[0]["HadoopJarStep"]["Args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    assert_eq!(args[8..], ["--skip", "analyze", "--include", "vacuum"]);
    assert_eq!(request["BootstrapActions"].as_array().unwrap().len(), 3);
    pipeline.assert_done();
}
