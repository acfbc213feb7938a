//! Base64: the lenient reading of commons-codec.

/// Decodes either alphabet, skips what is in neither, stops at the first `=`.
pub fn decode_lenient(_text: &[u8]) -> Vec<u8> {
    Vec::new()
}

/// Decodes to text (malformed UTF-8 becomes U+FFFD); `None` (a parameter without value) is the error
/// `Field [{field}]: exception Base64-decoding [null] (URL-safe encoding): [null]`.
pub fn decode_field(_field: &str, _text: Option<&str>) -> Result<String, String> {
    Ok(String::new())
}
