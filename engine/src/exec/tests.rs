//! Every record once, errors that end a job, damage that is left out, threads that end.

use super::progress::Silent;
use super::*;
use crate::input::testing::{
    LzopOptions, bzip2, gzip, hadoop_blocks, lzop, lzop_indexed, noise, serialized_block,
    snappy_pack,
};
use crate::store::ObjectEntry;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// An input in memory.
#[derive(Clone, Default)]
struct Input {
    snapshot: Snapshot,
    stored: Vec<(ObjectEntry, Vec<u8>)>,
}

impl OpenRange for Input {
    fn open_range(&self, entry: &ObjectEntry, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let found = self.stored.iter().find(|(there, _)| there == entry);
        let mut bytes = found.unwrap().1.clone();
        // an object that has grown shows at its end only
        if range.end < entry.size {
            bytes.truncate(range.end as usize);
        }
        let start = bytes.len().min(range.start as usize);
        Ok(Box::new(Cursor::new(bytes.split_off(start))))
    }
}

impl Input {
    fn new(objects: Vec<(&str, Vec<u8>)>) -> Self {
        let mut input = Self::default();
        for (name, bytes) in objects {
            let object = InputObject::for_test(name, bytes.len() as u64);
            input.snapshot.total_bytes += object.entry.size;
            input.stored.push((object.entry.clone(), bytes));
            input.snapshot.objects.push(object);
        }
        input
    }

    /// Gives the last object an index.
    fn with_index(mut self, index: Vec<u8>) -> Self {
        let entry = InputObject::for_test("an.index", index.len() as u64).entry;
        self.snapshot.objects.last_mut().unwrap().index = Some(entry.clone());
        self.stored.push((entry, index));
        self
    }

    fn run<W: Send>(
        &self,
        framing: Framing,
        options: &Options,
        new_worker: impl Fn(usize) -> Result<W> + Sync,
        work: impl Fn(&mut W, &mut Chunk) -> Result<()> + Sync,
    ) -> Result<Outcome<W>> {
        let progress = Silent::default();
        run(
            &self.snapshot,
            framing,
            options,
            &progress,
            self,
            new_worker,
            work,
        )
    }

    /// All records with their places, sorted.
    fn records(&self, framing: Framing, options: &Options) -> Result<(Vec<Place>, Outcome<()>)> {
        let outcome = self.run(
            framing,
            options,
            |_| Ok(Vec::new()),
            |records: &mut Vec<Place>, chunk| {
                let object = chunk.object;
                records.extend(
                    chunk
                        .records()
                        .map(|r| (object, r.offset, r.index, r.bytes.to_vec())),
                );
                Ok(())
            },
        )?;
        let mut records = outcome.workers.concat();
        records.sort();
        let outcome = Outcome {
            workers: Vec::new(),
            corrupt: outcome.corrupt,
            corrupt_count: outcome.corrupt_count,
            undecodable_lines: outcome.undecodable_lines,
            stored_bytes: outcome.stored_bytes,
            plain_bytes: outcome.plain_bytes,
            chunks: outcome.chunks,
            seams: Vec::new(),
        };
        Ok((records, outcome))
    }
}

type Place = (u32, u64, u32, Vec<u8>);

fn options(workers: usize, chunk_bytes: usize) -> Options {
    Options {
        workers,
        limits: Limits {
            chunk_bytes,
            record_bytes: 10_000,
        },
        ..Options::default()
    }
}

fn text(lines: usize, seed: u64) -> Vec<u8> {
    let ends = ["\n", "\r\n", "\r"];
    let noise = noise(lines, seed);
    let lines = noise.iter().enumerate().map(|(i, n)| {
        let n = usize::from(*n);
        format!("{seed}-{i}-{}{}", "x".repeat(n), ends[n % 3])
    });
    lines.collect::<String>().into_bytes()
}

fn mixed() -> Input {
    Input::new(vec![
        ("a", text(900, 1)),
        ("b.gz", gzip(&text(700, 2))),
        ("c.bz2", bzip2(&text(300, 3))),
        ("d.lzo", lzop(&text(500, 4))),
        (
            "e.snappy",
            hadoop_blocks(&text(200, 5), 9000, 700, snappy_pack),
        ),
        ("f-empty", Vec::new()),
    ])
}

