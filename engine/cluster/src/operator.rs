//! The operators: a task of the engine in the place of a plan's node, and how it travels.
//!
//! ```text
//! DataSourceExec(work list) ─► TaskExec(scan) ─► RepartitionExec(hash of bucket) ─► TaskExec(count) ─► sealed rows
//! DataSourceExec(work list) ─► TaskExec(enrich) ─► sealed rows
//! ```
//!
//! A node carries the job sealed, so that plans, event logs and pages hold none of it.

mod codec;
mod full;
mod runners;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use engine::job::parts::{Parcel, Stage, is_transient};
use engine::{Error, ErrorKind};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use codec::TaskCodec;
pub use full::CarefulEngine;
pub use runners::{Fence, Pause, Runners};

use crate::kms::WrappedKey;
use crate::wire;

/// Batches that wait between a task and the exchange.
const WAITING_BATCHES: usize = 8;

/// What a node of a plan does.
#[derive(Debug, Clone)]
pub struct TaskNode {
    /// The kind of its tasks.
    pub stage: Stage,
    /// Whether tasks that enrich send the keys of their events.
    pub with_keys: bool,
    /// The name of the job.
    pub job: Arc<str>,
    /// What KMS must decrypt to open the job; `None` where nodes have the cluster's secret.
    pub key: Option<WrappedKey>,
    /// The job, sealed.
    pub sealed: Arc<[u8]>,
}

/// Does a task of a job on each partition of its input.
#[derive(Debug)]
pub struct TaskExec {
    input: Arc<dyn ExecutionPlan>,
    node: TaskNode,
    /// Only workers have it.
    runners: Option<Arc<Runners>>,
    properties: Arc<PlanProperties>,
}

impl TaskExec {
    /// A node above `input`.
    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        node: TaskNode,
        runners: Option<Arc<Runners>>,
    ) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(wire::parcel_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            input,
            node,
            runners,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for TaskExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TaskExec: {} of {}",
            self.node.stage.name(),
            self.node.job
        )
    }
}

impl ExecutionPlan for TaskExec {
    fn name(&self) -> &'static str {
        "TaskExec"
    }

    fn schema(&self) -> SchemaRef {
        wire::parcel_schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("TaskExec has one input".into()));
        };
        let node = self.node.clone();
        Ok(Arc::new(Self::new(input, node, self.runners.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(runners) = self.runners.clone() else {
            return Err(DataFusionError::Internal(
                "a task was given to a process that is no worker".into(),
            ));
        };
        let input = self.input.execute(partition, context)?;
        let (to, from) = mpsc::channel(WAITING_BATCHES);
        let node = self.node.clone();
        let work = if node.stage.reads_groups() {
            tokio::spawn(read_groups(runners, node, input, to))
        } else {
            tokio::spawn(take_buckets(runners, node, input, to))
        };
        let stream = futures::stream::unfold(Some((from, work)), next_batch);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            wire::parcel_schema(),
            stream,
        )))
    }
}

type Batches = mpsc::Receiver<RecordBatch>;
type Running = (Batches, JoinHandle<Result<()>>);

/// The next batch; when there is none left, how the task ended: a task that failed must not look like one that is done.
async fn next_batch(running: Option<Running>) -> Option<(Result<RecordBatch>, Option<Running>)> {
    let (mut from, work) = running?;
    if let Some(batch) = from.recv().await {
        return Some((Ok(batch), Some((from, work))));
    }
    match work.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some((Err(error), None)),
        Err(panic) => Some((
            Err(DataFusionError::Execution(format!(
                "a task ended without a result: {panic}"
            ))),
            None,
        )),
    }
}

/// What went wrong in a task, as Ballista must see it: only I/O errors are tried again.
fn told(error: Error, fence: &Fence) -> DataFusionError {
    if error.kind() == ErrorKind::Full {
        fence.close();
    }
    if is_transient(&error) {
        tracing::warn!("a task failed and may be done again: {error}");
        DataFusionError::IoError(std::io::Error::other(error.to_string()))
    } else {
        tracing::warn!("a task failed: {error}");
        DataFusionError::Execution(error.to_string())
    }
}

