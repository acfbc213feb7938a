//! The weather, event by event: an event has a place only after the look-up of its address.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::adapter::raw_event::RawEvent;
use engine::collector::payload::{CollectorApi, CollectorContext, CollectorSource};
use engine::enrichment::Draft;
use engine::enrichment::lookup::Session;
use engine::enrichment::registry::Enrichment;
use engine::enrichment::weather::{Settings, Weather};
use engine::event::Field;

use crate::support::web::{Reply, WebService, nobody};

const DAY: &str = r#"{"message":"","cod":"200","city_id":1,"calctime":0.5,"cnt":2,"list":[
    {"dt":1525046400,"main":{"temp":300.15,"pressure":1008,"humidity":90,"temp_min":300,"temp_max":301},"wind":{"speed":2.1,"deg":250},"clouds":{"all":20},"weather":[{"id":801,"main":"Clouds","description":"few clouds","icon":"02n"}]},
    {"dt":1525132800,"main":{"temp":301,"pressure":1009,"humidity":92,"temp_min":300,"temp_max":302},"wind":{"speed":1,"deg":0.5},"clouds":{"all":0},"weather":[]}]}"#;

fn raw_event() -> RawEvent {
    RawEvent {
        api: CollectorApi {
            vendor: "com.snowplowanalytics.snowplow".into(),
            version: "tp1".into(),
        },
        parameters: std::iter::empty::<(String, Option<String>)>().collect(),
        content_type: None,
        source: CollectorSource {
            name: "test".into(),
            encoding: "UTF-8".into(),
            hostname: None,
        },
        context: CollectorContext::default(),
    }
}

fn weather(host: &str, timeout_s: u32) -> Weather {
    Weather::new(Settings {
        api_key: "KEY".into(),
        cache_size: 100,
        geo_precision: 1,
        api_host: host.into(),
        timeout_s,
    })
}

/// The data of the context at a place and time, or the failure text.
fn at(weather: &Weather, latitude: &str, longitude: &str, time: &str) -> Result<String, String> {
    let raw = raw_event();
    let mut draft = Draft::new(&raw);
    draft.event.set(Field::GeoLatitude, latitude);
    draft.event.set(Field::GeoLongitude, longitude);
    draft.event.set(Field::DerivedTstamp, time);
    weather.apply(&mut draft).expect("an answer");
    match draft.derived_contexts.iter().next() {
        Some(context) => Ok(context.to_compact()),
        None => Err(draft.failures.into_texts().join("|")),
    }
}

#[test]
fn a_day_of_a_place_is_asked_once() {
    let service = WebService::start(|_| Reply::Body(200, DAY.into()));
    let weather = weather(&service.address, 5);
    assert!(service.requests().is_empty());
    let found = at(&weather, "20.713052", "70.98224", "2018-04-30 23:56:01.003").unwrap();
    assert_eq!(
        found,
        r#"{"schema":"iglu:org.openweathermap/weather/jsonschema/1-0-0","data":{"main":{"humidity":92.0,"pressure":1009.0,"temp":301.0,"temp_min":300.0,"temp_max":302.0},"wind":{"speed":1.0,"deg":0.5},"clouds":{"all":0},"weather":[],"dt":"2018-05-01T00:00:00.000Z"}}"#
    );
    // the same day and rounded place
    let found = at(&weather, "21.4", "71.0", "2018-04-30 00:00:00.000").unwrap();
    assert!(found.contains(r#""humidity":90.0"#), "{found}");
    assert_eq!(service.requests().len(), 1);
    let path = &service.requests()[0].path;
    let (address, query) = path.split_once('?').unwrap();
    assert_eq!(address, "/data/2.5/history/city");
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(
        query,
        [
            "appid=KEY",
            "cnt=24",
            "end=1525132800",
            "lat=20.713053",
            "lon=70.98224",
            "start=1525046400"
        ]
    );
    // another place, another day
    assert!(at(&weather, "-20.7", "71.0", "2018-04-30 00:00:00.000").is_ok());
    assert!(at(&weather, "20.7", "71.0", "2018-05-01 00:00:00.000").is_ok());
    assert_eq!(service.requests().len(), 3);
    let cache = weather.cache().unwrap();
    assert_eq!((cache.hits, cache.misses, cache.errors), (1, 3, 0));
}

#[test]
fn errors_are_kept_but_not_those_of_the_network() {
    let service = WebService::start(|_| Reply::Body(401, String::new()));
    let weather_401 = weather(&service.address, 5);
    for _ in 0..3 {
        assert_eq!(
            at(&weather_401, "1.0", "2.0", "2018-04-30 23:56:01.003"),
            Err("OpenWeatherMap AuthorizationError$ Check your API key".into())
        );
    }
    assert_eq!(service.requests().len(), 1);

    let refused = weather(&nobody(), 5);
    for _ in 0..2 {
        assert_eq!(
            at(&refused, "1.0", "2.0", "2018-04-30 23:56:01.003"),
            Err("java.net.ConnectException: Connection refused (Connection refused)".into())
        );
    }
    assert_eq!(refused.cache().unwrap().misses, 2);

    let calls = AtomicUsize::new(0);
    let service = WebService::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::After(Duration::from_secs(3), 200, DAY.into()),
        _ => Reply::Body(200, DAY.into()),
    });
    let slow = weather(&service.address, 1);
    assert_eq!(
        at(&slow, "1.0", "2.0", "2018-04-30 23:56:01.003"),
        Err("OpenWeatherMap TimeoutError OpenWeatherMap Error: server didn't responded in 1 seconds. Timeout".into())
    );
    assert!(at(&slow, "1.0", "2.0", "2018-04-30 23:56:01.003").is_ok());
}

#[test]
fn with_a_session_the_weather_waits_for_its_answer() {
    let service = WebService::start(|_| Reply::Body(200, DAY.into()));
    let weather = weather(&service.address, 5);
    let (raw, session) = (raw_event(), Session::default());
    let draft = || {
        let mut draft = Draft::new(&raw);
        draft.session = Some(&session);
        draft.event.set(Field::GeoLatitude, "1.0");
        draft.event.set(Field::GeoLongitude, "2.0");
        draft
            .event
            .set(Field::DerivedTstamp, "2018-04-30 23:56:01.003");
        draft
    };
    assert!(weather.apply(&mut draft()).is_err());
    assert!(session.has_questions());
    session.ask_all().unwrap();
    let mut answered = draft();
    weather.apply(&mut answered).unwrap();
    assert_eq!(answered.derived_contexts.iter().count(), 1);
}
