//! Placeholders of PostgreSQL statements: JDBC's `?` become the server's `$1`, `$2`, and so on.

/// The statement as the server takes it. As in the reference's driver `?` stays where it is quoted (`'...'`,
/// `E'...'`, `"..."`, `$tag$...$tag$`) or in a comment (`--`, `/* */`, which may nest), and `??` is the
/// operator `?`.
pub(super) fn to_postgres(sql: &str) -> String {
    let bytes = sql.as_bytes();
    let mut out = String::with_capacity(sql.len() + 8);
    let (mut at, mut copied, mut count) = (0, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'\'' => end_of_quoted(bytes, at, has_escapes(bytes, at)),
            b'"' => end_of_quoted(bytes, at, false),
            b'$' => end_of_dollar_quoted(sql, at),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                let end = bytes[at..].iter().position(|&b| matches!(b, b'\n' | b'\r'));
                end.map_or(bytes.len(), |end| at + end)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_comment(bytes, at),
            b'?' => {
                out.push_str(&sql[copied..at]);
                if bytes.get(at + 1) == Some(&b'?') {
                    out.push('?');
                    copied = at + 2;
                } else {
                    count += 1;
                    out.push_str(&format!("${count}"));
                    copied = at + 1;
                }
                copied
            }
            _ => at + 1,
        };
        at = end;
    }
    out.push_str(sql.get(copied..).unwrap_or_default());
    out
}

/// Whether the quote at `at` opens an `E'...'`.
fn has_escapes(bytes: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|place| bytes.get(place));
    matches!(before(1), Some(b'e' | b'E')) && !before(2).is_some_and(|&b| is_of_name(b))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// Where what is quoted from `at` on ends; a doubled quote opens it anew.
fn end_of_quoted(bytes: &[u8], at: usize, has_escapes: bool) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == quote {
            return at + 1;
        }
        at += if has_escapes && byte == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

fn end_of_dollar_quoted(sql: &str, at: usize) -> usize {
    let bytes = sql.as_bytes();
    if at > 0 && is_of_name(bytes[at - 1]) {
        return at + 1;
    }
    let is_of_tag = |b: u8| (b.is_ascii_alphanumeric() || b == b'_' || !b.is_ascii()) && b != b'$';
    let length = bytes[at + 1..]
        .iter()
        .take_while(|&&b| is_of_tag(b))
        .count();
    let behind = at + 1 + length;
    let starts_with_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    if bytes.get(behind) != Some(&b'$') || starts_with_digit {
        return at + 1;
    }
    let tag = &sql[at..=behind];
    match sql[behind + 1..].find(tag) {
        Some(start) => behind + 1 + start + tag.len(),
        None => bytes.len(),
    }
}

fn end_of_comment(bytes: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at, 0_usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn question_marks() {
        for (sql, expected) in [
            ("", ""),
            ("SELECT 1", "SELECT 1"),
            ("SELECT ?", "SELECT $1"),
            ("a = ? AND b = ?", "a = $1 AND b = $2"),
            ("'?' ? \"?\" ?", "'?' $1 \"?\" $2"),
            ("'it''s ?' ?", "'it''s ?' $1"),
            (r"'\' ? '", r"'\' $1 '"),
            (r"E'\' ?' ?", r"E'\' ?' $1"),
            (r"nameE'\' ?", r"nameE'\' $1"),
            ("-- ?\n?", "-- ?\n$1"),
            ("a - ?", "a - $1"),
            ("/* ? /* ? */ ? */ ?", "/* ? /* ? */ ? */ $1"),
            ("a / ? * 2", "a / $1 * 2"),
            ("$$ ? $$ ?", "$$ ? $$ $1"),
            ("$t$ ? $$ ? $t$ ?", "$t$ ? $$ ? $t$ $1"),
            ("a$t$ ? $t$", "a$t$ $1 $t$"),
            ("$1 ? $2", "$1 $1 $2"),
            (
                "j ?? 'k' AND j ??| ? AND x = ?",
                "j ? 'k' AND j ?| $1 AND x = $2",
            ),
            ("???", "?$1"),
            ("'open ?", "'open ?"),
            ("/* open ?", "/* open ?"),
            ("$$ open ?", "$$ open ?"),
            ("$", "$"),
            ("\u{e9}? -", "\u{e9}$1 -"),
        ] {
            assert_eq!(to_postgres(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(sql in "[?$'\"a\\\\/*\\- \n\u{e9}E1]{0,40}") {
            let out = to_postgres(&sql);
            if !sql.contains('?') {
                prop_assert_eq!(out, sql);
            }
        }
    }
}
