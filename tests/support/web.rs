//! A web service on loopback, for the time of a test: it answers what a closure says, and knows how many requests were
//! under way at the same time.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What the service does about a request.
pub enum Reply {
    /// Status and body.
    Body(u16, String),
    /// The same after a while.
    After(Duration, u16, String),
    /// A redirect.
    Redirect(String),
    /// So many bytes of body; announced, or ended by the end of the connection.
    Large { bytes: usize, is_announced: bool },
    /// A part of an announced body, and then the end.
    Cut,
    /// The end without an answer.
    HangUp,
}

/// The service; it answers until the process ends.
pub struct WebService {
    /// `127.0.0.1:<port>`
    pub address: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

impl WebService {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::<Seen>::default();
        let (shared, handler) = (
            Arc::clone(&seen),
            Arc::<Handler>::from(Box::new(handler) as Box<Handler>),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, handler) = (Arc::clone(&shared), Arc::clone(&handler));
                std::thread::spawn(move || {
                    // the client may go at any time
                    let _ = serve(stream, &seen, handler.as_ref());
                });
            }
        });
        Self { address, seen }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().expect("the lock").clone()
    }

    /// How many requests were under way at the same time, at most.
    pub fn most_under_way(&self) -> usize {
        self.seen.most_under_way.load(Ordering::SeqCst)
    }
}

/// An address of loopback at which nobody listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("an address").to_string()
}

fn serve(stream: TcpStream, seen: &Seen, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(request) = read(&mut reader)? {
        let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        seen.requests
            .lock()
            .expect("the lock")
            .push(request.clone());
        let reply = handler(&request);
        if let Reply::After(delay, ..) = &reply {
            std::thread::sleep(*delay);
        }
        seen.under_way.fetch_sub(1, Ordering::SeqCst);
        if !answer(&mut stream, reply)? {
            return Ok(());
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|v| v.parse().ok());
    request.body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// Sends a reply; whether the connection lives on.
fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<bool> {
    match reply {
        Reply::Body(status, body) | Reply::After(_, status, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())?;
            Ok(true)
        }
        Reply::Redirect(location) => {
            let head =
                format!("HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nmoved");
            stream.write_all(head.as_bytes())?;
            Ok(true)
        }
        Reply::Large {
            bytes,
            is_announced,
        } => {
            let length = if is_announced {
                format!("Content-Length: {bytes}\r\n")
            } else {
                "Connection: close\r\n".to_owned()
            };
            stream.write_all(format!("HTTP/1.1 200 X\r\n{length}\r\n").as_bytes())?;
            let piece = vec![b' '; 1 << 20];
            let mut left = bytes;
            while left > 0 {
                let now = left.min(piece.len());
                stream.write_all(&piece[..now])?;
                left -= now;
            }
            Ok(false)
        }
        Reply::Cut => {
            stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"half\":")?;
            Ok(false)
        }
        Reply::HangUp => Ok(false),
    }
}
