//! The atomic line: the enriched line without its JSON columns, text cut to the widths of the table
//! `atomic.events` 0.10.0.

use std::sync::OnceLock;

use super::columns::Columns;
use crate::event::fields::{FIELD_COUNT, Field};

/// The columns that are shredded instead, in order.
const JSON_COLUMNS: [usize; 3] = [
    Field::Contexts as usize,
    Field::UnstructEvent as usize,
    Field::DerivedContexts as usize,
];

/// How wide the text columns of the table `atomic.events` are, for which lines are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Widths {
    /// Redshift, table 0.10.0; what the reference always cuts to.
    #[default]
    Redshift,
    /// PostgreSQL, table 0.7.0, which is narrower in ten columns: a longer text would make the whole load fail.
    Postgres,
}

/// Columns of PostgreSQL's table that are narrower than Redshift's.
const POSTGRES: [(Field, usize); 10] = [
    (Field::UserIpaddress, 45),
    (Field::UserFingerprint, 50),
    (Field::DomainUserid, 36),
    (Field::NetworkUserid, 38),
    (Field::IpOrganization, 100),
    (Field::IpDomain, 100),
    (Field::SeLabel, 1000),
    (Field::OsTimezone, 50),
    (Field::RefrDomainUserid, 36),
    (Field::DomainSessionid, 36),
];

/// Greatest length of each column in UTF-16 units; columns that are not cut have `usize::MAX`.
type Limits = [usize; FIELD_COUNT];

impl Widths {
    fn limits(self) -> &'static Limits {
        static REDSHIFT: OnceLock<Limits> = OnceLock::new();
        static NARROWER: OnceLock<Limits> = OnceLock::new();
        let redshift = REDSHIFT.get_or_init(|| {
            let mut limits = [usize::MAX; FIELD_COUNT];
            for field in Field::ALL {
                limits[field as usize] = field.max_length().map_or(usize::MAX, usize::from);
            }
            limits
        });
        match self {
            Self::Redshift => redshift,
            Self::Postgres => NARROWER.get_or_init(|| {
                let mut limits = *redshift;
                for (field, limit) in POSTGRES {
                    limits[field as usize] = limit;
                }
                limits
            }),
        }
    }
}

/// Appends the atomic line and a line feed: at least 128 columns, columns beyond the 131st of the
/// enriched line kept uncut at the end, `new_event_id` in place of the id if it is given.
pub fn write_atomic_line(
    line: &str,
    columns: &Columns,
    widths: Widths,
    new_event_id: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.reserve(line.len() + FIELD_COUNT);
    let limits = widths.limits();
    // Runs of columns that need no change are copied in one piece.
    let mut run_start = 0;
    let mut is_first = true;
    let mut flush = |out: &mut Vec<u8>, text: &str| {
        if !std::mem::take(&mut is_first) {
            out.push(b'\t');
        }
        out.extend_from_slice(text.as_bytes());
    };
    let known = columns.len().min(FIELD_COUNT);
    for (index, limit) in limits.iter().enumerate().take(known) {
        let Some(range) = columns.range(index) else {
            break;
        };
        let replaced = match new_event_id {
            Some(id) if index == Field::EventId as usize => Some(Cell::Whole(id)),
            _ if JSON_COLUMNS.contains(&index) => Some(Cell::Dropped),
            // A text of n bytes has at most n UTF-16 units.
            _ if range.len() > *limit => {
                let text = &line[range.clone()];
                cut(text, *limit).map(|(kept, half)| Cell::Cut(kept, half))
            }
            _ => None,
        };
        let Some(cell) = replaced else { continue };
        if run_start < range.start {
            flush(out, &line[run_start..range.start - 1]);
        }
        match cell {
            Cell::Dropped => {}
            Cell::Whole(text) => flush(out, text),
            Cell::Cut(text, half_pair) => {
                flush(out, text);
                if half_pair {
                    out.push(b'?');
                }
            }
        }
        run_start = range.end + 1;
    }
    if run_start <= line.len() {
        flush(out, &line[run_start..]);
    }
    // A short line is padded to the full 131 columns, of which three are JSON columns and dropped.
    for index in known..FIELD_COUNT {
        if !JSON_COLUMNS.contains(&index) {
            out.push(b'\t');
        }
    }
    out.push(b'\n');
}

