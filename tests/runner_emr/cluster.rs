//! Jobs on all nodes of a cluster: what is asked of EMR, and the script that sets a node up, run for real in a folder that
//! stands for the node's root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::camonica::{RUN, RunFolder};
use crate::emr_endpoint::Fate;
use crate::support::wait_for;
use crate::{Pipeline, program};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A pipeline with `camonica.cluster`; `settings` are further keys of it.
fn pipeline(fates: &[Fate], settings: &str) -> Pipeline {
    let pipeline = Pipeline::with(fates, |text| {
        let base = text.split("engine_binary: ").nth(1).unwrap();
        let base = base.split("/camonica-engine").next().unwrap().to_owned();
        text.replace(
            "  workers: 1\n",
            &format!("  workers: 1\n  cluster:\n    binary: {base}/camonica-cluster\n{settings}"),
        )
    });
    fs::write(pipeline.path("camonica-cluster"), program()).unwrap();
    pipeline.emr.security_configuration(
        "acme-emr-encrypted",
        &json!({"EncryptionConfiguration": {
            "EnableInTransitEncryption": true, "EnableAtRestEncryption": false,
            "InTransitEncryptionConfiguration": {"TLSCertificateConfiguration": {
                "CertificateProviderType": "PEM", "S3Object": "s3://acme/certs/of-emr.zip"}},
        }}),
    );
    pipeline
}

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().unwrap();
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn a_run_sets_all_nodes_up_and_its_steps_are_drivers() {
    let settings = format!("    key: {KEY}\n    page: 7443\n");
    let pipeline = pipeline(&[Fate::Runs(Vec::new())], &settings);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    pipeline.assert_done();
    let asked = pipeline.emr.calls("DescribeSecurityConfiguration");
    assert_eq!(asked, [json!({ "Name": "acme-emr-encrypted" })]);
    let request = &pipeline.emr.calls("RunJobFlow")[0];
    let actions = request["BootstrapActions"].as_array().unwrap();
    assert_eq!(actions.len(), 3);
    assert_eq!(actions[2]["Name"], "Camonica Bootstrap Action");
    let action = &actions[2]["ScriptBootstrapAction"];
    let args = texts(&action["Args"]);
    let (binary, sum, step) = (args[1], args[3], args[5]);
    assert_eq!(
        args,
        [
            "--program",
            binary,
            "--sha256",
            sum,
            "--step",
            step,
            "--certificates",
            "s3://acme/certs/of-emr.zip",
            "--kms-key",
            KEY,
            "--driver",
            "emr",
            "--",
            "--slots",
            "1"
        ]
    );
    let folder = format!("{}/camonica/{sum}", pipeline.text("log"));
    assert_eq!(binary, format!("{folder}/camonica-cluster"));
    assert!(sum.len() == 64 && step.starts_with(&format!("{folder}/step-")));
    let script = action["Path"].as_str().unwrap();
    assert!(
        script.starts_with(&format!("{folder}/cluster-")),
        "{script}"
    );
    for place in [binary, step, script] {
        assert!(fs::metadata(place).unwrap().len() > 0, "{place}");
    }
    // the other program is not needed
    assert_eq!(pipeline.files(&format!("log/camonica/{sum}")).len(), 3);
    let steps = request["Steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for (step, job) in steps.iter().zip(["enrich", "shred"]) {
        let args = texts(&step["HadoopJarStep"]["Args"]);
        assert_eq!(args[0], "/home/hadoop/camonica/step");
        assert_eq!(
            args[4..16],
            [
                "driver",
                "--workers",
                "2",
                "--listen",
                "0.0.0.0:7071",
                "--page",
                "0.0.0.0:7443",
                "--tls-zip",
                "/home/hadoop/camonica/cluster/certificates.zip",
                "--kms-key",
                KEY,
                job
            ]
        );
        assert!(args.contains(&"documents:resolver.json") && args.contains(&"--log-folder"));
    }
}

