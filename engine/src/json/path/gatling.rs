//! Reads paths as gatling jsonpath 0.6.4 does, a parser of Scala's combinators: what it accepts, and
//! which of all failed attempts its message tells of, the last one of those that came furthest.
//!
//! White space may stand before every token, so it is lost at the beginning of quoted names too.

use std::sync::LazyLock;

use regex::Regex;

use super::condition::{Comparison, Condition, Operand};
use super::walk::{Path, Step};
use super::{MAX_FILTERS, Value};
use crate::json::Number;

const FIELD: &str = r"[$_\d\p{L}][$_\-\d\p{L}]*";
const NUMBER: &str = r"-?\d+";
const NUMBER_VALUE: &str = r"-?\d+(\.\d*)?";

/// `\d` is ASCII in Java.
fn token(pattern: &str) -> Option<Regex> {
    let pattern = pattern.replace(r"\d", "0-9").replace("-?0-9+", "-?[0-9]+");
    Regex::new(&format!("^(?:{})", pattern.replace(r"\.0-9*", r"\.[0-9]*"))).ok()
}

static FIELD_TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| token(FIELD));
static NUMBER_TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| token(NUMBER));
static NUMBER_VALUE_TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| token(NUMBER_VALUE));

/// Compiles a path.
pub(super) fn compile(text: &str) -> Result<Path, String> {
    let mut parser = Parser {
        text,
        failure: None,
        refused: None,
        filters: 0,
    };
    let end = parser.whole();
    if let Some(refused) = parser.refused {
        return Err(refused);
    }
    match end {
        Some((path, end)) if end == text.len() => Ok(path),
        Some((_, end)) => Err(match parser.failure {
            Some((at, message)) if at >= end => message,
            _ => "end of input expected".into(),
        }),
        None => Err(parser
            .failure
            .map(|(_, message)| message)
            .unwrap_or_default()),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The attempt to tell of: where it failed, and what was expected there.
    failure: Option<(usize, String)>,
    /// What the library would throw instead of returning it.
    refused: Option<String>,
    /// How many filters are open.
    filters: usize,
}

/// What was read, and where it ended.
type Read<T> = Option<(T, usize)>;

impl<'t> Parser<'t> {
    fn skip_white_space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let space = |c: char| matches!(c, ' ' | '\t'..='\r');
        at + (rest.len() - rest.trim_start_matches(space).len())
    }

    fn fail<T>(&mut self, at: usize, expected: &str) -> Option<T> {
        if self.failure.as_ref().is_none_or(|(last, _)| *last <= at) {
            let found = match self.text.get(at..).and_then(|rest| rest.chars().next()) {
                Some(char) => format!("`{char}'"),
                None => "end of source".into(),
            };
            self.failure = Some((at, format!("{expected} expected but {found} found")));
        }
        None
    }

    fn refuse<T>(&mut self, why: String) -> Option<T> {
        self.refused.get_or_insert(why);
        None
    }

    /// A fixed token; gives where it ends.
    fn literal(&mut self, at: usize, literal: &str) -> Option<usize> {
        let start = self.skip_white_space(at);
        if self.text.get(start..)?.starts_with(literal) {
            Some(start + literal.len())
        } else {
            self.fail(start, &format!("`{literal}'"))
        }
    }

    fn matching(&mut self, at: usize, regex: &Option<Regex>, pattern: &str) -> Read<&'t str> {
        let start = self.skip_white_space(at);
        let rest = self.text.get(start..)?;
        match regex.as_ref().and_then(|regex| regex.find(rest)) {
            Some(found) => Some((found.as_str(), start + found.end())),
            None => self.fail(start, &format!("string matching regex `{pattern}'")),
        }
    }

    fn field(&mut self, at: usize) -> Read<String> {
        let (name, end) = self.matching(at, &FIELD_TOKEN, FIELD)?;
        Some((name.to_owned(), end))
    }

    fn number(&mut self, at: usize) -> Read<i32> {
        let (digits, end) = self.matching(at, &NUMBER_TOKEN, NUMBER)?;
        match digits.parse() {
            Ok(number) => Some((number, end)),
            Err(_) => self.refuse(format!("For input string: \"{digits}\"")),
        }
    }

    /// A quoted text; a name must not be empty.
    fn quoted(&mut self, at: usize, may_be_empty: bool) -> Read<String> {
        ['\'', '"']
            .into_iter()
            .find_map(|quote| self.quoted_by(at, quote, may_be_empty))
    }

    fn quoted_by(&mut self, at: usize, quote: char, may_be_empty: bool) -> Read<String> {
        let quote_text = quote.to_string();
        let open = self.literal(at, &quote_text)?;
        let start = self.skip_white_space(open);
        let rest = self.text.get(start..)?;
        let mut length = 0;
        let mut chars = rest.chars();
        while let Some(char) = chars.next() {
            match char {
                c if c == quote => break,
                // a line end cannot be escaped
                '\\' => {
                    let mut ahead = chars.clone();
                    match ahead.next() {
                        Some('\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}') | None => {}
                        Some(escaped) => {
                            length += escaped.len_utf8();
                            chars = ahead;
                        }
                    }
                }
                _ => {}
            }
            length += char.len_utf8();
        }
        if length == 0 && !may_be_empty {
            let pattern = format!("string matching regex `(\\\\.|[^{quote}])+'");
            return self.fail(start, &pattern);
        }
        let end = self.literal(start + length, &quote_text)?;
        let text = rest
            .get(..length)?
            .replace(&format!("\\{quote}"), &quote_text);
        Some((text, end))
    }

    /// The whole path, as far as it can be read.
    fn whole(&mut self) -> Read<Path> {
        let at = self.literal(0, "$")?;
        let (steps, at) = self.steps(at);
        let end = self.skip_white_space(at);
        if end == self.text.len() {
            return Some((
                Path {
                    from_root: true,
                    steps,
                },
                end,
            ));
        }
        self.fail::<()>(end, "string matching regex `\\z'");
        Some((Path::default(), at))
    }

    fn steps(&mut self, mut at: usize) -> (Vec<Step>, usize) {
        let mut steps = Vec::new();
        while let Some((step, end)) = self.step(at) {
            steps.push(step);
            at = end;
        }
        (steps, at)
    }

    /// The alternatives in the order in which the library tries them.
    fn step(&mut self, at: usize) -> Read<Step> {
        if self.refused.is_some() {
            return None;
        }
        self.dot_field(at)
            .or_else(|| Some((Step::Everything, self.literal(at, "..*")?)))
            .or_else(|| self.recursive_field(at))
            .or_else(|| self.any_child(at))
            .or_else(|| self.subscript_field(at))
            .or_else(|| self.array_accessor(at))
            .or_else(|| self.filter(at))
    }

    fn dot_field(&mut self, at: usize) -> Read<Step> {
        let at = self.literal(at, ".")?;
        let (name, end) = self.field(at)?;
        Some((Step::Names(vec![name]), end))
    }

    fn recursive_field(&mut self, at: usize) -> Read<Step> {
        let at = self.literal(at, "..")?;
        let (name, end) = self.field(at)?;
        Some((Step::Named(name), end))
    }

    fn any_child(&mut self, at: usize) -> Read<Step> {
        let end = [".*", "['*']", "[\"*\"]"]
            .into_iter()
            .find_map(|literal| self.literal(at, literal))?;
        Some((Step::Members, end))
    }

    fn subscript_field(&mut self, at: usize) -> Read<Step> {
        let mut at = self.literal(at, "[")?;
        let mut names = Vec::new();
        if let Some((name, end)) = self.quoted(at, false) {
            names.push(name);
            at = end;
            while let Some((name, end)) =
                self.literal(at, ",").and_then(|at| self.quoted(at, false))
            {
                names.push(name);
                at = end;
            }
        }
        Some((Step::Names(names), self.literal(at, "]")?))
    }

    fn array_accessor(&mut self, at: usize) -> Read<Step> {
        let at = self.literal(at, "[")?;
        let (step, at) = self
            .literal(at, "*")
            .map(|end| (Step::Elements, end))
            .or_else(|| {
                let (start, end) = self.number(at)?;
                self.slice(end, Some(start))
            })
            .or_else(|| self.indices(at))
            .or_else(|| self.slice(at, None))?;
        Some((step, self.literal(at, "]")?))
    }

    /// What follows the first number of a slice.
    fn slice(&mut self, at: usize, start: Option<i32>) -> Read<Step> {
        let mut at = self.literal(at, ":")?;
        let mut end = None;
        if let Some((number, behind)) = self.number(at) {
            (end, at) = (Some(number), behind);
        }
        let mut step = 1;
        if let Some(behind) = self.literal(at, ":") {
            at = behind;
            if let Some((number, behind)) = self.number(at) {
                (step, at) = (number, behind);
            }
        }
        if step == 0 {
            return self
                .refuse("requirement failed: size=0 and step=0, but both must be positive".into());
        }
        Some((Step::Slice(start, end, step), at))
    }

    fn indices(&mut self, at: usize) -> Read<Step> {
        let (first, mut at) = self.number(at)?;
        let mut indices = vec![first];
        while let Some((index, end)) = self.literal(at, ",").and_then(|at| self.number(at)) {
            indices.push(index);
            at = end;
        }
        Some((Step::Indices(indices), at))
    }

    fn filter(&mut self, at: usize) -> Read<Step> {
        let at = self.literal(at, "[?(")?;
        if self.filters == MAX_FILTERS {
            return self.refuse(format!(
                "More than {MAX_FILTERS} filters stand in each other"
            ));
        }
        self.filters += 1;
        let condition = self.condition(at);
        self.filters -= 1;
        let (condition, at) = condition?;
        let step = Step::ChildrenWith(Box::new(condition));
        Some((step, self.literal(at, ")]")?))
    }

    /// `&&` binds closer than `||`.
    fn condition(&mut self, at: usize) -> Read<Condition> {
        let (first, mut at) = self.comparison(at)?;
        let mut any = vec![vec![first]];
        loop {
            let (is_and, behind) = match self.literal(at, "&&") {
                Some(behind) => (true, behind),
                None => match self.literal(at, "||") {
                    Some(behind) => (false, behind),
                    None => break,
                },
            };
            let Some((next, end)) = self.comparison(behind) else {
                break;
            };
            match any.last_mut() {
                Some(all) if is_and => all.push(next),
                _ => any.push(vec![next]),
            }
            at = end;
        }
        let alternatives = any.into_iter().map(Condition::All).collect();
        Some((Condition::Any(alternatives), at))
    }

    fn comparison(&mut self, at: usize) -> Read<Condition> {
        if let Some((path, at)) = self.inner_path(at) {
            let compared = self.operator(at).and_then(|(operator, at)| {
                let right = match self.inner_path(at) {
                    Some((path, end)) => Some((Operand::Path(path), end)),
                    None => self.value(at),
                };
                let (right, end) = right?;
                Some((operator, right, end))
            });
            return Some(match compared {
                Some((operator, right, end)) => {
                    (Condition::First(Operand::Path(path), operator, right), end)
                }
                None => (Condition::Exists(path), at),
            });
        }
        let (left, at) = self.value(at)?;
        let (operator, at) = self.operator(at)?;
        let (path, end) = self.inner_path(at)?;
        Some((Condition::First(left, operator, Operand::Path(path)), end))
    }

    fn inner_path(&mut self, at: usize) -> Read<Path> {
        let (from_root, at) = match self.literal(at, "@") {
            Some(at) => (false, at),
            None => (true, self.literal(at, "$")?),
        };
        let (steps, end) = self.steps(at);
        Some((Path { from_root, steps }, end))
    }

    fn operator(&mut self, at: usize) -> Read<Comparison> {
        [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find_map(|(text, operator)| Some((operator, self.literal(at, text)?)))
    }

    fn value(&mut self, at: usize) -> Read<Operand> {
        let word = |parser: &mut Self, text, value| Some((value, parser.literal(at, text)?));
        let (value, end) = word(self, "true", Value::Bool(true))
            .or_else(|| word(self, "false", Value::Bool(false)))
            .or_else(|| self.number_value(at))
            .or_else(|| word(self, "null", Value::Null))
            .or_else(|| {
                let (text, end) = self.quoted(at, true)?;
                Some((Value::string(text), end))
            })?;
        Some((Operand::Literal(value), end))
    }

    fn number_value(&mut self, at: usize) -> Read<Value<'static>> {
        let (text, end) = self.matching(at, &NUMBER_VALUE_TOKEN, NUMBER_VALUE)?;
        let token = if text.contains('.') {
            text.parse::<f64>().ok().map(|double| format!("{double:?}"))
        } else {
            text.parse::<i64>().ok().map(|long| long.to_string())
        };
        match token {
            Some(token) => {
                let number = Number {
                    token: token.into(),
                };
                Some((Value::Number(number), end))
            }
            None => self.refuse(format!("For input string: \"{text}\"")),
        }
    }
}
