//! Multipart uploads that dead attempts of the jobs have left in the folders of a run on S3.
//!
//! A job's part files are uploads until it commits; it ends those that it does not commit. What it cannot end: the uploads of
//! an attempt that was killed, and one whose beginning was answered into a lost connection. They are no objects, no listing
//! shows them, and S3 charges for them until a lifecycle rule of the bucket ends them, if there is one. The folder of a run
//! belongs to the run: once a job has committed, or another run takes the place of this one, all that is still open there is
//! dead.

use engine::store::Location;

use crate::config::Config;
use crate::objects::Objects;
use crate::plan::StepName;

/// Ends the uploads that are open in the folders which `step` of the run writes to. What cannot be ended costs storage and does
/// no harm: it is said, and no reason to fail.
pub fn end_uploads(objects: &Objects, config: &Config, step: StepName, run_id: &str) {
    for folder in written(config, step, run_id) {
        match objects.end_uploads(&folder) {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!("{folder}: {count} uploads of dead attempts were ended");
            }
            Err(error) => tracing::warn!(
                "uploads of dead attempts in {folder} are not ended, and cost storage until a lifecycle rule of the bucket ends them: {error}"
            ),
        }
    }
}

/// The folders that a step of the run writes to by uploads.
fn written(config: &Config, step: StepName, run_id: &str) -> Vec<Location> {
    let bases = match step {
        StepName::Enrich => [
            Some(&config.enriched.good),
            config.enriched.bad.as_ref(),
            config.enriched.errors.as_ref(),
        ],
        StepName::Shred => [
            Some(&config.shredded.good),
            Some(&config.shredded.bad),
            None,
        ],
        _ => [None; 3],
    };
    let bases = bases.into_iter().flatten();
    bases
        .map(|base| base.join(&format!("run={run_id}/")))
        .collect()
}
