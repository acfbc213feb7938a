//! Reads the filters of Jayway json-path 2.4.0: `||` of `&&` of comparisons, existence checks,
//! negations and parentheses.

use super::condition::{Comparison, Condition, Operand, Pattern};
use super::jayway::{self, Parser};
use super::{MAX_FILTERS, Value};
use crate::json::{Number, parse};

/// Parentheses and negations may stand in each other this often.
const MAX_NESTING: usize = 64;

/// A filter from behind its `[?(` on, its `)]` included.
pub(super) fn read(parser: &mut Parser<'_>) -> Result<Condition, String> {
    if parser.filters == MAX_FILTERS {
        return Err(format!(
            "More than {MAX_FILTERS} filters stand in each other"
        ));
    }
    parser.filters += 1;
    let condition = any(parser, 0)?;
    parser.filters -= 1;
    for close in [b')', b']'] {
        parser.at = parser.significant(parser.at);
        if parser.current() != Some(close) {
            return Err(unexpected(parser));
        }
        parser.at += 1;
    }
    Ok(condition)
}

fn unexpected(parser: &Parser<'_>) -> String {
    format!(
        "Expected end of filter expression instead of: {}",
        parser.slice(parser.at, parser.text.len())
    )
}

fn any(parser: &mut Parser<'_>, depth: usize) -> Result<Condition, String> {
    let mut conditions = vec![all(parser, depth)?];
    while take(parser, "||") {
        conditions.push(all(parser, depth)?);
    }
    Ok(Condition::Any(conditions))
}

fn all(parser: &mut Parser<'_>, depth: usize) -> Result<Condition, String> {
    let mut conditions = vec![operand(parser, depth)?];
    while take(parser, "&&") {
        conditions.push(operand(parser, depth)?);
    }
    Ok(Condition::All(conditions))
}

fn operand(parser: &mut Parser<'_>, depth: usize) -> Result<Condition, String> {
    if depth == MAX_NESTING {
        return Err(format!("A filter is nested deeper than {MAX_NESTING}"));
    }
    if take(parser, "!") {
        // also `!@.a == 1`: there the library drops the sign, or asks for what does not exist
        return Ok(Condition::Not(Box::new(operand(parser, depth + 1)?)));
    }
    if take(parser, "(") {
        let condition = any(parser, depth + 1)?;
        if !take(parser, ")") {
            return Err(unexpected(parser));
        }
        return Ok(condition);
    }
    comparison(parser)
}

/// Skips blanks, and `text` if it follows.
fn take(parser: &mut Parser<'_>, text: &str) -> bool {
    let at = parser.significant(parser.at);
    let follows = parser.slice(at, parser.text.len()).starts_with(text);
    if follows {
        parser.at = at + text.len();
    }
    follows
}

fn comparison(parser: &mut Parser<'_>) -> Result<Condition, String> {
    let left = value(parser)?;
    parser.at = parser.significant(parser.at);
    let rest = parser.slice(parser.at, parser.text.len());
    if rest.starts_with(')') || rest.starts_with("&&") || rest.starts_with("||") {
        return match left {
            Operand::Path(path) => Ok(Condition::Exists(path)),
            _ => Err("Expected path node".into()),
        };
    }
    if rest.is_empty() {
        return Err(unexpected(parser));
    }
    let comparison = operator(parser)?;
    let right = value(parser)?;
    Ok(Condition::Compare(left, comparison, right))
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'=' | b'~' | b'!')
}

fn operator(parser: &mut Parser<'_>) -> Result<Comparison, String> {
    let start = parser.at;
    let is_sign = parser.current().is_some_and(is_operator);
    while let Some(byte) = parser.current() {
        if byte == b' ' || is_operator(byte) != is_sign {
            break;
        }
        parser.at += 1;
    }
    let text = parser.slice(start, parser.at);
    Ok(match text.to_ascii_uppercase().as_str() {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "===" => Comparison::StrictEqual,
        "!==" => Comparison::StrictNotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "=~" => Comparison::Matches,
        "IN" => Comparison::In,
        "NIN" => Comparison::NotIn,
        "CONTAINS" => Comparison::Contains,
        "ALL" => Comparison::ContainsAll,
        "SUBSETOF" => Comparison::SubsetOf,
        "SIZE" => Comparison::Size,
        "EMPTY" => Comparison::Empty,
        _ => return Err(format!("Filter operator {text} is not supported!")),
    })
}

fn value(parser: &mut Parser<'_>) -> Result<Operand, String> {
    parser.at = parser.significant(parser.at);
    match parser.current() {
        Some(b'$' | b'@') => path(parser),
        Some(b'/') => pattern(parser),
        Some(_) => literal(parser, 0).map(Operand::Literal),
        None => Err(unexpected(parser)),
    }
}

