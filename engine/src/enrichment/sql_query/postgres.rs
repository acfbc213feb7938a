//! PostgreSQL, and what speaks its protocol.
//!
//! Values get the types that the reference's driver declares (`setString` is `varchar`, `setInt` is
//! `int4`, and so on), so the server compares and refuses as it does for the reference. Results come in
//! the server's binary form; columns of types that are not known here are read as the text that the
//! server makes of them, for which the statement is put into another one.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt, pin_mut};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Limits;
use super::connections::{After, Done, Driver, Outcome, Task};
use super::database::Rows;
use super::inputs::Placeholder;
use super::postgres_cell::{Decoder, Raw};
use super::settings::DatabaseSettings;
use super::statement::to_postgres;

/// Idle time and interval of TCP keep-alive.
const KEEP_ALIVE: Duration = Duration::from_secs(200);
/// Probes until a connection is given up.
const KEEP_ALIVE_PROBES: u32 = 5;
/// Statements that are kept for a connection: one for each combination of types.
const STATEMENTS: usize = 64;
/// Class of all failures.
const EXCEPTION: &str = "org.postgresql.util.PSQLException: ";

/// A PostgreSQL database.
pub(super) struct Postgres {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// The statement with `$1`, `$2`, ...
    statement: String,
    address: String,
    limits: Limits,
}

/// An open connection.
pub(super) struct Connection {
    client: Client,
    /// Statements by the types of their values.
    prepared: HashMap<Vec<Type>, Arc<Prepared>>,
}

/// A statement that the server knows.
struct Prepared {
    statement: Statement,
    labels: Vec<String>,
    decoders: Vec<Decoder>,
}

/// The text for the bad row, and what the connection is good for.
struct Failure(String, After);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = describe(&error);
        let after = match error.as_db_error() {
            Some(error) if is_fatal(error) => After::Lost,
            Some(_) => After::Usable,
            None => After::Lost,
        };
        Self(text, after)
    }
}

