//! `config.yml`: read, checked as a whole, turned into what the plan needs.
//!
//! The file is that of EmrEtlRunner R108, unchanged. What concerns an EMR cluster is accepted and has no effect here; one
//! optional top-level block, `camonica`, holds settings of ours.

pub mod erb;
pub mod reader;

use std::fs;
use std::path::{Component, Path, PathBuf};

use engine::store::Location;

use crate::failure::{Failure, Result};
use reader::Reader;

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// `aws.s3.buckets.log`.
    pub log: Location,
    /// `aws.s3.buckets.encrypted`; absent in files of R102.
    pub encrypted: bool,
    /// `aws.s3.buckets.raw`.
    pub raw: RawBuckets,
    /// `aws.s3.buckets.enriched`.
    pub enriched: StageBuckets,
    /// `aws.s3.buckets.shredded`.
    pub shredded: StageBuckets,
    /// `collectors.format`.
    pub format: String,
    /// `enrich.continue_on_unexpected_error`.
    pub continue_on_unexpected_error: bool,
    /// `enrich.output_compression`: whether good part files are gzipped.
    pub gzip: bool,
    /// `camonica`: settings of ours.
    pub camonica: CamonicaSettings,
}

/// Folders of raw logs.
#[derive(Debug, Clone)]
pub struct RawBuckets {
    /// Where collectors write.
    pub inputs: Vec<Location>,
    /// Where a run takes its logs to.
    pub processing: Location,
    /// Where they rest afterwards.
    pub archive: Location,
}

/// Folders of the output of a stage.
#[derive(Debug, Clone)]
pub struct StageBuckets {
    /// Good events.
    pub good: Location,
    /// Bad rows.
    pub bad: Location,
    /// Bad rows of unexpected errors.
    pub errors: Option<Location>,
    /// Where good events rest afterwards.
    pub archive: Option<Location>,
}

/// The block `camonica`.
#[derive(Debug, Clone, Default)]
pub struct CamonicaSettings {
    /// Worker threads.
    pub workers: Option<usize>,
    /// Memory for buffers and tables, with a unit.
    pub memory_limit: Option<String>,
    /// Whether damaged input objects are counted and left, instead of ending the job.
    pub skip_corrupt: bool,
    /// Local directories for what does not fit into memory.
    pub spill_directories: Vec<PathBuf>,
}

impl Config {
    /// Reads the file at `path` (`-`: standard input).
    ///
    /// # Errors
    /// `Failure::Config` with every mistake, one a line, each with its path in the file.
    pub fn read(path: &str) -> Result<Self> {
        let text = if path == "-" {
            std::io::read_to_string(std::io::stdin())
        } else if Path::new(path).is_file() {
            fs::read_to_string(path)
        } else {
            return Err(Failure::Config(format!(
                "Configuration file '{path}' does not exist, or is not a file"
            )));
        };
        let text =
            text.map_err(|error| Failure::Config(format!("Configuration file '{path}': {error}")))?;
        Self::parse(&text, &|name| std::env::var(name).ok()).map_err(|mistakes| {
            Failure::Config(format!("Configuration file '{path}':\n{mistakes}"))
        })
    }

