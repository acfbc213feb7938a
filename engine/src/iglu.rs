//! The Iglu client: schema keys and criteria, registries in priority order, draft-4 validation,
//! and the messages that end in bad rows.
//!
//! In: self-describing JSONs, and the resolver configuration. Out: valid data with compiled schemas,
//! or messages as iglu-scala-client 0.5.0 and json-schema-validator 2.2.3 give them.

pub mod key;
pub mod message;
pub mod registry;
pub mod resolver;
pub mod schema;
pub mod self_describing;

pub use key::{SchemaCriterion, SchemaKey};
pub use message::Message;
pub use resolver::{Resolver, SchemaEntry};
pub use schema::Schema;
