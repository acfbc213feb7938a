//! The kernel of the enrich job: one record of a raw log becomes enriched lines and bad rows.
//!
//! Keeps `EtlPipeline.processEvents` (scala-common-enrich 0.34.0): a record that a collector format or an adapter
//! refuses is one bad row; otherwise each raw event is good or bad on its own; an unexpected exception makes one bad
//! row of the whole record, also where some of its events were good. A record that waits for answers of services leaves
//! nothing behind, and is enriched anew.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::report::EnrichCounts;
use crate::adapter::raw_event::RawEvent;
use crate::adapter::{self, AdapterFailure};
use crate::collector::{CollectorFormat, Parsed};
use crate::enrichment::lookup::Session;
use crate::enrichment::pii::event::transformation_event;
use crate::enrichment::{EnrichFailure, Enricher};
use crate::event::bad_row::write_enrich_bad_row;
use crate::event::fields::Field;
use crate::iglu::Resolver;
use crate::text::ids::RunKey;

/// What all records of a job share.
#[derive(Debug)]
pub struct RecordKernel<'j> {
    /// The collector format of the input.
    pub format: &'j CollectorFormat,
    /// Looks up the schemas that adapters need.
    pub resolver: &'j Resolver,
    /// Enriches raw events.
    pub enricher: &'j Enricher,
    /// Event ids of this run.
    pub run: RunKey,
    /// The time that all bad rows of the job carry.
    pub failure_tstamp: &'j str,
    /// Whether bad rows of unexpected exceptions go to their own output.
    pub separates_errors: bool,
    /// Where events about pseudonymisation are wanted: the time that they carry, milliseconds since the epoch.
    pub pii_events_at: Option<i64>,
}

/// Where a record stands: the relative key of its object, the offset of its line or block, its index in it.
#[derive(Debug, Clone, Copy)]
pub struct RecordPlace<'p> {
    /// Key of the object relative to the input.
    pub object: &'p str,
    /// Byte offset in the decompressed object.
    pub offset: u64,
    /// Index within a block.
    pub index: u32,
}

/// Lines made from records, and their counts. One for each worker.
#[derive(Debug, Default)]
pub struct RecordOutput {
    /// Enriched lines.
    pub good: Vec<u8>,
    /// Number of enriched lines in `good`.
    pub good_rows: u64,
    /// Bad rows.
    pub bad: Vec<u8>,
    /// Number of rows in `bad`.
    pub bad_rows: u64,
    /// Bad rows of unexpected exceptions, where they are kept apart.
    pub errors: Vec<u8>,
    /// Number of rows in `errors`.
    pub error_rows: u64,
    /// Enriched lines of the events about pseudonymisation.
    pub pii: Vec<u8>,
    /// Number of lines in `pii`.
    pub pii_rows: u64,
    /// Event ids of the enriched lines, one after the other.
    pub event_ids: Vec<String>,
    /// Counts.
    pub counts: EnrichCounts,
}

/// How far a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Enriched {
    /// Its lines and counts are in the output.
    Finished,
    /// It waits for answers of services, and nothing of it is in the output: it has to be enriched anew.
    Pending,
}

