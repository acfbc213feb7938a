//! The page of a running job: stages, tasks, nodes, rates, errors. Served over HTTPS with the node's certificate; it shows
//! numbers and names of nodes, nothing of the data and no setting.
//!
//! `GET /` is the page, which asks for `GET /status.json` every two seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::job::parts::TaskRow;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tls::Peers;

/// Longest head of a request.
const MOST_REQUEST: usize = 8 << 10;
/// How long a visitor may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Errors that are shown.
const MOST_ERRORS: usize = 50;

/// A node.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NodeView {
    /// Its id.
    #[serde(skip)]
    pub id: String,
    /// Where it is reached.
    pub address: String,
    /// Places for tasks.
    pub slots: usize,
    /// Tasks that it does.
    pub running: usize,
    /// When it was last heard of.
    pub heard_seconds_ago: Option<u64>,
}

/// A stage of a plan.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StageView {
    /// The plan.
    pub job: String,
    /// Its number in the plan.
    pub stage: usize,
    /// Its state.
    pub state: String,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that are done.
    pub done: usize,
    /// Tasks that failed and were done again.
    pub failed: usize,
}

/// What a look at the scheduler gives.
#[derive(Debug, Clone, Default, Serialize)]
pub struct View {
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The stages of the running plan.
    pub stages: Vec<StageView>,
}

/// What is known of the job.
#[derive(Debug, Clone, Serialize)]
struct Status {
    job: &'static str,
    seconds: u64,
    stage: String,
    stage_seconds: u64,
    /// Groups, or workers waited for.
    tasks: usize,
    tasks_done: usize,
    records: u64,
    records_per_second: u64,
    good: u64,
    bad: u64,
    errors: Vec<String>,
    #[serde(flatten)]
    view: View,
}

/// Where the driver writes what the page shows. Clones share it.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    stage_started: Instant,
    status: Status,
}

impl Board {
    /// A board of the job called `job`.
    pub fn new(job: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            started: Instant::now(),
            stage_started: Instant::now(),
            status: Status {
                job,
                seconds: 0,
                stage: String::new(),
                stage_seconds: 0,
                tasks: 0,
                tasks_done: 0,
                records: 0,
                records_per_second: 0,
                good: 0,
                bad: 0,
                errors: Vec::new(),
                view: View::default(),
            },
        })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stage begins, of so many tasks.
    pub fn stage(&self, name: &str, tasks: usize) {
        self.with(|inner| {
            inner.stage_started = Instant::now();
            let status = &mut inner.status;
            name.clone_into(&mut status.stage);
            status.tasks = tasks;
            (status.tasks_done, status.records) = (0, 0);
            (status.good, status.bad) = (0, 0);
            status.view.stages.clear();
        });
    }

    /// The rows that tasks of the stage have written so far.
    pub fn rows(&self, rows: &[TaskRow]) {
        self.with(|inner| {
            let status = &mut inner.status;
            (status.records, status.good, status.bad) = (0, 0, 0);
            status.tasks_done = rows.iter().filter(|row| row.group.is_some()).count();
            for row in rows {
                if let Some(counts) = &row.enrich {
                    status.records += counts.records;
                    status.good += counts.good;
                    status.bad += counts.bad_rows();
                }
                if let Some(counts) = &row.shred {
                    status.records += counts.lines;
                    status.good += counts.good;
                    status.bad += counts.bad;
                }
            }
        });
    }

    /// What the scheduler shows now.
    pub fn show(&self, view: View) {
        self.with(|inner| inner.status.view = view);
    }

    /// Something went wrong.
    pub fn failed(&self, error: &str) {
        self.with(|inner| {
            let errors = &mut inner.status.errors;
            if errors.len() < MOST_ERRORS && !errors.iter().any(|known| known == error) {
                errors.push(error.to_owned());
            }
        });
    }

    fn json(&self) -> Vec<u8> {
        let status = self.with(|inner| {
            let status = &mut inner.status;
            status.seconds = inner.started.elapsed().as_secs();
            status.stage_seconds = inner.stage_started.elapsed().as_secs();
            status.records_per_second = status.records / status.stage_seconds.max(1);
            status.clone()
        });
        serde_json::to_vec(&status).unwrap_or_default()
    }
}

/// Answers visitors until the process ends.
pub async fn serve(mut visitors: Peers, board: Board) {
    while let Some(mut stream) = visitors.next_peer().await {
        let board = board.clone();
        tokio::spawn(async move {
            let answered = async {
                let mut head = Vec::new();
                let mut buffer = [0; 1024];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = stream.read(&mut buffer).await?;
                    if read == 0 || head.len() + read > MOST_REQUEST {
                        return Ok(());
                    }
                    head.extend_from_slice(&buffer[..read]);
                }
                let answer = answer(&head, &board);
                stream.write_all(&answer).await?;
                stream.shutdown().await
            };
            let ended: Result<std::io::Result<()>, _> =
                tokio::time::timeout(PATIENCE, answered).await;
            if let Ok(Err(error)) = ended {
                tracing::debug!("page: {error}");
            }
        });
    }
}

fn answer(head: &[u8], board: &Board) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/")) => ("200 OK", "text/html; charset=utf-8", PAGE.into()),
        (Some(b"GET"), Some(b"/status.json")) => ("200 OK", "application/json", board.json()),
        (Some(b"GET"), _) => ("404 Not Found", "text/plain", b"not found\n".to_vec()),
        _ => (
            "405 Method Not Allowed",
            "text/plain",
            b"only GET is answered\n".to_vec(),
        ),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; \
         style-src 'unsafe-inline'; connect-src 'self'\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// The page. Texts are set as text, never as markup.
const PAGE: &str = include_str!("page/page.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_numbers_are_served_and_nothing_else() {
        let board = Board::new("shred");
        board.stage("shred + resolve", 12);
        board.failed("a <script> in an error");
        board.show(View {
            nodes: vec![NodeView {
                address: "node:1".into(),
                slots: 2,
                ..NodeView::default()
            }],
            stages: Vec::new(),
        });
        let get = |path: &str| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            String::from_utf8(answer(head.as_bytes(), &board)).unwrap()
        };
        assert!(get("/").starts_with("HTTP/1.1 200 OK") && get("/").contains("<title>"));
        let json = get("/status.json");
        let body = json.split("\r\n\r\n").nth(1).unwrap();
        let status: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(status["tasks"], 12);
        assert_eq!(status["nodes"][0]["address"], "node:1");
        assert_eq!(status["errors"][0], "a <script> in an error");
        assert!(get("/../secret").starts_with("HTTP/1.1 404"));
        assert!(answer(b"POST / HTTP/1.1\r\n\r\n", &board).starts_with(b"HTTP/1.1 405"));
        assert!(answer(b"\r\n\r\n", &board).starts_with(b"HTTP/1.1 405"));
    }
}
