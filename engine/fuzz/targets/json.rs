//! Texts become JSON trees, or messages in Jackson's words; what is printed is JSON, and prints the same when it is read again.
#![no_main]

use checks::is_json;
use engine::input::decode_utf8;
use engine::json::{ParseErrorKind, parse, parse_keep_duplicates};
use engine::text::jackson::{self, Style};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = decode_utf8(data);
    let merged = parse(&text);
    let kept = parse_keep_duplicates(&text);
    match (&merged, &kept) {
        (Ok(None), Err(error)) => assert_eq!(error.kind, ParseErrorKind::Empty),
        _ => assert_eq!(merged.is_ok(), kept.is_ok()),
    }
    match &merged {
        Ok(Some(_)) | Ok(None) => {}
        Err(error) => {
            // this reader takes at least what another takes, but for depth
            assert!(
                !is_json(&text) || error.kind == ParseErrorKind::TooDeep,
                "{error:?}"
            );
            for style in [Style::Enrich, Style::Shred] {
                let _ = jackson::message(&text, error, style);
                let _ = jackson::exception_text(&text, error, style);
                let _ = jackson::field_error("field", &text, Some(error), style);
            }
        }
    }
    for value in merged.ok().flatten().iter().chain(kept.iter()) {
        let printed = value.to_compact();
        assert!(is_json(&printed), "{printed}");
        let again = parse_keep_duplicates(&printed).map(|value| value.to_compact());
        assert_eq!(again.as_deref(), Ok(printed.as_str()));
        assert_eq!(value.clone().into_owned(), *value);
    }
});
