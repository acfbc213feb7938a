//! The etl job in shards.

use std::fs;
use std::time::{Duration, Instant};

use fixtures::random::Random;

use super::support::files_below;
use super::{Site, end, fail, lines, succeed, whole, write_raw_with_duplicates};

#[test]
fn shards_of_etl_equal_one_process() {
    let base = tempfile::tempdir().unwrap();
    let raw = base.path().join("raw");
    write_raw_with_duplicates(&raw);
    let input = raw.to_str().unwrap();
    let expected = whole(base.path(), "etl", input);
    let site = Site::local(&base.path().join("etl"));
    let error = fail(site.commit("etl", input, "3"));
    assert!(
        error.contains("no shard of this job and run has begun"),
        "{error}"
    );
    // one alone waits for the others, and the commit names those that are missing
    let alone = site.shard("etl", input, "2/3");
    let started = Instant::now();
    let error = loop {
        let error = fail(site.commit("etl", input, "3"));
        if error.contains("(1/3, 3/3)") || started.elapsed() > Duration::from_secs(100) {
            break error;
        }
    };
    assert!(
        error.contains("2 of 3 shards have not enriched their share"),
        "{error}"
    );
    let shards = ["1/3", "3/3"].map(|shard| site.shard("etl", input, shard));
    for shard in shards.into_iter().chain([alone]) {
        let told = succeed(shard);
        assert!(
            told.contains("the enriched events are visible, the shredded ones not before `commit`"),
            "{told}"
        );
        assert!(
            !told.contains("time: scan"),
            "no line is read twice: {told}"
        );
    }
    assert!(site.folder.join("enriched/_SUCCESS").exists());
    assert!(!site.folder.join("good/_SUCCESS.manifest.json").exists());
    let report = succeed(site.commit("etl", input, "3"));
    for figure in ["raw events", "natural duplicates", "exchanged, sealed"] {
        assert!(report.contains(figure), "{report}");
    }
    assert_eq!(lines(&site.folder), expected);
    let duplicates = "good/shredded-types/vendor=com.snowplowanalytics.snowplow/name=duplicate/format=jsonschema/version=1-0-0";
    assert!(expected[duplicates].len() > 50);
    assert!(files_below(&site.folder.join("exchange")).is_empty());
    // again: nothing changes
    assert_eq!(
        succeed(site.commit("etl", input, "3")),
        succeed(site.commit("etl", input, "3"))
    );
    let late = fail(site.shard("etl", input, "1/3"));
    assert!(late.contains("a finished output is there"), "{late}");
    assert_eq!(lines(&site.folder), expected);

    // events that another process has enriched are shredded all the same: then there is a scan
    let site = Site::local(&base.path().join("enriched-before"));
    let enriched = base.path().join("whole-etl/enriched");
    fs::create_dir(site.folder.join("enriched")).unwrap();
    fs::create_dir(site.folder.join("enriched-bad")).unwrap();
    for name in ["enriched", "enriched-bad"] {
        for path in files_below(&enriched.with_file_name(name)) {
            let to = site.folder.join(name).join(path.file_name().unwrap());
            fs::copy(path, to).unwrap();
        }
    }
    let shards = ["1/2", "2/2"].map(|shard| site.shard("etl", input, shard));
    for shard in shards {
        assert!(succeed(shard).contains("time: scan"));
    }
    succeed(site.commit("etl", input, "2"));
    assert_eq!(lines(&site.folder), expected);
}

#[test]
fn shards_of_etl_can_be_killed_and_started_again() {
    let base = tempfile::tempdir().unwrap();
    let raw = base.path().join("raw");
    write_raw_with_duplicates(&raw);
    let input = raw.to_str().unwrap();
    let started = Instant::now();
    let expected = whole(base.path(), "etl", input);
    // shards take no less: each starts, and waits for the other one
    let time = started.elapsed();
    let mut random = Random::new(5);
    let mut killed = 0;
    for round in 0..4 {
        let site = Site::local(&base.path().join(format!("round{round}")));
        let mut shards =
            Vec::from(["1/2", "2/2"].map(|shard| (shard, site.shard("etl", input, shard))));
        // the one that commits the enriched events dies as often as the other one
        for _ in 0..4 {
            std::thread::sleep(Duration::from_micros(
                random.below(time.as_micros() as u64 / 3),
            ));
            let (shard, child) = &mut shards[round % 2];
            child.kill().unwrap();
            killed += usize::from(!child.wait().unwrap().success());
            *child = site.shard("etl", input, shard);
        }
        for (_, child) in shards {
            succeed(child);
        }
        let mut commit = site.commit("etl", input, "2");
        std::thread::sleep(Duration::from_micros(random.below(900_000)));
        commit.kill().unwrap();
        commit.wait().unwrap();
        succeed(site.commit("etl", input, "2"));
        assert_eq!(lines(&site.folder), expected, "round {round}");
        assert!(files_below(&site.folder.join("exchange")).is_empty());
    }
    println!("{killed} shards killed");
    assert!(killed >= 6, "{killed}");
}

#[test]
fn shards_may_be_done_twice_at_the_same_time() {
    let base = tempfile::tempdir().unwrap();
    let raw = base.path().join("raw");
    write_raw_with_duplicates(&raw);
    let raw = raw.to_str().unwrap();
    let etl = whole(base.path(), "etl", raw);
    let enriched = base.path().join("whole-etl/enriched");
    let enriched = enriched.to_str().unwrap();
    let shred = whole(base.path(), "shred", enriched);
    for (job, input, expected) in [("shred", enriched, shred), ("etl", raw, etl)] {
        let site = Site::local(&base.path().join(job));
        let shards = ["1/2", "2/2", "1/2", "2/2"].map(|shard| site.shard(job, input, shard));
        let ended = shards.map(|shard| {
            let output = end(shard);
            print!("{job}: {}", String::from_utf8_lossy(&output.stderr));
            output.status.success()
        });
        // one that comes too late may say so; the other one has done the work
        assert!(ended[0] || ended[2], "{job} 1/2");
        assert!(ended[1] || ended[3], "{job} 2/2");
        succeed(site.commit(job, input, "2"));
        assert_eq!(lines(&site.folder), expected, "{job}");
    }
}
