//! Damaged, vanished and strange input objects.

use std::io::Write;
use std::os::unix::fs::symlink;

use engine::input::{Framing, Snapshot};
use engine::store::{Store, StoreSettings};
use fixtures::collector::{LzopWriter, broken_thrift_record, thrift_record, write_record_block};

use super::*;

#[test]
fn a_cut_gzip_ends_the_job_with_object_and_offset() {
    let lines = cloudfront(200);
    let whole = gzip(lines.as_bytes());
    for (cut, part) in [
        (0, "a gzip header"),
        (9, "a gzip header"),
        (11, "a gzip member"),
        (whole.len() / 2, "a gzip member"),
        (whole.len() - 9, "a gzip member"),
        (whole.len() - 8, "a gzip trailer"),
        (whole.len() - 1, "a gzip trailer"),
    ] {
        let bench = Bench::new();
        bench.raw("a.gz", &whole).raw("b.gz", &whole[..cut]);
        let ended = bench.enrich("cloudfront", &[]);
        ended.fails(
            1,
            &[
                &bench.text("raw/b.gz"),
                &format!(
                    "the object is cut: it ends inside {part} (at byte {cut} of the stored object)"
                ),
                "--skip-corrupt",
            ],
        );
        bench.nothing_visible();
    }
}

#[test]
fn skip_corrupt_counts_and_keeps_what_was_read() {
    let lines = cloudfront(4000);
    let whole = gzip(lines.as_bytes());
    let bench = Bench::new();
    let cut = whole.len() / 2;
    bench.raw("a.gz", &whole).raw("b.gz", &whole[..cut]);
    let ended = bench.enrich("cloudfront", &["--skip-corrupt"]);
    ended.succeeds();
    bench.committed();
    assert!(
        ended.stdout.contains(&bench.text("raw/b.gz"))
            && ended.stdout.contains("the object is cut"),
        "{}",
        ended.stdout
    );
    let manifest = fs::read_to_string(bench.path("good/_SUCCESS.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["corrupt"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["corrupt"][0]["object"], bench.text("raw/b.gz"));
    let good = bench.lines("good").len();
    assert!((5000..8000).contains(&good), "{good} of 6000 or so");
    // the line that the cut went through is neither good nor bad: it is not known what it was
    assert_eq!(bench.bad_rows(), []);
}

#[test]
fn what_follows_the_last_member_of_a_gzip() {
    let whole = gzip(cloudfront(20).as_bytes());
    let bench = Bench::new();
    bench.raw("a.gz", [&whole[..], b"garbage, garbage"].concat());
    bench.enrich("cloudfront", &[]).fails(
        1,
        &[
            &bench.text("raw/a.gz"),
            "no gzip member where one must start",
            &format!("at byte {}", whole.len() + 10),
        ],
    );
    bench.nothing_visible();
    let bench = Bench::new();
    bench.raw("a.gz", [&whole[..], &[0; 512]].concat());
    bench.enrich("cloudfront", &[]).succeeds();
    assert_eq!(bench.lines("good").len(), 20);
}

#[test]
fn a_flipped_bit_in_a_gzip_is_found() {
    let whole = gzip(cloudfront(50).as_bytes());
    for at in [whole.len() - 6, whole.len() - 2, whole.len() / 2] {
        let bench = Bench::new();
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        bench.raw("a.gz", flipped);
        let ended = bench.enrich("cloudfront", &[]);
        ended.fails(1, &[&bench.text("raw/a.gz"), "(at byte "]);
        bench.nothing_visible();
    }
}

#[test]
fn a_plain_file_with_a_gzip_name_is_no_gzip() {
    let bench = Bench::new();
    bench.raw("a.gz", cloudfront(3));
    bench.enrich("cloudfront", &[]).fails(
        1,
        &[
            &bench.text("raw/a.gz"),
            "no gzip member where one must start (at byte 10",
        ],
    );
    bench.nothing_visible();
}

fn thrift_records(count: usize) -> Vec<Vec<u8>> {
    events(count).chunks(1).map(thrift_record).collect()
}

fn lzo_of(bytes: &[u8]) -> Vec<u8> {
    let mut out = LzopWriter::new(Vec::new()).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lzo(records: &[Vec<u8>]) -> Vec<u8> {
    let mut blocks = Vec::new();
    for records in records.chunks(10) {
        write_record_block(records, &mut blocks);
    }
    lzo_of(&blocks)
}

/// A container with one block that is stored as it is, with an adler32 checksum of its bytes.
fn lzo_with_checksum(bytes: &[u8], checksum: u32) -> Vec<u8> {
    let mut header = Vec::new();
    for word in [0x1010u16, 0x2080, 0x0940] {
        header.extend_from_slice(&word.to_be_bytes());
    }
    header.extend_from_slice(&[1, 5]);
    for word in [1u32, 0, 0, 0] {
        header.extend_from_slice(&word.to_be_bytes());
    }
    header.push(0);
    let mut out = vec![0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a];
    out.extend_from_slice(&header);
    out.extend_from_slice(&adler32(&header).to_be_bytes());
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 4]);
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16) | a
}

