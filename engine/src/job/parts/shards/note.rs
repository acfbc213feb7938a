//! What a sharded job is: written by the process that comes first, compared by all others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::Work;
use super::super::opening::Opening;
use super::share::{self, hex};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Snapshot;
use crate::job::manifest::engine_name_and_version;
use crate::job::options::now_ms;
use crate::job::parts::Group;
use crate::output::JobOutput;
use crate::store::{Location, random_name};

/// The form of a note, and of everything else in an exchange.
const VERSION: u32 = 1;

/// What a sharded job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    version: u32,
    engine: String,
    shards: u32,
    /// Names this time that the job was begun; random.
    pub(super) id: String,
    /// The attempt of the output that all shards share.
    pub(super) attempt: String,
    /// The instant that bad rows carry.
    pub(super) failure_tstamp_ms: i64,
    /// The job whose shards have gathered the keys of this one's events already, in the words of
    /// [`Exchange::id_of`](super::exchange::Exchange::id_of); without it they are scanned for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keys_of: Option<String>,
    input: InputSeen,
    /// What must be the same for all, by the name of the option.
    options: BTreeMap<String, String>,
}

/// The input as a process saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InputSeen {
    objects: u64,
    bytes: u64,
    digest: String,
}

impl Note {
    /// The job as this process sees it. Of documents that may hold secrets a digest goes into a note that is
    /// sealed, and the length into one that is not.
    pub(super) fn of(
        opening: &Opening<'_>,
        snapshot: &Snapshot,
        groups: &[Group],
        is_sealed: bool,
    ) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            engine: engine_name_and_version(),
            shards: u32::try_from(groups.len()).unwrap_or(u32::MAX),
            id: random_name()?,
            attempt: JobOutput::new_attempt(&opening.settings)?,
            failure_tstamp_ms: opening.options.failure_tstamp_ms.unwrap_or_else(now_ms),
            keys_of: None,
            input: InputSeen {
                objects: snapshot.objects.len() as u64,
                bytes: snapshot.total_bytes,
                digest: share::digest(groups)?,
            },
            options: options(opening, is_sealed),
        })
    }

    /// How many shards the job has.
    pub(super) fn shards(&self) -> u32 {
        self.shards
    }

    /// Refuses to take part in the job of this note, found at `place`, if it is not the same as `mine`.
    ///
    /// # Errors
    /// `Config`, or `Changed` for another input, with what differs.
    pub(super) fn check(&self, mine: &Self, place: &Location, input: &str) -> Result<()> {
        let anew = format!(
            "(if nothing is left of that job that is wanted: end its shards, delete {place} and begin anew)"
        );
        if (self.version, &self.engine) != (mine.version, &mine.engine) {
            return Err(Error::config(format!(
                "the shards of this job were begun by {} and this is {}: let all shards and the commit run the same \
                 version {anew}",
                self.engine, mine.engine
            )));
        }
        if self.shards != mine.shards {
            return Err(Error::config(format!(
                "this job was begun as {} shards, and this process was told of {}: give all of them the same N in --shard \
                 I/N, and the commit the same --shards N {anew}",
                self.shards, mine.shards
            )));
        }
        let differing: Vec<&str> = self
            .options
            .keys()
            .chain(mine.options.keys())
            .filter(|name| self.options.get(*name) != mine.options.get(*name))
            .map(String::as_str)
            .collect();
        if !differing.is_empty() {
            let mut names = differing;
            names.sort_unstable();
            names.dedup();
            return Err(Error::config(format!(
                "this job was begun with other options: {} must be the same for all shards and the commit {anew}",
                names.join(", ")
            )));
        }
        if self.input != mine.input {
            let seen = |input: &InputSeen| {
                format!(
                    "{} objects of {} bytes, digest {}",
                    input.objects,
                    input.bytes,
                    input.digest.get(..12).unwrap_or_default()
                )
            };
            return Err(Error::new(
                ErrorKind::Changed,
                format!(
                    "{input}: the shards of this job must all see the same input: it was begun with {}, and this process \
                     sees {}; nothing may be added, changed or taken away before the commit: put it back as it was {anew}",
                    seen(&self.input),
                    seen(&mine.input)
                ),
            ));
        }
        Ok(())
    }
}

