//! The reference's functions for the enrichments that ask web services, with the answers of `test_services.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engine::adapter::raw_event::RawEvent;
use engine::enrichment::api_request::{self, ApiRequest, Output, Template};
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::currency::{self, CurrencyConversion};
use engine::enrichment::input::{self, Input, Source};
use engine::enrichment::weather::{self, Weather};
use engine::enrichment::{Draft, Interrupt};
use engine::event::{EnrichedEvent, Field};
use engine::iglu::SchemaKey;
use engine::json;
use engine::text::joda::parse_iso_date_time;
use engine::text::time::{format_iso_millis, format_tstamp};
use serde_json::{Value, json};

use crate::support;
use crate::support::services::GoldenServices;
use crate::tree::{Call, Stop};
use crate::values::{date_time, outcome, text};

type Result = std::result::Result<Value, Stop>;

static SERVICES: LazyLock<GoldenServices> = LazyLock::new(|| {
    let shared = support::shared("web services").expect("the cases stand beside them");
    GoldenServices::start(&shared)
});

/// A key where the reference read one from the environment.
pub fn key(_call: &mut Call<'_, '_>) -> Result {
    Ok(json!("key"))
}

pub fn itself(call: &mut Call<'_, '_>) -> Result {
    Ok(call.on.clone())
}

pub fn date_time_of(call: &mut Call<'_, '_>) -> Result {
    Ok(date_time(
        parse_iso_date_time(call.text(0)).expect("a time"),
    ))
}

fn config(data: &Value, schema: &str) -> EnrichmentConfig {
    let text = data.to_string();
    EnrichmentConfig {
        name: "any".to_owned(),
        schema: SchemaKey::parse(schema).expect("a key"),
        data: json::parse(&text)
            .expect("JSON")
            .expect("JSON")
            .into_owned(),
    }
}

/// The first argument as the data of a configuration, the second as its schema.
fn config_of(call: &Call<'_, '_>) -> EnrichmentConfig {
    config(&call.arg(0)["json"], call.text(1))
}

fn raw_event() -> RawEvent {
    RawEvent {
        api: Default::default(),
        parameters: Default::default(),
        content_type: None,
        source: Default::default(),
        context: Default::default(),
    }
}

/// Columns by their names.
fn set_columns(event: &mut EnrichedEvent, columns: &Value) {
    for (name, value) in columns.as_object().expect("columns") {
        let field = Field::from_name(name).expect("a column");
        let text = text(value).or_else(|| (!value.is_null()).then(|| value.to_string()));
        event.set_or_clear(field, text.as_deref());
    }
}

fn to_json(value: &json::Value<'_>) -> Value {
    serde_json::from_str(&value.to_compact()).expect("JSON")
}

fn from_json(value: &Value) -> json::Value<'static> {
    let text = value.to_string();
    json::parse(&text)
        .expect("JSON")
        .expect("JSON")
        .into_owned()
}

fn answered<T>(result: std::result::Result<T, Interrupt>) -> T {
    result.expect("without a session services answer on the spot")
}

// ---- API request

fn input_of(notation: &Value) -> Input {
    let key = text(&notation["placeholder"]).expect("a key");
    let member = |of: &Value, name: &str| text(&of[name]).expect("a text");
    let (pojo, json) = (&notation["pojo"], &notation["json"]);
    let source = if pojo.is_null() {
        Source::Json {
            field: member(json, "field"),
            schema_criterion: member(json, "schemaCriterion"),
            json_path: member(json, "jsonPath"),
        }
    } else {
        let field = member(pojo, "field");
        Source::Pojo { field }
    };
    Input::new(key, source)
}

fn inputs_of(notation: &Value) -> Vec<Input> {
    notation
        .as_array()
        .expect("inputs")
        .iter()
        .map(input_of)
        .collect()
}

/// The cases write an output's members in the places of others.
fn output_of(notation: &Value) -> Output {
    let path = &notation["expectedRows"]["schema"];
    Output::new(
        text(&notation["json"]).expect("a schema"),
        text(path).expect("a path"),
    )
}

