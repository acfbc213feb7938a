//! Moves and copies of many objects between S3 and local disks (S3DistCp with `--deleteOnSuccess` in the reference).
//!
//! Objects are taken 1,000 at a time: what is at their targets already is looked up by listings, copies run together (as many
//! as S3 bears), and the sources whose copies were verified are deleted by one request. So each object is at any moment at
//! its source, or at both places, or at its target; a move that was cut is completed by the same move: a source whose
//! target is equal is deleted, one whose target differs is an error that names both, and neither is touched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::StreamExt;

use super::content::{Place, Side};
use super::copy::{Verified, same_head};
use super::key::Key;
use super::s3::{Listed, S3};
use super::{Moved, Objects};
use crate::transfer;

/// Objects of one round.
const ROUND: usize = 1000;

/// Transfers between disk and S3 at a time: each holds some MiB.
const TRANSFERS: usize = 4;

/// One object to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// Where it is.
    pub(crate) from: Place,
    /// Where it goes.
    pub(crate) to: Place,
    /// Bytes.
    pub(crate) size: u64,
    /// ETag by the listing, without quotes; empty for files.
    pub(crate) etag: String,
}

/// By what copies were verified, in objects.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    etag: AtomicU64,
    checksum: AtomicU64,
    size: AtomicU64,
    content: AtomicU64,
}

