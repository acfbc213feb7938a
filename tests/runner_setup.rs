//! What is set up around runs, by the program: certificates, security configurations, encryption of what is there already,
//! IAM policies. Peers: openssl, rustls, and moto as S3, EMR and IAM.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

#[path = "runner_setup/certs.rs"]
mod certs;
#[path = "runner_setup/iam.rs"]
mod iam;
#[path = "support/moto.rs"]
mod moto;
#[path = "runner_setup/reencrypt.rs"]
mod reencrypt;
#[path = "runner_setup/security.rs"]
mod security;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::store::{Encryption, StaticCredentials};
use runner::aws::{Aws, AwsSettings, Tuning};

/// The program, without what the environment might say about AWS.
fn camonica(arguments: &[&str]) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_camonica"));
    process.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") || name == "RUST_LOG" {
            process.env_remove(name);
        }
    }
    process.env("AWS_EC2_METADATA_DISABLED", "true");
    process
}

/// Exit code, standard output, standard error.
fn answer(process: &mut Command) -> (i32, String, String) {
    let output = process.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().expect("an exit code"), out, err)
}

/// A configuration whose folders lie below `root` (`s3://bucket/folder` or a path).
fn configuration(
    root: &str,
    log: &str,
    keys: [&str; 2],
    encrypted: bool,
    camonica: &str,
) -> String {
    let [id, secret] = keys;
    format!(
        "aws:
  access_key_id: {id}
  secret_access_key: {secret}
  s3:
    region: us-east-1
    buckets:
      assets: s3://snowplow-hosted-assets
      jsonpath_assets:
      log: {log}
      encrypted: {encrypted}
      raw:
        in:
          - {root}/in
        processing: {root}/processing
        archive: {root}/archive/raw
      enriched:
        good: {root}/enriched/good
        bad: {root}/enriched/bad
        errors:
        archive: {root}/archive/enriched
      shredded:
        good: {root}/shredded/good
        bad: {root}/shredded/bad
        errors:
        archive: {root}/archive/shredded
collectors:
  format: cloudfront
enrich:
  continue_on_unexpected_error: false
  output_compression: NONE
camonica:
  target: local
  workers: 1
  aws_timeout: 20s
{camonica}"
    )
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn aws(endpoint: String, keys: [&str; 2]) -> Aws {
    Aws::open(AwsSettings {
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint),
        keys: Some(StaticCredentials::new(keys[0], keys[1])),
        encryption: Encryption::None,
        tuning: Tuning {
            retry_timeout: Duration::from_secs(30),
            first_backoff: Duration::from_millis(20),
            copy_limit: 6 << 20,
            copy_part: 5 << 20,
            ..Tuning::default()
        },
    })
    .unwrap()
}
