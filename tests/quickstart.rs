//! The quick start's configuration on the quick start's logs, with the binary of this build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/camonica.rs"]
mod camonica;
mod support;

use std::fs;

use camonica::{answer, camonica};
use support::parts::lines;
use support::project;

#[test]
fn the_quick_start_works_as_the_readme_says() {
    let project = project().canonicalize().unwrap();
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
    let quick_start = |command: &str| {
        let config = "fixtures/quickstart/config.yml";
        let resolver = "fixtures/quickstart/resolver.json";
        let mut process = camonica(&[command, "--config", config, "--resolver", resolver]);
        answer(process.current_dir(place.path()))
    };
    let (code, text, err) = quick_start("run");
    assert_eq!(code, 0, "{text}{err}");
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
    assert_eq!(quick_start("run").0, 3);
    assert_eq!(quick_start("resume").0, 3);
}
