//! Splits meet: any set of split points gives the same records with the same places.

use super::super::testing::{LzopOptions, lzop_indexed, noise, serialized_block};
use super::super::{ChunkReader, Limits};
use super::*;
use proptest::prelude::*;
use std::io::Cursor;
use std::sync::Arc;

type Places = Vec<(u64, u32, Vec<u8>)>;

/// Objects in memory, by their names.
fn store(objects: Vec<(&str, Vec<u8>)>) -> impl OpenRange + use<> {
    let objects: Arc<Vec<_>> = Arc::new(
        objects
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect(),
    );
    move |entry: &ObjectEntry, range: Range<u64>| {
        let found = objects.iter().find(|(name, _)| *name == entry.relative);
        let bytes = &found.unwrap().1[range.start as usize..range.end as usize];
        Ok(Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>)
    }
}

fn snapshot(object: &InputObject) -> Snapshot {
    Snapshot {
        total_bytes: object.entry.size,
        objects: vec![object.clone()],
    }
}

/// The records of one split, and where they end.
fn read(
    split: &Split,
    object: &InputObject,
    framing: Framing,
    chunk_bytes: usize,
    store: &impl OpenRange,
) -> Result<(Places, Seam)> {
    let stored = RangeReader::open(store, &object.entry, split.stored.clone())?;
    let limits = Limits {
        chunk_bytes,
        record_bytes: 1 << 20,
    };
    let stored = Box::new(stored);
    let mut reader = ChunkReader::for_split(split, object, stored, framing, limits, false);
    let mut places = Vec::new();
    while let Some(mut chunk) = reader.next_chunk(Vec::new())? {
        places.extend(
            chunk
                .records()
                .map(|r| (r.offset, r.index, r.bytes.to_vec())),
        );
    }
    assert!(
        reader.next_chunk(Vec::new())?.is_none(),
        "the end is the end"
    );
    Ok((places, reader.seam()))
}

/// The records of all splits, if these meet.
fn read_all(
    splits: Vec<Split>,
    object: &InputObject,
    framing: Framing,
    chunk_bytes: usize,
    store: &impl OpenRange,
) -> Result<Places> {
    let (mut places, mut seams) = (Vec::new(), Vec::new());
    for split in splits {
        let (more, seam) = read(&split, object, framing, chunk_bytes, store)?;
        places.extend(more);
        seams.push((split, seam));
    }
    seams.reverse();
    check_seams(&snapshot(object), &mut seams)?;
    Ok(places)
}

fn whole(object: &InputObject, framing: Framing, store: &impl OpenRange) -> Result<Places> {
    let split = Split::whole(0, object.entry.size);
    Ok(read(&split, object, framing, 1 << 20, store)?.0)
}

/// A lzop object with its index, and the store that holds both.
fn indexed(plain: &[u8], block: usize, flags: u32) -> (InputObject, impl OpenRange + use<>) {
    let options = LzopOptions {
        block,
        flags,
        ..LzopOptions::default()
    };
    let (stored, index) = lzop_indexed(plain, &options);
    let mut object = InputObject::for_test("a.lzo", stored.len() as u64);
    object.index = Some(InputObject::for_test("a.lzo.index", index.len() as u64).entry);
    (
        object,
        store(vec![("a.lzo", stored), ("a.lzo.index", index)]),
    )
}

/// The splits at the starts of blocks behind these stored bytes.
fn lzop_splits(
    object: &InputObject,
    framing: Framing,
    mut points: Vec<usize>,
    store: &impl OpenRange,
) -> Vec<Split> {
    points.sort_unstable();
    let size = object.entry.size;
    let wanted = points.into_iter().map(|at| at as u64 % size);
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort_unstable();
    let found = lzo_index::cuts(object, framing, wanted.into_iter(), store);
    let (cuts, kind, flags) = found.unwrap().unwrap();
    Split::parts(0, size, &cuts, kind, flags)
}

/// Text that is hard to cut.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'\n'),
        Just(b'\r'),
        Just(b'a'),
        Just(0xEF),
        Just(0xBB),
        Just(0xBF)
    ];
    let mark = prop_oneof![Just(&b""[..]), Just(&[0xEF, 0xBB, 0xBF][..])];
    (mark, proptest::collection::vec(byte, 1..300)).prop_map(|(mark, text)| [mark, &text].concat())
}

/// Blobs, some of which hold markers, blocks, or what imitates the rest of their own block.
fn blobs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let marker = super::super::blocks::MARKER.to_vec();
    let blob = prop_oneof![
        4 => (0_usize..80, any::<u64>()).prop_map(|(length, seed)| noise(length, seed)),
        1 => (0_usize..20).prop_map(move |n| [noise(n, 3), marker.clone(), noise(n, 4)].concat()),
        1 => (0_usize..20).prop_map(|n| [
            noise(n, 5),
            serialized_block(&[b"fake"]).repeat(1 + n % 3),
            noise(n, 6),
        ]
        .concat()),
        1 => (0_usize..200).prop_map(|n| [noise(n, 7), serialized_block(&[b"fake"])].concat()),
    ];
    proptest::collection::vec(blob, 0..5)
}

