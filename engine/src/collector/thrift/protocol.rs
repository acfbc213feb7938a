//! Reads Thrift's binary protocol (`TBinaryProtocol`, without framing or message header) from a
//! slice, borrowing strings.
//!
//! Errors carry the message of libthrift's exception, because bad rows show it. libthrift 0.9 has
//! no limits: a nested value could exhaust its stack, and a list of 2^31 elements without size
//! could keep it busy for minutes. Here nesting is limited to [`MAX_DEPTH`], and the work for a
//! record never exceeds its length.

/// Deepest nesting of structs and containers that is skipped.
pub const MAX_DEPTH: usize = 64;

/// Type codes of fields and elements.
pub mod wire {
    /// End of a struct.
    pub const STOP: u8 = 0;
    /// One byte, 0 or 1.
    pub const BOOL: u8 = 2;
    /// Signed 8-bit integer.
    pub const BYTE: u8 = 3;
    /// 64-bit float.
    pub const DOUBLE: u8 = 4;
    /// Signed 16-bit integer.
    pub const I16: u8 = 6;
    /// Signed 32-bit integer; enums too.
    pub const I32: u8 = 8;
    /// Signed 64-bit integer.
    pub const I64: u8 = 10;
    /// 32-bit length and bytes.
    pub const STRING: u8 = 11;
    /// Fields up to a stop.
    pub const STRUCT: u8 = 12;
    /// Two types, a 32-bit size, pairs.
    pub const MAP: u8 = 13;
    /// A type, a 32-bit size, elements.
    pub const SET: u8 = 14;
    /// A type, a 32-bit size, elements.
    pub const LIST: u8 = 15;
}

/// Why a record cannot be read: the message of the exception (`null` where Java has none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolError {
    /// The message, without the class of the exception.
    pub message: String,
}

impl ProtocolError {
    /// An error with `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Result of reading.
pub type Result<T> = std::result::Result<T, ProtocolError>;

/// Header of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Type code, see [`wire`].
    pub kind: u8,
    /// Field id.
    pub id: i16,
}

/// A position in the bytes of a record.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from offset `at` of `bytes`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The header of the next field, or `None` at the end of the struct.
    pub fn field(&mut self) -> Result<Option<Field>> {
        let kind = self.byte()?;
        if kind == wire::STOP {
            return Ok(None);
        }
        let id = i16::from_be_bytes(self.array()?);
        Ok(Some(Field { kind, id }))
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A 32-bit integer.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A 64-bit integer.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A string, as libthrift's `readString` reads it.
    pub fn string(&mut self) -> Result<&'a [u8]> {
        let size = self.i32()?;
        if size < 0 {
            return Err(ProtocolError::new(format!(
                "String index out of range: {size}"
            )));
        }
        self.take(size.unsigned_abs())
    }

    /// A string, as libthrift's `readBinary` reads it when it skips one: only the message about a
    /// negative size differs.
    pub fn skipped_string(&mut self) -> Result<&'a [u8]> {
        let size = self.i32()?;
        if size < 0 {
            return Err(ProtocolError::new("null"));
        }
        self.take(size.unsigned_abs())
    }

    /// Passes over a value of type `kind`; types that do not exist have no bytes.
    pub fn skip(&mut self, kind: u8) -> Result<()> {
        self.skip_nested(kind, MAX_DEPTH)
    }

    fn skip_nested(&mut self, kind: u8, depth: usize) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(ProtocolError::new("Maximum skip depth exceeded"));
        };
        match kind {
            wire::BOOL | wire::BYTE => self.take(1).map(drop),
            wire::I16 => self.take(2).map(drop),
            wire::I32 => self.take(4).map(drop),
            wire::I64 | wire::DOUBLE => self.take(8).map(drop),
            wire::STRING => self.skipped_string().map(drop),
            wire::STRUCT => {
                while let Some(field) = self.field()? {
                    self.skip_nested(field.kind, depth)?;
                }
                Ok(())
            }
            wire::MAP => {
                let (key, value) = (self.byte()?, self.byte()?);
                let size = self.i32()?;
                if has_bytes(key) || has_bytes(value) {
                    for _ in 0..size {
                        self.skip_nested(key, depth)?;
                        self.skip_nested(value, depth)?;
                    }
                }
                Ok(())
            }
            wire::SET | wire::LIST => {
                let element = self.byte()?;
                let size = self.i32()?;
                if has_bytes(element) {
                    for _ in 0..size {
                        self.skip_nested(element, depth)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let slice = self.take(N as u32)?;
        let mut array = [0; N];
        array.copy_from_slice(slice);
        Ok(array)
    }

    fn take(&mut self, size: u32) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..size as usize) {
            Some(slice) => {
                self.at += slice.len();
                Ok(slice)
            }
            None => Err(ProtocolError::new(format!(
                "Cannot read. Remote side has closed. Tried to read {size} bytes, but only got {} \
                 bytes. (This is often indicative of an internal error on the server side. Please \
                 check your server logs.)",
                rest.len()
            ))),
        }
    }
}

