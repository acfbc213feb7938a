//! The events that every sender sends, with what must come of each.
//!
//! Page views with all sorts of URLs, page pings, structured and self-describing events with contexts of the shop of the
//! fixtures, transactions; and what must end as a bad row: a schema that no registry has, data against its schema.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::plan::{Client, Expected, Outcome, Planned, TrueTstamp};

/// Texts that have broken pipelines: other scripts, quotes, separators of logs and URLs, control characters, look-alikes.
const TEXTS: [&str; 14] = [
    "Größe „42“ – Straße",
    "日本語 한국어 हिन्दी עברית العربية",
    "\u{1F469}\u{200D}\u{1F467} \u{1F3F3}\u{FE0F}\u{200D}\u{1F308} \u{1D518}",
    "say \"hi\" 'there' \\back\\slash\\u0041 `tick`",
    "</script><b>&amp;;=+#?%41%zz%</b>",
    "\ttab\tin\nthe\r\nmiddle \u{a0}\u{3000}",
    "a\u{0}b\u{1}c\u{1f}d\u{7f}e\u{85}f\u{2028}g",
    "e\u{301}\u{feff}\u{202e}abc\u{fffd}",
    " \t \r\n",
    "  at both ends  ",
    "{\"a\":[1,null,\"\\n\"]}",
    "null",
    "-",
    "#Version: 1.0",
];

/// The text as it ends up in a column that is not JSON: tabs are four blanks, other control characters of ASCII vanish
/// and blanks at both ends too. Empty columns are absent.
fn column(text: &str) -> Option<Value> {
    let safe: String = text
        .replace('\t', "    ")
        .chars()
        .filter(|c| !c.is_ascii_control())
        .collect();
    let trimmed = safe.trim_matches(' ');
    (!trimmed.is_empty()).then(|| json!(trimmed))
}

