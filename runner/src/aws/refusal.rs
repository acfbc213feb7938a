//! What an AWS service answered when it did not do what was asked: worth another try or not, and what a person should do.
//!
//! In: errors of the SDK. Out: [`Refusal`], whose text names the object, the operation, the service's code, the id of the
//! request and a remedy. A 200 whose body is an error (CopyObject and CompleteMultipartUpload may send it) arrives here as an
//! error as well, since the SDK looks into the body.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// Longest text of a service that is passed on, in bytes.
const MOST_TEXT: usize = 600;

/// Whether a failed request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It would fail again.
    No,
    /// Broken connection, time-out, error of the server.
    Yes,
    /// The service asks for fewer requests.
    Slower,
    /// A 400 without a code, as the answer to a HEAD is: `RequestTimeout` or a mistake of ours. A few tries tell.
    Few,
}

/// A request that failed.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// HTTP status, if there was an answer.
    pub(crate) status: Option<u16>,
    /// The service's code, as `AccessDenied`; empty if there was none.
    pub(crate) code: String,
    /// Whether it may be tried again.
    pub(crate) retry: Retry,
    /// Requests that were made; earlier ones may have had an effect although their answers were lost.
    pub(crate) tries: u32,
    message: String,
    request_id: Option<String>,
    region: Option<String>,
}

/// Codes of passing errors, whatever their status is.
const PASSING: [&str; 12] = [
    "InternalError",
    "InternalServerError",
    "InternalServerException",
    "InternalFailure",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestTimeoutException",
    "OperationAborted",
    "ConditionalRequestConflict",
    // damaged on its way
    "BadDigest",
    "IncompleteBody",
    "IDPCommunicationError",
];

/// Codes that ask for fewer requests.
const SLOWER: [&str; 11] = [
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
];

