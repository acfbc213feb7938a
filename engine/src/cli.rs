//! The command line of the engine: `camonica-engine enrich | shred | etl | commit`.
//!
//! Option names are those of Spark Enrich 1.15.0 and RDB Shredder 0.13/0.14; what they took as base64 is also taken as a
//! path. Options of ours come under a heading of their own.

pub mod document;
pub mod enrich;
pub mod etl;
pub mod shards;
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
    command: EngineCommand,
}

#[derive(Debug, Subcommand)]
enum EngineCommand {
    #[command(flatten)]
    Job(Command),
    /// Makes one output of what the shards of a job left: commit --shards 3 shred <the options of the shards>
    Commit(Box<shards::CommitArguments>),
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
    let outcome = match command_line.command {
        EngineCommand::Job(command) => command.run(),
        EngineCommand::Commit(arguments) => arguments.run(),
    };
    finish("camonica-engine", outcome)
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::os::unix::fs::PermissionsExt;

    const SHRED: &str =
        "shred --input-folder i --output-folder o --bad-folder b --iglu-config e30=";
    const ETL: &str = "etl --input-folder i --input-format tsv/x/y --enriched-folder a --enriched-bad-folder b \
                       --shredded-folder c --shredded-bad-folder d --iglu-config e30= --etl-timestamp 0";

    fn parse(text: &str) -> std::result::Result<EngineCommand, clap::Error> {
        let words = std::iter::once("camonica-engine").chain(text.split_whitespace());
        CommandLine::try_parse_from(words).map(|line| line.command)
    }

    fn run(text: &str) -> String {
        let outcome = match parse(text).unwrap() {
            EngineCommand::Job(command) => command.run(),
            EngineCommand::Commit(arguments) => arguments.run(),
        };
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_fits_together() {
        CommandLine::command().debug_assert();
        assert!(parse(SHRED).is_ok());
        assert!(
            parse(&format!(
                "{SHRED} --shard 1/3 --exchange x --exchange-secret y"
            ))
            .is_ok()
        );
        for text in ["0/3", "4/3", "3", "1/0", "a/b", "1/99999"] {
            let error = parse(&format!("{SHRED} --shard {text}"))
                .unwrap_err()
                .to_string();
            assert!(error.contains("expected I/N"), "{error}");
        }
        // an exchange is never without its secret
        assert!(parse(&format!("{SHRED} --shard 1/3 --exchange x")).is_err());
        assert!(parse(&format!("commit {SHRED}")).is_err());
    }

    #[test]
    fn shards_are_refused_where_they_cannot_be() {
        let resolver = tempfile::tempdir().unwrap();
        let path = resolver.path().join("resolver.json");
        std::fs::write(&path, r#"{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{"cacheSize":5,"repositories":[]}}"#).unwrap();
        // stands for the secret, too
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = path.to_str().unwrap();
        let (shred, etl) = (SHRED.replace("e30=", path), ETL.replace("e30=", path));
        for (text, expected) in [
            (
                format!("{etl} --shard 1/3"),
                "--exchange: the shards of an etl job",
            ),
            (
                format!("{etl} --shard 1/3 --log-folder l"),
                "--exchange: the shards of an etl job",
            ),
            (format!("commit --shards 3 {etl}"), "--exchange"),
            (
                format!("commit --shards 0 {etl} --exchange x --exchange-secret {path}"),
                "from 1 to 4096 shards",
            ),
            (
                format!("{shred} --shard 1/3"),
                "--exchange: the shards of a shred job",
            ),
            (
                format!("{shred} --exchange x --exchange-secret y"),
                "only shards",
            ),
            (
                format!("commit --shards 3 {shred} --shard 1/3"),
                "leave it out",
            ),
            (format!("commit --shards 3 {shred}"), "--exchange"),
        ] {
            let error = run(&text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        // a driver of a cluster asks for the whole job
        let EngineCommand::Job(Command::Shred(arguments)) =
            parse(&format!("{shred} --shard 1/3")).unwrap()
        else {
            panic!("shred");
        };
        assert!(arguments.job().unwrap_err().to_string().contains("--shard"));
    }
}
