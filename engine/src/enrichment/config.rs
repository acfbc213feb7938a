//! Configurations of the enrichments: the self-describing array that the enrich job gets, checked
//! at start as Scala Common Enrich 0.34.0 checks it.
//!
//! The envelope must meet `enrichments/jsonschema/1-0-*`, and every element its own schema,
//! disabled ones too. Disabled elements and those of unknown names are then dropped. All that is
//! wrong is told at once. The one addition: an enabled enrichment that this engine does not have is
//! refused, because events without it would not be the reference's.

use std::borrow::Cow;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::iglu::{Message, Resolver, SchemaCriterion, SchemaKey, self_describing};
use crate::json::{self, Value};
use crate::text::base64;
use crate::text::jackson::{self, Style};

use super::environment::Environment;
use super::registry::{Enrichments, KNOWN, Known};

/// Name of the option in the texts of failures.
const FIELD: &str = "enrichments";
/// Schema of the envelope that a folder of configurations is put into.
const ENVELOPE: &str = "iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0";
/// Which envelopes are supported.
const ENVELOPE_CRITERION: &str = "iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-*";

/// The configurations of a job, as they were given; [`Enricher::new`](super::Enricher::new) checks
/// them. Without any no enrichment runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnrichmentConfigs {
    /// The self-describing array.
    document: Option<Value<'static>>,
}

/// One enabled configuration that its schema found valid.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrichmentConfig {
    /// `data.name`
    pub name: String,
    /// The schema that it names.
    pub schema: SchemaKey,
    /// `data`: `vendor`, `name`, `enabled`, `parameters` and what else the schema knows.
    pub data: Value<'static>,
}

/// An element that passed, unless it is dropped; or what is wrong with it.
type Checked<'k> = std::result::Result<Option<(&'k Known, EnrichmentConfig)>, Vec<String>>;

impl EnrichmentConfigs {
    /// Reads the text of the self-describing array.
    ///
    /// # Errors
    /// `Config` when it is no JSON.
    pub fn from_json(text: &str) -> Result<Self> {
        let document = parse(text)?;
        Ok(Self {
            document: Some(document),
        })
    }

    /// The text of the self-describing array, if there is one: [`from_json`](Self::from_json) reads it back.
    pub fn to_json(&self) -> Option<String> {
        self.document.as_ref().map(Value::to_compact)
    }

    /// Reads the self-describing array in Base64 of either alphabet, as option `--enrichments`
    /// holds it.
    ///
    /// # Errors
    /// `Config` when it is no JSON.
    pub fn from_base64(text: &str) -> Result<Self> {
        let decoded = base64::decode_field(FIELD, Some(text)).map_err(|e| fatal(&[e]))?;
        Self::from_json(&decoded)
    }

    /// Reads every `*.json` directly in a folder, in the order of their names, each one a
    /// self-describing configuration, as EmrEtlRunner does.
    ///
    /// # Errors
    /// `Config` when the folder is none, or a file is no JSON; otherwise the kind of what failed.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        if !folder.is_dir() {
            return Err(Error::config(format!(
                "Enrichments directory '{}/' does not exist, or is not a directory",
                shown.to_string().trim_end_matches('/')
            )));
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io(shown, e))? {
            let path = entry.map_err(|e| Error::io(folder.display(), e))?.path();
            let hidden = path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if path.extension().is_some_and(|e| e == "json") && !hidden && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        let mut configs = Vec::with_capacity(files.len());
        let mut failures = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io(path.display(), e))?;
            match parse(&text) {
                Ok(config) => configs.push(config),
                Err(error) => failures.push(error.context(path.display())),
            }
        }
        // one by one as it is, several in one text
        let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
        match failures.pop() {
            Some(error) if failures.is_empty() => return Err(error),
            Some(_) => return Err(Error::config(texts.join("\n"))),
            None => {}
        }
        let envelope = [
            ("schema", Value::string(ENVELOPE)),
            ("data", Value::Array(configs)),
        ];
        Ok(Self {
            document: Some(Value::object(envelope)),
        })
    }

    /// Checks the configurations and makes the enrichments.
    ///
    /// # Errors
    /// `Config` with everything that is wrong.
    pub(super) fn build(
        &self,
        resolver: &Resolver,
        environment: &Environment,
    ) -> Result<Enrichments> {
        self.build_from(resolver, environment, &KNOWN)
    }

    fn build_from(
        &self,
        resolver: &Resolver,
        environment: &Environment,
        known: &[Known],
    ) -> Result<Enrichments> {
        let mut enrichments = Enrichments::default();
        let (mut missing, mut failures) = (Vec::new(), Vec::new());
        for (index, element) in self.elements(resolver)?.iter().enumerate() {
            let made = validate_element(resolver, element, known).and_then(|found| {
                let Some((known, config)) = found else {
                    return Ok(());
                };
                let Some(build) = known.build else {
                    if !missing.contains(&known.name) {
                        missing.push(known.name);
                    }
                    return Ok(());
                };
                let enrichment = build(&config, environment)
                    .map_err(|texts| texts.iter().map(|text| plain(text)).collect::<Vec<_>>())?;
                // of two configurations of one name the later one wins
                enrichments.insert(known.stage, enrichment);
                Ok(())
            });
            if let Err(texts) = made {
                let name = element.get("data").and_then(|data| data.get("name"));
                let name = name.and_then(Value::as_str).unwrap_or("?");
                let place = format!("enrichment {name} (element {index}): ");
                failures.extend(texts.into_iter().map(|text| place.clone() + &text));
            }
        }
        if !missing.is_empty() {
            let names = missing.join(", ");
            failures.push(plain(&format!(
                "These enrichments are enabled, but this engine does not have them yet: {names}. Disable them, or use an engine that has them"
            )));
        }
        if failures.is_empty() {
            Ok(enrichments)
        } else {
            Err(fatal(&failures))
        }
    }

    /// The elements of the envelope, which is found valid.
    fn elements(&self, resolver: &Resolver) -> Result<&[Value<'static>]> {
        let Some(document) = &self.document else {
            return Ok(&[]);
        };
        let criterion = SchemaCriterion::parse(ENVELOPE_CRITERION)
            .ok_or_else(|| Error::internal("the criterion of enrichments cannot be read"))?;
        let envelope = self_describing::validate(resolver, document, Some(&criterion))
            .map_err(|messages| fatal(&multiline(&messages)))?;
        Ok(envelope.data.as_array().unwrap_or_default())
    }
}

