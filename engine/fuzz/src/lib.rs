//! What the targets share: the kernels of the jobs with the embedded schemas only, and what must hold of whatever they make
//! of hostile bytes.
//!
//! A broken promise is a panic, which is what a fuzzer looks for. The JSON of the engine is judged by another reader
//! (`serde_json`), never by its own.

use std::fmt::Write;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use engine::adapter::raw_event::RawEvent;
use engine::collector::CollectorFormat;
use engine::enrichment::{EnrichFailure, EnrichSettings, Enricher, EnrichmentConfigs, Environment};
use engine::event::bad_row::write_bad_row;
use engine::event::fields::FIELD_COUNT;
use engine::iglu::Resolver;
use engine::input::lines::Lines;
use engine::input::{Chunk, ChunkReader, Codec, Framing, InputObject, Limits, decode_utf8};
use engine::job::record::{RecordKernel, RecordOutput, RecordPlace};
use engine::shred::{Columns, RowKind, ShreddedRows, Validation, Widths, shred_line};
use engine::store::{Location, ObjectEntry};
use engine::text::ids::RunKey;

/// The time of all bad rows.
const FAILURE_TSTAMP: &str = "2018-07-24T10:15:30.000Z";

/// The event id of events that bring none.
const EVENT_ID: &str = "6b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

/// Looks schemas up among the embedded ones only.
pub static RESOLVER: LazyLock<Arc<Resolver>> =
    LazyLock::new(|| Arc::new(Resolver::embedded_only()));

static ENRICHER: LazyLock<Enricher> = LazyLock::new(|| {
    let settings = EnrichSettings {
        v_etl: "fuzz".to_owned(),
        etl_tstamp_ms: 1_532_427_330_000,
    };
    match Enricher::new(
        Arc::clone(&RESOLVER),
        settings,
        EnrichmentConfigs::default(),
        &Environment::default(),
    ) {
        Ok(enricher) => enricher,
        Err(error) => panic!("{error}"),
    }
});

/// Whether `text` is one JSON value and nothing else.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// `rows` lines of JSON, each with its line feed.
fn assert_json_lines(bytes: &[u8], rows: u64) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        panic!("rows are not UTF-8: {}", bytes.escape_ascii());
    };
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a row is not ended"
    );
    let mut count = 0;
    for row in text.lines() {
        assert!(is_json(row), "not JSON: {row}");
        count += 1;
    }
    assert_eq!(count, rows, "rows counted and rows written");
}

/// Enriches each line of a text format, or one Thrift record: bad rows are JSON, good lines have their columns and can be
/// shredded, the sums close.
pub fn enrich(format: &CollectorFormat, data: &[u8]) {
    let kernel = RecordKernel {
        format,
        resolver: &RESOLVER,
        enricher: &ENRICHER,
        run: RunKey::new("fuzz"),
        failure_tstamp: FAILURE_TSTAMP,
        separates_errors: true,
        pii_events_at: None,
    };
    let mut out = RecordOutput::default();
    let place = |offset| RecordPlace {
        object: "object",
        offset,
        index: 0,
    };
    if format.is_binary() {
        kernel.enrich(data, place(0), &mut out);
    } else {
        for line in Lines::new(0, data) {
            kernel.enrich(line.bytes, place(line.offset), &mut out);
        }
    }
    let counts = &out.counts;
    if let Err(error) = counts.check() {
        panic!("{error}");
    }
    assert_eq!(counts.good, out.good_rows);
    assert_eq!(counts.bad_rows(), out.bad_rows + out.error_rows);
    assert_eq!(out.event_ids.len() as u64, out.good_rows);
    assert_json_lines(&out.bad, out.bad_rows);
    assert_json_lines(&out.errors, out.error_rows);
    // As the reference does, the collector's own name, addresses and ids are written as they came: a cell that holds a
    // tabulator or a line feed is wrapped in zero bytes, one that holds a carriage return is not.
    if !out.good.contains(&0) {
        let lines = out.good.split_inclusive(|&byte| byte == b'\n');
        assert_eq!(lines.clone().count() as u64, out.good_rows);
        lines.for_each(assert_columns);
    }
    for line in Lines::new(0, &out.good) {
        shred(line.bytes);
    }
}

fn assert_columns(line: &[u8]) {
    let tabs = line.iter().filter(|&&byte| byte == b'\t').count();
    assert_eq!(tabs + 1, FIELD_COUNT, "{}", line.escape_ascii());
}

/// Enriches one raw event: a line of all columns, or messages.
pub fn enrich_raw_event(raw: &RawEvent) {
    match ENRICHER.enrich(raw, EVENT_ID.to_owned(), None) {
        Ok(event) => {
            let mut line = Vec::new();
            event.write_tsv(&mut line);
            let mut lines = Lines::new(0, &line);
            assert_columns(lines.next().map(|line| line.bytes).unwrap_or_default());
            assert!(lines.next().is_none(), "{}", line.escape_ascii());
        }
        Err(EnrichFailure::Rejected(messages)) => assert!(!messages.is_empty()),
        Err(EnrichFailure::Pending) => panic!("a question without a session"),
        Err(EnrichFailure::Unexpected(message)) => assert!(!message.is_empty()),
    }
}

/// The rows of one event.
#[derive(Default)]
struct Rows {
    atomic: Vec<u8>,
    atomic_rows: u64,
    shredded: Vec<u8>,
    shredded_rows: u64,
}

