//! Follows a compiled path through a JSON, step by step: each step turns the values found so far into
//! those that they lead to. No step recurses, so a deep JSON needs no deep stack.

use std::cell::Cell;
use std::collections::HashSet;

use super::Value;
use super::condition::Condition;

/// Values that a path may visit before it has to select every value only once.
const VISITS: u64 = 1 << 20;
/// Values that the conditions of filters may visit after that.
const LAST_VISITS: u64 = 1 << 23;

/// A compiled path: where it starts, and its steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Path {
    /// Inside of a filter: whether it starts at the root (`$`) and not at the value under test (`@`).
    pub(super) from_root: bool,
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Members of an object by their names, as far as they exist, in the order of the names.
    Names(Vec<String>),
    /// All members of an object.
    Members,
    /// All elements of an array.
    Elements,
    /// All members of an object or elements of an array.
    Children,
    /// Elements by their numbers, negative ones from the end, in the order of the numbers.
    Indices(Vec<i32>),
    /// Gatling's slice. The last is the step, not 0.
    Slice(Option<i32>, Option<i32>, i32),
    /// Jayway's slice: at least one end is given.
    Range(Option<i32>, Option<i32>),
    /// Gatling's filter: children for which the condition holds.
    ChildrenWith(Box<Condition>),
    /// Jayway's filter: elements for which the condition holds, or the object for which it does.
    Filter(Box<Condition>),
    /// Gatling's `..name`
    Named(String),
    /// Gatling's `..*`
    Everything,
    /// Jayway's `..` with the step behind it, which applies to everything.
    Scan(Box<Step>),
}

impl Path {
    /// Whether it selects one value at most, whatever the JSON.
    pub(super) fn is_definite(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Names(names) => names.len() == 1,
            Step::Indices(indices) => indices.len() == 1,
            _ => false,
        })
    }
}

/// How a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every way to a value counts, as far as the visits last.
    Exact,
    /// Every value counts once.
    Once,
}

/// The address of a value: distinct for all values of one JSON.
pub(super) fn identity(value: &Value<'_>) -> usize {
    std::ptr::from_ref(value).addr()
}

/// Members of an object, elements of an array, nothing of others.
pub(super) fn children<'v, 'j>(
    value: &'v Value<'j>,
) -> impl DoubleEndedIterator<Item = &'v Value<'j>> {
    let (items, members) = match value {
        Value::Array(items) => (items.as_slice(), [].as_slice()),
        Value::Object(members) => ([].as_slice(), members.as_slice()),
        _ => ([].as_slice(), [].as_slice()),
    };
    items.iter().chain(members.iter().map(|(_, member)| member))
}

/// All values that `path` selects. `unsure` is what a condition is when there is no time left to test it.
pub(super) fn select<'v, 'j>(path: &Path, root: &'v Value<'j>, unsure: bool) -> Vec<&'v Value<'j>> {
    let walk = Walk::new(root, VISITS, unsure);
    let found = walk.follow(path, root, Mode::Exact);
    if !walk.is_exhausted() {
        return found;
    }
    Walk::new(root, LAST_VISITS, unsure).follow(path, root, Mode::Once)
}

/// One evaluation.
pub(super) struct Walk<'v, 'j> {
    root: &'v Value<'j>,
    visits: Cell<u64>,
    unsure: bool,
}

