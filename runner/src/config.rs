//! `config.yml`: read, checked as a whole, turned into what the plan needs.
//!
//! The file is that of EmrEtlRunner R108, unchanged; files of R102 are read too. One optional top-level block, `camonica`,
//! holds settings of ours ([`camonica`]). All mistakes are told at once, each with its path, its line, what was expected,
//! what was found, and what to do; keys that nobody knows are warnings that name the key that may be meant.

pub mod buckets;
pub mod camonica;
pub mod cluster;
pub mod duration;
pub mod emr;
pub mod erb;
pub mod hosts;
pub mod jobs;
pub mod monitoring;
pub mod problem;
pub mod reader;
pub mod targets;
pub mod version;
pub mod yaml;

use std::fmt;
use std::fs;
use std::path::Path;

use engine::store::{Encryption, Location, StaticCredentials};

pub use buckets::{EnrichedBuckets, RawBuckets, ShreddedBuckets};
pub use camonica::{CamonicaSettings, TargetKind};
use emr::EmrSettings;
use jobs::Versions;
use monitoring::MonitoringSettings;
use problem::Problem;
use reader::Reader;
use yaml::{Kind, Node, Scalar};

use crate::aws::AwsSettings;
use crate::failure::{Failure, Result};
use crate::plan::Mode;

/// The settings of a run. Secrets are not printed.
#[derive(Clone)]
pub struct Config {
    /// `aws.s3.buckets.log`.
    pub log: Location,
    /// `aws.s3.buckets.encrypted`; absent in files of R102.
    pub encrypted: bool,
    /// `aws.s3.buckets.assets`.
    pub assets: Option<String>,
    /// `aws.s3.buckets.jsonpath_assets`.
    pub jsonpath_assets: Option<String>,
    /// `aws.s3.buckets.raw`; always there in batch mode, never in Stream Enrich mode.
    pub raw: Option<RawBuckets>,
    /// `aws.s3.buckets.enriched`.
    pub enriched: EnrichedBuckets,
    /// `aws.s3.buckets.shredded`.
    pub shredded: ShreddedBuckets,
    /// `aws.s3.region`.
    pub region: Option<String>,
    /// `aws.emr`; absent when the block does not hold all that a cluster needs.
    pub emr: Option<EmrSettings>,
    /// `aws.emr.jobflow.job_name`.
    pub job_name: String,
    /// `collectors.format`; empty in Stream Enrich mode.
    pub format: String,
    /// `enrich.continue_on_unexpected_error`.
    pub continue_on_unexpected_error: bool,
    /// `enrich.output_compression`: whether good part files are gzipped.
    pub gzip: bool,
    /// `enrich.versions` and `storage.versions`.
    pub versions: Versions,
    /// `monitoring`.
    pub monitoring: MonitoringSettings,
    /// `camonica`: settings of ours.
    pub camonica: CamonicaSettings,
    /// What is odd and does not stop a run: unknown keys, keys given twice.
    pub warnings: Vec<Problem>,
    /// Keys that are set and not looked at in Stream Enrich mode.
    pub ignored_in_stream_mode: Vec<&'static str>,
    /// Keys below `aws.emr` that are set and have no effect with this target.
    pub ignored_emr: Vec<&'static str>,
    keys: Option<StaticCredentials>,
    tree: Node,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("log", &self.log)
            .field("raw", &self.raw)
            .field("enriched", &self.enriched)
            .field("shredded", &self.shredded)
            .field("camonica", &self.camonica)
            .finish_non_exhaustive()
    }
}

