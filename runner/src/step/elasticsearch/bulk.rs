//! The `_bulk` API: documents in batches, refusals that pass waited out, failed documents sent again alone.
//!
//! Index and type stand in the path, so that servers which allow no index in the lines (`rest.action.multi.allow_explicit_index`)
//! take it as well. Types went out of use with version 7: there, and with OpenSearch, the path has none. A request that is too
//! large for the server is halved.

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;

use super::lines::MAX_LINE;
use super::{ElasticCredentials, ElasticTarget, SendSettings, Sent};
use crate::backoff::{Clock, Trouble, Waits};
use crate::http::{Answer, HttpClient, Request, encode_part};

/// One document to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Where the line is, for messages.
    pub place: String,
    /// A JSON object on one line.
    pub line: Vec<u8>,
}

/// Sends documents to one target.
pub struct Bulk<'b> {
    target: &'b ElasticTarget,
    http: HttpClient,
    settings: &'b SendSettings,
    clock: &'b dyn Clock,
    /// Whether the path names the type; not known before the first request.
    typed: Option<bool>,
    waiting: Vec<Document>,
    waiting_bytes: usize,
    sent: Sent,
}

/// What became of a request.
enum Outcome {
    /// The documents that are to be sent again, and why.
    Again(Vec<Document>, Option<Trouble>),
    TooLarge(Vec<Document>),
}

#[derive(Deserialize)]
struct BulkAnswer {
    #[serde(default)]
    items: Vec<serde_json::Map<String, Value>>,
}

impl<'b> Bulk<'b> {
    /// Nothing is sent before there is a full batch.
    pub fn new(
        target: &'b ElasticTarget,
        http: HttpClient,
        settings: &'b SendSettings,
        clock: &'b dyn Clock,
    ) -> Self {
        Self {
            target,
            http,
            settings,
            clock,
            typed: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            sent: Sent::default(),
        }
    }

