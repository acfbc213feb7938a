//! `camonica security-configuration` against moto's EMR.

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
