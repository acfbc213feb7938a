//! What is wrong or odd in a configuration, in one line each: `path.to.key: expected this, found that (hint)`.

use std::fmt;

/// One mistake, or one thing that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Path of the key, such as `aws.s3.buckets.raw.in[0]`; empty: the file as a whole.
    pub path: String,
    /// What is wrong.
    pub text: String,
    /// Line of the file, 1 being the first; 0: none.
    pub line: usize,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            ..Self::default()
        }
    }

    /// With the line where it stands.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.text)?;
        match (self.line, self.hint.as_str()) {
            (0, "") => Ok(()),
            (0, hint) => write!(f, " ({hint})"),
            (line, "") => write!(f, " (line {line})"),
            (line, hint) => write!(f, " (line {line}; {hint})"),
        }
    }
}

/// Problems, one a line.
pub fn lines(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    texts.join("\n")
}

/// The name of `known` that is nearest to `name`, if one is near enough to be meant.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.trim_start_matches(':').to_ascii_lowercase();
    let most = 1 + name.chars().count() / 4;
    known
        .into_iter()
        .map(|known| (distance(&name, &known.to_ascii_lowercase()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Fewest changes that make one text of the other: a character put in, taken out, replaced, or two neighbours swapped.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // longer words are no typing mistakes of each other, and a hostile key must not cost time
    if one.len() > 64 || other.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *b && *a == other[j - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_print_in_one_line() {
        let problem = Problem::new("a.b", "expected a text, found nothing");
        assert_eq!(problem.to_string(), "a.b: expected a text, found nothing");
        let problem = problem.at(7).hint("quote it");
        assert_eq!(
            problem.to_string(),
            "a.b: expected a text, found nothing (line 7; quote it)"
        );
    }

    #[test]
    fn near_names_are_found() {
        let known = ["processing", "archive", "in", "region", "log"];
        for (name, expected) in [
            ("procesing", Some("processing")),
            ("Processing", Some("processing")),
            ("archvie", Some("archive")),
            (":in", Some("in")),
            ("regions", Some("region")),
            ("lgo", Some("log")),
            ("bucket", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
