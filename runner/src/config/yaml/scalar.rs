//! What a scalar means in YAML 1.1, as Ruby's Psych reads it.

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    text: String,
    /// Without quotes, so that it may mean something else than its text.
    plain: bool,
}

/// What a scalar means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning<'s> {
    /// Nothing: absent, `~`, `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A day or an instant, such as `2018-07-24` or `2018-07-24 10:15:30`.
    Date,
    /// A symbol of Ruby, such as `:get`.
    Symbol(&'s str),
    /// A text.
    Text(&'s str),
}

impl Scalar {
    /// A scalar without quotes.
    pub fn plain(text: String) -> Self {
        Self { text, plain: true }
    }

    /// A scalar in quotes, or of another form that is always a text.
    pub fn quoted(text: String) -> Self {
        Self { text, plain: false }
    }

    /// Nothing.
    pub fn null() -> Self {
        Self::plain(String::new())
    }

    /// As it was written, without quotes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands without quotes.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        self.meaning() == Meaning::Null
    }

    /// `boolean`, `number`, or another word for what it means.
    pub fn meaning_kind(&self) -> &'static str {
        match self.meaning() {
            Meaning::Bool(_) => "boolean",
            Meaning::Integer(_) | Meaning::Float(_) => "number",
            _ => "other",
        }
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning<'_> {
        let text = self.text.as_str();
        if !self.plain {
            return Meaning::Text(text);
        }
        match text.to_ascii_lowercase().as_str() {
            "" | "~" | "null" => return Meaning::Null,
            "yes" | "true" | "on" => return Meaning::Bool(true),
            "no" | "false" | "off" => return Meaning::Bool(false),
            ".inf" | "+.inf" => return Meaning::Float(f64::INFINITY),
            "-.inf" => return Meaning::Float(f64::NEG_INFINITY),
            ".nan" => return Meaning::Float(f64::NAN),
            _ => {}
        }
        if let Some(name) = text.strip_prefix(':').filter(|name| !name.is_empty()) {
            return Meaning::Symbol(name);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            return Meaning::Text(text);
        }
        if is_date(text) || is_time(text) {
            return Meaning::Date;
        }
        integer(text)
            .map(Meaning::Integer)
            .or_else(|| float(text).map(Meaning::Float))
            .unwrap_or(Meaning::Text(text))
    }
}

