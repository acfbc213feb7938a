//! What a run would do (`plan`): steps, objects, bytes. Nothing is written, moved or locked.

use engine::job::options::now_ms;
use engine::store::Location;

use crate::config::{Config, TargetKind};
use crate::failure::{Failure, Result};
use crate::journal::Records;
use crate::objects::{ObjectEntry, Objects};
use crate::plan::{ArchiveMode, Plan, StepName};
use crate::run::{Request, checks, locks};
use crate::step::source;
use crate::step::staging::Limits;

/// Objects and bytes, as far as they are known before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    objects: u64,
    bytes: u64,
}

/// The plan as a text, and what a run would answer if it cannot begin.
///
/// # Errors
/// As a run's, for options and configuration.
pub fn preview(request: &Request) -> Result<(String, Option<Failure>)> {
    let plan = request.plan()?;
    let objects = request.objects()?;
    let records = Records::new(objects.clone(), &request.config.log);
    let unfinished = records.unfinished()?;
    let answer = match locks::held(request, &objects)? {
        Some(held) => Some(held),
        None => checks::folders(request, &plan, &objects, &unfinished).err(),
    };
    let config = &request.config;
    let mut lines = vec![
        format!("mode    {}", plan.mode.name()),
        format!("target  {}", config.camonica.target.name()),
    ];
    if request.options.takes_over() {
        for record in &unfinished {
            lines.push(format!("takes the place of run {}", record.run_id));
        }
    }
    let staged = stage_size(request, &plan, &objects, &mut lines)?;
    lines.push(format!(
        "{:<22} {:>10} {:>15}  from -> to",
        "step", "objects", "bytes"
    ));
    for step in &plan.steps {
        let (size, way) = step_size(*step, config, &plan, &objects, staged)?;
        let (count, bytes) = match size {
            Some(size) => (size.objects.to_string(), size.bytes.to_string()),
            None => ("-".into(), "-".into()),
        };
        lines.push(format!(
            "{:<22} {count:>10} {bytes:>15}  {way}",
            step.name()
        ));
    }
    if plan.runs(StepName::RdbLoad) {
        if !plan.loader_skip.is_empty() {
            lines.push(format!(
                "the loader leaves out {}",
                plan.loader_skip.join(", ")
            ));
        }
        if !plan.loader_include.is_empty() {
            lines.push(format!(
                "the loader also does {}",
                plan.loader_include.join(", ")
            ));
        }
    }
    Ok((lines.join("\n"), answer))
}

/// What staging would take; says what it would leave.
fn stage_size(
    request: &Request,
    plan: &Plan,
    objects: &Objects,
    lines: &mut Vec<String>,
) -> Result<Option<Size>> {
    if !plan.runs(StepName::Staging) && !plan.runs(StepName::StagingStreamEnrich) {
        return Ok(None);
    }
    let found = source::candidates(&request.config, objects, now_ms()).map_err(Failure::Config)?;
    let all = total(&found.objects);
    let taken = total(&within(request.limits, found.objects));
    if taken != all {
        lines.push(format!(
            "takes   {} of {} objects, {} of {} bytes: the rest is for the next runs",
            taken.objects, all.objects, taken.bytes, all.bytes
        ));
    }
    if found.too_young > 0 {
        lines.push(format!(
            "leaves  {} objects that are younger than camonica.min_age",
            found.too_young
        ));
    }
    Ok(Some(taken))
}

fn total(entries: &[ObjectEntry]) -> Size {
    Size {
        objects: entries.len() as u64,
        bytes: entries.iter().map(|entry| entry.size).sum(),
    }
}

/// The objects that limits let a run take: the oldest, one at least.
fn within(limits: Limits, mut entries: Vec<ObjectEntry>) -> Vec<ObjectEntry> {
    entries.sort_by(|a, b| (a.modified_ms, &a.relative).cmp(&(b.modified_ms, &b.relative)));
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let fit = entries.iter().take_while(|entry| {
        let fits = limits.max_files.is_none_or(|most| files < most)
            && limits
                .max_bytes
                .is_none_or(|most| bytes.saturating_add(entry.size) <= most);
        let is_taken = fits || files == 0;
        files += 1;
        bytes = bytes.saturating_add(entry.size);
        is_taken
    });
    let count = fit.count();
    entries.truncate(count);
    entries
}

