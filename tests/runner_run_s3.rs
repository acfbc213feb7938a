//! The program with all its buckets on S3: whole runs, kills and `resume`, `status`, limits; and buckets and folders mixed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/moto.rs"]
mod moto;
mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{Corpus, Format, Made, Mix};
use moto::Moto;

const RUN: &str = "2018-07-24-10-00-00";

/// A bucket with the folders of a pipeline, and the configuration of it.
struct Pipeline {
    moto: &'static Moto,
    bucket: String,
    folder: tempfile::TempDir,
}

impl Pipeline {
    fn new(bucket: &str, change: impl FnOnce(String) -> String) -> Option<Self> {
        let moto = Moto::get()?;
        moto.create_bucket(bucket);
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "aws:
  access_key_id: AKIATEST
  secret_access_key: test
  s3:
    region: us-east-1
    buckets:
      log: s3://{bucket}/log
      encrypted: true
      raw:
        in: [s3://{bucket}/in, s3n://{bucket}/in2/]
        processing: s3a://{bucket}/processing
        archive: s3://{bucket}/archive/raw
      enriched:
        good: s3://{bucket}/enriched/good
        bad: s3://{bucket}/enriched/bad
        archive: s3://{bucket}/archive/enriched
      shredded:
        good: s3://{bucket}/shredded/good
        bad: s3://{bucket}/shredded/bad
        archive: s3://{bucket}/archive/shredded
collectors: {{format: cloudfront}}
enrich: {{output_compression: GZIP}}
camonica: {{workers: 1, s3_endpoint: '{}'}}
",
            moto.endpoint()
        );
        fs::write(folder.path().join("config.yml"), change(config)).unwrap();
        fs::write(
            folder.path().join("resolver.json"),
            support::fixtures_resolver(),
        )
        .unwrap();
        Some(Self {
            moto,
            bucket: bucket.to_owned(),
            folder,
        })
    }

    /// Puts a corpus into the collector's folder.
    fn collect(&self, bytes: u64) -> Made {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus {
            seed: 11,
            format: Format::Cloudfront,
            bytes,
            files: 4,
            gzip: true,
            mix: Mix {
                malformed: 0.1,
                ..Mix::default()
            },
        };
        let made = corpus.write(folder.path()).unwrap();
        for file in &made.files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let path = format!("/{}/in/{name}", self.bucket);
            let answer = self.moto.request("PUT", &path, &fs::read(file).unwrap());
            assert_eq!(answer.status, 200);
        }
        made
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_camonica"));
        process
            .arg(command)
            .arg("-c")
            .arg(self.folder.path().join("config.yml"))
            .args(more)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        if command != "status" {
            process
                .arg("-r")
                .arg(self.folder.path().join("resolver.json"));
        }
        process
    }

    fn answer(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        let output = self.command(command, more).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        (output.status.code().expect("an exit code"), out, err)
    }

    fn good(&self, command: &str, more: &[&str]) -> String {
        let (code, out, err) = self.answer(command, more);
        assert_eq!(code, 0, "{command} {more:?}: {out}\n{err}");
        out
    }

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

    /// Keys below a prefix, relative to it.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let path = format!("/{}?list-type=2&max-keys=1000&prefix={prefix}", self.bucket);
        let text = String::from_utf8(self.moto.request("GET", &path, b"").body).unwrap();
        text.split("<Key>")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap())
            .map(|key| key[prefix.len()..].to_owned())
            .collect()
    }

    fn journal(&self) -> String {
        let path = format!("/{}/log/camonica/{RUN}/journal.jsonl", self.bucket);
        let answer = self.moto.request("GET", &path, b"");
        if answer.status == 200 {
            String::from_utf8(answer.body).unwrap()
        } else {
            String::new()
        }
    }

    /// What the journal says that a step counted.
    fn counted(&self, step: &str, path: &[&str]) -> u64 {
        let journal = self.journal();
        let report = journal
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find(|entry| entry["entry"] == "step_done" && entry["step"] == step)
            .unwrap_or_else(|| panic!("{step} is not done: {journal}"));
        let value = path
            .iter()
            .fold(&report["report"], |value, key| &value[*key]);
        value.as_u64().unwrap_or_else(|| panic!("{report}"))
    }

    /// Fails unless a finished run has left everything where it belongs.
    fn assert_finished(&self, files: usize, what: &str) {
        for empty in [
            "in/",
            "processing/",
            "enriched/good/",
            "shredded/good/",
            "log/camonica/unfinished/",
        ] {
            assert_eq!(self.keys(empty), Vec::<String>::new(), "{what}: {empty}");
        }
        assert_eq!(self.keys("archive/raw/").len(), files, "{what}");
        let enriched = self.keys(&format!("archive/enriched/run={RUN}/"));
        assert!(
            enriched.contains(&"_SUCCESS".to_owned()),
            "{what}: {enriched:?}"
        );
        let shredded = self.keys(&format!("archive/shredded/run={RUN}/"));
        for marker in ["atomic-events/_SUCCESS", "shredded-types/_SUCCESS"] {
            assert!(
                shredded.contains(&marker.to_owned()),
                "{what}: {shredded:?}"
            );
        }
        assert!(self.moto.open_uploads(&self.bucket).is_empty(), "{what}");
    }
}

