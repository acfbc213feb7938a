//! `hostname`, `ipv4` and `ipv6` by the rules of Guava's `InternetDomainName` and `InetAddresses`.

use std::net::Ipv6Addr;

/// Labels of 1 to 63 UTF-16 units, up to 127 of them, 253 units in all; of ASCII only letters, digits,
/// `-` and `_`; neither of these two at either end; the last label does not start with a digit. One
/// trailing dot is ignored.
pub(super) fn is_hostname(text: &str) -> bool {
    let is_dot = |c: char| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    let name = match text.chars().next_back() {
        Some(last) if is_dot(last) => &text[..text.len() - last.len_utf8()],
        _ => text,
    };
    if name.encode_utf16().count() > 253 {
        return false;
    }
    let mut labels = 0;
    let mut last = "";
    for label in name.split(is_dot) {
        labels += 1;
        last = label;
        let edge = |c: Option<char>| matches!(c, Some('-' | '_'));
        if label.is_empty()
            || label.encode_utf16().count() > 63
            || edge(label.chars().next())
            || edge(label.chars().next_back())
            || !label
                .chars()
                .all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-' || c == '_')
        {
            return false;
        }
    }
    labels <= 127 && !last.starts_with(|c: char| c.is_ascii_digit())
}

/// Four decimals, or an IPv6 text of a mapped IPv4 address (which Java turns into one).
pub(super) fn is_ipv4(text: &str) -> bool {
    is_dotted_quad(text)
        || parse_ipv6(text).is_some_and(|address| address.to_ipv4_mapped().is_some())
}

/// Any text form of an address that is not a mapped IPv4 address; no zone.
pub(super) fn is_ipv6(text: &str) -> bool {
    parse_ipv6(text).is_some_and(|address| address.to_ipv4_mapped().is_none())
}

fn is_dotted_quad(text: &str) -> bool {
    let mut parts = 0;
    for part in text.split('.') {
        parts += 1;
        let octet = match part.as_bytes() {
            [] => return false,
            [b'0', _, ..] => return false,
            digits if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits
                .iter()
                .fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0')),
            _ => return false,
        };
        if octet > 255 {
            return false;
        }
    }
    parts == 4
}

fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames() {
        let label = "x".repeat(63);
        let long = format!("{label}.{label}.{label}.{}", "y".repeat(61));
        let many = vec!["a"; 127].join(".");
        for text in [
            "a",
            "localhost",
            "a_b.c",
            "a.b.",
            "é.com",
            "1.a",
            "a。b",
            &label,
            &long,
            &many,
            "a.é1",
        ] {
            assert!(is_hostname(text), "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "_a.b",
            "a_.b",
            "a.1",
            "a.1b",
            "a b",
            "a.b..",
            "a/b",
            &format!("{label}x"),
            &format!("{long}z"),
            &format!("{many}.a"),
        ] {
            assert!(!is_hostname(text), "{text}");
        }
    }

    #[test]
    fn addresses() {
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "0.0.0.0",
            "::ffff:1.2.3.4",
            "::ffff:102:304",
        ] {
            assert!(is_ipv4(text), "{text}");
            assert!(!is_ipv6(text), "{text}");
        }
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "2001:DB8::a",
            "1:2:3:4:5:6:1.2.3.4",
            "::1.2.3.4",
        ] {
            assert!(is_ipv6(text), "{text}");
            assert!(!is_ipv4(text), "{text}");
        }
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.2.3.4",
            "1.2.3.",
            "1.2.3.4 ",
            "[::1]",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7",
            "1::2::3",
            ":1",
            "1:",
            "12345::",
            ":::",
            "1:2:3:4:5:6:7:8:9",
            "::g",
        ] {
            assert!(!is_ipv4(text) && !is_ipv6(text), "{text}");
        }
    }
}
