//! Sharded jobs in one process: shards as threads, and what may go wrong between them.

use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::job::parts::tests::{lines, shred_job, write_input};
use crate::job::{JobReport, ShredJob};
use std::fs;
use std::path::{Path, PathBuf};

const SECRET: &[u8] = b"a secret of all shards, 32 bytes or more";

fn options(folder: &Path) -> ShardOptions {
    ShardOptions {
        exchange: Some(folder.join("exchange").to_str().unwrap().into()),
        secret: Some(SharedSecret::new(SECRET).unwrap()),
        timeout: Duration::from_secs(120),
    }
}

fn shard(number: u32, of: u32) -> Shard {
    format!("{number}/{of}").parse().unwrap()
}

/// Runs all shards at the same time, each as often as `times` says.
fn run_all(job: &ShredJob, of: u32, times: u32, options: &ShardOptions) -> Vec<JobReport> {
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for number in 1..=of {
            for _ in 0..times {
                running.push(scope.spawn(move || run_shred(job, shard(number, of), options)));
            }
        }
        running
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap())
            .collect()
    })
}

fn commit(job: &ShredJob, of: u32, options: &ShardOptions) -> Result<JobReport> {
    let options = ShardOptions {
        timeout: Duration::ZERO,
        ..options.clone()
    };
    commit_shred(job, of, &options)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn text(error: &Error) -> String {
    error.to_string()
}

#[test]
fn shards_of_any_number_give_the_output_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    let one = shred_job(folder.path(), "one")
        .run()
        .unwrap()
        .shred
        .unwrap();
    let expected = lines(&folder.path().join("one"));
    let options = options(folder.path());
    for (of, times) in [(1, 1), (3, 1), (4, 2), (9, 1)] {
        let name = format!("shards{of}");
        let mut job = shred_job(folder.path(), &name);
        job.options.run_id = Some("run".into());
        let reports = run_all(&job, of, times, &options);
        let total: u64 = reports.iter().map(|report| report.input_bytes).sum();
        let before = files(&folder.path().join(&name));
        assert!(
            before
                .iter()
                .all(|path| path.to_str().unwrap().contains("_temporary"))
        );
        let report = commit(&job, of, &options).unwrap();
        assert_eq!(total, u64::from(times) * report.input_bytes);
        assert_eq!(lines(&folder.path().join(&name)), expected, "{of}");
        let counts = report.shred.unwrap();
        let sent: u64 = reports
            .iter()
            .map(|report| report.shred.as_ref().unwrap().exchanged_line_bytes)
            .sum();
        // two attempts at a shard may cut their parcels in different places
        assert!(times > 1 || sent == counts.exchanged_line_bytes, "{sent}");
        assert!(counts.exchanged_line_bytes > 1000);
        // 16 bytes an event, and some for each parcel
        let parcels = counts.exchanged_key_bytes - counts.key_bytes;
        assert!((20..20_000).contains(&parcels), "{parcels}");
        let plain = |counts: &crate::job::report::ShredCounts| crate::job::report::ShredCounts {
            waiting_bytes: one.waiting_bytes,
            exchanged_key_bytes: 0,
            exchanged_line_bytes: 0,
            ..counts.clone()
        };
        assert_eq!(plain(&counts), one);
        assert_eq!(
            files(&folder.path().join("exchange")),
            Vec::<PathBuf>::new()
        );
        // once more: it says what was committed, and changes nothing
        let again = commit(&job, of, &options).unwrap();
        assert_eq!(again.shred, Some(counts));
        assert_eq!(again.outputs, report.outputs);
        let late = run_shred(&job, shard(1, of), &options).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::NotEmpty, "{late}");
        assert_eq!(lines(&folder.path().join(&name)), expected, "{of}");
    }
}

#[test]
fn what_is_missing_or_does_not_belong_together_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    let job = shred_job(folder.path(), "out");
    let mut options = options(folder.path());
    options.timeout = Duration::from_millis(10);
    let none = commit(&job, 3, &options).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    assert!(text(&none).contains("no shard of this job"), "{none}");

    let alone = run_shred(&job, shard(2, 3), &options).unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::Timeout);
    let expected = "2 of 3 shards have not told the ids of their share (1/3, 3/3)";
    assert!(text(&alone).contains(expected), "{alone}");
    assert!(text(&commit(&job, 3, &options).unwrap_err()).contains(expected));

    let error = run_shred(&job, shard(1, 4), &options).unwrap_err();
    assert!(text(&error).contains("begun as 3 shards"), "{error}");
    let error = commit(&job, 2, &options).unwrap_err();
    assert!(text(&error).contains("told of 2"), "{error}");
    let mut other = options.clone();
    other.secret = Some(SharedSecret::new(&[7; 40]).unwrap());
    let error = run_shred(&job, shard(1, 3), &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(text(&error).contains("--exchange-secret"), "{error}");
    assert!(commit(&job, 3, &other).is_err());
    other.secret = None;
    let error = run_shred(&job, shard(1, 3), &other).unwrap_err();
    assert!(text(&error).contains("--exchange-secret"), "{error}");
    let mut other = job.clone();
    other.options.compression = crate::output::Compression::Gzip(6);
    let error = run_shred(&other, shard(1, 3), &options).unwrap_err();
    assert!(
        text(&error).contains("--output-compression must be the same"),
        "{error}"
    );
    fs::write(folder.path().join("in/new.tsv"), "late\n").unwrap();
    for error in [
        run_shred(&job, shard(1, 3), &options).unwrap_err(),
        commit(&job, 3, &options).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Changed);
        assert!(
            text(&error).contains("it was begun with 5 objects"),
            "{error}"
        );
    }
    fs::remove_file(folder.path().join("in/new.tsv")).unwrap();
    let mut inside = options.clone();
    inside.exchange = Some(format!("{}/exchange", job.output));
    let error = run_shred(&job, shard(1, 3), &inside).unwrap_err();
    assert!(text(&error).contains("inside an output"), "{error}");
    options.exchange = None;
    let error = run_shred(&job, shard(1, 3), &options).unwrap_err();
    assert!(text(&error).contains("--exchange"), "{error}");
}

