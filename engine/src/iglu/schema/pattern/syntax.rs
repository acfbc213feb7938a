//! Rhino's reading of a regular expression (no flags): what ECMA 262 (3rd to 5th edition) asks for and the
//! leniencies of web browsers; no look-behind, no named groups, no Unicode properties.

use super::sets::{class_escape, dot, negate, normalize};

/// Deeper nesting of groups counts as a syntax error (Rhino overflows its stack).
const MAX_NESTING: usize = 200;
/// Greatest count of a quantifier and number of a back-reference.
const MAX_NUMBER: u32 = 0xffff;

/// A regular expression over UTF-16 code units.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Empty,
    /// One code unit out of a set of sorted, disjoint ranges; a single unit is a set, too.
    Set(Vec<(u16, u16)>),
    Start,
    End,
    WordBoundary,
    NotWordBoundary,
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    /// A capturing group.
    Group(usize, Box<Node>),
    Look {
        negative: bool,
        body: Box<Node>,
    },
    /// The text of a group, by its index.
    Reference(usize),
    Repeat {
        body: Box<Node>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        /// Capturing groups inside, which each round resets.
        groups: (usize, usize),
    },
}

/// A tree with the number of its capturing groups.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) groups: usize,
}

/// Parses `source`; `None` for a syntax error.
pub(super) fn parse(source: &str) -> Option<Tree> {
    let units: Vec<u16> = source.encode_utf16().collect();
    let mut first = Parser::new(&units, usize::MAX);
    let root = first.whole()?;
    if first.greatest_reference <= first.groups {
        return Some(Tree {
            root,
            groups: first.groups,
        });
    }
    // a number beyond the number of groups is no reference but an octal escape
    let mut second = Parser::new(&units, first.groups);
    Some(Tree {
        root: second.whole()?,
        groups: second.groups,
    })
}

struct Parser<'u> {
    units: &'u [u16],
    at: usize,
    groups: usize,
    nesting: usize,
    reference_limit: usize,
    greatest_reference: usize,
}

impl<'u> Parser<'u> {
    fn new(units: &'u [u16], reference_limit: usize) -> Self {
        Self {
            units,
            at: 0,
            groups: 0,
            nesting: 0,
            reference_limit,
            greatest_reference: 0,
        }
    }

    /// The unit at `index` if it is ASCII, 0xff if it is not.
    fn ascii_at(&self, index: usize) -> Option<u8> {
        self.units.get(index).map(|unit| {
            u8::try_from(*unit)
                .ok()
                .filter(u8::is_ascii)
                .unwrap_or(0xff)
        })
    }

