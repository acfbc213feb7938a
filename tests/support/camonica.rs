//! The program `camonica`, run as people run it: for test binaries of the runner.
//!
//! Its end is an [`Answer`]; a panic is never one.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{fixtures_resolver, names_below};

/// The run id of runs that are compared.
pub const RUN: &str = "2018-07-24-10-00-00";

/// How the program ended: exit code, standard output, standard error.
pub type Answer = (i32, String, String);

/// The program, without what the environment might say about AWS and the log.
pub fn camonica(arguments: &[&str]) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_camonica"));
    process.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") || name == "RUST_LOG" {
            process.env_remove(name);
        }
    }
    process.env("AWS_EC2_METADATA_DISABLED", "true");
    process
}

/// Runs it to its end.
pub fn answer(process: &mut Command) -> Answer {
    answer_of(process.output().unwrap())
}

/// Runs it to its end with `input` as its standard input.
pub fn answer_to(process: &mut Command, input: &str) -> Answer {
    let mut child = process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // a program that has no use for its input may have ended already
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    answer_of(child.wait_with_output().unwrap())
}

fn answer_of(output: Output) -> Answer {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().expect("an exit code"), out, err)
}

/// A folder with `config.yml` and `resolver.json`, and often with the buckets of a pipeline.
pub trait RunFolder {
    fn folder(&self) -> &Path;

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// A path as arguments and configurations name it.
    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, and the folders above it.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes the configuration and the resolver of the fixtures.
    fn write_documents(&self, config: &str) {
        self.write("config.yml", config);
        self.write("resolver.json", fixtures_resolver());
    }

    /// All files below a folder, relative to it.
    fn files(&self, name: &str) -> BTreeSet<String> {
        names_below(&self.path(name))
    }

    /// The program with a command, which may have two words, and the documents; it works in the folder.
    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut process = camonica(&[]);
        process
            .current_dir(self.folder())
            .args(command.split(' '))
            .args(["--config", &self.text("config.yml")]);
        if command != "status" {
            process.args(["--resolver", &self.text("resolver.json")]);
        }
        process.args(more);
        process
    }

    /// Runs a command to its end.
    fn answer(&self, command: &str, more: &[&str]) -> Answer {
        answer(&mut self.command(command, more))
    }

    /// The standard output of what must end well.
    fn good(&self, command: &str, more: &[&str]) -> String {
        let (code, out, err) = self.answer(command, more);
        assert_eq!(code, 0, "{command} {more:?}: {out}\n{err}");
        out
    }

    /// Starts a run of id [`RUN`], or the command that goes on with it; nobody reads what it says.
    fn start(&self, command: &str) -> Child {
        let more: &[&str] = if command == "run" {
            &["--run-id", RUN]
        } else {
            &[]
        };
        self.command(command, more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
