//! The snapshot: which objects a job reads, fixed before it starts.
//!
//! In: the input options: folders, globs, objects, or comma-separated lists of these. Out: the objects in order of
//! their relative keys. Rules of Hadoop's `FileInputFormat`: a folder is not read recursively; a folder that a
//! glob matches is read one level; names that start with `_` or `.` are skipped (also by the last part of a glob);
//! raw Thrift input takes only names that end with `.lzo`; a path that does not exist is an error. Beyond it: an
//! object that two inputs name is read once, S3 folder markers are no objects, a path without glob characters may
//! itself start with `_` or `.`, and `<name>.lzo.index` beside `<name>.lzo` is its index and never text.
//!
//! The relative key is a part of the place of every event, so it does not depend on the order of the inputs, nor
//! on where the whole input lies: it begins at the deepest folder that holds all inputs.

use std::collections::BTreeMap;
use std::path::Path;

use super::glob::{Component, expand_braces, is_pattern, split_list, unescape};
use super::split::SPLIT_BYTES;
use super::{Codec, Framing};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, ObjectEntry, Store};

/// What an index is called, behind the name of its object.
const INDEX_EXTENSION: &str = ".index";

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputObject {
    /// Where it is, and what it was when the snapshot was taken.
    pub entry: ObjectEntry,
    /// Its key below the folder that holds all inputs; unique in the snapshot.
    pub relative: String,
    /// How it is compressed.
    pub codec: Codec,
    /// The index of its blocks beside it (`<name>.lzo.index`), where it is worth to know.
    pub index: Option<ObjectEntry>,
}

impl InputObject {
    /// The object as the operator knows it.
    pub fn name(&self) -> String {
        self.entry.location.to_string()
    }

    #[cfg(test)]
    pub(crate) fn for_test(name: &str, size: u64) -> Self {
        Self {
            entry: ObjectEntry {
                location: Location::parse(name).unwrap(),
                relative: name.to_owned(),
                size,
                etag: None,
            },
            relative: name.to_owned(),
            codec: Codec::from_name(name),
            index: None,
        }
    }
}

/// What a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// In order of their relative keys.
    pub objects: Vec<InputObject>,
    /// Sum of their stored bytes.
    pub total_bytes: u64,
}

impl Snapshot {
    /// Lists `inputs`.
    ///
    /// # Errors
    /// `NotFound` for a path or glob that nothing matches; `Config` for a glob that cannot be read or if there is
    /// no input at all; what the store says when a listing fails.
    pub fn take(store: &Store, inputs: &[impl AsRef<str>], framing: Framing) -> Result<Self> {
        let access = Access {
            list: &|folder, recursive| store.list(folder, recursive),
            head: &|location| store.head(location),
        };
        Self::with_access(&access, inputs, framing)
    }

    fn with_access(
        access: &Access<'_>,
        inputs: &[impl AsRef<str>],
        framing: Framing,
    ) -> Result<Self> {
        let mut bases = Vec::new();
        let mut found = BTreeMap::new();
        for input in inputs {
            for part in split_list(input.as_ref()) {
                for pattern in expand_braces(part.trim())? {
                    let matches = access.resolve(&pattern)?;
                    bases.push(matches.base);
                    found.extend(matches.objects.into_iter().map(|o| (o.path, o.entry)));
                }
            }
        }
        let Some((first, others)) = bases.split_first() else {
            return Err(Error::config("no input folder is given"));
        };
        let shared = others.iter().fold(first.len(), |shared, base| {
            let same = first.iter().zip(base).take_while(|(a, b)| a == b);
            same.count().min(shared)
        });
        let mut indexes = take_indexes(&mut found);
        let mut objects: Vec<_> = found
            .into_iter()
            .map(|(path, entry)| InputObject {
                codec: Codec::from_name(path.last().map_or("", String::as_str)),
                relative: path[shared..].join("/"),
                index: indexes.remove(&path),
                entry,
            })
            .filter(|object| framing == Framing::Lines || object.codec == Codec::Lzop)
            .collect();
        for object in &mut objects {
            access.find_index(object);
        }
        if u32::try_from(objects.len()).is_err() {
            return Err(Error::config("the input has more than 2^32 objects"));
        }
        objects.sort_by(|a, b| a.relative.cmp(&b.relative));
        let total_bytes = objects.iter().map(|object| object.entry.size).sum();
        Ok(Self {
            objects,
            total_bytes,
        })
    }
}

