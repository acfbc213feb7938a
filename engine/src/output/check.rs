//! What is checked before a job writes anything: its settings, and that its folders are free.

use super::attempt::{self, TEMPORARY};
use super::commit::{MANIFEST, SUCCESS};
use super::settings::{Compression, OutputRoot, OutputSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store};
use std::path::Path;

/// The name of an attempt's temporary folders.
pub(super) fn attempt_name(settings: &OutputSettings, random: &str) -> String {
    let clean = |text: &str| -> String {
        let keep = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '=') {
                c
            } else {
                '_'
            }
        };
        text.chars().take(80).map(keep).collect()
    };
    let attempt = clean(&settings.attempt);
    let separator = if attempt.is_empty() { "" } else { "-" };
    format!(
        "{}{}-{}-{attempt}{separator}{random}",
        attempt::PREFIX,
        clean(&settings.job),
        clean(&settings.run_id)
    )
}

/// Refuses settings that cannot work: names that are no names, and roots that are the same or inside one another.
pub(super) fn check_settings(settings: &OutputSettings) -> Result<()> {
    for (what, text) in [("run id", &settings.run_id), ("job", &settings.job)] {
        if text.is_empty()
            || matches!(text.as_str(), "." | "..")
            || text.contains(|c: char| c == '/' || c.is_control())
        {
            return Err(Error::config(format!(
                "`{}` cannot be used as a {what}: it is the name of a folder",
                text.escape_default()
            )));
        }
    }
    if settings.roots.is_empty() {
        return Err(Error::config("a job needs an output folder"));
    }
    if settings.target_size == 0 {
        return Err(Error::config(
            "the target size of part files must be at least 1 byte",
        ));
    }
    let mut places = Vec::new();
    for root in &settings.roots {
        if matches!(root.compression, Compression::Gzip(level) if !(1..=9).contains(&level)) {
            return Err(Error::config("the level of gzip goes from 1 to 9"));
        }
        for folder in &root.success_folders {
            check_folder(folder)?;
        }
        places.push(real_place(&root.location)?);
    }
    for (index, place) in places.iter().enumerate() {
        for (other, other_place) in places
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
        {
            if place.contains(other_place) {
                let (outer, inner) = (
                    &settings.roots[index].location,
                    &settings.roots[other].location,
                );
                return Err(Error::config(if place.is_same_place(other_place) {
                    format!("{outer} and {inner}: two outputs cannot go to the same folder")
                } else {
                    format!("{inner}: an output folder cannot lie inside another ({outer})")
                }));
            }
        }
        if let Some(log) = &settings.log_folder
            && place.contains(&real_place(log)?)
        {
            return Err(Error::config(format!(
                "{log}: the log folder cannot lie inside an output folder ({})",
                settings.roots[index].location
            )));
        }
    }
    Ok(())
}

/// The place with all links of its existing folders followed.
fn real_place(location: &Location) -> Result<Location> {
    let Some(path) = location.local_path() else {
        return Ok(location.clone());
    };
    for existing in path.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return Location::from_path(&if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            });
        }
    }
    Ok(location.clone())
}

/// A folder below a root: parts between single slashes, none of them special.
pub(super) fn check_folder(folder: &str) -> Result<()> {
    let special = |part: &str| matches!(part, "" | "." | ".." | TEMPORARY | SUCCESS | MANIFEST);
    if folder.is_empty()
        || !(folder.split('/').any(special) || folder.contains(|c: char| c.is_ascii_control()))
    {
        return Ok(());
    }
    Err(Error::internal(format!(
        "`{}` cannot be a folder of an output",
        folder.escape_default()
    )))
}

/// Refuses a root that holds anything outside `_temporary/`.
pub(super) fn check_empty(
    store: &Store,
    location: &Location,
    root: &OutputRoot,
    run_id: &str,
) -> Result<()> {
    let temporary = format!("{TEMPORARY}/");
    let Some(found) = store.find(location, move |relative| !relative.starts_with(&temporary))?
    else {
        return Ok(());
    };
    let mut complete = false;
    for folder in &root.success_folders {
        complete |= store.head(&location.join(folder).join(SUCCESS))?.is_some();
    }
    let advice = if complete {
        "it is marked by `_SUCCESS`, so a finished output is there: archive it, or write to another folder".to_owned()
    } else {
        format!(
            "it is not marked by `_SUCCESS`, and no commit plan of run {run_id} tells that it can be finished: move its \
             content away or delete it"
        )
    };
    Err(Error::new(
        ErrorKind::NotEmpty,
        format!(
            "{location}: the output folder is not empty: it holds `{}`; {advice}",
            found.relative
        ),
    ))
}
