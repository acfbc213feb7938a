//! What S3DistCp, the copier of EMR that the reference's steps call, does with its options: a pure plan, and its execution.
//!
//! In: a listing. Out: groups of objects, each with the name of its output. The semantics are those of the options that
//! the reference uses (`--srcPattern`, `--groupBy`, `--targetSize`, `--outputCodec`, `--deleteOnSuccess`), with these
//! differences: nothing to copy is a success (issues #312, #2315, #3803, #4032, #4205), an output that would overwrite a
//! different object or another output is an error, members of a group are joined in the order of their keys.
//! The local steps need of it only patterns and names: see [`crate::step::staging`].

mod codec;
mod lzop;
mod run;

use std::collections::{BTreeMap, HashSet};

use regex::Regex;

pub use run::{Copied, run};

/// `--outputCodec`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputCodec {
    /// `gzip`, `gz`
    Gzip,
    /// `lzo`: the container of lzop, without an index.
    Lzo,
    /// `snappy`: named here so that it can be refused clearly.
    Snappy,
    /// `none`: plain bytes.
    None,
}

impl OutputCodec {
    /// The codec of an option; `keep` is as if the option were absent.
    ///
    /// # Errors
    /// For a name that S3DistCp does not know.
    pub fn parse(name: &str) -> Result<Option<Self>, String> {
        Ok(Some(match name {
            "gzip" | "gz" => Self::Gzip,
            "lzo" => Self::Lzo,
            "snappy" => Self::Snappy,
            "none" => Self::None,
            "keep" => return Ok(None),
            other => {
                return Err(format!(
                    "outputCodec: `{other}` is none of gzip, gz, lzo, snappy, none, keep"
                ));
            }
        }))
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Lzo => ".lzo",
            Self::Snappy => ".snappy",
            Self::None => "",
        }
    }
}

/// Extensions of compressed files.
const COMPRESSED: [&str; 4] = [".gz", ".snappy", ".lzop", ".lzo"];

/// Options of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `--srcPattern`: matches the whole URI of what is taken.
    pub src_pattern: Option<String>,
    /// `--groupBy`: its groups' texts are the key of what is joined.
    pub group_by: Option<String>,
    /// `--targetSize` in MiB of stored bytes; only with `group_by`.
    pub target_size: Option<u64>,
    /// `--outputCodec`; absent: bytes are kept as they are.
    pub output_codec: Option<OutputCodec>,
    /// `--deleteOnSuccess`
    pub delete_on_success: bool,
}

/// The group pattern of CloudFront logs. The leading `.*` is greedy, so that the key begins with the last digit of the year:
/// one group a day all the same.
pub const CLOUDFRONT_GROUPS: &str = ".*([0-9]+-[0-9]+-[0-9]+)-[0-9]+.*";

/// The group pattern of Urban Airship's logs: by folder. The reference lost its backslash (`.*/(w+)/.*`), so that no file was
/// taken; this is the intended one.
pub const URBAN_AIRSHIP_GROUPS: &str = r".*/(\w+)/.*";

/// The group pattern of the Clojure collector: file names without leading underscores, which Hadoop would skip.
pub const TOMCAT_GROUPS: &str = ".*/_*(.+)";

/// The source pattern of the Clojure collector.
pub const TOMCAT_SOURCES: &str = r".*localhost\_access\_log.*\.txt.*";

/// The source pattern of Stream Enrich mode. The dot before `gz` is not escaped in the reference either.
pub const STREAM_SOURCES: &str = ".*.gz";

impl Options {
    /// Collector folder -> processing, for a `collectors.format`.
    pub fn staging(format: &str) -> Self {
        let tomcat = format == "clj-tomcat";
        Self {
            src_pattern: Some(if tomcat { TOMCAT_SOURCES } else { ".+" }.to_owned()),
            group_by: tomcat.then(|| TOMCAT_GROUPS.to_owned()),
            delete_on_success: true,
            ..Self::default()
        }
    }

    /// Enriched stream -> run folder.
    pub fn staging_stream_enrich() -> Self {
        Self {
            src_pattern: Some(STREAM_SOURCES.to_owned()),
            delete_on_success: true,
            ..Self::default()
        }
    }

    /// Processing -> the enrich job's file system, for a `collectors.format`.
    pub fn raw_to_enrich(format: &str) -> Self {
        let grouped =
            if format == "cloudfront" || format.starts_with("tsv/com.amazon.aws.cloudfront/") {
                Some(CLOUDFRONT_GROUPS)
            } else if format.starts_with("ndjson/com.urbanairship.connect/") {
                Some(URBAN_AIRSHIP_GROUPS)
            } else {
                None
            };
        match grouped {
            Some(pattern) => Self {
                group_by: Some(pattern.to_owned()),
                target_size: Some(128),
                output_codec: Some(OutputCodec::Lzo),
                ..Self::default()
            },
            None => Self {
                output_codec: (format == "clj-tomcat").then_some(OutputCodec::None),
                ..Self::default()
            },
        }
    }
}

