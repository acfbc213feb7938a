//! `camonica resume`.

use clap::Args;

use super::common::{Documents, LockArguments, timeout, with_timeout};
use crate::failure::Result;
use crate::run;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    lock: LockArguments,
    /// The runner that was at work is gone for certain: take its lock of a log folder on S3
    #[arg(long)]
    take_over: bool,
    /// Longest time, e.g. 4h: no step is begun after it, a job at work is stopped
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let timeout = timeout(arguments.timeout.as_deref())?;
    let mut request = arguments.documents.read(&arguments.lock)?;
    with_timeout(&mut request.resume_command, arguments.timeout.as_deref());
    request.timeout = timeout;
    request.take_over = arguments.take_over;
    run::resume(request)
}
