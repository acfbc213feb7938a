//! PostgreSQL's binary values, as the Java classes that the reference's driver makes of them.

use tokio_postgres::types::{FromSql, Kind, Type};

use super::cell;
use crate::json::Value;

/// Days and microseconds from 1970 to 2000, where PostgreSQL's time begins.
const DAYS_TO_2000: i64 = 10_957;
const MICROS_TO_2000: i64 = DAYS_TO_2000 * 86_400_000_000;

/// The bytes of a value; none of null.
pub(super) struct Raw<'r>(pub(super) Option<&'r [u8]>);

type FromSqlResult<'r> = Result<Raw<'r>, Box<dyn std::error::Error + Sync + Send>>;

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> FromSqlResult<'r> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> FromSqlResult<'r> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// A text that stays one.
    Text,
    /// A text that may be JSON.
    Untyped,
    Jsonb,
    Numeric,
    Money,
    Date,
    Time,
    TimeWithZone,
    Timestamp,
    Interval,
    Uuid,
    Bytes,
    Bits,
}

impl Decoder {
    /// For a type, unless it has to be read as the text that the server makes of it.
    pub(super) fn of(type_: &Type) -> Option<Self> {
        Some(match *type_ {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN => {
                Self::Text
            }
            Type::JSON => Self::Untyped,
            Type::JSONB => Self::Jsonb,
            Type::NUMERIC => Self::Numeric,
            Type::MONEY => Self::Money,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMETZ => Self::TimeWithZone,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Self::Timestamp,
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::BYTEA => Self::Bytes,
            Type::BIT => Self::Bits,
            _ => match type_.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Domain(base) => return Self::of(base),
                _ => return None,
            },
        })
    }

    /// The value of these bytes; `None` when they are none of this type.
    pub(super) fn value(self, bytes: Option<&[u8]>) -> Option<Value<'static>> {
        let Some(bytes) = bytes else {
            return Some(Value::Null);
        };
        let text = || std::str::from_utf8(bytes).ok();
        Some(match self {
            Self::Bool => Value::Bool(*bytes.first()? != 0),
            Self::Int2 => Value::integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int4 => Value::integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int8 => Value::integer(i64_of(bytes)?),
            Self::Oid => Value::integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Float4 => cell::double(f32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Float8 => cell::double(f64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Text => Value::string(text()?.to_owned()),
            Self::Untyped => cell::untyped(text()?),
            // the first byte is a version
            Self::Jsonb => cell::untyped(std::str::from_utf8(bytes.get(1..)?).ok()?),
            Self::Numeric => cell::untyped(&numeric(bytes)?),
            Self::Money => cell::double(i64_of(bytes)? as f64 / 100.0),
            Self::Date => date(i32::from_be_bytes(bytes.try_into().ok()?)),
            Self::Time => cell::time(i64_of(bytes)?),
            Self::TimeWithZone => {
                let (micros, west) = bytes.split_at_checked(8)?;
                let west = i32::from_be_bytes(west.try_into().ok()?);
                cell::time(i64_of(micros)?.checked_add(i64::from(west) * 1_000_000)?)
            }
            Self::Timestamp => timestamp(i64_of(bytes)?),
            Self::Interval => cell::untyped(&interval(bytes)?),
            Self::Uuid => uuid(bytes)?,
            Self::Bytes => cell::bytes("\\x", bytes),
            Self::Bits => Value::Bool(is_one(bytes)?),
        })
    }
}

fn i64_of(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn date(days: i32) -> Value<'static> {
    match days {
        i32::MAX => Value::string("infinity"),
        i32::MIN => Value::string("-infinity"),
        days => cell::date((i64::from(days) + DAYS_TO_2000) * 86_400_000),
    }
}

fn timestamp(micros: i64) -> Value<'static> {
    match micros {
        i64::MAX => Value::string("infinity"),
        i64::MIN => Value::string("-infinity"),
        micros => cell::timestamp(micros.saturating_add(MICROS_TO_2000)),
    }
}

/// The digits of a `numeric`: groups of four from the one of weight `weight` on, `scale` of them behind
/// the point.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut words = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight) = (words.next()?, words.next()?.cast_signed());
    let (sign, scale) = (words.next()?, usize::from(words.next()?));
    let sign = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => return Some("NaN".into()),
    };
    let groups: Vec<u16> = words.collect();
    if groups.len() != usize::from(count) {
        return None;
    }
    let group = |weight_of_group: i32| {
        let index = usize::try_from(i32::from(weight) - weight_of_group).ok();
        index
            .and_then(|index| groups.get(index))
            .copied()
            .unwrap_or(0)
    };
    let mut integer = String::new();
    for weight in (0..=i32::from(weight).max(0)).rev() {
        integer.push_str(&format!("{:04}", group(weight)));
    }
    let integer = match integer.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if scale == 0 {
        return Some(format!("{sign}{integer}"));
    }
    let mut fraction = String::new();
    let mut weight = -1;
    while fraction.len() < scale {
        fraction.push_str(&format!("{:04}", group(weight)));
        weight -= 1;
    }
    fraction.truncate(scale);
    Some(format!("{sign}{integer}.{fraction}"))
}

