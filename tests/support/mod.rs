//! What the integration tests share. Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod databases;
pub mod golden;
pub mod parts;
pub mod registry;
pub mod services;
pub mod web;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The folder with the reference's cases and data: `CAMONICA_SHARED`, else `../shared` beside the project. Without it the
/// tests that need it are skipped, loudly.
pub fn shared(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CAMONICA_SHARED")
        .map_or_else(|| project().join("../shared"), PathBuf::from);
    if folder.join("golden").is_dir() {
        return Some(folder);
    }
    println!(
        "SKIPPED: {what}: no folder with the reference's cases (CAMONICA_SHARED or ../shared)"
    );
    None
}

/// The root of the project.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A resolver configuration with our fixtures' registry.
pub fn fixtures_resolver() -> String {
    let registry = project().join("fixtures/registry");
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{{"cacheSize":500,"repositories":[{{"name":"Fixtures","priority":0,"vendorPrefixes":["com.camonica"],"connection":{{"embedded":{{"path":{}}}}}}}]}}}}"#,
        serde_json::json!(registry.to_str())
    )
}

/// [`fixtures_resolver`] with one more registry, a folder with schemas of any vendor.
pub fn resolver_with(registry: &Path) -> String {
    let mut resolver: serde_json::Value =
        serde_json::from_str(&fixtures_resolver()).expect("a resolver");
    let repositories = resolver["data"]["repositories"].as_array_mut();
    repositories.expect("repositories").push(serde_json::json!({
        "name": "Further", "priority": 1, "vendorPrefixes": [],
        "connection": {"embedded": {"path": registry}},
    }));
    resolver.to_string()
}

/// All files in and below a folder, sorted; none where there is no folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All files in and below a folder, relative to it.
pub fn names_below(folder: &Path) -> BTreeSet<String> {
    let relative = |path: &PathBuf| {
        let path = path.strip_prefix(folder).expect("below the folder");
        path.to_string_lossy().into_owned()
    };
    files_below(folder).iter().map(relative).collect()
}

/// Waits a minute at the most until a condition holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// A port of loopback that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}
