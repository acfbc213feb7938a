//! The plain wrapper schemas, recognised when they are compiled and then checked by hand.
//!
//! Every event is checked against `unstruct_event` and `contexts` before the JSONs in it are. These
//! schemas ask for nothing but `{schema, data}` pairs. One that says exactly that (whichever registry
//! served it) needs neither the validator nor a regular expression per event. What the hand-written
//! check refuses goes to the validator, which words the messages, so that a mistake here could not
//! turn a good event into a bad one.

use std::borrow::Cow;

use crate::iglu::key::is_iglu_uri;
use crate::json::Value;

/// What a wrapper schema asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// One self-describing JSON (`unstruct_event`, `instance-iglu-only`).
    One,
    /// An array of self-describing JSONs (`contexts`, `enrichments`).
    Many {
        /// Fewest elements.
        least: usize,
    },
}

/// The pattern of an Iglu URI, as wrapper schemas write it.
const URI_PATTERN: &str =
    "^iglu:[a-zA-Z0-9-_.]+/[a-zA-Z0-9-_]+/[a-zA-Z0-9-_]+/[0-9]+-[0-9]+-[0-9]+$";

impl Envelope {
    /// Whether `document` is a schema that asks for exactly this; any keyword beyond makes it `None`.
    pub fn recognise(document: &Value<'_>) -> Option<Self> {
        let root = Keywords::of(document)?;
        match root.text("type")? {
            "object" => is_pair_schema(&root).then_some(Self::One),
            "array" => {
                let least = match root.get("minItems") {
                    None => 0,
                    Some(Value::Number(number)) => usize::try_from(number.as_i64()?).ok()?,
                    Some(_) => return None,
                };
                let known = 2 + usize::from(root.get("minItems").is_some());
                let items = Keywords::of(root.get("items")?)?;
                (root.len() == known && items.text("type") == Some("object"))
                    .then_some(())
                    .filter(|()| is_pair_schema(&items))
                    .map(|()| Self::Many { least })
            }
            _ => None,
        }
    }

    /// Whether `data` certainly obeys the wrapper; `false` means that the validator must look.
    pub fn accepts(self, data: &Value<'_>) -> bool {
        match (self, data) {
            (Self::One, data) => is_self_describing(data),
            (Self::Many { least }, Value::Array(items)) => {
                items.len() >= least && items.iter().all(is_self_describing)
            }
            _ => false,
        }
    }
}

/// Schema URI and data of an object with exactly these two members, in either order.
pub fn pair<'v, 'a>(value: &'v Value<'a>) -> Option<(&'v str, &'v Value<'a>)> {
    let Value::Object(members) = value else {
        return None;
    };
    let [(first, one), (second, other)] = members.as_slice() else {
        return None;
    };
    let (schema, data) = match (first.as_ref(), second.as_ref()) {
        ("schema", "data") => (one, other),
        ("data", "schema") => (other, one),
        _ => return None,
    };
    Some((schema.as_str()?, data))
}

fn is_self_describing(value: &Value<'_>) -> bool {
    pair(value).is_some_and(|(schema, _)| is_iglu_uri(schema))
}

