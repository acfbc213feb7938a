//! The configurable enrichments, one by one: nanoseconds an event, over addresses, user agents and pages of which a few are
//! frequent (Zipf's law). Each sample applies one enrichment to the same drafts; making the draft is outside of the clock.
#![allow(
    clippy::expect_used,
    reason = "without data there is nothing to measure"
)]

mod support;

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use engine::adapter::raw_event::RawEvent;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::registry::{Enrichment, KNOWN};
use engine::enrichment::{Draft, Environment};
use engine::event::Field;
use engine::iglu::SchemaKey;
use engine::json;
use fixtures::mmdb::{Mmdb, Value};
use fixtures::random::Random;
use tempfile::TempDir;

/// Events of one sample.
const EVENTS: usize = 10_000;
/// Different addresses and user agents.
const DIFFERENT: u64 = 50_000;

fn main() {
    divan::main();
}

/// The enrichment of this name.
fn enrichment(name: &str, parameters: &str, folder: Option<&TempDir>) -> Box<dyn Enrichment> {
    let data = format!(r#"{{"enabled":true,"parameters":{parameters}}}"#);
    let data = json::parse(&data).expect("JSON").expect("a value");
    let config = EnrichmentConfig {
        name: name.to_owned(),
        schema: SchemaKey::parse("iglu:com.example/config/jsonschema/1-0-0").expect("a key"),
        data: data.into_owned(),
    };
    let mut environment = Environment::default();
    environment.databases.folder = folder.map(|folder| folder.path().to_owned());
    let known = KNOWN
        .iter()
        .find(|known| known.name == name)
        .expect("a name");
    let build = known.build.expect("an enrichment that is built");
    build(&config, &environment).expect("a configuration")
}

fn address(index: u64) -> String {
    // an odd factor spreads the addresses
    Ipv4Addr::from((index as u32).wrapping_mul(0x9e37_79b1)).to_string()
}

fn useragent(index: u64) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; build {index}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.99 Safari/537.36",
        60 + index % 10,
        3000 + index % 97
    )
}

/// Raw events with the parameters of the shop's page views, and headers.
fn raw_events() -> Vec<RawEvent> {
    let mut random = Random::new(7);
    let parameters = |random: &mut Random, page: u64| {
        [
            ("e", "pv".to_owned()),
            ("p", "web".to_owned()),
            ("aid", "shop".to_owned()),
            ("tna", "cf".to_owned()),
            ("tv", "js-2.9.0".to_owned()),
            ("eid", random.uuid()),
            (
                "dtm",
                (1_532_390_400_000 + random.below(86_400_000)).to_string(),
            ),
            (
                "stm",
                (1_532_390_400_000 + random.below(86_400_000)).to_string(),
            ),
            ("duid", random.uuid()),
            ("sid", random.uuid()),
            ("vid", random.below(50).to_string()),
            ("fp", random.below(1 << 32).to_string()),
            ("lang", "en-GB".to_owned()),
            ("tz", "Europe/London".to_owned()),
            ("cs", "UTF-8".to_owned()),
            ("res", "1920x1080".to_owned()),
            ("vp", "1680x917".to_owned()),
            ("ds", "1663x4210".to_owned()),
            ("cd", "24".to_owned()),
            ("cookie", "1".to_owned()),
            ("f_pdf", "1".to_owned()),
            (
                "url",
                format!(
                    "https://shop.example.com/products/{page}?utm_source=news&utm_medium=mail&utm_campaign=july"
                ),
            ),
            (
                "refr",
                format!("https://shop.example.com/products/{}", page + 1),
            ),
            ("page", format!("Product {page}")),
        ]
    };
    (0..EVENTS)
        .map(|_| {
            let page = random.zipf(5000);
            RawEvent {
                api: Default::default(),
                parameters: parameters(&mut random, page)
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), Some(value)))
                    .collect(),
                content_type: None,
                source: Default::default(),
                context: engine::collector::payload::CollectorContext {
                    headers: [
                        "Host: collector.example.com".to_owned(),
                        "Connection: keep-alive".to_owned(),
                        format!("User-Agent: {}", useragent(random.zipf(DIFFERENT))),
                        "Accept: image/webp,image/apng,image/*,*/*;q=0.8".to_owned(),
                        "Accept-Encoding: gzip, deflate, br".to_owned(),
                        "Accept-Language: en-GB,en;q=0.9".to_owned(),
                        format!(
                            "Cookie: sp={}; _ga=GA1.2.{}; session=\"{}\"",
                            random.uuid(),
                            random.below(1 << 40),
                            random.hex(32)
                        ),
                        "X-Forwarded-For: 192.0.2.1".to_owned(),
                    ]
                    .to_vec(),
                    ..Default::default()
                },
            }
        })
        .collect()
}

/// What earlier steps left in the draft.
fn draft<'e>(raw: &'e RawEvent, random: &mut Random) -> Draft<'e> {
    let mut draft = Draft::new(raw);
    draft
        .event
        .set(Field::UserIpaddress, &address(random.zipf(DIFFERENT)));
    draft
        .event
        .set(Field::Useragent, &useragent(random.zipf(DIFFERENT)));
    draft
        .event
        .set(Field::DerivedTstamp, "2018-07-24 12:00:00.000");
    let pair = |(name, value): (&str, &str)| (name.to_owned(), Some(value.to_owned()));
    draft.page_querystring = Some(
        [
            ("utm_source", "news"),
            ("utm_medium", "mail"),
            ("utm_campaign", "july"),
            ("size", "xl"),
        ]
        .map(pair)
        .to_vec(),
    );
    draft
}