impl Refusal {
    /// From an error of the SDK.
    pub(crate) fn new<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let raw = error.raw_response();
        let header = |name: &str| {
            raw.and_then(|raw| raw.headers().get(name))
                .map(ToOwned::to_owned)
        };
        let status = raw.map(|raw| raw.status().as_u16());
        let (request_id, region) = (header("x-amz-request-id"), header("x-amz-bucket-region"));
        let (code, message, retry) = match &error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or_default().to_owned();
                let message = service.err().message().unwrap_or_default().to_owned();
                let retry = judge(status.unwrap_or_default(), &code);
                (code, message, retry)
            }
            // No answer, or one that cannot be read.
            other => {
                let message = chain(other);
                (String::new(), message, judge_transport(other))
            }
        };
        Self {
            status,
            code,
            retry,
            tries: 1,
            message: shortened(message),
            request_id,
            region,
        }
    }

    /// An answer that broke off or contradicts itself: another try is worth it.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self {
            status: None,
            code: String::new(),
            retry: Retry::Yes,
            tries: 1,
            message: message.into(),
            request_id: None,
            region: None,
        }
    }

    /// An answer that we do not accept, under a code of ours.
    pub(crate) fn ours(code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            retry: Retry::No,
            ..Self::broken(message)
        }
    }

    /// Whether the service's code is one of `codes`.
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }

    /// Whether the object is not there. A bucket that is not there is something else.
    pub(crate) fn is_absent(&self) -> bool {
        self.is(&["NoSuchKey", "NotFound"]) || (self.status == Some(404) && self.code.is_empty())
    }

    /// Whether the upload is not there.
    pub(crate) fn is_no_upload(&self) -> bool {
        self.is(&["NoSuchUpload"])
    }

    /// Whether a condition (`If-Match`, `If-None-Match`) did not hold.
    pub(crate) fn is_precondition(&self) -> bool {
        self.status == Some(412) || self.is(&["PreconditionFailed"])
    }

    /// Whether the service does not know what was asked for.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.status == Some(501)
            || self.is(&[
                "NotImplemented",
                "MalformedXML",
                "XNotImplemented",
                "UnsupportedOperation",
            ])
    }

    /// For people: `what` names the object, `operation` S3's operation.
    pub(crate) fn text(&self, what: &str, operation: &str) -> String {
        let mut text = format!("{what}: {operation}: ");
        if self.code.is_empty() {
            match self.status {
                Some(status) => text.push_str(&format!("HTTP {status}")),
                None => text.push_str("no answer"),
            }
        } else {
            text.push_str(&self.code);
            if let Some(status) = self.status {
                text.push_str(&format!(" (HTTP {status})"));
            }
        }
        if let Some(id) = &self.request_id {
            text.push_str(&format!(", request {id}"));
        }
        if !self.message.is_empty() {
            text.push_str(&format!(": {}", self.message.trim_end_matches('.')));
        }
        if self.tries > 1 {
            text.push_str(&format!("; given up after {} tries", self.tries));
        }
        if let Some(advice) = self.advice(operation) {
            text.push_str(&format!(". {advice}"));
        }
        text
    }

    fn advice(&self, operation: &str) -> Option<String> {
        let text = match self.code.as_str() {
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
                return Some(format!(
                    "Allow {} in the IAM policy and the bucket's policy (`camonica iam-policy` prints what a run needs); a bucket \
                     that demands encryption needs aws.s3.buckets.encrypted: true, objects with tags need \
                     s3:GetObjectTagging and s3:PutObjectTagging",
                    actions_of(operation)
                ));
            }
            "NoSuchBucket" => "Check the bucket's name in aws.s3.buckets",
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" => {
                "Check aws.access_key_id and aws.secret_access_key, or leave both out to use the instance's role"
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                "Renew the credentials, then resume the run"
            }
            "RequestTimeTooSkewed" => "Set this machine's clock",
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "MovedPermanently" => {
                return Some(match &self.region {
                    Some(region) => format!("Set aws.s3.region: the bucket is in {region}"),
                    None => "Set aws.s3.region to the region of the bucket".to_owned(),
                });
            }
            "InvalidObjectState" => {
                "The object lies in an archive storage class: restore it, then resume the run"
            }
            "EntityTooSmall" | "EntityTooLarge" => "Check the part sizes of camonica's settings",
            code if code.starts_with("KMS.") => {
                "Check that the KMS key exists in this region, is enabled, and that kms:GenerateDataKey and kms:Decrypt are allowed"
            }
            _ => match (self.status, self.retry) {
                (Some(301), _) => {
                    return Some(match &self.region {
                        Some(region) => format!("Set aws.s3.region: the bucket is in {region}"),
                        None => "Set aws.s3.region to the region of the bucket".to_owned(),
                    });
                }
                // a HEAD has no body that would tell which of the two it is
                (Some(403), _) => {
                    return Some(format!(
                        "Check aws.access_key_id and aws.secret_access_key, and allow {} in the IAM policy and the bucket's policy (`camonica iam-policy` prints what a run needs)",
                        actions_of(operation)
                    ));
                }
                (_, Retry::Few) => {
                    "Check aws.s3.region, the credentials (they may have expired) and the bucket"
                }
                (_, Retry::Yes | Retry::Slower) => {
                    "Nothing is lost: resume the run when the service answers again"
                }
                (None, Retry::No) => {
                    "Check the credentials (aws.access_key_id, the environment, the instance's role) and the endpoint"
                }
                _ => return None,
            },
        };
        Some(text.to_owned())
    }
}

/// The IAM actions that an operation of S3 takes.
fn actions_of(operation: &str) -> &'static str {
    match operation {
        "ListObjectsV2" => "s3:ListBucket",
        "HeadObject" | "GetObject" => "s3:GetObject",
        "CopyObject" | "UploadPartCopy" => {
            "s3:GetObject on the source and s3:PutObject on the target"
        }
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            "s3:PutObject"
        }
        "DeleteObject" | "DeleteObjects" => "s3:DeleteObject",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "ListParts" => "s3:ListMultipartUploadParts",
        "GetObjectTagging" => "s3:GetObjectTagging",
        _ => "it",
    }
}