/// What the driver's class for intervals prints.
fn interval(bytes: &[u8]) -> Option<String> {
    let (micros, rest) = bytes.split_at_checked(8)?;
    let (days, months) = rest.split_at_checked(4)?;
    let days = i32::from_be_bytes(days.try_into().ok()?);
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let micros = i64_of(micros)?;
    let seconds = micros / 1_000_000;
    Some(format!(
        "{} years {} mons {days} days {} hours {} mins {:.2} secs",
        months / 12,
        months % 12,
        seconds / 3600,
        seconds / 60 % 60,
        (micros % 60_000_000) as f64 / 1e6
    ))
}

fn uuid(bytes: &[u8]) -> Option<Value<'static>> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    Some(cell::untyped(&parts.join("-")))
}

/// A `bit` is true there when its digits, read as a decimal number, are 1.
fn is_one(bytes: &[u8]) -> Option<bool> {
    let (length, bits) = bytes.split_at_checked(4)?;
    let length = usize::try_from(i32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let ones = bits.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let last = length.checked_sub(1)?;
    let is_last_set = bits.get(last / 8)? & (0x80 >> (last % 8)) != 0;
    Some(ones == 1 && is_last_set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numerics() {
        let words = |words: &[u16]| {
            words
                .iter()
                .flat_map(|w| w.to_be_bytes())
                .collect::<Vec<_>>()
        };
        for (binary, text) in [
            (words(&[0, 0, 0, 0]), "0"),
            (words(&[0, 0, 0, 2]), "0.00"),
            (words(&[2, 0, 0, 2, 42, 1000]), "42.10"),
            (words(&[1, 0, 0x4000, 0, 7]), "-7"),
            (words(&[1, 1, 0, 0, 5]), "50000"),
            (words(&[3, 1, 0x4000, 1, 1, 2345, 6000]), "-12345.6"),
            (words(&[1, 0xffff, 0, 4, 12]), "0.0012"),
            (words(&[1, 0xfffe, 0, 8, 1]), "0.00000001"),
            (words(&[0, 0, 0xC000, 0]), "NaN"),
            (words(&[0, 0, 0xD000, 0]), "Infinity"),
            (words(&[0, 0, 0xF000, 0]), "-Infinity"),
        ] {
            assert_eq!(numeric(&binary).as_deref(), Some(text));
        }
        assert_eq!(numeric(&words(&[2, 0, 0, 0, 1])), None);
        assert_eq!(numeric(&[0]), None);
    }

    #[test]
    fn other_values() {
        for (decoder, bytes, printed) in [
            (Decoder::Bits, &[0, 0, 0, 1, 0x80][..], "true"),
            (Decoder::Bits, &[0, 0, 0, 3, 0x20], "true"),
            (Decoder::Bits, &[0, 0, 0, 3, 0x60], "false"),
            (Decoder::Bits, &[0, 0, 0, 9, 0, 0x80], "true"),
            (Decoder::Bits, &[0, 0, 0, 1, 0], "false"),
            (Decoder::Jsonb, b"\x01{\"a\": 1.50}", "{\"a\":1.5}"),
            (Decoder::Untyped, b"12 books", "12"),
            (Decoder::Text, b"12 books", "\"12 books\""),
            (Decoder::Bytes, &[1, 255], "\"\\\\x01ff\""),
            (Decoder::Money, &[0, 0, 0, 0, 0, 0, 0, 123], "1.23"),
            (Decoder::Date, &[0x7f, 255, 255, 255], "\"infinity\""),
            (
                Decoder::Date,
                &[255, 255, 255, 255],
                "\"1999-12-31T00:00:00.000Z\"",
            ),
            (
                Decoder::Timestamp,
                &[0x80, 0, 0, 0, 0, 0, 0, 0],
                "\"-infinity\"",
            ),
            (Decoder::Timestamp, &[0; 8], "\"2000-01-01 00:00:00.0\""),
            // 00:00 one hour east of Greenwich
            (
                Decoder::TimeWithZone,
                &[0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 241, 240],
                "\"23:00:00\"",
            ),
            (
                Decoder::Interval,
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 25],
                "2",
            ),
            (Decoder::Oid, &[255, 255, 255, 255], "4294967295"),
        ] {
            let value = decoder.value(Some(bytes)).map(|value| value.to_compact());
            assert_eq!(value.as_deref(), Some(printed), "{decoder:?} {bytes:?}");
            assert_eq!(decoder.value(None), Some(Value::Null));
        }
    }

    #[test]
    fn an_interval_prints_as_in_java() {
        let text = interval(&[0, 0, 0, 0, 0xd9, 0xf4, 0x49, 0x40, 0, 0, 0, 3, 0, 0, 0, 14]);
        assert_eq!(
            text.as_deref(),
            Some("1 years 2 mons 3 days 1 hours 0 mins 56.67 secs")
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_values_or_none(bytes: Vec<u8>) {
            for decoder in [
                Decoder::Bool, Decoder::Int2, Decoder::Int4, Decoder::Int8, Decoder::Oid, Decoder::Float4,
                Decoder::Float8, Decoder::Text, Decoder::Untyped, Decoder::Jsonb, Decoder::Numeric,
                Decoder::Money, Decoder::Date, Decoder::Time, Decoder::TimeWithZone, Decoder::Timestamp,
                Decoder::Interval, Decoder::Uuid, Decoder::Bytes, Decoder::Bits,
            ] {
                decoder.value(Some(&bytes));
            }
        }
    }
}
