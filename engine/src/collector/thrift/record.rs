//! The fields of the two structs that a record can be, found in one pass.
//!
//! The reference reads a record twice: first a struct that knows only field 31337, then the struct
//! that this field names. Whatever is wrong with the bytes shows in the first pass, so one pass is
//! enough; containers, which only the second would look into, are remembered by their offset.

use super::protocol::{ProtocolError, Reader, Result, wire};

/// Where a container or a nested struct starts.
pub(super) type Offset = Option<usize>;

/// The raw fields of a record; strings are undecoded, absent ones `None`.
#[derive(Debug, Clone, Default)]
pub(super) struct Record<'a> {
    /// Field 31337 of a `CollectorPayload`.
    pub(super) schema: Option<&'a [u8]>,
    /// Field 100.
    pub(super) ip_address: Option<&'a [u8]>,
    /// Field 200, milliseconds since the epoch; 0 when it is missing.
    pub(super) timestamp_ms: i64,
    /// Field 210.
    pub(super) encoding: Option<&'a [u8]>,
    /// Field 220.
    pub(super) collector: Option<&'a [u8]>,
    /// Field 300.
    pub(super) useragent: Option<&'a [u8]>,
    /// Field 310.
    pub(super) referer: Option<&'a [u8]>,
    /// Field 320.
    pub(super) path: Option<&'a [u8]>,
    /// Field 330.
    pub(super) querystring: Option<&'a [u8]>,
    /// Field 340.
    pub(super) body: Option<&'a [u8]>,
    /// Field 350.
    pub(super) headers: Offset,
    /// Field 360.
    pub(super) content_type: Option<&'a [u8]>,
    /// Field 400.
    pub(super) hostname: Option<&'a [u8]>,
    /// Field 410.
    pub(super) user_id: Option<&'a [u8]>,
    /// Field 1 of a `SnowplowRawEvent`, milliseconds since the epoch.
    pub(super) legacy_timestamp_ms: i64,
    /// Field 20.
    pub(super) legacy_collector: Option<&'a [u8]>,
    /// Field 30.
    pub(super) legacy_encoding: Option<&'a [u8]>,
    /// Field 40.
    pub(super) legacy_ip_address: Option<&'a [u8]>,
    /// Field 41.
    pub(super) legacy_payload: Offset,
    /// Field 45.
    pub(super) legacy_hostname: Option<&'a [u8]>,
    /// Field 50.
    pub(super) legacy_useragent: Option<&'a [u8]>,
    /// Field 60.
    pub(super) legacy_referer: Option<&'a [u8]>,
    /// Field 70.
    pub(super) legacy_headers: Offset,
    /// Field 80.
    pub(super) legacy_user_id: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Finds the fields; what follows the end of the struct is ignored.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut record = Self::default();
        let mut reader = Reader::new(bytes, 0);
        while let Some(field) = reader.field()? {
            match (field.id, field.kind) {
                (31337, wire::STRING) => record.schema = Some(reader.string()?),
                (200, wire::I64) => record.timestamp_ms = reader.i64()?,
                (1, wire::I64) => record.legacy_timestamp_ms = reader.i64()?,
                (350 | 70, wire::LIST) | (41, wire::STRUCT) => {
                    let start = Some(reader.offset());
                    reader.skip(field.kind)?;
                    match field.id {
                        350 => record.headers = start,
                        70 => record.legacy_headers = start,
                        _ => record.legacy_payload = start,
                    }
                }
                (id, wire::STRING) => {
                    let value = reader.skipped_string()?;
                    if let Some(slot) = record.string_slot(id) {
                        *slot = Some(value);
                    }
                }
                (_, kind) => reader.skip(kind)?,
            }
        }
        Ok(record)
    }

    fn string_slot(&mut self, id: i16) -> Option<&mut Option<&'a [u8]>> {
        Some(match id {
            100 => &mut self.ip_address,
            210 => &mut self.encoding,
            220 => &mut self.collector,
            300 => &mut self.useragent,
            310 => &mut self.referer,
            320 => &mut self.path,
            330 => &mut self.querystring,
            340 => &mut self.body,
            360 => &mut self.content_type,
            400 => &mut self.hostname,
            410 => &mut self.user_id,
            20 => &mut self.legacy_collector,
            30 => &mut self.legacy_encoding,
            40 => &mut self.legacy_ip_address,
            45 => &mut self.legacy_hostname,
            50 => &mut self.legacy_useragent,
            60 => &mut self.legacy_referer,
            80 => &mut self.legacy_user_id,
            _ => return None,
        })
    }

    /// The headers of a `CollectorPayload`.
    pub(super) fn headers(&self, bytes: &[u8]) -> Result<Vec<String>> {
        strings(bytes, self.headers)
    }

    /// The headers of a `SnowplowRawEvent`.
    pub(super) fn legacy_headers(&self, bytes: &[u8]) -> Result<Vec<String>> {
        strings(bytes, self.legacy_headers)
    }

    /// The query string of a `SnowplowRawEvent`: field 3 of its payload. A record without payload
    /// is an error without message, as in the reference.
    pub(super) fn legacy_querystring<'b>(&self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>> {
        let Some(start) = self.legacy_payload else {
            return Err(ProtocolError::new("null"));
        };
        let mut reader = Reader::new(bytes, start);
        let mut data = None;
        while let Some(field) = reader.field()? {
            match (field.id, field.kind) {
                (3, wire::STRING) => data = Some(reader.string()?),
                (_, kind) => reader.skip(kind)?,
            }
        }
        Ok(data)
    }
}

/// The list of strings at an offset. Like the reference's generated code it does not look at the
/// type of the elements.
fn strings(bytes: &[u8], start: Offset) -> Result<Vec<String>> {
    let Some(start) = start else {
        return Ok(Vec::new());
    };
    let mut reader = Reader::new(bytes, start);
    reader.byte()?;
    let size = reader.i32()?;
    if size < 0 {
        return Err(ProtocolError::new(format!("Illegal Capacity: {size}")));
    }
    // Not reserved by `size`: the bytes that are there bound the list, its claim does not.
    let mut list = Vec::new();
    for _ in 0..size {
        list.push(String::from_utf8_lossy(reader.string()?).into_owned());
    }
    Ok(list)
}
