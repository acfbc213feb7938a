//! Staging: takes the logs that are there from the collectors' folders to the processing folder.
//!
//! In: a listing of each `raw.in` location, taken first; exactly its objects move, since collectors go on writing. Out: the
//! same objects below `raw.processing`, with their relative keys. The reference called S3DistCp with `--srcPattern` and, for
//! the Clojure collector, `--groupBy .*/_*(.+)`, which flattens the folders of instances and cuts leading underscores (Hadoop
//! skips such names); files of one name were concatenated there, and objects of two `in` locations with one key overwrote
//! each other. Here no two objects ever get one name: all that would share a name get their instance or the number of
//! their location into it. An index (`x.lzo.index`) stays beside its file.
//!
//! The name of an object depends on nothing but its key, its location and what is there, so that a staging which was cut
//! finds its copies again: a copy is no older than its source and equal to it.

use std::collections::{HashMap, HashSet};

use engine::store::Location;

use crate::distcp::{self, Options};
use crate::objects::{Moved, ObjectEntry, Objects, Renamed};

/// How much one run takes; the oldest objects are taken first. At least one object is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most objects; indexes are not counted.
    pub max_files: Option<u64>,
    /// Most stored bytes.
    pub max_bytes: Option<u64>,
}

const INDEX: &str = ".index";

/// Whether a relative key is that of an index of a LZO file, and of which.
fn indexed(relative: &str) -> Option<&str> {
    relative
        .strip_suffix(INDEX)
        .filter(|data| data.ends_with(".lzo"))
}

/// Objects of one collector folder that a run takes: those that match the source pattern of the format. An index alone is
/// no log.
///
/// # Errors
/// When the folder cannot be listed.
pub fn candidates(
    objects: &Objects,
    input: &Location,
    format: &str,
) -> Result<Vec<ObjectEntry>, String> {
    let mut found = matching(objects, input, format)?;
    found.retain(|entry| indexed(&entry.relative).is_none());
    Ok(found)
}

/// Whether a collector folder holds an object that a run would take; ends at the first.
///
/// # Errors
/// When the folder cannot be listed.
pub fn any(objects: &Objects, input: &Location, format: &str) -> Result<bool, String> {
    let pattern = source_pattern(format)?;
    let base = input.to_string();
    objects.any(input, &|relative| {
        indexed(relative).is_none() && pattern.is_match(&uri(&base, relative))
    })
}

fn source_pattern(format: &str) -> Result<regex::Regex, String> {
    let options = Options::staging(format);
    distcp::whole(options.src_pattern.as_deref().unwrap_or(".+"), "srcPattern")
}

fn uri(base: &str, relative: &str) -> String {
    // Java's dot, and ours, stops at line ends; a key with one is an object all the same.
    format!(
        "{}/{}",
        base.trim_end_matches('/'),
        relative.replace('\n', " ")
    )
}

fn matching(objects: &Objects, input: &Location, format: &str) -> Result<Vec<ObjectEntry>, String> {
    let pattern = source_pattern(format)?;
    let base = input.to_string();
    let mut found = objects.list(input)?;
    found.retain(|entry| pattern.is_match(&uri(&base, &entry.relative)));
    Ok(found)
}

/// A log that is to be staged.
#[derive(Debug, Clone)]
struct Log {
    /// Number of its location, from 0.
    input: usize,
    entry: ObjectEntry,
    index: Option<ObjectEntry>,
}

/// Moves the logs.
///
/// # Errors
/// When one cannot be moved; it then is still at its source, and the same call completes the staging.
pub fn run(
    objects: &Objects,
    inputs: &[Location],
    processing: &Location,
    format: &str,
    limits: Limits,
) -> Result<Moved, String> {
    stage(objects, inputs, processing, format, limits).map(|(moved, _)| moved)
}