impl<'v, 'j> Walk<'v, 'j> {
    fn new(root: &'v Value<'j>, visits: u64, unsure: bool) -> Self {
        Self {
            root,
            visits: Cell::new(visits),
            unsure,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.visits.get() == 0
    }

    fn visit(&self) {
        self.visits.set(self.visits.get().saturating_sub(1));
    }

    /// The values that a path inside of a filter selects for the value under test.
    pub(super) fn inner(&self, path: &Path, tested: &'v Value<'j>) -> Vec<&'v Value<'j>> {
        let start = if path.from_root { self.root } else { tested };
        self.follow(path, start, Mode::Exact)
    }

    /// The same of a path that selects one value at most.
    pub(super) fn inner_definite(
        &self,
        path: &Path,
        tested: &'v Value<'j>,
    ) -> Option<&'v Value<'j>> {
        let start = if path.from_root { self.root } else { tested };
        path.steps.iter().try_fold(start, |value, step| match step {
            Step::Names(names) => value.get(names.first()?),
            Step::Indices(indices) => element(value.as_array()?, i64::from(*indices.first()?)),
            _ => None,
        })
    }

    fn holds(&self, condition: &Condition, tested: &'v Value<'j>) -> bool {
        self.visit();
        if self.is_exhausted() {
            return self.unsure;
        }
        let holds = condition.holds(self, tested);
        if self.is_exhausted() {
            self.unsure
        } else {
            holds
        }
    }

    fn follow(&self, path: &Path, start: &'v Value<'j>, mode: Mode) -> Vec<&'v Value<'j>> {
        let mut found = vec![start];
        let mut steps = path.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let mut stage = Stage {
                walk: self,
                mode,
                is_last: steps.peek().is_none(),
                seen: HashSet::new(),
                found: Vec::with_capacity(found.len()),
            };
            for value in found {
                if stage.is_cut() {
                    break;
                }
                stage.apply(step, value);
            }
            found = stage.found;
            if mode == Mode::Once {
                let mut seen = HashSet::with_capacity(found.len());
                found.retain(|value| seen.insert(identity(value)));
            }
        }
        found
    }
}

/// One step of one evaluation.
struct Stage<'w, 'v, 'j> {
    walk: &'w Walk<'v, 'j>,
    mode: Mode,
    /// Whether no step follows.
    is_last: bool,
    /// What was searched through already, where every value counts once.
    seen: HashSet<usize>,
    found: Vec<&'v Value<'j>>,
}

