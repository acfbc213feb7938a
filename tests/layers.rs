//! The order of the modules in `engine/src/lib.rs` is the flow of an event, and it is kept: a module uses only what stands
//! before it. The runner knows only the engine's jobs and stores. No source file is too long or begins without its docs.
//!
//! Reads the sources as text: comments are left out, `crate::name`, `crate::{...}` and `super::` that leads out of a module
//! are found. A use that a macro puts together would not be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the lints spare test functions, and not what they call"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may use although it stands later, and why.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("json", "text", "numbers print as Java prints them"),
    (
        "collector",
        "iglu",
        "paths and payloads name schema keys; iglu knows no event",
    ),
    (
        "adapter",
        "iglu",
        "webhooks name schemas; iglu knows no event",
    ),
];

/// What the runner may use of the engine: paths that begin so.
const OF_THE_RUNNER: [&str; 10] = [
    "job",
    "store",
    "enrichment::config",
    // what jobs offer to enrichments is said by the configuration
    "enrichment::Environment",
    "enrichment::databases",
    // lint and storage targets are checked by the resolver
    "iglu",
    "json",
    "text::time",
    "output::Compression",
    "cli::shared",
];

/// What the cluster crate may use of the engine: whole jobs, jobs in parts, and what these need.
const OF_THE_CLUSTER: [&str; 5] = [
    "job",
    "cli",
    "store",
    "exec::spill::parcel",
    "exec::spill::secret",
];

/// Names that `lib.rs` re-exports from [`error`](engine::error).
const OF_ERROR: [&str; 3] = ["Error", "ErrorKind", "Result"];

/// Most lines of a source file.
const MOST_LINES: usize = 700;

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below `folder`, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                // installed packages of the tests are not ours
                if !name.starts_with('.') && name != "node_modules" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources in {}", folder.display());
    found
}

/// The text of a source file without its line comments.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable file");
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        // `https://` in a text is no comment
        let end = line
            .match_indices("//")
            .map(|(at, _)| at)
            .find(|&at| at == 0 || line.as_bytes()[at - 1] != b':');
        code.push_str(&line[..end.unwrap_or(line.len())]);
        code.push('\n');
    }
    code
}

/// The paths that follow `root` (`crate::` or `engine::`) in the code, groups in braces taken apart.
fn paths_after(code: &str, root: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].bytes().next_back().unwrap_or(b' ');
        // `$crate::`, `some_crate::` and `a::crate::` are others
        if before.is_ascii_alphanumeric() || before == b'_' || before == b':' {
            continue;
        }
        expand("", &code[at + root.len()..], &mut paths);
    }
    paths
}

