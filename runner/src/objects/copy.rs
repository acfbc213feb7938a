//! One verified copy inside S3, without the bytes passing through this machine: CopyObject up to the limit of S3 (5 GiB),
//! copies of parts above it (the reference's program could not move such objects by a simple copy: issue #1123).
//!
//! A copy is made of exactly the object that was listed (`x-amz-copy-source-if-match`), carries the encryption of the settings,
//! keeps metadata, and is verified before the caller deletes the source:
//! * equal ETags where both are MD5 sums (also of parts: parts are cut as the source's were);
//! * else equal checksums of the whole object, where source and copy have one of the same kind;
//! * else the size alone: with KMS keys ETags say nothing, and S3 itself checks what it copies.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::StreamExt;
use md5::{Digest, Md5};

use super::key::Key;
use super::s3::{Carried, Head, S3, bare, quoted};
use crate::aws::refusal::Refusal;

/// Most parts of an object in S3.
pub(super) const MOST_PARTS: u64 = 10_000;

/// Least bytes of a part but the last.
const LEAST_PART: u64 = 5 << 20;

/// Parts of one object that are copied at a time.
const PARTS_IN_FLIGHT: usize = 16;

/// By what a copy was compared with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    /// Equal ETags that are sums of the content.
    Etag,
    /// Equal checksums, or `Content-MD5` checked by the service.
    Checksum,
    /// Equal sizes; the service itself checks what it copies.
    Size,
    /// Every byte was compared, or the file was renamed.
    Content,
}

/// The ETag of an object that was uploaded in parts with these MD5 sums.
pub(super) fn etag_of_parts(sums: &[[u8; 16]]) -> String {
    let mut all = Md5::new();
    for sum in sums {
        all.update(sum);
    }
    format!("{}-{}", hex(&all.finalize()), sums.len())
}

/// In small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 sum that an ETag of one part is, if it can be one.
pub(super) fn md5_of(etag: &str) -> Option<[u8; 16]> {
    let digits = etag.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut sum = [0; 16];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(sum)
}

/// Parts of an ETag (`…-12`); `None` for an object of one part.
pub(super) fn parts_of(etag: &str) -> Option<u64> {
    etag.rsplit_once('-')
        .and_then(|(_, count)| count.parse().ok())
}

/// Bytes of a part, so that there are at most 10,000: whole MiB, and at least what was wished.
pub(super) fn part_size(size: u64, wished: u64) -> u64 {
    let needed = size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20);
    needed.max(wished).max(LEAST_PART)
}

/// An upload in parts that is not completed yet.
pub(super) struct OpenUpload {
    pub(super) key: Key,
    pub(super) id: String,
    /// The answer to its creation was lost once: there may be another one.
    maybe_another: bool,
}

impl S3 {
    /// Copies one object and verifies the copy.
    pub(crate) async fn copy(
        &self,
        from: &Key,
        to: &Key,
        size: u64,
        etag: &str,
    ) -> Result<Verified, String> {
        if size > self.tuning.copy_limit {
            return self.copy_in_parts(from, to, size, etag).await;
        }
        let (encryption, kms) = self.encryption();
        let output = self
            .calls
            .run("CopyObject", || async {
                let output = self
                    .client
                    .copy_object()
                    .bucket(&to.bucket)
                    .key(&to.key)
                    .copy_source(from.copy_source())
                    .set_copy_source_if_match(quoted(etag))
                    .set_server_side_encryption(encryption.clone())
                    .set_ssekms_key_id(kms.clone())
                    .send()
                    .await
                    .map_err(Refusal::new)?;
                if output.copy_object_result().is_none() {
                    return Err(Refusal::broken(
                        "the answer to a copy does not say what was made",
                    ));
                }
                Ok(output)
            })
            .await
            .map_err(|refusal| source_text(&refusal, from, to, "CopyObject"))?;
        self.confirm(to, output.server_side_encryption())?;
        let made = bare(
            output
                .copy_object_result()
                .and_then(|result| result.e_tag()),
        );
        if !made.is_empty() && made == etag {
            return Ok(Verified::Etag);
        }
        self.compare_heads(from, to, size, etag).await
    }

