//! The reference's `stringToUri`: Java's parser first, scala-uri's as a second chance.
//!
//! In: the text of a page or referrer. Out: its `java.net.URI`, or the whole message of Scala Common
//! Enrich's `ConversionUtils`.

#[cfg(test)]
mod golden;

use std::borrow::Cow;

use super::java_uri::JavaUri;
use super::scala_uri::ScalaUri;

/// The URI of a page or referrer, `None` for an absent text; the error is the reference's whole message.
pub fn string_to_uri(text: Option<&str>) -> Result<Option<JavaUri>, String> {
    let Some(original) = text else {
        return Ok(None);
    };
    let first = match JavaUri::parse(&escape_spaces(original)) {
        Ok(uri) => return Ok(Some(uri)),
        Err(message) => message,
    };
    let Some(second) = ScalaUri::parse(original) else {
        return Err(format!(
            "Provided URI string [{original}] could not be parsed by Netaporter: [{first}]"
        ));
    };
    let rendered = second.render();
    match JavaUri::parse(&escape_spaces(&rendered)) {
        Ok(uri) => Ok(Some(uri)),
        Err(message) => Err(format!(
            "Provided URI string [{rendered}] violates RFC 2396: [{message}]"
        )),
    }
}

/// Spaces are the one defect that is mended before the first attempt.
fn escape_spaces(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b' ', text.as_bytes()).is_some() {
        Cow::Owned(text.replace(' ', "%20"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> Result<String, String> {
        string_to_uri(Some(text)).map(|uri| uri.unwrap().text)
    }

    #[test]
    fn accepted_and_mended_texts() {
        assert_eq!(string_to_uri(None), Ok(None));
        for (text, expected) in [
            ("", ""),
            ("http://ex.com/?a=b c", "http://ex.com/?a=b%20c"),
            ("http://ex.com/?a=b+c", "http://ex.com/?a=b+c"),
            ("http://ex.com/adlink|3.0", "http://ex.com/adlink%7C3.0"),
            ("http://ex.com/?a=b|c", "http://ex.com/?a=b%7Cc"),
            ("http://ex.com/|/?a=b+c", "http://ex.com/%7C/?a=b%2Bc"),
            ("ex.com/a|b", "/ex.com/a%7Cb"),
            ("mailto:a|b", "/mailto:a%7Cb"),
            ("file:///c|/x", "/c%7C/x"),
            ("http://ex.com/a b|c", "http://ex.com/a%20b%7Cc"),
            ("http://ex.com/%zz", "error"),
        ] {
            match text_of(text) {
                Ok(uri) => assert_eq!(uri, expected),
                Err(_) => assert_eq!(expected, "error", "{text}"),
            }
        }
    }

    #[test]
    fn both_failure_texts() {
        assert_eq!(
            text_of("http://ex.com/%zz"),
            Err(
                "Provided URI string [http://ex.com/%zz] could not be parsed by Netaporter: \
                 [Malformed escape pair at index 14: http://ex.com/%zz]"
                    .to_owned()
            )
        );
        assert_eq!(
            text_of("http://a|b.com/ x"),
            Err(
                "Provided URI string [http://a|b.com/%20x] violates RFC 2396: \
                 [Illegal character in authority at index 7: http://a|b.com/%20x]"
                    .to_owned()
            )
        );
        // the message of the second failure is about the text with its spaces replaced, its frame is not
        assert_eq!(
            text_of("http://ex.com/#a b|c"),
            Err(
                "Provided URI string [http://ex.com/#a b|c] violates RFC 2396: \
                 [Illegal character in fragment at index 20: http://ex.com/#a%20b|c]"
                    .to_owned()
            )
        );
    }
}
