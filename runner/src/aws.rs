//! The runner's way to AWS: one configuration, one set of credentials and one I/O runtime for all services.
//!
//! The reference's EmrEtlRunner used keys of its configuration only (issue #2509) and died of passing errors of AWS's
//! interfaces (#3468, #3539, #3949, #3950). Here the keys may be absent (then the SDK's default chain finds credentials:
//! environment, profile, web identity, container, instance), and each request is tried again until a time limit:
//! requests of S3 by `calls`, which knows what the SDK's own retries miss, those of other services by the SDK.
//! Plain HTTP is refused for any host but loopback.

pub(crate) mod calls;
mod credentials;
pub(crate) mod refusal;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use engine::store::{Credentials, Encryption, StaticCredentials, StoreSettings};

use calls::Calls;

/// How AWS is reached.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    /// `aws.s3.region`
    pub region: Option<String>,
    /// `camonica.s3_endpoint`: an S3-compatible service; its buckets stand in the path.
    pub endpoint: Option<String>,
    /// `aws.access_key_id` and `aws.secret_access_key`; absent: the SDK's default chain.
    pub keys: Option<StaticCredentials>,
    /// Encryption asked for on every write.
    pub encryption: Encryption,
    /// Limits and times; the default is right for AWS.
    pub tuning: Tuning,
}

/// Limits and times of requests to AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// After this time a request is not tried again, and its last error is reported.
    pub retry_timeout: Duration,
    /// Longest wait before the first further try; it doubles with each, up to `longest_backoff`.
    pub first_backoff: Duration,
    /// Longest wait between two tries.
    pub longest_backoff: Duration,
    /// Longest wait for bytes of an answer.
    pub read_timeout: Duration,
    /// Requests of moves that may be in flight together; S3's answer `SlowDown` lowers the number for a while.
    pub in_flight: usize,
    /// Objects above this many bytes are copied in parts: 5 GiB in S3.
    pub copy_limit: u64,
    /// Bytes of a part of such a copy, where the source's own parts give no better size; at least 5 MiB.
    pub copy_part: u64,
    /// Bytes of a part of an upload; at least 5 MiB. Files of up to two parts are written by one request.
    pub upload_part: u64,
    /// Sends and checks checksums only where S3 demands them, with `Content-MD5` on writes: for S3-compatible services
    /// that do not know the checksum headers which SDKs send since 2025.
    pub checksums_when_required: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            retry_timeout: Duration::from_secs(600),
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            read_timeout: Duration::from_secs(300),
            in_flight: 64,
            copy_limit: 5 << 30,
            copy_part: 512 << 20,
            upload_part: 16 << 20,
            checksums_when_required: false,
        }
    }
}

/// Clients of AWS services. Cheap to clone.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    settings: AwsSettings,
    sdk: SdkConfig,
    s3: aws_sdk_s3::Client,
    /// As `s3`, without the SDK's retries: [`Calls`] makes them.
    s3_once: aws_sdk_s3::Client,
    calls: Arc<Calls>,
    credentials: Credentials,
    runtime: &'static tokio::runtime::Runtime,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").finish_non_exhaustive()
    }
}

