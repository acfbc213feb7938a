//! The reference's functions for user agents and referrers. The data behind them is the shared one.

use std::fs;
use std::sync::OnceLock;

use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::referer_parser::RefererParser;
use engine::enrichment::ua_parser::UaParser;
use engine::enrichment::user_agent_utils::UserAgentUtils;
use engine::iglu::SchemaKey;
use engine::json;
use engine::text::uri::string_to_uri;
use serde_json::{Value, json};

use crate::support;
use crate::tree::{Call, Stop};
use crate::values::outcome;

type Result = std::result::Result<Value, Stop>;

/// A folder of look-up files with the data of the reference's libraries.
fn environment() -> Environment {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let data = support::shared("unit cases").expect("shared data");
        for (file, name) in [
            ("uap-core/2013-11/regexes.yaml", "regexes.yaml"),
            ("user-agent-utils/browsers.json", "browsers.json"),
            (
                "user-agent-utils/operating_systems.json",
                "operating_systems.json",
            ),
            ("referer-parser/referers.yml", "referers.yml"),
        ] {
            let from = data.join("data").join(file);
            fs::copy(from, folder.path().join(name)).expect("a copy");
        }
        folder
    });
    let mut environment = Environment::default();
    environment.databases.folder = Some(folder.path().to_owned());
    environment
}

fn config(name: &str, data: &Value) -> EnrichmentConfig {
    let key = format!("iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-0");
    EnrichmentConfig {
        name: name.to_owned(),
        schema: SchemaKey::parse(&key).expect("a key"),
        data: json::parse(&data.to_string())
            .expect("JSON")
            .expect("a value")
            .into_owned(),
    }
}

fn referers(data: &Value) -> std::result::Result<RefererParser, Vec<String>> {
    RefererParser::new(&config("referer_parser", data), &environment())
}

pub fn referer_config(call: &mut Call<'_, '_>) -> Result {
    let enrichment = referers(&call.arg(0)["json"]);
    Ok(outcome(enrichment.map(|enrichment| {
        json!({"type": "RefererParserEnrichment", "domains": enrichment.internal_domains()})
    })))
}

pub fn referer(call: &mut Call<'_, '_>) -> Result {
    let data = json!({"parameters": {"internalDomains": call.on["domains"]}});
    let enrichment = referers(&data).expect("an enrichment");
    let uri = string_to_uri(call.optional(0)).expect("a URI");
    let referer = uri.and_then(|uri| {
        let referer = enrichment.referer(&uri, call.optional(1))?;
        let mut medium = referer.medium.to_owned();
        medium[..1].make_ascii_uppercase();
        Some(json!({
            "type": "Referer",
            "medium": format!("Medium.{medium}"),
            "source": referer.source,
            "term": referer.term,
        }))
    });
    Ok(json!(referer))
}

fn ua_parser(data: &Value) -> std::result::Result<UaParser, Vec<String>> {
    UaParser::new(&config("ua_parser_config", data), &environment())
}

pub fn ua_parser_config(call: &mut Call<'_, '_>) -> Result {
    let enrichment = ua_parser(&call.arg(0)["json"]);
    Ok(outcome(enrichment.map(|_| json!("UaParserEnrichment"))))
}

pub fn ua_parser_context(call: &mut Call<'_, '_>) -> Result {
    let enrichment = ua_parser(&json!({})).expect("an enrichment");
    let context = enrichment.context(call.text(0));
    Ok(outcome(context.map(|context| json!(context.to_compact()))))
}

pub fn client_attributes(call: &mut Call<'_, '_>) -> Result {
    let config = config("user_agent_utils_config", &json!({}));
    let enrichment = UserAgentUtils::new(&config, &environment()).expect("an enrichment");
    let attributes = enrichment.attributes(call.text(0));
    Ok(outcome(attributes.map(|a| {
        json!({
            "type": "ClientAttributes",
            "browserName": *a.browser_name,
            "browserFamily": *a.browser_family,
            "browserVersion": a.browser_version.as_deref(),
            "browserType": *a.browser_type,
            "browserRenderEngine": *a.render_engine,
            "osName": *a.system_name,
            "osFamily": *a.system_family,
            "osManufacturer": *a.system_manufacturer,
            "deviceType": *a.device_type,
            "deviceIsMobile": a.is_mobile(),
        })
    })))
}
