//! `camonica certs`: what openssl and rustls think of the zip.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fixtures::configuration::Aws;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::camonica::{answer, camonica};
use super::moto::Moto;
use super::{aws, write_configuration};

/// Takes the zip apart into a folder, as a node of EMR does.
fn unzip(zip: &Path, to: &Path) {
    let mut archive = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let mut names: Vec<String> = (0..archive.len())
        .map(|index| archive.by_index(index).unwrap().name().unwrap().to_string())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "certificateChain.pem",
            "privateKey.pem",
            "trustedCertificates.pem"
        ]
    );
    fs::create_dir_all(to).unwrap();
    for name in names {
        let mut content = String::new();
        archive
            .by_name(&name)
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        fs::write(to.join(&name), content).unwrap();
    }
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let Ok(output) = Command::new("openssl").args(arguments).output() else {
        println!("SKIPPED: openssl is not installed");
        return (true, String::new());
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// A whole handshake of TLS 1.3 with certificates on both sides.
fn handshake(folder: &Path, host: &str) -> Result<(), String> {
    let pem = |name: &str| fs::read(folder.join(name)).unwrap();
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem("certificateChain.pem"))
            .map(Result::unwrap)
            .collect();
    assert_eq!(chain.len(), 2);
    let key = || PrivateKeyDer::from_pem_slice(&pem("privateKey.pem")).unwrap();
    assert!(matches!(key(), PrivateKeyDer::Pkcs8(_)));
    let mut roots = rustls::RootCertStore::empty();
    for trusted in CertificateDer::pem_slice_iter(&pem("trustedCertificates.pem")) {
        roots.add(trusted.unwrap()).unwrap();
    }
    let (roots, provider) = (
        Arc::new(roots),
        Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    );
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::clone(&roots),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key())
        .unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key())
        .unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server
            .process_new_packets()
            .map_err(|error| format!("server: {error}"))?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client
            .process_new_packets()
            .map_err(|error| format!("client: {error}"))?;
    }
    Ok(())
}

#[test]
fn openssl_and_rustls_accept_the_zip() {
    let base = tempfile::tempdir().unwrap();
    for (region, kind, good, bad) in [
        (
            "us-east-1",
            "rsa",
            "ip-10-0-0-1.ec2.internal",
            "ip-10-0-0-1.us-east-1.compute.internal",
        ),
        (
            "eu-west-1",
            "rsa",
            "ip-10-0-0-1.eu-west-1.compute.internal",
            "ip-10-0-0-1.ec2.internal",
        ),
        (
            "ap-southeast-2",
            "ecdsa",
            "ip-10-1-2-3.ap-southeast-2.compute.internal",
            "ap-southeast-2.compute.internal",
        ),
    ] {
        let folder = base.path().join(region);
        let text = folder.to_str().unwrap();
        let (code, out, err) = answer(&mut camonica(&[
            "certs", "--region", region, "--key", kind, "-o", text,
        ]));
        assert_eq!(code, 0, "{err}");
        assert!(
            out.contains("certs.zip") && !out.contains("PRIVATE"),
            "{out}"
        );
        let unzipped = folder.join("unzipped");
        unzip(&folder.join("certs.zip"), &unzipped);
        let at = |name: &str| unzipped.join(name).to_str().unwrap().to_owned();
        let (chain, trusted) = (at("certificateChain.pem"), at("trustedCertificates.pem"));
        for (host, accepted) in [(good, true), (bad, false)] {
            let (ok, text) = openssl(&[
                "verify",
                "-x509_strict",
                "-CAfile",
                &trusted,
                "-verify_hostname",
                host,
                &chain,
            ]);
            if !text.is_empty() {
                assert_eq!(ok, accepted, "{host}: {text}");
            }
            assert_eq!(handshake(&unzipped, host).is_ok(), accepted, "{host}");
        }
        let (_, key) = openssl(&["pkey", "-in", &at("privateKey.pem"), "-pubout"]);
        let (_, certificate) = openssl(&["x509", "-in", &chain, "-noout", "-pubkey"]);
        assert_eq!(key, certificate);
        let (_, purpose) = openssl(&["x509", "-in", &chain, "-noout", "-purpose", "-subject"]);
        if !purpose.is_empty() {
            for part in [
                "SSL client : Yes",
                "SSL server : Yes",
                "SSL server CA : No",
                "CN = *.",
            ] {
                assert!(
                    purpose.contains(part) || purpose.contains(&part.replace(" = ", "=")),
                    "{purpose}"
                );
            }
        }
        // nothing is overwritten; another folder is signed by the same authority
        let before = fs::read(folder.join("certs.zip")).unwrap();
        let (code, _, err) = answer(&mut camonica(&["certs", "--region", region, "-o", text]));
        assert!(code == 1 && err.contains("nothing is overwritten"), "{err}");
        assert_eq!(fs::read(folder.join("certs.zip")).unwrap(), before);
        let other = base.path().join(format!("{region}-2"));
        let other = other.to_str().unwrap();
        let (code, _, err) = answer(&mut camonica(&[
            "certs", "--ca", text, "--region", region, "--key", kind, "-o", other,
        ]));
        assert_eq!(code, 0, "{err}");
        let again = format!("{other}/certificateChain.pem");
        assert!(openssl(&["verify", "-CAfile", &trusted, &again]).0);
        assert!(!Path::new(other).join("ca-key.pem").exists());
    }
}

