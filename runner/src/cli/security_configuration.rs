//! `camonica security-configuration`: prints the JSON that EMR takes, or creates it there.

use clap::{Args, ValueEnum};

use crate::aws::{Aws, AwsSettings};
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::security_configuration::{Created, S3Encryption, SecurityConfiguration, region_of_key};
use crate::target::emr::flow;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration YAML, or - for standard input: region, credentials, encryption, name; its cluster is checked
    #[arg(short = 'c', long)]
    config: Option<String>,
    /// Encryption of objects in S3 [default: from the configuration]
    #[arg(long, value_enum)]
    s3: Option<S3Mode>,
    /// ARN of the KMS key for S3 [default: camonica.kms_key]
    #[arg(long, value_name = "ARN")]
    s3_key: Option<String>,
    /// ARN of the KMS key for local disks
    #[arg(long, value_name = "ARN")]
    local_disk_key: Option<String>,
    /// Encrypt EBS volumes by EC2, the root volume too (EMR 5.24.0 and later)
    #[arg(long)]
    ebs: bool,
    /// The zip of certificates that `camonica certs --upload` wrote
    #[arg(long, value_name = "S3-URI")]
    in_transit: Option<String>,
    /// Create it instead of printing it
    #[arg(long)]
    create: bool,
    /// Its name [default: aws.emr.security_configuration]
    #[arg(long)]
    name: Option<String>,
    /// Region of EMR [default: aws.emr.region]
    #[arg(long)]
    region: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum S3Mode {
    /// Nothing
    None,
    /// Keys of S3
    SseS3,
    /// A key of KMS
    SseKms,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let config = arguments.config.as_deref().map(Config::read).transpose()?;
    let configured = config
        .as_ref()
        .and_then(|config| config.camonica.kms_key.clone());
    let key = arguments.s3_key.clone().or(configured);
    let mode = arguments.s3.unwrap_or(match (&config, &key) {
        (_, Some(_)) => S3Mode::SseKms,
        (Some(config), None) if config.encrypted => S3Mode::SseS3,
        _ => S3Mode::None,
    });
    if arguments.s3_key.is_some() && mode != S3Mode::SseKms {
        return Err(Failure::Config(
            "--s3-key: goes with --s3 sse-kms; leave one of them out".into(),
        ));
    }
    if mode == S3Mode::SseKms
        && arguments.s3_key.is_none()
        && let Some(key) = key.as_deref().filter(|key| region_of_key(key).is_none())
    {
        return Err(Failure::Config(format!(
            "camonica.kms_key '{key}': a security configuration takes the ARN of a key: give --s3-key arn:aws:kms:REGION:ACCOUNT:key/ID"
        )));
    }
    let s3 = match (mode, key) {
        (S3Mode::None, _) => None,
        (S3Mode::SseS3, _) => Some(S3Encryption::SseS3),
        (S3Mode::SseKms, Some(key)) => Some(S3Encryption::SseKms(key)),
        (S3Mode::SseKms, None) => {
            return Err(Failure::Config(
                "--s3 sse-kms: give --s3-key, or camonica.kms_key in a configuration".into(),
            ));
        }
    };
    let wanted = SecurityConfiguration {
        s3,
        local_disk_key: arguments.local_disk_key,
        ebs: arguments.ebs,
        in_transit: arguments.in_transit,
    };
    let mistakes = wanted.mistakes(config.as_ref(), arguments.region.as_deref());
    if !mistakes.is_empty() {
        return Err(Failure::Config(mistakes.join("\n")));
    }
    if !arguments.create {
        super::say(&format!("{:#}", wanted.to_json()));
        return Ok(());
    }
    let emr = config.as_ref().and_then(|config| config.emr.as_ref());
    let name = arguments
        .name
        .or_else(|| emr.and_then(|emr| emr.security_configuration.clone()))
        .ok_or_else(|| {
            Failure::Config(
                "--create: give --name, or aws.emr.security_configuration in a configuration"
                    .into(),
            )
        })?;
    let mut settings = config
        .as_ref()
        .map_or_else(AwsSettings::default, Config::aws_settings);
    let region = arguments.region.or_else(|| emr.map(flow::region));
    settings.region = region.or(settings.region);
    let aws = Aws::open(settings).map_err(Failure::Config)?;
    let said = match wanted.create(&name, &aws).map_err(Failure::Config)? {
        Created::New => "was created",
        Created::Before => "was there already, with the same content",
    };
    super::say(&format!(
        "security configuration '{name}' {said}. In the configuration: aws.emr.security_configuration: {name}"
    ));
    Ok(())
}
