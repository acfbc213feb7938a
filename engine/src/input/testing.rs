//! Writers of every container, and readers that behave badly, for the tests of this module and of `exec`.

use std::io::{self, Read, Write};

use super::stored::{Damage, StoredReader};
use super::{Codec, Decoder, lzo};

/// Bytes that hardly compress, the same for the same `seed`.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// One gzip member.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// One zlib stream.
pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// One bzip2 stream.
pub(crate) fn bzip2(plain: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn snappy_pack(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).unwrap()
}

pub(crate) fn lz4_pack(plain: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(plain)
}

pub(crate) fn lzo_pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; lzallright::worst_case_len(plain.len())];
    let length = lzallright::compress(plain, &mut packed, &mut lzallright::Dict::new()).unwrap();
    packed.truncate(length);
    packed
}

/// Hadoop's block framing: outer blocks of `outer` plain bytes, packed in chunks of `inner` plain bytes.
pub(crate) fn hadoop_blocks(
    plain: &[u8],
    outer: usize,
    inner: usize,
    pack: fn(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut stored = Vec::new();
    for block in plain.chunks(outer) {
        stored.extend((block.len() as u32).to_be_bytes());
        for chunk in block.chunks(inner) {
            let packed = pack(chunk);
            stored.extend((packed.len() as u32).to_be_bytes());
            stored.extend(packed);
        }
    }
    stored
}

/// What the lzop writer puts into the header.
pub(crate) struct LzopOptions {
    pub(crate) flags: u32,
    pub(crate) version: u16,
    pub(crate) needed: u16,
    pub(crate) method: u8,
    pub(crate) filter: Option<u32>,
    pub(crate) block: usize,
}

impl Default for LzopOptions {
    fn default() -> Self {
        Self {
            flags: 1,
            version: 0x1010,
            needed: 0x0940,
            method: 1,
            filter: None,
            block: 256 * 1024,
        }
    }
}

/// A lzop container as the lzop tool writes it by default.
pub(crate) fn lzop(plain: &[u8]) -> Vec<u8> {
    lzop_with(plain, &LzopOptions::default())
}

/// A lzop container.
pub(crate) fn lzop_with(plain: &[u8], options: &LzopOptions) -> Vec<u8> {
    lzop_indexed(plain, options).0
}

/// A lzop container, and hadoop-lzo's index of it.
pub(crate) fn lzop_indexed(plain: &[u8], options: &LzopOptions) -> (Vec<u8>, Vec<u8>) {
    let mut index = Vec::new();
    let modern = options.version >= 0x0940;
    let flags = options.flags | options.filter.map_or(0, |_| 0x800);
    let mut header = Vec::new();
    header.extend(options.version.to_be_bytes());
    header.extend(0x20A0_u16.to_be_bytes());
    if modern {
        header.extend(options.needed.to_be_bytes());
    }
    header.push(options.method);
    if modern {
        header.push(5);
    }
    header.extend(flags.to_be_bytes());
    if let Some(filter) = options.filter {
        header.extend(filter.to_be_bytes());
    }
    header.extend(0o100_644_u32.to_be_bytes());
    header.extend(1_000_000_000_u32.to_be_bytes());
    if modern {
        header.extend(0_u32.to_be_bytes());
    }
    header.push(4);
    header.extend(b"name");
    let checksum = |bytes: &[u8]| {
        if flags & 0x1000 == 0 {
            lzo::adler32(bytes)
        } else {
            crc32fast::hash(bytes)
        }
    };
    let mut stored = lzo::MAGIC.to_vec();
    stored.extend(&header);
    stored.extend(checksum(&header).to_be_bytes());
    if flags & 0x40 != 0 {
        let field = [0, 0, 0, 3, 7, 8, 9];
        stored.extend(field);
        stored.extend(checksum(&field).to_be_bytes());
    }
    for block in plain.chunks(options.block) {
        let mut packed = lzo_pack(block);
        let compressed = packed.len() < block.len();
        if !compressed {
            packed = block.to_vec();
        }
        index.extend((stored.len() as u64).to_be_bytes());
        stored.extend((block.len() as u32).to_be_bytes());
        stored.extend((packed.len() as u32).to_be_bytes());
        for (flag, sum) in [(0x1, lzo::adler32(block)), (0x100, crc32fast::hash(block))] {
            if flags & flag != 0 {
                stored.extend(sum.to_be_bytes());
            }
        }
        for (flag, sum) in [
            (0x2, lzo::adler32(&packed)),
            (0x200, crc32fast::hash(&packed)),
        ] {
            if flags & flag != 0 && compressed {
                stored.extend(sum.to_be_bytes());
            }
        }
        stored.extend(packed);
    }
    stored.extend([0; 4]);
    (stored, index)
}

/// A reader that gives one byte at a time, and an interruption now and then.
pub(crate) struct Read1 {
    bytes: Vec<u8>,
    at: usize,
    calls: usize,
}

impl Read1 {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
            calls: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Read for Read1 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.at == self.bytes.len() || out.is_empty() {
            return Ok(0);
        }
        out[0] = self.bytes[self.at];
        self.at += 1;
        Ok(1)
    }
}

/// The plain bytes of `stored`, or the damage.
pub(crate) fn decode(codec: Codec, stored: &[u8]) -> Result<Vec<u8>, Damage> {
    let inner = Box::new(io::Cursor::new(stored.to_vec()));
    let reader = StoredReader::new("object".to_owned(), stored.len() as u64, inner);
    drain(Decoder::new(codec, reader), 10_007)
}

/// The same, with stored bytes coming one at a time and a small output buffer.
pub(crate) fn decode_all(codec: Codec, stored: Read1) -> Result<Vec<u8>, Damage> {
    let reader = StoredReader::new("object".to_owned(), stored.len(), Box::new(stored));
    drain(Decoder::new(codec, reader), 3)
}

fn drain(mut decoder: Decoder, buffer: usize) -> Result<Vec<u8>, Damage> {
    let mut plain = Vec::new();
    let mut part = vec![0; buffer];
    loop {
        match decoder.read(&mut part) {
            Ok(0) => {
                assert_eq!(decoder.read(&mut part).unwrap(), 0, "the end is the end");
                return Ok(plain);
            }
            Ok(n) => plain.extend_from_slice(&part[..n]),
            Err(e) => return Err(e.downcast::<Damage>().unwrap()),
        }
    }
}

/// An elephant-bird block with these blobs.
pub(crate) fn serialized_block(blobs: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![8, 1, 18, 6];
    message.extend(b"byte[]");
    for blob in blobs {
        message.push(26);
        let mut length = blob.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(*blob);
    }
    framed_block(&message)
}

/// Marker, length and `message`.
pub(crate) fn framed_block(message: &[u8]) -> Vec<u8> {
    let mut block = super::blocks::MARKER.to_vec();
    block.extend((message.len() as i32).to_le_bytes());
    block.extend(message);
    block
}
