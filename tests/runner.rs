//! The program `camonica` on local folders: whole runs, exit codes and texts, locks, and kills at any moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

#[path = "runner/answers.rs"]
mod answers;
#[path = "runner/kills.rs"]
mod kills;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use fixtures::{Corpus, Format, Made, Mix};
use support::parts;

/// The run id of runs that are compared.
const RUN: &str = "2018-07-24-10-00-00";

/// The buckets of one pipeline as folders, with its configuration.
struct Pipeline {
    folder: tempfile::TempDir,
}

impl Pipeline {
    fn new(format: &str) -> Self {
        Self::with(format, "", |text| text)
    }

    /// With further lines of the configuration's own block, and a last change of its text.
    fn with(format: &str, camonica: &str, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_str().unwrap();
        let config = format!(
            "aws:
  access_key_id: <%= ENV['CAMONICA_TEST_UNSET'] %>
  secret_access_key:
  s3:
    region: eu-west-1
    buckets:
      assets: s3://snowplow-hosted-assets
      jsonpath_assets:
      log: {base}/log
      encrypted: false
      raw:
        in:
          - {base}/in
        processing: {base}/processing
        archive: {base}/archive/raw
      enriched:
        good: {base}/enriched/good
        bad: {base}/enriched/bad
        errors:
        archive: {base}/archive/enriched
      shredded:
        good: {base}/shredded/good
        bad: {base}/shredded/bad
        errors:
        archive: {base}/archive/shredded
collectors:
  format: {format}
enrich:
  continue_on_unexpected_error: false
  output_compression: NONE
camonica:
  workers: 1
{camonica}"
        );
        fs::write(folder.path().join("config.yml"), change(config)).unwrap();
        fs::write(
            folder.path().join("resolver.json"),
            support::fixtures_resolver(),
        )
        .unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Makes a corpus in the collector's folder.
    fn collect(&self, format: Format, bytes: u64) -> Made {
        corpus(format, bytes).write(&self.path("in")).unwrap()
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_camonica"));
        process
            .arg(command)
            .args(["--config", &self.text("config.yml")])
            .args(["--resolver", &self.text("resolver.json")])
            .args(more)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        process
    }

    /// Runs the program to its end: exit code, standard output, standard error.
    fn answer(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        answer_of(self.command(command, more).output().unwrap())
    }

    /// Starts a run of id [`RUN`].
    fn start(&self, command: &str) -> Child {
        let more: &[&str] = if command == "run" {
            &["--run-id", RUN]
        } else {
            &[]
        };
        self.command(command, more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.path("log/camonica").join(RUN).join("journal.jsonl"))
            .unwrap_or_default()
    }

    fn files(&self, name: &str) -> BTreeSet<String> {
        files_below(&self.path(name))
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
        let mut lines = BTreeMap::new();
        let mut markers = BTreeSet::new();
        for root in [
            "archive/enriched",
            "enriched/bad",
            "archive/shredded",
            "shredded/bad",
        ] {
            for (folder, found) in parts::lines_by_folder(&self.path(root)) {
                let mut found: Vec<String> = found.iter().map(|line| timeless(line)).collect();
                found.sort();
                lines.insert(format!("{root}/{folder}"), found);
            }
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
            lines,
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
        let of_root = self
            .lines
            .iter()
            .filter(|(folder, _)| folder.starts_with(root));
        of_root.map(|(_, lines)| lines.len() as u64).sum()
    }

    /// Fails, with what differs first, unless the states are the same.
    fn assert_same(&self, other: &Self, what: &str) {
        let names = |state: &Self| state.raw.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{what}: raw archive");
        assert!(self.raw == other.raw, "{what}: contents of the raw archive");
        assert_eq!(self.markers, other.markers, "{what}");
        let folders = |state: &Self| state.lines.keys().cloned().collect::<Vec<_>>();
        assert_eq!(folders(self), folders(other), "{what}");
        for (folder, lines) in &self.lines {
            let others = &other.lines[folder];
            assert_eq!(lines.len(), others.len(), "{what}: lines of {folder}");
            for (line, other) in lines.iter().zip(others) {
                assert_eq!(line, other, "{what}: {folder}");
            }
        }
    }
}

/// A line without the time of its run (`etl_tstamp` of events, `failure_tstamp` of bad rows).
fn timeless(line: &str) -> String {
    if let Some((row, _)) = line.rsplit_once(",\"failure_tstamp\":") {
        return row.replace(char::is_control, "");
    }
    let mut columns: Vec<&str> = line.split('\t').collect();
    if let Some(time) = columns.get_mut(2) {
        *time = "";
    }
    columns.join("\t")
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

fn answer_of(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().expect("an exit code"), out, err)
}

/// All files below a folder, relative to it.
fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder).unwrap();
                found.insert(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}
