//! Hadoop's `.deflate`: zlib streams (RFC 1950), one after another.
//!
//! In: stored bytes. Out: the plain bytes, as Hadoop's `DefaultCodec` gives them; the Adler-32 checksum of
//! each stream is verified.

use std::io::{self, BufRead, Read};

use flate2::Decompress;

use super::gzip::{Outcome, inflate, take_failure};
use super::stored::StoredReader;

/// Reader of a `.deflate` object.
pub(crate) struct DeflateReader {
    stored: StoredReader,
    inflate: Decompress,
    state: State,
}

enum State {
    Inside,
    Between,
    Failed(Option<io::Error>),
}

impl DeflateReader {
    /// Reads the zlib streams of `stored`.
    pub(crate) fn new(stored: StoredReader) -> Self {
        Self {
            stored,
            inflate: Decompress::new(true),
            state: State::Inside,
        }
    }

    /// The stored object.
    pub(crate) fn stored(&self) -> &StoredReader {
        &self.stored
    }
}

impl Read for DeflateReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Inside => {
                    let step = inflate(&mut self.stored, &mut self.inflate, out, "a zlib stream")?;
                    match step.outcome {
                        Outcome::More => {}
                        Outcome::End => self.state = State::Between,
                        Outcome::Failed(e) => self.state = State::Failed(Some(e)),
                    }
                    if step.produced > 0 {
                        return Ok(step.produced);
                    }
                }
                State::Between => {
                    if self.stored.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.inflate.reset(true);
                    self.state = State::Inside;
                }
                State::Failed(error) => return Err(take_failure(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::testing::{Read1, decode, decode_all, noise, zlib};

    #[test]
    fn streams_follow_each_other() {
        let plain = noise(200_000, 3);
        let mut stored = zlib(&plain);
        stored.extend(zlib(b""));
        stored.extend(zlib(b"tail"));
        let mut want = plain;
        want.extend(b"tail");
        assert_eq!(decode(Codec::Deflate, &stored).unwrap(), want);
        assert_eq!(
            decode_all(Codec::Deflate, Read1::new(&stored)).unwrap(),
            want
        );
    }

    #[test]
    fn cuts_checksums_and_garbage_are_found() {
        let stored = zlib(b"some text, some more text, some text again");
        for cut in 0..stored.len() {
            let damage = decode(Codec::Deflate, &stored[..cut]).unwrap_err();
            assert_eq!(damage.offset, cut as u64, "{damage}");
        }
        let mut bad = stored.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(decode(Codec::Deflate, &bad).is_err());
        let mut garbage = stored;
        garbage.extend(b"garbage");
        assert!(decode(Codec::Deflate, &garbage).is_err());
    }
}
