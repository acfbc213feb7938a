//! Target `hosts`, by the program and real SSH servers on loopback: a whole run, time-outs, lost machines, and what must never
//! be seen in arguments.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
#[path = "support/sshd.rs"]
mod sshd;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use camonica::{RUN, RunFolder};
use fixtures::configuration::{Aws, without_cluster};
use fixtures::{Corpus, Format, Mix};
use sshd::{Keys, Sshd};
use support::{parts, wait_for};

/// The program that machines get; built with the workspace's members, beside the runner.
fn engine() -> Option<PathBuf> {
    let path = std::env::var_os("CAMONICA_ENGINE").map_or_else(
        || Path::new(env!("CARGO_BIN_EXE_camonica")).with_file_name("camonica-engine"),
        PathBuf::from,
    );
    if !path.exists() {
        println!(
            "SKIPPED: {} is not built (cargo build -p camonica-engine)",
            path.display()
        );
        assert!(std::env::var_os("CAMONICA_REQUIRE_ENGINE").is_none());
        return None;
    }
    Some(path)
}

/// A pipeline on folders, which all machines share.
struct Pipeline {
    folder: tempfile::TempDir,
}

impl RunFolder for Pipeline {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Pipeline {
    fn new(camonica: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = Aws {
            keys: ["AKIATEST", "s3cret-of-the-test"],
            ..Aws::below(folder.path().to_str().unwrap())
        };
        let pipeline = Self { folder };
        pipeline.write_documents(&without_cluster(&aws, "cloudfront", camonica));
        pipeline
    }

    fn collect(&self) {
        let corpus = Corpus {
            seed: 5,
            format: Format::Cloudfront,
            bytes: 150_000,
            files: 4,
            gzip: true,
            mix: Mix {
                malformed: 0.1,
                ..Mix::default()
            },
        };
        corpus.write(&self.path("in")).unwrap();
    }

