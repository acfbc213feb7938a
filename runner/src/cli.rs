//! The command line of the runner. Option names and letters are those of EmrEtlRunner R108.

use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use engine::enrichment::config::EnrichmentConfigs;
use engine::job::options::ShowProgress;

use crate::failure::{Failure, Result};
use crate::run::{self, Request};

/// Carries batches of events from the collectors' folders to the archive.
#[derive(Debug, Parser)]
#[command(name = "camonica", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the pipeline on the logs that are there
    Run(RunArguments),
    /// Brings a run that was cut short to its end
    Resume(CommonArguments),
}

#[derive(Debug, Args)]
struct CommonArguments {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: String,
    /// Iglu resolver JSON
    #[arg(short = 'r', long)]
    resolver: String,
    /// Folder of enrichment configurations
    #[arg(short = 'n', long)]
    enrichments: Option<String>,
    /// Path of the lock
    #[arg(short = 'l', long)]
    lock: Option<String>,
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Steps to leave out, separated by commas
    #[arg(short = 'x', long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Neither check nor take the lock at the start; it is removed at the end
    #[arg(long)]
    ignore_lock_on_start: bool,
    /// Name of the run [default: the time, UTC]
    #[arg(long)]
    run_id: Option<String>,
}

/// Parses the command line of the process and runs it; exit codes as [`Failure::exit_code`].
pub fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error),
    };
    engine::cli::shared::start_logging();
    let outcome = match command_line.command {
        Command::Run(arguments) => {
            let skip = arguments.skip.clone();
            request(
                &arguments.common,
                skip,
                arguments.ignore_lock_on_start,
                arguments.run_id,
            )
            .and_then(run::run)
        }
        Command::Resume(common) => request(&common, Vec::new(), false, None).and_then(run::resume),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Answers a command line that cannot be read, in the words of the reference and with the help of the command; help and
/// version themselves are no mistakes. Anything else is exit code 1, as the reference's.
#[allow(clippy::print_stdout, clippy::print_stderr)] // the program's output
fn refuse(error: &clap::Error) -> ExitCode {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.as_str()),
        Some(ContextValue::Strings(names)) => names.first().map(String::as_str),
        _ => None,
    };
    // `--config <CONFIG>` -> `--config`
    let option = named(ContextKind::InvalidArg)
        .and_then(|text| text.split(' ').next())
        .unwrap_or_default();
    let text = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            println!("Empty command!\n{}", help());
            return ExitCode::FAILURE;
        }
        ErrorKind::InvalidSubcommand => {
            let name = named(ContextKind::InvalidSubcommand).unwrap_or_default();
            println!("Invalid command: {name}\n{}", help());
            return ExitCode::FAILURE;
        }
        ErrorKind::MissingRequiredArgument => {
            format!("Missing option: {}", option.trim_start_matches('-'))
        }
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            format!("invalid option: {option}")
        }
        ErrorKind::InvalidValue if named(ContextKind::InvalidValue) == Some("") => {
            format!("missing argument: {option}")
        }
        _ => {
            let code = u8::from(error.use_stderr());
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    eprintln!("{text}\n{}", help());
    ExitCode::FAILURE
}

/// The help of the command that was asked for, or of the program.
fn help() -> String {
    let mut program = CommandLine::command();
    let asked = std::env::args().nth(1).unwrap_or_default();
    match program.find_subcommand_mut(&asked) {
        Some(command) => command.render_help().to_string(),
        None => program.render_help().to_string(),
    }
}

/// No-op outcomes go to standard output, as the reference's; mistakes and failures to standard error.
#[allow(clippy::print_stdout, clippy::print_stderr)] // the program's output
fn report(failure: &Failure) {
    match failure {
        Failure::NoData(_) | Failure::Ongoing { .. } | Failure::Locked(_) => println!("{failure}"),
        Failure::Config(_) | Failure::Step { .. } => eprintln!("{failure}"),
    }
}

#[allow(clippy::print_stdout)] // the program's output
fn say(text: &str) {
    println!("{text}");
}

fn request(
    common: &CommonArguments,
    skip: Vec<String>,
    ignore_lock: bool,
    run_id: Option<String>,
) -> Result<Request> {
    if common.config != "-" && !Path::new(&common.config).is_file() {
        return Err(Failure::Config(format!(
            "Configuration file '{}' does not exist, or is not a file",
            common.config
        )));
    }
    let enrichments = match &common.enrichments {
        Some(folder) => EnrichmentConfigs::from_folder(Path::new(folder))
            .map_err(|error| Failure::Config(error.to_string()))?,
        None => EnrichmentConfigs::default(),
    };
    if !Path::new(&common.resolver).is_file() {
        return Err(Failure::Config(format!(
            "Iglu resolver file '{}' does not exist, or is not a file",
            common.resolver
        )));
    }
    let resolver = std::fs::read_to_string(&common.resolver).map_err(|error| {
        Failure::Config(format!("Iglu resolver file '{}': {error}", common.resolver))
    })?;
    Ok(Request {
        config: common.config.clone(),
        resolver,
        enrichments,
        skip,
        lock: common.lock.clone(),
        ignore_lock,
        run_id,
        resume_command: resume_command(common),
        progress: ShowProgress::OnStderr,
        say,
    })
}

/// The command that goes on with a run of these arguments.
fn resume_command(common: &CommonArguments) -> String {
    let mut command = format!(
        "camonica resume --config {} --resolver {}",
        quoted(&common.config),
        quoted(&common.resolver)
    );
    if let Some(folder) = &common.enrichments {
        command.push_str(&format!(" --enrichments {}", quoted(folder)));
    }
    if let Some(lock) = &common.lock {
        command.push_str(&format!(" --lock {}", quoted(lock)));
    }
    command
}

/// Quotes a word for a shell where that is needed.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_the_shell_where_needed() {
        assert_eq!(quoted("conf/config.yml"), "conf/config.yml");
        assert_eq!(quoted("my conf.yml"), "'my conf.yml'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
