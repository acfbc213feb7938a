//! Files that enrichments look things up in: MaxMind databases, IAB lists, user-agent regexes and
//! tables, referers.
//!
//! In: the address that a configuration names. Out: a local file, or a text that says what could not
//! be had, why, and what to do. Spark Enrich 1.15.0 has Spark fetch every file once a job, to every
//! worker; here the one process fetches it before the first event and keeps it from job to job:
//!
//! * a file of the wanted name in the operator's own folder (`--enrichment-data`) comes before the
//!   address;
//! * `http(s)://` and `s3://` are asked whether the copy in the cache is still the newest (entity
//!   tag, else time of modification) and are read anew only if not;
//! * where the server cannot be reached, or answers with trouble of its own, the copy stands in, with
//!   a warning; where it says that there is no such file, or no right to it, the job does not start;
//! * a path or `file://` is used where it is.
//!
//! Other schemes that Hadoop can read (`hdfs`, `ftp`, ...) are refused.

mod cache;
mod configured;
mod http;
mod s3;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::{Location, StoreSettings};

pub use configured::{ConfiguredFile, Join};

use cache::{Cache, Incoming, Kept, Validator};

/// Where the look-up files of a job come from.
#[derive(Debug, Clone, Default)]
pub struct Databases {
    /// Option `--enrichment-data`: a folder with files of the known names.
    pub folder: Option<PathBuf>,
    /// Where fetched files are kept from one job to the next; `None`: below the user's cache folder.
    pub cache: Option<PathBuf>,
    /// How `s3://` is reached.
    pub store: StoreSettings,
}

/// What a server may take and send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// For a connection, TLS included.
    connect: Duration,
    /// Between two pieces of an answer.
    read: Duration,
    /// For one file, redirects included.
    total: Duration,
    /// Bytes of one file.
    bytes: u64,
    /// How often a server in trouble is asked.
    attempts: u32,
    /// Pause before the second attempt; it doubles from one to the next.
    pause: Duration,
}

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    read: Duration::from_secs(30),
    total: Duration::from_secs(15 * 60),
    bytes: 2 << 30,
    attempts: 3,
    pause: Duration::from_millis(500),
};

/// What a server said about a file.
#[derive(Debug)]
enum Fetched {
    /// The copy in the cache is still the newest.
    Unchanged,
    /// The file, and how to ask for a newer one.
    New(Incoming, Validator),
}

/// Why a server gave no file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It cannot be reached or has trouble of its own: an older copy is better than nothing.
    Away(String),
    /// It said no, or sent what cannot be used.
    Refused(String),
}

impl Databases {
    /// A local copy of the file `database` at `uri`: a path, `file://`, `http(s)://` or `s3://`. A
    /// slash is put between the two unless `uri` ends with one.
    ///
    /// # Errors
    /// What could not be fetched, why, and what to do.
    pub fn fetch(&self, uri: &str, database: &str) -> Result<PathBuf, String> {
        let separator = if uri.ends_with('/') { "" } else { "/" };
        self.fetch_uri(&format!("{uri}{separator}{database}"), database)
    }

    /// As [`fetch`](Self::fetch), with the whole address of the file; `name` is that of the file which
    /// the operator's folder may hold instead.
    ///
    /// # Errors
    /// What could not be fetched, why, and what to do.
    pub fn fetch_uri(&self, uri: &str, name: &str) -> Result<PathBuf, String> {
        self.fetch_within(uri, name, &LIMITS)
    }

