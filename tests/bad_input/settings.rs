//! Options, configurations, registries and folders that cannot be used.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

#[test]
fn wrong_values_of_options_name_the_option() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(1));
    for (more, code, texts) in [
        (&["--workers", "many"][..], 2, &["--workers", "many"][..]),
        (&["--workers", "0"], 2, &["--workers", "0"]),
        (
            &["--memory-limit", "lots"],
            1,
            &["--memory-limit: `lots` is no size", "512M"],
        ),
        (&["--target-size", "-1"], 2, &["-1"]),
        (
            &["--target-size", "0"],
            1,
            &["--target-size: `0` is no size"],
        ),
        (
            &["--etl-timestamp", "yesterday"],
            2,
            &["--etl-timestamp", "yesterday"],
        ),
        (
            &["--output-compression", "zip"],
            2,
            &["--output-compression", "none", "gzip"],
        ),
        (
            &["--input-format", "apache"],
            1,
            &[
                "[apache] is not a recognised Snowplow event collector",
                "cloudfront, clj-tomcat, thrift",
            ],
        ),
        (&["--no-such-option"], 2, &["--no-such-option"]),
        (
            &["--errors-folder", "/tmp/x"],
            2,
            &["--continue-on-unexpected-error"],
        ),
        (&["--kms-key-id", "k"], 2, &["--encrypted"]),
        (
            &["--run-id", "a/b"],
            1,
            &["`a/b` cannot be used as a run id"],
        ),
        (&["--output-folder", "gs://bucket/x"], 1, &["gs://bucket/x"]),
        (&["--input-folder", ""], 1, &["no input folder is given"]),
    ] {
        bench.enrich("cloudfront", more).fails(code, texts);
        bench.nothing_visible();
    }
    bench.run(&[]).fails(2, &["Usage:"]);
    bench.run(&["enrich"]).fails(2, &["--input-folder"]);
    bench.shred(&["--duplicate-storage-config", "x"]).fails(
        1,
        &["--duplicate-storage-config: cross-batch deduplication is not available yet"],
    );
    bench
        .shred(&["--item-id", "x"])
        .fails(1, &["Both --processing-manifest-table and --item-id"]);
    bench.nothing_visible();
}

#[test]
fn missing_inputs_are_named() {
    let bench = Bench::new();
    let nowhere = bench.text("nowhere");
    for (input, text) in [
        (
            nowhere.clone(),
            format!("Input path does not exist: {nowhere}"),
        ),
        (
            format!("{nowhere}/*.gz"),
            format!("Input Pattern {nowhere}/*.gz matches 0 files"),
        ),
        (
            format!("{},{nowhere}", bench.text("raw")),
            format!("Input path does not exist: {nowhere}"),
        ),
        (format!("{nowhere}/[a"), "[a".to_owned()),
    ] {
        bench
            .enrich("cloudfront", &["--input-folder", &input])
            .fails(1, &[&text]);
        bench.shred(&["--input-folder", &input]).fails(1, &[&text]);
        bench.nothing_visible();
    }
}

#[test]
fn documents_are_paths_or_base64() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(2));
    let resolver = support::fixtures_resolver();
    for encoded in [
        STANDARD.encode(&resolver),
        URL_SAFE_NO_PAD.encode(&resolver),
    ] {
        bench
            .enrich("cloudfront", &["--iglu-config", &encoded])
            .succeeds();
        assert_eq!(bench.lines("good").len(), 2);
        fs::remove_dir_all(bench.path("good")).unwrap();
        fs::remove_dir_all(bench.path("bad")).unwrap();
    }
    fs::write(bench.path("broken.json"), "{ \"schema\": ").unwrap();
    fs::write(bench.path("bytes.json"), b"{\"schema\": \"\xff\"}").unwrap();
    let broken = bench.text("broken.json");
    fs::write(bench.path("deep.json"), "{\"a\":".repeat(100_000)).unwrap();
    let deep = bench.text("deep.json");
    let other = STANDARD.encode(r#"{"schema":"iglu:com.acme/x/jsonschema/1-0-0","data":{}}"#);
    for (value, texts) in [
        (
            "/no/such/file.json",
            &["--iglu-config: `/no/such/file.json` is neither the path of a file nor the base64"][..],
        ),
        ("%%%", &["--iglu-config: `%%%` is neither"]),
        (
            &broken,
            &[
                "--iglu-config",
                "invalid JSON with parsing error: Unexpected end-of-input",
            ],
        ),
        (&bench.text("bytes.json"), &["--iglu-config", "bytes.json"]),
        (&bench.text("raw"), &["--iglu-config", "is neither"]),
        (&deep, &["--iglu-config", "nesting depth (1001)"]),
        (
            &other,
            &["--iglu-config", "iglu:com.acme/x/jsonschema/1-0-0"],
        ),
    ] {
        bench
            .enrich("cloudfront", &["--iglu-config", value])
            .fails(1, texts);
        bench.shred(&["--iglu-config", value]).fails(1, texts);
        bench.nothing_visible();
    }
}

