//! Every failure of a cluster, ten times each, at moments that are spread over the stages: same output, no line twice,
//! nothing left behind; how much time was lost is printed.
//!
//! These tests take minutes each and are left out of usual runs:
//! `cargo nextest run -p camonica-cluster --cargo-profile cluster --profile slow --run-ignored only`.
//! `CAMONICA_SLOW_RUNS` sets another number of runs. The short form of both kills is in `cluster.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "cluster/nodes.rs"]
mod nodes;
#[path = "cluster/proxy.rs"]
mod proxy;
mod support;
#[path = "cluster/trial.rs"]
mod trial;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nodes::{files_below, wait_until};
use proxy::{Lost, Proxy};
use trial::{Job, Moment, Trial, runs};

/// Kills a worker at the moments that `when` gives.
fn kill_at(name: &'static str, job: Job, when: impl Fn(&Trial, usize) -> Moment) {
    let mut trial = Trial::new(name, job, 3);
    for index in 0..runs() {
        let mut run = trial.start(index, 3);
        let moment = when(&trial, index);
        trial.wait_for(&mut run, moment);
        run.victim().kill();
        trial.end_disturbed(run);
    }
    trial.tell();
}

#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_enriches() {
    kill_at("kill -9, enriching (map)", Job::Etl, |trial, index| {
        trial.moment("enrich", index)
    });
}

#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_scans() {
    kill_at("kill -9, job A, scan (map)", Job::Shred, |trial, index| {
        trial.moment("scan", index)
    });
}

#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_counts() {
    kill_at(
        "kill -9, job A, count (reduce)",
        Job::Shred,
        |trial, index| trial.moment("count", index),
    );
}

#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_shreds() {
    kill_at("kill -9, job B, shred (map)", Job::Shred, |trial, index| {
        trial.moment("shred", index)
    });
}

#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_resolves() {
    kill_at(
        "kill -9, job B, resolve (reduce)",
        Job::Shred,
        |trial, index| trial.moment("resolve", index),
    );
}

/// All maps are done, reducers fetch from the worker that dies, some of them in the middle of their requests.
#[test]
#[ignore = "slow"]
fn a_worker_is_killed_while_it_serves() {
    let name = "kill -9, serving its part of the exchange";
    let mut trial = Trial::new(name, Job::Shred, 3);
    for index in 0..runs() {
        let mut run = trial.start(index, 3);
        let stage = if index % 2 == 0 { "shred" } else { "scan" };
        let moment = trial.end_of(stage, index);
        trial.wait_for(&mut run, moment);
        if index % 3 == 1 {
            run.victim().signal("STOP");
            std::thread::sleep(Duration::from_millis(500));
        }
        run.victim().kill();
        trial.end_disturbed(run);
    }
    trial.tell();
}

/// A worker stops and goes on only when the job is done.
#[test]
#[ignore = "slow"]
fn a_worker_hangs() {
    let mut trial = Trial::new("a worker hangs", Job::Shred, 3);
    for index in 0..runs() {
        let mut run = trial.start(index, 3);
        let stage = trial.job.stages()[index % 4];
        let moment = trial.moment(stage, index);
        trial.wait_for(&mut run, moment);
        let victim = run.workers.remove(index % 3);
        victim.signal("STOP");
        trial.end_disturbed(run);
        let before = files_below(&trial.nodes.path("out"));
        victim.signal("CONT");
        std::thread::sleep(Duration::from_secs(3));
        // it may have sealed what it had counted, where nobody looks
        let after = files_below(&trial.nodes.path("out"));
        assert_eq!(before, after, "run {index}: it wrote when all was done");
    }
    trial.tell();
}

