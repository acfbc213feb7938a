//! The reference's own raw Thrift objects, where the project's shared folder is at hand.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ChunkKind, ChunkReader, Framing, InputObject, Limits};

fn job_cases() -> Option<PathBuf> {
    let shared = std::env::var_os("CAMONICA_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let cases = shared.join("golden/enrich/job");
    cases.is_dir().then_some(cases)
}

#[test]
fn raw_thrift_objects_of_the_reference() {
    let Some(folder) = job_cases() else {
        return println!("SKIPPED: the reference's cases are not there (CAMONICA_SHARED)");
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let case: serde_json::Value = serde_json::from_str(&text).unwrap();
        let input = &case["input"];
        if input["encoding"] != "base64" {
            continue;
        }
        let decode = |field: &str| STANDARD.decode(input[field].as_str().unwrap()).unwrap();
        let stored = decode("file");
        let name = input["file_name"].as_str().unwrap();
        let object = InputObject::for_test(name, stored.len() as u64);
        let mut reader = ChunkReader::new(
            0,
            &object,
            Box::new(std::io::Cursor::new(stored)),
            Framing::Thrift,
            Limits::default(),
            false,
        );
        let mut chunk = reader.next_chunk(Vec::new()).unwrap().unwrap();
        assert!(reader.next_chunk(Vec::new()).unwrap().is_none());
        let kind = chunk.kind;
        let records: Vec<_> = chunk.records().map(|r| r.bytes.to_vec()).collect();
        if input["thrift_record_base64"].is_string() {
            assert_eq!(kind, ChunkKind::Blocks, "{name}");
            assert_eq!(records, [decode("thrift_record_base64")], "{name}");
        } else {
            // "bad" is three Base64 characters, two bytes
            assert_eq!(kind, ChunkKind::Base64Lines, "{name}");
            assert_eq!(records, [vec![0x6D, 0xA7]], "{name}");
        }
        seen += 1;
    }
    assert!(seen > 0);
}
