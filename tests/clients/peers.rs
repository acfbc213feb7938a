//! Finds the peers of a test, Python and node with their packages, and runs them with a time-out, away from any network.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::project;

/// What a peer may take, on a busy machine too.
const TIMEOUT: Duration = Duration::from_secs(240);
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables that could lead a peer elsewhere than to the collector, or make it another one.
const REMOVED: [&str; 12] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NODE_OPTIONS",
    "NODE_USE_ENV_PROXY",
    "REQUESTS_CA_BUNDLE",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONWARNINGS",
];

/// Node with the tracker; else the reason for the skip is printed.
pub fn node() -> Option<PathBuf> {
    let node = PathBuf::from("node");
    let probe = "require('@snowplow/node-tracker'); if (typeof fetch !== 'function') throw new Error('node 18 or later is needed')";
    let mut command = Command::new(&node);
    command
        .args(["-e", probe])
        .current_dir(project().join("tests"));
    match run(command, PROBE_TIMEOUT) {
        Ok(_) => Some(node),
        Err(why) => {
            skipped("node with @snowplow/node-tracker", &why);
            None
        }
    }
}

/// Python with the named modules: `CAMONICA_PYTHON`, else the tests' own environment, else `python3`.
pub fn python(modules: &[&str], packages: &str) -> Option<PathBuf> {
    let own = project().join("tests/.venv/bin/python");
    let candidates = match std::env::var_os("CAMONICA_PYTHON") {
        Some(given) => vec![PathBuf::from(given)],
        None => vec![own, PathBuf::from("python3")],
    };
    let probe = format!("import {}", modules.join(", "));
    let mut reasons = Vec::new();
    for python in candidates {
        let mut command = Command::new(&python);
        command.args(["-c", &probe]);
        match run(command, PROBE_TIMEOUT) {
            Ok(_) => return Some(python),
            Err(why) => reasons.push(format!("{}: {why}", python.display())),
        }
    }
    skipped(&format!("Python with {packages}"), &reasons.join("; "));
    None
}

/// One line, which `tests/run` counts: begun anew, as the test runner may have begun one with the test's name.
fn skipped(peer: &str, why: &str) {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    println!("\nSKIPPED: real clients: {peer} is missing; tests/run installs it ({why})");
}

/// Runs a script of `tests/clients` and gives its standard output.
pub fn script(interpreter: &Path, name: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(interpreter);
    command
        .arg(project().join("tests/clients").join(name))
        .args(arguments);
    run(command, TIMEOUT).map_err(|why| format!("{name}: {why}"))
}

/// Runs a command to its end, or kills it when the time is over.
fn run(mut command: Command, timeout: Duration) -> Result<String, String> {
    for name in REMOVED {
        command.env_remove(name);
    }
    command
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // Read on threads of their own: a peer that fills a pipe must not wait for ever.
    let stdout = child.stdout.take().map(gather);
    let stderr = child.stderr.take().map(gather);
    let status = wait(&mut child, timeout);
    let output = |gathered: Option<std::thread::JoinHandle<Vec<u8>>>| {
        let bytes = gathered
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (output(stdout), output(stderr));
    match status? {
        status if status.success() => Ok(stdout),
        status => Err(format!("{status}\n{stderr}")),
    }
}

fn wait(child: &mut Child, timeout: Duration) -> Result<std::process::ExitStatus, String> {
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("not done after {} s", timeout.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn gather(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}
