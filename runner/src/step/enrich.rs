//! Enrich: the staged logs become enriched events in the folder of the run.

use engine::enrichment::Environment;
use engine::job::EnrichJob;
use engine::store::Location;

use std::path::PathBuf;

use super::{RunContext, StepOutcome, committed_before, is_committed, local};
use crate::transfer;

/// Runs the engine's enrich job.
///
/// # Errors
/// When the job failed; nothing of its output is visible then.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let config = &context.config;
    let output = context.run_folder(&config.enriched.good);
    let errors = config
        .errors_apart()
        .then(|| {
            config
                .enriched
                .errors
                .as_ref()
                .map(|base| context.run_folder(base).to_string())
        })
        .flatten();
    let processing = &config.raw.processing;
    let staged = transfer::files_below(&local(processing)).map_err(|error| error.to_string())?;
    let job = EnrichJob {
        input: input_globs(processing, &staged),
        format: config.format.clone(),
        output: output.to_string(),
        bad: context.run_folder(&config.enriched.bad).to_string(),
        errors,
        enrichments: context.enrichments.clone(),
        environment: Environment::default(),
        resolver: context.resolver.clone(),
        etl_tstamp_ms: context.etl_tstamp_ms,
        v_etl: None,
        options: context.job_options()?,
    };
    // A commit that was cut off comes first: it may have written its marker already, and still have leftovers to clear.
    let report = match job.finish_cut().map_err(|error| error.to_string())? {
        Some(report) => report,
        None if is_committed(&output, "_SUCCESS") => return Ok(committed_before(&output)),
        None => job.run().map_err(|error| error.to_string())?,
    };
    Ok(StepOutcome {
        summary: report.to_table(),
        report: serde_json::json!(report),
    })
}

/// Globs that name all staged files. One glob reads its own level and, of folders that it matches, the next one; files that
/// a collector put deeper would otherwise be archived without having been enriched.
fn input_globs(processing: &Location, staged: &[PathBuf]) -> String {
    let deepest = staged
        .iter()
        .map(|file| file.components().count())
        .max()
        .unwrap_or(1);
    let levels: Vec<String> = (1..deepest.max(2))
        .map(|level| processing.join(&vec!["*"; level].join("/")).to_string())
        .collect();
    levels.join(",")
}
