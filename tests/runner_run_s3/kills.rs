//! SIGKILL in the middle of every step, in both modes, then `resume`.
//!
//! The moment is chosen by the proxy: it holds one request of the step, which has taken effect or has not, and the process is
//! killed while it waits for the answer. So each moment is hit, however fast the machine is.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::camonica::{RUN, RunFolder};
use super::elastic::ElasticStub;
use super::http_stub::{HttpStub, Reply};
use super::pipeline::{Logs, Mode, Pipeline};
use super::s3_proxy::Recorded;
use super::state::State;
use super::support;

/// Plain bytes of the logs: every step has several requests, and a run takes a second.
const BYTES: u64 = 40_000;

/// The request under which a process dies.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// The step at work then, by the journal; empty: no step.
    step: &'static str,
    operation: &'static str,
    /// What the bucket's name ends in.
    bucket: &'static str,
    /// What the key, or else the body, holds.
    part: &'static str,
    /// Of how many such requests, from 1.
    nth: usize,
    /// Whether it takes effect.
    effect: bool,
}

impl Moment {
    /// From its six words: `-` is no step; at last `done` if the request takes effect, or `lost`.
    fn parse(text: &'static str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let [step, operation, bucket, part, nth, end] = words[..] else {
            panic!("{text}");
        };
        assert!(matches!(end, "done" | "lost"), "{text}");
        Self {
            step: step.trim_start_matches('-'),
            operation,
            bucket,
            part,
            nth: nth.parse().unwrap(),
            effect: end == "done",
        }
    }

    fn is_meant(&self, request: &Recorded, body: &[u8]) -> bool {
        let (bucket, key) = request.place();
        request.operation() == self.operation
            && bucket.ends_with(self.bucket)
            && (key.contains(self.part) || String::from_utf8_lossy(body).contains(self.part))
    }

    /// Starts the program, holds the request, and kills the process when it is there.
    fn kill(&self, pipeline: &Pipeline, command: &str, what: &str) {
        let (moment, mut seen) = (*self, 0);
        pipeline.proxy.hold(self.effect, move |request, body| {
            seen += usize::from(moment.is_meant(request, body));
            seen == moment.nth
        });
        let mut running = pipeline.start(command);
        let begun = Instant::now();
        while !pipeline.proxy.is_held() {
            if let Some(status) = running.try_wait().unwrap() {
                panic!("{what}: ended by itself: {status}: {}", pipeline.journal());
            }
            assert!(begun.elapsed() < Duration::from_secs(180), "{what}: never");
            thread::sleep(Duration::from_millis(2));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        pipeline.proxy.release();
        assert_eq!(step_at_work(pipeline), self.step, "{what}");
    }
}

/// The step that was begun last and is not done, by the journal.
fn step_at_work(pipeline: &Pipeline) -> String {
    let mut step = String::new();
    for line in pipeline.journal().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        match entry["entry"].as_str().unwrap() {
            "step_started" => step = entry["step"].as_str().unwrap().to_owned(),
            "step_done" => step.clear(),
            _ => {}
        }
    }
    step
}

/// What is said while a run is unfinished, and then brings it to its end.
fn finish(pipeline: &Pipeline, with_words: bool, what: &str) {
    let journal = pipeline.journal();
    if journal.is_empty() {
        // killed before anything was begun
        let (code, out, err) = pipeline.answer("resume", &[]);
        assert_eq!(code, 3, "{what}: {out}\n{err}");
        pipeline.run();
        return;
    }
    if journal.contains("\"run_done\"") {
        let (code, out, err) = pipeline.answer("resume", &[]);
        assert_eq!(code, 3, "{what}: {out}\n{err}");
        return;
    }
    if with_words {
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
    }
    let out = pipeline.good("resume", &[]);
    assert!(
        out.ends_with(" INFO -- : Completed successfully\n"),
        "{what}: {out}"
    );
    if with_words {
        assert_eq!(pipeline.answer("resume", &[]).0, 3, "{what}");
    }
}

