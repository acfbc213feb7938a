//! Real clients at both ends: trackers of npm and PyPI send events to a collector on loopback, its log is enriched and
//! shredded, and the analytics SDK of PyPI reads the enriched events. None of these three was written for this project.
//!
//! What must hold: no event is lost or made up; every text and number arrives as it was sent, but for what the reference
//! does to columns; timestamps are those of this run; the SDK takes every line. Peers that are not installed are skipped,
//! in one line each that `tests/run` counts.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]
#![allow(unreachable_pub, reason = "modules of a test have no other users")]

mod support;

#[path = "clients/events.rs"]
mod events;
#[path = "clients/peers.rs"]
mod peers;
#[path = "clients/plan.rs"]
mod plan;
#[path = "clients/stub.rs"]
mod stub;
#[path = "clients/witness.rs"]
mod witness;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfigs;
use engine::job::report::EnrichCounts;
use engine::job::{EnrichJob, JobOptions, ShredJob};
use flate2::write::GzEncoder;
use plan::{Client, Expected, Outcome, Sender};
use serde_json::Value;
use stub::{Log, StubCollector};
use support::parts;
use witness::{Witness, head, same};

const ETL_TSTAMP_MS: i64 = 1_532_476_800_000;
const V_ETL: &str = "spark-1.16.0-common-0.35.0";

#[test]
fn node_tracker_to_analytics_sdk() {
    let (Some(node), Some(python)) = (peers::node(), analytics_sdk()) else {
        return;
    };
    round_trip(Client::Node, "node_tracker.js", &node, &python);
}

#[test]
fn python_tracker_to_analytics_sdk() {
    let tracker = peers::python(&["snowplow_tracker"], "snowplow-tracker");
    let (Some(tracker), Some(python)) = (tracker, analytics_sdk()) else {
        return;
    };
    round_trip(Client::Python, "python_tracker.py", &tracker, &python);
}

fn analytics_sdk() -> Option<PathBuf> {
    peers::python(
        &["snowplow_analytics_sdk.event_transformer"],
        "snowplow-analytics-sdk",
    )
}

/// From a tracker over the collector's log and both jobs to the SDK.
fn round_trip(client: Client, script: &str, interpreter: &Path, python: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let senders = plan::senders(client);
    let (sent, log, window) = send(folder.path(), &senders, script, interpreter);
    let outcomes = Outcomes::new(&senders, &sent);

    fs::create_dir(folder.path().join("raw")).expect("a folder");
    write_log(&folder.path().join("raw"), client, &log);
    let counts = enrich(folder.path());
    bad_rows_are_those_expected(&folder.path().join("enriched/bad"), &log, &outcomes);
    assert_eq!(counts.records, log.logged.len() as u64);
    assert_eq!(
        (counts.ignored_total(), counts.failed_whole),
        (0, 0),
        "{counts:?}"
    );
    assert_eq!(counts.good, outcomes.good.len() as u64);
    assert_eq!(
        counts.bad_rows(),
        outcomes.bad.values().sum::<usize>() as u64
    );

    let good = text(&folder.path().join("enriched/good"));
    let read = peers::script(python, "read_enriched.py", &[&good]).expect("the analytics SDK");
    let witness = Witness {
        client,
        log: &log,
        window,
    };
    let mut seen = BTreeSet::new();
    for line in read.lines() {
        let read: Value = serde_json::from_str(line).expect("JSON of the reader");
        assert!(
            read["refused"].is_null(),
            "the analytics SDK refused a line: {read}"
        );
        let id = read["event"]["event_id"]
            .as_str()
            .expect("an event id")
            .to_owned();
        let (sender, name, expected) = outcomes
            .good
            .get(&id)
            .unwrap_or_else(|| panic!("nobody sent this: {read}"));
        if let Err(difference) = witness.check(sender, expected, &id, &read) {
            let difference = head(&difference);
            panic!(
                "{name} of {}: {difference}\n{}",
                sender.namespace,
                head(&read.to_string())
            );
        }
        assert!(seen.insert(id), "twice: {name}");
    }
    assert_eq!(
        seen.len(),
        outcomes.good.len(),
        "events that the analytics SDK saw"
    );
    shred(folder.path(), &outcomes);
    println!(
        "{client:?}: {} requests, {} events, {} bad rows, all as expected",
        log.logged.len(),
        outcomes.good.len(),
        outcomes.bad.values().sum::<usize>()
    );
}

