//! The template language of `config.yml`, as far as people use it: environment variables and comments.
//!
//! EmrEtlRunner ran the text through Ruby's ERB. Substitution happens in the text, before YAML is read, so a value is not
//! quoted. Anything else between `<%` and `%>` is refused with its line.

use std::collections::BTreeMap;

/// Longest expression that is read, in bytes.
const LONGEST_EXPRESSION: usize = 2000;

/// A text whose templates are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Variables that are not set and have no default, by the line of the result that asks for them (1 is the first).
    pub unset: BTreeMap<usize, String>,
    /// Those among them that stand inside of a longer value, which lacks a part now; comments are spared.
    pub holes: Vec<(usize, String)>,
}

/// Replaces `<%= ENV['X'] %>`, `ENV["X"]`, `ENV.fetch('X')`, `ENV.fetch('X', 'default')` and `ENV['X'] || 'default'`, where
/// `||` may stand several times; drops `<%# comments %>`, and turns `<%%` into `<%` and `%%>` into `%>`. An unset variable is the empty text.
///
/// # Errors
/// For each tag that is not one of these, or that fetches an unset variable without default: its line and its code.
pub fn substitute(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Filled, Vec<String>> {
    let mut filled = Filled {
        text: String::with_capacity(text.len()),
        ..Filled::default()
    };
    let mut mistakes = Vec::new();
    let mut rest = text;
    // line of the input and of the result at the end of `filled.text`
    let (mut line, mut out_line) = (1, 1);
    while let Some(start) = rest.find("<%") {
        let before = rest[..start].replace("%%>", "%>");
        let lines = before.matches('\n').count();
        (line, out_line) = (line + lines, out_line + lines);
        filled.text.push_str(&before);
        let tag = &rest[start + 2..];
        if let Some(literal) = tag.strip_prefix('%') {
            filled.text.push_str("<%");
            rest = literal;
            continue;
        }
        let Some(end) = tag.find("%>") else {
            mistakes.push(format!("line {line}: `<%` without `%>`"));
            rest = "";
            break;
        };
        let code = tag[..end].trim_end_matches('-').trim();
        let tag_lines = tag[..end].matches('\n').count();
        rest = &tag[end + 2..];
        if !code.starts_with('#') {
            let value = code
                .strip_prefix('=')
                .and_then(|expression| evaluate(expression.trim(), environment));
            match value {
                Some(Ok(Value { text: Some(value), .. })) => {
                    out_line += value.matches('\n').count();
                    filled.text.push_str(&value);
                }
                Some(Ok(Value { name, .. })) => {
                    if is_inside(&filled.text, rest) {
                        filled.holes.push((out_line, name.clone()));
                    }
                    filled.unset.insert(out_line, name);
                }
                Some(Err(mistake)) => mistakes.push(format!("line {line}: {mistake}")),
                None => mistakes.push(format!(
                    "line {line}: `<%{code}%>` is template code that is not supported: use <%= ENV['NAME'] %>"
                )),
            }
        }
        line += tag_lines;
    }
    filled.text.push_str(&rest.replace("%%>", "%>"));
    if mistakes.is_empty() {
        Ok(filled)
    } else {
        Err(mistakes)
    }
}

/// Whether a value goes on directly before or behind a place, and the line is no comment there.
fn is_inside(before: &str, behind: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let is_comment = line.trim_start().starts_with('#') || line.contains(" #");
    let is_value =
        |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && !"'\"[]{},".contains(c));
    !is_comment && (is_value(line.chars().last()) || is_value(behind.chars().next()))
}

/// A variable and its value or default; no text when it has neither.
struct Value {
    name: String,
    text: Option<String>,
}

/// The value of one expression; `None` when it is not a look-up of the environment.
fn evaluate(
    expression: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Result<Value, String>> {
    // each `||` is a call
    if expression.len() > LONGEST_EXPRESSION {
        return None;
    }
    if let Some(arguments) = expression
        .strip_prefix("ENV.fetch(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let (name, rest) = quoted(arguments.trim())?;
        let default = match rest.trim().strip_prefix(',') {
            Some(default) => Some(whole_quoted(default.trim())?),
            None if rest.trim().is_empty() => None,
            None => return None,
        };
        let text = environment(name).or_else(|| default.map(str::to_owned));
        return Some(match text {
            None => Err(format!("environment variable {name} is not set")),
            text => Ok(Value {
                name: name.to_owned(),
                text,
            }),
        });
    }
    let rest = expression.strip_prefix("ENV[")?;
    let (name, rest) = quoted(rest.trim_start())?;
    let rest = rest.trim_start().strip_prefix(']')?.trim();
    let otherwise = match rest.strip_prefix("||").map(str::trim) {
        Some(text) if text.starts_with("ENV") => Some(evaluate(text, environment)?),
        Some(text) => Some(Ok(Value {
            name: String::new(),
            text: Some(whole_quoted(text)?.to_owned()),
        })),
        None if rest.is_empty() => None,
        None => return None,
    };
    match (environment(name), otherwise) {
        (None, Some(Err(mistake))) => Some(Err(mistake)),
        (
            None,
            Some(Ok(Value {
                text: Some(text), ..
            })),
        )
        | (Some(text), _) => Some(Ok(Value {
            name: name.to_owned(),
            text: Some(text),
        })),
        // the first one is what people set
        (None, _) => Some(Ok(Value {
            name: name.to_owned(),
            text: None,
        })),
    }
}

/// A quoted text at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = &text[1..];
    let end = inner.find(quote)?;
    Some((&inner[..end], &inner[end + 1..]))
}