    /// Takes a document; sends when the batch is full.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn add(&mut self, document: Document) -> Result<(), String> {
        if document.line.len() > MAX_LINE {
            self.reject(&document.place, "longer than Elasticsearch takes");
            return Ok(());
        }
        // A line that is no object would be refused; one with a line feed or none at all would shift those behind it.
        let is_object = document.line.first() == Some(&b'{')
            && document.line.last() == Some(&b'}')
            && !document.line.contains(&b'\n');
        if !is_object {
            self.reject(&document.place, "the line is no JSON object");
            return Ok(());
        }
        let full = self.waiting_bytes + document.line.len() > self.settings.most_bytes
            || self.waiting.len() >= self.settings.most_documents;
        if full && !self.waiting.is_empty() {
            self.flush()?;
        }
        self.waiting_bytes += document.line.len();
        self.waiting.push(document);
        Ok(())
    }

    /// Sends what waits, and tells what was sent in all.
    ///
    /// # Errors
    /// When Elasticsearch refuses a whole request for good, or is not to be had within the time.
    pub fn finish(mut self) -> Result<Sent, String> {
        self.flush()?;
        Ok(self.sent)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.waiting_bytes = 0;
        // Halves of batches that are too large come back here.
        let mut batches = vec![std::mem::take(&mut self.waiting)];
        while let Some(mut batch) = batches.pop() {
            let mut waits = self.settings.backoff.begin(self.clock);
            while !batch.is_empty() {
                let before = batch.len();
                match self.try_batch(batch, &waits)? {
                    Outcome::TooLarge(mut documents) if documents.len() > 1 => {
                        let half = documents.split_off(documents.len() / 2);
                        batches.push(half);
                        batch = documents;
                    }
                    Outcome::TooLarge(documents) => {
                        for document in documents {
                            self.reject(&document.place, "larger than the server takes (HTTP 413)");
                        }
                        break;
                    }
                    Outcome::Again(documents, trouble) => {
                        batch = documents;
                        let Some(trouble) = trouble else { continue };
                        if batch.len() < before {
                            waits.start_over();
                        }
                        self.wait(&mut waits, trouble)?;
                        self.sent.repeated += batch.len() as u64;
                    }
                }
            }
        }
        Ok(())
    }

    fn wait(&self, waits: &mut Waits<'_>, trouble: Trouble) -> Result<(), String> {
        match trouble {
            Trouble::Lasting(why) => Err(why),
            Trouble::Passing { why, at_least } => {
                if waits.wait("Elasticsearch", &why, at_least) {
                    Ok(())
                } else {
                    Err(waits.given_up(&why))
                }
            }
        }
    }

    /// One request. What it leaves is to be sent again.
    fn try_batch(&mut self, batch: Vec<Document>, waits: &Waits<'_>) -> Result<Outcome, String> {
        let typed = match self.typed {
            Some(typed) => typed,
            None => match self.has_types() {
                Ok(typed) => {
                    self.typed = Some(typed);
                    typed
                }
                Err(trouble @ Trouble::Passing { .. }) => {
                    return Ok(Outcome::Again(batch, Some(trouble)));
                }
                Err(Trouble::Lasting(why)) => return Err(why),
            },
        };
        let url = self.url(typed);
        let request = self
            .request(Method::POST, &url)
            .body("application/x-ndjson", body(&batch));
        self.sent.requests += 1;
        let answer = match self.http.send(request) {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Outcome::Again(batch, Some(trouble))),
        };
        if answer.is_success() {
            return self.take_apart(batch, &answer, waits);
        }
        if answer.status == 413 {
            return Ok(Outcome::TooLarge(batch));
        }
        if typed && answer.status == 400 && self.complains_of_types(&answer) {
            self.typed = Some(false);
            return Ok(Outcome::Again(batch, None));
        }
        match answer.trouble(&self.target.to_string()) {
            passing @ Trouble::Passing { .. } => Ok(Outcome::Again(batch, Some(passing))),
            Trouble::Lasting(why) => Err(self.advice(answer.status, &why)),
        }
    }

    /// Counts the documents of an answer; those that may go well later are left.
    fn take_apart(
        &mut self,
        batch: Vec<Document>,
        answer: &Answer,
        waits: &Waits<'_>,
    ) -> Result<Outcome, String> {
        let parsed: BulkAnswer = serde_json::from_slice(&answer.body).map_err(|error| {
            format!(
                "{}: not an answer of Elasticsearch's _bulk API ({error}): {}",
                self.target,
                answer.excerpt()
            )
        })?;
        if parsed.items.len() != batch.len() {
            return Err(format!(
                "{}: {} documents were sent and {} were answered: {}",
                self.target,
                batch.len(),
                parsed.items.len(),
                answer.excerpt()
            ));
        }
        let mut again = Vec::new();
        let mut why = None;
        for (document, item) in batch.into_iter().zip(parsed.items) {
            // One member, named by the action.
            let result = item.values().next().unwrap_or(&Value::Null);
            let status = result.get("status").and_then(Value::as_u64).unwrap_or(0);
            match status {
                200..=299 => {
                    self.sent.documents += 1;
                    self.sent.bytes += document.line.len() as u64;
                }
                408 | 429 | 500..=599 => {
                    let text = || format!("{}: {}", self.target, reason(status, result));
                    why.get_or_insert_with(text);
                    again.push(document);
                }
                400 | 413 => self.reject(&document.place, &reason(status, result)),
                _ => {
                    let place = &document.place;
                    let text = format!("{}: {place}: {}", self.target, reason(status, result));
                    return Err(self.advice(u16::try_from(status).unwrap_or(0), &text));
                }
            }
        }
        let trouble = why.map(|why| {
            let tries = waits.failures() + 1;
            let text = format!("{why} ({} documents, try {tries})", again.len());
            Trouble::Passing {
                why: text,
                at_least: answer.retry_after,
            }
        });
        Ok(Outcome::Again(again, trouble))
    }

    fn reject(&mut self, place: &str, why: &str) {
        self.sent.rejected += 1;
        self.sent
            .first_rejection
            .get_or_insert_with(|| format!("{place}: {why}"));
    }

    /// Whether the server wants the type of documents: up to version 6. One that does not tell its version is asked the old way.
    fn has_types(&mut self) -> Result<bool, Trouble> {
        #[derive(Deserialize)]
        struct Root {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            number: String,
            distribution: Option<String>,
        }
        let url = format!("{}/", self.target.address());
        let answer = self.http.send(self.request(Method::GET, &url))?;
        if !answer.is_success() {
            return match answer.trouble(&self.target.address()) {
                passing @ Trouble::Passing { .. } => Err(passing),
                // Rights to the index need not be rights to the server's own page.
                Trouble::Lasting(_) => Ok(true),
            };
        }
        let Ok(root) = serde_json::from_slice::<Root>(&answer.body) else {
            return Ok(true);
        };
        let major = root.version.number.split('.').next().unwrap_or_default();
        let old = major.parse::<u32>().is_ok_and(|major| major < 7);
        Ok(old && root.version.distribution.is_none())
    }

    fn complains_of_types(&self, answer: &Answer) -> bool {
        let text = String::from_utf8_lossy(&answer.body);
        [
            "no handler found",
            "_type",
            "include_type_name",
            "types removal",
        ]
        .iter()
        .any(|part| text.contains(part))
    }

    fn url(&self, typed: bool) -> String {
        let mut url = format!(
            "{}/{}",
            self.target.address(),
            encode_part(&self.target.index)
        );
        if typed {
            url.push('/');
            url.push_str(&encode_part(&self.target.doc_type));
        }
        url.push_str(
            "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason",
        );
        url
    }

    fn request(&self, method: Method, url: &str) -> Request {
        let request = Request::new(method, url);
        match &self.target.credentials {
            None => request,
            Some(ElasticCredentials::Basic { user, password }) => request.basic(user, password),
            Some(ElasticCredentials::ApiKey(key)) => {
                request.secret_header(AUTHORIZATION, &format!("ApiKey {key}"))
            }
        }
    }

    /// A refusal that lasts, with what to do about it.
    fn advice(&self, status: u16, why: &str) -> String {
        let index = &self.target.index;
        let advice = match status {
            401 => {
                "set CAMONICA_ELASTICSEARCH_USER and CAMONICA_ELASTICSEARCH_PASSWORD, or CAMONICA_ELASTICSEARCH_API_KEY".to_owned()
            }
            403 => format!(
                "the user needs the right to write to index {index}, and the index must not be blocked (a full disk makes it read-only)"
            ),
            404 => format!(
                "create the index {index}, or allow its creation (action.auto_create_index), then go on from this step"
            ),
            _ => return why.to_owned(),
        };
        format!("{why}; {advice}")
    }
}

