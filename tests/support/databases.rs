//! The reference's look-up files under the names by which its tests find them.

use std::path::Path;

use engine::enrichment::databases::Databases;
use tempfile::TempDir;

/// A folder with links to look-up files, for as long as it lives.
pub struct DatabaseFolder(TempDir);

impl DatabaseFolder {
    /// The MaxMind databases, one set of the IAB lists (`spark-enrich` or `scala-common-enrich`), the referers, the
    /// user-agent regexes of November 2013 and the tables of UserAgentUtils 1.21.
    pub fn new(shared: &Path, lists: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for from in [
            shared.join("data/geoip2"),
            shared.join("data/iab").join(lists),
            shared.join("data/referer-parser"),
            shared.join("data/uap-core/2013-11"),
            shared.join("data/user-agent-utils"),
        ] {
            for entry in std::fs::read_dir(&from).expect("look-up files") {
                let file = entry.expect("an entry");
                let file_path = std::path::absolute(file.path()).expect("a path");
                // vectors of several libraries have one name, and are no look-up files
                let _ = std::os::unix::fs::symlink(file_path, folder.path().join(file.file_name()));
            }
        }
        Self(folder)
    }

    /// Look-up files from this folder alone.
    pub fn databases(&self) -> Databases {
        Databases {
            folder: Some(self.0.path().to_owned()),
            ..Databases::default()
        }
    }
}
