//! S3 behind [`Store`](crate::store::Store): one client per bucket, listing, heads, writes and multipart uploads.
//!
//! The encryption header is set on the client, so that it goes with every PutObject and CreateMultipartUpload. Requests
//! are tried again by `object_store` and [`retry`](super::retry). A key with an empty part (`a//b`), a part `.` or `..` or a
//! control character cannot be named through `object_store`: a listing that meets one fails and says so.

use crate::error::{Error, ErrorKind, Result};
use crate::store::refusal::s3_error;
use crate::store::retry::Patience;
use crate::store::settings::{Credentials, Encryption, StoreSettings};
use crate::store::{Location, ObjectEntry};
use futures::StreamExt;
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, resolve_bucket_region,
};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{
    ClientConfigKey, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    StaticCredentialProvider,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Heads in flight while a listing tells folder markers from empty objects.
const HEADS_IN_FLIGHT: usize = 32;

/// How long `object_store` makes a request again with one signature: S3 takes none that is older than 15 minutes, and
/// temporary credentials are renewed five minutes before they end.
const SIGNATURE_HOLDS: Duration = Duration::from_secs(240);

/// The clients of all buckets that were used so far.
#[derive(Debug)]
pub(crate) struct Buckets {
    settings: StoreSettings,
    clients: Mutex<HashMap<String, Arc<AmazonS3>>>,
}

impl Buckets {
    pub(crate) fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            clients: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// The client of a bucket, made at its first use.
    pub(crate) fn client(&self, bucket: &str) -> Result<Arc<AmazonS3>> {
        let clients = || self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients().get(bucket) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.connect(bucket)?);
        Ok(Arc::clone(
            clients().entry(bucket.to_owned()).or_insert(client),
        ))
    }

    fn connect(&self, bucket: &str) -> Result<AmazonS3> {
        let settings = &self.settings;
        let seconds = settings.request_timeout.as_secs().max(1);
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(RetryConfig {
                max_retries: settings.retries,
                retry_timeout: settings.retry_timeout.min(SIGNATURE_HOLDS),
                ..RetryConfig::default()
            })
            .with_config(
                AmazonS3ConfigKey::Client(ClientConfigKey::Timeout),
                format!("{seconds} seconds"),
            );
        if !settings.path_style {
            builder = builder.with_virtual_hosted_style_request(true);
        }
        if settings.allow_http {
            builder = builder.with_config(
                AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp),
                "true",
            );
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
        }
        match &settings.credentials {
            Credentials::DefaultChain => {}
            Credentials::Static(pair) => {
                // a provider, so that no session token of the environment joins in
                let credential = AwsCredential {
                    key_id: pair.access_key_id.clone(),
                    secret_key: pair.secret_access_key.to_string(),
                    token: pair.session_token.as_ref().map(|token| token.to_string()),
                };
                builder =
                    builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
            }
            Credentials::Provider(provider) => {
                builder = builder.with_credentials(Arc::clone(provider))
            }
        }
        match &settings.encryption {
            Encryption::None => {}
            Encryption::SseS3 => {
                let key = "aws_server_side_encryption"
                    .parse()
                    .map_err(|e| s3_error(&format!("s3://{bucket}"), e))?;
                builder = builder.with_config(key, "AES256");
            }
            Encryption::SseKms(key) => builder = builder.with_sse_kms_encryption(key),
        }
        if let Some(region) = self.region(bucket, &builder)? {
            builder = builder.with_region(region);
        }
        builder.build().map_err(|e| {
            Error::config(format!("s3://{bucket}: the settings for S3 cannot be used"))
                .with_source(e.to_string())
        })
    }

    /// The configured region, or the bucket's own where nothing else tells one.
    fn region(&self, bucket: &str, builder: &AmazonS3Builder) -> Result<Option<String>> {
        if self.settings.region.is_some() {
            return Ok(self.settings.region.clone());
        }
        let told = [
            AmazonS3ConfigKey::Region,
            AmazonS3ConfigKey::DefaultRegion,
            AmazonS3ConfigKey::Endpoint,
            AmazonS3ConfigKey::S3Endpoint,
        ]
        .iter()
        .any(|key| builder.get_config_value(key).is_some());
        if told {
            return Ok(None);
        }
        let name = bucket.to_owned();
        let resolved = super::runtime::wait(async move {
            resolve_bucket_region(&name, &ClientOptions::new()).await
        })?;
        Ok(match resolved {
            Ok(region) => Some(region),
            Err(error) => {
                tracing::warn!(
                    "the region of bucket {bucket} is unknown ({error}); us-east-1 is assumed"
                );
                None
            }
        })
    }
}

/// The key of a place below a bucket, as `object_store` wants it.
pub(crate) fn key(location: &Location) -> Result<Key> {
    let (_, key) = location
        .bucket_and_key()
        .ok_or_else(|| Error::internal(format!("{location} is not in S3")))?;
    Key::parse(key)
        .map_err(|e| Error::config(format!("{location}: not a usable key")).with_source(e))
}

