//! What comes of a result: names of columns become keys, rows become objects, and the rows become
//! contexts (`sqlquery/Output.scala` of scala-common-enrich 0.34.0).

use std::borrow::Cow;

use crate::json::Value;

/// A result: the labels of its columns, and rows with as many values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Labels, in the order of the columns.
    pub labels: Vec<String>,
    /// Rows, in the order of the database.
    pub rows: Vec<Vec<Value<'static>>>,
}

/// How many rows there have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedRows {
    /// `EXACTLY_ONE`
    ExactlyOne,
    /// `AT_MOST_ONE`
    AtMostOne,
    /// `AT_LEAST_ONE`
    AtLeastOne,
    /// `AT_LEAST_ZERO`
    AtLeastZero,
}

/// What a context describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Describes {
    /// `ALL_ROWS`
    AllRows,
    /// `EVERY_ROW`
    EveryRow,
}

/// How a column's label becomes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyNames {
    /// `AS_IS`
    AsIs,
    /// `CAMEL_CASE`: `date_of_birth` becomes `dateOfBirth`
    Camel,
    /// `PASCAL_CASE`: `date_of_birth` becomes `DateOfBirth`
    Pascal,
    /// `SNAKE_CASE`: `dateOfBirth2` becomes `date_of_birth_2`
    Snake,
    /// `LOWER_CASE`
    Lower,
    /// `UPPER_CASE`
    Upper,
}

/// Parameter `output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// URI of the contexts' schema.
    pub schema: String,
    /// How many rows there have to be.
    pub expected_rows: ExpectedRows,
    /// What a context describes.
    pub describes: Describes,
    /// How labels become keys.
    pub property_names: PropertyNames,
}

impl ExpectedRows {
    /// By its name in configurations.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "EXACTLY_ONE" => Self::ExactlyOne,
            "AT_MOST_ONE" => Self::AtMostOne,
            "AT_LEAST_ONE" => Self::AtLeastOne,
            "AT_LEAST_ZERO" => Self::AtLeastZero,
            _ => return None,
        })
    }

    fn check(self, rows: usize) -> Result<(), String> {
        let failure = match self {
            Self::ExactlyOne if rows != 1 => "exactly one row was expected",
            Self::AtMostOne if rows > 1 => "at most one row was expected",
            Self::AtLeastOne if rows == 0 => "at least one row was expected. 0 given instead",
            _ => return Ok(()),
        };
        Err(format!("SQL Query Enrichment: {failure}"))
    }
}

impl Describes {
    /// By its name in configurations.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ALL_ROWS" => Self::AllRows,
            "EVERY_ROW" => Self::EveryRow,
            _ => return None,
        })
    }
}

impl PropertyNames {
    /// By its name in configurations.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "AS_IS" => Self::AsIs,
            "CAMEL_CASE" => Self::Camel,
            "PASCAL_CASE" => Self::Pascal,
            "SNAKE_CASE" => Self::Snake,
            "LOWER_CASE" => Self::Lower,
            "UPPER_CASE" => Self::Upper,
            _ => return None,
        })
    }

    /// The key of a label.
    pub fn key(self, label: &str) -> String {
        match self {
            Self::AsIs => label.to_owned(),
            Self::Camel => camel(label),
            Self::Pascal => {
                let camel = camel(label);
                let mut chars = camel.chars();
                match chars.next() {
                    Some(first) => to_upper(first).chain(chars).collect(),
                    None => camel,
                }
            }
            Self::Snake => label.chars().fold(String::new(), |mut key, char| {
                if char.is_ascii_uppercase() || char.is_ascii_digit() {
                    key.push('_');
                    key.push(char.to_ascii_lowercase());
                } else {
                    key.push(char);
                }
                key
            }),
            Self::Lower => label.to_lowercase(),
            Self::Upper => label.to_uppercase(),
        }
    }
}