    /// Parses the text of a configuration; `environment` answers `<%= ENV['X'] %>`.
    ///
    /// # Errors
    /// All mistakes, one a line.
    pub fn parse(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, String> {
        let text = erb::substitute(text, environment)?;
        let tree: serde_json::Value =
            serde_saphyr::from_str(&text).map_err(|error| format!("not YAML: {error}"))?;
        let mut reader = Reader::new(&tree);
        let log = reader.folder("aws.s3.buckets.log");
        let encrypted = reader
            .optional_bool("aws.s3.buckets.encrypted")
            .unwrap_or(false);
        let inputs = reader.folders("aws.s3.buckets.raw.in");
        let processing = reader.folder("aws.s3.buckets.raw.processing");
        let raw_archive = reader.folder("aws.s3.buckets.raw.archive");
        let enriched = stage(&mut reader, "enriched");
        let shredded = stage(&mut reader, "shredded");
        if reader
            .optional_folder("aws.s3.buckets.enriched.stream")
            .is_some()
        {
            reader.mistake(
                "aws.s3.buckets.enriched.stream",
                "Stream Enrich mode is not available yet: leave the key empty",
            );
        }
        let format = reader.string("collectors.format");
        if let Some(name) = &format
            && !is_supported_format(name)
        {
            reader.mistake(
                "collectors.format",
                &format!("collector_format '{name}' not supported"),
            );
        }
        let continue_on_unexpected_error = reader
            .optional_bool("enrich.continue_on_unexpected_error")
            .unwrap_or(false);
        let compression = reader.string("enrich.output_compression");
        let gzip = match compression.as_deref() {
            Some("GZIP") => true,
            Some("NONE") | None => false,
            Some(other) => {
                reader.mistake(
                    "enrich.output_compression",
                    &format!("expected NONE or GZIP, found '{other}'"),
                );
                false
            }
        };
        let workers = reader.optional_integer("camonica.workers", 1);
        let memory_limit = reader.optional_string("camonica.memory_limit");
        let skip_corrupt = reader
            .optional_bool("camonica.skip_corrupt")
            .unwrap_or(false);
        let spill_directories = reader.optional_paths("camonica.spill_directories");
        reader.finish()?;
        let config = (|| {
            let (good, bad, errors, archive) = enriched;
            let enriched = StageBuckets {
                good: good?,
                bad: bad?,
                errors,
                archive,
            };
            let (good, bad, errors, archive) = shredded;
            let shredded = StageBuckets {
                good: good?,
                bad: bad?,
                errors,
                archive,
            };
            Some(Self {
                log: log?,
                encrypted,
                raw: RawBuckets {
                    inputs,
                    processing: processing?,
                    archive: raw_archive?,
                },
                enriched,
                shredded,
                format: format?,
                continue_on_unexpected_error,
                gzip,
                camonica: CamonicaSettings {
                    workers: workers.and_then(|n| usize::try_from(n).ok()),
                    memory_limit,
                    skip_corrupt,
                    spill_directories,
                },
            })
        })();
        let config = config.ok_or_else(|| "incomplete".to_owned())?;
        config.check_distinct()?;
        Ok(config)
    }

    /// Whether bad rows of unexpected errors go to the errors folder.
    pub fn errors_apart(&self) -> bool {
        self.continue_on_unexpected_error && self.enriched.errors.is_some()
    }

    /// Two folders of a run may neither be the same nor lie in each other: one step would take the other's files.
    fn check_distinct(&self) -> std::result::Result<(), String> {
        let mut folders: Vec<(String, &Location)> = Vec::new();
        for (index, input) in self.raw.inputs.iter().enumerate() {
            folders.push((format!("aws.s3.buckets.raw.in[{index}]"), input));
        }
        folders.push(("aws.s3.buckets.raw.processing".into(), &self.raw.processing));
        folders.push(("aws.s3.buckets.raw.archive".into(), &self.raw.archive));
        for (name, stage) in [("enriched", &self.enriched), ("shredded", &self.shredded)] {
            let known = [
                ("good", Some(&stage.good)),
                ("bad", Some(&stage.bad)),
                ("errors", stage.errors.as_ref()),
                ("archive", stage.archive.as_ref()),
            ];
            for (key, location) in known {
                if let Some(location) = location {
                    folders.push((format!("aws.s3.buckets.{name}.{key}"), location));
                }
            }
        }
        let mut mistakes = Vec::new();
        for (index, (name, location)) in folders.iter().enumerate() {
            let text = real_folder(location);
            for (other_name, other) in &folders[index + 1..] {
                let other_text = real_folder(other);
                if text == other_text {
                    mistakes.push(format!("{name} and {other_name}: the same folder, {text}"));
                } else if text.starts_with(&other_text) || other_text.starts_with(&text) {
                    mistakes.push(format!(
                        "{name} and {other_name}: one lies in the other, {text} and {other_text}"
                    ));
                }
            }
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes.join("\n"))
        }
    }
}

/// The absolute path of a folder with a slash at its end: links of its existing part followed, `..` taken away.
fn real_folder(location: &Location) -> String {
    let text = location.to_string();
    let Some(path) = location
        .local_path()
        .and_then(|path| std::path::absolute(path).ok())
    else {
        return format!("{}/", text.trim_end_matches('/'));
    };
    let mut real = std::path::PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            real.pop();
        } else {
            real.push(part);
            if let Ok(followed) = real.canonicalize() {
                real = followed;
            }
        }
    }
    format!("{}/", real.display().to_string().trim_end_matches('/'))
}

type StageFolders = (
    Option<Location>,
    Option<Location>,
    Option<Location>,
    Option<Location>,
);

fn stage(reader: &mut Reader<'_>, name: &str) -> StageFolders {
    let key = |last: &str| format!("aws.s3.buckets.{name}.{last}");
    (
        reader.folder(&key("good")),
        reader.folder(&key("bad")),
        reader.optional_folder(&key("errors")),
        reader.optional_folder(&key("archive")),
    )
}

/// `^(?:cloudfront|clj-tomcat|thrift|(?:json/.+/.+)|(?:tsv/.+/.+)|(?:ndjson/.+/.+))$`
fn is_supported_format(name: &str) -> bool {
    let with_two_parts = |prefix: &str| {
        name.strip_prefix(prefix).and_then(|rest| {
            let slash = rest.get(1..)?.find('/')? + 1;
            (rest.len() > slash + 1).then_some(())
        })
    };
    matches!(name, "cloudfront" | "clj-tomcat" | "thrift")
        || ["json/", "tsv/", "ndjson/"]
            .into_iter()
            .any(|prefix| with_two_parts(prefix).is_some())
}
