//! Collector formats: one record of a raw log becomes a [`CollectorPayload`](payload::CollectorPayload),
//! is ignored by a named rule, or is bad.

pub mod payload;
