//! The enriched event.

pub mod bad_row;
pub mod fields;
