//! Certificates for encryption in transit: a certificate authority of one's own, a key, and the zip of PEM files that an EMR
//! security configuration takes (provider `PEM`) and that the engine's own processes take too.
//!
//! ```text
//! ca.pem  ca-key.pem                 the authority; its key stays at home
//! privateKey.pem                     PKCS#8
//! certificateChain.pem               the certificate of the nodes, then the authority's
//! trustedCertificates.pem            the authority's
//! certs.zip                          the last three, to be laid into S3
//! ```
//!
//! The names are wildcards of the private DNS of a VPC, as AWS asks for them: `*.ec2.internal` in `us-east-1`,
//! `*.<region>.compute.internal` elsewhere. Files with keys are readable for their owner only; nothing is overwritten.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Cursor, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use engine::store::{Encryption, Location};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, RsaKeySize,
};
use zip::write::SimpleFileOptions;

use crate::aws::Aws;
use crate::objects::Objects;

/// File name of the private key.
pub const PRIVATE_KEY: &str = "privateKey.pem";
/// File name of the certificate and what signed it.
pub const CHAIN: &str = "certificateChain.pem";
/// File name of the authority's certificate.
pub const TRUSTED: &str = "trustedCertificates.pem";
/// File name of the zip.
pub const ZIP: &str = "certs.zip";
/// File name of the authority's certificate, beside its key.
pub const CA: &str = "ca.pem";
/// File name of the authority's key.
pub const CA_KEY: &str = "ca-key.pem";

/// Certificates are valid since this time before now, for machines whose clocks are slow.
const BEFORE: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Longest validity, in days: years of four digits are all that X.509 has, and clocks of 32 bits end in 2038.
const MOST_DAYS: u32 = 36_500;

/// Kind of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// RSA of 3072 bits: what every Java of EMR takes.
    #[default]
    Rsa,
    /// ECDSA over P-256: faster, for the engine's own processes.
    Ecdsa,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertSettings {
    /// Regions whose nodes use the certificate.
    pub regions: Vec<String>,
    /// Further DNS names; may begin with `*.`.
    pub names: Vec<String>,
    /// Validity of the nodes' certificate, days.
    pub days: u32,
    /// Validity of the authority, days.
    pub ca_days: u32,
    /// Kind of the keys.
    pub key: KeyKind,
}

impl Default for CertSettings {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            names: Vec::new(),
            days: 365,
            ca_days: 3650,
            key: KeyKind::Rsa,
        }
    }
}

/// An authority: certificate and key, both PEM.
#[derive(Clone)]
pub struct Authority {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the key is not shown
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What was made. Keys are not printed.
#[derive(Clone)]
pub struct Certs {
    /// The authority.
    pub authority: Authority,
    /// Whether the authority was made now.
    pub is_new_authority: bool,
    /// Names in the certificate.
    pub names: Vec<String>,
    /// The nodes' key, PKCS#8 PEM.
    pub private_key: String,
    /// The nodes' certificate and the authority's, PEM.
    pub chain: String,
    /// The three files as an EMR security configuration takes them.
    pub zip: Vec<u8>,
}

impl std::fmt::Debug for Certs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certs")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The name that AWS asks for: the wildcard of the private DNS of a VPC in this region.
///
/// # Errors
/// When it is no name of a region.
pub fn name_of_region(region: &str) -> Result<String, String> {
    let parts: Vec<&str> = region.split('-').collect();
    let is_region = parts.len() >= 3
        && parts.iter().all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
        && parts
            .last()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    match region {
        _ if !is_region => Err(format!(
            "'{region}' is no region: expected a name such as eu-west-1 (an availability zone such as eu-west-1a is none)"
        )),
        "us-east-1" => Ok("*.ec2.internal".into()),
        other => Ok(format!("*.{other}.compute.internal")),
    }
}

/// Makes key and certificate of the nodes, signed by `authority`, or by one that is made now.
///
/// # Errors
/// When a name, a number of days or the authority cannot be used.
pub fn make(settings: &CertSettings, authority: Option<&Authority>) -> Result<Certs, String> {
    let names = names(settings)?;
    for (option, days) in [("--days", settings.days), ("--ca-days", settings.ca_days)] {
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(format!(
                "{option} {days}: expected a number of days from 1 to {MOST_DAYS}"
            ));
        }
    }
    let key = new_key(settings.key)?;
    let leaf = leaf_of(&names, settings.days)?;
    let broken = |error: rcgen::Error| format!("the certificate cannot be signed: {error}");
    let (leaf, made) = match authority {
        Some(given) => {
            let ca_key = KeyPair::from_pem(&given.key)
                .map_err(|error| format!("{CA_KEY}: no private key in PKCS#8 PEM: {error}"))?;
            let issuer = Issuer::from_ca_cert_pem(&given.certificate, ca_key)
                .map_err(|error| format!("{CA}: no certificate of an authority: {error}"))?;
            let leaf = leaf.signed_by(&key, &issuer).map_err(broken)?;
            (leaf, given.clone())
        }
        None => {
            let issuer = new_authority(settings)?;
            let leaf = leaf.signed_by(&key, &issuer).map_err(broken)?;
            let made = Authority {
                certificate: issuer.pem(),
                key: issuer.key().serialize_pem(),
            };
            (leaf, made)
        }
    };
    check_signature(&leaf, &made, &names)?;
    let private_key = key.serialize_pem();
    let ending = |text: &str| format!("{}\n", text.trim_end());
    let chain = ending(&leaf.pem()) + &ending(&made.certificate);
    let zip = zip_of(&[
        (PRIVATE_KEY, &private_key),
        (CHAIN, &chain),
        (TRUSTED, &made.certificate),
    ])?;
    Ok(Certs {
        is_new_authority: authority.is_none(),
        authority: made,
        names,
        private_key,
        chain,
        zip,
    })
}

