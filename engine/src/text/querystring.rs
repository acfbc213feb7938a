//! Query strings and forms as Apache `URLEncodedUtils` reads them behind a `java.net.URI` check.

/// Name-value pairs in order; a name without `=` has no value.
pub type NameValuePairs = Vec<(String, Option<String>)>;

/// Pairs of a raw query string (text after `?`); the error is the reference's whole message
/// (`Exception extracting name-value pairs from querystring [...] with encoding [...]: [...]`).
pub fn parse_querystring(_raw: Option<&str>, _encoding: &str) -> Result<NameValuePairs, String> {
    Ok(Vec::new())
}

/// Pairs of a form body; the error is only `java.net.URI`'s message, for the caller to frame.
pub fn parse_form(_body: &str) -> Result<NameValuePairs, String> {
    Ok(Vec::new())
}
