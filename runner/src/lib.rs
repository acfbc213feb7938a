//! Camonica's runner: what EmrEtlRunner (Snowplow R102 to R108) did around the jobs.
//!
//! # The life of a run
//!
//! ```text
//! config.yml           config       ENV substitution, YAML 1.1, every mistake at once with its path and line
//!   v
//! plan                 plan         which steps run; a pure function of options and configuration
//!   v
//! locks, checks        run          one run at a time; what must be empty is, what must be there is
//!   v
//! journal              journal      what was done, line by line, so that `resume` finds its point
//!   v
//! steps                step         staging -> enrich -> shred -> elasticsearch -> archive_raw -> rdb_load
//!   |                               -> archive_enriched -> archive_shredded; Stream Enrich mode begins at
//!   |                               staging_stream_enrich
//!   |-- jobs           target       where enrich and shred run: in this process, ...
//!   |-- moves          objects      on S3 and on disks: a source is deleted only after its copy was verified
//!   v
//! summary              observer     the log, tracking events, metrics, and after a failure the exact command to go on
//! ```
//!
//! The runner never looks into an event: it calls [`engine::job`] and [`engine::store`], and the resolver to check what is
//! configured.

pub mod aws;
pub mod backoff;
pub mod certs;
pub mod cli;
pub mod config;
pub mod distcp;
pub mod failure;
pub mod failure_summary;
pub mod generate;
pub mod http;
pub mod iam;
pub mod journal;
pub mod lock;
pub mod monitoring;
pub mod objects;
pub mod observer;
pub mod plan;
pub mod reencrypt;
pub mod run;
pub mod security_configuration;
pub mod status;
pub mod step;
pub mod target;
pub mod transfer;
