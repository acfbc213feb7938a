//! A run of the cluster in a network of its own: all of its traffic is captured, and all that its processes write to disks is
//! read while they run. Nothing of an event is there in the clear, and all traffic is TLS. The same search finds the same
//! strings in the input, in the capture of a plain connection and in a file of a work folder.
//!
//! Needs root, tcpdump and iproute2; without them it is skipped, loudly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "cluster/capture.rs"]
mod capture;
#[path = "cluster/nodes.rs"]
mod nodes;
mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use capture::{Capture, Captured, Markers, is_tls};
use fixtures::Format;
use nodes::{Nodes, Process, corpus, files_below};
use support::parts;

/// Columns of an enriched event that tell of a person: ids, address, page.
const COLUMNS: [usize; 9] = [6, 12, 13, 14, 15, 17, 29, 30, 31];

/// Known strings of the events.
fn markers(enriched: &Path) -> Markers {
    let lines = parts::lines(enriched);
    assert!(lines.len() > 200, "{} lines", lines.len());
    let columns = lines.iter().flat_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        COLUMNS.map(|column| columns[column].to_owned())
    });
    Markers::new(columns)
}

/// Looks at files of the workers and the driver while they come and go.
#[derive(Default)]
struct Scan {
    /// Size and time of what was read.
    seen: HashMap<PathBuf, (u64, Option<SystemTime>)>,
    bytes: u64,
    shuffle_bytes: u64,
    found: BTreeSet<(PathBuf, String)>,
}

impl Scan {
    fn file(&mut self, path: &Path, markers: &Markers) {
        let Ok(metadata) = path.metadata() else {
            return;
        };
        let state = (metadata.len(), metadata.modified().ok());
        if !metadata.is_file() || self.seen.get(path) == Some(&state) {
            return;
        }
        let Ok(content) = fs::read(path) else {
            return;
        };
        self.seen.insert(path.to_owned(), state);
        self.bytes += content.len() as u64;
        if path.to_string_lossy().contains("/shuffle/") {
            self.shuffle_bytes += content.len() as u64;
        }
        let found = markers.found_in(&content);
        self.found
            .extend(found.into_iter().map(|marker| (path.to_owned(), marker)));
    }

    fn folder(&mut self, folder: &Path, markers: &Markers) {
        for path in files_below(folder) {
            self.file(&path, markers);
        }
    }

    /// Files that a process has open for writing, also those that have no name any more; but not its output.
    fn open_files(&mut self, process: &Process, output: &Path, markers: &Markers) {
        let process = PathBuf::from(format!("/proc/{}", process.id()));
        for entry in fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let info = process.join("fdinfo").join(entry.file_name());
            let info = fs::read_to_string(info).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let is_written = flags.is_some_and(|flags| !flags.trim().ends_with('0'));
            let Ok(target) = fs::read_link(entry.path()) else {
                continue;
            };
            if is_written && target.is_absolute() && !target.starts_with(output) {
                self.file(&entry.path(), markers);
            }
        }
    }
}

/// The same capture and the same search, of a connection in the clear.
fn capture_in_the_clear(folder: &Path, text: &[u8]) -> Result<Captured, String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let capture = Capture::of_port(folder, port)?;
    let text = text.to_vec();
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.write_all(&text).expect("to send");
    });
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("to receive");
    sender.join().expect("the sender");
    Ok(capture.end())
}

