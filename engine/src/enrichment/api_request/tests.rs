//! Configurations, and what is decided before a request.

use super::super::tests::raw_event;
use super::*;
use crate::event::Field;
use crate::iglu::SchemaKey;
use crate::json;

fn config(parameters: &str) -> EnrichmentConfig {
    let text = format!(
        r#"{{"vendor":"com.snowplowanalytics.snowplow.enrichments","name":"api_request_enrichment_config","enabled":true,"parameters":{parameters}}}"#
    );
    EnrichmentConfig {
        name: "api_request_enrichment_config".into(),
        schema: SchemaKey::parse("iglu:com.snowplowanalytics.snowplow.enrichments/api_request_enrichment_config/jsonschema/1-0-0").unwrap(),
        data: json::parse(&text).unwrap().unwrap().into_owned(),
    }
}

fn parameters(inputs: &str, uri: &str, authentication: &str) -> String {
    format!(
        r#"{{"inputs":{inputs},"api":{{"http":{{"method":"GET","uri":"{uri}","timeout":1000,"authentication":{authentication}}}}},"outputs":[{{"schema":"iglu:com.acme/user/jsonschema/1-0-0","json":{{"jsonPath":"$.record"}}}}],"cache":{{"size":3000,"ttl":60}}}}"#
    )
}

const USER: &str = r#"[{"key":"user","pojo":{"field":"user_id"}}]"#;

#[test]
fn configurations() {
    let basic = r#"{"httpBasic":{"username":"xxx","password":null}}"#;
    let settings = Settings::of(&config(&parameters(USER, "http://a/{{user}}", basic))).unwrap();
    assert_eq!(settings.method, Method::GET);
    assert_eq!(
        (
            settings.timeout_ms,
            settings.cache_size,
            settings.cache_ttl_s
        ),
        (1000, 3000, 60)
    );
    assert_eq!(settings.outputs[0].json_path, "$.record");
    assert_eq!(settings.inputs[0].key, "user");
    let authentication = settings.authentication.unwrap();
    assert_eq!(authentication.username.as_deref(), Some("xxx"));
    // a key without a password
    assert_eq!(authentication.into_header().unwrap(), "Basic eHh4Og==");
    for (basic, header) in [
        (
            r#"{"httpBasic":{"username":null,"password":"p"}}"#,
            Some("Basic OnA="),
        ),
        (r#"{"httpBasic":{"username":null,"password":null}}"#, None),
    ] {
        let settings = Settings::of(&config(&parameters(USER, "http://a", basic))).unwrap();
        let found = settings.authentication.and_then(HttpBasic::into_header);
        assert_eq!(found, header.map(HeaderValue::from_static));
    }

    let basic = r#"{"httpBasic":{"username":"Aladdin","password":"open sesame"}}"#;
    let settings = Settings::of(&config(&parameters(USER, "http://a", basic))).unwrap();
    assert!(!format!("{settings:?}").contains("sesame"));
    let header = settings.authentication.unwrap().into_header().unwrap();
    assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(!format!("{header:?}").contains("QWxh"));

    let both = r#"[{"key":"user","pojo":{"field":"a"},"json":{"field":"contexts","schemaCriterion":"iglu:a/b/jsonschema/1-0-0","jsonPath":"$"}}]"#;
    for (inputs, which) in [(both, "both"), (r#"[{"key":"user"}]"#, "none")] {
        let failures = Settings::of(&config(&parameters(inputs, "http://a", "{}"))).unwrap_err();
        assert_eq!(
            failures,
            [format!(
                "Could not extract parameters.inputs as scala.collection.immutable.List<Input> from supplied JSON due to: API Request Enrichment Input must represent either JSON OR POJO, {which} present"
            )]
        );
    }
    assert_eq!(
        Settings::of(&config(r#"{"inputs":[]}"#)).unwrap_err(),
        ["JSON path parameters.api.http.method not found"]
    );
}

#[test]
fn nothing_is_asked_without_all_values() {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    let contexts = |uri: &str, inputs: &str, draft: &Draft<'_>| {
        let settings = Settings::of(&config(&parameters(inputs, uri, "{}"))).unwrap();
        ApiRequest::new(settings).contexts(draft)
    };
    let two = r#"[{"key":"user","pojo":{"field":"user_id"}},{"key":"time","pojo":{"field":"true_tstamp"}}]"#;
    let uri = "http://thishostdoesnotexist.invalid/{{user}}/{{time}}";
    draft.event.set(Field::UserId, "chuwy");
    assert_eq!(contexts(uri, two, &draft), Ok(Ok(Vec::new())));
    // a brace that no key explains
    assert_eq!(
        contexts("http://a.invalid/{{user}}/{x}", USER, &draft),
        Ok(Ok(Vec::new()))
    );
    let wrong = r#"[{"key":"user","pojo":{"field":"user"}}]"#;
    let failures = contexts(uri, wrong, &draft).unwrap().unwrap_err();
    assert!(
        failures[0].starts_with("Error accessing POJO input field [user]"),
        "{failures:?}"
    );
}

#[test]
fn only_the_web_is_asked() {
    let raw = raw_event(&[]);
    let settings = Settings::of(&config(&parameters("[]", "file:///etc/hostname", "{}"))).unwrap();
    let enrichment = ApiRequest::new(settings);
    let mut draft = Draft::new(&raw);
    enrichment.apply(&mut draft).unwrap();
    assert_eq!(
        draft.failures.into_texts(),
        ["java.net.MalformedURLException: unknown protocol: file"]
    );
    let statistics = enrichment.cache().unwrap();
    assert_eq!(
        (statistics.hits, statistics.misses, statistics.errors),
        (0, 1, 1)
    );
}
