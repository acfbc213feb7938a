//! The command line of the engine: `camonica-engine enrich | shred | etl`.
//!
//! Option names are those of Spark Enrich 1.15.0 and RDB Shredder 0.13/0.14; what they took as base64 is also taken as a
//! path. Options of ours come under a heading of their own.

pub mod document;
pub mod enrich;
pub mod etl;
pub mod shared;
pub mod shred;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::job::JobReport;

/// Enriches collector payloads and shreds enriched events.
#[derive(Debug, Parser)]
#[command(name = "camonica-engine", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// The jobs that the engine does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collector logs in, enriched events and bad rows out
    Enrich(Box<enrich::EnrichArguments>),
    /// Enriched events in; atomic events, shredded JSONs and bad rows out
    Shred(Box<shred::ShredArguments>),
    /// Both: collector logs in; enriched events, atomic events, shredded JSONs and bad rows out
    Etl(Box<etl::EtlArguments>),
}

impl Command {
    /// Runs the job on this machine.
    ///
    /// # Errors
    /// When an option cannot be used or the job fails; nothing is committed then.
    pub fn run(&self) -> Result<JobReport> {
        match self {
            Self::Enrich(arguments) => arguments.run(),
            Self::Shred(arguments) => arguments.run(),
            Self::Etl(arguments) => arguments.run(),
        }
    }
}

/// Parses the command line of the process, runs the job and prints its summary. Exit code 0 when the output was committed,
/// 1 when the job failed, 2 when the command line cannot be read.
pub fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    shared::start_logging();
    finish("camonica-engine", command_line.command.run())
}

/// Prints the summary of a job or its error as `program` does, and returns the exit code.
#[allow(clippy::print_stdout, clippy::print_stderr)] // the program's output
pub fn finish(program: &str, outcome: Result<JobReport>) -> ExitCode {
    match outcome {
        Ok(report) => {
            print!("{}", report.to_table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