impl ShreddedRows for Rows {
    fn row(&mut self, kind: RowKind<'_>) -> &mut Vec<u8> {
        match kind {
            RowKind::Atomic => {
                self.atomic_rows += 1;
                &mut self.atomic
            }
            RowKind::Schema(_) | RowKind::Key(_) => {
                self.shredded_rows += 1;
                &mut self.shredded
            }
        }
    }
}

/// Shreds one enriched line, as itself and as a synthetic duplicate: one atomic line, shredded rows and bad rows are JSON.
pub fn shred(line: &[u8]) {
    let text = decode_utf8(line);
    let mut columns = Columns::default();
    let event = match shred_line(&text, &RESOLVER, Validation::Full, &mut columns) {
        Ok(event) => event,
        Err(errors) => {
            assert!(!errors.is_empty());
            let mut bad = Vec::new();
            write_bad_row(&text, &errors, FAILURE_TSTAMP, &mut bad);
            return assert_json_lines(&bad, 1);
        }
    };
    for new_event_id in [None, Some(EVENT_ID)] {
        let mut rows = Rows::default();
        event.write(&columns, Widths::Redshift, new_event_id, &mut rows);
        assert_eq!(rows.atomic_rows, 1);
        let feeds = rows.atomic.iter().filter(|&&byte| byte == b'\n').count();
        assert!(
            feeds == 1 && rows.atomic.ends_with(b"\n"),
            "one atomic line"
        );
        let tabs = rows.atomic.iter().filter(|&&byte| byte == b'\t').count();
        assert_eq!(
            tabs + 1,
            columns.len().max(FIELD_COUNT) - 3,
            "atomic columns"
        );
        assert_json_lines(&rows.shredded, rows.shredded_rows);
    }
}

/// What reading an object gave: records with their places, and complaints without stored offsets (which tell how far was
/// read ahead).
#[derive(Debug, PartialEq)]
pub struct Read {
    /// Offset, index and bytes of the records.
    pub records: Vec<(u64, u32, Vec<u8>)>,
    /// Damaged blocks that were skipped, and the error at the end.
    pub complaints: String,
}

/// The object with these stored bytes.
pub fn object(name: &str, stored: &[u8]) -> InputObject {
    let location = match Location::parse(name) {
        Ok(location) => location,
        Err(error) => panic!("{error}"),
    };
    InputObject {
        entry: ObjectEntry {
            location,
            relative: name.to_owned(),
            size: stored.len() as u64,
            etag: None,
        },
        relative: name.to_owned(),
        codec: Codec::from_name(name),
        index: None,
    }
}

impl Read {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            complaints: String::new(),
        }
    }

    /// Adds the records of a chunk, whose places must go up.
    pub fn chunk(&mut self, chunk: &mut Chunk) {
        for record in chunk.records() {
            let place = (record.offset, record.index);
            if let Some((offset, index, _)) = self.records.last() {
                assert!((*offset, *index) < place, "places of records");
            }
            self.records.push((place.0, place.1, record.bytes.to_vec()));
        }
    }

    /// Adds a complaint.
    pub fn complaint(&mut self, text: &str) {
        let text = text.split(" (at byte ").next().unwrap_or(text);
        let _ = writeln!(self.complaints, "{text}");
    }
}

/// Reads a whole object in chunks of about `chunk_bytes`: the chunks follow each other.
pub fn read(name: &str, stored: &[u8], framing: Framing, chunk_bytes: usize, skip: bool) -> Read {
    let object = object(name, stored);
    let limits = Limits {
        chunk_bytes,
        record_bytes: 4096,
    };
    let bytes = Box::new(Cursor::new(stored.to_vec()));
    let mut reader = ChunkReader::new(0, &object, bytes, framing, limits, skip);
    let mut read = Read::new();
    let mut end = 0;
    loop {
        let next = reader.next_chunk(Vec::new());
        for damage in reader.take_damaged() {
            read.complaint(&damage.what);
        }
        match next {
            Ok(None) => break,
            Ok(Some(mut chunk)) => {
                assert!(!chunk.bytes.is_empty(), "an empty chunk");
                assert!(chunk.offset >= end, "chunks overlap");
                end = chunk.offset + chunk.bytes.len() as u64;
                read.chunk(&mut chunk);
            }
            Err(error) => {
                read.complaint(&error.to_string());
                break;
            }
        }
    }
    assert!(reader.stored_offset() <= stored.len() as u64);
    read
}

/// A lzop container without checksums, up to its first block.
pub fn lzop_header(flags: u32) -> Vec<u8> {
    let mut header = vec![0x10, 0x10, 0x20, 0xA0, 0x09, 0x40, 1, 5];
    header.extend((flags & 0x303).to_be_bytes());
    header.extend([0; 12]);
    header.push(0);
    let (mut low, mut high) = (1_u32, 0_u32);
    for &byte in &header {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let mut container = vec![0x89, b'L', b'Z', b'O', 0, 0x0D, 0x0A, 0x1A, 0x0A];
    container.extend(header);
    container.extend((high << 16 | low).to_be_bytes());
    container
}

/// A lzop container whose blocks hold `block` bytes of `plain` as they are; also the offsets of its blocks.
pub fn lzop_stored(plain: &[u8], block: usize) -> (Vec<u8>, Vec<u64>) {
    let mut container = lzop_header(0);
    let mut offsets = Vec::new();
    for bytes in plain.chunks(block.max(1)) {
        offsets.push(container.len() as u64);
        let length = (bytes.len() as u32).to_be_bytes();
        container.extend(length);
        container.extend(length);
        container.extend(bytes);
    }
    container.extend([0; 4]);
    (container, offsets)
}
