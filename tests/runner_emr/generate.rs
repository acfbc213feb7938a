//! `camonica generate`: the files of Dataflow Runner.

use std::fs;

use serde_json::{Value, json};

use crate::Pipeline;
use crate::camonica::{RUN, RunFolder};

fn read(pipeline: &Pipeline, name: &str) -> Value {
    serde_json::from_slice(&fs::read(pipeline.path(name)).unwrap()).unwrap()
}

#[test]
fn both_files_are_what_a_run_would_submit() {
    let pipeline = Pipeline::new(&[]);
    let (code, out, err) = pipeline.answer("generate all", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains("written emr-config.json\n") && out.contains("written emr-playbook.json\n"),
        "{out}"
    );
    let cluster = read(&pipeline, "emr-config.json");
    assert_eq!(
        cluster["schema"],
        "iglu:com.snowplowanalytics.dataflowrunner/ClusterConfig/avro/1-1-0"
    );
    let data = &cluster["data"];
    let base = pipeline.text("");
    let base = base.trim_end_matches('/');
    for (key, expected) in [
        ("name", json!("Snowplow ETL")),
        ("logUri", json!(format!("{base}/log/"))),
        ("region", json!("us-east-1")),
        (
            "credentials",
            json!({ "accessKeyId": "env", "secretAccessKey": "env" }),
        ),
        (
            "roles",
            json!({ "jobflow": "EMR_EC2_DefaultRole", "service": "EMR_DefaultRole" }),
        ),
        ("tags", json!([{ "key": "pipeline", "value": "main" }])),
        ("applications", json!(["Hadoop", "Spark"])),
        ("securityConfiguration", json!("acme-emr-encrypted")),
        (
            "ec2",
            json!({
                "amiVersion": "5.9.0",
                "keyName": "acme",
                "location": { "vpc": { "subnetId": "subnet-0123456" } },
                "instances": {
                    "master": { "type": "m4.large" },
                    "core": { "type": "r4.xlarge", "count": 2, "ebsConfiguration": {
                        "ebsOptimized": false,
                        "ebsBlockDeviceConfigs": [{
                            "volumesPerInstance": 1,
                            "volumeSpecification": { "iops": 0, "sizeInGB": 100, "volumeType": "gp2" },
                        }],
                    } },
                    "task": { "type": "m4.large", "count": 3, "bid": "0.015" },
                },
            }),
        ),
    ] {
        assert_eq!(data[key], expected, "{key}");
    }
    assert_eq!(data["configurations"].as_array().unwrap().len(), 2);
    let actions = data["bootstrapActionConfigs"].as_array().unwrap();
    assert_eq!(actions.len(), 4);
    assert_eq!(
        actions[2]["scriptBootstrapAction"],
        json!({ "path": "s3://snowplow-hosted-assets-us-east-1/common/emr/snowplow-ami5-bootstrap-0.1.0.sh", "args": ["1.10"] })
    );
    // all that the nodes fetch is there
    let own = &actions[3]["scriptBootstrapAction"];
    for uri in [&own["path"], &own["args"][0], &own["args"][2]] {
        assert!(fs::metadata(uri.as_str().unwrap()).is_ok(), "{uri}");
    }
    let playbook = read(&pipeline, "emr-playbook.json");
    assert_eq!(
        playbook["schema"],
        "iglu:com.snowplowanalytics.dataflowrunner/PlaybookConfig/avro/1-0-1"
    );
    let steps = playbook["data"]["steps"].as_array().unwrap();
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            format!("Elasticity S3DistCp Step: Raw {base}/in/ -> Raw Staging S3").as_str(),
            "Camonica Step: Enrich Raw Events",
            "Camonica Step: Shred Enriched Events",
            "Elasticity S3DistCp Step: Raw Staging S3 -> Raw Archive S3",
            "Elasticity S3DistCp Step: Enriched S3 -> Enriched Archive S3",
            "Elasticity S3DistCp Step: Shredded S3 -> Shredded Archive S3",
        ]
    );
    for step in steps {
        let keys: Vec<&String> = step.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 5, "{keys:?}");
        assert_eq!(
            (&step["type"], &step["actionOnFailure"]),
            (&json!("CUSTOM_JAR"), &json!("CANCEL_AND_WAIT"))
        );
        assert!(
            step["jar"].is_string()
                && step["arguments"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(Value::is_string)
        );
    }
    let documents = steps[1]["arguments"][1].as_str().unwrap();
    assert!(fs::metadata(format!("{documents}resolver.json")).is_ok());
    let text = fs::read_to_string(pipeline.path("emr-playbook.json")).unwrap();
    assert!(
        !text.contains("topsecretkey") && !text.contains("AKIATEST"),
        "{text}"
    );
    // nothing was begun
    assert!(pipeline.emr.clusters().is_empty());
    assert_eq!(pipeline.files("in").len(), 3);
}

