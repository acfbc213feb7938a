//! Encrypts the objects that lie in a bucket already. Switching encryption on, in a bucket's default or by
//! `aws.s3.buckets.encrypted`, says nothing about objects of before; each must be copied onto itself.
//!
//! ```text
//! list ─ page of 1,000 ─► HEAD each ─ not encrypted as wanted ─► copy onto itself ─► HEAD: verified ─► progress is noted
//! ```
//!
//! A copy is made of exactly the object that was looked at (its ETag is a condition), and keeps metadata, headers, tags,
//! storage class, object lock and grants. In a bucket with versions the old version stays, not encrypted, and is counted.
//! The work can be cut at any point: what is done is seen by its HEAD, and the noted progress saves looking again.

mod copy;
mod object;
mod progress;

use aws_sdk_s3::types::ServerSideEncryption;
use engine::store::Location;
use futures::StreamExt;
use serde::Serialize;

use crate::aws::Aws;
use crate::aws::refusal::Refusal;
use crate::objects::Objects;
use crate::objects::key::Key;
use crate::objects::s3::S3;
use crate::security_configuration::region_of_key;

pub use object::Outcome;
pub use progress::Progress;

/// The encryption that every object is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Any server-side encryption: keys of S3 are used where there is none.
    SseS3,
    /// The key of KMS with this ARN.
    SseKms(String),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A bucket, or a folder in one.
    pub place: Location,
    /// The encryption.
    pub wanted: Wanted,
    /// Whether copies use a key of the bucket (fewer calls of KMS).
    pub bucket_key: bool,
    /// Whether nothing is changed, and only counted.
    pub dry_run: bool,
    /// Whether grants of single objects are kept; they are lost otherwise.
    pub keep_grants: bool,
    /// Objects that are worked on at a time.
    pub at_a_time: usize,
    /// Where progress is noted.
    pub progress: Option<Location>,
}

/// An object that is not encrypted as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// `s3://bucket/key`.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// What was done and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Objects looked at, this time.
    pub objects: u64,
    /// Objects that an earlier attempt had finished; not looked at again.
    pub before: u64,
    /// Objects that were encrypted as wanted already.
    pub already: u64,
    /// Objects encrypted now (with a dry run: that would be).
    pub encrypted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that others deleted meanwhile.
    pub gone: u64,
    /// Objects that are not encrypted as wanted.
    pub left: Vec<Left>,
    /// Number of versions that are not current, in a bucket with versions: they are as they were.
    pub old_versions: u64,
}

impl Report {
    /// Lines for people.
    pub fn to_lines(&self, settings: &Settings) -> Vec<String> {
        let did = if settings.dry_run {
            "would be encrypted"
        } else {
            "encrypted and verified"
        };
        let mut lines = vec![format!(
            "{}: {} objects looked at: {} {did} ({} bytes), {} were so already, {} gone meanwhile, {} left",
            settings.place,
            self.objects,
            self.encrypted,
            self.bytes,
            self.already,
            self.gone,
            self.left.len()
        )];
        if self.before > 0 {
            lines.push(format!(
                "{} objects were done by an earlier attempt, and not looked at again",
                self.before
            ));
        }
        if self.old_versions > 0 {
            lines.push(format!(
                "{} old versions are as they were: a lifecycle rule of the bucket (NoncurrentVersionExpiration) removes them",
                self.old_versions
            ));
        }
        lines
    }
}

