//! Addresses, the cache, and servers that behave well or badly, on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

const QUICK: Limits = Limits {
    connect: Duration::from_secs(2),
    read: Duration::from_millis(300),
    total: Duration::from_secs(3),
    bytes: 1000,
    attempts: 2,
    pause: Duration::from_millis(1),
};

/// Answers every request with the text that stands in `answer`, and keeps the requests.
struct Server {
    uri: String,
    answer: Arc<Mutex<Vec<u8>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer.as_bytes().to_vec()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            uri,
            answer: answer.clone(),
            requests: requests.clone(),
        };
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
                requests.lock().unwrap().push(request);
                let answer = answer.lock().unwrap().clone();
                let is_silent = answer.is_empty();
                let _ = stream.write_all(&answer);
                if is_silent {
                    // no answer: the client must give up
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(2));
                        drop(stream);
                    });
                }
            }
        });
        server
    }

    fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.as_bytes().to_vec();
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

fn ok(body: &str, headers: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn databases(cache: &Path) -> Databases {
    Databases {
        cache: Some(cache.join("cache")),
        ..Databases::default()
    }
}

fn content(path: Result<PathBuf, String>) -> String {
    fs::read_to_string(path.unwrap()).unwrap()
}

#[test]
fn paths_and_the_folder_of_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("data")).unwrap();
    fs::create_dir(at("own folder")).unwrap();
    fs::write(at("data/a.txt"), "fetched").unwrap();
    fs::write(at("own folder/a.txt"), "own").unwrap();
    fs::write(at("data/empty.txt"), "").unwrap();
    fs::create_dir(at("data/folder.txt")).unwrap();
    let plain = Databases::default();
    let data = at("data").display().to_string();
    for uri in [
        data.clone(),
        format!("{data}/"),
        format!("file://{data}"),
        format!("file:{data}/"),
    ] {
        assert_eq!(content(plain.fetch(&uri, "a.txt")), "fetched", "{uri}");
    }
    let escaped = format!("file://{}", at("own%20folder").display());
    assert_eq!(content(plain.fetch(&escaped, "a.txt")), "own");
    for (name, reason) in [
        ("b.txt", "No such file"),
        ("empty.txt", "the file is empty"),
        ("folder.txt", "not a file"),
    ] {
        let failure = plain.fetch(&data, name).unwrap_err();
        let place = format!("{data}/{name}: ");
        assert!(
            failure.starts_with(&place) && failure.contains(reason),
            "{failure}"
        );
        assert!(
            failure.ends_with("; put the look-up file there, or correct the configuration's `uri`")
        );
    }
    let failure = plain.fetch_within(
        &format!("{data}/a.txt"),
        "a.txt",
        &Limits { bytes: 6, ..QUICK },
    );
    assert!(failure.unwrap_err().contains("larger than 6 bytes"));

    let own = Databases {
        folder: Some(at("own folder")),
        ..Databases::default()
    };
    assert_eq!(
        content(own.fetch("http://unreachable.invalid", "a.txt")),
        "own"
    );
    fs::write(at("data/c.txt"), "fetched").unwrap();
    assert_eq!(content(own.fetch(&data, "c.txt")), "fetched");
    let nowhere = Databases {
        folder: Some(at("nowhere")),
        ..Databases::default()
    };
    let failure = nowhere.fetch(&data, "a.txt").unwrap_err();
    assert!(
        failure.contains("nowhere: not a folder; give --enrichment-data"),
        "{failure}"
    );
}

#[test]
fn names_and_schemes_that_are_refused() {
    let databases = Databases::default();
    for name in [
        "",
        ".",
        "..",
        "../a.txt",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a\0",
    ] {
        let failure = databases.fetch("/data", name).unwrap_err();
        assert!(failure.contains("must be a plain file name"), "{failure}");
    }
    for (uri, shown) in [
        (
            "hdfs:///local/data",
            "Scheme hdfs for file hdfs:///local/data/a.txt not supported",
        ),
        (
            "ftp://user:secret@host/data",
            "Scheme ftp for file ftp://host/data/a.txt not supported",
        ),
    ] {
        let failure = databases.fetch(uri, "a.txt").unwrap_err();
        assert!(failure.starts_with(shown), "{failure}");
        assert!(!failure.contains("secret"));
    }
    let failure = databases.fetch("http:///", "a.txt").unwrap_err();
    assert!(
        failure.starts_with("Attempt to download http:///a.txt failed: the address has no host"),
        "{failure}"
    );
}

