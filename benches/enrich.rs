//! The enrich kernel: a CloudFront line through collector, adapter and enricher into an enriched line. Rates are bytes of
//! CloudFront lines, and events. No configurable enrichment runs.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use engine::adapter;
use engine::collector::{CollectorFormat, Parsed};
use engine::enrichment::{EnrichSettings, Enricher, EnrichmentConfigs, Environment};
use engine::iglu::Resolver;
use engine::job::record::{RecordKernel, RecordOutput, RecordPlace};
use engine::text::ids::RunKey;

fn main() {
    divan::main();
}

fn enricher(resolver: &Arc<Resolver>) -> Enricher {
    let settings = EnrichSettings {
        v_etl: "camonica-bench".into(),
        etl_tstamp_ms: support::ETL_MS as i64,
    };
    Enricher::new(
        Arc::clone(resolver),
        settings,
        EnrichmentConfigs::default(),
        &Environment::default(),
    )
    .expect("an enricher")
}

fn format() -> CollectorFormat {
    CollectorFormat::parse("cloudfront").expect("a format")
}

#[divan::bench]
fn cloudfront_line_to_tsv(bencher: Bencher) {
    let lines = support::cloudfront_lines(support::EVENTS);
    let resolver = Arc::new(support::resolver());
    let (format, enricher) = (format(), enricher(&resolver));
    let kernel = RecordKernel {
        format: &format,
        resolver: &resolver,
        enricher: &enricher,
        run: RunKey::new("bench"),
        failure_tstamp: "2018-07-25T00:00:00.000Z",
        separates_errors: false,
        pii_events_at: None,
    };
    let mut out = RecordOutput::default();
    bencher
        .counter(BytesCount::new(support::bytes(&lines)))
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            out.good.clear();
            out.event_ids.clear();
            for (index, line) in lines.iter().enumerate() {
                let place = RecordPlace {
                    object: "log",
                    offset: index as u64,
                    index: 0,
                };
                kernel.enrich(line.as_bytes(), place, &mut out);
            }
            assert_eq!(out.bad_rows, 0);
            black_box(out.good.len())
        });
}

/// The part before the enricher: from the line to its raw event.
#[divan::bench]
fn cloudfront_line_to_raw_event(bencher: Bencher) {
    let lines = support::cloudfront_lines(support::EVENTS);
    let resolver = support::resolver();
    let format = format();
    bencher
        .counter(BytesCount::new(support::bytes(&lines)))
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            for line in &lines {
                if let Parsed::Payload(payload) = format.parse_line(line) {
                    black_box(adapter::raw_events(payload, &resolver).is_ok());
                }
            }
        });
}
