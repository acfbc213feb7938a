//! The HTTP client of the AWS SDK, on the client that the engine uses everywhere else.
//!
//! The SDK brings one of its own, with a second TLS stack beside that of this program. What asks KMS must not send a key in
//! the clear: such a client refuses plain HTTP but for loopback. Credentials of an instance or a container are served over
//! plain HTTP on link-local addresses, never by a proxy.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};

/// Answers of KMS and of what gives credentials are small.
const MOST_ANSWER: usize = 1 << 20;

/// What may be asked over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// Anybody: what gives credentials.
    Allowed,
    /// This machine: keys are in the answers.
    Loopback,
}

/// Time-outs for a connection, and for an answer.
type Times = (Option<Duration>, Option<Duration>);

/// Makes connectors, one for each pair of time-outs.
#[derive(Debug)]
pub(super) struct Web {
    plain: Plain,
    made: Mutex<Vec<(Times, SharedHttpConnector)>>,
}

impl Web {
    pub(super) fn new(plain: Plain) -> Self {
        Self {
            plain,
            made: Mutex::default(),
        }
    }
}

impl HttpClient for Web {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let times = (settings.connect_timeout(), settings.read_timeout());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = made.iter().find(|(other, _)| *other == times) {
            return known.clone();
        }
        let mut builder = Client::builder().redirect(redirect::Policy::none());
        if let Some(time) = times.0 {
            builder = builder.connect_timeout(time);
        }
        if let Some(time) = times.1 {
            builder = builder.read_timeout(time);
        }
        if self.plain == Plain::Allowed {
            builder = builder.no_proxy();
        }
        let connector = SharedHttpConnector::new(Connector {
            client: builder.build().map_err(|error| text_of(&error)),
            plain: self.plain,
        });
        made.push((times, connector.clone()));
        connector
    }
}

#[derive(Debug)]
struct Connector {
    client: Result<Client, String>,
    plain: Plain,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, plain) = (self.client.clone(), self.plain);
        HttpConnectorFuture::new(async move {
            let client = client.map_err(|text| user(&text))?;
            send(&client, plain, &request).await
        })
    }
}

/// A request that cannot be sent, however often it is tried.
fn user(text: &str) -> ConnectorError {
    ConnectorError::user(text.into())
}

async fn send(
    client: &Client,
    plain: Plain,
    request: &HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let url = Url::parse(request.uri()).map_err(|error| user(&error.to_string()))?;
    if plain == Plain::Loopback && !is_safe(&url) {
        return Err(user(
            "the endpoint would send keys in the clear: use https:// (http:// is accepted for loopback only)",
        ));
    }
    let method = Method::from_bytes(request.method().as_bytes())
        .map_err(|error| user(&error.to_string()))?;
    let body = request
        .body()
        .bytes()
        .ok_or_else(|| user("a request is no text"))?;
    let mut built = client.request(method, url).body(body.to_vec());
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_bytes());
        match (name, HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => built = built.header(name, value),
            _ => return Err(user("a header of a request cannot be sent")),
        }
    }
    let mut response = built.send().await.map_err(|error| broken(&error))?;
    let status = StatusCode::try_from(response.status().as_u16())
        .map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if content.len() + chunk.len() > MOST_ANSWER {
            return Err(user("an answer is too large"));
        }
        content.extend_from_slice(&chunk);
    }
    let mut answer = HttpResponse::new(status, content.into());
    for (name, value) in response.headers() {
        if let Ok(value) = value.to_str() {
            answer
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}

/// Whether what is sent to an address stays secret: TLS, or this machine.
fn is_safe(url: &Url) -> bool {
    let is_loopback = || {
        url.host_str().is_some_and(|host| {
            host == "localhost"
                || host
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        })
    };
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(),
        _ => false,
    }
}

fn broken(error: &reqwest::Error) -> ConnectorError {
    let text = text_of(error);
    if error.is_timeout() {
        ConnectorError::timeout(text.into())
    } else {
        ConnectorError::io(text.into())
    }
}

/// The innermost cause says what happened.
fn text_of(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_over_tls_or_stay_here() {
        for (url, safe) in [
            ("https://kms.eu-west-1.amazonaws.com/", true),
            ("http://127.0.0.1:5000/", true),
            ("http://localhost/", true),
            ("http://[::1]:9/", true),
            ("http://kms.eu-west-1.amazonaws.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("http://10.0.0.1/", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }

    #[test]
    fn plain_http_is_not_sent() {
        let mut request = HttpRequest::new("{}".into());
        request.set_uri("http://10.255.255.1/").unwrap();
        request.set_method("POST").unwrap();
        let client = Client::builder().build().unwrap();
        let error =
            engine::store::runtime::wait(
                async move { send(&client, Plain::Loopback, &request).await },
            )
            .unwrap()
            .unwrap_err();
        assert!(error.is_user(), "{error:?}");
        assert!(format!("{error:?}").contains("in the clear"), "{error:?}");
    }
}
