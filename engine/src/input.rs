//! Reading: objects of a snapshot become chunks of whole records.
//!
//! In: the stored bytes of an object. Out: [`Chunk`]s of about 1 MiB. Codecs go by the extension of the name, as
//! Hadoop's do; the framing goes by the collector format: text lines, or the containers of raw Thrift records.
//! Damage (cut or wrong compressed data, broken framing, a line over the limit) is an error of kind `Corrupt`
//! with object and stored offset. The records before it are delivered first, so that a job that skips corrupt
//! objects keeps them. Large objects can be read in parts, by several readers: see [`split`].

pub mod snapshot;
mod glob;
pub mod utf8;

mod bz2;
mod deflate;
mod gzip;
mod hadoop_block;
mod lz4;
mod lzo;
mod snappy;
mod stored;

pub mod blocks;
pub mod chunk;
pub mod lines;
pub mod split;

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod testing;

use std::io::{self, Read};

pub use chunk::{Chunk, ChunkKind, Record, Records};
pub use snapshot::{InputObject, Snapshot};
pub use split::{OpenRange, Split};
pub use stored::Damage;
pub use utf8::decode_utf8;

use crate::error::{Error, Result};
use hadoop_block::HadoopBlockReader;
use stored::{Source, StoredReader};

/// How an object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    Plain,
    /// `.gz`
    Gzip,
    /// `.bz2`
    Bzip2,
    /// `.deflate`
    Deflate,
    /// `.lzo`: the container of lzop and of hadoop-lzo's `LzopCodec`
    Lzop,
    /// `.lzo_deflate`: LZO blocks in Hadoop's framing
    LzoDeflate,
    /// `.snappy`: Snappy blocks in Hadoop's framing
    Snappy,
    /// `.lz4`: LZ4 blocks in Hadoop's framing
    Lz4,
}

impl Codec {
    /// The codec of an object with this name, by its extension (case matters, as in Hadoop).
    pub fn from_name(name: &str) -> Self {
        const EXTENSIONS: [(&str, Codec); 7] = [
            (".gz", Codec::Gzip),
            (".bz2", Codec::Bzip2),
            (".deflate", Codec::Deflate),
            (".lzo", Codec::Lzop),
            (".lzo_deflate", Codec::LzoDeflate),
            (".snappy", Codec::Snappy),
            (".lz4", Codec::Lz4),
        ];
        EXTENSIONS
            .iter()
            .find(|(extension, _)| name.ends_with(extension))
            .map_or(Self::Plain, |&(_, codec)| codec)
    }
}

/// What the records of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Text lines.
    Lines,
    /// Thrift records: elephant-bird's binary blocks or Base64 lines, told apart by the first 16 bytes. Only
    /// objects named `.lzo` hold any.
    Thrift,
}

/// Sizes that bound the memory of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a chunk is filled with; it is longer only for a record that is.
    pub chunk_bytes: usize,
    /// Most bytes of a line without its terminator, or of a block.
    pub record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_bytes: 1 << 20,
            record_bytes: 256 << 20,
        }
    }
}

/// The decompressed bytes of an object.
pub(crate) enum Decoder {
    Plain(StoredReader),
    Gzip(Box<gzip::GzipReader>),
    Bzip2(Box<bz2::Bzip2Reader>),
    Deflate(Box<deflate::DeflateReader>),
    Lzop(Box<lzo::LzopReader>),
    LzoDeflate(Box<HadoopBlockReader<lzo::Lzo>>),
    Snappy(Box<HadoopBlockReader<snappy::Snappy>>),
    Lz4(Box<HadoopBlockReader<lz4::Lz4>>),
}

