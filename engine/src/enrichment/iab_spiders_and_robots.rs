//! Enrichment `iab_spiders_and_robots_enrichment`: a context that tells browsers from robots by the lists of
//! IAB and ABC.
//!
//! In: `useragent`, `user_ipaddress` before it is anonymised, `derived_tstamp`; without one of them the event
//! fails. The checks and the reading of the lists are those of iab-spiders-and-robots-client 0.1.0 (Scala
//! Common Enrich 0.34.0, `IabEnrichment`), in UTC.
//!
//! Different from the reference on purpose: an IPv6 address is looked for in the list (the reference loses
//! the whole record where that holds a network); an entry that cannot be used, or a list without any, ends
//! the job before the first event (the reference loses the records that meet it, or takes everybody for a
//! robot); names are not looked up in DNS.

mod addresses;
mod delimited;
mod user_agents;

#[cfg(test)]
mod tests;

use crate::event::Field;
use crate::json::Value;
use crate::text::inet_address::InetAddress;
use crate::text::joda::parse_tstamp;
use crate::text::time::format_iso_millis;

use super::config::EnrichmentConfig;
use super::databases::{ConfiguredFile, Databases, Join};
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt, Unexpected};
use super::registry::{Enrichment, Stage};

use addresses::AddressList;
use user_agents::{Excluded, UserAgentLists};

/// Schema of the context.
const SCHEMA: &str = "iglu:com.iab.snowplow/spiders_and_robots/jsonschema/1-0-0";

/// The lists of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IabFiles {
    /// Addresses of robots.
    pub addresses: ConfiguredFile,
    /// User agents of robots.
    pub excluded: ConfiguredFile,
    /// User agents of browsers.
    pub included: ConfiguredFile,
}

/// The enrichment.
#[derive(Debug)]
pub struct Iab {
    addresses: AddressList,
    user_agents: UserAgentLists,
}

/// What the lists say about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// `spiderOrRobot`
    pub is_robot: bool,
    /// `category`
    pub category: &'static str,
    /// `reason`
    pub reason: &'static str,
    /// `primaryImpact`
    pub impact: &'static str,
}

impl Verdict {
    const fn robot(category: &'static str, reason: &'static str, impact: &'static str) -> Self {
        Self {
            is_robot: true,
            category,
            reason,
            impact,
        }
    }

    const BROWSER: Self = Self {
        is_robot: false,
        category: "BROWSER",
        reason: "PASSED_ALL",
        impact: "NONE",
    };
    const LISTED_ADDRESS: Self = Self::robot("SPIDER_OR_ROBOT", "FAILED_IP_EXCLUDE", "UNKNOWN");
    const UNKNOWN_USER_AGENT: Self = Self::robot("SPIDER_OR_ROBOT", "FAILED_UA_INCLUDE", "UNKNOWN");

    /// The self-describing context.
    pub fn context(&self) -> Value<'static> {
        let data = [
            ("spiderOrRobot", Value::Bool(self.is_robot)),
            ("category", Value::string(self.category)),
            ("reason", Value::string(self.reason)),
            ("primaryImpact", Value::string(self.impact)),
        ];
        Value::object([
            ("schema", Value::string(SCHEMA)),
            ("data", Value::object(data)),
        ])
    }
}

/// Makes the enrichment.
///
/// # Errors
/// What is wrong with the addresses or contents of the lists.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let files = IabFiles::from_config(config)?;
    let enrichment = Iab::open(&files, &environment.databases)?;
    Ok(Box::new(enrichment))
}

impl IabFiles {
    /// Reads `parameters`.
    ///
    /// # Errors
    /// The reference's texts, for lists that are missing or whose address is no URI.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        let read = |key: &'static str| {
            ConfiguredFile::read(config, key, Join::SlashIfMissing).and_then(|file| {
                file.ok_or_else(|| format!("JSON path parameters.{key} not found"))
            })
        };
        let files = (
            read("ipFile"),
            read("excludeUseragentFile"),
            read("includeUseragentFile"),
        );
        match files {
            (Ok(addresses), Ok(excluded), Ok(included)) => Ok(Self {
                addresses,
                excluded,
                included,
            }),
            (addresses, excluded, included) => Err([addresses, excluded, included]
                .into_iter()
                .filter_map(Result::err)
                .collect()),
        }
    }
}

