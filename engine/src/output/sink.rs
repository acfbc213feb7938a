//! Where the stored bytes of one part file go while it is open: a file below `_temporary/`, or a multipart upload.

use super::pressure::{Gate, lock};
use super::settings::{Spill, Spilled};
use crate::error::{Error, Result};
use crate::store::runtime::Task;
use crate::store::{Location, Store, Upload, local};
use bytes::Bytes;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The least size that S3 takes for a part that is not the last.
pub(super) const LEAST_PART: u64 = 5 << 20;
/// The size of a part doubles after so many, so that 10,000 parts hold the largest object there is.
const PARTS_OF_ONE_SIZE: usize = 1_000;
const MOST_PARTS: usize = 10_000;

/// An open part file.
pub(super) enum Sink {
    Local(LocalPart),
    Upload(Box<UploadPart>),
}

/// A part file whose bytes are all handed over.
pub(super) enum FinishedPlace {
    Local(PathBuf),
    Upload(FinishedUpload),
}

/// An upload whose last part is on its way.
pub(super) struct FinishedUpload {
    upload: Upload,
    parts: Vec<PartSlot>,
}

impl Sink {
    /// Appends stored bytes.
    pub(super) fn append(&mut self, slices: &[&[u8]]) -> Result<()> {
        match self {
            Self::Local(part) => part.append(slices),
            Self::Upload(part) => part.append(slices),
        }
    }

    pub(super) fn finish(self) -> Result<FinishedPlace> {
        Ok(match self {
            Self::Local(part) => FinishedPlace::Local(part.path),
            Self::Upload(part) => FinishedPlace::Upload(part.finish()?),
        })
    }

    /// Bytes that wait in memory.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Local(_) => 0,
            Self::Upload(part) => part.tail.capacity(),
        }
    }
}

/// A file that is opened for each block only, so that thousands of them do not meet the limit of open files.
pub(super) struct LocalPart {
    path: PathBuf,
    created: bool,
    /// Must exist when the file is made.
    base: Option<PathBuf>,
}

impl LocalPart {
    pub(super) fn new(path: PathBuf, base: Option<PathBuf>) -> Self {
        Self {
            path,
            created: false,
            base,
        }
    }

    fn append(&mut self, slices: &[&[u8]]) -> Result<()> {
        self.write(slices).map_err(|e| local::at(&self.path, e))
    }

    fn write(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        let mut file = if self.created {
            OpenOptions::new().append(true).open(&self.path)?
        } else {
            if self.base.as_ref().is_some_and(|base| !base.is_dir()) {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the job that this task belongs to has ended, or its output folder is not shared with this node",
                ));
            }
            fs::create_dir_all(self.path.parent().unwrap_or(Path::new("/")))?;
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&self.path)?
        };
        self.created = true;
        slices.iter().try_for_each(|slice| file.write_all(slice))
    }
}

/// What an upload needs of the job.
#[derive(Clone)]
pub(super) struct UploadSettings {
    pub(super) store: Store,
    pub(super) gate: Arc<Gate>,
    pub(super) spill: Option<Arc<dyn Spill>>,
    /// Every upload that was begun: what an abort has to end.
    pub(super) begun: Arc<Mutex<Vec<Upload>>>,
    /// Bytes of the first parts.
    pub(super) part_size: u64,
}

/// A multipart upload: bytes gather until they make a part, which is sent in the background.
pub(super) struct UploadPart {
    settings: UploadSettings,
    location: Location,
    upload: Option<Upload>,
    /// Earlier than `tail`.
    spilled: Vec<Box<dyn Spilled>>,
    spilled_bytes: u64,
    tail: Vec<u8>,
    parts: Vec<PartSlot>,
}

/// A part that was sent: its request, or its tag.
enum PartSlot {
    Running(Task<Result<String>>),
    Done(String),
}

impl PartSlot {
    fn wait(self) -> Result<String> {
        match self {
            Self::Running(task) => task.wait()?,
            Self::Done(tag) => Ok(tag),
        }
    }
}

