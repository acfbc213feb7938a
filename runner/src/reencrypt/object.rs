//! One object: looked at, copied onto itself, and looked at again.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, StorageClass};

use super::Wanted;
use super::copy::Grants;
use crate::aws::Tuning;
use crate::aws::calls::Calls;
use crate::aws::refusal::Refusal;
use crate::objects::key::Key;
use crate::objects::s3::bare;

/// How often an object is looked at again when others change it meanwhile.
const LOOKS: u32 = 5;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was encrypted as wanted.
    Already,
    /// It is now.
    Encrypted,
    /// It was deleted meanwhile.
    Gone,
    /// It is not encrypted as wanted, and why.
    Left(String),
}

/// What all objects share.
pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) calls: Arc<Calls>,
    pub(super) tuning: Tuning,
    pub(super) wanted: Wanted,
    pub(super) bucket_key: bool,
    pub(super) dry_run: bool,
    pub(super) target_condition: bool,
    pub(super) grants: bool,
}

impl Worker {
    /// Does what is to be done with one object.
    pub(super) async fn treat(&self, key: &Key) -> Outcome {
        for _ in 0..LOOKS {
            let head = match self.head(key).await {
                Ok(Some(head)) => head,
                Ok(None) => return Outcome::Gone,
                Err(reason) => return Outcome::Left(reason),
            };
            let found = head.server_side_encryption();
            if self.wanted.is_met_by(found, head.ssekms_key_id()) {
                return Outcome::Already;
            }
            if let Some(reason) = hindrance(&head) {
                return Outcome::Left(reason.to_owned());
            }
            if self.dry_run {
                return Outcome::Encrypted;
            }
            match self.copy(key, &head).await {
                Ok(()) => {}
                Err(Failed::Changed) => continue,
                Err(Failed::Text(reason)) => return Outcome::Left(reason),
            }
            return match self.head(key).await {
                Ok(Some(made)) => match self.difference(&head, &made) {
                    None => Outcome::Encrypted,
                    // somebody wrote a new object at the same moment: that one is looked at
                    Some(_) if is_younger(&head, &made) => continue,
                    Some(what) => Outcome::Left(format!(
                        "was copied, but the copy differs from what was there before: {what}"
                    )),
                },
                Ok(None) => Outcome::Gone,
                Err(reason) => Outcome::Left(format!("was copied, but not verified: {reason}")),
            };
        }
        Outcome::Left("other programs go on changing it: encrypt again later".into())
    }

    async fn head(&self, key: &Key) -> Result<Option<HeadObjectOutput>, String> {
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
        match result {
            Ok(output) => Ok(Some(output)),
            Err(refusal) if refusal.is_absent() => Ok(None),
            Err(refusal) if refusal.status == Some(400) => Err(format!(
                "{}. An object encrypted with a key of the customer (SSE-C) answers so: it can be copied only by who has the key",
                refusal.text(&key.to_string(), "HeadObject")
            )),
            Err(refusal) => Err(refusal.text(&key.to_string(), "HeadObject")),
        }
    }

    async fn copy(&self, key: &Key, head: &HeadObjectOutput) -> Result<(), Failed> {
        let grants = if self.grants {
            self.grants_of(key).await.map_err(Failed::Text)?
        } else {
            Grants::default()
        };
        let size = head
            .content_length()
            .and_then(|size| u64::try_from(size).ok());
        if size.unwrap_or_default() > self.tuning.copy_limit {
            self.copy_in_parts(key, head, size.unwrap_or_default(), &grants)
                .await
        } else {
            self.copy_whole(key, head, &grants).await
        }
    }

    /// What a copy has lost or changed.
    fn difference(&self, before: &HeadObjectOutput, after: &HeadObjectOutput) -> Option<String> {
        let is_met = self
            .wanted
            .is_met_by(after.server_side_encryption(), after.ssekms_key_id());
        if !is_met {
            return Some(format!(
                "its encryption is {}",
                after
                    .server_side_encryption()
                    .map_or("none", |sse| sse.as_str())
            ));
        }
        let map = |head: &HeadObjectOutput| head.metadata().cloned().unwrap_or_default();
        let class = |head: &HeadObjectOutput| {
            head.storage_class()
                .cloned()
                .unwrap_or(StorageClass::Standard)
        };
        for (what, is_same) in [
            ("size", before.content_length() == after.content_length()),
            ("metadata", map(before) == map(after)),
            (
                "Content-Type",
                before.content_type() == after.content_type(),
            ),
            (
                "Content-Encoding",
                before.content_encoding() == after.content_encoding(),
            ),
            (
                "Content-Language",
                before.content_language() == after.content_language(),
            ),
            (
                "Content-Disposition",
                before.content_disposition() == after.content_disposition(),
            ),
            (
                "Cache-Control",
                before.cache_control() == after.cache_control(),
            ),
            ("Expires", before.expires_string() == after.expires_string()),
            ("storage class", class(before) == class(after)),
            ("number of tags", before.tag_count() == after.tag_count()),
        ] {
            if !is_same {
                return Some(what.to_owned());
            }
        }
        let sums = |head: &HeadObjectOutput| {
            [
                head.checksum_crc64_nvme().map(str::to_owned),
                head.checksum_crc32_c().map(str::to_owned),
                head.checksum_crc32().map(str::to_owned),
                head.checksum_sha256().map(str::to_owned),
                head.checksum_sha1().map(str::to_owned),
            ]
        };
        // sums of sums depend on how parts were cut
        let is_whole = |sum: &String| !sum.contains('-');
        for (one, other) in sums(before).iter().zip(&sums(after)) {
            if let (Some(one), Some(other)) = (one, other)
                && is_whole(one)
                && is_whole(other)
                && one != other
            {
                return Some("checksum".into());
            }
        }
        let md5 = |head: &HeadObjectOutput| {
            let etag = bare(head.e_tag());
            let plain = head.ssekms_key_id().is_none() && head.sse_customer_algorithm().is_none();
            (plain && etag.len() == 32).then_some(etag)
        };
        match (md5(before), md5(after)) {
            (Some(one), Some(other)) if one != other => Some("MD5 of the content".into()),
            _ => None,
        }
    }
}

/// Why a copy was not made.
pub(super) enum Failed {
    /// The object is no longer what it was: look again.
    Changed,
    /// Something else.
    Text(String),
}

impl Failed {
    pub(super) fn of(refusal: &Refusal, key: &Key, operation: &str) -> Self {
        if refusal.is_precondition() || refusal.is_absent() {
            Self::Changed
        } else {
            Self::Text(refusal.text(&key.to_string(), operation))
        }
    }
}

/// Why an object cannot be copied, as far as its HEAD tells.
fn hindrance(head: &HeadObjectOutput) -> Option<&'static str> {
    let is_archived = matches!(
        head.storage_class(),
        Some(StorageClass::Glacier | StorageClass::DeepArchive)
    );
    let is_restored = head
        .restore()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    if (is_archived && !is_restored) || head.archive_status().is_some() {
        return Some("lies in an archive storage class: restore it, then encrypt again");
    }
    if head.missing_meta().is_some_and(|missing| missing > 0) {
        return Some("has metadata that cannot be told in headers, and would lose it");
    }
    None
}

/// Whether `after` is not the copy of `before` but an object that was written since.
fn is_younger(before: &HeadObjectOutput, after: &HeadObjectOutput) -> bool {
    before.content_length() != after.content_length()
        && before.last_modified() < after.last_modified()
}
