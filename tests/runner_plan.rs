//! Plans through the program: emptiness checks with their texts and exit codes, both modes, starts in the middle, limits,
//! time-outs, what dead runs leave, `plan` and `status`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
#[path = "runner_plan/checks.rs"]
mod checks;
#[path = "runner_plan/stream.rs"]
mod stream;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use camonica::{RUN, RunFolder};
use fixtures::{Corpus, Format, Made, Mix};
use support::{gzip, parts};

/// The folders of one pipeline, with its configuration.
struct Pipeline {
    folder: tempfile::TempDir,
}

impl RunFolder for Pipeline {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Pipeline {
    fn batch() -> Self {
        Self::new("")
    }

    fn stream() -> Self {
        Self::new("        stream: BASE/loader\n")
    }

    fn new(stream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = "aws:
  s3:
    buckets:
      log: BASE/log
      raw:
        in: [BASE/in, BASE/in2]
        processing: BASE/processing
        archive: BASE/archive/raw
      enriched:
        good: BASE/enriched/good
        bad: BASE/enriched/bad
        archive: BASE/archive/enriched
STREAM      shredded:
        good: BASE/shredded/good
        bad: BASE/shredded/bad
        archive: BASE/archive/shredded
collectors: {format: cloudfront}
enrich: {output_compression: NONE}
camonica: {workers: 1}
";
        let config = config
            .replace("STREAM", stream)
            .replace("BASE", folder.path().to_str().unwrap());
        let pipeline = Self { folder };
        pipeline.write_documents(&config);
        pipeline
    }

    fn collect(&self, bytes: u64) -> Made {
        corpus(bytes).write(&self.path("in")).unwrap()
    }

    /// Lines of the part files below a folder.
    fn lines(&self, name: &str) -> usize {
        parts::lines(&self.path(name)).len()
    }
}

fn corpus(bytes: u64) -> Corpus {
    Corpus {
        seed: 7,
        format: Format::Cloudfront,
        bytes,
        files: 4,
        gzip: true,
        mix: Mix::default(),
    }
}

/// Enriched events of a corpus, as the S3 Loader of Stream Enrich would write them: plain lines.
fn enriched(bytes: u64) -> (Made, Vec<u8>) {
    let pipeline = Pipeline::batch();
    let made = pipeline.collect(bytes);
    pipeline.good("run", &["--skip", "shred,archive_shredded"]);
    let mut lines = Vec::new();
    for file in pipeline.files("archive/enriched") {
        if file.contains("/part-") {
            lines.extend(fs::read(pipeline.path("archive/enriched").join(file)).unwrap());
        }
    }
    (made, lines)
}

#[test]
fn a_backlog_is_eaten_in_several_runs() {
    let pipeline = Pipeline::batch();
    let made = pipeline.collect(60_000);
    for (age, file) in made.files.iter().rev().enumerate() {
        let at = std::time::UNIX_EPOCH + Duration::from_secs(1_500_000_000 + age as u64);
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(at)
            .unwrap();
    }
    let plan = pipeline.good("plan", &["--max-files", "3"]);
    assert!(plan.contains("takes   3 of 4 objects, "), "{plan}");
    assert!(!pipeline.path("log").exists(), "a plan has no effects");
    let mut taken = Vec::new();
    for _ in 0..4 {
        pipeline.good("run", &["--max-files", "1"]);
        let files = pipeline.files("archive/raw");
        let names: BTreeSet<String> = files
            .iter()
            .map(|file| file.rsplit('/').next().unwrap().to_owned())
            .collect();
        taken.push(names);
    }
    let names = |files: &[PathBuf]| -> BTreeSet<String> {
        files
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    // the oldest first
    for (index, taken) in taken.iter().enumerate() {
        assert_eq!(*taken, names(&made.files[3 - index..]), "run {index}");
    }
    assert_eq!(pipeline.answer("run", &["--max-files", "1"]).0, 3);
    assert_eq!(pipeline.lines("archive/enriched") as u64, made.events);
    // one object at least, however large
    corpus(10_000).write(&pipeline.path("in")).unwrap();
    pipeline.good("run", &["--max-bytes", "1"]);
    assert_eq!(pipeline.files("in").len(), 3);
}

#[test]
fn a_run_from_the_middle_takes_the_place_of_the_one_that_failed() {
    let pipeline = Pipeline::batch();
    let made = pipeline.collect(40_000);
    // shred cannot write
    pipeline.write("shredded/bad", b"a file where a folder should be");
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 1, "{out}");
    assert!(err.starts_with("Step shred failed: "), "{err}");
    assert!(out.contains("--resume-from shred"), "{out}");
    fs::remove_file(pipeline.path("shredded/bad")).unwrap();
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 4, "{out}");
    let status = pipeline.good("status", &[]);
    for part in [
        &format!("run {RUN}   UNFINISHED   begun "),
        "  enrich                 done in ",
        "  shred                  FAILED: ",
        "  archive_raw            -\n",
        "next     camonica resume --config ",
    ] {
        assert!(status.contains(part), "{part}\n{status}");
    }
    let out = pipeline.good("run", &["--resume-from", "shred", "--run-id", "2018-07-25"]);
    assert!(
        out.contains(&format!(
            " WARN -- : run {RUN} was not brought to its end; run 2018-07-25 takes its place"
        )),
        "{out}"
    );
    // the events keep the folder of the run that made them
    assert!(
        pipeline
            .files("archive/enriched")
            .iter()
            .all(|file| file.starts_with(&format!("run={RUN}/")))
    );
    assert_eq!(
        pipeline.lines("archive/shredded/run=2018-07-25/atomic-events") as u64,
        made.events
    );
    assert_eq!(pipeline.answer("resume", &[]).0, 3);
    let status = pipeline.good("status", &[]);
    assert!(
        status.contains(&format!(
            "run {RUN}   given up: run 2018-07-25 took its place"
        )),
        "{status}"
    );
    assert!(status.contains("run 2018-07-25   finished"), "{status}");
    assert!(status.contains("runner   none at work"), "{status}");
    let (code, _, err) = pipeline.answer(
        "run",
        &[
            "--resume-from",
            "archive_shredded",
            "--run-id",
            "2018-07-25",
        ],
    );
    assert_eq!(code, 1);
    assert!(err.starts_with("No run folders in ["), "{err}");
}

