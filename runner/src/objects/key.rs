//! Keys in S3 as they are, and the two ways in which S3 wants them encoded.
//!
//! [`engine::store::Location`] takes several slashes for one and has no control characters; a key that another program
//! wrote may have anything. So moves work on [`Key`] and relative names of listings, not on locations.

use std::fmt;

use engine::store::Location;

/// Bucket and key, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The bucket.
    pub(crate) bucket: String,
    /// The key; never begins with a slash of ours.
    pub(crate) key: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters would make a line of a log lie.
        write!(f, "s3://{}/{}", self.bucket, printable(&self.key))
    }
}

/// `text` with its control characters escaped.
pub(crate) fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars()
            .flat_map(|c| {
                let escaped: Box<dyn Iterator<Item = char>> = if c.is_control() {
                    Box::new(c.escape_default())
                } else {
                    Box::new(std::iter::once(c))
                };
                escaped
            })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

impl Key {
    /// The object at a location in S3.
    pub(crate) fn of(location: &Location) -> Option<Self> {
        let (bucket, key) = location.bucket_and_key()?;
        Some(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The prefix of a folder in S3: ends in `/`, so that `processing` does not hold `processing2`; empty for a whole bucket.
    pub(crate) fn prefix_of(folder: &Location) -> Option<Self> {
        let mut prefix = Self::of(folder)?;
        if !prefix.key.is_empty() {
            prefix.key.push('/');
        }
        Some(prefix)
    }

    /// The object `relative` below this prefix.
    pub(crate) fn below(&self, relative: &str) -> Self {
        Self {
            bucket: self.bucket.clone(),
            key: format!("{}{relative}", self.key),
        }
    }

    /// The value of `x-amz-copy-source`.
    pub(crate) fn copy_source(&self) -> String {
        let mut text = String::with_capacity(self.bucket.len() + self.key.len() + 16);
        text.push_str(&self.bucket);
        text.push('/');
        for &byte in self.key.as_bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
        text
    }
}

/// A key of a listing with `encoding-type=url`.
///
/// # Errors
/// When it is not UTF-8 or has a broken escape.
pub(crate) fn decode(text: &str) -> Result<String, String> {
    let broken = || {
        format!(
            "a listing has a key that cannot be read: {}",
            printable(text)
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or_else(broken)?;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                match (digit(digits[0]), digit(digits[1])) {
                    (Some(high), Some(low)) => {
                        bytes.push(u8::try_from(high << 4 | low).map_err(|_| broken())?);
                    }
                    _ => return Err(broken()),
                }
                rest = after;
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// Whether a relative key is an object for us: folder markers (`…/`, `…$folder$`) are none.
pub(crate) fn counts(relative: &str) -> bool {
    !relative.is_empty() && !relative.ends_with('/') && !relative.ends_with("$folder$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_bytes() {
        let key = Key::prefix_of(&Location::parse("s3n://b/a/run=1/").unwrap())
            .unwrap()
            .below("x//y +%ü.gz");
        assert_eq!(key.to_string(), "s3://b/a/run=1/x//y +%ü.gz");
        assert_eq!(key.copy_source(), "b/a/run%3D1/x//y%20%2B%25%C3%BC.gz");
        let whole = Key::prefix_of(&Location::parse("s3://b").unwrap()).unwrap();
        assert_eq!(whole.below("k").key, "k");
        assert!(Key::of(&Location::parse("/x").unwrap()).is_none());
        assert_eq!(whole.below("a\nb").to_string(), "s3://b/a\\nb");
    }

    #[test]
    fn listed_keys_are_decoded() {
        for (text, key) in [
            ("a/b.gz", "a/b.gz"),
            ("run%3D1/a+b%2Bc%25", "run=1/a b+c%"),
            ("%C3%BC%0A", "ü\n"),
            ("ü", "ü"),
        ] {
            assert_eq!(decode(text).unwrap(), key);
        }
        for broken in ["%", "%4", "%zz", "%ff", "a%C3"] {
            assert!(decode(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn folder_markers_do_not_count() {
        for (key, expected) in [
            ("a", true),
            ("a/b", true),
            ("", false),
            ("a/", false),
            ("a_$folder$", false),
            ("$folder$", false),
            ("a_$folder$/b", true),
            (" ", true),
        ] {
            assert_eq!(counts(key), expected, "{key}");
        }
    }
}
