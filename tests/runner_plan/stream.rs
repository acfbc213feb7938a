//! Stream Enrich mode: whole runs, starts in the middle, objects that are too young.

use super::*;

#[test]
fn stream_enrich_mode_from_the_loader_to_the_archive() {
    let (made, lines) = enriched(60_000);
    let half = lines.iter().position(|b| *b == b'\n').unwrap() + 1;
    let pipeline = Pipeline::stream();
    pipeline.write("loader/2018-07-24-1-2.gz", gzip(&lines[..half]));
    pipeline.write("loader/deep/down/2018-07-24-3-4.gz", gzip(&lines[half..]));
    pipeline.write("loader/raw.lzo", b"not ours");
    let plan = pipeline.good("plan", &[]);
    assert!(
        plan.starts_with("mode    stream enrich\ntarget  local\n"),
        "{plan}"
    );
    assert!(
        plan.lines()
            .any(|line| line.starts_with("staging_stream_enrich           2 ")),
        "{plan}"
    );
    let out = pipeline.good("run", &["--run-id", RUN]);
    assert!(out.contains(" INFO -- : ignored in Stream Enrich mode: aws.s3.buckets.raw, aws.s3.buckets.enriched.bad, collectors"), "{out}");
    assert_eq!(pipeline.files("loader"), ["raw.lzo".to_owned()].into());
    let archived = pipeline.files("archive/enriched");
    let at = |name: &str| format!("run={RUN}/{name}");
    assert_eq!(
        archived,
        [at("2018-07-24-1-2.gz"), at("deep/down/2018-07-24-3-4.gz")].into()
    );
    let atomic = format!("archive/shredded/run={RUN}/atomic-events");
    assert_eq!(pipeline.lines(&atomic) as u64, made.events);
    assert_eq!(pipeline.files("enriched/good"), BTreeSet::new());
    assert_eq!(pipeline.answer("run", &[]).0, 3);
}

#[test]
fn stream_enrich_mode_from_the_middle() {
    let (made, lines) = enriched(40_000);
    // staged by a run that died, and not shredded
    let pipeline = Pipeline::stream();
    pipeline.write("enriched/good/run=2018-07-23-00-00-00/a.gz", gzip(&lines));
    pipeline.write("loader/next.gz", gzip(&lines));
    pipeline.good("run", &["--resume-from", "shred", "--run-id", RUN]);
    let atomic = format!("archive/shredded/run={RUN}/atomic-events");
    assert_eq!(pipeline.lines(&atomic) as u64, made.events);
    assert_eq!(
        pipeline.files("archive/enriched"),
        ["run=2018-07-23-00-00-00/a.gz".to_owned()].into()
    );
    assert!(pipeline.path("loader/next.gz").exists());
    // from staging on is a whole run
    pipeline.good(
        "run",
        &[
            "--resume-from",
            "staging_stream_enrich",
            "--run-id",
            "2018-07-25",
        ],
    );
    assert!(
        pipeline
            .path("archive/enriched/run=2018-07-25/next.gz")
            .exists()
    );
}

/// The pattern is `.*.gz`, whose second dot is any character: what it takes is seen, staged and shredded alike.
#[test]
fn every_name_that_the_pattern_takes_is_shredded() {
    let (made, lines) = enriched(20_000);
    let pipeline = Pipeline::stream();
    pipeline.write("loader/2018-07-24-1-2-gz", &lines);
    pipeline.write("loader/raw.lzo", b"not ours");
    pipeline.good("run", &["--run-id", RUN]);
    let atomic = format!("archive/shredded/run={RUN}/atomic-events");
    assert_eq!(pipeline.lines(&atomic) as u64, made.events);
    assert_eq!(pipeline.files("loader"), ["raw.lzo".to_owned()].into());
}

#[test]
fn enrichments_are_named_among_what_is_ignored() {
    let (_, lines) = enriched(20_000);
    let pipeline = Pipeline::stream();
    pipeline.write("loader/a.gz", gzip(&lines));
    fs::create_dir(pipeline.path("enrichments")).unwrap();
    let out = pipeline.good("run", &["-n", &pipeline.text("enrichments")]);
    assert!(
        out.contains("aws.s3.buckets.enriched.bad, collectors, --enrichments\n"),
        "{out}"
    );
}

/// The reference's copy to HDFS takes `.*part-.*`.
#[test]
fn only_part_files_of_a_run_folder_are_shredded() {
    let (made, lines) = enriched(20_000);
    let pipeline = Pipeline::batch();
    let folder = "enriched/good/run=2018-07-23-00-00-00";
    pipeline.write(&format!("{folder}/part-00000"), &lines);
    pipeline.write(&format!("{folder}/notes.txt"), b"by hand\n");
    pipeline.write(&format!("{folder}/_SUCCESS"), b"");
    pipeline.good("run", &["--resume-from", "shred", "--run-id", RUN]);
    let atomic = format!("archive/shredded/run={RUN}/atomic-events");
    assert_eq!(pipeline.lines(&atomic) as u64, made.events);
    assert_eq!(pipeline.lines(&format!("shredded/bad/run={RUN}")), 0);
    assert!(
        pipeline
            .path("archive/enriched/run=2018-07-23-00-00-00/notes.txt")
            .exists()
    );

    let pipeline = Pipeline::batch();
    pipeline.write(&format!("{folder}/events.tsv"), &lines);
    let (code, _, err) = pipeline.answer("run", &["--resume-from", "shred"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("events.tsv: name it so, or move it elsewhere"),
        "{err}"
    );
    assert!(pipeline.path(&format!("{folder}/events.tsv")).exists());
    // nothing but a marker: all events were bad
    let pipeline = Pipeline::batch();
    pipeline.write(&format!("{folder}/_SUCCESS"), b"");
    pipeline.good("run", &["--resume-from", "shred"]);
}

#[test]
fn objects_that_are_too_young_wait() {
    let (_, lines) = enriched(20_000);
    let pipeline = Pipeline::stream();
    let config = fs::read_to_string(pipeline.path("config.yml")).unwrap();
    let config = config.replace("{workers: 1}", "{workers: 1, min_age: 1h}");
    fs::write(pipeline.path("config.yml"), config).unwrap();
    pipeline.write("loader/a.gz", gzip(&lines));
    let (code, out, _) = pipeline.answer("plan", &[]);
    assert_eq!(code, 3);
    assert!(
        out.contains("leaves  1 objects that are younger than camonica.min_age"),
        "{out}"
    );
    assert_eq!(pipeline.answer("run", &[]).0, 3);
    let old = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::options()
        .write(true)
        .open(pipeline.path("loader/a.gz"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    pipeline.write("loader/b.gz", gzip(&lines));
    pipeline.good("run", &["--run-id", RUN]);
    assert_eq!(pipeline.files("loader"), ["b.gz".to_owned()].into());
}
