//! `camonica-engine etl`: enrich and shred in one go; the shred half needs no scan of its own.

use clap::Args;

use super::enrich::EnrichSource;
use super::shards::ShardArguments;
use super::shared::{SharedArguments, ShredRuleArguments};
use crate::error::Result;
use crate::job::{EtlJob, JobOptions, JobReport};

/// Options of `etl`.
#[derive(Debug, Args)]
pub struct EtlArguments {
    /// What is enriched, and how
    #[command(flatten)]
    pub source: EnrichSource,
    /// Folder for enriched events
    #[arg(long)]
    pub enriched_folder: String,
    /// Folder for bad rows of enrich
    #[arg(long)]
    pub enriched_bad_folder: String,
    /// Folder for bad rows of unexpected errors, with --continue-on-unexpected-error
    #[arg(long, requires = "continue_on_unexpected_error")]
    pub errors_folder: Option<String>,
    /// Folder for atomic-events and shredded-types
    #[arg(long)]
    pub shredded_folder: String,
    /// Folder for bad rows of shred
    #[arg(long)]
    pub shredded_bad_folder: String,
    #[command(flatten)]
    rules: ShredRuleArguments,
    #[command(flatten)]
    pub(super) shards: ShardArguments,
    #[command(flatten)]
    shared: SharedArguments,
}

impl EtlArguments {
    /// Runs the job, or one shard of it.
    ///
    /// # Errors
    /// When an option cannot be used or the job fails.
    pub fn run(&self) -> Result<JobReport> {
        self.shards.run_etl(&self.whole_job()?)
    }

    /// The job, if it is to be done as a whole.
    ///
    /// # Errors
    /// `Config` when an option cannot be used, or if it is one shard of the job that is asked for.
    pub fn job(&self) -> Result<EtlJob> {
        self.shards.refuse()?;
        self.whole_job()
    }

    /// The job, whichever part of it is to be done.
    pub(super) fn whole_job(&self) -> Result<EtlJob> {
        let (resolver, enrichments) = self.source.documents()?;
        let options = self.shared.job_options()?;
        Ok(EtlJob {
            input: self.source.input_folder.clone(),
            format: self.source.input_format.clone(),
            enriched: self.enriched_folder.clone(),
            enriched_bad: self.enriched_bad_folder.clone(),
            errors: self.errors_folder.clone(),
            shredded: self.shredded_folder.clone(),
            shredded_bad: self.shredded_bad_folder.clone(),
            pii: self.source.pii_folder.clone(),
            enrichments,
            environment: self.source.environment(&options.store),
            resolver,
            etl_tstamp_ms: self.source.etl_timestamp,
            v_etl: self.source.etl_version.clone(),
            options: JobOptions {
                shred: self.rules.rules(),
                ..options
            },
        })
    }
}
