//! Which steps run: a pure function of options and configuration, by the table of EmrEtlRunner R108.
//!
//! Two of its rows are mended: `--resume-from staging_stream_enrich` means everything from that step on (the reference only
//! archives), and `--resume-from analyze` is refused as long as nothing is loaded (the reference only archives).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::config::version;
use crate::failure::{Failure, Result};

/// Where enriched events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// From raw logs of collectors, by the enrich job.
    #[default]
    Batch,
    /// From Stream Enrich, as its S3 Loader left them: `aws.s3.buckets.enriched.stream` is set.
    Stream,
}

impl Mode {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Stream => "stream enrich",
        }
    }
}

/// Steps in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// Collector folders -> processing.
    Staging,
    /// Raw logs -> enriched events.
    Enrich,
    /// The S3 Loader's folder -> enriched events.
    StagingStreamEnrich,
    /// Enriched events -> atomic events and shredded JSONs.
    Shred,
    /// Bad rows -> Elasticsearch.
    Elasticsearch,
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
    pub const ALL: [Self; 9] = [
        Self::Staging,
        Self::Enrich,
        Self::StagingStreamEnrich,
        Self::Shred,
        Self::Elasticsearch,
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
            Self::StagingStreamEnrich => "staging_stream_enrich",
            Self::Shred => "shred",
            Self::Elasticsearch => "elasticsearch",
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

    /// The mode in which it can run; `None`: both.
    fn mode(self) -> Option<Mode> {
        match self {
            Self::Staging | Self::Enrich | Self::ArchiveRaw => Some(Mode::Batch),
            Self::StagingStreamEnrich => Some(Mode::Stream),
            _ => None,
        }
    }

    /// Its place in the table: `--resume-from` leaves out what has a smaller one.
    fn rank(self) -> u8 {
        match self {
            Self::Staging => 1,
            Self::Enrich | Self::StagingStreamEnrich => 2,
            Self::Shred => 3,
            Self::Elasticsearch => 4,
            Self::ArchiveRaw => 5,
            Self::RdbLoad => 6,
            Self::ArchiveEnriched => 8,
            Self::ArchiveShredded => 9,
        }
    }
}

/// Phases of the loader that options name, with their places in the table; in the order of the loader's list.
const PHASES: [(&str, u8); 3] = [
    ("analyze", 7),
    ("consistency_check", 6),
    ("load_manifest_check", 6),
];

/// Values of `--resume-from`, in the order of the reference's message.
pub const RESUMABLE: [&str; 9] = [
    "enrich",
    "shred",
    "elasticsearch",
    "archive_raw",
    "rdb_load",
    "analyze",
    "archive_enriched",
    "archive_shredded",
    "staging_stream_enrich",
];

/// Values of `--skip`, in the order of the reference's message.
pub const SKIPPABLE: [&str; 12] = [
    "staging",
    "enrich",
    "shred",
    "elasticsearch",
    "archive_raw",
    "rdb_load",
    "consistency_check",
    "analyze",
    "load_manifest_check",
    "archive_enriched",
    "archive_shredded",
    "staging_stream_enrich",
];

/// Values of `--include`.
pub const INCLUDABLE: [&str; 1] = ["vacuum"];

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// `--resume-from`.
    pub resume_from: Option<String>,
    /// `--skip`.
    pub skip: Vec<String>,
    /// `--include`.
    pub include: Vec<String>,
}

impl Options {
    /// Whether the operator has taken the place of the journal: the run does not begin where runs begin.
    pub fn takes_over(&self) -> bool {
        self.resume_from.is_some()
            || self
                .skip
                .iter()
                .any(|name| name == "staging" || name == "staging_stream_enrich")
    }
}

/// What the plan needs to know of the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'c> {
    /// Batch or Stream Enrich mode.
    pub mode: Mode,
    /// `collectors.format`.
    pub format: &'c str,
    /// `aws.emr.ami_version`, for target `emr`.
    pub ami_version: Option<&'c str>,
    /// `enrich.versions.spark_enrich`.
    pub spark_enrich: Option<&'c str>,
    /// `storage.versions.rdb_loader`.
    pub rdb_loader: Option<&'c str>,
    /// Whether the versions of the reference's jobs must be there, as for its clusters (target `emr`).
    pub needs_versions: bool,
}

/// How a folder of good events is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveMode {
    /// Not at all.
    Skip,
    /// The folder of this run.
    Pipeline,
    /// Every run folder that is found.
    Recover,
}

/// The steps of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Batch or Stream Enrich mode.
    pub mode: Mode,
    /// The steps, in order.
    pub steps: Vec<StepName>,
    /// What the loader is told to leave out.
    pub loader_skip: Vec<&'static str>,
    /// What the loader is told to do beside.
    pub loader_include: Vec<&'static str>,
}

impl Plan {
    /// A plan of these steps, as a journal tells them.
    pub fn of(mode: Mode, steps: Vec<StepName>) -> Self {
        Self {
            mode,
            steps,
            loader_skip: Vec::new(),
            loader_include: Vec::new(),
        }
    }