    fn fetch_within(&self, uri: &str, name: &str, limits: &Limits) -> Result<PathBuf, String> {
        if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\\', '\0']) {
            return Err(format!(
                "{name:?} is not the name of a look-up file: it must be a plain file name, the folder belongs into `uri`"
            ));
        }
        if let Some(folder) = &self.folder {
            if !folder.is_dir() {
                return Err(format!(
                    "{}: not a folder; give --enrichment-data a folder with look-up files, or leave it out",
                    folder.display()
                ));
            }
            if let Some(path) = self.in_folder(name) {
                return usable(path, limits);
            }
        }
        match scheme(uri) {
            None | Some("file") => usable(local_path(uri)?, limits),
            Some("http" | "https") => self.cached(uri, name, limits, |kept, cache| {
                http::fetch(uri, kept, cache, limits)
            }),
            Some("s3" | "s3a" | "s3n") => self.cached(uri, name, limits, |kept, cache| {
                s3::fetch(&self.store, uri, kept, cache, limits)
            }),
            Some(other) => Err(format!(
                "Scheme {other} for file {} not supported; use http, https, s3, file or a path, or put {name} into the folder of --enrichment-data",
                shown(uri)
            )),
        }
    }

    /// The copy in the cache, after `fetch` has brought it up to date.
    fn cached(
        &self,
        uri: &str,
        name: &str,
        limits: &Limits,
        fetch: impl Fn(Option<&Validator>, &Cache) -> Result<Fetched, Failure>,
    ) -> Result<PathBuf, String> {
        let cache = Cache::open(self.cache.as_deref())?;
        let address = without_credentials(uri);
        let kept = cache.kept(&address);
        let validator = kept.as_ref().map(|kept| &kept.validator);
        let (mut pause, mut attempt) = (limits.pause, 0);
        loop {
            attempt += 1;
            match (fetch(validator, &cache), &kept) {
                (Ok(Fetched::Unchanged), Some(kept)) => return Ok(kept.path.clone()),
                (Ok(Fetched::Unchanged), None) => {
                    return Err(refused(
                        uri,
                        name,
                        "the server says that a copy which is not there is the newest",
                    ));
                }
                (Ok(Fetched::New(incoming, validator)), _) => {
                    return cache.keep(&address, incoming, validator);
                }
                (Err(Failure::Refused(reason)), _) => return Err(refused(uri, name, &reason)),
                (Err(Failure::Away(reason)), _) if attempt < limits.attempts => {
                    tracing::info!(uri = %shown(uri), reason, "a look-up file is tried again");
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                (Err(Failure::Away(reason)), Some(kept)) => {
                    return Ok(stand_in(uri, kept, &reason));
                }
                (Err(Failure::Away(reason)), None) => {
                    return Err(format!(
                        "Attempt to download {} failed: {reason}; there is no earlier copy: try again when the server is back, or put {name} into the folder of --enrichment-data",
                        shown(uri)
                    ));
                }
            }
        }
    }

    /// The file `name` of the folder, if there is a folder that has it.
    pub fn in_folder(&self, name: &str) -> Option<PathBuf> {
        let path = self
            .folder
            .as_deref()
            .map(|folder: &Path| folder.join(name))?;
        path.is_file().then_some(path)
    }
}

fn refused(uri: &str, name: &str, reason: &str) -> String {
    format!(
        "Attempt to download {} failed: {reason}; correct the configuration's `uri`, or put {name} into the folder of --enrichment-data",
        shown(uri)
    )
}

fn stand_in(uri: &str, kept: &Kept, reason: &str) -> PathBuf {
    tracing::warn!(
        uri = %shown(uri),
        reason,
        copy = %kept.path.display(),
        "a look-up file cannot be checked for a newer version: the copy of an earlier job is used"
    );
    kept.path.clone()
}

/// `path`, if it is a file that can be read and is not too large.
fn usable(path: PathBuf, limits: &Limits) -> Result<PathBuf, String> {
    let unusable = |why: &str| {
        format!(
            "{}: {why}; put the look-up file there, or correct the configuration's `uri`",
            path.display()
        )
    };
    let failed = |error: std::io::Error| unusable(&error.to_string());
    // looked at before it is opened: a pipe would wait for its writer
    let metadata = std::fs::metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(unusable("not a file"));
    }
    std::fs::File::open(&path).map_err(failed)?;
    match metadata.len() {
        0 => Err(unusable("the file is empty")),
        size if size > limits.bytes => {
            Err(unusable(&format!("larger than {} bytes", limits.bytes)))
        }
        _ => Ok(path),
    }
}

/// The scheme in lower case of those that are known, else as it is written; `None` for a path.
fn scheme(uri: &str) -> Option<&str> {
    const KNOWN: [&str; 6] = ["http", "https", "s3", "s3a", "s3n", "file"];
    let end = uri.find(':')?;
    let scheme = &uri[..end];
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !legal {
        return None;
    }
    let known = KNOWN
        .iter()
        .find(|known| known.eq_ignore_ascii_case(scheme));
    Some(known.copied().unwrap_or(scheme))
}

/// The path of a path or of a `file:` URI, whose escapes are decoded unless there is a file of the
/// very text.
fn local_path(uri: &str) -> Result<PathBuf, String> {
    let location = Location::parse(uri).map_err(|error| error.to_string())?;
    let literal = location
        .local_path()
        .ok_or_else(|| format!("{}: not a local path", shown(uri)))?;
    if scheme(uri).is_some()
        && !literal.exists()
        && let Ok(url) = reqwest::Url::parse(uri)
        && let Ok(path) = url.to_file_path()
    {
        return Ok(path);
    }
    Ok(literal.to_owned())
}

/// `uri` without user name and password.
fn without_credentials(uri: &str) -> String {
    let Some((start, rest)) = uri.split_once("//") else {
        return uri.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{start}//{host}{path}"),
        None => uri.to_owned(),
    }
}

/// `uri` for messages and logs: without user name, password and query, which may hold a token.
fn shown(uri: &str) -> String {
    let mut text = without_credentials(uri);
    if let Some(query) = text.find('?') {
        text.truncate(query);
    }
    text
}
