//! The template language of `config.yml`, as far as people use it: environment variables and comments.
//!
//! EmrEtlRunner ran the text through Ruby's ERB. Substitution happens in the text, before YAML is read, so a value is not
//! quoted. Anything else between `<%` and `%>` is refused with its line.

/// Replaces `<%= ENV['X'] %>`, `ENV["X"]`, `ENV.fetch('X')`, `ENV.fetch('X', 'default')` and `ENV['X'] || 'default'`,
/// drops `<%# comments %>`, and turns `<%%` into `<%`. An unset variable is the empty text.
///
/// # Errors
/// The line and the code that is not one of these, or `fetch` of an unset variable without default.
pub fn substitute(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("<%") {
        out.push_str(&rest[..start]);
        let line = 1 + text[..text.len() - rest.len() + start]
            .matches('\n')
            .count();
        let tag = &rest[start + 2..];
        if let Some(literal) = tag.strip_prefix('%') {
            out.push_str("<%");
            rest = literal;
            continue;
        }
        let Some(end) = tag.find("%>") else {
            return Err(format!("line {line}: `<%` without `%>`"));
        };
        let code = tag[..end].trim_end_matches('-').trim();
        rest = &tag[end + 2..];
        if code.starts_with('#') {
            continue;
        }
        let value = code
            .strip_prefix('=')
            .and_then(|expression| evaluate(expression.trim(), environment));
        match value {
            Some(Ok(value)) => out.push_str(&value),
            Some(Err(mistake)) => return Err(format!("line {line}: {mistake}")),
            None => {
                return Err(format!(
                    "line {line}: `<%{code}%>` is template code that is not supported: use <%= ENV['NAME'] %>"
                ));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of one expression; `None` when it is not a look-up of the environment.
fn evaluate(
    expression: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Result<String, String>> {
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
        let value = environment(name).or_else(|| default.map(str::to_owned));
        return Some(value.ok_or_else(|| format!("environment variable {name} is not set")));
    }
    let rest = expression.strip_prefix("ENV[")?;
    let (name, rest) = quoted(rest.trim_start())?;
    let rest = rest.trim_start().strip_prefix(']')?.trim();
    let default = match rest.strip_prefix("||") {
        Some(default) => Some(whole_quoted(default.trim())?),
        None if rest.is_empty() => None,
        None => return None,
    };
    let value = environment(name).or_else(|| default.map(str::to_owned));
    Some(Ok(value.unwrap_or_default()))
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

    fn run(text: &str) -> Result<String, String> {
        substitute(text, &|name| (name == "SET").then(|| "value".to_owned()))
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
            ("a: <%% b", "a: <% b"),
        ] {
            assert_eq!(run(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_its_line() {
        for (template, part) in [
            (
                "a:\nb: <%= `whoami` %>",
                "line 2: `<%= `whoami`%>` is template code",
            ),
            ("<% if true %>", "line 1"),
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