#[test]
fn workers_and_chunks_do_not_change_the_records() {
    let input = mixed();
    let (want, outcome) = input.records(Framing::Lines, &options(1, 1 << 20)).unwrap();
    assert_eq!(want.len(), 900 + 700 + 300 + 500 + 200);
    assert_eq!(outcome.stored_bytes, input.snapshot.total_bytes);
    assert_eq!((outcome.corrupt_count, outcome.chunks), (0, 5));
    for workers in [1, 2, 3, 8] {
        for chunk in [1, 100, 5000] {
            let (records, other) = input
                .records(Framing::Lines, &options(workers, chunk))
                .unwrap();
            assert!(records == want, "{workers} workers, chunks of {chunk}");
            assert_eq!(other.plain_bytes, outcome.plain_bytes);
        }
    }
}

#[test]
fn thrift_objects_of_both_kinds() {
    let blocks: Vec<u8> = (0..50_u8)
        .flat_map(|n| serialized_block(&[&[n; 40], &[], &[n; 3]]))
        .collect();
    let input = Input::new(vec![("a.lzo", lzop(&blocks)), ("b.lzo", lzop(&blocks))]);
    for chunk in [64, 1 << 20] {
        let (records, _) = input.records(Framing::Thrift, &options(2, chunk)).unwrap();
        assert_eq!(records.len(), 200);
        assert_eq!((records[1].1, records[1].2), (0, 2));
    }
}

/// Objects that can be cut: text, and lzop objects of text, blocks and Base64 with their indexes.
fn cuttable(framing: Framing) -> Input {
    let options = LzopOptions {
        block: 700,
        ..LzopOptions::default()
    };
    match framing {
        Framing::Lines => {
            let (stored, index) = lzop_indexed(&text(900, 6), &options);
            Input::new(vec![("a", text(900, 1)), ("b.lzo", stored)]).with_index(index)
        }
        Framing::Thrift => {
            let blocks: Vec<u8> = (0..200_u8)
                .flat_map(|n| serialized_block(&[&noise(usize::from(n) * 3, 1), &[], &[n; 3]]))
                .collect();
            let (stored, index) = lzop_indexed(&blocks, &options);
            let input = Input::new(vec![("a.lzo", stored)]).with_index(index);
            let lines = "AAECAwQF\r\n\nQUJDREVGRw==\n".repeat(300);
            let (stored, index) = lzop_indexed(lines.as_bytes(), &options);
            let mut other = Input::new(vec![("b.lzo", stored)]).with_index(index);
            other.stored[1].0 = InputObject::for_test("other.index", other.stored[1].0.size).entry;
            other.snapshot.objects[0].index = Some(other.stored[1].0.clone());
            Input {
                snapshot: Snapshot {
                    total_bytes: input.snapshot.total_bytes + other.snapshot.total_bytes,
                    objects: [input.snapshot.objects, other.snapshot.objects].concat(),
                },
                stored: [input.stored, other.stored].concat(),
            }
        }
    }
}

#[test]
fn splits_do_not_change_the_records() {
    for framing in [Framing::Lines, Framing::Thrift] {
        let input = cuttable(framing);
        let (want, whole) = input.records(framing, &options(1, 1000)).unwrap();
        assert!(want.len() > 700, "{}", want.len());
        for split_bytes in [100, 1000, 5000, 1 << 20] {
            for workers in [2, 3, 8] {
                let mut options = options(workers, 300);
                options.split_bytes = split_bytes;
                let bytes = split::split_bytes(&input.snapshot, workers, split_bytes);
                let splits = split_all(&input.snapshot, framing, &options, workers, &input).len();
                let objects = input.snapshot.objects.len();
                assert_eq!(splits > objects, split_bytes < 1 << 20, "{bytes}: {splits}");
                let (records, outcome) = input.records(framing, &options).unwrap();
                assert!(
                    records == want,
                    "{workers} workers, splits of {split_bytes}"
                );
                assert_eq!(outcome.plain_bytes, whole.plain_bytes);
                assert_eq!(outcome.stored_bytes, input.snapshot.total_bytes);
                assert_eq!(outcome.undecodable_lines, whole.undecodable_lines);
            }
        }
    }
}

