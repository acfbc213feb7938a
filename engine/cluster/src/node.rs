//! What a machine knows of itself: where the master of its EMR cluster is, and which disks it has for data.
//!
//! EMR writes two files on each node: `job-flow.json` (`masterPrivateDnsName`) and `instance.json` (`isMaster`). Its nodes, and
//! EC2 machines that are set up likewise, mount their large disks at `/mnt`, `/mnt1`, `/mnt2` and so on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Error, Result};
use serde_json::Value;

/// Where EMR keeps what a node knows of its cluster.
pub const EMR_INFO: &str = "/mnt/var/lib/info";
/// The file that names the master.
const JOB_FLOW: &str = "job-flow.json";
/// The file that tells what kind of node this is.
const INSTANCE: &str = "instance.json";
/// A file that is larger is something else.
const MOST_BYTES: u64 = 4 << 20;
/// How often the file is looked for while it is not there yet.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which it is told again what is missing.
const TOLD_EVERY: u32 = 60;
/// Folder of ours on a disk.
const FOLDER: &str = "camonica";

/// Whether this is a node of EMR, as the folder of its files tells.
pub fn is_emr(info: &Path) -> bool {
    info.join(JOB_FLOW).is_file()
}

/// The master of the node's cluster, by the name that EMR gave it. `host` is this node's own, which a master calls
/// `localhost`. Waits while EMR has not written the file yet: workers are started early in a node's life.
///
/// # Errors
/// `Config` on a machine that is no node of EMR.
pub fn emr_master(info: &Path, host: &str) -> Result<String> {
    let mut looks: u32 = 0;
    loop {
        if !info.is_dir() {
            return Err(Error::config(format!(
                "--driver emr: {} is not there, so this is no node of EMR; give the driver's address, HOST:PORT",
                info.display()
            )));
        }
        match read_master(info, host) {
            Ok(master) => return Ok(master),
            Err(why) if looks.is_multiple_of(TOLD_EVERY) => {
                tracing::warn!("waits for the name of the master: {why}");
            }
            Err(_) => {}
        }
        looks = looks.wrapping_add(1);
        std::thread::sleep(LOOK);
    }
}

fn read_master(info: &Path, host: &str) -> std::result::Result<String, String> {
    let path = info.join(JOB_FLOW);
    let document = read(&path)?;
    let name = document["masterPrivateDnsName"]
        .as_str()
        .unwrap_or_default();
    let is_name = !name.is_empty()
        && !name.starts_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
    if !is_name {
        return Err(format!(
            "{}: masterPrivateDnsName is no name of a host",
            path.display()
        ));
    }
    let is_master = || {
        read(&info.join(INSTANCE))
            .is_ok_and(|instance| instance["isMaster"].as_bool() == Some(true))
    };
    if name == "localhost" && is_master() {
        return Ok(host.to_owned());
    }
    Ok(name.to_owned())
}

fn read(path: &Path) -> std::result::Result<Value, String> {
    let told = |error: String| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    if metadata.len() > MOST_BYTES {
        return Err(told("too large for a file of EMR".into()));
    }
    let bytes = fs::read(path).map_err(|error| told(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| told(error.to_string()))
}

/// Our folders on the disks that are mounted at `/mnt`, `/mnt1` and so on, the one with most room first; those that cannot be
/// written to are left out.
pub fn data_folders() -> Vec<PathBuf> {
    let root = Path::new("/");
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let of_system = device(root);
    data_folders_of(root, |path| {
        // a folder of the system's own disk is no place for much data
        device(path).is_some_and(|device| Some(device) != of_system)
    })
}

fn data_folders_of(root: &Path, is_disk: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_named = name
            .to_str()
            .and_then(|name| name.strip_prefix("mnt"))
            .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let path = entry.path();
        if !is_named || !path.is_dir() || !is_disk(&path) {
            continue;
        }
        let folder = path.join(FOLDER);
        let room = rustix::fs::statvfs(&path)
            .map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if is_writable(&folder) {
            found.push((room, folder));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// Makes the folder if it is not there, and tries to write to it.
fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let is_writable = fs::create_dir_all(folder).is_ok() && fs::write(&probe, b"").is_ok();
    let _ = fs::remove_file(&probe);
    is_writable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_of_made_up_clusters() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path();
        assert!(!is_emr(info));
        for (job_flow, instance, expected) in [
            (
                r#"{"jobFlowId":"j-1","masterPrivateDnsName":"ip-10-0-0-7.ec2.internal","instanceGroups":[]}"#,
                r#"{"isMaster":false}"#,
                Ok("ip-10-0-0-7.ec2.internal"),
            ),
            (
                r#"{"masterPrivateDnsName":"localhost"}"#,
                r#"{"isMaster":true}"#,
                Ok("me.ec2.internal"),
            ),
            (
                r#"{"masterPrivateDnsName":"localhost"}"#,
                r#"{"isMaster":false}"#,
                Ok("localhost"),
            ),
            (
                r#"{"masterPrivateDnsName":""}"#,
                "",
                Err("no name of a host"),
            ),
            (
                r#"{"masterPrivateDnsName":["a"]}"#,
                "",
                Err("no name of a host"),
            ),
            (
                r#"{"masterPrivateDnsName":"a b"}"#,
                "",
                Err("no name of a host"),
            ),
            (r#"{"masterPrivateDns"#, "", Err("job-flow.json: EOF")),
            ("", "", Err("job-flow.json: EOF")),
        ] {
            fs::write(info.join(JOB_FLOW), job_flow).unwrap();
            fs::write(info.join(INSTANCE), instance).unwrap();
            match (read_master(info, "me.ec2.internal"), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
                (found, _) => panic!("{job_flow}: {found:?}"),
            }
        }
        assert!(is_emr(info));
        let error = emr_master(&info.join("none"), "me")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no node of EMR"), "{error}");
    }

    #[test]
    fn a_file_that_comes_late_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().to_owned();
        let path = info.join(JOB_FLOW);
        let waiting = std::thread::spawn(move || emr_master(&info, "me").unwrap());
        std::thread::sleep(Duration::from_millis(200));
        assert!(!waiting.is_finished());
        fs::write(path, r#"{"masterPrivateDnsName":"master"}"#).unwrap();
        assert_eq!(waiting.join().unwrap(), "master");
    }

    #[test]
    fn data_lies_on_disks_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        for name in ["mnt", "mnt1", "mnt12", "mntx", "data", "mnt3"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("mnt2"), "a file").unwrap();
        // something else has our name there
        fs::write(root.path().join("mnt3/camonica"), "a file").unwrap();
        let found = data_folders_of(root.path(), |path| !path.ends_with("mnt12"));
        let mut names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["mnt/camonica", "mnt1/camonica"]);
        assert!(data_folders_of(&root.path().join("none"), |_| true).is_empty());
    }
}
