//! PostgreSQL and MariaDB servers on loopback, for tests that ask databases.
//!
//! The programs are those of Debian's `postgresql` and `mariadb-server`, found in `CAMONICA_POSTGRES_BIN`, `PATH` and their
//! usual folders. Where they are missing the tests print a line that begins with `SKIPPED:` and pass; with
//! `CAMONICA_REQUIRE_DATABASES` set they fail instead. A server's files lie in a temporary folder. It ends with the value
//! that started it, and with the test process, however that ends: a shell in between waits for the end of its input.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "part of a test binary, outside of its test functions"
)]

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Name and password of the databases' user.
pub const USER: &str = "enricher";
pub const PASSWORD: &str = "supersecret1";
/// The users' database.
pub const DATABASE: &str = "sql_enrichment_test";
/// Password of the administrator.
pub const ADMIN_PASSWORD: &str = "only for tests";

/// Runs a command until its own input ends; then the command gets a signal, and its end is waited for. What runs in the
/// background has no input of its own, hence the copy.
const UNTIL_END_OF_INPUT: &str = r#"exec 3<&0; signal=$1; shift; "$@" </dev/null 3<&- & server=$!; (cat <&3 >/dev/null; kill -"$signal" "$server") & wait "$server""#;

/// A running server.
pub struct Server {
    pub port: u16,
    folder: TempDir,
    shell: Child,
}

