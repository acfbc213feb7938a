//! A loopback proxy in front of a server that speaks S3: records requests, refuses writes that do not ask for encryption,
//! makes faults, and holds a request until a test has killed the one who made it.
//!
//! Plain HTTP/1.1, one thread for each connection. Faults are drawn from a seeded generator, so that a failing run can be
//! repeated (the order in which requests arrive may differ all the same).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "part of a test binary, outside of its test functions"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

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

pub const FAULTS: [Fault; 6] = [
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

    /// Bucket and key, decoded.
    pub fn place(&self) -> (String, String) {
        let path = self.target.split('?').next().unwrap();
        let path = decoded(path.trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        (bucket.to_owned(), key.to_owned())
    }

    /// Whether it makes an object, or begins to.
    pub fn is_write(&self) -> bool {
        matches!(
            self.operation(),
            "PutObject" | "CopyObject" | "CreateMultipartUpload"
        )
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

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Tells of a request and its body whether it is the one that is meant.
type IsMeant = Box<dyn FnMut(&Recorded, &[u8]) -> bool + Send>;

/// A request that is to be held: whether it takes effect, and which it is.
struct Hold {
    effect: bool,
    is_meant: IsMeant,
}

/// How far a [`Hold`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Held {
    #[default]
    No,
    Yes,
    Released,
}

#[derive(Default)]
struct Settings {
    /// Faults in a thousand requests.
    per_mille: u64,
    seed: u64,
    /// Kinds of faults take turns, for each client by itself: so a few of them are of all kinds.
    turns: HashMap<String, usize>,
    /// The value that writes must have in `x-amz-server-side-encryption`.
    encryption: Option<&'static str>,
    /// The only bucket of which that is true.
    encrypted_bucket: Option<String>,
    hold: Option<Hold>,
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
    /// Requests that have arrived and are not answered, but for the one that is held.
    at_work: AtomicU64,
    held: Mutex<Held>,
    held_changed: Condvar,
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
            at_work: AtomicU64::new(0),
            held: Mutex::default(),
            held_changed: Condvar::new(),
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

    /// As [`demand_encryption`](Self::demand_encryption), in one bucket.
    pub fn demand_encryption_of(&self, bucket: &str, encryption: &'static str) {
        let mut settings = self.shared.settings.lock().unwrap();
        settings.encryption = Some(encryption);
        settings.encrypted_bucket = Some(bucket.to_owned());
    }

    /// The first request from now on that is meant gets no answer before [`release`](Self::release), and then none; the server does
    /// what it asks for if `effect`.
    pub fn hold(
        &self,
        effect: bool,
        is_meant: impl FnMut(&Recorded, &[u8]) -> bool + Send + 'static,
    ) {
        *self.shared.held.lock().unwrap() = Held::No;
        self.shared.settings.lock().unwrap().hold = Some(Hold {
            effect,
            is_meant: Box::new(is_meant),
        });
    }

    /// Whether a request is held.
    pub fn is_held(&self) -> bool {
        *self.shared.held.lock().unwrap() == Held::Yes
    }

    /// Ends the connection of the request that is held, and waits until what else is on its way has arrived.
    pub fn release(&self) {
        self.shared.settings.lock().unwrap().hold = None;
        *self.shared.held.lock().unwrap() = Held::Released;
        self.shared.held_changed.notify_all();
        let begun = Instant::now();
        while self.shared.at_work.load(Ordering::SeqCst) > 0
            && begun.elapsed() < Duration::from_secs(30)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
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
    fn draw(&mut self, request: &Recorded) -> Option<Fault> {
        // xorshift64
        let mut x = self.seed.max(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed = x;
        if x % 1000 >= self.per_mille {
            return None;
        }
        let agent = request.header("user-agent").unwrap_or_default();
        let client = agent.split(' ').next().unwrap_or_default();
        let turn = self.turns.entry(client.to_owned()).or_default();
        *turn += 1;
        Some(FAULTS[*turn % FAULTS.len()])
    }
}

impl Shared {
    /// Whether a request is the one to be held, and then whether it takes effect.
    fn is_to_be_held(&self, request: &Recorded, body: &[u8]) -> Option<bool> {
        let mut settings = self.settings.lock().unwrap();
        let hold = settings.hold.as_mut()?;
        if !(hold.is_meant)(request, body) {
            return None;
        }
        settings.hold.take().map(|hold| hold.effect)
    }
}

/// Counts a request as long as it is at work.
struct AtWork<'s>(&'s Shared);

impl<'s> AtWork<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.at_work.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
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

        if let Some(effect) = shared.is_to_be_held(&recorded, &body) {
            if effect {
                forward(shared, &recorded, &body)?;
            }
            shared.recorded.lock().unwrap().push(recorded);
            let mut held = shared.held.lock().unwrap();
            *held = Held::Yes;
            drop(
                shared
                    .held_changed
                    .wait_while(held, |held| *held == Held::Yes),
            );
            return Ok(());
        }
        let _at_work = AtWork::new(shared);
        let number = shared.count.fetch_add(1, Ordering::SeqCst) + 1;
        let operation = recorded.operation();
        let (fault, dead, encryption, refuse, last, hide) = {
            let mut settings = shared.settings.lock().unwrap();
            let bucket = settings.encrypted_bucket.as_ref();
            let concerned = bucket.is_none_or(|bucket| *bucket == recorded.place().0);
            (
                settings.draw(&recorded),
                settings.dead_from.filter(|&from| number >= from),
                settings.encryption.filter(|_| concerned),
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
        let writes = recorded.is_write();
        let sse = recorded.header("x-amz-server-side-encryption");
        let answer = match (fault, refuse) {
            _ if writes && encryption.is_some() && sse != encryption => Some(error(
                403,
                "AccessDenied",
                // as S3 says it: it does not tell why
                "Access Denied",
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
