//! Enrichment `pii_enrichment_config`: personal data become hashes (scala-common-enrich 0.34.0,
//! `PiiPseudonymizerEnrichment`).
//!
//! In: the finished event, also one that fails. Out: whole columns, and strings inside of `contexts`,
//! `derived_contexts` and `unstruct_event`, replaced by salted hashes; where the configuration asks
//! for it, [`Draft::pii`] tells what was replaced. Fields are worked on in the order of the
//! configuration, each on what the previous one left. Numbers, truth values, nulls and objects are
//! left alone, and nothing is ever added.
//!
//! One deliberate difference: where a path selects a whole array, its strings are hashed. The
//! reference hands a lazy iterator to its JSON library there, which writes the iterator's own
//! properties in the place of the array.

pub mod event;
pub mod hash;

use std::collections::HashSet;

use crate::event::Field;
use crate::iglu::SchemaCriterion;
use crate::iglu::key::{KeyParts, invalid_criterion_text};
use crate::json::path::{Dialect, JsonPath};
use crate::json::{self, Value};

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;
use hash::{HashFunction, Pseudonym};

/// Columns that can be replaced whole.
const POJO_FIELDS: [Field; 18] = [
    Field::UserId,
    Field::UserIpaddress,
    Field::UserFingerprint,
    Field::DomainUserid,
    Field::NetworkUserid,
    Field::IpOrganization,
    Field::IpDomain,
    Field::TrOrderid,
    Field::TiOrderid,
    Field::MktTerm,
    Field::MktContent,
    Field::SeCategory,
    Field::SeAction,
    Field::SeLabel,
    Field::SeProperty,
    Field::MktClickid,
    Field::RefrDomainUserid,
    Field::DomainSessionid,
];

/// Columns in which strings can be replaced.
const JSON_FIELDS: [Field; 3] = [
    Field::Contexts,
    Field::DerivedContexts,
    Field::UnstructEvent,
];

/// The enrichment.
#[derive(Debug)]
pub struct PiiPseudonymizer {
    fields: Vec<PiiField>,
    pseudonym: Pseudonym,
    emits_event: bool,
}

/// What is replaced.
#[derive(Debug)]
enum PiiField {
    /// A column.
    Pojo(Field),
    /// Strings in the JSONs of a column.
    Json(JsonField),
}

/// Strings in the JSONs of a column.
#[derive(Debug)]
struct JsonField {
    field: Field,
    criterion: SchemaCriterion,
    path: JsonPath,
    /// The path as the configuration writes it.
    path_text: String,
}

/// A value that was replaced.
struct Modified {
    field: Field,
    original: String,
    modified: String,
    /// Path and schema, if it stood in a JSON.
    place: Option<(String, String)>,
}

/// Makes the enrichment.
///
/// # Errors
/// Everything that is wrong with the configuration.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    PiiPseudonymizer::from_config(config).map(|enrichment| Box::new(enrichment) as _)
}

impl PiiPseudonymizer {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        let mut failures = Vec::new();
        // absent means false; the schema demands it
        let emits_event = config.boolean(&["emitEvent"]).unwrap_or(false);
        let strategy = |name| config.text(&["parameters", "strategy", "pseudonymize", name]);
        let function = strategy("hashFunction").and_then(HashFunction::from_name);
        let salt = strategy("salt");
        let elements = config
            .value(&["parameters", "pii"])
            .map(|value| value.as_array().unwrap_or_default());
        let mut fields = Vec::new();
        match elements {
            Ok(elements) => {
                for element in elements {
                    match PiiField::from_json(element) {
                        Ok(field) => fields.push(field),
                        Err(text) => failures.push(text),
                    }
                }
            }
            Err(text) => failures.push(text),
        }
        match (function, salt, failures.is_empty()) {
            (Ok(function), Ok(salt), true) => Ok(Self {
                fields,
                pseudonym: Pseudonym::new(function, salt),
                emits_event,
            }),
            (function, salt, _) => {
                failures.extend(function.err().into_iter().chain(salt.err()));
                Err(failures)
            }
        }
    }

    /// Replaces in one JSON column.
    fn replace_in_json(&self, draft: &mut Draft<'_>, wanted: &JsonField, done: &mut Vec<Modified>) {
        let Some(text) = draft.event.get(wanted.field) else {
            return;
        };
        // columns are written compactly and without escaped slashes: this name would be there as it is
        let name = format!("{}/{}", wanted.criterion.vendor, wanted.criterion.name);
        if memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_none() {
            return;
        }
        let Ok(Some(mut column)) = json::parse(text) else {
            return;
        };
        let before = done.len();
        let Value::Object(members) = &mut column else {
            return;
        };
        let Some((_, data)) = members.iter_mut().find(|(key, _)| key == "data") else {
            return;
        };
        match data {
            Value::Array(elements) => {
                for element in elements {
                    self.replace_in_instance(element, wanted, done);
                }
            }
            element => self.replace_in_instance(element, wanted, done),
        }
        if done.len() > before {
            let replaced = column.to_compact();
            draft.event.set(wanted.field, &replaced);
        }
    }

    /// Replaces in a self-describing JSON, if it is one of the wanted schema.
    fn replace_in_instance(
        &self,
        instance: &mut Value<'_>,
        wanted: &JsonField,
        done: &mut Vec<Modified>,
    ) {
        let Some(schema) = instance.get("schema").and_then(Value::as_str) else {
            return;
        };
        if !KeyParts::parse(schema).is_some_and(|key| wanted.criterion.matches_parts(key)) {
            return;
        }
        let schema = schema.to_owned();
        let Value::Object(members) = instance else {
            return;
        };
        let Some((_, data)) = members.iter_mut().find(|(key, _)| key == "data") else {
            return;
        };
        let mut replace = |text: &mut std::borrow::Cow<'_, str>| {
            let modified = self.pseudonym.of(text);
            done.push(Modified {
                field: wanted.field,
                original: std::mem::replace(text, modified.clone().into()).into_owned(),
                modified,
                place: Some((wanted.path_text.clone(), schema.clone())),
            });
        };
        // a path may select an array and its elements too: no string is hashed twice
        let mut hashed: HashSet<*const Value<'_>> = HashSet::new();
        wanted.path.select_mut(data, &mut |value| {
            if hashed.contains(&std::ptr::from_ref(value)) {
                return;
            }
            match value {
                Value::String(text) => replace(text),
                Value::Array(elements) => {
                    for element in elements {
                        if hashed.insert(std::ptr::from_ref(element))
                            && let Value::String(text) = element
                        {
                            replace(text);
                        }
                    }
                }
                _ => {}
            }
        });
    }
}

