//! Enrich: the staged logs become enriched events in the folder of the run (EmrEtlRunner's step `Enrich Raw Events`).

use std::collections::BTreeSet;

use engine::enrichment::Environment;
use engine::enrichment::databases::Databases;
use engine::job::EnrichJob;
use engine::store::Location;

use super::RunContext;
use crate::objects::Objects;

/// The engine's job of this run.
///
/// # Errors
/// When the staged logs cannot be listed.
pub fn job(context: &RunContext) -> Result<EnrichJob, String> {
    let config = &context.config;
    let (Some(raw), Some(bad)) = (&config.raw, &config.enriched.bad) else {
        return Err("there are no raw logs in Stream Enrich mode".into());
    };
    let errors = config
        .enriched
        .errors
        .as_ref()
        .filter(|_| config.errors_apart())
        .map(|base| context.run_folder(base).to_string());
    let options = context.job_options();
    let environment = Environment {
        databases: Databases {
            folder: config.camonica.enrichment_data.clone(),
            cache: None,
            store: options.store.clone(),
        },
        open_exchange_rates: config.camonica.exchange_rates_endpoint.clone(),
        ..Environment::default()
    };
    Ok(EnrichJob {
        input: globs(&context.objects, &raw.processing, "*")?,
        format: config.format.clone(),
        output: context.run_folder(&config.enriched.good).to_string(),
        bad: context.run_folder(bad).to_string(),
        errors,
        pii: None,
        enrichments: context.enrichments.clone(),
        environment,
        resolver: context.resolver.clone(),
        etl_tstamp_ms: context.etl_tstamp_ms,
        v_etl: None,
        options,
    })
}

/// Globs that name all objects below `folder` whose names match `name`, `*` or `*.gz`. One glob reads its own level and, of
/// folders that it matches, the next one; objects that a collector put deeper would otherwise be archived without having
/// been read.
///
/// # Errors
/// When the folder cannot be listed.
pub fn globs(objects: &Objects, folder: &Location, name: &str) -> Result<String, String> {
    let ending = name.trim_start_matches('*');
    let mut depths = BTreeSet::new();
    objects.each(folder, &mut |entry| {
        if entry.relative.ends_with(ending) {
            depths.insert(entry.relative.matches('/').count());
        }
        true
    })?;
    if ending.is_empty() {
        // `*` matches folders too, and reads the level below them
        let deepest = depths.last().copied().unwrap_or(0);
        depths = (0..deepest.max(1)).collect();
    } else if depths.is_empty() {
        depths.insert(0);
    }
    let levels: Vec<String> = depths
        .into_iter()
        .map(|above| folder.join(&("*/".repeat(above) + name)).to_string())
        .collect();
    Ok(levels.join(","))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn globs_reach_every_level() {
        let base = tempfile::tempdir().unwrap();
        let folder = Location::from_path(base.path()).unwrap();
        let objects = Objects::new(None);
        let found = |name: &str| {
            globs(&objects, &folder, name)
                .unwrap()
                .replace(&format!("{}/", base.path().display()), "")
        };
        assert_eq!((found("*").as_str(), found("*.gz").as_str()), ("*", "*.gz"));
        fs::write(base.path().join("a.gz"), "").unwrap();
        assert_eq!(found("*"), "*");
        fs::create_dir_all(base.path().join("x")).unwrap();
        fs::write(base.path().join("x/a.gz"), "").unwrap();
        assert_eq!(
            (found("*").as_str(), found("*.gz").as_str()),
            ("*", "*.gz,*/*.gz")
        );
        fs::create_dir_all(base.path().join("x/y")).unwrap();
        fs::write(base.path().join("x/y/a.gz"), "").unwrap();
        assert_eq!(found("*"), "*,*/*");
        assert_eq!(found("*.gz"), "*.gz,*/*.gz,*/*/*.gz");
    }
}
