//! The hash functions of pseudonymisation: lower-case hex of H(UTF-8(value + salt)), as
//! `PiiStrategyPseudonymize` (scala-common-enrich 0.34.0) writes it.

use std::fmt;
use std::fmt::Write as _;

use md2::Md2;
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

/// A hash function by its name in configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFunction {
    /// `MD2`
    Md2,
    /// `MD5`
    Md5,
    /// `SHA-1`
    Sha1,
    /// `SHA-256`
    Sha256,
    /// `SHA-384`
    Sha384,
    /// `SHA-512`
    Sha512,
}

impl HashFunction {
    /// The function of a name.
    ///
    /// # Errors
    /// The reference's text.
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "MD2" => Ok(Self::Md2),
            "MD5" => Ok(Self::Md5),
            "SHA-1" => Ok(Self::Sha1),
            "SHA-256" => Ok(Self::Sha256),
            "SHA-384" => Ok(Self::Sha384),
            "SHA-512" => Ok(Self::Sha512),
            _ => Err(format!("Unknown function {name}")),
        }
    }

    /// The name of the function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// Replaces texts by their hashes. The salt is never printed and wiped from memory at the end.
pub struct Pseudonym {
    function: HashFunction,
    salt: Zeroizing<String>,
}

impl Pseudonym {
    /// Hashes with `salt` behind every value.
    pub fn new(function: HashFunction, salt: &str) -> Self {
        Self {
            function,
            salt: Zeroizing::new(salt.to_owned()),
        }
    }

    /// The function.
    pub fn function(&self) -> HashFunction {
        self.function
    }

    /// The hash of `value`, lower-case hex.
    pub fn of(&self, value: &str) -> String {
        match self.function {
            HashFunction::Md2 => self.digest::<Md2>(value),
            HashFunction::Md5 => self.digest::<Md5>(value),
            HashFunction::Sha1 => self.digest::<Sha1>(value),
            HashFunction::Sha256 => self.digest::<Sha256>(value),
            HashFunction::Sha384 => self.digest::<Sha384>(value),
            HashFunction::Sha512 => self.digest::<Sha512>(value),
        }
    }

    fn digest<D: Digest>(&self, value: &str) -> String {
        let mut digest = D::new();
        digest.update(value.as_bytes());
        digest.update(self.salt.as_bytes());
        let bytes = digest.finalize();
        let mut hex = String::with_capacity(2 * bytes.len());
        for byte in bytes.as_slice() {
            // a String takes every write
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({}, ..)", self.function.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_value_and_salt() {
        let hash = |name, value, salt| {
            Pseudonym::new(HashFunction::from_name(name).unwrap(), salt).of(value)
        };
        assert_eq!(
            hash("SHA-256", "john@acme.com", "pepper123"),
            "7d8a4beae5bc9d314600667d2f410918f9af265017a6ade99f60a9c8f3aac6e9"
        );
        assert_eq!(
            hash("SHA-256", "70.46.123.145", "pepper123"),
            "dd9720903c89ae891ed5c74bb7a9f2f90f6487927ac99afe73b096ad0287f3f5"
        );
        // RFC 1319, RFC 1321, FIPS 180: the digests of "abc"
        for (name, hex) in [
            ("MD2", "da853b0d3f88d99b30283a69e6ded6bb"),
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "SHA-256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(hash(name, "ab", "c"), hex);
            assert_eq!(HashFunction::from_name(name).unwrap().name(), name);
        }
        assert!(hash("SHA-384", "abc", "").starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(hash("SHA-512", "abc", "").starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(
            HashFunction::from_name("SHA-3").unwrap_err(),
            "Unknown function SHA-3"
        );
    }

    #[test]
    fn the_salt_is_not_printed() {
        let text = format!("{:?}", Pseudonym::new(HashFunction::Md5, "pepper123"));
        assert!(!text.contains("pepper"), "{text}");
    }
}
