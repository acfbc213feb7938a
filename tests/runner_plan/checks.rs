//! The emptiness checks of both modes, with their texts and exit codes.

use super::*;

#[test]
fn emptiness_checks_of_batch_mode() {
    let no_logs = "No logs to process: No Snowplow logs to process since last run";
    let ongoing = |what: &str, folder: &str| {
        format!(
            "There seems to be an ongoing run of EmrEtlRunner: Cannot safely add {what} step to jobflow, BASE/{folder}/ is not empty"
        )
    };
    let none = |folder: &str| format!("No run folders in [BASE/{folder}/] found");
    let cases: [(&[&str], &[&str], i32, String); 16] = [
        (&[], &[], 3, no_logs.into()),
        // folders, and their markers, are no logs
        (
            &["in/x_$folder$", "in2/day/y_$folder$"],
            &[],
            3,
            no_logs.into(),
        ),
        (
            &["in2/deep/down/log"],
            &["--run-id", "x"],
            1,
            "--run-id x: expected digits and dashes, at most 32, such as 2018-07-24-10-15-30"
                .into(),
        ),
        (
            &["in/log", "processing/log"],
            &[],
            4,
            ongoing("staging", "processing"),
        ),
        (
            &["in/log", "processing/a/b/c_$folder$"],
            &["--run-id", "x"],
            1,
            "--run-id x: expected digits and dashes, at most 32, such as 2018-07-24-10-15-30"
                .into(),
        ),
        // begins alike, and is another folder
        (&["processing2/log"], &[], 3, no_logs.into()),
        (
            &[],
            &["--resume-from", "enrich"],
            3,
            "No logs to process: No Snowplow logs in BASE/processing/, can't resume from enrich"
                .into(),
        ),
        (
            &["in/log", "enriched/good/x"],
            &[],
            4,
            ongoing("enrichment", "enriched/good"),
        ),
        (
            &["processing/log", "enriched/good/x"],
            &["--skip", "staging"],
            4,
            ongoing("enrichment", "enriched/good"),
        ),
        (
            &["in/log", "shredded/good/x"],
            &[],
            4,
            ongoing("shredding", "shredded/good"),
        ),
        // the order of the checks: what is not empty comes before what is not there
        (
            &["processing/log", "shredded/good/x"],
            &[],
            4,
            ongoing("staging", "processing"),
        ),
        (
            &["shredded/good/x"],
            &["--resume-from", "shred"],
            4,
            ongoing("shredding", "shredded/good"),
        ),
        (
            &["enriched/good/x"],
            &["--resume-from", "shred"],
            1,
            none("enriched/good"),
        ),
        (
            &["enriched/good/run=abc/x"],
            &["--resume-from", "elasticsearch"],
            1,
            none("enriched/good"),
        ),
        (
            &["enriched/good/run=2018-01/x"],
            &["--resume-from", "rdb_load"],
            1,
            none("shredded/good"),
        ),
        (
            &[],
            &["--resume-from", "archive_shredded"],
            1,
            none("shredded/good"),
        ),
    ];
    for (files, options, expected, text) in cases {
        let pipeline = Pipeline::batch();
        for file in files {
            pipeline.write(file, b"x\n");
        }
        let lock = pipeline.text("lock");
        for command in ["plan", "run"] {
            let mut options = options.to_vec();
            if command == "plan" && options.contains(&"--run-id") {
                continue;
            }
            options.extend(["--lock", &lock]);
            let (code, out, err) = pipeline.answer(command, &options);
            let text = text.replace("BASE", pipeline.folder.path().to_str().unwrap());
            // no-op results are said on standard output, mistakes on standard error
            let (told, other) = if expected == 1 {
                (&err, &out)
            } else {
                (&out, &err)
            };
            assert_eq!(
                code, expected,
                "{command} {files:?} {options:?}: {out}{err}"
            );
            assert!(told.lines().any(|line| line == text), "{text}\n{told}");
            assert!(!other.contains(&text), "{other}");
            assert!(!pipeline.path("lock").exists(), "nothing was begun");
        }
        let found = pipeline.files("");
        for file in files {
            assert!(found.contains(*file), "{file} was touched");
        }
    }
}

#[test]
fn emptiness_checks_of_stream_enrich_mode() {
    let no_logs = "No logs to process: No Snowplow enriched stream logs to process since last run";
    let ongoing = |what: &str, folder: &str| {
        format!(
            "There seems to be an ongoing run of EmrEtlRunner: Cannot safely add {what} step to jobflow, BASE/{folder}/ is not empty"
        )
    };
    let cases: [(&[&str], &[&str], i32, String); 5] = [
        (
            &["in/log", "loader/a.lzo", "loader/a.lzo.index"],
            &[],
            3,
            no_logs.into(),
        ),
        (
            &["loader/a.gz", "enriched/good/run=2018-01/x.gz"],
            &[],
            4,
            ongoing("stream staging", "enriched/good"),
        ),
        (
            &["loader/a.gz", "shredded/good/run=2018-01/x"],
            &[],
            4,
            ongoing("shredding", "shredded/good"),
        ),
        // the folders of batch mode do not matter
        (
            &["processing/log", "enriched/bad/x"],
            &[],
            3,
            no_logs.into(),
        ),
        (
            &["loader/a.gz"],
            &["--skip", "staging_stream_enrich"],
            1,
            "No run folders in [BASE/enriched/good/] found".into(),
        ),
    ];
    for (files, options, expected, text) in cases {
        let pipeline = Pipeline::stream();
        for file in files {
            pipeline.write(file, b"x\n");
        }
        let (code, out, err) = pipeline.answer("run", options);
        let text = text.replace("BASE", pipeline.folder.path().to_str().unwrap());
        assert_eq!(code, expected, "{files:?}: {out}{err}");
        let told = if expected == 1 { &err } else { &out };
        assert!(told.lines().any(|line| line == text), "{text}\n{told}");
        for file in files {
            assert!(pipeline.path(file).exists(), "{file} was touched");
        }
    }
}