#[test]
fn nothing_is_in_the_clear_on_the_wire_or_on_disks() {
    let mut nodes = Nodes::new();
    let captures = tempfile::tempdir().unwrap();
    let capture = match Capture::of_a_network(captures.path()) {
        Ok(capture) => capture,
        Err(error) => {
            println!(
                "SKIPPED: capture of the cluster's traffic (root, tcpdump, iproute2): {error}"
            );
            return;
        }
    };
    corpus(Format::CljTomcat, 500_000, &nodes.path("raw"));
    // files that come twice: the events of the second have the ids of others, and their lines go through the exchange
    for (number, path) in files_below(&nodes.path("raw"))
        .into_iter()
        .enumerate()
        .skip(3)
    {
        fs::copy(path, nodes.path(&format!("raw/again-{number}.gz"))).unwrap();
    }
    nodes.local(&nodes.etl("raw", "one"));
    let markers = markers(&nodes.path("one/enriched/good"));
    let mut input = Vec::new();
    for path in files_below(&nodes.path("raw")) {
        let file = fs::File::open(path).unwrap();
        let mut decoder = flate2::read::MultiGzDecoder::new(file);
        decoder.read_to_end(&mut input).unwrap();
    }

    // the search can find
    let in_input = markers.found_in(&input).len();
    assert!(
        markers.len() > 500 && 3 * in_input > markers.len(),
        "{in_input} of {} strings are in the input",
        markers.len()
    );
    let control = capture_in_the_clear(captures.path(), &input).unwrap();
    assert_eq!(control.bytes(), input.len());
    let stream = control.streams.values().next().unwrap();
    assert_eq!(markers.found_in(stream).len(), in_input);
    assert!(!is_tls(stream));

    nodes.wrapper = capture.wrapper();
    let temporary = nodes.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let temporary = temporary.to_str().unwrap();
    // time to look at what lies in the exchange
    let environment = [
        ("TMPDIR", temporary),
        ("CAMONICA_CLUSTER_TEST_PAUSE", "count=800,resolve=800"),
    ];
    let port = nodes.free_port();
    let workers: Vec<Process> = (0..3)
        .map(|number| nodes.worker(port, &format!("w{number}"), &environment))
        .collect();
    let job = nodes.etl("raw", "out");
    let mut driver = nodes.driver_of(port, 3, &[], &job, &environment);
    let mut scan = Scan::default();
    let folders = ["work", "tmp", "log"].map(|name| nodes.path(name));
    while !driver.has_ended() {
        for folder in &folders {
            scan.folder(folder, &markers);
        }
        for process in workers.iter().chain([&driver]) {
            scan.open_files(process, &nodes.path("out"), &markers);
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let output = driver.output();
    assert!(output.status.success(), "{output:?}");
    drop(workers);
    for folder in &folders {
        scan.folder(folder, &markers);
    }
    // logs of the processes
    for entry in fs::read_dir(nodes.path("")).unwrap().flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
        {
            scan.file(&entry.path(), &markers);
        }
    }
    let captured = capture.end();
    assert!(
        parts::lines(&nodes.path("one/enriched")) == parts::lines(&nodes.path("out/enriched")),
        "the output is another"
    );

    let (files, bytes) = (scan.seen.len(), scan.bytes);
    assert!(
        files > 30 && scan.shuffle_bytes > 50_000,
        "{files} files, {} bytes of the exchange",
        scan.shuffle_bytes
    );
    assert!(scan.found.is_empty(), "on disks: {:?}", scan.found);
    // the scan can find
    let planted = nodes.path("work/w0/shuffle/planted");
    fs::create_dir_all(planted.parent().unwrap()).unwrap();
    fs::write(&planted, &input).unwrap();
    scan.folder(&folders[0], &markers);
    assert_eq!(scan.found.len(), in_input);

    // the driver, and workers that serve each other
    let servers = captured.servers();
    assert!(servers.contains(&port) && servers.len() > 2, "{servers:?}");
    assert!(captured.bytes() > 200_000, "{} bytes", captured.bytes());
    for (way, stream) in &captured.streams {
        let found = markers.found_in(stream);
        assert!(found.is_empty(), "{way:?}: {found:?}");
        assert!(
            is_tls(stream),
            "{way:?}: no TLS: {:?}",
            &stream[..stream.len().min(40)]
        );
    }
    for packet in &captured.others {
        assert!(markers.found_in(packet).is_empty());
    }
    println!(
        "{} strings; {} connections of {} servers, {} bytes; {files} files, {bytes} bytes: none in the clear",
        markers.len(),
        captured.streams.len() / 2,
        servers.len(),
        captured.bytes()
    );
}
