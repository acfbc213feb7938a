//! One driver and three workers as processes on loopback, with certificates made for the test: the output is that of one
//! machine, whatever dies; nobody gets in without a certificate; no line lies on a worker's disk in the clear.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "cluster/nodes.rs"]
mod nodes;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use fixtures::Format;
use nodes::{Authority, COUNTS, Nodes, corpus, manifest_of, wait_until, write_secret};
use support::parts;

/// Lines of all outputs below a folder.
fn lines(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let lines = parts::lines_by_folder(folder);
    assert!(!lines.is_empty(), "{}", folder.display());
    lines
}

#[test]
fn enrich_shred_and_etl_equal_one_machine() {
    let nodes = Nodes::new();
    corpus(Format::CljTomcat, 1_500_000, &nodes.path("raw"));
    // a file that comes twice: the second time its events have the ids of others
    let first = fs::read_dir(nodes.path("raw")).unwrap().next().unwrap();
    fs::copy(first.unwrap().path(), nodes.path("raw/again.gz")).unwrap();
    nodes.local(&nodes.enrich("raw", "one"));
    nodes.local(&nodes.shred("one/good", "one-shredded"));

    let (port, _workers) = nodes.workers(3, &[]);
    nodes.driver_ok(port, 3, &nodes.enrich("raw", "many"));
    assert_eq!(lines(&nodes.path("one")), lines(&nodes.path("many")));
    let (one, many) = (
        manifest_of(&nodes.path("one/good")),
        manifest_of(&nodes.path("many/good")),
    );
    assert_eq!(one["enrich"], many["enrich"]);
    assert_eq!(one["inputs"], many["inputs"]);

    // the workers of the job before take the next
    nodes.driver_ok(port, 3, &nodes.shred("one/good", "many-shredded"));
    let expected = lines(&nodes.path("one-shredded"));
    assert_eq!(expected, lines(&nodes.path("many-shredded")));
    let (one, many) = (
        manifest_of(&nodes.path("one-shredded/good")),
        manifest_of(&nodes.path("many-shredded/good")),
    );
    for name in COUNTS {
        assert_eq!(one["shred"][name], many["shred"][name], "{name}");
    }
    let again = many["shred"]["synthetic_duplicates"].as_u64();
    assert!(again > Some(50), "{again:?}");

    nodes.driver_ok(port, 3, &nodes.etl("raw", "etl"));
    assert_eq!(
        lines(&nodes.path("one")),
        lines(&nodes.path("etl/enriched"))
    );
    // an event without fingerprint gets an id that follows from its place: that of its own enriched file
    nodes.local(&nodes.shred("etl/enriched/good", "etl-shredded"));
    let shredded = lines(&nodes.path("etl-shredded"));
    assert_eq!(shredded, lines(&nodes.path("etl/shredded")));
    let scanned = manifest_of(&nodes.path("etl-shredded/good"));
    let found = manifest_of(&nodes.path("etl/shredded/good"));
    for name in ["good", "synthetic_duplicates", "candidate_ids"] {
        assert_eq!(scanned["shred"][name], found["shred"][name], "{name}");
    }

    // without a cluster, by the same command line
    let mut here = vec!["driver".to_owned(), "--workers".into(), "0".into()];
    here.extend(nodes.shred("one/good", "here"));
    assert!(nodes.run(&here).status.success());
    assert_eq!(expected, lines(&nodes.path("here")));
}

/// What a failing run must not change.
struct Case {
    nodes: Nodes,
    expected: BTreeMap<String, Vec<String>>,
}

impl Case {
    fn new() -> Self {
        let nodes = Nodes::new();
        corpus(Format::Enriched, 3_000_000, &nodes.path("enriched"));
        nodes.local(&nodes.shred("enriched", "one"));
        let expected = lines(&nodes.path("one"));
        Self { nodes, expected }
    }

    /// Kills a worker once so many rows of tasks of a stage are there; the others finish.
    fn kill_worker_in(&self, stage: &str, paused: &str, rows: usize) {
        let pause = format!("{paused}=1500");
        let (port, mut workers) = self
            .nodes
            .workers(3, &[("CAMONICA_CLUSTER_TEST_PAUSE", &pause)]);
        let driver = self
            .nodes
            .driver(port, 3, &self.nodes.shred("enriched", "out"));
        wait_until("rows of the stage", || self.nodes.log_rows(stage) >= rows);
        workers[0].kill();
        let output = driver.output();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(self.expected, lines(&self.nodes.path("out")));
    }
}

#[test]
fn a_worker_killed_while_it_reads_changes_nothing() {
    Case::new().kill_worker_in("shred-", "shred", 2);
}

#[test]
fn a_worker_killed_while_it_resolves_changes_nothing() {
    Case::new().kill_worker_in("resolve-", "resolve", 1);
}

#[test]
fn a_worker_killed_while_it_counts_and_one_that_joins_late() {
    let case = Case::new();
    let pause = ("CAMONICA_CLUSTER_TEST_PAUSE", "count=1500");
    let (port, mut workers) = case.nodes.workers(2, &[pause]);
    let driver = case
        .nodes
        .driver(port, 2, &case.nodes.shred("enriched", "out"));
    wait_until("rows of the scan", || case.nodes.log_rows("scan-") >= 2);
    let _late = case.nodes.worker(port, "late", &[]);
    wait_until("rows of the count", || case.nodes.log_rows("count-") >= 1);
    workers[0].kill();
    let output = driver.output();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(case.expected, lines(&case.nodes.path("out")));
}

