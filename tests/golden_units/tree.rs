//! Evaluates the trees of the cases. Every value is JSON in the notation of the cases; an outcome is an object with
//! `success` or `failure` alone.

use std::collections::HashMap;

use engine::iglu::Resolver;
use engine::json;
use serde_json::{Value, json};

use crate::calls;

/// Why a case ends before its end.
#[derive(Debug, PartialEq)]
pub enum Stop {
    /// We do not have what is called; the reason.
    NotRun(String),
    /// It does not do what is expected.
    Different(String),
}

impl Stop {
    pub fn different(text: impl Into<String>) -> Self {
        Self::Different(text.into())
    }
}

/// The state of one case.
pub struct Evaluator<'r> {
    pub resolver: &'r Resolver,
    /// `$result`
    pub result: Option<Value>,
    /// What became of beans, by how the case writes them: the reference changes them in place.
    pub beans: HashMap<String, Value>,
}

/// A call of a function in the table.
pub struct Call<'c, 'r> {
    /// What it is a method of, or null.
    pub on: &'c Value,
    pub args: &'c [Value],
    /// Arguments by their names.
    pub named: &'c Value,
    pub evaluator: &'c mut Evaluator<'r>,
}

impl Call<'_, '_> {
    /// An argument, null if it is absent.
    pub fn arg(&self, index: usize) -> &Value {
        self.args.get(index).unwrap_or(&Value::Null)
    }

    /// An argument that may be null.
    pub fn optional(&self, index: usize) -> Option<&str> {
        self.arg(index).as_str()
    }

    /// An argument that is a text.
    pub fn text(&self, index: usize) -> &str {
        self.optional(index).expect("a text")
    }

    pub fn resolver(&self) -> &Resolver {
        self.evaluator.resolver
    }
}

impl<'r> Evaluator<'r> {
    pub fn new(resolver: &'r Resolver) -> Self {
        Self {
            resolver,
            result: None,
            beans: HashMap::new(),
        }
    }

    /// The value of a tree.
    pub fn value(&mut self, tree: &Value) -> Result<Value, Stop> {
        self.at(tree, &Value::Null)
    }

    /// The value of a tree in a function of `argument`.
    fn at(&mut self, tree: &Value, argument: &Value) -> Result<Value, Stop> {
        let members = match tree {
            Value::String(text) if text == "$0" => return Ok(argument.clone()),
            Value::String(text) if text == "$result" || text == "$result.toList" => {
                let result = self.result.clone();
                return result.ok_or_else(|| Stop::different("no $result"));
            }
            Value::String(text) if text.starts_with("$result.") => {
                let result = self.result.clone().unwrap_or_default();
                return member_of(&result, text.trim_start_matches("$result."));
            }
            Value::Array(items) => {
                return items.iter().map(|item| self.at(item, argument)).collect();
            }
            Value::Object(members) => members,
            other => return Ok(other.clone()),
        };
        if let Some(name) = tree["call"].as_str() {
            return self.call(name, tree, argument);
        }
        if let Some(member) = tree["select"].as_str() {
            return self.select(member, &tree["of"], argument);
        }
        if tree["unapply"] == "List" {
            let of = self.at(&tree["of"], argument)?;
            let index = tree["index"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok());
            let item = of.get(index.unwrap_or(usize::MAX));
            return item
                .cloned()
                .ok_or_else(|| Stop::different(format!("{of} is too short")));
        }
        if let Some(path) = tree["json_path"].as_array() {
            let text = self.at(&tree["of"], argument)?;
            let json: Value = text
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .ok_or_else(|| Stop::different(format!("{text} is no JSON")))?;
            let found = path
                .iter()
                .try_fold(&json, |json, step| match step.as_u64() {
                    Some(index) => json.get(usize::try_from(index).ok()?),
                    None => json.get(step.as_str()?),
                });
            // a member that is absent is null to the cases
            return Ok(found.cloned().unwrap_or_default());
        }
        if let Some(parts) = tree["concat"].as_array() {
            let parts = self.at(&json!(parts), argument)?;
            let texts = parts.as_array().into_iter().flatten();
            return Ok(texts.filter_map(Value::as_str).collect::<String>().into());
        }
        if tree["json"]["select"].is_string() {
            return Ok(json!({"json": self.at(&tree["json"], argument)?}));
        }
        if ["lambda", "json", "base64", "throw"]
            .iter()
            .any(|name| members.contains_key(*name))
        {
            return Ok(tree.clone());
        }
        if let Some(bean) = self.beans.get(&tree.to_string()) {
            return Ok(bean.clone());
        }
        let mut values = serde_json::Map::new();
        for (name, member) in members {
            values.insert(name.clone(), self.at(member, argument)?);
        }
        Ok(values.into())
    }