#[test]
fn a_resolver_configuration_with_mistakes_is_refused_with_all_of_them() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(1));
    let config = r#"{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{"cacheSize":"many",
        "repositories":[{"name":"x","priority":0,"vendorPrefixes":[]}]}}"#;
    fs::write(bench.path("resolver.json"), config).unwrap();
    bench.enrich("cloudfront", &[]).fails(
        1,
        &[
            "Iglu resolver configuration (--iglu-config, or --resolver of camonica)",
            "Resolver configuration failed JSON Schema validation",
            "/cacheSize",
        ],
    );
    bench.nothing_visible();
}

#[test]
fn enrichments_that_cannot_be_made_are_refused() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(1));
    let anon = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-0","data":{"name":"anon_ip",
        "vendor":"com.snowplowanalytics.snowplow","enabled":ENABLED,"parameters":{"anonOctets":1}}}"#;
    fs::create_dir(bench.path("enrichments")).unwrap();
    let folder = bench.text("enrichments");
    let write = |text: &str| fs::write(bench.path("enrichments/anon_ip.json"), text).unwrap();
    // two databases: one is missing, one is none
    let data = bench.text("enrichments");
    fs::write(bench.path("enrichments/GeoIP2-ISP.mmdb"), "no database").unwrap();
    write(&format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/ip_lookups/jsonschema/2-0-0","data":{{"name":"ip_lookups",
        "vendor":"com.snowplowanalytics.snowplow","enabled":true,"parameters":{{
            "geo":{{"database":"GeoIP2-City.mmdb","uri":"{data}"}},"isp":{{"database":"GeoIP2-ISP.mmdb","uri":"{data}"}}}}}}}}"#
    ));
    bench
        .enrich("cloudfront", &["--enrichments", &folder])
        .fails(
            1,
            &[
                "ip_lookups: geo: ",
                "GeoIP2-City.mmdb: No such file or directory (os error 2); put the look-up file there",
                "ip_lookups: isp: ",
                "GeoIP2-ISP.mmdb is no MaxMind database, or only a part of one",
            ],
        );
    write("{ not json");
    bench
        .enrich("cloudfront", &["--enrichments", &folder])
        .fails(1, &["anon_ip.json"]);
    write(
        &anon
            .replace("\"anonOctets\":1", "\"anonOctets\":\"one\"")
            .replace("ENABLED", "true"),
    );
    bench
        .enrich("cloudfront", &["--enrichments", &folder])
        .fails(1, &["anon_ip", "anonOctets"]);
    bench
        .enrich("cloudfront", &["--enrichments", "/no/such"])
        .fails(1, &["--enrichments", "/no/such"]);
    bench.nothing_visible();
    write(&anon.replace("ENABLED", "false"));
    bench
        .enrich("cloudfront", &["--enrichments", &folder])
        .succeeds();
}

#[test]
fn output_folders_that_are_not_free_are_refused() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(1));
    fs::create_dir(bench.path("good")).unwrap();
    fs::write(bench.path("good/precious"), "data").unwrap();
    bench.enrich("cloudfront", &[]).fails(
        1,
        &[
            "the output folder is not empty: it holds `precious`",
            &bench.text("good"),
            "move its content away",
        ],
    );
    assert_eq!(fs::read(bench.path("good/precious")).unwrap(), b"data");
    assert!(files_below(&bench.path("bad")).is_empty());
    fs::remove_file(bench.path("good/precious")).unwrap();

    bench.enrich("cloudfront", &[]).succeeds();
    let before = bench.lines("good");
    bench.enrich("cloudfront", &[]).fails(
        1,
        &["a finished output is there: archive it, or write to another folder"],
    );
    bench.committed();
    assert_eq!(before, bench.lines("good"));
    // a file where a folder should be
    fs::write(bench.path("file"), "x").unwrap();
    let file = bench.text("file");
    bench
        .enrich("cloudfront", &["--output-folder", &file])
        .fails(1, &[&file]);
    assert_eq!(fs::read(bench.path("file")).unwrap(), b"x");
}

