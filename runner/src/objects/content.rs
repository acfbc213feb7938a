//! Contents of objects and files in pieces: comparison byte by byte, uploads and downloads, verified by MD5.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::StreamExt;
use md5::{Digest, Md5};

use super::copy::{Verified, etag_of_parts, hex, md5_of, part_size, parts_of};
use super::key::Key;
use super::s3::{Carried, S3, bare, content_md5};
use crate::aws::refusal::Refusal;
use crate::transfer;

/// Bytes of one read of a content.
pub(super) const PIECE: u64 = 8 << 20;

/// Pieces of one object in memory at a time.
const PIECES_IN_FLIGHT: usize = 4;

/// A content to compare.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side<'a> {
    /// An object and its ETag.
    Object(&'a Key, &'a str),
    /// A file.
    File(&'a Path),
}

impl S3 {
    async fn piece(&self, side: Side<'_>, start: u64, length: u64) -> Result<Bytes, String> {
        match side {
            Side::Object(key, etag) => self.range(key, etag, start, length).await,
            Side::File(path) => read_piece(path, start, length),
        }
    }

    /// Whether two contents of `size` bytes are the same, byte by byte.
    pub(super) async fn same_content(
        &self,
        one: Side<'_>,
        other: Side<'_>,
        size: u64,
    ) -> Result<bool, String> {
        let mut start = 0;
        while start < size {
            let length = PIECE.min(size - start);
            let (a, b) = futures::join!(
                self.piece(one, start, length),
                self.piece(other, start, length)
            );
            if a? != b? {
                return Ok(false);
            }
            start += length;
        }
        Ok(true)
    }

    /// Brings an object to a file that does not exist yet: under a partial name, verified, durable, then renamed.
    pub(super) async fn download(
        &self,
        from: &Key,
        size: u64,
        etag: &str,
        to: &Path,
    ) -> Result<Verified, String> {
        let head = self
            .head(from)
            .await?
            .ok_or_else(|| format!("{from}: another program took it before it was copied"))?;
        if head.size != size || (!etag.is_empty() && head.etag != etag) {
            return Err(format!(
                "{from}: changed since it was listed; nothing was deleted"
            ));
        }
        let part = match parts_of(&head.etag) {
            Some(parts) => self
                .first_part(from)
                .await
                .filter(|&first| size.div_ceil(first) == parts),
            None => None,
        };
        let partial = transfer::partial_name(to);
        let named = |error: std::io::Error| transfer::named(&partial, error).to_string();
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(|e| transfer::named(parent, e).to_string())?;
        }
        let mut file = File::create(&partial).map_err(named)?;
        let mut sums = EtagSums::new(part);
        let ranges = (0..size.div_ceil(PIECE)).map(|index| {
            let start = index * PIECE;
            let etag = &head.etag;
            async move { self.range(from, etag, start, PIECE.min(size - start)).await }
        });
        let mut pieces = futures::stream::iter(ranges).buffered(PIECES_IN_FLIGHT);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            sums.update(&piece);
            file.write_all(&piece).map_err(named)?;
        }
        file.sync_all().map_err(named)?;
        drop(file);
        let on_disk = fs::metadata(&partial).map_err(named)?.len();
        let (whole, in_parts) = sums.finish();
        let comparable = head.etag_is_md5
            && (md5_of(&head.etag).is_some() || (part.is_some() && in_parts.is_some()));
        let sum = if parts_of(&head.etag).is_some() {
            in_parts.as_deref()
        } else {
            Some(whole.as_str())
        };
        if on_disk != size || (comparable && sum != Some(head.etag.as_str())) {
            return Err(format!(
                "{}: the copy of {from} differs from it; the source was not deleted",
                partial.display()
            ));
        }
        fs::rename(&partial, to).map_err(named)?;
        transfer::sync_parent(to).map_err(|error| error.to_string())?;
        Ok(if comparable {
            Verified::Etag
        } else {
            Verified::Size
        })
    }

    /// Brings a file to an object that does not exist yet, and verifies it.
    pub(super) async fn upload(
        &self,
        from: &Path,
        size: u64,
        to: &Key,
    ) -> Result<Verified, String> {
        let before = stamp(from)?;
        if before.0 != size {
            return Err(changed(from));
        }
        let verified = if size <= self.tuning.upload_part * 2 {
            let content = read_piece(from, 0, size)?;
            let sum = hex(&Md5::digest(&content));
            let etag = self
                .put(to, content, false)
                .await
                .map_err(|refusal| refusal.text(&to.to_string(), "PutObject"))?;
            // `Content-MD5` went with it: the service refuses what arrives damaged.
            if etag.as_deref() == Some(sum.as_str()) {
                Verified::Etag
            } else {
                Verified::Checksum
            }
        } else {
            self.upload_in_parts(from, size, to).await?
        };
        if stamp(from)? != before {
            return Err(changed(from));
        }
        Ok(verified)
    }

    async fn upload_in_parts(&self, from: &Path, size: u64, to: &Key) -> Result<Verified, String> {
        let part = part_size(size, self.tuning.upload_part);
        let upload = self.open_upload(to, &Carried::default()).await?;
        let result = async {
            let (mut etags, mut sums) = (Vec::new(), Vec::new());
            let parts = (0..size.div_ceil(part)).map(|index| {
                let upload = &upload;
                async move {
                    let content = read_piece(from, index * part, part.min(size - index * part))?;
                    let sum: [u8; 16] = Md5::digest(&content).into();
                    let etag = self.put_part(to, &upload.id, index, content).await?;
                    Ok::<_, String>((etag, sum))
                }
            });
            let mut running = futures::stream::iter(parts).buffered(PIECES_IN_FLIGHT);
            while let Some(done) = running.next().await {
                let (etag, sum) = done?;
                etags.push(etag);
                sums.push(sum);
            }
            let expected = etag_of_parts(&sums);
            let made = self.complete(&upload, etags, size, Some(&expected)).await?;
            Ok::<_, String>(if made == expected {
                Verified::Etag
            } else {
                Verified::Checksum
            })
        }
        .await;
        match result {
            Ok(verified) => match self.head(to).await? {
                Some(head) if head.size == size => Ok(verified),
                _ => Err(format!(
                    "{to}: was written, but does not have {size} bytes; {} was not deleted",
                    from.display()
                )),
            },
            Err(error) => {
                let _ = self.abort_upload(to, &upload.id).await;
                Err(error)
            }
        }
    }

    /// Sends part `index` (from 0) of an upload; its ETag.
    pub(super) async fn put_part(
        &self,
        to: &Key,
        upload: &str,
        index: u64,
        content: Bytes,
    ) -> Result<String, String> {
        let number = i32::try_from(index + 1).map_err(|_| format!("{to}: too many parts"))?;
        let md5 = content_md5(&content);
        let output = self
            .calls
            .run("UploadPart", || async {
                self.client
                    .upload_part()
                    .bucket(&to.bucket)
                    .key(&to.key)
                    .upload_id(upload)
                    .part_number(number)
                    .content_md5(&md5)
                    .body(ByteStream::from(content.clone()))
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| refusal.text(&to.to_string(), "UploadPart"))?;
        Ok(bare(output.e_tag()))
    }
}

