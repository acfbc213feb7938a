//! The order of the steps and what each leaves behind, event by event.

use std::path::Path;

use super::*;
use crate::collector::payload::{CollectorApi, CollectorContext, CollectorSource};
use crate::enrichment::registry::Enrichment;
use crate::event::Field;
use crate::json::Value;

mod golden;

/// A raw event of the CloudFront collector with these parameters in this order.
pub(super) fn raw_event(parameters: &[(&str, Option<&str>)]) -> RawEvent {
    let owned =
        |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
    RawEvent {
        api: CollectorApi {
            vendor: "com.snowplowanalytics.snowplow".to_owned(),
            version: "tp1".to_owned(),
        },
        parameters: parameters.iter().map(owned).collect(),
        content_type: None,
        source: CollectorSource {
            name: "cloudfront".to_owned(),
            encoding: "UTF-8".to_owned(),
            hostname: None,
        },
        context: CollectorContext {
            timestamp_ms: Some(1506423355000),
            ip_address: Some("255.255.255.255".to_owned()),
            useragent: Some("Ruby".to_owned()),
            ..CollectorContext::default()
        },
    }
}

/// A resolver over a folder of schemas written for these tests.
pub(super) struct TestRegistry {
    pub(super) resolver: Arc<Resolver>,
    _folder: tempfile::TempDir,
}

impl TestRegistry {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let self_describing = r#"{"type":"object","properties":{"schema":{"type":"string","pattern":"^iglu:[a-zA-Z0-9-_.]+/[a-zA-Z0-9-_]+/[a-zA-Z0-9-_]+/[0-9]+-[0-9]+-[0-9]+$"},"data":{}},"required":["schema","data"],"additionalProperties":false}"#;
        let many = format!(r#"{{"type":"array","items":{self_describing}}}"#);
        let tag = r#"{"type":"object","required":["name","enabled"],"properties":{"parameters":{"type":"object"}}}"#;
        let basket = r#"{"type":"object","properties":{"items":{"type":"integer"}},"required":["items"],"additionalProperties":false}"#;
        for (key, text) in [
            (
                "com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
                many.as_str(),
            ),
            (
                "com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
                self_describing,
            ),
            (
                "com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-0",
                r#"{"type":"array"}"#,
            ),
            ("com.example.shop/basket/jsonschema/1-0-0", basket),
            ("com.example.shop/tag_config/jsonschema/1-0-0", tag),
            ("com.example.shop/tag_config/jsonschema/2-0-0", tag),
            ("com.example.shop/other_config/jsonschema/1-0-0", tag),
        ] {
            let file = folder.path().join("schemas").join(key);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self {
            resolver: Arc::new(folder_resolver(folder.path())),
            _folder: folder,
        }
    }

    fn enricher(&self, enrichments: Enrichments) -> Enricher {
        let settings = EnrichSettings {
            v_etl: "spark-1.15.0-common-0.34.0".to_owned(),
            etl_tstamp_ms: 1000000000000,
        };
        Enricher::with_enrichments(self.resolver.clone(), settings, enrichments)
    }
}

pub(super) fn folder_resolver(folder: &Path) -> Resolver {
    let config = format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{{"cacheSize":500,"repositories":[{{"name":"Test","priority":0,"vendorPrefixes":["com"],"connection":{{"embedded":{{"path":"{}"}}}}}}]}}}}"#,
        folder.display()
    );
    Resolver::from_config(&config).unwrap()
}

/// A configuration with this `data`.
pub(super) fn config_of(data: &str) -> config::EnrichmentConfig {
    let data = crate::json::parse(data).unwrap().unwrap().into_owned();
    config::EnrichmentConfig {
        name: "test".to_owned(),
        schema: crate::iglu::SchemaKey::parse("iglu:com.example/test/jsonschema/1-0-0").unwrap(),
        data,
    }
}

fn enrich(raw: &RawEvent) -> std::result::Result<EnrichedEvent, EnrichFailure> {
    let registry = TestRegistry::new();
    let enricher = registry.enricher(Enrichments::default());
    enricher.enrich(raw, "11111111-2222-4333-8444-555555555555".to_owned(), None)
}

fn rejected(raw: &RawEvent) -> Vec<String> {
    match enrich(raw) {
        Err(EnrichFailure::Rejected(texts)) => texts,
        other => panic!("not rejected: {other:?}"),
    }
}

fn values(event: &EnrichedEvent) -> Vec<(&'static str, &str)> {
    event.values().map(|(f, v)| (f.name(), v)).collect()
}

