//! The types of values: texts, switches, numbers, choices, folders, durations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use engine::job::options::parse_size;
use engine::store::Location;

use super::{Found, Problem, Reader, is_placeholder};
use crate::config::duration;
use crate::config::yaml::scalar::Meaning;
use crate::config::yaml::{Kind, Node};

/// The text of a value that is one.
fn text_of(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(scalar) if !is_placeholder(node) => match scalar.meaning() {
            Meaning::Text(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn meaning(node: &Node) -> Option<Meaning<'_>> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(scalar.meaning()),
        _ => None,
    }
}

/// An item of a list that holds texts and maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A text.
    Text(String),
    /// A map: each key with its value, or with all values of its list; without any where it is empty.
    Map(Vec<(String, Vec<String>)>),
}

impl<'t> Reader<'t> {
    fn text_as(
        &mut self,
        path: &str,
        expected: &str,
        required: bool,
        secret: bool,
    ) -> Option<&'t str> {
        let found = self.find(path, required);
        if let Found::Value(node, _) = found
            && let Some(text) = text_of(node)
        {
            return Some(text);
        }
        if required || matches!(found, Found::Value(..)) {
            self.wrong(path, expected, found, secret);
        }
        None
    }

    /// A text that must be there.
    pub fn text(&mut self, path: &str) -> Option<String> {
        self.text_as(path, "a text", true, false).map(str::to_owned)
    }

    /// A text that may be absent; an empty one is.
    pub fn optional_text(&mut self, path: &str) -> Option<String> {
        self.text_as(path, "a text", false, false)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// A text that may be absent and is never shown.
    pub fn optional_secret(&mut self, path: &str) -> Option<String> {
        self.text_as(path, "a text", false, true)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// A text that is one of `known`; `any_case` lets it be written in any case.
    pub fn choice<T: Copy>(
        &mut self,
        path: &str,
        known: &[(&str, T)],
        required: bool,
        any_case: bool,
    ) -> Option<T> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let expected = match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(""),
        };
        let found = self.find(path, required);
        if let Found::Value(node, _) = found {
            let text = match &node.kind {
                // `no` and `off` are booleans and may be names
                Kind::Scalar(scalar) => scalar.text(),
                _ => "",
            };
            let same = |name: &str| name == text || any_case && name.eq_ignore_ascii_case(text);
            if let Some((_, value)) = known.iter().find(|(name, _)| same(name)) {
                return Some(*value);
            }
            let line = self.line(path);
            if let Some((name, _)) = known
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(text))
            {
                let text = format!("expected {expected}, found '{text}'");
                let hint = format!("the case counts: {name}");
                self.problem(Problem::new(path, text).at(line).hint(hint));
                return None;
            }
        }
        if required || matches!(found, Found::Value(..)) {
            self.wrong(path, &expected, found, false);
        }
        None
    }

    /// A boolean that may be absent.
    pub fn optional_bool(&mut self, path: &str) -> Option<bool> {
        let found = self.find(path, false);
        let Found::Value(node, _) = found else {
            return None;
        };
        if let Some(Meaning::Bool(value)) = meaning(node) {
            return Some(value);
        }
        self.wrong(path, "a boolean", found, false);
        None
    }

    /// An integer of at least `least`.
    pub fn integer(&mut self, path: &str, least: i64, required: bool) -> Option<i64> {
        let found = self.find(path, required);
        if let Found::Value(node, _) = found
            && let Some(Meaning::Integer(value)) = meaning(node)
            && value >= least
        {
            return Some(value);
        }
        if required || matches!(found, Found::Value(..)) {
            let expected = format!("an integer of at least {least}");
            self.wrong(path, &expected, found, false);
        }
        None
    }

    /// A number of at least `least`, with or without a fraction.
    pub fn number(&mut self, path: &str, least: f64, required: bool) -> Option<f64> {
        let found = self.find(path, required);
        if let Found::Value(node, _) = found {
            let value = match meaning(node) {
                #[expect(clippy::cast_precision_loss, reason = "counts and prices are small")]
                Some(Meaning::Integer(value)) => Some(value as f64),
                Some(Meaning::Float(value)) => Some(value),
                _ => None,
            };
            if let Some(value) = value.filter(|value| value.is_finite() && *value >= least) {
                return Some(value);
            }
        }
        if required || matches!(found, Found::Value(..)) {
            let expected = format!("a number of at least {least}");
            self.wrong(path, &expected, found, false);
        }
        None
    }

    /// A folder that must be there: `s3://bucket/folder`, `file:///folder` or a path.
    pub fn folder(&mut self, path: &str) -> Option<Location> {
        let text = self.text_as(path, "a folder", true, false)?;
        let line = self.line(path);
        if text.is_empty() {
            if !self.lenient {
                let text = "expected a folder, found an empty text";
                self.problem(Problem::new(path, text).at(line));
            }
            return None;
        }
        self.location(path, text, line)
    }

    /// A folder that may be absent; an empty text is.
    pub fn optional_folder(&mut self, path: &str) -> Option<Location> {
        let text = self
            .text_as(path, "a folder", false, false)
            .filter(|text| !text.is_empty())?;
        let line = self.line(path);
        self.location(path, text, line)
    }

    /// A list of folders, at least one; empty entries are left out, as the reference leaves them out.
    pub fn folders(&mut self, path: &str) -> Vec<Location> {
        let found = self.find(path, true);
        let Found::Value(node, line) = found else {
            self.wrong(path, "a list of folders", found, false);
            return Vec::new();
        };
        let Kind::List(items) = &node.kind else {
            self.wrong(path, "a list of folders", found, false);
            return Vec::new();
        };
        let before = self.problems.len();
        let mut folders = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{path}[{index}]");
            match text_of(item) {
                Some("") => {}
                Some(text) => folders.extend(self.location(&place, text, item.line)),
                None if item.is_null() => {}
                None => self.wrong(&place, "a folder", Found::Value(item, item.line), false),
            }
        }
        if folders.is_empty() && self.problems.len() == before {
            self.problem(
                Problem::new(path, "expected at least one folder, found none")
                    .at(line)
                    .hint("each folder on a line of its own, behind `- `"),
            );
        }
        folders
    }

    /// A list of texts that may be absent.
    pub fn texts(&mut self, path: &str) -> Vec<String> {
        let found = self.find(path, false);
        let Found::Value(node, _) = found else {
            return Vec::new();
        };
        let Kind::List(items) = &node.kind else {
            self.wrong(path, "a list of texts", found, false);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match text_of(item) {
                Some(text) => texts.push(text.to_owned()),
                None if item.is_null() => {}
                None => {
                    let place = format!("{path}[{index}]");
                    self.wrong(&place, "a text", Found::Value(item, item.line), false);
                }
            }
        }
        texts
    }

    /// A list that may be absent, of texts and maps, each with its line. Numbers are taken as they are written; what keys
    /// are good in the maps is for the caller to say.
    pub fn texts_or_maps(&mut self, path: &str) -> Vec<(usize, Item)> {
        let found = self.find(path, false);
        self.free.insert(path.to_owned());
        let Found::Value(node, _) = found else {
            return Vec::new();
        };
        let Kind::List(items) = &node.kind else {
            self.wrong(path, "a list of machines", found, false);
            return Vec::new();
        };
        let scalar = |node: &Node| match &node.kind {
            Kind::Scalar(scalar) => Some(scalar.text().to_owned()),
            _ => None,
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{path}[{index}]");
            match &item.kind {
                Kind::Scalar(scalar) if !scalar.is_null() => {
                    texts.push((item.line, Item::Text(scalar.text().to_owned())));
                }
                Kind::Scalar(_) => {}
                Kind::List(_) => {
                    self.wrong(
                        &place,
                        "a text or a map",
                        Found::Value(item, item.line),
                        false,
                    );
                }
                Kind::Map(entries) => {
                    let mut map = Vec::new();
                    for entry in entries {
                        let values: Option<Vec<String>> = match &entry.value.kind {
                            _ if entry.value.is_null() => Some(Vec::new()),
                            Kind::List(values) => values.iter().map(scalar).collect(),
                            _ => scalar(&entry.value).map(|value| vec![value]),
                        };
                        match values {
                            Some(values) => map.push((entry.key.clone(), values)),
                            None => {
                                let place = format!("{place}.{}", entry.key);
                                let found = Found::Value(&entry.value, entry.line);
                                self.wrong(&place, "a text", found, false);
                            }
                        }
                    }
                    texts.push((item.line, Item::Map(map)));
                }
            }
        }
        texts
    }

    /// A map of texts; every name is good in it.
    pub fn map_of_texts(&mut self, path: &str) -> BTreeMap<String, String> {
        let found = self.find(path, false);
        self.free.insert(path.to_owned());
        match found {
            Found::Value(node, line) => self.texts_of_map(path, node, line),
            _ => BTreeMap::new(),
        }
    }

    /// A map of maps of texts; every name is good in them.
    pub fn map_of_maps(&mut self, path: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let found = self.find(path, false);
        self.free.insert(path.to_owned());
        let Found::Value(node, _) = found else {
            return BTreeMap::new();
        };
        let Kind::Map(entries) = &node.kind else {
            self.wrong(path, "a map of maps", found, false);
            return BTreeMap::new();
        };
        let mut maps = BTreeMap::new();
        for entry in entries {
            let place = format!("{path}.{}", entry.key);
            let map = self.texts_of_map(&place, &entry.value, entry.line);
            maps.insert(entry.key.clone(), map);
        }
        maps
    }

    fn texts_of_map(
        &mut self,
        path: &str,
        node: &'t Node,
        line: usize,
    ) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let Kind::Map(entries) = &node.kind else {
            if !node.is_null() {
                self.wrong(path, "a map of texts", Found::Value(node, line), false);
            }
            return texts;
        };
        for entry in entries {
            match text_of(&entry.value) {
                Some(text) => {
                    texts.insert(entry.key.clone(), text.to_owned());
                }
                None => {
                    let place = format!("{path}.{}", entry.key);
                    let found = if entry.value.is_null() {
                        Found::Nothing(entry.line)
                    } else {
                        Found::Value(&entry.value, entry.line)
                    };
                    self.wrong(&place, "a text", found, false);
                }
            }
        }
        texts
    }

    /// Local directories that may be absent: a list, or one text with commas.
    pub fn optional_paths(&mut self, path: &str) -> Vec<PathBuf> {
        let found = self.find(path, false);
        let Found::Value(node, line) = found else {
            return Vec::new();
        };
        let texts: Option<Vec<&str>> = match &node.kind {
            Kind::List(items) => items.iter().map(text_of).collect(),
            _ => text_of(node).map(|text| text.split(',').collect()),
        };
        let Some(texts) = texts else {
            self.wrong(path, "a list of local directories", found, false);
            return Vec::new();
        };
        let texts = texts.into_iter().map(str::trim);
        let found: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        for text in &found {
            if text.contains("://") {
                let text = format!("expected a local directory, found the text '{text}'");
                self.problem(Problem::new(path, text).at(line));
            }
        }
        found.into_iter().map(PathBuf::from).collect()
    }

    /// A local file or directory that may be absent.
    pub fn optional_path(&mut self, path: &str) -> Option<PathBuf> {
        let text = self.optional_text(path)?;
        if text.contains("://") {
            let line = self.line(path);
            let text = format!("expected a local path, found the text '{text}'");
            self.problem(Problem::new(path, text).at(line));
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// The address of a service that may be absent.
    pub fn optional_url(&mut self, path: &str) -> Option<String> {
        let text = self.optional_text(path)?;
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        if rest.is_none_or(str::is_empty) {
            let line = self.line(path);
            // what stands there may hold a password
            let text = "expected an address that begins with http:// or https://";
            self.problem(Problem::new(path, text).at(line));
            return None;
        }
        Some(text)
    }

    /// A size in bytes that may be absent: `512M`, `2GiB`, or a number of bytes.
    pub fn optional_size(&mut self, path: &str) -> Option<u64> {
        self.measured(path, "a size such as 512M or 2GiB", |text| {
            parse_size(text).ok()
        })
    }

    /// A time that may be absent: `90s`, `15m`, `2h`, `1d`, or a number of seconds.
    pub fn optional_duration(&mut self, path: &str) -> Option<Duration> {
        self.measured(path, "a time such as 90s, 15m or 2h", |text| {
            duration::parse(text).ok()
        })
    }

    fn measured<T>(
        &mut self,
        path: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = self.find(path, false);
        let Found::Value(node, _) = found else {
            return None;
        };
        let text = match &node.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Text(_) | Meaning::Integer(_) | Meaning::Float(_) => scalar.text(),
                _ => "",
            },
            _ => "",
        };
        let value = parse(text);
        if value.is_none() {
            self.wrong(path, expected, found, false);
        }
        value
    }

    fn location(&mut self, path: &str, text: &str, line: usize) -> Option<Location> {
        // the reference adds a slash at the end of every folder; texts and run folders rely on it
        let slash = if text.ends_with('/') { "" } else { "/" };
        let folder = format!("{text}{slash}");
        match Location::parse(&folder) {
            Ok(location) => Some(location),
            Err(error) => {
                self.problem(Problem::new(path, error.to_string()).at(line));
                None
            }
        }
    }
}
