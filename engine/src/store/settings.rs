//! How S3 is reached: endpoint, region, credentials, encryption of what is written, retries.

use object_store::aws::AwsCredentialProvider;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// Server-side encryption asked for on *every* write to S3: data, bad rows, markers, manifests and plans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// No header; the bucket's own default applies.
    #[default]
    None,
    /// `x-amz-server-side-encryption: AES256`, what `aws.s3.buckets.encrypted: true` stands for.
    SseS3,
    /// `aws:kms` with the id or ARN of a key.
    SseKms(String),
}

/// Where the credentials for S3 come from.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The default chain of `object_store`: the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`), a web identity token, the container's role (ECS, EKS), the instance's role (EMR, EC2). Profiles in
    /// `~/.aws` are *not* read; whoever needs one hands in a [`Credentials::Provider`].
    #[default]
    DefaultChain,
    /// A key pair from the configuration. Neither part is ever printed.
    Static(StaticCredentials),
    /// Anything else, for example the AWS SDK's own chain.
    Provider(AwsCredentialProvider),
}

/// A key pair, wiped from memory when it is dropped.
#[derive(Clone)]
pub struct StaticCredentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: Zeroizing<String>,
    /// Session token, for temporary credentials.
    pub session_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials(..)")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefaultChain => "DefaultChain",
            Self::Static(_) => "Static(..)",
            Self::Provider(_) => "Provider(..)",
        })
    }
}

/// Settings of a [`Store`](super::Store). The default asks the environment for nothing but what `object_store` reads
/// there itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, credentials, ...).
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// URL of an S3-compatible service, as `http://127.0.0.1:9000`. With `path_style` false it must
    /// hold the bucket's name.
    pub endpoint: Option<String>,
    /// Region of all buckets. Without it: the environment's, else each bucket is asked for its own.
    pub region: Option<String>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`.
    pub path_style: bool,
    /// Allows `http://` endpoints (test servers).
    pub allow_http: bool,
    /// Encryption asked for on every write.
    pub encryption: Encryption,
    /// Where credentials come from.
    pub credentials: Credentials,
    /// How often a request is tried again after a server error, a throttle or a broken connection.
    pub retries: usize,
    /// After this time no further try is made.
    pub retry_timeout: Duration,
    /// Longest time of one request, its body included.
    pub request_timeout: Duration,
    /// Bytes of one ranged GET.
    pub range_size: u64,
    /// Ranged GETs in flight for one open object.
    pub ranges_in_flight: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            path_style: true,
            allow_http: false,
            encryption: Encryption::None,
            credentials: Credentials::DefaultChain,
            retries: 10,
            retry_timeout: Duration::from_secs(180),
            request_timeout: Duration::from_secs(300),
            range_size: 8 << 20,
            ranges_in_flight: 3,
        }
    }
}

impl StaticCredentials {
    /// A long-lived key pair.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
        }
    }
}

impl From<AwsCredentialProvider> for Credentials {
    fn from(provider: AwsCredentialProvider) -> Self {
        Self::Provider(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let settings = StoreSettings {
            credentials: Credentials::Static(StaticCredentials::new("AKIAKEY", "topsecret")),
            ..StoreSettings::default()
        };
        let text = format!(
            "{settings:?} {:?}",
            StaticCredentials::new("AKIAKEY", "topsecret")
        );
        assert!(
            !text.contains("topsecret") && !text.contains("AKIAKEY"),
            "{text}"
        );
    }
}
