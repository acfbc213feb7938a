//! How a run can end other than well, and the exit codes that schedulers rely on.

use std::fmt;

/// Why a run did not go to its end.
#[derive(Debug)]
pub enum Failure {
    /// Options or configuration cannot be used.
    Config(String),
    /// Storage targets cannot be used: `Error in [<file>] <reason>` for each. The reference says it on standard output.
    Targets(String),
    /// There is nothing to do: no logs, or no unfinished run.
    NoData(String),
    /// A folder that must be empty is not: an earlier run is unfinished.
    Ongoing {
        /// Which folder, in the reference's words.
        reason: String,
        /// What can be done: whole lines, commands indented; may be empty.
        hint: String,
    },
    /// The lock is held.
    Locked(String),
    /// A step failed.
    Step {
        /// Its name.
        step: &'static str,
        /// What happened.
        error: String,
        /// The command that goes on from there.
        hint: String,
    },
    /// The time that was given to the run is over.
    TimedOut {
        /// The time, in words.
        time: String,
        /// The step that was stopped or not begun.
        step: &'static str,
        /// The command that goes on from there.
        hint: String,
    },
}

/// Result of the runner's functions.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Exit codes of EmrEtlRunner R108.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Targets(_) | Self::Step { .. } | Self::TimedOut { .. } => 1,
            Self::NoData(_) => 3,
            Self::Ongoing { .. } => 4,
            Self::Locked(_) => 17,
        }
    }

    /// Whether nothing was begun and nothing is wrong: no data, or another run is not at its end.
    pub fn is_no_op(&self) -> bool {
        matches!(self, Self::NoData(_) | Self::Ongoing { .. })
    }

    /// Whether the reference says it on standard output rather than on standard error.
    pub fn is_on_stdout(&self) -> bool {
        matches!(
            self,
            Self::NoData(_) | Self::Ongoing { .. } | Self::Locked(_) | Self::Targets(_)
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) | Self::Targets(text) => f.write_str(text),
            Self::NoData(reason) => write!(f, "No logs to process: {reason}"),
            Self::Ongoing { reason, hint } => {
                write!(
                    f,
                    "There seems to be an ongoing run of EmrEtlRunner: {reason}"
                )?;
                if hint.is_empty() {
                    return Ok(());
                }
                write!(f, "\n{hint}")
            }
            Self::Locked(place) => write!(f, "Lock already held at {place}"),
            Self::Step { step, error, hint } => {
                write!(
                    f,
                    "Step {step} failed: {error}\nData files not archived. To go on from there:\n  {hint}"
                )
            }
            Self::TimedOut { time, step, hint } => {
                write!(
                    f,
                    "The time of the run (--timeout {time}) was over at step {step}\nData files not archived. To go on from there:\n  {hint}"
                )
            }
        }
    }
}

impl std::error::Error for Failure {}
