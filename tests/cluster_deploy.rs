//! A cluster as it is set up on EMR and EC2: workers that find the driver by EMR's own files, and keys of jobs by KMS (moto,
//! behind a recorder that can also refuse).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/http_stub.rs"]
mod http_stub;
#[path = "support/moto.rs"]
mod moto;
#[path = "cluster/nodes.rs"]
mod nodes;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fixtures::Format;
use http_stub::{HttpStub, Received, Reply};
use moto::Moto;
use nodes::{NAME, Nodes, Process, corpus, wait_until, write_secret};
use serde_json::{Value, json};
use support::parts;

/// The reply to one call of KMS, if it shall not be moto's: by operation and number, from 1.
type Fault = fn(&str, usize) -> Option<Value>;

/// KMS: moto behind a recorder.
struct KmsPeer {
    stub: HttpStub,
    moto: u16,
}

fn target(request: &Received) -> &str {
    let target = request.headers["x-amz-target"].as_str();
    target.strip_prefix("TrentService.").unwrap_or(target)
}

/// A call of KMS, without a client's help.
fn ask(port: u16, operation: &str, authorization: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Amz-Target: TrentService.{operation}\r\nContent-Type: application/x-amz-json-1.1\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

impl KmsPeer {
    /// None (and a loud line) without moto.
    fn start(fault: Fault) -> Option<Self> {
        let moto = Moto::get()?;
        let port = moto.endpoint().rsplit(':').next()?.parse().unwrap();
        let counts = std::sync::Mutex::new(std::collections::BTreeMap::<String, usize>::new());
        let stub = HttpStub::start(move |request| {
            let operation = target(request);
            let number = {
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(operation.to_owned()).or_default();
                *count += 1;
                *count
            };
            if let Some(refusal) = fault(operation, number) {
                return Reply::text(400, refusal.to_string());
            }
            let (status, body) = ask(
                port,
                operation,
                &request.headers["authorization"],
                &request.body,
            );
            Reply::Answer(status, body)
        });
        Some(Self { stub, moto: port })
    }

    /// ARN of a new key.
    fn key(&self) -> String {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0";
        let (status, body) = ask(self.moto, "CreateKey", authorization, b"{}");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        answer["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    fn calls(&self, operation: &str) -> Vec<Value> {
        self.stub
            .received()
            .iter()
            .filter(|request| target(request) == operation)
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_KMS", self.stub.url()),
            ("AWS_ACCESS_KEY_ID", "AKIATEST".into()),
            ("AWS_SECRET_ACCESS_KEY", "topsecretkey".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }
}

/// A process of the cluster with the options of its certificates and `more`.
fn start(nodes: &Nodes, role: &str, more: &[&str], environment: &[(&str, String)]) -> Process {
    let file = |name: &str| nodes.path("node").join(name).display().to_string();
    let (key, chain, authority) = (file("key.pem"), file("chain.pem"), file("ca.pem"));
    let mut arguments = vec![role.to_owned()];
    let certificates = [
        "--tls-key",
        &key,
        "--tls-certificate",
        &chain,
        "--tls-ca",
        &authority,
        "--tls-name",
        NAME,
    ];
    arguments.extend(
        certificates
            .iter()
            .chain(more)
            .map(|word| (*word).to_owned()),
    );
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    nodes.start(role, &arguments, &environment)
}

fn worker(nodes: &Nodes, name: &str, more: &[&str], environment: &[(&str, String)]) -> Process {
    let work = nodes.path(&format!("work/{name}")).display().to_string();
    let mut options = vec![
        "--host",
        "127.0.0.1",
        "--listen",
        "127.0.0.1:0",
        "--slots",
        "1",
        "--work-dir",
        &work,
    ];
    options.extend_from_slice(more);
    start(nodes, "worker", &options, environment)
}

fn driver(
    nodes: &Nodes,
    port: u16,
    workers: usize,
    more: &[&str],
    environment: &[(&str, String)],
) -> Process {
    let listen = format!("127.0.0.1:{port}");
    let workers = workers.to_string();
    let job = nodes.shred("enriched", "out");
    let mut options = vec![
        "--workers",
        &workers,
        "--listen",
        &listen,
        "--task-size",
        "100K",
    ];
    options.extend_from_slice(more);
    options.extend(job.iter().map(String::as_str));
    start(nodes, "driver", &options, environment)
}

fn prepared() -> Nodes {
    let nodes = Nodes::new();
    corpus(Format::Enriched, 150_000, &nodes.path("enriched"));
    nodes
}

fn assert_like_one_machine(nodes: &Nodes) {
    nodes.local(&nodes.shred("enriched", "one"));
    let lines = |name: &str| parts::lines_by_folder(&nodes.path(name));
    assert!(!lines("one").is_empty());
    assert_eq!(lines("one"), lines("out"));
}

fn assert_nothing_visible(nodes: &Nodes) {
    assert!(!nodes.path("out/good/_SUCCESS").exists());
}

fn write_job_flow(folder: &Path, master: &str) {
    let text = json!({
        "jobFlowId": "j-MADEUP", "masterPrivateDnsName": master, "instanceGroups": [],
    });
    fs::write(folder.join("job-flow.json"), text.to_string()).unwrap();
}

#[test]
fn workers_find_the_driver_by_the_files_of_emr() {
    let nodes = prepared();
    let port = nodes.free_port();
    let info = nodes.path("info");
    fs::create_dir(&info).unwrap();
    fs::write(info.join("instance.json"), r#"{"isMaster": false}"#).unwrap();
    let (port_text, info_text) = (port.to_string(), info.display().to_string());
    let secret = nodes.path("secret").display().to_string();
    let more = ["--driver-port", &port_text, "--emr-info", &info_text];
    let secret_option = ["--cluster-secret", secret.as_str()];
    // one is told, and waits for a file that is not there yet
    let told = [&["--driver", "emr"], &more[..], &secret_option[..]].concat();
    let early = worker(&nodes, "early", &told, &[]);
    wait_until("a word of the missing file", || {
        early.stderr().contains("waits for the name of the master")
    });
    write_job_flow(&info, "127.0.0.1");
    // the other knows that it is a node of EMR by that file
    let _second = worker(
        &nodes,
        "second",
        &[&more[..], &secret_option[..]].concat(),
        &[],
    );
    let output = driver(&nodes, port, 2, &secret_option, &[]).output();
    assert!(output.status.success(), "{output:?}");
    assert_like_one_machine(&nodes);
    assert!(
        early
            .stderr()
            .contains(&format!("takes tasks of the driver at 127.0.0.1:{port}")),
        "{}",
        early.stderr()
    );
}

#[test]
fn a_machine_that_is_no_node_of_emr_says_so() {
    let nodes = Nodes::new();
    let secret = nodes.path("secret").display().to_string();
    let info = nodes.path("none").display().to_string();
    for (more, part) in [
        (
            vec!["--driver", "emr"],
            "this is no node of EMR; give the driver's address",
        ),
        (vec![], "only a node of EMR finds its driver by itself"),
    ] {
        let mut options = vec!["--cluster-secret", &secret, "--emr-info", &info];
        options.extend(more);
        let output = worker(&nodes, "alone", &options, &[]).output();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(part), "{text}");
    }
}

/// A program of a made-up machine that does nothing.
fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The zip of a node's certificates, as EMR takes it.
fn write_zip(nodes: &Nodes, to: &Path) {
    let mut zip = zip::ZipWriter::new(fs::File::create(to).unwrap());
    for (name, file) in [
        ("privateKey.pem", "key.pem"),
        ("certificateChain.pem", "chain.pem"),
        ("trustedCertificates.pem", "ca.pem"),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        let content = fs::read(nodes.path("node").join(file)).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn the_service_of_the_bootstrap_script_does_tasks() {
    let nodes = prepared();
    let root = nodes.path("root");
    let info = root.join("mnt/var/lib/info");
    fs::create_dir_all(&info).unwrap();
    fs::create_dir_all(root.join("run/systemd/system")).unwrap();
    fs::write(info.join("instance.json"), r#"{"isMaster": false}"#).unwrap();
    write_job_flow(&info, "127.0.0.1");
    for name in ["systemctl", "sysctl"] {
        write_program(&nodes.path("bin").join(name), "#!/bin/bash\n");
    }
    write_program(&nodes.path("bin/hostname"), "#!/bin/bash\necho 127.0.0.1\n");
    write_program(&nodes.path("bin/sudo"), "#!/bin/bash\nexec \"$@\"\n");
    write_zip(&nodes, &nodes.path("certs.zip"));
    let text = |name: &str| nodes.path(name).display().to_string();
    let binary = env!("CARGO_BIN_EXE_camonica-cluster");
    let first_word = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().next().unwrap().to_owned()
    };
    let (sum, user) = (first_word("sha256sum", binary), first_word("id", "-un"));
    let port = nodes.free_port().to_string();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runner/src/target/emr/cluster.sh");
    let output = Command::new("bash")
        .arg(script)
        .args(["--program", binary, "--sha256", &sum])
        .args(["--certificates", &text("certs.zip"), "--tls-name", NAME])
        .args(["--secret", &text("secret"), "--user", &user])
        .args(["--port", &port])
        .args(["--", "--emr-info", &info.display().to_string()])
        .args(["--listen", "127.0.0.1:0", "--slots", "1"])
        .args(["--work-dir", &text("work/service")])
        .env("PATH", format!("{}:/usr/bin:/bin", text("bin")))
        .env("CAMONICA_ROOT", &root)
        .env("CAMONICA_HOME", nodes.path("home"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    // what systemd would start
    let unit = fs::read_to_string(root.join("etc/systemd/system/camonica-worker.service")).unwrap();
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    assert_eq!(words[0], text("home/camonica-cluster"));
    let _worker = nodes.start_program(&words[0], "service", &words[1..], &[]);
    let secret = text("secret");
    let more = ["--cluster-secret", secret.as_str()];
    let output = driver(&nodes, port.parse().unwrap(), 1, &more, &[]).output();
    assert!(output.status.success(), "{output:?}");
    assert_like_one_machine(&nodes);
}

/// The first answers ask for fewer calls.
fn throttled(operation: &str, number: usize) -> Option<Value> {
    let is_slow = matches!((operation, number), ("GenerateDataKey" | "Decrypt", 1));
    is_slow.then(|| json!({"__type": "ThrottlingException", "message": "You have exceeded the rate at which you may call KMS."}))
}

#[test]
fn keys_by_kms_travel_encrypted_and_are_asked_for_once() {
    let Some(kms) = KmsPeer::start(throttled) else {
        return;
    };
    let nodes = prepared();
    let key = kms.key();
    let port = nodes.free_port();
    let address = format!("127.0.0.1:{port}");
    let environment = kms.environment();
    let options = ["--driver", &address, "--kms-key", &key];
    let _workers = ["one", "two"].map(|name| worker(&nodes, name, &options, &environment));
    let output = driver(&nodes, port, 2, &["--kms-key", &key], &environment).output();
    assert!(output.status.success(), "{output:?}");
    assert_like_one_machine(&nodes);
    let made = kms.calls("GenerateDataKey");
    assert_eq!(made.len(), 2, "one refused, one more try: {made:?}");
    let job = made[1]["EncryptionContext"]["camonica-job"]
        .as_str()
        .unwrap();
    assert!(
        job.starts_with("shred-") && job.len() == "shred-".len() + 32,
        "{job}"
    );
    assert_eq!(
        (&made[1]["KeyId"], &made[1]["KeySpec"]),
        (&json!(key), &json!("AES_256"))
    );
    let opened = kms.calls("Decrypt");
    // a worker may have had no task at all; the first call is tried again
    assert!((2..=3).contains(&opened.len()), "{opened:?}");
    for call in &opened {
        assert_eq!(call["KeyId"], json!(key));
        assert_eq!(call["EncryptionContext"], json!({ "camonica-job": job }));
    }
    nodes.look_for_plaintext();
}

fn denied_to_workers(operation: &str, _: usize) -> Option<Value> {
    (operation == "Decrypt").then(|| {
        json!({"__type": "AccessDeniedException",
            "Message": "User: arn:aws:sts::1:assumed-role/EMR_EC2_DefaultRole/i-0 is not authorized to perform: kms:Decrypt"})
    })
}

fn denied_to_the_driver(operation: &str, _: usize) -> Option<Value> {
    (operation == "GenerateDataKey").then(|| {
        json!({"__type": "AccessDeniedException", "Message": "not authorized to perform: kms:GenerateDataKey"})
    })
}

fn made_with_another_key(operation: &str, _: usize) -> Option<Value> {
    (operation == "Decrypt").then(|| {
        json!({"__type": "IncorrectKeyException", "message": "The key ID in the request does not identify a CMK that can perform this operation."})
    })
}

/// A job that fails, and what the driver said.
fn failing(nodes: &Nodes, kms: &KmsPeer, driver_key: &str, worker_key: &[&str]) -> String {
    let port = nodes.free_port();
    let address = format!("127.0.0.1:{port}");
    let environment = kms.environment();
    let options = [&["--driver", &address], worker_key].concat();
    let _worker = worker(nodes, "only", &options, &environment);
    let output = driver(nodes, port, 1, &["--kms-key", driver_key], &environment).output();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_nothing_visible(nodes);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("topsecretkey"), "{text}");
    text
}

#[test]
fn a_worker_that_may_not_decrypt_is_told_the_action_and_the_key() {
    let Some(kms) = KmsPeer::start(denied_to_workers) else {
        return;
    };
    let nodes = prepared();
    let key = kms.key();
    let text = failing(&nodes, &kms, &key, &["--kms-key", &key]);
    assert!(text.contains("may not do kms:Decrypt"), "{text}");
    assert!(text.contains(&key), "{text}");
    assert!(text.contains("EMR_EC2_DefaultRole"), "{text}");
}

#[test]
fn a_driver_that_may_not_make_keys_is_told_before_it_waits() {
    let Some(kms) = KmsPeer::start(denied_to_the_driver) else {
        return;
    };
    let nodes = prepared();
    let key = kms.key();
    let port = nodes.free_port();
    let output = driver(&nodes, port, 1, &["--kms-key", &key], &kms.environment()).output();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("may not do kms:GenerateDataKey") && text.contains(&key),
        "{text}"
    );
    assert_nothing_visible(&nodes);
}

#[test]
fn another_key_opens_nothing() {
    let Some(kms) = KmsPeer::start(made_with_another_key) else {
        return;
    };
    let nodes = prepared();
    let (key, other) = (kms.key(), kms.key());
    let text = failing(&nodes, &kms, &key, &["--kms-key", &other]);
    assert!(
        text.contains("driver and workers need the same --kms-key") && text.contains(&other),
        "{text}"
    );
    // moto itself refuses it, too
    let Some(kms) = KmsPeer::start(|_, _| None) else {
        return;
    };
    let text = failing(&nodes, &kms, &key, &["--kms-key", &other]);
    assert!(text.contains("may not do kms:Decrypt"), "{text}");
}

#[test]
fn a_secret_and_a_key_of_kms_do_not_mix() {
    let Some(kms) = KmsPeer::start(|_, _| None) else {
        return;
    };
    let nodes = prepared();
    let secret = nodes.path("other-secret");
    write_secret(&secret, "a secret of a worker that has no key of KMS");
    let secret = secret.display().to_string();
    let text = failing(&nodes, &kms, &kms.key(), &["--cluster-secret", &secret]);
    assert!(
        text.contains("the driver has --kms-key and this worker --cluster-secret"),
        "{text}"
    );
}

#[test]
fn keys_are_not_asked_for_in_the_clear() {
    let nodes = prepared();
    let port = nodes.free_port();
    let environment = [
        ("AWS_ENDPOINT_URL_KMS", "http://192.0.2.1:8080".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIATEST".into()),
        ("AWS_SECRET_ACCESS_KEY", "topsecretkey".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ];
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let begin = std::time::Instant::now();
    let output = driver(&nodes, port, 1, &["--kms-key", key], &environment).output();
    assert_eq!(output.status.code(), Some(1));
    assert!(begin.elapsed() < Duration::from_secs(20));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("in the clear"), "{text}");
}