    /// All lines that a finished run has left, by folder; without the times of runs.
    fn state(&self) -> (BTreeMap<String, Vec<String>>, BTreeSet<String>) {
        let raw = fs::read_dir(self.path("archive/raw").join(format!("run={RUN}")));
        let raw = raw.into_iter().flatten().flatten();
        (
            parts::timeless_lines(self.folder()),
            raw.map(|entry| entry.file_name().into_string().unwrap())
                .collect(),
        )
    }
}

/// The block of a target with two machines.
fn hosts(keys: &Keys, servers: &[&Sshd], folder: &Path, engine: &Path) -> String {
    let options = keys.options(servers).join(", ");
    let mut text = format!(
        "  target: hosts\n  engine_binary: {}\n  hosts:\n",
        engine.display()
    );
    for (index, server) in servers.iter().enumerate() {
        text.push_str(&format!(
            "    - {{host: 127.0.0.1, port: {}, identity: {}, folder: {}/machine-{index}, options: [{options}]}}\n",
            server.port,
            keys.identity(),
            folder.display()
        ));
    }
    text
}

/// A stand-in for the engine: a script that the machines run in its place.
fn stand_in(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("stand-in");
    let text = format!(
        "#!/bin/sh\ncase $1 in --version) echo camonica-engine 0; exit 0;; --help) exit 0;; esac\n[ \"${{2-}}\" = --help ] && exit 0\n{script}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Arguments of all processes of this machine.
fn arguments() -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .collect()
}

#[test]
fn a_whole_run_on_two_machines_is_that_of_one() {
    let Some(engine) = engine() else { return };
    let base = tempfile::tempdir().unwrap();
    let Some(keys) = Keys::new(&base.path().join("keys")) else {
        return;
    };
    let (one, two) = (Sshd::start(&keys, "one"), Sshd::start(&keys, "two"));
    let local = Pipeline::new("  target: local\n");
    local.collect();
    let (code, out, err) = local.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}{err}");
    let remote = Pipeline::new(&hosts(&keys, &[&one, &two], base.path(), &engine));
    remote.collect();
    let mut child = remote
        .command("run", &["--run-id", RUN])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // neither secrets nor documents are in any process's arguments at any time
    let mut seen = 0;
    let mut shares = BTreeSet::new();
    while child.try_wait().unwrap().is_none() {
        for words in arguments() {
            assert!(
                !words.contains("s3cret-of-the-test")
                    && !words.contains("iglu:com.snowplowanalytics.iglu"),
                "{words}"
            );
            if let Some((_, share)) = words.split_once(" --shard ") {
                let job = if words.contains("camonica-engine shred") {
                    "shred"
                } else {
                    "enrich"
                };
                shares.insert(format!("{job} {}", share.split(' ').next().unwrap()));
            }
            seen += usize::from(
                words.contains("documents:resolver.json")
                    || words.contains("/camonica-engine enrich"),
            );
        }
        sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert!(seen > 0, "no job was seen at work");
    println!("shares seen at work: {shares:?}");
    assert!(!out.contains("s3cret") && !err.contains("s3cret"));
    let (expected, found) = (local.state(), remote.state());
    assert_eq!(expected.1, found.1);
    assert!(expected.0.len() > 5, "{:?}", expected.0.keys());
    assert!(
        expected.0 == found.0,
        "the outputs differ: {:?} {:?}",
        expected.0.keys(),
        found.0.keys()
    );
    // both have the engine, verified, and nothing else is left on them
    for index in 0..2 {
        let folder = base.path().join(format!("machine-{index}"));
        let names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("lock-"))
            .collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let there = folder.join(&names[0]).join("camonica-engine");
        assert!(fs::read(there).unwrap() == fs::read(&engine).unwrap());
        let left = fs::read_dir(folder.join(&names[0])).unwrap().count();
        assert_eq!(left, 2, "unfinished copies are left");
    }
    // the same engine is not copied again
    let before = fs::metadata(base.path().join("machine-0"))
        .unwrap()
        .modified()
        .unwrap();
    let (code, out, _) = remote.answer("run", &[]);
    assert!(code == 3 && out.contains("No logs to process"), "{out}");
    assert_eq!(
        fs::metadata(base.path().join("machine-0"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn failures_name_the_machine_and_a_resume_ends_the_run() {
    let Some(engine) = engine() else { return };
    let base = tempfile::tempdir().unwrap();
    let Some(keys) = Keys::new(&base.path().join("keys")) else {
        return;
    };
    let (one, two) = (Sshd::start(&keys, "one"), Sshd::start(&keys, "two"));
    let broken = stand_in(
        base.path(),
        "echo some words >&2; echo 'disk full' >&2; exit 7",
    );
    let text = hosts(&keys, &[&one, &two], base.path(), &broken);
    let pipeline = Pipeline::new(&text);
    pipeline.collect();
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    let name = format!("127.0.0.1:{}", one.port);
    assert_eq!(code, 1, "{out}");
    assert!(
        err.contains(&format!(
            "Step enrich failed: {name}: enrich failed with exit code 7: some words\n  disk full"
        )),
        "{err}"
    );
    // an engine that the machine cannot run
    let config = pipeline.path("config.yml");
    let whole = fs::read_to_string(&config).unwrap();
    let other = base.path().join("other");
    fs::write(&other, [0x7f, b'E', b'L', b'F', 1, 2, 3]).unwrap();
    let change = |to: &Path| {
        let text = whole.replace(broken.to_str().unwrap(), to.to_str().unwrap());
        fs::write(&config, text).unwrap();
    };
    change(&other);
    let (code, _, err) = pipeline.answer("resume", &[]);
    assert!(
        code == 1 && err.contains("cannot run there") && err.contains("set camonica.engine_binary"),
        "{err}"
    );
    // a machine that is not there
    change(&engine);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace(&format!("port: {}", two.port), "port: 1"),
    )
    .unwrap();
    let (code, _, err) = pipeline.answer("resume", &[]);
    assert!(
        code == 1 && err.contains("127.0.0.1:1: cannot be reached"),
        "{err}"
    );
    // an unknown server is not talked to
    fs::write(
        &config,
        text.replace("StrictHostKeyChecking=yes", "UserKnownHostsFile=/dev/null")
            .replace("UserKnownHostsFile=/tmp", "Nothing=/tmp"),
    )
    .unwrap();
    let (code, _, err) = pipeline.answer("resume", &[]);
    assert!(code == 1 && err.contains("cannot be reached"), "{err}");
    change(&engine);
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}{err}");
    let local = Pipeline::new("  target: local\n");
    local.collect();
    assert_eq!(local.answer("run", &["--run-id", RUN]).0, 0);
    assert!(local.state() == pipeline.state());
}

/// The pids that a stand-in wrote.
fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn nothing_stays_at_work_when_the_time_is_over_the_runner_dies_or_a_machine_is_lost() {
    let base = tempfile::tempdir().unwrap();
    let Some(keys) = Keys::new(&base.path().join("keys")) else {
        return;
    };
    let pids = base.path().join("pid");
    // neither the engine nor its child listens to polite words
    let script = format!(
        "trap '' TERM\nsleep 300 &\necho $! > {0}.child\necho $$ > {0}\nwhile :; do sleep 1; done",
        pids.display()
    );
    let hanging = stand_in(base.path(), &script);
    let child_file = PathBuf::from(format!("{}.child", pids.display()));
    for way in ["timeout", "killed", "lost"] {
        let mut server = Sshd::start(&keys, way);
        let pipeline = Pipeline::new(&hosts(&keys, &[&server], base.path(), &hanging));
        pipeline.collect();
        let _ = fs::remove_file(&pids);
        let _ = fs::remove_file(&child_file);
        let more: &[&str] = if way == "timeout" {
            &["--timeout", "40s"]
        } else {
            &[]
        };
        let mut child = pipeline
            .command("run", more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&format!("{way}: the job begins"), || {
            pid_in(&pids).is_some() && pid_in(&child_file).is_some()
        });
        let (pid, grandchild) = (pid_in(&pids).unwrap(), pid_in(&child_file).unwrap());
        assert!(is_alive(pid) && is_alive(grandchild), "{way}");
        match way {
            "killed" => child.kill().unwrap(),
            "lost" => server.crash(),
            _ => {}
        }
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        match way {
            "timeout" => assert!(
                err.contains("The time of the run (--timeout 40s) was over at step enrich"),
                "{err}"
            ),
            "lost" => assert!(err.contains("was lost while enrich was at work"), "{err}"),
            _ => {}
        }
        wait_for(&format!("{way}: the job is stopped"), || {
            !is_alive(pid) && !is_alive(grandchild)
        });
        println!("{way}: stopped. {}", err.lines().next().unwrap_or_default());
    }
}

#[test]
fn shares_and_their_commit_where_the_engine_has_them() {
    let base = tempfile::tempdir().unwrap();
    let Some(keys) = Keys::new(&base.path().join("keys")) else {
        return;
    };
    let (one, two) = (Sshd::start(&keys, "one"), Sshd::start(&keys, "two"));
    // notes its words, and commits what looks like an output
    let calls = base.path().join("calls");
    let path = base.path().join("shards");
    let script = format!(
        "#!/bin/sh
case $1 in
  --version) echo camonica-engine 0; exit 0;;
  --help) echo '  commit  publishes'; exit 0;;
esac
[ \"$2\" = --help ] && {{ echo '      --shard <I/N>'; echo '      --exchange <URI>'; exit 0; }}
echo \"$*\" >> {calls}
[ \"$1\" = enrich ] && {{ grep -q iglu \"$(echo \"$*\" | sed 's/.*--iglu-config \\([^ ]*\\).*/\\1/')\" || exit 5; [ \"$AWS_SECRET_ACCESS_KEY\" = \"it's\" ] || true; }}
[ \"$1\" = commit ] && {{ out=$(echo \"$*\" | sed 's/.*--output-folder \\([^ ]*\\).*/\\1/'); mkdir -p $out; echo x > $out/part-0; : > $out/_SUCCESS; }}
exit 0
",
        calls = calls.display()
    );
    fs::write(&path, script).unwrap();
    let pipeline = Pipeline::new(&hosts(&keys, &[&one, &two], base.path(), &path));
    pipeline.collect();
    let (code, out, err) = pipeline.answer(
        "run",
        &[
            "--run-id",
            RUN,
            "--skip",
            "shred,archive_enriched,archive_shredded,elasticsearch,rdb_load",
        ],
    );
    assert_eq!(code, 0, "{out}{err}");
    let calls = fs::read_to_string(calls).unwrap();
    let lines: Vec<&str> = calls.lines().collect();
    assert_eq!(lines.len(), 3, "{calls}");
    let mut shares: Vec<&str> = lines[..2]
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    shares.sort_unstable();
    assert_eq!(shares, ["1/2", "2/2"]);
    assert!(
        lines[2].starts_with("commit --shards 2 enrich --input-folder /"),
        "{calls}"
    );
    assert!(
        lines
            .iter()
            .all(|line| line.contains(&format!("--run-id {RUN}"))),
        "{calls}"
    );
}
