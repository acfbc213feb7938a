//! Which objects a run can take, and the folders of runs.

use engine::store::Location;

use crate::config::Config;
use crate::objects::{ObjectEntry, Objects};
use crate::plan::Mode;
use crate::step::staging;

/// Whether an object of the S3 Loader holds enriched events: `.*.gz`, and so neither `.lzo` nor `.index`. The first dot and what
/// it stands for may be the folder before the name; the second one is any character, as in the reference.
fn is_stream_log(key: &str) -> bool {
    key.ends_with("gz") && !key.contains('\n')
}

/// What a run can stage.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Objects.
    pub objects: Vec<ObjectEntry>,
    /// Objects of Stream Enrich mode that are too young.
    pub too_young: u64,
}

/// All objects that the patterns take. `now_ms` tells how old objects are.
///
/// # Errors
/// When a folder cannot be listed.
pub fn candidates(config: &Config, objects: &Objects, now_ms: i64) -> Result<Candidates, String> {
    let mut found = Candidates::default();
    match (config.mode(), &config.raw, &config.enriched.stream) {
        (Mode::Batch, Some(raw), _) => {
            for input in &raw.inputs {
                let more = staging::candidates(objects, input, &config.format)?;
                found.objects.extend(more);
            }
        }
        (Mode::Stream, _, Some(stream)) => {
            let youngest = youngest(config, now_ms);
            objects.each(stream, &mut |entry| {
                if is_stream_log(&entry.relative) {
                    if entry.modified_ms > youngest {
                        found.too_young += 1;
                    } else {
                        found.objects.push(entry);
                    }
                }
                true
            })?;
        }
        _ => {}
    }
    Ok(found)
}

/// Whether there is anything to stage. Not more is listed than it takes to meet one object.
///
/// # Errors
/// When a folder cannot be listed.
pub fn is_any(config: &Config, objects: &Objects, now_ms: i64) -> Result<bool, String> {
    match (config.mode(), &config.raw, &config.enriched.stream) {
        (Mode::Batch, Some(raw), _) => {
            for input in &raw.inputs {
                if staging::any(objects, input, &config.format)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Mode::Stream, _, Some(stream)) => {
            let youngest = youngest(config, now_ms);
            let mut any = false;
            objects.each(stream, &mut |entry| {
                any = is_stream_log(&entry.relative) && entry.modified_ms <= youngest;
                !any
            })?;
            Ok(any)
        }
        _ => Ok(false),
    }
}

/// The last change that an object of Stream Enrich mode may have, by `camonica.min_age`.
fn youngest(config: &Config, now_ms: i64) -> i64 {
    match config.camonica.min_age {
        Some(age) => now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
        None => i64::MAX,
    }
}

/// A folder `run=<id>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    /// The id of the run.
    pub run_id: String,
    /// Where it is; ends with a slash.
    pub location: Location,
    /// Objects in it.
    pub objects: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Keys of the markers of success in it, relative to it.
    pub markers: Vec<String>,
}

/// The run folders directly in `base`, in the order of their names: `run=` and an id of digits and dashes.
///
/// # Errors
/// When the folder cannot be listed.
pub fn run_folders(objects: &Objects, base: &Location) -> Result<Vec<RunFolder>, String> {
    let mut found: Vec<RunFolder> = Vec::new();
    objects.each(base, &mut |entry| {
        let Some((folder, rest)) = entry.relative.split_once('/') else {
            return true;
        };
        let Some(run_id) = folder.strip_prefix("run=").filter(|id| is_run_id(id)) else {
            return true;
        };
        let is_new = found.last().is_none_or(|last| last.run_id != run_id);
        if is_new {
            found.push(RunFolder {
                run_id: run_id.to_owned(),
                location: base.join(&format!("{folder}/")),
                objects: 0,
                bytes: 0,
                markers: Vec::new(),
            });
        }
        if let Some(last) = found.last_mut() {
            last.objects += 1;
            last.bytes += entry.size;
            if rest.rsplit('/').next() == Some("_SUCCESS") {
                last.markers.push(rest.to_owned());
            }
        }
        true
    })?;
    Ok(found)
}

fn is_run_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn patterns() {
        for (key, expected) in [
            ("a.gz", true),
            ("x/y.gz", true),
            ("x/gz", true),
            ("x-gz", true),
            ("a.lzo", false),
            ("a.lzo.index", false),
        ] {
            assert_eq!(is_stream_log(key), expected, "{key}");
        }
    }

    #[test]
    fn folders_of_runs() {
        let base = tempfile::tempdir().unwrap();
        for name in [
            "run=2018-07-24-10-00-00/part-0",
            "run=2018-07-24-10-00-00/_SUCCESS",
            "run=2018-07-23-10-00-00/atomic-events/part-0",
            "run=abc/part-0",
            "else/run=2018-01-01-00-00-00/part-0",
            "file",
        ] {
            let path = base.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "123").unwrap();
        }
        let location = Location::from_path(base.path()).unwrap();
        let found = run_folders(&Objects::new(None), &location).unwrap();
        let shown: Vec<(&str, u64, u64, usize)> = found
            .iter()
            .map(|folder| {
                (
                    folder.run_id.as_str(),
                    folder.objects,
                    folder.bytes,
                    folder.markers.len(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("2018-07-23-10-00-00", 1, 3, 0),
                ("2018-07-24-10-00-00", 2, 6, 1)
            ]
        );
        assert!(
            found[0]
                .location
                .to_string()
                .ends_with("/run=2018-07-23-10-00-00/")
        );
        let none = Location::parse("/none/at/all").unwrap();
        assert!(run_folders(&Objects::new(None), &none).unwrap().is_empty());
    }
}
