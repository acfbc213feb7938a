//! Whole jobs against hostile input, through the program: every damage is a bad row or an error that names the object and the
//! offset; nothing half-written is ever visible; nothing panics or hangs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

#[path = "bad_input/content.rs"]
mod content;
#[path = "bad_input/objects.rs"]
mod objects;
#[path = "bad_input/settings.rs"]
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fixtures::event::Event;
use fixtures::random::Random;
use support::{files_below, free_port, gzip, parts};

/// No job of these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(150);

/// One job: a folder with `raw/`, `resolver.json` and what the job writes.
struct Bench {
    folder: tempfile::TempDir,
}

/// How the program ended.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("raw")).unwrap();
        fs::write(
            folder.path().join("resolver.json"),
            support::fixtures_resolver(),
        )
        .unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes an input object.
    fn raw(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path("raw").join(name), bytes).unwrap();
        self
    }

    /// Runs the program with arguments that need no more.
    fn run(&self, arguments: &[&str]) -> Ended {
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_camonica-engine"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .expect("the engine starts");
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("the engine hangs: {arguments:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let ended = Ended {
            status,
            stdout: String::from_utf8(fs::read(&out).unwrap()).unwrap(),
            stderr: String::from_utf8(fs::read(&err).unwrap()).unwrap(),
        };
        assert!(
            !ended.stderr.contains("panicked") && ended.status.code().is_some(),
            "{:?}\n{}",
            ended.status,
            ended.stderr
        );
        ended
    }

    /// `enrich` from `raw/` to `good/` and `bad/`; a later option replaces an earlier one of its name.
    fn enrich(&self, format: &str, more: &[&str]) -> Ended {
        let own = [
            ("--input-format", format),
            ("--etl-timestamp", "1532476800000"),
        ];
        self.job("enrich", &own, more)
    }

    /// `shred`, in the same way.
    fn shred(&self, more: &[&str]) -> Ended {
        self.job("shred", &[], more)
    }

    fn job(&self, command: &str, own: &[(&str, &str)], more: &[&str]) -> Ended {
        let [raw, good, bad, resolver] =
            ["raw", "good", "bad", "resolver.json"].map(|name| self.text(name));
        let mut options = vec![
            ("--input-folder", raw.as_str()),
            ("--output-folder", &good),
            ("--bad-folder", &bad),
            ("--iglu-config", &resolver),
            ("--failure-timestamp", "0"),
            ("--progress", "none"),
            ("--workers", "2"),
            ("--run-id", "r1"),
        ];
        options.extend(own);
        options.retain(|(name, _)| !more.contains(name));
        let mut arguments = vec![command];
        for (name, value) in options {
            arguments.extend([name, value]);
        }
        arguments.extend(more);
        self.run(&arguments)
    }

    /// Lines in the part files of `folder`.
    fn lines(&self, folder: &str) -> Vec<String> {
        parts::lines(&self.path(folder))
    }

    /// The bad rows: original line and messages.
    fn bad_rows(&self) -> Vec<(String, Vec<String>)> {
        let row = |line: &String| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a bad row is JSON");
            assert_eq!(row["failure_tstamp"], "1970-01-01T00:00:00.000Z");
            let messages = row["errors"].as_array().unwrap();
            let message = |error: &serde_json::Value| error["message"].as_str().unwrap().to_owned();
            (
                row["line"].as_str().unwrap().to_owned(),
                messages.iter().map(message).collect(),
            )
        };
        self.lines("bad").iter().map(row).collect()
    }

    /// Nothing of the job is there: no part file, no marker, no leftover.
    fn nothing_visible(&self) {
        for folder in ["good", "bad"] {
            let files = files_below(&self.path(folder));
            assert!(files.is_empty(), "{folder} holds {files:?}");
        }
    }

    /// Both outputs are marked, and nothing is left over.
    fn committed(&self) {
        let markers: Vec<PathBuf> = [self.path("good"), self.path("bad")]
            .iter()
            .flat_map(|folder| files_below(folder))
            .filter(|path| path.ends_with("_SUCCESS"))
            .collect();
        assert!(markers.len() >= 2, "{markers:?}");
        for folder in ["good", "bad"] {
            for file in files_below(&self.path(folder)) {
                let text = file.to_string_lossy();
                assert!(!text.contains("_temporary"), "left over: {text}");
            }
        }
    }
}

impl Ended {
    /// The job succeeded.
    fn succeeds(&self) -> &Self {
        assert_eq!(self.status.code(), Some(0), "{}", self.stderr);
        self
    }

    /// The program ended with `code`, and said all of `texts` on standard error.
    fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{}", self.stderr);
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`{text}` is not in: {}",
                self.stderr
            );
        }
        assert_eq!(self.stdout, "", "a failed job has no summary");
    }
}

/// Made-up events.
fn events(count: usize) -> Vec<Event> {
    let mut random = Random::new(7);
    (0..count)
        .map(|index| Event::draw(&mut random, 1_532_390_400_000 + index as u64))
        .collect()
}

/// CloudFront lines, each with its line feed.
fn cloudfront(count: usize) -> String {
    events(count)
        .iter()
        .map(|event| fixtures::collector::cloudfront_line(event) + "\n")
        .collect()
}

/// Enriched lines, each with its line feed.
fn enriched(count: usize) -> String {
    events(count)
        .iter()
        .map(|event| fixtures::enriched::enriched_line(event, 1_532_476_800_000) + "\n")
        .collect()
}
