//! The reference's functions for scripts, and its pipeline with pseudonymisation.

use std::sync::Arc;

use engine::adapter::{self, raw_event::Parameters};
use engine::enrichment::config::EnrichmentConfigs;
use engine::enrichment::environment::ScriptLimits;
use engine::enrichment::javascript::JavascriptScript;
use engine::enrichment::registry::Enrichment;
use engine::enrichment::{Draft, EnrichFailure, EnrichSettings, Enricher, Environment};
use engine::event::{EnrichedEvent, Field};
use engine::iglu::Resolver;
use engine::json;
use serde_json::{Map, Value, json};

use crate::enrichment_calls::{databases, raw_event};
use crate::support;
use crate::tree::{Call, Stop};
use crate::values::{outcome, payload};

type Result = std::result::Result<Value, Stop>;

pub fn compile(call: &mut Call<'_, '_>) -> Result {
    let script = JavascriptScript::compile(call.text(0), ScriptLimits::default());
    Ok(outcome(script.map(|script| script.text().to_owned())))
}

pub fn process(call: &mut Call<'_, '_>) -> Result {
    let text = call.on["script"]["success"].as_str().expect("a script");
    let script =
        JavascriptScript::compile(text, ScriptLimits::default()).map_err(Stop::different)?;
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    for (name, value) in call.arg(0).as_object().expect("columns") {
        let field = Field::from_name(name).expect("a column");
        draft.event.set_or_clear(field, value.as_str());
    }
    let applied = script.apply(&mut draft);
    applied.map_err(|interrupt| Stop::different(format!("{interrupt:?}")))?;
    if !draft.failures.is_empty() {
        return Ok(json!({"failure": draft.failures.into_texts()}));
    }
    let contexts = draft.derived_contexts.iter();
    Ok(json!({"success": contexts.map(json::Value::to_compact).collect::<Vec<_>>()}))
}

/// The whole of a payload's way: registry, version, time, payload -> one outcome an event.
pub fn process_events(call: &mut Call<'_, '_>) -> Result {
    let shared =
        support::shared("schemas of pseudonymisation").expect("they stand beside the cases");
    let folder = tempfile::tempdir().expect("a folder");
    let schemas = std::path::absolute(shared.join("golden/enrich/iglu-schemas")).expect("a path");
    std::os::unix::fs::symlink(schemas, folder.path().join("schemas")).expect("a link");
    let resolver = json!({
        "schema": "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-0",
        "data": {"cacheSize": 10, "repositories": [{
            "name": "cases", "priority": 0, "vendorPrefixes": ["com"],
            "connection": {"embedded": {"path": folder.path()}},
        }]},
    });
    let resolver = Resolver::from_config(&resolver.to_string()).expect("a resolver");
    let resolver = Arc::new(resolver);
    let environment = Environment {
        databases: databases(),
        ..Environment::default()
    };
    let settings = EnrichSettings {
        v_etl: call.text(1).to_owned(),
        etl_tstamp_ms: call.arg(2)["epoch_ms"].as_i64().expect("a time"),
    };
    let configs = EnrichmentConfigs::from_json(&configurations(call.arg(0)).to_string())
        .map_err(|error| Stop::different(error.to_string()))?;
    let enricher = Enricher::new(Arc::clone(&resolver), settings, configs, &environment)
        .map_err(|error| Stop::different(error.to_string()))?;
    let raw_events = adapter::raw_events(payload(&call.arg(3)["success"]), &resolver)
        .map_err(|failure| Stop::different(format!("{failure:?}")))?;
    let outcomes = raw_events.iter().map(|raw| {
        let id = "11111111-2222-4333-8444-555555555555".to_owned();
        match enricher.enrich_noting(raw, id, None, &mut Vec::new()) {
            Ok((event, pii)) => json!({"success": columns(&event, pii)}),
            Err(EnrichFailure::Rejected(texts)) => json!({"failure": texts}),
            Err(other) => json!({"failure": [format!("{other:?}")]}),
        }
    });
    Ok(outcomes.collect())
}

/// All columns, and `pii`.
fn columns(event: &EnrichedEvent, pii: Option<String>) -> Map<String, Value> {
    let values = Field::ALL
        .into_iter()
        .map(|f| (f.name().to_owned(), json!(event.get(f))));
    values.chain([("pii".to_owned(), json!(pii))]).collect()
}

/// The registry of a case as a document of configurations.
fn configurations(registry: &Value) -> Value {
    let ip = &registry["configs"]["ip_lookups"];
    let mut databases = Map::new();
    for (member, name) in [("geoTuple", "geo"), ("ispTuple", "isp")] {
        if let Some(file) = ip[member][2].as_str() {
            let file = json!({"database": file, "uri": "http://127.0.0.1/"});
            databases.insert(name.to_owned(), file);
        }
    }
    let pii = &registry["configs"]["pii_enrichment_config"];
    let fields: Value = pii["fieldList"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|field| match field["type"].as_str() {
            Some("PiiScalar") => json!({"pojo": {"field": field["fieldMutator"]}}),
            _ => json!({"json": {
                "field": field["fieldMutator"],
                "schemaCriterion": field["schemaCriterion"],
                "jsonPath": field["jsonPath"],
            }}),
        })
        .collect();
    // the cases leave the salt of their hash function out; their hashes are made with this one
    let strategy = json!({"hashFunction": pii["strategy"]["functionName"], "salt": "pepper123"});
    let configuration = |vendor: &str, name: &str, version: &str, mut data: Value| {
        data["vendor"] = vendor.into();
        data["name"] = name.into();
        data["enabled"] = true.into();
        json!({"schema": format!("iglu:{vendor}/{name}/jsonschema/{version}"), "data": data})
    };
    json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0",
        "data": [
            configuration("com.snowplowanalytics.snowplow", "ip_lookups", "2-0-0", json!({"parameters": databases})),
            configuration(
                "com.snowplowanalytics.snowplow.enrichments",
                "pii_enrichment_config",
                "2-0-0",
                json!({
                    "emitEvent": pii["emitIdentificationEvent"],
                    "parameters": {"pii": fields, "strategy": {"pseudonymize": strategy}},
                }),
            ),
        ],
    })
}
