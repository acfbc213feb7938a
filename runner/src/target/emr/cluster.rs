//! A job on all nodes of a cluster: what the bootstrap action is told, and the words before the job in a step.
//!
//! `cluster.sh` installs `camonica-cluster` on every node and keeps a worker running on those that are not the master; the
//! steps run its driver there. Both read the certificates and the secret where the script has put them.

use engine::store::Location;
use serde_json::Value;

use super::api::{EmrAccess, EmrApi};
use super::files::EngineFiles;
use crate::config::Config;
use crate::config::cluster::{ClusterKey, ClusterSettings, PORT};
use crate::config::emr::EmrSettings;

/// Where the bootstrap action puts what the processes of a cluster know each other by.
const FOLDER: &str = "/home/hadoop/camonica/cluster";

/// `camonica.cluster` with what had to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSetup {
    settings: ClusterSettings,
    certificates: String,
    /// Options of the workers that the configuration gives.
    worker: Vec<String>,
}

impl ClusterSetup {
    /// The set-up of a configuration; `None` where it has no cluster. EMR is asked for the certificates of the security
    /// configuration if the configuration does not name them.
    ///
    /// # Errors
    /// Without certificates.
    pub fn of(
        config: &Config,
        emr: &EmrSettings,
        api: impl FnOnce() -> Result<EmrApi, String>,
    ) -> Result<Option<Self>, String> {
        let Some(settings) = &config.camonica.cluster else {
            return Ok(None);
        };
        let certificates = match (&settings.certificates, &emr.security_configuration) {
            (Some(uri), _) => uri.clone(),
            (None, Some(name)) => {
                let answer = api()?.security_configuration(name)?;
                certificates_of(&answer).ok_or_else(|| {
                    format!(
                        "camonica.cluster.certificates: aws.emr.security_configuration '{name}' has no zip of certificates for encryption in transit: \
                         make one with `camonica certs` and name it here"
                    )
                })?
            }
            (None, None) => {
                return Err(
                    "camonica.cluster.certificates: there is no aws.emr.security_configuration that could name them: make a zip with `camonica certs` and \
                     name it here"
                        .into(),
                );
            }
        };
        let camonica = &config.camonica;
        let mut worker = Vec::new();
        let mut option = |name: &str, value: String| worker.extend([name.to_owned(), value]);
        if let Some(slots) = camonica.workers {
            option("--slots", slots.to_string());
        }
        if let Some(bytes) = camonica.memory_limit {
            option("--memory-limit", bytes.to_string());
        }
        for directory in &camonica.spill_directories {
            option("--spill-dir", directory.display().to_string());
        }
        Ok(Some(Self {
            settings: settings.clone(),
            certificates,
            worker,
        }))
    }

    /// Places that the nodes read, with the keys that name them.
    pub fn places(&self) -> Vec<(&'static str, &str)> {
        let mut places = vec![("camonica.cluster.certificates", self.certificates.as_str())];
        if let ClusterKey::Secret(uri) = &self.settings.key {
            places.push(("camonica.cluster.key", uri));
        }
        places
    }

    /// That every place is one that the nodes can reach.
    ///
    /// # Errors
    /// For one on this machine's disks.
    pub fn check(&self) -> Result<(), String> {
        for (name, uri) in self.places() {
            if Location::parse(uri).is_ok_and(|place| place.is_local()) {
                return Err(format!(
                    "{name}: the nodes of a cluster cannot reach {uri}: name an object in S3"
                ));
            }
        }
        Ok(())
    }

    /// The words of the bootstrap action.
    pub fn bootstrap_arguments(&self, files: &EngineFiles) -> Vec<String> {
        let settings = &self.settings;
        let port = settings.port.to_string();
        let (option, key) = match &settings.key {
            ClusterKey::Kms(key) => ("--kms-key", key),
            ClusterKey::Secret(uri) => ("--secret", uri),
        };
        let mut all = words(&[
            "--program",
            &files.engine,
            "--sha256",
            &files.sha256,
            "--step",
            &files.step,
            "--certificates",
            &self.certificates,
            option,
            key,
            "--driver",
            "emr",
        ]);
        if settings.port != PORT {
            all.extend(words(&["--port", &port]));
        }
        if let Some(name) = &settings.certificate_name {
            all.extend(words(&["--tls-name", name]));
        }
        if settings.master {
            all.push("--master".into());
        }
        if !self.worker.is_empty() {
            all.push("--".into());
            all.extend_from_slice(&self.worker);
        }
        all
    }
}

/// The words before a job that make it one of the cluster; none without a cluster.
pub fn driver_words(config: &Config, emr: &EmrSettings) -> Vec<String> {
    let Some(settings) = &config.camonica.cluster else {
        return Vec::new();
    };
    let workers = settings.workers.unwrap_or(emr.jobflow.core_instance_count);
    let listen = format!("0.0.0.0:{}", settings.port);
    let mut all = words(&[
        "driver",
        "--workers",
        &workers.to_string(),
        "--listen",
        &listen,
    ]);
    if let Some(page) = settings.page {
        all.extend(words(&["--page", &format!("0.0.0.0:{page}")]));
    }
    all.extend(words(&["--tls-zip", &format!("{FOLDER}/certificates.zip")]));
    if let Some(name) = &settings.certificate_name {
        all.extend(words(&["--tls-name", name]));
    }
    match &settings.key {
        ClusterKey::Kms(key) => all.extend(words(&["--kms-key", key])),
        ClusterKey::Secret(_) => {
            all.extend(words(&["--cluster-secret", &format!("{FOLDER}/secret")]));
        }
    }
    all
}

/// EMR's interface as a configuration reaches it.
///
/// # Errors
/// What cannot be used.
pub fn api_of(config: &Config, emr: &EmrSettings) -> Result<EmrApi, String> {
    EmrApi::open(EmrAccess::of(config, emr))
}

/// The zip of certificates that a security configuration names.
fn certificates_of(text: &str) -> Option<String> {
    let document: Value = serde_json::from_str(text).ok()?;
    let encryption = &document["EncryptionConfiguration"];
    if encryption["EnableInTransitEncryption"] == false {
        return None;
    }
    let certificates =
        &encryption["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"];
    if certificates["CertificateProviderType"] != "PEM" {
        return None;
    }
    certificates["S3Object"].as_str().map(str::to_owned)
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security_configuration::SecurityConfiguration;

    #[test]
    fn certificates_of_security_configurations() {
        let ours = SecurityConfiguration {
            in_transit: Some("s3://acme/certs.zip".into()),
            ..SecurityConfiguration::default()
        };
        assert_eq!(
            certificates_of(&ours.to_json().to_string()).as_deref(),
            Some("s3://acme/certs.zip")
        );
        for text in [
            "",
            "{}",
            r#"{"EncryptionConfiguration":{"EnableInTransitEncryption":false,"InTransitEncryptionConfiguration":{"TLSCertificateConfiguration":{"CertificateProviderType":"PEM","S3Object":"s3://a/b.zip"}}}}"#,
            r#"{"EncryptionConfiguration":{"EnableInTransitEncryption":true,"InTransitEncryptionConfiguration":{"TLSCertificateConfiguration":{"CertificateProviderType":"Custom","S3Object":"s3://a/b.jar"}}}}"#,
        ] {
            assert_eq!(certificates_of(text), None, "{text}");
        }
    }
}
