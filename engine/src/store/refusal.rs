//! What S3 answered when it did not do what was asked: the class of the error, its words, what a person can do, and
//! whether another try is worth it.
//!
//! In: errors of `object_store`, whose text carries the XML of S3's answer. Out: an [`Error`] that names the object, S3's code, the
//! status, the id of the request and a remedy.

use crate::error::{Error, ErrorKind};
use object_store::Error as Store;
use object_store::client::{HttpError, HttpErrorKind};

/// Whether a failed request may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail again.
    No,
    /// The answer cannot be read, or does not say why: a HEAD has no body, so that `RequestTimeout` and a mistake of ours look
    /// the same. A few tries tell.
    Few,
    /// Broken connection, time-out, throttle, error of the server.
    Yes,
}

/// Codes of passing errors that have a status of permanent ones, or none (those of single keys of a deletion).
const PASSING: [&str; 7] = [
    "RequestTimeout",
    "InternalError",
    "SlowDown",
    "ServiceUnavailable",
    "OperationAborted",
    "ConditionalRequestConflict",
    "BadDigest",
];

/// How `object_store` begins what it says of answers that it cannot read.
const UNREADABLE: [&str; 4] = [
    "Got invalid list response",
    "Got invalid multipart response",
    "Got invalid DeleteObjects response",
    "Unable to extract metadata from headers",
];

/// Where credentials come from: who has none waits long enough for `object_store`'s own tries.
const CREDENTIALS: [&str; 4] = [
    "169.254.169.254",
    "169.254.170.",
    "AssumeRole",
    "no credentials of AWS",
];

/// Whether another try is worth it.
pub(super) fn judge(error: &Store) -> Again {
    let text = error.to_string();
    let is_passing = PASSING.iter().any(|code| {
        text.contains(&format!("<Code>{code}</Code>")) || text.contains(&format!("(code: {code})"))
    });
    match error {
        Store::AlreadyExists { .. } if is_passing => return Again::Yes,
        Store::Generic { .. } => {}
        _ => return Again::No,
    }
    if CREDENTIALS.iter().any(|place| text.contains(place)) {
        return Again::No;
    }
    if is_passing || http_error(error).is_some() {
        return Again::Yes;
    }
    match status(&text) {
        Some(501) => Again::No,
        Some(408 | 429 | 500..=599) => Again::Yes,
        Some(400) if code(&text).is_none() => Again::Few,
        None if text.contains("Server returned error response") => Again::Yes,
        None if UNREADABLE.iter().any(|words| text.contains(words)) => Again::Few,
        _ => Again::No,
    }
}

/// The error of the connection below an error, if there is one.
fn http_error(error: &Store) -> Option<&HttpError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(http) = current.downcast_ref::<HttpError>() {
            return Some(http);
        }
        cause = current.source();
    }
    None
}

/// Puts `object_store`'s error into one of our classes and words, with the name of the object.
pub(crate) fn s3_error(place: &str, error: Store) -> Error {
    let text = error.to_string();
    let kind = match &error {
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => ErrorKind::Denied,
        Store::Precondition { .. } | Store::NotModified { .. } => ErrorKind::Changed,
        Store::AlreadyExists { .. } => ErrorKind::NotEmpty,
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Config,
        other => class_of(other, &text),
    };
    Error::new(kind, place).with_source(in_words(&text))
}

/// The class of an error that `object_store` calls generic.
fn class_of(error: &Store, text: &str) -> ErrorKind {
    let kind = http_error(error).map(HttpError::kind);
    if kind.is_some_and(|kind| !matches!(kind, HttpErrorKind::Decode | HttpErrorKind::Unknown)) {
        return ErrorKind::Timeout;
    }
    if text.contains("<Code>NoSuchUpload</Code>") {
        // a 404 in S3, a 400 elsewhere
        return ErrorKind::NotFound;
    }
    match status(text) {
        Some(401 | 403) => ErrorKind::Denied,
        Some(404) => ErrorKind::NotFound,
        Some(412) => ErrorKind::Changed,
        Some(429 | 503) => ErrorKind::Throttled,
        Some(408 | 504) => ErrorKind::Timeout,
        _ if text.contains("SlowDown") => ErrorKind::Throttled,
        _ if text.contains("RequestTimeout") => ErrorKind::Timeout,
        _ => ErrorKind::Io,
    }
}

