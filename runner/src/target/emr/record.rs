//! What a run notes about its clusters, in `<log>/camonica/<run id>/emr.json`: written before a cluster is asked for, when its
//! id is known, and when it ended. A runner that dies at any moment leaves enough for the next one to find the cluster.

use engine::store::Location;
use serde::{Deserialize, Serialize};

use crate::journal::camonica_folder;
use crate::objects::Objects;
use crate::plan::StepName;

/// The clusters of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EmrRecord {
    /// One for each cluster that was asked for, the oldest first.
    pub(super) attempts: Vec<Attempt>,
}

/// A cluster that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// A random text, in a tag of the cluster.
    pub(super) token: String,
    /// Name of the cluster.
    pub(super) name: String,
    /// When it was asked for, milliseconds since the epoch.
    pub(super) asked_ms: i64,
    /// Its id, once it is known.
    pub(super) cluster_id: Option<String>,
    /// Its steps, in order.
    pub(super) steps: Vec<AttemptStep>,
    /// How it ended, as far as it is known.
    #[serde(default)]
    pub(super) ended: Option<String>,
}

/// A step of a cluster that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AttemptStep {
    /// Name of the step of the run; empty for what only makes the cluster ready.
    #[serde(default)]
    pub(super) step: String,
    /// Name on the cluster.
    pub(super) name: String,
    /// Id on the cluster, once it is known.
    #[serde(default)]
    pub(super) id: Option<String>,
    /// URI of the log that the step itself writes.
    #[serde(default)]
    pub(super) log: Option<String>,
}

impl Attempt {
    /// Its steps that belong to a step of the run.
    pub(super) fn steps_of(&self, step: StepName) -> Vec<&AttemptStep> {
        self.steps
            .iter()
            .filter(|known| known.step == step.name())
            .collect()
    }
}

impl EmrRecord {
    fn place(log: &Location, run_id: &str) -> Location {
        camonica_folder(log).join(&format!("{run_id}/emr.json"))
    }

    /// What is noted about a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(objects: &Objects, log: &Location, run_id: &str) -> Result<Self, String> {
        let place = Self::place(log, run_id);
        match objects.get(&place)? {
            None => Ok(Self::default()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                format!("{place}: what was noted about clusters cannot be read: {error}")
            }),
        }
    }

    /// Notes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(
        &self,
        objects: &Objects,
        log: &Location,
        run_id: &str,
    ) -> Result<(), String> {
        let place = Self::place(log, run_id);
        let text = serde_json::to_vec_pretty(self).map_err(|error| format!("{place}: {error}"))?;
        objects.put(&place, &text)
    }
}
