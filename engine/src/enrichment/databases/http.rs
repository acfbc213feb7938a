//! Look-up files over HTTP: one conditional GET.
//!
//! Nothing is sent that the address does not hold. Redirects are followed, but not from `https` to
//! `http`. An answer whose end cannot be told from a broken connection is asked for anew by every job.

use std::error::Error as _;
use std::io::Write;

use reqwest::header::{
    CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    TRANSFER_ENCODING,
};
use reqwest::{Client, StatusCode, Url, Version, redirect};

use crate::store::runtime;

use super::cache::{Cache, Incoming, Validator};
use super::{Failure, Fetched, Limits};

/// As many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Asks for the file at `uri`, unless it is still the one of `kept`.
pub(super) fn fetch(
    uri: &str,
    kept: Option<&Validator>,
    cache: &Cache,
    limits: &Limits,
) -> Result<Fetched, Failure> {
    // the parser would take a host from the path
    if uri
        .split_once("://")
        .is_none_or(|(_, rest)| rest.starts_with('/'))
    {
        return Err(Failure::Refused("the address has no host".to_owned()));
    }
    let url = Url::parse(uri)
        .map_err(|error| Failure::Refused(format!("the address cannot be read ({error})")))?;
    let client = client(limits)?;
    let incoming = cache.begin(limits.bytes).map_err(Failure::Refused)?;
    let (kept, total) = (kept.cloned(), limits.total);
    let answer = runtime::wait(async move {
        let exchange = exchange(&client, url, kept, incoming);
        tokio::time::timeout(total, exchange).await
    });
    match answer {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(_)) => Err(Failure::Away(format!(
            "it took longer than {} seconds",
            total.as_secs()
        ))),
        Err(error) => Err(Failure::Refused(error.to_string())),
    }
}

fn client(limits: &Limits) -> Result<Client, Failure> {
    let policy = redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last().map(Url::scheme);
        if from == Some("https") && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https to http is not followed")
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else {
            attempt.follow()
        }
    });
    Client::builder()
        .connect_timeout(limits.connect)
        .read_timeout(limits.read)
        .redirect(policy)
        .user_agent(concat!("camonica/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::Refused(failure_text(error)))
}

async fn exchange(
    client: &Client,
    url: Url,
    kept: Option<Validator>,
    mut incoming: Incoming,
) -> Result<Fetched, Failure> {
    let mut request = client.get(url);
    if let Some(kept) = &kept {
        let conditions = [
            (IF_NONE_MATCH, &kept.etag),
            (IF_MODIFIED_SINCE, &kept.last_modified),
        ];
        for (name, value) in conditions {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
    }
    let mut response = request.send().await.map_err(of)?;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged);
    }
    if status != StatusCode::OK {
        let text = format!("the server answered {status}");
        let in_trouble = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        return Err(match in_trouble {
            true => Failure::Away(text),
            false => Failure::Refused(text),
        });
    }
    let validator = match ends_surely(&response) {
        true => validator(response.headers()),
        false => Validator::default(),
    };
    while let Some(piece) = response.chunk().await.map_err(of)? {
        // blocks a thread of the runtime, which has nothing else to do before the first event
        incoming
            .write_all(&piece)
            .map_err(|error| Failure::Refused(error.to_string()))?;
    }
    if incoming.size() == 0 {
        return Err(Failure::Refused("the server sent an empty file".to_owned()));
    }
    Ok(Fetched::New(incoming, validator))
}

/// Whether a broken connection would show as an error.
fn ends_surely(response: &reqwest::Response) -> bool {
    let has = |name: HeaderName| response.headers().contains_key(name);
    response.version() >= Version::HTTP_2 || has(CONTENT_LENGTH) || has(TRANSFER_ENCODING)
}

fn validator(headers: &HeaderMap) -> Validator {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    Validator {
        etag: text(ETAG),
        last_modified: text(LAST_MODIFIED),
    }
}

/// A request without an answer: the server is away, unless the request itself cannot be sent.
fn of(error: reqwest::Error) -> Failure {
    let is_wrong = error.is_builder() || error.is_redirect();
    let text = failure_text(error);
    match is_wrong {
        true => Failure::Refused(text),
        false => Failure::Away(text),
    }
}

/// The innermost cause; the address, which may hold a password, is not in it.
fn failure_text(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
