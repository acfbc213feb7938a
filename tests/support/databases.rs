//! The reference's look-up files under the names by which its tests find them.

use std::path::Path;

use engine::enrichment::databases::Databases;
use tempfile::TempDir;

/// A folder with links to look-up files, for as long as it lives.
pub struct DatabaseFolder(TempDir);

impl DatabaseFolder {
    /// The MaxMind databases and one set of the IAB lists (`spark-enrich` or `scala-common-enrich`).
    pub fn new(shared: &Path, lists: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for from in [
            shared.join("data/geoip2"),
            shared.join("data/iab").join(lists),
        ] {
            for entry in std::fs::read_dir(&from).expect("look-up files") {
                let file = entry.expect("an entry");
                let file_path = std::path::absolute(file.path()).expect("a path");
                std::os::unix::fs::symlink(file_path, folder.path().join(file.file_name()))
                    .expect("a link");
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
