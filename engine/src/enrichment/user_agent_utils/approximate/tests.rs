//! The mapping, over the built-in expressions.

use super::*;
use crate::enrichment::ua_parser::built_in;

fn described(useragent: &str) -> String {
    let read = built_in::regexes().unwrap().read(useragent).unwrap();
    let a = attributes(&read, useragent);
    let version = a.browser_version.as_deref().unwrap_or("-");
    format!(
        "{}|{}|{version}|{}|{} / {}|{}|{}|{}",
        a.browser_name,
        a.browser_family,
        a.browser_type,
        a.render_engine,
        a.system_name,
        a.system_family,
        a.system_manufacturer,
        a.device_type
    )
}

#[test]
fn browsers_are_in_order() {
    assert!(BROWSERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn well_known_user_agents() {
    for (useragent, expected) in [
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Internet Explorer 11|Internet Explorer|11.0|Browser|TRIDENT / Windows 7|Windows|Microsoft Corporation|Computer",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/119.0",
            "Firefox 119|Firefox|119.0|Browser|GECKO / Windows 10|Windows|Microsoft Corporation|Computer",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/17.17134",
            "Microsoft Edge (layout engine 17)|Microsoft Edge|17.17134|Browser|EDGE_HTML / Windows 10|Windows|Microsoft Corporation|Computer",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
            "Microsoft Edge 120|Microsoft Edge|120.0.2210.91|Browser|WEBKIT / Windows 10|Windows|Microsoft Corporation|Computer",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
            "Mobile Safari|Safari|17.2|Browser (mobile)|WEBKIT / iOS 17 (iPhone)|iOS|Apple Inc.|Mobile",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 8_4 like Mac OS X) AppleWebKit/600.1.4 (KHTML, like Gecko) Version/8.0 Mobile/12H143 Safari/600.1.4",
            "Mobile Safari|Safari|8.0|Browser (mobile)|WEBKIT / iOS 8.4 (iPad)|iOS|Apple Inc.|Tablet",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
            "Safari 17|Safari|17.1|Browser|WEBKIT / Mac OS X|Mac OS X|Apple Inc.|Computer",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.144 Mobile Safari/537.36",
            "Chrome Mobile|Chrome|120.0.6099.144|Browser (mobile)|WEBKIT / Android 13.x|Android|Google Inc.|Mobile",
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; GT-P5100 Build/IML74K) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Safari/534.30",
            "Safari 4|Safari|4.0|Browser|WEBKIT / Android 4.x Tablet|Android|Google Inc.|Tablet",
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
            "Firefox 119|Firefox|119.0|Browser|GECKO / Ubuntu|Linux|Canonical Ltd.|Computer",
        ),
        (
            "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.16",
            "Opera 12|Opera|12.16|Browser|PRESTO / Windows 7|Windows|Microsoft Corporation|Computer",
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Robot/Spider|Robot/Spider|2.1|Robot|OTHER / Unknown|Unknown|Other|Unknown",
        ),
        (
            "curl/7.88.1",
            "Downloading Tool|Downloading Tool|7.88.1|Downloading tool|OTHER / Unknown|Unknown|Other|Unknown",
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; SM-T510) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/9.4 Chrome/67.0.3396.87 Safari/537.36",
            "Samsung Internet|Samsung Internet|9.4|Browser|WEBKIT / Android 9.x Tablet|Android|Google Inc.|Tablet",
        ),
        (
            "",
            "Unknown|Unknown|-|unknown|OTHER / Unknown|Unknown|Other|Unknown",
        ),
        (
            "unheard of Mobile",
            "Unknown|Unknown|-|unknown|OTHER / Unknown mobile|Unknown mobile|Other|Mobile",
        ),
    ] {
        assert_eq!(described(useragent), expected, "{useragent}");
    }
}

#[test]
fn versions_are_completed_within_bounds() {
    let with = |major: &str, minor: Option<&str>| {
        let mut read = built_in::regexes().unwrap().read("").unwrap();
        read.agent.major = Some(major.to_owned());
        read.agent.minor = minor.map(str::to_owned);
        read
    };
    for (major, minor, useragent, expected) in [
        (
            "33",
            Some("0"),
            "x33.0.1 A/33.0.1750.152.",
            Some("33.0.1750.152"),
        ),
        ("33", None, "33.7", Some("33")),
        ("3", None, "A/3é", Some("3")),
        ("3", Some("x"), "A/3", Some("3.x")),
    ] {
        let found = version(&with(major, minor), useragent);
        assert_eq!(found.as_deref(), expected, "{useragent}");
    }
    for (useragent, expected) in [
        ("Version/4.0.é", Some("4.0")),
        ("Version/.", None),
        ("Version/", None),
        ("x", None),
    ] {
        assert_eq!(Words(useragent).behind("Version/"), expected, "{useragent}");
    }
    let long = format!("A/3{}", ".1".repeat(100_000));
    assert_eq!(version(&with("3", None), &long), None);
}