#[test]
fn a_page_view_of_a_server_tracker() {
    let raw = raw_event(&[
        ("e", Some("pv")),
        ("dtm", Some("1506423355307")),
        ("p", Some("srv")),
        ("tv", Some("rb-0.5.2")),
        ("aid", Some("sp")),
        ("eid", Some("2e9069a1-3f11-4770-b549-d8531c9f612e")),
    ]);
    let event = enrich(&raw).unwrap();
    assert_eq!(
        values(&event),
        [
            ("app_id", "sp"),
            ("platform", "srv"),
            ("etl_tstamp", "2001-09-09 01:46:40.000"),
            ("collector_tstamp", "2017-09-26 10:55:55.000"),
            ("dvce_created_tstamp", "2017-09-26 10:55:55.307"),
            ("event", "page_view"),
            ("event_id", "2e9069a1-3f11-4770-b549-d8531c9f612e"),
            ("v_tracker", "rb-0.5.2"),
            ("v_collector", "cloudfront"),
            ("v_etl", "spark-1.15.0-common-0.34.0"),
            ("user_ipaddress", "255.255.255.255"),
            ("useragent", "Ruby"),
            ("derived_tstamp", "2017-09-26 10:55:55.000"),
            ("event_vendor", "com.snowplowanalytics.snowplow"),
            ("event_name", "page_view"),
            ("event_format", "jsonschema"),
            ("event_version", "1-0-0"),
        ]
    );
    let mut line = Vec::new();
    event.write_tsv(&mut line);
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with("sp\tsrv\t2001-09-09 01:46:40.000\t2017-09-26 10:55:55.000\t"));
    assert_eq!(line.matches('\t').count(), 130);
}

#[test]
fn an_event_without_id_gets_the_one_it_is_handed() {
    let event = enrich(&raw_event(&[("e", Some("pp"))])).unwrap();
    assert_eq!(
        event.get(Field::EventId),
        Some("11111111-2222-4333-8444-555555555555")
    );
    assert!(event.is_null(Field::Platform));
}

#[test]
fn a_web_event_with_everything() {
    let basket = r#"{"schema":"iglu:com.example.shop/basket/jsonschema/1-0-0","data":{"items":3}}"#;
    let contexts = format!(
        r#"{{"data":[{basket}], "schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"}}"#
    );
    let unstruct = format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{basket}}}"#
    );
    let raw = raw_event(&[
        ("e", Some("ue")),
        ("ue_pr", Some(unstruct.as_str())),
        ("co", Some(contexts.as_str())),
        (
            "url",
            Some("https://shop.example.com/a b?x=1&_sp=b3f3fac7.1426245561368#top"),
        ),
        ("refr", Some("http://www.example.org:81/s?q=cards")),
        ("dtm", Some("1506423355000")),
        ("stm", Some("1506423355400")),
        ("tnuid", Some("tnuid")),
        ("nuid", Some("nuid")),
        ("res", Some("1440x900")),
    ]);
    let event = enrich(&raw).unwrap();
    let expected = [
        ("network_userid", "tnuid"),
        (
            "page_url",
            "https://shop.example.com/a%20b?x=1&_sp=b3f3fac7.1426245561368#top",
        ),
        ("page_urlscheme", "https"),
        ("page_urlhost", "shop.example.com"),
        ("page_urlport", "443"),
        ("page_urlpath", "/a%20b"),
        ("page_urlquery", "x=1&_sp=b3f3fac7.1426245561368"),
        ("page_urlfragment", "top"),
        ("page_referrer", "http://www.example.org:81/s?q=cards"),
        ("refr_urlport", "81"),
        ("refr_urlquery", "q=cards"),
        ("refr_domain_userid", "b3f3fac7"),
        ("refr_dvce_tstamp", "2015-03-13 11:19:21.368"),
        ("derived_tstamp", "2017-09-26 10:55:54.600"),
        ("dvce_screenheight", "900"),
        ("event_vendor", "com.example.shop"),
        ("event_name", "basket"),
        ("unstruct_event", unstruct.as_str()),
    ];
    for (name, value) in expected {
        let field = Field::from_name(name).unwrap();
        assert_eq!(event.get(field), Some(value), "{name}");
    }
    // the order of the keys is the tracker's
    let column = event.get(Field::Contexts).unwrap();
    assert_eq!(column, contexts.replace(", ", ","));
}

#[test]
fn codes_and_json_of_a_bad_tracker() {
    let raw = raw_event(&[
        ("e", Some("lol")),
        ("ue_px", Some("am9obitzbWl0aA")),
        ("page", Some("x")),
        ("tid", Some("019539")),
        ("vid", Some("a")),
        ("p", Some("web")),
    ]);
    assert_eq!(
        rejected(&raw),
        [
            "Field [e]: [lol] is not a recognised event code",
            "Field [vid]: cannot convert [a] to Int",
            "Field [ue_px]: invalid JSON [john+smith] with parsing error: Unrecognized token 'john': was expecting ('true', 'false' or 'null') at [Source: john+smith; line: 1, column: 5]",
            "Unrecognized event [null]",
        ]
    );
}