/// The HTTP status. The type that holds it is private: its text is all there is.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn code(text: &str) -> Option<&str> {
    element(text, "Code")
}

/// The content of an element of the XML in an answer.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content.trim()).filter(|content| !content.is_empty())
}

/// S3's code, status, request and message instead of its XML, and what to do.
fn in_words(text: &str) -> String {
    let Some(code) = code(text) else {
        let mut words = shorten(text);
        if let Some(advice) = advice("", status(text), text) {
            words.push_str(&format!("; {advice}"));
        }
        return words;
    };
    let mut words = code.to_owned();
    if let Some(status) = status(text) {
        words.push_str(&format!(" (HTTP {status})"));
    }
    if let Some(request) = element(text, "RequestId") {
        words.push_str(&format!(", request {request}"));
    }
    if let Some(message) = element(text, "Message") {
        words.push_str(&format!(": {}", message.trim_end_matches('.')));
    }
    let mut words = shorten(&words);
    if let Some(advice) = advice(code, status(text), text) {
        words.push_str(&format!("; {advice}"));
    }
    words
}

fn advice(code: &str, status: Option<u16>, text: &str) -> Option<&'static str> {
    Some(match code {
        "NoSuchBucket" => "check the bucket's name",
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" => {
            "check the access key and its secret, or leave both out to use the machine's role"
        }
        "ExpiredToken" | "ExpiredTokenException" => "renew the credentials, then run again",
        "RequestTimeTooSkewed" => "set this machine's clock",
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => "set the region of the bucket",
        "InvalidObjectState" => {
            "the object lies in an archive storage class: restore it, then run again"
        }
        _ if code.starts_with("KMS.") => {
            "check that the KMS key exists in this region, is enabled, and that kms:GenerateDataKey and kms:Decrypt are allowed"
        }
        _ if text.contains("incorrectly configured region") => "set the region of the bucket",
        // a HEAD has no body that would tell which of the two it is
        "" if matches!(status, Some(401 | 403)) => {
            "check the access key and its secret, and that the IAM policy and the bucket's policy allow it (`camonica iam-policy` \
             prints what a run needs)"
        }
        _ if matches!(status, Some(401 | 403)) => {
            "allow it in the IAM policy and the bucket's policy (`camonica iam-policy` prints what a run needs); a bucket \
             that demands encryption needs aws.s3.buckets.encrypted: true (camonica-engine: --encrypted)"
        }
        _ => return None,
    })
}

