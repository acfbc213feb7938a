//! Settings of Ballista's sessions that driver and workers share.

use std::sync::Arc;

use ballista_core::extension::{EndpointOverrideFn, SessionConfigExt};
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;

/// Bytes of one message: a parcel is smaller, a list of work may be larger than the default.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// A session: one task a partition, small batches of large rows, no compression of what is sealed, plans as they are made.
pub fn session(
    codec: Arc<dyn PhysicalExtensionCodec>,
    endpoint: EndpointOverrideFn,
) -> SessionConfig {
    SessionConfig::new_with_ballista()
        .with_ballista_physical_extension_codec(codec)
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES)
        .with_ballista_adaptive_query_planner(false)
        .with_ballista_coalesce_enabled(false)
        .with_ballista_use_tls(true)
        .with_ballista_override_create_grpc_client_endpoint(endpoint)
        .with_batch_size(32)
        .set_str("ballista.scheduler.max_partitions_per_task", "1")
        .set_str("ballista.shuffle.sort_based.batch_size", "32")
        .set_str(
            "ballista.shuffle.sort_based.memory_limit_per_task_bytes",
            "33554432",
        )
        .set_str("ballista.shuffle.compression.codec", "none")
        .set_str("ballista.client.pull", "true")
        // a worker that is gone is given up after two seconds, one that hangs after some more: what it had is made again
        .set_str("ballista.client.io_retries_times", "2")
        .set_str("ballista.client.io_retry_wait_time_ms", "1000")
}
