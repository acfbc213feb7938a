//! Tests of the whole validator: the public test suite, vectors of the reference, a registry of real schemas (all three
//! only where the shared folder is at hand), and cases of our own.

mod hostile;
mod invariants;
mod own;
mod shared;

use super::Schema;
use crate::iglu::message::Message;
use crate::json::{self, Value};

/// The tree of a text.
fn tree(text: &str) -> Value<'_> {
    json::parse(text).expect("JSON").expect("a value")
}

fn schema(text: &str) -> Schema {
    Schema::compile(&tree(text)).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// All messages, after a look at the invariant of the two paths.
fn messages(schema: &Schema, instance: &Value<'_>) -> Vec<Message> {
    let messages = schema.validate(instance);
    assert_eq!(
        schema.is_valid(instance),
        messages.is_empty(),
        "the two paths disagree about {instance:?}: {messages:?}"
    );
    messages
}

/// Texts of all messages of a schema about an instance.
fn texts(schema_text: &str, instance: &str) -> Vec<String> {
    messages(&schema(schema_text), &tree(instance))
        .iter()
        .map(|message| message.text().to_owned())
        .collect()
}
