//! Enrichment `ip_lookups`: place, provider, domain and speed of the connection, from MaxMind databases.
//!
//! In: `user_ipaddress`. Out: the columns `geo_*` and `ip_*` of the databases that are configured and know
//! the address (Scala Common Enrich 0.34.0, `IpLookupsEnrichment` with scala-maxmind-iplookups 0.4.0). An
//! address that is not found, or is none, leaves its columns null and never fails an event.
//!
//! Different from the reference on purpose: names are not looked up in DNS; a file that is missing, is no
//! MaxMind database or has the wrong type ends the job before the first event, while the reference leaves
//! all columns null. Records that are damaged leave their columns null and are counted and told.

mod answers;
mod database;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{EnrichedEvent, Field};
use crate::text::inet_address::InetAddress;

use super::config::EnrichmentConfig;
use super::databases::{ConfiguredFile, Databases, Join};
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;

use answers::Answers;
use database::Database;

/// The kinds of databases, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `geo`: GeoIP2-City or GeoLite2-City.
    Geo,
    /// `isp`: GeoIP2-ISP.
    Isp,
    /// `domain`: GeoIP2-Domain.
    Domain,
    /// `connectionType`: GeoIP2-Connection-Type.
    ConnectionType,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Geo, Self::Isp, Self::Domain, Self::ConnectionType];

    /// Its key below `parameters`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Geo => "geo",
            Self::Isp => "isp",
            Self::Domain => "domain",
            Self::ConnectionType => "connectionType",
        }
    }

    /// What the type of a fitting database contains.
    fn database_type(self) -> &'static str {
        match self {
            Self::Geo => "City",
            Self::Isp => "GeoIP2-ISP",
            Self::Domain => "GeoIP2-Domain",
            Self::ConnectionType => "GeoIP2-Connection-Type",
        }
    }
}

/// Why a database has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The text is no address.
    UnknownHost,
    /// The database does not know the address.
    AddressNotFound,
    /// The database is damaged there.
    Damaged(String),
}

/// Values for columns, in one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    text: String,
    /// Columns, with the ends of their values; each begins where the one before ends.
    ends: Vec<(Field, usize)>,
}

impl Columns {
    fn push(&mut self, field: Field, value: Option<&str>) {
        if let Some(value) = value {
            self.text.push_str(value);
            self.ends.push((field, self.text.len()));
        }
    }

    /// The columns that have values.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(field, end)| {
            let value = self.text.get(start..end).unwrap_or_default();
            start = end;
            (field, value)
        })
    }

    fn set(&self, event: &mut EnrichedEvent) {
        for (field, value) in self.iter() {
            event.set(field, value);
        }
    }
}

/// The enrichment.
#[derive(Debug)]
pub struct IpLookups {
    databases: Vec<Database>,
    answers: Answers,
    /// Look-ups that met damage.
    damaged: AtomicU64,
}

/// Makes the enrichment.
///
/// # Errors
/// What is wrong with the addresses or files of the databases.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let files = configured_files(config)?;
    let enrichment = IpLookups::open(&files, &environment.databases)?;
    Ok(Box::new(enrichment))
}

/// The databases of a configuration.
///
/// # Errors
/// The reference's texts, for addresses that are no URIs.
pub fn configured_files(
    config: &EnrichmentConfig,
) -> Result<Vec<(Kind, ConfiguredFile)>, Vec<String>> {
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        match ConfiguredFile::read(config, kind.key(), Join::Slash) {
            Ok(Some(file)) => files.push((kind, file)),
            Ok(None) => {}
            Err(text) => failures.push(text),
        }
    }
    match failures.is_empty() {
        true => Ok(files),
        false => Err(failures),
    }
}

impl IpLookups {
    /// Fetches and opens databases.
    ///
    /// # Errors
    /// All that cannot be had or used.
    pub fn open(
        files: &[(Kind, ConfiguredFile)],
        databases: &Databases,
    ) -> Result<Self, Vec<String>> {
        let (mut opened, mut failures) = (Vec::new(), Vec::new());
        for (kind, file) in files {
            let content = file.content(databases);
            match content.and_then(|bytes| Database::new(*kind, &file.uri, bytes)) {
                Ok(database) => opened.push(database),
                Err(text) => failures.push(format!("ip_lookups: {text}")),
            }
        }
        match failures.is_empty() {
            true => Ok(Self {
                databases: opened,
                answers: Answers::new(),
                damaged: AtomicU64::new(0),
            }),
            false => Err(failures),
        }
    }

    /// What the database of one kind says about an address; `None` if there is none of that kind.
    pub fn look_up(&self, kind: Kind, address: &str) -> Option<Result<Columns, NoAnswer>> {
        let database = self
            .databases
            .iter()
            .find(|database| database.kind == kind)?;
        let address = InetAddress::parse(address).ok_or(NoAnswer::UnknownHost);
        Some(address.and_then(|address| {
            let mut columns = Columns::default();
            database.look_up(address.ip, &mut columns)?;
            Ok(columns)
        }))
    }

    /// What all databases say about an address.
    fn columns(&self, address: &str) -> Columns {
        let mut columns = Columns::default();
        let Some(address) = InetAddress::parse(address) else {
            return columns;
        };
        for database in &self.databases {
            if let Err(NoAnswer::Damaged(text)) = database.look_up(address.ip, &mut columns)
                && self.damaged.fetch_add(1, Ordering::Relaxed) == 0
            {
                tracing::warn!(
                    database = %database.name,
                    "a record of a MaxMind database cannot be read, its columns stay null: {text}"
                );
            }
        }
        columns
    }
}

impl Enrichment for IpLookups {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let event = &mut draft.event;
        let Some(address) = event.get(Field::UserIpaddress) else {
            return Ok(());
        };
        if self.databases.is_empty() {
            return Ok(());
        }
        let hash = self.answers.hash(address);
        if !self.answers.answer(hash, event)
            && let Some(address) = event.get(Field::UserIpaddress).map(str::to_owned)
        {
            let columns = self.columns(&address);
            columns.set(event);
            self.answers.keep(hash, address, columns);
        }
        Ok(())
    }
}

impl Drop for IpLookups {
    fn drop(&mut self) {
        let damaged = self.damaged.load(Ordering::Relaxed);
        if damaged > 0 {
            tracing::warn!(
                damaged,
                "look-ups met damaged records of MaxMind databases: replace the files"
            );
        }
    }
}
