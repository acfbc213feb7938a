//! The program `camonica` on local folders: whole runs, exit codes and texts, locks, and kills at any moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "runner/answers.rs"]
mod answers;
#[path = "support/camonica.rs"]
mod camonica;
#[path = "runner/kills.rs"]
mod kills;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Child;

use camonica::{RUN, RunFolder, answer, camonica};
use fixtures::configuration::{Aws, without_cluster};
use fixtures::{Corpus, Format, Made, Mix};
use support::{names_below, parts};

/// The buckets of one pipeline as folders, with its configuration.
struct Pipeline {
    folder: tempfile::TempDir,
}

impl RunFolder for Pipeline {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Pipeline {
    fn new(format: &str) -> Self {
        Self::with(format, "", |text| text)
    }

    /// With further lines of the configuration's own block, and a last change of its text.
    fn with(format: &str, camonica: &str, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = Aws {
            keys: ["<%= ENV['CAMONICA_TEST_UNSET'] %>", ""],
            ..Aws::below(folder.path().to_str().unwrap())
        };
        let pipeline = Self { folder };
        pipeline.write_documents(&change(without_cluster(&aws, format, camonica)));
        fs::create_dir(pipeline.path("in")).unwrap();
        pipeline
    }

    /// Makes a corpus in the collector's folder.
    fn collect(&self, format: Format, bytes: u64) -> Made {
        corpus(format, bytes).write(&self.path("in")).unwrap()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.path("log/camonica").join(RUN).join("journal.jsonl"))
            .unwrap_or_default()
    }

    /// Everything that a finished run leaves, without what differs between two runs of one id: the times of runs and failures.
    fn state(&self) -> State {
        for empty in ["in", "processing", "enriched/good", "shredded/good"] {
            assert_eq!(self.files(empty), BTreeSet::new(), "{empty} is not empty");
        }
        let log: BTreeSet<String> = [
            "camonica/runner.lock".to_owned(),
            format!("camonica/{RUN}/journal.jsonl"),
        ]
        .into();
        assert_eq!(self.files("log"), log, "leftovers in the log folder");
        let raw = self
            .files("archive/raw")
            .into_iter()
            .map(|name| {
                let bytes = fs::read(self.path("archive/raw").join(&name)).unwrap();
                (name, bytes)
            })
            .collect();
        let mut markers = BTreeSet::new();
        for root in parts::OUTPUTS {
            for file in self.files(root) {
                let name = file.rsplit('/').next().unwrap();
                if !name.starts_with("part-") {
                    assert!(name.starts_with("_SUCCESS"), "left over: {root}/{file}");
                    markers.insert(format!("{root}/{file}"));
                }
            }
        }
        State {
            raw,
            lines: parts::timeless_lines(self.folder()),
            markers,
        }
    }
}

/// What a finished run leaves.
#[derive(PartialEq)]
struct State {
    raw: BTreeMap<String, Vec<u8>>,
    lines: BTreeMap<String, Vec<String>>,
    markers: BTreeSet<String>,
}

impl State {
    fn count(&self, root: &str) -> u64 {
        parts::count(&self.lines, root)
    }

    /// Fails, with what differs first, unless the states are the same.
    fn assert_same(&self, other: &Self, what: &str) {
        let names = |state: &Self| state.raw.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{what}: raw archive");
        assert!(self.raw == other.raw, "{what}: contents of the raw archive");
        assert_eq!(self.markers, other.markers, "{what}");
        parts::assert_same(&self.lines, &other.lines, what);
    }
}

fn corpus(format: Format, bytes: u64) -> Corpus {
    Corpus {
        seed: 5,
        format,
        bytes,
        files: 4,
        gzip: format != Format::Thrift,
        mix: Mix {
            malformed: 0.1,
            ..Mix::default()
        },
    }
}

/// Whether the log says at its end that the run is done.
fn completed(out: &str) -> bool {
    let last = out.lines().last().unwrap_or_default();
    last.starts_with("I, [") && last.ends_with(" INFO -- : Completed successfully")
}
