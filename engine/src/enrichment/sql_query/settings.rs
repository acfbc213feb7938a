//! Reads the parameters of the SQL query.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::enrichment::config::EnrichmentConfig;
use crate::enrichment::lookup::CacheSettings;
use crate::json::Value;

use super::inputs::Input;
use super::output::{Describes, ExpectedRows, Output, PropertyNames};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    MySql,
}

/// Where the database is, and who asks it. Not to be printed.
#[derive(Clone)]
pub(super) struct DatabaseSettings {
    pub(super) engine: Engine,
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether TLS is wanted. The server's certificate is not checked, as in the reference.
    pub(super) ssl: bool,
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
    pub(super) database: String,
}

/// All parameters.
pub(super) struct Settings {
    pub(super) inputs: Vec<Input>,
    pub(super) database: DatabaseSettings,
    pub(super) statement: String,
    pub(super) output: Output,
    pub(super) cache: CacheSettings,
}

/// Reads a configuration. What its JSON Schema lets pass and the reference refuses is told at once.
pub(super) fn read(config: &EnrichmentConfig) -> Result<Settings, Vec<String>> {
    let mut failures = Vec::new();
    let mut keep = |failure: String| failures.push(failure);
    let inputs = inputs(config).map_err(&mut keep).ok();
    let database = database(config).map_err(&mut keep).ok();
    let statement = config
        .text(&["parameters", "query", "sql"])
        .map_err(&mut keep)
        .ok();
    let output = output(config).map_err(&mut keep).ok();
    let cache = cache(config).map_err(&mut keep).ok();
    match (inputs, database, statement, output, cache) {
        (Some(inputs), Some(database), Some(statement), Some(output), Some(cache)) => {
            Ok(Settings {
                inputs,
                database,
                statement: statement.to_owned(),
                output,
                cache,
            })
        }
        _ => Err(failures),
    }
}

fn inputs(config: &EnrichmentConfig) -> Result<Vec<Input>, String> {
    let path = ["parameters", "inputs"];
    let wrong = |why: &str| {
        format!(
            "Could not extract parameters.inputs as list of inputs from supplied JSON due to: {why}"
        )
    };
    let elements = config
        .value(&path)?
        .as_array()
        .ok_or_else(|| wrong("no list"))?;
    let read = |element: &Value<'_>| {
        let placeholder = match element.get("placeholder") {
            Some(Value::Number(number)) => number.as_i64().and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        let placeholder = placeholder.ok_or_else(|| wrong("an input has no placeholder"))?;
        let text = |object: &Value<'_>, key: &str| {
            let text = object.get(key).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| wrong(&format!("an input has no {key}")))
        };
        let given = |key: &str| element.get(key).filter(|value| **value != Value::Null);
        match (given("pojo"), given("json")) {
            (Some(pojo), None) => Ok(Input::of_column(placeholder, &text(pojo, "field")?)),
            (None, Some(json)) => Ok(Input::of_json(
                placeholder,
                &text(json, "field")?,
                &text(json, "schemaCriterion")?,
                &text(json, "jsonPath")?,
            )),
            (None, None) => Err(wrong(
                "Input must represent either json OR pojo, none present",
            )),
            (Some(_), Some(_)) => Err(wrong(
                "Input must represent either json OR pojo, both present",
            )),
        }
    };
    elements.iter().map(read).collect()
}

fn database(config: &EnrichmentConfig) -> Result<DatabaseSettings, String> {
    let value = config.value(&["parameters", "database"])?;
    let given = |key: &str| value.get(key).is_some_and(|value| *value != Value::Null);
    let (engine, name) = match (given("postgresql"), given("mysql")) {
        (true, false) => (Engine::Postgres, "postgresql"),
        (false, true) => (Engine::MySql, "mysql"),
        (both, _) => {
            let present = if both { "Both" } else { "None" };
            return Err(format!(
                "SQL Query Enrichment Configuration: db must represent either postgresql OR mysql. {present} present"
            ));
        }
    };
    let text = |key| {
        config
            .text(&["parameters", "database", name, key])
            .map(str::to_owned)
    };
    // not by the ordinary way, which would print it
    let password = value
        .get(name)
        .and_then(|database| database.get("password"));
    let password = password.and_then(Value::as_str).ok_or_else(|| {
        format!("Could not extract parameters.database.{name}.password as java.lang.String from supplied JSON due to: it is missing or no text")
    })?;
    let port = config.integer(&["parameters", "database", name, "port"])?;
    Ok(DatabaseSettings {
        engine,
        host: text("host")?,
        port: u16::try_from(port).map_err(|_| {
            format!("Could not extract parameters.database.{name}.port as int from supplied JSON due to: {port} is no port")
        })?,
        ssl: config.boolean(&["parameters", "database", name, "sslMode"])?,
        username: text("username")?,
        password: Zeroizing::new(password.to_owned()),
        database: text("database")?,
    })
}

fn output(config: &EnrichmentConfig) -> Result<Output, String> {
    let json = |key| config.text(&["parameters", "output", "json", key]);
    let expected_rows = config.text(&["parameters", "output", "expectedRows"])?;
    let (describes, property_names) = (json("describes")?, json("propertyNames")?);
    Ok(Output {
        schema: json("schema")?.to_owned(),
        expected_rows: ExpectedRows::from_name(expected_rows).ok_or_else(|| {
            format!(
                "SQL Query Enrichment: [{expected_rows}] is unknown value for expectedRows property"
            )
        })?,
        describes: Describes::from_name(describes)
            .ok_or_else(|| format!("Describe [{describes}] is not allowed"))?,
        property_names: PropertyNames::from_name(property_names)
            .ok_or_else(|| format!("PropertyName [{property_names}] is not allowed"))?,
    })
}

fn cache(config: &EnrichmentConfig) -> Result<CacheSettings, String> {
    let number = |key| {
        let value = config.integer(&["parameters", "cache", key])?;
        u32::try_from(value).map_err(|_| {
            format!("Could not extract parameters.cache.{key} as int from supplied JSON due to: {value} is below 0")
        })
    };
    Ok(CacheSettings {
        size: number("size")? as usize,
        ttl: match number("ttl")? {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        },
    })
}