#[test]
fn a_driver_that_was_killed_is_run_again_and_no_line_lies_in_the_clear() {
    let case = Case::new();
    let pause = ("CAMONICA_CLUSTER_TEST_PAUSE", "resolve=2000");
    let (port, _workers) = case.nodes.workers(3, &[pause]);
    let shred = case.nodes.shred("enriched", "out");
    let mut driver = case.nodes.driver(port, 3, &shred);
    wait_until("rows of the shredding", || {
        case.nodes.log_rows("shred-") >= 3
    });
    std::thread::sleep(Duration::from_millis(500));
    // while resolvers wait, candidate lines lie in the exchange
    let (files, bytes) = case.nodes.look_for_plaintext();
    assert!(
        files > 0 && bytes > 10_000,
        "{files} files, {bytes} bytes in the exchange"
    );
    driver.kill();
    assert!(!case.nodes.path("out/good/atomic-events/_SUCCESS").exists());
    case.nodes.driver_ok(port, 3, &shred);
    assert_eq!(case.expected, lines(&case.nodes.path("out")));
    case.nodes.look_for_plaintext();
    // a third time: the output is there
    let output = case.nodes.driver(port, 3, &shred).output();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("not empty"),
        "{output:?}"
    );
}

#[test]
fn a_worker_that_hangs_is_left_behind() {
    let case = Case::new();
    let pause = ("CAMONICA_CLUSTER_TEST_PAUSE", "shred=1000");
    let (port, workers) = case.nodes.workers(2, &[pause]);
    let driver = case
        .nodes
        .driver(port, 2, &case.nodes.shred("enriched", "out"));
    wait_until("rows of the shredding", || {
        case.nodes.log_rows("shred-") >= 1
    });
    workers[0].signal("STOP");
    let output = driver.output();
    // it goes on when its tasks are long done by others
    workers[0].signal("CONT");
    assert!(output.status.success(), "{output:?}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(case.expected, lines(&case.nodes.path("out")));
}

#[test]
fn peers_without_a_valid_certificate_are_refused_and_logged() {
    let nodes = Nodes::new();
    corpus(Format::Enriched, 200_000, &nodes.path("enriched"));
    let foreign = Authority::new("another authority");
    foreign.write_node(&nodes.path("foreign"), 0);
    nodes.authority.write_node(&nodes.path("expired"), -10);
    let (port, _workers) = nodes.workers(1, &[]);
    // two workers are asked for: the strangers must not count
    let driver = nodes.driver(port, 2, &nodes.shred("enriched", "out"));
    wait_until("the driver", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });

    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"\0\0"),
        "no HTTP/2 settings in plaintext: {answer:?}"
    );
    let _foreign = nodes.worker_with(port, "foreign-node", &[], &nodes.path("foreign"));
    let _expired = nodes.worker_with(port, "expired-node", &[], &nodes.path("expired"));
    wait_until("refusals", || {
        let log = driver.stderr();
        log.contains("UnknownIssuer") || log.contains("UnknownCA") || log.contains("BadSignature")
    });
    wait_until("the refusal of the expired one", || {
        let log = driver.stderr().to_lowercase();
        log.contains("expired")
    });
    let log = driver.stderr();
    assert!(log.matches("refused 127.0.0.1").count() >= 3, "{log}");
    assert!(!nodes.path("out/good/atomic-events/_SUCCESS").exists());
    // a second node of ours: now the job begins
    let _second = nodes.worker(port, "second", &[]);
    let output = driver.output();
    assert!(output.status.success(), "{output:?}");
    nodes.local(&nodes.shred("enriched", "one"));
    assert_eq!(lines(&nodes.path("one")), lines(&nodes.path("out")));
}

#[test]
fn a_node_with_another_secret_is_told() {
    let nodes = Nodes::new();
    corpus(Format::Enriched, 200_000, &nodes.path("enriched"));
    let port = nodes.free_port();
    let other = nodes.path("other-secret");
    write_secret(&other, "another secret of this cluster, long enough");
    let _worker = nodes.worker_of(port, "stranger", &[], &nodes.path("node"), &other);
    let output = nodes
        .driver(port, 1, &nodes.shred("enriched", "out"))
        .output();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("another cluster secret"), "{text}");
    assert!(!nodes.path("out/good/atomic-events/_SUCCESS").exists());
}

#[test]
fn the_page_is_served_over_https() {
    let nodes = Nodes::new();
    corpus(Format::Enriched, 200_000, &nodes.path("enriched"));
    let page = nodes.free_port();
    let port = nodes.free_port();
    let page_option = format!("127.0.0.1:{page}");
    let driver = nodes.driver_with(
        port,
        1,
        &["--page", &page_option],
        &nodes.shred("enriched", "out"),
    );
    wait_until("the page", || {
        TcpStream::connect(("127.0.0.1", page)).is_ok()
    });
    let text = nodes.get_page(page, "/status.json");
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    let body = text.split("\r\n\r\n").nth(1).unwrap();
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(status["stage"], "waiting for workers", "{status}");
    assert!(
        nodes
            .get_page(page, "/")
            .contains("<title>Camonica cluster</title>")
    );
    let _worker = nodes.worker(port, "only", &[]);
    assert!(driver.output().status.success());
}
