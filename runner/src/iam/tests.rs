//! Policies of whole configurations.

use fixtures::configuration::{Aws, JOBS};

use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234";

fn config(camonica: &str, change: impl Fn(String) -> String) -> Config {
    let aws = Aws {
        keys: ["", ""],
        encrypted: false,
        inputs: "[s3://acme-in/a, s3://acme-in/b]".into(),
        ..Aws::acme()
    };
    let text = format!(
        "{aws}  emr:
    ami_version: 5.9.0
    region: eu-west-1
    jobflow_role: EMR_EC2_DefaultRole
    service_role: EMR_DefaultRole
    ec2_subnet_id: subnet-1
    ec2_key_name: acme
    jobflow: {{job_name: x, master_instance_type: m4.large, core_instance_count: 1, core_instance_type: m4.large, task_instance_count: 0, task_instance_type: m4.large, task_instance_bid: 0.1}}
    software: {{hbase: , lingual: }}
    bootstrap_failure_tries: 3
    additional_info:
collectors: {{format: thrift}}
{JOBS}"
    );
    let text = format!("{}camonica: {{{camonica}}}\n", change(text));
    Config::parse(&text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn needs<'a>(config: &'a Config, storage: &'a StorageTargets) -> Needs<'a> {
    Needs {
        config,
        storage,
        assets: &[],
        certs: None,
        disk_key: None,
        ebs: false,
        tags: false,
        account: "*",
    }
}

/// Whether a document allows an action on a resource, as IAM decides without conditions.
fn allows(document: &Value, action: &str, resource: &str) -> bool {
    let matches = |pattern: &str, text: &str| {
        let mut rest = text;
        let mut parts = pattern.split('*');
        let first = parts.next().unwrap();
        let Some(after) = rest.strip_prefix(first) else {
            return false;
        };
        rest = after;
        let parts: Vec<&str> = parts.collect();
        for (index, part) in parts.iter().enumerate() {
            if index + 1 == parts.len() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.is_empty()
    };
    document["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .any(|statement| {
            let any = |key: &str, text: &str| {
                statement[key]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| matches(one.as_str().unwrap(), text))
            };
            any("Action", action) && any("Resource", resource)
        })
}

#[test]
fn a_local_run_does_everything_and_no_more() {
    let config = config("target: local", |text| text);
    let storage = StorageTargets::default();
    let needs = needs(&config, &storage);
    let document = policy(&needs, Role::Runner).unwrap();
    for (action, resource, expected) in [
        ("s3:GetObject", "acme-in/a/x.lzo", true),
        ("s3:DeleteObject", "acme-in/b/x.lzo", true),
        ("s3:PutObject", "acme-in/a/x.lzo", false),
        ("s3:GetObject", "acme-in/ab/x.lzo", false),
        ("s3:PutObject", "acme-work/processing/x.lzo", true),
        ("s3:PutObject", "acme-archive/raw/x", true),
        ("s3:DeleteObject", "acme-archive/raw/x", false),
        ("s3:PutObject", "acme-out/enriched/bad/run=1/part-0", true),
        (
            "s3:DeleteObject",
            "acme-out/shredded/good/run=1/part-0",
            true,
        ),
        ("s3:PutObject", "acme-log/camonica/1/journal.jsonl", true),
        ("s3:GetObject", "acme-out/other", false),
        ("s3:ListBucket", "acme-in", true),
        ("s3:ListBucket", "acme-archive", true),
        ("s3:ListBucketMultipartUploads", "acme-out", true),
        ("s3:ListBucketMultipartUploads", "acme-in", false),
        ("s3:AbortMultipartUpload", "acme-archive/raw/x", true),
        ("s3:PutBucketPolicy", "acme-in", false),
    ] {
        let arn = format!("arn:aws:s3:::{resource}");
        assert_eq!(
            allows(&document, action, &arn),
            expected,
            "{action} {resource}"
        );
    }
    let text = document.to_string();
    assert!(
        !text.contains("kms:") && !text.contains("elasticmapreduce") && !text.contains("Tagging"),
        "{text}"
    );
    assert_eq!(roles(&needs), [Role::Runner]);
    assert!(
        policy(&needs, Role::Jobs)
            .unwrap_err()
            .contains("its roles are runner")
    );
}

#[test]
fn keys_of_kms_however_they_are_named() {
    let storage = StorageTargets::default();
    for (key, resource, condition) in [
        (KEY, KEY, None),
        ("1234", "arn:aws:kms:eu-west-1:*:key/1234", None),
        (
            "alias/acme",
            "arn:aws:kms:eu-west-1:*:key/*",
            Some("alias/acme"),
        ),
        (
            "arn:aws:kms:us-east-1:123456789012:alias/acme",
            "arn:aws:kms:us-east-1:123456789012:key/*",
            Some("alias/acme"),
        ),
    ] {
        let config = config(
            &format!("target: hosts, hosts: [a], kms_key: '{key}'"),
            |text| text,
        );
        for role in [Role::Runner, Role::Jobs] {
            let document = policy(&needs(&config, &storage), role).unwrap();
            let statements = document["Statement"].as_array().unwrap();
            let found = statements
                .iter()
                .find(|each| each["Sid"] == "EncryptObjects")
                .unwrap();
            assert_eq!(
                found["Action"],
                json!(["kms:GenerateDataKey", "kms:Decrypt"])
            );
            assert_eq!(found["Resource"], json!([resource]));
            let aliases =
                found["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"][0].as_str();
            assert_eq!(aliases, condition);
        }
    }
    let config = config(
        "target: hosts, hosts: [a], kms_key: 'arn:aws:s3:::bucket'",
        |text| text,
    );
    let error = policy(&needs(&config, &storage), Role::Runner).unwrap_err();
    assert!(error.contains("not the ARN of a key"), "{error}");
}

#[test]
fn a_cluster_has_three_roles() {
    let config = config("target: emr", |text| text);
    let storage = StorageTargets::default();
    let assets = ["s3://acme-assets/GeoIP2-City.mmdb".to_owned()];
    let needs = Needs {
        assets: &assets,
        certs: Some("s3://acme-secret/certs.zip"),
        disk_key: Some(KEY),
        ebs: true,
        account: "123456789012",
        ..needs(&config, &storage)
    };
    let runner = policy(&needs, Role::Runner).unwrap();
    for action in [
        "RunJobFlow",
        "ListClusters",
        "DescribeCluster",
        "ListSteps",
        "TerminateJobFlows",
        "AddTags",
    ] {
        let cluster = "arn:aws:elasticmapreduce:eu-west-1:123456789012:cluster/j-1";
        assert!(
            allows(&runner, &format!("elasticmapreduce:{action}"), cluster),
            "{action}"
        );
    }
    for role in ["EMR_EC2_DefaultRole", "EMR_DefaultRole"] {
        assert!(allows(
            &runner,
            "iam:PassRole",
            &format!("arn:aws:iam::123456789012:role/{role}")
        ));
    }
    assert!(!allows(
        &runner,
        "iam:PassRole",
        "arn:aws:iam::123456789012:role/Admin"
    ));
    // the runner moves, and writes no events
    assert!(!allows(
        &runner,
        "s3:PutObject",
        "arn:aws:s3:::acme-out/enriched/good/x"
    ));
    assert!(!allows(
        &runner,
        "s3:GetObject",
        "arn:aws:s3:::acme-secret/certs.zip"
    ));
    assert!(!allows(&runner, "kms:GenerateDataKey", KEY));
    let jobs = policy(&needs, Role::Jobs).unwrap();
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::acme-secret/certs.zip"),
        ("s3:GetObject", "arn:aws:s3:::acme-assets/GeoIP2-City.mmdb"),
        (
            "s3:GetObject",
            "arn:aws:s3:::eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar",
        ),
        ("s3:PutObject", "arn:aws:s3:::acme-out/enriched/good/x"),
        ("kms:GenerateDataKey", KEY),
        ("kms:ReEncryptFrom", KEY),
    ] {
        assert!(allows(&jobs, action, resource), "{action} {resource}");
    }
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::acme-in/a/x"),
        ("s3:DeleteObject", "arn:aws:s3:::acme-work/processing/x"),
        ("elasticmapreduce:RunJobFlow", "*"),
    ] {
        assert!(!allows(&jobs, action, resource), "{action} {resource}");
    }
    let service = policy(&needs, Role::Service).unwrap();
    assert!(allows(&service, "kms:CreateGrant", KEY) && !service.to_string().contains("s3:"));
    let error = policy(
        &Needs {
            ebs: false,
            ..needs
        },
        Role::Service,
    )
    .unwrap_err();
    assert!(error.contains("AmazonElasticMapReduceRole"), "{error}");
}

