//! The tables of UserAgentUtils, and how they are read: the library's `UserAgent`, `Browser` and `OperatingSystem`.
//!
//! Two forests, of browsers and of systems, whose order counts. A node is met when the user agent holds one of its aliases
//! in any case of letters; then its children are asked first, and its own excluded texts only when none of them is met. One
//! pass over the user agent finds all aliases and excluded texts of both forests; the rest is a walk over bits.
//!
//! `browsers.json` is an object of `browsers` (`key`, `parent`, `name`, `aliases`, `exclude`, `type`, `rendering_engine`, `version`)
//! and of maps that versions may name; `operating_systems.json` one of `operating_systems` (`key`, `parent`, `name`,
//! `aliases`, `exclude`, `manufacturer`, `device_type`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ClientAttributes;
use crate::enrichment::ua_parser::pattern::{Haystack, Pattern};

/// The browser that no other one is, and the system.
const UNKNOWN: &str = "UNKNOWN";
/// The browser whose system is not looked for.
const BOT: &str = "BOT";

/// Both tables.
#[derive(Debug)]
pub struct Tables {
    /// Aliases and excluded texts of both, in lower case.
    texts: AhoCorasick,
    text_count: usize,
    /// The text that every user agent holds, if a table has it.
    empty_text: Option<u32>,
    browsers: Forest,
    systems: Forest,
    browser_facts: Vec<Browser>,
    system_facts: Vec<System>,
    unknown_browser: Browser,
    unknown_system: System,
}

#[derive(Debug)]
struct Forest {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

#[derive(Debug)]
struct Node {
    aliases: Vec<u32>,
    excluded: Vec<u32>,
    children: Vec<usize>,
}

#[derive(Debug)]
struct Browser {
    name: Arc<str>,
    family: Arc<str>,
    kind: Arc<str>,
    engine: Arc<str>,
    is_bot: bool,
    /// Its own, or else the group's.
    versions: Arc<[Version]>,
}

#[derive(Debug)]
struct Version {
    pattern: Pattern,
    /// What the text of group 1 stands for.
    map: Option<Arc<HashMap<String, String>>>,
}

#[derive(Debug)]
struct System {
    name: Arc<str>,
    family: Arc<str>,
    manufacturer: Arc<str>,
    device: Arc<str>,
}

#[derive(Deserialize)]
struct BrowserFile {
    browsers: Vec<BrowserEntry>,
    #[serde(flatten)]
    maps: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct SystemFile {
    operating_systems: Vec<SystemEntry>,
}

#[derive(Deserialize)]
struct NodeEntry {
    key: String,
    parent: Option<String>,
    name: String,
    aliases: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Deserialize)]
struct BrowserEntry {
    #[serde(flatten)]
    node: NodeEntry,
    #[serde(rename = "type")]
    kind: String,
    rendering_engine: String,
    version: Option<Vec<VersionEntry>>,
}

#[derive(Deserialize)]
struct VersionEntry {
    regex: String,
    #[serde(default)]
    case_insensitive: bool,
    map: Option<String>,
}

#[derive(Deserialize)]
struct SystemEntry {
    #[serde(flatten)]
    node: NodeEntry,
    manufacturer: String,
    device_type: String,
}

/// A text and what it is called in messages.
type File<'f> = (&'f str, &'f str);

impl Tables {
    /// Reads the tables of browsers and of systems.
    ///
    /// # Errors
    /// What is wrong with them: no JSON, other members, a parent that is missing, a version that cannot be compiled.
    pub fn read(browsers: File<'_>, systems: File<'_>) -> Result<Self, Vec<String>> {
        let browser_file: BrowserFile = parse(browsers)?;
        let system_file: SystemFile = parse(systems)?;
        let mut texts = Texts::default();
        let browser_nodes: Vec<&NodeEntry> =
            browser_file.browsers.iter().map(|b| &b.node).collect();
        let system_nodes: Vec<&NodeEntry> = system_file
            .operating_systems
            .iter()
            .map(|s| &s.node)
            .collect();
        let (browser_forest, browser_groups) = Forest::new(&browser_nodes, &mut texts, browsers.1)?;
        let (system_forest, system_groups) = Forest::new(&system_nodes, &mut texts, systems.1)?;

        let browser_facts = browser_facts(&browser_file, &browser_groups, browsers.1)?;
        let system_facts: Vec<System> = (system_file.operating_systems.iter())
            .zip(&system_groups)
            .map(|(system, group)| System {
                name: (&*system.node.name).into(),
                family: (&*system_nodes[*group].name).into(),
                manufacturer: (&*system.manufacturer).into(),
                device: (&*system.device_type).into(),
            })
            .collect();
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(&texts.texts)
            .map_err(|error| vec![format!("{}: {error}", browsers.1)])?;
        Ok(Self {
            texts: automaton,
            text_count: texts.texts.len(),
            empty_text: texts.ids.get("").copied(),
            browsers: browser_forest,
            systems: system_forest,
            browser_facts,
            system_facts,
            unknown_browser: Browser {
                name: "Unknown".into(),
                family: "Unknown".into(),
                kind: "unknown".into(),
                engine: "OTHER".into(),
                is_bot: false,
                versions: Arc::new([]),
            },
            unknown_system: System {
                name: "Unknown".into(),
                family: "Unknown".into(),
                manufacturer: "Other".into(),
                device: "Unknown".into(),
            },
        })
    }

