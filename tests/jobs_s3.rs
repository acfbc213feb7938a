//! Whole jobs with input and output on a server that speaks S3 (moto), through the command line: the output equals that on
//! local folders, and every object carries the encryption header.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/moto.rs"]
mod moto;
mod support;

use std::fs;
use std::process::Command;

use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfigs;
use engine::job::parts::{Opened, PartOptions, PartedJob, TaskRunner};
use engine::job::{EnrichJob, JobOptions};
use engine::store::{Location, Store};
use fixtures::{Corpus, Format, Mix};
use moto::{Moto, store_settings};
use support::{parts, project};

const BUCKET: &str = "jobs";

fn engine(moto: &Moto, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_camonica-engine"))
        .current_dir(project())
        .args(arguments)
        .args([
            "--iglu-config",
            "fixtures/quickstart/resolver.json",
            "--progress",
            "none",
        ])
        .args([
            "--run-id",
            "2018-07-24-00-00-00",
            "--failure-timestamp",
            "0",
            "--output-compression",
            "gzip",
        ])
        .args([
            "--s3-endpoint",
            &moto.endpoint(),
            "--s3-region",
            "us-east-1",
            "--s3-path-style",
            "--encrypted",
        ])
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .expect("the binary starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn jobs_on_s3_equal_jobs_on_disk_and_encrypt_every_object() {
    let Some(moto) = Moto::get() else { return };
    moto.create_bucket(BUCKET);
    let store = Store::new(store_settings(moto.endpoint()));
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let made = Corpus {
        seed: 3,
        format: Format::Thrift,
        bytes: 1_500_000,
        files: 2,
        gzip: false,
        mix: Mix {
            malformed: 0.02,
            ..Mix::default()
        },
    }
    .write(&raw)
    .unwrap();
    for file in &made.files {
        let name = file.file_name().unwrap().to_string_lossy();
        let location = Location::parse(&format!("s3://{BUCKET}/raw/{name}")).unwrap();
        store.put(&location, fs::read(file).unwrap()).unwrap();
    }
    let local = folder.path().join("out");
    for base in [
        format!("s3://{BUCKET}/out"),
        local.to_str().unwrap().to_owned(),
    ] {
        let input = if base.starts_with("s3") {
            format!("s3://{BUCKET}/raw/")
        } else {
            raw.to_str().unwrap().to_owned()
        };
        let place = |name: &str| format!("{base}/{name}/run=x");
        engine(
            moto,
            &[
                "enrich",
                "--input-folder",
                &input,
                "--input-format",
                "thrift",
                "--output-folder",
                &place("enriched"),
                "--bad-folder",
                &place("enriched-bad"),
                "--etl-timestamp",
                "1532476800000",
            ],
        );
        engine(
            moto,
            &[
                "shred",
                "--input-folder",
                &place("enriched"),
                "--output-folder",
                &place("shredded"),
                "--bad-folder",
                &place("shredded-bad"),
            ],
        );
    }
    let root = Location::parse(&format!("s3://{BUCKET}/out")).unwrap();
    let objects = store.list(&root, true).unwrap();
    let on_s3 = objects.iter().map(|entry| {
        (
            entry.relative.clone(),
            store.read_to_vec(&entry.location).unwrap(),
        )
    });
    let (on_s3, on_disk) = (parts::lines_of_all(on_s3), parts::lines_by_folder(&local));
    assert!(on_s3.len() > 8, "{:?}", on_s3.keys());
    assert_eq!(on_s3["enriched/run=x"].len() as u64, made.events);
    assert_eq!(on_s3, on_disk);
    assert_eq!(moto.open_uploads(BUCKET), Vec::<String>::new());
    for entry in &objects {
        assert!(!entry.relative.contains("_temporary"), "{}", entry.relative);
        let head = moto.head(BUCKET, &format!("out/{}", entry.relative));
        assert!(
            head.contains("x-amz-server-side-encryption: aes256"),
            "{}: {head}",
            entry.relative
        );
    }
    for marker in [
        "enriched/run=x/_SUCCESS",
        "shredded/run=x/atomic-events/_SUCCESS",
        "shredded-bad/run=x/_SUCCESS",
    ] {
        assert!(
            objects.iter().any(|entry| entry.relative == marker),
            "{marker}"
        );
    }
}

/// Tasks leave uploads open; those of the attempts that count are completed, the others aborted.
#[test]
fn a_job_in_parts_completes_one_upload_for_each_group() {
    let Some(moto) = Moto::get() else { return };
    let bucket = "parts";
    moto.create_bucket(bucket);
    let store = Store::new(store_settings(moto.endpoint()));
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let made = Corpus {
        seed: 5,
        format: Format::CljTomcat,
        bytes: 400_000,
        files: 3,
        gzip: true,
        mix: Mix::default(),
    }
    .write(&raw)
    .unwrap();
    let place = |name: &str| format!("s3://{bucket}/{name}");
    let job = EnrichJob {
        input: raw.to_str().unwrap().to_owned(),
        format: "clj-tomcat".into(),
        output: place("good"),
        bad: place("bad"),
        errors: None,
        pii: None,
        enrichments: EnrichmentConfigs::default(),
        environment: Environment::default(),
        resolver: resolver_text(),
        etl_tstamp_ms: 1_532_476_800_000,
        v_etl: None,
        options: JobOptions {
            run_id: Some("run".into()),
            log_folder: Some(place("log")),
            store: store.settings().clone(),
            ..JobOptions::default()
        },
    };
    let secret = b"a secret of a cluster, long enough";
    let parts = PartOptions {
        slots: 1,
        group_bytes: 1,
        buckets: 1,
    };
    let Opened::Ready(parted) = PartedJob::open_enrich(&job, parts, secret).unwrap() else {
        panic!("ready");
    };
    assert_eq!(parted.groups().len(), 3);
    let sealed = parted.sealed().unwrap();
    let runner = TaskRunner::open(parted.id(), &sealed, secret, &job.options).unwrap();
    let mut rows = Vec::new();
    for group in parted.groups() {
        for _ in 0..2 {
            rows.push(runner.enrich(group, false, &|_| Ok(())).unwrap());
        }
    }
    let roots = ["good", "bad"].map(|name| Location::parse(&place(name)).unwrap());
    assert!(
        roots
            .iter()
            .all(|root| store.list(root, true).unwrap().is_empty())
    );
    assert_eq!(
        moto.open_uploads(bucket).len(),
        rows.iter().map(|row| row.files.len()).sum::<usize>()
    );
    // half of the answers is lost: the rows of the log folder stand in for them
    rows.truncate(3);
    let report = parted.commit(rows).unwrap().report;
    assert_eq!(report.enrich.unwrap().good, made.events);
    assert_eq!(moto.open_uploads(bucket), Vec::<String>::new());
    let good = store.list(&roots[0], true).unwrap();
    let parts = good
        .iter()
        .filter(|entry| entry.relative.starts_with("part-"));
    assert_eq!(parts.count(), 3);
    assert!(good.iter().any(|entry| entry.relative == "_SUCCESS"));
}

/// The resolver of the quick start, whatever the working directory.
fn resolver_text() -> String {
    let project = project();
    let text = fs::read_to_string(project.join("fixtures/quickstart/resolver.json")).unwrap();
    // its registry is named relative to the project
    let registry = project.join("fixtures/registry");
    text.replace("fixtures/registry", registry.to_str().unwrap())
}
