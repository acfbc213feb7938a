//! Requests to S3, one function each: encryption on every write, retries and pace by [`Calls`], errors as texts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, EncodingType, ServerSideEncryption};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use engine::store::Encryption;
use md5::{Digest, Md5};

use super::key::{Key, decode};
use crate::aws::calls::Calls;
use crate::aws::refusal::Refusal;
use crate::aws::{Aws, Tuning};

/// S3 as the runner uses it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct S3 {
    pub(super) client: Client,
    pub(super) calls: Arc<Calls>,
    pub(super) encryption: Encryption,
    pub(super) tuning: Arc<Tuning>,
    /// The service is not AWS by its own name: what it may not know is tried with care.
    pub(super) other_service: bool,
    /// Whether the service deletes under the condition that the ETag is still the same.
    pub(super) deletes_by_etag: Arc<AtomicBool>,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").finish_non_exhaustive()
    }
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The whole key.
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    /// ETag without quotes.
    pub(crate) etag: String,
    /// Last change, milliseconds since the epoch.
    pub(crate) modified_ms: i64,
}

/// A page of a listing.
#[derive(Debug)]
pub(crate) struct Page {
    /// In byte order of their keys.
    pub(crate) objects: Vec<Listed>,
    /// Continuation token of the next page.
    pub(crate) next: Option<String>,
}

/// An object as a HEAD tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// Bytes.
    pub(crate) size: u64,
    /// ETag without quotes.
    pub(crate) etag: String,
    /// Checksums of the whole object, each with its algorithm.
    pub(crate) checksums: Vec<(&'static str, String)>,
    /// Whether the ETag tells about the content: not with keys of KMS or of the customer.
    pub(crate) etag_is_md5: bool,
    /// What a copy in parts has to carry over itself.
    pub(crate) carried: Carried,
}

/// Properties of an object that CopyObject keeps and a multipart upload does not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: Option<std::collections::HashMap<String, String>>,
}

/// The ETag without its quotes.
pub(crate) fn bare(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// The ETag as a condition.
pub(super) fn quoted(etag: &str) -> Option<String> {
    (!etag.is_empty()).then(|| format!("\"{etag}\""))
}

/// Base64 of the MD5, for `Content-MD5`.
pub(super) fn content_md5(bytes: &[u8]) -> String {
    BASE64.encode(Md5::digest(bytes))
}

/// Milliseconds since the epoch.
fn millis(time: Option<&aws_sdk_s3::primitives::DateTime>) -> i64 {
    time.and_then(|time| time.to_millis().ok())
        .unwrap_or_default()
}

fn unsigned(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok())
        .unwrap_or_default()
}

