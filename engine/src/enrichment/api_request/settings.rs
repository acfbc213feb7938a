//! The configuration of the API request.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderValue;

use super::output::Output;
use crate::enrichment::config::EnrichmentConfig;
use crate::enrichment::input::{Input, Source};
use crate::json::Value;

/// `parameters` of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Values of the template.
    pub inputs: Vec<Input>,
    /// GET, POST or PUT.
    pub method: Method,
    /// Template of the address.
    pub uri: String,
    /// For one request, milliseconds.
    pub timeout_ms: u32,
    /// Basic authentication.
    pub authentication: Option<HttpBasic>,
    /// What becomes of the answer.
    pub outputs: Vec<Output>,
    /// Answers that are kept.
    pub cache_size: usize,
    /// How long they are kept, seconds; 0: for ever.
    pub cache_ttl_s: u32,
}

/// `httpBasic`; one part alone is sent with nothing in the place of the other one, as services want it whose key is the
/// name of a user without a password. Without either nothing is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpBasic {
    /// The user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// Shows neither.
impl fmt::Debug for HttpBasic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpBasic")
    }
}

impl HttpBasic {
    /// The value of header `Authorization`.
    pub(super) fn into_header(self) -> Option<HeaderValue> {
        if self.username.is_none() && self.password.is_none() {
            return None;
        }
        let part = Option::unwrap_or_default;
        let pair = format!("{}:{}", part(self.username), part(self.password));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

const PARAMETERS: &str = "parameters";

impl Settings {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The reference's texts for what its schema let pass.
    pub fn of(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        Self::read(config).map_err(|text| vec![text])
    }

    fn read(config: &EnrichmentConfig) -> Result<Self, String> {
        let http = |member| [PARAMETERS, "api", "http", member];
        let inputs = elements(config, "inputs", "Input", input)?;
        let method = config.text(&http("method"))?;
        let method = match method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(format!("method [{other}] is not one of GET, POST, and PUT")),
        };
        let basic = match config.value(&http("authentication"))?.get("httpBasic") {
            None | Some(Value::Null) => None,
            Some(basic) => {
                let text = |member| basic.get(member).and_then(Value::as_str).map(str::to_owned);
                Some(HttpBasic {
                    username: text("username"),
                    password: text("password"),
                })
            }
        };
        let whole = |path: &[&str]| -> Result<u32, String> {
            let number = config.integer(path)?;
            u32::try_from(number).map_err(|_| format!("{} is less than 0", path.join(".")))
        };
        // The schema has no greatest size; more than a 32-bit integer holds means as many as there are.
        let size = config.value(&[PARAMETERS, "cache", "size"])?;
        let cache_size = match size {
            Value::Number(number) if number.is_integer() => {
                number.as_i64().unwrap_or(i64::MAX).max(0) as usize
            }
            _ => config
                .integer(&[PARAMETERS, "cache", "size"])?
                .unsigned_abs() as usize,
        };
        Ok(Self {
            inputs,
            method,
            uri: config.text(&http("uri"))?.to_owned(),
            timeout_ms: whole(&http("timeout"))?,
            authentication: basic,
            outputs: elements(config, "outputs", "Output", output)?,
            cache_size,
            cache_ttl_s: whole(&[PARAMETERS, "cache", "ttl"])?,
        })
    }
}

/// The elements of a list in the parameters.
fn elements<T>(
    config: &EnrichmentConfig,
    list: &str,
    class: &str,
    read: fn(&Value<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let could_not = |why: &str| {
        format!(
            "Could not extract {PARAMETERS}.{list} as scala.collection.immutable.List<{class}> from supplied JSON due to: {why}"
        )
    };
    let value = config.value(&[PARAMETERS, list])?;
    let items = value
        .as_array()
        .ok_or_else(|| could_not(&format!("found {}", value.to_compact())))?;
    let items = items.iter().map(read);
    items
        .collect::<Result<_, _>>()
        .map_err(|why| could_not(&why))
}

fn member(value: &Value<'_>, name: &str) -> Result<String, String> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("No usable value for {name}"))
}

fn input(value: &Value<'_>) -> Result<Input, String> {
    let present = |name| value.get(name).filter(|source| **source != Value::Null);
    let source = match (present("pojo"), present("json")) {
        (Some(pojo), None) => Source::Pojo {
            field: member(pojo, "field")?,
        },
        (None, Some(json)) => Source::Json {
            field: member(json, "field")?,
            schema_criterion: member(json, "schemaCriterion")?,
            json_path: member(json, "jsonPath")?,
        },
        (found, _) => {
            let which = if found.is_some() { "both" } else { "none" };
            return Err(format!(
                "API Request Enrichment Input must represent either JSON OR POJO, {which} present"
            ));
        }
    };
    Ok(Input::new(member(value, "key")?, source))
}

fn output(value: &Value<'_>) -> Result<Output, String> {
    let json = value.get("json").ok_or("No usable value for json")?;
    Ok(Output::new(
        member(value, "schema")?,
        member(json, "jsonPath")?,
    ))
}
