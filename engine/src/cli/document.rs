//! Options that carry a JSON document: base64, as EmrEtlRunner passes it, or the path of a file.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::text::base64::decode_option;

/// The text of a document option. A value that names an existing file is read; anything else must be base64 in either
/// alphabet. `option` names the option in errors.
///
/// # Errors
/// `Config` when the value is neither, or the file cannot be read.
pub fn read(option: &str, value: &str) -> Result<String> {
    let path = Path::new(value);
    if path.is_file() {
        return fs::read_to_string(path)
            .map_err(|error| Error::io(format!("{option} {value}"), error));
    }
    // A path that does not exist is base64 by its alphabet alone; a document begins with a brace.
    match decode_option(value).map(String::from_utf8) {
        Some(Ok(text)) if text.trim_start().starts_with('{') => Ok(text),
        _ => Err(Error::config(format!(
            "{option}: `{}` is neither the path of a file nor the base64 of a JSON document",
            shortened(value)
        ))),
    }
}

/// The beginning of a long value: enough to recognise it in an error.
fn shortened(value: &str) -> String {
    let mut text: String = value.chars().take(80).collect();
    if text.len() < value.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_or_path() {
        assert_eq!(read("--iglu-config", "eyJhIjoxfQ==").unwrap(), "{\"a\":1}");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{}").unwrap();
        assert_eq!(
            read("--iglu-config", file.path().to_str().unwrap()).unwrap(),
            "{}"
        );
        let error = read("--iglu-config", "/no/such/file.json").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("--iglu-config: `/no/such/file.json` is neither"),
            "{error}"
        );
        assert!(
            read("--iglu-config", &"x".repeat(500))
                .unwrap_err()
                .to_string()
                .contains("...")
        );
    }
}
