//! Faults on a tenth of all requests to S3, those of the engine's own client included: a run ends well all the same, and
//! leaves what an undisturbed one leaves.

use std::collections::BTreeMap;
use std::thread;

use super::pipeline::{Logs, Mode, Pipeline, client};
use super::s3_proxy::FAULTS;
use super::state::State;

/// Faults by client and kind.
type Made = BTreeMap<(&'static str, String), usize>;

fn run_with_faults(pipeline: &Pipeline, seed: u64, undisturbed: &State) -> Made {
    let what = format!("{:?}, seed {seed}", pipeline.mode);
    pipeline.proxy.faults(100, seed);
    pipeline.run();
    pipeline.proxy.faults(0, 1);
    let recorded = pipeline.proxy.take();
    let mut made = Made::new();
    let mut requests: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &recorded {
        *requests.entry(client(request)).or_default() += 1;
        if let Some(fault) = request.fault {
            *made
                .entry((client(request), format!("{fault:?}")))
                .or_default() += 1;
        }
        let sse = request.header("x-amz-server-side-encryption");
        assert!(!request.is_write() || sse == Some("AES256"), "{request:?}");
    }
    println!("{what}: {requests:?}, faults {made:?}");
    State::of_finished(pipeline, "AES256", &what).assert_same(undisturbed, &what);
    made
}

fn faults_change_nothing(name: &str, mode: Mode) {
    let logs = Logs::of(mode, 40_000);
    let Some(pipeline) = Pipeline::with(&format!("{name}-0"), mode, &logs) else {
        return;
    };
    pipeline.run();
    let undisturbed = State::of_finished(&pipeline, "AES256", "undisturbed");
    // together, since most of their time is that of pauses before the next try
    let made: Vec<Made> = thread::scope(|scope| {
        let runs: Vec<_> = [7_919, 104_729, 1_299_709]
            .into_iter()
            .map(|seed| {
                let (logs, undisturbed) = (&logs, &undisturbed);
                scope.spawn(move || {
                    let name = format!("{name}-{seed}");
                    let pipeline = Pipeline::with(&name, mode, logs).unwrap();
                    run_with_faults(&pipeline, seed, undisturbed)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for client in ["runner", "engine"] {
        for fault in FAULTS {
            let key = (client, format!("{fault:?}"));
            let count: usize = made.iter().filter_map(|made| made.get(&key)).sum();
            assert!(count > 0, "the {client} never met {fault:?}: {made:?}");
        }
    }
}

#[test]
fn faults_change_nothing_in_batch_mode() {
    faults_change_nothing("faults-batch", Mode::Batch);
}

#[test]
fn faults_change_nothing_in_stream_enrich_mode() {
    faults_change_nothing("faults-stream", Mode::Stream);
}
