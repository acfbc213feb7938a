//! Who holds a lock: what is written into it, and whether that process still lives.
//!
//! The text begins with the process id on a line of its own, as EmrEtlRunner R108 writes it, so that tools which read the
//! first line still work; the other lines are `key value`. A lock of EmrEtlRunner (only the id) is read too.
//!
//! A process id alone proves nothing: ids are used again, containers all have a process 1, and machines share names. So the
//! lock holds machine, boot, process-id namespace and start of the process as well, and only what they prove is said.

use std::fs;

use engine::job::options::now_ms;
use engine::text::time::{days_from_civil, format_iso_millis};
use serde::{Deserialize, Serialize};

/// The owner of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// Process id.
    pub pid: u32,
    /// Name of the machine; empty where it is not known.
    #[serde(default)]
    pub host: String,
    /// When the lock was taken: ISO 8601, UTC; empty where it is not known.
    #[serde(default)]
    pub since: String,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The command that the operator gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What tells the process from others of the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    /// Random: what tells this lock from all others.
    #[serde(default)]
    token: String,
}

/// What tells a process from all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    /// `/etc/machine-id`; empty in most containers.
    machine: String,
    /// The boot of the kernel.
    boot: String,
    /// The namespace in which the process id counts.
    namespace: String,
    /// Clock ticks from the boot to the start of the process.
    start: String,
}

/// Whether the owner of a lock is still at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// The process runs on this machine.
    Running,
    /// It ran on this machine, and runs no more.
    Gone,
    /// It runs, or ran, where this process cannot see it.
    Unknown,
}

impl LockOwner {
    /// This process, now.
    pub fn this_process(run: Option<&str>, command: Option<&str>) -> Self {
        let mut token = [0; 16];
        // A token that is not random makes two locks of one process look alike, and those of two processes still differ.
        if getrandom::fill(&mut token).is_err() {
            let now = now_ms().to_le_bytes();
            token[..now.len()].copy_from_slice(&now);
        }
        let one_line = |text: &str| text.replace(['\n', '\r'], " ");
        Self {
            pid: std::process::id(),
            host: host_name(),
            since: format_iso_millis(now_ms()),
            run: run.map(one_line),
            command: command.map(one_line),
            process: Process::of(std::process::id()),
            token: token.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The content of a lock.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\nhost {}\nsince {}\n", self.pid, self.host, self.since);
        let mut line = |key: &str, value: &str| {
            if !value.is_empty() {
                text.push_str(&format!("{key} {value}\n"));
            }
        };
        line("run", self.run.as_deref().unwrap_or_default());
        line("command", self.command.as_deref().unwrap_or_default());
        if let Some(process) = &self.process {
            line("machine", &process.machine);
            line("boot", &process.boot);
            line("namespace", &process.namespace);
            line("start", &process.start);
        }
        line("token", &self.token);
        text
    }

    /// Reads the content of a lock; `None` when it does not begin with a process id.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let values: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(' ')).collect();
        let value = |key: &str| {
            values
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim().to_owned())
        };
        let process = value("start").map(|start| Process {
            machine: value("machine").unwrap_or_default(),
            boot: value("boot").unwrap_or_default(),
            namespace: value("namespace").unwrap_or_default(),
            start,
        });
        Some(Self {
            pid,
            host: value("host").unwrap_or_default(),
            since: value("since").unwrap_or_default(),
            run: value("run"),
            command: value("command"),
            process,
            token: value("token").unwrap_or_default(),
        })
    }

    /// Whether both are one and the same lock.
    pub fn is_same_lock(&self, other: &Self) -> bool {
        !self.token.is_empty() && self.token == other.token
    }

    /// What tells this lock from all others.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether the owner is still at work, as far as it can be seen from here.
    pub fn liveness(&self) -> Liveness {
        if self.host.is_empty() || self.host != host_name() {
            return Liveness::Unknown;
        }
        let Some(here) = Process::of(std::process::id()) else {
            return Liveness::Unknown;
        };
        let now = Process::of(self.pid);
        let Some(then) = &self.process else {
            // Only the id is known: it is another process that has it, or nobody.
            return match now {
                Some(_) => Liveness::Unknown,
                None => Liveness::Gone,
            };
        };
        let known_machine = !then.machine.is_empty() && !here.machine.is_empty();
        if known_machine && then.machine != here.machine {
            return Liveness::Unknown;
        }
        if then.boot != here.boot {
            // The machine was started anew, or another one has the same name.
            return if known_machine {
                Liveness::Gone
            } else {
                Liveness::Unknown
            };
        }
        if then.namespace != here.namespace {
            return Liveness::Unknown;
        }
        match now {
            Some(now) if now.start == then.start => Liveness::Running,
            _ => Liveness::Gone,
        }
    }

    /// One line for people: who, where, since when.
    pub fn describe(&self) -> String {
        let mut text = format!("held by process {}", self.pid);
        if self.host.is_empty() {
            text.push_str(" of a machine that is not named in it");
        } else {
            text.push_str(&format!(" on host {}", self.host));
        }
        if !self.since.is_empty() {
            text.push_str(&format!(" since {}", self.since));
            if let Some(since) = parse_iso(&self.since) {
                text.push_str(&format!(" ({})", age(now_ms() - since)));
            }
        }
        if let Some(run) = &self.run {
            text.push_str(&format!(", run {run}"));
        }
        if let Some(command) = &self.command {
            text.push_str(&format!(", command: {command}"));
        }
        text
    }
}