proptest! {
    #[test]
    fn no_cut_of_plain_text_shows(
        text in text(),
        mut cuts in proptest::collection::vec(1_usize..300, 0..6),
        chunk in 1_usize..40,
    ) {
        cuts.retain(|&at| at < text.len());
        cuts.sort_unstable();
        cuts.dedup();
        let cuts: Vec<_> = cuts.iter().map(|&at| Cut { stored: at as u64, plain: at as u64 }).collect();
        let object = InputObject::for_test("a", text.len() as u64);
        let store = store(vec![("a", text)]);
        let want = whole(&object, Framing::Lines, &store).unwrap();
        let splits = Split::parts(0, object.entry.size, &cuts, ChunkKind::Lines, 0);
        let got = read_all(splits, &object, Framing::Lines, chunk, &store);
        prop_assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn no_cut_of_lzop_text_shows(
        text in text(),
        block in 1_usize..60,
        flags in prop_oneof![Just(0), Just(1), Just(0x303), Just(0x100), Just(0x1042)],
        points in proptest::collection::vec(0_usize..5000, 0..6),
        chunk in 1_usize..40,
        framing in prop_oneof![Just(Framing::Lines), Just(Framing::Thrift)],
    ) {
        let (object, store) = indexed(&text, block, flags);
        let want = whole(&object, framing, &store).unwrap();
        let splits = lzop_splits(&object, framing, points, &store);
        let got = read_all(splits, &object, framing, chunk, &store);
        prop_assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn no_cut_of_blocks_shows_or_the_job_ends(
        blocks in proptest::collection::vec(blobs(), 1..12),
        block in 1_usize..200,
        points in proptest::collection::vec(0_usize..5000, 0..8),
        chunk in 1_usize..100,
    ) {
        let plain: Vec<u8> = blocks
            .iter()
            .flat_map(|blobs| {
                let blobs: Vec<_> = blobs.iter().map(Vec::as_slice).collect();
                serialized_block(&blobs)
            })
            .collect();
        let (object, store) = indexed(&plain, block, 0);
        let want = whole(&object, Framing::Thrift, &store).unwrap();
        let splits = lzop_splits(&object, Framing::Thrift, points, &store);
        match read_all(splits, &object, Framing::Thrift, chunk, &store) {
            Ok(got) => prop_assert_eq!(got, want),
            Err(error) => prop_assert!(error.to_string().contains("do not meet"), "{}", error),
        }
    }
}

#[test]
fn a_record_that_holds_blocks_is_told_from_blocks() {
    let quoted = [&serialized_block(&[b"quoted"]).repeat(5)[..], b"and more"].concat();
    let plain: Vec<u8> = (0..20)
        .flat_map(|n| serialized_block(&[&noise(n * 5, 1), &quoted, b"end"]))
        .collect();
    for block in [7, 16, 50, 333] {
        let (object, store) = indexed(&plain, block, 0);
        let want = whole(&object, Framing::Thrift, &store).unwrap();
        assert_eq!(want.len(), 59);
        for step in [1, 40, 500] {
            let points = (0..plain.len()).step_by(step).collect();
            let splits = lzop_splits(&object, Framing::Thrift, points, &store);
            let got = read_all(splits, &object, Framing::Thrift, 100, &store);
            assert_eq!(got.unwrap(), want, "blocks of {block}, a split each {step}");
        }
    }
}

#[test]
fn markers_without_end_end() {
    let markers = super::super::blocks::MARKER.repeat(5000);
    let plain = serialized_block(&[&markers, &markers]);
    let (object, store) = indexed(&plain, 100, 0);
    let splits = lzop_splits(&object, Framing::Thrift, vec![100], &store);
    let error = read_all(splits, &object, Framing::Thrift, 100, &store).unwrap_err();
    assert!(
        error.to_string().contains("too many block markers"),
        "{error}"
    );
    let one = Split::whole(0, object.entry.size);
    assert_eq!(
        read(&one, &object, Framing::Thrift, 100, &store)
            .unwrap()
            .0
            .len(),
        2
    );
}

#[test]
fn splits_are_of_the_wanted_size() {
    let object = InputObject::for_test("a", 1000);
    let none = store(vec![]);
    let split = |bytes| split_object(3, &object, Framing::Lines, bytes, &none);
    assert_eq!(split(1000), [Split::whole(3, 1000)]);
    assert_eq!(split(u64::MAX), [Split::whole(3, 1000)]);
    let starts: Vec<_> = split(300).iter().map(|s| s.stored.clone()).collect();
    assert_eq!(starts, [0..250, 250..500, 500..750, 750..1000]);
    assert_eq!(split(300)[3].part.as_ref().unwrap().plain, 750..u64::MAX);
    let packed = InputObject::for_test("a.gz", 1000);
    let splits = split_object(0, &packed, Framing::Lines, 10, &none);
    assert_eq!(splits, [Split::whole(0, 1000)]);
    assert_eq!(split_bytes(&snapshot(&object), 1, 10), u64::MAX);
    assert_eq!(split_bytes(&snapshot(&object), 5, 10), 50);
    assert_eq!(split_bytes(&snapshot(&object), 5, 64), 64);
}

#[test]
fn an_index_that_is_missing_or_wrong_is_left_aside() {
    let plain = noise(5000, 1);
    let options = LzopOptions {
        block: 500,
        flags: 0x303,
        ..LzopOptions::default()
    };
    let (stored, index) = lzop_indexed(&plain, &options);
    let mut object = InputObject::for_test("a.lzo", stored.len() as u64);
    let splits = |object: &InputObject, index: &[u8]| {
        let objects = vec![("a.lzo", stored.clone()), ("a.lzo.index", index.to_vec())];
        split_object(0, object, Framing::Lines, 1000, &store(objects))
    };
    assert_eq!(splits(&object, &index).len(), 1, "no index");
    let with = |index: &[u8]| {
        let mut object = object.clone();
        object.index = Some(InputObject::for_test("a.lzo.index", index.len() as u64).entry);
        splits(&object, index)
    };
    let good = with(&index);
    assert_eq!(good.len(), 6);
    let plains: Vec<_> = good
        .iter()
        .map(|s| s.part.as_ref().unwrap().plain.start)
        .collect();
    assert_eq!(plains, [0, 1000, 2000, 2500, 3500, 4500]);

    assert_eq!(with(b"").len(), 1);
    assert_eq!(with(&index[..index.len() - 1]).len(), 1);
    assert_eq!(with(&index[8..]).len(), 1, "the first block is missing");
    assert_eq!(with(&[&index[..16], &index[24..]].concat()).len(), 1);
    assert_eq!(with(&[&index[8..16], &index[..8]].concat()).len(), 1);
    assert_eq!(with(&[&index[..], &[0xFF; 8]].concat()).len(), 1);
    assert_eq!(with(&[0; 80]).len(), 1);
    for at in 0..index.len() - 8 {
        let mut wrong = index.clone();
        wrong[at] = wrong[at].wrapping_add(1);
        let splits = with(&wrong);
        // numbers behind the last cut are not looked at
        assert!(splits.len() == 1 || splits == good, "byte {at}");
    }
    // an index of another object
    object.index = Some(InputObject::for_test("a.lzo.index", index.len() as u64).entry);
    let other = lzop_indexed(&noise(5000, 2), &LzopOptions::default()).0;
    object.entry.size = other.len() as u64;
    let objects = vec![("a.lzo", other), ("a.lzo.index", index.clone())];
    let splits = split_object(0, &object, Framing::Lines, 1000, &store(objects));
    assert_eq!(splits.len(), 1);
}

#[test]
fn the_index_is_not_read_where_it_does_not_matter() {
    let object = InputObject {
        index: Some(InputObject::for_test("gone.index", 80).entry),
        ..InputObject::for_test("a.lzo", 1000)
    };
    let gone =
        |_: &ObjectEntry, _: Range<u64>| Err(Error::new(crate::error::ErrorKind::NotFound, "gone"));
    assert_eq!(
        split_object(0, &object, Framing::Thrift, 1000, &gone).len(),
        1
    );
    assert_eq!(
        split_object(0, &object, Framing::Thrift, 100, &gone).len(),
        1
    );
}

#[test]
fn what_lies_behind_a_split_is_asked_for_in_growing_steps() {
    let size = 3_000_000_u64;
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let store = move |_: &ObjectEntry, range: Range<u64>| {
        log.lock().unwrap().push(range.clone());
        Ok(Box::new(std::io::repeat(7).take(range.end - range.start)) as Box<dyn Read + Send>)
    };
    let entry = InputObject::for_test("a", size).entry;
    let mut reader = RangeReader::open(&store, &entry, 100..1000).unwrap();
    let mut out = Vec::new();
    reader.by_ref().take(900).read_to_end(&mut out).unwrap();
    assert_eq!(asked.lock().unwrap().first(), Some(&(100..1000)));
    assert_eq!(asked.lock().unwrap().len(), 1);
    reader.read_to_end(&mut out).unwrap();
    assert_eq!(out.len() as u64, size - 100);
    let steps: Vec<_> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|r| r.end - r.start)
        .collect();
    assert_eq!(
        steps,
        [
            900,
            256 << 10,
            512 << 10,
            1 << 20,
            size - 1000 - 7 * (256 << 10)
        ]
    );
}
