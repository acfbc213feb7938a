//! Where the keys of jobs come from, so that they neither travel nor rest in the clear: a secret that all nodes have and
//! derive them from, or a key of KMS ([`crate::kms`]).

use std::path::Path;

use engine::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::cli::TlsArguments;
use crate::kms::{Kms, WrappedKey};

/// Fewest bytes of a secret.
const LEAST_BYTES: usize = 32;
/// A file that is larger is something else.
const MOST_BYTES: u64 = 64 << 10;

/// A secret. It is never printed.
#[derive(Clone)]
pub struct ClusterSecret(std::sync::Arc<[u8]>);

impl std::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

impl ClusterSecret {
    /// Reads the secret of a file; white space at its ends does not count.
    ///
    /// # Errors
    /// `Config` without a file, for one that others can read, or one that is too short.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Err(Error::config(
                "--cluster-secret or --kms-key: a cluster needs a secret, which its nodes derive the keys of jobs from (make \
                 one with `head -c 48 /dev/urandom | base64` and give the same file to all nodes), or a key of KMS that \
                 all nodes may use",
            ));
        };
        let shown = path.display();
        let metadata = std::fs::metadata(path)
            .map_err(|error| Error::io(format!("--cluster-secret {shown}"), error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                return Err(Error::new(
                    ErrorKind::Denied,
                    format!("--cluster-secret {shown}: others can read this file; chmod 600 it"),
                ));
            }
        }
        if metadata.len() > MOST_BYTES {
            return Err(Error::config(format!(
                "--cluster-secret {shown}: the file is too large to be a secret"
            )));
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Error::io(format!("--cluster-secret {shown}"), error))?;
        let secret = bytes.trim_ascii();
        if secret.len() < LEAST_BYTES {
            return Err(Error::config(format!(
                "--cluster-secret {shown}: a secret needs at least {LEAST_BYTES} bytes"
            )));
        }
        Ok(Self(secret.into()))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the keys of jobs come from.
#[derive(Debug)]
pub enum KeySource {
    /// `--cluster-secret`.
    Secret(ClusterSecret),
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
            None => ClusterSecret::read(arguments.cluster_secret.as_deref()).map(Self::Secret),
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_long_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            ClusterSecret::read(Some(&path))
        };
        let long = "0123456789abcdef0123456789abcdef";
        let secret = write(&format!("{long}\n"), 0o600).unwrap();
        assert_eq!(secret.bytes(), long.as_bytes());
        assert_eq!(format!("{secret:?}"), "ClusterSecret(..)");
        assert!(
            write(long, 0o644)
                .unwrap_err()
                .to_string()
                .contains("chmod")
        );
        assert!(
            write("short", 0o600)
                .unwrap_err()
                .to_string()
                .contains("32")
        );
        assert!(write(&long.repeat(3000), 0o600).is_err());
        let error = ClusterSecret::read(None).unwrap_err();
        assert!(error.to_string().contains("--cluster-secret or --kms-key"));
        assert!(ClusterSecret::read(Some(Path::new("/no/such/file"))).is_err());
    }

    #[test]
    fn a_secret_serves_no_job_of_kms() {
        let secret = ClusterSecret(b"0123456789abcdef0123456789abcdef".as_slice().into());
        let source = KeySource::Secret(secret);
        let job = source.of_new_job("shred-1").unwrap();
        assert!(job.wrapped.is_none() && job.bytes().len() == 32);
        assert_eq!(source.of_job(None).unwrap().as_slice(), job.bytes());
        assert_eq!(
            format!("{job:?} {source:?}"),
            "JobSecret(..) Secret(ClusterSecret(..))"
        );
        let wrapped = WrappedKey {
            job: "shred-1".into(),
            ciphertext: [1, 2].as_slice().into(),
        };
        let error = source.of_job(Some(&wrapped)).unwrap_err().to_string();
        assert!(error.contains("the driver has --kms-key"), "{error}");
    }
}
