//! Locks in Consul, tracking events, and bad rows for Elasticsearch, against servers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

#[path = "runner_monitoring/consul_lock.rs"]
mod consul_lock;
#[path = "runner_monitoring/elasticsearch.rs"]
mod elasticsearch;
#[path = "runner_monitoring/tracking.rs"]
mod tracking;

#[path = "support/consul.rs"]
mod consul;
#[path = "support/elastic.rs"]
mod elastic;
#[path = "support/http_stub.rs"]
mod http_stub;

use std::time::Duration;

use runner::backoff::Backoff;
use runner::http::Timeouts;

/// Waits that tests can afford.
fn short_waits() -> Backoff {
    Backoff {
        first: Duration::from_millis(5),
        most: Duration::from_millis(20),
        total: Duration::from_secs(20),
    }
}

fn short_timeouts() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(10),
    }
}
