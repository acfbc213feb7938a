//! Reads a resolver configuration: self-describing JSON of `resolver-config` 1-0-0 to 1-0-2.
//!
//! It is validated with the embedded schemas only. Failure texts are those of iglu-scala-client 0.5.0,
//! except that an API key in the configuration is never repeated in them.

use std::sync::LazyLock;

use super::{CacheSettings, Clock, Resolver, config_error};
use crate::error::{Error, Result};
use crate::iglu::key::SchemaCriterion;
use crate::iglu::message::Message;
use crate::iglu::registry::folder::Folder;
use crate::iglu::registry::http::Http;
use crate::iglu::registry::{Connection, Registry, parser_message};
use crate::iglu::self_describing;
use crate::json::{self, Number, Value};

/// Path of the built-in repository in the reference's class path; configurations may name it.
const BUILT_IN_PATH: &str = "iglu-client-embedded";

static CRITERION: LazyLock<SchemaCriterion> = LazyLock::new(|| {
    SchemaCriterion::jsonschema(
        "com.snowplowanalytics.iglu",
        "resolver-config",
        1,
        Some(0),
        Some(2),
    )
});

pub(super) fn from_text(text: &str) -> Result<Resolver> {
    // The text may hold an API key, so that messages about it do not repeat it.
    let invalid = |why: &str| {
        Error::config(format!(
            "Field [iglu]: invalid JSON with parsing error: {why}"
        ))
    };
    let value = json::parse(text)
        .map_err(|error| invalid(&without_token(&parser_message(text, &error))))?
        .ok_or_else(|| invalid("mapping resulted in null"))?;
    from_value(&value).map_err(|messages| config_error(&messages))
}

/// Takes the token out of `Unrecognized token '<token>'`: it may be a key whose quotes were forgotten.
fn without_token(message: &str) -> String {
    const START: &str = "Unrecognized token '";
    let rest = message
        .strip_prefix(START)
        .and_then(|rest| rest.split_once('\''));
    match rest {
        Some((_, rest)) => format!("{START}...'{rest}"),
        None => message.to_owned(),
    }
}

pub(super) fn from_value(value: &Value<'_>) -> std::result::Result<Resolver, Vec<Message>> {
    read(value).map_err(|mut messages| {
        let first = Message::error("Resolver configuration failed JSON Schema validation");
        messages.insert(0, first);
        messages
    })
}

fn read(value: &Value<'_>) -> std::result::Result<Resolver, Vec<Message>> {
    let embedded = Resolver::embedded_only();
    let config = self_describing::validate(&embedded, value, Some(&CRITERION))?;
    let mut messages = Vec::new();
    let mut number = |name: &str| match config.data.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => Some(java_int(number)),
        Some(other) => {
            messages.push(could_not_extract(name, other));
            None
        }
    };
    let size = number("cacheSize").unwrap_or(CacheSettings::default().size);
    let ttl = number("cacheTtl").map(|seconds| u64::try_from(seconds).unwrap_or(0));
    let mut registries = Vec::new();
    for repository in config
        .data
        .get("repositories")
        .and_then(Value::as_array)
        .unwrap_or_default()
    {
        match registry(repository) {
            Ok(registry) => registries.push(registry),
            Err(more) => messages.extend(more),
        }
    }
    if !messages.is_empty() {
        return Err(messages);
    }
    let settings = CacheSettings { size, ttl };
    Ok(Resolver::with_registries(
        registries,
        settings,
        Clock::system(),
    ))
}

fn registry(config: &Value<'_>) -> std::result::Result<Registry, Vec<Message>> {
    let mut messages = Vec::new();
    let name = config.get("name").and_then(Value::as_str);
    let priority = match config.get("priority") {
        Some(Value::Number(number)) => Some(java_int(number)),
        _ => None,
    };
    let prefixes: Option<Vec<String>> = config
        .get("vendorPrefixes")
        .and_then(Value::as_array)
        .and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        });
    let connection = connection(config);
    match (name, priority, prefixes, connection) {
        (Some(name), Some(priority), Some(vendor_prefixes), Ok(connection)) => Ok(Registry {
            name: name.to_owned(),
            priority,
            vendor_prefixes,
            connection,
        }),
        (name, priority, prefixes, connection) => {
            if name.is_none() || priority.is_none() || prefixes.is_none() {
                messages.push(could_not_extract(
                    "name, priority and vendorPrefixes",
                    config,
                ));
            }
            messages.extend(connection.err());
            Err(messages)
        }
    }
}