#[test]
fn other_partitions_tags_and_odd_keys() {
    let config = config("target: hosts, hosts: [a]", |text| {
        text.replace(
            "region: eu-west-1\n    buckets",
            "region: cn-north-1\n    buckets",
        )
        .replace("s3://acme-in/b", "s3://acme-in/b*$c")
    });
    let storage = StorageTargets::default();
    let document = policy(
        &Needs {
            tags: true,
            ..needs(&config, &storage)
        },
        Role::Runner,
    )
    .unwrap()
    .to_string();
    assert!(
        document.contains("arn:aws-cn:s3:::acme-in/b${*}${$}c/*"),
        "{document}"
    );
    assert!(
        document.contains("s3:PutObjectTagging") && !document.contains("arn:aws:s3"),
        "{document}"
    );
}

#[test]
fn look_up_files_of_enrichments() {
    let document = json!({"data": {"parameters": {
        "geo": {"database": "GeoIP2-City.mmdb", "uri": "s3://acme/third-party/maxmind"},
        "free": {"database": "x.mmdb", "uri": "http://acme.com/"},
        "list": ["s3a://acme/list.txt", 1, null],
    }}});
    assert_eq!(
        assets_of(&document),
        [
            "s3://acme/third-party/maxmind/GeoIP2-City.mmdb",
            "s3a://acme/list.txt"
        ]
    );
}