/// Each list is a run that is killed at its first moment, then resumed and killed at the next, and at last brought to its
/// end. It must leave what an undisturbed run leaves.
fn kill_at(name: &str, mode: Mode, moments: &[&[&'static str]]) {
    let logs = Logs::of(mode, BYTES);
    let Some(pipeline) = Pipeline::with(&format!("{name}-0"), mode, &logs) else {
        return;
    };
    pipeline.run();
    let undisturbed = State::of_finished(&pipeline, "AES256", "undisturbed");
    assert!(undisturbed.count("archive/shredded/") > 0);
    for (number, moments) in (1..).zip(moments) {
        let name = format!("{name}-{number}");
        let pipeline = Pipeline::with(&name, mode, &logs).unwrap();
        let what = format!("{mode:?} {moments:?}");
        for (index, moment) in moments.iter().enumerate() {
            let command = if index == 0 { "run" } else { "resume" };
            Moment::parse(moment).kill(&pipeline, command, &what);
        }
        finish(&pipeline, number == 1, &what);
        State::of_finished(&pipeline, "AES256", &what).assert_same(&undisturbed, &what);
    }
}

#[test]
fn kills_in_staging_and_enrich() {
    kill_at(
        "kill-enrich",
        Mode::Batch,
        &[
            // the lock is there, and nothing else
            &["- PutObject -log /unfinished/ 1 lost"],
            &["staging CopyObject -out processing/ 2 done"],
            // between two locations that have a log of one name
            &["staging DeleteObjects -in <Key> 1 done"],
            &[
                "staging CopyObject -out processing/ 4 lost",
                "staging DeleteObjects -in <Key> 1 done",
            ],
            &["enrich GetObject -out processing/ 2 lost"],
            // an upload that nobody knows of
            &["enrich CreateMultipartUpload -out enriched/good/ 1 done"],
            &[
                "enrich UploadPart -out enriched/bad/ 1 done",
                "enrich CompleteMultipartUpload -out enriched/ 1 done",
            ],
        ],
    );
}

#[test]
fn kills_in_the_commit_of_enrich() {
    kill_at(
        "kill-commit",
        Mode::Batch,
        &[
            &["enrich PutObject -log commit-plan 1 done"],
            &["enrich CompleteMultipartUpload -out enriched/ 1 done"],
            &[
                "enrich PutObject -out _SUCCESS 1 lost",
                "enrich PutObject -out _SUCCESS 2 done",
            ],
            &["enrich DeleteObjects -log commit-plan 1 lost"],
            &[r#"enrich PutObject -log "step":"enrich","seconds" 1 lost"#],
        ],
    );
}

#[test]
fn kills_in_shred() {
    kill_at(
        "kill-shred",
        Mode::Batch,
        &[
            &["shred GetObject -out /part-0 1 lost"],
            &[
                "shred CreateMultipartUpload -out shredded/good/ 3 done",
                "shred UploadPart -out shredded-types/ 2 done",
            ],
            &["shred PutObject -log shred/commit-plan 1 lost"],
            &["shred CompleteMultipartUpload -out shredded/ 3 done"],
            &["shred PutObject -out atomic-events/_SUCCESS 1 done"],
            &["shred DeleteObjects -log shred/commit-plan 1 done"],
            &[r#"rdb_load PutObject -log "step":"rdb_load"} 1 done"#],
        ],
    );
}

#[test]
fn kills_in_the_archive_steps_and_at_the_end() {
    kill_at(
        "kill-archive",
        Mode::Batch,
        &[
            &[
                "archive_raw CopyObject -archive raw/ 3 lost",
                "archive_raw DeleteObjects -out processing/ 1 done",
            ],
            &["archive_enriched CopyObject -archive enriched/ 1 done"],
            &["archive_enriched DeleteObjects -out enriched/good/ 1 lost"],
            &["archive_shredded CopyObject -archive shredded-types/ 2 done"],
            &["archive_shredded DeleteObjects -out shredded/good/ 1 done"],
            &["- PutObject -log run_done 1 lost"],
            &["- DeleteObjects -log /unfinished/ 1 lost"],
            &["- DeleteObjects -log live-lock 1 lost"],
        ],
    );
}

#[test]
fn kills_in_stream_enrich_mode() {
    kill_at(
        "kill-stream",
        Mode::Stream,
        &[
            &[
                "staging_stream_enrich CopyObject -out enriched/good/ 3 done",
                "staging_stream_enrich DeleteObjects -in stream/ 1 lost",
            ],
            &["shred GetObject -out enriched/good/ 3 lost"],
            &[
                "shred CreateMultipartUpload -out shredded/good/ 2 done",
                "shred CompleteMultipartUpload -out shredded/ 2 done",
            ],
            &[r#"elasticsearch PutObject -log "step":"elasticsearch"} 1 done"#],
            &[r#"rdb_load PutObject -log "step":"rdb_load"} 1 done"#],
            &["archive_enriched CopyObject -archive enriched/ 2 done"],
            &["archive_enriched DeleteObjects -out enriched/good/ 1 done"],
            &["archive_shredded CopyObject -archive atomic-events/ 1 lost"],
            &["archive_shredded DeleteObjects -out shredded/good/ 1 lost"],
        ],
    );
}

/// A storage target for bad rows of a made-up schema, and a resolver that knows it.
fn add_target(pipeline: &mut Pipeline, port: u16) {
    let schema = json!({
        "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
        "self": { "vendor": "com.acme", "name": "elastic_config", "format": "jsonschema", "version": "1-0-0" },
        "type": "object",
    });
    pipeline.write(
        "registry/schemas/com.acme/elastic_config/jsonschema/1-0-0",
        schema.to_string(),
    );
    let resolver = support::resolver_with(&pipeline.path("registry"));
    pipeline.write("resolver.json", resolver);
    let target = json!({
        "schema": "iglu:com.acme/elastic_config/jsonschema/1-0-0",
        "data": {
            "name": "bad rows", "purpose": "FAILED_EVENTS", "host": "127.0.0.1", "port": port,
            "index": "snowplow-bad", "type": "bad", "nodesWanOnly": false,
        },
    });
    pipeline.write("targets/elastic.json", target.to_string());
    pipeline.options = vec!["-t".into(), pipeline.text("targets")];
}

#[test]
fn kills_while_bad_rows_are_sent() {
    let logs = Logs::of(Mode::Batch, BYTES);
    let Some(mut pipeline) = Pipeline::with("kill-elastic", Mode::Batch, &logs) else {
        return;
    };
    let silent = HttpStub::start(|request| match request.path.as_str() {
        "/" => Reply::text(200, r#"{"version":{"number":"6.8.23"}}"#),
        _ => Reply::Silence,
    });
    add_target(&mut pipeline, silent.port);
    let mut running = pipeline.start("run");
    let begun = Instant::now();
    while !silent
        .received()
        .iter()
        .any(|request| request.path.ends_with("/_bulk"))
    {
        assert!(
            running.try_wait().unwrap().is_none(),
            "{}",
            pipeline.journal()
        );
        assert!(begun.elapsed() < Duration::from_secs(180));
        thread::sleep(Duration::from_millis(2));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(step_at_work(&pipeline), "elasticsearch");
    let elastic = ElasticStub::start("6.8.23");
    add_target(&mut pipeline, elastic.http.port);
    pipeline.good("resume", &[]);
    let state = State::of_finished(&pipeline, "AES256", "killed in elasticsearch");
    let bad = state.count("out/enriched/bad/") + state.count("out/shredded/bad/");
    assert_eq!(elastic.documents().len() as u64, bad);
    assert!(bad >= logs.malformed, "{bad} of {}", logs.malformed);
}

#[test]
fn a_kill_between_the_parts_of_a_large_file() {
    let logs = Logs::of(Mode::Batch, BYTES).with_large();
    let Some(pipeline) = Pipeline::with("kill-large", Mode::Batch, &logs) else {
        return;
    };
    let part = Moment::parse("enrich UploadPart -out enriched/bad/ 2 done");
    part.kill(&pipeline, "run", "between parts");
    let uploads = pipeline.moto.open_uploads(&pipeline.bucket("out"));
    assert!(!uploads.is_empty(), "an upload is open");
    pipeline.good("resume", &[]);
    let state = State::of_finished(&pipeline, "AES256", "killed between parts");
    let folder = format!("archive/enriched/run={RUN}");
    assert_eq!(state.count(&folder), logs.events);
    assert_eq!(pipeline.counted("enrich", &["enrich", "good"]), logs.events);
}
