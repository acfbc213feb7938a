//! Reads typed values from the tree of a configuration by their paths, and gathers every mistake instead of stopping at
//! the first.

use std::path::PathBuf;

use engine::store::Location;
use serde_json::Value;

/// Reader of one tree.
#[derive(Debug)]
pub struct Reader<'t> {
    tree: &'t Value,
    mistakes: Vec<String>,
}

impl<'t> Reader<'t> {
    /// A reader of `tree`.
    pub fn new(tree: &'t Value) -> Self {
        Self {
            tree,
            mistakes: Vec::new(),
        }
    }

    /// Notes a mistake at `path`.
    pub fn mistake(&mut self, path: &str, what: &str) {
        self.mistakes.push(format!("{path}: {what}"));
    }

    /// All mistakes, one a line.
    ///
    /// # Errors
    /// When there is one.
    pub fn finish(&mut self) -> Result<(), String> {
        if self.mistakes.is_empty() {
            Ok(())
        } else {
            Err(self.mistakes.join("\n"))
        }
    }

    /// The value at `path`; null and absent are the same.
    fn find(&self, path: &str) -> Option<&'t Value> {
        let mut value = self.tree;
        for key in path.split('.') {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    fn wrong(&mut self, path: &str, expected: &str, found: Option<&Value>) {
        let found = match found {
            None => "nothing".to_owned(),
            Some(Value::Bool(b)) => format!("the boolean {b}"),
            Some(Value::Number(n)) => format!("the number {n}"),
            Some(Value::String(s)) => format!("the text '{s}'"),
            Some(Value::Array(_)) => "a list".to_owned(),
            Some(Value::Object(_)) => "a map".to_owned(),
            Some(Value::Null) => "null".to_owned(),
        };
        self.mistake(path, &format!("expected {expected}, found {found}"));
    }

    /// A text that must be there. Numbers that YAML reads from version strings are taken as their text.
    pub fn string(&mut self, path: &str) -> Option<String> {
        match self.find(path) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            found => {
                self.wrong(path, "a text", found);
                None
            }
        }
    }

    /// A text that may be absent.
    pub fn optional_string(&mut self, path: &str) -> Option<String> {
        self.find(path)?;
        self.string(path)
    }

    /// A boolean that may be absent; YAML 1.1 spells it in many ways.
    pub fn optional_bool(&mut self, path: &str) -> Option<bool> {
        match self.find(path)? {
            Value::Bool(value) => Some(*value),
            Value::String(text)
                if matches!(text.to_ascii_lowercase().as_str(), "yes" | "on" | "true") =>
            {
                Some(true)
            }
            Value::String(text)
                if matches!(text.to_ascii_lowercase().as_str(), "no" | "off" | "false") =>
            {
                Some(false)
            }
            found => {
                self.wrong(path, "a boolean", Some(found));
                None
            }
        }
    }

    /// An integer of at least `least` that may be absent.
    pub fn optional_integer(&mut self, path: &str, least: i64) -> Option<i64> {
        match self.find(path)? {
            Value::Number(number) if number.as_i64().is_some_and(|n| n >= least) => number.as_i64(),
            found => {
                self.wrong(
                    path,
                    &format!("an integer of at least {least}"),
                    Some(found),
                );
                None
            }
        }
    }

    /// A folder that must be there; the empty text counts as absent.
    pub fn folder(&mut self, path: &str) -> Option<Location> {
        if self
            .find(path)
            .is_some_and(|value| value.as_str() == Some(""))
        {
            self.wrong(path, "a folder", None);
            return None;
        }
        let text = self.string(path)?;
        self.location(path, &text)
    }

    /// A folder that may be absent.
    pub fn optional_folder(&mut self, path: &str) -> Option<Location> {
        match self.find(path)? {
            Value::String(text) if text.is_empty() => None,
            _ => self.folder(path),
        }
    }

    /// A list of folders, at least one.
    pub fn folders(&mut self, path: &str) -> Vec<Location> {
        let items = match self.find(path) {
            Some(Value::Array(items)) => items,
            found => {
                self.wrong(path, "a list of folders", found);
                return Vec::new();
            }
        };
        let mut folders = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{path}[{index}]");
            match item {
                Value::String(text) if !text.is_empty() => {
                    folders.extend(self.location(&place, text))
                }
                // The reference leaves empty entries out.
                Value::Null => {}
                Value::String(_) => {}
                found => self.wrong(&place, "a folder", Some(found)),
            }
        }
        if folders.is_empty() && self.mistakes.is_empty() {
            self.mistake(path, "expected at least one folder, found none");
        }
        folders
    }

    /// Local directories that may be absent: a list, or one text with commas.
    pub fn optional_paths(&mut self, path: &str) -> Vec<PathBuf> {
        let texts: Vec<&str> = match self.find(path) {
            None => Vec::new(),
            Some(Value::String(text)) => text.split(',').collect(),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect()
            }
            found => {
                self.wrong(path, "a list of local directories", found);
                Vec::new()
            }
        };
        let texts = texts.into_iter().map(str::trim);
        let found: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        if let Some(text) = found.iter().find(|text| text.contains("://")) {
            self.mistake(path, &format!("'{text}': expected a local directory"));
        }
        found.into_iter().map(PathBuf::from).collect()
    }

    fn location(&mut self, path: &str, text: &str) -> Option<Location> {
        match Location::parse(text) {
            Ok(location) if location.is_local() => Some(location),
            Ok(_) => {
                self.mistake(path, &format!("'{text}': buckets on S3 are not available to `run` yet; use file:// or a path"));
                None
            }
            Err(error) => {
                self.mistake(path, &error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_a_list_or_a_text_with_commas() {
        for (value, expected) in [
            (serde_json::json!(null), Ok(vec![])),
            (
                serde_json::json!(["/mnt/a", " /mnt/b "]),
                Ok(vec!["/mnt/a", "/mnt/b"]),
            ),
            (
                serde_json::json!("/mnt/a,/mnt/b,"),
                Ok(vec!["/mnt/a", "/mnt/b"]),
            ),
            (
                serde_json::json!(3),
                Err("expected a list of local directories, found the number 3"),
            ),
            (
                serde_json::json!(["/a", 3]),
                Err("expected a list of local directories, found a list"),
            ),
            (
                serde_json::json!(["s3://b/"]),
                Err("'s3://b/': expected a local directory"),
            ),
        ] {
            let tree = serde_json::json!({ "camonica": { "spill_directories": value } });
            let mut reader = Reader::new(&tree);
            let found = reader.optional_paths("camonica.spill_directories");
            match (reader.finish(), expected) {
                (Ok(()), Ok(paths)) => {
                    assert_eq!(
                        found,
                        paths.into_iter().map(PathBuf::from).collect::<Vec<_>>()
                    );
                }
                (Err(text), Err(expected)) => {
                    assert_eq!(text, format!("camonica.spill_directories: {expected}"));
                }
                (result, _) => panic!("{result:?} for {tree}"),
            }
        }
    }
}
