//! Enrich: the staged logs become enriched events in the folder of the run.

use engine::job::EnrichJob;

use super::{RunContext, StepOutcome, is_committed};

/// Runs the engine's enrich job.
///
/// # Errors
/// When the job failed; nothing of its output is visible then.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let config = &context.config;
    let output = context.run_folder(&config.enriched.good);
    if is_committed(&output, "_SUCCESS") {
        return Ok(StepOutcome {
            summary: format!("was committed already in {output}"),
            report: serde_json::json!({ "committed_before": true }),
        });
    }
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
    let report = EnrichJob {
        input: context.config.raw.processing.join("*").to_string(),
        format: config.format.clone(),
        output: output.to_string(),
        bad: context.run_folder(&config.enriched.bad).to_string(),
        errors,
        enrichments: context.enrichments.clone(),
        resolver: context.resolver.clone(),
        etl_tstamp_ms: context.etl_tstamp_ms,
        v_etl: None,
        options: context.job_options()?,
    }
    .run()
    .map_err(|error| error.to_string())?;
    Ok(StepOutcome {
        summary: report.to_table(),
        report: serde_json::json!(report),
    })
}
