//! Options that several commands share, and the documents that they name.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use engine::enrichment::config::EnrichmentConfigs;
use engine::iglu::Resolver;
use engine::job::options::{ShowProgress, parse_size};

use crate::config::targets::StorageTargets;
use crate::config::{Config, duration};
use crate::failure::{Failure, Result};
use crate::monitoring::log::LogLines;
use crate::observer::Observers;
use crate::plan::Options;
use crate::run::Request;
use crate::step::staging::Limits;

/// What every run needs.
#[derive(Debug, Args)]
pub(super) struct Documents {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    pub config: String,
    /// Folder of enrichment configurations
    #[arg(short = 'n', long)]
    pub enrichments: Option<String>,
    /// Iglu resolver JSON
    #[arg(short = 'r', long)]
    pub resolver: String,
    /// Folder of storage targets
    #[arg(short = 't', long)]
    pub targets: Option<String>,
}

/// The operator's lock.
#[derive(Debug, Args)]
pub(super) struct LockArguments {
    /// Path of the lock, or its key in Consul
    #[arg(short = 'l', long)]
    pub lock: Option<String>,
    /// Address of Consul: the lock is a key there
    #[arg(long)]
    pub consul: Option<String>,
}

/// Which steps run.
#[derive(Debug, Args)]
pub(super) struct StepArguments {
    /// The step to start at
    #[arg(short = 'f', long, value_name = "STEP")]
    pub resume_from: Option<String>,
    /// Steps to leave out, separated by commas
    #[arg(short = 'x', long, value_delimiter = ',', value_name = "STEPS")]
    pub skip: Vec<String>,
    /// Steps to do beside: vacuum
    #[arg(short = 'i', long, value_delimiter = ',', value_name = "STEPS")]
    pub include: Vec<String>,
    /// Most stored bytes that this run takes, e.g. 20G: the oldest objects, whole; the rest is for the next runs
    #[arg(long, value_name = "SIZE")]
    pub max_bytes: Option<String>,
    /// Most objects that this run takes, the oldest first
    #[arg(long, value_name = "NUMBER")]
    pub max_files: Option<String>,
}

impl StepArguments {
    /// The options of the plan; blanks around names and empty names are dropped.
    pub(super) fn options(&self) -> Options {
        let names = |list: &[String]| -> Vec<String> {
            let names = list.iter().map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        Options {
            resume_from: self.resume_from.clone(),
            skip: names(&self.skip),
            include: names(&self.include),
        }
    }

    /// How much a run takes.
    pub(super) fn limits(&self) -> Result<Limits> {
        let max_bytes = match &self.max_bytes {
            Some(text) => Some(
                parse_size(text)
                    .map_err(|error| Failure::Config(format!("--max-bytes: {error}")))?,
            ),
            None => None,
        };
        let max_files = match &self.max_files {
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Some(number),
                _ => {
                    return Err(Failure::Config(format!(
                        "--max-files: expected a number of at least 1, found '{text}'"
                    )));
                }
            },
            None => None,
        };
        Ok(Limits {
            max_files,
            max_bytes,
        })
    }
}

/// The time of `--timeout`.
pub(super) fn timeout(text: Option<&str>) -> Result<Option<Duration>> {
    match text.map(duration::parse) {
        None => Ok(None),
        Some(Ok(time)) if !time.is_zero() => Ok(Some(time)),
        Some(Ok(_)) => Err(Failure::Config(
            "--timeout: expected more than no time".into(),
        )),
        Some(Err(text)) => Err(Failure::Config(format!("--timeout: {text}"))),
    }
}

