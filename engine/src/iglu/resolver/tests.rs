//! Priorities of registries, the cache, and what is told about failures.

use std::sync::Barrier;
use std::time::Duration;

use super::*;
use crate::iglu::registry::Connection;
use crate::iglu::registry::folder::Folder;
use crate::iglu::registry::http::Http;
use crate::iglu::registry::stub::{Reply, StubServer};

const AD: &str = "iglu:com.acme/ad/jsonschema/1-0-0";
const AD_PATH: &str = "/schemas/com.acme/ad/jsonschema/1-0-0";

fn http(name: &str, uri: &str, priority: i64, prefixes: &[&str]) -> Registry {
    Registry {
        name: name.to_owned(),
        priority,
        vendor_prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
        connection: Connection::Http(Http::new(uri, None)),
    }
}

fn folder(name: &str, path: &str, priority: i64, prefixes: &[&str]) -> Registry {
    Registry {
        connection: Connection::Folder(Folder::new(path)),
        ..http(name, "", priority, prefixes)
    }
}

fn resolver(registries: Vec<Registry>) -> Resolver {
    Resolver::with_registries(registries, CacheSettings::default(), Clock::system())
}

fn sized(registries: Vec<Registry>, size: i64) -> Resolver {
    Resolver::with_registries(
        registries,
        CacheSettings { size, ttl: None },
        Clock::system(),
    )
}

/// A clock that the test moves.
fn movable() -> (Clock, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1_000));
    let shared = Arc::clone(&time);
    (Clock::new(move || shared.load(Ordering::SeqCst)), time)
}

fn messages(resolver: &Resolver, uri: &str) -> Vec<Message> {
    resolver.lookup_uri(uri).unwrap_err()
}

fn tried(resolver: &Resolver, uri: &str) -> String {
    messages(resolver, uri)[0]
        .get("repositories")
        .unwrap()
        .to_compact()
}

#[test]
fn embedded_schemas_are_found() {
    let resolver = Resolver::embedded_only();
    let uri = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1";
    let first = resolver.lookup_uri(uri).unwrap();
    assert_eq!(first.key.to_string(), uri);
    let again = resolver.lookup(&first.key).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(
        messages(&resolver, AD)[0].to_multiline(),
        "error: Could not find schema with key iglu:com.acme/ad/jsonschema/1-0-0 in any repository, tried:\n    \
         level: \"error\"\n    repositories: [\"Iglu Client Embedded [embedded]\"]\n"
    );
    assert_eq!(
        messages(&resolver, "iglu:nonsense"),
        [Message::error(
            "iglu:nonsense is not a valid Iglu-format schema URI"
        )]
    );
}

#[test]
fn repositories_are_listed_in_reverse_order() {
    let server = StubServer::start(&[]);
    let central = || http("Iglu Central", &server.uri, 0, &["com.snowplowanalytics"]);
    let resolver = resolver(vec![central()]);
    assert_eq!(
        tried(&resolver, "iglu:com.acme/absent/jsonschema/1-0-0"),
        r#"["Iglu Central [HTTP]","Iglu Client Embedded [embedded]"]"#
    );
    // A prefix is a plain text prefix, and moves the repository to the front.
    assert_eq!(
        tried(
            &resolver,
            "iglu:com.snowplowanalytics.website/fake_context/jsonschema/1-0-0"
        ),
        r#"["Iglu Client Embedded [embedded]","Iglu Central [HTTP]"]"#
    );
}

