//! Enriched lines become rows or bad rows.
//!
//! A text that begins with `=` is lines as they are. Of any other, the lines are columns of an otherwise good line: unstruct
//! event, contexts, derived contexts, `etl_tstamp`, `collector_tstamp`, `event_id`, `app_id`; an empty one is left as it was.
#![no_main]

use engine::event::fields::{FIELD_COUNT, Field};
use engine::input::lines::Lines;
use libfuzzer_sys::fuzz_target;

const COLUMNS: [Field; 7] = [
    Field::UnstructEvent,
    Field::Contexts,
    Field::DerivedContexts,
    Field::EtlTstamp,
    Field::CollectorTstamp,
    Field::EventId,
    Field::AppId,
];

fuzz_target!(|data: &[u8]| {
    if let Some(lines) = data.strip_prefix(b"=") {
        for line in Lines::new(0, lines) {
            checks::shred(line.bytes);
        }
        return;
    }
    let mut columns = [&b""[..]; FIELD_COUNT];
    columns[Field::EventId as usize] = b"6b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    columns[Field::CollectorTstamp as usize] = b"2018-07-24 10:15:30.000";
    columns[Field::EtlTstamp as usize] = b"2018-07-24 10:20:00.123";
    for (field, line) in COLUMNS.into_iter().zip(data.split(|&byte| byte == b'\n')) {
        if !line.is_empty() {
            columns[field as usize] = line;
        }
    }
    let line = columns.join(&b'\t');
    for line in Lines::new(0, &line) {
        checks::shred(line.bytes);
    }
});
