//! Buckets that refuse every object which does not ask for encryption (Put, Copy, CreateMultipartUpload).

use super::camonica::{RUN, RunFolder};
use super::pipeline::{BUCKETS, Logs, Mode, Pipeline, client};
use super::state::State;

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// Runs behind a proxy that refuses writes without this encryption.
fn run(name: &str, mode: Mode, key: Option<&str>) {
    let logs = Logs::of(mode, 40_000);
    let Some(pipeline) = Pipeline::with(name, mode, &logs) else {
        return;
    };
    let encryption = if key.is_some() { "aws:kms" } else { "AES256" };
    pipeline.proxy.demand_encryption(encryption);
    if let Some(key) = key {
        pipeline.change("camonica: {", &format!("camonica: {{kms_key: '{key}', "));
    }
    pipeline.run();
    let recorded = pipeline.proxy.take();
    let mut written = [0; 2];
    for request in recorded.iter().filter(|request| request.is_write()) {
        assert_ne!(request.status, 403, "{request:?}");
        let header = |name| request.header(name);
        assert_eq!(
            header("x-amz-server-side-encryption"),
            Some(encryption),
            "{request:?}"
        );
        assert_eq!(
            header("x-amz-server-side-encryption-aws-kms-key-id"),
            key,
            "{request:?}"
        );
        written[usize::from(client(request) == "engine")] += 1;
    }
    println!("writes of the runner and of the engine: {written:?}");
    assert!(written.iter().all(|&count| count > 4), "{written:?}");
    State::of_finished(&pipeline, encryption, name);
    for bucket in BUCKETS {
        for place in pipeline.keys(bucket, "") {
            let head = pipeline.moto.head(&pipeline.bucket(bucket), &place);
            if let Some(key) = key {
                assert!(head.contains(&key.to_lowercase()), "{place}: {head}");
            }
        }
    }
}

#[test]
fn nothing_is_refused_in_batch_mode() {
    run("sse-batch", Mode::Batch, None);
}

#[test]
fn nothing_is_refused_in_stream_enrich_mode() {
    run("sse-stream", Mode::Stream, None);
}

#[test]
fn nothing_is_refused_with_a_key_of_kms_in_batch_mode() {
    run("kms-batch", Mode::Batch, Some(KEY));
}

#[test]
fn nothing_is_refused_with_a_key_of_kms_in_stream_enrich_mode() {
    run("kms-stream", Mode::Stream, Some(KEY));
}

/// A run without encryption against these buckets: what is refused, and what a person reads.
#[test]
fn without_encryption_the_run_fails_and_says_what_to_do() {
    let logs = Logs::of(Mode::Batch, 40_000);
    let Some(pipeline) = Pipeline::with("sse-none", Mode::Batch, &logs) else {
        return;
    };
    pipeline.change("encrypted: true", "encrypted: false");
    let told = |text: &str, bucket: &str| {
        for part in [
            bucket,
            "AccessDenied (HTTP 403)",
            "aws.s3.buckets.encrypted: true",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("<Error>"), "{text}");
    };
    // all buckets: already the lock of the run cannot be written
    pipeline.proxy.demand_encryption("AES256");
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 1, "{out}\n{err}");
    told(&err, "s3://sse-none-log/");
    assert_eq!(pipeline.keys("in", "").len(), logs.objects.len());
    assert!(pipeline.keys("log", "").is_empty());

    // the outputs only: the runner stages into that bucket
    pipeline
        .proxy
        .demand_encryption_of("sse-none-out", "AES256");
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(err.contains("Step staging failed: "), "{err}");
    told(&err, "://sse-none-out/processing/");
    assert_eq!(pipeline.keys("in", "").len(), logs.objects.len());

    // the bucket of the shredded events only: the engine writes there
    pipeline.change(
        "s3://sse-none-out/shredded",
        "s3://sse-none-archive/new/shredded",
    );
    pipeline
        .proxy
        .demand_encryption_of("sse-none-archive", "AES256");
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(err.contains("Step shred failed: "), "{err}");
    told(&err, "s3://sse-none-archive/new/shredded/");

    // as it says
    pipeline.change("encrypted: false", "encrypted: true");
    pipeline.good("resume", &[]);
    assert!(
        !pipeline
            .keys("archive", &format!("shredded/run={RUN}/"))
            .is_empty()
    );
    for bucket in BUCKETS {
        assert!(
            pipeline
                .moto
                .open_uploads(&pipeline.bucket(bucket))
                .is_empty()
        );
    }
}
