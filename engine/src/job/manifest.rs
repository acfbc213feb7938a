//! The manifest `_SUCCESS.manifest.json`: what a committed job read, wrote and counted. Readers of Hadoop's kind skip the
//! name; loaders need no listing.

use serde::{Deserialize, Serialize};

use super::report::{CorruptObject, EnrichCounts, JobReport, Moved, ShredCounts};
use super::shared::folder_reports;
use crate::error::{Error, Result};
use crate::input::Snapshot;
use crate::output::{FinishedOutput, WrittenFile};

/// The manifest of one job.
#[derive(Debug, Serialize)]
pub struct Manifest<'m> {
    /// Version of this document.
    pub manifest_version: u32,
    /// Name and version of the engine.
    pub engine: String,
    /// `enrich` or `shred`.
    pub job: &'static str,
    /// The run.
    pub run_id: &'m str,
    /// Objects that were read.
    pub inputs: Vec<ManifestInput<'m>>,
    /// Files that were written.
    pub outputs: Vec<ManifestOutput<'m>>,
    /// Counts of an enrich job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrich: Option<&'m EnrichCounts>,
    /// Counts of a shred job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shred: Option<&'m ShredCounts>,
    /// What the deduplication of a shred job moved, and its part of the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<Moved>,
    /// Damaged objects that were left on the operator's word.
    pub corrupt: &'m [CorruptObject],
}

/// An object that was read.
#[derive(Debug, Serialize)]
pub struct ManifestInput<'m> {
    /// Where it is.
    pub object: String,
    /// Stored bytes.
    pub size: u64,
    /// Its entity tag when the job began.
    pub etag: Option<&'m str>,
}

/// A file that was written.
#[derive(Debug, Serialize)]
pub struct ManifestOutput<'m> {
    /// `good`, `bad` or `errors`.
    pub root: &'m str,
    /// Folder below the root and name.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Its entity tag.
    pub etag: &'m str,
    /// URI of the schema of a shredded type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// `camonica-engine 0.1.0`.
pub fn engine_name_and_version() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// The objects of a snapshot.
pub fn inputs(snapshot: &Snapshot) -> Vec<ManifestInput<'_>> {
    snapshot
        .objects
        .iter()
        .map(|object| ManifestInput {
            object: object.entry.location.to_string(),
            size: object.entry.size,
            etag: object.entry.etag.as_deref(),
        })
        .collect()
}

/// The files of an output whose roots have the given names.
pub fn outputs<'m>(files: &'m [WrittenFile], root_names: &[&'m str]) -> Vec<ManifestOutput<'m>> {
    files
        .iter()
        .map(|file| ManifestOutput {
            root: root_names.get(file.root).copied().unwrap_or_default(),
            path: if file.folder.is_empty() {
                file.name.clone()
            } else {
                format!("{}/{}", file.folder, file.name)
            },
            rows: file.rows,
            bytes: file.bytes,
            etag: &file.etag,
            schema: schema_of_folder(&file.folder),
        })
        .collect()
}

/// The schema URI of a folder `shredded-types/vendor=.../name=.../format=.../version=...`.
fn schema_of_folder(folder: &str) -> Option<String> {
    let parts: Vec<&str> = folder
        .strip_prefix(crate::shred::TYPES_FOLDER)?
        .split('/')
        .filter_map(|part| part.split_once('=').map(|(_, value)| value))
        .collect();
    (parts.len() == 4).then(|| format!("iglu:{}", parts.join("/")))
}

/// The part of a manifest that a report needs.
#[derive(Debug, Deserialize)]
struct Committed {
    job: String,
    run_id: String,
    inputs: Vec<CommittedInput>,
    enrich: Option<EnrichCounts>,
    shred: Option<ShredCounts>,
    #[serde(default)]
    corrupt: Vec<CorruptObject>,
}

#[derive(Debug, Deserialize)]
struct CommittedInput {
    size: u64,
}

/// The report of a job whose commit had been cut off and is finished now: what its manifest says.
///
/// # Errors
/// `Internal` when the manifest cannot be read.
pub fn report_of_finished(finished: &FinishedOutput, folders: &[&str]) -> Result<JobReport> {
    let committed: Committed = serde_json::from_slice(&finished.manifest).map_err(|error| {
        Error::internal("the manifest of the finished commit cannot be read").with_source(error)
    })?;
    Ok(JobReport {
        job: if committed.job == "shred" {
            "shred"
        } else {
            "enrich"
        },
        run_id: committed.run_id,
        input_objects: committed.inputs.len() as u64,
        input_bytes: committed.inputs.iter().map(|input| input.size).sum(),
        enrich: committed.enrich,
        shred: committed.shred,
        corrupt: committed.corrupt,
        outputs: folder_reports(&finished.files, folders),
        stages: Vec::new(),
        shard: None,
    })
}

#[derive(Debug, Deserialize)]
struct CommittedOutputs {
    outputs: Vec<CommittedFile>,
}

#[derive(Debug, Deserialize)]
struct CommittedFile {
    root: String,
    path: String,
    rows: u64,
    bytes: u64,
    etag: String,
}

/// The report of a job that was committed some time ago, if `manifest` is that of `job` of the run `run_id`. The names and
/// places of its folders are in the order in which it has them.
pub fn report_of_committed(
    manifest: Vec<u8>,
    job: &str,
    run_id: &str,
    root_names: &[&str],
    folders: &[&str],
) -> Option<JobReport> {
    let outputs: CommittedOutputs = serde_json::from_slice(&manifest).ok()?;
    let file = |file: CommittedFile| {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        Some(WrittenFile {
            root: root_names.iter().position(|root| *root == file.root)?,
            folder: folder.to_owned(),
            name: name.to_owned(),
            rows: file.rows,
            bytes: file.bytes,
            etag: file.etag,
        })
    };
    let files = outputs.outputs.into_iter().map(file).collect::<Option<_>>();
    let finished = FinishedOutput {
        files: files?,
        manifest,
    };
    let report = report_of_finished(&finished, folders).ok()?;
    (report.job == job && report.run_id == run_id).then_some(report)
}

impl Manifest<'_> {
    /// The bytes of the document.
    ///
    /// # Errors
    /// `Internal` when it cannot be printed.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::internal("the manifest cannot be printed").with_source(error)
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::schema_of_folder;

    #[test]
    fn folders_of_types_name_their_schema() {
        assert_eq!(
            schema_of_folder(
                "shredded-types/vendor=com.acme/name=click/format=jsonschema/version=1-0-0"
            )
            .as_deref(),
            Some("iglu:com.acme/click/jsonschema/1-0-0")
        );
        assert_eq!(schema_of_folder("atomic-events"), None);
        assert_eq!(schema_of_folder(""), None);
    }
}
