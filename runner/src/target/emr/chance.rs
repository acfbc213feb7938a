//! Chance: tokens of attempts, ids of logs, pauses.

use engine::job::options::now_ms;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // the time is unique enough for one runner under its lock
        for (byte, part) in bytes.iter_mut().zip(now_ms().to_le_bytes().iter().cycle()) {
            *byte = *part;
        }
    }
    bytes
}

/// 32 random hexadecimal digits.
pub(super) fn random_hex() -> String {
    random::<16>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A number from 0 to 1.
pub(super) fn chance() -> f64 {
    f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX)
}

/// A UUID of version 4.
pub(crate) fn random_uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