/// A worker stops for seconds: for less than the driver's patience, for about as long, and for longer. It goes on with
/// tasks that others may have done by then.
#[test]
#[ignore = "slow"]
fn a_worker_hangs_and_comes_back() {
    let mut trial = Trial::new("a worker hangs and comes back", Job::Shred, 3);
    for index in 0..runs() {
        let mut run = trial.start(index, 3);
        let stage = trial.job.stages()[index % 4];
        let moment = trial.moment(stage, index);
        trial.wait_for(&mut run, moment);
        run.victim().signal("STOP");
        let seconds = [2.0, 12.5, 6.0, 13.5, 12.0, 14.5, 11.0, 16.0, 13.0, 20.0][index % 10];
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < seconds && !run.driver.has_ended() {
            std::thread::sleep(Duration::from_millis(10));
        }
        run.victim().signal("CONT");
        trial.end_disturbed(run);
    }
    trial.tell();
}

/// The connection of a worker breaks when the driver has given it a task, or when it has told of one: neither side may
/// wait for the other for ever.
#[test]
#[ignore = "slow"]
fn a_connection_breaks() {
    let mut trial = Trial::new("the connection of a worker breaks", Job::Shred, 3);
    for index in 0..runs() {
        trial.clear();
        let port = trial.nodes.free_port();
        let proxy = Proxy::start(port);
        let workers = (0..3)
            .map(|number| {
                let port = if number == 0 { proxy.port } else { port };
                trial.worker(port, &format!("w{number}"), Vec::new())
            })
            .collect();
        let mut run = trial.drive(index, port, workers, &["--task-timeout", "60"], &[]);
        let stage = trial.job.stages()[index / 2 % 4];
        let moment = trial.moment(stage, 0);
        trial.wait_for(&mut run, moment);
        proxy.lose(if index % 2 == 0 {
            Lost::Task
        } else {
            Lost::Status
        });
        while !proxy.has_lost() && !run.driver.has_ended() {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(proxy.has_lost(), "run {index}: no message was lost");
        trial.end_disturbed(run);
    }
    trial.tell();
}

/// A worker comes when the job has begun; in half the runs one or all of those before are killed then.
#[test]
#[ignore = "slow"]
fn a_worker_joins_late() {
    let mut trial = Trial::new("a worker joins late (of 2), and others go", Job::Shred, 2);
    for index in 0..runs() {
        let mut run = trial.start(index, 2);
        let stage = trial.job.stages()[index % 4];
        let moment = trial.moment(stage, index);
        trial.wait_for(&mut run, moment);
        let late = trial.worker(run.port, "late", Vec::new());
        if index % 2 == 1 {
            wait_until("the late worker", || late.stderr().contains("takes tasks"));
            run.victim().kill();
        }
        if index % 5 == 4 {
            for worker in &mut run.workers {
                worker.kill();
            }
        }
        run.workers.push(late);
        trial.end_disturbed(run);
    }
    trial.tell();
}

/// The driver is killed at moments that are spread over the whole job, its commit among them, and run again with the
/// same workers.
#[test]
#[ignore = "slow"]
fn the_driver_is_killed_and_run_again() {
    let mut trial = Trial::new("the driver is killed and run again", Job::Shred, 3);
    for index in 0..runs() {
        let mut run = trial.start(index, 3);
        if index % 5 == 4 {
            // at once when the plan of the commit is there
            let plan = || {
                let found = files_below(&trial.nodes.path("out"));
                found
                    .iter()
                    .any(|path| path.to_string_lossy().contains("plan"))
                    || trial.success().exists()
            };
            wait_until("the commit", || plan() || run.driver.has_ended());
        } else {
            let share = (index as f64 + 0.5) / runs() as f64;
            let moment = trial.undisturbed().mul_f64(share);
            while run.elapsed() < moment {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        run.driver.kill();
        let was_marked = trial.success().exists();
        let again = trial.nodes.driver(run.port, 3, &trial.arguments()).output();
        let text = String::from_utf8_lossy(&again.stderr);
        // a job whose commit was over is not done again
        let is_refused = was_marked && text.contains("not empty");
        assert!(again.status.success() || is_refused, "{index}: {text}");
        let elapsed = run.elapsed();
        trial.check(index, &text);
        // in the log folder lies what the first driver's tasks told, and no other driver knows it
        let left = trial.leftovers();
        let of_outputs = left
            .iter()
            .find(|path| path.starts_with(trial.nodes.path("out")));
        assert!(of_outputs.is_none(), "{index}: left behind: {left:?}");
        trial.lost(elapsed);
    }
    trial.tell();
}

/// A small disk of its own for one folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, megabytes: u64) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder)
            .output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(folder.to_path_buf()))
    }

    /// Fills it but for `left` bytes.
    fn fill(&self, left: u64) {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).expect("a file");
        let block = vec![b'x'; 64 << 10];
        while file.write_all(&block).is_ok() {}
        let full = file.metadata().expect("its size").len();
        file.set_len(full.saturating_sub(left)).expect("a cut");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The disk of one worker's exchange and spill is full at some moment, or from the beginning.
#[test]
#[ignore = "slow"]
fn a_disk_is_full() {
    let probe = tempfile::tempdir().unwrap();
    if SmallDisk::mount(&probe.path().join("disk"), 1).is_none() {
        println!("SKIPPED: the full disk: mount -t tmpfs needs root");
        return;
    }
    let mut trial = Trial::new("a disk is full", Job::Shred, 3);
    let mut warned = 0;
    for index in 0..runs() {
        trial.clear();
        let is_small = index % 5 == 4;
        let disk = SmallDisk::mount(&trial.nodes.path("work/w0"), if is_small { 16 } else { 96 });
        let disk = disk.expect("a small disk");
        let mut run = trial.start_with(index, 3, &|_| Vec::new());
        if is_small {
            disk.fill(0);
        } else {
            let stage = trial.job.stages()[index % 4];
            let moment = trial.moment(stage, index);
            trial.wait_for(&mut run, moment);
            disk.fill(u64::try_from(index % 3).unwrap() * (12 << 10));
        }
        let log = run.workers[0].stderr();
        let worker = run.workers.remove(0);
        trial.end_disturbed(run);
        warned += usize::from(worker.stderr().contains("is full"));
        assert!(!log.contains("panic"), "{log}");
        drop(worker);
        drop(disk);
    }
    assert!(warned > 0, "no worker told that its disk is full");
    trial.tell();
}

/// Where the library is that fakes the clock of a program that is linked to it.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let more = [PathBuf::from("/usr/lib/faketime/libfaketimeMT.so.1")];
    found.chain(more).find(|path| path.exists())
}

