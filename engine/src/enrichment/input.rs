//! Inputs of the enrichments that ask services: which JSON of an event an input looks into, and the texts that the API
//! request makes of values.
//!
//! In: the draft and an input's configuration. Out: the `data` of a self-describing JSON ([`first_data`], for the API
//! request and the SQL query), or the value of a key of a URL template ([`Input`]). Keeps the reference's
//! `apirequest/Input.scala` (scala-common-enrich 0.34.0), with the `Some(...)` that it puts around the elements of an
//! array.

use std::collections::BTreeMap;

use crate::event::Field;
use crate::json::Value;
use crate::json::path::{Dialect, JsonPath};
use crate::json::print::write_compact;
use crate::text::java_number;

use super::draft::Draft;

/// A `field` of an input that names no source of JSONs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongField;

/// The `data` of the first self-describing JSON whose schema meets a criterion.
///
/// `field` is `contexts` (custom contexts), `unstruct_event`, or `derived_contexts` (those that enrichments made so far).
/// The criterion is not compared as one, but as text: what stands before its first `*` part must begin the schema's URI.
/// So `1-0-1` also meets `1-0-10`.
///
/// # Errors
/// When `field` is none of the three.
pub fn first_data<'d>(
    draft: &'d Draft<'_>,
    field: &str,
    schema_criterion: &str,
) -> Result<Option<&'d Value<'d>>, WrongField> {
    fn first<'d, 'j: 'd>(
        mut jsons: impl Iterator<Item = &'d Value<'j>>,
        prefix: Option<&str>,
    ) -> Option<&'d Value<'d>> {
        let prefix = prefix?;
        jsons.find(|json| is_of(json, prefix))?.get("data")
    }
    let prefix = criterion_prefix(schema_criterion);
    Ok(match field {
        "contexts" => first(draft.custom_contexts().iter(), prefix),
        "unstruct_event" => first(draft.self_describing_event().into_iter(), prefix),
        "derived_contexts" => first(draft.derived_contexts.prepared(), prefix),
        _ => return Err(WrongField),
    })
}

/// Whether a self-describing JSON has a schema that begins with `prefix`.
fn is_of(json: &Value<'_>, prefix: &str) -> bool {
    let schema = json.get("schema").and_then(Value::as_str);
    schema.is_some_and(|schema| schema.starts_with(prefix))
}

/// What a schema's URI must begin with to meet a criterion; `None` when the text is no criterion, which nothing meets.
pub fn criterion_prefix(criterion: &str) -> Option<&str> {
    let is_word = |word: &str, dots: bool| {
        let is_char =
            |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || (dots && b == b'.');
        !word.is_empty() && word.bytes().all(is_char)
    };
    let is_number = |part: &str, least: u8| {
        part == "*"
            || part == "0" && least == 0
            || part.bytes().all(|b| b.is_ascii_digit())
                && !part.is_empty()
                && !part.starts_with('0')
    };
    let mut words = criterion.strip_prefix("iglu:")?.split('/');
    let (vendor, name, format) = (words.next()?, words.next()?, words.next()?);
    let version = words.next()?;
    if words.next().is_some() || !is_word(vendor, true) || !is_word(name, false) {
        return None;
    }
    let mut parts = version.split('-');
    let (model, revision, addition) = (parts.next()?, parts.next()?, parts.next()?);
    let is_version = is_number(model, 1) && is_number(revision, 0) && is_number(addition, 0);
    if parts.next().is_some() || !is_word(format, false) || !is_version {
        return None;
    }
    let cut = version.find('*').unwrap_or(version.len());
    criterion.get(..criterion.len() - version.len() + cut)
}

/// Where the value of a key comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A column of the enriched event.
    Pojo {
        /// The column's name as it was configured.
        field: String,
    },
    /// A value in a self-describing JSON of the event.
    Json {
        /// Which JSONs.
        field: String,
        /// Which schemas.
        schema_criterion: String,
        /// Where in its `data`.
        json_path: String,
    },
}

/// One `inputs` element of the API request.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name in the template.
    pub key: String,
    /// Where its value comes from.
    pub source: Source,
    ready: Ready,
}