    /// Compares a copy with its source where the ETags alone do not do it.
    async fn compare_heads(
        &self,
        from: &Key,
        to: &Key,
        size: u64,
        etag: &str,
    ) -> Result<Verified, String> {
        let copy = self
            .head(to)
            .await?
            .ok_or_else(|| format!("{to}: was copied from {from}, but is not there"))?;
        let differs = |what: &str| {
            format!(
                "{to} is no good copy of {from} ({what}): the source was not deleted. Delete the copy, then resume the run"
            )
        };
        if copy.size != size {
            return Err(differs(&format!("{} bytes instead of {size}", copy.size)));
        }
        if copy.checksums.is_empty() && !copy.etag_is_md5 {
            return Ok(Verified::Size);
        }
        let source = self
            .head(from)
            .await?
            .ok_or_else(|| format!("{from}: another program took it while it was copied"))?;
        if source.etag != etag && !etag.is_empty() {
            return Err(format!(
                "{from}: changed while it was copied; nothing was deleted"
            ));
        }
        match same_head(&source, &copy) {
            Some(true) => Ok(if source.etag == copy.etag {
                Verified::Etag
            } else {
                Verified::Checksum
            }),
            Some(false) => Err(differs("another checksum")),
            None => Ok(Verified::Size),
        }
    }

