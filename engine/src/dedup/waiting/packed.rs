//! An enriched line while it waits: packed, since half of it is JSON with the same names again and again.

use crate::error::{Error, Result};

/// A packed line (an LZ4 block with its plain length before it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedLine(Box<[u8]>);

impl PackedLine {
    /// Packs a line.
    pub fn of(line: &str) -> Self {
        Self(lz4_flex::block::compress_prepend_size(line.as_bytes()).into_boxed_slice())
    }

    /// A line that was packed before.
    pub fn from_packed(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The packed bytes.
    pub fn packed(&self) -> &[u8] {
        &self.0
    }

    /// The line.
    ///
    /// # Errors
    /// `Internal` when the bytes are not what was packed.
    pub fn unpack(&self) -> Result<String> {
        let broken = || Error::internal("a line that waited is not what was packed");
        let bytes = lz4_flex::block::decompress_size_prepended(&self.0)
            .map_err(|error| broken().with_source(error))?;
        String::from_utf8(bytes).map_err(|error| broken().with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_repetition_costs_little() {
        for line in ["", "x", "a\tb\t\u{1f600}", &"{\"schema\":1}".repeat(100)] {
            assert_eq!(PackedLine::of(line).unpack().unwrap(), line);
        }
        assert!(PackedLine::of(&"ab".repeat(1000)).packed().len() < 100);
    }

    #[test]
    fn other_bytes_are_an_error() {
        let mut packed = PackedLine::of("some line").packed().to_vec();
        packed.truncate(5);
        assert!(PackedLine::from_packed(&packed).unpack().is_err());
        assert!(PackedLine::from_packed(&[]).unpack().is_err());
    }
}
