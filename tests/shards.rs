//! Standalone shards: processes of the built binary that know nothing of each other but a folder (or a bucket) between them.
//! Their output is that of one process, whatever happens to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "shards/etl.rs"]
mod etl;
#[path = "support/moto.rs"]
mod moto;
#[path = "shards/s3.rs"]
mod s3;
#[path = "support/s3_proxy.rs"]
mod s3_proxy;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fixtures::random::Random;
use fixtures::{Corpus, Format, Mix};
use support::{files_below, parts};

/// Where a job reads and writes: folders below a local one, or below a place in S3.
struct Site {
    /// Local: resolver, secret.
    folder: PathBuf,
    /// What input, outputs and exchange begin with.
    base: String,
    /// Of a server that speaks S3.
    endpoint: Option<String>,
}

impl Site {
    fn local(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let secret = folder.join("secret");
        fs::write(
            &secret,
            "a secret that three shards share, and nobody else\n",
        )
        .unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let registry = folder.join("registry");
        let schemas = "schemas/com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema";
        fs::create_dir_all(registry.join(schemas)).unwrap();
        fs::write(registry.join(schemas).join("1-0-1"), FINGERPRINT_SCHEMA).unwrap();
        let resolver = support::resolver_with(&registry);
        fs::write(folder.join("resolver.json"), resolver).unwrap();
        fs::write(folder.join("enrichments.json"), ENRICHMENTS).unwrap();
        Self {
            folder: folder.to_owned(),
            base: folder.to_str().unwrap().to_owned(),
            endpoint: None,
        }
    }

    /// `camonica-engine <before> <job> <options of the job> <after>`.
    fn command(&self, before: &[&str], job: &str, input: &str, after: &[&str]) -> Command {
        let path = |name: &str| format!("{}/{name}", self.base);
        let mut command = Command::new(env!("CARGO_BIN_EXE_camonica-engine"));
        command.args(before).arg(job);
        if job != "shred" {
            command
                .args(["--input-format", "cloudfront"])
                .args(["--etl-timestamp", "1532476800000"]);
        }
        if job == "etl" {
            command
                .args(["--enriched-folder", &path("enriched")])
                .args(["--enriched-bad-folder", &path("enriched-bad")])
                .args(["--shredded-folder", &path("good")])
                .args(["--shredded-bad-folder", &path("bad")])
                .arg("--enrichments")
                .arg(self.folder.join("enrichments.json"));
        } else {
            command
                .args(["--output-folder", &path("good")])
                .args(["--bad-folder", &path("bad")]);
        }
        command
            .args(["--input-folder", input])
            .args(["--run-id", "2018-07-24", "--failure-timestamp", "0"])
            .args(["--progress", "none", "--workers", "2", "--iglu-config"])
            .arg(self.folder.join("resolver.json"));
        if let Some(endpoint) = &self.endpoint {
            command
                .args(["--s3-endpoint", endpoint, "--encrypted"])
                .args(["--s3-region", "us-east-1", "--s3-path-style"])
                .env("AWS_ACCESS_KEY_ID", "AKIATEST")
                .env("AWS_SECRET_ACCESS_KEY", "test");
        }
        command
            .args(after)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn exchange(&self) -> Vec<String> {
        let secret = self.folder.join("secret");
        vec![
            "--exchange".into(),
            format!("{}/exchange", self.base),
            "--exchange-secret".into(),
            secret.to_str().unwrap().into(),
        ]
    }

    fn shard(&self, job: &str, input: &str, shard: &str) -> Child {
        let exchange = self.exchange();
        let mut after: Vec<&str> = exchange.iter().map(String::as_str).collect();
        after.extend(["--shard", shard, "--exchange-timeout", "300"]);
        self.command(&[], job, input, &after).spawn().unwrap()
    }

    fn commit(&self, job: &str, input: &str, shards: &str) -> Child {
        let exchange = self.exchange();
        let after: Vec<&str> = exchange.iter().map(String::as_str).collect();
        let before = ["commit", "--shards", shards];
        self.command(&before, job, input, &after).spawn().unwrap()
    }
}

fn end(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!error.contains("panicked"), "{error}");
    output
}

fn succeed(child: Child) -> String {
    let output = end(child);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert_eq!(error, "");
    String::from_utf8(output.stdout).unwrap()
}