#[test]
fn every_setting_has_its_word() {
    let settings = "    key: s3://acme/keys/cluster\n    certificates: s3://acme/other.zip\n    certificate_name: node.acme\n    port: 8071\n    workers: 7\n    master: true\n";
    let pipeline = pipeline(&[Fate::Runs(Vec::new())], settings);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        pipeline
            .emr
            .calls("DescribeSecurityConfiguration")
            .is_empty()
    );
    let request = &pipeline.emr.calls("RunJobFlow")[0];
    let action = &request["BootstrapActions"][2]["ScriptBootstrapAction"];
    assert_eq!(
        texts(&action["Args"])[6..].join(" "),
        "--certificates s3://acme/other.zip --secret s3://acme/keys/cluster --driver emr --port 8071 --tls-name node.acme --master -- --slots 1"
    );
    let step = texts(&request["Steps"][0]["HadoopJarStep"]["Args"]);
    assert_eq!(
        step[4..15].join(" "),
        "driver --workers 7 --listen 0.0.0.0:8071 --tls-zip /home/hadoop/camonica/cluster/certificates.zip --tls-name node.acme --cluster-secret /home/hadoop/camonica/cluster/secret"
    );
}

#[test]
fn what_is_missing_is_told_before_anything_moves() {
    let key = format!("    key: {KEY}\n");
    for (settings, change, part) in [
        (
            key.as_str(),
            "acme-emr-plain",
            "camonica.cluster.certificates: aws.emr.security_configuration 'acme-emr-plain' has no zip of certificates",
        ),
        (
            key.as_str(),
            "acme-emr-unknown",
            "Security configuration with that name does not exist",
        ),
        (
            key.as_str(),
            "",
            "camonica.cluster.certificates: there is no aws.emr.security_configuration",
        ),
        (
            "    key: topsecretkey\n",
            "acme-emr-encrypted",
            "camonica.cluster.key: expected the ARN of a key of KMS, or the URI of a file",
        ),
    ] {
        let pipeline = pipeline(&[], settings);
        pipeline
            .emr
            .security_configuration("acme-emr-plain", &json!({"EncryptionConfiguration": {}}));
        let config = pipeline.path("config.yml");
        let text = fs::read_to_string(&config).unwrap();
        let line = "security_configuration: acme-emr-encrypted";
        let text = text.replace(line, &format!("security_configuration: {change}"));
        fs::write(&config, text).unwrap();
        let (code, out, err) = pipeline.run();
        assert_eq!(code, 1, "{out}\n{err}");
        assert!(err.contains(part), "{part}: {err}");
        assert!(pipeline.emr.calls("RunJobFlow").is_empty());
        assert_eq!(pipeline.files("processing").len(), 0);
    }
    // no program for the nodes
    let pipeline = pipeline(&[], &key);
    fs::remove_file(pipeline.path("camonica-cluster")).unwrap();
    let (code, _, err) = pipeline.run();
    assert_eq!(code, 1);
    assert!(
        err.contains("Set camonica.cluster.binary to a static camonica-cluster"),
        "{err}"
    );
}

#[test]
fn files_of_dataflow_runner_set_the_nodes_up_as_well() {
    let pipeline = pipeline(&[], &format!("    key: {KEY}\n"));
    let (code, out, err) = pipeline.answer("generate all", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(pipeline.path(name)).unwrap()).unwrap()
    };
    let cluster = read("emr-config.json");
    let actions = &cluster["data"]["bootstrapActionConfigs"];
    let own = &actions.as_array().unwrap().last().unwrap()["scriptBootstrapAction"];
    let args = texts(&own["args"]);
    assert_eq!(
        args[6..12].join(" "),
        format!("--certificates s3://acme/certs/of-emr.zip --kms-key {KEY} --driver emr")
    );
    for place in [own["path"].as_str().unwrap(), args[1], args[5]] {
        assert!(fs::metadata(place).is_ok(), "{place}");
    }
    let playbook = read("emr-playbook.json");
    let steps = playbook["data"]["steps"].as_array().unwrap();
    for (name, job) in [
        ("Camonica Step: Enrich Raw Events", "enrich"),
        ("Camonica Step: Shred Enriched Events", "shred"),
    ] {
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        let words = texts(&step["arguments"]);
        assert_eq!((words[4], words[13]), ("driver", job), "{words:?}");
    }
}

