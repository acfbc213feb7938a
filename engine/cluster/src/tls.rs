//! Mutual TLS 1.3 between the processes of a cluster.
//!
//! In: a key, a certificate chain and the authorities whose nodes are let in, from files or from the zip that EMR takes. Out:
//! a listener that lets in nobody without a valid certificate of these authorities and logs whom it refused, and what
//! clients need. The files are looked at every few seconds: a node's new certificate is used from the next connection on,
//! without a restart. There is no way to go without.

mod material;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ballista_core::extension::EndpointOverrideFn;
use engine::{Error, Result};
use futures::Stream;
use hyper_util::rt::TokioIo;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use crate::cli::TlsArguments;
use material::{Material, Source, Stamp};

/// How often the files are looked at.
const RELOAD: Duration = Duration::from_secs(5);
/// How long a peer may take to show its certificate.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection to the driver may take, with its handshake.
const CONNECT: Duration = Duration::from_secs(20);
/// How often a peer is asked whether it is there, and how long it may take to say so.
const ASKED: Duration = Duration::from_secs(5);
const ANSWERED: Duration = Duration::from_secs(10);
/// Connections that wait to be served.
const WAITING: usize = 64;
/// Handshakes at once.
const HANDSHAKES: usize = 256;

/// What a process needs for TLS, kept up to date.
#[derive(Clone)]
pub struct Tls {
    current: Arc<ArcSwap<Current>>,
    source: Arc<Source>,
    name: Option<Arc<str>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.source)
    }
}

/// One state of the files, in the forms that are needed.
struct Current {
    stamp: Stamp,
    server: Arc<ServerConfig>,
    /// Without client certificates: browsers have none.
    page: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    endpoint: ClientTlsConfig,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Current {
    fn of(material: &Material, stamp: Stamp, name: Option<&str>) -> Result<Self> {
        let wrong = |what: &'static str| {
            move |error: rustls::Error| Error::config(what).with_source(error.to_string())
        };
        let mut roots = RootCertStore::empty();
        for authority in &material.authorities {
            roots.add(authority.clone()).map_err(wrong(
                "a certificate of an authority (trustedCertificates.pem, --tls-ca)",
            ))?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
            .build()
            .map_err(|error| Error::config(format!("the authorities cannot be used: {error}")))?;
        let versions: &[_] = &[&rustls::version::TLS13];
        let builder = || {
            ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(versions)
                .map_err(wrong("TLS 1.3"))
        };
        let own = "this node's certificate and key";
        let mut server = builder()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(material.chain.clone(), material.key.clone_key())
            .map_err(wrong(own))?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut page = builder()?
            .with_no_client_auth()
            .with_single_cert(material.chain.clone(), material.key.clone_key())
            .map_err(wrong(own))?;
        page.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(wrong("TLS 1.3"))?
            .with_root_certificates(roots)
            .with_client_auth_cert(material.chain.clone(), material.key.clone_key())
            .map_err(wrong(own))?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        let mut endpoint = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&material.authorities_pem))
            .identity(Identity::from_pem(&material.chain_pem, &*material.key_pem))
            // a process that hangs takes connections, and never answers
            .timeout(HANDSHAKE);
        if let Some(name) = name {
            endpoint = endpoint.domain_name(name);
        }
        Ok(Self {
            stamp,
            server: Arc::new(server),
            page: Arc::new(page),
            client: Arc::new(client),
            endpoint,
        })
    }
}

