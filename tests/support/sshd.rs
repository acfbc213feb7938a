//! OpenSSH servers on loopback (Debian package openssh-server), for tests that run commands on other machines: keys of their own,
//! one user (the one of the test), nothing of the system's configuration.
//!
//! Where there is no sshd the tests print a line that begins with `SKIPPED: sshd` and pass; with `CAMONICA_REQUIRE_SSHD` set
//! they fail instead.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "part of a test binary, outside of its test functions"
)]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::free_port;

/// A server that ends with the test.
pub struct Sshd {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keys of the servers and of their user, in a folder.
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// New keys; `None` (and a loud line) where there is no OpenSSH server.
    pub fn new(folder: &Path) -> Option<Self> {
        let is_there = Path::new("/usr/sbin/sshd").exists();
        if !is_there {
            println!("SKIPPED: sshd is not installed (Debian package openssh-server)");
            assert!(
                std::env::var_os("CAMONICA_REQUIRE_SSHD").is_none(),
                "sshd is required here"
            );
            return None;
        }
        fs::create_dir_all(folder).unwrap();
        for name in ["host", "user"] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join(name))
                .status()
                .unwrap();
            assert!(status.success());
        }
        fs::copy(folder.join("user.pub"), folder.join("authorized")).unwrap();
        Some(Self {
            folder: folder.to_owned(),
        })
    }

    /// The user's private key.
    pub fn identity(&self) -> String {
        self.folder.join("user").display().to_string()
    }

    /// Options of ssh: the servers of these keys are known, and nothing of the user's own configuration counts.
    pub fn options(&self, servers: &[&Sshd]) -> Vec<String> {
        let public = fs::read_to_string(self.folder.join("host.pub")).unwrap();
        let known: String = servers
            .iter()
            .map(|server| format!("[127.0.0.1]:{} {public}", server.port))
            .collect();
        let file = self.folder.join("known_hosts");
        fs::write(&file, known).unwrap();
        vec![
            format!("UserKnownHostsFile={}", file.display()),
            "GlobalKnownHostsFile=/dev/null".into(),
            "StrictHostKeyChecking=yes".into(),
            "ConnectionAttempts=1".into(),
        ]
    }
}

impl Sshd {
    /// Starts a server.
    pub fn start(keys: &Keys, name: &str) -> Self {
        // sshd drops privileges into a folder that the system makes at boot
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port();
        let folder = keys.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("sshd_config");
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\nPidFile {folder}/pid\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPrintMotd no\n\
             LogLevel ERROR\nMaxStartups 100\n",
            keys = keys.folder.display(),
            folder = folder.display()
        );
        fs::write(&config, text).unwrap();
        fs::set_permissions(keys.folder.join("host"), fs::Permissions::from_mode(0o600)).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            port,
            folder,
            child,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(20)
                || server.child.try_wait().unwrap().is_some()
            {
                let log = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
                panic!("sshd does not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Ends the server; sessions that are open go on, as a real server's.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends the server and all its sessions, as a machine that goes down.
    pub fn crash(&mut self) {
        let children = children_of(self.child.id());
        self.stop();
        for child in children {
            for pid in children_of(child).into_iter().chain([child]) {
                let _ = Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status();
            }
        }
    }
}

/// Processes whose parent is `pid`.
fn children_of(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent == Some(pid.to_string().as_str()) {
            found.push(child);
        }
    }
    found
}
