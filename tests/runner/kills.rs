//! Kills (SIGKILL) at any moment, then `resume`: nothing is lost, nothing doubled, nothing left over.

use std::thread;
use std::time::{Duration, Instant};

use fixtures::random::Random;

use super::*;

/// Bytes of the corpora; enough for every step to be hit, small enough for many runs.
const BYTES: u64 = 150_000;

/// The logs of one corpus, made once, from which pipelines are filled.
struct Logs {
    folder: tempfile::TempDir,
    made: Made,
    /// What an undisturbed run leaves.
    state: State,
    /// How long it takes.
    time: Duration,
}

impl Logs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = corpus(Format::Cloudfront, BYTES)
            .write(folder.path())
            .unwrap();
        let mut logs = Self {
            folder,
            made,
            state: State {
                raw: BTreeMap::new(),
                lines: BTreeMap::new(),
                markers: BTreeSet::new(),
            },
            time: Duration::ZERO,
        };
        let pipeline = logs.pipeline();
        let started = Instant::now();
        assert!(pipeline.start("run").wait().unwrap().success());
        logs.time = started.elapsed();
        logs.state = pipeline.state();
        assert_eq!(logs.state.count("archive/enriched"), logs.made.events);
        assert_eq!(logs.state.count("enriched/bad"), logs.made.malformed);
        logs
    }

    fn pipeline(&self) -> Pipeline {
        let pipeline = Pipeline::new("cloudfront");
        for file in &self.made.files {
            let name = file.strip_prefix(self.folder.path()).unwrap();
            fs::copy(file, pipeline.path("in").join(name)).unwrap();
        }
        pipeline
    }
}

/// Kills `running` after `pause`; the step that the journal named last.
fn kill_after(pipeline: &Pipeline, mut running: Child, pause: Duration) -> String {
    thread::sleep(pause);
    running.kill().unwrap();
    running.wait().unwrap();
    last_step(pipeline)
}

fn last_step(pipeline: &Pipeline) -> String {
    let journal = pipeline.journal();
    if journal.contains("\"run_done\"") {
        return "done".into();
    }
    let mut started = journal.lines().filter_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        (entry["entry"] == "step_started").then(|| entry["step"].as_str().unwrap().to_owned())
    });
    started.next_back().unwrap_or_else(|| "before".into())
}

/// Brings what was killed to its end.
fn finish(pipeline: &Pipeline, what: &str) {
    let (code, out, err) = pipeline.answer("resume", &[]);
    if code == 3 {
        // killed before the journal told of a run, or after it told of its end
        assert!(out.contains("no unfinished run"), "{what}: {out}");
        if last_step(pipeline) == "before" {
            let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
            assert_eq!(code, 0, "{what}: {out}\n{err}");
        }
        return;
    }
    assert_eq!(code, 0, "{what}: {out}\n{err}");
    assert!(completed(&out), "{what}: {out}");
}

/// Kills runs at random moments, every third one also while it is resumed.
fn kill_at_random_moments(seed: u64, count: u64) {
    let logs = Logs::new();
    let mut random = Random::new(seed);
    let mut hit: BTreeMap<String, u64> = BTreeMap::new();
    for index in 0..count {
        let pipeline = logs.pipeline();
        let moment =
            |random: &mut Random| Duration::from_micros(random.below(logs.time.as_micros() as u64));
        let mut what = format!("seed {seed}, kill {index}");
        let pause = moment(&mut random);
        let step = kill_after(&pipeline, pipeline.start("run"), pause);
        what.push_str(&format!(", after {pause:?} in {step}"));
        if index % 5 == 0 && !matches!(step.as_str(), "before" | "done") {
            let (code, out, _) = pipeline.answer("run", &[]);
            assert_eq!(code, 4, "{what}: {out}");
            assert!(
                out.contains("\n  camonica resume --config "),
                "{what}: {out}"
            );
        }
        *hit.entry(step).or_default() += 1;
        for again in 0..index % 3 {
            let pause = moment(&mut random) / 2;
            let step = kill_after(&pipeline, pipeline.start("resume"), pause);
            what.push_str(&format!(", resume {again} after {pause:?} in {step}"));
            *hit.entry(format!("resumed {step}")).or_default() += 1;
        }
        finish(&pipeline, &what);
        pipeline.state().assert_same(&logs.state, &what);
    }
    println!("kills of runs of {:?}: {hit:?}", logs.time);
    for step in ["enrich", "shred"] {
        assert!(hit.contains_key(step), "{step} was never hit: {hit:?}");
    }
}