impl Tls {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// `Config` without files, or for files that cannot be used.
    pub fn load(arguments: &TlsArguments) -> Result<Self> {
        // what others build with rustls' default takes the same
        let _ = aws_lc_rs::default_provider().install_default();
        let source = Source::of(arguments)?;
        let stamp = source.stamp()?;
        let material = source.read()?;
        let current = Current::of(&material, stamp, arguments.tls_name.as_deref())?;
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(current)),
            source: Arc::new(source),
            name: arguments.tls_name.as_deref().map(Into::into),
        })
    }

    /// Looks at the files from time to time, for as long as the process lives.
    pub fn keep_up_to_date(&self) {
        let tls = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RELOAD).await;
                let tls = tls.clone();
                if let Ok(Err(error)) = tokio::task::spawn_blocking(move || tls.reload()).await {
                    tracing::warn!("the certificates in use are kept: {error}");
                }
            }
        });
    }

    /// Takes the files as they are now, if they have changed. True if so.
    ///
    /// # Errors
    /// When they cannot be used; those before stay in use.
    pub fn reload(&self) -> Result<bool> {
        let stamp = self.source.stamp()?;
        if stamp == self.current.load().stamp {
            return Ok(false);
        }
        let material = self.source.read()?;
        let current = Current::of(&material, stamp, self.name.as_deref())?;
        self.current.store(Arc::new(current));
        tracing::info!("new certificates are in use");
        Ok(true)
    }

    /// Gives Ballista's clients their certificates, and an end to their patience: by themselves those which fetch from other
    /// workers would wait for one that hangs as long as it hangs.
    pub fn endpoints(&self) -> EndpointOverrideFn {
        let tls = self.clone();
        Arc::new(move |endpoint: Endpoint| {
            let config = tls.current.load().endpoint.clone();
            let endpoint = endpoint
                .connect_timeout(HANDSHAKE)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(ASKED)
                .keep_alive_timeout(ANSWERED)
                .keep_alive_while_idle(true);
            endpoint.tls_config(config).map_err(Into::into)
        })
    }

    /// A channel to `host:port` that connects when it is used, each time with the certificates of that moment.
    ///
    /// # Errors
    /// `Config` for an address that is none.
    pub fn channel(&self, host: &str, port: u16) -> Result<Channel> {
        let name = self.name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name)
            .map_err(|error| Error::config(format!("`{host}` is no name of a host: {error}")))?;
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))
            .map_err(|error| Error::config(format!("{authority}: {error}")))?
            .connect_timeout(CONNECT)
            .timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true);
        let tls = self.clone();
        let address: Arc<str> = authority.into();
        Ok(
            endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let connector = TlsConnector::from(Arc::clone(&tls.current.load().client));
                let (name, address) = (name.clone(), Arc::clone(&address));
                async move {
                    let connect = async {
                        let stream = TcpStream::connect(&*address).await?;
                        stream.set_nodelay(true)?;
                        connector.connect(name, stream).await
                    };
                    let stream = tokio::time::timeout(CONNECT, connect).await??;
                    Ok::<_, std::io::Error>(TokioIo::new(stream))
                }
            })),
        )
    }

    /// Connections of peers with a valid certificate; all others are refused and logged.
    pub fn peers(&self, listener: TcpListener, service: &'static str) -> Peers {
        self.accept(listener, service, |current| Arc::clone(&current.server))
    }

    /// Connections of anyone who speaks TLS: for pages.
    pub fn visitors(&self, listener: TcpListener) -> Peers {
        self.accept(listener, "page", |current| Arc::clone(&current.page))
    }

    fn accept(
        &self,
        listener: TcpListener,
        service: &'static str,
        config: fn(&Current) -> Arc<ServerConfig>,
    ) -> Peers {
        let (to, from) = mpsc::channel(WAITING);
        let tls = self.clone();
        let places = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
        tokio::spawn(async move {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let (stream, peer) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!("{service}: a connection failed: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let acceptor = TlsAcceptor::from(config(&tls.current.load()));
                let to = to.clone();
                tokio::spawn(async move {
                    let shaken = shake_hands(acceptor, stream).await;
                    drop(place);
                    match shaken {
                        Ok(stream) => {
                            let _ = to.send(stream).await;
                        }
                        Err(error) => refuse(service, peer, &error),
                    }
                });
            }
        });
        Peers(from)
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::TimedOut, "no handshake in time"))?
}

fn refuse(service: &str, peer: SocketAddr, error: &std::io::Error) {
    tracing::warn!("{service}: refused {peer}: {error}");
}

/// Connections, one after the other.
#[derive(Debug)]
pub struct Peers(mpsc::Receiver<TlsStream<TcpStream>>);

impl Peers {
    /// The next one.
    pub async fn next_peer(&mut self) -> Option<TlsStream<TcpStream>> {
        self.0.recv().await
    }
}

impl Stream for Peers {
    type Item = std::io::Result<TlsStream<TcpStream>>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|peer| peer.map(Ok))
    }
}

#[cfg(test)]
mod tests;
