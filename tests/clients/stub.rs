//! A collector for the time of a test: answers trackers on loopback and logs as the Clojure Collector does.
//!
//! Takes `GET /i` and `POST /com.snowplowanalytics.snowplow/tp2` and writes what the access valve 0.2.0 of the Clojure
//! Collector 2.1.0 writes to Tomcat's log: date, time, `-`, bytes, client, method, host, path, status, referrer, user
//! agent, query with `cv` and `nuid`, three times `-`, content type, body. Other requests get 404 and are told apart.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fixtures::collector::date_and_time;

/// What the collector calls itself, `cv`.
pub const V_COLLECTOR: &str = "clj-2.1.0-tom-0.2.0";

const PIXEL: &str = "R0lGODlhAQABAPAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";
const TRACKER_PROTOCOL_2: &str = "/com.snowplowanalytics.snowplow/tp2";
/// A client that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Tomcat's limit of the request line and headers together.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// A request that was logged.
#[derive(Debug, Clone)]
pub struct Logged {
    pub method: String,
    /// The `User-Agent` header as it came.
    pub useragent: String,
    /// The network user id that the answer's cookie carries.
    pub network_userid: String,
    /// The line of the log, without its end.
    pub line: String,
}

/// What happened at the collector.
#[derive(Debug, Default)]
pub struct Log {
    /// Requests of trackers, in the order of their arrival.
    pub logged: Vec<Logged>,
    /// Anything else that reached the port.
    pub unexpected: Vec<String>,
}

/// The running collector.
pub struct StubCollector {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl StubCollector {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let log = Arc::new(Mutex::new(Log::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stops) = (Arc::clone(&log), Arc::clone(&stopped));
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let log = Arc::clone(&shared);
                std::thread::spawn(move || {
                    if let Err(error) = serve(stream, &log) {
                        lock(&log).unexpected.push(error.to_string());
                    }
                });
            }
        });
        Ok(Self {
            address,
            log,
            stopped,
            acceptor: Some(acceptor),
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops listening and says what happened. Every request that was answered is in it.
    pub fn finish(mut self) -> Log {
        self.stop();
        std::mem::take(&mut lock(&self.log))
    }

    fn stop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Drop for StubCollector {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Values of a header, joined with commas as Tomcat's valve joins them; nothing when absent or empty.
    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        Some(values.join(",")).filter(|joined| !joined.is_empty())
    }

    /// The value of the cookie `sp`.
    fn network_userid(&self) -> Option<String> {
        let cookies = self.header("Cookie")?;
        cookies
            .split([';', ','])
            .find_map(|pair| pair.trim().strip_prefix("sp=").map(str::to_owned))
    }
}

/// Answers the requests of one connection until the client closes it.
fn serve(stream: TcpStream, log: &Mutex<Log>) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let client = stream.peer_addr()?.ip().to_string();
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let (status, content_type, answer) = match (request.method.as_str(), request.path.as_str())
        {
            ("GET", "/i") => (
                "200 OK",
                "image/gif",
                STANDARD.decode(PIXEL).map_err(io::Error::other)?,
            ),
            ("POST", TRACKER_PROTOCOL_2) => ("200 OK", "text/plain", Vec::new()),
            (method, path) => {
                lock(log).unexpected.push(format!("{method} {path}"));
                ("404 Not Found", "text/plain", b"404 Not found".to_vec())
            }
        };
        let network_userid = match request.network_userid() {
            Some(id) => id,
            None => random_uuid()?,
        };
        if status == "200 OK" {
            let line = log_line(&request, &client, answer.len(), &network_userid)?;
            // Before the answer: what the tracker knows to be taken must be in the log.
            lock(log).logged.push(Logged {
                method: request.method.clone(),
                useragent: request.header("User-Agent").unwrap_or_default(),
                network_userid: network_userid.clone(),
                line,
            });
        }
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Set-Cookie: sp={network_userid};Expires=Tue, 24 Jul 2040 10:15:30 +0000;Path=/\r\n\r\n",
            answer.len()
        )?;
        writer.write_all(&answer)?;
        writer.flush()?;
    }
    Ok(())
}

/// The next request; `None` when the client has closed the connection between two requests.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = reader.by_ref().take(MAX_HEAD);
    let mut line = String::new();
    match head.read_line(&mut line) {
        Ok(0) => return Ok(None),
        // Idle connections of a client's pool end this way when the client is stopped.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    let mut words = line.trim_end().splitn(3, ' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next())
    else {
        return Err(invalid("no HTTP/1.1 request line within the limit"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(invalid("request head cut off or beyond 64 KiB"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid("header without a colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        query,
        headers,
        body: Vec::new(),
    };
    if request.header("Transfer-Encoding").is_some() {
        return Err(invalid("chunked bodies are not taken"));
    }
    let length = match request.header("Content-Length") {
        Some(text) => text
            .parse::<u64>()
            .map_err(|_| invalid("content length is no number"))?,
        None => 0,
    };
    if length > MAX_BODY {
        return Err(invalid("body too long"));
    }
    reader
        .by_ref()
        .take(length)
        .read_to_end(&mut request.body)?;
    if request.body.len() as u64 != length {
        return Err(invalid("body cut off"));
    }
    Ok(Some(request))
}

/// The line of Tomcat's log about a request that was answered with status 200 and `answered` bytes.
fn log_line(
    request: &Request,
    client: &str,
    answered: usize,
    network_userid: &str,
) -> io::Result<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?;
    let (date, time) = date_and_time(u64::try_from(now.as_millis()).map_err(io::Error::other)?);
    let or_hyphen = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let bytes = or_hyphen((answered > 0).then(|| answered.to_string()));
    let referer = or_hyphen(request.header("Referer"));
    let useragent = or_hyphen(request.header("User-Agent").map(|text| form_encode(&text)));
    let content_type = or_hyphen(
        request
            .header("Content-Type")
            .map(|text| form_encode(&text)),
    );
    let body = or_hyphen((!request.body.is_empty()).then(|| URL_SAFE_NO_PAD.encode(&request.body)));
    let Request {
        method,
        path,
        query,
        ..
    } = request;
    Ok(format!(
        "{date}\t{time}\t-\t{bytes}\t{client}\t{method}\t{client}\t{path}\t200\t{referer}\t{useragent}\t\
         {query}&cv={V_COLLECTOR}&nuid={network_userid}\t-\t-\t-\t{content_type}\t{body}"
    ))
}

/// Encodes as `java.net.URLEncoder` does with UTF-8.
fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A random UUID of version 4.
fn random_uuid() -> io::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}