#[test]
fn kills_at_random_moments() {
    kill_at_random_moments(1, 25);
}

#[test]
fn kills_at_other_random_moments() {
    kill_at_random_moments(2, 25);
}

/// Kills right after the journal says that a step was begun, and once more when the resumed run begins it again.
#[test]
fn kills_at_the_start_of_each_step() {
    let logs = Logs::new();
    let steps = [
        "staging",
        "enrich",
        "shred",
        "elasticsearch",
        "archive_raw",
        "rdb_load",
        "archive_enriched",
        "archive_shredded",
    ];
    for step in steps {
        for delay in [0, 1000] {
            let pipeline = logs.pipeline();
            let begun = |pipeline: &Pipeline| {
                let entries = pipeline.journal();
                let entries = entries.lines().filter(|line| {
                    line.contains("\"step_started\"") && line.contains(&format!("\"{step}\""))
                });
                entries.count()
            };
            let mut times = 1;
            for command in ["run", "resume"] {
                let mut running = pipeline.start(command);
                let started = Instant::now();
                while begun(&pipeline) < times && running.try_wait().unwrap().is_none() {
                    assert!(
                        started.elapsed() < Duration::from_secs(60),
                        "{step} is not begun"
                    );
                }
                thread::sleep(Duration::from_micros(delay));
                // it may have come to its end
                let _ = running.kill();
                running.wait().unwrap();
                times = begun(&pipeline) + 1;
            }
            let what = format!("killed {delay} us after the start of {step}");
            finish(&pipeline, &what);
            pipeline.state().assert_same(&logs.state, &what);
        }
    }
}

/// Staging from another file system copies. A kill between copy and delete must not stage a log twice.
#[test]
fn staging_between_file_systems_can_be_cut() {
    let logs = Logs::new();
    let pipeline = logs.pipeline();
    let shm = Path::new("/dev/shm");
    let Ok(other) = tempfile::tempdir_in(shm) else {
        println!("SKIPPED: staging between file systems: /dev/shm cannot be written");
        return;
    };
    // the collector's folder is elsewhere
    let config = fs::read_to_string(pipeline.path("config.yml")).unwrap();
    let config = config.replace(&pipeline.text("in"), other.path().to_str().unwrap());
    fs::write(pipeline.path("config.yml"), config).unwrap();
    let mut names = Vec::new();
    for name in pipeline.files("in") {
        fs::copy(pipeline.path("in").join(&name), other.path().join(&name)).unwrap();
        names.push(name);
    }
    fs::remove_dir_all(pipeline.path("in")).unwrap();
    // a run that was killed: one log is copied and not deleted, of one there is half a copy
    fs::create_dir_all(pipeline.path("processing")).unwrap();
    fs::copy(
        other.path().join(&names[0]),
        pipeline.path("processing").join(&names[0]),
    )
    .unwrap();
    fs::write(
        pipeline
            .path("processing")
            .join(format!("{}.camonica-partial", names[1])),
        "half",
    )
    .unwrap();
    let folder = pipeline.path("log/camonica").join(RUN);
    fs::create_dir_all(&folder).unwrap();
    let steps = "\"staging\",\"enrich\",\"shred\",\"archive_raw\",\"archive_enriched\",\"archive_shredded\"";
    let mark = pipeline.path("log/camonica/unfinished").join(RUN);
    fs::create_dir_all(mark.parent().unwrap()).unwrap();
    fs::write(mark, "").unwrap();
    fs::write(
        folder.join("journal.jsonl"),
        format!(
            "{{\"entry\":\"run_started\",\"at\":\"\",\"run_id\":\"{RUN}\",\"etl_tstamp_ms\":1,\"steps\":[{steps}]}}\n{{\"entry\":\"step_sta"
        ),
    )
    .unwrap();
    finish(&pipeline, "cut copies");
    assert_eq!(names_below(other.path()), BTreeSet::new());
    pipeline.state().assert_same(&logs.state, "cut copies");
}
