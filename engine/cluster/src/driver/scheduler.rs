//! The scheduler and its client, in the driver's process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ballista_core::config::BallistaConfig;
use ballista_core::execution_plans::execute_physical_plan;
use ballista_core::extension::SessionConfigExt;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_core::serde::protobuf::task_status::Status;
use ballista_core::utils::default_session_builder;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::create_scheduler;
use ballista_scheduler::scheduler_server::SchedulerServer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use engine::exec::spill::parcel::Attempt;
use engine::job::parts::Parcel;
use engine::{Error, ErrorKind, Result};
use futures::StreamExt;
use tokio::net::TcpListener;
use tonic::transport::Server;

use super::Patience;
use crate::operator::TaskCodec;
use crate::page::{self, Board, NodeView, StageView, View};
use crate::session::{MESSAGE_BYTES, session};
use crate::tls::Tls;
use crate::wire;

type Scheduler = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// How often the state of a running job is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A cluster whose driver is this process.
pub(super) struct Cluster {
    scheduler: Scheduler,
    codec: Arc<dyn PhysicalExtensionCodec>,
    config: SessionConfig,
    url: String,
    patience: Patience,
    board: Board,
}

/// What can be seen of a running job.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Pulse {
    begun: usize,
    done: usize,
    running: usize,
}

