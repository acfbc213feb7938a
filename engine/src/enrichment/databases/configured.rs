//! A look-up file as a configuration names it: `{"database": ..., "uri": ...}` under a key.

use crate::enrichment::config::EnrichmentConfig;
use crate::text::uri::string_to_uri;

use super::Databases;

/// What stands between `uri` and `database`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Always a slash (ip_lookups).
    Slash,
    /// A slash unless `uri` ends with one (IAB).
    SlashIfMissing,
}

/// A file that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredFile {
    /// The key below `parameters`.
    pub key: &'static str,
    /// The address of the file, its name included.
    pub uri: String,
    /// The name of the file.
    pub database: String,
}

impl ConfiguredFile {
    /// The file under `parameters.<key>`; `None` where that is absent.
    ///
    /// # Errors
    /// The reference's text, for an address that is no URI.
    pub fn read(
        config: &EnrichmentConfig,
        key: &'static str,
        join: Join,
    ) -> Result<Option<Self>, String> {
        if config.value(&["parameters", key]).is_err() {
            return Ok(None);
        }
        let uri = config.text(&["parameters", key, "uri"])?;
        let database = config.text(&["parameters", key, "database"])?;
        let separator = match join {
            Join::SlashIfMissing if uri.ends_with('/') => "",
            _ => "/",
        };
        let uri = format!("{uri}{separator}{database}");
        string_to_uri(Some(&uri))?;
        Ok(Some(Self {
            key,
            uri,
            database: database.to_owned(),
        }))
    }

    /// The content of the file.
    ///
    /// # Errors
    /// What could not be had, why, and what to do.
    pub fn content(&self, databases: &Databases) -> Result<Vec<u8>, String> {
        let path = databases
            .fetch_uri(&self.uri, &self.database)
            .map_err(|text| format!("{}: {text}", self.key))?;
        std::fs::read(&path).map_err(|error| {
            format!(
                "{}: {}: {error}; the look-up file cannot be read",
                self.key,
                path.display()
            )
        })
    }
}
