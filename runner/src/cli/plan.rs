//! `camonica plan`: exit codes are those that `run` would have now.

use clap::Args;

use super::common::{Documents, LockArguments, StepArguments};
use crate::failure::Result;
use crate::run::preview;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    steps: StepArguments,
    #[command(flatten)]
    lock: LockArguments,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let limits = arguments.steps.limits()?;
    let mut request = arguments.documents.read(&arguments.lock)?;
    request.options = arguments.steps.options();
    request.limits = limits;
    let (text, answer) = preview::preview(&request)?;
    super::say(&text);
    answer.map_or(Ok(()), Err)
}