#[test]
fn names_and_versions_of_files_can_be_chosen() {
    let pipeline = Pipeline::new(&[]);
    let generate = |what: &str, more: &[&str]| pipeline.answer(&format!("generate {what}"), more);
    let (code, out, err) = generate(
        "emr-config",
        &["-f", "c.json", "-s", "1-0-0", "--no-upload"],
    );
    assert_eq!(code, 0, "{out}\n{err}");
    let schema = |name: &str| read(&pipeline, name)["schema"].as_str().unwrap().to_owned();
    assert!(schema("c.json").ends_with("/ClusterConfig/avro/1-0-0"));
    assert!(
        pipeline.files("log").is_empty(),
        "{:?}",
        pipeline.files("log")
    );
    let more = [
        "-o",
        "p.json",
        "--schemaver",
        "1-0-0",
        "-x",
        "staging,rdb_load",
        "-d",
        "--no-upload",
    ];
    let (code, out, err) = generate("emr-playbook", &more);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(schema("p.json").ends_with("/PlaybookConfig/avro/1-0-0"));
    let playbook = read(&pipeline, "p.json");
    assert_eq!(
        playbook["data"]["steps"][0]["name"],
        "Elasticity Setup Hadoop Debugging"
    );
    assert_eq!(
        playbook["data"]["steps"][1]["name"],
        "Camonica Step: Enrich Raw Events"
    );
    let (code, _, err) = generate("emr-config", &["-s", "one"]);
    assert_eq!(
        (code, err.trim_end()),
        (
            1,
            "--schemaver one: expected model, revision and addition, such as 1-1-0"
        )
    );
    let (code, _, err) = generate("emr-playbook", &["-f", "shred"]);
    assert_eq!(code, 1);
    assert!(err.contains("No run folders in ["), "{err}");
    let (code, _, err) = generate("emr-playbook", &["-f", "nonsense"]);
    assert_eq!(code, 1);
    assert!(err.contains("Invalid option: resume-from can be "), "{err}");
    for number in [1, 2] {
        let folder = pipeline.path(&format!("enriched/good/run=2018-0{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("part-0"), "x").unwrap();
    }
    let (code, out, err) = generate("emr-playbook", &["-f", "shred", "--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    let playbook = read(&pipeline, "emr-playbook.json");
    let steps = playbook["data"]["steps"].as_array().unwrap();
    let archives = steps.iter().filter(|step| {
        step["name"] == "Elasticity S3DistCp Step: Enriched S3 -> S3 Enriched Archive"
    });
    assert_eq!(archives.count(), 2);
    let shred = steps[0]["arguments"].as_array().unwrap();
    let input = shred[shred
        .iter()
        .position(|word| word == "--input-folder")
        .unwrap()
        + 1]
    .as_str()
    .unwrap();
    assert_eq!(input.split(',').count(), 2, "{input}");
}

#[test]
fn braces_mean_nothing_to_templates() {
    let pipeline = Pipeline::with(&[], |config| {
        config.replace("pipeline: main", "pipeline: '{{x}}'")
    });
    pipeline.good("generate emr-config", &["--no-upload"]);
    let text = fs::read_to_string(pipeline.path("emr-config.json")).unwrap();
    assert!(text.contains("\"{{`{{`}}x}}\""), "{text}");
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let pipeline = Pipeline::new(&[]);
    let answer = |what: &str, more: &[&str]| {
        let (code, out, err) = pipeline.answer(&format!("generate {what}"), more);
        assert_eq!(code, 1, "{out}\n{err}");
        err
    };
    for run_id in ["x y", "../other", "-1"] {
        let err = answer("emr-playbook", &[&format!("--run-id={run_id}")]);
        assert!(
            err.contains("expected digits and dashes"),
            "{run_id}: {err}"
        );
    }
    let err = answer("emr-playbook", &["--skip", "everything"]);
    assert!(err.contains("Invalid option: skip can be "), "{err}");
    assert!(pipeline.files("log").is_empty());
    assert!(!pipeline.path("emr-playbook.json").exists());
}

#[test]
fn what_s3distcp_cannot_do_is_told() {
    let pipeline = Pipeline::with(&[], |config| config + "  kms_key: alias/acme\n");
    let (code, out, err) = pipeline.answer("generate emr-playbook", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(err.contains("S3DistCp knows no keys of KMS"), "{err}");
    assert!(
        out.contains(&format!(
            "remove {}",
            pipeline.text(&format!("log/camonica/{RUN}/documents/"))
        )),
        "{out}"
    );
}

#[test]
fn folders_that_nodes_cannot_reach_and_odd_keys_are_told() {
    let pipeline = Pipeline::with(&[], |config| {
        let at = config.find("  emr_endpoint").unwrap();
        let end = config[at..].find('\n').unwrap();
        config[..at].to_owned() + "  wrokers: 1\n" + &config[at + end + 1..]
    });
    for what in ["emr-config", "emr-playbook", "all"] {
        let (code, out, err) = pipeline.answer(&format!("generate {what}"), &["--no-upload"]);
        assert!(
            code == 1 && err.contains("aws.s3.buckets.log: the nodes of a cluster cannot reach"),
            "{out}\n{err}"
        );
        assert!(
            err.contains("configuration: camonica.wrokers: unknown key"),
            "{err}"
        );
    }
}

#[test]
fn a_playbook_with_passwords_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let pipeline = Pipeline::new(&[]);
    crate::stories::with_targets(&pipeline);
    let targets = pipeline.text("targets");
    let file = pipeline.path("emr-playbook.json");
    fs::write(&file, "of before").unwrap();
    let mode = |name: &str| {
        let metadata = fs::metadata(pipeline.path(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    let before = mode("emr-playbook.json");
    let generate = |more: &[&str]| {
        let (code, out, err) = pipeline.answer("generate all", more);
        assert_eq!(code, 0, "{out}\n{err}");
        assert!(!out.contains("hush") && !err.contains("hush"));
        err
    };
    // without a loader it holds no secret
    let err = generate(&["--targets", &targets, "--skip", "rdb_load"]);
    assert!(!err.contains("passwords"), "{err}");
    assert_eq!(mode("emr-playbook.json"), before);
    let err = generate(&["--targets", &targets]);
    assert!(err.contains("their passwords included"), "{err}");
    assert_eq!(mode("emr-playbook.json"), 0o600);
    assert_eq!(mode("emr-config.json"), before);
    let names = read(&pipeline, "emr-playbook.json").to_string();
    assert!(
        names.contains("Load Acme Redshift Storage Target"),
        "{names}"
    );
}
