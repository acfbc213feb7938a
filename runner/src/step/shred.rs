//! Shred: enriched events become atomic events and shredded JSONs (EmrEtlRunner's step `Shred Enriched Events`).
//!
//! A run that makes enriched events shreds those of its own folder. One that begins at shred takes every run folder that
//! lies under `enriched.good`, as the reference's copy to HDFS did: part files in batch mode (`.*part-.*`), what the S3 Loader
//! wrote in Stream Enrich mode (`.*.gz`). What else lies there is not read.

use engine::job::ShredJob;
use engine::store::Location;

use super::{RunContext, enrich};
use crate::objects::Objects;
use crate::plan::Mode;

/// Markers of a committed output.
pub const MARKERS: [&str; 2] = ["atomic-events/_SUCCESS", "shredded-types/_SUCCESS"];

/// The engine's job of this run.
///
/// # Errors
/// When there are no enriched events, or their folders cannot be listed.
pub fn job(context: &RunContext) -> Result<ShredJob, String> {
    let config = &context.config;
    let folders = context.enriched_folders()?;
    if folders.is_empty() {
        return Err(format!(
            "No run folders in [{}] found",
            config.enriched.good
        ));
    }
    let name = match context.plan.mode {
        Mode::Batch => "*part-*",
        Mode::Stream => "*gz",
    };
    let mut inputs = Vec::new();
    for folder in folders {
        inputs.push(input(&context.objects, &folder, name)?);
    }
    Ok(ShredJob {
        input: inputs.join(","),
        output: context.run_folder(&config.shredded.good).to_string(),
        bad: context.run_folder(&config.shredded.bad).to_string(),
        resolver: context.resolver.clone(),
        options: context.job_options(),
    })
}

/// The objects of a run folder whose names match `name`: the folder itself where that is all it holds, or where it holds
/// nothing (a batch whose events are all bad), else globs.
///
/// # Errors
/// When the folder cannot be listed, or holds only what is not read: archiving would lose sight of it.
fn input(objects: &Objects, folder: &Location, name: &str) -> Result<String, String> {
    let (mut taken, mut is_plain) = (false, true);
    let mut stray = None;
    objects.each(folder, &mut |entry| {
        let last = entry.relative.rsplit('/').next().unwrap_or_default();
        if last.starts_with(['_', '.']) {
            return true;
        }
        let is_taken = enrich::is_named(&entry.relative, name);
        taken |= is_taken;
        is_plain &= is_taken && !entry.relative.contains('/');
        if !is_taken {
            stray.get_or_insert(entry.relative);
        }
        true
    })?;
    match stray {
        _ if is_plain => Ok(folder.to_string()),
        Some(stray) if !taken => Err(format!(
            "{folder}: nothing in it is named {name}, and so nothing would be shredded, but it holds {stray}: name it so, or move it elsewhere"
        )),
        _ => enrich::globs(objects, folder, name),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_shredded_of_a_run_folder() {
        for (files, name, expected) in [
            (&[][..], "*part-*", ""),
            (&["_SUCCESS", "_SUCCESS.manifest.json"], "*part-*", ""),
            (&["part-00000", "_SUCCESS"], "*part-*", ""),
            (&["part-00000", "notes.txt"], "*part-*", "*part-*"),
            (
                &["part-00000.gz", "x/part-1"],
                "*part-*",
                "*part-*,*/*part-*",
            ),
            (&["a.gz", "b.gz"], "*gz", ""),
            (&["a.gz", "b.lzo"], "*gz", "*gz"),
            (&["a.gz", "d/agz"], "*gz", "*gz,*/*gz"),
        ] {
            let base = tempfile::tempdir().unwrap();
            for file in files {
                let path = base.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let folder = Location::from_path(base.path()).unwrap();
            let found = input(&Objects::new(None), &folder, name).unwrap();
            let base = base.path().to_str().unwrap();
            let shown: Vec<&str> = found
                .split(',')
                .map(|path| path.strip_prefix(base).unwrap().trim_matches('/'))
                .collect();
            assert_eq!(shown.join(","), expected, "{files:?}");
        }
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("b.lzo"), "").unwrap();
        let folder = Location::from_path(base.path()).unwrap();
        let error = input(&Objects::new(None), &folder, "*gz").unwrap_err();
        assert!(
            error.contains("nothing in it is named *gz") && error.contains("b.lzo"),
            "{error}"
        );
    }
}
