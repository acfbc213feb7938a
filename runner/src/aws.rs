//! The runner's way to AWS: one configuration, one set of credentials and one I/O runtime for all services.

use std::fmt;
use std::future::Future;

use engine::store::{Credentials, Encryption, StaticCredentials, StoreSettings};

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
}

/// Clients of AWS services. Cheap to clone.
#[derive(Clone)]
pub struct Aws {
    settings: AwsSettings,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").finish_non_exhaustive()
    }
}

impl Aws {
    /// Loads the configuration; no service is called.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn open(settings: AwsSettings) -> Result<Self, String> {
        Ok(Self { settings })
    }

    /// The settings.
    pub fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// The configuration that clients of all services are made from (`Client::new(aws.sdk_config())`).
    #[allow(clippy::unimplemented)]
    pub fn sdk_config(&self) -> &aws_config::SdkConfig {
        unimplemented!("not available yet")
    }

    /// The client of S3.
    #[allow(clippy::unimplemented)]
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        unimplemented!("not available yet")
    }

    /// Runs a future to its end on the runtime of this program.
    #[allow(clippy::unimplemented)]
    pub fn block_on<F: Future>(&self, _future: F) -> F::Output {
        unimplemented!("not available yet")
    }

    /// What the engine's store needs to reach the same buckets with the same credentials.
    pub fn store_settings(&self) -> StoreSettings {
        StoreSettings {
            region: self.settings.region.clone(),
            endpoint: self.settings.endpoint.clone(),
            encryption: self.settings.encryption.clone(),
            credentials: Credentials::DefaultChain,
            ..StoreSettings::default()
        }
    }
}