fn measure(bencher: Bencher<'_, '_>, enrichment: &dyn Enrichment) {
    let raw = raw_events();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| {
            let mut random = Random::new(3);
            raw.iter()
                .map(|raw| draft(raw, &mut random))
                .collect::<Vec<_>>()
        })
        .bench_local_values(|mut drafts| {
            for draft in &mut drafts {
                black_box(enrichment.apply(draft).is_ok());
            }
            drafts
        });
}

#[divan::bench]
fn anon_ip(bencher: Bencher<'_, '_>) {
    measure(
        bencher,
        &*enrichment("anon_ip", r#"{"anonOctets":2}"#, None),
    );
}

#[divan::bench]
fn campaign_attribution(bencher: Bencher<'_, '_>) {
    let parameters = r#"{"mapping":"static","fields":{"mktMedium":["utm_medium","medium"],"mktSource":["utm_source","source"],
        "mktTerm":["utm_term"],"mktContent":["utm_content"],"mktCampaign":["utm_campaign","cid"]}}"#;
    measure(
        bencher,
        &*enrichment("campaign_attribution", parameters, None),
    );
}

#[divan::bench]
fn event_fingerprint(bencher: Bencher<'_, '_>) {
    let parameters = r#"{"hashAlgorithm":"MD5","excludeParameters":["cv","eid","nuid","stm"]}"#;
    measure(
        bencher,
        &*enrichment("event_fingerprint_config", parameters, None),
    );
}

#[divan::bench]
fn cookie_extractor(bencher: Bencher<'_, '_>) {
    measure(
        bencher,
        &*enrichment("cookie_extractor_config", r#"{"cookies":["sp"]}"#, None),
    );
}

#[divan::bench]
fn http_header_extractor(bencher: Bencher<'_, '_>) {
    let parameters = r#"{"headersPattern":"X-Forwarded-For|Accept-.*"}"#;
    measure(
        bencher,
        &*enrichment("http_header_extractor_config", parameters, None),
    );
}

/// A database of 200,000 networks, some MB like the small public ones.
fn city(folder: &TempDir) {
    let mut database = Mmdb::new("GeoIP2-City");
    for index in 0..200_000u32 {
        let names = |name: String| {
            let languages = ["de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN"];
            let name = |language| (language, Value::text(&name));
            Value::map([
                ("names", Value::map(languages.map(name))),
                ("geoname_id", Value::U32(index % 90_000)),
            ])
        };
        let record = Value::map([
            ("city", names(format!("City {}", index % 40_000))),
            ("country", Value::map([("iso_code", Value::text("GB"))])),
            (
                "location",
                Value::map([
                    ("latitude", Value::Double(f64::from(index % 180) - 90.0)),
                    ("longitude", Value::Double(f64::from(index % 360) - 180.0)),
                    ("time_zone", Value::text("Europe/London")),
                ]),
            ),
            ("postal", Value::map([("code", Value::text("E1"))])),
            (
                "subdivisions",
                Value::Array(vec![names("England".to_owned())]),
            ),
        ]);
        let address = Ipv4Addr::from(index.wrapping_mul(0x9e37_79b1));
        database.insert_network(address.into(), 20, &record);
    }
    std::fs::write(folder.path().join("GeoIP2-City.mmdb"), database.to_bytes()).expect("a file");
}

fn geo_parameters() -> &'static str {
    r#"{"geo":{"database":"GeoIP2-City.mmdb","uri":"/nowhere"}}"#
}

#[divan::bench]
fn ip_lookups(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    city(&folder);
    measure(
        bencher,
        &*enrichment("ip_lookups", geo_parameters(), Some(&folder)),
    );
}

#[divan::bench]
fn iab_spiders_and_robots(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut included = "Mozilla/5.0|1|1\nMozilla/4.0|1|1\nOpera/9|1|1\n".to_owned();
    let (mut excluded, mut addresses) = (String::new(), String::new());
    for index in 0..700u32 {
        let _ = writeln!(included, "browser{index}|1|1");
        let _ = writeln!(
            excluded,
            "robot{index}/1.{index}|1|nice{index}, mozilla/3.{index}|0|{}|0",
            index % 3
        );
        let _ = writeln!(addresses, "{}/24", Ipv4Addr::from((10 << 24) + index * 512));
    }
    for (name, content) in [
        ("include.txt", included),
        ("exclude.txt", excluded),
        ("ips.txt", addresses),
    ] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let parameters = r#"{"ipFile":{"database":"ips.txt","uri":"/nowhere"},
        "excludeUseragentFile":{"database":"exclude.txt","uri":"/nowhere"},
        "includeUseragentFile":{"database":"include.txt","uri":"/nowhere"}}"#;
    measure(
        bencher,
        &*enrichment(
            "iab_spiders_and_robots_enrichment",
            parameters,
            Some(&folder),
        ),
    );
}
