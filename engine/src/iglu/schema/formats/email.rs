//! `email` as JavaMail's strict `InternetAddress` reads it: one RFC 822 mailbox, with or without a
//! display name, comments, a route or quotes, or a group; the address needs a local part and a domain.

use std::sync::LazyLock;

use regex::Regex;

/// What `Character.isLetterOrDigit` says of one character beyond ASCII.
static LETTER_OR_DIGIT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Nd}]\z").ok());

/// Whether `text` is one address.
pub(super) fn is_email(text: &str) -> bool {
    if is_plain(text) {
        return true;
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut addresses = Vec::new();
    if !parse_list(&units, &mut addresses) {
        return false;
    }
    let [address] = addresses.as_slice() else {
        return false;
    };
    let colon = find(address, b':');
    if address.last() == Some(&u16::from(b';')) && colon.is_some_and(|at| at > 0) {
        // a group: its members are read as a header is
        let inner = colon.map_or(&[][..], |at| &address[at + 1..address.len() - 1]);
        return parse_list(inner, &mut Vec::new());
    }
    is_mailbox(address, true, true)
}

/// The usual form, of which everything else here agrees that it is valid.
fn is_plain(text: &str) -> bool {
    let atom = |part: &str, more: &[u8]| {
        part.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        })
    };
    text.split_once('@')
        .is_some_and(|(local, domain)| atom(local, b"_+-") && atom(domain, b"-"))
}

fn find(units: &[u16], byte: u8) -> Option<usize> {
    units.iter().position(|unit| *unit == u16::from(byte))
}

fn ascii(unit: u16) -> u8 {
    u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(0xff)
}

/// `String.trim`.
fn trim(units: &[u16]) -> &[u16] {
    let start = units
        .iter()
        .position(|unit| *unit > 0x20)
        .unwrap_or(units.len());
    let end = units
        .iter()
        .rposition(|unit| *unit > 0x20)
        .map_or(start, |at| at + 1);
    &units[start..end]
}

