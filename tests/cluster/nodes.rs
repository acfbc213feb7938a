//! Processes and certificates for the tests of the cluster.

#![allow(dead_code, unreachable_pub)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fixtures::{Corpus, Format, Mix};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Name in the certificates of all nodes.
pub const NAME: &str = "node.camonica.test";
const BINARY: &str = env!("CARGO_BIN_EXE_camonica-cluster");
/// Text of every enriched event: it must lie on no worker's disk.
const MARKER: &str = "com.camonica";
/// Numbers the logs.
static SEQUENCE: AtomicUsize = AtomicUsize::new(0);
const PATIENCE: Duration = Duration::from_secs(240);

/// Counts of `shred` in a manifest that do not depend on who did the job.
pub const COUNTS: [&str; 8] = [
    "lines",
    "good",
    "bad",
    "natural_duplicates",
    "synthetic_duplicates",
    "shredded",
    "candidate_ids",
    "key_bytes",
];

/// The manifest of an output.
pub fn manifest_of(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(folder.join("_SUCCESS.manifest.json")).expect("a manifest");
    serde_json::from_str(&text).expect("JSON")
}

/// Waits for something that must come.
pub fn wait_until(what: &str, mut is_there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Made-up data with copies, collisions and malformed lines.
pub fn corpus(format: Format, bytes: u64, folder: &Path) {
    Corpus {
        seed: 23,
        format,
        bytes,
        files: 6,
        gzip: format != Format::Enriched,
        mix: Mix {
            malformed: 0.02,
            copies: 0.03,
            id_collisions: 0.03,
            ..Mix::default()
        },
    }
    .write(folder)
    .expect("a corpus");
}

/// All files in and below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Writes a secret that only its owner can read.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("a secret");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// The resolver of the fixtures; this crate lies one folder deeper than others.
fn resolver() -> String {
    let project = crate::support::project();
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    crate::support::fixtures_resolver().replace(&text(&project), &text(&project.join("..")))
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes key, chain and authority of a node whose certificate ends so many days from now (0: in a year).
    pub fn write_node(&self, folder: &Path, days: i64) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("parameters");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        if days < 0 {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 2, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::create_dir_all(folder).expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
        write("key.pem", &key.serialize_pem());
        write("chain.pem", &certificate.pem());
        write("ca.pem", &self.pem);
    }
}

/// A process of the cluster; ended when dropped.
pub struct Process {
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// The number of the process; a wrapper like `nsenter` becomes what it starts.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().expect("its state").is_some())
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill -9");
            child.wait().expect("its end");
        }
    }

    pub fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a process");
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end.
    pub fn output(mut self) -> Output {
        let mut child = self.child.take().expect("a process");
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("its state") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                child.kill().expect("kill -9");
                panic!("the driver did not end: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Output {
            status,
            stdout: Vec::new(),
            stderr: self.stderr().into_bytes(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder, an authority and a secret that the nodes of one test share.
pub struct Nodes {
    folder: tempfile::TempDir,
    pub authority: Authority,
    /// Begins the command line of every process of the cluster: `nsenter` with its options, for example.
    pub wrapper: Vec<String>,
    /// Stored bytes that a task reads.
    pub task_size: String,
}

impl Nodes {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("the cluster's authority");
        authority.write_node(&folder.path().join("node"), 0);
        write_secret(
            &folder.path().join("secret"),
            "a secret of this cluster that is long enough",
        );
        fs::write(folder.path().join("resolver.json"), resolver()).expect("a resolver");
        Self {
            folder,
            authority,
            wrapper: Vec::new(),
            task_size: "200K".to_owned(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Rows in the log folder of tasks of a stage that have ended.
    pub fn log_rows(&self, stage: &str) -> usize {
        let is_row = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(stage) && name.ends_with(".json")
        };
        files_below(&self.path("log"))
            .iter()
            .filter(|path| is_row(path))
            .count()
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn options(&self, command: &str, options: &[(&str, String)]) -> Vec<String> {
        let mut all = vec![command.to_owned()];
        let shared = [
            ("--iglu-config", self.text("resolver.json")),
            ("--run-id", "2018-07-24-00-00-00".to_owned()),
            ("--failure-timestamp", "0".to_owned()),
            ("--log-folder", self.text("log")),
            ("--progress", "none".to_owned()),
        ];
        for (name, value) in options.iter().chain(&shared) {
            all.push((*name).to_owned());
            all.push(value.clone());
        }
        all
    }

    pub fn enrich(&self, input: &str, output: &str) -> Vec<String> {
        self.options(
            "enrich",
            &[
                ("--input-folder", self.text(input)),
                ("--input-format", "clj-tomcat".into()),
                ("--output-folder", self.text(&format!("{output}/good"))),
                ("--bad-folder", self.text(&format!("{output}/bad"))),
                ("--etl-timestamp", "1532476800000".into()),
            ],
        )
    }

    pub fn shred(&self, input: &str, output: &str) -> Vec<String> {
        self.options(
            "shred",
            &[
                ("--input-folder", self.text(input)),
                ("--output-folder", self.text(&format!("{output}/good"))),
                ("--bad-folder", self.text(&format!("{output}/bad"))),
            ],
        )
    }

    pub fn etl(&self, input: &str, output: &str) -> Vec<String> {
        let folder = |name: &str| self.text(&format!("{output}/{name}"));
        self.options(
            "etl",
            &[
                ("--input-folder", self.text(input)),
                ("--input-format", "clj-tomcat".into()),
                ("--enriched-folder", folder("enriched/good")),
                ("--enriched-bad-folder", folder("enriched/bad")),
                ("--shredded-folder", folder("shredded/good")),
                ("--shredded-bad-folder", folder("shredded/bad")),
                ("--etl-timestamp", "1532476800000".into()),
            ],
        )
    }

    pub fn run(&self, arguments: &[String]) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .output()
            .expect("the program")
    }

    /// Runs a job on this machine.
    pub fn local(&self, arguments: &[String]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
    }

    pub fn free_port(&self) -> u16 {
        crate::support::free_port()
    }

    fn security(&self, certificates: &Path, secret: &Path) -> Vec<String> {
        let file = |name: &str| certificates.join(name).to_str().expect("UTF-8").to_owned();
        [
            ("--tls-key", file("key.pem")),
            ("--tls-certificate", file("chain.pem")),
            ("--tls-ca", file("ca.pem")),
            ("--tls-name", NAME.to_owned()),
            (
                "--cluster-secret",
                secret.to_str().expect("UTF-8").to_owned(),
            ),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    pub fn start(&self, name: &str, arguments: &[String], environment: &[(&str, &str)]) -> Process {
        self.start_program(BINARY, name, arguments, environment)
    }

    /// Starts a copy of the program.
    pub fn start_program(
        &self,
        program: &str,
        name: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Process {
        let log = self.path(&format!(
            "{name}.{}.log",
            SEQUENCE.fetch_add(1, Ordering::Relaxed)
        ));
        let log_file = File::create(&log).expect("a log");
        let line = self.wrapper.iter().map(String::as_str).chain([program]);
        let line: Vec<&str> = line.collect();
        let child = Command::new(line[0])
            .args(&line[1..])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(log_file)
            .spawn()
            .expect("the program");
        Process {
            child: Some(child),
            log,
        }
    }

    /// Starts workers of a driver that will be at the port.
    pub fn workers(&self, count: usize, environment: &[(&str, &str)]) -> (u16, Vec<Process>) {
        let port = self.free_port();
        let workers = (0..count)
            .map(|number| self.worker(port, &format!("w{number}"), environment))
            .collect();
        (port, workers)
    }

    pub fn worker(&self, port: u16, name: &str, environment: &[(&str, &str)]) -> Process {
        self.worker_with(port, name, environment, &self.path("node"))
    }

    pub fn worker_with(
        &self,
        port: u16,
        name: &str,
        environment: &[(&str, &str)],
        certificates: &Path,
    ) -> Process {
        self.worker_of(port, name, environment, certificates, &self.path("secret"))
    }

    pub fn worker_of(
        &self,
        port: u16,
        name: &str,
        environment: &[(&str, &str)],
        certificates: &Path,
        secret: &Path,
    ) -> Process {
        let mut arguments: Vec<String> = [
            "worker",
            "--driver",
            &format!("127.0.0.1:{port}"),
            "--host",
            "127.0.0.1",
            "--listen",
            "127.0.0.1:0",
            "--slots",
            "1",
            "--work-dir",
            &self.text(&format!("work/{name}")),
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(self.security(certificates, secret));
        self.start(name, &arguments, environment)
    }

    pub fn driver(&self, port: u16, workers: usize, job: &[String]) -> Process {
        self.driver_with(port, workers, &[], job)
    }

    pub fn driver_with(
        &self,
        port: u16,
        workers: usize,
        options: &[&str],
        job: &[String],
    ) -> Process {
        self.driver_of(port, workers, options, job, &[])
    }

    pub fn driver_of(
        &self,
        port: u16,
        workers: usize,
        options: &[&str],
        job: &[String],
        environment: &[(&str, &str)],
    ) -> Process {
        let mut arguments: Vec<String> = [
            "driver",
            "--workers",
            &workers.to_string(),
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--worker-timeout",
            "12",
            "--task-size",
            &self.task_size,
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        arguments.extend(self.security(&self.path("node"), &self.path("secret")));
        arguments.extend_from_slice(job);
        self.start("driver", &arguments, environment)
    }

    /// Runs a job on the cluster, which must succeed.
    pub fn driver_ok(&self, port: u16, workers: usize, job: &[String]) {
        let output = self.driver(port, workers, job).output();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Looks at every file in the work folders of all workers. Returns how many there are in the exchange, and their bytes.
    pub fn look_for_plaintext(&self) -> (usize, u64) {
        let mut folders = vec![self.path("work")];
        let (mut files, mut bytes) = (0, 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Ok(content) = fs::read(&path) else {
                    continue;
                };
                for marker in [MARKER, "shop.example", "page_view", "atomic-events"] {
                    let found = content
                        .windows(marker.len())
                        .any(|window| window == marker.as_bytes());
                    assert!(!found, "{} holds `{marker}`", path.display());
                }
                if path.to_string_lossy().contains("/shuffle/") {
                    files += 1;
                    bytes += content.len() as u64;
                }
            }
        }
        (files, bytes)
    }

    /// Asks for a page as a browser does that trusts the authority.
    pub fn get_page(&self, port: u16, path: &str) -> String {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, ServerName};
        let mut roots = rustls::RootCertStore::empty();
        let pem = fs::read(self.path("node/ca.pem")).expect("the authority");
        roots
            .add(CertificateDer::from_pem_slice(&pem).expect("PEM"))
            .expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).expect("a name");
        let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the page");
        let mut stream = rustls::StreamOwned::new(connection, stream);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n").expect("a request");
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8(text).expect("UTF-8")
    }
}
