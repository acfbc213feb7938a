//! A `regexes.yaml` of uap-core, and what it says about a user agent by the rules of uap-java 1.3.0.
//!
//! Three lists, for user agents, operating systems and devices, are gone through on their own; in each the first expression
//! that is found and yields a family decides. Files of 2015 and later need rules that 1.3.0 did not have: `regex_flag`,
//! `$1` to `$9` in replacements of systems and devices, `os_v3_replacement`. They do not change what the older files
//! say. What 1.3.0 does not know in any file stays unknown: brands, models, `v3_replacement`.

mod file;

use std::ops::Range;
use std::sync::Mutex;

use crate::enrichment::data_file::from_yaml;

use super::pattern::{Candidates, Groups, Haystack, Patterns};
use file::{AgentEntry, DeviceEntry, File, Prepared, SystemEntry};

/// The longest part of a user agent that is looked at, in bytes. No browser comes near; a search through a longer one, made
/// up to fit all expressions, would take seconds.
pub(in crate::enrichment) const LONGEST: usize = 16 << 10;

/// What is said about a user agent that no expression knows.
const OTHER: &str = "Other";

/// The browser or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// `Other` if it is not known.
    pub family: String,
    /// First part of the version.
    pub major: Option<String>,
    /// Second part.
    pub minor: Option<String>,
    /// Third part.
    pub patch: Option<String>,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// `Other` if it is not known.
    pub family: String,
    /// First part of the version.
    pub major: Option<String>,
    /// Second part.
    pub minor: Option<String>,
    /// Third part.
    pub patch: Option<String>,
    /// Fourth part.
    pub patch_minor: Option<String>,
}

/// What a user agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAgent {
    /// The browser or program.
    pub agent: Agent,
    /// The operating system.
    pub system: System,
    /// Family of the device, `Other` if it is not known.
    pub device: String,
}

/// A compiled `regexes.yaml`.
#[derive(Debug)]
pub struct Regexes {
    /// Those of the three lists, one after the other.
    patterns: Patterns,
    agents: Vec<AgentEntry>,
    systems: Vec<SystemEntry>,
    devices: Vec<DeviceEntry>,
    /// Whether the file needs the rules of 2015 for the replacements of devices.
    is_templated: bool,
    /// User agents that one enrichment has read, until the other one asks for them.
    lately: Mutex<Vec<(Box<str>, UserAgent)>>,
}

/// Most user agents that wait for the other enrichment: workers are seldom more.
const MOST_LATELY: usize = 16;

impl Regexes {
    /// Reads and compiles a `regexes.yaml`; `place` names it in errors.
    ///
    /// # Errors
    /// What is wrong with the file: no YAML, a list that is missing, expressions that cannot be compiled.
    pub fn from_yaml(text: &str, place: &str) -> Result<Self, Vec<String>> {
        let file: File = from_yaml(text)
            .map_err(|error| vec![format!("{place}: not the regexes of uap-core: {error}")])?;
        let mut failures = Vec::new();
        for (index, (_, flag)) in file.flags().enumerate() {
            if let Some(flag) = flag.filter(|flag| !matches!(*flag, "" | "i")) {
                let (list, entry) = file.place_of(index);
                failures.push(format!(
                    "{place}: {list}, entry {entry}: regex_flag '{flag}' is not known, only 'i' is"
                ));
            }
        }
        let sources: Vec<(&str, bool)> = file.sources().collect();
        let patterns = match Patterns::compile(&sources) {
            Ok(patterns) if failures.is_empty() => patterns,
            Ok(_) => return Err(failures),
            Err(errors) => {
                failures.extend(errors.into_iter().map(|(index, why)| {
                    let (list, entry) = file.place_of(index);
                    let regex = sources.get(index).map_or("", |(regex, _)| regex);
                    format!("{place}: {list}, entry {entry}: regex '{regex}': {why}")
                }));
                return Err(failures);
            }
        };
        Ok(Self::of(file, patterns))
    }

