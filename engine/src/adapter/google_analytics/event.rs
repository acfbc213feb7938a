//! The unstructured event of a hit, by the type of the hit.

use super::table::{Fields, Table, cents, flag, integer, measurement_protocol, text};
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;
use crate::json::Value;

/// A page view, whose fields other hits may have as well.
pub(super) const PAGE_VIEW: Table = Table {
    schema: measurement_protocol!("page_view"),
    fields: &[
        text("dl", "documentLocationUrl"),
        text("dh", "documentHostName"),
        text("dp", "documentPath"),
        text("dt", "documentTitle"),
    ],
};

/// Types of hits and their events.
static EVENTS: [(&str, Table); 8] = [
    ("pageview", PAGE_VIEW),
    (
        "screenview",
        Table {
            schema: measurement_protocol!("screen_view"),
            fields: &[text("cd", "screenName")],
        },
    ),
    (
        "event",
        Table {
            schema: measurement_protocol!("event"),
            fields: &[
                text("ec", "category"),
                text("ea", "action"),
                text("el", "label"),
                integer("ev", "value"),
            ],
        },
    ),
    (
        "transaction",
        Table {
            schema: measurement_protocol!("transaction"),
            fields: &[
                text("ti", "id"),
                text("ta", "affiliation"),
                cents("tr", "revenue"),
                cents("ts", "shipping"),
                cents("tt", "tax"),
                text("tcc", "couponCode"),
                text("cu", "currencyCode"),
            ],
        },
    ),
    (
        "item",
        Table {
            schema: measurement_protocol!("item"),
            fields: &[
                text("ti", "transactionId"),
                text("in", "name"),
                cents("ip", "price"),
                integer("iq", "quantity"),
                text("ic", "code"),
                text("iv", "category"),
                text("cu", "currencyCode"),
            ],
        },
    ),
    (
        "social",
        Table {
            schema: measurement_protocol!("social"),
            fields: &[
                text("sn", "network"),
                text("sa", "action"),
                text("st", "actionTarget"),
            ],
        },
    ),
    (
        "exception",
        Table {
            schema: measurement_protocol!("exception"),
            fields: &[text("exd", "description"), flag("exf", "isFatal")],
        },
    ),
    (
        "timing",
        Table {
            schema: measurement_protocol!("timing"),
            fields: &[
                text("utc", "userTimingCategory"),
                text("utv", "userTimingVariableName"),
                integer("utt", "userTimingTime"),
                text("utl", "userTimingLabel"),
                integer("plt", "pageLoadTime"),
                integer("dns", "dnsTime"),
                integer("pdt", "pageDownloadTime"),
                integer("rrt", "redirectResponseTime"),
                integer("tcp", "tcpConnectTime"),
                integer("srt", "serverResponseTime"),
                integer("dit", "domInteractiveTime"),
                integer("clt", "contentLoadTime"),
            ],
        },
    ),
];

/// The table of a type of hit.
pub(super) fn table(hit_type: &str) -> Option<&'static Table> {
    EVENTS
        .iter()
        .find(|(known, _)| *known == hit_type)
        .map(|(_, table)| table)
}

/// The data of the event; messages about fields that could not be translated go to `messages`.
///
/// # Errors
/// Where the reference throws.
pub(super) fn data<'a>(
    table: &'static Table,
    form: &'a Parameters,
    messages: &mut Vec<String>,
) -> Result<Value<'a>, AdapterFailure> {
    let mut fields = Fields::default();
    for (name, value) in form.iter() {
        if let Some(field) = table.fields.iter().find(|field| field.parameter == name) {
            fields.add(field, value.as_deref())?;
        }
    }
    Ok(fields.into_data(messages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::shared::body::form;

    fn printed(hit_type: &str, line: &str) -> (String, Vec<String>) {
        let mut messages = Vec::new();
        let form = form(line).unwrap();
        let data = data(table(hit_type).unwrap(), &form, &mut messages).unwrap();
        (data.to_compact(), messages)
    }

    #[test]
    fn every_type_takes_all_its_fields() {
        for (hit_type, table) in &EVENTS {
            let line: Vec<String> = table
                .fields
                .iter()
                .map(|field| format!("{}=1", field.parameter))
                .collect();
            let (data, messages) = printed(hit_type, &line.join("&"));
            assert!(messages.is_empty(), "{hit_type}");
            for field in table.fields {
                assert!(data.contains(&format!("\"{}\":", field.name)), "{data}");
            }
            assert_eq!(data.matches(':').count(), table.fields.len());
        }
    }

    #[test]
    fn names_are_distinct() {
        for (index, (hit_type, table)) in EVENTS.iter().enumerate() {
            assert!(EVENTS[..index].iter().all(|(other, _)| other != hit_type));
            for (index, field) in table.fields.iter().enumerate() {
                for other in &table.fields[..index] {
                    assert_ne!(other.parameter, field.parameter);
                    assert_ne!(other.name, field.name);
                }
            }
        }
        assert!(table("PageView").is_none());
    }

    #[test]
    fn order_of_fields() {
        // up to four parameters and fields as they came
        assert_eq!(
            printed("exception", "exf=0&x=1&exd=d").0,
            r#"{"isFatal":false,"description":"d"}"#
        );
        // the order of five parameters is that of their hashes, that of four fields is not
        assert_eq!(
            printed("item", "t=item&in=name&ip=12.228&iq=12&aip=0").0,
            r#"{"price":12.23,"name":"name","quantity":12}"#
        );
    }

    #[test]
    fn messages_in_the_order_of_fields() {
        assert_eq!(
            printed("timing", "plt=a&dns=2&pdt=&utc=x").1,
            [
                "Field [pageLoadTime]: cannot convert [a] to Int",
                "Field [pageDownloadTime]: cannot convert [] to Int"
            ]
        );
    }
}
