//! The engine on a machine: copied once into a folder that is named by the SHA-256 of its content, verified there, and never
//! changed. Beside it lies the script that runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};

use super::ssh::{self, Input};
use crate::config::hosts::Host;

const SCRIPT: &str = include_str!("host.sh");
const SCRIPT_NAME: &str = "host.sh";
const ENGINE_NAME: &str = "camonica-engine";

/// The engine on this machine, read.
#[derive(Clone)]
pub(super) struct Engine {
    path: PathBuf,
    content: Arc<Vec<u8>>,
    sha256: String,
    script_sha256: String,
}

/// What the engine can do beside whole jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Abilities {
    /// Does a share of a job, for `commit` to publish all shares; shares of shred exchange what they must know of each other.
    pub(super) shards: bool,
}

impl Engine {
    /// The engine at `path`, else beside the running program.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find(path: Option<&Path>) -> Result<Self, String> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()
                .map_err(|error| format!("this program cannot be found: {error}"))?
                .with_file_name(ENGINE_NAME),
        };
        let content = fs::read(&path).map_err(|error| {
            format!(
                "the engine for the machines, {}: {error}. Set camonica.engine_binary",
                path.display()
            )
        })?;
        Ok(Self {
            sha256: hex(&Sha256::digest(&content)),
            script_sha256: hex(&Sha256::digest(SCRIPT)),
            content: Arc::new(content),
            path,
        })
    }

    /// Where it lies on a machine.
    pub(super) fn folder(&self, host: &Host) -> String {
        let base = host.folder.trim_end_matches('/');
        // a later version of this program may bring another script for the same engine
        format!("{base}/{}-{}", &self.sha256[..16], &self.script_sha256[..8])
    }

    /// The command that runs the script there.
    pub(super) fn script(&self, host: &Host) -> String {
        format!("sh {}/{SCRIPT_NAME}", self.folder(host))
    }

    /// Brings it to a machine, if it is not there, and asks it what it can do.
    ///
    /// # Errors
    /// When the machine cannot be reached or cannot run it.
    pub(super) fn install(&self, host: &Host, cancel: &AtomicBool) -> Result<Abilities, String> {
        let folder = self.folder(host);
        let look = format!(
            "sh -c 'uname -sm; cd {folder} 2>/dev/null && sha256sum {ENGINE_NAME} {SCRIPT_NAME} 2>/dev/null; true'"
        );
        let found = ssh::run(host, &look, &Input::All(b""), cancel)?;
        if let Some(trouble) = found.trouble(host, "a first look at the machine") {
            return Err(trouble);
        }
        let machine = found
            .out
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        if !machine.starts_with("Linux ") {
            return Err(format!(
                "{host}: the engine runs on Linux, and this machine says '{machine}'"
            ));
        }
        for (name, sum, content) in [
            (ENGINE_NAME, &self.sha256, self.content.as_slice()),
            (SCRIPT_NAME, &self.script_sha256, SCRIPT.as_bytes()),
        ] {
            let line = format!("{sum}  {name}");
            if found.out.lines().any(|found| found.trim() == line) {
                continue;
            }
            // the name of a write that is not finished is that of its process
            let copy = format!(
                "sh -c 'umask 077; mkdir -p {folder} && cd {folder} || exit 94; cat > .{name}.$$ && chmod 700 .{name}.$$ && \
                 echo \"{sum}  .{name}.$$\" | sha256sum -c - >/dev/null && mv -f .{name}.$$ {name} || {{ rm -f .{name}.$$; exit 94; }}'"
            );
            let copied = ssh::run(host, &copy, &Input::All(content), cancel)?;
            if let Some(trouble) = copied.trouble(host, &format!("the copy of {name} to {folder}"))
            {
                return Err(trouble);
            }
        }
        let asked = format!(
            "sh -c 'cd {folder} && ./{ENGINE_NAME} --version && {{ ./{ENGINE_NAME} --help; ./{ENGINE_NAME} shred --help; }}'"
        );
        let answer = ssh::run(host, &asked, &Input::All(b""), cancel)?;
        if let Some(trouble) =
            answer.trouble(host, &format!("a first start of {}", self.path.display()))
        {
            return Err(format!(
                "{trouble}\n  The machine is {machine}. Build a static engine for it, and set camonica.engine_binary"
            ));
        }
        let has = |word: &str| {
            answer
                .out
                .lines()
                .any(|line| line.trim_start().split(' ').next() == Some(word))
        };
        Ok(Abilities {
            shards: has("--shard") && has("--exchange") && has("commit"),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_content() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("engine");
        let error = Engine::find(Some(&path)).err().unwrap();
        assert!(error.contains("Set camonica.engine_binary"), "{error}");
        fs::write(&path, "one").unwrap();
        let one = Engine::find(Some(&path)).unwrap().folder(&Host::new("a"));
        fs::write(&path, "two").unwrap();
        let mut host = Host::new("a");
        host.folder = "/mnt/x/".into();
        let two = Engine::find(Some(&path)).unwrap().folder(&host);
        assert!(
            one.starts_with(".camonica/") && two.starts_with("/mnt/x/"),
            "{one} {two}"
        );
        assert_ne!(one.rsplit('/').next(), two.rsplit('/').next());
    }
}