#[test]
fn a_wrong_lzo_checksum_ends_the_job() {
    let mut blocks = Vec::new();
    write_record_block(&thrift_records(5), &mut blocks);
    let right = adler32(&blocks);
    let bench = Bench::new();
    bench.raw("a.lzo", lzo_with_checksum(&blocks, right));
    bench.enrich("thrift", &[]).succeeds();
    assert_eq!(bench.lines("good").len(), 5);

    let bench = Bench::new();
    bench.raw("a.lzo", lzo_with_checksum(&blocks, right ^ 1));
    let ended = bench.enrich("thrift", &[]);
    ended.fails(
        1,
        &[
            &bench.text("raw/a.lzo"),
            "checksum",
            "(at byte ",
            "--skip-corrupt",
        ],
    );
    bench.nothing_visible();
}

#[test]
fn a_cut_lzo_ends_the_job_with_object_and_offset() {
    let whole = lzo(&thrift_records(60));
    for cut in [0, 5, 20, 42, 60, whole.len() / 2, whole.len() - 5] {
        let bench = Bench::new();
        bench.raw("a.lzo", &whole[..cut]);
        let ended = bench.enrich("thrift", &[]);
        ended.fails(
            1,
            &[
                &bench.text("raw/a.lzo"),
                "the object is cut: it ends inside",
                &format!("(at byte {cut} of the stored object)"),
            ],
        );
        bench.nothing_visible();
    }
}

#[test]
fn damaged_blocks_of_records_end_the_job_or_are_counted() {
    let records = thrift_records(30);
    let mut blocks = Vec::new();
    for part in records.chunks(10) {
        write_record_block(part, &mut blocks);
    }
    let second = blocks.len() / 3;
    let second = second
        + blocks[second..]
            .windows(4)
            .position(|w| w == [0x29, 0xd8, 0xd5, 0x06])
            .unwrap();
    let mut damaged = blocks.clone();
    damaged[second + 3] ^= 0xff;
    let bench = Bench::new();
    bench.raw("a.lzo", lzo_of(&damaged));
    bench.enrich("thrift", &[]).fails(
        1,
        &[
            &bench.text("raw/a.lzo"),
            "no block marker where a block must start",
        ],
    );
    bench.nothing_visible();
    let ended = bench.enrich("thrift", &["--skip-corrupt"]);
    ended.succeeds();
    assert_eq!(bench.lines("good").len(), 20, "all but the damaged block");
    assert!(ended.stdout.contains("no block marker"), "{}", ended.stdout);
}