    /// What a user agent says.
    ///
    /// # Errors
    /// The expression of a version took too many steps.
    pub fn attributes(&self, useragent: &str) -> Result<ClientAttributes, String> {
        let found = self.find_texts(useragent);
        let browser = match self.browsers.first(&found) {
            Some(index) => &self.browser_facts[index],
            None => &self.unknown_browser,
        };
        let system = match self.systems.first(&found) {
            Some(index) if !browser.is_bot => &self.system_facts[index],
            _ => &self.unknown_system,
        };
        Ok(ClientAttributes {
            browser_name: Arc::clone(&browser.name),
            browser_family: Arc::clone(&browser.family),
            browser_version: version(&browser.versions, useragent)?,
            browser_type: Arc::clone(&browser.kind),
            render_engine: Arc::clone(&browser.engine),
            system_name: Arc::clone(&system.name),
            system_family: Arc::clone(&system.family),
            system_manufacturer: Arc::clone(&system.manufacturer),
            device_type: Arc::clone(&system.device),
        })
    }

    /// A bit for each text that the user agent holds.
    fn find_texts(&self, useragent: &str) -> Found {
        let lower = match useragent.is_ascii() {
            true => Cow::Borrowed(useragent),
            false => Cow::Owned(useragent.to_lowercase()),
        };
        let mut found = Found(vec![0; self.text_count.div_ceil(64)]);
        if let Some(empty) = self.empty_text {
            found.add(empty);
        }
        for text in self.texts.find_overlapping_iter(&*lower) {
            found.add(text.pattern().as_u32());
        }
        found
    }
}

/// The texts that were found.
struct Found(Vec<u64>);

impl Found {
    fn add(&mut self, text: u32) {
        self.0[text as usize / 64] |= 1 << (text % 64);
    }

    fn has_any(&self, texts: &[u32]) -> bool {
        texts
            .iter()
            .any(|text| self.0[*text as usize / 64] & 1 << (text % 64) != 0)
    }
}

/// Texts by numbers.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Texts {
    fn ids_of(&mut self, texts: &[String]) -> Vec<u32> {
        let lower = texts.iter().map(|text| text.to_lowercase());
        lower
            .map(|text| {
                let next = self.texts.len() as u32;
                *self.ids.entry(text).or_insert_with_key(|text| {
                    self.texts.push(text.clone());
                    next
                })
            })
            .collect()
    }
}

