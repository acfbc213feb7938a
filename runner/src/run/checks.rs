//! What is checked before anything is begun, in the order and the words of the reference.

use std::collections::BTreeSet;

use engine::job::options::now_ms;
use engine::store::Location;

use crate::config::Config;
use crate::config::targets::StorageTargets;
use crate::failure::{Failure, Result};
use crate::journal::RunRecord;
use crate::objects::Objects;
use crate::plan::{ArchiveMode, Plan, StepName};
use crate::run::{Request, clean};
use crate::step::source;

/// Archiving needs archives.
///
/// # Errors
/// `Config` with the key that is missing.
pub(super) fn archives_are_set(config: &Config, plan: &Plan) -> Result<()> {
    let missing: Vec<String> = [
        (StepName::ArchiveEnriched, "enriched", &config.enriched.archive),
        (StepName::ArchiveShredded, "shredded", &config.shredded.archive),
    ]
    .into_iter()
    .filter(|(step, _, archive)| plan.runs(*step) && archive.is_none())
    .map(|(step, name, _)| {
        format!(
            "aws.s3.buckets.{name}.archive: expected a folder, found nothing (or run with --skip {})",
            step.name()
        )
    })
    .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::Config(missing.join("\n")))
    }
}

/// A target that asks for deduplication across batches is not passed over in silence.
///
/// # Errors
/// `Config` when shred would leave it out.
pub(super) fn deduplication_is_there(storage: &StorageTargets, plan: &Plan) -> Result<()> {
    match &storage.duplicate_tracking {
        Some(target) if plan.runs(StepName::Shred) => Err(Failure::Config(format!(
            "storage target '{}' ({}): deduplication across batches is not available yet: take the file away to shred without it",
            target.name,
            target.file.display()
        ))),
        _ => Ok(()),
    }
}

/// An id that run folders and `--resume-from` can be found by.
///
/// # Errors
/// `Config` for another.
pub(crate) fn run_id(text: &str) -> Result<()> {
    let is_good = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if is_good {
        Ok(())
    } else {
        Err(Failure::Config(format!(
            "--run-id {text}: expected digits and dashes, at most 32, such as 2018-07-24-10-15-30"
        )))
    }
}

/// The emptiness checks that EmrEtlRunner makes before anything is begun, in its order; then our own: that no run is left
/// unfinished.
///
/// # Errors
/// `NoData`, `Ongoing` or `Config` in the words of the reference.
pub(super) fn folders(
    request: &Request,
    plan: &Plan,
    objects: &Objects,
    unfinished: &[RunRecord],
) -> Result<()> {
    let config = &request.config;
    let takes_over = request.options.takes_over();
    let is_empty = |location: &Location| -> Result<bool> {
        let any = objects.any(location, &|_| true).map_err(Failure::Config)?;
        Ok(!any)
    };
    let way_out = |folder: &Location, may_clean: bool| -> Result<String> {
        if !unfinished.is_empty() && !takes_over {
            return Ok(to_the_end(request));
        }
        if may_clean {
            clean::hint(plan, objects, config, folder)
        } else {
            Ok(clean::left(config, folder))
        }
    };
    let not_empty = |what: &str, folder: &Location, may_clean: bool| -> Result<()> {
        if is_empty(folder)? {
            return Ok(());
        }
        Err(Failure::Ongoing {
            reason: format!("Cannot safely add {what} step to jobflow, {folder} is not empty"),
            hint: way_out(folder, may_clean)?,
        })
    };
    let is_any = || source::is_any(config, objects, now_ms()).map_err(Failure::Config);
    let unfinished_first = || -> Result<()> {
        match unfinished.first() {
            Some(record) if !takes_over => Err(Failure::Ongoing {
                reason: format!("run {} was not brought to its end", record.run_id),
                hint: to_the_end(request),
            }),
            _ => Ok(()),
        }
    };
    if let Some(raw) = &config.raw {
        if plan.runs(StepName::Staging) {
            not_empty("staging", &raw.processing, false)?;
            if !is_any()? {
                unfinished_first()?;
                return Err(Failure::NoData(
                    "No Snowplow logs to process since last run".into(),
                ));
            }
        } else if plan.runs(StepName::Enrich) && is_empty(&raw.processing)? {
            return Err(Failure::NoData(format!(
                "No Snowplow logs in {}, can't resume from enrich",
                raw.processing
            )));
        }
    }
    if plan.runs(StepName::Enrich) {
        not_empty("enrichment", &config.enriched.good, true)?;
    }
    if plan.runs(StepName::StagingStreamEnrich) {
        not_empty("stream staging", &config.enriched.good, false)?;
        if !is_any()? {
            unfinished_first()?;
            return Err(Failure::NoData(
                "No Snowplow enriched stream logs to process since last run".into(),
            ));
        }
    }
    if plan.runs(StepName::Shred) {
        not_empty("shredding", &config.shredded.good, true)?;
    }
    let needs_run_folders = [
        // a run that begins at shred reads them
        (
            plan.archive_enriched() == ArchiveMode::Recover
                || plan.runs(StepName::Shred) && !plan.makes_enriched(),
            &config.enriched.good,
        ),
        (
            plan.archive_shredded() == ArchiveMode::Recover,
            &config.shredded.good,
        ),
    ];
    for (is_needed, good) in needs_run_folders {
        if is_needed
            && source::run_folders(objects, good)
                .map_err(Failure::Config)?
                .is_empty()
        {
            return Err(Failure::Config(format!("No run folders in [{good}] found")));
        }
    }
    unfinished_first()
}

/// Folders that are written late in a run can be listed: a bucket that is misspelt, or that nobody may touch, is told before
/// hours of work and not after.
///
/// # Errors
/// `Config` with what the service says of each bucket that cannot be listed.
pub(super) fn buckets_are_there(config: &Config, plan: &Plan, objects: &Objects) -> Result<()> {
    let folders = [
        (StepName::Enrich, config.enriched.bad.as_ref()),
        (
            StepName::Enrich,
            config
                .enriched
                .errors
                .as_ref()
                .filter(|_| config.errors_apart()),
        ),
        (StepName::Shred, Some(&config.shredded.bad)),
        (
            StepName::ArchiveRaw,
            config.raw.as_ref().map(|raw| &raw.archive),
        ),
        (StepName::ArchiveEnriched, config.enriched.archive.as_ref()),
        (StepName::ArchiveShredded, config.shredded.archive.as_ref()),
    ];
    let (mut asked, mut mistakes) = (BTreeSet::new(), Vec::new());
    for (step, folder) in folders {
        let Some(folder) = folder.filter(|_| plan.runs(step)) else {
            continue;
        };
        let Some((bucket, _)) = folder.bucket_and_key() else {
            continue;
        };
        if asked.insert(bucket.to_owned())
            && let Err(mistake) = objects.any(folder, &|_| true)
        {
            mistakes.push(mistake);
        }
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(Failure::Config(mistakes.join("\n")))
    }
}

/// The command that finishes what was begun.
fn to_the_end(request: &Request) -> String {
    format!("To bring it to its end:\n  {}", request.resume_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_digits_and_dashes() {
        for (text, is_good) in [
            ("2018-07-24-10-15-30", true),
            ("1", true),
            ("", false),
            ("-1", false),
            ("../x", false),
            ("2018_07", false),
            ("111111111111111111111111111111111", false),
        ] {
            assert_eq!(run_id(text).is_ok(), is_good, "{text}");
        }
    }
}
