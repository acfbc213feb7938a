//! Query strings and forms become pairs, and pairs a map in Scala's order. The first byte names the encoding.
#![no_main]

use std::collections::HashMap;

use engine::input::decode_utf8;
use engine::text::querystring::{parse_form, parse_querystring, parse_uri_query};
use engine::text::scala_map::ScalaMap;
use engine::text::scala_uri;
use engine::text::url_decode::{decode_field, java_url_decode};
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [&str; 6] = [
    "UTF-8",
    "ISO-8859-1",
    "US-ASCII",
    "UTF-16",
    "windows-1252",
    "no such encoding",
];

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let encoding = ENCODINGS[usize::from(first) % ENCODINGS.len()];
    let text = decode_utf8(rest);
    let _ = java_url_decode(&text, encoding);
    let _ = decode_field(encoding, "field", &text);
    let _ = parse_uri_query(Some(&text), encoding);
    let _ = scala_uri::parse_query(&text);
    let form = parse_form(&text);
    assert_eq!(form.ok(), parse_querystring(Some(&text), "UTF-8").ok());
    match parse_querystring(Some(&text), encoding) {
        Err(message) => assert!(message.starts_with("Exception extracting name-value pairs")),
        Ok(pairs) => {
            let mut map = ScalaMap::new();
            let mut peer = HashMap::new();
            for (name, value) in pairs {
                map.insert(name.clone(), value.clone());
                peer.insert(name, value);
            }
            assert_eq!(map.len(), peer.len());
            for (name, value) in map.iter() {
                assert_eq!(peer.remove(name).as_ref(), Some(value));
            }
            assert!(peer.is_empty());
        }
    }
});
