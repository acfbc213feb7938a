//! The 131 columns of an enriched event: one table of name, order and greatest length.

/// Number of columns.
pub const FIELD_COUNT: usize = 131;