impl Cluster {
    /// Starts to serve the scheduler and the page.
    pub(super) async fn start(
        tls: Tls,
        listen: SocketAddr,
        page: Option<SocketAddr>,
        patience: Patience,
        board: Board,
    ) -> Result<Self> {
        tls.keep_up_to_date();
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Error::io(format!("--listen {listen}"), error))?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::io("--listen", error))?;
        let codec: Arc<dyn PhysicalExtensionCodec> = Arc::new(TaskCodec::default());
        let config = session(Arc::clone(&codec), tls.endpoints());
        let for_sessions = config.clone();
        let producer: ballista_core::ConfigProducer = Arc::new(move || for_sessions.clone());
        let message_bytes = u32::try_from(MESSAGE_BYTES).unwrap_or(u32::MAX);
        let scheduler_config = Arc::new(SchedulerConfig {
            bind_host: address.ip().to_string(),
            bind_port: address.port(),
            scheduling_policy: ballista_core::config::TaskSchedulingPolicy::PullStaged,
            // tasks of one worker at a time go to it as it asks; each asks for what it has room for
            task_distribution: TaskDistributionPolicy::Bias,
            override_physical_codec: Some(Arc::clone(&codec)),
            override_config_producer: Some(Arc::clone(&producer)),
            override_create_grpc_client_endpoint: Some(tls.endpoints()),
            use_tls: true,
            grpc_server_max_decoding_message_size: message_bytes,
            grpc_server_max_encoding_message_size: message_bytes,
            grpc_client_max_message_size: message_bytes,
            executor_timeout_seconds: patience.worker_timeout,
            expire_dead_executor_interval_seconds: 1,
            no_executors_grace_period_seconds: patience.stall.as_secs(),
            finished_job_data_clean_up_interval_seconds: 1,
            ..SchedulerConfig::default()
        });
        let cluster = BallistaCluster::new_memory(
            scheduler_config.scheduler_id.clone(),
            Arc::new(default_session_builder),
            producer,
        );
        let scheduler: Scheduler =
            create_scheduler(cluster, scheduler_config)
                .await
                .map_err(|error| {
                    Error::internal("the scheduler cannot start").with_source(error.to_string())
                })?;
        let service = SchedulerGrpcServer::new(scheduler.clone())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let serving = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .add_service(service)
            .serve_with_incoming(tls.peers(listener, "driver"));
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("the driver's service ended: {error}");
            }
        });
        if let Some(page) = page {
            let listener = TcpListener::bind(page)
                .await
                .map_err(|error| Error::io(format!("--page {page}"), error))?;
            tokio::spawn(page::serve(tls.visitors(listener), board.clone()));
        }
        let ip = match address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        tracing::warn!("the driver answers workers at {address}");
        Ok(Self {
            scheduler,
            codec,
            config,
            url: format!("https://{}", SocketAddr::new(ip, address.port())),
            patience,
            board,
        })
    }

    /// Waits until so many workers are there. Returns the number of their places for tasks.
    ///
    /// # Errors
    /// `Timeout` when they do not come.
    pub(super) async fn wait_for_workers(&self, workers: usize) -> Result<usize> {
        let start = Instant::now();
        self.board.stage("waiting for workers", workers);
        loop {
            let nodes = self.nodes().await;
            if nodes.len() >= workers {
                return Ok(nodes.iter().map(|node| node.slots).sum::<usize>().max(1));
            }
            self.board.show(View {
                nodes: nodes.clone(),
                ..View::default()
            });
            if start.elapsed() > self.patience.workers {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "{} of {workers} workers came within {} s; start `camonica-cluster worker` on the nodes, and look \
                         at their logs and above for connections that were refused (certificates, clocks)",
                        nodes.len(),
                        self.patience.workers.as_secs()
                    ),
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn nodes(&self) -> Vec<NodeView> {
        let state = self.scheduler.state.executor_manager.get_executors_state();
        let state = state.await.unwrap_or_default();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let mut nodes: Vec<NodeView> = state
            .into_iter()
            .map(|(node, heard, _)| NodeView {
                id: node.id,
                address: format!("{}:{}", node.host, node.port),
                slots: node.specification.vcores as usize,
                running: 0,
                heard_seconds_ago: heard.map(|heard| now.saturating_sub(heard).as_secs()),
            })
            .collect();
        // a worker whose contact was broken is there under two names for a while: the one that was heard last counts
        nodes.sort_by(|a, b| {
            let key = |node: &NodeView| node.heard_seconds_ago.unwrap_or(u64::MAX);
            (&a.address, key(a), &a.id).cmp(&(&b.address, key(b), &b.id))
        });
        nodes.dedup_by(|next, kept| next.address == kept.address);
        nodes
    }

    /// Runs a plan and returns what its last stage sent. `look` is called from time to time.
    ///
    /// # Errors
    /// When a task fails for good, or nothing happens for too long.
    pub(super) async fn execute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        look: impl Fn(),
    ) -> Result<Vec<Parcel>> {
        let session_id = Attempt::random()?.to_string();
        let failed = |error: datafusion::error::DataFusionError| {
            Error::new(
                ErrorKind::Io,
                format!("the job failed on the cluster: {error}"),
            )
        };
        let config: BallistaConfig = self.config.ballista_config();
        let running = async {
            let mut stream = execute_physical_plan::<PhysicalPlanNode>(
                self.url.clone(),
                &config,
                plan,
                self.codec.as_ref(),
                session_id,
                self.config.clone(),
            )
            .await
            .map_err(failed)?;
            let mut parcels = Vec::new();
            while let Some(batch) = stream.next().await {
                parcels.extend(wire::parcels_of(&batch.map_err(failed)?).map_err(failed)?);
            }
            Ok(parcels)
        };
        tokio::pin!(running);
        let mut last = (Pulse::default(), Instant::now());
        loop {
            tokio::select! {
                done = &mut running => return done,
                () = tokio::time::sleep(LOOK) => {
                    tokio::task::block_in_place(&look);
                    let pulse = self.pulse().await;
                    if pulse != last.0 {
                        last = (pulse, Instant::now());
                        continue;
                    }
                    let (limit, option) = if last.0.running > 0 {
                        (self.patience.task, "--task-timeout")
                    } else {
                        (self.patience.stall, "--stall-timeout")
                    };
                    if last.1.elapsed() > limit {
                        return Err(Error::new(
                            ErrorKind::Timeout,
                            format!(
                                "no task began or ended for {} s ({} are running): look at the logs of the workers; \
                                 {option} sets this time",
                                limit.as_secs(),
                                last.0.running
                            ),
                        ));
                    }
                }
            }
        }
    }

    /// Looks at all stages, and shows them.
    async fn pulse(&self) -> Pulse {
        let mut pulse = Pulse::default();
        let mut view = View {
            nodes: self.nodes().await,
            stages: Vec::new(),
        };
        let jobs = self.scheduler.state.task_manager.get_running_job_cache();
        for (job, info) in jobs.iter() {
            let graph = info.execution_graph.read().await;
            for (id, stage) in graph.stages() {
                let mut shown = StageView {
                    job: job.to_string(),
                    stage: *id,
                    state: stage.variant_name().to_owned(),
                    ..StageView::default()
                };
                for task in stage.task_infos().unwrap_or_default() {
                    pulse.begun += 1;
                    match &task.task_status {
                        Status::Running(running) => {
                            shown.running += 1;
                            let mut nodes = view.nodes.iter_mut();
                            if let Some(node) = nodes.find(|node| node.id == running.executor_id) {
                                node.running += 1;
                            }
                        }
                        Status::Successful(_) => shown.done += 1,
                        Status::Failed(failed) => {
                            shown.failed += 1;
                            self.board.failed(&failed.error);
                        }
                    }
                }
                pulse.running += shown.running;
                pulse.done += shown.done + shown.failed;
                view.stages.push(shown);
            }
        }
        view.stages
            .sort_by(|a, b| (&a.job, a.stage).cmp(&(&b.job, b.stage)));
        self.board.show(view);
        pulse
    }

    /// Waits until the workers were told to clear what they exchanged.
    pub(super) async fn say_goodbye(&self) {
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
}