    /// What the build script made of a `regexes.yaml`. Its expressions were found to be right; each is compiled when it is
    /// needed.
    ///
    /// # Errors
    /// The text is none of the build script's.
    pub(super) fn from_prepared(text: &str, place: &str) -> Result<Self, Vec<String>> {
        let Prepared { file, required } =
            serde_json::from_str(text).map_err(|error| vec![format!("{place}: {error}")])?;
        let of_piece = |piece: String| piece.into_bytes();
        let of_set = |set: Vec<String>| set.into_iter().map(of_piece).collect();
        let required = required
            .into_iter()
            .map(|sets| sets.into_iter().map(of_set).collect());
        let sources: Vec<(&str, bool)> = file.sources().collect();
        let patterns = Patterns::compile_later(&sources, required.collect())
            .map_err(|why| vec![format!("{place}: {why}")])?;
        Ok(Self::of(file, patterns))
    }

    fn of(file: File, patterns: Patterns) -> Self {
        let is_templated = file.device_parsers.iter().any(|entry| {
            entry.regex_flag.is_some()
                || entry.brand_replacement.is_some()
                || entry.model_replacement.is_some()
        });
        Self {
            patterns,
            agents: file.user_agent_parsers,
            systems: file.os_parsers,
            devices: file.device_parsers,
            is_templated,
            lately: Mutex::default(),
        }
    }

    /// [`read`](Self::read) for enrichments that keep the result: of two that ask for a user agent shortly after each other
    /// only the first one waits for it to be read.
    ///
    /// # Errors
    /// The same.
    pub(in crate::enrichment) fn read_lately(&self, useragent: &str) -> Result<UserAgent, String> {
        if let Ok(mut lately) = self.lately.try_lock()
            && let Some(at) = lately.iter().position(|(text, _)| **text == *useragent)
        {
            return Ok(lately.swap_remove(at).1);
        }
        let read = self.read(useragent)?;
        if useragent.len() <= LONGEST
            && let Ok(mut lately) = self.lately.try_lock()
        {
            if lately.len() >= MOST_LATELY {
                // nobody asked: there is one enrichment only
                lately.clear();
            }
            lately.push((useragent.into(), read.clone()));
        }
        Ok(read)
    }

    /// What a user agent says.
    ///
    /// # Errors
    /// An expression with look-around took too many steps.
    pub fn read(&self, useragent: &str) -> Result<UserAgent, String> {
        let haystack = Haystack::new(&useragent[..useragent.floor_char_boundary(LONGEST)]);
        let candidates = self.patterns.candidates(&haystack);
        let systems = self.agents.len();
        let devices = systems + self.systems.len();
        let end = devices + self.devices.len();
        let agent = first(&candidates, &haystack, 0..systems, |index, groups| {
            self.agents[index].agent(groups)
        })?;
        let system = first(&candidates, &haystack, systems..devices, |index, groups| {
            self.systems[index].system(groups)
        })?;
        let device = first(&candidates, &haystack, devices..end, |index, groups| {
            self.devices[index].device(groups, self.is_templated)
        })?;
        Ok(UserAgent {
            agent: agent.unwrap_or_else(Agent::other),
            system: system.unwrap_or_else(System::other),
            device: device.unwrap_or_else(|| OTHER.to_owned()),
        })
    }
}