/// Whether a service's answer is worth another try.
fn judge(status: u16, code: &str) -> Retry {
    if SLOWER.contains(&code) || status == 429 {
        return Retry::Slower;
    }
    if PASSING.contains(&code) {
        return Retry::Yes;
    }
    match status {
        501 => Retry::No,
        503 => Retry::Slower,
        400 if code.is_empty() => Retry::Few,
        // An error in the body of a 200 without a code that says more.
        200 | 408 | 500..=599 => Retry::Yes,
        _ => Retry::No,
    }
}

fn judge_transport<E>(error: &SdkError<E, HttpResponse>) -> Retry
where
    E: Error + 'static,
{
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(credentials) = inner.downcast_ref::<CredentialsError>() {
            return match credentials {
                CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
                    Retry::Yes
                }
                _ => Retry::No,
            };
        }
        cause = inner.source();
    }
    match error {
        SdkError::ConstructionFailure(_) => Retry::No,
        SdkError::DispatchFailure(failure) if failure.is_user() => Retry::No,
        _ => Retry::Yes,
    }
}

/// An error and its causes, one after the other, each said once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

fn shortened(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or_default();
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_another_try() {
        for (status, code, expected) in [
            (500, "InternalError", Retry::Yes),
            (200, "InternalError", Retry::Yes),
            (200, "SlowDown", Retry::Slower),
            (200, "", Retry::Yes),
            (502, "", Retry::Yes),
            (503, "SlowDown", Retry::Slower),
            (503, "", Retry::Slower),
            (504, "", Retry::Yes),
            (429, "", Retry::Slower),
            (400, "RequestTimeout", Retry::Yes),
            (400, "BadDigest", Retry::Yes),
            (409, "ConditionalRequestConflict", Retry::Yes),
            (400, "InvalidRequest", Retry::No),
            (400, "", Retry::Few),
            (400, "ThrottlingException", Retry::Slower),
            (403, "AccessDenied", Retry::No),
            (404, "NoSuchKey", Retry::No),
            (412, "PreconditionFailed", Retry::No),
            (501, "NotImplemented", Retry::No),
            (301, "PermanentRedirect", Retry::No),
        ] {
            assert_eq!(judge(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn texts_name_the_object_and_a_remedy() {
        let mut refusal = Refusal {
            status: Some(403),
            code: "AccessDenied".into(),
            retry: Retry::No,
            tries: 1,
            message: "Access Denied.".into(),
            request_id: Some("4711".into()),
            region: None,
        };
        let text = refusal.text("s3://b/k", "CopyObject");
        assert!(
            text.starts_with(
                "s3://b/k: CopyObject: AccessDenied (HTTP 403), request 4711: Access Denied. Allow s3:GetObject on the source"
            ),
            "{text}"
        );
        refusal.code = "PermanentRedirect".into();
        refusal.region = Some("eu-central-1".into());
        let text = refusal.text("s3://b/k", "HeadObject");
        assert!(text.ends_with("the bucket is in eu-central-1"), "{text}");
        refusal.code.clear();
        refusal.status = None;
        refusal.retry = Retry::Yes;
        refusal.tries = 7;
        let text = refusal.text("s3://b/k", "HeadObject");
        assert!(
            text.contains("no answer") && text.contains("given up after 7 tries"),
            "{text}"
        );
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("connection refused");
        let outer = std::io::Error::other(inner);
        assert_eq!(chain(&outer), "connection refused");
        let credentials = CredentialsError::not_loaded("no credentials found in chain");
        let text = chain(&credentials);
        assert!(
            text.ends_with("no credentials found in chain") && !text.contains("NotLoaded"),
            "{text}"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = shortened("ü".repeat(2000));
        assert!(text.len() <= MOST_TEXT + 4 && text.ends_with(" ..."));
    }
}
