//! The driver: opens the job, serves the scheduler to the workers, hands it the plans, and commits what the tasks left.
//!
//! It holds the state of a running job in memory only, as a Spark driver does. When it is killed nothing is visible; run
//! again, it clears what is left and begins anew, or finishes the commit if that had begun.

mod jobs;
mod scheduler;

use std::time::Duration;

use clap::Args;
use engine::cli::Command;
use engine::exec::spill::parcel::Attempt;
use engine::job::JobReport;
use engine::job::options::parse_size;
use engine::job::parts::PartOptions;
use engine::{Error, Result};

use crate::cli::TlsArguments;
use crate::page::Board;
use crate::secret::KeySource;
use crate::tls::Tls;
use crate::worker::resolve;
use scheduler::Cluster;

/// Options of `driver`.
#[derive(Debug, Args)]
pub struct DriverArguments {
    /// Workers to wait for before the job begins; more may join later. 0: no cluster, the job runs on this machine
    #[arg(long, default_value = "1")]
    workers: usize,
    /// Where workers are answered
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:7071")]
    listen: String,
    /// Where the page that shows the job is served, over HTTPS [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    page: Option<String>,
    /// Seconds to wait for the workers
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    wait: u64,
    /// Seconds after which a worker that is not heard of is lost, and its tasks are done by others
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(11..))]
    worker_timeout: u64,
    /// Seconds in which no worker takes a task, after which the job fails
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    stall_timeout: u64,
    /// Seconds in which tasks run and none begins or ends, after which the job fails
    #[arg(long, value_name = "SECONDS", default_value = "21600")]
    task_timeout: u64,
    /// Stored bytes of the input that a task reads, at least
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    task_size: String,
    #[command(flatten)]
    tls: TlsArguments,
    /// The job
    #[command(subcommand)]
    job: Command,
}

/// Time limits of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the workers to come.
    pub(crate) workers: Duration,
    /// For a worker to be heard of, in seconds.
    pub(crate) worker_timeout: u64,
    /// For a worker to take a task.
    pub(crate) stall: Duration,
    /// For a task to begin or end while some run.
    pub(crate) task: Duration,
}

/// Runs the job of a driver's options.
///
/// # Errors
/// When an option cannot be used or the job fails; nothing is committed then.
pub fn run(arguments: &DriverArguments) -> Result<JobReport> {
    if arguments.workers == 0 {
        return arguments.job.run();
    }
    let tls = Tls::load(&arguments.tls)?;
    let keys = KeySource::of(&arguments.tls)?;
    let task_size =
        parse_size(&arguments.task_size).map_err(|error| error.context("--task-size"))?;
    let listen = resolve("--listen", &arguments.listen)?;
    let page = arguments
        .page
        .as_deref()
        .map(|text| resolve("--page", text))
        .transpose()?;
    let patience = Patience {
        workers: Duration::from_secs(arguments.wait),
        worker_timeout: arguments.worker_timeout,
        stall: Duration::from_secs(arguments.stall_timeout.max(1)),
        task: Duration::from_secs(arguments.task_timeout.max(1)),
    };
    let job = jobs::Job::of(&arguments.job)?;
    // before anybody is waited for: what is not allowed is told at once
    let secret = keys.of_new_job(&format!("{}-{}", job.name(), Attempt::random()?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the driver").with_source(error))?;
    let board = Board::new(job.name());
    let cluster = runtime.block_on(Cluster::start(tls, listen, page, patience, board.clone()))?;
    let slots = runtime.block_on(cluster.wait_for_workers(arguments.workers))?;
    let parts = PartOptions {
        slots,
        group_bytes: task_size,
        // a bucket is a part of what one task resolves: more of them divide the work more evenly
        buckets: u32::try_from(8 * slots).unwrap_or(u32::MAX).clamp(8, 512),
    };
    let outcome = jobs::Jobs {
        cluster: &cluster,
        runtime: &runtime,
        parts,
        secret: &secret,
        board: &board,
    }
    .run(&job);
    if let Err(error) = &outcome {
        board.failed(&error.to_string());
    }
    runtime.block_on(cluster.say_goodbye());
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}
