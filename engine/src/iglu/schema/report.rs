//! The slow path: all messages about an instance, in the reference's order.
//!
//! Keywords run in alphabetical order, `format` last; then, if the report is still without error, the children: items
//! in order, members by name. `anyOf`, `oneOf`, `allOf` and `not` work on reports of their own. A broken reference
//! or a loop ends the validation with a message of level `fatal`, which then stands first.
//!
//! The reference has no limits; here a report ends after [`MAX_MESSAGES`] messages or [`MAX_BYTES`] of copied text, with a last
//! message that says so.

use std::borrow::Cow;

use super::check::{AlternativeBudget, is_listed};
use super::equality::{self, java_order};
use super::keywords;
use super::messages::{Draft, ValidationLoop, invalid_schema};
use super::model::{
    Additional, AnyRules, ArrayRules, Compiled, Dependency, Edge, Fatal, Items, LocationId, NodeId,
    ObjectRules, type_names, type_of,
};
use super::refs::push_token;
use crate::iglu::message::Message;
use crate::json::Value;

/// Messages that one report may hold, those inside other messages included.
pub(super) const MAX_MESSAGES: usize = 10_000;
/// Bytes of instance and schema that the messages of one report may repeat.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Levels of reports inside reports that are kept; those further in are left empty.
const MAX_NESTED_REPORTS: usize = 100;

/// Subschemas inside each other for which any stack has room.
const SHALLOW: usize = 100;
/// Subschemas inside each other on the large stack. The JSON reader bounds the instance; each of its levels may take several.
const DEEP: usize = 12_000;
/// Bytes of the large stack.
const LARGE_STACK: usize = 96 << 20;
const TOO_DEEP: &str = "instance and schema are nested too deeply";

/// Why a validation ended early.
pub(super) enum Stop {
    /// An exception of the reference.
    Thrown(Message),
    /// A limit of ours.
    Limit(&'static str),
    /// More levels than the stack has room for.
    Depth,
}

/// All messages about `value`; empty when it is valid. Deep nesting gets a thread with a stack of its own.
pub(super) fn validate(schema: &Compiled, value: &Value<'_>) -> Vec<Message> {
    if let Some(report) = validate_within(schema, value, SHALLOW) {
        return report;
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("deep validation".to_owned())
            .stack_size(LARGE_STACK)
            .spawn_scoped(scope, || validate_within(schema, value, DEEP))
            .ok()
            .and_then(|thread| thread.join().ok())
            .flatten()
            .unwrap_or_else(|| vec![Message::error(TOO_DEEP)])
    })
}

/// All messages, or `None` when there are more levels than `max_depth`.
fn validate_within(schema: &Compiled, value: &Value<'_>, max_depth: usize) -> Option<Vec<Message>> {
    let mut reporter = Reporter {
        schema,
        pointer: String::new(),
        visited: Vec::new(),
        max_depth,
        messages_left: MAX_MESSAGES,
        bytes_left: MAX_BYTES,
        budget: AlternativeBudget::new(schema, value),
        nesting: 0,
    };
    let mut report = Vec::new();
    match reporter.process(schema.root, value, &mut report) {
        Ok(()) => {}
        Err(Stop::Depth) => return None,
        Err(Stop::Thrown(mut thrown)) => {
            thrown.members.push((
                Cow::Borrowed("info"),
                Value::string("other messages follow (if any)"),
            ));
            report.insert(0, thrown);
        }
        Err(Stop::Limit(text)) => report.push(Message::error(text)),
    }
    Some(report)
}

struct Reporter<'s, 'i, 'a> {
    schema: &'s Compiled,
    /// Pointer to the value at hand.
    pointer: String,
    /// Schemas that are at work, each with the length of the pointer to its value.
    visited: Vec<(LocationId, usize)>,
    max_depth: usize,
    messages_left: usize,
    bytes_left: usize,
    budget: AlternativeBudget<'i, 'a>,
    /// Reports inside each other at this moment.
    nesting: usize,
}

/// What the sub-report of each alternative holds, and how many were empty.
type SubReports = (usize, Vec<(Cow<'static, str>, Value<'static>)>);

impl<'s> Reporter<'s, '_, '_> {
    fn process(
        &mut self,
        edge: Edge,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        self.enter(edge.at)?;
        let result = self.node(edge.node, value, report);
        self.visited.pop();
        result
    }

