//! Ballista's way to do a task, with disks that may be full and nodes that may die.
//!
//! What a task sends is written to the exchange by Ballista, and what it gets is read from there. Where that fails for want of
//! room, or because a worker dies in the middle of what it serves, the error comes from Arrow, and Ballista would end the
//! whole job at once: it does again only what failed with an error that it knows as one of I/O. Here such errors become
//! what they are, and a worker whose disk is full takes no more tasks for a while.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::BallistaError;
use ballista_core::serde::protobuf::{
    RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats, WindowStateReport,
};
use ballista_executor::execution_engine::{
    DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor,
};
use datafusion::arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::prelude::SessionConfig;

use super::Fence;

/// Makes tasks whose I/O errors can be seen.
pub struct CarefulEngine {
    inner: DefaultExecutionEngine,
    fence: Fence,
}

impl CarefulEngine {
    /// An engine that closes `fence` when a disk is full.
    pub fn new(fence: Fence) -> Self {
        Self {
            inner: DefaultExecutionEngine::new(),
            fence,
        }
    }
}

impl ExecutionEngine for CarefulEngine {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        global_output_partition_ids: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        let inner = self.inner.create_query_stage_exec(
            job_id,
            stage_id,
            task_id,
            global_output_partition_ids,
            plan,
            work_dir,
            config,
        )?;
        Ok(Arc::new(Careful {
            inner,
            fence: self.fence.clone(),
        }))
    }
}

/// A task whose I/O errors can be seen.
#[derive(Debug)]
struct Careful {
    inner: Arc<dyn QueryStageExecutor>,
    fence: Fence,
}

impl fmt::Display for Careful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl QueryStageExecutor for Careful {
    async fn execute_query_stage(
        &self,
        task_id: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        let done = self.inner.execute_query_stage(task_id, context).await;
        done.map_err(|error| {
            let kind = io_kind(&error);
            if matches!(
                kind,
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            ) {
                self.fence.close();
            }
            match kind {
                Some(kind) => {
                    tracing::warn!("a task failed and may be done again: {error}");
                    DataFusionError::IoError(io::Error::new(kind, error.to_string()))
                }
                None => error,
            }
        })
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.inner.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.inner.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.inner.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.inner.collect_column_stats()
    }
}

/// What kind of I/O error is in an error, however deep; `None` if there is none, or if a part of the exchange is lost, which
/// Ballista knows.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(error.kind());
    }
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::IoError(_, error)) => return Some(error.kind()),
        // the middle of a stream, or its end, did not come
        Some(ArrowError::IpcError(_)) => return Some(io::ErrorKind::UnexpectedEof),
        _ => {}
    }
    if error.downcast_ref::<tonic::Status>().is_some() {
        return Some(io::ErrorKind::ConnectionAborted);
    }
    match error.downcast_ref::<BallistaError>() {
        Some(BallistaError::FetchFailed(..)) => return None,
        Some(BallistaError::IoError(error)) => return Some(error.kind()),
        Some(BallistaError::ArrowError(error)) => return io_kind(error.as_ref()),
        Some(BallistaError::DataFusionError(error)) => return io_kind(error.as_ref()),
        Some(
            BallistaError::TonicError(_)
            | BallistaError::GrpcError(_)
            | BallistaError::GrpcConnectionError(_)
            | BallistaError::GrpcActionError(_),
        ) => return Some(io::ErrorKind::ConnectionAborted),
        _ => {}
    }
    match error.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::ArrowError(error, _)) => return io_kind(error.as_ref()),
        Some(DataFusionError::External(error)) => return io_kind(error.as_ref()),
        Some(DataFusionError::Context(_, error)) => return io_kind(error.as_ref()),
        Some(DataFusionError::Shared(error)) => return io_kind(error.as_ref()),
        _ => {}
    }
    io_kind(error.source()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{ConnectionAborted, StorageFull, UnexpectedEof};

    fn external(error: BallistaError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }

    #[test]
    fn errors_of_io_are_seen_wherever_they_are() {
        let full = || io::Error::from(StorageFull);
        let arrow = || Box::new(ArrowError::IoError("write".into(), full()));
        let cut = || Box::new(ArrowError::IpcError("the stream broke off".into()));
        let of_arrow = |error| DataFusionError::ArrowError(error, None);
        let status = tonic::Status::unavailable("gone");
        for (error, kind) in [
            (DataFusionError::IoError(full()), StorageFull),
            (of_arrow(arrow()), StorageFull),
            (of_arrow(arrow()).context("a task"), StorageFull),
            (external(BallistaError::IoError(full())), StorageFull),
            (external(BallistaError::ArrowError(arrow())), StorageFull),
            (
                external(BallistaError::DataFusionError(Box::new(of_arrow(arrow())))),
                StorageFull,
            ),
            (of_arrow(cut()), UnexpectedEof),
            (external(BallistaError::ArrowError(cut())), UnexpectedEof),
            (
                of_arrow(Box::new(ArrowError::from_external_error(Box::new(
                    status.clone(),
                )))),
                ConnectionAborted,
            ),
            (
                external(BallistaError::GrpcError(Box::new(status))),
                ConnectionAborted,
            ),
        ] {
            assert_eq!(io_kind(&error), Some(kind), "{error}");
        }
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let lost = BallistaError::FetchFailed("node".into(), 1, 2, "gone".into());
        assert_eq!(io_kind(&external(lost)), None);
        let bad = DataFusionError::Execution("bad data".into());
        assert_eq!(io_kind(&bad), None);
    }
}
