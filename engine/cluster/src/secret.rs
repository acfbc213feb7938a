//! Where the keys of jobs come from, so that they neither travel nor rest in the clear: a secret that all nodes have and
//! derive them from, or a key of KMS ([`crate::kms`]).

use engine::exec::spill::secret::SharedSecret;
use engine::{Error, Result};
use zeroize::Zeroizing;

use crate::cli::TlsArguments;
use crate::kms::{Kms, WrappedKey};

/// What the keys of jobs come from.
#[derive(Debug)]
pub enum KeySource {
    /// `--cluster-secret`.
    Secret(SharedSecret),
    /// `--kms-key`.
    Kms(Box<Kms>),
}

/// What the key of a job is derived from: never printed.
pub struct JobSecret {
    bytes: Zeroizing<Vec<u8>>,
    /// How workers get it from KMS; `None` if they have the cluster's secret.
    pub wrapped: Option<WrappedKey>,
}

impl std::fmt::Debug for JobSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobSecret(..)")
    }
}

impl JobSecret {
    /// Its bytes, 32 or more.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl KeySource {
    /// That of a process's options.
    ///
    /// # Errors
    /// `Config` without one, or for one that cannot be used.
    pub fn of(arguments: &TlsArguments) -> Result<Self> {
        match &arguments.kms_key {
            Some(key) => Ok(Self::Kms(Box::new(Kms::open(key)?))),
            None => match &arguments.cluster_secret {
                Some(path) => SharedSecret::read("--cluster-secret", path).map(Self::Secret),
                None => Err(Error::config(
                    "--cluster-secret or --kms-key: a cluster needs a secret, which its nodes derive the keys of jobs from \
                     (make one with `head -c 48 /dev/urandom | base64` and give the same file to all nodes), or a key of \
                     KMS that all nodes may use",
                )),
            },
        }
    }

    /// For the driver: the secret of its job, which is called `job`.
    ///
    /// # Errors
    /// When KMS gives none.
    pub fn of_new_job(&self, job: &str) -> Result<JobSecret> {
        Ok(match self {
            Self::Secret(secret) => JobSecret {
                bytes: secret.bytes().to_vec().into(),
                wrapped: None,
            },
            Self::Kms(kms) => {
                let (bytes, wrapped) = kms.generate(job)?;
                JobSecret {
                    bytes,
                    wrapped: Some(wrapped),
                }
            }
        })
    }

    /// For a worker: the secret of a job as its plan brings it.
    ///
    /// # Errors
    /// When the driver has another kind of key, or KMS does not decrypt it.
    pub fn of_job(&self, wrapped: Option<&WrappedKey>) -> Result<Zeroizing<Vec<u8>>> {
        match (self, wrapped) {
            (Self::Secret(secret), None) => Ok(secret.bytes().to_vec().into()),
            (Self::Kms(kms), Some(wrapped)) => kms.decrypt(wrapped),
            (Self::Secret(_), Some(_)) => Err(Error::config(
                "the driver has --kms-key and this worker --cluster-secret: all nodes need the same",
            )),
            (Self::Kms(_), None) => Err(Error::config(
                "the driver has --cluster-secret and this worker --kms-key: all nodes need the same",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_process_needs_a_source_of_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        for (cluster_secret, expected) in [
            (None, "--cluster-secret or --kms-key: a cluster needs"),
            (Some(path), "others can read this file; chmod 600 it"),
            (
                Some("/no/such/file".into()),
                "--cluster-secret /no/such/file",
            ),
        ] {
            let arguments = TlsArguments {
                cluster_secret,
                ..TlsArguments::default()
            };
            let error = KeySource::of(&arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_serves_no_job_of_kms() {
        let secret = SharedSecret::new(b"0123456789abcdef0123456789abcdef").unwrap();
        let source = KeySource::Secret(secret);
        let job = source.of_new_job("shred-1").unwrap();
        assert!(job.wrapped.is_none() && job.bytes().len() == 32);
        assert_eq!(source.of_job(None).unwrap().as_slice(), job.bytes());
        assert_eq!(
            format!("{job:?} {source:?}"),
            "JobSecret(..) Secret(SharedSecret(..))"
        );
        let wrapped = WrappedKey {
            job: "shred-1".into(),
            ciphertext: [1, 2].as_slice().into(),
        };
        let error = source.of_job(Some(&wrapped)).unwrap_err().to_string();
        assert!(error.contains("the driver has --kms-key"), "{error}");
    }
}
