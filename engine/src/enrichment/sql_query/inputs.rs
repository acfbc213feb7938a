//! The values that an event puts into a statement's `?`.
//!
//! Keeps `sqlquery/Input.scala` (scala-common-enrich 0.34.0): columns come first and JSONs then, so that
//! of equal placeholders a JSON wins over a column and a later input over an earlier one; a missing value
//! replaces none.

use std::collections::BTreeMap;

use crate::enrichment::draft::Draft;
use crate::enrichment::input::first_data;
use crate::event::{Field, FieldKind};
use crate::json::Value;
use crate::json::path::{Dialect, JsonPath};
use crate::json::print::write_string;

/// A value with the type under which JDBC sets it.
#[derive(Debug, Clone, PartialEq)]
pub enum Placeholder {
    /// `setString`
    Text(String),
    /// `setInt`
    Int(i32),
    /// `setLong`
    Long(i64),
    /// `setByte`
    Byte(i8),
    /// `setFloat`
    Float(f32),
    /// `setDouble`
    Double(f64),
    /// `setBoolean`
    Bool(bool),
}

/// One `inputs` element.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    placeholder: u32,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Column(Field),
    /// Column `pii`, which is null until all other enrichments have run.
    Null,
    UnknownColumn,
    Json {
        field: String,
        schema_criterion: String,
        path: Result<JsonPath, String>,
    },
}

impl Input {
    /// The value of a column. A name that no column has fails the events, not the job.
    pub fn of_column(placeholder: u32, field: &str) -> Self {
        let source = match Field::from_name(field) {
            Some(field) => Source::Column(field),
            None if field == "pii" => Source::Null,
            None => Source::UnknownColumn,
        };
        Self {
            placeholder,
            source,
        }
    }

    /// A value in a self-describing JSON. A wrong field or path fails the events, not the job.
    pub fn of_json(placeholder: u32, field: &str, schema_criterion: &str, path: &str) -> Self {
        let source = Source::Json {
            field: field.to_owned(),
            schema_criterion: schema_criterion.to_owned(),
            path: JsonPath::compile(path, Dialect::Gatling),
        };
        Self {
            placeholder,
            source,
        }
    }

    /// The value of one event; `None` where it is missing.
    ///
    /// # Errors
    /// All texts for the bad row.
    pub fn value(&self, draft: &Draft<'_>) -> Result<Option<Placeholder>, Vec<String>> {
        match &self.source {
            Source::Column(field) => Ok(column(*field, draft.event.get(*field))),
            Source::Null => Ok(None),
            Source::UnknownColumn => Err(vec![
                "SQL Query Enrichment: Wrong POJO input field was specified".into(),
            ]),
            Source::Json {
                field,
                schema_criterion,
                path,
            } => {
                let data = first_data(draft, field, schema_criterion).map_err(|_| {
                    format!(
                        "SQL Query Enrichment: wrong field [{field}] passed to Input.getFromJson. Should be one of: derived_contexts, contexts, unstruct_event"
                    )
                });
                let path = path
                    .as_ref()
                    .map_err(|text| format!("java.lang.Exception: {text}"));
                match (path, data) {
                    (Ok(path), Ok(data)) => {
                        Ok(data.and_then(|data| match path.select(data).as_slice() {
                            [value] => of_json(value),
                            // several are an array
                            _ => None,
                        }))
                    }
                    (path, data) => Err(path.err().into_iter().chain(data.err()).collect()),
                }
            }
        }
    }
}

/// The value of a column by the type that it has in the reference.
fn column(field: Field, value: Option<&str>) -> Option<Placeholder> {
    let text = value?;
    let typed = match field.kind() {
        FieldKind::Text | FieldKind::Json => None,
        FieldKind::Integer => text.parse().ok().map(Placeholder::Int),
        FieldKind::Float => text.parse().ok().map(Placeholder::Float),
        FieldKind::Flag => text.parse().ok().map(Placeholder::Byte),
    };
    Some(typed.unwrap_or_else(|| Placeholder::Text(text.to_owned())))
}

