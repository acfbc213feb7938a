//! Counts what passed against the reference's cases, by area, so that parity is a number.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Passed, run and left out cases by area.
#[derive(Debug, Default)]
pub struct Parity {
    areas: BTreeMap<String, (u64, u64)>,
    left_out: BTreeMap<String, Vec<String>>,
    failures: Vec<String>,
}

impl Parity {
    /// Notes the outcome of a case.
    pub fn case(&mut self, area: &str, name: &str, outcome: Result<(), String>) {
        let (passed, run) = self.areas.entry(area.to_owned()).or_default();
        *run += 1;
        match outcome {
            Ok(()) => *passed += 1,
            Err(difference) => self.failures.push(format!("{area}: {name}: {difference}")),
        }
    }

    /// Notes a case that was not run, and why.
    pub fn left_out(&mut self, reason: &str, name: &str) {
        self.left_out
            .entry(reason.to_owned())
            .or_default()
            .push(name.to_owned());
    }

    /// Prints the table and fails the test if a case that was run did not pass.
    pub fn finish(self, title: &str) {
        let mut total = (0, 0);
        for (area, (passed, run)) in &self.areas {
            println!("PARITY {title} {area}: {passed} of {run} cases pass");
            total = (total.0 + passed, total.1 + run);
        }
        for (reason, names) in &self.left_out {
            println!(
                "PARITY {title} not run, {reason}: {} ({})",
                names.len(),
                names.join(", ")
            );
        }
        println!(
            "PARITY {title} total: {} of {} cases pass",
            total.0, total.1
        );
        assert!(total.1 > 0, "{title}: no case was run");
        assert!(
            self.failures.is_empty(),
            "{title}:\n{}",
            self.failures.join("\n")
        );
    }
}

/// All JSON files below `folder`, with their paths relative to it, sorted.
pub fn cases(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable file");
            let name = path
                .strip_prefix(folder)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

/// The texts of a JSON array.
pub fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|items| {
            items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default()
}
