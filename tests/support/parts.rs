//! Reads the part files of an output.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Lines of all part files in and below `folder`, by the folder's path relative to it, each sorted.
pub fn lines_by_folder(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
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

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
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
            let relative = folder
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            let text = read(&path);
            assert!(
                text.ends_with('\n'),
                "{}: no line feed at the end",
                path.display()
            );
            found
                .entry(relative)
                .or_default()
                .extend(text[..text.len() - 1].split('\n').map(str::to_owned));
        }
    }
}

/// The text of a file, gunzipped if its name says so.
pub fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("a readable file");
    let mut text = String::new();
    if path.extension().is_some_and(|ending| ending == "gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .expect("gzip of UTF-8");
        return text;
    }
    String::from_utf8(bytes).expect("UTF-8")
}