/// What of an input is worked out before the first event.
#[derive(Debug, Clone, PartialEq)]
enum Ready {
    Column(Field),
    /// Column `pii`, which is null until all other enrichments have run.
    Null,
    UnknownColumn,
    Path(Result<JsonPath, String>),
}

/// Values by key.
pub type Values = BTreeMap<String, String>;

impl Input {
    /// An input; whatever is wrong with it fails the events, as in the reference, not the job.
    pub fn new(key: String, source: Source) -> Self {
        let ready = match &source {
            Source::Pojo { field } => match Field::from_name(field) {
                Some(column) => Ready::Column(column),
                None if field == "pii" => Ready::Null,
                None => Ready::UnknownColumn,
            },
            Source::Json { json_path, .. } => {
                Ready::Path(JsonPath::compile(json_path, Dialect::Gatling))
            }
        };
        Self { key, source, ready }
    }

    /// The value in one event; `None` where it is missing.
    ///
    /// # Errors
    /// The texts of everything that is wrong with the input.
    pub fn value(&self, draft: &Draft<'_>) -> Result<Option<String>, Vec<String>> {
        match (&self.source, &self.ready) {
            (Source::Pojo { .. }, Ready::Column(column)) => {
                Ok(draft.event.get(*column).map(str::to_owned))
            }
            (Source::Pojo { .. }, Ready::Null) => Ok(None),
            (Source::Pojo { field }, _) => Err(vec![format!(
                "Error accessing POJO input field [{}]: [java.lang.NoSuchMethodException: com.snowplowanalytics.snowplow.enrich.common.outputs.EnrichedEvent.{field}()]",
                self.key
            )]),
            (
                Source::Json {
                    field,
                    schema_criterion,
                    ..
                },
                ready,
            ) => {
                let mut failures = Vec::new();
                let data = first_data(draft, field, schema_criterion);
                if data.is_err() {
                    failures.push(format!(
                        "Error: wrong field [{field}] passed to Input.getFromJson. Should be one of: derived_contexts, contexts, unstruct_event"
                    ));
                }
                if let Ready::Path(Err(text)) = ready {
                    failures.push(text.clone());
                }
                match (data, ready) {
                    (Ok(data), Ready::Path(Ok(path))) => {
                        Ok(data.and_then(|data| url_text(&path.select(data))))
                    }
                    _ => Err(failures),
                }
            }
        }
    }
}

/// The values of all inputs, or `None` where the service is not to be asked.
///
/// All columns must have values, or none of them counts; the same holds for all JSONs. What is left is merged: a JSON wins
/// over a column, a later input over an earlier one. Nothing is asked only where both were dropped, so an input that is
/// missing does not keep an address without placeholders from being asked.
///
/// # Errors
/// The texts of all inputs, those of columns first.
pub fn values(inputs: &[Input], draft: &Draft<'_>) -> Result<Option<Values>, Vec<String>> {
    let is_pojo = |input: &&Input| matches!(input.source, Source::Pojo { .. });
    let columns = collect(inputs.iter().filter(is_pojo), draft);
    let jsons = collect(inputs.iter().filter(|input| !is_pojo(input)), draft);
    match (columns, jsons) {
        (Ok(columns), Ok(jsons)) => Ok(match (columns, jsons) {
            (Some(mut columns), Some(jsons)) => {
                columns.extend(jsons);
                Some(columns)
            }
            (columns, jsons) => columns.or(jsons),
        }),
        (columns, jsons) => {
            let texts = columns.err().into_iter().chain(jsons.err());
            Err(texts.flatten().collect())
        }
    }
}

fn collect<'i>(
    inputs: impl Iterator<Item = &'i Input>,
    draft: &Draft<'_>,
) -> Result<Option<Values>, Vec<String>> {
    let mut values = Some(Values::new());
    let mut failures = Vec::new();
    for input in inputs {
        match input.value(draft) {
            Ok(Some(value)) => {
                if let Some(values) = &mut values {
                    values.insert(input.key.clone(), value);
                }
            }
            Ok(None) => values = None,
            Err(texts) => failures.extend(texts),
        }
    }
    if failures.is_empty() {
        Ok(values)
    } else {
        Err(failures)
    }
}

