//! Enrichment `user_agent_utils_config`: browser, operating system and kind of device, as columns.
//!
//! Reads column `useragent`; without one nothing is set. The reference's `UserAgentUtilsEnrichment` calls UserAgentUtils 1.21,
//! a retired library whose knowledge is two tables. With these tables (`browsers.json` and `operating_systems.json` in the
//! folder of option `--enrichment-data`) the columns are [exactly](tables) the reference's. Without them they are
//! derived from what the expressions of the ua-parser enrichment say, in the words of UserAgentUtils;
//! that is approximate.
//!
//! What a user agent says is kept in a [cache](super::agent_cache).

mod approximate;
pub mod tables;

use std::sync::Arc;

use super::agent_cache::{AgentCache, Weighed};
use super::config::EnrichmentConfig;
use super::data_file;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::lookup::CacheStatistics;
use super::registry::Enrichment;
use super::ua_parser::regexes::Regexes;
use super::ua_parser::{default_regexes, failure_text};
use crate::event::Field;
use tables::Tables;

/// Names of the files in the folder of look-up files.
const BROWSERS: &str = "browsers.json";
const SYSTEMS: &str = "operating_systems.json";

/// What the columns are set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAttributes {
    /// `br_name`
    pub browser_name: Arc<str>,
    /// `br_family`
    pub browser_family: Arc<str>,
    /// `br_version`
    pub browser_version: Option<Arc<str>>,
    /// `br_type`
    pub browser_type: Arc<str>,
    /// `br_renderengine`
    pub render_engine: Arc<str>,
    /// `os_name`
    pub system_name: Arc<str>,
    /// `os_family`
    pub system_family: Arc<str>,
    /// `os_manufacturer`
    pub system_manufacturer: Arc<str>,
    /// `dvce_type`
    pub device_type: Arc<str>,
}

impl ClientAttributes {
    /// `dvce_ismobile`: whether the device is of type `Mobile`; a tablet is not.
    pub fn is_mobile(&self) -> bool {
        &*self.device_type == "Mobile"
    }
}

impl Weighed for ClientAttributes {
    fn weight(&self) -> usize {
        // as if no text were shared
        let texts = [
            &self.browser_name,
            &self.browser_family,
            &self.browser_type,
            &self.render_engine,
            &self.system_name,
            &self.system_family,
            &self.system_manufacturer,
            &self.device_type,
        ];
        let version = self
            .browser_version
            .as_ref()
            .map_or(0, |text| text.len() + 16);
        let texts = texts.iter().map(|text| text.len() + 16).sum::<usize>();
        std::mem::size_of::<Self>() + texts + version
    }
}

#[derive(Debug)]
enum Knowledge {
    Tables(Box<Tables>),
    Regexes(Arc<Regexes>),
}

/// The enrichment.
#[derive(Debug)]
pub struct UserAgentUtils {
    knowledge: Knowledge,
    kept: AgentCache<ClientAttributes>,
}

/// Makes the enrichment.
///
/// # Errors
/// What is wrong with the files of the tables or the expressions.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    Ok(Box::new(UserAgentUtils::new(config, environment)?))
}

impl UserAgentUtils {
    /// The enrichment; its configuration has no parameters.
    ///
    /// # Errors
    /// What is wrong with the files of the tables or the expressions.
    pub fn new(_: &EnrichmentConfig, environment: &Environment) -> Result<Self, Vec<String>> {
        let browsers = data_file::in_folder(BROWSERS, environment)?;
        let systems = data_file::in_folder(SYSTEMS, environment)?;
        let knowledge = match (browsers, systems) {
            (Some(browsers), Some(systems)) => {
                let tables = Tables::read(
                    (&browsers.text, &browsers.place),
                    (&systems.text, &systems.place),
                )?;
                Knowledge::Tables(Box::new(tables))
            }
            (None, None) => {
                tracing::warn!(
                    "user_agent_utils_config: there are no {BROWSERS} and {SYSTEMS} in the folder of look-up files \
                     (--enrichment-data): its columns are derived from the expressions of ua-parser, approximately"
                );
                Knowledge::Regexes(default_regexes(environment)?)
            }
            (Some(file), None) => return Err(vec![alone(&file.place, SYSTEMS)]),
            (None, Some(file)) => return Err(vec![alone(&file.place, BROWSERS)]),
        };
        Ok(Self {
            knowledge,
            kept: AgentCache::default(),
        })
    }

    /// What a user agent says.
    ///
    /// # Errors
    /// The whole failure text of the event.
    pub fn attributes(&self, useragent: &str) -> Result<Arc<ClientAttributes>, String> {
        self.kept.look_up(useragent, |useragent| {
            let attributes = match &self.knowledge {
                Knowledge::Tables(tables) => tables.attributes(useragent),
                Knowledge::Regexes(regexes) => regexes
                    .read_lately(useragent)
                    .map(|read| approximate::attributes(&read, useragent)),
            };
            attributes.map_err(|message| failure_text(useragent, &message))
        })
    }
}