/// MD5 sums of a content: of the whole, and of its parts.
struct EtagSums {
    whole: Md5,
    part: Option<u64>,
    current: Md5,
    room: u64,
    done: Vec<[u8; 16]>,
}

impl EtagSums {
    fn new(part: Option<u64>) -> Self {
        Self {
            whole: Md5::new(),
            part,
            current: Md5::new(),
            room: part.unwrap_or_default(),
            done: Vec::new(),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        let Some(part) = self.part else {
            self.whole.update(bytes);
            return;
        };
        while !bytes.is_empty() {
            let take = usize::try_from(self.room)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let (now, later) = bytes.split_at(take);
            self.current.update(now);
            self.room -= take as u64;
            if self.room == 0 {
                self.done
                    .push(std::mem::take(&mut self.current).finalize().into());
                self.room = part;
            }
            bytes = later;
        }
    }

    /// The ETag of the content as one part, and as parts.
    fn finish(mut self) -> (String, Option<String>) {
        let parts = self.part.map(|part| {
            if self.room < part {
                self.done.push(self.current.finalize().into());
            }
            etag_of_parts(&self.done)
        });
        (hex(&self.whole.finalize()), parts)
    }
}

/// Length and time of the last change of a file.
fn stamp(path: &Path) -> Result<(u64, Option<std::time::SystemTime>), String> {
    let metadata = fs::metadata(path).map_err(|e| transfer::named(path, e).to_string())?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn changed(path: &Path) -> String {
    format!(
        "{}: changed while it was copied; it was not deleted",
        path.display()
    )
}

fn read_piece(path: &Path, start: u64, length: u64) -> Result<Bytes, String> {
    let named = |error: std::io::Error| transfer::named(path, error).to_string();
    let size = usize::try_from(length).map_err(|_| format!("{}: too large", path.display()))?;
    let mut bytes = vec![0; size];
    File::open(path)
        .and_then(|file| file.read_exact_at(&mut bytes, start))
        .map_err(named)?;
    Ok(Bytes::from(bytes))
}

/// A place of an object, on S3 or on a local disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In S3.
    S3(Key),
    /// A file.
    Local(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::S3(key) => write!(f, "{key}"),
            Self::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_do_not_depend_on_pieces() {
        let content: Vec<u8> = (0..1000_u32).map(|n| (n % 251) as u8).collect();
        for (part, piece) in [
            (300, 7),
            (300, 1000),
            (500, 500),
            (1000, 3),
            (2000, 64),
            (1, 10),
        ] {
            let mut sums = EtagSums::new(Some(part as u64));
            for piece in content.chunks(piece) {
                sums.update(piece);
            }
            let expected: Vec<[u8; 16]> = content
                .chunks(part)
                .map(|part| Md5::digest(part).into())
                .collect();
            assert_eq!(
                sums.finish().1,
                Some(etag_of_parts(&expected)),
                "{part} {piece}"
            );
        }
        let mut sums = EtagSums::new(None);
        sums.update(&content[..10]);
        sums.update(&content[10..]);
        assert_eq!(sums.finish(), (hex(&Md5::digest(&content)), None));
    }
}
