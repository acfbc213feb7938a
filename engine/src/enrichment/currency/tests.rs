//! Conversions with answers that are handed in, and what is decided without asking.

use super::super::tests::raw_event;
use super::*;
use crate::iglu::SchemaKey;
use crate::json;

/// 2011-03-13T00:00:00Z
const DAY_MS: i64 = 1_299_974_400_000;

const RATES: &str = r#"{"disclaimer":"","license":"","timestamp":0,"base":"USD","rates":{"USD":1,"EUR":0.7185,"GBP":0.62,"JPY":81.85,"KWD":0.2775,"CLF":0.02181,"NIL":0,"ISK":1e-7}}"#;

fn config(account: &str) -> EnrichmentConfig {
    let text = format!(
        r#"{{"parameters":{{"accountType":"{account}","apiKey":"SECRET","baseCurrency":"EUR","rateAt":"EOD_PRIOR"}}}}"#
    );
    EnrichmentConfig {
        name: "currency_conversion_config".into(),
        schema: SchemaKey::parse(
            "iglu:com.snowplowanalytics.snowplow/currency_conversion_config/jsonschema/1-0-0",
        )
        .unwrap(),
        data: json::parse(&text).unwrap().unwrap().into_owned(),
    }
}

fn enrichment(base: &str) -> CurrencyConversion {
    let settings = Settings {
        api_key: "SECRET".into(),
        chooses_base: false,
        base_currency: base.into(),
    };
    // nobody listens at port 1
    CurrencyConversion::new(settings, Some("http://127.0.0.1:1"))
}

/// One amount by an answer.
fn convert(status: u16, body: &str, base: &str, from: &str, amount: &str) -> String {
    let day = Arc::new(rates::read(status, body));
    match enrichment(base).convert(&day, from, amount) {
        Ok(Ok(text) | Err(text)) | Err(Exception(text)) => text,
    }
}

#[test]
fn configurations() {
    for (account, chooses) in [
        ("DEVELOPER", false),
        ("ENTERPRISE", true),
        ("UNLIMITED", true),
    ] {
        let settings = Settings::of(&config(account)).unwrap();
        assert_eq!(settings.chooses_base, chooses);
        assert_eq!(settings.base_currency, "EUR");
        assert!(!format!("{settings:?}").contains("SECRET"));
    }
    assert_eq!(
        Settings::of(&config("FREE")).unwrap_err(),
        ["accountType [FREE] is not one of DEVELOPER, ENTERPRISE, and UNLIMITED"]
    );
}

#[test]
fn amounts_are_converted_exactly() {
    for (from, amount, base, text) in [
        ("GBP", "11.00", "EUR", "12.75"),
        ("GBP", "2.67", "EUR", "3.09"),
        ("GBP", "12.99", "EUR", "15.05"),
        ("GBP", "10.99", "EUR", "12.74"),
        ("GBP", "16", "EUR", "18.54"),
        ("GBP", "0", "EUR", "0.00"),
        ("GBP", "-11", "EUR", "-12.75"),
        ("USD", "100", "EUR", "71.85"),
        ("EUR", "11", "EUR", "11.00"),
        ("EUR", "2.675", "EUR", "2.67"),
        ("EUR", "0.125", "EUR", "0.12"),
        ("USD", "1", "JPY", "82"),
        ("GBP", "1", "JPY", "132"),
        ("USD", "10", "KWD", "2.775"),
        ("GBP", "5", "USD", "8.06"),
        ("USD", "1e300", "JPY", ""),
    ] {
        let found = convert(200, RATES, base, from, amount);
        if amount == "1e300" {
            assert_eq!(found.len(), 302);
        } else {
            assert_eq!(found, text, "{amount} {from}");
        }
    }
}

