//! Storage targets (`--targets`): self-describing JSONs, each checked against its own schema before anything else is done,
//! grouped by purpose. Their passwords are never printed: a target prints as its name, and messages about values that may
//! be secret leave the value out.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use engine::iglu::{Message, Resolver, SchemaKey, self_describing};
use serde_json::Value;

use crate::failure::{Failure, Result};

/// Schema names that EmrEtlRunner R102 to R108 supports, in the order of its message.
const SUPPORTED: [&str; 4] = [
    "redshift_config",
    "postgresql_config",
    "elastic_config",
    "amazon_dynamodb_config",
];

/// Parts of names whose values are not shown.
const SECRET_NAMES: [&str; 6] = [
    "password",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "token",
];

/// What a storage target is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Loaded by the loader.
    EnrichedEvents,
    /// Gets a copy of the bad rows.
    FailedEvents,
    /// Remembers event ids across batches.
    DuplicateTracking,
}

/// One storage target.
#[derive(Clone)]
pub struct StorageTarget {
    /// The file that it was read from.
    pub file: PathBuf,
    /// Name in the key of its schema, such as `redshift_config`.
    pub kind: &'static str,
    /// Iglu URI of its schema.
    pub schema: String,
    /// `data.name`, else `data.id`, else the name of the file.
    pub name: String,
    /// `data.id`.
    pub id: Option<String>,
    /// `data.purpose`.
    pub purpose: Purpose,
    /// The whole self-describing JSON, secrets included.
    pub document: Value,
}

impl fmt::Debug for StorageTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageTarget({}, {})", self.name, self.kind)
    }
}

impl StorageTarget {
    /// A value of `data`.
    pub fn data(&self, key: &str) -> Option<&Value> {
        self.document
            .get("data")
            .and_then(|data| data.get(key))
            .filter(|value| !value.is_null())
    }
}

/// All storage targets, by purpose.
#[derive(Debug, Clone, Default)]
pub struct StorageTargets {
    /// `ENRICHED_EVENTS`, in the order of their files.
    pub enriched_events: Vec<StorageTarget>,
    /// `FAILED_EVENTS`, in the order of their files.
    pub failed_events: Vec<StorageTarget>,
    /// `DUPLICATE_TRACKING`: the first one.
    pub duplicate_tracking: Option<StorageTarget>,
}

impl StorageTargets {
    /// Reads every entry of `folder` whose name ends in `.json`, in the order of their names.
    ///
    /// # Errors
    /// `Targets` with one `Error in [<file>] <reason>` for each target that cannot be used; `Config` for the folder and for
    /// ids that are given twice.
    pub fn read(folder: &Path, resolver: &Resolver) -> Result<Self> {
        let place = |error: std::io::Error| {
            Failure::Config(format!("Targets directory '{}': {error}", folder.display()))
        };
        if !folder.is_dir() {
            return Err(Failure::Config(format!(
                "Targets directory '{}' does not exist, or is not a directory",
                folder.display()
            )));
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(place)? {
            let path = entry.map_err(place)?.path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().ends_with(".json"))
            {
                files.push(path);
            }
        }
        files.sort();
        let (mut targets, mut mistakes) = (Vec::new(), Vec::new());
        for file in files {
            let text = match fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => {
                    mistakes.push(in_file(&file, &error.to_string()));
                    continue;
                }
            };
            match parse(&file, &text, resolver) {
                Ok(target) => targets.push(target),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(Failure::Targets(mistakes.join("\n")));
        }
        Self::group(targets)
    }

    /// Groups targets by purpose.
    ///
    /// # Errors
    /// `Config` for ids that are given twice.
    fn group(targets: Vec<StorageTarget>) -> Result<Self> {
        let ids: Vec<&str> = targets
            .iter()
            .filter_map(|target| target.id.as_deref())
            .collect();
        let mut twice: Vec<&str> = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            if ids[..index].contains(id) && !twice.contains(id) {
                twice.push(id);
            }
        }
        if !twice.is_empty() {
            return Err(Failure::Config(format!(
                "Duplicate storage target ids: {}",
                serde_json::json!(twice)
            )));
        }
        let mut grouped = Self::default();
        for target in targets {
            match target.purpose {
                Purpose::EnrichedEvents => grouped.enriched_events.push(target),
                Purpose::FailedEvents => grouped.failed_events.push(target),
                Purpose::DuplicateTracking => {
                    grouped.duplicate_tracking.get_or_insert(target);
                }
            }
        }
        Ok(grouped)
    }
}

