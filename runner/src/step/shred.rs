//! Shred: the enriched events of the run become atomic events and shredded JSONs.

use engine::job::ShredJob;

use super::{RunContext, StepOutcome, committed_before, is_committed};

/// Runs the engine's shred job.
///
/// # Errors
/// When the job failed; nothing of its output is visible then.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let config = &context.config;
    let output = context.run_folder(&config.shredded.good);
    let job = ShredJob {
        input: context.run_folder(&config.enriched.good).to_string(),
        output: output.to_string(),
        bad: context.run_folder(&config.shredded.bad).to_string(),
        resolver: context.resolver.clone(),
        options: context.job_options()?,
    };
    // A commit that was cut off comes first: it may have written its markers already, and still have leftovers to clear.
    let report = match job.finish_cut().map_err(|error| error.to_string())? {
        Some(report) => report,
        None if ["atomic-events/_SUCCESS", "shredded-types/_SUCCESS"]
            .iter()
            .all(|marker| is_committed(&output, marker)) =>
        {
            return Ok(committed_before(&output));
        }
        None => job.run().map_err(|error| error.to_string())?,
    };
    Ok(StepOutcome {
        summary: report.to_table(),
        report: serde_json::json!(report),
    })
}
