//! MySQL and MariaDB.
//!
//! The server counts the `?` and gets the values in its binary form. A 32-bit float goes as the double
//! that has its digits, since the reference's driver puts the digits into the statement.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{
    Column, Conn, DriverError, Error, IoError, Opts, OptsBuilder, Params, Row, ServerError, SslOpts,
};

use super::Limits;
use super::cell;
use super::connections::{After, Done, Driver, Outcome, Task};
use super::database::Rows;
use super::inputs::Placeholder;
use super::settings::DatabaseSettings;
use crate::json::Value;
use crate::text::time::days_from_civil;

/// Idle time of TCP keep-alive.
const KEEP_ALIVE: Duration = Duration::from_secs(200);
/// So much may one value have, whatever the limit: a limit below it is told by the limit's own text.
const LEAST_PACKET: usize = 17 << 20;
/// Number of the character set of bytes.
const BINARY: u16 = 63;
/// Class of failures of connections.
const COMMUNICATIONS: &str =
    "com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: Communications link failure";
/// Errors after which a server closes the connection.
const CLOSING: [u16; 10] = [1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 4031];

/// A MySQL database.
pub(super) struct MySql {
    opts: Opts,
    statement: String,
    address: String,
    limits: Limits,
}

impl MySql {
    pub(super) fn new(settings: &DatabaseSettings, statement: String, limits: Limits) -> Self {
        if settings.ssl {
            // there are two in the process; a second call changes nothing
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let ssl = SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true);
        let attributes: HashMap<_, _> = [("program_name".to_owned(), "camonica".to_owned())].into();
        let opts = OptsBuilder::default()
            .ip_or_hostname(settings.host.clone())
            .tcp_port(settings.port)
            .user(Some(settings.username.clone()))
            .pass(Some(settings.password.as_str()))
            .db_name(Some(settings.database.clone()))
            .prefer_socket(false)
            .max_allowed_packet(Some(limits.bytes.max(LEAST_PACKET)))
            .tcp_keepalive(Some(KEEP_ALIVE))
            .connect_attributes(attributes)
            .ssl_opts(settings.ssl.then_some(ssl));
        Self {
            opts: opts.into(),
            statement,
            address: format!("{}:{}", settings.host, settings.port),
            limits,
        }
    }

    async fn count(&self, connection: &mut Conn) -> Result<Outcome, Error> {
        let statement = connection.prep(self.statement.as_str()).await?;
        Ok(Outcome::Count(usize::from(statement.num_params())))
    }

    async fn rows(
        &self,
        connection: &mut Conn,
        values: &[Placeholder],
        most: Option<usize>,
    ) -> Result<Done, Error> {
        let statement = connection.prep(self.statement.as_str()).await?;
        let is_call = self.statement.trim_start().get(..4);
        let is_call = is_call.is_some_and(|word| word.eq_ignore_ascii_case("call"));
        if statement.columns().is_empty() && !is_call {
            let text = "java.sql.SQLException: Can not issue data manipulation statements with executeQuery().";
            return Ok((Err(text.into()), After::Usable));
        }
        let values = match values {
            [] => Params::Empty,
            values => Params::Positional(values.iter().map(parameter).collect()),
        };
        let mut result = connection.exec_iter(statement, values).await?;
        let columns: Arc<[Column]> = result.columns().unwrap_or_default();
        let labels = columns
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect();
        let mut rows = Rows::new(labels, self.limits, most);
        while let Some(row) = result.next().await? {
            if let Err(text) = rows.expect(size(&row)) {
                return Ok((Err(text), After::Busy));
            }
            let cells = row.unwrap_raw().into_iter().zip(columns.iter());
            let cells: Result<Vec<_>, String> = cells
                .map(|(cell, column)| value(cell.unwrap_or(mysql_async::Value::NULL), column))
                .collect();
            match cells {
                Ok(cells) => rows.push(cells),
                Err(text) => return Ok((Err(text), After::Busy)),
            }
            if rows.is_enough() {
                return Ok((Ok(Outcome::Rows(rows.into_table())), After::Busy));
            }
        }
        // a procedure has more results
        result.drop_result().await?;
        Ok((Ok(Outcome::Rows(rows.into_table())), After::Usable))
    }
}

