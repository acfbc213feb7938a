//! The reference's S3DistCp steps, argument for argument, for playbooks of Dataflow Runner: there no runner moves objects.
//!
//! Only those between folders in S3 are here: staging, and the archives. Our engine reads and writes S3 itself, so the
//! reference's copies to and from HDFS have no counterpart.

use std::cmp::Ordering;

use engine::store::Location;

use super::flow::folder_uri;
use super::steps::ClusterStep;
use crate::config::{Config, version};
use crate::distcp::Options;
use crate::plan::StepName;

/// A copy, as the reference words it.
struct Copy<'c> {
    step: StepName,
    what: String,
    from: String,
    to: String,
    more: Vec<&'c str>,
}

/// Beginnings of the names of regions that were opened since 2019, or lie apart: they do not answer to the old form of names.
const NEWER_REGIONS: [&str; 14] = [
    "af-",
    "ap-east-",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-",
    "eu-central-2",
    "eu-south-",
    "il-",
    "me-",
    "mx-",
];

/// `s3.amazonaws.com` for `us-east-1`, else `s3-<region>.amazonaws.com`, as the reference says it; in regions that it did not
/// know `s3.<region>.amazonaws.com`, and in China's with `.cn` at the end.
pub fn s3_endpoint(region: &str) -> String {
    if region == "us-east-1" {
        "s3.amazonaws.com".into()
    } else if region.starts_with("cn-") {
        format!("s3.{region}.amazonaws.com.cn")
    } else if NEWER_REGIONS.iter().any(|name| region.starts_with(name)) {
        format!("s3.{region}.amazonaws.com")
    } else {
        format!("s3-{region}.amazonaws.com")
    }
}

/// `Raw <location> -> Raw Staging S3`: one for each collector folder.
pub fn staging(config: &Config, ami_version: &str) -> Vec<ClusterStep> {
    let Some(raw) = &config.raw else {
        return Vec::new();
    };
    let options = Options::staging(&config.format);
    let pattern = options.src_pattern.as_deref().unwrap_or(".+");
    raw.inputs
        .iter()
        .map(|input| {
            let from = folder_uri(input);
            let mut more = vec!["--srcPattern", pattern, "--deleteOnSuccess"];
            if let Some(groups) = &options.group_by {
                more.extend(["--groupBy", groups]);
            }
            copy(
                config,
                ami_version,
                Copy {
                    step: StepName::Staging,
                    what: format!("Raw {from} -> Raw Staging S3"),
                    from,
                    to: folder_uri(&raw.processing),
                    more,
                },
            )
        })
        .collect()
}

/// `Stream Enriched <location> -> Enriched Staging S3`.
pub fn staging_stream_enrich(
    config: &Config,
    ami_version: &str,
    run_id: &str,
) -> Option<ClusterStep> {
    let from = folder_uri(config.enriched.stream.as_ref()?);
    let options = Options::staging_stream_enrich();
    let pattern = options.src_pattern.as_deref().unwrap_or(".*.gz");
    Some(copy(
        config,
        ami_version,
        Copy {
            step: StepName::StagingStreamEnrich,
            what: format!("Stream Enriched {from} -> Enriched Staging S3"),
            from,
            to: run_folder(&config.enriched.good, run_id),
            more: vec!["--srcPattern", pattern, "--deleteOnSuccess"],
        },
    ))
}

/// `Raw Staging S3 -> Raw Archive S3`.
pub fn archive_raw(config: &Config, ami_version: &str, run_id: &str) -> Option<ClusterStep> {
    let raw = config.raw.as_ref()?;
    Some(copy(
        config,
        ami_version,
        Copy {
            step: StepName::ArchiveRaw,
            what: "Raw Staging S3 -> Raw Archive S3".into(),
            from: folder_uri(&raw.processing),
            to: run_folder(&raw.archive, run_id),
            more: vec!["--deleteOnSuccess"],
        },
    ))
}

/// The archive of one run's good events; `is_found`: the run was found by listing.
pub fn archive_good(
    config: &Config,
    ami_version: &str,
    step: StepName,
    run_id: &str,
    is_found: bool,
) -> Option<ClusterStep> {
    let (name, good, archive) = if step == StepName::ArchiveEnriched {
        ("Enriched", &config.enriched.good, &config.enriched.archive)
    } else {
        ("Shredded", &config.shredded.good, &config.shredded.archive)
    };
    let what = if is_found {
        format!("{name} S3 -> S3 {name} Archive")
    } else {
        format!("{name} S3 -> {name} Archive S3")
    };
    Some(copy(
        config,
        ami_version,
        Copy {
            step,
            what,
            from: run_folder(good, run_id),
            to: run_folder(archive.as_ref()?, run_id),
            more: vec!["--deleteOnSuccess"],
        },
    ))
}

fn run_folder(base: &Location, run_id: &str) -> String {
    format!("{}run={run_id}/", folder_uri(base))
}

fn copy(config: &Config, ami_version: &str, copy: Copy<'_>) -> ClusterStep {
    let jar = if version::compare(ami_version, "4.0.0") == Ordering::Less {
        "/home/hadoop/lib/emr-s3distcp-1.0.jar"
    } else {
        "/usr/share/aws/emr/s3-dist-cp/lib/s3-dist-cp.jar"
    };
    let endpoint = s3_endpoint(config.region.as_deref().unwrap_or_default());
    let mut args: Vec<String> = [
        "--src",
        &copy.from,
        "--dest",
        &copy.to,
        "--s3Endpoint",
        &endpoint,
    ]
    .into_iter()
    .chain(copy.more)
    .map(str::to_owned)
    .collect();
    if config.encrypted {
        args.push("--s3ServerSideEncryption".into());
    }
    ClusterStep {
        step: Some(copy.step),
        name: format!("Elasticity S3DistCp Step: {}", copy.what),
        jar: jar.into(),
        args,
        log: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_regions() {
        for (region, expected) in [
            ("us-east-1", "s3.amazonaws.com"),
            ("us-east-2", "s3-us-east-2.amazonaws.com"),
            ("eu-west-1", "s3-eu-west-1.amazonaws.com"),
            ("eu-central-1", "s3-eu-central-1.amazonaws.com"),
            ("ap-south-1", "s3-ap-south-1.amazonaws.com"),
            ("ap-southeast-2", "s3-ap-southeast-2.amazonaws.com"),
            ("us-gov-west-1", "s3-us-gov-west-1.amazonaws.com"),
            ("eu-south-1", "s3.eu-south-1.amazonaws.com"),
            ("eu-central-2", "s3.eu-central-2.amazonaws.com"),
            ("me-south-1", "s3.me-south-1.amazonaws.com"),
            ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(s3_endpoint(region), expected);
        }
    }
}