/// The value of a JSON; none of objects, arrays and null.
pub fn of_json(value: &Value<'_>) -> Option<Placeholder> {
    match value {
        Value::String(text) => Some(Placeholder::Text(text.to_string())),
        Value::Bool(value) => Some(Placeholder::Bool(*value)),
        Value::Number(number) if number.is_integer() => {
            // an integer of more than 64 bits loses its upper ones
            let long = number.token.parse::<i128>().ok()? as i64;
            Some(i32::try_from(long).map_or(Placeholder::Long(long), Placeholder::Int))
        }
        Value::Number(number) => Some(Placeholder::Double(number.as_f64())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values of placeholders 1 to n; `None` when one of these has none.
///
/// # Errors
/// The texts of all inputs, those of columns first.
pub fn values(
    inputs: &[Input],
    draft: &Draft<'_>,
) -> Result<Option<Vec<Placeholder>>, Vec<String>> {
    let is_json = |input: &&Input| matches!(input.source, Source::Json { .. });
    let columns = inputs.iter().filter(|input| !is_json(input));
    let mut found = BTreeMap::new();
    let mut failures = Vec::new();
    for input in columns.chain(inputs.iter().filter(is_json)) {
        match input.value(draft) {
            Ok(Some(value)) => {
                found.insert(input.placeholder, value);
            }
            Ok(None) => {}
            Err(texts) => failures.extend(texts),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let is_complete = found.keys().zip(1..).all(|(key, number)| *key == number);
    Ok(is_complete.then(|| found.into_values().collect()))
}

/// The canonical text of values: a JSON array of texts, each a letter for the type and the value.
pub fn question(values: &[Placeholder]) -> String {
    let mut out = vec![b'['];
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let text = match value {
            Placeholder::Text(text) => format!("t{text}"),
            Placeholder::Int(value) => format!("i{value}"),
            Placeholder::Long(value) => format!("l{value}"),
            Placeholder::Byte(value) => format!("y{value}"),
            Placeholder::Float(value) => format!("f{value:?}"),
            Placeholder::Double(value) => format!("d{value:?}"),
            Placeholder::Bool(value) => format!("b{value}"),
        };
        write_string(&text, &mut out);
    }
    out.push(b']');
    String::from_utf8(out).unwrap_or_default()
}

/// The values of a canonical text.
pub fn values_of(question: &str) -> Option<Vec<Placeholder>> {
    let array = crate::json::parse(question).ok()??;
    let read = |value: &Value<'_>| {
        let text = value.as_str()?;
        let (kind, value) = text.split_at_checked(1)?;
        Some(match kind {
            "t" => Placeholder::Text(value.to_owned()),
            "i" => Placeholder::Int(value.parse().ok()?),
            "l" => Placeholder::Long(value.parse().ok()?),
            "y" => Placeholder::Byte(value.parse().ok()?),
            "f" => Placeholder::Float(value.parse().ok()?),
            "d" => Placeholder::Double(value.parse().ok()?),
            "b" => Placeholder::Bool(value.parse().ok()?),
            _ => return None,
        })
    };
    array.as_array()?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrichment::registry::Stage;
    use crate::enrichment::tests::raw_event;
    use crate::json::parse;

    fn json(text: &str) -> Value<'_> {
        parse(text).unwrap().unwrap()
    }

    #[test]
    fn jsons_win_over_columns_and_later_ones_over_earlier() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.event.set(Field::UserId, "chuwy");
        draft.event.set(Field::GeoLatitude, "43.1");
        draft.event.set(Field::BrCookies, "1");
        draft.event.set(Field::TiQuantity, "7");
        draft.contexts = Some(json(
            r#"{"data":[{"schema":"iglu:com.acme/geo/jsonschema/1-1-0","data":{"lat":43.5,"n":5,"long":5000000000,"ok":true,"none":null,"list":[1,2]}}]}"#,
        ));
        draft.unstruct_event = Some(json(
            r#"{"data":{"schema":"iglu:com.acme/click/jsonschema/2-0-0","data":{"id":"x"}}}"#,
        ));
        let derived =
            json(r#"{"schema":"iglu:com.acme/ua/jsonschema/1-0-0","data":{"f":"Firefox"}}"#);
        draft
            .derived_contexts
            .push(Stage::UaParser, derived.into_owned());
        let geo = "iglu:com.acme/geo/jsonschema/1-1-*";
        let of = |inputs: &[Input]| values(inputs, &draft).unwrap();
        assert_eq!(
            of(&[
                Input::of_json(1, "contexts", geo, "$.lat"),
                Input::of_column(1, "geo_latitude"),
                Input::of_column(2, "br_cookies"),
                Input::of_column(2, "app_id"),
                Input::of_column(3, "ti_quantity"),
                Input::of_json(4, "contexts", geo, "$.long"),
                Input::of_json(4, "contexts", geo, "$.none"),
                Input::of_json(
                    5,
                    "unstruct_event",
                    "iglu:com.acme/click/jsonschema/*-*-*",
                    "$.id"
                ),
                Input::of_json(
                    6,
                    "derived_contexts",
                    "iglu:com.acme/ua/jsonschema/1-0-0",
                    "$.f"
                ),
                Input::of_column(7, "geo_latitude"),
                Input::of_json(8, "contexts", geo, "$.ok"),
                Input::of_json(9, "contexts", geo, "$.n"),
            ]),
            Some(vec![
                Placeholder::Double(43.5),
                Placeholder::Byte(1),
                Placeholder::Int(7),
                Placeholder::Long(5_000_000_000),
                Placeholder::Text("x".into()),
                Placeholder::Text("Firefox".into()),
                Placeholder::Float(43.1),
                Placeholder::Bool(true),
                Placeholder::Int(5),
            ])
        );
        assert_eq!(of(&[]), Some(vec![]));
        // the later of two columns
        assert_eq!(
            of(&[
                Input::of_column(1, "ti_quantity"),
                Input::of_column(1, "user_id")
            ]),
            Some(vec![Placeholder::Text("chuwy".into())])
        );
        for missing in [
            Input::of_column(1, "app_id"),
            Input::of_column(1, "pii"),
            Input::of_column(2, "user_id"),
            Input::of_json(1, "contexts", geo, "$.none"),
            Input::of_json(1, "contexts", geo, "$.list"),
            Input::of_json(1, "contexts", geo, "$.list[*]"),
            Input::of_json(1, "contexts", geo, "$.nothing"),
            Input::of_json(1, "contexts", "iglu:com.acme/geo/jsonschema/1-0-*", "$.lat"),
        ] {
            // a missing value leaves a gap at 1, except that a lone 1 that is missing leaves nothing
            let found = of(std::slice::from_ref(&missing));
            assert!(found.is_none_or(|values| values.is_empty()), "{missing:?}");
            let with_two = of(&[missing.clone(), Input::of_column(2, "user_id")]);
            assert_eq!(with_two, None, "{missing:?}");
        }
    }

    #[test]
    fn all_failures_are_told() {
        let raw = raw_event(&[]);
        let draft = Draft::new(&raw);
        let inputs = [
            Input::of_json(
                1,
                "contexts",
                "iglu:a/b/jsonschema/1-0-0",
                "*.invalidJsonPath",
            ),
            Input::of_column(1, "unknown_property"),
            Input::of_column(2, "app_id"),
            Input::of_json(2, "wrong", "iglu:a/b/jsonschema/1-0-0", "$.a["),
        ];
        assert_eq!(
            values(&inputs, &draft).unwrap_err(),
            [
                "SQL Query Enrichment: Wrong POJO input field was specified",
                "java.lang.Exception: `$' expected but `*' found",
                "java.lang.Exception: `:' expected but end of source found",
                "SQL Query Enrichment: wrong field [wrong] passed to Input.getFromJson. Should be one of: derived_contexts, contexts, unstruct_event",
            ]
        );
    }

    #[test]
    fn every_column_has_a_type() {
        let expected = |field: Field| match field.kind() {
            FieldKind::Text | FieldKind::Json => Placeholder::Text("1".into()),
            FieldKind::Integer => Placeholder::Int(1),
            FieldKind::Float => Placeholder::Float(1.0),
            FieldKind::Flag => Placeholder::Byte(1),
        };
        for field in Field::ALL {
            assert_eq!(column(field, Some("1")), Some(expected(field)), "{field}");
            assert_eq!(column(field, None), None);
        }
    }

    #[test]
    fn integers_of_json() {
        for (text, expected) in [
            ("1", Some(Placeholder::Int(1))),
            ("-0", Some(Placeholder::Int(0))),
            ("2147483647", Some(Placeholder::Int(i32::MAX))),
            ("2147483648", Some(Placeholder::Long(1 << 31))),
            ("9223372036854775806", Some(Placeholder::Long(i64::MAX - 1))),
            ("18446744073709551617", Some(Placeholder::Int(1))),
            ("1.0", Some(Placeholder::Double(1.0))),
            ("1e2", Some(Placeholder::Double(100.0))),
            ("[]", None),
            ("{}", None),
            ("null", None),
        ] {
            assert_eq!(of_json(&json(text)), expected, "{text}");
        }
        assert_eq!(of_json(&json(&"9".repeat(50))), None);
    }

    #[test]
    fn questions_are_read_as_they_were_written() {
        for values in [
            vec![],
            vec![
                Placeholder::Text("a\"\\\u{0}\u{1f980},]".into()),
                Placeholder::Text(String::new()),
                Placeholder::Int(i32::MIN),
                Placeholder::Long(i64::MAX),
                Placeholder::Byte(-1),
                Placeholder::Float(0.1),
                Placeholder::Double(1e-300),
                Placeholder::Double(f64::INFINITY),
                Placeholder::Bool(false),
            ],
        ] {
            assert_eq!(values_of(&question(&values)), Some(values));
        }
        assert_ne!(
            question(&[Placeholder::Int(1)]),
            question(&[Placeholder::Long(1)])
        );
        for broken in [
            "",
            "x",
            "{}",
            "[1]",
            "[\"\"]",
            "[\"q1\"]",
            "[\"ix\"]",
            "[\"\u{e9}\"]",
        ] {
            assert_eq!(values_of(broken), None, "{broken}");
        }
    }
}
