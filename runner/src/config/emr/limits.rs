//! What EMR and EC2 take: limits that are known before anything is asked for, so that a run does not end at the cluster after its
//! logs were staged. They hold for target `emr` only.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{EbsVolume, EmrSettings};
use crate::config::problem::Problem;
use crate::config::reader::Reader;
use crate::config::version;

/// Longest name, in characters: of a cluster, a key, a subnet, an instance type.
pub(super) const LONGEST_NAME: usize = 256;
/// Longest other text, in characters.
pub(super) const LONGEST_TEXT: usize = 10_280;
/// Most bootstrap actions of a cluster.
pub const MOST_ACTIONS: usize = 16;
/// Most tags of a cluster.
const MOST_TAGS: usize = 50;
/// Tags that name the run and the attempt.
const OUR_TAGS: usize = 2;
/// Longest key and longest value of a tag, in characters.
const LONGEST_TAG: (usize, usize) = (128, 256);
/// Volumes: type, least and largest size in GB.
const SIZES: [(&str, u32, u32); 3] = [
    ("standard", 1, 1024),
    ("gp2", 1, 16_384),
    ("io1", 4, 16_384),
];
/// Operations per second of a volume of type `io1`: the least, and the most for each GB.
const IOPS: (u32, u32) = (100, 50);

/// The parts of `aws.emr` that have limits, as far as they could be read.
pub(super) struct Parts<'p> {
    pub(super) ami_version: Option<&'p str>,
    pub(super) security_configuration: Option<&'p str>,
    /// Keys, texts, and most characters of each.
    pub(super) texts: Vec<(&'static str, Option<&'p str>, usize)>,
    /// Bootstrap actions that are asked for.
    pub(super) actions: usize,
    pub(super) volume: Option<&'p EbsVolume>,
    pub(super) bid: Option<f64>,
}

/// Tells what EMR does not take of the block.
pub(super) fn check(reader: &mut Reader<'_>, parts: &Parts<'_>) {
    let mut tell = |name: &str, text: String, hint: &str| {
        let path = format!("aws.emr.{name}");
        let line = reader.line(&path);
        reader.problem(Problem::new(path, text).at(line).hint(hint));
    };
    for (name, text, most) in &parts.texts {
        let Some(text) = text else { continue };
        let length = text.chars().count();
        // a cluster without a key is one that nobody logs into
        if text.trim().is_empty() && *name != "ec2_key_name" {
            tell(name, "expected a text, found an empty one".into(), "");
        } else if length > *most {
            let text = format!("expected at most {most} characters, found {length}");
            tell(name, text, "");
        }
    }
    // the engine's own is one of them
    let actions = parts.actions + 1;
    if actions > MOST_ACTIONS {
        let text = format!(
            "{actions} bootstrap actions with those of HBase, Lingual and the engine, and EMR takes {MOST_ACTIONS}"
        );
        tell("bootstrap", text, "make one script of several");
    }
    if parts.bid == Some(0.0) {
        let text = "expected a price in USD above 0, found 0".to_owned();
        let hint = "leave it empty for machines on demand";
        tell("jobflow.task_instance_bid", text, hint);
    }
    for (name, text) in parts.volume.map(of_volume).unwrap_or_default() {
        tell(&format!("jobflow.core_instance_ebs.{name}"), text, "");
    }
    let Some(ami) = parts.ami_version else { return };
    if !ami.starts_with(|c: char| c.is_ascii_digit()) {
        let text = format!("expected a release of EMR such as 5.9.0, found the text '{ami}'");
        let hint = if ami.starts_with("emr-") {
            "write it without emr-"
        } else {
            ""
        };
        tell("ami_version", text, hint);
    } else if let Some(name) = parts.security_configuration
        && !is_older(ami, "4.0.0")
        && is_older(ami, "4.8.0")
    {
        let text = format!("'{name}' needs EMR 4.8.0 or later, found ami_version {ami}");
        let hint = "leave it empty, or set ami_version to 5.9.0 or later";
        tell("security_configuration", text, hint);
    }
}

/// EMR knows applications since AMI 4, and the reference always names some: it ends in the words of its client. `format`: an
/// older AMI 2 with Thrift events is told apart, as by the reference.
pub(in crate::config) fn check_ami(
    reader: &mut Reader<'_>,
    settings: &EmrSettings,
    format: Option<&str>,
) {
    let ami = &settings.ami_version;
    let is_told_apart = format == Some("thrift") && ami.starts_with('2');
    if ami.starts_with(|c: char| c.is_ascii_digit()) && is_older(ami, "4.0.0") && !is_told_apart {
        let path = "aws.emr.ami_version";
        let text =
            format!("Please use an EMR release_label not ami_version: {ami} is older than 4.0.0");
        let line = reader.line(path);
        reader.problem(Problem::new(path, text).at(line).hint("set 5.9.0 or later"));
    }
}

