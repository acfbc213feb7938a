//! Texts become URIs, as `java.net.URI` and scala-uri read them; what is accepted reads the same again.
#![no_main]

use engine::input::decode_utf8;
use engine::text::java_uri::{JavaUri, UriParts};
use engine::text::scala_uri::ScalaUri;
use engine::text::uri::string_to_uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = decode_utf8(data);
    if let Ok(Some(uri)) = string_to_uri(Some(&text)) {
        assert_eq!(JavaUri::parse(&uri.text), Ok(uri));
    }
    let whole = JavaUri::parse(&text);
    assert_eq!(
        whole.as_ref().map(|_| ()),
        UriParts::parse(&text).as_ref().map(|_| ())
    );
    if let Ok(uri) = whole {
        assert_eq!(uri.text, text);
        let parts = [&uri.scheme, &uri.authority, &uri.path, &uri.query];
        for part in parts.into_iter().chain([&uri.fragment]).flatten() {
            assert!(text.contains(part.as_str()), "{part}");
        }
    }
    if let Some(uri) = ScalaUri::parse(&text) {
        let _ = uri.render();
        let _ = uri.params();
    }
});
