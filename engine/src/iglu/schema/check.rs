//! The fast path: a verdict without messages. No allocation for the usual schema; a look-up of a property is one
//! comparison, a length is mostly the number of bytes.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::equality;
use super::model::{
    Additional, AnyRules, ArrayRules, Compiled, Dependency, Enumeration, INTEGER, Items, NUMBER,
    NodeId, NumberRules, ObjectRules, STRING, StringRules, type_of,
};
use super::numbers::Num;
use crate::json::Value;

/// Subschemas inside each other that this path follows; deeper instances are left to the slow path, which has a larger stack.
const MAX_DEPTH: usize = 200;
/// Alternatives that any verdict may try.
const FREE_ALTERNATIVES: u64 = 1_000_000;

/// A bound on the alternatives (`allOf`, `anyOf`, `oneOf`, `not`) that are tried for one instance. Recursive ones multiply with
/// its depth; others cannot exceed the number of values times the number of alternatives in the schema.
pub(super) struct AlternativeBudget<'i, 'a> {
    instance: &'i Value<'a>,
    in_schema: u64,
    used: u64,
    limit: u64,
}

impl<'i, 'a> AlternativeBudget<'i, 'a> {
    /// The budget of one instance.
    pub(super) fn new(schema: &Compiled, instance: &'i Value<'a>) -> Self {
        Self {
            instance,
            in_schema: schema.alternatives,
            used: 0,
            limit: FREE_ALTERNATIVES,
        }
    }

    /// Takes `count`; false when the budget is exceeded.
    pub(super) fn spend(&mut self, count: usize) -> bool {
        self.used += count as u64;
        if self.used <= self.limit {
            return true;
        }
        if self.limit == FREE_ALTERNATIVES {
            self.limit += count_values(self.instance).saturating_mul(self.in_schema);
        }
        self.used <= self.limit
    }
}

fn count_values(value: &Value<'_>) -> u64 {
    let (mut count, mut pending) = (0, vec![value]);
    while let Some(value) = pending.pop() {
        count += 1;
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => pending.extend(members.iter().map(|(_, member)| member)),
            _ => {}
        }
    }
    count
}

/// Whether `value` is valid; `None` when a limit was reached.
pub(super) fn is_valid(schema: &Compiled, value: &Value<'_>) -> Option<bool> {
    let mut check = Check {
        schema,
        depth: 0,
        budget: AlternativeBudget::new(schema, value),
        stopped: false,
    };
    let valid = check.node(schema.root.node, value);
    (!check.stopped).then_some(valid)
}

struct Check<'s, 'i, 'a> {
    schema: &'s Compiled,
    depth: usize,
    budget: AlternativeBudget<'i, 'a>,
    stopped: bool,
}

impl<'s> Check<'s, '_, '_> {
    fn node(&mut self, id: NodeId, value: &Value<'_>) -> bool {
        let node = &self.schema.nodes[id];
        if node.trivial {
            return true;
        }
        match value {
            Value::String(text) => {
                if node.types & STRING == 0 {
                    return false;
                }
                if let Some(rules) = &node.string
                    && !string(rules, text)
                {
                    return false;
                }
            }
            Value::Number(value) => {
                let allowed = node.types & (INTEGER | NUMBER);
                if allowed == 0 {
                    return false;
                }
                match &node.number {
                    None => {
                        if allowed == INTEGER && !value.is_integer() {
                            return false;
                        }
                    }
                    Some(rules) => {
                        let value = Num::of(value);
                        if allowed == INTEGER && matches!(value, Num::Double(_))
                            || !number(rules, &value)
                        {
                            return false;
                        }
                    }
                }
            }
            Value::Array(items) => {
                if node.types & type_of(value) == 0 {
                    return false;
                }
                if let Some(rules) = &node.array
                    && !self.nested(|check| check.array(rules, items))
                {
                    return false;
                }
            }
            Value::Object(members) => {
                if node.types & type_of(value) == 0 {
                    return false;
                }
                if let Some(rules) = &node.object
                    && !self.nested(|check| check.object(rules, members, value))
                {
                    return false;
                }
            }
            Value::Null | Value::Bool(_) => {
                if node.types & type_of(value) == 0 {
                    return false;
                }
            }
        }
        match &node.any {
            None => true,
            Some(rules) => self.nested(|check| check.any(rules, value)),
        }
    }

    fn nested(&mut self, check: impl FnOnce(&mut Self) -> bool) -> bool {
        if self.depth >= MAX_DEPTH {
            self.stopped = true;
        }
        if self.stopped {
            return false;
        }
        self.depth += 1;
        let valid = check(self);
        self.depth -= 1;
        valid
    }

