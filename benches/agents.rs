//! The enrichments that read user agents and referrers. `events_*` is what an event costs where few user agents make up most of
//! the events; `distinct_*` what a user agent costs that was never seen. All data is what the program carries: the built-in
//! regexes and referers.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use engine::adapter::raw_event::{Parameters, RawEvent};
use engine::collector::payload::{CollectorApi, CollectorContext, CollectorSource};
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::registry::Enrichment;
use engine::enrichment::{Draft, Environment, page_uri};
use engine::enrichment::{referer_parser, ua_parser, user_agent_utils};
use engine::event::Field;
use engine::iglu::SchemaKey;
use engine::json;
use fixtures::random::Random;

fn main() {
    divan::main();
}

/// Events of a sample.
const EVENTS: usize = 10_000;
/// User agents of a sample.
const AGENTS: usize = 3_000;

/// A user agent that no other number has, of the kinds that are common.
fn useragent(number: usize) -> String {
    let (major, build) = (60 + number % 60, 1000 + number);
    match number % 10 {
        0..=2 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.{build}.62 Safari/537.36"
        ),
        3 | 4 => format!(
            "Mozilla/5.0 (Linux; Android 8.0.0; SM-G{}F Build/R16NW.{build}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.3396.87 Mobile Safari/537.36",
            900 + number % 60
        ),
        5 | 6 => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 11_{}_1 like Mac OS X) AppleWebKit/605.1.{build} (KHTML, like Gecko) Version/11.0 Mobile/15E148 Safari/604.1",
            number % 5
        ),
        7 => format!("Mozilla/5.0 (Windows NT 6.1; rv:{major}.0) Gecko/{build} Firefox/{major}.0"),
        8 => {
            format!("Mozilla/5.0 (compatible; SomeBot/2.{build}; +http://www.example.com/bot.html)")
        }
        _ => format!("okhttp/3.{major}.{build}"),
    }
}

fn config(name: &str) -> EnrichmentConfig {
    let key = format!("iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-0");
    let data = json::parse(r#"{"parameters":{"internalDomains":["shop.example.com"]}}"#);
    EnrichmentConfig {
        name: name.to_owned(),
        schema: SchemaKey::parse(&key).expect("a key"),
        data: data.expect("JSON").expect("a value").into_owned(),
    }
}

fn ua_parser() -> Box<dyn Enrichment> {
    ua_parser::build(&config("ua_parser_config"), &Environment::default()).expect("ua_parser")
}

/// With the tables of UserAgentUtils if `AGENTS_TABLES` names their folder, else without.
fn user_agent_utils() -> Box<dyn Enrichment> {
    let mut environment = Environment::default();
    environment.databases.folder = std::env::var_os("AGENTS_TABLES").map(Into::into);
    user_agent_utils::build(&config("user_agent_utils_config"), &environment).expect("the tables")
}

fn raw_event() -> RawEvent {
    RawEvent {
        api: CollectorApi {
            vendor: "com.snowplowanalytics.snowplow".to_owned(),
            version: "tp1".to_owned(),
        },
        parameters: Parameters::new(),
        content_type: None,
        source: CollectorSource {
            name: "bench".to_owned(),
            encoding: "UTF-8".to_owned(),
            hostname: None,
        },
        context: CollectorContext::default(),
    }
}

/// Applies an enrichment to events of these user agents, whose drafts are made before the clock starts.
fn run(bencher: Bencher, enrichment: &dyn Enrichment, agents: &[String]) {
    let raw = raw_event();
    bencher
        .counter(ItemsCount::new(agents.len()))
        .with_inputs(|| -> Vec<Draft<'_>> {
            agents
                .iter()
                .map(|agent| {
                    let mut draft = Draft::new(&raw);
                    draft.event.set(Field::Useragent, agent);
                    draft
                })
                .collect()
        })
        .bench_local_values(|mut drafts| {
            for draft in &mut drafts {
                black_box(enrichment.apply(draft).is_ok());
            }
            drafts
        });
}

fn of_events() -> Vec<String> {
    let mut random = Random::new(1);
    (0..EVENTS)
        .map(|_| useragent(random.zipf(AGENTS as u64) as usize))
        .collect()
}

#[divan::bench]
fn events_ua_parser(bencher: Bencher) {
    run(bencher, &*ua_parser(), &of_events());
}

#[divan::bench]
fn events_user_agent_utils(bencher: Bencher) {
    run(bencher, &*user_agent_utils(), &of_events());
}

/// Longer than what the cache keeps, so that each one is read anew: the length comes from blanks, which cost little.
fn uncached() -> Vec<String> {
    (0..300)
        .map(|number| format!("{}{}", useragent(number), " ".repeat(4097)))
        .collect()
}

#[divan::bench]
fn distinct_ua_parser(bencher: Bencher) {
    distinct(bencher, ua_parser);
}

#[divan::bench]
fn distinct_user_agent_utils(bencher: Bencher) {
    distinct(bencher, user_agent_utils);
}

/// A new enrichment for each sample, so that its cache is empty; the expressions were warmed up.
fn distinct(bencher: Bencher, build: fn() -> Box<dyn Enrichment>) {
    let agents: Vec<String> = (0..AGENTS).map(useragent).collect();
    let raw = raw_event();
    bencher
        .counter(ItemsCount::new(agents.len()))
        .with_inputs(|| {
            let drafts: Vec<Draft<'_>> = agents
                .iter()
                .map(|agent| {
                    let mut draft = Draft::new(&raw);
                    draft.event.set(Field::Useragent, agent);
                    draft
                })
                .collect();
            (build(), drafts)
        })
        .bench_local_values(|(enrichment, mut drafts)| {
            for draft in &mut drafts {
                black_box(enrichment.apply(draft).is_ok());
            }
            (enrichment, drafts)
        });
}

#[divan::bench]
fn long_ua_parser(bencher: Bencher) {
    run(bencher, &*ua_parser(), &uncached());
}

#[divan::bench]
fn events_referer_parser(bencher: Bencher) {
    let enrichment = referer_parser::build(&config("referer_parser"), &Environment::default());
    let enrichment = enrichment.expect("referer_parser");
    let raw = raw_event();
    let referers = [
        "https://www.google.com/search?q=garden+chairs&hl=en&source=hp",
        "https://www.google.de/",
        "https://shop.example.com/category/chairs?page=2",
        "https://m.facebook.com/",
        "https://some.blog.example.org/2018/07/garden-chairs.html",
        "https://www.bing.com/search?q=garden%20chairs&form=QBLH",
    ];
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| -> Vec<Draft<'_>> {
            (0..EVENTS)
                .map(|number| {
                    let mut draft = Draft::new(&raw);
                    let referer = referers[number % referers.len()];
                    draft.event.set(Field::PageReferrer, referer);
                    draft.event.set(Field::PageUrlhost, "www.example.com");
                    page_uri::referer(&mut draft);
                    draft
                })
                .collect()
        })
        .bench_local_values(|mut drafts| {
            for draft in &mut drafts {
                black_box(enrichment.apply(draft).is_ok());
            }
            drafts
        });
}
