//! A worker: polls a driver for tasks, does them, and serves what it made for other workers. It outlives drivers: when
//! one is gone it waits for the next at the same address.
//!
//! Disk: `<work dir>/shuffle` holds what Ballista exchanges (sealed parcels only) and is cleared when a worker starts; what
//! does not fit into a task's memory goes to sealed spill files.

mod contact;

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use ballista_core::BALLISTA_PROTOCOL_VERSION;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::serde::protobuf::ExecutorRegistration;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::scheduler::{
    ExecutorOperatingSystemSpecification, ExecutorSpecification,
};
use ballista_core::serde::{BallistaCodec, BallistaLogicalExtensionCodec};
use ballista_executor::execution_loop::poll_loop;
use ballista_executor::executor::Executor;
use ballista_executor::flight_service::BallistaFlightService;
use ballista_executor::health::ExecutorHealth;
use ballista_executor::metrics::LoggingMetricsCollector;
use clap::Args;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use engine::exec::spill::parcel::Attempt;
use engine::job::JobOptions;
use engine::job::options::{default_memory_limit, parse_size};
use engine::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tonic::transport::Server;

use crate::cli::TlsArguments;
use crate::node;
use crate::operator::{CarefulEngine, Fence, Pause, Runners, TaskCodec};
use crate::secret::KeySource;
use crate::session::{MESSAGE_BYTES, session};
use crate::tls::Tls;
use contact::Contact;

/// Least memory of one task.
const LEAST_TASK_MEMORY: u64 = 64 << 20;
/// How often an idle worker asks for work, with and without a driver.
const IDLE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// For tests only: `<stage>=<milliseconds>,...` that tasks wait before they begin.
const TEST_PAUSE: &str = "CAMONICA_CLUSTER_TEST_PAUSE";

/// Options of `worker`.
#[derive(Debug, Args)]
pub struct WorkerArguments {
    /// Address of the driver, or `emr`: the master of the EMR cluster that this node belongs to. The worker waits until a
    /// driver is there [default: emr on a node of EMR]
    #[arg(long, value_name = "HOST:PORT|emr")]
    driver: Option<String>,
    /// Port of the driver, with `--driver emr`
    #[arg(long, value_name = "PORT", default_value = "7071")]
    driver_port: u16,
    /// Where EMR tells a node about its cluster
    #[arg(long, value_name = "DIRECTORY", default_value = node::EMR_INFO)]
    emr_info: PathBuf,
    /// Name or address by which the driver and other workers reach this node
    #[arg(long)]
    host: String,
    /// Where other workers are answered
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:7072")]
    listen: String,
    /// Folder for what is exchanged, on a disk with room for the candidate lines of a job [default: on the disk with most
    /// room of those mounted at /mnt, /mnt1, ..., else below $TMPDIR]
    #[arg(long, value_name = "DIRECTORY")]
    work_dir: Option<PathBuf>,
    /// Tasks at once [default: one a core]
    #[arg(long)]
    slots: Option<NonZeroUsize>,
    /// Memory of all tasks together, e.g. 2G [default: the smaller of 1 GiB and 60 % of the machine]
    #[arg(long)]
    memory_limit: Option<String>,
    /// Directories for what does not fit into memory, sealed [default: one on each such disk, else in the work dir]
    #[arg(long, value_delimiter = ',', value_name = "DIRECTORY")]
    spill_dir: Vec<PathBuf>,
    #[command(flatten)]
    tls: TlsArguments,
}

