//! `camonica status`.

use clap::Args;

use super::common::resume_command;
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::lock::{self, LockPlace, LockSettings};
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
    let place = LockPlace::from_options(arguments.lock.as_deref(), arguments.consul.as_deref());
    let mut text = status::status(&config, arguments.runs, &command)?;
    if let Some(place) = place {
        text.push_str(&match lock::look(&place, false, LockSettings::default())? {
            Some(Failure::Locked(held)) => {
                format!("\nlock     held: {}", held.replace('\n', "\n         "))
            }
            _ => format!("\nlock     free: {place}"),
        });
    }
    super::say(&text);
    Ok(())
}
