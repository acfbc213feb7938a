//! Validation of parsed JSON against compiled schemas: the verdict alone, the path of nearly all events. Rates are bytes of
//! JSON that was validated, and self-describing JSONs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "without data there is nothing to measure"
)]

mod support;

use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use engine::iglu::{Resolver, SchemaEntry};
use engine::json::{self, Value};

fn main() {
    divan::main();
}

/// The self-describing JSONs of a document: the data of a `contexts` array, or of an unstruct event.
fn self_describing(document: Value<'_>) -> Vec<Value<'static>> {
    match document.into_owned().get("data") {
        Some(Value::Array(contexts)) => contexts.clone(),
        Some(event) => vec![event.clone()],
        None => panic!("a document without data"),
    }
}

fn with_schemas(resolver: &Resolver) -> Vec<(Value<'static>, Arc<SchemaEntry>)> {
    support::documents(support::EVENTS)
        .iter()
        .flat_map(|text| self_describing(json::parse(text).expect("JSON").expect("a value")))
        .map(|json| {
            let uri = json.get("schema").and_then(Value::as_str).expect("a URI");
            let schema = resolver.lookup_uri(uri).expect("a known schema");
            (json.get("data").expect("data").clone(), schema)
        })
        .collect()
}

#[divan::bench]
fn is_valid(bencher: Bencher) {
    let resolver = support::resolver();
    let instances = with_schemas(&resolver);
    let bytes: usize = instances
        .iter()
        .map(|(data, _)| data.to_compact().len())
        .sum();
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(instances.len()))
        .bench_local(|| {
            for (data, entry) in &instances {
                assert!(entry.schema.is_valid(black_box(data)));
            }
        });
}

/// What a self-describing JSON costs before its schema is applied.
#[divan::bench]
fn lookup_uri(bencher: Bencher) {
    let resolver = support::resolver();
    let uri = "iglu:com.camonica.shop/page/jsonschema/1-0-0";
    bencher
        .counter(ItemsCount::new(1u64))
        .bench_local(|| resolver.lookup_uri(black_box(uri)).expect("a known schema"));
}