fn connection(config: &Value<'_>) -> std::result::Result<Connection, Message> {
    let connection = config.get("connection");
    let part = |name: &str| {
        let part = connection.and_then(|connection| connection.get(name));
        part.filter(|part| **part != Value::Null)
    };
    if let Some(embedded) = part("embedded") {
        let Some(path) = embedded.get("path").and_then(Value::as_str) else {
            return Err(could_not_extract("connection.embedded.path", config));
        };
        let folder = Folder::new(path);
        return Ok(
            if path.trim_matches('/') == BUILT_IN_PATH && !folder.exists() {
                Connection::BuiltIn
            } else {
                Connection::Folder(folder)
            },
        );
    }
    if let Some(http) = part("http") {
        let apikey = match http.get("apikey") {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(apikey)) => Some(Some(apikey.to_string())),
            Some(_) => None,
        };
        return match (http.get("uri").and_then(Value::as_str), apikey) {
            (Some(uri), Some(apikey)) => Ok(Connection::Http(Http::new(uri, apikey))),
            _ => Err(could_not_extract("connection.http", config)),
        };
    }
    Err(Message::error(
        "Configuration unrecognizable as either embedded or HTTP repository",
    ))
}

/// `Could not extract <what> from <json>`, without API keys.
fn could_not_extract(what: &str, config: &Value<'_>) -> Message {
    let shown = without_apikey(config.clone()).to_compact();
    Message::error(format!("Could not extract {what} from {shown}"))
}

fn without_apikey(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| match name.as_ref() {
                    "apikey" => (name, Value::string("...")),
                    _ => (name, without_apikey(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_apikey).collect()),
        other => other,
    }
}