/// Takes the indexes of lzop objects out of what was found, by the path of the object.
fn take_indexes(found: &mut BTreeMap<Parts, ObjectEntry>) -> BTreeMap<Parts, ObjectEntry> {
    let object_of = |path: &Parts| {
        let (name, folder) = path.split_last()?;
        let name = name.strip_suffix(INDEX_EXTENSION)?;
        let object = [folder, &[name.to_owned()]].concat();
        (name.ends_with(".lzo") && found.contains_key(&object)).then_some(object)
    };
    let indexes: Vec<_> = found
        .keys()
        .filter_map(|path| Some((object_of(path)?, path.clone())))
        .collect();
    let take = |(object, path)| Some((object, found.remove(&path)?));
    indexes.into_iter().filter_map(take).collect()
}

/// A path in parts: the root (bucket with scheme, or `/`), then the names below it.
type Parts = Vec<String>;

/// An object that an input names.
struct Found {
    path: Parts,
    entry: ObjectEntry,
}

/// What an input names.
struct Matches {
    base: Parts,
    objects: Vec<Found>,
}

/// An input option, without comma and braces.
struct InputPath {
    /// `s3://bucket/`, `file:///`, `/` or nothing, as the operator wrote it.
    prefix: String,
    names: Vec<String>,
    is_folder: bool,
}

impl InputPath {
    fn parse(text: &str) -> Self {
        let root = match text.split_once("://") {
            Some((scheme, rest)) => {
                let bucket = rest.find('/').map_or(rest.len(), |at| at + 1);
                scheme.len() + 3 + bucket
            }
            None => usize::from(text.starts_with('/')),
        };
        let (prefix, rest) = text.split_at(root);
        let mut prefix = prefix.to_owned();
        if prefix.contains("://") && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let names = rest.split('/').filter(|name| !name.is_empty());
        Self {
            prefix,
            names: names.map(str::to_owned).collect(),
            is_folder: rest.is_empty() || rest.ends_with('/'),
        }
    }

    /// The path of the first `count` names, without glob escapes.
    fn text(&self, count: usize) -> String {
        let names: Vec<_> = self.names[..count].iter().map(|n| unescape(n)).collect();
        format!("{}{}", self.prefix, names.join("/"))
    }
}

/// The local path of a location's text, if it is a local one.
fn local(text: &str) -> Option<&Path> {
    let path = match text.split_once("://") {
        Some(("file", rest)) => rest,
        Some(_) => return None,
        None => text,
    };
    Some(Path::new(if path.is_empty() { "." } else { path }))
}

/// The same for every way to write a place: schemes of S3 are one, local paths are absolute.
fn canonical(text: &str) -> Result<Parts> {
    if let Some(path) = local(text) {
        let path = std::path::absolute(path).map_err(|e| Error::io(text, e))?;
        let mut parts = vec!["/".to_owned()];
        for name in path.iter().skip(1) {
            parts.push(utf8_name(name)?.to_owned());
        }
        return Ok(parts);
    }
    let path = InputPath::parse(text);
    let prefix = path.prefix.replacen("s3a://", "s3://", 1);
    let mut parts = vec![prefix.replacen("s3n://", "s3://", 1)];
    parts.extend(path.names);
    Ok(parts)
}

fn utf8_name(name: &std::ffi::OsStr) -> Result<&str> {
    name.to_str().ok_or_else(|| {
        Error::config(format!(
            "the name of the input {} is not UTF-8",
            name.to_string_lossy()
        ))
    })
}

