//! A static registry or Iglu Server over HTTP: GET `<uri>/schemas/<vendor>/<name>/<format>/<version>`.
//!
//! In: a schema key. Out: the schema, "not found" for 404 and 410, or the failure in the words of
//! iglu-scala-client 0.5.0, which reads with `java.net.URL`: exceptions are named as Java names them.
//! Different from the reference on purpose: there are time-outs and a size limit, the API key is not
//! sent to another host after a redirect, and passwords in the URI are not shown.

mod url;

use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::runtime::Runtime;

use self::url::{Target, printable};
use super::{DocumentError, Failure, Found, MAX_SCHEMA_BYTES, folder};
use crate::iglu::key::SchemaKey;

/// As many redirects are followed as `java.net.HttpURLConnection` follows.
const MAX_REDIRECTS: usize = 20;

/// A longer address is refused before it is sent, with the status that a server would give.
const MAX_URL_BYTES: usize = 8 << 10;

/// How long a registry may take. The reference waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For one look-up, redirects included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            total: Duration::from_secs(30),
        }
    }
}

/// A registry on a web server.
#[derive(PartialEq, Eq)]
pub struct Http {
    uri: String,
    apikey: Option<String>,
    timeouts: Timeouts,
}

impl Http {
    /// A registry at `uri`, to which `/schemas/...` is appended as it stands. Nothing is sent yet.
    pub fn new(uri: &str, apikey: Option<String>) -> Self {
        Self::with_timeouts(uri, apikey, Timeouts::default())
    }

    /// [`new`](Self::new) with time-outs of your own.
    pub fn with_timeouts(uri: &str, apikey: Option<String>, timeouts: Timeouts) -> Self {
        Self {
            uri: uri.to_owned(),
            apikey,
            timeouts,
        }
    }

    pub(super) fn fetch(&self, name: &str, key: &SchemaKey) -> Result<Option<Found>, Failure> {
        let url = format!("{}/schemas/{}", self.uri, key.path());
        let problem = |problem: Problem| {
            Failure::recoverable(match problem {
                Problem::UnknownHost(host) => format!(
                    "Unknown host issue fetching {key} in HTTP Iglu repository {name}: {host}"
                ),
                Problem::Exception(exception) => format!(
                    "Unexpected exception fetching {key} in HTTP Iglu repository {name}: {exception}"
                ),
            })
        };
        let body = match Target::of(&url) {
            Err(why) => {
                let text = format!(
                    "Provided URL string [{}] is malformed: [{why}]",
                    printable(&url)
                );
                return Err(Failure::recoverable(text));
            }
            Ok(Target::Unsupported(exception)) => {
                return Err(problem(Problem::Exception(exception)));
            }
            Ok(Target::File) => folder::read_limited(&folder::local_path(&url))
                .map_err(|error| problem(Problem::io(&error)))?,
            Ok(Target::Web(target)) => self.get(target).map_err(problem)?,
        };
        let Some(body) = body else { return Ok(None) };
        match super::compile(key, &body) {
            Ok(found) => Ok(Some(found)),
            Err(DocumentError::Json(why)) => Err(Failure::recoverable(format!(
                "Problem parsing {key} as JSON in HTTP Iglu repository {name}: {why}"
            ))),
            Err(DocumentError::Empty) => Err(problem(Problem::Exception(
                "com.fasterxml.jackson.databind.JsonMappingException: No content to map due to end-of-input"
                    .to_owned(),
            ))),
            Err(DocumentError::Syntax(messages)) => Err(Failure::Unusable(messages)),
        }
    }

    /// The body at `target`, fetched by the background runtime while this thread waits.
    fn get(&self, target: Url) -> Result<Option<Vec<u8>>, Problem> {
        if target.as_str().len() > MAX_URL_BYTES {
            return Err(Problem::status(414, "the address of the schema"));
        }
        let runtime = runtime().map_err(|why| Problem::Exception(why.clone()))?;
        let client = client(self.timeouts)?;
        let total = self.timeouts.total;
        let apikey = self.apikey.clone();
        let (sender, receiver) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let answer = tokio::time::timeout(total, get(&client, target, apikey)).await;
            // A receiver that is gone has no use for the answer.
            let _ = sender.send(answer.unwrap_or_else(|_| Err(Problem::read_timeout())));
        });
        receiver.recv().unwrap_or_else(|_| {
            Err(Problem::Exception(
                "java.io.IOException: the request was given up".to_owned(),
            ))
        })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("uri", &printable(&self.uri))
            .field("apikey", &self.apikey.as_ref().map(|_| "..."))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.uri))
    }
}

/// Why a request has no usable answer.
enum Problem {
    UnknownHost(String),
    /// Class and text of the exception that Java would throw.
    Exception(String),
}

impl Problem {
    fn status(status: u16, url: &str) -> Self {
        Self::Exception(format!(
            "java.io.IOException: Server returned HTTP response code: {status} for URL: {url}"
        ))
    }

    fn read_timeout() -> Self {
        Self::Exception("java.net.SocketTimeoutException: Read timed out".to_owned())
    }