/// Tells what EMR does not take of the tags.
pub(in crate::config) fn check_tags(reader: &mut Reader<'_>, tags: &BTreeMap<String, String>) {
    let mut tell = |path: String, text: String| {
        let line = reader.line(&path);
        reader.problem(Problem::new(path, text).at(line));
    };
    let most = MOST_TAGS - OUR_TAGS;
    if tags.len() > most {
        let text = format!(
            "expected at most {most} tags, found {}: EMR takes {MOST_TAGS}, and {OUR_TAGS} name the run",
            tags.len()
        );
        tell("monitoring.tags".into(), text);
    }
    for (key, value) in tags {
        let lengths = (key.chars().count(), value.chars().count());
        let is_reserved = |text: &str| text.to_ascii_lowercase().starts_with("aws:");
        let text = if key.is_empty() {
            "expected a tag with a name, found an empty one".to_owned()
        } else if is_reserved(key) || is_reserved(value) {
            "names and values that begin with aws: are AWS's own".to_owned()
        } else if lengths.0 > LONGEST_TAG.0 {
            format!(
                "expected a name of at most {} characters, found {}",
                LONGEST_TAG.0, lengths.0
            )
        } else if lengths.1 > LONGEST_TAG.1 {
            format!(
                "expected a value of at most {} characters, found {}",
                LONGEST_TAG.1, lengths.1
            )
        } else {
            continue;
        };
        tell(format!("monitoring.tags.{key}"), text);
    }
}

/// What EC2 does not take of a volume: name of the key, text.
fn of_volume(volume: &EbsVolume) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let size = volume.volume_size;
    let sizes = SIZES
        .into_iter()
        .find(|(name, ..)| *name == volume.volume_type);
    if let Some((name, least, most)) = sizes
        && !(least..=most).contains(&size)
    {
        let text =
            format!("expected {least} to {most} GB for a volume of type {name}, found {size}");
        found.push(("volume_size", text));
    }
    if volume.volume_type == "io1" {
        let most = IOPS.1.saturating_mul(size);
        match volume.volume_iops {
            None => {
                let text = format!(
                    "expected a number of at least {} for a volume of type io1, found nothing",
                    IOPS.0
                );
                found.push(("volume_iops", text));
            }
            Some(iops) if iops < IOPS.0 || iops > most => {
                let text = format!(
                    "expected {} to {most} for a volume of type io1 with {size} GB, found {iops}",
                    IOPS.0
                );
                found.push(("volume_iops", text));
            }
            Some(_) => {}
        }
    }
    found
}

fn is_older(version: &str, than: &str) -> bool {
    version::compare(version, than) == Ordering::Less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes() {
        let volume = |volume_type, volume_size, volume_iops| EbsVolume {
            volume_size,
            volume_type,
            volume_iops,
            ebs_optimized: true,
        };
        for (volume, expected) in [
            (volume("gp2", 1, None), ""),
            (volume("gp2", 16_384, Some(1)), ""),
            (
                volume("gp2", 16_385, None),
                "volume_size: expected 1 to 16384 GB for a volume of type gp2, found 16385",
            ),
            (volume("standard", 1024, None), ""),
            (
                volume("standard", 1025, None),
                "volume_size: expected 1 to 1024 GB for a volume of type standard, found 1025",
            ),
            (volume("io1", 100, Some(400)), ""),
            (volume("io1", 4, Some(200)), ""),
            (
                volume("io1", 4, Some(201)),
                "volume_iops: expected 100 to 200 for a volume of type io1 with 4 GB, found 201",
            ),
            (
                volume("io1", 100, Some(99)),
                "volume_iops: expected 100 to 5000 for a volume of type io1 with 100 GB, found 99",
            ),
            (
                volume("io1", 100, None),
                "volume_iops: expected a number of at least 100 for a volume of type io1, found nothing",
            ),
        ] {
            let found: Vec<String> = of_volume(&volume)
                .into_iter()
                .map(|(key, text)| format!("{key}: {text}"))
                .collect();
            assert_eq!(found.join("\n"), expected, "{volume:?}");
        }
    }

    #[test]
    fn tags() {
        let unset = BTreeMap::new();
        let (tree, _) = crate::config::yaml::parse("monitoring: {tags: {a: b}}").unwrap();
        let found = |tags: &[(String, String)]| {
            let mut reader = Reader::new(&tree, &unset);
            check_tags(&mut reader, &tags.iter().cloned().collect());
            crate::config::problem::lines(&reader.into_problems())
        };
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let many = |count: usize| {
            (0..count)
                .map(|n| (n.to_string(), String::new()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&many(48)), "");
        assert_eq!(
            found(&many(49)),
            "monitoring.tags: expected at most 48 tags, found 49: EMR takes 50, and 2 name the run (line 1)"
        );
        assert_eq!(found(&[tag(&"k".repeat(128), &"ü".repeat(256))]), "");
        for (tag, part) in [
            (tag("", "x"), "an empty one"),
            (tag("AWS:x", ""), "AWS's own"),
            (
                tag("a", "aws:b"),
                "monitoring.tags.a: names and values that begin with aws: are AWS's own",
            ),
            (
                tag(&"k".repeat(129), ""),
                "at most 128 characters, found 129",
            ),
            (
                tag("a", &"v".repeat(257)),
                "monitoring.tags.a: expected a value of at most 256 characters, found 257",
            ),
        ] {
            let text = found(std::slice::from_ref(&tag));
            assert!(text.contains(part), "{tag:?}: {text}");
        }
    }
}