impl Decoder {
    /// Decompresses `stored`.
    pub(crate) fn new(codec: Codec, stored: StoredReader) -> Self {
        match codec {
            Codec::Plain => Self::Plain(stored),
            Codec::Gzip => Self::Gzip(Box::new(gzip::GzipReader::new(stored))),
            Codec::Bzip2 => Self::Bzip2(Box::new(bz2::Bzip2Reader::new(stored))),
            Codec::Deflate => Self::Deflate(Box::new(deflate::DeflateReader::new(stored))),
            Codec::Lzop => Self::Lzop(Box::new(lzo::LzopReader::new(stored))),
            Codec::LzoDeflate => {
                Self::LzoDeflate(Box::new(HadoopBlockReader::new(stored, lzo::Lzo)))
            }
            Codec::Snappy => Self::Snappy(Box::new(HadoopBlockReader::new(stored, snappy::Snappy))),
            Codec::Lz4 => Self::Lz4(Box::new(HadoopBlockReader::new(stored, lz4::Lz4))),
        }
    }

    fn stored(&self) -> &StoredReader {
        match self {
            Self::Plain(stored) => stored,
            Self::Gzip(reader) => reader.stored(),
            Self::Bzip2(reader) => reader.stored(),
            Self::Deflate(reader) => reader.stored(),
            Self::Lzop(reader) => reader.stored(),
            Self::LzoDeflate(reader) => reader.stored(),
            Self::Snappy(reader) => reader.stored(),
            Self::Lz4(reader) => reader.stored(),
        }
    }
}

impl Read for Decoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(out),
            Self::Gzip(reader) => reader.read(out),
            Self::Bzip2(reader) => reader.read(out),
            Self::Deflate(reader) => reader.read(out),
            Self::Lzop(reader) => reader.read(out),
            Self::LzoDeflate(reader) => reader.read(out),
            Self::Snappy(reader) => reader.read(out),
            Self::Lz4(reader) => reader.read(out),
        }
    }
}

impl Source for Decoder {
    fn stored_offset(&self) -> u64 {
        self.stored().used()
    }
}

/// Why an object cannot be read on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is damaged; the rest of it can be skipped.
    Damage(Damage),
    /// Anything else.
    Other(Error),
}

/// The chunks of one object.
pub struct ChunkReader {
    decoder: Decoder,
    object: u32,
    limits: Limits,
    skip_damaged: bool,
    framer: Framer,
}

enum Framer {
    Undecided,
    Ended,
    Lines(lines::LineChunks),
    Blocks(blocks::BlockChunks),
}

impl ChunkReader {
    /// Reads `object`, number `index` of its snapshot, from `stored`, its stored bytes. With `skip_damaged`,
    /// damaged binary blocks are left out and counted.
    pub fn new(
        index: u32,
        object: &InputObject,
        stored: Box<dyn Read + Send>,
        framing: Framing,
        limits: Limits,
        skip_damaged: bool,
    ) -> Self {
        let stored = StoredReader::new(object.name(), object.entry.size, stored);
        Self {
            decoder: Decoder::new(object.codec, stored),
            object: index,
            limits,
            skip_damaged,
            framer: match framing {
                Framing::Lines => {
                    Framer::Lines(lines::LineChunks::new(ChunkKind::Lines, limits, Vec::new()))
                }
                Framing::Thrift => Framer::Undecided,
            },
        }
    }

    /// Reads `split` of `object`, from `stored`, the bytes of the object from the start of the split to its own end. A
    /// part of an object is not for jobs that skip damaged ones: what they keep must not depend on where it is cut.
    pub fn for_split(
        split: &Split,
        object: &InputObject,
        stored: Box<dyn Read + Send>,
        framing: Framing,
        limits: Limits,
        skip_damaged: bool,
    ) -> Self {
        let whole = Self::new(split.object, object, stored, framing, limits, skip_damaged);
        let Some(part) = &split.part else {
            return whole;
        };
        let plain = part.plain.clone();
        let decoder = match whole.decoder {
            Decoder::Lzop(reader) if plain.start > 0 => {
                let stored = reader.into_stored().starting_at(split.stored.start);
                Decoder::Lzop(Box::new(lzo::LzopReader::at_block(stored, part.lzop_flags)))
            }
            Decoder::Plain(stored) => Decoder::Plain(stored.starting_at(split.stored.start)),
            other => other,
        };
        let framer = match part.kind {
            ChunkKind::Blocks => {
                let chunks = blocks::BlockChunks::new(limits, skip_damaged, Vec::new());
                Framer::Blocks(chunks.within(plain))
            }
            kind => Framer::Lines(lines::LineChunks::new(kind, limits, Vec::new()).within(plain)),
        };
        Self {
            decoder,
            framer,
            ..whole
        }
    }

