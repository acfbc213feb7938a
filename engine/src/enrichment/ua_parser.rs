//! Enrichment `ua_parser_config`: the user agent, read with the regular expressions of the ua-parser project, as a context.
//!
//! Reads column `useragent`; without one there is no context. The rules are those of uap-java 1.3.0, which the reference's
//! `UaParserEnrichment` calls ([`regexes`]). The expressions are data: the file that parameters `uri` and `database` name (as
//! in version 1-0-1 of the configuration), or else `regexes.yaml` in the folder of option `--enrichment-data`, or
//! else the built-in ones. Those are newer than the reference's, which are of 2013: with uap-core's file of
//! November 2013 the context is the reference's.
//!
//! What a user agent says is kept in a [cache](super::agent_cache).

pub(super) mod built_in;
pub(super) mod java_regex;
mod literals;
pub(super) mod pattern;
pub mod regexes;

use std::sync::Arc;

use super::agent_cache::{AgentCache, Weighed};
use super::config::EnrichmentConfig;
use super::data_file;
use super::derived_contexts::SharedContext;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::lookup::CacheStatistics;
use super::registry::{Enrichment, Stage};
use crate::event::Field;
use crate::json::Value;
use regexes::{Regexes, UserAgent};

/// Name of the file in the folder of look-up files.
const FILE: &str = "regexes.yaml";
/// Schema of the context.
const SCHEMA: &str = "iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-0";

/// The enrichment.
#[derive(Debug)]
pub struct UaParser {
    regexes: Arc<Regexes>,
    contexts: AgentCache<SharedContext>,
}

impl Weighed for SharedContext {
    fn weight(&self) -> usize {
        // a member is a key without memory of its own, and a value with its text
        let members = self.value().get("data").and_then(Value::as_object);
        let texts = members.into_iter().flatten();
        let texts: usize = texts
            .filter_map(|(_, v)| Some(v.as_str()?.len() + 16))
            .sum();
        std::mem::size_of::<(std::borrow::Cow<'_, str>, Value<'_>)>() * 16
            + texts
            + self.text_bytes()
    }
}

/// Makes the enrichment.
///
/// # Errors
/// What is wrong with the file of the expressions.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    Ok(Box::new(UaParser::new(config, environment)?))
}

/// The expressions of the folder of look-up files, or else the built-in ones.
pub(super) fn default_regexes(environment: &Environment) -> Result<Arc<Regexes>, Vec<String>> {
    match data_file::in_folder(FILE, environment)? {
        Some(file) => Regexes::from_yaml(&file.text, &file.place).map(Arc::new),
        None => built_in::regexes(),
    }
}

impl UaParser {
    /// The enrichment of a configuration.
    ///
    /// # Errors
    /// What is wrong with the file of the expressions.
    pub fn new(config: &EnrichmentConfig, environment: &Environment) -> Result<Self, Vec<String>> {
        let regexes = match data_file::configured(config, environment)? {
            Some(file) => Regexes::from_yaml(&file.text, &file.place).map(Arc::new)?,
            None => default_regexes(environment)?,
        };
        Ok(Self {
            regexes,
            contexts: AgentCache::default(),
        })
    }

    /// The context of a user agent: an object with `schema` and `data`.
    ///
    /// # Errors
    /// The whole failure text of the event.
    pub fn context(&self, useragent: &str) -> Result<Value<'static>, String> {
        let context = self.shared_context(useragent)?;
        Ok(context.value().clone())
    }

    fn shared_context(&self, useragent: &str) -> Result<Arc<SharedContext>, String> {
        let context = self.contexts.look_up(useragent, |useragent| {
            let read = self.regexes.read_lately(useragent);
            read.map(|read| SharedContext::new(context(read)))
        });
        context.map_err(|message| failure_text(useragent, &message))
    }
}

/// The failure text of both enrichments that read user agents.
pub(super) fn failure_text(useragent: &str, message: &str) -> String {
    format!("Exception parsing useragent [{useragent}]: [{message}]")
}

fn context(read: UserAgent) -> Value<'static> {
    let UserAgent {
        agent,
        system,
        device,
    } = read;
    let versions = (agent.version(), system.version());
    let optional = |text: Option<String>| text.map_or(Value::Null, Value::string);
    let data = [
        ("useragentFamily", Value::string(agent.family)),
        ("useragentMajor", optional(agent.major)),
        ("useragentMinor", optional(agent.minor)),
        ("useragentPatch", optional(agent.patch)),
        ("useragentVersion", Value::string(versions.0)),
        ("osFamily", Value::string(system.family)),
        ("osMajor", optional(system.major)),
        ("osMinor", optional(system.minor)),
        ("osPatch", optional(system.patch)),
        ("osPatchMinor", optional(system.patch_minor)),
        ("osVersion", Value::string(versions.1)),
        ("deviceFamily", Value::string(device)),
    ];
    Value::object([
        ("schema", Value::string(SCHEMA)),
        ("data", Value::object(data)),
    ])
}

