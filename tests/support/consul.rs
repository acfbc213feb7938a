//! The key-value store of Consul on loopback: GET, PUT and DELETE below `/v1/kv/`, with `cas`, and faults on request.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "part of a test binary, outside of its test functions"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::http_stub::{HttpStub, Received, Reply};

/// What goes wrong with one request, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: this request is served.
    None,
    /// The connection ends before anything is done.
    CutBefore,
    /// It is done, and the connection ends before the answer.
    CutAfter,
    /// This status, and nothing is done.
    Status(u16),
}

#[derive(Default)]
struct Store {
    keys: BTreeMap<String, (Vec<u8>, u64)>,
    index: u64,
    faults: VecDeque<Fault>,
}

pub struct ConsulStub {
    pub http: HttpStub,
    store: Arc<Mutex<Store>>,
}

impl ConsulStub {
    pub fn start() -> Self {
        let store = Arc::new(Mutex::new(Store::default()));
        let http = HttpStub::start({
            let store = Arc::clone(&store);
            move |request| store.lock().unwrap().answer(request)
        });
        Self { http, store }
    }

    pub fn fail(&self, faults: &[Fault]) {
        self.store.lock().unwrap().faults.extend(faults);
    }

    pub fn set(&self, key: &str, value: &str) {
        self.store.lock().unwrap().write(key, value.as_bytes());
    }

    pub fn get(&self, key: &str) -> Option<String> {
        let store = self.store.lock().unwrap();
        let (value, _) = store.keys.get(key)?;
        Some(String::from_utf8(value.clone()).unwrap())
    }

    pub fn remove(&self, key: &str) {
        self.store.lock().unwrap().keys.remove(key);
    }
}

impl Store {
    fn write(&mut self, key: &str, value: &[u8]) {
        self.index += 1;
        self.keys
            .insert(key.to_owned(), (value.to_vec(), self.index));
    }

    fn answer(&mut self, request: &Received) -> Reply {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::CutBefore => return Reply::Cut,
            Fault::Status(status) => return Reply::text(status, "no cluster leader"),
            Fault::None | Fault::CutAfter => {}
        }
        let reply = self.serve(request);
        if fault == Fault::CutAfter {
            Reply::Cut
        } else {
            reply
        }
    }

    fn serve(&mut self, request: &Received) -> Reply {
        let Some(key) = request.path.strip_prefix("/v1/kv/") else {
            return Reply::text(404, "");
        };
        let current = self.keys.get(key).map(|(_, index)| *index);
        let cas = request
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix("cas="))
            .map(|index| index.parse::<u64>().unwrap());
        match request.method.as_str() {
            "GET" => match self.keys.get(key) {
                None => Reply::text(404, ""),
                Some((value, index)) => {
                    let value = if value.is_empty() {
                        serde_json::Value::Null
                    } else {
                        STANDARD.encode(value).into()
                    };
                    let entry = serde_json::json!([{
                        "LockIndex": 0, "Key": key, "Flags": 0, "Value": value,
                        "CreateIndex": index, "ModifyIndex": index
                    }]);
                    Reply::text(200, entry.to_string())
                }
            },
            "PUT" => {
                // 0: only if there is none; else only if it is still that one
                let done = match cas {
                    None => true,
                    Some(0) => current.is_none(),
                    Some(index) => current == Some(index),
                };
                if done {
                    self.write(key, &request.body);
                }
                Reply::text(200, done.to_string())
            }
            "DELETE" => {
                let done = match cas {
                    None => true,
                    Some(index) => current.is_none() || current == Some(index),
                };
                if done {
                    self.keys.remove(key);
                }
                Reply::text(200, done.to_string())
            }
            _ => Reply::text(405, ""),
        }
    }
}
