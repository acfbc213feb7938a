//! `camonica.cluster`: the jobs run on all nodes of the EMR cluster, by `camonica-cluster`, and not on its master alone. It has
//! its effect with target `emr`.
//!
//! ```yaml
//! camonica:
//!   cluster:
//!     key: arn:aws:kms:...        # of KMS; or s3://acme/secret: a file of 32 bytes or more that only these nodes can read
//!     workers: 4                  # nodes to wait for before a job begins [aws.emr.jobflow.core_instance_count]
//!     certificates: s3://acme/certs.zip   # [those of aws.emr.security_configuration]
//!     certificate_name: node.acme # name in the certificates of all nodes, where these have not their own
//!     port: 7071                  # where workers find the driver
//!     page: 7443                  # where the driver shows a running job, over HTTPS [nowhere]
//!     master: false               # a worker on the master, too
//!     binary: /opt/camonica/camonica-cluster   # the static program [beside this one]
//! ```

use std::path::PathBuf;

use engine::store::Location;

use super::problem::Problem;
use super::reader::Reader;
use crate::security_configuration::region_of_key;

/// Where workers find the driver, unless `port` says otherwise.
pub const PORT: u16 = 7071;
/// Where workers answer each other: not for the driver.
pub const WORKER_PORT: u16 = 7072;

/// What the nodes of a cluster get the keys of jobs from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterKey {
    /// A key of KMS: its ARN.
    Kms(String),
    /// A file with the cluster's secret: its URI.
    Secret(String),
}

/// The block `camonica.cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `key`.
    pub key: ClusterKey,
    /// `workers`: nodes that a job waits for; 0: the jobs run on the master alone.
    pub workers: Option<u32>,
    /// `certificates`: URI of the zip.
    pub certificates: Option<String>,
    /// `certificate_name`.
    pub certificate_name: Option<String>,
    /// `port`.
    pub port: u16,
    /// `page`: port.
    pub page: Option<u16>,
    /// `master`: whether the master works, too.
    pub master: bool,
    /// `binary`.
    pub binary: Option<PathBuf>,
}

impl ClusterSettings {
    /// Reads the block; `None` when it is not there, or cannot be used.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let key = |name: &str| format!("camonica.cluster.{name}");
        if !reader.has("camonica.cluster") {
            return None;
        }
        let job_key = read_key(reader, &key("key"));
        let workers = reader.integer(&key("workers"), 0, false);
        let port = read_port(reader, &key("port"));
        let page = read_port(reader, &key("page"));
        if page.is_some_and(|page| page == port.unwrap_or(PORT)) {
            let text = "expected a port of its own, found that of the driver";
            let line = reader.line(&key("page"));
            reader.problem(Problem::new(key("page"), text).at(line));
        }
        let settings = Self {
            workers: workers.and_then(|workers| u32::try_from(workers).ok()),
            certificates: read_certificates(reader, &key("certificates")),
            certificate_name: read_name(reader, &key("certificate_name")),
            port: port.unwrap_or(PORT),
            page,
            master: reader.optional_bool(&key("master")).unwrap_or(false),
            binary: reader.optional_path(&key("binary")),
            // told as a problem where it is missing
            key: job_key?,
        };
        Some(settings)
    }
}

/// Whether a text can be a word of a node's service: such words stand in files of systemd and of the shell.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._:/,=@+~-".contains(c))
}

fn read_key(reader: &mut Reader<'_>, path: &str) -> Option<ClusterKey> {
    let text = reader.text(path)?;
    if is_word(&text) {
        if region_of_key(&text).is_some() {
            return Some(ClusterKey::Kms(text));
        }
        if is_object(&text) {
            return Some(ClusterKey::Secret(text));
        }
    }
    let line = reader.line(path);
    // somebody may have written the secret itself here
    let text = "expected the ARN of a key of KMS, or the URI of a file with the cluster's secret (s3://bucket/secret)";
    reader.problem(Problem::new(path, text).at(line));
    None
}

/// A file in S3, or an absolute path.
fn is_object(text: &str) -> bool {
    let is_place = text.starts_with('/') || text.contains("://");
    is_place
        && !text.ends_with('/')
        && Location::parse(text).is_ok_and(|place| match place.bucket_and_key() {
            Some((_, key)) => !key.is_empty(),
            None => true,
        })
}

fn read_certificates(reader: &mut Reader<'_>, path: &str) -> Option<String> {
    let text = reader.optional_text(path)?;
    if is_word(&text) && text.ends_with(".zip") && is_object(&text) {
        return Some(text);
    }
    let line = reader.line(path);
    let text = format!(
        "expected the zip that `camonica certs --upload` wrote, s3://bucket/path/certs.zip, found the text '{text}'"
    );
    reader.problem(Problem::new(path, text).at(line));
    None
}

fn read_name(reader: &mut Reader<'_>, path: &str) -> Option<String> {
    let text = reader.optional_text(path)?;
    let is_name = !text.starts_with(['-', '.'])
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    if is_name {
        return Some(text);
    }
    let line = reader.line(path);
    let hint = "write a name that it covers, such as node.ec2.internal, or leave this key out: nodes' own names are checked then";
    let problem = Problem::new(
        path,
        format!("expected the name of a host, found the text '{text}'"),
    )
    .at(line)
    .hint(if text.starts_with('*') { hint } else { "" });
    reader.problem(problem);
    None
}