/// `aws s3 cp` from a folder that stands for S3; each call is noted.
const AWS: &str = "#!/bin/bash
echo \"aws $*\" >> \"$CALLS\"
[ \"$1 $2 $3\" = 's3 cp --only-show-errors' ] || exit 2
cp \"$STORE/${4#s3://}\" \"$5\"
";
const NOTED: &str = "#!/bin/bash\necho \"${0##*/} $*\" >> \"$CALLS\"\n";
const SUDO: &str = "#!/bin/bash\n[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n";

/// A machine: its root, S3, and programs that only note what they are asked.
struct Machine {
    folder: tempfile::TempDir,
    script: PathBuf,
    sum: String,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/target/emr/cluster.sh");
        let mut machine = Self {
            folder,
            script,
            sum: String::new(),
        };
        for (name, text) in [
            ("aws", AWS),
            ("sysctl", NOTED),
            ("systemctl", NOTED),
            ("sudo", SUDO),
            ("hostname", "#!/bin/bash\necho ip-10-0-0-9.ec2.internal\n"),
        ] {
            machine.write(&format!("bin/{name}"), text, 0o755);
        }
        // ends after its first words, so that something has to start it again
        let program = "#!/bin/bash\necho \"$* files $(ulimit -n) core $(ulimit -c) cache $XDG_CACHE_HOME\" >> \"${0%/*}/runs\"\n";
        machine.write("s3/acme/camonica-cluster", program, 0o644);
        machine.write("s3/acme/certs.zip", "certificates", 0o644);
        machine.write("s3/acme/secret", "a secret", 0o644);
        machine.write("s3/acme/step.sh", "#!/bin/bash\n", 0o644);
        let output = Command::new("sha256sum")
            .arg(machine.path("s3/acme/camonica-cluster"))
            .output()
            .unwrap();
        machine.sum = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
        machine
    }

    /// As a node of EMR.
    fn of_emr(is_master: bool, has_systemd: bool) -> Self {
        let machine = Self::new();
        let instance =
            format!("{{\n  \"isMaster\": {is_master},\n  \"isRunningNameNode\": false\n}}");
        machine.write("root/mnt/var/lib/info/instance.json", &instance, 0o644);
        fs::create_dir_all(machine.path("root/mnt1")).unwrap();
        if has_systemd {
            fs::create_dir_all(machine.path("root/run/systemd/system")).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, more: &[&str]) -> Output {
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let mut words = vec![
            "--program",
            "s3://acme/camonica-cluster",
            "--sha256",
            &self.sum,
            "--certificates",
            "s3://acme/certs.zip",
            "--user",
            user.trim_end(),
        ];
        words.extend_from_slice(more);
        self.run_with(&words)
    }

    fn run_with(&self, words: &[&str]) -> Output {
        Command::new("bash")
            .arg(&self.script)
            .args(words)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("CALLS", self.path("calls"))
            .env("STORE", self.path("s3"))
            .env("CAMONICA_ROOT", self.path("root"))
            .env("CAMONICA_HOME", self.path("home"))
            .env("TMPDIR", self.folder.path())
            .output()
            .unwrap()
    }

    fn unit(&self) -> String {
        self.read("root/etc/systemd/system/camonica-worker.service")
    }

    /// Nothing of a download stays.
    fn assert_tidy(&self) {
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with("tmp."), "{name} was left");
        }
    }
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn nodes_get_a_service() {
    let machine = Machine::of_emr(false, true);
    let output = machine.run(&[
        "--kms-key",
        KEY,
        "--step",
        "s3://acme/step.sh",
        "--port",
        "8071",
        "--",
        "--slots",
        "3",
    ]);
    assert!(output.status.success(), "{output:?}");
    machine.assert_tidy();
    let calls = machine.read("calls");
    let systemctl: Vec<&str> = calls
        .lines()
        .filter(|line| line.starts_with("systemctl"))
        .collect();
    assert_eq!(
        systemctl,
        [
            "systemctl daemon-reload",
            "systemctl enable camonica-worker.service",
            "systemctl restart camonica-worker.service"
        ]
    );
    assert!(calls.contains("net.ipv4.tcp_keepalive_time=200"), "{calls}");
    let home = machine.path("home").display().to_string();
    let unit = machine.unit();
    for line in [
        format!(
            "ExecStart={home}/camonica-cluster worker --driver emr --host ip-10-0-0-9.ec2.internal --tls-zip {home}/cluster/certificates.zip --driver-port 8071 --kms-key {KEY} --slots 3"
        ),
        "Restart=always".into(),
        "LimitNOFILE=65536".into(),
        "NoNewPrivileges=yes".into(),
        "WantedBy=multi-user.target".into(),
    ] {
        assert!(unit.lines().any(|each| each == line), "{line}: {unit}");
    }
    for (name, mode) in [
        ("home/camonica-cluster", 0o755),
        ("home/step", 0o755),
        ("home/cluster", 0o700),
        ("home/cluster/certificates.zip", 0o600),
        ("root/mnt/camonica", 0o700),
        ("root/mnt1/camonica", 0o700),
        ("root/etc/systemd/system/camonica-worker.service", 0o644),
    ] {
        assert_eq!(machine.mode(name), mode, "{name}");
    }
    // systemd itself finds nothing wrong with it
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(machine.path("root/etc/systemd/system/camonica-worker.service"))
        .output();
    match verify {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!text.contains("camonica-worker"), "{text}");
        }
        Err(_) => println!("SKIPPED: systemd-analyze is not here: the unit was not verified"),
    }
    // another time, with a secret: the program is replaced, and so is the unit
    let output = machine.run(&["--secret", "s3://acme/secret", "--host", "other"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.mode("home/cluster/secret"), 0o600);
    let unit = machine.unit();
    assert!(
        unit.contains(&format!("--host other --tls-zip {home}/cluster/certificates.zip --cluster-secret {home}/cluster/secret\n")),
        "{unit}"
    );
}

