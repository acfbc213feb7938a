//! Whole configurations: what is read of them, and what is wrong with them.

use std::sync::LazyLock;

use fixtures::configuration::{Aws, JOBS};

use super::*;

/// A whole batch configuration on S3.
static BATCH: LazyLock<String> = LazyLock::new(|| {
    let aws = Aws {
        keys: ["<%= ENV['KEY_ID'] %>", "<%= ENV['SECRET'] %>"],
        ..Aws::acme()
    };
    format!(
        "{aws}  emr:
    ami_version: 5.9.0
    region: eu-west-1
collectors: {{format: thrift}}
{JOBS}"
    )
});

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY_ID" => Some("AKIA".into()),
        "SECRET" => Some("s3cret".into()),
        _ => None,
    }
}

/// A configuration of target `local`, unless it names another: `aws.emr` alone asks for a cluster.
fn local(text: &str) -> String {
    if !text.contains("  emr:") || text.contains("target: ") {
        text.to_owned()
    } else if text.contains("camonica: {") {
        text.replace("camonica: {", "camonica: {target: local, ")
    } else {
        text.to_owned() + "camonica: {target: local}\n"
    }
}

fn parse(text: &str) -> std::result::Result<Config, Mistakes> {
    Config::parse(&local(text), &environment)
}

fn mistakes(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn stream() -> String {
    BATCH.replace(
        "        bad: s3://acme-out/enriched/bad\n",
        "        bad: s3://acme-out/enriched/bad\n        stream: s3://acme-loader/enriched\n",
    )
}

#[test]
fn a_batch_configuration() {
    let config = parse(&BATCH).unwrap();
    assert_eq!(config.mode(), Mode::Batch);
    let raw = config.raw.as_ref().unwrap();
    assert_eq!(raw.inputs[0].to_string(), "s3://acme-a/");
    assert_eq!(raw.inputs[1].to_string(), "s3n://acme-b/x/");
    assert_eq!(raw.processing.to_string(), "s3://acme-work/processing/");
    assert_eq!(config.versions.spark_enrich.as_deref(), Some("1.14.0"));
    assert!(config.gzip && config.encrypted && config.uses_s3());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.ignored_emr, ["ami_version", "region"]);
    assert_eq!(config.emr, None);
    assert_eq!(config.job_name, "Snowplow ETL");
    let aws = config.aws_settings();
    assert_eq!(aws.encryption, Encryption::SseS3);
    assert_eq!(aws.region.as_deref(), Some("eu-west-1"));
    assert_eq!(aws.keys.as_ref().unwrap().access_key_id, "AKIA");
    assert!(!format!("{config:?} {aws:?}").contains("s3cret"));
}

#[test]
fn files_of_r102_and_keys_that_are_absent() {
    let text = BATCH.replace("      encrypted: true\n", "");
    let config = parse(&text).unwrap();
    assert!(!config.encrypted);
    assert_eq!(config.aws_settings().encryption, Encryption::None);
    let config = Config::parse(&local(&BATCH), &|_| None).unwrap();
    assert!(config.aws_settings().keys.is_none());
    for word in ["env", "iam", "default"] {
        let config = Config::parse(&local(&BATCH), &|_| Some(word.into())).unwrap();
        assert!(config.aws_settings().keys.is_none());
    }
    let text = Config::parse(&local(&BATCH), &|name| {
        (name == "KEY_ID").then(|| "AKIA".into())
    })
    .unwrap_err()
    .to_string();
    assert_eq!(
        text,
        "aws.secret_access_key: expected a text since aws.access_key_id is set, found nothing (line 3; leave both empty to use the environment, a profile, or the role of the machine)"
    );
    let text =
        BATCH.to_owned() + "camonica: {kms_key: 'arn:aws:kms:x', aws_timeout: 5m, min_age: 90}\n";
    let config = parse(&text).unwrap();
    let aws = config.aws_settings();
    assert_eq!(aws.encryption, Encryption::SseKms("arn:aws:kms:x".into()));
    assert_eq!(aws.tuning.retry_timeout.as_secs(), 300);
    assert_eq!(config.camonica.min_age.unwrap().as_secs(), 90);
}

