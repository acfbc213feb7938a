//! The `_bulk` API of Elasticsearch on loopback, old and new versions, with faults on request.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "part of a test binary, outside of its test functions"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http_stub::{HttpStub, Received, Reply};

/// What goes wrong with one bulk request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    None,
    CutBefore,
    CutAfter,
    Status(u16),
    /// Every second document fails with this status.
    Partial(u16),
}

pub struct Elastic {
    /// Documents by index, type (`-` without) and id.
    pub documents: BTreeMap<String, Value>,
    pub faults: VecDeque<Fault>,
    /// As `GET /` tells it; empty: it does not.
    pub version: &'static str,
    /// Whether the index is there or made.
    pub has_index: bool,
    /// Bytes of the largest request.
    pub most_bytes: usize,
    /// Documents with this text do not fit the mapping.
    pub refuses: Option<&'static str>,
    /// Required of every request.
    pub authorization: Option<&'static str>,
}

pub struct ElasticStub {
    pub http: HttpStub,
    pub state: Arc<Mutex<Elastic>>,
}

impl ElasticStub {
    pub fn start(version: &'static str) -> Self {
        let state = Arc::new(Mutex::new(Elastic {
            documents: BTreeMap::new(),
            faults: VecDeque::new(),
            version,
            has_index: true,
            most_bytes: usize::MAX,
            refuses: None,
            authorization: None,
        }));
        let http = HttpStub::start({
            let state = Arc::clone(&state);
            move |request| state.lock().unwrap().answer(request)
        });
        Self { http, state }
    }

    pub fn fail(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    pub fn documents(&self) -> BTreeMap<String, Value> {
        self.state.lock().unwrap().documents.clone()
    }

    /// The bulk requests that came.
    pub fn bulks(&self) -> Vec<Received> {
        let mut requests = self.http.received();
        requests.retain(|request| request.path.ends_with("/_bulk"));
        requests
    }
}

impl Elastic {
    fn is_typeless(&self) -> bool {
        let major = self.version.split('.').next().unwrap_or_default();
        major.parse::<u32>().is_ok_and(|major| major >= 8)
    }

    fn answer(&mut self, request: &Received) -> Reply {
        if let Some(expected) = self.authorization
            && request.headers.get("authorization").map(String::as_str) != Some(expected)
        {
            return Reply::text(
                401,
                r#"{"error":{"type":"security_exception"},"status":401}"#,
            );
        }
        if request.path == "/" {
            return if self.version.is_empty() {
                Reply::text(403, "{}")
            } else {
                Reply::text(
                    200,
                    json!({"version": {"number": self.version}}).to_string(),
                )
            };
        }
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::CutBefore => return Reply::Cut,
            Fault::Status(429) => {
                return Reply::With(429, "Retry-After: 0\r\n", b"slow down".to_vec());
            }
            Fault::Status(status) => return Reply::text(status, "not now"),
            Fault::None | Fault::CutAfter | Fault::Partial(_) => {}
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let (index, doc_type) = match parts[..] {
            [index, doc_type, "_bulk"] if !self.is_typeless() => (index, doc_type),
            [index, "_bulk"] => (index, "-"),
            _ => {
                let text = format!(
                    "no handler found for uri [{}] and method [POST]",
                    request.path
                );
                return Reply::text(400, json!({"error": text}).to_string());
            }
        };
        if request.body.len() > self.most_bytes {
            return Reply::text(413, "");
        }
        if request.headers["content-type"] != "application/x-ndjson" {
            return Reply::text(406, "");
        }
        let text = request.text();
        assert!(
            text.ends_with('\n'),
            "the last line must end in a line feed"
        );
        let lines: Vec<&str> = text.lines().collect();
        let mut items = Vec::new();
        for (number, pair) in lines.chunks(2).enumerate() {
            let action: Value = serde_json::from_str(pair[0]).unwrap();
            let id = action["index"]["_id"].as_str().unwrap();
            let (status, error) = match fault {
                Fault::Partial(status) if number % 2 == 1 => (
                    status,
                    Some(("es_rejected_execution_exception", "queue is full")),
                ),
                _ if !self.has_index => (404, Some(("index_not_found_exception", "no such index"))),
                _ if self.refuses.is_some_and(|part| pair[1].contains(part)) => (
                    400,
                    Some(("mapper_parsing_exception", "failed to parse [line]")),
                ),
                _ => match serde_json::from_str::<Value>(pair[1]) {
                    Ok(document) => {
                        let place = format!("{index}/{doc_type}/{id}");
                        let before = self.documents.insert(place, document);
                        (if before.is_none() { 201 } else { 200 }, None)
                    }
                    Err(_) => (400, Some(("mapper_parsing_exception", "not JSON"))),
                },
            };
            let mut item = json!({"status": status});
            if let Some((kind, reason)) = error {
                item["error"] = json!({"type": kind, "reason": reason});
            }
            items.push(json!({"index": item}));
        }
        if matches!(fault, Fault::CutAfter) {
            return Reply::Cut;
        }
        Reply::text(200, json!({"errors": false, "items": items}).to_string())
    }
}
