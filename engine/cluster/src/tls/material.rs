//! Key, chain and authorities, from files or from a zip.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use engine::{Error, Result};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::cli::TlsArguments;

/// A file that is larger is something else.
const MOST_BYTES: u64 = 1 << 20;
const KEY: &str = "privateKey.pem";
const CHAIN: &str = "certificateChain.pem";
const AUTHORITIES: &str = "trustedCertificates.pem";

/// Where the material comes from.
#[derive(Debug)]
pub(super) enum Source {
    Zip(PathBuf),
    Files {
        key: PathBuf,
        chain: PathBuf,
        authorities: PathBuf,
    },
}

/// Tells one state of the files from another.
pub(super) type Stamp = Vec<(u64, Option<SystemTime>)>;

/// What was read.
pub(super) struct Material {
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) key_pem: Zeroizing<Vec<u8>>,
    pub(super) chain_pem: Vec<u8>,
    pub(super) authorities_pem: Vec<u8>,
}

impl Source {
    pub(super) fn of(arguments: &TlsArguments) -> Result<Self> {
        match arguments {
            TlsArguments {
                tls_zip: Some(zip), ..
            } => Ok(Self::Zip(zip.clone())),
            TlsArguments {
                tls_key: Some(key),
                tls_certificate: Some(chain),
                tls_ca: Some(authorities),
                ..
            } => Ok(Self::Files {
                key: key.clone(),
                chain: chain.clone(),
                authorities: authorities.clone(),
            }),
            _ => Err(Error::config(
                "a cluster speaks TLS only: give --tls-zip, or --tls-key, --tls-certificate and --tls-ca",
            )),
        }
    }

    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Zip(zip) => vec![zip],
            Self::Files {
                key,
                chain,
                authorities,
            } => vec![key, chain, authorities],
        }
    }

    pub(super) fn stamp(&self) -> Result<Stamp> {
        self.paths()
            .into_iter()
            .map(|path| {
                let metadata =
                    std::fs::metadata(path).map_err(|error| Error::io(path.display(), error))?;
                Ok((metadata.len(), metadata.modified().ok()))
            })
            .collect()
    }

    pub(super) fn read(&self) -> Result<Material> {
        let [key, chain, authorities] = match self {
            Self::Zip(zip) => read_zip(zip)?,
            Self::Files {
                key,
                chain,
                authorities,
            } => [read_file(key)?, read_file(chain)?, read_file(authorities)?],
        };
        Material::of(key, &chain, &authorities)
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error| Error::io(path.display(), error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn read_zip(path: &Path) -> Result<[Zeroizing<Vec<u8>>; 3]> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| Error::io(shown, error))?;
    let unusable = |what: String| Error::config(format!("--tls-zip {}: {what}", path.display()));
    let mut archive =
        zip::ZipArchive::new(file).map_err(|error| unusable(format!("no zip file: {error}")))?;
    let mut read = |name: &str| {
        // tools differ in whether they put the files into a folder
        let index = (0..archive.len()).find(|&index| {
            archive
                .name_for_index(index)
                .and_then(std::result::Result::ok)
                .is_some_and(|found| found.rsplit('/').next() == Some(name))
        });
        let mut bytes = Zeroizing::new(Vec::new());
        index
            .ok_or_else(|| unusable(format!("it does not hold {name}")))
            .and_then(|index| {
                let entry = archive
                    .by_index(index)
                    .map_err(|error| unusable(format!("{name}: {error}")))?;
                entry
                    .take(MOST_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(|error| unusable(format!("{name}: {error}")))
            })?;
        Ok(bytes)
    };
    Ok([read(KEY)?, read(CHAIN)?, read(AUTHORITIES)?])
}

impl Material {
    fn of(key_pem: Zeroizing<Vec<u8>>, chain_pem: &[u8], authorities_pem: &[u8]) -> Result<Self> {
        // the text of such a failure may hold a part of the key: it is left out
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| {
            Error::config(format!(
                "the private key ({KEY}, --tls-key) is no key in PEM form"
            ))
        })?;
        Ok(Self {
            key,
            chain: certificates(chain_pem, &format!("{CHAIN}, --tls-certificate"))?,
            authorities: certificates(authorities_pem, &format!("{AUTHORITIES}, --tls-ca"))?,
            key_pem,
            chain_pem: chain_pem.to_vec(),
            authorities_pem: authorities_pem.to_vec(),
        })
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::config(format!("no certificate is there ({what})"))),
        Err(error) => Err(Error::config(format!(
            "a certificate cannot be read ({what}): {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn zips_are_read_and_wrong_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificates.zip");
        let ca = rcgen::generate_simple_self_signed(vec!["node".into()]).unwrap();
        let write = |names: &[&str]| {
            let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
            for name in names {
                zip.start_file(*name, zip::write::SimpleFileOptions::default())
                    .unwrap();
                let text = if name.ends_with(KEY) {
                    ca.signing_key.serialize_pem()
                } else {
                    ca.cert.pem()
                };
                zip.write_all(text.as_bytes()).unwrap();
            }
            zip.finish().unwrap();
            Source::Zip(path.clone()).read()
        };
        let material = write(&[KEY, CHAIN, AUTHORITIES]).unwrap();
        assert_eq!((material.chain.len(), material.authorities.len()), (1, 1));
        assert!(
            write(&[
                "x/privateKey.pem",
                "x/certificateChain.pem",
                "x/trustedCertificates.pem"
            ])
            .is_ok()
        );
        let error = write(&[KEY, CHAIN]).err().unwrap();
        assert!(error.to_string().contains(AUTHORITIES), "{error}");
        std::fs::write(&path, "no zip").unwrap();
        let error = Source::Zip(path.clone()).read().err().unwrap();
        assert!(error.to_string().contains("no zip file"), "{error}");
    }

    #[test]
    fn a_key_that_is_none_is_not_shown() {
        let wrong = Zeroizing::new(b"-----BEGIN SECRETSTUFF-----".to_vec());
        let error = Material::of(wrong, b"", b"").err().unwrap();
        assert!(!error.to_string().contains("SECRETSTUFF"), "{error}");
    }
}
