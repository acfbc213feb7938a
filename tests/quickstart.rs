//! The quick start's configuration on the quick start's logs, with the binary of this build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the lints spare test functions, and not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Parts of all files below `folder` whose names begin with `part-`, as lines.
fn lines(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of an output") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            found.extend(lines(&path));
        } else if name.starts_with("part-") {
            found.extend(
                fs::read_to_string(&path)
                    .expect("text")
                    .lines()
                    .map(str::to_owned),
            );
        }
    }
    found
}

#[test]
fn the_quick_start_works_as_the_readme_says() {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(project.join("fixtures"), place.path().join("fixtures")).unwrap();
    let base = place.path().join("target/quickstart");
    fs::create_dir_all(base.join("collector")).unwrap();
    for entry in fs::read_dir(project.join("fixtures/quickstart/raw")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(
            &path,
            base.join("collector").join(path.file_name().unwrap()),
        )
        .unwrap();
    }
    let camonica = |command: &str| {
        Command::new(env!("CARGO_BIN_EXE_camonica"))
            .current_dir(place.path())
            .args([command, "--config", "fixtures/quickstart/config.yml"])
            .args(["--resolver", "fixtures/quickstart/resolver.json"])
            .output()
            .expect("the binary starts")
    };
    let output = camonica("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("Completed successfully"), "{text}");
    for place in [
        "raw/archive",
        "enriched/archive",
        "enriched/bad",
        "shredded/archive",
        "shredded/bad",
    ] {
        assert!(
            text.contains(&format!("target/quickstart/{place}/run=")),
            "{place} is not named in\n{text}"
        );
    }
    assert_eq!(lines(&base.join("enriched/archive")).len(), 266);
    assert_eq!(lines(&base.join("enriched/bad")).len(), 9);
    let shredded = base.join("shredded/archive");
    let run = fs::read_dir(&shredded)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(lines(&run.join("atomic-events")).len(), 266);
    assert!(lines(&run.join("shredded-types")).len() > 266);
    assert!(
        fs::read_dir(base.join("collector"))
            .unwrap()
            .next()
            .is_none(),
        "all logs were staged"
    );
    // nothing is left to do
    assert_eq!(camonica("run").status.code(), Some(3));
    assert_eq!(camonica("resume").status.code(), Some(3));
}