/// As [`run`]; tells also the names that objects got below the processing folder.
///
/// # Errors
/// As [`run`].
pub fn stage(
    objects: &Objects,
    inputs: &[Location],
    processing: &Location,
    format: &str,
    limits: Limits,
) -> Result<(Moved, Vec<String>), String> {
    if let Some(path) = processing.local_path() {
        crate::transfer::remove_partial(path).map_err(|error| error.to_string())?;
    }
    // What is there already, an earlier attempt of this run has staged: a run begins with an empty folder.
    let staged = objects.list(processing)?;
    let mut logs = Vec::new();
    let mut orphans = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let mut found = matching(objects, input, format)?;
        let mut indexes: HashMap<String, ObjectEntry> = HashMap::new();
        found.retain(|entry| match indexed(&entry.relative) {
            Some(data) => {
                indexes.insert(data.to_owned(), entry.clone());
                false
            }
            None => true,
        });
        for entry in found {
            let index = indexes.remove(&entry.relative);
            logs.push(Log {
                input: number,
                entry,
                index,
            });
        }
        let mut left: Vec<ObjectEntry> = indexes.into_values().collect();
        left.sort_by(|a, b| a.relative.cmp(&b.relative));
        orphans.extend(left.into_iter().map(|entry| Log {
            input: number,
            entry,
            index: None,
        }));
    }
    let taken = limited(logs, &staged, limits);
    // An index without its file goes along with others, as in the reference: by itself it is nothing to process.
    let mut all = taken;
    if !all.is_empty() && limits == Limits::default() {
        all.extend(orphans);
    }
    let names = assign(objects, inputs, processing, format, &all, &staged)?;
    let (mut moved, mut told) = (Moved::default(), Vec::new());
    // Indexes first: a file is never in the processing folder while its index waits outside.
    for indexes in [true, false] {
        for (number, input) in inputs.iter().enumerate() {
            let renamed: Vec<Renamed> = all
                .iter()
                .zip(&names)
                .filter(|(log, _)| log.input == number)
                .filter_map(|(log, name)| {
                    let (entry, name) = match (indexes, &log.index) {
                        (true, Some(index)) => (index.clone(), format!("{name}{INDEX}")),
                        (true, None) => return None,
                        (false, _) => (log.entry.clone(), name.clone()),
                    };
                    Some(Renamed { entry, name })
                })
                .collect();
            told.extend(renamed.iter().map(|renamed| renamed.name.clone()));
            moved += objects.move_entries(input, processing, &renamed)?;
        }
    }
    told.sort();
    Ok((moved, told))
}

/// The oldest logs that the limits allow. What an earlier attempt has staged counts.
fn limited(mut logs: Vec<Log>, staged: &[ObjectEntry], limits: Limits) -> Vec<Log> {
    if limits == Limits::default() {
        return logs;
    }
    logs.sort_by(|a, b| {
        (a.entry.modified_ms, a.input, &a.entry.relative).cmp(&(
            b.entry.modified_ms,
            b.input,
            &b.entry.relative,
        ))
    });
    let before = staged
        .iter()
        .filter(|entry| indexed(&entry.relative).is_none())
        .count() as u64;
    let mut bytes: u64 = staged.iter().map(|entry| entry.size).sum();
    let mut taken = Vec::new();
    for (files, log) in (before..).zip(logs) {
        let size = log.entry.size + log.index.as_ref().map_or(0, |index| index.size);
        let fits = limits.max_files.is_none_or(|most| files < most)
            && limits
                .max_bytes
                .is_none_or(|most| bytes.saturating_add(size) <= most);
        if !fits && files > 0 {
            break;
        }
        bytes = bytes.saturating_add(size);
        taken.push(log);
    }
    taken
}

/// The names that a log can have in the processing folder: the plain one, and those that no other log has.
struct Names {
    plain: String,
    /// With the instance (Clojure collector), with the number of its location.
    own: Vec<String>,
}

fn names_of(input: usize, relative: &str, format: &str) -> Names {
    let relative = readable(relative);
    let (folder, name) = match relative.rsplit_once('/') {
        Some((folder, name)) => (folder, name),
        None => ("", relative.as_str()),
    };
    if format == "clj-tomcat" {
        let flat = match name.trim_start_matches('_') {
            "" => name,
            flat => flat,
        };
        let own = if folder.is_empty() {
            flat.to_owned()
        } else {
            format!("{}-{flat}", folder.replace('/', "-"))
        };
        let numbered = format!("{}-{own}", input + 1);
        let mut names = vec![own, numbered];
        names.retain(|name| name != flat);
        return Names {
            plain: flat.to_owned(),
            own: names,
        };
    }
    let numbered = format!("{}-{name}", input + 1);
    let own = if folder.is_empty() {
        numbered
    } else {
        format!("{folder}/{numbered}")
    };
    Names {
        plain: relative.clone(),
        own: vec![own],
    }
}