#[test]
fn files_are_read_in_splits_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let blocks: Vec<u8> = (0..250_u8)
        .flat_map(|n| serialized_block(&[&noise(900, n.into()), &[n; 3]]))
        .collect();
    let options_of_blocks = LzopOptions {
        block: 10_000,
        ..LzopOptions::default()
    };
    let (stored, index) = lzop_indexed(&blocks, &options_of_blocks);
    std::fs::write(folder.path().join("a.lzo"), &stored).unwrap();
    std::fs::write(folder.path().join("a.lzo.index"), index).unwrap();
    let store = crate::store::Store::default();
    let input = folder.path().to_str().unwrap();
    let snapshot = Snapshot::take(&store, &[input], Framing::Thrift).unwrap();
    let places = |workers| {
        let mut options = options(workers, 5000);
        options.split_bytes = 20_000;
        let splits = split_all(&snapshot, Framing::Thrift, &options, workers, &store);
        let outcome = run(
            &snapshot,
            Framing::Thrift,
            &options,
            &Silent::default(),
            &store,
            |_| Ok(Vec::new()),
            |places, chunk| {
                places.extend(chunk.records().map(|r| (r.offset, r.index)));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(outcome.stored_bytes, stored.len() as u64);
        let mut places: Vec<(u64, u32)> = outcome.workers.concat();
        places.sort_unstable();
        (splits.len(), places)
    };
    let (splits, want) = places(1);
    assert_eq!((splits, want.len()), (1, 500));
    let (splits, got) = places(3);
    assert!(splits > 5, "{splits}");
    assert_eq!(got, want);
}

#[test]
fn what_is_skipped_does_not_depend_on_splits() {
    let mut input = cuttable(Framing::Lines);
    let at = input.stored[1].1.len() / 2;
    input.stored[1].1[at] ^= 0x55;
    let mut options = options(1, 300);
    options.split_bytes = 100;
    let error = input.records(Framing::Lines, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    options.skip_corrupt = true;
    let (want, outcome) = input.records(Framing::Lines, &options).unwrap();
    assert_eq!(outcome.corrupt_count, 1);
    options.workers = 4;
    let (records, outcome) = input.records(Framing::Lines, &options).unwrap();
    assert!(records == want);
    assert_eq!(outcome.corrupt_count, 1);
    options.skip_corrupt = false;
    let error = input.records(Framing::Lines, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn splits_that_do_not_meet_end_the_job() {
    // a record that imitates a block which ends where the real one does
    let fake = serialized_block(&[&[b'f'; 20]]);
    let mut bytes: Vec<u8> = (0..40)
        .flat_map(|_| serialized_block(&[&[b'x'; 50]]))
        .collect();
    bytes.extend(serialized_block(&[&[&[b'-'; 3000][..], &fake].concat()]));
    bytes.extend((0..40).flat_map(|_| serialized_block(&[&[b'y'; 50]])));
    let flat = LzopOptions {
        block: 100,
        ..LzopOptions::default()
    };
    let (stored, index) = lzop_indexed(&bytes, &flat);
    let input = Input::new(vec![("a.lzo", stored)]).with_index(index);
    let mut options = options(2, 300);
    options.split_bytes = 10;
    let error = input.records(Framing::Thrift, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("do not meet"), "{error}");
    options.skip_corrupt = true;
    assert_eq!(
        input.records(Framing::Thrift, &options).unwrap().0.len(),
        81
    );
    options.skip_corrupt = false;
    options.workers = 1;
    assert_eq!(
        input.records(Framing::Thrift, &options).unwrap().0.len(),
        81
    );
}

#[test]
fn nothing_to_read_still_makes_workers() {
    let (records, outcome) = Input::new(vec![])
        .records(Framing::Lines, &options(3, 10))
        .unwrap();
    assert!(records.is_empty());
    assert_eq!(outcome.chunks, 0);
    let made = Input::new(vec![]).run(Framing::Lines, &options(3, 10), Ok, |_, _| Ok(()));
    assert_eq!(made.unwrap().workers, [0, 1, 2]);
}

#[test]
fn corrupt_objects_end_the_job_or_are_counted() {
    let mut bad = gzip(&text(50, 7));
    let cut = bad.len() - 4;
    bad.truncate(cut);
    let damaged = [
        serialized_block(&[b"one"]),
        b"garbage".to_vec(),
        serialized_block(&[b"two"]),
    ]
    .concat();
    let lines = Input::new(vec![("good", text(40, 1)), ("bad.gz", bad)]);
    let blocks = Input::new(vec![("x.lzo", lzop(&damaged))]);
    for workers in [1, 4] {
        let mut options = options(workers, 1000);
        let error = lines.records(Framing::Lines, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(
            error.to_string(),
            format!(
                "bad.gz: the object is cut: it ends inside a gzip trailer (at byte {cut} of the stored object); {}",
                super::DAMAGE_ADVICE
            )
        );
        let error = blocks.records(Framing::Thrift, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);

        options.skip_corrupt = true;
        let (records, outcome) = lines.records(Framing::Lines, &options).unwrap();
        // what was read stays; the last line has its end, so it was read whole
        assert_eq!(records.len(), 90);
        assert_eq!(outcome.corrupt_count, 1);
        assert_eq!(outcome.corrupt[0].object, 1);
        assert_eq!(outcome.corrupt[0].damage.offset, cut as u64);
        let (records, outcome) = blocks.records(Framing::Thrift, &options).unwrap();
        assert_eq!((records.len(), outcome.corrupt_count), (2, 1));
    }
}

#[test]
fn a_changed_object_ends_the_job_even_if_corrupt_ones_are_skipped() {
    let mut input = Input::new(vec![("a", text(10, 1)), ("b", text(10, 2))]);
    let mut options = options(2, 100);
    options.skip_corrupt = true;
    input.stored[1].1.pop();
    let error = input.records(Framing::Lines, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    input.stored[1].1.extend(b"more and more");
    let error = input.records(Framing::Lines, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
}

#[test]
fn lines_over_the_limit_are_corrupt() {
    let long = [
        b"short\n".to_vec(),
        vec![b'x'; 20_000],
        b"\nrest\n".to_vec(),
    ]
    .concat();
    let input = Input::new(vec![("a", long)]);
    for chunk in [100, 1 << 20] {
        let mut options = options(2, chunk);
        let error = input.records(Framing::Lines, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error.to_string().contains("longer than 10000 bytes"),
            "{error}"
        );
        options.skip_corrupt = true;
        let (records, _) = input.records(Framing::Lines, &options).unwrap();
        assert_eq!(records.len(), 1);
    }
}

/// Runs with a time limit, so that a hang is a failure.
fn within<T: Send + 'static>(time: Duration, what: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(what()));
    receiver.recv_timeout(time).expect("it hangs")
}

#[test]
fn the_first_failure_ends_everything_soon() {
    let error = within(Duration::from_secs(20), || {
        let seen = AtomicUsize::new(0);
        let input = mixed();
        let result = input.run(
            Framing::Lines,
            &options(3, 50),
            |_| Ok(()),
            |(), _| {
                if seen.fetch_add(1, Ordering::SeqCst) == 20 {
                    return Err(Error::new(ErrorKind::Full, "the disk is full"));
                }
                Ok(())
            },
        );
        assert!(seen.load(Ordering::SeqCst) < 40);
        result.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Full);
}

#[test]
fn a_panic_is_an_error_and_no_hang() {
    for workers in [1, 2, 4] {
        let error = within(Duration::from_secs(20), move || {
            let work = |_: &mut (), chunk: &mut Chunk| {
                assert!(chunk.object != 1, "object {}", chunk.object);
                Ok(())
            };
            mixed()
                .run(Framing::Lines, &options(workers, 50), |_| Ok(()), work)
                .unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Internal);
        let text = error.to_string();
        assert!(
            text.starts_with("a worker panicked at b.gz (from byte "),
            "{text}"
        );
        assert!(
            text.ends_with(" of the decompressed object): object 1"),
            "{text}"
        );
    }
    let error = within(Duration::from_secs(20), || {
        let start = |n: usize| if n == 1 { panic!("no state") } else { Ok(()) };
        mixed()
            .run(Framing::Lines, &options(2, 50), start, |(), _| Ok(()))
            .unwrap_err()
    });
    assert_eq!(error.to_string(), "a worker panicked: no state");
}

#[test]
fn a_panic_while_reading_is_an_error_too() {
    struct Bomb;
    impl Read for Bomb {
        fn read(&mut self, _out: &mut [u8]) -> std::io::Result<usize> {
            panic!("boom")
        }
    }
    let error = within(Duration::from_secs(20), || {
        let input = mixed();
        run(
            &input.snapshot,
            Framing::Lines,
            &options(2, 50),
            &Silent::default(),
            &|_: &ObjectEntry, _: Range<u64>| Ok(Box::new(Bomb) as Box<dyn Read + Send>),
            |_| Ok(()),
            |(), _| Ok(()),
        )
        .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.to_string(), "a reader panicked: boom");
}

#[test]
fn an_object_that_cannot_be_opened_ends_the_job() {
    let input = mixed();
    let result = run(
        &input.snapshot,
        Framing::Lines,
        &options(2, 50),
        &Silent::default(),
        &|_: &ObjectEntry, _: Range<u64>| Err(Error::new(ErrorKind::Denied, "no access")),
        |_| Ok(()),
        |(), _| Ok(()),
    );
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Denied);
}

/// Text without end.
struct Endless;

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        for line in out.chunks_mut(50) {
            line.fill(b'x');
            line[line.len() - 1] = b'\n';
        }
        Ok(out.len())
    }
}

#[test]
fn the_operator_can_stop_a_job() {
    let error = within(Duration::from_secs(20), || {
        let options = options(2, 10_000);
        let snapshot = Snapshot {
            objects: vec![InputObject::for_test("endless", u64::MAX)],
            total_bytes: u64::MAX,
        };
        let cancel = Arc::clone(&options.cancel);
        let stopper = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            cancel.store(true, Ordering::Relaxed);
        });
        let start = Instant::now();
        let result = run(
            &snapshot,
            Framing::Lines,
            &options,
            &Silent::default(),
            &|_: &ObjectEntry, _: Range<u64>| Ok(Box::new(Endless) as Box<dyn Read + Send>),
            |_| Ok(()),
            |(), _| Ok(()),
        );
        stopper.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        result.unwrap_err()
    });
    assert_eq!(error.to_string(), "stopped by the operator");
}

#[test]
fn slow_workers_hold_the_readers_back() {
    let input = Input::new(vec![("a", text(9000, 1)), ("b", text(9000, 2))]);
    let worked = AtomicU64::new(0);
    let progress = Silent::default();
    let outcome = run(
        &input.snapshot,
        Framing::Lines,
        &options(2, 10_000),
        &progress,
        &input,
        |_| Ok(0),
        |most: &mut u64, chunk| {
            thread::sleep(Duration::from_millis(1));
            let read = progress.totals().stored_bytes;
            let done = worked.fetch_add(chunk.bytes.len() as u64, Ordering::SeqCst);
            *most = read.saturating_sub(done).max(*most);
            Ok(())
        },
    );
    // two chunks at work, 40,000 bytes in the queue, and two readers with a chunk and what they read ahead
    let most = outcome.unwrap().workers.into_iter().max().unwrap();
    assert!(most <= 2 * 10_000 + 40_000 + 2 * (2 * 10_000), "{most}");
    assert!(input.snapshot.total_bytes > 10 * most);
    assert_eq!(worked.into_inner(), input.snapshot.total_bytes);
    assert_eq!(progress.totals().stored_bytes, input.snapshot.total_bytes);
}

#[test]
fn both_workers_share_one_gzip_object() {
    let input = Input::new(vec![("a.gz", gzip(&text(3000, 1)))]);
    let outcome = input.run(
        Framing::Lines,
        &options(2, 2_000),
        |_| Ok(0_u64),
        |chunks, _| {
            *chunks += 1;
            thread::sleep(Duration::from_millis(1));
            Ok(())
        },
    );
    let chunks = outcome.unwrap().workers;
    assert!(chunks.iter().all(|&n| n > 20), "{chunks:?}");
}
