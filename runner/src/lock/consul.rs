//! The operator's lock as a key in Consul's key-value store (`--lock K --consul URL`).
//!
//! Held means that the key exists with a value that is not empty, as for EmrEtlRunner R108, which asks first and writes then:
//! two of them can both win. Here the write is conditional (`?cas=`: the index that was read, 0 for a key that is not there),
//! so exactly one wins. A write whose answer was lost is known again by its content. Outages are waited out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderName;
use serde::Deserialize;

use super::LockSettings;
use super::owner::LockOwner;
use crate::backoff::{SystemClock, Trouble};
use crate::http::{HttpClient, Request, encode_part, printable};

/// A key of one Consul.
#[derive(Debug)]
pub(super) struct ConsulKey {
    http: HttpClient,
    url: String,
    key: String,
    settings: LockSettings,
}

/// What became of an attempt to take the lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Ours,
    /// Somebody else's: the content.
    Held(String),
}

/// What became of a release.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Released {
    Done,
    /// There was none.
    Missing,
    /// It is somebody else's: the content.
    Foreign(String),
}

struct Entry {
    value: String,
    index: u64,
}

impl ConsulKey {
    pub(super) fn new(url: &str, key: &str, settings: LockSettings) -> Result<Self, String> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!(
                "--consul {}: expected an address such as http://127.0.0.1:8500",
                printable(url)
            ));
        }
        let path: Vec<String> = key.split('/').map(encode_part).collect();
        Ok(Self {
            http: HttpClient::new(settings.timeouts)?,
            url: format!("{}/v1/kv/{}", url.trim_end_matches('/'), path.join("/")),
            key: key.to_owned(),
            settings,
        })
    }

    /// The address of the key, for messages.
    pub(super) fn shown(&self) -> String {
        printable(&self.url)
    }

    pub(super) fn take(&self, owner: &LockOwner) -> Result<Taken, String> {
        let content = owner.to_text();
        self.retry(&mut || {
            let index = match self.read()? {
                Some(entry) if !entry.value.is_empty() => {
                    // The answer to an earlier try may have been lost.
                    let ours = LockOwner::from_text(&entry.value)
                        .is_some_and(|found| found.is_same_lock(owner));
                    return Ok(if ours {
                        Taken::Ours
                    } else {
                        Taken::Held(entry.value)
                    });
                }
                Some(entry) => entry.index,
                None => 0,
            };
            let body = content.clone().into_bytes();
            if self.call(Method::PUT, &format!("?cas={index}"), body)? {
                Ok(Taken::Ours)
            } else {
                // Somebody was faster: the next look tells who.
                Err(Trouble::passing(format!(
                    "Could not store key at {}",
                    self.key
                )))
            }
        })
    }

    /// The content of the key if it is held; nothing is changed.
    pub(super) fn holder(&self) -> Result<Option<String>, String> {
        let entry = self.retry(&mut || self.read())?;
        Ok(entry
            .map(|entry| entry.value)
            .filter(|value| !value.is_empty()))
    }

    /// Deletes the key; with `owner` only if it is that one's.
    pub(super) fn release(&self, owner: Option<&LockOwner>) -> Result<Released, String> {
        let mut sent = false;
        self.retry(&mut || {
            let Some(entry) = self.read()? else {
                return Ok(if sent {
                    Released::Done
                } else {
                    Released::Missing
                });
            };
            if let Some(owner) = owner
                && !LockOwner::from_text(&entry.value)
                    .is_some_and(|found| found.is_same_lock(owner))
            {
                return Ok(if sent {
                    Released::Done
                } else {
                    Released::Foreign(entry.value)
                });
            }
            sent = true;
            if self.call(Method::DELETE, &format!("?cas={}", entry.index), Vec::new())? {
                Ok(Released::Done)
            } else {
                Err(Trouble::passing(format!(
                    "Could not delete key at {}",
                    self.key
                )))
            }
        })
    }

    fn retry<T>(&self, attempt: &mut dyn FnMut() -> Result<T, Trouble>) -> Result<T, String> {
        let what = format!("Consul, key {}", self.key);
        self.settings.backoff.retry(&what, &SystemClock, attempt)
    }

    fn request(&self, method: Method, query: &str) -> Request {
        let request = Request::new(method, format!("{}{query}", self.url));
        match &self.settings.consul_token {
            Some(token) => request.secret_header(HeaderName::from_static("x-consul-token"), token),
            None => request,
        }
    }

    /// The key as all servers of Consul agree on it; `None` when there is none.
    fn read(&self) -> Result<Option<Entry>, Trouble> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Found {
            value: Option<String>,
            modify_index: u64,
        }
        let answer = self.http.send(self.request(Method::GET, "?consistent"))?;
        if answer.status == 404 {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        let unreadable = |why: String| {
            Trouble::Lasting(format!(
                "GET {}: not an answer of Consul: {why}",
                self.shown()
            ))
        };
        let found: Vec<Found> =
            serde_json::from_slice(&answer.body).map_err(|error| unreadable(error.to_string()))?;
        let Some(found) = found.into_iter().next() else {
            return Ok(None);
        };
        let value = STANDARD
            .decode(found.value.unwrap_or_default())
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Some(Entry {
            value: String::from_utf8_lossy(&value).into_owned(),
            index: found.modify_index,
        }))
    }

    /// A conditional change; false when the condition did not hold.
    fn call(&self, method: Method, query: &str, body: Vec<u8>) -> Result<bool, Trouble> {
        let mut request = self.request(method.clone(), query);
        if method == Method::PUT {
            request = request.body("text/plain; charset=utf-8", body);
        }
        let answer = self.http.send(request)?;
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        Ok(answer.body.trim_ascii() == b"true")
    }

    fn refused(&self, answer: &crate::http::Answer) -> Trouble {
        match answer.trouble(&self.shown()) {
            Trouble::Lasting(why) if matches!(answer.status, 401 | 403) => {
                Trouble::Lasting(format!(
                    "{why}; put a token that may read and write this key into the variable CONSUL_HTTP_TOKEN"
                ))
            }
            trouble => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_keys() {
        let shown = |url: &str, key: &str| {
            ConsulKey::new(url, key, LockSettings::default()).map(|key| key.shown())
        };
        assert_eq!(
            shown("http://u:p@consul:8500/", "acme/snowplow lock"),
            Ok("http://consul:8500/v1/kv/acme/snowplow%20lock".into())
        );
        assert_eq!(
            shown("consul:8500", "k"),
            Err("--consul consul:8500: expected an address such as http://127.0.0.1:8500".into())
        );
    }
}