fn names(settings: &CertSettings) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for region in &settings.regions {
        names.push(name_of_region(region)?);
    }
    for name in &settings.names {
        let plain = name.strip_prefix("*.").unwrap_or(name);
        let is_good = plain.len() <= 253
            && plain.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            });
        if !is_good {
            return Err(format!(
                "--name '{name}': expected a DNS name, such as node.example.com or *.example.internal"
            ));
        }
        names.push(name.to_ascii_lowercase());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    if names.is_empty() {
        return Err(
            "no name for the certificate: give --region (or aws.emr.region in a configuration), or --name"
                .into(),
        );
    }
    Ok(names)
}

fn new_key(kind: KeyKind) -> Result<KeyPair, String> {
    match kind {
        KeyKind::Rsa => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
        KeyKind::Ecdsa => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
    }
    .map_err(|error| format!("no key can be made: {error}"))
}

/// A certificate for both ends of a connection: the nodes are servers and clients of each other.
fn leaf_of(names: &[String], days: u32) -> Result<CertificateParams, String> {
    let mut leaf = CertificateParams::new(names.to_vec())
        .map_err(|error| format!("{}: no names of a certificate: {error}", names.join(", ")))?;
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    // A common name holds 64 characters; names are looked for in the list of alternatives first.
    let common = names.iter().find(|name| name.len() <= 64);
    leaf.distinguished_name.push(
        DnType::CommonName,
        common.map_or("camonica node", String::as_str),
    );
    leaf.distinguished_name
        .push(DnType::OrganizationName, "Camonica");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    leaf.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    leaf.use_authority_key_identifier_extension = true;
    valid_for(&mut leaf, days);
    Ok(leaf)
}

fn new_authority(settings: &CertSettings) -> Result<CertifiedIssuer<'static, KeyPair>, String> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, "Camonica authority");
    ca.distinguished_name
        .push(DnType::OrganizationName, "Camonica");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut ca, settings.ca_days.max(settings.days));
    CertifiedIssuer::self_signed(ca, new_key(settings.key)?)
        .map_err(|error| format!("the authority cannot be made: {error}"))
}

fn valid_for(certificate: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    certificate.not_before = (now - BEFORE).into();
    certificate.not_after = (now + DAY * days).into();
}