/// Lets the tracker play the plan. Returns what it says it sent, the collector's log and the time that it took.
fn send(
    folder: &Path,
    senders: &[Sender],
    script: &str,
    interpreter: &Path,
) -> (Vec<Value>, Log, RangeInclusive<i64>) {
    let plan = folder.join("plan.json");
    fs::write(&plan, plan::to_json(senders).to_string()).expect("the plan");
    let collector = StubCollector::start().expect("a port on loopback");
    let port = collector.port().to_string();
    let started = now_ms();
    let output = peers::script(interpreter, script, &[&text(&plan), &port]);
    let ended = now_ms();
    let log = collector.finish();
    assert!(log.unexpected.is_empty(), "{:?}", log.unexpected);
    let sent =
        serde_json::from_str(&output.expect("the tracker")).expect("JSON of the tracker's script");

    // GET is one request for each event, POST one for several.
    let events = |method: &str| -> usize {
        let of_method = senders.iter().filter(|sender| sender.method == method);
        of_method
            .flat_map(|sender| &sender.events)
            .map(|event| event.outcomes.len())
            .sum()
    };
    let requests = |method: &str| {
        log.logged
            .iter()
            .filter(|request| request.method == method)
            .count()
    };
    assert_eq!(requests("GET"), events("get"));
    assert!(
        (1..events("post") / 2).contains(&requests("POST")),
        "{} POST requests",
        requests("POST")
    );
    (sent, log, started..=ended)
}

/// What must come of everything that was sent.
struct Outcomes<'p> {
    /// By event id.
    good: HashMap<String, (&'p Sender, String, &'p Expected)>,
    /// Number of bad rows by a text of their error.
    bad: BTreeMap<String, usize>,
}

impl<'p> Outcomes<'p> {
    fn new(senders: &'p [Sender], sent: &[Value]) -> Self {
        let mut ids: HashMap<(&str, &str, u64), &str> = HashMap::new();
        for event in sent {
            let field = |name: &str| event[name].as_str().expect("a text");
            let part = event["part"].as_u64().expect("a number");
            let again = ids.insert((field("sender"), field("name"), part), field("event_id"));
            assert!(again.is_none(), "sent twice: {event}");
        }
        let mut outcomes = Self {
            good: HashMap::new(),
            bad: BTreeMap::new(),
        };
        for sender in senders {
            for planned in &sender.events {
                let name = planned.call["name"].as_str().expect("a name");
                for (part, outcome) in (0..).zip(&planned.outcomes) {
                    let id = ids.remove(&(sender.namespace.as_str(), name, part));
                    let id = id.unwrap_or_else(|| {
                        panic!("{}: {name} ({part}) was not sent", sender.namespace)
                    });
                    match outcome {
                        Outcome::Bad(error) => *outcomes.bad.entry(error.clone()).or_default() += 1,
                        Outcome::Enriched(expected) => {
                            let again = outcomes
                                .good
                                .insert(id.to_owned(), (sender, name.to_owned(), expected));
                            assert!(again.is_none(), "the tracker gave one id twice: {id}");
                        }
                    }
                }
            }
        }
        assert!(ids.is_empty(), "not in the plan: {ids:?}");
        outcomes
    }
}

/// Writes the log as it gets to the runner: rotated, named as Elastic Beanstalk names it without its leading underscore;
/// gzipped for one of the clients, for the other plain and in two files.
fn write_log(folder: &Path, client: Client, log: &Log) {
    let lines: Vec<&str> = log
        .logged
        .iter()
        .map(|request| request.line.as_str())
        .collect();
    let file = |ending: &str| {
        folder.join(format!(
            "var_log_tomcat8_rotated_localhost_access_log.txt{ending}"
        ))
    };
    if client == Client::Node {
        let path = file("1532476800.gz");
        let mut gzip = GzEncoder::new(
            fs::File::create(path).expect("a file"),
            flate2::Compression::default(),
        );
        gzip.write_all((lines.join("\n") + "\n").as_bytes())
            .expect("written");
        gzip.finish().expect("written");
        return;
    }
    for (ending, half) in ["1532476800", "1532480400"]
        .iter()
        .zip(lines.chunks(lines.len() / 2 + 1))
    {
        fs::write(file(ending), half.join("\n") + "\n").expect("written");
    }
}

fn options() -> JobOptions {
    JobOptions {
        workers: 2,
        run_id: Some("2018-07-25-00-00-00".into()),
        ..JobOptions::default()
    }
}