impl<'v, 'j> Stage<'_, 'v, 'j> {
    /// Whether there is no use in going on.
    fn is_cut(&self) -> bool {
        self.mode == Mode::Exact && self.walk.is_exhausted()
    }

    fn add(&mut self, value: &'v Value<'j>) {
        if self.mode == Mode::Exact {
            self.walk.visit();
        }
        self.found.push(value);
    }

    /// Whether a search has to look into `value`.
    fn enter(&mut self, value: &'v Value<'j>) -> bool {
        match self.mode {
            Mode::Exact => {
                self.walk.visit();
                !self.walk.is_exhausted()
            }
            Mode::Once => self.seen.insert(identity(value)),
        }
    }

    fn add_all(&mut self, values: impl Iterator<Item = &'v Value<'j>>) {
        for value in values {
            if self.is_cut() {
                return;
            }
            self.add(value);
        }
    }

    fn apply(&mut self, step: &Step, value: &'v Value<'j>) {
        match (step, value) {
            (Step::Names(names), Value::Object(_)) => {
                self.add_all(names.iter().filter_map(|name| value.get(name)));
            }
            (Step::Members, Value::Object(_))
            | (Step::Elements, Value::Array(_))
            | (Step::Children, _) => self.add_all(children(value)),
            (Step::Indices(indices), Value::Array(items)) => {
                let elements = indices
                    .iter()
                    .filter_map(|&index| element(items, index.into()));
                self.add_all(elements);
            }
            (Step::Slice(start, end, step), Value::Array(items)) => {
                self.slice(items, *start, *end, *step);
            }
            (Step::Range(from, to), Value::Array(items)) => self.range(items, *from, *to),
            (Step::ChildrenWith(condition), _) => self.filter(children(value), condition),
            (Step::Filter(condition), Value::Array(items)) => self.filter(items.iter(), condition),
            (Step::Filter(condition), Value::Object(_)) => {
                self.filter(std::iter::once(value), condition);
            }
            (Step::Named(name), _) => self.named(name, value),
            (Step::Everything, _) => self.everything(value),
            (Step::Scan(step), _) => self.scan(step, value),
            _ => {}
        }
    }

    fn filter(&mut self, values: impl Iterator<Item = &'v Value<'j>>, condition: &Condition) {
        for value in values {
            if self.is_cut() {
                return;
            }
            if self.walk.holds(condition, value) {
                self.add(value);
            }
        }
    }

    /// With a negative step everything counts from the end.
    fn slice(&mut self, items: &'v [Value<'j>], start: Option<i32>, end: Option<i32>, step: i32) {
        let size = items.len() as i64;
        let relative = |end: i32| {
            let end = i64::from(end);
            let end = if step >= 0 { end } else { -1 - end };
            if end >= 0 { end } else { size + end }
        };
        let first = start.map_or(0, relative).clamp(0, size);
        let behind = end.map_or(size, relative).clamp(first, size);
        let numbers = (first..behind).step_by(step.unsigned_abs().max(1) as usize);
        let number = |n: i64| if step < 0 { size - 1 - n } else { n };
        self.add_all(numbers.filter_map(|n| element(items, number(n))));
    }

    /// Of both ends only the second is cut to the array; the first one may be negative and then counts
    /// from the end, element by element.
    fn range(&mut self, items: &'v [Value<'j>], from: Option<i32>, to: Option<i32>) {
        let size = items.len() as i64;
        let (from, to) = (from.map(i64::from), to.map(i64::from));
        let (first, behind) = match (from, to) {
            (Some(from), Some(to)) => (from.max(-size), to.min(size)),
            (Some(from), None) if from < 0 => ((size + from).max(0), size),
            (Some(from), None) => (from, size),
            (None, Some(to)) if to < 0 => (0, size + to),
            (None, Some(to)) => (0, to.min(size)),
            (None, None) => return,
        };
        self.add_all((first..behind).filter_map(|n| element(items, n)));
    }

    fn named(&mut self, name: &str, value: &'v Value<'j>) {
        // what is found, and what is still to be searched
        let mut open = vec![(false, value)];
        while let Some((is_found, value)) = open.pop() {
            if is_found {
                self.add(value);
            } else if self.enter(value) {
                match value {
                    Value::Object(members) => open.extend(
                        members
                            .iter()
                            .rev()
                            .map(|(key, member)| (key == name, member)),
                    ),
                    _ => open.extend(children(value).rev().map(|child| (false, child))),
                }
            }
            if self.is_cut() {
                return;
            }
        }
    }

    fn everything(&mut self, value: &'v Value<'j>) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if !self.enter(value) {
                continue;
            }
            if matches!(value, Value::Object(_)) {
                self.add_all(children(value));
            }
            if self.is_cut() {
                return;
            }
            open.extend(children(value).rev());
        }
    }

    fn scan(&mut self, step: &Step, value: &'v Value<'j>) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if !matches!(value, Value::Array(_) | Value::Object(_)) || !self.enter(value) {
                continue;
            }
            let is_concerned = match (step, value) {
                (Step::Indices(_) | Step::Range(..), _) => matches!(value, Value::Array(_)),
                (Step::Filter(condition), _) => self.walk.holds(condition, value),
                _ => true,
            };
            if is_concerned {
                match value {
                    // the library hands the elements of such an array to the step behind
                    Value::Array(_) if !self.is_last && !matches!(step, Step::Names(_)) => {
                        self.add_all(children(value));
                    }
                    _ => self.apply(step, value),
                }
            }
            if self.is_cut() {
                return;
            }
            open.extend(children(value).rev());
        }
    }
}

/// An element by its number, a negative one from the end.
fn element<'v, 'j>(items: &'v [Value<'j>], number: i64) -> Option<&'v Value<'j>> {
    let number = if number < 0 {
        items.len() as i64 + number
    } else {
        number
    };
    items.get(usize::try_from(number).ok()?)
}