impl Postgres {
    pub(super) fn new(settings: &DatabaseSettings, statement: &str, limits: Limits) -> Self {
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .dbname(&settings.database)
            .user(&settings.username)
            .password(settings.password.as_bytes())
            .ssl_mode(if settings.ssl {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            .application_name("camonica")
            .connect_timeout(limits.connect)
            .keepalives(true)
            .keepalives_idle(KEEP_ALIVE)
            .keepalives_interval(KEEP_ALIVE)
            .keepalives_retries(KEEP_ALIVE_PROBES);
        Self {
            config,
            tls: settings.ssl.then(any_certificate).flatten(),
            statement: to_postgres(statement),
            address: format!("{}:{}", settings.host, settings.port),
            limits,
        }
    }

    async fn open(&self) -> Result<Client, Error> {
        // the two kinds of connections have different types
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    async fn count(&self, connection: &mut Connection) -> Result<Outcome, Failure> {
        let statement = connection.client.prepare(&self.statement).await?;
        Ok(Outcome::Count(statement.params().len()))
    }

    async fn rows(
        &self,
        connection: &mut Connection,
        values: &[Placeholder],
        most: Option<usize>,
    ) -> Result<(Outcome, After), Failure> {
        let prepared = self.prepared(connection, values).await?;
        let usable = |text: String| Failure(text, After::Usable);
        if prepared.decoders.is_empty() {
            return Err(usable(format!(
                "{EXCEPTION}No results were returned by the query."
            )));
        }
        let stream = connection
            .client
            .query_raw(&prepared.statement, values)
            .await?;
        pin_mut!(stream);
        let mut rows = Rows::new(prepared.labels.clone(), self.limits, most);
        while let Some(row) = stream.try_next().await? {
            rows.expect(row.raw_size_bytes())
                .map_err(|text| Failure(text, After::Busy))?;
            let cells = prepared
                .decoders
                .iter()
                .enumerate()
                .map(|(index, decoder)| {
                    let Raw(bytes) = row.try_get(index)?;
                    Ok(decoder.value(bytes))
                });
            let cells: Result<Option<Vec<_>>, Error> = cells.collect();
            let cells = cells?.ok_or_else(|| {
                Failure(
                    format!("{EXCEPTION}A value of the result cannot be read."),
                    After::Busy,
                )
            })?;
            rows.push(cells);
            if rows.is_enough() {
                return Ok((Outcome::Rows(rows.into_table()), After::Busy));
            }
        }
        Ok((Outcome::Rows(rows.into_table()), After::Usable))
    }

    /// The statement for values of these types, prepared by the server at its first use.
    async fn prepared(
        &self,
        connection: &mut Connection,
        values: &[Placeholder],
    ) -> Result<Arc<Prepared>, Failure> {
        let types: Vec<Type> = values.iter().map(type_of).collect();
        if let Some(prepared) = connection.prepared.get(&types) {
            return Ok(Arc::clone(prepared));
        }
        let prepared = Arc::new(self.prepare(&connection.client, &types).await?);
        if connection.prepared.len() >= STATEMENTS {
            connection.prepared.clear();
        }
        connection.prepared.insert(types, Arc::clone(&prepared));
        Ok(prepared)
    }

    async fn prepare(&self, client: &Client, types: &[Type]) -> Result<Prepared, Failure> {
        let statement = client.prepare_typed(&self.statement, types).await?;
        let columns = statement.columns();
        let labels = columns
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        let known: Vec<Option<Decoder>> = columns
            .iter()
            .map(|column| Decoder::of(column.type_()))
            .collect();
        let decoders: Option<Vec<Decoder>> = known.iter().copied().collect();
        if let Some(decoders) = decoders {
            return Ok(Prepared {
                statement,
                labels,
                decoders,
            });
        }
        let as_text = statement_with_texts(&self.statement, &known);
        let statement = client.prepare_typed(&as_text, types).await.map_err(|error| {
            let unknown = columns.iter().zip(&known).find(|(_, decoder)| decoder.is_none());
            let (name, type_) = unknown.map_or(("?", "?"), |(column, _)| {
                (column.name(), column.type_().name())
            });
            let after = Failure::from(error).1;
            let text = format!(
                "{EXCEPTION}column \"{name}\" has type {type_}, which can be read only of a plain SELECT; cast it to text in the statement"
            );
            Failure(text, after)
        })?;
        let decoders = known
            .into_iter()
            .map(|decoder| decoder.unwrap_or(Decoder::Untyped));
        Ok(Prepared {
            statement,
            labels,
            decoders: decoders.collect(),
        })
    }
}

impl Driver for Postgres {
    type Connection = Connection;

    fn connect(&self) -> BoxFuture<'_, Result<Connection, String>> {
        async move {
            let client = self
                .open()
                .await
                .map_err(|e| describe_connecting(&e, &self.address))?;
            Ok(Connection {
                client,
                prepared: HashMap::new(),
            })
        }
        .boxed()
    }

    fn is_open(connection: &Connection) -> bool {
        !connection.client.is_closed()
    }

    fn run<'r>(&'r self, connection: &'r mut Connection, task: Task<'r>) -> BoxFuture<'r, Done> {
        async move {
            let done = match task {
                Task::Count => {
                    let count = self.count(connection).await;
                    count.map(|count| (count, After::Usable))
                }
                Task::Rows { values, most } => self.rows(connection, values, most).await,
            };
            match done {
                Ok((outcome, after)) => (Ok(outcome), after),
                Err(Failure(text, after)) => (Err(text), after),
            }
        }
        .boxed()
    }

    fn give_up(&self, connection: Connection) {
        let token = connection.client.cancel_token();
        drop(connection);
        let (tls, limit) = (self.tls.clone(), self.limits.connect);
        tokio::spawn(async move {
            // a server that cannot be told notices by itself that nobody listens any more
            let _ = match tls {
                Some(tls) => tokio::time::timeout(limit, token.cancel_query(tls)).await,
                None => tokio::time::timeout(limit, token.cancel_query(NoTls)).await,
            };
        });
    }

    fn connect_timed_out(&self, limit: Duration) -> String {
        format!(
            "{EXCEPTION}The connection attempt failed. (no answer from {} within {} s)",
            self.address,
            limit.as_secs_f64()
        )
    }

    fn query_timed_out(&self, limit: Duration) -> String {
        format!(
            "{EXCEPTION}ERROR: canceling statement due to user request (no result within {} s)",
            limit.as_secs_f64()
        )
    }
}