#[test]
fn failures_have_the_texts_of_the_reference() {
    let illegal = "Open Exchange Rates error, type: [IllegalCurrency], message: ";
    let not_found = "Currency not found in the API, invalid currency ";
    let joda = |code: &str| format!("Currency [{code}] is not supported by Joda money ");
    for (from, base, text) in [
        ("RUP", "EUR", format!("{illegal}[{}{not_found}]", joda("RUP"))),
        ("SEK", "EUR", format!("{illegal}[{not_found}]")),
        ("CLF", "EUR", format!("{illegal}[The exchange rate of [CLF]:[EUR] is 32.9436036495. However, {}]", joda("CLF"))),
        ("USD", "CLF", format!("{illegal}[The exchange rate of [USD]:[CLF] is 0.02181. However, {}]", joda("USD"))),
        ("RUP", "CLF", format!("{illegal}[{}{}{not_found}]", joda("RUP"), joda("RUP"))),
        ("GBP", "SEK", "Base currency [SEK] not supported: [java.util.NoSuchElementException: Either.left.value on Right]".into()),
        ("NIL", "EUR", "Unexpected exception converting currency: [java.lang.ArithmeticException: / by zero]".into()),
    ] {
        assert_eq!(convert(200, RATES, base, from, "5"), text);
    }
    let error = r#"{"error":true,"status":401,"message":"invalid_app_id","description":"Invalid App ID provided."}"#;
    assert_eq!(
        convert(401, error, "EUR", "GBP", "5"),
        "Open Exchange Rates error, type: [OtherErrors], message: [Invalid App ID provided.]"
    );
    assert_eq!(
        convert(401, error, "EUR", "RUP", "5"),
        format!(
            "Open Exchange Rates error, type: [OtherErrors], message: [{}Invalid App ID provided.]",
            joda("RUP")
        )
    );
    for (status, body, text) in [
        (
            200,
            "",
            "Unexpected exception converting currency: [java.lang.NullPointerException]",
        ),
        (
            404,
            "",
            "Unexpected exception converting currency: [java.lang.NullPointerException]",
        ),
        (
            200,
            "{}",
            "Base currency [EUR] not supported: [java.util.NoSuchElementException]",
        ),
        (
            200,
            r#"{"rates":5}"#,
            "Open Exchange Rates error, type: [IllegalCurrency], message: [Currency not found in the API, invalid currency ]",
        ),
        (
            500,
            r#"{"x":5}"#,
            "Open Exchange Rates error, type: [OtherErrors], message: [null]",
        ),
    ] {
        assert_eq!(convert(status, body, "EUR", "GBP", "5"), text);
    }
    let html = convert(502, "<html>", "EUR", "GBP", "5");
    assert!(html.starts_with("Unexpected exception converting currency: [com.fasterxml.jackson.core.JsonParseException: Unexpected character ('<'"), "{html}");
    assert_eq!(
        convert(200, RATES, "EUR", "GBP", "1e400"),
        "Unexpected exception converting currency: [java.lang.NumberFormatException: Infinite or NaN]"
    );
}

#[test]
fn without_amounts_or_time_nothing_is_asked() {
    let raw = raw_event(&[]);
    let enrichment = enrichment("EUR");
    let mut draft = Draft::new(&raw);
    enrichment.apply(&mut draft).unwrap();
    assert_eq!(draft.event.get(Field::BaseCurrency), Some("EUR"));
    assert_eq!(draft.failures.into_texts(), ["Collector timestamp missing"]);

    let mut draft = Draft::new(&raw);
    draft.times.collector = Some(DAY_MS);
    draft.event.set(Field::TrCurrency, "GBP");
    draft.event.set(Field::TiPrice, "5");
    enrichment.apply(&mut draft).unwrap();
    assert!(draft.failures.is_empty());
    assert_eq!(enrichment.cache().unwrap().misses, 0);
}

#[test]
fn days_without_rates() {
    let raw = raw_event(&[]);
    let enrichment = enrichment("EUR");
    for (collector, date) in [
        (FIRST_DAY_MS - 1, "1998-12-31T00:00:00.000Z"),
        (-1, "1969-12-31T00:00:00.000Z"),
        (now_ms() + 2 * MILLIS_PER_DAY, ""),
    ] {
        let mut draft = Draft::new(&raw);
        draft.times.collector = Some(collector);
        draft.event.set(Field::TiCurrency, "GBP");
        draft.event.set(Field::TiPrice, "5");
        enrichment.apply(&mut draft).unwrap();
        let text = draft.failures.into_texts().remove(0);
        assert!(
            text.starts_with(&format!("Open Exchange Rates error, type: [ResourcesNotAvailable], message: [Exchange rate unavailable on the date [{date}")),
            "{text}"
        );
        assert!(text.ends_with("T00:00:00.000Z] ]"), "{text}");
    }
    assert_eq!(enrichment.cache().unwrap().misses, 0);
}

#[test]
fn an_exception_is_told_once_and_asked_again() {
    let raw = raw_event(&[]);
    let enrichment = enrichment("EUR");
    for asked in 1..3 {
        let mut draft = Draft::new(&raw);
        draft.times.collector = Some(DAY_MS + 5);
        for field in [Field::TrCurrency, Field::TiCurrency] {
            draft.event.set(field, "GBP");
        }
        for field in [Field::TrTotal, Field::TrTax, Field::TiPrice] {
            draft.event.set(field, "5");
        }
        enrichment.apply(&mut draft).unwrap();
        assert_eq!(
            draft.failures.into_texts(),
            [
                "Unexpected exception converting currency: [java.net.ConnectException: Connection refused (Connection refused)]"
            ]
        );
        assert!(draft.event.is_null(Field::TrTotalBase));
        assert_eq!(enrichment.cache().unwrap().misses, asked);
    }
}
