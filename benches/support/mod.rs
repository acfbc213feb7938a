//! What the benchmarks share: events of the made-up shop, printed once before the clock starts.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "each benchmark uses a part; without data there is nothing to measure"
)]

use std::path::PathBuf;

use engine::iglu::Resolver;
use fixtures::collector::cloudfront_line;
use fixtures::enriched::enriched_line;
use fixtures::event::Event;
use fixtures::random::Random;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events of one sample: enough for the mix of event types, few enough to stay in the processor's second cache.
pub const EVENTS: usize = 200;
/// 2018-07-24T00:00:00Z.
const START_MS: u64 = 1_532_390_400_000;
/// Time of the enrich run, milliseconds since the epoch.
pub const ETL_MS: u64 = START_MS + 86_400_000;

/// The same events each time.
pub fn events(count: usize) -> Vec<Event> {
    let mut random = Random::new(1);
    (0..count as u64)
        .map(|index| Event::draw(&mut random, START_MS + index * 20))
        .collect()
}

/// Enriched lines without line feeds.
pub fn enriched_lines(count: usize) -> Vec<String> {
    let line = |event: &Event| enriched_line(event, ETL_MS);
    events(count).iter().map(line).collect()
}

/// CloudFront lines without line feeds.
pub fn cloudfront_lines(count: usize) -> Vec<String> {
    events(count).iter().map(cloudfront_line).collect()
}

/// The `contexts` and `unstruct_event` documents of the events.
pub fn documents(count: usize) -> Vec<String> {
    let both = |event: &Event| [event.contexts_json(), event.unstruct_json()];
    events(count).iter().flat_map(both).flatten().collect()
}

/// Bytes of all texts.
pub fn bytes<T: AsRef<[u8]>>(texts: &[T]) -> usize {
    texts.iter().map(|text| text.as_ref().len()).sum()
}

/// A resolver with the shop's registry.
pub fn resolver() -> Resolver {
    let registry = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/registry");
    let config = format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{{"cacheSize":500,"repositories":[{{"name":"Fixtures","priority":0,"vendorPrefixes":["com.camonica"],"connection":{{"embedded":{{"path":{registry:?}}}}}}}]}}}}"#
    );
    Resolver::from_config(&config).expect("a resolver")
}
