//! Requests of the enrichments to web services, and failures in the words of Java.
//!
//! In: method, address, credentials. Out: status and body, or what the reference's client would have thrown: the texts of
//! `java.net` exceptions end in bad rows. Bodies are bounded; a service that sends more gets a failure text, not memory.
//! Compressed bodies are not asked for, but read all the same (gzip and deflate, as the reference's client does).

use std::error::Error as _;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Duration;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url, redirect};

/// Longer bodies are failures.
pub const MOST_BODY_BYTES: usize = 16 << 20;

/// Most bytes of a body that a failure text shows. The reference shows all of it.
pub const MOST_SHOWN_BYTES: usize = 1 << 20;

/// As many redirects as `java.net.HttpURLConnection` follows.
const MOST_REDIRECTS: usize = 20;

/// A connection that is idle is kept alive by TCP.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a service may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// Between two pieces of an answer; `None`: only the whole is limited.
    pub read: Option<Duration>,
    /// For a request and its answer.
    pub total: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The total time is over.
    TimedOut,
    /// A name that DNS does not know.
    UnknownHost(String),
    /// Class and text of another exception that Java would throw.
    Exception(String),
}

impl Problem {
    /// The exception as Java prints it.
    pub fn text(&self) -> String {
        match self {
            Self::TimedOut => "java.net.SocketTimeoutException: Read timed out".to_owned(),
            Self::UnknownHost(host) => format!("java.net.UnknownHostException: {host}"),
            Self::Exception(text) => text.clone(),
        }
    }

    fn exception(text: &str) -> Self {
        Self::Exception(text.to_owned())
    }

    fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        Self::exception(match error.kind() {
            ErrorKind::ConnectionRefused => {
                "java.net.ConnectException: Connection refused (Connection refused)"
            }
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "java.net.SocketException: Connection reset"
            }
            ErrorKind::UnexpectedEof => {
                "java.net.SocketException: Unexpected end of file from server"
            }
            ErrorKind::HostUnreachable => {
                "java.net.NoRouteToHostException: No route to host (Host unreachable)"
            }
            ErrorKind::NetworkUnreachable => {
                "java.net.ConnectException: Network is unreachable (connect failed)"
            }
            ErrorKind::TimedOut => {
                "java.net.ConnectException: Connection timed out (Connection timed out)"
            }
            _ => return Self::Exception(format!("java.io.IOException: {error}")),
        })
    }

    /// Finds the cause in the chain of a client's error. Addresses are not shown: they may hold keys.
    fn of(error: &reqwest::Error, url: &Url) -> Self {
        if error.is_timeout() {
            return Self::exception(if error.is_connect() {
                "java.net.SocketTimeoutException: connect timed out"
            } else {
                "java.net.SocketTimeoutException: Read timed out"
            });
        }
        if error.is_redirect() {
            // with both blanks
            return Self::Exception(format!(
                "java.net.ProtocolException: Server redirected too many  times ({MOST_REDIRECTS})"
            ));
        }
        let mut cause = error.source();
        let mut last = None;
        while let Some(error) = cause {
            let text = error.to_string();
            if text.starts_with("dns error") {
                return Self::UnknownHost(url.host_str().unwrap_or_default().to_owned());
            }
            if text.starts_with("connection closed before message completed")
                || text.starts_with("end of file before message length reached")
            {
                return Self::of_io(&std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && io.get_ref().is_none()
            {
                return Self::of_io(io);
            }
            last = Some(text);
            cause = error.source();
        }
        let text = last.unwrap_or_else(|| "the request failed".to_owned());
        let class = if error.is_connect() && url.scheme() == "https" {
            "javax.net.ssl.SSLHandshakeException"
        } else {
            "java.io.IOException"
        };
        Self::Exception(format!("{class}: {text}"))
    }
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answered {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// A redirect is the answer.
    AreAnswers,
    /// As `java.net.HttpURLConnection` does, and also from http to https.
    AreFollowed,
}

/// A client of one service. Nothing is built or sent before the first request.
#[derive(Debug)]
pub struct Http {
    timeouts: Timeouts,
    redirects: Redirects,
    client: OnceLock<Result<Client, String>>,
}

impl Http {
    /// A client with these limits.
    pub const fn new(timeouts: Timeouts, redirects: Redirects) -> Self {
        Self {
            timeouts,
            redirects,
            client: OnceLock::new(),
        }
    }

    /// Sends a request without a body and reads the answer.
    ///
    /// # Errors
    /// What Java would throw.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answered, Problem> {
        let url = parse_url(url)?;
        let mut request = self.client()?.request(method, url.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let response = request.send().await.map_err(|e| Problem::of(&e, &url))?;
            let status = response.status().as_u16();
            let is_latin = is_latin(response.headers());
            let encoding = response.headers().get(CONTENT_ENCODING).cloned();
            let body = decompress(read(response, &url).await?, encoding.as_ref())?;
            let body = if is_latin {
                body.iter().copied().map(char::from).collect()
            } else {
                String::from_utf8(body)
                    .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
            };
            Ok(Answered { status, body })
        };
        tokio::time::timeout(self.timeouts.total, exchange)
            .await
            .unwrap_or(Err(Problem::TimedOut))
    }

    fn client(&self) -> Result<&Client, Problem> {
        let built = self.client.get_or_init(|| {
            let policy = match self.redirects {
                Redirects::AreAnswers => redirect::Policy::none(),
                Redirects::AreFollowed => redirect::Policy::custom(|attempt| {
                    let from = attempt.previous().last().map(Url::scheme);
                    let is_downgrade = from == Some("https") && attempt.url().scheme() != "https";
                    if is_downgrade {
                        attempt.stop()
                    } else if attempt.previous().len() > MOST_REDIRECTS {
                        attempt.error("too many redirects")
                    } else {
                        attempt.follow()
                    }
                }),
            };
            let mut builder = Client::builder()
                .connect_timeout(self.timeouts.connect)
                .redirect(policy)
                .tcp_keepalive(KEEP_ALIVE)
                .referer(false)
                .user_agent(concat!("camonica/", env!("CARGO_PKG_VERSION")));
            if let Some(read) = self.timeouts.read {
                builder = builder.read_timeout(read);
            }
            builder
                .build()
                .map_err(|error| format!("java.io.IOException: {error}"))
        });
        built.as_ref().map_err(|text| Problem::exception(text))
    }
}

/// An address of the web, or what `java.net.URL` says of it. Its query is not shown.
fn parse_url(text: &str) -> Result<Url, Problem> {
    let shown = || text.split('?').next().unwrap_or_default();
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(url) => Err(Problem::Exception(format!(
            "java.net.MalformedURLException: unknown protocol: {}",
            url.scheme()
        ))),
        Err(_) if !text.contains(':') => Err(Problem::Exception(format!(
            "java.net.MalformedURLException: no protocol: {}",
            shown()
        ))),
        Err(error) => Err(Problem::Exception(format!(
            "java.net.MalformedURLException: {error}: {}",
            shown()
        ))),
    }
}

/// Whether an answer says that it is in ISO 8859-1; all others are read as UTF-8.
fn is_latin(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    content_type.is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        ["iso-8859-1", "latin1"].iter().any(|name| {
            text.contains(&format!("charset={name}"))
                || text.contains(&format!("charset=\"{name}\""))
        })
    })
}

fn too_long() -> Problem {
    Problem::Exception(format!(
        "java.io.IOException: the body of the answer is longer than {MOST_BODY_BYTES} bytes"
    ))
}

/// The body without its compression, which is bounded as the body is.
fn decompress(body: Vec<u8>, encoding: Option<&HeaderValue>) -> Result<Vec<u8>, Problem> {
    let encoding = encoding.map(HeaderValue::as_bytes).unwrap_or_default();
    let mut decoder: Box<dyn Read> = if encoding.eq_ignore_ascii_case(b"gzip") {
        Box::new(MultiGzDecoder::new(body.as_slice()))
    } else if encoding.eq_ignore_ascii_case(b"deflate") {
        Box::new(ZlibDecoder::new(body.as_slice()))
    } else {
        return Ok(body);
    };
    if body.is_empty() {
        // a status without a body
        return Ok(Vec::new());
    }
    let mut plain = Vec::new();
    let mut limited = (&mut decoder).take(MOST_BODY_BYTES as u64 + 1);
    match limited.read_to_end(&mut plain) {
        Ok(_) if plain.len() > MOST_BODY_BYTES => Err(too_long()),
        Ok(_) => Ok(plain),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Problem::exception(
            "java.io.EOFException: Unexpected end of ZLIB input stream",
        )),
        Err(error) => Err(Problem::Exception(format!(
            "java.util.zip.ZipException: {error}"
        ))),
    }
}

