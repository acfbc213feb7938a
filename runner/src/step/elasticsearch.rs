//! Elasticsearch: bad rows of a run become documents of an index, so that people can look into them.
//!
//! EmrEtlRunner R108 runs a Hadoop job (`ElasticsearchJob`) for each storage target of purpose `FAILED_EVENTS` and each folder of
//! bad rows; here the lines go to the `_bulk` API of the same index and type. `nodesWanOnly` concerns that job's way of finding
//! nodes and has no effect: requests go to the target's host only.
//!
//! The id of a document is a hash of the run and the place of its line, so that a step that is done again overwrites what it
//! had written before, and doubles nothing. Elasticsearch holds a copy: the bad rows stay where they are. A document that it
//! refuses for good (a field that does not fit the mapping) is counted and left; everything else that is refused for good ends
//! the step.

pub mod bulk;
pub mod lines;

use std::fmt;
use std::time::Duration;

use engine::store::Location;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::bulk::{Bulk, Document};
use crate::backoff::{Backoff, Clock, SystemClock};
use crate::http::{HttpClient, Timeouts};

/// A storage target of the schema `com.snowplowanalytics.snowplow.storage/elastic_config`.
#[derive(Clone, PartialEq, Eq)]
pub struct ElasticTarget {
    /// `name`: for people.
    pub name: String,
    /// Host, without scheme and port.
    pub host: String,
    /// HTTP port.
    pub port: u16,
    /// The index.
    pub index: String,
    /// The type of documents; left out where the server knows no types any more.
    pub doc_type: String,
    /// Whether to use TLS: `host` is written `https://...`, or the port is 443.
    pub https: bool,
    /// The schema has no place for it; see [`ElasticCredentials::from_environment`].
    pub credentials: Option<ElasticCredentials>,
}

/// How Elasticsearch knows us.
#[derive(Clone, PartialEq, Eq)]
pub enum ElasticCredentials {
    /// Basic authentication.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// `Authorization: ApiKey ...`: the encoded key.
    ApiKey(String),
}

impl ElasticCredentials {
    /// `CAMONICA_ELASTICSEARCH_API_KEY`, else `CAMONICA_ELASTICSEARCH_USER` and `CAMONICA_ELASTICSEARCH_PASSWORD`.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(key) = set("CAMONICA_ELASTICSEARCH_API_KEY") {
            return Some(Self::ApiKey(key));
        }
        Some(Self::Basic {
            user: set("CAMONICA_ELASTICSEARCH_USER")?,
            password: set("CAMONICA_ELASTICSEARCH_PASSWORD")?,
        })
    }
}

impl fmt::Debug for ElasticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ElasticCredentials(..)")
    }
}

impl fmt::Debug for ElasticTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `<address>/<index>`: for messages.
impl fmt::Display for ElasticTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.index)
    }
}

impl ElasticTarget {
    /// Reads the `data` of a target that is valid against its schema.
    ///
    /// # Errors
    /// Key and reason when a value cannot be used.
    pub fn from_data(data: &Value) -> Result<Self, String> {
        let text = |key: &str| {
            data.get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| format!("data.{key}: expected a text"))
        };
        let port = data
            .get("port")
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0)
            .ok_or("data.port: expected a number from 1 to 65535")?;
        let host = text("host")?;
        let (scheme, host) = match host.split_once("://") {
            Some((scheme, host)) => (Some(scheme), host),
            None => (None, host.as_str()),
        };
        let https = match scheme {
            Some("https") => true,
            Some("http") => false,
            None => port == 443,
            Some(other) => {
                return Err(format!(
                    "data.host: expected http or https, found '{other}'"
                ));
            }
        };
        let host = host.trim_end_matches('/');
        if host.contains('@') {
            return Err(
                "data.host: credentials do not belong here; set CAMONICA_ELASTICSEARCH_USER and CAMONICA_ELASTICSEARCH_PASSWORD"
                    .into(),
            );
        }
        if host.contains(['/', '?', '#', ' ']) {
            return Err(format!(
                "data.host: expected the name of a host, found '{host}'"
            ));
        }
        Ok(Self {
            name: text("name")?,
            host: host.to_owned(),
            port,
            index: text("index")?,
            doc_type: text("type")?,
            https,
            credentials: None,
        })
    }

    /// Scheme, host and port.
    pub fn address(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

/// How documents are sent.
#[derive(Debug, Clone, Copy)]
pub struct SendSettings {
    /// Bytes of documents after which a request is full.
    pub most_bytes: usize,
    /// Documents after which a request is full.
    pub most_documents: usize,
    /// How refusals that pass are waited out: each request may take so long in all.
    pub backoff: Backoff,
    /// Time-outs of requests.
    pub timeouts: Timeouts,
}

impl Default for SendSettings {
    fn default() -> Self {
        Self {
            most_bytes: 5 << 20,
            most_documents: 2000,
            backoff: Backoff::default(),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                total: Duration::from_secs(120),
            },
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Documents that the index holds now.
    pub documents: u64,
    /// Lines that Elasticsearch refused for good, or that are no JSON object.
    pub rejected: u64,
    /// Bytes of the documents.
    pub bytes: u64,
    /// Requests, repeated ones included.
    pub requests: u64,
    /// Documents that were sent again, once for each time.
    pub repeated: u64,
    /// Place and reason of the first line that was rejected.
    pub first_rejection: Option<String>,
}

impl Sent {
    /// Adds what went to another target or came from another folder.
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.repeated += other.repeated;
        self.first_rejection = self.first_rejection.take().or(other.first_rejection);
    }

    /// A line for people.
    pub fn to_line(&self) -> String {
        let mut line = format!("{} bad rows sent ({} bytes)", self.documents, self.bytes);
        if self.rejected > 0 {
            line.push_str(&format!(
                ", {} rejected, the first: {}",
                self.rejected,
                self.first_rejection.as_deref().unwrap_or_default()
            ));
        }
        line
    }
}

/// Is given each line: its place, unique in the run and the same whenever it is read again, and its bytes without line feed.
pub type EachLine<'e> = dyn FnMut(&str, &[u8]) -> Result<(), String> + 'e;

/// Reads all bad rows below a folder.
pub type ReadLines<'r> = dyn FnMut(&Location, &mut EachLine<'_>) -> Result<(), String> + 'r;

