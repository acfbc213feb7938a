//! What the jobs do in the same way.

use super::options::JobOptions;
use super::report::{CorruptObject, FolderReport};
use crate::error::Result;
use crate::exec::Corrupt;
use crate::iglu::Resolver;
use crate::input::Snapshot;
use crate::output::{OutputRoot, OutputSettings, WrittenFile};
use crate::store::Location;

/// The resolver of a job.
///
/// # Errors
/// `Config` with all that is wrong with its configuration.
pub(super) fn resolver(text: &str) -> Result<Resolver> {
    Resolver::from_config(text).map_err(|error| {
        error.context("Iglu resolver configuration (--iglu-config, or --resolver of camonica)")
    })
}

/// Settings of the output of a job.
///
/// # Errors
/// When the log folder cannot be read as a location.
pub(super) fn output_settings(
    job: &str,
    run_id: &str,
    roots: Vec<OutputRoot>,
    options: &JobOptions,
) -> Result<OutputSettings> {
    let mut settings = OutputSettings::new(job, run_id, roots);
    settings.target_size = options.target_size;
    // Half of the memory is for blocks that wait to be written, the rest for chunks, tables and compression.
    settings.memory_limit = options.memory_limit / 2;
    settings.log_folder = options
        .log_folder
        .as_deref()
        .map(Location::parse)
        .transpose()?;
    Ok(settings)
}

/// Damaged places as the report tells them.
pub(super) fn corrupt_objects(snapshot: &Snapshot, corrupt: &[Corrupt]) -> Vec<CorruptObject> {
    corrupt
        .iter()
        .map(|corrupt| CorruptObject {
            object: snapshot
                .objects
                .get(corrupt.object as usize)
                .map(crate::input::InputObject::name)
                .unwrap_or_default(),
            reason: format!(
                "{} (at byte {} of the stored object)",
                corrupt.damage.what, corrupt.damage.offset
            ),
        })
        .collect()
}

/// Files, rows and bytes of each root, and of each sub-folder directly below it.
pub(super) fn folder_reports(files: &[WrittenFile], roots: &[&str]) -> Vec<FolderReport> {
    let mut reports: Vec<FolderReport> = Vec::new();
    for (rank, root) in roots.iter().enumerate() {
        let base = root.trim_end_matches('/');
        let first = reports.len();
        for file in files.iter().filter(|file| file.root == rank) {
            let sub_folder = file.folder.split('/').next().unwrap_or_default();
            let folder = if sub_folder.is_empty() {
                format!("{base}/")
            } else {
                format!("{base}/{sub_folder}/")
            };
            let report = match reports[first..]
                .iter()
                .position(|report| report.folder == folder)
            {
                Some(position) => &mut reports[first + position],
                None => {
                    reports.push(FolderReport {
                        folder,
                        ..FolderReport::default()
                    });
                    let last = reports.len() - 1;
                    &mut reports[last]
                }
            };
            report.files += 1;
            report.rows += file.rows;
            report.bytes += file.bytes;
        }
        if reports.len() == first {
            reports.push(FolderReport {
                folder: format!("{base}/"),
                ..FolderReport::default()
            });
        }
    }
    reports
}
