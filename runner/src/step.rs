//! The steps of a run. Each can be cut at any point and done again: nothing is lost and nothing doubled.

pub mod archive;
pub mod elasticsearch;
pub mod enrich;
pub mod leftovers;
pub mod shred;
pub mod source;
pub mod staging;
pub mod staging_stream;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::enrichment::config::EnrichmentConfigs;
use engine::job::JobOptions;
use engine::job::options::ShowProgress;
use engine::output::Compression;
use engine::store::Location;

use crate::config::Config;
use crate::config::targets::StorageTargets;
use crate::monitoring::log::LogLines;
use crate::objects::{Moved, Objects};
use crate::observer::{Counts, Level};
use crate::plan::{Plan, StepName};
use crate::step::elasticsearch::{EachLine, ElasticCredentials, ElasticTarget, SendSettings, Sent};
use crate::step::staging::Limits;
use crate::target::Target;

/// What the steps of one run share.
pub struct RunContext {
    /// The configuration.
    pub config: Config,
    /// The steps of the whole run, also those that were done before it was resumed.
    pub plan: Plan,
    /// The run.
    pub run_id: String,
    /// Time of the enrich run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// The enrichment configurations.
    pub enrichments: EnrichmentConfigs,
    /// The storage targets.
    pub storage: StorageTargets,
    /// Objects on S3 and on disks.
    pub objects: Objects,
    /// How much staging takes.
    pub limits: Limits,
    /// Set to stop the step at work.
    pub cancel: Arc<AtomicBool>,
    /// Whether jobs show their progress.
    pub progress: ShowProgress,
    /// Whether EMR's own debugging is on.
    pub debug: bool,
}

/// What a step did: a line for the summary and a record for the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepOutcome {
    /// For people.
    pub summary: String,
    /// For machines.
    pub report: serde_json::Value,
}

impl StepOutcome {
    /// The outcome of a step that had nothing to do, or does nothing yet.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self {
            summary: why.into(),
            report: serde_json::json!({ "skipped": true }),
        }
    }

    /// The counts that the report of a step holds.
    pub fn counts(&self) -> Counts {
        counts_of(&self.report)
    }
}

/// The counts of a report, as the journal keeps it.
pub fn counts_of(report: &serde_json::Value) -> Counts {
    let number = |path: &[&str]| {
        path.iter()
            .try_fold(report, |value, key| value.get(key))
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
    };
    let documents = number(&["documents"]);
    let moved = Counts {
        objects: number(&["objects"]) + number(&["files"]) + number(&["input_objects"]),
        bytes: number(&["bytes"]) + number(&["input_bytes"]),
        records_in: documents + number(&["rejected"]),
        records_out: documents,
        bad: number(&["rejected"]),
        ..Counts::default()
    };
    if report.get("enrich").is_some_and(|part| !part.is_null()) {
        return Counts {
            records_in: number(&["enrich", "records"]),
            records_out: number(&["enrich", "good"]),
            bad: number(&["enrich", "bad"]) + number(&["enrich", "failed_whole"]),
            ..moved
        };
    }
    if report.get("shred").is_some_and(|part| !part.is_null()) {
        return Counts {
            records_in: number(&["shred", "lines"]),
            records_out: number(&["shred", "good"]),
            bad: number(&["shred", "bad"]),
            duplicates: number(&["shred", "natural_duplicates"])
                + number(&["shred", "cross_batch_duplicates"]),
            ..moved
        };
    }
    moved
}

/// Runs one step. Errors are texts that name the object and say what to do.
///
/// # Errors
/// When the step failed; it can be run again.
pub fn run(
    step: StepName,
    context: &RunContext,
    target: &mut dyn Target,
) -> Result<StepOutcome, String> {
    match step {
        StepName::Staging => stage(context),
        StepName::StagingStreamEnrich => stage_stream(context),
        StepName::Enrich | StepName::Shred => {
            let outcome = if step == StepName::Enrich {
                target.enrich(context)
            } else {
                target.shred(context)
            }?;
            leftovers::end_uploads(&context.objects, &context.config, step, &context.run_id);
            Ok(outcome)
        }
        StepName::Elasticsearch => target.elasticsearch(context),
        StepName::ArchiveRaw => archive::raw(context),
        StepName::RdbLoad => target.load(context),
        StepName::ArchiveEnriched => archive::enriched(context),
        StepName::ArchiveShredded => archive::shredded(context),
    }
}

fn stage(context: &RunContext) -> Result<StepOutcome, String> {
    let Some(raw) = &context.config.raw else {
        return Err("there are no raw logs in Stream Enrich mode".into());
    };
    let (moved, names) = staging::stage(
        &context.objects,
        &raw.inputs,
        &raw.processing,
        &context.config.format,
        context.limits,
    )?;
    let mut outcome = staged(moved, &raw.processing);
    // such names are staged and archived, as by the reference; nobody should have to find out from missing events
    if let Some((count, example)) = enrich::passed_over(&names) {
        outcome.summary.push_str(&format!(
            "\n{count} of them are not read by enrich, such as {example}: names that begin with _ or . are passed over, as by Hadoop"
        ));
    }
    Ok(outcome)
}

fn stage_stream(context: &RunContext) -> Result<StepOutcome, String> {
    let Some(stream) = &context.config.enriched.stream else {
        return Err("aws.s3.buckets.enriched.stream is not set".into());
    };
    let folder = context.run_folder(&context.config.enriched.good);
    let min_age = context.config.camonica.min_age;
    let moved = staging_stream::run(
        &context.objects,
        stream,
        &folder,
        min_age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
        context.limits,
    )?;
    Ok(staged(moved, &folder))
}

