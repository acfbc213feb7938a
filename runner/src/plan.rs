//! Which steps run: a pure function of the options.

use crate::failure::{Failure, Result};

/// Steps in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// Collector folders -> processing.
    Staging,
    /// Raw logs -> enriched events.
    Enrich,
    /// Enriched events -> atomic events and shredded JSONs.
    Shred,
    /// Processing -> archive.
    ArchiveRaw,
    /// Loading into storage targets.
    RdbLoad,
    /// Enriched events -> archive.
    ArchiveEnriched,
    /// Shredded events -> archive.
    ArchiveShredded,
}

impl StepName {
    /// All steps, in order.
    pub const ALL: [Self; 7] = [
        Self::Staging,
        Self::Enrich,
        Self::Shred,
        Self::ArchiveRaw,
        Self::RdbLoad,
        Self::ArchiveEnriched,
        Self::ArchiveShredded,
    ];

    /// The name that options and journals use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Enrich => "enrich",
            Self::Shred => "shred",
            Self::ArchiveRaw => "archive_raw",
            Self::RdbLoad => "rdb_load",
            Self::ArchiveEnriched => "archive_enriched",
            Self::ArchiveShredded => "archive_shredded",
        }
    }

    /// The step of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// The steps of a run.
///
/// # Errors
/// `Config` for a name in `skip` that is no step.
pub fn steps(skip: &[String]) -> Result<Vec<StepName>> {
    for name in skip {
        if StepName::from_name(name).is_none() {
            let names: Vec<&str> = StepName::ALL.iter().map(|step| step.name()).collect();
            return Err(Failure::Config(format!(
                "Invalid option: skip can be {} not '{name}'",
                names.join(", ")
            )));
        }
    }
    Ok(StepName::ALL
        .into_iter()
        .filter(|step| !skip.iter().any(|name| name == step.name()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_steps_are_left_out() {
        assert_eq!(steps(&[]).unwrap(), StepName::ALL);
        let left = steps(&["staging".into(), "rdb_load".into()]).unwrap();
        assert_eq!(left.first(), Some(&StepName::Enrich));
        assert_eq!(left.len(), 5);
    }

    #[test]
    fn unknown_names_are_refused() {
        let error = steps(&["stagin".into()]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Invalid option: skip can be staging, enrich, shred,"),
            "{error}"
        );
        assert!(error.to_string().ends_with("not 'stagin'"));
    }
}
