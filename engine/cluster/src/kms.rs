//! Keys of jobs by AWS KMS: the driver lets KMS make a data key, its ciphertext travels in the plan, and each worker lets
//! KMS decrypt it. Who may use the key is for IAM to say, and CloudTrail writes down who did.
//!
//! The encryption context is the name of the driver's job, so that a ciphertext is of no use for another one. Credentials,
//! region and endpoint are found by the SDK's chain (environment, profile, web identity, container, instance); the ARN of a key
//! names its region. The endpoint may be set by `AWS_ENDPOINT_URL_KMS`. What may pass is tried again, with back-off.

mod http;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::SharedHttpClient;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use engine::store::runtime::wait;
use engine::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use http::{Plain, Web};

/// Name of the job in the encryption context.
const CONTEXT: &str = "camonica-job";
/// Tries of a call.
const TRIES: u32 = 8;
/// Longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Keys that a worker keeps: those of the jobs that may be at work.
const MOST_KEYS: usize = 4;
/// Longest text of KMS that is passed on, in bytes.
const MOST_TEXT: usize = 400;
/// Codes that ask for fewer calls.
const SLOWER: [&str; 4] = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
];

/// The key of a job as it travels: encrypted by KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The driver's job: the encryption context.
    pub job: Arc<str>,
    /// KMS's ciphertext.
    pub ciphertext: Arc<[u8]>,
}

/// A key of KMS, and the keys of jobs that it gave.
pub struct Kms {
    key: String,
    client: Client,
    known: Mutex<VecDeque<(WrappedKey, Zeroizing<Vec<u8>>)>>,
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kms({})", self.key)
    }
}

impl Kms {
    /// Finds region and credentials for the key of `--kms-key`: an ARN, an id or an alias. KMS is not called.
    ///
    /// # Errors
    /// `Config` for a text that is no key, or without a region.
    pub fn open(key: &str) -> Result<Self> {
        let region = region_of(key)?;
        let key = key.to_owned();
        let client = wait(async move {
            let mut loader = aws_config::defaults(BehaviorVersion::latest())
                .http_client(SharedHttpClient::new(Web::new(Plain::Allowed)))
                .retry_config(
                    RetryConfig::standard()
                        .with_max_attempts(TRIES)
                        .with_max_backoff(LONGEST_PAUSE),
                )
                .timeout_config(
                    TimeoutConfig::builder()
                        .connect_timeout(Duration::from_secs(5))
                        .read_timeout(Duration::from_secs(20))
                        .build(),
                );
            if let Some(region) = region {
                loader = loader.region(Region::new(region));
            }
            let loaded = loader.load().await;
            loaded.region().is_some().then(|| {
                let config = aws_sdk_kms::config::Builder::from(&loaded)
                    .http_client(SharedHttpClient::new(Web::new(Plain::Loopback)))
                    .build();
                Client::from_conf(config)
            })
        })?;
        let Some(client) = client else {
            return Err(Error::config(format!(
                "--kms-key {key}: no region of AWS is known; give the ARN of the key, or set AWS_REGION"
            )));
        };
        Ok(Self {
            key,
            client,
            known: Mutex::default(),
        })
    }

