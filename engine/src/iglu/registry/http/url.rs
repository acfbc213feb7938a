//! What `java.net.URL` says about an address: which protocol it has, or why it is malformed.

use reqwest::Url;

/// What an address leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `http` or `https`.
    Web(Url),
    /// `file`: the reference's reader opens these too.
    File,
    /// A protocol of Java's that is not offered here, or an address without a host: the exception.
    Unsupported(String),
}

impl Target {
    /// Looks at `url`; the error is the message of the `MalformedURLException`.
    pub(super) fn of(url: &str) -> Result<Self, String> {
        let trimmed = url.trim_matches(|c: char| c <= ' ');
        let protocol =
            protocol(trimmed).ok_or_else(|| format!("no protocol: {}", printable(url)))?;
        match protocol.to_ascii_lowercase().as_str() {
            "http" | "https" => web(trimmed),
            "file" => Ok(Self::File),
            known @ ("ftp" | "jar" | "mailto" | "netdoc") => Ok(Self::Unsupported(format!(
                "java.io.IOException: protocol {known} is not supported"
            ))),
            unknown => Err(format!("unknown protocol: {unknown}")),
        }
    }
}

/// The text before the first colon, if no slash comes before it and it has the form of a protocol.
fn protocol(url: &str) -> Option<&str> {
    let end = url.find([':', '/'])?;
    let (protocol, rest) = url.split_at(end);
    let mut bytes = protocol.bytes();
    let legal = rest.starts_with(':')
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-'));
    legal.then_some(protocol)
}

fn web(url: &str) -> Result<Target, String> {
    let authority = authority(url).unwrap_or_default();
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let port = match host_port.rfind([':', ']']) {
        Some(at) if host_port[at..].starts_with(':') => &host_port[at + 1..],
        _ => "",
    };
    match port.parse::<i64>() {
        Ok(number) if number < -1 => return Err(format!("Invalid port number :{number}")),
        Err(_) if !port.is_empty() => return Err(format!("For input string: \"{port}\"")),
        _ => {}
    }
    // The parser of the client would take a host from the path where none is given.
    if host_port.is_empty() || host_port.starts_with(':') {
        let protocol = protocol(url).unwrap_or("http").to_ascii_lowercase();
        return Ok(Target::Unsupported(format!(
            "java.lang.IllegalArgumentException: protocol = {protocol} host = null"
        )));
    }
    Url::parse(url)
        .map(Target::Web)
        .map_err(|why| why.to_string())
}

/// What stands between `//` and the path.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#', '\\']).next()
}

/// `url` without user name and password, for messages and logs.
pub(super) fn printable(url: &str) -> String {
    let Some((start, rest)) = url.split_once("//") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{start}//{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_as_java_judges_them() {
        let malformed = [
            (
                "iglucentral.com/schemas/x",
                "no protocol: iglucentral.com/schemas/x",
            ),
            ("/schemas/x", "no protocol: /schemas/x"),
            ("", "no protocol: "),
            ("1http://h/x", "no protocol: 1http://h/x"),
            ("u:pw@h/x", "unknown protocol: u"),
            ("foo://h/x", "unknown protocol: foo"),
            ("s3://bucket/x", "unknown protocol: s3"),
            ("localhost:80/x", "unknown protocol: localhost"),
            ("http://h:port/x", "For input string: \"port\""),
            ("http://h:-2/x", "Invalid port number :-2"),
            ("http://h:99999/x", "invalid port number"),
        ];
        for (url, why) in malformed {
            assert_eq!(Target::of(url), Err(why.to_owned()), "{url}");
        }
        for url in [
            "http://h/x",
            "HTTPS://h:8443//x",
            " http://u:p@h/x",
            "http://[::1]:8080/x",
        ] {
            assert!(matches!(Target::of(url), Ok(Target::Web(_))), "{url}");
        }
        assert_eq!(Target::of("file:///tmp/x"), Ok(Target::File));
        for url in ["http:///x", "http://:80/x", "http:x", "ftp://h/x"] {
            assert!(
                matches!(Target::of(url), Ok(Target::Unsupported(_))),
                "{url}"
            );
        }
        assert!(Target::of("http://exa mple/x").is_err());
    }

    #[test]
    fn secrets_of_an_address_are_not_printed() {
        let cases = [
            ("http://u:pw@h:80/a@b", "http://h:80/a@b"),
            ("http://u:p/w@h/x", "http://u:p/w@h/x"),
            ("http://u@x:pw@h", "http://h"),
            ("http://h/x?y=a@b", "http://h/x?y=a@b"),
            ("h/x", "h/x"),
        ];
        for (url, printed) in cases {
            assert_eq!(printable(url), printed);
        }
    }
}