fn whole_quoted(text: &str) -> Option<&str> {
    quoted(text)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<Filled, Vec<String>> {
        substitute(text, &|name| match name {
            "SET" => Some("value".to_owned()),
            "LINES" => Some("1\n2".to_owned()),
            _ => None,
        })
    }

    fn run(text: &str) -> Result<String, String> {
        fill(text)
            .map(|filled| filled.text)
            .map_err(|mistakes| mistakes.join("\n"))
    }

    #[test]
    fn supported_forms() {
        for (template, expected) in [
            ("a: <%= ENV['SET'] %>", "a: value"),
            ("a: <%=ENV[\"SET\"]%>/x", "a: value/x"),
            ("a: <%= ENV['UNSET'] %>", "a: "),
            ("a: <%= ENV['UNSET'] || 'other' %>", "a: other"),
            ("a: <%= ENV.fetch('SET') %>", "a: value"),
            ("a: <%= ENV.fetch('UNSET', \"d\") -%>", "a: d"),
            ("a: 1<%# a comment %>", "a: 1"),
            ("a: <%% b %%>", "a: <% b %>"),
            ("a: <%= ENV['SET'] || 'other' %>", "a: value"),
            ("a: <%= ENV.fetch( 'SET' , 'd' ) %>", "a: value"),
            ("a: '<%= ENV['SET'] %>'", "a: 'value'"),
            ("a: <%= ENV['UNSET'] || ENV[\"SET\"] %>", "a: value"),
            ("a: <%= ENV['UNSET'] || ENV['NONE'] || 'x' %>", "a: x"),
            ("a: <%= ENV['UNSET'] || ENV.fetch('NONE', 'y') %>", "a: y"),
            ("a: <%= ENV['UNSET'] || ENV['NONE'] %>", "a: "),
            ("a: <%= ENV['SET'] || ENV.fetch('NONE') %>", "a: value"),
        ] {
            assert_eq!(run(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn unset_variables_are_known_by_their_lines() {
        let filled = fill("a: <%= ENV['LINES'] %>\n<%# x\n y %>b: <%= ENV['UNSET'] %>\n").unwrap();
        assert_eq!(filled.text, "a: 1\n2\nb: \n");
        assert_eq!(filled.unset, BTreeMap::from([(3, "UNSET".to_owned())]));
    }

    #[test]
    fn values_that_lack_a_part_are_known() {
        let text = "a: s3://<%= ENV['UNSET'] %>\nb: <%= ENV['UNSET'] %>/x\n# c/<%= ENV['UNSET'] %>\nd: {e: '<%= ENV['UNSET'] %>', f: 1}\ng: <%= ENV['UNSET'] %> # x\nh: 1 # <%= ENV['UNSET'] %>\ni: [<%= ENV['UNSET'] %>]\nj: x<%= ENV['SET'] %>";
        let holes = fill(text).unwrap().holes;
        let lines: Vec<usize> = holes.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2]);
        assert_eq!(holes[0].1, "UNSET");
    }

    #[test]
    fn all_mistakes_are_told() {
        let mistakes = fill("<% a %>\n<%= b\n %>\n<%= ENV.fetch('UNSET') %><%").unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes[2].starts_with("line 4: environment variable UNSET"));
    }

    #[test]
    fn the_rest_is_refused_with_its_line() {
        for (template, part) in [
            (
                "a:\nb: <%= `whoami` %>",
                "line 2: `<%= `whoami`%>` is template code",
            ),
            ("<% if true %>", "line 1"),
            (
                "a: <%= ENV['UNSET'] || ENV.fetch('NONE') %>",
                "line 1: environment variable NONE is not set",
            ),
            (
                "a: <%= ENV['SET'] || rand %>",
                "line 1: `<%= ENV['SET'] || rand%>` is template code",
            ),
            ("a: <%= ENV['SET'", "without `%>`"),
            (
                "\n\n<%= ENV.fetch('UNSET') %>",
                "line 3: environment variable UNSET is not set",
            ),
        ] {
            let error = run(template).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
