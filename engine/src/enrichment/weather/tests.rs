//! Texts, rounding, and the form of the context.

use super::super::tests::raw_event;
use super::*;

const DAY: &str = r#"{"cnt":2,"cod":"200","list":[
    {"dt":1525046400,"main":{"temp":300.15,"pressure":1008,"humidity":92,"temp_min":300,"temp_max":300.5,"sea_level":1e3},"wind":{"speed":2.1,"deg":250,"var_beg":7},"clouds":{"all":20},"rain":{},"snow":{"3h":0.5},"weather":[{"id":801,"main":"Clouds","description":"few clouds","icon":"02n","x":1}],"x":1},
    {"dt":1525132800,"main":{"temp":301,"pressure":1009,"humidity":90,"temp_min":300,"temp_max":302,"grnd_level":1.5,"sea_level":null},"wind":{"speed":1,"deg":0.5,"gust":3,"var_end":2.9},"clouds":{"all":0},"rain":null,"weather":[]}]}"#;

fn stamp(seconds: i32) -> Result<String, String> {
    read(200, DAY)?
        .nearest(seconds)
        .map(|data| data.to_compact())
}

#[test]
fn the_nearest_stamp_in_the_order_of_the_reference() {
    let first = r#"{"main":{"humidity":92.0,"pressure":1008.0,"sea_level":1000.0,"temp":300.15,"temp_min":300.0,"temp_max":300.5},"wind":{"speed":2.1,"deg":250.0,"var_beg":7},"clouds":{"all":20},"rain":{},"snow":{"3h":0.5},"weather":[{"main":"Clouds","description":"few clouds","id":801,"icon":"02n"}],"dt":"2018-04-30T00:00:00.000Z"}"#;
    let second = r#"{"main":{"grnd_level":1.5,"humidity":90.0,"pressure":1009.0,"temp":301.0,"temp_min":300.0,"temp_max":302.0},"wind":{"speed":1.0,"deg":0.5,"gust":3.0,"var_end":2},"clouds":{"all":0},"weather":[],"dt":"2018-05-01T00:00:00.000Z"}"#;
    // 2018-04-30T23:56:01Z is nearer to the next midnight
    assert_eq!(stamp(1525132561).as_deref(), Ok(second));
    assert_eq!(stamp(1525050000).as_deref(), Ok(first));
    // of equals the first
    assert_eq!(stamp(1525089600).as_deref(), Ok(first));
    for early in [0, -5, i32::MIN] {
        assert_eq!(
            stamp(early).as_ref().unwrap_err(),
            "OpenWeatherMap InternalError Timestamp should be greater than 0"
        );
    }
    let empty = read(200, r#"{"cnt":0,"cod":200,"list":[]}"#).unwrap();
    assert_eq!(
        empty.nearest(5).unwrap_err(),
        "OpenWeatherMap InternalError Server response has no weather stamps"
    );
}

#[test]
fn answers_that_are_errors() {
    let cases: [(u16, &str, &str); 8] = [
        (
            401,
            "<html>",
            "OpenWeatherMap AuthorizationError$ Check your API key",
        ),
        (
            503,
            "x",
            "OpenWeatherMap HTTPError Request failed with status 503",
        ),
        (
            302,
            "x",
            "OpenWeatherMap HTTPError Request failed with status 302",
        ),
        (
            200,
            "<html>",
            "OpenWeatherMap ParseError OpenWeatherMap Error: string [<html>] doesn't contain JSON",
        ),
        (
            200,
            "",
            "OpenWeatherMap ParseError OpenWeatherMap Error: string [] doesn't contain JSON",
        ),
        (
            200,
            r#"{"message":"no such city","cod":"404"}"#,
            "OpenWeatherMap ErrorResponse no such city",
        ),
        (
            200,
            r#"{"message": 5, "list": [] }"#,
            r#"OpenWeatherMap ParseError Could not extract com.snowplowanalytics.weather.providers.openweather.Responses$History from {"message":5,"list":[]}"#,
        ),
        (
            200,
            r#"{"cnt":1,"cod":"200","list":[{"dt":1}]}"#,
            r#"OpenWeatherMap ParseError Could not extract com.snowplowanalytics.weather.providers.openweather.Responses$History from {"cnt":1,"cod":"200","list":[{"dt":1}]}"#,
        ),
    ];
    for (status, body, text) in cases {
        assert_eq!(read(status, body).unwrap_err(), text);
    }
    // one wrong member spoils the answer
    for (from, to) in [
        ("\"all\":20", "\"all\":2.5"),
        ("\"deg\":250", "\"deg\":\"east\""),
        ("\"rain\":{}", "\"rain\":3"),
        ("\"humidity\":92", "\"humidity\":null"),
        ("\"dt\":1525046400", "\"dt\":\"now\""),
        ("\"cnt\":2", "\"cnt\":\"2\""),
        ("\"temp\":300.15", "\"temp\":1e999"),
        ("\"dt\":1525046400", "\"dt\":9223372036854775807"),
    ] {
        let body = DAY.replacen(from, to, 1);
        assert_ne!(body, DAY);
        assert!(read(200, &body).is_err(), "{to}");
    }
}

#[test]
fn coordinates_are_rounded_for_the_cache() {
    for (coordinate, precision, rounded) in [
        (20.713052, 1, 21.0),
        (20.4, 1, 20.0),
        (20.5, 1, 21.0),
        (-20.5, 1, -20.0),
        (20.713052, 2, 20.5),
        (0.25, 4, 0.3),
        (-0.25, 4, -0.3),
        (47.2513, 10, 47.3),
        (-122.3149, 10, -122.3),
        (0.0, 7, 0.0),
    ] {
        assert_eq!(
            round(coordinate, precision),
            rounded,
            "{coordinate} / {precision}"
        );
    }
}

#[test]
fn an_event_without_place_or_time_fails() {
    let raw = raw_event(&[]);
    let settings = Settings {
        api_key: "KEY".into(),
        cache_size: 10,
        geo_precision: 1,
        api_host: "127.0.0.1:1".into(),
        timeout_s: 1,
    };
    assert!(!format!("{settings:?}").contains("KEY"));
    let weather = Weather::new(settings);
    let text = |latitude: Option<&str>, longitude: Option<&str>, time: Option<&str>| {
        let mut draft = Draft::new(&raw);
        draft.event.set_or_clear(Field::GeoLatitude, latitude);
        draft.event.set_or_clear(Field::GeoLongitude, longitude);
        draft.event.set_or_clear(Field::DerivedTstamp, time);
        weather.apply(&mut draft).unwrap();
        draft.failures.into_texts().remove(0)
    };
    assert_eq!(
        text(None, Some("-122.3149"), Some("2018-04-30 23:56:01.003")),
        "One of required event fields missing. latitude: None, longitude: Some(-122.3149), tstamp: Some(2018-04-30T23:56:01.003Z)"
    );
    assert_eq!(
        text(Some("0.0"), Some("1.0E-4"), None),
        "One of required event fields missing. latitude: Some(0.0), longitude: Some(1.0E-4), tstamp: None"
    );
    // nobody listens at port 1
    let refused = text(Some("1.0"), Some("2.0"), Some("2018-04-30 23:56:01.003"));
    assert_eq!(
        refused,
        "java.net.ConnectException: Connection refused (Connection refused)"
    );
}
