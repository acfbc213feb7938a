//! The transactional output in S3.

use super::{Bucket, noise, read};
use engine::error::ErrorKind;
use engine::output::{
    Begun, Compression, Ending, FaultHook, JobOutput, OutputRoot, OutputSettings, Spill, Spilled,
    WrittenFile,
};
use engine::store::{Encryption, Location, Store, StoreSettings};
use engine::{Error, Result};
use flate2::bufread::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PAGE: &str = "shredded-types/vendor=com.acme/name=page/format=jsonschema/version=1-0-0";

fn shred_settings(bucket: &Bucket) -> OutputSettings {
    let good = OutputRoot::new(bucket.at("shredded/good/run=1"))
        .with_success_folders(["atomic-events", "shredded-types"])
        .with_compression(Compression::Gzip(1));
    let bad = OutputRoot::new(bucket.at("shredded/bad/run=1/"));
    OutputSettings::new("shred", "run-1", vec![good, bad])
}

fn ready(begun: Begun) -> Box<JobOutput> {
    match begun {
        Begun::Ready(output) => output,
        Begun::Finished(finished) => panic!("finished already: {finished:?}"),
    }
}

fn write_all(output: &JobOutput) {
    let atomic = output.writer(0, "atomic-events", Ending::Text).unwrap();
    let page = output.writer(0, PAGE, Ending::ShreddedType).unwrap();
    let bad = output.writer(1, "", Ending::Text).unwrap();
    for number in 0..10 {
        atomic
            .append(format!("event {number}\n").as_bytes(), 1)
            .unwrap();
        page.append(format!("{{\"n\":{number}}}\n").as_bytes(), 1)
            .unwrap();
    }
    bad.append(b"bad 1\nbad 2\n", 2).unwrap();
}

fn manifest(files: &[WrittenFile]) -> Result<Vec<u8>> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let tags: Vec<String> = files
        .iter()
        .map(|file| format!("{} {}", file.relative(), file.etag))
        .collect();
    Ok(format!("{rows} rows\n{}", tags.join("\n")).into_bytes())
}

/// Sorted lines per folder of all part files, and the other keys.
fn visible(bucket: &Bucket) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let store = bucket.store();
    let (mut lines, mut others) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    for entry in store.list(&bucket.at(""), true).unwrap() {
        let (folder, name) = entry.relative.rsplit_once('/').unwrap();
        if !name.starts_with("part-") {
            others.push(entry.relative.clone());
            continue;
        }
        let mut text = read(&store, &entry).unwrap();
        if name.ends_with(".gz") {
            let mut rest: &[u8] = &text;
            let mut plain = Vec::new();
            GzDecoder::new(&mut rest).read_to_end(&mut plain).unwrap();
            assert!(rest.is_empty(), "more than one gzip member");
            text = plain;
        }
        let text = String::from_utf8(text).unwrap();
        lines
            .entry(folder.to_owned())
            .or_default()
            .extend(text.lines().map(str::to_owned));
    }
    lines.values_mut().for_each(|lines| lines.sort());
    (lines, others)
}

fn assert_complete(bucket: &Bucket) {
    let (lines, others) = visible(bucket);
    assert_eq!(
        others,
        [
            "shredded/bad/run=1/_SUCCESS",
            "shredded/good/run=1/_SUCCESS.manifest.json",
            "shredded/good/run=1/atomic-events/_SUCCESS",
            "shredded/good/run=1/shredded-types/_SUCCESS"
        ]
    );
    let expect = |text: &dyn Fn(usize) -> String| (0..10).map(text).collect::<Vec<_>>();
    assert_eq!(
        lines,
        BTreeMap::from([
            (
                "shredded/good/run=1/atomic-events".to_owned(),
                expect(&|n| format!("event {n}"))
            ),
            (
                format!("shredded/good/run=1/{PAGE}"),
                expect(&|n| format!("{{\"n\":{n}}}"))
            ),
            (
                "shredded/bad/run=1".to_owned(),
                vec!["bad 1".to_owned(), "bad 2".to_owned()]
            ),
        ])
    );
    // the manifest has the real tags of all files
    let store = bucket.store();
    let text = store
        .read_to_vec(&bucket.at("shredded/good/run=1/_SUCCESS.manifest.json"))
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut told = text.lines();
    assert_eq!(told.next(), Some("22 rows"));
    let mut count = 0;
    for line in told {
        let (relative, tag) = line.rsplit_once(' ').unwrap();
        let root = if relative.contains('/') {
            "good"
        } else {
            "bad"
        };
        let place = bucket.at(&format!("shredded/{root}/run=1/{relative}"));
        let etag = store.head(&place).unwrap().unwrap().etag.unwrap();
        assert_eq!(etag.trim_matches('"'), tag);
        count += 1;
    }
    assert_eq!(count, 3);
    assert_eq!(bucket.uploads(), 0);
}