impl Documents {
    /// Reads all documents, in the order in which the reference checks them.
    pub(super) fn read(&self, lock: &LockArguments) -> Result<Request> {
        if self.config != "-" && !Path::new(&self.config).is_file() {
            return Err(Failure::Config(format!(
                "Configuration file '{}' does not exist, or is not a file",
                self.config
            )));
        }
        let enrichments = match &self.enrichments {
            Some(folder) => EnrichmentConfigs::from_folder(Path::new(folder))
                .map_err(|error| Failure::Config(error.to_string()))?,
            None => EnrichmentConfigs::default(),
        };
        let resolver = read_resolver(&self.resolver)?;
        let storage = match &self.targets {
            Some(folder) => {
                let client = Resolver::from_config(&resolver).map_err(|error| {
                    Failure::Config(format!("Iglu resolver file '{}': {error}", self.resolver))
                })?;
                StorageTargets::read(Path::new(folder), &client)?
            }
            None => StorageTargets::default(),
        };
        let config = Config::read(&self.config)?;
        let mut observers = Observers::default();
        observers.add(LogLines::stdout(config.monitoring.level));
        Ok(Request {
            config,
            resolver,
            enrichments,
            storage,
            options: Options::default(),
            limits: Limits::default(),
            timeout: None,
            clean: false,
            lock: lock.lock.clone(),
            consul: lock.consul.clone(),
            ignore_lock: false,
            take_over: false,
            debug: false,
            run_id: None,
            resume_command: self.resume_command(lock),
            progress: ShowProgress::OnStderr,
            observers,
        })
    }

    /// The command that goes on with a run of these documents.
    pub(super) fn resume_command(&self, lock: &LockArguments) -> String {
        resume_command(&[
            ("--config", Some(&self.config)),
            ("--resolver", Some(&self.resolver)),
            ("--enrichments", self.enrichments.as_ref()),
            ("--targets", self.targets.as_ref()),
            ("--lock", lock.lock.as_ref()),
            ("--consul", lock.consul.as_ref()),
        ])
    }
}

/// `camonica resume` with these options.
pub(super) fn resume_command(options: &[(&str, Option<&String>)]) -> String {
    let mut command = String::from("camonica resume");
    for (option, value) in options {
        if let Some(value) = value {
            command.push_str(&format!(" {option} {}", quoted(value)));
        }
    }
    command
}

/// Adds `--timeout` to a command to go on: what an operator limits once shall stay limited.
pub(super) fn with_timeout(command: &mut String, timeout: Option<&str>) {
    if let Some(time) = timeout {
        command.push_str(&format!(" --timeout {}", quoted(time)));
    }
}

/// The text of a resolver configuration.
pub(super) fn read_resolver(path: &str) -> Result<String> {
    if !Path::new(path).is_file() {
        return Err(Failure::Config(format!(
            "Iglu resolver file '{path}' does not exist, or is not a file"
        )));
    }
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Config(format!("Iglu resolver file '{path}': {error}")))
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
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell_where_needed() {
        assert_eq!(quoted("conf/config.yml"), "conf/config.yml");
        assert_eq!(quoted("my conf.yml"), "'my conf.yml'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn lists_and_limits() {
        let arguments = |max_bytes: Option<&str>, max_files: Option<&str>| StepArguments {
            resume_from: None,
            skip: vec!["staging".into(), " enrich ".into(), String::new()],
            include: Vec::new(),
            max_bytes: max_bytes.map(str::to_owned),
            max_files: max_files.map(str::to_owned),
        };
        assert_eq!(arguments(None, None).options().skip, ["staging", "enrich"]);
        let limits = arguments(Some("1k"), Some("5")).limits().unwrap();
        assert_eq!((limits.max_bytes, limits.max_files), (Some(1024), Some(5)));
        for (bytes, files, part) in [
            (Some("much"), None, "--max-bytes: `much` is no size"),
            (
                None,
                Some("0"),
                "--max-files: expected a number of at least 1, found '0'",
            ),
        ] {
            let failure = arguments(bytes, files).limits().unwrap_err();
            assert!(failure.to_string().contains(part), "{failure}");
        }
        assert_eq!(
            timeout(Some("2h")).unwrap(),
            Some(Duration::from_secs(7200))
        );
        assert!(timeout(Some("0")).is_err() && timeout(Some("soon")).is_err());
        let mut command = resume_command(&[("--config", Some(&"my c.yml".to_owned()))]);
        with_timeout(&mut command, None);
        with_timeout(&mut command, Some("2h"));
        assert_eq!(command, "camonica resume --config 'my c.yml' --timeout 2h");
    }
}