/// Checks the certificate as a node will: signed by the authority, valid now, with these names. A key that belongs to
/// another authority, and an authority that has run out, are found here and not on the cluster.
fn check_signature(
    leaf: &rcgen::Certificate,
    authority: &Authority,
    names: &[String],
) -> Result<(), String> {
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls_pki_types::pem::PemObject as _;
    let trusted =
        rustls_pki_types::CertificateDer::from_pem_slice(authority.certificate.as_bytes())
            .map_err(|error| format!("{CA}: no certificate in PEM: {error}"))?;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(trusted)
        .map_err(|error| format!("{CA}: cannot be trusted: {error}"))?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        std::sync::Arc::new(roots),
        provider,
    )
    .build()
    .map_err(|error| format!("{CA}: cannot be trusted: {error}"))?;
    for name in names {
        let host = name.replace('*', "ip-10-0-0-1");
        let server = rustls_pki_types::ServerName::try_from(host)
            .map_err(|error| format!("{name}: no DNS name: {error}"))?;
        verifier
            .verify_server_cert(
                leaf.der(),
                &[],
                &server,
                &[],
                rustls_pki_types::UnixTime::now(),
            )
            .map_err(|error| {
                format!(
                    "the certificate for {name} is not accepted ({error}): {CA} and {CA_KEY} may not belong together, or \
                     the authority has run out; make a new one in another folder"
                )
            })?;
    }
    Ok(())
}

/// A zip of these texts, each readable for its owner only.
fn zip_of(files: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    let broken = |error: &dyn std::fmt::Display| format!("{ZIP} cannot be made: {error}");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o600);
        zip.start_file(*name, options)
            .map_err(|error| broken(&error))?;
        zip.write_all(content.as_bytes())
            .map_err(|error| broken(&error))?;
    }
    let zip = zip.finish().map_err(|error| broken(&error))?;
    Ok(zip.into_inner())
}

/// The authority of an earlier time; `None` when the folder holds none.
///
/// # Errors
/// When there is only one of its two files, or one cannot be read.
pub fn read_authority(folder: &Path) -> Result<Option<Authority>, String> {
    let (certificate, key) = (folder.join(CA), folder.join(CA_KEY));
    match (certificate.exists(), key.exists()) {
        (false, false) => Ok(None),
        (true, true) => {
            let read = |path: &Path| {
                fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
            };
            Ok(Some(Authority {
                certificate: read(&certificate)?,
                key: read(&key)?,
            }))
        }
        (has_certificate, _) => Err(format!(
            "{}: there is only {} of the authority: bring {} back, or use another folder",
            folder.display(),
            if has_certificate { CA } else { CA_KEY },
            if has_certificate { CA_KEY } else { CA },
        )),
    }
}

/// Writes all files into `folder`, which is made for its owner only. Returns their paths.
///
/// # Errors
/// When a file is there already, or cannot be written; nothing of this call is left then.
pub fn write(certs: &Certs, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files: Vec<(&str, &[u8], u32)> = vec![
        (PRIVATE_KEY, certs.private_key.as_bytes(), 0o600),
        (CHAIN, certs.chain.as_bytes(), 0o644),
        (TRUSTED, certs.authority.certificate.as_bytes(), 0o644),
        (ZIP, &certs.zip, 0o600),
    ];
    if certs.is_new_authority {
        files.push((CA, certs.authority.certificate.as_bytes(), 0o644));
        files.push((CA_KEY, certs.authority.key.as_bytes(), 0o600));
    }
    for (name, ..) in &files {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(format!(
                "{}: is there already, and nothing is overwritten: move it away, or give another folder",
                path.display()
            ));
        }
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut written = Vec::new();
    for (name, content, mode) in files {
        let path = folder.join(name);
        let result = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| {
                written.push(path.clone());
                file.write_all(content)?;
                file.sync_all()
            });
        if let Err(error) = result {
            for path in &written {
                // what cannot be removed is told by the next attempt
                let _ = fs::remove_file(path);
            }
            return Err(format!("{}: {error}", path.display()));
        }
    }
    Ok(written)
}