impl RecordKernel<'_> {
    /// Enriches one record. Services are asked on the spot.
    pub fn enrich(&self, record: &[u8], place: RecordPlace<'_>, out: &mut RecordOutput) {
        // without a session no question stays open
        let _ = self.enrich_in(record, place, None, out);
    }

    /// Enriches one record; with a session, questions to services are noted in it, not asked.
    pub fn enrich_in(
        &self,
        record: &[u8],
        place: RecordPlace<'_>,
        session: Option<&Session>,
        out: &mut RecordOutput,
    ) -> Enriched {
        let text: Cow<'_, str> = if self.format.is_binary() {
            Cow::Borrowed("")
        } else {
            // nearly all lines are text, which is seen a word at a time; the lossy conversion looks at every byte
            match std::str::from_utf8(record) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(record),
            }
        };
        let parsed = if self.format.is_binary() {
            self.format.parse_record(record)
        } else {
            self.format.parse_line(&text)
        };
        let line = || -> Cow<'_, str> {
            if self.format.is_binary() {
                Cow::Owned(STANDARD.encode(record))
            } else {
                Cow::Borrowed(&text)
            }
        };
        let payload = match parsed {
            Parsed::Ignored(rule) => {
                out.counts.records += 1;
                out.counts.ignore(rule, 1);
                return Enriched::Finished;
            }
            Parsed::Bad(messages) => {
                out.counts.records += 1;
                out.counts.failed_whole += 1;
                self.bad_row(&line(), &messages, out);
                return Enriched::Finished;
            }
            Parsed::Payload(payload) => payload,
        };
        let raw_events = match adapter::raw_events(payload, self.resolver) {
            Ok(raw_events) => raw_events,
            Err(failure) => {
                out.counts.records += 1;
                out.counts.failed_whole += 1;
                let is_unexpected = matches!(failure, AdapterFailure::Unexpected { .. });
                let messages = failure.into_messages();
                if is_unexpected {
                    self.unexpected(&line(), &messages, out);
                } else {
                    self.bad_row(&line(), &messages, out);
                }
                return Enriched::Finished;
            }
        };
        let enriched = self.enrich_events(&raw_events, place, session, &line, out);
        if let Some(session) = session {
            session.settle(enriched == Enriched::Finished);
        }
        enriched
    }

    /// Enriches the events of one record.
    fn enrich_events<'l>(
        &self,
        raw_events: &[RawEvent],
        place: RecordPlace<'_>,
        session: Option<&Session>,
        line: &dyn Fn() -> Cow<'l, str>,
        out: &mut RecordOutput,
    ) -> Enriched {
        // An unexpected exception in one event takes back what the record has written so far, and so does an answer
        // that is missing.
        let start = Mark::of(out);
        let mut failed_enrichments = Vec::new();
        let mut is_pending = false;
        for (index, raw_event) in raw_events.iter().enumerate() {
            let id = self.run.uuid(&[
                b"event",
                place.object.as_bytes(),
                &place.offset.to_le_bytes(),
                &place.index.to_le_bytes(),
                &(index as u64).to_le_bytes(),
            ]);
            let enriched =
                self.enricher
                    .enrich_noting(raw_event, id, session, &mut failed_enrichments);
            match enriched {
                // the others of its events are only looked at for their questions, to ask all at once
                Err(EnrichFailure::Pending) => is_pending = true,
                _ if is_pending => {}
                Ok((event, pii)) => {
                    if let (Some(now_ms), Some(pii)) = (self.pii_events_at, &pii) {
                        let id = self.run.uuid(&[
                            b"pii event",
                            place.object.as_bytes(),
                            &place.offset.to_le_bytes(),
                            &place.index.to_le_bytes(),
                            &(index as u64).to_le_bytes(),
                        ]);
                        transformation_event(&event, pii, &id, now_ms).write_tsv(&mut out.pii);
                        out.pii_rows += 1;
                        out.counts.pii_events += 1;
                    }
                    event.write_tsv(&mut out.good);
                    out.good_rows += 1;
                    out.counts.good += 1;
                    out.event_ids
                        .push(event.get(Field::EventId).unwrap_or_default().to_owned());
                }
                Err(EnrichFailure::Rejected(messages)) => {
                    out.counts.bad += 1;
                    self.bad_row(&line(), &messages, out);
                }
                Err(EnrichFailure::Unexpected(exception)) => {
                    start.restore(out);
                    out.counts.records += 1;
                    out.counts.failed_whole += 1;
                    self.unexpected(&line(), &[exception], out);
                    return Enriched::Finished;
                }
            }
        }
        if is_pending {
            start.restore(out);
            return Enriched::Pending;
        }
        for enrichment in failed_enrichments {
            out.counts.fail_by(enrichment, 1);
        }
        out.counts.records += 1;
        out.counts.expanded += 1;
        out.counts.raw_events += raw_events.len() as u64;
        Enriched::Finished
    }

    fn bad_row(&self, line: &str, messages: &[String], out: &mut RecordOutput) {
        write_enrich_bad_row(line, messages, self.failure_tstamp, &mut out.bad);
        out.bad_rows += 1;
    }

    /// A bad row of an unexpected exception.
    fn unexpected(&self, line: &str, messages: &[String], out: &mut RecordOutput) {
        if self.separates_errors {
            write_enrich_bad_row(line, messages, self.failure_tstamp, &mut out.errors);
            out.error_rows += 1;
        } else {
            self.bad_row(line, messages, out);
        }
    }
}

/// How far an output was filled.
struct Mark {
    good: (usize, u64, u64),
    bad: (usize, u64, u64),
    pii: (usize, u64, u64),
    event_ids: usize,
}

impl Mark {
    fn of(out: &RecordOutput) -> Self {
        Self {
            good: (out.good.len(), out.good_rows, out.counts.good),
            bad: (out.bad.len(), out.bad_rows, out.counts.bad),
            pii: (out.pii.len(), out.pii_rows, out.counts.pii_events),
            event_ids: out.event_ids.len(),
        }
    }

    fn restore(self, out: &mut RecordOutput) {
        out.good.truncate(self.good.0);
        out.good_rows = self.good.1;
        out.counts.good = self.good.2;
        out.bad.truncate(self.bad.0);
        out.bad_rows = self.bad.1;
        out.counts.bad = self.bad.2;
        out.pii.truncate(self.pii.0);
        out.pii_rows = self.pii.1;
        out.counts.pii_events = self.pii.2;
        out.event_ids.truncate(self.event_ids);
    }
}