impl UploadPart {
    pub(super) fn new(settings: UploadSettings, location: Location) -> Self {
        Self {
            settings,
            location,
            upload: None,
            spilled: Vec::new(),
            spilled_bytes: 0,
            tail: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn append(&mut self, slices: &[&[u8]]) -> Result<()> {
        for slice in slices {
            self.tail.extend_from_slice(slice);
        }
        let doublings = (self.parts.len() / PARTS_OF_ONE_SIZE).min(9);
        if self.waiting() >= self.settings.part_size << doublings {
            self.send()?;
        }
        Ok(())
    }

    /// Bytes that wait in memory or in the spill.
    pub(super) fn waiting(&self) -> u64 {
        self.spilled_bytes + self.tail.len() as u64
    }

    /// Frees the memory it holds without ending the file, if that can be done.
    pub(super) fn relieve(&mut self) -> Result<bool> {
        if self.waiting() >= LEAST_PART {
            self.send()?;
        } else if let Some(spill) = &self.settings.spill {
            self.spilled.push(spill.keep(&self.tail)?);
            self.spilled_bytes += self.tail.len() as u64;
            self.tail = Vec::new();
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn send(&mut self) -> Result<()> {
        self.look_for_failures()?;
        if self.parts.len() >= MOST_PARTS {
            return Err(Error::internal(format!(
                "{}: an upload has at most {MOST_PARTS} parts",
                self.location
            )));
        }
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let upload = self.settings.store.create_upload(&self.location)?;
                lock(&self.settings.begun).push(upload.clone());
                upload
            }
        };
        let upload = self.upload.insert(upload);
        let bytes = if self.spilled.is_empty() {
            std::mem::take(&mut self.tail)
        } else {
            let mut bytes = Vec::with_capacity(
                usize::try_from(self.spilled_bytes).unwrap_or(0) + self.tail.len(),
            );
            for block in self.spilled.drain(..) {
                bytes.extend_from_slice(&block.read()?);
            }
            bytes.append(&mut self.tail);
            self.tail = Vec::new();
            self.spilled_bytes = 0;
            bytes
        };
        let pass = self.settings.gate.enter(bytes.len() as u64);
        let task =
            self.settings
                .store
                .start_part(upload, self.parts.len(), Bytes::from(bytes), pass)?;
        self.parts.push(PartSlot::Running(task));
        Ok(())
    }

    /// Tells early that a part that was sent before did not arrive.
    fn look_for_failures(&mut self) -> Result<()> {
        for slot in &mut self.parts {
            if let PartSlot::Running(task) = slot
                && let Some(result) = task.poll()?
            {
                *slot = PartSlot::Done(result?);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FinishedUpload> {
        if self.waiting() > 0 || self.parts.is_empty() {
            self.send()?;
        }
        let upload = self
            .upload
            .take()
            .ok_or_else(|| Error::internal(format!("{}: no upload was begun", self.location)))?;
        Ok(FinishedUpload {
            upload,
            parts: std::mem::take(&mut self.parts),
        })
    }
}

impl FinishedUpload {
    /// Waits until all parts have arrived: the upload's id and the tags of its parts in order.
    pub(super) fn wait(self) -> Result<(String, Vec<String>)> {
        let tags: Result<Vec<String>> = self.parts.into_iter().map(PartSlot::wait).collect();
        Ok((self.upload.id, tags?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_full_disk_names_the_file() {
        if !Path::new("/dev/full").exists() {
            println!("SKIPPED: no /dev/full");
            return;
        }
        let mut part = LocalPart {
            path: PathBuf::from("/dev/full"),
            created: true,
            base: None,
        };
        let error = part.append(&[b"line\n"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.to_string().starts_with("/dev/full"), "{error}");
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        fs::write(&path, "other").unwrap();
        assert!(LocalPart::new(path.clone(), None).append(&[b"x"]).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }
}
