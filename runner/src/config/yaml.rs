//! The text of `config.yml` as a tree that remembers where each value stands and how it was written.
//!
//! EmrEtlRunner read the file with Ruby's Psych, a YAML 1.1 reader: `yes` is a boolean, `010` is eight, `1_000` is a
//! thousand. [`scalar`] decides so; the text of a scalar is kept as it was written, so that a message can say what to quote
//! and a loader gets what the operator wrote. Of two equal keys the last one counts, as there.

pub mod scalar;
pub mod write;

use granit_parser::{Event, Parser, ScalarStyle, Span};

pub use scalar::Scalar;

/// Most nodes of a tree, aliases replayed: an alias bomb ends here.
const MOST_NODES: usize = 100_000;
/// Deepest nesting of a tree.
const DEEPEST: usize = 64;

/// A value and the line on which it begins (1 is the first; 0 is nowhere).
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A text, number, boolean or nothing.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub line: usize,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The nothing that an empty file holds.
    pub fn null() -> Self {
        Self {
            line: 0,
            kind: Kind::Scalar(Scalar::null()),
        }
    }

    /// The value of a key of a map; of equal keys the last one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().rev().find(|entry| entry.key == key),
            _ => None,
        }
        .map(|entry| &entry.value)
    }

    /// The value of a key of a map, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.kind {
            Kind::Map(entries) => entries.iter_mut().rev().find(|entry| entry.key == key),
            _ => None,
        }
        .map(|entry| &mut entry.value)
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }
}

/// Something that a person should know about the text although it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Path of the key.
    pub path: String,
    /// What is odd.
    pub text: String,
    /// Where.
    pub line: usize,
}

/// Reads a text; nothing at all is null. Keys that are given twice are remarked.
///
/// # Errors
/// Line, column and what is wrong. Nothing of the text is repeated: it may hold secrets.
pub fn parse(text: &str) -> Result<(Node, Vec<Remark>), String> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: Vec::new(),
        nodes: 0,
        remarks: Vec::new(),
    };
    let root = reader.document().map_err(|mistake| {
        let place = match mistake.at {
            Some((line, column)) => format!("line {line}, column {column}: "),
            None => String::new(),
        };
        let hint = if has_tab_indent(text, mistake.at) {
            " (a line is indented with a tab: YAML takes blanks only)"
        } else {
            ""
        };
        format!("{place}{}{hint}", mistake.text)
    })?;
    Ok((root, reader.remarks))
}

/// Whether the line of a mistake, or one of the three before it, begins with a tab.
fn has_tab_indent(text: &str, at: Option<(usize, usize)>) -> bool {
    let Some((line, _)) = at else { return false };
    text.lines()
        .take(line)
        .skip(line.saturating_sub(4))
        .any(|line| line.trim_start_matches(' ').starts_with('\t'))
}

struct Mistake {
    at: Option<(usize, usize)>,
    text: String,
}

struct Reader<'t, I: Iterator<Item = granit_parser::ParseResult<'t>>> {
    events: I,
    /// Anchored nodes by the number of their anchor.
    anchors: Vec<(usize, Node)>,
    nodes: usize,
    remarks: Vec<Remark>,
}

