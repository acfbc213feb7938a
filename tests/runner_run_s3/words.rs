//! What people read when something is set wrong, and keys of all kinds.

use super::camonica::{RUN, RunFolder};
use super::pipeline::{Logs, Mode, Pipeline};

#[test]
fn wrong_settings_are_told_before_anything_is_begun() {
    let logs = Logs::of(Mode::Batch, 5_000);
    let Some(pipeline) = Pipeline::with("wrong", Mode::Batch, &logs) else {
        return;
    };
    let untouched = || {
        assert_eq!(pipeline.keys("in", "").len(), logs.objects.len());
        assert!(pipeline.keys("out", "").is_empty());
    };
    // a bucket that is not there
    pipeline.change("s3://wrong-log/logs", "s3://wrong-none/logs");
    let (code, out, err) = pipeline.answer("run", &[]);
    assert_eq!(code, 1, "{out}");
    assert!(
        err.contains("s3://wrong-none/logs") && err.contains("NoSuchBucket"),
        "{err}"
    );
    untouched();
    pipeline.change("s3://wrong-none/logs", "s3://wrong-log/logs");
    // buckets that only the last steps write to
    pipeline.change("s3://wrong-archive/shredded", "s3://wrong-none/shredded");
    pipeline.change("s3://wrong-out/enriched/bad", "s3://wrong-neither/bad");
    let (code, out, err) = pipeline.answer("run", &[]);
    assert_eq!(code, 1, "{out}");
    for bucket in ["s3://wrong-none/shredded/: ", "s3://wrong-neither/bad/: "] {
        assert!(err.contains(bucket), "{err}");
    }
    assert!(pipeline.keys("log", "").is_empty());
    untouched();
    pipeline.change("s3://wrong-none/shredded", "s3://wrong-archive/shredded");
    pipeline.change("s3://wrong-neither/bad", "s3://wrong-out/enriched/bad");
    // plain HTTP to another machine
    pipeline.change("http://127.0.0.1", "http://192.0.2.1");
    let (code, _, err) = pipeline.answer("run", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("camonica.s3_endpoint"), "{err}");
    untouched();
}

/// The service answers, and later takes the keys no more: the run says what to do, and goes on when it does.
#[test]
fn keys_that_are_refused_in_the_middle() {
    let logs = Logs::of(Mode::Batch, 5_000);
    let Some(pipeline) = Pipeline::with("refused", Mode::Batch, &logs) else {
        return;
    };
    for (operation, code, advice) in [
        (
            "CopyObject",
            "ExpiredToken",
            "Renew the credentials, then resume the run",
        ),
        (
            "CreateMultipartUpload",
            "ExpiredToken",
            "renew the credentials, then run again",
        ),
        (
            "CompleteMultipartUpload",
            "InvalidAccessKeyId",
            "check the access key",
        ),
    ] {
        pipeline.proxy.refuse(operation, 403, code);
        let command = if pipeline.journal().is_empty() {
            vec!["run", "--run-id", RUN]
        } else {
            vec!["resume"]
        };
        let (exit, out, err) = pipeline.answer(command[0], &command[1..]);
        assert_eq!(exit, 1, "{out}\n{err}");
        for part in [code, advice, "s3", "\n  camonica resume --config "] {
            assert!(err.contains(part), "{operation}: {part} in {err}");
        }
        assert!(!err.contains("<Error>") && !err.contains('\u{1b}'), "{err}");
    }
    pipeline.proxy.accept();
    pipeline.good("resume", &[]);
    assert_eq!(pipeline.keys("archive", "raw/").len(), logs.objects.len());
}

#[test]
fn folders_and_keys_of_all_kinds() {
    let logs = Logs::of(Mode::Batch, 20_000);
    let Some(pipeline) = Pipeline::new("odd", Mode::Batch) else {
        return;
    };
    // slashes at the end, blanks inside
    for (from, to) in [
        ("s3://odd-in/web,", "'s3://odd-in/web logs//',"),
        (
            "s3a://odd-out/processing",
            "'s3a://odd-out/in work + 100%/'",
        ),
        (
            "s3://odd-archive/raw",
            "'s3://odd-archive/Rohdaten für später///'",
        ),
        ("s3://odd-log/logs", "'s3://odd-log/the logs/'"),
    ] {
        pipeline.change(from, to);
    }
    let keys = [
        "web logs/a b.gz",
        "web logs/50%.gz",
        "web logs/c+d%20e.gz",
        "app/käse/ünïcode–🦊.gz",
        "app/run=1/x&y='z'\"(1).gz",
    ];
    for (key, (_, content)) in keys.iter().zip(&logs.objects) {
        pipeline.put("in", key, content);
    }
    // markers of folders are no logs, and stay
    pipeline.put("in", "web logs/", b"");
    pipeline.put("in", "app/käse_$folder$", b"");
    pipeline.run();
    assert_eq!(pipeline.counted("enrich", &["enrich", "good"]), logs.events);
    assert_eq!(pipeline.keys("in", ""), ["app/käse_$folder$", "web logs/"]);
    let prefix = format!("Rohdaten für später/run={RUN}/");
    let mut found: Vec<String> = pipeline
        .keys("archive", &prefix)
        .iter()
        .map(|key| key[prefix.len()..].to_owned())
        .collect();
    let mut expected: Vec<String> = keys
        .iter()
        .map(|key| key.split_once('/').unwrap().1.to_owned())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for (key, (_, content)) in keys.iter().zip(&logs.objects) {
        let name = key.split_once('/').unwrap().1;
        let archived = pipeline.read("archive", &format!("{prefix}{name}"));
        assert!(archived.as_ref() == Some(content), "{key}");
    }
    assert!(pipeline.keys("out", "in work + 100%/").is_empty());
}
