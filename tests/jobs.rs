//! Whole jobs on made-up corpora: the sums close, and the output does not depend on how the work was done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfigs;
use engine::job::{EnrichJob, EtlJob, JobOptions, JobReport, ShredJob};
use engine::output::Compression;
use engine::shred::Validation;
use fixtures::{Corpus, Format, Made, Mix};
use support::parts;

fn corpus(format: Format, bytes: u64, folder: &Path) -> Made {
    Corpus {
        seed: 11,
        format,
        bytes,
        files: 3,
        gzip: format != Format::Thrift,
        mix: Mix {
            malformed: 0.02,
            ..Mix::default()
        },
    }
    .write(folder)
    .expect("a corpus")
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn options(workers: usize) -> JobOptions {
    JobOptions {
        workers,
        run_id: Some("2018-07-24-00-00-00".into()),
        failure_tstamp_ms: Some(0),
        ..JobOptions::default()
    }
}

fn enrich(folder: &Path, format: &str, output: &str, options: JobOptions) -> JobReport {
    EnrichJob {
        input: text(&folder.join("raw")),
        format: format.into(),
        output: text(&folder.join(output).join("good")),
        bad: text(&folder.join(output).join("bad")),
        errors: None,
        pii: None,
        enrichments: EnrichmentConfigs::default(),
        environment: Environment::default(),
        resolver: support::fixtures_resolver(),
        etl_tstamp_ms: 1_532_476_800_000,
        v_etl: None,
        options,
    }
    .run()
    .expect("enrich")
}

fn shred(folder: &Path, input: &str, output: &str, options: JobOptions) -> JobReport {
    ShredJob {
        input: text(&folder.join(input)),
        output: text(&folder.join(output).join("good")),
        bad: text(&folder.join(output).join("bad")),
        resolver: support::fixtures_resolver(),
        options,
    }
    .run()
    .expect("shred")
}

fn all_lines(folder: &Path) -> BTreeMap<String, Vec<String>> {
    parts::lines_by_folder(folder)
}

/// Invariants 1 and 2 for enrich.
#[test]
fn enrich_counts_every_record_and_does_not_depend_on_workers() {
    for (format, name) in [
        (Format::Cloudfront, "cloudfront"),
        (Format::CljTomcat, "clj-tomcat"),
        (Format::Thrift, "thrift"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let made = corpus(format, 2_000_000, &folder.path().join("raw"));
        let one = enrich(folder.path(), name, "one", options(1));
        let four = enrich(folder.path(), name, "four", options(4));
        let counts = one.enrich.clone().unwrap();
        assert_eq!(Some(&counts), four.enrich.as_ref());
        let headers = if format == Format::Cloudfront { 6 } else { 0 };
        assert_eq!(counts.records, made.records + headers, "{name}");
        assert_eq!(counts.ignored_total(), headers, "{name}");
        assert_eq!(
            (counts.good, counts.bad_rows()),
            (made.events, made.malformed),
            "{name}"
        );
        assert!(
            made.malformed >= 10 && made.events > 500,
            "{name}: {made:?}"
        );
        let lines = all_lines(&folder.path().join("one"));
        assert_eq!(lines, all_lines(&folder.path().join("four")), "{name}");
        assert_eq!(lines["good"].len() as u64, made.events);
        assert_eq!(lines["bad"].len() as u64, made.malformed);
        manifest_agrees(&folder.path().join("one/good"), &one);
    }
}

fn manifest_agrees(folder: &Path, report: &JobReport) {
    let text = fs::read_to_string(folder.join("_SUCCESS.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows: u64 = manifest["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["rows"].as_u64().unwrap())
        .sum();
    assert_eq!(
        rows,
        report.outputs.iter().map(|output| output.rows).sum::<u64>()
    );
    assert_eq!(
        manifest["inputs"].as_array().unwrap().len() as u64,
        report.input_objects
    );
    for file in manifest["outputs"].as_array().unwrap() {
        if file["root"] == "good" {
            let path = folder.join(file["path"].as_str().unwrap());
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                file["bytes"].as_u64().unwrap(),
                "{}",
                path.display()
            );
        }
    }
}

/// Invariants 1 and 2 for shred.
#[test]
fn shred_counts_every_line_and_does_not_depend_on_workers_order_or_compression() {
    let folder = tempfile::tempdir().unwrap();
    let made = corpus(Format::Enriched, 6_000_000, &folder.path().join("enriched"));
    let one = shred(folder.path(), "enriched", "one", options(1));
    let gzip = JobOptions {
        compression: Compression::Gzip(6),
        target_size: 100_000,
        ..options(4)
    };
    let four = shred(folder.path(), "enriched", "four", gzip);
    let counts = one.shred.clone().unwrap();
    assert_eq!(Some(&counts), four.shred.as_ref());
    assert_eq!(counts.lines, made.records);
    assert_eq!(counts.bad, made.malformed);
    assert_eq!(counts.natural_duplicates, made.copies);
    assert_eq!(counts.synthetic_duplicates, made.colliding);
    assert!(
        made.copies > 10 && made.colliding > 10 && made.malformed > 10,
        "{made:?}"
    );
    assert_eq!(counts.good, made.records - made.malformed - made.copies);
    let lines = all_lines(&folder.path().join("one"));
    assert_eq!(lines, all_lines(&folder.path().join("four")));
    assert_eq!(lines["good/atomic-events"].len() as u64, counts.good);
    let types = lines
        .keys()
        .filter(|name| name.contains("shredded-types"))
        .count();
    assert_eq!(
        types,
        8,
        "seven types of the shop and the duplicate context: {:?}",
        lines.keys()
    );
    manifest_agrees(&folder.path().join("one/good"), &one);

    // The same files in the opposite order, and one more worker.
    fs::create_dir(folder.path().join("again")).unwrap();
    for (index, file) in made.files.iter().enumerate() {
        let name = format!("{}.tsv.gz", made.files.len() - index);
        fs::copy(file, folder.path().join("again").join(name)).unwrap();
    }
    shred(folder.path(), "again", "five", options(5));
    assert_eq!(lines, all_lines(&folder.path().join("five")));
}

/// `etl` is enrich and then shred, without a scan.
#[test]
fn etl_equals_enrich_and_shred() {
    let folder = tempfile::tempdir().unwrap();
    corpus(Format::CljTomcat, 1_500_000, &folder.path().join("raw"));
    enrich(folder.path(), "clj-tomcat", "enriched", options(2));
    shred(folder.path(), "enriched/good", "shredded", options(2));
    let path = |name: &str| text(&folder.path().join(name));
    let report = EtlJob {
        input: path("raw"),
        format: "clj-tomcat".into(),
        enriched: path("etl/enriched/good"),
        enriched_bad: path("etl/enriched/bad"),
        errors: None,
        shredded: path("etl/shredded/good"),
        shredded_bad: path("etl/shredded/bad"),
        pii: None,
        enrichments: EnrichmentConfigs::default(),
        environment: Environment::default(),
        resolver: support::fixtures_resolver(),
        etl_tstamp_ms: 1_532_476_800_000,
        v_etl: None,
        options: options(2),
    }
    .run()
    .expect("etl");
    assert_eq!(
        report.enrich.as_ref().unwrap().good,
        report.shred.as_ref().unwrap().lines
    );
    assert_eq!(
        all_lines(&folder.path().join("enriched")),
        all_lines(&folder.path().join("etl/enriched"))
    );
    assert_eq!(
        all_lines(&folder.path().join("shredded")),
        all_lines(&folder.path().join("etl/shredded"))
    );
}

/// Empty inputs are a success with empty outputs.
#[test]
fn an_empty_input_is_a_success() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("raw")).unwrap();
    let report = enrich(folder.path(), "cloudfront", "out", options(2));
    assert_eq!(report.enrich.unwrap().records, 0);
    let report = shred(folder.path(), "out/good", "shredded", options(2));
    assert_eq!(report.shred.unwrap().lines, 0);
    for marker in [
        "out/good/_SUCCESS",
        "out/bad/_SUCCESS",
        "shredded/good/atomic-events/_SUCCESS",
        "shredded/bad/_SUCCESS",
    ] {
        assert!(folder.path().join(marker).is_file(), "{marker}");
    }
}