/// Sends the bad rows of the folders `sources` of the run `run_id` to `target`; `read` reads one folder
/// ([`lines::read_folder`]). Folders without bad rows are well.
///
/// # Errors
/// When a folder cannot be read; when Elasticsearch cannot be reached within the time, does not know us, has no such index and
/// may not make it, or took no document at all. What was sent before stays, and is overwritten when the step is done again.
pub fn send(
    target: &ElasticTarget,
    run_id: &str,
    sources: &[Location],
    read: &mut ReadLines<'_>,
    settings: &SendSettings,
) -> Result<Sent, String> {
    send_with(target, run_id, sources, read, settings, &SystemClock)
}

/// [`send`] by a clock of your own.
///
/// # Errors
/// As there.
pub fn send_with(
    target: &ElasticTarget,
    run_id: &str,
    sources: &[Location],
    read: &mut ReadLines<'_>,
    settings: &SendSettings,
    clock: &dyn Clock,
) -> Result<Sent, String> {
    let mut bulk = Bulk::new(target, HttpClient::new(settings.timeouts)?, settings, clock);
    for source in sources {
        read(source, &mut |place, line| {
            let line = line.trim_ascii();
            if line.is_empty() {
                return Ok(());
            }
            bulk.add(Document {
                id: document_id(run_id, place),
                place: place.to_owned(),
                line: line.to_vec(),
            })
        })?;
    }
    let sent = bulk.finish()?;
    if sent.documents == 0 && sent.rejected > 0 {
        return Err(format!(
            "{target}: all {} bad rows were rejected, the first: {}",
            sent.rejected,
            sent.first_rejection.unwrap_or_default()
        ));
    }
    Ok(sent)
}

/// 22 characters: 128 bits of a hash.
fn document_id(run_id: &str, place: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(run_id.as_bytes());
    hash.update([0]);
    hash.update(place.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(host: &str, port: u64) -> Value {
        json!({
            "name": "ours", "host": host, "index": "bad", "port": port, "type": "row",
            "nodesWanOnly": true, "purpose": "FAILED_EVENTS"
        })
    }

    #[test]
    fn targets_are_read() {
        let target = ElasticTarget::from_data(&data("es.acme.com", 9200)).unwrap();
        assert_eq!(target.to_string(), "http://es.acme.com:9200/bad");
        assert_eq!(
            (target.name.as_str(), target.doc_type.as_str()),
            ("ours", "row")
        );
        for (host, port, address) in [
            ("https://es.acme.com/", 9243, "https://es.acme.com:9243"),
            ("http://es.acme.com", 443, "http://es.acme.com:443"),
            ("es.acme.com", 443, "https://es.acme.com:443"),
        ] {
            let target = ElasticTarget::from_data(&data(host, port)).unwrap();
            assert_eq!(target.address(), address);
        }
        for (host, port, part) in [
            ("", 1, "data.host: expected a text"),
            ("ftp://x", 1, "data.host: expected http or https"),
            ("u:secret@x", 1, "CAMONICA_ELASTICSEARCH_USER"),
            ("x/y", 1, "data.host: expected the name of a host"),
            ("x", 0, "data.port"),
            ("x", 65_536, "data.port"),
        ] {
            let error = ElasticTarget::from_data(&data(host, port)).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
        assert!(ElasticTarget::from_data(&json!({})).is_err());
    }

    #[test]
    fn credentials_come_from_the_environment_and_are_not_shown() {
        let of = |pairs: &[(&str, &str)]| {
            ElasticCredentials::from_environment(&|name| {
                pairs
                    .iter()
                    .find(|(found, _)| *found == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("CAMONICA_ELASTICSEARCH_USER", "u")]), None);
        let basic = of(&[
            ("CAMONICA_ELASTICSEARCH_USER", "u"),
            ("CAMONICA_ELASTICSEARCH_PASSWORD", "secret"),
        ]);
        assert!(matches!(basic, Some(ElasticCredentials::Basic { .. })));
        assert!(!format!("{basic:?}").contains("secret"));
        let key = of(&[
            ("CAMONICA_ELASTICSEARCH_API_KEY", "k"),
            ("CAMONICA_ELASTICSEARCH_USER", "u"),
        ]);
        assert_eq!(key, Some(ElasticCredentials::ApiKey("k".into())));
    }

    #[test]
    fn the_id_of_a_document_is_that_of_its_line() {
        let id = document_id("2018-07-24-10-00-00", "s3://b/part-00000:0");
        assert_eq!(id.len(), 22);
        assert_eq!(
            id,
            document_id("2018-07-24-10-00-00", "s3://b/part-00000:0")
        );
        assert_ne!(
            id,
            document_id("2018-07-24-10-00-00", "s3://b/part-00000:1")
        );
        assert_ne!(
            id,
            document_id("2018-07-24-10-00-01", "s3://b/part-00000:0")
        );
    }
}
