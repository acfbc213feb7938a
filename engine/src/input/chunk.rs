//! A chunk: about 1 MiB of whole records from one object, the unit that travels from readers to workers.
//!
//! In: what the framing cut. Out: the records with their places. The place of a record is (object, offset,
//! index): the offset in the decompressed object of its line or block, and its number in the block. Places do
//! not depend on how an object was cut into chunks.

use super::blocks::BlockRecords;
use super::lines::Lines;
use crate::text::base64;

/// How the records lie in the bytes of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Text lines; every line is a record, the empty ones too.
    Lines,
    /// Text lines, each the Base64 form of a record; empty lines are none.
    Base64Lines,
    /// Elephant-bird's binary blocks.
    Blocks,
}

/// Whole records of one object.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Which object of the snapshot.
    pub object: u32,
    /// Bytes of the decompressed object before this chunk.
    pub offset: u64,
    /// The bytes as the object holds them, with line terminators or block frames.
    pub bytes: Vec<u8>,
    /// How the records lie in `bytes`.
    pub kind: ChunkKind,
    decoded: Option<Decoded>,
}

/// One record, without terminator or frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Bytes of the decompressed object before the record's line or block.
    pub offset: u64,
    /// Number of the record in its block; 0 for lines.
    pub index: u32,
    /// The record.
    pub bytes: &'a [u8],
}

/// The records of Base64 lines.
#[derive(Debug, Clone, Default)]
struct Decoded {
    bytes: Vec<u8>,
    /// Offset of the line in the object, end of the record in `bytes`.
    records: Vec<(u64, usize)>,
    undecodable: u64,
}

impl Chunk {
    /// A chunk whose `bytes` are whole records of `kind`.
    pub fn new(object: u32, offset: u64, bytes: Vec<u8>, kind: ChunkKind) -> Self {
        Self {
            object,
            offset,
            bytes,
            kind,
            decoded: None,
        }
    }

    /// The records in order. Base64 is decoded at the first call, hence the exclusive borrow.
    pub fn records(&mut self) -> Records<'_> {
        if self.kind == ChunkKind::Base64Lines && self.decoded.is_none() {
            self.decoded = Some(Decoded::from_lines(Lines::new(self.offset, &self.bytes)));
        }
        Records(match (&self.decoded, self.kind) {
            (Some(decoded), _) => Inner::Decoded {
                bytes: &decoded.bytes,
                start: 0,
                records: decoded.records.iter(),
            },
            (None, ChunkKind::Blocks) => Inner::Blocks(BlockRecords::new(self.offset, &self.bytes)),
            (None, _) => Inner::Lines(Lines::new(self.offset, &self.bytes)),
        })
    }

    /// The lines in order, not decoded; meaningless for blocks.
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(self.offset, &self.bytes)
    }

    /// Base64 lines of which nothing could be decoded; known after [`records`](Self::records).
    pub fn undecodable(&self) -> u64 {
        self.decoded.as_ref().map_or(0, |d| d.undecodable)
    }
}

impl Decoded {
    fn from_lines(lines: Lines<'_>) -> Self {
        let mut decoded = Self::default();
        for line in lines.filter(|line| !line.bytes.is_empty()) {
            let record = base64::decode_lenient(line.bytes);
            if record.is_empty() {
                decoded.undecodable += 1;
                continue;
            }
            decoded.bytes.extend_from_slice(&record);
            decoded.records.push((line.offset, decoded.bytes.len()));
        }
        decoded
    }
}

/// The records of a chunk in order.
#[derive(Debug, Clone)]
pub struct Records<'a>(Inner<'a>);

#[derive(Debug, Clone)]
enum Inner<'a> {
    Lines(Lines<'a>),
    Blocks(BlockRecords<'a>),
    Decoded {
        bytes: &'a [u8],
        start: usize,
        records: std::slice::Iter<'a, (u64, usize)>,
    },
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        match &mut self.0 {
            Inner::Lines(lines) => lines.next(),
            Inner::Blocks(records) => records.next(),
            Inner::Decoded {
                bytes,
                start,
                records,
            } => {
                let &(offset, end) = records.next()?;
                let record = bytes.get(*start..end)?;
                *start = end;
                Some(Record {
                    offset,
                    index: 0,
                    bytes: record,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_lines_are_records_once_and_again() {
        // "bad" is the reference's own case: three characters are two bytes
        let text = b"AAEC\r\n\n!!!\nbad\nZm9v".to_vec();
        let mut chunk = Chunk::new(0, 100, text, ChunkKind::Base64Lines);
        for _ in 0..2 {
            let records: Vec<_> = chunk
                .records()
                .map(|r| (r.offset, r.bytes.to_vec()))
                .collect();
            assert_eq!(
                records,
                [
                    (100, vec![0, 1, 2]),
                    (111, vec![0x6D, 0xA7]),
                    (115, b"foo".to_vec()),
                ]
            );
        }
        assert_eq!(chunk.undecodable(), 1);
        assert_eq!(chunk.lines().count(), 5);
    }
}
