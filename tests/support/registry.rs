//! A static Iglu registry over HTTP on loopback, for the time of a test.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Serves folders until the process ends.
pub struct StaticRegistry {
    /// `http://127.0.0.1:<port>`
    pub uri: String,
}

impl StaticRegistry {
    /// Serves `<folder>/schemas/...` of the first folder that has the file.
    pub fn start(folders: &[&Path]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let uri = format!("http://{}", listener.local_addr().expect("an address"));
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folders = folders.clone();
                std::thread::spawn(move || answer(stream, &folders));
            }
        });
        Self { uri }
    }
}

fn answer(stream: TcpStream, folders: &[PathBuf]) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header == "\r\n" {
                break;
            }
        }
        let path = request
            .split(' ')
            .nth(1)
            .unwrap_or("/")
            .trim_start_matches('/')
            .to_owned();
        let content = (!path.contains(".."))
            .then(|| {
                folders
                    .iter()
                    .find_map(|folder| std::fs::read(folder.join(&path)).ok())
            })
            .flatten();
        let (status, body) = match content {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body))
            .is_err()
        {
            return;
        }
    }
}