#[test]
fn a_whole_run_with_all_buckets_on_s3() {
    let Some(pipeline) = Pipeline::new("run-whole", |config| config) else {
        return;
    };
    let made = pipeline.collect(60_000);
    let plan = pipeline.good("plan", &[]);
    assert!(
        plan.lines()
            .any(|line| line.starts_with("staging                         4 ")),
        "{plan}"
    );
    assert_eq!(
        pipeline.keys("log/"),
        Vec::<String>::new(),
        "a plan has no effects"
    );
    let out = pipeline.good("run", &["--run-id", RUN]);
    assert!(
        out.ends_with(" INFO -- : Completed successfully\n"),
        "{out}"
    );
    pipeline.assert_finished(made.files.len(), "whole run");
    assert_eq!(pipeline.counted("enrich", &["enrich", "good"]), made.events);
    assert_eq!(pipeline.counted("shred", &["shred", "good"]), made.events);
    assert_eq!(
        pipeline.counted("enrich", &["enrich", "bad"])
            + pipeline.counted("enrich", &["enrich", "failed_whole"]),
        made.malformed
    );
    // every object that we have written is encrypted
    for key in pipeline.keys("") {
        let answer = pipeline
            .moto
            .request("HEAD", &format!("/{}/{key}", pipeline.bucket), b"");
        assert!(
            answer.head.contains("x-amz-server-side-encryption: aes256"),
            "{key}: {}",
            answer.head
        );
    }
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 3);
    assert!(
        out.contains("No logs to process: No Snowplow logs to process since last run"),
        "{out}"
    );
    assert_eq!(pipeline.answer("resume", &[]).0, 3);
    let status = pipeline.good("status", &[]);
    assert!(
        status.contains(&format!("run {RUN}   finished"))
            && status.contains("runner   none at work"),
        "{status}"
    );
    // the rest of a backlog
    pipeline.collect(20_000);
    pipeline.good("run", &["--max-files", "3"]);
    assert_eq!(pipeline.keys("in/").len(), 1);
}

