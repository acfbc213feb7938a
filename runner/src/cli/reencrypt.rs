//! `camonica reencrypt`: encrypts the objects that are in a bucket already, in place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::store::Location;
use sha2::{Digest, Sha256};

use crate::aws::{Aws, AwsSettings};
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::journal::camonica_folder;
use crate::reencrypt::{self, Left, Settings, Wanted};

/// Most objects that are named one by one on standard output.
const MOST_NAMED: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Buckets or folders, s3://bucket or s3://bucket/folder
    #[arg(required = true, value_name = "S3-URI")]
    places: Vec<String>,
    /// Configuration YAML, or - for standard input: region, credentials, encryption, folder for progress
    #[arg(short = 'c', long)]
    config: Option<String>,
    /// The encryption [default: sse-kms where there is a key, else sse-s3]
    #[arg(long, value_enum)]
    sse: Option<Mode>,
    /// ARN, id or alias of the KMS key [default: camonica.kms_key]
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
    /// Use a key of the bucket (fewer calls of KMS)
    #[arg(long)]
    bucket_key: bool,
    /// Region of the buckets [default: aws.s3.region, else the environment's]
    #[arg(long)]
    region: Option<String>,
    /// Change nothing: count what would be encrypted
    #[arg(long)]
    dry_run: bool,
    /// Do not keep the grants (ACLs) of single objects
    #[arg(long)]
    drop_grants: bool,
    /// Objects that are worked on at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// File or object in which progress is noted [default: in the log folder of the configuration]
    #[arg(long, value_name = "PATH")]
    progress: Option<String>,
    /// File that what is left is written to, a JSON line for each object
    #[arg(long, value_name = "FILE")]
    left: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Keys of S3; objects that are encrypted already, in whatever way, stay as they are
    SseS3,
    /// A key of KMS
    SseKms,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let config = arguments.config.as_deref().map(Config::read).transpose()?;
    let mut places = Vec::new();
    for text in &arguments.places {
        let place = Location::parse(text).map_err(|error| Failure::Config(error.to_string()))?;
        if place.is_local() {
            return Err(Failure::Config(format!(
                "{text}: expected a bucket or a folder in S3, s3://bucket/folder"
            )));
        }
        places.push(place);
    }
    let configured = config
        .as_ref()
        .and_then(|config| config.camonica.kms_key.clone());
    let key = match (arguments.sse, arguments.kms_key.clone().or(configured)) {
        (Some(Mode::SseS3), _) => None,
        (Some(Mode::SseKms), None) => {
            return Err(Failure::Config(
                "--sse sse-kms: give --kms-key, or camonica.kms_key in a configuration".into(),
            ));
        }
        (_, key) => key,
    };
    if key.is_none() {
        for (option, is_given) in [
            ("--kms-key", arguments.kms_key.is_some()),
            ("--bucket-key", arguments.bucket_key),
        ] {
            if is_given {
                return Err(Failure::Config(format!(
                    "{option}: goes with encryption by a key of KMS (--sse sse-kms), and not with keys of S3"
                )));
            }
        }
    }
    let mut aws = config
        .as_ref()
        .map_or_else(AwsSettings::default, Config::aws_settings);
    aws.region = arguments.region.clone().or(aws.region);
    aws.tuning.in_flight = usize::from(arguments.concurrency);
    let aws = Aws::open(aws).map_err(|error| {
        let hint = if error.contains("no region") {
            "; here --region says it, too"
        } else {
            ""
        };
        Failure::Config(format!("{error}{hint}"))
    })?;
    let wanted = match key {
        None => Wanted::SseS3,
        Some(key) => Wanted::SseKms(reencrypt::key_arn(&aws, &key).map_err(Failure::Config)?),
    };
    let mut left = Vec::new();
    for place in places {
        let settings = Settings {
            progress: progress_of(&arguments, config.as_ref(), &place, &wanted)?,
            place,
            wanted: wanted.clone(),
            bucket_key: arguments.bucket_key,
            dry_run: arguments.dry_run,
            keep_grants: !arguments.drop_grants,
            at_a_time: usize::from(arguments.concurrency),
        };
        let report = reencrypt::run(&aws, &settings, &mut super::say).map_err(Failure::Config)?;
        for line in report.to_lines(&settings) {
            super::say(&line);
        }
        left.extend(report.left);
    }
    tell_left(&left, arguments.left.as_deref())
}

/// One file for each place and encryption.
fn progress_of(
    arguments: &Arguments,
    config: Option<&Config>,
    place: &Location,
    wanted: &Wanted,
) -> Result<Option<Location>> {
    if let Some(path) = &arguments.progress {
        if arguments.places.len() > 1 {
            return Err(Failure::Config(
                "--progress goes with one place: give the command for each of them".into(),
            ));
        }
        return Location::parse(path)
            .map(Some)
            .map_err(|error| Failure::Config(format!("--progress: {error}")));
    }
    Ok(config.map(|config| {
        let sum = Sha256::digest(format!("{place} {wanted:?}"));
        let name: String = sum
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        camonica_folder(&config.log).join(&format!("reencrypt/{name}.json"))
    }))
}

fn tell_left(left: &[Left], file: Option<&std::path::Path>) -> Result<()> {
    if let Some(path) = file {
        let mut text = String::new();
        for one in left {
            text.push_str(&serde_json::json!(one).to_string());
            text.push('\n');
        }
        std::fs::write(path, text)
            .map_err(|error| Failure::Config(format!("--left {}: {error}", path.display())))?;
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for one in left {
        // the same reason names another object each time
        let reason = one.reason.strip_prefix(&one.object).unwrap_or(&one.reason);
        *reasons.entry(reason.trim_start_matches(": ")).or_default() += 1;
    }
    let mut text = format!("{} objects are not encrypted as wanted", left.len());
    for (reason, count) in reasons.iter().take(MOST_NAMED) {
        text.push_str(&format!("\n  {count} x {reason}"));
    }
    for one in left.iter().take(MOST_NAMED) {
        text.push_str(&format!("\n  {}", one.object));
    }
    if left.len() > MOST_NAMED {
        text.push_str("\n  ... (--left FILE writes all of them)");
    }
    Err(Failure::Config(text))
}
