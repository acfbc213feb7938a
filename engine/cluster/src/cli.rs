//! The command line of `camonica-cluster`: that of the engine (on this machine), `driver` (the same on a cluster) and `worker`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use engine::cli::{finish, shared};

use crate::{driver, worker};

const PROGRAM: &str = "camonica-cluster";
/// Ballista warns of each poll while there is no driver, which the worker says once, and of links that polling workers do not
/// have.
const LOGGED: &str =
    "warn,ballista_executor::execution_loop=error,ballista_scheduler::state::executor_manager=off";

/// Enriches collector payloads and shreds enriched events, on one machine or many.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Engine(engine::cli::Command),
    /// Runs a job on a cluster: hands its tasks to workers and commits what they left
    Driver(Box<driver::DriverArguments>),
    /// Does the tasks of drivers, until it is stopped
    Worker(Box<worker::WorkerArguments>),
}

/// How the processes of a cluster know each other.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster security")]
pub struct TlsArguments {
    /// Zip with privateKey.pem, certificateChain.pem and trustedCertificates.pem, as EMR takes it for encryption in transit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tls_key", "tls_certificate", "tls_ca"])]
    pub tls_zip: Option<PathBuf>,
    /// Private key of this node, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_certificate", "tls_ca"])]
    pub tls_key: Option<PathBuf>,
    /// Certificate chain of this node, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    pub tls_certificate: Option<PathBuf>,
    /// Certificates of the authorities whose nodes are let in, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_certificate"])]
    pub tls_ca: Option<PathBuf>,
    /// Name that the certificates of all nodes carry, where they do not carry the nodes' own
    #[arg(long, value_name = "NAME")]
    pub tls_name: Option<String>,
    /// File with the cluster's secret: 32 bytes or more, the same on all nodes, readable by its owner only
    #[arg(long, value_name = "FILE", conflicts_with = "kms_key")]
    pub cluster_secret: Option<PathBuf>,
    /// In place of a secret, a key of AWS KMS, the same on all nodes: the driver needs kms:GenerateDataKey with it, workers
    /// kms:Decrypt
    #[arg(long, value_name = "ARN")]
    pub kms_key: Option<String>,
}

/// Parses the command line of the process and does what it says. Exit code 0 when the output was committed, 1 when the job
/// failed, 2 when the command line cannot be read.
pub fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    shared::start_logging_with(LOGGED);
    match command_line.command {
        Command::Engine(command) => finish(PROGRAM, command.run()),
        Command::Driver(arguments) => finish(PROGRAM, driver::run(&arguments)),
        Command::Worker(arguments) => match worker::run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => finish(PROGRAM, Err(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_fits_together() {
        CommandLine::command().debug_assert();
        let parse = |text: &str| CommandLine::try_parse_from(text.split(' '));
        let shred = "shred --input-folder i --output-folder o --bad-folder b --iglu-config x";
        assert!(parse(&format!("c {shred}")).is_ok());
        assert!(parse(&format!("c driver --workers 0 {shred}")).is_ok());
        assert!(parse("c driver --workers 2").is_err());
        assert!(parse("c worker --tls-key k").is_err());
        let parsed =
            parse("c worker --driver a:1 --host b --tls-zip z --cluster-secret s").unwrap();
        assert!(matches!(parsed.command, Command::Worker(_)));
        assert!(parse("c worker --host b --tls-zip z --kms-key k").is_ok());
        assert!(parse("c worker --host b --tls-zip z --kms-key k --cluster-secret s").is_err());
    }
}