/// The lines of a request: an action and a document each.
fn body(batch: &[Document]) -> Vec<u8> {
    let bytes = batch.iter().map(|document| document.line.len() + 64).sum();
    let mut body = Vec::with_capacity(bytes);
    for document in batch {
        body.extend_from_slice(b"{\"index\":{\"_id\":\"");
        body.extend_from_slice(document.id.as_bytes());
        body.extend_from_slice(b"\"}}\n");
        body.extend_from_slice(&document.line);
        body.push(b'\n');
    }
    body
}

/// Status, type and reason of a document's refusal, on one line.
fn reason(status: u64, result: &Value) -> String {
    let error = &result["error"];
    let mut text = format!("HTTP {status}");
    match error {
        // Version 1 has a text here.
        Value::String(error) => text.push_str(&format!(" {error:.300}")),
        _ => {
            for key in ["type", "reason"] {
                if let Some(part) = error[key].as_str() {
                    text.push_str(&format!(" {part:.300}"));
                }
            }
        }
    }
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_request() {
        let document = |id: &str, line: &str| Document {
            id: id.into(),
            place: String::new(),
            line: line.into(),
        };
        let body = body(&[document("a", r#"{"x":1}"#), document("b", "{}")]);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\"index\":{\"_id\":\"a\"}}\n{\"x\":1}\n{\"index\":{\"_id\":\"b\"}}\n{}\n"
        );
    }

    #[test]
    fn reasons_of_all_versions() {
        for (result, expected) in [
            (r#"{"error":"boom\nboom"}"#, "HTTP 400 boom boom"),
            (
                r#"{"error":{"type":"mapper_parsing_exception","reason":"no"}}"#,
                "HTTP 400 mapper_parsing_exception no",
            ),
            ("{}", "HTTP 400"),
        ] {
            assert_eq!(
                reason(400, &serde_json::from_str(result).unwrap()),
                expected
            );
        }
    }
}
