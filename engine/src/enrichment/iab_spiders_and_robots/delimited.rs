//! Records of the user-agent lists: fields between `|`, which `"` may quote, and comments behind `#`.
//!
//! As Apache Commons CSV reads them for the reference's client: a quoted field may hold delimiters and line
//! ends, and two quotes for one; a line without any character is no record, a line of blanks is one.

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The number of its first line, from 1.
    pub(super) line: usize,
    fields: Vec<String>,
}

impl Record {
    /// A field without blanks at its ends; `None` if the record is shorter.
    pub(super) fn field(&self, index: usize) -> Option<&str> {
        let field = self.fields.get(index)?;
        // Java's trim: everything up to the space
        Some(field.trim_matches(|c| c <= ' '))
    }

    /// Whether a field is `1`; anything else means no.
    pub(super) fn is_set(&self, index: usize) -> bool {
        self.field(index) == Some("1")
    }
}

/// All records of a text.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn records(text: &str) -> Result<Vec<Record>, String> {
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let mut records = Vec::new();
    while !reader.rest.is_empty() {
        if reader.rest.starts_with('#') {
            reader.skip_line();
        } else if !reader.line_end() {
            records.push(reader.record()?);
        }
    }
    Ok(records)
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

impl Reader<'_> {
    /// Passes a line end, if one is next.
    fn line_end(&mut self) -> bool {
        let length = match self.rest.as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.rest = &self.rest[length..];
        self.line += 1;
        true
    }

    fn skip_line(&mut self) {
        let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
        self.line_end();
    }

    fn record(&mut self) -> Result<Record, String> {
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(match self.rest.starts_with('"') {
                true => self.quoted()?,
                false => self.plain(),
            });
            match self.rest.strip_prefix('|') {
                Some(rest) => self.rest = rest,
                None => {
                    self.line_end();
                    return Ok(Record { line, fields });
                }
            }
        }
    }

    fn plain(&mut self) -> String {
        let end = self.rest.find(['|', '\r', '\n']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        field.to_owned()
    }

    fn quoted(&mut self) -> Result<String, String> {
        let opened = self.line;
        let mut field = String::new();
        self.rest = &self.rest[1..];
        loop {
            let end = self.rest.find(['"', '\r', '\n']).ok_or_else(|| {
                format!("line {opened}: a quoted field has no end; add the closing quote")
            })?;
            field.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if let Some(rest) = self.rest.strip_prefix("\"\"") {
                field.push('"');
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix('"') {
                self.rest = rest.trim_start_matches([' ', '\t']);
                break;
            } else {
                let before = self.rest;
                self.line_end();
                field.push_str(&before[..before.len() - self.rest.len()]);
            }
        }
        match self.rest.chars().next() {
            None | Some('|' | '\r' | '\n') => Ok(field),
            Some(other) => Err(format!(
                "line {}: {other:?} behind a closing quote; write two quotes for a quote that belongs to the field",
                self.line
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_quotes_and_comments() {
        let text =
            "# Comment | \"\n\r\nxsoft url|1||1|2|0\r\n\n a | b\t|\r  \n\"q|\"\"\n#x\" |\"\"|1\n#";
        let found = records(text).unwrap();
        let fields: Vec<Vec<&str>> = found
            .iter()
            .map(|record| {
                (0..record.fields.len())
                    .map(|at| record.field(at).unwrap())
                    .collect()
            })
            .collect();
        assert_eq!(
            fields,
            [
                vec!["xsoft url", "1", "", "1", "2", "0"],
                vec!["a", "b", ""],
                vec![""],
                vec!["q|\"\n#x", "", "1"],
            ]
        );
        let lines: Vec<usize> = found.iter().map(|record| record.line).collect();
        assert_eq!(lines, [3, 5, 6, 7]);
        assert_eq!(found[0].field(6), None);
        assert!(found[0].is_set(1) && !found[0].is_set(4) && !found[0].is_set(9));
        assert_eq!(records("").unwrap(), []);
    }

    #[test]
    fn broken_quotes_are_told() {
        for (text, part) in [
            ("a\n\"b|c\nd", "line 2: a quoted field"),
            ("a|\"b\"c", "line 1: 'c' behind"),
        ] {
            let failure = records(text).unwrap_err();
            assert!(failure.starts_with(part), "{failure}");
        }
    }
}
