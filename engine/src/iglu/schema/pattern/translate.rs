//! From the tree to the `regex` crate, which needs time in proportion to the text. Only existence of a match
//! is asked for, so greediness and the choice among matches do not matter.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

use super::syntax::{Node, Tree};
use super::unit_as_char;

/// Bytes that one compiled expression, and each of its caches, may take.
const SIZE_LIMIT: usize = 4 << 20;

/// The expression for text in which surrogates are [`unit_as_char`]s; `None` for look-ahead, back-references
/// and expressions beyond the size limit.
pub(super) fn to_regex(tree: &Tree) -> Option<Regex> {
    let mut pattern = String::new();
    write(&tree.root, &mut pattern)?;
    RegexBuilder::new(&pattern)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(2_000)
        .build()
        .ok()
}

fn write(node: &Node, out: &mut String) -> Option<()> {
    match node {
        Node::Empty => {}
        Node::Set(ranges) => write_set(ranges, out)?,
        Node::Start => out.push_str(r"\A"),
        Node::End => out.push_str(r"\z"),
        Node::WordBoundary => out.push_str(r"(?-u:\b)"),
        Node::Sequence(nodes) => {
            for node in nodes {
                write(node, out)?;
            }
        }
        Node::Choice(nodes) => {
            out.push_str("(?:");
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                write(node, out)?;
            }
            out.push(')');
        }
        Node::Group(_, body) => {
            out.push_str("(?:");
            write(body, out)?;
            out.push(')');
        }
        Node::Repeat { body, min, max, .. } => {
            out.push_str("(?:");
            write(body, out)?;
            out.push(')');
            match max {
                Some(max) => write!(out, "{{{min},{max}}}").ok()?,
                None => write!(out, "{{{min},}}").ok()?,
            }
        }
        Node::NotWordBoundary | Node::Look { .. } | Node::Reference(_) => return None,
    }
    Some(())
}

fn write_set(ranges: &[(u16, u16)], out: &mut String) -> Option<()> {
    if ranges.is_empty() {
        // matches nothing
        out.push_str(r"[a&&b]");
        return Some(());
    }
    out.push('[');
    for (from, to) in ranges {
        // parts below, among and above the surrogates
        for (low, high) in [(0, 0xd7ff), (0xd800, 0xdfff), (0xe000, 0xffff)] {
            let (from, to) = (*from.max(&low), *to.min(&high));
            if from <= to {
                let (from, to) = (u32::from(unit_as_char(from)), u32::from(unit_as_char(to)));
                write!(out, r"\x{{{from:x}}}-\x{{{to:x}}}").ok()?;
            }
        }
    }
    out.push(']');
    Some(())
}