pub fn api_request(call: &mut Call<'_, '_>) -> Result {
    let config = config_of(call);
    let parameters = &call.arg(0)["json"]["parameters"];
    let settings = api_request::Settings::of(&config);
    Ok(outcome(settings.map(|settings| {
        let inputs = settings.inputs.iter().map(|input| match &input.source {
            Source::Pojo { field } => {
                json!({"type": "Input", "placeholder": input.key, "json": null, "pojo": {"type": "PojoInput", "field": field}})
            }
            Source::Json { field, schema_criterion, json_path } => {
                json!({"type": "Input", "placeholder": input.key, "pojo": null,
                    "json": {"type": "JsonInput", "field": field, "schemaCriterion": schema_criterion, "jsonPath": json_path}})
            }
        });
        let outputs = settings.outputs.iter().map(|output| {
            json!({"type": "Output", "json": output.schema,
                "expectedRows": {"type": "JsonOutput", "schema": output.json_path}})
        });
        let basic = settings.authentication.as_ref().map(|basic| {
            json!({"type": "HttpBasic", "username": basic.username, "password": basic.password})
        });
        json!({
            "type": "ApiRequestEnrichment",
            "inputs": inputs.collect::<Vec<_>>(),
            "api": {"type": "HttpApi", "method": settings.method.as_str(), "uri": settings.uri,
                "timeout": settings.timeout_ms, "authentication": {"type": "Authentication", "httpBasic": basic}},
            "outputs": outputs.collect::<Vec<_>>(),
            "cache": {"type": "Cache", "size": settings.cache_size, "ttl": parameters["cache"]["ttl"]},
        })
    })))
}

/// The contexts of an event; derived contexts, custom ones and the self-describing event are empty in all cases.
pub fn look_up(call: &mut Call<'_, '_>) -> Result {
    assert!(
        (1..4).all(|index| call.arg(index) == &json!([])),
        "contexts"
    );
    let api = &call.on["api"];
    let whole = |value: &Value| u32::try_from(value.as_u64().expect("a number")).expect("32 bits");
    let settings = api_request::Settings {
        inputs: inputs_of(&call.on["inputs"]),
        method: api["method"]
            .as_str()
            .expect("a method")
            .parse()
            .expect("a method"),
        uri: SERVICES.at_home(api["uri"].as_str().expect("a template")),
        timeout_ms: whole(&api["timeout"]),
        authentication: None,
        outputs: call.on["outputs"]
            .as_array()
            .expect("outputs")
            .iter()
            .map(output_of)
            .collect(),
        cache_size: whole(&call.on["cache"]["size"]) as usize,
        cache_ttl_s: whole(&call.on["cache"]["ttl"]),
    };
    assert!(api["authentication"]["httpBasic"].is_null(), "credentials");
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(&mut draft.event, call.arg(0));
    let contexts = answered(ApiRequest::new(settings).contexts(&draft));
    let contexts = contexts.map(|contexts| {
        let contexts = contexts
            .iter()
            .map(|context| json!({"json": to_json(context)}));
        contexts.collect::<Vec<_>>()
    });
    Ok(outcome(contexts))
}

pub fn url(call: &mut Call<'_, '_>) -> Result {
    let values: BTreeMap<String, String> = call
        .arg(0)
        .as_object()
        .expect("values")
        .iter()
        .map(|(key, value)| (key.clone(), text(value).expect("a text")))
        .collect();
    let uri = call.on["uri"].as_str().expect("a template");
    Ok(json!(
        Template::new(uri, values.keys().map(String::as_str)).fill(&values)
    ))
}

pub fn template_context(call: &mut Call<'_, '_>) -> Result {
    if call.arg(1).is_null() {
        return Err(Stop::NotRun(
            "an event that is null has no counterpart".to_owned(),
        ));
    }
    let jsons = |index: usize, name: &str| {
        let named = &call.named[name];
        let list = if named.is_null() {
            call.arg(index)
        } else {
            named
        };
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        list.iter()
            .map(|item| from_json(&item["json"]))
            .collect::<Vec<_>>()
    };
    assert!(jsons(2, "derivedContexts").is_empty(), "derived contexts");
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(&mut draft.event, call.arg(1));
    let custom = json::Value::Array(jsons(3, "customContexts"));
    draft.contexts = Some(json::Value::object([("data", custom)]));
    let values = input::values(&inputs_of(call.arg(0)), &draft);
    Ok(outcome(values.map(|values| json!(values))))
}

pub fn value_from_event(call: &mut Call<'_, '_>) -> Result {
    if !call.on["placeholder"].is_string() {
        return Err(Stop::NotRun(
            "sql_query_enrichment_config is not built".to_owned(),
        ));
    }
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(&mut draft.event, call.arg(0));
    Ok(outcome(
        input_of(call.on).value(&draft).map(|value| json!(value)),
    ))
}

