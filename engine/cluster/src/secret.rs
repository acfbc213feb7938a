//! The cluster's secret: from it all nodes derive the key of each job, so that the key itself neither travels nor rests.

use std::path::Path;

use engine::{Error, ErrorKind, Result};

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
                "--cluster-secret: a cluster needs a secret, which its nodes derive the keys of jobs from; make one with \
                 `head -c 48 /dev/urandom | base64` and give the same file to all nodes",
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
        assert!(error.to_string().contains("--cluster-secret"));
        assert!(ClusterSecret::read(Some(Path::new("/no/such/file"))).is_err());
    }
}
