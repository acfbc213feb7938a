//! `camonica status`.

use clap::Args;

use super::common::resume_command;
use crate::config::Config;
use crate::failure::Result;
use crate::status;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: String,
    /// How many of the last runs are told about
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    runs: usize,
    /// Iglu resolver JSON, for the command to go on
    #[arg(short = 'r', long)]
    resolver: Option<String>,
    /// Folder of enrichment configurations, for the command to go on
    #[arg(short = 'n', long)]
    enrichments: Option<String>,
    /// Folder of storage targets, for the command to go on
    #[arg(short = 't', long)]
    targets: Option<String>,
    /// The operator's lock, for the command to go on
    #[arg(short = 'l', long)]
    lock: Option<String>,
    /// Address of Consul, for the command to go on
    #[arg(long)]
    consul: Option<String>,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let unknown = "RESOLVER".to_owned();
    let resolver = arguments.resolver.as_ref().unwrap_or(&unknown);
    let command = resume_command(&[
        ("--config", Some(&arguments.config)),
        ("--resolver", Some(resolver)),
        ("--enrichments", arguments.enrichments.as_ref()),
        ("--targets", arguments.targets.as_ref()),
        ("--lock", arguments.lock.as_ref()),
        ("--consul", arguments.consul.as_ref()),
    ]);
    super::say(&status::status(&config, arguments.runs, &command)?);
    Ok(())
}