fn columns<const N: usize>(
    pairs: [(&'static str, Option<Value>); N],
) -> BTreeMap<&'static str, Value> {
    pairs
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .collect()
}

fn shop(name: &str, version: &str, data: Value) -> Value {
    json!({ "schema": format!("iglu:com.camonica.shop/{name}/jsonschema/{version}"), "data": data })
}

fn page(breadcrumb: &str) -> Value {
    shop(
        "page",
        "1-0-0",
        json!({
            "id": "8f2a4b1e-5c7d-4e6f-9a0b-1c2d3e4f5a6b", "template": "detail", "language": "de-AT",
            "breadcrumbs": ["Home", breadcrumb], "loadTimeMs": 812.25, "cached": false,
        }),
    )
}

fn device(family: &str, score: Value) -> Value {
    shop(
        "device",
        "1-0-0",
        json!({ "family": family, "version": {}, "class": "phone", "score": score, "bot": true }),
    )
}

/// All contexts of the shop, one type twice.
fn all_contexts() -> Vec<Value> {
    vec![
        page("Schuhe"),
        device("first", json!(1e21)),
        shop(
            "customer",
            "1-0-0",
            json!({
                "number": 9_007_199_254_740_991_i64, "tier": "gold", "since": "2014-02-28T23:59:59Z", "tags": [],
                "email_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            }),
        ),
        device("second", json!(-1.5e-7)),
        shop(
            "experiment",
            "1-0-0",
            json!({
                "assignments": [
                    { "name": "Farbe des Knopfs \u{1F534}", "variant": "B", "weight": 0.1 },
                    { "name": "", "variant": "", "weight": 0.30000000000000004 },
                ],
                "bucket": 0,
            }),
        ),
        shop(
            "session",
            "1-0-0",
            json!({
                "userId": "0d9e1c2b-3a4f-4b5c-8d6e-7f8091a2b3c4", "sessionId": "4c3b2a19-0807-4f6e-9d5c-4b3a291807f6",
                "sessionIndex": 2_147_483_647, "previousSessionId": null, "storage": "LOCAL_STORAGE",
            }),
        ),
    ]
}

fn planned(name: &str, kind: &str, mut arguments: Value, expected: Expected) -> Planned {
    arguments["name"] = json!(name);
    arguments["kind"] = json!(kind);
    arguments["contexts"] = json!(expected.contexts);
    if let TrueTstamp::Given(millis) = expected.true_tstamp {
        arguments["true_tstamp"] = json!(millis);
    }
    Planned {
        call: arguments,
        outcomes: vec![Outcome::Enriched(expected)],
    }
}

fn refused(name: &str, kind: &str, arguments: Value, error: &str) -> Planned {
    let mut planned = planned(name, kind, arguments, Expected::default());
    planned.outcomes = vec![Outcome::Bad(error.to_owned())];
    planned
}

/// Columns of the five that tell the type of an event which is not self-describing.
fn typed(event: &str, vendor: &str, name: &str) -> [(&'static str, Option<Value>); 5] {
    [
        ("event", Some(json!(event))),
        ("event_vendor", Some(json!(vendor))),
        ("event_name", Some(json!(name))),
        ("event_format", Some(json!("jsonschema"))),
        ("event_version", Some(json!("1-0-0"))),
    ]
}

const SNOWPLOW: &str = "com.snowplowanalytics.snowplow";

fn self_describing(name: &str, event: Value, contexts: Vec<Value>) -> Planned {
    let key = event["schema"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("iglu:")
        .to_owned();
    let mut parts = key.split('/').map(|part| Some(json!(part)));
    let columns = columns([
        ("event", Some(json!("unstruct"))),
        ("event_vendor", parts.next().flatten()),
        ("event_name", parts.next().flatten()),
        ("event_format", parts.next().flatten()),
        ("event_version", parts.next().flatten()),
    ]);
    let arguments = json!({ "event": event });
    planned(
        name,
        "self_describing",
        arguments,
        Expected {
            columns,
            contexts,
            unstruct: Some(event),
            ..Expected::default()
        },
    )
}

fn structured(name: &str, label: &str, property: &str, value: f64, printed: &str) -> Planned {
    let mut filled = columns(typed("struct", "com.google.analytics", "event"));
    filled.extend(columns([
        ("se_category", Some(json!("Warenkorb & Co"))),
        ("se_action", Some(json!("add"))),
        ("se_label", column(label)),
        ("se_property", column(property)),
        ("se_value", Some(json!(printed))),
    ]));
    let arguments = json!({
        "category": "Warenkorb & Co", "action": "add", "label": label, "property": property, "value": value,
    });
    planned(
        name,
        "struct",
        arguments,
        Expected {
            columns: filled,
            ..Expected::default()
        },
    )
}

/// URLs as a tracker gets them and their columns: text, scheme, host, port, path, query, fragment.
fn url_columns(
    names: [&'static str; 7],
    values: [Option<&str>; 7],
) -> BTreeMap<&'static str, Value> {
    let mut filled = BTreeMap::new();
    for (name, value) in names.into_iter().zip(values) {
        if let Some(value) = value {
            let value = if name.ends_with("port") {
                json!(value.parse::<u16>().ok())
            } else {
                json!(value)
            };
            filled.insert(name, value);
        }
    }
    filled
}

const PAGE: [&str; 7] = [
    "page_url",
    "page_urlscheme",
    "page_urlhost",
    "page_urlport",
    "page_urlpath",
    "page_urlquery",
    "page_urlfragment",
];
const REFERRER: [&str; 7] = [
    "page_referrer",
    "refr_urlscheme",
    "refr_urlhost",
    "refr_urlport",
    "refr_urlpath",
    "refr_urlquery",
    "refr_urlfragment",
];

/// A page view and what its URLs become: text, scheme, host, port, path, query, fragment.
struct PageView<'a> {
    name: &'a str,
    url: &'a str,
    title: &'a str,
    referrer: Option<&'a str>,
    page_columns: [Option<&'a str>; 7],
    referrer_columns: [Option<&'a str>; 7],
}

impl PageView<'_> {
    fn planned(self) -> Planned {
        let mut filled = columns(typed("page_view", SNOWPLOW, "page_view"));
        filled.extend(columns([("page_title", column(self.title))]));
        filled.extend(url_columns(PAGE, self.page_columns));
        filled.extend(url_columns(REFERRER, self.referrer_columns));
        let arguments = json!({ "url": self.url, "title": self.title, "referrer": self.referrer });
        let contexts = vec![page(title_head(self.title))];
        planned(
            self.name,
            "page_view",
            arguments,
            Expected {
                columns: filled,
                contexts,
                ..Expected::default()
            },
        )
    }
}

fn page_views(long: &str) -> Vec<Planned> {
    let https = Some("https");
    let host = Some("shop.camonica.example");
    let none = [None; 7];
    let cases = [
        PageView {
            name: "page view",
            url: "https://shop.camonica.example:8443/list/shoes?page=2&sort=price#top",
            title: "Shoes",
            referrer: Some("http://search.example/?q=red+shoes"),
            page_columns: [
                Some("https://shop.camonica.example:8443/list/shoes?page=2&sort=price#top"),
                https,
                host,
                Some("8443"),
                Some("/list/shoes"),
                Some("page=2&sort=price"),
                Some("top"),
            ],
            referrer_columns: [
                Some("http://search.example/?q=red+shoes"),
                Some("http"),
                Some("search.example"),
                Some("80"),
                Some("/"),
                Some("q=red+shoes"),
                None,
            ],
        },
        PageView {
            name: "page view with other scripts and blanks in its URL",
            url: "https://shop.camonica.example/räder und mehr/?q=größe 42&ort=日本",
            title: TEXTS[1],
            referrer: Some("https://пример.example/ä b?c=%C3%A4"),
            page_columns: [
                Some("https://shop.camonica.example/räder%20und%20mehr/?q=größe%2042&ort=日本"),
                https,
                host,
                Some("443"),
                Some("/räder%20und%20mehr/"),
                Some("q=größe%2042&ort=日本"),
                None,
            ],
            // The referrer's text stays as it came; a host name with other letters is none for a URI of Java.
            referrer_columns: [
                Some("https://пример.example/ä b?c=%C3%A4"),
                https,
                None,
                Some("443"),
                Some("/ä%20b"),
                Some("c=%C3%A4"),
                None,
            ],
        },
        PageView {
            name: "page view with characters that no URI may have",
            url: "http://shop.camonica.example/filter|red/?a=b|c&d=1+1",
            title: TEXTS[2],
            referrer: None,
            page_columns: [
                Some("http://shop.camonica.example/filter%7Cred/?a=b%7Cc&d=1%2B1"),
                Some("http"),
                host,
                Some("80"),
                Some("/filter%7Cred/"),
                Some("a=b%7Cc&d=1%2B1"),
                None,
            ],
            referrer_columns: none,
        },
        PageView {
            name: "page view with a long title",
            url: "https://shop.camonica.example/",
            title: long,
            referrer: None,
            page_columns: [
                Some("https://shop.camonica.example/"),
                https,
                host,
                Some("443"),
                Some("/"),
                None,
                None,
            ],
            referrer_columns: none,
        },
    ];
    cases.into_iter().map(PageView::planned).collect()
}

/// The first characters of a text: breadcrumbs must be short.
fn title_head(title: &str) -> &str {
    title
        .char_indices()
        .nth(60)
        .map_or(title, |(end, _)| &title[..end])
}

fn page_ping() -> Planned {
    let mut filled = columns(typed("page_ping", SNOWPLOW, "page_ping"));
    let url = "https://shop.camonica.example/list";
    filled.extend(url_columns(
        PAGE,
        [
            Some(url),
            Some("https"),
            Some("shop.camonica.example"),
            Some("443"),
            Some("/list"),
            None,
            None,
        ],
    ));
    for (name, value) in [
        ("page_title", json!("List")),
        ("pp_xoffset_min", json!(1)),
        ("pp_xoffset_max", json!(20)),
    ] {
        filled.insert(name, value);
    }
    filled.extend([
        ("pp_yoffset_min", json!(300)),
        ("pp_yoffset_max", json!(i32::MAX)),
    ]);
    let arguments =
        json!({ "url": url, "title": "List", "referrer": null, "offsets": [1, 20, 300, i32::MAX] });
    planned(
        "page ping",
        "page_ping",
        arguments,
        Expected {
            columns: filled,
            ..Expected::default()
        },
    )
}

/// A transaction with two items; both trackers send each as an event of its own.
fn transaction(client: Client) -> Planned {
    let contexts = vec![device("till", json!(0.5))];
    let mut filled = columns(typed("transaction", SNOWPLOW, "transaction"));
    filled.extend([
        ("tr_orderid", json!("order-ä/1")),
        ("tr_total", json!(1049.97)),
        ("tr_affiliation", json!("Markt \"Süd\"")),
        ("tr_tax", json!(175.0)),
        ("tr_shipping", json!(4.9)),
        ("tr_city", json!("Capo di Ponte")),
        ("tr_state", json!("Lombardia")),
        ("tr_country", json!("Italia")),
        ("tr_currency", json!("EUR")),
    ]);
    let arguments = json!({
        "order_id": "order-ä/1", "total": 1049.97, "affiliation": "Markt \"Süd\"", "tax": 175, "shipping": 4.9,
        "city": "Capo di Ponte", "state": "Lombardia", "country": "Italia", "currency": "EUR",
        "items": [
            { "sku": "S-1", "name": "Schuh\t\u{1F45F}", "category": "Schuhe", "price": 499.985, "quantity": 2 },
            { "sku": "S-2", "name": "Tüte", "category": "Beutel", "price": 0.00001, "quantity": 1 },
        ],
    });
    let mut planned = planned(
        "transaction",
        "transaction",
        arguments,
        Expected {
            columns: filled,
            contexts: contexts.clone(),
            ..Expected::default()
        },
    );
    for (sku, name, category, price, quantity) in [
        ("S-1", "Schuh    \u{1F45F}", "Schuhe", 499.985, 2),
        ("S-2", "Tüte", "Beutel", 0.00001, 1),
    ] {
        let mut filled = columns(typed("transaction_item", SNOWPLOW, "transaction_item"));
        filled.extend([
            ("ti_orderid", json!("order-ä/1")),
            ("ti_sku", json!(sku)),
            ("ti_name", json!(name)),
            ("ti_category", json!(category)),
            ("ti_price", json!(price)),
            ("ti_quantity", json!(quantity)),
            ("ti_currency", json!("EUR")),
        ]);
        // The Python tracker gives its own clock's time to the items of a transaction as if it were given by the caller.
        let true_tstamp = if client == Client::Python {
            TrueTstamp::Clock
        } else {
            TrueTstamp::Absent
        };
        let contexts = contexts.clone();
        planned.outcomes.push(Outcome::Enriched(Expected {
            columns: filled,
            contexts,
            unstruct: None,
            true_tstamp,
        }));
    }
    planned
}

fn basket_change(name: &str, text: &str, note: Value) -> Value {
    shop(
        "basket_change",
        "1-0-0",
        json!({
            "sku": name, "name": text, "unitPrice": 19.9, "quantity": -3, "currency": "EUR", "gift": true, "note": note,
            "options": [{ "key": "size", "value": "42½" }, { "key": "", "value": text }],
        }),
    )
}

/// What every sender sends. `long` is a text as long as the way of sending allows.
pub fn events(client: Client, long: &str) -> Vec<Planned> {
    let mut events = page_views(long);
    events.push(page_ping());
    events.push(transaction(client));
    let mut timed = page_views("Noted earlier").remove(3);
    timed.call["name"] = json!("page view with a true timestamp");
    timed.call["true_tstamp"] = json!(1_532_476_800_123_i64);
    if let [Outcome::Enriched(expected)] = &mut timed.outcomes[..] {
        expected.true_tstamp = TrueTstamp::Given(1_532_476_800_123);
    }
    events.push(timed);
    for (index, text) in TEXTS.iter().enumerate() {
        let next = TEXTS[(index + 1) % TEXTS.len()];
        events.push(structured(
            &format!("structured event {index}"),
            text,
            next,
            12.5,
            "12.5",
        ));
        let event = basket_change(&format!("T-{index}"), text, json!(next));
        events.push(self_describing(
            &format!("basket change {index}"),
            event,
            vec![page(text), device(next, json!(0.1))],
        ));
    }
    events.push(structured(
        "structured event with a long label",
        long,
        "p",
        1e21,
        "1000000000000000000000",
    ));
    events.push(structured(
        "structured event with a small value",
        "l",
        "p",
        1e-7,
        "0.0000001",
    ));
    events.push(self_describing(
        "all contexts",
        basket_change("A", "", Value::Null),
        all_contexts(),
    ));
    let click = json!({
        "targetUrl": "https://shop.camonica.example/a?b=c", "elementClasses": [long, "", "short"],
        "position": { "x": -1, "y": 0 },
    });
    events.push(self_describing(
        "link click with a long text",
        shop("link_click", "1-0-1", click),
        Vec::new(),
    ));

    let screen_view = match client {
        Client::Node => "iglu:com.snowplowanalytics.snowplow/screen_view/jsonschema/1-0-0",
        Client::Python => "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
    };
    events.push(refused(
        "screen view",
        "screen_view",
        json!({ "screen": "Start", "id": "5e0a4b1e-5c7d-4e6f-9a0b-1c2d3e4f5a6b" }),
        &format!("Could not find schema with key {screen_view} in any repository, tried:"),
    ));
    let wrong = shop(
        "basket_change",
        "1-0-0",
        json!({ "sku": "W", "unitPrice": 1, "quantity": "three", "currency": "EUR" }),
    );
    events.push(refused(
        "basket change against its schema",
        "self_describing",
        json!({ "event": wrong }),
        "instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])",
    ));
    events
}
