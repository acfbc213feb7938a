//! Mistakes in the configuration, each with the line that tells about it.

use super::*;

/// A change of the configuration and the line that tells about it.
const MISTAKES: [(&str, &str, &str); 48] = [
    (
        "region: eu-west-1\n    buckets",
        "region:\n    buckets",
        "aws.s3.region: expected a text, found nothing (line 5)",
    ),
    (
        "region: eu-west-1\n    buckets",
        "region: 5\n    buckets",
        "aws.s3.region: expected a text, found the number 5 (line 5; put it in quotes: \"5\")",
    ),
    (
        "region: eu-west-1\n    buckets",
        "regoin: eu-west-1\n    buckets",
        "aws.s3.regoin: unknown key (line 5; is region meant?)",
    ),
    (
        "log: s3://acme-log",
        "log: hdfs://acme-log",
        "aws.s3.buckets.log: hdfs://acme-log/: the scheme `hdfs` is not supported",
    ),
    (
        "log: s3://acme-log",
        "log:",
        "aws.s3.buckets.log: expected a folder, found nothing (line 9)",
    ),
    (
        "encrypted: true",
        "encrypted: 'true'",
        "aws.s3.buckets.encrypted: expected a boolean, found the text 'true' (line 10; without quotes)",
    ),
    (
        "encrypted: true",
        "encrypted: 1",
        "aws.s3.buckets.encrypted: expected a boolean, found the number 1 (line 10)",
    ),
    (
        "          - s3://acme-collector-a\n          - s3://acme-collector-b\n",
        "          s3://acme-collector-a\n",
        "aws.s3.buckets.raw.in: expected a list of folders, found the text 's3://acme-collector-a' (line 12; write it as a list",
    ),
    (
        "          - s3://acme-collector-a\n          - s3://acme-collector-b\n",
        "          - \n",
        "aws.s3.buckets.raw.in: expected at least one folder, found none (line 12; ",
    ),
    (
        "- s3://acme-collector-a",
        "- 12",
        "aws.s3.buckets.raw.in[0]: expected a folder, found the number 12 (line 13; put it in quotes: \"12\")",
    ),
    (
        "- s3://acme-collector-a",
        "- [s3://x]",
        "aws.s3.buckets.raw.in[0]: expected a folder, found a list (line 13)",
    ),
    (
        "processing: s3://acme-work/processing",
        "procesing: s3://acme-work/processing",
        "aws.s3.buckets.raw.processing: expected a folder, found nothing",
    ),
    (
        "processing: s3://acme-work/processing",
        "procesing: s3://acme-work/processing",
        "aws.s3.buckets.raw.procesing: unknown key (line 15; is processing meant?)",
    ),
    (
        "processing: s3://acme-work/processing",
        "processing: ADD HERE",
        "aws.s3.buckets.raw.processing: expected a folder, found the placeholder ADD HERE (line 15; fill it in",
    ),
    (
        "processing: s3://acme-work/processing",
        "processing: s3n://acme-collector-a/",
        "aws.s3.buckets.raw.in[0] and aws.s3.buckets.raw.processing: the same folder",
    ),
    (
        "        archive: s3://acme-archive/raw",
        "        archive: s3://acme-work/processing/old",
        "aws.s3.buckets.raw.processing and aws.s3.buckets.raw.archive: one lies in the other",
    ),
    (
        "good: s3://acme-out/enriched/good",
        "good: ''",
        "aws.s3.buckets.enriched.good: expected a folder, found an empty text (line 18)",
    ),
    (
        "bad: s3://acme-out/enriched/bad",
        "bad:",
        "aws.s3.buckets.enriched.bad: expected a folder, found nothing (line 19)",
    ),
    (
        "good: s3://acme-out/shredded/good",
        "good: [s3://acme-out/shredded/good]",
        "aws.s3.buckets.shredded.good: expected a folder, found a list (line 23",
    ),
    (
        "bad: s3://acme-out/shredded/bad",
        "bad: s3:///x",
        "aws.s3.buckets.shredded.bad: s3:///x/",
    ),
    (
        "ami_version: 5.9.0",
        "ami_version: 5.9",
        "aws.emr.ami_version: expected a text, found the number 5.9 (line 28; put it in quotes: \"5.9\")",
    ),
    (
        "placement:",
        "placement: europe",
        "aws.emr.placement: 'europe' is not a valid EMR placement (line 32",
    ),
    (
        "bootstrap: []",
        "bootstrap: s3://x/script",
        "aws.emr.bootstrap: expected a list of texts, found the text 's3://x/script' (line 36; write it as a list",
    ),
    (
        "core_instance_count: 2",
        "core_instance_count: two",
        "aws.emr.jobflow.core_instance_count: expected an integer of at least 1, found the text 'two' (line 41)",
    ),
    (
        "volume_size: 100",
        "volume_size: -1",
        "aws.emr.jobflow.core_instance_ebs.volume_size: expected an integer of at least 1, found the number -1 (line 43)",
    ),
    (
        "volume_type: gp2",
        "volume_type: gp3",
        "aws.emr.jobflow.core_instance_ebs.volume_type: expected standard, gp2 or io1, found the text 'gp3' (line 43)",
    ),
    (
        "ebs_optimized: yes",
        "ebs_optimised: yes",
        "aws.emr.jobflow.core_instance_ebs.ebs_optimised: unknown key (line 43; is ebs_optimized meant?)",
    ),
    (
        "task_instance_bid: 0.015",
        "task_instance_bid: '0.015'",
        "aws.emr.jobflow.task_instance_bid: expected a number of at least 0, found the text '0.015' (line 46; without quotes)",
    ),
    (
        "max-attempts: \"1\"",
        "max-attempts: 1",
        "aws.emr.configuration.yarn-site.yarn.resourcemanager.am.max-attempts: expected a text, found the number 1 (line 49; put it in quotes: \"1\")",
    ),
    (
        "additional_info:",
        "additional_info: a=b",
        "aws.emr.additional_info: expected JSON, found another text (line 50)",
    ),
    (
        "format: thrift",
        "format: apache",
        "collectors.format: collector_format 'apache' not supported (line 52; cloudfront, clj-tomcat, thrift, ",
    ),
    (
        "format: thrift",
        "fromat: thrift",
        "collectors.format: expected a text, found nothing",
    ),
    (
        "spark_enrich: 1.14.0",
        "spark_enrich: 1.14",
        "enrich.versions.spark_enrich: expected a text, found the number 1.14 (line 54; put it in quotes: \"1.14\")",
    ),
    (
        "continue_on_unexpected_error: false",
        "continue_on_unexpected_error: never",
        "enrich.continue_on_unexpected_error: expected a boolean, found the text 'never' (line 55)",
    ),
    (
        "output_compression: GZIP",
        "output_compression: gzip",
        "enrich.output_compression: expected NONE or GZIP, found 'gzip' (line 56; the case counts: GZIP)",
    ),
    (
        "output_compression: GZIP",
        "output_compression: LZO",
        "enrich.output_compression: expected NONE or GZIP, found the text 'LZO' (line 56)",
    ),
    (
        "tags: {pipeline: main}",
        "tags: {pipeline: 1}",
        "monitoring.tags.pipeline: expected a text, found the number 1 (line 60; put it in quotes: \"1\")",
    ),
    (
        "tags: {pipeline: main}",
        "tags: [pipeline]",
        "monitoring.tags: expected a map of texts, found a list (line 60)",
    ),
    (
        "logging: {level: INFO}",
        "logging: {level: CHATTY}",
        "monitoring.logging.level: expected DEBUG, INFO, WARN, ERROR, FATAL or UNKNOWN, found the text 'CHATTY' (line 61)",
    ),
    (
        "method: post",
        "method: put",
        "monitoring.snowplow.method: expected get or post, found the text 'put' (line 62)",
    ),
    (
        "collector: c.acme.com",
        "collector: https://c.acme.com",
        "monitoring.snowplow.collector: expected the name of a host, found an address with a scheme (line 62",
    ),
    (
        "app_id: batch, ",
        "",
        "monitoring.snowplow.app_id: expected a text, found nothing",
    ),
    (
        "memory_limit: 512M",
        "memory_limit: plenty",
        "camonica.memory_limit: expected a size such as 512M or 2GiB, found the text 'plenty' (line 66)",
    ),
    (
        "min_age: 10m",
        "min_age: soon",
        "camonica.min_age: expected a time such as 90s, 15m or 2h, found the text 'soon' (line 73)",
    ),
    (
        "min_age: 10m",
        "min_age: 10m\n  cluster: {key: hunter2}",
        "camonica.cluster.key: expected the ARN of a key of KMS, or the URI of a file with the cluster's secret (s3://bucket/secret) (line 74)",
    ),
    (
        "min_age: 10m",
        "min_age: 10m\n  cluster: {workers: 4}",
        "camonica.cluster.key: expected a text, found nothing",
    ),
    (
        "camonica:\n",
        "cammonica:\n",
        "cammonica: unknown key (line 63; is camonica meant?)",
    ),
    (
        "aws:\n  access_key_id",
        "aws:\n  :access_key_id",
        "aws.:access_key_id: unknown key (line 2; write access_key_id without the colon before it)",
    ),
];

