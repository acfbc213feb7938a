//! Archiving: what a run has used or made moves to the archive, into the folder of the run.

use engine::store::Location;

use super::{RunContext, StepOutcome, local};
use crate::transfer;

/// Processing -> `<raw.archive>run=<id>/`.
///
/// # Errors
/// When a file cannot be moved.
pub fn raw(context: &RunContext) -> Result<StepOutcome, String> {
    let raw = &context.config.raw;
    archive(&raw.processing, &context.run_folder(&raw.archive))
}

/// `<enriched.good>run=<id>/` -> `<enriched.archive>run=<id>/`.
///
/// # Errors
/// When there is no archive, or a file cannot be moved.
pub fn enriched(context: &RunContext) -> Result<StepOutcome, String> {
    let stage = &context.config.enriched;
    let Some(base) = &stage.archive else {
        return Err(no_archive("enriched"));
    };
    archive(&context.run_folder(&stage.good), &context.run_folder(base))
}

/// `<shredded.good>run=<id>/` -> `<shredded.archive>run=<id>/`.
///
/// # Errors
/// When there is no archive, or a file cannot be moved.
pub fn shredded(context: &RunContext) -> Result<StepOutcome, String> {
    let stage = &context.config.shredded;
    let Some(base) = &stage.archive else {
        return Err(no_archive("shredded"));
    };
    archive(&context.run_folder(&stage.good), &context.run_folder(base))
}

fn no_archive(stage: &str) -> String {
    format!("aws.s3.buckets.{stage}.archive is not set: set it, or run with --skip archive_{stage}")
}

fn archive(source: &Location, target: &Location) -> Result<StepOutcome, String> {
    let moved =
        transfer::move_tree(&local(source), &local(target)).map_err(|error| error.to_string())?;
    let summary = match moved.files {
        0 => format!("nothing in {source}"),
        files => format!("{files} files, {} bytes -> {target}", moved.bytes),
    };
    Ok(StepOutcome {
        summary,
        report: serde_json::json!(moved),
    })
}
