//! `camonica-engine shred`: the options of RDB Shredder's `ShredJob`.

use clap::Args;

use super::document;
use super::shards::ShardArguments;
use super::shared::{SharedArguments, ShredRuleArguments};
use crate::error::{Error, Result};
use crate::job::{JobOptions, JobReport, ShredJob};

/// Options of `shred`.
#[derive(Debug, Args)]
pub struct ShredArguments {
    /// Folder, glob or comma-separated list of these with enriched events
    #[arg(long)]
    pub input_folder: String,
    /// Folder for atomic-events and shredded-types
    #[arg(long)]
    pub output_folder: String,
    /// Folder for bad rows
    #[arg(long)]
    pub bad_folder: String,
    /// Iglu resolver configuration: base64 or a file
    #[arg(long)]
    pub iglu_config: String,
    /// Storage of cross-batch deduplication (not built yet: refused)
    #[arg(long)]
    pub duplicate_storage_config: Option<String>,
    /// Table of the processing manifest (not built yet: refused)
    #[arg(long)]
    pub processing_manifest_table: Option<String>,
    /// Item of the processing manifest
    #[arg(long)]
    pub item_id: Option<String>,
    #[command(flatten)]
    rules: ShredRuleArguments,
    #[command(flatten)]
    pub(super) shards: ShardArguments,
    #[command(flatten)]
    shared: SharedArguments,
}

/// Refuses the options of what is not built yet, so that nobody relies on it.
///
/// # Errors
/// `Config` that names the option.
pub fn refuse_unbuilt(
    duplicate_storage: Option<&String>,
    manifest_table: Option<&String>,
    item_id: Option<&String>,
) -> Result<()> {
    if duplicate_storage.is_some() {
        return Err(Error::config(
            "--duplicate-storage-config: cross-batch deduplication is not available yet; leave the option out (or the \
             DUPLICATE_TRACKING target) to deduplicate within the batch only",
        ));
    }
    match (manifest_table, item_id) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => Err(Error::config(
            "--processing-manifest-table: the processing manifest is not available yet; leave both of its options out",
        )),
        (table, item) => {
            let name =
                |value: Option<&String>| value.map_or("None".to_owned(), |v| format!("Some({v})"));
            Err(Error::config(format!(
                "Both --processing-manifest-table and --item-id-should be either provided or omitted. Processing \
                 manifest: {}, item id: {}",
                name(table),
                name(item)
            )))
        }
    }
}

impl ShredArguments {
    /// Runs the job, or one shard of it.
    ///
    /// # Errors
    /// When an option cannot be used or the job fails; nothing is committed then.
    pub fn run(&self) -> Result<JobReport> {
        self.shards.run_shred(&self.whole_job()?)
    }

    /// The job, if it is to be done as a whole.
    ///
    /// # Errors
    /// `Config` when an option cannot be used, or if it is one shard of the job that is asked for.
    pub fn job(&self) -> Result<ShredJob> {
        self.shards.refuse()?;
        self.whole_job()
    }

    /// The job, whichever part of it is to be done.
    pub(super) fn whole_job(&self) -> Result<ShredJob> {
        refuse_unbuilt(
            self.duplicate_storage_config.as_ref(),
            self.processing_manifest_table.as_ref(),
            self.item_id.as_ref(),
        )?;
        Ok(ShredJob {
            input: self.input_folder.clone(),
            output: self.output_folder.clone(),
            bad: self.bad_folder.clone(),
            resolver: document::read("--iglu-config", &self.iglu_config)?,
            options: JobOptions {
                shred: self.rules.rules(),
                ..self.shared.job_options()?
            },
        })
    }
}