#[test]
fn nothing_in_an_exchange_can_be_read_or_changed() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    let expected = {
        shred_job(folder.path(), "one").run().unwrap();
        lines(&folder.path().join("one"))
    };
    let job = shred_job(folder.path(), "out");
    let options = options(folder.path());
    run_all(&job, 3, 1, &options);
    let exchange = files(&folder.path().join("exchange"));
    let of_stage = |stage: &str| {
        let stage = format!("/{stage}/");
        let find = exchange
            .iter()
            .filter(|path| path.to_str().unwrap().contains(&stage));
        find.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_stage("told").len(), 12);
    assert!(of_stage("scan").len() == 9 && of_stage("shred").len() > 3);
    assert!(of_stage("candidates").len() == 3);
    for path in &exchange {
        let bytes = fs::read(path).unwrap();
        for marker in [
            "00000000-0000-4000",
            "2018-07-24",
            "attempt",
            "part-",
            "records",
        ] {
            let found = memchr::memmem::find(&bytes, marker.as_bytes());
            assert!(found.is_none(), "{}: {marker}", path.display());
        }
    }
    // a row in the place of another's
    let told = of_stage("told");
    let rows = |stage: &str| {
        told.iter()
            .filter(|path| path.to_str().unwrap().contains(stage))
            .collect::<Vec<_>>()
    };
    let shreds = rows("/shred-");
    let (first, second) = (fs::read(shreds[0]).unwrap(), fs::read(shreds[1]).unwrap());
    for (bytes, expected) in [
        (second, "it is not what a shard of this job wrote"),
        (
            first[..first.len() - 1].to_vec(),
            "it is not what a shard of this job wrote",
        ),
    ] {
        fs::write(shreds[0], bytes).unwrap();
        let error = commit(&job, 3, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(text(&error).contains(expected), "{error}");
    }
    fs::write(shreds[0], &first).unwrap();
    // a lost resolver: it is named, and what it reads must be as it was sent
    let resolved = rows("/resolve-")[1].clone();
    fs::remove_file(&resolved).unwrap();
    let error = commit(&job, 3, &options).unwrap_err();
    assert!(
        text(&error).contains("resolved the duplicates of their bucket (2/3)"),
        "{error}"
    );
    let sent = of_stage("shred")
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("/00001-0"));
    let sent = sent.unwrap();
    let whole = fs::read(&sent).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bytes in [&changed[..], &whole[..whole.len() - 1], &[]] {
        fs::write(&sent, bytes).unwrap();
        let error = run_shred(&job, shard(2, 3), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    fs::remove_file(&sent).unwrap();
    let error = run_shred(&job, shard(2, 3), &options).unwrap_err();
    assert!(
        text(&error).contains("is gone from the exchange"),
        "{error}"
    );
    fs::write(&sent, whole).unwrap();
    run_shred(&job, shard(2, 3), &options).unwrap();
    commit(&job, 3, &options).unwrap();
    assert_eq!(lines(&folder.path().join("out")), expected);
}

#[test]
fn shards_whose_files_were_cleared_do_them_again() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    shred_job(folder.path(), "one").run().unwrap();
    let job = shred_job(folder.path(), "out");
    let options = options(folder.path());
    run_all(&job, 2, 1, &options);
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    let error = commit(&job, 2, &options).unwrap_err();
    assert!(text(&error).contains("start that shard again"), "{error}");
    run_all(&job, 2, 1, &options);
    commit(&job, 2, &options).unwrap();
    assert_eq!(
        lines(&folder.path().join("out")),
        lines(&folder.path().join("one"))
    );
}

#[test]
fn without_duplicates_nobody_waits_for_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/x"), "bad\n").unwrap();
    let job = shred_job(folder.path(), "out");
    let options = options(folder.path());
    run_all(&job, 3, 1, &options);
    let report = commit(&job, 3, &options).unwrap();
    assert_eq!(report.shred.unwrap().bad, 1);
    let told = |report: &JobReport| {
        report
            .stages
            .iter()
            .any(|time| time.stage == "wait for lines")
    };
    assert!(!told(
        &run_all(&shred_job(folder.path(), "other"), 1, 1, &options)[0]
    ));
}