fn fail(child: Child) -> String {
    let output = end(child);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// The folders that jobs write to.
const ROOTS: [&str; 4] = ["good", "bad", "enriched", "enriched-bad"];

/// Takes any configuration.
const FINGERPRINT_SCHEMA: &str = r#"{"type":"object","self":{"vendor":"com.snowplowanalytics.snowplow",
    "name":"event_fingerprint_config","format":"jsonschema","version":"1-0-1"}}"#;

/// With it, copies of an event are natural duplicates, and one with another content gets the same new id in any order.
const ENRICHMENTS: &str = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0","data":[
    {"schema":"iglu:com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema/1-0-1","data":{
        "name":"event_fingerprint_config","vendor":"com.snowplowanalytics.snowplow","enabled":true,
        "parameters":{"excludeParameters":["eid","stm"],"hashAlgorithm":"MD5"}}}]}"#;

/// Lines of the part files of the folders; there is nothing else but markers and the manifest.
fn lines(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for root in ROOTS {
        for path in files_below(&folder.join(root)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(
                name.starts_with("part-") || name.starts_with("_SUCCESS"),
                "{name}"
            );
        }
        if !folder.join(root).exists() {
            continue;
        }
        for (name, lines) in parts::lines_by_folder(&folder.join(root)) {
            all.insert(format!("{root}/{name}"), lines);
        }
    }
    assert!(folder.join("good/_SUCCESS.manifest.json").exists());
    all
}

/// Raw logs: seven files, some of them copies of others.
fn write_raw(folder: &Path) {
    let corpus = |seed, files| Corpus {
        seed,
        format: Format::Cloudfront,
        bytes: 700_000,
        files,
        gzip: true,
        mix: Mix {
            malformed: 0.03,
            ..Mix::default()
        },
    };
    corpus(5, 6).write(folder).unwrap();
}

/// Enriched events in seven files with natural and synthetic duplicates, and events without a fingerprint, in different files.
/// Returns some ids.
fn write_enriched(base: &Path, to: &Path) -> Vec<String> {
    let raw = base.join("raw-of-enriched");
    write_raw(&raw);
    let site = Site::local(&base.join("enriched"));
    succeed(
        site.command(&[], "enrich", raw.to_str().unwrap(), &[])
            .spawn()
            .unwrap(),
    );
    let enriched = parts::lines(&site.folder.join("good"));
    assert!(enriched.len() > 100, "{}", enriched.len());
    let mut files = vec![String::new(); 7];
    let mut put = |number: usize, columns: &[&str]| {
        files[number % 7].push_str(&columns.join("\t"));
        files[number % 7].push('\n');
    };
    let mut ids = Vec::new();
    for (number, line) in enriched.iter().enumerate() {
        let mut columns: Vec<&str> = line.split('\t').collect();
        let fingerprint = format!("fp{number}");
        columns[129] = if number % 6 == 0 { "" } else { &fingerprint };
        put(number, &columns);
        ids.push(columns[6].to_owned());
        match number % 5 {
            // natural, the copy is the earlier one; without a fingerprint a synthetic one
            0 => {
                columns[2] = "2018-07-01 00:00:00.000";
                put(number + 1, &columns);
                put(number + 2, &columns);
            }
            1 => {
                columns[129] = "another";
                put(number + 3, &columns);
            }
            _ => {}
        }
    }
    fs::create_dir_all(to).unwrap();
    for (number, text) in files.iter().enumerate() {
        fs::write(to.join(format!("{number}.tsv")), text).unwrap();
    }
    fs::write(to.join("bad.tsv"), "no event\n").unwrap();
    ids
}

/// What a single process makes of the input.
fn whole(base: &Path, job: &str, input: &str) -> BTreeMap<String, Vec<String>> {
    let site = Site::local(&base.join(format!("whole-{job}")));
    succeed(site.command(&[], job, input, &[]).spawn().unwrap());
    let lines = lines(&site.folder);
    assert!(lines.values().map(Vec::len).sum::<usize>() > 100);
    lines
}

