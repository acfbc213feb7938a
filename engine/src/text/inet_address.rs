//! `InetAddress.getByName` of Java 8 for texts that are addresses.
//!
//! In: a text such as column `user_ipaddress`. Out: the address, in all the forms that Java takes: short
//! IPv4 (`1.2` is 1.0.0.2), leading zeros, decimal digits of any script, IPv6 with or without brackets,
//! IPv4 inside IPv6, a numeric zone; the empty text is 127.0.0.1. Java asks the name service about all other
//! texts; here only `localhost` has an address, and nothing is ever sent.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::java_number::digit;

/// A longer text is no address. Java has no such limit: a group of IPv6 may begin with any number of zeros.
const LONGEST: usize = 512;

/// An address, with the zone that IPv6 may have. Prints as Java's `getHostAddress`: IPv6 in eight groups
/// without leading zeros, none left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InetAddress {
    /// The address; IPv4 mapped into IPv6 is IPv4.
    pub ip: IpAddr,
    /// The number after `%`.
    pub zone: Option<i32>,
}

impl InetAddress {
    /// The address that `text` stands for; `None` where Java would ask the name service, or throw.
    pub fn parse(text: &str) -> Option<Self> {
        // what Rust takes for IPv4, Java takes for the same
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(ip.into());
        }
        if text.is_empty() || text.eq_ignore_ascii_case("localhost") {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        if text.len() > LONGEST {
            return None;
        }
        let chars: Vec<char> = text.chars().collect();
        match chars.as_slice() {
            ['[', inner @ .., ']'] if !inner.is_empty() => parse_v6(inner),
            ['[', ..] => None,
            // the short forms; only what begins like an address is taken for one
            chars => match parse_v4(chars) {
                Some(ip) => Some(ip.into()),
                None => parse_v6(chars),
            },
        }
    }
}

impl From<Ipv4Addr> for InetAddress {
    fn from(ip: Ipv4Addr) -> Self {
        Self {
            ip: ip.into(),
            zone: None,
        }
    }
}

impl fmt::Display for InetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}")?,
            IpAddr::V6(ip) => {
                for (index, group) in ip.segments().iter().enumerate() {
                    let separator = if index > 0 { ":" } else { "" };
                    write!(f, "{separator}{group:x}")?;
                }
            }
        }
        self.zone.map_or(Ok(()), |zone| write!(f, "%{zone}"))
    }
}

/// `Character.digit(c, 16)`.
fn hex_digit(c: char) -> Option<u8> {
    let of_letter = |first: char| 10 + (u32::from(c) - u32::from(first)) as u8;
    match c {
        'a'..='f' => Some(of_letter('a')),
        'A'..='F' => Some(of_letter('A')),
        // full width
        '\u{ff41}'..='\u{ff46}' => Some(of_letter('\u{ff41}')),
        '\u{ff21}'..='\u{ff26}' => Some(of_letter('\u{ff21}')),
        _ => digit(c),
    }
}

/// One to four decimal parts; the last one fills all bytes that are left.
fn parse_v4(chars: &[char]) -> Option<Ipv4Addr> {
    if chars.is_empty() || chars.len() > 15 {
        return None;
    }
    let mut bytes = [0; 4];
    let mut parts = 0;
    // at most 15 digits
    let mut value: u64 = 0;
    let mut is_new = true;
    for &c in chars {
        if c == '.' {
            if is_new || value > 0xff || parts == 3 {
                return None;
            }
            bytes[parts] = value as u8;
            parts += 1;
            value = 0;
            is_new = true;
        } else {
            value = value * 10 + u64::from(digit(c)?);
            is_new = false;
        }
    }
    if is_new || value >= 1 << ((4 - parts) * 8) {
        return None;
    }
    let last = (value as u32).to_be_bytes();
    bytes[parts..].copy_from_slice(&last[parts..]);
    Some(bytes.into())
}

/// IPv6, with `::`, an IPv4 end and a zone. A zone that is the name of a network interface means something
/// on one machine only: it is no address here.
fn parse_v6(text: &[char]) -> Option<InetAddress> {
    let (chars, zone) = match text.iter().position(|&c| c == '%') {
        Some(at) => (&text[..at], Some(numeric_zone(&text[at + 1..])?)),
        None => (text, None),
    };
    let ip = parse_groups(chars)?;
    Some(match ip.to_ipv4_mapped() {
        Some(ip) => ip.into(),
        None => InetAddress {
            ip: ip.into(),
            zone,
        },
    })
}

fn numeric_zone(chars: &[char]) -> Option<i32> {
    if chars.is_empty() {
        return None;
    }
    chars.iter().try_fold(0i32, |zone, &c| {
        Some(zone.wrapping_mul(10).wrapping_add(i32::from(digit(c)?)))
    })
}

