//! Raw LZ4 blocks of Hadoop's `Lz4Codec` (`.lz4`).

use super::hadoop_block::BlockCodec;

/// Unpacks raw LZ4 blocks.
pub(crate) struct Lz4;

impl BlockCodec for Lz4 {
    const NAME: &'static str = "LZ4";

    fn unpack(&mut self, packed: &[u8], plain: &mut Vec<u8>, room: usize) -> Result<(), String> {
        // One byte of a length extends a match by at most 255, so no block gives more than this.
        let most = packed.len().saturating_mul(255).saturating_add(64);
        plain.resize(room.min(most), 0);
        let result = lz4_flex::block::decompress_into(packed, plain);
        let got = result.map_err(|e| e.to_string())?;
        plain.truncate(got);
        Ok(())
    }
}
