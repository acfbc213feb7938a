//! Reads typed values from the tree of a configuration by their paths, and gathers every mistake instead of stopping at
//! the first. It notes which keys were asked for: the others are unknown.

pub(super) mod typed;

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, nearest};
use super::yaml::scalar::Meaning;
use super::yaml::{Kind, Node, Scalar};

/// What the samples of the reference say where a value is to be filled in.
const PLACEHOLDER: &str = "ADD HERE";

/// Reader of one tree.
#[derive(Debug)]
pub struct Reader<'t> {
    tree: &'t Node,
    problems: Vec<Problem>,
    /// Paths that were asked for.
    asked: BTreeSet<String>,
    /// Paths below which every key is good.
    free: BTreeSet<String>,
    /// Maps that are missing or no maps, told once.
    told: BTreeSet<String>,
    /// Environment variables that are not set, by the line that asks for them.
    unset: &'t BTreeMap<usize, String>,
    /// Whether absent keys and placeholders are let pass: the block has no effect here.
    lenient: bool,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
enum Found<'t> {
    /// A value, and the line of its key.
    Value(&'t Node, usize),
    /// Nothing; the line of its key, if there is one.
    Nothing(usize),
    /// The map that should hold it is wrong, and that is told already.
    Told,
}

impl<'t> Reader<'t> {
    /// A reader of `tree`; `unset` names environment variables that are not set, by line.
    pub fn new(tree: &'t Node, unset: &'t BTreeMap<usize, String>) -> Self {
        Self {
            tree,
            problems: Vec::new(),
            asked: BTreeSet::new(),
            free: BTreeSet::new(),
            told: BTreeSet::new(),
            unset,
            lenient: false,
        }
    }

    /// Reads a block that has no effect in this run: types are checked, absent keys and placeholders are let pass.
    pub fn leniently<T>(&mut self, lenient: bool, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.lenient, lenient);
        let value = read(self);
        self.lenient = before;
        value
    }

    /// Notes a mistake.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// All mistakes so far, in the order of the file; those without a line come last.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.line == 0, problem.line));
        self.problems
    }

    /// Whether a value other than nothing stands at `path`; the path counts as known.
    pub fn has(&mut self, path: &str) -> bool {
        matches!(self.find(path, false), Found::Value(..))
    }

    /// The line of a key; 0 when it is not there.
    pub fn line(&mut self, path: &str) -> usize {
        match self.find(path, false) {
            Found::Value(_, line) | Found::Nothing(line) => line,
            Found::Told => 0,
        }
    }

    /// Takes a key, and all below it, as known without reading it; says whether something stands there.
    pub fn pass_over(&mut self, path: &str) -> bool {
        self.free.insert(path.to_owned());
        self.asked.insert(path.to_owned());
        let mut node = self.tree;
        for key in path.split('.') {
            match node.get(key) {
                Some(value) => node = value,
                None => return false,
            }
        }
        !node.is_null()
    }

    /// What stands at `path`. A map on the way that is missing (when the value is `required`) or no map is told once.
    fn find(&mut self, path: &str, required: bool) -> Found<'t> {
        let mut node = self.tree;
        let mut line = 0;
        let mut end = 0;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            let parent = &path[..end];
            end += key.len() + usize::from(end > 0);
            self.asked.insert(path[..end].to_owned());
            if self.told.contains(parent) {
                return Found::Told;
            }
            let Kind::Map(entries) = &node.kind else {
                if node.is_null() {
                    if required && !self.lenient {
                        self.tell_missing_map(parent, line);
                        return Found::Told;
                    }
                    return Found::Nothing(0);
                }
                self.told.insert(parent.to_owned());
                let text = format!("expected a map, found {}", describe(node));
                let hint = "the keys below it begin on lines of their own, indented";
                self.problem(Problem::new(parent, text).at(node.line).hint(hint));
                return Found::Told;
            };
            match entries.iter().rev().find(|entry| entry.key == key) {
                Some(entry) => {
                    node = &entry.value;
                    line = entry.line;
                }
                None if keys.peek().is_none() => return Found::Nothing(0),
                None => {
                    if required && !self.lenient {
                        self.tell_missing_map(&path[..end], 0);
                        return Found::Told;
                    }
                    return Found::Nothing(0);
                }
            }
        }
        if node.is_null() {
            Found::Nothing(line)
        } else {
            Found::Value(node, line)
        }
    }

    fn tell_missing_map(&mut self, path: &str, line: usize) {
        if self.told.insert(path.to_owned()) {
            self.problem(Problem::new(path, "expected a map, found nothing").at(line));
        }
    }

    /// Notes that something else was expected at `path`.
    fn wrong(&mut self, path: &str, expected: &str, found: Found<'t>, secret: bool) {
        match found {
            Found::Told => {}
            Found::Nothing(_) if self.lenient => {}
            Found::Nothing(line) => {
                let hint = match self.unset.get(&line) {
                    Some(name) if line > 0 => format!("environment variable {name} is not set"),
                    _ => String::new(),
                };
                let text = format!("expected {expected}, found nothing");
                self.problem(Problem::new(path, text).at(line).hint(hint));
            }
            Found::Value(node, line) if is_placeholder(node) => {
                if !self.lenient {
                    let text = format!("expected {expected}, found the placeholder {PLACEHOLDER}");
                    let hint = "fill it in, or leave the value empty where it is optional";
                    self.problem(Problem::new(path, text).at(line).hint(hint));
                }
            }
            Found::Value(node, line) => {
                let found = if secret {
                    describe_secret(node)
                } else {
                    describe(node)
                };
                let text = format!("expected {expected}, found {found}");
                let hint = hint_for(expected, node, secret);
                self.problem(Problem::new(path, text).at(line).hint(hint));
            }
        }
    }

    /// Keys that nothing has asked for, each with the known key that may be meant.
    pub fn unknown_keys(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        self.walk(self.tree, "", &mut found);
        found
    }

    fn walk(&self, node: &Node, path: &str, found: &mut Vec<Problem>) {
        if self.free.contains(path) {
            return;
        }
        let Kind::Map(entries) = &node.kind else {
            return;
        };
        for entry in entries {
            let place = if path.is_empty() {
                entry.key.clone()
            } else {
                format!("{path}.{}", entry.key)
            };
            if self.asked.contains(&place) {
                self.walk(&entry.value, &place, found);
            } else {
                let hint = self.meant(path, &entry.key);
                found.push(
                    Problem::new(shown(&place), "unknown key")
                        .at(entry.line)
                        .hint(hint),
                );
            }
        }
    }

    /// What a person may have meant by an unknown key of the map at `parent`.
    fn meant(&self, parent: &str, key: &str) -> String {
        let prefix = if parent.is_empty() {
            String::new()
        } else {
            format!("{parent}.")
        };
        let siblings = self
            .asked
            .iter()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|rest| !rest.contains('.'));
        if let Some(name) = nearest(key, siblings) {
            return if key.strip_prefix(':') == Some(name) {
                format!("write {name} without the colon before it")
            } else {
                format!("is {name} meant?")
            };
        }
        let last = format!(".{key}");
        let mut elsewhere = self.asked.iter().filter(|path| path.ends_with(&last));
        match elsewhere.next() {
            Some(path) => format!("is {path} meant? it belongs there"),
            None => String::new(),
        }
    }
}