/// The position of the unescaped `close` from `index` on; `None` if the text ends before it.
fn skip_to(units: &[u16], mut index: usize, close: u8) -> Option<usize> {
    while let Some(unit) = units.get(index) {
        match ascii(*unit) {
            b'\\' => index += 1,
            byte if byte == close => return Some(index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// The position of the bracket that ends a comment that opens before `index`.
fn skip_comment(units: &[u16], mut index: usize) -> Option<usize> {
    let mut nesting = 1_usize;
    while let Some(unit) = units.get(index) {
        match ascii(*unit) {
            b'\\' => index += 1,
            b'(' => nesting += 1,
            b')' => {
                nesting -= 1;
                if nesting == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// The position of the `>` that ends a route address that opens before `index`.
fn skip_route(units: &[u16], mut index: usize) -> Option<usize> {
    let mut quoted = false;
    while let Some(unit) = units.get(index) {
        match ascii(*unit) {
            b'\\' => index += 1,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// The addresses of a list separated by commas; false when it is not one.
fn parse_list<'u>(units: &'u [u16], addresses: &mut Vec<&'u [u16]>) -> bool {
    let (mut start, mut end): (Option<usize>, Option<usize>) = (None, None);
    let (mut in_group, mut route) = (false, false);
    let mut index = 0;
    while let Some(unit) = units.get(index) {
        match ascii(*unit) {
            b'(' => {
                if start.is_some() && end.is_none() {
                    end = Some(index);
                }
                match skip_comment(units, index + 1) {
                    Some(close) => index = close,
                    None => return false,
                }
            }
            b'<' => {
                if route {
                    return false;
                }
                let Some(close) = skip_route(units, index + 1) else {
                    return false;
                };
                if !in_group {
                    start = Some(index + 1);
                }
                route = true;
                end = Some(close);
                index = close;
            }
            b')' | b'>' => return false,
            quote @ (b'"' | b'[') => {
                start = start.or(Some(index));
                let close = if quote == b'[' { b']' } else { b'"' };
                match skip_to(units, index + 1, close) {
                    Some(close) => index = close,
                    None => return false,
                }
            }
            b';' => {
                if let Some(first) = start {
                    if !in_group {
                        return false;
                    }
                    in_group = false;
                    addresses.push(trim(&units[first..=index]));
                }
                (start, end, route) = (None, None, false);
            }
            b',' => match start {
                Some(_) if in_group => route = false,
                Some(first) => {
                    let address = trim(&units[first..end.unwrap_or(index).max(first)]);
                    if !is_mailbox(address, route, false) {
                        return false;
                    }
                    addresses.push(address);
                    (start, end, route) = (None, None, false);
                }
                None => (end, route) = (None, false),
            },
            b':' => {
                if in_group {
                    return false;
                }
                start = start.or(Some(index));
                in_group = true;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => start = start.or(Some(index)),
        }
        index += 1;
    }
    if let Some(first) = start {
        let address = trim(&units[first..end.unwrap_or(units.len()).max(first)]);
        if !is_mailbox(address, route, false) {
            return false;
        }
        addresses.push(address);
    }
    true
}

/// `checkAddress`: `local@domain`, behind a route where `route` allows one; only `strict` asks for
/// the domain and for quotes around the whole local part.
fn is_mailbox(address: &[u16], route: bool, strict: bool) -> bool {
    if address.is_empty() {
        return false;
    }
    let mut start = 0;
    if route && address[0] == u16::from(b'@') {
        while let Some(at) = address
            .get(start..)
            .and_then(|rest| rest.iter().position(|u| matches!(ascii(*u), b',' | b':')))
        {
            if address[start] != u16::from(b'@') {
                return false;
            }
            let at = start + at;
            start = at + 1;
            if address[at] == u16::from(b':') {
                break;
            }
        }
    }
    match local_part(address, start, strict) {
        Some(Some(at)) => is_domain(&address[at + 1..]),
        Some(None) => !strict,
        None => false,
    }
}

/// The position of the `@` behind the local part, if there is one; `None` for a broken local part.
fn local_part(address: &[u16], start: usize, strict: bool) -> Option<Option<usize>> {
    let (mut unit, mut quoted) = (0xffff_u16, false);
    for (index, next) in address.iter().enumerate().skip(start) {
        let last = std::mem::replace(&mut unit, *next);
        let following = address.get(index + 1).map(|u| ascii(*u));
        if unit == u16::from(b'\\') || last == u16::from(b'\\') {
            continue;
        }
        match ascii(unit) {
            b'"' => {
                let misplaced = if quoted {
                    following.is_some_and(|byte| byte != b'@')
                } else {
                    index != 0
                };
                if strict && misplaced {
                    return None;
                }
                quoted = !quoted;
                continue;
            }
            b'\r' if following.is_some_and(|byte| byte != b'\n') => return None,
            b'\n' if following.is_some_and(|byte| byte != b' ' && byte != b'\t') => return None,
            b'.' if index == start || last == u16::from(b'.') => return None,
            _ => {}
        }
        if quoted {
            continue;
        }
        match ascii(unit) {
            b'@' => {
                let good = index != 0 && last != u16::from(b'.');
                return good.then_some(Some(index));
            }
            0..=0x20 | 0x7f => return None,
            b'(' | b')' | b'<' | b'>' | b',' | b';' | b':' | b'[' | b']' => return None,
            _ => {}
        }
    }
    (!quoted).then_some(None)
}

fn is_domain(domain: &[u16]) -> bool {
    let dot = u16::from(b'.');
    if domain.first().is_none_or(|unit| *unit == dot) {
        return false;
    }
    let (mut last, mut literal) = (u16::from(b'@'), false);
    for (index, unit) in domain.iter().enumerate() {
        match ascii(*unit) {
            b'[' if index == 0 => literal = true,
            b'[' => return false,
            b']' if index + 1 == domain.len() => literal = false,
            b']' => return false,
            0..=0x20 | 0x7f => return false,
            _ if literal => {}
            b'.' if last == dot => return false,
            b'-' | b'.' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            0xff if is_letter_or_digit(*unit) => {}
            _ => return false,
        }
        last = *unit;
    }
    last != dot
}

/// Halves of surrogate pairs are neither.
fn is_letter_or_digit(unit: u16) -> bool {
    char::from_u32(u32::from(unit)).is_some_and(|character| {
        let mut buffer = [0; 4];
        LETTER_OR_DIGIT
            .as_ref()
            .is_some_and(|class| class.is_match(character.encode_utf8(&mut buffer)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "a@b.com",
            "a.b+c-d_e@x-y.z",
            "a@b",
            "A <a@b.com>",
            "\"A, B\" <a@b.com>",
            "a@b.com (comment (nested))",
            "(c) a@b.com",
            "\"a b\"@c.d",
            "<@r1,@r2:a@b.com>",
            "a@[127.0.0.1]",
            "a@bücher.de",
            "ü@b.com",
            "group: a@b.c, d@e.f;",
            "!#$%&'*/=?^`{|}~@b.com",
            " a@b.com ",
            "a@b.com,",
        ] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "",
            " ",
            "a",
            "a@",
            "@b.com",
            "a b@c",
            "a@b.com, c@d.com",
            ".a@b.com",
            "a.@b.com",
            "a..b@c.d",
            "a@.b",
            "a@b.",
            "a@b..c",
            "a@b_c.d",
            "a@b@c",
            "a@b c",
            "<a@b.com",
            "a@b.com>",
            "A <a@b> <c@d>",
            "\"a@b.com",
            "a@b.com (",
            "a@[127.0.0.1]x",
            "group: a@b.c",
            "a@😀.com",
            "joe.\"quoted\"@b.com",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }
}
