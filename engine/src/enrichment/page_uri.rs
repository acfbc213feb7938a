//! URIs of the page and of its referrer, split into columns.

use crate::event::{EnrichedEvent, Field};
use crate::text::clean::tsv_safe;
use crate::text::java_uri::JavaUri;
use crate::text::uri::string_to_uri;

use super::draft::Draft;
use super::failures::FailureStep;

/// Columns for scheme, host, port, path, query and fragment.
type Components = [Field; 6];

const PAGE: Components = [
    Field::PageUrlscheme,
    Field::PageUrlhost,
    Field::PageUrlport,
    Field::PageUrlpath,
    Field::PageUrlquery,
    Field::PageUrlfragment,
];

const REFERER: Components = [
    Field::RefrUrlscheme,
    Field::RefrUrlhost,
    Field::RefrUrlport,
    Field::RefrUrlpath,
    Field::RefrUrlquery,
    Field::RefrUrlfragment,
];

/// Reads the page's URI, the tracker's or else the collector's referer, writes it back into
/// `page_url` (spaces have become `%20`) and sets its components.
pub fn page(draft: &mut Draft<'_>) {
    let from_tracker = draft.event.get(Field::PageUrl);
    let from_collector = draft.raw.context.referer.as_deref();
    let uri = string_to_uri(from_tracker.or(from_collector));
    if let Some(Some(uri)) = draft.failures.keep(FailureStep::PageUri, uri) {
        draft.event.set(Field::PageUrl, &uri.text);
        set_components(&mut draft.event, &uri, &PAGE);
        draft.page_uri = Some(uri);
    }
}

/// Reads the URI in `page_referrer`, which stays as it is, and sets its components. The collector's
/// referer is never taken for it: it is the page itself.
pub fn referer(draft: &mut Draft<'_>) {
    let uri = string_to_uri(draft.event.get(Field::PageReferrer));
    if let Some(Some(uri)) = draft.failures.keep(FailureStep::RefererUri, uri) {
        set_components(&mut draft.event, &uri, &REFERER);
        draft.referer_uri = Some(uri);
    }
}

fn set_components(event: &mut EnrichedEvent, uri: &JavaUri, columns: &Components) {
    let [scheme, host, port, path, query, fragment] = *columns;
    event.set_or_clear(scheme, uri.scheme.as_deref());
    event.set_or_clear(host, uri.host.as_deref());
    event.set_integer(port, port_of(uri));
    for (column, part) in [
        (path, &uri.path),
        (query, &uri.query),
        (fragment, &uri.fragment),
    ] {
        let part = part.as_deref().and_then(tsv_safe);
        event.set_or_clear(column, part.as_deref());
    }
}

/// The port, or the default one: 443 for exactly `https`, 80 for everything else, even for a URI
/// without scheme or host.
fn port_of(uri: &JavaUri) -> i32 {
    match (uri.port, uri.scheme.as_deref()) {
        (-1, Some("https")) => 443,
        (-1, _) => 80,
        (port, _) => port,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    fn columns(draft: &Draft<'_>) -> Vec<(&'static str, String)> {
        let values = draft.event.values();
        values.map(|(f, v)| (f.name(), v.to_owned())).collect()
    }

    #[test]
    fn ports() {
        let cases = [
            ("http://example.com/", 80),
            ("https://example.com/", 443),
            ("HTTPS://example.com/", 80),
            ("https://example.com:8443/", 8443),
            ("https://example.com:/", 443),
            ("/x", 80),
            ("-", 80),
            ("mailto:a@example.com", 80),
            ("//example.com:0/", 0),
        ];
        for (text, port) in cases {
            assert_eq!(port_of(&JavaUri::parse(text).unwrap()), port, "{text}");
        }
    }

    #[test]
    fn parts_stay_encoded_and_empty_ones_are_null() {
        let mut event = EnrichedEvent::new();
        let uri = JavaUri::parse("https://example.com?a=%20b%09#").unwrap();
        set_components(&mut event, &uri, &REFERER);
        let values: Vec<_> = event.values().map(|(f, v)| (f.name(), v)).collect();
        assert_eq!(
            values,
            [
                ("refr_urlscheme", "https"),
                ("refr_urlhost", "example.com"),
                ("refr_urlport", "443"),
                ("refr_urlquery", "a=%20b%09"),
            ]
        );
    }

    #[test]
    fn page_comes_from_the_tracker_or_else_from_the_collector() {
        let mut raw = raw_event(&[]);
        raw.context.referer = Some("http://collector.example.com/x".to_owned());
        for (url, page_url, host) in [
            (
                Some("https://shop.example.com:8080/a b?q=1&r=%C3%A9#top"),
                "https://shop.example.com:8080/a%20b?q=1&r=%C3%A9#top",
                "shop.example.com",
            ),
            (
                None,
                "http://collector.example.com/x",
                "collector.example.com",
            ),
        ] {
            let mut draft = Draft::new(&raw);
            draft.event.set_or_clear(Field::PageUrl, url);
            page(&mut draft);
            referer(&mut draft);
            assert_eq!(draft.event.get(Field::PageUrl), Some(page_url));
            assert_eq!(draft.event.get(Field::PageUrlhost), Some(host));
            assert!(draft.page_uri.is_some());
            assert!(draft.referer_uri.is_none());
            assert!(draft.event.is_null(Field::RefrUrlport));
            assert!(draft.failures.is_empty());
        }
    }

    #[test]
    fn no_page_and_bad_pages() {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        page(&mut draft);
        referer(&mut draft);
        assert_eq!(columns(&draft), []);
        assert!(draft.failures.is_empty());

        draft.event.set(Field::PageUrl, "http://a|b.com/");
        draft.event.set(Field::PageReferrer, "http://a|b.com/");
        page(&mut draft);
        referer(&mut draft);
        assert!(draft.failures.has(FailureStep::PageUri));
        assert!(draft.failures.has(FailureStep::RefererUri));
        assert!(draft.page_uri.is_none());
        assert_eq!(draft.event.get(Field::PageUrl), Some("http://a|b.com/"));
    }
}