fn in_file(file: &Path, reason: &str) -> String {
    format!("Error in [{}] {reason}", file.display())
}

/// One target, or the text that says what is wrong with it.
fn parse(
    file: &Path,
    text: &str,
    resolver: &Resolver,
) -> std::result::Result<StorageTarget, String> {
    let wrong = |reason: &str| in_file(file, reason);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // the messages of serde_json name a place and never what stands there
    let document: Value = serde_json::from_str(text)
        .map_err(|error| wrong(&format!("it is not valid JSON: {error}")))?;
    let tree = engine::json::parse(text)
        .ok()
        .flatten()
        .ok_or_else(|| wrong("it is not valid JSON"))?;
    self_describing::validate(resolver, &tree, None)
        .map_err(|messages| wrong(&reasons(&messages)))?;
    let schema = document["schema"].as_str().unwrap_or_default().to_owned();
    let key = SchemaKey::parse(&schema).ok_or_else(|| wrong("it names no Iglu schema"))?;
    let Some(kind) = SUPPORTED.into_iter().find(|kind| *kind == key.name) else {
        return Err(format!(
            "{}\nPossible options are: {}",
            wrong(&format!(
                "EmrEtlRunner doesn't support storage target configuration [{}] (schema [{schema}])",
                key.name
            )),
            SUPPORTED.join(", ")
        ));
    };
    let data = |name: &str| document["data"][name].as_str().map(str::to_owned);
    let purpose = match data("purpose").as_deref() {
        Some("ENRICHED_EVENTS") => Purpose::EnrichedEvents,
        Some("FAILED_EVENTS") => Purpose::FailedEvents,
        Some("DUPLICATE_TRACKING") => Purpose::DuplicateTracking,
        Some(other) => return Err(wrong(&format!("its purpose [{other}] is not known"))),
        None => {
            return Err(wrong(
                "it has no purpose: set data.purpose to ENRICHED_EVENTS, FAILED_EVENTS or DUPLICATE_TRACKING",
            ));
        }
    };
    let id = data("id");
    let name = data("name").or_else(|| id.clone()).unwrap_or_else(|| {
        file.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    });
    Ok(StorageTarget {
        file: file.to_owned(),
        kind,
        schema,
        name,
        id,
        purpose,
        document,
    })
}

/// The texts of a validator's messages with the places that they speak of; values of secrets are left out.
pub fn reasons(messages: &[Message]) -> String {
    let texts: Vec<String> = messages
        .iter()
        .map(|message| {
            let pointer = message
                .get("instance")
                .and_then(|instance| instance.get("pointer"))
                .and_then(|pointer| pointer.as_str())
                .unwrap_or_default();
            let text = if is_secret(pointer) {
                "does not meet its schema (the value is not shown)"
            } else {
                message.text()
            };
            if pointer.is_empty() {
                text.to_owned()
            } else {
                format!("data{}: {text}", pointer.replace('/', "."))
            }
        })
        .collect();
    texts.join("; ")
}

