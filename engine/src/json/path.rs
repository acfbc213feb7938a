//! JSONPath in the two dialects that the configurations of enrichments are written in: that of Gatling
//! (API request, SQL query) and that of Jayway (pseudonymisation).
//!
//! In: a path, compiled once, and a JSON. Out: the values that it selects, in the order in which the
//! dialect's library finds them. Gatling is jsonpath 0.6.4, Jayway json-path 2.4.0 with exceptions
//! suppressed, so that what does not fit selects nothing.
//!
//! | | Gatling | Jayway |
//! |---|---|---|
//! | `.*`, `['*']` | values of an object | `.*`: values of an object, elements of an array; `['*']`: the member `*` |
//! | `[*]` | elements of an array | values of an object, elements of an array |
//! | `..name` | not again inside of what it found | everywhere |
//! | `..*` | members of objects, at any depth | members and elements, at any depth |
//! | `..[0]`, `..['a']`, `..[?(...)]` | refused | allowed |
//! | `[a:b:c]` | all three, negative steps backwards | `c` is ignored; `b` below 0 only without `a` |
//! | filter on an object | tries its values | tries the object itself |
//! | `!=` without a value | false | true |
//! | functions, e.g. `length()` | refused | refused (the library has some) |
//!
//! A hostile JSON cannot make a path run away: beyond some million visited values every value is
//! selected once instead of once for every way that leads to it (`$..*..*`), and then the conditions of
//! filters are taken for false, or for true where values are changed: pseudonymisation rather replaces
//! too much.

mod condition;
mod gatling;
mod jayway;
mod jayway_filter;
mod walk;

use std::collections::HashMap;

use super::Value;
use walk::{Path, Step};

/// Deeper nested filters in a path are refused.
const MAX_FILTERS: usize = 16;

/// A compiled path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    path: Path,
}

/// Whose rules a path follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// gatling jsonpath 0.6.4
    Gatling,
    /// Jayway json-path 2.4.0
    Jayway,
}

impl JsonPath {
    /// Compiles a path.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the dialect's library as far as they are known.
    pub fn compile(text: &str, dialect: Dialect) -> Result<Self, String> {
        let path = match dialect {
            Dialect::Gatling => gatling::compile(text)?,
            Dialect::Jayway => jayway::compile(text, 0)?,
        };
        Ok(Self { path })
    }

    /// All values that the path selects, in order. A value is there once for every way that leads to
    /// it.
    pub fn select<'v, 'j>(&self, root: &'v Value<'j>) -> Vec<&'v Value<'j>> {
        walk::select(&self.path, root, false)
    }

    /// Calls `change` on every value that the path selects, once, in the order of [`select`](Self::select);
    /// the structure stays. Of a value and another one inside of it, the second is not found any more
    /// if the change of the first removed it.
    pub fn select_mut<'j>(&self, root: &mut Value<'j>, change: &mut dyn FnMut(&mut Value<'j>)) {
        if let Some(names) = self.only_names() {
            let found = names.into_iter().try_fold(root, |value, name| {
                let Value::Object(members) = value else {
                    return None;
                };
                let (_, member) = members.iter_mut().find(|(key, _)| key == name)?;
                Some(member)
            });
            if let Some(value) = found {
                change(value);
            }
            return;
        }
        for place in self.places(root) {
            if let Some(value) = at(root, &place) {
                change(value);
            }
        }
    }

    /// The names of a path of nothing but single names, which needs no search.
    fn only_names(&self) -> Option<Vec<&str>> {
        let is_name = |step: &Step| matches!(step, Step::Names(names) if names.len() == 1);
        if !self.path.steps.iter().all(is_name) {
            return None;
        }
        let names = self.path.steps.iter().filter_map(|step| match step {
            Step::Names(names) => names.first().map(String::as_str),
            _ => None,
        });
        Some(names.collect())
    }

    /// Where the selected values are: for each the numbers of the children on the way from the root.
    fn places(&self, root: &Value<'_>) -> Vec<Vec<usize>> {
        let found = walk::select(&self.path, root, true);
        let mut places = vec![None; found.len()];
        // the first of several equal ones counts
        let mut wanted = HashMap::with_capacity(found.len());
        for (index, value) in found.into_iter().enumerate() {
            wanted.entry(walk::identity(value)).or_insert(index);
        }
        if !wanted.is_empty() {
            locate(root, &wanted, &mut Vec::new(), &mut places);
        }
        places.into_iter().flatten().collect()
    }
}

/// Finds the places of the wanted values at and below `value`, which is at `place`.
fn locate(
    value: &Value<'_>,
    wanted: &HashMap<usize, usize>,
    place: &mut Vec<usize>,
    places: &mut [Option<Vec<usize>>],
) {
    if let Some(&index) = wanted.get(&walk::identity(value)) {
        places[index] = Some(place.clone());
    }
    for (number, child) in walk::children(value).enumerate() {
        place.push(number);
        locate(child, wanted, place, places);
        place.pop();
    }
}

/// The value at a place, if it is still there.
fn at<'v, 'j>(root: &'v mut Value<'j>, place: &[usize]) -> Option<&'v mut Value<'j>> {
    place.iter().try_fold(root, |value, &number| match value {
        Value::Array(items) => items.get_mut(number),
        Value::Object(members) => members.get_mut(number).map(|(_, member)| member),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