impl Server {
    /// Everything that the server printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the server and waits for its end.
    pub fn stop(&mut self) {
        drop(self.shell.stdin.take());
        let start = Instant::now();
        while self.shell.try_wait().unwrap().is_none() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the server does not end"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `ready` stands in the log when it is.
    fn start(
        folder: TempDir,
        port: u16,
        (signal, ready): (&str, &str),
        owner: Owner,
        command: &[String],
    ) -> Self {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut shell = owner.command("sh");
        shell
            .args(["-c", UNTIL_END_OF_INPUT, "sh", signal])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let shell = shell.spawn().unwrap();
        let mut server = Self {
            port,
            folder,
            shell,
        };
        let start = Instant::now();
        while !server.log().contains(ready) {
            let is_gone = server.shell.try_wait().unwrap().is_some();
            let is_late = start.elapsed() > Duration::from_secs(120);
            assert!(
                !is_gone && !is_late,
                "the server does not start:\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Who runs a server: PostgreSQL refuses to be run by root.
#[derive(Clone, Copy)]
struct Owner {
    ids: Option<(u32, u32)>,
}

impl Owner {
    /// The first of `names` that there is where the tests run as root, else who runs them.
    fn any_of(names: &[&str]) -> Self {
        let probe = tempfile::tempdir().unwrap();
        if fs::metadata(probe.path()).unwrap().uid() != 0 {
            return Self { ids: None };
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = names.iter().find_map(|name| {
            let line = users
                .lines()
                .find(|line| line.starts_with(&format!("{name}:")))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        Self { ids }
    }

    fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command.current_dir("/").env_remove("PGDATA");
        command
    }

    /// A new folder of the owner's.
    fn folder(self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.give(folder.path());
        folder
    }

    fn give(self, path: &Path) {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn write(self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        self.give(path);
    }

    /// A certificate for 127.0.0.1 that nobody signed, and its key.
    fn certificate(self, folder: &Path) -> (String, String) {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        self.write(&certificate, &signed.cert.pem());
        self.write(&key, &signed.signing_key.serialize_pem());
        (text(&certificate), text(&key))
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The folder of a program.
fn folder_of(program: &str, variable: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(folders.to_vec());
    all.find(|folder| folder.join(program).is_file())
}

fn missing(what: &str) {
    println!("SKIPPED: {what} is not installed (tests/run installs it where it may)");
    assert!(
        std::env::var_os("CAMONICA_REQUIRE_DATABASES").is_none(),
        "{what} is required here"
    );
}

fn run(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A PostgreSQL server with TLS, its administrator `postgres`, and the database and user of the tests. `None` (and a loud
/// line) where there is none.
pub fn postgres() -> Option<Server> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let Some(bin) = folder_of("initdb", "CAMONICA_POSTGRES_BIN", &folders) else {
        missing("PostgreSQL");
        return None;
    };
    let owner = Owner::any_of(&["postgres", "nobody"]);
    let folder = owner.folder();
    let data = folder.path().join("data");
    let password = folder.path().join("password");
    owner.write(&password, ADMIN_PASSWORD);
    let mut initdb = owner.command(bin.join("initdb"));
    initdb.args([
        "--no-sync",
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
    ]);
    initdb.args([
        "--locale=C",
        &format!("--pwfile={}", text(&password)),
        "-D",
        &text(&data),
    ]);
    run(initdb);
    // in the file, so that tests may switch it off
    let (certificate, key) = owner.certificate(folder.path());
    let settings = format!("ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n");
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))
        .unwrap();
    file.write_all(settings.as_bytes()).unwrap();
    let port = free_port();
    let mut command = vec![text(&bin.join("postgres")), "-D".into(), text(&data)];
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".into(),
        "unix_socket_directories=".into(),
        "fsync=off".into(),
        "timezone=UTC".into(),
    ] {
        command.extend(["-c".into(), setting]);
    }
    // a fast shutdown
    let ready = "database system is ready to accept connections";
    Some(Server::start(folder, port, ("INT", ready), owner, &command))
}

/// A PostgreSQL server with the database that the reference's cases want at `localhost:5432`, as
/// `golden/enrich/test_services.json` describes it: user, database, table and rows.
pub fn described(shared: &Path) -> Option<Server> {
    let server = postgres()?;
    let services = fs::read(shared.join("golden/enrich/test_services.json")).unwrap();
    let services: serde_json::Value = serde_json::from_slice(&services).unwrap();
    let service = &services["postgresql:localhost:5432"];
    let text = |name: &str| service[name].as_str().unwrap().to_owned();
    let (user, password, database) = (text("user"), text("password"), text("database"));
    let literal = |value: &serde_json::Value| match value.as_str() {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => value.to_string(),
    };
    let columns = service["columns"].as_array().unwrap().iter();
    let columns: Vec<String> = columns
        .map(|column| {
            format!(
                "{} {}",
                column[0].as_str().unwrap(),
                column[1].as_str().unwrap()
            )
        })
        .collect();
    let table = text("table");
    let mut in_database = vec![format!("CREATE TABLE {table} ({})", columns.join(", "))];
    for row in service["rows"].as_array().unwrap() {
        let values: Vec<String> = row.as_array().unwrap().iter().map(literal).collect();
        in_database.push(format!(
            "INSERT INTO {table} VALUES ({})",
            values.join(", ")
        ));
    }
    in_database.push(format!("GRANT ALL ON {table} TO {user}"));
    let first = [
        format!("CREATE ROLE {user} LOGIN PASSWORD '{password}'"),
        format!("CREATE DATABASE {database} OWNER {user}"),
    ];
    execute(server.port, "postgres", &first);
    execute(server.port, &database, &in_database);
    Some(server)
}

/// Runs statements as the administrator.
pub fn execute(port: u16, database: &str, statements: &[String]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).dbname(database);
        config.user("postgres").password(ADMIN_PASSWORD);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        for statement in statements {
            client.batch_execute(statement).await.unwrap();
        }
    });
}

/// A MariaDB server with TLS that runs `init` at its start. `None` (and a loud line) where there is none.
pub fn mariadb(init: &str) -> Option<Server> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    let programs = ["mariadbd", "mariadb-install-db"]
        .map(|program| Some(folder_of(program, "CAMONICA_MARIADB_BIN", &folders)?.join(program)));
    let [Some(server), Some(install)] = programs else {
        missing("MariaDB");
        return None;
    };
    let owner = Owner::any_of(&["mysql", "nobody"]);
    let folder = owner.folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    owner.give(&data);
    let data = format!("--datadir={}", text(&data));
    let mut command = owner.command(install);
    command.args([
        "--no-defaults",
        &data,
        "--auth-root-authentication-method=normal",
    ]);
    command.args(["--skip-test-db", "--innodb-flush-log-at-trx-commit=0"]);
    run(command);
    let (certificate, key) = owner.certificate(folder.path());
    let init_file = folder.path().join("init.sql");
    owner.write(&init_file, init);
    let port = free_port();
    let command = [
        text(&server),
        "--no-defaults".into(),
        data,
        format!("--port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--skip-name-resolve".into(),
        "--default-time-zone=+00:00".into(),
        "--innodb-flush-log-at-trx-commit=0".into(),
        format!("--socket={}", text(&folder.path().join("socket"))),
        format!("--pid-file={}", text(&folder.path().join("pid"))),
        format!("--init-file={}", text(&init_file)),
        format!("--ssl-cert={certificate}"),
        format!("--ssl-key={key}"),
    ];
    let ready = "mariadbd: ready for connections";
    Some(Server::start(
        folder,
        port,
        ("TERM", ready),
        owner,
        &command,
    ))
}
