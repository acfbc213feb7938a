//! A scripted EMR on loopback: the JSON protocol of its API, and the documented state machine of clusters and steps.
//!
//! A cluster moves one step at each first page of `ListSteps`: STARTING, BOOTSTRAPPING, RUNNING; its steps PENDING, RUNNING, and
//! what the script says; then TERMINATING and TERMINATED or TERMINATED_WITH_ERRORS. Faults meet calls by operation and number.
//! Every call is kept with its body. Steps that complete may do real work.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "part of a test binary, outside of its test functions"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What befalls one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 400 `ThrottlingException`.
    Throttled,
    /// This status, with an empty page.
    Status(u16),
    /// 400 `ExpiredTokenException`.
    Expired,
    /// 400 `AccessDeniedException`.
    Denied,
    /// 400 `ValidationException`.
    Invalid,
    /// The connection is closed before anything is done.
    Refused,
    /// The call has its effect, and the connection is closed before the answer.
    AnswerLost,
}

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// COMPLETED, when its work succeeds.
    Completes,
    /// FAILED; the cluster ends with STEP_FAILURE.
    Fails,
    /// RUNNING for ever.
    Hangs,
    /// The cluster is taken away while it runs.
    ClusterLost,
}

/// What becomes of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its steps end so, in order; those without a word complete.
    Runs(Vec<End>),
    /// A bootstrap action fails.
    BootstrapFails,
    /// As `Runs` with every step completed, but it waits instead of ending.
    NeverEnds,
}

type Work = Arc<dyn Fn(&[String]) -> Result<(), String> + Send + Sync>;

struct Step {
    id: String,
    name: String,
    args: Vec<String>,
    state: &'static str,
    started: Option<f64>,
    ended: Option<f64>,
    reason: String,
}

struct Cluster {
    id: String,
    request: Value,
    fate: Fate,
    state: &'static str,
    code: &'static str,
    message: String,
    ready: Option<f64>,
    ended: Option<f64>,
    steps: Vec<Step>,
}

#[derive(Default)]
struct State {
    clusters: Vec<Cluster>,
    fates: VecDeque<Fate>,
    faults: Vec<(String, usize, Fault)>,
    calls: Vec<(String, Value)>,
    page: usize,
    /// Security configurations by name.
    security: Vec<(String, String)>,
}