/// Whether values of type `kind` have bytes, so that a loop over them comes to an end.
fn has_bytes(kind: u8) -> bool {
    matches!(
        kind,
        wire::BOOL
            | wire::BYTE
            | wire::I16
            | wire::I32
            | wire::I64
            | wire::DOUBLE
            | wire::STRING
            | wire::STRUCT
            | wire::MAP
            | wire::SET
            | wire::LIST
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(wanted: u32, got: u32) -> ProtocolError {
        ProtocolError::new(format!(
            "Cannot read. Remote side has closed. Tried to read {wanted} bytes, but only got {got} \
             bytes. (This is often indicative of an internal error on the server side. Please \
             check your server logs.)"
        ))
    }

    #[test]
    fn short_input() {
        assert_eq!(Reader::new(b"", 0).field(), Err(short(1, 0)));
        assert_eq!(Reader::new(b"\x6d\xa7", 0).field(), Err(short(2, 1)));
        assert_eq!(Reader::new(b"\x00\x00", 0).i32(), Err(short(4, 2)));
        assert_eq!(
            Reader::new(b"\x00\x00\x00\x05abc", 0).string(),
            Err(short(5, 3))
        );
        assert_eq!(Reader::new(b"abc", 9).i64(), Err(short(8, 0)));
        assert_eq!(
            Reader::new(b"\x7f\xff\xff\xff", 0).string(),
            Err(short(2_147_483_647, 0))
        );
    }

    #[test]
    fn negative_sizes() {
        let bytes = b"\xff\xff\xff\xfe";
        assert_eq!(
            Reader::new(bytes, 0).string(),
            Err(ProtocolError::new("String index out of range: -2"))
        );
        assert_eq!(
            Reader::new(bytes, 0).skipped_string(),
            Err(ProtocolError::new("null"))
        );
        // A container of negative size has no elements.
        let mut reader = Reader::new(b"\x0b\xff\xff\xff\xff", 0);
        assert_eq!(reader.skip(wire::LIST), Ok(()));
        assert_eq!(reader.offset(), 5);
    }

    #[test]
    fn skips_every_type() {
        for (kind, bytes) in [
            (wire::BOOL, &b"\x01"[..]),
            (wire::BYTE, b"\x01"),
            (wire::I16, b"\x00\x01"),
            (wire::I32, b"\x00\x00\x00\x01"),
            (wire::I64, b"\x00\x00\x00\x00\x00\x00\x00\x01"),
            (wire::DOUBLE, b"\x00\x00\x00\x00\x00\x00\x00\x01"),
            (wire::STRING, b"\x00\x00\x00\x02ab"),
            (wire::STRUCT, b"\x08\x00\x01\x00\x00\x00\x01\x00"),
            (wire::MAP, b"\x03\x0b\x00\x00\x00\x01\x07\x00\x00\x00\x01a"),
            (wire::SET, b"\x06\x00\x00\x00\x02\x00\x01\x00\x02"),
            (wire::LIST, b"\x0b\x00\x00\x00\x01\x00\x00\x00\x01a"),
            (1, b""),
            (99, b""),
        ] {
            let mut reader = Reader::new(bytes, 0);
            assert_eq!(reader.skip(kind), Ok(()), "{kind}");
            assert_eq!(reader.offset(), bytes.len(), "{kind}");
        }
    }

    #[test]
    fn hostile_containers_end_at_once() {
        // 2^31-1 elements without bytes, and as many of which there is none.
        for element in [0u8, 1, 5, 9, 16, 255] {
            let bytes = [element, 0x7f, 0xff, 0xff, 0xff];
            assert_eq!(Reader::new(&bytes, 0).skip(wire::LIST), Ok(()));
            let bytes = [element, element, 0x7f, 0xff, 0xff, 0xff];
            assert_eq!(Reader::new(&bytes, 0).skip(wire::MAP), Ok(()));
        }
        assert_eq!(
            Reader::new(&[wire::I32, 0x7f, 0xff, 0xff, 0xff], 0).skip(wire::SET),
            Err(short(4, 0))
        );
    }

    #[test]
    fn nesting_is_limited() {
        // A list of a list of a list ..., one element each.
        let bytes: Vec<u8> = [wire::LIST, 0, 0, 0, 1].repeat(100_000);
        assert_eq!(
            Reader::new(&bytes, 0).skip(wire::LIST),
            Err(ProtocolError::new("Maximum skip depth exceeded"))
        );
        let structs: Vec<u8> = [wire::STRUCT, 0, 1].repeat(100_000);
        assert_eq!(
            Reader::new(&structs, 0).skip(wire::STRUCT),
            Err(ProtocolError::new("Maximum skip depth exceeded"))
        );
    }
}