    fn peek(&self) -> Option<u8> {
        self.ascii_at(self.at)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn whole(&mut self) -> Option<Node> {
        let root = self.choice()?;
        (self.at == self.units.len()).then_some(root)
    }

    fn choice(&mut self) -> Option<Node> {
        let mut alternatives = vec![self.sequence()?];
        while self.eat(b'|') {
            alternatives.push(self.sequence()?);
        }
        Some(if alternatives.len() == 1 {
            alternatives.pop()?
        } else {
            Node::Choice(alternatives)
        })
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut terms = Vec::new();
        while let Some(next) = self.peek() {
            if next == b'|' || next == b')' && self.nesting > 0 {
                break;
            }
            terms.push(self.term()?);
        }
        Some(match terms.len() {
            0 => Node::Empty,
            1 => terms.pop()?,
            _ => Node::Sequence(terms),
        })
    }

    /// An assertion, which takes no quantifier, or an atom with its quantifier.
    fn term(&mut self) -> Option<Node> {
        let unit = *self.units.get(self.at)?;
        let byte = self.peek()?;
        let before = self.groups;
        self.at += 1;
        let atom = match byte {
            b'^' => return Some(Node::Start),
            b'$' => return Some(Node::End),
            b'\\' => match self.peek()? {
                b'b' => {
                    self.at += 1;
                    return Some(Node::WordBoundary);
                }
                b'B' => {
                    self.at += 1;
                    return Some(Node::NotWordBoundary);
                }
                _ => self.escape()?,
            },
            b'(' => self.group()?,
            b'[' => self.class()?,
            b'.' => Node::Set(dot()),
            b')' | b'*' | b'+' | b'?' => return None,
            _ => single(unit),
        };
        self.quantifier(atom, before)
    }

    fn group(&mut self) -> Option<Node> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return None;
        }
        let kind = match (self.peek(), self.ascii_at(self.at + 1)) {
            (Some(b'?'), Some(kind @ (b'=' | b'!' | b':'))) => {
                self.at += 2;
                kind
            }
            _ => 0,
        };
        let index = self.groups;
        if kind == 0 {
            self.groups += 1;
        }
        let body = self.choice()?;
        if !self.eat(b')') {
            return None;
        }
        self.nesting -= 1;
        Some(match kind {
            b':' => body,
            0 => Node::Group(index, Box::new(body)),
            kind => Node::Look {
                negative: kind == b'!',
                body: Box::new(body),
            },
        })
    }

    fn quantifier(&mut self, body: Node, before: usize) -> Option<Node> {
        let (min, max) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => match self.counts()? {
                Some(counts) => counts,
                None => return Some(body),
            },
            _ => return Some(body),
        };
        self.at += 1;
        let greedy = !self.eat(b'?');
        Some(Node::Repeat {
            body: Box::new(body),
            min,
            max,
            greedy,
            groups: (before, self.groups),
        })
    }

    /// `{n}`, `{n,}` or `{n,m}`, up to the closing bracket; anything else is literal (inner `None`).
    fn counts(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let start = self.at;
        self.at += 1;
        let mut counts = None;
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let min = self.number()?;
            let mut max = Some(min);
            if self.eat(b',') {
                max = None;
                // a digit that ends the pattern is not looked at
                let digit = self.peek().is_some_and(|byte| byte.is_ascii_digit());
                if digit && self.at + 1 < self.units.len() {
                    let most = self.number()?;
                    if min > most {
                        return None;
                    }
                    max = Some(most);
                }
            }
            if self.peek() == Some(b'}') {
                counts = Some((min, max));
            }
        }
        if counts.is_none() {
            self.at = start;
        }
        Some(counts)
    }

    /// A decimal number; `None` when it is too large.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value = value * 10 + u32::from(digit - b'0');
            if value > MAX_NUMBER {
                return None;
            }
            self.at += 1;
        }
        Some(value)
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Option<Node> {
        let unit = *self.units.get(self.at)?;
        let byte = self.peek()?;
        let start = self.at;
        self.at += 1;
        Some(match byte {
            b'0' => single(self.octal(0)),
            b'1'..=b'9' => {
                self.at = start;
                let number = usize::try_from(self.number()?).ok()?;
                if number <= self.reference_limit {
                    self.greatest_reference = self.greatest_reference.max(number);
                    return Some(Node::Reference(number - 1));
                }
                self.at = start;
                if byte >= b'8' {
                    return Some(single(u16::from(b'\\')));
                }
                self.at += 1;
                single(self.octal(u16::from(byte - b'0')))
            }
            b'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    single(u16::from(letter & 0x1f))
                }
                _ => {
                    self.at = start;
                    single(u16::from(b'\\'))
                }
            },
            b'x' => single(self.hex(2).unwrap_or(unit)),
            b'u' => single(self.hex(4).unwrap_or(unit)),
            _ => match class_escape(byte) {
                Some(set) => Node::Set(set),
                None => single(control_escape(byte).unwrap_or(unit)),
            },
        })
    }

    /// Octal digits behind a first one, as long as the value stays below 0o400.
    fn octal(&mut self, first: u16) -> u16 {
        let mut value = first;
        while value < 0o40 {
            match self.peek() {
                Some(digit @ b'0'..=b'7') => {
                    self.at += 1;
                    value = value * 8 + u16::from(digit - b'0');
                }
                _ => break,
            }
        }
        value
    }

    /// Exactly `count` hexadecimal digits, or nothing is consumed.
    fn hex(&mut self, count: usize) -> Option<u16> {
        let mut value = 0_u16;
        for offset in 0..count {
            let digit = char::from(self.ascii_at(self.at + offset)?).to_digit(16)?;
            value = value << 4 | u16::try_from(digit).ok()?;
        }
        self.at += count;
        Some(value)
    }

    /// A class, from behind its opening bracket to behind its closing one.
    fn class(&mut self) -> Option<Node> {
        let mut end = self.at;
        loop {
            match self.ascii_at(end)? {
                b'\\' => end += 1,
                b']' => break,
                _ => {}
            }
            end += 1;
        }
        let negative = self.eat(b'^') && self.at <= end;
        let mut ranges = Vec::new();
        let mut from: Option<u16> = None;
        while self.at < end {
            let unit = match self.class_member(end)? {
                Member::Unit(unit) => unit,
                Member::Set(set) => {
                    // a range cannot end in a set: its hyphen is a literal
                    if let Some(start) = from.take() {
                        ranges.extend([(start, start), (u16::from(b'-'), u16::from(b'-'))]);
                    }
                    ranges.extend(set);
                    continue;
                }
            };
            if let Some(start) = from.take() {
                if start > unit {
                    return None;
                }
                ranges.push((start, unit));
            } else if self.at + 1 < end && self.peek() == Some(b'-') {
                self.at += 1;
                from = Some(unit);
            } else {
                ranges.push((unit, unit));
            }
        }
        self.at = end + 1;
        let ranges = normalize(ranges);
        Some(Node::Set(if negative { negate(&ranges) } else { ranges }))
    }

    fn class_member(&mut self, end: usize) -> Option<Member> {
        let unit = *self.units.get(self.at)?;
        let byte = self.peek()?;
        self.at += 1;
        if byte != b'\\' {
            return Some(Member::Unit(unit));
        }
        let unit = *self.units.get(self.at)?;
        let byte = self.peek()?;
        let start = self.at;
        self.at += 1;
        let backslash = u16::from(b'\\');
        Some(Member::Unit(match byte {
            b'b' => 8,
            b'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() && self.at < end => {
                    self.at += 1;
                    u16::from(letter & 0x1f)
                }
                _ => {
                    self.at = start;
                    backslash
                }
            },
            b'x' | b'u' => {
                let count = if byte == b'x' { 2 } else { 4 };
                match self.hex(count).filter(|_| self.at <= end) {
                    Some(value) => value,
                    None => {
                        self.at = start;
                        backslash
                    }
                }
            }
            b'0'..=b'7' => {
                let mut value = u16::from(byte - b'0');
                for _ in 0..2 {
                    match self.peek() {
                        Some(digit @ b'0'..=b'7')
                            if value * 8 + u16::from(digit - b'0') <= 0o377 =>
                        {
                            self.at += 1;
                            value = value * 8 + u16::from(digit - b'0');
                        }
                        _ => break,
                    }
                }
                value
            }
            _ => match class_escape(byte) {
                Some(set) => return Some(Member::Set(set)),
                None => control_escape(byte).unwrap_or(unit),
            },
        }))
    }
}

enum Member {
    Unit(u16),
    Set(Vec<(u16, u16)>),
}

fn single(unit: u16) -> Node {
    Node::Set(vec![(unit, unit)])
}

fn control_escape(byte: u8) -> Option<u16> {
    Some(match byte {
        b'f' => 0x0c,
        b'n' => 0x0a,
        b'r' => 0x0d,
        b't' => 0x09,
        b'v' => 0x0b,
        _ => return None,
    })
}