#[test]
fn schemes_and_what_is_shown() {
    for (uri, expected) in [
        ("http://h/x", Some("http")),
        ("HTTPS://h/x", Some("https")),
        ("s3n://b/x", Some("s3n")),
        ("file:/x", Some("file")),
        ("hdfs://x", Some("hdfs")),
        ("/data/a:b", None),
        ("1:2", None),
        ("data", None),
        (":x", None),
    ] {
        assert_eq!(scheme(uri), expected, "{uri}");
    }
    for (uri, text) in [
        ("http://u:pw@h:80/a@b?token=x", "http://h:80/a@b"),
        ("http://h/x?y=a@b", "http://h/x"),
        ("/data/x", "/data/x"),
    ] {
        assert_eq!(shown(uri), text);
    }
}

#[test]
fn a_file_is_fetched_once_and_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let databases = databases(folder.path());
    let server = Server::start(&ok(
        "one",
        "ETag: \"1\"\r\nLast-Modified: Tue, 24 Jul 2018 00:00:00 GMT\r\n",
    ));
    let with_password = server.uri.replace("http://", "http://anna:secret@") + "/data";
    let first = databases.fetch(&with_password, "a.txt").unwrap();
    assert_eq!(fs::read_to_string(&first).unwrap(), "one");
    let request = server.requests().pop().unwrap();
    assert!(
        request.starts_with("get /data/a.txt http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("authorization: basic ") && !request.contains("if-none-match"));

    // nothing new
    server.answer("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
    assert_eq!(databases.fetch(&with_password, "a.txt").unwrap(), first);
    let request = server.requests().pop().unwrap();
    assert!(request.contains("if-none-match: \"1\"\r\n"), "{request}");
    assert!(
        request.contains("if-modified-since: tue, 24 jul 2018 00:00:00 gmt\r\n"),
        "{request}"
    );

    // a new one; the one before stays for a while
    server.answer(&ok("two", "ETag: \"2\"\r\n"));
    let second = databases.fetch(&with_password, "a.txt").unwrap();
    assert_eq!(fs::read_to_string(&second).unwrap(), "two");
    assert!(first.exists());
    server.answer(&ok("three", ""));
    assert_eq!(content(databases.fetch(&with_password, "a.txt")), "three");
    assert!(!first.exists() && second.exists());

    // without any tag it is fetched anew; a copy that was cut is no copy
    server.requests();
    let third = databases.fetch(&with_password, "a.txt").unwrap();
    assert!(!server.requests()[0].contains("if-"));
    fs::write(&third, "thr").unwrap();
    assert_eq!(content(databases.fetch(&with_password, "a.txt")), "three");

    let cache = folder.path().join("cache");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache), 0o700);
    for entry in fs::read_dir(&cache).unwrap().flatten() {
        assert_eq!(mode(&entry.path()), 0o600);
        let name = entry.file_name().into_string().unwrap();
        assert!(name.ends_with(".data") || name.ends_with(".json"), "{name}");
        let text = fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("secret") && !text.contains("anna"));
    }
}

