//! Text files with the data of an enrichment: the one that its configuration names, or the one in the folder of look-up files.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::DuplicateKeyPolicy;

use super::config::EnrichmentConfig;
use super::environment::Environment;

/// A file that was read.
#[derive(Debug)]
pub(super) struct DataFile {
    /// Its content.
    pub(super) text: String,
    /// What it is called in messages.
    pub(super) place: String,
}

/// The file that parameters `uri` and `database` name, if there are any.
///
/// # Errors
/// One of the two is missing; the file cannot be had or read.
pub(super) fn configured(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Option<DataFile>, Vec<String>> {
    let (uri, database) = (["parameters", "uri"], ["parameters", "database"]);
    if config.value(&uri).is_err() && config.value(&database).is_err() {
        return Ok(None);
    }
    let (uri, database) = match (config.text(&uri), config.text(&database)) {
        (Ok(uri), Ok(database)) => (uri, database),
        (uri, database) => return Err(uri.err().into_iter().chain(database.err()).collect()),
    };
    let path = environment.databases.fetch(uri, database);
    let path = path.map_err(|why| vec![why])?;
    let place = format!("{}/{database}", uri.trim_end_matches('/'));
    read(&path, place).map(Some)
}

/// The file of a name in the folder of look-up files, if it is there.
///
/// # Errors
/// It cannot be read.
pub(super) fn in_folder(
    name: &str,
    environment: &Environment,
) -> Result<Option<DataFile>, Vec<String>> {
    match environment.databases.in_folder(name) {
        Some(path) => read(&path, path.display().to_string()).map(Some),
        None => Ok(None),
    }
}

fn read(path: &Path, place: String) -> Result<DataFile, Vec<String>> {
    let bytes =
        fs::read(path).map_err(|error| vec![format!("{place}: cannot be read: {error}")])?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(DataFile { text, place }),
        Err(error) => Err(vec![format!("{place}: not UTF-8: {error}")]),
    }
}

/// The content of a YAML text. Of two values of a key the later one counts, as the reference's reader has it; the
/// databases in circulation have such keys.
pub(super) fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iglu::SchemaKey;

    #[test]
    fn files_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        assert!(in_folder("a.json", &environment).unwrap().is_none());
        environment.databases.folder = Some(folder.path().to_owned());
        assert!(in_folder("a.json", &environment).unwrap().is_none());
        fs::write(folder.path().join("a.json"), "{}").unwrap();
        let file = in_folder("a.json", &environment).unwrap().unwrap();
        assert_eq!(file.text, "{}");
        assert!(file.place.ends_with("/a.json"));
        fs::write(folder.path().join("a.json"), b"\xff").unwrap();
        let error = in_folder("a.json", &environment).unwrap_err();
        assert!(error[0].contains("/a.json: not UTF-8"), "{error:?}");
    }

    #[test]
    fn configured_files_need_both_parameters() {
        let configured = |data: &str| {
            let config = EnrichmentConfig {
                name: "any".to_owned(),
                schema: SchemaKey::parse("iglu:a/b/jsonschema/1-0-0").unwrap(),
                data: crate::json::parse(data).unwrap().unwrap().into_owned(),
            };
            configured(&config, &Environment::default())
        };
        assert!(configured("{}").unwrap().is_none());
        assert!(configured(r#"{"parameters":{}}"#).unwrap().is_none());
        assert_eq!(
            configured(r#"{"parameters":{"database":"a"}}"#).unwrap_err(),
            ["JSON path parameters.uri not found"]
        );
        assert_eq!(
            configured(r#"{"parameters":{"uri":"a"}}"#).unwrap_err(),
            ["JSON path parameters.database not found"]
        );
    }
}
