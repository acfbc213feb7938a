//! A day of weather as OpenWeatherMap answers it: read as leniently as the reference's case classes are extracted, and made
//! into the data of contexts.

use crate::json::{Number, Value};
use crate::text::java_number::write_double;
use crate::text::time::format_iso_millis;

/// The stamps of one answer.
#[derive(Debug)]
pub(super) struct History {
    stamps: Vec<Stamp>,
    bytes: usize,
}

#[derive(Debug)]
struct Stamp {
    /// Seconds, in 32 bits.
    seconds: i32,
    data: Value<'static>,
}

/// Members of an object that is made.
type Members = Vec<(&'static str, Value<'static>)>;

/// Memory of a parsed answer for one byte of its text.
const BYTES_PER_BYTE: usize = 8;

impl History {
    /// Reads an answer whose text had `text_bytes`; `None` when it has another form.
    pub(super) fn of(answer: &Value<'_>, text_bytes: usize) -> Option<Self> {
        integer(answer.get("cnt")?)?;
        text(answer.get("cod")?)?;
        let list = list(answer.get("list"))?;
        Some(Self {
            stamps: list.iter().map(Stamp::of).collect::<Option<_>>()?,
            bytes: text_bytes.saturating_mul(BYTES_PER_BYTE),
        })
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The data of the stamp whose time is nearest, of equals the first.
    ///
    /// # Errors
    /// The reference's texts.
    pub(super) fn nearest(&self, seconds: i32) -> Result<Value<'static>, String> {
        if seconds < 1 {
            return Err(
                "OpenWeatherMap InternalError Timestamp should be greater than 0".to_owned(),
            );
        }
        let distance = |stamp: &&Stamp| seconds.wrapping_sub(stamp.seconds).wrapping_abs();
        let nearest = self.stamps.iter().min_by_key(distance);
        nearest.map(|stamp| stamp.data.clone()).ok_or_else(|| {
            "OpenWeatherMap InternalError Server response has no weather stamps".to_owned()
        })
    }
}

impl Stamp {
    fn of(stamp: &Value<'_>) -> Option<Self> {
        let object = |name| stamp.get(name).filter(|value| value.as_object().is_some());
        let main = object("main")?;
        let main = members(
            main,
            &[
                ("grnd_level", Kind::Decimal, false),
                ("humidity", Kind::Decimal, true),
                ("pressure", Kind::Decimal, true),
                ("sea_level", Kind::Decimal, false),
                ("temp", Kind::Decimal, true),
                ("temp_min", Kind::Decimal, true),
                ("temp_max", Kind::Decimal, true),
            ],
        )?;
        let wind = members(
            object("wind")?,
            &[
                ("speed", Kind::Decimal, true),
                ("deg", Kind::Decimal, true),
                ("gust", Kind::Decimal, false),
                ("var_end", Kind::Int, false),
                ("var_beg", Kind::Int, false),
            ],
        )?;
        let clouds = members(object("clouds")?, &[("all", Kind::BigInt, true)])?;
        let mut data: Members = vec![("main", main), ("wind", wind), ("clouds", clouds)];
        for name in ["rain", "snow"] {
            match stamp.get(name) {
                None | Some(Value::Null) => {}
                Some(_) => {
                    let hours = [("1h", Kind::Decimal, false), ("3h", Kind::Decimal, false)];
                    data.push((name, members(object(name)?, &hours)?));
                }
            }
        }
        let conditions = list(stamp.get("weather"))?.iter().map(|condition| {
            condition.as_object()?;
            members(
                condition,
                &[
                    ("main", Kind::Text, true),
                    ("description", Kind::Text, true),
                    ("id", Kind::Int, true),
                    ("icon", Kind::Text, true),
                ],
            )
        });
        data.push(("weather", Value::Array(conditions.collect::<Option<_>>()?)));
        let seconds: i64 = integer(stamp.get("dt")?)?.token.parse().ok()?;
        let time = format_iso_millis(seconds.checked_mul(1000)?);
        data.push(("dt", Value::string(time)));
        Some(Self {
            seconds: seconds as i32,
            data: Value::object(data),
        })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// Printed as a double.
    Decimal,
    /// 32 bits.
    Int,
    BigInt,
    Text,
}

/// The members of an object in this order, required ones and those that are there; `None` when one is wrong.
fn members(object: &Value<'_>, wanted: &[(&'static str, Kind, bool)]) -> Option<Value<'static>> {
    let mut found: Members = Vec::with_capacity(wanted.len());
    for &(name, kind, is_required) in wanted {
        match object.get(name) {
            None | Some(Value::Null) if is_required => return None,
            None | Some(Value::Null) => {}
            Some(value) => found.push((name, member(value, kind)?)),
        }
    }
    Some(Value::object(found))
}

fn member(value: &Value<'_>, kind: Kind) -> Option<Value<'static>> {
    match (kind, value) {
        (Kind::Decimal, Value::Number(number)) => {
            let mut token = Vec::with_capacity(24);
            let double = number.as_f64();
            if !double.is_finite() {
                return None;
            }
            write_double(double, &mut token);
            let token = String::from_utf8(token).ok()?.into();
            Some(Value::Number(Number { token }))
        }
        // json4s cuts a double where an Int is wanted
        (Kind::Int, Value::Number(number)) => Some(Value::integer(match number.as_i64() {
            Some(integer) => i64::from(integer as i32),
            None => i64::from(number.as_f64() as i32),
        })),
        (Kind::BigInt, value) => Some(Value::Number(Number {
            token: integer(value)?.token.into_owned().into(),
        })),
        (Kind::Text, value) => Some(Value::string(text(value)?)),
        _ => None,
    }
}

fn integer<'v>(value: &Value<'v>) -> Option<Number<'v>> {
    match value {
        Value::Number(number) if number.is_integer() => Some(number.clone()),
        _ => None,
    }
}

/// A text, or the text of a number where a text is wanted.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        Value::Number(_) => Some(value.to_compact()),
        _ => None,
    }
}

/// The elements of a list, none where there is no list.
fn list<'v, 'j>(value: Option<&'v Value<'j>>) -> Option<&'v [Value<'j>]> {
    match value {
        None | Some(Value::Null) => Some(&[]),
        Some(value) => value.as_array(),
    }
}
