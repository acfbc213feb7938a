//! Camonica's runner: what EmrEtlRunner (Snowplow R102 to R108) did around the jobs.
//!
//! # The life of a run
//!
//! ```text
//! config.yml           config       ENV substitution, YAML, every mistake at once with its path
//!   v
//! plan                 plan         which steps run; a pure function of options and configuration
//!   v
//! lock, journal        lock         one run at a time; journal: what was done, so that `resume` finds its point
//!   v
//! steps                step         staging -> enrich -> shred -> archive_raw -> archive_enriched -> archive_shredded
//!   v
//! summary              run          times, counts, and after a failure the exact command to go on
//! ```
//!
//! The runner never looks into an event: it calls [`engine::job`] and [`engine::store`] only. Moves of objects delete a
//! source only after its copy was verified ([`transfer`]).

pub mod aws;
pub mod cli;
pub mod config;
pub mod failure;
pub mod journal;
pub mod lock;
pub mod objects;
pub mod plan;
pub mod run;
pub mod step;
pub mod transfer;
