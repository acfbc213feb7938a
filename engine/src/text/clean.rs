//! Cleaning of texts: TSV-safe values, CloudFront's double percent-encoding, exception texts.

use std::borrow::Cow;

/// The reference's `fixTabsNewlines`: tabs become four spaces, other ASCII control characters vanish, an
/// empty result is absent.
pub fn tsv_safe(_text: &str) -> Option<Cow<'_, str>> {
    None
}

/// `%25XX` becomes `%XX`, one pass.
pub fn single_encode_pcts(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// Cleans an exception text for a bad row: instance ids, tabs, control characters, outer white space.
pub fn strip_exception(_text: &str) -> String {
    String::new()
}