/// The members of a schema that say something: all but titles and the like.
struct Keywords<'v, 'a>(Vec<&'v (Cow<'a, str>, Value<'a>)>);

impl<'v, 'a> Keywords<'v, 'a> {
    fn of(schema: &'v Value<'a>) -> Option<Self> {
        let silent = |name: &str| matches!(name, "$schema" | "self" | "description" | "title");
        let members = schema.as_object()?;
        Some(Self(
            members.iter().filter(|(name, _)| !silent(name)).collect(),
        ))
    }

    fn get(&self, name: &str) -> Option<&'v Value<'a>> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&'v str> {
        self.get(name).and_then(Value::as_str)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// `{type: object, properties: {schema: {type: string, pattern}, data: {}}, required: [both],
/// additionalProperties: false}` and nothing else.
fn is_pair_schema(schema: &Keywords<'_, '_>) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    let both = required.is_some_and(|names| {
        names.len() == 2
            && ["schema", "data"]
                .iter()
                .all(|name| names.iter().any(|other| other.as_str() == Some(name)))
    });
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return false;
    };
    let member = |name: &str| {
        let found = properties.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| Keywords::of(value))
    };
    let uri = member("schema").is_some_and(|uri| {
        uri.len() == 2
            && uri.text("type") == Some("string")
            && uri.text("pattern") == Some(URI_PATTERN)
    });
    schema.len() == 4
        && both
        && schema.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.len() == 2
        && uri
        && member("data").is_some_and(|data| data.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn value(text: &str) -> Value<'_> {
        json::parse(text).unwrap().unwrap()
    }

    const PAIR: &str = r#"{"type":"object","description":"d","required":["data","schema"],
        "additionalProperties":false,"properties":{"data":{"description":"any"},"schema":{"type":"string",
        "pattern":"^iglu:[a-zA-Z0-9-_.]+/[a-zA-Z0-9-_]+/[a-zA-Z0-9-_]+/[0-9]+-[0-9]+-[0-9]+$"}}}"#;

    #[test]
    fn plain_wrappers_are_recognised() {
        assert_eq!(Envelope::recognise(&value(PAIR)), Some(Envelope::One));
        let many = format!(r#"{{"$schema":"x","self":{{}},"type":"array","items":{PAIR}}}"#);
        assert_eq!(
            Envelope::recognise(&value(&many)),
            Some(Envelope::Many { least: 0 })
        );
        let some = format!(r#"{{"type":"array","minItems":1,"items":{PAIR}}}"#);
        assert_eq!(
            Envelope::recognise(&value(&some)),
            Some(Envelope::Many { least: 1 })
        );
    }

    #[test]
    fn a_schema_that_asks_for_more_or_less_is_not() {
        let edits = [
            (r#""type":"object","#, ""),
            (
                r#""type":"object","#,
                r#""type":"object","maxProperties":1,"#,
            ),
            (r#""type":"object","#, r#""type":["object"],"#),
            (
                r#""type":"object","#,
                r#""type":"object","definitions":{},"#,
            ),
            (r#"["data","schema"]"#, r#"["data"]"#),
            (r#"["data","schema"]"#, r#"["data","schema","x"]"#),
            (r#"["data","schema"]"#, r#"["data","data"]"#),
            ("false", "true"),
            ("false", "{}"),
            (r#"{"description":"any"}"#, r#"{"type":"object"}"#),
            (r#""type":"string","#, ""),
            ("^iglu", "iglu"),
            (r#""data":{"#, r#""datum":{"#),
        ];
        for (from, to) in edits {
            let text = PAIR.replacen(from, to, 1);
            assert_ne!(text, PAIR, "{from}");
            assert_eq!(Envelope::recognise(&value(&text)), None, "{from} {to}");
            let many = format!(r#"{{"type":"array","items":{text}}}"#);
            assert_eq!(Envelope::recognise(&value(&many)), None, "{from} {to}");
        }
        for text in [
            "{}",
            "[]",
            r#"{"type":"array"}"#,
            r#"{"type":"array","items":[],"minItems":-1}"#,
            &format!(r#"{{"type":"array","items":{PAIR},"maxItems":3}}"#),
            &format!(r#"{{"type":"array","items":{PAIR},"minItems":1.5}}"#),
            &format!(r#"{{"type":"array","items":{PAIR},"minItems":-1}}"#),
            &format!(r#"{{"type":"array","items":[{PAIR}]}}"#),
        ] {
            assert_eq!(Envelope::recognise(&value(text)), None, "{text}");
        }
    }

    #[test]
    fn pairs_are_accepted_in_either_order_and_nothing_else() {
        let good = r#"{"schema":"iglu:a/b/c/1-0-0","data":null}"#;
        let turned = r#"{"data":[],"schema":"iglu:a/b/c/1-0-0"}"#;
        for text in [good, turned] {
            assert!(Envelope::One.accepts(&value(text)));
            assert!(Envelope::Many { least: 1 }.accepts(&value(&format!("[{text}]"))));
        }
        for text in [
            "{}",
            "[]",
            "null",
            r#"{"schema":"iglu:a/b/c/1-0-0"}"#,
            r#"{"schema":"iglu:a/b/c/1-0-0","data":1,"x":1}"#,
            r#"{"schema":"iglu:a/b/c/1-0","data":1}"#,
            r#"{"schema":1,"data":1}"#,
            r#"{"schema":"iglu:a/b/c/1-0-0","Data":1}"#,
        ] {
            assert!(!Envelope::One.accepts(&value(text)), "{text}");
            assert!(!Envelope::Many { least: 0 }.accepts(&value(&format!("[{good},{text}]"))));
        }
        assert!(Envelope::Many { least: 0 }.accepts(&value("[]")));
        assert!(!Envelope::Many { least: 1 }.accepts(&value("[]")));
        assert!(!Envelope::Many { least: 0 }.accepts(&value(good)));
    }
}