    async fn copy_in_parts(
        &self,
        from: &Key,
        to: &Key,
        size: u64,
        etag: &str,
    ) -> Result<Verified, String> {
        let source = self
            .head(from)
            .await?
            .ok_or_else(|| format!("{from}: another program took it before it was copied"))?;
        if source.size != size || (!etag.is_empty() && source.etag != etag) {
            return Err(format!(
                "{from}: changed since it was listed; nothing was deleted"
            ));
        }
        // Cut as the source was cut, so that the ETags can be compared.
        let mut part = part_size(size, self.tuning.copy_part);
        if let Some(parts) = parts_of(&source.etag)
            && let Some(first) = self.first_part(from).await
            && (LEAST_PART..=self.tuning.copy_limit).contains(&first)
            && size.div_ceil(first) == parts
        {
            part = first;
        }
        let upload = self.open_upload(to, &source.carried).await?;
        let copied = self
            .copy_parts(from, &upload, size, part, &source.etag)
            .await;
        let made = match copied {
            Ok(parts) => {
                let sums = parts
                    .iter()
                    .map(|etag| md5_of(etag))
                    .collect::<Option<Vec<_>>>();
                let expected = sums.map(|sums| etag_of_parts(&sums));
                self.complete(&upload, parts, size, expected.as_deref())
                    .await
            }
            Err(error) => Err(error),
        };
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                // The first error is the one to tell; a later attempt ends the upload too.
                let _ = self.abort_upload(to, &upload.id).await;
                return Err(error);
            }
        };
        if made == source.etag {
            return Ok(Verified::Etag);
        }
        self.compare_heads(from, to, size, etag).await
    }

    async fn copy_parts(
        &self,
        from: &Key,
        upload: &OpenUpload,
        size: u64,
        part: u64,
        etag: &str,
    ) -> Result<Vec<String>, String> {
        let source = from.copy_source();
        let copies = (0..size.div_ceil(part)).map(|index| {
            let (start, end) = (index * part, ((index + 1) * part).min(size) - 1);
            let source = &source;
            async move {
                let number =
                    i32::try_from(index + 1).map_err(|_| format!("{from}: too many parts"))?;
                self.calls
                    .run("UploadPartCopy", || async {
                        let output = self
                            .client
                            .upload_part_copy()
                            .bucket(&upload.key.bucket)
                            .key(&upload.key.key)
                            .upload_id(&upload.id)
                            .part_number(number)
                            .copy_source(source)
                            .copy_source_range(format!("bytes={start}-{end}"))
                            .set_copy_source_if_match(quoted(etag))
                            .send()
                            .await
                            .map_err(Refusal::new)?;
                        let made = bare(output.copy_part_result().and_then(|part| part.e_tag()));
                        if made.is_empty() {
                            return Err(Refusal::broken(
                                "the answer to a copy does not say what was made",
                            ));
                        }
                        Ok(made)
                    })
                    .await
                    .map_err(|refusal| source_text(&refusal, from, &upload.key, "UploadPartCopy"))
            }
        });
        let mut parts = Vec::new();
        let mut running = futures::stream::iter(copies).buffered(PARTS_IN_FLIGHT);
        while let Some(made) = running.next().await {
            parts.push(made?);
        }
        Ok(parts)
    }

    /// As [`abort_dead_uploads`](S3::abort_dead_uploads); what is left costs storage and does no harm: no reason to end a run.
    async fn end_dead_uploads(&self, to: &Key) {
        match self.abort_dead_uploads(to).await {
            Ok(0) => {}
            Ok(count) => tracing::info!("{to}: {count} uploads of dead attempts were ended"),
            Err(error) => tracing::warn!("uploads of dead attempts are not ended: {error}"),
        }
    }

    /// Opens an upload in parts, after those of dead attempts were ended.
    pub(super) async fn open_upload(
        &self,
        to: &Key,
        carried: &Carried,
    ) -> Result<OpenUpload, String> {
        self.end_dead_uploads(to).await;
        let (encryption, kms) = self.encryption();
        let (output, tries) = self
            .calls
            .counted("CreateMultipartUpload", || async {
                self.client
                    .create_multipart_upload()
                    .bucket(&to.bucket)
                    .key(&to.key)
                    .set_server_side_encryption(encryption.clone())
                    .set_ssekms_key_id(kms.clone())
                    .set_content_type(carried.content_type.clone())
                    .set_content_encoding(carried.content_encoding.clone())
                    .set_content_language(carried.content_language.clone())
                    .set_content_disposition(carried.content_disposition.clone())
                    .set_cache_control(carried.cache_control.clone())
                    .set_metadata(carried.metadata.clone().filter(|map| !map.is_empty()))
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| refusal.text(&to.to_string(), "CreateMultipartUpload"))?;
        let upload = OpenUpload {
            key: to.clone(),
            id: output.upload_id().unwrap_or_default().to_owned(),
            maybe_another: tries > 1,
        };
        if let Err(error) = self.confirm(to, output.server_side_encryption()) {
            let _ = self.abort_upload(to, &upload.id).await;
            return Err(error);
        }
        Ok(upload)
    }

    /// Turns an upload into its object and returns its ETag. `expected`: the ETag that the parts make, where ETags are MD5
    /// sums.
    pub(super) async fn complete(
        &self,
        upload: &OpenUpload,
        parts: Vec<String>,
        size: u64,
        expected: Option<&str>,
    ) -> Result<String, String> {
        let to = &upload.key;
        let parts = parts
            .into_iter()
            .zip(1..)
            .map(|(etag, number)| {
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(quoted(&etag))
                    .build()
            })
            .collect();
        let completed = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let result = self
            .calls
            .run("CompleteMultipartUpload", || async {
                self.client
                    .complete_multipart_upload()
                    .bucket(&to.bucket)
                    .key(&to.key)
                    .upload_id(&upload.id)
                    .multipart_upload(completed.clone())
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await;
        let etag = match result {
            Ok(output) => bare(output.e_tag()),
            // The answer to an earlier try was lost: the object tells whether it took effect.
            Err(refusal) if refusal.is_no_upload() && refusal.tries > 1 => {
                match self.head(to).await? {
                    Some(head)
                        if head.size == size
                            && (!self.writes_md5_etags()
                                || expected.is_none_or(|tag| tag == head.etag)) =>
                    {
                        head.etag
                    }
                    _ => return Err(refusal.text(&to.to_string(), "CompleteMultipartUpload")),
                }
            }
            Err(refusal) => return Err(refusal.text(&to.to_string(), "CompleteMultipartUpload")),
        };
        if upload.maybe_another {
            self.end_dead_uploads(to).await;
        }
        Ok(etag)
    }
}

/// Whether two objects have the same content; `None` where nothing that they tell can be compared.
pub(super) fn same_head(one: &Head, other: &Head) -> Option<bool> {
    if one.size != other.size {
        return Some(false);
    }
    if !one.etag.is_empty() && one.etag == other.etag {
        return Some(true);
    }
    for (name, sum) in &one.checksums {
        if let Some((_, there)) = other.checksums.iter().find(|(there, _)| there == name) {
            return Some(sum == there);
        }
    }
    // Two MD5 sums of whole contents that differ; sums of parts depend on how they were cut.
    let md5 = |head: &Head| head.etag_is_md5 && md5_of(&head.etag).is_some();
    (md5(one) && md5(other)).then_some(false)
}

fn source_text(refusal: &Refusal, from: &Key, to: &Key, operation: &str) -> String {
    if refusal.is_precondition() || refusal.is_absent() {
        return format!(
            "{from}: another program changed or took it since it was listed; nothing was deleted. Resume the run"
        );
    }
    refusal.text(&format!("{from} -> {to}"), operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_of_parts() {
        let sums: Vec<[u8; 16]> = [b"one".as_slice(), b"two"]
            .iter()
            .map(|part| Md5::digest(part).into())
            .collect();
        let etag = etag_of_parts(&sums);
        assert!(etag.ends_with("-2") && etag.len() == 34, "{etag}");
        assert_eq!(parts_of(&etag), Some(2));
        assert_eq!(parts_of("d41d8cd98f00b204e9800998ecf8427e"), None);
        assert_eq!(md5_of(&hex(&sums[0])), Some(sums[0]));
        for no in ["", "x", &etag, "zz1d8cd98f00b204e9800998ecf8427e"] {
            assert_eq!(md5_of(no), None, "{no}");
        }
    }

    #[test]
    fn sizes_of_parts() {
        const MIB: u64 = 1 << 20;
        for (size, wished, expected) in [
            (1, 512 * MIB, 512 * MIB),
            (6 << 30, 512 * MIB, 512 * MIB),
            (5 << 40, 512 * MIB, 525 * MIB),
            (1, 1, 5 * MIB),
        ] {
            let part = part_size(size, wished);
            assert_eq!(part, expected);
            assert!(size.div_ceil(part) <= MOST_PARTS);
        }
    }

    #[test]
    fn what_heads_tell() {
        let head = |size, etag: &str, md5, sums: &[(&'static str, &str)]| Head {
            size,
            etag: etag.into(),
            etag_is_md5: md5,
            checksums: sums.iter().map(|(n, s)| (*n, (*s).to_owned())).collect(),
            carried: Carried::default(),
        };
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        for (one, other, expected) in [
            (head(1, &a, true, &[]), head(1, &a, true, &[]), Some(true)),
            (head(1, &a, true, &[]), head(2, &a, true, &[]), Some(false)),
            (head(1, &a, true, &[]), head(1, &b, true, &[]), Some(false)),
            // KMS: ETags say nothing
            (head(1, &a, true, &[]), head(1, &b, false, &[]), None),
            (head(1, "x-2", true, &[]), head(1, &b, true, &[]), None),
            (
                head(1, "x-2", true, &[("CRC32", "1")]),
                head(1, &b, true, &[("SHA1", "2"), ("CRC32", "1")]),
                Some(true),
            ),
            (
                head(1, &a, false, &[("CRC32", "1")]),
                head(1, &b, false, &[("CRC32", "2")]),
                Some(false),
            ),
        ] {
            assert_eq!(same_head(&one, &other), expected, "{one:?} {other:?}");
        }
    }
}