impl Process {
    /// A process of this machine that runs (and is not merely waited for); `None` also where the system does not tell.
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of the program, in parentheses, may hold anything.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        if matches!(fields.first(), Some(&("Z" | "X"))) {
            return None;
        }
        let trimmed = |path: &str| {
            fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        Some(Self {
            machine: trimmed("/etc/machine-id"),
            boot: trimmed("/proc/sys/kernel/random/boot_id"),
            namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.display().to_string())
                .unwrap_or_default(),
            // Field 22 of the whole line, the 20th behind the name.
            start: (*fields.get(19)?).to_owned(),
        })
    }
}

/// The name of this machine.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}

/// Milliseconds since the epoch of `YYYY-MM-DDThh:mm:ss[.SSS]Z`.
pub fn parse_iso(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let shape = text.len() >= 20 && text.ends_with('Z');
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if !shape
        || marks
            .iter()
            .any(|(at, mark)| text.get(*at..at + 1) != Some(mark))
    {
        return None;
    }
    let (month, day) = (number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(i64::from(number(0, 4)?), month, i64::from(day));
    let millis = match text.get(19..20) {
        Some(".") => number(20, 23)?,
        _ => 0,
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some((days * 86_400 + seconds) * 1000 + i64::from(millis))
}

/// A span of time for people: `45 s`, `3 h 12 min`, `2 d 4 h`.
pub fn age(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_written_and_read_again() {
        let owner =
            LockOwner::this_process(Some("2018-07-24-10-00-00"), Some("camonica run\n-c x"));
        let text = owner.to_text();
        assert_eq!(
            text.lines().next(),
            Some(std::process::id().to_string().as_str())
        );
        let read = LockOwner::from_text(&text).unwrap();
        assert_eq!(read, owner);
        assert!(read.is_same_lock(&owner));
        assert_eq!(read.command.as_deref(), Some("camonica run -c x"));
        assert!(!LockOwner::this_process(None, None).is_same_lock(&owner));
        let json = serde_json::to_string(&owner).unwrap();
        assert_eq!(serde_json::from_str::<LockOwner>(&json).unwrap(), owner);
    }

    #[test]
    fn a_lock_of_the_reference_is_only_a_process_id() {
        let owner = LockOwner::from_text("4711\n").unwrap();
        assert_eq!(owner.liveness(), Liveness::Unknown);
        assert_eq!(
            owner.describe(),
            "held by process 4711 of a machine that is not named in it"
        );
        assert!(!owner.is_same_lock(&LockOwner::from_text("4711").unwrap()));
        for text in ["", "\n", "x\n", "-1", "99999999999"] {
            assert_eq!(LockOwner::from_text(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_what_is_proved_is_said_of_a_process() {
        let own = LockOwner::this_process(None, None);
        assert_eq!(own.liveness(), Liveness::Running);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let mut other = own.clone();
        other.pid = child.id();
        other.process = Process::of(child.id());
        assert_eq!(other.liveness(), Liveness::Running);
        child.kill().unwrap();
        // killed and not yet waited for: a zombie is gone as well
        while Process::of(child.id()).is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(other.liveness(), Liveness::Gone);
        child.wait().unwrap();
        assert_eq!(other.liveness(), Liveness::Gone);

        let changed = |change: &dyn Fn(&mut LockOwner, &mut Process)| {
            let mut owner = own.clone();
            let mut process = owner.process.clone().unwrap();
            change(&mut owner, &mut process);
            owner.process = Some(process);
            owner.liveness()
        };
        // the same id was used again
        assert_eq!(
            changed(&|_, process| process.start = "1".into()),
            Liveness::Gone
        );
        // in another container
        let container = changed(&|_, process| process.namespace = "pid:[1]".into());
        assert_eq!(container, Liveness::Unknown);
        assert_eq!(
            changed(&|owner, _| owner.host = "elsewhere".into()),
            Liveness::Unknown
        );
        let twin = changed(&|_, process| {
            process.machine = "another".into();
            process.boot = "another".into();
        });
        let nameless = own.process.as_ref().unwrap().machine.is_empty();
        assert_eq!(twin, Liveness::Unknown, "{nameless}");
        // started anew, and that can be told only of a machine with an id
        let rebooted = changed(&|_, process| process.boot = "before".into());
        let expected = if nameless {
            Liveness::Unknown
        } else {
            Liveness::Gone
        };
        assert_eq!(rebooted, expected);
    }

    #[test]
    fn times_and_spans() {
        for (text, expected) in [
            ("1970-01-01T00:00:01.500Z", Some(1500)),
            ("2018-07-24T10:15:30Z", Some(1_532_427_330_000)),
            ("2018-13-24T10:15:30Z", None),
            ("2018-07-24 10:15:30Z", None),
            ("2018-07-24T10:15:30", None),
            ("ä", None),
            ("2018-07-24T10:15:3äZ", None),
        ] {
            assert_eq!(parse_iso(text), expected, "{text}");
        }
        assert_eq!(
            parse_iso(&format_iso_millis(1_532_427_330_123)),
            Some(1_532_427_330_123)
        );
        for (seconds, expected) in [
            (-5, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (11_520, "3 h 12 min"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(age(seconds * 1000), expected);
        }
    }
}