#[test]
fn output_folders_may_not_be_the_same_or_nested() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(1));
    let good = bench.text("good");
    bench
        .enrich("cloudfront", &["--bad-folder", &good])
        .fails(1, &["two outputs cannot go to the same folder", &good]);
    let nested = bench.text("good/deep/bad");
    bench
        .enrich("cloudfront", &["--bad-folder", &nested])
        .fails(1, &["an output folder cannot lie inside another", &nested]);
    std::os::unix::fs::symlink(bench.folder.path(), bench.path("link")).unwrap();
    let linked = bench.text("link/good");
    bench
        .enrich("cloudfront", &["--bad-folder", &linked])
        .fails(1, &["two outputs cannot go to the same folder"]);
    // into the input: a second run would read what the first one wrote
    let inside = bench.text("raw");
    bench
        .enrich("cloudfront", &["--output-folder", &inside])
        .fails(1, &[&inside]);
    bench.nothing_visible();
    assert_eq!(files_below(&bench.path("raw")).len(), 1);
}

#[test]
fn a_full_disk_ends_the_job_and_leaves_nothing() {
    let bench = Bench::new();
    bench.raw("a", cloudfront(3000));
    let small = bench.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&small)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: a full disk: a small tmpfs cannot be mounted here");
        return;
    }
    let output = bench.text("small/good");
    let ended = bench.enrich(
        "cloudfront",
        &["--output-folder", &output, "--target-size", "100K"],
    );
    let left = files_below(&small);
    let unmounted = Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    ended.fails(1, &[&output, "No space left on device", "free some space"]);
    assert!(left.is_empty(), "{left:?}");
    bench.nothing_visible();
}

/// A resolver with one HTTP repository.
fn http_resolver(bench: &Bench, uri: &str) {
    let config = format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{{"cacheSize":500,"repositories":[{{"name":"Down","priority":0,"vendorPrefixes":["com.camonica"],"connection":{{"http":{{"uri":"{uri}"}}}}}}]}}}}"#
    );
    fs::write(bench.path("resolver.json"), config).unwrap();
}

/// An enriched event with a self-describing event of the shop.
fn shop_event() -> String {
    enriched(60)
        .lines()
        .find(|line| {
            line.contains("com.camonica.shop/basket_change")
                || line.contains("com.camonica.shop/link_click")
        })
        .expect("one of 60 events is self-describing")
        .to_owned()
        + "\n"
}

fn shred_with_registry(uri: &str) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    http_resolver(&bench, uri);
    bench.raw("a", shop_event());
    bench.shred(&[]).succeeds();
    bench.committed();
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1);
    let messages = rows[0].1.clone();
    assert!(
        messages[0].starts_with("Could not find schema with key iglu:com.camonica.shop/"),
        "{messages:?}"
    );
    (bench, messages)
}

#[test]
fn a_registry_that_refuses_connections() {
    let (_, messages) = shred_with_registry(&format!("http://127.0.0.1:{}", free_port()));
    assert!(
        messages.iter().any(|text| text
            .contains("HTTP Iglu repository Down: java.net.ConnectException: Connection refused")),
        "{messages:?}"
    );
}

#[test]
fn a_registry_that_answers_500() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 2000]);
            let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let (_, messages) = shred_with_registry(&uri);
    assert!(
        messages.iter().any(|text| text
            .contains("Server returned HTTP response code: 500 for URL: http://127.0.0.1:")),
        "{messages:?}"
    );
}

#[test]
fn a_registry_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().flatten().collect();
        drop(kept);
    });
    let bench = Bench::new();
    http_resolver(&bench, &uri);
    // one look-up: a self-describing event without contexts
    let line = shop_event();
    let mut columns: Vec<&str> = line.trim_end().split('\t').collect();
    columns[engine::event::fields::Field::Contexts as usize] = "";
    bench.raw("a", columns.join("\t") + "\n");
    let started = Instant::now();
    bench.shred(&[]).succeeds();
    assert!(
        started.elapsed() < Duration::from_secs(45),
        "{:?}",
        started.elapsed()
    );
    let rows = bench.bad_rows();
    assert!(
        rows[0]
            .1
            .iter()
            .any(|text| text.contains("java.net.SocketTimeoutException: Read timed out")),
        "{rows:?}"
    );
}
