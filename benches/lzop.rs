//! A lzop container of Thrift records, in memory: decompressed, its checksums verified, cut into records. Rates are
//! decompressed bytes.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use std::fs;
use std::io::Cursor;

use divan::Bencher;
use divan::counter::BytesCount;
use engine::input::{ChunkReader, Framing, Limits, Snapshot};
use engine::store::{Store, StoreSettings};
use fixtures::{Corpus, Format, Mix};

fn main() {
    divan::main();
}

#[divan::bench]
fn decompress(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = Corpus {
        seed: 1,
        format: Format::Thrift,
        bytes: 4_000_000,
        files: 1,
        gzip: false,
        mix: Mix::default(),
    };
    let made = corpus.write(folder.path()).expect("a corpus");
    let stored = fs::read(&made.files[0]).expect("its file");
    let store = Store::new(StoreSettings::default());
    let uri = folder.path().to_str().expect("UTF-8");
    let snapshot = Snapshot::take(&store, &[uri], Framing::Thrift).expect("a snapshot");
    let object = &snapshot.objects[0];
    bencher
        .counter(BytesCount::new(made.bytes))
        .with_inputs(|| Box::new(Cursor::new(stored.clone())))
        .bench_local_values(|stored| {
            let limits = Limits::default();
            let mut reader = ChunkReader::new(0, object, stored, Framing::Thrift, limits, false);
            let (mut buffer, mut records) = (Vec::new(), 0);
            while let Some(mut chunk) = reader.next_chunk(buffer).expect("a chunk") {
                records += chunk.records().count() as u64;
                buffer = Vec::new();
            }
            assert_eq!(records, made.records);
        });
}
