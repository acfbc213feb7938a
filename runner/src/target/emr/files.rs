//! What the nodes of a cluster need: the engine and two scripts, in `<log>/camonica/<SHA-256 of the engine>/`, written once.
//!
//! The engine is a static program (x86-64 Linux): a node of EMR has an older C library than the machine it was built on.
//! `camonica.engine_binary` names it; else it is the `camonica-engine` beside the running program. Where the jobs run on all
//! nodes (`camonica.cluster`) `camonica-cluster` takes its place: it has the engine's commands, too. The nodes check its
//! SHA-256 before they run it. What a run's steps must read (resolver, enrichments: they hold keys of registries) lies in
//! `<log>/camonica/<run id>/documents/`, encrypted as all we write; step arguments name it and never hold it.

use std::fs;
use std::path::{Path, PathBuf};

use engine::store::{Encryption, Location};
use sha2::{Digest, Sha256};

use super::cluster::ClusterSetup;
use crate::journal::camonica_folder;
use crate::objects::Objects;

const BOOTSTRAP: &str = include_str!("bootstrap.sh");
const CLUSTER: &str = include_str!("cluster.sh");
const STEP: &str = include_str!("step.sh");

/// Name of the resolver's document.
pub const RESOLVER: &str = "resolver.json";
/// Name of the document of the enrichments.
pub const ENRICHMENTS: &str = "enrichments.json";
/// Name of the document of the storage of cross-batch deduplication.
pub const DUPLICATE_STORAGE: &str = "duplicate-storage.json";

/// How the engine is made so that any node can run it.
const BUILD: &str = "RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release --target x86_64-unknown-linux-gnu -p";

/// URIs of what the nodes fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFiles {
    /// The engine.
    pub engine: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// The bootstrap action.
    pub bootstrap: String,
    /// The script that runs the engine as a step.
    pub step: String,
    /// The words of the bootstrap action.
    pub arguments: Vec<String>,
}

/// The engine on this machine, looked at.
#[derive(Debug, Clone)]
pub struct EngineBinary {
    path: PathBuf,
    size: u64,
    sha256: String,
    /// The program is `camonica-cluster`, for all nodes.
    cluster: Option<ClusterSetup>,
}

impl EngineBinary {
    /// The engine at `path`, else beside the running program; with a cluster, `camonica-cluster` likewise.
    ///
    /// # Errors
    /// When there is none, or it is none that a node could run.
    pub fn find(path: Option<&Path>, cluster: Option<ClusterSetup>) -> Result<Self, String> {
        let (name, key) = if cluster.is_some() {
            ("camonica-cluster", "camonica.cluster.binary")
        } else {
            ("camonica-engine", "camonica.engine_binary")
        };
        let path = match path {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()
                .map_err(|error| format!("this program cannot be found: {error}"))?
                .with_file_name(name),
        };
        let content = fs::read(&path).map_err(|error| {
            format!(
                "the engine for the cluster, {}: {error}. Set {key} to a static {name} ({BUILD} {name})",
                path.display()
            )
        })?;
        check_program(&content).map_err(|why| {
            format!(
                "the engine for the cluster, {}, {why}. Build one with {BUILD} {name}, and set {key}",
                path.display()
            )
        })?;
        Ok(Self {
            path,
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(&content)),
            cluster,
        })
    }

    /// Its name on the nodes.
    fn name(&self) -> &'static str {
        if self.cluster.is_some() {
            "camonica-cluster"
        } else {
            "camonica-engine"
        }
    }

    /// The script of the bootstrap action: its name and its text.
    fn bootstrap(&self) -> (&'static str, &'static str) {
        if self.cluster.is_some() {
            ("cluster", CLUSTER)
        } else {
            ("bootstrap", BOOTSTRAP)
        }
    }

    /// Where the files are, or will be, below the log folder.
    pub fn files(&self, log: &Location) -> EngineFiles {
        let folder = camonica_folder(log).join(&format!("{}/", self.sha256));
        let script = |name: &str, text: &str| {
            let sum = hex(&Sha256::digest(text.as_bytes()));
            // a later version of this program may bring other scripts for the same engine
            folder.join(&format!("{name}-{}.sh", &sum[..8])).to_string()
        };
        let (name, text) = self.bootstrap();
        let mut files = EngineFiles {
            engine: folder.join(self.name()).to_string(),
            sha256: self.sha256.clone(),
            bootstrap: script(name, text),
            step: script("step", STEP),
            arguments: Vec::new(),
        };
        files.arguments = match &self.cluster {
            Some(cluster) => cluster.bootstrap_arguments(&files),
            None => vec![
                files.engine.clone(),
                files.sha256.clone(),
                files.step.clone(),
            ],
        };
        files
    }

    /// Writes what is not there yet. An engine of another size is a write that was cut off, and is written again.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn upload(&self, objects: &Objects, log: &Location) -> Result<EngineFiles, String> {
        let files = self.files(log);
        let folder = camonica_folder(log).join(&format!("{}/", self.sha256));
        let there = objects.list(&folder)?;
        let size_of = |name: &str| {
            there
                .iter()
                .find(|entry| entry.relative == name)
                .map(|entry| entry.size)
        };
        let (_, bootstrap) = self.bootstrap();
        for (uri, text) in [(&files.bootstrap, bootstrap), (&files.step, STEP)] {
            let name = uri.rsplit('/').next().unwrap_or_default();
            if size_of(name) != Some(text.len() as u64) {
                objects.put(&folder.join(name), text.as_bytes())?;
            }
        }
        if size_of(self.name()) != Some(self.size) {
            let content = fs::read(&self.path)
                .map_err(|error| format!("{}: {error}", self.path.display()))?;
            if hex(&Sha256::digest(&content)) != self.sha256 {
                return Err(format!(
                    "{}: the engine has changed since the run began: run again",
                    self.path.display()
                ));
            }
            let place = folder.join(self.name());
            objects.put(&place, &content)?;
            let kept = objects.list(&folder)?;
            let is_kept = kept
                .iter()
                .any(|entry| entry.relative == self.name() && entry.size == self.size);
            if !is_kept {
                return Err(format!("{place}: the engine was not kept whole: run again"));
            }
        }
        Ok(files)
    }
}

