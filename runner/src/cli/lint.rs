//! `camonica lint`: `resolver`, `enrichments` and `all` in the words of the reference, and `config`, which is ours. Secrets in
//! what is quoted are masked.

use std::path::Path;

use clap::{Args, Subcommand};
use engine::iglu::{Resolver, self_describing};

use super::common::read_resolver;
use crate::config::Config;
use crate::config::problem::{Problem, lines};
use crate::config::targets::{StorageTargets, is_secret, reasons};
use crate::failure::{Failure, Result};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Checks an Iglu resolver configuration
    Resolver(ResolverArguments),
    /// Checks a resolver and the enrichments against their schemas
    Enrichments(EnrichmentArguments),
    /// Checks a resolver and the enrichments; with -c also the configuration, with -t also storage targets
    All(AllArguments),
    /// Checks a configuration: every mistake, every key that nobody knows
    Config(ConfigArguments),
}

#[derive(Debug, Args)]
struct ResolverArguments {
    /// Iglu resolver JSON
    #[arg(short = 'r', long)]
    resolver: String,
}

#[derive(Debug, Args)]
struct EnrichmentArguments {
    /// Folder of enrichment configurations
    #[arg(short = 'n', long)]
    enrichments: String,
    /// Iglu resolver JSON
    #[arg(short = 'r', long)]
    resolver: String,
}

#[derive(Debug, Args)]
struct AllArguments {
    #[command(flatten)]
    enrichments: EnrichmentArguments,
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: Option<String>,
    /// Folder of storage targets
    #[arg(short = 't', long)]
    targets: Option<String>,
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: String,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    match arguments.what {
        What::Resolver(arguments) => resolver(&arguments.resolver).map(|_| ()),
        What::Enrichments(arguments) => enrichments(&arguments).map(|_| ()),
        What::All(arguments) => {
            let client = enrichments(&arguments.enrichments)?;
            if let Some(folder) = &arguments.targets {
                StorageTargets::read(Path::new(folder), &client)?;
                super::say("Valid storage targets");
            }
            arguments.config.as_deref().map_or(Ok(()), config)
        }
        What::Config(arguments) => config(&arguments.config),
    }
}

fn resolver(path: &str) -> Result<Resolver> {
    let text = read_resolver(path)?;
    let resolver = check_resolver(&text).map_err(Failure::Config)?;
    super::say("Valid Iglu resolver config");
    Ok(resolver)
}

/// The resolver of a text, or what is wrong in the reference's words.
fn check_resolver(text: &str) -> std::result::Result<Resolver, String> {
    let shown = masked(text);
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return Err(format!("Could not parse resolver config {shown}: {error}"));
    }
    Resolver::from_config(text).map_err(|error| format!("Invalid resolver config {shown}: {error}"))
}

fn enrichments(arguments: &EnrichmentArguments) -> Result<Resolver> {
    let folder = Path::new(&arguments.enrichments);
    if !folder.is_dir() {
        return Err(Failure::Config(format!(
            "Enrichments directory '{}' does not exist, or is not a directory",
            arguments.enrichments
        )));
    }
    let resolver = resolver(&arguments.resolver)?;
    let place = |error: std::io::Error| {
        Failure::Config(format!(
            "Enrichments directory '{}': {error}",
            arguments.enrichments
        ))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(place)? {
        let path = entry.map_err(place)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".json") && !name.starts_with('.') && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let mut mistakes = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(place)?;
        mistakes.extend(check_enrichment(&text, &resolver));
    }
    if mistakes.is_empty() {
        super::say("Valid enrichments");
        Ok(resolver)
    } else {
        Err(Failure::Config(format!(
            "Invalid enrichments:\n {}",
            mistakes.join("\n")
        )))
    }
}

/// What is wrong with one enrichment, in the reference's words.
fn check_enrichment(text: &str, resolver: &Resolver) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reason = match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) => error.to_string(),
        Ok(_) => {
            let tree = engine::json::parse(text).ok().flatten()?;
            match self_describing::validate(resolver, &tree, None) {
                Ok(_) => return None,
                Err(messages) => reasons(&messages),
            }
        }
    };
    Some(format!(
        "Could not validate enrichment {}: {reason}",
        masked(text)
    ))
}

fn config(path: &str) -> Result<()> {
    let text = Config::read_text(path)?;
    let checked = Config::parse(&text, &|name| std::env::var(name).ok());
    let (mut problems, warnings) = match &checked {
        Ok(config) => (Vec::new(), config.warnings.clone()),
        Err(mistakes) => (mistakes.problems.clone(), mistakes.warnings.clone()),
    };
    problems.extend(warnings);
    problems.sort_by_key(|problem: &Problem| (problem.line == 0, problem.line));
    if !problems.is_empty() {
        return Err(Failure::Config(format!(
            "Configuration file '{path}':\n{}",
            lines(&problems)
        )));
    }
    if let Ok(config) = checked {
        for key in &config.ignored_in_stream_mode {
            super::say(&format!("{key}: ignored in Stream Enrich mode"));
        }
        if !config.ignored_emr.is_empty() {
            super::say(&format!(
                "ignored EMR settings: {}",
                config.ignored_emr.join(", ")
            ));
        }
    }
    super::say("Valid configuration");
    Ok(())
}

/// A JSON text on one line with the values of secrets masked. A text that cannot be read as JSON is cut at its first
/// secret.
fn masked(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(mut value) => {
            mask(&mut value);
            value.to_string()
        }
        Err(_) => {
            let lower: String = text.to_ascii_lowercase();
            let first = ["pass", "secret", "key", "token"]
                .iter()
                .filter_map(|word| lower.find(word))
                .min();
            let shown = match first {
                Some(at) => format!("{}...", text.get(..at).unwrap_or_default()),
                None => text.to_owned(),
            };
            let shown: String = shown
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(500)
                .collect();
            shown.trim().to_owned()
        }
    }
}

fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                if is_secret(name) && !value.is_object() && !value.is_array() && !value.is_null() {
                    *value = "...".into();
                } else {
                    mask(value);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_resolvers_and_enrichments_are_masked() {
        for text in [
            r#"{"data": {"apikey": "s3cret", "list": [{"password": "s3cret"}], "x": 1}}"#,
            r#"{"apikey": s3cret, }"#,
            "apiKey = s3cret",
        ] {
            assert!(!masked(text).contains("s3cret"), "{}", masked(text));
            let error = check_resolver(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert_eq!(masked("not JSON at\nall"), "not JSON at all");
    }

    #[test]
    fn texts_of_the_reference() {
        let error = check_resolver("{").unwrap_err();
        assert!(
            error.starts_with("Could not parse resolver config {: "),
            "{error}"
        );
        let error = check_resolver("{}").unwrap_err();
        assert!(error.starts_with("Invalid resolver config {}: "), "{error}");
        let resolver = Resolver::embedded_only();
        let error = check_enrichment("[", &resolver).unwrap();
        assert!(
            error.starts_with("Could not validate enrichment [: "),
            "{error}"
        );
        let text = r#"{"schema":"iglu:com.acme/none/jsonschema/1-0-0","data":{}}"#;
        let error = check_enrichment(text, &resolver).unwrap();
        assert!(
            error.contains("}: Could not find schema with key iglu:com.acme/none/jsonschema/1-0-0"),
            "{error}"
        );
    }
}