impl Driver for MySql {
    type Connection = Conn;

    fn connect(&self) -> BoxFuture<'_, Result<Conn, String>> {
        async move {
            let connected = Conn::new(self.opts.clone()).await;
            connected.map_err(|error| describe(&error, &self.address))
        }
        .boxed()
    }

    fn is_open(connection: &Conn) -> bool {
        !connection.is_disconnected()
    }

    fn run<'r>(&'r self, connection: &'r mut Conn, task: Task<'r>) -> BoxFuture<'r, Done> {
        async move {
            let done = match task {
                Task::Count => {
                    let count = self.count(connection).await;
                    count.map(|count| (Ok(count), After::Usable))
                }
                Task::Rows { values, most } => self.rows(connection, values, most).await,
            };
            done.unwrap_or_else(|error| {
                let after = match &error {
                    Error::Server(error) if !CLOSING.contains(&error.code) => After::Usable,
                    _ => After::Lost,
                };
                (Err(describe(&error, &self.address)), after)
            })
        }
        .boxed()
    }

    fn give_up(&self, connection: Conn) {
        let (opts, limit) = (self.opts.clone(), self.limits.connect);
        tokio::spawn(async move {
            // a server that cannot be told notices by itself that nobody listens any more
            let _ = tokio::time::timeout(limit, async {
                let mut other = Conn::new(opts).await?;
                other
                    .query_drop(format!("KILL {}", connection.id()))
                    .await?;
                other.disconnect().await
            })
            .await;
            drop(connection);
        });
    }

    fn connect_timed_out(&self, limit: Duration) -> String {
        format!(
            "{COMMUNICATIONS} (no answer from {} within {} s)",
            self.address,
            limit.as_secs_f64()
        )
    }

    fn query_timed_out(&self, limit: Duration) -> String {
        format!(
            "com.mysql.jdbc.exceptions.MySQLTimeoutException: Statement cancelled due to timeout or client request (no result within {} s)",
            limit.as_secs_f64()
        )
    }
}

fn parameter(value: &Placeholder) -> mysql_async::Value {
    use mysql_async::Value::{Bytes, Double, Int};
    match value {
        Placeholder::Text(text) => Bytes(text.clone().into_bytes()),
        Placeholder::Int(value) => Int(i64::from(*value)),
        Placeholder::Long(value) => Int(*value),
        Placeholder::Byte(value) => Int(i64::from(*value)),
        Placeholder::Float(value) => Double(
            value
                .to_string()
                .parse()
                .unwrap_or_else(|_| f64::from(*value)),
        ),
        Placeholder::Double(value) => Double(*value),
        Placeholder::Bool(value) => Int(i64::from(*value)),
    }
}

/// About how many bytes a row takes.
fn size(row: &Row) -> usize {
    let cells = (0..row.len()).map(|index| match row.as_ref(index) {
        Some(mysql_async::Value::Bytes(bytes)) => bytes.len(),
        _ => 8,
    });
    cells.sum()
}

/// A value by its column's type, as the class that the reference's driver makes of it.
fn value(cell: mysql_async::Value, column: &Column) -> Result<Value<'static>, String> {
    use ColumnType as T;
    use mysql_async::Value as Cell;
    let type_ = column.column_type();
    Ok(match cell {
        Cell::NULL => Value::Null,
        // a boolean; wider ones are numbers
        Cell::Int(number) if type_ == T::MYSQL_TYPE_TINY && column.column_length() == 1 => {
            Value::Bool(number != 0)
        }
        Cell::Int(year) if type_ == T::MYSQL_TYPE_YEAR => date(year, 1, 1),
        Cell::UInt(year) if type_ == T::MYSQL_TYPE_YEAR => date(year as i64, 1, 1),
        Cell::Int(number) => Value::integer(number),
        Cell::UInt(number) => cell::digits(number.to_string()),
        Cell::Float(number) => cell::double(f64::from(number)),
        Cell::Double(number) => cell::double(number),
        Cell::Date(year, month, day, hour, minute, second, micros) => {
            let is_date = matches!(type_, T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE);
            if month == 0 || day == 0 {
                let (class, clock) = match is_date {
                    true => ("java.sql.Date", ""),
                    false => ("java.sql.Timestamp", " 00:00:00"),
                };
                return Err(format!(
                    "java.sql.SQLException: Value '{year:04}-{month:02}-{day:02}{clock}' can not be represented as {class}"
                ));
            }
            if is_date {
                return Ok(date(i64::from(year), month, day));
            }
            let days = days_from_civil(i64::from(year), u32::from(month), i64::from(day));
            let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
            cell::timestamp((days * 86_400 + seconds) * 1_000_000 + i64::from(micros))
        }
        Cell::Time(is_negative, days, hours, minutes, seconds, _) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            cell::untyped(&format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"))
        }
        Cell::Bytes(bytes) => of_bytes(bytes, column),
    })
}