/// All that is wrong with a configuration, and what else is odd in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mistakes {
    /// What stops a run.
    pub problems: Vec<Problem>,
    /// What does not.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&problem::lines(&self.problems))?;
        for warning in &self.warnings {
            write!(f, "\n{warning}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the file at `path` (`-`: standard input).
    ///
    /// # Errors
    /// `Failure::Config` with every mistake, one a line, each with its path in the file.
    pub fn read(path: &str) -> Result<Self> {
        let text = Self::read_text(path)?;
        Self::parse(&text, &|name| std::env::var(name).ok()).map_err(|mistakes| {
            Failure::Config(format!("Configuration file '{path}':\n{mistakes}"))
        })
    }

    /// The text of the file at `path` (`-`: standard input).
    ///
    /// # Errors
    /// `Failure::Config` when there is none.
    pub fn read_text(path: &str) -> Result<String> {
        let text = if path == "-" {
            std::io::read_to_string(std::io::stdin())
        } else if Path::new(path).is_file() {
            fs::read_to_string(path)
        } else {
            return Err(Failure::Config(format!(
                "Configuration file '{path}' does not exist, or is not a file"
            )));
        };
        text.map_err(|error| Failure::Config(format!("Configuration file '{path}': {error}")))
    }

    /// Parses the text of a configuration; `environment` answers `<%= ENV['X'] %>`.
    ///
    /// # Errors
    /// All mistakes.
    pub fn parse(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, Mistakes> {
        let alone = |problem| Mistakes {
            problems: vec![problem],
            warnings: Vec::new(),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let filled = erb::substitute(text, environment).map_err(|texts| Mistakes {
            problems: texts
                .into_iter()
                .map(|text| Problem::new("", text))
                .collect(),
            warnings: Vec::new(),
        })?;
        let (tree, remarks) = yaml::parse(&filled.text)
            .map_err(|error| alone(Problem::new("", format!("not YAML: {error}"))))?;
        let mut reader = Reader::new(&tree, &filled.unset);
        let parts = Parts::read(&mut reader);
        let mut warnings: Vec<Problem> = remarks
            .into_iter()
            .map(|remark| Problem::new(remark.path, remark.text))
            .collect();
        warnings.extend(filled.holes.iter().map(|(line, name)| {
            let text =
                format!("environment variable {name} is not set: a part of the value is missing");
            Problem::new("", text).at(*line)
        }));
        warnings.extend(reader.unknown_keys());
        let mut problems = reader.into_problems();
        if let Some(buckets) = &parts.buckets {
            let (mistakes, overlaps) = buckets.check_distinct();
            problems.extend(mistakes);
            warnings.extend(overlaps);
        }
        match (problems.is_empty(), parts.buckets, parts.jobs) {
            (true, Some(buckets), Some(jobs)) => Ok(Self {
                log: buckets.log,
                encrypted: buckets.encrypted,
                assets: buckets.assets,
                jsonpath_assets: buckets.jsonpath_assets,
                raw: buckets.raw,
                enriched: buckets.enriched,
                shredded: buckets.shredded,
                region: parts.region,
                emr: parts.emr,
                job_name: parts.job_name.unwrap_or_else(|| "Snowplow ETL".into()),
                format: jobs.format,
                continue_on_unexpected_error: jobs.continue_on_unexpected_error,
                gzip: jobs.gzip,
                versions: jobs.versions,
                monitoring: parts.monitoring,
                camonica: parts.camonica,
                warnings,
                ignored_in_stream_mode: parts.ignored_in_stream_mode,
                ignored_emr: parts.ignored_emr,
                keys: parts.keys,
                tree,
            }),
            (true, ..) => Err(alone(Problem::new("", "the configuration is incomplete"))),
            (false, ..) => Err(Mistakes { problems, warnings }),
        }
    }

    /// Batch or Stream Enrich mode.
    pub fn mode(&self) -> Mode {
        if self.enriched.stream.is_some() {
            Mode::Stream
        } else {
            Mode::Batch
        }
    }

    /// Whether bad rows of unexpected errors go to the errors folder.
    pub fn errors_apart(&self) -> bool {
        self.continue_on_unexpected_error && self.enriched.errors.is_some()
    }

    /// Whether a folder of the pipeline is on S3.
    pub fn uses_s3(&self) -> bool {
        let raw = self.raw.as_ref();
        let known = [
            Some(&self.log),
            Some(&self.enriched.good),
            self.enriched.bad.as_ref(),
            self.enriched.errors.as_ref(),
            self.enriched.archive.as_ref(),
            self.enriched.stream.as_ref(),
            Some(&self.shredded.good),
            Some(&self.shredded.bad),
            self.shredded.errors.as_ref(),
            self.shredded.archive.as_ref(),
            raw.map(|raw| &raw.processing),
            raw.map(|raw| &raw.archive),
        ];
        let inputs = raw.into_iter().flat_map(|raw| &raw.inputs);
        known
            .into_iter()
            .flatten()
            .chain(inputs)
            .any(|location| !location.is_local())
    }

    /// Whether the file holds keys of AWS.
    pub fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// How AWS is reached: region, endpoint, keys, encryption.
    pub fn aws_settings(&self) -> AwsSettings {
        let encryption = match (&self.camonica.kms_key, self.encrypted) {
            (Some(key), _) => Encryption::SseKms(key.clone()),
            (None, true) => Encryption::SseS3,
            (None, false) => Encryption::None,
        };
        let mut settings = AwsSettings {
            region: self.region.clone(),
            endpoint: self.camonica.s3_endpoint.clone(),
            keys: self.keys.clone(),
            encryption,
            ..AwsSettings::default()
        };
        if let Some(time) = self.camonica.aws_timeout {
            settings.tuning.retry_timeout = time;
        }
        settings
    }

    /// The configuration as the reference hands it to its loader: the whole of it as YAML, slashes added at the ends of
    /// folders, the keys of AWS emptied; without our own block.
    pub fn to_yaml_for_loader(&self) -> String {
        let mut tree = self.tree.clone();
        if let Kind::Map(entries) = &mut tree.kind {
            entries.retain(|entry| entry.key != "camonica");
        }
        if let Some(aws) = tree.get_mut("aws") {
            for key in ["access_key_id", "secret_access_key"] {
                if let Some(secret) = aws.get_mut(key) {
                    secret.kind = Kind::Scalar(Scalar::quoted(String::new()));
                }
            }
            let buckets = aws.get_mut("s3").and_then(|s3| s3.get_mut("buckets"));
            if let Some(buckets) = buckets {
                add_slashes(buckets);
            }
        }
        yaml::write::to_text(&tree)
    }
}

/// Ends every text below a node with a slash.
fn add_slashes(node: &mut Node) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(add_slashes),
        Kind::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| add_slashes(&mut entry.value)),
        Kind::Scalar(scalar) => {
            if let yaml::scalar::Meaning::Text(text) = scalar.meaning()
                && !text.is_empty()
                && !text.ends_with('/')
            {
                *scalar = Scalar::quoted(format!("{text}/"));
            }
        }
    }
}

