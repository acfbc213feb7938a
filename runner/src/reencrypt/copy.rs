//! Copies of an object onto itself: CopyObject up to the limit of S3 (5 GiB), copies of parts above it. CopyObject keeps
//! metadata, headers and tags by itself; storage class, redirection, object lock and grants are asked for again, and in parts
//! everything is.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, MetadataDirective, Permission, TaggingDirective,
};
use futures::StreamExt;

use super::object::{Failed, Worker};
use crate::aws::refusal::Refusal;
use crate::objects::key::Key;
use crate::objects::s3::bare;

/// Parts of one object that are copied at a time.
const PARTS_IN_FLIGHT: usize = 8;
/// Most parts of an object in S3.
const MOST_PARTS: u64 = 10_000;

/// Grants of an object beside its owner's, as the values of headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    full: Option<String>,
    read: Option<String>,
    read_acp: Option<String>,
    write_acp: Option<String>,
}

/// A request with what a copy in one piece and one by parts ask for alike: the wanted encryption, and what the object has that
/// S3 does not copy by itself. The SDK's builders of both have no common trait.
macro_rules! like_the_object {
    ($request:expr, $worker:expr, $head:expr, $grants:expr) => {{
        let (encryption, kms) = $worker.wanted.header();
        $request
            .server_side_encryption(encryption)
            .set_ssekms_key_id(kms)
            .set_bucket_key_enabled($worker.bucket_key.then_some(true))
            .set_storage_class($head.storage_class().cloned())
            .set_website_redirect_location($head.website_redirect_location().map(str::to_owned))
            .set_object_lock_mode($head.object_lock_mode().cloned())
            .set_object_lock_retain_until_date($head.object_lock_retain_until_date().copied())
            .set_object_lock_legal_hold_status($head.object_lock_legal_hold_status().cloned())
            .set_grant_full_control($grants.full.clone())
            .set_grant_read($grants.read.clone())
            .set_grant_read_acp($grants.read_acp.clone())
            .set_grant_write_acp($grants.write_acp.clone())
    }};
}

impl Worker {
    /// The grants to ask for; none where only the owner has any.
    pub(super) async fn grants_of(&self, key: &Key) -> Result<Grants, String> {
        let result = self
            .calls
            .run("GetObjectAcl", || async {
                let call = self
                    .client
                    .get_object_acl()
                    .bucket(&key.bucket)
                    .key(&key.key);
                call.send().await.map_err(Refusal::new)
            })
            .await;
        let output = match result {
            Ok(output) => output,
            Err(refusal) if refusal.is_unsupported() || refusal.is_absent() => {
                return Ok(Grants::default());
            }
            Err(refusal) => {
                return Err(format!(
                    "{} (s3:GetObjectAcl; --drop-grants needs it not, and loses the grants of single objects)",
                    refusal.text(&key.to_string(), "GetObjectAcl")
                ));
            }
        };
        let owner = output.owner().and_then(|owner| owner.id());
        let mut grants = Grants::default();
        let mut is_special = false;
        for grant in output.grants() {
            let Some(grantee) = grant.grantee() else {
                continue;
            };
            let who = match (grantee.id(), grantee.uri()) {
                (Some(id), _) => format!("id=\"{id}\""),
                (None, Some(uri)) => format!("uri=\"{uri}\""),
                (None, None) => {
                    return Err(format!("{key}: has a grant to somebody without id or URI"));
                }
            };
            let permission = grant.permission();
            is_special |= grantee.id() != owner || permission != Some(&Permission::FullControl);
            let header = match permission {
                Some(Permission::FullControl) => &mut grants.full,
                Some(Permission::Read) => &mut grants.read,
                Some(Permission::ReadAcp) => &mut grants.read_acp,
                Some(Permission::WriteAcp) => &mut grants.write_acp,
                // has no meaning for an object
                _ => continue,
            };
            match header {
                Some(text) => *text = format!("{text}, {who}"),
                None => *header = Some(who),
            }
        }
        Ok(if is_special {
            grants
        } else {
            Grants::default()
        })
    }