fn options(opening: &Opening<'_>, is_sealed: bool) -> BTreeMap<String, String> {
    let document = |text: &str| {
        if is_sealed {
            hex(&Sha256::digest(text.as_bytes()))
        } else {
            format!("{} bytes", text.len())
        }
    };
    let options = opening.options;
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |name: &str, value: String| named.insert(name.to_owned(), value);
    put("--output-compression", format!("{:?}", options.compression));
    put("--target-size", options.target_size.to_string());
    put("--skip-corrupt", options.skip_corrupt.to_string());
    put("--encrypted", format!("{:?}", options.store.encryption));
    // left out: the instant of the one who came first
    if let Some(at) = options.failure_tstamp_ms {
        put("--failure-timestamp", at.to_string());
    }
    // as the command calls them
    let (good, bad) = match (opening.is_half(), opening.work()) {
        (false, _) => ("--output-folder", "--bad-folder"),
        (true, Work::Enrich(_)) => ("--enriched-folder", "--enriched-bad-folder"),
        (true, Work::Shred(_)) => ("--shredded-folder", "--shredded-bad-folder"),
    };
    match opening.work() {
        Work::Enrich(work) => {
            put("--input-format", work.format.clone());
            put(good, work.output.clone());
            put(bad, work.bad.clone());
            put("--errors-folder", work.errors.clone().unwrap_or_default());
            put("--pii-folder", work.pii.clone().unwrap_or_default());
            let enrichments = work.enrichments.as_deref().unwrap_or_default();
            put("--enrichments", document(enrichments));
            put("--iglu-config", document(&work.resolver));
            put("--etl-timestamp", work.etl_tstamp_ms.to_string());
            put("--etl-version", work.v_etl.clone().unwrap_or_default());
        }
        Work::Shred(work) => {
            put(good, work.output.clone());
            put(bad, work.bad.clone());
            put("--iglu-config", document(&work.resolver));
            put("--trusted-input", work.is_trusted.to_string());
            put("--column-widths", work.postgres_widths.to_string());
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobOptions, ShredJob};
    use crate::store::Store;
    use std::fs;

    #[test]
    fn what_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), "line\n").unwrap();
        let job = ShredJob {
            input: folder.path().to_str().unwrap().into(),
            output: "/data/good".into(),
            bad: "/data/bad".into(),
            resolver: r#"{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{"cacheSize":5,"repositories":[]}}"#.into(),
            options: JobOptions::default(),
        };
        let store = Store::default();
        let note = |job: &ShredJob, shards, sealed| {
            let opening = Opening::of_shred(job).unwrap();
            let snapshot = opening.snapshot(&store).unwrap();
            let groups = share::shares(&snapshot, opening.framing, shards, false, &store).unwrap();
            Note::of(&opening, &snapshot, &groups, sealed).unwrap()
        };
        let place = Location::parse("/exchange/x").unwrap();
        let first = note(&job, 3, true);
        let check = |mine: &Note| first.check(mine, &place, "IN").map_err(|e| e.to_string());
        check(&note(&job, 3, true)).unwrap();
        let back: Note = serde_json::from_slice(&serde_json::to_vec(&first).unwrap()).unwrap();
        assert_eq!(back, first);

        let error = check(&note(&job, 4, true)).unwrap_err();
        assert!(
            error.contains("begun as 3 shards") && error.contains("told of 4"),
            "{error}"
        );
        let mut other = job.clone();
        other.bad = "/elsewhere".into();
        other.options.target_size = 5;
        other.options.failure_tstamp_ms = Some(1);
        let error = check(&note(&other, 3, true)).unwrap_err();
        let names = "--bad-folder, --failure-timestamp, --target-size must";
        assert!(error.contains(names), "{error}");
        let mut other = job.clone();
        other.resolver.push(' ');
        let error = check(&note(&other, 3, true)).unwrap_err();
        assert!(
            error.contains("--iglu-config") && !error.contains("cacheSize"),
            "{error}"
        );
        let mut old = first.clone();
        old.engine = "camonica-engine 0.0.1".into();
        assert!(check(&old).unwrap_err().contains("0.0.1"));
        fs::write(folder.path().join("y"), "late\n").unwrap();
        let error = check(&note(&job, 3, true)).unwrap_err();
        assert!(
            error.contains("IN: ") && error.contains("sees 2 objects of 10 bytes"),
            "{error}"
        );
        // nothing of a document can be guessed from a note that is not sealed
        let plain = serde_json::to_string(&note(&job, 3, false)).unwrap();
        assert!(
            plain.contains(&format!("{} bytes", job.resolver.len())),
            "{plain}"
        );
    }
}