#[test]
fn the_order_is_prefix_then_class_then_priority_then_configuration() {
    let resolver = resolver(vec![
        http("h5", "http://x", 5, &[]),
        http("h1", "http://x", 1, &["com.acme"]),
        folder("f9", "/f9", 9, &[]),
        http("h-1", "http://x", -1, &[]),
        folder("f0", "/f0", 0, &["com.acme", "org"]),
        http("h1b", "http://x", 1, &["com"]),
        http("h5b", "http://x", 5, &[]),
    ]);
    let names = |vendor: &str| -> Vec<&str> {
        let order = resolver.order(vendor);
        order
            .iter()
            .map(|index| resolver.registries[*index].name.as_str())
            .collect()
    };
    let embedded = "Iglu Client Embedded";
    assert_eq!(
        names("com.acme"),
        ["f0", "h1", "h1b", embedded, "f9", "h-1", "h5", "h5b"]
    );
    assert_eq!(
        names("com.acmeinc"),
        ["f0", "h1", "h1b", embedded, "f9", "h-1", "h5", "h5b"]
    );
    assert_eq!(
        names("com.other"),
        ["h1b", embedded, "f0", "f9", "h-1", "h1", "h5", "h5b"]
    );
    assert_eq!(
        names("org"),
        ["f0", embedded, "f9", "h-1", "h1", "h1b", "h5", "h5b"]
    );
    assert_eq!(
        names("net"),
        [embedded, "f0", "f9", "h-1", "h1", "h1b", "h5", "h5b"]
    );
}

#[test]
fn the_first_repository_that_has_it_ends_the_search() {
    let one = StubServer::start(&[]);
    let two = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    let three = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    let resolver = resolver(vec![
        http("three", &three.uri, 3, &[]),
        http("one", &one.uri, 1, &[]),
        http("two", &two.uri, 2, &[]),
    ]);
    assert!(resolver.lookup_uri(AD).is_ok());
    assert_eq!(
        (one.heads().len(), two.heads().len(), three.heads().len()),
        (1, 1, 0)
    );
    assert!(resolver.lookup_uri(AD).is_ok());
    assert_eq!((one.heads().len(), two.heads().len()), (1, 1));
}

#[test]
fn not_found_is_asked_once() {
    let server = StubServer::start(&[]);
    let resolver = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    let first = messages(&resolver, AD);
    for _ in 0..5 {
        assert_eq!(messages(&resolver, AD), first);
    }
    assert_eq!(first.len(), 1);
    assert_eq!(server.count(AD_PATH), 1);
}

#[test]
fn a_failing_repository_is_asked_three_times() {
    let bad = StubServer::start(&[(AD_PATH, Reply::status(500))]);
    let absent = StubServer::start(&[]);
    let resolver = resolver(vec![
        http("Acme", &bad.uri, 0, &[]),
        http("Other", &absent.uri, 1, &[]),
    ]);
    let text = format!(
        "Unexpected exception fetching {AD} in HTTP Iglu repository Acme: java.io.IOException: Server returned \
         HTTP response code: 500 for URL: {}{AD_PATH}",
        bad.uri
    );
    for attempt in 1..=6 {
        let messages = messages(&resolver, AD);
        assert_eq!(
            messages[0].get("repositories").unwrap().to_compact(),
            r#"["Other [HTTP]","Acme [HTTP]","Iglu Client Embedded [embedded]"]"#
        );
        // The same failure is told once.
        assert_eq!(messages[1..], [Message::error(text.as_str())]);
        assert_eq!(bad.count(AD_PATH), attempt.min(3));
        assert_eq!(absent.count(AD_PATH), 1);
    }
}

#[test]
fn different_failures_of_a_repository_add_up() {
    let replies = vec![Reply::status(500), Reply::status(503), Reply::status(500)];
    let server = StubServer::start(&[(AD_PATH, Reply::Sequence(replies))]);
    let resolver = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    let counts: Vec<usize> = (0..4).map(|_| messages(&resolver, AD).len()).collect();
    assert_eq!(counts, [2, 3, 3, 3]);
    assert_eq!(server.count(AD_PATH), 3);
}

#[test]
fn a_repository_that_recovers_is_used() {
    let replies = vec![Reply::status(503), Reply::ok("not json"), Reply::ok("{}")];
    let server = StubServer::start(&[(AD_PATH, Reply::Sequence(replies))]);
    let resolver = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    assert_eq!(messages(&resolver, AD).len(), 2);
    let second = messages(&resolver, AD);
    assert!(
        second[2].text().starts_with("Problem parsing "),
        "{second:?}"
    );
    assert!(resolver.lookup_uri(AD).is_ok());
    assert!(resolver.lookup_uri(AD).is_ok());
    assert_eq!(server.count(AD_PATH), 3);
}

