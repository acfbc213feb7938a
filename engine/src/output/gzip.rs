//! One gzip member from blocks that were compressed apart, on any thread.
//!
//! Each block is a raw deflate stream without an end, brought to a byte boundary by a sync flush. Put one after the
//! other, and closed by an empty final block, they are one deflate stream; the checksums of the blocks combine to the
//! checksum of the whole. Every gzip reader sees a plain file of one member.

use crate::error::{Error, Result};
use flate2::{Compress, FlushCompress};
use std::cell::RefCell;

/// Head of a member: deflate, no flags, no time, unknown system, so that the same blocks give the same file.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty final block of fixed codes.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// Output buffers beyond this size are given back after use.
const KEPT_BUFFER: usize = 4 << 20;

/// Checksum and length of the plain bytes of a member, or of a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Checksum {
    hasher: crc32fast::Hasher,
    length: u64,
}

impl Checksum {
    fn of(slices: &[&[u8]]) -> Self {
        let mut checksum = Self::default();
        for slice in slices {
            checksum.hasher.update(slice);
            checksum.length += slice.len() as u64;
        }
        checksum
    }

    /// Adds the block that follows.
    pub(super) fn combine(&mut self, next: &Self) {
        self.hasher.combine(&next.hasher);
        self.length += next.length;
    }

    /// What closes the member: the final block, checksum and length modulo 2^32.
    pub(super) fn trailer(&self) -> [u8; 10] {
        let mut trailer = [0; 10];
        trailer[..2].copy_from_slice(&FINAL_BLOCK);
        trailer[2..6].copy_from_slice(&self.hasher.clone().finalize().to_le_bytes());
        trailer[6..].copy_from_slice(&(self.length as u32).to_le_bytes());
        trailer
    }
}

/// A thread's compressor (about 300 kB, so it is kept) and its output buffer.
#[derive(Default)]
struct Deflater {
    compress: Option<(u32, Compress)>,
    output: Vec<u8>,
}

thread_local! {
    static DEFLATER: RefCell<Deflater> = RefCell::default();
}

/// Compresses the slices as one block and hands it to `write`, with its checksum.
pub(super) fn with_block<T>(
    level: u32,
    slices: &[&[u8]],
    write: impl FnOnce(&[u8], &Checksum) -> Result<T>,
) -> Result<T> {
    // taken out, so that a call inside `write` finds an empty place and not a borrowed one
    let mut deflater = DEFLATER.with(RefCell::take);
    let result = deflater
        .deflate(level, slices)
        .and_then(|()| write(&deflater.output, &Checksum::of(slices)));
    if deflater.output.capacity() > KEPT_BUFFER {
        deflater.output = Vec::new();
    }
    DEFLATER.with(|place| place.replace(deflater));
    result
}

impl Deflater {
    fn deflate(&mut self, level: u32, slices: &[&[u8]]) -> Result<()> {
        let level = level.clamp(1, 9);
        if self
            .compress
            .as_ref()
            .is_none_or(|(made_for, _)| *made_for != level)
        {
            self.compress = Some((level, Compress::new(flate2::Compression::new(level), false)));
        }
        let Some((_, compress)) = &mut self.compress else {
            return Err(Error::internal("no compressor"));
        };
        compress.reset();
        self.output.clear();
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        self.output.reserve((length / 4).clamp(4 << 10, 1 << 20));
        for (index, slice) in slices.iter().enumerate() {
            let flush = if index + 1 == slices.len() {
                FlushCompress::Sync
            } else {
                FlushCompress::None
            };
            let mut done = 0;
            loop {
                let before = compress.total_in();
                compress
                    .compress_vec(&slice[done..], &mut self.output, flush)
                    .map_err(|e| Error::internal("deflate failed").with_source(e))?;
                done += (compress.total_in() - before) as usize;
                // room left means that the flush is complete
                let room = self.output.capacity() - self.output.len();
                if done == slice.len() && (room > 0 || flush == FlushCompress::None) {
                    break;
                }
                // doubling; more than the few bytes of a flush, or it would be begun again and again
                self.output.reserve(self.output.len().max(64 << 10));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::{GzDecoder, MultiGzDecoder};
    use proptest::prelude::*;
    use std::io::Read;

    /// A member from blocks, each of slices.
    fn member(level: u32, blocks: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut file = HEADER.to_vec();
        let mut checksum = Checksum::default();
        for block in blocks {
            let slices: Vec<&[u8]> = block.iter().map(Vec::as_slice).collect();
            with_block(level, &slices, |bytes, sum| {
                file.extend_from_slice(bytes);
                checksum.combine(sum);
                Ok(())
            })
            .unwrap();
        }
        file.extend_from_slice(&checksum.trailer());
        file
    }

    fn assert_one_member(file: &[u8], plain: &[u8]) {
        let mut rest = file;
        let mut bytes = Vec::new();
        GzDecoder::new(&mut rest).read_to_end(&mut bytes).unwrap();
        assert!(rest.is_empty(), "more than one member");
        assert!(bytes == plain);
        let mut again = Vec::new();
        MultiGzDecoder::new(file).read_to_end(&mut again).unwrap();
        assert!(again == plain);
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn blocks_of_all_sizes_make_one_member() {
        let text = b"web\t2018-07-24 10:00:00.000\tpage_view\n".repeat(40_000);
        for level in [1, 6, 9, 0, 99] {
            let blocks = vec![
                vec![text.clone()],
                vec![Vec::new()],
                vec![b"x\n".to_vec(), text[..70_000].to_vec()],
                vec![noise(300_000), noise(1)],
                vec![noise(1 << 20)],
            ];
            let plain: Vec<u8> = blocks.iter().flatten().flatten().copied().collect();
            assert_one_member(&member(level, &blocks), &plain);
        }
        assert_one_member(&member(6, &[]), b"");
    }

    #[test]
    fn a_call_inside_a_call_is_fine() {
        let nested = with_block(6, &[b"outer"], |outer, _| {
            let outer = outer.to_vec();
            with_block(6, &[b"inner"], |inner, _| {
                Ok((outer.clone(), inner.to_vec()))
            })
        });
        let (outer, inner) = nested.unwrap();
        assert_ne!(outer, inner);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(
            blocks in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 1..4), 0..6),
            level in 1u32..10,
        ) {
            let plain: Vec<u8> = blocks.iter().flatten().flatten().copied().collect();
            assert_one_member(&member(level, &blocks), &plain);
        }
    }

    /// The program everybody has must agree with our own reading of the format.
    #[test]
    fn gzip_itself_accepts_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.gz");
        std::fs::write(
            &path,
            member(6, &[vec![noise(5_000)], vec![b"end\n".to_vec()]]),
        )
        .unwrap();
        match std::process::Command::new("gzip")
            .arg("-tv")
            .arg(&path)
            .output()
        {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => println!("SKIPPED: no gzip program"),
        }
    }
}
