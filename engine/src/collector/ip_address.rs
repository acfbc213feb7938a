//! The address of the client behind a proxy: the first header `X-Forwarded-For` or `Forwarded`
//! that names one, else the address that the collector saw.
//!
//! Equivalent, without a regular expression, to the two patterns of `IpAddressExtractor` in Scala
//! Common Enrich 0.34.0, which are matched against the lower-cased header line:
//! `^x-forwarded-for: "?\[?((?:[0-9a-f]|\.|:+)+).*\]?"?` and the same after `forwarded: for=`.

/// The address in the first matching header, else `fallback`.
pub fn client_address(headers: &[impl AsRef<str>], fallback: Option<&str>) -> Option<String> {
    headers
        .iter()
        .find_map(|header| forwarded_address(header.as_ref()))
        .or_else(|| fallback.map(str::to_owned))
}

/// The first address of a forwarding header, in lower case; `None` for any other header. A port
/// after an IPv4 address is taken along, as the reference does.
fn forwarded_address(header: &str) -> Option<String> {
    let rest = strip_prefix_ignore_case(header, "x-forwarded-for: ")
        .or_else(|| strip_prefix_ignore_case(header, "forwarded: for="))?;
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let rest = rest.strip_prefix('[').unwrap_or(rest);
    let end = rest
        .bytes()
        .position(|b| !(b.is_ascii_hexdigit() || b == b'.' || b == b':'))
        .unwrap_or(rest.len());
    let (address, tail) = rest.split_at(end);
    // The patterns' `.*` stops at a line terminator, and then they do not match at all.
    if address.is_empty() || tail.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        return None;
    }
    Some(address.to_ascii_lowercase())
}

/// `text` without `prefix` (ASCII, lower case).
fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_headers() {
        for (header, expected) in [
            (
                "X-Forwarded-For: 129.78.138.66, 129.78.64.103",
                "129.78.138.66",
            ),
            ("x-forwarded-for: 1.2.3.4:8080", "1.2.3.4:8080"),
            ("X-FORWARDED-FOR: 2001:0DB8::1", "2001:0db8::1"),
            ("X-Forwarded-For: \"[2001:db8::1]\"", "2001:db8::1"),
            ("X-Forwarded-For: [2001:db8::1]:80", "2001:db8::1"),
            ("Forwarded: for=2001:db8::1, for=1.2.3.4", "2001:db8::1"),
            ("Forwarded: for=\"[::1]\", \"1.2.3.4\"", "::1"),
            // Any run of hex digits passes for an address.
            ("X-Forwarded-For: deadbeef", "deadbeef"),
        ] {
            assert_eq!(
                forwarded_address(header).as_deref(),
                Some(expected),
                "{header}"
            );
        }
    }

    #[test]
    fn headers_without_an_address() {
        for header in [
            "",
            "X-Forwarded-For: ",
            "X-Forwarded-For:1.2.3.4",
            "X-Forwarded-For: unknown, 1.2.3.4",
            "X-Forwarded-For: localhost",
            "Forwarded: by=1.2.3.4",
            "Forwarded:  for=1.2.3.4",
            " X-Forwarded-For: 1.2.3.4",
            "X-Forwarded-For: 1.2.3.4\nX: y",
            "ẞ-Forwarded-For: 1.2.3.4",
            "X-Forwarded-Foré",
        ] {
            assert_eq!(forwarded_address(header), None, "{header}");
        }
    }

    #[test]
    fn first_matching_header_wins_over_the_socket() {
        let headers = [
            "Accept: */*",
            "X-Forwarded-For: unknown",
            "Forwarded: for=10.0.0.1",
            "X-Forwarded-For: 10.0.0.2",
        ];
        assert_eq!(
            client_address(&headers, Some("9.9.9.9")).as_deref(),
            Some("10.0.0.1")
        );
        assert_eq!(
            client_address(&headers[..2], Some("9.9.9.9")).as_deref(),
            Some("9.9.9.9")
        );
        assert_eq!(client_address(&headers[..0], None), None);
    }
}