/// A port that nothing else of ours has.
fn read_port(reader: &mut Reader<'_>, path: &str) -> Option<u16> {
    let number = reader.integer(path, 1, false)?;
    match u16::try_from(number) {
        Ok(WORKER_PORT) => {
            let text =
                format!("expected a port of its own, found that of the workers, {WORKER_PORT}");
            let line = reader.line(path);
            reader.problem(Problem::new(path, text).at(line));
            None
        }
        Ok(port) => Some(port),
        Err(_) => {
            let text = format!("expected a port from 1 to 65535, found the number {number}");
            let line = reader.line(path);
            reader.problem(Problem::new(path, text).at(line));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{problem::lines, yaml};

    const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn of_yaml(text: &str) -> (Option<ClusterSettings>, String) {
        let (tree, _) = yaml::parse(text).unwrap();
        let unset = std::collections::BTreeMap::new();
        let mut reader = Reader::new(&tree, &unset);
        let settings = ClusterSettings::read(&mut reader);
        let mut problems = reader.unknown_keys();
        problems.extend(reader.into_problems());
        (settings, lines(&problems))
    }

    #[test]
    fn blocks() {
        assert_eq!(of_yaml("camonica: {cluster: }"), (None, String::new()));
        let (settings, problems) = of_yaml(&format!("camonica: {{cluster: {{key: '{ARN}'}}}}"));
        assert_eq!(problems, "");
        let settings = settings.unwrap();
        assert_eq!(settings.key, ClusterKey::Kms(ARN.into()));
        assert_eq!(
            (settings.port, settings.page, settings.master),
            (7071, None, false)
        );
        let (settings, problems) = of_yaml(
            "camonica:
  cluster:
    key: s3://acme/keys/cluster-secret
    workers: 0
    certificates: s3://acme/certs.zip
    certificate_name: node.acme.internal
    port: 8071
    page: 8443
    master: true
    binary: /opt/camonica-cluster
",
        );
        assert_eq!(problems, "");
        let settings = settings.unwrap();
        assert_eq!(
            settings.key,
            ClusterKey::Secret("s3://acme/keys/cluster-secret".into())
        );
        assert_eq!(
            (
                settings.workers,
                settings.port,
                settings.page,
                settings.master
            ),
            (Some(0), 8071, Some(8443), true)
        );
        assert_eq!(
            settings.certificates.as_deref(),
            Some("s3://acme/certs.zip")
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        let expected_key = "camonica.cluster.key: expected the ARN of a key of KMS, or the URI of a file with the cluster's secret (s3://bucket/secret) (line 3)";
        for (line, problem) in [
            ("key: arn:aws:s3:::acme", expected_key),
            ("key: s3://acme/", expected_key),
            ("key: s3://acme", expected_key),
            ("key: s3://acme/a b", expected_key),
            // the text is not repeated: it may be the secret itself
            ("key: correct horse battery staple", expected_key),
            (
                "workers: 2",
                "camonica.cluster.key: expected a text, found nothing",
            ),
            (
                "{key: s3://a/b, workers: -1}",
                "camonica.cluster.workers: expected an integer of at least 0, found the number -1 (line 3)",
            ),
            (
                "{key: s3://a/b, port: 70000}",
                "camonica.cluster.port: expected a port from 1 to 65535, found the number 70000 (line 3)",
            ),
            (
                "{key: s3://a/b, port: 7072}",
                "camonica.cluster.port: expected a port of its own, found that of the workers, 7072 (line 3)",
            ),
            (
                "{key: s3://a/b, page: 7071}",
                "camonica.cluster.page: expected a port of its own, found that of the driver (line 3)",
            ),
            (
                "{key: s3://a/b, certificates: /c.pem}",
                "camonica.cluster.certificates: expected the zip that `camonica certs --upload` wrote, s3://bucket/path/certs.zip, found the text '/c.pem' (line 3)",
            ),
            (
                "{key: s3://a/b, certificate_name: '*.ec2.internal'}",
                "camonica.cluster.certificate_name: expected the name of a host, found the text '*.ec2.internal' (line 3; write a name that it covers, such as node.ec2.internal, or leave this key out: nodes' own names are checked then)",
            ),
            (
                "{key: s3://a/b, master: maybe}",
                "camonica.cluster.master: expected a boolean, found the text 'maybe' (line 3)",
            ),
            (
                "{key: s3://a/b, pagee: 1}",
                "camonica.cluster.pagee: unknown key (line 3; is page meant?)",
            ),
        ] {
            let (_, problems) = of_yaml(&format!("camonica:\n  cluster:\n    {line}\n"));
            assert_eq!(problems, problem, "{line}");
        }
        let (settings, problems) = of_yaml("camonica: {cluster: true}");
        assert!(settings.is_none());
        assert!(
            problems.contains("camonica.cluster: expected a map"),
            "{problems}"
        );
    }
}
