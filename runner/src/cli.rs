//! The command line of the runner. Option names and letters are those of EmrEtlRunner R108, and so are texts and exit codes;
//! long options may be shortened as far as they stay unambiguous. Words that belong to no option are refused (the reference
//! passes them over: `--skip staging, enrich` skipped `staging` only).
//!
//! A new command: a file in `cli/` with `Arguments` and `execute`, one variant of `Command` and one line in
//! `Command::execute`.

mod certs;
mod common;
mod generate;
mod iam_policy;
mod lint;
mod plan;
mod reencrypt;
mod resume;
mod run;
mod security_configuration;
mod status;

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::failure::{Failure, Result};

/// Carries batches of events from the collectors' folders to the archive.
#[derive(Debug, Parser)]
#[command(
    name = "camonica",
    version,
    disable_version_flag = true,
    infer_long_args = true,
    max_term_width = 100
)]
struct CommandLine {
    /// Print version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the pipeline on the logs that are there
    Run(run::Arguments),
    /// Brings a run that was cut short to its end: finds its own point
    Resume(resume::Arguments),
    /// Says what a run would do: steps, objects, bytes. Changes nothing
    Plan(plan::Arguments),
    /// Tells about runs: finished, unfinished, their steps, errors, the next command
    Status(status::Arguments),
    /// Checks configuration, resolver, enrichments, storage targets
    Lint(lint::Arguments),
    /// Writes the files of Dataflow Runner for the job that run would submit
    Generate(generate::Arguments),
    /// Makes a certificate authority and the zip of certificates for encryption in transit
    Certs(certs::Arguments),
    /// Prints or creates the security configuration that switches encryption on for clusters of EMR
    SecurityConfiguration(security_configuration::Arguments),
    /// Encrypts the objects that are in a bucket already, in place
    Reencrypt(reencrypt::Arguments),
    /// Prints the IAM policies that a run needs
    IamPolicy(iam_policy::Arguments),
}

impl Command {
    fn execute(self) -> Result<()> {
        match self {
            Self::Run(arguments) => run::execute(arguments),
            Self::Resume(arguments) => resume::execute(arguments),
            Self::Plan(arguments) => plan::execute(arguments),
            Self::Status(arguments) => status::execute(arguments),
            Self::Lint(arguments) => lint::execute(arguments),
            Self::Generate(arguments) => generate::execute(arguments),
            Self::Certs(arguments) => certs::execute(arguments),
            Self::SecurityConfiguration(arguments) => security_configuration::execute(arguments),
            Self::Reencrypt(arguments) => reencrypt::execute(arguments),
            Self::IamPolicy(arguments) => iam_policy::execute(arguments),
        }
    }
}

/// Parses the command line of the process and runs it; exit codes as [`Failure::exit_code`].
pub fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error),
    };
    // what keeps the SDK from credentials or a region is told by the error that comes of it
    engine::cli::shared::start_logging_with("warn,aws_config=error");
    match command_line.command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Answers a command line that cannot be read, in the words of the reference and with the help of the command; help and
/// version themselves are no mistakes. Anything else is exit code 1, as the reference's.
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
            let (_, help) = asked();
            match std::env::args().nth(1) {
                Some(first) => say(&format!("Invalid command: {first}\n{help}")),
                None => say(&format!("Empty command!\n{help}")),
            }
            return ExitCode::FAILURE;
        }
        ErrorKind::InvalidSubcommand => {
            say(&format!("Invalid command: {}\n{}", tried(), global_help()));
            return ExitCode::FAILURE;
        }
        ErrorKind::MissingRequiredArgument => {
            format!("Missing option: {}", option.trim_start_matches('-'))
        }
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            let meant = abbreviated(option);
            if meant.len() > 1 {
                format!("ambiguous option: {option} ({})", meant.join(" or "))
            } else {
                format!("invalid option: {option}")
            }
        }
        ErrorKind::UnknownArgument => format!(
            "error: unexpected argument '{option}' found: it belongs to no option. Write lists without blanks (--skip staging,enrich), and quote what holds one"
        ),
        ErrorKind::InvalidValue if named(ContextKind::InvalidValue) == Some("") => {
            format!("missing argument: {option}")
        }
        _ => {
            let code = u8::from(error.use_stderr());
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    note(&format!("{text}\n{}", asked().1));
    ExitCode::FAILURE
}

/// The options of the command that begin so, if it is a long option.
fn abbreviated(option: &str) -> Vec<String> {
    let Some(beginning) = option.strip_prefix("--").filter(|name| !name.is_empty()) else {
        return Vec::new();
    };
    let (command, _) = asked();
    command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .filter(|name| name.starts_with(beginning))
        .map(|name| format!("--{name}"))
        .collect()
}

/// The one or two words that were taken for a command.
fn tried() -> String {
    let mut words = std::env::args().skip(1);
    let first = words.next().unwrap_or_default();
    match words.next().filter(|word| !word.starts_with('-')) {
        Some(second) => format!("{first} {second}"),
        None => first,
    }
}

/// The command that was asked for, as far as it is known, else the program; and its help.
fn asked() -> (clap::Command, String) {
    let mut command = CommandLine::command();
    command.build();
    for word in std::env::args().skip(1).take(2) {
        match command.find_subcommand(&word) {
            Some(found) => command = found.clone(),
            None => break,
        }
    }
    let help = command.render_help().to_string();
    (command, help)
}

fn global_help() -> String {
    CommandLine::command().render_help().to_string()
}

/// No-op outcomes go to standard output, as the reference's; mistakes and failures to standard error.
fn report(failure: &Failure) {
    if failure.is_on_stdout() {
        say(&failure.to_string());
    } else {
        note(&failure.to_string());
    }
}

/// Says a line of a command's answer. Who reads no further (`| head`) does not end the command.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says a line beside the answer, or what is wrong, on standard error.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