fn carry(to: &mpsc::Sender<RecordBatch>, parcel: &Parcel) -> engine::Result<()> {
    let batch = wire::parcel_batch(parcel)
        .map_err(|error| Error::internal("a parcel cannot be sent").with_source(error))?;
    to.blocking_send(batch).map_err(|_| {
        Error::new(
            ErrorKind::Io,
            "nobody waits for the result of this task any more",
        )
    })
}

/// Does the tasks of the groups of one partition, each with its row at the end.
async fn read_groups(
    runners: Arc<Runners>,
    node: TaskNode,
    mut input: SendableRecordBatchStream,
    to: mpsc::Sender<RecordBatch>,
) -> Result<()> {
    let mut batches = Vec::new();
    while let Some(batch) = input.next().await {
        batches.push(batch?);
    }
    drop(input);
    let groups = wire::groups_of(&batches)?;
    let fence = runners.fence().clone();
    blocking(fence, move || {
        let runner = runners.runner(&node)?;
        for group in &groups {
            runners.pause(node.stage);
            runners.fence().check()?;
            let carry = |parcel: Parcel| carry(&to, &parcel);
            let row = match node.stage {
                Stage::Enrich => runner.enrich(group, node.with_keys, &carry)?,
                Stage::Scan => runner.scan(group, &carry)?,
                _ => runner.shred(group, &carry)?,
            };
            carry(runner.seal_row(&row)?)?;
        }
        Ok(())
    })
    .await
}

/// Hands what was sent to the buckets of one partition to a task; rows pass through.
async fn take_buckets(
    runners: Arc<Runners>,
    node: TaskNode,
    mut input: SendableRecordBatchStream,
    to: mpsc::Sender<RecordBatch>,
) -> Result<()> {
    let (feed, mut fed) = mpsc::channel::<RecordBatch>(WAITING_BATCHES);
    let (whole, is_whole) = tokio::sync::oneshot::channel::<()>();
    let fence = runners.fence().clone();
    let work = tokio::spawn(blocking(fence, move || {
        runners.pause(node.stage);
        runners.fence().check()?;
        let runner = runners.runner(&node)?;
        let mut parcels: Vec<Parcel> = Vec::new();
        let mut is_whole = Some(is_whole);
        let mut next = || loop {
            if let Some(parcel) = parcels.pop() {
                return Ok(Some(parcel));
            }
            match fed.blocking_recv() {
                Some(batch) => {
                    parcels = wire::parcels_of(&batch).map_err(|error| {
                        Error::internal("what came through the exchange").with_source(error)
                    })?;
                }
                // an exchange that broke off must not look like one that has ended
                None => {
                    let ended = is_whole.take().map(|whole| whole.blocking_recv());
                    return match ended {
                        Some(Err(_)) => Err(Error::new(ErrorKind::Io, "the exchange broke off")),
                        _ => Ok(None),
                    };
                }
            }
        };
        let carry = |parcel: Parcel| carry(&to, &parcel);
        let row = match node.stage {
            Stage::Count => runner.count(&mut next, &carry)?,
            _ => runner.resolve(&mut next, &carry)?,
        };
        if let Some(row) = row {
            carry(runner.seal_row(&row)?)?;
        }
        Ok(())
    }));
    let mut broken = None;
    while let Some(batch) = input.next().await {
        match batch {
            Ok(batch) => {
                if feed.send(batch).await.is_err() {
                    // the task has failed and says why
                    break;
                }
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    if broken.is_none() {
        let _ = whole.send(());
    } else {
        drop(whole);
    }
    drop(feed);
    let ended = work
        .await
        .map_err(|panic| DataFusionError::Execution(format!("a task panicked: {panic}")))?;
    match broken {
        // Ballista must see what broke: it does again what the lost node had done
        Some(error) => Err(error),
        None => ended,
    }
}

/// Runs a task of the engine, which blocks, on a thread of its own.
async fn blocking(
    fence: Fence,
    task: impl FnOnce() -> engine::Result<()> + Send + 'static,
) -> Result<()> {
    match tokio::task::spawn_blocking(task).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(told(error, &fence)),
        Err(panic) => Err(DataFusionError::Execution(format!(
            "a task panicked: {panic}"
        ))),
    }
}
