//! Objects as streams, for what cannot be copied as a whole: S3DistCp's concatenation and codecs.
//!
//! A reader reads exactly the object that was listed. A writer's object appears when it is finished and not before: in S3
//! by an upload in parts, on disks by a rename. Nothing rests on local disk between the two (invariant 4).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use engine::store::Location;
use md5::{Digest, Md5};

use super::content::{PIECE, Place};
use super::copy::{OpenUpload, etag_of_parts};
use super::key::Key;
use super::s3::{Carried, S3};
use super::{ObjectEntry, Objects, below};
use crate::aws::Aws;
use crate::transfer;

/// A content that is read from its begin to its end.
pub struct ObjectReader {
    source: Source,
}

enum Source {
    File(File),
    Object {
        aws: Aws,
        s3: Box<S3>,
        key: Key,
        etag: String,
        size: u64,
        next: u64,
        piece: Bytes,
    },
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::File(file) => file.read(out),
            Source::Object {
                aws,
                s3,
                key,
                etag,
                size,
                next,
                piece,
            } => {
                if piece.is_empty() && *next < *size {
                    let length = PIECE.min(*size - *next);
                    *piece = aws
                        .block_on(s3.range(key, etag, *next, length))
                        .map_err(io::Error::other)?;
                    *next += length;
                }
                let count = out.len().min(piece.len());
                out[..count].copy_from_slice(&piece.split_to(count));
                Ok(count)
            }
        }
    }
}

/// An object that is being written. Dropped without [`finish`](Self::finish), it never appears.
pub struct ObjectWriter {
    sink: Option<Sink>,
    bytes: u64,
}

enum Sink {
    File {
        file: File,
        partial: PathBuf,
        path: PathBuf,
    },
    Object {
        aws: Aws,
        s3: Box<S3>,
        key: Key,
        buffer: Vec<u8>,
        upload: Option<OpenUpload>,
        etags: Vec<String>,
        sums: Vec<[u8; 16]>,
    },
}

impl Objects {
    /// Reads an object of a folder, as it was listed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn reader(&self, folder: &Location, entry: &ObjectEntry) -> Result<ObjectReader, String> {
        let source = match below(folder, &entry.relative)? {
            Place::Local(path) => Source::File(
                File::open(&path).map_err(|error| transfer::named(&path, error).to_string())?,
            ),
            Place::S3(key) => Source::Object {
                aws: self.needed_aws()?.clone(),
                s3: Box::new(self.s3()?.clone()),
                key,
                etag: entry.etag.clone(),
                size: entry.size,
                next: 0,
                piece: Bytes::new(),
            },
        };
        Ok(ObjectReader { source })
    }

    /// Writes the object `name` of a folder, replacing what was there when it is finished.
    ///
    /// # Errors
    /// When it cannot be begun.
    pub fn writer(&self, folder: &Location, name: &str) -> Result<ObjectWriter, String> {
        let sink = match below(folder, name)? {
            Place::Local(path) => {
                let partial = transfer::partial_name(&path);
                let made = path.parent().map_or(Ok(()), fs::create_dir_all);
                let file = made
                    .and_then(|()| File::create(&partial))
                    .map_err(|error| transfer::named(&partial, error).to_string())?;
                Sink::File {
                    file,
                    partial,
                    path,
                }
            }
            Place::S3(key) => Sink::Object {
                aws: self.needed_aws()?.clone(),
                s3: Box::new(self.s3()?.clone()),
                key,
                buffer: Vec::new(),
                upload: None,
                etags: Vec::new(),
                sums: Vec::new(),
            },
        };
        Ok(ObjectWriter {
            sink: Some(sink),
            bytes: 0,
        })
    }
}

impl ObjectWriter {
    /// Makes the object appear; its bytes.
    ///
    /// # Errors
    /// When it could not be written; it then did not appear.
    pub fn finish(mut self) -> Result<u64, String> {
        let bytes = self.bytes;
        match self.sink.take() {
            None => Ok(bytes),
            Some(Sink::File {
                file,
                partial,
                path,
            }) => {
                let named = |error| transfer::named(&path, error).to_string();
                file.sync_all().map_err(named)?;
                fs::rename(&partial, &path).map_err(named)?;
                transfer::sync_parent(&path).map_err(|error| error.to_string())?;
                Ok(bytes)
            }
            Some(Sink::Object {
                aws,
                s3,
                key,
                buffer,
                upload: None,
                ..
            }) => {
                aws.block_on(s3.put(&key, Bytes::from(buffer), false))
                    .map_err(|refusal| refusal.text(&key.to_string(), "PutObject"))?;
                Ok(bytes)
            }
            Some(mut sink) => {
                let result = sink.send_part().and_then(|()| sink.complete(bytes));
                if result.is_err() {
                    sink.abort();
                }
                result.map(|()| bytes)
            }
        }
    }
}

impl Sink {
    /// Sends the buffer as a part, if it holds anything.
    fn send_part(&mut self) -> Result<(), String> {
        let Self::Object {
            aws,
            s3,
            key,
            buffer,
            upload,
            etags,
            sums,
        } = self
        else {
            return Ok(());
        };
        if buffer.is_empty() {
            return Ok(());
        }
        let open = match upload {
            Some(open) => open,
            None => upload.insert(aws.block_on(s3.open_upload(key, &Carried::default()))?),
        };
        let content = Bytes::from(std::mem::take(buffer));
        sums.push(Md5::digest(&content).into());
        let etag = aws.block_on(s3.put_part(key, &open.id, etags.len() as u64, content))?;
        etags.push(etag);
        Ok(())
    }

    fn complete(&mut self, bytes: u64) -> Result<(), String> {
        let Self::Object {
            aws,
            s3,
            upload: Some(upload),
            etags,
            sums,
            ..
        } = self
        else {
            return Ok(());
        };
        let expected = etag_of_parts(sums);
        aws.block_on(s3.complete(upload, std::mem::take(etags), bytes, Some(&expected)))
            .map(|_| ())
    }

    fn abort(&self) {
        match self {
            Self::File { partial, .. } => {
                let _ = fs::remove_file(partial);
            }
            Self::Object {
                aws,
                s3,
                key,
                upload: Some(upload),
                ..
            } => {
                let _ = aws.block_on(s3.abort_upload(key, &upload.id));
            }
            Self::Object { .. } => {}
        }
    }

    /// Bytes of the next part: the whole of an object of any size must fit into 10,000 parts.
    fn part(&self) -> usize {
        match self {
            Self::File { .. } => usize::MAX,
            Self::Object { s3, etags, .. } => {
                let growth = 1 << (etags.len() / 1000).min(8);
                usize::try_from(s3.tuning.upload_part.max(5 << 20) * growth).unwrap_or(usize::MAX)
            }
        }
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(sink) = &mut self.sink else {
            return Err(io::Error::other("the object is finished"));
        };
        let part = sink.part();
        let count = match sink {
            Sink::File { file, .. } => file.write(bytes)?,
            Sink::Object { buffer, .. } => {
                let count = bytes.len().min(part.saturating_sub(buffer.len()));
                buffer.extend_from_slice(&bytes[..count]);
                if buffer.len() >= part {
                    sink.send_part().map_err(io::Error::other)?;
                }
                count
            }
        };
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.abort();
        }
    }
}
