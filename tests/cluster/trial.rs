//! One job, run undisturbed and then many times with a failure at different moments: the output must be that of one machine
//! each time, with nothing left behind, and how much time was lost is said.

#![allow(unreachable_pub)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fixtures::Format;

use super::nodes::{COUNTS, Nodes, Process, corpus, files_below, manifest_of};
use crate::support::parts;

/// Times that each failure is tried, unless `CAMONICA_SLOW_RUNS` says otherwise.
const RUNS: usize = 10;
/// What each task of a worker waits, so that all stages last a while on any machine.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a moment may take to come.
const PATIENCE: Duration = Duration::from_secs(240);

/// Which job is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Scan, count; shred, resolve.
    Shred,
    /// Enrich, count; shred, resolve.
    Etl,
}

impl Job {
    /// The stages of its tasks, in their order.
    pub fn stages(self) -> [&'static str; 4] {
        match self {
            Self::Shred => ["scan", "count", "shred", "resolve"],
            Self::Etl => ["enrich", "count", "shred", "resolve"],
        }
    }
}

/// How often each failure is tried.
pub fn runs() -> usize {
    let asked = std::env::var("CAMONICA_SLOW_RUNS").ok();
    asked.map_or(RUNS, |text| text.parse().expect("a number of runs"))
}

/// When something is to happen: so long after so many tasks of a stage have ended.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub stage: &'static str,
    pub rows: usize,
    pub after: Duration,
}

/// What a run of the job printed and took.
pub struct Trial {
    pub nodes: Nodes,
    pub job: Job,
    name: &'static str,
    expected: BTreeMap<String, Vec<String>>,
    counts: serde_json::Value,
    /// Rows of each stage of an undisturbed run.
    rows: BTreeMap<&'static str, usize>,
    undisturbed: Vec<Duration>,
    disturbed: Vec<Duration>,
    noticed: usize,
}

/// A run that has begun.
pub struct Run {
    pub index: usize,
    pub port: u16,
    pub workers: Vec<Process>,
    pub driver: Process,
    started: Instant,
}

impl Run {
    /// The worker whose turn it is to fail.
    pub fn victim(&mut self) -> &mut Process {
        let count = self.workers.len();
        &mut self.workers[self.index % count]
    }

    /// Since the driver was started.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Trial {
    /// Runs the job on this machine, and `undisturbed` times on a cluster of so many workers.
    pub fn new(name: &'static str, job: Job, workers: usize) -> Self {
        let mut nodes = Nodes::new();
        nodes.task_size = "60K".to_owned();
        let mut trial = Self {
            nodes,
            job,
            name,
            expected: BTreeMap::new(),
            counts: serde_json::Value::Null,
            rows: BTreeMap::new(),
            undisturbed: Vec::new(),
            disturbed: Vec::new(),
            noticed: 0,
        };
        match job {
            Job::Shred => corpus(Format::Enriched, 600_000, &trial.nodes.path("in")),
            Job::Etl => {
                corpus(Format::CljTomcat, 400_000, &trial.nodes.path("in"));
                // what comes twice has the ids of others the second time
                let files = files_below(&trial.nodes.path("in"));
                for (number, path) in files.iter().enumerate().take(3) {
                    let copy = trial.nodes.path(&format!("in/again-{number}.gz"));
                    fs::copy(path, copy).expect("a copy");
                }
            }
        }
        let here = match job {
            Job::Shred => trial.nodes.shred("in", "one"),
            Job::Etl => trial.nodes.etl("in", "one"),
        };
        trial.nodes.local(&here);
        trial.expected = parts::lines_by_folder(&trial.nodes.path("one"));
        assert!(trial.expected.len() > 3, "{:?}", trial.expected.keys());
        trial.counts = trial.counts_of("one");
        let duplicates = trial.counts["synthetic_duplicates"].as_u64();
        assert!(duplicates > Some(0), "{}", trial.counts);
        for _ in 0..(runs() / 4).clamp(1, 2) {
            trial.clear();
            let run = trial.start_with(0, workers, &|_| Vec::new());
            let elapsed = trial.end(run);
            for stage in job.stages() {
                let rows = trial.nodes.log_rows(&format!("{stage}-"));
                assert!(rows > 1, "{stage}: {rows} tasks");
                trial.rows.insert(stage, rows);
            }
            trial.undisturbed.push(elapsed);
        }
        trial
    }

