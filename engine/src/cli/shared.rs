//! Options that all commands share.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Result;
use crate::job::JobOptions;
use crate::job::options::{ShowProgress, parse_size};
use crate::output::Compression;
use crate::shred::{ShredRules, Validation, Widths};
use crate::store::{Encryption, StoreSettings};

/// Options of ours; none is needed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine options")]
pub struct SharedArguments {
    /// Worker threads [default: one a core]
    #[arg(long)]
    pub workers: Option<NonZeroUsize>,
    /// Memory for buffers and tables, e.g. 512M [default: the smaller of 1 GiB and 60 % of the machine]
    #[arg(long)]
    pub memory_limit: Option<String>,
    /// Directories for what does not fit into memory, sealed: may be given several times, or as a comma-separated list
    /// [default: a folder below the system's temporary directory]
    #[arg(long, value_delimiter = ',', value_name = "DIRECTORY")]
    pub spill_dir: Vec<PathBuf>,
    /// Compression of good part files
    #[arg(long, value_enum, ignore_case = true, default_value = "none")]
    pub output_compression: CompressionName,
    /// Stored bytes after which a part file is full
    #[arg(long, default_value = "128M")]
    pub target_size: String,
    /// Name of the run; identifiers follow from it [default: the last part of the output folder]
    #[arg(long)]
    pub run_id: Option<String>,
    /// Folder for commit plans [default: a temporary folder in the output]
    #[arg(long)]
    pub log_folder: Option<String>,
    /// Instant that bad rows carry, milliseconds since the epoch [default: now]
    #[arg(long, allow_negative_numbers = true)]
    pub failure_timestamp: Option<i64>,
    /// Count and leave damaged input objects instead of ending the job
    #[arg(long)]
    pub skip_corrupt: bool,
    /// How progress is shown, on standard error
    #[arg(long, value_enum, default_value = "auto")]
    pub progress: ProgressName,
    /// Address of an S3-compatible service
    #[arg(long)]
    pub s3_endpoint: Option<String>,
    /// Region of the buckets [default: from the environment]
    #[arg(long)]
    pub s3_region: Option<String>,
    /// Put the bucket in the path instead of the host name
    #[arg(long)]
    pub s3_path_style: bool,
    /// Ask for server-side encryption (SSE-S3) with every write
    #[arg(long)]
    pub encrypted: bool,
    /// Encrypt with this KMS key instead (SSE-KMS)
    #[arg(long, requires = "encrypted")]
    pub kms_key_id: Option<String>,
}

/// Options of the shred half.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine options")]
pub struct ShredRuleArguments {
    /// Take unstruct events and contexts as valid: only for events that this engine has just enriched
    #[arg(long)]
    pub trusted_input: bool,
    /// The table whose text widths the atomic columns are cut to
    #[arg(long, value_enum, default_value = "redshift")]
    pub column_widths: WidthsName,
}

/// Names of tables.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum WidthsName {
    /// Table 0.10.0, as the reference
    Redshift,
    /// Table 0.7.0, narrower in ten columns
    Postgresql,
}

impl ShredRuleArguments {
    /// The rules.
    pub fn rules(&self) -> ShredRules {
        ShredRules {
            validation: if self.trusted_input {
                Validation::Trusted
            } else {
                Validation::Full
            },
            widths: match self.column_widths {
                WidthsName::Redshift => Widths::Redshift,
                WidthsName::Postgresql => Widths::Postgres,
            },
        }
    }
}

/// Names of compressions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CompressionName {
    /// Plain text
    None,
    /// Gzip, level 6
    #[value(alias = "gz")]
    Gzip,
}

/// Ways to show progress.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProgressName {
    /// A bar on a terminal, else a line each 10 seconds
    Auto,
    /// Nothing
    None,
}

impl SharedArguments {
    /// The options of the job.
    ///
    /// # Errors
    /// `Config` for a value that cannot be used.
    pub fn job_options(&self) -> Result<JobOptions> {
        let mut options = JobOptions::default();
        if let Some(workers) = self.workers {
            options.workers = workers.get();
        }
        if let Some(limit) = &self.memory_limit {
            options.memory_limit =
                parse_size(limit).map_err(|error| error.context("--memory-limit"))?;
        }
        options.spill_directories.clone_from(&self.spill_dir);
        options.compression = match self.output_compression {
            CompressionName::None => Compression::None,
            CompressionName::Gzip => Compression::Gzip(6),
        };
        options.target_size =
            parse_size(&self.target_size).map_err(|error| error.context("--target-size"))?;
        options.run_id.clone_from(&self.run_id);
        options.log_folder.clone_from(&self.log_folder);
        options.failure_tstamp_ms = self.failure_timestamp;
        options.skip_corrupt = self.skip_corrupt;
        options.progress = match self.progress {
            ProgressName::Auto => ShowProgress::OnStderr,
            ProgressName::None => ShowProgress::Never,
        };
        options.store = StoreSettings {
            endpoint: self.s3_endpoint.clone(),
            region: self.s3_region.clone(),
            path_style: self.s3_path_style,
            // An endpoint that says http:// means it.
            allow_http: self
                .s3_endpoint
                .as_deref()
                .is_some_and(|endpoint| endpoint.starts_with("http://")),
            encryption: match (self.encrypted, &self.kms_key_id) {
                (false, _) => Encryption::None,
                (true, None) => Encryption::SseS3,
                (true, Some(key)) => Encryption::SseKms(key.clone()),
            },
            ..StoreSettings::default()
        };
        Ok(options)
    }
}

/// Sends the engine's log to standard error; `RUST_LOG` chooses what is shown.
pub fn start_logging() {
    start_logging_with("warn");
}

/// As [`start_logging`], with what is shown where `RUST_LOG` does not say it.
pub fn start_logging_with(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // A second call (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // colours are for people, not for files of logs
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
