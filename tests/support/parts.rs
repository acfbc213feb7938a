//! Reads the part files of an output.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Lines of all part files in and below `folder`, by the folder's path relative to it, each sorted.
pub fn lines_by_folder(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    lines_of_all(found.into_iter())
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            assert_ne!(
                name,
                "_temporary",
                "a finished job leaves no temporary folder, but {} holds {:?}",
                path.display(),
                fs::read_dir(&path).map(|entries| entries.flatten().collect::<Vec<_>>())
            );
            walk(root, &path, found);
        } else if name.starts_with("part-") {
            let relative = path.strip_prefix(root).expect("below the root");
            let bytes = fs::read(&path).expect("a readable file");
            found.push((relative.to_string_lossy().into_owned(), bytes));
        }
    }
}

/// Lines of all part files among some, which are paths and their bytes, by folder, each sorted.
pub fn lines_of_all(
    files: impl Iterator<Item = (String, Vec<u8>)>,
) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, bytes) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name.starts_with("part-") {
            let lines = found.entry(folder.to_owned()).or_default();
            lines.extend(lines_of(&path, bytes));
        }
    }
    for lines in found.values_mut() {
        lines.sort();
    }
    found
}

/// Lines of all part files in and below `folder`, sorted.
pub fn lines(folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> = lines_by_folder(folder).into_values().flatten().collect();
    lines.sort();
    lines
}

/// The text of a file, gunzipped if its name says so.
pub fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("a readable file");
    text_of(&path.to_string_lossy(), bytes)
}

/// The lines of an object, gunzipped if its name says so.
pub fn lines_of(name: &str, bytes: Vec<u8>) -> Vec<String> {
    let text = text_of(name, bytes);
    assert!(text.ends_with('\n'), "{name}: no line feed at the end");
    let lines = text[..text.len() - 1].split('\n');
    lines.map(str::to_owned).collect()
}

fn text_of(name: &str, bytes: Vec<u8>) -> String {
    if !name.ends_with(".gz") {
        return String::from_utf8(bytes).expect("UTF-8");
    }
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .expect("gzip of UTF-8");
    text
}

/// Where a pipeline leaves its outputs for good.
pub const OUTPUTS: [&str; 4] = [
    "archive/enriched",
    "enriched/bad",
    "archive/shredded",
    "shredded/bad",
];

/// Lines of the [`OUTPUTS`] of a pipeline below `base`, by folder, each sorted and [`timeless`].
pub fn timeless_lines(base: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for output in OUTPUTS {
        for (folder, lines) in lines_by_folder(&base.join(output)) {
            let mut lines: Vec<String> = lines.iter().map(|line| timeless(line)).collect();
            lines.sort();
            all.insert(format!("{output}/{folder}"), lines);
        }
    }
    all
}

/// A line without the time of its run (`etl_tstamp` of events, `failure_tstamp` of bad rows).
pub fn timeless(line: &str) -> String {
    if let Some((row, _)) = line.rsplit_once(",\"failure_tstamp\":") {
        return row.to_owned();
    }
    let mut columns: Vec<&str> = line.split('\t').collect();
    if let Some(time) = columns.get_mut(2) {
        *time = "";
    }
    columns.join("\t")
}

/// Lines in the folders whose names begin so.
pub fn count(lines: &BTreeMap<String, Vec<String>>, prefix: &str) -> u64 {
    let folders = lines
        .iter()
        .filter(|(folder, _)| folder.starts_with(prefix));
    folders.map(|(_, lines)| lines.len() as u64).sum()
}

/// Fails, with what differs first, unless both have the same lines in the same folders.
pub fn assert_same(
    one: &BTreeMap<String, Vec<String>>,
    other: &BTreeMap<String, Vec<String>>,
    what: &str,
) {
    let folders = |lines: &BTreeMap<String, _>| lines.keys().cloned().collect::<Vec<_>>();
    assert_eq!(folders(one), folders(other), "{what}");
    for (folder, lines) in one {
        let others = &other[folder];
        assert_eq!(lines.len(), others.len(), "{what}: lines of {folder}");
        for (line, other) in lines.iter().zip(others) {
            assert_eq!(line, other, "{what}: {folder}");
        }
    }
}