/// A path reaches to a blank, an operator or a parenthesis outside of brackets.
fn path(parser: &mut Parser<'_>) -> Result<Operand, String> {
    let start = parser.at;
    let (mut open, mut quote) = (0_usize, None);
    while let Some(byte) = parser.current() {
        let rest = parser.slice(parser.at, parser.text.len());
        match (quote, byte) {
            (Some(_), b'\\') => parser.at += 1,
            (Some(q), _) if q == byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') if open > 0 => quote = Some(byte),
            (None, b'[') => open += 1,
            (None, b']') if open > 0 => open -= 1,
            _ if open > 0 => {}
            (None, b' ' | b')' | b']') => break,
            (None, byte) if is_operator(byte) => break,
            _ if rest.starts_with("&&") || rest.starts_with("||") => break,
            _ => {}
        }
        parser.at += 1;
    }
    if open > 0 {
        return Err(format!(
            "Square brackets does not match in filter {}",
            parser.text
        ));
    }
    let text = parser.slice(start, parser.at);
    Ok(Operand::Path(jayway::compile(text, parser.filters)?))
}

fn pattern(parser: &mut Parser<'_>) -> Result<Operand, String> {
    let start = parser.at + 1;
    let mut at = start;
    loop {
        match parser.byte(at) {
            None => return Err(format!("Pattern not closed. Expected / in {}", parser.text)),
            Some(b'/') => break,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
    let text = parser.slice(start, at);
    let flags = at + 1;
    parser.at = flags;
    while parser
        .current()
        .is_some_and(|byte| byte.is_ascii_alphabetic())
    {
        parser.at += 1;
    }
    let pattern = Pattern::compile(text, parser.slice(flags, parser.at))?;
    Ok(Operand::Pattern(pattern))
}

/// A literal: JSON, also with single quotes and with texts without any.
fn literal(parser: &mut Parser<'_>, depth: usize) -> Result<Value<'static>, String> {
    if depth == MAX_NESTING {
        return Err(format!("A literal is nested deeper than {MAX_NESTING}"));
    }
    parser.at = parser.significant(parser.at);
    match parser.current() {
        Some(quote @ (b'\'' | b'"')) => parser.quoted(quote).map(Value::string).ok_or_else(|| {
            format!(
                "String literal does not have matching quotes. Expected {} in {}",
                char::from(quote),
                parser.text
            )
        }),
        Some(b'[') => {
            let mut items = Vec::new();
            items_until(parser, b']', |parser| {
                items.push(literal(parser, depth + 1)?);
                Ok(())
            })?;
            Ok(Value::Array(items))
        }
        Some(b'{') => {
            let mut members: Vec<(std::borrow::Cow<'static, str>, Value<'static>)> = Vec::new();
            items_until(parser, b'}', |parser| {
                let key = match literal(parser, depth + 1)? {
                    Value::String(key) => key,
                    other => other.to_compact().into(),
                };
                if !take(parser, ":") {
                    return Err(unexpected(parser));
                }
                let value = literal(parser, depth + 1)?;
                members.retain(|(known, _)| *known != key);
                members.push((key, value));
                Ok(())
            })?;
            Ok(Value::Object(members))
        }
        _ => word(parser, depth > 0),
    }
}

/// Reads what stands between the current bracket and `close`, parted by commas.
fn items_until(
    parser: &mut Parser<'_>,
    close: u8,
    mut item: impl FnMut(&mut Parser<'_>) -> Result<(), String>,
) -> Result<(), String> {
    parser.at += 1;
    loop {
        parser.at = parser.significant(parser.at);
        match parser.current() {
            Some(byte) if byte == close => break,
            Some(b',') => parser.at += 1,
            Some(_) => item(parser)?,
            None => {
                return Err(format!(
                    "Literal not closed. Expected {} in {}",
                    char::from(close),
                    parser.text
                ));
            }
        }
    }
    parser.at += 1;
    Ok(())
}

/// A number, `true`, `false`, `null`; inside of JSON any other text too.
fn word(parser: &mut Parser<'_>, may_be_text: bool) -> Result<Value<'static>, String> {
    let start = parser.at;
    while let Some(byte) = parser.current() {
        let ends = matches!(byte, b' ' | b')' | b',' | b']' | b'}' | b':' | b'&' | b'|');
        if ends || is_operator(byte) {
            break;
        }
        parser.at += 1;
    }
    let text = parser.slice(start, parser.at);
    match text {
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        "null" => return Ok(Value::Null),
        _ => {}
    }
    // Java's decimals: a sign, and zeros in front
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let trimmed = digits.trim_start_matches('0');
    let digits = if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
        trimmed.to_owned()
    } else {
        format!("0{trimmed}")
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit());
    match parse(&format!("{sign}{digits}")) {
        Ok(Some(Value::Number(number)))
            if is_number && number.token.len() == sign.len() + digits.len() =>
        {
            let token = number.token.into_owned().into();
            Ok(Value::Number(Number { token }))
        }
        _ if may_be_text && !text.is_empty() => Ok(Value::string(text.to_owned())),
        _ => Err(format!(
            "Failed to parse filter: {}, error on position: {start}",
            parser.text
        )),
    }
}