/// An exception that the reference does not expect costs the whole record; with an errors folder its row goes there.
#[test]
fn unexpected_errors_go_to_their_own_folder_where_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let line = |query: &str| {
        format!(
            "2014-10-09\t16:28:31\tMXP50\t13\t10.0.0.1\tGET\thost\t/i\t200\t-\tagent\te=pv&p=web&cv=1{query}\t-\tHit\tid==\n"
        )
    };
    fs::create_dir(folder.path().join("raw")).unwrap();
    // the value of a cross-domain parameter that is a dot alone makes the reference throw
    let text = line("") + &line("&url=http%3A%2F%2Fa.example%2F%3F_sp%3D.") + &line("&vid=x");
    fs::write(folder.path().join("raw/log"), text).unwrap();
    let job = |name: &str, errors: bool| EnrichJob {
        input: self::text(&folder.path().join("raw")),
        format: "cloudfront".into(),
        output: self::text(&folder.path().join(name).join("good")),
        bad: self::text(&folder.path().join(name).join("bad")),
        errors: errors.then(|| self::text(&folder.path().join(name).join("errors"))),
        pii: None,
        enrichments: EnrichmentConfigs::default(),
        environment: Environment::default(),
        resolver: support::fixtures_resolver(),
        etl_tstamp_ms: 0,
        v_etl: None,
        options: options(1),
    };
    let counts = job("apart", true).run().unwrap().enrich.unwrap();
    assert_eq!((counts.good, counts.bad, counts.failed_whole), (1, 1, 1));
    let lines = all_lines(&folder.path().join("apart"));
    let prefix = "\"message\":\"Unexpected error processing events: ";
    assert_eq!(
        (
            lines["good"].len(),
            lines["bad"].len(),
            lines["errors"].len()
        ),
        (1, 1, 1)
    );
    assert!(
        lines["errors"][0].contains(prefix),
        "{}",
        lines["errors"][0]
    );
    assert!(!lines["bad"][0].contains(prefix), "{}", lines["bad"][0]);
    assert!(folder.path().join("apart/errors/_SUCCESS").is_file());

    job("together", false).run().unwrap();
    let lines = all_lines(&folder.path().join("together"));
    assert_eq!(
        lines["bad"]
            .iter()
            .filter(|row| row.contains(prefix))
            .count(),
        1
    );
    assert_eq!(lines["bad"].len(), 2);
}