#[test]
fn shards_on_folders_equal_one_process() {
    let base = tempfile::tempdir().unwrap();
    let (raw, enriched) = (base.path().join("raw"), base.path().join("in"));
    write_raw(&raw);
    let ids = write_enriched(base.path(), &enriched);
    for (job, input) in [("enrich", raw), ("shred", enriched)] {
        let input = input.to_str().unwrap();
        let expected = whole(base.path(), job, input);
        let site = Site::local(&base.path().join(job));
        let shards: Vec<Child> = ["1/3", "2/3", "3/3"]
            .iter()
            .map(|shard| site.shard(job, input, shard))
            .collect();
        for (shard, number) in shards.into_iter().zip(1..) {
            let told = succeed(shard);
            assert!(
                told.contains(&format!("{number}/3, done; nothing is visible")),
                "{told}"
            );
        }
        let output = [
            files_below(&site.folder.join("good")),
            files_below(&site.folder.join("bad")),
        ]
        .concat();
        assert!(
            output
                .iter()
                .all(|path| path.to_str().unwrap().contains("/_temporary/"))
        );

        // nothing in the clear, not even what a column or a row begins with
        let exchange = files_below(&site.folder.join("exchange"));
        assert!(exchange.len() >= if job == "shred" { 20 } else { 4 });
        for path in exchange {
            let bytes = fs::read(&path).unwrap();
            let markers = ids.iter().take(200).map(String::as_str);
            for marker in markers.chain(["2018-", "part-", "com.snowplow", "records", "resolver"]) {
                let found = bytes
                    .windows(marker.len())
                    .any(|some| some == marker.as_bytes());
                assert!(!found, "{}: {marker}", path.display());
            }
        }

        let report = succeed(site.commit(job, input, "3"));
        assert!(report.contains("outputs\n"), "{report}");
        assert_eq!(lines(&site.folder), expected, "{job}");
        assert!(files_below(&site.folder.join("exchange")).is_empty());
        if job == "shred" {
            assert!(report.contains("natural duplicates"), "{report}");
            let name = "good/shredded-types/vendor=com.snowplowanalytics.snowplow/name=duplicate/format=jsonschema/version=1-0-0";
            assert!(expected[name].len() > 50);
        }
        // again: nothing changes
        assert_eq!(
            succeed(site.commit(job, input, "3")),
            succeed(site.commit(job, input, "3"))
        );
        assert_eq!(lines(&site.folder), expected, "{job}");
    }
}

#[test]
fn shards_of_enrich_need_no_exchange_and_mistakes_are_told() {
    let base = tempfile::tempdir().unwrap();
    let raw = base.path().join("raw");
    write_raw(&raw);
    let raw = raw.to_str().unwrap();
    let expected = whole(base.path(), "enrich", raw);
    let site = Site::local(&base.path().join("out"));
    let log = format!("{}/log", site.base);
    let shard = |shard: &str, more: &[&str]| {
        let after = [&["--shard", shard][..], more].concat();
        site.command(&[], "enrich", raw, &after).spawn().unwrap()
    };
    let commit = |shards: &str| {
        let before = ["commit", "--shards", shards];
        let after = ["--log-folder", log.as_str()];
        site.command(&before, "enrich", raw, &after)
            .spawn()
            .unwrap()
    };
    assert!(fail(shard("1/2", &[])).contains("--log-folder or --exchange"));
    assert!(fail(commit("2")).contains("no shard of this job and run has begun"));
    succeed(shard("2/2", &["--log-folder", &log]));
    let error = fail(commit("2"));
    assert!(
        error.contains("1 of 2 shards have not enriched their share (1/2)"),
        "{error}"
    );
    assert!(fail(commit("3")).contains("begun as 2 shards"));
    let error = fail(shard("1/2", &["--log-folder", &log, "--target-size", "1G"]));
    assert!(error.contains("--target-size must be the same"), "{error}");
    fs::copy(
        format!("{}/resolver.json", site.base),
        format!("{raw}/late"),
    )
    .unwrap();
    let error = fail(shard("1/2", &["--log-folder", &log]));
    assert!(error.contains("must all see the same input"), "{error}");
    fs::remove_file(format!("{raw}/late")).unwrap();
    succeed(shard("1/2", &["--log-folder", &log]));
    // the whole input has one of each; a shard that is done twice does not count twice
    succeed(shard("1/2", &["--log-folder", &log]));
    succeed(commit("2"));
    assert_eq!(lines(&site.folder), expected);
    let error = fail(shard("1/2", &["--log-folder", &log]));
    assert!(error.contains("a finished output is there"), "{error}");
    // a shred shard without an exchange would leave duplicates
    let lone = site.command(&[], "shred", raw, &["--shard", "1/2", "--log-folder", &log]);
    let error = fail({ lone }.spawn().unwrap());
    assert!(
        error.contains("--exchange: the shards of a shred job"),
        "{error}"
    );
}

