//! Contexts of numbered things, whose parameters have numbers in their names: `pr1id` and `pr1nm`
//! are fields of the first product, `il2pi3cd4` is the custom dimension 4 of the third product of
//! the second list.
//!
//! The reference does not put together what has the same numbers. It collects the values of every
//! field, and the numbers, in the order of the parameters' names, and reads the columns row by row:
//! as long as every thing has the same fields, a row is a thing. Where one has fewer, the values of
//! others shift into its place; that is kept.

pub mod field_name;
mod schemas;

use std::borrow::Cow;
use std::cmp::Ordering;

use hashbrown::HashMap;

use super::table::{Context, Field, Table, into_map_order, name_order};
use super::translate::{Untranslatable, translate};
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;
use crate::json::Value;
use crate::text::java_number::parse_int;
use crate::text::scala_map::mutable_group_order;
use field_name::FieldName;
use schemas::{CURRENCY, TABLES, has_currency, index_fields, uses};

/// Most bytes of all copies of the currency in the contexts of a hit.
pub(super) const MAX_CURRENCY_BYTES: usize = 16 << 20;

/// The contexts of a hit, in map order. If a name or a value is not as it should be, there are none,
/// and the first message goes to `messages`.
///
/// # Errors
/// Where the reference throws.
pub(super) fn contexts<'a>(
    form: &'a Parameters,
    messages: &mut Vec<String>,
) -> Result<Vec<Context<'a>>, AdapterFailure> {
    let parameters = match named_parameters(form) {
        Ok(parameters) => parameters,
        Err(message) => {
            messages.push(message);
            return Ok(Vec::new());
        }
    };
    if parameters.is_empty() {
        return Ok(Vec::new());
    }
    let groups = Groups::of(&parameters);
    let found = columns(&groups)?;
    let currency = form.get(CURRENCY.parameter).map(Option::as_deref);
    match found.and_then(|found| rows(found, currency)) {
        Ok(contexts) => Ok(contexts),
        Err(message) => {
            messages.push(message);
            Ok(Vec::new())
        }
    }
}

/// A parameter with a number in its name.
struct Parameter<'a> {
    name: FieldName<'a>,
    value: Option<&'a str>,
}

/// The parameters with a digit in their names, sorted by name; or the message about the first one
/// with another form.
fn named_parameters(form: &Parameters) -> Result<Vec<Parameter<'_>>, String> {
    let mut pairs: Vec<(&str, Option<&str>)> = form
        .iter()
        .filter(|(name, _)| name.chars().any(is_digit))
        .map(|(name, value)| (name, value.as_deref()))
        .collect();
    pairs.sort_unstable_by(|(a, _), (b, _)| java_order(a, b));
    pairs
        .into_iter()
        .map(|(name, value)| {
            let name = FieldName::parse(name)?;
            Ok(Parameter { name, value })
        })
        .collect()
}

/// Java's `Character.isDigit` of a character of the basic plane; digits of others are no digits to
/// it, as it sees two halves.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && parse_int(c.encode_utf8(&mut [0; 4])).is_some())
}

/// Java's order of strings, by UTF-16 units.
fn java_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() {
        // differs from that of bytes only where both have characters beyond the surrogates
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

/// Values by the keys of fields, groups and values in the order in which they were met.
#[derive(Default)]
struct Groups<'a> {
    index: HashMap<String, usize>,
    values: Vec<Vec<Option<&'a str>>>,
}

impl<'a> Groups<'a> {
    /// First the values of all parameters, then the numbers in their names, but not those of a
    /// parameter that has the same as the one before.
    fn of(parameters: &[Parameter<'a>]) -> Self {
        let mut groups = Self::default();
        let mut key = String::new();
        for parameter in parameters {
            parameter.name.write_value_key(&mut key);
            let group = groups.group(&key);
            groups.values[group].push(parameter.value);
        }
        let mut before = Vec::new();
        for parameter in parameters {
            let mut numbers = Vec::with_capacity(3);
            for (index, number) in parameter.name.numbers().enumerate() {
                parameter.name.write_index_key(index, &mut key);
                numbers.push((groups.group(&key), number));
            }
            if numbers != before {
                for (group, number) in &numbers {
                    groups.values[*group].push(Some(number));
                }
                before = numbers;
            }
        }
        groups
    }

    fn group(&mut self, key: &str) -> usize {
        if let Some(group) = self.index.get(key) {
            return *group;
        }
        let group = self.values.len();
        self.index.insert(key.to_owned(), group);
        self.values.push(Vec::new());
        group
    }

    /// Keys and values in the order of the map that Scala's `groupBy` makes.
    fn in_order(&self) -> impl Iterator<Item = (&str, &[Option<&'a str>])> {
        let mut keys = vec![""; self.values.len()];
        for (key, group) in &self.index {
            keys[*group] = key;
        }
        mutable_group_order(&keys)
            .into_iter()
            .map(move |group| (keys[group], self.values[group].as_slice()))
    }
}

/// The values of a field, or the message about the first that could not be translated.
type Column<'a> = Result<Vec<Value<'a>>, String>;

/// The fields that a schema was found to have.
struct Columns<'a> {
    table: usize,
    columns: Vec<(&'static Field, Column<'a>)>,
}

/// Translated values in columns.
struct Translated<'a> {
    table: &'static Table,
    fields: Vec<&'static Field>,
    columns: Vec<Vec<Value<'a>>>,
}