impl Forest {
    /// The forest, and for each node its topmost ancestor.
    fn new(
        entries: &[&NodeEntry],
        texts: &mut Texts,
        place: &str,
    ) -> Result<(Self, Vec<usize>), Vec<String>> {
        let mut by_key = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if by_key.insert(&*entry.key, index).is_some() {
                return Err(vec![format!("{place}: {} is there twice", entry.key)]);
            }
        }
        let mut nodes: Vec<Node> = entries
            .iter()
            .map(|entry| Node {
                aliases: texts.ids_of(&entry.aliases),
                excluded: texts.ids_of(&entry.exclude),
                children: Vec::new(),
            })
            .collect();
        let mut roots = Vec::new();
        let mut parents = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let parent = match &entry.parent {
                None => None,
                Some(parent) => Some(*by_key.get(&**parent).ok_or_else(|| {
                    vec![format!(
                        "{place}: {}: there is no parent {parent}",
                        entry.key
                    )]
                })?),
            };
            match parent {
                Some(parent) => nodes[parent].children.push(index),
                None => roots.push(index),
            }
            parents.push(parent);
        }
        let mut groups = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let mut group = index;
            let mut steps = 0;
            while let Some(parent) = parents[group] {
                group = parent;
                steps += 1;
                if steps > MOST_ANCESTORS {
                    return Err(vec![format!(
                        "{place}: {} has too many ancestors",
                        entry.key
                    )]);
                }
            }
            groups.push(group);
        }
        Ok((Self { nodes, roots }, groups))
    }

    /// The first node that is met.
    fn first(&self, found: &Found) -> Option<usize> {
        self.roots.iter().find_map(|root| self.met(*root, found))
    }

    fn met(&self, index: usize, found: &Found) -> Option<usize> {
        let node = &self.nodes[index];
        if !found.has_any(&node.aliases) {
            return None;
        }
        let child = node
            .children
            .iter()
            .find_map(|child| self.met(*child, found));
        child.or_else(|| (!found.has_any(&node.excluded)).then_some(index))
    }
}

/// Deepest place in a forest; a circle of parents is deeper.
const MOST_ANCESTORS: usize = 50;

fn parse<T: DeserializeOwned>((text, place): File<'_>) -> Result<T, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text)
        .map_err(|error| vec![format!("{place}: not a table of UserAgentUtils: {error}")])
}

fn browser_facts(
    file: &BrowserFile,
    groups: &[usize],
    place: &str,
) -> Result<Vec<Browser>, Vec<String>> {
    let mut failures = Vec::new();
    let mut maps: HashMap<&str, Arc<HashMap<String, String>>> = HashMap::new();
    let versions: Vec<Option<Arc<[Version]>>> = file
        .browsers
        .iter()
        .map(|browser| {
            let entries = browser.version.as_ref()?;
            let versions = entries.iter().filter_map(|entry| {
                compile(entry, &file.maps, &mut maps)
                    .map_err(|why| failures.push(format!("{place}: {}: {why}", browser.node.key)))
                    .ok()
            });
            Some(versions.collect())
        })
        .collect();
    if !failures.is_empty() {
        return Err(failures);
    }
    let of_browser = |index: usize, group: usize| {
        let versions = versions[index].as_ref().or(versions[group].as_ref());
        versions.map_or_else(|| Arc::new([]) as Arc<[Version]>, Arc::clone)
    };
    Ok((file.browsers.iter().enumerate())
        .zip(groups)
        .map(|((index, browser), group)| Browser {
            name: (&*browser.node.name).into(),
            family: (&*file.browsers[*group].node.name).into(),
            kind: (&*browser.kind).into(),
            engine: (&*browser.rendering_engine).into(),
            is_bot: browser.node.key == BOT,
            versions: match &*browser.node.key {
                UNKNOWN => Arc::new([]),
                _ => of_browser(index, *group),
            },
        })
        .collect())
}

fn compile<'f>(
    entry: &'f VersionEntry,
    of_file: &HashMap<String, serde_json::Value>,
    maps: &mut HashMap<&'f str, Arc<HashMap<String, String>>>,
) -> Result<Version, String> {
    let pattern = Pattern::compile(&entry.regex, entry.case_insensitive)
        .map_err(|why| format!("version '{}': {why}", entry.regex))?;
    let map = match entry.map.as_deref() {
        None => None,
        Some(name) => {
            if !maps.contains_key(name) {
                let map = of_file
                    .get(name)
                    .and_then(|map| serde_json::from_value(map.clone()).ok())
                    .ok_or_else(|| format!("there is no map {name} from texts to texts"))?;
                maps.insert(name, Arc::new(map));
            }
            maps.get(name).cloned()
        }
    };
    Ok(Version { pattern, map })
}

