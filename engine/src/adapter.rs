//! Adapters: one collector payload becomes one or more raw events.
//!
//! In: a [`CollectorPayload`]. Out: raw events (at least one), or the reason why the whole payload
//! is bad. The choice by vendor and version, the adapters and their texts are those of the adapter
//! registry of Scala Common Enrich 0.34.0 (Snowplow R108). Neither here nor there is the HTTP
//! method looked at: a body that is present stands for POST.

pub mod callrail;
pub mod cloudfront_access_log;
pub mod google_analytics;
pub mod hubspot;
pub mod iglu;
pub mod mailchimp;
pub mod mailgun;
pub mod mandrill;
pub mod marketo;
pub mod olark;
pub mod pagerduty;
pub mod pingdom;
pub mod raw_event;
pub mod redirect;
pub mod sendgrid;
pub mod shared;
pub mod status_gator;
pub mod tp1;
pub mod tp2;
pub mod unbounce;
pub mod urban_airship;
pub mod vero;

use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use raw_event::RawEvent;

/// What an adapter makes of a payload.
pub type AdapterResult = Result<Vec<RawEvent>, AdapterFailure>;

/// An adapter: consumes a payload, may look schemas up.
pub type Adapter = fn(CollectorPayload, &Resolver) -> AdapterResult;

/// Why a payload gave no raw events: the whole record becomes one bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterFailure {
    /// Refused with these messages, in order; never empty.
    Rejected(Vec<String>),
    /// The reference's adapter would throw; its job catches that and writes the stack trace.
    Unexpected {
        /// Class of the exception, e.g. `java.lang.IllegalArgumentException`.
        class: &'static str,
        /// Message of the exception, if it has one.
        message: Option<String>,
    },
}

impl AdapterFailure {
    /// Refused with a single message.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::Rejected(vec![message.into()])
    }

    /// An exception of `class` with a message.
    pub fn unexpected(class: &'static str, message: impl Into<String>) -> Self {
        Self::Unexpected {
            class,
            message: Some(message.into()),
        }
    }

    /// The messages of the bad row. Of a stack trace only the first line (with its line feed) is
    /// given: the frames below it are those of a program that is not running here.
    pub fn into_messages(self) -> Vec<String> {
        match self {
            Self::Rejected(messages) => messages,
            Self::Unexpected { class, message } => {
                let text = message.map(|m| format!(": {m}")).unwrap_or_default();
                vec![format!(
                    "Unexpected error processing events: {class}{text}\n"
                )]
            }
        }
    }
}

/// Every adapter by vendor and version, those of the trackers first.
// One line an adapter: `rustfmt` would break the longer ones.
#[rustfmt::skip]
const ADAPTERS: &[(&str, &str, Adapter)] = &[
    ("com.snowplowanalytics.snowplow", "tp2", tp2::raw_events),
    ("com.snowplowanalytics.snowplow", "tp1", tp1::raw_events),
    ("r", "tp2", redirect::raw_events),
    ("com.snowplowanalytics.iglu", "v1", iglu::raw_events),
    ("com.amazon.aws.cloudfront", "wd_access_log", cloudfront_access_log::raw_events),
    ("com.callrail", "v1", callrail::raw_events),
    ("com.getvero", "v1", vero::raw_events),
    ("com.google.analytics", "v1", google_analytics::raw_events),
    ("com.hubspot", "v1", hubspot::raw_events),
    ("com.mailchimp", "v1", mailchimp::raw_events),
    ("com.mailgun", "v1", mailgun::raw_events),
    ("com.mandrill", "v1", mandrill::raw_events),
    ("com.marketo", "v1", marketo::raw_events),
    ("com.olark", "v1", olark::raw_events),
    ("com.pagerduty", "v1", pagerduty::raw_events),
    ("com.pingdom", "v1", pingdom::raw_events),
    ("com.sendgrid", "v3", sendgrid::raw_events),
    ("com.statusgator", "v1", status_gator::raw_events),
    ("com.unbounce", "v1", unbounce::raw_events),
    ("com.urbanairship.connect", "v1", urban_airship::raw_events),
];

/// The raw events of a payload, by the adapter that its api names.
///
/// # Errors
/// The adapter's reasons, or `Payload with vendor {vendor} and version {version} not supported by
/// this version of Scala Common Enrich`.
pub fn raw_events(payload: CollectorPayload, resolver: &Resolver) -> AdapterResult {
    let api = &payload.api;
    match find(&api.vendor, &api.version) {
        Some(adapter) => adapter(payload, resolver),
        None => Err(AdapterFailure::rejected(format!(
            "Payload with vendor {} and version {} not supported by this version of Scala Common \
             Enrich",
            api.vendor, api.version
        ))),
    }
}

/// The adapter of a vendor and a version.
fn find(vendor: &str, version: &str) -> Option<Adapter> {
    ADAPTERS
        .iter()
        .find(|(v, n, _)| *v == vendor && *n == version)
        .map(|(_, _, adapter)| *adapter)
}

#[cfg(test)]
mod tests {
    use super::shared::testing::{payload, resolver};
    use super::*;

    #[test]
    fn unknown_vendors_and_versions() {
        for (vendor, version) in [
            ("com.acme", "v1"),
            ("com.snowplowanalytics.snowplow", "tp3"),
            ("R", "tp2"),
        ] {
            let mut payload = payload(&[("a", "b")]);
            payload.api.vendor = vendor.to_owned();
            payload.api.version = version.to_owned();
            assert_eq!(
                raw_events(payload, &resolver())
                    .unwrap_err()
                    .into_messages(),
                [format!(
                    "Payload with vendor {vendor} and version {version} not supported by this \
                     version of Scala Common Enrich"
                )]
            );
        }
    }

    #[test]
    fn the_registry_has_no_doubles() {
        for (index, (vendor, version, _)) in ADAPTERS.iter().enumerate() {
            assert!(
                ADAPTERS[..index]
                    .iter()
                    .all(|(v, n, _)| (v, n) != (vendor, version)),
                "{vendor}/{version}"
            );
        }
    }

    #[test]
    fn messages_of_exceptions() {
        assert_eq!(
            AdapterFailure::unexpected("a.B", "c").into_messages(),
            ["Unexpected error processing events: a.B: c\n"]
        );
        let silent = AdapterFailure::Unexpected {
            class: "a.B",
            message: None,
        };
        assert_eq!(
            silent.into_messages(),
            ["Unexpected error processing events: a.B\n"]
        );
    }
}
