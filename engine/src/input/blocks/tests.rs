//! Containers of binary blocks: whole, damaged and hostile.

use super::super::testing::{Read1, framed_block, noise, serialized_block};
use super::*;
use std::io::Cursor;

fn limits(chunk_bytes: usize) -> Limits {
    Limits {
        chunk_bytes,
        record_bytes: 1 << 20,
    }
}

type Places = Vec<(u64, u32, Vec<u8>)>;

fn read(
    source: &mut impl Source,
    limits: Limits,
    skip: bool,
) -> (Places, Vec<Damage>, Option<Damage>) {
    let mut chunks = BlockChunks::new(limits, skip, Vec::new());
    let (mut records, mut skipped) = (Vec::new(), Vec::new());
    let mut buffer = Vec::new();
    loop {
        let next = chunks.next_chunk(source, std::mem::take(&mut buffer));
        skipped.extend(chunks.take_damaged());
        match next {
            Ok(None) => return (records, skipped, None),
            Ok(Some(mut chunk)) => {
                records.extend(
                    chunk
                        .records()
                        .map(|r| (r.offset, r.index, r.bytes.to_vec())),
                );
                buffer = chunk.bytes;
            }
            Err(e) => return (records, skipped, Some(e.downcast::<Damage>().unwrap())),
        }
    }
}

fn read_bytes(bytes: &[u8], chunk: usize, skip: bool) -> (Places, Vec<Damage>, Option<Damage>) {
    read(&mut Cursor::new(bytes.to_vec()), limits(chunk), skip)
}

#[test]
fn blobs_have_the_place_of_their_block_and_their_number() {
    let first = serialized_block(&[b"one", b"", b"two"]);
    let second = serialized_block(&[&noise(300, 1)]);
    let empty = serialized_block(&[]);
    let mut bytes = first.clone();
    bytes.extend(&empty);
    bytes.extend(&second);
    bytes.extend(framed_block(&[]));
    let want = vec![
        (0, 0, b"one".to_vec()),
        (0, 2, b"two".to_vec()),
        ((first.len() + empty.len()) as u64, 0, noise(300, 1)),
    ];
    for chunk in [1, 20, 50, 400, 10_000] {
        let (records, skipped, damage) = read_bytes(&bytes, chunk, false);
        assert_eq!((skipped.len(), damage), (0, None));
        assert_eq!(records, want, "chunks of {chunk}");
        let (records, ..) = read(&mut Read1::new(&bytes), limits(chunk), false);
        assert_eq!(records, want);
    }
}

#[test]
fn fields_that_are_not_known_are_skipped() {
    let message = [
        &[8, 1][..],                     // version
        &[0x21, 1, 2, 3, 4, 5, 6, 7, 8], // field 4, 64 bits
        &[0x2D, 1, 2, 3, 4],             // field 5, 32 bits
        &[26, 2, b'o', b'k'],            // a blob
        &[24, 7],                        // field 3 as a number: not a blob
        &[0xFA, 0x7F, 1, b'x'],          // field 2047, bytes
        &[26, 3, b'e', b'n', b'd'],      // a blob
    ]
    .concat();
    let (records, _, damage) = read_bytes(&framed_block(&message), 100, false);
    assert_eq!(damage, None);
    let blobs: Vec<_> = records.iter().map(|(_, i, b)| (*i, b.as_slice())).collect();
    assert_eq!(blobs, [(0, &b"ok"[..]), (1, &b"end"[..])]);
}

#[test]
fn every_cut_is_found() {
    let first = serialized_block(&[b"one", b"two"]);
    let mut bytes = first.clone();
    bytes.extend(serialized_block(&[b"three"]));
    for cut in 1..bytes.len() {
        for chunk in [1, 30, 1000] {
            let (records, _, damage) = read_bytes(&bytes[..cut], chunk, false);
            assert_eq!(damage.is_none(), cut == first.len(), "{cut}");
            assert_eq!(records.len(), if cut < first.len() { 0 } else { 2 });
        }
    }
}

#[test]
fn damaged_messages_say_what_is_wrong() {
    let cases: [(&[u8], &str); 7] = [
        (&[26, 5, 1], "a field is cut"),
        (&[8], "a number is cut"),
        (
            &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            "a number is too long",
        ),
        (&[2, 0], "impossible field number"),
        (&[0x23], "unknown wire type"),
        (
            &[26, 255, 255, 255, 255, 255, 255, 255, 255, 127],
            "a field is cut",
        ),
        (
            &[0xFA, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0],
            "impossible field number",
        ),
    ];
    for (message, what) in cases {
        let (records, _, damage) = read_bytes(&framed_block(message), 100, false);
        assert!(records.is_empty());
        let damage = damage.unwrap();
        assert!(damage.what.contains(what), "{message:?}: {damage}");
    }
    let mut negative = framed_block(&[8, 1]);
    negative[19] = 0x80;
    let (.., damage) = read_bytes(&negative, 100, false);
    assert!(
        damage
            .unwrap()
            .what
            .contains("impossible block length -2147483646")
    );
    let mut large = framed_block(&[8, 1]);
    large[18] = 0x70;
    let (.., damage) = read_bytes(&large, 100, false);
    assert!(
        damage
            .unwrap()
            .what
            .contains("impossible block length 7340034")
    );
}

#[test]
fn a_damaged_block_is_skipped_and_counted_if_so_wished() {
    let good = |text: &str| serialized_block(&[text.as_bytes()]);
    let mut bytes = good("one");
    let place = bytes.len();
    bytes.extend(framed_block(&[26, 200, 1, 1]));
    bytes.extend(good("two"));
    bytes.extend(b"garbage between blocks, longer than a marker");
    bytes.extend(good("three"));
    // a length that swallows the rest of the object
    let mut long = framed_block(&[]);
    long[17] = 0x40;
    bytes.extend(long);
    bytes.extend(good("four"));
    for chunk in [1, 33, 64, 100, 5000] {
        let (records, skipped, damage) = read_bytes(&bytes, chunk, true);
        assert_eq!(damage, None);
        let texts: Vec<_> = records
            .iter()
            .map(|(_, _, b)| String::from_utf8_lossy(b).into_owned())
            .collect();
        assert_eq!(texts, ["one", "two", "three", "four"], "chunks of {chunk}");
        assert_eq!(skipped.len(), 3);
        assert!(
            skipped[0]
                .what
                .contains(&format!("byte {place} of the decompressed"))
        );
        let (records, skipped, damage) = read_bytes(&bytes, chunk, false);
        assert_eq!((records.len(), skipped.len()), (1, 0));
        assert!(damage.unwrap().what.contains("a field is cut"));
    }
}

#[test]
fn an_object_of_nothing_but_damage_ends() {
    let bytes = framed_block(&[255]).repeat(5000);
    let (records, skipped, damage) = read_bytes(&bytes, 1000, true);
    assert!(records.is_empty());
    assert_eq!(skipped.len(), MOST_DAMAGED);
    assert!(damage.unwrap().what.contains("too many damaged blocks"));
}

#[test]
fn any_bytes_are_survived() {
    for seed in 0..200 {
        let mut bytes = serialized_block(&[&noise(40, seed)]).repeat(6);
        for (i, n) in noise(6, seed + 1000).into_iter().enumerate() {
            let at = (usize::from(n) * 7 + i * 31) % bytes.len();
            bytes[at] = bytes[at].wrapping_add(n | 1);
        }
        for skip in [false, true] {
            let (records, ..) = read_bytes(&bytes, 64, skip);
            assert!(records.len() <= 12);
        }
    }
}
