//! `camonica iam-policy`: the policy documents that a run needs.

use std::path::Path;

use clap::{Args, ValueEnum};
use engine::iglu::Resolver;

use super::common::read_resolver;
use crate::config::targets::StorageTargets;
use crate::config::{Config, TargetKind};
use crate::failure::{Failure, Result};
use crate::iam::{self, Needs, Role};
use crate::security_configuration::region_of_key;

/// Longest managed policy that IAM takes, characters without blanks.
const LONGEST_POLICY: usize = 6144;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: String,
    /// Whose policy
    #[arg(long, value_enum, default_value = "runner")]
    role: RoleName,
    /// Folder of storage targets: the table of deduplication
    #[arg(short = 't', long, requires = "resolver")]
    targets: Option<String>,
    /// Iglu resolver JSON, for the storage targets
    #[arg(short = 'r', long)]
    resolver: Option<String>,
    /// Folder of enrichment configurations: their look-up files in S3
    #[arg(short = 'n', long)]
    enrichments: Option<String>,
    /// The zip of certificates of the security configuration
    #[arg(long, value_name = "S3-URI")]
    certs: Option<String>,
    /// ARN of the KMS key of the security configuration's local disks
    #[arg(long, value_name = "ARN")]
    disk_key: Option<String>,
    /// The security configuration encrypts EBS volumes
    #[arg(long, requires = "disk_key")]
    ebs: bool,
    /// Objects have tags, which copies are to keep
    #[arg(long)]
    tags: bool,
    /// Number of the account
    #[arg(long, default_value = "*")]
    account: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Who runs `camonica run`
    Runner,
    /// The instance profile of the machines that run the jobs (aws.emr.jobflow_role)
    Jobs,
    /// aws.emr.service_role
    Service,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    let is_account =
        arguments.account.len() == 12 && arguments.account.bytes().all(|b| b.is_ascii_digit());
    if arguments.account != "*" && !is_account {
        return Err(Failure::Config(format!(
            "--account: expected a number of 12 digits, found '{}'",
            arguments.account
        )));
    }
    if let Some(key) = arguments.disk_key.as_deref()
        && region_of_key(key).is_none()
    {
        return Err(Failure::Config(format!(
            "--disk-key '{key}': expected the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID"
        )));
    }
    let config = Config::read(&arguments.config)?;
    let storage = match (&arguments.targets, &arguments.resolver) {
        (Some(folder), Some(resolver)) => {
            let text = read_resolver(resolver)?;
            let client = Resolver::from_config(&text).map_err(|error| {
                Failure::Config(format!("Iglu resolver file '{resolver}': {error}"))
            })?;
            StorageTargets::read(Path::new(folder), &client)?
        }
        _ => StorageTargets::default(),
    };
    let assets = match &arguments.enrichments {
        Some(folder) => assets(Path::new(folder)).map_err(|error| {
            Failure::Config(format!("Enrichments directory '{folder}': {error}"))
        })?,
        None => Vec::new(),
    };
    let needs = Needs {
        config: &config,
        storage: &storage,
        assets: &assets,
        certs: arguments.certs.as_deref(),
        disk_key: arguments.disk_key.as_deref(),
        ebs: arguments.ebs,
        tags: arguments.tags,
        account: &arguments.account,
    };
    let role = match arguments.role {
        RoleName::Runner => Role::Runner,
        RoleName::Jobs => Role::Jobs,
        RoleName::Service => Role::Service,
    };
    let document = iam::policy(&needs, role).map_err(Failure::Config)?;
    if document["Statement"].as_array().is_some_and(Vec::is_empty) {
        return Err(Failure::Config(
            "nothing of this configuration is in AWS: no policy is needed".into(),
        ));
    }
    super::say(&format!("{document:#}"));
    let others: Vec<&str> = iam::roles(&needs)
        .into_iter()
        .filter(|other| *other != role)
        .map(Role::name)
        .collect();
    if !others.is_empty() {
        super::note(&format!(
            "a run needs further policies: --role {}",
            others.join(", --role ")
        ));
    }
    let length = document.to_string().len();
    if length > LONGEST_POLICY {
        super::note(&format!(
            "{length} characters: a managed policy of IAM holds {LONGEST_POLICY}; divide the statements among several"
        ));
    }
    if let Some(text) = unknown(&needs, role) {
        super::note(&text);
    }
    Ok(())
}

/// What a policy may lack, since only the security configuration says it.
fn unknown(needs: &Needs<'_>, role: Role) -> Option<String> {
    let config = needs.config;
    let emr = config.emr.as_ref();
    let emr = emr.filter(|_| role == Role::Jobs && config.camonica.target == TargetKind::Emr)?;
    let name = emr.security_configuration.as_ref()?;
    let cluster = config.camonica.cluster.as_ref();
    let has_certs =
        needs.certs.is_some() || cluster.is_some_and(|cluster| cluster.certificates.is_some());
    let mut lacks = Vec::new();
    if needs.disk_key.is_none() {
        lacks.push(
            "kms:GenerateDataKey on the key of local disks, where it encrypts them (--disk-key ARN)",
        );
    }
    if !has_certs {
        lacks.push("s3:GetObject on the zip of certificates, where it encrypts in transit (--certs S3-URI)");
    }
    (!lacks.is_empty()).then(|| {
        format!(
            "what aws.emr.security_configuration '{name}' encrypts is not known here; this role may need {}",
            lacks.join(", and ")
        )
    })
}

/// URIs in S3 in the configurations of a folder.
fn assets(folder: &Path) -> std::result::Result<Vec<String>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let document =
            serde_json::from_str(text).map_err(|error| format!("{}: {error}", path.display()))?;
        found.extend(iam::assets_of(&document));
    }
    found.sort();
    found.dedup();
    Ok(found)
}