/// Taking the word of the enricher saves the look-ups of schemas and changes nothing else; derived contexts, which it does
/// not validate, are validated all the same.
#[test]
fn trusted_input_gives_the_same_rows_without_looking_schemas_up() {
    let folder = tempfile::tempdir().unwrap();
    corpus(Format::Enriched, 1_500_000, &folder.path().join("enriched"));
    shred(folder.path(), "enriched", "full", options(2));
    let trusted = |name: &str, resolver: String| {
        let mut options = options(2);
        options.shred.validation = Validation::Trusted;
        ShredJob {
            input: text(&folder.path().join("enriched")),
            output: text(&folder.path().join(name).join("good")),
            bad: text(&folder.path().join(name).join("bad")),
            resolver,
            options,
        }
        .run()
        .expect("shred")
        .shred
        .expect("counts")
    };
    trusted("trusted", support::fixtures_resolver());
    assert_eq!(
        all_lines(&folder.path().join("full")),
        all_lines(&folder.path().join("trusted"))
    );

    // without the shop's schemas only the derived contexts fail
    let nowhere = support::fixtures_resolver().replace("fixtures/registry", "fixtures/quickstart");
    let counts = trusted("nowhere", nowhere);
    assert_eq!((counts.good, counts.bad), (0, counts.lines));
    let bad = &all_lines(&folder.path().join("nowhere"))["bad"];
    let missing = |schema: &str| {
        bad.iter()
            .filter(|row| row.contains(&format!("key iglu:com.camonica.shop/{schema}/")))
            .count()
    };
    assert!(missing("device") > 500);
    assert_eq!(
        (missing("page"), missing("session"), missing("link_click")),
        (0, 0, 0)
    );
}
