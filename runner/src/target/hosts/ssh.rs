//! Commands on machines that are reached by OpenSSH's `ssh`: its configuration, agent and known hosts are the operator's.
//!
//! No command asks anything (`BatchMode`), hangs on a machine that is not there (`ConnectTimeout`) or has gone
//! (`ServerAliveInterval`). What goes into standard input is in no argument, here or there.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::config::hosts::Host;

/// What a machine is sent while a job is at work, so that it knows that the runner is there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Seconds without a heartbeat after which a machine stops the job.
pub(super) const PATIENCE: u64 = 120;
/// How long a command that was told to stop may take to do so.
const GRACE: Duration = Duration::from_secs(30);
/// Most bytes of each output that are kept: its end.
const MOST_OUTPUT: usize = 64 << 10;
/// Lines of a machine's standard error in a message.
const TAIL_LINES: usize = 12;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Exit code of the remote command; 255 is `ssh`'s own. `None`: `ssh` was killed.
    pub(super) code: Option<i32>,
    /// End of standard output.
    pub(super) out: String,
    /// End of standard error.
    pub(super) err: String,
    /// Whether it was told to stop.
    pub(super) stopped: bool,
}

impl Ended {
    /// The last lines of standard error.
    fn tail(&self) -> String {
        let lines: Vec<&str> = self
            .err
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines[from..].join("\n  ")
    }

    /// What went wrong, for people; `what` names the work.
    pub(super) fn trouble(&self, host: &Host, what: &str) -> Option<String> {
        let tail = self.tail();
        let tail = if tail.is_empty() {
            "(nothing on standard error)".to_owned()
        } else {
            tail
        };
        let text = match self.code {
            _ if self.stopped => format!("{host}: {what} was stopped"),
            Some(0) => return None,
            Some(255) => format!(
                "{host}: cannot be reached, or was lost while {what} was at work: {tail}\n  Check the machine, and that `{}` works without a question; then resume the run",
                by_hand(host)
            ),
            Some(code @ (126 | 127)) => {
                format!("{host}: {what}: the program cannot run there (exit code {code}): {tail}")
            }
            Some(code @ 128..=192) => format!(
                "{host}: {what} was killed by signal {}{}: {tail}",
                code - 128,
                if code == 137 {
                    " (memory of the machine? see camonica.memory_limit)"
                } else {
                    ""
                }
            ),
            Some(code) => format!("{host}: {what} failed with exit code {code}: {tail}"),
            None => format!("{host}: {what}: ssh was killed: {tail}"),
        };
        Some(text)
    }
}

/// Quotes a word for the shell of the machine.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The command that a person tries a machine with.
fn by_hand(host: &Host) -> String {
    let mut words = vec!["ssh".to_owned()];
    if let Some(identity) = &host.identity {
        words.extend(["-i".to_owned(), quoted(&identity.display().to_string())]);
    }
    if let Some(port) = host.port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    let user = host.user.as_ref().map(|user| format!("{user}@"));
    words.push(quoted(&format!(
        "{}{}",
        user.unwrap_or_default(),
        host.host
    )));
    words.join(" ")
}

/// The words of `ssh` for a command on a machine.
fn arguments(host: &Host, command: &str) -> Vec<String> {
    let mut words: Vec<String> = vec!["-T".into()];
    let mut option = |text: &str| words.extend(["-o".to_owned(), text.to_owned()]);
    // the first value of an option counts: these cannot be changed,
    for fixed in [
        "BatchMode=yes",
        "EscapeChar=none",
        "ForwardX11=no",
        "RemoteCommand=none",
    ] {
        option(fixed);
    }
    for own in &host.options {
        option(own);
    }
    // and these can
    for default in [
        "ConnectTimeout=15",
        "ConnectionAttempts=3",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
        "ForwardAgent=no",
        "LogLevel=ERROR",
    ] {
        option(default);
    }
    if let Some(identity) = &host.identity {
        option("IdentitiesOnly=yes");
        words.extend(["-i".into(), identity.display().to_string()]);
    }
    if let Some(port) = host.port {
        words.extend(["-p".into(), port.to_string()]);
    }
    if let Some(user) = &host.user {
        words.extend(["-l".into(), user.clone()]);
    }
    words.extend(["--".into(), host.host.clone(), command.to_owned()]);
    words
}

