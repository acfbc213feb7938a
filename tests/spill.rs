//! Jobs whose tables and waiting lines outgrow their memory: same output, nothing in the clear, nothing left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use engine::job::report::ShredCounts;
use engine::job::{JobOptions, ShredJob};
use fixtures::{Corpus, Format, Made, Mix};
use support::parts;

/// A corpus in which most lines are duplicates of one kind or the other.
fn corpus(folder: &Path, bytes: u64) -> Made {
    Corpus {
        seed: 5,
        format: Format::Enriched,
        bytes,
        files: 4,
        gzip: false,
        mix: Mix {
            copies: 0.4,
            id_collisions: 0.2,
            hot_id: bytes / 10_000,
            malformed: 0.01,
            ..Mix::default()
        },
    }
    .write(folder)
    .expect("a corpus")
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Shreds `input`, a list of folders below `folder`.
fn shred(folder: &Path, input: &[&str], output: &str, options: JobOptions) -> ShredCounts {
    let inputs: Vec<String> = input.iter().map(|name| text(&folder.join(name))).collect();
    let spill = folder.join(format!("{output}-spill"));
    let report = ShredJob {
        input: inputs.join(","),
        output: text(&folder.join(output).join("good")),
        bad: text(&folder.join(output).join("bad")),
        resolver: support::fixtures_resolver(),
        options: JobOptions {
            run_id: Some("2018-07-24-00-00-00".into()),
            failure_tstamp_ms: Some(0),
            spill_directories: vec![spill.clone()],
            ..options
        },
    }
    .run()
    .expect("shred");
    assert_eq!(own_folders(&spill), Vec::<PathBuf>::new(), "all is removed");
    let manifest = folder.join(output).join("good/_SUCCESS.manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let counts = report.shred.expect("counts");
    assert_eq!(
        manifest["shred"]["spilled_line_bytes"],
        counts.spilled_line_bytes
    );
    counts
}

/// What jobs have made in a spill directory.
fn own_folders(spill: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(spill).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Spill files with this ending.
fn files(spill: &Path, ending: &str) -> Vec<PathBuf> {
    own_folders(spill)
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect()
}

fn options(workers: usize, memory_limit: u64) -> JobOptions {
    JobOptions {
        workers,
        memory_limit,
        ..JobOptions::default()
    }
}

const PLENTY: u64 = 8 << 30;
/// 25 kB for keys, 12 kB for lines.
const LITTLE: u64 = 100_000;

/// Invariant 2, for the memory limit.
#[test]
fn output_does_not_depend_on_memory_or_workers() {
    let folder = tempfile::tempdir().unwrap();
    let made = corpus(&folder.path().join("in"), 2_500_000);
    let roomy = shred(folder.path(), &["in"], "roomy", options(2, PLENTY));
    assert_eq!((roomy.spilled_key_bytes, roomy.spilled_line_bytes), (0, 0));
    assert_eq!(roomy.natural_duplicates, made.copies);
    assert_eq!(roomy.synthetic_duplicates, made.colliding);
    assert!(made.copies > 200 && made.colliding > 200, "{made:?}");
    let expected = parts::lines_by_folder(&folder.path().join("roomy"));
    for workers in [1, 8] {
        let name = format!("narrow-{workers}");
        let narrow = shred(folder.path(), &["in"], &name, options(workers, LITTLE));
        assert!(narrow.spilled_key_bytes > 0 && narrow.spilled_line_bytes > 100_000);
        let without_spill = ShredCounts {
            spilled_key_bytes: 0,
            spilled_line_bytes: 0,
            // a filter lets more lines wait
            waiting_lines: roomy.waiting_lines,
            waiting_bytes: roomy.waiting_bytes,
            ..narrow
        };
        assert_eq!(without_spill, roomy, "{workers} workers");
        let lines = parts::lines_by_folder(&folder.path().join(&name));
        assert!(lines == expected, "{workers} workers");
    }
}

/// Overlapping folders: every event is there twice.
#[test]
fn every_event_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    corpus(&folder.path().join("in"), 600_000);
    shred(folder.path(), &["in"], "once", options(2, PLENTY));
    fs::create_dir(folder.path().join("copy")).unwrap();
    for entry in fs::read_dir(folder.path().join("in")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        fs::copy(&path, folder.path().join("copy").join(format!("b-{name}"))).unwrap();
    }
    let both = ["in", "copy"];
    let counts = shred(folder.path(), &both, "twice", options(2, LITTLE));
    assert!(counts.natural_duplicates >= counts.good && counts.spilled_line_bytes > 0);
    let good = |name: &str| {
        let mut lines = parts::lines_by_folder(&folder.path().join(name));
        lines.remove("bad");
        lines
    };
    assert!(good("once") == good("twice"));
}

/// The program, shredding `in` with little memory.
fn start(folder: &Path) -> Child {
    let resolver = folder.join("resolver.json");
    fs::write(&resolver, support::fixtures_resolver()).unwrap();
    let path = |name: &str| text(&folder.join(name));
    Command::new(env!("CARGO_BIN_EXE_camonica-engine"))
        .args(["shred", "--input-folder", &path("in")])
        .args([
            "--output-folder",
            &path("out/good"),
            "--bad-folder",
            &path("out/bad"),
        ])
        .args([
            "--iglu-config",
            &path("resolver.json"),
            "--memory-limit",
            "100kB",
        ])
        .args([
            "--spill-dir",
            &path("spill"),
            "--workers",
            "2",
            "--progress",
            "none",
        ])
        .args([
            "--run-id",
            "2018-07-24-00-00-00",
            "--failure-timestamp",
            "0",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until lines are on disk.
fn wait_for_lines(folder: &Path) {
    let start = Instant::now();
    while files(&folder.join("spill"), "lines").len() < 20 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no lines are spilled"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// Invariant 4, and: a killed job leaves files that nobody can read, and the next one clears them.
#[test]
fn a_killed_job_leaves_nothing_readable_and_the_next_clears_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = corpus(&folder.join("in"), 3_000_000);
    let mut job = start(folder);
    wait_for_lines(folder);
    job.kill().unwrap(); // SIGKILL
    assert!(
        !job.wait().unwrap().success(),
        "the job was not killed in time"
    );
    let left = own_folders(&folder.join("spill"));
    let mut files = files(&folder.join("spill"), "lines");
    assert!(left.len() == 1 && files.len() >= 20);
    files.extend(self::files(&folder.join("spill"), "keys"));

    let known: Vec<Vec<u8>> = made
        .files
        .iter()
        .flat_map(|file| {
            let text = parts::read(file);
            let line = text
                .lines()
                .find(|line| line.split('\t').count() > 100)
                .unwrap();
            let columns = line.split('\t').filter(|column| column.len() >= 8);
            columns
                .map(|column| column.as_bytes()[..8].to_vec())
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(known.len() > 40);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for known in &known {
            let found = bytes.windows(known.len()).any(|window| window == known);
            assert!(
                !found,
                "{}: {}",
                file.display(),
                String::from_utf8_lossy(known)
            );
        }
    }

    let output = start(folder).wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(own_folders(&folder.join("spill")), Vec::<PathBuf>::new());
    shred(folder, &["in"], "expected", options(2, PLENTY));
    assert!(
        parts::lines_by_folder(&folder.join("out"))
            == parts::lines_by_folder(&folder.join("expected"))
    );
}

#[test]
fn a_spill_folder_that_is_removed_ends_the_job_without_output() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    corpus(&folder.join("in"), 3_000_000);
    let mut job = start(folder);
    wait_for_lines(folder);
    let removing = Instant::now();
    while folder.join("spill").exists() {
        let _ = fs::remove_dir_all(folder.join("spill"));
        if removing.elapsed() > Duration::from_secs(20) {
            job.kill().unwrap();
        }
    }
    let output = job.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--spill-dir"), "{message}");
    assert!(!folder.join("out/good/_SUCCESS.manifest.json").exists());
    assert!(!folder.join("out/good/atomic-events/_SUCCESS").exists());
}
