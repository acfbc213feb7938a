//! Bad rows: a line that failed, why, and when.
//!
//! The JSON of Scala Common Enrich's `BadRow`, which RDB Shredder writes as well:
//! `{"line":...,"errors":[{"level":"error","message":...},...],"failure_tstamp":...}` on one line.
//! Enrich knows its reasons as texts, shred as messages with more members than these two. There is
//! no limit of size: a line that comes in comes out whole.

use crate::iglu::Message;
use crate::json::print::{write_compact, write_string};

/// Bad data as a value: what is written for a line, or for one event of it, that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BadRow<'a> {
    /// The original line; for binary records their Base64.
    pub line: &'a str,
    /// Why it failed; never empty.
    pub reasons: Reasons<'a>,
}

/// Why a line failed, in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reasons<'a> {
    /// Texts, each of which becomes a message of level `error` (the enrich job).
    Texts(&'a [String]),
    /// Messages with all their members (the shred job).
    Messages(&'a [Message]),
}

impl BadRow<'_> {
    /// Appends the row and a line feed to `out`. `failure_tstamp` is the time of the failure as
    /// `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'`.
    pub fn write(&self, failure_tstamp: &str, out: &mut Vec<u8>) {
        out.reserve(self.line.len() + 256);
        out.extend_from_slice(b"{\"line\":");
        write_string(self.line, out);
        out.extend_from_slice(b",\"errors\":[");
        match self.reasons {
            Reasons::Texts(texts) => {
                for (index, text) in texts.iter().enumerate() {
                    separate(index, out);
                    out.extend_from_slice(b"{\"level\":\"error\",\"message\":");
                    write_string(text, out);
                    out.push(b'}');
                }
            }
            Reasons::Messages(messages) => {
                for (index, message) in messages.iter().enumerate() {
                    separate(index, out);
                    write_compact(&message.to_json(), out);
                }
            }
        }
        out.extend_from_slice(b"],\"failure_tstamp\":");
        write_string(failure_tstamp, out);
        out.extend_from_slice(b"}\n");
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// Appends one bad row of the shred job and a line feed to `out`.
pub fn write_bad_row(line: &str, errors: &[Message], failure_tstamp: &str, out: &mut Vec<u8>) {
    let reasons = Reasons::Messages(errors);
    BadRow { line, reasons }.write(failure_tstamp, out);
}

/// Appends one bad row of the enrich job and a line feed to `out`.
pub fn write_enrich_bad_row(
    line: &str,
    errors: &[String],
    failure_tstamp: &str,
    out: &mut Vec<u8>,
) {
    let reasons = Reasons::Texts(errors);
    BadRow { line, reasons }.write(failure_tstamp, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_messages_of_level_error() {
        let mut out = Vec::new();
        let errors = ["Field [e]: [\"é/] is not".to_owned(), "b\n\u{1}".to_owned()];
        write_enrich_bad_row("a\tb\\", &errors, "2018-07-23T09:57:14.123Z", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"line":"a\tb\\","errors":[{"level":"error","message":"Field [e]: [\"é/] is not"},"#,
                r#"{"level":"error","message":"b\n\u0001"}],"#,
                r#""failure_tstamp":"2018-07-23T09:57:14.123Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn both_jobs_write_a_plain_message_alike() {
        let (mut enrich, mut shred) = (Vec::new(), Vec::new());
        write_enrich_bad_row("x", &["why".to_owned()], "t", &mut enrich);
        write_bad_row("x", &[Message::error("why")], "t", &mut shred);
        assert_eq!(enrich, shred);
        assert_eq!(
            String::from_utf8(enrich).unwrap(),
            "{\"line\":\"x\",\"errors\":[{\"level\":\"error\",\"message\":\"why\"}],\"failure_tstamp\":\"t\"}\n"
        );
    }
}