impl Aws {
    /// Loads the configuration; no service is called, but the instance's metadata service where the settings and the
    /// environment name no region.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn open(settings: AwsSettings) -> Result<Self, String> {
        if let Some(endpoint) = &settings.endpoint {
            check_endpoint(endpoint, "camonica.s3_endpoint")?;
        }
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            if let Ok(endpoint) = std::env::var(name)
                && !endpoint.is_empty()
            {
                check_endpoint(&endpoint, name)?;
            }
        }
        let tuning = &settings.tuning;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(10)
                    .with_initial_backoff(tuning.first_backoff)
                    .with_max_backoff(tuning.longest_backoff),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(10))
                    .read_timeout(tuning.read_timeout)
                    .build(),
            );
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(keys) = &settings.keys {
            loader = loader.credentials_provider(aws_credential_types::Credentials::new(
                keys.access_key_id.clone(),
                keys.secret_access_key.to_string(),
                keys.session_token.as_ref().map(|token| token.to_string()),
                None,
                "config.yml",
            ));
        }
        if tuning.checksums_when_required {
            loader = loader
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let runtime = engine::store::runtime::runtime().map_err(|error| error.to_string())?;
        let sdk = engine::store::runtime::wait(loader.load()).map_err(|error| error.to_string())?;
        if sdk.region().is_none() {
            return Err(
                "no region of AWS is known: set aws.s3.region (or AWS_REGION in the environment)"
                    .into(),
            );
        }
        if let Some(endpoint) = sdk.endpoint_url() {
            check_endpoint(endpoint, "endpoint_url of the AWS profile")?;
        }
        let mut s3 = aws_sdk_s3::config::Builder::from(&sdk);
        if let Some(endpoint) = &settings.endpoint {
            s3 = s3.endpoint_url(endpoint).force_path_style(true);
        }
        let once = s3.clone().retry_config(RetryConfig::disabled()).build();
        let credentials = match (&settings.keys, sdk.credentials_provider()) {
            (Some(keys), _) => Credentials::Static(keys.clone()),
            (None, Some(provider)) => credentials::for_store(provider),
            (None, None) => Credentials::DefaultChain,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                s3: aws_sdk_s3::Client::from_conf(s3.build()),
                s3_once: aws_sdk_s3::Client::from_conf(once),
                calls: Arc::new(Calls::new(tuning)),
                credentials,
                sdk,
                settings,
                runtime,
            }),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &AwsSettings {
        &self.inner.settings
    }

    /// The configuration that clients of all services are made from (`Client::new(aws.sdk_config())`). It has the SDK's
    /// standard retries (10 tries), and not the endpoint of `camonica.s3_endpoint`, which speaks S3 only.
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.inner.sdk
    }

    /// The client of S3, with the SDK's standard retries. Writes through it do not carry the encryption of the settings by
    /// themselves: use [`crate::objects::Objects`] for objects.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.inner.s3
    }

    /// The client of S3 for [`Self::calls`].
    pub(crate) fn s3_once(&self) -> &aws_sdk_s3::Client {
        &self.inner.s3_once
    }

    /// Retries and pace of requests to S3.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.inner.calls
    }

    /// Runs a future to its end on the runtime of this program. Not to be called inside a task of such a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner.runtime.block_on(future)
    }

    /// The runtime of this program.
    pub(crate) fn runtime(&self) -> &'static tokio::runtime::Runtime {
        self.inner.runtime
    }

    /// What the engine's store needs to reach the same buckets with the same credentials.
    pub fn store_settings(&self) -> StoreSettings {
        let settings = &self.inner.settings;
        let plain = settings
            .endpoint
            .as_deref()
            .is_some_and(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://"));
        StoreSettings {
            region: self.inner.sdk.region().map(ToString::to_string),
            endpoint: settings.endpoint.clone(),
            path_style: true,
            allow_http: plain,
            encryption: settings.encryption.clone(),
            credentials: self.inner.credentials.clone(),
            retry_timeout: settings.tuning.retry_timeout,
            ..StoreSettings::default()
        }
    }
}

/// `https://` anywhere, `http://` on loopback only: everything else would send events in the clear.
pub(crate) fn check_endpoint(endpoint: &str, name: &str) -> Result<(), String> {
    let lower = endpoint.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return Ok(());
    }
    let Some(rest) = lower.strip_prefix("http://") else {
        return Err(format!(
            "{name}: `{endpoint}` is not a URL that begins with https://"
        ));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an `@` is no host, however much it looks like one.
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if loopback {
        Ok(())
    } else {
        Err(format!(
            "{name}: `{endpoint}` would send data in the clear: use https:// (http:// is accepted for loopback only)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "https://s3.example.com",
            "HTTPS://x",
            "http://127.0.0.1:9000",
            "http://127.8.0.1/path",
            "http://localhost",
            "http://LOCALHOST:1/",
            "http://[::1]:9000",
        ] {
            assert_eq!(check_endpoint(good, "e"), Ok(()), "{good}");
        }
        for bad in [
            "http://s3.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1:80@example.com",
            "http://10.0.0.1",
            "http://[::2]",
            "ftp://127.0.0.1",
            "127.0.0.1:9000",
            "",
        ] {
            assert!(check_endpoint(bad, "e").is_err(), "{bad}");
        }
    }

    fn settings(endpoint: &str) -> AwsSettings {
        AwsSettings {
            region: Some("eu-west-1".into()),
            endpoint: Some(endpoint.into()),
            keys: Some(StaticCredentials::new("AKIAKEY", "topsecret")),
            encryption: Encryption::SseS3,
            ..AwsSettings::default()
        }
    }

    #[test]
    fn the_store_reaches_the_same_buckets() {
        let aws = Aws::open(settings("http://127.0.0.1:1")).unwrap();
        let store = aws.store_settings();
        assert_eq!(store.endpoint.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(store.region.as_deref(), Some("eu-west-1"));
        assert!(store.allow_http && store.path_style);
        assert_eq!(store.encryption, Encryption::SseS3);
        assert!(matches!(store.credentials, Credentials::Static(_)));
        assert!(Aws::open(settings("http://example.com")).is_err());
        assert!(
            !Aws::open(settings("https://example.com"))
                .unwrap()
                .store_settings()
                .allow_http
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = settings("https://example.com");
        let text = format!("{settings:?} {:?}", Aws::open(settings.clone()).unwrap());
        assert!(!text.contains("topsecret"), "{text}");
    }

    #[test]
    fn futures_run_to_their_end() {
        let aws = Aws::open(settings("https://example.com")).unwrap();
        let text = String::from("not static");
        assert_eq!(aws.block_on(async { text.len() }), 10);
    }
}