/// The 32-bit integer that a JSON number is read as: fractions are cut, and what is out of range ends at
/// the bounds.
fn java_int(number: &Number<'_>) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let whole = number.as_i64().unwrap_or_else(|| number.as_f64() as i64);
    whole.clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        json::parse(text).unwrap().unwrap()
    }

    fn config(version: &str, data: &str) -> String {
        format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/{version}","data":{data}}}"#
        )
    }

    const CENTRAL: &str = r#"{"name":"Iglu Central","priority":0,"vendorPrefixes":["com.snowplowanalytics"],
        "connection":{"http":{"uri":"http://iglucentral.com"}}}"#;

    #[test]
    fn the_usual_configurations() {
        for version in ["1-0-0", "1-0-1", "1-0-2"] {
            let text = config(
                version,
                &format!(r#"{{"cacheSize":500,"repositories":[{CENTRAL}]}}"#),
            );
            let resolver = Resolver::from_config(&text).unwrap();
            assert_eq!(
                resolver.repositories(),
                [
                    "Iglu Client Embedded [embedded] at built in, priority 0, vendor prefixes []",
                    "Iglu Central [HTTP] at http://iglucentral.com, priority 0, vendor prefixes \
                     [com.snowplowanalytics]"
                ]
            );
            assert_eq!(resolver.ttl, None);
        }
        let text = config(
            "1-0-2",
            r#"{"cacheSize":1e1,"cacheTtl":60,"repositories":[
                {"name":"private","priority":2.9,"vendorPrefixes":[],
                 "connection":{"http":{"uri":"https://iglu.acme.com","apikey":"s3cr3t"}}},
                {"name":"open","priority":-1,"vendorPrefixes":[],
                 "connection":{"http":{"uri":"https://iglu.acme.com","apikey":null}}},
                {"name":"disk","priority":1,"vendorPrefixes":["com.acme"],"connection":{"embedded":{"path":"/x/y"}}},
                {"name":"again","priority":9,"vendorPrefixes":[],
                 "connection":{"embedded":{"path":"/iglu-client-embedded"}}}]}"#,
        );
        let resolver = Resolver::from_config(&text).unwrap();
        assert_eq!(resolver.ttl, Some(60));
        let lines = resolver.repositories();
        assert_eq!(
            lines[1],
            "private [HTTP] at https://iglu.acme.com, priority 2, vendor prefixes []"
        );
        assert_eq!(
            lines[2],
            "open [HTTP] at https://iglu.acme.com, priority -1, vendor prefixes []"
        );
        assert_eq!(
            lines[3],
            "disk [embedded] at /x/y, priority 1, vendor prefixes [com.acme]"
        );
        assert_eq!(
            lines[4],
            "again [embedded] at built in, priority 9, vendor prefixes []"
        );
        assert!(!format!("{resolver:?} {lines:?}").contains("s3cr3t"));
    }

    #[test]
    fn sizes_that_keep_nothing() {
        for size in ["0", "-5", "0.5", "-1e300"] {
            let text = config(
                "1-0-0",
                &format!(r#"{{"cacheSize":{size},"repositories":[]}}"#),
            );
            assert!(
                Resolver::from_config(&text).unwrap().cache.is_none(),
                "{size}"
            );
        }
        for size in ["1", "1.5", "99999999999999999999999"] {
            let text = config(
                "1-0-0",
                &format!(r#"{{"cacheSize":{size},"repositories":[]}}"#),
            );
            assert!(
                Resolver::from_config(&text).unwrap().cache.is_some(),
                "{size}"
            );
        }
    }

    #[test]
    fn equal_repositories_are_one() {
        let text = config(
            "1-0-0",
            &format!(r#"{{"cacheSize":5,"repositories":[{CENTRAL},{CENTRAL}]}}"#),
        );
        assert_eq!(
            Resolver::from_config(&text).unwrap().repositories().len(),
            2
        );
    }

    #[test]
    fn a_wrong_schema_is_refused() {
        for version in ["1-0-3", "1-1-0", "2-0-0"] {
            let error = Resolver::from_config(&config(version, "{}")).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert_eq!(
                error.to_string(),
                format!(
                    "error: Resolver configuration failed JSON Schema validation\n    level: \"error\"\nerror: \
                     Verifying schema as iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-2 failed: \
                     found iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/{version}\n    level: \"error\""
                )
            );
        }
    }

    #[test]
    fn texts_that_are_no_json_do_not_reach_the_message() {
        let error = Resolver::from_config("{\"apikey\":\"s3cr3t\",")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("Field [iglu]: invalid JSON with parsing error: "),
            "{error}"
        );
        assert!(!error.contains("s3cr3t"), "{error}");
        let error = Resolver::from_config("{\"apikey\":s3cr3t}")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
        assert_eq!(
            without_token("Unrecognized token 's3cr3t': was expecting x at [Source: y]"),
            "Unrecognized token '...': was expecting x at [Source: y]"
        );
        let error = Resolver::from_config(" ").unwrap_err().to_string();
        assert_eq!(
            error,
            "Field [iglu]: invalid JSON with parsing error: mapping resulted in null"
        );
    }

    /// Needs the real validator.
    #[test]
    fn what_the_schema_refuses_is_told_at_once() {
        let cases = [
            ("1-0-0", r#"{"cacheSize":5}"#),
            ("1-0-0", r#"{"cacheSize":"5","repositories":[]}"#),
            ("1-0-1", r#"{"cacheSize":5,"cacheTtl":5,"repositories":[]}"#),
            ("1-0-2", r#"{"cacheSize":5,"cacheTtl":0,"repositories":[]}"#),
            (
                "1-0-2",
                r#"{"cacheSize":5,"cacheTtl":1.5,"repositories":[]}"#,
            ),
            (
                "1-0-0",
                r#"{"cacheSize":5,"repositories":[{"name":"x","priority":0,"vendorPrefixes":[],
                    "connection":{"http":{"uri":"http://x","apikey":"s3cr3t"}}}]}"#,
            ),
            (
                "1-0-1",
                r#"{"cacheSize":5,"repositories":[{"name":"x","priority":0,"vendorPrefixes":[],
                    "connection":{"http":{"uri":"http://x"},"embedded":{"path":"/x"}}}]}"#,
            ),
        ];
        for (version, data) in cases {
            let text = config(version, data);
            let messages = Resolver::from_value(&value(&text)).unwrap_err();
            assert_eq!(
                messages[0],
                Message::error("Resolver configuration failed JSON Schema validation")
            );
            assert!(messages.len() > 1, "{data}");
            assert!(messages[1].get("keyword").is_some(), "{data}");
            assert!(!format!("{messages:?}").contains("s3cr3t"), "{data}");
        }
        let not_described = Resolver::from_value(&value(r#"{"not":"self-desc"}"#)).unwrap_err();
        assert_eq!(not_described.len(), 3);
    }

    #[test]
    fn texts_of_parts_that_cannot_be_read() {
        let text = |config: &str| match connection(&value(config)) {
            Err(message) => message.text().to_owned(),
            Ok(other) => panic!("{other:?}"),
        };
        assert_eq!(
            text(r#"{"connection":{"ftp":{}}}"#),
            "Configuration unrecognizable as either embedded or HTTP repository"
        );
        assert_eq!(
            text(r#"{"connection":{"http":{"uri":1,"apikey":"s3cr3t"}}}"#),
            r#"Could not extract connection.http from {"connection":{"http":{"uri":1,"apikey":"..."}}}"#
        );
        assert_eq!(
            text(r#"{"connection":{"embedded":{}}}"#),
            r#"Could not extract connection.embedded.path from {"connection":{"embedded":{}}}"#
        );
        assert_eq!(registry(&value("{}")).unwrap_err().len(), 2);
    }
}
