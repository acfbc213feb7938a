//! The runner's objects on S3: moves, staging and archiving against moto behind a proxy that records requests, demands
//! encryption, makes faults, and dies.
//!
//! Interrupted moves are tried by dying at *every* request of a move, with and without its effect, and by killing a process with
//! SIGKILL in the middle of one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/moto.rs"]
mod moto;
#[path = "runner_s3/cuts.rs"]
mod cuts;
#[path = "runner_s3/large.rs"]
mod large;
#[path = "runner_s3/moves.rs"]
mod moves;
#[path = "runner_s3/steps.rs"]
mod steps;
#[path = "support/s3_proxy.rs"]
mod s3_proxy;

use std::collections::BTreeMap;
use std::time::Duration;

use engine::store::{Encryption, Location, StaticCredentials};
use moto::Moto;
use runner::aws::{Aws, AwsSettings, Tuning};
use runner::objects::Objects;
use s3_proxy::Proxy;

/// Buckets of a test behind a proxy of its own.
struct World {
    moto: &'static Moto,
    proxy: Proxy,
    bucket: String,
}

impl World {
    fn new(bucket: &str) -> Option<Self> {
        let moto = Moto::get()?;
        moto.create_bucket(bucket);
        Some(Self {
            moto,
            proxy: Proxy::start(&moto.endpoint()),
            bucket: bucket.to_owned(),
        })
    }

    fn settings(&self) -> AwsSettings {
        AwsSettings {
            region: Some("us-east-1".into()),
            endpoint: Some(self.proxy.endpoint()),
            keys: Some(StaticCredentials::new("AKIATEST", "test")),
            encryption: Encryption::SseS3,
            tuning: Tuning {
                retry_timeout: Duration::from_secs(60),
                first_backoff: Duration::from_millis(5),
                longest_backoff: Duration::from_millis(40),
                copy_limit: 6 << 20,
                copy_part: 5 << 20,
                upload_part: 5 << 20,
                ..Tuning::default()
            },
        }
    }

    fn objects(&self) -> Objects {
        self.objects_with(self.settings())
    }

    fn objects_with(&self, settings: AwsSettings) -> Objects {
        Objects::new(Some(Aws::open(settings).unwrap()))
    }

    fn at(&self, key: &str) -> Location {
        Location::parse(&format!("s3://{}/{key}", self.bucket)).unwrap()
    }

    /// Writes an object behind the proxy's back.
    fn write(&self, key: &str, content: &[u8]) {
        self.moto.put(&self.bucket, key, content);
    }

    fn write_many(&self, keys: &[String]) {
        std::thread::scope(|scope| {
            for part in keys.chunks(keys.len().div_ceil(8).max(1)) {
                scope.spawn(move || {
                    for key in part {
                        self.write(key, key.as_bytes());
                    }
                });
            }
        });
    }

    fn read(&self, key: &str) -> Option<Vec<u8>> {
        self.moto.read(&self.bucket, key)
    }

    /// Keys of the bucket, without the proxy and without the code under test.
    fn keys(&self, prefix: &str) -> Vec<String> {
        self.moto.keys(&self.bucket, prefix)
    }

    /// Content of each object below a prefix, by relative key.
    fn contents(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        self.keys(prefix)
            .into_iter()
            .map(|key| {
                let content = self.read(&key).unwrap();
                (key[prefix.len()..].to_owned(), content)
            })
            .collect()
    }

    fn open_uploads(&self) -> usize {
        self.moto.open_uploads(&self.bucket).len()
    }
}
