//! Lines of the Clojure collector's Tomcat log become enriched lines and bad rows.
#![no_main]

use engine::collector::CollectorFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| checks::enrich(&CollectorFormat::CljTomcat, data));