impl Counts {
    fn add(&self, verified: Verified) {
        let counter = match verified {
            Verified::Etag => &self.etag,
            Verified::Checksum => &self.checksum,
            Verified::Size => &self.size,
            Verified::Content => &self.content,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> super::VerifiedBy {
        super::VerifiedBy {
            etag: self.etag.load(Ordering::Relaxed),
            checksum: self.checksum.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            content: self.content.load(Ordering::Relaxed),
        }
    }
}

impl Objects {
    /// Does the jobs. With `keep`, sources stay.
    pub(crate) fn run_jobs(&self, jobs: &[Job], keep: bool) -> Result<Moved, String> {
        let mut targets = HashSet::with_capacity(jobs.len());
        for job in jobs {
            // Such an object would be found at its target, and then deleted.
            if job.from == job.to {
                return Err(format!(
                    "{}: cannot be moved to itself; nothing was touched",
                    job.to
                ));
            }
            if !targets.insert(&job.to) {
                return Err(format!(
                    "{}: two objects would be moved there; nothing was touched",
                    job.to
                ));
            }
        }
        drop(targets);
        let mut moved = Moved::default();
        for round in jobs.chunks(ROUND) {
            let done = self.round(round, keep)?;
            moved.objects += done.objects;
            moved.bytes += done.bytes;
        }
        Ok(moved)
    }

    fn round(&self, jobs: &[Job], keep: bool) -> Result<Moved, String> {
        let mut moved = Moved::default();
        let (on_disk, with_s3): (Vec<&Job>, Vec<&Job>) = jobs
            .iter()
            .partition(|job| matches!((&job.from, &job.to), (Place::Local(_), Place::Local(_))));
        for job in on_disk {
            let (Place::Local(from), Place::Local(to)) = (&job.from, &job.to) else {
                continue;
            };
            let bytes = if keep {
                transfer::copy_file(from, to)
            } else {
                transfer::move_file(from, to)
            };
            moved.bytes += bytes.map_err(|error| error.to_string())?;
            moved.objects += 1;
            self.counts.add(Verified::Content);
        }
        if with_s3.is_empty() {
            return Ok(moved);
        }
        let (aws, s3) = (self.needed_aws()?, self.s3()?);
        let existing = aws.block_on(s3.look_up(with_s3.iter().map(|job| &job.to)))?;
        let disk_slots = Arc::new(tokio::sync::Semaphore::new(TRANSFERS));
        let failed = Arc::new(AtomicBool::new(false));
        let runtime = aws.runtime();
        let running = with_s3.iter().map(|&job| {
            let (s3, job) = (s3.clone(), job.clone());
            let (slots, failed) = (Arc::clone(&disk_slots), Arc::clone(&failed));
            let there = match &job.to {
                Place::S3(key) => existing.get(key).cloned(),
                Place::Local(_) => None,
            };
            async move {
                // A task of its own: signing and TLS of many requests want more than one thread.
                let task = runtime.spawn(async move {
                    if failed.load(Ordering::Relaxed) {
                        return None;
                    }
                    let through_disk =
                        matches!(job.from, Place::Local(_)) || matches!(job.to, Place::Local(_));
                    let _slot = if through_disk {
                        slots.acquire().await.ok()
                    } else {
                        None
                    };
                    let result = s3.do_job(&job, there.as_ref()).await;
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    Some(result.map(|verified| (job, verified)))
                });
                task.await.unwrap_or_else(|error| {
                    Some(Err(format!("a move ended unexpectedly: {error}")))
                })
            }
        });
        let results: Vec<_> = aws.block_on(
            futures::stream::iter(running)
                .buffer_unordered(s3.tuning.in_flight.max(1) * 2)
                .collect(),
        );
        let (mut failures, mut sources) = (Vec::new(), BTreeMap::<String, Vec<_>>::new());
        for result in results.into_iter().flatten() {
            match result {
                Ok((job, verified)) => {
                    self.counts.add(verified);
                    moved.objects += 1;
                    moved.bytes += job.size;
                    match job.from {
                        _ if keep => {}
                        Place::S3(key) => {
                            sources
                                .entry(key.bucket)
                                .or_default()
                                .push((key.key, job.etag));
                        }
                        Place::Local(path) => {
                            fs::remove_file(&path)
                                .map_err(|error| transfer::named(&path, error).to_string())?;
                        }
                    }
                }
                Err(error) => failures.push(error),
            }
        }
        // Also after a failure: what was copied and verified need not be copied again.
        for (bucket, sources) in &sources {
            aws.block_on(s3.delete(bucket, sources))?;
        }
        match failures.len() {
            0 => Ok(moved),
            1 => Err(failures.swap_remove(0)),
            more => Err(format!(
                "{} (and {} other objects)",
                failures.swap_remove(0),
                more - 1
            )),
        }
    }
}

impl S3 {
    /// Brings one object to its target, or finds it there.
    async fn do_job(&self, job: &Job, there: Option<&Listed>) -> Result<Verified, String> {
        match (&job.from, &job.to) {
            (Place::S3(from), Place::S3(to)) => {
                let Some(there) = there else {
                    return self.copy(from, to, job.size, &job.etag).await;
                };
                if there.size != job.size {
                    return Err(differ(job));
                }
                if !there.etag.is_empty() && there.etag == job.etag {
                    return Ok(Verified::Etag);
                }
                if let (Some(source), Some(target)) = (self.head(from).await?, self.head(to).await?)
                {
                    match same_head(&source, &target) {
                        Some(true) => return Ok(Verified::Checksum),
                        Some(false) => return Err(differ(job)),
                        None => {}
                    }
                }
                let source = Side::Object(from, &job.etag);
                self.compare(job, source, Side::Object(to, &there.etag))
                    .await
            }
            (Place::Local(from), Place::S3(to)) => match there {
                None => self.upload(from, job.size, to).await,
                Some(there) if there.size == job.size => {
                    self.compare(job, Side::File(from), Side::Object(to, &there.etag))
                        .await
                }
                Some(_) => Err(differ(job)),
            },
            (Place::S3(from), Place::Local(to)) => match fs::metadata(to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.download(from, job.size, &job.etag, to).await
                }
                Err(error) => Err(transfer::named(to, error).to_string()),
                Ok(metadata) if metadata.len() == job.size => {
                    self.compare(job, Side::Object(from, &job.etag), Side::File(to))
                        .await
                }
                Ok(_) => Err(differ(job)),
            },
            (Place::Local(_), Place::Local(_)) => Err(format!("{}: not a move of S3", job.from)),
        }
    }

    async fn compare(&self, job: &Job, one: Side<'_>, other: Side<'_>) -> Result<Verified, String> {
        if self.same_content(one, other, job.size).await? {
            Ok(Verified::Content)
        } else {
            Err(differ(job))
        }
    }

    /// What is there already of some objects in S3: by listings of the folder that they have in common, as long as these show
    /// what is asked for; one by one where other objects prevail.
    pub(crate) async fn look_up(
        &self,
        places: impl Iterator<Item = &Place>,
    ) -> Result<HashMap<Key, Listed>, String> {
        let mut by_bucket: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for place in places {
            if let Place::S3(key) = place {
                by_bucket.entry(&key.bucket).or_default().push(&key.key);
            }
        }
        let mut found = HashMap::new();
        for (bucket, mut keys) in by_bucket {
            keys.sort_unstable();
            keys.dedup();
            self.look_up_sorted(bucket, &keys, &mut found).await?;
        }
        Ok(found)
    }

    async fn look_up_sorted(
        &self,
        bucket: &str,
        keys: &[&str],
        found: &mut HashMap<Key, Listed>,
    ) -> Result<(), String> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return Ok(());
        };
        let prefix = Key {
            bucket: bucket.to_owned(),
            key: common_folder(first, last).to_owned(),
        };
        // The listing begins behind a key that is a little less than the first.
        let before = first
            .char_indices()
            .next_back()
            .map(|(at, _)| &first[..at])
            .filter(|before| before.len() > prefix.key.len());
        let mut pages_left = 3 + keys.len() / 250;
        let (mut token, mut seen) = (None::<String>, String::new());
        loop {
            let page = self.page(&prefix, before, token.as_deref(), 1000).await?;
            if let Some(object) = page.objects.last() {
                seen.clone_from(&object.key);
            }
            for object in page.objects {
                if keys.binary_search(&object.key.as_str()).is_ok() {
                    let key = prefix_free(bucket, &object.key);
                    found.insert(key, object);
                }
            }
            token = page.next;
            if token.is_none() || seen.as_str() >= *last {
                return Ok(());
            }
            pages_left -= 1;
            if pages_left == 0 {
                break;
            }
        }
        let rest = keys.iter().filter(|key| **key > seen.as_str()).map(|key| {
            let key = prefix_free(bucket, key);
            async move {
                let head = self.head(&key).await?;
                Ok::<_, String>(head.map(|head| {
                    let listed = Listed {
                        key: key.key.clone(),
                        size: head.size,
                        etag: head.etag,
                        modified_ms: 0,
                    };
                    (key, listed)
                }))
            }
        });
        let mut heads = futures::stream::iter(rest).buffer_unordered(self.tuning.in_flight.max(1));
        while let Some(head) = heads.next().await {
            found.extend(head?);
        }
        Ok(())
    }
}

fn prefix_free(bucket: &str, key: &str) -> Key {
    Key {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

/// The longest prefix that ends in a slash and begins both keys.
fn common_folder<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one
        .bytes()
        .zip(other.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let end = one.as_bytes()[..same]
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    &one[..end]
}

fn differ(job: &Job) -> String {
    format!(
        "{} and {} differ: neither was touched. Compare them, delete or rename one, then resume the run",
        job.from, job.to
    )
}

/// Whether `source` and `target` are files on one disk, where a move is a rename and never leaves both.
pub(crate) fn on_one_disk(source: &Path, target: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(source), fs::metadata(target)) {
        (Ok(source), Ok(target)) => source.dev() == target.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_common() {
        for (one, other, folder) in [
            ("a/b/c", "a/b/d", "a/b/"),
            ("a/b/c", "a/bc", "a/"),
            ("abc", "abd", ""),
            ("a/ü/x", "a/ö/x", "a/"),
            ("a/b", "a/b", "a/"),
            ("", "x", ""),
        ] {
            assert_eq!(common_folder(one, other), folder, "{one} {other}");
        }
    }
}
