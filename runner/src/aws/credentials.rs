//! Credentials of the AWS SDK's chain, as the engine's store takes them.
//!
//! The engine's own chain reads neither profiles nor SSO nor credential processes; with this adapter it signs with exactly
//! the credentials that the runner has. They are kept until shortly before they expire.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use engine::store::Credentials;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

/// Credentials that expire sooner than this are asked for anew.
const MARGIN: Duration = Duration::from_secs(300);

/// How long credentials without an expiry are kept: a rotated file of keys is seen after this time.
const KEEP: Duration = Duration::from_secs(900);

/// The chain of the SDK behind the trait of the store.
struct Chain {
    provider: SharedCredentialsProvider,
    last: Mutex<Option<(Arc<AwsCredential>, SystemTime)>>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain(..)")
    }
}

/// The credentials of `provider` for the engine's store.
pub(super) fn for_store(provider: SharedCredentialsProvider) -> Credentials {
    Credentials::Provider(Arc::new(Chain {
        provider,
        last: Mutex::new(None),
    }))
}

#[async_trait::async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        let now = SystemTime::now();
        if let Some((credential, until)) = &*last
            && now < *until
        {
            return Ok(Arc::clone(credential));
        }
        let found = self.provider.provide_credentials().await.map_err(|error| {
            object_store::Error::Generic {
                store: "S3",
                source: format!("no credentials of AWS: {}", super::refusal::chain(&error)).into(),
            }
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(ToOwned::to_owned),
        });
        let until = found.expiry().map_or(now + KEEP, |expiry| {
            expiry.checked_sub(MARGIN).unwrap_or(now)
        });
        *last = Some((Arc::clone(&credential), until));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>, Option<Duration>);

    impl ProvideCredentials for Counted {
        fn provide_credentials<'a>(
            &'a self,
        ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            let expiry = self.1.map(|time| SystemTime::now() + time);
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(
                aws_credential_types::Credentials::new(
                    format!("key{count}"),
                    "secret",
                    Some("token".into()),
                    expiry,
                    "test",
                ),
            ))
        }
    }

    fn keys(expiry: Option<Duration>) -> (Vec<String>, String) {
        let asked = Arc::new(AtomicUsize::new(0));
        let provider = SharedCredentialsProvider::new(Counted(Arc::clone(&asked), expiry));
        let Credentials::Provider(provider) = for_store(provider) else {
            unreachable!("a provider was made");
        };
        let printed = format!("{provider:?}");
        let keys = engine::store::runtime::wait(async move {
            let mut keys = Vec::new();
            for _ in 0..3 {
                let credential = provider.get_credential().await.unwrap();
                assert_eq!(credential.token.as_deref(), Some("token"));
                keys.push(credential.key_id.clone());
            }
            keys
        })
        .unwrap();
        (keys, printed)
    }

    #[test]
    fn kept_until_shortly_before_they_expire() {
        assert_eq!(keys(None).0, ["key0", "key0", "key0"]);
        assert_eq!(
            keys(Some(Duration::from_secs(3600))).0,
            ["key0", "key0", "key0"]
        );
        assert_eq!(
            keys(Some(Duration::from_secs(100))).0,
            ["key0", "key1", "key2"]
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!keys(None).1.contains("secret"));
    }
}
