//! The writer of one folder: takes whole lines from many threads and makes part files of them.
//!
//! Lines gather to a block; the thread that fills it compresses it outside all locks and appends it. Within a file a block is
//! never torn, so a line never is. The order of lines follows the threads and means nothing.

use super::gzip::{self, Checksum};
use super::pressure::{Pressure, lock};
use super::settings::{Compression, Ending};
use super::sink::{FinishedPlace, LocalPart, Sink, UploadPart, UploadSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Where the part files of a folder are while they are written.
pub(super) enum Destination {
    /// A folder below `_temporary/<attempt>/`.
    Local {
        folder: PathBuf,
        /// It is made only while this one exists.
        base: Option<PathBuf>,
    },
    /// Uploads to this folder.
    Upload(Location, UploadSettings),
}

/// A part file that takes no more bytes.
pub(super) struct FinishedPart {
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) place: FinishedPlace,
}

/// Writes the part files of one folder. Shared by all threads.
pub struct PartWriter {
    pressure: Arc<Pressure>,
    root: usize,
    folder: String,
    ending: Ending,
    compression: Compression,
    target_size: u64,
    uuid: String,
    destination: Destination,
    gathering: Mutex<Gathering>,
    /// Signalled when a block that was taken is written.
    settled: Condvar,
    pending_bytes: AtomicUsize,
    files: Mutex<Files>,
    tail_bytes: AtomicUsize,
}

/// Lines that wait to become a block.
#[derive(Default)]
struct Gathering {
    buffer: Vec<u8>,
    rows: u64,
    /// Blocks that were taken out and are not written yet.
    taken: usize,
    closed: bool,
}

/// The files that were written so far.
#[derive(Default)]
struct Files {
    open: Option<OpenPart>,
    count: usize,
    finished: Vec<FinishedPart>,
}

/// The file that takes the next block.
struct OpenPart {
    name: String,
    sink: Sink,
    rows: u64,
    bytes: u64,
    checksum: Option<Checksum>,
}

/// A block on its way from the buffer to the file. Dropping it unwritten fails the job.
struct Taken<'a> {
    writer: &'a PartWriter,
    buffer: Vec<u8>,
    rows: u64,
    written: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.written {
            let writer = self.writer;
            writer.pressure.fail(ErrorKind::Internal, || {
                format!("a block for {} was not written", writer.label())
            });
        }
        lock(&self.writer.gathering).taken -= 1;
        self.writer.settled.notify_all();
    }
}

impl std::fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartWriter({})", self.label())
    }
}

/// What tells one writer from another.
pub(super) struct PartPlace {
    pub(super) root: usize,
    pub(super) folder: String,
    pub(super) ending: Ending,
    pub(super) compression: Compression,
    pub(super) target_size: u64,
    pub(super) uuid: String,
}

impl PartWriter {
    pub(super) fn new(pressure: Arc<Pressure>, place: PartPlace, destination: Destination) -> Self {
        Self {
            pressure,
            root: place.root,
            folder: place.folder,
            ending: place.ending,
            compression: place.compression,
            target_size: place.target_size,
            uuid: place.uuid,
            destination,
            gathering: Mutex::default(),
            settled: Condvar::new(),
            pending_bytes: AtomicUsize::new(0),
            files: Mutex::default(),
            tail_bytes: AtomicUsize::new(0),
        }
    }

    /// The root's index.
    pub fn root(&self) -> usize {
        self.root
    }

    /// The folder below the root; empty for the root itself.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// How its files' names end.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Appends `rows` whole lines, each with its LF. Takes two locks for a moment, so callers hand over many lines at once.
    ///
    /// # Errors
    /// When the output cannot be written (`Full`: the disk is), or was given up before. The job cannot go on then.
    pub fn append(&self, lines: &[u8], rows: u64) -> Result<()> {
        debug_assert!(
            lines.is_empty() || lines.ends_with(b"\n"),
            "a line without its end"
        );
        if lines.is_empty() {
            return Ok(());
        }
        self.pressure.check()?;
        let taken = {
            let mut gathering = lock(&self.gathering);
            self.check_open(&gathering)?;
            if gathering.buffer.len() + lines.len() < self.pressure.limits.block {
                let before = gathering.buffer.capacity();
                gathering.buffer.extend_from_slice(lines);
                gathering.rows += rows;
                self.note_pending(before, gathering.buffer.capacity());
                None
            } else {
                Some(self.take(&mut gathering))
            }
        };
        if let Some(taken) = taken {
            self.write_taken(taken, lines, rows)?;
        }
        self.pressure.relieve()
    }

    fn check_open(&self, gathering: &Gathering) -> Result<()> {
        if gathering.closed {
            return Err(Error::internal(format!(
                "{}: the output is closed",
                self.label()
            )));
        }
        Ok(())
    }

