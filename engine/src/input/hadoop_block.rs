//! Hadoop's block framing, the container of `.snappy`, `.lz4` and `.lzo_deflate`.
//!
//! In: stored bytes: u32 big-endian plain length, then (u32 big-endian packed length, raw block) until that
//! length is reached; repeated to the end of the object. Out: the plain bytes. A plain length of 0 holds
//! nothing. The framing has neither checksum nor end mark, so a cut between two blocks cannot be seen; any
//! other is damage. A raw block is at most 64 MiB; the plain length may be more (one large write of the writer).

use std::io::{self, BufRead, Read};

use super::stored::{Source, StoredReader};

/// Most bytes of one raw block, packed or plain.
pub(crate) const MAX_BLOCK_BYTES: usize = 64 << 20;

/// How one raw block is packed.
pub(crate) trait BlockCodec {
    /// Name for complaints.
    const NAME: &'static str;

    /// Unpacks `packed` into `plain`, replacing what was there, at most `room` bytes (at most
    /// [`MAX_BLOCK_BYTES`]); the complaint if that cannot be done.
    fn unpack(&mut self, packed: &[u8], plain: &mut Vec<u8>, room: usize) -> Result<(), String>;
}

/// Reader of an object in Hadoop's block framing.
pub(crate) struct HadoopBlockReader<C> {
    stored: StoredReader,
    codec: C,
    /// Plain bytes still to come in the present outer block.
    left: u64,
    packed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
}

impl<C: BlockCodec> HadoopBlockReader<C> {
    /// Reads the blocks of `stored`.
    pub(crate) fn new(stored: StoredReader, codec: C) -> Self {
        Self {
            stored,
            codec,
            left: 0,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
        }
    }

    /// The stored object.
    pub(crate) fn stored(&self) -> &StoredReader {
        &self.stored
    }

    /// Reads the next raw block; false at the end of the object.
    fn block(&mut self) -> io::Result<bool> {
        const PART: &str = "a compressed block";
        self.plain.clear();
        self.at = 0;
        while self.left == 0 {
            if self.stored.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let length = self.stored.u32_be(PART)?;
            if self.stored.used() == 4 && length == 0x0422_4D18 {
                return Err(self.stored.damage(
                    "this is an LZ4 frame of the lz4 tool; Hadoop's LZ4 blocks are expected",
                ));
            }
            if i32::try_from(length).is_err() {
                return Err(self
                    .stored
                    .damage(format_args!("impossible block length {length}")));
            }
            self.left = u64::from(length);
        }
        let length = self.stored.u32_be(PART)? as usize;
        if length == 0 || length > MAX_BLOCK_BYTES {
            return Err(self
                .stored
                .damage(format_args!("impossible packed length {length}")));
        }
        self.stored.exact(length, &mut self.packed, PART)?;
        let room = usize::try_from(self.left)
            .unwrap_or(MAX_BLOCK_BYTES)
            .min(MAX_BLOCK_BYTES);
        let result = self.codec.unpack(&self.packed, &mut self.plain, room);
        if let Err(what) = result {
            return Err(self
                .stored
                .damage(format_args!("{} block: {what}", C::NAME)));
        }
        if self.plain.is_empty() {
            return Err(self
                .stored
                .damage(format_args!("{} block without content", C::NAME)));
        }
        self.left = self.left.saturating_sub(self.plain.len() as u64);
        Ok(true)
    }
}

impl<C: BlockCodec> Read for HadoopBlockReader<C> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || (self.at == self.plain.len() && !self.block()?) {
            return Ok(0);
        }
        let n = out.len().min(self.plain.len() - self.at);
        out[..n].copy_from_slice(&self.plain[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::testing::{
        Read1, decode, decode_all, hadoop_blocks, lz4_pack, lzo_pack, noise, snappy_pack,
    };

    type Pack = fn(&[u8]) -> Vec<u8>;
    const CODECS: [(Codec, Pack); 3] = [
        (Codec::Snappy, snappy_pack),
        (Codec::Lz4, lz4_pack),
        (Codec::LzoDeflate, lzo_pack),
    ];

    #[test]
    fn blocks_and_chunks_of_any_size() {
        for (codec, pack) in CODECS {
            for (size, outer, inner) in [(0, 10, 10), (1, 10, 10), (100_000, 30_000, 7_000)] {
                let plain = noise(size, 9);
                let stored = hadoop_blocks(&plain, outer, inner, pack);
                assert_eq!(decode(codec, &stored).unwrap(), plain, "{codec:?} {size}");
                assert_eq!(decode_all(codec, Read1::new(&stored)).unwrap(), plain);
            }
        }
    }

    #[test]
    fn an_empty_block_holds_nothing() {
        let mut stored = hadoop_blocks(b"one", 10, 10, snappy_pack);
        stored.extend([0; 4]);
        stored.extend(hadoop_blocks(b"two", 10, 10, snappy_pack));
        assert_eq!(decode(Codec::Snappy, &stored).unwrap(), b"onetwo");
    }

    #[test]
    fn every_cut_inside_a_block_is_found() {
        for (codec, pack) in CODECS {
            let first = hadoop_blocks(&noise(90, 1), 90, 40, pack).len();
            let stored = hadoop_blocks(&noise(150, 1), 90, 40, pack);
            for cut in 1..stored.len() {
                let result = decode(codec, &stored[..cut]);
                assert_eq!(result.is_ok(), cut == first, "{codec:?} {cut} {result:?}");
            }
        }
    }

    #[test]
    fn hostile_lengths_cost_nothing() {
        for (codec, pack) in CODECS {
            let good = hadoop_blocks(b"hello hello hello", 100, 100, pack);
            for (at, value) in [(0, 0x80), (4, 0x7F), (3, 3)] {
                let mut bad = good.clone();
                bad[at] = value;
                assert!(decode(codec, &bad).is_err(), "{codec:?} {at}");
            }
            let mut empty = good.clone();
            empty[4..8].fill(0);
            let damage = decode(codec, &empty).unwrap_err();
            assert_eq!(damage.what, "impossible packed length 0");
            // a plain length far above what the packed bytes can hold
            let mut large = good;
            large[0] = 0x7F;
            assert!(decode(codec, &large).is_err());
        }
        let damage = decode(Codec::Lz4, &[0x04, 0x22, 0x4D, 0x18, 0, 0, 0, 0]).unwrap_err();
        assert!(damage.what.contains("LZ4 frame"), "{damage}");
    }
}