fn date(year: i64, month: u8, day: u8) -> Value<'static> {
    cell::date(days_from_civil(year, u32::from(month), i64::from(day)) * 86_400_000)
}

fn of_bytes(bytes: Vec<u8>, column: &Column) -> Value<'static> {
    use ColumnType as T;
    match column.column_type() {
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL | T::MYSQL_TYPE_JSON => {
            cell::untyped(&String::from_utf8_lossy(&bytes))
        }
        T::MYSQL_TYPE_BIT if column.column_length() == 1 => {
            Value::Bool(bytes.last().is_some_and(|byte| *byte != 0))
        }
        T::MYSQL_TYPE_BIT => {
            let number = bytes
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            cell::digits(number.to_string())
        }
        T::MYSQL_TYPE_GEOMETRY => cell::bytes("0x", &bytes),
        T::MYSQL_TYPE_ENUM | T::MYSQL_TYPE_SET => text(bytes),
        _ if column.character_set() == BINARY
            && column.flags().contains(ColumnFlags::BINARY_FLAG) =>
        {
            cell::bytes("0x", &bytes)
        }
        _ => text(bytes),
    }
}

fn text(bytes: Vec<u8>) -> Value<'static> {
    Value::string(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The text of a failure, with the class that the reference's driver gives it.
fn describe(error: &Error, address: &str) -> String {
    match error {
        Error::Server(error) => describe_server(error),
        Error::Io(IoError::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("{COMMUNICATIONS} ({address}: Connection refused (Connection refused))")
        }
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "java.sql.SQLNonTransientConnectionException: SSL Connection required, but not supported by server.".into()
        }
        Error::Io(error) => format!("{COMMUNICATIONS} ({address}: {error})"),
        Error::Driver(DriverError::ConnectionClosed) => format!("{COMMUNICATIONS} ({address}: closed)"),
        // no packets: they may hold values
        Error::Driver(DriverError::UnexpectedPacket { .. }) => {
            format!("{COMMUNICATIONS} ({address}: unexpected packet)")
        }
        other => format!("java.sql.SQLException: {other}"),
    }
}