fn alone(place: &str, other: &str) -> String {
    format!(
        "{place}: {other} is not beside it. Put both tables of UserAgentUtils there, or none of them"
    )
}

impl Enrichment for UserAgentUtils {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let Some(useragent) = draft.event.get(Field::Useragent) else {
            return Ok(());
        };
        let attributes = self.attributes(useragent);
        let Some(attributes) = draft.failures.keep(FailureStep::UserAgentUtils, attributes) else {
            return Ok(());
        };
        for (column, value) in [
            (Field::BrName, &attributes.browser_name),
            (Field::BrFamily, &attributes.browser_family),
            (Field::BrType, &attributes.browser_type),
            (Field::BrRenderengine, &attributes.render_engine),
            (Field::OsName, &attributes.system_name),
            (Field::OsFamily, &attributes.system_family),
            (Field::OsManufacturer, &attributes.system_manufacturer),
            (Field::DvceType, &attributes.device_type),
        ] {
            draft.event.set(column, value);
        }
        if let Some(version) = &attributes.browser_version {
            draft.event.set(Field::BrVersion, version);
        }
        let is_mobile = if attributes.is_mobile() { "1" } else { "0" };
        draft.event.set(Field::DvceIsmobile, is_mobile);
        Ok(())
    }

    fn cache(&self) -> Option<CacheStatistics> {
        Some(self.kept.statistics())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;
    use crate::iglu::SchemaKey;

    fn enrichment(files: &[(&str, &str)]) -> Result<UserAgentUtils, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut environment = Environment::default();
        environment.databases.folder = Some(folder.path().to_owned());
        let config = EnrichmentConfig {
            name: "user_agent_utils_config".to_owned(),
            schema: SchemaKey::parse(
                "iglu:com.snowplowanalytics.snowplow/user_agent_utils_config/jsonschema/1-0-0",
            )
            .unwrap(),
            data: crate::json::Value::Null,
        };
        UserAgentUtils::new(&config, &environment)
    }

    fn columns(enrichment: &UserAgentUtils, useragent: Option<&str>) -> Vec<String> {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.event.set_or_clear(Field::Useragent, useragent);
        enrichment.apply(&mut draft).unwrap();
        assert!(draft.failures.is_empty());
        draft.event.clear(Field::Useragent);
        let values = draft.event.values();
        values.map(|(f, v)| format!("{}={v}", f.name())).collect()
    }

    #[test]
    fn columns_by_tables() {
        let enrichment = enrichment(&[
            (BROWSERS, tables::tests::BROWSERS),
            (SYSTEMS, tables::tests::SYSTEMS),
        ])
        .unwrap();
        assert_eq!(columns(&enrichment, None), [] as [&str; 0]);
        for _ in 0..2 {
            assert_eq!(
                columns(&enrichment, Some("Fox/3.1 (Tux; phone)")),
                [
                    "br_name=Fox 3",
                    "br_family=Fox",
                    "br_version=3.1",
                    "br_type=Browser",
                    "br_renderengine=GECKO",
                    "os_name=Tux phone",
                    "os_family=Tux",
                    "os_manufacturer=Penguins Ltd.",
                    "dvce_type=Mobile",
                    "dvce_ismobile=1",
                ]
            );
        }
        assert_eq!(
            columns(&enrichment, Some("")),
            [
                "br_name=Unknown",
                "br_family=Unknown",
                "br_type=unknown",
                "br_renderengine=OTHER",
                "os_name=Unknown",
                "os_family=Unknown",
                "os_manufacturer=Other",
                "dvce_type=Unknown",
                "dvce_ismobile=0",
            ]
        );
        assert_eq!(enrichment.cache().unwrap().hits, 1);
    }

    #[test]
    fn columns_without_tables() {
        let enrichment = enrichment(&[]).unwrap();
        let useragent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/33.0.1750.152 Safari/537.36";
        assert_eq!(
            columns(&enrichment, Some(useragent)),
            [
                "br_name=Chrome 33",
                "br_family=Chrome",
                "br_version=33.0.1750.152",
                "br_type=Browser",
                "br_renderengine=WEBKIT",
                "os_name=Mac OS X",
                "os_family=Mac OS X",
                "os_manufacturer=Apple Inc.",
                "dvce_type=Computer",
                "dvce_ismobile=0",
            ]
        );
    }

    #[test]
    fn one_table_alone_is_refused() {
        for (file, text, missing) in [
            (BROWSERS, tables::tests::BROWSERS, SYSTEMS),
            (SYSTEMS, tables::tests::SYSTEMS, BROWSERS),
        ] {
            let error = enrichment(&[(file, text)]).unwrap_err();
            assert!(error[0].contains(&format!("{file}: {missing} is not beside it")));
        }
    }
}