    fn call(&mut self, name: &str, tree: &Value, argument: &Value) -> Result<Value, Stop> {
        // A method of a value of which we have nothing need not have its arguments evaluated.
        let written = qualified(name, &tree["on"]);
        if let Some(reason) = calls::not_run(&written) {
            return Err(Stop::NotRun(reason.to_owned()));
        }
        let (on, name) = match name.strip_prefix("$0.") {
            Some(path) => {
                let mut names: Vec<&str> = path.split('.').collect();
                let method = names.pop().unwrap_or_default();
                let mut on = argument.clone();
                for member in names.into_iter().filter(|name| *name != "get") {
                    on = member_of(&on, member)?;
                }
                (on, method)
            }
            // a method of the result
            None => match name.strip_prefix("$result.") {
                Some(method) => (self.result.clone().unwrap_or_default(), method),
                None => (self.at(&tree["on"], argument)?, name),
            },
        };
        let qualified = if written == name || written.starts_with('$') {
            qualified(name, &on)
        } else {
            written
        };
        let no_args = Vec::new();
        let args = tree["args"].as_array().unwrap_or(&no_args);
        let args: Result<Vec<Value>, Stop> =
            args.iter().map(|arg| self.at(arg, argument)).collect();
        let args = args?;
        let named = self.at(&tree["named"], argument)?;
        if let Some(ours) = calls::ours(&qualified) {
            return ours.apply(&mut Call {
                on: &on,
                args: &args,
                named: &named,
                evaluator: self,
            });
        }
        match calls::not_run(&qualified) {
            Some(reason) => Err(Stop::NotRun(reason.to_owned())),
            None => self.method(name, &on, &args),
        }
    }

    /// The functions of Scala's own values.
    fn method(&mut self, name: &str, on: &Value, args: &[Value]) -> Result<Value, Stop> {
        let arg = args.first().unwrap_or(&Value::Null);
        match name {
            "map" => match on.get("success") {
                Some(value) if is_outcome(on) => Ok(json!({"success": self.apply(arg, value)?})),
                _ if is_outcome(on) || on.is_null() => Ok(on.clone()),
                _ if on.is_array() => {
                    let items = on.as_array().into_iter().flatten();
                    items.map(|item| self.apply(arg, item)).collect()
                }
                _ => self.apply(arg, on),
            },
            // an output where a function is wanted stands for its `extract`
            "flatMap" => match on.get("success") {
                Some(value) if is_outcome(on) && arg["type"].is_string() => {
                    self.value(&json!({"call": "extract", "on": arg, "args": [value]}))
                }
                Some(value) if is_outcome(on) => self.apply(arg, value),
                _ => Ok(on.clone()),
            },
            "getOrElse" => Ok(outcome_value(on)),
            "count" => {
                let mut count = 0;
                for item in on.as_array().into_iter().flatten() {
                    count += i32::from(self.apply(arg, item)? == true);
                }
                Ok(count.into())
            }
            "==" => Ok((on == arg).into()),
            // a member of a map
            "parameters" => member_of(&member_of(on, "parameters")?, arg.as_str().unwrap_or("")),
            "compact" => {
                let text = arg.as_str().unwrap_or_default();
                match json::parse(text) {
                    Ok(Some(value)) => Ok(value.to_compact().into()),
                    _ => Err(Stop::different(format!("{text} is no JSON"))),
                }
            }
            _ => Err(Stop::different(format!(
                "{name} of {on} is in neither table of calls"
            ))),
        }
    }

    fn apply(&mut self, function: &Value, argument: &Value) -> Result<Value, Stop> {
        self.at(&function["lambda"], argument)
    }

    fn select(&mut self, member: &str, of: &Value, argument: &Value) -> Result<Value, Stop> {
        let of = self.at(of, argument)?;
        let name = qualified(member, &of);
        if let Some(reason) = calls::not_run(&name) {
            return Err(Stop::NotRun(reason.to_owned()));
        }
        if let Some(ours) = calls::ours(&name) {
            return ours.apply(&mut Call {
                on: &of,
                args: &[],
                named: &Value::Null,
                evaluator: self,
            });
        }
        member_of(&of, member)
    }
}

/// A method's name with the type of what it belongs to.
fn qualified(name: &str, on: &Value) -> String {
    match on["type"].as_str() {
        Some(kind) => format!("{kind}.{name}"),
        None => name.to_owned(),
    }
}

/// Member of a value. The cases leave `toList` out: the head of an outcome is its value, and a member of an event is asked
/// of a list of events too, which means its first.
fn member_of(value: &Value, member: &str) -> Result<Value, Stop> {
    let none = || Stop::different(format!("no {member} in {value}"));
    match (member, value) {
        ("head", Value::Object(_)) if is_outcome(value) => value.get("success").cloned(),
        ("head", Value::Array(items)) => items.first().cloned(),
        ("size", Value::Array(items)) => Some(items.len().into()),
        ("toString", Value::String(_)) => Some(value.clone()),
        ("toString", Value::Number(number)) => Some(number.to_string().into()),
        (_, Value::Array(items)) => return member_of(items.first().ok_or_else(none)?, member),
        _ => value.get(member).cloned(),
    }
    .ok_or_else(none)
}

/// Whether a value is a success or a failure.
pub fn is_outcome(value: &Value) -> bool {
    value.as_object().is_some_and(|members| {
        members.len() == 1 && (members.contains_key("success") || members.contains_key("failure"))
    })
}

/// What an outcome holds, or the value itself.
pub fn outcome_value(value: &Value) -> Value {
    if is_outcome(value) {
        let held = value.get("success").or_else(|| value.get("failure"));
        return held.cloned().unwrap_or_default();
    }
    value.clone()
}