fn enrich(folder: &Path) -> EnrichCounts {
    let report = EnrichJob {
        input: text(&folder.join("raw")),
        format: "clj-tomcat".into(),
        output: text(&folder.join("enriched/good")),
        bad: text(&folder.join("enriched/bad")),
        errors: None,
        pii: None,
        enrichments: EnrichmentConfigs::default(),
        environment: Environment::default(),
        resolver: support::fixtures_resolver(),
        etl_tstamp_ms: ETL_TSTAMP_MS,
        v_etl: Some(V_ETL.into()),
        options: options(),
    }
    .run()
    .expect("enrich");
    report.enrich.expect("counts")
}

/// Each bad row carries its line of the log and one error, of those that were expected.
fn bad_rows_are_those_expected(folder: &Path, log: &Log, outcomes: &Outcomes<'_>) {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for row in parts::lines(folder) {
        let row: Value = serde_json::from_str(&row).expect("a bad row is JSON");
        let line = row["line"].as_str().expect("the line of the log");
        assert!(
            log.logged.iter().any(|request| request.line == line),
            "not in the log: {line}"
        );
        let errors = row["errors"].as_array().expect("errors");
        let errors: Vec<&str> = errors
            .iter()
            .filter_map(|error| error["message"].as_str())
            .collect();
        let expected: Vec<&String> = outcomes
            .bad
            .keys()
            .filter(|error| errors.iter().any(|message| message.contains(*error)))
            .collect();
        assert_eq!(expected.len(), 1, "{errors:?}");
        *found.entry(expected[0].clone()).or_default() += 1;
    }
    assert_eq!(found, outcomes.bad);
}

/// Shreds the enriched events: every event is there once, every self-describing JSON in the folder of its type.
fn shred(folder: &Path, outcomes: &Outcomes<'_>) {
    let report = ShredJob {
        input: text(&folder.join("enriched/good")),
        output: text(&folder.join("shredded/good")),
        bad: text(&folder.join("shredded/bad")),
        resolver: support::fixtures_resolver(),
        options: options(),
    }
    .run()
    .expect("shred");
    let counts = report.shred.expect("counts");
    assert_eq!(
        (counts.good, counts.bad),
        (outcomes.good.len() as u64, 0),
        "{counts:?}"
    );
    assert_eq!(
        (counts.natural_duplicates, counts.synthetic_duplicates),
        (0, 0),
        "{counts:?}"
    );

    // By folder and event, the data in the order of the events' JSONs.
    let mut expected: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for (id, (_, _, event)) in &outcomes.good {
        for described in event.unstruct.iter().chain(&event.contexts) {
            let key = described["schema"]
                .as_str()
                .expect("a schema")
                .trim_start_matches("iglu:");
            let parts: Vec<&str> = key.split('/').collect();
            let [vendor, name, format, version] = parts[..] else {
                panic!("{key}")
            };
            let folder = format!(
                "shredded-types/vendor={vendor}/name={name}/format={format}/version={version}"
            );
            expected
                .entry((folder, id.clone()))
                .or_default()
                .push(&described["data"]);
        }
    }
    let mut by_folder = parts::lines_by_folder(&folder.join("shredded/good"));
    let atomic = by_folder.remove("atomic-events").expect("atomic events");
    let ids: BTreeSet<&str> = atomic
        .iter()
        .filter_map(|line| line.split('\t').nth(6))
        .collect();
    assert_eq!(
        ids,
        outcomes
            .good
            .keys()
            .map(String::as_str)
            .collect::<BTreeSet<_>>()
    );
    assert_eq!(atomic.len(), ids.len());

    let total: usize = expected.values().map(Vec::len).sum();
    assert_eq!(
        (counts.shredded, by_folder.values().map(Vec::len).sum()),
        (total as u64, total)
    );
    for (folder, lines) in &by_folder {
        for line in lines {
            let shredded: Value = serde_json::from_str(line).expect("a shredded JSON");
            let id = shredded["hierarchy"]["rootId"]
                .as_str()
                .expect("the event's id")
                .to_owned();
            let left = expected
                .get_mut(&(folder.clone(), id))
                .unwrap_or_else(|| panic!("{folder}: {line}"));
            let place = left.iter().position(|data| same(data, &shredded["data"]));
            left.remove(place.unwrap_or_else(|| panic!("{folder}: {line}\nis none of {left:?}")));
        }
    }
    assert!(
        expected.values().all(Vec::is_empty),
        "not shredded: {expected:?}"
    );
}

fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    i64::try_from(now.as_millis()).expect("a clock before the end of time")
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
