//! The container of lzop, as far as S3DistCp's `--outputCodec` wants it: read with all its checksums, written as hadoop-lzo
//! does (LZO1X-1, blocks of 256 KiB, Adler-32 of the plain bytes).
//!
//! Layout: magic, header with a checksum, blocks of u32 plain length (0 ends), u32 packed length, checksums, data; numbers are
//! big-endian. A block whose lengths are equal is stored as it is. Containers may follow each other.

use std::io::{self, Read, Write};

const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0D, 0x0A, 0x1A, 0x0A];

const ADLER_PLAIN: u32 = 0x1;
const ADLER_PACKED: u32 = 0x2;
const EXTRA_FIELD: u32 = 0x40;
const CRC_PLAIN: u32 = 0x100;
const CRC_PACKED: u32 = 0x200;
const MULTIPART: u32 = 0x400;
const FILTER: u32 = 0x800;
const HEADER_CRC: u32 = 0x1000;

/// Largest block that is read.
const MOST: usize = 64 << 20;

/// Bytes of a block that is written.
const BLOCK: usize = 256 * 1024;

fn damage(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Adler-32 checksum (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for part in bytes.chunks(5552) {
        for &byte in part {
            low += u32::from(byte);
            high += low;
        }
        low %= 65_521;
        high %= 65_521;
    }
    high << 16 | low
}

/// Reader of containers.
pub(super) struct LzopReader<R> {
    inner: R,
    flags: Option<u32>,
    any: bool,
    plain: Vec<u8>,
    at: usize,
}

impl<R: Read> LzopReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            flags: None,
            any: false,
            plain: Vec::new(),
            at: 0,
        }
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                damage("the lzop container is cut")
            } else {
                error
            }
        })
    }

    /// Reads a header; false at the end of the file.
    fn header(&mut self) -> io::Result<bool> {
        let mut magic = [0; 9];
        let mut count = 0;
        while count < magic.len() {
            match self.inner.read(&mut magic[count..]) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if count == 0 && self.any {
            return Ok(false);
        }
        if count < magic.len() || magic != MAGIC {
            return Err(damage("not a lzop container (magic number)"));
        }
        let mut seen = Vec::with_capacity(64);
        let mut take = |this: &mut Self, count: usize| -> io::Result<u32> {
            let mut bytes = [0; 4];
            this.exact(&mut bytes[..count])?;
            seen.extend_from_slice(&bytes[..count]);
            Ok(bytes[..count]
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
        };
        let version = take(self, 2)?;
        take(self, 2)?; // version of the library
        let modern = version >= 0x0940;
        if version < 0x0900 || (modern && take(self, 2)? > 0x1040) {
            return Err(damage(format!("unknown lzop version {version:#06x}")));
        }
        let method = take(self, 1)?;
        if !(1..=3).contains(&method) {
            return Err(damage(format!("unknown lzop method {method}")));
        }
        if modern {
            take(self, 1)?; // level
        }
        let flags = take(self, 4)?;
        if flags & FILTER != 0 && take(self, 4)? != 0 {
            return Err(damage("lzop filters are not supported"));
        }
        if flags & MULTIPART != 0 {
            return Err(damage(
                "a part of a split lzop container cannot be read alone",
            ));
        }
        for _ in 0..if modern { 3 } else { 2 } {
            take(self, 4)?; // mode, time
        }
        for _ in 0..take(self, 1)? {
            take(self, 1)?; // name
        }
        let checksum: fn(&[u8]) -> u32 = if flags & HEADER_CRC == 0 {
            adler32
        } else {
            crc32fast::hash
        };
        if self.u32()? != checksum(&seen) {
            return Err(damage("wrong checksum of a lzop header"));
        }
        if flags & EXTRA_FIELD != 0 {
            let length = self.u32()?;
            let mut field = length.to_be_bytes().to_vec();
            let limited = u64::from(length);
            if (&mut self.inner).take(limited).read_to_end(&mut field)? as u64 != limited
                || self.u32()? != checksum(&field)
            {
                return Err(damage("wrong extra field of a lzop header"));
            }
        }
        self.any = true;
        self.flags = Some(flags);
        Ok(true)
    }

    /// Reads a block; false at the end mark.
    fn block(&mut self, flags: u32) -> io::Result<bool> {
        self.plain.clear();
        self.at = 0;
        let plain = self.u32()? as usize;
        if plain == 0 {
            return Ok(false);
        }
        let packed = self.u32()? as usize;
        if plain > MOST || packed == 0 || packed > plain {
            return Err(damage(format!(
                "impossible lengths of a lzop block: {plain} plain, {packed} packed"
            )));
        }
        let compressed = packed < plain;
        let mut sums = [None; 4];
        for (sum, (flag, there)) in sums.iter_mut().zip([
            (ADLER_PLAIN, true),
            (CRC_PLAIN, true),
            (ADLER_PACKED, compressed),
            (CRC_PACKED, compressed),
        ]) {
            if flags & flag != 0 && there {
                *sum = Some(self.u32()?);
            }
        }
        let mut stored = Vec::new();
        if (&mut self.inner)
            .take(packed as u64)
            .read_to_end(&mut stored)?
            != packed
        {
            return Err(damage("the lzop container is cut"));
        }
        let wrong = |bytes: &[u8], adler: Option<u32>, crc: Option<u32>| {
            adler.is_some_and(|sum| sum != adler32(bytes))
                || crc.is_some_and(|sum| sum != crc32fast::hash(bytes))
        };
        if wrong(&stored, sums[2], sums[3]) {
            return Err(damage("wrong checksum of the packed bytes of a lzop block"));
        }
        if compressed {
            // What so few bytes cannot hold is not given room.
            if plain > packed.saturating_mul(255).saturating_add(512) {
                return Err(damage(
                    "the packed bytes of a lzop block cannot hold so many plain ones",
                ));
            }
            self.plain.resize(plain, 0);
            let got = lzallright::decompress(&stored, &mut self.plain)
                .map_err(|error| damage(format!("lzop block: {error}")))?;
            if got != plain {
                return Err(damage(format!(
                    "a lzop block gives {got} bytes instead of {plain}"
                )));
            }
        } else {
            self.plain = stored;
        }
        if wrong(&self.plain, sums[0], sums[1]) {
            self.plain.clear();
            return Err(damage("wrong checksum of the plain bytes of a lzop block"));
        }
        Ok(true)
    }
}

impl<R: Read> Read for LzopReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() && !out.is_empty() {
            match self.flags {
                Some(flags) => {
                    if !self.block(flags)? {
                        self.flags = None;
                    }
                }
                None => {
                    if !self.header()? {
                        return Ok(0);
                    }
                }
            }
        }
        let count = out.len().min(self.plain.len() - self.at);
        out[..count].copy_from_slice(&self.plain[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Writer of one container.
pub(super) struct LzopWriter<W> {
    inner: W,
    begun: bool,
    buffer: Vec<u8>,
}

impl<W: Write> LzopWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            begun: false,
            buffer: Vec::with_capacity(BLOCK),
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let mut header = Vec::with_capacity(40);
        header.extend(0x1010_u16.to_be_bytes());
        header.extend(0x20A0_u16.to_be_bytes());
        header.extend(0x0940_u16.to_be_bytes());
        header.extend([1, 5]);
        header.extend(ADLER_PLAIN.to_be_bytes());
        // mode, time, upper half of the time, no name
        header.extend([0; 13]);
        self.inner.write_all(&MAGIC)?;
        self.inner.write_all(&header)?;
        self.inner.write_all(&adler32(&header).to_be_bytes())
    }

    fn block(&mut self) -> io::Result<()> {
        self.begin()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len()).map_err(|_| damage("a block of lzop is too large"))
        };
        let mut packed = vec![0; lzallright::worst_case_len(self.buffer.len())];
        let count = lzallright::compress(&self.buffer, &mut packed, &mut lzallright::Dict::new())
            .map_err(|error| io::Error::other(error.to_string()))?;
        packed.truncate(count);
        let stored: &[u8] = if packed.len() < self.buffer.len() {
            &packed
        } else {
            &self.buffer
        };
        self.inner.write_all(&length(&self.buffer)?.to_be_bytes())?;
        self.inner.write_all(&length(stored)?.to_be_bytes())?;
        self.inner.write_all(&adler32(&self.buffer).to_be_bytes())?;
        self.inner.write_all(stored)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and the end mark.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.block()?;
        self.inner.write_all(&[0; 4])?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for LzopWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == BLOCK {
            self.block()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut writer = LzopWriter::new(Vec::new());
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn unpack(stored: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        LzopReader::new(stored).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn what_is_written_is_read() {
        let text = b"2018-07-24\t10:00:00\tevent\n".repeat(40_000);
        let noise: Vec<u8> = (0..300_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for plain in [
            &b""[..],
            b"x",
            &text,
            &noise,
            &text[..BLOCK],
            &text[..BLOCK + 1],
        ] {
            assert_eq!(unpack(&pack(plain)).unwrap(), plain);
        }
        assert!(pack(&text).len() < text.len() / 4);
        let two = [pack(b"one"), pack(b"two")].concat();
        assert_eq!(unpack(&two).unwrap(), b"onetwo");
    }

    #[test]
    fn damage_is_never_data() {
        let whole = pack(&b"a line of a log\n".repeat(100));
        for end in 0..whole.len() {
            assert!(unpack(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x41;
            if let Ok(plain) = unpack(&changed) {
                assert_eq!(plain, b"a line of a log\n".repeat(100), "{at}");
            }
        }
    }
}
