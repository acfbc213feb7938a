//! The reference's functions for the SQL query, and for JSONPath.

use std::sync::OnceLock;

use engine::enrichment::Draft;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::lookup::Ask;
use engine::enrichment::sql_query::inputs::{self, Input, Placeholder};
use engine::enrichment::sql_query::{Asking, Found, Limits, SqlQuery, cell};
use engine::event::Field;
use engine::iglu::SchemaKey;
use engine::json::path::{Dialect, JsonPath};
use engine::json::{self, print};
use serde_json::{Value, json};

use crate::sql_servers::{self, Server};
use crate::support;
use crate::tree::{Call, Stop};
use crate::values::{self, outcome};

type Result = std::result::Result<Value, Stop>;

fn parsed(text: &str) -> json::Value<'static> {
    json::parse(text)
        .expect("JSON")
        .expect("a value")
        .into_owned()
}

/// What is behind `{"json": ...}`, or read from a text.
fn json_of(value: &Value) -> json::Value<'static> {
    match value {
        Value::String(text) => parsed(text),
        _ => parsed(&value["json"].to_string()),
    }
}

fn as_json(value: &json::Value<'_>) -> Value {
    let mut text = Vec::new();
    print::write_compact(value, &mut text);
    json!({"json": serde_json::from_slice::<Value>(&text).expect("JSON")})
}

pub fn query(call: &mut Call<'_, '_>) -> Result {
    if call.arg(1) == "JNothing" {
        return Err(Stop::NotRun("no JSON is nothing here".to_owned()));
    }
    let value = json_of(call.arg(1));
    let path = JsonPath::compile(call.text(0), Dialect::Gatling);
    Ok(outcome(path.map(|path| {
        path.select(&value)
            .into_iter()
            .map(as_json)
            .collect::<Vec<_>>()
    })))
}

fn placeholder(value: &Placeholder) -> Value {
    let x = match value {
        Placeholder::Text(text) => json!(text),
        Placeholder::Int(value) => json!(value),
        Placeholder::Long(value) => json!(value),
        Placeholder::Byte(value) => json!(value),
        Placeholder::Float(value) => json!(f64::from(*value)),
        Placeholder::Double(value) => json!(value),
        Placeholder::Bool(value) => json!(value),
    };
    json!({"type": "Value", "x": x})
}

fn input(value: &Value) -> Input {
    let number = value["placeholder"].as_u64().expect("a placeholder");
    let number = u32::try_from(number).expect("a small one");
    let text = |member: &Value| member.as_str().expect("a text").to_owned();
    let json = &value["json"];
    match value["pojo"].is_null() {
        false => Input::of_column(number, &text(&value["pojo"]["field"])),
        true => Input::of_json(
            number,
            &text(&json["field"]),
            &text(&json["schemaCriterion"]),
            &text(&json["jsonPath"]),
        ),
    }
}

/// Sets the columns that the case names.
fn set_columns(draft: &mut Draft<'_>, event: &Value) {
    for (name, value) in event.as_object().into_iter().flatten() {
        let field = Field::from_name(name).expect("a column");
        match value {
            Value::Null => {}
            Value::String(text) => draft.event.set(field, text),
            other => draft.event.set(field, &other.to_string()),
        }
    }
}

pub fn placeholder_map(call: &mut Call<'_, '_>) -> Result {
    let named = |name: &str, index: usize| match &call.named[name] {
        Value::Null => call.arg(index).clone(),
        value => value.clone(),
    };
    if call.arg(1).is_null() {
        return Err(Stop::NotRun("an event is never nothing here".to_owned()));
    }
    let raw = values::empty_raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(&mut draft, call.arg(1));
    let contexts = named("customContexts", 3);
    let contexts = contexts
        .as_array()
        .into_iter()
        .flatten()
        .map(json_of)
        .collect();
    draft.contexts = Some(json::Value::object([(
        "data",
        json::Value::Array(contexts),
    )]));
    let of_others = [named("derivedContexts", 2), named("unstructEvent", 4)];
    assert!(
        of_others
            .iter()
            .all(|value| value.is_null() || *value == json!([])),
        "no case has any"
    );
    let given = call.arg(0).as_array().expect("inputs");
    let inputs: Vec<Input> = given.iter().map(input).collect();
    let map = inputs::values(&inputs, &draft).map(|map| match map {
        None => Value::Null,
        Some(values) if values.is_empty() => json!("IntMap.empty[Input.PlaceholderMap]"),
        Some(values) => values
            .iter()
            .zip(1..)
            .map(|(value, key)| json!([key, placeholder(value)]))
            .collect(),
    });
    Ok(outcome(map))
}