/// The text of what a path selected; `None` when it selected nothing.
fn url_text(selected: &[&Value<'_>]) -> Option<String> {
    let mut text = String::new();
    match selected {
        [] => return None,
        [value] => write_text(value, &mut text),
        values => write_elements(values.iter().copied(), &mut text),
    }
    Some(text)
}

fn write_text(value: &Value<'_>, out: &mut String) {
    let mut bytes = Vec::new();
    match value {
        Value::String(text) => return out.push_str(text),
        Value::Array(items) => return write_elements(items.iter(), out),
        Value::Number(number) if !number.is_integer() => {
            java_number::write_double(number.as_f64(), &mut bytes);
        }
        other => write_compact(other, &mut bytes),
    }
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// The reference joins options, not their values.
fn write_elements<'v>(elements: impl Iterator<Item = &'v Value<'v>>, out: &mut String) {
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("Some(");
        write_text(element, out);
        out.push(')');
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry::Stage;
    use super::super::tests::raw_event;
    use super::*;
    use crate::json::parse;

    fn pojo(key: &str, field: &str) -> Input {
        let field = field.to_owned();
        Input::new(key.to_owned(), Source::Pojo { field })
    }

    fn json(key: &str, field: &str, criterion: &str, path: &str) -> Input {
        let source = Source::Json {
            field: field.to_owned(),
            schema_criterion: criterion.to_owned(),
            json_path: path.to_owned(),
        };
        Input::new(key.to_owned(), source)
    }

    fn value(text: &str) -> Value<'_> {
        parse(text).unwrap().unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> Values {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn criteria_are_prefixes() {
        for (criterion, prefix) in [
            (
                "iglu:com.acme/user/jsonschema/1-*-*",
                Some("iglu:com.acme/user/jsonschema/1-"),
            ),
            (
                "iglu:com.acme/user/jsonschema/1-2-*",
                Some("iglu:com.acme/user/jsonschema/1-2-"),
            ),
            (
                "iglu:com.acme/user/jsonschema/1-*-3",
                Some("iglu:com.acme/user/jsonschema/1-"),
            ),
            (
                "iglu:com.acme/user/jsonschema/*-*-*",
                Some("iglu:com.acme/user/jsonschema/"),
            ),
            (
                "iglu:com.acme/user/jsonschema/1-0-1",
                Some("iglu:com.acme/user/jsonschema/1-0-1"),
            ),
            ("iglu:com.acme/user/jsonschema/0-0-1", None),
            ("iglu:com.acme/user/jsonschema/1-00-1", None),
            ("iglu:com.acme/user/jsonschema/1-0", None),
            ("iglu:com.acme/user/jsonschema/1-0-1-2", None),
            ("iglu:com.acme/user/jsonschema/1-0-x", None),
            ("iglu:com.acme/us.er/jsonschema/1-0-1", None),
            ("iglu:/user/jsonschema/1-0-1", None),
            ("iglu:com.acme/user/1-0-1", None),
            ("com.acme/user/jsonschema/1-0-1", None),
            ("", None),
        ] {
            assert_eq!(criterion_prefix(criterion), prefix, "{criterion}");
        }
    }

    #[test]
    fn the_first_json_that_meets_the_criterion_counts() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.contexts = Some(value(
            r#"{"schema":"x","data":[{"schema":"iglu:com.acme/a/jsonschema/1-0-10","data":{"n":1}},{"schema":"iglu:com.acme/a/jsonschema/1-0-1","data":{"n":2}},{"schema":7,"data":{"n":3}}]}"#,
        ));
        draft.unstruct_event = Some(value(
            r#"{"schema":"x","data":{"schema":"iglu:com.acme/e/jsonschema/2-0-0","data":{"n":4}}}"#,
        ));
        draft.derived_contexts.push(
            Stage::ApiRequest,
            Value::object([
                ("schema", Value::string("iglu:com.acme/d/jsonschema/1-0-0")),
                ("data", Value::integer(9)),
            ]),
        );
        draft.derived_contexts.push(
            Stage::Weather,
            Value::object([
                ("schema", Value::string("iglu:com.acme/d/jsonschema/1-0-0")),
                ("data", Value::integer(5)),
            ]),
        );
        let found = |field: &str, criterion: &str| {
            first_data(&draft, field, criterion).map(|data| data.map(Value::to_compact))
        };
        let acme = |rest: &str| format!("iglu:com.acme/{rest}");
        assert_eq!(
            found("contexts", &acme("a/jsonschema/1-0-1")),
            Ok(Some(r#"{"n":1}"#.into()))
        );
        assert_eq!(found("contexts", &acme("a/jsonschema/2-0-*")), Ok(None));
        assert_eq!(found("contexts", "nonsense"), Ok(None));
        assert_eq!(
            found("unstruct_event", &acme("e/jsonschema/*-*-*")),
            Ok(Some(r#"{"n":4}"#.into()))
        );
        // the API request does not see its own contexts
        assert_eq!(
            found("derived_contexts", &acme("d/jsonschema/1-0-0")),
            Ok(Some("5".into()))
        );
        assert_eq!(found("co", &acme("d/jsonschema/1-0-0")), Err(WrongField));
    }

    #[test]
    fn texts_of_values() {
        for (json, text) in [
            (r#""a b""#, "a b"),
            ("1", "1"),
            ("-0", "0"),
            ("12345678901234567890", "12345678901234567890"),
            ("43.10", "43.1"),
            ("1e7", "1.0E7"),
            ("1e999", "Infinity"),
            ("true", "true"),
            ("null", "null"),
            (r#"{"a":[1,"x"]}"#, r#"{"a":[1,"x"]}"#),
            (r#"[1,"foo"]"#, "Some(1),Some(foo)"),
            (r#"[[2],null]"#, "Some(Some(2)),Some(null)"),
            ("[]", ""),
        ] {
            assert_eq!(url_text(&[&value(json)]).as_deref(), Some(text), "{json}");
        }
        let (one, two) = (value("1"), value(r#""x""#));
        assert_eq!(url_text(&[&one, &two]).as_deref(), Some("Some(1),Some(x)"));
        assert_eq!(url_text(&[]), None);
    }

    #[test]
    fn columns_are_values_all_or_none() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.event.set(Field::UserId, "chuwy");
        draft.event.set(Field::GeoLatitude, "42.0");
        let found = values(
            &[pojo("user", "user_id"), pojo("latitude", "geo_latitude")],
            &draft,
        );
        assert_eq!(
            found,
            Ok(Some(map(&[("user", "chuwy"), ("latitude", "42.0")])))
        );
        let found = values(&[pojo("user", "app_id"), pojo("user", "user_id")], &draft);
        // dropped, and what is left is the empty part of the JSONs
        assert_eq!(found, Ok(Some(Values::new())));
        assert_eq!(values(&[pojo("x", "pii")], &draft), Ok(Some(Values::new())));
        let missing = json("j", "contexts", "iglu:a/b/jsonschema/1-0-0", "$.x");
        assert_eq!(values(&[pojo("x", "pii"), missing], &draft), Ok(None));
        // without inputs of a kind its part is empty, not dropped
        assert_eq!(values(&[], &draft), Ok(Some(Values::new())));
    }

    #[test]
    fn failures_of_all_inputs_are_told() {
        let raw = raw_event(&[]);
        let draft = Draft::new(&raw);
        let inputs = [
            json("c", "context", "iglu:a/b/jsonschema/1-0-0", "*.wrong"),
            pojo("k", "unknown_property"),
        ];
        let failures = values(&inputs, &draft).unwrap_err();
        assert_eq!(failures.len(), 3, "{failures:?}");
        assert_eq!(
            failures[0],
            "Error accessing POJO input field [k]: [java.lang.NoSuchMethodException: com.snowplowanalytics.snowplow.enrich.common.outputs.EnrichedEvent.unknown_property()]"
        );
        assert_eq!(
            failures[1],
            "Error: wrong field [context] passed to Input.getFromJson. Should be one of: derived_contexts, contexts, unstruct_event"
        );
    }
}