/// `12`, `1_000`, `010` (eight), `0x1F`, `0b11`, `1:30` (base 60, whatever stands before the colon).
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.contains(':') {
        return sexagesimal(negative, digits);
    }
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let bare: String = digits.chars().filter(|c| !"_,".contains(*c)).collect();
    if bare.is_empty() || digits.starts_with(['_', ',']) && radix == 10 {
        return None;
    }
    if !bare.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i64::from_str_radix(&bare, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// `1:30` is ninety.
fn sexagesimal(negative: bool, digits: &str) -> Option<i64> {
    let mut value: i64 = 0;
    for (index, part) in digits.split(':').enumerate() {
        let number: i64 = part.parse().ok()?;
        if !part.bytes().all(|b| b.is_ascii_digit()) || index > 0 && (part.len() > 2 || number > 59)
        {
            return None;
        }
        value = value.checked_mul(60)?.checked_add(number)?;
    }
    Some(if negative { -value } else { value })
}

/// `0.015`, `5.9`, `.5`, `1_000.5`, `1.0e+3` (an exponent has its sign), `1:30.5` (base 60); a point is needed, except for a
/// whole number that is too long for [`integer`].
fn float(text: &str) -> Option<f64> {
    let bare: String = text.chars().filter(|c| !"_,".contains(*c)).collect();
    let unsigned = bare.trim_start_matches(['+', '-']);
    if let Some((whole, seconds)) = unsigned.rsplit_once(':') {
        let fraction = seconds.split_once('.').filter(|(seconds, fraction)| {
            seconds.len() <= 2 && fraction.bytes().all(|b| b.is_ascii_digit())
        });
        let whole = sexagesimal(false, &format!("{whole}:{}", fraction?.0))?;
        let digits = format!("{whole}.{}", fraction?.1);
        let value: f64 = digits.parse().ok()?;
        return Some(if bare.starts_with('-') { -value } else { value });
    }
    let is_long = unsigned.len() > 18 && !unsigned.starts_with('0');
    if is_long && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return bare.parse().ok();
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let good = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let good = good
        && bare.len() - unsigned.len() <= 1
        && exponent.is_none_or(|text| {
            text.strip_prefix(['+', '-'])
                .is_some_and(|text| !text.is_empty() && digits(text))
        });
    if good { bare.parse().ok() } else { None }
}

/// `2018-07-24`, also with one digit for month or day.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |least: usize, most: usize| {
        let part = parts.next()?;
        ((least..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let (year, month, day) = (number(4, 4), number(1, 2), number(1, 2));
    year.is_some()
        && month.is_some_and(|month| month <= 12)
        && day.is_some_and(|day| day <= 31)
        && parts.next().is_none()
}

/// A day and a time behind `T` or blanks: `2018-07-24T10:15:30.5Z`, `2018-07-24 10:15:30 +02:00`.
fn is_time(text: &str) -> bool {
    let Some(at) = text.find(['T', 't', ' ', '\t']) else {
        return false;
    };
    let (day, rest) = text.split_at(at);
    let rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None => rest.trim_start(),
    };
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let time = time.split_once('.').map_or(time, |(time, _)| time);
    let parts: Vec<&str> = time.split(':').collect();
    let is_number = |part: &str, least: usize| {
        (least..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let zone = zone.trim_start();
    let is_zone = zone.is_empty()
        || zone == "Z"
        || zone.strip_prefix(['+', '-']).is_some_and(|zone| {
            let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "00"));
            is_number(hours, 1) && is_number(minutes, 2)
        });
    is_date(day)
        && parts.len() == 3
        && is_number(parts[0], 1)
        && is_number(parts[1], 2)
        && is_number(parts[2], 2)
        && is_zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_in_yaml_1_1() {
        use Meaning::{Bool, Date, Float, Integer, Null, Symbol, Text};
        for (text, expected) in [
            ("", Null),
            ("~", Null),
            ("NULL", Null),
            ("yes", Bool(true)),
            ("On", Bool(true)),
            ("TRUE", Bool(true)),
            ("no", Bool(false)),
            ("off", Bool(false)),
            ("y", Text("y")),
            ("0", Integer(0)),
            ("-12", Integer(-12)),
            ("+3", Integer(3)),
            ("010", Integer(8)),
            ("1_000", Integer(1000)),
            ("1,000", Integer(1000)),
            ("0x1F", Integer(31)),
            ("0b101", Integer(5)),
            ("1:30", Integer(90)),
            ("089", Text("089")),
            ("99999999999999999999", Float(1e20)),
            ("-99999999999999999999", Float(-1e20)),
            ("0:30", Integer(30)),
            ("08:30", Integer(510)),
            ("-1:00:00", Integer(-3600)),
            ("1:30.5", Float(90.5)),
            ("1:60", Text("1:60")),
            ("1:30x", Text("1:30x")),
            ("1:", Text("1:")),
            ("5.9", Float(5.9)),
            ("0.015", Float(0.015)),
            (".5", Float(0.5)),
            ("1.", Float(1.0)),
            ("1.0e+3", Float(1000.0)),
            ("5.9.0", Text("5.9.0")),
            ("1e3", Text("1e3")),
            ("1.0e3", Text("1.0e3")),
            ("1.0e-1", Float(0.1)),
            (".", Text(".")),
            ("-", Text("-")),
            ("--1.0", Text("--1.0")),
            ("10.0.0.1", Text("10.0.0.1")),
            ("2018-07-24", Date),
            ("2018-17-24", Text("2018-17-24")),
            ("2018-07-24 10:15:30", Date),
            ("2018-07-24T1:15:30.25Z", Date),
            ("2018-07-24 10:15:30 +02:00", Date),
            ("2018-07-24 10:15", Text("2018-07-24 10:15")),
            (
                "2018-07-24 10:15:30 local",
                Text("2018-07-24 10:15:30 local"),
            ),
            (":get", Symbol("get")),
            (":", Text(":")),
            ("s3://a", Text("s3://a")),
            ("eu-west-1", Text("eu-west-1")),
        ] {
            assert_eq!(Scalar::plain(text.into()).meaning(), expected, "{text}");
        }
        assert!(matches!(
            Scalar::plain(".NaN".into()).meaning(),
            Float(value) if value.is_nan()
        ));
    }

    #[test]
    fn quoted_scalars_are_texts() {
        for text in ["", "yes", "5", "null", ":x"] {
            let scalar = Scalar::quoted(text.into());
            assert_eq!(scalar.meaning(), Meaning::Text(text));
        }
    }
}