    fn counts_of(&self, output: &str) -> serde_json::Value {
        let folder = match self.job {
            Job::Shred => self.nodes.path(output).join("good"),
            Job::Etl => self.nodes.path(output).join("shredded/good"),
        };
        manifest_of(&folder)["shred"].clone()
    }

    /// The command line of the job.
    pub fn arguments(&self) -> Vec<String> {
        match self.job {
            Job::Shred => self.nodes.shred("in", "out"),
            Job::Etl => self.nodes.etl("in", "out"),
        }
    }

    /// Where the job's last marker appears.
    pub fn success(&self) -> PathBuf {
        match self.job {
            Job::Shred => self.nodes.path("out/good/shredded-types/_SUCCESS"),
            Job::Etl => self.nodes.path("out/shredded/good/shredded-types/_SUCCESS"),
        }
    }

    /// Removes what the run before left.
    pub fn clear(&self) {
        for name in ["out", "log", "work"] {
            let folder = self.nodes.path(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).expect("an old folder");
            }
        }
    }

    /// The environment of a worker, which waits before each task.
    pub fn pauses(&self) -> (&'static str, String) {
        let pause = PAUSE.as_millis();
        let stages = self.job.stages().map(|stage| format!("{stage}={pause}"));
        ("CAMONICA_CLUSTER_TEST_PAUSE", stages.join(","))
    }

    /// Starts workers and a driver.
    pub fn start(&self, index: usize, workers: usize) -> Run {
        self.clear();
        self.start_with(index, workers, &|_| Vec::new())
    }

    /// Starts workers, each with more in its environment, and a driver, whose number is that of the workers.
    pub fn start_with(
        &self,
        index: usize,
        workers: usize,
        environment: &dyn Fn(usize) -> Vec<(&'static str, String)>,
    ) -> Run {
        let port = self.nodes.free_port();
        let started = (0..workers)
            .map(|number| self.worker(port, &format!("w{number}"), environment(number)))
            .collect();
        let more = environment(workers);
        let more: Vec<(&str, &str)> = more.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.drive(index, port, started, &[], &more)
    }

    /// Starts a driver for workers that were started.
    pub fn drive(
        &self,
        index: usize,
        port: u16,
        workers: Vec<Process>,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Run {
        let job = self.arguments();
        let driver = self
            .nodes
            .driver_of(port, workers.len(), options, &job, environment);
        Run {
            index,
            port,
            workers,
            driver,
            started: Instant::now(),
        }
    }

    /// Starts a worker.
    pub fn worker(
        &self,
        port: u16,
        name: &str,
        mut environment: Vec<(&'static str, String)>,
    ) -> Process {
        environment.push(self.pauses());
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.nodes.worker(port, name, &environment)
    }

    /// The moment of a run: the runs are spread over the stage.
    pub fn moment(&self, stage: &'static str, index: usize) -> Moment {
        let rows = self.rows[stage];
        Moment {
            stage,
            // the last task's end is the next stage's beginning
            rows: (1 + index * (rows - 1) / runs().max(1)).min(rows),
            after: PAUSE * u32::try_from(index * 7 % 10).unwrap_or_default() / 10,
        }
    }

    /// All tasks of a stage have ended, and those of the next begin.
    pub fn end_of(&self, stage: &'static str, index: usize) -> Moment {
        Moment {
            stage,
            rows: self.rows[stage],
            after: Duration::from_millis(40) * u32::try_from(index).unwrap_or_default(),
        }
    }

    /// Waits for a moment of a run.
    pub fn wait_for(&self, run: &mut Run, moment: Moment) {
        let start = Instant::now();
        let stage = format!("{}-", moment.stage);
        while self.nodes.log_rows(&stage) < moment.rows {
            if run.driver.has_ended() || start.elapsed() > PATIENCE {
                panic!(
                    "{} {}: {moment:?} did not come: {}",
                    self.name,
                    run.index,
                    run.driver.stderr()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(moment.after);
    }

    /// Waits for the end of a run, which must have succeeded, and looks at its output. Returns the time that it took.
    fn end(&mut self, run: Run) -> Duration {
        let Run {
            index,
            driver,
            started,
            workers,
            ..
        } = run;
        let output = driver.output();
        let elapsed = started.elapsed();
        let text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            for worker in &workers {
                eprintln!("--- a worker of run {index}:\n{}", worker.stderr());
            }
            panic!("{} {index}: {text}", self.name);
        }
        let signs = ["timed out", "Reset ", "resubmit", "Roll back"];
        if signs.iter().any(|sign| text.contains(sign)) {
            self.noticed += 1;
        }
        self.check(index, &text);
        let left = self.leftovers();
        assert!(
            left.is_empty(),
            "{} {index}: left behind: {left:?}",
            self.name
        );
        elapsed
    }

    /// The output is that of one machine, line by line, and nothing else is there.
    pub fn check(&self, index: usize, log: &str) {
        let found = parts::lines_by_folder(&self.nodes.path("out"));
        let mut expected = self.expected.clone();
        if self.job == Job::Etl {
            // an event without fingerprint gets an id that follows from its place in its own enriched file
            expected.retain(|folder, _| folder.starts_with("enriched"));
            let check = self.nodes.path("check");
            let _ = fs::remove_dir_all(&check);
            self.nodes
                .local(&self.nodes.shred("out/enriched/good", "check"));
            for (folder, lines) in parts::lines_by_folder(&check) {
                expected.insert(format!("shredded/{folder}"), lines);
            }
        }
        for (folder, lines) in &expected {
            let found = found.get(folder).map_or(&[][..], Vec::as_slice);
            assert!(
                found == lines,
                "{} {index}: {folder} has {} lines instead of {}: {log}",
                self.name,
                found.len(),
                lines.len()
            );
        }
        assert_eq!(found.len(), self.expected.len(), "{:?}", found.keys());
        let counts = self.counts_of("out");
        for name in COUNTS {
            assert_eq!(
                counts[name], self.counts[name],
                "{} {index}: {name}",
                self.name
            );
        }
    }

    /// Files of the output that are no part of it, and sealed files in the log folder that nobody needs any more.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let is_part = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("part-") || name == "_SUCCESS" || name == "_SUCCESS.manifest.json"
        };
        let mut left = files_below(&self.nodes.path("out"));
        left.retain(|path| !is_part(path));
        let logged = files_below(&self.nodes.path("log"));
        left.extend(
            logged
                .into_iter()
                .filter(|path| path.extension().is_none_or(|extension| extension != "json")),
        );
        left
    }

    /// Waits for the end of a disturbed run and looks at its output.
    pub fn end_disturbed(&mut self, run: Run) {
        let elapsed = self.end(run);
        self.lost(elapsed);
    }

    /// Notes how long a disturbed run took in all.
    pub fn lost(&mut self, elapsed: Duration) {
        self.disturbed.push(elapsed);
    }

    /// Seconds that an undisturbed run takes: the median.
    pub fn undisturbed(&self) -> Duration {
        median(&self.undisturbed)
    }

    /// Prints what was found.
    pub fn tell(&self) {
        let seconds = |time: Duration| time.as_secs_f64();
        let usual = seconds(self.undisturbed());
        let most = self.disturbed.iter().max().copied().unwrap_or_default();
        println!(
            "SLOW {}: {} runs, all right; undisturbed {usual:.1} s; lost {:+.1} s in the median, {:+.1} s at most; the driver \
             noticed {}",
            self.name,
            self.disturbed.len(),
            seconds(median(&self.disturbed)) - usual,
            seconds(most) - usual,
            self.noticed,
        );
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
