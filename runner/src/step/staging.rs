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

/// The names that a file can have in the processing folder, the best one first.
fn staged_names(file: &Path, format: &str) -> impl Iterator<Item = PathBuf> {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
    let (parent, flat, instance) = if format == "clj-tomcat" {
        let flat = name.trim_start_matches('_').to_owned();
        let instance = folder.to_string_lossy().replace('/', "-");
        let named = (!instance.is_empty()).then(|| PathBuf::from(format!("{instance}-{flat}")));
        (PathBuf::new(), flat, named)
    } else {
        (folder, name, None)
    };
    // Two collectors may use one name: the second keeps its own by a number.
    let numbered = {
        let (parent, flat) = (parent.clone(), flat.clone());
        (2..).map(move |number: u64| parent.join(format!("{number}-{flat}")))
    };
    std::iter::once(parent.join(flat))
        .chain(instance)
        .chain(numbered)
}

/// Moves the logs.
///
/// # Errors
/// When a file cannot be moved; it then is still at its source.
pub fn run(context: &RunContext) -> Result<StepOutcome, String> {
    let processing = local(&context.config.raw.processing);
    fs::create_dir_all(&processing)
        .map_err(|error| format!("{}: {error}", processing.display()))?;
    transfer::remove_partial(&processing).map_err(|error| error.to_string())?;
    // What is there already, an earlier attempt of this run has staged: a run begins with an empty folder.
    let staged_before: HashSet<PathBuf> = transfer::files_below(&processing)
        .map_err(|error| error.to_string())?
        .into_iter()
        .collect();
    let mut taken = staged_before.clone();
    let mut moved = Moved::default();
    for input in &context.config.raw.inputs {
        let folder = local(input);
        for file in
            candidates(&folder, &context.config.format).map_err(|error| error.to_string())?
        {
            let source = folder.join(&file);
            let mut names = staged_names(&file, &context.config.format);
            let name = loop {
                let Some(name) = names.next() else {
                    return Err(format!("{}: no name is free for it", source.display()));
                };
                if !taken.contains(&name) {
                    break name;
                }
                // The copy of this very file, whose source the earlier attempt did not come to delete.
                if staged_before.contains(&name)
                    && transfer::is_cut_move(&source, &processing.join(&name))
                        .map_err(|error| error.to_string())?
                {
                    break name;
                }
            };
            moved.bytes += transfer::move_file(&source, &processing.join(&name))
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
        let names = |file: &str, format: &str| -> Vec<String> {
            staged_names(Path::new(file), format)
                .take(3)
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            names(
                "i-2/_var_log_tomcat8_rotated_localhost_access_log.txt1.gz",
                "clj-tomcat"
            ),
            [
                "var_log_tomcat8_rotated_localhost_access_log.txt1.gz",
                "i-2-var_log_tomcat8_rotated_localhost_access_log.txt1.gz",
                "2-var_log_tomcat8_rotated_localhost_access_log.txt1.gz"
            ]
        );
        assert_eq!(
            names("a/b.gz", "cloudfront"),
            ["a/b.gz", "a/2-b.gz", "a/3-b.gz"]
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
