//! Parcels: sealed bytes that leave the process that made them: rows in an exchange between machines, and files between the
//! stages of a job that many processes do.
//!
//! ```text
//! "CAMPARC1" | kind u8 | group u32 | attempt (16 bytes) | number u32 | sealed bytes and tag
//! ```
//!
//! All processes of a job derive its key from a secret that each of them was given; the key is neither sent nor stored. Each
//! attempt of a task seals with a key of its own (HKDF of the job's key and the attempt's random bytes) and counts its
//! parcels, so no nonce comes twice. Job, kind, bucket and group are authenticated: a parcel cannot stand in for one of
//! another bucket, kind or job. That one is missing, or comes twice, AES-GCM does not notice: whoever counts the
//! records does.

use std::fmt;

use super::seal::{self, Identity, JobKey, SALT_BYTES, random_salt};
use crate::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"CAMPARC1";
const HEAD_BYTES: usize = MAGIC.len() + 1 + 4 + SALT_BYTES + 4;

/// What a parcel holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Keys of event ids.
    Keys,
    /// Enriched lines that wait for the decision about their id.
    Lines,
    /// The manifest row of a task.
    Row,
    /// The description of a job.
    Job,
    /// Keys of ids that occur more than once.
    Candidates,
}

impl Content {
    const ALL: [Self; 5] = [
        Self::Keys,
        Self::Lines,
        Self::Row,
        Self::Job,
        Self::Candidates,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Keys => "parcel of keys",
            Self::Lines => "parcel of lines",
            Self::Row => "parcel of a row",
            Self::Job => "parcel of a job",
            Self::Candidates => "parcel of candidates",
        }
    }
}

/// Tells the attempts of tasks apart: 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt([u8; SALT_BYTES]);

impl Attempt {
    /// A new attempt.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self> {
        random_salt().map(Self)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A secret for a job that seals nothing for another process.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn random_secret() -> Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    seal::random(secret.as_mut())?;
    Ok(secret)
}

/// The key of a job that many processes do.
pub struct ParcelKey {
    key: JobKey,
    job: String,
}

impl fmt::Debug for ParcelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParcelKey(of job {})", self.job)
    }
}

/// A parcel that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it holds.
    pub content: Content,
    /// The group of work that it comes from.
    pub group: u32,
    /// The attempt that made it.
    pub attempt: Attempt,
    /// Its number among the attempt's parcels.
    pub number: u32,
    /// What was sealed.
    pub plain: Vec<u8>,
}

/// Seals the parcels of one attempt.
#[derive(Debug)]
pub struct Sealer<'k> {
    key: &'k ParcelKey,
    group: u32,
    attempt: Attempt,
    next: u32,
}

impl ParcelKey {
    /// The key of the job called `job`, which must be a new name for each run of a job.
    ///
    /// # Errors
    /// `Config` for a secret that is too short to be one.
    pub fn derive(secret: &[u8], job: &str) -> Result<Self> {
        if secret.len() < 32 {
            return Err(Error::config(
                "the cluster's secret has less than 32 bytes; make one with: head -c 48 /dev/urandom | base64",
            ));
        }
        Ok(Self {
            key: JobKey::derived(secret, job)?,
            job: job.to_owned(),
        })
    }

