//! Where the columns of an enriched line begin and end.

/// Ends of the columns of one line, reused from line to line.
#[derive(Debug, Default)]
pub struct Columns {
    /// Byte offset of the end of each column; column `i` starts one byte after the end of `i - 1`.
    ends: Vec<usize>,
}

impl Columns {
    /// Splits `line` at every tab, trailing empty columns kept.
    pub fn split(&mut self, line: &str) {
        self.ends.clear();
        self.ends
            .extend(memchr::memchr_iter(b'\t', line.as_bytes()));
        self.ends.push(line.len());
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was split yet.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Byte range of column `index` of the line that was split last.
    pub fn range(&self, index: usize) -> Option<std::ops::Range<usize>> {
        let end = *self.ends.get(index)?;
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1] + 1,
        };
        Some(start..end)
    }

    /// Text of column `index` of `line`, which must be the line that was split last.
    pub fn get<'l>(&self, line: &'l str, index: usize) -> Option<&'l str> {
        line.get(self.range(index)?)
    }
}

/// Bytes of column `index` of a line, found without looking at any other column: the scan for
/// duplicates reads nothing but the event id.
pub fn column_bytes(line: &[u8], index: usize) -> Option<&[u8]> {
    let mut start = 0;
    for _ in 0..index {
        start += memchr::memchr(b'\t', &line[start..])? + 1;
    }
    let rest = &line[start..];
    let end = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_line() {
        let mut columns = Columns::default();
        columns.split("a\t\tccc\t");
        assert_eq!(columns.len(), 4);
        let texts: Vec<_> = (0..5).map(|i| columns.get("a\t\tccc\t", i)).collect();
        assert_eq!(texts, [Some("a"), Some(""), Some("ccc"), Some(""), None]);
        columns.split("");
        assert_eq!((columns.len(), columns.get("", 0)), (1, Some("")));
    }

    #[test]
    fn one_column_without_the_others() {
        assert_eq!(column_bytes(b"a\tb\tc", 0), Some(&b"a"[..]));
        assert_eq!(column_bytes(b"a\tb\tc", 2), Some(&b"c"[..]));
        assert_eq!(column_bytes(b"a\tb\tc", 3), None);
        assert_eq!(column_bytes(b"", 0), Some(&b""[..]));
        assert_eq!(column_bytes(b"a\t", 1), Some(&b""[..]));
    }
}
