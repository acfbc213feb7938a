//! Shred: enriched events become atomic events and shredded JSONs (EmrEtlRunner's step `Shred Enriched Events`).
//!
//! A run that makes enriched events shreds those of its own folder. One that begins at shred takes every run folder that
//! lies under `enriched.good`, as the reference's copy to HDFS did: part files in batch mode, `.gz` objects in Stream Enrich
//! mode.

use engine::job::ShredJob;

use super::{RunContext, enrich};
use crate::plan::Mode;

/// Markers of a committed output.
pub const MARKERS: [&str; 2] = ["atomic-events/_SUCCESS", "shredded-types/_SUCCESS"];

/// The engine's job of this run.
///
/// # Errors
/// When there are no enriched events, or their folders cannot be listed.
pub fn job(context: &RunContext) -> Result<ShredJob, String> {
    let config = &context.config;
    let folders = context.enriched_folders()?;
    if folders.is_empty() {
        return Err(format!(
            "No run folders in [{}] found",
            config.enriched.good
        ));
    }
    let mut inputs = Vec::new();
    for folder in folders {
        inputs.push(match context.plan.mode {
            Mode::Batch => folder.to_string(),
            Mode::Stream => enrich::globs(&context.objects, &folder, "*.gz")?,
        });
    }
    Ok(ShredJob {
        input: inputs.join(","),
        output: context.run_folder(&config.shredded.good).to_string(),
        bad: context.run_folder(&config.shredded.bad).to_string(),
        resolver: context.resolver.clone(),
        options: context.job_options(),
    })
}
