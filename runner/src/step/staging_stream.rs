//! `staging_stream_enrich`: takes the enriched events that Stream Enrich's S3 Loader wrote to the run folder below
//! `enriched.good`.
//!
//! In: a listing of `enriched.stream`, taken first: the loader goes on writing, and exactly what was listed moves. Only keys
//! that match `.*.gz` are taken (R108; the reference's R102 took all): the loader's raw `.lzo` and `.index` files are not
//! enriched events. Objects younger than a minimal age can be left for the next run.

use engine::store::Location;
use regex::Regex;

use super::staging::Limits;
use crate::distcp::{self, Options, STREAM_SOURCES};
use crate::objects::{Moved, ObjectEntry, Objects, Renamed};

fn pattern() -> Result<Regex, String> {
    let options = Options::staging_stream_enrich();
    distcp::whole(
        options.src_pattern.as_deref().unwrap_or(STREAM_SOURCES),
        "srcPattern",
    )
}

fn takes(pattern: &Regex, stream: &Location, relative: &str) -> bool {
    let base = stream.to_string();
    pattern.is_match(&format!("{}/{relative}", base.trim_end_matches('/')))
}

/// Whether the stream's folder holds an object that a run would take; ends at the first.
///
/// # Errors
/// When the folder cannot be listed.
pub fn any(objects: &Objects, stream: &Location) -> Result<bool, String> {
    let pattern = pattern()?;
    objects.any(stream, &|relative| takes(&pattern, stream, relative))
}

/// Moves the enriched events to the run folder. Objects whose last change is less than `min_age_ms` ago stay.
///
/// # Errors
/// When one cannot be moved; it then is still at its source, and the same call completes the staging.
pub fn run(
    objects: &Objects,
    stream: &Location,
    enriched_run_folder: &Location,
    min_age_ms: Option<i64>,
    limits: Limits,
) -> Result<Moved, String> {
    let now = engine::job::options::now_ms();
    stage(
        objects,
        stream,
        enriched_run_folder,
        min_age_ms,
        limits,
        now,
    )
    .map(|(moved, _)| moved)
}

/// As [`run`] at the time `now_ms`; tells also the names below the run folder.
///
/// # Errors
/// As [`run`].
pub fn stage(
    objects: &Objects,
    stream: &Location,
    enriched_run_folder: &Location,
    min_age_ms: Option<i64>,
    limits: Limits,
    now_ms: i64,
) -> Result<(Moved, Vec<String>), String> {
    if let Some(path) = enriched_run_folder.local_path() {
        crate::transfer::remove_partial(path).map_err(|error| error.to_string())?;
    }
    let pattern = pattern()?;
    let mut found = objects.list(stream)?;
    found.retain(|entry| {
        takes(&pattern, stream, &entry.relative)
            && min_age_ms.is_none_or(|age| now_ms.saturating_sub(entry.modified_ms) >= age)
    });
    if limits != Limits::default() {
        let staged = objects.list(enriched_run_folder)?;
        found = limited(found, &staged, limits);
    }
    let renamed: Vec<Renamed> = found
        .into_iter()
        .map(|entry| Renamed {
            name: entry.relative.clone(),
            entry,
        })
        .collect();
    let moved = objects.move_entries(stream, enriched_run_folder, &renamed)?;
    Ok((
        moved,
        renamed.into_iter().map(|renamed| renamed.name).collect(),
    ))
}

/// The oldest objects that the limits allow. What an earlier attempt has staged counts, and is completed in any case.
fn limited(
    mut found: Vec<ObjectEntry>,
    staged: &[ObjectEntry],
    limits: Limits,
) -> Vec<ObjectEntry> {
    found.sort_by(|a, b| (a.modified_ms, &a.relative).cmp(&(b.modified_ms, &b.relative)));
    let there: std::collections::HashSet<&str> =
        staged.iter().map(|entry| entry.relative.as_str()).collect();
    let mut files = staged.len() as u64;
    let mut bytes: u64 = staged.iter().map(|entry| entry.size).sum();
    let mut full = false;
    found.retain(|entry| {
        if there.contains(entry.relative.as_str()) {
            return true;
        }
        let fits = limits.max_files.is_none_or(|most| files < most)
            && limits
                .max_bytes
                .is_none_or(|most| bytes.saturating_add(entry.size) <= most);
        full |= !fits && files > 0;
        if full {
            return false;
        }
        files += 1;
        bytes = bytes.saturating_add(entry.size);
        true
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[&str]) -> (tempfile::TempDir, Location, Location) {
        let base = tempfile::tempdir().unwrap();
        for file in files {
            let path = base.path().join("stream").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
        }
        let at = |name: &str| Location::from_path(&base.path().join(name)).unwrap();
        let (stream, good) = (at("stream"), at("good/run=1"));
        (base, stream, good)
    }

    const NONE: Limits = Limits {
        max_files: None,
        max_bytes: None,
    };

    #[test]
    fn only_gz_is_taken() {
        let (_base, stream, run) = folder(&["2018-a.gz", "b.lzo", "b.lzo.index", "d/c.gz", "gz"]);
        let objects = Objects::new(None);
        assert!(any(&objects, &stream).unwrap());
        let now = engine::job::options::now_ms();
        let (moved, names) = stage(&objects, &stream, &run, None, NONE, now).unwrap();
        // the dot of the pattern is any character, as in the reference
        assert_eq!(names, ["2018-a.gz", "d/c.gz", "gz"]);
        assert_eq!(moved.objects, 3);
        assert!(!any(&objects, &stream).unwrap());
        assert_eq!(objects.list(&run).unwrap().len(), 3);
        assert_eq!(objects.list(&stream).unwrap().len(), 2);
    }

    #[test]
    fn the_young_stay() {
        let (base, stream, run) = folder(&["old.gz", "young.gz"]);
        let time = |name: &str, ms: u64| {
            let path = base.path().join("stream").join(name);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms))
                .unwrap();
        };
        time("old.gz", 1000);
        time("young.gz", 1001);
        let objects = Objects::new(None);
        let staged = |now| {
            stage(&objects, &stream, &run, Some(60_000), NONE, now)
                .unwrap()
                .1
        };
        assert_eq!(staged(60_999), [""; 0]);
        assert_eq!(staged(61_000), ["old.gz"]);
        assert_eq!(staged(61_001), ["young.gz"]);
    }

    #[test]
    fn the_oldest_are_taken_and_cut_moves_completed() {
        let entry = |name: &str, modified_ms| ObjectEntry {
            relative: name.into(),
            size: 10,
            etag: String::new(),
            modified_ms,
        };
        let found = || vec![entry("a", 30), entry("b", 10), entry("c", 20)];
        for (limits, staged, expected) in [
            (
                Limits {
                    max_files: Some(2),
                    ..NONE
                },
                vec![],
                &["b", "c"][..],
            ),
            (
                Limits {
                    max_bytes: Some(10),
                    ..NONE
                },
                vec![],
                &["b"],
            ),
            (
                Limits {
                    max_bytes: Some(1),
                    ..NONE
                },
                vec![],
                &["b"],
            ),
            (
                Limits {
                    max_files: Some(1),
                    ..NONE
                },
                vec![entry("a", 30)],
                &["a"],
            ),
            (
                Limits {
                    max_files: Some(1),
                    ..NONE
                },
                vec![entry("x", 30)],
                &[],
            ),
        ] {
            let names: Vec<String> = limited(found(), &staged, limits)
                .into_iter()
                .map(|entry| entry.relative)
                .collect();
            assert_eq!(names, expected, "{limits:?}");
        }
    }
}