/// What goes into standard input of a command.
pub(super) enum Input<'a> {
    /// This, and then its end.
    All(&'a [u8]),
    /// This, and then a sign of life now and then until the command ends.
    Alive(&'a [u8]),
}

/// Runs a command on a machine to its end; `cancel` stops it.
///
/// # Errors
/// When `ssh` cannot be started here.
pub(super) fn run(
    host: &Host,
    command: &str,
    input: &Input<'_>,
    cancel: &AtomicBool,
) -> Result<Ended, String> {
    let mut child = Command::new("ssh")
        .args(arguments(host, command))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ssh cannot be started: {error}. Install OpenSSH's client"))?;
    let out = child.stdout.take().map(tail_of);
    let err = child.stderr.take().map(tail_of);
    let result = feed_and_wait(&mut child, input, cancel);
    if result.is_err() {
        // it is not waited for any more, and must not stay
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: Option<JoinHandle<String>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    let (out, err) = (text(out), text(err));
    let (code, stopped) = result?;
    Ok(Ended {
        code,
        out,
        err,
        stopped,
    })
}

fn feed_and_wait(
    child: &mut Child,
    input: &Input<'_>,
    cancel: &AtomicBool,
) -> Result<(Option<i32>, bool), String> {
    let mut stdin = child.stdin.take();
    let (Input::All(bytes) | Input::Alive(bytes)) = input;
    // A machine that takes nothing would block the write for as long as ssh waits for it; a thread of its own does it.
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let pipe = stdin.take();
        scope.spawn(move || {
            let mut pipe = pipe;
            let written = match &mut pipe {
                Some(pipe) => pipe.write_all(bytes).and_then(|()| pipe.flush()),
                None => Ok(()),
            };
            // a command that ended early has closed its end: its exit code tells why
            let _ = sender.send((pipe, written.map_err(|error| error.kind())));
        });
        let mut pipe: Option<ChildStdin> = None;
        let mut beat = Instant::now();
        let mut stopped_at: Option<Instant> = None;
        loop {
            if let Ok((given, written)) = receiver.try_recv() {
                let is_alive = matches!(input, Input::Alive(_)) && written.is_ok();
                pipe = given.filter(|_| is_alive && stopped_at.is_none());
            }
            match child.try_wait() {
                Ok(Some(status)) => return Ok((status.code(), stopped_at.is_some())),
                Ok(None) => {}
                Err(error) => return Err(format!("ssh cannot be waited for: {error}")),
            }
            if cancel.load(Ordering::Relaxed) && stopped_at.is_none() {
                // The end of its input tells the machine to stop.
                pipe = None;
                stopped_at = Some(Instant::now());
            }
            let is_over = |at: Instant| at.elapsed() > GRACE || matches!(input, Input::All(_));
            if stopped_at.is_some_and(is_over) {
                // then ssh itself goes; the machine sees the end of its input all the same
                let _ = child.kill();
            }
            if beat.elapsed() >= HEARTBEAT {
                beat = Instant::now();
                if let Some(open) = &mut pipe
                    && let Err(error) = open.write_all(b".").and_then(|()| open.flush())
                    && error.kind() != ErrorKind::Interrupted
                {
                    pipe = None;
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    })
}

/// Reads a stream to its end in a thread, and keeps its last part.
fn tail_of(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut kept: Vec<u8> = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => kept.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            if kept.len() > 2 * MOST_OUTPUT {
                kept.drain(..kept.len() - MOST_OUTPUT);
            }
        }
        let from = kept.len().saturating_sub(MOST_OUTPUT);
        let text = String::from_utf8_lossy(&kept[from..]).into_owned();
        // a machine's words go into our log: no control characters but the ends of lines
        text.chars()
            .filter(|c| !c.is_control() || *c == '\n' || *c == '\t')
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ssh() {
        let host = Host {
            user: Some("ec2-user".into()),
            port: Some(2222),
            identity: Some("/k".into()),
            options: vec!["ConnectTimeout=1".into(), "BatchMode=no".into()],
            ..Host::new("10.0.0.1")
        };
        let words = arguments(&host, "uname -sm");
        let text = words.join(" ");
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("BatchMode=yes") < at("BatchMode=no"));
        assert!(at("ConnectTimeout=1 ") < at("ConnectTimeout=15"));
        assert!(
            text.ends_with("-p 2222 -l ec2-user -- 10.0.0.1 uname -sm"),
            "{text}"
        );
    }

    #[test]
    fn words_of_the_machines_shell() {
        assert_eq!(quoted("s3://a/run=1/"), "s3://a/run=1/");
        assert_eq!(quoted("a b*$(x)"), "'a b*$(x)'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn commands_by_hand() {
        let host = Host {
            user: Some("ec2-user".into()),
            port: Some(2222),
            identity: Some("/my keys/id".into()),
            ..Host::new("10.0.0.1")
        };
        assert_eq!(
            by_hand(&host),
            "ssh -i '/my keys/id' -p 2222 ec2-user@10.0.0.1"
        );
        assert_eq!(by_hand(&Host::new("fe80::1%eth0")), "ssh fe80::1%eth0");
    }

    #[test]
    fn troubles_name_the_machine_and_the_end_of_its_errors() {
        let host = Host::new("node-1");
        let ended = |code, err: &str| Ended {
            code,
            out: String::new(),
            err: err.to_owned(),
            stopped: false,
        };
        assert_eq!(ended(Some(0), "noise").trouble(&host, "enrich"), None);
        for (code, err, parts) in [
            (
                Some(255),
                "Connection refused",
                &[
                    "node-1: cannot be reached",
                    "Connection refused",
                    "`ssh node-1` works without a question",
                    "resume the run",
                ][..],
            ),
            (
                Some(1),
                "\nfirst\n\nlast\n",
                &["node-1: enrich failed with exit code 1: first\n  last"],
            ),
            (
                Some(137),
                "",
                &["killed by signal 9 (memory", "(nothing on standard error)"],
            ),
            (Some(126), "Exec format error", &["cannot run there"]),
            (None, "", &["ssh was killed"]),
        ] {
            let text = ended(code, err).trouble(&host, "enrich").unwrap();
            for part in parts {
                assert!(text.contains(part), "{text}");
            }
        }
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let text = ended(Some(1), &many).trouble(&host, "enrich").unwrap();
        assert!(
            !text.contains("line 87\n") && text.ends_with("line 99"),
            "{text}"
        );
    }
}