/// One element, if it is enabled and known; else the texts that say what is wrong with it.
fn validate_element<'k>(
    resolver: &Resolver,
    element: &Value<'static>,
    known: &'k [Known],
) -> Checked<'k> {
    let valid = self_describing::validate(resolver, element, None).map_err(|m| multiline(&m))?;
    let mut config = EnrichmentConfig {
        name: String::new(),
        schema: valid.schema.key.clone(),
        data: valid.data.clone(),
    };
    let name = match (config.boolean(&["enabled"]), config.text(&["name"])) {
        (Ok(false), _) => return Ok(None),
        (Ok(true), Ok(name)) => name.to_owned(),
        (enabled, name) => {
            let failures = enabled.err().into_iter().chain(name.err());
            return Err(failures.map(|text| plain(&text)).collect());
        }
    };
    let Some(known) = known.iter().find(|known| known.name == name) else {
        tracing::warn!(
            name,
            "no enrichment has this name: its configuration is ignored"
        );
        return Ok(None);
    };
    let criteria = known
        .criteria()
        .ok_or_else(|| vec![plain(&format!("{known:?} has no criterion"))])?;
    if !criteria.iter().any(|c| c.matches(&config.schema)) {
        let supported: Vec<String> = criteria.iter().map(|c| format!("'{c}'")).collect();
        return Err(vec![plain(&format!(
            "Schema key {} is not supported. A '{}' enrichment must have schema {}.",
            config.schema,
            known.name,
            supported.join(" or ")
        ))]);
    }
    config.name = name;
    Ok(Some((known, config)))
}

impl EnrichmentConfig {
    /// The value at a path below `data`.
    ///
    /// # Errors
    /// The reference's text, when there is none.
    pub fn value(&self, path: &[&str]) -> std::result::Result<&Value<'static>, String> {
        path.iter()
            .try_fold(&self.data, |value, member| value.get(member))
            .ok_or_else(|| format!("JSON path {} not found", path.join(".")))
    }

    /// The text at a path below `data`.
    ///
    /// # Errors
    /// The reference's text, when there is none.
    pub fn text(&self, path: &[&str]) -> std::result::Result<&str, String> {
        let value = self.value(path)?;
        value
            .as_str()
            .ok_or_else(|| unexpected_type(path, "java.lang.String", value))
    }

    /// The truth value at a path below `data`.
    ///
    /// # Errors
    /// The reference's text, when there is none.
    pub fn boolean(&self, path: &[&str]) -> std::result::Result<bool, String> {
        match self.value(path)? {
            Value::Bool(value) => Ok(*value),
            value => Err(unexpected_type(path, "boolean", value)),
        }
    }

    /// The 32-bit integer at a path below `data`.
    ///
    /// # Errors
    /// The reference's text, when there is none.
    pub fn integer(&self, path: &[&str]) -> std::result::Result<i32, String> {
        let value = self.value(path)?;
        match value {
            Value::Number(number) => number.as_i64().and_then(|n| i32::try_from(n).ok()),
            _ => None,
        }
        .ok_or_else(|| unexpected_type(path, "int", value))
    }

    /// The list of texts at a path below `data`.
    ///
    /// # Errors
    /// The reference's text, when there is none.
    pub fn texts(&self, path: &[&str]) -> std::result::Result<Vec<&str>, String> {
        let value = self.value(path)?;
        value
            .as_array()
            .and_then(|items| items.iter().map(Value::as_str).collect())
            .ok_or_else(|| unexpected_type(path, "java.lang.String list", value))
    }
}

fn unexpected_type(path: &[&str], expected: &str, value: &Value<'_>) -> String {
    format!(
        "Could not extract {} as {expected} from supplied JSON due to: found {}",
        path.join("."),
        value.to_compact()
    )
}

/// The first JSON value of a text.
fn parse(text: &str) -> Result<Value<'static>> {
    // a byte order mark is no white space to the reader, and some editors write one
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let failure = |error| {
        fatal(&[plain(&jackson::field_error(
            FIELD,
            text,
            error,
            Style::Enrich,
        ))])
    };
    match json::parse(text) {
        Ok(Some(value)) => Ok(value.into_owned()),
        Ok(None) => Err(failure(None)),
        Err(error) => Err(failure(Some(&error))),
    }
}

fn multiline(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::to_multiline).collect()
}

/// A text of Snowplow's own as the reference prints it among the validator's messages.
fn plain(text: &str) -> String {
    Message::error(text).to_multiline()
}

/// The error that ends the job, in the reference's form.
fn fatal<T: AsRef<str>>(texts: &[T]) -> Error {
    let mut message = Cow::Borrowed("EtlError Errors:");
    for text in texts {
        message += "\n  - ";
        message += text.as_ref().trim_end();
    }
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests;
