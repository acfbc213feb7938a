//! Raw Snappy blocks of Hadoop's `SnappyCodec` (`.snappy`).

use super::hadoop_block::BlockCodec;

/// Unpacks raw Snappy blocks.
pub(crate) struct Snappy;

impl BlockCodec for Snappy {
    const NAME: &'static str = "Snappy";

    fn unpack(&mut self, packed: &[u8], plain: &mut Vec<u8>, room: usize) -> Result<(), String> {
        let length = snap::raw::decompress_len(packed).map_err(|e| e.to_string())?;
        // No Snappy element gives more than 64 bytes for three, so a larger claim is a lie.
        if length > room || length > packed.len().saturating_mul(32) {
            return Err(format!("impossible plain length {length}"));
        }
        plain.resize(length, 0);
        let result = snap::raw::Decoder::new().decompress(packed, plain);
        let got = result.map_err(|e| e.to_string())?;
        plain.truncate(got);
        Ok(())
    }
}
