//! A backtracking machine for the few patterns with look-ahead, back-references or `\B`, and for those whose automaton
//! would be too large. Its stack is on the heap, and its steps are bounded, so that no text can make it hang.

use super::syntax::{Node, Tree};

/// Instructions that one program may have.
const MAX_PROGRAM: usize = 400_000;
/// Steps that one search may take.
const MAX_STEPS: u64 = 5_000_000;
/// No position.
const UNSET: usize = usize::MAX;

/// A compiled program.
#[derive(Debug)]
pub(super) struct Program {
    code: Vec<Op>,
    sets: Vec<Vec<(u16, u16)>>,
    /// Two for each group, then one for each loop.
    registers: usize,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Unit(u16),
    Set(usize),
    Start,
    End,
    Boundary(bool),
    /// Tries the first address, then the second.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    /// Unsets the registers of a range.
    Reset(usize, usize),
    /// Fails if no progress was made since the register was saved.
    Progress(usize),
    Reference(usize),
    /// A look-ahead whose body follows; goes on at the address.
    Look {
        negative: bool,
        next: usize,
    },
    Match,
}

enum Undo {
    /// Try this address and position.
    Branch(usize, usize),
    /// Restore a register.
    Register(usize, usize),
}

impl Program {
    /// The program of a tree; `None` when it would be too large.
    pub(super) fn of(tree: &Tree) -> Option<Self> {
        let mut program = Self {
            code: Vec::new(),
            sets: Vec::new(),
            registers: tree.groups * 2,
        };
        program.emit(&tree.root)?;
        program.push(Op::Match)?;
        Some(program)
    }

    fn push(&mut self, op: Op) -> Option<usize> {
        if self.code.len() >= MAX_PROGRAM {
            return None;
        }
        self.code.push(op);
        Some(self.code.len() - 1)
    }

    fn emit(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Empty => {}
            Node::Set(ranges) => match ranges.as_slice() {
                [(from, to)] if from == to => {
                    self.push(Op::Unit(*from))?;
                }
                _ => {
                    self.sets.push(ranges.clone());
                    self.push(Op::Set(self.sets.len() - 1))?;
                }
            },
            Node::Start => {
                self.push(Op::Start)?;
            }
            Node::End => {
                self.push(Op::End)?;
            }
            Node::WordBoundary => {
                self.push(Op::Boundary(true))?;
            }
            Node::NotWordBoundary => {
                self.push(Op::Boundary(false))?;
            }
            Node::Sequence(nodes) => {
                for node in nodes {
                    self.emit(node)?;
                }
            }
            Node::Choice(nodes) => self.emit_choice(nodes)?,
            Node::Group(index, body) => {
                self.push(Op::Save(index * 2))?;
                self.emit(body)?;
                self.push(Op::Save(index * 2 + 1))?;
            }
            Node::Look { negative, body } => {
                let look = self.push(Op::Match)?;
                self.emit(body)?;
                self.push(Op::Match)?;
                self.code[look] = Op::Look {
                    negative: *negative,
                    next: self.code.len(),
                };
            }
            Node::Reference(index) => {
                self.push(Op::Reference(*index))?;
            }
            Node::Repeat {
                body,
                min,
                max,
                greedy,
                groups,
            } => {
                for _ in 0..*min {
                    self.emit_round(body, *groups)?;
                }
                match max {
                    Some(max) => {
                        let mut exits = Vec::new();
                        for _ in *min..*max {
                            exits.push(self.push(Op::Match)?);
                            self.emit_progressing(body, *groups)?;
                        }
                        let end = self.code.len();
                        for exit in exits {
                            self.code[exit] = split(exit + 1, end, *greedy);
                        }
                    }
                    None => {
                        let start = self.push(Op::Match)?;
                        self.emit_progressing(body, *groups)?;
                        self.push(Op::Jump(start))?;
                        self.code[start] = split(start + 1, self.code.len(), *greedy);
                    }
                }
            }
        }
        Some(())
    }

    fn emit_choice(&mut self, nodes: &[Node]) -> Option<()> {
        let mut exits = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 == nodes.len() {
                self.emit(node)?;
                break;
            }
            let fork = self.push(Op::Match)?;
            self.emit(node)?;
            exits.push(self.push(Op::Match)?);
            self.code[fork] = split(fork + 1, self.code.len(), true);
        }
        let end = self.code.len();
        for exit in exits {
            self.code[exit] = Op::Jump(end);
        }
        Some(())
    }

    fn emit_round(&mut self, body: &Node, groups: (usize, usize)) -> Option<()> {
        if groups.0 < groups.1 {
            self.push(Op::Reset(groups.0 * 2, groups.1 * 2))?;
        }
        self.emit(body)
    }

    fn emit_progressing(&mut self, body: &Node, groups: (usize, usize)) -> Option<()> {
        if matches!(body, Node::Set(_)) {
            return self.emit(body);
        }
        let register = self.registers;
        self.registers += 1;
        self.push(Op::Save(register))?;
        self.emit_round(body, groups)?;
        self.push(Op::Progress(register))?;
        Some(())
    }

    /// Whether the program matches at any position of `text`.
    pub(super) fn is_match(&self, text: &[u16]) -> bool {
        let mut machine = Machine {
            program: self,
            text,
            registers: vec![UNSET; self.registers],
            undo: Vec::new(),
            steps: 0,
        };
        // a program that starts with `^` cannot match further on
        let last = if matches!(self.code.first(), Some(Op::Start)) {
            0
        } else {
            text.len()
        };
        for start in 0..=last {
            machine.registers.fill(UNSET);
            machine.undo.clear();
            match machine.run(0, start) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
        false
    }
}

