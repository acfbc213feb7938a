//! The list of addresses: networks, and single addresses that are compared as text.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::text::inet_address::InetAddress;

/// The list.
#[derive(Debug, Default)]
pub(super) struct AddressList {
    single: HashSet<InetAddress>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// First and last addresses of networks, in order and without overlap.
#[derive(Debug, Default)]
struct Ranges<N>(Vec<(N, N)>);

impl<N: Ord + Copy> Ranges<N> {
    fn new(mut ranges: Vec<(N, N)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(N, N)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    fn contains(&self, number: N) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= number);
        let before = behind.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|(_, last)| number <= *last)
    }
}

impl AddressList {
    /// Reads the list: one entry a line, blank lines apart.
    ///
    /// # Errors
    /// The entries that cannot be used, with their lines.
    pub(super) fn read(text: &str) -> Result<Self, Vec<String>> {
        let mut list = Self::default();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let (mut failures, mut entries) = (Vec::new(), 0);
        for (index, line) in text.lines().enumerate() {
            let entry = line.trim_matches(|c| c <= ' ');
            if entry.is_empty() {
                continue;
            }
            entries += 1;
            if !entry.contains('/') {
                // the reference compares texts; one that is not in Java's own form never matches
                let address = InetAddress::parse(entry);
                list.single
                    .extend(address.filter(|a| a.to_string() == entry));
            } else if let Some(network) = v4_network(entry) {
                v4.push((network.network().into(), network.broadcast().into()));
            } else if let Ok(network) = entry.parse::<Ipv6Net>() {
                v6.push((network.network().into(), network.broadcast().into()));
            } else {
                failures.push(format!(
                    "line {}: {entry:?} is no network such as 192.0.2.0/24; correct the line or remove it",
                    index + 1
                ));
            }
        }
        if entries == 0 {
            failures.push("no line with an entry: fetch the list anew".to_owned());
        }
        list.v4 = Ranges::new(v4);
        list.v6 = Ranges::new(v6);
        match failures.is_empty() {
            true => Ok(list),
            false => Err(failures),
        }
    }

    /// Whether an address is in the list.
    pub(super) fn contains(&self, address: &InetAddress) -> bool {
        let is_in_network = match address.ip {
            IpAddr::V4(ip) => self.v4.contains(ip.into()),
            IpAddr::V6(ip) => self.v6.contains(ip.into()),
        };
        is_in_network || self.single.contains(address)
    }
}

/// Four decimal numbers and the length of the prefix; zeros may stand before any of them.
fn v4_network(text: &str) -> Option<Ipv4Net> {
    let number = |text: &str| {
        let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let (address, length) = text.split_once('/')?;
    let mut octets = [0; 4];
    let mut parts = address.split('.');
    for octet in &mut octets {
        *octet = number(parts.next()?)?;
    }
    if parts.next().is_some() {
        return None;
    }
    Ipv4Net::new(Ipv4Addr::from(octets), number(length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses() {
        let list = AddressList::read(
            "131.52.0.0/15\r\n215.151.101.210\n\n 217.152.89.225/27 \n192.127.245.128/32\n12.0.0.0/8\n12.1.0.0/16\n012.0.0.0/031\n2001:db8::/32\n::5\n0:0:0:0:0:0:0:6\n1.2\nhost.example.com",
        )
        .unwrap();
        for (address, expected) in [
            ("131.51.255.255", false),
            ("131.52.0.0", true),
            ("131.53.255.255", true),
            ("131.54.0.0", false),
            ("215.151.101.210", true),
            ("215.151.101.211", false),
            ("217.152.89.223", false),
            ("217.152.89.224", true),
            ("217.152.89.255", true),
            ("192.127.245.128", true),
            ("192.127.245.129", false),
            ("12.34.56.78", true),
            ("12.255.255.255", true),
            ("13.0.0.0", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:12.0.0.1", true),
            // compared as text: `::5` is not how Java prints it
            ("::5", false),
            ("::6", true),
            ("::6%1", false),
            ("1.0.0.2", false),
        ] {
            let address = InetAddress::parse(address).unwrap();
            assert_eq!(list.contains(&address), expected, "{address}");
        }
        let all = AddressList::read("0.0.0.0/0").unwrap();
        assert!(all.contains(&InetAddress::parse("255.255.255.255").unwrap()));
    }

    #[test]
    fn unusable_entries_are_told() {
        let failures = AddressList::read(
            "1.2.3.4\n1.2.3.4/33\n256.0.0.0/8\n1.2.3/8\n1.2.3.4.5/8\n/\nx/1\n1.2.3.4/\n::/129",
        )
        .unwrap_err();
        assert_eq!(failures.len(), 8, "{failures:?}");
        assert!(
            failures[0].starts_with("line 2: \"1.2.3.4/33\" is no network"),
            "{failures:?}"
        );
        for empty in ["", "\n \n"] {
            assert_eq!(
                AddressList::read(empty).unwrap_err(),
                ["no line with an entry: fetch the list anew"]
            );
        }
    }
}
