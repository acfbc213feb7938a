//! JSON: contexts and unstruct events as text into trees, and trees into text. Rates are bytes of JSON.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use engine::json::{self, Value, print::write_compact};

fn main() {
    divan::main();
}

fn tree(text: &str) -> Value<'_> {
    json::parse(text).expect("JSON").expect("a value")
}

#[divan::bench]
fn parse(bencher: Bencher) {
    let documents = support::documents(support::EVENTS);
    bencher
        .counter(BytesCount::new(support::bytes(&documents)))
        .bench_local(|| {
            for text in &documents {
                black_box(json::parse(text).expect("JSON"));
            }
        });
}

#[divan::bench]
fn print(bencher: Bencher) {
    let documents = support::documents(support::EVENTS);
    let trees: Vec<Value<'_>> = documents.iter().map(|text| tree(text)).collect();
    let mut out = Vec::new();
    bencher
        .counter(BytesCount::new(support::bytes(&documents)))
        .bench_local(|| {
            out.clear();
            for tree in &trees {
                write_compact(tree, &mut out);
            }
            black_box(out.len())
        });
}
