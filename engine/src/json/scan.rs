//! Finds the bytes that cannot be copied between JSON text and plain text as they are: `"`, `\` and
//! everything below U+0020. The same set stops the reader of a string and the printer of one.

/// 0x01 in every byte.
const ONES: u64 = u64::MAX / 255;
/// 0x80 in every byte.
const HIGH: u64 = ONES << 7;

/// Index of the first byte at or behind `from` that is `"`, `\` or a control character below 0x20;
/// the length of `bytes` when there is none.
pub(super) fn special(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        // eight bytes at once: the lowest marked byte is exact, only bytes above it may be marked by a borrow
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let found = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let found = found & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::special;
    use proptest::prelude::*;

    fn naive(bytes: &[u8], from: usize) -> usize {
        (from..bytes.len())
            .find(|&i| bytes[i] < 0x20 || bytes[i] == b'"' || bytes[i] == b'\\')
            .unwrap_or_else(|| bytes.len().max(from))
    }

    #[test]
    fn every_byte_in_every_lane() {
        for byte in 0..=255u8 {
            for lane in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[lane] = byte;
                assert_eq!(special(&bytes, 0), naive(&bytes, 0), "{byte} in {lane}");
                assert_eq!(special(&bytes, 3), naive(&bytes, 3), "{byte} in {lane}");
            }
        }
    }

    #[test]
    fn beyond_the_end() {
        assert_eq!(special(b"abc", 3), 3);
        assert_eq!(special(b"", 0), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(special(&bytes, 0), naive(&bytes, 0));
        }
    }
}