#[test]
fn every_run_folder_that_is_found_is_archived() {
    let pipeline = Pipeline::batch();
    for id in ["2018-07-22", "2018-07-23"] {
        pipeline.write(&format!("enriched/good/run={id}/part-0"), b"x\n");
        pipeline.write(
            &format!("shredded/good/run={id}/atomic-events/part-0"),
            b"x\n",
        );
    }
    let out = pipeline.good(
        "run",
        &["--resume-from", "archive_enriched", "--run-id", RUN],
    );
    let first = out.find("run 2018-07-22: 1 objects").expect(&out);
    assert!(first < out.find("run 2018-07-23: 1 objects").expect(&out));
    for id in ["2018-07-22", "2018-07-23"] {
        assert!(
            pipeline
                .path(&format!("archive/enriched/run={id}/part-0"))
                .exists()
        );
        assert!(
            pipeline
                .path(&format!("archive/shredded/run={id}/atomic-events/part-0"))
                .exists()
        );
    }
    assert_eq!(pipeline.files("enriched/good"), BTreeSet::new());
}

#[test]
fn what_dead_runs_have_left_is_removed_on_request() {
    let pipeline = Pipeline::batch();
    let made = pipeline.collect(30_000);
    fs::rename(pipeline.path("in"), pipeline.path("processing")).unwrap();
    pipeline.write("enriched/good/run=2018-07-23/part-0", b"half\n");
    let (code, out, _) = pipeline.answer("run", &["--resume-from", "enrich"]);
    assert_eq!(code, 4);
    assert!(out.contains("run=2018-07-23/ has no _SUCCESS: a run that died has left it. Add --clean to remove it and begin again."), "{out}");
    let out = pipeline.good(
        "run",
        &["--resume-from", "enrich", "--clean", "--run-id", RUN],
    );
    assert!(
        out.contains(
            "run=2018-07-23/: removed 1 objects, 5 bytes, that a dead run has left without _SUCCESS"
        ),
        "{out}"
    );
    assert_eq!(pipeline.lines("archive/enriched") as u64, made.events);
    assert!(!pipeline.path("archive/enriched/run=2018-07-23").exists());

    // without its input nothing is removed, and what is complete is never
    for (files, options, text) in [
        (
            &["shredded/good/run=2018-01/atomic-events/part-0"][..],
            &["--resume-from", "shred", "--clean"][..],
            "is empty, so what would be removed could not be made again: nothing was removed",
        ),
        (
            &["in/log", "shredded/good/run=2018-01/part-0"],
            &["--clean"],
            "--clean goes with a run that enriches or shreds again",
        ),
    ] {
        let pipeline = Pipeline::batch();
        for file in files {
            pipeline.write(file, b"x");
        }
        let (code, _, err) = pipeline.answer("run", options);
        assert_eq!(code, 1);
        assert!(err.contains(text), "{err}");
        assert!(files.iter().all(|file| pipeline.path(file).exists()));
    }
    let pipeline = Pipeline::batch();
    pipeline.write("enriched/good/run=2018-01/part-0", b"x");
    pipeline.write("shredded/good/run=2018-01/atomic-events/_SUCCESS", b"");
    let (code, _, _) = pipeline.answer("run", &["--resume-from", "shred", "--clean"]);
    assert_eq!(code, 4);
    assert!(
        pipeline
            .path("shredded/good/run=2018-01/atomic-events/_SUCCESS")
            .exists()
    );
    // in Stream Enrich mode the folders of enriched events are the events
    let pipeline = Pipeline::stream();
    pipeline.write("enriched/good/run=2018-01/a.gz", gzip(b"x\n"));
    pipeline.good("run", &["--resume-from", "shred", "--clean"]);
    assert!(pipeline.path("archive/enriched/run=2018-01/a.gz").exists());
}

