//! The enriched event: 131 columns, how they are kept while the steps of enrichment fill them, and
//! how they are written as one line of TSV.
//!
//! The line is that of Spark 2.2's CSV writer with a tabulator as separator and NUL as quote and
//! escape, as Spark Enrich sets it up.

pub mod bad_row;
pub mod fields;

use std::fmt::Write as _;

pub use fields::{FIELD_COUNT, Field, FieldKind};

/// An event on its way through enrichment. Null and the empty text differ here (later steps look at
/// it), but not in the TSV.
///
/// All values lie in one buffer, so that an event costs one allocation; a value that is replaced
/// stays there unseen until the event is dropped.
#[derive(Clone)]
pub struct EnrichedEvent {
    /// Start and end of every column's value in `text`; `NULL` when it has none.
    spans: [(usize, usize); FIELD_COUNT],
    text: String,
}

/// The span of a column without value. No value can start at the last address.
const NULL: (usize, usize) = (usize::MAX, usize::MAX);

impl EnrichedEvent {
    /// An event whose columns are all null.
    pub fn new() -> Self {
        Self::with_capacity(1024)
    }

    /// An event whose columns are all null, with room for `bytes` of values.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            spans: [NULL; FIELD_COUNT],
            text: String::with_capacity(bytes),
        }
    }

    /// The value of a column, `None` for null.
    pub fn get(&self, field: Field) -> Option<&str> {
        let (start, end) = self.spans[field.index()];
        self.text.get(start..end)
    }

    /// Whether a column is null.
    pub fn is_null(&self, field: Field) -> bool {
        self.spans[field.index()] == NULL
    }

    /// Sets a column to a text, which may be empty.
    pub fn set(&mut self, field: Field, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.spans[field.index()] = (start, self.text.len());
    }

    /// Sets a column to a text or to null.
    pub fn set_or_clear(&mut self, field: Field, value: Option<&str>) {
        match value {
            Some(value) => self.set(field, value),
            None => self.clear(field),
        }
    }

    /// Sets a column to the decimal form of a number.
    pub fn set_integer(&mut self, field: Field, value: i32) {
        let start = self.text.len();
        // a String takes every write
        let _ = write!(self.text, "{value}");
        self.spans[field.index()] = (start, self.text.len());
    }

    /// Sets a column to the value of another one, null included.
    pub fn copy(&mut self, from: Field, to: Field) {
        // spans may be shared: no value is ever changed in place
        self.spans[to.index()] = self.spans[from.index()];
    }

    /// Sets a column to null.
    pub fn clear(&mut self, field: Field) {
        self.spans[field.index()] = NULL;
    }

    /// Columns that are not null, in the order of the TSV.
    pub fn values(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL
            .into_iter()
            .filter_map(|field| self.get(field).map(|value| (field, value)))
    }

    /// Appends the event as one line of TSV, ended by a line feed.
    ///
    /// Every cell loses characters up to U+0020 at both ends. A cell that still holds a tabulator
    /// or a line feed is wrapped in NUL, the writer's quote character; nothing else is quoted or
    /// escaped, a carriage return neither.
    pub fn write_tsv(&self, out: &mut Vec<u8>) {
        for (index, &(start, end)) in self.spans.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            let value = self.text.get(start..end).unwrap_or_default();
            write_cell(value.as_bytes(), out);
        }
        out.push(b'\n');
    }
}

/// Appends one cell by the rules of [`EnrichedEvent::write_tsv`].
fn write_cell(value: &[u8], out: &mut Vec<u8>) {
    let blank = |byte: &u8| *byte <= b' ';
    let Some(first) = value.iter().position(|b| !blank(b)) else {
        return;
    };
    let last = value.iter().rposition(|b| !blank(b)).unwrap_or(first);
    let cell = &value[first..=last];
    if memchr::memchr2(b'\t', b'\n', cell).is_some() {
        out.push(0);
        out.extend_from_slice(cell);
        out.push(0);
    } else {
        out.extend_from_slice(cell);
    }
}

impl Default for EnrichedEvent {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal when all columns are, however their values lie in memory.
impl PartialEq for EnrichedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.values().eq(other.values())
    }
}

/// Shows the columns that are not null.
impl std::fmt::Debug for EnrichedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.values().map(|(field, value)| (field.name(), value)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &EnrichedEvent) -> String {
        let mut out = Vec::new();
        event.write_tsv(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn null_and_empty_differ_in_memory_only() {
        let mut event = EnrichedEvent::new();
        assert_eq!(event.get(Field::AppId), None);
        assert!(event.is_null(Field::AppId));
        event.set(Field::AppId, "");
        assert_eq!(event.get(Field::AppId), Some(""));
        assert!(!event.is_null(Field::AppId));
        let empty = line(&event);
        event.clear(Field::AppId);
        assert_eq!(line(&event), empty);
        assert_eq!(empty.len(), FIELD_COUNT);
        assert_eq!(empty, format!("{}\n", "\t".repeat(FIELD_COUNT - 1)));
    }

    #[test]
    fn values_are_set_replaced_and_copied() {
        let mut event = EnrichedEvent::default();
        event.set(Field::UserId, "anna");
        event.set(Field::AppId, "shop");
        event.set(Field::UserId, "berta");
        event.set_integer(Field::TiQuantity, i32::MIN);
        event.copy(Field::UserId, Field::TrueTstamp);
        event.copy(Field::EtlTags, Field::AppId);
        event.set_or_clear(Field::Platform, Some("web"));
        event.set_or_clear(Field::Platform, None);
        let values: Vec<_> = event.values().collect();
        assert_eq!(
            values,
            [
                (Field::UserId, "berta"),
                (Field::TiQuantity, "-2147483648"),
                (Field::TrueTstamp, "berta"),
            ]
        );
        let mut same = EnrichedEvent::with_capacity(0);
        for (field, value) in event.values().collect::<Vec<_>>().into_iter().rev() {
            same.set(field, value);
        }
        assert_eq!(event, same);
        same.set(Field::AppId, "");
        assert_ne!(event, same);
        assert!(format!("{event:?}").contains(r#""user_id": "berta""#));
    }

    #[test]
    fn cells_follow_the_csv_writer_of_spark() {
        let cases: [(&str, &str); 14] = [
            ("", ""),
            ("   ", ""),
            (" \t\r\n\u{0}\u{1f} ", ""),
            ("  x ", "x"),
            ("a b", "a b"),
            ("\u{a0}x\u{3000}", "\u{a0}x\u{3000}"),
            ("\u{2028}", "\u{2028}"),
            ("a\tb", "\u{0}a\tb\u{0}"),
            (" a\nb\t", "\u{0}a\nb\u{0}"),
            ("a\rb", "a\rb"),
            ("\"q\" \\ #", "\"q\" \\ #"),
            ("#x", "#x"),
            ("a\u{0}b", "a\u{0}b"),
            ("é", "é"),
        ];
        for (value, cell) in cases {
            let mut event = EnrichedEvent::new();
            event.set(Field::Platform, value);
            let line = line(&event);
            let expected = format!("\t{cell}{}\n", "\t".repeat(FIELD_COUNT - 2));
            assert_eq!(line, expected, "{value:?}");
        }
    }

    #[test]
    fn last_column_ends_the_line() {
        let mut event = EnrichedEvent::new();
        event.set(Field::TrueTstamp, "2001-09-09 01:46:40.000");
        assert!(line(&event).ends_with("\t2001-09-09 01:46:40.000\n"));
    }
}