impl Enrichment for PiiPseudonymizer {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let mut done = Vec::new();
        for field in &self.fields {
            match field {
                PiiField::Pojo(field) => {
                    let Some(original) = draft.event.get(*field) else {
                        continue;
                    };
                    let modified = self.pseudonym.of(original);
                    if self.emits_event {
                        done.push(Modified {
                            field: *field,
                            original: original.to_owned(),
                            modified: modified.clone(),
                            place: None,
                        });
                    }
                    draft.event.set(*field, &modified);
                }
                PiiField::Json(wanted) => self.replace_in_json(draft, wanted, &mut done),
            }
        }
        if self.emits_event && !done.is_empty() {
            draft.pii = Some(pii_column(&done, self.pseudonym.function()));
        }
        Ok(())
    }

    fn emits_pii(&self) -> bool {
        self.emits_event
    }
}

impl PiiField {
    /// Reads one element of `pii`.
    fn from_json(element: &Value<'_>) -> Result<Self, String> {
        let text = |of: &Value<'_>, name: &str| {
            let value = of.get(name).and_then(Value::as_str);
            value
                .map(str::to_owned)
                .ok_or_else(|| format!("JSON path {name} not found"))
        };
        if let Some(pojo) = element.get("pojo") {
            let name = text(pojo, "field")?;
            return Field::from_name(&name)
                .filter(|field| POJO_FIELDS.contains(field))
                .map(Self::Pojo)
                .ok_or_else(|| format!("The specified pojo field {name} is not supported"));
        }
        let Some(wanted) = element.get("json") else {
            return Err(format!(
                "PII Configuration: pii field does not include 'pojo' nor 'json' fields. Got: [{}]",
                element.to_compact()
            ));
        };
        let field = text(wanted, "field").and_then(|name| {
            Field::from_name(&name)
                .filter(|field| JSON_FIELDS.contains(field))
                .ok_or_else(|| format!("The specified json field {name} is not supported"))
        });
        let criterion = text(wanted, "schemaCriterion").and_then(|criterion| {
            SchemaCriterion::parse(&criterion).ok_or_else(|| invalid_criterion_text(&criterion))
        });
        let path = text(wanted, "jsonPath")
            .and_then(|text| Ok((JsonPath::compile(&text, Dialect::Jayway)?, text)));
        match (field, criterion, path) {
            (Ok(field), Ok(criterion), Ok((path, path_text))) => Ok(Self::Json(JsonField {
                field,
                criterion,
                path,
                path_text,
            })),
            (field, criterion, path) => {
                let reasons: Vec<String> = [field.err(), criterion.err(), path.err()]
                    .into_iter()
                    .flatten()
                    .collect();
                let reasons = reasons.join(",");
                Err(format!("Unable to extract PII JSON: {reasons}"))
            }
        }
    }
}

/// Column `pii`: what was replaced, the last replacement first, as the reference's lists grow at their heads.
fn pii_column(done: &[Modified], function: HashFunction) -> String {
    let list = |of_json: bool| -> Vec<Value<'_>> {
        let of_kind = done.iter().rev().filter(|m| m.place.is_some() == of_json);
        of_kind.map(Modified::to_json).collect()
    };
    // the kind that was met first comes first
    let json_first = done.first().is_some_and(|first| first.place.is_some());
    let kinds = [json_first, !json_first].map(|of_json| {
        let name = if of_json { "json" } else { "pojo" };
        (name, Value::Array(list(of_json)))
    });
    let kinds = kinds
        .into_iter()
        .filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
    let strategy = Value::object([(
        "pseudonymize",
        Value::object([("hashFunction", Value::string(function.name()))]),
    )]);
    let data = Value::object([("pii", Value::object(kinds)), ("strategy", strategy)]);
    self_describing(
        "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        self_describing(
            "iglu:com.snowplowanalytics.snowplow/pii_transformation/jsonschema/1-0-0",
            data,
        ),
    )
    .to_compact()
}

fn self_describing<'a>(schema: &'static str, data: Value<'a>) -> Value<'a> {
    Value::object([("schema", Value::string(schema)), ("data", data)])
}

impl Modified {
    fn to_json(&self) -> Value<'_> {
        let mut members = vec![
            ("fieldName", Value::string(self.field.name())),
            ("originalValue", Value::string(self.original.as_str())),
            ("modifiedValue", Value::string(self.modified.as_str())),
        ];
        if let Some((path, schema)) = &self.place {
            members.push(("jsonPath", Value::string(path.as_str())));
            members.push(("schema", Value::string(schema.as_str())));
        }
        Value::object(members)
    }
}

#[cfg(test)]
mod tests;