#[test]
fn a_server_in_trouble_and_one_that_says_no() {
    let folder = tempfile::tempdir().unwrap();
    let databases = databases(folder.path());
    let server = Server::start(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    let uri = format!("{}/a.txt", server.uri);
    let fetch = |limits: &Limits| databases.fetch_within(&uri, "a.txt", limits);
    let in_trouble = [
        (
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "the server answered 503",
        ),
        (
            "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "the server answered 429",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\ncut",
            "failed: ",
        ),
        ("no http\r\n\r\n", "failed: "),
        ("", "no answer in time"),
    ];
    let says_no = [
        ("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(), "the server answered 404"),
        ("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(), "the server answered 403"),
        (ok("", ""), "the server sent an empty file"),
        (ok(&"x".repeat(1001), ""), "larger than 1000 bytes"),
        ("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /a.txt\r\n\r\n".to_owned(), "too many redirects"),
        ("HTTP/1.1 206 Partial\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".to_owned(), "the server answered 206"),
    ];
    for (answer, reason) in in_trouble {
        server.answer(answer);
        server.requests();
        let failure = fetch(&QUICK).unwrap_err();
        assert!(failure.contains(reason), "{failure}");
        assert!(
            failure.contains("; there is no earlier copy: try again"),
            "{failure}"
        );
        assert_eq!(server.requests().len(), 2, "{answer}");
    }
    server.answer(&ok("good", "ETag: \"1\"\r\n"));
    let kept = fetch(&QUICK).unwrap();
    for (answer, _) in in_trouble {
        server.answer(answer);
        assert_eq!(fetch(&QUICK).as_ref(), Ok(&kept), "{answer}");
    }
    for (answer, reason) in says_no {
        server.answer(&answer);
        let failure = fetch(&QUICK).unwrap_err();
        assert!(
            failure.starts_with(&format!("Attempt to download {uri} failed: ")),
            "{failure}"
        );
        assert!(failure.contains(reason), "{failure}");
        assert!(
            failure.ends_with("or put a.txt into the folder of --enrichment-data"),
            "{failure}"
        );
    }
    // a server that sends for ever, slowly or not, is left in the end
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}/a.txt", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // an answer before the request would be no HTTP
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                while stream.write_all(b"1\r\nx\r\n").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
    });
    let limits = Limits {
        total: Duration::from_millis(500),
        attempts: 1,
        ..QUICK
    };
    let failure = databases.fetch_within(&slow, "a.txt", &limits).unwrap_err();
    assert!(failure.contains("it took longer than"), "{failure}");
    // nothing half is left
    let names = fs::read_dir(folder.path().join("cache")).unwrap().flatten();
    let names: Vec<_> = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn an_answer_without_an_end_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let databases = databases(folder.path());
    let server = Server::start("HTTP/1.0 200 OK\r\nETag: \"1\"\r\n\r\nperhaps cut");
    assert_eq!(
        content(databases.fetch(&server.uri, "a.txt")),
        "perhaps cut"
    );
    server.answer(&ok("whole", "ETag: \"1\"\r\n"));
    server.requests();
    assert_eq!(content(databases.fetch(&server.uri, "a.txt")), "whole");
    assert!(!server.requests()[0].contains("if-none-match"));
}

#[test]
fn many_jobs_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let databases = databases(folder.path());
    let server = Server::start(&ok("same", "ETag: \"1\"\r\n"));
    let good = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let path = databases.fetch(&server.uri, "a.txt").unwrap();
                    assert_eq!(fs::read_to_string(path).unwrap(), "same");
                    good.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(good.into_inner(), 40);
    assert_eq!(
        fs::read_dir(folder.path().join("cache")).unwrap().count(),
        2
    );
}

#[test]
fn notes_that_others_wrote_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(&folder.path().join("cache"))).unwrap();
    let mut incoming = cache.begin(10).unwrap();
    incoming.write_all(b"x").unwrap();
    assert!(incoming.write_all(b"0123456789").is_err());
    let path = cache
        .keep("http://h/a", incoming, Validator::default())
        .unwrap();
    assert!(cache.kept("http://h/a").is_some() && cache.kept("http://h/b").is_none());
    let note = fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    let note = note
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "json"))
        .unwrap();
    let text = fs::read_to_string(&note).unwrap();
    for changed in [
        "",
        "{",
        "[]",
        &text.replace("http://h/a", "http://h/b"),
        &text.replace(".data", ""),
        &text.replace("\"file\":\"", "\"file\":\"/etc/"),
    ] {
        fs::write(&note, changed).unwrap();
        assert!(cache.kept("http://h/a").is_none(), "{changed}");
    }
    fs::write(&note, text).unwrap();
    assert!(cache.kept("http://h/a").is_some());
    assert!(
        Cache::open(Some(Path::new("/dev/null/cache")))
            .unwrap_err()
            .contains("cannot be made")
    );
}

/// The user's own cache is not touched by tests: only whether it would be private is looked at.
#[test]
fn folders_of_others_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("camonica/look-up-files");
    cache::create(&own).unwrap();
    assert!(cache::check_private(&own).is_ok());
    for open in [own.parent().unwrap(), &own] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
        let failure = cache::check_private(&own).unwrap_err().to_string();
        assert!(failure.contains("others can write to it"), "{failure}");
        fs::set_permissions(open, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let link = folder.path().join("camonica/link");
    std::os::unix::fs::symlink(&own, &link).unwrap();
    assert!(cache::check_private(&link).is_err());
}

#[test]
fn credentials_in_an_s3_address_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let databases = Databases {
        cache: Some(folder.path().join("cache")),
        ..Databases::default()
    };
    let failure = databases
        .fetch("s3://anna:secret@bucket/data", "a.txt")
        .unwrap_err();
    assert!(
        failure.starts_with("Attempt to download s3://bucket/data/a.txt failed: "),
        "{failure}"
    );
    assert!(!failure.contains("secret"), "{failure}");
}