#[test]
fn nodes_of_a_cluster_open_the_keys_of_their_jobs() {
    let storage = StorageTargets::default();
    let one = |cluster: &str, needs_certs: Option<&str>, role| {
        let config = config(&format!("cluster: {{{cluster}}}"), |text| text);
        let needs = Needs {
            certs: needs_certs,
            ..needs(&config, &storage)
        };
        policy(&needs, role)
    };
    let kms = format!("key: '{KEY}', certificates: s3://acme-keys/certs.zip");
    let document = one(&kms, None, Role::Jobs).unwrap();
    for (action, resource, expected) in [
        ("kms:Decrypt", KEY, true),
        ("kms:GenerateDataKey", KEY, true),
        ("kms:Encrypt", KEY, false),
        (
            "kms:Decrypt",
            "arn:aws:kms:eu-west-1:123456789012:key/9",
            false,
        ),
        ("s3:GetObject", "arn:aws:s3:::acme-keys/certs.zip", true),
        ("s3:PutObject", "arn:aws:s3:::acme-keys/certs.zip", false),
    ] {
        assert_eq!(
            allows(&document, action, resource),
            expected,
            "{action} {resource}"
        );
    }
    let runner = one(&kms, None, Role::Runner).unwrap();
    assert!(!allows(&runner, "kms:Decrypt", KEY));
    let describe = "elasticmapreduce:DescribeSecurityConfiguration";
    assert!(!allows(&runner, describe, "*"));
    // a secret in S3, and the certificates of the security configuration
    let secret = "key: s3://acme-keys/secret";
    let zip = Some("s3://acme-keys/emr.zip");
    let document = one(secret, zip, Role::Jobs).unwrap();
    for object in ["secret", "emr.zip"] {
        let arn = format!("arn:aws:s3:::acme-keys/{object}");
        assert!(allows(&document, "s3:GetObject", &arn), "{object}");
    }
    assert!(!document.to_string().contains("kms:"));
    let error = one(secret, None, Role::Jobs).unwrap_err();
    assert!(error.contains("camonica.cluster.certificates"), "{error}");
    let runner = one(secret, None, Role::Runner).unwrap();
    assert!(allows(&runner, describe, "*"));
    // without effect
    let config = config(&format!("target: local, cluster: {{{kms}}}"), |text| text);
    let document = policy(&needs(&config, &storage), Role::Runner).unwrap();
    assert!(!allows(&document, "kms:Decrypt", KEY));
}