#[test]
fn another_program_is_not_installed() {
    let machine = Machine::of_emr(false, true);
    machine.write(
        "s3/acme/camonica-cluster",
        "#!/bin/bash\necho other\n",
        0o644,
    );
    let text = error_of(&machine.run(&["--kms-key", KEY]));
    assert!(
        text.contains("s3://acme/camonica-cluster: the checksum is ")
            && text.contains(&machine.sum),
        "{text}"
    );
    assert!(!machine.path("home/camonica-cluster").exists());
    assert_eq!(machine.unit(), "");
    assert!(!machine.read("calls").contains("systemctl"));
    machine.assert_tidy();
}

#[test]
fn the_master_works_only_if_asked() {
    let machine = Machine::of_emr(true, true);
    let output = machine.run(&["--kms-key", KEY, "--step", "s3://acme/step.sh"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.unit(), "");
    // it runs the driver
    for name in ["camonica-cluster", "step", "cluster/certificates.zip"] {
        assert!(machine.path("home").join(name).exists(), "{name}");
    }
    let output = machine.run(&["--kms-key", KEY, "--master"]);
    assert!(output.status.success(), "{output:?}");
    assert!(machine.unit().contains("--driver emr"));
}

#[test]
fn machines_without_emr_name_their_driver_and_take_files() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("root/run/systemd/system")).unwrap();
    let place = |name: &str| {
        machine
            .path(&format!("s3/acme/{name}"))
            .display()
            .to_string()
    };
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let output = machine.run_with(&[
        "--program",
        &format!("file://{}", place("camonica-cluster")),
        "--sha256",
        &machine.sum,
        "--certificates",
        &place("certs.zip"),
        "--secret",
        &place("secret"),
        "--driver",
        "10.0.0.5:7071",
        "--user",
        user.trim_end(),
    ]);
    assert!(output.status.success(), "{output:?}");
    assert!(!machine.read("calls").contains("aws"));
    let unit = machine.unit();
    assert!(
        unit.contains("worker --driver 10.0.0.5:7071 --host"),
        "{unit}"
    );
    assert!(
        unit.contains("XDG_CACHE_HOME=/var/tmp/camonica\n"),
        "{unit}"
    );
}

