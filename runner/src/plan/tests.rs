//! The table of steps, cell by cell, and the texts of the checks.

use super::*;

/// Values of `--resume-from` by column; `-` is none.
const COLUMNS: [&str; 11] = [
    "-B",
    "-S",
    "enrich",
    "shred",
    "elasticsearch",
    "archive_raw",
    "rdb_load",
    "analyze",
    "archive_enriched",
    "archive_shredded",
    "staging_stream_enrich",
];

/// Rows: a letter a column: `x` both modes, `B` batch only, `S` stream only, `.` not.
const TABLE: [(&str, &str); 12] = [
    ("staging", "B.........."),
    ("enrich", "B.B........"),
    ("staging_stream_enrich", ".S........S"),
    ("shred", "BSBx......S"),
    ("elasticsearch", "BSBxx.....S"),
    ("archive_raw", "B.BBBB....."),
    ("rdb_load", "BSBxxBx...S"),
    ("consistency_check", "BSBxxBx...S"),
    ("load_manifest_check", "BSBxxBx...S"),
    ("analyze", "BSBxxBxx..S"),
    ("archive_enriched", "BSBxxBxxx.S"),
    ("archive_shredded", "BSBxxBxxxxS"),
];

fn cell(step: &str, column: usize, mode: Mode) -> bool {
    let (_, row) = TABLE.iter().find(|(name, _)| *name == step).unwrap();
    match row.as_bytes()[column] {
        b'x' => true,
        b'B' => mode == Mode::Batch,
        b'S' => mode == Mode::Stream,
        _ => false,
    }
}

fn column(resume_from: Option<&str>, mode: Mode) -> usize {
    let name = match (resume_from, mode) {
        (Some(name), _) => name,
        (None, Mode::Batch) => "-B",
        (None, Mode::Stream) => "-S",
    };
    COLUMNS.iter().position(|column| *column == name).unwrap()
}

fn options(resume_from: Option<&str>, skip: &[&str]) -> Options {
    Options {
        resume_from: resume_from.map(str::to_owned),
        skip: skip.iter().map(|name| (*name).to_owned()).collect(),
        include: Vec::new(),
    }
}

fn facts(mode: Mode) -> Facts<'static> {
    Facts {
        mode,
        ..Facts::default()
    }
}

/// Every column, every mode, every set of skipped steps up to all twelve.
#[test]
fn the_table_in_all_combinations() {
    let mut count = 0;
    for mode in [Mode::Batch, Mode::Stream] {
        for resume_from in std::iter::once(None).chain(RESUMABLE.map(Some)) {
            let other = match mode {
                Mode::Batch => &["staging_stream_enrich"][..],
                Mode::Stream => &["enrich", "archive_raw"],
            };
            if resume_from.is_some_and(|name| other.contains(&name)) {
                // refused
                let refused = check(&options(resume_from, &[]), &facts(mode));
                assert!(refused.is_err(), "{mode:?} {resume_from:?}");
                continue;
            }
            let column = column(resume_from, mode);
            for bits in 0..1_u32 << SKIPPABLE.len() {
                let skip: Vec<&str> = SKIPPABLE
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| bits & (1 << index) != 0)
                    .map(|(_, name)| *name)
                    .collect();
                let plan = select(&options(resume_from, &skip), &facts(mode));
                let expected: Vec<StepName> = StepName::ALL
                    .into_iter()
                    .filter(|step| cell(step.name(), column, mode) && !skip.contains(&step.name()))
                    .collect();
                assert_eq!(plan.steps, expected, "{mode:?} {resume_from:?} {skip:?}");
                for (phase, _) in PHASES {
                    let is_off = !cell(phase, column, mode) || skip.contains(&phase);
                    // a run without loader has no list
                    if plan.runs(StepName::RdbLoad) {
                        assert_eq!(
                            plan.loader_skip.contains(&phase),
                            is_off,
                            "{phase} {skip:?}"
                        );
                    }
                }
                let makes_enriched = expected.contains(&StepName::Enrich)
                    || expected.contains(&StepName::StagingStreamEnrich);
                let archive = |step, made| match (expected.contains(&step), made) {
                    (false, _) => ArchiveMode::Skip,
                    (true, true) => ArchiveMode::Pipeline,
                    (true, false) => ArchiveMode::Recover,
                };
                assert_eq!(
                    plan.archive_enriched(),
                    archive(StepName::ArchiveEnriched, makes_enriched)
                );
                assert_eq!(
                    plan.archive_shredded(),
                    archive(
                        StepName::ArchiveShredded,
                        expected.contains(&StepName::Shred)
                    )
                );
                count += 1;
            }
        }
    }
    assert_eq!(count, (9 + 8) * 4096);
}

