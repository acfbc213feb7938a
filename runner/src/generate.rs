//! `camonica generate`: the files of Dataflow Runner for what `run` would submit.
//!
//! Out: a cluster file (`ClusterConfig`) and a playbook (`PlaybookConfig`), self-describing JSONs that Dataflow Runner runs
//! through Go templates first. In the reference these commands were switched off (issue #3359). The playbook is whole:
//! where `run` moves objects itself, it has the reference's S3DistCp steps, and enrich and shred run our engine. Neither
//! file holds a secret of ours: credentials are those that Dataflow Runner finds, and documents of the engine are objects
//! below the log folder, written by this command together with the engine; only the arguments of the reference's RDB Loader
//! hold what that loader needs.

pub mod cluster;
pub mod playbook;

use engine::job::options::now_ms;
use engine::store::Location;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::objects::Objects;
use crate::plan::StepName;
use crate::run::{Request, checks, run_id_of};
use crate::target::emr::cluster::{ClusterSetup, api_of};
use crate::target::emr::files::{Documents, EngineBinary, EngineFiles};
use crate::target::emr::{check_folders, documents_of};

/// A run that is described and not made.
pub struct Draft<'r> {
    request: &'r Request,
    run_id: String,
    etl_tstamp_ms: i64,
    engine: EngineBinary,
}

impl<'r> Draft<'r> {
    /// Describes the run of a request.
    ///
    /// # Errors
    /// `Config` when there is no `aws.emr`, or no engine for the nodes.
    pub fn new(request: &'r Request) -> Result<Self> {
        let config = &request.config;
        let Some(emr) = &config.emr else {
            return Err(Failure::Config(
                "aws.emr: expected the whole block for Dataflow Runner's files, found parts of it or nothing".into(),
            ));
        };
        check_folders(config).map_err(Failure::Config)?;
        let cluster =
            ClusterSetup::of(config, emr, || api_of(config, emr)).map_err(Failure::Config)?;
        let engine =
            EngineBinary::find(config.camonica.node_binary(), cluster).map_err(Failure::Config)?;
        let etl_tstamp_ms = now_ms();
        if let Some(run_id) = &request.run_id {
            checks::run_id(run_id)?;
        }
        Ok(Self {
            request,
            run_id: request
                .run_id
                .clone()
                .unwrap_or_else(|| run_id_of(etl_tstamp_ms)),
            etl_tstamp_ms,
            engine,
        })
    }

    fn files(&self) -> EngineFiles {
        self.engine.files(&self.request.config.log)
    }

    /// The run that the playbook makes.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The folder of the documents that the steps read.
    pub fn documents(&self) -> Location {
        Documents::folder(&self.request.config.log, &self.run_id)
    }

    /// Writes the engine and the documents that the steps read. What was written, for people.
    ///
    /// # Errors
    /// `Config` when something cannot be written.
    pub fn upload(&self, objects: &Objects, has_documents: bool) -> Result<Vec<String>> {
        let config = &self.request.config;
        let files = self
            .engine
            .upload(objects, &config.log)
            .map_err(Failure::Config)?;
        let mut written = vec![files.engine, files.bootstrap, files.step];
        if has_documents {
            let request = self.request;
            let folder = self.documents();
            documents_of(&request.resolver, &request.enrichments, &request.storage)
                .upload(objects, &folder)
                .map_err(Failure::Config)?;
            written.push(folder.to_string());
        }
        Ok(written)
    }
}

/// Credentials as Dataflow Runner finds them, never ours.
fn credentials(request: &Request) -> Value {
    let word = if request.config.has_keys() {
        "env"
    } else {
        "default"
    };
    json!({ "accessKeyId": word, "secretAccessKey": word })
}

/// The text of a file: JSON whose braces mean nothing to Go's templates.
pub fn to_text(document: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Config(format!("the file cannot be written: {error}")))?;
    // serde_json ends nested objects with a line feed between braces, so these stand inside of texts
    Ok(text.replace("{{", "{{`{{`}}") + "\n")
}

/// Whether a step needs the reference's jars.
fn needs_reference_jars(request: &Request, steps: &[StepName]) -> bool {
    steps.contains(&StepName::RdbLoad) && !request.storage.enriched_events.is_empty()
        || steps.contains(&StepName::Elasticsearch) && !request.storage.failed_events.is_empty()
}