/// One worker is an hour ahead, one an hour behind; in some runs the driver is too.
#[test]
#[ignore = "slow"]
fn clocks_are_an_hour_off() {
    let Some(library) = faketime() else {
        println!("SKIPPED: clocks that are an hour off: faketime is not installed");
        return;
    };
    let mut trial = Trial::new("clocks are an hour off", Job::Etl, 3);
    for index in 0..runs() {
        let off = |number: usize| {
            // the third worker is right, and so is the driver in a third of the runs
            let hours = [[1, -1, 0, 0], [-1, 1, 0, 1], [1, -1, 0, -1]][index % 3][number];
            if hours == 0 {
                return Vec::new();
            }
            vec![
                ("LD_PRELOAD", library.to_str().unwrap().to_owned()),
                ("FAKETIME", format!("{hours:+}h")),
                // only what the time of day is; seconds last as long
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ]
        };
        trial.clear();
        let run = trial.start_with(index, 3, &off);
        wait_until("workers", || {
            run.workers
                .iter()
                .all(|worker| worker.stderr().contains("takes tasks"))
        });
        let hours = run.workers.iter().map(|worker| hour_of(&worker.stderr()));
        let hours: Vec<i64> = hours.collect();
        // the logs show that the clocks are off
        let others = [hours[1], hours[2]];
        assert!(!others.contains(&hours[0]), "{hours:?}");
        trial.end_disturbed(run);
    }
    trial.tell();
}

/// The hour of the first line of a log.
fn hour_of(log: &str) -> i64 {
    let (_, time) = log.split_once('T').expect("a time stamp");
    time[..2].parse().expect("an hour")
}
