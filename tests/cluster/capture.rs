//! All traffic of a network, captured by tcpdump, as the streams of its connections; and a search for known strings.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Shortest string that is searched for; shorter ones turn up by chance.
const LEAST: usize = 8;
/// How long tcpdump may take to begin or end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running capture.
pub struct Capture {
    child: Child,
    file: PathBuf,
    log: PathBuf,
    is_of_all: bool,
}

/// One direction of a connection: address and port of who sent, and of who received.
pub type Way = (u32, u16, u32, u16);

/// First sequence number of a direction, and payloads by their distance from it.
type Segments<'f> = (u32, Vec<(u32, &'f [u8])>);

/// What was captured.
#[derive(Default)]
pub struct Captured {
    /// What was sent, by direction.
    pub streams: BTreeMap<Way, Vec<u8>>,
    /// Packets that belong to no TCP connection.
    pub others: Vec<Vec<u8>>,
}

impl Capture {
    /// Makes a network that has nothing but a loopback device, and captures all that moves there; processes get in by
    /// [`wrapper`](Self::wrapper). It is gone with the last of them. The error says why it cannot be.
    pub fn of_a_network(folder: &Path) -> Result<Self, String> {
        let line = r#"ip link set lo up && exec tcpdump "$@""#;
        Self::start(
            folder,
            "network",
            &["unshare", "--net", "sh", "-c", line, "tcpdump"],
            &[],
        )
    }

    /// Captures what moves to and from a port of this machine.
    pub fn of_port(folder: &Path, port: u16) -> Result<Self, String> {
        let port = format!("port {port}");
        Self::start(folder, "port", &["tcpdump"], &["tcp and", &port])
    }

