//! `camonica run`.

use clap::Args;

use super::common::{Documents, LockArguments, StepArguments, timeout, with_timeout};
use crate::failure::Result;
use crate::run;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    steps: StepArguments,
    #[command(flatten)]
    lock: LockArguments,
    /// Neither check nor take the lock at the start; it is removed at the end
    #[arg(long)]
    ignore_lock_on_start: bool,
    /// Turns on the debugging of EMR's job flows; no effect on other targets
    #[arg(short = 'd', long)]
    debug: bool,
    /// Longest time of the run, e.g. 4h: no step is begun after it, a job at work is stopped
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Remove folders without _SUCCESS that runs which died have left where this run writes
    #[arg(long)]
    clean: bool,
    /// Name of the run: digits and dashes [default: the time, UTC]
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    // parts that are about the command line alone come first
    let (limits, timeout) = (
        arguments.steps.limits()?,
        timeout(arguments.timeout.as_deref())?,
    );
    let mut request = arguments.documents.read(&arguments.lock)?;
    with_timeout(&mut request.resume_command, arguments.timeout.as_deref());
    request.options = arguments.steps.options();
    request.limits = limits;
    request.timeout = timeout;
    request.clean = arguments.clean;
    request.ignore_lock = arguments.ignore_lock_on_start;
    request.run_id = arguments.run_id;
    request.debug = arguments.debug;
    run::run(request)
}