/// What stands in the place of a column.
enum Cell<'l> {
    Dropped,
    Whole(&'l str),
    /// The kept part, and whether half a surrogate pair stands at its end (printed as `?`).
    Cut(&'l str, bool),
}

/// The part of `text` that has `limit` UTF-16 units; `None` when nothing must be cut.
fn cut(text: &str, limit: usize) -> Option<(&str, bool)> {
    let mut units = 0;
    for (offset, character) in text.char_indices() {
        let width = character.len_utf16();
        if units + width > limit {
            return Some((&text[..offset], units < limit));
        }
        units += width;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atomic(cells: &[&str], new_id: Option<&str>) -> Vec<String> {
        atomic_for(Widths::Redshift, cells, new_id)
    }

    fn atomic_for(widths: Widths, cells: &[&str], new_id: Option<&str>) -> Vec<String> {
        let line = cells.join("\t");
        let mut columns = Columns::default();
        columns.split(&line);
        let mut out = Vec::new();
        write_atomic_line(&line, &columns, widths, new_id, &mut out);
        let text = String::from_utf8(out).unwrap();
        text.strip_suffix('\n')
            .unwrap()
            .split('\t')
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn json_columns_are_dropped() {
        let names: Vec<String> = (0..131).map(|i| i.to_string()).collect();
        let cells: Vec<&str> = names.iter().map(String::as_str).collect();
        let atomic = atomic(&cells, None);
        let kept: Vec<&str> = cells
            .iter()
            .copied()
            .filter(|c| !["52", "58", "122"].contains(c))
            .collect();
        // `geo_country` and its like are cut to two or three characters: compare what is short.
        assert_eq!(atomic.len(), 128);
        for (got, want) in atomic.iter().zip(&kept) {
            assert!(want.starts_with(got.as_str()), "{got} {want}");
        }
    }

    #[test]
    fn short_lines_are_padded_and_long_ones_keep_their_tail() {
        assert_eq!(atomic(&[""; 108], None), vec![String::new(); 128]);
        let mut cells = vec![""; 131];
        cells.push("beyond");
        let atomic = atomic(&cells, None);
        assert_eq!((atomic.len(), atomic[128].as_str()), (129, "beyond"));
    }

    #[test]
    fn first_and_last_columns_can_change() {
        let long = "x".repeat(300);
        let mut cells = vec![""; 131];
        cells[0] = &long;
        cells[6] = "old";
        let atomic = atomic(&cells, Some("new"));
        assert_eq!(atomic[0].len(), 255);
        assert_eq!(atomic[6], "new");
        assert_eq!(atomic.len(), 128);
    }

    #[test]
    fn postgres_is_narrower_in_ten_columns() {
        let long = "x".repeat(5000);
        let cells = vec![long.as_str(); 131];
        let redshift = atomic_for(Widths::Redshift, &cells, None);
        let postgres = atomic_for(Widths::Postgres, &cells, None);
        let narrower: Vec<(usize, usize)> = redshift
            .iter()
            .zip(&postgres)
            .filter(|(r, p)| r != p)
            .map(|(r, p)| (r.len(), p.len()))
            .collect();
        let expected = [
            (128, 45),
            (128, 50),
            (128, 36),
            (128, 38),
            (128, 100),
            (128, 100),
            (4096, 1000),
            (255, 50),
            (128, 36),
            (128, 36),
        ];
        assert_eq!(narrower, expected);
    }

    #[test]
    fn half_a_pair_prints_as_question_mark() {
        assert_eq!(cut("ab😀", 3), Some(("ab", true)));
        assert_eq!(cut("ab😀", 4), None);
        assert_eq!(cut("ab😀", 2), Some(("ab", false)));
        assert_eq!(cut("äöü", 2), Some(("äö", false)));
    }
}