#[test]
fn shards_and_commits_can_be_killed_and_started_again() {
    let base = tempfile::tempdir().unwrap();
    let enriched = base.path().join("in");
    write_enriched(base.path(), &enriched);
    let input = enriched.to_str().unwrap();
    let started = Instant::now();
    let expected = whole(base.path(), "shred", input);
    // shards take no less: each starts, and waits for the other ones
    let time = started.elapsed();
    let mut random = Random::new(11);
    let (mut killed, mut commits_killed) = (0, 0);
    for round in 0..6 {
        let site = Site::local(&base.path().join(format!("round{round}")));
        let mut shards: Vec<(String, Child)> = (1..=3)
            .map(|number| {
                let shard = format!("{number}/3");
                let child = site.shard("shred", input, &shard);
                (shard, child)
            })
            .collect();
        // one of them, up to three times
        let victim = random.below(3) as usize;
        for _ in 0..3 {
            std::thread::sleep(Duration::from_micros(
                random.below(time.as_micros() as u64 / 2),
            ));
            let (shard, child) = &mut shards[victim];
            child.kill().unwrap();
            let status = child.wait().unwrap();
            killed += usize::from(!status.success());
            *child = site.shard("shred", input, shard);
        }
        for (_, child) in shards {
            succeed(child);
        }
        let mut commit = site.commit("shred", input, "3");
        std::thread::sleep(Duration::from_micros(random.below(900_000)));
        commit.kill().unwrap();
        commits_killed += usize::from(!commit.wait().unwrap().success());
        succeed(site.commit("shred", input, "3"));
        assert_eq!(lines(&site.folder), expected, "round {round}");
        assert!(files_below(&site.folder.join("exchange")).is_empty());
    }
    println!("{killed} shards and {commits_killed} commits killed");
    assert!(killed >= 6, "{killed}");
}

/// Raw logs in which events occur several times: the same, and with another content.
fn write_raw_with_duplicates(folder: &Path) {
    write_raw(folder);
    let mut logs = files_below(folder);
    logs.sort();
    fs::copy(&logs[0], folder.join("copy.gz")).unwrap();
    let mut text = String::new();
    let log = fs::File::open(&logs[1]).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(log), &mut text).unwrap();
    let other = text.replace("aid=shop", "aid=other");
    assert_ne!(other, text);
    fs::write(folder.join("other"), other).unwrap();
}

/// What goes through the exchange is told, with its part of the input, by the summary and by the manifest.
#[test]
fn bytes_through_the_exchange_are_told() {
    let base = tempfile::tempdir().unwrap();
    let input = base.path().join("in");
    let corpus = Corpus {
        seed: 3,
        format: Format::Enriched,
        bytes: 6_000_000,
        files: 3,
        gzip: true,
        // 20 events with one id are 0.7 % of so small an input, and nothing of a large one
        mix: Mix {
            hot_id: 0,
            ..Mix::default()
        },
    };
    corpus.write(&input).unwrap();
    let input = input.to_str().unwrap();
    whole(base.path(), "shred", input);
    let site = Site::local(&base.path().join("shards"));
    for shard in ["1/2", "2/2"].map(|shard| site.shard("shred", input, shard)) {
        assert!(succeed(shard).contains("exchanged, sealed"));
    }
    let report = succeed(site.commit("shred", input, "2"));
    let manifest = |folder: &str| -> serde_json::Value {
        let path = base.path().join(folder).join("good/_SUCCESS.manifest.json");
        let all: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        all["deduplication"].clone()
    };
    let (one, many) = (manifest("whole-shred"), manifest("shards"));
    println!("{one}\n{many}\n{report}");
    for name in ["input_bytes", "key_bytes", "key_percent"] {
        assert_eq!(one[name], many[name], "{name}");
    }
    assert!(one["exchanged"].is_null());
    let percent = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((5_000_000..7_000_000).contains(&one["input_bytes"].as_u64().unwrap()));
    // of the 2,624 lines 1.6 % are copies, by chance; of a large input 1 %
    for (value, most) in [
        (&one["key_percent"], 0.71),
        (&one["waiting_percent"], 3.0),
        (&many["exchanged"]["key_percent"], 0.71),
        (&many["exchanged"]["line_percent"], 3.0),
    ] {
        assert!(
            percent(value) > 0.1 && percent(value) <= most,
            "{value} of {most}"
        );
    }
    assert!(report.contains("  of these exchanged, sealed"), "{report}");
}
