//! Candidate lines on their way to the task that resolves them, little endian:
//!
//! ```text
//! id length u32 | fingerprint length u32, or 2^32-1 for none | name length u32 | line length u32
//! etl_tstamp i64 | place: object u32, offset u64, index u32
//! id | fingerprint | relative key of the object | packed line
//! ```
//!
//! The key of the object is there only where no fingerprint is: a new id follows from it then.

use crate::dedup::Place;
use crate::dedup::waiting::{PackedLine, WaitingLine};
use crate::error::{Error, Result};

const HEAD_BYTES: usize = 4 * 4 + 8 + 4 + 8 + 4;
const NO_FINGERPRINT: u32 = u32::MAX;

/// A line that was sent.
#[derive(Debug)]
pub(super) struct SentLine<'b> {
    pub(super) event_id: &'b str,
    pub(super) fingerprint: Option<&'b str>,
    pub(super) object_name: &'b str,
    pub(super) line: WaitingLine,
    /// All bytes of the record.
    pub(super) bytes: &'b [u8],
}

/// Appends a record.
pub(super) fn write(
    event_id: &str,
    fingerprint: Option<&str>,
    object_name: &str,
    line: &WaitingLine,
    to: &mut Vec<u8>,
) -> Result<()> {
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length != NO_FINGERPRINT)
            .map(u32::to_le_bytes)
            .ok_or_else(|| Error::internal("a line of 4 GiB waits"))
    };
    let name = if fingerprint.is_some() {
        ""
    } else {
        object_name
    };
    to.extend_from_slice(&length(event_id.as_bytes())?);
    match fingerprint {
        Some(text) => to.extend_from_slice(&length(text.as_bytes())?),
        None => to.extend_from_slice(&NO_FINGERPRINT.to_le_bytes()),
    }
    to.extend_from_slice(&length(name.as_bytes())?);
    to.extend_from_slice(&length(line.line.packed())?);
    to.extend_from_slice(&line.etl_tstamp_ms.to_le_bytes());
    to.extend_from_slice(&line.place.object.to_le_bytes());
    to.extend_from_slice(&line.place.offset.to_le_bytes());
    to.extend_from_slice(&line.place.index.to_le_bytes());
    to.extend_from_slice(event_id.as_bytes());
    to.extend_from_slice(fingerprint.unwrap_or_default().as_bytes());
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(line.line.packed());
    Ok(())
}

/// Takes one record off the front of `bytes`.
pub(super) fn read<'b>(bytes: &mut &'b [u8]) -> Result<SentLine<'b>> {
    try_read(bytes).ok_or_else(|| Error::internal("a line that was sent is cut"))
}

fn try_read<'b>(bytes: &mut &'b [u8]) -> Option<SentLine<'b>> {
    let all = *bytes;
    let (head, mut rest) = all.split_at_checked(HEAD_BYTES)?;
    let word = |at: usize| {
        let word = head.get(at..at + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    };
    let long = |at: usize| {
        let long = head.get(at..at + 8)?;
        Some(u64::from_le_bytes(long.try_into().ok()?))
    };
    let mut take = |length: u32| {
        let (piece, after) = rest.split_at_checked(length as usize)?;
        rest = after;
        Some(piece)
    };
    let event_id = std::str::from_utf8(take(word(0)?)?).ok()?;
    let fingerprint = match word(4)? {
        NO_FINGERPRINT => None,
        length => Some(std::str::from_utf8(take(length)?).ok()?),
    };
    let object_name = std::str::from_utf8(take(word(8)?)?).ok()?;
    let line = WaitingLine {
        line: PackedLine::from_packed(take(word(12)?)?),
        etl_tstamp_ms: long(16)?.cast_signed(),
        place: Place {
            object: word(24)?,
            offset: long(28)?,
            index: word(36)?,
        },
    };
    *bytes = rest;
    Some(SentLine {
        event_id,
        fingerprint,
        object_name,
        line,
        bytes: &all[..all.len() - rest.len()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_cut_ones_are_an_error() {
        let line = |text: &str, object| WaitingLine {
            etl_tstamp_ms: -5,
            place: Place {
                object,
                offset: 1 << 40,
                index: 7,
            },
            line: PackedLine::of(text),
        };
        let mut bytes = Vec::new();
        write("id", Some("fp"), "name", &line("a\tb", 1), &mut bytes).unwrap();
        let first = bytes.len();
        write("", None, "some/object.gz", &line("", 2), &mut bytes).unwrap();
        let mut rest = &bytes[..];
        let one = read(&mut rest).unwrap();
        assert_eq!((one.event_id, one.fingerprint), ("id", Some("fp")));
        assert_eq!((one.object_name, one.bytes.len()), ("", first));
        assert_eq!(one.line.line.unpack().unwrap(), "a\tb");
        assert_eq!(one.line.etl_tstamp_ms, -5);
        let two = read(&mut rest).unwrap();
        assert_eq!((two.fingerprint, two.object_name), (None, "some/object.gz"));
        assert_eq!(two.line.place, line("", 2).place);
        assert!(rest.is_empty());
        for length in 0..first {
            assert!(read(&mut &bytes[..length]).is_err(), "{length}");
        }
    }
}