#[test]
fn an_answer_that_it_is_absent_ends_the_retries() {
    let replies = vec![Reply::status(503), Reply::status(404)];
    let server = StubServer::start(&[(AD_PATH, Reply::Sequence(replies))]);
    let resolver = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    for _ in 0..5 {
        assert_eq!(messages(&resolver, AD).len(), 2);
    }
    assert_eq!(server.count(AD_PATH), 2);
}

/// Needs the real validator.
#[test]
fn a_document_that_is_no_schema_is_told_and_the_search_goes_on() {
    let bad = StubServer::start(&[(AD_PATH, Reply::ok(r#"{"type":"strange"}"#))]);
    let good = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    let both = resolver(vec![
        http("Bad", &bad.uri, 0, &[]),
        http("Good", &good.uri, 1, &[]),
    ]);
    assert!(both.lookup_uri(AD).is_ok());
    let alone = resolver(vec![http("Bad", &bad.uri, 0, &[])]);
    for _ in 0..4 {
        let messages = messages(&alone, AD);
        assert!(messages.len() > 1);
        assert_eq!(
            messages[1].get("domain").and_then(Value::as_str),
            Some("syntax")
        );
    }
    assert_eq!(bad.count(AD_PATH), 2);
}

#[test]
fn entries_are_used_for_as_long_as_configured() {
    let server = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    let (clock, time) = movable();
    let settings = CacheSettings {
        size: 10,
        ttl: Some(60),
    };
    let resolver =
        Resolver::with_registries(vec![http("Acme", &server.uri, 0, &[])], settings, clock);
    let absent = "iglu:com.acme/absent/jsonschema/1-0-0";
    let absent_path = "/schemas/com.acme/absent/jsonschema/1-0-0";
    // seconds since the first look-up, requests so far
    for (second, requests) in [
        (0, 1),
        (1, 1),
        (59, 1),
        (60, 2),
        (119, 2),
        (120, 3),
        (500, 4),
    ] {
        time.store(1_000 + second, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(resolver.lookup_uri(AD).is_ok());
            assert!(resolver.lookup_uri(absent).is_err());
        }
        assert_eq!(server.count(AD_PATH), requests, "{second}");
        assert_eq!(server.count(absent_path), requests, "{second}");
    }
    // A clock that goes back does no harm.
    time.store(0, Ordering::SeqCst);
    assert!(resolver.lookup_uri(AD).is_ok());
}

#[test]
fn an_expired_failure_starts_anew() {
    let server = StubServer::start(&[(AD_PATH, Reply::status(500))]);
    let (clock, time) = movable();
    let settings = CacheSettings {
        size: 10,
        ttl: Some(60),
    };
    let resolver =
        Resolver::with_registries(vec![http("Acme", &server.uri, 0, &[])], settings, clock);
    for _ in 0..5 {
        assert!(resolver.lookup_uri(AD).is_err());
    }
    assert_eq!(server.count(AD_PATH), 3);
    time.store(2_000, Ordering::SeqCst);
    for _ in 0..5 {
        assert!(resolver.lookup_uri(AD).is_err());
    }
    assert_eq!(server.count(AD_PATH), 6);
}

#[test]
fn without_a_cache_every_look_up_asks() {
    let server = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    for size in [0, -1] {
        let before = server.heads().len();
        let resolver = sized(vec![http("Acme", &server.uri, 0, &[])], size);
        for _ in 0..4 {
            assert!(resolver.lookup_uri(AD).is_ok());
        }
        assert_eq!(server.heads().len() - before, 4);
    }
}

#[test]
fn the_schemas_used_last_are_kept() {
    let path = |name: &str| format!("/schemas/com.acme/{name}/jsonschema/1-0-0");
    let uri = |name: &str| format!("iglu:com.acme/{name}/jsonschema/1-0-0");
    let server = StubServer::start(&[]);
    for name in ["a", "b", "c", "d"] {
        server.set(&path(name), Reply::ok("{}"));
    }
    let resolver = sized(vec![http("Acme", &server.uri, 0, &[])], 2);
    let look = |name: &str| resolver.lookup_uri(&uri(name)).map(|_| ()).unwrap();
    for name in ["a", "b", "a", "a", "c", "a", "d", "a", "a", "d"] {
        look(name);
    }
    let count = |name: &str| server.count(&path(name));
    assert_eq!(
        (count("a"), count("b"), count("c"), count("d")),
        (1, 1, 1, 1)
    );
    look("b");
    look("c");
    assert_eq!((count("b"), count("c")), (2, 2));
    assert_eq!(resolver.cache.as_ref().unwrap().len(), 2);
    look("a");
    assert_eq!(count("a"), 2);
}

#[test]
fn a_flood_of_keys_does_not_grow_the_cache() {
    let resolver = sized(vec![], 5);
    let keep = "iglu:com.snowplowanalytics.snowplow/duplicate/jsonschema/1-0-0";
    let first = resolver.lookup_uri(keep).unwrap();
    for n in 0..2_000 {
        assert!(
            resolver
                .lookup_uri(&format!("iglu:com.acme/n{n}/jsonschema/1-0-0"))
                .is_err()
        );
        assert!(Arc::ptr_eq(&first, &resolver.lookup_uri(keep).unwrap()));
    }
    assert_eq!(resolver.cache.as_ref().unwrap().len(), 5);
    let long = format!("iglu:{}/n/jsonschema/1-0-0", "v".repeat(1 << 20));
    assert!(resolver.lookup_uri(&long).is_err());
    assert_eq!(resolver.cache.as_ref().unwrap().len(), 5);
}

#[test]
fn threads_that_miss_at_once_fetch_once() {
    let slow = Reply::Slow(Duration::from_millis(200), "{}".into());
    let server = StubServer::start(&[(AD_PATH, slow)]);
    let resolver = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    let absent = "iglu:com.acme/absent/jsonschema/1-0-0";
    let barrier = Barrier::new(8);
    let entries: Vec<Arc<SchemaEntry>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let entry = resolver.lookup_uri(AD).unwrap();
                    for _ in 0..1_000 {
                        assert!(Arc::ptr_eq(&entry, &resolver.lookup_uri(AD).unwrap()));
                    }
                    assert!(resolver.lookup_uri(absent).is_err());
                    entry
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(entries.iter().all(|entry| Arc::ptr_eq(entry, &entries[0])));
    assert_eq!(server.count(AD_PATH), 1);
    assert_eq!(server.count("/schemas/com.acme/absent/jsonschema/1-0-0"), 1);
}

#[test]
fn threads_that_thrash_a_small_cache_agree() {
    let resolver = sized(vec![], 2);
    let names = ["duplicate", "uri_redirect", "unstruct_event"];
    std::thread::scope(|scope| {
        for seed in 0..4_usize {
            let resolver = &resolver;
            scope.spawn(move || {
                for n in 0..3_000 {
                    let name = names[(n * (seed + 1) + seed) % 3];
                    let uri =
                        format!("iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-0");
                    assert_eq!(resolver.lookup_uri(&uri).unwrap().key.name, name);
                }
            });
        }
    });
    assert!(resolver.cache.as_ref().unwrap().len() <= 2 + 4);
}

#[test]
fn two_resolvers_in_one_thread_do_not_mix() {
    let server = StubServer::start(&[(AD_PATH, Reply::ok("{}"))]);
    let with = resolver(vec![http("Acme", &server.uri, 0, &[])]);
    let without = Resolver::embedded_only();
    for _ in 0..3 {
        assert!(with.lookup_uri(AD).is_ok());
        assert!(without.lookup_uri(AD).is_err());
    }
    assert_eq!(server.count(AD_PATH), 1);
}

#[test]
fn embedded_schemas_help_when_a_registry_is_down() {
    let central = http(
        "Iglu Central",
        "http://127.0.0.1:1",
        0,
        &["com.snowplowanalytics"],
    );
    let resolver = resolver(vec![central]);
    let uri = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0";
    assert!(resolver.lookup_uri(uri).is_ok());
}