/// Encrypts what is not encrypted as wanted. `say` is told how it goes, a line each page.
///
/// # Errors
/// When the place cannot be listed, or nothing of a whole page could be done; what is done stays, and the command can be
/// given again.
pub fn run(aws: &Aws, settings: &Settings, say: &mut dyn FnMut(&str)) -> Result<Report, String> {
    let prefix =
        Key::prefix_of(&settings.place).ok_or_else(|| format!("{}: not in S3", settings.place))?;
    let s3 = S3::new(aws);
    let worker = object::Worker {
        client: aws.s3_once().clone(),
        calls: std::sync::Arc::clone(aws.calls()),
        tuning: aws.settings().tuning.clone(),
        wanted: settings.wanted.clone(),
        bucket_key: settings.bucket_key,
        dry_run: settings.dry_run,
        // services that are not AWS may not know the newer condition
        target_condition: aws.settings().endpoint.is_none(),
        grants: settings.keep_grants && aws.block_on(has_grants(aws, &prefix.bucket))?,
    };
    let objects = Objects::new(Some(aws.clone()));
    let noted = settings.progress.as_ref().filter(|_| !settings.dry_run);
    let mut progress = match noted {
        Some(place) => Progress::read(&objects, place, settings)?,
        None => Progress::new(settings),
    };
    let mut report = Report {
        before: progress.done,
        ..Report::default()
    };
    if let Some(after) = &progress.after {
        say(&format!("going on after {after}"));
    }
    let (mut token, after) = (None::<String>, progress.after.clone());
    loop {
        let page = aws.block_on(s3.page(&prefix, after.as_deref(), token.as_deref(), 1000))?;
        let last = page.objects.last().map(|object| object.key.clone());
        let outcomes = aws.block_on(async {
            futures::stream::iter(page.objects.iter().map(|listed| {
                let key = Key {
                    bucket: prefix.bucket.clone(),
                    key: listed.key.clone(),
                };
                let (worker, size) = (&worker, listed.size);
                async move { (worker.treat(&key).await, key, size) }
            }))
            .buffer_unordered(settings.at_a_time.max(1))
            .collect::<Vec<_>>()
            .await
        });
        let (left_before, done_before) = (report.left.len(), report.already + report.encrypted);
        for (outcome, key, size) in outcomes {
            report.objects += 1;
            match outcome {
                Outcome::Already => report.already += 1,
                Outcome::Encrypted => {
                    report.encrypted += 1;
                    report.bytes += size;
                }
                Outcome::Gone => report.gone += 1,
                Outcome::Left(reason) => report.left.push(Left {
                    object: key.to_string(),
                    reason,
                }),
            }
        }
        report.left[left_before..].sort_by(|a, b| a.object.cmp(&b.object));
        let is_stuck = report.left.len() - left_before >= 100
            && report.already + report.encrypted == done_before;
        if is_stuck {
            let why = report.left.last().map_or("", |left| left.reason.as_str());
            return Err(format!(
                "{}: nothing of {} objects could be done, so the rest was not tried: {why}",
                settings.place,
                report.left.len() - left_before
            ));
        }
        if let (Some(place), Some(last)) = (noted, last) {
            // What is left is tried again by the next attempt: progress stops before it.
            if report.left.is_empty() {
                progress.after = Some(last);
                progress.done = report.before + report.objects;
                progress.write(&objects, place)?;
            }
        }
        token = page.next;
        if token.is_none() {
            break;
        }
        say(&format!(
            "{} objects: {} encrypted, {} were so already, {} left",
            report.objects,
            report.encrypted,
            report.already,
            report.left.len()
        ));
    }
    if let Some(place) = noted.filter(|_| report.left.is_empty()) {
        objects.delete(std::slice::from_ref(place))?;
    }
    report.old_versions = aws.block_on(old_versions(aws, &prefix))?;
    Ok(report)
}

/// Whether objects of a bucket have grants of their own.
async fn has_grants(aws: &Aws, bucket: &str) -> Result<bool, String> {
    let result = aws
        .calls()
        .run("GetBucketOwnershipControls", || async {
            aws.s3_once()
                .get_bucket_ownership_controls()
                .bucket(bucket)
                .send()
                .await
                .map_err(Refusal::new)
        })
        .await;
    match result {
        Ok(output) => Ok(!output.ownership_controls().is_some_and(|controls| {
            controls
                .rules()
                .iter()
                .any(|rule| rule.object_ownership().as_str() == "BucketOwnerEnforced")
        })),
        // a bucket from before there was such a thing
        Err(refusal) if refusal.is(&["OwnershipControlsNotFoundError"]) => Ok(true),
        Err(refusal) if refusal.is_unsupported() || refusal.is_absent() => Ok(false),
        Err(refusal) => Err(format!(
            "{} (s3:GetBucketOwnershipControls; --drop-grants needs it not, and loses the grants of single objects)",
            refusal.text(&format!("s3://{bucket}"), "GetBucketOwnershipControls")
        )),
    }
}

