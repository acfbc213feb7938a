//! The patterns of most schemas (`^[a-z0-9-]+$`, `^[0-9a-f]{8}-...$`, the one of an Iglu URI) are an anchored
//! sequence of ASCII sets with counts in which no set overlaps with what may follow it. Such a sequence needs no automaton: each set
//! takes all it can. About one nanosecond a byte.

use super::syntax::{Node, Tree};

/// Steps that one sequence may have after repetitions are unrolled.
const MAX_STEPS: usize = 64;
/// Alternatives, each a whole anchored sequence.
const MAX_ALTERNATIVES: usize = 4;

/// One or more alternatives.
#[derive(Debug)]
pub(super) struct Sequences {
    alternatives: Vec<Sequence>,
}

#[derive(Debug)]
struct Sequence {
    parts: Vec<Part>,
    /// Whether the pattern ends in `$`.
    to_end: bool,
}

/// A step, made ready to run.
#[derive(Debug)]
enum Part {
    /// Exactly these bytes.
    Literal(Vec<u8>),
    /// Between `min` and `max` bytes that the table knows.
    Run {
        table: Box<[bool; 256]>,
        min: usize,
        max: usize,
    },
}

/// Between `min` and `max` bytes out of a set of ASCII characters.
#[derive(Debug, Clone, Copy)]
struct Step {
    set: [u64; 2],
    min: usize,
    max: usize,
}

impl Step {
    fn contains(&self, byte: u8) -> bool {
        byte < 0x80 && self.set[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.set[0] & other.set[0] != 0 || self.set[1] & other.set[1] != 0
    }
}

impl Sequences {
    /// The sequences of a pattern, if it is of that kind.
    pub(super) fn of(tree: &Tree) -> Option<Self> {
        let nodes = match &tree.root {
            Node::Choice(nodes) if nodes.len() <= MAX_ALTERNATIVES => nodes.as_slice(),
            node => std::slice::from_ref(node),
        };
        let alternatives = nodes.iter().map(Sequence::of).collect::<Option<Vec<_>>>()?;
        Some(Self { alternatives })
    }

    /// Whether one of the alternatives matches.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.alternatives
            .iter()
            .any(|sequence| sequence.is_match(text))
    }
}

impl Sequence {
    fn of(node: &Node) -> Option<Self> {
        let Node::Sequence(nodes) = node else {
            return None;
        };
        let [Node::Start, middle @ ..] = nodes.as_slice() else {
            return None;
        };
        let (middle, to_end) = match middle {
            [middle @ .., Node::End] => (middle, true),
            middle => (middle, false),
        };
        let mut steps = Vec::new();
        for node in middle {
            add(node, &mut steps)?;
        }
        let decided = steps.iter().enumerate().all(|(index, step)| {
            step.min == step.max || {
                let mut following = steps[index + 1..].iter();
                // what may stand behind this step: optional steps and the first required one
                following
                    .by_ref()
                    .take_while(|next| next.min == 0)
                    .all(|next| !step.overlaps(next))
                    && steps[index + 1..]
                        .iter()
                        .find(|next| next.min > 0)
                        .is_none_or(|next| !step.overlaps(next))
            }
        });
        decided.then(|| Self {
            parts: parts(&steps),
            to_end,
        })
    }

    fn is_match(&self, text: &[u8]) -> bool {
        let mut rest = text;
        for part in &self.parts {
            match part {
                Part::Literal(bytes) => match rest.strip_prefix(bytes.as_slice()) {
                    Some(tail) => rest = tail,
                    None => return false,
                },
                Part::Run { table, min, max } => {
                    let window = &rest[..rest.len().min(*max)];
                    let taken = window
                        .iter()
                        .position(|byte| !table[usize::from(*byte)])
                        .unwrap_or(window.len());
                    if taken < *min {
                        return false;
                    }
                    rest = &rest[taken..];
                }
            }
        }
        !self.to_end || rest.is_empty()
    }
}