    /// The job's name.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// 16 bytes that all processes of the job know and nobody else, for `purpose`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn shared_secret(&self, purpose: &str) -> Result<[u8; 16]> {
        let key = self.key.sub_key(purpose)?;
        let mut secret = [0; 16];
        secret.copy_from_slice(&key[..16]);
        Ok(secret)
    }

    /// A sealer for one attempt of the task of a group.
    pub fn sealer(&self, group: u32, attempt: Attempt) -> Sealer<'_> {
        Sealer {
            key: self,
            group,
            attempt,
            next: 0,
        }
    }

    /// Opens a parcel that was sealed for `bucket`.
    ///
    /// # Errors
    /// `Corrupt` when it is not what was sealed for this job and bucket.
    pub fn open(&self, bucket: u32, parcel: &[u8]) -> Result<Opened> {
        self.try_open(bucket, parcel).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "a parcel for bucket {bucket} of job {} is not what was sealed: it was changed on its way, or a node \
                     has another cluster secret",
                    self.job
                ),
            )
        })
    }

    fn try_open(&self, bucket: u32, parcel: &[u8]) -> Option<Opened> {
        let (head, sealed) = parcel.split_at_checked(HEAD_BYTES)?;
        let rest = head.strip_prefix(MAGIC)?;
        let (content, rest) = rest.split_first()?;
        let content = *Content::ALL.get(usize::from(*content))?;
        let (group, rest) = rest.split_first_chunk()?;
        let group = u32::from_le_bytes(*group);
        let (attempt, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let number = u32::from_le_bytes(*number);
        let identity = self.identity(content, bucket, group);
        let cipher = self.key.parcel_cipher(attempt, &identity).ok()?;
        let mut plain = sealed.to_vec();
        cipher.open(number, false, &mut plain).then_some(Opened {
            content,
            group,
            attempt: Attempt(*attempt),
            number,
            plain,
        })
    }

    fn identity(&self, content: Content, bucket: u32, group: u32) -> Identity<'_> {
        Identity {
            job: &self.job,
            kind: content.name(),
            bucket: u64::from(bucket),
            number: u64::from(group),
        }
    }
}

impl Sealer<'_> {
    /// The attempt.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Seals `plain` for `bucket`.
    ///
    /// # Errors
    /// `Internal` after 2^32 parcels.
    pub fn seal(&mut self, content: Content, bucket: u32, plain: &[u8]) -> Result<Vec<u8>> {
        let number = self.next;
        self.next = number
            .checked_add(1)
            .ok_or_else(|| Error::internal("an attempt made 2^32 parcels"))?;
        let identity = self.key.identity(content, bucket, self.group);
        let cipher = self.key.key.parcel_cipher(&self.attempt.0, &identity)?;
        let mut sealed = plain.to_vec();
        cipher.seal(number, false, &mut sealed)?;
        let kind = Content::ALL.iter().position(|other| *other == content);
        let mut parcel = Vec::with_capacity(HEAD_BYTES + sealed.len());
        parcel.extend_from_slice(MAGIC);
        parcel.push(u8::try_from(kind.unwrap_or_default()).unwrap_or_default());
        parcel.extend_from_slice(&self.group.to_le_bytes());
        parcel.extend_from_slice(&self.attempt.0);
        parcel.extend_from_slice(&number.to_le_bytes());
        parcel.append(&mut sealed);
        Ok(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn parcels_come_back_in_the_same_job_and_bucket_only() {
        let key = ParcelKey::derive(SECRET, "job 1").unwrap();
        let attempt = Attempt::random().unwrap();
        let mut sealer = key.sealer(7, attempt);
        let first = sealer.seal(Content::Lines, 3, b"plain text").unwrap();
        let second = sealer.seal(Content::Keys, 3, b"plain text").unwrap();
        assert!(memchr::memmem::find(&first, b"plain").is_none());
        assert_ne!(first[HEAD_BYTES..], second[HEAD_BYTES..]);
        let opened = key.open(3, &first).unwrap();
        assert_eq!(
            opened,
            Opened {
                content: Content::Lines,
                group: 7,
                attempt,
                number: 0,
                plain: b"plain text".to_vec()
            }
        );
        assert_eq!(key.open(3, &second).unwrap().number, 1);
        assert!(key.open(4, &first).is_err());
        let other = ParcelKey::derive(SECRET, "job 2").unwrap();
        assert!(other.open(3, &first).is_err());
        let other = ParcelKey::derive(b"another secret of thirty-two bytes", "job 1").unwrap();
        let error = other.open(3, &first).unwrap_err();
        assert!(error.to_string().contains("another cluster secret"));
        for position in 0..first.len() {
            let mut changed = first.clone();
            changed[position] ^= 1;
            assert!(key.open(3, &changed).is_err(), "byte {position}");
        }
        for length in 0..first.len() {
            assert!(key.open(3, &first[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn short_secrets_are_refused_and_keys_are_not_printed() {
        let error = ParcelKey::derive(b"too short", "job").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let key = ParcelKey::derive(SECRET, "job 1").unwrap();
        assert_eq!(format!("{key:?}"), "ParcelKey(of job job 1)");
        assert_ne!(
            key.shared_secret("a").unwrap(),
            key.shared_secret("b").unwrap()
        );
    }
}
