//! The block `camonica`: settings of ours. All of them may be absent.
//!
//! ```yaml
//! camonica:
//!   target: local            # where the jobs run: local, emr or hosts [emr where aws.emr is set, else local]
//!   workers: 8               # threads [one a core]
//!   memory_limit: 2G         # buffers and tables [the smaller of 1 GiB and 60 % of the machine]
//!   skip_corrupt: false      # count and leave damaged objects instead of ending the job
//!   spill_directories: [/mnt/a/spill, /mnt/b/spill]
//!   kms_key: arn:aws:kms:...  # SSE-KMS with every write to S3, whatever aws.s3.buckets.encrypted says
//!   s3_endpoint: http://127.0.0.1:9000   # an S3-compatible service
//!   enrichment_data: /opt/data           # look-up files of enrichments
//!   exchange_rates_endpoint: http://127.0.0.1:8080   # in place of Open Exchange Rates, for tests
//!   min_age: 10m             # Stream Enrich mode: leave objects that are younger
//!   aws_timeout: 15m         # no AWS call is tried again after this time
//!   hosts: [10.0.0.1, 10.0.0.2]          # target hosts: the machines, or maps ([`super::hosts`])
//!   engine_binary: /opt/camonica/camonica-engine   # targets emr and hosts: the static engine [beside this program]
//!   cluster: {key: arn:aws:kms:..., workers: 4}   # target emr: the jobs run on all nodes ([`super::cluster`])
//!   emr_endpoint: http://127.0.0.1:9001  # target emr: in place of EMR's API, for tests
//!   emr_poll: 30s            # target emr: time between two looks at the cluster
//!   emr_bootstrap_pause: 10m # target emr: longest pause before the next try after a bootstrap failure
//!   metrics_file: /var/lib/node_exporter/camonica.prom
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cluster::ClusterSettings;
use super::hosts::{self, Host};
use super::problem::Problem;
use super::reader::Reader;

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetKind {
    /// In this process.
    #[default]
    Local,
    /// On a cluster of EMR, as the reference's.
    Emr,
    /// On machines that are reached over SSH.
    Hosts,
}

impl TargetKind {
    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Emr => "emr",
            Self::Hosts => "hosts",
        }
    }
}

/// The block `camonica`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CamonicaSettings {
    /// `target`.
    pub target: TargetKind,
    /// `workers`: threads.
    pub workers: Option<usize>,
    /// `memory_limit`: bytes for buffers and tables.
    pub memory_limit: Option<u64>,
    /// `skip_corrupt`: whether damaged input objects are counted and left, instead of ending the job.
    pub skip_corrupt: bool,
    /// `spill_directories`: local directories for what does not fit into memory.
    pub spill_directories: Vec<PathBuf>,
    /// `kms_key`: id or ARN of the key for SSE-KMS.
    pub kms_key: Option<String>,
    /// `s3_endpoint`: an S3-compatible service.
    pub s3_endpoint: Option<String>,
    /// `enrichment_data`: folder with look-up files of enrichments.
    pub enrichment_data: Option<PathBuf>,
    /// `exchange_rates_endpoint`: in place of the public service of exchange rates.
    pub exchange_rates_endpoint: Option<String>,
    /// `min_age`: Stream Enrich mode leaves objects that are younger.
    pub min_age: Option<Duration>,
    /// `aws_timeout`: after this time no AWS call is tried again.
    pub aws_timeout: Option<Duration>,
    /// `hosts`: machines of target `hosts`.
    pub hosts: Vec<Host>,
    /// `engine_binary`: the static engine that targets `emr` and `hosts` take to their machines.
    pub engine_binary: Option<PathBuf>,
    /// `cluster`: target `emr` runs the jobs on all nodes.
    pub cluster: Option<ClusterSettings>,
    /// `emr_endpoint`: in place of EMR's API.
    pub emr_endpoint: Option<String>,
    /// `emr_poll`: time between two looks at a cluster.
    pub emr_poll: Option<Duration>,
    /// `emr_bootstrap_pause`: longest pause before the next try after a bootstrap failure.
    pub emr_bootstrap_pause: Option<Duration>,
    /// `metrics_file`: where the figures of the last run are written for Prometheus.
    pub metrics_file: Option<PathBuf>,
}

impl CamonicaSettings {
    /// Reads the block.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let key = |name: &str| format!("camonica.{name}");
        let targets = [TargetKind::Local, TargetKind::Emr, TargetKind::Hosts]
            .map(|target| (target.name(), target));
        let target = reader.choice(&key("target"), &targets, false, false);
        // a configuration of the reference's asks for a cluster; one without it runs here
        let default = if reader.has("aws.emr") && !reader.has(&key("target")) {
            TargetKind::Emr
        } else {
            TargetKind::Local
        };
        let workers = reader.integer(&key("workers"), 1, false);
        let settings = Self {
            target: target.unwrap_or(default),
            workers: workers.and_then(|workers| usize::try_from(workers).ok()),
            memory_limit: reader.optional_size(&key("memory_limit")),
            skip_corrupt: reader.optional_bool(&key("skip_corrupt")).unwrap_or(false),
            spill_directories: reader.optional_paths(&key("spill_directories")),
            kms_key: reader.optional_text(&key("kms_key")),
            s3_endpoint: reader.optional_url(&key("s3_endpoint")),
            enrichment_data: reader.optional_path(&key("enrichment_data")),
            exchange_rates_endpoint: reader.optional_url(&key("exchange_rates_endpoint")),
            min_age: reader.optional_duration(&key("min_age")),
            aws_timeout: reader.optional_duration(&key("aws_timeout")),
            hosts: hosts::read(reader, &key("hosts")),
            engine_binary: reader.optional_path(&key("engine_binary")),
            cluster: ClusterSettings::read(reader),
            emr_endpoint: reader.optional_url(&key("emr_endpoint")),
            emr_poll: reader.optional_duration(&key("emr_poll")),
            emr_bootstrap_pause: reader.optional_duration(&key("emr_bootstrap_pause")),
            metrics_file: reader.optional_path(&key("metrics_file")),
        };
        if settings.target == TargetKind::Hosts && settings.hosts.is_empty() {
            let text = "expected a list of machines for target hosts, found none";
            reader.problem(Problem::new(key("hosts"), text));
        }
        if settings.target == TargetKind::Hosts && settings.cluster.is_some() {
            let text = "target hosts divides a job into shares and knows no cluster: remove the block, or set camonica.target to emr";
            let line = reader.line(&key("cluster"));
            reader.problem(Problem::new(key("cluster"), text).at(line));
        }
        settings
    }

    /// The static program that the nodes of EMR get, if it is named.
    pub fn node_binary(&self) -> Option<&Path> {
        match &self.cluster {
            Some(cluster) => cluster.binary.as_deref(),
            None => self.engine_binary.as_deref(),
        }
    }
}