#[test]
fn stream_enrich_mode_names_what_it_does_not_look_at() {
    let config = parse(&stream()).unwrap();
    assert_eq!(config.mode(), Mode::Stream);
    assert!(config.raw.is_none() && config.enriched.bad.is_none());
    assert_eq!(
        config.enriched.stream.as_ref().unwrap().to_string(),
        "s3://acme-loader/enriched/"
    );
    assert_eq!(
        config.ignored_in_stream_mode,
        [
            "aws.s3.buckets.raw",
            "aws.s3.buckets.enriched.bad",
            "collectors",
            "enrich.versions.spark_enrich"
        ]
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // what is not looked at may be wrong or absent
    let text = stream().replace("processing: s3://acme-work/processing", "processing: 5");
    assert!(parse(&text).is_ok());
    let text: String = stream()
        .lines()
        .filter(|line| !line.starts_with("collectors"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert!(parse(&text).is_ok());
    // an empty text is no stream
    let text = stream().replace("stream: s3://acme-loader/enriched", "stream: ''");
    assert_eq!(parse(&text).unwrap().mode(), Mode::Batch);
}

#[test]
fn folders_of_all_kinds_may_be_mixed() {
    let text = BATCH
        .replace("s3://acme-a", "/data/in")
        .replace("s3://acme-work", "file:///data/work")
        .replace("s3://acme-log", "relative/log");
    let config = parse(&text).unwrap();
    assert!(config.log.is_local() && config.uses_s3());
    // without S3 no region is needed
    let local = text
        .replace("s3://", "/d/")
        .replace("s3n://", "/d/")
        .replace("region: eu-west-1\n    buckets", "region:\n    buckets");
    assert!(!parse(&local).unwrap().uses_s3());
    let no_region = BATCH.replace("region: eu-west-1\n    buckets", "region:\n    buckets");
    assert_eq!(
        mistakes(&no_region),
        "aws.s3.region: expected a text, found nothing (line 5)"
    );
}

#[test]
fn a_cluster_needs_its_keys() {
    let text = BATCH.to_owned() + "camonica: {target: emr}\n";
    let text = mistakes(&text);
    for part in [
        "aws.emr.jobflow_role: expected a text, found nothing",
        "aws.emr.jobflow: expected a map, found nothing",
        "aws.emr.bootstrap_failure_tries: expected an integer of at least 1, found nothing",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = mistakes(&(BATCH.to_owned() + "camonica: {target: hosts}\n"));
    assert_eq!(
        text,
        "camonica.hosts: expected a list of machines for target hosts, found none"
    );
    let text = mistakes(&(BATCH.to_owned() + "camonica: {target: spark}\n"));
    assert_eq!(
        text,
        "camonica.target: expected local, emr or hosts, found the text 'spark' (line 38)"
    );
}

#[test]
fn a_cluster_is_asked_for_by_its_block_alone() {
    let found = |text: &str| match Config::parse(text, &environment) {
        Ok(config) => config.camonica.target.name().to_owned(),
        Err(mistakes) => mistakes.to_string(),
    };
    // whatever is missing in it
    let text = found(&BATCH);
    assert!(
        text.contains("aws.emr.service_role: expected a text, found nothing"),
        "{text}"
    );
    let at = BATCH.find("  emr:").unwrap();
    let end = BATCH.find("collectors:").unwrap();
    let without = |emr: &str| format!("{}{emr}{}", &BATCH[..at], &BATCH[end..]);
    for (emr, camonica, target) in [
        ("", "", "local"),
        ("  emr:\n", "", "local"),
        (
            "  emr: {region: x}\n",
            "camonica: {target: local}\n",
            "local",
        ),
        (
            "  emr: {region: x}\n",
            "camonica: {target: hosts, hosts: [a]}\n",
            "hosts",
        ),
    ] {
        assert_eq!(
            found(&(without(emr) + camonica)),
            target,
            "{emr} {camonica}"
        );
    }
}

#[test]
fn an_ami_without_applications_is_told_before_anything_is_begun() {
    let emr = |ami: &str| {
        let block = format!(
            "  emr:\n    ami_version: {ami}\n    region: eu-west-1\n    jobflow_role: a\n    service_role: b\n    ec2_key_name: c\n    jobflow: {{job_name: x, master_instance_type: m4.large, core_instance_count: 1, core_instance_type: m4.large, task_instance_count: 0, task_instance_type: m4.large}}\n    bootstrap_failure_tries: 3\n"
        );
        let at = BATCH.find("  emr:").unwrap();
        let end = BATCH.find("collectors:").unwrap();
        let text = format!("{}{block}{}", &BATCH[..at], &BATCH[end..]);
        (
            Config::parse(&text, &environment).map_err(|mistakes| mistakes.to_string()),
            Config::parse(&text.replace("thrift", "cloudfront"), &environment).is_ok(),
        )
    };
    assert!(emr("4.0.0").0.is_ok() && emr("5.9.0").0.is_ok());
    let (found, is_good) = emr("3.11.0");
    assert_eq!(
        found.unwrap_err(),
        "aws.emr.ami_version: Please use an EMR release_label not ami_version: 3.11.0 is older than 4.0.0 (line 26; set 5.9.0 or later)"
    );
    assert!(!is_good);
    // Thrift events and AMI 2 have words of their own, when the options are checked
    let (found, is_good) = emr("2.4.11");
    assert!(found.is_ok() && !is_good);
}

#[test]
fn all_mistakes_are_told_with_the_keys_that_may_be_meant() {
    let text = BATCH
        .replace("processing: s3", "procesing: s3")
        .replace("region: eu-west-1\n    buckets", "region: 5\n    buckets")
        .replace("output_compression: GZIP", "output_compression: gzip");
    assert_eq!(
        mistakes(&text),
        "aws.s3.region: expected a text, found the number 5 (line 5; put it in quotes: \"5\")\n\
         enrich.output_compression: expected NONE or GZIP, found 'gzip' (line 32; the case counts: GZIP)\n\
         aws.s3.buckets.raw.processing: expected a folder, found nothing\n\
         aws.s3.buckets.raw.procesing: unknown key (line 13; is processing meant?)"
    );
    assert!(mistakes("aws: [").starts_with("not YAML: line 1, column "));
    assert_eq!(mistakes(""), "expected a map, found nothing");
    assert!(mistakes("a: <%= 1 %>\nb: <% 2 %>").lines().count() == 2);
    assert!(
        mistakes(":aws:\n  x: 1\n")
            .contains(":aws: unknown key (line 1; write aws without the colon before it)")
    );
}

#[test]
fn keys_given_twice_are_warnings() {
    let text = BATCH.to_owned() + "enrich: {output_compression: NONE}\n";
    let config = parse(&text).unwrap();
    assert!(!config.gzip);
    assert_eq!(
        problem::lines(&config.warnings),
        "enrich: given twice, on lines 29 and 38: the last one counts"
    );
}

#[test]
fn the_loader_gets_the_whole_configuration_without_keys() {
    let text = BATCH.to_owned() + "camonica: {workers: 2}\n";
    let yaml = parse(&text).unwrap().to_yaml_for_loader();
    assert!(
        yaml.starts_with("---\naws:\n  access_key_id: \"\"\n  secret_access_key: \"\"\n"),
        "{yaml}"
    );
    for line in [
        "      log: \"s3://acme-log/\"",
        "          - \"s3n://acme-b/x/\"",
        "        stream:",
        "  versions:",
        "    spark_enrich: \"1.14.0\"",
    ] {
        assert_eq!(
            yaml.contains(line),
            line != "        stream:",
            "{line}\n{yaml}"
        );
    }
    assert!(
        !yaml.contains("s3cret") && !yaml.contains("camonica"),
        "{yaml}"
    );
    let (tree, _) = yaml::parse(&yaml).unwrap();
    assert!(tree.get("monitoring").is_some());
}

#[test]
fn variables_that_are_not_set_inside_of_values_are_warnings() {
    let config =
        parse(&BATCH.replace("s3://acme-log", "s3://acme-log/<%= ENV['STAGE'] %>/x")).unwrap();
    let warnings: Vec<String> = config.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        ["environment variable STAGE is not set: a part of the value is missing (line 9)"]
    );
    let text = mistakes(&BATCH.replace("s3://acme-log", "s3://<%= ENV['STAGE'] %>/x"));
    assert!(
        text.contains("aws.s3.buckets.log: ") && text.contains("variable STAGE is not set"),
        "{text}"
    );
}
