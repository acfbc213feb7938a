//! Finds the user-agent regexes that the program carries: `regexes.yaml` of uap-core, which lies in the package of the crate
//! `ua-parser` although the crate does not offer it. It is copied to the build's output folder, from where
//! `enrichment/ua_parser/built_in.rs` includes it, and beside it a JSON text with what is found out about its expressions.
//!
//! Nothing is downloaded. Places, in this order: the file that `CAMONICA_REGEXES` names; the package as `cargo metadata`
//! locates it (also one in a vendor folder); the unpacked packages of cargo's registries; `vendor/` beside the lock file.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build script speaks to cargo on its output and to people on its errors"
)]

#[path = "src/enrichment/ua_parser/prepare.rs"]
#[allow(dead_code, reason = "the program uses all of it")]
mod enrichment;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The package, and the file in it.
const PACKAGE: &str = "ua-parser";
const FILE: &str = "uap-core/regexes.yaml";
/// Overrides the search.
const VARIABLE: &str = "CAMONICA_REGEXES";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    for part in [
        "prepare.rs",
        "java_regex.rs",
        "literals.rs",
        "regexes/file.rs",
    ] {
        println!("cargo:rerun-if-changed=src/enrichment/ua_parser/{part}");
    }
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    match find().and_then(|file| embed(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!(
                "The user-agent regexes ({FILE} in the package of the crate {PACKAGE}) were not found.\n{why}\n\
                 Set {VARIABLE} to the path of a regexes.yaml of uap-core, or run `cargo fetch` first."
            );
            ExitCode::FAILURE
        }
    }
}

fn embed(file: &Path) -> Result<(), String> {
    println!("cargo:rerun-if-changed={}", file.display());
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    for list in ["user_agent_parsers:", "os_parsers:", "device_parsers:"] {
        if !text.contains(list) {
            return Err(format!("{}: there is no {list}", file.display()));
        }
    }
    let prepared =
        enrichment::prepare(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let folder = PathBuf::from(variable("OUT_DIR")?);
    for (name, text) in [("regexes.yaml", text), ("regexes.json", prepared)] {
        let to = folder.join(name);
        fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

fn find() -> Result<PathBuf, String> {
    if let Some(file) = env::var_os(VARIABLE) {
        return Ok(file.into());
    }
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let lock = lock_file(&manifest);
    if let Some(lock) = &lock {
        println!("cargo:rerun-if-changed={}", lock.display());
    }
    let mut tried = Vec::new();
    match package_of_metadata(&manifest) {
        Ok(package) => match existing(package.join(FILE), &mut tried) {
            Some(file) => return Ok(file),
            None => return Err(tried.join("\n")),
        },
        Err(why) => tried.push(format!("cargo metadata: {why}")),
    }
    let version = lock.as_deref().and_then(locked_version);
    let Some(version) = version else {
        tried.push(format!("Cargo.lock names no version of {PACKAGE}"));
        return Err(tried.join("\n"));
    };
    let named = format!("{PACKAGE}-{version}");
    let mut folders = Vec::new();
    if let Some(home) = cargo_home() {
        let registries = fs::read_dir(home.join("registry/src"));
        folders.extend(
            registries
                .into_iter()
                .flatten()
                .flatten()
                .map(|registry| registry.path().join(&named)),
        );
    }
    if let Some(vendor) = lock.as_deref().and_then(Path::parent) {
        let vendor = vendor.join("vendor");
        folders.extend([vendor.join(PACKAGE), vendor.join(&named)]);
    }
    folders.sort();
    folders
        .into_iter()
        .find_map(|folder| existing(folder.join(FILE), &mut tried))
        .ok_or_else(|| tried.join("\n"))
}

/// The file, if it is there; else it is noted as tried.
fn existing(file: PathBuf, tried: &mut Vec<String>) -> Option<PathBuf> {
    if file.is_file() {
        return Some(file);
    }
    tried.push(format!("{}: no such file", file.display()));
    None
}

/// The folder of the package that the build uses.
fn package_of_metadata(manifest: &Path) -> Result<PathBuf, String> {
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        .arg("--filter-platform")
        .arg(variable("TARGET")?)
        .arg("--manifest-path")
        .arg(manifest.join("Cargo.toml"))
        .output()
        .map_err(|error| error.to_string())?;
    let metadata = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(errors.trim().to_owned());
    }
    // `{"name":"ua-parser","version":...,"manifest_path":"...",...}`; a dependency on it is also written
    // `{"name":"ua-parser"`, but followed by its source
    let opening = format!(r#"{{"name":"{PACKAGE}","version":"#);
    let (_, package) = metadata
        .split_once(&opening)
        .ok_or_else(|| format!("no package {PACKAGE}"))?;
    let (_, path) = package
        .split_once(r#""manifest_path":""#)
        .ok_or("no manifest_path")?;
    let path = json_string(path).ok_or("manifest_path cannot be read")?;
    let folder = Path::new(&path).parent().ok_or("manifest_path is a root")?;
    Ok(folder.to_path_buf())
}

/// The JSON string that begins behind its quotation mark.
fn json_string(text: &str) -> Option<String> {
    let mut string = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(string),
            '\\' => match chars.next()? {
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok()?;
                    string.push(char::from_u32(code)?);
                }
                'n' => string.push('\n'),
                't' => string.push('\t'),
                'r' => string.push('\r'),
                plain => string.push(plain),
            },
            plain => string.push(plain),
        }
    }
}

/// The nearest lock file above the manifest.
fn lock_file(manifest: &Path) -> Option<PathBuf> {
    manifest
        .ancestors()
        .map(|folder| folder.join("Cargo.lock"))
        .find(|file| file.is_file())
}

/// The version of the package in the lock file.
fn locked_version(lock: &Path) -> Option<String> {
    let text = fs::read_to_string(lock).ok()?;
    let (_, behind) = text.split_once(&format!("name = \"{PACKAGE}\"\n"))?;
    let version = behind.lines().next()?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

/// The folder of cargo's registries.
fn cargo_home() -> Option<PathBuf> {
    let home = |name| env::var_os(name).map(PathBuf::from);
    home("CARGO_HOME").or_else(|| {
        home("HOME")
            .or_else(|| home("USERPROFILE"))
            .map(|home| home.join(".cargo"))
    })
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
