//! What a finished run leaves in its buckets and on the disk, comparable between runs of one id.

#![allow(
    unreachable_pub,
    reason = "part of a test binary, outside of its test functions"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::camonica::{RUN, RunFolder};
use super::pipeline::{BUCKETS, Mode, Pipeline};
use super::support::parts;

/// Everything but what differs between two runs of one id: times, the random parts of names, how rows are cut into files.
#[derive(PartialEq)]
pub struct State {
    /// Objects that are moved as they are, by bucket and key.
    moved: BTreeMap<String, Vec<u8>>,
    /// Lines of part files by bucket and folder, sorted.
    lines: BTreeMap<String, Vec<String>>,
    /// Markers and manifests.
    others: BTreeMap<String, String>,
}

impl State {
    /// Fails unless a finished run has left everything where it belongs, encrypted, and nothing else.
    pub fn of_finished(pipeline: &Pipeline, encryption: &str, what: &str) -> Self {
        let mut state = Self {
            moved: BTreeMap::new(),
            lines: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        for bucket in BUCKETS {
            let name = pipeline.bucket(bucket);
            let open = pipeline.moto.open_uploads(&name);
            assert!(
                open.is_empty(),
                "{what}: {} open uploads: {name}",
                open.len()
            );
            for key in pipeline.keys(bucket, "") {
                let place = format!("{bucket}/{key}");
                state.add(pipeline, bucket, &key, what);
                let head = pipeline.moto.head(&name, &key);
                let expected = format!("x-amz-server-side-encryption: {encryption}").to_lowercase();
                assert!(head.contains(&expected), "{what}: {place}: {head}");
            }
        }
        for lines in state.lines.values_mut() {
            lines.sort();
        }
        state.check_folders(pipeline, what);
        for folder in ["spill", "tmp"] {
            let mut left = pipeline.files(folder);
            // empty, and there for good: by it processes find out which of them live
            left.retain(|name| !(name.starts_with(".camonica-spill-") && name.ends_with(".lock")));
            assert!(left.is_empty(), "{what}: left over in {folder}: {left:?}");
        }
        for request in pipeline.proxy.take() {
            let sse = request.header("x-amz-server-side-encryption");
            assert!(
                !request.is_write() || sse == Some(encryption),
                "{what}: a write without {encryption}: {request:?}"
            );
        }
        state
    }

    /// Takes an object in, if it is one that a finished run leaves.
    fn add(&mut self, pipeline: &Pipeline, bucket: &str, key: &str, what: &str) {
        let content = pipeline.read(bucket, key).unwrap();
        let place = format!("{bucket}/{key}");
        let (folder, name) = place.rsplit_once('/').unwrap();
        let is_output = place.starts_with("out/enriched/bad/")
            || place.starts_with("out/shredded/bad/")
            || place.starts_with("archive/shredded/")
            || place.starts_with("archive/enriched/") && pipeline.mode == Mode::Batch;
        if place == format!("log/logs/camonica/{RUN}/journal.jsonl") {
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains("\"run_done\""), "{what}: {text}");
        } else if is_output && name.starts_with("part-") {
            let lines = parts::lines_of(name, content);
            self.lines
                .entry(folder.to_owned())
                .or_default()
                .extend(lines.iter().map(|line| parts::timeless(line)));
        } else if is_output && name == "_SUCCESS" {
            assert!(content.is_empty(), "{what}: {place}");
            self.others.insert(place, String::new());
        } else if is_output && name == "_SUCCESS.manifest.json" {
            self.others.insert(place.clone(), manifest(&content));
        } else if place.starts_with("archive/raw/") || place.starts_with("archive/enriched/") {
            self.moved.insert(place, content);
        } else {
            panic!("{what}: left over: {place}");
        }
    }

    fn check_folders(&self, pipeline: &Pipeline, what: &str) {
        let mode = pipeline.mode;
        let mut expected = vec![
            format!("out/shredded/bad/run={RUN}/_SUCCESS"),
            format!("archive/shredded/run={RUN}/_SUCCESS.manifest.json"),
            format!("archive/shredded/run={RUN}/atomic-events/_SUCCESS"),
            format!("archive/shredded/run={RUN}/shredded-types/_SUCCESS"),
        ];
        if mode == Mode::Batch {
            expected.extend([
                format!("out/enriched/bad/run={RUN}/_SUCCESS"),
                format!("archive/enriched/run={RUN}/_SUCCESS"),
                format!("archive/enriched/run={RUN}/_SUCCESS.manifest.json"),
            ]);
        }
        expected.sort();
        let found: Vec<&String> = self.others.keys().collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{what}");
        let archive = match mode {
            Mode::Batch => format!("archive/raw/run={RUN}/"),
            Mode::Stream => format!("archive/enriched/run={RUN}/"),
        };
        let there = self.moved.keys().filter(|key| key.starts_with(&archive));
        assert_eq!(
            there.count(),
            pipeline.collected.get(),
            "{what}: {:?}",
            self.moved.keys()
        );
    }

    /// Lines below a prefix of bucket and folder.
    pub fn count(&self, prefix: &str) -> u64 {
        parts::count(&self.lines, prefix)
    }

    /// Fails, with what differs first, unless the states are the same.
    pub fn assert_same(&self, other: &Self, what: &str) {
        let moved = |state: &Self| state.moved.keys().cloned().collect::<Vec<_>>();
        assert_eq!(moved(self), moved(other), "{what}");
        assert!(self.moved == other.moved, "{what}: contents of the archive");
        assert_eq!(self.others, other.others, "{what}");
        parts::assert_same(&self.lines, &other.lines, what);
    }
}

/// What a manifest says of its job: inputs, rows of each folder, counts.
fn manifest(content: &[u8]) -> String {
    let manifest: Value = serde_json::from_slice(content).unwrap();
    let inputs: Vec<String> = manifest["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| without_random(input["object"].as_str().unwrap()))
        .collect();
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for output in manifest["outputs"].as_array().unwrap() {
        let path = output["path"].as_str().unwrap();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = format!("{}:{folder}", output["root"].as_str().unwrap());
        *rows.entry(folder).or_default() += output["rows"].as_u64().unwrap();
    }
    let counts = |part: &str| {
        let mut counts = manifest[part].clone();
        if let Some(counts) = counts.as_object_mut() {
            counts.retain(|name, _| !name.contains("bytes"));
        }
        counts
    };
    let told = json!({
        "job": manifest["job"], "run_id": manifest["run_id"], "inputs": inputs, "rows": rows,
        "enrich": counts("enrich"), "shred": counts("shred"), "corrupt": manifest["corrupt"],
    });
    serde_json::to_string_pretty(&told).unwrap()
}

/// A name without the identifier in that of a part file, and without the bucket's, which has the test's name.
fn without_random(object: &str) -> String {
    let (folder, name) = object.rsplit_once('/').unwrap();
    let (_, folder) = folder.split_once("-out/").unwrap();
    match name.strip_prefix("part-") {
        Some(rest) => format!("{folder}/part-{}", &rest[..5]),
        None => format!("{folder}/{name}"),
    }
}
