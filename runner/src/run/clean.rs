//! Folders of runs that died (`--clean`): `run=<id>/` below `enriched.good` or `shredded.good` without any `_SUCCESS`, as the
//! reference leaves them when its copy fails. Our own jobs leave none, since their output becomes visible as a whole.
//!
//! A folder is removed only where the step that made it is about to be done again from input that is still there: a run
//! that does not stage. In Stream Enrich mode the folders below `enriched.good` are that input, and are never removed.

use engine::store::Location;

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::objects::Objects;
use crate::observer::{Level, Observer};
use crate::plan::{Mode, Plan, StepName};
use crate::run::Request;
use crate::step::source::{self, RunFolder};

/// The folders in which this plan may remove what dead runs have left.
fn places<'c>(config: &'c Config, plan: &Plan) -> Vec<&'c Location> {
    let mut places = Vec::new();
    let stages = plan.runs(StepName::Staging) || plan.runs(StepName::StagingStreamEnrich);
    if stages {
        return places;
    }
    if plan.mode == Mode::Batch && plan.runs(StepName::Enrich) {
        places.push(&config.enriched.good);
    }
    if plan.runs(StepName::Shred) {
        places.push(&config.shredded.good);
    }
    places
}

fn leftovers(objects: &Objects, place: &Location) -> Result<Vec<RunFolder>> {
    let mut folders = source::run_folders(objects, place).map_err(Failure::Config)?;
    folders.retain(|folder| folder.markers.is_empty());
    Ok(folders)
}

/// Removes what dead runs have left, and says so.
///
/// # Errors
/// `Config` when nothing may be removed, since the input is not known to be there; or when a folder cannot be listed or an
/// object not deleted.
pub(super) fn remove_leftovers(
    request: &mut Request,
    plan: &Plan,
    objects: &Objects,
) -> Result<()> {
    let places = places(&request.config, plan);
    if places.is_empty() {
        return Err(Failure::Config(
            "--clean goes with a run that enriches or shreds again what is there: --resume-from enrich or --resume-from shred".into(),
        ));
    }
    // the input of the first step must be there, or what is removed could not be made again
    let input = match &request.config.raw {
        Some(raw) if plan.runs(StepName::Enrich) => &raw.processing,
        _ => &request.config.enriched.good,
    };
    if !objects.any(input, &|_| true).map_err(Failure::Config)? {
        return Err(Failure::Config(format!(
            "--clean: {input} is empty, so what would be removed could not be made again: nothing was removed"
        )));
    }
    for place in places {
        for folder in leftovers(objects, place)? {
            let entries = objects.list(&folder.location).map_err(Failure::Config)?;
            let doomed: Vec<Location> = entries
                .iter()
                .map(|entry| folder.location.join(&entry.relative))
                .collect();
            objects.delete(&doomed).map_err(Failure::Config)?;
            let text = format!(
                "{}: removed {} objects, {} bytes, that a dead run has left without _SUCCESS",
                folder.location, folder.objects, folder.bytes
            );
            request.observers.message(Level::Warn, &text);
        }
    }
    Ok(())
}

/// What a person can do about a folder that is not empty, when what lies there is whole.
pub(super) fn left(config: &Config, place: &Location) -> String {
    let is_processing = |raw: &crate::config::RawBuckets| raw.processing.is_same_place(place);
    if config.raw.as_ref().is_some_and(is_processing) {
        "Logs lie there that a run has staged and not archived. Look at them; --skip staging enriches them.".into()
    } else if config.enriched.good.is_same_place(place) {
        "Events lie there that a run has not archived. Look at them; --resume-from shred shreds them, --resume-from archive_enriched takes them away if that was done.".into()
    } else {
        "Events lie there that a run has not archived. Look at them; --resume-from rdb_load loads them, --resume-from archive_shredded takes them away if that was done.".into()
    }
}

/// What a person can do about a folder that is not empty, when a dead run is the reason.
///
/// # Errors
/// `Config` when it cannot be listed.
pub(super) fn hint(
    plan: &Plan,
    objects: &Objects,
    config: &Config,
    place: &Location,
) -> Result<String> {
    let dead = leftovers(objects, place)?;
    let Some(folder) = dead.first() else {
        return Ok(left(config, place));
    };
    let may_clean = places(config, plan)
        .into_iter()
        .any(|known| known.is_same_place(place));
    let what = format!(
        "{} has no _SUCCESS: a run that died has left it.",
        folder.location
    );
    Ok(if may_clean {
        format!("{what} Add --clean to remove it and begin again.")
    } else {
        let step = if place.is_same_place(&config.enriched.good) {
            "enrich"
        } else {
            "shred"
        };
        format!("{what} If its input is still there: --resume-from {step} --clean.")
    })
}