#[test]
fn corrupt_thrift_records_are_bad_rows() {
    let mut records = thrift_records(4);
    let mut random = Random::new(3);
    let whole = records[0].clone();
    records.push(broken_thrift_record(&mut random));
    records.push(whole[..whole.len() / 2].to_vec());
    // a string that claims two gigabytes, and a negative length
    records.push(vec![11, 0, 100, 0x7f, 0xff, 0xff, 0xff, 1]);
    records.push(vec![11, 0, 100, 0xff, 0xff, 0xff, 0xff, 1]);
    // a struct in a struct in a struct ...
    records.push([12, 0, 1].repeat(100_000));
    // a list that claims two billion of nothing
    records.push(vec![15, 1, 94, 2, 0x7f, 0xff, 0xff, 0xff]);
    let bench = Bench::new();
    bench.raw("a.lzo", lzo(&records));
    bench.enrich("thrift", &[]).succeeds();
    bench.committed();
    assert_eq!(bench.lines("good").len(), 4);
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 6);
    for (line, messages) in rows {
        assert!(!line.is_empty());
        assert!(
            messages[0].starts_with("Error deserializing raw event:"),
            "{messages:?}"
        );
    }
}

#[test]
fn links_and_folders_among_the_objects() {
    // a folder is not read recursively, as Hadoop's readers do it not
    let bench = Bench::new();
    bench.raw("a", cloudfront(2));
    fs::create_dir_all(bench.path("raw/b.gz/deeper")).unwrap();
    bench.enrich("cloudfront", &[]).succeeds();
    assert_eq!(bench.lines("good").len(), 2);

    // a link that leads nowhere was a file for whoever made it: leaving it out would lose events
    let bench = Bench::new();
    bench.raw("a", cloudfront(2));
    symlink(bench.path("nowhere"), bench.path("raw/z.gz")).unwrap();
    bench
        .enrich("cloudfront", &[])
        .fails(1, &[&bench.text("raw/z.gz"), "No such file"]);
    bench.nothing_visible();

    // a link to a file is that file
    let bench = Bench::new();
    fs::write(bench.path("elsewhere"), cloudfront(2)).unwrap();
    symlink(bench.path("elsewhere"), bench.path("raw/a")).unwrap();
    bench.enrich("cloudfront", &[]).succeeds();
    assert_eq!(bench.lines("good").len(), 2);
}

/// Reads all of a snapshot of one object after `change`; the error's text.
fn read_after(bench: &Bench, change: impl FnOnce(&Path)) -> String {
    let store = Store::new(StoreSettings::default());
    let snapshot = Snapshot::take(&store, &[bench.text("raw")], Framing::Lines).unwrap();
    change(&bench.path("raw/a"));
    let outcome = engine::exec::run(
        &snapshot,
        Framing::Lines,
        &engine::exec::Options::default(),
        &engine::exec::progress::Silent::default(),
        &store,
        |_| Ok(()),
        |(), _| Ok(()),
    );
    outcome.expect_err("a change is an error").to_string()
}

#[test]
fn objects_that_vanish_or_change_after_the_snapshot_are_named() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(2));
    let gone = read_after(&bench, |path| fs::remove_file(path).unwrap());
    assert!(gone.contains(&bench.text("raw/a")), "{gone}");
    bench.raw("a", cloudfront(2));
    let shorter = read_after(&bench, |path| fs::write(path, "x\n").unwrap());
    assert!(
        shorter.contains(&bench.text("raw/a")) && shorter.contains("changed"),
        "{shorter}"
    );
    bench.raw("a", cloudfront(2));
    let replaced = read_after(&bench, |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    assert!(replaced.contains(&bench.text("raw/a")), "{replaced}");
}

#[test]
fn empty_objects() {
    let bench = Bench::new();
    bench
        .raw("a", "")
        .raw("b.gz", gzip(b""))
        .raw("c", cloudfront(1));
    bench.enrich("cloudfront", &[]).succeeds();
    bench.committed();
    assert_eq!((bench.lines("good").len(), bench.bad_rows().len()), (1, 0));
    let bench = Bench::new();
    bench.raw("a", "").raw("b", enriched(1));
    bench.shred(&[]).succeeds();
    assert_eq!(bench.lines("good/atomic-events").len(), 1);
}
