//! The program with all its buckets on S3 (moto behind a proxy of ours), whole runs in batch and Stream Enrich mode:
//! undisturbed, killed in the middle of every step and resumed, with faults on a tenth of all requests, in buckets that refuse
//! what is not encrypted, and with the mistakes that people make.
//!
//! All clients of a run go through the proxy, that of the runner and that of the engine, and every bucket is read behind its back. A
//! run that was disturbed must leave exactly what an undisturbed one leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
#[path = "support/elastic.rs"]
mod elastic;
#[path = "runner_run_s3/encryption.rs"]
mod encryption;
#[path = "runner_run_s3/faults.rs"]
mod faults;
#[path = "support/http_stub.rs"]
mod http_stub;
#[path = "runner_run_s3/kills.rs"]
mod kills;
#[path = "support/moto.rs"]
mod moto;
#[path = "runner_run_s3/pipeline.rs"]
mod pipeline;
#[path = "support/s3_proxy.rs"]
mod s3_proxy;
#[path = "runner_run_s3/state.rs"]
mod state;
mod support;
#[path = "runner_run_s3/whole.rs"]
mod whole;
#[path = "runner_run_s3/words.rs"]
mod words;
