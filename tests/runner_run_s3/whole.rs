//! Whole runs that nobody disturbs: what they leave, limits, a second runner, and buckets mixed with folders.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::camonica::{RUN, RunFolder};
use super::pipeline::{Logs, Mode, Pipeline, client};
use super::state::State;

#[test]
fn a_whole_run_in_batch_mode() {
    let logs = Logs::of(Mode::Batch, 60_000);
    let Some(pipeline) = Pipeline::with("whole-batch", Mode::Batch, &logs) else {
        return;
    };
    let plan = pipeline.good("plan", &[]);
    assert!(
        plan.lines()
            .any(|line| line.starts_with("staging                         5 ")),
        "{plan}"
    );
    assert!(pipeline.keys("log", "").is_empty(), "a plan has no effects");
    pipeline.run();
    let state = State::of_finished(&pipeline, "AES256", "whole run");
    let folder = |place: &str| state.count(&format!("{place}/run={RUN}"));
    let bad = folder("out/enriched/bad");
    assert_eq!(folder("archive/enriched"), logs.events);
    assert_eq!(bad, logs.malformed);
    assert_eq!(
        state.count(&format!("archive/shredded/run={RUN}/atomic-events")),
        logs.events
    );
    let counted = |path: &[&str]| pipeline.counted("enrich", path);
    assert_eq!(counted(&["enrich", "good"]), logs.events);
    assert_eq!(
        counted(&["enrich", "bad"]) + counted(&["enrich", "failed_whole"]),
        bad
    );

    // nothing more to do
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
    pipeline.collect(&Logs::of(Mode::Batch, 20_000));
    pipeline.good("run", &["--max-files", "3"]);
    assert_eq!(pipeline.keys("in", "").len(), 2);
}

#[test]
fn a_whole_run_in_stream_enrich_mode() {
    let logs = Logs::of(Mode::Stream, 60_000);
    let Some(pipeline) = Pipeline::with("whole-stream", Mode::Stream, &logs) else {
        return;
    };
    // what the loader writes of raw events is not taken
    let raw = "stream/2018-07-24-1-2.lzo";
    pipeline.put("in", raw, b"raw");
    pipeline.run();
    assert_eq!(pipeline.keys("in", ""), [raw]);
    pipeline.moto.delete(&pipeline.bucket("in"), raw);
    let clients: Vec<&str> = pipeline.proxy.take().iter().map(client).collect();
    assert!(clients.contains(&"runner") && clients.contains(&"engine"));
    let state = State::of_finished(&pipeline, "AES256", "whole run");
    let counted = |name| pipeline.counted("shred", &["shred", name]);
    let (good, bad) = (counted("good"), counted("bad"));
    let copies = counted("natural_duplicates");
    assert_eq!(good + bad + copies, logs.events + logs.malformed);
    assert!(copies > 0 && bad > 0, "{copies} {bad}");
    let atomic = format!("archive/shredded/run={RUN}/atomic-events");
    assert_eq!(state.count(&atomic), good);
    assert_eq!(state.count("out/shredded/bad/"), bad);
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 3, "{out}");
}

#[test]
fn another_runner_at_work_is_exit_code_17() {
    let Some(pipeline) = Pipeline::with("busy", Mode::Batch, &Logs::of(Mode::Batch, 20_000)) else {
        return;
    };
    // at work as long as the proxy does not answer
    pipeline.proxy.hold(false, |request, _| {
        request.operation() == "CreateMultipartUpload"
    });
    let mut running = pipeline.start("run");
    let begun = Instant::now();
    while !pipeline.proxy.is_held() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not begun");
        thread::sleep(Duration::from_millis(5));
    }
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 17, "{out}");
    assert!(
        out.starts_with("Lock already held at s3://busy-log/logs/camonica/live-lock.json"),
        "{out}"
    );
    assert_eq!(pipeline.answer("resume", &[]).0, 17);
    let status = pipeline.good("status", &[]);
    assert!(
        status.contains("runner   at work: ") && status.contains("   at work   begun "),
        "{status}"
    );
    // a broken connection is all that the first one notices
    pipeline.proxy.release();
    assert!(running.wait().unwrap().success());
    State::of_finished(&pipeline, "AES256", "two runners");
}

#[test]
fn buckets_and_folders_may_be_mixed() {
    let logs = Logs::of(Mode::Batch, 40_000);
    let Some(pipeline) = Pipeline::with("mixed", Mode::Batch, &logs) else {
        return;
    };
    let base = pipeline.path("local");
    fs::create_dir(&base).unwrap();
    let base = base.to_str().unwrap();
    for (bucket, folder) in [
        (
            "s3a://mixed-out/processing",
            format!("file://{base}/processing"),
        ),
        (
            "s3://mixed-out/shredded/good",
            format!("{base}/shredded/good"),
        ),
        ("s3://mixed-log/logs", format!("{base}/log")),
    ] {
        pipeline.change(bucket, &folder);
    }
    pipeline.run();
    assert!(pipeline.keys("in", "").is_empty());
    assert_eq!(pipeline.keys("archive", "raw/").len(), logs.objects.len());
    assert!(
        !pipeline
            .keys(
                "archive",
                &format!("shredded/run={RUN}/atomic-events/part-")
            )
            .is_empty()
    );
    let journal = format!("local/log/camonica/{RUN}/journal.jsonl");
    assert!(pipeline.path(&journal).exists());
    assert!(pipeline.keys("log", "").is_empty());
}