/// Lays the zip into S3, encrypted, if nothing is there.
///
/// # Errors
/// When something is there, or it cannot be written.
pub fn upload(certs: &Certs, place: &Location, aws: &Aws) -> Result<(), String> {
    if place.is_local() {
        return Err(format!(
            "--upload {place}: expected an object in S3, such as s3://bucket/certs/certs.zip"
        ));
    }
    // it holds a private key
    if aws.settings().encryption == Encryption::None {
        return Err("the zip holds a private key, and is written with encryption only".into());
    }
    if Objects::new(Some(aws.clone())).create(place, &certs.zip)? {
        Ok(())
    } else {
        Err(format!(
            "{place}: is there already, and nothing is overwritten: give another key"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn settings(regions: &[&str]) -> CertSettings {
        CertSettings {
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            key: KeyKind::Ecdsa,
            ..CertSettings::default()
        }
    }

    #[test]
    fn names_by_region() {
        for (region, name) in [
            ("us-east-1", Some("*.ec2.internal")),
            ("us-east-2", Some("*.us-east-2.compute.internal")),
            ("eu-west-1", Some("*.eu-west-1.compute.internal")),
            ("us-gov-west-1", Some("*.us-gov-west-1.compute.internal")),
            ("eu-west-1a", None),
            ("EU-WEST-1", None),
            ("europe", None),
            ("", None),
            ("eu--1", None),
            ("eu-west-1.evil.com", None),
        ] {
            assert_eq!(name_of_region(region).ok().as_deref(), name, "{region}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let mut many = settings(&["eu-west-1"]);
        for name in ["", "*", "a b", "-a.com", "a..b", "*.*.com", &"a".repeat(64)] {
            many.names = vec![name.to_owned()];
            let error = make(&many, None).unwrap_err();
            assert!(error.starts_with("--name '"), "{error}");
        }
        let error = make(&settings(&[]), None).unwrap_err();
        assert!(error.starts_with("no name"), "{error}");
        for days in [0, MOST_DAYS + 1] {
            let error = make(
                &CertSettings {
                    days,
                    ..settings(&["eu-west-1"])
                },
                None,
            )
            .unwrap_err();
            assert!(error.starts_with("--days"), "{error}");
        }
    }

    #[test]
    fn an_authority_signs_again_and_a_wrong_key_is_found() {
        let first = make(&settings(&["us-east-1"]), None).unwrap();
        let again = make(
            &settings(&["eu-west-1", "us-east-1"]),
            Some(&first.authority),
        )
        .unwrap();
        assert!(!again.is_new_authority && again.private_key != first.private_key);
        assert_eq!(
            again.names,
            ["*.eu-west-1.compute.internal", "*.ec2.internal"]
        );
        assert_eq!(again.authority.certificate, first.authority.certificate);
        let other = make(&settings(&["us-east-1"]), None).unwrap();
        let mixed = Authority {
            certificate: first.authority.certificate.clone(),
            key: other.authority.key,
        };
        let error = make(&settings(&["us-east-1"]), Some(&mixed)).unwrap_err();
        assert!(error.contains("may not belong together"), "{error}");
        for broken in [String::new(), "-----BEGIN".into(), first.chain.clone()] {
            let broken = Authority {
                key: broken,
                ..first.authority.clone()
            };
            assert!(make(&settings(&["us-east-1"]), Some(&broken)).is_err());
        }
    }

    #[test]
    fn files_are_private_and_never_overwritten() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("new/certs");
        let certs = make(&settings(&["us-east-1"]), None).unwrap();
        assert_eq!(write(&certs, &folder).unwrap().len(), 6);
        let mode = |name: &str| {
            fs::metadata(folder.join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        for name in [PRIVATE_KEY, CA_KEY, ZIP] {
            assert_eq!(mode(name), 0o600, "{name}");
        }
        assert_eq!(mode("."), 0o700);
        let authority = read_authority(&folder).unwrap().unwrap();
        assert_eq!(authority.key, certs.authority.key);
        let error = write(&certs, &folder).unwrap_err();
        assert!(error.contains("nothing is overwritten"), "{error}");
        // one file in the way is enough, and nothing else is written then
        let other = base.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(ZIP), "mine").unwrap();
        assert!(write(&certs, &other).is_err());
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
        fs::remove_file(folder.join(CA_KEY)).unwrap();
        let error = read_authority(&folder).unwrap_err();
        assert!(error.contains("only ca.pem"), "{error}");
        assert!(read_authority(&base.path().join("none")).unwrap().is_none());
    }
}
