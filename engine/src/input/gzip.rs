//! Gzip (RFC 1952) with any number of members.
//!
//! In: stored bytes. Out: the plain bytes of all members, one after another, as Hadoop's `GzipCodec` and the
//! gzip tool give them. Checksum and length of each member are verified. Zero bytes after the last member are
//! padding (as for the gzip tool); anything else there is damage (as for Hadoop). An object of no bytes at all
//! is a cut object: a writer that had nothing to say still writes a header and a trailer.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::stored::{Source, StoredReader};

const FLAG_HEADER_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;
const FLAGS_RESERVED: u8 = 0xE0;

/// Reader of a gzip object.
pub(crate) struct GzipReader {
    stored: StoredReader,
    inflate: Decompress,
    crc: crc32fast::Hasher,
    length: u32,
    part: Part,
}

/// What comes next in the stored bytes.
enum Part {
    FirstHeader,
    Body,
    Trailer,
    NextHeader,
    End,
    Failed(Option<io::Error>),
}

impl GzipReader {
    /// Reads the members of `stored`.
    pub(crate) fn new(stored: StoredReader) -> Self {
        Self {
            stored,
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            length: 0,
            part: Part::FirstHeader,
        }
    }

    /// The stored object.
    pub(crate) fn stored(&self) -> &StoredReader {
        &self.stored
    }

    fn header(&mut self) -> io::Result<()> {
        const PART: &str = "a gzip header";
        let stored = &mut self.stored;
        let fixed: [u8; 10] = stored.array(PART)?;
        if fixed[..2] != [0x1F, 0x8B] {
            return Err(stored.damage("no gzip member where one must start"));
        }
        if fixed[2] != 8 {
            return Err(stored.damage(format_args!("unknown gzip method {}", fixed[2])));
        }
        let flags = fixed[3];
        if flags & FLAGS_RESERVED != 0 {
            return Err(stored.damage("reserved flags in a gzip header"));
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&fixed);
        if flags & FLAG_EXTRA != 0 {
            let length: [u8; 2] = stored.array(PART)?;
            crc.update(&length);
            let mut extra = Vec::new();
            stored.exact(usize::from(u16::from_le_bytes(length)), &mut extra, PART)?;
            crc.update(&extra);
        }
        for _ in [FLAG_NAME, FLAG_COMMENT].iter().filter(|&f| flags & f != 0) {
            let mut byte = 1;
            while byte != 0 {
                byte = stored.byte(PART)?;
                crc.update(&[byte]);
            }
        }
        if flags & FLAG_HEADER_CRC != 0 {
            let want = u16::from_le_bytes(stored.array(PART)?);
            if crc.finalize() & 0xFFFF != u32::from(want) {
                return Err(stored.damage("wrong checksum of a gzip header"));
            }
        }
        self.inflate.reset(false);
        self.crc.reset();
        self.length = 0;
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let trailer: [u8; 8] = self.stored.array("a gzip trailer")?;
        let [a, b, c, d, e, f, g, h] = trailer;
        if u32::from_le_bytes([a, b, c, d]) != self.crc.clone().finalize() {
            return Err(self.stored.damage("wrong checksum of a gzip member"));
        }
        if u32::from_le_bytes([e, f, g, h]) != self.length {
            return Err(self.stored.damage("wrong length of a gzip member"));
        }
        Ok(())
    }

    /// Plain bytes of the member; none at its end.
    fn body(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let step = inflate(&mut self.stored, &mut self.inflate, out, "a gzip member")?;
        self.crc.update(&out[..step.produced]);
        self.length = self.length.wrapping_add(step.produced as u32);
        match step.outcome {
            Outcome::More => {}
            Outcome::End => self.part = Part::Trailer,
            Outcome::Failed(e) => self.part = Part::Failed(Some(e)),
        }
        Ok(step.produced)
    }

    fn advance(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.part {
                Part::FirstHeader => {
                    self.header()?;
                    self.part = Part::Body;
                }
                Part::NextHeader => {
                    self.part = match self.stored.fill_buf()?.first().copied() {
                        None => Part::End,
                        Some(0) if self.stored.only_zeros_left()? => Part::End,
                        Some(0) => {
                            return Err(self.stored.damage("garbage after the last gzip member"));
                        }
                        Some(_) => {
                            self.header()?;
                            Part::Body
                        }
                    };
                }
                Part::Body => {
                    let produced = self.body(out)?;
                    if produced > 0 {
                        return Ok(produced);
                    }
                }
                Part::Trailer => {
                    self.trailer()?;
                    self.part = Part::NextHeader;
                }
                Part::End => return Ok(0),
                Part::Failed(error) => return Err(take_failure(error)),
            }
        }
    }
}

impl Read for GzipReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        self.advance(out)
    }
}

/// The failure that was kept back until the bytes before it were delivered.
pub(super) fn take_failure(error: &mut Option<io::Error>) -> io::Error {
    error
        .take()
        .unwrap_or_else(|| io::Error::other("the object was read on after its failure"))
}

/// How a call of the decompressor ended.
pub(super) enum Outcome {
    /// There may be more.
    More,
    /// The compressed stream is complete.
    End,
    /// What follows the bytes produced cannot be decompressed.
    Failed(io::Error),
}

/// What a call of the decompressor gave.
pub(super) struct Step {
    /// Bytes written to the output.
    pub(super) produced: usize,
    /// What comes after them.
    pub(super) outcome: Outcome,
}