impl S3 {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self {
            client: aws.s3_once().clone(),
            calls: Arc::clone(aws.calls()),
            encryption: aws.settings().encryption.clone(),
            tuning: Arc::new(aws.settings().tuning.clone()),
            other_service: aws.settings().endpoint.is_some(),
            deletes_by_etag: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The value of `x-amz-server-side-encryption`, and the key's id.
    pub(super) fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            Encryption::None => (None, None),
            Encryption::SseS3 => (Some(ServerSideEncryption::Aes256), None),
            Encryption::SseKms(key) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
        }
    }

    /// Whether ETags of what is written are MD5 sums.
    pub(super) fn writes_md5_etags(&self) -> bool {
        !matches!(self.encryption, Encryption::SseKms(_))
    }

    /// The answer to a write must confirm the encryption that was asked for.
    pub(super) fn confirm(
        &self,
        to: &Key,
        answered: Option<&ServerSideEncryption>,
    ) -> Result<(), String> {
        match self.encryption() {
            (Some(wanted), _) if answered != Some(&wanted) => Err(format!(
                "{to}: written, but the store did not confirm the encryption {} (its answer: {}). Set \
                 aws.s3.buckets.encrypted: false only if the bucket may hold data that is not encrypted",
                wanted.as_str(),
                answered.map_or("none", ServerSideEncryption::as_str)
            )),
            _ => Ok(()),
        }
    }

    /// A page of the objects below `prefix`, folder markers included.
    pub(crate) async fn page(
        &self,
        prefix: &Key,
        start_after: Option<&str>,
        token: Option<&str>,
        most: i32,
    ) -> Result<Page, String> {
        let output = self
            .calls
            .run("ListObjectsV2", || async {
                let output = self
                    .client
                    .list_objects_v2()
                    .bucket(&prefix.bucket)
                    .prefix(&prefix.key)
                    .encoding_type(EncodingType::Url)
                    .max_keys(most)
                    .set_start_after(start_after.filter(|_| token.is_none()).map(Into::into))
                    .set_continuation_token(token.map(Into::into))
                    .send()
                    .await
                    .map_err(Refusal::new)?;
                if output.is_truncated() == Some(true)
                    && output
                        .next_continuation_token()
                        .is_none_or(|next| next.is_empty() || Some(next) == token)
                {
                    return Err(Refusal::broken("a page of a listing that has no next one"));
                }
                Ok(output)
            })
            .await
            .map_err(|refusal| refusal.text(&prefix.to_string(), "ListObjectsV2"))?;
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let mut objects = Vec::with_capacity(output.contents().len());
        for object in output.contents() {
            let key = object.key().unwrap_or_default();
            objects.push(Listed {
                key: if encoded {
                    decode(key).map_err(|error| format!("{prefix}: {error}"))?
                } else {
                    key.to_owned()
                },
                size: unsigned(object.size()),
                etag: bare(object.e_tag()),
                modified_ms: millis(object.last_modified()),
            });
        }
        Ok(Page {
            objects,
            next: output.next_continuation_token().map(ToOwned::to_owned),
        })
    }

    /// The object at `key`, if there is one.
    pub(crate) async fn head(&self, key: &Key) -> Result<Option<Head>, String> {
        let result = self
            .calls
            .run("HeadObject", || async {
                let mut request = self.client.head_object().bucket(&key.bucket).key(&key.key);
                if !self.tuning.checksums_when_required {
                    request = request.checksum_mode(ChecksumMode::Enabled);
                }
                request.send().await.map_err(Refusal::new)
            })
            .await;
        let output = match result {
            Ok(output) => output,
            Err(refusal) if refusal.is_absent() => return Ok(None),
            Err(refusal) => return Err(refusal.text(&key.to_string(), "HeadObject")),
        };
        let whole = output.checksum_type() != Some(&ChecksumType::Composite);
        let checksums = [
            ("CRC64NVME", output.checksum_crc64_nvme()),
            ("CRC32C", output.checksum_crc32_c()),
            ("CRC32", output.checksum_crc32()),
            ("SHA256", output.checksum_sha256()),
            ("SHA1", output.checksum_sha1()),
        ]
        .into_iter()
        // Sums of sums have `-` and the number of parts at their end.
        .filter_map(|(name, sum)| Some((name, sum.filter(|sum| whole && !sum.contains('-'))?)))
        .map(|(name, sum)| (name, sum.to_owned()))
        .collect();
        let plain = matches!(
            output.server_side_encryption(),
            None | Some(ServerSideEncryption::Aes256)
        );
        Ok(Some(Head {
            size: unsigned(output.content_length()),
            etag: bare(output.e_tag()),
            checksums,
            etag_is_md5: plain && output.sse_customer_algorithm().is_none(),
            carried: Carried {
                content_type: output.content_type,
                content_encoding: output.content_encoding,
                content_language: output.content_language,
                content_disposition: output.content_disposition,
                cache_control: output.cache_control,
                metadata: output.metadata,
            },
        }))
    }

    /// Bytes of the first part of an object that was uploaded in parts; `None` where the service does not tell.
    pub(crate) async fn first_part(&self, key: &Key) -> Option<u64> {
        let output = self
            .calls
            .run("HeadObject", || async {
                self.client
                    .head_object()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .part_number(1)
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .ok()?;
        Some(unsigned(output.content_length())).filter(|&bytes| bytes > 0)
    }

    /// The content of an object; `None` when there is none.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, String> {
        let result = self
            .calls
            .run("GetObject", || async {
                let output = self
                    .client
                    .get_object()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .send()
                    .await
                    .map_err(Refusal::new)?;
                let expected = unsigned(output.content_length());
                let body = collect(output.body).await?;
                if body.len() as u64 != expected {
                    return Err(Refusal::broken("the content broke off"));
                }
                Ok(body)
            })
            .await;
        match result {
            Ok(body) => Ok(Some(body)),
            Err(refusal) if refusal.is_absent() => Ok(None),
            Err(refusal) => Err(refusal.text(&key.to_string(), "GetObject")),
        }
    }

    /// `length` bytes of an object from `start` on, which must exist, of the object that has this ETag.
    pub(crate) async fn range(
        &self,
        key: &Key,
        etag: &str,
        start: u64,
        length: u64,
    ) -> Result<Bytes, String> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        self.calls
            .run("GetObject", || async {
                let output = self
                    .client
                    .get_object()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .range(format!("bytes={start}-{}", start + length - 1))
                    .set_if_match(quoted(etag))
                    .send()
                    .await
                    .map_err(Refusal::new)?;
                let body = collect(output.body).await?;
                if body.len() as u64 != length {
                    return Err(Refusal::broken("a range of the content broke off"));
                }
                Ok(Bytes::from(body))
            })
            .await
            .map_err(|refusal| {
                if refusal.is_precondition() || refusal.is_absent() {
                    format!("{key}: changed while it was read; nothing was deleted")
                } else {
                    refusal.text(&key.to_string(), "GetObject")
                }
            })
    }

    /// Writes an object by one request; its ETag. With `new`, only if there is none: `None` if there is one.
    pub(crate) async fn put(
        &self,
        key: &Key,
        content: Bytes,
        new: bool,
    ) -> Result<Option<String>, Refusal> {
        let (encryption, kms) = self.encryption();
        let md5 = content_md5(&content);
        let result = self
            .calls
            .run("PutObject", || async {
                self.client
                    .put_object()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .content_md5(&md5)
                    .set_server_side_encryption(encryption.clone())
                    .set_ssekms_key_id(kms.clone())
                    .set_if_none_match(new.then(|| "*".to_owned()))
                    .body(ByteStream::from(content.clone()))
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await;
        match result {
            Ok(output) => {
                self.confirm(key, output.server_side_encryption())
                    .map_err(|text| Refusal::ours("EncryptionNotConfirmed", text))?;
                Ok(Some(bare(output.e_tag())))
            }
            Err(refusal) if new && refusal.is_precondition() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Writes an object only if there is none; false when there is one. An object with exactly this content is taken for
    /// an earlier try of the same write whose answer was lost, if there was one.
    pub(crate) async fn create(&self, key: &Key, content: Bytes) -> Result<bool, String> {
        // A service that does not know the condition may ignore it: what is there already is seen before.
        if self.other_service && self.head(key).await?.is_some() {
            return Ok(false);
        }
        match self.put(key, content.clone(), true).await {
            Ok(Some(_)) => Ok(true),
            Ok(None) => Ok(self.get(key).await?.is_some_and(|there| there == content)),
            Err(refusal) if refusal.is_unsupported() => {
                if self.head(key).await?.is_some() {
                    return Ok(false);
                }
                self.put(key, content, false)
                    .await
                    .map(|_| true)
                    .map_err(|refusal| refusal.text(&key.to_string(), "PutObject"))
            }
            Err(refusal) => Err(refusal.text(&key.to_string(), "PutObject")),
        }
    }

    /// Ends the uploads to exactly this key. Whoever is about to write the key calls it first: the key belongs to the run, which holds
    /// the lock, so that such an upload was left by an attempt that is dead.
    pub(crate) async fn abort_dead_uploads(&self, key: &Key) -> Result<u64, String> {
        // In order of their keys, and the key itself is the first with its prefix.
        self.abort_uploads(key, true).await
    }

    /// Ends the uploads to all keys below this prefix, to which nobody may be writing.
    pub(crate) async fn abort_uploads_below(&self, prefix: &Key) -> Result<u64, String> {
        self.abort_uploads(prefix, false).await
    }

    async fn abort_uploads(&self, prefix: &Key, exact: bool) -> Result<u64, String> {
        let mut aborted = 0;
        let (mut key_marker, mut id_marker) = (None::<String>, None::<String>);
        loop {
            let output = self
                .calls
                .run("ListMultipartUploads", || async {
                    self.client
                        .list_multipart_uploads()
                        .bucket(&prefix.bucket)
                        .prefix(&prefix.key)
                        .encoding_type(EncodingType::Url)
                        .set_key_marker(key_marker.clone())
                        .set_upload_id_marker(id_marker.clone())
                        .send()
                        .await
                        .map_err(Refusal::new)
                })
                .await
                .map_err(|refusal| refusal.text(&prefix.to_string(), "ListMultipartUploads"))?;
            let encoded = output.encoding_type() == Some(&EncodingType::Url);
            let mut passed = false;
            for upload in output.uploads() {
                let name = upload.key().unwrap_or_default();
                // Services exist that say "encoded" and do not encode: the key as it stands counts as well.
                let is_meant = |name: &str| match exact {
                    true => name == prefix.key,
                    false => name.starts_with(&prefix.key),
                };
                let decoded = Some(name).filter(|_| encoded).and_then(|n| decode(n).ok());
                let meant = decoded
                    .filter(|name| is_meant(name))
                    .or_else(|| Some(name.to_owned()).filter(|name| is_meant(name)));
                passed |= exact && meant.is_none();
                if let (Some(key), Some(id)) = (meant, upload.upload_id()) {
                    let key = Key {
                        bucket: prefix.bucket.clone(),
                        key,
                    };
                    self.abort_upload(&key, id).await?;
                    aborted += 1;
                }
            }
            let next = output.next_key_marker().filter(|next| !next.is_empty());
            if passed || output.is_truncated() != Some(true) || next.is_none() {
                break;
            }
            key_marker = next.map(|next| {
                if encoded {
                    decode(next).unwrap_or_else(|_| next.to_owned())
                } else {
                    next.to_owned()
                }
            });
            id_marker = output.next_upload_id_marker().map(ToOwned::to_owned);
        }
        Ok(aborted)
    }

    /// Gives an upload up; one that is gone is no error.
    pub(crate) async fn abort_upload(&self, key: &Key, id: &str) -> Result<(), String> {
        let result = self
            .calls
            .run("AbortMultipartUpload", || async {
                self.client
                    .abort_multipart_upload()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .upload_id(id)
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await;
        match result {
            Err(refusal) if !refusal.is_no_upload() && !refusal.is_absent() => {
                Err(refusal.text(&key.to_string(), "AbortMultipartUpload"))
            }
            _ => Ok(()),
        }
    }
}

/// The bytes of an answer's body.
async fn collect(body: ByteStream) -> Result<Vec<u8>, Refusal> {
    let mut body = body;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(
            &chunk.map_err(|error| Refusal::broken(format!("the content broke off: {error}")))?,
        );
    }
    Ok(bytes)
}