    fn array(&mut self, rules: &'s ArrayRules, items: &[Value<'_>]) -> bool {
        let length = items.len();
        if rules.min.is_some_and(|min| length < min)
            || rules.max.is_some_and(|max| length > max)
            || rules.most.is_some_and(|most| length > most)
        {
            return false;
        }
        let valid = match &rules.items {
            Items::Each(None) => true,
            Items::Each(Some(edge)) => items.iter().all(|item| self.node(edge.node, item)),
            Items::Tuple(tuple, rest) => items.iter().enumerate().all(|(index, item)| {
                tuple
                    .get(index)
                    .or(rest.as_ref())
                    .is_none_or(|edge| self.node(edge.node, item))
            }),
        };
        valid && (!rules.unique || equality::all_unique(items))
    }

    fn object(
        &mut self,
        rules: &'s ObjectRules,
        members: &[(Cow<'_, str>, Value<'_>)],
        value: &Value<'_>,
    ) -> bool {
        let length = members.len();
        if length < rules.required.len()
            || rules.min.is_some_and(|min| length < min)
            || rules.max.is_some_and(|max| length > max)
        {
            return false;
        }
        let (mut hint, mut required) = (0, 0);
        for (name, member) in members {
            let mut known = false;
            if let Some((index, property)) = rules.table.find(name, hint) {
                hint = index + 1;
                required += usize::from(property.required);
                if let Some(edge) = property.schema {
                    known = true;
                    if !self.node(edge.node, member) {
                        return false;
                    }
                }
            }
            for (pattern, edge) in &rules.patterns {
                if pattern.is_match(name) {
                    known = true;
                    if !self.node(edge.node, member) {
                        return false;
                    }
                }
            }
            if !known {
                match rules.additional {
                    Additional::Allowed => {}
                    Additional::Forbidden => return false,
                    Additional::Schema(edge) => {
                        if !self.node(edge.node, member) {
                            return false;
                        }
                    }
                }
            }
        }
        // names are unique in an instance
        required == rules.required.len()
            && (rules.dependencies.is_empty() || self.dependencies(rules, value))
    }

    fn dependencies(&mut self, rules: &'s ObjectRules, value: &Value<'_>) -> bool {
        rules.dependencies.iter().all(|(name, rule)| {
            value.get(name).is_none()
                || match rule {
                    Dependency::Properties(names) => {
                        names.iter().all(|name| value.get(name).is_some())
                    }
                    Dependency::Schema(edge) => self.node(edge.node, value),
                }
        })
    }

    fn any(&mut self, rules: &'s AnyRules, value: &Value<'_>) -> bool {
        if let Some(enumeration) = &rules.enumeration
            && !is_listed(enumeration, value)
        {
            return false;
        }
        if !self.budget.spend(rules.alternatives()) {
            self.stopped = true;
            return false;
        }
        if !rules.all_of.iter().all(|edge| self.node(edge.node, value)) {
            return false;
        }
        if !rules.any_of.is_empty() && !rules.any_of.iter().any(|edge| self.node(edge.node, value))
        {
            return false;
        }
        if !rules.one_of.is_empty() {
            let mut matched = 0;
            for edge in &rules.one_of {
                matched += usize::from(self.node(edge.node, value));
                if matched > 1 {
                    return false;
                }
            }
            if matched == 0 {
                return false;
            }
        }
        rules.not.is_none_or(|edge| !self.node(edge.node, value))
    }
}

fn string(rules: &StringRules, text: &str) -> bool {
    is_long_enough(text, rules.min)
        && is_short_enough(text, rules.max)
        && rules
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text))
        && rules.format.is_none_or(|format| format.accepts(text))
}

/// A code point takes one to four bytes.
fn is_long_enough(text: &str, min: Option<usize>) -> bool {
    min.is_none_or(|min| {
        text.len() >= min && (text.len().div_ceil(4) >= min || text.chars().count() >= min)
    })
}

fn is_short_enough(text: &str, max: Option<usize>) -> bool {
    max.is_none_or(|max| {
        text.len() <= max || text.len() <= max.saturating_mul(4) && text.chars().count() <= max
    })
}

fn number(rules: &NumberRules, value: &Num) -> bool {
    let above = |bound: &super::model::Bound| match value.compare(&bound.value) {
        Ordering::Less => false,
        Ordering::Equal => !bound.exclusive,
        Ordering::Greater => true,
    };
    let below = |bound: &super::model::Bound| match value.compare(&bound.value) {
        Ordering::Greater => false,
        Ordering::Equal => !bound.exclusive,
        Ordering::Less => true,
    };
    rules.minimum.as_ref().is_none_or(above)
        && rules.maximum.as_ref().is_none_or(below)
        && rules
            .multiple_of
            .as_ref()
            .is_none_or(|divisor| value.is_multiple_of(&divisor.value))
}

/// Whether `enum` lists the value.
pub(super) fn is_listed(enumeration: &Enumeration, value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => {
            let strings = &enumeration.strings;
            if strings.len() <= 8 {
                strings.iter().any(|known| **known == **text)
            } else {
                strings
                    .binary_search_by(|known| (**known).cmp(text))
                    .is_ok()
            }
        }
        value => enumeration
            .others
            .iter()
            .any(|known| equality::equal(known, value)),
    }
}
