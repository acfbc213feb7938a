//! The sealing of spill files: AES-256-GCM in chunks, after the STREAM construction of Hoang, Reyhanitabar, Rogaway and
//! Vizár (2015), as crate `aead-stream` has it.
//!
//! Each file has a key of its own, made from the job's key and the random salt in the file's head with HKDF-SHA256
//! (RFC 5869). The position of a chunk and whether it is the last are part of its nonce; job, kind, bucket and file number
//! are authenticated with every chunk. So chunks cannot change places, in a file or between files.

use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Bytes of the salt in a file's head.
pub(super) const SALT_BYTES: usize = 16;
/// Bytes by which a sealed chunk is longer than the plain one.
pub(super) const TAG_BYTES: usize = 16;
/// A key and the part of the nonce that all chunks of a file share.
const DERIVED_BYTES: usize = 32 + 7;

/// The key of a job: from the operating system's random source, never stored, wiped on drop.
pub(super) struct JobKey(Zeroizing<[u8; 32]>);

impl JobKey {
    pub(super) fn random() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        random(key.as_mut())?;
        Ok(Self(key))
    }

    /// The key of the job called `job` in all processes that know `secret`.
    pub(super) fn derived(secret: &[u8], job: &str) -> Result<Self> {
        Self::from_ikm(secret, job.as_bytes(), b"camonica cluster job 1")
    }

    /// A key for something else of the same job.
    pub(super) fn sub_key(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>> {
        Ok(Self::from_ikm(self.0.as_ref(), b"", purpose.as_bytes())?.0)
    }

    fn from_ikm(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), secret)
            .expand(info, key.as_mut())
            .map_err(|error| {
                Error::internal("no key from a secret").with_source(error.to_string())
            })?;
        Ok(Self(key))
    }

    /// The cipher of the file with this salt. `identity` says which file it is.
    pub(super) fn cipher(&self, salt: &[u8; SALT_BYTES], identity: &Identity) -> Result<Cipher> {
        self.cipher_for(salt, identity, b"camonica spill file 1")
    }

    /// The cipher of the parcels of one attempt.
    pub(super) fn parcel_cipher(
        &self,
        attempt: &[u8; SALT_BYTES],
        identity: &Identity,
    ) -> Result<Cipher> {
        self.cipher_for(attempt, identity, b"camonica parcel 1")
    }

    fn cipher_for(
        &self,
        salt: &[u8; SALT_BYTES],
        identity: &Identity,
        info: &[u8],
    ) -> Result<Cipher> {
        let mut derived = Zeroizing::new([0; DERIVED_BYTES]);
        Hkdf::<Sha256>::new(Some(salt), self.0.as_ref())
            .expand(info, derived.as_mut())
            .map_err(|error| {
                Error::internal("no key for a spill file").with_source(error.to_string())
            })?;
        let (key, nonce) = derived.split_at(32);
        let (Ok(key), Ok(nonce)) = (key.try_into(), nonce.try_into()) else {
            return Err(Error::internal("a spill key of the wrong length"));
        };
        Ok(Cipher {
            stream: StreamBE32::from_aead(Aes256Gcm::new(key), nonce),
            associated: identity.bytes(),
        })
    }
}

/// A random salt.
pub(super) fn random_salt() -> Result<[u8; SALT_BYTES]> {
    let mut salt = [0; SALT_BYTES];
    random(&mut salt)?;
    Ok(salt)
}

pub(super) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|source| {
        Error::internal("no random bytes from the operating system").with_source(source)
    })
}

/// What a file is: authenticated with every chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'i> {
    pub(super) job: &'i str,
    pub(super) kind: &'static str,
    pub(super) bucket: u64,
    pub(super) number: u64,
}

impl Identity<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [self.job, self.kind] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.bucket.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes
    }
}

/// Seals and opens the chunks of one file.
pub(super) struct Cipher {
    stream: StreamBE32<Aes256Gcm>,
    associated: Vec<u8>,
}

impl Cipher {
    /// Seals `chunk` in place.
    pub(super) fn seal(&self, position: u32, last: bool, chunk: &mut Vec<u8>) -> Result<()> {
        self.stream
            .encrypt_in_place(position, last, &self.associated, chunk)
            .map_err(|_| Error::internal("a chunk of a spill file cannot be sealed"))
    }

    /// Opens `chunk` in place; false when it is not what was sealed for this place.
    pub(super) fn open(&self, position: u32, last: bool, chunk: &mut Vec<u8>) -> bool {
        self.stream
            .decrypt_in_place(position, last, &self.associated, chunk)
            .is_ok()
    }
}
