//! A web server in the test process: counts requests and answers as it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server answers to a path.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, further header lines (each ended by CRLF), body.
    Answer(u16, String, Vec<u8>),
    /// Like `Answer` with 200, after a pause.
    Slow(Duration, String),
    /// Header, then one byte at a time with pauses, for ever.
    Trickle(Duration),
    /// The connection is closed without an answer.
    Close,
    /// These, one after the other; the last one stays.
    Sequence(Vec<Reply>),
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer(200, String::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), b"<html>".to_vec())
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::Answer(status, format!("Location: {to}\r\n"), b"<moved>".to_vec())
    }
}

/// The server; what has no reply is answered with 404.
pub(crate) struct StubServer {
    /// `http://127.0.0.1:<port>`
    pub(crate) uri: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    /// Head of each request, in order.
    heads: Vec<String>,
}

impl StubServer {
    pub(crate) fn start(replies: &[(&str, Reply)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        let server = Self { uri, state };
        for (path, reply) in replies {
            server.set(path, reply.clone());
        }
        server
    }

    /// Changes the reply to `path` (`/schemas/...`).
    pub(crate) fn set(&self, path: &str, reply: Reply) {
        let mut state = self.state.lock().unwrap();
        state.replies.insert(path.to_owned(), reply);
    }

    /// Heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }

    /// How many requests there were for `path`.
    pub(crate) fn count(&self, path: &str) -> usize {
        let start = format!("GET {path} ");
        self.heads()
            .iter()
            .filter(|head| head.starts_with(&start))
            .count()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(n) if n > 2 => head.push_str(&line),
            Ok(0) | Err(_) => return,
            Ok(_) => break,
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = {
        let mut state = state.lock().unwrap();
        state.heads.push(head);
        match state.replies.get_mut(&path) {
            None => Reply::status(404),
            Some(Reply::Sequence(replies)) if replies.len() > 1 => replies.remove(0),
            Some(Reply::Sequence(replies)) => replies[0].clone(),
            Some(reply) => reply.clone(),
        }
    };
    let (status, headers, body) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body),
        Reply::Slow(pause, body) => {
            std::thread::sleep(pause);
            (200, String::new(), body.into_bytes())
        }
        Reply::Trickle(pause) => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(pause);
            }
            return;
        }
        Reply::Close | Reply::Sequence(_) => return,
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = stream.write_all(&body);
}