#[test]
fn the_loader_is_told_what_to_leave_out() {
    let list = |skip: &[&str], mode, loader| {
        let facts = Facts {
            rdb_loader: Some(loader),
            ..facts(mode)
        };
        select(&options(None, skip), &facts).loader_skip
    };
    assert!(list(&[], Mode::Batch, "0.16.0").is_empty());
    assert_eq!(
        list(
            &["load_manifest_check", "analyze", "consistency_check"],
            Mode::Batch,
            "0.14.0"
        ),
        ["analyze", "consistency_check", "load_manifest_check"]
    );
    assert!(list(&[], Mode::Stream, "0.15.0-rc4").is_empty());
    assert_eq!(list(&[], Mode::Stream, "0.15.0-rc5"), ["load_manifest"]);
    assert_eq!(
        list(&["analyze"], Mode::Stream, "0.15.0"),
        ["analyze", "load_manifest"]
    );
    let vacuum = Options {
        include: vec!["vacuum".into()],
        ..Options::default()
    };
    assert_eq!(
        select(&vacuum, &facts(Mode::Batch)).loader_include,
        ["vacuum"]
    );
}

#[test]
fn options_are_checked_in_the_order_of_the_reference() {
    use Mode::{Batch, Stream};
    let all_resumable = "enrich, shred, elasticsearch, archive_raw, rdb_load, analyze, archive_enriched, archive_shredded, staging_stream_enrich";
    let all_skippable = "staging, enrich, shred, elasticsearch, archive_raw, rdb_load, consistency_check, analyze, load_manifest_check, archive_enriched, archive_shredded, staging_stream_enrich";
    let no_skip = "cannot skip staging nor enrich in stream enrich mode. Either skip staging_stream_enrich or resume from shred";
    for (mode, resume_from, skip, expected) in [
        (Batch, Some("staging"), &["nothing"][..], format!("Invalid option: resume-from can be {all_resumable} not 'staging'")),
        (Batch, Some("enrich"), &["stage"], format!("Invalid option: skip can be {all_skippable} not 'stage'")),
        (Batch, Some("enrich"), &["shred"], "resume-from and skip are mutually exclusive".into()),
        (Batch, Some("staging_stream_enrich"), &[], "staging_stream_enrich is invalid step to resume from without aws.s3.buckets.enriched.stream settings".into()),
        (Stream, Some("enrich"), &[], "cannot resume from enrich in stream enrich mode".into()),
        (Stream, None, &["staging"], no_skip.into()),
        (Stream, None, &["enrich", "archive_raw"], no_skip.into()),
        (Stream, None, &["archive_raw"], "cannot skip nor resume from archive_raw in stream enrich mode".into()),
        (Stream, Some("archive_raw"), &[], "cannot skip nor resume from archive_raw in stream enrich mode".into()),
        (Batch, Some("analyze"), &[], "cannot resume from analyze: loading is not available yet. Resume from archive_enriched to archive what was loaded".into()),
    ] {
        let failure = plan(&options(resume_from, skip), &facts(mode)).unwrap_err();
        assert_eq!(failure.to_string(), expected);
        assert_eq!((failure.exit_code(), failure.is_on_stdout()), (1, false));
    }
    let include = Options {
        include: vec!["cleanup".into()],
        ..Options::default()
    };
    let failure = plan(&include, &facts(Batch)).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Invalid option: include can be vacuum not 'cleanup'"
    );
    let thrift = Facts {
        format: "thrift",
        ami_version: Some("2.4.5"),
        ..facts(Batch)
    };
    let failure = plan(&Options::default(), &thrift).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Cannot process Thrift events with AMI version 2.x.x"
    );
    let versions = Facts {
        needs_versions: true,
        ..facts(Batch)
    };
    let failure = plan(&Options::default(), &versions).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Cannot add enrich step as spark_enrich version is not configured"
    );
    plan(&options(Some("shred"), &[]), &versions).unwrap();
    // a step that is not there anyhow can be skipped
    plan(&options(None, &["staging_stream_enrich"]), &facts(Batch)).unwrap();
}

#[test]
fn an_operator_who_chooses_the_start_takes_over() {
    assert!(!options(None, &["rdb_load", "elasticsearch"]).takes_over());
    assert!(options(None, &["staging"]).takes_over());
    assert!(options(Some("shred"), &[]).takes_over());
}
