//! `camonica security-configuration` against moto's EMR.

use fixtures::configuration::{Aws, without_cluster};
use serde_json::Value;

use super::camonica::{Answer, answer, camonica};
use super::moto::Moto;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn command(moto: &Moto, more: &[&str]) -> Answer {
    let mut arguments = vec!["security-configuration", "--region", "us-east-1"];
    arguments.extend(more);
    let mut process = camonica(&arguments);
    process
        .env("AWS_ENDPOINT_URL_EMR", moto.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    answer(&mut process)
}

#[test]
fn printed_without_any_service() {
    let (code, out, err) = answer(&mut camonica(&[
        "security-configuration",
        "--s3",
        "sse-s3",
        "--in-transit",
        "s3://acme/certs.zip",
    ]));
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let encryption = &json["EncryptionConfiguration"];
    assert_eq!(encryption["EnableInTransitEncryption"], true);
    let mode =
        &encryption["AtRestEncryptionConfiguration"]["S3EncryptionConfiguration"]["EncryptionMode"];
    assert_eq!(mode, "SSE-S3");
    for (more, part) in [
        (&[][..], "nothing would be encrypted"),
        (&["--s3", "sse-kms"], "give --s3-key"),
        (
            &["--s3", "sse-kms", "--s3-key", "1234"],
            "expected the ARN of a key",
        ),
        (&["--s3", "sse-s3", "--create"], "give --name"),
    ] {
        let mut arguments = vec!["security-configuration"];
        arguments.extend(more);
        let (code, _, err) = answer(&mut camonica(&arguments));
        assert!(code == 1 && err.contains(part), "{more:?}: {err}");
    }
}

#[test]
fn created_once_and_never_changed() {
    let Some(moto) = Moto::get() else { return };
    let all = [
        "--s3",
        "sse-kms",
        "--s3-key",
        KEY,
        "--local-disk-key",
        KEY,
        "--in-transit",
        "s3://acme/certs.zip",
    ];
    let mut arguments = vec!["--create", "--name", "acme"];
    arguments.extend(all);
    let (code, out, err) = command(moto, &arguments);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("'acme' was created") && out.contains("aws.emr.security_configuration: acme"),
        "{out}"
    );
    let (code, out, err) = command(moto, &arguments);
    assert!(
        code == 0 && out.contains("was there already, with the same content"),
        "{out}{err}"
    );
    let (code, _, err) = command(moto, &["--create", "--name", "acme", "--s3", "sse-s3"]);
    assert!(
        code == 1 && err.contains("there is another one of this name"),
        "{err}"
    );
}

#[test]
fn local_disks_alone_and_the_region_of_their_key() {
    let (code, out, err) = answer(&mut camonica(&[
        "security-configuration",
        "--local-disk-key",
        KEY,
        "--region",
        "us-east-1",
    ]));
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let rest = &json["EncryptionConfiguration"]["AtRestEncryptionConfiguration"];
    assert_eq!(rest["LocalDiskEncryptionConfiguration"]["AwsKmsKey"], KEY);
    assert!(rest.get("S3EncryptionConfiguration").is_none(), "{rest}");
    let (code, _, err) = answer(&mut camonica(&[
        "security-configuration",
        "--local-disk-key",
        KEY,
        "--region",
        "eu-west-1",
    ]));
    assert!(
        code == 1 && err.contains("must be in the region of the cluster, eu-west-1"),
        "{err}"
    );
}

#[test]
fn a_reader_that_reads_no_further_does_no_harm() {
    for arguments in [
        &["security-configuration", "--s3", "sse-s3"][..],
        &["--help"],
        &["no-command"],
    ] {
        let mut process = camonica(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = process.stdout(writer).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
        let expected = i32::from(arguments == ["no-command"]);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn options_that_do_not_go_together_are_told() {
    let base = tempfile::tempdir().unwrap();
    let text = without_cluster(
        &Aws::acme(),
        "cloudfront",
        "  target: local
  kms_key: alias/acme
",
    );
    let config = super::write(&base.path().join("config.yml"), &text);
    for (arguments, part) in [
        (
            &["security-configuration", "--s3", "sse-s3", "--s3-key", KEY][..],
            "--s3-key: goes with --s3 sse-kms",
        ),
        (
            &["security-configuration", "-c", &config],
            "camonica.kms_key 'alias/acme': a security configuration takes the ARN of a key: give --s3-key",
        ),
        (
            &[
                "reencrypt",
                "s3://acme",
                "--sse",
                "sse-s3",
                "--kms-key",
                KEY,
            ],
            "--kms-key: goes with encryption by a key of KMS",
        ),
        (
            &["reencrypt", "s3://acme", "--bucket-key"],
            "--bucket-key: goes with encryption by a key of KMS",
        ),
        (
            &["reencrypt", "s3://acme", "--sse", "sse-kms"],
            "--sse sse-kms: give --kms-key, or camonica.kms_key in a configuration",
        ),
        (&["reencrypt", "s3://acme"], "here --region says it, too"),
        (
            &["iam-policy", "-c", &config, "--disk-key", "1234"],
            "--disk-key '1234': expected the ARN of a key",
        ),
    ] {
        let (code, out, err) = answer(&mut camonica(arguments));
        assert!(code == 1 && err.contains(part), "{arguments:?}: {out}{err}");
        assert!(!err.contains("WARN"), "{arguments:?}: {err}");
    }
}