pub fn parse(call: &mut Call<'_, '_>) -> Result {
    let parsed = api_request::parse(call.text(0));
    Ok(outcome(
        parsed.map(|value| json!({"json": to_json(&value)})),
    ))
}

pub fn extract(call: &mut Call<'_, '_>) -> Result {
    let answer = from_json(&call.arg(0)["json"]);
    let data = output_of(call.on).extract(&answer);
    Ok(outcome(data.map(|data| json!({"json": to_json(&data)}))))
}

/// A method as a function.
pub fn describe_function(call: &mut Call<'_, '_>) -> Result {
    Ok(json!({"lambda": {"call": "Output.describe", "args": [call.on, "$0"]}}))
}

pub fn describe(call: &mut Call<'_, '_>) -> Result {
    let context = output_of(call.arg(0)).describe(from_json(&call.arg(1)["json"]));
    Ok(json!({"json": to_json(&context)}))
}

// ---- currency conversion

pub fn currency(call: &mut Call<'_, '_>) -> Result {
    let settings = currency::Settings::of(&config_of(call));
    let account = &call.arg(0)["json"]["parameters"]["accountType"];
    Ok(outcome(settings.map(|settings| {
        json!({
            "type": "CurrencyConversionEnrichment",
            "accountType": if settings.chooses_base { account.clone() } else { json!("DeveloperAccount") },
            "apiKey": settings.api_key,
            "baseCurrency": settings.base_currency,
            // has no effect, and is not kept
            "rateAt": call.arg(0)["json"]["parameters"]["rateAt"],
        })
    })))
}

pub fn amounts(call: &mut Call<'_, '_>) -> Result {
    let collector = call.arg(6);
    let millis = match collector["local"].as_str() {
        Some(local) => Some(parse_iso_date_time(&format!("{local}+00:00")).expect("a time")),
        None => collector["epoch_ms"].as_i64(),
    };
    if let Some(millis) = millis {
        let iso = format_iso_millis(millis);
        let day = &iso[..10];
        if !SERVICES.has_rates(day) {
            return Err(Stop::NotRun(format!(
                "test_services.json has no exchange rates of {day}"
            )));
        }
    }
    let settings = currency::Settings {
        api_key: text(&call.on["apiKey"]).expect("a key"),
        chooses_base: call.on["accountType"] != "DeveloperAccount",
        base_currency: text(&call.on["baseCurrency"]).expect("a currency"),
    };
    let address = format!("http://{}", SERVICES.rates.address);
    let enrichment = CurrencyConversion::new(settings, Some(&address));
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    draft.times.collector = millis;
    let fields = [
        "tr_currency",
        "tr_total",
        "tr_tax",
        "tr_shipping",
        "ti_currency",
        "ti_price",
    ];
    for (index, field) in fields.into_iter().enumerate() {
        set_columns(&mut draft.event, &json!({field: call.arg(index)}));
    }
    Ok(outcome(
        answered(enrichment.amounts(&draft)).map(|amounts| json!(amounts)),
    ))
}

// ---- weather

pub fn weather(call: &mut Call<'_, '_>) -> Result {
    let settings = weather::Settings::of(&config_of(call));
    Ok(outcome(settings.map(|settings| {
        json!({
            "type": "WeatherEnrichment",
            "apiKey": settings.api_key,
            "geoPrecision": settings.geo_precision,
            "cacheSize": settings.cache_size,
            "apiHost": settings.api_host,
            "timeout": settings.timeout_s,
        })
    })))
}

pub fn weather_context(call: &mut Call<'_, '_>) -> Result {
    let millis = call.arg(2)["epoch_ms"].as_i64();
    if millis.is_some() && !SERVICES.has("openweathermap") {
        let reason = "test_services.json has no answers of OpenWeatherMap";
        return Err(Stop::NotRun(reason.to_owned()));
    }
    let weather = Weather::new(weather::Settings {
        api_key: "key".to_owned(),
        cache_size: 1,
        geo_precision: 1,
        api_host: support::web::nobody(),
        timeout_s: 1,
    });
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    set_columns(
        &mut draft.event,
        &json!({
            "geo_latitude": call.arg(0), "geo_longitude": call.arg(1),
            "derived_tstamp": millis.map(format_tstamp),
        }),
    );
    Ok(outcome(
        answered(weather.context(&draft)).map(|context| to_json(&context)),
    ))
}
