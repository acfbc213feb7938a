//! `camonica-engine enrich`: the options of Spark Enrich's `EnrichJob`.

use std::path::PathBuf;

use clap::Args;

use super::document;
use super::shards::ShardArguments;
use super::shared::SharedArguments;
use crate::enrichment::Environment;
use crate::enrichment::config::EnrichmentConfigs;
use crate::error::Result;
use crate::job::{EnrichJob, JobReport};
use crate::store::StoreSettings;

/// Options of `enrich`.
#[derive(Debug, Args)]
pub struct EnrichArguments {
    /// What is enriched, and how
    #[command(flatten)]
    pub source: EnrichSource,
    /// Folder for enriched events
    #[arg(long)]
    pub output_folder: String,
    /// Folder for bad rows
    #[arg(long)]
    pub bad_folder: String,
    /// Folder for bad rows of unexpected errors, with --continue-on-unexpected-error
    #[arg(long, requires = "continue_on_unexpected_error")]
    pub errors_folder: Option<String>,
    #[command(flatten)]
    pub(super) shards: ShardArguments,
    #[command(flatten)]
    shared: SharedArguments,
}

/// The input of `enrich` and `etl`.
#[derive(Debug, Args)]
pub struct EnrichSource {
    /// Folder, glob or comma-separated list of these with raw collector logs
    #[arg(long)]
    pub input_folder: String,
    /// cloudfront, clj-tomcat, thrift, tsv/VENDOR/VERSION or ndjson/VENDOR/VERSION
    #[arg(long)]
    pub input_format: String,
    /// Enrichment configurations: base64, a file, or a folder of JSON files [default: none]
    #[arg(long)]
    pub enrichments: Option<String>,
    /// Iglu resolver configuration: base64 or a file
    #[arg(long)]
    pub iglu_config: String,
    /// Time of this run, milliseconds since the epoch
    #[arg(long, allow_negative_numbers = true)]
    pub etl_timestamp: i64,
    /// Value of column v_etl [default: this engine's name and version]
    #[arg(long)]
    pub etl_version: Option<String>,
    /// Folder of look-up files of the known names: regexes.yaml, referers.json, browsers.json, operating_systems.json,
    /// MaxMind databases, IAB lists
    #[arg(long, value_name = "DIR")]
    pub enrichment_data: Option<PathBuf>,
    /// Folder for the events about pseudonymisation that Stream Enrich sends (emitEvent) [default: none, as R108's batch job]
    #[arg(long, value_name = "FOLDER")]
    pub pii_folder: Option<String>,
    /// Keep bad rows of unexpected errors apart, in the errors folder
    #[arg(long)]
    pub continue_on_unexpected_error: bool,
    /// Use local test copies of look-up databases (accepted for compatibility)
    #[arg(long, hide = true)]
    pub local: bool,
}

impl EnrichSource {
    /// The documents of the resolver and of the enrichments.
    ///
    /// # Errors
    /// `Config` when one of them cannot be read.
    pub fn documents(&self) -> Result<(String, EnrichmentConfigs)> {
        let resolver = document::read("--iglu-config", &self.iglu_config)?;
        let enrichments = match &self.enrichments {
            Some(value) if std::path::Path::new(value).is_dir() => {
                EnrichmentConfigs::from_folder(std::path::Path::new(value))?
            }
            Some(value) => EnrichmentConfigs::from_json(&document::read("--enrichments", value)?)?,
            None => EnrichmentConfigs::default(),
        };
        Ok((resolver, enrichments))
    }

    /// What enrichments may need beside their configurations; `store` reaches look-up files on S3.
    pub fn environment(&self, store: &StoreSettings) -> Environment {
        let mut environment = Environment::default();
        environment.databases.store = store.clone();
        environment
            .databases
            .folder
            .clone_from(&self.enrichment_data);
        environment
    }
}

impl EnrichArguments {
    /// The job, if it is to be done as a whole.
    ///
    /// # Errors
    /// `Config` when an option cannot be used, or if it is one shard of the job that is asked for.
    pub fn job(&self) -> Result<EnrichJob> {
        self.shards.refuse()?;
        self.whole_job()
    }

    /// The job, whichever part of it is to be done.
    pub(super) fn whole_job(&self) -> Result<EnrichJob> {
        let (resolver, enrichments) = self.source.documents()?;
        let options = self.shared.job_options()?;
        Ok(EnrichJob {
            input: self.source.input_folder.clone(),
            format: self.source.input_format.clone(),
            output: self.output_folder.clone(),
            bad: self.bad_folder.clone(),
            errors: self.errors_folder.clone(),
            pii: self.source.pii_folder.clone(),
            enrichments,
            environment: self.source.environment(&options.store),
            resolver,
            etl_tstamp_ms: self.source.etl_timestamp,
            v_etl: self.source.etl_version.clone(),
            options,
        })
    }

    /// Runs the job, or one shard of it.
    ///
    /// # Errors
    /// When an option cannot be used or the job fails; nothing is committed then.
    pub fn run(&self) -> Result<JobReport> {
        self.shards.run_enrich(&self.whole_job()?)
    }
}
