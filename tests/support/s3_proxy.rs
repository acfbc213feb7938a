//! A loopback proxy in front of a server that speaks S3: records requests, refuses writes that do not ask for encryption,
//! and makes faults.
//!
//! Plain HTTP/1.1, one thread for each connection. Faults are drawn from a seeded generator, so that a failing run can be
//! repeated (the order in which requests arrive may differ all the same).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "part of a test binary, outside of its test functions"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500 InternalError
    Internal,
    /// 503 SlowDown
    SlowDown,
    /// 400 RequestTimeout
    RequestTimeout,
    /// The connection ends; the server never saw the request.
    CutBefore,
    /// The server did what was asked; the connection ends without an answer.
    CutAfter,
    /// 200 whose body is an error, for CopyObject, UploadPartCopy and CompleteMultipartUpload; others get a 500.
    ErrorInBody,
}

const FAULTS: [Fault; 6] = [
    Fault::Internal,
    Fault::SlowDown,
    Fault::RequestTimeout,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::ErrorInBody,
];

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub fault: Option<Fault>,
    /// Of the answer; 0 where there was none.
    pub status: u16,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn has(&self, name: &str) -> bool {
        self.query()
            .split('&')
            .any(|part| part == name || part.starts_with(&format!("{name}=")))
    }

    /// The operation of S3.
    pub fn operation(&self) -> &'static str {
        let part = self.has("partNumber") && self.has("uploadId");
        let copy = self.header("x-amz-copy-source").is_some();
        let key = self
            .target
            .split('?')
            .next()
            .unwrap()
            .trim_matches('/')
            .contains('/');
        match self.method.as_str() {
            "PUT" if part && copy => "UploadPartCopy",
            "PUT" if part => "UploadPart",
            "PUT" if copy => "CopyObject",
            "PUT" if key => "PutObject",
            "PUT" => "CreateBucket",
            "POST" if self.has("uploads") => "CreateMultipartUpload",
            "POST" if self.has("uploadId") => "CompleteMultipartUpload",
            "POST" if self.has("delete") => "DeleteObjects",
            "DELETE" if self.has("uploadId") => "AbortMultipartUpload",
            "DELETE" => "DeleteObject",
            "HEAD" => "HeadObject",
            "GET" if self.has("uploads") => "ListMultipartUploads",
            "GET" if key => "GetObject",
            _ => "ListObjectsV2",
        }
    }
}

#[derive(Default)]
struct Settings {
    /// Faults in a thousand requests.
    per_mille: u64,
    seed: u64,
    /// The value that writes must have in `x-amz-server-side-encryption`.
    encryption: Option<&'static str>,
    /// From this request on (counted from 1) nothing is answered.
    dead_from: Option<u64>,
    /// Whether that request itself still takes effect.
    last_takes_effect: bool,
    /// Answers do not tell about encryption.
    hide_encryption: bool,
    /// Answers an operation with a status and a code, in any case.
    refuse: Option<(&'static str, u16, &'static str)>,
}

struct Shared {
    server: u16,
    settings: Mutex<Settings>,
    recorded: Mutex<Vec<Recorded>>,
    count: AtomicU64,
}

/// A running proxy.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// In front of the server at `endpoint` (`http://127.0.0.1:<port>`).
    pub fn start(endpoint: &str) -> Self {
        let server = endpoint.rsplit_once(':').unwrap().1.parse().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            settings: Mutex::default(),
            recorded: Mutex::default(),
            count: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    // a broken connection is what this is about
                    let _ = serve(&shared, stream);
                });
            }
        });
        Self { port, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn faults(&self, per_mille: u64, seed: u64) {
        let mut settings = self.shared.settings.lock().unwrap();
        settings.per_mille = per_mille;
        settings.seed = seed | 1;
    }

    /// Writes without this encryption are refused.
    pub fn demand_encryption(&self, encryption: &'static str) {
        self.shared.settings.lock().unwrap().encryption = Some(encryption);
    }

    /// Answers do not confirm encryption any more.
    pub fn hide_encryption(&self) {
        self.shared.settings.lock().unwrap().hide_encryption = true;
    }

    /// The `request`-th request from now on, and all after it, get no answer; it takes effect itself if `effect`.
    pub fn die_at(&self, request: u64, effect: bool) {
        let mut settings = self.shared.settings.lock().unwrap();
        self.shared.count.store(0, Ordering::SeqCst);
        settings.dead_from = Some(request);
        settings.last_takes_effect = effect;
    }

    /// Answers again.
    pub fn revive(&self) {
        self.shared.settings.lock().unwrap().dead_from = None;
    }

    /// Answers `operation` with a status and a code.
    pub fn refuse(&self, operation: &'static str, status: u16, code: &'static str) {
        self.shared.settings.lock().unwrap().refuse = Some((operation, status, code));
    }

    pub fn accept(&self) {
        self.shared.settings.lock().unwrap().refuse = None;
    }

    /// What arrived since the last call.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.shared.recorded.lock().unwrap())
    }

    /// Requests since [`die_at`](Self::die_at) or the start.
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::SeqCst)
    }
}

