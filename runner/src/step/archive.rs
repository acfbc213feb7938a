//! Archiving: what a run has used or made moves to the archive, into the folder of the run.
//!
//! In the pipeline form the run is known: processing -> `<raw.archive>run=<id>/`, `<good>run=<id>/` -> `<archive>run=<id>/`. In the
//! recover form (nothing of this job made the events) the run folders are found by listing. The reference archived only
//! the first folder it found, and the next job refused to start; here all move, in order.

use engine::store::Location;

use super::{RunContext, StepOutcome};
use crate::objects::{Moved, Objects};
use crate::plan::ArchiveMode;

/// Moves everything below `from` to `to`; nothing to move is a success.
///
/// # Errors
/// When an object cannot be moved; it then is still at its source, and the same call completes the archiving.
pub fn folder(objects: &Objects, from: &Location, to: &Location) -> Result<Moved, String> {
    objects.move_folder(from, to)
}

/// Ids of the run folders below a good folder, in the order of their keys.
///
/// # Errors
/// When the folder cannot be listed.
pub fn run_ids(objects: &Objects, good: &Location) -> Result<Vec<String>, String> {
    let mut ids: Vec<String> = Vec::new();
    objects.each(good, &mut |entry| {
        if let Some(id) = run_id(&entry.relative)
            && !ids.iter().any(|known| known == id)
        {
            ids.push(id.to_owned());
        }
        true
    })?;
    Ok(ids)
}

/// The id in `run=<digits and dashes>/…`.
fn run_id(relative: &str) -> Option<&str> {
    let (id, _) = relative.strip_prefix("run=")?.split_once('/')?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')).then_some(id)
}

/// Moves every run folder below `good` to `archive`; the ids of the runs and what was moved of each.
///
/// # Errors
/// `No run folders in [<path>] found`, or when an object cannot be moved.
pub fn recover(
    objects: &Objects,
    good: &Location,
    archive: &Location,
) -> Result<Vec<(String, Moved)>, String> {
    let ids = run_ids(objects, good)?;
    if ids.is_empty() {
        let path = good.to_string();
        return Err(format!(
            "No run folders in [{}/] found",
            path.trim_end_matches('/')
        ));
    }
    let mut archived = Vec::with_capacity(ids.len());
    for id in ids {
        let name = format!("run={id}/");
        let moved = folder(objects, &good.join(&name), &archive.join(&name))?;
        tracing::info!(
            "archived run {id}: {} objects, {} bytes -> {}",
            moved.objects,
            moved.bytes,
            archive.join(&name)
        );
        archived.push((id, moved));
    }
    Ok(archived)
}

/// Processing -> `<raw.archive>run=<id>/`.
///
/// # Errors
/// When an object cannot be moved.
pub fn raw(context: &RunContext) -> Result<StepOutcome, String> {
    let Some(raw) = &context.config.raw else {
        return Err("there are no raw logs in Stream Enrich mode".into());
    };
    one(context, &raw.processing, &context.run_folder(&raw.archive))
}

/// `<enriched.good>run=<id>/` -> `<enriched.archive>run=<id>/`, of this run or of every one that is found.
///
/// # Errors
/// When there is no archive, or an object cannot be moved.
pub fn enriched(context: &RunContext) -> Result<StepOutcome, String> {
    let stage = &context.config.enriched;
    let mode = context.plan.archive_enriched();
    good(
        context,
        mode,
        "enriched",
        &stage.good,
        stage.archive.as_ref(),
    )
}

/// `<shredded.good>run=<id>/` -> `<shredded.archive>run=<id>/`, of this run or of every one that is found.
///
/// # Errors
/// When there is no archive, or an object cannot be moved.
pub fn shredded(context: &RunContext) -> Result<StepOutcome, String> {
    let stage = &context.config.shredded;
    let mode = context.plan.archive_shredded();
    good(
        context,
        mode,
        "shredded",
        &stage.good,
        stage.archive.as_ref(),
    )
}

fn good(
    context: &RunContext,
    mode: ArchiveMode,
    name: &str,
    good: &Location,
    archive: Option<&Location>,
) -> Result<StepOutcome, String> {
    let Some(base) = archive else {
        return Err(format!(
            "aws.s3.buckets.{name}.archive is not set: set it, or run with --skip archive_{name}"
        ));
    };
    match mode {
        ArchiveMode::Skip => Ok(StepOutcome::skipped("not planned")),
        ArchiveMode::Pipeline => one(
            context,
            &context.run_folder(good),
            &context.run_folder(base),
        ),
        // an earlier attempt of this very step may have moved them all
        ArchiveMode::Recover if run_ids(&context.objects, good)?.is_empty() => {
            Ok(outcome(Moved::default(), format!("nothing in {good}")))
        }
        ArchiveMode::Recover => {
            let archived = recover(&context.objects, good, base)?;
            let mut all = Moved::default();
            let mut lines = Vec::new();
            for (id, moved) in archived {
                lines.push(format!(
                    "run {id}: {} objects, {} bytes -> {base}run={id}/",
                    moved.objects, moved.bytes
                ));
                all += moved;
            }
            Ok(outcome(all, lines.join("\n")))
        }
    }
}

fn one(context: &RunContext, source: &Location, target: &Location) -> Result<StepOutcome, String> {
    let moved = folder(&context.objects, source, target)?;
    let summary = match moved.objects {
        0 => format!("nothing in {source}"),
        objects => format!("{objects} objects, {} bytes -> {target}", moved.bytes),
    };
    Ok(outcome(moved, summary))
}

fn outcome(moved: Moved, summary: String) -> StepOutcome {
    StepOutcome {
        summary,
        report: serde_json::json!(moved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn ids_of_run_folders() {
        for (relative, id) in [
            (
                "run=2018-07-24-10-15-30/part-0",
                Some("2018-07-24-10-15-30"),
            ),
            ("run=1/a/b", Some("1")),
            ("run=/x", None),
            ("run=1", None),
            ("run=1x/y", None),
            ("run=٣/y", None),
            ("a/run=1/y", None),
            ("xrun=1/y", None),
        ] {
            assert_eq!(run_id(relative), id, "{relative}");
        }
    }

    #[test]
    fn all_run_folders_are_recovered_in_order() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| Location::from_path(&base.path().join(name)).unwrap();
        for file in [
            "good/run=2018-02/part-1",
            "good/run=2018-01/a/part-1",
            "good/run=2018-01/_SUCCESS",
            "good/other/x",
        ] {
            let path = base.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        let objects = Objects::new(None);
        let moved = recover(&objects, &at("good"), &at("archive")).unwrap();
        let told: Vec<(&str, u64)> = moved
            .iter()
            .map(|(id, moved)| (id.as_str(), moved.objects))
            .collect();
        assert_eq!(told, [("2018-01", 2), ("2018-02", 1)]);
        assert!(base.path().join("archive/run=2018-01/a/part-1").exists());
        assert!(base.path().join("good/other/x").exists());
        let error = recover(&objects, &at("good"), &at("archive")).unwrap_err();
        let expected = format!(
            "No run folders in [{}/] found",
            base.path().join("good").display()
        );
        assert_eq!(error, expected);
    }
}