/// What the first expression of a list says that is found and yields something; `read` gets its index in the list.
fn first<T>(
    candidates: &Candidates<'_>,
    haystack: &Haystack<'_>,
    list: Range<usize>,
    read: impl Fn(usize, &Groups<'_>) -> Option<T>,
) -> Result<Option<T>, String> {
    for (index, pattern) in candidates.within(list.clone()) {
        if let Some(groups) = pattern.find(haystack)?
            && let Some(found) = read(index - list.start, &groups)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A replacement, else the text of a group.
fn replaced(replacement: Option<&String>, groups: &Groups<'_>, group: usize) -> Option<String> {
    match replacement {
        Some(replacement) => Some(replacement.clone()),
        None => groups.get(group).map(str::to_owned),
    }
}

/// A replacement with group 1 in place of its first `$1`, if that group took part; else group 1.
fn family(replacement: Option<&String>, groups: &Groups<'_>) -> Option<String> {
    let first = groups.get(1);
    match (replacement, first) {
        (Some(replacement), Some(first)) => Some(replacement.replacen("$1", first, 1)),
        (Some(replacement), None) => Some(replacement.clone()),
        (None, first) => first.map(str::to_owned),
    }
}

/// The text with the groups in place of `$1` to `$9`, nothing for those that took no part.
fn template(text: &str, groups: &Groups<'_>) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let digit = behind.bytes().next().filter(|b| (b'1'..=b'9').contains(b));
        match digit {
            Some(digit) => {
                out.push_str(groups.get(usize::from(digit - b'0')).unwrap_or_default());
                rest = &behind[1..];
            }
            None => {
                out.push('$');
                rest = behind;
            }
        }
    }
    out + rest
}

impl Agent {
    fn other() -> Self {
        Self {
            family: OTHER.to_owned(),
            major: None,
            minor: None,
            patch: None,
        }
    }

    /// Family and version: `Firefox 12.0`.
    pub fn version(&self) -> String {
        version(&self.family, &[&self.major, &self.minor, &self.patch])
    }
}

impl System {
    fn other() -> Self {
        Self {
            family: OTHER.to_owned(),
            major: None,
            minor: None,
            patch: None,
            patch_minor: None,
        }
    }

    /// Family and version: `iOS 5.1.1`.
    pub fn version(&self) -> String {
        let parts = [&self.major, &self.minor, &self.patch, &self.patch_minor];
        version(&self.family, &parts)
    }
}

fn version(family: &str, parts: &[&Option<String>]) -> String {
    let mut text = family.to_owned();
    for (index, part) in parts.iter().enumerate() {
        if let Some(part) = part {
            text.push(if index == 0 { ' ' } else { '.' });
            text.push_str(part);
        }
    }
    text
}

impl AgentEntry {
    fn agent(&self, groups: &Groups<'_>) -> Option<Agent> {
        let patch = match &self.v2_replacement {
            Some(_) => None,
            None => groups.get(4).map(str::to_owned),
        };
        Some(Agent {
            family: family(self.family_replacement.as_ref(), groups)?,
            major: replaced(self.v1_replacement.as_ref(), groups, 2),
            minor: replaced(self.v2_replacement.as_ref(), groups, 3),
            patch,
        })
    }
}

impl SystemEntry {
    fn system(&self, groups: &Groups<'_>) -> Option<System> {
        let part = |replacement: &Option<String>, group| match replacement {
            Some(text) if text.contains('$') => {
                let text = template(text, groups);
                let text = text.trim();
                (!text.is_empty()).then(|| text.to_owned())
            }
            replacement => replaced(replacement.as_ref(), groups, group),
        };
        Some(System {
            family: part(&self.os_replacement, 1)?,
            major: part(&self.os_v1_replacement, 2),
            minor: part(&self.os_v2_replacement, 3),
            patch: part(&self.os_v3_replacement, 4),
            patch_minor: part(&self.os_v4_replacement, 5),
        })
    }
}

impl DeviceEntry {
    fn device(&self, groups: &Groups<'_>, is_templated: bool) -> Option<String> {
        match &self.device_replacement {
            Some(text) if is_templated && text.contains('$') => {
                // Java's trim: everything up to the space
                let device = template(text, groups);
                Some(device.trim_matches(|c| c <= ' ').to_owned())
            }
            replacement => family(replacement.as_ref(), groups),
        }
    }
}

#[cfg(test)]
mod tests;
