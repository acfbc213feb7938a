//! The steps of a run. Each can be cut at any point and done again: nothing is lost and nothing doubled.

pub mod archive;
pub mod enrich;
pub mod shred;
pub mod staging;

use std::path::{Path, PathBuf};

use engine::enrichment::config::EnrichmentConfigs;
use engine::job::JobOptions;
use engine::job::options::{ShowProgress, parse_size};
use engine::output::Compression;
use engine::store::Location;

use crate::config::Config;
use crate::plan::StepName;

/// What the steps of one run share.
pub struct RunContext {
    /// The configuration.
    pub config: Config,
    /// The run.
    pub run_id: String,
    /// Time of the enrich run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// The enrichment configurations.
    pub enrichments: EnrichmentConfigs,
    /// Whether jobs show their progress.
    pub progress: ShowProgress,
}

/// What a step did: a line for the summary and a record for the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// For people.
    pub summary: String,
    /// For machines.
    pub report: serde_json::Value,
}

/// Runs one step. Errors are texts that name the object and say what to do.
///
/// # Errors
/// When the step failed; it can be run again.
pub fn run(step: StepName, context: &RunContext) -> Result<StepOutcome, String> {
    match step {
        StepName::Staging => staging::run(context),
        StepName::Enrich => enrich::run(context),
        StepName::Shred => shred::run(context),
        StepName::ArchiveRaw => archive::raw(context),
        StepName::RdbLoad => Ok(StepOutcome {
            summary: "not available yet: nothing was loaded".into(),
            report: serde_json::json!({ "skipped": true }),
        }),
        StepName::ArchiveEnriched => archive::enriched(context),
        StepName::ArchiveShredded => archive::shredded(context),
    }
}

impl RunContext {
    /// The folder of this run below `base`.
    pub fn run_folder(&self, base: &Location) -> Location {
        base.join(&format!("run={}/", self.run_id))
    }

    /// Settings of an engine job of this run.
    ///
    /// # Errors
    /// When a setting of the block `camonica` cannot be used.
    pub fn job_options(&self) -> Result<JobOptions, String> {
        let mut options = JobOptions {
            compression: if self.config.gzip {
                Compression::Gzip(6)
            } else {
                Compression::None
            },
            run_id: Some(self.run_id.clone()),
            log_folder: Some(self.config.log.to_string()),
            skip_corrupt: self.config.camonica.skip_corrupt,
            progress: self.progress,
            spill_directories: self.config.camonica.spill_directories.clone(),
            ..JobOptions::default()
        };
        if let Some(workers) = self.config.camonica.workers {
            options.workers = workers;
        }
        if let Some(limit) = &self.config.camonica.memory_limit {
            options.memory_limit =
                parse_size(limit).map_err(|error| format!("camonica.memory_limit: {error}"))?;
        }
        Ok(options)
    }
}

/// The local path of a location; configurations of other places were refused when they were read.
pub fn local(location: &Location) -> PathBuf {
    location
        .local_path()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// The outcome of a job whose output an earlier attempt had committed.
fn committed_before(output: &Location) -> StepOutcome {
    StepOutcome {
        summary: format!("was committed already in {output}"),
        report: serde_json::json!({ "committed_before": true }),
    }
}

/// Whether the output of a job in `folder` was committed: its marker is the last thing that a commit writes.
pub fn is_committed(folder: &Location, marker: &str) -> bool {
    local(folder).join(marker).is_file()
}