/// What a step would work on, and from where to where.
fn step_size(
    step: StepName,
    config: &Config,
    plan: &Plan,
    objects: &Objects,
    staged: Option<Size>,
) -> Result<(Option<Size>, String)> {
    let sum = |folder: &Location| -> Result<Size> {
        let mut size = Size {
            objects: 0,
            bytes: 0,
        };
        objects
            .each(folder, &mut |entry| {
                size.objects += 1;
                size.bytes += entry.size;
                true
            })
            .map_err(Failure::Config)?;
        Ok(size)
    };
    let in_run = |base: &Location| format!("{base}run=<id>/");
    let archive = |base: &Option<Location>| base.as_ref().map(&in_run).unwrap_or_default();
    let raw = config.raw.as_ref();
    let processing = raw.map(|raw| &raw.processing);
    Ok(match step {
        StepName::Staging => {
            let inputs: Vec<String> = raw
                .iter()
                .flat_map(|raw| raw.inputs.iter().map(Location::to_string))
                .collect();
            let to = processing.map(Location::to_string).unwrap_or_default();
            (staged, format!("{} -> {to}", inputs.join(", ")))
        }
        StepName::StagingStreamEnrich => {
            let from = config.enriched.stream.as_ref();
            let from = from.map(Location::to_string).unwrap_or_default();
            (
                staged,
                format!("{from} -> {}", in_run(&config.enriched.good)),
            )
        }
        StepName::Enrich | StepName::ArchiveRaw => {
            let size = match (staged, processing) {
                (Some(staged), _) => Some(staged),
                (None, Some(processing)) => Some(sum(processing)?),
                (None, None) => None,
            };
            let from = processing.map(Location::to_string).unwrap_or_default();
            let to = if step == StepName::Enrich {
                in_run(&config.enriched.good)
            } else {
                raw.map(|raw| in_run(&raw.archive)).unwrap_or_default()
            };
            (size, format!("{from} -> {to}"))
        }
        StepName::Shred => {
            let size = match (
                plan.runs(StepName::StagingStreamEnrich),
                plan.makes_enriched(),
            ) {
                (true, _) => staged,
                (false, true) => None,
                (false, false) => Some(sum(&config.enriched.good)?),
            };
            let good = &config.enriched.good;
            let from = if plan.makes_enriched() {
                in_run(good)
            } else {
                format!("{good}run=*/")
            };
            (size, format!("{from} -> {}", in_run(&config.shredded.good)))
        }
        StepName::ArchiveEnriched => {
            let size = match plan.archive_enriched() {
                ArchiveMode::Recover => Some(sum(&config.enriched.good)?),
                _ if plan.runs(StepName::StagingStreamEnrich) => staged,
                _ => None,
            };
            let to = archive(&config.enriched.archive);
            (size, format!("{} -> {to}", config.enriched.good))
        }
        StepName::ArchiveShredded => {
            let size = match plan.archive_shredded() {
                ArchiveMode::Recover => Some(sum(&config.shredded.good)?),
                _ => None,
            };
            let to = archive(&config.shredded.archive);
            (size, format!("{} -> {to}", config.shredded.good))
        }
        StepName::Elasticsearch => (None, "bad rows -> storage targets".into()),
        StepName::RdbLoad if config.camonica.target == TargetKind::Emr => (
            None,
            "storage targets, by the reference's RDB Loader on the cluster".into(),
        ),
        StepName::RdbLoad => (None, "skipped: loading is not available yet".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_take_the_oldest() {
        let entries = || {
            [("a", 10, 30), ("b", 20, 10), ("c", 30, 20)].map(|(name, size, modified_ms)| {
                ObjectEntry {
                    relative: name.into(),
                    size,
                    etag: String::new(),
                    modified_ms,
                }
            })
        };
        let taken = |max_files, max_bytes| {
            let limits = Limits {
                max_files,
                max_bytes,
            };
            let taken = within(limits, entries().to_vec());
            taken
                .into_iter()
                .map(|entry| entry.relative)
                .collect::<String>()
        };
        assert_eq!(taken(None, None), "bca");
        assert_eq!(taken(Some(2), None), "bc");
        assert_eq!(taken(None, Some(50)), "bc");
        assert_eq!(taken(None, Some(49)), "b");
        assert_eq!(taken(None, Some(1)), "b");
    }
}