    /// With what the loader leaves out and does beside, by name; unknown names are passed over.
    #[must_use]
    pub fn with_loader(mut self, skip: &[String], include: &[String]) -> Self {
        let known = |names: &[String]| -> Vec<&'static str> {
            PHASES
                .iter()
                .map(|(name, _)| *name)
                .chain(["load_manifest"])
                .chain(INCLUDABLE)
                .filter(|name| names.iter().any(|asked| asked == name))
                .collect()
        };
        self.loader_skip = known(skip);
        self.loader_include = known(include);
        self
    }

    /// Whether a step runs.
    pub fn runs(&self, step: StepName) -> bool {
        self.steps.contains(&step)
    }

    /// Whether this run makes enriched events, so that they lie in its own folder.
    pub fn makes_enriched(&self) -> bool {
        self.runs(StepName::Enrich) || self.runs(StepName::StagingStreamEnrich)
    }

    /// How enriched events are archived.
    pub fn archive_enriched(&self) -> ArchiveMode {
        match (self.runs(StepName::ArchiveEnriched), self.makes_enriched()) {
            (false, _) => ArchiveMode::Skip,
            (true, true) => ArchiveMode::Pipeline,
            (true, false) => ArchiveMode::Recover,
        }
    }

    /// How shredded events are archived.
    pub fn archive_shredded(&self) -> ArchiveMode {
        match (
            self.runs(StepName::ArchiveShredded),
            self.runs(StepName::Shred),
        ) {
            (false, _) => ArchiveMode::Skip,
            (true, true) => ArchiveMode::Pipeline,
            (true, false) => ArchiveMode::Recover,
        }
    }
}

/// Checks the options in the reference's order.
///
/// # Errors
/// `Config` with the reference's text.
pub fn check(options: &Options, facts: &Facts<'_>) -> Result<()> {
    let refuse = |text: String| Err(Failure::Config(text));
    let resume_from = options.resume_from.as_deref();
    if let Some(name) = resume_from
        && !RESUMABLE.contains(&name)
    {
        return refuse(format!(
            "Invalid option: resume-from can be {} not '{name}'",
            RESUMABLE.join(", ")
        ));
    }
    for name in &options.skip {
        if !SKIPPABLE.contains(&name.as_str()) {
            return refuse(format!(
                "Invalid option: skip can be {} not '{name}'",
                SKIPPABLE.join(", ")
            ));
        }
    }
    if resume_from.is_some() && !options.skip.is_empty() {
        return refuse("resume-from and skip are mutually exclusive".into());
    }
    let skips = |name: &str| options.skip.iter().any(|skipped| skipped == name);
    if facts.mode == Mode::Batch && resume_from == Some("staging_stream_enrich") {
        return refuse("staging_stream_enrich is invalid step to resume from without aws.s3.buckets.enriched.stream settings".into());
    }
    if facts.mode == Mode::Stream {
        if resume_from == Some("enrich") {
            return refuse("cannot resume from enrich in stream enrich mode".into());
        }
        if skips("staging") || skips("enrich") {
            return refuse("cannot skip staging nor enrich in stream enrich mode. Either skip staging_stream_enrich or resume from shred".into());
        }
        if skips("archive_raw") || resume_from == Some("archive_raw") {
            return refuse("cannot skip nor resume from archive_raw in stream enrich mode".into());
        }
    }
    for name in &options.include {
        if !INCLUDABLE.contains(&name.as_str()) {
            return refuse(format!(
                "Invalid option: include can be {} not '{name}'",
                INCLUDABLE.join(", ")
            ));
        }
    }
    let is_ami_2 = facts
        .ami_version
        .is_some_and(|version| version.starts_with('2'));
    if facts.format == "thrift" && is_ami_2 {
        return refuse("Cannot process Thrift events with AMI version 2.x.x".into());
    }
    if resume_from == Some("analyze") {
        return refuse("cannot resume from analyze: loading is not available yet. Resume from archive_enriched to archive what was loaded".into());
    }
    Ok(())
}

/// The plan for options that were [`check`]ed.
///
/// # Errors
/// `Config` when a version that a step needs is missing.
pub fn plan(options: &Options, facts: &Facts<'_>) -> Result<Plan> {
    check(options, facts)?;
    let plan = select(options, facts);
    if plan.runs(StepName::Enrich) && facts.needs_versions && facts.spark_enrich.is_none() {
        return Err(Failure::Config(
            "Cannot add enrich step as spark_enrich version is not configured".into(),
        ));
    }
    Ok(plan)
}

/// The table.
fn select(options: &Options, facts: &Facts<'_>) -> Plan {
    let start = match options.resume_from.as_deref() {
        None => 0,
        Some("analyze") => 7,
        Some(name) => StepName::from_name(name).map_or(0, StepName::rank),
    };
    let skips = |name: &str| options.skip.iter().any(|skipped| skipped == name);
    let steps = StepName::ALL
        .into_iter()
        .filter(|step| step.mode().is_none_or(|mode| mode == facts.mode))
        .filter(|step| step.rank() >= start && !skips(step.name()))
        .collect();
    let mut loader_skip: Vec<&'static str> = PHASES
        .into_iter()
        .filter(|(name, rank)| *rank < start || skips(name))
        .map(|(name, _)| name)
        .collect();
    // the manifest of the table `manifest` would be a second one beside that of the stream
    let knows_manifests = facts
        .rdb_loader
        .is_some_and(|loader| version::compare(loader, "0.15.0-rc4") == Ordering::Greater);
    if facts.mode == Mode::Stream && knows_manifests {
        loader_skip.push("load_manifest");
    }
    let loader_include = INCLUDABLE
        .into_iter()
        .filter(|name| options.include.iter().any(|included| included == name))
        .collect();
    Plan {
        mode: facts.mode,
        steps,
        loader_skip,
        loader_include,
    }
}

#[cfg(test)]
mod tests;