    fn start(folder: &Path, name: &str, begin: &[&str], filter: &[&str]) -> Result<Self, String> {
        let file = folder.join(format!("{name}.pcap"));
        let log = folder.join(format!("{name}.tcpdump"));
        let stderr = File::create(&log).map_err(|error| error.to_string())?;
        // whole packets, at once, with room for many, by this user
        let options = [
            "-i",
            "lo",
            "-n",
            "-s",
            "0",
            "-U",
            "--immediate-mode",
            "-B",
            "65536",
            "-Z",
            "root",
            "-w",
        ];
        let child = Command::new(begin[0])
            .args(&begin[1..])
            .args(options)
            .arg(&file)
            .args(filter)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("{}: {error}", begin[0]))?;
        let mut capture = Self {
            child,
            file,
            log,
            is_of_all: filter.is_empty(),
        };
        let start = Instant::now();
        while !capture.log().contains("listening on") {
            let ended = capture.child.try_wait().ok().flatten();
            if ended.is_some() || start.elapsed() > PATIENCE {
                return Err(format!("tcpdump: {}", capture.log().trim()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(capture)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Begins the command line of a process in this network.
    pub fn wrapper(&self) -> Vec<String> {
        vec![
            "nsenter".to_owned(),
            format!("--net=/proc/{}/ns/net", self.child.id()),
        ]
    }

    /// Ends the capture. No packet may be missing.
    pub fn end(mut self) -> Captured {
        // the last packets are on their way to tcpdump
        let size = || fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
        let mut last = (size(), Instant::now());
        while last.1.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(50));
            if size() != last.0 {
                last = (size(), Instant::now());
            }
        }
        let status = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
        self.child.wait().expect("the end of tcpdump");
        let log = self.log();
        let count = |of: &str| {
            let line = log.lines().find_map(|line| line.strip_suffix(of));
            line.and_then(|count| count.trim().parse::<u64>().ok())
        };
        let captured = count("packets captured");
        assert!(captured > Some(0), "{log}");
        // Each packet of a loopback device is seen on its way out and on its way in. On a device that others use too, their
        // packets are counted until the filter is in place; there, the caller knows how many bytes must come.
        let seen = count("packets received by filter");
        let are_all = captured.map(|captured| 2 * captured) >= seen;
        assert!(are_all || !self.is_of_all, "{log}");
        assert_eq!(count("packets dropped by kernel"), Some(0), "{log}");
        Captured::read(&fs::read(&self.file).expect("a capture"))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Captured {
    /// Reads a file of tcpdump's: packets of Ethernet frames.
    fn read(file: &[u8]) -> Self {
        let number = |bytes: &[u8], at: usize| {
            u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
        };
        assert_eq!(number(file, 0), 0xa1b2_c3d4, "a capture of this machine");
        assert_eq!(number(file, 20), 1, "frames of Ethernet");
        let mut captured = Self::default();
        let mut segments: BTreeMap<Way, Segments<'_>> = BTreeMap::new();
        let mut rest = &file[24..];
        while rest.len() >= 16 {
            let length = number(rest, 8) as usize;
            assert_eq!(length, number(rest, 12) as usize, "a whole packet");
            let frame = &rest[16..16 + length];
            rest = &rest[16 + length..];
            let Some((way, sequence, is_first, payload)) = segment(frame) else {
                captured.others.push(frame.to_vec());
                continue;
            };
            let (first, found) = segments
                .entry(way)
                .or_insert_with(|| (sequence.wrapping_add(u32::from(is_first)), Vec::new()));
            if !payload.is_empty() {
                found.push((sequence.wrapping_sub(*first), payload));
            }
        }
        for (way, (_, mut found)) in segments {
            // as they were sent, whatever the order in which they were seen
            found.sort_by_key(|(at, _)| *at);
            let mut stream: Vec<u8> = Vec::new();
            for (at, payload) in found {
                let known = stream.len() - stream.len().min(at as usize);
                assert!(at as usize <= stream.len(), "{way:?}: bytes are missing");
                stream.extend_from_slice(payload.get(known..).unwrap_or_default());
            }
            if !stream.is_empty() {
                captured.streams.insert(way, stream);
            }
        }
        captured
    }

    /// All bytes that were sent.
    pub fn bytes(&self) -> usize {
        self.streams.values().map(Vec::len).sum()
    }

    /// Ports that answered as TLS servers.
    pub fn servers(&self) -> BTreeSet<u16> {
        let is_server = |stream: &&Vec<u8>| stream.len() > 5 && stream[0] == 22 && stream[5] == 2;
        let servers = self.streams.iter().filter(|(_, stream)| is_server(stream));
        servers.map(|(way, _)| way.1).collect()
    }
}

/// Address, sequence number, whether a connection begins, and payload of a TCP segment over IPv4.
fn segment(frame: &[u8]) -> Option<(Way, u32, bool, &[u8])> {
    let packet = frame.get(14..)?;
    let is_ip = frame[12..14] == [8, 0] && packet.first()? >> 4 == 4 && *packet.get(9)? == 6;
    let tcp = packet.get(usize::from(packet.first()? & 15) * 4..)?;
    if !is_ip || tcp.len() < 20 {
        return None;
    }
    let long =
        |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let short = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let way = (long(packet, 12)?, short(0), long(packet, 16)?, short(2));
    let is_first = tcp[13] & 2 != 0;
    Some((
        way,
        long(tcp, 4)?,
        is_first,
        tcp.get(usize::from(tcp[12] >> 4) * 4..)?,
    ))
}

/// Whether a stream is TLS from its first byte to its last: a handshake, then records and nothing else; the last may be cut
/// off.
pub fn is_tls(stream: &[u8]) -> bool {
    let mut rest = stream;
    let is_handshake = stream.first() == Some(&22);
    while let [kind, 3, version, a, b, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        if !(20..=23).contains(kind) || *version > 4 || length > (16 << 10) + 256 {
            return false;
        }
        rest = rest.get(5 + length..).unwrap_or_default();
    }
    is_handshake && rest.len() < 5
}

/// Strings that are searched for.
pub struct Markers {
    by_begin: HashMap<[u8; LEAST], Vec<Vec<u8>>>,
    /// Which first two bytes there are.
    begins: Vec<bool>,
}

impl Markers {
    /// Those that are long enough.
    pub fn new(strings: impl IntoIterator<Item = String>) -> Self {
        let mut markers = Self {
            by_begin: HashMap::new(),
            begins: vec![false; 1 << 16],
        };
        let strings: BTreeSet<String> = strings.into_iter().collect();
        for string in strings {
            let bytes = string.into_bytes();
            if let Some(begin) = bytes.first_chunk::<LEAST>() {
                markers.begins[usize::from(u16::from_le_bytes([begin[0], begin[1]]))] = true;
                markers.by_begin.entry(*begin).or_default().push(bytes);
            }
        }
        markers
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_begin.values().map(Vec::len).sum()
    }

    /// Which of them are in `bytes`.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, pair) in bytes.windows(2).enumerate() {
            if !self.begins[usize::from(u16::from_le_bytes([pair[0], pair[1]]))] {
                continue;
            }
            let Some(begin) = bytes[at..].first_chunk::<LEAST>() else {
                break;
            };
            for marker in self.by_begin.get(begin).into_iter().flatten() {
                if bytes[at..].starts_with(marker) {
                    found.insert(String::from_utf8_lossy(marker).into_owned());
                }
            }
        }
        found
    }
}
