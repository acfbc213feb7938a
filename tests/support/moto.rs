//! A moto server (PyPI `moto[server]`) on loopback, for tests that talk to S3.
//!
//! Python is taken from `CAMONICA_PYTHON`, else `tests/.venv/bin/python`, else `python3`. Where moto cannot be imported the tests
//! print a line that begins with `SKIPPED: moto` and pass; with `CAMONICA_REQUIRE_MOTO` set they fail instead.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "part of a test binary, outside of its test functions"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use engine::store::{Credentials, StaticCredentials, StoreSettings};

/// Serves until its standard input ends, which it does when the test process does, however that ends. The completion of
/// an upload that does not exist is an error of the client, as in S3; moto itself breaks down over it.
const SERVER: &str = "
import os, sys
from moto.server import ThreadedMotoServer
from moto.s3.models import S3Backend
from moto.s3.exceptions import NoSuchUpload
complete = S3Backend.complete_multipart_upload
def complete_known(self, bucket_name, multipart_id, body):
    if multipart_id not in self.get_bucket(bucket_name).multiparts:
        raise NoSuchUpload(upload_id=multipart_id)
    return complete(self, bucket_name, multipart_id, body)
S3Backend.complete_multipart_upload = complete_known
PATCH
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
";

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A running server, shared by all tests of a binary.
pub struct Moto {
    port: u16,
    _child: Child,
}

/// An answer to a plain request.
pub struct Answer {
    pub status: u16,
    /// Head of the answer, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Moto {
    /// The server, started at the first call; `None` (and a loud line) where there is no moto.
    pub fn get() -> Option<&'static Self> {
        static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
        let moto = MOTO.get_or_init(|| Self::start("")).as_ref();
        if moto.is_none() {
            println!(
                "SKIPPED: moto cannot be imported (pip install 'moto[server]'; CAMONICA_PYTHON names the interpreter)"
            );
            assert!(
                std::env::var_os("CAMONICA_REQUIRE_MOTO").is_none(),
                "moto is required here"
            );
        }
        moto
    }

    /// A server of its own, for a test that changes how it answers everybody: `patch` is Python that runs before it starts.
    /// `None` as [`get`](Self::get).
    pub fn apart(patch: &str) -> Option<Self> {
        Self::get()?;
        Self::start(patch)
    }

    fn start(patch: &str) -> Option<Self> {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/.venv/bin/python");
        let python = std::env::var("CAMONICA_PYTHON").unwrap_or_else(|_| {
            if venv.exists() {
                venv.display().to_string()
            } else {
                "python3".to_owned()
            }
        });
        let mut child = Command::new(python)
            .args(["-c", &SERVER.replace("PATCH\n", patch)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?)
            .read_line(&mut line)
            .ok()?;
        let port = line.trim().parse().ok()?;
        Some(Self {
            port,
            _child: child,
        })
    }

    /// The endpoint's URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, bucket: &str) {
        let answer = self.request("PUT", &format!("/{bucket}"), &[]);
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Writes an object, behind the back of any proxy and of the code under test, as the calls below do.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        let answer = self.request("PUT", &path_of(bucket, key), content);
        assert_eq!(answer.status, 200, "{key}");
    }

    /// The content of an object; `None` where there is none.
    pub fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let answer = self.request("GET", &path_of(bucket, key), b"");
        (answer.status == 200).then_some(answer.body)
    }

    /// All keys of a bucket that begin so.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/{bucket}?list-type=2&prefix={}&start-after={}&max-keys=1000",
                encoded(prefix),
                encoded(&after)
            );
            let text = String::from_utf8(self.request("GET", &path, b"").body).unwrap();
            let page: Vec<String> = text
                .split("<Key>")
                .skip(1)
                .map(|rest| rest.split("</Key>").next().unwrap().replace("&amp;", "&"))
                .collect();
            let Some(last) = page.last() else {
                return keys;
            };
            after.clone_from(last);
            keys.extend(page);
        }
    }

    pub fn delete(&self, bucket: &str, key: &str) {
        self.request("DELETE", &path_of(bucket, key), b"");
    }

    /// The head that an object has, in lower case.
    pub fn head(&self, bucket: &str, key: &str) -> String {
        let answer = self.request("HEAD", &path_of(bucket, key), b"");
        assert_eq!(answer.status, 200, "{key}");
        answer.head
    }

    /// Ids of the open multipart uploads of a bucket.
    pub fn open_uploads(&self, bucket: &str) -> Vec<String> {
        let answer = self.request("GET", &format!("/{bucket}?uploads"), &[]);
        let text = String::from_utf8(answer.body).unwrap();
        let ids = text.split("<UploadId>").skip(1);
        ids.map(|rest| rest.split('<').next().unwrap().to_owned())
            .collect()
    }

    /// A plain request. moto wants it signed by somebody, but does not check the signature.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\nConnection: close\r\nAuthorization: {SIGNATURE}\r\n\r\n",
            self.port,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: answer[end + 4..].to_vec(),
        }
    }
}

/// The path of an object in a URL.
fn path_of(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", encoded(key))
}

/// A key in a URL.
fn encoded(key: &str) -> String {
    key.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// What the engine's store needs for this server, or for a proxy before it.
pub fn store_settings(endpoint: String) -> StoreSettings {
    StoreSettings {
        endpoint: Some(endpoint),
        region: Some("us-east-1".into()),
        path_style: true,
        allow_http: true,
        credentials: Credentials::Static(StaticCredentials::new("AKIATEST", "test")),
        ..StoreSettings::default()
    }
}