/// Runs a worker until the process is ended.
///
/// # Errors
/// When an option cannot be used, or the address is taken.
pub fn run(arguments: &WorkerArguments) -> Result<()> {
    let tls = Tls::load(&arguments.tls)?;
    let keys = KeySource::of(&arguments.tls)?;
    let listen = resolve("--listen", &arguments.listen)?;
    let (work_dir, spill_directories) = places(arguments, node::data_folders);
    let (shuffle, _lock) = claim(&work_dir)?;
    let slots = match arguments.slots {
        Some(slots) => slots.get(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let memory = match &arguments.memory_limit {
        Some(text) => parse_size(text).map_err(|error| error.context("--memory-limit"))?,
        None => default_memory_limit(),
    };
    let local = JobOptions {
        workers: 1,
        memory_limit: (memory / slots as u64).max(LEAST_TASK_MEMORY),
        spill_directories,
        ..JobOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the worker").with_source(error))?;
    let worker = Worker {
        tls,
        keys,
        driver: driver(arguments)?,
        host: arguments.host.clone(),
        listen,
        shuffle,
        slots,
        local,
    };
    runtime.block_on(worker.serve())
}

/// Where the driver is, or will be.
fn driver(arguments: &WorkerArguments) -> Result<(String, u16)> {
    let emr = || {
        let master = node::emr_master(&arguments.emr_info, &arguments.host)?;
        Ok((master, arguments.driver_port))
    };
    match arguments.driver.as_deref() {
        Some("emr") => emr(),
        Some(address) => match split_address(address) {
            Some((host, port)) => Ok((host.to_owned(), port)),
            None => Err(Error::config(format!(
                "--driver {address}: expected HOST:PORT, or emr"
            ))),
        },
        None if node::is_emr(&arguments.emr_info) => emr(),
        None => Err(Error::config(
            "--driver: expected HOST:PORT; only a node of EMR finds its driver by itself",
        )),
    }
}

/// The work folder and the spill directories: as the options say, else on the disks for data.
fn places(
    arguments: &WorkerArguments,
    disks: impl Fn() -> Vec<PathBuf>,
) -> (PathBuf, Vec<PathBuf>) {
    let disks = match &arguments.work_dir {
        // who chose a folder for one of both means the disk
        Some(_) => Vec::new(),
        None => disks(),
    };
    let work_dir = match (&arguments.work_dir, disks.first()) {
        (Some(folder), _) => folder.clone(),
        (None, Some(disk)) => disk.join("work"),
        (None, None) => std::env::temp_dir().join("camonica-worker"),
    };
    let spill = if !arguments.spill_dir.is_empty() {
        arguments.spill_dir.clone()
    } else if disks.is_empty() {
        vec![work_dir.join("spill")]
    } else {
        disks.iter().map(|disk| disk.join("spill")).collect()
    };
    (work_dir, spill)
}

/// `HOST:PORT`, also `[::1]:PORT`.
pub(crate) fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

/// The socket address of an option.
pub(crate) fn resolve(option: &str, text: &str) -> Result<SocketAddr> {
    text.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| Error::config(format!("{option} {text}: expected ADDRESS:PORT")))
}

/// Makes the work folder ours, and clears what an earlier worker exchanged.
fn claim(work_dir: &Path) -> Result<(PathBuf, File)> {
    let failed = |path: &Path, error| Error::io(format!("--work-dir {}", path.display()), error);
    fs::create_dir_all(work_dir).map_err(|error| failed(work_dir, error))?;
    let path = work_dir.join("worker.lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failed(&path, error))?;
    lock.try_lock().map_err(|_| {
        Error::config(format!(
            "--work-dir {}: another worker uses this folder; give each worker its own",
            work_dir.display()
        ))
    })?;
    let shuffle = work_dir.join("shuffle");
    if shuffle.exists() {
        fs::remove_dir_all(&shuffle).map_err(|error| failed(&shuffle, error))?;
    }
    fs::create_dir_all(&shuffle).map_err(|error| failed(&shuffle, error))?;
    Ok((shuffle, lock))
}

struct Worker {
    tls: Tls,
    keys: KeySource,
    driver: (String, u16),
    host: String,
    listen: SocketAddr,
    shuffle: PathBuf,
    slots: usize,
    local: JobOptions,
}

impl Worker {
    async fn serve(self) -> Result<()> {
        self.tls.keep_up_to_date();
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|error| Error::io(format!("--listen {}", self.listen), error))?;
        let port = listener
            .local_addr()
            .map_err(|error| Error::io("--listen", error))?
            .port();
        let places = Arc::new(Semaphore::new(self.slots));
        let fence = Fence::new(Arc::clone(&places), self.slots, &self.shuffle);
        tokio::spawn(fence.clone().watch());
        let careful = Arc::new(CarefulEngine::new(fence.clone()));
        let pause = std::env::var(TEST_PAUSE)
            .ok()
            .and_then(|text| Pause::parse(&text));
        let runners = Arc::new(Runners::new(self.keys, self.local, fence, pause));
        let codec: Arc<dyn PhysicalExtensionCodec> = Arc::new(TaskCodec::of_worker(runners));
        let config = session(Arc::clone(&codec), self.tls.endpoints());
        let vcores = u32::try_from(self.slots).unwrap_or(u32::MAX);
        let registration = |id| ExecutorRegistration {
            id,
            host: Some(self.host.clone()),
            port: u32::from(port),
            grpc_port: 0,
            specification: Some(ExecutorSpecification::default().with_vcores(vcores).into()),
            os_info: Some(ExecutorOperatingSystemSpecification::default().into()),
            ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
        };
        let shuffle = self.shuffle.to_string_lossy().into_owned();
        let runtime = Arc::new(RuntimeEnv::default());
        let work_dir = shuffle.clone();
        let executor = move |registration| {
            let (runtime, config) = (Arc::clone(&runtime), config.clone());
            Arc::new(Executor::new(
                registration,
                &work_dir,
                Arc::new(move |_| Ok(Arc::clone(&runtime))),
                Arc::new(move || config.clone()),
                Arc::new(BallistaFunctionRegistry::default()),
                Arc::new(LoggingMetricsCollector::default()),
                self.slots,
                careful.clone(),
            ))
        };
        let flight = FlightServiceServer::new(BallistaFlightService::new(shuffle))
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let serving = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .add_service(flight)
            .serve_with_incoming(self.tls.peers(listener, "worker"));
        let driver = self.tls.channel(&self.driver.0, self.driver.1)?;
        let codec: BallistaCodec<LogicalPlanNode, PhysicalPlanNode> =
            BallistaCodec::new(Arc::new(BallistaLogicalExtensionCodec::default()), codec);
        let polling = async {
            loop {
                // tasks of the life before may be running, and the poll loop wants to find a free place
                drop(places.acquire().await);
                let contact = Contact::default();
                let driver = SchedulerGrpcClient::new(contact.watch(driver.clone()))
                    .max_encoding_message_size(MESSAGE_BYTES)
                    .max_decoding_message_size(MESSAGE_BYTES);
                let executor = executor(registration(Attempt::random()?.to_string()));
                let (health, poll) = (ExecutorHealth::new(), Arc::new(Notify::new()));
                let (wake, free) = (Some(Arc::clone(&poll)), Some(Arc::clone(&places)));
                tokio::select! {
                    ended = poll_loop(driver, executor, codec.clone(), wake, free, health.clone()) => {
                        return ended.map_err(|error| {
                            Error::internal("the worker's polling ended").with_source(error.to_string())
                        });
                    }
                    () = tick(poll, health, &self.driver) => {}
                    () = contact.broken() => {
                        tracing::warn!("the contact to the driver was broken: the worker begins anew");
                    }
                }
            }
        };
        tokio::select! {
            ended = serving => ended.map_err(|error| {
                Error::internal("the worker's service ended").with_source(error)
            }),
            ended = polling => ended,
        }
    }
}

/// Wakes the poll loop: often while there is a driver, seldom while there is none. Says which of both when it changes.
async fn tick(poll: Arc<Notify>, health: ExecutorHealth, driver: &(String, u16)) {
    let mut was_there = None;
    loop {
        let is_there = health.is_ready();
        if was_there != Some(is_there) {
            let (host, port) = driver;
            if is_there {
                tracing::warn!("takes tasks of the driver at {host}:{port}");
            } else {
                tracing::warn!("waits for a driver at {host}:{port}");
            }
            was_there = Some(is_there);
        }
        tokio::time::sleep(IDLE[usize::from(!is_there)]).await;
        poll.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        worker: WorkerArguments,
    }

    fn arguments(line: &str) -> WorkerArguments {
        let words = std::iter::once("worker").chain(line.split_whitespace());
        <Line as clap::Parser>::try_parse_from(words)
            .unwrap()
            .worker
    }

    #[test]
    fn drivers_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().to_str().unwrap();
        let of = |line: &str| driver(&arguments(&format!("--host me --emr-info {info} {line}")));
        assert_eq!(of("--driver a:1").unwrap(), ("a".into(), 1));
        let error = of("").unwrap_err().to_string();
        assert!(error.contains("only a node of EMR"), "{error}");
        let error = of("--driver a").unwrap_err().to_string();
        assert!(error.contains("expected HOST:PORT, or emr"), "{error}");
        let job_flow = r#"{"masterPrivateDnsName":"master"}"#;
        fs::write(folder.path().join("job-flow.json"), job_flow).unwrap();
        assert_eq!(of("").unwrap(), ("master".into(), 7071));
        let found = of("--driver emr --driver-port 9").unwrap();
        assert_eq!(found, ("master".into(), 9));
        assert_eq!(of("--driver a:1").unwrap(), ("a".into(), 1));
    }

    #[test]
    fn places_of_data() {
        let path = |text: &str| PathBuf::from(text);
        let disks = || vec![path("/mnt1/camonica"), path("/mnt/camonica")];
        let of = |line: &str| places(&arguments(&format!("--host me {line}")), disks);
        let (work, spill) = of("");
        assert_eq!(work, path("/mnt1/camonica/work"));
        assert_eq!(
            spill,
            [path("/mnt1/camonica/spill"), path("/mnt/camonica/spill")]
        );
        let (work, spill) = of("--work-dir /w");
        assert_eq!((work, spill), (path("/w"), vec![path("/w/spill")]));
        assert_eq!(of("--spill-dir /a,/b").1, [path("/a"), path("/b")]);
        let (work, spill) = places(&arguments("--host me"), Vec::new);
        assert!(work.ends_with("camonica-worker") && spill == [work.join("spill")]);
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(split_address("master:7071"), Some(("master", 7071)));
        assert_eq!(split_address("[::1]:7071"), Some(("::1", 7071)));
        for text in ["master", ":7071", "master:", "master:x", "master:99999"] {
            assert_eq!(split_address(text), None, "{text}");
        }
    }

    #[test]
    fn a_work_folder_has_one_worker_and_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let work_dir = folder.path().join("work");
        let (shuffle, lock) = claim(&work_dir).unwrap();
        fs::write(shuffle.join("left"), "x").unwrap();
        let error = claim(&work_dir).err().unwrap();
        assert!(error.to_string().contains("another worker"), "{error}");
        drop(lock);
        let (shuffle, _lock) = claim(&work_dir).unwrap();
        assert_eq!(fs::read_dir(shuffle).unwrap().count(), 0);
    }
}