/// Appends the paths of a use tree; returns what is left of the text behind it.
fn expand<'c>(prefix: &str, text: &'c str, paths: &mut Vec<String>) -> &'c str {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '*';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    let mut rest = &text[end..];
    let Some(group) = rest
        .strip_prefix('{')
        .filter(|_| path.is_empty() || path.ends_with("::"))
    else {
        paths.push(path);
        return rest;
    };
    rest = group;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(rest) = rest.strip_prefix('}') {
            return rest;
        }
        let before = rest.len();
        rest = expand(&path, rest, paths);
        if let Some(renamed) = rest.strip_prefix(" as ") {
            rest = renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// The modules of the engine in the order of the flow.
fn order() -> Vec<String> {
    let text = fs::read_to_string(project().join("engine/src/lib.rs")).expect("lib.rs");
    text.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// The module path of a file below `engine/src`: `shred/atomic.rs` is `["shred", "atomic"]`.
fn module_of(relative: &Path) -> Vec<String> {
    relative
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect()
}

/// Modules at the root that are reached by `super::` from outside of a test module.
fn reached_by_super(code: &str, depth: usize) -> Vec<String> {
    let own = code
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let root = "super::".repeat(depth);
    paths_after(own, &root)
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let order = order();
    for name in [
        "error",
        "store",
        "collector",
        "enrichment",
        "shred",
        "job",
        "cli",
    ] {
        assert!(
            order.iter().any(|module| module == name),
            "no `pub mod {name};` in lib.rs"
        );
    }
    let place = |name: &str| order.iter().position(|module| module == name);
    let root = project().join("engine/src");
    let mut unused = EXCEPTIONS.to_vec();
    let mut violations = BTreeSet::new();
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).expect("below");
        let module = module_of(relative);
        let own = module[0].as_str();
        if own == "lib" || own == "main" {
            continue;
        }
        let own_place = place(own).unwrap_or_else(|| panic!("{own} is not in lib.rs"));
        let code = code_of(&path);
        let mut used = paths_after(&code, "crate::");
        used.extend(reached_by_super(&code, module.len()));
        for used in used {
            let name = used.split("::").next().unwrap_or_default();
            let name = if OF_ERROR.contains(&name) {
                "error"
            } else {
                name
            };
            let Some(used_place) = place(name) else {
                violations.insert(format!("{}: `{used}` is no module", relative.display()));
                continue;
            };
            if used_place <= own_place {
                continue;
            }
            if EXCEPTIONS.iter().any(|e| (e.0, e.1) == (own, name)) {
                unused.retain(|e| (e.0, e.1) != (own, name));
            } else {
                violations.insert(format!(
                    "{}: {own} uses {name}, which stands after it",
                    relative.display()
                ));
            }
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(
        unused.is_empty(),
        "exceptions that nothing needs any more: {unused:?}"
    );
}

/// Uses of the engine in `folder` that are not among `allowed`; there must be some at all.
fn strange_uses(folder: &str, allowed: &[&str]) -> BTreeSet<String> {
    let mut violations = BTreeSet::new();
    let mut count = 0;
    for path in sources(&project().join(folder)) {
        for used in paths_after(&code_of(&path), "engine::") {
            count += 1;
            let is_allowed = allowed.iter().any(|allowed| {
                used.strip_prefix(allowed)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            });
            let name = used.split("::").next().unwrap_or_default();
            if !is_allowed && !OF_ERROR.contains(&name) {
                violations.insert(format!("{}: engine::{used}", path.display()));
            }
        }
    }
    assert!(count > 0, "{folder} uses nothing of the engine");
    violations
}

#[test]
fn the_runner_knows_only_jobs_and_stores() {
    let violations = strange_uses("runner/src", &OF_THE_RUNNER);
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn the_cluster_knows_only_jobs_and_nobody_else_knows_its_engine() {
    let violations = strange_uses("engine/cluster/src", &OF_THE_CLUSTER);
    assert!(violations.is_empty(), "{violations:#?}");
    for manifest in ["engine/Cargo.toml", "runner/Cargo.toml"] {
        let text = fs::read_to_string(project().join(manifest)).expect("a manifest");
        for name in [
            "ballista",
            "datafusion",
            "arrow",
            "tonic",
            "camonica-cluster",
        ] {
            assert!(!text.contains(name), "{manifest} depends on {name}");
        }
    }
}

#[test]
fn files_are_short_and_begin_with_their_docs() {
    let mut violations = Vec::new();
    for folder in ["engine", "runner", "fixtures", "tests", "benches"] {
        for path in sources(&project().join(folder)) {
            let text = fs::read_to_string(&path).expect("a readable file");
            let lines = text.lines().count();
            if lines > MOST_LINES {
                violations.push(format!("{}: {lines} lines", path.display()));
            }
            if !text.starts_with("//!") {
                violations.push(format!("{}: does not begin with `//!`", path.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn paths_are_found() {
    for (code, expected) in [
        ("use crate::json;", vec!["json"]),
        (
            "use crate::json::{self, Value};",
            vec!["json::self", "json::Value"],
        ),
        (
            "use crate::{error::{Error, Result}, text as t};",
            vec!["error::Error", "error::Result", "text"],
        ),
        (
            "pub(crate) fn f(x: &crate::shred::Columns) {}",
            vec!["shred::Columns"],
        ),
        ("$crate::x my_crate::y", vec!["x"]),
        ("crate::iglu::Message,", vec!["iglu::Message"]),
    ] {
        assert_eq!(paths_after(code, "crate::"), expected, "{code}");
    }
    let code = "use super::super::x;\n#[cfg(test)]\nmod tests {\n use super::super::y;\n}";
    assert_eq!(reached_by_super(code, 2), ["x"]);
    assert!(reached_by_super("use super::super::x;", 3).is_empty());
}
