//! Writes a tree as YAML that every reader of YAML 1.1 or 1.2 takes for the same values.

use super::scalar::Meaning;
use super::{Kind, Node, Scalar};

/// The text of a tree, `---` first.
pub fn to_text(root: &Node) -> String {
    let mut out = String::from("---");
    value(root, 0, &mut out);
    out
}

/// Writes a value behind a key, a dash or the head; ends its line.
fn value(node: &Node, indent: usize, out: &mut String) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            let text = scalar_text(scalar);
            if !text.is_empty() {
                out.push(' ');
                out.push_str(&text);
            }
            out.push('\n');
        }
        Kind::List(items) if items.is_empty() => out.push_str(" []\n"),
        Kind::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Kind::List(items) => {
            out.push('\n');
            for item in items {
                push_indent(indent, out);
                out.push('-');
                value(item, indent + 1, out);
            }
        }
        Kind::Map(entries) => {
            out.push('\n');
            for entry in entries {
                push_indent(indent, out);
                out.push_str(&scalar_text(&Scalar::quoted(entry.key.clone())));
                out.push(':');
                value(&entry.value, indent + 1, out);
            }
        }
    }
}

fn push_indent(indent: usize, out: &mut String) {
    for _ in 0..indent {
        out.push_str("  ");
    }
}

/// A scalar without quotes where nobody can take it for something else; in the quotes of JSON, which YAML reads, otherwise.
fn scalar_text(scalar: &Scalar) -> String {
    match scalar.meaning() {
        Meaning::Null => String::new(),
        Meaning::Text(text) => {
            let is_safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                && matches!(Scalar::plain(text.to_owned()).meaning(), Meaning::Text(_))
                && !matches!(text, "y" | "Y" | "n" | "N");
            if is_safe {
                text.to_owned()
            } else {
                serde_json::Value::from(text).to_string()
            }
        }
        _ => scalar.text().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_values() {
        let text = "aws:\n  a: ''\n  b: null\n  c: [s3://x/, 'yes', yes, '5', 5, 010, \"t\\tab\\n\"]\n  'odd: key': {}\n  list: []\n  deep: [[1, {k: v}], []]\n  y: 'n'\n  time: 10:30\n";
        let (root, _) = parse(text).unwrap();
        let written = to_text(&root);
        assert!(written.starts_with("---\naws:\n"), "{written}");
        let (again, _) = parse(&written).unwrap();
        assert_eq!(meanings(&root), meanings(&again), "{written}");
        assert!(written.contains("\"yes\""), "{written}");
        assert!(written.contains("- \"5\""), "{written}");
        assert!(written.contains("\"n\""), "{written}");
    }

    /// All paths with what stands there.
    fn meanings(node: &Node) -> Vec<String> {
        match &node.kind {
            Kind::Scalar(scalar) => vec![format!("{:?}", scalar.meaning())],
            Kind::List(items) => {
                let mut found = vec!["[]".to_owned()];
                for (index, item) in items.iter().enumerate() {
                    found.extend(meanings(item).iter().map(|text| format!("{index} {text}")));
                }
                found
            }
            Kind::Map(entries) => {
                let mut found = vec!["{}".to_owned()];
                for entry in entries {
                    let below = meanings(&entry.value);
                    found.extend(below.iter().map(|text| format!("{} {text}", entry.key)));
                }
                found
            }
        }
    }
}
