//! Static registries over HTTP: answers, refusals, sizes, secrets.

use std::net::TcpListener;
use std::time::Instant;

use super::super::stub::{Reply, StubServer};
use super::*;

const PATH: &str = "/schemas/com.acme/ad/jsonschema/1-0-0";
const URI: &str = "iglu:com.acme/ad/jsonschema/1-0-0";

fn key() -> SchemaKey {
    SchemaKey::parse(URI).unwrap()
}

fn short() -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(2000),
        read: Duration::from_millis(300),
        total: Duration::from_millis(900),
    }
}

fn fetch(uri: &str) -> Result<Option<Found>, Failure> {
    Http::with_timeouts(uri, None, short()).fetch("Acme", &key())
}

fn failure(uri: &str) -> String {
    match fetch(uri) {
        Err(Failure::Recoverable(message)) => message.text().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn unexpected(exception: &str) -> String {
    format!("Unexpected exception fetching {URI} in HTTP Iglu repository Acme: {exception}")
}

#[test]
fn a_schema_is_fetched_by_plain_concatenation() {
    let server = StubServer::start(&[
        (PATH, Reply::ok("{}")),
        ("//schemas/com.acme/ad/jsonschema/1-0-0", Reply::ok("{}")),
        (
            "/root/schemas/com.acme/ad/jsonschema/1-0-0",
            Reply::ok("{}"),
        ),
    ]);
    for suffix in ["", "/", "/root"] {
        let found = fetch(&format!("{}{suffix}", server.uri)).unwrap().unwrap();
        assert_eq!(found.entry.key, key());
    }
    let heads = server.heads();
    assert_eq!(heads.len(), 3);
    assert!(heads[0].starts_with(&format!("GET {PATH} HTTP/1.1")));
    assert!(
        heads
            .iter()
            .all(|head| !head.to_ascii_lowercase().contains("apikey"))
    );
}

#[test]
fn the_api_key_is_sent_and_never_shown() {
    let server = StubServer::start(&[(PATH, Reply::status(500))]);
    let http = Http::with_timeouts(&server.uri, Some("s3cr3t".into()), short());
    let failed = http.fetch("Acme", &key());
    assert!(server.heads()[0].contains("apikey: s3cr3t\r\n"));
    assert!(!format!("{failed:?} {http:?} {http}").contains("s3cr3t"));

    let http = Http::with_timeouts(&server.uri, Some("bad\nkey".into()), short());
    let failed = format!("{:?}", http.fetch("Acme", &key()));
    assert!(
        failed.contains("IllegalArgumentException") && !failed.contains("bad"),
        "{failed}"
    );
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn absence_is_not_a_failure() {
    for status in [404, 410] {
        let server = StubServer::start(&[(PATH, Reply::status(status))]);
        assert!(fetch(&server.uri).unwrap().is_none(), "{status}");
    }
}

#[test]
fn statuses_are_told_with_the_address() {
    for status in [400, 401, 403, 429, 500, 503] {
        let server = StubServer::start(&[(PATH, Reply::status(status))]);
        let uri = server.uri.replace("http://", "http://user:pw@");
        assert_eq!(
            failure(&uri),
            unexpected(&format!(
                "java.io.IOException: Server returned HTTP response code: {status} for URL: {}{PATH}",
                server.uri
            ))
        );
    }
}

#[test]
fn damaged_answers() {
    let server = StubServer::start(&[(PATH, Reply::ok("<html>not a schema</html>"))]);
    let text = failure(&server.uri);
    let start = format!("Problem parsing {URI} as JSON in HTTP Iglu repository Acme: ");
    assert!(text.starts_with(&start) && !text.contains("html"), "{text}");
    server.set(PATH, Reply::ok("{\"type\":"));
    assert!(failure(&server.uri).starts_with(&start));
    server.set(PATH, Reply::ok(""));
    assert_eq!(
        failure(&server.uri),
        unexpected(
            "com.fasterxml.jackson.databind.JsonMappingException: No content to map due to end-of-input"
        )
    );
}

#[test]
fn broken_connections() {
    let server = StubServer::start(&[(PATH, Reply::Close)]);
    assert_eq!(
        failure(&server.uri),
        unexpected("java.net.SocketException: Unexpected end of file from server")
    );
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    assert_eq!(
        failure(&format!("http://127.0.0.1:{port}")),
        unexpected("java.net.ConnectException: Connection refused (Connection refused)")
    );
    assert_eq!(
        failure("http://no-such-host.invalid"),
        format!(
            "Unknown host issue fetching {URI} in HTTP Iglu repository Acme: no-such-host.invalid"
        )
    );
    // A server that does not speak TLS.
    let text = failure(&server.uri.replace("http://", "https://"));
    assert!(
        text.contains("javax.net.ssl.SSLHandshakeException")
            || text.contains("java.net.SocketException"),
        "{text}"
    );
}

#[test]
fn malformed_addresses() {
    let path = "/schemas/com.acme/ad/jsonschema/1-0-0";
    assert_eq!(
        failure("iglucentral.com"),
        format!(
            "Provided URL string [iglucentral.com{path}] is malformed: [no protocol: iglucentral.com{path}]"
        )
    );
    assert_eq!(
        failure("foo://u:pw@h"),
        format!("Provided URL string [foo://h{path}] is malformed: [unknown protocol: foo]")
    );
    assert_eq!(
        failure("http:///x"),
        unexpected("java.lang.IllegalArgumentException: protocol = http host = null")
    );
}

#[test]
fn nobody_waits_for_ever() {
    let server = StubServer::start(&[(PATH, Reply::Slow(Duration::from_secs(20), "{}".into()))]);
    let start = Instant::now();
    let timed_out = unexpected("java.net.SocketTimeoutException: Read timed out");
    assert_eq!(failure(&server.uri), timed_out);
    // Each byte is in time, the whole is not.
    server.set(PATH, Reply::Trickle(Duration::from_millis(50)));
    assert_eq!(failure(&server.uri), timed_out);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn redirects_stay_within_the_protocol() {
    let server = StubServer::start(&[("/moved", Reply::ok("{}"))]);
    for status in [301, 302, 303, 307, 308] {
        server.set(PATH, Reply::redirect(status, "/moved"));
        assert!(fetch(&server.uri).unwrap().is_some(), "{status}");
    }
    assert_eq!(server.count("/moved"), 5);
    // To another protocol it is not followed: its body is read as if it were the schema.
    server.set(PATH, Reply::redirect(301, "https://127.0.0.1:1/moved"));
    assert!(failure(&server.uri).starts_with("Problem parsing "));
    server.set(PATH, Reply::redirect(302, PATH));
    assert_eq!(
        failure(&server.uri),
        unexpected("java.net.ProtocolException: Server redirected too many  times (20)")
    );
}

#[test]
fn the_api_key_stays_with_its_host() {
    let other = StubServer::start(&[("/moved", Reply::ok("{}"))]);
    let server = StubServer::start(&[
        (PATH, Reply::redirect(302, "/here")),
        (
            "/here",
            Reply::redirect(302, &format!("{}/moved", other.uri)),
        ),
    ]);
    let http = Http::with_timeouts(&server.uri, Some("s3cr3t".into()), short());
    assert!(http.fetch("Acme", &key()).unwrap().is_some());
    assert!(server.heads().iter().all(|head| head.contains("s3cr3t")));
    assert_eq!(server.heads().len(), 2);
    assert!(!other.heads()[0].contains("s3cr3t"));
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let server = StubServer::start(&[(PATH, Reply::ok(&" ".repeat(MAX_SCHEMA_BYTES + 1)))]);
    let http = Http::new(&server.uri, None);
    match http.fetch("Acme", &key()) {
        Err(Failure::Recoverable(message)) => assert_eq!(
            message.text(),
            unexpected("java.io.IOException: schema is larger than 16777216 bytes")
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hostile_key_does_not_become_a_huge_request() {
    let server = StubServer::start(&[]);
    let key = SchemaKey::parse(&format!("iglu:{}/n/f/1-0-0", "v".repeat(1 << 20))).unwrap();
    let http = Http::with_timeouts(&server.uri, None, short());
    assert!(matches!(
        http.fetch("Acme", &key),
        Err(Failure::Recoverable(_))
    ));
    assert!(server.heads().is_empty());
}

#[test]
fn a_file_address_is_read_from_disk() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("schemas/com.acme/ad/jsonschema/1-0-0");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let uri = format!("file://{}", root.path().display());
    assert!(fetch(&uri).unwrap().is_none());
    std::fs::write(file, "{}").unwrap();
    assert!(fetch(&uri).unwrap().is_some());
}

#[test]
fn a_client_for_https_can_be_built() {
    assert!(client(Timeouts::default()).is_ok());
}
