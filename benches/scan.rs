//! The scan for duplicates: the event id of every line found, hashed and put into the table. Rates are bytes of enriched
//! lines, and events.

mod support;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use engine::dedup::keys::{EventKeyHasher, KeyTable};
use engine::event::fields::Field;
use engine::exec::spill::SpillArea;
use engine::shred::columns::column_bytes;

fn main() {
    divan::main();
}

fn table() -> Option<KeyTable> {
    let hasher = EventKeyHasher::random().ok()?;
    let spill = SpillArea::open("scan", &[]).ok()?;
    Some(KeyTable::new(hasher, spill, 256 << 20))
}

/// As many lines as fill the table's staging areas some times over.
const LINES: usize = 20_000;

#[divan::bench]
fn event_ids(bencher: Bencher) {
    let lines = support::enriched_lines(LINES);
    bencher
        .counter(BytesCount::new(support::bytes(&lines)))
        .counter(ItemsCount::new(lines.len()))
        .with_inputs(table)
        .bench_local_values(|table| {
            let mut keys = table.as_ref().map(KeyTable::writer);
            for line in &lines {
                let id = column_bytes(line.as_bytes(), Field::EventId as usize);
                if let (Some(keys), Some(id)) = (&mut keys, id) {
                    keys.add(black_box(id)).ok();
                }
            }
            drop(keys);
            table.map(|table| table.into_candidates(1, 64 << 20))
        });
}