/// A pattern in the syntax of Java that must match a whole text.
///
/// # Errors
/// When it is no pattern.
pub fn whole(pattern: &str, option: &str) -> Result<Regex, String> {
    // Java's digits and word characters are ASCII, and its dot knows no `\r` either.
    Regex::new(&format!("^(?:{})$", ascii_classes(pattern)))
        .map_err(|error| format!("{option}: `{pattern}` is not a pattern: {error}"))
}

/// `\d` and `\w` as Java reads them.
fn ascii_classes(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => text.push_str("[0-9]"),
            Some('w') => text.push_str("[0-9A-Za-z_]"),
            // A backslash before what is no letter or digit makes it a literal.
            Some(c) if c.is_ascii_punctuation() && !matches!(c, '<' | '>') => {
                text.push('\\');
                text.push(c);
            }
            Some(c @ ('<' | '>' | ' ')) => text.push(c),
            Some(c) => {
                text.push('\\');
                text.push(c);
            }
            None => text.push('\\'),
        }
    }
    text
}

/// An object of the source, as far as the plan looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its key relative to the source folder.
    pub relative: String,
    /// Stored bytes.
    pub size: u64,
}

/// One output of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name relative to the destination.
    pub name: String,
    /// Indexes of the sources that it is made of, in order.
    pub members: Vec<usize>,
}

/// What a copy makes of `sources` in the folder `base` (a URI). A pure function.
///
/// # Errors
/// When a pattern is none, a group pattern has no group, or two outputs would have one name.
pub fn plan(base: &str, sources: &[Source], options: &Options) -> Result<Vec<Output>, String> {
    let taken = options
        .src_pattern
        .as_deref()
        .map(|pattern| whole(pattern, "srcPattern"))
        .transpose()?;
    let groups = options
        .group_by
        .as_deref()
        .map(|pattern| whole(pattern, "groupBy"))
        .transpose()?;
    if groups
        .as_ref()
        .is_some_and(|groups| groups.captures_len() < 2)
    {
        return Err("groupBy: the pattern has no group `(…)`".into());
    }
    let mut outputs = Vec::new();
    let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        let uri = format!("{}/{}", base.trim_end_matches('/'), source.relative);
        if taken.as_ref().is_some_and(|taken| !taken.is_match(&uri)) {
            continue;
        }
        match &groups {
            None => outputs.push(Output {
                name: recoded(&source.relative, options.output_codec),
                members: vec![index],
            }),
            Some(groups) => {
                if let Some(key) = group_key(groups, &uri).filter(|key| !key.is_empty()) {
                    by_key.entry(key).or_default().push(index);
                }
            }
        }
    }
    for (key, members) in by_key {
        outputs.extend(outputs_of_group(&key, &members, sources, options));
    }
    let mut names = HashSet::new();
    for output in &outputs {
        if !names.insert(output.name.as_str()) {
            return Err(format!(
                "two outputs would have the name `{}`: change groupBy or outputCodec",
                output.name
            ));
        }
    }
    Ok(outputs)
}

/// The texts of all groups with nothing between; a group that took no part gives `null` (issue #3940).
fn group_key(groups: &Regex, uri: &str) -> Option<String> {
    let captures = groups.captures(uri)?;
    Some(
        captures
            .iter()
            .skip(1)
            .map(|group| group.map_or("null", |group| group.as_str()))
            .collect(),
    )
}

fn outputs_of_group(
    key: &str,
    members: &[usize],
    sources: &[Source],
    options: &Options,
) -> Vec<Output> {
    let name = key.rsplit('/').next().unwrap_or(key);
    let limit = options
        .target_size
        .map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20));
    let mut outputs: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for &member in members {
        match outputs.last_mut() {
            Some(output) if room > 0 => output.push(member),
            _ => {
                outputs.push(vec![member]);
                room = limit;
            }
        }
        // An output is full when it has reached the size: a file is never split.
        room = room.saturating_sub(sources[member].size);
    }
    let alone = members.len() == 1;
    outputs
        .into_iter()
        .enumerate()
        .map(|(number, members)| Output {
            name: if alone {
                recoded(name, options.output_codec)
            } else {
                recoded(&numbered(name, number), options.output_codec)
            },
            members,
        })
        .collect()
}

/// A number before the extension: `a.gz` and 0 give `a0.gz`.
fn numbered(name: &str, number: usize) -> String {
    match name.rfind('.') {
        Some(dot) => format!("{}{number}{}", &name[..dot], &name[dot..]),
        None => format!("{name}{number}"),
    }
}

/// The name with the extension of a codec instead of that of another compression.
fn recoded(name: &str, codec: Option<OutputCodec>) -> String {
    let Some(codec) = codec else {
        return name.to_owned();
    };
    let bare = COMPRESSED
        .iter()
        .find_map(|extension| name.strip_suffix(extension))
        .unwrap_or(name);
    format!("{bare}{}", codec.extension())
}

#[cfg(test)]
mod tests;