#[test]
fn nodes_of_a_cluster_fetch_scripts_jars_and_passwords() {
    use crate::config::targets::{Purpose, StorageTarget};
    let config = config("target: emr", |text| {
        text.replace(
            "    ec2_key_name: acme\n",
            "    ec2_key_name: acme\n    bootstrap: [s3://acme-scripts/one.sh, file:/usr/local/two.sh]\n",
        )
        .replace("lingual: }", "lingual: '1.1'}")
        .replace("EMR_EC2_DefaultRole", "arn:aws:iam::1:instance-profile/nodes")
        .replace("jsonpath_assets:", "jsonpath_assets: s3://acme-jsonpaths/x")
    });
    let with_targets = StorageTargets {
        enriched_events: vec![StorageTarget {
            file: "r.json".into(),
            kind: "redshift_config",
            schema: String::new(),
            name: "r".into(),
            id: None,
            purpose: Purpose::EnrichedEvents,
            document: json!({"data": {
                "password": {"ec2ParameterStore": {"parameterName": "/acme/password"}},
                "sshTunnel": {"bastion": {"key": {"ec2ParameterStore": {"parameterName": "acme.key"}}}},
            }}),
        }],
        ..StorageTargets::default()
    };
    let without = policy(&needs(&config, &StorageTargets::default()), Role::Jobs).unwrap();
    let with = policy(&needs(&config, &with_targets), Role::Jobs).unwrap();
    for (action, resource, alone, loaded) in [
        (
            "s3:GetObject",
            "arn:aws:s3:::acme-scripts/one.sh",
            true,
            true,
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::acme-scripts/other.sh",
            false,
            false,
        ),
        (
            "s3:PutObject",
            "arn:aws:s3:::acme-scripts/one.sh",
            false,
            false,
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::files.concurrentinc.com/lingual/1.1/lingual-client/install-lingual-client.sh",
            true,
            true,
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::snowplow-hosted-assets/4-storage/rdb-loader/snowplow-rdb-loader-0.14.0.jar",
            false,
            true,
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::acme-jsonpaths/x/y.json",
            false,
            true,
        ),
        (
            "ssm:GetParameter",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/acme/password",
            false,
            true,
        ),
        (
            "ssm:GetParameter",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/acme.key",
            false,
            true,
        ),
        (
            "ssm:GetParameter",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/other",
            false,
            false,
        ),
    ] {
        assert_eq!(
            allows(&without, action, resource),
            alone,
            "{action} {resource}"
        );
        assert_eq!(
            allows(&with, action, resource),
            loaded,
            "{action} {resource}"
        );
    }
    let runner = policy(&needs(&config, &with_targets), Role::Runner).unwrap();
    assert!(allows(&runner, "iam:PassRole", "arn:aws:iam::1:role/nodes"));
    assert!(!allows(
        &runner,
        "ssm:GetParameter",
        "arn:aws:ssm:eu-west-1:1:parameter/acme.key"
    ));
}

#[test]
fn the_zone_of_a_cluster_names_its_region() {
    let policy_of = |change: &str| {
        let config = config("target: emr", |text| {
            text.replace("    ec2_subnet_id: subnet-1\n", change)
        });
        let storage = StorageTargets::default();
        policy(&needs(&config, &storage), Role::Runner).unwrap()
    };
    let cluster = |region: &str| format!("arn:aws:elasticmapreduce:{region}:1:cluster/j-1");
    let describe = "elasticmapreduce:DescribeCluster";
    let zone = policy_of("    placement: us-east-1a\n");
    assert!(allows(&zone, describe, &cluster("us-east-1")));
    assert!(!allows(&zone, describe, &cluster("eu-west-1")));
    // a subnet cancels it
    let both = policy_of("    placement: us-east-1a\n    ec2_subnet_id: subnet-1\n");
    assert!(allows(&both, describe, &cluster("eu-west-1")));
    assert!(!allows(&both, describe, &cluster("us-east-1")));
}
