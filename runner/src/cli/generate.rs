//! `camonica generate`: the files of Dataflow Runner.

use clap::Args;

use crate::failure::{Failure, Result};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// emr-config, emr-playbook or all, with their options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let what = arguments.words.first().map_or("", String::as_str);
    Err(Failure::Config(
        format!("generate {what}").trim_end().to_owned() + ": not available yet",
    ))
}
