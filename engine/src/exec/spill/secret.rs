//! A secret that several processes of one job share, from which each derives the key of what they exchange
//! ([`parcel`](super::parcel)).

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// Fewest bytes of a secret.
const LEAST_BYTES: usize = 32;
/// A file that is larger is something else.
const MOST_BYTES: u64 = 64 << 10;

/// A secret of 32 bytes or more. It is never printed, and wiped when it is not used any more.
#[derive(Clone)]
pub struct SharedSecret(Arc<Zeroizing<Vec<u8>>>);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

impl SharedSecret {
    /// Reads the secret of a file, which `option` of the command line names; white space at its ends does not count.
    ///
    /// # Errors
    /// `Denied` for a file that others can read, `Config` for one that is too short or too long.
    pub fn read(option: &str, path: &Path) -> Result<Self> {
        let shown = format!("{option} {}", path.display());
        let metadata = std::fs::metadata(path).map_err(|error| Error::io(&shown, error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                return Err(Error::new(
                    ErrorKind::Denied,
                    format!("{shown}: others can read this file; chmod 600 it"),
                ));
            }
        }
        if metadata.len() > MOST_BYTES {
            return Err(Error::config(format!(
                "{shown}: the file is too large to be a secret"
            )));
        }
        let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| Error::io(&shown, error))?);
        Self::new(bytes.trim_ascii()).map_err(|error| error.context(shown))
    }

    /// The secret with these bytes.
    ///
    /// # Errors
    /// `Config` for one that is too short.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < LEAST_BYTES {
            return Err(Error::config(format!(
                "a secret needs at least {LEAST_BYTES} bytes; make one with `head -c 48 /dev/urandom | base64`, and give \
                 the same file to all processes of the job"
            )));
        }
        Ok(Self(Arc::new(Zeroizing::new(bytes.to_vec()))))
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
        let long = "0123456789abcdef0123456789abcdef";
        for (text, mode, expected) in [
            (format!(" {long}\n"), 0o600, None),
            (long.to_owned(), 0o640, Some("chmod 600")),
            (long[1..].to_owned(), 0o600, Some("at least 32 bytes")),
            (long.repeat(3000), 0o600, Some("too large")),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (SharedSecret::read("--secret", &path), expected) {
                (Ok(secret), None) => {
                    assert_eq!(secret.bytes(), long.as_bytes());
                    assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
                }
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                    assert!(!error.to_string().contains(&long[1..]));
                }
                (got, expected) => panic!("{got:?} for {expected:?}"),
            }
        }
        let error = SharedSecret::read("--secret", &folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("--secret /"), "{error}");
    }
}