#[test]
fn failures_stand_in_the_order_of_the_reference() {
    let mut raw = raw_event(&[
        ("vid", Some("a")),
        ("url", Some("http://a|b.com/")),
        ("refr", Some("http://c|d.com/")),
        ("cv", Some("")),
        ("co", Some("1")),
        ("ue_pr", Some("2")),
    ]);
    raw.context.timestamp_ms = None;
    raw.context.useragent = Some("50%".to_owned());
    let texts = rejected(&raw);
    let starts = [
        "Field [useragent]: Exception URL-decoding [50%] (encoding [UTF-8]): [URLDecoder: Incomplete trailing escape (%) pattern]",
        "No collector_tstamp set",
        "Collector version not set",
        "Provided URI string [",
        "Provided URI string [",
        "Field [vid]: cannot convert [a] to Int",
        "error: instance type (integer)",
        "error: instance type (integer)",
        "Unrecognized event [null]",
    ];
    assert_eq!(texts.len(), starts.len(), "{texts:?}");
    for (text, start) in texts.iter().zip(starts) {
        assert!(text.starts_with(start), "{text:?} / {start:?}");
    }
    assert!(texts[3].contains("a|b.com"));
    assert!(texts[4].contains("c|d.com"));

    let raw = raw_event(&[
        ("vid", Some("a")),
        ("url", Some("http://example.com/?_sp=a.b")),
        ("refr", Some("http://c|d.com/")),
    ]);
    let texts = rejected(&raw);
    assert_eq!(
        texts[0],
        "Field [sp_dtm]: [b] is not in the expected format (ms since epoch)"
    );
    assert!(texts[1].starts_with("Provided URI string ["));
    assert_eq!(texts[2], "Field [vid]: cannot convert [a] to Int");
}

#[test]
fn what_the_reference_throws_costs_the_record() {
    for (url, exception) in [
        (
            "http://example.com/?_sp=.",
            "java.lang.ArrayIndexOutOfBoundsException: 0",
        ),
        ("http://example.com/?_sp", "java.lang.NullPointerException"),
    ] {
        let raw = raw_event(&[("e", Some("lol")), ("url", Some(url))]);
        let text = format!("Unexpected error processing events: {exception}\n");
        assert_eq!(enrich(&raw), Err(EnrichFailure::Unexpected(text)));
    }
}

#[test]
fn hostile_values_do_no_harm() {
    let deep = "[".repeat(200_000);
    let long = "9".repeat(100_000);
    let nul = "\0".repeat(100);
    let registry = TestRegistry::new();
    let enricher = registry.enricher(Enrichments::default());
    for value in [
        deep.as_str(),
        &long,
        &nul,
        "\u{10ffff}",
        "%",
        "1e999999999",
        "-",
        "x",
        "\t",
    ] {
        for name in [
            "e", "p", "tid", "vid", "eid", "dtm", "f_pdf", "res", "url", "refr", "co", "cx",
            "ue_pr", "ue_px", "se_la", "ip", "tnuid",
        ] {
            let raw = raw_event(&[("e", Some("pv")), (name, Some(value))]);
            let _ = enricher.enrich(&raw, String::new(), None);
        }
    }
    let mut raw = raw_event(&[
        ("e", Some("pv")),
        ("url", Some("http://a.b/?_sp=%FF.1&%00")),
    ]);
    raw.source.encoding = "no such encoding".to_owned();
    raw.context.useragent = None;
    let event = enrich(&raw).unwrap();
    assert_eq!(
        event.get(Field::RefrDvceTstamp),
        Some("1970-01-01 00:00:00.001")
    );
}

/// An enrichment that notes what it sees of the earlier steps.
#[derive(Debug)]
struct Witness(Stage);

impl Enrichment for Witness {
    fn apply(&self, draft: &mut Draft<'_>) -> std::result::Result<(), Interrupt> {
        let event = &draft.event;
        let sees = [
            Field::PageUrlhost,
            Field::DerivedTstamp,
            Field::RefrUrlhost,
            Field::RefrDomainUserid,
            Field::EventName,
            Field::DerivedContexts,
        ];
        let seen = sees.iter().filter(|field| !event.is_null(**field)).count();
        let before = event.get(Field::EtlTags).unwrap_or_default();
        let notes = format!("{before}{:?}{seen} ", self.0);
        draft.event.set(Field::EtlTags, &notes);
        if self.0 == Stage::UaParser || self.0 == Stage::ApiRequest {
            let context = Value::string(format!("{:?}", self.0));
            draft.derived_contexts.push(self.0, context);
        }
        Ok(())
    }
}