#[test]
fn every_mistake_is_told_with_its_path() {
    let place = Place::new();
    let (code, out, err) = place.lint(&CONFIG);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for (from, to, line) in MISTAKES {
        assert_eq!(CONFIG.matches(from).count(), 1, "{from}");
        let (code, out, err) = place.lint(&CONFIG.replacen(from, to, 1));
        assert_eq!(code, 1, "{to}: {out}");
        assert!(
            err.lines().any(|told| told.starts_with(line)),
            "{from} -> {to}: {line}\n{err}"
        );
        assert!(err.starts_with("Configuration file '-':\n"), "{err}");
    }
}

#[test]
fn many_mistakes_are_told_at_once() {
    let place = Place::new();
    let mut config = CONFIG.to_owned();
    let mut expected = Vec::new();
    for (from, to, line) in MISTAKES {
        // mistakes that hide each other are left out, and those that move lines
        let moves = from.matches('\n').count() != to.matches('\n').count();
        if config.contains(from) && !moves && !to.contains("camm") && !to.contains("s3n://") {
            config = config.replacen(from, to, 1);
            expected.push(line);
        }
    }
    let (code, _, err) = place.lint(&config);
    assert_eq!(code, 1);
    let told = expected
        .iter()
        .filter(|line| err.lines().any(|told| told.starts_with(**line)));
    let overlapping = 4;
    assert!(
        told.count() + overlapping >= expected.len() && expected.len() >= 30,
        "{} expected\n{err}",
        expected.len()
    );
}