/// A statement whose columns of unknown types are texts.
fn statement_with_texts(statement: &str, known: &[Option<Decoder>]) -> String {
    let names = || (1..=known.len()).map(|number| format!("c{number}"));
    let columns = names().zip(known).map(|(name, decoder)| match decoder {
        Some(_) => name,
        None => format!("{name}::text"),
    });
    let statement = statement.trim_end().trim_end_matches(';');
    format!(
        "SELECT {} FROM ({statement}\n) AS result ({})",
        columns.collect::<Vec<_>>().join(", "),
        names().collect::<Vec<_>>().join(", ")
    )
}

fn type_of(value: &Placeholder) -> Type {
    match value {
        Placeholder::Text(_) => Type::VARCHAR,
        Placeholder::Int(_) => Type::INT4,
        Placeholder::Long(_) => Type::INT8,
        Placeholder::Byte(_) => Type::INT2,
        Placeholder::Float(_) => Type::FLOAT4,
        Placeholder::Double(_) => Type::FLOAT8,
        Placeholder::Bool(_) => Type::BOOL,
    }
}

type ToSqlResult = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Placeholder {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> ToSqlResult {
        match self {
            Self::Text(text) => text.to_sql(type_, out),
            Self::Int(value) => value.to_sql(type_, out),
            Self::Long(value) => value.to_sql(type_, out),
            Self::Byte(value) => i16::from(*value).to_sql(type_, out),
            Self::Float(value) => value.to_sql(type_, out),
            Self::Double(value) => value.to_sql(type_, out),
            Self::Bool(value) => value.to_sql(type_, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // the types of values are declared
        true
    }

    fn to_sql_checked(&self, type_: &Type, out: &mut BytesMut) -> ToSqlResult {
        if *type_ == type_of(self) {
            return self.to_sql(type_, out);
        }
        Err(format!("a value of type {} is asked for as {type_}", type_of(self)).into())
    }
}

fn is_fatal(error: &DbError) -> bool {
    matches!(error.severity(), "FATAL" | "PANIC") || error.code().code().starts_with("57P")
}

/// The text of a failure of an open connection.
fn describe(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return describe_server(error);
    }
    if error.is_closed() {
        return format!("{EXCEPTION}This connection has been closed.");
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{EXCEPTION}An I/O error occurred while sending to the backend. ({error}: {cause})")
}

/// The server's message as the reference's driver prints it.
fn describe_server(error: &DbError) -> String {
    let mut text = format!("{EXCEPTION}{}: {}", error.severity(), error.message());
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str("\n  ");
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
        }
    };
    add("Detail", error.detail());
    add("Hint", error.hint());
    if let Some(ErrorPosition::Original(position)) = error.position() {
        add("Position", Some(&position.to_string()));
    }
    add("Where", error.where_());
    text
}

/// The text of a failure while connecting.
fn describe_connecting(error: &Error, address: &str) -> String {
    if let Some(error) = error.as_db_error() {
        return describe_server(error);
    }
    let Some(cause) = error.source() else {
        return format!("{EXCEPTION}The connection attempt failed. ({error})");
    };
    let io_kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    if io_kind == Some(io::ErrorKind::ConnectionRefused) {
        return format!(
            "{EXCEPTION}Connection to {address} refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections."
        );
    }
    let cause = cause.to_string();
    if cause == "server does not support TLS" {
        return format!("{EXCEPTION}The server does not support SSL.");
    }
    format!("{EXCEPTION}The connection attempt failed. ({error}: {cause})")
}

/// TLS without a look at the server's certificate, which is what `sslMode` means in the reference.
fn any_certificate() -> Option<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
    // the provider has the versions that are asked for
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Some(MakeRustlsConnect::new(config))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // who may be anybody need not prove who it is, and old certificates could not be read at all

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_become_texts() {
        let known = [Some(Decoder::Int4), None];
        assert_eq!(
            statement_with_texts("SELECT 1, '{}'::int[] -- last ; \n ; ", &known),
            "SELECT c1, c2::text FROM (SELECT 1, '{}'::int[] -- last ; \n \n) AS result (c1, c2)"
        );
        assert_eq!(
            statement_with_texts("SELECT 1, 2 -- no end", &known),
            "SELECT c1, c2::text FROM (SELECT 1, 2 -- no end\n) AS result (c1, c2)"
        );
    }

    #[test]
    fn tls_takes_any_certificate() {
        assert!(any_certificate().is_some());
    }
}