/// A key that every reader can name: no empty parts, none of `.` and `..`, no control characters.
fn readable(relative: &str) -> String {
    let parts: Vec<String> = relative
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| match part {
            "." => "%2E".to_owned(),
            ".." => "%2E%2E".to_owned(),
            part if part.chars().any(|c| c.is_ascii_control()) => part
                .chars()
                .map(|c| match c {
                    c if c.is_ascii_control() => format!("%{:02X}", u32::from(c)),
                    c => c.to_string(),
                })
                .collect(),
            part => part.to_owned(),
        })
        .collect();
    parts.join("/")
}

/// The name of each log below the processing folder.
fn assign(
    objects: &Objects,
    inputs: &[Location],
    processing: &Location,
    format: &str,
    logs: &[Log],
    staged: &[ObjectEntry],
) -> Result<Vec<String>, String> {
    let there: HashMap<&str, &ObjectEntry> = staged
        .iter()
        .map(|entry| (entry.relative.as_str(), entry))
        .collect();
    let possible: Vec<Names> = logs
        .iter()
        .map(|log| names_of(log.input, &log.entry.relative, format))
        .collect();
    let mut wanted: HashMap<&str, usize> = HashMap::new();
    for names in &possible {
        *wanted.entry(&names.plain).or_default() += 1;
    }
    let shared_before = shared_before(&there, inputs.len(), format);
    let mut used: HashSet<String> = HashSet::new();
    let mut assigned: Vec<Option<String>> = vec![None; logs.len()];
    // Copies whose sources an earlier attempt did not come to delete, and files whose index went ahead.
    for ((log, names), slot) in logs.iter().zip(&possible).zip(&mut assigned) {
        for name in std::iter::once(&names.plain).chain(&names.own) {
            if used.contains(name) {
                continue;
            }
            let begun = match there.get(name.as_str()) {
                Some(target) => {
                    objects.is_cut_move(&inputs[log.input], &log.entry, processing, target)?
                }
                None => {
                    log.entry.relative.ends_with(".lzo")
                        && there.contains_key(format!("{name}{INDEX}").as_str())
                }
            };
            if begun {
                used.insert(name.clone());
                *slot = Some(name.clone());
                break;
            }
        }
    }
    // All that would share a name get one of their own.
    for round in [true, false] {
        for (names, slot) in possible.iter().zip(&mut assigned) {
            if slot.is_some() {
                continue;
            }
            let free = |name: &&String, used: &HashSet<String>| {
                !used.contains(*name) && !there.contains_key(name.as_str())
            };
            let plain = names.plain.as_str();
            let shared =
                wanted.get(plain).is_some_and(|&count| count > 1) || shared_before.contains(plain);
            let name = if round {
                // Plain names first, so that no other takes them by chance.
                Some(&names.plain).filter(|name| !shared && free(name, &used))
            } else {
                names.own.iter().find(|name| free(name, &used))
            };
            let name = match name {
                Some(name) => name.clone(),
                None if round => continue,
                None => numbered(&names.plain, &|name| free(&&name.to_owned(), &used)),
            };
            used.insert(name.clone());
            *slot = Some(name);
        }
    }
    Ok(assigned.into_iter().flatten().collect())
}

/// Plain names that several logs seem to have shared when an earlier attempt of this run began: a log got another name then. The
/// rest of them get theirs, as they would have without the cut.
fn shared_before(
    there: &HashMap<&str, &ObjectEntry>,
    inputs: usize,
    format: &str,
) -> HashSet<String> {
    let mut plain = HashSet::new();
    for staged in there.keys() {
        let (folder, name) = match staged.rfind('/') {
            Some(at) => staged.split_at(at + 1),
            None => ("", *staged),
        };
        for (at, _) in name.match_indices('-') {
            let (before, after) = (&name[..at], &name[at + 1..]);
            let is_location = before
                .parse()
                .is_ok_and(|number| (1..=inputs).contains(&number));
            // instances are no numbers
            if format == "clj-tomcat" || (inputs > 1 && is_location) {
                plain.insert(format!("{folder}{after}"));
            }
        }
    }
    plain
}

/// The first of `2-name`, `3-name`, … that is free.
fn numbered(name: &str, free: &dyn Fn(&str) -> bool) -> String {
    let (folder, last) = name.rsplit_once('/').map_or(("", name), |(f, l)| (f, l));
    let slash = if folder.is_empty() { "" } else { "/" };
    let mut number = 2_u64;
    loop {
        let name = format!("{folder}{slash}{number}-{last}");
        if free(&name) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests;