/// The documents of a run.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Names and contents.
    pub files: Vec<(&'static str, String)>,
}

impl Documents {
    /// The folder of a run's documents; ends with a slash.
    pub fn folder(log: &Location, run_id: &str) -> Location {
        camonica_folder(log).join(&format!("{run_id}/documents/"))
    }

    /// Writes them.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn upload(&self, objects: &Objects, folder: &Location) -> Result<(), String> {
        for (name, content) in &self.files {
            objects.put(&folder.join(name), content.as_bytes())?;
        }
        Ok(())
    }

    /// Removes them: a run that is at its end leaves no secrets.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn remove(objects: &Objects, folder: &Location) -> Result<(), String> {
        let all = [RESOLVER, ENRICHMENTS, DUPLICATE_STORAGE].map(|name| folder.join(name));
        objects.delete(&all)
    }
}

/// The word of the step script for how the log is encrypted.
pub fn encryption_word(encryption: &Encryption) -> String {
    match encryption {
        Encryption::None => "none".to_owned(),
        Encryption::SseS3 => "AES256".to_owned(),
        Encryption::SseKms(key) => format!("aws:kms:{key}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a node can run a program: a 64-bit ELF file for x86-64 or ARM, without an interpreter (the dynamic linker).
fn check_program(content: &[u8]) -> Result<(), String> {
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let part = content.get(at..at.checked_add(bytes)?)?;
        Some(
            part.iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    let not_elf = || "is no 64-bit program for Linux".to_owned();
    if content.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(not_elf());
    }
    let machine = number(18, 2).ok_or_else(not_elf)?;
    if !matches!(machine, 62 | 183) {
        return Err("is no program for x86-64 or 64-bit ARM".to_owned());
    }
    let headers = number(32, 8).ok_or_else(not_elf)?;
    let size = number(54, 2).ok_or_else(not_elf)?;
    let count = number(56, 2).ok_or_else(not_elf)?;
    for index in 0..count {
        let at = usize::try_from(headers.saturating_add(index * size)).map_err(|_| not_elf())?;
        // PT_INTERP
        if number(at, 4) == Some(3) {
            return Err(
                "is linked dynamically, and the nodes' C library may be older than this machine's"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of an ELF program with one program header of the given type.
    pub(crate) fn program(machine: u16, header: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf[32..40].copy_from_slice(&64_u64.to_le_bytes());
        elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
        elf[56..58].copy_from_slice(&1_u16.to_le_bytes());
        elf[64..68].copy_from_slice(&header.to_le_bytes());
        elf
    }

    #[test]
    fn programs_that_nodes_can_run() {
        for (content, expected) in [
            (program(62, 1), None),
            (program(183, 1), None),
            (program(62, 3), Some("is linked dynamically")),
            (program(3, 1), Some("x86-64")),
            (b"#!/bin/sh\n".to_vec(), Some("no 64-bit program")),
            (Vec::new(), Some("no 64-bit program")),
            (program(62, 1)[..40].to_vec(), Some("no 64-bit program")),
        ] {
            match (check_program(&content), expected) {
                (Ok(()), None) => {}
                (Err(text), Some(part)) => assert!(text.contains(part), "{text}"),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        }
        // more headers than there are bytes
        let mut cut = program(62, 1);
        cut[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
        cut[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(check_program(&cut).is_ok());
    }

    #[test]
    fn the_engine_is_written_once_and_again_when_it_was_cut() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("camonica-engine");
        fs::write(&path, program(62, 1)).unwrap();
        let log = Location::from_path(&base.path().join("log")).unwrap();
        let objects = Objects::new(None);
        let engine = EngineBinary::find(Some(&path), None).unwrap();
        let files = engine.upload(&objects, &log).unwrap();
        assert_eq!(files, engine.files(&log));
        assert!(files.engine.contains(&files.sha256) && files.sha256.len() == 64);
        assert_eq!(fs::read(&files.engine).unwrap(), program(62, 1));
        let changed = |uri: &str| fs::metadata(uri).unwrap().modified().unwrap();
        let before = changed(&files.engine);
        engine.upload(&objects, &log).unwrap();
        assert_eq!(changed(&files.engine), before);
        fs::write(&files.engine, b"cut").unwrap();
        engine.upload(&objects, &log).unwrap();
        assert_eq!(fs::read(&files.engine).unwrap(), program(62, 1));
        let error = EngineBinary::find(Some(&base.path().join("none")), None).unwrap_err();
        assert!(
            error.contains("camonica.engine_binary") && error.contains("crt-static"),
            "{error}"
        );
    }

    #[test]
    fn words_of_encryption() {
        assert_eq!(encryption_word(&Encryption::None), "none");
        assert_eq!(encryption_word(&Encryption::SseS3), "AES256");
        assert_eq!(
            encryption_word(&Encryption::SseKms("k".into())),
            "aws:kms:k"
        );
    }
}
