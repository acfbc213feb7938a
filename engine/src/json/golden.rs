//! Reads the reference's own test cases, for tests. They lie outside the repository; a test whose
//! cases are absent says so and passes.

use std::path::PathBuf;

/// The cases in `path` below `golden/`, from `CAMONICA_SHARED` or the folder `shared` beside the workspace.
pub(crate) fn read(path: &str) -> Option<serde_json::Value> {
    let shared = std::env::var_os("CAMONICA_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let file = shared.join("golden").join(path);
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            eprintln!("SKIPPED: no reference cases at {}", file.display());
            None
        }
    }
}
