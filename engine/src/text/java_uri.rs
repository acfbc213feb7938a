//! `java.net.URI`: RFC 2396 plus "other" characters, with its error texts.

/// A parsed URI; parts are raw (undecoded) and absent where `java.net.URI` returns null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaUri {
    /// The text that was parsed (`toString`).
    pub text: String,
    /// Scheme, as written.
    pub scheme: Option<String>,
    /// Host of a server-based authority.
    pub host: Option<String>,
    /// Port, or -1.
    pub port: i32,
    /// Raw path; absent for opaque URIs.
    pub path: Option<String>,
    /// Raw query.
    pub query: Option<String>,
    /// Raw fragment.
    pub fragment: Option<String>,
}

impl JavaUri {
    /// `new URI(text)`; the error is the message of the `URISyntaxException`.
    pub fn parse(_text: &str) -> Result<Self, String> {
        Err(String::new())
    }
}
