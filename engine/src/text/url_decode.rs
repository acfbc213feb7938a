//! Percent-decoding as Java's `URLDecoder` does it.

/// `URLDecoder.decode(text, encoding)`; the error is Java's message.
pub fn java_url_decode(_text: &str, _encoding: &str) -> Result<String, String> {
    Ok(String::new())
}

/// Decodes, removes CR and LF, turns tabs into four spaces. The error is the reference's whole message
/// (`Field [{field}]: Exception URL-decoding [{text}] (encoding [{encoding}]): [...]`).
pub fn decode_field(_encoding: &str, _field: &str, _text: &str) -> Result<String, String> {
    Ok(String::new())
}
