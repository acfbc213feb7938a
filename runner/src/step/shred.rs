//! Shred: the enriched events of the run become atomic events and shredded JSONs.

use engine::job::ShredJob;

use super::{RunContext, StepOutcome, is_committed};

/// Runs the engine's shred job.
///
/// # Errors
/// When the job failed; nothing of its output is visible then.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let config = &context.config;
    let output = context.run_folder(&config.shredded.good);
    if is_committed(&output, "shredded-types/_SUCCESS") {
        return Ok(StepOutcome {
            summary: format!("was committed already in {output}"),
            report: serde_json::json!({ "committed_before": true }),
        });
    }
    let report = ShredJob {
        input: context.run_folder(&config.enriched.good).to_string(),
        output: output.to_string(),
        bad: context.run_folder(&config.shredded.bad).to_string(),
        resolver: context.resolver.clone(),
        options: context.job_options()?,
    }
    .run()
    .map_err(|error| error.to_string())?;
    Ok(StepOutcome {
        summary: report.to_table(),
        report: serde_json::json!(report),
    })
}