    fn take(&self, gathering: &mut Gathering) -> Taken<'_> {
        let buffer = std::mem::take(&mut gathering.buffer);
        self.note_pending(buffer.capacity(), 0);
        gathering.taken += 1;
        Taken {
            writer: self,
            buffer,
            rows: std::mem::take(&mut gathering.rows),
            written: false,
        }
    }

    fn note_pending(&self, before: usize, after: usize) {
        self.pending_bytes.store(after, Ordering::Relaxed);
        self.pressure.pending_changed(before, after);
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn tail_bytes(&self) -> usize {
        self.tail_bytes.load(Ordering::Relaxed)
    }

    /// Writes what gathered so far as a block.
    pub(super) fn write_pending(&self) -> Result<()> {
        let taken = {
            let mut gathering = lock(&self.gathering);
            if gathering.buffer.is_empty() {
                return Ok(());
            }
            self.take(&mut gathering)
        };
        self.write_taken(taken, &[], 0)
    }

    fn write_taken(&self, mut taken: Taken<'_>, more: &[u8], more_rows: u64) -> Result<()> {
        let slices: [&[u8]; 2] = [&taken.buffer, more];
        let rows = taken.rows + more_rows;
        let result = match self.compression {
            Compression::None => self.write_block(&slices, None, rows),
            Compression::Gzip(level) => gzip::with_block(level, &slices, |block, checksum| {
                self.write_block(&[block], Some(checksum), rows)
            }),
        };
        if let Err(error) = &result {
            self.pressure.fail(error.kind(), || error.to_string());
        }
        taken.written = result.is_ok();
        result
    }

    fn write_block(&self, slices: &[&[u8]], checksum: Option<&Checksum>, rows: u64) -> Result<()> {
        let mut files = lock(&self.files);
        if files.open.is_none() {
            files.open = Some(self.open_part(files.count));
            files.count += 1;
        }
        let Some(part) = &mut files.open else {
            return Err(Error::internal("no part file is open"));
        };
        let head: &[u8] = if part.bytes == 0 && checksum.is_some() {
            &gzip::HEADER
        } else {
            &[]
        };
        let mut all: Vec<&[u8]> = Vec::with_capacity(slices.len() + 1);
        all.push(head);
        all.extend_from_slice(slices);
        let result = part.sink.append(&all);
        part.rows += rows;
        part.bytes += all.iter().map(|slice| slice.len() as u64).sum::<u64>();
        if let (Some(whole), Some(block)) = (&mut part.checksum, checksum) {
            whole.combine(block);
        }
        let full = part.bytes >= self.target_size;
        let result = result.and_then(|()| {
            if full {
                finish_part(&mut files)
            } else {
                Ok(())
            }
        });
        self.note_tail(&files);
        result
    }

    fn open_part(&self, number: usize) -> OpenPart {
        let name = format!(
            "part-{number:05}-{}{}",
            self.uuid,
            self.ending.text(self.compression)
        );
        let sink = match &self.destination {
            Destination::Local { folder, base } => {
                Sink::Local(LocalPart::new(folder.join(&name), base.clone()))
            }
            Destination::Upload(folder, settings) => Sink::Upload(Box::new(UploadPart::new(
                settings.clone(),
                folder.join(&name),
            ))),
        };
        OpenPart {
            name,
            sink,
            rows: 0,
            bytes: 0,
            checksum: matches!(self.compression, Compression::Gzip(_)).then(Checksum::default),
        }
    }

    fn note_tail(&self, files: &Files) {
        let now = files.open.as_ref().map_or(0, |part| part.sink.held());
        let before = self.tail_bytes.swap(now, Ordering::Relaxed);
        self.pressure.tails_changed(before, now);
    }

    /// Frees the stored bytes it holds: sends them, spills them, or, if neither can be done, ends the file.
    pub(super) fn relieve_tail(&self) -> Result<()> {
        let mut files = lock(&self.files);
        let result = match &mut files.open {
            Some(OpenPart {
                sink: Sink::Upload(part),
                ..
            }) => part.relieve().and_then(|done| {
                if done {
                    Ok(())
                } else {
                    finish_part(&mut files)
                }
            }),
            _ => Ok(()),
        };
        self.note_tail(&files);
        if let Err(error) = &result {
            self.pressure.fail(error.kind(), || error.to_string());
        }
        result
    }

    /// Takes no more lines, waits for the blocks under way, and hands out its files.
    pub(super) fn seal(&self) -> Result<Vec<FinishedPart>> {
        self.close();
        self.write_pending()?;
        let mut files = lock(&self.files);
        let result = finish_part(&mut files);
        self.note_tail(&files);
        result?;
        Ok(std::mem::take(&mut files.finished))
    }

    fn close(&self) {
        let mut gathering = lock(&self.gathering);
        gathering.closed = true;
        while gathering.taken > 0 {
            gathering = self
                .settled
                .wait(gathering)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more lines and forgets those it has; requests under way are cancelled.
    pub(super) fn give_up(&self) {
        self.close();
        {
            let mut gathering = lock(&self.gathering);
            let before = gathering.buffer.capacity();
            gathering.buffer = Vec::new();
            self.note_pending(before, 0);
        }
        let mut files = lock(&self.files);
        files.open = None;
        files.finished.clear();
        self.note_tail(&files);
    }

    /// For messages.
    fn label(&self) -> String {
        format!("folder `{}` of output {}", self.folder, self.root)
    }
}

/// Closes the open file, if there is one.
fn finish_part(files: &mut Files) -> Result<()> {
    let Some(mut part) = files.open.take() else {
        return Ok(());
    };
    if let Some(checksum) = &part.checksum {
        let trailer = checksum.trailer();
        part.bytes += trailer.len() as u64;
        part.sink.append(&[&trailer])?;
    }
    files.finished.push(FinishedPart {
        name: part.name,
        rows: part.rows,
        bytes: part.bytes,
        place: part.sink.finish()?,
    });
    Ok(())
}