impl<'t, I: Iterator<Item = granit_parser::ParseResult<'t>>> Reader<'t, I> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Mistake> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Mistake {
                at: Some((error.marker().line(), error.marker().col() + 1)),
                text: error.kind().to_string(),
            }),
            None => Err(Mistake {
                at: None,
                text: "the text ends too early".into(),
            }),
        }
    }

    /// The first document of the stream.
    fn document(&mut self) -> Result<Node, Mistake> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(Node::null()),
                event => {
                    let root = self.node(event, span, "", 0)?;
                    // what follows must be YAML too: a key after a broken indent would otherwise be lost silently
                    loop {
                        match self.next()? {
                            (Event::StreamEnd, _) => return Ok(root),
                            (Event::DocumentStart(..), span) => {
                                return Err(mistake(
                                    &span,
                                    "a second document begins (`---`): one is expected",
                                ));
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn node(
        &mut self,
        event: Event<'t>,
        span: Span,
        path: &str,
        depth: usize,
    ) -> Result<Node, Mistake> {
        self.nodes += 1;
        if self.nodes > MOST_NODES || depth > DEEPEST {
            return Err(mistake(&span, "too many or too deeply nested values"));
        }
        let line = span.start.line();
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is_text = tag.is_some_and(|tag| tag.suffix() == "str");
                let scalar = if plain && !is_text {
                    Scalar::plain(text.into_owned())
                } else {
                    Scalar::quoted(text.into_owned())
                };
                (Kind::Scalar(scalar), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    let place = format!("{path}[{}]", items.len());
                    items.push(self.node(event, span, &place, depth + 1)?);
                }
                (Kind::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Kind::Map(self.entries(path, depth)?), anchor),
            Event::Alias(anchor) => {
                let known = self.anchors.iter().find(|(known, _)| *known == anchor);
                let Some((_, node)) = known else {
                    return Err(mistake(&span, "an alias stands inside of what it names"));
                };
                let node = node.clone();
                self.nodes += size(&node);
                return Ok(Node { line, ..node });
            }
            _ => return Err(mistake(&span, "a value was expected")),
        };
        let node = Node { line, kind };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    /// The entries of a map, up to its end; `<<` brings in those of another map that are not given.
    fn entries(&mut self, path: &str, depth: usize) -> Result<Vec<Entry>, Mistake> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let (key, line) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, ..) => (text.into_owned(), span.start.line()),
                _ => return Err(mistake(&span, "a key must be a text")),
            };
            let place = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, &place, depth + 1)?;
            if key == "<<" {
                match value.kind {
                    Kind::Map(more) => merged.extend(more),
                    Kind::List(maps) => merged.extend(maps.into_iter().flat_map(|map| {
                        if let Kind::Map(more) = map.kind {
                            more
                        } else {
                            Vec::new()
                        }
                    })),
                    Kind::Scalar(_) => return Err(mistake(&span, "`<<` needs a map")),
                }
                continue;
            }
            if let Some(first) = entries.iter().position(|entry| entry.key == key) {
                let before = entries.remove(first);
                self.remarks.push(Remark {
                    path: place,
                    text: format!(
                        "given twice, on lines {} and {line}: the last one counts",
                        before.line
                    ),
                    line,
                });
            }
            entries.push(Entry { key, line, value });
        }
        for entry in merged {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

/// Nodes of a tree.
fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar(_) => 0,
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}

fn mistake(span: &Span, text: &str) -> Mistake {
    Mistake {
        at: Some((span.start.line(), span.start.col() + 1)),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(text).unwrap().0
    }

    #[test]
    fn values_know_their_lines() {
        let root = tree("# head\naws:\n  s3:\n    region: eu\n    list: [a, 'b']\n");
        let s3 = root.get("aws").and_then(|aws| aws.get("s3")).unwrap();
        let region = s3.get("region").unwrap();
        assert_eq!(
            (region.line, &region.kind),
            (4, &Kind::Scalar(Scalar::plain("eu".into())))
        );
        let Kind::List(items) = &s3.get("list").unwrap().kind else {
            panic!("no list");
        };
        assert_eq!(items[1].kind, Kind::Scalar(Scalar::quoted("b".into())));
        assert!(s3.get("none").is_none());
    }

    #[test]
    fn empty_texts_are_null_and_merges_are_merged() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            assert!(tree(text).is_null(), "{text}");
        }
        let root = tree("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n");
        let own = root.get("own").unwrap();
        let text = |key: &str| match &own.get(key).unwrap().kind {
            Kind::Scalar(scalar) => scalar.text().to_owned(),
            _ => panic!("no scalar"),
        };
        assert_eq!((text("x"), text("y")), ("1".into(), "3".into()));
    }

    #[test]
    fn keys_given_twice_are_remarked() {
        let (root, remarks) = parse("a:\n  b: 1\n  c: 2\n  b: 3\n").unwrap();
        assert_eq!(
            remarks,
            [Remark {
                path: "a.b".into(),
                text: "given twice, on lines 2 and 4: the last one counts".into(),
                line: 4
            }]
        );
        assert_eq!(
            root.get("a").unwrap().get("b").unwrap().kind,
            Kind::Scalar(Scalar::plain("3".into()))
        );
    }

    #[test]
    fn mistakes_name_line_and_column_and_no_text() {
        for (text, part) in [
            ("aws: [", "line 1"),
            ("a: 1\n b: s3cret\n", "line 2"),
            ("a:\n\tb: 1\n", "(a line is indented with a tab"),
            ("a: &x {b: *x}", "inside of what it names"),
            ("a: *none", "line 1"),
            ("{a: 1}: 2", "a key must be a text"),
            ("a: 1\n---\nb: 2\n", "a second document begins"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn hostile_texts_end() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &('b'..='k')
                .zip('a'..)
                .map(|(name, before)| {
                    format!(
                        "{name}: &{name} [{}]\n",
                        vec![format!("*{before}"); 10].join(",")
                    )
                })
                .collect::<String>();
        assert!(parse(&bomb).unwrap_err().contains("too many"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(200)).is_err());
        assert!(parse("\u{0}").is_err());
    }
}
