//! What stands in a `regexes.yaml` of uap-core.
//!
//! The build script reads the built-in file with this too, and leaves it as JSON, which is read faster than YAML.

use serde::{Deserialize, Serialize};

/// The three lists.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) user_agent_parsers: Vec<AgentEntry>,
    pub(super) os_parsers: Vec<SystemEntry>,
    pub(super) device_parsers: Vec<DeviceEntry>,
}

/// An entry of the list of user agents.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AgentEntry {
    pub(super) regex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regex_flag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) family_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v1_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v2_replacement: Option<String>,
}

/// An entry of the list of operating systems.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SystemEntry {
    pub(super) regex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regex_flag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_v1_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_v2_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_v3_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_v4_replacement: Option<String>,
}

/// An entry of the list of devices.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceEntry {
    pub(super) regex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regex_flag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) brand_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_replacement: Option<String>,
}

/// A file, and what each match of its expressions holds: found by the build script, read at every start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// The file.
    pub(super) file: File,
    /// For each expression, one list after the other, the sets of its required pieces.
    pub(super) required: Vec<Vec<Vec<String>>>,
}

impl File {
    /// All expressions, one list after the other, each with whether case matters not.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, bool)> {
        self.flags().map(|(regex, flag)| (regex, flag == Some("i")))
    }

    /// All expressions with their flags, one list after the other.
    pub(super) fn flags(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let agents = self.user_agent_parsers.iter();
        let systems = self.os_parsers.iter();
        let devices = self.device_parsers.iter();
        agents
            .map(|entry| (&*entry.regex, entry.regex_flag.as_deref()))
            .chain(systems.map(|entry| (&*entry.regex, entry.regex_flag.as_deref())))
            .chain(devices.map(|entry| (&*entry.regex, entry.regex_flag.as_deref())))
    }

    /// The list and the entry, from 1, of an expression.
    pub(super) fn place_of(&self, index: usize) -> (&'static str, usize) {
        let (agents, systems) = (self.user_agent_parsers.len(), self.os_parsers.len());
        if index < agents {
            ("user_agent_parsers", index + 1)
        } else if index < agents + systems {
            ("os_parsers", index - agents + 1)
        } else {
            ("device_parsers", index - agents - systems + 1)
        }
    }
}
