//! Events of the made-up shop as the enrichments meet them: user agents and addresses follow Zipf's law, and each column that
//! an earlier step sets is set.

use engine::adapter;
use engine::adapter::raw_event::RawEvent;
use engine::collector::{CollectorFormat, Parsed};
use engine::enrichment::{Draft, EnrichSettings, Enricher, EnrichmentConfigs, Environment};
use engine::enrichment::{cross_domain, page_uri};
use engine::event::{EnrichedEvent, Field};
use engine::iglu::Resolver;
use engine::json;
use fixtures::collector::cloudfront_line;
use fixtures::event::Event;
use fixtures::random::Random;
use std::sync::Arc;

/// 2018-07-24T00:00:00Z.
const START_MS: u64 = 1_532_390_400_000;

/// Events in the order in which they come.
pub struct Traffic {
    /// As CloudFront writes them.
    pub lines: Vec<String>,
    /// With headers, which CloudFront does not have.
    raw: Vec<RawEvent>,
    /// What the steps make of them without configurable enrichments.
    enriched: Vec<EnrichedEvent>,
    collector_ms: Vec<i64>,
}

/// How many different ones there are.
pub struct Variety {
    pub agents: usize,
    pub addresses: usize,
}

impl Traffic {
    /// The first events of seed 1.
    pub fn new(count: usize, resolver: &Arc<Resolver>) -> Self {
        let mut random = Random::new(1);
        let enricher = enricher(resolver, None, &Environment::default());
        let format = CollectorFormat::parse("cloudfront").expect("a format");
        let mut traffic = Self {
            lines: Vec::with_capacity(count),
            raw: Vec::with_capacity(count),
            enriched: Vec::with_capacity(count),
            collector_ms: Vec::with_capacity(count),
        };
        for index in 0..count as u64 {
            let event = Event::draw(&mut random, START_MS + index * 20);
            let line = cloudfront_line(&event);
            let Parsed::Payload(payload) = format.parse_line(&line) else {
                panic!("not a payload: {line}");
            };
            let raw_events = adapter::raw_events(payload, resolver).expect("raw events");
            let mut raw = raw_events.into_iter().next().expect("an event");
            let enriched = enricher.enrich(&raw, event.id.clone(), None);
            let mut enriched = enriched.expect("a good event");
            // the weather is asked for some thousand places
            let place = event.visitor.wrapping_mul(0x9e37_79b1) % 40_000;
            let degrees = |range: u64, first: i64| ((place % range) as i64 + first).to_string();
            enriched.set(Field::GeoLatitude, &degrees(140, -60));
            enriched.set(Field::GeoLongitude, &degrees(360, -179));
            traffic.enriched.push(enriched);
            raw.context.headers = headers(&event);
            traffic.raw.push(raw);
            traffic.lines.push(line);
            traffic.collector_ms.push(event.collector_ms as i64);
        }
        traffic
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// How many different ones there are.
    pub fn variety(&self) -> Variety {
        let different = |field| {
            let values = self.enriched.iter().map(|event| event.get(field));
            values.collect::<std::collections::HashSet<_>>().len()
        };
        Variety {
            agents: different(Field::Useragent),
            addresses: different(Field::UserIpaddress),
        }
    }

    /// An event before its configurable enrichments.
    pub fn draft(&self, index: usize) -> Draft<'_> {
        let mut draft = Draft::new(&self.raw[index]);
        let enriched = &self.enriched[index];
        for (field, value) in enriched.values() {
            draft.event.set(field, value);
        }
        draft.times.collector = Some(self.collector_ms[index]);
        page_uri::page(&mut draft);
        page_uri::referer(&mut draft);
        cross_domain::page_querystring(&mut draft);
        let parsed = |field| json::parse(enriched.get(field)?).expect("JSON");
        draft.contexts = parsed(Field::Contexts);
        draft.unstruct_event = parsed(Field::UnstructEvent);
        draft
    }
}

/// An enricher with the enrichments of a document.
pub fn enricher(
    resolver: &Arc<Resolver>,
    document: Option<&str>,
    environment: &Environment,
) -> Enricher {
    let settings = EnrichSettings {
        v_etl: "camonica-bench".into(),
        etl_tstamp_ms: (START_MS + 86_400_000) as i64,
    };
    let configs = document.map_or_else(EnrichmentConfigs::default, |document| {
        EnrichmentConfigs::from_json(document).expect("configurations")
    });
    Enricher::new(Arc::clone(resolver), settings, configs, environment).expect("an enricher")
}

/// Headers as the Scala Stream Collector keeps them.
fn headers(event: &Event) -> Vec<String> {
    let mut random = Random::new(event.visitor);
    vec![
        "Host: collector.camonica.example".to_owned(),
        "Connection: keep-alive".to_owned(),
        format!("User-Agent: {}", event.user_agent),
        "Accept: image/webp,image/apng,image/*,*/*;q=0.8".to_owned(),
        "Accept-Encoding: gzip, deflate, br".to_owned(),
        "Accept-Language: it-IT,it;q=0.9,en;q=0.8".to_owned(),
        format!(
            "Cookie: sp={}; _ga=GA1.2.{}; session=\"{}\"",
            event.network_user_id,
            random.below(1 << 40),
            random.hex(32)
        ),
        format!("X-Forwarded-For: {}", event.ip_address),
    ]
}
