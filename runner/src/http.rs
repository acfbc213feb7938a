//! A plain HTTP client for the services around a run that have no SDK: Consul, collectors, Elasticsearch.
//!
//! Calls block; the I/O runs on the one runtime of the process. There are time-outs for everything, keep-alive probes on idle
//! connections (first after 200 s, then every 200 s, five of them: load balancers drop silent connections), and a limit for
//! answers. Redirects are not followed. Errors never show the user and password of an address, nor a header.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use engine::store::runtime;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Url, redirect};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::backoff::Trouble;

/// Bytes of an answer that are read; more is an error.
const MAX_ANSWER: usize = 64 << 20;

const KEEP_ALIVE: Duration = Duration::from_secs(200);
const KEEP_ALIVE_PROBES: u32 = 5;

/// How long a service may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the whole of a request and its answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(60),
        }
    }
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
}

/// A request to be sent.
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(HeaderName, String, Secret)>,
    body: Option<Vec<u8>>,
}

/// Whether a header's value must stay out of every log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    No,
    Yes,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// With a body of this media type.
    pub fn body(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.headers
            .push((CONTENT_TYPE, media_type.to_owned(), Secret::No));
        self.body = Some(body);
        self
    }

    /// With a header whose value is a secret.
    pub fn secret_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned(), Secret::Yes));
        self
    }

    /// With the header of basic authentication.
    pub fn basic(self, user: &str, password: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.secret_header(AUTHORIZATION, &value)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, printable(&self.url))
    }
}

impl HttpClient {
    /// A client with these time-outs. Nothing is contacted.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(timeouts: Timeouts) -> Result<Self, String> {
        Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_keepalive_interval(KEEP_ALIVE)
            .tcp_keepalive_retries(KEEP_ALIVE_PROBES)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("camonica/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(|client| Self { client })
            .map_err(|error| format!("cannot set up HTTPS: {}", cause(&error)))
    }

    /// Sends a request and waits for its whole answer.
    ///
    /// # Errors
    /// `Lasting` when it cannot be sent as it is; `Passing` when there is no whole answer: it is not known then whether the
    /// other side acted on it.
    pub fn send(&self, request: Request) -> Result<Answer, Trouble> {
        let url = Url::parse(&request.url)
            .map_err(|error| Trouble::Lasting(format!("{}: {error}", printable(&request.url))))?;
        let shown = printable(&request.url);
        let mut builder = self.client.request(request.method, url);
        for (name, value, secret) in request.headers {
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                Trouble::Lasting(format!("the header {name} holds a control character"))
            })?;
            value.set_sensitive(secret == Secret::Yes);
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let answer = runtime::wait(async move {
            let mut response = builder.send().await.map_err(|error| cause(&error))?;
            let status = response.status().as_u16();
            let retry_after = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs);
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Err(format!("the answer has more than {MAX_ANSWER} bytes"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer {
                status,
                retry_after,
                body,
            })
        });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Trouble::passing(format!("{shown}: {why}"))),
            Err(error) => Err(Trouble::Lasting(error.to_string())),
        }
    }
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// An answer that is no success, as trouble: 408, 429 and 5xx pass, everything else lasts. `what` names the request.
    pub fn trouble(&self, what: &str) -> Trouble {
        let text = self.excerpt();
        let colon = if text.is_empty() { "" } else { ": " };
        let why = format!("{what}: HTTP {}{colon}{text}", self.status);
        if matches!(self.status, 408 | 429 | 500..=599) {
            Trouble::Passing {
                why,
                at_least: self.retry_after,
            }
        } else {
            Trouble::Lasting(why)
        }
    }

    /// The first characters of the body, for messages: one line.
    pub fn excerpt(&self) -> String {
        let start = &self.body[..self.body.len().min(2048)];
        let text = String::from_utf8_lossy(start);
        let line: String = text
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(300)
            .collect();
        line
    }
}

/// An address without its user and password.
pub fn printable(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// One part of a path or query, percent-encoded but for letters, digits and `-._~`.
pub fn encode_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What lies at the root of a client error, in the words of the operating system or of TLS; never the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection within the time-out"
        } else {
            "no whole answer within the time-out"
        };
        return what.into();
    }
    let mut text = "the request failed".to_owned();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_user_and_password() {
        for (url, shown) in [
            ("http://a:b@c:1/d?e=f@g", "http://c:1/d?e=f@g"),
            ("http://a:b@d@c/x", "http://c/x"),
            ("https://c/a@b", "https://c/a@b"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(printable(url), shown);
        }
        let request = Request::get("http://u:secret@host/x").basic("u", "secret");
        assert_eq!(format!("{request:?}"), "GET http://host/x");
    }

    #[test]
    fn statuses_that_pass_and_that_last() {
        let answer = |status| Answer {
            status,
            retry_after: Some(Duration::from_secs(3)),
            body: b" slow\ndown ".to_vec(),
        };
        for status in [408, 429, 500, 502, 503, 504] {
            let trouble = answer(status).trouble("GET x");
            let expected = Trouble::Passing {
                why: format!("GET x: HTTP {status}: slow down"),
                at_least: Some(Duration::from_secs(3)),
            };
            assert_eq!(trouble, expected);
        }
        for status in [301, 400, 401, 403, 404, 413] {
            assert!(matches!(answer(status).trouble("x"), Trouble::Lasting(_)));
        }
        assert!(answer(204).is_success() && !answer(304).is_success());
    }

    #[test]
    fn nobody_there_passes_and_nonsense_lasts() {
        let client = HttpClient::new(Timeouts {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(2),
        })
        .unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let refused = client
            .send(Request::get(format!("http://u:secret@127.0.0.1:{port}/x")))
            .unwrap_err();
        assert!(matches!(refused, Trouble::Passing { .. }), "{refused:?}");
        assert!(refused.why().contains("refused"), "{refused:?}");
        assert!(!refused.why().contains("secret"), "{refused:?}");
        let nonsense = client.send(Request::get("no address")).unwrap_err();
        assert!(matches!(nonsense, Trouble::Lasting(_)), "{nonsense:?}");
    }

    #[test]
    fn a_silent_peer_is_left_after_the_time_out() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let client = HttpClient::new(Timeouts {
            connect: Duration::from_secs(1),
            total: Duration::from_millis(200),
        })
        .unwrap();
        let error = client
            .send(Request::get(format!("http://127.0.0.1:{port}/")))
            .unwrap_err();
        assert!(error.why().contains("time-out"), "{error:?}");
    }

    #[test]
    fn parts_are_encoded() {
        assert_eq!(encode_part("a b/ü~"), "a%20b%2F%C3%BC~");
    }
}