/// Whether the value at a pointer, or the value of a key, may be secret.
pub fn is_secret(name: &str) -> bool {
    let name: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(|c| !"_- ".contains(*c))
        .collect();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry with made-up schemas of storage targets, and a folder for targets.
    fn places() -> (tempfile::TempDir, Resolver) {
        let folder = tempfile::tempdir().unwrap();
        let registry = folder.path().join("registry");
        for name in [
            "redshift_config",
            "elastic_config",
            "amazon_dynamodb_config",
            "csv_config",
        ] {
            let schema = serde_json::json!({
                "self": {"vendor": "com.acme", "name": name, "format": "jsonschema", "version": "1-0-0"},
                "type": "object",
                "properties": {
                    "port": {"type": "integer"},
                    "password": {"type": "string", "maxLength": 8},
                    "purpose": {"type": "string"}
                },
                "required": ["name"]
            });
            let file = registry.join(format!("schemas/com.acme/{name}/jsonschema/1-0-0"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, schema.to_string()).unwrap();
        }
        fs::create_dir(folder.path().join("targets")).unwrap();
        let resolver = serde_json::json!({
            "schema": "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-0",
            "data": {"cacheSize": 10, "repositories": [{
                "name": "here", "priority": 0, "vendorPrefixes": ["com.acme"],
                "connection": {"embedded": {"path": registry.to_str().unwrap()}}
            }]}
        });
        let resolver = Resolver::from_config(&resolver.to_string()).unwrap();
        (folder, resolver)
    }

    fn target(kind: &str, data: serde_json::Value) -> String {
        serde_json::json!({"schema": format!("iglu:com.acme/{kind}/jsonschema/1-0-0"), "data": data})
            .to_string()
    }

    fn read(files: &[(&str, String)]) -> Result<StorageTargets> {
        let (folder, resolver) = places();
        let targets = folder.path().join("targets");
        for (name, text) in files {
            fs::write(targets.join(name), text).unwrap();
        }
        StorageTargets::read(&targets, &resolver).map_err(|failure| match failure {
            Failure::Targets(text) => {
                Failure::Targets(text.replace(&format!("{}/", targets.display()), ""))
            }
            other => other,
        })
    }

    #[test]
    fn targets_are_grouped_by_purpose() {
        let data = |name: &str, purpose: &str| serde_json::json!({"name": name, "purpose": purpose, "password": "s3cret"});
        let targets = read(&[
            (
                "b.json",
                target("redshift_config", data("b", "ENRICHED_EVENTS")),
            ),
            (
                "a.json",
                target("redshift_config", data("a", "ENRICHED_EVENTS")),
            ),
            (
                "e.json",
                target("elastic_config", data("e", "FAILED_EVENTS")),
            ),
            (
                "d1.json",
                target("amazon_dynamodb_config", data("d1", "DUPLICATE_TRACKING")),
            ),
            (
                "d2.json",
                target("amazon_dynamodb_config", data("d2", "DUPLICATE_TRACKING")),
            ),
            ("notes.txt", "no target".into()),
        ])
        .unwrap();
        let names: Vec<&str> = targets
            .enriched_events
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(targets.failed_events[0].kind, "elastic_config");
        assert_eq!(targets.duplicate_tracking.as_ref().unwrap().name, "d1");
        assert_eq!(
            targets.enriched_events[0].data("password").unwrap(),
            "s3cret"
        );
        assert!(!format!("{targets:?}").contains("s3cret"));
        assert!(read(&[]).unwrap().enriched_events.is_empty());
    }

    #[test]
    fn mistakes_have_the_texts_of_the_reference() {
        let good = serde_json::json!({"name": "n", "id": "id1", "purpose": "ENRICHED_EVENTS"});
        let failure = read(&[
            ("a.json", target("redshift_config", good.clone())),
            ("b.json", target("elastic_config", good.clone())),
        ])
        .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "Duplicate storage target ids: [\"id1\"]"
        );
        let failure = read(&[
            ("a.json", "{\"schema\": s3cret".into()),
            ("b.json", target("csv_config", good)),
            ("c.json", target("redshift_config", serde_json::json!({"name": "n", "purpose": "ENRICHED_EVENTS", "port": "x", "password": "s3cret-and-long"}))),
            ("d.json", target("redshift_config", serde_json::json!({"name": "n", "purpose": "FUN"}))),
            ("e.json", target("unknown_config", serde_json::json!({}))),
        ])
        .unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        let text = failure.to_string();
        for part in [
            "Error in [a.json] it is not valid JSON: ",
            "Error in [b.json] EmrEtlRunner doesn't support storage target configuration [csv_config] (schema [iglu:com.acme/csv_config/jsonschema/1-0-0])\nPossible options are: redshift_config, postgresql_config, elastic_config, amazon_dynamodb_config",
            "data.port: instance type (string)",
            "data.password: does not meet its schema (the value is not shown)",
            "Error in [d.json] its purpose [FUN] is not known",
            "Error in [e.json] Could not find schema with key iglu:com.acme/unknown_config/jsonschema/1-0-0",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("s3cret"), "{text}");
        let (_, resolver) = places();
        let failure = StorageTargets::read(Path::new("/none"), &resolver).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "Targets directory '/none' does not exist, or is not a directory"
        );
    }
}