const STAGES: [Stage; 16] = [
    Stage::IpLookups,
    Stage::Iab,
    Stage::AnonIp,
    Stage::UserAgentUtils,
    Stage::UaParser,
    Stage::CurrencyConversion,
    Stage::RefererParser,
    Stage::CampaignAttribution,
    Stage::EventFingerprint,
    Stage::Javascript,
    Stage::CookieExtractor,
    Stage::HttpHeaderExtractor,
    Stage::Weather,
    Stage::SqlQuery,
    Stage::ApiRequest,
    Stage::Pii,
];

#[test]
fn enrichments_run_at_their_places() {
    let mut enrichments = Enrichments::default();
    for stage in STAGES {
        enrichments.insert(stage, Box::new(Witness(stage)));
    }
    let registry = TestRegistry::new();
    let enricher = registry.enricher(enrichments);
    let full = raw_event(&[
        ("e", Some("pv")),
        ("url", Some("http://a.example.com/?_sp=u")),
        ("refr", Some("http://b.example.com/")),
    ]);
    let event = enricher.enrich(&full, "id".to_owned(), None).unwrap();
    assert_eq!(
        event.get(Field::EtlTags),
        Some(
            "IpLookups1 Iab2 AnonIp2 UserAgentUtils2 UaParser2 CurrencyConversion2 RefererParser3 \
             CampaignAttribution3 EventFingerprint4 Javascript5 CookieExtractor5 \
             HttpHeaderExtractor5 Weather5 SqlQuery5 ApiRequest5 Pii6 "
        )
    );
    assert_eq!(
        event.get(Field::DerivedContexts),
        Some(
            r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":["ApiRequest","UaParser"]}"#
        )
    );
    // neither page nor referrer
    let bare = raw_event(&[("e", Some("pv"))]);
    let event = enricher.enrich(&bare, "id".to_owned(), None).unwrap();
    let notes = event.get(Field::EtlTags).unwrap();
    assert!(!notes.contains("RefererParser") && !notes.contains("CampaignAttribution"));
    assert!(notes.contains("ApiRequest2 Pii3 "), "{notes}");
}

/// An enrichment that fails in one way or another.
#[derive(Debug)]
struct Failing(FailureStep, bool);

impl Enrichment for Failing {
    fn apply(&self, draft: &mut Draft<'_>) -> std::result::Result<(), Interrupt> {
        if self.1 {
            return Err(Unexpected("com.example.Oops".to_owned()).into());
        }
        draft.failures.push(self.0, format!("{:?}", self.0));
        Ok(())
    }
}

#[test]
fn failures_of_enrichments_have_their_places() {
    let fail = |step| Box::new(Failing(step, false));
    let mut enrichments = Enrichments::default();
    enrichments.insert(Stage::Iab, fail(FailureStep::Iab));
    enrichments.insert(Stage::UaParser, fail(FailureStep::UaParser));
    enrichments.insert(Stage::SqlQuery, fail(FailureStep::SqlQuery));
    enrichments.insert(Stage::ApiRequest, fail(FailureStep::ApiRequest));
    let registry = TestRegistry::new();
    let enricher = registry.enricher(enrichments);
    let texts = |raw: &RawEvent| match enricher.enrich(raw, "id".to_owned(), None) {
        Err(EnrichFailure::Rejected(texts)) => texts,
        other => panic!("not rejected: {other:?}"),
    };
    // no API request after a failed SQL query
    assert_eq!(
        texts(&raw_event(&[("vid", Some("a"))])),
        [
            "UaParser",
            "Field [vid]: cannot convert [a] to Int",
            "SqlQuery",
            "Unrecognized event [null]",
            "Iab",
        ]
    );
    // and neither after an invalid context
    let invalid = texts(&raw_event(&[("e", Some("pv")), ("co", Some("1"))]));
    assert!(!invalid.contains(&"SqlQuery".to_owned()), "{invalid:?}");

    let mut enrichments = Enrichments::default();
    enrichments.insert(Stage::AnonIp, Box::new(Failing(FailureStep::Iab, true)));
    let registry = TestRegistry::new();
    let enricher = registry.enricher(enrichments);
    assert_eq!(
        enricher.enrich(&raw_event(&[]), "id".to_owned(), None),
        Err(EnrichFailure::Unexpected(
            "Unexpected error processing events: com.example.Oops\n".to_owned()
        ))
    );
}
