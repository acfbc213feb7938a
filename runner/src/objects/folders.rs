//! Moves and copies of lists of objects and of whole folders: what the steps call.

use std::collections::HashMap;
use std::fs;

use engine::store::Location;

use super::content::{Place, Side};
use super::moving::{Job, on_one_disk};
use super::{Moved, ObjectEntry, Objects, Renamed, below, place};
use crate::transfer;

impl Objects {
    /// Moves objects, many at a time: each source is deleted after its copy was verified by size and checksum. Can be cut
    /// at any point and repeated. Existing targets are overwritten only by an equal object.
    ///
    /// # Errors
    /// When one cannot be moved; it then is still at its source.
    pub fn move_all(&self, moves: &[(Location, Location, u64)]) -> Result<Moved, String> {
        let mut jobs = Vec::with_capacity(moves.len());
        for (from, to, size) in moves {
            jobs.push(Job {
                from: place(from)?,
                to: place(to)?,
                size: *size,
                etag: String::new(),
            });
        }
        // The ETags of the sources; those that are gone were moved by an earlier attempt.
        let sources = match &self.s3 {
            Some(s3) => self
                .needed_aws()?
                .block_on(s3.look_up(jobs.iter().map(|job| &job.from)))?,
            None => HashMap::new(),
        };
        let mut gone = Vec::new();
        let mut left = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            let there = match &job.from {
                Place::S3(key) => sources.get(key).map(|source| {
                    job.etag.clone_from(&source.etag);
                    source.size
                }),
                Place::Local(path) => match fs::metadata(path) {
                    Ok(metadata) => Some(metadata.len()),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                    Err(error) => return Err(transfer::named(path, error).to_string()),
                },
            };
            match there {
                Some(size) if size == job.size => left.push(job),
                Some(size) => {
                    return Err(format!(
                        "{}: has {size} bytes and not the {} that were listed: another program changed it",
                        job.from, job.size
                    ));
                }
                None => gone.push(job),
            }
        }
        self.check_moved_before(&gone)?;
        self.run_jobs(&left, false)
    }

    /// Sources that are gone must be at their targets.
    fn check_moved_before(&self, gone: &[Job]) -> Result<(), String> {
        if gone.is_empty() {
            return Ok(());
        }
        let targets = match &self.s3 {
            Some(s3) => self
                .needed_aws()?
                .block_on(s3.look_up(gone.iter().map(|job| &job.to)))?,
            None => HashMap::new(),
        };
        for job in gone {
            let size = match &job.to {
                Place::S3(key) => targets.get(key).map(|target| target.size),
                Place::Local(path) => fs::metadata(path).ok().map(|metadata| metadata.len()),
            };
            if size != Some(job.size) {
                return Err(format!(
                    "{}: is not there, and {} is not it: another program took it",
                    job.from, job.to
                ));
            }
        }
        Ok(())
    }

    /// Moves objects of the folder `from`, as it was listed, to names in the folder `to`. As [`move_all`](Self::move_all), but
    /// keys are taken as they are (a [`Location`] cannot have each), and each is moved only as it was listed.
    ///
    /// # Errors
    /// When one cannot be moved; it then is still at its source.
    pub fn move_entries(
        &self,
        from: &Location,
        to: &Location,
        entries: &[Renamed],
    ) -> Result<Moved, String> {
        self.run_jobs(&jobs(from, to, entries)?, false)
    }

    /// As [`move_entries`](Self::move_entries), but the sources stay.
    ///
    /// # Errors
    /// When one cannot be copied.
    pub fn copy_entries(
        &self,
        from: &Location,
        to: &Location,
        entries: &[Renamed],
    ) -> Result<Moved, String> {
        self.run_jobs(&jobs(from, to, entries)?, true)
    }

    /// Moves everything below `from` to `to`, relative keys kept; objects whose name begins with `_SUCCESS` last, so that
    /// whoever sees one at the target sees all that it speaks of. Nothing to move is a success.
    ///
    /// # Errors
    /// When one cannot be moved; it then is still at its source.
    pub fn move_folder(&self, from: &Location, to: &Location) -> Result<Moved, String> {
        if let Some(path) = to.local_path() {
            transfer::remove_partial(path).map_err(|error| error.to_string())?;
        }
        let (mut last, mut waiting) = (Vec::new(), Vec::new());
        let mut moved = Moved::default();
        let mut failure = None;
        let mut flush = |waiting: &mut Vec<Renamed>| {
            let result = self.move_entries(from, to, waiting);
            waiting.clear();
            match result {
                Ok(done) => moved += done,
                Err(error) => failure = Some(error),
            }
            failure.is_none()
        };
        self.each(from, &mut |entry| {
            let name = entry.relative.clone();
            let marker = name
                .rsplit('/')
                .next()
                .is_some_and(|name| name.starts_with("_SUCCESS"));
            let renamed = Renamed { entry, name };
            if marker {
                last.push(renamed);
                return true;
            }
            waiting.push(renamed);
            // Moving while listing is sound: a continuation token is a place in the order of keys.
            waiting.len() < 5000 || flush(&mut waiting)
        })?;
        if flush(&mut waiting) {
            flush(&mut last);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(path) = from.local_path() {
            transfer::remove_empty_folders(path);
        }
        Ok(moved)
    }

    /// Whether `target` of the folder `to` can be the copy of `source` in the folder `from` that a move made before it was cut: it
    /// is no older, and has the same content. On one disk a move is a rename and leaves no such copy.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn is_cut_move(
        &self,
        from: &Location,
        source: &ObjectEntry,
        to: &Location,
        target: &ObjectEntry,
    ) -> Result<bool, String> {
        if source.size != target.size {
            return Ok(false);
        }
        let (one, other) = (below(from, &source.relative)?, below(to, &target.relative)?);
        let tolerance = match (&one, &other) {
            (Place::Local(one), Place::Local(other)) => {
                return Ok(!on_one_disk(one, other)
                    && transfer::same_content(one, other).map_err(|error| error.to_string())?);
            }
            // Listings tell seconds.
            (Place::S3(_), Place::S3(_)) => 999,
            // Two clocks; S3 refuses requests of one that is 15 minutes wrong.
            _ => 900_000,
        };
        if target.modified_ms.saturating_add(tolerance) < source.modified_ms {
            return Ok(false);
        }
        if !source.etag.is_empty() && source.etag == target.etag {
            return Ok(true);
        }
        let (one, other) = (side(&one, &source.etag), side(&other, &target.etag));
        self.needed_aws()?
            .block_on(self.s3()?.same_content(one, other, source.size))
    }
}

fn side<'a>(place: &'a Place, etag: &'a str) -> Side<'a> {
    match place {
        Place::S3(key) => Side::Object(key, etag),
        Place::Local(path) => Side::File(path),
    }
}

fn jobs(from: &Location, to: &Location, entries: &[Renamed]) -> Result<Vec<Job>, String> {
    entries
        .iter()
        .map(|renamed| {
            Ok(Job {
                from: below(from, &renamed.entry.relative)?,
                to: below(to, &renamed.name)?,
                size: renamed.entry.size,
                etag: renamed.entry.etag.clone(),
            })
        })
        .collect()
}
