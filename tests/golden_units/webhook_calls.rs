//! The reference's functions for parts of adapters.

use engine::adapter::google_analytics::composite::field_name::FieldName;
use engine::adapter::shared::json4s::{remove_field, select};
use engine::adapter::shared::unstruct::Tracker;
use engine::adapter::shared::{self, body, lookup};
use engine::adapter::{AdapterFailure, mailchimp, mandrill, pagerduty, pingdom};
use engine::json;
use serde_json::{Value, json};

use crate::tree::{Call, Stop};
use crate::values::{map, outcome, parameters, payload, raw_events, text};

type Result = std::result::Result<Value, Stop>;

/// A JSON in the notation of the cases: `{"json": ...}`, or as it is.
fn ours(value: &Value) -> json::Value<'static> {
    let text = value.get("json").unwrap_or(value).to_string();
    let value = json::parse(&text).expect("JSON").expect("a value");
    value.into_owned()
}

fn theirs(value: &json::Value<'_>) -> Value {
    json!({"json": bare(value)})
}

fn bare(value: &json::Value<'_>) -> Value {
    serde_json::from_str(&value.to_compact()).expect("JSON")
}

/// The value of something that throws in the reference.
fn thrown<T>(result: std::result::Result<T, AdapterFailure>) -> std::result::Result<T, Stop> {
    result.map_err(|failure| Stop::different(format!("{failure:?}")))
}

/// Schema tables are part of the program.
fn leaked(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

pub fn pairs_as_map(call: &mut Call<'_, '_>) -> Result {
    let pairs = call.arg(0).as_array().expect("pairs").iter();
    let pairs = pairs.map(|pair| (text(&pair[0]).expect("a name"), text(&pair[1])));
    Ok(map(&shared::parameters(pairs.collect())))
}

/// The third argument of the reference is a function that formats the parameters; in the cases it gives no fields.
pub fn unstruct_event(call: &mut Call<'_, '_>) -> Result {
    let tracker = Tracker {
        version: leaked(call.text(0)),
        platform: leaked(call.text(4)),
    };
    if call.arg(3)["lambda"] != json!([]) {
        return Err(Stop::different("a formatter that gives fields"));
    }
    let data = json::Value::Object(Vec::new());
    let event = tracker.event(&parameters(call.arg(1)), call.text(2), &data);
    Ok(map(&event))
}

pub fn schema(call: &mut Call<'_, '_>) -> Result {
    let schemas = call.arg(2).as_object().expect("a map").iter();
    let schemas: Vec<(&str, &str)> = schemas
        .map(|(kind, schema)| (leaked(kind), leaked(schema.as_str().expect("a URI"))))
        .collect();
    let schema = lookup::schema(call.text(1), call.optional(0), schemas.leak());
    Ok(outcome(schema.map_err(AdapterFailure::into_messages)))
}

pub fn all_or_failures(call: &mut Call<'_, '_>) -> Result {
    let list = call.arg(0).as_array().expect("a list");
    let first = list.iter().find_map(|outcome| outcome.get("success"));
    let mut results = Vec::new();
    for outcome in list {
        match outcome.get("success") {
            Some(event) => results.push(Ok(parameters(&event["parameters"]))),
            None => {
                let messages = outcome["failure"].as_array().expect("messages").iter();
                results.extend(messages.map(|text| Err(text.as_str().expect("a text").to_owned())));
            }
        }
    }
    let payload = payload(first.expect("an event"));
    Ok(raw_events(lookup::all_or_failures(payload, results)))
}

/// Without a pair to be removed, one that is nowhere.
pub fn clean_up(call: &mut Call<'_, '_>) -> Result {
    let pair = call.arg(1);
    let part = |index: usize| pair[index].as_str().unwrap_or("\u{0}");
    let cleaned = shared::clean_up::clean_up(ours(call.arg(0)), part(0), part(1), call.text(2));
    Ok(theirs(&thrown(cleaned)?))
}

pub fn mailchimp_path(call: &mut Call<'_, '_>) -> Result {
    Ok(json!(mailchimp::path(call.text(0))))
}

pub fn mailchimp_reformat(call: &mut Call<'_, '_>) -> Result {
    let mut form = parameters(call.arg(0));
    mailchimp::reformat(&mut form);
    Ok(map(&form))
}

fn list(items: std::result::Result<Vec<json::Value<'_>>, AdapterFailure>) -> Value {
    let items = items.map(|items| items.iter().map(theirs).collect::<Vec<_>>());
    outcome(items.map_err(AdapterFailure::into_messages))
}

pub fn mandrill_items(call: &mut Call<'_, '_>) -> Result {
    let form = thrown(body::unguarded_form(call.text(0)))?;
    Ok(list(mandrill::items(&form)))
}

pub fn pagerduty_messages(call: &mut Call<'_, '_>) -> Result {
    Ok(list(pagerduty::messages(call.text(0))))
}

pub fn pagerduty_reformat(call: &mut Call<'_, '_>) -> Result {
    Ok(theirs(&thrown(pagerduty::reformat(ours(call.arg(0))))?))
}

pub fn pingdom_event(call: &mut Call<'_, '_>) -> Result {
    let event = pingdom::event(call.text(0));
    let event = event.map(|event| theirs(&event));
    Ok(outcome(event.map_err(AdapterFailure::into_messages)))
}

pub fn pingdom_without_action(call: &mut Call<'_, '_>) -> Result {
    let event = ours(call.arg(0));
    let kind = select(&event, "action").text().unwrap_or_default();
    Ok(theirs(&remove_field(event, "action", &kind)))
}

/// Letters and numbers of a field's name; with its value, what the field stands for.
pub fn composite_field(call: &mut Call<'_, '_>) -> Result {
    let name = match FieldName::parse(call.text(0)) {
        Ok(name) => name,
        Err(message) => return Ok(json!({"failure": message})),
    };
    let Some(value) = call.optional(1) else {
        let letters: Vec<&str> = name.letters().collect();
        let numbers: Vec<&str> = name.numbers().collect();
        return Ok(json!({"success": [letters, numbers]}));
    };
    let mut key = String::new();
    let mut fields = serde_json::Map::new();
    for (index, number) in name.numbers().enumerate() {
        name.write_index_key(index, &mut key);
        fields.insert(key.clone(), number.into());
    }
    name.write_value_key(&mut key);
    fields.insert(key, value.into());
    Ok(json!({"success": fields}))
}