#[test]
fn mistakes_of_the_command_line() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("x");
    let folder = folder.to_str().unwrap();
    for (more, part) in [
        (&[][..], "no name for the certificate"),
        (&["--region", "eu-west-1b"], "'eu-west-1b' is no region"),
        (&["--region", "eu-west-1", "--days", "0"], "--days 0"),
        (
            &["--region", "eu-west-1", "--ca", "/nowhere"],
            "--ca /nowhere: there is neither",
        ),
        (
            &["--region", "eu-west-1", "--upload", "ftp://x"],
            "--upload: ",
        ),
    ] {
        let mut arguments = vec!["certs", "-o", folder];
        arguments.extend(more);
        let (code, _, err) = answer(&mut camonica(&arguments));
        assert!(code == 1 && err.contains(part), "{more:?}: {err}");
        assert!(!Path::new(folder).exists());
    }
}

#[test]
fn the_zip_is_uploaded_encrypted_and_only_once() {
    let Some(moto) = Moto::get() else { return };
    moto.create_bucket("certs");
    let base = tempfile::tempdir().unwrap();
    let config = write_configuration(
        base.path(),
        moto,
        Aws {
            log: base.path().join("log").display().to_string(),
            ..Aws::below("s3://certs/x")
        },
    );
    for (folder, expected) in [("a", 0), ("b", 1)] {
        let folder = base.path().join(folder);
        let (code, out, err) = answer(&mut camonica(&[
            "certs",
            "-c",
            &config,
            "--key",
            "ecdsa",
            "-o",
            folder.to_str().unwrap(),
            "--upload",
            "s3://certs/keys/certs.zip",
        ]));
        assert_eq!(code, expected, "{out}{err}");
        if code == 0 {
            assert!(
                out.contains(
                    "camonica security-configuration --in-transit s3://certs/keys/certs.zip"
                ),
                "{out}"
            );
        } else {
            assert!(
                err.contains("s3://certs/keys/certs.zip: is there already"),
                "{err}"
            );
        }
    }
    let aws = aws(moto.endpoint(), ["AKIATEST", "test"]);
    let head = aws
        .block_on(
            aws.s3()
                .head_object()
                .bucket("certs")
                .key("keys/certs.zip")
                .send(),
        )
        .unwrap();
    assert_eq!(head.server_side_encryption().unwrap().as_str(), "AES256");
    let there = moto.read("certs", "keys/certs.zip").unwrap();
    assert_eq!(there, fs::read(base.path().join("a/certs.zip")).unwrap());
}