    fn io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        Self::Exception(match error.kind() {
            ErrorKind::ConnectionRefused => {
                "java.net.ConnectException: Connection refused (Connection refused)".to_owned()
            }
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "java.net.SocketException: Connection reset".to_owned()
            }
            ErrorKind::UnexpectedEof => {
                "java.net.SocketException: Unexpected end of file from server".to_owned()
            }
            ErrorKind::HostUnreachable => {
                "java.net.NoRouteToHostException: No route to host (Host unreachable)".to_owned()
            }
            ErrorKind::NetworkUnreachable => {
                "java.net.ConnectException: Network is unreachable (connect failed)".to_owned()
            }
            ErrorKind::TimedOut => {
                "java.net.ConnectException: Connection timed out (Connection timed out)".to_owned()
            }
            _ => format!("java.io.IOException: {error}"),
        })
    }

    /// Finds the cause in the chain of a client error, and names it as Java would.
    fn of(error: &reqwest::Error, url: &Url) -> Self {
        if error.is_timeout() {
            return if error.is_connect() {
                Self::Exception("java.net.SocketTimeoutException: connect timed out".to_owned())
            } else {
                Self::read_timeout()
            };
        }
        let mut cause = error.source();
        let mut last = None;
        while let Some(error) = cause {
            let text = error.to_string();
            if text.starts_with("dns error") {
                return Self::UnknownHost(url.host_str().unwrap_or_default().to_owned());
            }
            if text.starts_with("connection closed before message completed") {
                return Self::io(&std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && io.get_ref().is_none()
            {
                return Self::io(io);
            }
            last = Some(text);
            cause = error.source();
        }
        let text = last.unwrap_or_else(|| "the request failed".to_owned());
        if error.is_connect() && url.scheme() == "https" {
            Self::Exception(format!("javax.net.ssl.SSLHandshakeException: {text}"))
        } else {
            Self::Exception(format!("java.io.IOException: {text}"))
        }
    }
}

/// One thread drives all requests of all registries; it is started by the first.
fn runtime() -> Result<&'static Runtime, &'static String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("iglu-http")
                .enable_all()
                .build()
                .map_err(|error| format!("java.io.IOException: {error}"))
        })
        .as_ref()
}

/// The client with these time-outs. To build one reads all certificates of the machine, so that one is
/// built per set of time-outs, and none before it is needed.
fn client(timeouts: Timeouts) -> Result<Client, Problem> {
    static CLIENTS: Mutex<Vec<(Timeouts, Client)>> = Mutex::new(Vec::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(of, _)| *of == timeouts) {
        return Ok(client.clone());
    }
    let client = Client::builder()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("camonica/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Problem::Exception(format!("java.io.IOException: {error}")))?;
    clients.push((timeouts, client.clone()));
    Ok(client)
}

/// Asks `target`, follows redirects of the same protocol, and reads the answer up to the limit.
async fn get(
    client: &Client,
    target: Url,
    apikey: Option<String>,
) -> Result<Option<Vec<u8>>, Problem> {
    let origin = target.origin();
    let mut url = target;
    for _ in 0..=MAX_REDIRECTS {
        let mut request = client
            .get(url.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json, */*"));
        if let Some(apikey) = &apikey
            && url.origin() == origin
        {
            let mut value = HeaderValue::from_str(apikey).map_err(|_| {
                Problem::Exception(
                    "java.lang.IllegalArgumentException: Illegal character(s) in message header value"
                        .to_owned(),
                )
            })?;
            value.set_sensitive(true);
            request = request.header(HeaderName::from_static("apikey"), value);
        }
        let response = request
            .send()
            .await
            .map_err(|error| Problem::of(&error, &url))?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND || status == StatusCode::GONE {
            return Ok(None);
        }
        if status.as_u16() >= 400 {
            return Err(Problem::status(status.as_u16(), &printable(url.as_str())));
        }
        match redirected(&url, status, response.headers().get(LOCATION)) {
            Some(next) => url = next,
            // As the reference does, whatever else came is read as if it were the schema.
            None => return read(response, &url).await.map(Some),
        }
    }
    Err(Problem::Exception(format!(
        "java.net.ProtocolException: Server redirected too many  times ({MAX_REDIRECTS})"
    )))
}

/// Where a redirect leads, if it is one and stays within the protocol.
fn redirected(from: &Url, status: StatusCode, location: Option<&HeaderValue>) -> Option<Url> {
    if !matches!(status.as_u16(), 300..=303 | 305 | 307 | 308) {
        return None;
    }
    let next = from.join(location?.to_str().ok()?).ok()?;
    (next.scheme() == from.scheme()).then_some(next)
}

async fn read(mut response: reqwest::Response, url: &Url) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| Problem::of(&error, url))?
    {
        if body.len() + piece.len() > MAX_SCHEMA_BYTES {
            return Err(Problem::Exception(format!(
                "java.io.IOException: schema is larger than {MAX_SCHEMA_BYTES} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
