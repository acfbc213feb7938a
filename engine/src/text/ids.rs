//! Identifiers that the reference draws at random and that we derive, so that a second run of a job
//! gives the same output: version 4 UUIDs with bits from a keyed hash.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// Key of the derived identifiers of one run.
#[derive(Debug, Clone, Copy)]
pub struct RunKey {
    k0: u64,
    k1: u64,
}

impl RunKey {
    /// The key that belongs to a run id (any text that names the run).
    pub fn new(run_id: &str) -> Self {
        let mut hasher = SipHasher13::new_with_keys(0x6361_6d6f_6e69_6361, 0x7275_6e5f_6b65_7931);
        hasher.write(run_id.as_bytes());
        let hash = hasher.finish128();
        Self {
            k0: hash.h1,
            k1: hash.h2,
        }
    }

    /// A UUID of version 4 (lower case, canonical) for the parts, which are separated unambiguously.
    pub fn uuid(&self, parts: &[&[u8]]) -> String {
        let mut hasher = SipHasher13::new_with_keys(self.k0, self.k1);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        let mut bytes = hasher.finish128().as_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        format_uuid(&bytes)
    }
}

/// The canonical lower-case form of 16 bytes.
fn format_uuid(bytes: &[u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(HEX[usize::from(byte >> 4)] as char);
        text.push(HEX[usize::from(byte & 15)] as char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_parts_same_uuid_of_version_4() {
        let key = RunKey::new("2018-07-24-10-00-00");
        let id = key.uuid(&[b"a.gz", &7u64.to_le_bytes()]);
        assert_eq!(id, key.uuid(&[b"a.gz", &7u64.to_le_bytes()]));
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn parts_are_not_run_together() {
        let key = RunKey::new("r");
        assert_ne!(key.uuid(&[b"ab", b"c"]), key.uuid(&[b"a", b"bc"]));
        assert_ne!(key.uuid(&[b"ab"]), RunKey::new("s").uuid(&[b"ab"]));
    }
}
