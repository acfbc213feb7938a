//! An answer of Open Exchange Rates: the rates of a day, or why there are none.
//!
//! The reference knows no names of members: it takes the last one of the answer, which holds the rates, or in an error the
//! description.

use super::decimal::Decimal;
use crate::enrichment::http::{Problem, shown};
use crate::json::{self, Value};
use crate::text::jackson::{self, Style};

/// The rates of a day, sorted by code.
#[derive(Debug)]
pub(super) struct DayRates {
    rates: Vec<(Box<str>, Decimal)>,
}

/// Why there are no rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service, or the client before it asked, refused.
    Refused {
        /// Type of the client's error.
        kind: &'static str,
        /// Its message.
        message: String,
    },
    /// A host that DNS does not know.
    UnknownHost(String),
    /// An answer without members.
    NoSuchElement,
    /// Another exception, as Java prints it.
    Exception(String),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::UnknownHost(host) => Self::UnknownHost(host),
            other => Self::Exception(other.text()),
        }
    }
}

impl DayRates {
    /// Units of a currency for one US dollar.
    pub(super) fn get(&self, code: &str) -> Option<&Decimal> {
        let found = self
            .rates
            .binary_search_by(|(known, _)| (**known).cmp(code));
        self.rates.get(found.ok()?).map(|(_, rate)| rate)
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.rates.len() * 100
    }
}

/// What an answer says.
///
/// # Errors
/// When it holds no rates.
pub(super) fn read(status: u16, body: &str) -> Result<DayRates, Failure> {
    let answer = match json::parse(body) {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err(Failure::Exception("java.lang.NullPointerException".into())),
        Err(error) => {
            let text = jackson::exception_text(body, &error, Style::Enrich);
            return Err(Failure::Exception(shown(&text).to_owned()));
        }
    };
    let last = match &answer {
        Value::Object(members) => members.last().map(|(_, value)| value),
        Value::Array(items) => items.last(),
        _ => None,
    };
    let last = last.ok_or(Failure::NoSuchElement)?;
    if status >= 400 {
        return Err(Failure::Refused {
            kind: "OtherErrors",
            message: shown(last.as_str().unwrap_or("null")).to_owned(),
        });
    }
    let members = last.as_object().unwrap_or_default();
    let mut rates: Vec<(Box<str>, Decimal)> = members
        .iter()
        .map(|(code, rate)| (Box::from(&**code), decimal(rate)))
        .collect();
    rates.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(DayRates { rates })
}

/// Jackson's `decimalValue`: zero for what is no number.
fn decimal(rate: &Value<'_>) -> Decimal {
    let number = match rate {
        Value::Number(number) => Some(number),
        _ => None,
    };
    let read = number.and_then(|number| match number.as_i64() {
        Some(integer) => Decimal::parse(&integer.to_string()),
        None => Decimal::of_printed(number.as_f64()),
    });
    read.unwrap_or_default()
}
