//! What the integration tests share. Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod databases;
pub mod golden;
pub mod parts;
pub mod registry;
pub mod services;
pub mod web;

use std::path::PathBuf;

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
