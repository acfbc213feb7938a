//! `camonica-engine etl` killed at any moment: the same command line again brings it to its end, as if nothing had been.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::random::Random;
use fixtures::{Corpus, Format, Mix};
use support::{files_below, parts};

fn command(raw: &Path, folder: &Path) -> Command {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut process = Command::new(env!("CARGO_BIN_EXE_camonica-engine"));
    process
        .arg("etl")
        .args(["--input-folder", raw.to_str().unwrap()])
        .args(["--input-format", "cloudfront"])
        .args(["--enriched-folder", &path("enriched/good")])
        .args(["--enriched-bad-folder", &path("enriched/bad")])
        .args(["--shredded-folder", &path("shredded/good")])
        .args(["--shredded-bad-folder", &path("shredded/bad")])
        .args(["--iglu-config", &path("resolver.json")])
        .args(["--etl-timestamp", "1532476800000"])
        .args([
            "--failure-timestamp",
            "0",
            "--run-id",
            "r",
            "--workers",
            "1",
        ])
        .args(["--progress", "none"])
        .env_remove("RUST_LOG");
    fs::write(folder.join("resolver.json"), support::fixtures_resolver()).unwrap();
    process
}

/// All lines by folder; there is nothing but part files and markers.
fn lines(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut markers = 0;
    for path in files_below(folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "_SUCCESS" {
            markers += 1;
            continue;
        }
        let known = ["part-", "_SUCCESS.manifest.json", "resolver.json"];
        assert!(
            known.iter().any(|known| name.starts_with(known)),
            "left over: {}",
            path.display()
        );
    }
    assert_eq!(markers, 5);
    let mut lines = parts::lines_by_folder(folder);
    let ids: BTreeSet<String> = lines["enriched/good"]
        .iter()
        .filter_map(|line| line.split('\t').nth(6).map(str::to_owned))
        .collect();
    for (_, lines) in lines
        .iter_mut()
        .filter(|(name, _)| name.starts_with("shredded"))
    {
        for line in lines.iter_mut() {
            *line = without_new_ids(line, &ids);
        }
        lines.sort();
    }
    lines
}

/// Events without a fingerprint that share an id get new ids by their places in the enriched files, whose names differ from
/// attempt to attempt: such ids become `NEW`.
fn without_new_ids(line: &str, ids: &BTreeSet<String>) -> String {
    let is_id = |text: &str| {
        text.len() == 36
            && [8, 13, 18, 23]
                .iter()
                .all(|at| text.as_bytes()[*at] == b'-')
    };
    let mut out = String::with_capacity(line.len());
    for piece in line.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-') {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != '-');
        if is_id(word) && !ids.contains(word) {
            out.push_str("NEW");
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

#[test]
fn etl_can_be_killed_and_run_again() {
    let base = tempfile::tempdir().unwrap();
    let raw = base.path().join("raw");
    let corpus = |seed, bytes| Corpus {
        seed,
        format: Format::Cloudfront,
        bytes,
        files: 2,
        gzip: true,
        mix: Mix {
            malformed: 0.03,
            ..Mix::default()
        },
    };
    let made = corpus(3, 150_000).write(&raw).unwrap();
    // a copy of a log: shred has to know that the ids of its events occur twice, also when another attempt enriched them
    fs::copy(&made.files[0], raw.join("copy.gz")).unwrap();
    let run = |folder: &Path| {
        let output = command(&raw, folder).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("panicked"), "{err}");
        (output.status.code().unwrap(), err)
    };
    let whole = base.path().join("whole");
    fs::create_dir(&whole).unwrap();
    let started = Instant::now();
    assert_eq!(run(&whole).0, 0);
    let time = started.elapsed();
    let expected = lines(&whole);
    let duplicates = "shredded/good/shredded-types/vendor=com.snowplowanalytics.snowplow/name=duplicate/format=jsonschema/version=1-0-0";
    let synthetic = expected.get(duplicates).map_or(0, Vec::len);
    assert!(
        synthetic > 10,
        "{synthetic} duplicates, {:?}",
        expected.keys()
    );

    let mut random = Random::new(9);
    let mut hit: BTreeMap<&str, u64> = BTreeMap::new();
    let steps = ["enrich", "commit", "shred"];
    // moments depend on what else the machine does: so many, and more where a step was not hit
    for index in 0.. {
        if index >= 20 && (index >= 80 || steps.iter().all(|step| hit.contains_key(step))) {
            break;
        }
        let folder = base.path().join(format!("killed-{index}"));
        fs::create_dir(&folder).unwrap();
        for _ in 0..=index % 3 {
            let pause = Duration::from_micros(random.below(time.as_micros() as u64));
            let mut child = command(&raw, &folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // the moment when the commit of the enriched events begins, or ends
            let sign = match index % 6 {
                0 | 3 => Some("enriched/good/_temporary/commit-plan.json"),
                1 => Some("enriched/good/_SUCCESS"),
                _ => None,
            };
            match sign.map(|sign| folder.join(sign)) {
                Some(sign) => while !sign.exists() && child.try_wait().unwrap().is_none() {},
                None => std::thread::sleep(pause),
            }
            // it may have come to its end
            let _ = child.kill();
            child.wait().unwrap();
            if folder
                .join("enriched/good/_temporary/commit-plan.json")
                .exists()
            {
                *hit.entry("commit").or_default() += 1;
            }
            let step = match (
                folder.join("enriched/good/_SUCCESS").exists(),
                folder
                    .join("shredded/good/shredded-types/_SUCCESS")
                    .exists(),
            ) {
                (false, _) => "enrich",
                (true, false) => "shred",
                (true, true) => "done",
            };
            *hit.entry(step).or_default() += 1;
        }
        let (code, err) = run(&folder);
        // a run that was killed after its last marker is complete; to run it again is refused
        if code != 0 {
            assert!(
                code == 1 && err.contains("a finished output is there"),
                "kill {index}: {err}"
            );
        }
        let found = lines(&folder);
        assert_eq!(
            expected.keys().collect::<Vec<_>>(),
            found.keys().collect::<Vec<_>>(),
            "kill {index}"
        );
        for (name, lines) in &expected {
            assert!(*lines == found[name], "kill {index}: {name} differs");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    println!("kills of jobs of {time:?}: {hit:?}");
    for step in steps {
        assert!(hit.contains_key(step), "{step} was never hit: {hit:?}");
    }
}