/// Java's upper case of one character: one that would become several stays.
fn to_upper(char: char) -> impl Iterator<Item = char> {
    let mut upper = char.to_uppercase();
    let first = match upper.len() {
        1 => upper.next().unwrap_or(char),
        _ => char,
    };
    std::iter::once(first)
}

/// Replaces `_x` by `X` where `x` is a lower-case letter or a digit.
fn camel(label: &str) -> String {
    let mut key = String::with_capacity(label.len());
    let mut chars = label.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars
            .next_if(|next| char == '_' && (next.is_ascii_lowercase() || next.is_ascii_digit()));
        key.push(next.map_or(char, |next| next.to_ascii_uppercase()));
    }
    key
}

impl Output {
    /// So many rows decide what comes of the result, if it is more than that.
    pub fn most_rows(&self) -> Option<usize> {
        match self.expected_rows {
            ExpectedRows::ExactlyOne | ExpectedRows::AtMostOne => Some(2),
            ExpectedRows::AtLeastOne | ExpectedRows::AtLeastZero => None,
        }
    }

    /// The contexts of a result.
    ///
    /// # Errors
    /// The text for the bad row when there are too few or too many rows.
    pub fn contexts(&self, table: Table) -> Result<Vec<Value<'static>>, String> {
        self.expected_rows.check(table.rows.len())?;
        let keys: Vec<Cow<'static, str>> = table
            .labels
            .iter()
            .map(|label| Cow::Owned(self.property_names.key(label)))
            .collect();
        let rows = table.rows.into_iter().map(|row| object(&keys, row));
        let is_array = matches!(
            self.expected_rows,
            ExpectedRows::AtLeastOne | ExpectedRows::AtLeastZero
        );
        Ok(match self.describes {
            Describes::AllRows if is_array => vec![self.describe(Value::Array(rows.collect()))],
            Describes::AllRows | Describes::EveryRow => {
                rows.map(|row| self.describe(row)).collect()
            }
        })
    }

    fn describe(&self, data: Value<'static>) -> Value<'static> {
        Value::object([
            ("schema", Value::string(self.schema.clone())),
            ("data", data),
        ])
    }
}