/// Steps of one byte out of one become literals, the others get tables.
fn parts(steps: &[Step]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for step in steps {
        let mut bytes = (0..0x80_u8).filter(|byte| step.contains(*byte));
        if let (Some(byte), None, 1, 1) = (bytes.next(), bytes.next(), step.min, step.max) {
            match parts.last_mut() {
                Some(Part::Literal(literal)) => literal.push(byte),
                _ => parts.push(Part::Literal(vec![byte])),
            }
            continue;
        }
        let mut table = Box::new([false; 256]);
        for byte in (0..0x80_u8).filter(|byte| step.contains(*byte)) {
            table[usize::from(byte)] = true;
        }
        parts.push(Part::Run {
            table,
            min: step.min,
            max: step.max,
        });
    }
    parts
}

fn add(node: &Node, steps: &mut Vec<Step>) -> Option<()> {
    if steps.len() >= MAX_STEPS {
        return None;
    }
    match node {
        Node::Empty => {}
        Node::Set(ranges) => steps.push(Step {
            set: ascii_set(ranges)?,
            min: 1,
            max: 1,
        }),
        Node::Sequence(nodes) => {
            for node in nodes {
                add(node, steps)?;
            }
        }
        Node::Group(_, body) => add(body, steps)?,
        Node::Repeat { body, min, max, .. } => match (&**body, max) {
            (Node::Set(ranges), max) => steps.push(Step {
                set: ascii_set(ranges)?,
                min: usize::try_from(*min).ok()?,
                max: match max {
                    Some(max) => usize::try_from(*max).ok()?,
                    None => usize::MAX,
                },
            }),
            (body, Some(max)) if min == max => {
                for _ in 0..*max {
                    add(body, steps)?;
                }
            }
            _ => return None,
        },
        _ => return None,
    }
    Some(())
}

/// The set as a bit map, if it holds ASCII only.
fn ascii_set(ranges: &[(u16, u16)]) -> Option<[u64; 2]> {
    let mut set = [0_u64; 2];
    for (from, to) in ranges {
        if *to >= 0x80 {
            return None;
        }
        for unit in *from..=*to {
            set[usize::from(unit >> 6)] |= 1 << (unit & 63);
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn sequences(source: &str) -> Option<Sequences> {
        Sequences::of(&parse(source).expect("a valid pattern"))
    }

    #[test]
    fn usual_patterns_are_sequences() {
        for (source, good, bad) in [
            (
                "^iglu:[a-zA-Z0-9-_.]+/[a-zA-Z0-9-_]+/[0-9]+-[0-9]+-[0-9]+$",
                "iglu:a.b/c/1-0-0",
                "iglu:a.b/c/1-0",
            ),
            (
                "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$|^[0-9a-f]{16}$",
                "0123456789abcdef",
                "0123456789abcdeg",
            ),
            ("^s3://", "s3://x", "s3:/x"),
            ("^[a-z]*$", "", "A"),
            (r"^\d{4}-\d\d?$", "2018-7", "2018-777"),
            ("^[a-z]{2,3}[0-9]*-$", "abc-", "abcd-"),
        ] {
            let sequences = sequences(source).expect(source);
            assert!(sequences.is_match(good.as_bytes()), "{source} {good}");
            assert!(!sequences.is_match(bad.as_bytes()), "{source} {bad}");
        }
    }

    #[test]
    fn others_are_left_to_other_engines() {
        for source in [
            "a",
            "^a+a$",
            "^[a-z]+[0-9]*z$",
            "^[a-z]{2,3}[0-9]*x$",
            "^.*$",
            "^é$",
            "^(a|b)$",
            "^(ab)*$",
            "^a$b",
            r"^\D$",
            "^([a-z]{9}){9}{9}.$",
        ] {
            assert!(sequences(source).is_none(), "{source}");
        }
    }
}
