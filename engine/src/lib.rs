//! Camonica's engine.

pub mod error;

pub mod json;
pub mod text;

pub mod store;
pub mod input;
pub mod collector;
pub mod adapter;
pub mod event;
pub mod enrichment;
pub mod iglu;
pub mod shred;
pub mod dedup;
pub mod output;
pub mod exec;
pub mod job;

pub use error::{Error, ErrorKind, Result};
