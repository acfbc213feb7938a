//! Waiting lines as they lie in spill files, little endian:
//!
//! ```text
//! id length u32 | fingerprint length u32, or 2^32-1 for none | line length u32
//! etl_tstamp i64 | place: object u32, offset u64, index u32
//! id | fingerprint | line
//! ```

use super::super::Place;
use super::{Fingerprint, PackedLine, WaitingLine};
use crate::error::{Error, Result};
use crate::exec::spill::{SealedFile, SealedReader, SealedWriter};

const HEAD_BYTES: usize = 4 + 4 + 4 + 8 + 4 + 8 + 4;
const NO_FINGERPRINT: u32 = u32::MAX;
/// Bytes that gather before they are compressed and sealed.
pub(crate) const GATHERED_BYTES: usize = 64 << 10;

/// Appends lines to a file.
#[derive(Debug)]
pub(crate) struct Writer {
    file: SealedWriter,
    gathered: Vec<u8>,
    most_gathered: usize,
}

impl Writer {
    /// A writer that gathers at most `most_gathered` bytes (and one line).
    pub(crate) fn new(file: SealedWriter, most_gathered: usize) -> Self {
        Self {
            file,
            gathered: Vec::new(),
            most_gathered,
        }
    }

    pub(crate) fn add(
        &mut self,
        event_id: &str,
        fingerprint: &Fingerprint,
        line: &WaitingLine,
    ) -> Result<()> {
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len())
                .ok()
                .filter(|length| *length != NO_FINGERPRINT)
                .ok_or_else(|| Error::internal("a line of 4 GiB waits"))
        };
        let text = match fingerprint {
            Fingerprint::Known(text) => Some(&**text),
            Fingerprint::Missing(_) => None,
        };
        let to = &mut self.gathered;
        to.extend_from_slice(&length(event_id.as_bytes())?.to_le_bytes());
        to.extend_from_slice(
            &text
                .map_or(Ok(NO_FINGERPRINT), |text| length(text.as_bytes()))?
                .to_le_bytes(),
        );
        to.extend_from_slice(&length(line.line.packed())?.to_le_bytes());
        to.extend_from_slice(&line.etl_tstamp_ms.to_le_bytes());
        to.extend_from_slice(&line.place.object.to_le_bytes());
        to.extend_from_slice(&line.place.offset.to_le_bytes());
        to.extend_from_slice(&line.place.index.to_le_bytes());
        to.extend_from_slice(event_id.as_bytes());
        to.extend_from_slice(text.unwrap_or_default().as_bytes());
        to.extend_from_slice(line.line.packed());
        if to.len() >= self.most_gathered {
            self.file.append(to)?;
            // one long line may not hold memory for ever
            to.clear();
            to.shrink_to(2 * self.most_gathered);
        }
        Ok(())
    }

    /// Appends what has gathered; the file can be appended to later.
    pub(crate) fn flush(mut self) -> Result<SealedWriter> {
        self.file.append(&self.gathered)?;
        Ok(self.file)
    }

    pub(crate) fn finish(self) -> Result<SealedFile> {
        self.flush()?.finish()
    }
}

/// One line that waited.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) event_id: Box<str>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) line: WaitingLine,
}

/// Reads the lines of a file.
#[derive(Debug)]
pub(crate) struct Reader<'f> {
    file: SealedReader<'f>,
    bytes: Vec<u8>,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(file: &'f SealedFile) -> Self {
        Self {
            file: file.reader(),
            bytes: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        self.bytes.clear();
        if !self.file.take(HEAD_BYTES, &mut self.bytes)? {
            return Ok(None);
        }
        let mut head = Fields(&self.bytes);
        let id_bytes = head.u32() as usize;
        let fingerprint_bytes = Some(head.u32()).filter(|bytes| *bytes != NO_FINGERPRINT);
        let line_bytes = head.u32() as usize;
        let etl_tstamp_ms = head.u64().cast_signed();
        let place = Place {
            object: head.u32(),
            offset: head.u64(),
            index: head.u32(),
        };
        let event_id = self.text(id_bytes)?;
        let fingerprint = match fingerprint_bytes {
            Some(bytes) => Fingerprint::Known(self.text(bytes as usize)?),
            None => Fingerprint::Missing(place),
        };
        let line = WaitingLine {
            etl_tstamp_ms,
            place,
            line: self.packed(line_bytes)?,
        };
        Ok(Some(Record {
            event_id,
            fingerprint,
            line,
        }))
    }

    fn packed(&mut self, bytes: usize) -> Result<PackedLine> {
        self.bytes.clear();
        if bytes == 0 || self.file.take(bytes, &mut self.bytes)? {
            Ok(PackedLine::from_packed(&self.bytes))
        } else {
            Err(Error::internal("a line in a spill file is cut"))
        }
    }

    fn text(&mut self, bytes: usize) -> Result<Box<str>> {
        self.bytes.clear();
        let whole = bytes == 0 || self.file.take(bytes, &mut self.bytes)?;
        match std::str::from_utf8(&self.bytes) {
            Ok(text) if whole => Ok(text.into()),
            _ => Err(Error::internal(
                "a line in a spill file is not what was written",
            )),
        }
    }
}

/// Takes numbers off the front.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn u32(&mut self) -> u32 {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) => {
                self.0 = rest;
                u32::from_le_bytes(*bytes)
            }
            None => 0,
        }
    }

    fn u64(&mut self) -> u64 {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) => {
                self.0 = rest;
                u64::from_le_bytes(*bytes)
            }
            None => 0,
        }
    }
}