fn parse_groups(chars: &[char]) -> Option<Ipv6Addr> {
    if chars.len() < 2 || (chars[0] == ':' && chars[1] != ':') {
        return None;
    }
    let mut bytes = [0; 16];
    let mut filled = 0;
    // where `::` stands
    let mut gap = None;
    let mut group: u32 = 0;
    let mut has_digit = false;
    let mut start = usize::from(chars[0] == ':');
    let mut at = start;
    while let Some(&c) = chars.get(at) {
        at += 1;
        if let Some(digit) = hex_digit(c) {
            group = group << 4 | u32::from(digit);
            if group > 0xffff {
                return None;
            }
            has_digit = true;
        } else if c == ':' {
            start = at;
            if !has_digit {
                if gap.is_some() {
                    return None;
                }
                gap = Some(filled);
                continue;
            }
            if at == chars.len() || filled + 2 > 16 {
                return None;
            }
            bytes[filled..filled + 2].copy_from_slice(&(group as u16).to_be_bytes());
            filled += 2;
            group = 0;
            has_digit = false;
        } else if c == '.' && filled + 4 <= 16 {
            let end = &chars[start..];
            if end.iter().filter(|&&c| c == '.').count() != 3 {
                return None;
            }
            bytes[filled..filled + 4].copy_from_slice(&parse_v4(end)?.octets());
            filled += 4;
            has_digit = false;
            break;
        } else {
            return None;
        }
    }
    if has_digit {
        if filled + 2 > 16 {
            return None;
        }
        bytes[filled..filled + 2].copy_from_slice(&(group as u16).to_be_bytes());
        filled += 2;
    }
    if let Some(gap) = gap {
        if filled == 16 {
            return None;
        }
        let behind = filled - gap;
        bytes.copy_within(gap..filled, 16 - behind);
        bytes[gap..16 - behind].fill(0);
        filled = 16;
    }
    (filled == 16).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_addresses() {
        for (text, address) in [
            ("216.160.83.56", "216.160.83.56"),
            ("", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            ("LocalHost", "127.0.0.1"),
            ("1.2", "1.0.0.2"),
            ("1.2.3", "1.2.0.3"),
            ("1.65535", "1.0.255.255"),
            ("1.16777215", "1.255.255.255"),
            ("3232235777", "192.168.1.1"),
            ("0", "0.0.0.0"),
            ("010.001.000.09", "10.1.0.9"),
            ("\u{661}.\u{ff12}.3.4", "1.2.3.4"),
            ("::", "0:0:0:0:0:0:0:0"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("[::1]", "0:0:0:0:0:0:0:1"),
            ("2001:DB8::a", "2001:db8:0:0:0:0:0:a"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("0000001::000", "1:0:0:0:0:0:0:0"),
            ("::1.2.3.4", "0:0:0:0:0:0:102:304"),
            ("1::1.2.3.4", "1:0:0:0:0:0:102:304"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:102:304", "1.2.3.4"),
            ("fe80::1%1", "fe80:0:0:0:0:0:0:1%1"),
            ("[fe80::1%12]", "fe80:0:0:0:0:0:0:1%12"),
            ("\u{ff41}::\u{ff26}", "a:0:0:0:0:0:0:f"),
        ] {
            let parsed = InetAddress::parse(text);
            assert_eq!(
                parsed.map(|a| a.to_string()).as_deref(),
                Some(address),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_that_are_none() {
        for text in [
            "hello",
            "cafe.example.com",
            "1.2.3.4.5",
            "1.2.3.",
            ".1.2.3",
            "1..2",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.65536",
            "4294967296",
            "1.2.3.4 ",
            " 1.2.3.4",
            "-1.2.3.4",
            "0x7f.1",
            "1.2.3.4:80",
            "0000000000000001",
            "[1.2.3.4]",
            "[]",
            "[",
            "[::1",
            "::1]",
            ":",
            ":1",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "1:2:3:4:5:6:7",
            "1:",
            "1::2:",
            "12345::",
            "::g",
            "::1.2.3",
            "1:2:3:4:5:6:7:1.2.3.4",
            "fe80::1%",
            "fe80::1%eth0",
            "%1",
            "foo//bar",
            "unknown",
            "\u{1d7cf}.2.3.4",
        ] {
            assert_eq!(InetAddress::parse(text), None, "{text}");
        }
        assert_eq!(InetAddress::parse(&"1".repeat(1 << 20)), None);
        assert_eq!(InetAddress::parse(&":".repeat(400)), None);
        assert_eq!(
            InetAddress::parse(&format!("::1%{}", "9".repeat(400))).map(|a| a.ip),
            Some(Ipv6Addr::LOCALHOST.into())
        );
    }
}