/// Names that Hadoop skips, and S3's folder markers.
fn is_hidden(name: &str) -> bool {
    name.is_empty() || name.starts_with(['_', '.']) || name.ends_with("_$folder$")
}

/// What the snapshot needs of a store.
struct Access<'a> {
    list: &'a dyn Fn(&Location, bool) -> Result<Vec<ObjectEntry>>,
    head: &'a dyn Fn(&Location) -> Result<Option<ObjectEntry>>,
}

impl Access<'_> {
    /// Looks for the index of an object that is large enough to be read in parts, if the listing had none: the input may
    /// be a glob. Without one, or without the right to know, the object is read in one piece.
    fn find_index(&self, object: &mut InputObject) {
        if object.codec != Codec::Lzop || object.index.is_some() || object.entry.size <= SPLIT_BYTES
        {
            return;
        }
        let location = &object.entry.location;
        let name = format!("{}{INDEX_EXTENSION}", location.name());
        let place = location.parent().map(|folder| folder.join(&name));
        object.index = place.and_then(|place| (self.head)(&place).ok().flatten());
    }

    /// The objects that `text`, a path or glob without braces, names.
    fn resolve(&self, text: &str) -> Result<Matches> {
        let path = InputPath::parse(text);
        match path.names.iter().position(|name| is_pattern(name)) {
            None => self.resolve_path(&path),
            Some(literal) => {
                let patterns: Vec<_> = path.names[literal..]
                    .iter()
                    .map(|name| Component::parse(name))
                    .collect::<Result<_>>()?;
                let base = path.text(literal);
                let mut matches = Matches {
                    base: canonical(&base)?,
                    objects: Vec::new(),
                };
                let any = match local(&base) {
                    Some(folder) => self.walk(&base, folder, &patterns, &mut matches)?,
                    None => self.filter(&base, &patterns, &mut matches)?,
                };
                if any {
                    Ok(matches)
                } else {
                    let what = format!("Input Pattern {text} matches 0 files");
                    Err(Error::new(ErrorKind::NotFound, what))
                }
            }
        }
    }

    /// A folder or an object.
    fn resolve_path(&self, path: &InputPath) -> Result<Matches> {
        let text = path.text(path.names.len());
        let own = canonical(&text)?;
        let metadata = match local(&text).map(std::fs::metadata) {
            None => None,
            Some(Ok(metadata)) => Some(metadata),
            Some(Err(e)) if is_absent(&e) => return Err(missing(&text)),
            Some(Err(e)) => return Err(Error::io(text, e)),
        };
        if metadata.as_ref().is_none_or(std::fs::Metadata::is_dir) {
            let objects = self.folder(&text, &own)?;
            if metadata.is_some() || !objects.is_empty() {
                return Ok(Matches { base: own, objects });
            }
        }
        if !path.is_folder
            && let Some(entry) = (self.head)(&Location::parse(&text)?)?
        {
            return Ok(Matches {
                base: own[..own.len() - 1].to_vec(),
                objects: vec![Found { path: own, entry }],
            });
        }
        // an empty folder on S3 is one with something deeper below it, or with a marker
        let exists = !(self.list)(&Location::parse(&text)?, true)?.is_empty()
            || (self.head)(&Location::parse(&format!("{text}_$folder$"))?)?.is_some()
            || (self.head)(&Location::parse(&format!("{text}/"))?)?.is_some();
        if metadata.is_none() && exists {
            return Ok(Matches {
                base: own,
                objects: Vec::new(),
            });
        }
        Err(missing(&text))
    }

    /// The objects directly in a folder.
    fn folder(&self, text: &str, own: &Parts) -> Result<Vec<Found>> {
        if let Some(folder) = local(text) {
            check_links(folder)?;
        }
        let entries = (self.list)(&Location::parse(text)?, false)?;
        let visible = entries
            .into_iter()
            .filter(|entry| !entry.relative.contains('/') && !is_hidden(&entry.relative));
        Ok(visible
            .map(|entry| {
                let mut path = own.clone();
                path.push(entry.relative.clone());
                Found { path, entry }
            })
            .collect())
    }

    /// Matches a glob against local folders, one level after the other; whether anything matched.
    fn walk(
        &self,
        text: &str,
        folder: &Path,
        patterns: &[Component],
        matches: &mut Matches,
    ) -> Result<bool> {
        let Some((pattern, deeper)) = patterns.split_first() else {
            return Ok(false);
        };
        let listing = match std::fs::read_dir(folder) {
            Ok(listing) => listing,
            Err(e) if is_absent(&e) => return Ok(false),
            Err(e) => return Err(Error::io(text, e)),
        };
        let mut any = false;
        for entry in listing {
            let entry = entry.map_err(|e| Error::io(text, e))?;
            let name = entry.file_name();
            let name = utf8_name(&name)?;
            if !pattern.matches(name) || (deeper.is_empty() && is_hidden(name)) {
                continue;
            }
            let separator = if text.is_empty() || text.ends_with('/') {
                ""
            } else {
                "/"
            };
            let path = format!("{text}{separator}{name}");
            // follows links
            let is_folder = match std::fs::metadata(entry.path()) {
                Ok(metadata) => metadata.is_dir(),
                Err(e) if is_absent(&e) => {
                    if deeper.is_empty() {
                        check_link(&entry)?;
                    }
                    continue;
                }
                Err(e) => return Err(Error::io(path, e)),
            };
            if !deeper.is_empty() {
                any |= is_folder && self.walk(&path, &entry.path(), deeper, matches)?;
                continue;
            }
            let own = canonical(&path)?;
            if is_folder {
                matches.objects.extend(self.folder(&path, &own)?);
            } else {
                let entry = (self.head)(&Location::parse(&path)?)?.ok_or_else(|| missing(&path))?;
                matches.objects.push(Found { path: own, entry });
            }
            any = true;
        }
        Ok(any)
    }

    /// Matches a glob against all keys below `base`; whether anything matched.
    fn filter(&self, base: &str, patterns: &[Component], matches: &mut Matches) -> Result<bool> {
        let mut any = false;
        for entry in (self.list)(&Location::parse(base)?, true)? {
            let names: Vec<_> = entry.relative.split('/').collect();
            let depth = patterns.len();
            let fits = names.len() >= depth
                && patterns.iter().zip(&names).all(|(p, name)| p.matches(name))
                && names.get(depth - 1).is_some_and(|name| !is_hidden(name));
            any |= fits;
            let direct = names.len() == depth || names.len() == depth + 1;
            if !fits || !direct || names.last().is_none_or(|name| is_hidden(name)) {
                continue;
            }
            let mut path = matches.base.clone();
            path.extend(names.iter().map(|&name| name.to_owned()));
            matches.objects.push(Found { path, entry });
        }
        Ok(any)
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Refuses a folder with a link that leads nowhere. Hadoop passes over it; but somebody meant a file by it, whose events
/// would be missing without a word.
fn check_links(folder: &Path) -> Result<()> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(e) if is_absent(&e) => return Ok(()),
        Err(e) => return Err(Error::io(folder.display(), e)),
    };
    for entry in listing {
        let entry = entry.map_err(|e| Error::io(folder.display(), e))?;
        if !is_hidden(&entry.file_name().to_string_lossy()) {
            check_link(&entry)?;
        }
    }
    Ok(())
}

/// Refuses a link that leads nowhere; a file that was deleted just now is none.
fn check_link(entry: &std::fs::DirEntry) -> Result<()> {
    let path = entry.path();
    if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
        return Ok(());
    }
    match std::fs::metadata(&path) {
        Err(e) if is_absent(&e) && std::fs::symlink_metadata(&path).is_ok() => {
            Err(Error::io(path.display(), e)
                .context("an input object is a link that leads nowhere"))
        }
        _ => Ok(()),
    }
}

fn missing(text: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("Input path does not exist: {text}"),
    )
}

#[cfg(test)]
mod tests;
