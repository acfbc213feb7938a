//! A compiled draft-4 JSON Schema with the verdicts and messages of json-schema-validator 2.2.3.
//!
//! In: schema documents and instances as JSON trees. Out: a verdict ([`Schema::is_valid`], the path of nearly all
//! events) or all messages in the reference's order and form ([`Schema::validate`]). Whatever `$schema` says, draft 4 applies;
//! `format` is on; unknown keywords and formats are ignored.
//!
//! Not as the reference does it: nothing is fetched for a `$ref` (the message is that of a URI that cannot be read), and
//! messages, nesting and alternatives are bounded, so that a hostile instance ends with a message.

mod check;
mod compile;
mod equality;
mod formats;
mod keywords;
mod loops;
mod messages;
mod meta;
mod model;
mod numbers;
mod pattern;
mod properties;
mod refs;
mod report;
mod rules;
mod syntax;

#[cfg(test)]
mod tests;

use super::message::Message;
use crate::json::Value;

/// A schema that passed the syntax check, compiled once and shared by all workers. Owns all it needs.
#[derive(Debug)]
pub struct Schema {
    compiled: model::Compiled,
}

impl Schema {
    /// Checks the syntax of a schema document and compiles it.
    ///
    /// # Errors
    /// Messages of domain `syntax`, all of them in the reference's order. A broken `$ref` is no syntax error: it shows when an
    /// instance reaches it.
    pub fn compile(document: &Value<'_>) -> Result<Self, Vec<Message>> {
        Ok(Self {
            compiled: compile::compile(document)?,
        })
    }

    /// Whether `instance` is valid: the fast path, without messages. The same as an empty [`validate`](Self::validate).
    pub fn is_valid(&self, instance: &Value<'_>) -> bool {
        if self.compiled.may_throw {
            return self.validate(instance).is_empty();
        }
        check::is_valid(&self.compiled, instance)
            .unwrap_or_else(|| report::validate(&self.compiled, instance).is_empty())
    }

    /// All messages about `instance`, in the reference's order; empty when it is valid. A message of level `fatal` comes first
    /// where the reference throws.
    pub fn validate(&self, instance: &Value<'_>) -> Vec<Message> {
        report::validate(&self.compiled, instance)
    }
}