fn split(body: usize, end: usize, greedy: bool) -> Op {
    if greedy {
        Op::Split(body, end)
    } else {
        Op::Split(end, body)
    }
}

struct Machine<'p> {
    program: &'p Program,
    text: &'p [u16],
    registers: Vec<usize>,
    undo: Vec<Undo>,
    steps: u64,
}

impl Machine<'_> {
    fn set(&mut self, register: usize, value: usize) {
        let old = std::mem::replace(&mut self.registers[register], value);
        if old != value {
            self.undo.push(Undo::Register(register, old));
        }
    }

    /// Runs from an address and position until `Match`; `None` when the steps are used up. Leaves the
    /// undo entries of a success on the stack.
    fn run(&mut self, mut address: usize, mut at: usize) -> Option<bool> {
        let floor = self.undo.len();
        loop {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return None;
            }
            let op = *self.program.code.get(address)?;
            address += 1;
            let good = match op {
                Op::Unit(unit) => {
                    let good = self.text.get(at) == Some(&unit);
                    at += 1;
                    good
                }
                Op::Set(index) => {
                    let good = self.text.get(at).is_some_and(|unit| {
                        self.program.sets[index]
                            .iter()
                            .any(|(from, to)| (*from..=*to).contains(unit))
                    });
                    at += 1;
                    good
                }
                Op::Start => at == 0,
                Op::End => at == self.text.len(),
                Op::Boundary(wanted) => self.is_boundary(at) == wanted,
                Op::Split(first, second) => {
                    self.undo.push(Undo::Branch(second, at));
                    address = first;
                    true
                }
                Op::Jump(next) => {
                    address = next;
                    true
                }
                Op::Save(register) => {
                    self.set(register, at);
                    true
                }
                Op::Reset(from, to) => {
                    for register in from..to {
                        self.set(register, UNSET);
                    }
                    true
                }
                Op::Progress(register) => self.registers[register] != at,
                Op::Reference(index) => {
                    let (start, end) = (self.registers[index * 2], self.registers[index * 2 + 1]);
                    if start == UNSET || end == UNSET {
                        true
                    } else {
                        let length = end.saturating_sub(start);
                        self.steps += length as u64;
                        let good = self.text.get(at..at + length) == self.text.get(start..end);
                        at += length;
                        good
                    }
                }
                Op::Look { negative, next } => {
                    let mark = self.undo.len();
                    let found = self.run(address, at)?;
                    // what was tried inside is settled; what it captured stays only if it succeeded
                    if found && !negative {
                        let tail = self.undo.split_off(mark);
                        self.undo
                            .extend(tail.into_iter().filter(|u| matches!(u, Undo::Register(..))));
                    } else {
                        self.rewind(mark);
                    }
                    address = next;
                    found != negative
                }
                Op::Match => return Some(true),
            };
            if !good {
                match self.backtrack(floor) {
                    Some((next, position)) => (address, at) = (next, position),
                    None => return Some(false),
                }
            }
        }
    }

    fn backtrack(&mut self, floor: usize) -> Option<(usize, usize)> {
        while self.undo.len() > floor {
            match self.undo.pop()? {
                Undo::Branch(address, at) => return Some((address, at)),
                Undo::Register(register, value) => self.registers[register] = value,
            }
        }
        None
    }

    /// Undoes everything above `mark` without taking a branch.
    fn rewind(&mut self, mark: usize) {
        while self.undo.len() > mark {
            if let Some(Undo::Register(register, value)) = self.undo.pop() {
                self.registers[register] = value;
            }
        }
    }

    fn is_boundary(&self, at: usize) -> bool {
        let is_word = |unit: Option<&u16>| {
            unit.and_then(|unit| u8::try_from(*unit).ok())
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        is_word(at.checked_sub(1).and_then(|before| self.text.get(before)))
            != is_word(self.text.get(at))
    }
}
