//! `camonica certs`: a certificate authority and the zip for encryption in transit.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::store::{Encryption, Location};

use crate::aws::{Aws, AwsSettings};
use crate::certs::{self, CertSettings, KeyKind};
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::target::emr::flow;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder for the files; an authority that lies in it (ca.pem, ca-key.pem) signs again
    #[arg(short = 'o', long, value_name = "FOLDER")]
    output: PathBuf,
    /// Folder of the authority, if it is another one
    #[arg(long, value_name = "FOLDER")]
    ca: Option<PathBuf>,
    /// Region of the nodes; may be given several times [default: aws.emr.region, else aws.s3.region]
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// Further DNS name; may be given several times
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Validity of the certificate, days
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// Validity of a new authority, days
    #[arg(long, default_value_t = 3650)]
    ca_days: u32,
    /// Kind of the keys
    #[arg(long, value_enum, default_value = "rsa")]
    key: KeyName,
    /// Object in S3 that the zip is written to, encrypted
    #[arg(long, value_name = "S3-URI")]
    upload: Option<String>,
    /// Configuration YAML, or - for standard input: region, credentials, encryption
    #[arg(short = 'c', long)]
    config: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyName {
    /// 3072 bits; for EMR
    Rsa,
    /// P-256; for the engine's own processes
    Ecdsa,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let config = arguments.config.as_deref().map(Config::read).transpose()?;
    let mut regions = arguments.region.clone();
    if regions.is_empty()
        && let Some(config) = &config
    {
        let emr = config.emr.as_ref().map(flow::region);
        regions.extend(emr.or_else(|| config.region.clone()));
    }
    let settings = CertSettings {
        regions,
        names: arguments.name,
        days: arguments.days,
        ca_days: arguments.ca_days,
        key: match arguments.key {
            KeyName::Rsa => KeyKind::Rsa,
            KeyName::Ecdsa => KeyKind::Ecdsa,
        },
    };
    let place = arguments.upload.as_deref().map(Location::parse).transpose();
    let place = place.map_err(|error| Failure::Config(format!("--upload: {error}")))?;
    let folder = arguments.ca.as_ref().unwrap_or(&arguments.output);
    let authority = certs::read_authority(folder).map_err(Failure::Config)?;
    if authority.is_none() && arguments.ca.is_some() {
        return Err(Failure::Config(format!(
            "--ca {}: there is neither {} nor {}",
            folder.display(),
            certs::CA,
            certs::CA_KEY
        )));
    }
    let made = certs::make(&settings, authority.as_ref()).map_err(Failure::Config)?;
    let files = certs::write(&made, &arguments.output).map_err(Failure::Config)?;
    super::say(&format!(
        "certificate for {}, valid for {} days",
        made.names.join(", "),
        settings.days
    ));
    for file in files {
        super::say(&format!("  {}", file.display()));
    }
    if let Some(place) = place {
        let mut aws = match &config {
            Some(config) => config.aws_settings(),
            None => AwsSettings {
                region: settings.regions.first().cloned(),
                ..AwsSettings::default()
            },
        };
        if aws.encryption == Encryption::None {
            aws.encryption = Encryption::SseS3;
        }
        let aws = Aws::open(aws).map_err(Failure::Config)?;
        certs::upload(&made, &place, &aws).map_err(Failure::Config)?;
        super::say(&format!("  {place}"));
        super::say(&format!(
            "next: camonica security-configuration --in-transit {place}"
        ));
    }
    Ok(())
}
