//! Derived contexts: what enrichments attach to an event, and column `derived_contexts`.
//!
//! The order of the column is not the order in which the enrichments run: the API request's and the
//! SQL query's contexts come first, although both are made last and see the others'.

use std::sync::Arc;

use crate::event::{EnrichedEvent, Field};
use crate::json::Value;
use crate::json::print::write_compact;

use super::registry::Stage;

/// Opening of the column; the reference writes 1-0-1, which allows an empty list.
const ENVELOPE: &[u8] =
    br#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":["#;

/// Contexts by the enrichment that made them.
#[derive(Debug, Default)]
pub struct DerivedContexts {
    contexts: Vec<(Stage, Context)>,
}

#[derive(Debug)]
enum Context {
    Own(Value<'static>),
    Shared(Arc<SharedContext>),
}

/// A context that many events have: kept with its text, it is neither copied nor printed for each of them.
#[derive(Debug)]
pub struct SharedContext {
    value: Value<'static>,
    text: Box<[u8]>,
}

impl SharedContext {
    /// An object with `schema` and `data`, in this order.
    pub fn new(value: Value<'static>) -> Self {
        let mut text = Vec::new();
        write_compact(&value, &mut text);
        Self {
            value,
            text: text.into(),
        }
    }

    /// The object.
    pub fn value(&self) -> &Value<'static> {
        &self.value
    }

    /// The bytes of its text.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Context {
    fn value(&self) -> &Value<'static> {
        match self {
            Self::Own(value) => value,
            Self::Shared(shared) => &shared.value,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Own(value) => write_compact(value, out),
            Self::Shared(shared) => out.extend_from_slice(&shared.text),
        }
    }
}

impl DerivedContexts {
    /// Adds a context of the enrichment of `stage`, after those that it added before: an object
    /// with `schema` and `data`, in this order.
    pub fn push(&mut self, stage: Stage, context: Value<'static>) {
        self.contexts.push((stage, Context::Own(context)));
    }

    /// [`push`](Self::push) of a context that other events have too.
    pub fn push_shared(&mut self, stage: Stage, context: Arc<SharedContext>) {
        self.contexts.push((stage, Context::Shared(context)));
    }

    /// The contexts in the order of the column.
    pub fn iter(&self) -> impl Iterator<Item = &Value<'static>> {
        self.ordered().map(Context::value)
    }

    fn ordered(&self) -> impl Iterator<Item = &Context> {
        ORDER.into_iter().flat_map(|stage| {
            let of_stage = move |(made_by, _): &&(Stage, Context)| *made_by == stage;
            let contexts = self.contexts.iter().filter(of_stage);
            contexts.map(|(_, context)| context)
        })
    }

    /// The contexts that the SQL query and the API request look into: those of the others, then the
    /// SQL query's.
    pub fn prepared(&self) -> impl Iterator<Item = &Value<'static>> {
        let sql = self.contexts.iter().filter(|(s, _)| *s == Stage::SqlQuery);
        ORDER[2..]
            .iter()
            .flat_map(|stage| self.contexts.iter().filter(move |(s, _)| s == stage))
            .chain(sql)
            .map(|(_, context)| context.value())
    }

    /// Sets column `derived_contexts` if there is any context.
    pub fn write(&self, event: &mut EnrichedEvent) {
        if self.contexts.is_empty() {
            return;
        }
        let mut column = ENVELOPE.to_vec();
        for (index, context) in self.ordered().enumerate() {
            if index > 0 {
                column.push(b',');
            }
            context.write(&mut column);
        }
        column.extend_from_slice(b"]}");
        // what is printed is text: the check of whole ASCII words is much cheaper than the lossy conversion
        match std::str::from_utf8(&column) {
            Ok(column) => event.set(Field::DerivedContexts, column),
            Err(_) => event.set(Field::DerivedContexts, &String::from_utf8_lossy(&column)),
        }
    }
}

/// Order of the column.
const ORDER: [Stage; 8] = [
    Stage::ApiRequest,
    Stage::SqlQuery,
    Stage::UaParser,
    Stage::Weather,
    Stage::Iab,
    Stage::Javascript,
    Stage::CookieExtractor,
    Stage::HttpHeaderExtractor,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn context(data: &'static str) -> Value<'static> {
        Value::object([
            ("schema", Value::string("iglu:a/b/jsonschema/1-0-0")),
            ("data", Value::string(data)),
        ])
    }

    fn data<'v>(contexts: impl Iterator<Item = &'v Value<'static>>) -> Vec<&'v str> {
        contexts
            .filter_map(|c| c.get("data").and_then(Value::as_str))
            .collect()
    }

    fn made_in_running_order() -> DerivedContexts {
        let mut derived = DerivedContexts::default();
        derived.push(Stage::Iab, context("iab"));
        derived.push(Stage::UaParser, context("ua"));
        derived.push(Stage::Javascript, context("js1"));
        derived.push(Stage::Javascript, context("js2"));
        derived.push(Stage::CookieExtractor, context("cookie"));
        derived.push(Stage::HttpHeaderExtractor, context("header"));
        derived.push(Stage::Weather, context("weather"));
        derived
    }

    #[test]
    fn order_of_the_column_and_of_the_look_ups() {
        let mut derived = made_in_running_order();
        let prepared = ["ua", "weather", "iab", "js1", "js2", "cookie", "header"];
        assert_eq!(data(derived.prepared()), prepared);
        derived.push(Stage::SqlQuery, context("sql"));
        assert_eq!(data(derived.prepared())[..7], prepared);
        assert_eq!(data(derived.prepared())[7..], ["sql"]);
        derived.push(Stage::ApiRequest, context("api"));
        assert_eq!(data(derived.iter())[..2], ["api", "sql"]);
        assert_eq!(data(derived.iter())[2..], prepared);
    }

    #[test]
    fn the_column_stays_null_without_contexts() {
        let mut event = EnrichedEvent::new();
        DerivedContexts::default().write(&mut event);
        assert!(event.is_null(Field::DerivedContexts));
        let mut derived = DerivedContexts::default();
        let shared = Arc::new(SharedContext::new(context("a")));
        assert_eq!(shared.value(), &context("a"));
        assert_eq!(shared.text_bytes(), context("a").to_compact().len());
        derived.push_shared(Stage::UaParser, shared);
        derived.push(Stage::SqlQuery, context("b"));
        assert_eq!(data(derived.iter()), ["b", "a"]);
        assert_eq!(data(derived.prepared()), ["a", "b"]);
        derived.write(&mut event);
        assert_eq!(
            event.get(Field::DerivedContexts),
            Some(concat!(
                r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":["#,
                r#"{"schema":"iglu:a/b/jsonschema/1-0-0","data":"b"},"#,
                r#"{"schema":"iglu:a/b/jsonschema/1-0-0","data":"a"}]}"#,
            ))
        );
    }
}