    /// Notes that a schema is applied to the value at hand; the same pair again is a loop.
    fn enter(&mut self, at: LocationId) -> Result<(), Stop> {
        let depth = self.pointer.len();
        let here = |location: LocationId| {
            let location = &self.schema.locations[location];
            (location.document, &*location.pointer)
        };
        let same_value = self
            .visited
            .iter()
            .rev()
            .take_while(|(_, length)| *length == depth);
        if self.schema.may_throw
            && same_value
                .clone()
                .any(|(location, _)| here(*location) == here(at))
        {
            let mut path: Vec<LocationId> = same_value.map(|(location, _)| *location).collect();
            path.reverse();
            return Err(Stop::Thrown(
                ValidationLoop {
                    schema: self.schema,
                    at,
                    pointer: &self.pointer,
                    path: &path,
                }
                .message(),
            ));
        }
        if self.visited.len() >= self.max_depth {
            return Err(Stop::Depth);
        }
        self.visited.push((at, depth));
        Ok(())
    }

    fn node(
        &mut self,
        id: NodeId,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        let node = &self.schema.nodes[id];
        match node.fatal.as_deref() {
            Some(Fatal::Reference(message)) => return Err(Stop::Thrown(message.clone())),
            Some(Fatal::Syntax(errors)) => {
                report.extend(errors.iter().cloned());
                return Err(Stop::Thrown(invalid_schema(report)));
            }
            None => {}
        }
        if node.trivial {
            return Ok(());
        }
        let at = node.location;
        let any = node.any.as_deref();
        let array = value.as_array().zip(node.array.as_deref());
        let object = value.as_object().and(node.object.as_deref());
        // alphabetical: additionalItems, additionalProperties, allOf, anyOf, dependencies, enum, max..., min..., multipleOf,
        // not, oneOf, pattern, required, type, uniqueItems; format
        if let Some((items, rules)) = array {
            self.tell(keywords::additional_items(rules, items), at, report)?;
        }
        if let Some(rules) = object {
            self.tell(keywords::additional_properties(rules, value), at, report)?;
        }
        if let Some(rules) = any {
            self.all_of_and_any_of(rules, at, value, report)?;
        }
        if let Some(rules) = object {
            self.dependencies(rules, at, value, report)?;
        }
        if let Some(enumeration) = any.and_then(|rules| rules.enumeration.as_ref())
            && !is_listed(enumeration, value)
        {
            self.tell(Some(keywords::not_in_enum(enumeration, value)), at, report)?;
        }
        if let Some((items, rules)) = array {
            self.tell(keywords::max_items(rules, items), at, report)?;
            self.tell(keywords::min_items(rules, items), at, report)?;
        }
        let string = value.as_str().zip(node.string.as_deref());
        if let Some((text, rules)) = string {
            self.tell(keywords::max_length(rules, text), at, report)?;
            self.tell(keywords::min_length(rules, text), at, report)?;
        }
        if let Some(rules) = object {
            self.tell(keywords::max_properties(rules, value), at, report)?;
            self.tell(keywords::min_properties(rules, value), at, report)?;
        }
        if let (Value::Number(number), Some(rules)) = (value, node.number.as_deref()) {
            self.tell(keywords::maximum(rules, number), at, report)?;
            self.tell(keywords::minimum(rules, number), at, report)?;
            self.tell(keywords::multiple_of(rules, number), at, report)?;
        }
        if let Some(rules) = any {
            self.not_and_one_of(rules, at, value, report)?;
        }
        if let Some((text, rules)) = string {
            self.tell(keywords::pattern(rules, text), at, report)?;
        }
        if let Some(rules) = object {
            self.tell(keywords::required(rules, value), at, report)?;
        }
        if node.types & type_of(value) == 0 {
            let names = || type_names(node.types);
            let found = type_names(type_of(value)).next().unwrap_or_default();
            self.tell(Some(keywords::wrong_type(found, names())), at, report)?;
        }
        if let Some((items, rules)) = array
            && rules.unique
            && !equality::all_unique(items)
        {
            self.tell(Some(keywords::duplicate_items()), at, report)?;
        }
        if let Some((text, rules)) = string {
            self.tell(keywords::format(rules, text), at, report)?;
        }
        if !report.is_empty() {
            return Ok(());
        }
        if let Some((items, rules)) = array {
            self.items(rules, items, report)?;
        }
        if let Some(rules) = object {
            self.members(rules, value, report)?;
        }
        Ok(())
    }

    /// Adds a message, if there is one, to the report.
    fn tell(
        &mut self,
        draft: Option<Draft>,
        at: LocationId,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        let Some(draft) = draft else {
            return Ok(());
        };
        let cost = draft.cost + self.pointer.len() + self.schema.locations[at].pointer.len();
        if self.messages_left == 0 || self.bytes_left < cost {
            return Err(Stop::Limit(
                "too many or too long validation messages: the rest is left out",
            ));
        }
        self.messages_left -= 1;
        self.bytes_left -= cost;
        report.push(draft.finish(self.schema, at, &self.pointer));
        Ok(())
    }

    fn child(
        &mut self,
        token: &str,
        edges: impl IntoIterator<Item = Edge>,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        let length = self.pointer.len();
        push_token(&mut self.pointer, token);
        let result = edges
            .into_iter()
            .try_for_each(|edge| self.process(edge, value, report));
        self.pointer.truncate(length);
        result
    }