/// What was read of each block.
struct Parts {
    buckets: Option<buckets::Buckets>,
    jobs: Option<jobs::JobSettings>,
    emr: Option<EmrSettings>,
    job_name: Option<String>,
    region: Option<String>,
    keys: Option<StaticCredentials>,
    monitoring: MonitoringSettings,
    camonica: CamonicaSettings,
    ignored_in_stream_mode: Vec<&'static str>,
    ignored_emr: Vec<&'static str>,
}

impl Parts {
    fn read(reader: &mut Reader<'_>) -> Self {
        let camonica = CamonicaSettings::read(reader);
        let is_emr = camonica.target == TargetKind::Emr;
        let keys = read_keys(reader);
        let (buckets, mut ignored) = buckets::Buckets::read(reader, is_emr);
        let needs_region = is_emr
            || buckets.as_ref().is_none_or(|buckets| {
                let mut folders = buckets.folders().into_iter();
                !buckets.log.is_local() || folders.any(|(_, folder)| !folder.is_local())
            });
        let region = reader.leniently(!needs_region, |reader| {
            if needs_region {
                reader.text("aws.s3.region")
            } else {
                reader.optional_text("aws.s3.region")
            }
        });
        let is_stream = reader.has("aws.s3.buckets.enriched.stream");
        let (jobs, more) = jobs::JobSettings::read(reader, is_stream, is_emr);
        ignored.extend(more);
        let emr = EmrSettings::read(reader, is_emr);
        if let Some(emr) = emr.as_ref().filter(|_| is_emr) {
            let format = jobs.as_ref().map(|jobs| jobs.format.as_str());
            emr::limits::check_ami(reader, emr, format);
        }
        let job_name = reader.leniently(true, |reader| {
            reader.optional_text("aws.emr.jobflow.job_name")
        });
        let ignored_emr = if is_emr {
            Vec::new()
        } else {
            EmrSettings::without_effect(reader)
        };
        let monitoring = MonitoringSettings::read(reader);
        if is_emr {
            emr::limits::check_tags(reader, &monitoring.tags);
        }
        Self {
            buckets,
            jobs,
            emr,
            job_name,
            region,
            keys,
            monitoring,
            camonica,
            ignored_in_stream_mode: ignored,
            ignored_emr,
        }
    }
}

/// The keys of AWS. Both absent: the default chain (environment, profile, container, instance), which the words that
/// Dataflow Runner knows, `env`, `iam` and `default`, ask for too.
fn read_keys(reader: &mut Reader<'_>) -> Option<StaticCredentials> {
    let (id_path, secret_path) = ("aws.access_key_id", "aws.secret_access_key");
    let is_chain = |text: &String| !matches!(text.as_str(), "env" | "iam" | "default");
    let id = reader.optional_secret(id_path).filter(is_chain);
    let secret = reader.optional_secret(secret_path).filter(is_chain);
    match (id, secret) {
        (Some(id), Some(secret)) => Some(StaticCredentials::new(id, secret)),
        (None, None) => None,
        (id, _) => {
            let (there, missing) = if id.is_some() {
                (id_path, secret_path)
            } else {
                (secret_path, id_path)
            };
            let line = reader.line(missing);
            let text = format!("expected a text since {there} is set, found nothing");
            let hint =
                "leave both empty to use the environment, a profile, or the role of the machine";
            reader.problem(Problem::new(missing, text).at(line).hint(hint));
            None
        }
    }
}

#[cfg(test)]
mod tests;