/// A map in the notation of the cases: its pairs.
pub fn int_map(call: &mut Call<'_, '_>) -> Result {
    Ok(call.args.to_vec().into())
}

pub fn from_event(call: &mut Call<'_, '_>) -> Result {
    // that enrichment calls its keys placeholders too
    if !call.on["placeholder"].is_u64() {
        return crate::service_calls::value_from_event(call);
    }
    let raw = values::empty_raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(&mut draft, call.arg(0));
    let value = input(call.on).value(&draft);
    Ok(outcome(
        value.map(|value| json!(value.as_ref().map(placeholder))),
    ))
}

pub fn from_json(call: &mut Call<'_, '_>) -> Result {
    let value = inputs::of_json(&json_of(call.arg(0)));
    Ok(json!(value.as_ref().map(placeholder)))
}

pub fn long_max_minus(call: &mut Call<'_, '_>) -> Result {
    Ok((i64::MAX - call.arg(0).as_i64().expect("a number")).into())
}

/// The second argument is the class of the first; none is one that the reference does not know.
pub fn value(call: &mut Call<'_, '_>) -> Result {
    let value = match (call.arg(0), call.text(1)) {
        (Value::Null, _) => json::Value::Null,
        (date, "java.sql.Date") => cell::date(date["epoch_ms"].as_i64().expect("a date")),
        (value, "") => cell::untyped(&value.to_string()),
        (value, class) => return Err(Stop::different(format!("{value} of {class}"))),
    };
    Ok(as_json(&value))
}

pub fn date(call: &mut Call<'_, '_>) -> Result {
    Ok(json!({"type": "Date", "epoch_ms": call.arg(0)}))
}

pub fn date_time(call: &mut Call<'_, '_>) -> Result {
    if call.arg(0).is_string() {
        return crate::service_calls::date_time_of(call);
    }
    Ok(values::date_time(
        call.arg(0)["epoch_ms"].as_i64().expect("a date"),
    ))
}

pub fn date_time_text(call: &mut Call<'_, '_>) -> Result {
    let millis = call.on["epoch_ms"].as_i64().expect("a time");
    Ok(engine::text::time::format_iso_millis(millis).into())
}

fn config(data: &Value, schema: &str) -> EnrichmentConfig {
    EnrichmentConfig {
        name: "sql_query_enrichment_config".to_owned(),
        schema: SchemaKey::parse(schema).expect("a key"),
        data: parsed(&data.to_string()),
    }
}

pub fn parse(call: &mut Call<'_, '_>) -> Result {
    let data = &call.arg(0)["json"];
    let query = SqlQuery::new(&config(data, call.text(1)), Limits::default());
    let query =
        query.map(|_| json!({"type": "SqlQueryEnrichment", "data": data, "schema": call.text(1)}));
    // the case's own notation has lost a member of the database
    if query.is_ok()
        && data["parameters"]["database"]["postgresql"]["host"] == "cluster01.redshift.acme.com"
    {
        return Err(Stop::NotRun(
            "the expected SqlQueryEnrichment has a password for a name".to_owned(),
        ));
    }
    Ok(outcome(query))
}

/// Asks a server that is started for it. No case has inputs.
pub fn lookup(call: &mut Call<'_, '_>) -> Result {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let Some(server) = SERVER.get_or_init(|| sql_servers::described(&support::shared("cases")?))
    else {
        return Err(Stop::NotRun("PostgreSQL is not installed".to_owned()));
    };
    let mut data = call.on["data"].clone();
    let inputs = data["parameters"]["inputs"].as_array();
    assert!(inputs.is_some_and(Vec::is_empty), "no case has inputs");
    data["parameters"]["database"]["postgresql"]["port"] = json!(server.port);
    let schema = call.on["schema"].as_str().expect("a key");
    let asking = Asking::from_config(&config(&data, schema), Limits::default()).expect("valid");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let found = runtime.block_on(asking.ask("[]".to_owned()));
    Ok(outcome(match found.value {
        Found::Contexts(contexts) => Ok(contexts.iter().map(as_json).collect::<Vec<_>>()),
        other => Err(format!("{other:?}")),
    }))
}
