//! Target `local`: the jobs run in this process, on all its cores.

use engine::store::Location;

use super::Target;
use crate::config::TargetKind;
use crate::step::{RunContext, StepOutcome, committed_before, enrich, shred};

/// Target `local`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Target for Local {
    fn kind(&self) -> TargetKind {
        TargetKind::Local
    }

    fn enrich(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let job = enrich::job(context)?;
        let output = context.run_folder(&context.config.enriched.good);
        // A commit that was cut off comes first: it may have written its marker already, and still have leftovers to clear.
        let report = match job.finish_cut().map_err(|error| error.to_string())? {
            Some(report) => {
                job.options.clear_dead_spill();
                report
            }
            None if is_committed(context, &output, &["_SUCCESS"])? => {
                job.options.clear_dead_spill();
                return Ok(committed_before(&output));
            }
            None => job.run().map_err(|error| error.to_string())?,
        };
        Ok(StepOutcome {
            summary: report.to_table(),
            report: serde_json::json!(report),
        })
    }

    fn shred(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let job = shred::job(context)?;
        let output = context.run_folder(&context.config.shredded.good);
        let report = match job.finish_cut().map_err(|error| error.to_string())? {
            Some(report) => {
                job.options.clear_dead_spill();
                report
            }
            None if is_committed(context, &output, &shred::MARKERS)? => {
                job.options.clear_dead_spill();
                return Ok(committed_before(&output));
            }
            None => job.run().map_err(|error| error.to_string())?,
        };
        Ok(StepOutcome {
            summary: report.to_table(),
            report: serde_json::json!(report),
        })
    }
}

fn is_committed(context: &RunContext, output: &Location, markers: &[&str]) -> Result<bool, String> {
    for marker in markers {
        if !context.is_committed(output, marker)? {
            return Ok(false);
        }
    }
    Ok(true)
}