    /// One request.
    pub(super) async fn copy_whole(
        &self,
        key: &Key,
        head: &HeadObjectOutput,
        grants: &Grants,
    ) -> Result<(), Failed> {
        let (encryption, _) = self.wanted.header();
        let source = key.copy_source();
        let etag = head.e_tag().map(str::to_owned);
        let output = self
            .calls
            .run("CopyObject", || async {
                let request = self
                    .client
                    .copy_object()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .copy_source(&source)
                    .set_copy_source_if_match(etag.clone())
                    .set_if_match(etag.clone().filter(|_| self.target_condition))
                    .metadata_directive(MetadataDirective::Copy)
                    .tagging_directive(TaggingDirective::Copy);
                like_the_object!(request, self, head, grants)
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| Failed::of(&refusal, key, "CopyObject"))?;
        if output.server_side_encryption() != Some(&encryption) {
            return Err(Failed::Text(format!(
                "the store did not confirm the encryption {}",
                encryption.as_str()
            )));
        }
        Ok(())
    }

    /// By parts.
    pub(super) async fn copy_in_parts(
        &self,
        key: &Key,
        head: &HeadObjectOutput,
        size: u64,
        grants: &Grants,
    ) -> Result<(), Failed> {
        let id = self.begin(key, head, grants).await?;
        let copied = match self.parts(key, head, size, &id).await {
            Ok(parts) => self.complete(key, head, &id, parts).await,
            Err(failed) => Err(failed),
        };
        if copied.is_err() {
            let call = || async {
                let call = self.client.abort_multipart_upload().bucket(&key.bucket);
                call.key(&key.key)
                    .upload_id(&id)
                    .send()
                    .await
                    .map_err(Refusal::new)
            };
            if let Err(refusal) = self.calls.run("AbortMultipartUpload", call).await {
                let text = refusal.text(&key.to_string(), "AbortMultipartUpload");
                tracing::warn!("an upload that was begun is still there: {text}");
            }
        }
        copied
    }

    async fn begin(
        &self,
        key: &Key,
        head: &HeadObjectOutput,
        grants: &Grants,
    ) -> Result<String, Failed> {
        let expires = match head.expires_string() {
            None => None,
            Some(text) => Some(DateTime::from_str(text, DateTimeFormat::HttpDate).map_err(
                |_| {
                    Failed::Text(format!(
                        "its header Expires ('{text}') is no time, and would be lost"
                    ))
                },
            )?),
        };
        let tags = if head.tag_count().is_some_and(|count| count > 0) {
            Some(self.tags(key).await?)
        } else {
            None
        };
        let output = self
            .calls
            .run("CreateMultipartUpload", || async {
                let request = self
                    .client
                    .create_multipart_upload()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .set_content_type(head.content_type().map(str::to_owned))
                    .set_content_encoding(head.content_encoding().map(str::to_owned))
                    .set_content_language(head.content_language().map(str::to_owned))
                    .set_content_disposition(head.content_disposition().map(str::to_owned))
                    .set_cache_control(head.cache_control().map(str::to_owned))
                    .set_expires(expires)
                    .set_metadata(head.metadata().filter(|map| !map.is_empty()).cloned())
                    .set_tagging(tags.clone());
                like_the_object!(request, self, head, grants)
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| Failed::of(&refusal, key, "CreateMultipartUpload"))?;
        output
            .upload_id()
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Failed::Text(format!("{key}: an upload without an id")))
    }

    /// The tags of an object as the value of a header.
    async fn tags(&self, key: &Key) -> Result<String, Failed> {
        let output = self
            .calls
            .run("GetObjectTagging", || async {
                let call = self.client.get_object_tagging().bucket(&key.bucket);
                call.key(&key.key).send().await.map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| Failed::of(&refusal, key, "GetObjectTagging"))?;
        let tags = output
            .tag_set()
            .iter()
            .map(|tag| format!("{}={}", encoded(tag.key()), encoded(tag.value())));
        Ok(tags.collect::<Vec<_>>().join("&"))
    }

    async fn parts(
        &self,
        key: &Key,
        head: &HeadObjectOutput,
        size: u64,
        id: &str,
    ) -> Result<Vec<CompletedPart>, Failed> {
        let least = size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20);
        let part = self.tuning.copy_part.max(least).max(5 << 20);
        let (source, etag) = (key.copy_source(), head.e_tag().map(str::to_owned));
        let copies = (0..size.div_ceil(part)).map(|index| {
            let (start, end) = (index * part, ((index + 1) * part).min(size) - 1);
            let (source, etag) = (&source, &etag);
            async move {
                let number = i32::try_from(index + 1)
                    .map_err(|_| Failed::Text(format!("{key}: too many parts")))?;
                let output = self
                    .calls
                    .run("UploadPartCopy", || async {
                        let output = self
                            .client
                            .upload_part_copy()
                            .bucket(&key.bucket)
                            .key(&key.key)
                            .upload_id(id)
                            .part_number(number)
                            .copy_source(source)
                            .copy_source_range(format!("bytes={start}-{end}"))
                            .set_copy_source_if_match(etag.clone())
                            .send()
                            .await
                            .map_err(Refusal::new)?;
                        output
                            .copy_part_result()
                            .and_then(|part| part.e_tag())
                            .map(str::to_owned)
                            .ok_or_else(|| {
                                Refusal::broken("the answer to a copy does not say what was made")
                            })
                    })
                    .await
                    .map_err(|refusal| Failed::of(&refusal, key, "UploadPartCopy"))?;
                Ok(CompletedPart::builder()
                    .part_number(number)
                    .e_tag(output)
                    .build())
            }
        });
        let mut running = futures::stream::iter(copies).buffered(PARTS_IN_FLIGHT);
        let mut parts = Vec::new();
        while let Some(part) = running.next().await {
            parts.push(part?);
        }
        Ok(parts)
    }

    async fn complete(
        &self,
        key: &Key,
        head: &HeadObjectOutput,
        id: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<(), Failed> {
        let etag = head.e_tag().filter(|_| self.target_condition);
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let result = self
            .calls
            .run("CompleteMultipartUpload", || async {
                self.client
                    .complete_multipart_upload()
                    .bucket(&key.bucket)
                    .key(&key.key)
                    .upload_id(id)
                    .multipart_upload(upload.clone())
                    .set_if_match(etag.map(str::to_owned))
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await;
        match result {
            Ok(_) => Ok(()),
            // An earlier try may have had its effect although its answer was lost: the HEAD that follows tells.
            Err(refusal)
                if refusal.tries > 1 && (refusal.is_no_upload() || refusal.is_precondition()) =>
            {
                let now = bare(head.e_tag());
                tracing::debug!("{key}: completion was answered twice; it was {now} before");
                Ok(())
            }
            Err(refusal) => Err(Failed::of(&refusal, key, "CompleteMultipartUpload")),
        }
    }
}

/// A name or value of a tag in a query.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::s3::bare;

    #[test]
    fn tags_are_encoded() {
        assert_eq!(encoded("a b&c=ü+"), "a%20b%26c%3D%C3%BC%2B");
        assert_eq!(bare(Some("\"x\"")), "x");
    }
}
