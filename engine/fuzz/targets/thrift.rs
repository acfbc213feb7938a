//! The bytes of one Thrift record, of either struct, become enriched lines and bad rows.
#![no_main]

use engine::collector::CollectorFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| checks::enrich(&CollectorFormat::Thrift, data));