    /// Where the records begin and end; known at the end of a split.
    pub(crate) fn seam(&self) -> split::Seam {
        match &self.framer {
            Framer::Lines(lines) => lines.seam(),
            Framer::Blocks(blocks) => blocks.seam(),
            Framer::Undecided | Framer::Ended => split::Seam {
                first: None,
                end: 0,
            },
        }
    }

    /// The next chunk, in the memory of `buffer` (its content is lost); `None` at the end of the object.
    ///
    /// # Errors
    /// `Corrupt` for damage; `Changed` if the object is not as long as the snapshot says, or if the store says
    /// so; else what the store says. After an error there is nothing more.
    pub fn next_chunk(&mut self, buffer: Vec<u8>) -> Result<Option<Chunk>> {
        self.next_or_failure(buffer)
            .map_err(|failure| match failure {
                Failure::Damage(damage) => {
                    Error::corrupt(self.decoder.stored().name(), damage.offset, damage.what)
                }
                Failure::Other(error) => error,
            })
    }

    /// As [`next_chunk`](Self::next_chunk), with damage apart.
    pub(crate) fn next_or_failure(
        &mut self,
        buffer: Vec<u8>,
    ) -> std::result::Result<Option<Chunk>, Failure> {
        let next = self.next_io(buffer);
        match next {
            Ok(chunk) => Ok(chunk.map(|mut chunk| {
                chunk.object = self.object;
                chunk
            })),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Stored bytes used so far.
    pub fn stored_offset(&self) -> u64 {
        self.decoder.stored_offset()
    }

    /// The damaged blocks that were left out since the last call.
    pub fn take_damaged(&mut self) -> Vec<Damage> {
        match &mut self.framer {
            Framer::Blocks(blocks) => blocks.take_damaged(),
            _ => Vec::new(),
        }
    }

    fn next_io(&mut self, buffer: Vec<u8>) -> io::Result<Option<Chunk>> {
        loop {
            match &mut self.framer {
                Framer::Lines(lines) => return lines.next_chunk(&mut self.decoder, buffer),
                Framer::Blocks(blocks) => return blocks.next_chunk(&mut self.decoder, buffer),
                Framer::Ended => return Ok(None),
                Framer::Undecided => {
                    self.framer = Framer::Ended;
                    let mut head = Vec::with_capacity(blocks::MARKER.len());
                    (&mut self.decoder)
                        .take(blocks::MARKER.len() as u64)
                        .read_to_end(&mut head)?;
                    self.framer = if head == blocks::MARKER {
                        let chunks = blocks::BlockChunks::new(self.limits, self.skip_damaged, head);
                        Framer::Blocks(chunks)
                    } else {
                        let kind = ChunkKind::Base64Lines;
                        Framer::Lines(lines::LineChunks::new(kind, self.limits, head))
                    };
                }
            }
        }
    }

    fn failure(&self, error: io::Error) -> Failure {
        let stored = self.decoder.stored();
        let error = match error.downcast::<Damage>() {
            Ok(damage) => return Failure::Damage(damage),
            Err(error) => error,
        };
        Failure::Other(match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => {
                let place = format!("{} (at stored byte {})", stored.name(), stored.used());
                Error::io(place, error)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{gzip, lzop, serialized_block};
    use super::*;
    use crate::error::ErrorKind;
    use std::io::Cursor;

    #[test]
    fn codecs_go_by_extension() {
        for (name, codec) in [
            ("part-00000", Codec::Plain),
            ("a.txt.gz", Codec::Gzip),
            ("a.GZ", Codec::Plain),
            ("a.bz2", Codec::Bzip2),
            ("a.deflate", Codec::Deflate),
            ("a.lzo", Codec::Lzop),
            ("a.lzo_deflate", Codec::LzoDeflate),
            ("a.lzo.index", Codec::Plain),
            ("a.snappy", Codec::Snappy),
            ("a.lz4", Codec::Lz4),
            ("gz", Codec::Plain),
        ] {
            assert_eq!(Codec::from_name(name), codec, "{name}");
        }
    }

    fn reader(name: &str, stored: &[u8], framing: Framing) -> ChunkReader {
        let object = InputObject::for_test(name, stored.len() as u64);
        let stored = Box::new(Cursor::new(stored.to_vec()));
        ChunkReader::new(3, &object, stored, framing, Limits::default(), false)
    }

    #[test]
    fn thrift_objects_are_told_apart_by_their_first_bytes() {
        let blocks = lzop(&serialized_block(&[b"one", b"two"]));
        let mut chunk = reader("a.lzo", &blocks, Framing::Thrift)
            .next_chunk(Vec::new())
            .unwrap()
            .unwrap();
        assert_eq!((chunk.object, chunk.kind), (3, ChunkKind::Blocks));
        assert_eq!(chunk.records().count(), 2);
        for text in ["bad", "", "QUJD\nQUJD\nQUJDREVG\n"] {
            let mut reader = reader("a.lzo", &lzop(text.as_bytes()), Framing::Thrift);
            let chunk = reader.next_chunk(Vec::new()).unwrap();
            assert_eq!(
                chunk
                    .as_ref()
                    .map(|c| c.bytes.as_slice())
                    .unwrap_or_default(),
                text.as_bytes()
            );
            assert!(chunk.is_none_or(|c| c.kind == ChunkKind::Base64Lines && c.offset == 0));
        }
        let mut cut = reader(
            "a.lzo",
            &lzop(&serialized_block(&[b"x"])[..18]),
            Framing::Thrift,
        );
        assert_eq!(
            cut.next_chunk(Vec::new()).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn errors_name_the_object_and_the_stored_byte() {
        let stored = gzip(b"some lines\nof text\n");
        let mut cut = reader("dir/a.gz", &stored[..25], Framing::Lines);
        let error = loop {
            match cut.next_chunk(Vec::new()) {
                Ok(chunk) => assert!(chunk.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let text = error.to_string();
        assert!(text.contains("dir/a.gz: the object is cut"), "{text}");
        assert!(
            text.ends_with("(at byte 25 of the stored object)"),
            "{text}"
        );
        assert!(cut.next_chunk(Vec::new()).unwrap().is_none());
    }

    /// A reader whose store says that the object changed, then one that breaks.
    struct Breaking(Option<io::Error>);

    impl Read for Breaking {
        fn read(&mut self, _out: &mut [u8]) -> io::Result<usize> {
            Err(self
                .0
                .take()
                .unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[test]
    fn what_the_store_says_passes_through() {
        let object = InputObject::for_test("a", 10);
        let changed = Error::new(ErrorKind::Changed, "another ETag");
        for (stored, kind) in [
            (
                Breaking(Some(io::Error::other(changed))),
                ErrorKind::Changed,
            ),
            (Breaking(None), ErrorKind::Timeout),
        ] {
            let limits = Limits::default();
            let framing = Framing::Lines;
            let mut reader = ChunkReader::new(0, &object, Box::new(stored), framing, limits, true);
            let error = reader.next_chunk(Vec::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