/// One step of decompression from `stored` into `out`; `Failed` only together with or after the bytes before.
pub(super) fn inflate(
    stored: &mut StoredReader,
    inflate: &mut Decompress,
    out: &mut [u8],
    part: &str,
) -> io::Result<Step> {
    loop {
        let input = stored.fill_buf()?;
        let ended = input.is_empty();
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let result = inflate.decompress(input, out, FlushDecompress::None);
        let consumed = (inflate.total_in() - before_in) as usize;
        let produced = (inflate.total_out() - before_out) as usize;
        stored.consume(consumed);
        let outcome = match result {
            Ok(Status::StreamEnd) => Outcome::End,
            Ok(_) if produced == 0 && ended => return Err(stored.cut(part)),
            Ok(_) if produced == 0 && consumed == 0 => {
                return Err(stored.damage(format_args!("no progress inside {part}")));
            }
            Ok(_) if produced == 0 => continue,
            Ok(_) => Outcome::More,
            Err(e) => {
                let what = e.message().unwrap_or("invalid data").to_owned();
                let failure = stored.damage(format_args!("{what} inside {part}"));
                if produced == 0 {
                    return Err(failure);
                }
                Outcome::Failed(failure)
            }
        };
        return Ok(Step { produced, outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Read1, decode, decode_all, gzip, noise};
    use super::super::{Codec, Damage};
    use std::io::Write;

    #[test]
    fn members_follow_each_other() {
        let mut stored = gzip(b"one\n");
        stored.extend(gzip(b""));
        stored.extend(gzip(b"two\n"));
        assert_eq!(decode(Codec::Gzip, &stored).unwrap(), b"one\ntwo\n");
        assert_eq!(
            decode_all(Codec::Gzip, Read1::new(&stored)).unwrap(),
            b"one\ntwo\n"
        );
    }

    #[test]
    fn large_and_small_output_buffers_agree() {
        let plain = noise(3_000_000, 11);
        assert_eq!(decode(Codec::Gzip, &gzip(&plain)).unwrap(), plain);
    }

    #[test]
    fn every_cut_is_found() {
        let mut stored = gzip(b"first member, some text, some text\n");
        let first = stored.len();
        stored.extend(gzip(&noise(300, 5)));
        for cut in 0..stored.len() {
            let result = decode(Codec::Gzip, &stored[..cut]);
            if cut == first {
                assert!(result.is_ok(), "a whole member is a whole object");
                continue;
            }
            let damage = result.unwrap_err();
            assert_eq!(damage.offset, cut as u64, "{damage}");
            assert!(damage.what.contains("cut"), "{damage}");
        }
    }

    #[test]
    fn no_flipped_bit_of_body_and_trailer_changes_the_bytes() {
        let plain = b"checksums are there to be checked, checked and checked again";
        let stored = gzip(plain);
        let mut harmless = 0;
        for at in 10..stored.len() {
            for bit in 0..8 {
                let mut bad = stored.clone();
                bad[at] ^= 1 << bit;
                // the bits between the end of the last block and the trailer mean nothing
                if let Ok(got) = decode(Codec::Gzip, &bad) {
                    assert_eq!(got, plain, "byte {at} bit {bit}");
                    harmless += 1;
                }
            }
        }
        assert!(harmless < 8);
    }

    #[test]
    fn what_may_follow_the_last_member() {
        let mut padded = gzip(b"x");
        padded.extend([0; 1000]);
        assert_eq!(decode(Codec::Gzip, &padded).unwrap(), b"x");
        padded.push(7);
        let damage = decode(Codec::Gzip, &padded).unwrap_err();
        assert_eq!(damage.what, "garbage after the last gzip member");
        let mut garbage = gzip(b"x");
        let end = garbage.len() as u64;
        garbage.extend(b"this is not a member");
        let damage = decode(Codec::Gzip, &garbage).unwrap_err();
        assert_eq!(
            damage,
            Damage {
                offset: end + 10,
                what: "no gzip member where one must start".to_owned()
            }
        );
    }

    #[test]
    fn optional_header_fields_are_read_and_checked() {
        let mut head = vec![0x1F, 0x8B, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3];
        head.extend([3, 0, 1, 2, 3]);
        head.extend(b"name\0comment\0");
        let crc = crc32fast::hash(&head) as u16;
        let plain = gzip(b"payload");
        let mut stored = head.clone();
        stored.extend(crc.to_le_bytes());
        stored.extend(&plain[10..]);
        assert_eq!(decode(Codec::Gzip, &stored).unwrap(), b"payload");
        stored[head.len()] ^= 1;
        let damage = decode(Codec::Gzip, &stored).unwrap_err();
        assert_eq!(damage.what, "wrong checksum of a gzip header");
        for (at, value, what) in [
            (0, 0, "no gzip member where one must start"),
            (2, 7, "unknown gzip method 7"),
            (3, 0x20, "reserved flags in a gzip header"),
        ] {
            let mut bad = plain.clone();
            bad[at] = value;
            assert_eq!(decode(Codec::Gzip, &bad).unwrap_err().what, what);
        }
    }

    #[test]
    fn the_gzip_tool_is_understood() {
        let mut child = match std::process::Command::new("gzip")
            .args(["-9", "-c"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
        {
            Ok(child) => child,
            Err(_) => return println!("SKIPPED: no gzip tool on this machine"),
        };
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"from the tool\n")
            .unwrap();
        let stored = child.wait_with_output().unwrap().stdout;
        assert_eq!(decode(Codec::Gzip, &stored).unwrap(), b"from the tool\n");
    }
}
