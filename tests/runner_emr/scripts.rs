//! The scripts that run on the nodes, with stand-ins for `aws`, `sudo` and the engine; and the static engine in an empty root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::emr_endpoint::Fate;
use crate::{Pipeline, RUN};

/// `aws s3 cp` between folders; each call is noted.
const AWS: &str = "#!/bin/bash
echo \"$*\" >> \"$CALLS\"
words=()
recursive=
while [ $# -gt 0 ]; do
  case $1 in
    s3|cp|--only-show-errors) ;;
    --recursive) recursive=1 ;;
    --sse|--sse-kms-key-id) shift ;;
    *) words+=(\"$1\") ;;
  esac
  shift
done
mkdir -p \"$(dirname \"${words[1]}\")\"
if [ -n \"$recursive\" ]; then
  mkdir -p \"${words[1]}\" && cp -r \"${words[0]}/.\" \"${words[1]}\"
else
  cp \"${words[0]}\" \"${words[1]}\"
fi
";

struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        node.program("bin/aws", AWS);
        node.program("bin/sudo", "#!/bin/bash\necho \"sudo $*\" >> \"$CALLS\"\n");
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn program(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &Path, args: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.text("bin"));
        Command::new("bash")
            .arg(script)
            .args(args)
            .env("PATH", path)
            .env("CALLS", self.path("calls"))
            .env("CAMONICA_HOME", self.path("home"))
            .env("TMPDIR", self.folder.path())
            .output()
            .unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

/// The scripts as a run wrote them.
fn scripts() -> (Pipeline, PathBuf, PathBuf) {
    let pipeline = Pipeline::new(&[Fate::Runs(Vec::new())]);
    assert_eq!(pipeline.run().0, 0);
    let request = &pipeline.emr.calls("RunJobFlow")[0];
    let action = &request["BootstrapActions"][2]["ScriptBootstrapAction"];
    let path = |value: &serde_json::Value| PathBuf::from(value.as_str().unwrap());
    let (bootstrap, step) = (path(&action["Path"]), path(&action["Args"][2]));
    (pipeline, bootstrap, step)
}

#[test]
fn nodes_install_and_run_the_engine() {
    let (_pipeline, bootstrap, step) = scripts();
    let node = Node::new();
    let engine = "#!/bin/bash\necho \"run $*\"\necho \"tmp $TMPDIR\"\nfor word in \"$@\"; do case $word in */documents/*) cat \"$word\" ;; esac; done\nexit 7\n";
    node.program("store/camonica-engine", engine);
    let sum = Command::new("sha256sum")
        .arg(node.path("store/camonica-engine"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split_whitespace().next().unwrap().to_owned();
    let (uri, step_uri) = (
        node.text("store/camonica-engine"),
        step.display().to_string(),
    );
    // a damaged download is refused
    let output = node.run(
        &bootstrap,
        &[
            &uri,
            &sum.replace(|c: char| c.is_ascii_digit(), "0"),
            &step_uri,
        ],
    );
    assert!(!output.status.success());
    let output = node.run(&bootstrap, &[&uri, &sum, &step_uri]);
    assert!(output.status.success(), "{output:?}");
    assert!(node.calls().contains("sudo sysctl -w net.ipv4.tcp_keepalive_time=200 net.ipv4.tcp_keepalive_intvl=200 net.ipv4.tcp_keepalive_probes=5"), "{}", node.calls());
    fs::create_dir_all(node.path("documents")).unwrap();
    fs::write(node.path("documents/resolver.json"), "{\"a\": 1}\n").unwrap();
    for (encryption, option) in [
        ("none", ""),
        ("AES256", " --sse AES256"),
        (
            "aws:kms:arn:aws:kms:eu-west-1:1:key/2",
            " --sse aws:kms --sse-kms-key-id arn:aws:kms:eu-west-1:1:key/2",
        ),
    ] {
        let log = node.text("kept/step.log");
        let output = node.run(
            &node.path("home/step"),
            &[
                &node.text("documents"),
                &log,
                encryption,
                "shred",
                "--iglu-config",
                "documents:resolver.json",
                "--input-folder",
                "s3://a b/*,s3://c",
            ],
        );
        // the engine's own exit code, and its log kept
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.starts_with("run shred --iglu-config /"), "{text}");
        assert!(
            text.contains("/documents/resolver.json --input-folder s3://a b/*,s3://c\n"),
            "{text}"
        );
        assert!(text.ends_with("{\"a\": 1}\n"), "{text}");
        let last = node.calls();
        let last = last.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("s3 cp --only-show-errors{option} /")),
            "{last}"
        );
    }
    // a driver is another program
    node.program(
        "home/camonica-cluster",
        "#!/bin/bash\necho \"cluster $*\"\n",
    );
    let log = node.text("kept/driver.log");
    let output = node.run(
        &node.path("home/step"),
        &[
            &node.text("documents"),
            &log,
            "none",
            "driver",
            "--workers",
            "2",
            "shred",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text, "cluster driver --workers 2 shred\n");
    // the documents are gone from the node
    let left: Vec<String> = fs::read_dir(node.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        !left.iter().any(|name| name.starts_with("tmp.")),
        "{left:?}"
    );
}

#[test]
fn missing_documents_end_a_step() {
    let (_pipeline, _, step) = scripts();
    let node = Node::new();
    node.program("home/camonica-engine", "#!/bin/bash\nexit 0\n");
    let output = node.run(
        &step,
        &[&node.text("none"), &node.text("log"), "none", "enrich"],
    );
    assert_eq!(output.status.code(), Some(1), "{output:?} {RUN}");
}

/// The engine as the nodes get it: `CAMONICA_STATIC_ENGINE`, else a build for the target.
fn static_engine() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CAMONICA_STATIC_ENGINE") {
        return Some(path.into());
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/x86_64-unknown-linux-gnu");
    ["release", "debug"]
        .into_iter()
        .map(|profile| target.join(profile).join("camonica-engine"))
        .find(|path| path.is_file())
}

#[test]
fn the_static_engine_starts_in_an_empty_root() {
    let Some(engine) = static_engine() else {
        println!(
            "SKIPPED: the static engine is not built: RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release --target x86_64-unknown-linux-gnu -p camonica-engine (CAMONICA_STATIC_ENGINE names another)"
        );
        return;
    };
    let root = tempfile::tempdir().unwrap();
    fs::copy(&engine, root.path().join("camonica-engine")).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "chroot"])
        .arg(root.path())
        .args(["/camonica-engine", "--version"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.starts_with("camonica-engine "), "{text}");
        }
        Ok(output)
            if String::from_utf8_lossy(&output.stderr).contains("Operation not permitted") =>
        {
            println!(
                "SKIPPED: an empty root cannot be entered here: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        other => panic!("the engine does not start in an empty root: {other:?}"),
    }
}