#[test]
fn mistakes_end_the_script() {
    let machine = Machine::of_emr(false, true);
    for (more, part) in [
        (
            &["--kms-key", KEY, "--secret", "s3://acme/secret"][..],
            "give one of --kms-key and --secret",
        ),
        (&[], "give --kms-key or --secret"),
        (&["--kms-key"], "--kms-key: a value is missing"),
        (&["--kms-kee", KEY], "unknown option --kms-kee"),
        (
            &["--secret", "https://example.com/secret"],
            "secrets are not taken from https://",
        ),
        (&["--secret", "http://example.com/secret"], "expected s3://"),
        (&["--kms-key", KEY, "--sha256", "abc"], "expected 64 digits"),
        (&["--kms-key", KEY, "--host", "a b"], "'a b': only letters"),
        (
            &["--kms-key", KEY, "--", "--work-dir", "/a$(id)"],
            "'/a$(id)': only letters",
        ),
        (&["--kms-key", KEY, "--", "%h"], "'%h': only letters"),
    ] {
        let text = error_of(&machine.run(more));
        assert!(text.contains(part), "{part}: {text}");
        assert_eq!(machine.unit(), "", "{part}");
    }
}

#[test]
fn an_object_that_is_not_there_ends_the_script() {
    let machine = Machine::of_emr(false, true);
    fs::remove_file(machine.path("s3/acme/certs.zip")).unwrap();
    let text = error_of(&machine.run(&["--kms-key", KEY]));
    assert!(
        text.contains("s3://acme/certs.zip cannot be fetched"),
        "{text}"
    );
    let tries = machine.read("calls");
    assert_eq!(tries.matches("s3://acme/certs.zip").count(), 5, "{tries}");
    assert_eq!(machine.unit(), "");
}

#[test]
fn without_systemd_a_script_keeps_the_worker_running() {
    let machine = Machine::of_emr(false, false);
    let output = machine.run(&["--kms-key", KEY]);
    assert!(output.status.success(), "{output:?}");
    assert!(!machine.read("calls").contains("systemctl"));
    let runs = || machine.read("home/runs").lines().count();
    wait_for("the worker is started again after it ended", || runs() >= 2);
    let first = machine.read("home/runs");
    let first = first.lines().next().unwrap();
    assert!(
        first.starts_with("worker --driver emr --host ip-10-0-0-9.ec2.internal --tls-zip")
            && first.contains(" core 0 cache ")
            && first.contains("/mnt1/camonica/cache"),
        "{first}"
    );
    let pid = machine.read("home/cluster/run.pid");
    // set up again: the one before makes room
    let output = machine.run(&["--kms-key", KEY, "--host", "again"]);
    assert!(output.status.success(), "{output:?}");
    wait_for("the new options", || {
        machine.read("home/runs").contains("--host again")
    });
    let next = machine.read("home/cluster/run.pid");
    assert_ne!(pid, next);
    let is_alive = |pid: &str| Path::new("/proc").join(pid.trim()).join("exe").exists();
    assert!(!is_alive(&pid) && is_alive(&next));
    let status = Command::new("kill").arg(next.trim()).status().unwrap();
    assert!(status.success());
    wait_for("it is stopped", || !is_alive(&next));
    let count = runs();
    std::thread::sleep(Duration::from_millis(6_000));
    assert_eq!(runs(), count);
}
