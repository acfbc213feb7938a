//! The checks that most webhooks make of body and content type, and bodies that are forms.

use super::exception::illegal_argument;
use super::parameters;
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;
use crate::collector::payload::CollectorPayload;
use crate::text::querystring::parse_form;

/// Content type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";
/// Content type of JSON.
pub const JSON: &str = "application/json";

/// What a webhook expects of body and content type.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Display name of the vendor.
    pub vendor: &'static str,
    /// The content type, as messages name it.
    pub content_type: &'static str,
    /// Whether a content type is accepted.
    pub accepts: fn(&str) -> bool,
    /// `event` or `events`, in the message about a missing body.
    pub events: &'static str,
    /// Whether an empty body is refused.
    pub refuse_empty: bool,
}

impl Expected {
    /// Takes the body out of the payload, when body and content type are as expected.
    pub fn take_body(&self, payload: &mut CollectorPayload) -> Result<String, AdapterFailure> {
        let Self {
            vendor,
            content_type: expected,
            ..
        } = self;
        let Some(body) = payload.body.take() else {
            return Err(self.no_body());
        };
        let message = match payload.content_type.as_deref() {
            None => format!(
                "Request body provided but content type empty, expected {expected} for {vendor}"
            ),
            Some(found) if !(self.accepts)(found) => {
                format!("Content type of {found} provided, expected {expected} for {vendor}")
            }
            Some(_) if self.refuse_empty && body.is_empty() => {
                format!("{vendor} event body is empty: nothing to process")
            }
            Some(_) => return Ok(body),
        };
        Err(AdapterFailure::rejected(message))
    }

    fn no_body(&self) -> AdapterFailure {
        no_body(self.vendor, self.events)
    }
}

/// The message about a missing body.
pub fn no_body(vendor: &str, events: &str) -> AdapterFailure {
    AdapterFailure::rejected(format!(
        "Request body is empty: no {vendor} {events} to process"
    ))
}

/// A form as a map; the error is the message of the URI exception.
pub fn form(body: &str) -> Result<Parameters, String> {
    parse_form(body).map(parameters)
}

/// A form as a map, where the reference does not catch the URI exception.
pub fn unguarded_form(body: &str) -> Result<Parameters, AdapterFailure> {
    form(body).map_err(illegal_argument)
}

#[cfg(test)]
mod tests {
    use super::super::testing::posted;
    use super::*;

    #[test]
    fn order_of_the_checks() {
        let expected = |refuse_empty| Expected {
            vendor: "Acme",
            content_type: "a/b",
            accepts: |found| found == "a/b",
            events: "events",
            refuse_empty,
        };
        for (content_type, body, refuse_empty, message) in [
            (
                None,
                None,
                true,
                "Request body is empty: no Acme events to process",
            ),
            (
                Some("x"),
                None,
                true,
                "Request body is empty: no Acme events to process",
            ),
            (
                None,
                Some(""),
                true,
                "Request body provided but content type empty, expected a/b for Acme",
            ),
            (
                Some("a/b; c"),
                Some(""),
                true,
                "Content type of a/b; c provided, expected a/b for Acme",
            ),
            (
                Some("a/b"),
                Some(""),
                true,
                "Acme event body is empty: nothing to process",
            ),
        ] {
            assert_eq!(
                expected(refuse_empty).take_body(&mut posted(&[], content_type, body)),
                Err(AdapterFailure::rejected(message))
            );
        }
        for (body, refuse_empty) in [("", false), ("x", true)] {
            assert_eq!(
                expected(refuse_empty)
                    .take_body(&mut posted(&[], Some("a/b"), Some(body)))
                    .as_deref(),
                Ok(body)
            );
        }
    }
}
