//! Bad rows: a line that failed, why, and when.

use crate::iglu::Message;
use crate::json::print::write_string;

/// Appends one bad row and a line feed to `out`: `{"line":...,"errors":[...],"failure_tstamp":"..."}`.
pub fn write_bad_row(line: &str, errors: &[Message], failure_tstamp: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"line\":");
    write_string(line, out);
    out.extend_from_slice(b",\"errors\":[");
    for (index, error) in errors.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        crate::json::print::write_compact(&error.to_json(), out);
    }
    out.extend_from_slice(b"],\"failure_tstamp\":");
    write_string(failure_tstamp, out);
    out.extend_from_slice(b"}\n");
}