impl Iab {
    /// Fetches and reads the lists.
    ///
    /// # Errors
    /// All that cannot be had or read.
    pub fn open(files: &IabFiles, databases: &Databases) -> Result<Self, Vec<String>> {
        let mut failures = Vec::new();
        let mut content = |file: &ConfiguredFile| match file.content(databases) {
            // ISO-8859-1: every byte is the character of its number
            Ok(bytes) => Some(bytes.into_iter().map(char::from).collect::<String>()),
            Err(text) => {
                failures.push(text);
                None
            }
        };
        let contents = (
            content(&files.addresses),
            content(&files.excluded),
            content(&files.included),
        );
        let mut place = |file: &ConfiguredFile, texts: Vec<String>| {
            let at = |text: String| format!("{}: {}, {text}", file.key, file.database);
            failures.extend(texts.into_iter().map(at));
        };
        if let (Some(addresses), Some(excluded), Some(included)) = contents {
            let addresses = AddressList::read(&addresses);
            let user_agents = UserAgentLists::read(&included, &excluded);
            match (addresses, user_agents) {
                (Ok(addresses), Ok(user_agents)) => {
                    return Ok(Self {
                        addresses,
                        user_agents,
                    });
                }
                (addresses, user_agents) => {
                    place(&files.addresses, addresses.err().unwrap_or_default());
                    let user_agents = user_agents.err().unwrap_or_default();
                    place(&files.excluded, user_agents.excluded);
                    place(&files.included, user_agents.included);
                }
            }
        }
        let of_enrichment = |text: &String| format!("iab_spiders_and_robots_enrichment: {text}");
        Err(failures.iter().map(of_enrichment).collect())
    }

    /// Checks an event; an absent address is 127.0.0.1, an absent user agent a browser's. `time_ms` is in
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// The reference's text, for an address that is none.
    pub fn check(
        &self,
        useragent: Option<&str>,
        address: Option<&str>,
        time_ms: i64,
    ) -> Result<Verdict, String> {
        let text = address.unwrap_or_default();
        let address =
            InetAddress::parse(text).ok_or_else(|| format!("IP address {text} was invald"))?;
        if self.addresses.contains(&address) {
            return Ok(Verdict::LISTED_ADDRESS);
        }
        let Some(useragent) = useragent else {
            return Ok(Verdict::BROWSER);
        };
        let found = self.user_agents.find(useragent, time_ms);
        if !found.is_included {
            return Ok(Verdict::UNKNOWN_USER_AGENT);
        }
        Ok(match found.excluded {
            None => Verdict::BROWSER,
            Some(Excluded { is_active, impact }) => {
                let category = match is_active {
                    true => "ACTIVE_SPIDER_OR_ROBOT",
                    false => "INACTIVE_SPIDER_OR_ROBOT",
                };
                Verdict::robot(category, "FAILED_UA_EXCLUDE", impact)
            }
        })
    }
}

/// The failure text for an event that lacks something.
fn missing(useragent: Option<&str>, address: Option<&str>, time_ms: Option<i64>) -> String {
    let option = |value: Option<String>| {
        value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
    };
    format!(
        "One of required event fields missing. user agent: {}, ip address: {}, time: {}",
        option(useragent.map(str::to_owned)),
        option(address.map(str::to_owned)),
        option(time_ms.map(format_iso_millis)),
    )
}

impl Iab {
    /// Checks an event that must have all three.
    ///
    /// # Errors
    /// The reference's failure text.
    pub fn check_event(
        &self,
        useragent: Option<&str>,
        address: Option<&str>,
        time_ms: Option<i64>,
    ) -> Result<Verdict, String> {
        match (useragent, address, time_ms) {
            (Some(_), Some(_), Some(time_ms)) => self.check(useragent, address, time_ms),
            _ => Err(missing(useragent, address, time_ms)),
        }
    }
}

impl Enrichment for Iab {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let event = &draft.event;
        let time_ms = match event.get(Field::DerivedTstamp) {
            None => None,
            Some(text) => Some(parse_tstamp(text).ok_or_else(|| {
                Unexpected(format!(
                    "java.lang.IllegalArgumentException: Invalid format: \"{text}\""
                ))
            })?),
        };
        let (useragent, address) = (event.get(Field::Useragent), event.get(Field::UserIpaddress));
        let verdict = self.check_event(useragent, address, time_ms);
        if let Some(verdict) = draft.failures.keep(FailureStep::Iab, verdict) {
            draft.derived_contexts.push(Stage::Iab, verdict.context());
        }
        Ok(())
    }
}
