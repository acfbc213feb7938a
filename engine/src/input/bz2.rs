//! Bzip2 with any number of streams.
//!
//! In: stored bytes. Out: the plain bytes of all streams, as Hadoop's `BZip2Codec` gives them. The checksums of
//! blocks and streams are verified; bytes after the last stream that start no other one are damage.

use std::io::{self, BufRead, Read};

use bzip2::{Decompress, Status};

use super::gzip::take_failure;
use super::stored::{Source, StoredReader};

/// Reader of a `.bz2` object.
pub(crate) struct Bzip2Reader {
    stored: StoredReader,
    state: State,
}

enum State {
    Start { first: bool },
    Inside(Decompress),
    Failed(Option<io::Error>),
}

impl Bzip2Reader {
    /// Reads the streams of `stored`.
    pub(crate) fn new(stored: StoredReader) -> Self {
        Self {
            stored,
            state: State::Start { first: true },
        }
    }

    /// The stored object.
    pub(crate) fn stored(&self) -> &StoredReader {
        &self.stored
    }
}

impl Read for Bzip2Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const PART: &str = "a bzip2 stream";
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Start { first } => {
                    if self.stored.fill_buf()?.is_empty() {
                        if *first {
                            return Err(self.stored.cut(PART));
                        }
                        return Ok(0);
                    }
                    self.state = State::Inside(Decompress::new(false));
                }
                State::Inside(decompress) => {
                    let input = self.stored.fill_buf()?;
                    let ended = input.is_empty();
                    let (before_in, before_out) = (decompress.total_in(), decompress.total_out());
                    let result = decompress.decompress(input, out);
                    let consumed = (decompress.total_in() - before_in) as usize;
                    let produced = (decompress.total_out() - before_out) as usize;
                    self.stored.consume(consumed);
                    match result {
                        Ok(Status::StreamEnd) => self.state = State::Start { first: false },
                        Ok(_) if produced == 0 && ended => return Err(self.stored.cut(PART)),
                        Ok(Status::MemNeeded) => {
                            return Err(io::ErrorKind::OutOfMemory.into());
                        }
                        Ok(_) if produced == 0 && consumed == 0 => {
                            return Err(self
                                .stored
                                .damage(format_args!("no progress inside {PART}")));
                        }
                        Ok(_) => {}
                        Err(e) => {
                            let failure = self.stored.damage(format_args!("{e} inside {PART}"));
                            self.state = State::Failed(Some(failure));
                        }
                    }
                    if produced > 0 {
                        return Ok(produced);
                    }
                }
                State::Failed(error) => return Err(take_failure(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::testing::{Read1, bzip2, decode, decode_all, noise};

    #[test]
    fn streams_follow_each_other() {
        let plain = noise(150_000, 3);
        let mut stored = bzip2(&plain);
        stored.extend(bzip2(b""));
        stored.extend(bzip2(b"tail"));
        let mut want = plain;
        want.extend(b"tail");
        assert_eq!(decode(Codec::Bzip2, &stored).unwrap(), want);
        assert_eq!(decode_all(Codec::Bzip2, Read1::new(&stored)).unwrap(), want);
    }

    #[test]
    fn cuts_checksums_and_garbage_are_found() {
        let stored = bzip2(b"some text, some more text, some text again");
        for cut in 0..stored.len() {
            let damage = decode(Codec::Bzip2, &stored[..cut]).unwrap_err();
            assert_eq!(damage.offset, cut as u64, "{damage}");
        }
        let plain = decode(Codec::Bzip2, &stored).unwrap();
        let mut harmless = 0;
        for at in 0..stored.len() {
            for bit in 0..8 {
                let mut bad = stored.clone();
                bad[at] ^= 1 << bit;
                // lengths of codes that are not used, and the bits after the end, mean nothing
                if let Ok(got) = decode(Codec::Bzip2, &bad) {
                    assert_eq!(got, plain, "byte {at} bit {bit}");
                    harmless += 1;
                }
            }
        }
        assert!(
            harmless < stored.len(),
            "{harmless} of {} bytes",
            stored.len()
        );
        let mut garbage = stored;
        garbage.extend(b"garbage");
        assert!(decode(Codec::Bzip2, &garbage).is_err());
    }
}