impl Settings {
    fn draw(&mut self) -> Option<Fault> {
        // xorshift64
        let mut x = self.seed.max(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed = x;
        (x % 1000 < self.per_mille).then(|| FAULTS[(x / 1000 % 6) as usize])
    }
}

fn bad(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, target) = (
            words.next().ok_or_else(|| bad("method"))?.to_owned(),
            words.next().ok_or_else(|| bad("target"))?.to_owned(),
        );
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad("header"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut recorded = Recorded {
            method,
            target,
            headers,
            fault: None,
            status: 0,
        };
        if recorded.header("expect").is_some() {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length: usize = recorded
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;

        let number = shared.count.fetch_add(1, Ordering::SeqCst) + 1;
        let operation = recorded.operation();
        let (fault, dead, encryption, refuse, last, hide) = {
            let mut settings = shared.settings.lock().unwrap();
            (
                settings.draw(),
                settings.dead_from.filter(|&from| number >= from),
                settings.encryption,
                settings.refuse,
                settings.last_takes_effect,
                settings.hide_encryption,
            )
        };
        if let Some(from) = dead {
            if number == from && last {
                forward(shared, &recorded, &body)?;
            }
            recorded.fault = Some(Fault::CutBefore);
            shared.recorded.lock().unwrap().push(recorded);
            return Ok(());
        }
        recorded.fault = fault;
        let writes = matches!(
            operation,
            "PutObject" | "CopyObject" | "CreateMultipartUpload"
        );
        let sse = recorded.header("x-amz-server-side-encryption");
        let answer = match (fault, refuse) {
            _ if writes && encryption.is_some() && sse != encryption => Some(error(
                403,
                "AccessDenied",
                "writes without encryption are refused",
            )),
            (_, Some((refused, status, code))) if refused == operation => {
                Some(error(status, code, "as the test wishes"))
            }
            (Some(Fault::CutBefore), _) => None,
            (Some(Fault::CutAfter), _) => {
                forward(shared, &recorded, &body)?;
                None
            }
            (Some(Fault::SlowDown), _) => Some(error(503, "SlowDown", "reduce your rate")),
            (Some(Fault::RequestTimeout), _) => {
                Some(error(400, "RequestTimeout", "your socket was idle"))
            }
            (Some(Fault::ErrorInBody), _)
                if matches!(
                    operation,
                    "CopyObject" | "UploadPartCopy" | "CompleteMultipartUpload"
                ) =>
            {
                Some(error(200, "InternalError", "we met an internal error"))
            }
            (Some(Fault::Internal | Fault::ErrorInBody), _) => {
                Some(error(500, "InternalError", "we met an internal error"))
            }
            (None, _) => Some(forward(shared, &recorded, &body)?),
        };
        recorded.status = answer.as_ref().map_or(0, |answer| answer.status);
        let head = recorded.method == "HEAD";
        shared.recorded.lock().unwrap().push(recorded);
        let Some(answer) = answer else {
            return Ok(());
        };
        let mut text = format!("HTTP/1.1 {} Status\r\n", answer.status);
        for (name, value) in &answer.headers {
            let ours = matches!(
                name.as_str(),
                "connection" | "content-length" | "transfer-encoding"
            );
            let hidden = hide && name.starts_with("x-amz-server-side");
            if !ours && !hidden {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let length = match answer.length {
            Some(length) if head => length,
            _ => answer.body.len() as u64,
        };
        text.push_str(&format!("content-length: {length}\r\n\r\n"));
        out.write_all(text.as_bytes())?;
        if !head {
            out.write_all(&answer.body)?;
        }
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    length: Option<u64>,
    body: Vec<u8>,
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>PROXY</RequestId></Error>"
    );
    Answer {
        status,
        headers: vec![
            ("content-type".into(), "application/xml".into()),
            ("x-amz-request-id".into(), "PROXY".into()),
        ],
        length: None,
        body: body.into_bytes(),
    }
}

/// Makes the request at the server.
fn forward(shared: &Shared, request: &Recorded, body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", shared.server))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "connection" | "expect") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    text.push_str("connection: close\r\n\r\n");
    stream.write_all(text.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| bad("answer"))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| bad("status"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let find = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let length = find("content-length").and_then(|length| length.parse().ok());
    let mut body = bytes[end + 4..].to_vec();
    if find("transfer-encoding").is_some() {
        body = unchunked(&body)?;
    }
    Ok(Answer {
        status,
        length,
        headers,
        body,
    })
}

fn unchunked(mut bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|two| two == b"\r\n")
            .ok_or_else(|| bad("chunk"))?;
        let size = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|text| usize::from_str_radix(text.trim(), 16).ok())
            .ok_or_else(|| bad("chunk"))?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
}
