//! The event about a pseudonymisation: what Stream Enrich (0.18.0, `Source`) sends to its PII stream. The
//! batch job of R108 drops column `pii` and makes no such event; here it is an option of the job.

use crate::event::{EnrichedEvent, Field};
use crate::json::Value;
use crate::text::time::format_tstamp;

/// Identity of the event, in its schema.
const NAME: &str = "pii_transformation";
const VENDOR: &str = "com.snowplowanalytics.snowplow";

/// The event that tells what the pseudonymisation replaced in `parent`.
///
/// `pii` is the text that [`Draft::pii`](super::super::draft::Draft::pii) held, `event_id` a version 4 UUID, `now_ms` the
/// time of the replacement. Column `v_etl` is the parent's.
pub fn transformation_event(
    parent: &EnrichedEvent,
    pii: &str,
    event_id: &str,
    now_ms: i64,
) -> EnrichedEvent {
    let mut event = EnrichedEvent::new();
    for field in [
        Field::AppId,
        Field::EtlTstamp,
        Field::CollectorTstamp,
        Field::VEtl,
    ] {
        event.set_or_clear(field, parent.get(field));
    }
    let now = format_tstamp(now_ms);
    for (field, value) in [
        (Field::UnstructEvent, pii),
        (Field::Platform, "srv"),
        (Field::Event, NAME),
        (Field::EventName, NAME),
        (Field::EventVendor, VENDOR),
        (Field::EventFormat, "jsonschema"),
        (Field::EventVersion, "1-0-0"),
        (Field::EventId, event_id),
        (Field::DerivedTstamp, &now),
        (Field::TrueTstamp, &now),
    ] {
        event.set(field, value);
    }
    event.set(
        Field::Contexts,
        &parent_context(parent.get(Field::EventId).unwrap_or_default()),
    );
    event
}

/// Column `contexts`: which event it is about. The inner schema lacks `iglu:`, as the reference writes it.
fn parent_context(event_id: &str) -> String {
    let data = Value::object([("parentEventId", Value::string(event_id))]);
    let context = Value::object([
        (
            "schema",
            Value::string("com.snowplowanalytics.snowplow/parent_event/jsonschema/1-0-0"),
        ),
        ("data", data),
    ]);
    let schema = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0";
    Value::object([
        ("schema", Value::string(schema)),
        ("data", Value::Array(vec![context])),
    ])
    .to_compact()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_the_event() {
        let mut parent = EnrichedEvent::new();
        parent.set(Field::AppId, "shop");
        parent.set(Field::UserId, "secret");
        parent.set(Field::EventId, "parent-id");
        parent.set(Field::VEtl, "camonica");
        parent.set(Field::CollectorTstamp, "2018-07-24 10:00:00.000");
        let event = transformation_event(&parent, "{}", "own-id", 1_532_427_330_000);
        let values: Vec<_> = event.values().map(|(f, v)| (f.name(), v)).collect();
        assert_eq!(
            values,
            [
                ("app_id", "shop"),
                ("platform", "srv"),
                ("collector_tstamp", "2018-07-24 10:00:00.000"),
                ("event", "pii_transformation"),
                ("event_id", "own-id"),
                ("v_etl", "camonica"),
                (
                    "contexts",
                    r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{"schema":"com.snowplowanalytics.snowplow/parent_event/jsonschema/1-0-0","data":{"parentEventId":"parent-id"}}]}"#
                ),
                ("unstruct_event", "{}"),
                ("derived_tstamp", "2018-07-24 10:15:30.000"),
                ("event_vendor", "com.snowplowanalytics.snowplow"),
                ("event_name", "pii_transformation"),
                ("event_format", "jsonschema"),
                ("event_version", "1-0-0"),
                ("true_tstamp", "2018-07-24 10:15:30.000"),
            ]
        );
    }
}
