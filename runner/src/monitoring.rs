//! What watches a run: the log on standard output ([`log`]), tracking events ([`snowplow`]), a metrics file ([`metrics`]).
//!
//! Each is an [`Observer`](crate::observer::Observer). None of them can fail a run: what goes wrong with them is said in the
//! log.

pub mod log;
pub mod metrics;
pub mod snowplow;
pub mod times;