/// The first version that an expression finds and its map, if it has one, knows.
fn version(versions: &[Version], useragent: &str) -> Result<Option<Arc<str>>, String> {
    if versions.is_empty() {
        return Ok(None);
    }
    let haystack = Haystack::new(useragent);
    for version in versions {
        let found = version.pattern.find(&haystack)?;
        let Some(text) = found.and_then(|groups| groups.get(1)) else {
            continue;
        };
        match &version.map {
            None => return Ok(Some(text.into())),
            Some(map) => {
                if let Some(version) = map.get(text) {
                    return Ok(Some((&**version).into()));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const BROWSERS: &str = r#"{
        "browsers": [
            {"key": "FOX3", "parent": "FOX", "name": "Fox 3", "aliases": ["Fox/3"], "exclude": ["not3"], "type": "Browser", "rendering_engine": "GECKO", "version": null},
            {"key": "FOX", "parent": null, "name": "Fox", "aliases": ["FOX", "Vixen"], "exclude": ["Wolf"], "type": "Browser", "rendering_engine": "GECKO",
             "version": [{"regex": "fox/([\\d.]+)", "case_insensitive": true}, {"regex": "Build/([\\w-+]+)", "map": "builds"}]},
            {"key": "FOX_OLD", "parent": "FOX", "name": "Old Fox", "aliases": ["old"], "exclude": [], "type": "Browser (mobile)", "rendering_engine": "OTHER",
             "version": [{"regex": "old ([0-9]+)?"}]},
            {"key": "FOX_VERY_OLD", "parent": "FOX_OLD", "name": "Very Old Fox", "aliases": ["very"], "exclude": [], "type": "Browser", "rendering_engine": "GECKO", "version": null},
            {"key": "BOT", "parent": null, "name": "Robot", "aliases": ["bot"], "exclude": [], "type": "Robot", "rendering_engine": "OTHER", "version": null},
            {"key": "BOT_MOBILE", "parent": "BOT", "name": "Mobile Robot", "aliases": ["phone"], "exclude": [], "type": "Robot", "rendering_engine": "OTHER", "version": null},
            {"key": "NOBODY", "parent": null, "name": "Nobody", "aliases": [], "exclude": [], "type": "Robot", "rendering_engine": "OTHER", "version": null}
        ],
        "builds": {"a-1+": "1.0"}
    }"#;

    pub(in super::super) const SYSTEMS: &str = r#"{
        "operating_systems": [
            {"key": "TUX", "parent": null, "name": "Tux", "aliases": ["Tux"], "exclude": [], "manufacturer": "Penguins", "device_type": "Computer", "is_mobile": false},
            {"key": "TUX_PHONE", "parent": "TUX", "name": "Tux phone", "aliases": ["phone"], "exclude": [], "manufacturer": "Penguins Ltd.", "device_type": "Mobile", "is_mobile": true}
        ]
    }"#;

    fn read(browsers: &str, systems: &str) -> Result<Tables, Vec<String>> {
        Tables::read((browsers, "b.json"), (systems, "s.json"))
    }

    fn described(tables: &Tables, useragent: &str) -> String {
        let a = tables.attributes(useragent).unwrap();
        let version = a.browser_version.as_deref().unwrap_or("-");
        format!(
            "{}|{}|{version}|{}|{}|{}",
            a.browser_name, a.browser_family, a.system_name, a.system_family, a.device_type
        )
    }

    #[test]
    fn the_forest_is_walked_in_order() {
        let tables = read(BROWSERS, SYSTEMS).unwrap();
        for (useragent, expected) in [
            ("", "Unknown|Unknown|-|Unknown|Unknown|Unknown"),
            ("a fox on TUX", "Fox|Fox|-|Tux|Tux|Computer"),
            ("FOX/3.2 (tux)", "Fox 3|Fox|3.2|Tux|Tux|Computer"),
            // a child that is met counts although the parent would be excluded
            ("Fox/3.2 wolf", "Fox 3|Fox|3.2|Unknown|Unknown|Unknown"),
            ("Fox/2 wolf", "Unknown|Unknown|-|Unknown|Unknown|Unknown"),
            ("Fox/3 not3", "Fox|Fox|3|Unknown|Unknown|Unknown"),
            (
                "Fox/3 not3 wolf bot",
                "Robot|Robot|-|Unknown|Unknown|Unknown",
            ),
            // the group's versions, where there are none of its own
            (
                "vixen build/a-1+ Build/a-1+",
                "Fox|Fox|1.0|Unknown|Unknown|Unknown",
            ),
            ("vixen Build/b", "Fox|Fox|-|Unknown|Unknown|Unknown"),
            (
                "vixen old 7 Build/a-1+",
                "Old Fox|Fox|7|Unknown|Unknown|Unknown",
            ),
            (
                "vixen old x Build/a-1+",
                "Old Fox|Fox|-|Unknown|Unknown|Unknown",
            ),
            (
                "vixen very old 7 Build/a-1+",
                "Very Old Fox|Fox|1.0|Unknown|Unknown|Unknown",
            ),
            // a parent that is not met hides its children
            ("phone", "Unknown|Unknown|-|Unknown|Unknown|Unknown"),
            ("Tux phone", "Unknown|Unknown|-|Tux phone|Tux|Mobile"),
            // the system of a robot is not looked for, that of a mobile one is
            ("bot tux", "Robot|Robot|-|Unknown|Unknown|Unknown"),
            ("bot tux phone", "Mobile Robot|Robot|-|Tux phone|Tux|Mobile"),
            // lower case as Java makes it
            ("FOX İTUX", "Fox|Fox|-|Tux|Tux|Computer"),
            ("é fox/9 日本", "Fox|Fox|9|Unknown|Unknown|Unknown"),
        ] {
            assert_eq!(described(&tables, useragent), expected, "{useragent}");
        }
        let long = "fox old wolf ".repeat(20_000);
        assert!(described(&tables, &long).starts_with("Old Fox|"));
    }

    #[test]
    fn an_empty_alias_is_in_every_text() {
        let systems = SYSTEMS.replace(r#""aliases": ["phone"]"#, r#""aliases": [""]"#);
        let tables = read(BROWSERS, &systems).unwrap();
        assert!(described(&tables, "tux").contains("|Tux phone|"));
    }

    #[test]
    fn damaged_tables_are_refused() {
        for (browsers, systems, part) in [
            ("[]".to_owned(), SYSTEMS.to_owned(), "b.json: not a table"),
            (BROWSERS.to_owned(), "{}".to_owned(), "s.json: not a table"),
            (
                BROWSERS.replace(r#""parent": "BOT""#, r#""parent": "ROBOT""#),
                SYSTEMS.to_owned(),
                "b.json: BOT_MOBILE: there is no parent ROBOT",
            ),
            (
                BROWSERS.to_owned(),
                SYSTEMS.replace(r#""key": "TUX_PHONE""#, r#""key": "TUX""#),
                "s.json: TUX is there twice",
            ),
            (
                BROWSERS.to_owned(),
                SYSTEMS.replace(r#""parent": null"#, r#""parent": "TUX_PHONE""#),
                "s.json: TUX has too many ancestors",
            ),
            (
                BROWSERS.replace("([0-9]+)?", "([0-9]+"),
                SYSTEMS.to_owned(),
                "b.json: FOX_OLD: version 'old ([0-9]+': Unclosed group",
            ),
            (
                BROWSERS.replace(r#""map": "builds""#, r#""map": "none""#),
                SYSTEMS.to_owned(),
                "b.json: FOX: there is no map none",
            ),
        ] {
            let error = read(&browsers, &systems).unwrap_err();
            assert!(error[0].contains(part), "{error:?}");
        }
    }
}