fn staged(moved: Moved, folder: &Location) -> StepOutcome {
    StepOutcome {
        summary: format!(
            "{} objects, {} bytes -> {folder}",
            moved.objects, moved.bytes
        ),
        report: serde_json::json!(moved),
    }
}

/// Loads what was shredded into the storage targets of purpose `ENRICHED_EVENTS`.
///
/// # Errors
/// None yet.
pub fn load(_context: &RunContext) -> Result<StepOutcome, String> {
    Ok(StepOutcome::skipped(
        "skipped: loading is not available yet, so nothing was loaded (--skip rdb_load leaves this step out)",
    ))
}

/// Sends the bad rows that this run has made to every storage target of purpose `FAILED_EVENTS`.
///
/// # Errors
/// When a target does not take them.
pub fn elasticsearch(context: &RunContext) -> Result<StepOutcome, String> {
    let targets = &context.storage.failed_events;
    if targets.is_empty() {
        return Ok(StepOutcome::skipped(
            "no storage target has the purpose FAILED_EVENTS",
        ));
    }
    let bad = [
        (StepName::Enrich, context.config.enriched.bad.as_ref()),
        (StepName::Shred, Some(&context.config.shredded.bad)),
    ];
    let sources: Vec<Location> = bad
        .into_iter()
        .filter(|(step, _)| context.plan.runs(*step))
        .filter_map(|(_, base)| base.map(|base| context.run_folder(base)))
        .collect();
    if sources.is_empty() {
        return Ok(StepOutcome::skipped("this run has made no bad rows"));
    }
    let store = context.job_options().open_store();
    let mut all = Sent::default();
    let mut lines = Vec::new();
    for target in targets {
        let name = &target.name;
        let data = &target.document["data"];
        let elastic = ElasticTarget::from_data(data)
            .map_err(|error| format!("storage target '{name}': {error}"))?;
        let elastic = ElasticTarget {
            credentials: ElasticCredentials::from_environment(&|name| std::env::var(name).ok()),
            ..elastic
        };
        let mut read = |folder: &Location, each: &mut EachLine<'_>| {
            elasticsearch::lines::read_folder(&store, folder, each)
        };
        let settings = SendSettings::default();
        let sent = elasticsearch::send(&elastic, &context.run_id, &sources, &mut read, &settings)
            .map_err(|error| format!("storage target '{name}': {error}"))?;
        lines.push(format!("{name}: {}", sent.to_line()));
        all.add(sent);
    }
    Ok(StepOutcome {
        summary: lines.join("\n"),
        report: serde_json::json!(all),
    })
}

impl RunContext {
    /// Says something while a step is at work: a line of the log on standard output.
    pub fn say(&self, level: Level, text: &str) {
        LogLines::stdout(self.config.monitoring.level).write(level, text);
    }

    /// The folder of this run below `base`; ends with a slash.
    pub fn run_folder(&self, base: &Location) -> Location {
        base.join(&format!("run={}/", self.run_id))
    }

    /// The folders of enriched events that this run shreds: its own, or, when it makes none, every run folder there is.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn enriched_folders(&self) -> Result<Vec<Location>, String> {
        let good = &self.config.enriched.good;
        if self.plan.makes_enriched() {
            return Ok(vec![self.run_folder(good)]);
        }
        let found = source::run_folders(&self.objects, good)?;
        Ok(found.into_iter().map(|folder| folder.location).collect())
    }

    /// Settings of an engine job of this run.
    pub fn job_options(&self) -> JobOptions {
        let defaults = JobOptions::default();
        let camonica = &self.config.camonica;
        JobOptions {
            workers: camonica.workers.unwrap_or(defaults.workers),
            memory_limit: camonica.memory_limit.unwrap_or(defaults.memory_limit),
            compression: if self.config.gzip {
                Compression::Gzip(6)
            } else {
                Compression::None
            },
            store: self
                .objects
                .aws()
                .map(crate::aws::Aws::store_settings)
                .unwrap_or_default(),
            run_id: Some(self.run_id.clone()),
            log_folder: Some(self.config.log.to_string()),
            skip_corrupt: camonica.skip_corrupt,
            progress: self.progress,
            spill_directories: camonica.spill_directories.clone(),
            cancel: Arc::clone(&self.cancel),
            ..defaults
        }
    }

    /// Whether the output of a job in `folder` was committed: its marker is the last thing that a commit writes.
    ///
    /// # Errors
    /// When the marker cannot be looked for.
    pub fn is_committed(&self, folder: &Location, marker: &str) -> Result<bool, String> {
        Ok(self.objects.get(&folder.join(marker))?.is_some())
    }
}

/// The outcome of a job whose output an earlier attempt had committed.
pub fn committed_before(output: &Location) -> StepOutcome {
    StepOutcome {
        summary: format!("was committed already in {output}"),
        report: serde_json::json!({ "committed_before": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_reports() {
        let report = serde_json::json!({
            "input_objects": 3, "input_bytes": 100,
            "enrich": {"records": 10, "good": 7, "bad": 2, "failed_whole": 1}, "shred": null
        });
        let counts = counts_of(&report);
        assert_eq!((counts.objects, counts.bytes), (3, 100));
        assert_eq!(
            (counts.records_in, counts.records_out, counts.bad),
            (10, 7, 3)
        );
        let report = serde_json::json!({
            "shred": {"lines": 9, "good": 6, "bad": 1, "natural_duplicates": 1, "cross_batch_duplicates": 1}
        });
        let counts = counts_of(&report);
        assert_eq!((counts.records_in, counts.duplicates), (9, 2));
        let counts = counts_of(&serde_json::json!({"files": 2, "bytes": 5}));
        assert_eq!((counts.objects, counts.bytes), (2, 5));
        assert_eq!(counts_of(&serde_json::Value::Null), Counts::default());
    }
}