/// Bodies of errors can be long; the start tells enough.
fn shorten(text: &str) -> String {
    const MOST: usize = 1_500;
    if text.len() <= MOST {
        return text.to_owned();
    }
    let end = (0..=MOST).rev().find(|end| text.is_char_boundary(*end));
    format!("{}...", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Store {
        Store::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    fn answer(status: u16, code: &str) -> String {
        format!(
            "Error performing GET http://h/b/k in 3ms - Server returned non-2xx status code: {status} Words: \
             <?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>As it says.</Message><RequestId>4711</RequestId></Error>"
        )
    }

    #[test]
    fn errors_get_a_class_and_name_the_object() {
        for (error, kind) in [
            (
                generic("non-2xx status code: 403 Forbidden: <Error/>"),
                ErrorKind::Denied,
            ),
            (
                generic("non-2xx status code: 404 Not Found: NoSuchBucket"),
                ErrorKind::NotFound,
            ),
            (
                generic("non-2xx status code: 503 : <Code>SlowDown</Code>"),
                ErrorKind::Throttled,
            ),
            (
                generic("Server returned error response: SlowDown"),
                ErrorKind::Throttled,
            ),
            (
                generic("non-2xx status code: 400 : <Code>RequestTimeout</Code>"),
                ErrorKind::Timeout,
            ),
            (generic(&answer(400, "NoSuchUpload")), ErrorKind::NotFound),
            (generic("anything else"), ErrorKind::Io),
            (
                Store::Precondition {
                    path: "k".into(),
                    source: "412".into(),
                },
                ErrorKind::Changed,
            ),
            (
                Store::NotFound {
                    path: "k".into(),
                    source: "404".into(),
                },
                ErrorKind::NotFound,
            ),
        ] {
            let text = error.to_string();
            let mapped = s3_error("s3://b/k", error);
            assert_eq!(mapped.kind(), kind, "{text}");
            assert!(mapped.to_string().starts_with("s3://b/k: "), "{mapped}");
        }
        let long = s3_error("s3://b/k", generic(&"é".repeat(5_000)));
        assert!(long.to_string().len() < 1_600);
    }

    #[test]
    fn people_read_words_and_no_xml() {
        let denied = Store::PermissionDenied {
            path: "k".into(),
            source: answer(403, "AccessDenied").into(),
        };
        let text = s3_error("s3://b/k", denied).to_string();
        assert!(
            text.starts_with(
                "s3://b/k: AccessDenied (HTTP 403), request 4711: As it says; allow it in the IAM policy"
            ) && text.contains("aws.s3.buckets.encrypted: true"),
            "{text}"
        );
        for (code, advice) in [
            ("NoSuchBucket", Some("bucket's name")),
            ("SignatureDoesNotMatch", Some("access key")),
            ("KMS.NotFoundException", Some("kms:GenerateDataKey")),
            ("AuthorizationHeaderMalformed", Some("region")),
            ("InvalidArgument", None),
        ] {
            let text = s3_error("s3://b/k", generic(&answer(400, code))).to_string();
            let expected = format!("s3://b/k: {code} (HTTP 400), request 4711: As it says");
            match advice {
                Some(advice) => {
                    let told = text.strip_prefix(&expected).unwrap_or_default();
                    assert!(told.contains(advice), "{text}");
                }
                None => assert_eq!(text, expected),
            }
        }
        // a HEAD has no body
        let bare = generic("Server returned non-2xx status code: 403 Forbidden: ");
        assert!(
            s3_error("s3://b/k", bare)
                .to_string()
                .contains("IAM policy")
        );
    }

    #[test]
    fn what_is_worth_another_try() {
        for (text, expected) in [
            (answer(400, "RequestTimeout"), Again::Yes),
            (answer(500, "InternalError"), Again::Yes),
            (answer(503, "SlowDown"), Again::Yes),
            (answer(502, "x"), Again::Yes),
            (answer(501, "NotImplemented"), Again::No),
            (answer(400, "InvalidRequest"), Again::No),
            (
                "Server returned non-2xx status code: 400 Bad Request: ".to_owned(),
                Again::Few,
            ),
            (
                "Server returned error response: <Error>InternalError".to_owned(),
                Again::Yes,
            ),
            (
                "DeleteObjects request failed for key k: slow (code: SlowDown)".to_owned(),
                Again::Yes,
            ),
            (
                "DeleteObjects request failed for key k: no (code: AccessDenied)".to_owned(),
                Again::No,
            ),
            (
                "Got invalid list response: unexpected end".to_owned(),
                Again::Few,
            ),
            (
                "Error performing PUT http://169.254.169.254/latest/api/token, after 10 retries: status code: 500"
                    .to_owned(),
                Again::No,
            ),
            ("anything else".to_owned(), Again::No),
        ] {
            assert_eq!(judge(&generic(&text)), expected, "{text}");
        }
        let broken = HttpError::new(
            HttpErrorKind::Interrupted,
            std::io::Error::other("connection reset"),
        );
        let broken = Store::Generic {
            store: "S3",
            source: Box::new(broken),
        };
        assert_eq!(judge(&broken), Again::Yes);
        let exists = |code| Store::AlreadyExists {
            path: "k".into(),
            source: answer(409, code).into(),
        };
        assert_eq!(judge(&exists("ConditionalRequestConflict")), Again::Yes);
        assert_eq!(judge(&exists("BucketAlreadyExists")), Again::No);
        let absent = Store::NotFound {
            path: "k".into(),
            source: answer(404, "NoSuchKey").into(),
        };
        assert_eq!(judge(&absent), Again::No);
    }
}