    fn items(
        &mut self,
        rules: &'s ArrayRules,
        items: &[Value<'_>],
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        for (index, item) in items.iter().enumerate() {
            let edge = match &rules.items {
                Items::Each(edge) => *edge,
                Items::Tuple(tuple, rest) => tuple.get(index).copied().or(*rest),
            };
            match edge {
                Some(edge) => self.child(&index.to_string(), [edge], item, report)?,
                None if matches!(rules.items, Items::Each(_)) => break,
                None => {}
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        rules: &'s ObjectRules,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        let mut members: Vec<(&str, &Value<'_>)> = value
            .as_object()
            .unwrap_or_default()
            .iter()
            .map(|(name, member)| (&**name, member))
            .collect();
        members.sort_by(|a, b| java_order(a.0, b.0));
        for (name, member) in members {
            let mut edges: Vec<Edge> = rules
                .table
                .find(name, 0)
                .and_then(|(_, property)| property.schema)
                .into_iter()
                .collect();
            edges.extend(
                rules
                    .patterns
                    .iter()
                    .filter(|(pattern, _)| pattern.is_match(name))
                    .map(|(_, edge)| *edge),
            );
            if let (true, Additional::Schema(edge)) = (edges.is_empty(), rules.additional) {
                edges.push(edge);
            }
            self.child(name, edges, member, report)?;
        }
        Ok(())
    }

    fn dependencies(
        &mut self,
        rules: &'s ObjectRules,
        at: LocationId,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        for (name, rule) in &rules.dependencies {
            if value.get(name).is_none() {
                continue;
            }
            match rule {
                Dependency::Properties(names) => {
                    self.tell(keywords::dependency(name, names, value), at, report)?;
                }
                Dependency::Schema(edge) => self.process(*edge, value, report)?,
            }
        }
        Ok(())
    }

    fn all_of_and_any_of(
        &mut self,
        rules: &'s AnyRules,
        at: LocationId,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        let before = self.left();
        if !rules.all_of.is_empty() {
            let (matched, reports) = self.alternatives(&rules.all_of, value)?;
            let failed = matched < rules.all_of.len();
            self.refund(before, failed);
            let draft = failed.then(|| keywords::all_of(matched, rules.all_of.len(), reports));
            self.tell(draft, at, report)?;
        }
        let before = self.left();
        if !rules.any_of.is_empty() {
            let (matched, reports) = self.alternatives(&rules.any_of, value)?;
            self.refund(before, matched == 0);
            let draft = (matched == 0).then(|| keywords::any_of(rules.any_of.len(), reports));
            self.tell(draft, at, report)?;
        }
        Ok(())
    }

    fn not_and_one_of(
        &mut self,
        rules: &'s AnyRules,
        at: LocationId,
        value: &Value<'_>,
        report: &mut Vec<Message>,
    ) -> Result<(), Stop> {
        if let Some(edge) = rules.not {
            let before = self.left();
            let (matched, _) = self.alternatives(&[edge], value)?;
            self.refund(before, false);
            self.tell((matched == 1).then(keywords::matched_not), at, report)?;
        }
        if !rules.one_of.is_empty() {
            let before = self.left();
            let (matched, reports) = self.alternatives(&rules.one_of, value)?;
            self.refund(before, matched != 1);
            let draft =
                (matched != 1).then(|| keywords::one_of(matched, rules.one_of.len(), reports));
            self.tell(draft, at, report)?;
        }
        Ok(())
    }

    /// What is left of the bounds on messages.
    fn left(&self) -> (usize, usize) {
        (self.messages_left, self.bytes_left)
    }

    /// Messages of alternatives count only where they are `kept` in a report.
    fn refund(&mut self, before: (usize, usize), kept: bool) {
        if !kept {
            (self.messages_left, self.bytes_left) = before;
        }
    }

    /// Validates against each of `edges` with a report of its own.
    fn alternatives(&mut self, edges: &[Edge], value: &Value<'_>) -> Result<SubReports, Stop> {
        if !self.budget.spend(edges.len()) {
            return Err(Stop::Limit("too many alternatives to validate against"));
        }
        let mut matched = 0;
        let mut reports = Vec::with_capacity(edges.len());
        self.nesting += 1;
        for edge in edges {
            let mut report = Vec::new();
            self.process(*edge, value, &mut report)?;
            matched += usize::from(report.is_empty());
            if self.nesting <= MAX_NESTED_REPORTS {
                let messages = report
                    .into_iter()
                    .map(|message| Value::Object(message.members));
                reports.push((
                    Cow::Owned(self.schema.locations[edge.at].pointer.to_string()),
                    Value::Array(messages.collect()),
                ));
            }
        }
        self.nesting -= 1;
        Ok((matched, reports))
    }
}