/// A path that is fit for a line of a log.
fn shown(path: &str) -> String {
    let text: String = path
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(200)
        .collect();
    text
}

fn is_placeholder(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.text() == PLACEHOLDER)
}

/// A value in words.
fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::List(items) if items.is_empty() => "an empty list".into(),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) => "a map".into(),
        Kind::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => "nothing".into(),
            Meaning::Bool(value) => format!("the boolean {value}"),
            Meaning::Integer(_) | Meaning::Float(_) => format!("the number {}", scalar.text()),
            Meaning::Date => format!("the date {}", scalar.text()),
            Meaning::Symbol(_) => format!("the symbol {}", scalar.text()),
            Meaning::Text("") => "an empty text".into(),
            Meaning::Text(text) => {
                let text: String = text
                    .chars()
                    .map(|c| if c.is_control() { '?' } else { c })
                    .collect();
                match text.char_indices().nth(80) {
                    Some((end, _)) => format!("the text '{}...'", &text[..end]),
                    None => format!("the text '{text}'"),
                }
            }
        },
    }
}

/// The kind of a value without the value.
fn describe_secret(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => "nothing",
            Meaning::Bool(_) => "a boolean",
            Meaning::Integer(_) | Meaning::Float(_) => "a number",
            Meaning::Date => "a date",
            Meaning::Symbol(_) => "a symbol",
            Meaning::Text("") => "an empty text",
            Meaning::Text(_) => "a text",
        }
        .into(),
        _ => describe(node),
    }
}

/// How the value that was found can become one that was expected.
fn hint_for(expected: &str, node: &Node, secret: bool) -> String {
    let Kind::Scalar(scalar) = &node.kind else {
        return match &node.kind {
            Kind::List(items) if expected.starts_with("a text") && items.len() == 1 => {
                "write the value alone, without a list".into()
            }
            _ => String::new(),
        };
    };
    let plain = scalar.text();
    let unquoted = Scalar::plain(plain.to_owned()).meaning_kind();
    match scalar.meaning() {
        Meaning::Text(_) if expected.starts_with("a list") => {
            "write it as a list: `- ` and the value on the next line".into()
        }
        Meaning::Text(_) if !scalar.is_plain() => match unquoted {
            "boolean" if expected.starts_with("a boolean") => "without quotes".into(),
            "number" if expected.contains("number") || expected.contains("integer") => {
                "without quotes".into()
            }
            _ => String::new(),
        },
        Meaning::Text(_) | Meaning::Null => String::new(),
        Meaning::Symbol(name) if !secret => format!("without the colon before it: {name}"),
        _ if secret && is_text(expected) => "put it in quotes".into(),
        _ if is_text(expected) => format!("put it in quotes: \"{plain}\""),
        _ => String::new(),
    }
}

fn is_text(expected: &str) -> bool {
    ["a text", "a folder", "a version"]
        .iter()
        .any(|word| expected.starts_with(word))
}

#[cfg(test)]
mod tests;