fn describe_server(error: &ServerError) -> String {
    const PACKAGE: &str = "com.mysql.jdbc.exceptions.jdbc4.";
    let class = match error.state.get(..2) {
        Some("08") => "MySQLNonTransientConnectionException",
        Some("22") => "MySQLDataException",
        Some("23") => "MySQLIntegrityConstraintViolationException",
        Some("40") => "MySQLTransactionRollbackException",
        Some("42") => "MySQLSyntaxErrorException",
        _ if error.state == "70100" => "MySQLQueryInterruptedException",
        _ => return format!("java.sql.SQLException: {}", error.message),
    };
    format!("{PACKAGE}{class}: {}", error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_: ColumnType, length: u32, character_set: u16) -> Column {
        let flags = match character_set {
            BINARY => ColumnFlags::BINARY_FLAG,
            _ => ColumnFlags::empty(),
        };
        Column::new(type_)
            .with_column_length(length)
            .with_character_set(character_set)
            .with_flags(flags)
    }

    #[test]
    fn values_by_their_columns() {
        use ColumnType as T;
        use mysql_async::Value as Cell;
        let bytes = |text: &str| Cell::Bytes(text.as_bytes().to_vec());
        for (cell, column, printed) in [
            (Cell::NULL, column(T::MYSQL_TYPE_LONG, 11, BINARY), "null"),
            (Cell::Int(-1), column(T::MYSQL_TYPE_TINY, 1, BINARY), "true"),
            (Cell::Int(5), column(T::MYSQL_TYPE_TINY, 4, BINARY), "5"),
            (
                Cell::Int(2016),
                column(T::MYSQL_TYPE_YEAR, 4, BINARY),
                "\"2016-01-01T00:00:00.000Z\"",
            ),
            (
                Cell::UInt(u64::MAX),
                column(T::MYSQL_TYPE_LONGLONG, 20, BINARY),
                "18446744073709551615",
            ),
            (
                Cell::Float(42.1),
                column(T::MYSQL_TYPE_FLOAT, 12, BINARY),
                "42.099998474121094",
            ),
            (
                Cell::Double(42.1),
                column(T::MYSQL_TYPE_DOUBLE, 22, BINARY),
                "42.1",
            ),
            (
                bytes("42.10"),
                column(T::MYSQL_TYPE_NEWDECIMAL, 6, BINARY),
                "42.1",
            ),
            (
                bytes("{\"a\": 1}"),
                column(T::MYSQL_TYPE_JSON, 100, BINARY),
                "{\"a\":1}",
            ),
            (
                bytes("{\"a\": 1}"),
                column(T::MYSQL_TYPE_BLOB, 100, 45),
                "\"{\\\"a\\\": 1}\"",
            ),
            (
                bytes("ab"),
                column(T::MYSQL_TYPE_BLOB, 100, BINARY),
                "\"0x6162\"",
            ),
            (
                bytes("ab"),
                column(T::MYSQL_TYPE_ENUM, 100, BINARY),
                "\"ab\"",
            ),
            (
                Cell::Bytes(vec![1]),
                column(T::MYSQL_TYPE_BIT, 1, BINARY),
                "true",
            ),
            (
                Cell::Bytes(vec![1, 2]),
                column(T::MYSQL_TYPE_BIT, 10, BINARY),
                "258",
            ),
            (
                Cell::Date(2016, 6, 10, 0, 0, 0, 0),
                column(T::MYSQL_TYPE_DATE, 10, BINARY),
                "\"2016-06-10T00:00:00.000Z\"",
            ),
            (
                Cell::Date(2016, 6, 10, 1, 2, 3, 40),
                column(T::MYSQL_TYPE_DATETIME, 10, BINARY),
                "\"2016-06-10 01:02:03.00004\"",
            ),
            (
                Cell::Time(true, 2, 3, 4, 5, 6),
                column(T::MYSQL_TYPE_TIME, 10, BINARY),
                "\"-51:04:05\"",
            ),
        ] {
            assert_eq!(
                value(cell, &column).unwrap().to_compact(),
                printed,
                "{column:?}"
            );
        }
        assert_eq!(
            value(
                Cell::Date(0, 0, 0, 0, 0, 0, 0),
                &column(T::MYSQL_TYPE_DATE, 10, BINARY)
            )
            .unwrap_err(),
            "java.sql.SQLException: Value '0000-00-00' can not be represented as java.sql.Date"
        );
    }

    #[test]
    fn floats_go_by_their_digits() {
        assert_eq!(
            parameter(&Placeholder::Float(43.1)),
            mysql_async::Value::Double(43.1)
        );
        assert_eq!(
            parameter(&Placeholder::Bool(true)),
            mysql_async::Value::Int(1)
        );
    }

    #[test]
    fn classes_of_errors() {
        for (state, class) in [
            (
                "42S02",
                "com.mysql.jdbc.exceptions.jdbc4.MySQLSyntaxErrorException: m",
            ),
            ("28000", "java.sql.SQLException: m"),
            (
                "70100",
                "com.mysql.jdbc.exceptions.jdbc4.MySQLQueryInterruptedException: m",
            ),
            ("", "java.sql.SQLException: m"),
        ] {
            let error = ServerError {
                code: 1,
                message: "m".into(),
                state: state.into(),
            };
            assert_eq!(describe_server(&error), class);
        }
    }
}