/// The columns of every schema that knows one of the keys, schemas and columns in map order; or the
/// first message.
fn columns<'a>(groups: &Groups<'a>) -> Result<Result<Vec<Translated<'a>>, String>, AdapterFailure> {
    let mut found: Vec<Columns<'a>> = Vec::new();
    for (key, values) in groups.in_order() {
        for (table, field) in uses(key) {
            let column = column(field, values)?;
            match found.iter_mut().find(|columns| columns.table == *table) {
                Some(known) => known.columns.push((field, column)),
                None => found.push(Columns {
                    table: *table,
                    columns: vec![(field, column)],
                }),
            }
        }
    }
    into_map_order(&mut found, |columns| TABLES[columns.table].order());
    Ok(found.into_iter().map(translated).collect())
}

fn column<'a>(field: &Field, values: &[Option<&'a str>]) -> Result<Column<'a>, AdapterFailure> {
    let mut column = Ok(Vec::with_capacity(values.len()));
    // goes on behind a message, as an exception may follow
    for value in values {
        match translate(field, *value) {
            Ok(value) => {
                if let Ok(values) = &mut column {
                    values.push(value);
                }
            }
            Err(Untranslatable::Message(message)) => {
                if column.is_ok() {
                    column = Err(message);
                }
            }
            Err(Untranslatable::Exception(exception)) => return Err(exception),
        }
    }
    Ok(column)
}

fn translated(mut found: Columns<'_>) -> Result<Translated<'_>, String> {
    into_map_order(&mut found.columns, |(field, _)| field.order());
    let mut translated = Translated {
        table: &TABLES[found.table],
        fields: Vec::with_capacity(found.columns.len()),
        columns: Vec::with_capacity(found.columns.len()),
    };
    for (field, column) in found.columns {
        translated.fields.push(field);
        translated.columns.push(column?);
    }
    Ok(translated)
}

/// The rows of all schemas as contexts. `currency` is the value of the hit's parameter, if it has
/// one.
fn rows<'a>(
    found: Vec<Translated<'a>>,
    currency: Option<Option<&'a str>>,
) -> Result<Vec<Context<'a>>, String> {
    let mut contexts = Vec::new();
    let mut currency_bytes: usize = 0;
    for Translated {
        table,
        fields,
        columns,
    } in found
    {
        let needed = index_fields(table);
        let currency = currency.filter(|_| has_currency(table));
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        loop {
            // columns that have ended leave no gap: the values behind them move up
            let row: Vec<Value<'a>> = columns.iter_mut().filter_map(Iterator::next).collect();
            if row.is_empty() {
                break;
            }
            if row.len() <= needed {
                continue;
            }
            let mut members = Vec::with_capacity(row.len() + 1);
            if let Some(currency) = currency {
                currency_bytes = currency_bytes.saturating_add(currency.map_or(0, str::len));
                if currency_bytes > MAX_CURRENCY_BYTES {
                    return Err(format!(
                        "Field [{}]: too long to be repeated for every product",
                        CURRENCY.name
                    ));
                }
                let value = currency.map_or(Value::Null, Value::string);
                members.push((Cow::Borrowed(CURRENCY.name), value));
            }
            members.extend(
                fields
                    .iter()
                    .map(|field| Cow::Borrowed(field.name))
                    .zip(row),
            );
            into_map_order(&mut members, |(name, _)| name_order(name));
            contexts.push(Context::new(table, Value::Object(members)));
        }
    }
    Ok(contexts)
}

#[cfg(test)]
mod tests;
