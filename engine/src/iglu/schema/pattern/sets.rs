//! Sets of code units: sorted, disjoint ranges.

/// `\d`, `\s`, `\w` and their complements.
pub(super) fn class_escape(byte: u8) -> Option<Vec<(u16, u16)>> {
    let set = match byte.to_ascii_lowercase() {
        b'd' => vec![(0x30, 0x39)],
        // white space and line ends of ECMA 262 with the space separators of Java 8
        b's' => vec![
            (0x09, 0x0d),
            (0x20, 0x20),
            (0xa0, 0xa0),
            (0x1680, 0x1680),
            (0x180e, 0x180e),
            (0x2000, 0x200a),
            (0x2028, 0x2029),
            (0x202f, 0x202f),
            (0x205f, 0x205f),
            (0x3000, 0x3000),
            (0xfeff, 0xfeff),
        ],
        b'w' => vec![(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)],
        _ => return None,
    };
    Some(if byte.is_ascii_uppercase() {
        negate(&set)
    } else {
        set
    })
}

/// Everything but line ends.
pub(super) fn dot() -> Vec<(u16, u16)> {
    negate(&[(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)])
}

/// Sorted ranges without overlap.
pub(super) fn normalize(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut result: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match result.last_mut() {
            Some(last) if u32::from(from) <= u32::from(last.1) + 1 => last.1 = last.1.max(to),
            _ => result.push((from, to)),
        }
    }
    result
}

/// Everything outside of sorted ranges.
pub(super) fn negate(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut result = Vec::with_capacity(ranges.len() + 1);
    let mut next = Some(0_u16);
    for (from, to) in ranges {
        if let Some(start) = next.filter(|start| start < from) {
            result.push((start, from - 1));
        }
        next = to.checked_add(1);
    }
    if let Some(start) = next {
        result.push((start, u16::MAX));
    }
    result
}
