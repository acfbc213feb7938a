//! Files that enrichments look things up in: MaxMind databases, IAB lists, user-agent regexes and
//! tables, referers.

use std::path::{Path, PathBuf};

use crate::store::StoreSettings;

/// Where the look-up files of a job come from.
#[derive(Debug, Clone, Default)]
pub struct Databases {
    /// Option `--enrichment-data`: a folder with files of the known names.
    pub folder: Option<PathBuf>,
    /// Where fetched files are kept from one job to the next; `None`: below the user's cache folder.
    pub cache: Option<PathBuf>,
    /// How `s3://` is reached.
    pub store: StoreSettings,
}

impl Databases {
    /// A local copy of the file `database` at `uri`: a path, `file://`, `http(s)://` or `s3://`.
    ///
    /// # Errors
    /// What could not be fetched, why, and what to do.
    pub fn fetch(&self, uri: &str, database: &str) -> Result<PathBuf, String> {
        Err(format!("{uri}/{database}: not available yet"))
    }

    /// The file `name` of the folder, if there is a folder that has it.
    pub fn in_folder(&self, name: &str) -> Option<PathBuf> {
        let path = self
            .folder
            .as_deref()
            .map(|folder: &Path| folder.join(name))?;
        path.is_file().then_some(path)
    }
}