#[test]
fn a_run_whose_time_is_over_stops_and_can_go_on() {
    let pipeline = Pipeline::batch();
    let made = pipeline.collect(12_000_000);
    let (code, out, err) = pipeline.answer("run", &["--timeout", "1s", "--run-id", RUN]);
    assert_eq!(code, 1, "{out}");
    assert!(
        err.starts_with("The time of the run (--timeout 1s) was over at step "),
        "{err}"
    );
    assert!(err.contains("\n  camonica resume --config "), "{err}");
    let status = pipeline.good("status", &[]);
    assert!(status.contains("UNFINISHED"), "{status}");
    pipeline.good("resume", &[]);
    assert_eq!(pipeline.lines("archive/enriched") as u64, made.events);
    assert_eq!(
        pipeline.lines(&format!("archive/shredded/run={RUN}/atomic-events")) as u64,
        made.events
    );
}

#[test]
fn loading_is_left_out_with_a_line_that_says_so() {
    let pipeline = Pipeline::batch();
    pipeline.collect(10_000);
    let out = pipeline.good("run", &["--run-id", RUN]);
    let line = "loading is not available yet, so nothing was loaded (--skip rdb_load leaves this step out)";
    assert!(out.contains(line), "{out}");
    pipeline.collect(10_000);
    let out = pipeline.good("run", &["--skip", "rdb_load"]);
    assert!(
        !out.contains("rdb_load") && !out.contains("loading"),
        "{out}"
    );
    // an id is used once
    pipeline.collect(10_000);
    let (code, _, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with(&format!(
            "--run-id {RUN}: there is a run of this id already"
        )),
        "{err}"
    );
}

#[test]
fn locks_by_outcome() {
    let pipeline = Pipeline::batch();
    let lock = pipeline.text("lock");
    // a no-op removes the lock that it was told to ignore
    fs::write(&lock, "4711\n").unwrap();
    assert_eq!(pipeline.answer("run", &["--lock", &lock]).0, 17);
    assert_eq!(
        pipeline
            .answer("run", &["--lock", &lock, "--ignore-lock-on-start"])
            .0,
        3
    );
    assert!(!Path::new(&lock).exists());
    // --consul without --lock does nothing
    assert_eq!(
        pipeline
            .answer("run", &["--consul", "http://127.0.0.1:1"])
            .0,
        3
    );
    // at work: status says so
    pipeline.collect(8_000_000);
    let mut running = pipeline.start("run");
    let mut seen = false;
    while running.try_wait().unwrap().is_none() && !seen {
        let status = pipeline.good("status", &[]);
        seen = status.contains("runner   at work: ") && status.contains("   at work   begun ");
        thread::sleep(Duration::from_millis(20));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(seen, "the run was never seen at work");
    let status = pipeline.good("status", &[]);
    assert!(status.contains("runner   none at work"), "{status}");
    assert!(
        status.contains(&format!("run {RUN}   UNFINISHED")),
        "{status}"
    );
    let status = pipeline.good("status", &["--lock", &lock]);
    assert!(
        status.ends_with(&format!("\nlock     free: {lock}\n")),
        "{status}"
    );
    fs::write(&lock, "4711\nhost elsewhere\n").unwrap();
    let status = pipeline.good("status", &["--lock", &lock]);
    assert!(
        status.contains(&format!(
            "\nlock     held: {lock}\n         held by process 4711 on host elsewhere\n"
        )),
        "{status}"
    );
}
