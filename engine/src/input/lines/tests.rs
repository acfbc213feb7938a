//! Lines and their terminators across the borders of chunks.

use super::super::stored::{Damage, Source};
use super::super::testing::Read1;
use super::*;
use proptest::prelude::*;
use std::io::{Cursor, Read};

impl Source for Cursor<Vec<u8>> {
    fn stored_offset(&self) -> u64 {
        self.position()
    }
}

impl Source for Read1 {
    fn stored_offset(&self) -> u64 {
        0
    }
}

/// Some bytes, then a failure.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(self.damage("broken")),
            n => Ok(n),
        }
    }
}

impl Source for Failing {
    fn stored_offset(&self) -> u64 {
        self.0.position()
    }
}

fn limits(chunk_bytes: usize, record_bytes: usize) -> Limits {
    Limits {
        chunk_bytes,
        record_bytes,
    }
}

type Places = Vec<(u64, Vec<u8>)>;

/// All lines of `source`, and how it ended.
fn read(source: &mut impl Source, limits: Limits) -> (Places, Option<Damage>) {
    let mut chunks = LineChunks::new(ChunkKind::Lines, limits, Vec::new());
    let mut lines = Vec::new();
    let mut buffer = Vec::new();
    loop {
        match chunks.next_chunk(source, std::mem::take(&mut buffer)) {
            Ok(None) => return (lines, None),
            Ok(Some(chunk)) => {
                assert!(!chunk.bytes.is_empty());
                lines.extend(chunk.lines().map(|l| (l.offset, l.bytes.to_vec())));
                buffer = chunk.bytes;
            }
            Err(e) => return (lines, Some(e.downcast::<Damage>().unwrap())),
        }
    }
}

/// Byte by byte, as the rule is written down.
fn naive(bytes: &[u8]) -> Places {
    let mut at = if bytes.starts_with(&BYTE_ORDER_MARK) {
        3
    } else {
        0
    };
    let mut lines = Vec::new();
    let (mut start, mut line) = (at, Vec::new());
    while at < bytes.len() {
        match bytes[at] {
            b'\n' | b'\r' => {
                let pair = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
                at += 1 + usize::from(pair);
                lines.push((start as u64, std::mem::take(&mut line)));
                start = at;
            }
            byte => {
                line.push(byte);
                at += 1;
            }
        }
    }
    if !line.is_empty() {
        lines.push((start as u64, line));
    }
    lines
}

#[test]
fn the_rules_one_by_one() {
    let cases: [(&[u8], &[&str]); 15] = [
        (b"", &[]),
        (b"\n", &[""]),
        (b"\r", &[""]),
        (b"\r\n", &[""]),
        (b"\n\r", &["", ""]),
        (b"\r\r\n\n", &["", "", ""]),
        (b"a", &["a"]),
        (b"a\n", &["a"]),
        (b"a\r", &["a"]),
        (b"a\r\n", &["a"]),
        (b"a\nb\rc\r\nd", &["a", "b", "c", "d"]),
        (b"a\n\nb", &["a", "", "b"]),
        (b"\xEF\xBB\xBF", &[]),
        (b"\xEF\xBB\xBFa\n\xEF\xBB\xBFb", &["a", "\u{feff}b"]),
        (b"\xEF\xBBa", &["\u{fffd}a"]),
    ];
    for (bytes, want) in cases {
        for size in 1..8 {
            let mut source = Cursor::new(bytes.to_vec());
            let (lines, damage) = read(&mut source, limits(size, 100));
            assert_eq!(damage, None);
            assert_eq!(lines, naive(bytes), "{bytes:?}");
            let texts: Vec<_> = lines
                .iter()
                .map(|(_, line)| String::from_utf8_lossy(line).into_owned())
                .collect();
            assert_eq!(texts, want, "{bytes:?} in chunks of {size}");
        }
    }
}

proptest! {
    #[test]
    fn no_cut_shows(
        bytes in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(0xEF), Just(0xBB), any::<u8>()],
            0..200,
        ),
        mark in any::<bool>(),
        chunk in 1_usize..64,
    ) {
        let bytes = if mark { [&BYTE_ORDER_MARK[..], &bytes].concat() } else { bytes };
        let want = naive(&bytes);
        let (lines, damage) = read(&mut Cursor::new(bytes.clone()), limits(chunk, 1000));
        prop_assert_eq!(damage, None);
        prop_assert_eq!(&lines, &want);
        let (lines, _) = read(&mut Read1::new(&bytes), limits(chunk, 1000));
        prop_assert_eq!(&lines, &want);
    }

    #[test]
    fn the_limit_is_exact_whatever_the_chunks(
        lengths in proptest::collection::vec(0_usize..40, 1..12),
        end in prop_oneof![Just("\n"), Just("\r"), Just("\r\n")],
        limit in 1_usize..40,
        chunk in 1_usize..200,
    ) {
        let text: String = lengths.iter().map(|&n| "x".repeat(n) + end).collect();
        let (lines, damage) = read(&mut Cursor::new(text.into_bytes()), limits(chunk, limit));
        let fine = lengths.iter().take_while(|&&n| n <= limit).count();
        prop_assert_eq!(lines.len(), fine);
        prop_assert_eq!(damage.is_some(), fine < lengths.len());
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    let limit = 300_000;
    for end in ["", "\n", "\r", "\r\n"] {
        let text = |n: usize| format!("first\n{}{end}", "y".repeat(n)).into_bytes();
        let (lines, damage) = read(&mut Cursor::new(text(limit)), limits(1000, limit));
        assert_eq!(damage, None, "{end:?}");
        assert_eq!(lines[1].1.len(), limit);
        let (lines, damage) = read(&mut Cursor::new(text(limit + 1)), limits(1000, limit));
        assert_eq!(lines.len(), 1, "the line before stays");
        let what = damage.unwrap().what;
        assert_eq!(
            what,
            "the line that begins at byte 6 of the decompressed object is longer than 300000 bytes"
        );
    }
}

#[test]
fn memory_follows_the_limit_not_the_line() {
    let mut endless = Endless(0);
    let (lines, damage) = read(&mut endless, limits(1 << 10, 1 << 20));
    assert!(lines.is_empty() && damage.is_some());
    assert!(endless.0 <= (1 << 20) + 2, "read {} bytes", endless.0);
}

struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        out.fill(b'x');
        self.0 += out.len();
        Ok(out.len())
    }
}

impl Source for Endless {
    fn stored_offset(&self) -> u64 {
        0
    }
}

#[test]
fn lines_before_a_failure_stay_and_a_half_line_does_not() {
    for size in [1, 5, 8, 100] {
        let mut source = Failing(Cursor::new(b"one\ntwo\nthr".to_vec()));
        let (lines, damage) = read(&mut source, limits(size, 100));
        assert_eq!(lines.len(), 2, "chunks of {size}");
        assert_eq!(damage.unwrap().what, "broken");
    }
}

#[test]
fn after_a_failure_comes_nothing() {
    let mut source = Failing(Cursor::new(b"one\ntwo".to_vec()));
    let mut chunks = LineChunks::new(ChunkKind::Lines, limits(100, 100), Vec::new());
    assert!(
        chunks
            .next_chunk(&mut source, Vec::new())
            .unwrap()
            .is_some()
    );
    assert!(chunks.next_chunk(&mut source, Vec::new()).is_err());
    assert!(
        chunks
            .next_chunk(&mut source, Vec::new())
            .unwrap()
            .is_none()
    );
}