async fn read(mut response: reqwest::Response, url: &Url) -> Result<Vec<u8>, Problem> {
    let announced = response.content_length().unwrap_or(0);
    if announced > MOST_BODY_BYTES as u64 {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| Problem::of(&error, url))?
    {
        if body.len() + piece.len() > MOST_BODY_BYTES {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The beginning of a text that a failure shows.
pub fn shown(text: &str) -> &str {
    if text.len() <= MOST_SHOWN_BYTES {
        return text;
    }
    let mut end = MOST_SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_is_asked() {
        for (url, text) in [
            (
                "file:///etc/passwd",
                "java.net.MalformedURLException: unknown protocol: file",
            ),
            (
                "api.acme.com/x?key=secret",
                "java.net.MalformedURLException: no protocol: api.acme.com/x",
            ),
            ("", "java.net.MalformedURLException: no protocol: "),
        ] {
            assert_eq!(parse_url(url).unwrap_err().text(), text);
        }
        assert!(parse_url("http://").is_err());
        assert!(
            !parse_url("http://[?key=secret")
                .unwrap_err()
                .text()
                .contains("secret")
        );
        assert!(parse_url("https://api.acme.com/a b?x=|").is_ok());
    }

    #[test]
    fn exceptions_of_sockets() {
        let io = |kind: std::io::ErrorKind| Problem::of_io(&kind.into()).text();
        assert_eq!(
            io(std::io::ErrorKind::ConnectionRefused),
            "java.net.ConnectException: Connection refused (Connection refused)"
        );
        assert_eq!(
            io(std::io::ErrorKind::UnexpectedEof),
            "java.net.SocketException: Unexpected end of file from server"
        );
        assert!(io(std::io::ErrorKind::Other).starts_with("java.io.IOException: "));
        assert_eq!(
            Problem::UnknownHost("api.acme.com".into()).text(),
            "java.net.UnknownHostException: api.acme.com"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shown("abc"), "abc");
        let long = format!("x{}", "\u{e4}".repeat(MOST_SHOWN_BYTES));
        assert_eq!(shown(&long).len(), MOST_SHOWN_BYTES - 1);
    }

    #[test]
    fn compressed_bodies_are_read() {
        use flate2::Compression;
        use flate2::read::{GzEncoder, ZlibEncoder};
        let all = |mut reader: Box<dyn Read>| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let json = br#"{"record":1}"#.as_slice();
        let gzip = all(Box::new(GzEncoder::new(json, Compression::fast())));
        let zlib = all(Box::new(ZlibEncoder::new(json, Compression::fast())));
        let read = |body: &[u8], encoding: Option<&'static str>| {
            let encoding = encoding.map(HeaderValue::from_static);
            decompress(body.to_vec(), encoding.as_ref()).map_err(|problem| problem.text())
        };
        for (body, encoding) in [
            (json, None),
            (json, Some("identity")),
            (b"", Some("gzip")),
            (gzip.as_slice(), Some("GZip")),
            (zlib.as_slice(), Some("deflate")),
        ] {
            let plain = if body.is_empty() { body } else { json };
            assert_eq!(read(body, encoding).unwrap(), plain);
        }
        let text = read(&gzip[..gzip.len() - 9], Some("gzip")).unwrap_err();
        assert_eq!(
            text,
            "java.io.EOFException: Unexpected end of ZLIB input stream"
        );
        let text = read(json, Some("gzip")).unwrap_err();
        assert!(text.starts_with("java.util.zip.ZipException: "), "{text}");
        // a small body that would fill the memory
        let zeros = std::io::repeat(0).take(100 << 20);
        let bomb = all(Box::new(GzEncoder::new(zeros, Compression::fast())));
        assert!(bomb.len() < 1 << 20);
        assert_eq!(read(&bomb, Some("gzip")).unwrap_err(), too_long().text());
    }

    #[test]
    fn charsets() {
        let headers = |content_type: &'static str| {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
        };
        assert!(is_latin(&headers("text/html; charset=ISO-8859-1")));
        assert!(!is_latin(&headers("application/json; charset=utf-8")));
        assert!(!is_latin(&HeaderMap::new()));
    }
}
