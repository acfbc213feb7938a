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

/// Globs that name all objects below `folder` whose names match `name`: `*`, `*gz`, `*part-*`. One glob reads its own level and,
/// of folders that it matches, the next one; objects that a collector put deeper would otherwise be archived without
/// having been read.
///
/// # Errors
/// When the folder cannot be listed.
pub fn globs(objects: &Objects, folder: &Location, name: &str) -> Result<String, String> {
    let mut depths = BTreeSet::new();
    objects.each(folder, &mut |entry| {
        if is_named(&entry.relative, name) {
            depths.insert(entry.relative.matches('/').count());
        }
        true
    })?;
    if name == "*" {
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

/// How many of the keys that lie together in a folder [`globs`] of `*` do not read, since Hadoop takes their names for hidden
/// ones; and the first of them.
pub fn passed_over(names: &[String]) -> Option<(usize, &str)> {
    let is_hidden = |name: &str| name.starts_with(['_', '.']);
    let depth = |name: &str| name.matches('/').count();
    let deepest = names.iter().map(|name| depth(name)).max()?;
    let mut hidden = names.iter().filter(|name| {
        let mut parts = name.rsplit('/');
        let last = parts.next().unwrap_or_default();
        // the deepest ones are read by way of their folder only
        let by_folder = depth(name) == deepest && parts.next().is_some_and(is_hidden);
        (is_hidden(last) && !last.ends_with(".index")) || by_folder
    });
    let first = hidden.next()?;
    Some((1 + hidden.count(), first))
}

/// Whether the last part of a relative key matches `name`, which has asterisks at its ends only.
pub fn is_named(relative: &str, name: &str) -> bool {
    let last = relative.rsplit('/').next().unwrap_or_default();
    let core = name.trim_matches('*');
    match name.strip_suffix('*') {
        Some(_) => last.contains(core),
        None => last.ends_with(core),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_that_hadoop_hides_are_counted() {
        for (names, expected) in [
            (&["a.gz", "x/b.gz"][..], None),
            (&[], None),
            (&["_a.gz", "b.gz", "x/.c"], Some((2, "_a.gz"))),
            (&["_logs/a.gz", "_logs/b.gz"], Some((2, "_logs/a.gz"))),
            // a glob of its own reads this level
            (&["_logs/a.gz", "x/y/b.gz"], None),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(passed_over(&names), expected, "{names:?}");
        }
    }

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
        fs::write(base.path().join("x/part-1"), "").unwrap();
        assert_eq!(found("*part-*"), "*/*part-*");
    }
}