/// All objects below `folder`; only those directly in it unless `recursive`. Folder markers (keys that end in `/` or
/// `_$folder$`) are left out.
pub(super) async fn list(
    client: Arc<AmazonS3>,
    patience: Patience,
    folder: Location,
    recursive: bool,
) -> Result<Vec<ObjectEntry>> {
    let mut entries = Vec::new();
    let mut token = None;
    loop {
        let (page, next) = list_page(&client, patience, &folder, recursive, None, token).await?;
        entries.extend(page);
        token = next;
        if token.is_none() {
            break;
        }
    }
    entries.sort_by(|a: &ObjectEntry, b| a.relative.as_bytes().cmp(b.relative.as_bytes()));
    entries.dedup_by(|a, b| a.relative == b.relative);
    Ok(entries)
}

/// The first object below `folder` whose relative place `counts`.
pub(super) async fn find(
    client: Arc<AmazonS3>,
    patience: Patience,
    folder: Location,
    counts: impl Fn(&str) -> bool + Send,
) -> Result<Option<ObjectEntry>> {
    let mut token = None;
    loop {
        let (page, next) = list_page(&client, patience, &folder, true, Some(50), token).await?;
        if let Some(found) = page.into_iter().find(|entry| counts(&entry.relative)) {
            return Ok(Some(found));
        }
        token = next;
        if token.is_none() {
            return Ok(None);
        }
    }
}

/// One page of a listing, and the token of the next.
async fn list_page(
    client: &Arc<AmazonS3>,
    patience: Patience,
    folder: &Location,
    recursive: bool,
    most: Option<usize>,
    token: Option<String>,
) -> Result<(Vec<ObjectEntry>, Option<String>)> {
    let prefix = folder_prefix(folder)?;
    let page = patience
        .run(|| {
            let options = PaginatedListOptions {
                delimiter: (!recursive).then_some(Cow::Borrowed("/")),
                page_token: token.clone(),
                max_keys: most,
                ..PaginatedListOptions::default()
            };
            client.list_paginated((!prefix.is_empty()).then_some(prefix.as_str()), options)
        })
        .await
        .map_err(|e| list_error(folder, e))?;
    let objects = drop_markers(client, patience, page.result.objects)
        .await
        .map_err(|e| s3_error(&folder.to_string(), e))?;
    let entries = objects
        .into_iter()
        .filter_map(|meta| entry(folder, &prefix, meta))
        .collect();
    Ok((entries, page.page_token))
}

/// Deletes objects, by up to 1,000 with a request; the first failure, after all were tried.
pub(super) async fn delete(client: &Arc<AmazonS3>, keys: &[Key]) -> object_store::Result<()> {
    let keys: Vec<object_store::Result<Key>> = keys.iter().cloned().map(Ok).collect();
    let mut results = client.delete_stream(futures::stream::iter(keys).boxed());
    let mut failure = None;
    while let Some(result) = results.next().await {
        match result {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => failure = failure.or(Some(e)),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// `key/`, or nothing for a whole bucket.
fn folder_prefix(folder: &Location) -> Result<String> {
    let key = key(folder)?;
    Ok(if key.as_ref().is_empty() {
        String::new()
    } else {
        format!("{key}/")
    })
}

/// Removes folder markers. `object_store` strips the final slash of a key, so that the marker `a/` looks like an empty
/// object `a`: a head request tells them apart.
async fn drop_markers(
    client: &Arc<AmazonS3>,
    patience: Patience,
    objects: Vec<ObjectMeta>,
) -> object_store::Result<Vec<ObjectMeta>> {
    let checked: Vec<object_store::Result<Option<ObjectMeta>>> = futures::stream::iter(objects)
        .map(|meta| {
            let client = Arc::clone(client);
            async move {
                if meta.location.as_ref().ends_with("_$folder$") {
                    return Ok(None);
                }
                if meta.size > 0 {
                    return Ok(Some(meta));
                }
                match patience.run(|| client.head(&meta.location)).await {
                    Ok(_) => Ok(Some(meta)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(e) => Err(e),
                }
            }
        })
        .buffered(HEADS_IN_FLIGHT)
        .collect()
        .await;
    checked
        .into_iter()
        .filter_map(std::result::Result::transpose)
        .collect()
}

fn entry(folder: &Location, prefix: &str, meta: ObjectMeta) -> Option<ObjectEntry> {
    // the marker of the listed folder itself has nothing after the prefix
    let relative = meta.location.as_ref().strip_prefix(prefix)?.to_owned();
    if relative.is_empty() {
        return None;
    }
    Some(ObjectEntry {
        location: folder.join(&relative),
        relative,
        size: meta.size,
        etag: meta.e_tag,
    })
}

fn list_error(folder: &Location, error: object_store::Error) -> Error {
    if matches!(error, object_store::Error::InvalidPath { .. }) {
        return Error::new(
            ErrorKind::Io,
            format!(
                "{folder}: holds an object whose key has an empty part (`//`), a part `.` or `..`, or a control \
                 character; rename or remove it"
            ),
        )
        .with_source(error.to_string());
    }
    s3_error(&folder.to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_as_they_are() {
        for text in ["a/b~c", "run=2018 07+24", "100%", "ü"] {
            let location = Location::parse(&format!("s3://b/{text}")).unwrap();
            assert_eq!(key(&location).unwrap().as_ref(), text);
        }
        assert!(key(&Location::parse("s3://b/x").unwrap().join("../y")).is_err());
        assert!(key(&Location::parse("/x").unwrap()).is_err());
    }
}
