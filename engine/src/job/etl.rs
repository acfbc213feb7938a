//! Enrich and shred in one go: ids are gathered while events are enriched, so the shred half needs no scan and reads each
//! enriched line once.

use super::enrich::Ran;
use super::options::JobOptions;
use super::report::JobReport;
use super::shred::Scanned;
use super::{EnrichJob, ShredJob};
use crate::dedup::Shares;
use crate::dedup::keys::{EventKeyHasher, KeyTable};
use crate::enrichment::Environment;
use crate::enrichment::config::EnrichmentConfigs;
use crate::error::Result;
use crate::store::{Location, Store};

/// The fused job.
#[derive(Debug, Clone)]
pub struct EtlJob {
    /// Folder, glob or comma-separated list of these with raw logs.
    pub input: String,
    /// Name of the collector format.
    pub format: String,
    /// Folder for enriched events.
    pub enriched: String,
    /// Folder for bad rows of enrich.
    pub enriched_bad: String,
    /// Folder for bad rows of unexpected exceptions.
    pub errors: Option<String>,
    /// Parent of `atomic-events` and `shredded-types`.
    pub shredded: String,
    /// Folder for bad rows of shred.
    pub shredded_bad: String,
    /// Folder for the events about pseudonymisation; without it there are none.
    pub pii: Option<String>,
    /// Configurations of enrichments.
    pub enrichments: EnrichmentConfigs,
    /// What enrichments may need beside their configurations.
    pub environment: Environment,
    /// Text of the resolver configuration.
    pub resolver: String,
    /// Time of the run, milliseconds since the epoch.
    pub etl_tstamp_ms: i64,
    /// Value of `v_etl`; absent: our own name and version.
    pub v_etl: Option<String>,
    /// Settings that all jobs share.
    pub options: JobOptions,
}

impl EtlJob {
    /// The two jobs, with one run id.
    ///
    /// # Errors
    /// `Config` when the folder of enriched events is no location.
    pub fn halves(&self) -> Result<(EnrichJob, ShredJob)> {
        let enriched = Location::parse(&self.enriched)?;
        let options = JobOptions {
            run_id: Some(self.options.run_id(&enriched)),
            ..self.options.clone()
        };
        let shred = ShredJob {
            input: self.enriched.clone(),
            output: self.shredded.clone(),
            bad: self.shredded_bad.clone(),
            resolver: self.resolver.clone(),
            options: options.clone(),
        };
        let enrich = EnrichJob {
            input: self.input.clone(),
            format: self.format.clone(),
            output: self.enriched.clone(),
            bad: self.enriched_bad.clone(),
            errors: self.errors.clone(),
            pii: self.pii.clone(),
            enrichments: self.enrichments.clone(),
            environment: self.environment.clone(),
            resolver: self.resolver.clone(),
            etl_tstamp_ms: self.etl_tstamp_ms,
            v_etl: self.v_etl.clone(),
            options,
        };
        Ok((enrich, shred))
    }

    /// Runs both halves. The enriched output is committed before the shred half begins; when that fails, a second run of the
    /// same run id takes the enriched output as it is.
    ///
    /// # Errors
    /// When a half cannot go on; nothing of the output of that half is visible then.
    pub fn run(&self) -> Result<JobReport> {
        let (enrich, shred) = self.halves()?;
        let enriched = Location::parse(&self.enriched)?;
        let run_id = shred.options.run_id(&enriched);
        let store = shred.options.open_store();
        let workers = self.options.workers;
        let shares = Shares::of(self.options.memory_limit);
        let keys = KeyTable::new(
            EventKeyHasher::random()?,
            self.options.open_spill("etl")?,
            shares.keys,
        );
        // Where an earlier attempt enriched the events, their ids were not seen here: shred has to scan for them.
        let (mut report, scanned) = if let Some(report) = enrich.finish_cut()? {
            (report, None)
        } else if is_committed(&store, &enriched, &run_id)? {
            (JobReport::default(), None)
        } else {
            match enrich.run_with_keys(Some(&keys))? {
                Ran::Now(report) => (report, Some(Scanned::of(keys, workers, shares)?)),
                Ran::Before(report) => (report, None),
            }
        };
        let shredded = shred.run_scanned(scanned)?;
        if report.run_id.is_empty() {
            report.run_id = run_id;
            report.input_objects = shredded.input_objects;
            report.input_bytes = shredded.input_bytes;
        }
        report.absorb(shredded);
        report.job = "etl";
        Ok(report)
    }
}

/// Whether `folder` holds the committed output of an enrich job of this run.
///
/// # Errors
/// When the folder cannot be read.
pub fn is_committed(store: &Store, folder: &Location, run_id: &str) -> Result<bool> {
    let Some(_) = store.head(&folder.join("_SUCCESS"))? else {
        return Ok(false);
    };
    let Some(entry) = store.head(&folder.join("_SUCCESS.manifest.json"))? else {
        return Ok(false);
    };
    let bytes = store.read_to_vec(&entry.location)?;
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(manifest["job"] == "enrich" && manifest["run_id"] == run_id)
}