fn assert_all_or_nothing(bucket: &Bucket) {
    let (lines, others) = visible(bucket);
    if others.iter().any(|name| name.ends_with("/_SUCCESS")) {
        assert_eq!(lines.values().map(Vec::len).sum::<usize>(), 22);
        assert!(others.iter().any(|name| name.ends_with("manifest.json")));
    }
}

#[test]
fn an_output_is_uploaded_and_completed_at_commit() {
    let Some(bucket) = Bucket::new("output") else {
        return;
    };
    let output = ready(JobOutput::begin(bucket.store(), shred_settings(&bucket)).unwrap());
    write_all(&output);
    assert!(bucket.keys().is_empty());
    let finished = output.commit(manifest).unwrap();
    assert_complete(&bucket);
    for file in &finished.files {
        assert!(
            !file.etag.contains(['"', '@']) && file.etag.ends_with("-1"),
            "{}",
            file.etag
        );
    }
    let error = JobOutput::begin(bucket.store(), shred_settings(&bucket)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert!(error.to_string().contains("finished output"), "{error}");
}

#[test]
fn every_write_asks_for_encryption() {
    for (name, encryption, told) in [
        (
            "sse-s3",
            Encryption::SseS3,
            "x-amz-server-side-encryption: aes256",
        ),
        (
            "sse-kms",
            Encryption::SseKms("arn:aws:kms:us-east-1:1:key/k".into()),
            "x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:us-east-1:1:key/k",
        ),
    ] {
        let Some(bucket) = Bucket::new(name) else {
            return;
        };
        let store = Store::new(StoreSettings {
            encryption,
            ..bucket.settings()
        });
        let mut settings = shred_settings(&bucket);
        // the plan too: it is looked at while it is there
        settings.faults = Some(stop_at(1).0);
        let output = ready(JobOutput::begin(store.clone(), settings).unwrap());
        write_all(&output);
        output.commit(manifest).unwrap_err();
        let plan = "shredded/good/run=1/_temporary/commit-plan.json";
        assert!(bucket.head(plan).contains(told), "{}", bucket.head(plan));
        assert!(matches!(
            JobOutput::begin(store, shred_settings(&bucket)).unwrap(),
            Begun::Finished(_)
        ));
        assert_complete(&bucket);
        for key in bucket.keys() {
            assert!(
                bucket.head(&key).contains(told),
                "{key}: {}",
                bucket.head(&key)
            );
        }
    }
}

#[test]
fn large_files_have_many_parts_and_roll() {
    let Some(bucket) = Bucket::new("large") else {
        return;
    };
    let root = OutputRoot::new(bucket.at("enriched/run=1")).with_compression(Compression::Gzip(1));
    let mut settings = OutputSettings::new("enrich", "run-1", vec![root]);
    settings.target_size = 14 << 20;
    let output = ready(JobOutput::begin(bucket.store(), settings).unwrap());
    let writer = output.writer(0, "", Ending::Enriched).unwrap();
    // hexadecimal noise compresses to a half
    let mut line: Vec<u8> = noise(500_000, 11)
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect();
    line.push(b'\n');
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..18).for_each(|_| writer.append(&line, 1).unwrap()));
        }
    });
    assert!(bucket.uploads() >= 1 && bucket.keys().is_empty());
    let finished = output.commit(|_| Ok(b"{}".to_vec())).unwrap();
    assert_eq!(finished.files.len(), 2);
    assert!(finished.files[0].bytes >= 14 << 20 && finished.files[0].etag.ends_with("-2"));
    let (lines, _) = visible(&bucket);
    let lines = &lines["enriched/run=1"];
    assert_eq!(lines.len(), 36);
    assert!(
        lines
            .iter()
            .all(|text| text.as_bytes() == &line[..line.len() - 1])
    );
}

/// Keeps blocks in memory and counts them.
#[derive(Default)]
struct CountingSpill {
    kept: AtomicUsize,
}

struct Kept(Vec<u8>);

impl Spill for CountingSpill {
    fn keep(&self, bytes: &[u8]) -> Result<Box<dyn Spilled>> {
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Kept(bytes.to_vec())))
    }
}

