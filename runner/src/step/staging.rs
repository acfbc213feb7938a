//! Staging: takes the logs that are there from the collectors' folders to the processing folder.
//!
//! For the Clojure collector the folders of instances are flattened and leading underscores cut, since the reference's
//! readers skip such names; where two instances have a file of one name, the instance becomes part of it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{RunContext, StepOutcome, local};
use crate::transfer::{self, Moved};

/// Files of one collector folder that a run takes, relative to it.
///
/// # Errors
/// When the folder cannot be read.
pub fn candidates(folder: &Path, format: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = transfer::files_below(folder)?;
    files.retain(|file| is_taken(file, format));
    Ok(files)
}

/// Whether the source pattern of a format takes a file: anything, but for the Clojure collector only access logs.
fn is_taken(file: &Path, format: &str) -> bool {
    let text = file.to_string_lossy();
    if text.ends_with("_$folder$") {
        return false;
    }
    if format != "clj-tomcat" {
        return true;
    }
    text.find("localhost_access_log")
        .is_some_and(|start| text[start..].contains(".txt"))
}

/// The name that a file gets in the processing folder.
fn staged_name(file: &Path, format: &str, taken: &HashSet<PathBuf>) -> PathBuf {
    if format != "clj-tomcat" {
        return file.to_path_buf();
    }
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let flat = PathBuf::from(name.trim_start_matches('_'));
    if !taken.contains(&flat) {
        return flat;
    }
    let instance = file
        .parent()
        .map(|parent| parent.to_string_lossy().replace('/', "-"))
        .unwrap_or_default();
    PathBuf::from(format!("{instance}-{}", flat.display()))
}

/// Moves the logs.
///
/// # Errors
/// When a file cannot be moved; it then is still at its source.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let processing = local(&context.config.raw.processing);
    fs::create_dir_all(&processing)
        .map_err(|error| format!("{}: {error}", processing.display()))?;
    let mut taken: HashSet<PathBuf> = transfer::files_below(&processing)
        .map_err(|error| error.to_string())?
        .into_iter()
        .collect();
    let mut moved = Moved::default();
    for input in &context.config.raw.inputs {
        let folder = local(input);
        for file in
            candidates(&folder, &context.config.format).map_err(|error| error.to_string())?
        {
            let mut name = staged_name(&file, &context.config.format, &taken);
            // Two collectors may use one name: the second keeps its own by a number.
            let mut number = 1;
            while taken.contains(&name) {
                number += 1;
                let plain = staged_name(&file, &context.config.format, &HashSet::new());
                let parent = plain.parent().unwrap_or(Path::new("")).to_path_buf();
                let last = plain
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                name = parent.join(format!("{number}-{last}"));
            }
            moved.bytes += transfer::move_file(&folder.join(&file), &processing.join(&name))
                .map_err(|error| error.to_string())?;
            moved.files += 1;
            taken.insert(name);
        }
    }
    Ok(StepOutcome {
        summary: format!(
            "{} files, {} bytes -> {}",
            moved.files,
            moved.bytes,
            processing.display()
        ),
        report: serde_json::json!(moved),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tomcat_logs_are_flattened_and_never_collide() {
        let mut taken = HashSet::new();
        let first = Path::new("i-1/_var_log_tomcat8_rotated_localhost_access_log.txt1.gz");
        let name = staged_name(first, "clj-tomcat", &taken);
        assert_eq!(
            name,
            Path::new("var_log_tomcat8_rotated_localhost_access_log.txt1.gz")
        );
        taken.insert(name);
        let second = Path::new("i-2/_var_log_tomcat8_rotated_localhost_access_log.txt1.gz");
        assert_eq!(
            staged_name(second, "clj-tomcat", &taken),
            Path::new("i-2-var_log_tomcat8_rotated_localhost_access_log.txt1.gz")
        );
        assert_eq!(
            staged_name(Path::new("a/b.gz"), "cloudfront", &taken),
            Path::new("a/b.gz")
        );
    }

    #[test]
    fn only_access_logs_of_tomcat_are_taken() {
        assert!(is_taken(
            Path::new("i/_localhost_access_log.txt15.gz"),
            "clj-tomcat"
        ));
        assert!(!is_taken(Path::new("i/catalina.out"), "clj-tomcat"));
        assert!(!is_taken(
            Path::new("i/x.txt/localhost_access_log"),
            "clj-tomcat"
        ));
        assert!(is_taken(Path::new("anything"), "cloudfront"));
        assert!(!is_taken(Path::new("day_$folder$"), "cloudfront"));
    }
}