    /// A new key of 256 bits for the driver's job `job`, and the form in which it may travel.
    ///
    /// # Errors
    /// When KMS does not give one.
    pub fn generate(&self, job: &str) -> Result<(Zeroizing<Vec<u8>>, WrappedKey)> {
        let call = self
            .client
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT, job);
        let answer = wait(async move { call.send().await })?
            .map_err(|error| self.refusal("GenerateDataKey", &error))?;
        let (Some(plain), Some(ciphertext)) = (answer.plaintext, answer.ciphertext_blob) else {
            return Err(self.odd("GenerateDataKey"));
        };
        let plain = self.checked(plain, "GenerateDataKey")?;
        let wrapped = WrappedKey {
            job: job.into(),
            ciphertext: ciphertext.into_inner().into(),
        };
        Ok((plain, wrapped))
    }

    /// The key of a driver's job. KMS is asked once for each.
    ///
    /// # Errors
    /// When KMS does not decrypt it: `Throttled` and `Timeout` may pass.
    pub fn decrypt(&self, wrapped: &WrappedKey) -> Result<Zeroizing<Vec<u8>>> {
        // held while KMS is asked: tasks of one job wait for one answer
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plain)) = known.iter().find(|(other, _)| other == wrapped) {
            return Ok(plain.clone());
        }
        let call = self
            .client
            .decrypt()
            .key_id(&self.key)
            .encryption_context(CONTEXT, &*wrapped.job)
            .ciphertext_blob(Blob::new(&*wrapped.ciphertext));
        let answer = wait(async move { call.send().await })?
            .map_err(|error| self.refusal("Decrypt", &error))?;
        let Some(plain) = answer.plaintext else {
            return Err(self.odd("Decrypt"));
        };
        let plain = self.checked(plain, "Decrypt")?;
        if known.len() >= MOST_KEYS {
            known.pop_front();
        }
        known.push_back((wrapped.clone(), plain.clone()));
        Ok(plain)
    }

    fn checked(&self, plain: Blob, operation: &str) -> Result<Zeroizing<Vec<u8>>> {
        let plain = Zeroizing::new(plain.into_inner());
        if plain.len() == 32 {
            Ok(plain)
        } else {
            Err(self.odd(operation))
        }
    }

    fn odd(&self, operation: &str) -> Error {
        Error::new(
            ErrorKind::Io,
            format!(
                "--kms-key {}: the answer to {operation} holds no key of 32 bytes",
                self.key
            ),
        )
    }

    fn refusal<E>(&self, operation: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let key = &self.key;
        let SdkError::ServiceError(service) = error else {
            let text = short(&DisplayErrorContext(error).to_string());
            let kind = match error {
                SdkError::TimeoutError(_) | SdkError::ResponseError(_) => ErrorKind::Timeout,
                SdkError::DispatchFailure(failure) if failure.is_timeout() || failure.is_io() => {
                    ErrorKind::Timeout
                }
                _ => ErrorKind::Config,
            };
            let text = format!("--kms-key {key}: kms:{operation} was not answered: {text}");
            return Error::new(kind, text).with_advice(
                "this machine needs a way to KMS (its endpoint in the VPC, or AWS_ENDPOINT_URL_KMS) and credentials (the instance's role)",
            );
        };
        let code = service.err().code().unwrap_or_default();
        let status = service.raw().status().as_u16();
        let said = short(service.err().message().unwrap_or_default());
        let (kind, what) = match code {
            _ if SLOWER.contains(&code) => (
                ErrorKind::Throttled,
                "KMS asks for fewer calls, also after several tries".to_owned(),
            ),
            "AccessDeniedException" | "AccessDenied" | "UnrecognizedClientException" => (
                ErrorKind::Denied,
                format!(
                    "the role of this machine may not do kms:{operation} with this key: allow it in the role's policy, and in that of the key"
                ),
            ),
            "IncorrectKeyException" => (
                ErrorKind::Config,
                "the key of the job was made with another key of KMS: driver and workers need the same --kms-key".to_owned(),
            ),
            "InvalidCiphertextException" => (
                ErrorKind::Config,
                "the encrypted key of the job does not fit its name".to_owned(),
            ),
            "NotFoundException" => (
                ErrorKind::NotFound,
                "there is no such key in this region".to_owned(),
            ),
            "DisabledException" | "KMSInvalidStateException" => (
                ErrorKind::Config,
                "the key is disabled, or about to be deleted".to_owned(),
            ),
            _ if status >= 500 => (
                ErrorKind::Timeout,
                format!("kms:{operation} failed, also after several tries"),
            ),
            _ => (ErrorKind::Config, format!("kms:{operation} was refused")),
        };
        Error::new(
            kind,
            format!("--kms-key {key}: {what} ({status} {code}: {said})"),
        )
    }
}

fn short(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = text.floor_char_boundary(MOST_TEXT);
    text[..end].to_owned()
}

/// The region of the ARN of a key; none for an id or an alias.
fn region_of(key: &str) -> Result<Option<String>> {
    let wrong = || {
        Error::config(format!(
            "--kms-key '{}': expected the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID, or its id or alias/NAME",
            short(key)
        ))
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c))
    };
    let Some(rest) = key.strip_prefix("arn:") else {
        return if is_name(key) { Ok(None) } else { Err(wrong()) };
    };
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    let &[_, "kms", region, account, resource] = parts.as_slice() else {
        return Err(wrong());
    };
    let is_key = ["key/", "alias/"]
        .iter()
        .any(|kind| resource.strip_prefix(kind).is_some_and(is_name));
    if is_key && is_name(region) && is_name(account) {
        Ok(Some(region.to_owned()))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_regions() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let arn = format!("arn:aws:kms:eu-west-1:123456789012:key/{id}");
        for (key, region) in [
            (arn.as_str(), Some("eu-west-1")),
            (
                "arn:aws-cn:kms:cn-north-1:123456789012:alias/a/b",
                Some("cn-north-1"),
            ),
            (id, None),
            ("mrk-1234abcd", None),
            ("alias/pipeline", None),
        ] {
            assert_eq!(region_of(key).unwrap().as_deref(), region, "{key}");
        }
        for key in [
            "",
            "a b",
            "arn:aws:s3:::bucket",
            "arn:aws:kms:eu-west-1:1:key/",
            "arn:aws:kms::1:key/a",
            "arn:aws:kms:eu-west-1:1",
            "key\n",
        ] {
            let error = region_of(key).unwrap_err().to_string();
            assert!(error.contains("expected the ARN"), "{key}: {error}");
        }
        let error = region_of(&"é x".repeat(999)).unwrap_err().to_string();
        assert!(error.len() < 700, "{error}");
    }
}