#[test]
fn kills_at_the_start_of_each_step() {
    let mut hit = Vec::new();
    for step in [
        "staging",
        "enrich",
        "shred",
        "archive_raw",
        "archive_enriched",
        "archive_shredded",
    ] {
        let bucket = format!("run-kill-{}", step.replace('_', "-"));
        let Some(pipeline) = Pipeline::new(&bucket, |config| config) else {
            return;
        };
        let made = pipeline.collect(40_000);
        let mut running = pipeline.start("run");
        let started = Instant::now();
        loop {
            let journal = pipeline.journal();
            let is_begun = journal.lines().any(|line| {
                line.contains("\"step_started\"") && line.contains(&format!("\"{step}\""))
            });
            if is_begun || running.try_wait().unwrap().is_some() {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{step} is not begun"
            );
            thread::sleep(Duration::from_millis(2));
        }
        // it may have come to its end
        let _ = running.kill();
        running.wait().unwrap();
        let what = format!("killed in {step}");
        if pipeline.journal().contains("\"run_done\"") {
            continue;
        }
        hit.push(step);
        let (code, out, _) = pipeline.answer("run", &[]);
        assert_eq!(code, 4, "{what}: {out}");
        assert!(
            out.contains("\n  camonica resume --config "),
            "{what}: {out}"
        );
        let status = pipeline.good("status", &[]);
        assert!(
            status.contains("UNFINISHED") && status.contains("runner   none at work"),
            "{what}: {status}"
        );
        pipeline.good("resume", &[]);
        pipeline.assert_finished(made.files.len(), &what);
        let atomic: Vec<String> =
            pipeline.keys(&format!("archive/shredded/run={RUN}/atomic-events/part-"));
        assert!(!atomic.is_empty(), "{what}");
        assert_eq!(pipeline.answer("resume", &[]).0, 3, "{what}");
    }
    println!("killed in {hit:?}");
    assert!(hit.contains(&"enrich") && hit.contains(&"shred"), "{hit:?}");
}

#[test]
fn another_runner_at_work_is_exit_code_17() {
    let Some(pipeline) = Pipeline::new("run-busy", |config| config) else {
        return;
    };
    pipeline.collect(4_000_000);
    let mut running = pipeline.start("run");
    let started = Instant::now();
    while !pipeline.journal().contains("step_started") {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the run does not start"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 17, "{out}");
    assert!(
        out.starts_with("Lock already held at s3://run-busy/log/camonica/live-lock.json"),
        "{out}"
    );
    let status = pipeline.good("status", &[]);
    assert!(
        status.contains("runner   at work: ") && status.contains("   at work   begun "),
        "{status}"
    );
    running.kill().unwrap();
    running.wait().unwrap();
    pipeline.good("resume", &[]);
}

#[test]
fn buckets_and_folders_may_be_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().to_str().unwrap().to_owned();
    let change = |config: String| {
        config
            .replace(
                "s3a://run-mixed/processing",
                &format!("file://{base}/processing"),
            )
            .replace(
                "s3://run-mixed/shredded/good",
                &format!("{base}/shredded/good"),
            )
            .replace("s3://run-mixed/log", &format!("{base}/log"))
    };
    let Some(pipeline) = Pipeline::new("run-mixed", change) else {
        return;
    };
    let made = pipeline.collect(40_000);
    pipeline.good("run", &["--run-id", RUN]);
    assert_eq!(pipeline.keys("in/"), Vec::<String>::new());
    assert_eq!(pipeline.keys("archive/raw/").len(), made.files.len());
    assert!(
        !pipeline
            .keys(&format!("archive/shredded/run={RUN}/atomic-events/part-"))
            .is_empty()
    );
    assert!(
        folder
            .path()
            .join(format!("log/camonica/{RUN}/journal.jsonl"))
            .exists()
    );
}

#[test]
fn wrong_settings_are_told_before_anything_is_begun() {
    let change =
        |config: String| config.replace("log: s3://run-wrong/log", "log: s3://run-none/log");
    let Some(pipeline) = Pipeline::new("run-wrong", change) else {
        return;
    };
    pipeline.collect(1000);
    let (code, out, err) = pipeline.answer("run", &[]);
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("run-none"), "{err}");
    assert_eq!(pipeline.keys("in/").len(), 4);
    // plain HTTP to another machine
    let config = fs::read_to_string(pipeline.folder.path().join("config.yml")).unwrap();
    let config = config.replace("http://127.0.0.1", "http://192.0.2.1");
    fs::write(pipeline.folder.path().join("config.yml"), config).unwrap();
    let (code, _, err) = pipeline.answer("run", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("camonica.s3_endpoint"), "{err}");
}