impl Spilled for Kept {
    fn read(&self) -> Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

#[test]
fn many_small_files_spill_or_end_early() {
    const WRITERS: usize = 40;
    for (name, spills) in [("small-spilled", true), ("small-early", false)] {
        let Some(bucket) = Bucket::new(name) else {
            return;
        };
        let spill = Arc::new(CountingSpill::default());
        let root = OutputRoot::new(bucket.at("good")).with_compression(Compression::Gzip(6));
        let mut settings = OutputSettings::new("shred", "run-1", vec![root]);
        settings.memory_limit = 400_000;
        if spills {
            settings.spill = Some(Arc::clone(&spill) as Arc<dyn Spill>);
        }
        let output = ready(JobOutput::begin(bucket.store(), settings).unwrap());
        std::thread::scope(|scope| {
            for thread in 0..2u64 {
                let output = &output;
                scope.spawn(move || {
                    for number in 0..WRITERS {
                        let writer = output
                            .writer(0, &format!("type={number}"), Ending::ShreddedType)
                            .unwrap();
                        for row in 0..8u64 {
                            let noise = noise(3_000, thread * 1_000 + number as u64 * 10 + row);
                            let text: String =
                                noise.iter().map(|byte| format!("{byte:02x}")).collect();
                            writer
                                .append(format!("{number} {text}\n").as_bytes(), 1)
                                .unwrap();
                        }
                    }
                });
            }
        });
        let files = output.commit(|_| Ok(b"{}".to_vec())).unwrap().files;
        assert_eq!(
            files.iter().map(|file| file.rows).sum::<u64>(),
            WRITERS as u64 * 16
        );
        assert_eq!(spill.kept.load(Ordering::SeqCst) > 0, spills);
        assert!(files.iter().all(|file| file.bytes > 0));
        if spills {
            assert_eq!(files.len(), WRITERS);
        }
        let (lines, _) = visible(&bucket);
        for number in 0..WRITERS {
            let lines = &lines[&format!("good/type={number}")];
            assert_eq!(lines.len(), 16);
            assert!(
                lines
                    .iter()
                    .all(|line| line.starts_with(&format!("{number} ")))
            );
        }
        assert_eq!(bucket.uploads(), 0);
    }
}

#[test]
fn an_aborted_output_leaves_no_uploads() {
    let Some(bucket) = Bucket::new("aborted") else {
        return;
    };
    let mut settings = shred_settings(&bucket);
    settings.target_size = 100;
    settings.memory_limit = 10_000;
    for drop_it in [true, false] {
        let output = ready(JobOutput::begin(bucket.store(), settings.clone()).unwrap());
        write_all(&output);
        let bad = output.writer(1, "", Ending::Text).unwrap();
        (0..50).for_each(|_| {
            bad.append(&[b"x".repeat(999), b"\n".to_vec()].concat(), 1)
                .unwrap()
        });
        assert!(bucket.uploads() > 0);
        if drop_it {
            drop(output);
        } else {
            let error = output
                .commit(|_| Err(Error::internal("the sums do not close")))
                .unwrap_err();
            assert!(error.to_string().contains("sums"));
        }
        assert_eq!(bucket.uploads(), 0);
        assert!(bucket.keys().is_empty());
    }
}

/// A hook that stops the commit after its `at`-th step, and counts the steps.
fn stop_at(at: usize) -> (FaultHook, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    (
        Arc::new(move |_: &str| counter.fetch_add(1, Ordering::SeqCst) == at),
        count,
    )
}

fn run_again(bucket: &Bucket) -> bool {
    match JobOutput::begin(bucket.store(), shred_settings(bucket)).unwrap() {
        Begun::Finished(_) => true,
        Begun::Ready(output) => {
            write_all(&output);
            output.commit(manifest).unwrap();
            false
        }
    }
}

#[test]
fn a_commit_that_is_killed_after_any_step_is_finished_by_the_next_attempt() {
    let mut steps = 0;
    loop {
        let Some(bucket) = Bucket::new(&format!("crash-{steps}")) else {
            return;
        };
        let mut settings = shred_settings(&bucket);
        let (hook, count) = stop_at(steps);
        settings.faults = Some(hook);
        let output = ready(JobOutput::begin(bucket.store(), settings).unwrap());
        write_all(&output);
        let result = output.commit(manifest);
        assert_all_or_nothing(&bucket);
        if count.load(Ordering::SeqCst) <= steps {
            result.unwrap();
            assert_complete(&bucket);
            break;
        }
        result.unwrap_err();
        let plan = bucket.at("shredded/good/run=1/_temporary/commit-plan.json");
        if steps == 0 {
            // killed before the plan: its uploads wait for the bucket's lifecycle rule
            assert_eq!(bucket.uploads(), 3);
            assert!(!run_again(&bucket));
            assert_eq!(bucket.uploads(), 3);
            steps += 1;
            continue;
        }
        if bucket.store().head(&plan).unwrap().is_some() {
            assert!(run_again(&bucket));
        }
        assert_complete(&bucket);
        steps += 1;
    }
    assert!(steps >= 11, "only {steps} steps");
}

#[test]
fn uploads_that_are_gone_mean_that_the_job_runs_again() {
    // before and after the first completion
    for step in [1, 3] {
        let Some(bucket) = Bucket::new(&format!("gone-{step}")) else {
            return;
        };
        let mut settings = shred_settings(&bucket);
        settings.faults = Some(stop_at(step).0);
        let output = ready(JobOutput::begin(bucket.store(), settings).unwrap());
        write_all(&output);
        output.commit(manifest).unwrap_err();
        // as a lifecycle rule would; the store needs a key with an id, the plan has both
        let plan = bucket
            .store()
            .read_to_vec(&bucket.at("shredded/good/run=1/_temporary/commit-plan.json"))
            .unwrap();
        let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
        let open = bucket.moto.open_uploads(&bucket.name);
        assert!(!open.is_empty());
        for file in plan["files"].as_array().unwrap() {
            let id = file["upload"]["id"].as_str().unwrap();
            if open.iter().any(|open| open == id) {
                let root = plan["roots"][file["root"].as_u64().unwrap() as usize]["location"]
                    .as_str()
                    .unwrap();
                let folder = Location::parse(root)
                    .unwrap()
                    .join(file["folder"].as_str().unwrap());
                let upload = engine::store::Upload {
                    location: folder.join(file["name"].as_str().unwrap()),
                    id: id.to_owned(),
                };
                bucket.store().abort_upload(&upload).unwrap();
            }
        }
        assert_eq!(bucket.uploads(), 0);
        assert!(!run_again(&bucket), "it cannot be finished");
        assert_complete(&bucket);
    }
}

#[test]
fn of_two_attempts_one_wins() {
    let Some(bucket) = Bucket::new("two-attempts") else {
        return;
    };
    let begin = || ready(JobOutput::begin(bucket.store(), shred_settings(&bucket)).unwrap());
    let (first, second) = (begin(), begin());
    write_all(&first);
    write_all(&second);
    first.commit(manifest).unwrap();
    assert_eq!(
        second.commit(manifest).unwrap_err().kind(),
        ErrorKind::NotEmpty
    );
    assert_complete(&bucket);
}

#[test]
fn the_plan_lies_in_the_log_folder() {
    let Some(bucket) = Bucket::new("logs") else {
        return;
    };
    let mut settings = shred_settings(&bucket);
    settings.log_folder = Some(bucket.at("log"));
    settings.faults = Some(stop_at(4).0);
    let output = ready(JobOutput::begin(bucket.store(), settings.clone()).unwrap());
    write_all(&output);
    output.commit(manifest).unwrap_err();
    let plan = bucket.at("log/camonica/run-1/shred/commit-plan.json");
    assert!(bucket.store().head(&plan).unwrap().is_some());
    // who does not know of the plan does not touch what is there
    let error = JobOutput::begin(bucket.store(), shred_settings(&bucket)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    settings.faults = None;
    assert!(matches!(
        JobOutput::begin(bucket.store(), settings).unwrap(),
        Begun::Finished(_)
    ));
    assert_complete(&bucket);
}

#[test]
fn one_root_may_be_local() {
    let Some(bucket) = Bucket::new("mixed") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for steps in 0..12 {
        let bad = dir.path().join(format!("bad-{steps}"));
        let roots = vec![
            OutputRoot::new(bucket.at(&format!("good-{steps}"))),
            OutputRoot::new(Location::from_path(&bad).unwrap()),
        ];
        let mut settings = OutputSettings::new("enrich", "run-1", roots);
        let write = |output: &JobOutput| {
            output
                .writer(0, "", Ending::Enriched)
                .unwrap()
                .append(b"good\n", 1)
                .unwrap();
            output
                .writer(1, "", Ending::Text)
                .unwrap()
                .append(b"bad\n", 1)
                .unwrap();
        };
        settings.faults = Some(stop_at(steps).0);
        let output = ready(JobOutput::begin(bucket.store(), settings.clone()).unwrap());
        write(&output);
        let committed = output.commit(|_| Ok(b"{}".to_vec())).is_ok();
        settings.faults = None;
        let gone = bucket
            .store()
            .head(&bucket.at(&format!("good-{steps}/_temporary/commit-plan.json")))
            .unwrap()
            .is_none();
        if !committed && (steps == 0 || !gone) {
            match JobOutput::begin(bucket.store(), settings).unwrap() {
                Begun::Finished(_) => {}
                Begun::Ready(output) => {
                    write(&output);
                    output.commit(|_| Ok(b"{}".to_vec())).unwrap();
                }
            }
        }
        let (lines, _) = visible(&bucket);
        assert_eq!(lines[&format!("good-{steps}")], ["good"]);
        let store = bucket.store();
        let names = store
            .list(&Location::from_path(&bad).unwrap(), true)
            .unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(!bad.join("_temporary").exists());
    }
}