impl Enrichment for UaParser {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let Some(useragent) = draft.event.get(Field::Useragent) else {
            return Ok(());
        };
        let context = self.shared_context(useragent);
        if let Some(context) = draft.failures.keep(FailureStep::UaParser, context) {
            draft.derived_contexts.push_shared(Stage::UaParser, context);
        }
        Ok(())
    }

    fn cache(&self) -> Option<CacheStatistics> {
        Some(self.contexts.statistics())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;
    use crate::iglu::SchemaKey;

    pub(in super::super) fn config(data: &str) -> EnrichmentConfig {
        EnrichmentConfig {
            name: "ua_parser_config".to_owned(),
            schema: SchemaKey::parse(
                "iglu:com.snowplowanalytics.snowplow/ua_parser_config/jsonschema/1-0-1",
            )
            .unwrap(),
            data: crate::json::parse(data).unwrap().unwrap().into_owned(),
        }
    }

    fn with_folder(regexes: &str) -> (tempfile::TempDir, Environment) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), regexes).unwrap();
        let mut environment = Environment::default();
        environment.databases.folder = Some(folder.path().to_owned());
        (folder, environment)
    }

    fn contexts(enrichment: &UaParser, useragent: Option<&str>) -> (Vec<String>, Vec<String>) {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.event.set_or_clear(Field::Useragent, useragent);
        enrichment.apply(&mut draft).unwrap();
        let contexts = draft.derived_contexts.iter().map(Value::to_compact);
        (contexts.collect(), draft.failures.into_texts())
    }

    #[test]
    fn the_context_is_written_in_order() {
        let yaml = r"
user_agent_parsers:
  - regex: '(Fox)/(\d+)(?:\.(\d+))?'
os_parsers: [{regex: '(Tux) (\d)\.(\d)\.(\d)\.(\d)'}]
device_parsers: []
";
        let (_folder, environment) = with_folder(yaml);
        let enrichment = UaParser::new(&config("{}"), &environment).unwrap();
        assert_eq!(contexts(&enrichment, None), (Vec::new(), Vec::new()));
        for (useragent, data) in [
            (
                "Fox/3 (Tux 1.2.3.4)",
                r#"{"useragentFamily":"Fox","useragentMajor":"3","useragentMinor":null,"useragentPatch":null,"useragentVersion":"Fox 3","osFamily":"Tux","osMajor":"1","osMinor":"2","osPatch":"3","osPatchMinor":"4","osVersion":"Tux 1.2.3.4","deviceFamily":"Other"}"#,
            ),
            (
                "",
                r#"{"useragentFamily":"Other","useragentMajor":null,"useragentMinor":null,"useragentPatch":null,"useragentVersion":"Other","osFamily":"Other","osMajor":null,"osMinor":null,"osPatch":null,"osPatchMinor":null,"osVersion":"Other","deviceFamily":"Other"}"#,
            ),
        ] {
            let expected = format!(r#"{{"schema":"{SCHEMA}","data":{data}}}"#);
            for _ in 0..2 {
                let found = contexts(&enrichment, Some(useragent));
                assert_eq!(found, (vec![expected.clone()], Vec::new()));
            }
        }
        let cache = enrichment.cache().unwrap();
        assert_eq!((cache.hits, cache.misses), (2, 2));
    }

    #[test]
    fn a_search_without_end_fails_the_event() {
        let yaml = "{user_agent_parsers: [{regex: '((a+)+)+(?=c)(?<=b)'}], os_parsers: [], device_parsers: []}";
        let (_folder, environment) = with_folder(yaml);
        let enrichment = UaParser::new(&config("{}"), &environment).unwrap();
        let useragent = "a".repeat(60);
        let (made, failures) = contexts(&enrichment, Some(&useragent));
        // the engine may also see at once that nothing can match
        if made.is_empty() {
            let start = format!("Exception parsing useragent [{useragent}]: [");
            assert!(failures[0].starts_with(&start), "{failures:?}");
        }
    }

    #[test]
    fn the_file_is_the_folders_or_the_built_in_one() {
        let (_folder, environment) = with_folder("user_agent_parsers: 1");
        let error = UaParser::new(&config("{}"), &environment).unwrap_err();
        assert!(error[0].contains("/regexes.yaml: not the regexes of uap-core"));
        let enrichment = UaParser::new(&config("{}"), &Environment::default()).unwrap();
        let (made, _) = contexts(&enrichment, Some("curl/7.1"));
        assert!(made[0].contains(r#""useragentFamily":"curl""#), "{made:?}");
        let half = config(r#"{"parameters":{"uri":"http://acme.com"}}"#);
        assert_eq!(
            UaParser::new(&half, &environment).unwrap_err(),
            ["JSON path parameters.database not found"]
        );
    }
}
