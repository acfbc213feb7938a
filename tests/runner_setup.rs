//! What is set up around runs, by the program: certificates, security configurations, encryption of what is there already,
//! IAM policies. Peers: openssl, rustls, and moto as S3, EMR and IAM.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
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
mod support;

use std::path::Path;
use std::time::Duration;

use engine::store::{Encryption, StaticCredentials};
use fixtures::configuration::{self, without_cluster};
use moto::Moto;
use runner::aws::{Aws, AwsSettings, Tuning};

/// Writes a configuration with buckets on moto into a folder: its path.
fn write_configuration(folder: &Path, moto: &Moto, aws: configuration::Aws<'_>) -> String {
    let aws = configuration::Aws {
        region: "us-east-1",
        ..aws
    };
    let camonica = format!(
        "  target: local\n  aws_timeout: 20s\n  s3_endpoint: {}\n",
        moto.endpoint()
    );
    let text = without_cluster(&aws, "cloudfront", &camonica);
    write(&folder.join("config.yml"), &text)
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
