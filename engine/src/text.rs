//! Exact text behaviour of the platform that the reference ran on, without any knowledge of
//! events: Java numbers, URIs, percent-decoding, Joda times, Scala's map order.

pub mod base64;
pub mod clean;
pub mod ids;
pub mod inet_address;
pub mod jackson;
pub mod java_number;
pub mod java_uri;
pub mod joda;
pub mod querystring;
pub mod scala_map;
pub mod scala_uri;
pub mod time;
pub mod uri;
pub mod url_decode;
