//! Where the jobs run. The plan, the checks, the moves of objects and the journal know nothing of it.

pub mod emr;
pub mod hosts;
pub mod local;

use crate::config::{Config, TargetKind};
use crate::failure::Result;
use crate::plan::StepName;
use crate::step::{self, RunContext, StepOutcome};

/// A place where jobs run.
///
/// Every method can be cut at any point, and called again by another process with the same context: it then finishes or
/// repeats what was begun. Errors are texts that name the object and say what to do.
pub trait Target {
    /// Which one it is.
    fn kind(&self) -> TargetKind;

    /// Makes ready for the steps that are left of a run; called once, before the first of them.
    ///
    /// # Errors
    /// When no step can run there.
    fn prepare(
        &mut self,
        _context: &RunContext,
        _steps: &[StepName],
    ) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Runs the enrich job of the run.
    ///
    /// # Errors
    /// When the job failed; nothing of its output is visible then.
    fn enrich(&mut self, context: &RunContext) -> std::result::Result<StepOutcome, String>;

    /// Runs the shred job of the run.
    ///
    /// # Errors
    /// When the job failed; nothing of its output is visible then.
    fn shred(&mut self, context: &RunContext) -> std::result::Result<StepOutcome, String>;

    /// Copies the bad rows of the run to Elasticsearch.
    ///
    /// # Errors
    /// When a storage target does not take them.
    fn elasticsearch(&mut self, context: &RunContext) -> std::result::Result<StepOutcome, String> {
        step::elasticsearch(context)
    }

    /// Loads what the run has shredded.
    ///
    /// # Errors
    /// When a storage target does not take it.
    fn load(&mut self, context: &RunContext) -> std::result::Result<StepOutcome, String> {
        step::load(context)
    }

    /// Releases what [`prepare`](Self::prepare) took; called once at the end of a run, well or not.
    ///
    /// # Errors
    /// When something is left that costs money; the run is not failed for it.
    fn finish(&mut self, _context: &RunContext) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// The target that a configuration asks for.
///
/// # Errors
/// `Config` for one that is not there.
pub fn open(config: &Config) -> Result<Box<dyn Target>> {
    match config.camonica.target {
        TargetKind::Local => Ok(Box::new(local::Local)),
        TargetKind::Emr => Ok(Box::new(emr::Emr::default())),
        TargetKind::Hosts => Ok(Box::new(hosts::Hosts::default())),
    }
}
