//! What the jobs do in the same way.

use std::sync::Arc;

use super::options::JobOptions;
use super::report::{CorruptObject, FolderReport};
use crate::error::Result;
use crate::exec::Corrupt;
use crate::exec::spill::{Kind, SealedFile, SpillArea};
use crate::iglu::Resolver;
use crate::input::Snapshot;
use crate::output::{OutputRoot, OutputSettings, Spill, Spilled, WrittenFile};
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

/// The output's share of a job's spill files.
struct OutputSpill(SpillArea);

impl Spill for OutputSpill {
    fn keep(&self, bytes: &[u8]) -> Result<Box<dyn Spilled>> {
        let mut writer = self.0.writer(Kind::Output, 0);
        writer.append(bytes)?;
        Ok(Box::new(SpilledBlock(writer.finish()?)))
    }
}

struct SpilledBlock(SealedFile);

impl Spilled for SpilledBlock {
    fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.0.plain_bytes()).unwrap_or(0));
        let mut reader = self.0.reader();
        while let Some(chunk) = reader.next_chunk()? {
            bytes.extend_from_slice(chunk);
        }
        Ok(bytes)
    }
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

/// The same settings for an output that is written: what waits to be sent may go to `spill`.
pub(super) fn with_spill(mut settings: OutputSettings, spill: &SpillArea) -> OutputSettings {
    settings.spill = Some(Arc::new(OutputSpill(spill.clone())));
    settings
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_output_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let area = SpillArea::open("shred", &[folder.path().to_owned()]).unwrap();
        let spill = OutputSpill(area.clone());
        let bytes: Vec<u8> = (0..700_000u32).map(|i| (i / 3) as u8).collect();
        let (one, two) = (spill.keep(&bytes).unwrap(), spill.keep(b"").unwrap());
        assert!(one.read().unwrap() == bytes && two.read().unwrap().is_empty());
        assert!(area.written(Kind::Output) > 700_000);
    }
}
