//! `camonica generate`: the files of Dataflow Runner.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::common::{Documents, LockArguments, StepArguments};
use crate::failure::{Failure, Result};
use crate::generate::{self, Draft};
use crate::run::Request;

/// Name of the cluster file.
const CLUSTER_FILE: &str = "emr-config.json";
/// Name of the playbook.
const PLAYBOOK_FILE: &str = "emr-playbook.json";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The cluster file
    EmrConfig(Cluster),
    /// The playbook
    EmrPlaybook(Playbook),
    /// Both
    All(All),
}

#[derive(Debug, Args)]
struct Common {
    /// Configuration YAML, or - for standard input
    #[arg(short = 'c', long)]
    config: String,
    /// Iglu resolver JSON
    #[arg(short = 'r', long)]
    resolver: String,
    /// Folder of storage targets
    #[arg(short = 't', long)]
    targets: Option<String>,
    /// Do not write the engine and its documents to the log folder
    #[arg(long)]
    no_upload: bool,
}

#[derive(Debug, Args)]
struct Cluster {
    #[command(flatten)]
    common: Common,
    /// File to write
    #[arg(short = 'f', long, default_value = CLUSTER_FILE)]
    filename: String,
    /// Version of the file's schema [default: 1-1-0]
    #[arg(short = 's', long)]
    schemaver: Option<String>,
}

#[derive(Debug, Args)]
struct Run {
    /// Folder of enrichment configurations
    #[arg(short = 'n', long)]
    enrichments: Option<String>,
    /// Turns on the debugging of EMR's job flows
    #[arg(short = 'd', long)]
    debug: bool,
    /// The step to start at
    #[arg(short = 'f', long, value_name = "STEP")]
    resume_from: Option<String>,
    /// Name of the run: digits and dashes [default: the time, UTC]
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
}

#[derive(Debug, Args)]
struct Playbook {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    run: Run,
    /// Steps to leave out, separated by commas
    #[arg(short = 'x', long, value_delimiter = ',', value_name = "STEPS")]
    skip: Vec<String>,
    /// Steps to do beside: vacuum
    #[arg(short = 'i', long, value_delimiter = ',', value_name = "STEPS")]
    include: Vec<String>,
    /// File to write
    #[arg(short = 'o', long, default_value = PLAYBOOK_FILE)]
    filename: String,
    /// Version of the file's schema [default: 1-0-1]
    #[arg(short = 's', long)]
    schemaver: Option<String>,
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    run: Run,
    /// Steps to leave out, separated by commas
    #[arg(short = 'x', long, value_delimiter = ',', value_name = "STEPS")]
    skip: Vec<String>,
    /// Steps to do beside: vacuum
    #[arg(short = 'i', long, value_delimiter = ',', value_name = "STEPS")]
    include: Vec<String>,
}

pub(super) fn execute(arguments: Arguments) -> Result<()> {
    match arguments.what {
        What::EmrConfig(arguments) => {
            let schemaver = schema_version(arguments.schemaver.as_deref())?;
            let request = request(&arguments.common, None, &[], &[])?;
            write(
                &request,
                Some((&arguments.filename, schemaver)),
                None,
                arguments.common.no_upload,
            )
        }
        What::EmrPlaybook(arguments) => {
            let schemaver = schema_version(arguments.schemaver.as_deref())?;
            let request = request(
                &arguments.common,
                Some(&arguments.run),
                &arguments.skip,
                &arguments.include,
            )?;
            write(
                &request,
                None,
                Some((&arguments.filename, schemaver)),
                arguments.common.no_upload,
            )
        }
        What::All(arguments) => {
            let request = request(
                &arguments.common,
                Some(&arguments.run),
                &arguments.skip,
                &arguments.include,
            )?;
            write(
                &request,
                Some((CLUSTER_FILE, None)),
                Some((PLAYBOOK_FILE, None)),
                arguments.common.no_upload,
            )
        }
    }
}

/// Whether a document has steps of the RDB Loader, which takes storage targets as arguments.
fn holds_targets(document: &Value) -> bool {
    let steps = document["data"]["steps"].as_array();
    steps.into_iter().flatten().any(|step| {
        let arguments = step["arguments"].as_array();
        arguments.is_some_and(|words| words.iter().any(|word| word == "--target"))
    })
}

/// Writes a file whole; a secret one is readable for its owner only, also if it was there before.
fn write_file(path: &Path, text: &str, is_secret: bool) -> std::io::Result<()> {
    let mode = if is_secret { 0o600 } else { 0o666 };
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    if is_secret && file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(text.as_bytes())
}

/// A version of a schema: model, revision, addition.
fn schema_version(text: Option<&str>) -> Result<Option<&str>> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text {
        Some(version) if version.split('-').count() != 3 || !version.split('-').all(is_number) => {
            Err(Failure::Config(format!(
                "--schemaver {version}: expected model, revision and addition, such as 1-1-0"
            )))
        }
        version => Ok(version),
    }
}

fn request(
    common: &Common,
    run: Option<&Run>,
    skip: &[String],
    include: &[String],
) -> Result<Request> {
    let documents = Documents {
        config: common.config.clone(),
        enrichments: run.and_then(|run| run.enrichments.clone()),
        resolver: common.resolver.clone(),
        targets: common.targets.clone(),
    };
    let mut request = documents.read(&LockArguments {
        lock: None,
        consul: None,
    })?;
    for warning in &request.config.warnings {
        super::note(&format!("configuration: {warning}"));
    }
    request.options = StepArguments {
        resume_from: run.and_then(|run| run.resume_from.clone()),
        skip: skip.to_vec(),
        include: include.to_vec(),
        max_bytes: None,
        max_files: None,
    }
    .options();
    request.debug = run.is_some_and(|run| run.debug);
    request.run_id = run.and_then(|run| run.run_id.clone());
    Ok(request)
}

fn write(
    request: &Request,
    cluster: Option<(&str, Option<&str>)>,
    playbook: Option<(&str, Option<&str>)>,
    no_upload: bool,
) -> Result<()> {
    let draft = Draft::new(request)?;
    let objects = request.objects()?;
    let mut files = Vec::new();
    if let Some((name, version)) = cluster {
        files.push((name, draft.cluster(version)?));
    }
    if let Some((name, version)) = playbook {
        files.push((name, draft.playbook(&objects, version)?));
    }
    if no_upload {
        super::say("not written to the log folder: the engine and its documents (--no-upload)");
    } else {
        for place in draft.upload(&objects, playbook.is_some())? {
            super::say(&format!("written {place}"));
        }
    }
    for (name, document) in files {
        let is_secret = holds_targets(&document);
        write_file(Path::new(name), &generate::to_text(&document)?, is_secret)
            .map_err(|error| Failure::Config(format!("{name}: {error}")))?;
        super::say(&format!("written {name}"));
        if is_secret {
            super::note(&format!(
                "{name}: the arguments of the RDB Loader hold the storage targets, their passwords included (but for those in the EC2 parameter store): it is \
                 readable for you only, and steps that are submitted are readable for who may call elasticmapreduce:ListSteps"
            ));
        }
    }
    if playbook.is_some() {
        super::say(&format!("the playbook is of run {}", draft.run_id()));
        if !no_upload {
            super::say(&format!(
                "its documents hold keys of registries: remove {} when it has run",
                draft.documents()
            ));
        }
    }
    Ok(())
}
