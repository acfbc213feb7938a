//! The shred kernel: a whole enriched line checked, validated against its schemas, and printed as rows in memory. Rates are
//! bytes of enriched lines, and events.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use std::collections::HashMap;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use engine::shred::{Columns, RowKind, ShreddedRows, Validation, Widths, shred_line};

fn main() {
    divan::main();
}

/// One buffer for each schema, found by the address of its entry, as the job does.
#[derive(Default)]
struct Rows {
    atomic: Vec<u8>,
    others: Vec<u8>,
    by_schema: HashMap<usize, Vec<u8>>,
}

impl Rows {
    fn clear(&mut self) {
        self.atomic.clear();
        self.others.clear();
        self.by_schema.values_mut().for_each(Vec::clear);
    }
}

impl ShreddedRows for Rows {
    fn row(&mut self, kind: RowKind<'_>) -> &mut Vec<u8> {
        match kind {
            RowKind::Atomic => &mut self.atomic,
            RowKind::Schema(schema) => {
                let address = std::sync::Arc::as_ptr(schema) as usize;
                self.by_schema.entry(address).or_default()
            }
            RowKind::Key(_) => &mut self.others,
        }
    }
}

#[divan::bench]
fn check_and_write(bencher: Bencher) {
    let lines = support::enriched_lines(support::EVENTS);
    let resolver = support::resolver();
    let mut columns = Columns::default();
    let mut rows = Rows::default();
    bencher
        .counter(BytesCount::new(support::bytes(&lines)))
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            rows.clear();
            for line in &lines {
                let event = shred_line(line, &resolver, Validation::Full, &mut columns)
                    .expect("a good event");
                event.write(&columns, Widths::Redshift, None, &mut rows);
            }
            black_box(rows.atomic.len())
        });
}

/// The first half of the work: without printing.
#[divan::bench]
fn check(bencher: Bencher) {
    let lines = support::enriched_lines(support::EVENTS);
    let resolver = support::resolver();
    let mut columns = Columns::default();
    bencher
        .counter(BytesCount::new(support::bytes(&lines)))
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            for line in &lines {
                black_box(
                    shred_line(line, &resolver, Validation::Full, &mut columns)
                        .expect("a good event"),
                );
            }
        });
}
