//! Versions as RubyGems compares them: a pre-release (`0.15.0-rc4`) sorts before its release.

use std::cmp::Ordering;

/// Compares two versions.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (segments(one), segments(other));
    let nothing = Segment::Number(0);
    for index in 0..one.len().max(other.len()) {
        let a = one.get(index).unwrap_or(&nothing);
        let b = other.get(index).unwrap_or(&nothing);
        let order = match (a, b) {
            (Segment::Number(a), Segment::Number(b)) => a.cmp(b),
            (Segment::Word(a), Segment::Word(b)) => a.cmp(b),
            // a letter makes a pre-release
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[derive(Debug, PartialEq)]
enum Segment<'v> {
    Number(u64),
    Word(&'v str),
}

/// Runs of digits and runs of letters; `-` stands for `.pre.`, as in RubyGems.
fn segments(version: &str) -> Vec<Segment<'_>> {
    let mut found = Vec::new();
    let mut rest = version.trim();
    while let Some(first) = rest.chars().next() {
        let end_of = |is: fn(&char) -> bool| {
            rest.char_indices()
                .find(|(_, c)| !is(c))
                .map_or(rest.len(), |(at, _)| at)
        };
        let end = if first.is_ascii_digit() {
            let end = end_of(char::is_ascii_digit);
            found.push(Segment::Number(rest[..end].parse().unwrap_or(u64::MAX)));
            end
        } else if first.is_ascii_alphabetic() {
            let end = end_of(char::is_ascii_alphabetic);
            found.push(Segment::Word(&rest[..end]));
            end
        } else {
            if first == '-' {
                found.push(Segment::Word("pre"));
            }
            first.len_utf8()
        };
        rest = &rest[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_in_rubygems() {
        for (one, other, expected) in [
            ("0.14.0", "0.15.0", Ordering::Less),
            ("0.15.0-rc4", "0.15.0", Ordering::Less),
            ("0.15.0-rc5", "0.15.0-rc4", Ordering::Greater),
            ("0.15.0-rc10", "0.15.0-rc4", Ordering::Greater),
            ("0.15.0-rc4", "0.15.0-rc4", Ordering::Equal),
            ("0.14.9", "0.15.0-rc4", Ordering::Less),
            ("0.16.0", "0.15.0-rc4", Ordering::Greater),
            ("5.9", "5.9.0", Ordering::Equal),
            ("5.10.0", "5.9.0", Ordering::Greater),
            ("4.0.0", "3.11.0", Ordering::Greater),
            ("", "0", Ordering::Equal),
        ] {
            assert_eq!(compare(one, other), expected, "{one} {other}");
            assert_eq!(compare(other, one), expected.reverse());
        }
    }
}