/// Versions below `prefix` that are not current; 0 for a bucket without versions.
async fn old_versions(aws: &Aws, prefix: &Key) -> Result<u64, String> {
    let what = prefix.to_string();
    let result = aws
        .calls()
        .run("GetBucketVersioning", || async {
            let call = aws.s3_once().get_bucket_versioning().bucket(&prefix.bucket);
            match call.send().await.map_err(Refusal::new) {
                Ok(output) => Ok(output.status().is_some()),
                // an answer of a service that is not AWS: the list of versions tells
                Err(refusal) if refusal.status == Some(200) => Ok(true),
                Err(refusal) => Err(refusal),
            }
        })
        .await;
    match result {
        Ok(true) => {}
        Ok(false) => return Ok(0),
        Err(refusal) if refusal.is_unsupported() => return Ok(0),
        Err(refusal) => {
            let text = refusal.text(&what, "GetBucketVersioning");
            return Err(format!("{text} (s3:GetBucketVersioning)"));
        }
    }
    let (mut count, mut key, mut version) = (0, None::<String>, None::<String>);
    loop {
        let output = aws
            .calls()
            .run("ListObjectVersions", || async {
                aws.s3_once()
                    .list_object_versions()
                    .bucket(&prefix.bucket)
                    .prefix(&prefix.key)
                    .set_key_marker(key.clone())
                    .set_version_id_marker(version.clone())
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await
            .map_err(|refusal| {
                let text = refusal.text(&what, "ListObjectVersions");
                format!("{text} (s3:ListBucketVersions)")
            })?;
        let old = output.versions().iter();
        count += old
            .filter(|version| version.is_latest() != Some(true))
            .count() as u64;
        let next = output.next_key_marker().filter(|next| !next.is_empty());
        if output.is_truncated() != Some(true) || next.is_none() {
            return Ok(count);
        }
        key = next.map(str::to_owned);
        version = output.next_version_id_marker().map(str::to_owned);
    }
}

/// The ARN of a key of KMS by whatever name: S3 tells ARNs, so ids and aliases are looked up.
///
/// # Errors
/// When there is no such key.
pub fn key_arn(aws: &Aws, key: &str) -> Result<String, String> {
    if region_of_key(key).is_some() && !key.contains(":alias/") {
        return Ok(key.to_owned());
    }
    let client = aws_sdk_kms::Client::new(aws.sdk_config());
    let described = aws.block_on(client.describe_key().key_id(key).send());
    let output = described.map_err(|error| {
        let text = Refusal::new(error).text(&format!("KMS key '{key}'"), "DescribeKey");
        format!("{text} (kms:DescribeKey; the ARN of the key needs no looking up)")
    })?;
    output
        .key_metadata()
        .and_then(|metadata| metadata.arn())
        .map(str::to_owned)
        .ok_or_else(|| format!("KMS key '{key}': DescribeKey did not tell its ARN"))
}

impl Wanted {
    /// Whether an object with this encryption is encrypted as wanted.
    fn is_met_by(&self, found: Option<&ServerSideEncryption>, key: Option<&str>) -> bool {
        match self {
            Self::SseS3 => found.is_some(),
            Self::SseKms(wanted) => {
                matches!(
                    found,
                    Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
                ) && key.is_some_and(|key| key == wanted)
            }
        }
    }

    /// The value of the header and the key.
    fn header(&self) -> (ServerSideEncryption, Option<String>) {
        match self {
            Self::SseS3 => (ServerSideEncryption::Aes256, None),
            Self::SseKms(key) => (ServerSideEncryption::AwsKms, Some(key.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meets_what() {
        let (aes, kms, dsse) = (
            ServerSideEncryption::Aes256,
            ServerSideEncryption::AwsKms,
            ServerSideEncryption::AwsKmsDsse,
        );
        let key = Wanted::SseKms("arn:k".into());
        for (wanted, found, id, expected) in [
            (&Wanted::SseS3, None, None, false),
            (&Wanted::SseS3, Some(&aes), None, true),
            // stronger than asked for: not taken back
            (&Wanted::SseS3, Some(&kms), Some("arn:k"), true),
            (&key, None, None, false),
            (&key, Some(&aes), None, false),
            (&key, Some(&kms), Some("arn:other"), false),
            (&key, Some(&kms), None, false),
            (&key, Some(&kms), Some("arn:k"), true),
            (&key, Some(&dsse), Some("arn:k"), true),
        ] {
            assert_eq!(
                wanted.is_met_by(found, id),
                expected,
                "{wanted:?} {found:?} {id:?}"
            );
        }
    }
}