/// The running endpoint.
pub struct EmrEndpoint {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl EmrEndpoint {
    /// Starts it. Clusters meet `fates` in the order in which they are asked for; later ones run.
    pub fn start(
        fates: &[Fate],
        work: impl Fn(&[String]) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            fates: fates.iter().cloned().collect(),
            page: 2,
            ..State::default()
        }));
        let work: Work = Arc::new(work);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, work) = (Arc::clone(&shared), Arc::clone(&work));
                std::thread::spawn(move || {
                    let _ = serve(&stream, &state, &work);
                });
            }
        });
        Self { state, port }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From the `number`-th call (from 1) of `operation` on, the next `count` calls meet `fault`.
    pub fn fault(&self, operation: &str, number: usize, count: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        for n in number..number + count {
            state.faults.push((operation.to_owned(), n, fault));
        }
    }

    /// Makes a security configuration known.
    pub fn security_configuration(&self, name: &str, document: &Value) {
        let mut state = self.state.lock().unwrap();
        state.security.push((name.to_owned(), document.to_string()));
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Bodies of the calls of `operation`.
    pub fn calls(&self, operation: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let calls = state.calls.iter().filter(|(name, _)| name == operation);
        calls.map(|(_, body)| body.clone()).collect()
    }

    /// Ids and states of all clusters.
    pub fn clusters(&self) -> Vec<(String, &'static str)> {
        let state = self.state.lock().unwrap();
        state
            .clusters
            .iter()
            .map(|cluster| (cluster.id.clone(), cluster.state))
            .collect()
    }

    /// Names and states of the steps of the last cluster.
    pub fn steps(&self) -> Vec<(String, &'static str)> {
        let state = self.state.lock().unwrap();
        let last = state.clusters.last();
        last.map(|cluster| {
            let steps = cluster.steps.iter();
            steps.map(|step| (step.name.clone(), step.state)).collect()
        })
        .unwrap_or_default()
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

fn serve(stream: &TcpStream, state: &Mutex<State>, work: &Work) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => {
                    let value = value.trim();
                    operation = value
                        .strip_prefix("ElasticMapReduce.")
                        .unwrap_or(value)
                        .to_owned();
                }
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let fault = {
        let mut state = state.lock().unwrap();
        state.calls.push((operation.clone(), body.clone()));
        let number = state
            .calls
            .iter()
            .filter(|(name, _)| *name == operation)
            .count();
        let found = state
            .faults
            .iter()
            .find(|(name, n, _)| *name == operation && *n == number);
        found.map(|(_, _, fault)| *fault)
    };
    let refused = |kind: &str, text: &str| (400, json!({ "__type": kind, "message": text }));
    let (status, answer) = match fault {
        Some(Fault::Refused) => return Ok(()),
        Some(Fault::Throttled) => refused("ThrottlingException", "Rate exceeded"),
        Some(Fault::Expired) => refused(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        Some(Fault::Denied) => refused(
            "AccessDeniedException",
            "User is not authorized to perform this",
        ),
        Some(Fault::Invalid) => refused("ValidationException", "Instance profile acme is invalid."),
        Some(Fault::Status(status)) => (status, Value::Null),
        Some(Fault::AnswerLost) => {
            answer(&operation, &body, state, work);
            return Ok(());
        }
        None => answer(&operation, &body, state, work),
    };
    let text = if answer.is_null() {
        String::new()
    } else {
        answer.to_string()
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn answer(operation: &str, body: &Value, state: &Mutex<State>, work: &Work) -> (u16, Value) {
    let mut state = state.lock().unwrap();
    let unknown = || {
        let text = "Cluster id is not valid.";
        (
            400,
            json!({ "__type": "InvalidRequestException", "message": text }),
        )
    };
    match operation {
        "RunJobFlow" => {
            let number = state.clusters.len() + 1;
            let fate = state.fates.pop_front().unwrap_or(Fate::Runs(Vec::new()));
            let steps = body["Steps"].as_array().cloned().unwrap_or_default();
            let steps = steps.iter().enumerate().map(|(index, step)| Step {
                id: format!("s-{number}-{index}"),
                name: step["Name"].as_str().unwrap().to_owned(),
                args: step["HadoopJarStep"]["Args"]
                    .as_array()
                    .map(|args| {
                        args.iter()
                            .map(|arg| arg.as_str().unwrap().to_owned())
                            .collect()
                    })
                    .unwrap_or_default(),
                state: "PENDING",
                started: None,
                ended: None,
                reason: String::new(),
            });
            let cluster = Cluster {
                id: format!("j-CAMONICA{number}"),
                request: body.clone(),
                fate,
                state: "STARTING",
                code: "",
                message: String::new(),
                ready: None,
                ended: None,
                steps: steps.collect(),
            };
            let id = cluster.id.clone();
            state.clusters.push(cluster);
            (
                200,
                json!({ "JobFlowId": id, "ClusterArn": format!("arn:aws:elasticmapreduce:eu-west-1:1:cluster/{id}") }),
            )
        }
        "ListClusters" => {
            let all: Vec<Value> = state.clusters.iter().rev().map(|cluster| {
                json!({ "Id": cluster.id, "Name": cluster.request["Name"], "Status": { "State": cluster.state } })
            }).collect();
            (200, paged("Clusters", &all, body, 1))
        }
        "DescribeCluster" => {
            let Some(cluster) = state
                .clusters
                .iter()
                .find(|each| body["ClusterId"] == each.id.as_str())
            else {
                return unknown();
            };
            (
                200,
                json!({ "Cluster": {
                "Id": cluster.id,
                "Name": cluster.request["Name"],
                "LogUri": cluster.request["LogUri"],
                "Tags": cluster.request["Tags"],
                "Status": {
                    "State": cluster.state,
                    "StateChangeReason": { "Code": cluster.code, "Message": cluster.message },
                    "Timeline": timeline(&[("CreationDateTime", Some(1.0)), ("ReadyDateTime", cluster.ready), ("EndDateTime", cluster.ended)]),
                },
            } }),
            )
        }
        "ListSteps" => {
            let page = state.page;
            let Some(cluster) = state
                .clusters
                .iter_mut()
                .find(|each| body["ClusterId"] == each.id.as_str())
            else {
                return unknown();
            };
            if body["Marker"].is_null() {
                advance(cluster, work);
            }
            let all: Vec<Value> = cluster.steps.iter().rev().map(|step| {
                json!({ "Id": step.id, "Name": step.name, "Status": {
                    "State": step.state,
                    "FailureDetails": { "Message": step.reason },
                    "Timeline": timeline(&[("StartDateTime", step.started), ("EndDateTime", step.ended)]),
                } })
            }).collect();
            (200, paged("Steps", &all, body, page))
        }
        "DescribeSecurityConfiguration" => {
            let found = state
                .security
                .iter()
                .find(|(name, _)| body["Name"] == name.as_str());
            match found {
                Some((name, text)) => (
                    200,
                    json!({ "Name": name, "SecurityConfiguration": text, "CreationDateTime": 1.0 }),
                ),
                None => (
                    400,
                    json!({ "__type": "InvalidRequestException", "message": "Security configuration with that name does not exist." }),
                ),
            }
        }
        "TerminateJobFlows" => {
            let ids = body["JobFlowIds"].as_array().cloned().unwrap_or_default();
            for cluster in &mut state.clusters {
                if ids.contains(&json!(cluster.id)) && cluster.ended.is_none() {
                    end(
                        cluster,
                        "TERMINATED",
                        "USER_REQUEST",
                        "Terminated by user request",
                    );
                    for step in &mut cluster.steps {
                        if matches!(step.state, "PENDING" | "RUNNING") {
                            step.state = "CANCELLED";
                        }
                    }
                }
            }
            (200, json!({}))
        }
        other => (
            400,
            json!({ "__type": "UnknownOperationException", "message": other }),
        ),
    }
}

fn timeline(times: &[(&str, Option<f64>)]) -> Value {
    let mut found = serde_json::Map::new();
    for (name, time) in times {
        if let Some(time) = time {
            found.insert((*name).to_owned(), json!(time));
        }
    }
    Value::Object(found)
}

fn paged(name: &str, all: &[Value], body: &Value, size: usize) -> Value {
    let from: usize = body["Marker"]
        .as_str()
        .map_or(0, |marker| marker.parse().unwrap());
    let to = (from + size).min(all.len());
    let mut page = json!({ name: all[from..to] });
    if to < all.len() {
        page["Marker"] = json!(to.to_string());
    }
    page
}

fn end(cluster: &mut Cluster, state: &'static str, code: &'static str, message: &str) {
    cluster.state = state;
    cluster.code = code;
    cluster.message = message.to_owned();
    cluster.ended = Some(now());
}

/// One move of the state machine.
fn advance(cluster: &mut Cluster, work: &Work) {
    match cluster.state {
        "STARTING" => cluster.state = "BOOTSTRAPPING",
        "BOOTSTRAPPING" if cluster.fate == Fate::BootstrapFails => {
            for step in &mut cluster.steps {
                step.state = "CANCELLED";
            }
            cluster.state = "TERMINATING";
            cluster.code = "BOOTSTRAP_FAILURE";
            cluster.message =
                "On the master instance (i-0), bootstrap action 1 returned a non-zero return code"
                    .into();
        }
        "BOOTSTRAPPING" => {
            cluster.state = "RUNNING";
            cluster.ready = Some(now());
        }
        "TERMINATING" => {
            let state = if cluster.code == "ALL_STEPS_COMPLETED" {
                "TERMINATED"
            } else {
                "TERMINATED_WITH_ERRORS"
            };
            cluster.state = state;
            cluster.ended = Some(now());
        }
        "RUNNING" => advance_steps(cluster, work),
        _ => {}
    }
}

fn advance_steps(cluster: &mut Cluster, work: &Work) {
    let Some(index) = cluster
        .steps
        .iter()
        .position(|step| step.state != "COMPLETED")
    else {
        if cluster.fate == Fate::NeverEnds {
            cluster.state = "WAITING";
        } else {
            cluster.state = "TERMINATING";
            cluster.code = "ALL_STEPS_COMPLETED";
            cluster.message = "Steps completed".into();
        }
        return;
    };
    let fate = match &cluster.fate {
        Fate::Runs(ends) => ends.get(index).copied().unwrap_or(End::Completes),
        _ => End::Completes,
    };
    let step = &mut cluster.steps[index];
    if step.state == "PENDING" {
        step.state = "RUNNING";
        step.started = Some(now());
        return;
    }
    let result = match fate {
        End::Hangs => return,
        End::Completes => work(&step.args),
        End::Fails => Err("Exception in thread main".to_owned()),
        End::ClusterLost => Err(String::new()),
    };
    step.ended = Some(now());
    match result {
        Ok(()) => step.state = "COMPLETED",
        Err(reason) => {
            step.state = if fate == End::ClusterLost {
                "INTERRUPTED"
            } else {
                "FAILED"
            };
            step.reason = reason;
            for later in &mut cluster.steps[index + 1..] {
                later.state = "CANCELLED";
            }
            cluster.state = "TERMINATING";
            (cluster.code, cluster.message) = if fate == End::ClusterLost {
                (
                    "INSTANCE_FAILURE",
                    "The master node was terminated: spot instance termination".into(),
                )
            } else {
                ("STEP_FAILURE", "Shut down as step failed".into())
            };
        }
    }
}
