//! Handshakes on loopback, before and after certificates were renewed.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAME: &str = "node.camonica.test";

/// Writes the files of a node of an authority that is made for them; one call, one authority.
fn write(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("chain.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
}

fn load(folder: &Path) -> Tls {
    Tls::load(&TlsArguments {
        tls_zip: None,
        tls_key: Some(folder.join("key.pem")),
        tls_certificate: Some(folder.join("chain.pem")),
        tls_ca: Some(folder.join("ca.pem")),
        tls_name: Some(NAME.to_owned()),
        cluster_secret: None,
        kms_key: None,
    })
    .unwrap()
}

/// Whether a peer with these certificates is let in: what it sends comes back.
async fn is_let_in(peer: &Tls, address: SocketAddr) -> bool {
    let exchange = async {
        let connector = TlsConnector::from(Arc::clone(&peer.current.load().client));
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(b"x").await?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer[0] == b'x')
    };
    exchange.await.unwrap_or(false)
}

#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [node, other] = ["node", "other"].map(|name| folder.path().join(name));
    write(&node);
    write(&other);
    let server = load(&node);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut peers = server.peers(listener, "test");
    tokio::spawn(async move {
        while let Some(mut stream) = peers.next_peer().await {
            tokio::spawn(async move {
                let mut byte = [0];
                if stream.read_exact(&mut byte).await.is_ok() {
                    let _ = stream.write_all(&byte).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    let (before, stranger) = (load(&node), load(&other));
    assert!(is_let_in(&before, address).await);
    assert!(!is_let_in(&stranger, address).await);
    assert!(!server.reload().unwrap(), "nothing has changed");

    // half written files: those before stay in use
    std::fs::write(node.join("chain.pem"), "half").unwrap();
    assert!(server.reload().is_err());
    assert!(is_let_in(&before, address).await);

    write(&node);
    assert!(server.reload().unwrap());
    assert!(!is_let_in(&before, address).await);
    assert!(before.reload().unwrap());
    assert!(is_let_in(&before, address).await);

    // who speaks plaintext gets no service
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"));
}

#[test]
fn there_is_no_way_without_certificates() {
    let error = Tls::load(&TlsArguments::default()).unwrap_err();
    assert!(error.to_string().contains("--tls-zip"), "{error}");
}