/// The object of a row. Of equal keys the last value counts, at the place of the first, which is how
/// everybody after us would read it.
fn object(keys: &[Cow<'static, str>], row: Vec<Value<'static>>) -> Value<'static> {
    let mut members: Vec<(Cow<'static, str>, Value<'static>)> = Vec::with_capacity(row.len());
    for (key, value) in keys.iter().zip(row) {
        match members.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => members.push((key.clone(), value)),
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[i64]) -> Table {
        Table {
            labels: vec!["pk".into(), "city_name".into()],
            rows: rows
                .iter()
                .map(|&pk| vec![Value::integer(pk), Value::string("Milton")])
                .collect(),
        }
    }

    fn contexts(rows: &[i64], expected_rows: &str, describes: &str) -> Result<Vec<String>, String> {
        let output = Output {
            schema: "iglu:com.acme/user/jsonschema/1-0-0".into(),
            expected_rows: ExpectedRows::from_name(expected_rows).unwrap(),
            describes: Describes::from_name(describes).unwrap(),
            property_names: PropertyNames::Camel,
        };
        let contexts = output.contexts(table(rows))?;
        Ok(contexts
            .iter()
            .map(|context| {
                assert_eq!(context.as_object().unwrap()[0].0, "schema");
                context.get("data").unwrap().to_compact()
            })
            .collect())
    }

    #[test]
    fn rows_become_contexts() {
        const ONE: &str = r#"{"pk":1,"cityName":"Milton"}"#;
        const TWO: &str = r#"{"pk":2,"cityName":"Milton"}"#;
        let exactly = "SQL Query Enrichment: exactly one row was expected";
        let at_most = "SQL Query Enrichment: at most one row was expected";
        let at_least = "SQL Query Enrichment: at least one row was expected. 0 given instead";
        let array = |rows: &[&str]| format!("[{}]", rows.join(","));
        for describes in ["ALL_ROWS", "EVERY_ROW"] {
            let of = |rows: &[i64], expected| contexts(rows, expected, describes);
            assert_eq!(of(&[], "EXACTLY_ONE"), Err(exactly.into()));
            assert_eq!(of(&[1], "EXACTLY_ONE"), Ok(vec![ONE.into()]));
            assert_eq!(of(&[1, 2], "EXACTLY_ONE"), Err(exactly.into()));
            assert_eq!(of(&[], "AT_MOST_ONE"), Ok(vec![]));
            assert_eq!(of(&[1], "AT_MOST_ONE"), Ok(vec![ONE.into()]));
            assert_eq!(of(&[1, 2], "AT_MOST_ONE"), Err(at_most.into()));
            assert_eq!(of(&[], "AT_LEAST_ONE"), Err(at_least.into()));
        }
        assert_eq!(
            contexts(&[1], "AT_LEAST_ONE", "ALL_ROWS"),
            Ok(vec![array(&[ONE])])
        );
        assert_eq!(
            contexts(&[1, 2], "AT_LEAST_ONE", "ALL_ROWS"),
            Ok(vec![array(&[ONE, TWO])])
        );
        assert_eq!(
            contexts(&[], "AT_LEAST_ZERO", "ALL_ROWS"),
            Ok(vec![array(&[])])
        );
        assert_eq!(
            contexts(&[1], "AT_LEAST_ZERO", "ALL_ROWS"),
            Ok(vec![array(&[ONE])])
        );
        let every = |rows: &[i64], expected| contexts(rows, expected, "EVERY_ROW");
        assert_eq!(
            every(&[1, 2], "AT_LEAST_ONE"),
            Ok(vec![ONE.into(), TWO.into()])
        );
        assert_eq!(every(&[], "AT_LEAST_ZERO"), Ok(vec![]));
        assert_eq!(
            every(&[1, 2], "AT_LEAST_ZERO"),
            Ok(vec![ONE.into(), TWO.into()])
        );
    }

    #[test]
    fn labels_become_keys() {
        for (name, cases) in [
            ("AS_IS", [("a_b", "a_b"), ("aB1", "aB1"), ("", "")]),
            (
                "CAMEL_CASE",
                [
                    ("date_of_birth", "dateOfBirth"),
                    ("_a_1_B__c", "A1_B_C"),
                    ("x_", "x_"),
                ],
            ),
            (
                "PASCAL_CASE",
                [
                    ("date_of_birth", "DateOfBirth"),
                    ("\u{e4}_b", "\u{c4}B"),
                    ("", ""),
                ],
            ),
            (
                "SNAKE_CASE",
                [
                    ("SomeColumn2", "_some_column_2"),
                    ("aBC", "a_b_c"),
                    ("a_b", "a_b"),
                ],
            ),
            (
                "LOWER_CASE",
                [("SomeColumn", "somecolumn"), ("\u{c4}", "\u{e4}"), ("", "")],
            ),
            (
                "UPPER_CASE",
                [
                    ("SomeColumn", "SOMECOLUMN"),
                    ("stra\u{df}e", "STRASSE"),
                    ("", ""),
                ],
            ),
        ] {
            let names = PropertyNames::from_name(name).unwrap();
            for (label, key) in cases {
                assert_eq!(names.key(label), key, "{name} {label}");
            }
        }
        assert_eq!(PropertyNames::from_name("KEBAB_CASE"), None);
    }

    #[test]
    fn of_equal_keys_the_last_value_counts() {
        let keys = ["a", "b", "a"].map(Cow::Borrowed);
        let row = (1..=3).map(Value::integer).collect();
        assert_eq!(object(&keys, row).to_compact(), r#"{"a":3,"b":2}"#);
    }
}
