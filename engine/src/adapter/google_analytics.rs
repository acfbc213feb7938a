//! Google Analytics: hits of the measurement protocol, one a line of the body
//! (`GoogleAnalyticsAdapter` of Scala Common Enrich 0.34.0, `com.google.analytics/v1`).
//!
//! In: the body; query string and content type are not looked at. Out: one raw event a line, or the
//! messages of all lines that failed. A hit becomes an unstructured event by its type (`event`),
//! contexts with the fields that every hit may have (`flat`), contexts of numbered things such as
//! the second product of the first list (`composite`), and a few tracker-protocol parameters as
//! they are.
//!
//! Difference: the reference has no limits. Here a body of more than 10,000 lines is refused, and so
//! is a hit whose currency code, repeated for every product, would take more than 16 MiB.

pub mod composite;
mod event;
mod flat;
mod table;
mod translate;

#[cfg(test)]
mod tests;

use super::raw_event::Parameters;
use super::shared::body::{no_body, unguarded_form};
use super::shared::events;
use super::shared::lookup;
use super::shared::unstruct::envelope;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;
use table::Context;

const VENDOR: &str = "GoogleAnalytics";
const TRACKER_VERSION: &str = "com.google.analytics.measurement-protocol-v1";
const PLATFORM: &str = "srv";
const CONTEXTS: &str = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1";

/// Most lines of a body: every event carries a copy of the request's headers. Google takes 20 hits
/// at once.
const MAX_LINES: usize = 10_000;

/// Parameters of the tracker protocol that take a parameter of any hit as it is.
const DIRECT: &[(&str, &str)] = &[
    ("uip", "ip"),
    ("dr", "refr"),
    ("de", "cs"),
    ("sd", "cd"),
    ("ul", "lang"),
    ("je", "f_java"),
    ("dl", "url"),
    ("dt", "page"),
    ("ta", "tr_af"),
    ("tr", "tr_tt"),
    ("ts", "tr_sh"),
    ("tt", "tr_tx"),
    ("in", "ti_nm"),
    ("ip", "ti_pr"),
    ("iq", "ti_qu"),
    ("ic", "ti_sk"),
    ("iv", "ti_ca"),
    ("ua", "ua"),
];

/// The same for parameters whose meaning depends on the hit: in a transaction, in any other.
const DIRECT_BY_HIT: &[(&str, &str, &str)] = &[("ti", "tr_id", "ti_id"), ("cu", "tr_cu", "ti_cu")];

/// One raw event for every line of the body.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = payload.body.take().unwrap_or_default();
    match lines(&body).count() {
        0 => return Err(no_body(VENDOR, "events")),
        count if count > MAX_LINES => {
            return Err(AdapterFailure::rejected(format!(
                "{VENDOR} payload has {count} lines, more than {MAX_LINES}"
            )));
        }
        _ => {}
    }
    let mut list = Vec::new();
    let mut failures = Vec::new();
    for line in lines(&body) {
        match hit(line) {
            Ok(parameters) => list.push(parameters),
            Err(AdapterFailure::Rejected(messages)) => failures.extend(messages),
            Err(exception) => return Err(exception),
        }
    }
    if failures.is_empty() {
        Ok(events(payload, list))
    } else {
        Err(AdapterFailure::Rejected(failures))
    }
}

/// Lines as Scala's `StringOps.lines` cuts them: at line feeds, which take a carriage return before
/// them along, and at form feeds.
fn lines(body: &str) -> impl Iterator<Item = &str> {
    body.split_inclusive(['\n', '\u{c}'])
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => line.strip_suffix('\r').unwrap_or(line),
            None => line.strip_suffix('\u{c}').unwrap_or(line),
        })
}

/// The parameters of the raw event that a hit becomes.
fn hit(line: &str) -> Result<Parameters, AdapterFailure> {
    let form = unguarded_form(line)?;
    let Some(hit_type) = form.get("t") else {
        return Err(AdapterFailure::rejected(format!(
            "No {VENDOR} t parameter provided: cannot determine hit type"
        )));
    };
    // A name without `=`: Java's null, which its messages print.
    let hit_type = hit_type.as_deref().unwrap_or("null");

    let mut messages = Vec::new();
    let event = event::table(hit_type);
    if event.is_none() {
        messages.push(format!(
            "No matching {VENDOR} hit type for hit type {hit_type}"
        ));
        if let Err(failure) = lookup::schema(VENDOR, Some(hit_type), &[]) {
            messages.extend(failure.into_messages());
        }
    }
    let mut contexts = flat::contexts(&form, &mut messages)?;
    contexts.extend(composite::contexts(&form, &mut messages)?);
    let Some(event) = event.filter(|_| messages.is_empty()) else {
        return Err(AdapterFailure::Rejected(messages));
    };
    let data = event::data(event, &form, &mut messages)?;
    if !messages.is_empty() {
        return Err(AdapterFailure::Rejected(messages));
    }

    // A page view's own data is found as a context, too.
    contexts.retain(|context| {
        event.schema != event::PAGE_VIEW.schema || context.schema() != event.schema
    });
    let mut parameters = Parameters::new();
    if !contexts.is_empty() {
        parameters.insert("co", Some(contexts_text(contexts)));
    }
    for (name, value) in form.iter() {
        if let Some(name) = direct(name, hit_type == "transaction") {
            parameters.insert(name, value.clone());
        }
    }
    let event = Context::new(event, data).into_value();
    parameters.insert("e", Some("ue".to_owned()));
    parameters.insert("ue_pr", Some(envelope(&event)));
    parameters.insert("tv", Some(TRACKER_VERSION.to_owned()));
    parameters.insert("p", Some(PLATFORM.to_owned()));
    Ok(parameters)
}

/// The parameter of the tracker protocol that takes the hit's parameter `name`.
fn direct(name: &str, transaction: bool) -> Option<&'static str> {
    let by_hit = || {
        let (_, yes, no) = DIRECT_BY_HIT.iter().find(|(from, _, _)| *from == name)?;
        Some(if transaction { *yes } else { *no })
    };
    match DIRECT.iter().find(|(from, _)| *from == name) {
        Some((_, to)) => Some(to),
        None => by_hit(),
    }
}

/// The value of `co`.
fn contexts_text(contexts: Vec<Context<'_>>) -> String {
    let data = contexts.into_iter().map(Context::into_value).collect();
    Value::object([
        ("schema", Value::string(CONTEXTS)),
        ("data", Value::Array(data)),
    ])
    .to_compact()
}
